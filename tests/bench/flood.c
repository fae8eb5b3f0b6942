// SPDX-License-Identifier: Apache-2.0
/*
 * Sends TCP SYNs over one interface as fast as one core can, each from a source picked at random, and prints
 * how many and how fast: what a receiver on the other end of a veth pair does with them is done on the same
 * core, so the rate is what a packet costs there and here together.
 *
 *     flood INTERFACE DESTINATION-MAC DESTINATION-IP PORT SECONDS FILE|0     FILE: IPv4 addresses, one a line
 *
 * With 0 the sources are addresses of 198.18.0.0/15 (RFC 2544), which no list of the benches has, and the
 * packets are RSTs: a host takes them as far as TCP, and does not answer. One line:
 *     SENT SECONDS NANOSECONDS-A-PACKET      the last of processor time of this process, in which veth
 * receives
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "lib/util.h"

#define BATCH 64

struct frame {
	struct ether_header ether;
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t pad[6]; /* to the 60 bytes of the shortest frame */
} __attribute__((packed));

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint32_t *list_read(const char *path, size_t *ret_count)
{
	FILE *f = fopen(path, "re");
	size_t count = 0, size = 1024;
	uint32_t *list = malloc(size * sizeof *list);
	char line[64];

	while (f && list && fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		if (inet_pton(AF_INET, line, &list[count]) != 1)
			continue;
		if (++count == size)
			list = realloc(list, (size *= 2) * sizeof *list);
	}
	if (f)
		fclose(f);
	*ret_count = count;
	return list;
}

static uint16_t checksum(const void *bytes, size_t len, uint32_t sum)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)b[i] << 8 | b[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void frame_fill(struct frame *f, uint32_t source, uint32_t destination, uint16_t port, uint32_t random,
		       bool reset)
{
	struct {
		uint32_t source, destination;
		uint8_t zero, protocol;
		uint16_t len;
	} __attribute__((packed)) pseudo = {source, destination, 0, IPPROTO_TCP, htons(sizeof f->tcp)};

	f->ip = (struct iphdr){.version = 4,
			       .ihl = 5,
			       .ttl = 64,
			       .protocol = IPPROTO_TCP,
			       .tot_len = htons(sizeof f->ip + sizeof f->tcp),
			       .saddr = source,
			       .daddr = destination};
	f->ip.check = checksum(&f->ip, sizeof f->ip, 0);
	f->tcp = (struct tcphdr){.source = htons((uint16_t)(1024 + random % 60000)),
				 .dest = htons(port),
				 .seq = random,
				 .doff = 5,
				 .syn = !reset,
				 .rst = reset,
				 .window = htons(64240)};
	uint32_t sum = (uint16_t)~ntohs(checksum(&pseudo, sizeof pseudo, 0));
	f->tcp.check = checksum(&f->tcp, sizeof f->tcp, sum);
}

int main(int argc, char **argv)
{
	static struct frame frames[BATCH];
	struct iovec parts[BATCH];
	struct mmsghdr messages[BATCH];
	struct in_addr destination;
	unsigned mac[6];
	size_t count = 0;
	uint64_t sent = 0, state = 88172645463325252ull;

	if (argc != 7 || inet_pton(AF_INET, argv[3], &destination) != 1 ||
	    sscanf(argv[2], "%x:%x:%x:%x:%x:%x", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5]) != 6) {
		fprintf(stderr,
			"usage: flood INTERFACE DESTINATION-MAC DESTINATION-IP PORT SECONDS FILE|0\n");
		return 2;
	}
	uint16_t port = (uint16_t)atoi(argv[4]);
	uint32_t *list = strcmp(argv[6], "0") ? list_read(argv[6], &count) : NULL;
	if (strcmp(argv[6], "0") && !count) {
		fprintf(stderr, "%s: no addresses\n", argv[6]);
		return 2;
	}
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_IP),
				 .sll_ifindex = (int)if_nametoindex(argv[1])};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1;
	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof to) ||
	    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one)) {
		perror("flood");
		return 1;
	}
	for (int i = 0; i < BATCH; i++) {
		for (int k = 0; k < 6; k++) {
			frames[i].ether.ether_dhost[k] = (uint8_t)mac[k];
			frames[i].ether.ether_shost[k] = (uint8_t)(k ? 0 : 2);
		}
		frames[i].ether.ether_type = htons(ETHERTYPE_IP);
		parts[i] = (struct iovec){&frames[i], sizeof frames[i]};
		messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
	}
	uint64_t begin = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	uint64_t end = begin + (uint64_t)(atof(argv[5]) * (double)NS_PER_S), now = begin;
	while (now < end) {
		for (int i = 0; i < BATCH; i++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			uint32_t source = count ? list[(state >> 16) % count]
						: htonl(0xc6120000u | (uint32_t)(state >> 20 & 0x1ffff));
			frame_fill(&frames[i], source, destination.s_addr, port, (uint32_t)(state >> 32),
				   !count);
		}
		int n = sendmmsg(fd, messages, BATCH, 0);
		if (n < 0 && errno != ENOBUFS && errno != EAGAIN) {
			perror("flood");
			return 1;
		}
		sent += n > 0 ? (uint64_t)n : 0;
		now = clock_ns(CLOCK_MONOTONIC);
	}
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("%llu %.3f %llu\n", (unsigned long long)sent, (double)(now - begin) / (double)NS_PER_S,
	       (unsigned long long)(cpu / (sent ? sent : 1)));
	free(list);
	close(fd);
	return 0;
}
