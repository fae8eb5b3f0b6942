/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxies.h: what each peer is: trusted (a configured proxy or balancer: never blocked in the kernel, its forwarding
 * headers are believed), direct (a client, whatever headers it sends), or not classified. A peer that is not configured
 * and whose requests carry X-Forwarded-For, Forwarded, Via or a PROXY header is an unclassified proxy: automatic
 * verdicts never drop it. Thread safe: capture notes, judge and control ask. The table of seen peers is bounded; when it
 * is full the peer idle longest makes room, but one that was seen forwarding only for another such.
 */
#ifndef PICKET_PROXIES_H
#define PICKET_PROXIES_H

#include "lib/config.h"

enum proxy_class { PROXY_CLASS_CLIENT, PROXY_CLASS_TRUSTED, PROXY_CLASS_DIRECT, PROXY_CLASS_UNCLASSIFIED };
const char *proxy_class_name(enum proxy_class c); /* "client", "trusted", "direct", "unclassified" */

struct proxies;

struct proxy_peer {
	struct addr addr;
	enum proxy_class class;
	uint64_t requests, forwarded; /* of these, with a forwarding header */
	uint64_t last_ns;
};

int proxies_new(const struct config *config, struct proxies **ret);
void proxies_free(struct proxies *p);
void proxies_note(struct proxies *p, const struct addr *peer, bool forwarded, uint64_t now_ns);
enum proxy_class proxies_class(struct proxies *p, const struct addr *peer);
/* Is any address inside the prefix trusted or unclassified? Returns the worst class found. */
enum proxy_class proxies_class_prefix(struct proxies *p, const struct prefix *target);
/* At run time: trust or direct, for one address or prefix; not kept over a restart. */
int proxies_set(struct proxies *p, const struct prefix *who, enum proxy_class class);
/* Copies of the classified and forwarding peers. Free with free(). */
int proxies_list(struct proxies *p, struct proxy_peer **ret, size_t *ret_count, uint64_t *ret_requests_total);

#endif
