/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel_internal.h: what kernel.c (loading, maps), kernel_attach.c (interfaces), kernel_pins.c (what
 * outlives the daemon) and reader.c share. Nobody else includes it.
 */
#ifndef PICKET_KERNEL_INTERNAL_H
#define PICKET_KERNEL_INTERNAL_H

#include <bpf/libbpf.h>
#include <limits.h>
#include "sensor/kernel.h"

#define KERNEL_MAPS_MAX       48
#define KERNEL_INTERFACES_MAX 64
#define KERNEL_COVERED_MAX    128 /* entries of pk_covered */

/* The objects, each one alternative that loads whole. */
enum kernel_object {
	OBJECT_TCP, /* tcp_ring or tcp_perf, whichever loads */
	/* Packet programs are loaded when first needed, for each takes some tenths of a second; but one, so
	 * that a start finds out. */
	OBJECT_TC,
	OBJECT_TC_L3, /* for interfaces without a link header */
	OBJECT_XDP,
	OBJECT_XDP_FRAGS, /* the same, declared able to take packets in pieces */
	OBJECT_RECEIVE,   /* loaded when first attached */
	OBJECT_RESPONSE,  /* NULL: this kernel shows no answers */
	OBJECT_DROPS,     /* NULL: this kernel's kfree_skb does not tell enough */
	OBJECT_SOCKETS,   /* NULL: not needed (walk), or there is no such iterator */
	OBJECT_COUNT,
};

struct kernel_map {
	char name[BPF_OBJ_NAME_LEN];
	int fd; /* owned by the object that made it, or by us if it came from a pin */
	bool owned;
};

struct kernel_interface {
	struct kernel_attachment a;
	int link_fd;      /* -1: clsact, or not attached */
	bool made_clsact; /* the qdisc is ours to remove */
	bool pinned;      /* stays when we end */
};

struct kernel {
	const struct config *config; /* borrowed */
	struct bpf_object *objects[OBJECT_COUNT];
	struct kernel_map maps[KERNEL_MAPS_MAX];
	unsigned map_count;
	struct pk_tunnels tunnels; /* of the configuration given to kernel_load; the same for every object */
	bool perf;
	bool walk; /* the TCP programs find sockets' cookies by themselves */
	struct bpf_link *tcp_links[8];
	struct bpf_link *sockets_link; /* NULL: no OBJECT_SOCKETS */
	unsigned tcp_link_count;
	struct bpf_link *receive_links[2];
	unsigned receive_link_count;
	uint64_t *skip, *skipped, *seen;
	struct pk_answer_slot *answers;
	int *perf_events; /* perf path only: one per possible CPU, -1: that CPU is off */
	int perf_cpus;
	struct pk_perf_level *perf_levels; /* perf path only */
	struct pk_deny_head *deny_head;
	uint64_t *deny_bits, *deny_nets, *allow_none;
	const uint32_t *kill; /* NULL: the switch of an earlier run, whose map cannot be mapped */
	const uint64_t *logins;
	size_t deny_words; /* of deny_bits */
	struct deny *deny;
	struct kernel_interface interfaces[KERNEL_INTERFACES_MAX];
	unsigned interface_count;
	char pins[PATH_MAX]; /* the instance's folder on the bpffs; "": none */
	bool pin;            /* deny maps and what is attached outlive us */
	bool pinned_maps;    /* ... and the maps are pinned by now */
	uint32_t netns;
	struct kernel_takeover takeover;
};

/* Opens, shares the maps by name, loads. 0 or -errno. elf must outlive the object. */
int kernel_object_load(struct kernel *k, enum kernel_object which, const void *elf, size_t size,
		       const char *name);
/* Descriptor of a map by name, or -1. */
int kernel_map_fd(const struct kernel *k, const char *name);
/* The program's descriptor, or -errno: the object is loaded if it is not yet. */
int kernel_program_fd(struct kernel *k, enum kernel_object object, const char *program);
/* Makes a descriptor known under a map's name before the object is loaded that has one. 0 or -ENOSPC. */
int kernel_map_add(struct kernel *k, const char *name, int fd, bool owned);
/* Maps whose size the configuration decides; 0: what the object says. */
uint64_t kernel_map_entries(const struct config *c, const char *name);
/* kernel_attach.c: undo everything but what is pinned. */
void kernel_detach_all(struct kernel *k);

/* --- kernel_pins.c --- */

/* Before anything is loaded: the maps that an earlier daemon pinned, if all of them are as ours would be. */
int kernel_pins_take(struct kernel *k);
/* After it: what is in those that are not. 0 or -errno. */
int kernel_pins_copy(struct kernel *k);
/* Pins ours, if that is wished; where that fails nothing is pinned, and struct kernel_takeover says why. */
void kernel_pins_keep_maps(struct kernel *k);
/* struct deny_maps, replaced; arg: struct kernel. */
void kernel_pins_replaced(void *arg, uint8_t family, int fd, bool done);
/* The link that an earlier daemon left on that interface in that mode runs our program from now on: its
 * descriptor; -ENOENT: there is none; -errno: it does not take it. */
int kernel_pins_link_take(struct kernel *k, unsigned ifindex, enum config_packet_mode mode, int program);
/* Links of earlier daemons on that interface end, but one of this version and that mode. Was there any? What
 * i has attached itself stays, and only loses that name. */
bool kernel_pins_link_drop(struct kernel *k, const struct kernel_interface *i,
			   enum config_packet_mode except);
int kernel_pins_link_keep(struct kernel *k, const struct kernel_interface *i); /* 0 or -errno */

#endif
