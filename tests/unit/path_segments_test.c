// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"
#include "policies/path_segments.h"

static void segments_are_what_they_look_like(void **state)
{
	static const struct {
		const char *text;
		enum segment_kind kind;
	} cases[] = {
		/* words of APIs */
		{"api", SEGMENT_WORD},
		{"users", SEGMENT_WORD},
		{"me", SEGMENT_WORD},
		{"v1", SEGMENT_WORD},
		{"v2beta1", SEGMENT_WORD},
		{"v1.1", SEGMENT_WORD},
		{"oauth2", SEGMENT_WORD},
		{"2fa", SEGMENT_WORD},
		{"3dsecure", SEGMENT_WORD},
		{"k8s", SEGMENT_WORD},
		{"sha256", SEGMENT_WORD},
		{"top-10", SEGMENT_WORD},
		{"bulk-import", SEGMENT_WORD},
		{"bulk_import", SEGMENT_WORD},
		{"getUserByID", SEGMENT_WORD},
		{"DescribeInstances", SEGMENT_WORD},
		{"USERS", SEGMENT_WORD},
		{"chat.postMessage", SEGMENT_WORD},
		{"books:batchGet", SEGMENT_WORD},
		{"$metadata", SEGMENT_WORD},
		{".well-known", SEGMENT_WORD},
		{"robots.txt", SEGMENT_WORD},
		{"index.html", SEGMENT_WORD},
		{"graphql", SEGMENT_WORD},
		{"healthz", SEGMENT_WORD},
		{"internationalization", SEGMENT_WORD},
		{"alice", SEGMENT_WORD}, /* learned as a name, where there are many */
		/* ids */
		{"7", SEGMENT_ID},
		{"18446744073709551616", SEGMENT_ID},
		{"20240102", SEGMENT_ID},
		{"-5", SEGMENT_ID},
		{"3.14", SEGMENT_ID},
		{"3fa85f64-5717-4562-b3fc-2c963f66afa6", SEGMENT_ID},
		{"3FA85F64-5717-4562-B3FC-2C963F66AFA6", SEGMENT_ID},
		{"deadbeefdeadbeef", SEGMENT_ID},
		{"507f1f77bcf86cd799439011", SEGMENT_ID},
		{"usr_12ab", SEGMENT_ID},
		{"order-1234", SEGMENT_ID},
		{"post-2024", SEGMENT_ID},
		{"12ab", SEGMENT_ID},
		{"dQw4w9WgXcQ", SEGMENT_ID},
		{"T00000000", SEGMENT_ID},
		{"main.3f2a1b9c.js", SEGMENT_ID},
		{"c_0011223344556677", SEGMENT_ID},
		{"cus_9s6XKzkNRiz8i3", SEGMENT_ID},
		/* dates */
		{"2024-01-02", SEGMENT_DATE},
		{"2024-01", SEGMENT_DATE},
		{"2024-01-02T10:00:00Z", SEGMENT_DATE},
		/* addresses */
		{"a@b.example", SEGMENT_EMAIL},
		{"first.last%40b.example", SEGMENT_EMAIL},
		/* tokens */
		{"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N", SEGMENT_TOKEN},
		{"eyJhbGciOiJIUzI1NiJ9", SEGMENT_TOKEN},
		{"AKIAIOSFODNN7EXAMPLEKEY", SEGMENT_TOKEN},
		{"wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", SEGMENT_TOKEN},
		{"correcthorsebatterystaple", SEGMENT_TOKEN},
		{"XQzWvKpLmNbTrSdFgHjK", SEGMENT_TOKEN},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", SEGMENT_TOKEN},
		/* what redaction leaves */
		{"{jwt:h_00fcac341f4a40c1b3}", SEGMENT_TOKEN},
		{"{token}", SEGMENT_TOKEN},
		{"{email:h_001837850c702ee0e3}", SEGMENT_EMAIL},
		{"{uuid:h_00a246948b8d95391a}", SEGMENT_ID},
		{"{card:h_001506508fbd899ea6}", SEGMENT_ID},
		{"{text:h_001506508fbd899ea6}", SEGMENT_NAME},
		{"{jwtoken}", SEGMENT_NAME},
		/* not for words */
		{"caf%C3%A9", SEGMENT_NAME},
		{"a b", SEGMENT_NAME},
		{"{id}", SEGMENT_NAME},
		{"a,b", SEGMENT_NAME},
		{"--", SEGMENT_NAME},
		{"<script>", SEGMENT_NAME},
		{"\xc3\xa9", SEGMENT_NAME},
		/* nothing */
		{"", SEGMENT_BAD},
		{".", SEGMENT_BAD},
		{"..", SEGMENT_BAD},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (segment_kind(span_from(cases[i].text)) != cases[i].kind)
			fail_msg("\"%s\": expected kind %d, got %d", cases[i].text, cases[i].kind,
				 segment_kind(span_from(cases[i].text)));
}

/* The share of random texts that pass for a word, of which a secret of that alphabet would profit. */
static void random_texts_seldom_pass_for_words(void **state)
{
	static const struct {
		const char *alphabet;
		unsigned len, most_per_mille;
	} cases[] = {
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 22, 3},
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 16, 6},
		{"abcdefghijklmnopqrstuvwxyz0123456789", 16, 20},
		{"abcdefghijklmnopqrstuvwxyz234567", 16, 40},
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 16, 60},
		{"abcdefghijklmnopqrstuvwxyz", 24, 130},
		{"abcdefghijklmnopqrstuvwxyz", 16, 250},
	};
	char text[32];

	(void)state;
	srandom(7);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t letters = strlen(cases[i].alphabet), words = 0;
		for (unsigned n = 0; n < 10000; n++) {
			for (unsigned k = 0; k < cases[i].len; k++)
				text[k] = cases[i].alphabet[(size_t)random() % letters];
			words += segment_kind((struct span){text, cases[i].len}) == SEGMENT_WORD;
		}
		print_message("%u of %.10s...: %zu per mille pass\n", cases[i].len, cases[i].alphabet,
			      words / 10);
		assert_true(words <= cases[i].most_per_mille * 10);
	}
}

static void paths_come_apart_at_slashes(void **state)
{
	static const struct {
		const char *path, *segments;
	} cases[] = {
		{"/", ""},
		{"", ""},
		{"/a", "a,"},
		{"/a/", "a,"},
		{"/a/b", "a,b,"},
		{"/a//b", "a,,b,"},
		{"//", ","},
		{"/a;x=1/b;y", "a,b,"},
		{"a/b", ""},
		{"/;x", ","},
		{"/a/../b", "a,..,b,"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct span path = span_from(cases[i].path), s;
		char got[64] = "";
		while (segment_next(&path, &s)) {
			strncat(got, s.ptr, s.len);
			strcat(got, ",");
		}
		assert_string_equal(got, cases[i].segments);
	}
}

static void placeholders_have_two_ways(void **state)
{
	(void)state;
	for (unsigned k = 0; k < SEGMENT_KINDS; k++) {
		const char *text = segment_placeholder((enum segment_kind)k);
		if (text)
			assert_int_equal(segment_of_placeholder(span_from(text)), k);
	}
	assert_int_equal(segment_of_placeholder(SPAN("users")), SEGMENT_WORD);
	assert_int_equal(segment_of_placeholder(SPAN("{userId}")), SEGMENT_WORD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_are_what_they_look_like),
		cmocka_unit_test(random_texts_seldom_pass_for_words),
		cmocka_unit_test(paths_come_apart_at_slashes),
		cmocka_unit_test(placeholders_have_two_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
