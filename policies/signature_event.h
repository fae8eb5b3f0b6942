/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature_event.h: writes what signatures found of a request into its event. What matched leaves redacted
 * (redact_match): of it the words stay that the signature itself is made of, which no secret is.
 */
#ifndef PICKET_SIGNATURE_EVENT_H
#define PICKET_SIGNATURE_EVENT_H

#include "policies/redact.h"
#include "policies/signatures.h"

#define SIGNATURE_MATCH_MAX 200 /* bytes of a match in an event */

/* Bytes that the event needs (redact_context.room); 0 if nothing was found. */
size_t signature_event_room(const struct signature_hits *hits);
/* Before anybody else sees the event. */
void signature_event_note(struct event *e, const struct signature_hits *hits, const struct redact *r);
/* Is a word one that the signature is made of? For its tests. */
bool signature_knows(const struct signature *s, struct span word);

#endif
