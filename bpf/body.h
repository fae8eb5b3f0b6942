/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * body.h: where a body ends whose head the sensor has not read yet. A body may come faster than the sensor
 * runs; so the begin of each request that may have one is kept, and read here when more than PK_BODY_WINDOW
 * of it was copied (head_scan.h). On any doubt the bytes are copied. The sensor's own word counts from the
 * moment it has read that head, so a client who shows this reader and the sensor different things gains
 * nothing but a gap, flagged, and only while the sensor is that far behind.
 *
 * A slot is written under its connection's lock; where two connections share it, the later one has it.
 */
#ifndef PICKET_BPF_BODY_H
#define PICKET_BPF_BODY_H

#include "head_scan.h"
#include "maps.h"

struct head_walk {
	struct head_scan scan;
	const struct pk_head *head;
};

static long head_walk_step(__u32 i, void *arg)
{
	struct head_walk *w = arg;
	int end;

	if (i >= w->head->len || i >= PK_HEAD_BYTES)
		return 1;
	end = head_step(&w->scan, i, w->head->bytes[i]);

	asm volatile("" : "+r"(end)); /* the verifier wants to see 0 or 1 */
	return end != 0;
}

static __always_inline void head_read(struct pk_head *head)
{
	struct head_walk w = {.head = head};

	bpf_loop(PK_HEAD_BYTES, head_walk_step, &w, 0);
	head->read = 1;
	head->body = w.scan.end;
	head->length = head_body_length(&w.scan);
}

/* Keeps the begin of a request: n bytes of the connection from seq on, of the packet from off on. */
static __always_inline void head_keep(__u64 cookie, __u32 seq, const struct bpf_dynptr *packet, __u32 off,
				      __u32 n)
{
	__u32 index = cookie & (PK_HEAD_SLOTS - 1);
	struct pk_head *head = bpf_map_lookup_elem(&pk_heads, &index);

	if (!head || !cookie)
		return;
	if (n > PK_HEAD_BYTES)
		n = PK_HEAD_BYTES;
	head->cookie = 0;
	head->seq = seq;
	head->len = n;
	head->read = 0;
	if (!bpf_dynptr_read(head->bytes, n, packet, off, 0))
		head->cookie = cookie;
}

/* Are these bytes of a body of which enough is copied, and whose head the sensor has still to read? */
static __always_inline bool body_is_ahead(__u64 cookie, __u32 seq, __u32 len)
{
	__u32 index = cookie & (PK_HEAD_SLOTS - 1), slot = pk_skip_slot(cookie);
	struct pk_head *head;
	const __u64 *seen;
	__u64 from, value;

	if (len < PK_BODY_READ)
		return false;
	head = bpf_map_lookup_elem(&pk_heads, &index);
	seen = bpf_map_lookup_elem(&pk_seen, &slot);
	if (!head || !seen || !cookie || head->cookie != cookie)
		return false;
	from = seq - head->seq; /* as 32 bits, so that what came before is far away */
	if (from <= PK_BODY_WINDOW)
		return false;
	value = *(volatile const __u64 *)seen;
	if (value >> 32 == pk_skip_tag(cookie) && (__s32)((__u32)value - (head->seq + head->len)) >= 0)
		return false;
	if (!head->read)
		head_read(head);
	return from >= head->body && from + len <= (__u64)head->body + head->length;
}

#endif
