// SPDX-License-Identifier: Apache-2.0
#include "sensor/headers.h"
#include <errno.h>

#define MIN_HEADER 20

unsigned header_anomalies(const struct pk_header *h, const char *ret[static HEADER_ANOMALIES_MAX])
{
	/* ECE, CWR and NS are congestion signals that any segment may carry. */
	unsigned f = h->flags & (PK_TCP_FIN | PK_TCP_SYN | PK_TCP_RST | PK_TCP_PSH | PK_TCP_ACK | PK_TCP_URG);
	bool xmas = f == (PK_TCP_FIN | PK_TCP_PSH | PK_TCP_URG);
	unsigned n = 0;

	if (h->header_length < MIN_HEADER || h->why & PK_WHY_MALFORMED) {
		ret[n++] = "bad_header_length";
		/* What lies behind the end of a cut header was not read: its flags say nothing. */
		if (!(h->why & ~(PK_WHY_MALFORMED | PK_WHY_DENIED | PK_WHY_SAMPLE)))
			return n;
	}
	if (!f)
		ret[n++] = "null_scan";
	if (xmas)
		ret[n++] = "xmas_scan";
	if ((f & (PK_TCP_SYN | PK_TCP_FIN)) == (PK_TCP_SYN | PK_TCP_FIN))
		ret[n++] = "syn_fin";
	if ((f & (PK_TCP_SYN | PK_TCP_RST)) == (PK_TCP_SYN | PK_TCP_RST))
		ret[n++] = "syn_rst";
	if (f & PK_TCP_URG && !xmas)
		ret[n++] = "urgent";
	/* The record has no room for the reserved bits: they are what is left when a header is odd for no
	 * other reason. */
	if (h->why & PK_WHY_ODD && n == 0)
		ret[n++] = "reserved_flags";
	return n;
}

static void fill(struct event *e, const struct pk_header *h, uint64_t wall_ns)
{
	e->time_ns = h->rec.time_ns;
	e->wall_ns = wall_ns;
	e->flow.peer = (struct endpoint){addr_from_bytes(h->family, h->source_addr), h->source_port};
	e->flow.local =
		(struct endpoint){addr_from_bytes(h->family, h->destination_addr), h->destination_port};
}

int header_events(const struct pk_header *h, uint64_t wall_ns, void (*emit)(void *arg, struct event *e),
		  void *arg)
{
	const char *names[HEADER_ANOMALIES_MAX];
	unsigned count = header_anomalies(h, names);
	struct event *e = event_new(EVENT_TCP_HEADER, 0);
	int r = (int)count;

	if (e) {
		fill(e, h, wall_ns);
		e->tcp_header = (struct event_tcp_header){
			.source_port = h->source_port,
			.destination_port = h->destination_port,
			.sequence = h->sequence,
			.acknowledgment = h->acknowledgment,
			.window = h->window,
			.flags = h->flags,
			.header_length = h->header_length,
			.why = h->why,
			.hook = h->hook,
			.ttl = h->ttl,
			.payload_len = h->payload_len,
			.ifindex = h->ifindex,
		};
		emit(arg, e);
	} else {
		r = -ENOMEM;
	}
	for (unsigned i = 0; i < count; i++) {
		struct span name = span_from(names[i]);
		e = event_new(EVENT_TCP_ANOMALY, name.len);
		if (!e) {
			r = -ENOMEM;
			continue;
		}
		fill(e, h, wall_ns);
		e->anomaly.name = event_tail_copy(e, name);
		emit(arg, e);
	}
	return r;
}
