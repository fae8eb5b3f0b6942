// SPDX-License-Identifier: Apache-2.0
/*
 * segments.c: what each segment means to its connection: bytes handed on in order, holes, ends. Positions in
 * a direction are 64-bit offsets from the first byte seen; sequence numbers are only compared with the next
 * one expected, within 2^31. The connections themselves, and who is the client, are pairs.c's.
 */
#include "sensor/segments.h"
#include <errno.h>
#include <stdlib.h>
#include "lib/util.h"
#include "sensor/pairs.h"

#define TCP_HEADER 20

struct segments {
	struct segments_options options;
	struct segments_counts counts; /* without those of `queued` */
	struct reassembly_counts queued;
	struct pairs *pairs;
};

/* One segment, taken apart. */
struct piece {
	uint32_t seq, ack;
	uint16_t flags, urgent; /* urgent pointer */
	struct span bytes;      /* captured of the payload */
	uint32_t len;           /* of the payload */
	uint64_t time_ns;
	uint32_t lost; /* struct pk_lost */
	unsigned from; /* index of the sender's half */
};

static void forget(struct segments *t, struct pair *c)
{
	reassembly_clear(&c->half[0].held, &t->queued);
	reassembly_clear(&c->half[1].held, &t->queued);
	pairs_remove(t->pairs, c);
}

static enum segments_side side_of(const struct pair *c, unsigned half)
{
	return half == c->client ? SEGMENTS_CLIENT : SEGMENTS_SERVER;
}

/* --- handing on --- */

static void open_once(struct segments *t, struct pair *c, uint64_t time_ns)
{
	const struct half *client = &c->half[c->client];

	if (c->opened)
		return;
	c->opened = true;
	t->options.hooks.open(t->options.hooks.arg, &c->flow, client->complete ? &client->first_seq : NULL,
			      c->handshake, time_ns);
}

/* As hand_on, without urgent data in it. */
static void hand_on_piece(struct segments *t, struct pair *c, unsigned which, uint64_t offset,
			  struct span bytes, uint64_t len, uint64_t time_ns)
{
	struct half *h = &c->half[which];
	uint32_t seq = h->next_seq + (uint32_t)(offset - h->next);

	open_once(t, c, time_ns);
	h->next = offset + len;
	h->next_seq = seq + (uint32_t)len;
	t->options.hooks.bytes(t->options.hooks.arg, &c->flow, side_of(c, which), seq, bytes, (uint32_t)len,
			       time_ns);
}

/* The next byte is urgent data, and is no part of the stream. */
static void pass_urgent(struct segments *t, struct pair *c, unsigned which, uint64_t time_ns)
{
	struct half *h = &c->half[which];

	open_once(t, c, time_ns);
	if (t->options.hooks.urgent)
		t->options.hooks.urgent(t->options.hooks.arg, &c->flow, side_of(c, which), h->next_seq,
					time_ns);
	h->has_urgent = false;
	h->next++;
	h->next_seq++;
}

static struct span span_from_offset(struct span s, uint64_t n)
{
	return n < s.len ? (struct span){s.ptr + n, s.len - n} : SPAN_NULL;
}

/* [offset, offset + len) of a half, len > 0, offset >= next: from there on nothing before it is waited for.
 */
static void hand_on(struct segments *t, struct pair *c, unsigned which, uint64_t offset, struct span bytes,
		    uint64_t len, uint64_t time_ns)
{
	struct half *h = &c->half[which];
	uint32_t ahead = h->urgent - (h->next_seq + (uint32_t)(offset - h->next));

	if (!h->has_urgent || ahead >= len) {
		hand_on_piece(t, c, which, offset, bytes, len, time_ns);
		return;
	}
	if (ahead)
		hand_on_piece(t, c, which, offset, (struct span){bytes.ptr, MIN(bytes.len, (size_t)ahead)},
			      ahead, time_ns);
	if (offset + ahead == h->next)
		pass_urgent(t, c, which, time_ns);
	h->has_urgent = false;
	if (len > ahead + 1)
		hand_on_piece(t, c, which, offset + ahead + 1, span_from_offset(bytes, ahead + 1),
			      len - ahead - 1, time_ns);
}

/* The first waiting block, as far as it is not handed on yet. */
static void hand_on_held(struct segments *t, struct pair *c, unsigned which, uint64_t time_ns)
{
	struct half *h = &c->half[which];
	struct reassembly_block *b = reassembly_take(&h->held, &t->queued);

	if (b->end > h->next) {
		uint64_t old = h->next > b->start ? h->next - b->start : 0;
		struct span bytes = span_from_offset(reassembly_bytes(b), old);
		hand_on(t, c, which, b->start + old, bytes, b->end - b->start - old, time_ns);
	}
	free(b);
}

static bool waits(const struct half *h)
{
	return h->held.count > 0;
}

/* There are bytes, but not the next ones. */
static bool has_hole(const struct half *h)
{
	return waits(h) && reassembly_first(&h->held)->start > h->next;
}

/* What is in sequence by now. */
static void drain(struct segments *t, struct pair *c, unsigned which, uint64_t time_ns)
{
	struct half *h = &c->half[which];

	while (waits(h) && !has_hole(h) && !h->unaccepted)
		hand_on_held(t, c, which, time_ns);
	if (waits(h))
		return;
	h->hole_ns = h->acked_ns = 0;
	if (h->fin_known && h->next >= h->fin && !h->finished) {
		h->finished = true;
		if (c->opened && t->options.hooks.finish)
			t->options.hooks.finish(t->options.hooks.arg, &c->flow, side_of(c, which), time_ns);
	}
}

/* The first hole is given up. */
static void give_up(struct segments *t, struct pair *c, unsigned which, uint64_t time_ns)
{
	struct half *h = &c->half[which];

	h->unaccepted = false;
	if (has_hole(h))
		t->counts.holes++;
	if (waits(h))
		hand_on_held(t, c, which, time_ns);
	h->hole_ns = time_ns;
	h->acked_ns = 0;
	drain(t, c, which, time_ns);
}

static bool acked_to(const struct half *h, uint64_t offset)
{
	return h->ack_known && (int32_t)(h->acked - (h->next_seq + (uint32_t)(offset - h->next))) >= 0;
}

/* answered: the other side sends bytes, which belong behind what it acknowledges. */
static void check_hole(struct segments *t, struct pair *c, unsigned which, bool answered, uint64_t now_ns)
{
	struct half *h = &c->half[which];

	while (has_hole(h)) {
		bool acked = acked_to(h, reassembly_first(&h->held)->start);

		if (acked && !h->acked_ns)
			h->acked_ns = now_ns;
		if (!(acked && (answered || now_ns >= h->acked_ns + SEGMENTS_ACKED_NS)) &&
		    now_ns < h->hole_ns + SEGMENTS_HOLE_NS)
			return;
		give_up(t, c, which, now_ns);
	}
}

/* --- keeping what is ahead --- */

/* For want of room. */
static void give_up_crowded(struct segments *t, struct pair *c, unsigned which, uint64_t time_ns)
{
	t->counts.crowded += has_hole(&c->half[which]);
	give_up(t, c, which, time_ns);
}

/* The hole that c has waited for longest. */
static void make_room_in(struct segments *t, struct pair *c, uint64_t time_ns)
{
	unsigned which =
		!waits(&c->half[0]) || (waits(&c->half[1]) && c->half[1].hole_ns < c->half[0].hole_ns);

	give_up_crowded(t, c, which, time_ns);
	if (!waits(&c->half[0]) && !waits(&c->half[1]))
		pairs_set_waiting(t->pairs, c, false);
}

static void keep(struct segments *t, struct pair *c, const struct piece *p, uint64_t offset)
{
	struct half *h = &c->half[p->from];
	struct span bytes = {p->bytes.ptr, MIN(p->bytes.len, (size_t)p->len)};

	if (!waits(h))
		h->hole_ns = p->time_ns;
	if (reassembly_add(&h->held, &t->queued, offset, bytes, p->len)) {
		t->counts.refused++;
		return;
	}
	pairs_set_waiting(t->pairs, c, true);
	while (h->held.charged > SEGMENTS_HALF_MAX)
		give_up_crowded(t, c, p->from, p->time_ns);
	while (t->queued.charged > t->options.held_max)
		make_room_in(t, pairs_waiting(t->pairs), p->time_ns);
}

/* --- one segment --- */

static void take_payload(struct segments *t, struct pair *c, const struct piece *p)
{
	struct half *h = &c->half[p->from];
	struct piece rest = *p;

	int32_t ahead = (int32_t)(p->seq - h->next_seq);
	if (ahead > 0 || h->unaccepted) {
		/* Far beyond any window: a decoy, or the tuple was used again unseen. */
		if (ahead >= 0 && ahead < (1 << 30))
			keep(t, c, p, h->next + (uint32_t)ahead);
		return;
	}
	uint32_t old = (uint32_t) - (int64_t)ahead;
	t->counts.duplicates += MIN(old, p->len);
	if (old >= p->len)
		return;
	rest.bytes = old < p->bytes.len ? (struct span){p->bytes.ptr + old, p->bytes.len - old} : SPAN_NULL;
	hand_on(t, c, p->from, h->next, rest.bytes, p->len - old, p->time_ns);
}

/* As Linux reads the pointer: one behind the byte (net/ipv4/tcp_input.c: tcp_check_urg). */
static void take_urgent(struct pair *c, const struct piece *p)
{
	struct half *h = &c->half[p->from];
	uint32_t at = p->seq + p->urgent - 1;

	if (!(p->flags & PK_TCP_URG) || !p->urgent || !h->started || (int32_t)(at - h->next_seq) < 0)
		return;
	if (h->has_urgent && (int32_t)(at - h->urgent) <= 0)
		return;
	h->has_urgent = true;
	h->urgent = at;
}

static void take_ack(struct pair *c, const struct piece *p)
{
	struct half *other = &c->half[!p->from];

	if (!(p->flags & PK_TCP_ACK) || (p->flags & PK_TCP_RST))
		return;
	if (!other->ack_known || (int32_t)(p->ack - other->acked) > 0) {
		other->ack_known = true;
		other->acked = p->ack;
	}
}

static void take_client_ack(struct segments *t, struct pair *c, const struct piece *p)
{
	bool told = c->acked && c->acked_lost == p->lost;

	c->acked = true;
	c->acked_lost = p->lost;
	if (!c->handshake && c->syn && c->syn_ack) {
		c->handshake = true;
		open_once(t, c, p->time_ns);
	} else if (p->lost && !told && t->options.hooks.acknowledge) {
		t->options.hooks.acknowledge(t->options.hooks.arg, &c->flow, p->time_ns);
	}
}

/* The server takes bytes that came with the SYN (RFC 7413), or will get them again. */
static void settle_syn_data(struct segments *t, struct pair *c, const struct piece *p)
{
	struct half *client = &c->half[c->client];

	if (!client->unaccepted)
		return;
	client->unaccepted = false;
	if (p->from != c->client && p->ack == client->first_seq)
		reassembly_clear(&client->held, &t->queued);
	drain(t, c, c->client, p->time_ns);
}

/* Midway. */
static void half_start(struct half *h, uint32_t first_seq)
{
	h->started = true;
	h->next_seq = h->first_seq = first_seq;
}

static void half_begin(struct half *h, uint32_t first_seq)
{
	if (h->started)
		return;
	h->started = h->complete = true;
	h->next_seq = h->first_seq = first_seq;
}

static void take_syn(struct segments *t, struct pair *c, struct piece *p)
{
	half_begin(&c->half[p->from], p->seq + 1);
	p->seq++; /* of the payload, if any */
	if (!(p->flags & PK_TCP_ACK)) {
		c->syn = true;
		c->syn_seq = p->seq - 1;
		if (p->len && !c->half[p->from].next && !c->syn_ack)
			c->half[p->from].unaccepted = true;
		return;
	}
	c->syn_ack = true;
	/* The client's SYN may be missing: what is acknowledged is its end, unless bytes came with it. */
	half_begin(&c->half[!p->from], p->ack);
	settle_syn_data(t, c, p);
}

static void close_pair(struct segments *t, struct pair *c, uint64_t time_ns)
{
	struct segments_end end = {.handshake = c->handshake};

	if (c->list == PAIRS_CLOSED)
		return;
	for (unsigned i = 0; i < 2; i++)
		while (waits(&c->half[i]))
			give_up(t, c, i, time_ns);
	pairs_set_waiting(t->pairs, c, false);
	pairs_move(t->pairs, c, PAIRS_CLOSED);
	c->closing_ns = time_ns;
	if (!c->opened)
		return;
	end.client_bytes = c->half[c->client].next;
	end.server_bytes = c->half[!c->client].next;
	t->options.hooks.close(t->options.hooks.arg, &c->flow, &end, time_ns);
}

static void take_end(struct segments *t, struct pair *c, const struct piece *p)
{
	struct half *h = &c->half[p->from];

	if (p->flags & PK_TCP_RST) {
		/* A receiver takes it at the expected place only (RFC 5961), or where it refused a SYN. */
		bool exact = !h->started || p->seq == h->next_seq || waits(h) ||
			     (h->ack_known && p->seq == h->acked);
		if (exact && c->list == PAIRS_LIVE) {
			c->closing_ns = p->time_ns;
			pairs_move(t->pairs, c, PAIRS_CLOSING);
		}
		return;
	}
	if (p->flags & PK_TCP_FIN && h->started && !h->fin_known) {
		int32_t ahead = (int32_t)(p->seq + p->len - h->next_seq);
		h->fin_known = true;
		h->fin = ahead > 0 ? h->next + (uint32_t)ahead : h->next;
	}
	drain(t, c, p->from, p->time_ns);
	if (c->half[0].finished && c->half[1].finished)
		close_pair(t, c, p->time_ns);
	else if (h->fin_known && h->next >= h->fin && c->half[!p->from].fin_known && c->list == PAIRS_LIVE) {
		c->closing_ns = p->time_ns;
		pairs_move(t->pairs, c, PAIRS_CLOSING);
	}
}

/* --- the table's places --- */

static void make_room(struct segments *t, uint64_t now_ns)
{
	struct pair *c = pairs_oldest(t->pairs, PAIRS_CLOSED);

	if (!c)
		c = pairs_oldest(t->pairs, PAIRS_CLOSING);
	if (!c) {
		c = pairs_oldest(t->pairs, PAIRS_LIVE);
		t->counts.evicted++;
	}
	close_pair(t, c, now_ns);
	forget(t, c);
}

static struct pair *begin(struct segments *t, const struct pair *key, const struct piece *p)
{
	struct pair_hint hint = {.ports = t->options.ports,
				 .port_count = t->options.port_count,
				 .from = p->from,
				 .flags = p->flags,
				 .bytes = p->bytes};

	struct pair *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	memcpy(c->addr, key->addr, sizeof c->addr);
	memcpy(c->port, key->port, sizeof c->port);
	c->family = key->family;
	if (!pair_find_sides(c, &hint)) {
		free(c);
		return NULL;
	}
	if (pairs_full(t->pairs))
		make_room(t, p->time_ns);
	c->last_ns = p->time_ns;
	pairs_add(t->pairs, c);
	t->counts.connections++;
	return c;
}

/* Is p the beginning of another connection between the same ports? */
static bool begins_anew(struct pair *c, const struct piece *p)
{
	const struct half *h = &c->half[p->from];
	bool syn = p->flags & PK_TCP_SYN && !(p->flags & PK_TCP_ACK);

	if (syn) {
		if (c->syn && p->seq == c->syn_seq && c->client == p->from)
			return false;
		if (c->list != PAIRS_LIVE || !c->opened)
			return true;
		/* Perhaps forged: believed once the server answers it, or the client goes on with it. */
		c->reused = true;
		c->reused_isn = p->seq;
		return false;
	}
	if (c->reused && p->flags & PK_TCP_ACK) {
		if (p->flags & PK_TCP_SYN && p->ack == c->reused_isn + 1)
			return true;
		if (!(p->flags & PK_TCP_SYN) && p->len && p->from == c->client && p->seq == c->reused_isn + 1)
			return true;
	}
	/* Bytes of a closed connection that cannot be its own. */
	if (c->list == PAIRS_CLOSED && p->len && h->started) {
		int32_t ahead = (int32_t)(p->seq - h->next_seq);
		return ahead > (1 << 20) || ahead < -(1 << 24);
	}
	return false;
}

static struct pair *place_of(struct segments *t, const struct pair *key, const struct piece *p)
{
	struct pair *c = pairs_find(t->pairs, key);
	bool useful = p->flags & PK_TCP_SYN || p->len;
	uint32_t isn = 0;
	bool reused = false;

	if (c && begins_anew(c, p)) {
		reused = c->reused && !(p->flags & PK_TCP_SYN && !(p->flags & PK_TCP_ACK));
		isn = c->reused_isn;
		close_pair(t, c, p->time_ns);
		forget(t, c);
		c = NULL;
	}
	if (c || !useful || p->flags & PK_TCP_RST)
		return c;
	c = begin(t, key, p);
	if (!c)
		t->counts.refused++;
	else if (reused)
		half_begin(&c->half[c->client], isn + 1);
	return c;
}

static bool piece_of(const struct pk_segment *rec, struct piece *ret)
{
	const struct pk_header *h = &rec->header;
	uint32_t options = h->header_length - TCP_HEADER;

	if (h->header_length < TCP_HEADER || rec->l4_len < h->header_length)
		return false;
	*ret = (struct piece){.seq = h->sequence,
			      .ack = h->acknowledgment,
			      .flags = h->flags,
			      .urgent = rec->urgent,
			      .len = rec->l4_len - h->header_length,
			      .time_ns = h->rec.time_ns,
			      .lost = h->lost};
	if (rec->captured > options)
		ret->bytes = (struct span){(const char *)(rec + 1) + options,
					   MIN(rec->captured - options, ret->len)};
	return true;
}

/* Would a receiver look at its payload? One without ACK is thrown away, but for a SYN. */
static bool takes_payload(const struct piece *p)
{
	return p->len && !(p->flags & PK_TCP_RST) && p->flags & (PK_TCP_ACK | PK_TCP_SYN);
}

void segments_feed(struct segments *t, const struct pk_segment *rec)
{
	struct pair key = {0};
	struct piece p;

	t->counts.segments++;
	if (!piece_of(rec, &p)) {
		t->counts.refused++;
		return;
	}
	p.from = pair_ends(&rec->header, &key);
	struct pair *c = place_of(t, &key, &p);
	if (t->options.hooks.segment)
		t->options.hooks.segment(t->options.hooks.arg, rec,
					 c ? side_of(c, p.from) : SEGMENTS_STRANGER);
	if (!c || c->list == PAIRS_CLOSED || (c->reused && p.flags & PK_TCP_SYN))
		return;
	if (c->list == PAIRS_LIVE && p.time_ns >= c->last_ns)
		pairs_move(t->pairs, c, PAIRS_LIVE);
	c->last_ns = MAX(c->last_ns, p.time_ns);
	if (p.flags & PK_TCP_SYN)
		take_syn(t, c, &p);
	else if (p.from == c->client)
		settle_syn_data(t, c, &p);
	take_ack(c, &p);
	if (p.from == c->client && p.flags & PK_TCP_ACK && !(p.flags & PK_TCP_RST))
		take_client_ack(t, c, &p);
	bool payload = takes_payload(&p);
	check_hole(t, c, !p.from, payload, p.time_ns);
	if (payload && !c->half[p.from].started)
		half_start(&c->half[p.from], p.seq);
	take_urgent(c, &p);
	if (payload)
		take_payload(t, c, &p);
	drain(t, c, p.from, p.time_ns);
	check_hole(t, c, p.from, false, p.time_ns);
	take_end(t, c, &p);
	pairs_set_waiting(t->pairs, c, waits(&c->half[0]) || waits(&c->half[1]));
}

void segments_tick(struct segments *t, uint64_t now_ns)
{
	struct pair *c, *next;

	for (c = pairs_waiting(t->pairs); c; c = next) {
		next = c->waits_newer;
		check_hole(t, c, 0, false, now_ns);
		check_hole(t, c, 1, false, now_ns);
		pairs_set_waiting(t->pairs, c, waits(&c->half[0]) || waits(&c->half[1]));
	}
	while ((c = pairs_oldest(t->pairs, PAIRS_CLOSING)) && now_ns >= c->closing_ns + SEGMENTS_CLOSE_NS)
		close_pair(t, c, now_ns);
	while ((c = pairs_oldest(t->pairs, PAIRS_CLOSED)) && now_ns >= c->closing_ns + SEGMENTS_CLOSED_NS)
		forget(t, c);
	while ((c = pairs_oldest(t->pairs, PAIRS_LIVE)) && now_ns >= c->last_ns + SEGMENTS_IDLE_NS) {
		t->counts.evicted++;
		close_pair(t, c, now_ns);
	}
}

void segments_end(struct segments *t, uint64_t now_ns)
{
	struct pair *c;

	while ((c = pairs_oldest(t->pairs, PAIRS_CLOSING)) || (c = pairs_oldest(t->pairs, PAIRS_LIVE)))
		close_pair(t, c, now_ns);
}

struct segments_counts segments_counts(const struct segments *t)
{
	struct segments_counts counts = t->counts;

	counts.duplicates += t->queued.duplicates;
	counts.conflicts = t->queued.conflicts;
	counts.held = t->queued.charged;
	counts.held_max = t->options.held_max;
	return counts;
}

int segments_new(const struct segments_options *options, struct segments **ret)
{
	struct segments *t = calloc(1, sizeof *t);

	if (!t)
		return -ENOMEM;
	t->options = *options;
	int r = pairs_new(options->connections_max, &t->pairs);
	if (r) {
		free(t);
		return r;
	}
	*ret = t;
	return 0;
}

void segments_free(struct segments *t)
{
	struct pair *c;

	if (!t)
		return;
	for (unsigned i = 0; i < PAIRS_LISTS; i++)
		while ((c = pairs_oldest(t->pairs, i)))
			forget(t, c);
	pairs_free(t->pairs);
	free(t);
}
