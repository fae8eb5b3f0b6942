/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget_state.h: what a gateway that is paid for knows over a restart: what of its budget was spent, and
 * which form of answer was found (protocol_openai.c), since finding out costs requests.
 * STATE_DIR/budget-NAME.0 and .1 (state_file.h), opened while the process may, and written by a thread of its
 * own, since each write is synced and nobody who judges waits for a disk. budget_state_put before a request
 * is sent takes its price; if the process is killed before the thread came to it, that one request is
 * forgotten.
 *
 *     picket-budget 1 HOUR TOKENS MONEY DAY TOKENS MONEY\n       decimal
 *     form FORM DAY ENDPOINT\n            if one was found; ENDPOINT: 16 digits of hexadecimal
 */
#ifndef PICKET_BUDGET_STATE_H
#define PICKET_BUDGET_STATE_H

#include "forwarder/budget.h"
#include "lib/buffer.h"

/* Then the strictest form is tried again: models are replaced behind their names. */
#define BUDGET_FORM_DAYS 7

/* A form that was found: of whom, and when. */
struct budget_form {
	unsigned form;     /* 1 to BUDGET_FORM_MAX; 0: none was found */
	uint64_t day;      /* since 1970 */
	uint64_t endpoint; /* a hash of what makes it the same endpoint and model */
};
#define BUDGET_FORM_MAX 9

struct budget_kept {
	struct budget_span hour, day;
	struct budget_form form;
};

struct budget_state;

/* 0 or -errno. name: of the gateway. */
int budget_state_open(const char *directory, const char *name, struct budget_state **ret);
/* What was spent, as far as hour and day still are, and the form that was found; 0, STATE_FILE_E_*, or
 * -errno. */
int budget_state_load(struct budget_state *s, struct budget_kept *ret);
/* Hands over what is to be kept; returns at once. The first call starts the thread. 0 or -errno. */
int budget_state_put(struct budget_state *s, const struct budget_kept *kept);
/* -errno of the last write that failed, 0: none did. Any thread. */
int budget_state_error(struct budget_state *s);
/* Writes what was handed over last, then frees; NULL: nothing. */
void budget_state_free(struct budget_state *s);

/* Positive: it is none. */
int budget_state_parse(struct span text, struct budget_kept *ret);
/* Appends it. Errors stick in out. */
void budget_state_write(const struct budget_kept *kept, struct buffer *out);

#endif
