/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crowdsec_link.h: the gateways of protocol crowdsec, each with its secrets and its threads: one that gets
 * decisions (crowdsec_bouncer.h), one that tells of ours (crowdsec_machine.h).
 */
#ifndef PICKET_CROWDSEC_LINK_H
#define PICKET_CROWDSEC_LINK_H

#include "forwarder/forwarder.h"
#include "sensor/crowdsec_machine.h"

struct crowdsec_link;  /* one gateway */
struct crowdsec_links; /* all of them */

struct crowdsec_links_parts {
	struct enforcer *enforcer;
	struct warden_client *warden;
	int stop_fd; /* readable: end */
};

/* While privileges last: reads the secrets, opens nothing that stays. CONFIG_E_INVALID: see errors; with
 * result 0 its lines are warnings. */
int crowdsec_links_new(const struct config *config, const struct clock *clock, struct crowdsec_links **ret,
		       struct buffer *errors);
/* Before rights are given up: opens what outlives the process, in that folder. A failure is logged, and
 * nothing is kept. */
void crowdsec_links_open(struct crowdsec_links *l, const char *state_dir);
int crowdsec_links_start(struct crowdsec_links *l, const struct crowdsec_links_parts *parts);
/* Ends the threads, whose stop_fd is readable; questions are answered still. Accepts NULL. */
void crowdsec_links_stop(struct crowdsec_links *l);
void crowdsec_links_free(struct crowdsec_links *l); /* accepts NULL */
/* From any thread, between new and free, as all that follows; NULL: there are none. */
unsigned crowdsec_links_count(const struct crowdsec_links *l);
/* Is that one of our own connections to a LAPI? */
bool crowdsec_links_is_own(const struct crowdsec_links *l, uint16_t local_port, uint16_t peer_port);
/* The gateway of that name; NULL: none of these. */
struct crowdsec_link *crowdsec_links_find(const struct crowdsec_links *l, const char *name);
void crowdsec_link_counts(struct crowdsec_link *k, struct gateway_counts *ret);
/* What the kernel dropped of a target, in all. Does not wait. */
void crowdsec_links_hit(struct crowdsec_links *l, const struct prefix *target, uint64_t packets,
			uint64_t bytes);
/* A picket.decision event, for all of them. Any event may come. */
void crowdsec_links_note(struct crowdsec_links *l, struct event *e);
/* NULL: it tells of none. */
struct crowdsec_machine *crowdsec_link_machine(struct crowdsec_link *k);
/* NULL: it gets no decisions. */
struct crowdsec_bouncer *crowdsec_link_bouncer(struct crowdsec_link *k);

#endif
