// SPDX-License-Identifier: Apache-2.0
/*
 * attach_test.c: the packet program on interfaces: each mode attaches and drops; where XDP is taken or
 * refused tc steps in and the note says why; what cannot die with its owner is found and removed at the next
 * start.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "half.h"
#include "packet.h"
#include "sensor/kernel_internal.h"
#include "sensor/tcfilter.h"
#include "world.h"

#define PORT HALF_PORT

static struct world world;
static struct buffer errors = BUFFER_INIT(4096);

static struct kernel_attachment attach(struct half *h, const char *interface, enum config_packet_mode want)
{
	struct kernel_attachment a;
	int r = kernel_attach_interface(h->kernel, interface, want, &a, &errors);

	if (r)
		fail_msg("%s: %d, %s", interface, r, a.note);
	return a;
}

/* Links of tc programs: 6.6 and later. Without them the filter outlives its owner and is swept at the next
 * start. */
static bool kernel_has_tcx(void)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int program = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "probe", "GPL", pass, 2, NULL);
	int link = bpf_link_create(program, (int)if_nametoindex("lo"), (enum bpf_attach_type)46, NULL);

	close(program);
	if (link < 0)
		return false;
	close(link);
	return true;
}

/* A connection from the client's first address succeeds, or is lost. */
static bool connects_within(const char *from, const char *to, int seconds)
{
	int fd = world_connect_within(&world, from, to, PORT, seconds);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static bool connects(const char *from, const char *to)
{
	return connects_within(from, to, 10);
}

static void blocking_works(struct half *h, const char *client, const char *other, const char *server)
{
	int listener = world_listen(server, PORT);
	uint64_t dropped = half_stat(h, PK_C_DROPPED);

	assert_true(connects(client, server));
	half_deny(h, client, PK_SCOPE_PORTS);
	assert_false(connects_within(client, server, 1));
	assert_true(connects(other, server));
	assert_true(half_stat(h, PK_C_DROPPED) > dropped);
	half_undeny(h, client);
	assert_true(connects(client, server));
	close(listener);
}

static void each_mode(enum config_packet_mode mode)
{
	struct half h;

	half_open(&h, &world, CAPTURE_AUTO, 1 << 20);
	struct kernel_attachment a = attach(&h, WORLD_SERVER, mode);
	assert_int_equal(a.mode, mode);
	assert_string_equal(a.driver, "veth");
	assert_string_equal(a.note, "");
	assert_true(a.by_link || (mode == PACKET_TC && !kernel_has_tcx()));
	blocking_works(&h, "10.77.0.2", "10.77.0.3", "10.77.0.1");
	blocking_works(&h, "fd77::2", "fd77:0:0:1::2", "fd77::1");
	half_assert_balance(&h);
	assert_true(collect_count(&h.got, PK_HEADER) > 0);
	const struct pk_header *syn = collect_get(&h.got, PK_HEADER, 0);
	assert_int_equal(syn->why, PK_WHY_SYN);
	assert_int_equal(syn->ifindex, if_nametoindex(WORLD_SERVER));
	assert_int_equal(syn->hook, mode == PACKET_TC ? PK_HOOK_TC : PK_HOOK_XDP);
	half_close(&h);
}

static void tc_attaches_and_drops(void **state)
{
	(void)state;
	each_mode(PACKET_TC);
}

static void generic_xdp_attaches_and_drops(void **state)
{
	(void)state;
	each_mode(PACKET_XDP_GENERIC);
}

static void native_xdp_attaches_and_drops(void **state)
{
	(void)state;
	each_mode(PACKET_XDP_NATIVE);
}

static void auto_chooses_tc_on_veth_and_lo(void **state)
{
	struct half h;

	(void)state;
	half_open(&h, &world, CAPTURE_AUTO, 1 << 20);
	assert_int_equal(attach(&h, WORLD_SERVER, PACKET_AUTO).mode, PACKET_TC);
	assert_int_equal(attach(&h, "lo", PACKET_AUTO).mode, PACKET_TC);
	assert_int_equal(attach(&h, "lo", PACKET_XDP_NATIVE).mode,
			 PACKET_TC); /* attached already: left alone */
	half_close(&h);
}

static void lo_refuses_native_xdp_and_gets_tc_with_a_note(void **state)
{
	struct half h;

	(void)state;
	half_open(&h, &world, CAPTURE_AUTO, 1 << 20);
	struct kernel_attachment a = attach(&h, "lo", PACKET_XDP_NATIVE);
	assert_int_equal(a.mode, PACKET_TC);
	assert_non_null(strstr(a.note, "native XDP refused"));
	half_close(&h);
}

static void off_attaches_nothing(void **state)
{
	struct half h;
	struct kernel_attachment a;

	(void)state;
	half_open(&h, &world, CAPTURE_AUTO, 1 << 20);
	assert_int_equal(attach(&h, WORLD_SERVER, PACKET_OFF).mode, PACKET_OFF);
	assert_int_equal(kernel_attach_interface(h.kernel, "none", PACKET_TC, &a, &errors), -ENODEV);
	half_close(&h);
}

/* Somebody else's XDP program that passes everything, on the interface as long as the link is open. */
static int foreign_xdp(const char *interface)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	int program = bpf_prog_load(BPF_PROG_TYPE_XDP, "stranger", "GPL", pass, 2, NULL);
	int link = bpf_link_create(program, (int)if_nametoindex(interface), BPF_XDP, &opts);

	assert_true(program >= 0 && link >= 0);
	close(program);
	return link;
}

static void beside_a_foreign_xdp_program_tc_is_used_and_the_holder_named(void **state)
{
	static const enum config_packet_mode wants[] = {PACKET_AUTO, PACKET_XDP_NATIVE, PACKET_XDP_GENERIC};
	int link = foreign_xdp(WORLD_SERVER);
	struct half h;

	(void)state;
	for (int i = 0; i < 3; i++) {
		half_open(&h, &world, CAPTURE_AUTO, 1 << 20);
		struct kernel_attachment a = attach(&h, WORLD_SERVER, wants[i]);
		assert_int_equal(a.mode, PACKET_TC);
		if (!strstr(a.note, "(stranger)") || !strstr(a.note, "program "))
			fail_msg("note: %s", a.note);
		blocking_works(&h, "10.77.0.2", "10.77.0.3", "10.77.0.1");
		half_close(&h);
	}
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	assert_int_equal(bpf_xdp_query((int)if_nametoindex(WORLD_SERVER), 0, &q), 0);
	assert_int_not_equal(q.prog_id, 0); /* the stranger is still there */
	close(link);
}

static void large_frames_take_the_program_for_packets_in_pieces(void **state)
{
	struct half h;

	(void)state;
	world_run("/sbin/ip link set pk-s mtu 9000");
	world_enter(&world, true);
	world_run("/sbin/ip link set pk-c mtu 9000");
	world_enter(&world, false);
	half_open(&h, &world, CAPTURE_AUTO, 1 << 20);
	assert_int_equal(attach(&h, WORLD_SERVER, PACKET_XDP_NATIVE).mode, PACKET_XDP_NATIVE);
	assert_non_null(h.kernel->objects[OBJECT_XDP_FRAGS]);
	blocking_works(&h, "10.77.0.2", "10.77.0.3", "10.77.0.1");
	half_close(&h);
	world_run("/sbin/ip link set pk-s mtu 1500");
	world_enter(&world, true);
	world_run("/sbin/ip link set pk-c mtu 1500");
	world_enter(&world, false);
}

static void nothing_is_left_when_the_owner_is_gone(void **state)
{
	static const enum config_packet_mode modes[] = {PACKET_TC, PACKET_XDP_GENERIC, PACKET_XDP_NATIVE};

	(void)state;
	int listener = world_listen("10.77.0.1", PORT);
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();

		if (!pid) {
			struct half h;

			half_open(&h, &world, CAPTURE_AUTO, 1 << 20);
			attach(&h, WORLD_SERVER, modes[i]);
			half_deny(&h, "10.77.0.2", PK_SCOPE_HOST);
			raise(SIGKILL);
		}
		int status;
		waitpid(pid, &status, 0);
		assert_true(WIFSIGNALED(status));
		bool stays = modes[i] == PACKET_TC && !kernel_has_tcx();
		/* The kernel lets go of links a moment later; a filter of the old kind waits to be swept. */
		assert_true(stays || connects("10.77.0.2", "10.77.0.1"));
		assert_int_equal(kernel_sweep(), stays);
		assert_true(connects("10.77.0.2", "10.77.0.1"));
	}
	close(listener);
	if (!kernel_has_tcx()) /* the empty qdisc stays: nobody can tell whose it is */
		world_run("/sbin/tc qdisc del dev pk-s clsact");
}

static void foreign_filter(const char *interface)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int program = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "stranger", "GPL", pass, 2, NULL);
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(interface),
		    .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = program, .handle = 7, .priority = 7);

	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	close(program);
}

static bool clsact_has(const char *what)
{
	char command[128];

	snprintf(command, sizeof(command), "/sbin/tc filter show dev pk-s ingress | grep -q '%s'", what);
	return world_try(command);
}

static void a_filter_left_by_a_killed_picket_is_swept_and_others_stay(void **state)
{
	int status;

	(void)state;
	world_run("/sbin/tc qdisc add dev pk-s clsact");
	foreign_filter(WORLD_SERVER);
	pid_t pid = fork();
	if (!pid) {
		struct half h;
		bool made;

		half_open(&h, &world, CAPTURE_AUTO, 1 << 20);
		int r = tcfilter_attach(if_nametoindex(WORLD_SERVER),
					kernel_program_fd(h.kernel, OBJECT_TC, "pk_tc"), &made);
		if (r || made)
			_exit(1);
		raise(SIGKILL);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status));
	assert_true(clsact_has("pk_tc"));
	assert_int_equal(kernel_sweep(), 1);
	assert_false(clsact_has("pk_tc"));
	assert_true(clsact_has("stranger"));
	assert_int_equal(kernel_sweep(), 0);
	world_run("/sbin/tc qdisc del dev pk-s clsact");
}

static void a_filter_of_a_living_picket_is_not_swept(void **state)
{
	int ready[2], status;
	char byte;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (!pid) {
		struct half h;
		bool made;

		half_open(&h, &world, CAPTURE_AUTO, 1 << 20);
		unsigned ifindex = if_nametoindex(WORLD_SERVER);
		int r = tcfilter_attach(ifindex, kernel_program_fd(h.kernel, OBJECT_TC, "pk_tc"), &made);
		byte = r || !made ? 'x' : 'k';
		if (write(ready[1], &byte, 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 'k');
	assert_int_equal(kernel_sweep(), 0);
	assert_true(clsact_has("pk_tc"));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_int_equal(kernel_sweep(), 1);
	world_run("/sbin/tc qdisc del dev pk-s clsact");
}

static void clsact_blocks_and_leaves_without_a_trace(void **state)
{
	struct half h;
	bool made = false;
	unsigned ifindex = if_nametoindex(WORLD_SERVER);

	(void)state;
	half_open(&h, &world, CAPTURE_AUTO, 1 << 20);
	assert_int_equal(tcfilter_attach(ifindex, kernel_program_fd(h.kernel, OBJECT_TC, "pk_tc"), &made), 0);
	assert_true(made);
	blocking_works(&h, "10.77.0.2", "10.77.0.3", "10.77.0.1");
	/* Who takes over from a pinned one sweeps once its own is there: that stays. */
	assert_int_equal(tcfilter_sweep(true), 0);
	blocking_works(&h, "10.77.0.2", "10.77.0.3", "10.77.0.1");
	tcfilter_detach(ifindex, made);
	assert_false(world_try("/sbin/tc qdisc show dev pk-s | grep -q clsact"));
	half_close(&h);
}

/* A packet that arrives on a tun interface: no Ethernet header in front of it. */
static void an_interface_without_link_header_is_covered(void **state)
{
	struct ifreq q = {.ifr_name = "pk-tun", .ifr_flags = IFF_TUN | IFF_NO_PI};
	int tun = open("/dev/net/tun", O_RDWR);
	struct frame_buf f;
	struct half h;

	(void)state;
	if (tun < 0 || ioctl(tun, TUNSETIFF, &q)) {
		print_message("no tun device\n");
		skip();
	}
	world_run("/sbin/ip link set pk-tun up");
	half_open(&h, &world, CAPTURE_AUTO, 1 << 20);
	struct kernel_attachment a = attach(&h, "pk-tun", PACKET_XDP_NATIVE);
	assert_int_equal(a.mode, PACKET_TC);
	assert_non_null(strstr(a.note, "link header"));
	for (int v6 = 0; v6 < 2; v6++) {
		packet_begin(&f);
		packet_eth(&f, 0);
		if (v6)
			packet_ipv6(&f, "2001:db8::9", "fd77::1", 60), packet_ext(&f, 60, 6, 0);
		else
			packet_ipv4(&f, "198.51.100.9", "10.77.0.1", 6, 8, 0);
		packet_tcp(&f,
			   &(struct tcp_fields){.source = 4242, .destination = PORT, .flags = PK_TCP_SYN});
		packet_end(&f);
		const char *who = v6 ? "2001:db8::9" : "198.51.100.9";
		uint64_t dropped = half_stat(&h, PK_C_DROPPED);

		assert_int_equal(write(tun, f.bytes + 14, f.len - 14), f.len - 14);
		assert_int_equal(half_stat(&h, PK_C_DROPPED), dropped);
		half_deny(&h, who, PK_SCOPE_PORTS);
		assert_int_equal(write(tun, f.bytes + 14, f.len - 14), f.len - 14);
		assert_int_equal(half_stat(&h, PK_C_DROPPED), dropped + 1);
	}
	reader_drain(h.reader);
	size_t ours = 0;
	for (size_t i = 0; i < collect_count(&h.got, PK_HEADER); i++) {
		const struct pk_header *hd = collect_get(&h.got, PK_HEADER, i);

		ours += hd->source_port == 4242 && hd->destination_port == PORT;
	}
	assert_int_equal(ours, 4);
	half_close(&h);
	close(tun);
}

/* Real fragments: the first carries the ports, the second does not; a denied client gets neither through. */
static void a_denied_client_that_fragments_gets_nothing_through(void **state)
{
	static const enum config_packet_mode modes[] = {PACKET_TC, PACKET_XDP_GENERIC, PACKET_XDP_NATIVE};
	char datagram[4000] = {0}, got[4000];
	socklen_t len;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct sockaddr_storage at = world_addr("10.77.0.1", PORT, &len);
		struct timeval wait = {.tv_usec = 200000};
		struct half h;

		half_open(&h, &world, CAPTURE_AUTO, 1 << 20);
		attach(&h, WORLD_SERVER, modes[i]);
		int server = socket(AF_INET, SOCK_DGRAM, 0);
		setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
		assert_int_equal(bind(server, (void *)&at, len), 0);
		world_enter(&world, true);
		int client = socket(AF_INET, SOCK_DGRAM, 0);
		world_enter(&world, false);
		assert_int_equal(sendto(client, datagram, sizeof(datagram), 0, (void *)&at, len),
				 sizeof(datagram));
		assert_int_equal(recv(server, got, sizeof(got), 0), sizeof(datagram));
		half_deny(&h, "10.77.0.2", PK_SCOPE_PORTS);
		assert_int_equal(sendto(client, datagram, sizeof(datagram), 0, (void *)&at, len),
				 sizeof(datagram));
		assert_int_equal(recv(server, got, sizeof(got), 0), -1);
		assert_int_equal(half_stat(&h, PK_C_DROPPED), 3);
		close(client);
		close(server);
		half_close(&h);
	}
}

static void an_interface_that_went_away_is_forgotten(void **state)
{
	struct kernel_attachment list[8];
	struct half h;

	(void)state;
	half_open(&h, &world, CAPTURE_AUTO, 1 << 20);
	world_run("/sbin/ip link add pk-x type veth peer name pk-y; /sbin/ip link set pk-x up");
	attach(&h, "pk-x", PACKET_AUTO);
	attach(&h, "lo", PACKET_AUTO);
	assert_int_equal(kernel_attachments(h.kernel, list, 8), 2);
	world_run("/sbin/ip link del pk-x; /sbin/ip link add pk-x type veth peer name pk-y");
	attach(&h, "pk-x", PACKET_AUTO); /* the same name, another interface */
	assert_int_equal(kernel_attachments(h.kernel, list, 8), 2);
	kernel_detach_interface(h.kernel, if_nametoindex("lo"));
	assert_int_equal(kernel_attachments(h.kernel, list, 8), 1);
	assert_string_equal(list[0].name, "pk-x");
	world_run("/sbin/ip link del pk-x");
	half_close(&h);
}

static void interfaces_are_the_named_ones_or_all_that_are_up_but_lo(void **state)
{
	char names[8][IF_NAMESIZE];
	char *given[] = {"eth7", "eth7", "lo"};
	struct config c = {.capture.interfaces = {.items = given, .count = 3}};

	(void)state;
	assert_int_equal(kernel_interfaces(&c, names, 8), 2);
	assert_string_equal(names[0], "eth7");
	assert_string_equal(names[1], "lo");
	c.capture.interfaces.count = 0;
	world_run("/sbin/ip link add pk-z type veth peer name pk-w"); /* down */
	assert_int_equal(kernel_interfaces(&c, names, 8), 1);
	assert_string_equal(names[0], WORLD_SERVER);
	world_run("/sbin/ip link del pk-z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tc_attaches_and_drops),
		cmocka_unit_test(generic_xdp_attaches_and_drops),
		cmocka_unit_test(native_xdp_attaches_and_drops),
		cmocka_unit_test(auto_chooses_tc_on_veth_and_lo),
		cmocka_unit_test(lo_refuses_native_xdp_and_gets_tc_with_a_note),
		cmocka_unit_test(off_attaches_nothing),
		cmocka_unit_test(beside_a_foreign_xdp_program_tc_is_used_and_the_holder_named),
		cmocka_unit_test(large_frames_take_the_program_for_packets_in_pieces),
		cmocka_unit_test(nothing_is_left_when_the_owner_is_gone),
		cmocka_unit_test(a_filter_left_by_a_killed_picket_is_swept_and_others_stay),
		cmocka_unit_test(a_filter_of_a_living_picket_is_not_swept),
		cmocka_unit_test(clsact_blocks_and_leaves_without_a_trace),
		cmocka_unit_test(an_interface_without_link_header_is_covered),
		cmocka_unit_test(a_denied_client_that_fragments_gets_nothing_through),
		cmocka_unit_test(an_interface_that_went_away_is_forgotten),
		cmocka_unit_test(interfaces_are_the_named_ones_or_all_that_are_up_but_lo),
	};

	if (geteuid() || world_new(&world)) {
		fprintf(stderr, "skipped: needs root and network namespaces\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
