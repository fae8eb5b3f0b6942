// SPDX-License-Identifier: Apache-2.0
/*
 * frames.c: the link layer, and what all layers share. IPv4 is frames_ipv4.c, IPv6 frames_ipv6.c, what opens
 * tunnels frames_tunnel.c.
 */
#include "sensor/frames.h"
#include <errno.h>
#include <sys/socket.h>
#include "lib/util.h"
#include "sensor/frames_internal.h"
#include "sensor/tcp_options.h"

_Static_assert(FRAME_ANOMALY_MAX <= 64, "they are bits of a word");

static const char *const names[FRAME_ANOMALY_MAX] = {
	[FRAME_ETHERNET_PACKET_TOO_SMALL] = "ethernet_packet_too_small",
	[FRAME_ETHERNET_UNKNOWN_ETHERTYPE] = "ethernet_unknown_ethertype",
	[FRAME_SLL_PACKET_TOO_SMALL] = "sll_packet_too_small",
	[FRAME_IPRAW_INVALID_IP_VERSION] = "ipraw_invalid_ip_version",
	[FRAME_VLAN_HEADER_TOO_SMALL] = "vlan_header_too_small",
	[FRAME_VLAN_TOO_MANY_LAYERS] = "vlan_too_many_layers",
	[FRAME_VLAN_UNKNOWN_TYPE] = "vlan_unknown_type",
	[FRAME_TOO_MANY_LAYERS] = "too_many_layers",
	[FRAME_IPV4_PACKET_TOO_SMALL] = "ipv4_packet_too_small",
	[FRAME_IPV4_WRONG_IP_VERSION] = "ipv4_wrong_ip_version",
	[FRAME_IPV4_HEADER_LENGTH_TOO_SMALL] = "ipv4_header_length_too_small",
	[FRAME_IPV4_TOTAL_LENGTH_SMALLER_THAN_HEADER_LENGTH] = "ipv4_total_length_smaller_than_header_length",
	[FRAME_IPV4_TRUNCATED_PACKET] = "ipv4_truncated_packet",
	[FRAME_IPV4_OPTION_INVALID] = "ipv4_option_invalid",
	[FRAME_IPV4_OPTION_INVALID_LENGTH] = "ipv4_option_invalid_length",
	[FRAME_IPV4_OPTION_MALFORMED] = "ipv4_option_malformed",
	[FRAME_IPV4_OPTION_PADDING_REQUIRED] = "ipv4_option_padding_required",
	[FRAME_IPV4_OPTION_END_OF_LIST_REQUIRED] = "ipv4_option_end_of_list_required",
	[FRAME_IPV4_OPTION_DUPLICATE] = "ipv4_option_duplicate",
	[FRAME_IPV4_OPTION_UNKNOWN] = "ipv4_option_unknown",
	[FRAME_IPV4_ICMPV6] = "ipv4_icmpv6",
	[FRAME_IPV4_UNKNOWN_PROTOCOL] = "ipv4_unknown_protocol",
	[FRAME_IPV4_FRAGMENT_OVERLAP] = "ipv4_fragment_overlap",
	[FRAME_IPV4_FRAGMENT_PACKET_TOO_LARGE] = "ipv4_fragment_packet_too_large",
	[FRAME_IPV6_PACKET_TOO_SMALL] = "ipv6_packet_too_small",
	[FRAME_IPV6_WRONG_IP_VERSION] = "ipv6_wrong_ip_version",
	[FRAME_IPV6_TRUNCATED_PACKET] = "ipv6_truncated_packet",
	[FRAME_IPV6_TRUNCATED_EXTENSION_HEADER] = "ipv6_truncated_extension_header",
	[FRAME_IPV6_DUPLICATE_FRAGMENT_HEADER] = "ipv6_extension_header_duplicate_fragment_header",
	[FRAME_IPV6_USELESS_FRAGMENT_HEADER] = "ipv6_extension_header_useless_fragment_header",
	[FRAME_IPV6_FRAGMENT_HEADER_NON_ZERO_RESERVED_FIELD] = "ipv6_fragment_header_non_zero_reserved_field",
	[FRAME_IPV6_DUPLICATE_ROUTING_HEADER] = "ipv6_extension_header_duplicate_routing_header",
	[FRAME_IPV6_DUPLICATE_HOP_HEADER] = "ipv6_extension_header_duplicate_hop_header",
	[FRAME_IPV6_DUPLICATE_DESTINATION_HEADER] = "ipv6_extension_header_duplicate_destination_header",
	[FRAME_IPV6_DUPLICATE_AUTH_HEADER] = "ipv6_extension_header_duplicate_auth_header",
	[FRAME_IPV6_AUTH_HEADER_RESERVED_NOT_NULL] = "ipv6_extension_header_auth_header_reserved_not_null",
	[FRAME_IPV6_ROUTING_HEADER_TYPE_0] = "ipv6_routing_header_type_0",
	[FRAME_IPV6_INVALID_OPTION_LENGTH] = "ipv6_extension_header_invalid_option_length",
	[FRAME_IPV6_ZERO_LENGTH_PAD_N] = "ipv6_zero_length_pad_n",
	[FRAME_IPV6_HOP_OPTIONS_UNKNOWN_OPTION] = "ipv6_hop_options_unknown_option",
	[FRAME_IPV6_HOP_OPTIONS_ONLY_PADDING] = "ipv6_hop_options_only_padding",
	[FRAME_IPV6_DESTINATION_OPTIONS_UNKNOWN_OPTION] = "ipv6_destination_options_unknown_option",
	[FRAME_IPV6_DESTINATION_OPTIONS_ONLY_PADDING] = "ipv6_destination_options_only_padding",
	[FRAME_IPV6_DATA_AFTER_NONE_HEADER] = "ipv6_data_after_none_header",
	[FRAME_IPV6_UNKNOWN_NEXT_HEADER] = "ipv6_unknown_next_header",
	[FRAME_IPV6_ICMPV4] = "ipv6_icmpv4",
	[FRAME_IPV6_FRAGMENT_PACKET_TOO_LARGE] = "ipv6_fragment_packet_too_large",
	[FRAME_IPV6_FRAGMENT_INVALID_LENGTH] = "ipv6_fragment_invalid_length",
	[FRAME_IPV6_FRAGMENT_OVERLAP] = "ipv6_fragment_overlap",
	[FRAME_IPV6_IPV4_IN_IPV6_TOO_SMALL] = "ipv6_ipv4_in_ipv6_too_small",
	[FRAME_IPV6_IPV4_IN_IPV6_WRONG_VERSION] = "ipv6_ipv4_in_ipv6_wrong_version",
	[FRAME_IPV6_IPV6_IN_IPV6_TOO_SMALL] = "ipv6_ipv6_in_ipv6_too_small",
	[FRAME_IPV6_IPV6_IN_IPV6_WRONG_VERSION] = "ipv6_ipv6_in_ipv6_wrong_version",
	[FRAME_TCP_PACKET_TOO_SMALL] = "tcp_packet_too_small",
	[FRAME_TCP_HEADER_LENGTH_TOO_SMALL] = "tcp_header_length_too_small",
	[FRAME_TCP_INVALID_OPTION_LENGTH] = "tcp_invalid_option_length",
	[FRAME_TCP_OPTION_INVALID_LENGTH] = "tcp_option_invalid_length",
	[FRAME_TCP_OPTION_DUPLICATE] = "tcp_option_duplicate",
};

const char *frame_anomaly_name(enum frame_anomaly anomaly)
{
	return names[anomaly];
}

struct frames {
	struct fragments *fragments;
	struct frame_tunnels tunnels;
};

int frames_new(unsigned datagrams_max, struct frames **ret)
{
	struct frames *f = calloc(1, sizeof *f);
	int r;

	if (!f)
		return -ENOMEM;
	r = fragments_new(datagrams_max, &f->fragments);
	if (r) {
		free(f);
		return r;
	}
	*ret = f;
	return 0;
}

void frames_free(struct frames *f)
{
	if (!f)
		return;
	fragments_free(f->fragments);
	free(f);
}

void frames_tunnels(struct frames *f, const struct frame_tunnels *tunnels)
{
	f->tunnels = *tunnels;
}

struct fragments_counts frames_counts(const struct frames *f)
{
	return fragments_counts(f->fragments);
}

void walk_report(struct walk *w, enum frame_anomaly anomaly)
{
	if (w->reported >> anomaly & 1)
		return;
	w->reported |= 1ull << anomaly;
	w->report(w->arg, anomaly, &w->ends);
}

bool walk_enter(struct walk *w)
{
	if (++w->layers <= FRAMES_LAYERS_MAX)
		return true;
	walk_report(w, FRAME_TOO_MANY_LAYERS);
	return false;
}

bool protocol_is_assigned(uint8_t protocol)
{
	/* 146-252 are unassigned, 253 and 254 for experiments (RFC 3692), 255 is reserved; the IPv6 extension
	 * headers mean something only where the caller has taken them apart. */
	switch (protocol) {
	case PROTOCOL_HOP:
	case PROTOCOL_ROUTING:
	case PROTOCOL_FRAGMENT:
	case PROTOCOL_NONE:
	case PROTOCOL_DESTINATION:
		return false;
	default:
		return protocol < 146;
	}
}

/* --- TCP --- */

static void tcp_options_check(struct walk *w, struct rest r, size_t header)
{
	struct tcp_options o;
	size_t have = MIN(r.have, header);

	tcp_options_read((struct span){(const char *)r.ptr + TCP_HEADER_MIN, have - TCP_HEADER_MIN},
			 have == header, &o);
	if (o.faults & TCP_OPTIONS_INVALID_LENGTH)
		walk_report(w, FRAME_TCP_OPTION_INVALID_LENGTH);
	if (o.faults & TCP_OPTIONS_DUPLICATE)
		walk_report(w, FRAME_TCP_OPTION_DUPLICATE);
}

void walk_tcp(struct walk *w, struct rest r, bool fragment)
{
	size_t header;

	if (r.have >= 4) {
		w->ends.source.port = (uint16_t)be16(r.ptr);
		w->ends.destination.port = (uint16_t)be16(r.ptr + 2);
	}
	if (r.len < TCP_HEADER_MIN) {
		walk_report(w, FRAME_TCP_PACKET_TOO_SMALL);
		return;
	}
	if (r.have < TCP_HEADER_MIN)
		return;
	header = (size_t)(r.ptr[12] >> 4) * 4;
	/* The two ways in which a data offset cannot be true; for both, header and option space do not fit.
	 */
	if (header < TCP_HEADER_MIN || header > r.len) {
		walk_report(w, FRAME_TCP_HEADER_LENGTH_TOO_SMALL);
		walk_report(w, FRAME_TCP_INVALID_OPTION_LENGTH);
	} else if (!w->segment || fragment) {
		tcp_options_check(w, r, header);
	}
}

/* --- link layer --- */

#define ETHERNET_HEADER   14
#define SLL_HEADER        16
#define TAG               4
#define ETHERTYPE_MIN     0x0600 /* below: a length (IEEE 802.3) */
#define ETHERTYPE_IPV4    0x0800
#define ETHERTYPE_IPV6    0x86dd
#define ETHERTYPE_VLAN    0x8100
#define ETHERTYPE_QINQ    0x88a8
#define ETHERTYPE_QINQ_91 0x9100 /* before 802.1ad was written */

/* Types from IANA's and IEEE's lists that are seen on Ethernets, in rising order. */
static const uint16_t ethertypes[] = {
	0x0800,                         /* IPv4 */
	0x0806,                         /* ARP */
	0x0842,                         /* Wake-on-LAN */
	0x22ea,                         /* SRP (802.1Q) */
	0x22eb, 0x22f0,                 /* AVTP */
	0x22f3,                         /* TRILL */
	0x22f4,                         /* L2-IS-IS */
	0x6002, 0x6003, 0x6004,         /* DEC */
	0x6558,                         /* transparent bridging */
	0x8035,                         /* RARP */
	0x809b, 0x80f3,                 /* AppleTalk, its ARP */
	0x8100,                         /* VLAN */
	0x8102, 0x8137, 0x8138,         /* SLPP, IPX */
	0x8204,                         /* QNX */
	0x86dd,                         /* IPv6 */
	0x876b, 0x8808, 0x8809,         /* VJ, flow control, slow protocols */
	0x880b, 0x8819, 0x8847, 0x8848, /* PPP, CobraNet, MPLS */
	0x8863, 0x8864,                 /* PPPoE */
	0x8870, 0x887b, 0x888e, 0x8892, 0x8899, 0x889a, 0x88a2, 0x88a4, 0x88a8, 0x88ab,
	0x88b5, 0x88b6, 0x88b7, /* IEEE local experiments, OUI extended */
	0x88b8, 0x88b9, 0x88ba, 0x88bb, 0x88be, 0x88bf, 0x88c7, 0x88ca, 0x88cc, 0x88cd,
	0x88d9, 0x88dc, 0x88e1, 0x88e3, 0x88e5, 0x88e6, 0x88e7, 0x88ee, 0x88f5, 0x88f6,
	0x88f7, 0x88f8, 0x88fb, 0x8902, 0x8906, 0x890d, 0x8914, 0x8915, 0x891d, 0x8926,
	0x892f, 0x893a, 0x893f, 0x8940, 0x8946, 0x894f, 0x9000, 0x9100, 0x9200, 0xf1c1,
};

static bool ethertype_is_known(unsigned type)
{
	for (size_t i = 0; i < ARRAY_SIZE(ethertypes); i++)
		if (ethertypes[i] == type)
			return true;
	return false;
}

static bool ethertype_is_tag(unsigned type)
{
	return type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ || type == ETHERTYPE_QINQ_91;
}

static void network_ipv4(struct walk *w, struct rest r)
{
	if (r.len < IPV4_HEADER_MIN)
		walk_report(w, FRAME_IPV4_PACKET_TOO_SMALL);
	else if (r.have && r.ptr[0] >> 4 != 4)
		walk_report(w, FRAME_IPV4_WRONG_IP_VERSION);
	else
		walk_ipv4(w, r);
}

static void network_ipv6(struct walk *w, struct rest r)
{
	if (r.len < IPV6_HEADER)
		walk_report(w, FRAME_IPV6_PACKET_TOO_SMALL);
	else if (r.have && r.ptr[0] >> 4 != 6)
		walk_report(w, FRAME_IPV6_WRONG_IP_VERSION);
	else
		walk_ipv6(w, r);
}

/* Tags included. */
void walk_ethertype(struct walk *w, unsigned type, struct rest r)
{
	unsigned tags = 0;

	for (; ethertype_is_tag(type); r = rest_skip(r, TAG)) {
		if (!walk_enter(w))
			return;
		if (++tags > FRAMES_TAGS_MAX) {
			walk_report(w, FRAME_VLAN_TOO_MANY_LAYERS);
			return;
		}
		if (r.len < TAG) {
			walk_report(w, FRAME_VLAN_HEADER_TOO_SMALL);
			return;
		}
		if (r.have < TAG)
			return;
		type = be16(r.ptr + 2);
	}
	if (!walk_enter(w) || type < ETHERTYPE_MIN)
		return;
	if (type == ETHERTYPE_IPV4)
		network_ipv4(w, r);
	else if (type == ETHERTYPE_IPV6)
		network_ipv6(w, r);
	else if (!ethertype_is_known(type))
		walk_report(w, tags ? FRAME_VLAN_UNKNOWN_TYPE : FRAME_ETHERNET_UNKNOWN_ETHERTYPE);
}

/* A header that ends with the type of what follows it. */
static void link_read(struct walk *w, struct rest r, size_t header, enum frame_anomaly too_small)
{
	if (!walk_enter(w))
		return;
	if (r.len < header)
		walk_report(w, too_small);
	else if (r.have >= header)
		walk_ethertype(w, be16(r.ptr + header - 2), rest_skip(r, header));
}

void walk_ethernet(struct walk *w, struct rest r)
{
	link_read(w, r, ETHERNET_HEADER, FRAME_ETHERNET_PACKET_TOO_SMALL);
}

/* No link header: the version says what it is. */
static void ip_read(struct walk *w, struct rest r)
{
	if (!walk_enter(w))
		return;
	if (r.have && r.ptr[0] >> 4 == 4)
		network_ipv4(w, r);
	else if (r.have && r.ptr[0] >> 4 == 6)
		network_ipv6(w, r);
	else if (r.have || !r.len)
		walk_report(w, FRAME_IPRAW_INVALID_IP_VERSION);
}

unsigned frames_read(struct frames *f, const struct frame_view *view, uint64_t now_ns, frames_report report,
		     void *arg)
{
	struct walk w = {
		.fragments = f->fragments,
		.report = report,
		.arg = arg,
		.now_ns = now_ns,
		.tunnels = f->tunnels,
		.segment = view->segment,
	};
	struct rest r = {(const uint8_t *)view->bytes.ptr, view->bytes.len, MAX(view->bytes.len, view->len)};

	switch (view->link) {
	case FRAME_ETHERNET:
		walk_ethernet(&w, r);
		break;
	case FRAME_SLL:
		link_read(&w, r, SLL_HEADER, FRAME_SLL_PACKET_TOO_SMALL);
		break;
	case FRAME_IP:
		ip_read(&w, r);
		break;
	}
	return (unsigned)__builtin_popcountll(w.reported);
}
