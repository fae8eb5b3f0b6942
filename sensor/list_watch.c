// SPDX-License-Identifier: Apache-2.0
/*
 * list_watch.c: a file that was replaced (another inode) is read at once, one that is written where it stands
 * when it was at rest for one look; what changed while it was read is read again.
 */
#include "sensor/list_watch.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include "lib/file_io.h"
#include "lib/util.h"

#define LOOK_MS  2000
#define HEAD_LEN 4096 /* enough to tell JSON from text */

struct watched {
	struct warden_file taken; /* what was read last, whether it could be taken or not */
	struct warden_file seen;  /* at the last look */
	bool any;                 /* taken holds something */
	char why[192];            /* it could not be taken; "": it was */
};

struct list_watch {
	struct list_watch_parts parts;
	pthread_t thread;
	struct watched files[CONFIG_LISTS_MAX];
	struct warden_reply reply; /* 20 kB */
};

/* --- reading one --- */

static bool file_equal(const struct warden_file *a, const struct warden_file *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

/* The whole file, or its head if it is larger than its format may be: list_parse refuses that by its length.
 */
static int file_read(int fd, const struct config_list *list, uint64_t size, char **ret,
		     struct span *ret_bytes)
{
	char head[HEAD_LEN];
	size_t len;
	int r = file_read_at(fd, 0, head, sizeof head, &len);

	if (r)
		return r;
	if (size > list_bytes_max(list->format, (struct span){head, len}))
		return -EFBIG;
	char *bytes = malloc(size + 1);
	if (!bytes)
		return -ENOMEM;
	r = file_read_at(fd, 0, bytes, size, &len);
	if (r) {
		free(bytes);
		return r;
	}
	*ret = bytes;
	*ret_bytes = (struct span){bytes, len};
	return 0;
}

static const char *mend_of(int error)
{
	switch (-error) {
	case EACCES:
	case EPERM:
		return "cannot be opened: let root own it, or let all read it (picket gave up the right to "
		       "read "
		       "any file)";
	case ENOENT:
		return "is not there";
	case EISDIR:
		return "is a folder";
	case ENOTSUP:
		return "is no regular file";
	case EFBIG:
		return "is larger than a list may be (256 MiB of text, 64 MiB of JSON)";
	case ENOMEM:
		return "does not fit into memory";
	}
	return strerror(-error);
}

static bool at_rest(int fd, const struct warden_file *file)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (uint64_t)st.st_size == file->size &&
	       st.st_mtim.tv_sec * (int64_t)NS_PER_S + st.st_mtim.tv_nsec == file->modified_ns;
}

static int parse(struct list_watch *w, unsigned at, int fd, const struct warden_file *file, struct list **ret,
		 struct list_report *report)
{
	const struct config_list *config = &w->parts.config->lists[at];
	const struct list_times times = {
		.now_s = clock_wall_ns(w->parts.clock) / NS_PER_S,
		.written_s = (uint64_t)MAX(file->modified_ns, (int64_t)0) / NS_PER_S,
	};
	_cleanup_free_ char *bytes = NULL;
	struct span text = SPAN_NULL;
	int r = file_read(fd, config, file->size, &bytes, &text);

	report->error[0] = 0;
	return r ? r : list_parse(text, config->format, &times, ret, report);
}

static void take(struct list_watch *w, unsigned at)
{
	struct watched *f = &w->files[at];
	_cleanup_close_ int fd = -1;
	struct list_report report;
	struct list *list = NULL;
	uint64_t since_ns = clock_boot_ns(w->parts.clock);

	int r = warden_open_list(w->parts.warden, at, &w->reply, &fd);
	if (!r)
		r = w->reply.result;
	if (r) {
		enforcer_list_there(w->parts.enforcer, at, false, mend_of(r));
		return;
	}
	struct warden_file file = w->reply.file;
	r = parse(w, at, fd, &file, &list, &report);
	if (!at_rest(fd, &file)) {
		list_free(list);
		return;
	}
	f->taken = f->seen = file;
	f->any = true;
	snprintf(f->why, sizeof f->why, "%s", r ? (r > 0 ? report.error : mend_of(r)) : "");
	if (r)
		enforcer_list_there(w->parts.enforcer, at, false, f->why);
	else
		enforcer_list_put(w->parts.enforcer, at, list, &report, since_ns);
}

/* --- looking --- */

static void look(struct list_watch *w, unsigned at)
{
	struct watched *f = &w->files[at];
	const struct warden_request q = {.op = WARDEN_LIST_LOOK, .index = at};
	int r = warden_call(w->parts.warden, &q, &w->reply);

	if (!r)
		r = w->reply.result;
	if (r) {
		enforcer_list_there(w->parts.enforcer, at, false, mend_of(r));
		return;
	}
	struct warden_file now = w->reply.file, before = f->seen;
	f->seen = now;
	if (f->any && file_equal(&now, &f->taken)) {
		enforcer_list_there(w->parts.enforcer, at, !f->why[0], f->why);
		return;
	}
	bool replaced = now.device != f->taken.device || now.inode != f->taken.inode;
	if (!f->any || replaced || file_equal(&now, &before))
		take(w, at);
}

static void *watch_main(void *arg)
{
	struct list_watch *w = arg;
	struct pollfd stop = {.fd = w->parts.stop_fd, .events = POLLIN};

	do {
		for (unsigned i = 0; i < w->parts.config->list_count; i++)
			if (w->parts.config->lists[i].path)
				look(w, i);
		enforcer_lists_tick(w->parts.enforcer);
	} while (poll(&stop, 1, LOOK_MS) <= 0);
	return NULL;
}

int list_watch_start(const struct list_watch_parts *parts, struct list_watch **ret)
{
	struct list_watch *w = calloc(1, sizeof *w);

	if (!w)
		return -ENOMEM;
	w->parts = *parts;
	int r = -pthread_create(&w->thread, NULL, watch_main, w);
	if (r) {
		free(w);
		return r;
	}
	*ret = w;
	return 0;
}

void list_watch_free(struct list_watch *w)
{
	if (!w)
		return;
	pthread_join(w->thread, NULL);
	free(w);
}
