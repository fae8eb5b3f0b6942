// SPDX-License-Identifier: Apache-2.0
/*
 * The enforcer: takes each verdict through the guard, keeps the desired list, has the kernel made equal, and
 * tells what was decided. It leaves judging to guard.c, the lists to desired.c, and the kernel to installer.c
 * and the warden.
 */
#include "sensor/enforcer.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "lib/log.h"
#include "lib/target.h"
#include "lib/util.h"
#include "policies/neighbours.h"
#include "sensor/adopt.h"
#include "sensor/adopt_settings.h"
#include "sensor/desired.h"
#include "sensor/facts.h"
#include "sensor/history.h"
#include "sensor/installer.h"
#include "sensor/reconcile.h"

#define PROTECT_READ_NS (5 * NS_PER_S)
#define PROTECT_AGE_NS                                                                      \
	(15 * NS_PER_S) /* older than this only if no tick came: a decision reads it itself \
			 */

struct enforcer {
	pthread_mutex_t lock;
	struct enforcer_parts parts;
	struct facts facts; /* what the guard asks */
	struct guard *guard;
	struct neighbours *neighbours;
	struct desired desired;
	struct protected_set
		protect; /* the warden's, as last read: for the reason; the warden itself asks afresh */
	uint64_t protect_ns;
	struct pending_queue pending;
	struct rejected_list rejected;
	struct history history;
	struct enforcer_counts counts;
	struct warden_reply reply; /* 20 kB: not on the stack */
	struct audit_who who;      /* of the decisions that are made now; {0}: who asked for them */
	bool kill;
	unsigned refusals_told; /* of what was in force before the restart */
	struct lists lists;
	struct installer installer;
	pthread_mutex_t lists_lock; /* who changes lists, or compares; taken before the other */
	struct reconcile reconcile;
	uint64_t reconciled_ns; /* of the thread that compares */
};

static uint64_t now_ns(const struct enforcer *e)
{
	return clock_boot_ns(e->parts.clock);
}

/* The decisions at HTTP go by the list as it is in force. For the thread that changes it. */
static void listed_follow(void *arg, unsigned list)
{
	struct enforcer *e = arg;
	const struct lists_item *item = &e->lists.items[list];
	const struct config_list *config = &e->parts.config->lists[list];
	uint64_t boot = clock_boot_ns(e->parts.clock), wall = clock_wall_ns(e->parts.clock);
	const struct listed_view view = {
		.list = item->list,
		.action = config->action,
		.mark = LISTS_IN_FORCE,
		.mask = (uint8_t)~LISTS_SEEN,
		.in_force = item->account.in_force,
		.end_ns = item->renewed_ns + config->ttl_ms * NS_PER_MS,
		.latest_ns = item->renewed_ns + e->parts.config->limits.ttl_max_ms * NS_PER_MS,
		.wall_ahead_ns = (int64_t)(wall - boot),
	};

	if (decide_list(e->desired.decide, list, &view) && e->parts.http_changed)
		e->parts.http_changed(e->parts.arg, NULL);
}

int enforcer_new(const struct enforcer_parts *parts, struct enforcer **ret)
{
	const struct config *c = parts->config;
	struct enforcer *e = calloc(1, sizeof *e);

	if (!e)
		return -ENOMEM;
	e->parts = *parts;
	pthread_mutex_init(&e->lock, NULL);
	pthread_mutex_init(&e->lists_lock, NULL);
	int r = neighbours_new(c->guard.group_offenders, c->guard.group_within_ms * NS_PER_MS,
			       &e->neighbours);
	const struct desired_parts lists = {
		.config = c,
		.journal = parts->journal,
		.http = parts->http,
		.http_changed = parts->http_changed,
		.arg = parts->arg,
	};
	if (!r)
		r = desired_init(&e->desired, &lists);
	e->facts = (struct facts){
		.clock = parts->clock,
		.clients = parts->clients,
		.behind = parts->behind,
		.regulars = parts->regulars,
		.witness = parts->witness,
		.kernel_list = e->desired.kernel,
		.http_list = e->desired.http,
		.http = parts->http,
		.arg = parts->arg,
	};
	const struct guard_facts facts = facts_of(&e->facts);
	if (!r)
		r = guard_new(c, parts->proxies, &facts, &e->guard);
	lists_init(&e->lists, c, parts->clock);
	e->installer.config = c;
	e->installer.clock = parts->clock;
	e->installer.warden = parts->warden;
	e->installer.lists = &e->lists;
	e->reconcile = (struct reconcile){
		.lock = &e->lock,
		.clock = parts->clock,
		.warden = parts->warden,
		.audit = parts->audit,
		.blocks = e->desired.kernel,
		.lists = &e->lists,
		.listed = listed_follow,
		.arg = e,
	};
	if (!r)
		r = reconcile_init(&e->reconcile);
	if (r) {
		enforcer_free(e);
		return r;
	}
	*ret = e;
	return 0;
}

void enforcer_free(struct enforcer *e)
{
	if (!e)
		return;
	history_deinit(&e->history);
	guard_free(e->guard);
	neighbours_free(e->neighbours);
	reconcile_deinit(&e->reconcile);
	lists_deinit(&e->lists);
	desired_deinit(&e->desired);
	protected_set_free(&e->protect);
	pthread_mutex_destroy(&e->lists_lock);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

/* --- telling --- */

static void publish(struct enforcer *e, const struct verdict *v, const struct decision *d)
{
	struct event *event = decision_event(d, v, e->parts.clock);

	e->counts.outcomes[d->outcome]++;
	if (!event) {
		audit_note_decision(e->parts.audit, NULL, &e->who);
		return;
	}
	history_add(&e->history, event);
	struct audit_who who = e->who;
	if (d->pending_id)
		who.pending_id = d->pending_id;
	audit_note_decision(e->parts.audit, event, &who);
	e->parts.event(e->parts.arg, event);
}

/* --- the warden --- */

static int ask(struct enforcer *e, const struct warden_request *q)
{
	return warden_call(e->parts.warden, q, &e->reply);
}

/* Reading it is several questions, in which a verdict would wait: upkeep does, a decision only has to
 * believe. */
static void protect_read(struct enforcer *e, uint64_t max_age_ns)
{
	uint64_t now = now_ns(e);
	struct protected_set set = {0};

	if (e->protect_ns && now - e->protect_ns < max_age_ns)
		return;
	struct warden_request q = {.op = WARDEN_PROTECTED};
	for (;;) {
		if (ask(e, &q) || e->reply.result) {
			protected_set_free(&set);
			return;
		}
		if (e->reply.count == 0)
			break;
		for (uint32_t i = 0; i < e->reply.count; i++)
			protected_set_add(&set, &e->reply.protected[i].net, e->reply.protected[i].why);
		q.index += e->reply.count;
	}
	protected_set_free(&e->protect);
	e->protect = set;
	e->protect_ns = now;
}

/* Has the warden end what the entry's target has open. */
static void connections_close(struct enforcer *e, struct block *b, struct decision *d)
{
	int r = installer_close(&e->installer, &b->verdict.target, &d->closed);

	if (r)
		log_warning("open connections of a blocked client could not all be ended", LOG_ERRNO(r));
	b->closed += d->closed;
	e->counts.closed += d->closed;
}

/* --- verdicts --- */

/* Said no to, less than a day ago. */
static bool was_rejected(const struct enforcer *e, const struct verdict *v, struct decision *d)
{
	const struct rejected *r = rejected_find(&e->rejected, v, now_ns(e));
	char when[CLOCK_TEXT_MAX], text[VERDICT_TEXT_MAX];

	if (!r)
		return false;
	clock_format(clock_wall_of_boot(e->parts.clock, (uint64_t)r->when_ns), when);
	snprintf(text, sizeof text,
		 "a person rejected it at %.19s UTC: it is not asked again for a day from then on", when);
	decision_set(d, DECISION_REFUSED, "rejected", text);
	return true;
}

/* A person is asked. True: it is a new question, or none. */
static bool wait_for_answer(struct enforcer *e, const struct verdict *v, struct decision *d)
{
	struct pending gone;
	bool fresh;

	if (was_rejected(e, v, d))
		return true;
	d->pending_id = pending_put(&e->pending, v, d->why, d->detail, now_ns(e), &fresh, &gone);
	if (gone.id) {
		struct decision full = {.pending_id = gone.id};
		decision_set(&full, DECISION_REFUSED, "queue_full",
			     "the oldest pending item made room for a newer one");
		e->who.by = "picket";
		publish(e, &gone.verdict, &full);
		e->who.by = NULL;
	}
	return fresh;
}

/* The list first, since it knows what lasts longest and how wide; then the kernel is made equal to the entry.
 */
static void enforce(struct enforcer *e, const struct verdict *v, uint64_t confirm_within_ms,
		    struct decision *d)
{
	uint64_t now = now_ns(e), revert_ns = confirm_within_ms ? now + confirm_within_ms * NS_PER_MS : 0;
	struct block_claim before;
	bool had = blocks_claim(e->desired.kernel, v, &before) == 0;
	struct block *entry;

	int r = blocks_put(e->desired.kernel, v, revert_ns, now, &entry);
	if (r == BLOCKS_E_SHORTER) {
		installer_put(&e->installer, entry,
			      d); /* it should be there already; that it is costs nothing to make sure */
		if (d->outcome != DECISION_BLOCKED)
			return;
		decision_set(d, DECISION_BLOCKED, "ok",
			     v->scope > entry->verdict.scope
				     ? "already blocked for longer, on watched ports: "
				       "unblock it first to block the whole host"
				     : "already blocked for longer");
		return;
	}
	if (r) {
		decision_set(
			d, DECISION_REFUSED, "full",
			"the desired list is full (limits.blocks_max), or too many asked for this target");
		return;
	}
	installer_put(&e->installer, entry, d);
	if (d->outcome == DECISION_BLOCKED) {
		entry->installed_ns = d->installed_ns;
		entry->seen = e->reconcile.era;
		desired_follow(&e->desired, &v->target);
		connections_close(e, entry, d);
		return;
	}
	/* Refused below us: the list goes back to what the kernel holds. */
	blocks_withdraw(e->desired.kernel, v, had ? &before : NULL, &entry);
}

/* Only a proxy's packets come here: nothing for the kernel. */
static void enforce_http(struct enforcer *e, const struct verdict *v, uint64_t confirm_within_ms,
			 struct decision *d)
{
	uint64_t revert_ns = confirm_within_ms ? now_ns(e) + confirm_within_ms * NS_PER_MS : 0;
	struct block_claim before;
	bool had = blocks_claim(e->desired.http, v, &before) == 0;
	struct block *entry;

	int r = blocks_put(e->desired.http, v, revert_ns, now_ns(e), &entry);
	if (r == BLOCKS_E_SHORTER) {
		decision_set(d, DECISION_BLOCKED, "ok", "already denied at HTTP for longer");
		return;
	}
	bool put = r == 0;
	if (put && !desired_follow(&e->desired, &v->target)) {
		blocks_withdraw(e->desired.http, v, had ? &before : NULL, &entry);
		put = false;
	}
	if (!put) {
		decision_set(
			d, DECISION_REFUSED, "full",
			"the list of clients denied at HTTP is full (limits.blocks_max), or memory is out");
		return;
	}
	d->installed_ns = entry->installed_ns = now_ns(e);
	decision_set(d, DECISION_BLOCKED, "ok",
		     !target_is_net(&v->target) ? "at HTTP, by the proxies that tell it"
		     : d->published ? "nobody here can stop it: it is kept for others (`picket export`)"
				    : "at HTTP, where its proxy stops it: the kernel sees only the proxy");
}

/* Nobody has to answer any more whether to do what was done now. */
static void settle(struct enforcer *e, const struct verdict *v)
{
	struct pending item;

	if (!pending_settle(&e->pending, v, &item))
		return;
	struct decision d = {.pending_id = item.id};
	decision_set(&d, DECISION_REFUSED, "settled", "it was done meanwhile, for another reason");
	const char *by = e->who.by;
	e->who.by = "picket";
	publish(e, &item.verdict, &d);
	e->who.by = by;
}

/* What the guard allowed: in the kernel, or where that sees only a proxy's packets, at HTTP. */
static void carry_out(struct enforcer *e, const struct verdict *v, uint64_t confirm_within_ms,
		      const struct guard_answer *answer, struct decision *d)
{
	if (d->http)
		enforce_http(e, v, confirm_within_ms, d);
	else
		enforce(e, v, confirm_within_ms, d);
	if (d->outcome != DECISION_BLOCKED)
		return;
	guard_blocked(e->guard, v, now_ns(e));
	settle(e, v);
	if (v->source == VERDICT_OPERATOR)
		rejected_forget(&e->rejected, &v->target);
	if (strcmp(answer->why, "ok") != 0)
		decision_set(d, DECISION_BLOCKED, answer->why, answer->detail);
	else if (!d->detail[0])
		snprintf(d->detail, sizeof d->detail, "%s", answer->detail);
}

static void tell_trip(const struct enforcer *e, const struct verdict *v, const struct guard_answer *answer)
{
	char pause[32];

	log_warning("a source went over a limit of the guard: nothing new of it until it has cooled down",
		    LOG_S("source", v->source == VERDICT_LOCAL ? "local" : v->origin),
		    LOG_S("limit", answer->why),
		    LOG_S("cool_down", config_duration_format(e->parts.config->guard.cool_down_ms, pause)));
}

static void block(struct enforcer *e, const struct verdict *v, uint64_t confirm_within_ms, bool approved,
		  struct decision *d)
{
	struct guard_answer answer = {.why = "ok", .ttl_ms = v->ttl_ms, .action = v->action};
	struct verdict given = *v;
	bool tell = true;

	protect_read(e, PROTECT_AGE_NS);
	if (v->source != VERDICT_OPERATOR && e->kill)
		decision_set(d, DECISION_REFUSED, "kill_switch",
			     "the kill switch is on; `picket resume` ends it");
	else {
		guard_decide(e->guard, v, &e->protect, approved, now_ns(e), &answer);
		decision_set(d, answer.outcome, answer.why, answer.detail);
		d->http = answer.http;
		d->published = d->http && desired_is_published(&e->desired, answer.action, &v->target);
	}
	given.ttl_ms = answer.ttl_ms;
	given.action = answer.action;
	if (answer.tripped)
		tell_trip(e, v, &answer);
	if (d->outcome == DECISION_PENDING)
		tell = wait_for_answer(e, &given, d);
	if (d->outcome == DECISION_BLOCKED)
		carry_out(e, &given, confirm_within_ms, &answer, d);
	if (tell)
		publish(e, &given, d);
}

/* An automatic verdict was done, or would have been: several of one network have that proposed. */
static void propose_network(struct enforcer *e, const struct verdict *v, const struct decision *d)
{
	struct decision wider = {0};
	struct verdict proposal;

	if (d->outcome != DECISION_BLOCKED &&
	    (d->outcome != DECISION_WOULD_BLOCK || strcmp(d->why, "observe") != 0))
		return;
	if (neighbours_note(e->neighbours, v, now_ns(e), &proposal))
		block(e, &proposal, 0, false, &wider);
}

/* Is it in force by a block list? Says which, and what may be done about it. */
static bool list_of(const struct enforcer *e, const struct prefix *target, char *text, size_t size)
{
	for (unsigned i = 0; i < e->lists.count; i++) {
		const struct config_list *c = &e->parts.config->lists[i];
		uint32_t at = list_find(e->lists.items[i].list, target);
		if (at == LIST_NONE || !lists_entry_wanted(&e->lists, i, at, now_ns(e)))
			continue;
		snprintf(text, size,
			 "the block list %s names it: take it out of %.120s, or put it into limits.protect",
			 c->name, c->path);
		return true;
	}
	return false;
}

static void unblock(struct enforcer *e, const struct verdict *v, struct decision *d)
{
	bool kernel = blocks_find(e->desired.kernel, &v->target),
	     http = blocks_find(e->desired.http, &v->target);
	char in_list[VERDICT_TEXT_MAX];
	uint64_t done = now_ns(e);

	bool listed = list_of(e, &v->target, in_list, sizeof in_list);
	if (!kernel && !http) {
		decision_set(d, DECISION_REFUSED, listed ? "in_list" : "not_blocked",
			     listed ? in_list : "no such entry; `picket blocks` lists them");
		return;
	}
	int r = kernel ? installer_take_out(&e->installer, &v->target, &done) : 0;
	if (r) {
		decision_set(d, DECISION_REFUSED, "install_failed", strerror(-r));
	} else {
		blocks_remove(e->desired.kernel, &v->target);
		blocks_remove(e->desired.http, &v->target);
		desired_follow(&e->desired, &v->target);
		guard_forgive(e->guard, &v->target);
		neighbours_forgive(e->neighbours, &v->target, done);
		d->installed_ns = done;
		d->http = !kernel;
		decision_set(d, DECISION_UNBLOCKED, "ok", listed ? in_list : "");
	}
	publish(e, v, d);
}

/* A gateway takes back what it asked for itself. Others may have asked for the same. */
static void withdraw(struct enforcer *e, const struct verdict *v, struct decision *d)
{
	bool kernel = desired_is_own(e->desired.kernel, v), http = desired_is_own(e->desired.http, v);
	struct block *left = NULL;
	uint64_t done = now_ns(e);

	if (!kernel && !http) {
		decision_set(d, DECISION_REFUSED, "not_own", "no block of this source on that target");
		publish(e, v, d);
		return;
	}
	decision_set(d, DECISION_UNBLOCKED, "ok", "");
	d->http = !kernel;
	neighbours_forgive(e->neighbours, &v->target, done);
	if (http)
		blocks_withdraw(e->desired.http, v, NULL, &left);
	if (kernel) {
		blocks_withdraw(e->desired.kernel, v, NULL, &left);
		if (left)
			installer_left(&e->installer, left, d);
		else if (installer_take_out(&e->installer, &v->target,
					    &done)) /* the next reconciliation tries again */
			snprintf(d->detail, sizeof d->detail, "the warden could not take it out yet");
	}
	desired_follow(&e->desired, &v->target);
	d->installed_ns = done;
	publish(e, v, d);
}

/* A gateway's unblock faces the guard like its blocks: in mode observe and approve it changes nothing by
 * itself. */
static void take_back(struct enforcer *e, const struct verdict *v, struct decision *d)
{
	struct guard_answer answer;
	bool tell = true;

	guard_decide(e->guard, v, &e->protect, false, now_ns(e), &answer);
	if (answer.outcome == DECISION_UNBLOCKED) {
		withdraw(e, v, d);
		return;
	}
	decision_set(d, answer.outcome, answer.why, answer.detail);
	if (d->outcome == DECISION_PENDING)
		tell = wait_for_answer(e, v, d);
	if (tell)
		publish(e, v, d);
}

void enforcer_verdict(struct enforcer *e, const struct verdict *v, uint64_t confirm_within_ms,
		      struct decision *ret)
{
	struct decision d = {0};

	pthread_mutex_lock(&e->lock);
	e->counts.verdicts[v->source]++;
	if (verdict_denies(v->action)) {
		block(e, v, confirm_within_ms, false, &d);
		propose_network(e, v, &d);
	} else if (v->action == VERDICT_UNBLOCK && v->source == VERDICT_OPERATOR)
		unblock(e, v, &d);
	else if (v->action == VERDICT_UNBLOCK &&
		 (desired_is_own(e->desired.kernel, v) || desired_is_own(e->desired.http, v)))
		take_back(e, v, &d);
	else if (v->action == VERDICT_UNBLOCK)
		withdraw(e, v, &d); /* says that it is not its own */
	else {
		decision_set(&d, DECISION_REFUSED, "action_allow", "nothing to do");
	}
	pthread_mutex_unlock(&e->lock);
	*ret = d;
}

int enforcer_confirm(struct enforcer *e, const struct prefix *target)
{
	pthread_mutex_lock(&e->lock);
	struct block *b;
	bool net = target_is_net(target);
	int r = blocks_confirm(net ? e->desired.kernel : e->desired.http, target, &b);
	if (!r) {
		struct decision d = {0};
		if (net)
			installer_put(&e->installer, b, &d); /* from the trial's end to its own */
		desired_follow(&e->desired, target);
	}
	pthread_mutex_unlock(&e->lock);
	return r;
}

int enforcer_answer(struct enforcer *e, uint64_t pending_id, bool yes, const char *by, struct decision *ret)
{
	struct decision d = {0};
	struct pending item;

	pthread_mutex_lock(&e->lock);
	bool found = pending_take(&e->pending, pending_id, &item);
	if (found) {
		struct verdict *v = &item.verdict;
		v->received_ns = now_ns(e);
		e->who = (struct audit_who){by, yes ? "approved" : "rejected", pending_id};
		if (yes && v->action == VERDICT_UNBLOCK) {
			withdraw(e, v, &d);
		} else if (yes) {
			block(e, v, 0, true, &d);
		} else {
			char text[VERDICT_TEXT_MAX];
			snprintf(text, sizeof text, "rejected by %s", by);
			rejected_put(&e->rejected, v, now_ns(e));
			decision_set(&d, DECISION_REFUSED, "rejected", text);
			publish(e, v, &d);
		}
		e->who = (struct audit_who){0};
	}
	pthread_mutex_unlock(&e->lock);
	if (!found)
		return 1;
	*ret = d;
	return 0;
}

/* --- upkeep --- */

/* Told one by one, up to a number; the log has them all counted. */
static void restore_refused(void *arg, const struct block_told *b, enum limits_answer why)
{
	struct enforcer *e = arg;
	struct decision d = {.http = b->http};

	if (e->refusals_told++ >= HISTORY_MAX)
		return;
	decision_set(&d, DECISION_REFUSED, limits_answer_name(why),
		     "it was in force before the restart, and is not any more");
	e->who.by = "picket";
	publish(e, &b->verdict, &d);
	e->who.by = NULL;
}

static void restored_log(const struct journal_counts *c)
{
	const struct journal_restored *r = &c->restored;

	if (!r->claims && !r->ended && !r->adopted)
		return;
	log_info("what was in force before is in force again", LOG_U("kept", r->claims),
		 LOG_U("ended_meanwhile", r->ended), LOG_U("put_back", r->targets),
		 LOG_U("adopted_of_the_kernel", r->adopted), LOG_U("refused", r->refused),
		 LOG_U("unreadable", r->unreadable), LOG_U("ms", r->took_ns / NS_PER_MS));
}

int enforcer_adopt(struct enforcer *e, bool settings)
{
	struct adopt a = {
		.config = e->parts.config,
		.clock = e->parts.clock,
		.warden = e->parts.warden,
		.protect = &e->protect,
		.journal = e->parts.journal,
		.blocks = e->desired.kernel,
		.behind = e->desired.http,
		.refused = restore_refused,
		.arg = e,
	};
	const struct adopt_settings set = {
		.warden = e->parts.warden,
		.journal = e->parts.journal,
		.guard = e->guard,
		.proxies = e->parts.proxies,
	};

	pthread_mutex_lock(&e->lock);
	protect_read(e, 0);
	int r = adopt_run(&a);
	const struct journal_counts c = journal_counts(e->parts.journal);
	restored_log(&c);
	desired_decide_all(&e->desired);
	if (!settings)
		journal_settings_forget(e->parts.journal);
	if (!r)
		r = adopt_settings(&set, &e->reply);
	pthread_mutex_unlock(&e->lock);
	return r;
}

bool enforcer_adopt_http(struct enforcer *e, const struct prefix *target, uint64_t end_ns)
{
	struct block *entry;

	pthread_mutex_lock(&e->lock);
	uint64_t now = now_ns(e);
	struct verdict v = {
		.source = VERDICT_GATEWAY,
		.origin = BLOCKS_ADOPTED,
		.id = BLOCKS_ADOPTED,
		.action = VERDICT_BLOCK,
		.scope = VERDICT_SCOPE_PORTS,
		.target = *target,
		.ttl_ms = end_ns > now ? (end_ns - now) / NS_PER_MS : 0,
		.confidence = 1,
		.reason = "adopted: the map of a proxy held it when the sensor started",
		.received_ns = now,
	};
	protect_read(e, PROTECT_AGE_NS);
	bool taken = limits_check_target(e->parts.config, &e->protect, target, v.ttl_ms, NULL) == LIMITS_OK &&
		     blocks_put(e->desired.http, &v, 0, now, &entry) == 0;
	if (taken) {
		entry->installed_ns = now;
		taken = desired_follow(&e->desired, target);
	}
	pthread_mutex_unlock(&e->lock);
	return taken;
}

/* --- the journal's writer --- */

static void source_copy(void *arg, struct journal_entry *entries, size_t count)
{
	struct enforcer *e = arg;

	pthread_mutex_lock(&e->lock);
	for (size_t i = 0; i < count; i++)
		desired_claims(&e->desired, &entries[i]);
	pthread_mutex_unlock(&e->lock);
}

static size_t source_page(void *arg, enum journal_list list, size_t *cursor, struct prefix *ret, size_t max)
{
	struct enforcer *e = arg;

	pthread_mutex_lock(&e->lock);
	size_t count =
		blocks_page(list == JOURNAL_HTTP ? e->desired.http : e->desired.kernel, cursor, ret, max);
	pthread_mutex_unlock(&e->lock);
	return count;
}

static struct journal_room source_room(void *arg)
{
	struct enforcer *e = arg;
	struct journal_room room;

	pthread_mutex_lock(&e->lock);
	room.exact4 = (uint32_t)blocks_count_exact(e->desired.kernel, ADDR_IPV4);
	room.exact6 = (uint32_t)blocks_count_exact(e->desired.kernel, ADDR_IPV6);
	pthread_mutex_unlock(&e->lock);
	return room;
}

struct journal_source enforcer_source(struct enforcer *e)
{
	return (struct journal_source){
		.copy = source_copy, .page = source_page, .room = source_room, .arg = e};
}

/* Of one of the two lists. */
static void blocks_end(struct enforcer *e, struct blocks *list, uint64_t now)
{
	struct block_told b;
	struct block *left;

	while (blocks_expire(list, now, &b, &left) == 0) {
		struct decision d = {
			.http = list == e->desired.http,
			.published = list == e->desired.http &&
				     desired_is_published(&e->desired, b.verdict.action, &b.verdict.target)};
		uint64_t done = 0;
		bool reverted = b.revert_ns && b.revert_ns <= now && b.deadline_ns > now;

		decision_set(&d, reverted ? DECISION_UNBLOCKED : DECISION_EXPIRED,
			     reverted ? "not_confirmed" : "deadline",
			     reverted ? "was not confirmed in time" : "");
		/* The kernel stopped enforcing at the deadline; this gives the place back. A revert comes
		 * before it. */
		if (!d.http && left)
			installer_left(&e->installer, left, &d);
		else if (!d.http && installer_take_out(&e->installer, &b.verdict.target, &done) == 0)
			d.installed_ns = done;
		desired_follow(&e->desired, &b.verdict.target);
		publish(e, &b.verdict, &d);
	}
}

static void expire(struct enforcer *e, uint64_t now)
{
	e->who.by = "picket";
	blocks_end(e, e->desired.kernel, now);
	blocks_end(e, e->desired.http, now);
	struct pending item;
	while (pending_expire(&e->pending, now, &item)) {
		struct decision d = {.pending_id = item.id};
		decision_set(&d, DECISION_REFUSED, "nobody_answered", "the pending item expired");
		publish(e, &item.verdict, &d);
	}
	e->who.by = NULL;
}

/*
 * Reads drops back, a page each second: one question, however long the list is, so that a verdict never waits
 * long behind it. Who wants the latest of one entry asks for it (enforcer_why).
 */
static void hits_read(struct enforcer *e)
{
	struct warden_request q = {.op = WARDEN_HITS_PAGE};

	if (ask(e, &q) || e->reply.result)
		return;
	for (uint32_t i = 0; i < e->reply.count; i++) {
		const struct deny_hit *hit = &e->reply.hits[i];
		struct block *b = blocks_find(e->desired.kernel, &hit->target);
		if (!b && e->parts.list_hit)
			e->parts.list_hit(e->parts.arg, &hit->target, hit->hit.packets, hit->hit.bytes);
		if (!b)
			continue;
		b->packets = e->reply.hits[i].hit.packets;
		b->bytes = e->reply.hits[i].hit.bytes;
		b->last_ns = e->reply.hits[i].hit.last_ns;
	}
}

/* `picket panic` and `resume` write the switch past every process: that it was written is seen here, not by
 * whom. */
static void kill_seen(struct enforcer *e, bool on)
{
	if (on != e->kill)
		audit_note_setting(e->parts.audit, "kill_switch", NULL, e->kill ? "on" : "off",
				   on ? "on" : "off", "kernel");
	e->kill = on;
}

#define RECONCILE_NS       (5 * NS_PER_S)
#define RECONCILE_LARGE    4096            /* what is longer is compared */
#define RECONCILE_LARGE_NS (60 * NS_PER_S) /* this seldom, and a second later for each so many */

/* While the kill switch is on the warden installs nothing, and nothing is dropped either way. */
static void reconcile_if_due(struct enforcer *e)
{
	uint64_t now = now_ns(e);

	pthread_mutex_lock(&e->lock);
	size_t entries = blocks_count(e->desired.kernel) + e->reconcile.counts.by_lists;
	uint64_t pause = entries <= RECONCILE_LARGE
				 ? RECONCILE_NS
				 : RECONCILE_LARGE_NS + entries / RECONCILE_LARGE * NS_PER_S;
	bool due = !e->kill && now - e->reconciled_ns >= pause;
	pthread_mutex_unlock(&e->lock);
	if (!due)
		return;
	e->reconciled_ns = now;
	reconcile_run(&e->reconcile);
}

void enforcer_tick(struct enforcer *e)
{
	pthread_mutex_lock(&e->lock);
	uint64_t now = now_ns(e);
	expire(e, now);
	hits_read(e);
	protect_read(e, PROTECT_READ_NS);
	struct warden_request q = {.op = WARDEN_STATUS};
	if (ask(e, &q) == 0 && e->reply.result == 0) {
		kill_seen(e, e->reply.status.kill);
		decide_off(e->desired.decide, e->kill);
		e->counts.installed = e->reply.status.blocks;
	}
	pthread_mutex_unlock(&e->lock);
	if (!e->lists.count)
		reconcile_if_due(e);
}

/* --- block lists --- */

void enforcer_list_put(struct enforcer *e, unsigned list, struct list *next, const struct list_report *report,
		       uint64_t since_ns)
{
	pthread_mutex_lock(&e->lists_lock);
	reconcile_list(&e->reconcile, list, next, report, since_ns);
	e->reconciled_ns = 0; /* counts what there is now */
	pthread_mutex_unlock(&e->lists_lock);
}

void enforcer_list_there(struct enforcer *e, unsigned list, bool there, const char *why)
{
	struct lists_account *a = &e->lists.items[list].account;

	pthread_mutex_lock(&e->lock);
	bool news = strcmp(a->error, why) != 0;
	e->lists.items[list].there = there;
	snprintf(a->error, sizeof a->error, "%s", why);
	pthread_mutex_unlock(&e->lock);
	if (news && why[0])
		log_warning("a block list cannot be taken; what was in force of it stays until its end",
			    LOG_S("list", a->config->name),
			    LOG_S("path", a->config->path ? a->config->path : "LAPI"), LOG_S("detail", why));
}

void enforcer_lists_tick(struct enforcer *e)
{
	pthread_mutex_lock(&e->lock);
	bool kill = e->kill;
	pthread_mutex_unlock(&e->lock);
	pthread_mutex_lock(&e->lists_lock);
	if (!kill)
		reconcile_lists_tick(&e->reconcile);
	reconcile_if_due(e);
	/* Who sets the wall clock moves ends. */
	for (unsigned i = 0; i < e->lists.count; i++)
		listed_follow(e, i);
	pthread_mutex_unlock(&e->lists_lock);
}

unsigned enforcer_lists(struct enforcer *e, struct lists_account ret[static CONFIG_LISTS_MAX])
{
	pthread_mutex_lock(&e->lock);
	for (unsigned i = 0; i < e->lists.count; i++) {
		ret[i] = e->lists.items[i].account;
		ret[i].http = decide_list_hits(e->desired.decide, i);
	}
	pthread_mutex_unlock(&e->lock);
	return e->lists.count;
}

/* --- questions --- */

void enforcer_set_mode(struct enforcer *e, enum config_mode mode)
{
	pthread_mutex_lock(&e->lock);
	guard_set_mode(e->guard, mode);
	struct warden_request q = {.op = WARDEN_REMEMBER_MODE, .flag = mode};
	if (ask(e, &q) || e->reply.result)
		log_warning("the mode will not outlive this sensor process");
	journal_set_mode(e->parts.journal, mode);
	pthread_mutex_unlock(&e->lock);
}

enum config_mode enforcer_mode(struct enforcer *e)
{
	pthread_mutex_lock(&e->lock);
	enum config_mode mode = guard_mode(e->guard);
	pthread_mutex_unlock(&e->lock);
	return mode;
}

struct enforcer_counts enforcer_counts(struct enforcer *e)
{
	pthread_mutex_lock(&e->lock);
	struct enforcer_counts c = e->counts;
	c.neighbours_forgotten = neighbours_forgotten(e->neighbours);
	c.trip_count = guard_trips(e->guard, now_ns(e), c.trips, ENFORCER_TRIPS_MAX);
	c.desired = blocks_count(e->desired.kernel) + e->reconcile.counts.by_lists;
	c.http = blocks_count(e->desired.http);
	c.published = desired_count_published(&e->desired);
	c.missing = e->reconcile.counts.missing;
	c.extra = e->reconcile.counts.extra;
	c.mended = e->reconcile.counts.mended;
	c.closed += e->reconcile.counts.closed;
	c.pending = e->pending.count;
	pthread_mutex_unlock(&e->lock);
	return c;
}

int enforcer_blocks(struct enforcer *e, struct block_told **ret, size_t *ret_count)
{
	pthread_mutex_lock(&e->lock);
	int r = desired_copy(&e->desired, ret, ret_count);
	pthread_mutex_unlock(&e->lock);
	return r;
}

int enforcer_pending(struct enforcer *e, struct pending **ret, size_t *ret_count)
{
	pthread_mutex_lock(&e->lock);
	struct pending *copy = calloc(e->pending.count + 1, sizeof *copy);
	if (copy) {
		memcpy(copy, e->pending.items, e->pending.count * sizeof *copy);
		*ret_count = e->pending.count;
	}
	pthread_mutex_unlock(&e->lock);
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

/* A consumer's, too, which no network is. */
static void why_protected(const struct enforcer *e, const struct prefix *who, struct why *why)
{
	const struct protected_net *p = target_is_net(who) ? protected_set_find(&e->protect, who) : NULL;

	why->is_protected = p || (target_is_key(who) && limits_check_target(e->parts.config, NULL, who, 1,
									    NULL) == LIMITS_PROTECTED);
	if (p)
		why->protect = *p;
	else if (why->is_protected)
		why->protect = (struct protected_net){.net = *who, .why = "limits.protect_consumers"};
}

int enforcer_why(struct enforcer *e, const struct prefix *target, struct why *ret, struct event **history,
		 size_t *count)
{
	const struct prefix who = target_who(target);
	struct why why = {0};

	pthread_mutex_lock(&e->lock);
	protect_read(e, PROTECT_READ_NS);
	struct blocks *list;
	struct block *b = desired_covering(&e->desired, target, &list);
	if (b) {
		why.blocked = true;
		desired_tell(&e->desired, b, list, &why.block);
		why.claim_count = blocks_claims(list, &b->verdict.target, why.claims);
	}
	why_of_lists(&why, &e->lists, &who);
	if (!target_is_routed(target))
		why.route_count =
			decide_routes_of(e->desired.decide, target, now_ns(e), why.routes, WHY_ROUTES_MAX);
	if (why.blocked && !why.block.http) {
		struct warden_request q = {.op = WARDEN_HITS, .target = why.block.verdict.target};
		if (ask(e, &q) == 0 && e->reply.result == 0) {
			why.block.packets = e->reply.hit.packets;
			why.block.bytes = e->reply.hit.bytes;
			why.block.last_ns = e->reply.hit.last_ns;
		}
	}
	why.class = proxies_class_prefix(e->parts.proxies, &who);
	why.handshake = facts_handshake(&e->facts, target);
	why.behind = facts_behind(&e->facts, target);
	why.regulars = facts_regulars(&e->facts, target);
	why.kill = e->kill;
	why_protected(e, &who, &why);
	*count = history_overlapping(&e->history, target, history, *count);
	pthread_mutex_unlock(&e->lock);
	*ret = why;
	return 0;
}

/* --- what outlives a restart --- */

size_t enforcer_offenders(struct enforcer *e, struct offenders_record *ret, uint32_t *ret_slots,
			  bool *ret_gone, size_t max)
{
	pthread_mutex_lock(&e->lock);
	size_t n = offenders_changes(guard_offenders(e->guard), ret, ret_slots, ret_gone, max);
	pthread_mutex_unlock(&e->lock);
	return n;
}

size_t enforcer_rejected(struct enforcer *e, struct rejected *ret, uint32_t *ret_slots, bool *ret_gone,
			 size_t max)
{
	pthread_mutex_lock(&e->lock);
	size_t n = rejected_changes(&e->rejected, ret, ret_slots, ret_gone, max);
	pthread_mutex_unlock(&e->lock);
	return n;
}

void enforcer_memory_change_all(struct enforcer *e)
{
	pthread_mutex_lock(&e->lock);
	offenders_change_all(guard_offenders(e->guard));
	rejected_change_all(&e->rejected);
	pthread_mutex_unlock(&e->lock);
}

bool enforcer_offender_restore(struct enforcer *e, const struct offenders_record *record)
{
	pthread_mutex_lock(&e->lock);
	bool taken = offenders_restore(guard_offenders(e->guard), record, now_ns(e));
	pthread_mutex_unlock(&e->lock);
	return taken;
}

bool enforcer_rejected_restore(struct enforcer *e, const struct rejected *record)
{
	pthread_mutex_lock(&e->lock);
	bool taken = rejected_restore(&e->rejected, record, now_ns(e));
	pthread_mutex_unlock(&e->lock);
	return taken;
}

struct decide *enforcer_decide(struct enforcer *e)
{
	return e->desired.decide;
}
