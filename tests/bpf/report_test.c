// SPDX-License-Identifier: Apache-2.0
/*
 * report_test.c: whole segments and odd frames (PK_SEGMENT, PK_FRAME), from the packet program run in the
 * kernel on frames built here, as XDP and as tc: when they are made, and that nothing of them is missing.
 *
 *     report_test xdp|tc
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collect.h"
#include "lib/util.h"
#include "packet.h"
#include "sensor/kernel_internal.h"
#include "sensor/ports.h"
#include "sensor/reader.h"

#define WATCHED 8083
#define OTHER   9090
#define CLIENT4 "198.51.100.7"
#define SERVER4 "192.0.2.1"
#define CLIENT6 "2001:db8::7"
#define SERVER6 "2001:db8:1::1"

static bool use_tc;
static struct kernel *kernel;
static struct reader *reader;
static struct collect got;
static struct config config;
static int program;

static void packets_set(enum pk_packets packets)
{
	struct pk_config c = {.share_divisor = 8, .packets = packets};

	assert_int_equal(kernel_config_set(kernel, &c), 0);
}

static int open_all(void)
{
	struct kernel_options options = {0};
	struct pk_ports ports = {.watched[WATCHED / 64] = 1ull << (WATCHED % 64)};
	struct buffer errors = BUFFER_INIT(4096);

	config.capture.ring_bytes = 1 << 16;
	config.capture.header_ring_bytes = 1 << 20;
	config.limits.blocks_max = 16;
	int r = kernel_load(&config, &options, &kernel, &errors);
	if (r) {
		fprintf(stderr, "kernel_load: %d\n%.*s", r, (int)errors.len, errors.data);
		return -1;
	}
	program = use_tc ? kernel_program_fd(kernel, OBJECT_TC, "pk_tc")
			 : kernel_program_fd(kernel, OBJECT_XDP_FRAGS, "pk_xdp");
	packets_set(PK_PACKETS_ALL);
	ports_write(kernel_ports_fd(kernel), &ports);
	buffer_free(&errors);
	return program < 0 ? -1 : reader_new(kernel, collect_record, &got, &reader);
}

static void close_all(void)
{
	reader_free(reader);
	kernel_free(kernel);
	collect_clear(&got);
}

/* What the program reports of one frame is in `got` then. 0 or -errno. */
static int run_bytes(const uint8_t *bytes, size_t len)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = bytes, .data_size_in = (__u32)len, .repeat = 1);

	collect_clear(&got);
	if (bpf_prog_test_run_opts(program, &run))
		return -errno;
	assert_true(reader_drain(reader) >= 0);
	return 0;
}

static void run(const struct frame_buf *f)
{
	assert_int_equal(run_bytes(f->bytes, f->len), 0);
}

static const struct tcp_fields to_server = {.source = 40000,
					    .destination = WATCHED,
					    .sequence = 0x01020304,
					    .acknowledgment = 0x05060708,
					    .flags = PK_TCP_PSH | PK_TCP_ACK,
					    .window = 512};

static void make4(struct frame_buf *f, const struct tcp_fields *t, size_t ip_options, uint16_t fragment,
		  size_t payload)
{
	packet_begin(f);
	packet_eth(f, 0x0800);
	packet_ipv4(f, CLIENT4, SERVER4, 6, ip_options, fragment);
	packet_tcp(f, t);
	packet_bytes(f, payload);
	packet_end(f);
}

static const struct pk_segment *only_segment(void)
{
	assert_int_equal(collect_count(&got, PK_SEGMENT), 1);
	assert_int_equal(collect_count(&got, PK_FRAME), 0);
	return collect_get(&got, PK_SEGMENT, 0);
}

/* --- segments --- */

static void a_segment_has_its_header_options_and_payload(void **state)
{
	struct tcp_fields t = to_server;
	struct frame_buf f;

	(void)state;
	t.options = 12;
	make4(&f, &t, 0, 0, 100);
	for (size_t i = 54; i < f.len; i++)
		f.bytes[i] = (uint8_t)i;
	run(&f);
	const struct pk_segment *s = only_segment();
	assert_int_equal(s->header.source_port, 40000);
	assert_int_equal(s->header.destination_port, WATCHED);
	assert_int_equal(s->header.sequence, 0x01020304);
	assert_int_equal(s->header.acknowledgment, 0x05060708);
	assert_int_equal(s->header.flags, PK_TCP_PSH | PK_TCP_ACK);
	assert_int_equal(s->header.header_length, 32);
	assert_int_equal(s->header.payload_len, 100);
	assert_int_equal(s->header.hook, use_tc ? PK_HOOK_TC : PK_HOOK_XDP);
	assert_int_equal(s->l4_len, 132);
	assert_int_equal(s->captured, 112);
	assert_memory_equal(s + 1, f.bytes + 54, 112);
	assert_int_equal(s->vlan[0], 0);
}

static void every_length_up_to_a_frame_is_whole(void **state)
{
	static uint8_t bytes[66000];
	struct frame_buf f;

	(void)state;
	make4(&f, &to_server, 0, 0, 0);
	memcpy(bytes, f.bytes, 54);
	for (size_t i = 54; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 7);
	static const size_t lengths[] = {0,    1,    235,  236,  255,   256,   257,   1460,  2047,  2048,
					 2049, 3400, 4096, 9000, 16383, 16384, 16385, 40000, 65000, 65495};
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		size_t len = lengths[i];
		bytes[16] = (uint8_t)((40 + len) >> 8);
		bytes[17] = (uint8_t)(40 + len);
		int r = run_bytes(bytes, 54 + len);
		if (r == -EINVAL && len > 3000 && use_tc)
			continue; /* a test run of tc takes less than a page */
		assert_int_equal(r, 0);
		const struct pk_segment *s = only_segment();
		assert_int_equal(s->captured, len);
		assert_memory_equal(s + 1, bytes + 54, len);
	}
}

static void both_directions_and_any_port_are_reported(void **state)
{
	struct tcp_fields t = {.source = OTHER, .destination = 1, .flags = PK_TCP_ACK};
	struct frame_buf f;

	(void)state;
	make4(&f, &t, 0, 0, 5);
	run(&f);
	assert_int_equal(only_segment()->header.source_port, OTHER);
	packets_set(PK_PACKETS_OFF);
	run(&f);
	assert_int_equal(got.count, 0);
}

static void tags_are_told(void **state)
{
	struct frame_buf f;

	(void)state;
	packet_begin(&f);
	packet_eth(&f, 0x88a8);
	packet_vlan(&f, 0x8100);
	packet_vlan(&f, 0x86dd);
	f.bytes[14] = 0x20; /* priority */
	f.bytes[15] = 7;
	f.bytes[18] = 0x01;
	f.bytes[19] = 0x02;
	packet_ipv6(&f, CLIENT6, SERVER6, 6);
	packet_tcp(&f, &to_server);
	packet_bytes(&f, 9);
	packet_end(&f);
	run(&f);
	const struct pk_segment *s = only_segment();
	assert_int_equal(s->vlan[0], 7);
	assert_int_equal(s->vlan[1], 0x102);
	assert_int_equal(s->header.family, PK_AF_INET6);
	assert_int_equal(s->captured, 9);
}

static void ethernet_padding_is_not_captured(void **state)
{
	struct frame_buf f;

	(void)state;
	make4(&f, &to_server, 0, 0, 2);
	packet_bytes(&f, 4);
	run(&f);
	assert_int_equal(only_segment()->captured, 2);
}

static void a_cut_frame_tells_what_is_missing(void **state)
{
	struct frame_buf f;

	(void)state;
	make4(&f, &to_server, 0, 0, 100);
	f.len -= 40;
	run(&f);
	assert_int_equal(collect_count(&got, PK_FRAME), 1);
	const struct pk_segment *s = collect_get(&got, PK_SEGMENT, 0);
	assert_non_null(s);
	assert_int_equal(s->captured, 60);
	assert_int_equal(s->l4_len, 120);
}

/* --- what finds no room --- */

static void make_between(struct frame_buf *f, const char *from, const char *to, uint16_t port, uint16_t flags)
{
	packet_begin(f);
	packet_eth(f, 0x0800);
	packet_ipv4(f, from, to, 6, 0, 0);
	packet_tcp(f, &(struct tcp_fields){.source = 40000, .destination = port, .flags = flags});
	packet_bytes(f, 20);
	packet_end(f);
}

/* What the next record of such a segment tells. */
static uint32_t lost_told(const char *from, const char *to)
{
	struct frame_buf f;

	make_between(&f, from, to, WATCHED, PK_TCP_ACK);
	run(&f);
	return only_segment()->header.lost;
}

static uint32_t lost_acks_told(const char *from)
{
	struct frame_buf f;

	make_between(&f, from, SERVER4, WATCHED, PK_TCP_SYN);
	run(&f);
	assert_int_equal(collect_count(&got, PK_HEADER), 1);
	return ((const struct pk_header *)collect_get(&got, PK_HEADER, 0))->lost;
}

static uint32_t overrun(const char *from, const char *to, uint16_t port, uint16_t flags)
{
	enum { RUNS = 5000 };
	struct frame_buf f;

	make_between(&f, from, to, port, flags);
	LIBBPF_OPTS(bpf_test_run_opts, many, .data_in = f.bytes, .data_size_in = (__u32)f.len,
		    .repeat = RUNS);
	collect_clear(&got);
	assert_int_equal(bpf_prog_test_run_opts(program, &many), 0);
	assert_true(reader_drain(reader) >= 0);
	size_t told = collect_count(&got, PK_SEGMENT);
	assert_true(told > 0 && told < RUNS);
	return (uint32_t)(RUNS - told);
}

static void each_record_tells_how_many_were_lost_before_it(void **state)
{
	struct pk_config c = {.packets = PK_PACKETS_ALL, .header_rate = 1000, .header_burst = 100};

	(void)state;
	assert_int_equal(lost_told(CLIENT4, SERVER4), 0);
	uint32_t answers = overrun(SERVER4, CLIENT4, OTHER, PK_TCP_ACK);
	for (size_t i = 0; i < got.count; i++)
		assert_int_equal(((const struct pk_header *)got.list[i])->lost, 0);
	assert_int_equal(lost_told(CLIENT4, SERVER4), answers);
	assert_int_equal(lost_told(SERVER4, CLIENT4), answers);
	assert_int_equal(lost_told("198.51.100.8", SERVER4), 0);
	/* Acknowledgments to a watched port are counted by their source. */
	uint32_t syns = overrun(CLIENT4, SERVER4, WATCHED, PK_TCP_SYN);
	uint32_t acks = overrun(CLIENT4, SERVER4, WATCHED, PK_TCP_ACK | PK_TCP_PSH);
	assert_int_equal(lost_told(CLIENT4, SERVER4), answers + syns + acks);
	assert_int_equal(kernel_config_set(kernel, &c), 0);
	assert_int_equal(lost_acks_told(CLIENT4), acks << 16 | acks);
	assert_int_equal(lost_acks_told("198.51.100.8"), acks << 16);
}

/* --- odd frames --- */

static void make_plain(struct frame_buf *f)
{
	make4(f, &to_server, 0, 0, 10);
}

static void make_options(struct frame_buf *f)
{
	make4(f, &to_server, 8, 0, 10);
}

static void make_first_fragment(struct frame_buf *f)
{
	make4(f, &to_server, 0, 0x2000, 16);
}

static void make_fragment6(struct frame_buf *f, int more)
{
	packet_begin(f);
	packet_eth(f, 0x86dd);
	packet_ipv6(f, CLIENT6, SERVER6, 44);
	packet_fragment(f, 6, 0, more);
	packet_tcp(f, &to_server);
	packet_bytes(f, 4);
	packet_end(f);
}

static void make_first_fragment6(struct frame_buf *f)
{
	make_fragment6(f, 1);
}

static void make_atomic_fragment6(struct frame_buf *f)
{
	make_fragment6(f, 0);
}

static void make_later_fragment(struct frame_buf *f)
{
	make4(f, &to_server, 0, 5, 16);
}

static void make_short_tcp(struct frame_buf *f)
{
	make4(f, &to_server, 0, 0, 0);
	f->bytes[17] = 20 + 12; /* the IP length ends inside the header */
}

static void make_bad_offset(struct frame_buf *f)
{
	struct tcp_fields t = to_server;

	t.header_words = 4;
	make4(f, &t, 0, 0, 10);
}

static void make_protocol(struct frame_buf *f, uint8_t protocol)
{
	packet_begin(f);
	packet_eth(f, 0x0800);
	packet_ipv4(f, CLIENT4, SERVER4, protocol, 0, 0);
	packet_bytes(f, 30);
	packet_end(f);
}

static void make_icmp(struct frame_buf *f)
{
	make_protocol(f, 1);
}

static void make_unknown_protocol(struct frame_buf *f)
{
	make_protocol(f, 250);
}

static void make_udp(struct frame_buf *f)
{
	packet_begin(f);
	packet_eth(f, 0x0800);
	packet_ipv4(f, CLIENT4, SERVER4, 17, 0, 0);
	packet_udp(f, 1, 2);
	packet_bytes(f, 20);
	packet_end(f);
}

static void make_extension(struct frame_buf *f)
{
	packet_begin(f);
	packet_eth(f, 0x86dd);
	packet_ipv6(f, CLIENT6, SERVER6, 60);
	packet_ext(f, 60, 6, 1);
	packet_tcp(f, &to_server);
	packet_bytes(f, 3);
	packet_end(f);
}

static void make_unknown_type(struct frame_buf *f)
{
	packet_begin(f);
	packet_eth(f, 0x1234);
	packet_bytes(f, 50);
}

static void make_wrong_version(struct frame_buf *f)
{
	make_plain(f);
	f->bytes[14] = 0x55;
}

static void make_three_tags(struct frame_buf *f)
{
	packet_begin(f);
	packet_eth(f, 0x8100);
	packet_vlan(f, 0x8100);
	packet_vlan(f, 0x8100);
	packet_vlan(f, 0x0800);
	packet_bytes(f, 50);
}

static const struct oddity {
	const char *name;
	void (*make)(struct frame_buf *f);
	unsigned segments, frames;
} oddities[] = {
	{"plain", make_plain, 1, 0},
	{"UDP", make_udp, 0, 0},
	{"ICMP", make_icmp, 0, 0},
	{"IP options", make_options, 1, 1},
	{"first fragment", make_first_fragment, 0, 1},
	{"first fragment, IPv6", make_first_fragment6, 0, 1},
	{"fragment of one, IPv6", make_atomic_fragment6, 1, 1},
	{"later fragment", make_later_fragment, 0, 1},
	{"TCP header cut by the IP length", make_short_tcp, 0, 1},
	{"unknown protocol", make_unknown_protocol, 0, 1},
	{"extension header", make_extension, 1, 1},
	{"unknown type", make_unknown_type, 0, 1},
	{"wrong IP version", make_wrong_version, 0, 1},
	{"three tags", make_three_tags, 0, 1},
	{"data offset too small", make_bad_offset, 0, 1},
};

static void odd_frames_are_reported_from_their_first_byte(void **state)
{
	struct frame_buf f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(oddities); i++) {
		oddities[i].make(&f);
		run(&f);
		if (collect_count(&got, PK_SEGMENT) != oddities[i].segments ||
		    collect_count(&got, PK_FRAME) != oddities[i].frames)
			fail_msg("%s: %zu segments, %zu frames", oddities[i].name,
				 collect_count(&got, PK_SEGMENT), collect_count(&got, PK_FRAME));
		const struct pk_frame *frame = collect_get(&got, PK_FRAME, 0);
		if (!frame)
			continue;
		assert_int_equal(frame->len, f.len);
		assert_int_equal(frame->captured, f.len);
		assert_int_equal(frame->l3_only, 0);
		assert_memory_equal(frame + 1, f.bytes, f.len);
	}
}

/* --- forwarded traffic --- */

static int listener(const char *address)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(WATCHED)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	inet_pton(AF_INET, address, &a.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 1))
		fail_msg("listen: %s", strerror(errno));
	return fd;
}

static unsigned segments_to(const char *address, uint16_t port)
{
	struct tcp_fields t = to_server;
	struct frame_buf f;

	t.destination = port;
	packet_begin(&f);
	packet_eth(&f, 0x0800);
	packet_ipv4(&f, CLIENT4, address, 6, 0, 0);
	packet_tcp(&f, &t);
	packet_bytes(&f, 10);
	packet_end(&f);
	run(&f);
	return (unsigned)collect_count(&got, PK_SEGMENT);
}

static void only_what_no_local_socket_ends_is_forwarded(void **state)
{
	(void)state;
	packets_set(PK_PACKETS_FORWARDED);
	assert_int_equal(segments_to("127.0.0.1", WATCHED), 1);
	assert_int_equal(segments_to("127.0.0.1", OTHER), 0);
	int fd = listener("127.0.0.1");
	assert_int_equal(segments_to("127.0.0.1", WATCHED), 0);
	assert_int_equal(segments_to("127.0.0.2", WATCHED), 1);
	close(fd);
	assert_int_equal(segments_to("127.0.0.1", WATCHED), 1);
}

static void answers_of_a_watched_port_are_forwarded_too(void **state)
{
	struct tcp_fields t = {.source = WATCHED, .destination = 40000, .flags = PK_TCP_ACK};
	struct frame_buf f;

	(void)state;
	packets_set(PK_PACKETS_FORWARDED);
	make4(&f, &t, 0, 0, 10);
	run(&f);
	assert_int_equal(collect_count(&got, PK_SEGMENT), 1);
	make_unknown_type(&f); /* no IP packet: a live link has many */
	run(&f);
	assert_int_equal(got.count, 0);
	make_later_fragment(&f);
	run(&f);
	assert_int_equal(collect_count(&got, PK_FRAME), 1);
}

/* The first fragment of a segment to a port, of which n bytes are in it; frames of it are in `got` then. */
static const struct pk_frame *fragment_to(const char *address, uint16_t port, size_t n)
{
	struct tcp_fields t = to_server;
	struct frame_buf f;

	t.destination = port;
	packet_begin(&f);
	packet_eth(&f, 0x0800);
	packet_ipv4(&f, CLIENT4, address, 6, 0, 0x2000);
	packet_tcp(&f, &t);
	if (n > 20)
		packet_bytes(&f, n - 20);
	else
		f.len -= 20 - n;
	packet_end(&f);
	run(&f);
	assert_int_equal(got.count, 1);
	return collect_get(&got, PK_FRAME, 0);
}

/* Only the first has ports, and only the kernel knows its sockets. */
static void a_first_fragment_tells_whether_its_segment_is_wanted(void **state)
{
	struct frame_buf f;

	(void)state;
	packets_set(PK_PACKETS_FORWARDED);
	assert_int_equal(fragment_to("127.0.0.1", WATCHED, 32)->wanted, 1);
	assert_int_equal(fragment_to("127.0.0.1", WATCHED, 8)->wanted, 1);
	assert_int_equal(fragment_to("127.0.0.1", OTHER, 32)->wanted, 0);
	int fd = listener("127.0.0.1");
	assert_int_equal(fragment_to("127.0.0.1", WATCHED, 32)->wanted, 0);
	assert_int_equal(fragment_to("127.0.0.1", WATCHED, 8)->wanted, 0);
	close(fd);
	make_fragment6(&f, 1);
	run(&f);
	assert_int_equal(((const struct pk_frame *)collect_get(&got, PK_FRAME, 0))->wanted, 1);
	make_later_fragment(&f);
	run(&f);
	assert_int_equal(((const struct pk_frame *)collect_get(&got, PK_FRAME, 0))->wanted, 0);
}

/* Fragments are put together, so that they are needed whole. */
static void a_fragment_in_a_jumbo_frame_is_whole(void **state)
{
	static uint8_t bytes[9014];
	struct frame_buf f;

	(void)state;
	packets_set(PK_PACKETS_FORWARDED);
	for (int later = 0; later < 2; later++) {
		make4(&f, &to_server, 0, later ? 5 : 0x2000, 0);
		memcpy(bytes, f.bytes, 54);
		bytes[16] = (sizeof bytes - 14) >> 8;
		bytes[17] = (sizeof bytes - 14) & 0xff;
		for (size_t i = 54; i < sizeof bytes; i++)
			bytes[i] = (uint8_t)(i * 7);
		if (run_bytes(bytes, sizeof bytes)) {
			print_message("this kernel's test run takes no frame of 9,014 bytes\n");
			skip();
		}
		const struct pk_frame *frame = collect_get(&got, PK_FRAME, 0);
		assert_non_null(frame);
		assert_int_equal(frame->captured, sizeof bytes);
		assert_memory_equal(frame + 1, bytes, sizeof bytes);
	}
}

/* Loaded once for all cases: the verifier takes seconds in a virtual machine. */
static int begin(void **state)
{
	(void)state;
	packets_set(PK_PACKETS_ALL);
	collect_clear(&got);
	return 0;
}

#define CASE(NAME) cmocka_unit_test_setup(NAME, begin)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(a_segment_has_its_header_options_and_payload),
		CASE(every_length_up_to_a_frame_is_whole),
		CASE(both_directions_and_any_port_are_reported),
		CASE(tags_are_told),
		CASE(ethernet_padding_is_not_captured),
		CASE(a_cut_frame_tells_what_is_missing),
		CASE(odd_frames_are_reported_from_their_first_byte),
		CASE(only_what_no_local_socket_ends_is_forwarded),
		CASE(answers_of_a_watched_port_are_forwarded_too),
		CASE(a_first_fragment_tells_whether_its_segment_is_wanted),
		CASE(a_fragment_in_a_jumbo_frame_is_whole),
		CASE(each_record_tells_how_many_were_lost_before_it),
	};

	if (argc < 2 || (strcmp(argv[1], "xdp") && strcmp(argv[1], "tc"))) {
		fprintf(stderr, "usage: %s xdp|tc\n", argv[0]);
		return 2;
	}
	use_tc = !strcmp(argv[1], "tc");
	if (geteuid()) {
		fprintf(stderr, "skipped: needs root\n");
		return 77;
	}
	if (open_all()) {
		if (use_tc)
			return 1;
		fprintf(stderr, "skipped: no XDP for frames in pieces here, and XDP reports no payload\n");
		return 77;
	}
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	close_all();
	return r;
}
