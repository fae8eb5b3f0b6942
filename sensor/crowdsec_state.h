/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crowdsec_state.h: a LAPI's decisions as a text that outlives the process, so that a start while the LAPI is
 * away unblocks nobody: written as a decision stream is, but with each duration counted from 1970, and read
 * by the same reader.
 */
#ifndef PICKET_CROWDSEC_STATE_H
#define PICKET_CROWDSEC_STATE_H

#include "lib/buffer.h"
#include "policies/crowdsec.h"

#define CROWDSEC_STATE_MAX (64u << 20) /* bytes: about 400,000 decisions; what is beyond is not kept */

/* Behind what is in out; what is our own is left out. 0, BUFFER_E_FULL or -ENOMEM. */
int crowdsec_state_write(const struct crowdsec *c, struct buffer *out);
/* 0; 1: it is no such text, or was cut short: what could be read of it counts. -ENOMEM */
int crowdsec_state_read(struct crowdsec *c, struct span text);

#endif
