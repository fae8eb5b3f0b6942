// SPDX-License-Identifier: Apache-2.0
/* How often, and for how much, a gateway is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "forwarder/budget.h"
#include "forwarder/budget_state.h"
#include "lib/clock.h"
#include "lib/state_file.h"
#include "lib/util.h"

#define DAY_NS (86400ull * NS_PER_S)

static struct budget_cost in(uint64_t tokens)
{
	return (struct budget_cost){tokens, 0};
}

static bool is_spent(struct budget *b, uint64_t wall_ns, uint64_t tokens)
{
	return budget_refuses(b, wall_ns, in(tokens)) != NULL;
}

static void so_many_in_any_minute(void **state)
{
	const struct budget_limits three = {.requests_per_minute = 3}, any = {0};
	struct budget b;
	uint64_t now_ns = 1000 * NS_PER_S;

	(void)state;
	budget_init(&b, &three);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(budget_due_ns(&b) <= now_ns);
		budget_spend(&b, now_ns + i * 10 * NS_PER_S, 0, in(1));
	}
	assert_int_equal(budget_due_ns(&b), now_ns + 60 * NS_PER_S);
	now_ns += 60 * NS_PER_S;
	budget_spend(&b, now_ns, 0, in(1));
	/* The second of them is the oldest now. */
	assert_int_equal(budget_due_ns(&b), now_ns + 10 * NS_PER_S);
	budget_init(&b, &any);
	budget_spend(&b, now_ns, 0, in(1));
	assert_int_equal(budget_due_ns(&b), 0);
}

static void so_much_a_day_and_the_next_begins_anew(void **state)
{
	const struct budget_limits limits = {.tokens_per_day = 1000};
	struct budget b;
	uint64_t wall_ns = 20000 * DAY_NS + 5;

	(void)state;
	budget_init(&b, &limits);
	assert_false(is_spent(&b, wall_ns, 1000));
	assert_true(is_spent(&b, wall_ns, 1001));
	budget_spend(&b, 1, wall_ns, in(600));
	assert_false(is_spent(&b, wall_ns, 400));
	assert_true(is_spent(&b, wall_ns, 401));
	budget_settle(&b, in(600), in(900));
	assert_true(is_spent(&b, wall_ns, 101));
	budget_settle(&b, in(5), in(200)); /* more than the day had */
	assert_true(is_spent(&b, wall_ns, 0));
	assert_true(is_spent(&b, wall_ns - DAY_NS, 0)); /* a clock that is set back gives nothing */
	assert_false(is_spent(&b, wall_ns + DAY_NS, 1000));
}

static void hour_and_day_and_money_each_stop_it(void **state)
{
	const struct budget_limits limits = {.tokens_per_hour = 1000,
					     .tokens_per_day = 1500,
					     .money_per_hour = 0.01,
					     .money_per_day = 0.012,
					     .price_in = 2,
					     .price_out = 10};
	const struct budget_cost dear = {100, 980};
	struct budget b;
	uint64_t wall_ns = 20000 * DAY_NS + 1800 * NS_PER_S;

	(void)state;
	budget_init(&b, &limits);
	assert_int_equal(budget_money_of(&b, dear), 10000);
	assert_string_equal(budget_refuses(&b, wall_ns, dear), "tokens_per_hour");
	assert_string_equal(budget_refuses(&b, wall_ns, (struct budget_cost){0, 1000 + 1}),
			    "tokens_per_hour");
	assert_null(budget_refuses(&b, wall_ns, (struct budget_cost){0, 1000}));
	budget_spend(&b, 1, wall_ns, (struct budget_cost){0, 900});
	assert_null(budget_refuses(&b, wall_ns, in(100)));
	assert_string_equal(budget_refuses(&b, wall_ns, (struct budget_cost){0, 101}), "tokens_per_hour");
	/* Cheap tokens, and a price that is another's. */
	b.limits.tokens_per_hour = 0;
	assert_string_equal(budget_refuses(&b, wall_ns, (struct budget_cost){0, 101}), "money_per_hour");
	assert_int_equal(budget_turn_ns(&b, "money_per_hour", wall_ns), 20000 * DAY_NS + 3600 * NS_PER_S);
	/* The next hour has its own, the day does not. */
	wall_ns += 3600 * NS_PER_S;
	assert_null(budget_refuses(&b, wall_ns, (struct budget_cost){0, 300}));
	assert_string_equal(budget_refuses(&b, wall_ns, (struct budget_cost){0, 301}), "money_per_day");
	assert_string_equal(budget_refuses(&b, wall_ns, in(601)), "tokens_per_day");
	assert_int_equal(budget_turn_ns(&b, "money_per_day", wall_ns), 20001 * DAY_NS);
}

static struct budget_kept kept_of(const struct budget *b, unsigned form)
{
	return (struct budget_kept){b->hour, b->day, {form, 20000, 0xfedcba9876543210}};
}

static void restart_gives_nothing_back(void **state)
{
	const struct budget_limits limits = {.tokens_per_hour = 1000, .price_in = 3};
	char folder[] = "/tmp/picket-budget.XXXXXX", path[64];
	uint64_t wall_ns = 20000 * DAY_NS;
	struct budget_kept kept = {0};
	struct budget_state *s;
	struct budget b, again;

	(void)state;
	assert_non_null(mkdtemp(folder));
	budget_init(&b, &limits);
	assert_int_equal(budget_state_open(folder, "model", &s), 0);
	assert_int_equal(budget_state_load(s, &kept), STATE_FILE_E_NONE);
	for (unsigned i = 0; i < 9; i++) {
		budget_spend(&b, i, wall_ns, in(100));
		kept = kept_of(&b, i % 3);
		assert_int_equal(budget_state_put(s, &kept), 0);
	}
	budget_state_free(s);
	budget_init(&again, &limits);
	assert_int_equal(budget_state_open(folder, "model", &s), 0);
	kept = (struct budget_kept){0};
	assert_int_equal(budget_state_load(s, &kept), 0);
	again.hour = kept.hour;
	again.day = kept.day;
	assert_int_equal(again.hour.tokens, 900);
	assert_int_equal(again.day.money, 2700);
	assert_int_equal(kept.form.form, 2);
	assert_int_equal(kept.form.day, 20000);
	assert_true(kept.form.endpoint == 0xfedcba9876543210);
	assert_false(is_spent(&again, wall_ns, 100));
	assert_true(is_spent(&again, wall_ns, 101));
	assert_false(is_spent(&again, wall_ns + 3600 * NS_PER_S, 1000));
	budget_state_free(s);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/budget-model.%u", folder, i);
		unlink(path);
	}
	rmdir(folder);
}

static void texts_that_are_no_budget(void **state)
{
#define LINE "picket-budget 1 1 2 3 4 5 6\n"
	static const char *const texts[] = {
		"",
		"picket-budget 1 ",
		"picket-budget 1 1 2 3 4 5\n",
		"picket-budget 1 1 2 3 4 5 6",
		"picket-budget 1 1 2 3 4 5 6\n\n",
		"picket-budget 1 1 2 3 4 5 -6\n",
		"picket-budget 1 1 2 3 4 5  6\n",
		"picket-budget 1 1 2 3 4 5 6 7\n",
		"picket-budget 2 1 2 3 4 5 6\n",
		"picket-budget 1 1 2 3 4 5 99999999999999999999\n",
		LINE "form",
		LINE "form 1 2 0123456789abcdef",
		LINE "form 0 2 0123456789abcdef\n",
		LINE "form 10 2 0123456789abcdef\n",
		LINE "form 1 2 0123456789abcdeF\n",
		LINE "form 1 2 0123456789abcde\n",
		LINE "form 1 2 0123456789abcdef0\n",
		LINE "form 1 2 0123456789abcdef\nform 1 2 0123456789abcdef\n",
		"form 1 2 0123456789abcdef\npicket-budget 1 1 2 3 4 5 6\n",
	};
	struct budget_kept kept = {.form.form = 7};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (!budget_state_parse(span_from(texts[i]), &kept) || kept.form.form != 7)
			fail_msg("taken: %s", texts[i]);
	assert_int_equal(budget_state_parse(SPAN(LINE), &kept), 0);
	assert_int_equal(kept.day.money, 6);
	assert_int_equal(kept.form.form, 0);
	assert_int_equal(budget_state_parse(SPAN(LINE "form 3 20788 00000000000000ff\n"), &kept), 0);
	assert_int_equal(kept.form.form, 3);
	assert_int_equal(kept.form.day, 20788);
	assert_int_equal(kept.form.endpoint, 255);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_in_any_minute),
		cmocka_unit_test(so_much_a_day_and_the_next_begins_anew),
		cmocka_unit_test(hour_and_day_and_money_each_stop_it),
		cmocka_unit_test(restart_gives_nothing_back),
		cmocka_unit_test(texts_that_are_no_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
