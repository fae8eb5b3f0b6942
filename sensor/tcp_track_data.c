// SPDX-License-Identifier: Apache-2.0
/*
 * tcp_track_data.c: segments of an established connection and of one that ends (RFC 9293 section 3.10.7.4).
 */
#include "lib/util.h"
#include "sensor/tcp_track_internal.h"

/* An acknowledgment may be captured before the segment it speaks of. */
#define LATE_NS (100 * NS_PER_MS)
/* After so long without a segment, timestamps may have wrapped (RFC 7323 section 5.5). */
#define TIMESTAMP_OLD_NS (24ull * 86400 * NS_PER_S)
/* A window may be taken back by what scaling rounds off; this much is more. */
#define WINDOW_SHRINK_MIN 1024
/* Half the sequence numbers: used where a window is not known. */
#define WINDOW_UNKNOWN (1u << 30)

/* What a fault is called in a state. */
struct state_names {
	enum tcp_anomaly sequence, fin_sequence, ack;
};

static struct state_names names_of(enum track_state state)
{
	switch (state) {
	case STATE_CLOSE_WAIT:
		return (struct state_names){TCP_CLOSE_WAIT_ACK_OUT_OF_WINDOW,
					    TCP_CLOSE_WAIT_FIN_OUT_OF_WINDOW, TCP_CLOSE_WAIT_INVALID_ACK};
	case STATE_FIN_WAIT1:
		return (struct state_names){TCP_FIN1_ACK_WRONG_SEQUENCE, TCP_FIN1_FIN_WRONG_SEQUENCE,
					    TCP_FIN1_INVALID_ACK};
	case STATE_FIN_WAIT2:
		return (struct state_names){TCP_FIN2_ACK_WRONG_SEQUENCE, TCP_FIN2_FIN_WRONG_SEQUENCE,
					    TCP_FIN2_INVALID_ACK};
	case STATE_CLOSING:
		return (struct state_names){TCP_CLOSING_ACK_WRONG_SEQUENCE, TCP_CLOSING_ACK_WRONG_SEQUENCE,
					    TCP_CLOSING_INVALID_ACK};
	case STATE_LAST_ACK:
	case STATE_CLOSED:
		return (struct state_names){TCP_LAST_ACK_ACK_WRONG_SEQUENCE, TCP_LAST_ACK_ACK_WRONG_SEQUENCE,
					    TCP_LAST_ACK_INVALID_ACK};
	case STATE_TIME_WAIT:
		return (struct state_names){TCP_TIME_WAIT_ACK_WRONG_SEQUENCE,
					    TCP_TIME_WAIT_ACK_WRONG_SEQUENCE, TCP_TIME_WAIT_INVALID_ACK};
	default:
		return (struct state_names){TCP_ESTABLISHED_PACKET_OUT_OF_WINDOW, TCP_FIN_OUT_OF_WINDOW,
					    TCP_ESTABLISHED_INVALID_ACK};
	}
}

static bool is_fin(const struct look *l)
{
	return l->s->flags & PK_TCP_FIN;
}

static void report_sequence(const struct look *l)
{
	struct state_names n = names_of(l->c->state);

	look_report(l, is_fin(l) ? n.fin_sequence : n.sequence);
}

static void report_ack(const struct look *l)
{
	if (is_fin(l) && l->c->state == STATE_ESTABLISHED)
		look_report(l, TCP_FIN_INVALID_ACK);
	else
		look_report(l, names_of(l->c->state).ack);
	look_report(l, TCP_INVALID_ACK);
}

/* Can the windows that this side offered be told in bytes, and was the capture whole so far? */
static bool window_is_known(const struct look *l, const struct side *s)
{
	return s->has_edge && s->scale_known && !l->c->lossy;
}

/* The widest window this side offered; what lies farther back than that, nobody sends. */
static uint32_t window_widest(const struct look *l, const struct side *s)
{
	return window_is_known(l, s) ? MAX(s->window_max, (uint32_t)UINT16_MAX) : WINDOW_UNKNOWN;
}

/* A keep-alive: nothing, or one byte of any value, in the place before the next one (RFC 9293 section 3.8.4).
 */
static bool is_probe(const struct look *l)
{
	return l->s->payload_len <= 1 && l->me->has_next && l->s->sequence == l->me->next - 1 && !is_fin(l);
}

/* --- resets that did not end it --- */

static void reset_check(const struct look *l)
{
	struct side *me = l->me, *peer = l->peer;

	if (me->reset && (l->s->payload_len || is_fin(l)) && !seq_before(l->s->sequence, me->reset_next))
		look_report(l, TCP_SUSPECTED_RST_INJECTION);
	else if (peer->reset && seq_after(l->s->acknowledgment, peer->reset_next))
		look_report_peer(l, TCP_SUSPECTED_RST_INJECTION);
	else
		return;
	me->reset = peer->reset = false;
}

/* --- acceptability --- */

/*
 * RFC 7323 section 5: a timestamp older than the last one in order. Of a segment that may itself be an old
 * one, nothing is said.
 */
static bool timestamp_check(const struct look *l)
{
	struct side *me = l->me;
	bool late = me->has_next && seq_before(l->s->sequence, me->next);

	if (!l->o->has_timestamps)
		return true;
	if (!me->has_timestamp) {
		if (l->c->midstream) {
			me->has_timestamp = true;
			me->ts_recent = l->o->ts_value;
			me->ts_ns = l->s->time_ns;
		}
		return true;
	}
	late = late || (me->has_acked && seq_before(l->s->acknowledgment, me->acked));
	if (seq_before(l->o->ts_value, me->ts_recent)) {
		if (late || l->s->time_ns - me->ts_ns > TIMESTAMP_OLD_NS)
			return true;
		look_report(l, TCP_INVALID_TIMESTAMP);
		return false;
	}
	if (!late && (!me->has_next || l->s->sequence == me->next)) {
		me->ts_recent = l->o->ts_value;
		me->ts_ns = l->s->time_ns;
	}
	return true;
}

/* Wholly beyond what the other end allowed? One byte there asks whether a closed window has opened. */
static bool is_beyond_window(const struct look *l)
{
	uint32_t edge = l->peer->edge, seq = l->s->sequence;

	if (!window_is_known(l, l->peer))
		return false;
	if (l->s->payload_len > 1)
		return !seq_before(seq, edge);
	return seq_after(seq, edge + !l->s->payload_len);
}

static bool sequence_check(const struct look *l)
{
	uint32_t seq = l->s->sequence, end = seq + l->s->payload_len;

	if (is_probe(l))
		return true;
	if (is_beyond_window(l)) {
		report_sequence(l);
		return false;
	}
	if (l->me->has_isn && l->s->payload_len && seq_before(seq, l->me->isn + 1) &&
	    !(seq == l->me->isn && l->s->payload_len == 1)) {
		look_report(l, TCP_SEGMENT_BEFORE_BASE);
		return seq_after(end, l->me->isn + 1);
	}
	if (l->peer->has_acked && seq_before(end, l->peer->acked - window_widest(l, l->peer))) {
		report_sequence(l);
		return false;
	}
	return true;
}

/* The other end's bytes were acknowledged without having been seen: who is wrong, the capture or the sender?
 */
static void doubts_resolve(const struct look *l)
{
	struct side *me = l->me, *peer = l->peer;
	uint32_t seq = l->s->sequence, end = seq + l->s->payload_len;

	if (me->doubtful_ack && seq_before(l->s->acknowledgment, me->doubt)) {
		/* Its own later word is an earlier one. */
		me->doubtful_ack = false;
		report_ack(l);
	}
	if (!peer->doubtful_ack || !l->s->payload_len)
		return;
	if (!seq_before(seq, peer->doubt)) { /* it goes on behind it: they were sent, and not captured */
		peer->doubtful_ack = false;
		l->c->lossy = true;
		look_report(l, TCP_SEQUENCE_GAP);
	} else if (!seq_before(end, peer->doubt)) {
		peer->doubtful_ack = false;
	} else if (seq == me->next && l->s->time_ns > peer->doubt_ns + LATE_NS) {
		peer->doubtful_ack = false;
		look_report_peer(l, names_of(l->c->state).ack);
		look_report_peer(l, TCP_INVALID_ACK);
	}
}

static bool ack_beyond(const struct look *l)
{
	struct side *me = l->me, *peer = l->peer;
	uint32_t ack = l->s->acknowledgment;

	if (l->c->lossy || l->c->midstream) {
		l->c->lossy = true;
		peer->next = ack;
		return true;
	}
	if (window_is_known(l, me) &&
	    seq_after(ack, me->edge + 1)) { /* more than it ever allowed to be sent */
		report_ack(l);
		return false;
	}
	me->doubtful_ack = true;
	me->doubt = ack;
	me->doubt_ns = l->s->time_ns;
	return true;
}

static bool ack_check(const struct look *l)
{
	struct side *me = l->me, *peer = l->peer;
	uint32_t ack = l->s->acknowledgment;

	if (peer->has_next && seq_after(ack, peer->next)) {
		if (!ack_beyond(l))
			return false;
		if (me->doubtful_ack) /* not believed before it is clear */
			return true;
	} else if (me->has_acked && seq_before(ack, me->acked - window_widest(l, me))) {
		report_ack(l); /* RFC 5961 section 5.2 */
		return false;
	}
	if (peer->has_hole && seq_after(ack, peer->hole)) { /* the other end has it, the capture has not */
		peer->has_hole = false;
		l->c->lossy = true;
		look_report_peer(l, TCP_SEQUENCE_GAP);
	}
	me->acked = me->has_acked ? seq_max(me->acked, ack) : ack;
	me->has_acked = true;
	return true;
}

static bool fin_check(const struct look *l)
{
	uint32_t end = l->s->sequence + l->s->payload_len;

	if (!l->me->has_fin)
		return true;
	if (l->s->payload_len && seq_after(end, l->me->fin)) {
		look_report(l, TCP_DATA_AFTER_FIN);
		return false;
	}
	if (is_fin(l) && end != l->me->fin) {
		report_sequence(l);
		return false;
	}
	return true;
}

/* --- what is taken --- */

static void repetition_check(const struct look *l)
{
	const struct side *me = l->me;
	uint32_t end = l->s->sequence + l->s->payload_len;

	if (!l->s->payload_len || seq_after(end, me->next) || me->has_hole)
		return; /* new, or perhaps what was missing */
	if (!l->peer->has_acked || seq_after(end, l->peer->acked)) {
		look_report(l, TCP_RETRANSMISSION);
		return;
	}
	look_report(l, TCP_SPURIOUS_RETRANSMISSION);
	if (l->c->state == STATE_ESTABLISHED)
		look_report(l, TCP_ESTABLISHED_PACKET_BEFORE_LAST_ACK);
	else if (l->c->state == STATE_CLOSE_WAIT)
		look_report(l, TCP_CLOSE_WAIT_PACKET_BEFORE_LAST_ACK);
}

static void payload_take(struct look *l)
{
	struct side *me = l->me;
	uint32_t seq = l->s->sequence, end = seq + l->s->payload_len;

	if (l->s->payload_len) {
		repetition_check(l);
		struct tcp_history *h = l->s->payload.len ? history_of(l) : NULL;
		if (h && tcp_history_add(h, seq, l->s->payload))
			look_report(l, TCP_OVERLAP_DIFFERENT_DATA);
	}
	if (l->s->payload_len && seq_after(seq, me->next) && !me->has_hole) {
		me->has_hole = true;
		me->hole = me->next;
	} else if (me->has_hole && !seq_after(seq, me->hole) && seq_after(end, me->hole)) {
		me->has_hole = false;
	}
	me->next = seq_max(me->next, end + is_fin(l));
	if (l->s->flags & PK_TCP_URG && ++me->urgents > TCP_URGENT_MAX) {
		look_report(l, TCP_URGENT_LIMIT_REACHED);
		me->urgents = TCP_URGENT_MAX;
	}
}

static void fin_take(struct look *l)
{
	struct tracked *c = l->c;
	bool acks_ours = c->side[SERVER].has_fin && seq_after(l->s->acknowledgment, c->side[SERVER].fin);

	if (l->me->has_fin)
		return;
	l->me->has_fin = true;
	l->me->fin = l->s->sequence + l->s->payload_len;
	if (l->from == SERVER)
		c->state = c->state == STATE_CLOSE_WAIT ? STATE_LAST_ACK : STATE_FIN_WAIT1;
	else if (c->state == STATE_FIN_WAIT1)
		c->state = acks_ours ? STATE_TIME_WAIT : STATE_CLOSING;
	else if (c->state == STATE_FIN_WAIT2)
		c->state = STATE_TIME_WAIT;
	else
		c->state = STATE_CLOSE_WAIT;
}

/* The client acknowledges our FIN. */
static void ack_take(struct look *l)
{
	const struct side *server = &l->c->side[SERVER];

	if (l->from != CLIENT || !server->has_fin || !seq_after(l->s->acknowledgment, server->fin))
		return;
	if (l->c->state == STATE_FIN_WAIT1)
		l->c->state = STATE_FIN_WAIT2;
	else if (l->c->state == STATE_CLOSING)
		l->c->state = STATE_TIME_WAIT;
	else if (l->c->state == STATE_LAST_ACK)
		l->c->state = STATE_CLOSED;
}

static void closed_window_check(const struct look *l, uint32_t window)
{
	struct side *me = l->me;
	uint64_t now = l->s->time_ns;

	if (me->closed_window_ns && now > me->closed_window_ns &&
	    now - me->closed_window_ns >= TCP_ZERO_WINDOW_NS)
		look_report(l, TCP_ZERO_WINDOW);
	if (window)
		me->closed_window_ns = 0;
	else if (!me->closed_window_ns && !is_fin(l))
		me->closed_window_ns = now;
}

void data_window(struct look *l)
{
	struct side *me = l->me;
	uint32_t window = (uint32_t)l->s->window << me->scale, edge = l->s->acknowledgment + window;
	bool in_order = l->s->sequence == me->next && l->s->acknowledgment == me->acked;

	closed_window_check(l, window);
	if (!me->scale_known)
		return;
	/* The same acknowledgment with much less room: RFC 9293 section 3.8.6 tells receivers not to. */
	if (me->window && in_order && !l->s->payload_len && window && window < me->window / 2 &&
	    me->window - window >= WINDOW_SHRINK_MIN && seq_before(edge, me->edge) && !l->c->lossy)
		look_report(l, TCP_BAD_WINDOW_UPDATE);
	me->window = window;
	me->window_max = MAX(me->window_max, window);
	me->edge = me->has_edge ? seq_max(me->edge, edge) : edge;
	me->has_edge = true;
}

bool data_segment(struct look *l)
{
	if (!(l->s->flags & PK_TCP_ACK)) {
		look_report(l, TCP_ACK_FLAG_MISSING);
		return false;
	}
	reset_check(l);
	if (l->c->state < STATE_ESTABLISHED && !handshake_ack(l))
		return false;
	if (!l->me->has_next) {
		l->me->has_next = true;
		l->me->next = l->s->sequence;
	}
	doubts_resolve(l);
	if (!sequence_check(l) || !ack_check(l) || !timestamp_check(l) || !fin_check(l))
		return false;
	if (!is_probe(l))
		payload_take(l);
	ack_take(l);
	if (is_fin(l))
		fin_take(l);
	data_window(l);
	return true;
}

/* --- RST --- */

/* Is it one that the other end would act upon (RFC 9293 section 3.10.7.3 and 3.10.7.4)? */
static bool reset_is_acceptable(const struct look *l)
{
	const struct side *peer = l->peer;
	uint32_t seq = l->s->sequence, ack = l->s->acknowledgment;
	bool has_ack = l->s->flags & PK_TCP_ACK;

	if (l->c->state == STATE_SYN_SENT && l->from == SERVER) {
		if (!has_ack || in_range(ack, peer->isn + 1, peer->isn + 1 + l->c->syn_payload))
			return true;
		if (peer->has_other_isn && ack == peer->other_isn + 1)
			return true;
		if (l->c->unsure) /* of what the SYN fell into */
			return true;
		look_report(l, TCP_RST_INVALID_ACK);
		return false;
	}
	if (l->c->midstream || l->c->lossy)
		return true;
	if (has_ack && peer->has_next && seq_after(ack, peer->next)) {
		look_report(l, TCP_RST_INVALID_ACK);
		return false;
	}
	if ((window_is_known(l, peer) && seq_after(seq, peer->edge + 1)) ||
	    (peer->has_acked && seq_before(seq, peer->acked - window_widest(l, peer)))) {
		look_report(l, TCP_RST_OUT_OF_WINDOW);
		return false;
	}
	return true;
}

bool data_reset(struct look *l)
{
	timestamp_check(l);
	if (!reset_is_acceptable(l))
		return true;
	if (!l->me->reset) {
		l->me->reset = true;
		l->me->reset_next = l->me->has_next ? l->me->next : l->s->sequence;
	}
	return true;
}
