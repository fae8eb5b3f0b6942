// SPDX-License-Identifier: Apache-2.0
/* perfring.c: see perfring.h. The layout is that of perf_event_open(2): a page of positions, then the data.
 */
#include "sensor/perfring.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RECORD_MAX 65536 /* its size is a 16-bit field */

static int event_open(int cpu, uint32_t wake_bytes)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.size = sizeof(attr),
		.sample_type = PERF_SAMPLE_RAW,
		.sample_period = 1,
		.watermark = 1,
		.wakeup_watermark = wake_bytes,
	};
	long fd = syscall(__NR_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

static int map(struct perfring *r, size_t size)
{
	r->size = size;
	r->base = mmap(NULL, (size_t)getpagesize() + size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (r->base == MAP_FAILED) {
		r->base = NULL;
		return -errno;
	}
	r->straight = malloc(RECORD_MAX);
	return r->straight ? 0 : -ENOMEM;
}

int perfring_event(int map_fd, int cpu, uint32_t wake_bytes)
{
	int fd = event_open(cpu, wake_bytes);

	if (fd < 0)
		return fd;
	if (bpf_map_update_elem(map_fd, &cpu, &fd, BPF_ANY) || ioctl(fd, PERF_EVENT_IOC_ENABLE, 0)) {
		int error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

int perfring_open(struct perfring *r, int event, size_t size)
{
	*r = PERFRING_CLOSED;
	r->fd = event;
	int error = map(r, size);
	if (error)
		perfring_close(r);
	return error;
}

void perfring_close(struct perfring *r)
{
	if (r->base)
		munmap(r->base, (size_t)getpagesize() + r->size);
	free(r->straight);
	*r = PERFRING_CLOSED;
}

/* The record at a position, in one piece. */
static const struct perf_event_header *record_at(struct perfring *r, uint64_t position)
{
	const char *data = (const char *)r->base + getpagesize();
	size_t at = position & (r->size - 1), first = r->size - at;
	const struct perf_event_header *h =
		(const void *)(data + at); /* 8 bytes, aligned to 8: never split */

	if (h->size <= first)
		return h;
	memcpy(r->straight, h, first);
	memcpy(r->straight + first, data, h->size - first);
	return (const void *)r->straight;
}

static void record_hand_on(const struct perf_event_header *h, const struct perfring_hooks *hooks)
{
	const char *body = (const char *)(h + 1);
	uint64_t lost;
	uint32_t size;

	if (h->type == PERF_RECORD_LOST && h->size >= sizeof(*h) + 2 * sizeof(lost)) { /* id, lost */
		memcpy(&lost, body + sizeof(uint64_t), sizeof(lost));
		hooks->lost(hooks->arg, lost);
	} else if (h->type == PERF_RECORD_SAMPLE && h->size >= sizeof(*h) + sizeof(size)) { /* size, bytes */
		memcpy(&size, body, sizeof(size));
		if (size <= h->size - sizeof(*h) - sizeof(size))
			hooks->sample(hooks->arg, body + sizeof(size), size);
	}
}

void perfring_read(struct perfring *r, const struct perfring_hooks *hooks)
{
	struct perf_event_mmap_page *page = r->base;
	uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE), tail = page->data_tail;

	while (tail < head) {
		const struct perf_event_header *h = record_at(r, tail);

		if (h->size < sizeof(*h)) /* not a record: the kernel never writes that */
			break;
		record_hand_on(h, hooks);
		tail += h->size;
		__atomic_store_n(&page->data_tail, tail, __ATOMIC_RELEASE);
	}
}
