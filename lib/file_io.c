// SPDX-License-Identifier: Apache-2.0
#include "lib/file_io.h"

#include <errno.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

int file_write(int fd, struct span bytes)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.ptr, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENOSPC;
		bytes = (struct span){bytes.ptr + n, bytes.len - (size_t)n};
	}
	return 0;
}

int file_read_at(int fd, uint64_t from, char *bytes, size_t len, size_t *ret_len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = pread(fd, bytes + got, len - got, (off_t)(from + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	*ret_len = got;
	return 0;
}

int file_lock(int fd)
{
	enum { PAUSE_MS = 10 };

	for (unsigned waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB); waited_ms += PAUSE_MS) {
		if (errno != EWOULDBLOCK)
			return -errno;
		if (waited_ms >= FILE_LOCK_WAIT_MS)
			return -EBUSY;
		nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000}, NULL);
	}
	return 0;
}
