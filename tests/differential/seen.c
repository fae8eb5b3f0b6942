// SPDX-License-Identifier: Apache-2.0
#include "seen.h"
#include <stdio.h>
#include <string.h>
#include "lib/util.h"

void seen_init(struct seen *s)
{
	s->text = BUFFER_INIT(16 << 20);
	s->count = 0;
	s->ending = s->not_http = s->overflow = false;
}

void seen_free(struct seen *s)
{
	buffer_free(&s->text);
}

void seen_line(struct seen *s, struct span method, struct span target)
{
	struct seen_request *r = &s->list[s->count];

	*r = (struct seen_request){.line = s->text.len, .unfinished = s->ending};
	buffer_append(&s->text, method.ptr, method.len);
	buffer_append_char(&s->text, ' ');
	buffer_append(&s->text, target.ptr, target.len);
	r->headers = r->end = s->text.len;
}

static void squeezed(struct buffer *b, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!memchr(" \t\r\n", s.ptr[i], 4))
			buffer_append_char(b, s.ptr[i]);
}

void seen_header(struct seen *s, struct span name, struct span value)
{
	squeezed(&s->text, name);
	buffer_append_char(&s->text, ':');
	squeezed(&s->text, value);
	buffer_append_char(&s->text, '\n');
}

void seen_end(struct seen *s)
{
	s->list[s->count].end = s->text.len;
	if (s->count + 1 < SEEN_MAX)
		s->count++;
	else
		s->overflow = true;
}

static void on_request(void *arg, struct stream *stream, const struct http_request *r)
{
	struct seen *s = arg;

	(void)stream;
	seen_line(s, r->method, r->target);
	/* Whose request it is changes nothing of how it is read. */
	s->list[s->count].deviations =
		r->deviations & ~(uint32_t)(HTTP_DEV_BAD_HOST | HTTP_DEV_HOST_MISMATCH);
	for (unsigned i = 0; i < r->header_count; i++)
		seen_header(s, r->headers[i].name, r->headers[i].value);
	seen_end(s);
}

static void on_late(void *arg, struct stream *stream, uint32_t deviations)
{
	struct seen *s = arg;

	(void)stream;
	if (s->count)
		s->list[s->count - 1].deviations |= deviations;
}

/* First `first` bytes, then pieces of `step`. */
static void read_pieces(struct seen *s, struct span bytes, size_t first, size_t step)
{
	struct stream_hooks hooks = {.request = on_request, .late = on_late, .arg = s};
	struct stream stream;
	uint32_t skip;

	stream_init(&stream, true, 1);
	for (size_t at = 0, n = first; at < bytes.len; at += n, n = step) {
		n = MIN(n, bytes.len - at);
		stream_feed(&stream, 1 + (uint32_t)at, (struct span){bytes.ptr + at, n}, (uint32_t)n, &hooks,
			    &skip);
	}
	s->ending = true;
	stream_end(&stream, &hooks);
	s->not_http = stream.not_http;
}

void seen_read(struct seen *s, struct span bytes, size_t step)
{
	read_pieces(s, bytes, step ? step : bytes.len, step ? step : bytes.len);
}

void seen_read_cut(struct seen *s, struct span bytes, size_t cut)
{
	read_pieces(s, bytes, cut, bytes.len);
}

struct span seen_line_of(const struct seen *s, unsigned i)
{
	return (struct span){s->text.data + s->list[i].line, s->list[i].headers - s->list[i].line};
}

struct span seen_headers_of(const struct seen *s, unsigned i)
{
	return (struct span){s->text.data + s->list[i].headers, s->list[i].end - s->list[i].headers};
}

bool seen_is_plain(const struct seen_request *r)
{
	return !(r->deviations & (HTTP_DEV_AFTER_GAP | HTTP_DEV_IN_BODY));
}

void seen_print(const char *who, const struct seen *s)
{
	printf("--- %s: %u requests%s\n", who, s->count, s->not_http ? ", then not HTTP" : "");
	for (unsigned i = 0; i < s->count; i++) {
		struct span line = seen_line_of(s, i), headers = seen_headers_of(s, i);
		printf("%.*s   [", (int)line.len, line.ptr);
		for (unsigned bit = 0; bit < HTTP_DEV_BITS; bit++)
			if (s->list[i].deviations >> bit & 1)
				printf(" %s", http_deviation_name((enum http_deviation)(1u << bit)));
		printf(" ]%s\n%.*s", s->list[i].unfinished ? " unfinished" : "", (int)headers.len,
		       headers.ptr);
	}
}
