// SPDX-License-Identifier: Apache-2.0
/*
 * How well the signatures tell attacks from what is none, on labelled requests, beside libmodsecurity with
 * Debian's modsecurity-crs on the same requests in the same run, turn and turn about.
 *
 *     signatures_score [--bars FILE] [--show JUDGE:missed|false] [--no-crs] [--no-jit] CORPUS.jsonl
 *
 * An alarm: of ours, that the detection "injection" (policies/detections/injection.yaml) would fire on this
 * request alone; of the peer's, that it would be blocked. Prints recall of each family (the first three
 * digits of a test's rule) and over all, false alarms, and microseconds a request; for both halves of the
 * corpus. What the clock itself costs is measured before each request and taken off. --no-jit: as where
 * memory may not hold code (MemoryDenyWriteExecute=), for all judges.
 *
 * What a corpus calls "must not match" speaks of one rule only: those that are attacks in truth all the same
 * are told by FAMILY-TRUTH lines of the bars ("attack TEST").
 *
 * Ends 0; 1 if a bar is broken; 2 if it could not begin.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include "lib/util.h"
#include "policies/signatures.h"
#include "tests/quality/signatures_corpus.h"
#include "tests/quality/signatures_crs.h"

#define JUDGES       (SIGNATURE_PARANOIA_MAX + 2) /* ours by level, CRS 1 and 2 */
#define FAMILIES_MAX 1000
#define FIRST_ATTACK 930
#define LAST_ATTACK  944
#define ALARM_SCORE  5

struct tally {
	unsigned attacks, found, others, false_alarms;
};

struct judge {
	char name[24];
	struct signatures *ours;
	struct crs *crs;
	struct tally families[FAMILIES_MAX];
	struct tally halves[2];
	double us;
	unsigned asked;
};

struct run {
	struct corpus corpus;
	struct judge judges[JUDGES];
	unsigned judge_count;
	char **truths; /* names of tests that are attacks in truth */
	unsigned truth_count;
	const char *show;
	double clock_us; /* what it costs to look at it */
};

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static bool ours_alarm(struct signatures *s, const struct stage *stage, struct signature_hits *hits)
{
	if (signatures_run(s, &stage->request, hits))
		abort();
	return hits->marks.score >= ALARM_SCORE;
}

static void show(const struct judge *j, const struct stage *s, bool attack, bool alarm,
		 const struct signature_hits *hits)
{
	printf("%s %s %u %s %s", j->name, attack ? (alarm ? "found" : "missed") : "false", s->rule_id,
	       s->test, s->uri);
	for (unsigned i = 0; i < s->request.header_count; i++) {
		const struct http_header *h = &s->request.headers[i];
		if (s->request.header_count < 40 && !memmem(h->value.ptr, h->value.len, "OWASP CRS", 9) &&
		    strncasecmp(h->name.ptr, "accept", 6) != 0 && strncasecmp(h->name.ptr, "host", 4) != 0)
			printf(" [%.*s: %.*s]", (int)h->name.len, h->name.ptr,
			       (int)MIN(h->value.len, (size_t)100), h->value.ptr);
	}
	for (unsigned i = 0; j->ours && i < hits->count; i++)
		printf(" {%s %s: %.*s}", hits->items[i].signature->id,
		       signature_where_name(hits->items[i].where), hits->items[i].len, hits->items[i].text);
	printf("\n");
}

static bool is_truth(const struct run *r, const char *test)
{
	for (unsigned i = 0; i < r->truth_count; i++)
		if (strcmp(r->truths[i], test) == 0)
			return true;
	return false;
}

static void ask(struct run *r, struct judge *j, const struct stage *s)
{
	struct signature_hits hits = {0};
	unsigned family = s->rule_id / 1000;
	bool attack = s->attack;
	double start = now_us();
	bool alarm = j->ours ? ours_alarm(j->ours, s, &hits) : crs_alarm(j->crs, s);

	j->us += now_us() - start;
	j->asked++;
	if (!attack && is_truth(r, s->test))
		return; /* counted by neither: its rule must not match, another may */
	struct tally *t[2] = {&j->families[family < FAMILIES_MAX ? family : 0], &j->halves[s->second]};
	for (unsigned i = 0; i < 2; i++) {
		if (i == 1 && attack && (family < FIRST_ATTACK || family > LAST_ATTACK))
			continue; /* attacks are these families; what is none may be of any */
		t[i]->attacks += attack;
		t[i]->found += attack && alarm;
		t[i]->others += !attack;
		t[i]->false_alarms += !attack && alarm;
	}
	if (r->show && strncmp(j->name, r->show, strcspn(r->show, ":")) == 0) {
		const char *what = strchr(r->show, ':');
		bool second = what && strstr(what, "second");
		if (s->second == second && what && strncmp(what + 1, "missed", 6) == 0 && attack && !alarm &&
		    family >= FIRST_ATTACK)
			show(j, s, attack, alarm, &hits);
		if (what && strncmp(what + 1, "false", 5) == 0 && !attack && alarm)
			show(j, s, attack, alarm, &hits);
	}
}

static struct tally total(const struct judge *j)
{
	struct tally t = {0};

	for (unsigned h = 0; h < 2; h++) {
		t.attacks += j->halves[h].attacks;
		t.found += j->halves[h].found;
		t.others += j->halves[h].others;
		t.false_alarms += j->halves[h].false_alarms;
	}
	return t;
}

static double percent(unsigned part, unsigned whole)
{
	return whole ? 100.0 * part / whole : 0;
}

static double clock_us(const struct run *r)
{
	return r->clock_us / (double)MAX(r->corpus.count, (size_t)1);
}

static double cost_us(const struct run *r, const struct judge *j)
{
	return j->us / (j->asked ? j->asked : 1) - clock_us(r);
}

static void print_row(const struct run *r, const char *name, bool second, unsigned family, int half)
{
	printf("%-12s", name);
	for (unsigned i = 0; i < r->judge_count; i++) {
		const struct judge *j = &r->judges[i];
		struct tally t = half >= 0 ? j->halves[half] : second ? total(j) : j->families[family];
		printf("  %4u/%-4u %3u/%-4u", t.found, t.attacks, t.false_alarms, t.others);
	}
	printf("\n");
}

static void print(const struct run *r)
{
	printf("%-12s", "");
	for (unsigned i = 0; i < r->judge_count; i++)
		printf("  %-18s", r->judges[i].name);
	printf("\n%-12s", "family");
	for (unsigned i = 0; i < r->judge_count; i++)
		printf("  %-18s", "found     false");
	printf("\n");
	for (unsigned f = 0; f < FAMILIES_MAX; f++) {
		char name[16];
		snprintf(name, sizeof name, "%u", f);
		if (r->judges[0].families[f].attacks + r->judges[0].families[f].others)
			print_row(r, name, false, f, -1);
	}
	print_row(r, "first half", false, 0, 0);
	print_row(r, "second half", false, 0, 1);
	print_row(r, "attacks", true, 0, -1);
	printf("%-12s", "recall");
	for (unsigned i = 0; i < r->judge_count; i++)
		printf("  %-18.1f", percent(total(&r->judges[i]).found, total(&r->judges[i]).attacks));
	printf("\n%-12s", "us/request");
	for (unsigned i = 0; i < r->judge_count; i++)
		printf("  %-18.2f", cost_us(r, &r->judges[i]));
	printf("\n(without the clock's own %.2f)\n", clock_us(r));
}

/* --- bars --- */

/* How many times as much the cheapest of the others takes; 0: none was asked, or this build says little. */
static double times_cheaper(const struct run *r, unsigned level)
{
	double others = 0;

#if defined(NDEBUG) && !defined(__SANITIZE_ADDRESS__)
	for (unsigned i = 0; i < r->judge_count; i++)
		if (r->judges[i].crs && (others == 0 || cost_us(r, &r->judges[i]) < others))
			others = cost_us(r, &r->judges[i]);
#endif
	return others / cost_us(r, &r->judges[level - 1]);
}

/* Lines "recall LEVEL PERCENT", "false LEVEL COUNT", "cheaper LEVEL TIMES", "attack TEST"; read twice: truths
 * first. */
static int read_bars(struct run *r, const char *path, bool check)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	char line[256], text[200];
	unsigned level;
	double bar;
	int broken = 0;

	if (!file) {
		fprintf(stderr, "%s cannot be read\n", path);
		return 2;
	}
	while (fgets(line, sizeof line, file)) {
		if (!check && sscanf(line, "attack %199s", text) == 1) {
			char **more = realloc(r->truths, (r->truth_count + 1) * sizeof *more);
			if (!more || !(more[r->truth_count] = strdup(text)))
				return 2;
			r->truths = more;
			r->truth_count++;
		}
		if (check && sscanf(line, "cheaper %u %lf", &level, &bar) == 2 && level >= 1 &&
		    level <= SIGNATURE_PARANOIA_MAX) {
			double times = times_cheaper(r, level);
			printf("level %u is %.1f times as cheap as what is compared, the bar is %.1f\n",
			       level, times, bar);
			broken |= times > 0 && times < bar;
			continue;
		}
		bool recall = sscanf(line, "recall %u %lf", &level, &bar) == 2;
		if (!check || (!recall && sscanf(line, "false %u %lf", &level, &bar) != 2) || level < 1 ||
		    level > SIGNATURE_PARANOIA_MAX)
			continue;
		struct tally t = total(&r->judges[level - 1]);
		double is = recall ? percent(t.found, t.attacks) : t.false_alarms;
		if (recall ? is + 0.05 < bar : is > bar) {
			printf("BROKEN: %s at level %u is %.1f, the bar is %.1f\n",
			       recall ? "recall" : "false alarms", level, is, bar);
			broken = 1;
		}
	}
	return broken;
}

/* --- the run --- */

static int add_ours(struct run *r, char **files, unsigned count)
{
	struct buffer errors = BUFFER_INIT(64 * 1024);
	int e = 0;

	for (unsigned level = 1; level <= SIGNATURE_PARANOIA_MAX && !e; level++) {
		struct judge *j = &r->judges[r->judge_count++];
		const struct signatures_settings settings = {
			.paranoia = level, .files = files, .file_count = count};
		snprintf(j->name, sizeof j->name, "picket %u", level);
		e = signatures_new(&settings, &j->ours, &errors);
	}
	if (e)
		fprintf(stderr, "%.*s", (int)errors.len, errors.data ? errors.data : "out of memory\n");
	buffer_free(&errors);
	return e;
}

static void add_crs(struct run *r)
{
	for (unsigned level = 1; level <= 2; level++) {
		struct judge *j = &r->judges[r->judge_count];
		const char *why = "its rules cannot be read";
		if (crs_new(level, &j->crs, &why)) {
			printf("skipped: modsecurity-crs at level %u: %s\n", level, why);
			continue;
		}
		snprintf(j->name, sizeof j->name, "CRS %u", level);
		r->judge_count++;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"bars", required_argument, NULL, 'b'},
						{"show", required_argument, NULL, 's'},
						{"no-crs", no_argument, NULL, 'n'},
						{"no-jit", no_argument, NULL, 'j'},
						{NULL, 0, NULL, 0}};
	static struct run run;
	const char *bars = NULL;
	bool crs = true;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 'b')
			bars = optarg;
		else if (option == 's')
			run.show = optarg;
		else if (option == 'n')
			crs = false;
		else if (option != 'j' || prctl(65 /* PR_SET_MDWE */, 1, 0, 0, 0))
			return 2;
	}
	if (optind + 1 != argc || corpus_load(argv[optind], &run.corpus)) {
		fprintf(stderr,
			"usage: signatures_score [--bars FILE] [--show JUDGE:missed|false] [--no-crs] "
			"[--no-jit] CORPUS.jsonl\n");
		return 2;
	}
	if (add_ours(&run, NULL, 0) || (bars && read_bars(&run, bars, false)))
		return 2;
	if (crs)
		add_crs(&run);
	for (size_t i = 0; i < run.corpus.count; i++) {
		double start = now_us();

		run.clock_us += now_us() - start;
		for (unsigned j = 0; j < run.judge_count; j++)
			ask(&run, &run.judges[j], &run.corpus.stages[i]);
	}
	print(&run);
	int broken = bars ? read_bars(&run, bars, true) : 0;
	for (unsigned j = 0; j < run.judge_count; j++) {
		signatures_free(run.judges[j].ours);
		crs_free(run.judges[j].crs);
	}
	for (unsigned i = 0; i < run.truth_count; i++)
		free(run.truths[i]);
	free(run.truths);
	corpus_free(&run.corpus);
	return broken;
}
