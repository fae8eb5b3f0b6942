/* SPDX-License-Identifier: Apache-2.0 */
/* crowdsec.h: one decision as a CrowdSec LAPI writes it: what its reader and its keeper share. */
#ifndef PICKET_CROWDSEC_H
#define PICKET_CROWDSEC_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/span.h"

#define CROWDSEC_TEXT_MAX 256 /* bytes of a member; of what is longer, the beginning */

/* Borrowed from who made it. A member that is absent, null or no text: SPAN_NULL. */
struct crowdsec_decision {
	uint64_t id; /* 0: none */
	struct span value, scope, type, duration, origin, scenario;
	bool simulated;
	bool cut; /* one of the texts was longer than CROWDSEC_TEXT_MAX */
};

enum crowdsec_section { CROWDSEC_OTHER = 0, CROWDSEC_NEW, CROWDSEC_DELETED };

#endif
