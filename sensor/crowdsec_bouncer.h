/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crowdsec_bouncer.h: the decisions of a CrowdSec LAPI, put into force as a block list. A thread of its own
 * asks for what changed, every so often for everything, and says what follows from it (policies/crowdsec.h)
 * to the enforcer, so that no verdict waits for a LAPI. While the LAPI does not answer, what is in force
 * stays until its end.
 */
#ifndef PICKET_CROWDSEC_BOUNCER_H
#define PICKET_CROWDSEC_BOUNCER_H

#include "forwarder/lapi.h"
#include "lib/state_file.h"
#include "policies/crowdsec.h"
#include "sensor/enforcer.h"

struct crowdsec_bouncer_parts {
	const struct config_gateway *config;
	const struct clock *clock;
	struct lapi *lapi; /* for its thread alone */
	struct enforcer *enforcer;
	struct warden_client *warden;
	unsigned list; /* the gateway's, in struct config */
	const char *os_name, *os_version;
	struct state_file *state; /* what outlives the process; NULL: nothing */
	int stop_fd;              /* readable: end */
};

struct crowdsec_bouncer_counts {
	struct crowdsec_counts decisions;
	uint64_t held; /* decisions, now */
	uint64_t pulls, wholes, failures;
	uint64_t bytes;       /* of what was read */
	uint64_t connections; /* new ones */
	uint64_t untold;      /* of decisions.missed: between whole lists that were not parted by a failure */
	uint64_t answered_ns; /* boot clock: the last good answer; 0: none */
	uint64_t took_ns;     /* ... from asking until it was in force */
	uint64_t usage_told;  /* how often it was told what its decisions did */
	bool usage_unknown;   /* it is too old for that */
	unsigned status;      /* HTTP, of the last one */
	char error[LAPI_ERROR_MAX]; /* "": the last one was good */
};

struct crowdsec_bouncer;

int crowdsec_bouncer_new(const struct crowdsec_bouncer_parts *parts, struct crowdsec_bouncer **ret);
int crowdsec_bouncer_start(struct crowdsec_bouncer *b);
/* Waits for its thread, whose stop_fd is readable and whose LAPI was stopped. Accepts NULL, as the next. */
void crowdsec_bouncer_join(struct crowdsec_bouncer *b);
void crowdsec_bouncer_free(struct crowdsec_bouncer *b);

/* From any thread, as the next. */
struct crowdsec_bouncer_counts crowdsec_bouncer_counts(struct crowdsec_bouncer *b);
/* As crowdsec_hit; does not wait: while a list is made, nothing is counted. */
void crowdsec_bouncer_hit(struct crowdsec_bouncer *b, const struct prefix *target, uint64_t packets,
			  uint64_t bytes);
/* As crowdsec_own, crowdsec_find, crowdsec_each. */
void crowdsec_bouncer_own(struct crowdsec_bouncer *b, const struct prefix *target, uint64_t end_s);
unsigned crowdsec_bouncer_find(struct crowdsec_bouncer *b, const struct prefix *target,
			       struct crowdsec_told *ret, unsigned max);
void crowdsec_bouncer_each(struct crowdsec_bouncer *b, void (*each)(void *arg, const struct crowdsec_told *d),
			   void *arg);

#endif
