// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "lib/event.h"
#include "sensor/tls_fingerprint.h"
#include "sensor/tls_hello.h"
#include "tls_rig.h"

static struct tls_rig rig;
static uint8_t wire[2 * TLS_RIG_MAX];
static size_t wire_len;

/* All of wire, in pieces of `step`, each in memory of its own. *ret_used: up to where it was read. */
static enum tls_hello_result feed(struct tls_hello *h, size_t len, size_t step, size_t *ret_used)
{
	enum tls_hello_result r = TLS_HELLO_MORE;

	memset(h, 0, sizeof *h);
	for (size_t at = 0; at < len && r == TLS_HELLO_MORE; at += step) {
		size_t n = MIN(step, len - at), used;
		_cleanup_free_ uint8_t *piece = malloc(n);
		assert_non_null(piece);
		memcpy(piece, wire + at, n);
		r = tls_hello_feed(h, (struct span){(char *)piece, n}, &used);
		assert_true(used <= n);
		*ret_used = at + used;
	}
	return r;
}

static enum tls_hello_result read_all(struct tls_hello *h)
{
	size_t used;

	return feed(h, wire_len, SIZE_MAX, &used);
}

static struct span name_of(const struct tls_hello *h)
{
	return (struct span){h->name, h->name_len};
}

static void assert_span(struct span s, const char *text)
{
	assert_int_equal(s.len, strlen(text));
	assert_memory_equal(s.ptr, text, s.len);
}

static void assert_ja4(const struct tls_hello *h, const char *text)
{
	char ja4[TLS_JA4_TEXT_MAX];
	struct tls_prints *p;

	assert_int_equal(tls_prints_new(&p), 0);
	assert_true(tls_ja4(p, h, ja4));
	assert_string_equal(ja4, text);
	tls_prints_free(p);
}

/* Where OpenSSL has no MD5 (FIPS) there is no JA3. */
static void assert_ja3(const struct tls_hello *h, const char *text)
{
	char ja3[TLS_JA3_TEXT_MAX];
	struct tls_prints *p;

	assert_int_equal(tls_prints_new(&p), 0);
	if (tls_ja3(p, h, ja3))
		assert_string_equal(ja3, text);
	tls_prints_free(p);
}

/* --- hellos put together from a list of extensions --- */

static size_t message, extensions;

static void begin(uint16_t version, const uint16_t *ciphers, size_t count)
{
	message = tls_begin(&rig, 1, version);
	tls_put_ciphers(&rig, ciphers, count);
	extensions = tls_open(&rig, 2);
}

static void begin_plain(void)
{
	static const uint16_t ciphers[] = {0x1301, 0x1302};

	begin(0x0303, ciphers, 2);
}

static void end(void)
{
	tls_close(&rig, extensions, 2);
	tls_close(&rig, message, 3);
	wire_len = tls_records(&rig, 16384, wire);
}

static enum tls_hello_result with_body(struct tls_hello *h, uint16_t type, const char *body, size_t n)
{
	begin_plain();
	tls_put(&rig, 2, type);
	tls_put(&rig, 2, (uint32_t)n);
	tls_put_bytes(&rig, body, n);
	end();
	return read_all(h);
}
#define WITH_BODY(h, type, body) with_body((h), (type), (body), sizeof(body) - 1)

static enum tls_hello_result with_name(struct tls_hello *h, const char *name, size_t n)
{
	begin_plain();
	tls_put_name(&rig, name, n);
	end();
	return read_all(h);
}

/* --- stories --- */

static void a_browsers_hello_is_read_and_has_the_fingerprint_of_the_specification(void **state)
{
	struct tls_hello h;
	struct span list, name;

	(void)state;
	tls_browser(&rig, "API.example", 43);
	wire_len = tls_records(&rig, 16384, wire);
	assert_int_equal(read_all(&h), TLS_HELLO_WHOLE);
	assert_span(name_of(&h), "api.example");
	assert_int_equal(h.version, 0x0303);
	assert_int_equal(tls_hello_offered(&h), 0x0304);
	assert_int_equal(h.deviations, 0);
	assert_int_equal(h.records, 1);
	assert_int_equal(h.size, rig.len);
	assert_int_equal(h.cipher_count, 16);
	assert_int_equal(h.extension_count, 18);
	assert_false(h.early_data);
	list = (struct span){(char *)h.alpn, h.alpn_len};
	assert_true(tls_alpn_next(&list, &name));
	assert_span(name, "h2");
	assert_true(tls_alpn_next(&list, &name));
	assert_span(name, "http/1.1");
	assert_false(tls_alpn_next(&list, &name));
	assert_ja4(&h, TLS_BROWSER_JA4);
}

static void a_client_without_a_name_has_another_letter(void **state)
{
	struct tls_hello h;

	(void)state;
	tls_browser(&rig, NULL, 43);
	wire_len = tls_records(&rig, 16384, wire);
	assert_int_equal(read_all(&h), TLS_HELLO_WHOLE);
	assert_int_equal(h.name_len, 0);
	assert_int_equal(h.deviations, 0);
	assert_ja4(&h, TLS_BROWSER_NO_NAME_JA4);
}

/* The two examples of the JA3 description. */
static void ja3_is_that_of_its_examples(void **state)
{
	static const uint16_t first[] = {47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4};
	static const uint16_t second[] = {4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99};
	static const uint16_t groups[] = {23, 24, 25};
	struct tls_hello h;

	(void)state;
	begin(0x0301, first, ARRAY_SIZE(first));
	tls_put_name(&rig, "a.example", 9);
	tls_put_list(&rig, 10, 2, groups, 3);
	tls_put(&rig, 2, 11);
	tls_put(&rig, 4, 0x00020100);
	end();
	assert_int_equal(read_all(&h), TLS_HELLO_WHOLE);
	assert_ja3(&h, "ada70206e40642a3e4461f35503241d5");

	message = tls_begin(&rig, 1, 0x0301);
	tls_put_ciphers(&rig, second, ARRAY_SIZE(second));
	tls_close(&rig, message, 3);
	wire_len = tls_records(&rig, 16384, wire);
	assert_int_equal(read_all(&h), TLS_HELLO_WHOLE);
	assert_ja3(&h, "de350869b8c85de67a350c8d186f11e6");
	assert_ja4(&h, "t10i110000_3609b414f052_000000000000");
	assert_int_equal(tls_hello_offered(&h), 0x0301);
}

/* A key share for a post-quantum group makes it larger than a segment. */
static void how_it_is_cut_changes_nothing(void **state)
{
	static const size_t steps[] = {1, 2, 3, 5, 7, 64, 1000, 1448, SIZE_MAX};
	static const size_t records[] = {1, 2, 31, 100, 1500, 16384};
	struct tls_hello h;
	size_t used;

	(void)state;
	for (size_t r = 0; r < ARRAY_SIZE(records); r++) {
		tls_browser(&rig, "api.example", 1263);
		wire_len = tls_records(&rig, records[r], wire);
		size_t whole = wire_len;
		memcpy(wire + wire_len, "\x14\x03\x03\x00\x01\x01", 6);
		wire_len += 6;
		for (size_t s = 0; s < ARRAY_SIZE(steps); s++) {
			assert_int_equal(feed(&h, wire_len, steps[s], &used), TLS_HELLO_WHOLE);
			assert_int_equal(used, whole);
			assert_int_equal(h.record_left, 0);
			assert_span(name_of(&h), "api.example");
			assert_ja4(&h, TLS_BROWSER_JA4);
			assert_int_equal(h.records, (rig.len + records[r] - 1) / records[r]);
			assert_int_equal(h.deviations, records[r] < rig.len ? TLS_DEV_RECORDS : 0);
		}
	}
}

static void a_hello_cut_at_any_byte_is_not_whole(void **state)
{
	struct tls_hello h;
	size_t used;

	(void)state;
	tls_browser(&rig, "api.example", 43);
	wire_len = tls_records(&rig, 200, wire);
	for (size_t len = 0; len < wire_len; len++) {
		used = 0;
		assert_int_equal(feed(&h, len, SIZE_MAX, &used), TLS_HELLO_MORE);
		assert_int_equal(used, len);
	}
}

/* The message says that it is shorter than what is in it: each such length breaks a field. */
static void a_message_that_ends_inside_of_a_field_is_broken(void **state)
{
	struct tls_hello h;

	(void)state;
	tls_browser(&rig, "api.example", 43);
	for (size_t len = 0; len < rig.len - 4; len++) {
		rig.bytes[1] = 0;
		rig.bytes[2] = (uint8_t)(len >> 8);
		rig.bytes[3] = (uint8_t)len;
		wire_len = tls_records(&rig, 16384, wire);
		enum tls_hello_result r = read_all(&h);
		/* Behind the compression: it has no extensions, as old clients'. */
		assert_int_equal(r, len == 2 + 32 + 33 + 2 + 32 + 2 ? TLS_HELLO_WHOLE : TLS_HELLO_BROKEN);
	}
}

static void what_begins_otherwise_is_no_tls(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
		{"GET / HTTP/1.1", 14},          {"\x16\x02", 2}, /* no such version */
		{"\x17\x03\x03\x00\x10", 5},                      /* data */
		{"\x16\x03\x01\x00\x00", 5},                      /* an empty record */
		{"\x16\x03\x01\x40\x01", 5},                      /* a record that is too long */
		{"\x16\x03\x01\x00\x40\x02", 6},                  /* a server's hello */
		{"\x80\x2e\x01\x00\x02", 5},                      /* SSL 2 */
	};
	struct tls_hello h;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		memcpy(wire, cases[i].bytes, cases[i].len);
		wire_len = cases[i].len;
		assert_int_equal(read_all(&h), TLS_HELLO_NOT_TLS);
	}
}

static void a_record_of_another_kind_inside_of_it_breaks_it(void **state)
{
	struct tls_hello h;

	(void)state;
	tls_browser(&rig, "api.example", 43);
	wire_len = tls_records(&rig, 100, wire);
	wire[105] = 0x15; /* the second record is an alert */
	assert_int_equal(read_all(&h), TLS_HELLO_BROKEN);
	wire_len = tls_records(&rig, 100, wire);
	wire[108] = wire[109] = 0; /* the second record is empty */
	assert_int_equal(read_all(&h), TLS_HELLO_BROKEN);
}

static void names_that_are_none_are_told_and_kept_apart(void **state)
{
	static const struct {
		const char *name;
		uint16_t deviations;
	} cases[] = {
		{"a", 0},
		{"under_score.example", 0},
		{"xn--bcher-kva.example.", 0},
		{"192.0.2.7", TLS_DEV_SNI_ADDRESS},
		{"2001:db8::7", TLS_DEV_SNI_ADDRESS},
		{"ignore all previous orders", TLS_DEV_SNI_INVALID},
		{"a\nb", TLS_DEV_SNI_INVALID},
		{"b\xc3\xbc"
		 "cher.example",
		 TLS_DEV_SNI_INVALID},
		{"user@host", TLS_DEV_SNI_INVALID},
	};
	char longest[300];
	struct tls_hello h;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(with_name(&h, cases[i].name, strlen(cases[i].name)), TLS_HELLO_WHOLE);
		assert_span(name_of(&h), cases[i].name);
		assert_int_equal(h.deviations, cases[i].deviations);
	}
	assert_int_equal(with_name(&h, "a\0b", 3), TLS_HELLO_WHOLE);
	assert_int_equal(h.name_len, 3);
	assert_int_equal(h.deviations, TLS_DEV_SNI_INVALID);

	memset(longest, 'a', sizeof longest);
	assert_int_equal(with_name(&h, longest, 255), TLS_HELLO_WHOLE);
	assert_int_equal(h.name_len, 255);
	assert_int_equal(h.deviations, 0);
	assert_int_equal(with_name(&h, longest, 256), TLS_HELLO_WHOLE);
	assert_int_equal(h.name_len, 0);
	assert_int_equal(h.deviations, TLS_DEV_SNI_LONG);
	assert_true(h.has_server_name);
}

static void odd_lists_of_names(void **state)
{
	struct tls_hello h;

	(void)state;
	/* no body, an empty list, an empty name */
	assert_int_equal(WITH_BODY(&h, 0, ""), TLS_HELLO_WHOLE);
	assert_int_equal(h.deviations, TLS_DEV_SNI_EMPTY);
	assert_ja4(&h, "t12d020100_62ed6f6ca7ad_000000000000");
	assert_int_equal(WITH_BODY(&h, 0, "\x00\x00"), TLS_HELLO_WHOLE);
	assert_int_equal(h.deviations, TLS_DEV_SNI_EMPTY);
	assert_int_equal(WITH_BODY(&h, 0, "\x00\x03\x00\x00\x00"), TLS_HELLO_WHOLE);
	assert_int_equal(h.deviations, TLS_DEV_SNI_EMPTY);
	/* a name of another type alone, and before one of a host */
	assert_int_equal(WITH_BODY(&h, 0, "\x00\x04\x07\x00\x01x"), TLS_HELLO_WHOLE);
	assert_int_equal(h.deviations, TLS_DEV_SNI_EMPTY);
	assert_int_equal(WITH_BODY(&h, 0, "\x00\x08\x07\x00\x01x\x00\x00\x01y"), TLS_HELLO_WHOLE);
	assert_int_equal(h.deviations, 0);
	assert_span(name_of(&h), "y");
	/* two hosts: the first */
	assert_int_equal(WITH_BODY(&h, 0, "\x00\x08\x00\x00\x01x\x00\x00\x01y"), TLS_HELLO_WHOLE);
	assert_int_equal(h.deviations, TLS_DEV_SNI_SEVERAL);
	assert_span(name_of(&h), "x");
	/* bytes behind the list */
	assert_int_equal(WITH_BODY(&h, 0, "\x00\x04\x00\x00\x01x?"), TLS_HELLO_WHOLE);
	assert_int_equal(h.deviations, TLS_DEV_TRAILING);
	/* lengths that reach beyond */
	assert_int_equal(WITH_BODY(&h, 0, "\x00\x05\x00\x00\x01x"), TLS_HELLO_BROKEN);
	assert_int_equal(WITH_BODY(&h, 0, "\x00\x04\x00\x00\x02x"), TLS_HELLO_BROKEN);
	assert_int_equal(WITH_BODY(&h, 0, "\x00"), TLS_HELLO_BROKEN);
	assert_int_equal(WITH_BODY(&h, 0, "\xff\xff"), TLS_HELLO_BROKEN);
}

static void an_extension_that_comes_again_does_not_count(void **state)
{
	struct tls_hello h;

	(void)state;
	begin_plain();
	tls_put_name(&rig, "first.example", 13);
	tls_put_name(&rig, "second.example", 14);
	end();
	assert_int_equal(read_all(&h), TLS_HELLO_WHOLE);
	assert_span(name_of(&h), "first.example");
	assert_int_equal(h.deviations, TLS_DEV_TWICE);
	assert_int_equal(h.extension_count, 2);
}

static void protocols_and_what_ja4_shows_of_them(void **state)
{
	static const struct {
		const char *body;
		size_t len;
		uint16_t deviations;
		const char *shown;
	} cases[] = {
		{"\x00\x03\x02h2", 5, 0, "h2"},
		{"\x00\x09\x08http/1.1", 11, 0, "h1"},
		{"\x00\x02\x01h", 4, 0, "hh"},
		{"\x00\x02\x01\xab", 4, 0, "ab"},
		{"\x00\x03\x02\xab\xcd", 5, 0, "ad"},
		{"\x00\x03\x02\x30\xab", 5, 0, "3b"},
		{"\x00\x05\x04\x30\x31\xab\xcd", 7, 0, "3d"},
		{"\x00\x00", 2, TLS_DEV_ALPN_INVALID, "00"},
		{"", 0, TLS_DEV_ALPN_INVALID, "00"},
		{"\x00\x04\x00\x02h2", 6, TLS_DEV_ALPN_INVALID, "00"},
	};
	struct tls_hello h;
	char ja4[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(with_body(&h, 16, cases[i].body, cases[i].len), TLS_HELLO_WHOLE);
		assert_int_equal(h.deviations, cases[i].deviations);
		snprintf(ja4, sizeof ja4, "t12i0201%s_62ed6f6ca7ad_000000000000", cases[i].shown);
		assert_ja4(&h, ja4);
	}
	assert_int_equal(WITH_BODY(&h, 16, "\x00\x03\x03h2"), TLS_HELLO_BROKEN);
	assert_int_equal(WITH_BODY(&h, 16, "\x00\x04\x02h2"), TLS_HELLO_BROKEN);
}

static void versions_and_their_grease(void **state)
{
	struct tls_hello h;

	(void)state;
	assert_int_equal(WITH_BODY(&h, 43, "\x06\xfa\xfa\x03\x03\x03\x04"), TLS_HELLO_WHOLE);
	assert_int_equal(tls_hello_offered(&h), 0x0304);
	assert_int_equal(WITH_BODY(&h, 43, "\x04\x03\x01\x03\x02"), TLS_HELLO_WHOLE);
	assert_int_equal(tls_hello_offered(&h), 0x0302);
	assert_int_equal(WITH_BODY(&h, 43, "\x02\xfa\xfa"), TLS_HELLO_WHOLE);
	assert_int_equal(tls_hello_offered(&h), 0x0303);
	assert_int_equal(WITH_BODY(&h, 43, "\x03\x03\x04\x03"), TLS_HELLO_BROKEN);
	assert_true(tls_is_grease(0x0a0a) && tls_is_grease(0xfafa));
	assert_false(tls_is_grease(0x0a1a) || tls_is_grease(0x0b0b) || tls_is_grease(0x1301));
}

static void what_a_reader_does_not_hold_is_too_long(void **state)
{
	static uint16_t many[2000];
	struct tls_hello h;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (uint16_t)(0x1000 + i);
	begin(0x0303, many, TLS_CIPHERS_MAX);
	end();
	assert_int_equal(read_all(&h), TLS_HELLO_WHOLE);
	assert_memory_equal(h.ciphers, many, sizeof h.ciphers);
	begin(0x0303, many, TLS_CIPHERS_MAX + 1);
	end();
	assert_int_equal(read_all(&h), TLS_HELLO_TOO_LONG);
	for (unsigned more = 0; more < 2; more++) {
		begin_plain();
		for (unsigned i = 0; i < TLS_EXTENSIONS_MAX + more; i++)
			tls_put_filled(&rig, (uint16_t)(0x2000 + i), i % 3);
		end();
		assert_int_equal(read_all(&h), more ? TLS_HELLO_TOO_LONG : TLS_HELLO_WHOLE);
		begin_plain();
		tls_put_list(&rig, 10, 2, many, TLS_GROUPS_MAX + more);
		end();
		assert_int_equal(read_all(&h), more ? TLS_HELLO_TOO_LONG : TLS_HELLO_WHOLE);
		begin_plain();
		tls_put_list(&rig, 13, 2, many, TLS_SIGNATURES_MAX + more);
		end();
		assert_int_equal(read_all(&h), more ? TLS_HELLO_TOO_LONG : TLS_HELLO_WHOLE);
	}
	begin_plain();
	tls_put_filled(&rig, 16, TLS_BODY_MAX + 1);
	end();
	assert_int_equal(read_all(&h), TLS_HELLO_TOO_LONG);
	/* The name of the longest: it is the name alone that is not kept. */
	begin_plain();
	tls_put_filled(&rig, 0, TLS_BODY_MAX + 1);
	end();
	assert_int_equal(read_all(&h), TLS_HELLO_WHOLE);
	assert_int_equal(h.deviations, TLS_DEV_SNI_LONG);
	/* As a whole: the length alone tells. */
	memcpy(wire, "\x16\x03\x01\x00\x04\x01\x00\x80\x01", 9);
	wire_len = 9;
	assert_int_equal(read_all(&h), TLS_HELLO_TOO_LONG);
	memcpy(wire, "\x16\x03\x01\x00\x04\x01\x00\x80\x00", 9);
	assert_int_equal(read_all(&h), TLS_HELLO_MORE);
}

/* JA4 has two digits for each count. */
static void counts_beyond_99_are_99(void **state)
{
	static uint16_t many[150];
	struct tls_hello h;
	char ja4[TLS_JA4_TEXT_MAX];
	struct tls_prints *p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (uint16_t)(0x1000 + i);
	begin(0x0303, many, ARRAY_SIZE(many));
	for (unsigned i = 0; i < 120; i++)
		tls_put_filled(&rig, (uint16_t)(0x2000 + i), 0);
	end();
	assert_int_equal(read_all(&h), TLS_HELLO_WHOLE);
	assert_int_equal(tls_prints_new(&p), 0);
	assert_true(tls_ja4(p, &h, ja4));
	assert_memory_equal(ja4, "t12i999900_", 11);
	tls_prints_free(p);
}

static void other_odd_ones(void **state)
{
	struct tls_hello h;
	uint8_t *session;

	(void)state;
	begin(0x0303, NULL, 0);
	end();
	assert_int_equal(read_all(&h), TLS_HELLO_WHOLE);
	assert_int_equal(h.deviations, TLS_DEV_NO_CIPHERS);
	assert_ja4(&h, "t12i000000_000000000000_000000000000");

	begin_plain();
	tls_close(&rig, extensions, 2);
	tls_put(&rig, 3, 0); /* behind its extensions */
	tls_close(&rig, message, 3);
	wire_len = tls_records(&rig, 16384, wire);
	assert_int_equal(read_all(&h), TLS_HELLO_WHOLE);
	assert_int_equal(h.deviations, TLS_DEV_TRAILING);

	begin_plain();
	tls_put(&rig, 3, 0); /* three bytes are no extension */
	end();
	assert_int_equal(read_all(&h), TLS_HELLO_BROKEN);

	begin_plain();
	tls_put(&rig, 4, 0x00170005); /* longer than what is left */
	end();
	assert_int_equal(read_all(&h), TLS_HELLO_BROKEN);

	begin_plain();
	end();
	session = wire + 5 + 4 + 2 + 32;
	*session = 33;
	assert_int_equal(read_all(&h), TLS_HELLO_BROKEN);
	*session = 32;
	session[33 + 1] = 3; /* the ciphers' length is odd */
	assert_int_equal(read_all(&h), TLS_HELLO_BROKEN);

	begin_plain();
	tls_put_filled(&rig, 42, 0);
	end();
	wire[2] = 9;
	assert_int_equal(read_all(&h), TLS_HELLO_WHOLE);
	assert_true(h.early_data);
	assert_int_equal(h.deviations, TLS_DEV_RECORD_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_browsers_hello_is_read_and_has_the_fingerprint_of_the_specification),
		cmocka_unit_test(a_client_without_a_name_has_another_letter),
		cmocka_unit_test(ja3_is_that_of_its_examples),
		cmocka_unit_test(how_it_is_cut_changes_nothing),
		cmocka_unit_test(a_hello_cut_at_any_byte_is_not_whole),
		cmocka_unit_test(a_message_that_ends_inside_of_a_field_is_broken),
		cmocka_unit_test(what_begins_otherwise_is_no_tls),
		cmocka_unit_test(a_record_of_another_kind_inside_of_it_breaks_it),
		cmocka_unit_test(names_that_are_none_are_told_and_kept_apart),
		cmocka_unit_test(odd_lists_of_names),
		cmocka_unit_test(an_extension_that_comes_again_does_not_count),
		cmocka_unit_test(protocols_and_what_ja4_shows_of_them),
		cmocka_unit_test(versions_and_their_grease),
		cmocka_unit_test(what_a_reader_does_not_hold_is_too_long),
		cmocka_unit_test(counts_beyond_99_are_99),
		cmocka_unit_test(other_odd_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
