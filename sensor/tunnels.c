// SPDX-License-Identifier: Apache-2.0
#include "sensor/tunnels.h"
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

struct pk_tunnels tunnels_of(const struct config *config)
{
	unsigned d = config->capture.decapsulate;

	if (!d)
		return (struct pk_tunnels){0};
	return (struct pk_tunnels){
		.kinds = (d & CAPTURE_IPIP ? PK_TUNNEL_IPIP : 0u) | (d & CAPTURE_GRE ? PK_TUNNEL_GRE : 0u) |
			 (d & CAPTURE_VXLAN ? PK_TUNNEL_VXLAN : 0u),
		.vxlan_port = (uint16_t)config->capture.vxlan_port,
		.peers = config->capture.tunnel_peers.count > 0,
	};
}

int tunnels_set(struct bpf_object *o, const struct pk_tunnels *tunnels)
{
	struct bpf_map *map = bpf_object__find_map_by_name(o, ".rodata.tunnels");

	return map ? bpf_map__set_initial_value(map, tunnels, sizeof *tunnels) : 0;
}

int tunnels_peers_put(int peer4, int peer6, const struct config_prefixes *peers)
{
	const __u32 value = 1;

	for (unsigned i = 0; i < peers->count; i++) {
		const struct prefix *p = &peers->items[i];
		struct pk_lpm4 key4 = {.bits = p->bits};
		struct pk_lpm6 key6 = {.bits = p->bits};
		bool v4 = p->addr.family == ADDR_IPV4;

		memcpy(key4.addr, p->addr.bytes, sizeof key4.addr);
		memcpy(key6.addr, p->addr.bytes, sizeof key6.addr);
		if (bpf_map_update_elem(v4 ? peer4 : peer6, v4 ? (void *)&key4 : (void *)&key6, &value,
					BPF_ANY))
			return -errno;
	}
	return 0;
}

bool tunnels_differ(const struct config *a, const struct config *b)
{
	const struct config_prefixes *p = &a->capture.tunnel_peers, *q = &b->capture.tunnel_peers;

	if (a->capture.decapsulate != b->capture.decapsulate ||
	    a->capture.vxlan_port != b->capture.vxlan_port || p->count != q->count)
		return true;
	for (unsigned i = 0; i < p->count; i++)
		if (!prefix_equal(&p->items[i], &q->items[i]))
			return true;
	return false;
}
