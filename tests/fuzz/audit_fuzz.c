// SPDX-License-Identifier: Apache-2.0
/*
 * The audit log may have been written by anybody who could write it. An input that begins with '{' is read as
 * a log as it is. Any other is a log that was written rightly, from the lines of the input, and then changed
 * in one way that its first bytes say: the change must be found, and never anything in a log that was not
 * changed.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "lib/audit_verify.h"
#include "lib/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINES_MAX 64

struct log {
	struct buffer text;
	size_t at[LINES_MAX + 1]; /* where each line begins; and the end */
	unsigned count;
	struct audit_head head;
};

static struct audit_report verify(struct span text, const struct audit_head *anchor)
{
	struct audit_report report = {0};
	FILE *f = text.len ? fmemopen((void *)text.ptr, text.len, "r") : fopen("/dev/null", "r");

	assert(f);
	const struct audit_verify v = {.files = &f, .count = 1, .all = true, .anchor = anchor};
	assert(audit_verify(&v, &report) == 0);
	uint64_t first;
	assert(audit_first_seq(f, &first) == 0);
	assert(!report.records || report.first >= 1);
	assert(!report.records || first <= report.head.seq || report.fault);
	fclose(f);
	return report;
}

/* A body of the input's bytes, as a JSON string. */
static void log_add(struct log *l, struct span line)
{
	char body[1200] = "\"kind\":\"decision\",\"bytes\":\"";
	size_t n = strlen(body);
	struct audit_head next;

	for (size_t i = 0; i < line.len && i < 256; i++)
		n += (size_t)snprintf(body + n, sizeof body - n, "%02x", (uint8_t)line.ptr[i]);
	n += (size_t)snprintf(body + n, sizeof body - n, "\"");
	l->at[l->count++] = l->text.len;
	assert(audit_line_write(&l->head, 1000 * l->count, (struct span){body, n}, &l->text, &next) == 0);
	l->head = next;
	l->at[l->count] = l->text.len;
}

static void put_line(struct buffer *out, const struct log *l, unsigned i)
{
	buffer_append(out, l->text.data + l->at[i], l->at[i + 1] - l->at[i]);
}

/* The lines in the order of the list. */
static struct audit_report verify_lines(const struct log *l, const unsigned *order, unsigned count)
{
	struct buffer out = BUFFER_INIT(1u << 20);

	for (unsigned i = 0; i < count; i++)
		put_line(&out, l, order[i]);
	struct audit_report r = verify(buffer_span(&out), NULL);
	buffer_free(&out);
	return r;
}

static void change_byte(struct log *l, size_t at, uint8_t mask)
{
	l->text.data[at] = (char)(l->text.data[at] ^ mask);
	struct audit_report r = verify(buffer_span(&l->text), NULL);
	assert(r.fault != AUDIT_WHOLE);
}

static void cut(const struct log *l, size_t at)
{
	struct audit_report r = verify((struct span){l->text.data, at}, NULL);

	assert((r.fault == AUDIT_WHOLE) == (at == 0 || l->text.data[at - 1] == '\n'));
	assert(r.fault == AUDIT_WHOLE || r.fault == AUDIT_TORN);
	/* The head that was noted tells in any case. */
	r = verify((struct span){l->text.data, at}, &l->head);
	assert(r.fault != AUDIT_WHOLE);
}

static void move_line(const struct log *l, unsigned from, unsigned to)
{
	unsigned order[LINES_MAX], n = 0;

	for (unsigned i = 0; i < l->count; i++)
		if (i != from)
			order[n++] = i;
	for (unsigned i = n++; i > to; i--)
		order[i] = order[i - 1];
	order[to] = from;
	assert((verify_lines(l, order, n).fault == AUDIT_WHOLE) == (from == to));
}

/* All but the last: nothing but a noted head tells of that. */
static void remove_line(const struct log *l, unsigned at)
{
	unsigned order[LINES_MAX], n = 0;

	for (unsigned i = 0; i < l->count; i++)
		if (i != at)
			order[n++] = i;
	assert((verify_lines(l, order, n).fault == AUDIT_WHOLE) == (at + 1 == l->count));
}

static void repeat_line(const struct log *l, unsigned which, unsigned at)
{
	unsigned order[LINES_MAX + 1], n = 0;

	for (unsigned i = 0; i <= l->count; i++) {
		if (i == at)
			order[n++] = which;
		if (i < l->count)
			order[n++] = i;
	}
	assert(verify_lines(l, order, n).fault != AUDIT_WHOLE);
}

static void tamper(struct log *l, const uint8_t how[static 4])
{
	unsigned a = how[1] % l->count, b = how[2] % l->count;
	size_t at = ((size_t)how[1] << 16 | (size_t)how[2] << 8 | how[3]) % l->text.len;

	switch (how[0] % 5) {
	case 0:
		change_byte(l, at, how[3] ? how[3] : 1);
		break;
	case 1:
		cut(l, at);
		break;
	case 2:
		move_line(l, a, b);
		break;
	case 3:
		remove_line(l, a);
		break;
	default:
		repeat_line(l, a, how[2] % (l->count + 1));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct log l = {.text = BUFFER_INIT(1u << 20), .head = AUDIT_HEAD_NONE};
	struct span text = {(const char *)data, size};

	if (size && data[0] == '{') {
		verify(text, NULL);
		return 0;
	}
	if (size < 5)
		return 0;
	text = (struct span){text.ptr + 4, text.len - 4};
	while (text.len && l.count < LINES_MAX) {
		const char *end = memchr(text.ptr, '\n', text.len);
		struct span line = {text.ptr, end ? (size_t)(end - text.ptr) : text.len};
		log_add(&l, line);
		size_t used = line.len + (end != NULL);
		text = (struct span){text.ptr + used, text.len - used};
	}
	struct audit_report r = verify(buffer_span(&l.text), &l.head);
	assert(r.fault == AUDIT_WHOLE && r.records == l.count && r.anchored);
	tamper(&l, data);
	buffer_free(&l.text);
	return 0;
}
