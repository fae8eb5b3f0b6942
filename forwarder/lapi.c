// SPDX-License-Identifier: Apache-2.0
#include "forwarder/lapi.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include "lib/json_read.h"
#include "lib/json_write.h"
#include "lib/util.h"

#ifndef PICKET_VERSION
#define PICKET_VERSION "unknown"
#endif

#define URL_MAX    8192
#define BEARER_MAX 4096
#define POLL_MS    1000
#define LOGIN_MAX  8192

const char *const lapi_version = PICKET_VERSION;

struct lapi {
	struct lapi_parts parts;
	CURLM *multi;
	struct transport *stream, *other; /* they differ in how long an answer may be */
	struct buffer url;
	atomic_bool stop;
	char bearer[BEARER_MAX];
};

int lapi_new(const struct lapi_parts *parts, struct lapi **ret)
{
	struct lapi *l = calloc(1, sizeof *l);

	if (!l)
		return -ENOMEM;
	l->parts = *parts;
	l->url = BUFFER_INIT(URL_MAX);
	*ret = l;
	return 0;
}

void lapi_free(struct lapi *l)
{
	if (!l)
		return;
	transport_free(l->stream);
	transport_free(l->other);
	curl_multi_cleanup(l->multi);
	buffer_free(&l->url);
	explicit_bzero(l->bearer, sizeof l->bearer);
	free(l);
}

void lapi_stop(struct lapi *l)
{
	CURLM *multi = __atomic_load_n(&l->multi, __ATOMIC_ACQUIRE);

	atomic_store(&l->stop, true);
	if (multi)
		curl_multi_wakeup(multi);
}

/* --- one call --- */

static int transport_make(const struct lapi *l, CURLM *multi, size_t answer_max, struct transport **ret)
{
	static const char *const headers[] = {"Content-Type: application/json", "Accept: application/json",
					      "User-Agent: picket/" PICKET_VERSION,
					      /* without a version: 401 */ NULL};
	const struct config_gateway *c = l->parts.config;
	const struct credentials *k = l->parts.credentials;
	const struct transport_options options = {
		.url = c->url,
		.proxy = c->proxy,
		.http2 = c->http2,
		.ca = buffer_span(&k->ca),
		.certificate = buffer_span(&k->certificate),
		.key = buffer_span(&k->key),
		.pin = c->pin,
		.timeout_ms = c->timeout_ms,
		.answer_max = answer_max,
		.headers = headers,
		.clock = l->parts.clock,
		.owner = l->parts.owner,
		.connected = l->parts.connected,
	};

	return transport_new(multi, &options, ret);
}

static int start(struct lapi *l)
{
	if (l->multi)
		return 0;
	CURLM *multi = curl_multi_init();
	if (!multi)
		return -ENOMEM;
	__atomic_store_n(&l->multi, multi, __ATOMIC_RELEASE);
	int r = transport_make(l, multi, LAPI_STREAM_MAX, &l->stream);
	return r ? r : transport_make(l, multi, LAPI_ANSWER_MAX, &l->other);
}

/* The LAPI may stand below a path of a proxy. */
static int url_make(struct lapi *l, const char *path)
{
	const char *base = l->parts.config->url;
	size_t len = strcspn(base, "?#");

	while (len && base[len - 1] == '/')
		len--;
	buffer_reset(&l->url);
	if (buffer_append(&l->url, base, len) || buffer_append_text(&l->url, path) ||
	    buffer_append_char(&l->url, 0))
		return -ENOBUFS;
	return 0;
}

/* Until the exchange is over, or nobody waits for it any more. */
static bool exchange(struct lapi *l, CURLcode *ret)
{
	int running, left;

	while (!atomic_load(&l->stop)) {
		if (curl_multi_perform(l->multi, &running) != CURLM_OK)
			return false;
		const CURLMsg *m = curl_multi_info_read(l->multi, &left);
		if (m && m->msg == CURLMSG_DONE) {
			*ret = m->data.result;
			return true;
		}
		curl_multi_poll(l->multi, NULL, 0, POLL_MS, NULL);
	}
	return false;
}

int lapi_call(struct lapi *l, const struct lapi_request *q, struct transport_answer *ret)
{
	const struct credentials *k = l->parts.credentials;
	const char *who = q->anonymous           ? NULL
			  : q->bearer            ? l->bearer
			  : k->authorization.len ? k->authorization.data
						 : NULL;
	const char *const headers[] = {who, NULL};
	CURLcode code = CURLE_OK;

	if (q->bearer)
		snprintf(l->bearer, sizeof l->bearer, "Authorization: Bearer %s", q->bearer);
	int r = start(l);
	if (!r)
		r = url_make(l, q->path);
	if (r)
		return r;
	struct transport *t = q->body_part ? l->stream : l->other;
	const struct transport_request request = {
		.method = q->method,
		.url = l->url.data,
		.headers = headers,
		.body = q->json,
		.body_part = q->body_part,
		.arg = q->arg,
	};
	r = transport_request(t, &request);
	if (r)
		return r;
	bool over = exchange(l, &code);
	transport_finish(t, over ? code : CURLE_ABORTED_BY_CALLBACK, ret);
	return over ? 0 : LAPI_E_STOPPED;
}

/* --- who we are --- */

static void token_read(struct span body, struct lapi_token *ret)
{
	const struct json_limits limits = {LAPI_ANSWER_MAX, 8, 1000};
	cJSON *root = NULL;

	if (json_parse(body, &limits, &root, NULL))
		return;
	const char *token = json_get_text(root, "token"), *expire = json_get_text(root, "expire");
	if (token && strlen(token) < sizeof ret->text && !token[strcspn(token, " \r\n")])
		snprintf(ret->text, sizeof ret->text, "%s", token);
	if (expire)
		snprintf(ret->expire, sizeof ret->expire, "%s", expire);
	if (token) /* cJSON's copy */
		explicit_bzero((char *)(uintptr_t)token, strlen(token));
	cJSON_Delete(root);
}

int lapi_login(struct lapi *l, struct span password, struct transport_answer *ret,
	       struct lapi_token *ret_token)
{
	struct lapi_request q = {.method = TRANSPORT_POST, .path = "/v1/watchers/login", .anonymous = true};
	struct buffer json = BUFFER_INIT(LOGIN_MAX);
	struct json_writer w = JSON_WRITER(&json);

	ret_token->text[0] = ret_token->expire[0] = 0;
	json_object_begin(&w);
	json_key(&w, "machine_id");
	json_text(&w, l->parts.config->machine_id);
	json_key(&w, "password");
	json_string(&w, password);
	json_key(&w, "scenarios");
	json_raw(&w, SPAN("[\"picket\"]"));
	json_object_end(&w);
	q.json = buffer_span(&json);
	int r = json.truncated ? -ENOMEM : lapi_call(l, &q, ret);
	if (!r && ret->error == CURLE_OK && ret->status / 100 == 2)
		token_read(ret->body, ret_token);
	if (json.data)
		explicit_bzero(json.data, json.size);
	buffer_free(&json);
	return r;
}

/* --- what it asks --- */

static int put_escaped(struct buffer *b, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~:/";
	int r = 0;

	for (; *text && !r; text++)
		r = strchr(plain, *text) ? buffer_append_char(b, *text)
					 : buffer_printf(b, "%%%02X", (unsigned char)*text);
	return r;
}

static int put_list(struct buffer *b, const char *key, const struct config_strings *list)
{
	int r = list->count ? buffer_printf(b, "&%s=", key) : 0;

	for (unsigned i = 0; i < list->count && !r; i++) {
		if (i)
			r = buffer_append_char(b, ',');
		if (!r)
			r = put_escaped(b, list->items[i]);
	}
	return r;
}

/* All scopes, so that those which cannot be enforced here are counted, and not only missing. */
int lapi_stream_path(const struct config_gateway *c, bool startup, struct buffer *ret)
{
	int r = buffer_printf(ret, "/v1/decisions/stream?startup=%s&scopes=ip,range,as,country",
			      startup ? "true" : "false");

	if (!r)
		r = put_list(ret, "origins", &c->origins);
	if (!r)
		r = put_list(ret, "scenarios_containing", &c->scenarios_containing);
	if (!r)
		r = put_list(ret, "scenarios_not_containing", &c->scenarios_not_containing);
	if (!r)
		r = buffer_append_char(ret, 0);
	return r ? -ENOMEM : 0;
}

/* --- in words --- */

static const char *status_words(unsigned status, bool machine)
{
	switch (status) {
	case 401:
	case 403:
		return machine ? "the LAPI does not know machine_id and its password: cscli machines list "
				 "shows "
				 "the machine, cscli machines add makes it"
			       : "the LAPI does not know the key of token_file: cscli bouncers add picket -o "
				 "raw "
				 "makes one, for that very LAPI";
	case 404:
		return "no LAPI answers there: url is to name its host and port alone, such as "
		       "http://127.0.0.1:8080";
	case 429:
		return "the LAPI asks us to slow down: raise interval";
	}
	return status / 100 == 5 ? "the LAPI failed: its log, /var/log/crowdsec_api.log, should say why"
				 : NULL;
}

void lapi_explain(const struct transport_answer *a, bool machine, char ret[static LAPI_ERROR_MAX])
{
	const char *words = a->error == CURLE_OK ? status_words(a->status, machine) : NULL;

	if (a->too_large)
		snprintf(ret, LAPI_ERROR_MAX, "its answer is longer than %u MiB", LAPI_STREAM_MAX >> 20);
	else if (words)
		snprintf(ret, LAPI_ERROR_MAX, "HTTP %u: %s", a->status, words);
	else
		situation_print(a, ret, LAPI_ERROR_MAX);
}
