// SPDX-License-Identifier: Apache-2.0
#include "sensor/datagrams.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"
#include "sensor/frames_internal.h"

#define TCP_HEADER     20
#define EXTENSIONS_MAX 8 /* as bpf/parse.h */

struct datagrams {
	struct defrag *defrag;
	uint64_t segments;
	struct pk_segment segment;
	uint8_t bytes[PK_SEGMENT_MAX]; /* behind it */
};
_Static_assert(offsetof(struct datagrams, bytes) ==
		       offsetof(struct datagrams, segment) + sizeof(struct pk_segment),
	       "a record and its bytes are one");

int datagrams_new(struct datagrams **ret)
{
	struct datagrams *d = calloc(1, sizeof *d);

	if (!d)
		return -ENOMEM;
	int r = defrag_new(PROTOCOL_TCP, &d->defrag);
	if (r) {
		free(d);
		return r;
	}
	*ret = d;
	return 0;
}

void datagrams_free(struct datagrams *d)
{
	if (!d)
		return;
	defrag_free(d->defrag);
	free(d);
}

/* --- from the packet to the segment --- */

/* Behind the fragment header others may stand. False: it is no TCP segment. */
static bool find_tcp(const struct defrag_whole *w, struct rest *ret)
{
	unsigned next = w->protocol;
	struct rest r = {w->frame.bytes + w->payload, w->frame.len - w->payload, w->frame.len - w->payload};

	for (int i = 0; i < EXTENSIONS_MAX && next != PROTOCOL_TCP; i++) {
		if (w->version == 4 || r.have < 8)
			return false;
		switch (next) {
		case PROTOCOL_HOP:
		case PROTOCOL_ROUTING:
		case PROTOCOL_DESTINATION:
		case PROTOCOL_MOBILITY:
		case PROTOCOL_HIP:
		case PROTOCOL_SHIM6:
			next = r.ptr[0];
			r = rest_skip(r, (r.ptr[1] + 1u) * 8u);
			break;
		case PROTOCOL_AUTH:
			next = r.ptr[0];
			r = rest_skip(r, (r.ptr[1] + 2u) * 4u);
			break;
		default:
			return false;
		}
	}
	*ret = r;
	return next == PROTOCOL_TCP && r.have >= TCP_HEADER;
}

static bool is_mapped(const uint8_t *addr)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(addr, prefix, sizeof prefix) == 0;
}

/* Family, TTL and addresses, as bpf/header.h has them. */
static void ends_fill(struct pk_header *h, const struct defrag_whole *w)
{
	const uint8_t *ip = w->frame.bytes + w->ip;

	if (w->version == 4) {
		h->family = PK_AF_INET;
		h->ttl = ip[8];
		memcpy(h->source_addr, ip + 12, 4);
		memcpy(h->destination_addr, ip + 16, 4);
		return;
	}
	h->family = PK_AF_INET6;
	h->ttl = ip[7];
	if (is_mapped(ip + 8) && is_mapped(ip + 24)) {
		h->family = PK_AF_INET;
		memcpy(h->source_addr, ip + 20, 4);
		memcpy(h->destination_addr, ip + 36, 4);
		return;
	}
	memcpy(h->source_addr, ip + 8, 16);
	memcpy(h->destination_addr, ip + 24, 16);
}

static uint8_t why(uint16_t flags, uint8_t reserved)
{
	uint8_t low = flags & 0x3f; /* without ECE and CWR */
	bool syn = flags & PK_TCP_SYN, odd = !low || reserved || flags & PK_TCP_URG;

	odd = odd || (syn && flags & (PK_TCP_FIN | PK_TCP_RST));
	return (uint8_t)((syn ? PK_WHY_SYN : 0) | (flags & PK_TCP_FIN ? PK_WHY_FIN : 0) |
			 (flags & PK_TCP_RST ? PK_WHY_RST : 0) | (odd ? PK_WHY_ODD : 0));
}

/* rec: the last of its fragments. False: its header is none. */
static bool segment_fill(struct datagrams *d, const struct pk_frame *rec, const struct defrag_whole *w,
			 struct rest tcp)
{
	const uint8_t *t = tcp.ptr;
	size_t head = (size_t)(t[12] >> 4) * 4;
	struct pk_segment *s = &d->segment;

	if (head < TCP_HEADER || head > tcp.len)
		return false;
	memset(s, 0, sizeof *s);
	s->captured = (uint32_t)(tcp.len - TCP_HEADER);
	s->l4_len = (uint32_t)tcp.len;
	memcpy(&s->checksum, t + 16, sizeof s->checksum); /* stays in network order */
	s->urgent = (uint16_t)be16(t + 18);
	s->vlan[0] = rec->vlan[0];
	s->vlan[1] = rec->vlan[1];
	s->header = (struct pk_header){
		.rec = {.kind = PK_SEGMENT, .time_ns = rec->rec.time_ns},
		.ifindex = rec->ifindex,
		.hook = rec->hook,
		.source_port = (uint16_t)be16(t),
		.destination_port = (uint16_t)be16(t + 2),
		.sequence = be32(t + 4),
		.acknowledgment = be32(t + 8),
		.window = (uint16_t)be16(t + 14),
		.flags = (uint16_t)((t[12] & 1u) << 8 | t[13]),
		.header_length = (uint8_t)head,
		.payload_len = (uint16_t)(tcp.len - head),
		.lost = rec->lost,
	};
	s->header.rec.size = (uint32_t)sizeof *s + s->captured;
	s->header.why = why(s->header.flags, t[12] & 0x0e);
	ends_fill(&s->header, w);
	memcpy(d->bytes, t + TCP_HEADER, s->captured);
	return true;
}

const struct pk_segment *datagrams_add(struct datagrams *d, const struct pk_frame *rec)
{
	struct defrag_frame f = {.bytes = (const uint8_t *)(rec + 1),
				 .len = rec->captured,
				 .time_ns = rec->rec.time_ns,
				 .l3_only = rec->l3_only,
				 .mark = rec->wanted};
	struct defrag_whole whole;
	struct rest tcp;

	if (!defrag_add(d->defrag, &f, &whole) || !whole.frame.mark || !find_tcp(&whole, &tcp) ||
	    !segment_fill(d, rec, &whole, tcp))
		return NULL;
	d->segments++;
	return &d->segment;
}

struct datagrams_counts datagrams_counts(const struct datagrams *d)
{
	return (struct datagrams_counts){.defrag = defrag_counts(d->defrag), .segments = d->segments};
}
