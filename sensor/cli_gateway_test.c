// SPDX-License-Identifier: Apache-2.0
/*
 * picket gateway test: one made-up event to a gateway, or with --dossier what a model is asked about a
 * client, and what came of it, in words. It runs here and not in the daemon (docs/decisions/0024): it works
 * before there is one, takes nothing from its judge thread, and no verdict that comes back can reach a guard.
 */
#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "forwarder/mask.h"
#include "forwarder/trial.h"
#include "lib/config.h"
#include "lib/json_write.h"
#include "lib/util.h"
#include "sensor/cli.h"
#include "sensor/cli_call.h"
#include "sensor/cli_gateway.h"
#include "sensor/cli_print.h"

#define ERRORS_MAX (256 * 1024)
#define OUTPUT_MAX (4 * 1024 * 1024)
#define BODY_SHOWN 1024 /* bytes, for people */
#define URL_MAX    (8 * 1024)
#define NAME_SHOWN 64
#define SOURCE     "picket://gateway-test"

static const char *result_of(const struct trial *t)
{
	return situation_is_good(t->situation) ? "understood"
	       : t->status                     ? "not_understood"
					       : "not_reachable";
}

static int exit_of(const struct trial *t)
{
	return situation_is_good(t->situation) ? EXIT_DONE : t->status ? EXIT_NO : EXIT_UNREACHABLE;
}

static uint64_t refused_of(const struct trial *t)
{
	uint64_t sum = 0;

	for (unsigned e = 1; e < VERDICT_E_MAX; e++)
		sum += t->refused[e];
	return sum;
}

/* --- for programs --- */

/* The next line of text, without its end and what blanks surround it. */
static struct span line_next(struct span *text)
{
	const char *end = memchr(text->ptr, '\n', text->len);
	size_t n = end ? (size_t)(end - text->ptr) : text->len, line = n;

	while (line && strchr("\r \t", text->ptr[line - 1]))
		line--;
	struct span ret = {text->ptr, line};
	n += end != NULL;
	*text = (struct span){text->ptr + n, text->len - n};
	return ret;
}

/* Each line of a head as text of an array, without the empty one at its end. */
static void write_lines(struct json_writer *w, const char *key, struct span head)
{
	json_key(w, key);
	json_array_begin(w);
	while (head.len) {
		struct span line = line_next(&head);

		if (line.len)
			json_string(w, line);
	}
	json_array_end(w);
}

static void write_verdicts(struct json_writer *w, const struct trial *t)
{
	char text[PREFIX_TEXT_MAX];

	json_key(w, "verdicts");
	json_array_begin(w);
	for (unsigned i = 0; i < MIN(t->verdict_count, TRIAL_VERDICTS_MAX); i++) {
		json_object_begin(w);
		json_key(w, "action");
		json_text(w, verdict_action_name(t->verdicts[i].action));
		json_key(w, "target");
		prefix_format(&t->verdicts[i].target, text);
		json_text(w, text);
		json_object_end(w);
	}
	json_array_end(w);
	json_key(w, "verdicts_read");
	json_uint(w, t->verdict_count);
	json_key(w, "verdicts_refused");
	json_object_begin(w);
	for (unsigned e = 1; e < VERDICT_E_MAX; e++) {
		if (!t->refused[e])
			continue;
		json_key(w, verdict_error_name((enum verdict_error)e));
		json_uint(w, t->refused[e]);
	}
	json_object_end(w);
}

static int print_json(const struct config_gateway *g, struct span url, const struct trial *t)
{
	_cleanup_(buffer_free) struct buffer out = BUFFER_INIT(OUTPUT_MAX);
	const struct situation_words *words = situation_words(t->situation);
	struct json_writer w = JSON_WRITER(&out);
	const struct {
		const char *key, *text;
	} texts[] = {
		{"result", result_of(t)},
		{"situation", words->name},
		{"what", words->what},
		{"mend", *words->mend ? words->mend : NULL},
		{"error", t->error[0] ? t->error : NULL},
	};

	json_object_begin(&w);
	json_key(&w, "gateway");
	json_text(&w, g->name);
	json_key(&w, "url");
	json_string(&w, url);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		json_key(&w, texts[i].key);
		json_text(&w, texts[i].text);
	}
	json_key(&w, "model");
	json_text(&w, t->state.model[0] ? t->state.model : NULL);
	json_key(&w, "status");
	json_uint(&w, t->status);
	json_key(&w, "took_ms");
	json_uint(&w, t->took_ns / NS_PER_MS);
	write_lines(&w, "request", buffer_span(&t->request));
	json_key(&w, "sent");
	if (t->sent.len)
		json_string(&w, buffer_span(&t->sent));
	else
		json_null(&w);
	write_lines(&w, "answer", buffer_span(&t->answer));
	json_key(&w, "body");
	json_string(&w, buffer_span(&t->body));
	write_verdicts(&w, t);
	json_object_end(&w);
	if (out.truncated)
		return cli_fail(EXIT_NO, "gateway", "the answer is too large to be shown");
	printf("%.*s\n", (int)out.len, out.data);
	return EXIT_DONE;
}

/* --- for people --- */

/* Line by line, so that escapes do not hide the line ends. */
static void print_indented(struct span text)
{
	_cleanup_(buffer_free) struct buffer out = BUFFER_INIT(OUTPUT_MAX);

	while (text.len) {
		struct span line = line_next(&text);

		if (line.len) {
			buffer_append_text(&out, "  ");
			print_escaped(&out, line, 0);
		}
		buffer_append_char(&out, '\n');
	}
	if (out.len)
		fwrite(out.data, 1, out.len, stdout);
}

/* Without line ends and blanks at its end. */
static struct span trimmed(const struct buffer *b)
{
	struct span s = buffer_span(b);

	while (s.len && strchr("\r\n \t", s.ptr[s.len - 1]))
		s.len--;
	return s;
}

/* What the protocol made of the batch; a batch as it is needs no showing. */
static void print_sent(const struct trial *t)
{
	if (!t->sent.len) {
		puts("  (and a batch of one event, marked picket.test)");
		return;
	}
	putchar('\n');
	print_indented((struct span){t->sent.data, MIN(t->sent.len, BODY_SHOWN)});
	if (t->sent.len > BODY_SHOWN)
		printf("  (%zu bytes more)\n", t->sent.len - BODY_SHOWN);
}

static void print_exchange(const struct trial *t)
{
	struct span body = trimmed(&t->body);

	if (t->request.len) {
		puts("sent:");
		print_indented(trimmed(&t->request));
		print_sent(t);
	} else {
		puts("sent: nothing, it did not come to that");
	}
	if (!t->answer.len)
		return;
	printf("answer, after %llu ms:\n", t->took_ns / NS_PER_MS);
	print_indented(trimmed(&t->answer));
	if (body.len) {
		putchar('\n');
		print_indented((struct span){body.ptr, MIN(body.len, BODY_SHOWN)});
	}
	if (body.len > BODY_SHOWN)
		printf("  (%zu bytes more)\n", body.len - BODY_SHOWN);
}

static void print_verdicts(const struct config_gateway *g, const struct trial *t)
{
	char text[PREFIX_TEXT_MAX];

	if (t->status / 100 != 2)
		return;
	if (!g->verdicts) {
		puts("understood: its answers are not read (verdicts: false)");
		return;
	}
	if (t->state.model[0])
		printf("answered by: %s\n", t->state.model);
	printf("understood: %" PRIu64 " verdicts, %" PRIu64 " refused; none is acted on, this was a test\n",
	       t->verdict_count, refused_of(t));
	for (unsigned i = 0; i < MIN(t->verdict_count, TRIAL_VERDICTS_MAX); i++) {
		prefix_format(&t->verdicts[i].target, text);
		printf("  %s %s\n", verdict_action_name(t->verdicts[i].action), text);
	}
	for (unsigned e = 1; e < VERDICT_E_MAX; e++)
		if (t->refused[e])
			printf("  refused, %s: %" PRIu64 "\n", verdict_error_name((enum verdict_error)e),
			       t->refused[e]);
}

static void print_people(const struct config_gateway *g, struct span url, const struct trial *t)
{
	const struct situation_words *words = situation_words(t->situation);

	printf("gateway %s, %.*s\n", g->name, (int)url.len, url.ptr);
	print_exchange(t);
	print_verdicts(g, t);
	printf("result: %s", words->what);
	if (t->error[0])
		printf(" (%s)", t->error);
	putchar('\n');
	if (*words->mend)
		printf("mend: %s\n", words->mend);
}

/* --- the command --- */

/* What is known of a client, of the daemon that knows it, as one item of a batch. 0 or an EXIT_*. */
static int ask_dossier(const struct cli *cli, const char *client, const char *name, struct buffer *ret,
		       char ret_gateway[static NAME_SHOWN])
{
	struct cli parsed = *cli;
	char path[256];
	struct addr a;
	cJSON *answer = NULL;

	parsed.json = false;
	if (addr_parse(span_from(client), &a))
		return cli_fail(EXIT_USAGE, "gateway", "\"%s\" is no address", client);
	snprintf(path, sizeof path, "/v1/dossier?client=%s%s%.64s", client, name ? "&gateway=" : "",
		 name ? name : "");
	int r = cli_ask_json(&parsed, "gateway", "GET", path, SPAN_NULL, &answer);
	if (r)
		return r;
	char *item = cJSON_PrintUnformatted(cli_at(answer, "item"));
	snprintf(ret_gateway, NAME_SHOWN, "%s", cli_text(answer, "gateway"));
	r = item && !buffer_append_text(ret, item) ? 0 : cli_no_memory("gateway");
	cJSON_free(item);
	cJSON_Delete(answer);
	return r;
}

/* Nothing goes out: the body that would. */
static int show_one(const struct cli *cli, const struct config_gateway *g, struct span dossier)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(ERRORS_MAX);
	struct trial t;
	int r = trial_show(g, dossier, &t, &errors);

	if (errors.len)
		fprintf(stderr, "%.*s", (int)errors.len, errors.data);
	if (r) {
		trial_free(&t);
		return cli_fail(EXIT_NO, "gateway", "%s: what would be sent cannot be shown%s%s", g->name,
				r < 0 ? ": " : "", r < 0 ? strerror(-r) : "");
	}
	if (!cli->json)
		printf("gateway %s would be sent (prompt %s):\n", g->name, t.prompt.version);
	printf("%.*s\n", (int)t.sent.len, t.sent.data);
	trial_free(&t);
	return EXIT_DONE;
}

static const struct config_gateway *model_named(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->gateway_count; i++)
		if (config->gateways[i].protocol == GATEWAY_OPENAI && !strcmp(config->gateways[i].name, name))
			return &config->gateways[i];
	return NULL;
}

/* An EXIT_*. */
static int test_one(const struct cli *cli, const struct config_gateway *g, struct span dossier)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(ERRORS_MAX);
	_cleanup_(buffer_free) struct buffer url = BUFFER_INIT(URL_MAX);
	struct trial t;
	int r = trial_run(g, &clock_system, SOURCE, dossier, &t, &errors);

	if (errors.len)
		fprintf(stderr, "%.*s", (int)errors.len, errors.data);
	if (!r)
		r = mask_url(&url, span_from(g->url));
	if (r) {
		trial_free(&t);
		return r > 0 ? cli_fail(EXIT_USAGE, "gateway", "%s was not tried", g->name)
			     : cli_fail(EXIT_NO, "gateway", "%s: %s", g->name, strerror(-r));
	}
	r = exit_of(&t);
	if (!cli->json)
		print_people(g, buffer_span(&url), &t);
	else if (print_json(g, buffer_span(&url), &t))
		r = EXIT_NO;
	trial_free(&t);
	return r;
}

/* All of them, or the one that is named; the worst result. */
static int test_all(const struct cli *cli, const struct config *config, const char *name)
{
	unsigned found = 0, tried = 0;
	int worst = EXIT_DONE;

	for (unsigned i = 0; i < config->gateway_count; i++) {
		const struct config_gateway *g = &config->gateways[i];

		if (name && strcmp(g->name, name))
			continue;
		found++;
		if (g->protocol == GATEWAY_LOCAL)
			continue;
		if (tried++ && !cli->json)
			putchar('\n');
		worst = MAX(worst, g->protocol == GATEWAY_CROWDSEC ? cli_crowdsec_test(cli, g)
								   : test_one(cli, g, SPAN_NULL));
		fflush(stdout);
	}
	if (name && !found)
		return cli_fail(EXIT_USAGE, "gateway",
				"no gateway of the configuration is named \"%s\": `picket config show` "
				"has them",
				name);
	if (!tried && !cli->json)
		puts("the built-in analysis alone judges: there is nothing to reach");
	return worst;
}

/* With a name it is sent to that gateway, else it is only shown. */
static int test_dossier(const struct cli *cli, const struct config *config, const char *client,
			const char *name)
{
	_cleanup_(buffer_free) struct buffer dossier = BUFFER_INIT(OUTPUT_MAX);
	char gateway[NAME_SHOWN];
	int r = ask_dossier(cli, client, name, &dossier, gateway);

	if (r)
		return r;
	const struct config_gateway *g = model_named(config, gateway);
	if (!g)
		return cli_fail(EXIT_USAGE, "gateway",
				"the daemon's gateway \"%s\" is not in this configuration: name it with -c",
				gateway);
	return name ? test_one(cli, g, buffer_span(&dossier)) : show_one(cli, g, buffer_span(&dossier));
}

static int options_read(int argc, char **argv, const char **ret_file, const char **ret_client,
			const char **ret_name)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"dossier", required_argument, NULL, 'd'},
		{NULL, 0, NULL, 0},
	};
	int c;

	optind = 0; /* cli_main has scanned before */
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":c:", longs, NULL)) != -1) {
		if (c == 'c')
			*ret_file = optarg;
		else if (c == 'd')
			*ret_client = optarg;
		else
			return cli_bad_option(argv, c);
	}
	optind++; /* "test" */
	if (optind < argc)
		*ret_name = argv[optind++];
	return optind < argc ? cli_unexpected(argv, argv[optind]) : 0;
}

int cli_gateway_test(const struct cli *cli, int argc, char **argv)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(ERRORS_MAX);
	const char *file = NULL, *name = NULL, *client = NULL;
	struct config_flag flags[1];
	unsigned flag_count = 0;
	struct config *config = NULL;
	int r = options_read(argc, argv, &file, &client, &name);

	if (r)
		return r;
	if (cli->instance_given)
		flags[flag_count++] = (struct config_flag){"instance", cli->instance, "--instance"};
	r = config_load(file, flags, flag_count, environ, &config, &errors);
	if (r) {
		fprintf(stderr, "%.*s", (int)errors.len, errors.len ? errors.data : "");
		return cli_fail(EXIT_USAGE, "gateway", "configuration refused%s%s", r < 0 ? ": " : "",
				r < 0 ? strerror(-r) : "");
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	r = client ? test_dossier(cli, config, client, name) : test_all(cli, config, name);
	curl_global_cleanup();
	config_free(config);
	return r;
}
