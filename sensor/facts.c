// SPDX-License-Identifier: Apache-2.0
#include "sensor/facts.h"
#include "lib/target.h"
#include "lib/util.h"

#define WITHIN_NS (3600 * NS_PER_S)

static uint64_t an_hour_ago(const struct facts *f)
{
	uint64_t now = clock_boot_ns(f->clock);

	return now > WITHIN_NS ? now - WITHIN_NS : 0;
}

bool facts_handshake(const struct facts *f, const struct prefix *target)
{
	const struct prefix who = target_who(target);

	return clients_seen(f->clients, &who, an_hour_ago(f));
}

bool facts_behind(const struct facts *f, const struct prefix *target)
{
	const struct prefix who = target_who(target);

	return f->behind && clients_seen(f->behind, &who, an_hour_ago(f));
}

struct regulars_share facts_regulars(const struct facts *f, const struct prefix *target)
{
	const struct prefix who = target_who(target);

	if (!f->regulars)
		return (struct regulars_share){0};
	return regulars_share(f->regulars, &who, clock_boot_ns(f->clock));
}

/* --- as the guard asks --- */

static bool handshake(void *arg, const struct prefix *target)
{
	return facts_handshake(arg, target);
}

static bool behind(void *arg, const struct prefix *target)
{
	return facts_behind(arg, target);
}

static bool http(void *arg, enum verdict_action action, const struct prefix *target)
{
	const struct facts *f = arg;

	return f->http && f->http(f->arg, action, target);
}

static size_t in_force(void *arg, const struct verdict *v, bool *ret_this)
{
	const struct facts *f = arg;
	struct block_claim claim;

	*ret_this =
		blocks_claim(f->kernel_list, v, &claim) == 0 || blocks_claim(f->http_list, v, &claim) == 0;
	return blocks_count_of(f->kernel_list, v) + blocks_count_of(f->http_list, v);
}

static bool fired(void *arg, const struct verdict *v, bool *ret_framed)
{
	const struct facts *f = arg;

	return f->witness && witness_ask(f->witness, v, clock_boot_ns(f->clock), ret_framed);
}

static struct regulars_share regulars(void *arg, const struct prefix *target)
{
	return facts_regulars(arg, target);
}

struct guard_facts facts_of(struct facts *f)
{
	return (struct guard_facts){
		.handshake = handshake,
		.behind = behind,
		.http = http,
		.in_force = in_force,
		.fired = fired,
		.regulars = regulars,
		.arg = f,
	};
}
