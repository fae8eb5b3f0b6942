/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_webhook.h: one URL that takes alerts by HTTP POST (application/json), over
 * forwarder/transport_direct.h with all of its caution. Any 2xx is taken.
 */
#ifndef PICKET_ALERT_WEBHOOK_H
#define PICKET_ALERT_WEBHOOK_H

#include <stdint.h>
#include "lib/clock.h"
#include "lib/span.h"

#define ALERT_WEBHOOK_MS 10000 /* what one POST may take */

struct alert_webhook;

/* authorization: a header line, or NULL. It is copied, url is not. 0 or -errno. */
int alert_webhook_new(const char *url, const char *authorization, const struct clock *clock,
		      struct alert_webhook **ret);
void alert_webhook_free(struct alert_webhook *w);
/*
 * Waits for the answer. id: stands in Idempotency-Key, so that who gets an alert twice can tell. 0 or
 * ALERT_WEBHOOK_E_*, or -ENOMEM; *ret_error: why, for people, until the next call.
 */
enum {
	ALERT_WEBHOOK_E_AGAIN = 1, /* no answer, or one that asks for patience: 408, 429, 5xx */
	ALERT_WEBHOOK_E_REFUSED,   /* any other answer */
	ALERT_WEBHOOK_E_STOPPED,
};
int alert_webhook_post(struct alert_webhook *w, struct span json, const char *id, const char **ret_error);
/* Any thread: a post under way, and those to come, end with ALERT_WEBHOOK_E_STOPPED. */
void alert_webhook_stop(struct alert_webhook *w);

#endif
