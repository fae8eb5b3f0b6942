/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * lost.h: where records of packets are missing (struct pk_lost). Whoever follows connections by them must
 * know behind which record one is missing, before it reads the next one: so each record has the number of its
 * addresses, read when its place in the ring is taken. A loss is counted before its packet goes on, and so
 * before any packet that answers it.
 *
 * The packet is the one in pk_ingress_cpu. Global functions, so that the verifier looks at each once.
 */
#ifndef PICKET_BPF_LOST_H
#define PICKET_BPF_LOST_H

#include "maps.h"

static __always_inline struct pk_lost *lost_slot(__u32 folded)
{
	__u32 slot = (folded * 0x9e3779b1u) >> 20;

	_Static_assert(PK_LOST_SLOTS == 1 << 12, "as many bits as are left");
	return bpf_map_lookup_elem(&pk_lost, &slot);
}

/* Of both directions of a connection. */
static __always_inline struct pk_lost *lost_of_ends(const struct packet *p)
{
	const __u32 *a = p->source, *b = p->destination;

	return lost_slot(a[0] ^ a[1] ^ a[2] ^ a[3] ^ b[0] ^ b[1] ^ b[2] ^ b[3]);
}

/* An IPv4 address, or an IPv6 /64, as for its share. */
static __always_inline struct pk_lost *lost_of_source(const struct packet *p)
{
	return lost_slot(p->source[0] ^ p->source[1]);
}

/* For a segment's record, or a frame's. */
__noinline __u32 lost_records(void)
{
	const struct pk_ingress_cpu *cpu = PK_ONLY(pk_ingress_cpu);
	const struct pk_lost *l = cpu ? lost_of_ends(&cpu->packet) : NULL;

	return l ? *(volatile const __u32 *)&l->records : 0;
}

/* For a header's record. */
__noinline __u32 lost_acks(void)
{
	const struct pk_ingress_cpu *cpu = PK_ONLY(pk_ingress_cpu);
	const struct pk_lost *l = cpu ? lost_of_source(&cpu->packet) : NULL;
	__u32 slot = PK_LOST_ALL;
	const struct pk_lost *all = bpf_map_lookup_elem(&pk_lost, &slot);

	return l && all ? (*(volatile const __u32 *)&l->acks & 0xffff) | all->acks << 16 : 0;
}

/* No record is made of the packet, or of what it is a part of. ack: it may have ended a handshake. */
__noinline int lost_count(__u32 ack)
{
	struct pk_ingress_cpu *cpu = PK_ONLY(pk_ingress_cpu);
	__u32 slot = PK_LOST_ALL;
	struct pk_lost *l;

	if (!cpu)
		return 0;
	l = lost_of_ends(&cpu->packet);
	if (l)
		__sync_fetch_and_add(&l->records, 1);
	if (!ack)
		return 0;
	l = lost_of_source(&cpu->packet);
	if (l)
		__sync_fetch_and_add(&l->acks, 1);
	l = bpf_map_lookup_elem(&pk_lost, &slot);
	if (l)
		__sync_fetch_and_add(&l->acks, 1);
	return 0;
}

#endif
