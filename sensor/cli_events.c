// SPDX-License-Identifier: Apache-2.0
/*
 * picket events, requests, packets: what picket saw, the last of it or (-f) as it comes. With --json the
 * daemon's lines pass through untouched; for people each event is one line.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bpf/abi.h"
#include "lib/addr.h"
#include "lib/util.h"
#include "sensor/cli_call.h"
#include "sensor/cli_print.h"

#define PATH_MAX_BYTES 1024
#define LINE_BYTES_MAX (256u * 1024)
#define BACK_MAX       65536u /* the API's; a tail holds less */

struct view {
	const struct cli *cli;
	void (*print)(struct view *v, const cJSON *e); /* one event into out */
	struct buffer out;
	unsigned width;
	uint64_t lines;
	bool follow;
	bool failed; /* stdout is gone */
};

/* --- one line an event --- */

static void put_text(struct view *v, const char *text)
{
	print_escaped(&v->out, span_from(text), 0);
}

/* "192.0.2.7:80", "[2001:db8::1]:80" */
static void put_endpoint(struct view *v, const char *address, uint64_t port)
{
	bool v6 = strchr(address, ':');

	if (v6)
		buffer_append_char(&v->out, '[');
	put_text(v, *address ? address : "?");
	if (v6)
		buffer_append_char(&v->out, ']');
	if (port)
		buffer_printf(&v->out, ":%llu", (unsigned long long)port);
}

static void put_peer(struct view *v, const cJSON *e)
{
	const char *peer = cli_key_text(e, "network.peer.address"),
		   *client = cli_key_text(e, "client.address");
	size_t begin = v->out.len;

	put_endpoint(v, *client ? client : peer,
		     cli_key_uint(e, *client ? "client.port" : "network.peer.port"));
	if (*client && strcmp(client, peer)) {
		buffer_append_text(&v->out, " via ");
		put_text(v, peer);
	}
	for (size_t n = v->out.len - begin; n < 21; n++)
		buffer_append_char(&v->out, ' ');
	buffer_append_char(&v->out, ' ');
}

static void put_words(struct view *v, const cJSON *e, const char *key)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(e, key), *item;
	const char *before = " !";

	cJSON_ArrayForEach(item, list)
	{
		buffer_append_text(&v->out, before);
		put_text(v, cJSON_IsString(item) ? item->valuestring : "?");
		before = ",";
	}
}

static void put_request(struct view *v, const cJSON *e)
{
	const char *method = cli_key_text(e, "http.request.method_original");

	put_peer(v, e);
	if (cli_key_uint(e, "http.response.status_code"))
		buffer_printf(&v->out, "%llu ",
			      (unsigned long long)cli_key_uint(e, "http.response.status_code"));
	put_text(v, *method ? method : cli_key_text(e, "http.request.method"));
	buffer_append_char(&v->out, ' ');
	put_text(v, cli_key_text(e, "server.address"));
	put_text(v, cli_key_text(e, "url.original"));
	put_words(v, e, "picket.deviations");
}

static void put_connection(struct view *v, const cJSON *e)
{
	char in[32], out[32];
	uint64_t ms = cli_key_uint(e, "picket.connection.duration_ns") / NS_PER_MS;
	uint64_t gaps = cli_key_uint(e, "picket.connection.gaps");

	put_peer(v, e);
	buffer_printf(&v->out, "port %llu, %llu.%03llus, %llu requests, in %s, out %s",
		      (unsigned long long)cli_key_uint(e, "server.port"), (unsigned long long)ms / 1000,
		      (unsigned long long)ms % 1000,
		      (unsigned long long)cli_key_uint(e, "picket.connection.requests"),
		      print_bytes(cli_key_uint(e, "picket.connection.bytes_received"), in),
		      print_bytes(cli_key_uint(e, "picket.connection.bytes_sent"), out));
	if (gaps)
		buffer_printf(&v->out, ", %llu gaps", (unsigned long long)gaps);
	if (cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(e, "picket.connection.complete")))
		buffer_append_text(&v->out, ", begun before picket");
}

static const char *flag_letters(uint64_t flags, char buf[static 16])
{
	static const struct {
		uint64_t bit;
		char letter;
	} letters[] = {
		{PK_TCP_FIN, 'F'}, {PK_TCP_SYN, 'S'}, {PK_TCP_RST, 'R'}, {PK_TCP_PSH, 'P'}, {PK_TCP_ACK, '.'},
		{PK_TCP_URG, 'U'}, {PK_TCP_ECE, 'E'}, {PK_TCP_CWR, 'W'}, {PK_TCP_NS, 'e'},
	};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(letters); i++)
		if (flags & letters[i].bit)
			buf[n++] = letters[i].letter;
	buf[n] = 0;
	return n ? buf : "none";
}

/* As tcpdump writes it, behind the time. */
static void put_packet(struct view *v, const cJSON *e)
{
	const char *from = cli_key_text(e, "network.peer.address"),
		   *to = cli_key_text(e, "network.local.address");
	char letters[16];

	buffer_append_text(&v->out, strchr(from, ':') ? "IP6 " : "IP ");
	put_text(v, *from ? from : "?");
	buffer_printf(&v->out, ".%llu > ", (unsigned long long)cli_key_uint(e, "tcp.header.source_port"));
	put_text(v, *to ? to : "?");
	buffer_printf(&v->out, ".%llu: Flags [%s], seq %llu, ack %llu, win %llu, hlen %llu, length %llu",
		      (unsigned long long)cli_key_uint(e, "tcp.header.destination_port"),
		      flag_letters(cli_key_uint(e, "tcp.header.flags"), letters),
		      (unsigned long long)cli_key_uint(e, "tcp.header.sequence"),
		      (unsigned long long)cli_key_uint(e, "tcp.header.acknowledgment"),
		      (unsigned long long)cli_key_uint(e, "tcp.header.window"),
		      (unsigned long long)cli_key_uint(e, "tcp.header.header_length"),
		      (unsigned long long)cli_key_uint(e, "picket.packet.payload_length"));
}

static void put_tcp_anomaly(struct view *v, const cJSON *e)
{
	put_peer(v, e);
	put_text(v, cli_key_text(e, "tcp.anomaly.name"));
}

static void put_http_anomaly(struct view *v, const cJSON *e)
{
	put_peer(v, e);
	put_text(v, cli_key_text(e, "http.anomaly.name"));
}

static void put_hello(struct view *v, const cJSON *e)
{
	const char *name = cli_key_text(e, "tls.client.server_name"),
		   *version = cli_key_text(e, "tls.protocol.version"),
		   *ja4 = cli_key_text(e, "tls.client.ja4");

	put_peer(v, e);
	if (*version) {
		put_text(v, !strcmp(cli_key_text(e, "tls.protocol.name"), "ssl") ? "SSL " : "TLS ");
		put_text(v, version);
	} else {
		buffer_append_text(&v->out, "TLS");
	}
	buffer_append_text(&v->out, *name ? " for " : ", no name");
	put_text(v, name);
	if (*ja4) {
		buffer_append_text(&v->out, ", ja4 ");
		put_text(v, ja4);
	}
	put_words(v, e, "picket.tls.deviations");
}

static void put_loss(struct view *v, const cJSON *e)
{
	const char *source = cli_key_text(e, "picket.loss.source");

	buffer_append_text(&v->out, print_color(v->cli->color, COLOR_YELLOW));
	buffer_printf(&v->out, "%llu ", (unsigned long long)cli_key_uint(e, "picket.loss.count"));
	put_text(v, cli_key_text(e, "picket.loss.kind"));
	buffer_append_text(&v->out, " lost at stage ");
	put_text(v, cli_key_text(e, "picket.loss.stage"));
	if (*source) {
		buffer_append_text(&v->out, ", from ");
		put_text(v, source);
	}
	buffer_append_text(&v->out, print_color(v->cli->color, COLOR_NONE));
}

static enum print_color outcome_color(const char *outcome)
{
	if (!strcmp(outcome, "blocked"))
		return COLOR_RED;
	return !strcmp(outcome, "unblocked") || !strcmp(outcome, "expired") ? COLOR_GREEN : COLOR_YELLOW;
}

static void put_decision(struct view *v, const cJSON *e)
{
	const char *outcome = cli_key_text(e, "picket.decision.outcome"),
		   *why = cli_key_text(e, "picket.decision.why");
	const char *detail = cli_key_text(e, "picket.decision.detail");
	uint64_t ttl = cli_key_uint(e, "picket.decision.ttl_s");
	char span[32];

	buffer_append_text(&v->out, print_color(v->cli->color, outcome_color(outcome)));
	put_text(v, outcome);
	buffer_append_text(&v->out, print_color(v->cli->color, COLOR_NONE));
	buffer_append_char(&v->out, ' ');
	put_text(v, cli_key_text(e, "picket.decision.target"));
	if (!strcmp(outcome, "blocked") && ttl)
		buffer_printf(&v->out, " for %s", print_span(ttl, span));
	buffer_append_text(&v->out, ", ");
	put_text(v, cli_key_text(e, "picket.decision.source"));
	buffer_append_char(&v->out, '/');
	put_text(v, cli_key_text(e, "picket.decision.origin"));
	if (*cli_key_text(e, "picket.decision.reason")) {
		buffer_append_text(&v->out, ": ");
		put_text(v, cli_key_text(e, "picket.decision.reason"));
	}
	if (*why && strcmp(why, "ok")) {
		buffer_append_text(&v->out, " [");
		put_text(v, why);
		buffer_append_text(&v->out, *detail ? ": " : "");
		put_text(v, detail);
		buffer_append_char(&v->out, ']');
	}
}

static const struct kind {
	const char *name, *label;
	void (*put)(struct view *v, const cJSON *e);
} kinds[] = {
	{"http.request", "request", put_request},      {"net.connection", "connection", put_connection},
	{"tcp.header", "packet", put_packet},          {"tcp.anomaly", "anomaly", put_tcp_anomaly},
	{"http.anomaly", "anomaly", put_http_anomaly}, {"picket.loss", "loss", put_loss},
	{"picket.decision", "decision", put_decision}, {"tls.client_hello", "hello", put_hello},
};

static const struct kind *kind_of(const cJSON *e)
{
	const char *name = cli_key_text(e, "event.name");

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

static void put_time(struct view *v, const cJSON *e, unsigned digits)
{
	char text[32];

	buffer_append_text(&v->out, print_clock(cli_key_uint(e, "time_unix_nano"), digits, text));
	buffer_append_char(&v->out, ' ');
}

static void print_event(struct view *v, const cJSON *e)
{
	const struct kind *kind = kind_of(e);

	put_time(v, e, 3);
	if (kind) {
		buffer_printf(&v->out, "%-10s ", kind->label);
		kind->put(v, e);
	} else {
		put_text(v, cli_key_text(e, "event.name")); /* of a newer daemon */
	}
}

/* requests, packets: the kind is known, but for what was lost. */
static void print_plain(struct view *v, const cJSON *e)
{
	const struct kind *kind = kind_of(e);

	put_time(v, e, kind && kind->put == put_packet ? 6 : 3);
	if (kind)
		kind->put(v, e);
}

/* --- the stream --- */

/* Whoever follows gets each line at once, also through a pipe. */
static bool write_line(const struct view *v, struct span line)
{
	return fwrite_unlocked(line.ptr, 1, line.len, stdout) == line.len &&
	       putc_unlocked('\n', stdout) != EOF && (!v->follow || !fflush_unlocked(stdout));
}

void cli_event_line(const struct cli *cli, struct span line, struct buffer *out)
{
	struct view v = {.cli = cli, .out = *out};
	cJSON *e = cli_parse_line(line);

	if (e)
		print_event(&v, e);
	cJSON_Delete(e);
	*out = v.out;
}

static int on_line(void *arg, struct span line)
{
	struct view *v = arg;

	v->lines++;
	if (v->cli->json) {
		v->failed = !write_line(v, line);
		return v->failed;
	}
	cJSON *e = cli_parse_line(line);

	if (e) {
		buffer_reset(&v->out);
		v->print(v, e);
		v->failed = !write_line(v, buffer_span(&v->out));
	}
	cJSON_Delete(e);
	return v->failed;
}

struct request_for_events {
	bool follow;
	uint64_t limit, back; /* UINT64_MAX: not given */
	struct buffer names;
};

/* Ctrl-C is how following ends: not a failure. Lines are written whole, so nothing is pending. */
static void on_interrupt(int signal)
{
	(void)signal;
	_exit(EXIT_DONE);
}

static int build_path(const struct request_for_events *q, char ret[static PATH_MAX_BYTES],
		      const char *command)
{
	_cleanup_free_ char *names = q->names.len ? cli_path("&name=", q->names.data) : NULL;
	uint64_t back = q->back;
	char back_text[32] = "", limit_text[40] = "";

	/* Without -f, -n says how many of the newest. */
	if (!q->follow && back == UINT64_MAX && q->limit <= BACK_MAX)
		back = q->limit;
	if (q->names.len && !names)
		return cli_no_memory(command);
	if (back != UINT64_MAX)
		snprintf(back_text, sizeof back_text, "&back=%llu", (unsigned long long)back);
	if (q->limit != UINT64_MAX)
		snprintf(limit_text, sizeof limit_text, "&limit=%llu", (unsigned long long)q->limit);
	if (snprintf(ret, PATH_MAX_BYTES, "/v1/events?follow=%d%s%s%s", q->follow, back_text, limit_text,
		     names ? names : "") >= PATH_MAX_BYTES)
		return cli_fail(EXIT_USAGE, command, "too many names");
	return EXIT_DONE;
}

static int show_events(const struct cli *cli, const char *command, const struct request_for_events *q,
		       void (*print)(struct view *v, const cJSON *e))
{
	struct view v = {.cli = cli, .print = print, .out = BUFFER_INIT(LINE_BYTES_MAX), .follow = q->follow};
	char path[PATH_MAX_BYTES];
	int r = build_path(q, path, command);

	if (r)
		return r;
	if (q->follow) {
		signal(SIGINT, on_interrupt);
		signal(SIGTERM, on_interrupt);
	}
	r = cli_stream(cli, command, path, on_line, &v);
	buffer_free(&v.out);
	if (r)
		return r;
	if (v.failed || fflush(stdout))
		return cli_fail(EXIT_NO, command, "stdout cannot be written");
	if (q->follow && v.lines < q->limit)
		return cli_fail(EXIT_UNREACHABLE, command, "the daemon at %s ended", cli->control);
	return EXIT_DONE;
}

/* --- options --- */

static int read_number(const char *command, const char *option, const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno)
		return cli_fail(EXIT_USAGE, command, "%s takes a whole number, not \"%s\"", option, text);
	return 0;
}

static int read_options(int argc, char **argv, bool names, struct request_for_events *q)
{
	static const struct option longs[] = {
		{"follow", no_argument, NULL, 'f'},
		{"limit", required_argument, NULL, 'n'},
		{"back", required_argument, NULL, 'b'},
		{"name", required_argument, NULL, 'N'},
		{NULL, 0, NULL, 0},
	};
	int c, r = 0;

	optind = 0;
	opterr = 0;
	while (!r && (c = getopt_long(argc, argv, ":fn:", longs, NULL)) != -1) {
		if (c == 'f') {
			q->follow = true;
		} else if (c == 'n') {
			r = read_number(argv[0], "-n", optarg, &q->limit);
		} else if (c == 'b') {
			r = read_number(argv[0], "--back", optarg, &q->back);
		} else if (c == 'N' && names) {
			q->names.len -= q->names.len ? 1 : 0; /* the zero */
			if (q->names.len)
				buffer_append_char(&q->names, ',');
			buffer_append(&q->names, optarg, strlen(optarg) + 1);
		} else {
			r = cli_bad_option(argv, c);
		}
	}
	if (!r && q->names.truncated)
		r = cli_fail(EXIT_USAGE, argv[0], "too many names");
	if (!r && optind < argc)
		r = cli_unexpected(argv, argv[optind]);
	return r;
}

static int run(const struct cli *cli, int argc, char **argv, const char *only,
	       void (*print)(struct view *v, const cJSON *e))
{
	struct request_for_events q = {.limit = UINT64_MAX, .back = UINT64_MAX, .names = BUFFER_INIT(512)};
	int r = read_options(argc, argv, !only, &q);

	if (only)
		buffer_append(&q.names, only, strlen(only) + 1);
	if (!r)
		r = show_events(cli, argv[0], &q, print);
	buffer_free(&q.names);
	return r;
}

int cli_events(const struct cli *cli, int argc, char **argv)
{
	return run(cli, argc, argv, NULL, print_event);
}

int cli_requests(const struct cli *cli, int argc, char **argv)
{
	return run(cli, argc, argv, "http.request", print_plain);
}

int cli_packets(const struct cli *cli, int argc, char **argv)
{
	return run(cli, argc, argv, "tcp.header", print_plain);
}
