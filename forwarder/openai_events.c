// SPDX-License-Identifier: Apache-2.0
#include "forwarder/openai_events.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "lib/json_write.h"
#include "lib/util.h"

/* Batches are our own, but their texts are not; these bounds are those of what we write. */
#define DEPTH_MAX  16
#define VALUES_MAX (OPENAI_EVENTS_MAX * 200)
#define BYTES_MAX  (64u << 20)

/* --- reading --- */

static const cJSON *member(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static int source_index(struct openai_events *e, const struct addr *client)
{
	for (unsigned i = 0; i < e->source_count; i++)
		if (addr_equal(&e->sources[i], client))
			return (int)i;
	e->sources[e->source_count] = *client;
	return (int)e->source_count++;
}

/* Who it really is, and of what was not asked for by a request, the peer. */
static bool client_of(const cJSON *data, struct addr *ret)
{
	const char *text = json_get_text(data, "client.address");

	if (!text)
		text = json_get_text(data, "network.peer.address");
	return text && addr_parse(span_from(text), ret) == 0;
}

static void take(struct openai_events *e, const cJSON *item)
{
	const cJSON *data = member(item, "data");
	const char *id = json_get_text(item, "id"), *time = json_get_text(data, "time_unix_nano");
	struct openai_event *event = &e->events[e->event_count];
	struct addr client;

	if (!cJSON_IsObject(data) || !id || strlen(id) >= sizeof event->id || !client_of(data, &client))
		return;
	event->data = data;
	event->source = (unsigned)source_index(e, &client);
	event->time_ns = time ? strtoull(time, NULL, 10) : 0;
	snprintf(event->id, sizeof event->id, "%s", id);
	e->event_count++;
}

int openai_events_read(struct span batch, struct openai_events *ret)
{
	const struct json_limits limits = {BYTES_MAX, DEPTH_MAX, VALUES_MAX};
	const cJSON *item;

	*ret = (struct openai_events){0};
	int r = json_parse(batch, &limits, &ret->json, NULL);
	if (r)
		return r < 0 ? r : OPENAI_EVENTS_E_BATCH;
	int count = cJSON_GetArraySize(ret->json);
	if (!cJSON_IsArray(ret->json) || count > OPENAI_EVENTS_MAX)
		return OPENAI_EVENTS_E_BATCH;
	ret->events = calloc((size_t)count + 1, sizeof *ret->events);
	ret->sources = calloc((size_t)count + 1, sizeof *ret->sources);
	if (!ret->events || !ret->sources)
		return -ENOMEM;
	cJSON_ArrayForEach(item, ret->json) take(ret, item);
	return 0;
}

void openai_events_free(struct openai_events *e)
{
	cJSON_Delete(e->json);
	free(e->events);
	free(e->sources);
	*e = (struct openai_events){0};
}

/* A letter and a number from 1 on, written as we write it: "s07" is nobody. */
static int index_of(const char *name, char letter, unsigned count)
{
	unsigned n = 0;

	if (name[0] != letter || name[1] < '1' || name[1] > '9')
		return -1;
	for (const char *c = name + 1; *c; c++) {
		if (*c < '0' || *c > '9' || n > count)
			return -1;
		n = n * 10 + (unsigned)(*c - '0');
	}
	return n <= count ? (int)n - 1 : -1;
}

int openai_source_of(const struct openai_events *e, const char *name)
{
	return index_of(name, 's', e->source_count);
}

int openai_event_of(const struct openai_events *e, const char *name)
{
	return index_of(name, 'e', e->event_count);
}

/* --- writing --- */

/*
 * What a model is shown: nothing that names a client's address or port, a process or a container; not what
 * forwarding headers say. A key that is not in this list is not sent.
 */
static const char *const shown[] = {
	"event.name",
	"http.request.method",
	"http.request.method_original",
	"url.original",
	"http.route",
	"server.address",
	"server.port",
	"user_agent.original",
	"network.protocol.version",
	"http.request.body.size",
	"http.response.status_code",
	"http.response.body.size",
	"http.anomaly.name",
	"tcp.anomaly.name",
	"tcp.anomaly.severity",
	"picket.route.documented",
	"picket.deviations",
	"picket.consumer",
	"picket.client.source",
	"picket.connection.requests",
	"picket.test",
	"tls.client.server_name",
	"tls.client.ja4",
	"tls.protocol.version",
	"tcp.header.flag_names",
	"picket.why",
};

/* Of valid UTF-8, which json_parse has seen to: the code at *at, which moves behind it. */
static uint32_t next_code(const unsigned char **at)
{
	const unsigned char *p = *at;
	unsigned more = p[0] < 0x80 ? 0 : p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3;
	uint32_t code = more == 0 ? p[0] : more == 1 ? p[0] & 0x1fu : more == 2 ? p[0] & 0x0fu : p[0] & 0x07u;

	for (unsigned i = 1; i <= more; i++)
		code = code << 6 | (p[i] & 0x3fu);
	*at = p + more + 1;
	return code;
}

static void put_code(struct buffer *out, uint32_t code)
{
	if (code == '"' || code == '\\')
		buffer_printf(out, "\\%c", (char)code);
	else if (code >= ' ' && code < 0x7f)
		buffer_append_char(out, (char)code);
	else if (code < 0x10000)
		buffer_printf(out, "\\u%04" PRIx32, code);
	else
		buffer_printf(out, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + ((code - 0x10000) >> 10),
			      0xdc00 + ((code - 0x10000) & 0x3ff));
}

/*
 * ASCII, because what a reader does not see (controls, directions, letters that look like others) would still
 * be read by a model; cut, because a long text drowns what is around it.
 */
static void put_text(struct json_writer *w, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	_cleanup_(buffer_free) struct buffer escaped = BUFFER_INIT(OPENAI_TEXT_MAX * 6 + 16);

	buffer_append_char(&escaped, '"');
	while (*at && at - (const unsigned char *)text < OPENAI_TEXT_MAX)
		put_code(&escaped, next_code(&at));
	buffer_append_text(&escaped, *at ? "...\"" : "\"");
	if (escaped.truncated)
		w->out->truncated = true;
	json_raw(w, buffer_span(&escaped));
}

static void put_value(struct json_writer *w, const cJSON *value)
{
	const cJSON *item;

	if (cJSON_IsString(value)) {
		put_text(w, value->valuestring);
	} else if (cJSON_IsNumber(value)) {
		json_double(w, value->valuedouble);
	} else if (cJSON_IsBool(value)) {
		json_bool(w, cJSON_IsTrue(value));
	} else if (cJSON_IsArray(value)) {
		json_array_begin(w);
		cJSON_ArrayForEach(item, value) put_value(w, item);
		json_array_end(w);
	} else {
		json_null(w);
	}
}

static void put_event(struct json_writer *w, const struct openai_events *e, unsigned at)
{
	const struct openai_event *event = &e->events[at];
	uint64_t first_ns = e->events[0].time_ns;
	char name[16];

	json_object_begin(w);
	json_key(w, "id");
	snprintf(name, sizeof name, "e%u", at + 1);
	json_text(w, name);
	json_key(w, "src");
	snprintf(name, sizeof name, "s%u", event->source + 1);
	json_text(w, name);
	json_key(w, "t_ms");
	/* A later event may be of an earlier time. */
	json_int(w, (int64_t)(event->time_ns - first_ns) / 1000000);
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
		const cJSON *value = member(event->data, shown[i]);

		if (!value)
			continue;
		json_key(w, shown[i]);
		put_value(w, value);
	}
	json_object_end(w);
}

void openai_events_write(const struct openai_events *e, const char *batch_id, struct buffer *out)
{
	struct json_writer w = JSON_WRITER(out);

	json_object_begin(&w);
	json_key(&w, "batch_id");
	json_text(&w, batch_id);
	json_key(&w, "events");
	json_array_begin(&w);
	for (unsigned i = 0; i < e->event_count; i++)
		put_event(&w, e, i);
	json_array_end(&w);
	json_object_end(&w);
}
