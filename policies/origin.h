/* SPDX-License-Identifier: Apache-2.0 */
/*
 * origin.h: who a request really comes from, where its peer is a trusted proxy: what the PROXY header in
 * front of the connection says, then what the forwarding headers of the request say, each believed only as
 * far as trusted proxies wrote it. docs/proxies.md has the rules for people. In short:
 *
 *     start        the peer, which is trusted (whoever calls has asked)
 *     PROXY        its source address takes the peer's place; if that is no trusted proxy it is the client
 *     headers      the first of proxies.headers that the request carries: its lines joined in their order,
 *                  read from the right; each hop that is a trusted proxy is stepped over, the first that is
 *                  none is the client. Only trusted proxies wrote what stands right of it.
 *     no answer    a hop that cannot be read, or hides its address, ends the walk: the client is the last
 *                  hop before it, and the flags say why
 *
 * X-Forwarded-For is a list of addresses, Forwarded is RFC 7239, every other header holds one address.
 */
#ifndef PICKET_ORIGIN_H
#define PICKET_ORIGIN_H

#include "lib/config.h"
#include "lib/event.h"
#include "lib/proxy_protocol.h"

/* A proxy adds one hop; who needs more than these has other troubles. Beyond: CLIENT_FLAG_TOO_MANY_HOPS. */
#define ORIGIN_HOPS_MAX 32

struct origin;

struct origin_client {
	struct endpoint endpoint; /* port 0: not said */
	enum client_source source;
	uint16_t flags; /* enum client_flag */
};

/* Is the address a trusted proxy? */
typedef bool (*origin_trusts)(void *arg, const struct addr *a);

/* Of config: proxies.headers. */
int origin_new(const struct config *config, struct origin **ret);
void origin_free(struct origin *o);
/*
 * peer is trusted. proxy: the PROXY header of the connection, NULL if there was none. uncertain: the request
 * may not be what the proxy sent as one (a body's content, say): its headers are not believed.
 */
void origin_find(const struct origin *o, const struct http_request *request, const struct endpoint *peer,
		 const struct proxy_header *proxy, bool uncertain, origin_trusts trusts, void *arg,
		 struct origin_client *ret);
/* Does the request say that it came through a proxy? Whoever its peer is. */
bool origin_claimed(const struct http_request *request);

/* --- for tests and fuzzers --- */

/*
 * The right-most element of a comma-separated list, which is taken off *list. False: none is left. quoted:
 * commas inside of quoted strings do not count, as a reader from the right sees them: what stands left of a
 * well-formed element cannot change where it begins.
 */
bool origin_hop_last(struct span *list, bool quoted, struct span *ret);

enum { ORIGIN_E_UNREADABLE = 1, ORIGIN_E_HIDDEN = 2 };
/*
 * "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80", in quotes or not. ORIGIN_E_HIDDEN:
 * "unknown", or an obfuscated name ("_x"); ORIGIN_E_UNREADABLE: anything else.
 */
int origin_node_parse(struct span text, struct endpoint *ret);
/* The node of one element of Forwarded: `for=192.0.2.1;proto=https`. Same codes; without for= it is hidden.
 */
int origin_forwarded_parse(struct span element, struct endpoint *ret);

#endif
