/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * ring.h: who may write to a ring, and when its reader is woken.
 *
 * Waking: each 64 KiB that a CPU wrote; the reader's own 20 ms poll does the rest. Looking at the ring's
 * positions for each record would cost more than the record.
 *
 * Share: while a ring is over half full, one source (an IPv4 address, an IPv6 /64) may add at most
 * 1/share_divisor of it until the reader has taken as much out, so that a flood cannot buy blindness for the
 * others, however late the reader comes (docs/decisions/0009).
 */
#ifndef PICKET_BPF_RING_H
#define PICKET_BPF_RING_H

#include "maps.h"

#define RING_WAKE_BYTES      (64 * 1024)
#define RING_LOOK_BYTES      (16 * 1024) /* a calm ring's level is looked at this seldom, per CPU */
#define RING_RECORD_OVERHEAD 8

static __always_inline __u64 ring_wake(struct pk_ring_cpu *cpu, __u32 size)
{
	cpu->since_wake += size + RING_RECORD_OVERHEAD;
	if (cpu->since_wake < RING_WAKE_BYTES)
		return BPF_RB_NO_WAKEUP;
	cpu->since_wake = 0;
	return BPF_RB_FORCE_WAKEUP;
}

static __always_inline struct pk_share_key ring_source(__u16 family, const __u8 *addr, __u16 ring)
{
	const __u32 *words = (const __u32 *)addr; /* aligned to 4 only */
	struct pk_share_key key = {.ring = ring, .family = family == PK_AF_INET ? 4 : 6, .net = words[0]};

	if (family != PK_AF_INET)
		key.net |= (__u64)words[1] << 32;
	return key;
}

/*
 * May this source add size bytes now? Asked only while the ring is over half full. Of the ring: its bytes,
 * and how many its reader has taken out of it in all.
 */
static __always_inline bool ring_share(const struct pk_share_key *key, __u64 ring_size, __u64 taken,
				       const struct pk_config *config, __u32 size)
{
	struct pk_share *s = bpf_map_lookup_elem(&pk_share, key);
	__u64 share;

	if (!config->share_divisor)
		return true;
	share = ring_size / config->share_divisor;
	if (!s) {
		struct pk_share fresh = {.taken = taken, .bytes = size};

		bpf_map_update_elem(&pk_share, key, &fresh, BPF_ANY);
		return true;
	}
	if (taken - s->taken >= share) {
		s->taken = taken;
		s->bytes = 0;
	}
	if (s->bytes + size > share) {
		__sync_fetch_and_add(&s->refused, 1);
		return false;
	}
	__sync_fetch_and_add(&s->bytes, size);
	return true;
}

/* The same of a ring buffer, which knows how far its reader is. */
static __always_inline bool ring_buffer_share(void *ring, const struct pk_share_key *key,
					      const struct pk_config *config, __u32 size)
{
	return ring_share(key, bpf_ringbuf_query(ring, BPF_RB_RING_SIZE),
			  bpf_ringbuf_query(ring, BPF_RB_CONS_POS), config, size);
}

enum ring_level {
	RING_CALM,
	RING_PRESSED, /* over half full */
	RING_KEPT, /* the last sixteenth, kept for connections that open and close: they tell where bytes are
		      missing */
};

static __always_inline enum ring_level ring_level_of(__u64 waiting, __u64 size)
{
	if (waiting <= size / 2)
		return RING_CALM;
	return waiting <= size - size / 16 ? RING_PRESSED : RING_KEPT;
}

/* Approximate while the ring is calm. */
static __always_inline enum ring_level ring_level(void *ring, struct pk_ring_cpu *cpu, __u32 size)
{
	cpu->since_look += size + RING_RECORD_OVERHEAD;
	if (cpu->level == RING_CALM && cpu->since_look < RING_LOOK_BYTES)
		return RING_CALM;
	cpu->since_look = 0;
	cpu->level = ring_level_of(bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA),
				   bpf_ringbuf_query(ring, BPF_RB_RING_SIZE));
	return cpu->level;
}

/* May one more event be made now? `now` may lie before the last time asked: a softirq asked in between. */
static __always_inline bool bucket_paid(struct pk_bucket *b, const struct pk_config *config, __u64 now)
{
	__u64 cost, full;

	if (!config->header_rate)
		return false;
	cost = 1000000000ull / config->header_rate;
	full = cost * config->header_burst;
	if ((__s64)(now - b->credit_at) > 0) {
		b->credit_ns += now - b->credit_at;
		b->credit_at = now;
	}
	if (b->credit_ns > full)
		b->credit_ns = full;
	if (b->credit_ns < cost)
		return false;
	b->credit_ns -= cost;
	return true;
}

#endif
