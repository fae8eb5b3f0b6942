// SPDX-License-Identifier: Apache-2.0
/* picket export: what is denied, as a list that others can read. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include "lib/clock.h"
#include "lib/target.h"
#include "lib/util.h"
#include "policies/list.h"
#include "policies/list_write.h"
#include "sensor/cli_call.h"

#define LINE_BYTES_MAX (64u * 1024)

struct export
{
	const struct cli *cli;
	struct list_writer writer;
	struct buffer out;
	bool published;  /* only what nobody here can enforce */
	uint64_t others; /* of which something may pass */
	uint64_t keys;   /* consumers and JA4s, which no list has */
	bool failed;
};

/* False: stdout takes no more. */
static bool drain(struct export *e)
{
	bool fits = !e->out.truncated &&
		    (!e->out.len || fwrite(e->out.data, 1, e->out.len, stdout) == e->out.len);

	buffer_reset(&e->out);
	e->failed = e->failed || !fits;
	return fits;
}

static void write_block(struct export *e, const cJSON *b)
{
	struct list_record r = {.left_s = cli_uint(b, "ttl_s")};
	const char *origin = cli_text(b, "origin");

	if (!r.left_s || target_parse(span_from(cli_text(b, "target")), &r.target))
		return; /* it just ended */
	if (!target_is_net(&r.target)) {
		e->keys++;
		return;
	}
	/* An operator's origin is a user id of this host: nobody else's business. */
	r.origin = !strcmp(cli_text(b, "source"), "operator") ? "operator" : origin;
	r.reason = cli_text(b, "reason");
	list_write(&e->writer, &r);
}

static int on_block(void *arg, struct span line)
{
	struct export *e = arg;
	cJSON *b = cli_parse_line(line);

	if (!b)
		return 0;
	if (e->published && strcmp(cli_text(b, "point"), "published") != 0)
		goto out;
	if (!verdict_drops(verdict_action_of(cli_text(b, "action")))) {
		e->others++;
	} else if (e->cli->json) {
		buffer_append(&e->out, line.ptr, line.len);
		buffer_append_char(&e->out, '\n');
	} else {
		write_block(e, b);
	}
out:
	cJSON_Delete(b);
	return !drain(e);
}

int cli_list_format(const char *text, enum config_list_format *ret)
{
	for (unsigned f = CONFIG_LIST_AUTO; f <= CONFIG_LIST_MISP; f++)
		if (!strcmp(list_format_name((enum config_list_format)f), text)) {
			*ret = (enum config_list_format)f;
			return 0;
		}
	return 1;
}

static int read_options(int argc, char **argv, enum config_list_format *ret_format, bool *ret_published)
{
	static const struct option longs[] = {
		{"format", required_argument, NULL, 'f'},
		{"published", no_argument, NULL, 'p'},
		{NULL, 0, NULL, 0},
	};
	int c;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		if (c == 'p')
			*ret_published = true;
		else if (c != 'f')
			return cli_bad_option(argv, c);
		else if (cli_list_format(optarg, ret_format) || *ret_format == CONFIG_LIST_AUTO)
			return cli_fail(EXIT_USAGE, argv[0],
					"--format is plain, crowdsec, stix or misp, not \"%s\"", optarg);
	}
	return optind < argc ? cli_unexpected(argv, argv[optind]) : EXIT_DONE;
}

int cli_export(const struct cli *cli, int argc, char **argv)
{
	struct export e = {.cli = cli, .out = BUFFER_INIT(2 * LINE_BYTES_MAX)};
	enum config_list_format format = CONFIG_LIST_PLAIN;
	int r = read_options(argc, argv, &format, &e.published);

	if (r)
		return r;
	if (!cli->json)
		list_write_begin(&e.writer, format, clock_wall_ns(&clock_system), &e.out);
	r = cli_stream(cli, argv[0], "/v1/blocks?stream=1", on_block, &e);
	if (!r && !cli->json)
		list_write_end(&e.writer);
	/* What is not whole is not written out as if it were. */
	if (!r && (!drain(&e) || fflush(stdout) || e.failed))
		r = cli_fail(EXIT_NO, argv[0], "stdout cannot be written: %s", strerror(errno));
	if (!r && e.others)
		fprintf(stderr, "picket export: %llu with action rate_limit or shadow are not in it\n",
			(unsigned long long)e.others);
	if (!r && e.keys)
		fprintf(stderr,
			"picket export: %llu consumers or JA4s are not in it: lists have addresses (--json "
			"has "
			"them)\n",
			(unsigned long long)e.keys);
	buffer_free(&e.out);
	return r;
}
