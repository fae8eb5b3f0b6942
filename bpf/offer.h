/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * offer.h: the way of the TCP programs' records to the reader: the ring, or with PK_PERF the perf buffers.
 */
#ifndef PICKET_BPF_OFFER_H
#define PICKET_BPF_OFFER_H

#include "ring.h"

/* How full is the way to the reader, and how large? */
struct fill {
	enum ring_level level;
	__u32 cpu;   /* whose perf buffer; 0 with the ring. This and the next two are not set while calm. */
	__u64 size;  /* bytes */
	__u64 taken; /* bytes that the reader has taken out of it in all */
};

#ifdef PK_PERF

/* Bytes this CPU wrote since the reader last emptied its buffer tell how full it is. size: about to be added.
 */
static __always_inline struct fill fill_look(struct pk_ring_cpu *cpu, __u32 size)
{
	__u32 index = bpf_get_smp_processor_id();
	const struct pk_perf_level *buffer = bpf_map_lookup_elem(&pk_perf_level, &index);
	struct fill f = {.level = RING_CALM};

	if (!buffer || !buffer->size)
		return f;
	if (cpu->turn != buffer->turn) {
		cpu->turn = buffer->turn;
		cpu->since_look = 0;
	}
	cpu->since_look += size + RING_RECORD_OVERHEAD;
	f.cpu = index;
	f.size = buffer->size;
	f.taken = buffer->turn * f.size; /* at least a share each time it is emptied */
	f.level = ring_level_of(cpu->since_look, f.size);
	return f;
}

/* What was not sent after all does not fill the buffer. */
static __always_inline void fill_undo(struct pk_ring_cpu *cpu, __u32 size)
{
	cpu->since_look -= size + RING_RECORD_OVERHEAD;
}

static __always_inline long record_send(void *ctx, struct pk_ring_cpu *cpu, void *record, __u32 size)
{
	(void)cpu;
	return bpf_perf_event_output(ctx, &pk_requests, BPF_F_CURRENT_CPU, record, size);
}

#else

static __always_inline struct fill fill_look(struct pk_ring_cpu *cpu, __u32 size)
{
	struct fill f = {.level = ring_level(&pk_requests, cpu, size)};

	if (f.level != RING_CALM) {
		f.size = bpf_ringbuf_query(&pk_requests, BPF_RB_RING_SIZE);
		f.taken = bpf_ringbuf_query(&pk_requests, BPF_RB_CONS_POS);
	}
	return f;
}

/* The ring's own positions tell. */
static __always_inline void fill_undo(struct pk_ring_cpu *cpu, __u32 size)
{
	(void)cpu;
	(void)size;
}

static __always_inline long record_send(void *ctx, struct pk_ring_cpu *cpu, void *record, __u32 size)
{
	(void)ctx;
	return bpf_ringbuf_output(&pk_requests, record, size, ring_wake(cpu, size));
}

#endif

/*
 * Offers a connection's or a listener's record; counts what becomes of it. They are small and tell where
 * bytes are missing, so they may use the whole ring and no source's share holds them back.
 */
static __always_inline void record_offer(void *ctx, void *record, __u32 size)
{
	struct pk_counters *c = PK_ONLY(pk_stats);
	struct pk_ring_cpu *cpu = PK_ONLY(pk_tcp_cpu);

	if (!c || !cpu)
		return;
	count(c, PK_C_REQ_PRODUCED, 1);
	fill_look(cpu, size);
	if (record_send(ctx, cpu, record, size))
		count(c, PK_C_REQ_LOST, 1);
}

#endif
