/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_file.h: a text that outlives the process, in two files, DIRECTORY/NAME.0 and NAME.1. Who writes it
 * may have given up the right to open a file or to rename one; so both are opened before, and written in
 * turn: the older one, always. A file that a crash cut short fails its checksum, and the other is whole.
 *
 *     picket-state 1 GENERATION LENGTH SHA-256\n     the numbers of 64 bits, hexadecimal, zeros in front;
 *                                                   then LENGTH bytes
 *
 * Not thread safe.
 */
#ifndef PICKET_STATE_FILE_H
#define PICKET_STATE_FILE_H

#include "lib/buffer.h"

struct state_file;

/* Opens the files, makes them (0600) where they are missing. max: bytes of one. 0 or -errno. */
int state_file_open(const char *directory, const char *name, size_t max, struct state_file **ret);
enum {
	STATE_FILE_E_NONE = 1,    /* nothing was kept yet */
	STATE_FILE_E_DAMAGED = 2, /* nothing that could be used. The next save overwrites it */
};
/*
 * Gives take the newer text that is whole, and if that is of no use (a positive result), the other. 0,
 * STATE_FILE_E_*, -errno, or what take returned below 0.
 */
int state_file_load(struct state_file *s, int (*take)(void *arg, struct span text), void *arg);
/* The place that state_file_save needs in front of the text: begin with it. 0 or as buffer_append. */
int state_file_begin(struct buffer *out);
/* out: as state_file_begin made it, and the text behind. 0 or -errno. */
int state_file_save(struct state_file *s, struct buffer *out);
void state_file_free(struct state_file *s); /* accepts NULL */

#endif
