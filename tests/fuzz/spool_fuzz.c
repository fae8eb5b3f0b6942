// SPDX-License-Identifier: Apache-2.0
/*
 * spool_fuzz.c: any bytes as files of a spool, and as its mark (what a crash, a disk or a hand may leave).
 * Checked: reading them ends; what comes back is in a file, with both of its checksums right; what waits is
 * counted as it is, always; what was not done with comes back behind another start, and so does what is
 * appended then, whole.
 *
 * Input: a byte of enum flags; if IS_MARK, the mark's file. Else a byte, which of the batches that come back
 * are done with; two bytes, the length of the second file, which stands at the end. A file, without its
 * empty places: a byte, how many acks; 24 bytes of head; the acks; records.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include "forwarder/spool.h"
#include "forwarder/spool_mark.h"
#include "lib/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum flags {
	IS_MARK = 1,
	MAKE_RIGHT = 2,  /* checksums, so that what is behind them is reached */
	ACKS_AT_END = 4, /* of their place */
	SMALL = 8,       /* each file takes one batch, so that files are dropped */
	DROP_NEWEST = 16,
};

enum { FILES = 4, APPENDED = 3, HEAD_BYTES = 24, MARK_CRC_AT = 48 };
#define NOBODY_COUNTS_SO_FAR 0x7f /* of the highest byte of a generation or sequence */

/* As spool_segment.h says. */
#define RECORD_MAGIC 0x50c6ba7cu
struct record {
	uint32_t magic, head_crc, content_crc, len, events, number;
	uint64_t generation, wall_ns;
	char id[BATCH_ID_MAX];
};

static int files[FILES + 1]; /* the last: of the mark */

static void file_set(int fd, const void *bytes, size_t len, off_t at)
{
	if (len && pwrite(fd, bytes, len, at) != (ssize_t)len)
		abort();
}

static void files_empty(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
		if (!files[i])
			files[i] = memfd_create("spool", MFD_CLOEXEC);
		if (files[i] < 0 || ftruncate(files[i], 0))
			abort();
	}
}

static uint32_t crc_without(void *bytes, size_t len, size_t crc_at)
{
	memset((char *)bytes + crc_at, 0, sizeof(uint32_t));
	return (uint32_t)crc32_z(0, bytes, len);
}

/* --- the files of the input --- */

static void head_make_right(uint8_t head[static HEAD_BYTES])
{
	head[HEAD_BYTES - 1] &= NOBODY_COUNTS_SO_FAR;
	uint32_t crc = crc_without(head, HEAD_BYTES, 12);
	memcpy(head + 12, &crc, sizeof crc);
}

static void records_make_right(uint8_t *records, size_t len)
{
	for (size_t at = 0; at + sizeof(struct record) <= len; at += SPOOL_SECTOR) {
		struct record r;

		memcpy(&r, records + at, sizeof r);
		if (r.magic != RECORD_MAGIC)
			continue;
		if (r.len <= len - at - sizeof r)
			r.content_crc = (uint32_t)crc32_z(0, records + at + sizeof r, r.len);
		r.generation &= INT64_MAX;
		r.head_crc = crc_without(&r, sizeof r, offsetof(struct record, head_crc));
		memcpy(records + at, &r, sizeof r);
	}
}

static void file_make(int fd, const uint8_t *data, size_t size, unsigned flags)
{
	uint8_t head[HEAD_BYTES] = {0};

	if (!size)
		return;
	size_t acks = 4u * data[0];
	data++, size--;
	size_t head_len = MIN(size, sizeof head);
	memcpy(head, data, head_len);
	if (flags & MAKE_RIGHT && head_len == sizeof head)
		head_make_right(head);
	file_set(fd, head, head_len, 0);
	data += head_len, size -= head_len;
	acks = MIN(acks, size);
	file_set(fd, data, acks, flags & ACKS_AT_END ? SPOOL_RECORDS_AT - (off_t)acks : SPOOL_SECTOR);
	data += acks, size -= acks;
	uint8_t *records = malloc(size + 1);
	if (!records)
		abort();
	memcpy(records, data, size);
	if (flags & MAKE_RIGHT)
		records_make_right(records, size);
	file_set(fd, records, size, SPOOL_RECORDS_AT);
	free(records);
}

/* --- the spool --- */

static void spool_open(struct spool *s, unsigned flags)
{
	int fds[SPOOL_SEGMENTS];

	for (unsigned i = 0; i < SPOOL_SEGMENTS; i++)
		fds[i] = i < FILES ? dup(files[i]) : -1;
	spool_init(s, fds, SPOOL_SEGMENTS * (uint64_t)(flags & SMALL ? SPOOL_RECORDS_AT : SPOOL_SEGMENT_MIN),
		   flags & DROP_NEWEST ? SPOOL_FULL_DROP_NEWEST : SPOOL_FULL_DROP_OLDEST);
}

static void check_counts(const struct spool *s)
{
	uint64_t waiting = 0, batches = 0, bytes = 0;

	for (unsigned i = 0; i < SPOOL_SEGMENTS; i++) {
		const struct spool_segment *g = &s->segments[i];
		uint32_t held = 0;

		assert(g->count <= SPOOL_RECORDS_MAX);
		for (uint32_t n = 0; n < g->count; n++) {
			held += g->records[n].state != SPOOL_DONE;
			if (g->records[n].state == SPOOL_WAITING) {
				waiting += g->records[n].events;
				batches++;
			}
		}
		assert(held == g->held);
		bytes += g->end;
	}
	assert(s->counts.waiting == waiting && s->counts.waiting_batches == batches &&
	       s->counts.bytes == bytes);
	assert(batches || !s->counts.oldest_wall_s);
}

/* What is in the file at that place, looked at by itself. */
static void check_batch(const struct spool *s, struct spool_place place, const struct batch *b)
{
	const struct spool_segment *g = s->segments;
	struct record r;

	while (g->generation != place.generation)
		g++;
	off_t at = (off_t)g->records[place.number].sector * SPOOL_SECTOR;
	assert(pread(g->fd, &r, sizeof r, at) == (ssize_t)sizeof r);
	assert(r.generation == place.generation && r.number == place.number && r.len == b->json.len &&
	       r.events == b->events && strcmp(r.id, b->id) == 0 && b->sealed);
	char *content = malloc(r.len + 1);
	if (!content)
		abort();
	assert(pread(g->fd, content, r.len, at + (off_t)sizeof r) == (ssize_t)r.len);
	assert(!r.len || memcmp(content, b->json.data, r.len) == 0);
	assert(r.content_crc == (uint32_t)crc32_z(0, (const void *)content, r.len));
	free(content);
	uint32_t crc = r.head_crc;
	assert(crc == crc_without(&r, sizeof r, offsetof(struct record, head_crc)));
}

struct taken {
	uint64_t left;   /* events of those that are not done with, as far as the files know */
	uint64_t unread; /* events that could not be read back */
	uint64_t last;   /* bytes of the newest batch */
	bool unmarked;   /* not every file could be told what is done with */
};

/* All that waits; bit n % 8 of done: the n-th is done with. */
static struct taken take_all(struct spool *s, unsigned done)
{
	struct spool_place place, before = {0, 0};
	uint64_t unread = s->counts.unread;
	struct taken all = {.left = 0};
	struct batch *b;
	int r;

	for (unsigned n = 0; !(r = spool_next(s, &place, &b)); n++) {
		assert(place.generation > before.generation ||
		       (place.generation == before.generation && (n == 0 || place.number > before.number)));
		before = place;
		check_batch(s, place, b);
		all.last = b->json.len;
		int acked = done >> n % 8 & 1 ? spool_ack(s, place) : 0;
		assert(!acked || acked == -ENOSPC);
		all.unmarked = all.unmarked || acked;
		if (acked || !(done >> n % 8 & 1))
			all.left += b->events;
		batch_free(b);
		check_counts(s);
	}
	assert(r == SPOOL_E_NONE && !s->counts.waiting && !s->counts.waiting_batches);
	all.unread = s->counts.unread - unread;
	return all;
}

static struct batch *batch_make(unsigned n)
{
	static const char text[] = "\"what is appended behind a recovery\"";
	struct batch *b;

	if (batch_new("run-appended", 4096, 0, &b))
		abort();
	for (unsigned i = 0; i <= n; i++) {
		if (batch_add(b, (struct span){text, sizeof text - 1}))
			abort();
		b->events++;
	}
	batch_seal(b);
	return b;
}

/* Events that were taken; ret_len: of the last that was. */
static uint64_t append_some(struct spool *s, uint64_t *ret_len)
{
	uint64_t events = 0;

	for (unsigned n = 0; n < APPENDED; n++) {
		struct batch *b = batch_make(n);
		struct spool_place place;
		int r = spool_append(s, b, NS_PER_S * (n + 1), &place);

		assert(!r || r == SPOOL_E_REFUSED || r == -EBADF);
		if (!r) {
			events += b->events;
			*ret_len = b->json.len;
		}
		batch_free(b);
		check_counts(s);
	}
	assert(spool_sync(s) == 0);
	return events;
}

static void fuzz_spool(const uint8_t *data, size_t size, unsigned flags)
{
	static struct spool s;
	uint64_t appended_last = 0;

	if (size < 3)
		return;
	size_t second = MIN((size_t)(data[1] << 8 | data[2]), size - 3);
	file_make(files[0], data + 3, size - 3 - second, flags);
	file_make(files[1], data + size - second, second, flags);
	spool_open(&s, flags);
	int refused = spool_recover(&s);
	check_counts(&s);
	assert(s.counts.recovered == s.counts.waiting);
	struct taken first = take_all(&s, data[0]);
	assert(first.unread <= s.counts.recovered);
	uint64_t expected = first.left + append_some(&s, &appended_last);
	spool_free(&s);

	/* As after a kill: nobody has them any more, so they wait. A file that was not taken may be now. */
	spool_open(&s, flags);
	int refused_again = spool_recover(&s);
	check_counts(&s);
	struct taken again = take_all(&s, 0);
	assert(!appended_last || again.last == appended_last || refused);
	if (!refused && !refused_again && !first.unmarked) {
		assert(again.left <= expected);
		/* In small files the oldest are dropped for the newest. */
		assert(flags & SMALL || again.left == expected);
	}
	spool_free(&s);
}

/* --- the mark --- */

static void mark_make_right(int fd, off_t at)
{
	uint8_t mark[MARK_CRC_AT];
	uint32_t crc;

	if (pread(fd, mark, sizeof mark, at) != (ssize_t)sizeof mark)
		return;
	mark[sizeof mark - 1] &= NOBODY_COUNTS_SO_FAR;
	crc = (uint32_t)crc32_z(0, mark, sizeof mark);
	file_set(fd, mark, sizeof mark, at);
	file_set(fd, &crc, sizeof crc, at + MARK_CRC_AT);
}

static void fuzz_mark(const uint8_t *data, size_t size, unsigned flags)
{
	struct spool_mark found = {.run = "run"}, again;
	int fd = files[FILES];

	file_set(fd, data, size, 0);
	if (flags & MAKE_RIGHT) {
		mark_make_right(fd, 0);
		mark_make_right(fd, SPOOL_SECTOR);
	}
	int r = spool_mark_read(fd, &found);
	assert(r == SPOOL_MARK_E_NONE || (!r && memchr(found.run, 0, sizeof found.run)));
	for (unsigned i = 1; i <= 3; i++) {
		found.seen_wall_ns = i;
		found.clean = i & 1;
		assert(spool_mark_write(fd, &found) == 0);
		assert(spool_mark_read(fd, &again) == 0);
		assert(strcmp(again.run, found.run) == 0 && again.sequence == found.sequence);
		assert(again.seen_wall_ns == i && again.clean == (i & 1));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	files_empty();
	if (data[0] & IS_MARK)
		fuzz_mark(data + 1, size - 1, data[0]);
	else
		fuzz_spool(data + 1, size - 1, data[0]);
	return 0;
}
