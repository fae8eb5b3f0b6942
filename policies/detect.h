/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detect.h: the built-in analysis. Leaky buckets whose rules are data (policies/detections/): what matches a
 * request, group by, distinct by, threshold, window, action. Runs in the capture thread on unredacted bytes;
 * keeps only keyed counts. Its state is bounded; a full table forgets the bucket idle longest and counts it.
 */
#ifndef PICKET_DETECT_H
#define PICKET_DETECT_H

#include "lib/buffer.h"
#include "lib/config.h"
#include "lib/event.h"
#include "lib/verdict.h"

struct baseline;
struct behaviour;
struct decide;
struct kept_count;
struct kept_counts;
struct detect;
struct redact;
struct signatures;
struct witness;

struct detect_counts {
	uint64_t requests, matches, fired, forgotten;
	size_t buckets;
	uint64_t skipped; /* requests found while resynchronising after a gap: not the client's own beginning,
			     never judged */
	uint64_t gave_up; /* expressions that a text made run too long */
	uint64_t no_memory;   /* requests or buckets not looked at for want of memory */
	uint64_t withheld;    /* times that a rule did not fire, having done so often within the hour */
	uint64_t own_denials; /* matches not counted, for picket itself denies that client */
	struct {
		bool on;
		uint64_t requests, matched, asked, gave_up, unfinished, excepted; /* signatures.h */
	} signatures;
};

#define DETECT_BUCKETS_MAX 65536

/*
 * The shipped rules are compiled in; files (detect.policies) replace them. CONFIG_E_INVALID: messages in
 * errors. Nothing of config is kept. hasher: what keys counts by consumer; the tables here have random keys
 * of their own, so it may be NULL while no rule groups by consumer.
 */
int detect_new(const struct config *config, struct redact *hasher, struct detect **ret,
	       struct buffer *errors);
void detect_free(struct detect *d);

/*
 * What else it asks and tells; each may be NULL, and outlives it. Before the first request.
 *
 * witness: told of each event on which a detection fired: those that its verdict cites, and further ones that
 * match while it is silent for that client, DETECT_WITNESS_MORE of them. decide: whom picket denies already.
 * What such a client does while it is denied is not counted, and what picket answered itself is held against
 * nobody: a proxy's 403 to who is blocked there, its 429 to who is slowed. Under rate_limit a request counts
 * when its answer says that it was let through.
 */
struct detect_links {
	struct decide *decide;
	struct witness *witness;
	struct behaviour *behaviour; /* NULL: nothing is known of consumers: `first` never holds, `served:
					false` always */
	struct baseline *baseline;   /* NULL: nothing is normal, and rules that ask for it never fire */
	/* Can a consumer be denied here? NULL: it can. Where not, the address is named as well, if it is that
	 * consumer's alone. */
	bool (*consumers)(void *arg);
	void *arg;
};
#define DETECT_WITNESS_MORE 64
void detect_link(struct detect *d, const struct detect_links *links);

/*
 * A rule fires for a group of clients: one address, IPv6 by /64 (link-local alone). Its verdict names the one
 * address if the bucket saw no other, else the /64; that of a rule by consumer the consumer; that of one by
 * User-Agent each client that has offended often enough itself. Having fired it is silent for that target
 * until the rule's cool_down is over.
 *
 * A verdict that needs requests which a third party's web page could have caused (cross_site.h) is marked as
 * framed. If those that are certain suffice later, it fires again at once.
 *
 * Look at one request. For each rule that fires now, emit is called with a verdict (source local, origin =
 * rule name, evidence = event ids, received_ns = cause_ns = time of the event). The verdict is copied by the
 * callee if kept.
 */
typedef void (*detect_emit)(void *arg, const struct verdict *v);
void detect_request(struct detect *d, const struct http_request *request, const struct event *event,
		    struct event_pending *pending, detect_emit emit, void *arg);
/*
 * The answer to a request came: event->request says which, and holds what detect_request left in `pending`.
 * Rules with a status count it now. Once for each request; without answer: not at all. Where no answers are
 * seen detect_request is called with pending NULL, and these rules never count.
 */
void detect_answer(struct detect *d, const struct event *event, detect_emit emit, void *arg);
/* An http.anomaly event, of those that rules may name. */
void detect_anomaly(struct detect *d, const struct event *event, detect_emit emit, void *arg);
/* What signatures are looked for; NULL: none. Of the same thread. The event that detect_request is given has
 * what they found (signature_event.h). */
struct signatures *detect_signatures(struct detect *d);
/* Does picket deny this client already, so that what it does raises nothing? Where decide is linked. */
bool detect_is_denied(const struct detect *d, const struct event *event);

/* --- what outlives a restart --- */

/* Counts of refused requests (rules by status) over so long or longer; kept_counts.h. */
#define DETECT_KEPT_WINDOW_NS (600ull * 1000000000)
/* The key of the hashes, before the first request, and before anything is restored. */
void detect_set_key(struct detect *d, const uint64_t key[static 2]);
struct kept_counts *detect_kept(struct detect *d);
/* Before the first request. False: there is no such rule any more, its window is over, or it makes no
 * sense. */
bool detect_restore(struct detect *d, const struct kept_count *c, uint64_t now_ns);

/*
 * Every rule may fire again at once, also for a client it fired for a moment ago: what becomes of a verdict
 * has changed (another mode). Safe from other threads.
 */
void detect_rearm(struct detect *d);
struct detect_counts detect_counts(const struct detect *d); /* safe from other threads */

#endif
