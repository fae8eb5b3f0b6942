/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * answer.h: the latest answer of each connection, kept in pk_answers until a record of the connection takes
 * it along. All of this runs under the socket's lock, so that a slot has one writer; only where two
 * connections share a slot, and at the moment one takes it over, could there be two.
 *
 * A slot belongs to the connection whose cookie stands in it. The others that would fall on it have their
 * answers told in records of their own, without a number.
 */
#ifndef PICKET_BPF_ANSWER_H
#define PICKET_BPF_ANSWER_H

#include "maps.h"

struct tcp_sock___answer {
	__u32 copied_seq;
	__u32 write_seq;
} __attribute__((preserve_access_index));

static __always_inline __u32 answer_write_seq(const struct sock *sk)
{
	return SOCK_AS(tcp_sock___answer, sk, write_seq);
}

static __always_inline struct pk_answer_slot *answer_slot(__u64 cookie)
{
	__u32 index = pk_answer_slot(cookie);

	return bpf_map_lookup_elem(&pk_answers, &index);
}

/*
 * Readers in user space take what they copied between two equal, even versions. Where all see stores in their
 * order plain ones do: an atomic one would wait for the slot's cache line, which of a new connection is far
 * away.
 */
static __always_inline void answer_change(struct pk_answer_slot *slot)
{
#ifdef __TARGET_ARCH_x86
	barrier();
	*(volatile __u32 *)&slot->version += 1;
	barrier();
#else
	__sync_fetch_and_add(&slot->version, 1);
#endif
}

static __always_inline void answer_claim(struct pk_answer_slot *slot, __u64 cookie, __u32 since)
{
	answer_change(slot);
	slot->cookie = cookie;
	slot->carried = 0;
	slot->answer = (struct pk_answer){.since = since};
	answer_change(slot);
}

/* The connection that opened last has the slot: one whose end was never seen must not hold it for ever. */
static __always_inline void answer_open(__u64 cookie)
{
	struct pk_answer_slot *slot = answer_slot(cookie);

	if (slot && cookie)
		answer_claim(slot, cookie, 0);
}

/* The answer that no record told yet, if there is one: in the record at hand. */
static __always_inline void answer_carry(struct pk_answer *ret, __u64 cookie, const struct sock *sk)
{
	struct pk_answer_slot *slot = answer_slot(cookie);

	if (!slot || !cookie || slot->cookie != cookie || slot->answer.number == slot->carried)
		return;
	*ret = slot->answer;
#ifdef PK_PERF /* kernels whose sendfile does not come by as a write */
	ret->end = answer_write_seq(sk);
#endif
	slot->carried = slot->answer.number;
}

/*
 * The same at the end of the connection, told or not: where the answer ended is known now. The server's FIN
 * has a sequence number, too.
 */
static __always_inline void answer_close(struct pk_answer *ret, __u64 cookie, const struct sock *sk)
{
	struct pk_answer_slot *slot = answer_slot(cookie);
	__u32 end = answer_write_seq(sk);

	if (!slot || !cookie || slot->cookie != cookie)
		return;
	*ret = slot->answer;
	if (end != ret->end)
		ret->end = end - 1;
	answer_claim(slot, 0, 0);
}

#endif
