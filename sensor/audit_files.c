// SPDX-License-Identifier: Apache-2.0
#include "sensor/audit_files.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>
#include "lib/file_io.h"
#include "lib/util.h"

#define NAME_MAX_LEN 32
#define BODY_MAX     256 /* of the records that are written here */
#define LINE_ROOM    256 /* what a line has beside its body */

struct slot {
	int fd;
	unsigned number; /* audit.NUMBER */
	uint64_t first;  /* sequence number of its first record; 0: it is empty */
	uint64_t size;
};

struct audit_files {
	struct audit_files_options o;
	int folder;
	struct slot slots[AUDIT_FILES_MAX];
	unsigned count;
	unsigned current; /* the newest */
	bool dirty;       /* something may stand behind current's size */
	struct audit_head head;
	struct buffer line;
};

/* --- append --- */

/* What a full disk has taken of a record goes before anything follows. */
static int clean(struct audit_files *f)
{
	const struct slot *s = &f->slots[f->current];

	if (f->dirty && ftruncate(s->fd, (off_t)s->size))
		return -errno;
	f->dirty = false;
	return 0;
}

/* To the newest file, whatever its size. */
static int append(struct audit_files *f, uint64_t wall_ns, struct span body)
{
	struct slot *s = &f->slots[f->current];
	struct audit_head next;
	int r = clean(f);

	buffer_reset(&f->line);
	if (!r)
		r = audit_line_write(&f->head, wall_ns, body, &f->line, &next);
	if (r)
		return r;
	r = file_write(s->fd, buffer_span(&f->line));
	if (r) {
		f->dirty = true;
		return r;
	}
	s->size += f->line.len;
	s->first = s->first ? s->first : next.seq;
	f->head = next;
	return 0;
}

/* The oldest but for the newest, or an empty one. There are two at least. */
static struct slot *oldest(struct audit_files *f)
{
	struct slot *best = NULL;

	for (unsigned i = 0; i < f->count; i++)
		if (i != f->current && (!best || f->slots[i].first < best->first))
			best = &f->slots[i];
	return best;
}

/* The last record of a file is the one before the first of the next. */
static uint64_t last_of(const struct audit_files *f, const struct slot *s)
{
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; i < f->count; i++)
		if (f->slots[i].first > s->first)
			next = MIN(next, f->slots[i].first);
	return next - 1;
}

/* Says that the file goes, so that its end is no tampering; then it may go. */
static int retire(struct audit_files *f, const struct slot *s)
{
	char body[BODY_MAX];

	int n = snprintf(body, sizeof body,
			 "\"kind\":\"retired\",\"by\":\"picket\",\"file\":\"audit.%u\","
			 "\"first\":%" PRIu64 ",\"through\":%" PRIu64,
			 s->number, s->first, last_of(f, s));
	int r = append(f, clock_wall_ns(f->o.clock), (struct span){body, (size_t)n});
	return r ? r : audit_files_sync(f);
}

static int rotate(struct audit_files *f)
{
	struct slot *next = oldest(f);
	int r = clean(f);

	if (!r)
		r = next->first ? retire(f, next) : audit_files_sync(f);
	if (r)
		return r;
	if (ftruncate(next->fd, 0))
		return -errno;
	next->first = next->size = 0;
	f->current = (unsigned)(next - f->slots);
	return 0;
}

int audit_files_append(struct audit_files *f, uint64_t wall_ns, struct span body)
{
	const struct slot *s = &f->slots[f->current];
	int r = 0;

	if (body.len > AUDIT_BODY_MAX)
		return AUDIT_E_LONG;
	/* A full file has room for the record that says which one is emptied for it. */
	if (s->size && s->size + body.len + 2 * LINE_ROOM + BODY_MAX > f->o.size_max)
		r = rotate(f);
	return r ? r : append(f, wall_ns, body);
}

int audit_files_sync(struct audit_files *f)
{
	return fdatasync(f->slots[f->current].fd) ? -errno : 0;
}

struct audit_head audit_files_head(const struct audit_files *f)
{
	return f->head;
}

/* --- open: what is there --- */

enum { FILES_E_DAMAGED = 1 }; /* more is wrong than a crash does */

static int slot_open(struct audit_files *f, unsigned number, int flags)
{
	struct slot s = {.number = number};
	char name[NAME_MAX_LEN];
	struct stat st;

	snprintf(name, sizeof name, "audit.%u", number);
	s.fd = openat(f->folder, name, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags, 0600);
	if (s.fd < 0)
		return -errno;
	if (fstat(s.fd, &st) || !S_ISREG(st.st_mode)) {
		close(s.fd);
		return -EINVAL;
	}
	s.size = (uint64_t)st.st_size;
	f->slots[f->count++] = s;
	return 0;
}

static int slots_find(struct audit_files *f)
{
	for (unsigned i = 0; i < AUDIT_FILES_MAX; i++) {
		int r = slot_open(f, i, 0);

		if (r && r != -ENOENT)
			return r;
	}
	return 0;
}

/* The first line, if it can be read, says which records the file has. */
static int slot_first(struct slot *s)
{
	_cleanup_free_ char *text = malloc(AUDIT_LINE_MAX);
	struct audit_line a;
	size_t len = 0;

	if (!text)
		return -ENOMEM;
	int r = file_read_at(s->fd, 0, text, AUDIT_LINE_MAX, &len);
	if (r)
		return r;
	const char *end = memchr(text, '\n', len);
	if (end && audit_line_read((struct span){text, (size_t)(end - text)}, &a) == 0)
		s->first = a.seq;
	return 0;
}

/*
 * Where the last whole record of text ends, which begins at a line or, from_middle, somewhere in one; 0:
 * there is none. *ret: that record.
 */
static size_t whole_end(struct span text, bool from_middle, struct audit_head *ret)
{
	size_t at = 0, end = 0;

	while (at < text.len) {
		const char *newline = memchr(text.ptr + at, '\n', text.len - at);
		struct audit_line a;

		if (!newline)
			break;
		size_t len = (size_t)(newline - (text.ptr + at));
		if (!(from_middle && at == 0) &&
		    audit_line_read((struct span){text.ptr + at, len}, &a) == 0) {
			end = at + len + 1;
			ret->seq = a.seq;
			memcpy(ret->hash, a.hash, sizeof a.hash);
		}
		at += len + 1;
	}
	return end;
}

/* --- open: what a crash left --- */

/* The end of a file. */
struct tail {
	uint64_t from; /* where text begins in the file */
	char *text;
	size_t len, end; /* bytes; and where the last whole record ends, 0: there is none */
	struct audit_head head;
};

static void tail_free(struct tail *t)
{
	free(t->text);
}

static int tail_read(const struct slot *s, struct tail *t)
{
	*t = (struct tail){.from = s->size > AUDIT_TORN_MAX ? s->size - AUDIT_TORN_MAX : 0};
	t->text = malloc(AUDIT_TORN_MAX);
	if (!t->text)
		return -ENOMEM;
	int r = file_read_at(s->fd, t->from, t->text, AUDIT_TORN_MAX, &t->len);
	if (r)
		return r;
	t->end = whole_end((struct span){t->text, t->len}, t->from > 0, &t->head);
	return !t->end && t->from ? FILES_E_DAMAGED : 0;
}

/* Puts what is behind the last whole record aside. */
static int tail_cut(struct audit_files *f, struct slot *s, const struct tail *t, struct audit_mended *m)
{
	char name[NAME_MAX_LEN];

	snprintf(name, sizeof name, "torn.%u", (unsigned)(f->head.seq % AUDIT_TORN_KEPT));
	_cleanup_close_ int fd =
		openat(f->folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	int r = file_write(fd, (struct span){t->text + t->end, t->len - t->end});
	if (r)
		return r;
	if (fsync(fd) || ftruncate(s->fd, (off_t)(t->from + t->end)) || fsync(s->fd))
		return -errno;
	m->torn = t->len - t->end;
	snprintf(m->kept, sizeof m->kept, AUDIT_FOLDER "/%s", name);
	s->size = t->from + t->end;
	s->first = s->size ? s->first : 0;
	return audit_hash((struct span){t->text + t->end, m->torn}, m->hash);
}

static struct slot *newest(struct audit_files *f)
{
	struct slot *best = NULL;

	for (unsigned i = 0; i < f->count; i++)
		if (f->slots[i].first && (!best || f->slots[i].first > best->first))
			best = &f->slots[i];
	return best;
}

/* The file with bytes and no record in its first line, if there is one: a crash cut the first line of a file
 * that was just begun. */
static int headless(struct audit_files *f, struct slot **ret)
{
	*ret = NULL;
	for (unsigned i = 0; i < f->count; i++) {
		int r = slot_first(&f->slots[i]);

		if (r)
			return r;
		if (f->slots[i].first || !f->slots[i].size)
			continue;
		if (*ret)
			return FILES_E_DAMAGED;
		*ret = &f->slots[i];
	}
	return 0;
}

/* Finds the end of the log. The newest file alone may be torn: the one before it was synced. */
static int end_find(struct audit_files *f, struct audit_mended *m)
{
	_cleanup_(tail_free) struct tail last_tail = {0}, cut_tail = {0};
	struct slot *cut, *last;

	int r = headless(f, &cut);
	last = r ? NULL : newest(f);
	if (last) {
		r = tail_read(last, &last_tail);
		f->head = last_tail.head;
		f->current = (unsigned)(last - f->slots);
	}
	if (!r && cut)
		r = tail_read(cut, &cut_tail);
	if (r)
		return r;
	bool torn = last && last_tail.end != last_tail.len;
	if (cut && (torn || cut_tail.end))
		return FILES_E_DAMAGED;
	if (cut)
		return tail_cut(f, cut, &cut_tail, m);
	return torn ? tail_cut(f, last, &last_tail, m) : 0;
}

/* --- open: all of it --- */

static void slots_close(struct audit_files *f)
{
	for (unsigned i = 0; i < f->count; i++)
		close(f->slots[i].fd);
	f->count = f->current = 0;
}

/* The folder, with the lock on it. */
static int folder_open(struct audit_files *f)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof path, "%s/" AUDIT_FOLDER, f->o.state_dir) >= sizeof path)
		return -ENAMETOOLONG;
	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	f->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (f->folder < 0)
		return -errno;
	return file_lock(f->folder);
}

/* What cannot be read is kept as it is, under another name. */
static int begin_anew(struct audit_files *f, struct audit_mended *m)
{
	char path[PATH_MAX], aside[PATH_MAX];

	*m = (struct audit_mended){.anew = true};
	snprintf(m->kept, sizeof m->kept, AUDIT_FOLDER ".damaged-%" PRIu64,
		 (uint64_t)(clock_wall_ns(f->o.clock) / NS_PER_S));
	snprintf(path, sizeof path, "%s/" AUDIT_FOLDER, f->o.state_dir);
	if ((size_t)snprintf(aside, sizeof aside, "%s/%s", f->o.state_dir, m->kept) >= sizeof aside)
		return -ENAMETOOLONG;
	slots_close(f);
	if (rename(path, aside))
		return -errno;
	close(f->folder);
	f->head = AUDIT_HEAD_NONE;
	return folder_open(f);
}

static int slot_unlink(struct audit_files *f, struct slot *s)
{
	char name[NAME_MAX_LEN];
	unsigned i = (unsigned)(s - f->slots);

	snprintf(name, sizeof name, "audit.%u", s->number);
	if (unlinkat(f->folder, name, 0))
		return -errno;
	close(s->fd);
	memmove(s, s + 1, (--f->count - i) * sizeof *s);
	f->current -= f->current > i;
	return 0;
}

static bool is_used(const struct audit_files *f, unsigned number)
{
	for (unsigned i = 0; i < f->count; i++)
		if (f->slots[i].number == number)
			return true;
	return false;
}

/* As many files as the configuration says: it may have changed. */
static int slots_fit(struct audit_files *f)
{
	int r = 0;

	for (unsigned i = 0; !r && f->count < f->o.files_max; i++)
		if (!is_used(f, i))
			r = slot_open(f, i, O_CREAT);
	while (!r && f->count > f->o.files_max) {
		struct slot *s = oldest(f);

		if (s->first)
			r = retire(f, s);
		if (!r)
			r = slot_unlink(f, s);
	}
	if (!r && fsync(f->folder))
		r = -errno;
	return r;
}

static int mended_tell(struct audit_files *f, const struct audit_mended *m)
{
	char body[BODY_MAX];
	int n = 0;

	if (m->anew)
		n = snprintf(body, sizeof body, "\"kind\":\"anew\",\"by\":\"picket\",\"kept\":\"%s\"",
			     m->kept);
	else if (m->torn)
		n = snprintf(
			body, sizeof body,
			"\"kind\":\"torn\",\"by\":\"picket\",\"bytes\":%zu,\"sha256\":\"%s\",\"kept\":\"%s\"",
			m->torn, m->hash, m->kept);
	if (!n)
		return 0;
	int r = append(f, clock_wall_ns(f->o.clock), (struct span){body, (size_t)n});
	return r ? r : audit_files_sync(f);
}

static int open_all(struct audit_files *f, struct audit_mended *m)
{
	int r = folder_open(f);

	if (!r)
		r = slots_find(f);
	if (!r)
		r = end_find(f, m);
	if (r == FILES_E_DAMAGED)
		r = begin_anew(f, m);
	if (!r)
		r = slots_fit(f);
	return r ? r : mended_tell(f, m);
}

int audit_files_open(const struct audit_files_options *o, struct audit_files **ret,
		     struct audit_mended *ret_mended)
{
	struct audit_files *f = calloc(1, sizeof *f);
	struct audit_mended mended = {0};

	if (!f)
		return -ENOMEM;
	f->o = *o;
	f->folder = -1;
	f->head = AUDIT_HEAD_NONE;
	f->line = BUFFER_INIT(AUDIT_LINE_MAX);
	int r = open_all(f, &mended);
	if (r) {
		audit_files_free(f);
		return r;
	}
	*ret = f;
	*ret_mended = mended;
	return 0;
}

void audit_files_free(struct audit_files *f)
{
	if (!f)
		return;
	slots_close(f);
	if (f->folder >= 0)
		close(f->folder);
	buffer_free(&f->line);
	free(f);
}
