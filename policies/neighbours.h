/* SPDX-License-Identifier: Apache-2.0 */
/*
 * neighbours.h: offenders that share an IPv6 /64. One customer has all of it, so who is blocked at one
 * address goes on at the next. When so many different addresses of a /64 offended within a time, the /64
 * itself is proposed: a verdict of the built-in analysis, which the guard judges as any other (prefix limits,
 * regulars, quota, mode). Not thread safe.
 *
 * The built-in analysis counts by /64 from the start (detect.h); this is for what names single addresses:
 * gateways, and different detections. Full, the /64 idle longest is forgotten and counted.
 */
#ifndef PICKET_NEIGHBOURS_H
#define PICKET_NEIGHBOURS_H

#include "lib/verdict.h"

struct neighbours;

#define NEIGHBOURS_MAX 8192 /* networks remembered */

/* offenders: how many it takes, at most 64; 0: nothing is ever proposed. 0 or -errno. */
int neighbours_new(unsigned offenders, uint64_t within_ns, struct neighbours **ret);
void neighbours_free(struct neighbours *n);
/*
 * An automatic verdict was done, or would have been but for mode observe. True: its target is one offender
 * too many, and *ret proposes their /64.
 */
bool neighbours_note(struct neighbours *n, const struct verdict *v, uint64_t now_ns, struct verdict *ret);
/* A block of that target was taken back: its network's offenders are counted anew. */
void neighbours_forgive(struct neighbours *n, const struct prefix *target, uint64_t now_ns);
uint64_t neighbours_forgotten(const struct neighbours *n);

#endif
