// SPDX-License-Identifier: Apache-2.0
#include "forwarder/dossier.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "lib/util.h"

_Static_assert(DOSSIER_SAMPLES <= VERDICT_EVIDENCE_MAX, "all samples can be cited");

#define HEADER_NAMES 16
#define TEXT_SHOWN   300 /* a little more than captured_text.h shows, so that a cut is seen to be one */

static const char *const methods[DOSSIER_METHODS] = {"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
						     "OPTIONS", "CONNECT", "TRACE", "PATCH", "other"};

/* FNV-1a, then the finalizer of splitmix64. */
static uint64_t hash_of(struct span s, uint64_t seed)
{
	uint64_t h = 0xcbf29ce484222325ull ^ seed;

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (uint8_t)s.ptr[i]) * 0x100000001b3ull;
	h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
	h = (h ^ h >> 27) * 0x94d049bb133111ebu;
	return h ^ h >> 31;
}

static void text_set(char *to, size_t size, struct span from)
{
	size_t n = MIN(from.len, size - 1);

	if (n)
		memcpy(to, from.ptr, n);
	to[n] = 0;
}

static bool name_note(struct dossier_name *names, size_t size, size_t count, struct span text)
{
	for (size_t i = 0; i < count; i++) {
		struct dossier_name *n = (struct dossier_name *)((char *)names + i * size);

		if (n->count && !span_equal(span_from(n->text),
					    (struct span){text.ptr, MIN(text.len, sizeof n->text - 1)}))
			continue;
		if (!n->count)
			text_set(n->text, sizeof n->text, text);
		n->count++;
		return true;
	}
	return false;
}

/* --- life --- */

void dossier_begin(struct dossier *d, const struct addr *client, uint64_t now_ns)
{
	dossier_end(d);
	*d = (struct dossier){.client = *client,
			      .begun_ns = now_ns,
			      .first_ns = now_ns,
			      .last_ns = now_ns,
			      .gap_min_ns = UINT64_MAX};
}

void dossier_drop_samples(struct dossier *d)
{
	for (unsigned i = 0; i < DOSSIER_SAMPLES; i++) {
		event_unref(d->samples[i]);
		d->samples[i] = NULL;
		d->sample_detection[i][0] = 0;
	}
}

void dossier_end(struct dossier *d)
{
	dossier_drop_samples(d);
}

size_t dossier_sample_bytes(const struct dossier *d)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < DOSSIER_SAMPLES; i++)
		bytes += d->samples[i] ? d->samples[i]->size : 0;
	return bytes;
}

/* --- noting --- */

static void note_route(struct dossier *d, const struct event_request *r, uint64_t seed)
{
	struct span text = r->route.len ? r->route : r->path;
	uint64_t hash = hash_of(text, seed);

	for (unsigned i = 0; i < DOSSIER_ROUTES; i++) {
		struct dossier_route *route = &d->routes[i];

		if (route->count && route->hash != hash)
			continue;
		if (!route->count) {
			route->hash = hash;
			text_set(route->text, sizeof route->text, text);
		}
		route->count++;
		return;
	}
	d->routes_more++;
}

/* False: there is no room for another. */
static bool text_note(struct dossier_text *texts, unsigned count, struct span text, uint64_t seed)
{
	uint64_t hash = hash_of(text, seed);

	for (unsigned i = 0; i < count; i++) {
		struct dossier_text *t = &texts[i];

		if (t->count && t->hash != hash)
			continue;
		if (!t->count) {
			t->hash = hash;
			text_set(t->text, sizeof t->text, text);
		}
		t->count++;
		return true;
	}
	return false;
}

/* n of a name: hellos and requests that have it. */
static void note_tls(struct dossier *d, const struct event_tls *t, uint64_t seed)
{
	if (t->server_name.len && !text_note(d->servers, DOSSIER_SERVERS, t->server_name, seed))
		d->servers_more++;
	if (t->ja4.len && !name_note(d->ja4s, sizeof *d->ja4s, DOSSIER_JA4S, t->ja4))
		d->ja4s_more++;
}

static void note_hello(struct dossier *d, const struct event_hello *h, uint64_t seed)
{
	d->hellos++;
	d->odd_hellos += h->deviations != 0;
	d->hello_deviations |= h->deviations;
	note_tls(d, &h->tls, seed);
}

static void note_status(struct dossier *d, unsigned status)
{
	d->answered++;
	d->status_classes[MIN(status / 100, 5u)]++;
	for (unsigned i = 0; i < DOSSIER_STATUSES; i++) {
		if (d->statuses[i].count && d->statuses[i].code != status)
			continue;
		d->statuses[i].code = (uint16_t)status;
		d->statuses[i].count++;
		return;
	}
}

static void note_rhythm(struct dossier *d, uint64_t time_ns)
{
	if (!d->requests) {
		d->request_first_ns = d->request_last_ns = time_ns;
		return;
	}
	/* Answers come in another order than requests: a step back is no gap. */
	if (time_ns < d->request_last_ns)
		return;
	uint64_t gap_ns = time_ns - d->request_last_ns;
	d->gap_min_ns = MIN(d->gap_min_ns, gap_ns);
	d->gap_max_ns = MAX(d->gap_max_ns, gap_ns);
	d->request_last_ns = time_ns;
}

static unsigned method_of(struct span method)
{
	unsigned i = 0;

	while (i < DOSSIER_METHODS - 1 && !span_equal(method, span_from(methods[i])))
		i++;
	return i;
}

static void note_signatures(struct dossier *d, const struct event_request *r)
{
	d->matching += r->signature_count > 0;
	for (unsigned i = 0; i < r->signature_count; i++)
		if (!name_note(d->signatures, sizeof *d->signatures, DOSSIER_SIGNATURES, r->signatures[i].id))
			d->signatures_more++;
}

static void note_request(struct dossier *d, const struct event *e, uint64_t seed)
{
	const struct event_request *r = &e->request;
	uint64_t path = hash_of(r->path, seed);

	note_rhythm(d, e->time_ns);
	d->requests++;
	d->methods[method_of(r->method)]++;
	if (r->answered & EVENT_ANSWER_SEEN)
		note_status(d, r->status);
	note_route(d, r, seed);
	if (!text_note(d->agents, DOSSIER_AGENTS, r->user_agent, seed))
		d->agents_more++;
	if (r->tls)
		note_tls(d, r->tls, seed);
	d->paths[path >> 6 & 3] |= 1ull << (path & 63);
	if (r->consumer.len)
		d->consumers[0] |= 1ull << (hash_of(r->consumer, seed) & 63);
	d->undocumented += r->documented == 2;
	d->deviating += r->deviations != 0;
	d->deviations |= r->deviations;
	d->forwarded += r->forwarded;
	note_signatures(d, r);
}

static void note_anomaly(struct dossier *d, const struct event_anomaly *a)
{
	if (!name_note(d->anomalies, sizeof *d->anomalies, DOSSIER_ANOMALIES, a->name))
		d->anomalies_more++;
	d->severe += span_equal(a->severity, SPAN("medium")) || span_equal(a->severity, SPAN("high"));
}

/* The detection that fired on it; NULL: none. */
static const char *fired_on(const struct dossier *d, const struct event *e)
{
	for (unsigned i = 0; i < DOSSIER_DETECTIONS; i++)
		if (d->detections[i].name.count && d->detections[i].event_id == e->id)
			return d->detections[i].name.text;
	return NULL;
}

static bool shows_new(const struct dossier *d, const struct event *e)
{
	for (unsigned i = 0; i < DOSSIER_SAMPLES && d->samples[i]; i++) {
		const struct event *s = d->samples[i];

		if (s->kind != e->kind)
			continue;
		if (e->kind != EVENT_HTTP_REQUEST || (s->request.status == e->request.status &&
						      span_equal(s->request.method, e->request.method) &&
						      span_equal(s->request.path, e->request.path)))
			return false;
	}
	return true;
}

/*
 * Which sample an event takes the place of: a free one; else, for one on which a detection fired, the oldest
 * that tells of none, or the oldest of its own. Others only come while there is room, but the last place goes
 * to what is new, so that what a client does now is seen beside how it began. -1: of none.
 */
static int place_for(const struct dossier *d, const struct event *e, const char *detection)
{
	unsigned i;

	for (i = 0; i < DOSSIER_SAMPLES && d->samples[i]; i++)
		if (detection && !strcmp(d->sample_detection[i], detection) && i)
			return (int)i;
	if (i < DOSSIER_SAMPLES)
		return detection || shows_new(d, e) ? (int)i : -1;
	for (i = 1; detection && i < DOSSIER_SAMPLES; i++)
		if (!d->sample_detection[i][0])
			return (int)i;
	if (!detection && !d->sample_detection[DOSSIER_SAMPLES - 1][0] && shows_new(d, e))
		return DOSSIER_SAMPLES - 1;
	return -1;
}

static void note_sample(struct dossier *d, struct event *e)
{
	const char *detection = fired_on(d, e);
	int at = place_for(d, e, detection);

	if (at < 0)
		return;
	event_unref(d->samples[at]);
	d->samples[at] = event_ref(e);
	snprintf(d->sample_detection[at], sizeof d->sample_detection[at], "%s", detection ? detection : "");
}

void dossier_note(struct dossier *d, struct event *e, uint64_t seed)
{
	d->events++;
	d->first_ns = MIN(d->first_ns, e->time_ns);
	d->last_ns = MAX(d->last_ns, e->time_ns);
	switch (e->kind) {
	case EVENT_HTTP_REQUEST:
		note_request(d, e, seed);
		note_sample(d, e);
		break;
	case EVENT_CONNECTION:
		d->connections++;
		d->idle_connections += !e->connection.requests;
		break;
	case EVENT_TLS_HELLO:
		note_hello(d, &e->hello, seed);
		/* What it says is counted; it is shown where it can be cited for something. */
		if (fired_on(d, e))
			note_sample(d, e);
		break;
	case EVENT_TCP_ANOMALY:
	case EVENT_HTTP_ANOMALY:
		note_anomaly(d, &e->anomaly);
		note_sample(d, e);
		break;
	default:
		break;
	}
}

void dossier_note_detection(struct dossier *d, const char *name, uint64_t event_id, uint64_t now_ns)
{
	d->last_ns = MAX(d->last_ns, now_ns);
	if (!name_note(&d->detections[0].name, sizeof *d->detections, DOSSIER_DETECTIONS, span_from(name))) {
		d->detections_more++;
		return;
	}
	for (unsigned i = 0; i < DOSSIER_DETECTIONS; i++)
		if (!strncmp(d->detections[i].name.text, name, DOSSIER_NAME_MAX - 1))
			d->detections[i].event_id = event_id;
}

/* --- what it is worth --- */

static unsigned magnitude(uint64_t n)
{
	return n ? 64 - (unsigned)__builtin_clzll(n) : 0;
}

/* Linear counting: how many different values set those bits. */
static unsigned about(const uint64_t *bits, unsigned words)
{
	unsigned size = words * 64, zero = 0;

	for (unsigned i = 0; i < words; i++)
		zero += 64 - (unsigned)__builtin_popcountll(bits[i]);
	return (unsigned)lround((double)size * log((double)size / MAX(zero, 1u)));
}

unsigned dossier_score(const struct dossier *d)
{
	unsigned names = d->detections_more > 0, fired = d->detections_more, refused = d->status_classes[4];

	for (unsigned i = 0; i < DOSSIER_DETECTIONS; i++) {
		names += d->detections[i].name.count > 0;
		fired += d->detections[i].name.count;
	}
	return 100 * names + 10 * MIN(fired, 10u) + 6 * MIN(magnitude(refused), 10u) +
	       MIN(about(d->paths, 4), 60u) + 4 * MIN(magnitude(d->undocumented), 8u) +
	       6 * MIN(magnitude(d->deviating), 8u) + 6 * MIN(magnitude(d->severe), 8u) +
	       6 * MIN(magnitude(d->odd_hellos), 8u) + 6 * MIN(magnitude(d->matching), 8u) +
	       2 * MIN(magnitude(d->events), 16u);
}

static uint64_t mix(uint64_t h, uint64_t value)
{
	return hash_of((struct span){(const char *)&value, sizeof value}, h);
}

uint64_t dossier_shape(const struct dossier *d, uint64_t seed)
{
	const uint64_t magnitudes[] = {
		magnitude(d->requests),
		magnitude(d->connections),
		magnitude(d->idle_connections),
		magnitude(d->routes_more),
		magnitude(d->agents_more),
		magnitude(about(d->paths, 4)),
		magnitude(d->undocumented),
		magnitude(d->deviating),
		magnitude(d->severe),
		d->deviations,
		magnitude(d->anomalies_more),
		magnitude(d->detections_more),
		magnitude(d->signatures_more),
		magnitude(d->matching),
		magnitude(d->servers_more),
		magnitude(d->ja4s_more),
		magnitude(d->hellos),
		magnitude(d->odd_hellos),
		d->hello_deviations,
	};
	uint64_t h = seed, set = 0;

	for (size_t i = 0; i < ARRAY_SIZE(magnitudes); i++)
		h = mix(h, magnitudes[i]);
	for (unsigned i = 0; i < 6; i++)
		h = mix(h, magnitude(d->status_classes[i]));
	for (unsigned i = 0; i < DOSSIER_METHODS; i++)
		h = mix(h, d->methods[i] > 0);
	/* Sums: in which order they came does not matter. */
	for (unsigned i = 0; i < DOSSIER_ROUTES; i++)
		set += d->routes[i].count ? hash_of(span_from(d->routes[i].text), seed + 1) : 0;
	for (unsigned i = 0; i < DOSSIER_AGENTS; i++)
		set += d->agents[i].count ? hash_of(span_from(d->agents[i].text), seed + 2) : 0;
	for (unsigned i = 0; i < DOSSIER_ANOMALIES; i++)
		set += d->anomalies[i].count ? hash_of(span_from(d->anomalies[i].text), seed + 3) : 0;
	for (unsigned i = 0; i < DOSSIER_DETECTIONS; i++)
		set += d->detections[i].name.count ? hash_of(span_from(d->detections[i].name.text), seed + 4)
						   : 0;
	for (unsigned i = 0; i < DOSSIER_SIGNATURES; i++)
		set += d->signatures[i].count ? hash_of(span_from(d->signatures[i].text), seed + 9) : 0;
	for (unsigned i = 0; i < DOSSIER_SERVERS; i++)
		set += d->servers[i].count ? hash_of(span_from(d->servers[i].text), seed + 10) : 0;
	for (unsigned i = 0; i < DOSSIER_JA4S; i++)
		set += d->ja4s[i].count ? hash_of(span_from(d->ja4s[i].text), seed + 11) : 0;
	/* All that a client wrote and a model is shown: what persuades it of one client counts for no other.
	 */
	for (unsigned i = 0; i < DOSSIER_SAMPLES && d->samples[i]; i++) {
		const struct event *e = d->samples[i];

		if (e->kind == EVENT_TLS_HELLO)
			set += hash_of(e->hello.tls.server_name, seed + 12);
		if (e->kind != EVENT_HTTP_REQUEST)
			continue;
		set += (e->request.tls ? hash_of(e->request.tls->server_name, seed + 12) : 0) +
		       hash_of(e->request.target, seed + 5) + hash_of(e->request.host, seed + 6) +
		       hash_of(e->request.method, seed + 7);
		for (unsigned k = 0; k < MIN(e->request.header_count, (unsigned)HEADER_NAMES); k++)
			set += hash_of(e->request.headers[k].name, seed + 8);
	}
	return mix(h, set);
}

/* --- as JSON --- */

static void put_uint(struct json_writer *w, const char *key, uint64_t value)
{
	json_key(w, key);
	json_uint(w, value);
}

/* Where it is not zero: what did not happen takes no room. */
static void put_some(struct json_writer *w, const char *key, uint64_t value)
{
	if (value)
		put_uint(w, key, value);
}

/* Cut, and without NUL, which readers of JSON end at: a byte of a client's must not end more than itself. */
static void put_string(struct json_writer *w, struct span text)
{
	char copy[TEXT_SHOWN];
	size_t n = MIN(text.len, sizeof copy);

	for (size_t i = 0; i < n; i++)
		copy[i] = text.ptr[i] ? text.ptr[i] : 1;
	json_string(w, (struct span){copy, n});
}

static void put_text(struct json_writer *w, const char *key, struct span text)
{
	if (!text.len)
		return;
	json_key(w, key);
	put_string(w, text);
}

static void put_counted(struct json_writer *w, const char *key, const char *text, uint32_t count)
{
	json_object_begin(w);
	put_text(w, key, span_from(text));
	put_uint(w, "n", count);
	json_object_end(w);
}

static void put_deviations(struct json_writer *w, uint32_t deviations)
{
	json_key(w, "deviations");
	json_array_begin(w);
	for (unsigned i = 0; i < HTTP_DEV_BITS; i++)
		if (deviations >> i & 1)
			json_text(w, http_deviation_name((enum http_deviation)(1u << i)));
	json_array_end(w);
}

static void put_rhythm(struct json_writer *w, const struct dossier *d)
{
	uint64_t span_ns = d->request_last_ns - d->request_first_ns;

	put_uint(w, "seconds", (d->last_ns - d->first_ns) / NS_PER_S);
	put_uint(w, "requests", d->requests);
	put_some(w, "connections", d->connections);
	put_some(w, "connections_without_request", d->idle_connections);
	if (d->requests < 2)
		return;
	json_key(w, "per_second");
	json_double(w, span_ns ? round((double)(d->requests - 1) * 1e11 / (double)span_ns) / 100 : 0);
	json_key(w, "gap_ms");
	json_object_begin(w);
	put_uint(w, "min", MIN(d->gap_min_ns, d->gap_max_ns) / NS_PER_MS);
	put_uint(w, "mean", span_ns / (d->requests - 1) / NS_PER_MS);
	put_uint(w, "max", d->gap_max_ns / NS_PER_MS);
	json_object_end(w);
}

static void put_answers(struct json_writer *w, const struct dossier *d)
{
	char text[16];
	uint32_t shown = 0;

	if (!d->requests)
		return;
	json_key(w, "methods");
	json_object_begin(w);
	for (unsigned i = 0; i < DOSSIER_METHODS; i++)
		put_some(w, methods[i], d->methods[i]);
	json_object_end(w);
	json_key(w, "status");
	json_object_begin(w);
	for (unsigned i = 0; i < DOSSIER_STATUSES && d->statuses[i].count; i++) {
		snprintf(text, sizeof text, "%u", d->statuses[i].code);
		put_uint(w, text, d->statuses[i].count);
		shown += d->statuses[i].count;
	}
	put_some(w, "other", d->answered - shown);
	put_some(w, "none", d->requests - d->answered);
	json_object_end(w);
}

static void put_places(struct json_writer *w, const struct dossier *d)
{
	if (!d->requests)
		return;
	json_key(w, "routes");
	json_array_begin(w);
	for (unsigned i = 0; i < DOSSIER_ROUTES && d->routes[i].count; i++)
		put_counted(w, "route", d->routes[i].text, d->routes[i].count);
	json_array_end(w);
	put_some(w, "on_other_routes", d->routes_more);
	put_uint(w, "different_paths_about", about(d->paths, 4));
	put_some(w, "not_documented", d->undocumented);
	json_key(w, "user_agents");
	json_array_begin(w);
	for (unsigned i = 0; i < DOSSIER_AGENTS && d->agents[i].count; i++)
		put_counted(w, "user_agent", d->agents[i].text, d->agents[i].count);
	json_array_end(w);
	put_some(w, "with_other_user_agents", d->agents_more);
	put_some(w, "consumers_about", d->consumers[0] ? about(d->consumers, 1) : 0);
	put_some(w, "with_forwarding_headers", d->forwarded);
	put_some(w, "deviating_requests", d->deviating);
	if (d->deviations)
		put_deviations(w, d->deviations);
}

static void put_signatures(struct json_writer *w, const struct dossier *d)
{
	if (!d->matching)
		return;
	put_uint(w, "matching_requests", d->matching);
	json_key(w, "signatures");
	json_array_begin(w);
	for (unsigned i = 0; i < DOSSIER_SIGNATURES && d->signatures[i].count; i++)
		put_counted(w, "signature", d->signatures[i].text, d->signatures[i].count);
	json_array_end(w);
	put_some(w, "other_signatures", d->signatures_more);
}

static void put_hello_deviations(struct json_writer *w, uint32_t deviations)
{
	json_key(w, "tls_deviations");
	json_array_begin(w);
	for (unsigned i = 0; i < TLS_DEV_BITS; i++)
		if (deviations >> i & 1)
			json_text(w, tls_deviation_name((enum tls_deviation)(1u << i)));
	json_array_end(w);
}

static void put_names(struct json_writer *w, const struct dossier *d)
{
	put_some(w, "tls_hellos", d->hellos);
	if (d->servers[0].count) {
		json_key(w, "server_names");
		json_array_begin(w);
		for (unsigned i = 0; i < DOSSIER_SERVERS && d->servers[i].count; i++)
			put_counted(w, "server_name", d->servers[i].text, d->servers[i].count);
		json_array_end(w);
	}
	put_some(w, "with_other_server_names", d->servers_more);
	if (d->ja4s[0].count) {
		json_key(w, "ja4s");
		json_array_begin(w);
		for (unsigned i = 0; i < DOSSIER_JA4S && d->ja4s[i].count; i++)
			put_counted(w, "ja4", d->ja4s[i].text, d->ja4s[i].count);
		json_array_end(w);
	}
	put_some(w, "with_other_ja4s", d->ja4s_more);
	put_some(w, "odd_tls_hellos", d->odd_hellos);
	if (d->hello_deviations)
		put_hello_deviations(w, d->hello_deviations);
}

static void put_findings(struct json_writer *w, const struct dossier *d)
{
	json_key(w, "detections");
	json_array_begin(w);
	for (unsigned i = 0; i < DOSSIER_DETECTIONS && d->detections[i].name.count; i++)
		put_counted(w, "detection", d->detections[i].name.text, d->detections[i].name.count);
	json_array_end(w);
	put_some(w, "other_detections", d->detections_more);
	put_signatures(w, d);
	if (!d->anomalies[0].count)
		return;
	json_key(w, "anomalies");
	json_array_begin(w);
	for (unsigned i = 0; i < DOSSIER_ANOMALIES && d->anomalies[i].count; i++)
		put_counted(w, "anomaly", d->anomalies[i].text, d->anomalies[i].count);
	json_array_end(w);
	put_some(w, "other_anomalies", d->anomalies_more);
}

static void put_header_names(struct json_writer *w, const struct event_request *r)
{
	if (!r->header_count)
		return;
	json_key(w, "header_names");
	json_array_begin(w);
	for (unsigned i = 0; i < MIN(r->header_count, (unsigned)HEADER_NAMES); i++)
		put_string(w, r->headers[i].name);
	json_array_end(w);
	put_some(w, "more_headers", r->header_count - MIN(r->header_count, (unsigned)HEADER_NAMES));
}

/* The strongest first; an event has eight of them at most. */
static void put_matched(struct json_writer *w, const struct event_request *r)
{
	if (!r->signature_count)
		return;
	json_key(w, "signatures");
	json_array_begin(w);
	for (unsigned i = 0; i < MIN(r->signature_count, (unsigned)DOSSIER_SIGNATURES); i++)
		put_string(w, r->signatures[i].id);
	json_array_end(w);
}

static void put_request(struct json_writer *w, const struct event_request *r)
{
	put_text(w, "method", r->method);
	put_text(w, "target", r->target);
	put_text(w, "route", r->route);
	put_text(w, "host", r->host);
	if (r->tls)
		put_text(w, "server_name", r->tls->server_name);
	if (r->answered & EVENT_ANSWER_SEEN)
		put_uint(w, "status", r->status);
	put_text(w, "user_agent", r->user_agent);
	if (r->body == HTTP_BODY_LENGTH)
		put_uint(w, "body_bytes", r->content_length);
	if (r->answered & EVENT_ANSWER_BODY)
		put_uint(w, "answer_bytes", r->response_bytes);
	put_header_names(w, r);
	put_matched(w, r);
	if (r->deviations)
		put_deviations(w, r->deviations);
	if (r->test) {
		json_key(w, "test");
		json_bool(w, true);
	}
}

static void put_sample(struct json_writer *w, const struct dossier *d, unsigned at)
{
	const struct event *e = d->samples[at];
	char name[16];

	json_object_begin(w);
	snprintf(name, sizeof name, "e%u", at + 1);
	put_text(w, "id", span_from(name));
	json_key(w, "t_ms");
	json_int(w, (int64_t)(e->time_ns - d->first_ns) / (int64_t)NS_PER_MS);
	put_text(w, "event", span_from(event_kind_name(e->kind)));
	put_text(w, "detection", span_from(d->sample_detection[at]));
	if (e->kind == EVENT_HTTP_REQUEST) {
		put_request(w, &e->request);
	} else if (e->kind == EVENT_TLS_HELLO) {
		put_text(w, "server_name", e->hello.tls.server_name);
		put_text(w, "ja4", e->hello.tls.ja4);
		if (e->hello.deviations)
			put_hello_deviations(w, e->hello.deviations);
	} else {
		put_text(w, "anomaly", e->anomaly.name);
		put_text(w, "severity", e->anomaly.severity);
	}
	json_object_end(w);
}

void dossier_write(const struct dossier *d, struct json_writer *w)
{
	char text[ADDR_TEXT_MAX + EVENT_ID_TEXT_MAX];

	json_object_begin(w);
	json_key(w, "client");
	json_text(w, addr_format(&d->client, text));
	json_key(w, "events");
	json_array_begin(w);
	for (unsigned i = 0; i < DOSSIER_SAMPLES && d->samples[i]; i++)
		json_text(w, event_id_format(d->samples[i], text));
	json_array_end(w);
	json_key(w, "dossier");
	json_object_begin(w);
	put_rhythm(w, d);
	put_answers(w, d);
	put_places(w, d);
	put_names(w, d);
	put_findings(w, d);
	json_key(w, "samples");
	json_array_begin(w);
	for (unsigned i = 0; i < DOSSIER_SAMPLES && d->samples[i]; i++)
		put_sample(w, d, i);
	json_array_end(w);
	json_object_end(w);
	json_object_end(w);
}
