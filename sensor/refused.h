/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refused.h: what a segment that the kernel's TCP did not take says about its sender. A decoy is made for
 * observers of packets: they would read other bytes than the server does. An honest retransmission holds the
 * bytes that are there already, so the refused ones are compared with those that the application gets (RFC
 * 9293 3.10.7.4; the first copy stays).
 *
 * Bytes refused before the application has read that range are kept until it has, or until its connection is
 * forgotten: REFUSED_KEPT_MAX segments in all (a quarter of a megabyte), the oldest makes room and is
 * counted. Not thread safe.
 */
#ifndef PICKET_REFUSED_H
#define PICKET_REFUSED_H

#include <stdbool.h>
#include <stdint.h>
#include "bpf/abi.h"
#include "lib/span.h"

#define REFUSED_KEPT_MAX 256

/* tcp.anomaly name; NULL: an honest sender does this, too, or only its bytes can tell (refused_bytes_tell).
 */
const char *refused_name(const struct pk_refused *r);
/* Its bytes lie where others were taken: they have to be compared. */
bool refused_bytes_tell(const struct pk_refused *r);
#define REFUSED_OVERLAP "tcp_overlap_different_data"

struct refused_kept;
int refused_kept_new(struct refused_kept **ret);
void refused_kept_free(struct refused_kept *k);
/* Keeps bytes at seq of that connection until the application has read up to there. */
void refused_keep(struct refused_kept *k, uint64_t cookie, uint32_t seq, struct span bytes);
/*
 * The application read bytes at seq: is anything kept of that range, and does it differ? What was compared is
 * forgotten. Costs a load while nothing is kept, else a look at 2 KiB of cookies.
 */
bool refused_differs(struct refused_kept *k, uint64_t cookie, uint32_t seq, struct span bytes);
/* The connection is over: nothing of it will be read any more. */
void refused_forget(struct refused_kept *k, uint64_t cookie);
uint64_t refused_kept_evicted(const struct refused_kept *k);

#endif
