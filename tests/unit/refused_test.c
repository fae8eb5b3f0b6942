// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "lib/util.h"
#include "sensor/refused.h"

#define NXT 1000u
#define WND 5000u

static void what_a_refusal_is_called(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		enum pk_refusal refusal;
		uint32_t seq;
		uint16_t len;
		bool socket;
		const char *name;
		bool bytes_tell;
	} table[] = {
		{"spoilt checksum", PK_REFUSED_CHECKSUM, NXT, 10, false, "tcp_invalid_checksum", false},
		{"far ahead", PK_REFUSED_SEQUENCE, NXT + WND + 1, 10, true,
		 "tcp_established_packet_out_of_window", false},
		{"ahead, socket unknown", PK_REFUSED_SEQUENCE, NXT, 10, false,
		 "tcp_established_packet_out_of_window", false},
		{"keep-alive probe", PK_REFUSED_SEQUENCE, NXT - 1, 0, true, NULL, false},
		{"keep-alive probe of one byte", PK_REFUSED_SEQUENCE, NXT - 1, 1, true, NULL, false},
		{"honest retransmission of old bytes", PK_REFUSED_SEQUENCE, NXT - 50, 50, true, NULL, true},
		{"one byte more than there is", PK_REFUSED_SEQUENCE, NXT - 50, 51, true,
		 "tcp_established_packet_out_of_window", false},
		{"acknowledges what was never sent", PK_REFUSED_ACK, NXT, 5, true,
		 "tcp_established_invalid_ack", false},
		{"the same without a byte", PK_REFUSED_ACK, NXT, 0, true, NULL, false},
		{"no ACK", PK_REFUSED_FLAGS, NXT, 5, true, "tcp_ack_flag_missing", false},
		{"a RST that is taken", PK_REFUSED_RESET, NXT, 0, true, NULL, false},
		{"a RST that is guessed", PK_REFUSED_RESET, NXT + 7, 0, true, "tcp_suspected_rst_injection",
		 false},
		{"a RST, socket unknown", PK_REFUSED_RESET, NXT + 7, 0, false, NULL, false},
		{"SYN inside", PK_REFUSED_SYN, NXT, 0, true, "tcp_established_syn_resend", false},
		{"old timestamp", PK_REFUSED_TIMESTAMP, NXT, 9, true, "tcp_invalid_timestamp", false},
		{"old timestamp, no byte", PK_REFUSED_TIMESTAMP, NXT, 0, true, NULL, false},
		{"keep-alive probe, taken for old data", PK_REFUSED_DUPLICATE, NXT - 1, 1, true, NULL, false},
		{"there already", PK_REFUSED_DUPLICATE, NXT + 10, 9, true, NULL, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct pk_refused r = {
			.header = {.sequence = table[i].seq, .payload_len = table[i].len},
			.refusal = table[i].refusal,
			.cookie = table[i].socket ? 7 : 0,
			.rcv_nxt = table[i].socket ? NXT : 0,
			.rcv_wnd = table[i].socket ? WND : 0,
			.captured = table[i].len,
		};
		const char *name = refused_name(&r);
		if ((name != NULL) != (table[i].name != NULL) || (name && strcmp(name, table[i].name) != 0))
			fail_msg("%s: %s", table[i].what, name ? name : "(no name)");
		if (refused_bytes_tell(&r) != table[i].bytes_tell)
			fail_msg("%s: bytes", table[i].what);
	}
}

static void kept_bytes_are_compared_where_both_have_them(void **state)
{
	(void)state;
	struct refused_kept *k;

	assert_int_equal(refused_kept_new(&k), 0);
	assert_false(refused_differs(k, 7, 100, SPAN("abcdef")));
	refused_keep(k, 7, 103, SPAN("dXf"));
	assert_false(refused_differs(k, 8, 100, SPAN("abcdef"))); /* another connection's */
	assert_false(refused_differs(k, 7, 90, SPAN("0123456789")));
	assert_false(refused_differs(k, 7, 100, SPAN("abcd"))); /* as far as that they are equal */
	assert_true(refused_differs(k, 7, 104, SPAN("ef")));
	assert_false(refused_differs(k, 7, 104, SPAN("ef"))); /* compared, forgotten */
	refused_keep(k, 7, UINT32_MAX - 1, SPAN("abcd"));     /* the numbers wrap inside of it */
	assert_true(refused_differs(k, 7, 0, SPAN("cX")));
	refused_keep(k, 7, UINT32_MAX - 1, SPAN("abcd"));
	assert_false(refused_differs(k, 7, UINT32_MAX - 3, SPAN("__abcd__")));
	refused_kept_free(k);
}

static void a_full_store_gives_up_its_oldest(void **state)
{
	(void)state;
	struct refused_kept *k;

	assert_int_equal(refused_kept_new(&k), 0);
	for (uint64_t i = 1; i <= REFUSED_KEPT_MAX + 1; i++)
		refused_keep(k, i, 0, SPAN("x"));
	assert_int_equal(refused_kept_evicted(k), 1);
	assert_false(refused_differs(k, 1, 0, SPAN("y")));
	assert_true(refused_differs(k, 2, 0, SPAN("y")));
	assert_true(refused_differs(k, REFUSED_KEPT_MAX + 1, 0, SPAN("y")));
	char large[PK_REFUSED_MAX + 1] = {0};
	refused_keep(k, 9999, 0, (struct span){large, sizeof large}); /* no record is as large */
	assert_false(refused_differs(k, 9999, 0, SPAN("y")));
	refused_kept_free(k);
}

static void what_is_over_takes_no_place(void **state)
{
	(void)state;
	struct refused_kept *k;

	assert_int_equal(refused_kept_new(&k), 0);
	refused_keep(k, 1, 0, SPAN("x")); /* waits for long */
	for (uint64_t i = 2; i <= 2 * REFUSED_KEPT_MAX; i++) {
		refused_keep(k, i, 0, SPAN("x"));
		if (i % 2)
			refused_forget(k, i);
		else
			assert_false(refused_differs(k, i, 0, SPAN("x")));
	}
	assert_int_equal(refused_kept_evicted(k), 0);
	assert_true(refused_differs(k, 1, 0, SPAN("y")));
	refused_forget(k, 7);
	refused_forget(k, 0);
	refused_kept_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_refusal_is_called),
		cmocka_unit_test(kept_bytes_are_compared_where_both_have_them),
		cmocka_unit_test(a_full_store_gives_up_its_oldest),
		cmocka_unit_test(what_is_over_takes_no_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
