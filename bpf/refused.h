/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * refused.h: sends a struct pk_refused with bytes of its packet buffer through the ring of requests, under
 * the source's share. For ring path objects only.
 */
#ifndef PICKET_BPF_REFUSED_H
#define PICKET_BPF_REFUSED_H

#include "ring.h"

/* A record of one size class: the verifier wants a constant where room is reserved. */
#define REFUSED_SEND(CLASS)                                                  \
	do {                                                                 \
		struct {                                                     \
			struct pk_refused r;                                 \
			__u8 data[CLASS];                                    \
		} *rec = bpf_ringbuf_reserve(&pk_requests, sizeof(*rec), 0); \
		if (!rec)                                                    \
			return -1;                                           \
		rec->r = *r;                                                 \
		if (bpf_dynptr_read(rec->data, n, &bytes, off, 0)) {         \
			rec->r.captured = 0;                                 \
			rec->r.header.rec.size = sizeof(rec->r);             \
		}                                                            \
		bpf_ringbuf_submit(rec, ring_wake(cpu, sizeof(*rec)));       \
	} while (0)

static __always_inline int refused_send(struct pk_refused *r, struct sk_buff *skb, __u32 off,
					struct pk_ring_cpu *cpu)
{
	struct bpf_dynptr bytes;
	__u32 n = r->header.payload_len;

	if (n > PK_REFUSED_MAX)
		n = PK_REFUSED_MAX;
	r->captured = n;
	r->header.rec.kind = PK_REFUSED;
	r->header.rec.size = sizeof(*r) + n;
	if (bpf_dynptr_from_skb((struct __sk_buff *)skb, 0, &bytes))
		return -1;
	asm volatile("" : "+r"(n)); /* have clang compare the register that it will pass */
	if (n == 0)
		return bpf_ringbuf_output(&pk_requests, r, sizeof(*r), ring_wake(cpu, sizeof(*r)));
	if (n <= 256)
		REFUSED_SEND(256);
	else if (n <= PK_REFUSED_MAX)
		REFUSED_SEND(PK_REFUSED_MAX);
	return 0;
}

/* May one more be told now? Counts it where not: segments that TCP refuses cost their sender nothing. */
static __always_inline bool refused_paid(struct pk_counters *c, const struct pk_config *config, __u64 now_ns)
{
	struct pk_bucket *bucket = PK_ONLY(pk_refused_cpu);

	if (bucket && bucket_paid(bucket, config, now_ns))
		return true;
	count(c, PK_C_REFUSED_THROTTLED, 1);
	return false;
}

/* Offers it; counts what becomes of it. off: of the bytes, from skb->data on. */
static __always_inline void refused_offer(struct pk_refused *r, struct sk_buff *skb, __u32 off,
					  struct pk_counters *c, struct pk_ring_cpu *cpu,
					  const struct pk_config *config)
{
	struct pk_share_key source = ring_source(r->header.family, r->header.source_addr, PK_SHARE_REQUESTS);
	enum ring_level level = ring_level(&pk_requests, cpu, sizeof(*r) + r->header.payload_len);

	count(c, PK_C_REQ_PRODUCED, 1);
	if (level == RING_KEPT)
		count(c, PK_C_REQ_LOST, 1);
	else if (level != RING_CALM &&
		 !ring_buffer_share(&pk_requests, &source, config, sizeof(*r) + PK_REFUSED_MAX))
		count(c, PK_C_REQ_SHARE, 1);
	else if (refused_send(r, skb, off, cpu))
		count(c, PK_C_REQ_LOST, 1);
}

#endif
