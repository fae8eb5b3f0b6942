// SPDX-License-Identifier: Apache-2.0
/* What is seen, as status shows it: where packets are met, which ports are watched, the counters of both
 * halves. */
#include "sensor/control_status.h"

#define PORTS_SHOWN_MAX 256

static bool port_watched(const struct pk_ports *p, unsigned port)
{
	return (p->watched[port >> 6] >> (port & 63) & 1) && !(p->never[port >> 6] >> (port & 63) & 1);
}

unsigned status_ports_count(const struct status *s)
{
	unsigned n = 0;

	for (unsigned port = 1; !s->warden_result && port < 65536; port++)
		n += port_watched(&s->warden.status.ports, port);
	return n;
}

static void write_ports(struct json_writer *w, const struct status *s)
{
	unsigned shown = 0;

	put_uint(w, "watched_port_count", status_ports_count(s));
	json_key(w, "watched_ports");
	json_array_begin(w);
	for (unsigned port = 1; !s->warden_result && port < 65536 && shown < PORTS_SHOWN_MAX; port++)
		if (port_watched(&s->warden.status.ports, port)) {
			json_uint(w, port);
			shown++;
		}
	json_array_end(w);
}

static void write_interfaces(struct json_writer *w, const struct status *s)
{
	json_key(w, "interfaces");
	json_array_begin(w);
	for (unsigned i = 0; i < attachment_count(s); i++) {
		const struct kernel_attachment *a = &s->warden.status.attachments[i];

		json_object_begin(w);
		put_text(w, "name", a->name);
		put_uint(w, "ifindex", a->ifindex);
		put_text(w, "driver", a->driver);
		put_text(w, "mode", config_packet_mode_name(a->mode));
		put_bool(w, "ends_with_daemon", a->by_link);
		put_text(w, "note", a->note[0] ? a->note : NULL);
		json_object_end(w);
	}
	json_array_end(w);
}

struct named_counter {
	const char *key;
	enum pk_counter counter;
};

static void write_stats(struct json_writer *w, const struct status *s, const struct named_counter *names,
			size_t count)
{
	for (size_t i = 0; i < count; i++)
		put_uint(w, names[i].key, stat_of(s, names[i].counter));
}

void status_write_kernel(struct json_writer *w, const struct status *s)
{
	static const struct named_counter names[] = {
		{"reads_seen", PK_C_DATA_SEEN},
		{"bytes_copied", PK_C_DATA_BYTES},
		{"bytes_skipped", PK_C_DATA_SKIPPED},
		{"bytes_cut", PK_C_DATA_CUT},
		{"read_errors", PK_C_READ_ERROR},
		{"requests_produced", PK_C_REQ_PRODUCED},
		{"requests_lost", PK_C_REQ_LOST},
		{"requests_over_share", PK_C_REQ_SHARE},
		{"answers", PK_C_ANSWERS},
		{"answer_records", PK_C_ANSWER_RECORDS},
		{"answers_unread", PK_C_ANSWER_UNREAD},
		{"headers_produced", PK_C_HDR_PRODUCED},
		{"headers_lost", PK_C_HDR_LOST},
		{"headers_over_share", PK_C_HDR_SHARE},
		{"headers_throttled", PK_C_HDR_THROTTLED},
		{"refused_throttled", PK_C_REFUSED_THROTTLED},
		{"packets", PK_C_PACKETS},
		{"packets_allowed", PK_C_ALLOWED},
		{"packets_dropped", PK_C_DROPPED},
		{"packets_dropped_bytes", PK_C_DROPPED_BYTES},
		{"packets_shadowed", PK_C_SHADOWED},
		{"packets_passed_by_kill_switch", PK_C_PASS_KILLED},
		{"hits_full", PK_C_HITS_FULL},
		{"odd_truncated", PK_C_ODD_TRUNCATED},
		{"odd_extension", PK_C_ODD_EXTENSION},
		{"odd_fragment", PK_C_ODD_FRAGMENT},
		{"odd_vlan", PK_C_ODD_VLAN},
		{"odd_not_ip", PK_C_ODD_NOT_IP},
		{"udp_to_watched_ports", PK_C_UDP},
		{"received_by_kprobe", PK_C_RECEIVED},
		{"receive_errors", PK_C_RECEIVE_ERROR},
		{"tunnels_opened", PK_C_INNER},
		{"tunnels_unread", PK_C_INNER_UNREAD},
		{"tunnels_of_others", PK_C_INNER_PEER},
		{"tunnels_nested", PK_C_INNER_NESTED},
		{"resets", PK_C_RESETS},
		{"resets_withheld", PK_C_RESET_SILENT},
	};

	json_key(w, "kernel");
	json_object_begin(w);
	write_stats(w, s, names, ARRAY_SIZE(names));
	json_object_end(w);
}

static void write_answers(struct json_writer *w, const struct status *s)
{
	const struct answers_counts *a = &s->answers;

	json_key(w, "answers");
	json_object_begin(w);
	put_bool(w, "seen", capture_sees_answers(s->parts->capture));
	put_uint(w, "held", a->taken - a->emitted);
	put_uint(w, "answered", a->answered);
	put_uint(w, "expired", a->expired);
	put_uint(w, "unsure", a->unsure);
	put_uint(w, "full", a->full);
	put_uint(w, "late", a->late);
	put_uint(w, "surplus", a->surplus);
	put_uint(w, "missed", a->missed);
	json_object_end(w);
}

/* Hellos of TLS clients. */
static void write_tls(struct json_writer *w, const struct status *s)
{
	const struct capture_tls_counts *t = &s->capture.tls;
	uint64_t forgotten = 0;
	size_t clients = fingerprints_count(s->parts->fingerprints, &forgotten);

	json_key(w, "tls");
	json_object_begin(w);
	put_uint(w, "hellos", t->hellos);
	put_uint(w, "deviating", t->deviating);
	put_uint(w, "versions", t->versions);
	put_uint(w, "broken", t->broken);
	put_uint(w, "too_long", t->too_long);
	put_uint(w, "cut", t->cut);
	put_uint(w, "refused", t->refused);
	put_uint(w, "held", t->held);
	put_uint(w, "clients", clients);
	put_uint(w, "clients_forgotten", forgotten);
	json_object_end(w);
}

/* Of packets that no socket here ends. */
static void write_packets(struct json_writer *w, const struct status *s)
{
	const struct capture_counts *c = &s->capture;
	const struct segments_counts *streams = &c->packets.streams;
	const struct tcp_track_counts *tracked = &c->packets.tracked;
	const struct fragments_counts *datagrams = &c->packets.datagrams;
	const struct datagrams_counts *together = &c->packets.together;

	json_key(w, "packets");
	if (s->parts->config->capture.packets == CAPTURE_PACKETS_OFF) {
		json_null(w);
		return;
	}
	json_object_begin(w);
	put_uint(w, "segments", c->segments);
	put_uint(w, "segments_refused", c->segments_refused);
	put_uint(w, "frames", c->frames);
	json_key(w, "streams");
	json_object_begin(w);
	put_uint(w, "connections", streams->connections);
	put_uint(w, "evicted", streams->evicted);
	put_uint(w, "refused", streams->refused);
	put_uint(w, "holes", streams->holes);
	put_uint(w, "crowded", streams->crowded);
	put_uint(w, "conflicts", streams->conflicts);
	put_uint(w, "bytes_held", streams->held);
	put_uint(w, "bytes_max", streams->held_max);
	json_object_end(w);
	json_key(w, "tracked");
	json_object_begin(w);
	put_uint(w, "held", tracked->held);
	put_uint(w, "max", tracked->held_max);
	put_uint(w, "evicted", tracked->evicted);
	put_uint(w, "refused", tracked->refused);
	put_uint(w, "lossy", tracked->lossy);
	put_uint(w, "uncompared", tracked->uncompared);
	put_uint(w, "bytes_held", tracked->history_bytes);
	put_uint(w, "bytes_max", tracked->history_bytes_max);
	put_uint(w, "findings", tracked->findings);
	json_object_end(w);
	json_key(w, "datagrams");
	json_object_begin(w);
	put_uint(w, "held", datagrams->held);
	put_uint(w, "max", datagrams->held_max);
	put_uint(w, "evicted", datagrams->evicted);
	put_uint(w, "uncompared", datagrams->uncompared);
	json_object_end(w);
	json_key(w, "put_together");
	json_object_begin(w);
	put_uint(w, "segments", together->segments);
	put_uint(w, "fragments", together->defrag.fragments);
	put_uint(w, "whole", together->defrag.whole);
	put_uint(w, "overlapping", together->defrag.overlapping);
	put_uint(w, "given_up", together->defrag.given_up);
	put_uint(w, "max", DEFRAG_DATAGRAMS_MAX);
	json_object_end(w);
	json_object_end(w);
}

void status_write_capture(struct json_writer *w, const struct status *s)
{
	const struct capture_counts *c = &s->capture;

	json_key(w, "capture");
	json_object_begin(w);
	put_text(w, "path", s->warden_result ? NULL : s->warden.status.uses_perf ? "perf" : "ring");
	put_text(w, "receive", !s->warden_result && s->warden.status.receive ? "kprobe" : NULL);
	write_interfaces(w, s);
	write_ports(w, s);
	put_bool(w, "processes_named", s->sight == PROCESSES_SEEN || s->sight == PROCESSES_NO_CGROUPS);
	put_bool(w, "containers_named", s->sight == PROCESSES_SEEN);
	put_uint(w, "records", c->records);
	put_uint(w, "records_malformed", s->reader.malformed);
	put_uint(w, "records_late", s->reader.late);
	put_uint(w, "requests", c->requests);
	put_uint(w, "headers", c->headers);
	put_uint(w, "bytes", c->bytes);
	put_uint(w, "gaps", c->gaps);
	put_uint(w, "gap_bytes", c->gap_bytes);
	put_uint(w, "duplicates", c->duplicates);
	put_uint(w, "anomalies", c->anomalies);
	put_uint(w, "not_http", c->not_http);
	put_uint(w, "connections_opened", c->connections_opened);
	put_uint(w, "connections_closed", c->connections_closed);
	put_uint(w, "connections_held", c->connections_held);
	put_uint(w, "connections_refused", c->connections_refused);
	put_uint(w, "connections_evicted", c->connections_evicted);
	put_uint(w, "events_lost", c->events_lost);
	put_uint(w, "passed_bytes", c->passed_bytes);
	put_uint(w, "heads_refused", c->heads_refused);
	put_uint(w, "refused_evicted", c->refused_evicted);
	put_uint(w, "values_dropped", c->values_dropped);
	put_uint(w, "proxy_headers_refused", c->proxy_headers_refused);
	put_uint(w, "stream_bytes_held", c->stream_bytes_held);
	write_answers(w, s);
	write_tls(w, s);
	write_packets(w, s);
	json_object_end(w);
}
