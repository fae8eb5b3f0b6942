// SPDX-License-Identifier: Apache-2.0
/*
 * picket gateway test, of a CrowdSec LAPI: is its key known, and does the login succeed? It asks for the
 * decisions on one address that nobody has: the stream would take from the daemon what is new for that key.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "forwarder/lapi.h"
#include "forwarder/secret.h"
#include "lib/json_write.h"
#include "lib/util.h"
#include "sensor/cli.h"
#include "sensor/cli_gateway.h"

#define OUTPUT_MAX   65536
#define PASSWORD_MAX 1024
#define STEPS_MAX    3

struct step {
	const char *name, *asks;
	unsigned status; /* 0: no answer came */
	uint64_t took_ns;
	char error[LAPI_ERROR_MAX]; /* "": it is as it should be */
};

struct lapi_trial {
	const struct config_gateway *config;
	struct lapi *lapi;
	struct lapi_token token;
	struct step steps[STEPS_MAX];
	unsigned count;
};

static struct step *step_begin(struct lapi_trial *t, const char *name, const char *asks)
{
	struct step *s = &t->steps[t->count++];

	*s = (struct step){.name = name, .asks = asks, .took_ns = clock_boot_ns(&clock_system)};
	return s;
}

static bool step_end(struct step *s, int result, const struct transport_answer *a, bool machine)
{
	s->took_ns = clock_boot_ns(&clock_system) - s->took_ns;
	if (result) {
		snprintf(s->error, sizeof s->error, "%s", strerror(result < 0 ? -result : EINTR));
		return false;
	}
	s->status = a->status;
	if (a->error != CURLE_OK || a->status / 100 != 2)
		lapi_explain(a, machine, s->error);
	return !s->error[0];
}

/* "null" or an array. */
static void try_key(struct lapi_trial *t)
{
	const struct lapi_request q = {.method = TRANSPORT_GET, .path = "/v1/decisions?ip=192.0.2.1"};
	struct step *s = step_begin(t, "key", "GET /v1/decisions?ip=192.0.2.1");
	struct transport_answer a;
	int r = lapi_call(t->lapi, &q, &a);

	if (step_end(s, r, &a, false) && !(a.body.len && (a.body.ptr[0] == 'n' || a.body.ptr[0] == '[')))
		snprintf(s->error, sizeof s->error,
			 "its answer is no list of decisions: url is to name the host and port of a LAPI");
}

static void try_login(struct lapi_trial *t, struct span password)
{
	struct step *s = step_begin(t, "login", "POST /v1/watchers/login");
	struct transport_answer a;
	int r = lapi_login(t->lapi, password, &a, &t->token);

	if (!step_end(s, r, &a, true))
		return;
	if (!t->token.text[0]) {
		snprintf(s->error, sizeof s->error, "its answer holds no token: is url that of a LAPI?");
		return;
	}
	const struct lapi_request q = {
		.method = TRANSPORT_GET, .path = "/v1/heartbeat", .bearer = t->token.text};
	s = step_begin(t, "heartbeat", "GET /v1/heartbeat");
	r = lapi_call(t->lapi, &q, &a);
	step_end(s, r, &a, true);
}

/* The first that failed; NULL: none did. */
static const struct step *failed(const struct lapi_trial *t)
{
	for (unsigned i = 0; i < t->count; i++)
		if (t->steps[i].error[0])
			return &t->steps[i];
	return NULL;
}

/* --- telling --- */

static void print_people(const struct lapi_trial *t)
{
	const struct step *bad = failed(t);

	printf("gateway %s, %s\n", t->config->name, t->config->url);
	for (unsigned i = 0; i < t->count; i++) {
		const struct step *s = &t->steps[i];
		printf("%s: %s", s->name, s->asks);
		if (s->status)
			printf(", HTTP %u after %llu ms\n", s->status, s->took_ns / NS_PER_MS);
		else
			puts(", no answer");
	}
	printf("result: %s\n", bad ? bad->error : "it is a LAPI, and knows us");
}

static void write_step(struct json_writer *w, const struct step *s)
{
	json_object_begin(w);
	json_key(w, "step");
	json_text(w, s->name);
	json_key(w, "asks");
	json_text(w, s->asks);
	json_key(w, "status");
	json_uint(w, s->status);
	json_key(w, "took_ms");
	json_uint(w, s->took_ns / NS_PER_MS);
	json_key(w, "error");
	json_text(w, s->error[0] ? s->error : NULL);
	json_object_end(w);
}

static int print_json(const struct lapi_trial *t)
{
	_cleanup_(buffer_free) struct buffer out = BUFFER_INIT(OUTPUT_MAX);
	struct json_writer w = JSON_WRITER(&out);
	const struct step *bad = failed(t);

	json_object_begin(&w);
	json_key(&w, "gateway");
	json_text(&w, t->config->name);
	json_key(&w, "url");
	json_text(&w, t->config->url);
	json_key(&w, "result");
	json_text(&w, !bad ? "understood" : bad->status ? "not_understood" : "not_reachable");
	json_key(&w, "what");
	json_text(&w, bad ? bad->error : "it is a LAPI, and knows us");
	json_key(&w, "steps");
	json_array_begin(&w);
	for (unsigned i = 0; i < t->count; i++)
		write_step(&w, &t->steps[i]);
	json_array_end(&w);
	json_object_end(&w);
	if (out.truncated)
		return cli_fail(EXIT_NO, "gateway", "the answer is too large to be shown");
	printf("%.*s\n", (int)out.len, out.data);
	return EXIT_DONE;
}

/* --- the command --- */

static int password_read(const struct config_gateway *g, struct buffer *ret)
{
	bool shared = false;
	int r = g->password_file ? secret_read_token(g->password_file, ret, &shared) : 0;

	if (r)
		cli_fail(EXIT_USAGE, "gateway", "%s: password_file: %s %s", g->name, g->password_file,
			 r > 0 ? secret_error_text(r) : strerror(-r));
	return r;
}

static int run(const struct cli *cli, const struct config_gateway *g, const struct credentials *credentials,
	       struct span password)
{
	const struct lapi_parts parts = {.config = g, .credentials = credentials, .clock = &clock_system};
	struct lapi_trial t = {.config = g};
	int r = lapi_new(&parts, &t.lapi);

	if (r)
		return cli_fail(EXIT_NO, "gateway", "%s: %s", g->name, strerror(-r));
	if (g->token_file || g->cert_file)
		try_key(&t);
	if (g->machine_id)
		try_login(&t, password);
	const struct step *bad = failed(&t);
	r = !bad ? EXIT_DONE : bad->status ? EXIT_NO : EXIT_UNREACHABLE;
	if (!cli->json)
		print_people(&t);
	else if (print_json(&t))
		r = EXIT_NO;
	explicit_bzero(&t.token, sizeof t.token);
	lapi_free(t.lapi);
	return r;
}

int cli_crowdsec_test(const struct cli *cli, const struct config_gateway *g)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(OUTPUT_MAX);
	struct buffer password = BUFFER_INIT(PASSWORD_MAX);
	struct credentials credentials;
	int r = credentials_read(g, &credentials, &errors);

	if (errors.len)
		fprintf(stderr, "%.*s", (int)errors.len, errors.data);
	if (!r)
		r = password_read(g, &password);
	r = r ? EXIT_USAGE : run(cli, g, &credentials, buffer_span(&password));
	if (password.data)
		explicit_bzero(password.data, password.size);
	buffer_free(&password);
	credentials_free(&credentials);
	return r;
}
