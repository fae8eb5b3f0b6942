/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_io.h: reads and writes that go on until they are done (POSIX.1-2017, read and write: either may do
 * less than was asked for, or be interrupted).
 */
#ifndef PICKET_FILE_IO_H
#define PICKET_FILE_IO_H

#include <stddef.h>
#include <stdint.h>

#include "lib/span.h"

/* All of it, or -errno: then some of it may stand there. -ENOSPC also where the system took nothing. */
int file_write(int fd, struct span bytes);

/* Up to len bytes from offset `from` on. *ret_len < len: there are no more. 0 or -errno. */
int file_read_at(int fd, uint64_t from, char *bytes, size_t len, size_t *ret_len);

/*
 * The lock of an open file or folder (flock), for as long as it is open. A process that was killed may take a
 * moment to be gone, with what it holds: waits that long, FILE_LOCK_WAIT_MS at most. 0, -EBUSY or -errno.
 */
#define FILE_LOCK_WAIT_MS 2000
int file_lock(int fd);

#endif
