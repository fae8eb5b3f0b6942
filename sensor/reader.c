// SPDX-License-Identifier: Apache-2.0
/*
 * reader.c: see reader.h. Ring buffers keep the order of records by themselves. Perf buffers are one per CPU
 * without common order, so their records are copied, held, sorted by time, and handed on once nothing older
 * can come.
 */
#include "sensor/reader.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/util.h"
#include "sensor/kernel_internal.h"
#include "sensor/perfring.h"

#define TURN_RECORDS      8192            /* of one ring before the other, and the caller, get their turn */
#define PERF_BYTES_MIN    (512u * 1024)   /* of one CPU */
#define PERF_SETTLE_NS    (1 * NS_PER_MS) /* a record stamped longer ago than that is in its buffer */
#define PERF_HOLD_POLL_MS 2               /* wait no longer while records are held */
#define HELD_BYTES_MAX    (64u * 1024 * 1024)

/* Copies of records that wait for their turn. */
struct held_record {
	uint64_t time_ns;
	size_t at; /* offset of the copy; also the order of arrival */
};

struct held {
	char *bytes;
	size_t len, size;
	struct held_record *list;
	size_t count, list_size;
};

struct counters {
	_Atomic uint64_t requests, headers, perf_lost, malformed, late;
};

struct reader {
	reader_fn fn;
	void *arg;
	struct ring_buffer *requests; /* NULL on the perf path */
	struct ring_buffer *headers;
	struct perfring *perf; /* one per possible CPU; NULL on the ring path */
	int perf_cpus, perf_epoll;
	struct pk_perf_level *levels;
	struct held held[2]; /* the second takes what is left over when the first is handed on */
	uint64_t newest_ns;  /* of the records handed on */
	unsigned left;       /* records this turn may still take from the ring at hand */
	bool more;           /* the turn ended before the rings were empty */
	int handled;
	struct counters counts;
};

/* --- one record ------------------------------------------------------------------------------- */

/* Not inlined where the record is known to be a smaller one: gcc 12 then warns of what `room` rules out. */
__attribute__((noinline)) static uint32_t record_size(const struct pk_record *rec, size_t room)
{
	const struct pk_data *d = (const void *)rec;
	const struct pk_refused *refused = (const void *)rec;
	const struct pk_segment *segment = (const void *)rec;
	const struct pk_frame *frame = (const void *)rec;

	switch (rec->kind) {
	case PK_DATA:
		if (room < sizeof(*d) || d->captured > PK_READ_MAX)
			return 0;
		return sizeof(*d) + d->lead + d->captured;
	case PK_OPEN:
		return sizeof(struct pk_open);
	case PK_CLOSE:
		return sizeof(struct pk_close);
	case PK_LISTEN:
		return sizeof(struct pk_listen);
	case PK_ANSWER:
		return sizeof(struct pk_answered);
	case PK_HEADER:
		return sizeof(struct pk_header);
	case PK_REFUSED:
		if (room < sizeof(*refused) || refused->captured > PK_REFUSED_MAX)
			return 0;
		return sizeof(*refused) + refused->captured;
	case PK_SEGMENT:
		if (room < sizeof(*segment) || segment->captured > PK_SEGMENT_MAX)
			return 0;
		return sizeof(*segment) + segment->captured;
	case PK_FRAME:
		if (room < sizeof(*frame) || frame->captured > PK_FRAME_MAX)
			return 0;
		return sizeof(*frame) + frame->captured;
	default:
		return 0;
	}
}

/* Records of packets come through pk_headers, those of sockets through pk_requests. */
static bool of_header_ring(uint32_t kind)
{
	return kind == PK_HEADER || kind == PK_SEGMENT || kind == PK_FRAME;
}

/* Is it whole, and of the ring it came from? room: bytes that came. */
static bool record_fits(const struct pk_record *rec, size_t room, bool header_ring)
{
	if (room < sizeof(*rec) || of_header_ring(rec->kind) != header_ring)
		return false;
	return rec->size <= room && rec->size == record_size(rec, room);
}

static void bump(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void hand_on(struct reader *r, const struct pk_record *rec)
{
	bump(of_header_ring(rec->kind) ? &r->counts.headers : &r->counts.requests, 1);
	r->handled++;
	r->fn(r->arg, rec);
}

/* --- ring buffers ----------------------------------------------------------------------------- */

static int ring_record(struct reader *r, const void *data, size_t size, bool header_ring)
{
	if (record_fits(data, size, header_ring))
		hand_on(r, data);
	else
		bump(&r->counts.malformed, 1);
	if (--r->left)
		return 0;
	r->more = true;
	return -ECANCELED; /* ends this ring's turn; the record itself is consumed */
}

static int on_request(void *arg, void *data, size_t size)
{
	return ring_record(arg, data, size, false);
}

static int on_header(void *arg, void *data, size_t size)
{
	return ring_record(arg, data, size, true);
}

static int ring_turn(struct reader *r, struct ring_buffer *ring)
{
	r->left = TURN_RECORDS;
	int n = ring_buffer__consume(ring);
	return n < 0 && n != -ECANCELED ? n : 0;
}

/* --- perf buffers ----------------------------------------------------------------------------- */

static int held_room(struct held *h, size_t len)
{
	if (h->count == h->list_size) {
		size_t size = h->list_size ? 2 * h->list_size : 1024;
		void *list = realloc(h->list, size * sizeof(*h->list));

		if (!list)
			return -ENOMEM;
		h->list = list;
		h->list_size = size;
	}
	if (h->size - h->len >= len)
		return 0;
	size_t size = MAX(2 * h->size, h->len + MAX(len, 256 * 1024));
	if (size > HELD_BYTES_MAX)
		return -ENOBUFS;
	char *bytes = realloc(h->bytes, size);
	if (!bytes)
		return -ENOMEM;
	h->bytes = bytes;
	h->size = size;
	return 0;
}

static int held_add(struct held *h, const void *record, uint64_t time_ns, size_t len)
{
	size_t room = (len + 7) & ~(size_t)7;
	int r = held_room(h, room);

	if (r)
		return r;
	memcpy(h->bytes + h->len, record, len);
	h->list[h->count++] = (struct held_record){.time_ns = time_ns, .at = h->len};
	h->len += room;
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct held_record *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x->at < y->at ? -1 : 1;
}

static void hand_on_held(struct reader *r, const struct held *h, const struct held_record *record)
{
	if (record->time_ns < r->newest_ns)
		bump(&r->counts.late, 1);
	else
		r->newest_ns = record->time_ns;
	hand_on(r, (const void *)(h->bytes + record->at));
}

/* Hands on, in order of time, what was stamped before a moment. The rest moves to the other half. */
static void held_release(struct reader *r, uint64_t before_ns)
{
	struct held h = r->held[0], *rest = &r->held[1];
	size_t i = 0;

	if (h.count == 0)
		return;
	qsort(h.list, h.count, sizeof(*h.list), by_time);
	for (; i < h.count && h.list[i].time_ns < before_ns; i++)
		hand_on_held(r, &h, &h.list[i]);
	for (; i < h.count; i++) {
		const struct pk_record *rec = (const void *)(h.bytes + h.list[i].at);

		if (held_add(rest, rec, rec->time_ns, rec->size)) /* no memory: better early than never */
			hand_on_held(r, &h, &h.list[i]);
	}
	h.count = h.len = 0;
	r->held[0] = *rest;
	r->held[1] = h;
}

/* A sample is aligned to 4 bytes only, and room for its header is part of it. */
static void on_perf_sample(void *arg, const char *data, uint32_t size)
{
	struct reader *r = arg;
	struct pk_data head = {.rec.kind = 0};

	memcpy(&head, data, MIN(size, sizeof(head)));
	if (!record_fits(&head.rec, size, false)) {
		bump(&r->counts.malformed, 1);
		return;
	}
	if (held_add(&r->held[0], data, head.rec.time_ns, head.rec.size) == 0)
		return;
	held_release(r, UINT64_MAX);
	if (held_add(&r->held[0], data, head.rec.time_ns, head.rec.size))
		bump(&r->counts.malformed, 1);
}

static void on_perf_lost(void *arg, uint64_t lost)
{
	struct reader *r = arg;

	bump(&r->counts.perf_lost, lost);
}

/* Empties the buffers of all CPUs, and tells the TCP programs that they are empty. */
static int perf_turn(struct reader *r, bool all)
{
	const struct perfring_hooks hooks = {.sample = on_perf_sample, .lost = on_perf_lost, .arg = r};
	uint64_t start = clock_boot_ns(&clock_system);

	for (int cpu = 0; cpu < r->perf_cpus; cpu++) {
		if (r->perf[cpu].fd < 0)
			continue;
		perfring_read(&r->perf[cpu], &hooks);
		if (cpu < PK_PERF_CPUS)
			__atomic_fetch_add(&r->levels[cpu].turn, 1, __ATOMIC_RELAXED);
	}
	held_release(r, all ? UINT64_MAX : start - PERF_SETTLE_NS);
	return 0;
}

static size_t perf_size(const struct kernel *k, int cpus)
{
	size_t want = k->config->capture.ring_bytes / (size_t)cpus, size = (size_t)getpagesize();

	if (want < PERF_BYTES_MIN)
		want = PERF_BYTES_MIN;
	while (2 * size <= want)
		size *= 2;
	return size;
}

static void perf_close(struct reader *r)
{
	for (int cpu = 0; cpu < r->perf_cpus; cpu++)
		perfring_close(&r->perf[cpu]);
	free(r->perf);
	r->perf = NULL;
	r->perf_cpus = 0;
	if (r->perf_epoll >= 0)
		close(r->perf_epoll);
	r->perf_epoll = -1;
}

/* Buffers of one size for all CPUs that are on; a CPU that comes later has none, and its records count as
 * lost. */
static int perf_open_size(struct reader *r, const int *events, int cpus, size_t size)
{
	r->perf = calloc((size_t)cpus, sizeof(*r->perf));
	r->perf_epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!r->perf || r->perf_epoll < 0)
		return r->perf ? -errno : -ENOMEM;
	for (; r->perf_cpus < cpus; r->perf_cpus++) {
		struct epoll_event ev = {.events = EPOLLIN};

		r->perf[r->perf_cpus] = PERFRING_CLOSED;
		if (events[r->perf_cpus] < 0)
			continue;
		int error = perfring_open(&r->perf[r->perf_cpus], events[r->perf_cpus], size);
		if (error)
			return error;
		if (epoll_ctl(r->perf_epoll, EPOLL_CTL_ADD, r->perf[r->perf_cpus].fd, &ev)) {
			r->perf_cpus++; /* perf_close has this one to close, too */
			return -errno;
		}
	}
	return 0;
}

/* How much memory may be locked depends on limits of the process and of its user: what is refused is tried
 * smaller. */
static int perf_open(struct reader *r, const struct kernel *k)
{
	int cpus = k->perf_cpus;

	for (size_t size = perf_size(k, cpus); size >= (size_t)getpagesize(); size /= 2) {
		int error = perf_open_size(r, k->perf_events, cpus, size);

		if (!error) {
			r->levels = k->perf_levels;
			for (int cpu = 0; cpu < cpus && cpu < PK_PERF_CPUS; cpu++)
				r->levels[cpu].size = r->perf[cpu].fd < 0 ? 0 : (uint32_t)size;
			return 0;
		}
		perf_close(r);
		if (error != -EPERM && error != -ENOMEM)
			return error;
	}
	return -EPERM;
}

/* --- the reader ------------------------------------------------------------------------------- */

static int rings_open(struct reader *r, const struct kernel *k)
{
	r->headers = ring_buffer__new(kernel_map_fd(k, "pk_headers"), on_header, r, NULL);
	if (!r->headers)
		return -errno;
	if (kernel_uses_perf(k))
		return perf_open(r, k);
	r->requests = ring_buffer__new(kernel_map_fd(k, "pk_requests"), on_request, r, NULL);
	return r->requests ? 0 : -errno;
}

int reader_new(const struct kernel *k, reader_fn fn, void *arg, struct reader **ret)
{
	struct reader *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->fn = fn;
	r->arg = arg;
	r->perf_epoll = -1;
	int error = rings_open(r, k);
	if (error) {
		reader_free(r);
		return error;
	}
	*ret = r;
	return 0;
}

static int turn(struct reader *r, bool all)
{
	int error;

	r->more = false;
	r->handled = 0;
	error = r->perf ? perf_turn(r, all) : ring_turn(r, r->requests);
	if (!error)
		error = ring_turn(r, r->headers);
	return error ? error : r->handled;
}

int reader_poll(struct reader *r, int wake_fd, int timeout_ms)
{
	struct pollfd fds[] = {
		{.fd = r->perf ? r->perf_epoll : ring_buffer__epoll_fd(r->requests), .events = POLLIN},
		{.fd = ring_buffer__epoll_fd(r->headers), .events = POLLIN},
		{.fd = wake_fd, .events = POLLIN},
	};

	if (r->more)
		timeout_ms = 0;
	else if (r->held[0].count && (timeout_ms < 0 || timeout_ms > PERF_HOLD_POLL_MS))
		timeout_ms = PERF_HOLD_POLL_MS;
	if (poll(fds, ARRAY_SIZE(fds), timeout_ms) < 0 && errno != EINTR)
		return -errno;
	return turn(r, false);
}

int reader_drain(struct reader *r)
{
	int total = 0;

	do {
		int n = turn(r, true);

		if (n < 0)
			return n;
		total += n;
	} while (r->more);
	return total;
}

struct reader_counts reader_counts(const struct reader *r)
{
	const struct counters *c = &r->counts;

	return (struct reader_counts){
		.requests = atomic_load_explicit(&c->requests, memory_order_relaxed),
		.headers = atomic_load_explicit(&c->headers, memory_order_relaxed),
		.perf_lost = atomic_load_explicit(&c->perf_lost, memory_order_relaxed),
		.malformed = atomic_load_explicit(&c->malformed, memory_order_relaxed),
		.late = atomic_load_explicit(&c->late, memory_order_relaxed),
	};
}

size_t reader_perf_bytes(const struct reader *r)
{
	for (int cpu = 0; cpu < r->perf_cpus; cpu++)
		if (r->perf[cpu].fd >= 0)
			return r->perf[cpu].size;
	return 0;
}

void reader_free(struct reader *r)
{
	if (!r)
		return;
	ring_buffer__free(r->requests);
	ring_buffer__free(r->headers);
	perf_close(r);
	for (size_t i = 0; i < ARRAY_SIZE(r->held); i++) {
		free(r->held[i].bytes);
		free(r->held[i].list);
	}
	free(r);
}
