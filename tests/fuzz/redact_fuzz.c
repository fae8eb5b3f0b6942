// SPDX-License-Identifier: Apache-2.0
/*
 * redact_fuzz.c: no planted secret survives. The input is a request head of which byte 0 says what secret is
 * put in, byte 1 how often it is percent-encoded, and each 0x01 where. Whatever stands around it, it must not
 * be found in the event that the real parser and redaction make of it: not as it is, and not decoded.
 */
#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include "lib/event_json.h"
#include "lib/util.h"
#include "policies/redact.h"
#include "policies/redact_token.h"
#include "sensor/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MARK     1
#define HEAD_MAX 32768

static const char *const secrets[] = {
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtaWEifQ.Qx3vW8kZ1tYb7Rr5NnPq0sLdFgHjKmVcXzAa2Ee4Ii6",
	"mia.k7lerova@shop.test",
	"c4929123412341232c", /* of a longer row of digits a part is no card */
	"3f9ac0ffee11bb229f86d081884c7d65",
	"kJ8sZ2qLm4Xw9TbVr3Pn6Yc1",
	"550e8400-e29b-41d4-a716-446655440a0b",
	"sk_live_abcdefghijklmnop",
};

static struct redact *redact_get(void)
{
	static struct redact *redact;
	static const uint8_t key[REDACT_KEY_LEN] = {7};
	struct config config = {.instance = NULL};

	if (!redact && redact_new(&config, key, &redact))
		abort();
	return redact;
}

/* Appends text, each byte of it percent-encoded times over. */
static void put_encoded(struct buffer *out, const char *text, unsigned times)
{
	for (; *text; text++) {
		if (!times) {
			buffer_append_char(out, *text);
			continue;
		}
		buffer_append_char(out, '%');
		for (unsigned i = 1; i < times; i++)
			buffer_append_text(out, "25");
		buffer_printf(out, "%02x", (unsigned char)*text);
	}
}

/* What cannot be there: the secret, or the part of it that tells. */
static struct span telling_part(const char *secret)
{
	const char *end = strchr(secret, '@');
	const char *dot = strrchr(secret, '.');

	if (end)
		return (struct span){secret, (size_t)(end - secret)};
	if (secret[0] == 'c')
		return (struct span){secret + 1, strlen(secret) - 2};
	return dot ? span_from(dot + 1) : span_from(secret);
}

static bool holds(struct span text, struct span part)
{
	return text.len && memmem(text.ptr, text.len, part.ptr, part.len);
}

static void check_absent(struct span text, struct span part)
{
	char *copy = malloc(text.len + 1);

	assert(copy);
	memcpy(copy, text.ptr, text.len);
	for (size_t len = text.len;;) {
		assert(!holds((struct span){copy, len}, part));
		size_t decoded = token_percent_decode((struct span){copy, len}, copy);
		if (decoded == len)
			break;
		len = decoded;
	}
	free(copy);
}

static void check_request(const struct http_request *request, struct span part)
{
	const struct redact_context nothing = {0};
	struct buffer json = BUFFER_INIT(16 * HEAD_MAX);
	struct json_writer w = JSON_WRITER(&json);
	struct event *e = redact_request(redact_get(), request, &nothing);

	assert(e);
	const char *tail = (const char *)(&e->request + 1); /* only the kind's own member is allocated */
	check_absent((struct span){tail, (size_t)((const char *)e + e->size - tail)}, part);
	event_json_data(&w, e);
	check_absent(buffer_span(&json), part);
	buffer_free(&json);
	event_unref(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_request request;
	struct buffer head = BUFFER_INIT(HEAD_MAX);

	if (size < 3)
		return 0;
	const char *secret = secrets[data[0] % ARRAY_SIZE(secrets)];
	/* The input may not hold it by itself. */
	struct span rest = {(const char *)data + 2, size - 2}, part = telling_part(secret);
	for (size_t i = 0; i < rest.len; i++) {
		if (rest.ptr[i] == MARK)
			put_encoded(&head, secret, data[1] % 4);
		else
			buffer_append_char(&head, rest.ptr[i]);
	}
	buffer_append_text(&head, "\r\n\r\n");
	if (!head.truncated && !holds(rest, part) && http1_parse(buffer_span(&head), &request) == 0)
		check_request(&request, part);
	buffer_free(&head);
	return 0;
}
