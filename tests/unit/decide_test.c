// SPDX-License-Identifier: Apache-2.0
#include "policies/decide.h"
#include <pthread.h>
#include <stdatomic.h>
#include "tests/unit/policies_config.h"

#define NOW SECONDS(1000)

static struct decide *fresh(size_t max, uint32_t rate, uint32_t burst)
{
	struct decide *d = NULL;

	assert_int_equal(decide_new(max, rate, burst, &d), 0);
	return d;
}

static int put(struct decide *d, const char *target, enum verdict_action action, uint64_t end_ns)
{
	struct prefix p = test_prefix(target);

	return decide_put(d, &p, action, end_ns);
}

static void take_out(struct decide *d, const char *target)
{
	struct prefix p = test_prefix(target);

	decide_remove(d, &p);
}

static struct decide_hits hits_of(struct decide *d, const char *target)
{
	struct prefix p = test_prefix(target);

	return decide_hits(d, &p);
}

static enum decide_answer ask_at(struct decide *d, const char *client, uint64_t now_ns, uint64_t *ret_retry_s)
{
	struct addr a = test_addr(client);

	return decide_ask(d, &a, now_ns, ret_retry_s);
}

static enum decide_answer ask(struct decide *d, const char *client)
{
	uint64_t retry_s;

	return ask_at(d, client, NOW, &retry_s);
}

static void an_entry_denies_its_client_until_its_end_and_nobody_else(void **state)
{
	struct decide *d = fresh(10, 20, 100);
	uint64_t retry_s = 0;

	(void)state;
	assert_int_equal(ask(d, "198.51.100.7"), DECIDE_PASS);
	assert_int_equal(put(d, "198.51.100.7", VERDICT_BLOCK, NOW + SECONDS(90) + 1), 0);
	assert_int_equal(put(d, "2001:db8:1::/48", VERDICT_BLOCK, NOW + SECONDS(90)), 0);
	assert_int_equal(ask_at(d, "198.51.100.7", NOW, &retry_s), DECIDE_DENY);
	assert_int_equal(retry_s, 91); /* rounded up: asking then finds it over */
	assert_int_equal(ask(d, "198.51.100.8"), DECIDE_PASS);
	assert_int_equal(ask(d, "2001:db8:1:2::3"), DECIDE_DENY);
	assert_int_equal(ask(d, "2001:db8:2::3"), DECIDE_PASS);
	assert_int_equal(ask_at(d, "198.51.100.7", NOW + SECONDS(90), &retry_s), DECIDE_DENY);
	assert_int_equal(ask_at(d, "198.51.100.7", NOW + SECONDS(90) + 1, &retry_s), DECIDE_PASS);
	take_out(d, "2001:db8:1::/48");
	assert_int_equal(ask(d, "2001:db8:1:2::3"), DECIDE_PASS);
	assert_int_equal(decide_counts(d).denied, 3);
	assert_int_equal(decide_counts(d).entries, 1);
	assert_int_equal(hits_of(d, "198.51.100.7").requests, 2);
	assert_int_equal(hits_of(d, "198.51.100.7").last_ns, NOW + SECONDS(90));
	assert_int_equal(hits_of(d, "198.51.100.8").requests, 0);
	decide_free(d);
}

static void of_several_that_cover_a_client_the_strongest_in_force_decides(void **state)
{
	struct decide *d = fresh(10, 20, 100);
	uint64_t retry_s;

	(void)state;
	put(d, "198.51.100.7", VERDICT_SHADOW, NOW + SECONDS(100));
	assert_int_equal(ask(d, "198.51.100.7"), DECIDE_PASS);
	assert_int_equal(decide_counts(d).shadowed, 1);
	assert_int_equal(hits_of(d, "198.51.100.7").requests, 1);
	put(d, "198.51.100.0/24", VERDICT_BLOCK, NOW + SECONDS(10));
	assert_int_equal(ask(d, "198.51.100.7"), DECIDE_DENY);
	assert_int_equal(hits_of(d, "198.51.100.0/24").requests, 1);
	/* The range's has ended, the address's is still a shadow. */
	assert_int_equal(ask_at(d, "198.51.100.7", NOW + SECONDS(11), &retry_s), DECIDE_PASS);
	assert_int_equal(hits_of(d, "198.51.100.7").requests, 2);
	/* A replaced entry keeps its hits. */
	put(d, "198.51.100.7", VERDICT_BLOCK, NOW + SECONDS(100));
	assert_int_equal(ask_at(d, "198.51.100.7", NOW + SECONDS(11), &retry_s), DECIDE_DENY);
	assert_int_equal(hits_of(d, "198.51.100.7").requests, 3);
	decide_free(d);
}

static void rate_limit_lets_a_burst_and_then_its_rate_pass_of_each_client(void **state)
{
	struct decide *d = fresh(10, 10, 5);
	uint64_t retry_s = 0, passed = 0;

	(void)state;
	put(d, "198.51.100.0/24", VERDICT_RATE_LIMIT, NOW + SECONDS(1000));
	for (int i = 0; i < 100; i++)
		passed += ask_at(d, "198.51.100.7", NOW, &retry_s) == DECIDE_PASS;
	assert_int_equal(passed, 5);
	assert_int_equal(retry_s, 1);
	assert_int_equal(ask(d, "198.51.100.8"), DECIDE_PASS); /* has a bucket of its own */
	/* Ten seconds of twenty questions each: its rate, and what it had saved. */
	passed = 0;
	for (uint64_t t = 1; t <= 200; t++)
		passed += ask_at(d, "198.51.100.7", NOW + t * NS_PER_S / 20, &retry_s) == DECIDE_PASS;
	assert_in_range(passed, 100, 105);
	assert_int_equal(decide_counts(d).slowed, 95 + 200 - passed);
	decide_free(d);
}

/* Who slows many clients at once lets some of them pass and says so; it never slows a wrong one. */
static void where_too_many_are_slowed_some_pass_and_are_counted(void **state)
{
	struct decide *d = fresh(10, 1, 1);
	uint64_t retry_s, slowed = 0;

	(void)state;
	put(d, "2001:db8::/32", VERDICT_RATE_LIMIT, NOW + SECONDS(1000));
	for (int round = 0; round < 2; round++)
		for (unsigned i = 0; i < 20000; i++) {
			struct addr a = test_addr("2001:db8::");
			memcpy(a.bytes + 12, &i, 4);
			enum decide_answer answer = decide_ask(d, &a, NOW, &retry_s);
			assert_true(round || answer == DECIDE_PASS);
			slowed += answer == DECIDE_SLOW;
		}
	assert_in_range(slowed, 3000, 4096);
	assert_int_equal(decide_counts(d).unpaced, 40000 - slowed - slowed);
	decide_free(d);
}

static void a_full_table_takes_no_more_and_loses_none(void **state)
{
	struct decide *d = fresh(2, 20, 100);

	(void)state;
	assert_int_equal(put(d, "198.51.100.1", VERDICT_BLOCK, NOW + SECONDS(10)), 0);
	assert_int_equal(put(d, "198.51.100.2", VERDICT_BLOCK, NOW + SECONDS(10)), 0);
	assert_int_equal(put(d, "198.51.100.3", VERDICT_BLOCK, NOW + SECONDS(10)), DECIDE_E_FULL);
	assert_int_equal(put(d, "198.51.100.2", VERDICT_BLOCK, NOW + SECONDS(20)), 0);
	assert_int_equal(ask(d, "198.51.100.1"), DECIDE_DENY);
	assert_int_equal(ask(d, "198.51.100.3"), DECIDE_PASS);
	decide_free(d);
}

static void while_off_everybody_passes(void **state)
{
	struct decide *d = fresh(2, 20, 100);

	(void)state;
	put(d, "198.51.100.1", VERDICT_BLOCK, NOW + SECONDS(10));
	decide_off(d, true);
	assert_int_equal(ask(d, "198.51.100.1"), DECIDE_PASS);
	decide_off(d, false);
	assert_int_equal(ask(d, "198.51.100.1"), DECIDE_DENY);
	decide_free(d);
}

/* --- many at once --- */

static atomic_bool over;

static void *change(void *arg)
{
	struct decide *d = arg;

	while (!atomic_load(&over)) {
		put(d, "198.51.100.1", VERDICT_BLOCK, NOW + SECONDS(10));
		take_out(d, "198.51.100.1");
	}
	return NULL;
}

static void it_can_be_asked_while_it_changes(void **state)
{
	struct decide *d = fresh(10, 20, 100);
	uint64_t denied = 0;
	pthread_t thread;

	(void)state;
	put(d, "198.51.100.2", VERDICT_BLOCK, NOW + SECONDS(10));
	assert_int_equal(pthread_create(&thread, NULL, change, d), 0);
	for (int i = 0; i < 200000; i++) {
		denied += ask(d, "198.51.100.1") == DECIDE_DENY;
		assert_int_equal(ask(d, "198.51.100.2"), DECIDE_DENY);
	}
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	assert_int_equal(decide_counts(d).denied, 200000 + denied);
	decide_free(d);
}

static uint64_t denied_until(struct decide *d, const char *target)
{
	struct prefix p = test_prefix(target);
	struct decide_denial denial;

	return decide_denied(d, &p, NOW, &denial) ? denial.end_ns : 0;
}

/* For who looks for the most specific entry alone. */
static void a_copy_says_of_each_entry_how_long_anything_around_it_denies(void **state)
{
	struct decide *d = fresh(10, 20, 100);
	struct decide_denials all;
	size_t seen = 0;

	(void)state;
	assert_int_equal(decide_denials(d, NOW, 100, &all), 0);
	assert_int_equal(all.count, 0);
	free(all.items);
	put(d, "198.51.100.7", VERDICT_BLOCK, NOW + SECONDS(10));
	put(d, "198.51.100.8", VERDICT_RESET, NOW + SECONDS(1000));
	assert_int_equal(ask(d, "198.51.100.8"), DECIDE_DENY); /* there is nothing else to do at HTTP */
	put(d, "198.51.100.9", VERDICT_RATE_LIMIT, NOW + SECONDS(1000));
	put(d, "198.51.100.10", VERDICT_BLOCK, NOW);
	put(d, "198.51.100.0/24", VERDICT_BLOCK, NOW + SECONDS(100));
	put(d, "198.51.0.0/16", VERDICT_SHADOW, NOW + SECONDS(5000));
	put(d, "2001:db8::/48", VERDICT_BLOCK, NOW + SECONDS(50));
	assert_int_equal(decide_denials(d, NOW, 1, &all), 0); /* no decision is left out */
	assert_int_equal(all.count, 4);
	for (size_t i = 0; i < all.count; i++) {
		char text[PREFIX_TEXT_MAX];
		prefix_format(&all.items[i].target, text);
		assert_false(all.items[i].listed);
		seen += all.items[i].end_ns == denied_until(d, text);
		if (!strcmp(text, "198.51.100.7"))
			assert_int_equal(all.items[i].end_ns, NOW + SECONDS(100));
	}
	assert_int_equal(seen, 4);
	assert_int_equal(denied_until(d, "198.51.100.8"), NOW + SECONDS(1000));
	assert_int_equal(denied_until(d, "198.51.100.9"), 0);
	assert_int_equal(denied_until(d, "198.51.100.10"), 0);
	assert_int_equal(denied_until(d, "198.51.100.11"), 0);
	assert_int_equal(denied_until(d, "2001:db8::/48"), NOW + SECONDS(50));
	free(all.items);
	decide_off(d, true);
	assert_true(decide_is_off(d));
	assert_int_equal(denied_until(d, "198.51.100.8"), 0);
	assert_int_equal(decide_denials(d, NOW, 100, &all), 0);
	assert_int_equal(all.count, 0);
	free(all.items);
	decide_free(d);
}

/* --- consumers and JA4 --- */

static enum decide_answer ask_as(struct decide *d, const char *client, const char *consumer, const char *ja4)
{
	struct decide_question q = {.key_count = 0};
	uint64_t retry_s;

	if (client)
		q.client = test_addr(client);
	if (consumer)
		assert_int_equal(target_parse(span_from(consumer), &q.keys[q.key_count++]), 0);
	if (ja4)
		assert_int_equal(target_parse(span_from(ja4), &q.keys[q.key_count++]), 0);
	return decide_ask_of(d, &q, NOW, &retry_s);
}

static void put_key(struct decide *d, const char *target, enum verdict_action action)
{
	struct prefix p;

	assert_int_equal(target_parse(span_from(target), &p), 0);
	assert_int_equal(decide_put(d, &p, action, NOW + SECONDS(60)), 0);
}

#define THIEF "consumer:c_01aaaaaaaaaaaaaaaa"
#define OTHER "consumer:c_01bbbbbbbbbbbbbbbb"
#define TOOL  "ja4:t13d1516h2_8daaf6152771_b186095e22b6"

static void a_consumer_is_denied_wherever_it_comes_from_and_its_neighbours_are_not(void **state)
{
	struct decide *d = fresh(10, 1, 2);
	struct decide_denials all;
	struct prefix p;

	(void)state;
	assert_false(decide_has(d, TARGET_CONSUMER));
	put_key(d, THIEF, VERDICT_BLOCK);
	put_key(d, TOOL, VERDICT_BLOCK);
	assert_true(decide_has(d, TARGET_CONSUMER) && decide_has(d, TARGET_JA4));
	assert_int_equal(ask_as(d, "198.51.100.7", THIEF, NULL), DECIDE_DENY);
	assert_int_equal(ask_as(d, "2001:db8::7", THIEF, NULL), DECIDE_DENY);
	assert_int_equal(ask_as(d, NULL, THIEF, NULL), DECIDE_DENY);
	assert_int_equal(ask_as(d, "198.51.100.7", OTHER, NULL), DECIDE_PASS);
	assert_int_equal(ask_as(d, "198.51.100.7", NULL, NULL), DECIDE_PASS);
	assert_int_equal(ask_as(d, "198.51.100.7", OTHER, TOOL), DECIDE_DENY);
	/* HAProxy's map has addresses. */
	assert_int_equal(decide_denials(d, NOW, 10, &all), 0);
	assert_int_equal(all.count, 0);
	free(all.items);
	assert_int_equal(target_parse(SPAN(THIEF), &p), 0);
	assert_int_equal(decide_hits(d, &p).requests, 3);
	decide_remove(d, &p);
	assert_false(decide_has(d, TARGET_CONSUMER));
	assert_int_equal(ask_as(d, "198.51.100.7", THIEF, NULL), DECIDE_PASS);
	/* One budget for the consumer, from all its addresses. */
	put_key(d, OTHER, VERDICT_RATE_LIMIT);
	assert_int_equal(ask_as(d, "198.51.100.7", OTHER, NULL), DECIDE_PASS);
	assert_int_equal(ask_as(d, "198.51.100.8", OTHER, NULL), DECIDE_PASS);
	assert_int_equal(ask_as(d, "198.51.100.9", OTHER, NULL), DECIDE_SLOW);
	decide_free(d);
}

/* --- block lists --- */

#define WALL_AHEAD SECONDS(1000000)

static struct list *list_of(const char *text)
{
	const struct list_times times = {.now_s = (NOW + WALL_AHEAD) / NS_PER_S};
	struct list_report report;
	struct list *l = NULL;

	assert_int_equal(list_parse(span_from(text), CONFIG_LIST_AUTO, &times, &l, &report), 0);
	return l;
}

/* As if each entry were in force, but for those of which `but` is a part. */
static bool list_set(struct decide *d, unsigned at, struct list *l, enum verdict_action action,
		     const char *but, uint64_t end_ns)
{
	struct listed_view view = {
		.list = l,
		.action = action,
		.mark = 1,
		.mask = 0x7f,
		.end_ns = end_ns,
		.latest_ns = NOW + SECONDS(5000),
		.wall_ahead_ns = (int64_t)WALL_AHEAD,
	};

	for (uint32_t i = 0; i < list_count(l); i++) {
		char text[PREFIX_TEXT_MAX];
		struct prefix p = list_target(l, i);
		bool in = !but || !strstr(prefix_format(&p, text), but);
		list_mark_set(l, i, in ? 0x81 : 0x21); /* 0x80: the owner's own */
		view.in_force += in;
	}
	return decide_list(d, at, &view);
}

static void a_block_list_denies_what_is_in_force_of_it(void **state)
{
	struct decide *d = fresh(10, 20, 100);
	struct list *l =
		list_of("198.51.100.7\n198.51.100.8\n203.0.113.0/24\n2001:db8:1::/48\n2001:db8:2::1\n");
	const struct decide_question q = {.client = test_addr("198.51.100.7")};
	uint64_t retry_s = 0;

	(void)state;
	decide_expect_lists(d, 1);
	assert_false(decide_lists_known(d));
	assert_int_equal(ask(d, "198.51.100.7"), DECIDE_PASS);
	assert_true(list_set(d, 0, l, VERDICT_BLOCK, "100.8", NOW + SECONDS(90)));
	assert_true(decide_lists_known(d));
	assert_false(list_set(d, 0, l, VERDICT_BLOCK, "100.8", NOW + SECONDS(90)));
	assert_int_equal(ask_at(d, "198.51.100.7", NOW, &retry_s), DECIDE_DENY);
	assert_int_equal(retry_s, 90);
	assert_int_equal(ask(d, "198.51.100.8"), DECIDE_PASS); /* refused by the hard limits */
	assert_int_equal(ask(d, "198.51.100.9"), DECIDE_PASS);
	assert_int_equal(ask(d, "203.0.113.200"), DECIDE_DENY);
	assert_int_equal(ask(d, "203.0.114.1"), DECIDE_PASS);
	assert_int_equal(ask(d, "2001:db8:1:2::3"), DECIDE_DENY);
	assert_int_equal(ask(d, "2001:db8:2::1"), DECIDE_DENY);
	assert_int_equal(ask(d, "2001:db8:2::2"), DECIDE_PASS);
	assert_int_equal(ask_at(d, "198.51.100.7", NOW + SECONDS(90), &retry_s), DECIDE_PASS);
	assert_int_equal(decide_in_force(d, &q, NOW), VERDICT_BLOCK);
	assert_int_equal(decide_counts(d).denied, 4);
	assert_int_equal(decide_counts(d).listed, 4);
	assert_int_equal(decide_list_hits(d, 0).requests, 4);
	assert_int_equal(decide_list_hits(d, 1).requests, 0);
	decide_off(d, true);
	assert_int_equal(ask(d, "198.51.100.7"), DECIDE_PASS);
	decide_off(d, false);
	list_set(d, 0, NULL, VERDICT_BLOCK, NULL, 0);
	assert_int_equal(ask(d, "198.51.100.7"), DECIDE_PASS);
	list_free(l);
	decide_free(d);
}

static void an_entry_of_a_list_ends_by_its_own_time_and_no_later_than_may_be(void **state)
{
	struct decide *d = fresh(10, 20, 100);
	char text[512];
	uint64_t now_s = (NOW + WALL_AHEAD) / NS_PER_S, retry_s = 0;

	(void)state;
	snprintf(
		text, sizeof text,
		"[{\"value\": \"198.51.100.7\", \"scope\": \"Ip\", \"type\": \"ban\", \"duration\": \"30s\"},"
		" {\"value\": \"198.51.100.8\", \"scope\": \"Ip\", \"type\": \"ban\", \"duration\": "
		"\"90000s\"}]");
	const struct list_times times = {.now_s = now_s, .written_s = now_s};
	struct list_report report;
	struct list *l = NULL;
	assert_int_equal(list_parse(span_from(text), CONFIG_LIST_AUTO, &times, &l, &report), 0);
	list_set(d, 0, l, VERDICT_BLOCK, NULL, NOW + SECONDS(90));
	assert_int_equal(ask_at(d, "198.51.100.7", NOW, &retry_s), DECIDE_DENY);
	assert_int_equal(retry_s, 30);
	assert_int_equal(ask_at(d, "198.51.100.7", NOW + SECONDS(30), &retry_s), DECIDE_PASS);
	assert_int_equal(ask_at(d, "198.51.100.8", NOW, &retry_s), DECIDE_DENY);
	assert_int_equal(retry_s, 5000);
	list_free(l);
	decide_free(d);
}

static void of_lists_and_decisions_the_strongest_in_force_decides(void **state)
{
	struct decide *d = fresh(10, 20, 100);
	struct list *deny = list_of("198.51.100.0/24\n"), *shadow = list_of("198.51.100.7\n203.0.113.7\n");
	uint64_t retry_s;

	(void)state;
	list_set(d, 0, shadow, VERDICT_SHADOW, NULL, NOW + SECONDS(90));
	assert_int_equal(ask(d, "198.51.100.7"), DECIDE_PASS);
	assert_int_equal(decide_counts(d).shadowed, 1);
	list_set(d, 1, deny, VERDICT_BLOCK, NULL, NOW + SECONDS(10));
	assert_int_equal(ask(d, "198.51.100.7"), DECIDE_DENY);
	assert_int_equal(decide_list_hits(d, 1).requests, 1);
	assert_int_equal(ask_at(d, "198.51.100.7", NOW + SECONDS(11), &retry_s), DECIDE_PASS);
	assert_int_equal(decide_list_hits(d, 0).requests, 2);
	put(d, "203.0.113.7", VERDICT_BLOCK, NOW + SECONDS(100));
	assert_int_equal(ask(d, "203.0.113.7"), DECIDE_DENY);
	assert_int_equal(hits_of(d, "203.0.113.7").requests, 1);
	put(d, "198.51.100.7", VERDICT_SHADOW, NOW + SECONDS(100));
	assert_int_equal(ask(d, "198.51.100.7"), DECIDE_DENY);
	decide_free(d);
	list_free(deny);
	list_free(shadow);
}

/* For who looks for the most specific entry alone, and has room for so many. */
static void a_copy_holds_lists_as_far_as_there_is_room_each_target_once(void **state)
{
	struct decide *d = fresh(10, 20, 100);
	struct list *a = list_of("198.51.100.7\n198.51.100.8\n203.0.113.0/24\n");
	struct list *b = list_of("198.51.100.8\n198.51.100.9\n203.0.113.9\n");
	struct prefix nine = test_prefix("198.51.100.9");
	struct decide_denial one;
	struct decide_denials all;
	size_t listed = 0;

	(void)state;
	put(d, "198.51.100.7", VERDICT_BLOCK, NOW + SECONDS(10));
	put(d, "198.51.100.9", VERDICT_SHADOW, NOW + SECONDS(10));
	list_set(d, 0, a, VERDICT_BLOCK, NULL, NOW + SECONDS(60));
	list_set(d, 1, b, VERDICT_RESET, NULL, NOW + SECONDS(30));
	assert_int_equal(decide_denials(d, NOW, 100, &all), 0);
	assert_int_equal(all.count, 5);
	assert_int_equal(all.beyond, 0);
	for (size_t i = 0; i < all.count; i++) {
		char text[PREFIX_TEXT_MAX];
		prefix_format(&all.items[i].target, text);
		bool nine_alone = !strcmp(text, "198.51.100.9");
		assert_int_equal(all.items[i].end_ns, NOW + SECONDS(nine_alone ? 30 : 60));
		listed += all.items[i].listed;
	}
	assert_int_equal(listed, 4);
	free(all.items);
	assert_int_equal(decide_denials(d, NOW, 3, &all), 0);
	assert_int_equal(all.count, 3);
	assert_int_equal(all.beyond, 2);
	free(all.items);
	assert_true(decide_denied(d, &nine, NOW, &one));
	assert_true(one.listed);
	assert_int_equal(denied_until(d, "198.51.100.7"), NOW + SECONDS(60));
	assert_int_equal(denied_until(d, "203.0.113.0/24"), NOW + SECONDS(60));
	assert_int_equal(denied_until(d, "203.0.113.0/25"), 0);
	decide_free(d);
	list_free(a);
	list_free(b);
}

struct swap {
	struct decide *d;
	struct list *lists[2];
};

static void *swap(void *arg)
{
	struct swap *s = arg;

	for (unsigned i = 0; !atomic_load(&over); i++)
		list_set(s->d, 0, s->lists[i % 2], VERDICT_BLOCK, NULL, NOW + SECONDS(60));
	return NULL;
}

static void lists_can_be_asked_while_they_change(void **state)
{
	struct decide *d = fresh(10, 20, 100);
	struct swap s = {d, {list_of("198.51.100.1\n198.51.100.2\n"), list_of("198.51.100.2\n")}};
	struct decide_denials all;
	pthread_t thread;

	(void)state;
	atomic_store(&over, false);
	list_set(d, 0, s.lists[0], VERDICT_BLOCK, NULL, NOW + SECONDS(60));
	assert_int_equal(pthread_create(&thread, NULL, swap, &s), 0);
	for (int i = 0; i < 20000; i++) {
		ask(d, "198.51.100.1");
		assert_int_equal(ask(d, "198.51.100.2"), DECIDE_DENY);
		assert_int_equal(decide_denials(d, NOW, 100, &all), 0);
		assert_in_range(all.count, 1, 2);
		free(all.items);
	}
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	decide_free(d);
	list_free(s.lists[0]);
	list_free(s.lists[1]);
}

/* --- routes --- */

static struct request_path asked_for;

static enum decide_answer ask_for(struct decide *d, const char *client, const char *consumer,
				  const char *target)
{
	struct decide_question q = {.key_count = 0};
	uint64_t retry_s;

	if (client)
		q.client = test_addr(client);
	if (consumer)
		assert_int_equal(target_parse(span_from(consumer), &q.keys[q.key_count++]), 0);
	if (target) {
		request_path_read(span_from(target), &asked_for);
		q.path = &asked_for;
	}
	return decide_ask_of(d, &q, NOW, &retry_s);
}

static size_t routes_of(struct decide *d, const char *who, struct prefix *ret)
{
	struct prefix p;

	assert_int_equal(target_parse(span_from(who), &p), 0);
	return decide_routes_of(d, &p, NOW, ret, 2);
}

static void who_is_denied_on_a_route_passes_everywhere_else(void **state)
{
	struct decide *d = fresh(10, 1, 2);
	struct decide_denials all;
	struct prefix p;

	(void)state;
	assert_false(decide_has(d, TARGET_ROUTED));
	put_key(d, "198.51.100.7@/login", VERDICT_BLOCK);
	put_key(d, "203.0.113.0/24@/users/{id}", VERDICT_BLOCK);
	put_key(d, THIEF "@/users/{id}", VERDICT_BLOCK);
	assert_true(decide_has(d, TARGET_ROUTED) && decide_has(d, TARGET_CONSUMER));
	assert_int_equal(ask_for(d, "198.51.100.7", NULL, "/login"), DECIDE_DENY);
	assert_int_equal(ask_for(d, "198.51.100.7", NULL, "/x/..//%6cogin?a=b"), DECIDE_DENY);
	assert_int_equal(ask_for(d, "198.51.100.7", NULL, "/"), DECIDE_PASS);
	assert_int_equal(ask_for(d, "198.51.100.7", NULL, "/users/7"), DECIDE_PASS);
	assert_int_equal(ask_for(d, "198.51.100.7", NULL, NULL), DECIDE_PASS);
	assert_int_equal(ask_for(d, "198.51.100.8", NULL, "/login"), DECIDE_PASS);
	assert_int_equal(ask_for(d, "203.0.113.9", NULL, "/users/7"), DECIDE_DENY);
	assert_int_equal(ask_for(d, "203.0.113.9", NULL, "/login"), DECIDE_PASS);
	assert_int_equal(ask_for(d, "2001:db8::7", THIEF, "/users/7"), DECIDE_DENY);
	assert_int_equal(ask_for(d, "2001:db8::7", THIEF, "/users"), DECIDE_PASS);
	assert_int_equal(ask_for(d, "2001:db8::7", OTHER, "/users/7"), DECIDE_PASS);
	/* What nobody can read is held against who is denied somewhere, and against nobody else. */
	assert_int_equal(ask_for(d, "198.51.100.7", NULL, "/%zz"), DECIDE_DENY);
	assert_int_equal(ask_for(d, "198.51.100.8", NULL, "/%zz"), DECIDE_PASS);
	/* Nobody copies them: a map knows no routes. */
	assert_int_equal(decide_denials(d, NOW, 10, &all), 0);
	assert_int_equal(all.count, 0);
	free(all.items);
	assert_int_equal(denied_until(d, "198.51.100.7"), 0);
	assert_int_equal(target_parse(SPAN("198.51.100.7@/login"), &p), 0);
	assert_int_equal(decide_hits(d, &p).requests, 3);
	decide_remove(d, &p);
	assert_int_equal(ask_for(d, "198.51.100.7", NULL, "/login"), DECIDE_PASS);
	assert_int_equal(target_parse(SPAN("203.0.113.0/24@/users/{id}"), &p), 0);
	decide_remove(d, &p);
	assert_int_equal(ask_for(d, "2001:db8::7", THIEF, "/users/7"), DECIDE_DENY);
	assert_int_equal(target_parse(SPAN(THIEF "@/users/{id}"), &p), 0);
	decide_remove(d, &p);
	assert_false(decide_has(d, TARGET_ROUTED) || decide_has(d, TARGET_CONSUMER));
	decide_free(d);
}

static void of_all_routes_and_one_the_strongest_decides(void **state)
{
	struct decide *d = fresh(10, 1, 2);

	(void)state;
	put_key(d, "198.51.100.7", VERDICT_SHADOW);
	put_key(d, "198.51.100.7@/login", VERDICT_RATE_LIMIT);
	put_key(d, "198.51.100.0/24@/{any}", VERDICT_BLOCK);
	assert_int_equal(ask_for(d, "198.51.100.7", NULL, "/login"), DECIDE_DENY);
	assert_int_equal(ask_for(d, "198.51.100.7", NULL, "/a/b"), DECIDE_PASS);
	assert_int_equal(decide_counts(d).shadowed, 1);
	decide_free(d);
}

static void a_client_is_slowed_on_each_route_by_itself(void **state)
{
	struct decide *d = fresh(10, 1, 2);

	(void)state;
	put_key(d, "198.51.100.0/24@/login", VERDICT_RATE_LIMIT);
	put_key(d, "198.51.100.0/24@/search", VERDICT_RATE_LIMIT);
	put_key(d, THIEF "@/login", VERDICT_RATE_LIMIT);
	for (int i = 0; i < 2; i++)
		assert_int_equal(ask_for(d, "198.51.100.7", NULL, "/login"), DECIDE_PASS);
	assert_int_equal(ask_for(d, "198.51.100.7", NULL, "/login"), DECIDE_SLOW);
	assert_int_equal(ask_for(d, "198.51.100.7", NULL, "/search"), DECIDE_PASS);
	assert_int_equal(ask_for(d, "198.51.100.8", NULL, "/login"), DECIDE_PASS);
	assert_int_equal(ask_for(d, "198.51.100.7", NULL, "/"), DECIDE_PASS);
	for (int i = 0; i < 2; i++)
		assert_int_equal(ask_for(d, "203.0.113.1", THIEF, "/login"), DECIDE_PASS);
	assert_int_equal(ask_for(d, "203.0.113.2", THIEF, "/login"), DECIDE_SLOW);
	decide_free(d);
}

static void the_routes_of_a_client_are_known(void **state)
{
	struct decide *d = fresh(10, 1, 2);
	struct prefix got[2], p;

	(void)state;
	put_key(d, "198.51.100.7@/login", VERDICT_BLOCK);
	put_key(d, "198.51.100.0/24@/search", VERDICT_SHADOW);
	put_key(d, THIEF "@/login", VERDICT_BLOCK);
	assert_int_equal(routes_of(d, "198.51.100.7", got), 2);
	assert_int_equal(routes_of(d, "198.51.100.8", got), 1);
	assert_int_equal(target_parse(SPAN("198.51.100.0/24@/search"), &p), 0);
	assert_true(prefix_equal(&got[0], &p));
	assert_int_equal(routes_of(d, "203.0.113.1", got), 0);
	assert_int_equal(routes_of(d, THIEF, got), 1);
	assert_int_equal(routes_of(d, OTHER, got), 0);
	put_key(d, "198.51.100.7@/third", VERDICT_BLOCK);
	assert_int_equal(routes_of(d, "198.51.100.7", got), 3); /* more than there is room for */
	decide_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_denies_its_client_until_its_end_and_nobody_else),
		cmocka_unit_test(of_several_that_cover_a_client_the_strongest_in_force_decides),
		cmocka_unit_test(a_copy_says_of_each_entry_how_long_anything_around_it_denies),
		cmocka_unit_test(rate_limit_lets_a_burst_and_then_its_rate_pass_of_each_client),
		cmocka_unit_test(where_too_many_are_slowed_some_pass_and_are_counted),
		cmocka_unit_test(a_full_table_takes_no_more_and_loses_none),
		cmocka_unit_test(while_off_everybody_passes),
		cmocka_unit_test(it_can_be_asked_while_it_changes),
		cmocka_unit_test(a_consumer_is_denied_wherever_it_comes_from_and_its_neighbours_are_not),
		cmocka_unit_test(who_is_denied_on_a_route_passes_everywhere_else),
		cmocka_unit_test(of_all_routes_and_one_the_strongest_decides),
		cmocka_unit_test(a_client_is_slowed_on_each_route_by_itself),
		cmocka_unit_test(the_routes_of_a_client_are_known),
		cmocka_unit_test(a_block_list_denies_what_is_in_force_of_it),
		cmocka_unit_test(an_entry_of_a_list_ends_by_its_own_time_and_no_later_than_may_be),
		cmocka_unit_test(of_lists_and_decisions_the_strongest_in_force_decides),
		cmocka_unit_test(a_copy_holds_lists_as_far_as_there_is_room_each_target_once),
		cmocka_unit_test(lists_can_be_asked_while_they_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
