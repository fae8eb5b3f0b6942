// SPDX-License-Identifier: Apache-2.0
/*
 * receive_test.c: the receive path program beside the packet program: of the same segment both say the same,
 * in every field; and each segment is reported once where both are attached and nobody asked for both. Skips
 * where the kernel has no kprobes; tests/kernels runs it in virtual machines that have them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "half.h"
#include "world.h"

#define PORT     HALF_PORT
#define KEPT_MAX 256

static struct world world;
static struct buffer errors = BUFFER_INIT(4096);

/* --- the stage --- */

/* Loaded once for all tests: in a virtual machine that takes longer than everything else here. */
static struct half half;

static void start(bool everything, enum config_packet_mode mode)
{
	struct kernel_attachment a;

	half.pk.sample_n = 1; /* every segment */
	half.pk.follow_listen = 0;
	half.pk.header_rate = half.pk.header_burst = 100000;
	assert_int_equal(kernel_config_set(half.kernel, &half.pk), 0);
	if (mode != PACKET_OFF)
		assert_int_equal(kernel_attach_interface(half.kernel, WORLD_SERVER, mode, &a, &errors), 0);
	assert_int_equal(kernel_attach_receive(half.kernel, everything, &errors), 0);
	assert_true(kernel_receive_attached(half.kernel));
}

static int stop(void **state)
{
	(void)state;
	kernel_detach_receive(half.kernel);
	kernel_detach_interface(half.kernel, if_nametoindex(WORLD_SERVER));
	half_assert_balance(&half);
	collect_clear(&half.got);
	return 0;
}

static void exchange(int client, int server)
{
	char buf[64];

	assert_int_equal(send(client, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL), 18);
	assert_int_equal(recv(server, buf, 18, MSG_WAITALL), 18);
	assert_int_equal(send(server, "HTTP/1.1 204\r\n\r\n", 16, MSG_NOSIGNAL), 16);
	assert_int_equal(recv(client, buf, 16, MSG_WAITALL), 16);
}

/* A whole connection: handshake, data, and FIN or RST. */
static void conversation(const char *listen_on, const char *to, uint16_t port, bool reset)
{
	const struct linger now = {.l_onoff = 1, .l_linger = 0};
	int listener = world_listen(listen_on, port);
	int client = world_connect(&world, NULL, to, port);
	int server = accept(listener, NULL, NULL);
	char byte;

	assert_true(client >= 0 && server >= 0);
	exchange(client, server);
	if (reset)
		assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	close(client);
	assert_true(recv(server, &byte, 1, 0) <= 0);
	close(server);
	close(listener);
	assert_true(world_until_quiet(port)); /* the last acknowledgment */
}

/* --- what came --- */

static bool flags_seen(const struct pk_header *list, size_t count, uint16_t flags, bool data)
{
	for (size_t i = 0; i < count; i++)
		if ((list[i].flags & flags) == flags && (!data || list[i].payload_len))
			return true;
	return false;
}

/* The headers that came by a hook, without what may differ: the time, and the hook itself. */
static size_t by_hook(enum pk_hook hook, struct pk_header *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < collect_count(&half.got, PK_HEADER) && count < KEPT_MAX; i++) {
		const struct pk_header *one = collect_get(&half.got, PK_HEADER, i);

		if (one->hook != hook)
			continue;
		ret[count] = *one;
		ret[count].rec.time_ns = 0;
		ret[count++].hook = 0;
	}
	return count;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct pk_header));
}

static void print(const char *hook, const struct pk_header *h)
{
	print_message("%-6s %u>%u seq %u ack %u len %u flags %03x win %u payload %u ttl %u if %u why %02x\n",
		      hook, h->source_port, h->destination_port, h->sequence, h->acknowledgment,
		      h->header_length, h->flags, h->window, h->payload_len, h->ttl, h->ifindex, h->why);
}

static void both_say_the_same(enum pk_hook packet_hook)
{
	static struct pk_header receive[KEPT_MAX], packet[KEPT_MAX];

	half_assert_balance(&half);
	size_t receives = by_hook(PK_HOOK_KPROBE, receive), packets = by_hook(packet_hook, packet);

	qsort(receive, receives, sizeof(*receive), compare);
	qsort(packet, packets, sizeof(*packet), compare);
	if (receives != packets || memcmp(receive, packet, receives * sizeof(*receive))) {
		for (size_t i = 0; i < packets; i++)
			print("packet", &packet[i]);
		for (size_t i = 0; i < receives; i++)
			print("kprobe", &receive[i]);
		fail_msg("%zu headers by kprobe, %zu by the packet program, or not the same", receives,
			 packets);
	}
	assert_true(flags_seen(receive, receives, PK_TCP_SYN, false));
	assert_true(flags_seen(receive, receives, PK_TCP_FIN | PK_TCP_ACK, false));
	assert_true(flags_seen(receive, receives, PK_TCP_RST, false));
	assert_true(flags_seen(receive, receives, PK_TCP_PSH | PK_TCP_ACK, true));
	assert_true(half_stat(&half, PK_C_RECEIVED) >= receives);
	assert_int_equal(half_stat(&half, PK_C_RECEIVE_ERROR), 0);
}

/* --- the tests --- */

static void every_field_is_the_packet_programs(const char *listen_on, const char *to,
					       enum config_packet_mode mode)
{
	start(true, mode);
	conversation(listen_on, to, PORT, false);
	conversation(listen_on, to, PORT, true);
	both_say_the_same(mode == PACKET_TC ? PK_HOOK_TC : PK_HOOK_XDP);
	stop(NULL);
}

static void of_ipv4_segments_both_say_the_same(void **state)
{
	(void)state;
	every_field_is_the_packet_programs("10.77.0.1", "10.77.0.1", PACKET_TC);
	every_field_is_the_packet_programs("10.77.0.1", "10.77.0.1", PACKET_XDP_GENERIC);
	every_field_is_the_packet_programs("10.77.0.1", "10.77.0.1", PACKET_XDP_NATIVE);
}

static void of_ipv6_segments_both_say_the_same(void **state)
{
	(void)state;
	every_field_is_the_packet_programs("fd77::1", "fd77::1", PACKET_TC);
	every_field_is_the_packet_programs("fd77::1", "fd77::1", PACKET_XDP_NATIVE);
}

/* An IPv6 socket's IPv4 client is an IPv4 client. */
static void of_ipv4_segments_to_an_ipv6_socket_both_say_the_same(void **state)
{
	(void)state;
	every_field_is_the_packet_programs("::", "10.77.0.1", PACKET_TC);
}

static size_t count_of(enum pk_hook hook)
{
	static struct pk_header list[KEPT_MAX];

	half_assert_balance(&half);
	size_t n = by_hook(hook, list);
	collect_clear(&half.got);
	return n;
}

static void a_segment_is_reported_once_unless_both_are_asked_for(void **state)
{
	(void)state;
	start(false, PACKET_TC);
	conversation("10.77.0.1", "10.77.0.1", PORT, false);
	half_assert_balance(&half);
	size_t by_tc = collect_count(&half.got, PK_HEADER);
	assert_true(by_tc >= 5);
	assert_int_equal(count_of(PK_HOOK_KPROBE), 0);

	/* The interface loses its program: the receive path takes over. */
	kernel_detach_interface(half.kernel, if_nametoindex(WORLD_SERVER));
	assert_int_equal(kernel_receive_cover(half.kernel, false), 0);
	conversation("10.77.0.1", "10.77.0.1", PORT, false);
	half_assert_balance(&half);
	size_t all = collect_count(&half.got, PK_HEADER);
	assert_int_equal(count_of(PK_HOOK_KPROBE), all);
	assert_true(all >= 5);

	/* Detached, it is silent. */
	kernel_detach_receive(half.kernel);
	assert_false(kernel_receive_attached(half.kernel));
	conversation("10.77.0.1", "10.77.0.1", PORT, false);
	assert_int_equal(count_of(PK_HOOK_KPROBE), 0);
}

static void only_watched_ports_of_the_namespace_are_reported(void **state)
{
	(void)state;
	start(true, PACKET_OFF);
	conversation("10.77.0.1", "10.77.0.1", PORT + 1, false);
	assert_int_equal(count_of(PK_HOOK_KPROBE), 0);
	/* The same port in the other namespace. */
	world_enter(&world, true);
	int listener = world_listen("10.77.0.2", PORT);
	world_enter(&world, false);
	int client = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len;
	struct sockaddr_storage at = world_addr("10.77.0.2", PORT, &len);
	assert_int_equal(connect(client, (void *)&at, len), 0);
	close(client);
	close(listener);
	assert_int_equal(count_of(PK_HOOK_KPROBE), 0);
	conversation("10.77.0.1", "10.77.0.1", PORT, false);
	assert_true(count_of(PK_HOOK_KPROBE) >= 5);
}

static void without_sampling_only_what_is_worth_it_is_reported(void **state)
{
	static struct pk_header list[KEPT_MAX];

	(void)state;
	start(true, PACKET_OFF);
	half.pk.sample_n = 0;
	assert_int_equal(kernel_config_set(half.kernel, &half.pk), 0);
	conversation("10.77.0.1", "10.77.0.1", PORT, false);
	half_assert_balance(&half);
	size_t n = by_hook(PK_HOOK_KPROBE, list);
	assert_int_equal(n, 2);
	assert_int_equal(list[0].why, PK_WHY_SYN);
	assert_int_equal(list[1].why, PK_WHY_FIN);

	/* Nothing left in the bucket: counted, not reported. */
	collect_clear(&half.got);
	half.pk.header_rate = 1;
	half.pk.header_burst = 0;
	assert_int_equal(kernel_config_set(half.kernel, &half.pk), 0);
	conversation("10.77.0.1", "10.77.0.1", PORT, false);
	assert_int_equal(count_of(PK_HOOK_KPROBE), 0);
	assert_int_equal(half_stat(&half, PK_C_HDR_THROTTLED), 2); /* nothing before this test was */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(of_ipv4_segments_both_say_the_same, stop),
		cmocka_unit_test_teardown(of_ipv6_segments_both_say_the_same, stop),
		cmocka_unit_test_teardown(of_ipv4_segments_to_an_ipv6_socket_both_say_the_same, stop),
		cmocka_unit_test_teardown(a_segment_is_reported_once_unless_both_are_asked_for, stop),
		cmocka_unit_test_teardown(only_watched_ports_of_the_namespace_are_reported, stop),
		cmocka_unit_test_teardown(without_sampling_only_what_is_worth_it_is_reported, stop),
	};

	if (geteuid() || world_new(&world)) {
		fprintf(stderr, "skipped: needs root and network namespaces\n");
		return 77;
	}
	half_open(&half, &world, CAPTURE_AUTO, 1 << 20);
	int failed = 77;
	if (kernel_attach_receive(half.kernel, true, &errors)) {
		fprintf(stderr, "skipped: %.*s", (int)errors.len, errors.data);
	} else {
		stop(NULL);
		failed = cmocka_run_group_tests(tests, NULL, NULL);
	}
	half_close(&half);
	return failed;
}
