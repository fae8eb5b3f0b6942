// SPDX-License-Identifier: Apache-2.0
/*
 * tcp_track_handshake.c: from the first segment to the established connection (RFC 9293 section 3.5).
 */
#include "lib/util.h"
#include "sensor/tcp_track_internal.h"

/* Other ISNs in one handshake, from which on it is no longer taken for an accident. */
#define SYNS_MAX     10
#define SYN_ACKS_MAX 5
/* Without a word from both for so long, a SYN begins a new connection: the old one's end was not seen. */
#define STALE_NS (120ull * NS_PER_S)

static void side_begin(struct side *s, const struct segment_view *seg)
{
	s->has_isn = s->has_next = true;
	s->isn = seg->sequence;
	s->next = seg->sequence + 1 + seg->payload_len;
}

static void side_timestamp(const struct look *l)
{
	l->me->has_timestamp = l->o->has_timestamps;
	l->me->ts_recent = l->o->ts_value;
	l->me->ts_ns = l->s->time_ns;
}

/* The client's SYN. */
static bool begin_syn(struct look *l)
{
	struct tracked *c = l->c;

	c->state = STATE_SYN_SENT;
	c->scaling = l->o->has_scale;
	c->client_scale = l->o->scale;
	c->syn_window = l->s->window;
	c->syn_payload = l->s->payload_len;
	side_begin(l->me, l->s);
	l->me->isns = 1;
	side_timestamp(l);
	return true;
}

/* Swaps the sides: who sent the segment at hand is the server. */
static void make_server(struct look *l)
{
	struct tracked *c = l->c;
	struct endpoint client = c->ends[l->from == CLIENT ? SERVER : CLIENT];

	if (l->from == CLIENT) {
		struct side me = c->side[CLIENT];

		c->ends[SERVER] = c->ends[CLIENT];
		c->ends[CLIENT] = client;
		c->side[CLIENT] = c->side[SERVER];
		c->side[SERVER] = me;
		l->from = SERVER;
		l->me = &c->side[SERVER];
		l->peer = &c->side[CLIENT];
	}
}

/* The server's SYN and ACK: from here on windows can be told in bytes, if the client's SYN was seen. */
static void take_syn_ack(struct look *l)
{
	struct tracked *c = l->c;
	bool scaling = l->o->has_scale && (c->scaling || c->midstream);

	side_begin(l->me, l->s);
	l->me->isns = 1;
	l->me->scale_known = true;
	l->me->scale = scaling ? l->o->scale : 0;
	l->peer->scale_known = !c->midstream || !scaling;
	l->peer->scale = scaling ? c->client_scale : 0;
	side_timestamp(l);
	if (!l->o->has_timestamps)
		l->peer->has_timestamp = false;
	/* The windows of both SYNs are not scaled (RFC 7323 section 2.2). */
	l->me->has_acked = true;
	l->me->acked = l->s->acknowledgment;
	l->me->has_edge = true;
	l->me->edge = l->s->acknowledgment + l->s->window;
	l->me->window_max = l->s->window;
	if (!c->midstream) {
		l->peer->has_edge = true;
		l->peer->edge = l->s->sequence + 1 + c->syn_window;
		l->peer->window_max = c->syn_window;
	}
	c->state = STATE_SYN_RECEIVED;
}

static bool begin_syn_ack(struct look *l)
{
	l->c->midstream = true;
	make_server(l);
	l->peer->has_isn = l->peer->has_next = true;
	l->peer->isn = l->s->acknowledgment - 1;
	l->peer->next = l->s->acknowledgment;
	take_syn_ack(l);
	return true;
}

static bool port_is_named(const struct tcp_track *t, uint16_t port)
{
	for (unsigned i = 0; i < t->options.port_count; i++)
		if (t->options.ports[i] == port)
			return true;
	return false;
}

/* No SYN was seen: a named port is the server's, else the lower one. */
static bool from_server(const struct look *l)
{
	bool source = port_is_named(l->track, l->s->source.port);
	bool destination = port_is_named(l->track, l->s->destination.port);

	return source != destination ? source : l->s->source.port < l->s->destination.port;
}

bool handshake_begin(struct look *l)
{
	if ((l->s->flags & (PK_TCP_SYN | PK_TCP_ACK)) == PK_TCP_SYN) {
		l->c->unsure = l->s->lost; /* what came before it may be missing */
		return begin_syn(l);
	}
	if (l->s->flags & PK_TCP_SYN)
		return begin_syn_ack(l);
	l->c->midstream = true;
	l->c->state = STATE_ESTABLISHED;
	if (from_server(l))
		make_server(l);
	return data_segment(l);
}

static bool has_ended(const struct look *l)
{
	const struct tracked *c = l->c;
	const struct side *a = &c->side[CLIENT], *b = &c->side[SERVER];

	return a->reset || b->reset || c->state == STATE_TIME_WAIT || c->state == STATE_CLOSED ||
	       (a->has_fin && b->has_fin);
}

/* May a SYN begin a new connection in the place of this one? */
static bool is_over(const struct look *l)
{
	return l->c->midstream || has_ended(l);
}

/* That SYN did not begin what is seen here: it goes on in the middle. */
static void resume(struct look *l)
{
	tracked_rejoin(l->track, l->c);
}

static bool syn_again(struct look *l)
{
	struct side *me = l->me;

	if (l->s->sequence == me->isn)
		return true;
	me->has_other_isn = true;
	me->other_isn = me->isn;
	if (++me->isns >= SYNS_MAX) {
		look_report(l, TCP_SYN_FLOOD);
		me->isns = SYNS_MAX - 1;
	}
	uint8_t isns = me->isns;
	begin_syn(l);
	me->isns = isns;
	return true;
}

static bool syn_in_established(const struct look *l)
{
	if (l->from == SERVER)
		look_report(l, TCP_ESTABLISHED_SYN_TOCLIENT);
	else if (l->me->has_isn && l->s->sequence == l->me->isn)
		look_report(l, TCP_ESTABLISHED_SYN_RESEND);
	else
		look_report(l, TCP_ESTABLISHED_SYN_RESEND_DIFFERENT_SEQUENCE);
	return false;
}

bool handshake_syn(struct look *l)
{
	struct tracked *c = l->c;

	if (is_over(l) || l->quiet_ns > STALE_NS) {
		bool unsure = !has_ended(l) && l->quiet_ns <= STALE_NS;

		tracked_renew(l->track, c, l->from);
		l->from = CLIENT;
		l->me = &c->side[CLIENT];
		l->peer = &c->side[SERVER];
		c->unsure = unsure;
		return begin_syn(l);
	}
	switch (c->state) {
	case STATE_SYN_SENT:
		if (l->from == CLIENT)
			return syn_again(l);
		c->state = STATE_SIMULTANEOUS;
		c->simultaneous = true;
		side_begin(l->me, l->s);
		side_timestamp(l);
		return true;
	case STATE_SIMULTANEOUS:
		if (l->s->sequence != l->me->isn)
			look_report(l, TCP_SIMULTANEOUS_OPEN_WRONG_SEQUENCE);
		return l->s->sequence == l->me->isn;
	case STATE_SYN_RECEIVED:
		if (l->from == SERVER)
			look_report(l, TCP_HANDSHAKE_SYN_TOCLIENT_ON_SYN_RECEIVED);
		else if (l->s->sequence != l->me->isn)
			look_report(l, TCP_HANDSHAKE_SYN_RESEND_DIFFERENT_SEQUENCE_ON_SYN_RECEIVED);
		return false;
	case STATE_ESTABLISHED:
		return syn_in_established(l);
	default:
		look_report(l, TCP_SHUTDOWN_SYN_RESEND);
		return false;
	}
}

/* What the client's SYN may be acknowledged by: itself, or with its data, or an earlier one. */
static bool syn_ack_fits(const struct look *l)
{
	uint32_t ack = l->s->acknowledgment;

	if (in_range(ack, l->peer->isn + 1, l->peer->isn + 1 + l->c->syn_payload))
		return true;
	return l->peer->has_other_isn && ack == l->peer->other_isn + 1;
}

static bool syn_ack_in_established(struct look *l);

static bool syn_ack_in_syn_sent(struct look *l)
{
	struct side *client = l->peer;

	if (l->from == CLIENT) {
		look_report(l, TCP_HANDSHAKE_SYN_ACK_IN_WRONG_DIRECTION);
		return false;
	}
	if (!syn_ack_fits(l) && l->c->unsure) {
		resume(l);
		return syn_ack_in_established(l);
	}
	if (!syn_ack_fits(l)) {
		look_report(l, TCP_HANDSHAKE_SYN_ACK_WITH_WRONG_ACK);
		return false;
	}
	if (l->s->acknowledgment == client->other_isn + 1 && client->has_other_isn)
		client->isn = client->other_isn;
	if (l->c->syn_payload && l->s->acknowledgment == client->isn + 1)
		look_report(l, TCP_HANDSHAKE_SYN_ACK_TFO_DATA_IGNORED);
	l->c->early_data = l->s->acknowledgment != client->isn + 1;
	client->next = l->s->acknowledgment;
	take_syn_ack(l);
	return true;
}

static bool syn_ack_in_syn_received(struct look *l)
{
	struct side *me = l->me;

	if (l->from == CLIENT &&
	    (l->c->unsure || l->c->midstream)) { /* both sent a SYN, not both were seen */
		resume(l);
		return true;
	}
	if (l->from == CLIENT) {
		look_report(l, TCP_HANDSHAKE_SYN_ACK_TOSERVER_ON_SYN_RECEIVED);
		return false;
	}
	if (l->s->sequence == me->isn && l->s->acknowledgment == me->acked)
		return true;
	if (l->s->sequence != me->isn) {
		me->has_other_isn = true; /* the client says which one it believes */
		me->other_isn = l->s->sequence;
		look_report(l, TCP_HANDSHAKE_SYN_ACK_RESEND_WITH_DIFFERENT_SEQUENCE);
	}
	if (l->s->acknowledgment != me->acked)
		look_report(l, TCP_HANDSHAKE_SYN_ACK_RESEND_WITH_DIFFERENT_ACK);
	if (++me->isns >= SYN_ACKS_MAX) {
		look_report(l, TCP_SYN_ACK_FLOOD);
		me->isns = SYN_ACKS_MAX - 1;
	}
	return false;
}

static bool syn_ack_in_simultaneous(const struct look *l)
{
	bool right_syn = l->s->sequence == l->me->isn;
	bool right_ack = l->s->acknowledgment == l->peer->isn + 1;

	if (!right_syn)
		look_report(l, TCP_SIMULTANEOUS_OPEN_SYN_ACK_WITH_WRONG_SYN);
	if (!right_ack)
		look_report(l, TCP_SIMULTANEOUS_OPEN_SYN_ACK_WITH_WRONG_ACK);
	return right_syn && right_ack;
}

static bool syn_ack_in_established(struct look *l)
{
	if (l->c->simultaneous)
		return true;
	if (l->from == CLIENT) {
		if (!l->c->midstream)
			look_report(l, TCP_ESTABLISHED_SYN_ACK_TOSERVER);
		return false;
	}
	if (!l->me->has_isn) {
		/* Captured behind the client's first words. */
		l->me->has_isn = true;
		l->me->isn = l->s->sequence;
		if (!l->me->has_next) {
			l->me->has_next = true;
			l->me->next = l->s->sequence + 1;
		}
		return true;
	}
	if (l->s->sequence != l->me->isn)
		look_report(l, TCP_ESTABLISHED_SYN_ACK_RESEND_WITH_DIFFERENT_SEQUENCE);
	else if (l->peer->has_isn && !in_range(l->s->acknowledgment, l->peer->isn + 1, l->peer->next))
		look_report(l, TCP_ESTABLISHED_SYN_ACK_RESEND_WITH_DIFFERENT_ACK);
	else
		look_report(l, TCP_ESTABLISHED_SYN_ACK_RESEND);
	return false;
}

bool handshake_syn_ack(struct look *l)
{
	switch (l->c->state) {
	case STATE_SYN_SENT:
		return syn_ack_in_syn_sent(l);
	case STATE_SIMULTANEOUS:
		return syn_ack_in_simultaneous(l);
	case STATE_SYN_RECEIVED:
		return syn_ack_in_syn_received(l);
	case STATE_ESTABLISHED:
		return syn_ack_in_established(l);
	default:
		if (is_over(l)) { /* a new connection whose SYN was not seen */
			tracked_renew(l->track, l->c, l->from == CLIENT ? SERVER : CLIENT);
			l->from = SERVER;
			l->me = &l->c->side[SERVER];
			l->peer = &l->c->side[CLIENT];
			return begin_syn_ack(l);
		}
		return false;
	}
}

/* --- the ACK that completes it --- */

/* The server was not seen to answer: its direction is missing, or its answer was captured later. */
static bool ack_in_syn_sent(struct look *l)
{
	uint32_t base = l->me->isn + 1;

	if (l->from == SERVER) {
		/* Without its SYN: an old connection's end (RFC 5961), or the capture missed it. */
		if (l->s->payload_len && l->s->acknowledgment != l->peer->isn + 1 && l->c->unsure) {
			resume(l);
			return true;
		}
		if (l->s->acknowledgment != l->peer->isn + 1 || !l->s->payload_len)
			return false;
		l->c->lossy = true;
		l->c->state = STATE_ESTABLISHED;
		return true;
	}
	/* Before it knows the server's window it has none larger than 64 KiB to go by. */
	if (!in_range(l->s->sequence, base, base + l->c->syn_payload + UINT16_MAX) &&
	    !(l->me->has_other_isn && l->s->sequence == l->me->other_isn + 1)) {
		if (l->c->unsure) {
			resume(l);
			return true;
		}
		look_report(l, TCP_HANDSHAKE_ASYNC_WRONG_SEQUENCE);
		return false;
	}
	l->me->next = l->s->sequence;
	l->c->state = STATE_ESTABLISHED;
	return true;
}

static bool server_speaks_in_syn_received(struct look *l)
{
	/* One direction alone shows no third ACK; with early data the server need not wait for it. */
	if (l->c->midstream) {
		l->c->state = STATE_ESTABLISHED;
		return true;
	}
	if (l->c->early_data)
		return true;
	if (l->s->payload_len || l->s->flags & PK_TCP_FIN)
		look_report(l, TCP_HANDSHAKE_ACK_DATA_INJECTION);
	else
		look_report(l, TCP_HANDSHAKE_ACK_IN_WRONG_DIR);
	return true;
}

static bool ack_in_syn_received(struct look *l)
{
	uint32_t base = l->me->isn + 1;
	bool right_sequence, right_ack;

	if (l->from == SERVER)
		return server_speaks_in_syn_received(l);
	if (l->peer->has_other_isn && l->s->acknowledgment == l->peer->other_isn + 1) {
		l->me->edge += l->peer->other_isn - l->peer->isn;
		l->peer->isn = l->peer->other_isn;
		l->peer->next = l->peer->isn + 1;
	}
	right_sequence = in_range(l->s->sequence, base, seq_max(l->peer->edge, l->me->next));
	right_ack = in_range(l->s->acknowledgment, l->peer->isn + 1, l->peer->next);
	if (right_sequence && right_ack) {
		l->c->state = STATE_ESTABLISHED;
		return true;
	}
	if (l->c->midstream) { /* what began it may have been anything */
		l->c->lossy = true;
		l->c->state = STATE_ESTABLISHED;
		return true;
	}
	look_report(l, right_sequence ? TCP_HANDSHAKE_RIGHT_SEQUENCE_WRONG_ACK_EVASION
				      : TCP_HANDSHAKE_WRONG_SEQUENCE_WRONG_ACK);
	return false;
}

static bool ack_in_simultaneous(struct look *l)
{
	bool right_sequence = l->s->sequence == l->me->isn + 1;
	bool right_ack = l->s->acknowledgment == l->peer->isn + 1;

	if (!right_sequence)
		look_report(l, TCP_SIMULTANEOUS_OPEN_WRONG_SEQUENCE);
	if (!right_ack)
		look_report(l, TCP_SIMULTANEOUS_OPEN_INVALID_ACK);
	if (!right_sequence || !right_ack)
		return false;
	l->c->state = STATE_ESTABLISHED;
	return true;
}

bool handshake_ack(struct look *l)
{
	switch (l->c->state) {
	case STATE_SYN_SENT:
		return ack_in_syn_sent(l);
	case STATE_SYN_RECEIVED:
		return ack_in_syn_received(l);
	case STATE_SIMULTANEOUS:
		return ack_in_simultaneous(l);
	default:
		return true;
	}
}
