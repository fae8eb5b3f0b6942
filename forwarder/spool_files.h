/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool_files.h: the files of a gateway's spool, STATE_DIR/spool/NAME/: 00 to 15 (spool_segment.h) and mark
 * (spool_mark.h). They are opened once, by who may; nobody opens, makes or removes one later.
 */
#ifndef PICKET_SPOOL_FILES_H
#define PICKET_SPOOL_FILES_H

#include "forwarder/spool.h"

/*
 * Makes what is missing, folders 0700 and files 0600, and takes a lock that lasts as long as the descriptors:
 * two processes would write over each other. Waits up to 2 s for one that is ending. 0 and open descriptors;
 * -EBUSY: another process has them; -errno.
 */
int spool_files_open(const char *state_dir, const char *name, int fds[static SPOOL_SEGMENTS],
		     int *ret_mark_fd);
/*
 * Calls found for each folder there that wanted does not know, with the bytes of its files, if there are any:
 * what waits for a gateway that is not configured any more is sent to nobody. 0 or -errno.
 */
int spool_files_strays(const char *state_dir, bool (*wanted)(void *arg, const char *name),
		       void (*found)(void *arg, const char *name, uint64_t bytes), void *arg);
void spool_files_close(const int fds[static SPOOL_SEGMENTS], int mark_fd);

#endif
