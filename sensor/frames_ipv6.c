// SPDX-License-Identifier: Apache-2.0
/*
 * frames_ipv6.c: the IPv6 header (RFC 8200), the chain of its extension headers with their options,
 * fragments, and what it carries.
 *
 * Not told: whether an ESP header (RFC 4303) follows another one; what is behind the first is encrypted.
 */
#include <sys/socket.h>
#include "lib/util.h"
#include "sensor/frames_internal.h"

#define OPTION_PAD1         0
#define OPTION_PADN         1
#define OPTION_ROUTER_ALERT 0x05
#define OPTION_JUMBO        0xc2
#define OPTION_HOME_ADDRESS 0xc9

/* The chain of one packet. */
struct chain {
	struct rest rest; /* from the present header on, within the packet's length */
	size_t before;    /* bytes of extension headers so far */
	uint8_t next;     /* what the present header is */
	unsigned headers; /* extension headers passed */
	unsigned destinations, routings, fragments, auths, hops;
	bool later_fragment; /* nothing of what follows can be read */
	bool first_fragment; /* more of it comes in others */
	bool cut;            /* the captured bytes end here, or what is there made no sense */
};

/* --- options --- */

/* Options assigned by IANA, for the hop-by-hop and the destination options header alike. */
static bool option_is_known(uint8_t type)
{
	switch (type) {
	case 0x04: /* tunnel encapsulation limit */
	case OPTION_ROUTER_ALERT:
	case 0x07: /* CALIPSO */
	case 0x08: /* SMF_DPD */
	case 0x0f: /* performance metrics */
	case 0x11:
	case 0x31: /* IOAM */
	case 0x12: /* alternate marking */
	case 0x23:
	case 0x63: /* RPL */
	case 0x26: /* quick start */
	case 0x30: /* path MTU */
	case 0x6d: /* MPL */
	case 0x8a: /* endpoint identification */
	case 0x8b:
	case 0x8c: /* ILNP nonce, line identification */
	case OPTION_JUMBO:
	case OPTION_HOME_ADDRESS:
	case 0xee: /* IP_DFF */
		return true;
	default:
		return false;
	}
}

static bool option_length_fits(uint8_t type, uint8_t len)
{
	switch (type) {
	case OPTION_ROUTER_ALERT: /* RFC 2711 */
		return len == 2;
	case OPTION_JUMBO: /* RFC 2675 */
		return len == 4;
	case OPTION_HOME_ADDRESS: /* RFC 6275 */
		return len == 16;
	default:
		return true;
	}
}

struct options_seen {
	bool unknown, content;
	bool empty_pad; /* a PadN without data that two Pad1 or a longer PadN should have been */
};

/* One option; returns its length, or 0: it does not fit. */
static size_t option_check(struct walk *w, const uint8_t *p, size_t left, struct options_seen *seen)
{
	size_t len;

	if (p[0] == OPTION_PAD1)
		return 1;
	if (left < 2 || (len = 2 + (size_t)p[1]) > left) {
		walk_report(w, FRAME_IPV6_INVALID_OPTION_LENGTH);
		return 0;
	}
	if (p[0] == OPTION_PADN) {
		/* Two octets of padding at the end of a header is how it is aligned (RFC 8200 section 4.2,
		 * and every MLD report); anywhere else such an option has no purpose. */
		if (len == 2 && (left > 2 || !seen->content))
			seen->empty_pad = true;
		return len;
	}
	seen->content = true;
	if (!option_is_known(p[0]))
		seen->unknown = true;
	else if (!option_length_fits(p[0], p[1]))
		walk_report(w, FRAME_IPV6_INVALID_OPTION_LENGTH);
	return len;
}

static void options_check(struct walk *w, const uint8_t *p, size_t len, bool hop)
{
	struct options_seen seen = {0};
	size_t at = 0, own = 1;

	while (at < len && own) {
		own = option_check(w, p + at, len - at, &seen);
		at += own;
	}
	if (seen.empty_pad)
		walk_report(w, FRAME_IPV6_ZERO_LENGTH_PAD_N);
	if (seen.unknown)
		walk_report(w, hop ? FRAME_IPV6_HOP_OPTIONS_UNKNOWN_OPTION
				   : FRAME_IPV6_DESTINATION_OPTIONS_UNKNOWN_OPTION);
	if (!seen.content && own)
		walk_report(w, hop ? FRAME_IPV6_HOP_OPTIONS_ONLY_PADDING
				   : FRAME_IPV6_DESTINATION_OPTIONS_ONLY_PADDING);
}

/* --- extension headers --- */

static bool is_extension(uint8_t next)
{
	return next == PROTOCOL_HOP || next == PROTOCOL_ROUTING || next == PROTOCOL_FRAGMENT ||
	       next == PROTOCOL_AUTH || next == PROTOCOL_DESTINATION || next == PROTOCOL_MOBILITY ||
	       next == PROTOCOL_HIP || next == PROTOCOL_SHIM6;
}

/* RFC 8200 section 4.1: each once, destination options twice if a routing header stands between. */
static void duplicates_check(struct walk *w, struct chain *c)
{
	switch (c->next) {
	case PROTOCOL_HOP:
		if (c->hops++)
			walk_report(w, FRAME_IPV6_DUPLICATE_HOP_HEADER);
		return;
	case PROTOCOL_ROUTING:
		if (c->routings++)
			walk_report(w, FRAME_IPV6_DUPLICATE_ROUTING_HEADER);
		return;
	case PROTOCOL_FRAGMENT:
		if (c->fragments++)
			walk_report(w, FRAME_IPV6_DUPLICATE_FRAGMENT_HEADER);
		return;
	case PROTOCOL_AUTH:
		if (c->auths++)
			walk_report(w, FRAME_IPV6_DUPLICATE_AUTH_HEADER);
		return;
	case PROTOCOL_DESTINATION:
		if (c->destinations++ && (c->destinations > 2 || !c->routings))
			walk_report(w, FRAME_IPV6_DUPLICATE_DESTINATION_HEADER);
		return;
	default:
		return;
	}
}

static void fragment_check(struct walk *w, struct chain *c, const uint8_t *p)
{
	struct rest payload = rest_skip(c->rest, 8);
	unsigned field = be16(p + 2);
	struct fragment f = {
		.offset = field & 0xfff8,
		.len = (uint32_t)payload.len,
		.more = field & 1,
		.bytes = {(const char *)payload.ptr, payload.have},
	};
	struct fragment_key key = {w->ends.source.addr, w->ends.destination.addr, be32(p + 4), 0};

	if (p[1] || field & 6)
		walk_report(w, FRAME_IPV6_FRAGMENT_HEADER_NON_ZERO_RESERVED_FIELD);
	if (!f.offset && !f.more) { /* RFC 6946: whole by itself, never put together with others */
		walk_report(w, FRAME_IPV6_USELESS_FRAGMENT_HEADER);
		return;
	}
	w->segment = false;
	c->later_fragment = f.offset != 0;
	c->first_fragment = f.offset == 0;
	if (f.more && f.len % 8)
		walk_report(w, FRAME_IPV6_FRAGMENT_INVALID_LENGTH);
	if (c->before + f.offset + f.len > IP_PACKET_MAX)
		walk_report(w, FRAME_IPV6_FRAGMENT_PACKET_TOO_LARGE);
	if (fragments_add(w->fragments, &key, &f, w->now_ns))
		walk_report(w, FRAME_IPV6_FRAGMENT_OVERLAP);
}

static size_t extension_length(uint8_t kind, const uint8_t *p)
{
	if (kind == PROTOCOL_FRAGMENT)
		return 8;
	if (kind == PROTOCOL_AUTH) /* RFC 4302: in words of 32 bits, minus 2 */
		return ((size_t)p[1] + 2) * 4;
	return ((size_t)p[1] + 1) * 8;
}

static void extension_check(struct walk *w, struct chain *c, size_t len)
{
	const uint8_t *p = c->rest.ptr;

	duplicates_check(w, c);
	switch (c->next) {
	case PROTOCOL_HOP:
	case PROTOCOL_DESTINATION:
		options_check(w, p + 2, len - 2, c->next == PROTOCOL_HOP);
		return;
	case PROTOCOL_ROUTING:
		if (p[2] == 0) /* RFC 5095 */
			walk_report(w, FRAME_IPV6_ROUTING_HEADER_TYPE_0);
		return;
	case PROTOCOL_FRAGMENT:
		fragment_check(w, c, p);
		return;
	case PROTOCOL_AUTH:
		if (be16(p + 2))
			walk_report(w, FRAME_IPV6_AUTH_HEADER_RESERVED_NOT_NULL);
		return;
	default:
		return;
	}
}

/* Goes on until c->next is no extension header, or nothing further can be read. */
static void chain_follow(struct walk *w, struct chain *c)
{
	while (is_extension(c->next) && !c->later_fragment && !c->cut) {
		size_t len = 8;

		if (!walk_enter(w)) {
			c->cut = true;
			return;
		}
		if (c->rest.len >= 8 && c->rest.have >= 8)
			len = extension_length(c->next, c->rest.ptr);
		if (c->rest.len < len) {
			walk_report(w, FRAME_IPV6_TRUNCATED_EXTENSION_HEADER);
			c->cut = true;
		} else if (c->rest.have < len) {
			c->cut = true;
		} else {
			extension_check(w, c, len);
			c->next = c->rest.ptr[0];
			c->rest = rest_skip(c->rest, len);
			c->before += len;
			c->headers++;
		}
	}
}

/* --- what it carries --- */

/* Bytes that the shortest header of that protocol has. */
static size_t upper_header(uint8_t protocol)
{
	switch (protocol) {
	case PROTOCOL_TCP:
		return 20;
	case PROTOCOL_UDP:
	case PROTOCOL_ICMPV6:
		return 8;
	default:
		return 1;
	}
}

static void inner_ipv4(struct walk *w, struct rest r)
{
	if (!walk_enter(w))
		return;
	if (r.len < IPV4_HEADER_MIN)
		walk_report(w, FRAME_IPV6_IPV4_IN_IPV6_TOO_SMALL);
	else if (r.have && r.ptr[0] >> 4 != 4)
		walk_report(w, FRAME_IPV6_IPV4_IN_IPV6_WRONG_VERSION);
	else
		walk_ipv4(w, r);
}

static void inner_ipv6(struct walk *w, struct rest r)
{
	if (!walk_enter(w))
		return;
	if (r.len < IPV6_HEADER)
		walk_report(w, FRAME_IPV6_IPV6_IN_IPV6_TOO_SMALL);
	else if (r.have && r.ptr[0] >> 4 != 6)
		walk_report(w, FRAME_IPV6_IPV6_IN_IPV6_WRONG_VERSION);
	else
		walk_ipv6(w, r);
}

static void upper_read(struct walk *w, const struct chain *c)
{
	w->segment = w->segment && (c->next == PROTOCOL_TCP || walk_segment_inside(w, c->next, c->rest));
	switch (c->next) {
	case PROTOCOL_TCP:
		walk_tcp(w, c->rest, c->first_fragment);
		return;
	case PROTOCOL_NONE:
		if (c->rest.len)
			walk_report(w, FRAME_IPV6_DATA_AFTER_NONE_HEADER);
		return;
	case PROTOCOL_ICMP:
		walk_report(w, FRAME_IPV6_ICMPV4);
		return;
	case PROTOCOL_IPV4:
		inner_ipv4(w, c->rest);
		return;
	case PROTOCOL_IPV6:
		inner_ipv6(w, c->rest);
		return;
	default:
		if (!protocol_is_assigned(c->next))
			walk_report(w, FRAME_IPV6_UNKNOWN_NEXT_HEADER);
		walk_tunnel(w, c->next, c->rest);
	}
}

void walk_ipv6(struct walk *w, struct rest r)
{
	struct chain c = {0};
	size_t payload;

	if (r.have < IPV6_HEADER)
		return;
	w->ends.source = (struct endpoint){.addr = addr_from_bytes(AF_INET6, r.ptr + 8)};
	w->ends.destination = (struct endpoint){.addr = addr_from_bytes(AF_INET6, r.ptr + 24)};
	payload = be16(r.ptr + 4);
	c.next = r.ptr[6];
	/* A jumbogram (RFC 2675), or put together by the kernel beyond 64 KiB. */
	if (!payload && (c.next == PROTOCOL_HOP || r.len > IPV6_HEADER + IP_PACKET_MAX))
		payload = r.len - IPV6_HEADER;
	if (IPV6_HEADER + payload > r.len) {
		walk_report(w, FRAME_IPV6_TRUNCATED_PACKET);
		return;
	}
	c.rest = rest_skip(rest_cut(r, IPV6_HEADER + payload), IPV6_HEADER);
	chain_follow(w, &c);
	if (c.cut || c.later_fragment)
		return;
	/* The chain ends with the upper-layer header, and must be there whole, in a first fragment as well
	 * (RFC 7112). */
	if (c.headers && c.next != PROTOCOL_NONE && c.rest.len < upper_header(c.next))
		walk_report(w, FRAME_IPV6_TRUNCATED_EXTENSION_HEADER);
	upper_read(w, &c);
}
