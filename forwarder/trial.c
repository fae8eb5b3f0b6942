// SPDX-License-Identifier: Apache-2.0
#include "forwarder/trial.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "forwarder/dossier.h"
#include "forwarder/mask.h"
#include "forwarder/prompt.h"
#include "forwarder/wire.h"
#include "lib/event_json.h"
#include "lib/util.h"

#define EVENT_MAX (64 * 1024)
#define HEAD_MAX  (64 * 1024)
#define POLL_MS   1000

/* Addresses and name that nobody has: those for documentation. */
static struct event *made_up(const struct clock *clock)
{
	struct event *e = event_new(EVENT_HTTP_REQUEST, 0);

	if (!e)
		return NULL;
	e->request.test = 1;
	e->time_ns = clock_boot_ns(clock);
	e->wall_ns = clock_wall_ns(clock);
	e->flow.peer.port = 51234;
	e->flow.local.port = 443;
	addr_parse(SPAN("192.0.2.1"), &e->flow.peer.addr);
	addr_parse(SPAN("198.51.100.1"), &e->flow.local.addr);
	e->request.client = e->flow.peer;
	e->request.method = SPAN("GET");
	e->request.target = SPAN("/picket/gateway/test");
	e->request.path = e->request.target;
	e->request.host = SPAN("test.example");
	e->request.user_agent = SPAN("picket-gateway-test");
	e->request.version_major = 1;
	e->request.version_minor = 1;
	return e;
}

/* For a model, the dossier of who did no more than that; or the one that was given. */
static void write_dossier(struct event *e, struct span given, struct json_writer *w)
{
	struct dossier d = {0};

	if (given.len) {
		json_raw(w, given);
		return;
	}
	dossier_begin(&d, &e->request.client.addr, e->time_ns);
	dossier_note(&d, e, 0);
	dossier_write(&d, w);
	dossier_end(&d);
}

static int write_batch(const struct config_gateway *config, const struct clock *clock, const char *source,
		       struct span dossier, struct buffer *out)
{
	struct json_writer w = JSON_WRITER(out);
	struct event *e = made_up(clock);

	if (!e)
		return -ENOMEM;
	buffer_append_char(out, '[');
	if (config->protocol == GATEWAY_OPENAI)
		write_dossier(e, dossier, &w);
	else
		event_json_cloudevent(&w, e, source);
	buffer_append_char(out, ']');
	event_unref(e);
	return out->truncated ? -ENOMEM : 0;
}

static int exchange(CURLM *multi, CURLcode *ret)
{
	const CURLMsg *m;
	int running, left;

	for (;;) {
		if (curl_multi_perform(multi, &running) != CURLM_OK)
			return -EIO;
		m = curl_multi_info_read(multi, &left);
		if (m && m->msg == CURLMSG_DONE) {
			*ret = m->data.result;
			return 0;
		}
		if (curl_multi_poll(multi, NULL, 0, POLL_MS, NULL) != CURLM_OK)
			return -EIO;
	}
}

static void on_verdict(void *arg, const struct verdict *v)
{
	struct trial *t = arg;

	if (t->verdict_count < TRIAL_VERDICTS_MAX)
		t->verdicts[t->verdict_count] = *v;
	t->verdict_count++;
}

struct trial_setting {
	const struct config_gateway *config;
	const struct credentials *credentials;
	const struct clock *clock;
	const struct batch *batch;
};

static int understand(struct trial *t, const struct trial_setting *s, const struct attempt *attempt,
		      const struct transport_answer *a)
{
	const struct config_gateway *config = s->config;
	const struct protocol_answer answer = {
		.config = config,
		.batch = s->batch,
		.attempt = attempt,
		.state = &t->state,
		.answer = a,
		.verify = &s->credentials->verify,
		.now_s = (int64_t)(clock_wall_ns(s->clock) / NS_PER_S),
		.accept = on_verdict,
		.arg = t,
		.refused = t->refused,
	};

	t->status = a->status;
	snprintf(t->error, sizeof t->error, "%s", a->error_text);
	t->situation = situation_of(a);
	if (a->too_large && a->status / 100 == 2)
		t->situation = SITUATION_TOO_LONG;
	if (!situation_is_taken(t->situation) || !config->verdicts || a->status == 204)
		return 0;
	enum situation read;
	int r = protocol_read(protocol_of(config->protocol), &answer, &read);
	/* A warning of its guardrail stays one. */
	if (read != SITUATION_TAKEN)
		t->situation = read;
	return r < 0 ? r : 0;
}

/* What a header holds beyond its name and scheme. */
static struct span secret_of(const struct buffer *line, size_t scheme)
{
	const char *colon = line->len ? strchr(line->data, ':') : NULL;

	return colon ? span_from(colon + 2 + scheme) : SPAN_NULL;
}

static int mask_secrets(struct buffer *shown, const struct config_gateway *config,
			const struct credentials *c)
{
	size_t scheme = config->auth_scheme == AUTH_RAW ? 0 : strlen("Bearer ");
	int r = mask_text(shown, secret_of(&c->authorization, scheme), SPAN(MASK));

	for (unsigned i = 0; i < CREDENTIALS_HEADERS && !r; i++)
		r = mask_text(shown, secret_of(&c->headers[i], 0), SPAN(MASK));
	return r;
}

/* A gateway may send back what it was sent: the answer is masked as well. */
static int mask(struct trial *t, const struct config_gateway *config, const struct credentials *c)
{
	struct buffer *const shown[] = {&t->request, &t->answer, &t->body};
	_cleanup_(buffer_free) struct buffer url = BUFFER_INIT(HEAD_MAX);
	const char *query = strchr(config->url, '?');
	int r = query ? mask_url(&url, span_from(query)) : 0;

	for (size_t i = 0; i < ARRAY_SIZE(shown) && !r; i++) {
		r = mask_secrets(shown[i], config, c);
		if (!r && query)
			r = mask_text(shown[i], (struct span){query, strcspn(query, "#")}, buffer_span(&url));
	}
	return r < 0 ? r : r ? -ENOBUFS : 0;
}

/* One request, and what comes back. */
static int send_once(struct trial *t, const struct trial_setting *s, struct transport *transport,
		     CURLM *multi, struct attempt *attempt, struct transport_answer *ret)
{
	const struct protocol *protocol = protocol_of(s->config->protocol);
	struct buffer *made = protocol->write ? &t->sent : &t->compressed;
	struct span body;
	CURLcode code;
	int r = attempt_new(attempt, s->batch->id, s->config->transport);

	buffer_reset(&t->request);
	buffer_reset(&t->answer);
	if (!r)
		r = wire_body(&t->state, s->config, s->batch, attempt, made, &body);
	if (r)
		return r < 0 ? r : -ENOBUFS;
	r = transport_send(transport, attempt->headers, body);
	if (!r)
		r = exchange(multi, &code);
	if (!r)
		transport_finish(transport, code, ret);
	return r;
}

static int send_and_hear(struct trial *t, const struct trial_setting *s, struct transport *transport,
			 CURLM *multi)
{
	const struct protocol *protocol = protocol_of(s->config->protocol);
	struct attempt attempt;
	struct transport_answer a;
	uint64_t begun_ns;
	int r;

	/* As the daemon does: another way of asking, where this one is not taken. */
	do {
		begun_ns = clock_boot_ns(s->clock);
		r = send_once(t, s, transport, multi, &attempt, &a);
		if (r)
			return r;
	} while (protocol->adapt && protocol->adapt(&t->state, s->config, &attempt, &a));
	t->took_ns = clock_boot_ns(s->clock) - begun_ns;
	r = understand(t, s, &attempt, &a);
	return r ? r : buffer_append(&t->body, a.body.ptr, a.body.len);
}

/* What a model is told to do. 0, CONFIG_E_INVALID or -errno. */
static int read_prompt(const struct config_gateway *config, struct trial *t, struct buffer *errors)
{
	int r = config->protocol == GATEWAY_OPENAI ? prompt_read(config->prompt_file, &t->prompt) : 0;

	t->state.prompt = &t->prompt;
	if (r <= 0)
		return r;
	buffer_printf(errors, "gateways: %s: prompt_file: %s %s\n", config->name,
		      config->prompt_file ? config->prompt_file : "", prompt_error_text(r));
	return CONFIG_E_INVALID;
}

int trial_show(const struct config_gateway *config, struct span dossier, struct trial *t,
	       struct buffer *errors)
{
	struct batch batch = {.json = BUFFER_INIT(EVENT_MAX), .events = 1, .sealed = true};
	struct attempt attempt;
	struct span body;

	*t = (struct trial){.body = BUFFER_INIT(VERDICT_BODY_MAX * 2)};
	int r = read_prompt(config, t, errors);
	if (!r)
		r = write_batch(config, &clock_system, "", dossier, &batch.json);
	snprintf(batch.id, sizeof batch.id, "%s-test", event_run_id());
	if (!r)
		r = attempt_new(&attempt, batch.id, config->transport);
	if (!r)
		r = wire_body(&t->state, config, &batch, &attempt, &t->sent, &body);
	buffer_free(&batch.json);
	return r > 0 && r != CONFIG_E_INVALID ? -EBADMSG : r;
}

int trial_run(const struct config_gateway *config, const struct clock *clock, const char *source,
	      struct span dossier, struct trial *t, struct buffer *errors)
{
	struct batch batch = {.json = BUFFER_INIT(EVENT_MAX), .events = 1, .sealed = true};
	struct credentials credentials;
	const struct trial_setting setting = {config, &credentials, clock, &batch};
	struct wire wire;
	struct transport *transport = NULL;
	CURLM *multi = NULL;
	int r;

	*t = (struct trial){
		.request = BUFFER_INIT(HEAD_MAX),
		.answer = BUFFER_INIT(HEAD_MAX),
		.body = BUFFER_INIT(VERDICT_BODY_MAX * 2),
	};
	r = credentials_read(config, &credentials, errors);
	if (!r)
		r = read_prompt(config, t, errors);
	if (!r)
		r = write_batch(config, clock, source, dossier, &batch.json);
	snprintf(batch.id, sizeof batch.id, "%s-test", event_run_id());
	if (!r) {
		wire_make(config, protocol_of(config->protocol), &credentials, clock, &wire);
		wire.options.request_head = &t->request;
		wire.options.answer_head = &t->answer;
		multi = curl_multi_init();
		r = multi ? transport_new(multi, &wire.options, &transport) : -ENOMEM;
	}
	if (!r)
		r = send_and_hear(t, &setting, transport, multi);
	transport_free(transport);
	curl_multi_cleanup(multi);
	if (!r)
		r = mask(t, config, &credentials);
	credentials_free(&credentials);
	buffer_free(&batch.json);
	return r;
}

void trial_free(struct trial *t)
{
	buffer_free(&t->compressed);
	buffer_free(&t->request);
	buffer_free(&t->answer);
	buffer_free(&t->body);
	buffer_free(&t->sent);
	prompt_free(&t->prompt);
}
