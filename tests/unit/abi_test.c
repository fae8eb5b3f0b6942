// SPDX-License-Identifier: Apache-2.0
/* The arithmetic that both halves must agree on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "bpf/abi.h"

/*
 * Cookies are given out in a row, so a client can make connections whose cookies share a slot with another's.
 * With tags alike, one client's skip would hide another's bytes.
 */
static void connections_that_share_a_skip_slot_have_tags_of_their_own(void **state)
{
	(void)state;
	for (uint64_t base = 1; base < 1ull << 40; base = base * 3 + 1)
		for (uint64_t i = 1; i < 64; i++) {
			uint64_t other = base + i * PK_SKIP_SLOTS;
			assert_int_equal(pk_skip_slot(base), pk_skip_slot(other));
			assert_int_not_equal(pk_skip_tag(base), pk_skip_tag(other));
		}
}

static void no_tag_is_zero(void **state)
{
	(void)state;
	for (uint64_t cookie = 0; cookie < 1ull << 50; cookie = cookie * 5 + 1)
		assert_int_not_equal(pk_skip_tag(cookie), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_that_share_a_skip_slot_have_tags_of_their_own),
		cmocka_unit_test(no_tag_is_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
