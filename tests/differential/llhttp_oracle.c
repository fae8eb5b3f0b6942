// SPDX-License-Identifier: Apache-2.0
#include "llhttp_oracle.h"
#include <llhttp/llhttp.h>

/* Parts come in pieces. */
struct parts {
	struct seen *out;
	struct buffer method, url, name, value;
	bool line_out, closed;
};

static int more(struct buffer *b, const char *at, size_t n)
{
	return buffer_append(b, at, n) ? -1 : 0;
}

static int on_begin(llhttp_t *p)
{
	struct parts *o = p->data;

	buffer_reset(&o->method);
	buffer_reset(&o->url);
	buffer_reset(&o->name);
	buffer_reset(&o->value);
	o->line_out = false;
	return 0;
}

static int on_method(llhttp_t *p, const char *at, size_t n)
{
	return more(&((struct parts *)p->data)->method, at, n);
}

static int on_url(llhttp_t *p, const char *at, size_t n)
{
	return more(&((struct parts *)p->data)->url, at, n);
}

static int on_name(llhttp_t *p, const char *at, size_t n)
{
	return more(&((struct parts *)p->data)->name, at, n);
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
	return more(&((struct parts *)p->data)->value, at, n);
}

static void line_out(struct parts *o)
{
	if (!o->line_out)
		seen_line(o->out, buffer_span(&o->method), buffer_span(&o->url));
	o->line_out = true;
}

static int on_value_complete(llhttp_t *p)
{
	struct parts *o = p->data;

	/* Trailers behind a chunked body come this way, too. */
	if (p->flags & F_TRAILING)
		return 0;
	line_out(o);
	seen_header(o->out, buffer_span(&o->name), buffer_span(&o->value));
	buffer_reset(&o->name);
	buffer_reset(&o->value);
	return 0;
}

static int on_headers_complete(llhttp_t *p)
{
	struct parts *o = p->data;

	line_out(o);
	seen_end(o->out);
	return 0;
}

static int on_message_complete(llhttp_t *p)
{
	((struct parts *)p->data)->closed = !llhttp_should_keep_alive(p);
	return 0;
}

int llhttp_read(struct seen *s, struct span bytes, bool *ret_closed)
{
	struct parts o = {.out = s,
			  .method = BUFFER_INIT(1 << 20),
			  .url = BUFFER_INIT(1 << 20),
			  .name = BUFFER_INIT(1 << 20),
			  .value = BUFFER_INIT(1 << 20)};
	llhttp_settings_t settings;
	llhttp_t parser;

	llhttp_settings_init(&settings);
	settings.on_message_begin = on_begin;
	settings.on_method = on_method;
	settings.on_url = on_url;
	settings.on_header_field = on_name;
	settings.on_header_value = on_value;
	settings.on_header_value_complete = on_value_complete;
	settings.on_headers_complete = on_headers_complete;
	settings.on_message_complete = on_message_complete;
	llhttp_init(&parser, HTTP_REQUEST, &settings);
	parser.data = &o;
	llhttp_errno_t r = llhttp_execute(&parser, bytes.ptr, bytes.len);
	buffer_free(&o.method);
	buffer_free(&o.url);
	buffer_free(&o.name);
	buffer_free(&o.value);
	*ret_closed = o.closed;
	return (int)r;
}

const char *llhttp_error_name(int error)
{
	return llhttp_errno_name((llhttp_errno_t)error);
}
