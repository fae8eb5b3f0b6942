// SPDX-License-Identifier: Apache-2.0
/*
 * segments.c: a chained hash table of connections (its hash has a secret, as outsiders choose the tuples),
 * each with two directions. Positions in a direction are 64-bit offsets from the first byte seen; sequence
 * numbers are only compared with the next one expected, within 2^31.
 */
#include "sensor/segments.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include "lib/util.h"
#include "sensor/http1.h"
#include "sensor/http1_response.h"

#define TCP_HEADER 20

/* Bytes that wait behind a hole. Sorted by start; they do not overlap. */
struct block {
	struct block *after;
	uint64_t start, end; /* offsets; end - start may be more than len: not all was captured */
	uint64_t origin;     /* where the segment began that it is of, before its beginning was cut off */
	uint32_t len, size;  /* captured; what there is room for */
	char bytes[];
};

/* One direction: what one side sends. */
struct half {
	uint64_t next;     /* offset of the first byte not handed on */
	uint32_t next_seq; /* the same as a sequence number */
	uint32_t first_seq;
	struct block *held;
	uint64_t held_bytes;
	uint64_t fin;      /* offset behind its last byte, if fin_known */
	uint64_t hole_ns;  /* since when something waits */
	uint64_t acked_ns; /* since when what it waits for is acknowledged; 0: it is not */
	uint32_t acked;    /* the other side's acknowledgment, if ack_known */
	uint32_t urgent;   /* sequence number of the urgent byte, if has_urgent */
	bool has_urgent;
	bool started;  /* next_seq is known */
	bool complete; /* ... from its SYN */
	bool ack_known, fin_known, finished;
	bool unaccepted; /* bytes came with the SYN, and the server has not said yet whether it takes them */
};

enum { LIVE, CLOSING, CLOSED, LISTS };

struct connection_pair {
	struct connection_pair *chain, *older, *newer; /* of the list `list` */
	struct connection_pair *waits_older, *waits_newer;
	struct pk_flow flow; /* as the hooks get it, once sides are known */
	uint8_t addr[2][16];
	uint16_t port[2], family;
	uint8_t list;
	bool sides_known, opened, waits;
	bool syn, syn_ack, handshake;
	uint8_t client; /* index of the client's half, if sides_known */
	uint32_t syn_seq, reused_isn;
	bool reused; /* a SYN with another ISN came: reused_isn */
	uint64_t last_ns, closing_ns;
	struct half half[2]; /* by address and port, the lower first */
};

struct list {
	struct connection_pair *oldest, *newest;
};

struct segments {
	struct segments_options options;
	struct segments_counts counts;
	size_t count, buckets;
	uint64_t secret[2];
	struct list lists[LISTS];
	struct connection_pair *waiting; /* those with bytes behind a hole */
	struct connection_pair *table[];
};

/* One segment, taken apart. */
struct piece {
	uint32_t seq, ack;
	uint16_t flags, urgent; /* urgent pointer */
	struct span bytes;      /* captured of the payload */
	uint32_t len;           /* of the payload */
	uint64_t time_ns;
	unsigned from; /* index of the sender's half */
};

/* --- table --- */

static uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t m = (__uint128_t)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static size_t bucket_of(const struct segments *t, const struct connection_pair *k)
{
	uint64_t w[4];

	memcpy(w, k->addr, sizeof w);
	uint64_t h = mix(w[0] ^ t->secret[1], w[1] ^ ((uint64_t)k->port[0] << 32 | k->port[1]));
	h = mix(h ^ w[2], w[3] ^ t->secret[0] ^ k->family);
	return mix(h ^ t->secret[0], t->secret[1] | 1) & (t->buckets - 1);
}

/* The tuple with its ends in order; which of them sent. */
static unsigned tuple_of(const struct pk_header *h, struct connection_pair *ret)
{
	int order = memcmp(h->source_addr, h->destination_addr, 16);
	unsigned from = order > 0 || (order == 0 && h->source_port > h->destination_port);

	memcpy(ret->addr[from], h->source_addr, 16);
	memcpy(ret->addr[!from], h->destination_addr, 16);
	ret->port[from] = h->source_port;
	ret->port[!from] = h->destination_port;
	ret->family = h->family;
	return from;
}

static bool same_tuple(const struct connection_pair *a, const struct connection_pair *b)
{
	return a->family == b->family && a->port[0] == b->port[0] && a->port[1] == b->port[1] &&
	       memcmp(a->addr, b->addr, sizeof a->addr) == 0;
}

static struct connection_pair *find(const struct segments *t, const struct connection_pair *key)
{
	struct connection_pair *c = t->table[bucket_of(t, key)];

	while (c && !same_tuple(c, key))
		c = c->chain;
	return c;
}

static void list_add(struct segments *t, struct connection_pair *c, unsigned which)
{
	struct list *l = &t->lists[which];

	c->list = (uint8_t)which;
	c->newer = NULL;
	c->older = l->newest;
	*(l->newest ? &l->newest->newer : &l->oldest) = c;
	l->newest = c;
}

static void list_take(struct segments *t, struct connection_pair *c)
{
	struct list *l = &t->lists[c->list];

	*(c->older ? &c->older->newer : &l->oldest) = c->newer;
	*(c->newer ? &c->newer->older : &l->newest) = c->older;
}

static void list_move(struct segments *t, struct connection_pair *c, unsigned which)
{
	list_take(t, c);
	list_add(t, c, which);
}

static void waits_set(struct segments *t, struct connection_pair *c, bool waits)
{
	if (c->waits == waits)
		return;
	c->waits = waits;
	if (waits) {
		c->waits_older = NULL;
		c->waits_newer = t->waiting;
		if (t->waiting)
			t->waiting->waits_older = c;
		t->waiting = c;
		return;
	}
	*(c->waits_older ? &c->waits_older->waits_newer : &t->waiting) = c->waits_newer;
	if (c->waits_newer)
		c->waits_newer->waits_older = c->waits_older;
}

static void half_drop(struct segments *t, struct half *h)
{
	while (h->held) {
		struct block *b = h->held;
		h->held = b->after;
		free(b);
	}
	t->counts.held -= h->held_bytes;
	h->held_bytes = 0;
}

static void forget(struct segments *t, struct connection_pair *c)
{
	struct connection_pair **at = &t->table[bucket_of(t, c)];

	while (*at != c)
		at = &(*at)->chain;
	*at = c->chain;
	half_drop(t, &c->half[0]);
	half_drop(t, &c->half[1]);
	waits_set(t, c, false);
	list_take(t, c);
	t->count--;
	free(c);
}

/* --- sides --- */

static void set_sides(struct connection_pair *c, unsigned client)
{
	c->sides_known = true;
	c->client = (uint8_t)client;
	c->flow = (struct pk_flow){
		.family = c->family, .peer_port = c->port[client], .local_port = c->port[!client]};
	memcpy(c->flow.peer_addr, c->addr[client], 16);
	memcpy(c->flow.local_addr, c->addr[!client], 16);
}

static bool port_named(const struct segments *t, uint16_t port)
{
	for (unsigned i = 0; i < t->options.port_count; i++)
		if (t->options.ports[i] == port)
			return true;
	return false;
}

/* By its first bytes: 1 a client's, 0 a server's, -1 unknown. */
static int client_speaks(struct span bytes)
{
	unsigned status;

	if (bytes.len >= 6 && bytes.ptr[0] == 0x16 && bytes.ptr[1] == 3) { /* TLS handshake record */
		if (bytes.ptr[5] == 1)
			return 1;
		if (bytes.ptr[5] == 2)
			return 0;
	}
	if (http1_status(bytes, &status) == 0)
		return 0;
	return http1_start_line(bytes, true) == 0 ? 1 : -1;
}

/* False: none of the ports that are looked at. */
static bool find_sides(const struct segments *t, struct connection_pair *c, const struct piece *p)
{
	bool first = port_named(t, c->port[0]), second = port_named(t, c->port[1]);

	if (t->options.port_count && !first && !second)
		return false;
	if (p->flags & PK_TCP_SYN) {
		set_sides(c, p->flags & PK_TCP_ACK ? !p->from : p->from);
		return true;
	}
	if (first != second) {
		set_sides(c, first ? 1 : 0);
		return true;
	}
	int speaks = client_speaks(p->bytes);
	if (speaks >= 0)
		set_sides(c, speaks ? p->from : !p->from);
	else
		set_sides(c, c->port[0] == c->port[1] ? p->from : c->port[0] < c->port[1]);
	return true;
}

static enum segments_side side_of(const struct connection_pair *c, unsigned half)
{
	return half == c->client ? SEGMENTS_CLIENT : SEGMENTS_SERVER;
}

/* --- handing on --- */

static void open_once(struct segments *t, struct connection_pair *c, uint64_t time_ns)
{
	const struct half *client = &c->half[c->client];

	if (c->opened)
		return;
	c->opened = true;
	t->options.hooks.open(t->options.hooks.arg, &c->flow, client->complete ? &client->first_seq : NULL,
			      c->handshake, time_ns);
}

/* As hand_on, without urgent data in it. */
static void hand_on_piece(struct segments *t, struct connection_pair *c, unsigned which, uint64_t offset,
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
static void pass_urgent(struct segments *t, struct connection_pair *c, unsigned which, uint64_t time_ns)
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
static void hand_on(struct segments *t, struct connection_pair *c, unsigned which, uint64_t offset,
		    struct span bytes, uint64_t len, uint64_t time_ns)
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

static struct block *held_take(struct segments *t, struct half *h)
{
	struct block *b = h->held;

	h->held = b->after;
	h->held_bytes -= b->len;
	t->counts.held -= b->len;
	return b;
}

/* The first waiting block, as far as it is not handed on yet. */
static void hand_on_held(struct segments *t, struct connection_pair *c, unsigned which, uint64_t time_ns)
{
	struct half *h = &c->half[which];
	struct block *b = held_take(t, h);

	if (b->end > h->next) {
		uint64_t old = h->next > b->start ? h->next - b->start : 0;
		struct span bytes = old < b->len ? (struct span){b->bytes + old, b->len - old} : SPAN_NULL;
		hand_on(t, c, which, b->start + old, bytes, b->end - b->start - old, time_ns);
	}
	free(b);
}

/* What is in sequence by now. */
static void drain(struct segments *t, struct connection_pair *c, unsigned which, uint64_t time_ns)
{
	struct half *h = &c->half[which];

	while (h->held && h->held->start <= h->next && !h->unaccepted)
		hand_on_held(t, c, which, time_ns);
	if (h->held)
		return;
	h->hole_ns = h->acked_ns = 0;
	if (h->fin_known && h->next >= h->fin && !h->finished) {
		h->finished = true;
		if (c->opened && t->options.hooks.finish)
			t->options.hooks.finish(t->options.hooks.arg, &c->flow, side_of(c, which), time_ns);
	}
}

/* The first hole is given up. */
static void give_up(struct segments *t, struct connection_pair *c, unsigned which, uint64_t time_ns)
{
	struct half *h = &c->half[which];

	h->unaccepted = false;
	if (h->held && h->held->start > h->next)
		t->counts.holes++;
	if (h->held)
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
static void check_hole(struct segments *t, struct connection_pair *c, unsigned which, bool answered,
		       uint64_t now_ns)
{
	struct half *h = &c->half[which];

	while (h->held && h->held->start > h->next) {
		bool acked = acked_to(h, h->held->start);

		if (acked && !h->acked_ns)
			h->acked_ns = now_ns;
		if (!(acked && (answered || now_ns >= h->acked_ns + SEGMENTS_ACKED_NS)) &&
		    now_ns < h->hole_ns + SEGMENTS_HOLE_NS)
			return;
		give_up(t, c, which, now_ns);
	}
}

/* --- keeping what is ahead --- */

static void check_conflict(struct segments *t, const struct block *b, const struct block *n)
{
	uint64_t from = MAX(b->start, n->start), to = MIN(b->start + b->len, n->start + n->len);

	if (from < to && memcmp(b->bytes + (from - b->start), n->bytes + (from - n->start), to - from))
		t->counts.conflicts++;
}

/* Cuts off what lies before `start`. */
static void block_trim(struct segments *t, struct half *h, struct block *b, uint64_t start)
{
	uint64_t cut = MIN(start - b->start, (uint64_t)b->len);

	memmove(b->bytes, b->bytes + cut, b->len - cut);
	b->len -= (uint32_t)cut;
	b->start = start;
	h->held_bytes -= cut;
	t->counts.held -= cut;
}

static void block_free(struct segments *t, struct half *h, struct block **at)
{
	struct block *b = *at;

	*at = b->after;
	h->held_bytes -= b->len;
	t->counts.held -= b->len;
	free(b);
}

/* n begins right behind *at: both become one, whose beginning is that of the first. False: no memory. */
static bool block_join(struct block **at, struct block *n)
{
	struct block *b = *at;

	if (b->len != b->end - b->start)
		return false; /* not all of it was captured */
	if (b->size - b->len < n->len) {
		uint32_t size = MAX(2 * b->size, b->len + n->len);
		struct block *larger = realloc(b, sizeof *b + size);
		if (!larger)
			return false;
		*at = b = larger;
		b->size = size;
	}
	memcpy(b->bytes + b->len, n->bytes, n->len);
	b->len += n->len;
	b->end = n->end;
	free(n);
	return true;
}

/* What overlaps *at behind it: the earlier beginning counts. */
static void block_cover(struct segments *t, struct half *h, struct block *n)
{
	while (n->after && n->after->start < n->end) {
		check_conflict(t, n, n->after);
		if (n->after->end <= n->end)
			block_free(t, h, &n->after);
		else
			block_trim(t, h, n->after, n->end);
	}
}

/* As Linux queues what is out of order: see segments.h. */
static void block_insert(struct segments *t, struct half *h, struct block *n)
{
	struct block **at = &h->held;

	h->held_bytes += n->len;
	t->counts.held += n->len;
	while (*at && (*at)->origin <= n->origin) {
		struct block *b = *at;

		check_conflict(t, b, n);
		if (n->end <= b->end) {
			t->counts.duplicates += n->len;
			block_free(t, h, &n);
			return;
		}
		if (b->origin == n->origin) {
			block_free(t, h, at);
			continue;
		}
		if (n->start == b->end && n->origin == n->start && block_join(at, n)) {
			block_cover(t, h, *at);
			return;
		}
		if (n->start < b->end)
			block_trim(t, h, n, b->end);
		at = &b->after;
	}
	n->after = *at;
	*at = n;
	block_cover(t, h, n);
}

static void keep(struct segments *t, struct connection_pair *c, const struct piece *p, uint64_t offset)
{
	struct half *h = &c->half[p->from];
	uint32_t len = (uint32_t)MIN(p->bytes.len, (size_t)p->len);
	struct block *n = malloc(sizeof *n + len);

	if (!n) {
		t->counts.refused++;
		return;
	}
	*n = (struct block){
		.start = offset, .origin = offset, .end = offset + p->len, .len = len, .size = len};
	if (len)
		memcpy(n->bytes, p->bytes.ptr, len);
	if (!h->held)
		h->hole_ns = p->time_ns;
	block_insert(t, h, n);
	while (h->held && (h->held_bytes > SEGMENTS_HALF_MAX || t->counts.held > t->options.held_max))
		give_up(t, c, p->from, p->time_ns);
}

/* --- one segment --- */

static void take_payload(struct segments *t, struct connection_pair *c, const struct piece *p)
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
static void take_urgent(struct connection_pair *c, const struct piece *p)
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

static void take_ack(struct connection_pair *c, const struct piece *p)
{
	struct half *other = &c->half[!p->from];

	if (!(p->flags & PK_TCP_ACK) || (p->flags & PK_TCP_RST))
		return;
	if (!other->ack_known || (int32_t)(p->ack - other->acked) > 0) {
		other->ack_known = true;
		other->acked = p->ack;
	}
}

/* The server takes bytes that came with the SYN (RFC 7413), or will get them again. */
static void settle_syn_data(struct segments *t, struct connection_pair *c, const struct piece *p)
{
	struct half *client = &c->half[c->client];

	if (!client->unaccepted)
		return;
	client->unaccepted = false;
	if (p->from != c->client && p->ack == client->first_seq)
		half_drop(t, client);
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

static void take_syn(struct segments *t, struct connection_pair *c, struct piece *p)
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

static void close_pair(struct segments *t, struct connection_pair *c, uint64_t time_ns)
{
	struct segments_end end = {.handshake = c->handshake};

	if (c->list == CLOSED)
		return;
	for (unsigned i = 0; i < 2; i++)
		while (c->half[i].held)
			give_up(t, c, i, time_ns);
	waits_set(t, c, false);
	list_move(t, c, CLOSED);
	c->closing_ns = time_ns;
	if (!c->opened)
		return;
	end.client_bytes = c->half[c->client].next;
	end.server_bytes = c->half[!c->client].next;
	t->options.hooks.close(t->options.hooks.arg, &c->flow, &end, time_ns);
}

static void take_end(struct segments *t, struct connection_pair *c, const struct piece *p)
{
	struct half *h = &c->half[p->from];

	if (p->flags & PK_TCP_RST) {
		/* A receiver takes it at the expected place only (RFC 5961), or where it refused a SYN. */
		bool exact = !h->started || p->seq == h->next_seq || h->held ||
			     (h->ack_known && p->seq == h->acked);
		if (exact && c->list == LIVE) {
			c->closing_ns = p->time_ns;
			list_move(t, c, CLOSING);
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
	else if (h->fin_known && h->next >= h->fin && c->half[!p->from].fin_known && c->list == LIVE) {
		c->closing_ns = p->time_ns;
		list_move(t, c, CLOSING);
	}
}

/* --- the table's places --- */

static void make_room(struct segments *t, uint64_t now_ns)
{
	struct connection_pair *c = t->lists[CLOSED].oldest;

	if (!c)
		c = t->lists[CLOSING].oldest;
	if (!c) {
		c = t->lists[LIVE].oldest;
		t->counts.evicted++;
	}
	close_pair(t, c, now_ns);
	forget(t, c);
}

static struct connection_pair *begin(struct segments *t, const struct connection_pair *key,
				     const struct piece *p)
{
	if (t->count == t->options.connections_max)
		make_room(t, p->time_ns);
	struct connection_pair *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	memcpy(c->addr, key->addr, sizeof c->addr);
	memcpy(c->port, key->port, sizeof c->port);
	c->family = key->family;
	if (!find_sides(t, c, p)) {
		free(c);
		return NULL;
	}
	struct connection_pair **bucket = &t->table[bucket_of(t, c)];
	c->chain = *bucket;
	*bucket = c;
	c->last_ns = p->time_ns;
	list_add(t, c, LIVE);
	t->count++;
	t->counts.connections++;
	return c;
}

/* Is p the beginning of another connection between the same ports? */
static bool begins_anew(struct connection_pair *c, const struct piece *p)
{
	const struct half *h = &c->half[p->from];
	bool syn = p->flags & PK_TCP_SYN && !(p->flags & PK_TCP_ACK);

	if (syn) {
		if (c->syn && p->seq == c->syn_seq && c->client == p->from)
			return false;
		if (c->list != LIVE || !c->opened)
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
	if (c->list == CLOSED && p->len && h->started) {
		int32_t ahead = (int32_t)(p->seq - h->next_seq);
		return ahead > (1 << 20) || ahead < -(1 << 24);
	}
	return false;
}

static struct connection_pair *place_of(struct segments *t, const struct connection_pair *key,
					const struct piece *p)
{
	struct connection_pair *c = find(t, key);
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
			      .time_ns = h->rec.time_ns};
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
	struct connection_pair key = {0};
	struct piece p;

	t->counts.segments++;
	if (!piece_of(rec, &p)) {
		t->counts.refused++;
		return;
	}
	p.from = tuple_of(&rec->header, &key);
	struct connection_pair *c = place_of(t, &key, &p);
	if (t->options.hooks.segment)
		t->options.hooks.segment(t->options.hooks.arg, rec,
					 c ? side_of(c, p.from) : SEGMENTS_STRANGER);
	if (!c || c->list == CLOSED || (c->reused && p.flags & PK_TCP_SYN))
		return;
	if (c->list == LIVE && p.time_ns >= c->last_ns)
		list_move(t, c, LIVE);
	c->last_ns = MAX(c->last_ns, p.time_ns);
	if (p.flags & PK_TCP_SYN)
		take_syn(t, c, &p);
	else if (p.from == c->client)
		settle_syn_data(t, c, &p);
	take_ack(c, &p);
	if (!c->handshake && c->syn && c->syn_ack && p.from == c->client && p.flags & PK_TCP_ACK) {
		c->handshake = true;
		open_once(t, c, p.time_ns);
	}
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
	waits_set(t, c, c->list != CLOSED && (c->half[0].held || c->half[1].held));
}

void segments_tick(struct segments *t, uint64_t now_ns)
{
	struct connection_pair *c, *next;

	for (c = t->waiting; c; c = next) {
		next = c->waits_newer;
		check_hole(t, c, 0, false, now_ns);
		check_hole(t, c, 1, false, now_ns);
		waits_set(t, c, c->half[0].held || c->half[1].held);
	}
	while ((c = t->lists[CLOSING].oldest) && now_ns >= c->closing_ns + SEGMENTS_CLOSE_NS)
		close_pair(t, c, now_ns);
	while ((c = t->lists[CLOSED].oldest) && now_ns >= c->closing_ns + SEGMENTS_CLOSED_NS)
		forget(t, c);
	while ((c = t->lists[LIVE].oldest) && now_ns >= c->last_ns + SEGMENTS_IDLE_NS) {
		t->counts.evicted++;
		close_pair(t, c, now_ns);
	}
}

void segments_end(struct segments *t, uint64_t now_ns)
{
	struct connection_pair *c;

	while ((c = t->lists[CLOSING].oldest) || (c = t->lists[LIVE].oldest))
		close_pair(t, c, now_ns);
}

struct segments_counts segments_counts(const struct segments *t)
{
	return t->counts;
}

int segments_new(const struct segments_options *options, struct segments **ret)
{
	size_t buckets = 16;

	while (buckets < options->connections_max)
		buckets *= 2;
	struct segments *t = calloc(1, sizeof *t + buckets * sizeof t->table[0]);
	if (!t)
		return -ENOMEM;
	if (getrandom(t->secret, sizeof t->secret, 0) != (ssize_t)sizeof t->secret) {
		free(t);
		return -EIO;
	}
	t->options = *options;
	t->buckets = buckets;
	*ret = t;
	return 0;
}

void segments_free(struct segments *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < LISTS; i++)
		while (t->lists[i].oldest)
			forget(t, t->lists[i].oldest);
	free(t);
}
