// SPDX-License-Identifier: Apache-2.0
/*
 * Block lists, as far as the warden has to do with them: it opens the files that its own configuration names,
 * without reading a byte of them, and puts what the sensor found there into the maps, many entries at a time,
 * each checked like any other wish.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "sensor/warden_internal.h"

/* --- files --- */

static struct warden_file file_of(const struct stat *st)
{
	return (struct warden_file){
		.device = st->st_dev,
		.inode = st->st_ino,
		.size = (uint64_t)st->st_size,
		.modified_ns = st->st_mtim.tv_sec * (int64_t)NS_PER_S + st->st_mtim.tv_nsec,
	};
}

static int file_take(const struct stat *st, struct warden_reply *a)
{
	if (!S_ISREG(st->st_mode))
		return S_ISDIR(st->st_mode) ? -EISDIR : -ENOTSUP;
	a->file = file_of(st);
	return 0;
}

int warden_list_look(const struct warden *w, uint64_t index, struct warden_reply *a)
{
	struct stat st;

	if (index >= w->config->list_count || !w->config->lists[index].path)
		return -EINVAL;
	return stat(w->config->lists[index].path, &st) ? -errno : file_take(&st, a);
}

int warden_list_open(const struct warden *w, uint64_t index, struct warden_reply *a, int *ret_fd)
{
	struct stat st;

	if (index >= w->config->list_count || !w->config->lists[index].path)
		return -EINVAL;
	/* A pipe would wait for its writer: not here. */
	int fd = open(w->config->lists[index].path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	int r = fstat(fd, &st) ? -errno : file_take(&st, a);
	if (r)
		close(fd);
	else
		*ret_fd = fd;
	return r;
}

/* --- many wishes --- */

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct batch {
	void *map;
	size_t bytes;
	struct warden_batch_head head;
	const struct warden_wish *wishes; /* in map */
	struct deny_entry *entries;       /* what is to be put, and of which wish each is */
	uint32_t *of;
	bool *full;
	uint32_t count;
};

static void batch_free(struct batch *b)
{
	if (b->map)
		munmap(b->map, b->bytes);
	free(b->entries);
	free(b->of);
	free(b->full);
}

/* Sealed before it is measured, so that it stays as it was measured. */
static int batch_map(struct batch *b, int fd)
{
	struct stat st;
	int seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS)
		return -EINVAL;
	if (fstat(fd, &st))
		return -errno;
	if (st.st_size < (off_t)sizeof b->head ||
	    st.st_size > (off_t)(sizeof b->head + WARDEN_BATCH_MAX * sizeof *b->wishes))
		return -EINVAL;
	void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	b->map = at;
	b->bytes = (size_t)st.st_size;
	memcpy(&b->head, at, sizeof b->head);
	b->wishes = (const struct warden_wish *)((const struct warden_batch_head *)at + 1);
	return b->bytes == sizeof b->head + (uint64_t)b->head.count * sizeof *b->wishes ? 0 : -EINVAL;
}

static int batch_memory(struct batch *b)
{
	size_t n = b->head.count + 1;

	b->entries = malloc(n * sizeof *b->entries);
	b->of = malloc(n * sizeof *b->of);
	b->full = calloc(n, sizeof *b->full);
	return b->entries && b->of && b->full ? 0 : -ENOMEM;
}

static enum limits_answer wish_check(const struct warden *w, const struct warden_wish *wish, uint64_t now)
{
	if (!warden_target_valid(&wish->target))
		return LIMITS_BAD_TARGET;
	if (wish->remove)
		return LIMITS_OK;
	if ((wish->scope != PK_SCOPE_PORTS && wish->scope != PK_SCOPE_HOST) ||
	    (wish->action != PK_ACT_DROP && wish->action != PK_ACT_SHADOW && wish->action != PK_ACT_RATE &&
	     wish->action != PK_ACT_RESET))
		return LIMITS_BAD_TARGET;
	bool near = protected_ranges_overlap(&w->ranges, &wish->target);
	uint64_t left_ns = wish->deadline_ns > now ? wish->deadline_ns - now : 0;
	uint64_t ttl_ms = left_ns / NS_PER_MS + (left_ns % NS_PER_MS != 0);

	return limits_check_target(w->config, near ? &w->protect : NULL, &wish->target, ttl_ms, NULL);
}

static void batch_put_add(struct batch *b, uint32_t at)
{
	const struct warden_wish *wish = &b->wishes[at];
	uint64_t deadline_s = (wish->deadline_ns + NS_PER_S - 1) / NS_PER_S;

	b->of[b->count] = at;
	b->entries[b->count++] = (struct deny_entry){
		.target = wish->target,
		.value = {.deadline_s = (uint32_t)MIN(deadline_s, (uint64_t)UINT32_MAX),
			  .action = wish->action,
			  .scope = wish->scope,
			  .source = wish->source},
	};
}

/* Takes out what is to go, at once; what is to be put is collected. */
static int batch_sort(struct warden *w, struct batch *b, struct warden_reply *a)
{
	uint64_t now = warden_now();

	for (uint32_t i = 0; i < b->head.count; i++) {
		enum limits_answer answer = wish_check(w, &b->wishes[i], now);
		a->answers[i] = (uint8_t)answer;
		if (answer == LIMITS_OK && !b->wishes[i].remove)
			batch_put_add(b, i);
		if (answer != LIMITS_OK || !b->wishes[i].remove)
			continue;
		int r = deny_remove(kernel_deny(w->kernel), &b->wishes[i].target);
		if (r < 0)
			return r;
	}
	return 0;
}

static int batch_put(struct warden *w, struct batch *b, struct warden_reply *a)
{
	struct deny *deny = kernel_deny(w->kernel);

	if (!b->count)
		return 0;
	int r = deny_reserve(deny, b->head.all4, b->head.all6);
	if (!r)
		r = deny_load(deny, b->entries, b->count, b->full);
	for (uint32_t i = 0; i < b->count; i++)
		if (b->full[i])
			a->answers[b->of[i]] = LIMITS_FULL;
	a->installed_ns = warden_now();
	return r == DENY_E_FULL ? 0 : r;
}

int warden_ranges_fresh(struct warden *w)
{
	int r = warden_protect_fresh(w);

	if (r || (w->ranges_ns && w->ranges_ns == w->protect_ns))
		return r;
	r = protected_ranges_make(&w->protect, &w->ranges);
	if (!r)
		w->ranges_ns = w->protect_ns;
	return r;
}

int warden_batch_answer(struct warden *w, int fd, struct warden_reply *a)
{
	_cleanup_(batch_free) struct batch b = {.map = NULL};

	if (kernel_kill_get(w->kernel))
		return WARDEN_E_KILL_SWITCH;
	int r = batch_map(&b, fd);
	if (!r)
		r = batch_memory(&b);
	if (!r)
		r = warden_ranges_fresh(w);
	if (!r)
		r = batch_sort(w, &b, a);
	return r ? r : batch_put(w, &b, a);
}
