/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perfring.h: one CPU's perf buffer, that BPF programs write samples to. After perfring_open it makes no
 * bpf() call, not even when it is closed: a process without rights can read and free it.
 */
#ifndef PICKET_PERFRING_H
#define PICKET_PERFRING_H

#include <stddef.h>
#include <stdint.h>

struct perfring {
	int fd; /* readable when watched bytes came; -1: closed */
	void *base;
	size_t size;    /* bytes of the data part, a power of two */
	char *straight; /* a sample that goes round the end is copied here */
};

#define PERFRING_CLOSED ((struct perfring){.fd = -1})

/*
 * Opens the buffer of a CPU and puts it into a BPF_MAP_TYPE_PERF_EVENT_ARRAY. size: a power of two, at least
 * a page. The descriptor becomes readable after wake_bytes. 0, -ENODEV (no such CPU), -EPERM (more locked
 * memory than allowed), -errno.
 */
int perfring_open(struct perfring *r, int map_fd, int cpu, size_t size, uint32_t wake_bytes);
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
