/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxied.h: who stands behind a connection. Notes each request's peer with policies/proxies.h, and where
 * that is a trusted proxy, lets policies/origin.h find the client; keeps what a connection's PROXY header
 * said, and the client of its latest request. Not thread safe: the capture thread's.
 *
 * The client's own connection is named only where it is certain: a believed PROXY header says the source and
 * the destination of a connection that is alive here. Headers of requests say no such pair, and a source port
 * alone may be that of another connection (a NAT uses one for several destinations).
 */
#ifndef PICKET_PROXIED_H
#define PICKET_PROXIED_H

#include "policies/origin.h"
#include "policies/proxies.h"
#include "sensor/clients.h"
#include "sensor/connections.h"

/* Of one connection: there is one once a proxy is behind it, or said to be. */
struct proxied {
	struct proxy_header header; /* version 0: there was none */
	bool header_lost;           /* memory was out */
	enum client_source told;    /* proxies.h knows that this is how clients are found */
	struct origin_client last;  /* of the latest request; family ADDR_NONE: none yet */
	bool last_behind;
	uint64_t client_connection_id; /* 0: not known */
};

struct proxied_parts {
	const struct origin *origin; /* NULL: nobody is believed */
	struct proxies *proxies;
	struct clients *behind; /* clients of which only a proxy's packets come here; NULL: not noted */
	const struct connections *connections;
};

struct proxied_client {
	struct origin_client who;
	bool behind;            /* only its proxy's packets come here */
	uint64_t connection_id; /* the client's own connection, 0: not known */
};

/* conn began with a PROXY header. False: its peer is not trusted, it is not believed. */
bool proxied_header(const struct proxied_parts *p, struct connection *conn, const struct proxy_header *h,
		    uint64_t now_ns);
/* forwarded: the request says that it came through a proxy. */
void proxied_request(const struct proxied_parts *p, struct connection *conn,
		     const struct http_request *request, bool forwarded, uint64_t now_ns,
		     struct proxied_client *ret);
/* Client and source of the latest request on conn. */
void proxied_last(const struct connection *conn, struct endpoint *ret_client, uint8_t *ret_source);

#endif
