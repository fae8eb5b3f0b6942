// SPDX-License-Identifier: Apache-2.0
/*
 * picket config redact: shows what of a request would leave the process, and cares for the keys of its
 * hashes. Asks no daemon. Without the right to read the key it shows with a temporary one, and says so.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "lib/event_json.h"
#include "lib/util.h"
#include "policies/redact.h"
#include "sensor/cli.h"
#include "sensor/cli_print.h"
#include "sensor/http1.h"

#define COMMAND     "config redact"
#define HEADERS_MAX 128
#define ERRORS_MAX  65536
#define OUTPUT_MAX  (4 * 1024 * 1024)

struct redact_options {
	const char *file; /* NULL: the default one, if it is there */
	const char *test;
	const char *headers[HEADERS_MAX];
	unsigned header_count;
	unsigned keep;
	const char *action; /* NULL: test */
};

/* 0 or EXIT_USAGE (told). argv[0] is "redact". */
static int options_read(int argc, char **argv, struct redact_options *o)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"test", required_argument, NULL, 't'},
		{"header", required_argument, NULL, 'H'},
		{"keep", required_argument, NULL, 'k'},
		{NULL, 0, NULL, 0},
	};
	unsigned long keep;
	char *end;
	int c;

	optind = 0; /* cli_main has scanned before */
	while ((c = getopt_long(argc, argv, ":c:H:", longs, NULL)) != -1) {
		if (c == 'c')
			o->file = optarg;
		else if (c == 't')
			o->test = optarg;
		else if (c == 'H' && o->header_count < HEADERS_MAX)
			o->headers[o->header_count++] = optarg;
		else if (c == 'H')
			return cli_fail(EXIT_USAGE, COMMAND, "more than %d headers", HEADERS_MAX);
		else if (c != 'k')
			return cli_fail(EXIT_USAGE, COMMAND, "%s: unknown option, or its value is missing",
					argv[optind - 1]);
		else if ((keep = strtoul(optarg, &end, 10)) >= REDACT_KEYS_MAX || *end || !*optarg)
			return cli_fail(EXIT_USAGE, COMMAND, "--keep takes a number from 0 to %d",
					REDACT_KEYS_MAX - 1);
		else
			o->keep = (unsigned)keep;
	}
	if (optind < argc)
		o->action = argv[optind++];
	if (optind < argc)
		return cli_fail(EXIT_USAGE, COMMAND, "unexpected argument \"%s\"", argv[optind]);
	if (o->test && strcmp(o->test, "-") == 0 && o->header_count)
		return cli_fail(EXIT_USAGE, COMMAND,
				"-H goes with a request line; \"-\" reads headers as well");
	if (!o->action == !o->test)
		return cli_fail(EXIT_USAGE, COMMAND,
				"say what: --test REQUEST, keys, rotate-key or forget-keys");
	return 0;
}

static int load(const struct cli *cli, const struct redact_options *o, struct config **ret)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(ERRORS_MAX);
	struct config_flag flags[1];
	unsigned count = 0;

	if (cli->instance_given)
		flags[count++] = (struct config_flag){"instance", cli->instance, "--instance"};
	int r = config_load(o->file, flags, count, environ, ret, &errors);
	if (r < 0)
		return cli_fail(EXIT_USAGE, COMMAND, "%s", strerror(-r));
	if (r)
		return cli_fail(EXIT_USAGE, COMMAND, "configuration refused\n%.*s", (int)errors.len,
				errors.data);
	return EXIT_DONE;
}

/* --- keys --- */
static const char *since_text(const struct redact_key *key, char text[static 32])
{
	time_t t = (time_t)key->since_s;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return key->since_s ? text : "unknown";
}

static void print_keys(const struct cli *cli, const struct redact_keys *keys)
{
	_cleanup_(buffer_free) struct buffer out = BUFFER_INIT(OUTPUT_MAX);
	struct json_writer w = JSON_WRITER(&out);
	char since[32], id[4];

	for (unsigned i = 0; i < keys->count; i++) {
		snprintf(id, sizeof id, "%02x", keys->items[i].id);
		if (!cli->json) {
			printf("%s  since %s%s\n", id, since_text(&keys->items[i], since),
			       i ? "" : "  (in use)");
			continue;
		}
		json_object_begin(&w);
		json_key(&w, "id");
		json_text(&w, id);
		if (keys->items[i].since_s) {
			json_key(&w, "since");
			json_text(&w, since_text(&keys->items[i], since));
		}
		json_key(&w, "in_use");
		json_bool(&w, i == 0);
		json_object_end(&w);
		buffer_append_char(&out, '\n');
		w.comma = false;
	}
	fwrite(out.data ? out.data : "", 1, out.len, stdout);
}

static int keys_action(const struct cli *cli, const struct config *config, const struct redact_options *o)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(ERRORS_MAX);
	const char *path = config->redact.key_file;
	struct redact_keys keys;
	int r;

	if (strcmp(o->action, "keys") == 0)
		r = redact_keys_read(path, &keys, &errors);
	else if (strcmp(o->action, "rotate-key") == 0)
		r = redact_keys_rotate(path, o->keep, &keys, &errors);
	else if (strcmp(o->action, "forget-keys") == 0)
		r = redact_keys_forget(path, &keys, &errors);
	else
		return cli_fail(EXIT_USAGE, COMMAND,
				"no such part: \"%s\"; --test, keys, rotate-key or forget-keys", o->action);
	if (r == -EACCES || r == -EPERM)
		return cli_fail(EXIT_NOT_PERMITTED, COMMAND, "%s: %s; only root may", path, strerror(-r));
	if (r < 0)
		return cli_fail(EXIT_NO, COMMAND, "%s: %s%s", path, strerror(-r),
				r == -ENOENT ? "; picket makes it when it starts" : "");
	if (r)
		return cli_fail(EXIT_NO, COMMAND, "%.*s", (int)errors.len, errors.data);
	print_keys(cli, &keys);
	redact_keys_wipe(&keys);
	if (strcmp(o->action, "keys") != 0 && !cli->json)
		puts("a running picket takes this up when it is reloaded (SIGHUP, systemctl reload picket)");
	return EXIT_DONE;
}

/* --- a test --- */

/* The head as it would be sent; lines of a person's end with LF alone, which is what is made of it. */
static int head_make(const struct redact_options *o, struct buffer *head)
{
	char piece[4096];
	size_t n;

	if (strcmp(o->test, "-") == 0) {
		while ((n = fread(piece, 1, sizeof piece, stdin)) > 0)
			buffer_append(head, piece, n);
		if (!memmem(head->data ? head->data : "", head->len, "\r\n\r\n", 4) &&
		    !memmem(head->data ? head->data : "", head->len, "\n\n", 2))
			buffer_append_text(head, "\r\n\r\n");
	} else {
		buffer_append_text(head, o->test);
		if (!strstr(o->test, " HTTP/"))
			buffer_append_text(head, " HTTP/1.1");
		buffer_append_text(head, "\r\n");
		for (unsigned i = 0; i < o->header_count; i++) {
			buffer_append_text(head, o->headers[i]);
			buffer_append_text(head, "\r\n");
		}
		buffer_append_text(head, "\r\n");
	}
	return head->truncated ? -EMSGSIZE : 0;
}

/* Keys that we may read, or a temporary one. *ret_why: NULL, or why it is temporary. */
static int keys_get(const struct config *config, struct redact_keys *ret, const char **ret_why,
		    struct buffer *errors)
{
	int r = redact_keys_read(config->redact.key_file, ret, errors);

	*ret_why = r < 0 ? strerror(-r) : NULL;
	return r < 0 ? redact_keys_temporary(ret) : r;
}

static void print_text(const struct event *e)
{
	_cleanup_(buffer_free) struct buffer out = BUFFER_INIT(OUTPUT_MAX);
	const struct event_request *r = &e->request;

	print_escaped(&out, r->method, 0);
	buffer_append_char(&out, ' ');
	print_escaped(&out, r->target, 0);
	buffer_printf(&out, " HTTP/%u.%u\n", r->version_major, r->version_minor);
	for (unsigned i = 0; i < r->header_count; i++) {
		print_escaped(&out, r->headers[i].name, 0);
		buffer_append_text(&out, ": ");
		print_escaped(&out, r->headers[i].value, 0);
		buffer_append_char(&out, '\n');
	}
	buffer_printf(&out, "\nconsumer: %.*s\n", r->consumer.len ? (int)r->consumer.len : 4,
		      r->consumer.len ? r->consumer.ptr : "none");
	if (r->consumer_previous.len)
		buffer_printf(&out, "consumer under the key before: %.*s\n", (int)r->consumer_previous.len,
			      r->consumer_previous.ptr);
	fwrite(out.data ? out.data : "", 1, out.len, stdout);
}

static void print_json(const struct event *e)
{
	_cleanup_(buffer_free) struct buffer out = BUFFER_INIT(OUTPUT_MAX);
	struct json_writer w = JSON_WRITER(&out);

	event_json_data(&w, e);
	buffer_append_char(&out, '\n');
	fwrite(out.data ? out.data : "", 1, out.len, stdout);
}

static int show_redacted(const struct cli *cli, const struct config *config, const struct redact_keys *keys,
			 const struct http_request *request)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(ERRORS_MAX);
	const struct redact_context nothing = {0};
	struct redact *redact = NULL;
	int r = redact_new_keys(config, keys, &redact, &errors);

	if (r)
		return cli_fail(EXIT_USAGE, COMMAND, "%.*s", (int)errors.len, errors.data ? errors.data : "");
	struct event *e = redact_request(redact, request, &nothing);
	if (e && cli->json)
		print_json(e);
	else if (e)
		print_text(e);
	r = e ? EXIT_DONE : cli_fail(EXIT_NO, COMMAND, "out of memory");
	event_unref(e);
	redact_free(redact);
	return r;
}

static int test(const struct cli *cli, const struct config *config, const struct redact_options *o)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(ERRORS_MAX);
	_cleanup_(buffer_free) struct buffer head = BUFFER_INIT(HTTP1_HEAD_MAX);
	struct http_request *request = calloc(1, sizeof *request);
	struct redact_keys keys;
	const char *why = NULL;
	int r = request ? head_make(o, &head) : -ENOMEM;

	if (!r && http1_parse(buffer_span(&head), request))
		r = cli_fail(EXIT_USAGE, COMMAND, "that is no request: \"GET /path?query HTTP/1.1\" is one");
	else if (r)
		r = cli_fail(EXIT_USAGE, COMMAND, "%s", strerror(-r));
	else if ((r = keys_get(config, &keys, &why, &errors)))
		r = cli_fail(EXIT_NO, COMMAND, "%.*s", (int)errors.len, errors.data ? errors.data : "no key");
	if (r) {
		free(request);
		return r;
	}
	if (why)
		fprintf(stderr, "picket " COMMAND ": %s: %s; hashes are made with a temporary key (id 00)\n",
			config->redact.key_file, why);
	r = show_redacted(cli, config, &keys, request);
	redact_keys_wipe(&keys);
	free(request);
	return r;
}

int cli_config_redact(const struct cli *cli, int argc, char **argv)
{
	struct redact_options o = {.keep = 1};
	struct config *config = NULL;
	int r = options_read(argc, argv, &o);

	if (!r)
		r = load(cli, &o, &config);
	if (!r && o.action)
		r = keys_action(cli, config, &o);
	else if (!r && o.test)
		r = test(cli, config, &o);
	config_free(config);
	return r;
}
