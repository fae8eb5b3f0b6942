// SPDX-License-Identifier: Apache-2.0
#include "lib/config_gateway.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "lib/event.h"
#include "lib/util.h"

/* --- defaults --- */

/* key is one of profile, protocol, transport; where it has that value, the other one's default is this. Later
 * rows win. */
static const struct {
	const char *key, *value, *other, *fallback;
} rows[] = {
	{"profile", "lunar", "protocol", "batch"},
	{"profile", "lunar", "transport", "lunar"},
	{"profile", "crowdsec", "protocol", "crowdsec"},
	{"profile", "apipark", "protocol", "openai"},
	{"profile", "openai", "protocol", "openai"},
	{"profile", "portkey", "protocol", "openai"},
	{"profile", "litellm", "protocol", "openai"},
	/* Each request costs, and an answer to what is long over is worth nothing. */
	{"protocol", "openai", "batch_events", "50"},
	{"protocol", "openai", "batch_bytes", "24KiB"},
	{"protocol", "openai", "linger_ms", "10000"},
	{"protocol", "openai", "timeout_ms", "20000"},
	{"protocol", "openai", "queue_events", "2000"},
	{"protocol", "openai", "spool", "0"},
	{"protocol", "openai", "events", "[http.request, net.connection, tcp.anomaly, http.anomaly]"},
	{"protocol", "openai", "clients", "suspicious"},
	{"protocol", "openai", "attempts_max", "3"},
	{"protocol", "openai", "deadline_ms", "30000"},
	{"protocol", "openai", "requests_per_minute", "6"},
	{"protocol", "openai", "tokens_per_day", "1000000"},
	{"protocol", "openai", "tokens_per_hour", "200000"},
	/* What of a larger body a flow sees is not known (Lunar's buffer has 32 KiB); a shorter time than its
	 * own 50 s would send again what may still arrive. */
	{"transport", "lunar", "batch_bytes", "24KiB"},
	{"transport", "lunar", "timeout_ms", "60000"},
	{"profile", "apipark", "auth_scheme", "raw"},
};

/* Headers that a profile sends beside those of `headers`, unless they stand there as well. */
static const struct {
	enum config_profile profile;
	const char *line;
} header_rows[] = {
	/* It drops all others on the way to the provider. */
	{PROFILE_PORTKEY, "x-portkey-forward-headers: idempotency-key, picket-nonce"},
};

static const char *scalar(const struct yaml_node *node, const char *key)
{
	for (unsigned i = 0; i < node->count; i++)
		if (!strcmp(node->keys[i].text, key) && node->items[i].type == YAML_SCALAR)
			return node->items[i].text;
	return NULL;
}

/* The value of profile, protocol or transport, as written, or as it follows from the profile. */
static const char *value_of(const struct yaml_node *node, const char *key)
{
	const char *written = scalar(node, key), *profile = scalar(node, "profile");

	for (size_t i = 0; i < ARRAY_SIZE(rows) && !written && profile; i++)
		if (!strcmp(rows[i].key, "profile") && !strcmp(rows[i].value, profile) &&
		    !strcmp(rows[i].other, key))
			written = rows[i].fallback;
	return written;
}

static int set_default(struct config_gateway *g, const char *name, const char *text, struct buffer *errors)
{
	static const struct config_place place = {.source = "default", .directory = "/"};
	struct yaml_node node = {0};
	int r = config_yaml_parse(span_from(text), place.source, &node, errors);

	for (unsigned k = 0; k < config_gateways.key_count && !r; k++)
		if (!strcmp(config_gateways.keys[k].path, name))
			r = config_value_set(&config_gateways.keys[k], g, &node, &place, errors);
	yaml_node_free(&node);
	return r;
}

int config_gateway_defaults(struct config_gateway *g, const struct yaml_node *node, struct buffer *errors)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *value = value_of(node, rows[i].key);

		if (!value || strcmp(value, rows[i].value) != 0)
			continue;
		int r = set_default(g, rows[i].other, rows[i].fallback, errors);
		if (r)
			return r;
	}
	return 0;
}

/* --- headers --- */

static bool has_header(const struct config_strings *lines, const char *line)
{
	size_t n = strcspn(line, ":");

	for (unsigned i = 0; i < lines->count; i++)
		if (strcspn(lines->items[i], ":") == n && !strncasecmp(lines->items[i], line, n))
			return true;
	return false;
}

int config_gateway_headers(struct config_gateway *g)
{
	for (size_t i = 0; i < ARRAY_SIZE(header_rows); i++) {
		if (header_rows[i].profile != g->profile || has_header(&g->headers, header_rows[i].line))
			continue;
		char **more = realloc(g->headers.items, (g->headers.count + 1) * sizeof *more);
		if (!more)
			return -ENOMEM;
		g->headers.items = more;
		more[g->headers.count] = strdup(header_rows[i].line);
		if (!more[g->headers.count])
			return -ENOMEM;
		g->headers.count++;
	}
	return 0;
}

/* --- what belongs together --- */

bool config_gateway_knows(const struct config_gateway *g, const struct config_key *key)
{
	/* Keys of one protocol or transport; all others are everybody's but the built-in analysis's. */
	static const struct {
		const char *key;
		enum config_gateway_protocol protocol; /* 0: any */
		enum config_transport transport;
	} own[] = {
		{"lunar_url", 0, TRANSPORT_LUNAR},
		{"lunar_tag", 0, TRANSPORT_LUNAR},
		{"lunar_key_file", 0, TRANSPORT_LUNAR},
		{"model", GATEWAY_OPENAI, 0},
		{"response_format", GATEWAY_OPENAI, 0},
		{"max_tokens", GATEWAY_OPENAI, 0},
		{"max_tokens_key", GATEWAY_OPENAI, 0},
		{"send_temperature", GATEWAY_OPENAI, 0},
		{"money_per_hour", GATEWAY_OPENAI, 0},
		{"money_per_day", GATEWAY_OPENAI, 0},
		{"price_in", GATEWAY_OPENAI, 0},
		{"price_out", GATEWAY_OPENAI, 0},
		{"ask_score", GATEWAY_OPENAI, 0},
		{"clients_per_question", GATEWAY_OPENAI, 0},
		{"opinion_ttl", GATEWAY_OPENAI, 0},
		{"prompt_file", GATEWAY_OPENAI, 0},
		{"verify_key_file", GATEWAY_BATCH, 0},
		{"signature_window", GATEWAY_BATCH, 0},
		{"unsigned_verdicts", GATEWAY_BATCH, 0},
		{"interval", GATEWAY_CROWDSEC, 0},
		{"resync", GATEWAY_CROWDSEC, 0},
		{"usage_interval", GATEWAY_CROWDSEC, 0},
		{"types", GATEWAY_CROWDSEC, 0},
		{"origins", GATEWAY_CROWDSEC, 0},
		{"scenarios_containing", GATEWAY_CROWDSEC, 0},
		{"scenarios_not_containing", GATEWAY_CROWDSEC, 0},
		{"action", GATEWAY_CROWDSEC, 0},
		{"scope", GATEWAY_CROWDSEC, 0},
		{"machine_id", GATEWAY_CROWDSEC, 0},
		{"password_file", GATEWAY_CROWDSEC, 0},
	};

	if (g->protocol == GATEWAY_LOCAL)
		return !strcmp(key->path, "name") || !strcmp(key->path, "protocol") ||
		       !strcmp(key->path, "mode");
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (!strcmp(own[i].key, key->path))
			return (!own[i].protocol || own[i].protocol == g->protocol) &&
			       (!own[i].transport || own[i].transport == g->transport);
	return true;
}

/* The built-in analysis knows no wire. */
static const char *check_local(const struct config_gateway *g, char text[static CONFIG_GATEWAY_TEXT_MAX])
{
	const struct {
		const char *key;
		bool set;
	} wire[] = {
		{"url", g->url},
		{"token_file", g->token_file},
		{"auth_header", g->auth_header},
		{"ca_file", g->ca_file},
		{"cert_file", g->cert_file},
		{"key_file", g->key_file},
		{"pin", g->pin},
		{"proxy", g->proxy},
		{"headers", g->headers.count},
		{"header_files", g->header_files.count},
		{"transport", g->transport != TRANSPORT_DIRECT},
		{"profile", g->profile != PROFILE_NONE},
		{"model", g->model},
	};

	for (size_t i = 0; i < ARRAY_SIZE(wire); i++) {
		if (!wire[i].set)
			continue;
		snprintf(text, CONFIG_GATEWAY_TEXT_MAX, "has protocol local, which knows no %s", wire[i].key);
		return text;
	}
	return NULL;
}

static bool is_https(const char *url)
{
	return strncasecmp(url, "https://", 8) == 0;
}

static const char *check_lunar(const struct config_gateway *g)
{
	if (g->transport == TRANSPORT_LUNAR) {
		if (!g->lunar_url)
			return "has transport lunar and needs a lunar_url: where that proxy listens";
		const char *rest = strstr(g->lunar_url, "://") + 3;
		rest += strcspn(rest, "/?#");
		return *rest && strcmp(rest, "/") != 0 ? "has a lunar_url that goes on behind the host; "
							 "write http://HOST:PORT, the path "
							 "is url's"
						       : NULL;
	}
	if (g->lunar_url)
		return "has a lunar_url, but not transport: lunar";
	return g->lunar_key_file ? "has a lunar_key_file, but not transport: lunar" : NULL;
}

/* TLS is spoken with whom we connect to. */
static const char *check_tls(const struct config_gateway *g, char text[static CONFIG_GATEWAY_TEXT_MAX])
{
	bool lunar = g->transport == TRANSPORT_LUNAR;
	const char *tls = g->ca_file     ? "ca_file"
			  : g->cert_file ? "cert_file"
			  : g->key_file  ? "key_file"
			  : g->pin       ? "pin"
					 : NULL;

	if (tls && !is_https(lunar ? g->lunar_url : g->url)) {
		snprintf(text, CONFIG_GATEWAY_TEXT_MAX, "has a %s, but its %s does not begin with https://",
			 tls, lunar ? "lunar_url" : "url");
		return text;
	}
	if (!g->cert_file == !g->key_file)
		return NULL;
	return g->cert_file ? "has a cert_file and needs its key_file"
			    : "has a key_file and needs its cert_file";
}

static const char *check_token(const struct config_gateway *g)
{
	if (g->token_file)
		return NULL;
	if (g->auth_header)
		return "has an auth_header, but no token_file to send";
	/* A profile knows of no file. */
	return g->auth_scheme != AUTH_BEARER && g->profile == PROFILE_NONE
		       ? "has an auth_scheme, but no token_file to send"
		       : NULL;
}

/* A model is asked about all of a batch at once; how many events that can be, openai_events.h says. */
#define MODEL_EVENTS_MAX 1000

static const char *check_openai(const struct config_gateway *g)
{
	if (g->protocol != GATEWAY_OPENAI && g->prompt_file)
		return "has a prompt_file, but not protocol: openai";
	if (g->protocol != GATEWAY_OPENAI)
		return g->model ? "has a model, but not protocol: openai" : NULL;
	if (!g->model)
		return "has protocol openai and needs a model";
	if ((g->money_per_hour > 0 || g->money_per_day > 0) && !(g->price_in > 0 || g->price_out > 0))
		return "has money_per_hour or money_per_day, and needs price_in and price_out";
	if (!g->events || g->events & (1u << EVENT_LOSS | 1u << EVENT_DECISION))
		return "has protocol openai: events may only have names of events that name a client";
	if (g->batch_events > MODEL_EVENTS_MAX)
		return "has protocol openai: batch_events is at most 1000 there";
	if (g->spool)
		return "has protocol openai, which has no spool: nobody asks about the past";
	return g->batch_bytes > 1024 * 1024 ? "has protocol openai: batch_bytes is at most 1MiB there" : NULL;
}

/* Of "http://HOST:PORT/PATH", "[ADDRESS]" with its brackets; empty if a name or password stands before it. */
static struct span url_host(const char *url)
{
	const char *authority = strstr(url, "://"), *port;
	struct span s;

	if (!authority)
		return SPAN_NULL;
	authority += strlen("://");
	s = (struct span){authority, strcspn(authority, "/?#")};
	if (memchr(s.ptr, '@', s.len))
		return SPAN_NULL;
	port = s.len && *s.ptr == '[' ? memchr(s.ptr, ']', s.len) : s.ptr;
	port = port ? memchr(port, ':', (size_t)(s.ptr + s.len - port)) : NULL;
	return port ? (struct span){s.ptr, (size_t)(port - s.ptr)} : s;
}

/* Nobody but this host's own programs answers there. */
static bool is_loopback(const char *url)
{
	struct span host = url_host(url);
	struct addr a;

	if (host.len > 1 && *host.ptr == '[')
		return span_equal(host, SPAN("[::1]"));
	if (span_equal_nocase(host, SPAN("localhost")))
		return true;
	return addr_parse(host, &a) == 0 && a.family == ADDR_IPV4 && a.bytes[0] == 127;
}

static const char *check_verdicts_url(const struct config_gateway *g)
{
	if (!g->verdicts_url)
		return NULL;
	if (!g->verdicts)
		return "has a verdicts_url, and verdicts: false";
	if (g->transport != TRANSPORT_DIRECT)
		return "has a verdicts_url, which only transport: direct can ask";
	if (is_https(g->url) != is_https(g->verdicts_url))
		return "has a url and a verdicts_url of which only one begins with https://";
	return NULL;
}

/* Who may say so that somebody is blocked. */
static const char *check_verdicts(const struct config_gateway *g)
{
	if (g->unsigned_verdicts && g->verify_key_file)
		return "has a verify_key_file, and unsigned_verdicts: true, which would make nothing of "
		       "it: leave out one of them";
	if (g->unsigned_verdicts && (g->proxy || g->transport != TRANSPORT_DIRECT || !is_loopback(g->url) ||
				     (g->verdicts_url && !is_loopback(g->verdicts_url))))
		return "has unsigned_verdicts: true, which is for gateways on this host "
		       "(http://127.0.0.1, http://[::1], http://localhost, no proxy): set verify_key_file";
	if (g->verdicts && !g->unsigned_verdicts && !g->verify_key_file)
		return is_loopback(g->url)
			       ? "may have clients blocked by its answers, and nothing shows that they are "
				 "its own: set verify_key_file, or verdicts: false if they are not to be "
				 "acted on, or unsigned_verdicts: true since it is on this host"
			       : "may have clients blocked by its answers, and nothing shows that they are "
				 "its own: set verify_key_file, or verdicts: false if they are not to be "
				 "acted on";
	return check_verdicts_url(g);
}

/* What only the protocol crowdsec knows; NULL: it has nothing of it. */
static const char *crowdsec_key(const struct config_gateway *g)
{
	return g->machine_id                       ? "machine_id"
	       : g->password_file                  ? "password_file"
	       : g->origins.count                  ? "origins"
	       : g->scenarios_containing.count     ? "scenarios_containing"
	       : g->scenarios_not_containing.count ? "scenarios_not_containing"
						   : NULL;
}

/* Likewise of batch. */
static const char *batch_key(const struct config_gateway *g)
{
	return g->verify_key_file     ? "verify_key_file"
	       : g->verdicts_url      ? "verdicts_url"
	       : g->unsigned_verdicts ? "unsigned_verdicts"
				      : NULL;
}

static const char *check_crowdsec(const struct config_gateway *g)
{
	if (g->auth_header || g->auth_scheme != AUTH_BEARER)
		return "has protocol crowdsec, which sends the key as X-Api-Key: leave auth_header and "
		       "auth_scheme out";
	if (g->transport != TRANSPORT_DIRECT)
		return "has protocol crowdsec, which knows no transport but direct";
	if (!g->machine_id != !g->password_file)
		return g->machine_id ? "has a machine_id and needs its password_file"
				     : "has a password_file and needs its machine_id";
	return g->token_file || g->cert_file || g->machine_id
		       ? NULL
		       : "needs a token_file, to get decisions (cscli bouncers add picket -o raw), or a "
			 "machine_id, to tell of blocks";
}

#define HEADERS_MAX 16

const char *config_gateway_check(const struct config_gateway *g, char text[static CONFIG_GATEWAY_TEXT_MAX])
{
	const char *wrong;
	const char *other = g->protocol == GATEWAY_CROWDSEC ? NULL : crowdsec_key(g);

	if (!other && g->protocol != GATEWAY_BATCH)
		other = batch_key(g);
	if (!g->protocol)
		return "needs a protocol (local, batch, openai, crowdsec) or a profile";
	if (other) {
		snprintf(text, CONFIG_GATEWAY_TEXT_MAX, "has protocol %s, which knows no %s",
			 config_protocol_name(g->protocol), other);
		return text;
	}
	if (g->protocol == GATEWAY_LOCAL)
		return check_local(g, text);
	if (!g->url) {
		snprintf(text, CONFIG_GATEWAY_TEXT_MAX, "has protocol %s and needs a url",
			 config_protocol_name(g->protocol));
		return text;
	}
	if (g->headers.count > HEADERS_MAX)
		return "has more than 16 headers, those of its profile counted";
	wrong = check_openai(g);
	if (!wrong && g->protocol == GATEWAY_CROWDSEC)
		wrong = check_crowdsec(g);
	if (!wrong)
		wrong = check_lunar(g);
	if (!wrong)
		wrong = check_tls(g, text);
	if (!wrong)
		wrong = check_token(g);
	return wrong || g->protocol != GATEWAY_BATCH ? wrong : check_verdicts(g);
}
