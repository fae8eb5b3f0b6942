// SPDX-License-Identifier: Apache-2.0
/*
 * picket replay: what picket makes of capture files. With --policy, how the decisions of another
 * configuration, or of other detections, differ from those of the default one.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/event_json.h"
#include "lib/util.h"
#include "sensor/cli_call.h"
#include "sensor/cli_print.h"
#include "sensor/replay_run.h"
#include "sensor/sandbox.h"

#define PORTS_MAX      64
#define LINE_BYTES_MAX (256u * 1024)
#define FLAGS_MAX      5

struct options {
	uint16_t ports[PORTS_MAX];
	unsigned port_count;
	bool no_redact;
	const char *decapsulate; /* as capture.decapsulate; NULL: as the configuration says */
	const char *policy;
	char **files;
	unsigned file_count;
};

/* --- options --- */

static int port_add(struct options *o, const char *text)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || !port || port > UINT16_MAX)
		return cli_fail(EXIT_USAGE, "replay", "--port takes a port number, not \"%s\"", text);
	if (o->port_count == PORTS_MAX)
		return cli_fail(EXIT_USAGE, "replay", "no more than %d ports", PORTS_MAX);
	o->ports[o->port_count++] = (uint16_t)port;
	return 0;
}

static int options_read(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"port", required_argument, NULL, 'p'},
		{"no-redact", no_argument, NULL, 'n'},
		{"decapsulate", required_argument, NULL, 'd'},
		{"policy", required_argument, NULL, 'P'},
		{NULL, 0, NULL, 0},
	};
	int c, r = 0;

	optind = 0;
	opterr = 0;
	while (!r && (c = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		if (c == 'p')
			r = port_add(o, optarg);
		else if (c == 'n')
			o->no_redact = true;
		else if (c == 'd')
			o->decapsulate = optarg;
		else if (c == 'P')
			o->policy = optarg;
		else
			r = cli_bad_option(argv, c);
	}
	if (!r && optind == argc)
		r = cli_fail(EXIT_USAGE, "replay", "a capture file is needed; see picket help replay");
	o->files = argv + optind;
	o->file_count = (unsigned)(argc - optind);
	return r;
}

/* --- configuration --- */

/* Detections and configuration are both YAML; the first key at the left margin tells them apart. */
static bool file_has_detections(const char *path)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	char line[256];

	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, "detections:", 11))
			return true;
	return false;
}

/* policy: NULL for the default one. */
static int config_read(const struct options *o, const char *policy, struct config **ret)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(65536);
	struct config_flag flags[FLAGS_MAX];
	unsigned count = 0;
	const char *file = "";

	if (policy && file_has_detections(policy))
		flags[count++] = (struct config_flag){"detect.policies", policy, "--policy"};
	else if (policy)
		file = policy;
	if (o->no_redact) {
		flags[count++] = (struct config_flag){"redact.disabled", "true", "--no-redact"};
		flags[count++] = (struct config_flag){"redact.query", "keep", "--no-redact"};
	}
	if (o->decapsulate) {
		flags[count++] = (struct config_flag){"capture.decapsulate", o->decapsulate, "--decapsulate"};
		/* Whose tunnels are in a file is known to who has it; nobody is blocked. */
		flags[count++] =
			(struct config_flag){"capture.tunnel_peers", "0.0.0.0/0,::/0", "--decapsulate"};
	}
	int r = config_load(file, flags, count, environ, ret, &errors);
	fprintf(stderr, "%.*s", (int)errors.len, errors.len ? errors.data : "");
	if (r)
		return cli_fail(EXIT_USAGE, "replay", "configuration refused%s%s", r < 0 ? ": " : "",
				r < 0 ? strerror(-r) : "");
	return 0;
}

/* --- one run --- */

struct run {
	struct replay_run_options options;
	struct config *config;
	struct replay_run *run;
};

static void run_end(struct run *r)
{
	replay_run_free(r->run);
	config_free(r->config);
}

/* error: 0, REPLAY_E_*, -errno. Returns the exit status; what is wrong was told then. */
static int run_failed(int error, struct buffer *errors)
{
	while (errors->len && errors->data[errors->len - 1] == '\n')
		errors->len--;
	buffer_append_char(errors, 0);
	switch (error) {
	case 0:
		return EXIT_DONE;
	case REPLAY_E_FILE:
		return cli_fail(EXIT_USAGE, "replay", "%s", errors->data);
	case REPLAY_E_PERMISSION:
		return cli_fail(EXIT_NOT_PERMITTED, "replay", "%s", errors->data);
	case REPLAY_E_UNSUPPORTED:
		return cli_fail(EXIT_KERNEL, "replay", "%s", errors->data);
	default:
		return cli_fail(EXIT_NO, "replay", "%s", strerror(-error));
	}
}

/* Zeroed before; run_end it in any case. policy: NULL for the default one. */
static int run_begin(struct run *r, const struct options *o, const char *policy,
		     void (*event)(void *arg, const struct event *e), void *arg)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(65536);
	int status = config_read(o, policy, &r->config);

	if (status)
		return status;
	r->options = (struct replay_run_options){.config = r->config,
						 .ports = o->ports,
						 .port_count = o->port_count,
						 .files = o->files,
						 .file_count = o->file_count,
						 .event = event,
						 .arg = arg};
	return run_failed(replay_run_new(&r->options, &r->run, &errors), &errors);
}

/* Before the first byte of a capture is read. */
static int give_up_rights(const struct config *config)
{
	uid_t uid;
	gid_t gid;
	int r = sandbox_user(config->user, &uid, &gid);

	if (!r)
		r = sandbox_replay(uid, gid);
	return r ? cli_fail(EXIT_NO, "replay", "rights cannot be given up: %s", strerror(-r)) : EXIT_DONE;
}

static int run_go(struct run *r, struct replay_result *result)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(65536);
	int status = run_failed(replay_run_go(r->run, result, &errors), &errors);

	if (!status && result->replay.files_cut)
		cli_fail(0, "replay", "read up to where a file is cut short or damaged: %s", errors.data);
	return status;
}

/* --- events as they come --- */

struct printer {
	const struct cli *cli;
	struct buffer json, line;
	uint64_t requests, answered, decisions;
	bool failed;
};

static void print_event(void *arg, const struct event *e)
{
	struct printer *p = arg;
	struct json_writer w = JSON_WRITER(&p->json);
	struct buffer *out = &p->json;

	p->requests += e->kind == EVENT_HTTP_REQUEST;
	p->answered += e->kind == EVENT_HTTP_REQUEST && e->request.answered;
	p->decisions += e->kind == EVENT_DECISION;
	buffer_reset(&p->json);
	event_json_data(&w, e);
	if (!p->cli->json) {
		buffer_reset(&p->line);
		cli_event_line(p->cli, buffer_span(&p->json), &p->line);
		out = &p->line;
	}
	buffer_append_char(out, '\n');
	p->failed |= fwrite(out->data, 1, out->len, stdout) != out->len;
}

static void print_summary(const struct printer *p, const struct replay_result *r)
{
	const struct replay_counts *f = &r->replay;
	const struct capture_counts *c = &r->capture;
	char bytes[32], span[32];

	printf("\n%llu frames (%s) in %s, %llu segments, %llu odd frames\n", (unsigned long long)f->frames,
	       print_bytes(f->bytes, bytes), print_span((f->last_ns - f->first_ns) / NS_PER_S, span),
	       (unsigned long long)c->segments, (unsigned long long)c->frames);
	for (unsigned i = 0; i < PCAP_REFUSED_MAX; i++)
		if (f->refused[i])
			printf("%llu frames refused: %s\n", (unsigned long long)f->refused[i],
			       pcap_refusal_name((enum pcap_refusal)i));
	if (f->refused_large)
		printf("%llu frames refused: too large for this kernel's test run\n",
		       (unsigned long long)f->refused_large);
	if (f->refused_kernel)
		printf("%llu frames refused by the kernel\n", (unsigned long long)f->refused_kernel);
	if (f->datagrams)
		printf("%llu datagrams put together of fragments\n", (unsigned long long)f->datagrams);
	if (f->datagrams_overlapping || f->datagrams_given_up)
		printf("%llu datagrams void for fragments that overlap, %llu given up before they were "
		       "whole\n",
		       (unsigned long long)f->datagrams_overlapping,
		       (unsigned long long)f->datagrams_given_up);
	if (c->packets.tracked.evicted || c->packets.datagrams.evicted)
		printf("given up for want of room: %llu connections, %llu fragmented datagrams\n",
		       (unsigned long long)c->packets.tracked.evicted,
		       (unsigned long long)c->packets.datagrams.evicted);
	if (f->records_lost)
		printf("%llu records lost\n", (unsigned long long)f->records_lost);
	printf("%llu connections, %llu requests, %llu answered, %llu decisions, %llu gaps (%s)\n",
	       (unsigned long long)c->connections_opened, (unsigned long long)p->requests,
	       (unsigned long long)p->answered, (unsigned long long)p->decisions, (unsigned long long)c->gaps,
	       print_bytes(c->gap_bytes, bytes));
}

static int show(const struct cli *cli, const struct options *o)
{
	struct printer p = {
		.cli = cli, .json = BUFFER_INIT(LINE_BYTES_MAX), .line = BUFFER_INIT(LINE_BYTES_MAX)};
	struct replay_result result = {0};
	struct run run = {0};
	int r = run_begin(&run, o, NULL, print_event, &p);

	if (!r)
		r = give_up_rights(run.config);
	if (!r)
		r = run_go(&run, &result);
	if (!r && !cli->json)
		print_summary(&p, &result);
	if (!r && p.failed)
		r = cli_fail(EXIT_NO, "replay", "stdout cannot be written");
	run_end(&run);
	buffer_free(&p.json);
	buffer_free(&p.line);
	return r;
}

/* --- two policies --- */

#define DECISIONS_MAX 65536 /* of one policy; what is beyond is not compared, and told */

struct decisions {
	struct event **list;
	size_t count, size;
	uint64_t beyond;
};

static void decision_keep(void *arg, const struct event *e)
{
	struct decisions *d = arg;

	if (e->kind != EVENT_DECISION)
		return;
	if (d->count == DECISIONS_MAX) {
		d->beyond++;
		return;
	}
	if (d->count == d->size) {
		size_t size = d->size ? 2 * d->size : 64;
		struct event **list = realloc(d->list, size * sizeof *list);
		if (!list) {
			d->beyond++;
			return;
		}
		d->list = list;
		d->size = size;
	}
	/* Events are shared; only their last owner changes anything. */
	d->list[d->count++] = event_ref((struct event *)(uintptr_t)e);
}

static void decisions_free(struct decisions *d)
{
	for (size_t i = 0; i < d->count; i++)
		event_unref(d->list[i]);
	free(d->list);
}

/* What makes two decisions the same one: on whom, by which detection, with which outcome. */
static int decision_compare(const void *a, const void *b)
{
	const struct event *x = *(struct event *const *)a, *y = *(struct event *const *)b;
	const struct event_decision *d = &x->decision, *e = &y->decision;
	int r = memcmp(&d->verdict.target.addr, &e->verdict.target.addr, sizeof d->verdict.target.addr);

	if (!r)
		r = d->verdict.target.bits - e->verdict.target.bits;
	if (!r)
		r = strcmp(d->verdict.origin, e->verdict.origin);
	if (!r)
		r = (int)d->outcome - (int)e->outcome;
	if (!r)
		r = (int)d->verdict.action - (int)e->verdict.action;
	return r;
}

static void decisions_sort(struct decisions *d)
{
	if (d->count)
		qsort(d->list, d->count, sizeof *d->list, decision_compare);
}

static void print_difference(struct printer *p, const struct event *e, const char *change)
{
	struct json_writer w = JSON_WRITER(&p->json);

	buffer_reset(&p->json);
	event_json_data(&w, e);
	if (p->cli->json) {
		printf("{\"picket.replay.change\":\"%s\",%.*s\n", change, (int)p->json.len - 1,
		       p->json.data + 1);
		return;
	}
	buffer_reset(&p->line);
	cli_event_line(p->cli, buffer_span(&p->json), &p->line);
	printf("%-6s %.*s\n", change, (int)p->line.len, p->line.data);
}

/* Both sorted. Returns how many differ. */
static uint64_t print_differences(struct printer *p, const struct decisions *before,
				  const struct decisions *after)
{
	uint64_t differ = 0;
	size_t i = 0, k = 0;

	while (i < before->count || k < after->count) {
		int r = i == before->count  ? 1
			: k == after->count ? -1
					    : decision_compare(&before->list[i], &after->list[k]);
		if (r < 0)
			print_difference(p, before->list[i], "lost");
		else if (r > 0)
			print_difference(p, after->list[k], "gained");
		differ += r != 0;
		i += r <= 0;
		k += r >= 0;
	}
	return differ;
}

/* Both were loaded before, as loading takes the rights that are gone by now. */
static int decide(struct run *before, struct run *after)
{
	struct replay_result result = {0};
	int r = give_up_rights(before->config);

	if (!r)
		r = run_go(before, &result);
	if (!r)
		r = run_go(after, &result);
	return r;
}

static int print_comparison(struct printer *p, const struct options *o, struct decisions *before,
			    struct decisions *after)
{
	decisions_sort(before);
	decisions_sort(after);
	uint64_t differ = print_differences(p, before, after);

	if (!p->cli->json)
		printf("%zu decisions by default, %zu by %s, %llu differ\n", before->count, after->count,
		       o->policy, (unsigned long long)differ);
	if (before->beyond || after->beyond)
		return cli_fail(EXIT_NO, "replay", "more than %d decisions: the rest was not compared",
				DECISIONS_MAX);
	return differ ? EXIT_NO : EXIT_DONE;
}

static int compare(const struct cli *cli, const struct options *o)
{
	struct printer p = {
		.cli = cli, .json = BUFFER_INIT(LINE_BYTES_MAX), .line = BUFFER_INIT(LINE_BYTES_MAX)};
	struct decisions before = {0}, after = {0};
	struct run first = {0}, second = {0};
	int r = run_begin(&first, o, NULL, decision_keep, &before);

	if (!r)
		r = run_begin(&second, o, o->policy, decision_keep, &after);
	if (!r)
		r = decide(&first, &second);
	if (!r)
		r = print_comparison(&p, o, &before, &after);
	decisions_free(&before);
	decisions_free(&after);
	run_end(&first);
	run_end(&second);
	buffer_free(&p.json);
	buffer_free(&p.line);
	return r;
}

int cli_replay(const struct cli *cli, int argc, char **argv)
{
	struct options o = {0};
	int r = options_read(argc, argv, &o);

	if (r)
		return r;
	for (unsigned i = 0; o.policy && i < o.file_count; i++)
		if (!strcmp(o.files[i], "-"))
			return cli_fail(EXIT_USAGE, "replay", "--policy reads each file twice: not stdin");
	return o.policy ? compare(cli, &o) : show(cli, &o);
}
