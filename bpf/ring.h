/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * ring.h: who may write to a ring, and when its reader is woken.
 *
 * Waking: each 64 KiB that a CPU wrote; the reader's own 20 ms poll does the rest. Looking at the ring's
 * positions for each record would cost more than the record.
 *
 * Share: while a ring is over half full, one source (an IPv4 address, an IPv6 /64) may add at most
 * 1/share_divisor of it in 20 ms, so that a flood cannot buy blindness for the others.
 */
#ifndef PICKET_BPF_RING_H
#define PICKET_BPF_RING_H

#include "maps.h"

#define RING_WAKE_BYTES      (64 * 1024)
#define RING_LOOK_BYTES      (16 * 1024) /* a calm ring's level is looked at this seldom, per CPU */
#define RING_WINDOW_NS       (20 * 1000000ull)
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

/* May this source add size bytes now? Called only while the ring is over half full. */
static __always_inline bool ring_share(const struct pk_share_key *key, __u64 limit, __u32 size, __u64 now_ns)
{
	struct pk_share *s = bpf_map_lookup_elem(&pk_share, key);

	if (!s) {
		struct pk_share fresh = {.window_ns = now_ns, .bytes = size};

		bpf_map_update_elem(&pk_share, key, &fresh, BPF_ANY);
		return true;
	}
	if (now_ns - s->window_ns >= RING_WINDOW_NS) {
		s->window_ns = now_ns;
		s->bytes = 0;
	}
	if (s->bytes + size > limit) {
		__sync_fetch_and_add(&s->refused, 1);
		return false;
	}
	__sync_fetch_and_add(&s->bytes, size);
	return true;
}

/* Is the ring over half full? Approximate while it is calm. */
static __always_inline bool ring_pressed(void *ring, struct pk_ring_cpu *cpu, __u32 size)
{
	cpu->since_look += size + RING_RECORD_OVERHEAD;
	if (!cpu->pressed && cpu->since_look < RING_LOOK_BYTES)
		return false;
	cpu->since_look = 0;
	cpu->pressed =
		bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) > bpf_ringbuf_query(ring, BPF_RB_RING_SIZE) / 2;
	return cpu->pressed;
}

/* ring_pressed and ring_share in one: may this record be offered to the ring? */
static __always_inline bool ring_admit(void *ring, struct pk_ring_cpu *cpu, const struct pk_config *config,
				       const struct pk_share_key *source, __u32 size, __u64 now_ns)
{
	if (!ring_pressed(ring, cpu, size) || !config->share_divisor)
		return true;
	return ring_share(source, bpf_ringbuf_query(ring, BPF_RB_RING_SIZE) / config->share_divisor, size,
			  now_ns);
}

#endif
