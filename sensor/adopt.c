// SPDX-License-Identifier: Apache-2.0
#include "sensor/adopt.h"
#include <errno.h>
#include <string.h>
#include "lib/log.h"
#include "lib/target.h"
#include "lib/util.h"
#include "sensor/reconcile.h"

#define PAGE 1024 /* targets that are looked at between two questions to the list */

/* Beside what the caller gave: memory for questions. While the warden works on a batch the next one is made.
 */
struct work {
	struct adopt *a;
	uint64_t now_ns;
	struct warden_reply reply;
	struct warden_batch_head head;
	struct warden_wish wishes[2][WARDEN_BATCH_MAX];
	unsigned filling;  /* which of them; head.count of it */
	uint32_t underway; /* how many of the other one the warden has */
	bool empty;        /* the kernel holds nothing: entries go there as they are read */
	bool stopped;      /* the kill switch is on: nothing is put into force, and nothing refused */
	int error;
};

enum { STOP = 2 }; /* for journal_load: work.error says why */

static int wish_add(struct work *w, struct block *b);

/* --- the journal --- */

/* What did not come into its list. */
static void claims_refuse(struct work *w, const struct block_claim *claim, bool http, enum limits_answer why)
{
	const struct block_told lost = {
		.verdict = claim->verdict, .deadline_ns = claim->deadline_ns, .http = http, .claims = 1};

	w->a->done.refused++;
	journal_note(w->a->journal, &claim->verdict.target);
	w->a->refused(w->a->arg, &lost, why);
}

static enum limits_answer http_check(const struct work *w, const struct block_claim *claims, unsigned count)
{
	uint64_t end_ns = 0;

	for (unsigned i = 0; i < count; i++)
		end_ns = MAX(end_ns, claims[i].deadline_ns);
	return limits_check_target(w->a->config, w->a->protect, &claims->verdict.target,
				   (end_ns - MIN(w->now_ns, end_ns)) / NS_PER_MS, NULL);
}

static int list_restore(struct work *w, bool http, const struct block_claim *claims, unsigned count)
{
	enum limits_answer why = http                                     ? http_check(w, claims, count)
				 : target_is_net(&claims->verdict.target) ? LIMITS_OK
									  : LIMITS_BAD_TARGET;
	struct block *b;

	int r = why ? 0 : blocks_restore(http ? w->a->behind : w->a->blocks, claims, count, &b);
	if (r < 0 && r != -EINVAL)
		return r;
	if (r)
		why = r == BLOCKS_E_FULL ? LIMITS_FULL : LIMITS_BAD_TARGET;
	if (why)
		claims_refuse(w, claims, http, why);
	else if (http)
		w->a->done.targets++;
	if (!why && http)
		b->installed_ns = w->now_ns;
	return !why && !http && w->empty ? wish_add(w, b) : 0;
}

static int entry_restore(void *arg, const struct journal_entry *e)
{
	struct work *w = arg;
	int r = 0;

	for (int i = 0; !r && i < JOURNAL_LISTS; i++)
		if (e->lists[i].count)
			r = list_restore(w, i == JOURNAL_HTTP, e->lists[i].claims, e->lists[i].count);
	w->error = r;
	return r ? STOP : 0;
}

/* --- what the kernel holds --- */

static enum verdict_action action_of_kernel(uint8_t action)
{
	switch ((enum pk_action)action) {
	case PK_ACT_RATE:
		return VERDICT_RATE_LIMIT;
	case PK_ACT_SHADOW:
		return VERDICT_SHADOW;
	case PK_ACT_RESET:
		return VERDICT_RESET;
	case PK_ACT_DROP:
		break;
	}
	return VERDICT_BLOCK;
}

/* How its entry stands to what the list asks for; its time is in seconds, rounded up. */
enum comparison { SAME, MORE, LESS };

static enum comparison compare(const struct block *b, const struct warden_block *k)
{
	int strength = verdict_strength(b->verdict.action),
	    held = verdict_strength(action_of_kernel(k->value.action));
	uint64_t end = block_end_ns(b), kernel_end = k->value.deadline_s * NS_PER_S;

	if (held < strength || k->value.scope < (uint8_t)b->verdict.scope || kernel_end + NS_PER_S < end)
		return LESS;
	if (held > strength || k->value.scope > (uint8_t)b->verdict.scope || kernel_end > end + 2 * NS_PER_S)
		return MORE;
	return SAME;
}

/* What the kernel's entry would be as a claim, whose words are not known. */
static struct verdict verdict_adopted(const struct work *w, const struct warden_block *k)
{
	struct verdict v = {
		.source = (enum verdict_source)k->value.source,
		.action = action_of_kernel(k->value.action),
		.scope = (enum verdict_scope)k->value.scope,
		.target = k->target,
		.ttl_ms = (k->value.deadline_s * NS_PER_S - w->now_ns) / NS_PER_MS,
		.confidence = 1,
		.reason = "adopted: the kernel held it when the sensor started",
		.received_ns = w->now_ns,
	};

	snprintf(v.id, sizeof v.id, "adopted-%llu", (unsigned long long)w->a->done.adopted);
	snprintf(v.origin, sizeof v.origin, "%s", BLOCKS_ADOPTED);
	return v;
}

/* The claim of that source which is in force, or any of it: its words go with the kernel's time. */
static bool claim_extend(struct work *w, const struct block *b, const struct warden_block *k)
{
	struct block_claim claims[BLOCKS_CLAIMS_MAX], *mine = NULL;
	struct block_told in_force;
	struct block *left;

	blocks_tell(b, &in_force);
	unsigned count = blocks_claims(w->a->blocks, &k->target, claims);

	for (unsigned i = 0; i < count; i++)
		if (claims[i].verdict.source == (enum verdict_source)k->value.source &&
		    (!mine || !strcmp(claims[i].verdict.origin, in_force.verdict.origin)))
			mine = &claims[i];
	if (!mine)
		return false;
	const struct verdict of = mine->verdict;
	mine->verdict.action = action_of_kernel(k->value.action);
	mine->verdict.scope = (enum verdict_scope)k->value.scope;
	mine->deadline_ns = MAX(mine->deadline_ns, k->value.deadline_s * NS_PER_S);
	mine->revert_ns = 0;
	return blocks_withdraw(w->a->blocks, &of, mine, &left) == 0;
}

/* held: as it is. What would last longer than may be by now is taken for as long as may be, and put anew. */
static void kernel_adopt(struct work *w, const struct warden_block *held)
{
	uint64_t most_s = (w->now_ns + w->a->config->limits.ttl_max_ms * NS_PER_MS) / NS_PER_S;
	struct warden_block of_now = *held, *k = &of_now;
	struct block *b = blocks_find(w->a->blocks, &k->target);
	bool longer = k->value.deadline_s > most_s + 1;
	if (longer)
		k->value.deadline_s = (typeof(k->value.deadline_s))most_s;
	/* What lists had put there they find again. */
	bool by_list = verdict_is_of_list((enum verdict_source)k->value.source);
	enum comparison c = b ? compare(b, k) : MORE;

	if (k->value.deadline_s * NS_PER_S <= w->now_ns || c == LESS)
		return;
	if (c == MORE && !by_list && !(b && claim_extend(w, b, k))) {
		const struct verdict v = verdict_adopted(w, k);
		if (blocks_put(w->a->blocks, &v, 0, w->now_ns, NULL))
			return;
	}
	if (c == MORE && !by_list) {
		w->a->done.adopted++;
		journal_note(w->a->journal, &k->target);
	}
	b = blocks_find(w->a->blocks, &k->target);
	if (b)
		b->installed_ns = longer ? 0 : w->now_ns;
}

static int kernel_read(struct work *w)
{
	struct warden_request q = {.op = WARDEN_LIST};

	for (;;) {
		int r = warden_call(w->a->warden, &q, &w->reply);
		if (r == 0)
			r = w->reply.result;
		if (r || w->reply.count == 0)
			return r;
		w->now_ns = clock_boot_ns(w->a->clock);
		for (uint32_t i = 0; i < w->reply.count; i++)
			kernel_adopt(w, &w->reply.blocks[i]);
		q.index += w->reply.count;
	}
}

/* --- what the kernel lacks --- */

static void refuse(struct work *w, const struct prefix *target, enum limits_answer why)
{
	const struct block *b = blocks_find(w->a->blocks, target);
	struct block_told lost;

	w->a->done.refused++;
	if (!b)
		return;
	blocks_tell(b, &lost);
	blocks_remove(w->a->blocks, target);
	journal_note(w->a->journal, target);
	w->a->refused(w->a->arg, &lost, why);
}

/* Of the batch that was asked for: what could not be put is not there. */
static int answers_take(struct work *w)
{
	const struct warden_wish *wishes = w->wishes[!w->filling];
	uint32_t count = w->underway;

	w->underway = 0;
	int r = count ? warden_batch_receive(w->a->warden, &w->reply) : 0;
	if (r || !count)
		return r;
	w->stopped = w->stopped || w->reply.result == WARDEN_E_KILL_SWITCH;
	if (w->reply.result && !w->stopped)
		log_warning("blocks could not be put into force again; it is tried again",
			    LOG_I("result", w->reply.result));
	for (uint32_t i = 0; i < count; i++) {
		struct block *b;

		w->a->done.targets += !w->reply.result && !w->reply.answers[i];
		if (!w->reply.result && w->reply.answers[i])
			refuse(w, &wishes[i].target, (enum limits_answer)w->reply.answers[i]);
		else if (w->reply.result && (b = blocks_find(w->a->blocks, &wishes[i].target)))
			b->installed_ns = 0; /* reconciliation brings it later */
	}
	return 0;
}

static int wishes_send(struct work *w)
{
	int r = answers_take(w);

	if (r || !w->head.count)
		return r;
	r = warden_batch_send(w->a->warden, &w->head, w->wishes[w->filling]);
	if (r)
		return r;
	w->underway = w->head.count;
	w->head.count = 0;
	w->filling = !w->filling;
	return 0;
}

static int wishes_end(struct work *w)
{
	int r = wishes_send(w);

	return r ? r : answers_take(w);
}

static int wish_add(struct work *w, struct block *b)
{
	const struct wanted wanted = {
		.action = b->verdict.action,
		.scope = b->verdict.scope,
		.source = b->verdict.source,
		.end_ns = block_end_ns(b),
	};

	if (w->stopped)
		return 0;
	b->installed_ns = w->now_ns; /* unless the answer says otherwise */
	w->wishes[w->filling][w->head.count++] = reconcile_wish(&b->verdict.target, &wanted);
	return w->head.count == WARDEN_BATCH_MAX ? wishes_send(w) : 0;
}

/* What the kernel does not hold. */
static int missing_add(struct work *w)
{
	struct prefix targets[PAGE];
	size_t cursor = 0, count;
	int r = 0;

	while (!r && (count = blocks_page(w->a->blocks, &cursor, targets, PAGE)))
		for (size_t i = 0; !r && i < count; i++) {
			struct block *b = blocks_find(w->a->blocks, &targets[i]);
			if (b && !b->installed_ns && block_end_ns(b) > w->now_ns)
				r = wish_add(w, b);
		}
	return r;
}

/* Who connected while nothing was in force has not been told. */
static void connections_close(struct work *w)
{
	const struct warden_request q = {.op = WARDEN_CLOSE_ALL};

	(void)warden_call(w->a->warden, &q, &w->reply);
}

static int kernel_is_empty(struct work *w)
{
	const struct warden_request q = {.op = WARDEN_STATUS};
	int r = warden_call(w->a->warden, &q, &w->reply);

	if (!r)
		r = w->reply.result;
	w->empty = !r && w->reply.status.blocks == 0;
	return r;
}

static int run(struct work *w)
{
	const struct journal_room room = journal_room(w->a->journal);
	int r = kernel_is_empty(w);

	w->head.all4 = room.exact4;
	w->head.all6 = room.exact6;
	if (!r)
		r = journal_load(w->a->journal, entry_restore, w) ? w->error : 0;
	if (!r && !w->empty)
		r = kernel_read(w);
	if (!r && !w->empty)
		r = missing_add(w);
	if (!r)
		r = wishes_end(w);
	if (!r && w->a->done.targets)
		connections_close(w);
	return r;
}

int adopt_run(struct adopt *a)
{
	uint64_t began_ns = clock_boot_ns(a->clock);
	_cleanup_free_ struct work *w = calloc(1, sizeof *w);

	if (!w)
		return -ENOMEM;
	w->a = a;
	w->now_ns = began_ns;
	int r = run(w);
	a->done.took_ns = clock_boot_ns(a->clock) - began_ns;
	if (!r)
		journal_note_restored(a->journal, &a->done);
	return r;
}
