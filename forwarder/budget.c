// SPDX-License-Identifier: Apache-2.0
#include "forwarder/budget.h"
#include <string.h>
#include "lib/clock.h"
#include "lib/util.h"

#define DAY_NS    (86400 * NS_PER_S)
#define MINUTE_NS (60 * NS_PER_S)

void budget_init(struct budget *b, uint32_t requests_per_minute, uint64_t tokens_per_day)
{
	memset(b, 0, sizeof *b);
	b->requests_per_minute = MIN(requests_per_minute, (uint32_t)BUDGET_REQUESTS_MAX);
	b->tokens_per_day = tokens_per_day;
}

uint64_t budget_due_ns(const struct budget *b)
{
	/* The ring is as long as the limit: where the next one goes stands the oldest that counts. */
	uint64_t oldest_ns = b->requests_per_minute ? b->sent_ns[b->next] : 0;

	return oldest_ns ? oldest_ns + MINUTE_NS : 0;
}

static void turn_day(struct budget *b, uint64_t wall_ns)
{
	uint64_t day = wall_ns / DAY_NS;

	/* A clock that is set back gives nothing back. */
	if (day <= b->day)
		return;
	b->day = day;
	b->tokens = 0;
}

bool budget_is_spent(struct budget *b, uint64_t wall_ns, uint64_t tokens)
{
	turn_day(b, wall_ns);
	return b->tokens_per_day &&
	       (b->tokens >= b->tokens_per_day || tokens > b->tokens_per_day - b->tokens);
}

void budget_spend(struct budget *b, uint64_t now_ns, uint64_t wall_ns, uint64_t tokens)
{
	turn_day(b, wall_ns);
	b->tokens += tokens;
	if (!b->requests_per_minute)
		return;
	b->sent_ns[b->next] = now_ns;
	b->next = (b->next + 1) % b->requests_per_minute;
}

void budget_settle(struct budget *b, uint64_t guessed, uint64_t tokens)
{
	b->tokens -= MIN(b->tokens, guessed);
	b->tokens += tokens;
}
