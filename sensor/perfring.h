/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perfring.h: one CPU's perf buffer, that BPF programs write samples to. The event is opened once, by who has
 * the rights for it (Debian's kernels ask CAP_SYS_ADMIN, kernel.perf_event_paranoid = 3), and mapped by who
 * reads: a mapping does not survive a fork, a descriptor does. Mapping, reading and closing make no bpf()
 * call and need no right.
 */
#ifndef PICKET_PERFRING_H
#define PICKET_PERFRING_H

#include <stddef.h>
#include <stdint.h>

struct perfring {
	int fd; /* borrowed; readable when watched bytes came; -1: closed */
	void *base;
	size_t size;    /* bytes of the data part, a power of two */
	char *straight; /* a sample that goes round the end is copied here */
};

#define PERFRING_CLOSED ((struct perfring){.fd = -1})

/*
 * Opens the event of a CPU and puts it into a BPF_MAP_TYPE_PERF_EVENT_ARRAY. It becomes readable after
 * wake_bytes. The descriptor, -ENODEV (no such CPU), or -errno.
 */
int perfring_event(int map_fd, int cpu, uint32_t wake_bytes);
/*
 * Maps the buffer of an event, which is borrowed. size: a power of two, at least a page. 0, -EPERM (more
 * locked memory than allowed), -errno.
 */
int perfring_open(struct perfring *r, int event, size_t size);
void perfring_close(struct perfring *r);

struct perfring_hooks {
	/* sample is aligned to 4 and valid during the call. */
	void (*sample)(void *arg, const char *sample, uint32_t size);
	void (*lost)(void *arg, uint64_t count); /* the kernel's own count; the programs were told, too */
	void *arg;
};

/* Hands on what is there now. */
void perfring_read(struct perfring *r, const struct perfring_hooks *hooks);

#endif
