// SPDX-License-Identifier: Apache-2.0
/*
 * tcp_track.c: the table of connections, and what a segment shows by itself. The handshake is
 * tcp_track_handshake.c, everything later tcp_track_data.c.
 */
#include "sensor/tcp_track.h"
#include <errno.h>
#include "lib/util.h"
#include "sensor/tcp_checksum.h"
#include "sensor/tcp_track_internal.h"

#define CLOSED_NS (60ull * NS_PER_S)
#define IDLE_NS   (3600ull * NS_PER_S)

static const char *const names[TCP_ANOMALY_MAX] = {
	[TCP_NULL_SCAN] = "null_scan",
	[TCP_XMAS_SCAN] = "xmas_scan",
	[TCP_SYN_FIN] = "syn_fin",
	[TCP_SYN_RST] = "syn_rst",
	[TCP_RESERVED_FLAGS] = "reserved_flags",
	[TCP_URGENT] = "urgent",
	[TCP_BAD_HEADER_LENGTH] = "bad_header_length",
	[TCP_FIN_SYN] = "tcp_fin_syn",
	[TCP_HEADER_LENGTH_TOO_SMALL] = "tcp_header_length_too_small",
	[TCP_INVALID_OPTION_LENGTH] = "tcp_invalid_option_length",
	[TCP_OPTION_INVALID_LENGTH] = "tcp_option_invalid_length",
	[TCP_OPTION_DUPLICATE] = "tcp_option_duplicate",
	[TCP_INVALID_CHECKSUM] = "tcp_invalid_checksum",
	[TCP_BROKEN_ACK] = "tcp_broken_ack",
	[TCP_ACK_FLAG_MISSING] = "tcp_ack_flag_missing",
	[TCP_SYN_FLOOD] = "tcp_syn_flood",
	[TCP_SYN_ACK_FLOOD] = "tcp_syn_ack_flood",
	[TCP_HANDSHAKE_ACK_DATA_INJECTION] = "tcp_handshake_ack_data_injection",
	[TCP_HANDSHAKE_ACK_IN_WRONG_DIR] = "tcp_handshake_ack_in_wrong_dir",
	[TCP_HANDSHAKE_ASYNC_WRONG_SEQUENCE] = "tcp_handshake_async_wrong_sequence",
	[TCP_HANDSHAKE_RIGHT_SEQUENCE_WRONG_ACK_EVASION] = "tcp_handshake_right_sequence_wrong_ack_evasion",
	[TCP_HANDSHAKE_SYN_RESEND_DIFFERENT_SEQUENCE_ON_SYN_RECEIVED] =
		"tcp_handshake_syn_resend_different_sequence_on_syn_received",
	[TCP_HANDSHAKE_SYN_TOCLIENT_ON_SYN_RECEIVED] = "tcp_handshake_syn_toclient_on_syn_received",
	[TCP_HANDSHAKE_SYN_ACK_IN_WRONG_DIRECTION] = "tcp_handshake_syn_ack_in_wrong_direction",
	[TCP_HANDSHAKE_SYN_ACK_RESEND_WITH_DIFFERENT_SEQUENCE] =
		"tcp_handshake_syn_ack_resend_with_different_sequence",
	[TCP_HANDSHAKE_SYN_ACK_RESEND_WITH_DIFFERENT_ACK] = "tcp_handshake_syn_ack_resend_with_different_ack",
	[TCP_HANDSHAKE_SYN_ACK_TFO_DATA_IGNORED] = "tcp_handshake_syn_ack_tfo_data_ignored",
	[TCP_HANDSHAKE_SYN_ACK_TOSERVER_ON_SYN_RECEIVED] = "tcp_handshake_syn_ack_toserver_on_syn_received",
	[TCP_HANDSHAKE_SYN_ACK_WITH_WRONG_ACK] = "tcp_handshake_syn_ack_with_wrong_ack",
	[TCP_HANDSHAKE_WRONG_SEQUENCE_WRONG_ACK] = "tcp_handshake_wrong_sequence_wrong_ack",
	[TCP_SIMULTANEOUS_OPEN_INVALID_ACK] = "tcp_simultaneous_open_invalid_ack",
	[TCP_SIMULTANEOUS_OPEN_SYN_ACK_WITH_WRONG_ACK] = "tcp_simultaneous_open_syn_ack_with_wrong_ack",
	[TCP_SIMULTANEOUS_OPEN_SYN_ACK_WITH_WRONG_SYN] = "tcp_simultaneous_open_syn_ack_with_wrong_syn",
	[TCP_SIMULTANEOUS_OPEN_WRONG_SEQUENCE] = "tcp_simultaneous_open_wrong_sequence",
	[TCP_ESTABLISHED_INVALID_ACK] = "tcp_established_invalid_ack",
	[TCP_ESTABLISHED_PACKET_OUT_OF_WINDOW] = "tcp_established_packet_out_of_window",
	[TCP_ESTABLISHED_PACKET_BEFORE_LAST_ACK] = "tcp_established_packet_before_last_ack",
	[TCP_ESTABLISHED_SYN_RESEND] = "tcp_established_syn_resend",
	[TCP_ESTABLISHED_SYN_RESEND_DIFFERENT_SEQUENCE] = "tcp_established_syn_resend_different_sequence",
	[TCP_ESTABLISHED_SYN_TOCLIENT] = "tcp_established_syn_toclient",
	[TCP_ESTABLISHED_SYN_ACK_RESEND] = "tcp_established_syn_ack_resend",
	[TCP_ESTABLISHED_SYN_ACK_RESEND_WITH_DIFFERENT_SEQUENCE] =
		"tcp_established_syn_ack_resend_with_different_sequence",
	[TCP_ESTABLISHED_SYN_ACK_RESEND_WITH_DIFFERENT_ACK] =
		"tcp_established_syn_ack_resend_with_different_ack",
	[TCP_ESTABLISHED_SYN_ACK_TOSERVER] = "tcp_established_syn_ack_toserver",
	[TCP_CLOSE_WAIT_ACK_OUT_OF_WINDOW] = "tcp_close_wait_ack_out_of_window",
	[TCP_CLOSE_WAIT_FIN_OUT_OF_WINDOW] = "tcp_close_wait_fin_out_of_window",
	[TCP_CLOSE_WAIT_INVALID_ACK] = "tcp_close_wait_invalid_ack",
	[TCP_CLOSE_WAIT_PACKET_BEFORE_LAST_ACK] = "tcp_close_wait_packet_before_last_ack",
	[TCP_CLOSING_ACK_WRONG_SEQUENCE] = "tcp_closing_ack_wrong_sequence",
	[TCP_CLOSING_INVALID_ACK] = "tcp_closing_invalid_ack",
	[TCP_FIN1_ACK_WRONG_SEQUENCE] = "tcp_fin1_ack_wrong_sequence",
	[TCP_FIN1_FIN_WRONG_SEQUENCE] = "tcp_fin1_fin_wrong_sequence",
	[TCP_FIN1_INVALID_ACK] = "tcp_fin1_invalid_ack",
	[TCP_FIN2_ACK_WRONG_SEQUENCE] = "tcp_fin2_ack_wrong_sequence",
	[TCP_FIN2_FIN_WRONG_SEQUENCE] = "tcp_fin2_fin_wrong_sequence",
	[TCP_FIN2_INVALID_ACK] = "tcp_fin2_invalid_ack",
	[TCP_FIN_WITHOUT_SESSION] = "tcp_fin_without_session",
	[TCP_FIN_INVALID_ACK] = "tcp_fin_invalid_ack",
	[TCP_FIN_OUT_OF_WINDOW] = "tcp_fin_out_of_window",
	[TCP_LAST_ACK_ACK_WRONG_SEQUENCE] = "tcp_last_ack_ack_wrong_sequence",
	[TCP_LAST_ACK_INVALID_ACK] = "tcp_last_ack_invalid_ack",
	[TCP_SHUTDOWN_SYN_RESEND] = "tcp_shutdown_syn_resend",
	[TCP_TIME_WAIT_ACK_WRONG_SEQUENCE] = "tcp_time_wait_ack_wrong_sequence",
	[TCP_TIME_WAIT_INVALID_ACK] = "tcp_time_wait_invalid_ack",
	[TCP_DATA_AFTER_FIN] = "tcp_data_after_fin",
	[TCP_RST_WITHOUT_SESSION] = "tcp_rst_without_session",
	[TCP_RST_INVALID_ACK] = "tcp_rst_invalid_ack",
	[TCP_RST_OUT_OF_WINDOW] = "tcp_rst_out_of_window",
	[TCP_SUSPECTED_RST_INJECTION] = "tcp_suspected_rst_injection",
	[TCP_INVALID_ACK] = "tcp_invalid_ack",
	[TCP_INVALID_TIMESTAMP] = "tcp_invalid_timestamp",
	[TCP_BAD_WINDOW_UPDATE] = "tcp_bad_window_update",
	[TCP_ZERO_WINDOW] = "tcp_zero_window",
	[TCP_RETRANSMISSION] = "tcp_retransmission",
	[TCP_SPURIOUS_RETRANSMISSION] = "tcp_spurious_retransmission",
	[TCP_OVERLAP_DIFFERENT_DATA] = "tcp_overlap_different_data",
	[TCP_SEGMENT_BEFORE_BASE] = "tcp_segment_before_base",
	[TCP_SEQUENCE_GAP] = "tcp_sequence_gap",
	[TCP_URGENT_LIMIT_REACHED] = "tcp_urgent_limit_reached",
};

const char *tcp_anomaly_name(enum tcp_anomaly anomaly)
{
	return names[anomaly];
}

bool tcp_anomaly_is_ordinary(enum tcp_anomaly anomaly)
{
	switch (anomaly) {
	case TCP_HANDSHAKE_SYN_ACK_TFO_DATA_IGNORED:
	case TCP_ESTABLISHED_PACKET_BEFORE_LAST_ACK:
	case TCP_ESTABLISHED_SYN_RESEND:
	case TCP_ESTABLISHED_SYN_ACK_RESEND:
	case TCP_CLOSE_WAIT_PACKET_BEFORE_LAST_ACK:
	case TCP_FIN_WITHOUT_SESSION:
	case TCP_RST_WITHOUT_SESSION:
	case TCP_RETRANSMISSION:
	case TCP_SPURIOUS_RETRANSMISSION:
	case TCP_SEQUENCE_GAP:
		return true;
	default:
		return false;
	}
}

void segment_view_of(const struct pk_segment *rec, struct segment_view *ret)
{
	const struct pk_header *h = &rec->header;
	const char *data = (const char *)(rec + 1);
	size_t options = h->header_length > TCP_HEADER_MIN ? h->header_length - TCP_HEADER_MIN : 0;

	options = MIN(options, rec->captured);
	*ret = (struct segment_view){
		.source = {addr_from_bytes(h->family, h->source_addr), h->source_port},
		.destination = {addr_from_bytes(h->family, h->destination_addr), h->destination_port},
		.time_ns = h->rec.time_ns,
		.sequence = h->sequence,
		.acknowledgment = h->acknowledgment,
		.l4_len = rec->l4_len,
		.payload_len = rec->l4_len > h->header_length ? rec->l4_len - h->header_length : 0,
		.flags = h->flags,
		.window = h->window,
		.urgent = rec->urgent,
		.checksum = rec->checksum,
		.vlan = {rec->vlan[0], rec->vlan[1]},
		.lost = h->lost,
		.header_length = h->header_length,
		.reserved = h->why & PK_WHY_ODD,
		.options = {data, options},
		.payload = {data + options, MIN(rec->captured - options, rec->l4_len)},
	};
	if (ret->payload.len > ret->payload_len)
		ret->payload.len = ret->payload_len;
}

/* --- the table --- */

int tcp_track_new(const struct tcp_track_options *options, struct tcp_track **ret)
{
	struct tcp_track *t = calloc(1, sizeof *t);
	int r;

	if (!t)
		return -ENOMEM;
	t->options = *options;
	r = table_init(&t->table, options->connections_max);
	if (r) {
		free(t);
		return r;
	}
	*ret = t;
	return 0;
}

static bool keeps_bytes(const struct tracked *c)
{
	return c->side[CLIENT].history || c->side[SERVER].history;
}

static void bytes_unlink(struct tcp_track *t, struct tracked *c)
{
	*(c->bytes_older ? &c->bytes_older->bytes_newer : &t->bytes_oldest) = c->bytes_newer;
	*(c->bytes_newer ? &c->bytes_newer->bytes_older : &t->bytes_newest) = c->bytes_older;
	c->bytes_older = c->bytes_newer = NULL;
}

static void bytes_link(struct tcp_track *t, struct tracked *c)
{
	c->bytes_older = t->bytes_newest;
	*(t->bytes_newest ? &t->bytes_newest->bytes_newer : &t->bytes_oldest) = c;
	t->bytes_newest = c;
}

/* Both directions' bytes. */
static void history_drop(struct tcp_track *t, struct tracked *c)
{
	if (!keeps_bytes(c))
		return;
	bytes_unlink(t, c);
	for (unsigned i = 0; i < 2; i++) {
		if (c->side[i].history)
			t->history_used -= sizeof *c->side[i].history;
		free(c->side[i].history);
		c->side[i].history = NULL;
	}
}

static void list_remove(struct tcp_track *t, struct tracked *c)
{
	*(c->older ? &c->older->newer : &t->oldest) = c->newer;
	*(c->newer ? &c->newer->older : &t->newest) = c->older;
	c->older = c->newer = NULL;
}

static void list_add(struct tcp_track *t, struct tracked *c)
{
	c->older = t->newest;
	*(t->newest ? &t->newest->newer : &t->oldest) = c;
	t->newest = c;
}

static void tracked_remove(struct tcp_track *t, struct tracked *c)
{
	history_drop(t, c);
	list_remove(t, c);
	table_remove(&t->table, &c->node);
	t->counts.held--;
	free(c);
}

void tcp_track_free(struct tcp_track *t)
{
	if (!t)
		return;
	while (t->oldest)
		tracked_remove(t, t->oldest);
	table_deinit(&t->table);
	free(t);
}

static bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && addr_equal(&a->addr, &b->addr);
}

/* The same for both directions. */
static uint64_t segment_hash(const struct tcp_track *t, const struct segment_view *s)
{
	uint8_t flat[2 * 18 + 4];
	const struct endpoint *a = &s->source, *b = &s->destination;
	int order = memcmp(a->addr.bytes, b->addr.bytes, sizeof a->addr.bytes);

	if (order > 0 || (order == 0 && a->port > b->port)) {
		a = &s->destination;
		b = &s->source;
	}
	memcpy(flat, a->addr.bytes, 16);
	memcpy(flat + 16, &a->port, 2);
	memcpy(flat + 18, b->addr.bytes, 16);
	memcpy(flat + 34, &b->port, 2);
	memcpy(flat + 36, s->vlan, 4);
	return table_hash(&t->table, flat, sizeof flat);
}

static struct tracked *tracked_find(const struct tcp_track *t, const struct segment_view *s, uint64_t hash)
{
	for (struct table_node *n = table_first(&t->table, hash); n; n = table_next(n)) {
		struct tracked *c = table_owner(n, struct tracked, node);
		if (memcmp(c->vlan, s->vlan, sizeof c->vlan) != 0)
			continue;
		if ((endpoint_equal(&c->ends[CLIENT], &s->source) &&
		     endpoint_equal(&c->ends[SERVER], &s->destination)) ||
		    (endpoint_equal(&c->ends[SERVER], &s->source) &&
		     endpoint_equal(&c->ends[CLIENT], &s->destination)))
			return c;
	}
	return NULL;
}

static struct tracked *tracked_add(struct tcp_track *t, const struct segment_view *s, uint64_t hash)
{
	struct tracked *c;

	if (t->counts.held >= t->options.connections_max && t->oldest) {
		t->counts.evicted++;
		tracked_remove(t, t->oldest);
	}
	c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->ends[CLIENT] = s->source;
	c->ends[SERVER] = s->destination;
	memcpy(c->vlan, s->vlan, sizeof c->vlan);
	c->lost = s->lost;
	list_add(t, c);
	table_add(&t->table, &c->node, hash);
	t->counts.held++;
	return c;
}

void tracked_renew(struct tcp_track *t, struct tracked *c, enum side_name client)
{
	struct tracked fresh = {
		.node = c->node,
		.older = c->older,
		.newer = c->newer,
		.ends = {c->ends[client], c->ends[!client]},
		.vlan = {c->vlan[0], c->vlan[1]},
		.last_ns = c->last_ns,
		.lost = c->lost,
	};

	history_drop(t, c);
	*c = fresh;
}

void tracked_rejoin(struct tcp_track *t, struct tracked *c)
{
	const struct tracked old = *c;

	tracked_renew(t, c, CLIENT);
	c->midstream = true;
	c->state = STATE_ESTABLISHED;
	c->rejoined = old.rejoined;
	memcpy(c->reported, old.reported, sizeof c->reported);
	for (unsigned i = 0; i < 2; i++)
		c->side[i].checksums_right = old.side[i].checksums_right;
}

/* Room of the connection whose last byte is longest ago. */
static bool history_room(struct tcp_track *t, const struct tracked *but)
{
	const uint64_t size = sizeof(struct tcp_history);

	while (t->history_used + size > t->options.history_max && t->bytes_oldest && t->bytes_oldest != but)
		history_drop(t, t->bytes_oldest);
	return t->history_used + size <= t->options.history_max;
}

struct tcp_history *history_of(const struct look *l)
{
	struct tcp_track *t = l->track;

	if (keeps_bytes(l->c)) { /* it is used just now */
		bytes_unlink(t, l->c);
		bytes_link(t, l->c);
	}
	if (l->me->history)
		return l->me->history;
	bool linked = keeps_bytes(l->c);
	struct tcp_history *h = history_room(t, l->c) ? malloc(sizeof *h) : NULL;
	if (!h) {
		t->counts.uncompared++;
		return NULL;
	}
	h->count = 0; /* the ring needs no zeros */
	l->me->history = h;
	t->history_used += sizeof *h;
	if (!linked)
		bytes_link(t, l->c);
	return h;
}

void tcp_track_tick(struct tcp_track *t, uint64_t now_ns)
{
	struct tracked *c = t->oldest, *next;

	/* The list is by last use: what is not a minute old ends it. */
	for (; c && now_ns > c->last_ns && now_ns - c->last_ns > CLOSED_NS; c = next) {
		bool reset = c->side[CLIENT].reset || c->side[SERVER].reset;
		next = c->newer;
		if (reset || c->state == STATE_CLOSED || c->state == STATE_TIME_WAIT ||
		    now_ns - c->last_ns > IDLE_NS)
			tracked_remove(t, c);
	}
}

struct tcp_track_counts tcp_track_counts(const struct tcp_track *t)
{
	struct tcp_track_counts counts = t->counts;

	counts.held_max = t->options.connections_max;
	counts.history_bytes = t->history_used;
	counts.history_bytes_max = t->options.history_max;
	return counts;
}

/* --- reporting --- */

static void report(const struct look *l, enum tcp_anomaly anomaly, enum side_name from)
{
	struct tcp_track *t = l->track;
	struct tcp_finding f = {
		.anomaly = anomaly,
		.client = l->c ? l->c->ends[CLIENT] : l->s->source,
		.server = l->c ? l->c->ends[SERVER] : l->s->destination,
		.from_client = from == CLIENT,
		.time_ns = l->s->time_ns,
	};

	if (tcp_anomaly_is_ordinary(anomaly) && !t->options.ordinary)
		return;
	if (anomaly <= TCP_BAD_HEADER_LENGTH && t->options.headers_elsewhere)
		return;
	if (l->c) {
		uint64_t *word = &l->c->reported[from][anomaly / 64], bit = 1ull << anomaly % 64;
		if (*word & bit)
			return;
		*word |= bit;
	}
	t->counts.findings++;
	t->options.report(t->options.arg, &f);
}

void look_report(const struct look *l, enum tcp_anomaly anomaly)
{
	report(l, anomaly, l->from);
}

void look_report_peer(const struct look *l, enum tcp_anomaly anomaly)
{
	report(l, anomaly, l->from == CLIENT ? SERVER : CLIENT);
}

/* --- what one segment shows --- */

#define FLAGS_OF_STATE (PK_TCP_FIN | PK_TCP_SYN | PK_TCP_RST | PK_TCP_PSH | PK_TCP_ACK | PK_TCP_URG)

/* False: no state takes a segment with such flags. */
static bool flags_check(const struct look *l)
{
	unsigned f = l->s->flags & FLAGS_OF_STATE; /* the others are congestion signals */
	bool odd = true;

	if (!f)
		look_report(l, TCP_NULL_SCAN);
	else if (f == (PK_TCP_FIN | PK_TCP_PSH | PK_TCP_URG))
		look_report(l, TCP_XMAS_SCAN);
	else
		odd = false;
	if ((f & PK_TCP_SYN) && (f & PK_TCP_FIN)) {
		look_report(l, TCP_SYN_FIN);
		look_report(l, TCP_FIN_SYN);
		odd = true;
	}
	if ((f & PK_TCP_SYN) && (f & PK_TCP_RST)) {
		look_report(l, TCP_SYN_RST);
		odd = true;
	}
	if (!odd && (f & PK_TCP_URG))
		look_report(l, TCP_URGENT);
	else if (!odd && l->s->reserved)
		look_report(l, TCP_RESERVED_FLAGS);
	return !odd;
}

/* False: where its payload begins is not known. */
static bool header_check(const struct look *l, struct tcp_options *o)
{
	const struct segment_view *s = l->s;

	*o = (struct tcp_options){0};
	if (s->header_length < TCP_HEADER_MIN || s->header_length > s->l4_len) {
		look_report(l, TCP_BAD_HEADER_LENGTH);
		look_report(l, TCP_HEADER_LENGTH_TOO_SMALL);
		look_report(l, TCP_INVALID_OPTION_LENGTH);
		return false;
	}
	tcp_options_read(s->options, s->options.len == (size_t)s->header_length - TCP_HEADER_MIN, o);
	if (o->faults & TCP_OPTIONS_INVALID_LENGTH)
		look_report(l, TCP_OPTION_INVALID_LENGTH);
	if (o->faults & TCP_OPTIONS_DUPLICATE)
		look_report(l, TCP_OPTION_DUPLICATE);
	return true;
}

/*
 * False: wrong where others of the same sender are right. A sender of whom none is right is on the host of
 * the capture, or its addresses were changed in the file.
 */
static bool checksum_check(const struct look *l)
{
	switch (tcp_checksum(l->s)) {
	case TCP_CHECKSUM_RIGHT:
		l->me->checksums_right = true;
		return true;
	case TCP_CHECKSUM_WRONG:
		if (!l->me->checksums_right)
			return true;
		look_report(l, TCP_INVALID_CHECKSUM);
		return false;
	case TCP_CHECKSUM_UNFILLED: /* a card fills in those of large segments only, for some senders */
	case TCP_CHECKSUM_UNKNOWN:
		break;
	}
	return true;
}

/* Records were lost since its latest segment: of it, or of others that share its number. */
static void loss_take(struct look *l)
{
	struct tracked *c = l->c;

	l->track->counts.lossy += !c->rejoined;
	tracked_rejoin(l->track, c);
	c->rejoined = true;
	c->lost = l->s->lost;
}

static bool connection_segment(struct look *l)
{
	if (l->s->flags & PK_TCP_RST)
		return data_reset(l);
	if ((l->s->flags & (PK_TCP_SYN | PK_TCP_ACK)) == PK_TCP_SYN)
		return handshake_syn(l);
	if (l->s->flags & PK_TCP_SYN)
		return handshake_syn_ack(l);
	return data_segment(l);
}

static void look_at(struct look *l, struct tracked *c)
{
	l->c = c;
	l->from = endpoint_equal(&c->ends[CLIENT], &l->s->source) ? CLIENT : SERVER;
	l->me = &c->side[l->from];
	l->peer = &c->side[!l->from];
}

bool tcp_track_segment(struct tcp_track *t, const struct segment_view *s)
{
	struct tcp_options o;
	struct look l = {.track = t, .s = s, .o = &o};
	uint64_t hash = segment_hash(t, s);
	struct tracked *c = tracked_find(t, s, hash);
	bool fresh = false;

	t->counts.segments++;
	if (c)
		look_at(&l, c);
	if (c && c->lost != s->lost)
		loss_take(&l);
	if (!header_check(&l, &o) || !flags_check(&l))
		return false;
	/* Windows leaves a number in its resets. */
	if (!(s->flags & (PK_TCP_ACK | PK_TCP_RST)) && s->acknowledgment)
		look_report(&l, TCP_BROKEN_ACK);
	if (!c && (s->flags & PK_TCP_RST)) {
		look_report(&l, TCP_RST_WITHOUT_SESSION);
		return true;
	}
	if (!c) {
		if (s->flags & PK_TCP_FIN)
			look_report(&l, TCP_FIN_WITHOUT_SESSION);
		c = tracked_add(t, s, hash);
		if (!c) {
			t->counts.refused++;
			return true;
		}
		look_at(&l, c);
		fresh = true;
	}
	l.quiet_ns = s->time_ns > c->last_ns ? s->time_ns - c->last_ns : 0;
	c->last_ns = MAX(c->last_ns, s->time_ns);
	list_remove(t, c);
	list_add(t, c);
	if (!checksum_check(&l))
		return false;
	return fresh ? handshake_begin(&l) : connection_segment(&l);
}
