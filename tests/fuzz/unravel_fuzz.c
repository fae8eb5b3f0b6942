// SPDX-License-Identifier: Apache-2.0
/*
 * unravel_fuzz.c: any bytes as a path, a query, a header. Checked: nothing grows, also in place; no zero byte
 * but a query's separators; what has no sign stays as it is; white space is squeezed; the signatures read it
 * all, what they found lies within their bounds, and redacted it holds no control character.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"
#include "policies/signature_event.h"
#include "policies/unravel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_squeezed(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		assert(s.ptr[i] != '\t' && s.ptr[i] != '\r' && s.ptr[i] != '\v' && s.ptr[i] != '\f');
		assert(!i || s.ptr[i] != ' ' || (s.ptr[i - 1] != ' ' && s.ptr[i - 1] != '\n'));
	}
}

static void check_text(struct span text, enum unravel_kind kind, size_t separators)
{
	char *out = malloc(text.len + 1), *other = malloc(text.len + 1);
	size_t zeros = 0;
	unsigned signs, again;

	assert(out && other);
	struct span s = {out, unravel(text, kind, out, &signs)};
	assert(s.len <= text.len);
	check_squeezed(s);
	for (size_t i = 0; i < s.len; i++)
		zeros += !s.ptr[i];
	assert(zeros <= separators);
	if (kind == UNRAVEL_TEXT && !(unravel_signs(text) & UNRAVEL_SIGNS_TEXT))
		assert(span_equal(s, text));
	memcpy(other, text.ptr, text.len);
	assert(unravel((struct span){other, text.len}, kind, other, &again) == s.len &&
	       memcmp(other, out, s.len) == 0 && signs == again);
	/* What squeezing took away is all that may have been told too much. */
	assert(!((signs ^ unravel_signs(s)) & ~(unsigned)(UNRAVEL_SIGN_SPACE | UNRAVEL_SIGN_ZERO)));
	size_t sql = unravel_sql(s, other);
	assert(sql <= s.len && (!sql || !memmem(other, sql, "*/", 2) || memmem(out, s.len, "*/", 2)));
	assert(unravel_shell(s, other) <= s.len);
	free(out);
	free(other);
}

static struct signatures *signatures_get(void)
{
	static const struct signatures_settings settings = {.paranoia = SIGNATURE_PARANOIA_MAX};
	static struct signatures *s;
	struct buffer errors = BUFFER_INIT(65536);

	if (!s && signatures_new(&settings, &s, &errors))
		abort();
	return s;
}

static struct redact *redact_get(void)
{
	static const struct config config = {0};
	static const uint8_t key[REDACT_KEY_LEN] = {1};
	static struct redact *r;

	if (!r && redact_new(&config, key, &r))
		abort();
	return r;
}

static void check_signatures(struct span text)
{
	const char *mark = text.len ? memchr(text.ptr, '?', text.len) : NULL;
	size_t path = mark ? (size_t)(mark - text.ptr) : text.len;
	struct http_request r = {
		.method = SPAN("GET"),
		.target = text,
		.path = {text.ptr, path},
		.query = {mark ? mark + 1 : NULL, mark ? text.len - path - 1 : 0},
		.headers = {{SPAN("User-Agent"), text}, {SPAN("Cookie"), text}, {SPAN("X-Any"), text}},
		.header_count = 3,
	};
	struct signature_hits hits;

	assert(!signatures_run(signatures_get(), &r, &hits) && hits.count <= SIGNATURE_HITS_MAX);
	const struct redact_context context = {.room = signature_event_room(&hits)};
	struct event *e = redact_request(redact_get(), &r, &context);
	assert(e);
	signature_event_note(e, &hits, redact_get()); /* aborts if it needs more room than it said */
	for (unsigned i = 0; i < e->request.signature_count; i++)
		assert(e->request.signatures[i].match.len <= SIGNATURE_MATCH_MAX);
	event_unref(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1);
	size_t separators = 0;

	if (!copy)
		abort();
	memcpy(copy, data, size);
	const struct span text = {copy, size};
	for (size_t i = 0; i < size; i++)
		separators += copy[i] == '&';
	check_text(text, UNRAVEL_TEXT, 0);
	check_text(text, UNRAVEL_QUERY, separators);
	check_signatures(text);
	free(copy);
	return 0;
}
