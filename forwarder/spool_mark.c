// SPDX-License-Identifier: Apache-2.0
#include "forwarder/spool_mark.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define MAGIC  "PKSEEN1"
#define SECTOR 512

struct image {
	char magic[8];
	char run[SPOOL_MARK_RUN_MAX];
	uint32_t clean;
	uint64_t seen_wall_ns;
	uint64_t sequence;
	uint32_t crc; /* of what is before it */
};
#define IMAGE_BYTES (offsetof(struct image, crc) + sizeof(uint32_t))

static uint32_t crc_of(const struct image *i)
{
	return (uint32_t)crc32_z(0, (const void *)i, offsetof(struct image, crc));
}

static bool is_whole(const struct image *i)
{
	return memcmp(i->magic, MAGIC, sizeof i->magic) == 0 && !i->run[sizeof i->run - 1] &&
	       i->crc == crc_of(i);
}

int spool_mark_read(int fd, struct spool_mark *ret)
{
	struct image image;
	bool found = false;

	for (off_t at = 0; at < 2 * SECTOR; at += SECTOR) {
		ssize_t n = pread(fd, &image, sizeof image, at);
		if (n < 0)
			return -errno;
		if (n < (ssize_t)IMAGE_BYTES || !is_whole(&image) ||
		    (found && image.sequence < ret->sequence))
			continue;
		found = true;
		*ret = (struct spool_mark){
			.seen_wall_ns = image.seen_wall_ns,
			.sequence = image.sequence,
			.clean = image.clean,
		};
		memcpy(ret->run, image.run, sizeof ret->run);
	}
	return found ? 0 : SPOOL_MARK_E_NONE;
}

int spool_mark_write(int fd, struct spool_mark *m)
{
	struct image image;

	memset(&image, 0, sizeof image); /* with what lies between its members */
	memcpy(image.magic, MAGIC, sizeof image.magic);
	memcpy(image.run, m->run, sizeof image.run);
	image.clean = m->clean;
	image.seen_wall_ns = m->seen_wall_ns;
	image.sequence = ++m->sequence;
	image.crc = crc_of(&image);
	ssize_t n = pwrite(fd, &image, sizeof image, (off_t)(m->sequence % 2) * SECTOR);
	return n < 0 ? -errno : n == sizeof image ? 0 : -ENOSPC;
}
