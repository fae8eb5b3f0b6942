// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "lib/util.h"
#include "sensor/stream.h"

/* What came out: one line a request, "METHOD target headers deviations", and one for what was said later. */
struct seen {
	struct buffer text;
	unsigned requests;
	uint32_t last_deviations;
};

static void on_request(void *arg, struct stream *s, const struct http_request *r)
{
	struct seen *seen = arg;

	(void)s;
	seen->requests++;
	seen->last_deviations = r->deviations;
	buffer_append(&seen->text, r->method.ptr, r->method.len);
	buffer_append_char(&seen->text, ' ');
	buffer_append(&seen->text, r->target.ptr, r->target.len);
	buffer_printf(&seen->text, " %u %x", r->header_count, r->deviations);
	for (unsigned i = 0; i < r->header_count; i++)
		buffer_printf(&seen->text, " %zu:%zu", r->headers[i].name.len, r->headers[i].value.len);
	buffer_append_char(&seen->text, '\n');
}

static void on_late(void *arg, struct stream *s, uint32_t deviations)
{
	struct seen *seen = arg;

	(void)s;
	buffer_printf(&seen->text, "late %x\n", deviations);
}

#define SEEN ((struct seen){.text = BUFFER_INIT(16 << 20)})

static struct stream_hooks hooks_of(struct seen *seen)
{
	return (struct stream_hooks){.request = on_request, .late = on_late, .arg = seen};
}

/* Feeds bytes in pieces of `step` from seq isn on. */
static void feed_steps(struct seen *seen, struct span bytes, size_t step, uint32_t isn, struct stream *ret)
{
	struct stream_hooks hooks = hooks_of(seen);
	uint32_t skip;

	stream_init(ret, true, isn);
	for (size_t at = 0; at < bytes.len; at += step) {
		size_t n = MIN(step, bytes.len - at);
		/* A piece in memory of its own: nobody may read beyond it, or keep it. */
		_cleanup_free_ char *piece = malloc(n);
		memcpy(piece, bytes.ptr + at, n);
		stream_feed(ret, isn + (uint32_t)at, (struct span){piece, n}, (uint32_t)n, &hooks, &skip);
	}
	stream_end(ret, &hooks);
	assert_null(ret->head.data);
}

static void feed(struct stream *s, struct seen *seen, uint32_t seq, const char *text)
{
	struct stream_hooks hooks = hooks_of(seen);
	uint32_t skip;

	stream_feed(s, seq, span_from(text), (uint32_t)strlen(text), &hooks, &skip);
}

static void expect(struct seen *seen, const char *wanted)
{
	buffer_append_char(&seen->text, 0);
	assert_string_equal(seen->text.data, wanted);
	buffer_free(&seen->text);
	*seen = SEEN;
}

static const char *const conversations[] = {
	"GET /1 HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\nGET /3 HTTP/1.0\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello\r\nPUT /b HTTP/1.1\nHost: h\n"
	"Content-Length: 3\n\nabcDELETE /c HTTP/1.2\r\nHost: h\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nGET "
	"/\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n"
	"FOO /b HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\nGET /b "
	"HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nGET /b HTTP/1.1\r\nHost: "
	"h\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost: h\r\n\r\njunk junk\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET /a\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x85GET / "
	"HTTP/1.1\r\n\r\n",
	"GET /h2c HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nGET /b HTTP/1.1\r\nHost: "
	"h\r\n\r\n",
	"CONNECT x:1 HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n\x16\x03\x01\nGET /c "
	"HTTP/1.1\r\n\r\n",
	"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET /p HTTP/1.1\r\nHost: h\r\n\r\n",
	"PROXY UNKNOWN\r\nGET /p HTTP/1.1\r\nHost: h\r\n\r\n",
	"PROXY /p HTTP/1.1\r\nHost: h\r\n\r\nPROPFIND /q HTTP/1.1\r\nHost: h\r\n\r\n",
	"PROPFIND /q HTTP/1.1\r\nHost: h\r\n\r\n",
	"\r\n\r\n\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n",
	"\x16\x03\x01\x02\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n",
	"SSH-2.0-x\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost: h\r\nAccept: unfinished",
	"GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /cut",
};

static void every_cut_of_every_conversation_gives_the_same_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(conversations); i++) {
		struct span all = span_from(conversations[i]);
		struct seen whole = SEEN;
		struct stream s, t;
		feed_steps(&whole, all, all.len, 100, &s);
		print_message("%zu: %u requests\n%.*s", i, whole.requests, (int)whole.text.len,
			      whole.text.data);
		for (size_t cut = 1; cut < all.len; cut++) {
			struct seen two = SEEN;
			struct stream_hooks hooks = hooks_of(&two);
			uint32_t skip;
			stream_init(&t, true, 100);
			stream_feed(&t, 100, (struct span){all.ptr, cut}, (uint32_t)cut, &hooks, &skip);
			stream_feed(&t, 100 + (uint32_t)cut, (struct span){all.ptr + cut, all.len - cut},
				    (uint32_t)(all.len - cut), &hooks, &skip);
			stream_end(&t, &hooks);
			assert_true(span_equal(buffer_span(&two.text), buffer_span(&whole.text)));
			assert_int_equal(t.not_http, s.not_http);
			assert_int_equal(t.proxy_header, s.proxy_header);
			buffer_free(&two.text);
		}
		for (size_t step = 1; step < 8; step++) {
			struct seen steps = SEEN;
			feed_steps(&steps, all, step, 100, &t);
			assert_true(span_equal(buffer_span(&steps.text), buffer_span(&whole.text)));
			assert_int_equal(t.not_http, s.not_http);
			buffer_free(&steps.text);
		}
		assert_int_equal(s.gaps, 0);
		buffer_free(&whole.text);
	}
}

static void pipelined_requests_come_out_in_order(void **state)
{
	(void)state;
	struct seen seen = SEEN;
	struct stream s;

	feed_steps(&seen, span_from(conversations[2]), 1, 7, &s);
	expect(&seen, "POST /a 2 0 4:1 14:1\nPUT /b 2 3 4:1 14:1\nDELETE /c 1 8 4:1\n");
	assert_int_equal(s.requests, 3);
	assert_int_equal(s.next, strlen(conversations[2]));
}

static void what_follows_a_broken_body_is_not_hidden(void **state)
{
	(void)state;
	struct seen seen = SEEN;
	struct stream s;

	feed_steps(&seen, span_from(conversations[5]), 3, 7, &s);
	expect(&seen, "POST /a 2 0 4:1 17:7\nlate 100000\nGET /b 1 0 4:1\n");
	feed_steps(&seen, span_from(conversations[6]), 3, 7, &s);
	expect(&seen, "GET /a 1 0 4:1\nGET /b 1 800000 4:1\n");
	assert_false(s.not_http);
}

static void bytes_seen_twice_count_once(void **state)
{
	(void)state;
	/* recv(MSG_PEEK) of all, then small reads; then a peek that reaches into what was read. */
	static const char text[] = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n";
	struct seen seen = SEEN;
	struct stream_hooks hooks = hooks_of(&seen);
	struct stream s;
	uint32_t skip, len = sizeof text - 1, isn = 5000;

	stream_init(&s, true, isn);
	stream_feed(&s, isn, (struct span){text, 10}, 10, &hooks, &skip);
	stream_feed(&s, isn, (struct span){text, 10}, 10, &hooks, &skip);
	stream_feed(&s, isn, (struct span){text, 40}, 40, &hooks, &skip);
	for (uint32_t at = 0; at < 40; at += 7)
		stream_feed(&s, isn + at, (struct span){text + at, 7}, 7, &hooks, &skip);
	stream_feed(&s, isn + 20, (struct span){text + 20, len - 20}, len - 20, &hooks, &skip);
	stream_end(&s, &hooks);
	expect(&seen, "GET /1 1 0 4:1\nGET /2 1 0 4:1\n");
	assert_int_equal(s.gaps, 0);
	assert_int_equal(s.next, len);
	assert_int_equal(s.duplicates, 10 + 10 + 40 + (42 - 20));
}

static void sequence_numbers_may_wrap_anywhere(void **state)
{
	(void)state;
	struct span all = span_from(conversations[2]);

	for (uint32_t back = 0; back <= all.len + 1; back++) {
		struct seen seen = SEEN;
		struct stream s;
		feed_steps(&seen, all, 5, 0u - back, &s);
		assert_int_equal(seen.requests, 3);
		assert_int_equal(s.gaps, 0);
		assert_int_equal(s.next, all.len);
		buffer_free(&seen.text);
	}
}

static void a_long_connection_passes_four_gigabytes(void **state)
{
	(void)state;
	struct seen seen = SEEN;
	struct stream_hooks hooks = hooks_of(&seen);
	static const char head[] = "POST /big HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000000\r\n\r\n";
	static const char next[] = "GET /after HTTP/1.1\r\nHost: h\r\n\r\n";
	const uint64_t body = 10000000000u;
	struct stream s;
	uint32_t seq = 0xfffffff0, skip;
	unsigned armed = 1;

	stream_init(&s, true, seq);
	assert_true(stream_feed(&s, seq, SPAN(head), sizeof head - 1, &hooks, &skip));
	assert_int_equal((uint32_t)(skip - (seq + sizeof head - 1)), 1u << 30);
	/* The kernel sends again where it was told to, and is told the next step. */
	while (s.body_left > 1u << 30) {
		char byte = 'x';
		bool again = stream_feed(&s, skip, (struct span){&byte, 1}, 1, &hooks, &skip);
		assert_true(again);
		armed++;
	}
	assert_int_equal(armed, 10);
	assert_int_equal((uint32_t)(s.next_seq + s.body_left), skip);
	assert_int_equal(s.gaps, 0);
	stream_feed(&s, skip, SPAN(next), sizeof next - 1, &hooks, &skip);
	assert_int_equal(s.next, sizeof head - 1 + body + sizeof next - 1);
	expect(&seen, "POST /big 2 0 4:1 14:11\nGET /after 1 0 4:1\n");
	assert_int_equal(s.gaps, 0);
	stream_end(&s, &hooks);
}

static void large_heads_are_whole_at_any_piece_size(void **state)
{
	(void)state;
	static const size_t sizes[] = {9000, 60000, 65500};
	static const size_t steps[] = {1, 37, 1448, 4096, 65536};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_free_ char *text = malloc(sizes[i] + 64);
		size_t n = (size_t)sprintf(text, "GET /large HTTP/1.1\r\nHost: h\r\nX: ");
		memset(text + n, 'v', sizes[i] - n);
		memcpy(text + sizes[i], "\r\n\r\nGET /n HTTP/1.0\r\n\r\n", 24);
		for (size_t k = 0; k < ARRAY_SIZE(steps); k++) {
			struct seen seen = SEEN;
			struct stream s;
			char wanted[128];
			feed_steps(&seen, (struct span){text, sizes[i] + 24}, steps[k], 1, &s);
			snprintf(wanted, sizeof wanted, "GET /large 2 0 4:1 1:%zu\nGET /n 0 0\n",
				 sizes[i] - n);
			expect(&seen, wanted);
			buffer_free(&seen.text);
		}
	}
}

static void a_head_beyond_the_ceiling_hides_nothing_behind_it(void **state)
{
	(void)state;
	size_t len = 200000;
	_cleanup_free_ char *text = malloc(len + 256);
	size_t n = (size_t)sprintf(text, "POST /huge HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nX: ");
	memset(text + n, 'v', len - n);
	/* Lines that look like a start line inside of a head are not one. */
	memcpy(text + 100000, "\r\nGET /no HTTP/1.1\r\n", 20);
	size_t all = len + (size_t)sprintf(text + len, "\r\n\r\nbodyGET /after HTTP/1.0\r\n\r\n");

	for (size_t step = 1000; step < 70000; step *= 3) {
		struct seen seen = SEEN;
		struct stream s;
		feed_steps(&seen, (struct span){text, all}, step, 1, &s);
		expect(&seen, "POST /huge 2 80000 4:1 14:1\nGET /after 0 0\n");
		assert_int_equal(s.gaps, 0);
	}
}

static void after_a_doubtful_length_no_byte_is_skipped_and_nothing_hidden(void **state)
{
	(void)state;
#define H     "Host: h\r\n"
#define REAL  "GET /real HTTP/1.1\r\n" H "\r\n"
#define DECOY "POST /decoy HTTP/1.1\r\n" H "Content-Length: 999999999\r\n\r\n"
	static const struct {
		const char *text, *wanted;
	} cases[] = {
		/* The server takes the second length, or none, or the other framing. */
		{"POST /a HTTP/1.1\r\n" H "Content-Length: 9999999\r\nContent-Length: 0\r\n\r\n" REAL REAL,
		 "POST /a 3 1000 4:1 14:7 14:1\nGET /real 1 400000 4:1\nGET /real 1 400000 4:1\n"},
		{"POST /a HTTP/1.1\r\n" H "Content-Length : 9999999\r\n\r\n" REAL,
		 "POST /a 2 100 4:1 14:7\nGET /real 1 400000 4:1\n"},
		{"POST /a HTTP/1.1\r\n" H
		 "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n" REAL,
		 "POST /a 3 4000 4:1 14:1 17:7\nGET /real 1 400000 4:1\n"},
		{"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n" REAL,
		 "POST /a 1 8000 17:7\nGET /real 1 400000 4:1\n"},
		/* The length's end lies inside of the real request line, or of its head. */
		{"POST /a HTTP/1.1\r\n" H "Content-Length: 8\r\nContent-Length: 0\r\n\r\n" REAL,
		 "POST /a 3 1000 4:1 14:1 14:1\nGET /real 1 400000 4:1\n"},
		{"POST /a HTTP/1.1\r\n" H "Content-Length: 25\r\nContent-Length: 0\r\n\r\n" REAL,
		 "POST /a 3 1000 4:1 14:2 14:1\nGET /real 1 400000 4:1\n"},
		/* The length is right, and its body a decoy, whole or begun: both are seen. */
		{"POST /a HTTP/1.1\r\n" H "Content-Length: 60\r\nContent-Length: 60\r\n\r\n" DECOY REAL,
		 "POST /a 3 1000 4:1 14:2 14:2\nPOST /decoy 2 400000 4:1 14:9\nGET /real 1 0 4:1\n"},
		{"POST /a HTTP/1.1\r\n" H "Content-Length: 6\r\nContent-Length: 6\r\n\r\nGET /x" REAL,
		 "POST /a 3 1000 4:1 14:1 14:1\nGET /real 1 0 4:1\n"},
		{"POST /a HTTP/1.1\r\n" H "Content-Length: 4\r\nContent-Length: 4\r\n\r\nGET " REAL,
		 "POST /a 3 1000 4:1 14:1 14:1\nGET /real 1 0 4:1\n"},
		/* A decoy whose own short body ends inside of a line. */
		{"POST /a HTTP/1.1\r\n" H "Content-Length: 999\r\nContent-Length: 0\r\n\r\n"
		 "POST /b HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}" REAL,
		 "POST /a 3 1000 4:1 14:3 14:1\nPOST /b 1 410000 14:1\nGET /real 1 400000 4:1\n"},
		/* The length's end lies before the line feed of a decoy's start line. */
		{"POST /a HTTP/1.1\r\n" H "X: \r\r\nContent-Length: 16\r\n\r\nGET /x HTTP/1.1\r\n" REAL,
		 "POST /a 3 400 4:1 1:0 14:2\nGET /x 2 400a00 18:0 4:1\nGET /real 1 2 4:1\n"},
		/* What begins there is a request without a version. */
		{"POST /a HTTP/1.1\r\n" H "X: \r\r\nContent-Length: 17\r\n\r\nGET /x HTTP/1.1\r\nGET /y\r\n",
		 "POST /a 3 400 4:1 1:0 14:2\nGET /x 1 410a00 6:0\nGET /y 0 10\n"},
		/* Its end, inside of the outer body, lies inside of a line that is no start line. */
		{"POST /a HTTP/1.1\r\n" H "Content-Length : 341\r\n\r\n"
		 "GET /b HTTP/1.1\r\nContent-Length: 7\r\n\r\n0123456OPTIONS /c\r\n",
		 "POST /a 2 100 4:1 14:3\nGET /b 1 410000 14:1\nOPTIONS /c 0 400010\n"},
		/* Later bodies of such a connection are believed no more. */
		{"POST /a HTTP/1.1\r\n" H "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" DECOY REAL,
		 "POST /a 3 1000 4:1 14:1 14:1\nPOST /decoy 2 0 4:1 14:9\nGET /real 1 400000 4:1\n"},
		/* And where all is as it seems, nothing is invented, nor flagged. */
		{"POST /a HTTP/1.1\r\n" H "Content-Length: 9\r\nContent-Length: 9\r\n\r\nab\r\ncd\r\nx" REAL,
		 "POST /a 3 1000 4:1 14:1 14:1\nGET /real 1 0 4:1\n"},
		{"POST /a HTTP/1.1\r\n" H "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "5 \r\nhello\r\n0\r\n\r\n" REAL,
		 "POST /a 3 4000 4:1 14:1 17:7\nlate 100000\nGET /real 1 0 4:1\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct span all = span_from(cases[i].text);
		print_message("%zu\n", i);
		for (size_t step = 1; step <= all.len; step++) {
			struct seen seen = SEEN;
			struct stream_hooks hooks = hooks_of(&seen);
			struct stream s;
			uint32_t skip;
			stream_init(&s, true, 1);
			for (size_t at = 0; at < all.len; at += step) {
				size_t n = MIN(step, all.len - at);
				assert_false(stream_feed(&s, 1 + (uint32_t)at, (struct span){all.ptr + at, n},
							 (uint32_t)n, &hooks, &skip));
			}
			stream_end(&s, &hooks);
			expect(&seen, cases[i].wanted);
			assert_int_equal(s.passed_bytes, 0);
			assert_int_equal(s.gaps, 0);
			assert_null(s.head.data);
		}
	}
}

static void framing_headers_beyond_the_ceiling_are_read_too(void **state)
{
	(void)state;
	/* The first padding makes the ceiling fall into the length's own line at each of its bytes. */
	static const char framing[] = "Content-Length: 60\r\n", start[] = "POST /a HTTP/1.1\r\n";

	for (size_t into = 0; into <= sizeof framing; into++) {
		struct buffer b = BUFFER_INIT(1 << 20);
		buffer_append_text(&b, start);
		while (b.len + 200 < HTTP1_HEAD_MAX)
			buffer_append_text(&b, "X: 0123456789012345678901234567890123456789012345678901\r\n");
		buffer_printf(&b, "Y: %0*d\r\n", (int)(HTTP1_HEAD_MAX - into - b.len - 5), 0);
		assert_int_equal(b.len, HTTP1_HEAD_MAX - into);
		buffer_append_text(&b, framing);
		for (unsigned i = 0; i < 500; i++)
			buffer_append_text(&b, "X: 0123456789012345678901234567890123456789012345678901\r\n");
		buffer_append_text(&b, "\r\n" DECOY);
		for (unsigned i = 0; i < 100; i++)
			buffer_append_text(&b, REAL);
		for (size_t step = 999; step < 300000; step *= 17) {
			struct seen seen = SEEN;
			struct stream s;
			feed_steps(&seen, buffer_span(&b), step, 1, &s);
			assert_int_equal(seen.requests, 102);
			assert_int_equal(seen.last_deviations, 0);
			buffer_append_char(&seen.text, 0);
			assert_non_null(strstr(seen.text.data,
					       "\nPOST /decoy 2 400000 4:1 14:9\nGET /real 1 0 4:1\n"));
			buffer_free(&seen.text);
		}
		buffer_free(&b);
	}
}

static void bytes_missing_inside_a_doubtful_body_are_a_gap(void **state)
{
	(void)state;
	struct seen seen = SEEN;
	struct stream s;
	static const char head[] =
		"POST /a HTTP/1.1\r\n" H "Content-Length: 500\r\nContent-Length: 9\r\n\r\n";

	stream_init(&s, true, 1);
	feed(&s, &seen, 1, head);
	feed(&s, &seen, s.next_seq + 300, "x\r\n" REAL);
	feed(&s, &seen, s.next_seq, "{}");
	feed(&s, &seen, s.next_seq + 500, REAL);
	expect(&seen, "POST /a 3 1000 4:1 14:3 14:1\nGET /real 1 600000 4:1\nGET /real 1 200000 4:1\n");
	assert_int_equal(s.gaps, 2);
	assert_int_equal(s.gap_bytes, 800);
	stream_end(&s, &(struct stream_hooks){.arg = &seen, .request = on_request});
}

static void bytes_missing_inside_a_known_body_are_no_loss(void **state)
{
	(void)state;
	struct seen seen = SEEN;
	struct stream s;
	static const char head[] = "POST /u HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n";
	struct stream_hooks hooks = hooks_of(&seen);
	uint32_t skip = 0, seq = 77, at = seq + sizeof head - 1;

	stream_init(&s, true, seq);
	assert_true(stream_feed(&s, seq, SPAN(head), sizeof head - 1, &hooks, &skip));
	assert_int_equal(skip, at + 200000);
	/* A stray of before the kernel heard of it; told once is enough. */
	assert_false(stream_feed(&s, at, SPAN("stray"), 5, &hooks, &skip));
	/* Announced by length only. */
	assert_false(stream_feed(&s, at + 5, SPAN("st"), 100, &hooks, &skip));
	feed(&s, &seen, at + 200000, "GET /n HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&seen, "POST /u 2 0 4:1 14:6\nGET /n 1 0 4:1\n");
	assert_int_equal(s.gaps, 0);
	stream_end(&s, &hooks);
}

static void bytes_missing_inside_a_chunk_are_no_loss(void **state)
{
	(void)state;
	struct seen seen = SEEN;
	struct stream s;
	static const char head[] =
		"POST /u HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n";
	struct stream_hooks hooks = hooks_of(&seen);
	uint32_t skip = 0, seq = 77, at = seq + sizeof head - 1;

	stream_init(&s, true, seq);
	assert_true(stream_feed(&s, seq, SPAN(head), sizeof head - 1, &hooks, &skip));
	assert_int_equal(skip, at + 0x10000);
	feed(&s, &seen, at + 0x10000, "\r\n0\r\n\r\nGET /n HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&seen, "POST /u 2 0 4:1 17:7\nGET /n 1 0 4:1\n");
	assert_int_equal(s.gaps, 0);
	stream_end(&s, &hooks);
}

static void a_gap_is_counted_and_the_next_request_found(void **state)
{
	(void)state;
	struct seen seen = SEEN;
	struct stream s;

	stream_init(&s, true, 1);
	feed(&s, &seen, 1, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"); /* 28 bytes */
	/* GET /2, 28 bytes, is lost. */
	feed(&s, &seen, 1 + 56, "GET /3 HTTP/1.1\r\nHost: h\r\n\r\nFOO /4 HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&seen, "GET /1 1 0 4:1\nGET /3 1 200000 4:1\nFOO /4 1 0 4:1\n");
	assert_int_equal(s.gaps, 1);
	assert_int_equal(s.gap_bytes, 28);
	stream_end(&s, &(struct stream_hooks){.arg = &seen, .request = on_request});
}

static void a_gap_inside_a_head_gives_the_request_line_that_came(void **state)
{
	(void)state;
	struct seen seen = SEEN;
	struct stream s;

	stream_init(&s, true, 1);
	feed(&s, &seen, 1, "GET /1 HTTP/1.1\r\nHost: h\r\nAccept: te");
	feed(&s, &seen, 500, "xt\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&seen, "GET /1 1 200000 4:1\nGET /2 1 200000 4:1\n");
	assert_int_equal(s.gaps, 1);
	stream_end(&s, &(struct stream_hooks){.arg = &seen, .request = on_request});
}

static void resynchronising_does_not_believe_the_middle_of_a_line(void **state)
{
	(void)state;
	struct seen seen = SEEN;
	struct stream s;

	stream_init(&s, true, 1);
	feed(&s, &seen, 1, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
	feed(&s, &seen, 500, "IONS /2 HTTP/1.1\r\nHost: h\r\n\r\n");  /* cut OPTIONS */
	feed(&s, &seen, 1000, "LINK /3 HTTP/1.1\r\nHost: h\r\n\r\n"); /* cut UNLINK */
	feed(&s, &seen, 1500, "n: see GET /4 HTTP/1.1\r\nB: c\r\n\r\n");
	feed(&s, &seen, 2000, "{\"x\":\"y\"}\nGET /5\nPOST /6 HTTP/2\n");
	expect(&seen, "GET /1 1 0 4:1\n");
	assert_int_equal(s.gaps, 4);
	feed(&s, &seen, s.next_seq, "FOO /7 HTTP/1.1\r\n\r\n");
	expect(&seen, "FOO /7 0 210000\n");
	stream_end(&s, &(struct stream_hooks){.arg = &seen, .request = on_request});
}

static void a_lenient_start_line_is_found_and_what_was_passed_over_is_counted(void **state)
{
	(void)state;
	static const char raw[] = "GET /x?\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n";
	static const char spaces[] = "ail\r\nno start\r\nGET  /y\tHTTP/1.1\r\nHost: h\r\n\r\n";

	for (size_t step = 1; step < sizeof spaces; step++) {
		struct seen seen = SEEN;
		struct stream_hooks hooks = hooks_of(&seen);
		struct stream s;
		uint32_t skip;
		stream_init(&s, false, 0);
		stream_feed(&s, 9, SPAN(raw), sizeof raw - 1, &hooks, &skip);
		assert_int_equal(s.passed_bytes, 0);
		expect(&seen, "GET /x?\xc3\xa9 1 200040 4:1\n");
		stream_init(&s, false, 0);
		for (size_t at = 0; at < sizeof spaces - 1; at += step) {
			size_t n = MIN(step, sizeof spaces - 1 - at);
			stream_feed(&s, 9 + (uint32_t)at, (struct span){spaces + at, n}, (uint32_t)n, &hooks,
				    &skip);
		}
		stream_feed(&s, s.next_seq, SPAN("\x01junk\r\nPOST /unfin"), 17, &hooks, &skip);
		stream_end(&s, &hooks);
		expect(&seen, "GET /y 1 200004 4:1\n");
		assert_int_equal(s.passed_bytes, 15 + 17);
		assert_int_equal(s.gaps, 0);
	}
}

static void a_start_line_cut_in_pieces_is_found_after_a_gap(void **state)
{
	(void)state;
	static const char text[] = "x: y\r\n\r\nnoise\nGET /found HTTP/1.1\r\nHost: h\r\n\r\n";

	for (size_t step = 1; step < sizeof text; step++) {
		struct seen seen = SEEN;
		struct stream s;
		struct stream_hooks hooks = hooks_of(&seen);
		uint32_t skip;
		stream_init(&s, true, 1);
		for (size_t at = 0; at < sizeof text - 1; at += step) {
			size_t n = MIN(step, sizeof text - 1 - at);
			stream_feed(&s, 1000 + (uint32_t)at, (struct span){text + at, n}, (uint32_t)n, &hooks,
				    &skip);
		}
		stream_end(&s, &hooks);
		expect(&seen, "GET /found 1 200000 4:1\n");
		assert_int_equal(s.gaps, 1);
	}
}

static void a_stream_joined_midway_starts_at_the_next_request(void **state)
{
	(void)state;
	struct seen seen = SEEN;
	struct stream s;

	stream_init(&s, false, 0);
	feed(&s, &seen, 4711, "tail of something\r\n\r\nGET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&seen, "GET /1 1 200000 4:1\n");
	assert_int_equal(s.gaps, 0);
	assert_false(s.complete);
	/* ... at once if its first bytes are one. */
	stream_init(&s, false, 0);
	feed(&s, &seen, 4711, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&seen, "GET /1 1 200000 4:1\n");
	/* ... and not at all if it is TLS. */
	stream_init(&s, false, 0);
	feed(&s, &seen, 4711, "\x17\x03\x03\x01\x01zzz\nGET /1 HTTP/1.1\r\n\r\n");
	expect(&seen, "");
	assert_true(s.not_http);
}

static void what_is_not_http_costs_no_more_bytes(void **state)
{
	(void)state;
	struct seen seen = SEEN;
	struct stream_hooks hooks = hooks_of(&seen);
	struct stream s;
	uint32_t skip = 0;

	stream_init(&s, true, 1);
	assert_true(stream_feed(&s, 1, SPAN("\x16\x03\x01\x02\x00\x01"), 6, &hooks, &skip));
	assert_true(s.not_http);
	assert_int_equal(skip, 7 + (1u << 30));
	assert_false(stream_feed(&s, 7, SPAN("stray"), 5, &hooks, &skip));
	assert_true(stream_feed(&s, 7 + (1u << 30), SPAN("next"), 4, &hooks, &skip));
	assert_int_equal(skip, 11 + (2u << 30));
	assert_int_equal(s.gaps, 0);
	stream_end(&s, &hooks);
	expect(&seen, "");
}

static void after_an_upgrade_only_requests_keep_the_stream(void **state)
{
	(void)state;
	struct seen seen = SEEN;
	struct stream s;

	feed_steps(&seen, span_from(conversations[8]), 1000, 7, &s);
	expect(&seen, "GET /ws 3 0 4:1 10:7 7:9\n");
	assert_true(s.not_http);
	feed_steps(&seen, span_from(conversations[9]), 1000, 7, &s);
	expect(&seen, "GET /h2c 3 0 4:1 10:7 7:3\nGET /b 1 0 4:1\n");
	assert_false(s.not_http);
}

static void proxy_headers_are_passed_over(void **state)
{
	(void)state;
	static const char v2[] =
		"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c"
		"GET /v2 HTTP/1.1\r\nHost: h\r\n\r\n";
	struct seen seen = SEEN;
	struct stream s;

	for (size_t step = 1; step < sizeof v2; step++) {
		feed_steps(&seen, (struct span){v2, sizeof v2 - 1}, step, 1, &s);
		expect(&seen, "GET /v2 1 0 4:1\n");
		assert_true(s.proxy_header);
	}
	feed_steps(&seen, span_from(conversations[11]), 11, 1, &s);
	expect(&seen, "GET /p 1 0 4:1\n");
	assert_true(s.proxy_header);
	feed_steps(&seen, span_from(conversations[13]), 11, 1, &s);
	expect(&seen, "PROXY /p 1 0 4:1\nPROPFIND /q 1 0 4:1\n");
	assert_false(s.proxy_header);
	/* Something else that begins like version 2. */
	static const char not_v2[] = "\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0cGET /v3 HTTP/1.1\r\n\r\n";
	for (size_t step = 1; step < sizeof not_v2; step++) {
		feed_steps(&seen, (struct span){not_v2, sizeof not_v2 - 1}, step, 1, &s);
		expect(&seen, "");
		assert_true(s.not_http);
	}
}

static void heads_beyond_the_common_budget_are_given_up_and_counted(void **state)
{
	(void)state;
	struct seen seen = SEEN;
	uint64_t budget = 4096;
	struct stream_hooks hooks = hooks_of(&seen);
	struct stream a, b;
	uint32_t skip;
	char filler[3000];

	hooks.budget = &budget;
	memset(filler, 'f', sizeof filler);
	stream_init(&a, true, 1);
	stream_init(&b, true, 1);
	stream_feed(&a, 1, SPAN("GET /a HTTP/1.1\r\nX: "), 20, &hooks, &skip);
	stream_feed(&b, 1, SPAN("GET /b HTTP/1.1\r\nX: "), 20, &hooks, &skip);
	assert_true(budget < 4096);
	stream_feed(&a, 21, (struct span){filler, sizeof filler}, sizeof filler, &hooks, &skip);
	assert_int_equal(a.refused, 1);
	assert_int_equal(a.gaps, 1);
	stream_feed(&a, 3021, SPAN("\r\n\r\nGET /c HTTP/1.0\r\n\r\n"), 24, &hooks, &skip);
	stream_feed(&b, 21, SPAN("1\r\n\r\n"), 5, &hooks, &skip);
	stream_end(&a, &hooks);
	stream_end(&b, &hooks);
	/* Of the one given up, the request line had come. */
	expect(&seen, "GET /a 0 210000\nGET /c 0 200000\nGET /b 1 10000 1:1\n");
	assert_int_equal(budget, 4096);
}

/* Feeds what an application read around urgent bytes, marked U in text, whose sequence numbers count. */
static void feed_urgent(struct stream *s, struct seen *seen, const char *text, bool flagged)
{
	struct stream_hooks hooks = hooks_of(seen);
	uint32_t skip, seq = 1;
	bool urgent = false;

	stream_init(s, true, 1);
	while (*text) {
		size_t n = strcspn(text, "U");
		if (urgent && n && flagged)
			stream_urgent(s, seq, true, &hooks);
		if (n)
			stream_feed(s, seq, (struct span){text, n}, (uint32_t)n, &hooks, &skip);
		seq += (uint32_t)n;
		text += n;
		urgent = *text == 'U';
		for (; *text == 'U'; text++)
			seq++;
	}
	stream_end(s, &hooks);
}

static void a_byte_that_the_kernel_took_out_is_no_gap(void **state)
{
	static const struct {
		const char *text, *wanted;
		unsigned removed;
	} cases[] = {
		{"GEUT /a HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a 1 0 4:1\n", 1},
		{"UGET /a HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a 1 0 4:1\n", 1},
		{"GET /UUUa HTTP/1.1\r\nHoUst: h\r\nU\r\n", "GET /a 1 0 4:1\n", 5},
		{"GET /a HTTP/1.1\r\nHost: h\r\n\r\nUGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
		 "GET /a 1 0 4:1\nGET /b 1 0 4:1\n", 1},
		{"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabcUdefGET /b HTTP/1.0\r\n\r\n",
		 "POST /a 2 0 4:1 14:1\nGET /b 0 0\n", 1},
		{"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "3\r\nabUc\r\nU0\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
		 "POST /a 2 0 4:1 17:7\nGET /b 0 0\n", 2},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct seen seen = SEEN;
		struct stream s;
		feed_urgent(&s, &seen, cases[i].text, true);
		expect(&seen, cases[i].wanted);
		assert_int_equal(s.gaps, 0);
		assert_int_equal(s.removed_bytes, cases[i].removed);
		assert_int_equal(s.next, strlen(cases[i].text));
		/* The same bytes missing without that word for it are a loss, unless a body hides it. */
		feed_urgent(&s, &seen, cases[i].text, false);
		assert_int_equal(s.removed_bytes, 0);
		if (!strstr(cases[i].text, "abUc") && !strstr(cases[i].text, "abcU"))
			assert_true(s.gaps > 0);
		buffer_free(&seen.text);
	}
}

static void urgent_data_ends_skipping_and_a_body_skipped_before_it_is_in_doubt(void **state)
{
	static const char head[] = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n";
	static const uint32_t body = 1 + sizeof(head) - 1;
	static const char decoy[] = "GET /b HTTP/1.1\r\nHost: h\r\n\r\n";
	struct seen seen = SEEN;
	struct stream_hooks hooks = hooks_of(&seen);
	struct stream s;
	uint32_t skip;

	(void)state;
	stream_init(&s, true, 1);
	assert_true(stream_feed(&s, 1, span_from(head), sizeof(head) - 1, &hooks, &skip));
	assert_int_equal(skip, body + 100000);
	/* 50,000 bytes skipped on our word, or one less: the urgent byte is not part of the body. */
	stream_urgent(&s, body + 50001, true, &hooks);
	assert_true(stream_feed(&s, body + 50001, SPAN("xy\r\n"), 4, &hooks, &skip));
	assert_int_equal(skip, body + 50005); /* the kernel's word is taken back */
	assert_int_equal(s.removed_bytes, 1);
	assert_int_equal(s.gaps, 0);
	/* The body's presumed end counts without it; before it, a request is looked for all the same. */
	feed(&s, &seen, body + 50005, decoy);
	size_t left = 50000 - 4 - (sizeof(decoy) - 1);
	char *rest = calloc(1, left);
	memset(rest, 'z', left);
	rest[left - 1] = '\n';
	assert_false(stream_feed(&s, body + 50005 + sizeof(decoy) - 1, (struct span){rest, left},
				 (uint32_t)left, &hooks, &skip));
	free(rest);
	feed(&s, &seen, body + 100001, "GET /c HTTP/1.0\r\n\r\n");
	stream_end(&s, &hooks);
	expect(&seen, "POST /a 2 0 4:1 14:6\nGET /b 1 400000 4:1\nGET /c 0 0\n");
	assert_int_equal(s.gaps, 0);
	/* A single missing byte is believed while urgent data is about, two are not. */
	stream_init(&s, true, 1);
	feed(&s, &seen, 1, "GET /");
	stream_urgent(&s, 7, false, &hooks);
	feed(&s, &seen, 7, "d HTTP/1.0\r\n");
	stream_urgent(&s, s.next_seq + 2, false, &hooks);
	feed(&s, &seen, s.next_seq + 2, "\r\n");
	assert_int_equal(s.removed_bytes, 1);
	assert_int_equal(s.gaps, 1);
	stream_end(&s, &hooks);
	expect(&seen, "GET /d 0 200000\n");
}

/* --- nothing is invented --- */

static uint64_t random_state;

static uint32_t rnd(uint32_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % n;
}

/*
 * Bodies and headers full of what looks like a request, but never at a line start. Not GET: a piece that
 * begins with a registered method right behind a gap is believed.
 */
static const char *const noise[] = {"x FOO /decoy HTTP/1.1\r\n",
				    "{\"a\": \"b\"}\n",
				    " LINK /decoy HTTP/1.1\n",
				    "GET /decoy\n",
				    "aaaaaaaaaaaaaaaaaaaaaaaa",
				    "\r\n\r\n",
				    "0\r\n\r\n",
				    ": HTTP/1.1\r\n",
				    "Referer: SEARCH /decoy HTTP/1.0\r\n"};
static const char *const methods[] = {"GET",      "POST", "OPTIONS", "UNLINK",
				      "M-SEARCH", "FOO",  "DELETE",  "PROPFIND"};

static void append_body(struct buffer *b, uint32_t len)
{
	size_t end = b->len + len;

	while (b->len < end) {
		const char *piece = noise[rnd(ARRAY_SIZE(noise))];
		buffer_append(b, piece, MIN(strlen(piece), end - b->len));
	}
}

static void append_request(struct buffer *b, unsigned i)
{
	buffer_printf(b, "%s /r%u-%u HTTP/1.1\r\nHost: h\r\n", methods[rnd(ARRAY_SIZE(methods))], i,
		      rnd(1000));
	for (uint32_t k = rnd(4); k > 0; k--)
		buffer_printf(b, "X-%u: %.*s\r\n", k, (int)rnd(60),
			      "see FOO /decoy HTTP/1.1 or LINK /decoy HTTP/1.1 and so on, and so on");
	switch (rnd(4)) {
	case 0: {
		uint32_t len = rnd(rnd(10) ? 300 : 9000);
		buffer_printf(b, "Content-Length: %u\r\n\r\n", len);
		append_body(b, len);
		break;
	}
	case 1:
		buffer_append_text(b, "Transfer-Encoding: chunked\r\n\r\n");
		for (uint32_t k = rnd(4); k > 0; k--) {
			uint32_t len = 1 + rnd(200);
			buffer_printf(b, "%x\r\n", len);
			append_body(b, len);
			buffer_append_text(b, "\r\n");
		}
		buffer_append_text(b, "0\r\n\r\n");
		break;
	default:
		buffer_append_text(b, "\r\n");
	}
}

struct collected {
	unsigned count, flagged;
	char targets[512][24];
};

static void collect(void *arg, struct stream *s, const struct http_request *r)
{
	struct collected *c = arg;

	(void)s;
	assert_true(c->count < ARRAY_SIZE(c->targets));
	snprintf(c->targets[c->count++], 24, "%.*s", (int)r->target.len, r->target.ptr);
	c->flagged += (r->deviations & HTTP_DEV_AFTER_GAP) != 0;
}

/* Cuts bytes at random, loses, repeats and announces-by-length some pieces. Returns how many bytes never
 * came. */
static uint32_t feed_lossy(struct stream *s, struct span bytes, uint32_t isn, uint32_t loss,
			   struct collected *c)
{
	struct stream_hooks hooks = {.request = collect, .arg = c};
	uint32_t skip, lost = 0, size = 1 + rnd(600);

	stream_init(s, true, isn);
	for (size_t at = 0; at < bytes.len;) {
		size_t want = 1 + rnd(size);
		uint32_t n = (uint32_t)MIN(want, bytes.len - at), back = 0, part = n;
		bool last = at + n == bytes.len;
		/* The last piece always comes: a loss that nothing follows is seen at the close, not here. */
		if (!last && rnd(1000) < loss) {
			lost += n;
			if (rnd(2)) {
				at += n;
				continue;
			}
			lost -= part = rnd(n);
		}
		if (rnd(8) == 0) {
			want = rnd(100);
			back = (uint32_t)MIN(want, at);
		}
		if (part == n)
			stream_feed(s, isn + (uint32_t)at - back,
				    (struct span){bytes.ptr + at - back, n + back}, n + back, &hooks, &skip);
		else
			stream_feed(s, isn + (uint32_t)at, (struct span){bytes.ptr + at, part}, n, &hooks,
				    &skip);
		at += n;
	}
	stream_end(s, &hooks);
	return lost;
}

static void whatever_is_lost_nothing_is_invented_and_the_gap_is_told(void **state)
{
	(void)state;
	unsigned total = 0, found_total = 0;

	for (unsigned round = 0; round < 3000; round++) {
		struct buffer b = BUFFER_INIT(1 << 20);
		static struct collected sent, found;
		struct stream s;
		unsigned n = 1 + rnd(30), k = 0;
		random_state = round;
		sent.count = found.count = found.flagged = 0;
		for (unsigned i = 0; i < n; i++) {
			size_t from = b.len;
			append_request(&b, i);
			const char *slash = memchr(b.data + from, '/', b.len - from);
			const char *space = memchr(slash, ' ', b.len - (size_t)(slash - b.data));
			snprintf(sent.targets[sent.count++], 24, "%.*s", (int)(space - slash), slash);
		}
		uint32_t lost =
			feed_lossy(&s, buffer_span(&b), rnd(UINT32_MAX), round % 3 ? rnd(200) : 0, &found);
		/* A repeated piece may bring back what was lost, in part: what was found is a subsequence of
		 * what was sent. */
		for (unsigned i = 0; i < found.count; i++) {
			while (k < sent.count && strcmp(sent.targets[k], found.targets[i]) != 0)
				k++;
			if (k == sent.count)
				fail_msg("round %u: %s was never sent", round, found.targets[i]);
			k++;
		}
		if (found.count < sent.count)
			assert_true(s.gaps > 0);
		if (!lost) {
			assert_int_equal(found.count, sent.count);
			assert_int_equal(s.gaps, 0);
			assert_int_equal(found.flagged, 0);
		}
		assert_int_equal(s.next, b.len);
		total += sent.count;
		found_total += found.count;
		buffer_free(&b);
	}
	print_message("%u of %u requests found\n", found_total, total);
	assert_true(found_total > total / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cut_of_every_conversation_gives_the_same_requests),
		cmocka_unit_test(pipelined_requests_come_out_in_order),
		cmocka_unit_test(what_follows_a_broken_body_is_not_hidden),
		cmocka_unit_test(bytes_seen_twice_count_once),
		cmocka_unit_test(sequence_numbers_may_wrap_anywhere),
		cmocka_unit_test(a_long_connection_passes_four_gigabytes),
		cmocka_unit_test(large_heads_are_whole_at_any_piece_size),
		cmocka_unit_test(a_head_beyond_the_ceiling_hides_nothing_behind_it),
		cmocka_unit_test(after_a_doubtful_length_no_byte_is_skipped_and_nothing_hidden),
		cmocka_unit_test(framing_headers_beyond_the_ceiling_are_read_too),
		cmocka_unit_test(bytes_missing_inside_a_doubtful_body_are_a_gap),
		cmocka_unit_test(bytes_missing_inside_a_known_body_are_no_loss),
		cmocka_unit_test(bytes_missing_inside_a_chunk_are_no_loss),
		cmocka_unit_test(a_gap_is_counted_and_the_next_request_found),
		cmocka_unit_test(a_gap_inside_a_head_gives_the_request_line_that_came),
		cmocka_unit_test(resynchronising_does_not_believe_the_middle_of_a_line),
		cmocka_unit_test(a_lenient_start_line_is_found_and_what_was_passed_over_is_counted),
		cmocka_unit_test(a_start_line_cut_in_pieces_is_found_after_a_gap),
		cmocka_unit_test(a_stream_joined_midway_starts_at_the_next_request),
		cmocka_unit_test(what_is_not_http_costs_no_more_bytes),
		cmocka_unit_test(after_an_upgrade_only_requests_keep_the_stream),
		cmocka_unit_test(proxy_headers_are_passed_over),
		cmocka_unit_test(heads_beyond_the_common_budget_are_given_up_and_counted),
		cmocka_unit_test(a_byte_that_the_kernel_took_out_is_no_gap),
		cmocka_unit_test(urgent_data_ends_skipping_and_a_body_skipped_before_it_is_in_doubt),
		cmocka_unit_test(whatever_is_lost_nothing_is_invented_and_the_gap_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
