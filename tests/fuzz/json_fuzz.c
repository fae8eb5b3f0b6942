// SPDX-License-Identifier: Apache-2.0
/*
 * The strict reader and the writer. What the reader lets through, cJSON must read whole and print again;
 * whatever bytes a text holds, the writer must make a string of it that the reader takes.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include "lib/json_read.h"
#include "lib/json_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
	if (!truth)
		abort();
}

static void check_finite(const cJSON *item)
{
	for (; item; item = item->next) {
		if (cJSON_IsNumber(item))
			require(isfinite(item->valuedouble));
		check_finite(item->child);
	}
}

static void read_it(struct span text)
{
	static const struct json_limits limits = {1 << 20, 16, 1000};
	cJSON *json = NULL, *again = NULL;
	size_t offset = 0;
	int r = json_parse(text, &limits, &json, &offset);

	require(r >= 0); /* memory is not short here: the reader and cJSON disagree */
	if (r) {
		require(!json && offset <= text.len && json_error_name(r)[0]);
		return;
	}
	check_finite(json);
	char *printed = cJSON_PrintUnformatted(json);
	require(printed != NULL);
	require(json_parse(span_from(printed), &(struct json_limits){1 << 24, 16, 1000}, &again, NULL) == 0);
	require(cJSON_Compare(json, again, 1));
	cJSON_free(printed);
	cJSON_Delete(again);
	cJSON_Delete(json);
}

static void write_it(struct span text)
{
	struct buffer b = BUFFER_INIT(1 << 24);
	struct json_writer w = JSON_WRITER(&b);
	cJSON *json = NULL;

	/* A zero byte is written as an escape that the reader refuses on purpose. */
	if (text.len && memchr(text.ptr, 0, text.len))
		return;
	json_object_begin(&w);
	json_key_span(&w, "k.", text);
	json_string(&w, text);
	json_object_end(&w);
	require(!b.truncated);
	require(json_parse(buffer_span(&b), &(struct json_limits){1 << 24, 2, 4}, &json, NULL) == 0);
	cJSON_Delete(json);
	buffer_free(&b);
}

static void write_into_little(struct span text)
{
	struct buffer b = BUFFER_INIT(text.len);
	struct json_writer w = JSON_WRITER(&b);

	json_string(&w, text);
	require(b.len <= text.len && b.truncated);
	buffer_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = {(const char *)data, size};

	if (size > 1 << 16)
		return 0;
	read_it(text);
	write_it(text);
	write_into_little(text);
	return 0;
}
