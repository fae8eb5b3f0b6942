// SPDX-License-Identifier: Apache-2.0
#include "policies/neighbours.h"
#include <errno.h>
#include "lib/config.h"
#include "lib/target.h"
#include "lib/util.h"
#include "policies/buckets.h"

struct neighbours {
	struct buckets buckets;
	struct bucket_limit limit;
};

int neighbours_new(unsigned offenders, uint64_t within_ns, struct neighbours **ret)
{
	struct neighbours *n = calloc(1, sizeof *n);

	if (!n)
		return -ENOMEM;
	n->limit = (struct bucket_limit){.threshold = offenders, .window_ns = within_ns};
	int r = buckets_init(&n->buckets, sizeof(struct bucket), NEIGHBOURS_MAX);
	if (r) {
		free(n);
		return r;
	}
	*ret = n;
	return 0;
}

void neighbours_free(struct neighbours *n)
{
	if (!n)
		return;
	buckets_deinit(&n->buckets);
	free(n);
}

static bool is_offender(const struct verdict *v)
{
	const struct prefix who = target_who(&v->target);

	return who.addr.family == ADDR_IPV6 && prefix_is_exact(&who) && v->source != VERDICT_OPERATOR &&
	       v->action != VERDICT_SHADOW;
}

/* Its network, on the same route: who offends on one is denied that. False: it is in none. */
static bool group_of(const struct prefix *target, struct prefix *ret)
{
	const struct prefix who = target_who(target), group = bucket_group(&who.addr);

	*ret = target_on(&group, target->route);
	/* A link-local address is one machine. */
	return who.addr.family == ADDR_IPV6 && who.bits >= 64 && group.bits == 64;
}

static void propose(const struct neighbours *n, const struct verdict *v, const struct prefix *group,
		    struct verdict *ret)
{
	char net[PREFIX_TEXT_MAX], window[32];

	*ret = *v;
	ret->source = VERDICT_LOCAL;
	ret->target = *group;
	snprintf(ret->id, sizeof ret->id, "neighbours-%.48s", v->id);
	snprintf(ret->origin, sizeof ret->origin, "neighbours");
	snprintf(ret->reason, sizeof ret->reason, "%u addresses of %s offended within %s", n->limit.threshold,
		 prefix_format(group, net), config_duration_format(n->limit.window_ns / NS_PER_MS, window));
}

bool neighbours_note(struct neighbours *n, const struct verdict *v, uint64_t now_ns, struct verdict *ret)
{
	struct prefix group;
	bool fresh;

	if (!n->limit.threshold || !is_offender(v) || !group_of(&v->target, &group))
		return false;
	struct bucket *b = buckets_get(&n->buckets, 0, &group, now_ns, &fresh);
	if (!b)
		return false; /* memory is out, which is counted: each of them is dealt with by itself */
	struct span address = {(const char *)v->target.addr.bytes, sizeof v->target.addr.bytes};
	if (!bucket_pour_distinct(&n->buckets, b, &n->limit, address, now_ns))
		return false;
	bucket_empty(b);
	propose(n, v, &group, ret);
	return true;
}

void neighbours_forgive(struct neighbours *n, const struct prefix *target, uint64_t now_ns)
{
	struct prefix group;
	bool fresh;

	if (!n->limit.threshold || !group_of(target, &group))
		return;
	struct bucket *b = buckets_get(&n->buckets, 0, &group, now_ns, &fresh);
	if (b)
		bucket_empty(b);
}

uint64_t neighbours_forgotten(const struct neighbours *n)
{
	return n->buckets.forgotten;
}
