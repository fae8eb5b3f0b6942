// SPDX-License-Identifier: Apache-2.0
#include "forwarder/spool_segment.h"
#include <errno.h>
#include <libdeflate.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/file_io.h"
#include "lib/util.h"

#define HEAD_MAGIC   "PKSPOOL"
#define HEAD_VERSION 1u
#define RECORD_MAGIC 0x50c6ba7cu /* no byte of it is text */
#define PAYLOAD_MAX  (64u << 20) /* as batch_bytes at most */

struct segment_head {
	char magic[8];
	uint32_t version;
	uint32_t crc; /* of this with crc = 0 */
	uint64_t generation;
};

struct record_head {
	uint32_t magic;
	uint32_t head_crc; /* of this with head_crc = 0 */
	uint32_t content_crc;
	uint32_t len; /* of the content */
	uint32_t events;
	uint32_t number;
	uint64_t generation;
	uint64_t wall_ns; /* when it was written */
	char id[BATCH_ID_MAX];
};

_Static_assert(sizeof(struct record_head) < SPOOL_SECTOR, "a head fits into a sector");
_Static_assert(sizeof(struct segment_head) < SPOOL_SECTOR, "a head fits into a sector");

/* CRC-32 as zlib's, by the processor's own instructions: each byte that leaves goes through it. */
static uint32_t crc_of(const void *bytes, size_t len)
{
	return libdeflate_crc32(0, bytes, len);
}

static uint64_t round_up(uint64_t bytes)
{
	return (bytes + SPOOL_SECTOR - 1) / SPOOL_SECTOR * SPOOL_SECTOR;
}

static uint64_t record_bytes(uint32_t len)
{
	return round_up(sizeof(struct record_head) + len);
}

/* --- bytes of a file --- */

static int write_at(int fd, const void *bytes, size_t len, uint64_t at)
{
	const char *p = bytes;

	while (len) {
		ssize_t n = pwrite(fd, p, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		p += n;
		len -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

/* 0, -errno, or -ENODATA: the file ends before. */
static int read_at(int fd, void *bytes, size_t len, uint64_t at)
{
	size_t got;
	int r = file_read_at(fd, at, bytes, len, &got);

	return r ? r : got < len ? -ENODATA : 0;
}

/* --- the records in memory --- */

static int add_record(struct spool_segment *s, uint64_t at, const struct record_head *head,
		      enum spool_record_state state)
{
	if (s->count == s->size) {
		uint32_t size = MAX(64u, s->size * 2);
		struct spool_record *longer = reallocarray(s->records, size, sizeof *longer);
		if (!longer)
			return -ENOMEM;
		s->records = longer;
		s->size = size;
	}
	s->records[s->count++] = (struct spool_record){
		.sector = (uint32_t)(at / SPOOL_SECTOR),
		.events = head->events,
		.wall_s = (uint32_t)(head->wall_ns / NS_PER_S),
		.state = (uint8_t)state,
	};
	s->held += state != SPOOL_DONE;
	return 0;
}

static void set_done(struct spool_segment *s, uint32_t number)
{
	s->records[number].state = SPOOL_DONE;
	s->held--;
	while (s->first_held < s->count && s->records[s->first_held].state == SPOOL_DONE)
		s->first_held++;
}

void spool_segment_init(struct spool_segment *s, int fd)
{
	*s = (struct spool_segment){.fd = fd};
}

void spool_segment_free(struct spool_segment *s)
{
	free(s->records);
	if (s->fd >= 0)
		close(s->fd);
	spool_segment_init(s, -1);
}

/* --- writing --- */

int spool_segment_begin(struct spool_segment *s, uint64_t generation)
{
	struct segment_head head = {.magic = HEAD_MAGIC, .version = HEAD_VERSION, .generation = generation};

	head.crc = crc_of(&head, sizeof head);
	int r = write_at(s->fd, &head, sizeof head, 0);
	if (r)
		return r;
	s->generation = generation;
	s->end = SPOOL_RECORDS_AT;
	return 0;
}

/* Up to the end of its last sector, so that the next record's write is nobody's rewrite. */
static int write_record(int fd, const struct record_head *head, const struct buffer *content, uint64_t at)
{
	static const char zeros[SPOOL_SECTOR];
	uint64_t all = record_bytes((uint32_t)content->len);
	struct iovec parts[] = {
		{(void *)(uintptr_t)head, sizeof *head},
		{content->data, content->len},
		{(void *)(uintptr_t)zeros, all - sizeof *head - content->len},
	};
	ssize_t n = pwritev(fd, parts, ARRAY_SIZE(parts), (off_t)at);

	if (n < 0 && errno != EINTR)
		return -errno;
	/* Rare: what is missing goes in pieces. */
	uint64_t done = n < 0 ? 0 : (uint64_t)n, before = 0;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		uint64_t skip = done > before ? MIN(done - before, parts[i].iov_len) : 0;
		int r = write_at(fd, (char *)parts[i].iov_base + skip, parts[i].iov_len - skip,
				 at + before + skip);
		if (r)
			return r;
		before += parts[i].iov_len;
	}
	return 0;
}

int spool_segment_append(struct spool_segment *s, const struct batch *b, uint64_t wall_ns, uint64_t bytes_max,
			 uint32_t *ret_number)
{
	struct record_head head = {
		.magic = RECORD_MAGIC,
		.content_crc = crc_of(b->json.data, b->json.len),
		.len = (uint32_t)b->json.len,
		.events = b->events,
		.number = s->count,
		.generation = s->generation,
		.wall_ns = wall_ns,
	};

	if (b->json.len > PAYLOAD_MAX || s->count >= SPOOL_RECORDS_MAX)
		return SPOOL_E_FULL;
	/* The first may be larger: else it had no place at all. */
	if (s->count && s->end + record_bytes(head.len) > bytes_max)
		return SPOOL_E_FULL;
	memcpy(head.id, b->id, sizeof head.id);
	head.head_crc = crc_of(&head, sizeof head);
	int r = write_record(s->fd, &head, &b->json, s->end);
	if (!r)
		r = add_record(s, s->end, &head, SPOOL_LIVE);
	if (r)
		return r;
	s->end += record_bytes(head.len);
	*ret_number = s->count - 1;
	return 0;
}

int spool_segment_ack(struct spool_segment *s, uint32_t number)
{
	struct spool_record *record = &s->records[number];
	uint32_t ack = number | ~number << 16;

	if (record->state == SPOOL_DONE)
		return 0;
	set_done(s, number);
	/* Only damage fills their place before all are done with: behind it the records begin. */
	if (s->acks >= SPOOL_RECORDS_MAX)
		return -ENOSPC;
	int r = write_at(s->fd, &ack, sizeof ack, SPOOL_SECTOR + 4ull * s->acks);
	if (!r)
		s->acks++;
	return r;
}

int spool_segment_sync(const struct spool_segment *s)
{
	while (fdatasync(s->fd)) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int cut(const struct spool_segment *s, uint64_t end)
{
	while (ftruncate(s->fd, (off_t)end)) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int spool_segment_empty(struct spool_segment *s)
{
	int r = cut(s, 0);

	if (r)
		return r;
	free(s->records);
	spool_segment_init(s, s->fd);
	return 0;
}

/* At the beginning of a record: of half of one a start would say that it is damaged. */
int spool_segment_shrink(struct spool_segment *s, uint64_t bytes)
{
	uint64_t end = s->end;
	uint32_t count = s->count;

	while (count && s->end - end < bytes)
		end = (uint64_t)s->records[--count].sector * SPOOL_SECTOR;
	if (!count)
		return spool_segment_empty(s);
	int r = cut(s, end);
	if (r)
		return r;
	s->end = end;
	s->count = s->first_held = count;
	return 0;
}

/* --- reading --- */

static bool head_is_whole(const struct record_head *h, uint64_t generation)
{
	struct record_head copy = *h;

	copy.head_crc = 0;
	return h->magic == RECORD_MAGIC && h->generation == generation && h->len && h->len <= PAYLOAD_MAX &&
	       h->number < SPOOL_RECORDS_MAX && !h->id[sizeof h->id - 1] &&
	       h->head_crc == crc_of(&copy, sizeof copy);
}

static int read_segment_head(struct spool_segment *s)
{
	struct segment_head head;
	int r = read_at(s->fd, &head, sizeof head, 0);

	if (r)
		return r == -ENODATA ? SPOOL_E_EMPTY : r;
	uint32_t crc = head.crc;
	head.crc = 0;
	if (memcmp(head.magic, HEAD_MAGIC, sizeof head.magic) != 0 || head.version != HEAD_VERSION ||
	    crc != crc_of(&head, sizeof head) || !head.generation)
		return SPOOL_E_DAMAGED;
	s->generation = head.generation;
	return 0;
}

/*
 * The head at `at`, or the next whole one behind it; what lies between is damage. -ENODATA: there is none.
 * Numbers rise from record to record: one that does not belongs to what was here before.
 */
static int find_head(const struct spool_segment *s, uint64_t *at, uint64_t file_end, struct record_head *ret,
		     struct spool_damage *damage)
{
	uint64_t begun = *at;
	int r = -ENODATA;

	for (; *at + sizeof *ret <= file_end; *at += SPOOL_SECTOR) {
		r = read_at(s->fd, ret, sizeof *ret, *at);
		if (r || (head_is_whole(ret, s->generation) && ret->number >= s->count))
			break;
		r = -ENODATA;
	}
	/* The end of what was being written when all stopped is damage as well: it was not synced. */
	uint64_t passed = (r ? file_end : *at) - begun;
	if (passed) {
		damage->places++;
		damage->bytes += passed;
	}
	return r;
}

static int recover_records(struct spool_segment *s, uint64_t file_end, struct spool_damage *damage)
{
	struct record_head head;
	int r;

	s->end = SPOOL_RECORDS_AT;
	while (s->end < file_end && s->count < SPOOL_RECORDS_MAX) {
		uint64_t at = s->end;

		r = find_head(s, &at, file_end, &head, damage);
		if (r)
			return r == -ENODATA ? 0 : r;
		/* A torn one: its end is not there. */
		if (at + sizeof head + head.len > file_end) {
			damage->places++;
			damage->bytes += file_end - at;
			return 0;
		}
		/* What could not be read keeps its numbers. */
		while (s->count < head.number) {
			r = add_record(s, at, &head, SPOOL_DONE);
			if (r)
				return r;
		}
		r = add_record(s, at, &head, SPOOL_WAITING);
		if (r)
			return r;
		s->end = at + record_bytes(head.len);
	}
	return 0;
}

static int recover_acks(struct spool_segment *s)
{
	uint32_t *acks = calloc(SPOOL_RECORDS_MAX, sizeof *acks);
	ssize_t n = acks ? pread(s->fd, acks, SPOOL_RECORDS_MAX * sizeof *acks, SPOOL_SECTOR) : 0;
	int r = !acks ? -ENOMEM : n < 0 ? -errno : 0;

	for (uint32_t i = 0; !r && i < (uint32_t)n / sizeof *acks; i++) {
		uint32_t number = acks[i] & 0xffff;

		if (!acks[i])
			continue;
		s->acks = i + 1; /* behind it, whatever it is */
		if (acks[i] == (number | ~number << 16) && number < s->count &&
		    s->records[number].state != SPOOL_DONE) {
			set_done(s, number);
		}
	}
	free(acks);
	return r;
}

int spool_segment_recover(struct spool_segment *s, struct spool_damage *damage)
{
	struct stat st;

	if (fstat(s->fd, &st))
		return -errno;
	if (st.st_size == 0)
		return SPOOL_E_EMPTY;
	int r = read_segment_head(s);
	if (r == SPOOL_E_DAMAGED || r == SPOOL_E_EMPTY) {
		damage->places++;
		damage->bytes += (uint64_t)st.st_size;
		return SPOOL_E_EMPTY;
	}
	if (!r)
		r = recover_records(s, (uint64_t)st.st_size, damage);
	return r ? r : recover_acks(s);
}

int spool_segment_read(const struct spool_segment *s, uint32_t number, struct batch **ret)
{
	uint64_t at = (uint64_t)s->records[number].sector * SPOOL_SECTOR;
	struct record_head head;
	struct batch *b;
	char *content;

	int r = read_at(s->fd, &head, sizeof head, at);
	if (r)
		return r == -ENODATA ? SPOOL_E_DAMAGED : r;
	if (!head_is_whole(&head, s->generation) || head.number != number)
		return SPOOL_E_DAMAGED;
	r = batch_new(head.id, head.len, 0, &b);
	if (!r)
		r = buffer_reserve(&b->json, head.len, &content);
	if (!r)
		r = read_at(s->fd, content, head.len, at + sizeof head);
	if (!r && crc_of(content, head.len) != head.content_crc)
		r = SPOOL_E_DAMAGED;
	if (r) {
		batch_free(b);
		return r == -ENODATA ? SPOOL_E_DAMAGED : r == BUFFER_E_FULL ? -ENOMEM : r;
	}
	buffer_commit(&b->json, head.len);
	b->events = head.events;
	b->sealed = true;
	*ret = b;
	return 0;
}
