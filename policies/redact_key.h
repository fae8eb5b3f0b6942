/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact_key.h: the keys of redaction's hashes and the file they live in. One line a key, the one in use
 * first:
 *
 *     # comment
 *     ID SINCE KEY          "07 2026-11-25T03:00:00Z 64 hex digits"; ID is two hex digits, never 00
 *
 * A file of exactly 32 bytes that is no such text is one key from before there were ids; it counts as 01.
 *
 * The file belongs to root or to who reads it, has mode 0600, and is replaced, never changed: a reader sees
 * the old one or the new one. Hashes name the id of their key, so that nobody compares what cannot be equal.
 */
#ifndef PICKET_REDACT_KEY_H
#define PICKET_REDACT_KEY_H

#include <stdint.h>
#include "lib/buffer.h"

#define REDACT_KEY_LEN       32
#define REDACT_KEYS_MAX      8
#define REDACT_KEY_TEMPORARY 0 /* the id of a key that no file holds */

struct redact_key {
	uint8_t id;
	int64_t since_s; /* wall clock; 0: unknown */
	uint8_t bytes[REDACT_KEY_LEN];
};

struct redact_keys {
	struct redact_key items[REDACT_KEYS_MAX]; /* 0: in use, then older and older */
	unsigned count;
};

enum { REDACT_KEY_E_FILE = 1 }; /* told: what is wrong with the file, and what mends it */

/*
 * 0, REDACT_KEY_E_FILE (one line is appended to errors), or -errno: -ENOENT there is none, -EACCES it may not
 * be read by us. read: as it is. load: makes one with a new key if there is none. Call before privileges are
 * dropped.
 */
int redact_keys_read(const char *path, struct redact_keys *ret, struct buffer *errors);
int redact_keys_load(const char *path, struct redact_keys *ret, struct buffer *errors);
/*
 * Puts a new key in front, keeps up to `previous` of the old ones, and replaces the file. Two at once: the
 * second waits. REDACT_KEY_E_FILE, -errno as above; previous < REDACT_KEYS_MAX.
 */
int redact_keys_rotate(const char *path, unsigned previous, struct redact_keys *ret, struct buffer *errors);
/* Forgets all but the one in use. */
int redact_keys_forget(const char *path, struct redact_keys *ret, struct buffer *errors);

/* One key that lives as long as this process. -errno. */
int redact_keys_temporary(struct redact_keys *ret);
/* One key from bytes of the caller's, with REDACT_KEY_TEMPORARY as its id. */
void redact_keys_from(const uint8_t key[static REDACT_KEY_LEN], struct redact_keys *ret);
void redact_keys_wipe(struct redact_keys *keys);

/* The text of the file; 0 or REDACT_KEY_E_FILE. name: for messages. */
int redact_keys_parse(struct span text, const char *name, struct redact_keys *ret, struct buffer *errors);

#endif
