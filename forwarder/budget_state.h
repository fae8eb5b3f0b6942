/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget_state.h: what of budgets was spent, over a restart: STATE_DIR/budget-NAME.0 and .1 (state_file.h),
 * opened while the process may, and written by a thread of its own, since each write is synced and nobody who
 * judges waits for a disk. budget_state_put before a request is sent takes its price; if the process is
 * killed before the thread came to it, that one request is forgotten.
 *
 *     picket-budget 1 HOUR TOKENS MONEY DAY TOKENS MONEY\n       decimal
 */
#ifndef PICKET_BUDGET_STATE_H
#define PICKET_BUDGET_STATE_H

#include "forwarder/budget.h"
#include "lib/span.h"

struct budget_state;

/* 0 or -errno. name: of the gateway. */
int budget_state_open(const char *directory, const char *name, struct budget_state **ret);
/* What was spent, as far as hour and day still are; 0, STATE_FILE_E_*, or -errno. */
int budget_state_load(struct budget_state *s, struct budget *b);
/* Hands over what is spent; returns at once. The first call starts the thread. 0 or -errno. */
int budget_state_put(struct budget_state *s, const struct budget *b);
/* -errno of the last write that failed, 0: none did. Any thread. */
int budget_state_error(struct budget_state *s);
/* Writes what was handed over last, then frees; NULL: nothing. */
void budget_state_free(struct budget_state *s);

/* Positive: it is none. */
int budget_state_parse(struct span text, struct budget_span *ret_hour, struct budget_span *ret_day);

#endif
