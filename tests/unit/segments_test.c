// SPDX-License-Identifier: Apache-2.0
/* segments.c: what a receiver would read, from segments in any order. */
#include "sensor/segments.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "lib/util.h"
#include "sensor/reassembly.h"

#define CLIENT_PORT 40000
#define SERVER_PORT 8080
#define ISN         1000u /* of the client, if a test does not say */
#define SERVER_ISN  5000u
#define MS          1000000ull
#define NOBODY      1 /* a port of no client */
#define TEXT_MAX    16384

/* What the hooks said: "open", bytes of each side, gaps as "<n>", "fin", "close". */
struct heard {
	struct segments *t;
	char text[2][TEXT_MAX];
	uint32_t next[2];
	bool started[2];
	unsigned opens, closes, finishes[2], acknowledges;
	uint32_t lost; /* records so far */
	bool complete, handshake, end_handshake;
	uint16_t server_port;
	uint16_t only; /* what is kept is of this client port; 0: of any */
	uint64_t now;
};

static void on_open(void *arg, const struct pk_flow *flow, const uint32_t *isn, bool handshake,
		    uint64_t time_ns)
{
	struct heard *h = arg;

	(void)time_ns;
	h->opens++;
	h->complete = isn != NULL;
	h->handshake = handshake;
	h->server_port = flow->local_port;
	if (isn) {
		h->next[SEGMENTS_CLIENT] = *isn;
		h->started[SEGMENTS_CLIENT] = true;
	}
}

static void say(struct heard *h, unsigned side, const char *text, size_t len)
{
	size_t used = strlen(h->text[side]);

	assert_true(used + len < TEXT_MAX);
	memcpy(h->text[side] + used, text, len);
	h->text[side][used + len] = 0;
}

static void on_bytes(void *arg, const struct pk_flow *flow, enum segments_side from, uint32_t seq,
		     struct span bytes, uint32_t len, uint64_t time_ns)
{
	struct heard *h = arg;
	char gap[32];

	(void)time_ns;
	assert_true(len >= bytes.len && len > 0);
	if (h->only && flow->peer_port != h->only)
		return;
	if (h->started[from] && seq != h->next[from])
		say(h, from, gap, (size_t)snprintf(gap, sizeof gap, "<%u>", seq - h->next[from]));
	say(h, from, bytes.ptr, bytes.len);
	if (len > bytes.len)
		say(h, from, gap, (size_t)snprintf(gap, sizeof gap, "<%zu>", len - bytes.len));
	h->started[from] = true;
	h->next[from] = seq + len;
}

static void on_urgent(void *arg, const struct pk_flow *flow, enum segments_side from, uint32_t seq,
		      uint64_t time_ns)
{
	struct heard *h = arg;

	(void)flow;
	(void)time_ns;
	assert_int_equal(seq, h->next[from]);
	say(h, from, "!", 1);
	h->next[from]++;
}

static void on_finish(void *arg, const struct pk_flow *flow, enum segments_side from, uint64_t time_ns)
{
	(void)flow;
	(void)time_ns;
	((struct heard *)arg)->finishes[from]++;
}

static void on_acknowledge(void *arg, const struct pk_flow *flow, uint64_t time_ns)
{
	(void)flow;
	(void)time_ns;
	((struct heard *)arg)->acknowledges++;
}

static void on_close(void *arg, const struct pk_flow *flow, const struct segments_end *end, uint64_t time_ns)
{
	struct heard *h = arg;

	(void)flow;
	(void)time_ns;
	h->closes++;
	h->end_handshake = end->handshake;
}

static void start_with(struct heard *h, struct segments_options options)
{
	*h = (struct heard){.now = 1000 * MS};
	options.hooks = (struct segments_hooks){.open = on_open,
						.acknowledge = on_acknowledge,
						.bytes = on_bytes,
						.urgent = on_urgent,
						.finish = on_finish,
						.close = on_close,
						.arg = h};
	if (!options.connections_max)
		options.connections_max = 16;
	if (!options.held_max)
		options.held_max = 1 << 20;
	assert_int_equal(segments_new(&options, &h->t), 0);
}

static void start(struct heard *h)
{
	start_with(h, (struct segments_options){0});
}

/* One segment; text: its payload, of which `captured` bytes are there (SIZE_MAX: all). */
struct sent {
	uint16_t from, to, flags;
	uint32_t seq, ack;
	const char *text;
	size_t captured;
	uint32_t options;
	uint16_t urgent;
};

static void send_one(struct heard *h, const struct sent *s)
{
	size_t len = s->text ? strlen(s->text) : 0, captured = MIN(len, s->captured);
	struct pk_segment *rec = calloc(1, sizeof *rec + s->options + captured);

	assert_non_null(rec);
	rec->header = (struct pk_header){
		.rec = {.kind = PK_SEGMENT, .time_ns = h->now},
		.family = PK_AF_INET,
		.source_port = s->from,
		.destination_port = s->to,
		.sequence = s->seq,
		.acknowledgment = s->ack,
		.flags = s->flags,
		.header_length = (uint8_t)(20 + s->options),
		.lost = h->lost,
		.source_addr = {10, 0, 0, s->from == SERVER_PORT ? 2 : 1},
		.destination_addr = {10, 0, 0, s->to == SERVER_PORT ? 2 : 1},
	};
	rec->urgent = s->urgent;
	rec->captured = s->options + (uint32_t)captured;
	rec->l4_len = rec->header.header_length + (uint32_t)len;
	if (captured)
		memcpy((char *)(rec + 1) + s->options, s->text, captured);
	segments_feed(h->t, rec);
	free(rec);
	h->now += MS;
}

/* at: offset in the client's stream, 0 its first byte; ack: of the server's. */
static void client(struct heard *h, uint16_t flags, uint32_t at, uint32_t ack, const char *text)
{
	send_one(h, &(struct sent){.from = CLIENT_PORT,
				   .to = SERVER_PORT,
				   .flags = flags | PK_TCP_ACK,
				   .seq = ISN + 1 + at,
				   .ack = SERVER_ISN + 1 + ack,
				   .text = text,
				   .captured = SIZE_MAX});
}

static void server(struct heard *h, uint16_t flags, uint32_t at, uint32_t ack, const char *text)
{
	send_one(h, &(struct sent){.from = SERVER_PORT,
				   .to = CLIENT_PORT,
				   .flags = flags | PK_TCP_ACK,
				   .seq = SERVER_ISN + 1 + at,
				   .ack = ISN + 1 + ack,
				   .text = text,
				   .captured = SIZE_MAX});
}

static void syn(struct heard *h, uint32_t isn, const char *text)
{
	send_one(h, &(struct sent){.from = CLIENT_PORT,
				   .to = SERVER_PORT,
				   .flags = PK_TCP_SYN,
				   .seq = isn,
				   .text = text,
				   .captured = SIZE_MAX});
}

static void syn_ack(struct heard *h, uint32_t ack)
{
	send_one(h, &(struct sent){.from = SERVER_PORT,
				   .to = CLIENT_PORT,
				   .flags = PK_TCP_SYN | PK_TCP_ACK,
				   .seq = SERVER_ISN,
				   .ack = ack});
}

static void handshake(struct heard *h)
{
	syn(h, ISN, NULL);
	syn_ack(h, ISN + 1);
	client(h, 0, 0, 0, NULL);
}

static void stop(struct heard *h)
{
	segments_end(h->t, h->now);
	assert_int_equal(segments_counts(h->t).held, 0);
	segments_free(h->t);
}

/* --- order --- */

#define PIECES_MAX 8

/* Pieces of the client as they came, behind a handshake; what is read. */
static const struct order {
	const char *name;
	struct {
		uint32_t at;
		const char *text;
	} pieces[PIECES_MAX];
	const char *read;
	uint64_t duplicates, conflicts;
} orders[] = {
	{"in order", {{0, "abc"}, {3, "def"}}, "abcdef", 0, 0},
	{"two exchanged", {{3, "def"}, {0, "abc"}}, "abcdef", 0, 0},
	{"backwards", {{4, "ef"}, {2, "cd"}, {0, "ab"}}, "abcdef", 0, 0},
	{"twice", {{0, "abc"}, {0, "abc"}, {3, "d"}}, "abcd", 3, 0},
	{"again with more", {{0, "abc"}, {0, "abcdef"}}, "abcdef", 3, 0},
	{"read bytes do not change", {{0, "abc"}, {0, "XYZdef"}}, "abcdef", 3, 0},
	{"of two that wait at one place the first counts",
	 {{3, "def"}, {3, "XYZ"}, {0, "abc"}},
	 "abcdef",
	 3,
	 1},
	{"... but the longer one, if it came later", {{3, "def"}, {3, "XYZW"}, {0, "abc"}}, "abcXYZW", 0, 1},
	{"what begins earlier counts", {{4, "efg"}, {2, "CDEF"}, {0, "ab"}}, "abCDEFg", 0, 1},
	{"... also if it came first", {{2, "cdef"}, {4, "EFGH"}, {0, "ab"}}, "abcdefGH", 0, 1},
	{"what is inside a waiting one is dropped", {{2, "cdefg"}, {4, "EF"}, {0, "ab"}}, "abcdefg", 2, 1},
	{"what covers a waiting one replaces it", {{4, "ef"}, {2, "CDEFGH"}, {0, "ab"}}, "abCDEFGH", 0, 1},
	{"in sequence wins over what waits", {{2, "cd"}, {0, "ABCD"}, {4, "e"}}, "ABCDe", 0, 0},
	{"joined ones have one beginning", {{2, "cd"}, {4, "ef"}, {4, "EFG"}, {0, "ab"}}, "abcdefG", 0, 1},
	{"... and one end", {{2, "cd"}, {4, "ef"}, {2, "CDE"}, {0, "ab"}}, "abcdef", 3, 1},
	{"... or are replaced as one", {{2, "cd"}, {4, "ef"}, {2, "CDEFG"}, {0, "ab"}}, "abCDEFG", 0, 1},
	{"... and cover what waits behind", {{2, "cd"}, {5, "fgh"}, {4, "EFG"}, {0, "ab"}}, "abcdEFGh", 0, 1},
	{"several holes", {{6, "g"}, {2, "c"}, {4, "e"}, {0, "ab"}, {3, "d"}, {5, "f"}}, "abcdefg", 0, 0},
	{"equal bytes are no conflict", {{3, "def"}, {3, "def"}, {0, "abc"}}, "abcdef", 3, 0},
};

static void bytes_are_read_as_a_receiver_reads_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		const struct order *o = &orders[i];
		struct heard h;

		start(&h);
		handshake(&h);
		for (size_t k = 0; k < PIECES_MAX && o->pieces[k].text; k++)
			client(&h, 0, o->pieces[k].at, 0, o->pieces[k].text);
		struct segments_counts counts = segments_counts(h.t);
		if (strcmp(h.text[SEGMENTS_CLIENT], o->read) || counts.duplicates != o->duplicates ||
		    counts.conflicts != o->conflicts || counts.held)
			fail_msg("%s: \"%s\", %llu duplicates, %llu conflicts", o->name,
				 h.text[SEGMENTS_CLIENT], (unsigned long long)counts.duplicates,
				 (unsigned long long)counts.conflicts);
		stop(&h);
	}
}

static void sequence_numbers_wrap_around(void **state)
{
	static const char *const parts[] = {"abcd", "efgh", "ijkl"};
	static const int order[] = {0, 2, 1};
	struct heard h;

	(void)state;
	for (uint32_t isn = UINT32_MAX - 8; isn != 4; isn++) {
		start(&h);
		syn(&h, isn, NULL);
		for (size_t i = 0; i < ARRAY_SIZE(order); i++)
			send_one(&h, &(struct sent){.from = CLIENT_PORT,
						    .to = SERVER_PORT,
						    .flags = PK_TCP_ACK,
						    .seq = isn + 1 + 4 * (uint32_t)order[i],
						    .text = parts[order[i]],
						    .captured = SIZE_MAX});
		assert_string_equal(h.text[SEGMENTS_CLIENT], "abcdefghijkl");
		stop(&h);
	}
}

static void options_are_no_payload_and_cut_payload_is_told(void **state)
{
	struct heard h;

	(void)state;
	start(&h);
	handshake(&h);
	send_one(&h, &(struct sent){.from = CLIENT_PORT,
				    .to = SERVER_PORT,
				    .flags = PK_TCP_ACK,
				    .seq = ISN + 1,
				    .text = "abcdef",
				    .captured = 4,
				    .options = 12});
	client(&h, 0, 6, 0, "g");
	assert_string_equal(h.text[SEGMENTS_CLIENT], "abcd<2>g");
	stop(&h);
}

static void an_urgent_byte_is_no_part_of_the_stream(void **state)
{
	static const struct {
		uint32_t at;
		uint16_t urgent; /* 0: no URG */
		const char *text;
	} cases[][3] = {
		{{0, 4, "abcXdef"}, {7, 0, "gh"}},
		{{3, 1, "Xdef"}, {0, 0, "abc"}, {7, 0, "gh"}},
		{{0, 4, "abc"}, {3, 0, "Xde"}, {6, 0, "fgh"}}, /* announced before it came */
		{{0, 0, "abc"}, {3, 1, "X"}, {4, 0, "defgh"}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct heard h;
		start(&h);
		handshake(&h);
		for (size_t k = 0; k < 3 && cases[i][k].text; k++)
			send_one(&h,
				 &(struct sent){.from = CLIENT_PORT,
						.to = SERVER_PORT,
						.flags = PK_TCP_ACK | (cases[i][k].urgent ? PK_TCP_URG : 0),
						.urgent = cases[i][k].urgent,
						.seq = ISN + 1 + cases[i][k].at,
						.text = cases[i][k].text,
						.captured = SIZE_MAX});
		if (strcmp(h.text[SEGMENTS_CLIENT], "abc!defgh"))
			fail_msg("%zu: %s", i, h.text[SEGMENTS_CLIENT]);
		stop(&h);
	}
}

/* --- holes --- */

static void a_hole_is_given_up_once_the_server_answers_what_it_acknowledged(void **state)
{
	struct heard h;

	(void)state;
	start(&h);
	handshake(&h);
	client(&h, 0, 0, 0, "abc");
	client(&h, 0, 6, 0, "ghi");
	assert_string_equal(h.text[SEGMENTS_CLIENT], "abc");
	server(&h, 0, 0, 3, "before"); /* acknowledges no more than what was seen */
	assert_string_equal(h.text[SEGMENTS_CLIENT], "abc");
	server(&h, 0, 6, 9, "answer");
	assert_string_equal(h.text[SEGMENTS_CLIENT], "abc<3>ghi");
	assert_string_equal(h.text[SEGMENTS_SERVER], "beforeanswer");
	assert_int_equal(segments_counts(h.t).holes, 1);
	stop(&h);
}

static void an_acknowledgment_may_be_captured_before_its_segment(void **state)
{
	struct heard h;

	(void)state;
	start(&h);
	handshake(&h);
	client(&h, 0, 3, 0, "def");
	server(&h, 0, 0, 6, NULL);
	client(&h, 0, 0, 0, "abc");
	assert_string_equal(h.text[SEGMENTS_CLIENT], "abcdef");
	client(&h, 0, 9, 0, "jkl");
	server(&h, 0, 0, 12, NULL);
	h.now += 100 * MS;
	server(&h, 0, 0, 12, NULL);
	assert_string_equal(h.text[SEGMENTS_CLIENT], "abcdef<3>jkl");
	stop(&h);
}

static void a_hole_that_nobody_acknowledges_is_waited_for_three_seconds(void **state)
{
	struct heard h;

	(void)state;
	start(&h);
	syn(&h, ISN, NULL);
	client(&h, 0, 3, 0, "def");
	h.now += SEGMENTS_HOLE_NS - 10 * MS;
	segments_tick(h.t, h.now);
	assert_string_equal(h.text[SEGMENTS_CLIENT], "");
	h.now += 20 * MS;
	segments_tick(h.t, h.now);
	assert_string_equal(h.text[SEGMENTS_CLIENT], "<3>def");
	stop(&h);
}

static void the_end_hands_over_what_waits(void **state)
{
	struct heard h;

	(void)state;
	start(&h);
	handshake(&h);
	client(&h, 0, 2, 0, "c");
	client(&h, 0, 5, 0, "f");
	segments_end(h.t, h.now);
	assert_string_equal(h.text[SEGMENTS_CLIENT], "<2>c<2>f");
	assert_int_equal(h.closes, 1);
	segments_free(h.t);
}

static void bytes_that_wait_have_a_ceiling(void **state)
{
	char text[1001] = "";
	struct heard h;

	(void)state;
	memset(text, 'x', 1000);
	start_with(&h, (struct segments_options){.held_max = 5000});
	handshake(&h);
	for (uint32_t i = 1; i <= 8; i++) {
		client(&h, 0, 2000 * i, 0, text);
		assert_in_range(segments_counts(h.t).held, 1000, 5000);
	}
	assert_int_equal(segments_counts(h.t).holes, 4);
	assert_int_equal(segments_counts(h.t).crowded, 4);
	assert_memory_equal(h.text[SEGMENTS_CLIENT], "<2000>xx", 8);
	stop(&h);
}

static void what_waits_is_charged_with_the_memory_it_takes(void **state)
{
	struct heard h;

	(void)state;
	/* One byte each, and nothing captured at all. */
	for (size_t captured = 0; captured < 2; captured++) {
		start_with(&h, (struct segments_options){.held_max = 100 * REASSEMBLY_LEAST});
		h.only = NOBODY;
		handshake(&h);
		for (uint32_t i = 1; i <= 1000; i++) {
			send_one(&h, &(struct sent){.from = CLIENT_PORT,
						    .to = SERVER_PORT,
						    .flags = PK_TCP_ACK,
						    .seq = ISN + 1 + 2 * i,
						    .text = "x",
						    .captured = captured});
			assert_int_equal(segments_counts(h.t).held, MIN(i, 100u) * REASSEMBLY_LEAST);
		}
		assert_int_equal(segments_counts(h.t).crowded, 900);
		stop(&h);
	}
}

/* Two orders in which each finds its place behind, or before, all that wait. */
static void one_direction_holds_as_many_pieces_as_a_receiver(void **state)
{
	enum { PIECES = 200000, MOST = SEGMENTS_HALF_MAX / REASSEMBLY_LEAST };
	struct heard h;

	(void)state;
	for (int backwards = 0; backwards < 2; backwards++) {
		start_with(&h, (struct segments_options){.held_max = 1ull << 40});
		h.only = NOBODY;
		handshake(&h);
		for (uint32_t i = 1; i <= PIECES; i++)
			client(&h, 0, 2 * (backwards ? PIECES - i + 1 : i), 0, "x");
		struct segments_counts counts = segments_counts(h.t);
		assert_true(counts.held <= SEGMENTS_HALF_MAX);
		assert_true(backwards || counts.holes == PIECES - MOST);
		stop(&h);
	}
}

/* Who fills the room of all is who gives it back, and not the next one that needs a little of it. */
static void the_connection_that_waits_longest_makes_room(void **state)
{
	struct heard h;

	(void)state;
	start_with(&h, (struct segments_options){.held_max = 20 * REASSEMBLY_LEAST});
	h.only = CLIENT_PORT;
	for (uint16_t port = 1; port <= 4; port++)
		for (uint32_t i = 0; i < 6; i++)
			send_one(&h, &(struct sent){.from = (uint16_t)(30000 + port),
						    .to = SERVER_PORT,
						    .flags = PK_TCP_ACK,
						    .seq = 2 * i,
						    .text = "x",
						    .captured = SIZE_MAX});
	handshake(&h);
	client(&h, 0, 3, 0, "def");
	assert_string_equal(h.text[SEGMENTS_CLIENT], "");
	client(&h, 0, 0, 0, "abc");
	assert_string_equal(h.text[SEGMENTS_CLIENT], "abcdef");
	assert_int_equal(segments_counts(h.t).crowded, 1);
	stop(&h);
}

static void a_segment_of_other_ports_gives_up_nobody(void **state)
{
	static const uint16_t ports[] = {SERVER_PORT};
	struct heard h;

	(void)state;
	start_with(&h, (struct segments_options){.connections_max = 1, .ports = ports, .port_count = 1});
	client(&h, 0, 0, 0, "abc");
	send_one(&h,
		 &(struct sent){.from = 1, .to = 2, .flags = PK_TCP_ACK, .text = "x", .captured = SIZE_MAX});
	client(&h, 0, 3, 0, "def");
	assert_string_equal(h.text[SEGMENTS_CLIENT], "abcdef");
	assert_int_equal(segments_counts(h.t).evicted, 0);
	stop(&h);
}

/* --- who is who --- */

static void the_client_is_who_begins(void **state)
{
	static const struct {
		const char *name;
		uint16_t from, to, flags;
		const char *text;
		uint16_t server;
	} cases[] = {
		{"SYN", CLIENT_PORT, 50000, PK_TCP_SYN, NULL, 50000},
		{"SYN+ACK", CLIENT_PORT, 50000, PK_TCP_SYN | PK_TCP_ACK, NULL, CLIENT_PORT},
		{"a request line from the lower port", CLIENT_PORT, 50000, PK_TCP_ACK, "GET / HTTP/1.1\r\n",
		 50000},
		{"a status line to the lower port", 50000, CLIENT_PORT, PK_TCP_ACK, "HTTP/1.1 200 OK\r\n",
		 50000},
		{"a TLS ClientHello", CLIENT_PORT, 50000, PK_TCP_ACK, "\x16\x03\x01\x02\x02\x01", 50000},
		{"anything else: the lower port serves", CLIENT_PORT, 50000, PK_TCP_ACK, "x", CLIENT_PORT},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct heard h;
		start(&h);
		send_one(&h, &(struct sent){.from = cases[i].from,
					    .to = cases[i].to,
					    .flags = cases[i].flags,
					    .seq = 77,
					    .text = cases[i].text,
					    .captured = SIZE_MAX});
		send_one(&h, &(struct sent){.from = cases[i].from,
					    .to = cases[i].to,
					    .flags = PK_TCP_ACK,
					    .seq = 78,
					    .text = "more bytes than before, to be sure",
					    .captured = SIZE_MAX});
		if (h.opens != 1 || h.server_port != cases[i].server)
			fail_msg("%s: server port %u", cases[i].name, h.server_port);
		stop(&h);
	}
}

static void only_named_ports_are_looked_at(void **state)
{
	static const uint16_t ports[] = {SERVER_PORT};
	struct heard h;

	(void)state;
	start_with(&h, (struct segments_options){.ports = ports, .port_count = 1});
	send_one(&h, &(struct sent){.from = 1,
				    .to = 2,
				    .flags = PK_TCP_ACK,
				    .text = "GET / HTTP/1.1\r\n",
				    .captured = SIZE_MAX});
	assert_int_equal(h.opens, 0);
	assert_int_equal(segments_counts(h.t).refused, 1);
	client(&h, 0, 0, 0, "nothing that tells");
	assert_int_equal(h.server_port, SERVER_PORT);
	assert_string_equal(h.text[SEGMENTS_CLIENT], "nothing that tells");
	stop(&h);
}

static void midway_the_beginning_is_unknown(void **state)
{
	struct heard h;

	(void)state;
	start(&h);
	client(&h, 0, 0, 0, "GET / HTTP/1.1\r\n");
	assert_false(h.complete);
	assert_false(h.handshake);
	stop(&h);
	start(&h);
	handshake(&h);
	assert_true(h.complete && h.handshake);
	assert_int_equal(h.next[SEGMENTS_CLIENT], ISN + 1);
	stop(&h);
}

/* --- bytes with the SYN --- */

static void bytes_of_the_syn_count_if_the_server_takes_them(void **state)
{
	struct heard h;

	(void)state;
	start(&h);
	syn(&h, ISN, "abc");
	assert_string_equal(h.text[SEGMENTS_CLIENT], "");
	syn_ack(&h, ISN + 4);
	assert_string_equal(h.text[SEGMENTS_CLIENT], "abc");
	client(&h, 0, 3, 0, "def");
	assert_string_equal(h.text[SEGMENTS_CLIENT], "abcdef");
	stop(&h);

	start(&h);
	syn(&h, ISN, "XYZ");
	syn_ack(&h, ISN + 1); /* it does not: they come again, and may be others */
	client(&h, 0, 0, 0, "abc");
	assert_string_equal(h.text[SEGMENTS_CLIENT], "abc");
	stop(&h);

	start(&h);
	syn(&h, ISN, "abc"); /* one-sided: the server is not heard */
	client(&h, 0, 3, 0, "def");
	assert_string_equal(h.text[SEGMENTS_CLIENT], "abcdef");
	stop(&h);
}

/* --- ends --- */

static void a_connection_ends_with_both_fins_in_order(void **state)
{
	struct heard h;

	(void)state;
	start(&h);
	handshake(&h);
	client(&h, PK_TCP_FIN, 3, 0, "def");
	server(&h, PK_TCP_FIN, 0, 0, "x");
	assert_int_equal(h.finishes[SEGMENTS_SERVER], 1);
	assert_int_equal(h.finishes[SEGMENTS_CLIENT], 0); /* a hole before it */
	assert_int_equal(h.closes, 0);
	client(&h, 0, 0, 0, "abc");
	assert_string_equal(h.text[SEGMENTS_CLIENT], "abcdef");
	assert_int_equal(h.finishes[SEGMENTS_CLIENT], 1);
	assert_int_equal(h.closes, 1);
	assert_true(h.end_handshake);
	client(&h, 0, 0, 0, "abc"); /* again: known as such */
	assert_int_equal(h.opens, 1);
	stop(&h);
}

static void what_follows_a_reset_is_still_read(void **state)
{
	struct heard h;

	(void)state;
	start(&h);
	handshake(&h);
	client(&h, 0, 0, 0, "abc");
	client(&h, PK_TCP_RST, 3, 0, NULL);
	client(&h, 0, 3, 0, "def"); /* the server never saw that reset */
	assert_string_equal(h.text[SEGMENTS_CLIENT], "abcdef");
	h.now += SEGMENTS_CLOSE_NS;
	segments_tick(h.t, h.now);
	assert_int_equal(h.closes, 1);
	stop(&h);
}

static void a_reset_elsewhere_in_the_window_ends_nothing(void **state)
{
	struct heard h;

	(void)state;
	start(&h);
	handshake(&h);
	client(&h, 0, 0, 0, "abc");
	client(&h, PK_TCP_RST, 500, 0, NULL);
	h.now += 2 * SEGMENTS_CLOSE_NS;
	segments_tick(h.t, h.now);
	assert_int_equal(h.closes, 0);
	stop(&h);
}

static void a_segment_without_ack_is_a_decoy(void **state)
{
	struct heard h;

	(void)state;
	start(&h);
	handshake(&h);
	send_one(&h, &(struct sent){.from = CLIENT_PORT,
				    .to = SERVER_PORT,
				    .seq = ISN + 1,
				    .text = "XYZ",
				    .captured = SIZE_MAX});
	client(&h, 0, 0, 0, "abc");
	assert_string_equal(h.text[SEGMENTS_CLIENT], "abc");
	stop(&h);
}

static void a_tuple_is_used_again(void **state)
{
	struct heard h;

	(void)state;
	start(&h);
	handshake(&h);
	client(&h, 0, 0, 0, "abc");
	/* The end was not captured. A SYN alone may be forged. */
	syn(&h, ISN + 100000, NULL);
	client(&h, 0, 3, 0, "def");
	assert_string_equal(h.text[SEGMENTS_CLIENT], "abcdef");
	assert_int_equal(h.closes, 0);
	syn_ack(&h, ISN + 100001);
	assert_int_equal(h.closes, 1);
	client(&h, 0, 100000, 0, "new");
	assert_int_equal(h.opens, 2);
	assert_true(h.complete);
	stop(&h);

	start(&h);
	handshake(&h);
	client(&h, PK_TCP_FIN, 0, 0, "abc");
	server(&h, PK_TCP_FIN, 0, 4, NULL);
	assert_int_equal(h.closes, 1);
	syn(&h, ISN + 7, NULL);
	client(&h, 0, 7, 0, "new");
	assert_int_equal(h.opens, 2);
	stop(&h);
}

static void the_table_has_a_ceiling(void **state)
{
	struct heard h;

	(void)state;
	start_with(&h, (struct segments_options){.connections_max = 4});
	for (uint16_t port = 1; port <= 10; port++)
		send_one(&h, &(struct sent){.from = (uint16_t)(30000 + port),
					    .to = SERVER_PORT,
					    .flags = PK_TCP_ACK,
					    .text = "x",
					    .captured = SIZE_MAX});
	assert_int_equal(h.opens, 10);
	assert_int_equal(h.closes, 6);
	assert_int_equal(segments_counts(h.t).evicted, 6);
	stop(&h);
	assert_int_equal(h.closes, 10);
}

/* --- records that were lost --- */

static void a_handshake_of_which_records_were_lost_is_over_all_the_same(void **state)
{
	struct heard h;

	(void)state;
	start(&h);
	handshake(&h);
	client(&h, 0, 0, 0, "a");
	assert_true(h.handshake);
	assert_int_equal(h.acknowledges, 0);
	stop(&h);

	start(&h);
	syn(&h, ISN, NULL);
	h.lost = 1; /* the answer */
	client(&h, 0, 0, 0, NULL);
	assert_int_equal(h.acknowledges, 1);
	client(&h, 0, 0, 0, "GET");
	assert_int_equal(h.acknowledges, 1);
	assert_false(h.handshake);
	h.lost = 2;
	client(&h, 0, 3, 0, " /");
	assert_int_equal(h.acknowledges, 2);
	assert_string_equal(h.text[SEGMENTS_CLIENT], "GET /");
	stop(&h);
}

static void what_was_lost_is_a_gap(void **state)
{
	struct heard h;

	(void)state;
	start(&h);
	handshake(&h);
	client(&h, 0, 0, 0, "GET ");
	h.lost = 1;
	client(&h, 0, 7, 0, "HTTP");
	server(&h, 0, 0, 11, "200");
	assert_string_equal(h.text[SEGMENTS_CLIENT], "GET <3>HTTP");
	assert_string_equal(h.text[SEGMENTS_SERVER], "200");
	stop(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_read_as_a_receiver_reads_them),
		cmocka_unit_test(sequence_numbers_wrap_around),
		cmocka_unit_test(a_handshake_of_which_records_were_lost_is_over_all_the_same),
		cmocka_unit_test(what_was_lost_is_a_gap),
		cmocka_unit_test(options_are_no_payload_and_cut_payload_is_told),
		cmocka_unit_test(an_urgent_byte_is_no_part_of_the_stream),
		cmocka_unit_test(a_hole_is_given_up_once_the_server_answers_what_it_acknowledged),
		cmocka_unit_test(an_acknowledgment_may_be_captured_before_its_segment),
		cmocka_unit_test(a_hole_that_nobody_acknowledges_is_waited_for_three_seconds),
		cmocka_unit_test(the_end_hands_over_what_waits),
		cmocka_unit_test(bytes_that_wait_have_a_ceiling),
		cmocka_unit_test(what_waits_is_charged_with_the_memory_it_takes),
		cmocka_unit_test(one_direction_holds_as_many_pieces_as_a_receiver),
		cmocka_unit_test(the_connection_that_waits_longest_makes_room),
		cmocka_unit_test(a_segment_of_other_ports_gives_up_nobody),
		cmocka_unit_test(the_client_is_who_begins),
		cmocka_unit_test(only_named_ports_are_looked_at),
		cmocka_unit_test(midway_the_beginning_is_unknown),
		cmocka_unit_test(bytes_of_the_syn_count_if_the_server_takes_them),
		cmocka_unit_test(a_connection_ends_with_both_fins_in_order),
		cmocka_unit_test(what_follows_a_reset_is_still_read),
		cmocka_unit_test(a_reset_elsewhere_in_the_window_ends_nothing),
		cmocka_unit_test(a_segment_without_ack_is_a_decoy),
		cmocka_unit_test(a_tuple_is_used_again),
		cmocka_unit_test(the_table_has_a_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
