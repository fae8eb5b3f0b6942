/* SPDX-License-Identifier: Apache-2.0 */
/* alert_text.h: an alert as people and programs read it (docs/alerts.md). */
#ifndef PICKET_ALERT_TEXT_H
#define PICKET_ALERT_TEXT_H

#include "lib/buffer.h"
#include "lib/clock.h"
#include "policies/alerts.h"

#define ALERT_TEXT_MAX 16384 /* bytes of either form at most: what it names is bounded */

struct alert_origin {
	const char *host, *instance;
};

/* One line without control characters: "picket on api1: login_guessing: blocked 203.0.113.9 on /login: ...".
 */
void alert_line(const struct alert *a, const struct alert_origin *origin, struct buffer *out);
/* One JSON object; id: of the alert, the same each time that it is sent. */
void alert_json(const struct alert *a, const struct alert_origin *origin, const struct clock *clock,
		const char *id, struct buffer *out);

#endif
