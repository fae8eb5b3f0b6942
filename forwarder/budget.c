// SPDX-License-Identifier: Apache-2.0
#include "forwarder/budget.h"
#include <math.h>
#include <string.h>
#include "lib/clock.h"
#include "lib/util.h"

#define HOUR_NS         (3600 * NS_PER_S)
#define DAY_NS          (86400 * NS_PER_S)
#define MINUTE_NS       (60 * NS_PER_S)
#define MILLION         1e6
#define BYTES_PER_TOKEN 3 /* of JSON with escapes; four in prose */

void budget_init(struct budget *b, const struct budget_limits *limits)
{
	memset(b, 0, sizeof *b);
	b->limits = *limits;
	b->limits.requests_per_minute = MIN(limits->requests_per_minute, (uint32_t)BUDGET_REQUESTS_MAX);
}

struct budget_cost budget_most(size_t bytes, uint32_t answer_tokens)
{
	return (struct budget_cost){bytes / BYTES_PER_TOKEN + 1, answer_tokens};
}

/* A price is of a million tokens, so tokens times price are millionths. Rounded up. */
uint64_t budget_money_of(const struct budget *b, struct budget_cost cost)
{
	return (uint64_t)ceil((double)cost.tokens_in * b->limits.price_in +
			      (double)cost.tokens_out * b->limits.price_out);
}

uint64_t budget_due_ns(const struct budget *b)
{
	/* The ring is as long as the limit: where the next one goes stands the oldest that counts. */
	uint64_t oldest_ns = b->limits.requests_per_minute ? b->sent_ns[b->next] : 0;

	return oldest_ns ? oldest_ns + MINUTE_NS : 0;
}

/* A clock that is set back gives nothing back. */
static void turn(struct budget_span *s, uint64_t number)
{
	if (number > s->number)
		*s = (struct budget_span){.number = number};
}

static void turn_both(struct budget *b, uint64_t wall_ns)
{
	turn(&b->hour, wall_ns / HOUR_NS);
	turn(&b->day, wall_ns / DAY_NS);
}

static bool is_over(uint64_t spent, uint64_t more, double limit)
{
	return limit > 0 && ((double)spent >= limit || (double)spent + (double)more > limit);
}

const char *budget_refuses(struct budget *b, uint64_t wall_ns, struct budget_cost cost)
{
	uint64_t tokens = cost.tokens_in + cost.tokens_out, money = budget_money_of(b, cost);
	const struct budget_limits *l = &b->limits;

	turn_both(b, wall_ns);
	if (is_over(b->day.tokens, tokens, (double)l->tokens_per_day))
		return "tokens_per_day";
	if (is_over(b->day.money, money, l->money_per_day * MILLION))
		return "money_per_day";
	if (is_over(b->hour.tokens, tokens, (double)l->tokens_per_hour))
		return "tokens_per_hour";
	if (is_over(b->hour.money, money, l->money_per_hour * MILLION))
		return "money_per_hour";
	return NULL;
}

uint64_t budget_turn_ns(const struct budget *b, const char *refused, uint64_t wall_ns)
{
	bool day = strstr(refused, "day") != NULL;
	uint64_t span_ns = day ? DAY_NS : HOUR_NS, number = day ? b->day.number : b->hour.number;

	/* Of a clock that was set back: when it is there again. */
	return MAX((number + 1) * span_ns, wall_ns);
}

static void add(struct budget *b, struct budget_cost cost)
{
	uint64_t money = budget_money_of(b, cost);

	b->hour.tokens += cost.tokens_in + cost.tokens_out;
	b->day.tokens += cost.tokens_in + cost.tokens_out;
	b->hour.money += money;
	b->day.money += money;
	b->changes++;
}

void budget_spend(struct budget *b, uint64_t now_ns, uint64_t wall_ns, struct budget_cost cost)
{
	turn_both(b, wall_ns);
	add(b, cost);
	if (!b->limits.requests_per_minute)
		return;
	b->sent_ns[b->next] = now_ns;
	b->next = (b->next + 1) % b->limits.requests_per_minute;
}

static void take_back(struct budget_span *s, uint64_t tokens, uint64_t money)
{
	s->tokens -= MIN(s->tokens, tokens);
	s->money -= MIN(s->money, money);
}

void budget_settle(struct budget *b, struct budget_cost taken, struct budget_cost cost)
{
	uint64_t tokens = taken.tokens_in + taken.tokens_out, money = budget_money_of(b, taken);

	take_back(&b->hour, tokens, money);
	take_back(&b->day, tokens, money);
	add(b, cost);
}
