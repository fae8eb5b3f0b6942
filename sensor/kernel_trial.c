// SPDX-License-Identifier: Apache-2.0
#include "sensor/kernel_trial.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <string.h>
#include "sensor/kernel_internal.h"

struct frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t padding[10]; /* Ethernet frames have 60 bytes at least */
} __attribute__((packed));

static void frame_fill(struct frame *f, const struct addr *client, uint16_t port)
{
	memset(f, 0, sizeof *f);
	memset(f->eth.h_dest, 2, sizeof f->eth.h_dest);
	memset(f->eth.h_source, 6, sizeof f->eth.h_source);
	f->eth.h_proto = htons(ETH_P_IP);
	f->ip.version = 4;
	f->ip.ihl = sizeof f->ip / 4;
	f->ip.ttl = 64;
	f->ip.protocol = IPPROTO_TCP;
	f->ip.tot_len = htons(sizeof f->ip + sizeof f->tcp);
	memcpy(&f->ip.saddr, client->bytes, 4);
	f->ip.daddr = htonl(INADDR_LOOPBACK);
	f->tcp.source = htons(40000);
	f->tcp.dest = htons(port);
	f->tcp.doff = sizeof f->tcp / 4;
	f->tcp.syn = 1;
	f->tcp.window = htons(64000);
}

int kernel_trial_syn(struct kernel *k, enum config_packet_mode mode, const struct addr *client, uint16_t port,
		     bool *ret_dropped)
{
	bool tc = mode == PACKET_TC;
	struct frame frame;
	uint8_t after[sizeof frame + 64];
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = &frame, .data_size_in = sizeof frame,
		    .data_out = after, .data_size_out = sizeof after, .repeat = 1);
	int fd = kernel_program_fd(k, tc ? OBJECT_TC : OBJECT_XDP, tc ? "pk_tc" : "pk_xdp");

	if (fd < 0)
		return fd;
	if (client->family != ADDR_IPV4)
		return -EAFNOSUPPORT;
	frame_fill(&frame, client, port);
	if (bpf_prog_test_run_opts(fd, &run))
		return -errno;
	*ret_dropped = tc ? run.retval == TC_ACT_SHOT : run.retval == XDP_DROP;
	return 0;
}
