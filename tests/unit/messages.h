/* SPDX-License-Identifier: Apache-2.0 */
/*
 * messages.h: requests as text, one message after the other, for comparing our parser with another one's
 * word. White space in headers is left out: parsers differ in how much of it they trim, and in how they join
 * folded lines.
 */
#ifndef PICKET_TESTS_MESSAGES_H
#define PICKET_TESTS_MESSAGES_H

#include "lib/util.h"
#include "sensor/stream.h"

#define MESSAGES_MAX 64

struct messages {
	struct buffer text;
	unsigned count;
	size_t end[MESSAGES_MAX]; /* of each message in text */
	uint32_t deviations;      /* of all requests */
};

#define MESSAGES ((struct messages){.text = BUFFER_INIT(8 << 20)})

static inline void messages_line(struct messages *m, struct span method, struct span target)
{
	buffer_append(&m->text, method.ptr, method.len);
	buffer_append_char(&m->text, ' ');
	buffer_append(&m->text, target.ptr, target.len);
	buffer_append_char(&m->text, '\n');
}

static inline void messages_squeezed(struct messages *m, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!memchr(" \t\r\n", s.ptr[i], 4))
			buffer_append_char(&m->text, s.ptr[i]);
}

static inline void messages_header(struct messages *m, struct span name, struct span value)
{
	messages_squeezed(m, name);
	buffer_append_char(&m->text, ':');
	messages_squeezed(m, value);
	buffer_append_char(&m->text, '\n');
}

static inline void messages_end(struct messages *m)
{
	if (m->count == MESSAGES_MAX)
		abort();
	m->end[m->count++] = m->text.len;
}

static inline void messages_request(void *arg, struct stream *s, const struct http_request *r)
{
	struct messages *m = arg;

	(void)s;
	m->deviations |= r->deviations;
	/* Found inside of a body whose length is in doubt: a parser that believes the length has none. */
	if (r->deviations & (HTTP_DEV_AFTER_GAP | HTTP_DEV_IN_BODY))
		return;
	messages_line(m, r->method, r->target);
	for (unsigned i = 0; i < r->header_count; i++)
		messages_header(m, r->headers[i].name, r->headers[i].value);
	messages_end(m);
}

static inline void messages_late(void *arg, struct stream *s, uint32_t deviations)
{
	(void)s;
	((struct messages *)arg)->deviations |= deviations;
}

/* Ours, of bytes cut in two; what is unfinished at the end is not among them. */
static inline void messages_ours(struct messages *m, struct span bytes, size_t cut)
{
	struct stream_hooks hooks = {.request = messages_request, .late = messages_late, .arg = m};
	struct messages rest = MESSAGES;
	struct stream s;
	uint32_t skip;

	stream_init(&s, true, 1);
	stream_feed(&s, 1, (struct span){bytes.ptr, cut}, (uint32_t)cut, &hooks, &skip);
	stream_feed(&s, 1 + (uint32_t)cut, (struct span){bytes.ptr + cut, bytes.len - cut},
		    (uint32_t)(bytes.len - cut), &hooks, &skip);
	hooks.arg = &rest;
	stream_end(&s, &hooks);
	buffer_free(&rest.text);
}

/* Are the first n messages of a those of b? */
static inline bool messages_same(const struct messages *a, const struct messages *b, unsigned n)
{
	if (a->count < n || b->count < n)
		return false;
	return n == 0 ||
	       (a->end[n - 1] == b->end[n - 1] && memcmp(a->text.data, b->text.data, a->end[n - 1]) == 0);
}

#endif
