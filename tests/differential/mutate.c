// SPDX-License-Identifier: Apache-2.0
#include "mutate.h"
#include <stdio.h>
#include <string.h>
#include "lib/util.h"

static uint64_t state;
static bool all_right;

static uint32_t rnd(uint32_t n)
{
	/* splitmix64 */
	uint64_t z = state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)((z ^ z >> 31) >> 32) % n;
}

/* Right most of the time; else from the list of what is not, or is unusual. */
static struct span piece(const struct span *right, size_t rights, const struct span *odd, size_t odds)
{
	return all_right || rnd(50) ? right[rnd((uint32_t)rights)] : odd[rnd((uint32_t)odds)];
}
#define PIECE(name) piece(name, ARRAY_SIZE(name), name##_odd, ARRAY_SIZE(name##_odd))
#define ADD(b, name)                              \
	do {                                      \
		struct span s_ = PIECE(name);     \
		buffer_append(b, s_.ptr, s_.len); \
	} while (0)

static const struct span method[] = {SPAN("GET"),    SPAN("GET"),  SPAN("GET"),     SPAN("POST"), SPAN("PUT"),
				     SPAN("DELETE"), SPAN("HEAD"), SPAN("OPTIONS"), SPAN("PATCH")};
static const struct span method_odd[] = {SPAN("get"),
					 SPAN("Get"),
					 SPAN("GETX"),
					 SPAN("G"),
					 SPAN(""),
					 SPAN("GE T"),
					 SPAN("PRI"),
					 SPAN("CONNECT"),
					 SPAN("G\0T"),
					 SPAN("G(T"),
					 SPAN("_X"),
					 SPAN("A-B"),
					 SPAN("M-SEARCH"),
					 SPAN("TRACE"),
					 SPAN("\x80"),
					 SPAN("\"G"),
					 SPAN("G\tET"),
					 SPAN("GET\r"),
					 SPAN("\nPOST"),
					 SPAN("\r\n\r\nGET"),
					 SPAN("PROPFIND"),
					 SPAN("LOCK"),
					 SPAN("UNLINK"),
					 SPAN("HTTP/1.1"),
					 SPAN("A23456789012345678901234567890123456")};

static const struct span blank[] = {SPAN(" ")};
static const struct span blank_odd[] = {SPAN("  "), SPAN("\t"), SPAN(""),     SPAN(" \t"), SPAN("\v"),
					SPAN("\f"), SPAN("\0"), SPAN("\xa0"), SPAN("+"),   SPAN("   ")};

static const struct span target[] = {SPAN("/"),
				     SPAN("/a"),
				     SPAN("/a/b?c=d&e=f"),
				     SPAN("/%41%20x"),
				     SPAN("/very/long/~path;a=1,b/(x)"),
				     SPAN("/x?y=/../"),
				     SPAN("/p?q"),
				     SPAN("/a;b"),
				     SPAN("*")};
static const struct span target_odd[] = {SPAN("http://h/p?q"),
					 SPAN("/a#b"),
					 SPAN("/%zz"),
					 SPAN("/a b"),
					 SPAN("/\x80\xff"),
					 SPAN("/a\x01"),
					 SPAN(""),
					 SPAN("a"),
					 SPAN("//x"),
					 SPAN("/../../etc"),
					 SPAN("http://h"),
					 SPAN("?x"),
					 SPAN("h:443"),
					 SPAN("http:/x"),
					 SPAN("HTTP://h:99999/x"),
					 SPAN("https://[::1]/"),
					 SPAN("/a?b?c#d#e"),
					 SPAN("/a\0b"),
					 SPAN("/a\tb"),
					 SPAN("/a\x7f"),
					 SPAN("/a\"<>"),
					 SPAN("#"),
					 SPAN("/a\rb"),
					 SPAN("http://u:p@h/"),
					 SPAN("/%00"),
					 SPAN("/%"),
					 SPAN("/%2"),
					 SPAN("ftp://h/x"),
					 SPAN("http://\x80/"),
					 SPAN("/ HTTP/1.1"),
					 SPAN("/a\nb"),
					 SPAN("http://h\\x/"),
					 SPAN("/\\x"),
					 SPAN("/{a}|^`"),
					 SPAN("://x"),
					 SPAN("h.x/y")};

static const struct span version[] = {SPAN("HTTP/1.1")};
static const struct span version_odd[] = {
	SPAN("HTTP/1.0"),  SPAN("HTTP/1.2"),   SPAN("HTTP/2.0"),         SPAN("HTTP/0.9"),
	SPAN("HTTP/1.1 "), SPAN("HTTP/1.1\t"), SPAN("http/1.1"),         SPAN("HTTP/1."),
	SPAN("HTTP/11"),   SPAN("HTTP/1.01"),  SPAN("HTTP/1.10"),        SPAN("HTTP/1.1x"),
	SPAN(""),          SPAN("HTTP/1.1 x"), SPAN("RTSP/1.0"),         SPAN("HTTP/01.1"),
	SPAN("HTTP /1.1"), SPAN("HTTP/1 .1"),  SPAN("HTTP/3"),           SPAN("HTTP/1.999"),
	SPAN("HTTPS/1.1"), SPAN("HTTP/1.1\0"), SPAN("HTTP/9.9"),         SPAN("ICE/1.0"),
	SPAN("HTTP/1.0"),  SPAN("HTTP/1.0"),   SPAN("HTTP/1.1HTTP/1.1"), SPAN("HTTP/1,1"),
	SPAN("HTTP//1.1")};

static const struct span line_end[] = {SPAN("\r\n")};
static const struct span line_end_odd[] = {SPAN("\n"),     SPAN("\r"),     SPAN("\r\r\n"), SPAN("\n\r"),
					   SPAN(" \r\n"),  SPAN("\n"),     SPAN("\t\n"),   SPAN("\r \n"),
					   SPAN("\0\r\n"), SPAN("\r\n\r"), SPAN("\r\n\n")};

static const struct span header[] = {SPAN("User-Agent: x/1.0 (y; z)"),
				     SPAN("Accept:*/*"),
				     SPAN("X-Empty:"),
				     SPAN("X-Space:   a b\tc  "),
				     SPAN("Connection: keep-alive"),
				     SPAN("Cookie: a=b; c=d"),
				     SPAN("X-High: \xc3\xa4\xff"),
				     SPAN("x-tchar!#$%&'*+-.^`|~: 1")};
static const struct span header_odd[] = {SPAN("no colon"),
					 SPAN("X : y"),
					 SPAN(" X: y"),
					 SPAN("X: y\r\n z"),
					 SPAN("X: a\0b"),
					 SPAN("X: a\rb"),
					 SPAN("X(: y"),
					 SPAN(": y"),
					 SPAN("X\0: y"),
					 SPAN("X\t: y"),
					 SPAN("X: y\n\tz"),
					 SPAN("X_Y: z"),
					 SPAN("X: \x01"),
					 SPAN("X: \x7f"),
					 SPAN("\x80: y"),
					 SPAN("Host: second"),
					 SPAN("Host: "),
					 SPAN("Expect: 100-continue"),
					 SPAN("X"),
					 SPAN("\tX: y"),
					 SPAN("Connection: close"),
					 SPAN("Connection: Upgrade\r\nUpgrade: websocket"),
					 SPAN("Connection: x, close"),
					 SPAN("Upgrade: h2c"),
					 SPAN("X:y:z"),
					 SPAN("X Y: z"),
					 SPAN("GET / HTTP/1.1"),
					 SPAN("X: y\r"),
					 SPAN("Connection: keep-alive, Upgrade\r\nUpgrade: TLS/1.0"),
					 SPAN("Keep-Alive: 5"),
					 SPAN("X: \"\r\n\""),
					 SPAN("TE: trailers"),
					 SPAN("Host : h"),
					 SPAN("X:\v"),
					 SPAN("Connection:close"),
					 SPAN("Host\0: x")};

static const struct span host[] = {SPAN("Host: h"), SPAN("Host: api.example:8080"), SPAN("host:h")};
static const struct span host_odd[] = {
	SPAN("X: no host"), SPAN("Host:"),  SPAN("Host: a b"), SPAN("Host: h\r\nHost: h"), SPAN("Host: /"),
	SPAN("Host: \x80"), SPAN("Host h"), SPAN("Host: a\0"), SPAN("Host: [::1"),         SPAN("Host: h:x")};

static const struct span chunked[] = {SPAN("Transfer-Encoding: chunked"), SPAN("transfer-encoding:chunked")};
static const struct span chunked_odd[] = {SPAN("Transfer-Encoding: Chunked"),
					  SPAN("Transfer-Encoding: gzip, chunked"),
					  SPAN("Transfer-Encoding: chunked, gzip"),
					  SPAN("Transfer-Encoding: chunked,chunked"),
					  SPAN("Transfer-Encoding: identity"),
					  SPAN("Transfer-Encoding: xchunked"),
					  SPAN("Transfer-Encoding: chunked\v"),
					  SPAN("Transfer-Encoding:\tchunked\t"),
					  SPAN("Transfer-Encoding: , chunked"),
					  SPAN("Transfer-Encoding: chunked;q=1"),
					  SPAN("Transfer-Encoding:"),
					  SPAN("Transfer-Encoding : chunked"),
					  SPAN("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
					  SPAN("Transfer-Encoding:\r\n chunked"),
					  SPAN("Transfer-Encoding: chunked\r\nContent-Length: 5"),
					  SPAN("Content-Length: 5\r\nTransfer-Encoding: chunked"),
					  SPAN("Transfer_Encoding: chunked"),
					  SPAN(" Transfer-Encoding: chunked"),
					  SPAN("Transfer-Encoding: \"chunked\""),
					  SPAN("Transfer-Encoding: chunked\0"),
					  SPAN("Transfer-Encoding: chunked, "),
					  SPAN("Transfer-Encoding: gzip")};

/* %u is the right length; the others say something else. */
static const char *const length_odd[] = {"Content-Length: +%u",
					 "Content-Length: %u,%u",
					 "Content-Length: 0%u",
					 "Content-Length: 0x%u",
					 "Content-Length: -%u",
					 "Content-Length: %u ",
					 "Content-Length: %u\t",
					 "Content-Length:%u",
					 "Content-Length: %u\r\nContent-Length: %u",
					 "Content-Length: %u\r\nContent-Length: 3",
					 "Content-Length: 99999999999999999999",
					 "Content-Length:",
					 "Content-Length : %u",
					 "Content-Length: %u1",
					 "Content-Length: 18446744073709551616",
					 "Content-Length: %u a",
					 "Content-Length: 1",
					 "Content-Length: 0",
					 "Content-Length:\r\n %u",
					 "Content_Length: %u",
					 "Content-Length: %u.0",
					 "Content-Length: 0\r\nX: %u",
					 " Content-Length: %u",
					 "Content-Length: \"%u\"",
					 "Content-Length: %u\v",
					 "Content-Length: 9223372036854775807",
					 "content-length: %u",
					 "Content-Length: ,%u"};

static const struct span content[] = {SPAN("0123456"),
				      SPAN("{\"a\":1}"),
				      SPAN("a=b&c=d\r\n"),
				      SPAN("\r\n"),
				      SPAN("GET /in-body HTTP/1.1\r\nHost: b\r\n\r\n"),
				      SPAN("0\r\n\r\n"),
				      SPAN("x"),
				      SPAN("\0\xff\x80"),
				      SPAN("GET /in-body HTTP/1.1\r\n")};

static const struct span chunk[] = {
	SPAN("3\r\nabc\r\n"), SPAN("a;x=y\r\n0123456789\r\n"), SPAN("05\r\nhello\r\n"),
	SPAN("21\r\nGET /in-chunk HTTP/1.1\r\nHost: c\r\n\r\n"), SPAN("2\r\n\r\n\r\n")};
static const struct span chunk_odd[] = {SPAN("3 \r\nabc\r\n"),
					SPAN("3\t\r\nabc\r\n"),
					SPAN("3;a=\"b\r\n\"\r\nabc\r\n"),
					SPAN("0x3\r\nabc\r\n"),
					SPAN("3\nabc\n"),
					SPAN("3\r\nabcd\r\n"),
					SPAN("3\r\nab\r\n"),
					SPAN("-3\r\nabc\r\n"),
					SPAN("FFFFFFFFFFFFFFFFF\r\nabc\r\n"),
					SPAN("7FFFFFFFFFFFFFFF\r\nabc\r\n"),
					SPAN("\r\n3\r\nabc\r\n"),
					SPAN("3\r\nabc"),
					SPAN("3;\r\nabc\r\n"),
					SPAN("3 ;x\r\nabc\r\n"),
					SPAN(" 3\r\nabc\r\n"),
					SPAN("3\rabc\r\n"),
					SPAN("3\r\nabc\n"),
					SPAN("3\r\nabc\r"),
					SPAN("3;x\ny\r\nabc\r\n"),
					SPAN("3g\r\nabc\r\n"),
					SPAN(";x\r\nabc\r\n"),
					SPAN("3\r\r\nabc\r\n"),
					SPAN("00000000000000000000003\r\nabc\r\n"),
					SPAN("3;\0\r\nabc\r\n"),
					SPAN("3\0\r\nabc\r\n"),
					SPAN("3\r\nabc \r\n"),
					SPAN("3;x\r\r\nabc\r\n")};
static const struct span last_chunk[] = {SPAN("0\r\n\r\n"), SPAN("0\r\nTrailer: x\r\n\r\n"),
					 SPAN("000;x\r\n\r\n")};
static const struct span last_chunk_odd[] = {SPAN("0\n\n"),
					     SPAN("0\r\n\n"),
					     SPAN("0\n\r\n"),
					     SPAN("0\r\nX: y\n\n"),
					     SPAN("0\r\n \r\n\r\n"),
					     SPAN("0 \r\n\r\n"),
					     SPAN("0\r\n"),
					     SPAN("0\r\n\r\r\n"),
					     SPAN("0\r\nno colon\r\n\r\n"),
					     SPAN("0\r\nContent-Length: 50\r\n\r\n"),
					     SPAN("0;a\r\nX\r\n\r\n"),
					     SPAN("0\r\r\n\r\n"),
					     SPAN("0\r\nX: a\rb\r\n\r\n"),
					     SPAN("0\r\n\rX\r\n\r\n"),
					     SPAN("0\r\nGET /in-trailer HTTP/1.1\r\n\r\n"),
					     SPAN("")};

static void add_body(struct buffer *b, struct span body)
{
	char line[160];
	const char *format =
		all_right || rnd(12) ? "Content-Length: %u" : length_odd[rnd(ARRAY_SIZE(length_odd))];

	/* Every odd one uses the length twice at most. */
	_Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wformat-nonliteral\"");
	snprintf(line, sizeof line, format, (unsigned)body.len, (unsigned)body.len);
	_Pragma("GCC diagnostic pop");
	buffer_append_text(b, line);
	ADD(b, line_end);
}

static void add_headers(struct buffer *b)
{
	ADD(b, host);
	ADD(b, line_end);
	for (uint32_t n = rnd(4); n > 0; n--) {
		ADD(b, header);
		ADD(b, line_end);
	}
}

static void add_request(struct buffer *b)
{
	uint32_t kind = rnd(10);

	ADD(b, method);
	ADD(b, blank);
	ADD(b, target);
	ADD(b, blank);
	ADD(b, version);
	ADD(b, line_end);
	add_headers(b);
	if (kind < 3) {
		struct span body = content[rnd(ARRAY_SIZE(content))];
		add_body(b, body);
		ADD(b, line_end);
		buffer_append(b, body.ptr, body.len);
	} else if (kind < 6) {
		ADD(b, chunked);
		ADD(b, line_end);
		ADD(b, line_end);
		for (uint32_t n = rnd(3); n > 0; n--)
			ADD(b, chunk);
		ADD(b, last_chunk);
	} else {
		ADD(b, line_end);
	}
	if (!all_right && !rnd(20))
		ADD(b, line_end);
}

static void damage(struct buffer *b)
{
	static const char bytes[] = "\r\n\t :;\0\x01\x7f\x80GET/ HTTP1.0,=Content-Length\v\"x";

	for (uint32_t n = 1 + rnd(3); n > 0 && b->len > 1; n--) {
		uint32_t at = rnd((uint32_t)b->len);
		char c = bytes[rnd(sizeof bytes - 1)];
		switch (rnd(4)) {
		case 0:
			b->data[at] = c;
			break;
		case 1:
			memmove(b->data + at, b->data + at + 1, b->len - at - 1);
			b->len--;
			break;
		case 2:
			b->data[at] = (char)rnd(256);
			break;
		default:
			buffer_append_char(b, 'x');
			memmove(b->data + at + 1, b->data + at, b->len - at - 1);
			b->data[at] = c;
			break;
		}
	}
}

void mutate_right(uint64_t number, struct buffer *b)
{
	state = number * 0xd1342543de82ef95ull + 2;
	all_right = true;
	for (uint32_t n = 1 + rnd(4); n > 0; n--)
		add_request(b);
	all_right = false;
}

void mutate_make(uint64_t number, struct buffer *b)
{
	state = number * 0xd1342543de82ef95ull + 1;
	for (uint32_t n = 1 + rnd(4); n > 0; n--)
		add_request(b);
	if (!rnd(4))
		damage(b);
	/* The last one may be cut off. */
	if (!rnd(16))
		b->len -= rnd((uint32_t)b->len / 2 + 1);
}

void mutate_minimise(struct buffer *b, bool (*still)(void *arg, struct span bytes), void *arg)
{
	char *less = malloc(b->len + 1);

	if (!less)
		return;
	for (size_t n = b->len / 2; n > 0; n = n == 1 ? 0 : (n + 1) / 2) {
		for (size_t at = 0; at + n <= b->len;) {
			memcpy(less, b->data, at);
			memcpy(less + at, b->data + at + n, b->len - at - n);
			if (still(arg, (struct span){less, b->len - n})) {
				b->len -= n;
				memcpy(b->data, less, b->len);
			} else {
				at += n;
			}
		}
	}
	free(less);
}

void mutate_print(struct span bytes)
{
	putchar('"');
	for (size_t i = 0; i < bytes.len; i++) {
		unsigned char c = (unsigned char)bytes.ptr[i];
		if (c == '\r')
			fputs("\\r", stdout);
		else if (c == '\n')
			fputs(i + 1 < bytes.len ? "\\n\"\n\"" : "\\n", stdout);
		else if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 32 || c > 126)
			printf("\\%03o", c);
		else
			putchar(c);
	}
	puts("\"");
}
