// SPDX-License-Identifier: Apache-2.0
/*
 * frames_ipv4.c: the IPv4 header (RFC 791), its options, fragments, and what it carries.
 */
#include <sys/socket.h>
#include "lib/util.h"
#include "sensor/frames_internal.h"

#define MORE_FRAGMENTS  0x2000
#define FRAGMENT_OFFSET 0x1fff

#define OPTION_END          0
#define OPTION_NOP          1
#define OPTION_RECORD_ROUTE 7
#define OPTION_TIMESTAMP    68
#define OPTION_SECURITY     130
#define OPTION_LOOSE_ROUTE  131
#define OPTION_CIPSO        134
#define OPTION_STREAM_ID    136
#define OPTION_STRICT_ROUTE 137
#define OPTION_ROUTER_ALERT 148

/* Assigned by IANA, and may stand once in a header. */
static const uint8_t options_known[] = {
	OPTION_RECORD_ROUTE,
	10 /* ZSU */,
	11,
	12 /* MTU probe, reply */,
	15 /* ENCODE */,
	25 /* quick start */,
	OPTION_TIMESTAMP,
	82 /* traceroute */,
	OPTION_SECURITY,
	OPTION_LOOSE_ROUTE,
	133 /* extended security */,
	OPTION_CIPSO,
	OPTION_STREAM_ID,
	OPTION_STRICT_ROUTE,
	142 /* VISA */,
	144 /* IMITD */,
	145 /* EIP */,
	147 /* address extension */,
	OPTION_ROUTER_ALERT,
	149 /* selective broadcast */,
	151,
	152 /* DPS, UMP */,
	205 /* FINN */,
};

static int option_index(uint8_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(options_known); i++)
		if (options_known[i] == type)
			return (int)i;
	return -1;
}

/* Has the option a length that its type can have? Type and length octet are included. */
static bool option_length_fits(const uint8_t *p, size_t len)
{
	switch (p[0]) {
	case OPTION_RECORD_ROUTE:
	case OPTION_LOOSE_ROUTE:
	case OPTION_STRICT_ROUTE: /* a pointer, then addresses */
		return len >= 3 && (len - 3) % 4 == 0;
	case OPTION_TIMESTAMP:
		return len >= 4 && len <= 40 && len % 4 == 0;
	case OPTION_SECURITY: /* RFC 791: 11; RFC 1108: 3 and more */
		return len >= 3;
	case OPTION_STREAM_ID:
	case OPTION_ROUTER_ALERT:
		return len == 4;
	case OPTION_CIPSO: /* a 32 bit domain, then tags */
		return len >= 6;
	default:
		return true;
	}
}

/* CIPSO: tags of at least two octets, type and length, that fill the option. */
static bool cipso_is_valid(const uint8_t *p, size_t len)
{
	size_t at = 6;

	while (at + 2 <= len && p[at + 1] >= 2 && at + p[at + 1] <= len)
		at += p[at + 1];
	return at == len;
}

static bool option_is_valid(const uint8_t *p, size_t len)
{
	switch (p[0]) {
	case OPTION_RECORD_ROUTE:
	case OPTION_LOOSE_ROUTE:
	case OPTION_STRICT_ROUTE: /* the pointer counts from 1; past the end means full */
		return p[2] >= 4 && p[2] % 4 == 0 && p[2] <= len + 1;
	case OPTION_TIMESTAMP: /* flags: timestamps only, with addresses, with given addresses */
		return p[2] >= 5 && p[2] % 4 == 1 && p[2] <= len + 1 &&
		       ((p[3] & 15) == 0 || (p[3] & 15) == 1 || (p[3] & 15) == 3);
	case OPTION_CIPSO:
		return cipso_is_valid(p, len);
	default:
		return true;
	}
}

static void option_check(struct walk *w, const uint8_t *p, size_t len, uint32_t *seen)
{
	int known = option_index(p[0]);

	if (known < 0) {
		walk_report(w, FRAME_IPV4_OPTION_UNKNOWN);
		return;
	}
	if (*seen >> known & 1)
		walk_report(w, FRAME_IPV4_OPTION_DUPLICATE);
	*seen |= 1u << known;
	if (!option_length_fits(p, len))
		walk_report(w, FRAME_IPV4_OPTION_INVALID_LENGTH);
	else if (!option_is_valid(p, len))
		walk_report(w, FRAME_IPV4_OPTION_INVALID);
}

/* All options of the header; the list must fill it, or end and be padded with zeros to its end. */
static void options_check(struct walk *w, const uint8_t *p, size_t len)
{
	uint32_t seen = 0;
	size_t at = 0;

	_Static_assert(ARRAY_SIZE(options_known) <= 32, "they are bits of a word");
	while (at < len && p[at] != OPTION_END) {
		size_t own = 1;

		if (p[at] != OPTION_NOP) {
			if (at + 1 == len) { /* no room for a length: only an end could stand here */
				walk_report(w, FRAME_IPV4_OPTION_END_OF_LIST_REQUIRED);
				return;
			}
			own = p[at + 1];
			if (own < 2) {
				walk_report(w, FRAME_IPV4_OPTION_MALFORMED);
				return;
			}
			if (at + own > len) {
				walk_report(w, FRAME_IPV4_OPTION_INVALID_LENGTH);
				walk_report(w, FRAME_IPV4_OPTION_PADDING_REQUIRED);
				return;
			}
			option_check(w, p + at, own, &seen);
		}
		at += own;
	}
	for (; at < len; at++)
		if (p[at]) {
			walk_report(w, FRAME_IPV4_OPTION_PADDING_REQUIRED);
			return;
		}
}

/* True: what follows the header is not its beginning, or not all there. */
static bool fragment_check(struct walk *w, const uint8_t *p, size_t header, struct rest payload)
{
	unsigned field = be16(p + 6);
	struct fragment f = {
		.offset = (field & FRAGMENT_OFFSET) * 8,
		.len = (uint32_t)payload.len,
		.more = field & MORE_FRAGMENTS,
		.bytes = {(const char *)payload.ptr, payload.have},
	};
	struct fragment_key key = {
		.source = w->ends.source.addr,
		.destination = w->ends.destination.addr,
		.id = be16(p + 4),
		.protocol = p[9],
	};

	if (!f.more && !f.offset)
		return false;
	if (header + f.offset + f.len > IP_PACKET_MAX)
		walk_report(w, FRAME_IPV4_FRAGMENT_PACKET_TOO_LARGE);
	if (fragments_add(w->fragments, &key, &f, w->now_ns))
		walk_report(w, FRAME_IPV4_FRAGMENT_OVERLAP);
	w->segment = false;
	return true;
}

static void payload_read(struct walk *w, uint8_t protocol, struct rest r)
{
	w->segment = w->segment && (protocol == PROTOCOL_TCP || walk_segment_inside(w, protocol, r));
	switch (protocol) {
	case PROTOCOL_TCP:
		walk_tcp(w, r, false);
		return;
	case PROTOCOL_ICMPV6:
		walk_report(w, FRAME_IPV4_ICMPV6);
		return;
	case PROTOCOL_IPV4:
		if (!walk_enter(w))
			return;
		if (r.len < IPV4_HEADER_MIN)
			walk_report(w, FRAME_IPV4_PACKET_TOO_SMALL);
		else if (r.have && r.ptr[0] >> 4 != 4)
			walk_report(w, FRAME_IPV4_WRONG_IP_VERSION);
		else
			walk_ipv4(w, r);
		return;
	case PROTOCOL_IPV6:
		if (!walk_enter(w))
			return;
		if (r.len < IPV6_HEADER)
			walk_report(w, FRAME_IPV6_PACKET_TOO_SMALL);
		else if (r.have && r.ptr[0] >> 4 != 6)
			walk_report(w, FRAME_IPV6_WRONG_IP_VERSION);
		else
			walk_ipv6(w, r);
		return;
	default:
		if (!protocol_is_assigned(protocol))
			walk_report(w, FRAME_IPV4_UNKNOWN_PROTOCOL);
		walk_tunnel(w, protocol, r);
	}
}

void walk_ipv4(struct walk *w, struct rest r)
{
	size_t header, total;

	if (r.have < IPV4_HEADER_MIN)
		return;
	w->ends.source = (struct endpoint){.addr = addr_from_bytes(AF_INET, r.ptr + 12)};
	w->ends.destination = (struct endpoint){.addr = addr_from_bytes(AF_INET, r.ptr + 16)};
	header = (size_t)(r.ptr[0] & 15) * 4;
	total = be16(r.ptr + 2);
	if (!total &&
	    r.len > IP_PACKET_MAX) /* put together by the network card or the kernel, beyond 64 KiB */
		total = r.len;
	if (header < IPV4_HEADER_MIN) {
		walk_report(w, FRAME_IPV4_HEADER_LENGTH_TOO_SMALL);
		return;
	}
	if (total < header) {
		walk_report(w, FRAME_IPV4_TOTAL_LENGTH_SMALLER_THAN_HEADER_LENGTH);
		return;
	}
	if (total > r.len) {
		walk_report(w, FRAME_IPV4_TRUNCATED_PACKET);
		return;
	}
	if (r.have < header)
		return;
	options_check(w, r.ptr + IPV4_HEADER_MIN, header - IPV4_HEADER_MIN);
	struct rest payload = rest_skip(rest_cut(r, total), header);
	unsigned offset = be16(r.ptr + 6) & FRAGMENT_OFFSET;
	if (!fragment_check(w, r.ptr, header, payload))
		payload_read(w, r.ptr[9], payload);
	else if (!offset && r.ptr[9] == PROTOCOL_TCP)
		walk_tcp(w, payload, true);
}
