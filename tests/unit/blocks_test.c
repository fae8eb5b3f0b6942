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

	return blocks_put(b, &v, 0, now_ns, NULL);
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

/* Of the claim that is in force; valid until the next call. */
static const char *origin_of(const struct block *entry)
{
	static struct block_told told;

	blocks_tell(entry, &told);
	return told.verdict.origin;
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
	assert_int_equal(blocks_put(b, &v, 0, NOW, &entry), 0);
	assert_int_equal(entry->since_ns, NOW);
	assert_int_equal(entry->deadline_ns, NOW + SECONDS(600));
	entry->installed_ns = NOW + 5;
	entry->packets = 77;

	/* A shorter one changes nothing and says so. */
	v.ttl_ms = TTL(5);
	assert_int_equal(blocks_put(b, &v, 0, NOW + SECONDS(1), &entry), BLOCKS_E_SHORTER);
	assert_int_equal(entry->deadline_ns, NOW + SECONDS(600));

	/* The extension that other tools lose: the deadline moves, the history stays. */
	v.ttl_ms = TTL(10);
	assert_int_equal(blocks_put(b, &v, 0, NOW + SECONDS(1), &entry), 0);
	assert_int_equal(entry->deadline_ns, NOW + SECONDS(601));
	assert_int_equal(entry->since_ns, NOW);
	assert_int_equal(entry->installed_ns, NOW + 5);
	assert_int_equal(entry->packets, 77);
	assert_int_equal(entry->claims, 1);
	assert_int_equal(blocks_count(b), 1);
	assert_int_equal(blocks_next_deadline(b), NOW + SECONDS(601));
	blocks_free(b);
}

static struct verdict by_gateway(const char *name, uint64_t ttl_ms)
{
	struct verdict v = test_verdict(VERDICT_GATEWAY, "198.51.100.7", ttl_ms);

	snprintf(v.origin, sizeof v.origin, "%s", name);
	return v;
}

static void what_one_source_takes_back_another_keeps(void **state)
{
	struct verdict mine = test_verdict(VERDICT_OPERATOR, "198.51.100.7", TTL(5)),
		       one = by_gateway("one", TTL(20)), two = by_gateway("two", TTL(10));
	struct block_claim claims[BLOCKS_CLAIMS_MAX], got;
	struct blocks *b = fresh(10);
	struct block *entry;
	struct block_told out;

	(void)state;
	assert_int_equal(blocks_put(b, &mine, 0, NOW, &entry), 0);
	entry->packets = 5;
	assert_int_equal(blocks_put(b, &one, 0, NOW + 1, &entry), 0);
	two.scope = VERDICT_SCOPE_HOST;
	assert_int_equal(blocks_put(b, &two, 0, NOW + 2, &entry), 0);
	assert_int_equal(entry->claims, 3);
	assert_int_equal(entry->deadline_ns, NOW + 1 + SECONDS(1200));
	assert_string_equal(origin_of(entry), "one");
	assert_int_equal(entry->verdict.scope, VERDICT_SCOPE_HOST); /* the widest of all */
	assert_int_equal(entry->since_ns, NOW);
	assert_int_equal(blocks_claims(b, &mine.target, claims), 3);
	assert_string_equal(claims[2].verdict.origin, "two");
	assert_int_equal(blocks_claim(b, &one, &got), 0);
	assert_int_equal(got.since_ns, NOW + 1);

	assert_int_equal(blocks_withdraw(b, &one, NULL, &entry), 0);
	assert_int_equal(blocks_withdraw(b, &one, NULL, &entry), BLOCKS_E_NONE);
	entry = find(b, "198.51.100.7");
	assert_int_equal(entry->deadline_ns, NOW + 2 + SECONDS(600));
	assert_int_equal(entry->packets, 5);
	/* What ends first leaves the rest, too. */
	assert_int_equal(blocks_next_deadline(b), NOW + SECONDS(300));
	assert_int_equal(blocks_expire(b, NOW + SECONDS(300), &out, &entry), 0);
	assert_int_equal(out.verdict.source, VERDICT_OPERATOR);
	assert_non_null(entry);
	assert_int_equal(entry->claims, 1);
	assert_int_equal(blocks_withdraw(b, &two, NULL, &entry), 0);
	assert_null(entry);
	assert_int_equal(blocks_count(b), 0);
	blocks_free(b);
}

static void a_claim_can_be_put_back_as_it_was(void **state)
{
	struct blocks *b = fresh(10);
	struct verdict v = test_verdict(VERDICT_OPERATOR, "198.51.100.7", TTL(5));
	struct block_claim before;
	struct block *entry;

	(void)state;
	assert_int_equal(blocks_put(b, &v, NOW + SECONDS(30), NOW, NULL), 0);
	assert_int_equal(blocks_claim(b, &v, &before), 0);
	v.ttl_ms = TTL(50);
	assert_int_equal(blocks_put(b, &v, 0, NOW + 1, NULL), 0);
	assert_int_equal(blocks_withdraw(b, &v, &before, &entry), 0);
	assert_int_equal(entry->deadline_ns, NOW + SECONDS(300));
	assert_int_equal(entry->revert_ns, NOW + SECONDS(30));
	assert_int_equal(blocks_next_deadline(b), NOW + SECONDS(30));
	blocks_free(b);
}

static void what_was_adopted_is_taken_over_by_its_source(void **state)
{
	struct blocks *b = fresh(10);
	struct verdict adopted = by_gateway(BLOCKS_ADOPTED, TTL(5)), one = by_gateway("one", TTL(6));
	struct block *entry;

	(void)state;
	assert_int_equal(blocks_put(b, &adopted, 0, NOW, NULL), 0);
	assert_int_equal(blocks_put(b, &one, 0, NOW, &entry), 0);
	assert_int_equal(entry->claims, 1);
	assert_string_equal(origin_of(entry), "one");
	blocks_free(b);
}

static void claims_have_a_ceiling(void **state)
{
	struct blocks *b = fresh(10);
	struct block *entry;
	char name[16];

	(void)state;
	for (int i = 0; i < BLOCKS_CLAIMS_MAX; i++) {
		snprintf(name, sizeof name, "g%d", i);
		struct verdict v = by_gateway(name, TTL(5));
		assert_int_equal(blocks_put(b, &v, 0, NOW, NULL), 0);
	}
	struct verdict more = by_gateway("more", TTL(50)), again = by_gateway("g3", TTL(50));
	assert_int_equal(blocks_put(b, &more, 0, NOW, NULL), BLOCKS_E_FULL);
	assert_int_equal(blocks_put(b, &again, 0, NOW, &entry), 0);
	assert_int_equal(entry->claims, BLOCKS_CLAIMS_MAX);
	assert_string_equal(origin_of(entry), "g3");
	blocks_free(b);
}

static void an_extension_never_narrows_the_scope(void **state)
{
	struct blocks *b = fresh(10);
	struct verdict v = test_verdict(VERDICT_OPERATOR, "198.51.100.7", TTL(10));

	(void)state;
	v.scope = VERDICT_SCOPE_HOST;
	assert_int_equal(blocks_put(b, &v, 0, NOW, NULL), 0);
	v.scope = VERDICT_SCOPE_PORTS;
	v.ttl_ms = TTL(20);
	assert_int_equal(blocks_put(b, &v, 0, NOW, NULL), 0);
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
	struct block_told out;
	struct block *left;

	(void)state;
	assert_int_equal(blocks_next_deadline(b), 0);
	put(b, "192.0.2.3", 3000, NOW);
	put(b, "192.0.2.1", 1000, NOW);
	put(b, "192.0.2.2", 2000, NOW);
	put(b, "192.0.2.1", 2500, NOW); /* extended: now between the other two */
	assert_int_equal(blocks_next_deadline(b), NOW + SECONDS(2));
	assert_int_equal(blocks_expire(b, NOW + SECONDS(2) - 1, &out, &left), BLOCKS_E_NONE);
	assert_int_equal(blocks_expire(b, NOW + SECONDS(5), &out, &left), 0);
	assert_int_equal(out.verdict.target.addr.bytes[3], 2);
	assert_int_equal(blocks_expire(b, NOW + SECONDS(5), &out, &left), 0);
	assert_int_equal(out.verdict.target.addr.bytes[3], 1);
	assert_int_equal(blocks_expire(b, NOW + SECONDS(5), &out, &left), 0);
	assert_int_equal(out.verdict.target.addr.bytes[3], 3);
	assert_int_equal(blocks_expire(b, NOW + SECONDS(5), &out, &left), BLOCKS_E_NONE);
	assert_int_equal(blocks_count(b), 0);
	blocks_free(b);
}

static void a_block_on_trial_reverts_unless_confirmed(void **state)
{
	struct blocks *b = fresh(10);
	struct verdict v = test_verdict(VERDICT_OPERATOR, "198.51.100.7", TTL(60));
	struct block *entry;
	struct block_told out;

	(void)state;
	put(b, "198.51.100.1", TTL(10), NOW);
	assert_int_equal(blocks_put(b, &v, NOW + SECONDS(60), NOW, &entry), 0);
	assert_int_equal(block_end_ns(entry), NOW + SECONDS(60));
	assert_int_equal(blocks_next_deadline(b), NOW + SECONDS(60));
	assert_int_equal(blocks_expire(b, NOW + SECONDS(59), &out, &entry), BLOCKS_E_NONE);
	assert_int_equal(blocks_expire(b, NOW + SECONDS(60), &out, &entry), 0);
	assert_int_equal(out.verdict.target.addr.bytes[3], 7);
	assert_int_equal(out.revert_ns, NOW + SECONDS(60));
	assert_null(entry);

	/* Confirmed in time: it stays to its deadline. */
	assert_int_equal(blocks_put(b, &v, NOW + SECONDS(60), NOW, &entry), 0);
	assert_int_equal(blocks_confirm(b, &v.target, &entry), 0);
	assert_int_equal(block_end_ns(entry), NOW + SECONDS(3600));
	assert_int_equal(blocks_expire(b, NOW + SECONDS(61), &out, &entry), BLOCKS_E_NONE);
	assert_non_null(find(b, "198.51.100.7"));
	assert_int_equal(take_away(b, "198.51.100.7"), 0);
	assert_int_equal(blocks_confirm(b, &v.target, &entry), BLOCKS_E_NONE);

	/* A gateway's own claim neither ends the operator's trial nor is ended by it. */
	struct verdict other = by_gateway("one", TTL(10));
	assert_int_equal(blocks_put(b, &v, NOW + SECONDS(60), NOW, &entry), 0);
	assert_int_equal(blocks_put(b, &other, 0, NOW, &entry), 0);
	assert_int_equal(block_end_ns(entry), NOW + SECONDS(600));
	assert_int_equal(blocks_expire(b, NOW + SECONDS(60), &out, &entry), 0);
	assert_int_equal(out.verdict.source, VERDICT_OPERATOR);
	assert_string_equal(origin_of(entry), "one");
	/* The operator does, by asking for longer. */
	assert_int_equal(blocks_put(b, &v, NOW + SECONDS(120), NOW + SECONDS(60), &entry), 0);
	v.ttl_ms = TTL(90);
	assert_int_equal(blocks_put(b, &v, 0, NOW + SECONDS(60), &entry), 0);
	assert_int_equal(entry->revert_ns, 0);
	assert_int_equal(entry->verdict.source, VERDICT_OPERATOR);
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
	struct block_told out;
	struct block *left;

	(void)state;
	assert_int_equal(put(b, "192.0.2.1", UINT64_MAX, NOW), 0);
	assert_int_equal(find(b, "192.0.2.1")->deadline_ns, UINT64_MAX);
	assert_int_equal(blocks_expire(b, NOW + SECONDS(100000), &out, &left), BLOCKS_E_NONE);
	assert_int_equal(blocks_put(b, &none, 0, NOW, NULL), -EINVAL);
	blocks_free(b);
}

/* --- the same sequence against a list that is too simple to be wrong: claims, in the order in which they
 * came --- */
#define MODEL_MAX 400

struct model {
	struct block_claim items[MODEL_MAX];
	size_t count, targets_max;
};

static uint64_t model_end(const struct block_claim *c)
{
	return c->revert_ns && c->revert_ns < c->deadline_ns ? c->revert_ns : c->deadline_ns;
}

static bool model_on(const struct model *m, size_t i, const struct prefix *p)
{
	return prefix_equal(&m->items[i].verdict.target, p);
}

static bool model_has(const struct model *m, const struct prefix *p, uint64_t *ret_end)
{
	bool has = false;

	*ret_end = 0;
	for (size_t i = 0; i < m->count; i++)
		if (model_on(m, i, p)) {
			has = true;
			*ret_end = model_end(&m->items[i]) > *ret_end ? model_end(&m->items[i]) : *ret_end;
		}
	return has;
}

static struct block_claim *model_claim(struct model *m, const struct verdict *v)
{
	for (size_t i = 0; i < m->count; i++)
		if (model_on(m, i, &v->target) && m->items[i].verdict.source == v->source &&
		    (v->source != VERDICT_GATEWAY || !strcmp(m->items[i].verdict.origin, v->origin)))
			return &m->items[i];
	return NULL;
}

static void model_take(struct model *m, size_t i)
{
	memmove(&m->items[i], &m->items[i + 1], (m->count - i - 1) * sizeof m->items[0]);
	m->count--;
}

static size_t model_targets(const struct model *m)
{
	size_t count = 0;

	for (size_t i = 0; i < m->count; i++) {
		bool first = true;
		for (size_t j = 0; j < i; j++)
			first &= !model_on(m, j, &m->items[i].verdict.target);
		count += first;
	}
	return count;
}

static int model_put(struct model *m, const struct verdict *v, uint64_t revert_ns, uint64_t now_ns)
{
	struct block_claim c = {.verdict = *v,
				.since_ns = now_ns,
				.deadline_ns = now_ns + v->ttl_ms * NS_PER_MS,
				.revert_ns = revert_ns};
	uint64_t end;
	bool has = model_has(m, &v->target, &end);

	if (!has && model_targets(m) == m->targets_max)
		return BLOCKS_E_FULL;
	if (has && end <= now_ns) /* all of it is over */
		for (size_t i = m->count; i-- > 0;)
			if (model_on(m, i, &v->target))
				model_take(m, i);
	struct block_claim *mine = model_claim(m, v);
	if (!mine) {
		m->items[m->count++] = c;
		return 0;
	}
	if (model_end(mine) > now_ns && mine->verdict.action == v->action) {
		if (c.deadline_ns <= mine->deadline_ns)
			return BLOCKS_E_SHORTER;
		c.since_ns = mine->since_ns;
		if (mine->verdict.scope > c.verdict.scope) /* never narrower */
			c.verdict.scope = mine->verdict.scope;
	}
	*mine = c;
	return 0;
}

/* Drops before limits before shadow; of these the claim that ends last; of equals the operator's, then the
 * built-in analysis's, then the oldest. */
static int model_rank(const struct block_claim *c)
{
	static const enum verdict_action strongest_first[] = {VERDICT_BLOCK, VERDICT_RESET,
							      VERDICT_RATE_LIMIT, VERDICT_SHADOW};
	int rank = 0;

	while (strongest_first[rank] != c->verdict.action)
		rank++;
	return rank;
}

static bool model_before(const struct block_claim *a, const struct block_claim *b)
{
	if (model_rank(a) != model_rank(b))
		return model_rank(a) < model_rank(b);
	if (model_end(a) != model_end(b))
		return model_end(a) > model_end(b);
	return a->verdict.source < b->verdict.source;
}

static const struct block_claim *model_in_force(const struct model *m, const struct prefix *p)
{
	const struct block_claim *best = NULL;

	for (size_t i = 0; i < m->count; i++)
		if (model_on(m, i, p) && (!best || model_before(&m->items[i], best)))
			best = &m->items[i];
	return best;
}

static const struct block_claim *model_match(const struct model *m, const struct addr *a)
{
	const struct block_claim *best = NULL;

	for (size_t i = 0; i < m->count; i++)
		if (prefix_contains(&m->items[i].verdict.target, a) &&
		    (!best || m->items[i].verdict.target.bits > best->verdict.target.bits))
			best = &m->items[i];
	return best ? model_in_force(m, &best->verdict.target) : NULL;
}

static uint64_t model_next(const struct model *m)
{
	uint64_t next = 0;

	for (size_t i = 0; i < m->count; i++)
		if (!next || model_end(&m->items[i]) < next)
			next = model_end(&m->items[i]);
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
	struct block_told out;
	struct block *left;
	uint64_t last = 0, end;

	while (blocks_expire(b, now_ns, &out, &left) == 0) {
		size_t i = 0;
		while (i < m->count && (!model_on(m, i, &out.verdict.target) ||
					model_end(&m->items[i]) != block_told_end_ns(&out)))
			i++;
		assert_true(i < m->count);
		assert_true(block_told_end_ns(&out) <= now_ns);
		assert_true(block_told_end_ns(&out) >= last); /* in order */
		last = block_told_end_ns(&out);
		model_take(m, i);
		assert_int_equal(left != NULL, model_has(m, &out.verdict.target, &end));
	}
	for (size_t i = 0; i < m->count; i++)
		assert_true(model_end(&m->items[i]) > now_ns);
}

static void count_one(void *arg, const struct block *block)
{
	(void)block;
	++*(size_t *)arg;
}

static void same_entry(const struct model *m, const struct block *got, const struct prefix *target)
{
	const struct block_claim *wanted = model_in_force(m, target);
	enum verdict_scope scope = VERDICT_SCOPE_PORTS;
	unsigned claims = 0;

	assert_int_equal(!wanted, !got);
	if (!wanted)
		return;
	for (size_t i = 0; i < m->count; i++)
		if (model_on(m, i, target)) {
			claims++;
			enum verdict_action action = m->items[i].verdict.action, is = wanted->verdict.action;
			bool both_drop = (action == VERDICT_BLOCK || action == VERDICT_RESET) &&
					 (is == VERDICT_BLOCK || is == VERDICT_RESET);
			if (action != is && !both_drop)
				continue;
			scope = m->items[i].verdict.scope > scope ? m->items[i].verdict.scope : scope;
		}
	assert_int_equal(got->verdict.action, wanted->verdict.action);
	assert_int_equal(got->deadline_ns, wanted->deadline_ns);
	assert_int_equal(got->revert_ns, wanted->revert_ns);
	assert_int_equal(got->verdict.source, wanted->verdict.source);
	assert_string_equal(origin_of(got), wanted->verdict.origin);
	assert_int_equal(got->verdict.scope, scope);
	assert_int_equal(got->claims, claims);
}

static struct verdict random_verdict(unsigned *seed)
{
	static const enum verdict_action actions[] = {VERDICT_BLOCK, VERDICT_BLOCK, VERDICT_RATE_LIMIT,
						      VERDICT_SHADOW, VERDICT_RESET};
	struct verdict v = {.action = actions[rand_r(seed) % ARRAY_SIZE(actions)],
			    .source = (enum verdict_source)(1 + rand_r(seed) % 3),
			    .scope = (enum verdict_scope)(1 + rand_r(seed) % 2),
			    .target = random_target(seed),
			    .ttl_ms = 1 + (uint64_t)(rand_r(seed) % 5000)};

	if (v.source == VERDICT_GATEWAY)
		snprintf(v.origin, sizeof v.origin, "g%d", rand_r(seed) % 3);
	return v;
}

static void random_step(struct model *m, struct blocks *b, uint64_t *now_ns, unsigned *seed)
{
	struct verdict v = random_verdict(seed);
	struct block_claim *mine;
	struct block *left;
	uint64_t revert_ns = 0, end;
	size_t before = m->count;

	switch (rand_r(seed) % 8) {
	case 0:
	case 1:
	case 2:
		if (v.source == VERDICT_OPERATOR && rand_r(seed) % 2)
			revert_ns = *now_ns + (uint64_t)(1 + rand_r(seed) % 3000) * NS_PER_MS;
		assert_int_equal(blocks_put(b, &v, revert_ns, *now_ns, NULL),
				 model_put(m, &v, revert_ns, *now_ns));
		break;
	case 3:
		for (size_t i = m->count; i-- > 0;)
			if (model_on(m, i, &v.target))
				model_take(m, i);
		assert_int_equal(blocks_remove(b, &v.target), before > m->count ? 0 : BLOCKS_E_NONE);
		break;
	case 4:
		mine = model_claim(m, &v);
		assert_int_equal(blocks_withdraw(b, &v, NULL, &left), mine ? 0 : BLOCKS_E_NONE);
		if (mine) {
			model_take(m, (size_t)(mine - m->items));
			assert_int_equal(left != NULL, model_has(m, &v.target, &end));
		}
		break;
	case 5:
		v.source = VERDICT_OPERATOR;
		mine = model_claim(m, &v);
		assert_int_equal(blocks_confirm(b, &v.target, &left), mine ? 0 : BLOCKS_E_NONE);
		if (mine)
			mine->revert_ns = 0;
		break;
	case 6:
		*now_ns += (uint64_t)(rand_r(seed) % 400) * NS_PER_MS;
		if (rand_r(seed) % 3) /* sometimes late */
			model_expire(m, b, *now_ns);
		break;
	default: {
		struct addr a = random_target(seed).addr;
		const struct block_claim *wanted = model_match(m, &a);
		struct block *got = blocks_match(b, &a);

		assert_int_equal(!wanted, !got);
		if (wanted)
			same_entry(m, got, &wanted->verdict.target);
	}
	}
	same_entry(m, blocks_find(b, &v.target), &v.target);
}

static void same_counts(const struct model *m, const struct blocks *b)
{
	static const struct verdict sources[] = {
		{.source = VERDICT_OPERATOR},
		{.source = VERDICT_LOCAL},
		{.source = VERDICT_GATEWAY, .origin = "g0"},
		{.source = VERDICT_GATEWAY, .origin = "g1"},
		{.source = VERDICT_GATEWAY, .origin = "g2"},
	};

	for (size_t s = 0; s < ARRAY_SIZE(sources); s++) {
		size_t count = 0;
		for (size_t i = 0; i < m->count; i++)
			count += m->items[i].verdict.source == sources[s].source &&
				 !strcmp(m->items[i].verdict.origin, sources[s].origin);
		assert_int_equal(blocks_count_of(b, &sources[s]), count);
	}
}

static void random_changes_agree_with_a_naive_list(void **state)
{
	(void)state;
	for (unsigned round = 1; round <= 30; round++) {
		struct model *m = calloc(1, sizeof *m);
		struct blocks *b = fresh(48);
		uint64_t now_ns = NOW;
		unsigned seed = round;

		assert_non_null(m);
		m->targets_max = 48;
		for (unsigned step = 0; step < 3000; step++) {
			random_step(m, b, &now_ns, &seed);
			size_t seen = 0;
			blocks_each(b, count_one, &seen);
			assert_int_equal(seen, model_targets(m));
			assert_int_equal(blocks_count(b), seen);
			assert_int_equal(blocks_next_deadline(b), model_next(m));
			same_counts(m, b);
		}
		blocks_free(b);
		free(m);
	}
}

static void every_word_of_a_claim_is_kept(void **state)
{
	struct blocks *b = fresh(4);
	struct verdict v = test_verdict(VERDICT_GATEWAY, "198.51.100.7", TTL(10));
	struct block_claim got;
	struct block_told told;
	struct block *entry;

	(void)state;
	memset(v.id, 'i', sizeof v.id - 1);
	memset(v.origin, 'o', sizeof v.origin - 1);
	memset(v.reason, 'r', sizeof v.reason - 1);
	v.evidence_count = VERDICT_EVIDENCE_MAX;
	for (unsigned i = 0; i < VERDICT_EVIDENCE_MAX; i++)
		memset(v.evidence[i], 'a' + (int)i, sizeof v.evidence[i] - 1);
	v.confidence = 0.125;
	v.via = test_addr("192.0.2.9");
	v.received_ns = NOW - 5;
	v.cause_ns = NOW - 7;
	assert_int_equal(blocks_put(b, &v, NOW + SECONDS(9), NOW, &entry), 0);
	assert_int_equal(blocks_claim(b, &v, &got), 0);
	blocks_tell(entry, &told);
	const struct verdict *const copies[] = {&got.verdict, &told.verdict};
	for (size_t i = 0; i < ARRAY_SIZE(copies); i++) {
		assert_string_equal(copies[i]->id, v.id);
		assert_string_equal(copies[i]->origin, v.origin);
		assert_string_equal(copies[i]->reason, v.reason);
		assert_int_equal(copies[i]->evidence_count, v.evidence_count);
		for (unsigned k = 0; k < VERDICT_EVIDENCE_MAX; k++)
			assert_string_equal(copies[i]->evidence[k], v.evidence[k]);
		assert_true(copies[i]->confidence == v.confidence);
		assert_true(addr_equal(&copies[i]->via, &v.via));
		assert_true(prefix_equal(&copies[i]->target, &v.target));
		assert_int_equal(copies[i]->ttl_ms, v.ttl_ms);
		assert_int_equal(copies[i]->received_ns, v.received_ns);
		assert_int_equal(copies[i]->cause_ns, v.cause_ns);
		assert_int_equal(copies[i]->action, v.action);
		assert_int_equal(copies[i]->source, v.source);
		assert_int_equal(copies[i]->scope, v.scope);
	}
	assert_int_equal(told.revert_ns, NOW + SECONDS(9));
	assert_int_equal(got.revert_ns, NOW + SECONDS(9));
	blocks_free(b);
}

static void an_entry_is_told_again_as_it_was(void **state)
{
	struct blocks *b = fresh(4), *other = fresh(1);
	struct block_claim claims[BLOCKS_CLAIMS_MAX];
	struct verdict v = test_verdict(VERDICT_GATEWAY, "198.51.100.7", TTL(10));
	struct block *entry;

	(void)state;
	strcpy(v.origin, "one");
	assert_int_equal(blocks_put(b, &v, 0, NOW, NULL), 0);
	strcpy(v.origin, "two");
	v.action = VERDICT_SHADOW;
	v.ttl_ms = TTL(60);
	assert_int_equal(blocks_put(b, &v, 0, NOW + 1, NULL), 0);
	assert_int_equal(put(b, "198.51.100.7", TTL(20), NOW + 2), 0);
	unsigned count = blocks_claims(b, &v.target, claims);
	assert_int_equal(count, 3);
	assert_int_equal(blocks_restore(other, claims, count, &entry), 0);
	struct block *was = find(b, "198.51.100.7");
	assert_int_equal(entry->claims, 3);
	assert_int_equal(entry->deadline_ns, was->deadline_ns);
	assert_int_equal(entry->since_ns, was->since_ns);
	assert_int_equal(entry->verdict.source, was->verdict.source);
	assert_int_equal(blocks_next_deadline(other), blocks_next_deadline(b));
	assert_int_equal(blocks_count_of(other, &v), 1);
	/* Of one source the first; never beyond the room that there is. */
	claims[1] = claims[0];
	claims[1].deadline_ns++;
	assert_int_equal(take_away(other, "198.51.100.7"), 0);
	assert_int_equal(blocks_restore(other, claims, 2, &entry), 0);
	assert_int_equal(entry->claims, 1);
	assert_int_equal(blocks_count(other), 1);
	assert_int_equal(blocks_count_of(other, &v), 0);
	claims[0].verdict.target = test_prefix("198.51.100.8");
	assert_int_equal(blocks_restore(other, claims, 1, NULL), BLOCKS_E_FULL);
	assert_int_equal(blocks_restore(other, claims, 2, NULL), -EINVAL); /* two targets */
	assert_int_equal(blocks_restore(other, claims, 0, NULL), -EINVAL);
	assert_int_equal(blocks_count(other), 1);
	blocks_free(b);
	blocks_free(other);
}

static void a_list_is_read_page_by_page_while_it_changes(void **state)
{
	enum { MANY = 3000 };
	struct blocks *b = fresh(MANY); /* slots hold several */
	static unsigned char met[MANY];
	struct prefix page[BLOCKS_PAGE_MIN];
	size_t cursor = 0, count, pages = 0;
	char text[32];

	(void)state;
	memset(met, 0, sizeof met);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(text, sizeof text, "10.0.%u.%u", i / 256, i % 256);
		assert_int_equal(put(b, text, TTL(1 + i % 50), NOW), 0);
	}
	while ((count = blocks_page(b, &cursor, page, BLOCKS_PAGE_MIN))) {
		for (size_t i = 0; i < count; i++)
			met[page[i].addr.bytes[2] * 256 + page[i].addr.bytes[3]]++;
		/* One of the odd ones goes, and moves others in the order of deadlines. */
		unsigned gone = (unsigned)(pages++ * 26 % MANY) | 1;
		snprintf(text, sizeof text, "10.0.%u.%u", gone / 256, gone % 256);
		(void)take_away(b, text);
	}
	assert_true(pages >= MANY / BLOCKS_PAGE_MIN);
	for (unsigned i = 0; i < MANY; i += 2)
		assert_int_equal(met[i], 1);
	for (unsigned i = 1; i < MANY; i += 2)
		assert_true(met[i] <= 1);
	assert_int_equal(blocks_page(b, &cursor, page, BLOCKS_PAGE_MIN), 0);
	blocks_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_deadline_wins),
		cmocka_unit_test(what_one_source_takes_back_another_keeps),
		cmocka_unit_test(a_claim_can_be_put_back_as_it_was),
		cmocka_unit_test(what_was_adopted_is_taken_over_by_its_source),
		cmocka_unit_test(claims_have_a_ceiling),
		cmocka_unit_test(an_extension_never_narrows_the_scope),
		cmocka_unit_test(an_address_and_its_network_are_two_entries),
		cmocka_unit_test(entries_leave_in_the_order_of_their_deadlines),
		cmocka_unit_test(a_block_on_trial_reverts_unless_confirmed),
		cmocka_unit_test(a_block_that_ended_begins_anew),
		cmocka_unit_test(a_full_list_refuses_and_evicts_nobody),
		cmocka_unit_test(an_endless_time_to_live_does_not_wrap_around),
		cmocka_unit_test(every_word_of_a_claim_is_kept),
		cmocka_unit_test(an_entry_is_told_again_as_it_was),
		cmocka_unit_test(a_list_is_read_page_by_page_while_it_changes),
		cmocka_unit_test(random_changes_agree_with_a_naive_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
