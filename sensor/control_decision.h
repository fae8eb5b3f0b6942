/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_decision.h: what blocks, why and pending share: an operator's wish as a verdict, a block as JSON,
 * and the answers that tell what became of a wish. The enforcer decides; this only words the question and the
 * answer.
 */
#ifndef PICKET_CONTROL_DECISION_H
#define PICKET_CONTROL_DECISION_H

#include "sensor/control.h"

/* What the caller wants, as a verdict of its own: source operator, origin "uid:N" of the caller, the default
 * ttl, the watched ports. */
void control_operator_verdict(struct api_call *call, const struct control_parts *parts,
			      enum verdict_action action, const struct prefix *target, struct verdict *ret);

/* One block as an object. */
void control_write_block(struct json_writer *w, const struct block_told *b, const struct clock *clock);

/* What became of a verdict, as an answer. */
void control_reply_decision(struct api_call *call, const struct control_parts *parts, const struct verdict *v,
			    const struct decision *d, unsigned status);
/* The guard or a hard limit said no; or the kernel could not be written, which is no judgment. */
void control_refuse(struct api_call *call, const struct decision *d);

#endif
