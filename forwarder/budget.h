/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget.h: how often a gateway may be asked, and how much that may cost: requests in any minute, and tokens
 * of models a day (of UTC). What a request will cost is guessed before it is sent, at four bytes a token, and
 * set right by what its answer says. The day's count begins anew with the process.
 */
#ifndef PICKET_BUDGET_H
#define PICKET_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUDGET_REQUESTS_MAX 600 /* a minute */

struct budget {
	uint32_t requests_per_minute;          /* 0: any; at most BUDGET_REQUESTS_MAX */
	uint64_t tokens_per_day;               /* 0: any */
	uint64_t sent_ns[BUDGET_REQUESTS_MAX]; /* the last ones, a ring */
	uint32_t next;
	uint64_t day, tokens; /* since 1970; spent on it */
};

void budget_init(struct budget *b, uint32_t requests_per_minute, uint64_t tokens_per_day);
/* What a body of so many bytes costs. */
static inline uint64_t budget_tokens_of(size_t bytes)
{
	return bytes / 4 + 1;
}
/* When the next request may go, boot clock; 0: now, as far as the minute is concerned. */
uint64_t budget_due_ns(const struct budget *b);
/* Would so many tokens more be too many today? */
bool budget_is_spent(struct budget *b, uint64_t wall_ns, uint64_t tokens);
void budget_spend(struct budget *b, uint64_t now_ns, uint64_t wall_ns, uint64_t tokens);
/* What was guessed was really so much. */
void budget_settle(struct budget *b, uint64_t guessed, uint64_t tokens);

#endif
