// SPDX-License-Identifier: Apache-2.0
/*
 * The spool: order, bounds, damage, and power cuts. For those each write, truncation and sync is recorded
 * (the linker puts ours before libc's), and each state that a disk can be left in is made of them.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <cmocka.h>
#include "forwarder/spool.h"
#include "lib/util.h"

#define BYTES_MAX ((uint64_t)SPOOL_SEGMENTS * SPOOL_SEGMENT_MIN)

/* --- what is written --- */

enum op_kind { OP_WRITE, OP_TRUNCATE, OP_SYNC };

struct op {
	enum op_kind kind;
	unsigned slot;
	uint64_t at;
	size_t len;
	char *bytes;
};

static struct op *ops;
static size_t op_count;
static bool recording;
static int slot_fds[SPOOL_SEGMENTS];
static int write_error; /* errno of every write, 0 = none */
static int sync_error;  /* of every sync */

ssize_t __real_pwrite(int fd, const void *bytes, size_t len, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t len, off_t at);
ssize_t __real_pwritev(int fd, const struct iovec *parts, int count, off_t at);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t at);
int __real_ftruncate(int fd, off_t len);
int __wrap_ftruncate(int fd, off_t len);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

static void record(enum op_kind kind, int fd, uint64_t at, size_t len, char *bytes)
{
	struct op op = {.kind = kind, .at = at, .len = len, .bytes = bytes};

	while (op.slot < SPOOL_SEGMENTS && slot_fds[op.slot] != fd)
		op.slot++;
	assert_true(op.slot < SPOOL_SEGMENTS);
	ops = reallocarray(ops, op_count + 1, sizeof *ops);
	assert_non_null(ops);
	ops[op_count++] = op;
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	if (write_error) {
		errno = write_error;
		return -1;
	}
	if (recording) {
		char *copy = malloc(len);
		memcpy(copy, bytes, len);
		record(OP_WRITE, fd, (uint64_t)at, len, copy);
	}
	return __real_pwrite(fd, bytes, len, at);
}

/* In one piece, or cut short: the rest then comes by pwrite. */
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
	static unsigned calls;
	size_t len = 0;

	for (int i = 0; i < count; i++)
		len += parts[i].iov_len;
	char *all = malloc(len), *p = all;
	for (int i = 0; i < count; i++)
		p = mempcpy(p, parts[i].iov_base, parts[i].iov_len);
	ssize_t n = __wrap_pwrite(fd, all, ++calls % 3 ? len : len / 2, at);
	free(all);
	return n;
}

static off_t largest_cut;

int __wrap_ftruncate(int fd, off_t len)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	largest_cut = MAX(largest_cut, st.st_size - len);
	if (recording)
		record(OP_TRUNCATE, fd, (uint64_t)len, 0, NULL);
	return __real_ftruncate(fd, len);
}

int __wrap_fdatasync(int fd)
{
	if (sync_error) {
		errno = sync_error;
		return -1;
	}
	if (recording)
		record(OP_SYNC, fd, 0, 0, NULL);
	return __real_fdatasync(fd);
}

/* --- rig --- */

static void open_spool_of(struct spool *s, uint64_t bytes_max, enum config_spool_full full)
{
	for (unsigned i = 0; i < SPOOL_SEGMENTS; i++) {
		slot_fds[i] = memfd_create("slot", MFD_CLOEXEC);
		assert_true(slot_fds[i] >= 0);
	}
	spool_init(s, slot_fds, bytes_max, full);
}

static void open_spool(struct spool *s, enum config_spool_full full)
{
	open_spool_of(s, BYTES_MAX, full);
}

/* The same files, as another process finds them. What spool_recover says. */
static int recover(struct spool *s)
{
	int fds[SPOOL_SEGMENTS];

	for (unsigned i = 0; i < SPOOL_SEGMENTS; i++)
		fds[i] = dup(slot_fds[i]);
	spool_free(s);
	memcpy(slot_fds, fds, sizeof fds);
	spool_init(s, fds, BYTES_MAX, SPOOL_FULL_DROP_OLDEST);
	return spool_recover(s);
}

static void reopen(struct spool *s)
{
	assert_int_equal(recover(s), 0);
}

/* Batch n: its content says which it is, `len` bytes and 1 + n % 7 events. */
static struct batch *make(unsigned n, size_t len)
{
	char id[32], *text = malloc(len);
	struct batch *b;

	snprintf(id, sizeof id, "run-%u", n);
	assert_int_equal(batch_new(id, len + 16, 0, &b), 0);
	memset(text, 'a' + (int)(n % 26), len);
	assert_int_equal(batch_add(b, (struct span){text, len}), 0);
	batch_seal(b);
	b->events = 1 + n % 7;
	free(text);
	return b;
}

static unsigned number_of(const struct batch *b)
{
	unsigned n;

	assert_int_equal(sscanf(b->id, "run-%u", &n), 1);
	return n;
}

static struct spool_place append(struct spool *s, unsigned n, size_t len)
{
	struct spool_place place;
	struct batch *b = make(n, len);

	assert_int_equal(spool_append(s, b, NS_PER_S * 1000, &place), 0);
	batch_free(b);
	return place;
}

static void wait_for(struct spool *s, unsigned n, size_t len)
{
	spool_wait(s, append(s, n, len), 1 + n % 7);
}

/* What waits comes back in this order, whole. */
static void assert_next(struct spool *s, unsigned n, size_t len)
{
	struct spool_place place;
	struct batch *b, *like = make(n, len);

	assert_int_equal(spool_next(s, &place, &b), 0);
	assert_string_equal(b->id, like->id);
	assert_int_equal(b->events, like->events);
	assert_int_equal(b->json.len, like->json.len);
	assert_memory_equal(b->json.data, like->json.data, b->json.len);
	assert_int_equal(spool_ack(s, place), 0);
	batch_free(b);
	batch_free(like);
}

static void assert_none(struct spool *s)
{
	struct spool_place place;
	struct batch *b;

	assert_int_equal(spool_next(s, &place, &b), SPOOL_E_NONE);
	assert_int_equal(s->counts.waiting, 0);
	assert_int_equal(s->counts.waiting_batches, 0);
}

/* --- order and bounds --- */

static void comes_back_in_order(void **state)
{
	struct spool s;
	struct spool_place places[5];

	(void)state;
	open_spool(&s, SPOOL_FULL_DROP_OLDEST);
	for (unsigned i = 0; i < 5; i++)
		places[i] = append(&s, i, 100 + 500 * i);
	assert_int_equal(spool_sync(&s), 0);
	assert_none(&s); /* their owner has them all */
	spool_wait(&s, places[3], 4);
	spool_wait(&s, places[1], 2);
	spool_ack(&s, places[0]);
	assert_int_equal(s.counts.waiting, 4 + 2);
	assert_next(&s, 1, 600);
	assert_next(&s, 3, 1600);
	assert_none(&s);
	reopen(&s); /* 2 and 4 were in memory alone, as far as anybody knows */
	assert_int_equal(s.counts.recovered, 3 + 5);
	assert_next(&s, 2, 1100);
	assert_next(&s, 4, 2100);
	assert_none(&s);
	reopen(&s);
	assert_int_equal(s.counts.recovered, 0);
	assert_int_equal(s.counts.damage.places, 0);
	spool_free(&s);
}

static void gives_space_back(void **state)
{
	struct spool s;

	(void)state;
	open_spool(&s, SPOOL_FULL_DROP_OLDEST);
	/* Ten times what it holds. */
	for (unsigned i = 0; i < 1600; i++) {
		struct spool_place place = append(&s, i, 50000);
		assert_int_equal(spool_sync(&s), 0);
		assert_int_equal(spool_ack(&s, place), 0);
		assert_true(s.counts.bytes <= 2 * (SPOOL_SEGMENT_MIN + SPOOL_RECORDS_AT));
	}
	assert_int_equal(s.counts.dropped, 0);
	spool_free(&s);
}

#define LARGE     ((size_t)1 << 20) /* bytes of a batch */
#define LARGE_MAX (10 * LARGE)      /* of a file: it holds nine of them */

/* A file system takes its time to free a large file, and a batch would wait for it. */
static void large_files_give_space_back_in_steps(void **state)
{
	struct spool s;
	unsigned steps = 0, all = UINT_MAX;

	(void)state;
	/* A process may end behind each step: nothing comes back then, and nothing is called damage. */
	for (unsigned until = 0; until <= all; until++) {
		struct spool_place places[9];

		open_spool_of(&s, SPOOL_SEGMENTS * LARGE_MAX, SPOOL_FULL_DROP_OLDEST);
		for (unsigned i = 0; i < 9; i++)
			places[i] = append(&s, i, LARGE - 1000 - i);
		largest_cut = 0;
		uint64_t full = s.counts.bytes;
		for (unsigned i = 0; i < 9; i++)
			assert_int_equal(spool_ack(&s, places[i]), 0);
		for (steps = 0; steps < until && spool_give_back(&s) == 1; steps++)
			assert_true(s.counts.bytes < full);
		if (steps < until)
			all = steps;
		append(&s, 9, 100);
		assert_true(largest_cut <= (off_t)(SPOOL_STEP + LARGE));
		reopen(&s);
		assert_int_equal(s.counts.damage.places, 0);
		assert_next(&s, 9, 100);
		assert_none(&s);
		spool_free(&s);
	}
	assert_in_range(all, 2, 3);
}

/* What nobody needs makes room before anything is dropped or refused. */
static void files_done_with_are_taken_at_need(void **state)
{
	struct spool s;
	struct spool_place places[9];

	(void)state;
	open_spool_of(&s, SPOOL_SEGMENTS * LARGE_MAX, SPOOL_FULL_DROP_NEWEST);
	for (unsigned i = 0; i < 9; i++)
		places[i] = append(&s, i, LARGE - 1000);
	for (unsigned i = 9; i < 9 * SPOOL_SEGMENTS; i++)
		wait_for(&s, i, LARGE - 1000);
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(spool_ack(&s, places[i]), 0);
	for (unsigned i = 0; i < 9; i++)
		wait_for(&s, 9 * SPOOL_SEGMENTS + i, LARGE - 1000);
	assert_int_equal(s.counts.dropped + s.counts.refused, 0);
	assert_true(s.counts.bytes <= SPOOL_SEGMENTS * LARGE_MAX);
	assert_int_equal(spool_give_back(&s), 0);
	for (unsigned i = 9; i < 9 * SPOOL_SEGMENTS + 9; i++)
		assert_next(&s, i, LARGE - 1000);
	assert_none(&s);
	spool_free(&s);
}

static void drops_the_oldest(void **state)
{
	struct spool s;
	uint64_t events = 0, left = 0;
	unsigned n;

	(void)state;
	open_spool(&s, SPOOL_FULL_DROP_OLDEST);
	for (n = 0; n < 200; n++) {
		wait_for(&s, n, 50000);
		events += 1 + n % 7;
		assert_int_equal(s.counts.waiting + s.counts.dropped, events);
		assert_true(s.counts.bytes <= BYTES_MAX);
	}
	assert_true(s.counts.dropped > 0);
	struct spool_place place;
	struct batch *b;
	unsigned expect = 0;
	while (spool_next(&s, &place, &b) == 0) {
		unsigned i = number_of(b);
		if (!left)
			expect = i;
		assert_int_equal(i, expect++);
		left += b->events;
		spool_ack(&s, place);
		batch_free(b);
	}
	assert_int_equal(expect, n); /* the newest is there */
	assert_int_equal(left + s.counts.dropped, events);
	spool_free(&s);
}

static void refuses_the_newest(void **state)
{
	struct spool s;
	unsigned n = 0;
	int r = 0;

	(void)state;
	open_spool(&s, SPOOL_FULL_DROP_NEWEST);
	for (;; n++) {
		struct spool_place place;
		struct batch *b = make(n, 50000);

		r = spool_append(&s, b, 0, &place);
		batch_free(b);
		if (r)
			break;
		spool_wait(&s, place, 1 + n % 7);
	}
	assert_int_equal(r, SPOOL_E_REFUSED);
	assert_int_equal(s.counts.refused, 1);
	assert_int_equal(s.counts.dropped, 0);
	for (unsigned i = 0; i < n; i++)
		assert_next(&s, i, 50000);
	assert_none(&s);
	wait_for(&s, n, 50000); /* there is room again */
	assert_next(&s, n, 50000);
	spool_free(&s);
}

/* A disk that is full for a while costs what came meanwhile, and nothing that was written before. */
static void survives_a_full_disk(void **state)
{
	struct spool s;
	struct spool_place place;
	struct batch *b = make(7, 3000);

	(void)state;
	open_spool(&s, SPOOL_FULL_DROP_OLDEST);
	wait_for(&s, 1, 3000);
	write_error = ENOSPC;
	assert_int_equal(spool_append(&s, b, 0, &place), -ENOSPC);
	write_error = 0;
	wait_for(&s, 2, 3000);
	assert_int_equal(spool_sync(&s), 0);
	reopen(&s);
	assert_int_equal(s.counts.damage.places, 0);
	assert_next(&s, 1, 3000);
	assert_next(&s, 2, 3000);
	assert_none(&s);
	batch_free(b);
	spool_free(&s);
}

/* Behind a sync that failed nothing is trusted: what comes goes to another file. */
static void leaves_a_file_that_cannot_be_synced(void **state)
{
	struct spool s;

	(void)state;
	open_spool(&s, SPOOL_FULL_DROP_OLDEST);
	append(&s, 1, 3000);
	assert_int_equal(spool_sync(&s), 0);
	sync_error = EIO;
	struct spool_place lost = append(&s, 2, 3000);
	assert_int_equal(spool_sync(&s), -EIO);
	sync_error = 0;
	spool_ack(&s, lost); /* its owner has it, and gives it again */
	struct spool_place again = append(&s, 2, 3000);
	assert_true(again.generation != lost.generation);
	assert_int_equal(spool_sync(&s), 0);
	reopen(&s);
	assert_next(&s, 1, 3000);
	assert_next(&s, 2, 3000);
	assert_none(&s);
	spool_free(&s);
}

/* A file is dropped with batches in it that their owners still have in memory: when they let go, they are
 * lost. */
static void what_was_dropped_under_its_owner_is_counted(void **state)
{
	struct spool s;

	(void)state;
	open_spool(&s, SPOOL_FULL_DROP_OLDEST);
	struct spool_place first = append(&s, 3, 50000), second = append(&s, 4, 50000);
	for (unsigned n = 5; n < 200; n++)
		append(&s, n, 50000);
	assert_int_equal(s.counts.dropped, 0); /* nobody has lost anything yet */
	spool_wait(&s, first, 4);
	assert_int_equal(s.counts.dropped, 4);
	assert_int_equal(spool_ack(&s, second), 0); /* delivered: not lost */
	assert_int_equal(s.counts.dropped, 4);
	spool_free(&s);
}

static void spoil(unsigned slot, uint64_t at, size_t len)
{
	char *bytes = malloc(len);

	memset(bytes, 0xee, len);
	assert_int_equal(__real_pwrite(slot_fds[slot], bytes, len, (off_t)at), len);
	free(bytes);
}

/* A record's head, another's content: two are missing, the others are there. */
static void passes_over_damage(void **state)
{
	struct spool s;

	(void)state;
	open_spool(&s, SPOOL_FULL_DROP_OLDEST);
	for (unsigned i = 0; i < 5; i++)
		append(&s, i, 2000); /* five sectors each */
	assert_int_equal(spool_sync(&s), 0);
	spoil(0, SPOOL_RECORDS_AT + 1 * 5 * SPOOL_SECTOR, 64);
	spoil(0, SPOOL_RECORDS_AT + 3 * 5 * SPOOL_SECTOR + 1000, 1);
	reopen(&s);
	assert_int_equal(s.counts.damage.places, 1);
	assert_int_equal(s.counts.damage.bytes, 5 * SPOOL_SECTOR);
	assert_next(&s, 0, 2000);
	assert_next(&s, 2, 2000);
	assert_next(&s, 4, 2000);
	assert_none(&s);
	assert_int_equal(s.counts.unread, 1 + 3);
	/* What comes now does not end up behind the damage of then. */
	wait_for(&s, 9, 2000);
	reopen(&s);
	assert_next(&s, 9, 2000);
	assert_none(&s);
	spool_free(&s);
}

static void a_spoilt_head_is_no_segment(void **state)
{
	struct spool s;

	(void)state;
	open_spool(&s, SPOOL_FULL_DROP_OLDEST);
	append(&s, 0, 2000);
	spool_sync(&s);
	spoil(0, 3, 1);
	reopen(&s);
	assert_int_equal(s.counts.damage.places, 1);
	assert_none(&s);
	wait_for(&s, 1, 10);
	assert_next(&s, 1, 10);
	spool_free(&s);
}

/* Damage says that all places of acks are taken: the next one must not be written over a record. */
static void acks_end_where_records_begin(void **state)
{
	struct spool s;
	struct spool_place place;
	struct batch *b;

	(void)state;
	open_spool(&s, SPOOL_FULL_DROP_OLDEST);
	append(&s, 0, 2000);
	append(&s, 1, 2000);
	spoil(0, SPOOL_RECORDS_AT - 4, 4);
	reopen(&s);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(spool_next(&s, &place, &b), 0);
		batch_free(b);
	}
	assert_int_equal(spool_ack(&s, place), -ENOSPC);
	reopen(&s); /* the second comes again, and the first is not missing */
	assert_int_equal(s.counts.damage.places, 0);
	assert_int_equal(spool_next(&s, &place, &b), 0);
	assert_int_equal(number_of(b), 0);
	batch_free(b);
	spool_free(&s);
}

/*
 * A file that could not be read at one start, and whose generation was given again, or a copy: one of both
 * is taken, the other stays as it is until a start finds it alone.
 */
static void two_files_of_one_generation(void **state)
{
	static char bytes[SPOOL_RECORDS_AT + 8 * SPOOL_SECTOR];
	struct spool s;

	(void)state;
	open_spool(&s, SPOOL_FULL_DROP_OLDEST);
	append(&s, 0, 2000);
	ssize_t n = pread(slot_fds[0], bytes, sizeof bytes, 0);
	assert_true(n > SPOOL_RECORDS_AT);
	assert_int_equal(__real_pwrite(slot_fds[5], bytes, (size_t)n, 0), n);
	int kept = dup(slot_fds[5]);
	assert_int_equal(recover(&s), -EEXIST);
	slot_fds[5] = kept; /* the spool closed its own */
	assert_next(&s, 0, 2000);
	assert_none(&s);
	wait_for(&s, 1, 2000);
	reopen(&s);
	assert_next(&s, 0, 2000);
	assert_next(&s, 1, 2000);
	assert_none(&s);
	spool_free(&s);
}

/* --- power cuts --- */

#define BATCHES 400

static struct {
	size_t synced_op; /* index of the operation by whose end it was safe; SIZE_MAX: never */
	size_t acked_op;  /* ... by which its ack was begun; SIZE_MAX: never */
	size_t len;
} truth[BATCHES];

static unsigned draw(unsigned max)
{
	static uint64_t x = 0x9e3779b97f4a7c15;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (unsigned)(x >> 33) % max;
}

static void work(struct spool *s)
{
	struct spool_place places[BATCHES];
	unsigned open[BATCHES], opens = 0, unsynced = 0;

	for (unsigned n = 0; n < BATCHES; n++) {
		truth[n].len = 1 + draw(n % 5 ? 3000 : 60000);
		truth[n].synced_op = truth[n].acked_op = SIZE_MAX;
		places[n] = append(s, n, truth[n].len);
		open[opens++] = n;
		if (draw(3) == 0) {
			assert_int_equal(spool_sync(s), 0);
			for (; unsynced <= n; unsynced++)
				truth[unsynced].synced_op = op_count;
		}
		while (opens > 20 || (opens && draw(3) == 0)) {
			unsigned i = draw(opens), done = open[i];
			truth[done].acked_op = op_count;
			assert_int_equal(spool_ack(s, places[done]), 0);
			open[i] = open[--opens];
		}
	}
	assert_int_equal(s->counts.dropped, 0);
}

struct image {
	char *bytes;
	size_t len, size;
};

static void image_write(struct image *m, uint64_t at, const char *bytes, size_t len)
{
	if (at + len > m->size) {
		m->size = at + len + (1u << 20);
		m->bytes = realloc(m->bytes, m->size);
		assert_non_null(m->bytes);
	}
	if (at > m->len)
		memset(m->bytes + m->len, 0, at - m->len);
	memcpy(m->bytes + at, bytes, len);
	m->len = MAX(m->len, at + len);
}

static void image_apply(struct image *m, const struct op *op)
{
	if (op->kind == OP_WRITE)
		image_write(&m[op->slot], op->at, op->bytes, op->len);
	else if (op->kind == OP_TRUNCATE)
		m[op->slot].len = op->at;
}

/* The process that comes after the cut: what it must find, by what was synced, and acked at most, before. */
static void recover_from(const struct image *m, size_t synced_op, size_t acked_op, uint64_t *damaged)
{
	struct spool s;
	struct spool_place place;
	struct batch *b;
	static bool found[BATCHES];
	int fds[SPOOL_SEGMENTS], r;

	for (unsigned i = 0; i < SPOOL_SEGMENTS; i++) {
		fds[i] = memfd_create("cut", MFD_CLOEXEC);
		assert_int_equal(__real_pwrite(fds[i], m[i].bytes, m[i].len, 0), m[i].len);
	}
	memset(found, 0, sizeof found);
	spool_init(&s, fds, BYTES_MAX, SPOOL_FULL_DROP_OLDEST);
	assert_int_equal(spool_recover(&s), 0);
	while ((r = spool_next(&s, &place, &b)) == 0) {
		unsigned n = number_of(b);
		struct batch *like = make(n, truth[n].len);

		assert_false(found[n]);
		found[n] = true;
		assert_int_equal(b->json.len, like->json.len);
		assert_memory_equal(b->json.data, like->json.data, b->json.len);
		batch_free(b);
		batch_free(like);
	}
	assert_int_equal(r, SPOOL_E_NONE);
	*damaged += s.counts.damage.places || s.counts.unread;
	spool_free(&s);
	for (unsigned n = 0; n < BATCHES; n++) {
		bool safe = truth[n].synced_op <= synced_op, done = truth[n].acked_op <= acked_op;
		if (safe && !done && !found[n])
			fail_msg("cut at operation %zu: batch %u was safe and is lost", acked_op, n);
	}
}

/* The first `len` bytes of it arrived, and of the sector behind them nobody knows what it holds now. */
static void image_tear(struct image *m, const struct op *op, size_t len)
{
	char noise[SPOOL_SECTOR];
	uint64_t sector = (op->at + len) / SPOOL_SECTOR * SPOOL_SECTOR;

	image_write(&m[op->slot], op->at, op->bytes, len);
	for (size_t i = 0; i < sizeof noise; i++)
		noise[i] = (char)draw(256);
	image_write(&m[op->slot], sector, noise, sizeof noise);
}

static void copy_images(struct image *to, const struct image *from)
{
	for (unsigned i = 0; i < SPOOL_SEGMENTS; i++) {
		to[i].len = 0;
		if (from[i].len)
			image_write(&to[i], 0, from[i].bytes, from[i].len);
	}
}

static void free_images(struct image *m)
{
	for (unsigned i = 0; i < SPOOL_SEGMENTS; i++)
		free(m[i].bytes);
}

static void a_power_cut_at_any_write(void **state)
{
	struct image whole[SPOOL_SEGMENTS] = {0}, torn[SPOOL_SEGMENTS] = {0};
	struct spool s;
	uint64_t damaged = 0;
	unsigned cuts = 0;

	(void)state;
	open_spool(&s, SPOOL_FULL_DROP_OLDEST);
	recording = true;
	work(&s);
	recording = false;
	spool_free(&s);
	for (size_t i = 0; i < op_count; i++) {
		if (ops[i].kind == OP_WRITE) {
			copy_images(torn, whole);
			image_tear(torn, &ops[i], draw((unsigned)ops[i].len));
			recover_from(torn, i, i, &damaged);
			cuts++;
		}
		image_apply(whole, &ops[i]);
		recover_from(whole, i, i, &damaged);
		cuts++;
	}
	print_message("%zu operations, %u cuts, %u of them with damage\n", op_count, cuts, (unsigned)damaged);
	assert_true(damaged > 0); /* else nothing was torn */
	free_images(whole);
	free_images(torn);
}

/* What was not synced reaches the disk in any order, or not at all. */
static void a_power_cut_in_any_order(void **state)
{
	struct image synced[SPOOL_SEGMENTS] = {0}, cut[SPOOL_SEGMENTS] = {0};
	uint64_t damaged = 0;
	size_t first = 0; /* operations before it are applied to `synced` */

	(void)state;
	for (size_t i = 0; i < op_count; i++) {
		if (ops[i].kind != OP_SYNC)
			continue;
		for (unsigned tries = 0; tries < 3; tries++) {
			copy_images(cut, synced);
			for (size_t k = first; k < i; k++)
				if (draw(2))
					image_apply(cut, &ops[k]);
			recover_from(cut, first ? first - 1 : 0, i, &damaged);
		}
		for (; first <= i; first++)
			image_apply(synced, &ops[first]);
	}
	free_images(synced);
	free_images(cut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_in_order),
		cmocka_unit_test(gives_space_back),
		cmocka_unit_test(large_files_give_space_back_in_steps),
		cmocka_unit_test(files_done_with_are_taken_at_need),
		cmocka_unit_test(drops_the_oldest),
		cmocka_unit_test(refuses_the_newest),
		cmocka_unit_test(survives_a_full_disk),
		cmocka_unit_test(leaves_a_file_that_cannot_be_synced),
		cmocka_unit_test(what_was_dropped_under_its_owner_is_counted),
		cmocka_unit_test(passes_over_damage),
		cmocka_unit_test(a_spoilt_head_is_no_segment),
		cmocka_unit_test(acks_end_where_records_begin),
		cmocka_unit_test(two_files_of_one_generation),
		cmocka_unit_test(a_power_cut_at_any_write),
		cmocka_unit_test(a_power_cut_in_any_order),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	for (size_t i = 0; i < op_count; i++)
		free(ops[i].bytes);
	free(ops);
	return r;
}
