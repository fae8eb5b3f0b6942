/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crowdsec_alert.h: what a CrowdSec LAPI is told of a picket.decision event, as it takes alerts (POST
 * /v1/alerts, an array of these).
 *
 * A ban's time runs from stop_at, which is when it was decided here: one that is told late ends when ours
 * does.
 */
#ifndef PICKET_CROWDSEC_ALERT_H
#define PICKET_CROWDSEC_ALERT_H

#include "lib/event.h"
#include "lib/json_write.h"

#define CROWDSEC_ORIGIN_OURS "picket"

enum crowdsec_tell {
	CROWDSEC_TELL_NOTHING = 0,
	CROWDSEC_TELL_BAN,    /* an alert with a decision, which bouncers enforce */
	CROWDSEC_TELL_RECORD, /* an alert without one: mode observe */
	CROWDSEC_TELL_UNBAN,  /* its decision is to be deleted there */
	CROWDSEC_TELL_CANNOT, /* it would be told, but LAPI has no words for its target */
};

/*
 * Told are blocks that the analysis or a gateway asked for, also those that a person approved, and whatever
 * others are to enforce (point `published`). What an operator asked for is his: cscli is at hand. Decisions
 * of lists and of LAPIs are none of ours and make no such event.
 */
enum crowdsec_tell crowdsec_alert_tell(const struct event *e);
/* When the ban ends; wall clock, seconds. */
uint64_t crowdsec_alert_end_s(const struct event *e);
/* One alert. tell: BAN or RECORD. */
void crowdsec_alert_write(struct json_writer *w, const struct event *e, enum crowdsec_tell tell);

#endif
