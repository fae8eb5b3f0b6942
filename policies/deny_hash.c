// SPDX-License-Identifier: Apache-2.0
#include "policies/deny_hash.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/util.h"

#define BATCH 4096 /* entries of one system call */

/* A page of a hash. */
struct batch {
	uint8_t keys[BATCH * DENY_KEY_MAX];
	struct pk_deny values[BATCH];
};

static int count_one(void *arg, const void *key, const struct pk_deny *value)
{
	(void)key;
	(void)value;
	(*(uint32_t *)arg)++;
	return 0;
}

int deny_hash_init(struct deny_hash *h, int set, int fd, uint32_t max)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof info, count = 0;

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	if (info.key_size > DENY_KEY_MAX || info.value_size != sizeof(struct pk_deny))
		return -EINVAL;
	*h = (struct deny_hash){
		.set = set, .fd = fd, .key_size = info.key_size, .size = info.max_entries, .max = max};
	int r = deny_hash_each(h, count_one, &count);
	h->count = count;
	return r;
}

void deny_hash_deinit(struct deny_hash *h)
{
	if (h->owned)
		close(h->fd);
	h->owned = false;
}

/* --- growth --- */

static int page_put(int fd, const void *keys, const struct pk_deny *values, uint32_t count)
{
	uint32_t done = count;

	if (count == 0 || bpf_map_update_batch(fd, keys, values, &done, NULL) == 0)
		return 0;
	return errno == E2BIG ? DENY_HASH_FULL : -errno;
}

/* Calls page for one page after the other. Its cursor is a bucket, so entries may be removed meanwhile. */
static int pages(const struct deny_hash *h, struct batch *b,
		 int (*page)(void *arg, const struct batch *b, uint32_t count), void *arg)
{
	uint32_t cursor = 0, next = 0;
	bool more = true;

	for (bool first = true; more; first = false, cursor = next) {
		uint32_t count = BATCH;
		int r = bpf_map_lookup_batch(h->fd, first ? NULL : &cursor, &next, b->keys, b->values, &count,
					     NULL);

		if (r && errno != ENOENT)
			return -errno;
		more = r == 0;
		r = page(arg, b, count);
		if (r)
			return r;
	}
	return 0;
}

static int page_copy(void *arg, const struct batch *b, uint32_t count)
{
	return page_put(*(int *)arg, b->keys, b->values, count);
}

static void tell(const struct deny_hash *h, int fd, bool done)
{
	if (h->replaced)
		h->replaced(h->arg, h->key_size == sizeof(uint32_t) ? 4 : 6, fd, done);
}

/* A larger hash with the same entries, in force. */
static int grow(struct deny_hash *h, uint32_t size)
{
	_cleanup_free_ struct batch *b = malloc(sizeof *b);
	const char *name = h->key_size == sizeof(uint32_t) ? "pk_deny4" : "pk_deny6";
	uint32_t zero = 0;

	if (!b)
		return -ENOMEM;
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, name, h->key_size, sizeof(struct pk_deny), size, NULL);
	if (fd < 0)
		return -errno;
	int r = pages(h, b, page_copy, &fd);
	if (!r)
		tell(h, fd, false);
	if (!r && bpf_map_update_elem(h->set, &zero, &fd, BPF_ANY))
		r = -errno;
	if (r) {
		close(fd);
		return r > 0 ? -E2BIG : r; /* it cannot be: the new one is larger */
	}
	deny_hash_deinit(h);
	h->fd = fd;
	h->owned = true;
	h->size = size;
	tell(h, fd, true);
	return 0;
}

int deny_hash_reserve(struct deny_hash *h, uint32_t entries)
{
	uint64_t size = h->size;

	if (entries > h->max)
		entries = h->max;
	if (entries <= h->size)
		return 0;
	while (size < entries)
		size *= 2;
	return grow(h, (uint32_t)MIN(size, (uint64_t)h->max));
}

/* --- entries --- */

int deny_hash_put(struct deny_hash *h, const void *key, const struct pk_deny *value)
{
	struct pk_deny old;

	/* A full one grows, but not for an entry that it holds. */
	if (h->count >= h->size && deny_hash_get(h, key, &old)) {
		int r = deny_hash_reserve(h, h->count + 1);
		if (r)
			return r;
	}
	if (bpf_map_update_elem(h->fd, key, value, BPF_NOEXIST) == 0) {
		h->count++;
		return 0;
	}
	if (errno == EEXIST && bpf_map_update_elem(h->fd, key, value, BPF_EXIST) == 0)
		return 0;
	return errno == E2BIG ? DENY_HASH_FULL : -errno;
}

int deny_hash_put_many(struct deny_hash *h, const void *keys, const struct pk_deny *values, uint32_t count)
{
	const uint8_t *at = keys;

	for (uint32_t i = 0; i < count; i += BATCH) {
		int r = page_put(h->fd, at + (size_t)i * h->key_size, values + i,
				 MIN(count - i, (uint32_t)BATCH));
		if (r)
			return r;
	}
	return 0;
}

int deny_hash_remove(struct deny_hash *h, const void *key)
{
	if (bpf_map_delete_elem(h->fd, key))
		return errno == ENOENT ? DENY_HASH_NONE : -errno;
	h->count -= h->count > 0;
	return 0;
}

int deny_hash_get(const struct deny_hash *h, const void *key, struct pk_deny *ret)
{
	if (bpf_map_lookup_elem(h->fd, key, ret))
		return errno == ENOENT ? DENY_HASH_NONE : -errno;
	return 0;
}

struct visit {
	const struct deny_hash *hash;
	int (*each)(void *arg, const void *key, const struct pk_deny *value);
	void *arg;
};

static int page_visit(void *arg, const struct batch *b, uint32_t count)
{
	const struct visit *v = arg;

	for (uint32_t i = 0; i < count; i++) {
		int r = v->each(v->arg, b->keys + (size_t)i * v->hash->key_size, &b->values[i]);
		if (r)
			return r;
	}
	return 0;
}

int deny_hash_each(const struct deny_hash *h,
		   int (*each)(void *arg, const void *key, const struct pk_deny *value), void *arg)
{
	struct visit v = {.hash = h, .each = each, .arg = arg};
	_cleanup_free_ struct batch *b = malloc(sizeof *b);

	return b ? pages(h, b, page_visit, &v) : -ENOMEM;
}
