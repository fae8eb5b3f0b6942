/* SPDX-License-Identifier: Apache-2.0 */
/*
 * datagrams.h: TCP segments that pass a live link in IP fragments (PK_FRAME) → the record that bpf/report.h
 * would have made of each, were it whole. Which are wanted the kernel half says with the first fragment
 * (pk_frame.wanted); the others are put together as well, as they may come first, and are dropped.
 *
 * Bounded by sensor/defrag.h, which says what is given up; a fragment whose frame is larger than PK_FRAME_MAX
 * is not put together with others. The segment is a gap of its stream then, and told as one. Not thread safe.
 */
#ifndef PICKET_DATAGRAMS_H
#define PICKET_DATAGRAMS_H

#include "bpf/abi.h"
#include "sensor/defrag.h"

struct datagrams;

struct datagrams_counts {
	struct defrag_counts defrag;
	uint64_t segments; /* wanted, and whole */
};

int datagrams_new(struct datagrams **ret); /* 0 or -ENOMEM */
void datagrams_free(struct datagrams *d);
/* NULL: rec is no fragment, or makes no segment whole that is wanted. Valid until the next call. */
const struct pk_segment *datagrams_add(struct datagrams *d, const struct pk_frame *rec);
struct datagrams_counts datagrams_counts(const struct datagrams *d);

#endif
