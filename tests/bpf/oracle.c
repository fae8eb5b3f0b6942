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
	p->l4 = r->at;
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

/* --- link layer --- */

static void read_ethernet(struct oracle_packet *p, struct rest r, enum oracle_reach if_short)
{
	uint16_t type;
	unsigned tags = 0;

	p->reach = if_short;
	if (left(&r) < 14)
		return;
	type = be16(r.at + 12);
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
	p->reach = ORACLE_NO_IP;
	if (type == 0x0800)
		read_ipv4(p, r);
	else if (type == 0x86dd)
		read_ipv6(p, r);
}

void oracle_read(struct oracle_packet *p, const uint8_t *frame, size_t len)
{
	memset(p, 0, sizeof(*p));
	read_ethernet(p, (struct rest){frame, frame + len}, ORACLE_NO_IP);
}

/* --- tunnels --- */

static enum oracle_tunnel open_gre(struct oracle_packet *inner, struct rest r)
{
	if (left(&r) < 4)
		return ORACLE_TUNNEL_SHUT;
	bool checksum = r.at[0] >> 7 & 1, routing = r.at[0] >> 6 & 1, key = r.at[0] >> 5 & 1,
	     sequence = r.at[0] >> 4 & 1;
	size_t own = 4u + (checksum ? 4 : 0) + (key ? 4 : 0) + (sequence ? 4 : 0);
	uint16_t type = be16(r.at + 2);

	if (routing || (r.at[1] & 7) != 0 || left(&r) < own)
		return ORACLE_TUNNEL_SHUT;
	r.at += own;
	inner->reach = ORACLE_NO_IP;
	if (type == 0x0800)
		read_ipv4(inner, r);
	else if (type == 0x86dd)
		read_ipv6(inner, r);
	else if (type == 0x6558)
		read_ethernet(inner, r, ORACLE_NO_ADDRESSES);
	return ORACLE_TUNNEL_OPEN;
}

static enum oracle_tunnel open_vxlan(struct oracle_packet *inner, struct rest r)
{
	if (left(&r) < 16)
		return ORACLE_TUNNEL_SHUT;
	size_t datagram = be16(r.at + 4);

	if ((datagram && datagram < 16) || !(r.at[8] & 8))
		return ORACLE_TUNNEL_SHUT;
	end_at(&r, r.at, datagram);
	r.at += 16;
	read_ethernet(inner, r, ORACLE_NO_ADDRESSES);
	return ORACLE_TUNNEL_OPEN;
}

bool oracle_is_tunnel(const struct oracle_packet *p, uint16_t vxlan_port)
{
	if (p->reach != ORACLE_L4)
		return false;
	switch (p->protocol) {
	case 4:
	case 41:
	case 47:
		return true;
	case 17:
		return p->ports && p->destination_port == vxlan_port;
	default:
		return false;
	}
}

enum oracle_tunnel oracle_open(struct oracle_packet *inner, const struct oracle_packet *outer)
{
	struct rest r = {outer->l4, outer->l4 + outer->l4_bytes};

	memset(inner, 0, sizeof(*inner));
	switch (outer->protocol) {
	case 4:
		read_ipv4(inner, r);
		return ORACLE_TUNNEL_OPEN;
	case 41:
		read_ipv6(inner, r);
		return ORACLE_TUNNEL_OPEN;
	case 47:
		return open_gre(inner, r);
	default:
		return open_vxlan(inner, r);
	}
}
