/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * header.h: from a TCP header to its event: is it worth one, is there room, what stands in it. The same for
 * each hook that meets segments; the includer defines HOOK (enum pk_hook).
 */
#ifndef PICKET_BPF_HEADER_H
#define PICKET_BPF_HEADER_H

#include "maps.h"
#include "ring.h"
#include "tcp_head.h"
#ifdef PK_MAPS_INGRESS
#include "lost.h"
#endif

/* What the L4 header says, as far as it is there. */
struct segment {
	struct tcp_head tcp;
	__u8 have;    /* bytes of it that are there, up to TCP_HEADER; 0: no ports */
	bool watched; /* the destination port is */
};

static __always_inline bool port_watched(__be16 port)
{
	const struct pk_ports *ports = PK_ONLY(pk_ports);
	__u16 p = bpf_ntohs(port);

	return ports && ports->watched[p >> 6] >> (p & 63) & 1;
}

static __always_inline bool addr_is_mapped(const __u32 *addr)
{
	return !addr[0] && !addr[1] && addr[2] == bpf_htonl(0xffff);
}

static __always_inline __u16 tcp_flags(const struct tcp_head *t)
{
	return (t->offset_reserved & 1 ? PK_TCP_NS : 0) | t->flags;
}

static __always_inline bool tcp_is_odd(const struct tcp_head *t)
{
	__u8 f = t->flags & 0x3f; /* without ECE and CWR */

	return !f || (t->offset_reserved & 0x0e) || (f & PK_TCP_URG) ||
	       ((f & PK_TCP_SYN) && (f & (PK_TCP_FIN | PK_TCP_RST)));
}

static __always_inline __u8 header_why(const struct packet *p, const struct segment *s)
{
	const struct tcp_head *t = &s->tcp;
	__u32 head = (t->offset_reserved >> 4) * 4;
	__u8 why = 0;

	if (s->have < TCP_HEADER)
		return PK_WHY_MALFORMED;
	if (head < TCP_HEADER || head > p->l4_len)
		why |= PK_WHY_MALFORMED;
	if (t->flags & PK_TCP_SYN)
		why |= PK_WHY_SYN;
	if (t->flags & PK_TCP_FIN)
		why |= PK_WHY_FIN;
	if (t->flags & PK_TCP_RST)
		why |= PK_WHY_RST;
	if (tcp_is_odd(t))
		why |= PK_WHY_ODD;
	return why;
}

static __always_inline bool criterion_met(const struct pk_criterion *c, __u16 flags, __u16 window)
{
	return (flags & c->flags_mask) == c->flags_value && window >= c->window_low &&
	       window <= c->window_high;
}

/*
 * Does a criterion of user space want to see this segment, which is of no interest by itself? A global
 * function: the verifier looks at it once.
 */
__noinline int header_wanted(__u32 flags, __u32 window)
{
	const struct pk_config *config = PK_ONLY(pk_config);

	for (__u32 i = 0; config && i < PK_CRITERIA_MAX; i++)
		if (i < config->criterion_count && criterion_met(&config->criteria[i], flags, window))
			return 1;
	return 0;
}

/* To a port that is not watched: does it try what is there? */
static __always_inline bool header_probes(const struct segment *s)
{
	const struct pk_config *config;
	const struct tcp_head *t = &s->tcp;

	if (s->have < TCP_HEADER || ((t->flags & (PK_TCP_SYN | PK_TCP_ACK)) != PK_TCP_SYN && !tcp_is_odd(t)))
		return false;
	config = PK_ONLY(pk_config);
	return config && config->probes;
}

static __always_inline bool header_sampled(struct pk_ingress_cpu *cpu, const struct pk_config *config)
{
	if (!config->sample_n)
		return false;
	if (cpu->sample_left == 0 || cpu->sample_left > config->sample_n)
		cpu->sample_left = config->sample_n;
	return --cpu->sample_left == 0;
}

static __always_inline void header_fill(struct pk_header *h, const struct packet *p, const struct segment *s,
					__u32 ifindex, __u8 why, __u64 now)
{
	const struct tcp_head *t = &s->tcp;
	__u32 head = (t->offset_reserved >> 4) * 4;
	__u32 payload = p->l4_len > head ? p->l4_len - head : 0;
	bool mapped = p->family == PK_AF_INET6 && addr_is_mapped(p->source) && addr_is_mapped(p->destination);

	__builtin_memset(h, 0, sizeof(*h));
	h->rec.kind = PK_HEADER;
	h->rec.size = sizeof(*h);
	h->rec.time_ns = now;
	h->ifindex = ifindex;
	h->family = mapped ? PK_AF_INET : p->family;
	h->ttl = p->ttl;
	h->hook = HOOK;
	h->source_port = bpf_ntohs(t->source);
	h->destination_port = bpf_ntohs(t->destination);
	h->sequence = bpf_ntohl(t->sequence);
	h->acknowledgment = bpf_ntohl(t->acknowledgment);
	h->window = bpf_ntohs(t->window);
	h->flags = tcp_flags(t);
	h->header_length = head;
	h->why = why;
	h->payload_len = payload > 65535 ? 65535 : payload;
	if (mapped) {
		__builtin_memcpy(h->source_addr, &p->source[3], 4);
		__builtin_memcpy(h->destination_addr, &p->destination[3], 4);
	} else {
		__builtin_memcpy(h->source_addr, p->source, 16);
		__builtin_memcpy(h->destination_addr, p->destination, 16);
	}
}

/*
 * Is there an event left in the bucket? In a flood it is asked for each packet, and to look at the clock
 * costs more than all the rest, so the packet program goes by the tick, in which nothing runs into a bucket
 * that is dry. Tracing programs cannot.
 */
static __always_inline bool header_paid(struct pk_ingress_cpu *cpu, const struct pk_config *config)
{
#ifdef PK_MAPS_INGRESS
	__u64 now = bpf_ktime_get_coarse_ns();

	if (!config->header_rate || cpu->bucket_dry == now)
		return false;
	if (bucket_paid(&cpu->bucket, config, now))
		return true;
	cpu->bucket_dry = now;
	return false;
#else
	return bucket_paid(&cpu->bucket, config, bpf_ktime_get_boot_ns());
#endif
}

/* why: what the caller knows beside the header itself. */
static __always_inline void header_event(struct pk_counters *c, struct pk_ingress_cpu *cpu,
					 const struct packet *p, const struct segment *s, __u32 ifindex,
					 __u8 why)
{
	const struct pk_config *config = PK_ONLY(pk_config);
	struct pk_share_key source;
	struct pk_header *h;

	if (!config)
		return;
	why |= header_why(p, s);
	if (!why && config->criterion_count && header_wanted(tcp_flags(&s->tcp), bpf_ntohs(s->tcp.window)))
		why = PK_WHY_CRITERION;
	if ((!why || why == PK_WHY_CRITERION) && header_sampled(cpu, config))
		why = PK_WHY_SAMPLE;
	if (!why)
		return;
	if (!header_paid(cpu, config)) {
		count(c, PK_C_HDR_THROTTLED, 1);
		return;
	}
	count(c, PK_C_HDR_PRODUCED, 1);
	source = ring_source(p->family, (const __u8 *)p->source, PK_SHARE_HEADERS);
	if (ring_level(&pk_headers, &cpu->ring, sizeof(*h)) != RING_CALM &&
	    !ring_buffer_share(&pk_headers, &source, config, sizeof(*h))) {
		count(c, PK_C_HDR_SHARE, 1);
		return;
	}
	h = bpf_ringbuf_reserve(&pk_headers, sizeof(*h), 0);
	if (!h) {
		count(c, PK_C_HDR_LOST, 1);
		return;
	}
	header_fill(h, p, s, ifindex, why, bpf_ktime_get_boot_ns());
#ifdef PK_MAPS_INGRESS
	if (config->packets)
		h->lost = lost_acks();
#endif
	bpf_ringbuf_submit(h, ring_wake(&cpu->ring, sizeof(*h)));
}

#endif
