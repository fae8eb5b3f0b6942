// SPDX-License-Identifier: Apache-2.0
#include "policies/blocks.h"
#include <errno.h>
#include "tests/unit/policies_config.h"

#define NOW SECONDS(1000)

static struct blocks *fresh(unsigned max)
{
	struct blocks *b = NULL;

	assert_int_equal(blocks_new(max, &b), 0);
	return b;
}

static int put(struct blocks *b, const char *target, uint64_t ttl_ms, uint64_t now_ns)
{
	struct verdict v = test_verdict(VERDICT_LOCAL, target, ttl_ms);

	return blocks_put(b, &v, now_ns, NULL);
}

static struct block *find(struct blocks *b, const char *target)
{
	struct prefix p = test_prefix(target);

	return blocks_find(b, &p);
}

static struct block *match(struct blocks *b, const char *addr)
{
	struct addr a = test_addr(addr);

	return blocks_match(b, &a);
}

static int take_away(struct blocks *b, const char *target)
{
	struct prefix p = test_prefix(target);

	return blocks_remove(b, &p);
}

static void the_longest_deadline_wins(void **state)
{
	struct blocks *b = fresh(10);
	struct block *entry = NULL;
	struct verdict v = test_verdict(VERDICT_LOCAL, "198.51.100.7", TTL(10));

	(void)state;
	assert_int_equal(blocks_put(b, &v, NOW, &entry), 0);
	assert_int_equal(entry->since_ns, NOW);
	assert_int_equal(entry->deadline_ns, NOW + SECONDS(600));
	entry->installed_ns = NOW + 5;
	entry->packets = 77;

	/* A shorter one changes nothing and says so. */
	v = test_verdict(VERDICT_GATEWAY, "198.51.100.7", TTL(5));
	assert_int_equal(blocks_put(b, &v, NOW + SECONDS(1), &entry), BLOCKS_E_SHORTER);
	assert_int_equal(entry->verdict.source, VERDICT_LOCAL);
	assert_int_equal(entry->deadline_ns, NOW + SECONDS(600));

	/* The extension that other tools lose: the deadline moves, the history stays. */
	v = test_verdict(VERDICT_GATEWAY, "198.51.100.7", TTL(10));
	assert_int_equal(blocks_put(b, &v, NOW + SECONDS(1), &entry), 0);
	assert_int_equal(entry->verdict.source, VERDICT_LOCAL); /* who ranks lower adds time only */
	assert_int_equal(entry->deadline_ns, NOW + SECONDS(601));
	assert_int_equal(entry->since_ns, NOW);
	assert_int_equal(entry->installed_ns, NOW + 5);
	assert_int_equal(entry->packets, 77);
	assert_int_equal(blocks_count(b), 1);
	assert_int_equal(blocks_next_deadline(b), NOW + SECONDS(601));
	blocks_free(b);
}

static void an_extension_never_narrows_the_scope(void **state)
{
	struct blocks *b = fresh(10);
	struct verdict v = test_verdict(VERDICT_OPERATOR, "198.51.100.7", TTL(10));

	(void)state;
	v.scope = VERDICT_SCOPE_HOST;
	assert_int_equal(blocks_put(b, &v, NOW, NULL), 0);
	v.scope = VERDICT_SCOPE_PORTS;
	v.ttl_ms = TTL(20);
	assert_int_equal(blocks_put(b, &v, NOW, NULL), 0);
	assert_int_equal(find(b, "198.51.100.7")->verdict.scope, VERDICT_SCOPE_HOST);
	blocks_free(b);
}

static void an_address_and_its_network_are_two_entries(void **state)
{
	struct blocks *b = fresh(10);

	(void)state;
	assert_int_equal(put(b, "198.51.100.0/24", TTL(60), NOW), 0);
	assert_int_equal(put(b, "198.51.100.0", TTL(10), NOW), 0); /* the same bytes, another length */
	assert_int_equal(put(b, "198.51.100.7", TTL(10), NOW), 0);
	assert_int_equal(put(b, "198.51.100.0/28", TTL(10), NOW), 0);
	assert_int_equal(put(b, "::/64", TTL(10), NOW), 0);
	assert_int_equal(blocks_count(b), 5);
	assert_int_equal(match(b, "198.51.100.7")->verdict.target.bits, 32);
	assert_int_equal(match(b, "198.51.100.9")->verdict.target.bits, 28);
	assert_int_equal(match(b, "198.51.100.99")->verdict.target.bits, 24);
	assert_null(match(b, "198.51.101.1"));
	assert_int_equal(match(b, "::1")->verdict.target.bits, 64);
	assert_int_equal(match(b, "::ffff:198.51.100.7")->verdict.target.bits,
			 32); /* one client, one address */

	/* Taking one away leaves the others. */
	assert_int_equal(take_away(b, "198.51.100.7"), 0);
	assert_int_equal(take_away(b, "198.51.100.7"), BLOCKS_E_NONE);
	assert_int_equal(match(b, "198.51.100.7")->verdict.target.bits, 28);
	assert_int_equal(take_away(b, "198.51.100.0/24"), 0);
	assert_non_null(find(b, "198.51.100.0"));
	assert_null(match(b, "198.51.100.99"));
	struct addr nobody = {0};
	assert_null(blocks_match(b, &nobody));
	blocks_free(b);
}

static void entries_leave_in_the_order_of_their_deadlines(void **state)
{
	struct blocks *b = fresh(10);
	struct block out;

	(void)state;
	assert_int_equal(blocks_next_deadline(b), 0);
	put(b, "192.0.2.3", 3000, NOW);
	put(b, "192.0.2.1", 1000, NOW);
	put(b, "192.0.2.2", 2000, NOW);
	put(b, "192.0.2.1", 2500, NOW); /* extended: now between the other two */
	assert_int_equal(blocks_next_deadline(b), NOW + SECONDS(2));
	assert_int_equal(blocks_expire(b, NOW + SECONDS(2) - 1, &out), BLOCKS_E_NONE);
	assert_int_equal(blocks_expire(b, NOW + SECONDS(5), &out), 0);
	assert_int_equal(out.verdict.target.addr.bytes[3], 2);
	assert_int_equal(blocks_expire(b, NOW + SECONDS(5), &out), 0);
	assert_int_equal(out.verdict.target.addr.bytes[3], 1);
	assert_int_equal(blocks_expire(b, NOW + SECONDS(5), &out), 0);
	assert_int_equal(out.verdict.target.addr.bytes[3], 3);
	assert_int_equal(blocks_expire(b, NOW + SECONDS(5), &out), BLOCKS_E_NONE);
	assert_int_equal(blocks_count(b), 0);
	blocks_free(b);
}

static void a_block_on_trial_reverts_unless_confirmed(void **state)
{
	struct blocks *b = fresh(10);
	struct verdict v = test_verdict(VERDICT_OPERATOR, "198.51.100.7", TTL(60));
	struct block *entry, out;

	(void)state;
	put(b, "198.51.100.1", TTL(10), NOW);
	assert_int_equal(blocks_put(b, &v, NOW, &entry), 0);
	entry->revert_ns = NOW + SECONDS(60); /* as the enforcer writes it */
	assert_int_equal(blocks_next_deadline(b), NOW + SECONDS(60));
	assert_int_equal(blocks_expire(b, NOW + SECONDS(59), &out), BLOCKS_E_NONE);
	assert_int_equal(blocks_expire(b, NOW + SECONDS(60), &out), 0);
	assert_int_equal(out.verdict.target.addr.bytes[3], 7);
	assert_int_equal(out.revert_ns, NOW + SECONDS(60));

	/* Confirmed in time: it stays to its deadline. */
	assert_int_equal(blocks_put(b, &v, NOW, &entry), 0);
	entry->revert_ns = NOW + SECONDS(60);
	find(b, "198.51.100.7")->revert_ns = 0;
	assert_int_equal(blocks_expire(b, NOW + SECONDS(61), &out), BLOCKS_E_NONE);
	assert_non_null(find(b, "198.51.100.7"));

	/* A gateway that extends it neither takes it over nor ends the operator's trial; the operator does.
	 */
	find(b, "198.51.100.7")->revert_ns = NOW + SECONDS(120);
	struct verdict lower = test_verdict(VERDICT_GATEWAY, "198.51.100.7", TTL(80));
	assert_int_equal(blocks_put(b, &lower, NOW, &entry), 0);
	assert_int_equal(entry->verdict.source, VERDICT_OPERATOR);
	assert_int_equal(entry->revert_ns, NOW + SECONDS(120));
	v.ttl_ms = TTL(90);
	assert_int_equal(blocks_put(b, &v, NOW, &entry), 0);
	assert_int_equal(entry->revert_ns, 0);
	blocks_free(b);
}

static void a_block_that_ended_begins_anew(void **state)
{
	struct blocks *b = fresh(1);
	struct block *entry;

	(void)state;
	put(b, "198.51.100.7", 1000, NOW);
	entry = find(b, "198.51.100.7");
	entry->installed_ns = NOW;
	entry->packets = 9;
	/* Its deadline has passed, and nobody took it out yet: banned again, it must not keep the old start.
	 */
	assert_int_equal(put(b, "198.51.100.7", 500, NOW + SECONDS(2)), 0);
	entry = find(b, "198.51.100.7");
	assert_int_equal(entry->since_ns, NOW + SECONDS(2));
	assert_int_equal(entry->installed_ns, 0);
	assert_int_equal(entry->packets, 0);
	blocks_free(b);
}

static void a_full_list_refuses_and_evicts_nobody(void **state)
{
	struct blocks *b = fresh(2);

	(void)state;
	assert_int_equal(put(b, "192.0.2.1", TTL(1), NOW), 0);
	assert_int_equal(put(b, "192.0.2.2", TTL(1), NOW), 0);
	assert_int_equal(put(b, "192.0.2.3", TTL(9), NOW), BLOCKS_E_FULL);
	assert_int_equal(put(b, "192.0.2.2", TTL(9), NOW), 0); /* an extension needs no room */
	assert_int_equal(take_away(b, "192.0.2.1"), 0);
	assert_int_equal(put(b, "192.0.2.3", TTL(9), NOW), 0);
	blocks_free(b);
	blocks_free(NULL);
}

static void an_endless_time_to_live_does_not_wrap_around(void **state)
{
	struct blocks *b = fresh(2);
	struct verdict none = {.ttl_ms = 1};
	struct block out;

	(void)state;
	assert_int_equal(put(b, "192.0.2.1", UINT64_MAX, NOW), 0);
	assert_int_equal(find(b, "192.0.2.1")->deadline_ns, UINT64_MAX);
	assert_int_equal(blocks_expire(b, NOW + SECONDS(100000), &out), BLOCKS_E_NONE);
	assert_int_equal(blocks_put(b, &none, NOW, NULL), -EINVAL);
	blocks_free(b);
}

/* --- the same sequence against a list that is too simple to be wrong --- */
#define MODEL_MAX 48

struct model {
	struct block items[MODEL_MAX];
	size_t count;
};

static uint64_t model_due(const struct block *m)
{
	return m->revert_ns && m->revert_ns < m->deadline_ns ? m->revert_ns : m->deadline_ns;
}

static struct block *model_find(struct model *m, const struct prefix *p)
{
	for (size_t i = 0; i < m->count; i++)
		if (prefix_equal(&m->items[i].verdict.target, p))
			return &m->items[i];
	return NULL;
}

static int model_put(struct model *m, const struct verdict *v, uint64_t now_ns)
{
	struct block *at = model_find(m, &v->target);
	uint64_t deadline_ns = now_ns + v->ttl_ms * NS_PER_MS;

	if (!at && m->count == MODEL_MAX)
		return BLOCKS_E_FULL;
	if (at && model_due(at) > now_ns) {
		if (deadline_ns <= at->deadline_ns)
			return BLOCKS_E_SHORTER;
		at->verdict = *v;
		at->deadline_ns = deadline_ns;
		at->revert_ns = 0;
		return 0;
	}
	if (!at)
		at = &m->items[m->count++];
	*at = (struct block){.verdict = *v, .since_ns = now_ns, .deadline_ns = deadline_ns};
	return 0;
}

static const struct block *model_match(struct model *m, const struct addr *a)
{
	const struct block *best = NULL;

	for (size_t i = 0; i < m->count; i++)
		if (prefix_contains(&m->items[i].verdict.target, a) &&
		    (!best || m->items[i].verdict.target.bits > best->verdict.target.bits))
			best = &m->items[i];
	return best;
}

static uint64_t model_next(const struct model *m)
{
	uint64_t next = 0;

	for (size_t i = 0; i < m->count; i++)
		if (!next || model_due(&m->items[i]) < next)
			next = model_due(&m->items[i]);
	return next;
}

static struct prefix random_target(unsigned *seed)
{
	static const uint8_t lengths4[] = {32, 32, 32, 31, 30, 29, 28, 24},
			     lengths6[] = {128, 128, 127, 126, 64, 48};
	struct addr a = {.family = rand_r(seed) % 3 ? ADDR_IPV4 : ADDR_IPV6};

	a.bytes[0] = 10;
	a.bytes[a.family == ADDR_IPV4 ? 3 : 15] = (uint8_t)(rand_r(seed) % 16);
	return prefix_of(&a, a.family == ADDR_IPV4 ? lengths4[rand_r(seed) % ARRAY_SIZE(lengths4)]
						   : lengths6[rand_r(seed) % ARRAY_SIZE(lengths6)]);
}

static void model_expire(struct model *m, struct blocks *b, uint64_t now_ns)
{
	struct block out;
	uint64_t last = 0;

	while (blocks_expire(b, now_ns, &out) == 0) {
		struct block *at = model_find(m, &out.verdict.target);
		assert_non_null(at);
		assert_true(model_due(at) <= now_ns);
		assert_true(model_due(at) >= last); /* in order */
		last = model_due(at);
		assert_memory_equal(at, &out, sizeof out);
		*at = m->items[--m->count];
	}
	for (size_t i = 0; i < m->count; i++)
		assert_true(model_due(&m->items[i]) > now_ns);
}

static void count_one(void *arg, const struct block *block)
{
	(void)block;
	++*(size_t *)arg;
}

static void random_step(struct model *m, struct blocks *b, uint64_t *now_ns, unsigned *seed)
{
	struct verdict v = {
		.action = VERDICT_BLOCK, .scope = VERDICT_SCOPE_PORTS, .target = random_target(seed)};
	struct block *mine, *theirs;

	switch (rand_r(seed) % 8) {
	case 0:
	case 1:
	case 2:
		v.ttl_ms = 1 + (uint64_t)(rand_r(seed) % 5000);
		assert_int_equal(blocks_put(b, &v, *now_ns, NULL), model_put(m, &v, *now_ns));
		break;
	case 3:
		mine = model_find(m, &v.target);
		assert_int_equal(blocks_remove(b, &v.target), mine ? 0 : BLOCKS_E_NONE);
		if (mine)
			*mine = m->items[--m->count];
		break;
	case 4:
		mine = model_find(m, &v.target);
		theirs = blocks_find(b, &v.target);
		assert_int_equal(!mine, !theirs);
		if (mine && theirs) {
			uint64_t revert_ns =
				rand_r(seed) % 2 ? *now_ns + (uint64_t)(rand_r(seed) % 3000) * NS_PER_MS : 0;
			mine->revert_ns = theirs->revert_ns = revert_ns;
		}
		break;
	case 5:
		*now_ns += (uint64_t)(rand_r(seed) % 400) * NS_PER_MS;
		model_expire(m, b, *now_ns);
		break;
	default: {
		struct addr a = random_target(seed).addr;
		const struct block *wanted = model_match(m, &a);
		struct block *got = blocks_match(b, &a);
		assert_int_equal(!wanted, !got);
		if (wanted)
			assert_memory_equal(wanted, got, sizeof *got);
	}
	}
}

static void random_changes_agree_with_a_naive_list(void **state)
{
	(void)state;
	for (unsigned round = 1; round <= 30; round++) {
		struct model *m = calloc(1, sizeof *m);
		struct blocks *b = fresh(MODEL_MAX);
		uint64_t now_ns = NOW;
		unsigned seed = round;

		assert_non_null(m);
		for (unsigned step = 0; step < 3000; step++) {
			random_step(m, b, &now_ns, &seed);
			size_t seen = 0;
			blocks_each(b, count_one, &seen);
			assert_int_equal(seen, m->count);
			assert_int_equal(blocks_count(b), m->count);
			assert_int_equal(blocks_next_deadline(b), model_next(m));
		}
		blocks_free(b);
		free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_deadline_wins),
		cmocka_unit_test(an_extension_never_narrows_the_scope),
		cmocka_unit_test(an_address_and_its_network_are_two_entries),
		cmocka_unit_test(entries_leave_in_the_order_of_their_deadlines),
		cmocka_unit_test(a_block_on_trial_reverts_unless_confirmed),
		cmocka_unit_test(a_block_that_ended_begins_anew),
		cmocka_unit_test(a_full_list_refuses_and_evicts_nobody),
		cmocka_unit_test(an_endless_time_to_live_does_not_wrap_around),
		cmocka_unit_test(random_changes_agree_with_a_naive_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
