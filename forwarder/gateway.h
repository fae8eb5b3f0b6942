/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway.h: one gateway that is reached by POST: what waits for it, in memory and on the disk, one request
 * in flight, beside it another while a backlog is worked off, and what becomes of answers. What is said and
 * how it is read is its protocol's (protocol.h), the way there its transport's. A batch leaves the queue only
 * when it was taken or refused for good. Used by the judge thread alone, except gateway_is_own and
 * gateway_counts.
 */
#ifndef PICKET_GATEWAY_H
#define PICKET_GATEWAY_H

#include <curl/curl.h>
#include "forwarder/forwarder.h"

struct gateway;

/* Bytes of events that may wait for one gateway, beside the count that the configuration sets. */
#define GATEWAY_QUEUE_BYTES (64u << 20)

/*
 * Reads token and CA files. No descriptor stays open, and none is opened before gateway_start, so a
 * daemon may make it, fork, and close what it does not know. config and clock are borrowed. CONFIG_E_INVALID:
 * see errors, one message a line; with result 0 the lines are warnings.
 */
int gateway_new(const struct config_gateway *config, const struct clock *clock,
		const struct forwarder_hooks *hooks, struct gateway **ret, struct buffer *errors);
/* Opens, or makes, the files of its spool in state_dir; before gateway_start. 0 or -errno: there is none. */
int gateway_open_spool(struct gateway *g, const char *state_dir);
int gateway_start(struct gateway *g, CURLM *multi);

/* The budget that was spent already, and the form of answers that was found, are read from state_dir, and
 * kept there; before gateway_start. 0, or what keeps that from being: -errno or STATE_FILE_E_DAMAGED. Nothing
 * is done for one that has nothing to keep. */
int gateway_open_budget(struct gateway *g, const char *state_dir);

/* Does it ask about clients (gateway_note), instead of getting events (gateway_offer)? */
bool gateway_asks(const struct gateway *g);
/* Takes a reference where it keeps the event. */
void gateway_note(struct gateway *g, struct event *e, uint64_t now_ns);
/* A detection of that name fired; any thread. */
void gateway_detection(struct gateway *g, const struct addr *client, const char *name, uint64_t event_id,
		       uint64_t now_ns);
/* asker_show; 1 also where it asks about nobody. Any thread. */
int gateway_show(struct gateway *g, const struct addr *client, struct buffer *out);
bool gateway_has_room(const struct gateway *g);
/* There is an event that its configuration leaves out. */
void gateway_filtered(struct gateway *g);
/* event: its JSON, copied; SPAN_NULL: it could not be written and counts as dropped. */
void gateway_offer(struct gateway *g, struct span event, uint64_t happened_ns, uint64_t now_ns);
/* What was just offered is the event of its own gap. */
void gateway_offered_gap(struct gateway *g, uint64_t now_ns);
/* When gateway_step will have something to do; UINT64_MAX: not before something else happens. */
uint64_t gateway_due_ns(const struct gateway *g, bool flush);
/* Sends what is due; verdicts are handed over by transport_finished. flush: the age of a batch does not
 * matter. 0 or -errno. */
int gateway_step(struct gateway *g, uint64_t now_ns, bool flush);
/* Events dropped since this was last asked. */
uint64_t gateway_dropped(struct gateway *g);
/* Events that a process which ends should wait for. */
size_t gateway_unsent(const struct gateway *g);
/* All that was seen before this time has been offered. */
void gateway_seen(struct gateway *g, uint64_t wall_ns);
/* Is that one of its last connections? Safe from other threads. */
bool gateway_is_own(const struct gateway *g, uint16_t local_port, uint16_t peer_port);
void gateway_counts(struct gateway *g, struct gateway_counts *ret);
/* in_order: so the process ends, and all that was seen has been offered. */
void gateway_free(struct gateway *g, bool in_order);

#endif
