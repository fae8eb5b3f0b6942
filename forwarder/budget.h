/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget.h: how often a gateway may be asked, and how much that may cost: requests in any minute; tokens and
 * money an hour and a day (of UTC). Before a request is sent the most that it can cost is taken (its bytes at
 * three a token, and an answer of full length); its answer sets that right. So no answer can be dearer than
 * what was allowed. What was spent is kept over a restart by budget_state.h.
 *
 * Money is counted in millionths of whatever unit the prices are in.
 */
#ifndef PICKET_BUDGET_H
#define PICKET_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUDGET_REQUESTS_MAX 600 /* a minute */

struct budget_limits {
	uint32_t requests_per_minute;             /* 0: any; at most BUDGET_REQUESTS_MAX */
	uint64_t tokens_per_hour, tokens_per_day; /* 0: any */
	double money_per_hour, money_per_day;     /* 0: any */
	double price_in, price_out;               /* of a million tokens */
};

struct budget_cost {
	uint64_t tokens_in, tokens_out;
};

struct budget_span {
	uint64_t number; /* of the hour or day, since 1970 */
	uint64_t tokens, money;
};

struct budget {
	struct budget_limits limits;
	uint64_t sent_ns[BUDGET_REQUESTS_MAX]; /* the last ones, a ring */
	uint32_t next;
	struct budget_span hour, day;
	uint64_t changes; /* raised with each change of what was spent */
};

void budget_init(struct budget *b, const struct budget_limits *limits);
/* The most that a body of so many bytes, and an answer of so many tokens, can cost. */
struct budget_cost budget_most(size_t bytes, uint32_t answer_tokens);
uint64_t budget_money_of(const struct budget *b, struct budget_cost cost);
/* When the next request may go, boot clock; 0: now, as far as the minute is concerned. */
uint64_t budget_due_ns(const struct budget *b);
/* What keeps that from being spent now: the name of the key, "tokens_per_hour", ...; NULL: nothing does. */
const char *budget_refuses(struct budget *b, uint64_t wall_ns, struct budget_cost cost);
/* When the hour, or where the day is spent the day, is over; wall clock. */
uint64_t budget_turn_ns(const struct budget *b, const char *refused, uint64_t wall_ns);
void budget_spend(struct budget *b, uint64_t now_ns, uint64_t wall_ns, struct budget_cost cost);
/* What was taken for was really so much. */
void budget_settle(struct budget *b, struct budget_cost taken, struct budget_cost cost);

#endif
