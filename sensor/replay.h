/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.h: a capture file through the real packet program and the same user code as live traffic. The
 * program is loaded once more with maps of its own, attached to nothing and pinned nowhere; each frame runs
 * through it by BPF_PROG_TEST_RUN, and what it reports is handed on with the frame's time. Needs CAP_BPF
 * (and, before Linux 6.x with unprivileged BPF off, CAP_NET_ADMIN to load).
 *
 * Which program: XDP declared able to take frames in pieces, which takes test frames of up to 64 KiB; where
 * the kernel has no such (before 5.18), the tc program, which takes less than a page: larger frames are
 * refused and counted.
 */
#ifndef PICKET_REPLAY_H
#define PICKET_REPLAY_H

#include "bpf/abi.h"
#include "lib/buffer.h"
#include "lib/clock.h"
#include "lib/config.h"
#include "sensor/pcap_file.h"

struct replay;

enum { REPLAY_E_UNSUPPORTED = 1, REPLAY_E_PERMISSION = 2, REPLAY_E_FILE = 3 };

struct replay_hooks {
	void (*record)(void *arg, const struct pk_record *rec); /* its time is the frame's */
	void (*tick)(void *arg, uint64_t now_ns); /* about once a second of the capture's time */
	void *arg;
};

struct replay_counts {
	uint64_t frames, bytes;             /* of the files, refused ones of pcap_file.h not counted */
	uint64_t datagrams;                 /* put together of fragments, and run as frames as well */
	uint64_t datagrams_overlapping;     /* void: fragments lay on each other and differed */
	uint64_t datagrams_given_up;        /* not whole in time, or for want of room */
	uint64_t refused[PCAP_REFUSED_MAX]; /* by pcap_file.h */
	uint64_t refused_large, refused_kernel;
	uint64_t records, records_lost;
	uint64_t first_ns, last_ns;
	uint64_t files_cut; /* damaged or cut short: read as far as they go */
};

/* Of the configuration, which is borrowed, only what is said of tunnels counts. */
int replay_new(const struct config *config, const struct replay_hooks *hooks, struct replay **ret,
	       struct buffer *errors);
/* Reads a file to its end; one that is cut short or damaged is counted and told. 0 or -errno. */
int replay_file(struct replay *r, struct pcap_file *file, struct buffer *errors);
/* The capture's time; boot and wall clock are one. */
const struct clock *replay_clock(const struct replay *r);
struct replay_counts replay_counts(const struct replay *r);
void replay_free(struct replay *r);

#endif
