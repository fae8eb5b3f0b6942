/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deny_hash.h: one of the deny hashes of bpf/abi.h, which stands in an array of maps. Its memory is taken
 * when it is made, so it is made small, and a larger one takes its place when it is full: that one is filled
 * first, so that no packet finds it incomplete. For deny.c only.
 */
#ifndef PICKET_DENY_HASH_H
#define PICKET_DENY_HASH_H

#include <stdbool.h>
#include <stdint.h>
#include "bpf/abi.h"

#define DENY_KEY_MAX 16

struct deny_hash {
	int set;           /* the array it stands in; borrowed */
	int fd;            /* the hash in force */
	bool owned;        /* fd is ours to close; the first one belongs to whoever loaded it */
	uint32_t key_size; /* 4 or DENY_KEY_MAX */
	uint32_t size;     /* entries it has room for */
	uint32_t max;      /* ... and what it may grow to */
	uint32_t count;    /* entries in it, as far as they came and went through here */
	/* Told of the hash that takes this one's place: before it does, and after. NULL: nobody. */
	void (*replaced)(void *arg, uint8_t family, int fd, bool done);
	void *arg;
};

/* Looks at fd, which is in set now, and counts what is in it. 0 or -errno. */
int deny_hash_init(struct deny_hash *h, int set, int fd, uint32_t max);
void deny_hash_deinit(struct deny_hash *h);
/* Room for so many entries in all, or as many as there may be. 0 or -errno; what was there stays in force. */
int deny_hash_reserve(struct deny_hash *h, uint32_t entries);
/* 0, DENY_HASH_FULL, -errno. An entry that is there is replaced. */
enum { DENY_HASH_FULL = 1, DENY_HASH_NONE = 2 };
int deny_hash_put(struct deny_hash *h, const void *key, const struct pk_deny *value);
/* Many at once, keys and values side by side; room must be reserved. Does not keep count. */
int deny_hash_put_many(struct deny_hash *h, const void *keys, const struct pk_deny *values, uint32_t count);
int deny_hash_remove(struct deny_hash *h, const void *key); /* 0, DENY_HASH_NONE, -errno */
int deny_hash_get(const struct deny_hash *h, const void *key, struct pk_deny *ret); /* likewise */
/* Calls each for every entry, which it may remove; stops when it returns not 0 and returns that. */
int deny_hash_each(const struct deny_hash *h,
		   int (*each)(void *arg, const void *key, const struct pk_deny *value), void *arg);

#endif
