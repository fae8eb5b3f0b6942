/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adopt.h: what a sensor finds when it starts: the journal, and what the kernel holds. What is in both has
 * its words again; what only the kernel has is a claim "adopted" of the source that stands in its entry,
 * never dropped; what only the journal has is put into the kernel, by batches that the warden checks against
 * the hard limits of now.
 *
 * The journal may be a moment behind. Where the kernel's entry asks for more than the journal's claims, the
 * kernel counts.
 */
#ifndef PICKET_ADOPT_H
#define PICKET_ADOPT_H

#include "lib/clock.h"
#include "policies/blocks.h"
#include "policies/limits.h"
#include "sensor/journal.h"
#include "sensor/warden.h"

struct adopt {
	const struct config *config;
	const struct clock *clock;
	struct warden_client *warden;
	const struct protected_set *protect; /* the warden's: it is not asked about entries of HTTP alone */
	struct journal *journal;             /* NULL: none */
	struct blocks *blocks, *behind;      /* the kernel's list, and that of HTTP alone */
	/* An entry is not put into force again; it is taken out of the list after that. */
	void (*refused)(void *arg, const struct block_told *b, enum limits_answer why);
	void *arg;
	struct journal_restored done;
};

/* 0 or -errno: the warden does not answer. Call with the enforcer's lock held, before anybody else acts. */
int adopt_run(struct adopt *a);

#endif
