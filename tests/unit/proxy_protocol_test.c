// SPDX-License-Identifier: Apache-2.0
#include "lib/proxy_protocol.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include "lib/util.h"

/* "SOURCE:PORT DESTINATION:PORT", "-" where nothing is said, behind it what is marked. */
static const char *said(const struct proxy_header *h, char buf[static 160])
{
	char a[ADDR_TEXT_MAX], b[ADDR_TEXT_MAX];

	if (h->source.addr.family == ADDR_NONE)
		snprintf(buf, 160, "-%s%s", h->local ? " local" : "", h->malformed ? " malformed" : "");
	else
		snprintf(buf, 160, "%s %u %s %u%s%s", addr_format(&h->source.addr, a), h->source.port,
			 addr_format(&h->destination.addr, b), h->destination.port, h->local ? " local" : "",
			 h->malformed ? " malformed" : "");
	return buf;
}

static void lines_of_version_1(void **state)
{
	static const struct {
		const char *bytes, *says;
	} cases[] = {
		{"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", "192.0.2.1 56324 198.51.100.2 443"},
		{"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
		 "255.255.255.255 65535 255.255.255.255 65535"},
		{"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", "2001:db8::1 1 2001:db8::2 2"},
		{"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n", "192.0.2.1 1 192.0.2.2 2"},
		{"PROXY UNKNOWN\r\n", "-"},
		{"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "-"},
		{"PROXY TCP4 192.0.2.1 198.51.100.2 0 0\r\n", "192.0.2.1 0 198.51.100.2 0"},
		/* headers still, but not believed */
		{"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n", "- malformed"},
		{"PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n", "- malformed"},
		{"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 1\r\n", "- malformed"},
		{"PROXY TCP4 192.0.2.1  198.51.100.2 56324 443\r\n", "- malformed"},
		{"PROXY TCP4 192.0.2.01 198.51.100.2 56324 443\r\n", "- malformed"},
		{"PROXY TCP4 192.0.2.1 198.51.100.2 056 443\r\n", "- malformed"},
		{"PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n", "- malformed"},
		{"PROXY TCP4 192.0.2.1 198.51.100.2 99999999999 443\r\n", "- malformed"},
		{"PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n", "- malformed"},
		{"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", "- malformed"},
		{"PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n", "- malformed"},
		{"PROXY TCP6 fe80::1%eth0 2001:db8::2 1 2\r\n", "- malformed"},
		{"PROXY TCP4 \r\n", "- malformed"},
		{"PROXY UNKNOWNED\r\n", "- malformed"},
	};
	char buf[160];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct span all = span_from(cases[i].bytes);
		struct proxy_header h;
		for (size_t n = 0; n < all.len; n++)
			assert_int_equal(proxy_header_parse((struct span){all.ptr, n}, &h), PROXY_E_MORE);
		assert_int_equal(proxy_header_parse(all, &h), 0);
		assert_int_equal(h.version, 1);
		assert_int_equal(h.len, all.len);
		assert_string_equal(said(&h, buf), cases[i].says);
	}
}

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define INET      "\x01\x02\x03\x04\x05\x06\x07\x08\x1f\x90\x01\xbb"
#define INET6                                                        \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8" \
	"\0\0\0\0\0\0\0\0\0\0\0\x02\x1f\x90\x01\xbb"
#define MAPPED \
	"\0\0\0\0\0\0\0\0\0\0\xff\xff\x01\x02\x03\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\x05\x06\x07\x08\0\1\0\2"
#define CASE(bytes, needed, says)                                            \
	{                                                                    \
		{SIGNATURE bytes, sizeof(SIGNATURE bytes) - 1}, needed, says \
	}

static void headers_of_version_2(void **state)
{
	static const struct {
		struct span bytes;
		size_t needed; /* bytes after which it is known */
		const char *says;
	} cases[] = {
		CASE("\x21\x11\0\x0c" INET, 28, "1.2.3.4 8080 5.6.7.8 443"),
		CASE("\x21\x12\0\x0c" INET, 28, "1.2.3.4 8080 5.6.7.8 443"),
		CASE("\x21\x21\0\x24" INET6, 52, "2001:db8::1 8080 2001:db8::2 443"),
		CASE("\x21\x21\0\x24" MAPPED, 52, "1.2.3.4 1 5.6.7.8 2"),
		/* TLVs: ALPN h2, and a unique id */
		CASE("\x21\x11\0\x16" INET "\x01\0\x02h2\x05\0\x02xy", 38, "1.2.3.4 8080 5.6.7.8 443"),
		/* what the TLVs hold is not looked at */
		CASE("\x21\x11\0\x0f" INET "\xff\xff\xff", 31, "1.2.3.4 8080 5.6.7.8 443"),
		CASE("\x20\0\0\0", 16, "- local"),
		CASE("\x20\x11\0\x0c" INET, 28, "- local"),
		CASE("\x21\0\0\0", 16, "-"),
		CASE("\x21\0\0\x04zzzz", 20, "-"),
		CASE("\x21\x31\0\x02uu", 18, "-"),
		CASE("\x21\xf1\0\x02uu", 18, "-"),
		CASE("\x21\x11\0\x0b\x01\x02\x03\x04\x05\x06\x07\x08\x1f\x90\x01", 27, "- malformed"),
		CASE("\x21\x21\0\x0c" INET, 28, "- malformed"),
		CASE("\x22\x11\0\x0c" INET, 28, "- malformed"),
	};
	char buf[160];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct span all = cases[i].bytes;
		struct proxy_header h;
		for (size_t n = 0; n < MIN(all.len, cases[i].needed); n++)
			assert_int_equal(proxy_header_parse((struct span){all.ptr, n}, &h), PROXY_E_MORE);
		for (size_t n = cases[i].needed; n <= all.len; n++) {
			assert_int_equal(proxy_header_parse((struct span){all.ptr, n}, &h), 0);
			assert_int_equal(h.version, 2);
			assert_int_equal(h.len, all.len);
			assert_string_equal(said(&h, buf), cases[i].says);
		}
	}
}

static void a_unix_socket_s_addresses_and_long_tlvs_need_not_be_there(void **state)
{
	char bytes[PROXY_HEADER_HELD_MAX] = SIGNATURE "\x21\x31\xff\xff";
	struct proxy_header h;

	(void)state;
	assert_int_equal(proxy_header_parse((struct span){bytes, 51}, &h), PROXY_E_MORE);
	assert_int_equal(proxy_header_parse((struct span){bytes, 52}, &h), 0);
	assert_int_equal(h.len, 16 + 65535);
	assert_int_equal(h.source.addr.family, ADDR_NONE);
	assert_false(h.malformed);
}

static void what_is_no_header(void **state)
{
	static const struct span cases[] = {
		SPAN("GET / HTTP/1.1\r\n"),
		SPAN("PROXY /p HTTP/1.1\r\n"),
		SPAN("PROXYTCP4 1.2.3.4"),
		SPAN("PROPFIND / HTTP/1.1"),
		SPAN("\r\n\r\nGET /"),
		SPAN("proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n"),
		SPAN("PROXY TCP5 192.0.2.1 198.51.100.2 1 2\r\n"),
		SPAN(SIGNATURE "\x31\x11\0\x0c" INET),
		SPAN(SIGNATURE "\x11\x11\0\x0c" INET),
	};
	struct proxy_header h;
	char line[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(proxy_header_parse(cases[i], &h), PROXY_E_NONE);
	/* 107 bytes without a line's end */
	memset(line, '1', sizeof line);
	memcpy(line, "PROXY UNKNOWN ", 14);
	assert_int_equal(proxy_header_parse((struct span){line, PROXY_HEADER_HELD_MAX - 1}, &h),
			 PROXY_E_MORE);
	assert_int_equal(proxy_header_parse((struct span){line, PROXY_HEADER_HELD_MAX}, &h), PROXY_E_NONE);
	line[PROXY_HEADER_HELD_MAX - 2] = '\r';
	line[PROXY_HEADER_HELD_MAX - 1] = '\n';
	assert_int_equal(proxy_header_parse((struct span){line, sizeof line}, &h), 0);
	assert_int_equal(h.len, PROXY_HEADER_HELD_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_version_1),
		cmocka_unit_test(headers_of_version_2),
		cmocka_unit_test(a_unix_socket_s_addresses_and_long_tlvs_need_not_be_there),
		cmocka_unit_test(what_is_no_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
