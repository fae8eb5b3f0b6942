// SPDX-License-Identifier: Apache-2.0
/* datagrams.c: a segment in IP fragments becomes the record that the kernel half makes of a whole one. */
#include "sensor/datagrams.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "lib/util.h"

#define TEXT "GET /in/fragments HTTP/1.1\r\nHost: h\r\n\r\n"

enum { MADE_MAX = 512, FIRST = 24 };

struct way {
	const char *name;
	bool v6, l3_only, mapped, extension;
};
static const struct way ways[] = {
	{"IPv4", false, false, false, false},
	{"IPv4 without a link header", false, true, false, false},
	{"IPv6", true, false, false, false},
	{"IPv6 without a link header", true, true, false, false},
	{"IPv6, options behind the fragment header", true, false, false, true},
	{"IPv4 addresses in IPv6", true, false, true, false},
};

static void put(uint8_t *to, size_t *len, const void *bytes, size_t n)
{
	memcpy(to + *len, bytes, n);
	*len += n;
}

/* What is fragmented: perhaps an extension header, then the segment with one option of four bytes. */
static size_t payload_make(const struct way *w, uint8_t *to)
{
	static const uint8_t options[8] = {6, 0, 1, 4}; /* PadN */
	static const uint8_t tcp[24] = {0x9c, 0x40, 0x1f, 0x90, 1,    2,    3, 4, 5, 6, 7, 8,
					0x60, 0x19, 0x02, 0x00, 0xab, 0xcd, 0, 9, 2, 4, 5, 0xb4};
	size_t len = 0;

	if (w->extension)
		put(to, &len, options, sizeof options);
	put(to, &len, tcp, sizeof tcp);
	put(to, &len, TEXT, strlen(TEXT));
	return len;
}

/* [at, at + n) of it in a frame. */
static size_t fragment_make(const struct way *w, const uint8_t *payload, size_t at, size_t n, bool more,
			    uint8_t *to)
{
	uint8_t eth[14] = {[12] = w->v6 ? 0x86 : 0x08, [13] = w->v6 ? 0xdd : 0};
	uint8_t v4[20] = {0x45,
			  0,
			  0,
			  (uint8_t)(20 + n),
			  0,
			  77,
			  (uint8_t)(more ? 0x20 : 0),
			  (uint8_t)(at / 8),
			  61,
			  6,
			  0,
			  0,
			  192,
			  0,
			  2,
			  7,
			  192,
			  0,
			  2,
			  1};
	uint8_t v6[48] = {0x60, 0, 0, 0, 0, (uint8_t)(8 + n), 44, 62};
	size_t len = 0;

	memcpy(v6 + 8,
	       w->mapped ? "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\7" : "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\7",
	       16);
	memcpy(v6 + 24,
	       w->mapped ? "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1" : "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1",
	       16);
	v6[40] = w->extension ? 60 : 6;
	v6[43] = (uint8_t)(at | more);
	v6[47] = 77;
	if (!w->l3_only)
		put(to, &len, eth, sizeof eth);
	if (w->v6)
		put(to, &len, v6, sizeof v6);
	else
		put(to, &len, v4, sizeof v4);
	put(to, &len, payload + at, n);
	return len;
}

static const struct pk_segment *add(struct datagrams *d, const struct way *w, const uint8_t *frame,
				    size_t len, bool wanted)
{
	struct pk_frame *rec = malloc(sizeof *rec + len);

	assert_non_null(rec);
	*rec = (struct pk_frame){
		.rec = {.kind = PK_FRAME, .size = (uint32_t)(sizeof *rec + len), .time_ns = 4711},
		.ifindex = 3,
		.len = (uint32_t)len,
		.captured = (uint32_t)len,
		.hook = PK_HOOK_TC,
		.l3_only = w->l3_only,
		.wanted = wanted,
		.vlan = {12, 0}};
	memcpy(rec + 1, frame, len);
	const struct pk_segment *s = datagrams_add(d, rec);
	free(rec);
	return s;
}

/* Both fragments; the second one first, if so asked. Returns what the last one gave. */
static const struct pk_segment *both(struct datagrams *d, const struct way *w, bool backwards, bool wanted)
{
	uint8_t payload[MADE_MAX], frame[MADE_MAX];
	size_t len = payload_make(w, payload), n;
	const struct pk_segment *s = NULL;

	for (int i = 0; i < 2; i++) {
		if ((i == 0) != backwards)
			n = fragment_make(w, payload, 0, FIRST, true, frame);
		else
			n = fragment_make(w, payload, FIRST, len - FIRST, false, frame);
		s = add(d, w, frame, n, wanted && (i == 0) != backwards);
		assert_true(i == 1 || !s);
	}
	return s;
}

static void check(const struct way *w, const struct pk_segment *s)
{
	const struct pk_header *h = &s->header;
	bool v4 = !w->v6 || w->mapped;

	assert_int_equal(h->rec.kind, PK_SEGMENT);
	assert_int_equal(h->rec.time_ns, 4711);
	assert_int_equal(h->rec.size, sizeof *s + s->captured);
	assert_int_equal(h->ifindex, 3);
	assert_int_equal(h->hook, PK_HOOK_TC);
	assert_int_equal(h->family, v4 ? PK_AF_INET : PK_AF_INET6);
	assert_int_equal(h->ttl, w->v6 ? 62 : 61);
	assert_memory_equal(
		h->source_addr,
		v4 ? "\xc0\0\2\7\0\0\0\0\0\0\0\0\0\0\0\0" : "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\7", 16);
	assert_memory_equal(
		h->destination_addr,
		v4 ? "\xc0\0\2\1\0\0\0\0\0\0\0\0\0\0\0\0" : "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	assert_int_equal(h->source_port, 40000);
	assert_int_equal(h->destination_port, 8080);
	assert_int_equal(h->sequence, 0x01020304);
	assert_int_equal(h->acknowledgment, 0x05060708);
	assert_int_equal(h->window, 512);
	assert_int_equal(h->flags, PK_TCP_PSH | PK_TCP_ACK | PK_TCP_FIN);
	assert_int_equal(h->why, PK_WHY_FIN);
	assert_int_equal(h->header_length, 24);
	assert_int_equal(h->payload_len, strlen(TEXT));
	assert_int_equal(s->l4_len, 24 + strlen(TEXT));
	assert_int_equal(s->urgent, 9);
	assert_memory_equal(&s->checksum, "\xab\xcd", 2);
	assert_int_equal(s->vlan[0], 12);
	assert_int_equal(s->captured, 4 + strlen(TEXT));
	assert_memory_equal((const char *)(s + 1) + 4, TEXT, strlen(TEXT));
}

static void fragments_become_the_record_of_a_segment(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		for (int backwards = 0; backwards < 2; backwards++) {
			struct datagrams *d;
			assert_int_equal(datagrams_new(&d), 0);
			const struct pk_segment *s = both(d, &ways[i], backwards, true);
			if (!s)
				fail_msg("%s: no segment", ways[i].name);
			check(&ways[i], s);
			assert_int_equal(datagrams_counts(d).segments, 1);
			datagrams_free(d);
		}
	}
}

static void what_nobody_wants_is_no_segment(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct datagrams *d;
		assert_int_equal(datagrams_new(&d), 0);
		assert_null(both(d, &ways[i], false, false));
		assert_int_equal(datagrams_counts(d).segments, 0);
		assert_int_equal(datagrams_counts(d).defrag.whole, 1);
		datagrams_free(d);
	}
}

static void headers_that_are_none_make_no_segment(void **state)
{
	static const struct {
		size_t at; /* of the segment */
		uint8_t value;
	} faults[] = {{12, 0x40}, {12, 0xf0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		uint8_t payload[MADE_MAX], frame[MADE_MAX];
		const struct way *w = &ways[0];
		struct datagrams *d;

		assert_int_equal(datagrams_new(&d), 0);
		payload_make(w, payload);
		payload[faults[i].at] = faults[i].value;
		size_t n = fragment_make(w, payload, 0, FIRST, true, frame);
		assert_null(add(d, w, frame, n, true));
		n = fragment_make(w, payload, FIRST, 8, false, frame); /* of 32 bytes, fewer than 0xf says */
		assert_null(add(d, w, frame, n, false));
		assert_int_equal(datagrams_counts(d).defrag.whole, 1);
		datagrams_free(d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fragments_become_the_record_of_a_segment),
		cmocka_unit_test(what_nobody_wants_is_no_segment),
		cmocka_unit_test(headers_that_are_none_make_no_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
