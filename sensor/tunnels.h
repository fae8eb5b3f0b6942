/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tunnels.h: what the configuration says of tunnels, given to the packet program: constants before it is
 * loaded (capture.decapsulate, capture.vxlan_port), entries of its maps behind that (capture.tunnel_peers).
 */
#ifndef PICKET_TUNNELS_H
#define PICKET_TUNNELS_H

#include <bpf/libbpf.h>
#include "bpf/abi.h"
#include "lib/config.h"

struct pk_tunnels tunnels_of(const struct config *config);
/* Before bpf_object__load. An object without these constants is left alone. 0 or -errno. */
int tunnels_set(struct bpf_object *o, const struct pk_tunnels *tunnels);
/* peer4, peer6: descriptors of pk_peer4 and pk_peer6. 0 or -errno. */
int tunnels_peers_put(int peer4, int peer6, const struct config_prefixes *peers);
/* Does the packet program have to be loaded anew for what differs? */
bool tunnels_differ(const struct config *a, const struct config *b);

#endif
