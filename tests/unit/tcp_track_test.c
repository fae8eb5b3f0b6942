// SPDX-License-Identifier: Apache-2.0
/*
 * tcp_track_test.c: each name that sensor/tcp_track.h can give, by a short conversation that must get it, and
 * beside it conversations as honest stacks have them, which must get none.
 *
 * A conversation is text: segments separated by ';', each "WHO FLAGS SEQ ACK" and then any of
 *     d=TEXT   payload           n=N      payload of N bytes 'x' (none captured beyond what there is)
 *     w=N      window            t=N      timestamp option; on a SYN it is offered
 *     s=N      window scale      +N       so many milliseconds later (default 10)
 *     !        the checksum is wrong      ~  it is left to the network card
 * WHO is C or S, FLAGS letters of SAFRPUEWN or '-', SEQ and ACK count from the side's own initial number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include "lib/util.h"
#include "sensor/tcp_checksum.h"
#include "sensor/tcp_history.h"
#include "sensor/tcp_track.h"

#define HANDSHAKE "C S 0 0; S SA 0 1; C A 1 1; "
#define STAMPED   "C S 0 0 t=100; S SA 0 1 t=500; C A 1 1 t=100; "

struct track_case {
	const char *story, *segments, *names;
	bool ordinary;
	unsigned refused; /* segments that are not to be taken */
};

static const struct track_case cases[] = {
	/* as it should be */
	{"request and answer, closed by the client",
	 HANDSHAKE "C PA 1 1 d=GET; S A 1 4; S PA 1 4 d=200; C A 4 4; C FA 4 4; S A 4 5; S FA 4 5; C A 5 5",
	 "", true, 0},
	{"closed by the server", HANDSHAKE "C PA 1 1 d=GET; S PFA 1 4 d=200; C A 4 5; C FA 4 5; S A 5 5", "",
	 true, 0},
	{"closed by both at once", HANDSHAKE "C FA 1 1; S FA 1 1; C A 2 2; S A 2 2", "", true, 0},
	{"aborted by the client", HANDSHAKE "C PA 1 1 d=GET; S A 1 4; C RA 4 1", "", true, 0},
	{"data in the third ACK", "C S 0 0; S SA 0 1; C PA 1 1 d=GET; S A 1 4", "", true, 0},
	{"data in the SYN, taken (fast open)", "C S 0 0 d=GET; S SA 0 4; S PA 1 4 d=200; C A 4 4", "", true,
	 0},
	{"port closed", "C S 0 0; S RA 0 1", "", true, 0},
	{"SYN and its answer sent again", "C S 0 0; C S 0 0 +1000; S SA 0 1; S SA 0 1 +1000; C A 1 1", "",
	 true, 0},
	{"out of order", HANDSHAKE "C PA 4 1 d=DEF; C PA 1 1 d=ABC; S A 1 7", "", true, 0},
	{"picked up in the middle",
	 "C PA 700 900 d=GET; S A 900 703; S PA 900 703 d=200; C A 703 903; C FA 703 903", "", true, 0},
	{"client's direction alone", "C S 0 0; C A 1 1; C PA 1 1 d=GET; C A 4 300; C FA 4 300", "", true, 0},
	{"server's direction alone", "S SA 0 1; S A 1 400; S PA 1 400 d=200; S FPA 4 400 d=OK; S A 7 401", "",
	 true, 0},
	{"keep-alive probes",
	 HANDSHAKE "C PA 1 1 d=GET; S A 1 4; C A 3 1 +60000; S A 1 4; C A 3 1 d=? +60000; S A 1 4", "", true,
	 0},
	{"closed window asked for by one byte",
	 HANDSHAKE "C PA 1 1 d=GET w=4; S PA 1 4 d=ABCD; C A 4 5 w=0; S A 5 4 d=E +200; C A 4 5 w=0; C A 4 5 "
		   "w=400; S PA 5 4 d=EFGH",
	 "", true, 0},
	{"62 KiB in one segment",
	 "C S 0 0 s=7; S SA 0 1 s=7; C A 1 1 w=2000; S PA 1 1 n=62000; C A 1 62001 w=2000", "", true, 0},
	{"the same ports again",
	 HANDSHAKE "C FA 1 1; S FA 1 2; C A 2 2; C S 90000 0 +100; S SA 70000 90001; C A 90001 70001", "",
	 true, 0},
	{"the same ports again after a reset", HANDSHAKE "C RA 1 1; C S 90000 0 +100; S SA 70000 90001", "",
	 true, 0},
	{"a late copy has an older timestamp",
	 STAMPED "C PA 1 1 d=GET t=200; S A 1 4 t=600; C PA 1 1 d=GET t=150; C PA 4 1 d=AB t=300",
	 "tcp_established_packet_before_last_ack tcp_spurious_retransmission", true, 0},
	{"reset with data under way",
	 HANDSHAKE "S PA 1 1 d=AB; C RA 1 1; S PA 3 1 d=CD; S PA 5 1 d=EF; C R 1 0", "", true, 0},
	{"ECN", "C SEW 0 0; S SAE 0 1; C A 1 1; C PAW 1 1 d=GET", "", true, 0},
	{"acknowledged before it was captured", HANDSHAKE "C A 1 4; S PA 1 1 d=200 +1; C A 1 4", "", true, 0},
	/* one segment */
	{"no flags", HANDSHAKE "C - 1 1", "null_scan", false, 1},
	{"no flags, no connection", "C - 1 0", "null_scan", false, 1},
	{"FIN, PSH and URG", "C FPU 1 0", "xmas_scan", false, 1},
	{"SYN and FIN", "C SF 1 0", "syn_fin tcp_fin_syn", false, 1},
	{"SYN and RST", "C SR 1 0", "syn_rst", false, 1},
	{"urgent data", HANDSHAKE "C PAU 1 1 d=GET", "urgent", false, 0},
	{"acknowledgment without the flag", "C S 0 7", "tcp_broken_ack", false, 0},
	{"data without ACK flag", HANDSHAKE "C P 1 0 d=GET", "tcp_ack_flag_missing", false, 1},
	{"wrong checksum where others are right", HANDSHAKE "C PA 1 1 d=BAD !; C PA 1 1 d=GET; S A 1 4",
	 "tcp_invalid_checksum", false, 1},
	{"no checksum is right", "C S 0 0 !; S SA 0 1; C A 1 1 !; C PA 1 1 d=GET !; S A 1 4", "", true, 0},
	{"checksums left to the card", "C S 0 0 ~; S SA 0 1 ~; C A 1 1; C PA 1 1 d=GET ~; S A 1 4 ~", "",
	 true, 0},
	/* handshake */
	{"ten other SYNs",
	 "C S 0 0; C S 1000 0; C S 2000 0; C S 3000 0; C S 4000 0; C S 5000 0; C S 6000 0; C S 7000 0; C S "
	 "8000 0; C S 9000 0",
	 "tcp_syn_flood", false, 0},
	{"the answer to an earlier SYN", "C S 0 0; C S 1000 0; S SA 0 1; C A 1 1; C PA 1 1 d=GET", "", true,
	 0},
	{"five other answers", "C S 0 0; S SA 0 1; S SA 1000 1; S SA 2000 1; S SA 3000 1; S SA 4000 1",
	 "tcp_syn_ack_flood tcp_handshake_syn_ack_resend_with_different_sequence", false, 4},
	{"server's data before the third ACK", "C S 0 0; S SA 0 1; S PA 1 1 d=200",
	 "tcp_handshake_ack_data_injection", false, 0},
	{"server's ACK before the third", "C S 0 0; S SA 0 1; S A 1 1", "tcp_handshake_ack_in_wrong_dir",
	 false, 0},
	{"client alone, far away", "C S 0 0; C PA 900000 1 d=GET", "tcp_handshake_async_wrong_sequence",
	 false, 1},
	{"third ACK acknowledges other things", "C S 0 0; S SA 0 1; C PA 1 70000 d=GET; C A 1 1",
	 "tcp_handshake_right_sequence_wrong_ack_evasion", false, 1},
	{"third ACK from elsewhere", "C S 0 0; S SA 0 1; C PA 100001 1 d=GET",
	 "tcp_handshake_wrong_sequence_wrong_ack", false, 1},
	{"other SYN behind the answer", "C S 0 0; S SA 0 1; C S 5000 0",
	 "tcp_handshake_syn_resend_different_sequence_on_syn_received", false, 1},
	{"SYN of the server behind its answer", "C S 0 0; S SA 0 1; S S 5000 0",
	 "tcp_handshake_syn_toclient_on_syn_received", false, 1},
	{"the client answers itself", "C S 0 0; C SA 0 1", "tcp_handshake_syn_ack_in_wrong_direction", false,
	 1},
	{"answer with another number", "C S 0 0; S SA 0 1; S SA 9000 1; C A 1 1",
	 "tcp_handshake_syn_ack_resend_with_different_sequence", false, 1},
	{"the client believes the second answer",
	 "C S 0 0; S SA 0 1; S SA 9000 1; C PA 1 9001 d=GET; S A 9001 4",
	 "tcp_handshake_syn_ack_resend_with_different_sequence", false, 1},
	{"answer with another acknowledgment", "C S 0 0; S SA 0 1; S SA 0 9",
	 "tcp_handshake_syn_ack_resend_with_different_ack", false, 1},
	{"fast open data passed over", "C S 0 0 d=GET; S SA 0 1; C PA 1 1 d=GET; S A 1 4",
	 "tcp_handshake_syn_ack_tfo_data_ignored", true, 0},
	{"the client sends an answer", "C S 0 0; S SA 0 1; C SA 0 1",
	 "tcp_handshake_syn_ack_toserver_on_syn_received", false, 1},
	{"answer to a SYN that was not sent", "C S 0 0; S SA 0 5000; S SA 0 1; C A 1 1",
	 "tcp_handshake_syn_ack_with_wrong_ack", false, 1},
	{"both SYNs at once", "C S 0 0; S S 0 0; C SA 0 1; S SA 0 1; C A 1 1; C PA 1 1 d=GET", "", true, 0},
	{"both at once, wrong acknowledgment", "C S 0 0; S S 0 0; C A 1 700",
	 "tcp_simultaneous_open_invalid_ack", false, 1},
	{"both at once, answer with wrong acknowledgment", "C S 0 0; S S 0 0; C SA 0 700",
	 "tcp_simultaneous_open_syn_ack_with_wrong_ack", false, 1},
	{"both at once, answer with another SYN", "C S 0 0; S S 0 0; C SA 700 1",
	 "tcp_simultaneous_open_syn_ack_with_wrong_syn", false, 1},
	{"both at once, wrong number", "C S 0 0; S S 0 0; C A 700 1", "tcp_simultaneous_open_wrong_sequence",
	 false, 1},
	{"a reset that answers nothing", "C S 0 0; S RA 0 7000; S SA 0 1", "tcp_rst_invalid_ack", false, 0},
	/* established */
	{"acknowledges what no window allowed", HANDSHAKE "C PA 1 900000 d=BAD; C PA 1 1 d=GET",
	 "tcp_established_invalid_ack tcp_invalid_ack", false, 1},
	{"acknowledges what was not sent", HANDSHAKE "C PA 1 500 d=BAD; C PA 1 1 d=GET",
	 "tcp_established_invalid_ack tcp_invalid_ack tcp_retransmission tcp_overlap_different_data", true,
	 0},
	{"acknowledges what is sent only later", HANDSHAKE "C A 1 500; S PA 1 1 d=200 +500; C A 1 4",
	 "tcp_established_invalid_ack tcp_invalid_ack", false, 0},
	{"acknowledges what lies far back", HANDSHAKE "S PA 1 1 d=200; C A 1 4; C PA 1 -200000 d=BAD",
	 "tcp_established_invalid_ack tcp_invalid_ack", false, 1},
	{"beyond the window", HANDSHAKE "C PA 90001 1 d=BAD; C PA 1 1 d=GET",
	 "tcp_established_packet_out_of_window", false, 1},
	{"far behind the window", HANDSHAKE "C PA 1 1 d=GET; S A 1 4; C PA -300000 1 d=BAD",
	 "tcp_segment_before_base", false, 1},
	{"FIN beyond the window", HANDSHAKE "C FA 90001 1", "tcp_fin_out_of_window", false, 1},
	{"FIN acknowledges what no window allowed", HANDSHAKE "C FA 1 900000",
	 "tcp_fin_invalid_ack tcp_invalid_ack", false, 1},
	{"SYN again", HANDSHAKE "C S 0 0", "tcp_established_syn_resend", true, 1},
	{"another SYN", HANDSHAKE "C S 5000 0", "tcp_established_syn_resend_different_sequence", false, 1},
	{"a SYN after two silent minutes is another connection",
	 HANDSHAKE "C S 5000 0 +130000; S SA 9000 5001", "", true, 0},
	{"SYN of the server", HANDSHAKE "S S 5000 0", "tcp_established_syn_toclient", false, 1},
	{"answer again", HANDSHAKE "S SA 0 1", "tcp_established_syn_ack_resend", true, 1},
	{"another answer", HANDSHAKE "S SA 5000 1", "tcp_established_syn_ack_resend_with_different_sequence",
	 false, 1},
	{"answer to something else", HANDSHAKE "S SA 0 5000",
	 "tcp_established_syn_ack_resend_with_different_ack", false, 1},
	{"answer of the client", HANDSHAKE "C SA 1 1", "tcp_established_syn_ack_toserver", false, 1},
	{"sent again", HANDSHAKE "C PA 1 1 d=GET; C PA 1 1 d=GET", "tcp_retransmission", true, 0},
	{"sent again, of no interest", HANDSHAKE "C PA 1 1 d=GET; C PA 1 1 d=GET", "", false, 0},
	{"sent again although acknowledged", HANDSHAKE "C PA 1 1 d=GET; S A 1 4; C PA 1 1 d=GET",
	 "tcp_established_packet_before_last_ack tcp_spurious_retransmission", true, 0},
	{"other bytes in the same place", HANDSHAKE "C PA 1 1 d=GET; C PA 1 1 d=PUT",
	 "tcp_overlap_different_data", false, 0},
	{"other bytes in part of it", HANDSHAKE "C PA 1 1 d=GET/; C PA 3 1 d=X/id",
	 "tcp_overlap_different_data", false, 0},
	{"other bytes while a hole is open", HANDSHAKE "C PA 4 1 d=DEF; C PA 4 1 d=XYZ; C PA 1 1 d=ABC",
	 "tcp_overlap_different_data", false, 0},
	{"acknowledged, never captured", HANDSHAKE "C PA 4 1 d=DEF; S A 1 7", "tcp_sequence_gap", true, 0},
	{"acknowledged and gone on with, never captured", HANDSHAKE "C A 1 301; S PA 301 1 d=200",
	 "tcp_sequence_gap", true, 0},
	{"timestamp of the past", STAMPED "C PA 1 1 d=BAD t=50; C PA 1 1 d=GET t=101",
	 "tcp_invalid_timestamp", false, 1},
	{"window taken back", "C S 0 0 s=0; S SA 0 1 s=0; C A 1 1 w=60000; C A 1 1 w=50",
	 "tcp_bad_window_update", false, 0},
	{"window closed for long", HANDSHAKE "C A 1 1 w=0; S A 1 1 d=E +9000; C A 1 1 w=0 +2000",
	 "tcp_zero_window", false, 0},
	/* its end */
	{"beyond the window after the client's FIN", HANDSHAKE "C FA 1 1; S A 1 2; S PA 90001 2 d=BAD",
	 "tcp_close_wait_ack_out_of_window", false, 1},
	{"another FIN of the client", HANDSHAKE "C FA 1 1; S A 1 2; C FA 0 1",
	 "tcp_close_wait_fin_out_of_window", false, 1},
	{"acknowledgment after the client's FIN", HANDSHAKE "C FA 1 1; S A 1 900000",
	 "tcp_close_wait_invalid_ack tcp_invalid_ack", false, 1},
	{"sent again after the client's FIN", HANDSHAKE "S PA 1 1 d=200; C FA 1 4; S PA 1 2 d=200",
	 "tcp_close_wait_packet_before_last_ack tcp_spurious_retransmission", true, 0},
	{"beyond the window after the server's FIN", HANDSHAKE "S FA 1 1; C PA 90001 1 d=BAD",
	 "tcp_fin1_ack_wrong_sequence", false, 1},
	{"FIN beyond the window after the server's FIN", HANDSHAKE "S FA 1 1; C FA 90001 1",
	 "tcp_fin1_fin_wrong_sequence", false, 1},
	{"acknowledgment after the server's FIN", HANDSHAKE "S FA 1 1; C A 1 900000",
	 "tcp_fin1_invalid_ack tcp_invalid_ack", false, 1},
	{"beyond the window, FIN acknowledged", HANDSHAKE "S FA 1 1; C A 1 2; C PA 90001 2 d=BAD",
	 "tcp_fin2_ack_wrong_sequence", false, 1},
	{"FIN beyond the window, FIN acknowledged", HANDSHAKE "S FA 1 1; C A 1 2; C FA 90001 2",
	 "tcp_fin2_fin_wrong_sequence", false, 1},
	{"acknowledgment, FIN acknowledged", HANDSHAKE "S FA 1 1; C A 1 2; C A 1 900000",
	 "tcp_fin2_invalid_ack tcp_invalid_ack", false, 1},
	{"both FINs at once, then far away", HANDSHAKE "S FA 1 1; C FA 1 1; C A 90001 2",
	 "tcp_closing_ack_wrong_sequence", false, 1},
	{"both FINs at once, then a wrong acknowledgment", HANDSHAKE "S FA 1 1; C FA 1 1; C A 2 900000",
	 "tcp_closing_invalid_ack tcp_invalid_ack", false, 1},
	{"behind both FINs, far away", HANDSHAKE "C FA 1 1; S FA 1 2; C A 90001 2",
	 "tcp_last_ack_ack_wrong_sequence", false, 1},
	{"behind both FINs, wrong acknowledgment", HANDSHAKE "C FA 1 1; S FA 1 2; C A 2 900000",
	 "tcp_last_ack_invalid_ack tcp_invalid_ack", false, 1},
	{"after the end, far away", HANDSHAKE "S FA 1 1; C FA 1 2; S A 90001 2",
	 "tcp_time_wait_ack_wrong_sequence", false, 1},
	{"after the end, wrong acknowledgment", HANDSHAKE "S FA 1 1; C FA 1 2; S A 2 900000",
	 "tcp_time_wait_invalid_ack tcp_invalid_ack", false, 1},
	{"SYN while one side has closed", HANDSHAKE "C FA 1 1; C S 5000 0", "tcp_shutdown_syn_resend", false,
	 1},
	{"data behind the FIN", HANDSHAKE "C FA 1 1; C PA 2 1 d=MORE", "tcp_data_after_fin", false, 1},
	{"FIN of no connection", "C FA 1 1", "tcp_fin_without_session", true, 0},
	{"reset of no connection", "C R 1 0", "tcp_rst_without_session", true, 0},
	{"reset acknowledges what was not sent", HANDSHAKE "C RA 1 5000", "tcp_rst_invalid_ack", false, 0},
	{"reset from far away", HANDSHAKE "C R 900001 0", "tcp_rst_out_of_window", false, 0},
	{"goes on after its reset", HANDSHAKE "C RA 1 1; C PA 1 1 d=GET; S A 1 4",
	 "tcp_suspected_rst_injection", false, 0},
	{"a reset inside the window, and it goes on", HANDSHAKE "C R 200 0; C PA 1 1 d=GET",
	 "tcp_suspected_rst_injection", false, 0},
};

/* --- the conversation --- */

struct play {
	struct tcp_track *track;
	uint64_t seen[2];
	unsigned refused, findings;
	uint64_t now_ns;
	uint32_t lost; /* records so far */
	struct tcp_finding last;
};

static void on_finding(void *arg, const struct tcp_finding *f)
{
	struct play *p = arg;

	p->seen[f->anomaly / 64] |= 1ull << f->anomaly % 64;
	p->findings++;
	p->last = *f;
}

static const char flag_letters[] = "FSRPAUEWN";

static uint64_t words_of(const void *bytes, size_t len)
{
	const uint8_t *b = bytes;
	uint64_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? b[i] : (uint64_t)b[i] << 8;
	return sum;
}

/* RFC 9293 section 3.1, as it stands there. */
static __u16 right_checksum(const struct segment_view *v)
{
	size_t addr = v->source.addr.family == ADDR_IPV4 ? 4 : 16;
	uint64_t sum = words_of(v->source.addr.bytes, addr) + words_of(v->destination.addr.bytes, addr) + 6 +
		       v->l4_len;

	sum += (uint64_t)v->source.port + v->destination.port + (v->sequence >> 16) + (v->sequence & 0xffff) +
	       (v->acknowledgment >> 16) + (v->acknowledgment & 0xffff);
	sum += (uint64_t)(v->header_length / 4 << 12 | (v->flags & 0x1ff)) + v->window + v->urgent;
	sum += words_of(v->options.ptr, v->options.len) + words_of(v->payload.ptr, v->payload.len);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* One segment in a block of its own, as the kernel half makes it. */
static struct pk_segment *segment_make(const char *text, struct play *p)
{
	enum { ROOM = 66000 };
	struct pk_segment *s = calloc(1, sizeof *s + ROOM);
	uint8_t *data = (uint8_t *)(s + 1);
	uint32_t isn[2] = {4000000000u, 100}, options = 0, payload = 0, seq, ack;
	char who, flags[16], word[80];
	int at, more;
	bool wrong = false, unfilled = false, server;

	assert_int_equal(sscanf(text, " %c %15s %d %d%n", &who, flags, (int *)&seq, (int *)&ack, &at), 4);
	server = who == 'S';
	s->header = (struct pk_header){
		.family = PK_AF_INET,
		.window = 65535,
		.source_port = server ? 80 : 40000,
		.destination_port = server ? 40000 : 80,
		.sequence = isn[server] + seq,
		.source_addr = {192, 0, 2, server ? 1 : 2},
		.destination_addr = {192, 0, 2, server ? 2 : 1},
	};
	for (const char *f = flags; *f && *f != '-'; f++)
		s->header.flags |= (__u16)(1u << (strchr(flag_letters, *f) - flag_letters));
	s->header.acknowledgment = s->header.flags & PK_TCP_ACK || ack ? isn[!server] + ack : 0;
	p->now_ns += 10 * NS_PER_MS;
	for (text += at; sscanf(text, " %79s%n", word, &more) == 1; text += more) {
		uint32_t number = (uint32_t)atoi(word + (word[0] == '+' ? 1 : 2));
		if (word[0] == 'd') {
			payload = (uint32_t)strlen(word + 2);
			memcpy(data + 12, word + 2, payload);
		} else if (word[0] == 'n') {
			payload = number;
			memset(data + 12, 'x', payload);
		} else if (word[0] == 'w') {
			s->header.window = (__u16)number;
		} else if (word[0] == 't') {
			memcpy(data,
			       (uint8_t[]){1, 1, 8, 10, 0, 0, (uint8_t)(number >> 8), (uint8_t)number, 0, 0,
					   0, 0},
			       12);
			options = 12;
		} else if (word[0] == 's') {
			memcpy(data, (uint8_t[]){1, 3, 3, (uint8_t)number}, 4);
			options = 4;
		} else if (word[0] == '+') {
			p->now_ns += number * NS_PER_MS;
		} else {
			wrong = wrong || word[0] == '!';
			unfilled = unfilled || word[0] == '~';
		}
	}
	memmove(data + options, data + 12, payload);
	s->header.header_length = (__u8)(20 + options);
	s->header.payload_len = (__u16)(payload > 65535 ? 65535 : payload);
	s->header.rec.time_ns = p->now_ns;
	s->l4_len = s->header.header_length + payload;
	s->captured = options + payload;
	s->header.rec.size = (__u32)sizeof *s + s->captured;
	struct segment_view view;
	segment_view_of(s, &view);
	view.checksum = right_checksum(&view);
	assert_int_not_equal(tcp_checksum(&view), TCP_CHECKSUM_WRONG); /* the module thinks so, too */
	s->checksum = wrong ? (__u16)(view.checksum ^ 0x1111) : unfilled ? 0 : view.checksum;
	return realloc(s, sizeof *s + s->captured);
}

static void play(struct play *p, const char *segments)
{
	_cleanup_free_ char *copy = strdup(segments);
	char *rest = copy;

	for (char *one; (one = strsep(&rest, ";"));) {
		if (strspn(one, " ") == strlen(one))
			continue;
		struct pk_segment *s = segment_make(one, p);
		struct segment_view view;
		segment_view_of(s, &view);
		view.lost = p->lost;
		if (!tcp_track_segment(p->track, &view))
			p->refused++;
		free(s);
	}
}

static void play_begin(struct play *p, unsigned connections_max, uint64_t history_max, bool ordinary)
{
	struct tcp_track_options options = {
		.connections_max = connections_max,
		.history_max = history_max,
		.ordinary = ordinary,
		.report = on_finding,
		.arg = p,
	};

	*p = (struct play){.now_ns = 1000 * NS_PER_S};
	assert_int_equal(tcp_track_new(&options, &p->track), 0);
}

static const char *text_of(const struct play *p, char *to, size_t size)
{
	size_t n = 0;

	to[0] = 0;
	for (unsigned i = 0; i < TCP_ANOMALY_MAX; i++)
		if (p->seen[i / 64] >> i % 64 & 1)
			n += (size_t)snprintf(to + n, size - n, "%s%s", n ? " " : "", tcp_anomaly_name(i));
	return to;
}

static void conversation_gets_its_names(void **state)
{
	uint64_t all[2] = {0};
	char text[1024];
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct play p;
		play_begin(&p, 16, 1 << 20, cases[i].ordinary);
		play(&p, cases[i].segments);
		if (strcmp(text_of(&p, text, sizeof text), cases[i].names) != 0)
			fail_msg("%s: \"%s\", wanted \"%s\"", cases[i].story, text, cases[i].names);
		if (p.refused != cases[i].refused)
			fail_msg("%s: %u segments not taken, wanted %u", cases[i].story, p.refused,
				 cases[i].refused);
		all[0] |= p.seen[0];
		all[1] |= p.seen[1];
		tcp_track_free(p.track);
	}
	/* These have tests of their own. */
	static const enum tcp_anomaly elsewhere[] = {TCP_RESERVED_FLAGS,          TCP_BAD_HEADER_LENGTH,
						     TCP_HEADER_LENGTH_TOO_SMALL, TCP_INVALID_OPTION_LENGTH,
						     TCP_OPTION_INVALID_LENGTH,   TCP_OPTION_DUPLICATE,
						     TCP_URGENT_LIMIT_REACHED};
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++)
		all[elsewhere[i] / 64] |= 1ull << elsewhere[i] % 64;
	for (unsigned i = 0; i < TCP_ANOMALY_MAX; i++)
		if (!(all[i / 64] >> i % 64 & 1))
			fail_msg("no conversation gets %s", tcp_anomaly_name(i));
}

/* --- what a header shows --- */

static bool has(const struct play *p, enum tcp_anomaly anomaly)
{
	return p->seen[anomaly / 64] >> anomaly % 64 & 1;
}

static void header_faults(void **state)
{
	static const struct {
		uint8_t header_length;
		uint8_t options[12];
		enum tcp_anomaly wanted;
	} headers[] = {
		{16, {0}, TCP_BAD_HEADER_LENGTH},
		{60, {0}, TCP_INVALID_OPTION_LENGTH},
		{60, {0}, TCP_HEADER_LENGTH_TOO_SMALL},
		{32, {2, 1, 1, 1}, TCP_OPTION_INVALID_LENGTH},
		{32, {1, 1, 1, 1, 1, 1, 1, 1, 1, 8, 10, 0}, TCP_OPTION_INVALID_LENGTH},
		{32, {3, 3, 1, 3, 3, 2}, TCP_OPTION_DUPLICATE},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		struct play p;
		struct segment_view view = {
			.source = {{ADDR_IPV4, {192, 0, 2, 1}}, 1},
			.destination = {{ADDR_IPV4, {192, 0, 2, 2}}, 2},
			.flags = PK_TCP_SYN,
			.header_length = headers[i].header_length,
			.l4_len = 32,
			.options = {(const char *)headers[i].options, 12},
		};
		play_begin(&p, 1, 0, false);
		tcp_track_segment(p.track, &view);
		assert_true(has(&p, headers[i].wanted));
		tcp_track_free(p.track);
	}
}

/* The nine flags in all ways: what no segment of a connection carries has a name, and only that. */
static void flags_in_all_ways(void **state)
{
	(void)state;

	for (unsigned flags = 0; flags < 0x200; flags++) {
		struct pk_segment s = {
			.header = {.family = PK_AF_INET, .flags = (__u16)flags, .header_length = 20}};
		bool none = !(flags & 0x3f), xmas = (flags & 0x3f) == (PK_TCP_FIN | PK_TCP_PSH | PK_TCP_URG);
		bool syn_fin = flags & PK_TCP_SYN && flags & PK_TCP_FIN,
		     syn_rst = flags & PK_TCP_SYN && flags & PK_TCP_RST;
		struct segment_view view;
		struct play p;

		s.l4_len = 20;
		segment_view_of(&s, &view);
		play_begin(&p, 1, 0, false);
		bool taken = tcp_track_segment(p.track, &view);
		assert_int_equal(has(&p, TCP_NULL_SCAN), none);
		assert_int_equal(has(&p, TCP_XMAS_SCAN), xmas);
		assert_int_equal(has(&p, TCP_SYN_FIN), syn_fin);
		assert_int_equal(has(&p, TCP_FIN_SYN), syn_fin);
		assert_int_equal(has(&p, TCP_SYN_RST), syn_rst);
		assert_int_equal(has(&p, TCP_URGENT), flags & PK_TCP_URG && !xmas && !syn_fin && !syn_rst);
		assert_false(has(&p, TCP_RESERVED_FLAGS));
		if (none || xmas || syn_fin || syn_rst)
			assert_false(taken);
		tcp_track_free(p.track);
	}
}

static void reserved_bits(void **state)
{
	struct pk_segment s = {
		.header = {
			.family = PK_AF_INET, .flags = PK_TCP_SYN, .header_length = 20, .why = PK_WHY_ODD}};
	struct segment_view view;
	struct play p;
	(void)state;

	s.l4_len = 20;
	segment_view_of(&s, &view);
	play_begin(&p, 1, 0, false);
	tcp_track_segment(p.track, &view);
	assert_true(has(&p, TCP_RESERVED_FLAGS));
	tcp_track_free(p.track);
}

static void urgent_data_has_a_limit(void **state)
{
	struct play p;
	char one[64];
	(void)state;

	play_begin(&p, 1, 1 << 20, false);
	play(&p, HANDSHAKE);
	for (int i = 0; i <= TCP_URGENT_MAX; i++) {
		assert_false(has(&p, TCP_URGENT_LIMIT_REACHED));
		snprintf(one, sizeof one, "C PAU %d 1 d=x", i + 1);
		play(&p, one);
	}
	assert_true(has(&p, TCP_URGENT_LIMIT_REACHED));
	tcp_track_free(p.track);
}

/* --- checksums, IPv6 --- */

static void checksum_known_by_heart(void **state)
{
	/* A SYN from 192.0.2.1:1 to 192.0.2.2:2, added up by hand. */
	struct segment_view view = {
		.source = {{ADDR_IPV4, {192, 0, 2, 1}}, 1},
		.destination = {{ADDR_IPV4, {192, 0, 2, 2}}, 2},
		.flags = PK_TCP_SYN,
		.window = 0x2000,
		.header_length = 20,
		.l4_len = 20,
	};
	uint32_t sum = 0xc000 + 0x0201 + 0xc000 + 0x0202 + 6 + 20; /* pseudo header */
	uint16_t unfilled, right;
	(void)state;

	unfilled = htons((uint16_t)((sum & 0xffff) + (sum >> 16)));
	sum += 1 + 2 + 0x5002 + 0x2000;
	sum = (sum & 0xffff) + (sum >> 16);
	right = htons((uint16_t)~sum);
	view.checksum = right;
	assert_int_equal(tcp_checksum(&view), TCP_CHECKSUM_RIGHT);
	view.checksum = unfilled;
	assert_int_equal(tcp_checksum(&view), TCP_CHECKSUM_UNFILLED);
	view.checksum = (uint16_t)(right ^ 0x0100);
	assert_int_equal(tcp_checksum(&view), TCP_CHECKSUM_WRONG);
	view.payload_len = 5; /* not captured */
	assert_int_equal(tcp_checksum(&view), TCP_CHECKSUM_UNKNOWN);
}

/* --- bounds --- */

static void table_is_bounded(void **state)
{
	struct play p;
	(void)state;

	play_begin(&p, 4, 1 << 20, false);
	for (unsigned i = 0; i < 10; i++) {
		struct segment_view view = {
			.source = {{ADDR_IPV4, {192, 0, 2, 1}}, (uint16_t)(1000 + i)},
			.destination = {{ADDR_IPV4, {192, 0, 2, 2}}, 80},
			.flags = PK_TCP_SYN,
			.header_length = 20,
			.l4_len = 20,
			.time_ns = i * NS_PER_S,
		};
		tcp_track_segment(p.track, &view);
	}
	assert_int_equal(tcp_track_counts(p.track).held, 4);
	assert_int_equal(tcp_track_counts(p.track).held_max, 4);
	assert_int_equal(tcp_track_counts(p.track).evicted, 6);
	tcp_track_tick(p.track, 2 * 3600 * NS_PER_S);
	assert_int_equal(tcp_track_counts(p.track).held, 0);
	tcp_track_free(p.track);
}

static void closed_connection_is_forgotten_after_a_minute(void **state)
{
	struct play p;
	(void)state;

	play_begin(&p, 4, 1 << 20, true);
	play(&p, HANDSHAKE "C FA 1 1; S FA 1 2; C A 2 2");
	tcp_track_tick(p.track, p.now_ns + 59 * NS_PER_S);
	assert_int_equal(tcp_track_counts(p.track).held, 1);
	tcp_track_tick(p.track, p.now_ns + 61 * NS_PER_S);
	assert_int_equal(tcp_track_counts(p.track).held, 0);
	tcp_track_free(p.track);
}

static void bytes_to_compare_are_bounded(void **state)
{
	struct play p;
	(void)state;

	play_begin(&p, 4, 0, false);
	play(&p, HANDSHAKE "C PA 1 1 d=GET; C PA 1 1 d=PUT");
	assert_false(has(&p, TCP_OVERLAP_DIFFERENT_DATA));
	assert_int_equal(tcp_track_counts(p.track).uncompared, 2);
	assert_int_equal(tcp_track_counts(p.track).history_bytes, 0);
	assert_int_equal(tcp_track_counts(p.track).history_bytes_max, 0);
	tcp_track_free(p.track);
}

/* The latest connection is compared whatever came before it. */
static void bytes_of_older_connections_make_room(void **state)
{
	struct play p;
	(void)state;

	play_begin(&p, 100, 3 * sizeof(struct tcp_history), false);
	for (unsigned i = 0; i < 50; i++) {
		struct segment_view view = {
			.source = {{ADDR_IPV4, {192, 0, 2, 7}}, (uint16_t)(1000 + i)},
			.destination = {{ADDR_IPV4, {192, 0, 2, 2}}, 80},
			.flags = PK_TCP_ACK,
			.header_length = 20,
			.l4_len = 23,
			.payload_len = 3,
			.payload = SPAN("GET"),
		};
		tcp_track_segment(p.track, &view);
	}
	play(&p, HANDSHAKE "C PA 1 1 d=GET; S PA 1 4 d=200; C PA 1 4 d=PUT");
	assert_true(has(&p, TCP_OVERLAP_DIFFERENT_DATA));
	assert_int_equal(tcp_track_counts(p.track).uncompared, 0);
	tcp_track_free(p.track);
}

static void each_name_once_for_a_direction(void **state)
{
	struct play p;
	(void)state;

	play_begin(&p, 4, 1 << 20, false);
	play(&p, HANDSHAKE "C PA 90001 1 d=BAD; C PA 90001 1 d=BAD; C PA 90001 1 d=BAD");
	assert_int_equal(p.findings, 1);
	assert_true(p.last.from_client);
	assert_int_equal(p.last.client.port, 40000);
	assert_int_equal(p.last.server.port, 80);
	play(&p, "S PA 90001 1 d=BAD; S PA 90001 1 d=BAD");
	assert_int_equal(p.findings, 2);
	assert_false(p.last.from_client);
	tcp_track_free(p.track);
}

/* --- behind a loss of records --- */

#define LOSS_SEGMENTS_MAX 16

/* As honest stacks have them, longer than those above. */
static const char *const honest[] = {
	/* two requests, the second one on a connection of the same ports */
	HANDSHAKE "C PA 1 1 d=GET; S PA 1 4 d=200; S FA 4 4; C FA 4 5; S A 5 5; "
		  "C S 90000 0; S SA 70000 90001; C A 90001 70001; C PA 90001 70001 d=PUT; "
		  "S PA 70001 90004 d=201; C RA 90004 70004",
	/* windows that grow */
	"C S 0 0 s=7; S SA 0 1 s=7; C A 1 1 w=20; C PA 1 1 d=GET w=20; S A 1 4; S PA 1 4 n=2500; "
	"C A 4 2501 w=2000; S PA 2501 4 n=60000; C A 4 62501 w=2000; S PA 62501 4 n=60000; C A 4 122501 "
	"w=2000; "
	"S FA 122501 4; C FA 4 122502; S A 122502 5",
	/* an upload that begins with the third ACK; the client aborts it */
	"C S 0 0 t=100; S SA 0 1 t=500; C PA 1 1 d=POST t=101; C PA 5 1 n=3000 t=102; C PA 3005 1 n=3000 "
	"t=102; "
	"S A 1 6005 t=510; C PA 6005 1 n=3000 t=103; C RA 9005 1; S A 1 9005 t=511; C R 9005 0; "
	"C S 3000000 0 t=200; S SA 50000 3000001 t=600; C A 3000001 50001 t=201",
	/* lost on the network, too: each comes again */
	"C S 0 0; C S 0 0 +1000; S SA 0 1; S SA 0 1 +1000; C A 1 1; C PA 1 1 d=GET; C PA 1 1 d=GET +300; S A "
	"1 4; "
	"S PA 4 4 d=OK; C A 4 1; S PA 1 4 d=200; C A 4 6; C FA 4 6; C FA 4 6 +300; S FA 6 5; C A 5 7",
};

struct recorded {
	struct pk_segment *segment[LOSS_SEGMENTS_MAX];
	unsigned count;
};

/* False: it has too many segments. */
static bool record(struct recorded *r, const char *segments)
{
	_cleanup_free_ char *copy = strdup(segments);
	char *rest = copy;
	struct play p = {.now_ns = 1000 * NS_PER_S};

	r->count = 0;
	for (char *one; (one = strsep(&rest, ";"));) {
		if (strspn(one, " ") == strlen(one))
			continue;
		if (r->count == LOSS_SEGMENTS_MAX)
			return false;
		r->segment[r->count++] = segment_make(one, &p);
	}
	return true;
}

/* lost: by bits, which of its records found no room. Ends p. */
static void play_with_losses(struct play *p, const struct recorded *r, uint32_t lost)
{
	for (unsigned i = 0; i < r->count; i++) {
		struct segment_view view;

		if (lost >> i & 1)
			continue;
		segment_view_of(r->segment[i], &view);
		view.lost = (uint32_t)__builtin_popcount(lost & ((1u << i) - 1));
		if (!tcp_track_segment(p->track, &view))
			p->refused += lost == 0 || view.payload_len;
	}
	tcp_track_free(p->track);
}

static void check_losses(const char *segments)
{
	struct recorded r;
	char text[1024];

	bool fits = record(&r, segments);
	for (uint32_t lost = 0; fits && lost < 1u << r.count; lost++) {
		struct play p;

		play_begin(&p, 16, 1 << 20, false);
		play_with_losses(&p, &r, lost);
		if (lost == 0 && (p.findings || p.refused))
			break; /* it is not honest */
		if (p.findings)
			fail_msg("%s: without records %#x: \"%s\"", segments, lost,
				 text_of(&p, text, sizeof text));
		if (p.refused)
			fail_msg("%s: without records %#x: %u not read", segments, lost, p.refused);
	}
	for (unsigned i = 0; i < r.count; i++)
		free(r.segment[i]);
}

/* Each honest conversation, with each set of its records missing. That its beginning is missing stands for
 * a connection that was forgotten for room as well. */
static void loss_of_records_makes_nobody_dishonest(void **state)
{
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(honest); i++) {
		struct play p;

		play_begin(&p, 16, 1 << 20, false);
		play(&p, honest[i]);
		assert_int_equal(p.findings, 0);
		assert_int_equal(p.refused, 0);
		tcp_track_free(p.track);
		check_losses(honest[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_losses(cases[i].segments);
}

static void what_begins_behind_a_loss_is_judged_again(void **state)
{
	struct play p;
	(void)state;

	play_begin(&p, 4, 1 << 20, false);
	play(&p, HANDSHAKE "C PA 1 1 d=GET");
	p.lost = 7;
	play(&p, "C PA 90001 1 d=BAD; S PA 1 90004 d=200; C PA 1 1 d=PUT; C P 5 0 d=BAD");
	assert_int_equal(p.findings, 1); /* no loss explains that */
	assert_true(has(&p, TCP_ACK_FLAG_MISSING));
	assert_int_equal(tcp_track_counts(p.track).lossy, 1);
	p.lost = 8;
	play(&p, "C PA 90004 4 d=GET");
	assert_int_equal(tcp_track_counts(p.track).lossy, 1);
	play(&p, "C S 5000 0; S SA 7000 5001; C A 5001 7001; C PA 95001 7001 d=BAD");
	assert_int_equal(p.findings, 2);
	assert_true(has(&p, TCP_ESTABLISHED_PACKET_OUT_OF_WINDOW));
	assert_int_equal(tcp_track_counts(p.track).lossy, 1);
	tcp_track_free(p.track);
}

/* A client cannot have its requests passed over by a SYN that the server does not take. */
static void stray_syn_behind_a_loss_hides_nothing(void **state)
{
	struct play p;
	(void)state;

	play_begin(&p, 4, 1 << 20, false);
	play(&p, HANDSHAKE);
	p.lost = 1;
	play(&p,
	     "C PA 1 1 d=GET; C S 900000 0; S PA 1 4 d=200; C S 900000 0; C PA 4 4 d=PUT; S PA 4 7 d=201");
	assert_int_equal(p.refused, 0);
	assert_int_equal(p.findings, 0);
	tcp_track_free(p.track);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conversation_gets_its_names),
		cmocka_unit_test(header_faults),
		cmocka_unit_test(flags_in_all_ways),
		cmocka_unit_test(reserved_bits),
		cmocka_unit_test(urgent_data_has_a_limit),
		cmocka_unit_test(checksum_known_by_heart),
		cmocka_unit_test(table_is_bounded),
		cmocka_unit_test(closed_connection_is_forgotten_after_a_minute),
		cmocka_unit_test(bytes_to_compare_are_bounded),
		cmocka_unit_test(bytes_of_older_connections_make_room),
		cmocka_unit_test(each_name_once_for_a_direction),
		cmocka_unit_test(loss_of_records_makes_nobody_dishonest),
		cmocka_unit_test(what_begins_behind_a_loss_is_judged_again),
		cmocka_unit_test(stray_syn_behind_a_loss_hides_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
