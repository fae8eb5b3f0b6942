/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxies.h: what each peer is: trusted (a configured proxy or balancer: never blocked in the kernel, its
 * forwarding headers are believed), direct (a client, whatever headers it sends), or not classified. A peer
 * that is not configured and whose requests carry X-Forwarded-For, Forwarded, Via or a PROXY header is an
 * unclassified proxy: automatic verdicts never drop it. Thread safe: capture notes, judge and control ask.
 * The table of seen peers is bounded; when it is full the peer idle longest makes room, but one that was seen
 * forwarding only for another such.
 */
#ifndef PICKET_PROXIES_H
#define PICKET_PROXIES_H

#include "lib/config.h"
#include "lib/event.h"

enum proxy_class { PROXY_CLASS_CLIENT, PROXY_CLASS_TRUSTED, PROXY_CLASS_DIRECT, PROXY_CLASS_UNCLASSIFIED };
const char *proxy_class_name(enum proxy_class c); /* "client", "trusted", "direct", "unclassified" */

struct proxies;

struct proxy_peer {
	struct addr addr;
	uint8_t bits; /* of a range that was said at run time and sent nothing yet; else all */
	enum proxy_class class;
	enum client_source clients_by; /* trusted: how its clients are found; CLIENT_BY_PEER: none was yet */
	uint64_t requests, forwarded;  /* of these, with a forwarding header */
	uint64_t proxy_headers;        /* connections that began with a PROXY header, believed or not */
	uint64_t last_ns;              /* 0: it sent nothing yet */
};

#define PROXIES_PEERS_MAX 65536 /* seen peers that are remembered */
#define PROXIES_RULES_MAX 1024  /* trust and direct said at run time */

enum { PROXIES_E_TOO_WIDE = 1, PROXIES_E_FULL = 2 };

int proxies_new(const struct config *config, struct proxies **ret);
void proxies_free(struct proxies *p);
/* A request of that peer. Returns its class, this request counted. */
enum proxy_class proxies_note(struct proxies *p, const struct addr *peer, bool forwarded, uint64_t now_ns);
/* A connection of that peer began with a PROXY header. Returns its class. */
enum proxy_class proxies_note_header(struct proxies *p, const struct addr *peer, uint64_t now_ns);
/* Did one ever? Nothing is known of a peer that made room. */
bool proxies_sends_headers(struct proxies *p, const struct addr *peer);
/* How a client behind that peer was found. */
void proxies_note_source(struct proxies *p, const struct addr *peer, enum client_source source);
/* The most specific rule decides; of two alike what was said at run time. proxies.default: direct makes
 * DIRECT of what would be UNCLASSIFIED. */
enum proxy_class proxies_class(struct proxies *p, const struct addr *peer);
/* Is any address inside the prefix trusted or unclassified? Returns the worst class found: trusted, then
 * unclassified, then direct. */
enum proxy_class proxies_class_prefix(struct proxies *p, const struct prefix *target);
/* The same, and who it is: *ret_who is the peer or the rule's range that gave the answer, or the target
 * itself. */
enum proxy_class proxies_worst(struct proxies *p, const struct prefix *target, struct prefix *ret_who);
/*
 * At run time: trust or direct, for one address or prefix; who calls it keeps it over a restart.
 * PROXY_CLASS_CLIENT takes back what was said of exactly this prefix. PROXIES_E_TOO_WIDE: shorter than
 * limits.shortest_prefix_*, which only the configuration may say (proxies.trusted, proxies.direct,
 * proxies.default). PROXIES_E_FULL: PROXIES_RULES_MAX rules.
 */
int proxies_set(struct proxies *p, const struct prefix *who, enum proxy_class class);
/*
 * Copies of the classified and forwarding peers, most requests first; behind them what was said at run time
 * of addresses and ranges of which no request came. Free with free().
 */
int proxies_list(struct proxies *p, struct proxy_peer **ret, size_t *ret_count, uint64_t *ret_requests_total);
uint64_t proxies_forgotten(struct proxies *p); /* peers that made room, or found none */

#endif
