// SPDX-License-Identifier: Apache-2.0
/*
 * Our parser against llhttp, the one of Node.js, in its strict form: whatever request llhttp accepts, we see
 * with the same method, target and headers; and a request that we do not flag, llhttp accepts. The inputs are
 * valid requests and random damage to them. Skipped where llhttp's C files are not installed (Debian:
 * node-llhttp).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/messages.h"

#ifndef PICKET_HAVE_LLHTTP
int main(void)
{
	fprintf(stderr, "skipped: llhttp is not installed\n");
	return 77;
}
#else
#include <llhttp/llhttp.h>

struct oracle {
	struct messages *out;
	struct buffer method, url, name, value, headers;
	bool in_value;
};

static int more(struct buffer *b, const char *at, size_t n)
{
	return buffer_append(b, at, n) ? -1 : 0;
}

static int on_begin(llhttp_t *p)
{
	struct oracle *o = p->data;

	buffer_reset(&o->method);
	buffer_reset(&o->url);
	buffer_reset(&o->name);
	buffer_reset(&o->value);
	buffer_reset(&o->headers);
	return 0;
}

static int on_method(llhttp_t *p, const char *at, size_t n)
{
	return more(&((struct oracle *)p->data)->method, at, n);
}

static int on_url(llhttp_t *p, const char *at, size_t n)
{
	return more(&((struct oracle *)p->data)->url, at, n);
}

static int on_name(llhttp_t *p, const char *at, size_t n)
{
	return more(&((struct oracle *)p->data)->name, at, n);
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
	return more(&((struct oracle *)p->data)->value, at, n);
}

static int on_value_complete(llhttp_t *p)
{
	struct oracle *o = p->data;
	struct messages one = {.text = o->headers};

	messages_header(&one, buffer_span(&o->name), buffer_span(&o->value));
	o->headers = one.text;
	buffer_reset(&o->name);
	buffer_reset(&o->value);
	return 0;
}

static int on_headers_complete(llhttp_t *p)
{
	struct oracle *o = p->data;

	messages_line(o->out, buffer_span(&o->method), buffer_span(&o->url));
	if (o->headers.len)
		buffer_append(&o->out->text, o->headers.data, o->headers.len);
	messages_end(o->out);
	return 0;
}

/* llhttp's messages of bytes; returns its error. */
static llhttp_errno_t messages_llhttp(struct messages *m, struct span bytes)
{
	struct oracle o = {.out = m,
			   .method = BUFFER_INIT(1 << 20),
			   .url = BUFFER_INIT(1 << 20),
			   .name = BUFFER_INIT(1 << 20),
			   .value = BUFFER_INIT(1 << 20),
			   .headers = BUFFER_INIT(1 << 20)};
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
	llhttp_init(&parser, HTTP_REQUEST, &settings);
	parser.data = &o;
	llhttp_errno_t r = llhttp_execute(&parser, bytes.ptr, bytes.len);
	buffer_free(&o.method);
	buffer_free(&o.url);
	buffer_free(&o.name);
	buffer_free(&o.value);
	buffer_free(&o.headers);
	return r;
}

static uint64_t random_state = 88172645463325252u;

static uint32_t rnd(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % n;
}

static const char *pick(const char *const *list, size_t n)
{
	return list[rnd((uint32_t)n)];
}
#define PICK(list) pick((list), ARRAY_SIZE(list))

static const char *const methods[] = {"GET",     "POST",  "PUT",      "DELETE", "HEAD",
				      "OPTIONS", "PATCH", "M-SEARCH", "UNLINK"};
static const char *const targets[] = {"/",           "/a/b?c=d&e",
				      "/%41?x#y",    "http://h.example:8080/p?q",
				      "*",           "/very/long/path/with.many;parameters=1,2/~user/(x)",
				      "//x/y?z=/../"};
static const char *const headers[] = {"Host: h\r\n",
				      "User-Agent: curl/8.0 (x; y)\r\n",
				      "Accept:*/*\r\n",
				      "X-Empty:\r\n",
				      "X-Space:   a b\tc  \r\n",
				      "Connection: keep-alive\r\n",
				      "Cookie: a=b; c=\"d\"\r\n",
				      "X-High: \xc3\xa4\xff\r\n",
				      "x-tchar!#$%&'*+-.^_`|~: 1\r\n"};

static void append_request(struct buffer *b)
{
	buffer_printf(b, "%s %s HTTP/1.1\r\nHost: h\r\n", PICK(methods), PICK(targets));
	for (uint32_t n = rnd(5); n > 0; n--)
		buffer_append_text(b, headers[1 + rnd(ARRAY_SIZE(headers) - 1)]);
	switch (rnd(4)) {
	case 0:
		buffer_append_text(b, "Content-Length: 7\r\n\r\n0123456");
		break;
	case 1:
		buffer_append_text(b, "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n20;x=y\r\n");
		buffer_append_text(b, "GET /not HTTP/1.1\r\nHost: not\r\n\r\n\r\n0\r\n\r\n");
		break;
	default:
		buffer_append_text(b, "\r\n");
		break;
	}
}

/* Where they disagree: whose fault, and the input. */
static void disagree(const char *what, struct span bytes, const struct messages *ours,
		     const struct messages *theirs)
{
	print_message("%s\n--- input ---\n%.*s\n--- ours ---\n%.*s--- llhttp ---\n%.*s", what, (int)bytes.len,
		      bytes.ptr, (int)ours->text.len, ours->text.data, (int)theirs->text.len,
		      theirs->text.data);
	fail();
}

static void valid_requests_are_the_same_to_both(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		struct buffer b = BUFFER_INIT(1 << 20);
		struct messages ours = MESSAGES, theirs = MESSAGES;
		for (uint32_t n = 1 + rnd(5); n > 0; n--)
			append_request(&b);
		assert_int_equal(messages_llhttp(&theirs, buffer_span(&b)), HPE_OK);
		messages_ours(&ours, buffer_span(&b), rnd((uint32_t)b.len));
		if (ours.count != theirs.count || !messages_same(&ours, &theirs, ours.count))
			disagree("valid requests differ", buffer_span(&b), &ours, &theirs);
		if (ours.deviations)
			disagree("flagged without reason", buffer_span(&b), &ours, &theirs);
		buffer_free(&ours.text);
		buffer_free(&theirs.text);
		buffer_free(&b);
	}
}

static void damage(struct buffer *b)
{
	static const char bytes[] = "\r\n\t :\0\x01\x7f\x80GET/ HTTP1.0,;Content-Length";

	for (uint32_t n = 1 + rnd(3); n > 0 && b->len > 1; n--) {
		uint32_t at = rnd((uint32_t)b->len);
		char c = bytes[rnd(sizeof bytes - 1)];
		switch (rnd(3)) {
		case 0:
			b->data[at] = c;
			break;
		case 1:
			memmove(b->data + at, b->data + at + 1, b->len - at - 1);
			b->len--;
			break;
		default:
			buffer_append_char(b, 'x');
			memmove(b->data + at + 1, b->data + at, b->len - at - 1);
			b->data[at] = c;
			break;
		}
	}
}

/* llhttp 8.1 takes a CR alone for a line end in several places, a fault mended since: no oracle there. */
static bool has_bare_cr(struct span s)
{
	for (size_t i = 0; i + 1 < s.len; i++)
		if (s.ptr[i] == '\r' && s.ptr[i + 1] != '\n')
			return true;
	return false;
}

static void what_llhttp_accepts_of_damaged_requests_we_see_alike(void **state)
{
	(void)state;
	unsigned accepted = 0, refused = 0, unflagged = 0;

	for (unsigned round = 0; round < 60000; round++) {
		struct buffer b = BUFFER_INIT(1 << 20);
		struct messages ours = MESSAGES, theirs = MESSAGES;
		for (uint32_t n = 1 + rnd(3); n > 0; n--)
			append_request(&b);
		damage(&b);
		if (has_bare_cr(buffer_span(&b))) {
			buffer_free(&b);
			continue;
		}
		llhttp_errno_t r = messages_llhttp(&theirs, buffer_span(&b));
		messages_ours(&ours, buffer_span(&b), rnd((uint32_t)b.len));
		/* llhttp stops at its error, at an upgrade, and after a request that closes the connection.
		 */
		/*
		 * It reads headers behind a request line without version, where other servers answer at once,
		 * and takes a tab for a byte of the target, where others take it for a space. Behind a chunk
		 * that is broken we look at every line.
		 */
		bool loose =
			ours.deviations & (HTTP_DEV_NO_VERSION | HTTP_DEV_EXTRA_SPACE | HTTP_DEV_BAD_CHUNK);
		if (loose ? ours.count < theirs.count : !messages_same(&ours, &theirs, theirs.count))
			disagree("llhttp accepted what we did not see so", buffer_span(&b), &ours, &theirs);
		/* Behind a request that closes the connection llhttp looks no further. */
		bool closes = memmem(b.data, b.len, "HTTP/1.0", 8);
		if (r == HPE_OK && ours.count != theirs.count && !ours.deviations && !closes)
			disagree("we saw more than llhttp, unflagged", buffer_span(&b), &ours, &theirs);
		accepted += r == HPE_OK;
		refused += r != HPE_OK;
		unflagged += r != HPE_OK && !ours.deviations;
		buffer_free(&ours.text);
		buffer_free(&theirs.text);
		buffer_free(&b);
	}
	print_message("llhttp accepted %u and refused %u, of these %u unflagged by us\n", accepted, refused,
		      unflagged);
	assert_true(accepted > 5000 && refused > 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_requests_are_the_same_to_both),
		cmocka_unit_test(what_llhttp_accepts_of_damaged_requests_we_see_alike),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
