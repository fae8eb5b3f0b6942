// SPDX-License-Identifier: Apache-2.0
/*
 * frames_tunnel.c: GRE (RFC 2784, 2890) and VXLAN (RFC 7348), as far as frames_tunnels says. What is odd
 * about these headers themselves has no name: the packet program counts it.
 */
#include "lib/util.h"
#include "sensor/frames_internal.h"

#define GRE_HEADER      4
#define GRE_CHECKSUM    0x8000
#define GRE_ROUTING     0x4000
#define GRE_KEY         0x2000
#define GRE_SEQUENCE    0x1000
#define GRE_VERSION     0x0007
#define GRE_FIELD       4
#define GRE_IS_ETHERNET 0x6558

#define UDP_HEADER   8
#define VXLAN_HEADER 8
#define VXLAN_VNI    0x08 /* the header has a network identifier */

static bool is_vxlan(const struct walk *w, struct rest r)
{
	return w->tunnels.vxlan_port && r.have >= UDP_HEADER && be16(r.ptr + 2) == w->tunnels.vxlan_port;
}

bool walk_segment_inside(struct walk *w, uint8_t protocol, struct rest r)
{
	bool opens = protocol == PROTOCOL_IPV4 || protocol == PROTOCOL_IPV6 ? w->tunnels.ipip
		     : protocol == PROTOCOL_GRE                             ? w->tunnels.gre
									    : false;

	opens |= protocol == PROTOCOL_UDP && is_vxlan(w, r);
	return opens && w->opened++ == 0;
}

static void gre_read(struct walk *w, struct rest r)
{
	unsigned flags, type;
	size_t header = GRE_HEADER;

	if (r.have < GRE_HEADER)
		return;
	flags = be16(r.ptr);
	type = be16(r.ptr + 2);
	if (flags & (GRE_ROUTING | GRE_VERSION))
		return;
	for (unsigned field = GRE_CHECKSUM; field >= GRE_SEQUENCE; field >>= 1)
		header += flags & field ? GRE_FIELD : 0;
	if (r.len < header)
		return;
	r = rest_skip(r, header);
	if (type == GRE_IS_ETHERNET)
		walk_ethernet(w, r);
	else
		walk_ethertype(w, type, r);
}

static void vxlan_read(struct walk *w, struct rest r)
{
	size_t len;

	if (r.have < UDP_HEADER + VXLAN_HEADER || !(r.ptr[UDP_HEADER] & VXLAN_VNI))
		return;
	len = be16(r.ptr + 4);
	if (len && len < UDP_HEADER + VXLAN_HEADER)
		return;
	walk_ethernet(w, rest_skip(len ? rest_cut(r, len) : r, UDP_HEADER + VXLAN_HEADER));
}

void walk_tunnel(struct walk *w, uint8_t protocol, struct rest r)
{
	if (protocol == PROTOCOL_GRE && w->tunnels.gre)
		gre_read(w, r);
	else if (protocol == PROTOCOL_UDP && is_vxlan(w, r))
		vxlan_read(w, r);
}
