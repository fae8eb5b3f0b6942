// SPDX-License-Identifier: Apache-2.0
#include "policies/limits.h"
#include <errno.h>
#include "lib/target.h"
#include "lib/util.h"

const char *limits_answer_name(enum limits_answer a)
{
	static const char *const names[] = {
		[LIMITS_OK] = "ok",
		[LIMITS_PROTECTED] = "protected_network",
		[LIMITS_PREFIX_TOO_SHORT] = "prefix_too_short",
		[LIMITS_TTL_TOO_LONG] = "ttl_too_long",
		[LIMITS_TTL_INVALID] = "ttl_invalid",
		[LIMITS_RATE] = "insert_rate",
		[LIMITS_FULL] = "deny_map_full",
		[LIMITS_BAD_TARGET] = "bad_target",
	};

	return (size_t)a < ARRAY_SIZE(names) ? names[a] : "unknown";
}

/*
 * What prefix_parse would have made. A verdict crosses a socket to the warden, which must not trust its
 * shape: an IPv4 address dressed as IPv6 would slip past the protected IPv4 networks, and host bits would
 * never match in a trie.
 */
static bool prefix_well_formed(const struct prefix *p)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (p->addr.family != ADDR_IPV4 && p->addr.family != ADDR_IPV6)
		return false;
	if (p->bits > addr_bits(&p->addr))
		return false;
	if (p->addr.family == ADDR_IPV6 && p->bits >= 96 && memcmp(p->addr.bytes, mapped, sizeof mapped) == 0)
		return false;
	struct prefix clean = prefix_of(&p->addr, p->bits);
	return prefix_equal(&clean, p);
}

void protected_set_free(struct protected_set *s)
{
	free(s->items);
	*s = (struct protected_set){0};
}

int protected_set_add(struct protected_set *s, const struct prefix *net, const char *why)
{
	if (!prefix_well_formed(net))
		return -EINVAL;
	for (size_t i = 0; i < s->count; i++)
		if (prefix_equal(&s->items[i].net, net))
			return 0;
	if (s->count >= PROTECTED_MAX)
		return -E2BIG;
	if (s->count == s->size) {
		size_t size = s->size ? s->size * 2 : 32;
		struct protected_net *items = realloc(s->items, size * sizeof *items);
		if (!items)
			return -ENOMEM;
		s->items = items;
		s->size = size;
	}
	struct protected_net *item = &s->items[s->count];
	item->net = *net;
	snprintf(item->why, sizeof item->why, "%s", why);
	s->count++;
	return 0;
}

const struct protected_net *protected_set_find(const struct protected_set *s, const struct prefix *target)
{
	for (size_t i = 0; i < s->count; i++)
		if (prefix_overlaps(&s->items[i].net, target))
			return &s->items[i];
	return NULL;
}

/* --- many questions --- */

/* Family and address, so that memcmp orders them. */
struct edge {
	uint8_t bytes[17];
};

struct protected_range {
	struct edge first, last;
};

static struct protected_range range_of(const struct prefix *net)
{
	struct protected_range r = {.first.bytes[0] = net->addr.family};
	unsigned width = addr_bits(&net->addr);

	memcpy(r.first.bytes + 1, net->addr.bytes, width / 8);
	r.last = r.first;
	for (unsigned bit = net->bits; bit < width; bit++)
		r.last.bytes[1 + bit / 8] |= (uint8_t)(0x80 >> (bit & 7));
	return r;
}

static int edge_compare(const struct edge *a, const struct edge *b)
{
	return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

static int range_compare(const void *a, const void *b)
{
	const struct protected_range *x = a, *y = b;

	return edge_compare(&x->first, &y->first);
}

int protected_ranges_make(const struct protected_set *s, struct protected_ranges *ret)
{
	struct protected_range *items = malloc((s->count + 1) * sizeof *items);
	size_t kept = 0;

	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < s->count; i++)
		items[i] = range_of(&s->items[i].net);
	qsort(items, s->count, sizeof *items, range_compare);
	for (size_t i = 0; i < s->count; i++) {
		if (kept && edge_compare(&items[i].first, &items[kept - 1].last) <= 0) {
			if (edge_compare(&items[i].last, &items[kept - 1].last) > 0)
				items[kept - 1].last = items[i].last;
			continue;
		}
		items[kept++] = items[i];
	}
	protected_ranges_free(ret);
	*ret = (struct protected_ranges){items, kept};
	return 0;
}

void protected_ranges_free(struct protected_ranges *r)
{
	free(r->items);
	*r = (struct protected_ranges){0};
}

bool protected_ranges_overlap(const struct protected_ranges *r, const struct prefix *target)
{
	struct protected_range t = range_of(target);
	size_t low = 0, high = r->count;

	/* The last one that begins before the target ends is the only one that may reach it. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (edge_compare(&r->items[middle].first, &t.last) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low && edge_compare(&r->items[low - 1].last, &t.first) >= 0;
}

/* --- limits --- */

void limits_init(struct limits *l, const struct config *config)
{
	*l = (struct limits){.config = config, .tokens = config->limits.insert_rate};
}

static enum limits_answer check_ttl(const struct config *config, uint64_t ttl_ms)
{
	if (ttl_ms == 0)
		return LIMITS_TTL_INVALID;
	return ttl_ms > config->limits.ttl_max_ms ? LIMITS_TTL_TOO_LONG : LIMITS_OK;
}

/* A consumer or a JA4. */
static enum limits_answer check_key(const struct config *config, const struct prefix *target, uint64_t ttl_ms,
				    const struct protected_net **which)
{
	const struct config_strings *protect = &config->limits.protect_consumers;
	struct prefix p;

	for (unsigned i = 0; i < protect->count; i++) {
		if (target_parse_consumer(span_from(protect->items[i]), &p) || !prefix_equal(&p, target))
			continue;
		if (which)
			*which = NULL;
		return LIMITS_PROTECTED;
	}
	return check_ttl(config, ttl_ms);
}

enum limits_answer limits_check_target(const struct config *config, const struct protected_set *protect,
				       const struct prefix *target, uint64_t ttl_ms,
				       const struct protected_net **which)
{
	/* A route lets nobody near who is protected. */
	const struct prefix who = target_who(target);

	if (target_is_routed(target) ? !target_is_key(target) : target->route != 0)
		return LIMITS_BAD_TARGET;
	if (target_is_key(&who))
		return check_key(config, &who, ttl_ms, which);
	if (!prefix_well_formed(&who))
		return LIMITS_BAD_TARGET;
	const struct protected_net *hit = protect ? protected_set_find(protect, &who) : NULL;
	if (hit) {
		if (which)
			*which = hit;
		return LIMITS_PROTECTED;
	}
	unsigned shortest =
		who.addr.family == ADDR_IPV4 ? config->limits.prefix_min_v4 : config->limits.prefix_min_v6;
	if (who.bits < shortest)
		return LIMITS_PREFIX_TOO_SHORT;
	return check_ttl(config, ttl_ms);
}

static bool take_token(struct limits *l, uint64_t now_ns)
{
	double rate = l->config->limits.insert_rate;

	/* A clock that steps back gives nothing and takes nothing. */
	if (now_ns > l->bucket_ns) {
		if (l->bucket_ns)
			l->tokens += (double)(now_ns - l->bucket_ns) * rate / (double)NS_PER_S;
		l->bucket_ns = now_ns;
	}
	if (l->tokens > rate)
		l->tokens = rate;
	if (l->tokens < 1)
		return false;
	l->tokens -= 1;
	return true;
}

enum limits_answer limits_check(struct limits *l, const struct protected_set *protect,
				const struct prefix *target, uint64_t ttl_ms, uint64_t now_ns,
				const struct protected_net **which)
{
	enum limits_answer answer = limits_check_target(l->config, protect, target, ttl_ms, which);

	if (answer == LIMITS_OK && !take_token(l, now_ns))
		return LIMITS_RATE;
	return answer;
}
