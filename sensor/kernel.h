/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel.h: loads, attaches and owns the kernel half. Used by the warden, by doctor and by tests. What can be
 * attached through a link is (bpf_link for tp_btf and XDP, tcx where the kernel has it), so that it dies with
 * its owner; what cannot (clsact on older kernels) is swept at start by kernel_sweep.
 *
 * Hooks are chosen by trying, never by version. Messages for people go to `errors`, one a line, with what
 * would help.
 */
#ifndef PICKET_KERNEL_H
#define PICKET_KERNEL_H

#include <net/if.h>
#include "bpf/abi.h"
#include "lib/buffer.h"
#include "lib/config.h"
#include "policies/deny.h"

struct kernel;

enum { KERNEL_E_UNSUPPORTED = 1 /* the kernel lacks what is needed: exit 6 */, KERNEL_E_PERMISSION = 2 };

struct kernel_options {
	uint32_t netns;       /* inode number to filter by; 0 = any */
	uint64_t cgroup_id;   /* 0 = any */
	const char *kill_pin; /* path to pin pk_kill at (an existing pin is reused); NULL: not pinned */
	const char *pins;     /* folder below which an earlier daemon may have pinned what it enforced by, and
				 which is taken over then (pins.h); NULL: none */
	bool pin;             /* enforcement.pin: what is attached, and the deny maps, are pinned there */
	bool verbose;         /* libbpf's own messages to stderr */
};

/* Load maps and the TCP programs (not yet attached), choose ring or perf. Needs the three capabilities. */
int kernel_load(const struct config *config, const struct kernel_options *options, struct kernel **ret,
		struct buffer *errors);
/* All packet programs, also those that no interface needs yet, for who wants to know what this kernel takes:
 * what it does not load is missing in kernel_programs. */
void kernel_load_packets(struct kernel *k);
/* Attach the TCP tracepoints. */
int kernel_attach_tcp(struct kernel *k, struct buffer *errors);
/*
 * Where the TCP programs may not ask for a socket's cookie: gives all of this network namespace theirs
 * (elsewhere it does nothing). kernel_attach_tcp does it; again when other ports are watched, as connections
 * to them were none of the programs' business so far.
 */
void kernel_name_sockets(struct kernel *k);
/*
 * The receive path programs (kprobes): header events of segments that no packet program reports. Optional:
 * KERNEL_E_UNSUPPORTED where the kernel has no kprobes, KERNEL_E_PERMISSION; errors say why. Attached
 * already: 0. everything: they also report what a packet program reports.
 */
int kernel_attach_receive(struct kernel *k, bool everything, struct buffer *errors);
void kernel_detach_receive(struct kernel *k);
bool kernel_receive_attached(const struct kernel *k);
/* Tells them which interfaces have a packet program now; to be called after each change of attachments. 0 or
 * -errno. */
int kernel_receive_cover(struct kernel *k, bool everything);
/* A new configuration took the place of the one given to kernel_load, which may be freed then. */
void kernel_configure(struct kernel *k, const struct config *config);
/* Detaches everything that is ours, but what is pinned; closes all descriptors. */
void kernel_free(struct kernel *k);

/* --- interfaces --- */
struct kernel_attachment {
	unsigned ifindex;
	char name[IF_NAMESIZE];
	char driver[32];              /* "veth", "virtio_net", "" unknown */
	enum config_packet_mode mode; /* what is in force; PACKET_OFF: nothing could be attached */
	bool by_link;                 /* dies with us: a link holds it that is not pinned */
	char note[160]; /* why not the mode that was wanted; the holder's name and id where XDP is taken */
};
/*
 * Attaches the packet program by mode (auto: facts of the interface). An interface already attached is left
 * alone. Where the mode that was wanted is refused, tc steps in. 0; KERNEL_E_UNSUPPORTED: nothing could be
 * attached, *ret (filled all the same) and errors say why; -ENODEV: no such interface.
 */
int kernel_attach_interface(struct kernel *k, const char *name, enum config_packet_mode want,
			    struct kernel_attachment *ret, struct buffer *errors);
void kernel_detach_interface(struct kernel *k, unsigned ifindex);
/* Interfaces by configuration: the named ones, or every non-loopback one that is up. Returns count or -errno.
 */
int kernel_interfaces(const struct config *config, char (*ret)[IF_NAMESIZE], unsigned max);
unsigned kernel_attachments(const struct kernel *k, struct kernel_attachment *ret, unsigned max);
/* Remove what an earlier, killed picket left on any interface (clsact filters of ours). Returns how many. */
int kernel_sweep(void);

/* --- what outlives the daemon --- */
/* What an earlier daemon had pinned, and what became of it. */
struct kernel_takeover {
	bool maps;           /* its deny maps are ours now */
	unsigned links;      /* on so many interfaces its program was replaced by ours in one step */
	uint32_t copied;     /* entries of maps of another version, or of other sizes */
	unsigned unreadable; /* versions whose maps could not be read */
	int error;           /* nothing is pinned, although that was asked for: -errno; else 0 */
};
/*
 * When the interfaces are attached: what earlier daemons pinned and is not taken over goes; all of it, unless
 * kernel_options.pin. Filters of theirs, too (clsact), but not ours.
 */
struct kernel_takeover kernel_pins_settle(struct kernel *k);

/* --- maps --- */
bool kernel_uses_perf(const struct kernel *k);
struct deny *kernel_deny(const struct kernel *k); /* owned by k */
int kernel_kill_fd(const struct kernel *k);
int kernel_kill_set(struct kernel *k, bool on);
bool kernel_kill_get(const struct kernel *k);
int kernel_ports_fd(const struct kernel *k);
/* Connections opened to sshd's ports so far. */
uint64_t kernel_logins(const struct kernel *k);
int kernel_config_set(struct kernel *k, const struct pk_config *c);
/* The skip array, mapped shared and writable; stays valid in a forked child. */
uint64_t *kernel_skip(const struct kernel *k);
/* How far it skipped, by slot, likewise (abi.h: pk_skip). */
const uint64_t *kernel_skipped(const struct kernel *k);
/* Up to where connections are read, by slot, written by the sensor (abi.h: pk_seen). */
uint64_t *kernel_seen(const struct kernel *k);
/* The answers array, for reading only; NULL: no program fills it, as this kernel offers no place to look at
 * answers. */
const struct pk_answer_slot *kernel_answers(const struct kernel *k);
/* Sums over CPUs. */
int kernel_stats(const struct kernel *k, uint64_t ret[static PK_C_MAX]);
/* Ids of what is loaded, for doctor and status: names and verified instruction counts. */
struct kernel_program {
	char name[32];
	uint32_t id, insns; /* insns: verified instructions, 0 where the kernel does not tell (before 5.16) */
};
unsigned kernel_programs(const struct kernel *k, struct kernel_program *ret, unsigned max);

/* Descriptors the sensor keeps: rings, perf buffers; the skip mapping needs none. Returns count. */
unsigned kernel_reader_fds(const struct kernel *k, int *ret, unsigned max);

#endif
