// SPDX-License-Identifier: Apache-2.0
#include "sensor/headers.h"
#include <errno.h>

#define MIN_HEADER 20

/* What lies behind the end of a cut header was not read: its flags say nothing. */
static bool flags_are_known(const struct pk_header *h)
{
	bool cut = h->header_length < MIN_HEADER || h->why & PK_WHY_MALFORMED;

	return !cut || h->why & ~(PK_WHY_MALFORMED | PK_WHY_DENIED | PK_WHY_SAMPLE | PK_WHY_CRITERION);
}

/* Flags that no segment of a connection carries, whatever the bits beside them (RFC 9293). */
static bool flags_are_odd(unsigned f)
{
	return !(f & (PK_TCP_FIN | PK_TCP_SYN | PK_TCP_RST | PK_TCP_PSH | PK_TCP_ACK | PK_TCP_URG)) ||
	       f & PK_TCP_URG || (f & PK_TCP_SYN && f & (PK_TCP_FIN | PK_TCP_RST));
}

unsigned header_anomalies(const struct pk_header *h, const char *ret[static HEADER_ANOMALIES_MAX])
{
	unsigned n = 0;

	if (h->header_length < MIN_HEADER || h->why & PK_WHY_MALFORMED)
		ret[n++] = "bad_header_length";
	/* The record has no room for the reserved bits: they are what is left when a header is odd for no
	 * other reason. */
	if (flags_are_known(h) && h->why & PK_WHY_ODD && !n && !flags_are_odd(h->flags))
		ret[n++] = "reserved_flags";
	return n;
}

struct making {
	const struct pk_header *h;
	uint64_t wall_ns;
	void (*emit)(void *arg, struct event *e);
	void *arg;
	int made; /* anomalies */
	bool failed;
};

static void fill(struct event *e, const struct making *m)
{
	const struct pk_header *h = m->h;

	e->time_ns = h->rec.time_ns;
	e->wall_ns = m->wall_ns;
	e->flow.peer = (struct endpoint){addr_from_bytes(h->family, h->source_addr), h->source_port};
	e->flow.local =
		(struct endpoint){addr_from_bytes(h->family, h->destination_addr), h->destination_port};
}

static void make_header(struct making *m)
{
	struct event *e = event_new(EVENT_TCP_HEADER, 0);
	const struct pk_header *h = m->h;

	if (!e) {
		m->failed = true;
		return;
	}
	fill(e, m);
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
	m->emit(m->arg, e);
}

static void make_anomaly(struct making *m, const char *name_text, const char *severity_text)
{
	struct span name = span_from(name_text), severity = span_from(severity_text);
	struct event *e = event_new(EVENT_TCP_ANOMALY, name.len + severity.len);

	m->made++;
	if (!e) {
		m->failed = true;
		return;
	}
	fill(e, m);
	e->anomaly.name = event_tail_copy(e, name);
	e->anomaly.severity = event_tail_copy(e, severity);
	m->emit(m->arg, e);
}

static void on_alert(void *arg, const struct packet_alert *alert)
{
	make_anomaly(arg, alert->rule->name, packet_severity_name(alert->rule->severity));
}

/* A criterion wanted it although its port is not watched: then it is a SYN or odd, else no one would ask. */
static bool is_probe(const struct pk_header *h)
{
	return h->why & PK_WHY_CRITERION && h->why & (PK_WHY_SYN | PK_WHY_ODD);
}

static void watch_header(struct packet_watch *watch, struct making *m)
{
	const struct pk_header *h = m->h;
	const struct packet_seen seen = {
		.source = addr_from_bytes(h->family, h->source_addr),
		.time_ns = h->rec.time_ns,
		.port = h->destination_port,
		.watched = !is_probe(h),
		.flags = h->flags,
		.window = h->window,
		.payload = h->payload_len,
		.ttl = h->ttl,
		.header_length = h->header_length,
		.acks_lost = (uint16_t)h->lost,
		.acks_lost_all = (uint16_t)(h->lost >> 16),
	};

	packet_watch_see(watch, &seen, on_alert, m);
}

int header_events(const struct pk_header *h, struct packet_watch *watch, uint64_t wall_ns,
		  void (*emit)(void *arg, struct event *e), void *arg)
{
	const char *names[HEADER_ANOMALIES_MAX];
	struct making m = {.h = h, .wall_ns = wall_ns, .emit = emit, .arg = arg};

	if (!(h->why & PK_WHY_CRITERION))
		make_header(&m);
	unsigned count = is_probe(h) ? 0 : header_anomalies(h, names);
	for (unsigned i = 0; i < count; i++)
		make_anomaly(&m, names[i], "");
	if (watch && flags_are_known(h))
		watch_header(watch, &m);
	return m.failed ? -ENOMEM : m.made;
}
