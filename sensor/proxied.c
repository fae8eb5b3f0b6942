// SPDX-License-Identifier: Apache-2.0
#include "sensor/proxied.h"
#include "lib/util.h"

static bool trusts(void *arg, const struct addr *a)
{
	return proxies_class(arg, a) == PROXY_CLASS_TRUSTED;
}

static struct proxied *proxied_of(struct connection *conn)
{
	if (!conn->proxied)
		conn->proxied = calloc(1, sizeof *conn->proxied);
	return conn->proxied;
}

/* The client's packets arrive at this host if its proxy runs here. */
static bool proxy_is_here(const struct flow *f)
{
	return addr_is_loopback(&f->peer.addr) || addr_equal(&f->peer.addr, &f->local.addr);
}

static void join(const struct proxied_parts *p, const struct connection *conn, struct proxied *x)
{
	const struct proxy_header *h = &x->header;
	struct connection *own;

	if (h->source.addr.family == ADDR_NONE || !h->source.port)
		return;
	own = connections_find_pair(p->connections, &h->source, &h->destination, conn->flow.netns);
	if (own && own != conn)
		x->client_connection_id = own->flow.connection_id;
}

bool proxied_header(const struct proxied_parts *p, struct connection *conn, const struct proxy_header *h,
		    uint64_t now_ns)
{
	struct proxied *x = proxied_of(conn);
	bool trusted = proxies_note_header(p->proxies, &conn->flow.peer.addr, now_ns) == PROXY_CLASS_TRUSTED;

	if (!x) {
		conn->proxied_lost = true;
		return trusted;
	}
	x->header = *h;
	/* Now, as long as both are alive; who is trusted later is asked at each request. */
	join(p, conn, x);
	return trusted;
}

static const struct proxy_header *header_of(const struct connection *conn)
{
	/* There was one that could not be kept: as good as one that cannot be read. */
	static const struct proxy_header lost = {.version = 2, .malformed = true};

	if (conn->proxied_lost)
		return &lost;
	return conn->proxied && conn->proxied->header.version ? &conn->proxied->header : NULL;
}

static void by_peer(const struct connection *conn, uint16_t flags, struct proxied_client *ret)
{
	*ret = (struct proxied_client){
		.who = {.endpoint = conn->flow.peer, .source = CLIENT_BY_PEER, .flags = flags}};
}

/*
 * May it be something else than a request that the proxy sent? Found behind a gap, or inside of a body; or
 * the framing of an earlier one was doubtful, and what stands behind it may be that one's body; or the
 * connection's beginning, where a PROXY header may have stood, was not seen.
 */
static bool uncertain(const struct proxied_parts *p, const struct connection *conn,
		      const struct http_request *request)
{
	return request->deviations & (HTTP_DEV_AFTER_GAP | HTTP_DEV_IN_BODY) || conn->stream.doubt ||
	       (conn->midway && proxies_sends_headers(p->proxies, &conn->flow.peer.addr));
}

/* It stands inside of a body: whoever sent that sent it. */
static void by_earlier(const struct connection *conn, struct proxied_client *ret)
{
	const struct proxied *x = conn->proxied;

	if (!x || x->last.endpoint.addr.family == ADDR_NONE || x->last.source == CLIENT_BY_PEER)
		return;
	ret->who.endpoint = x->last.endpoint;
	ret->who.source = CLIENT_BY_EARLIER;
	ret->behind = x->last_behind;
}

static void by_proxy(const struct proxied_parts *p, struct connection *conn,
		     const struct http_request *request, struct proxied_client *ret)
{
	const struct proxy_header *h = header_of(conn);
	struct proxied *x = conn->proxied;

	origin_find(p->origin, request, &conn->flow.peer, h, uncertain(p, conn, request), trusts, p->proxies,
		    &ret->who);
	if (ret->who.source == CLIENT_BY_PROXY_PROTOCOL && x)
		ret->connection_id = x->client_connection_id;
	ret->behind = ret->who.source != CLIENT_BY_PEER && !ret->connection_id && !proxy_is_here(&conn->flow);
	if (request->deviations & HTTP_DEV_IN_BODY && ret->who.source == CLIENT_BY_PEER)
		by_earlier(conn, ret);
}

static void keep(const struct proxied_parts *p, struct connection *conn, const struct proxied_client *client,
		 uint64_t now_ns)
{
	const struct origin_client *who = &client->who;
	struct proxied *x = conn->proxied;

	if (client->behind && p->behind)
		clients_note(p->behind, &who->endpoint.addr, now_ns);
	if (!x && who->source != CLIENT_BY_PEER)
		x = proxied_of(conn);
	if (!x)
		return;
	if (who->source == CLIENT_BY_EARLIER)
		return;
	x->last = *who;
	x->last_behind = client->behind;
	if (who->source != CLIENT_BY_PEER && who->source != x->told) {
		proxies_note_source(p->proxies, &conn->flow.peer.addr, who->source);
		x->told = who->source;
	}
}

void proxied_request(const struct proxied_parts *p, struct connection *conn,
		     const struct http_request *request, bool forwarded, uint64_t now_ns,
		     struct proxied_client *ret)
{
	enum proxy_class class = proxies_note(p->proxies, &conn->flow.peer.addr, forwarded, now_ns);
	struct proxied_client client;

	by_peer(conn, 0, &client);
	if (class == PROXY_CLASS_TRUSTED && p->origin)
		by_proxy(p, conn, request, &client);
	else if (header_of(conn))
		client.who.flags = CLIENT_FLAG_PROXY_HEADER_REFUSED;
	keep(p, conn, &client, now_ns);
	*ret = client;
}

void proxied_last(const struct connection *conn, struct endpoint *ret_client, uint8_t *ret_source)
{
	const struct proxied *x = conn->proxied;
	bool known = x && x->last.endpoint.addr.family != ADDR_NONE;

	*ret_client = known ? x->last.endpoint : conn->flow.peer;
	*ret_source = (uint8_t)(known ? x->last.source : CLIENT_BY_PEER);
}
