// SPDX-License-Identifier: Apache-2.0
#include "oracle.h"
#include <string.h>

/* What is left of the packet: everything is taken from its front. */
struct rest {
	const uint8_t *at, *end;
};

static size_t left(const struct rest *r)
{
	return (size_t)(r->end - r->at);
}

static uint16_t be16(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
}

static uint32_t be32(const uint8_t *b)
{
	return (uint32_t)be16(b) << 16 | be16(b + 2);
}

/* --- layer 4 --- */

static void read_tcp_tail(struct oracle_packet *p, const uint8_t *b)
{
	p->acknowledgment = be32(b + 8);
	p->header_bytes = (uint8_t)((b[12] >> 4) * 4);
	p->reserved = b[12] >> 1 & 7;
	p->flags = (uint16_t)((b[12] & 1) << 8 | b[13]);
	p->window = be16(b + 14);
}

static void read_l4(struct oracle_packet *p, const struct rest *r)
{
	bool tcp = p->protocol == 6;

	p->reach = ORACLE_L4;
	p->l4_bytes = (uint32_t)left(r);
	if (!tcp && p->protocol != 17)
		return;
	if (left(r) < 4) {
		p->reach = ORACLE_SHORT;
		return;
	}
	p->ports = true;
	p->source_port = be16(r->at);
	p->destination_port = be16(r->at + 2);
	if (!tcp)
		return;
	p->tcp_bytes = left(r) >= 20 ? 20 : left(r) >= 8 ? 8 : 4;
	if (p->tcp_bytes >= 8)
		p->sequence = be32(r->at + 4);
	if (p->tcp_bytes >= 20)
		read_tcp_tail(p, r->at);
}

/* --- IP --- */

/* The IP header's own word for where the packet ends counts if it is nearer; 0 is no word. */
static void end_at(struct rest *r, const uint8_t *begin, size_t bytes)
{
	if (bytes && bytes < (size_t)(r->end - begin))
		r->end = begin + bytes;
}

static void read_ipv4(struct oracle_packet *p, struct rest r)
{
	const uint8_t *h = r.at;

	if (left(&r) < 20 || h[0] >> 4 != 4) {
		p->reach = ORACLE_NO_ADDRESSES;
		return;
	}
	size_t own = (size_t)(h[0] & 15) * 4;
	p->version = 4;
	p->hops = h[8];
	p->protocol = h[9];
	memcpy(p->source, h + 12, 4);
	memcpy(p->destination, h + 16, 4);
	if ((be16(h + 6) & 0x1fff) != 0) {
		p->reach = ORACLE_LATER_PIECE;
		return;
	}
	size_t total = be16(h + 2);
	/* A total length that does not even hold the header leaves nothing to read. */
	if (own < 20 || (total && total < own) || left(&r) < own) {
		p->reach = ORACLE_SHORT;
		return;
	}
	end_at(&r, h, total);
	r.at += own;
	read_l4(p, &r);
}

enum header { UPPER, OPTIONS, FRAGMENT, AUTHENTICATION, OPAQUE };

static enum header kind_of(uint8_t next)
{
	switch (next) {
	case 0:   /* hop-by-hop */
	case 43:  /* routing */
	case 60:  /* destination */
	case 135: /* mobility */
	case 139: /* host identity */
	case 140: /* shim6 */
		return OPTIONS;
	case 44:
		return FRAGMENT;
	case 51:
		return AUTHENTICATION;
	case 59:  /* no next header */
	case 253: /* experiments (RFC 3692) */
	case 254:
		return OPAQUE;
	default:
		return UPPER;
	}
}

static void read_ipv6(struct oracle_packet *p, struct rest r)
{
	const uint8_t *h = r.at;
	uint8_t next;

	if (left(&r) < 40 || h[0] >> 4 != 6) {
		p->reach = ORACLE_NO_ADDRESSES;
		return;
	}
	p->version = 6;
	p->hops = h[7];
	memcpy(p->source, h + 8, 16);
	memcpy(p->destination, h + 24, 16);
	next = h[6];
	size_t payload = be16(h + 4);
	end_at(&r, h, payload ? payload + 40 : 0);
	r.at += 40;
	for (unsigned headers = 0;; headers++) {
		enum header kind = kind_of(next);
		if (kind == UPPER)
			break;
		if (kind == OPAQUE || headers == 8) {
			p->reach = ORACLE_EXTENSIONS;
			return;
		}
		if (left(&r) < 8 || r.at > r.end) {
			p->reach = ORACLE_SHORT;
			return;
		}
		if (kind == FRAGMENT && be16(r.at + 2) >> 3 != 0) {
			p->reach = ORACLE_LATER_PIECE;
			return;
		}
		size_t own = kind == FRAGMENT         ? 8
			     : kind == AUTHENTICATION ? ((size_t)r.at[1] + 2) * 4
						      : ((size_t)r.at[1] + 1) * 8;
		next = r.at[0];
		/* It ends beyond the packet: only then does what comes next matter no more. */
		if (own > left(&r)) {
			p->reach = kind_of(next) == OPAQUE || (kind_of(next) != UPPER && headers == 7)
					   ? ORACLE_EXTENSIONS
					   : ORACLE_SHORT;
			/* The protocol is known all the same. */
			if (kind_of(next) == UPPER)
				p->protocol = next;
			return;
		}
		r.at += own;
	}
	p->protocol = next;
	read_l4(p, &r);
}

void oracle_read(struct oracle_packet *p, const uint8_t *frame, size_t len)
{
	struct rest r = {frame, frame + len};
	uint16_t type;
	unsigned tags = 0;

	memset(p, 0, sizeof(*p));
	p->reach = ORACLE_NO_IP;
	if (len < 14)
		return;
	type = be16(frame + 12);
	r.at += 14;
	while (type == 0x8100 || type == 0x88a8) {
		if (tags++ == 2) {
			p->reach = ORACLE_TAGS;
			return;
		}
		if (left(&r) < 4) {
			p->reach = ORACLE_NO_ADDRESSES;
			return;
		}
		type = be16(r.at + 2);
		r.at += 4;
	}
	if (type == 0x0800)
		read_ipv4(p, r);
	else if (type == 0x86dd)
		read_ipv6(p, r);
}
