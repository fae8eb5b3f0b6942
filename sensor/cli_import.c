// SPDX-License-Identifier: Apache-2.0
/*
 * picket import: the addresses of a file, blocked once, each as the operator's own block. The file is read
 * here, with the rights of who calls; the daemon is asked about one target after the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "lib/clock.h"
#include "lib/config.h"
#include "lib/util.h"
#include "policies/list.h"
#include "sensor/cli_call.h"
#include "sensor/cli_print.h"

#define ENTRIES_MAX  65536 /* more is for `lists:`, which loads a million in about a second */
#define BODY_MAX     4096
#define REFUSALS_MAX 5  /* shown one by one */
#define RATE_WAIT_MS 50 /* over limits.inserts_per_second: so long until the next try */
#define RATE_TRIES   200

struct import {
	const struct cli *cli;
	const char *command, *file, *ttl, *action, *scope, *reason;
	enum config_list_format format;
	uint64_t now_s;
	uint64_t blocked, refused;
};

/* --- the file --- */

static int bytes_read(const struct import *i, int fd, struct buffer *ret)
{
	for (;;) {
		char *at;
		int r = buffer_reserve(ret, 65536, &at);
		if (r == BUFFER_E_FULL)
			return cli_fail(EXIT_USAGE, i->command, "%s is larger than a list may be", i->file);
		if (r)
			return cli_no_memory(i->command);
		ssize_t n = read(fd, at, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cli_fail(EXIT_USAGE, i->command, "%s cannot be read: %s", i->file,
					strerror(errno));
		if (n == 0)
			return EXIT_DONE;
		buffer_commit(ret, (size_t)n);
	}
}

static void faults_tell(const struct import *i, const struct list_report *report)
{
	for (unsigned k = 0; k < report->fault_count; k++) {
		struct buffer b = BUFFER_INIT((size_t)16 * LIST_QUOTE_MAX);
		print_escaped(&b, span_from(report->faults[k].quote), 0);
		fprintf(stderr, "picket %s: record %" PRIu64 " of %s cannot be read: \"%.*s\" %s\n",
			i->command, report->faults[k].at, i->file, (int)b.len, b.len ? b.data : "",
			report->faults[k].why);
		buffer_free(&b);
	}
}

static int list_read(const struct import *i, struct list **ret, struct list_report *report)
{
	_cleanup_(buffer_free) struct buffer bytes = BUFFER_INIT(LIST_TEXT_BYTES_MAX + 65536);
	bool is_stdin = !strcmp(i->file, "-");
	_cleanup_close_ int opened = is_stdin ? -1 : open(i->file, O_RDONLY | O_CLOEXEC);
	struct list_times times = {.now_s = i->now_s, .written_s = i->now_s};
	struct stat st;

	if (!is_stdin && (opened < 0 || fstat(opened, &st)))
		return cli_fail(EXIT_USAGE, i->command, "%s cannot be read: %s", i->file, strerror(errno));
	if (!is_stdin && S_ISREG(st.st_mode))
		times.written_s = (uint64_t)MAX(st.st_mtime, (time_t)0);
	int r = bytes_read(i, is_stdin ? STDIN_FILENO : opened, &bytes);
	if (r)
		return r;
	r = list_parse(buffer_span(&bytes), i->format, &times, ret, report);
	if (r < 0)
		return cli_no_memory(i->command);
	faults_tell(i, report);
	if (r)
		return cli_fail(EXIT_USAGE, i->command, "%s %s", i->file, report->error);
	if (list_count(*ret) > ENTRIES_MAX)
		return cli_fail(EXIT_USAGE, i->command,
				"%s holds %u entries, more than the %u that are asked for one by one: name "
				"it under lists: in the configuration",
				i->file, list_count(*ret), ENTRIES_MAX);
	return EXIT_DONE;
}

/* --- one target --- */

static void body_of(const struct import *i, const struct prefix *target, uint64_t end_s, struct buffer *body)
{
	struct json_writer w = JSON_WRITER(body);
	char text[PREFIX_TEXT_MAX];

	json_object_begin(&w);
	json_key(&w, "target");
	json_text(&w, prefix_format(target, text));
	if (end_s) {
		json_key(&w, "ttl_s");
		json_uint(&w, end_s - i->now_s);
	} else if (i->ttl) {
		json_key(&w, "ttl");
		json_text(&w, i->ttl);
	}
	const struct {
		const char *key, *text;
	} texts[] = {{"action", i->action}, {"scope", i->scope}, {"reason", i->reason}};
	for (size_t k = 0; k < ARRAY_SIZE(texts); k++)
		if (texts[k].text) {
			json_key(&w, texts[k].key);
			json_text(&w, texts[k].text);
		}
	json_object_end(&w);
}

static void refusal_tell(struct import *i, const struct prefix *target, const char *detail)
{
	struct buffer b = BUFFER_INIT(4096);
	char text[PREFIX_TEXT_MAX];

	if (++i->refused > REFUSALS_MAX)
		return;
	print_escaped(&b, span_from(detail), 0);
	fprintf(stderr, "picket %s: %s is refused: %.*s\n", i->command, prefix_format(target, text),
		(int)b.len, b.len ? b.data : "");
	buffer_free(&b);
}

static bool over_rate(unsigned status, const cJSON *answer)
{
	return status == 409 && strncmp(cli_text(answer, "detail"), "insert_rate", 11) == 0;
}

static int block_one(struct import *i, const struct prefix *target, uint64_t end_s)
{
	static const struct timespec pause = {.tv_nsec = RATE_WAIT_MS * (long)NS_PER_MS};
	_cleanup_(buffer_free) struct buffer body = BUFFER_INIT(BODY_MAX);
	cJSON *answer = NULL;
	unsigned status = 0;
	int r;

	body_of(i, target, end_s, &body);
	for (unsigned tries = 0;; tries++) {
		r = cli_try(i->cli, i->command, "POST", "/v1/blocks", buffer_span(&body), &status, &answer);
		if (r || !over_rate(status, answer) || tries == RATE_TRIES)
			break;
		cJSON_Delete(answer);
		answer = NULL;
		nanosleep(&pause, NULL);
	}
	if (r)
		return r;
	if (status == 201)
		i->blocked++;
	else if (status == 409)
		refusal_tell(i, target, cli_text(answer, "detail"));
	else /* the same would be said about every other */
		r = cli_fail(status == 422 ? EXIT_USAGE : EXIT_NO, i->command, "%s",
			     *cli_text(answer, "detail") ? cli_text(answer, "detail")
							 : "the daemon gave no reason; see its log");
	if (!r && i->cli->json) {
		char *text = cJSON_PrintUnformatted(answer);
		puts(text ? text : "{}");
		cJSON_free(text);
	}
	cJSON_Delete(answer);
	return r;
}

/* --- the command --- */

static int read_options(int argc, char **argv, struct import *i)
{
	static const struct option longs[] = {
		{"format", required_argument, NULL, 'f'}, {"ttl", required_argument, NULL, 't'},
		{"action", required_argument, NULL, 'a'}, {"scope", required_argument, NULL, 's'},
		{"reason", required_argument, NULL, 'r'}, {NULL, 0, NULL, 0},
	};
	int c;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		if (c == 't')
			i->ttl = optarg;
		else if (c == 'a')
			i->action = optarg;
		else if (c == 's')
			i->scope = optarg;
		else if (c == 'r')
			i->reason = optarg;
		else if (c != 'f')
			return cli_bad_option(argv, c);
		else if (cli_list_format(optarg, &i->format))
			return cli_fail(EXIT_USAGE, argv[0],
					"--format is auto, plain, crowdsec, stix or misp, not \"%s\"",
					optarg);
	}
	if (optind == argc)
		return cli_fail(EXIT_USAGE, argv[0], "which file? usage: picket import FILE");
	i->file = argv[optind++];
	return optind < argc ? cli_unexpected(argv, argv[optind]) : EXIT_DONE;
}

static int summary(const struct import *i, const struct list_report *report)
{
	if (!i->cli->json)
		printf("%" PRIu64 " blocked, %" PRIu64 " refused; in the file %" PRIu64
		       " records could not be read, %" PRIu64 " had ended, %" PRIu64
		       " ask for no block of an "
		       "address\n",
		       i->blocked, i->refused, report->unreadable, report->ended, report->ignored);
	if (i->refused > REFUSALS_MAX)
		fprintf(stderr, "picket %s: and %" PRIu64 " more are refused\n", i->command,
			i->refused - REFUSALS_MAX);
	return i->refused ? EXIT_REFUSED : report->unreadable ? EXIT_NO : EXIT_DONE;
}

int cli_import(const struct cli *cli, int argc, char **argv)
{
	struct import i = {.cli = cli,
			   .file = "-",
			   .command = argv[0],
			   .reason = "imported",
			   .format = CONFIG_LIST_AUTO,
			   .now_s = clock_wall_ns(&clock_system) / NS_PER_S};
	struct list_report report = {0};
	struct list *list = NULL;
	int r = read_options(argc, argv, &i);

	if (!r)
		r = list_read(&i, &list, &report);
	for (uint32_t at = 0; at < list_count(list) && !r; at++) {
		struct prefix target = list_target(list, at);
		r = block_one(&i, &target, list_end_s(list, at));
	}
	list_free(list);
	return r ? r : summary(&i, &report);
}
