// SPDX-License-Identifier: Apache-2.0
#include "policies/deny_filter.h"

#include <string.h>

#define LOG2_MIN 6 /* of the filter's words */
/*
 * Entries a word. The fewer words, the likelier the one that is asked is in a cache, which is worth more than
 * what passes beside: of addresses in no list, (1 - exp(-entries * 4 / 64)) ^ 4, 2.4 % at 8 and 4.7 % at 10.
 * Measured by tests/bench/deny_bench.
 */
#define PER_WORD_FRESH 8
#define PER_WORD_FULL  10

static size_t words_of(const struct deny_filter *f)
{
	return (size_t)1 << PK_DENY_WORDS(f->making);
}

/* The kernel reads it in one load, and what was written before it is seen by whoever sees it. */
static void head_set(const struct deny_filter *f)
{
	__atomic_store_n(&f->head->filter, f->making, __ATOMIC_RELEASE);
}

static bool in_force(const struct deny_filter *f)
{
	return __atomic_load_n(&f->head->filter, __ATOMIC_RELAXED) == f->making;
}

void deny_filter_init(struct deny_filter *f, struct pk_deny_head *head, uint64_t *bits, size_t bits_words,
		      uint64_t *nets)
{
	*f = (struct deny_filter){.head = head, .bits = bits, .nets = nets, .half_words = bits_words / 2};
	/* An earlier filter may be in force, of whoever had the maps before: the next one goes beside it. */
	f->making = head->filter & PK_DENY_HALF;
	head_set(f);
}

void deny_filter_begin(struct deny_filter *f, uint32_t entries)
{
	bool half = !(f->making & PK_DENY_HALF);
	uint64_t log2 = LOG2_MIN;

	while (((size_t)PER_WORD_FRESH << log2) < entries && ((size_t)2 << log2) <= f->half_words)
		log2++;
	f->making = PK_DENY_FILTERED | log2;
	if (half)
		f->making |= PK_DENY_HALF | (uint64_t)f->half_words << 32;
	memset(f->bits + PK_DENY_BASE(f->making), 0, words_of(f) * sizeof *f->bits);
	memset(f->nets + (half ? 2 * PK_NET_WORDS : 0), 0, sizeof(uint64_t) * 2 * PK_NET_WORDS);
}

void deny_filter_commit(struct deny_filter *f, bool none)
{
	if (none)
		f->making |= PK_DENY_NONE;
	head_set(f);
}

static void word_set(uint64_t *word, uint64_t bits)
{
	__atomic_store_n(word, *word | bits, __ATOMIC_RELEASE);
}

static uint64_t hash_of(const struct addr *addr)
{
	uint32_t words[4];

	memcpy(words, addr->bytes, sizeof words);
	return addr->family == ADDR_IPV4 ? pk_deny_hash4(words[0]) : pk_deny_hash6(words);
}

static void address_add(struct deny_filter *f, const struct addr *addr)
{
	uint64_t hash = hash_of(addr);

	word_set(&f->bits[pk_deny_word(f->making, hash)], pk_deny_bits_of(hash));
}

static void word_clear(uint64_t *word, uint64_t bits)
{
	__atomic_store_n(word, *word & ~bits, __ATOMIC_RELEASE);
}

/* Every beginning of a prefix: one that is shorter than what the filter looks at has many. nets: of both
 * families. */
static void net_mark(uint64_t *nets, const struct prefix *net, void (*mark)(uint64_t *word, uint64_t bits))
{
	uint32_t first;

	memcpy(&first, net->addr.bytes, sizeof first);
	if (net->addr.family == ADDR_IPV4) {
		uint32_t count = net->bits >= PK_NET_BITS ? 1 : 1u << (PK_NET_BITS - net->bits);
		uint32_t bit = pk_net_bit4(net->addr.bytes) & ~(count - 1);

		for (uint32_t i = bit; i < bit + count; i++)
			mark(&nets[i >> 6], 1ull << (i & 63));
		return;
	}
	nets += PK_NET_WORDS;
	if (net->bits >= 32) {
		uint32_t bit = pk_net_bit6(first);

		mark(&nets[bit >> 6], 1ull << (bit & 63));
		return;
	}
	for (uint32_t i = 0; i < PK_NET_WORDS; i++)
		mark(&nets[i], UINT64_MAX);
}

static void net_add(struct deny_filter *f, const struct prefix *net)
{
	net_mark(f->nets + (f->making & PK_DENY_HALF ? 2 * PK_NET_WORDS : 0), net, word_set);
	f->making |= net->addr.family == ADDR_IPV4 ? PK_DENY_NETS4 : PK_DENY_NETS6;
}

void deny_allow_add(uint64_t none[static 2 * PK_NET_WORDS], const struct prefix *net)
{
	net_mark(none, net, word_clear);
}

void deny_filter_add(struct deny_filter *f, const struct prefix *target)
{
	bool now = in_force(f);

	if (!(f->making & PK_DENY_FILTERED))
		return;
	if (prefix_is_exact(target))
		address_add(f, &target->addr);
	else
		net_add(f, target);
	f->making &= ~PK_DENY_NONE;
	if (now)
		head_set(f);
}

bool deny_filter_may_hold(const struct deny_filter *f, const struct addr *addr)
{
	uint64_t hash = hash_of(addr), bits = pk_deny_bits_of(hash);

	return !(f->making & PK_DENY_FILTERED) || (f->bits[pk_deny_word(f->making, hash)] & bits) == bits;
}

bool deny_filter_fits(const struct deny_filter *f, uint32_t entries)
{
	size_t words = words_of(f);

	return entries <= words * PER_WORD_FULL || words * 2 > f->half_words;
}
