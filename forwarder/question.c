// SPDX-License-Identifier: Apache-2.0
#include "forwarder/question.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <openssl/evp.h>
#include "forwarder/captured_text.h"
#include "lib/util.h"

/* Batches are our own, but their texts are not; these bounds are those of what we write. */
#define DEPTH_MAX  16
#define VALUES_MAX 100000
#define BYTES_MAX  (8u << 20)

/* --- reading --- */

static const cJSON *member(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* The first 32 bits of SHA-256 over the nonce and the number. */
static int name_of(const char *nonce, unsigned number, char ret[static QUESTION_NAME_MAX])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	char text[96];
	int n = snprintf(text, sizeof text, "%.64s/%u", nonce, number);

	if (!EVP_Digest(text, (size_t)n, digest, &len, EVP_sha256(), NULL) || len < 4)
		return -EIO;
	snprintf(ret, QUESTION_NAME_MAX, "c%02x%02x%02x%02x", digest[0], digest[1], digest[2], digest[3]);
	return 0;
}

static int take_events(struct question_source *s, const cJSON *events)
{
	const cJSON *id;

	if (!cJSON_IsArray(events) || cJSON_GetArraySize(events) > VERDICT_EVIDENCE_MAX)
		return QUESTION_E_BATCH;
	cJSON_ArrayForEach(id, events)
	{
		if (!cJSON_IsString(id) || strlen(id->valuestring) >= VERDICT_ID_MAX)
			return QUESTION_E_BATCH;
		snprintf(s->events[s->event_count++], VERDICT_ID_MAX, "%s", id->valuestring);
	}
	return 0;
}

static int take(struct question *q, const cJSON *item, const char *nonce)
{
	struct question_source *s = &q->sources[q->source_count];
	const char *client = json_get_text(item, "client");

	s->dossier = member(item, "dossier");
	if (!client || addr_parse(span_from(client), &s->client) || !cJSON_IsObject(s->dossier))
		return QUESTION_E_BATCH;
	int r = name_of(nonce, q->source_count, s->name);
	if (!r)
		r = take_events(s, member(item, "events"));
	/* Two of one name: once in thousands of millions; then it is no question. */
	if (!r && question_source_of(q, s->name) >= 0)
		r = QUESTION_E_BATCH;
	q->source_count += !r;
	return r;
}

int question_read(struct span batch, const char *nonce, struct question *ret)
{
	const struct json_limits limits = {BYTES_MAX, DEPTH_MAX, VALUES_MAX};
	const cJSON *item;

	*ret = (struct question){0};
	int r = json_parse(batch, &limits, &ret->json, NULL);
	if (r)
		return r < 0 ? r : QUESTION_E_BATCH;
	int count = cJSON_GetArraySize(ret->json);
	if (!cJSON_IsArray(ret->json) || count > QUESTION_SOURCES_MAX)
		return QUESTION_E_BATCH;
	ret->sources = calloc((size_t)count + 1, sizeof *ret->sources);
	if (!ret->sources)
		return -ENOMEM;
	cJSON_ArrayForEach(item, ret->json)
	{
		r = take(ret, item, nonce);
		if (r)
			return r;
	}
	return 0;
}

void question_free(struct question *q)
{
	cJSON_Delete(q->json);
	free(q->sources);
	*q = (struct question){0};
}

int question_source_of(const struct question *q, const char *name)
{
	for (unsigned i = 0; i < q->source_count; i++)
		if (!strcmp(q->sources[i].name, name))
			return (int)i;
	return -1;
}

/* As we write them: "e07" is none. */
int question_event_of(const struct question_source *s, const char *name)
{
	if (name[0] != 'e' || name[1] < '1' || name[1] > '9' || name[2])
		return -1;
	unsigned at = (unsigned)(name[1] - '1');
	_Static_assert(VERDICT_EVIDENCE_MAX < 10, "one digit");
	return at < s->event_count ? (int)at : -1;
}

/* --- writing --- */

static void put_value(struct json_writer *w, const cJSON *value);

static void put_members(struct json_writer *w, const cJSON *object)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, object)
	{
		captured_text_write_key(w, item->string);
		put_value(w, item);
	}
}

/* Recursive; as deep as json_parse allowed. */
static void put_value(struct json_writer *w, const cJSON *value)
{
	const cJSON *item;

	if (cJSON_IsString(value)) {
		captured_text_write(w, value->valuestring);
	} else if (cJSON_IsNumber(value)) {
		json_double(w, value->valuedouble);
	} else if (cJSON_IsBool(value)) {
		json_bool(w, cJSON_IsTrue(value));
	} else if (cJSON_IsArray(value)) {
		json_array_begin(w);
		cJSON_ArrayForEach(item, value) put_value(w, item);
		json_array_end(w);
	} else if (cJSON_IsObject(value)) {
		json_object_begin(w);
		put_members(w, value);
		json_object_end(w);
	} else {
		json_null(w);
	}
}

void question_write(const struct question *q, const char *batch_id, struct buffer *out)
{
	struct json_writer w = JSON_WRITER(out);

	json_object_begin(&w);
	json_key(&w, "batch_id");
	json_text(&w, batch_id);
	json_key(&w, "clients");
	json_array_begin(&w);
	for (unsigned i = 0; i < q->source_count; i++) {
		json_object_begin(&w);
		json_key(&w, "src");
		json_text(&w, q->sources[i].name);
		put_members(&w, q->sources[i].dossier);
		json_object_end(&w);
	}
	json_array_end(&w);
	json_object_end(&w);
}
