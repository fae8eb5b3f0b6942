// SPDX-License-Identifier: Apache-2.0
#include "sensor/capture_internal.h"

#define HISTORY_SHARE 4 /* of stream_bytes, one in so many is kept to compare what comes again */

/* Where packets come from a live link, a connection found in the middle is nothing special. */
static void on_exchange_anomaly(void *arg, const char *name)
{
	struct capture *c = arg;

	if (c->current && (c->ordinary || strcmp(name, EXCHANGE_UNMATCHED) != 0))
		capture_http_anomaly(c, c->current, span_from(name), SPAN(""));
}

static struct connection *packets_begin(struct capture *c, const struct pk_flow *flow, uint64_t time_ns,
					const uint32_t *isn)
{
	struct connection *conn = capture_begin(c, flow, time_ns, isn);

	if (conn)
		conn->packets = true;
	return conn;
}

static void on_packets_open(void *arg, const struct pk_flow *flow, const uint32_t *isn, bool handshake,
			    uint64_t time_ns)
{
	struct capture *c = arg;
	struct connection *conn = connections_find(c->connections, flow);
	struct addr peer = addr_from_bytes(flow->family, flow->peer_addr);

	COUNT(c, connections_opened, 1);
	if (handshake && c->parts.packet_watch) /* no part of a flood */
		packet_watch_handshake(c->parts.packet_watch, &peer, time_ns);
	if (conn)
		capture_finish(c, conn, time_ns);
	conn = packets_begin(c, flow, time_ns, isn);
	if (!conn)
		COUNT(c, connections_refused, 1);
	else if (handshake)
		capture_note_client(c, conn, time_ns);
}

static void on_packets_acknowledge(void *arg, const struct pk_flow *flow, uint64_t time_ns)
{
	struct capture *c = arg;
	struct addr peer = addr_from_bytes(flow->family, flow->peer_addr);

	if (c->parts.packet_watch)
		packet_watch_handshake(c->parts.packet_watch, &peer, time_ns);
}

static void on_client_bytes(struct capture *c, struct connection *conn, uint32_t seq, struct span bytes,
			    uint32_t len)
{
	struct before b = capture_before(&conn->stream);
	uint32_t skip_to;

	COUNT(c, bytes, bytes.len);
	c->share = capture_source_share(c, conn);
	stream_feed(&conn->stream, seq, bytes, len, &c->hooks, &skip_to);
	capture_account(c, conn, &b);
}

/* Without memory for it, its requests stay without answers. */
static void on_server_bytes(struct capture *c, struct connection *conn, uint32_t seq, struct span bytes,
			    uint32_t len)
{
	uint32_t missing = conn->server_started ? seq - conn->server_next : 0;

	conn->server_started = true;
	conn->server_next = seq + len;
	if (conn->tls)
		capture_tls_answer(c, conn, missing, bytes);
	if (!conn->exchange)
		conn->exchange = exchange_new(c->exchanges);
	if (conn->exchange)
		exchange_bytes(conn->exchange, missing, bytes, len - bytes.len, c->time_ns);
}

static void on_packets_bytes(void *arg, const struct pk_flow *flow, enum segments_side from, uint32_t seq,
			     struct span bytes, uint32_t len, uint64_t time_ns)
{
	struct capture *c = arg;
	struct connection *conn = connections_find(c->connections, flow);

	if (!conn) /* its place was needed by another one */
		conn = packets_begin(c, flow, time_ns, NULL);
	if (!conn) {
		struct addr peer = addr_from_bytes(flow->family, flow->peer_addr);
		COUNT(c, gap_bytes, len);
		capture_note_loss(c, &peer, len);
		return;
	}
	connections_touch(c->connections, conn, time_ns);
	c->current = conn;
	c->time_ns = time_ns;
	if (from == SEGMENTS_CLIENT)
		on_client_bytes(c, conn, seq, bytes, len);
	else
		on_server_bytes(c, conn, seq, bytes, len);
	c->current = NULL;
}

static void on_packets_urgent(void *arg, const struct pk_flow *flow, enum segments_side from, uint32_t seq,
			      uint64_t time_ns)
{
	struct capture *c = arg;
	struct connection *conn = connections_find(c->connections, flow);

	c->time_ns = time_ns;
	if (!conn)
		return;
	if (from == SEGMENTS_SERVER) {
		conn->server_next = seq + 1;
		return;
	}
	struct before b = capture_before(&conn->stream);
	c->current = conn;
	c->share = capture_source_share(c, conn);
	stream_urgent(&conn->stream, seq + 1, true, &c->hooks);
	capture_account(c, conn, &b);
	c->current = NULL;
}

static void on_packets_finish(void *arg, const struct pk_flow *flow, enum segments_side from,
			      uint64_t time_ns)
{
	struct capture *c = arg;
	struct connection *conn = connections_find(c->connections, flow);

	c->time_ns = time_ns;
	if (conn && conn->exchange && from == SEGMENTS_SERVER)
		exchange_finish(conn->exchange);
}

static void on_packets_close(void *arg, const struct pk_flow *flow, const struct segments_end *end,
			     uint64_t time_ns)
{
	struct capture *c = arg;
	struct connection *conn = connections_find(c->connections, flow);

	COUNT(c, connections_closed, 1);
	if (!conn)
		return;
	conn->end = (struct connection_end){.time_ns = MAX(time_ns, (uint64_t)1),
					    .bytes_received = conn->stream.next,
					    .bytes_sent = end->server_bytes,
					    .seen = conn->stream.next};
	connections_close(c->connections, conn);
	capture_finish(c, conn, time_ns);
}

/* What the packet program would have reported of a watched port; of strangers only what is odd by itself. */
static void on_packets_segment(void *arg, const struct pk_segment *rec, enum segments_side from)
{
	struct capture *c = arg;
	struct pk_header h = rec->header;

	if (from == SEGMENTS_SERVER || !h.why)
		return;
	if (from == SEGMENTS_STRANGER && !(h.why & (PK_WHY_ODD | PK_WHY_MALFORMED)))
		return;
	h.rec.kind = PK_HEADER;
	h.rec.size = sizeof h;
	h.lost = 0; /* a segment's number counts other things */
	capture_header(c, &h);
}

void capture_segment(struct capture *c, const struct pk_segment *rec)
{
	if (!c->segments)
		return;
	COUNT(c, segments, 1);
	c->time_ns = rec->header.rec.time_ns;
	/* A decoy must not stand in the place of what the server gets. */
	if (anomalies_segment(c->anomalies, rec)) {
		segments_feed(c->segments, rec);
		return;
	}
	COUNT(c, segments_refused, 1);
	if (c->header_events)
		on_packets_segment(c, rec, SEGMENTS_STRANGER);
}

void capture_frame(struct capture *c, const struct pk_frame *rec)
{
	if (!c->segments)
		return;
	COUNT(c, frames, 1);
	c->time_ns = rec->rec.time_ns;
	anomalies_frame(c->anomalies, rec);
	const struct pk_segment *whole = c->datagrams ? datagrams_add(c->datagrams, rec) : NULL;
	if (whole)
		capture_segment(c, whole);
}

void capture_packets_tick(struct capture *c, uint64_t now_ns)
{
	segments_tick(c->segments, now_ns);
	exchanges_tick(c->exchanges, now_ns);
	anomalies_tick(c->anomalies, now_ns);
}

void capture_packets_count(struct capture *c)
{
	if (!c->segments)
		return;
	struct capture_packet_counts now = {
		.streams = segments_counts(c->segments),
		.tracked = anomalies_tcp_counts(c->anomalies),
		.datagrams = anomalies_fragments_counts(c->anomalies),
	};
	if (c->datagrams)
		now.together = datagrams_counts(c->datagrams);
	const uint64_t *from = (const uint64_t *)&now;
	uint64_t *to = (uint64_t *)&c->counts.packets;

	_Static_assert(sizeof now % sizeof *to == 0, "all counts are uint64_t");
	for (size_t i = 0; i < sizeof now / sizeof *to; i++)
		__atomic_store_n(&to[i], from[i], __ATOMIC_RELAXED);
}

static void on_anomaly(void *arg, const struct flow *flow, const char *name)
{
	capture_tcp_anomaly(arg, flow, name);
}

static int anomalies_start(struct capture *c)
{
	const struct config *config = c->parts.config;
	unsigned opens = config->capture.decapsulate;
	struct anomalies_options options = {
		.connections_max = config->capture.connections_max,
		.history_max = config->capture.stream_bytes / HISTORY_SHARE,
		.ports = c->parts.packets->ports,
		.port_count = c->parts.packets->port_count,
		.ordinary = c->parts.packets->ordinary,
		.headers_elsewhere = c->parts.packets->headers,
		.tunnels = {.ipip = opens & CAPTURE_IPIP,
			    .gre = opens & CAPTURE_GRE,
			    .vxlan_port = opens & CAPTURE_VXLAN ? (uint16_t)config->capture.vxlan_port : 0},
		.found = on_anomaly,
		.arg = c,
	};

	return anomalies_new(&options, &c->anomalies);
}

int capture_packets_new(struct capture *c)
{
	const struct capture_packets *p = c->parts.packets;

	if (!p)
		return 0;
	struct segments_options options = {
		.connections_max = c->parts.config->capture.connections_max,
		.held_max = c->parts.config->capture.stream_bytes,
		.ports = p->ports,
		.port_count = p->port_count,
		.hooks = {.open = on_packets_open,
			  .acknowledge = on_packets_acknowledge,
			  .bytes = on_packets_bytes,
			  .urgent = on_packets_urgent,
			  .finish = on_packets_finish,
			  .close = on_packets_close,
			  .segment = p->header_events ? on_packets_segment : NULL,
			  .arg = c},
	};
	struct exchanges_options exchanges = {.event = capture_answered,
					      .arg = c,
					      .anomaly = on_exchange_anomaly,
					      .wait_ns = p->answer_wait_ns,
					      .bytes_max = ANSWERS_BYTES};
	c->ordinary = p->ordinary;
	c->header_events = p->header_events;
	int r = anomalies_start(c);
	if (!r)
		r = exchanges_new(&exchanges, &c->exchanges);
	if (!r && p->fragments)
		r = datagrams_new(&c->datagrams);
	return r ? r : segments_new(&options, &c->segments);
}

void capture_end(struct capture *c, uint64_t now_ns)
{
	if (c->segments)
		segments_end(c->segments, now_ns);
	capture_tick(c, now_ns + CLOSED_WAIT_NS);
}
