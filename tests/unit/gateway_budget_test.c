// SPDX-License-Identifier: Apache-2.0
/* How often, and for how much, a gateway is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "forwarder/budget.h"
#include "lib/clock.h"
#include "lib/util.h"

#define DAY_NS (86400ull * NS_PER_S)

static void so_many_in_any_minute(void **state)
{
	struct budget b;
	uint64_t now_ns = 1000 * NS_PER_S;

	(void)state;
	budget_init(&b, 3, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(budget_due_ns(&b) <= now_ns);
		budget_spend(&b, now_ns + i * 10 * NS_PER_S, 0, 1);
	}
	assert_int_equal(budget_due_ns(&b), now_ns + 60 * NS_PER_S);
	now_ns += 60 * NS_PER_S;
	budget_spend(&b, now_ns, 0, 1);
	/* The second of them is the oldest now. */
	assert_int_equal(budget_due_ns(&b), now_ns + 10 * NS_PER_S);
	budget_init(&b, 0, 0);
	budget_spend(&b, now_ns, 0, 1);
	assert_int_equal(budget_due_ns(&b), 0);
}

static void so_much_a_day_and_the_next_begins_anew(void **state)
{
	struct budget b;
	uint64_t wall_ns = 20000 * DAY_NS + 5;

	(void)state;
	budget_init(&b, 0, 1000);
	assert_false(budget_is_spent(&b, wall_ns, 1000));
	assert_true(budget_is_spent(&b, wall_ns, 1001));
	budget_spend(&b, 1, wall_ns, 600);
	assert_false(budget_is_spent(&b, wall_ns, 400));
	assert_true(budget_is_spent(&b, wall_ns, 401));
	budget_settle(&b, 600, 900);
	assert_true(budget_is_spent(&b, wall_ns, 101));
	budget_settle(&b, 5, 200); /* more than the day had */
	assert_true(budget_is_spent(&b, wall_ns, 0));
	assert_true(budget_is_spent(&b, wall_ns - DAY_NS, 0)); /* a clock that is set back gives nothing */
	assert_false(budget_is_spent(&b, wall_ns + DAY_NS, 1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_in_any_minute),
		cmocka_unit_test(so_much_a_day_and_the_next_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
