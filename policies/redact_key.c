// SPDX-License-Identifier: Apache-2.0
#include "policies/redact_key.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include "lib/util.h"

#define FILE_MAX  4096
#define ID_LEGACY 1

__attribute__((format(printf, 3, 4))) static int fault(struct buffer *errors, const char *path,
						       const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	buffer_printf(errors, "%s: %s\n", path, text);
	return REDACT_KEY_E_FILE;
}

void redact_keys_wipe(struct redact_keys *keys)
{
	explicit_bzero(keys, sizeof *keys);
}

void redact_keys_from(const uint8_t key[static REDACT_KEY_LEN], struct redact_keys *ret)
{
	memset(ret, 0, sizeof *ret);
	ret->count = 1;
	ret->items[0].id = REDACT_KEY_TEMPORARY;
	memcpy(ret->items[0].bytes, key, REDACT_KEY_LEN);
}

static int key_new(uint8_t id, struct redact_key *ret)
{
	ret->id = id;
	ret->since_s = (int64_t)time(NULL);
	return getrandom(ret->bytes, REDACT_KEY_LEN, 0) == REDACT_KEY_LEN ? 0 : -errno;
}

int redact_keys_temporary(struct redact_keys *ret)
{
	memset(ret, 0, sizeof *ret);
	ret->count = 1;
	return key_new(REDACT_KEY_TEMPORARY, &ret->items[0]);
}

/* --- the text --- */
static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_read(struct span text, uint8_t *bytes, size_t len)
{
	if (text.len != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++) {
		int high = hex_digit(text.ptr[2 * i]), low = hex_digit(text.ptr[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* The next word of *line, which is taken off it. */
static struct span word_next(struct span *line)
{
	struct span rest = span_trim(*line);
	size_t n = 0;

	while (n < rest.len && rest.ptr[n] != ' ' && rest.ptr[n] != '\t')
		n++;
	*line = (struct span){rest.ptr + n, rest.len - n};
	return (struct span){rest.ptr, n};
}

static bool since_read(struct span text, int64_t *ret)
{
	char copy[32];
	struct tm tm = {0};

	if (text.len >= sizeof copy)
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = 0;
	const char *end = strptime(copy, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (!end || *end)
		return false;
	*ret = (int64_t)timegm(&tm);
	return true;
}

static int line_parse(struct span line, unsigned number, const char *name, struct redact_keys *into,
		      struct buffer *errors)
{
	struct redact_key key = {0};
	struct span id = word_next(&line), since = word_next(&line), bytes = word_next(&line);

	/* No byte of a line is shown: it may be a key. */
	if (!hex_read(id, &key.id, 1) || !since_read(since, &key.since_s) ||
	    !hex_read(bytes, key.bytes, REDACT_KEY_LEN) || span_trim(line).len)
		return fault(errors, name, "line %u is not \"ID SINCE KEY\"", number);
	if (key.id == REDACT_KEY_TEMPORARY)
		return fault(errors, name, "line %u: the id 00 means no file", number);
	for (unsigned i = 0; i < into->count; i++)
		if (into->items[i].id == key.id)
			return fault(errors, name, "line %u: the id %02x is there twice", number, key.id);
	if (into->count == REDACT_KEYS_MAX)
		return fault(errors, name, "more than %d keys", REDACT_KEYS_MAX);
	into->items[into->count++] = key;
	explicit_bzero(&key, sizeof key);
	return 0;
}

int redact_keys_parse(struct span text, const char *name, struct redact_keys *ret, struct buffer *errors)
{
	struct redact_keys keys = {.count = 0};
	int r = 0;

	for (unsigned number = 1; text.len && !r; number++) {
		const char *end = memchr(text.ptr, '\n', text.len);
		struct span line = {text.ptr, end ? (size_t)(end - text.ptr) : text.len};
		size_t taken = line.len + (end != NULL);
		line = span_trim(line);
		if (line.len && line.ptr[0] != '#')
			r = line_parse(line, number, name, &keys, errors);
		text = (struct span){text.ptr + taken, text.len - taken};
	}
	if (!r && !keys.count)
		r = fault(errors, name, "holds no key");
	if (!r)
		*ret = keys;
	redact_keys_wipe(&keys);
	return r;
}

/* --- the file --- */
static int file_check(int fd, const char *path, struct buffer *errors)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return fault(errors, path, "is no regular file");
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return fault(errors, path,
			     "belongs to user %u, who could put in a key of his own; chown root %s",
			     st.st_uid, path);
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return fault(errors, path,
			     "has mode %04o: with the key others could undo what it hides; chmod 600 %s, and "
			     "rotate the key",
			     st.st_mode & 07777, path);
	return 0;
}

int redact_keys_read(const char *path, struct redact_keys *ret, struct buffer *errors)
{
	char text[FILE_MAX + 1]; /* one more, to see a longer file */
	/* O_NONBLOCK: a FIFO of that name must not make us wait. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -errno;
	int r = file_check(fd, path, errors);
	if (r)
		return r;
	ssize_t n = read(fd, text, sizeof text);
	if (n < 0)
		return -errno;
	if (n > FILE_MAX) {
		r = fault(errors, path, "is larger than %d bytes", FILE_MAX);
	} else if (n == REDACT_KEY_LEN) { /* shorter than any line */
		redact_keys_from((const uint8_t *)text, ret);
		ret->items[0].id = ID_LEGACY;
	} else {
		r = redact_keys_parse((struct span){text, (size_t)n}, path, ret, errors);
	}
	explicit_bzero(text, sizeof text);
	return r;
}

static size_t keys_print(const struct redact_keys *keys, char text[static FILE_MAX])
{
	static const char hex[] = "0123456789abcdef";
	int n = snprintf(text, FILE_MAX,
			 "# Keys of picket's redaction: ID SINCE KEY, the one in use first.\n");

	for (unsigned i = 0; i < keys->count; i++) {
		const struct redact_key *k = &keys->items[i];
		time_t since = (time_t)k->since_s;
		struct tm tm;
		gmtime_r(&since, &tm);
		n += snprintf(text + n, FILE_MAX - (size_t)n, "%02x %04d-%02d-%02dT%02d:%02d:%02dZ ", k->id,
			      tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
		for (unsigned j = 0; j < REDACT_KEY_LEN; j++) {
			text[n++] = hex[k->bytes[j] >> 4];
			text[n++] = hex[k->bytes[j] & 15];
		}
		text[n++] = '\n';
	}
	return (size_t)n;
}

static int text_write(int fd, const struct redact_keys *keys)
{
	char text[FILE_MAX];
	size_t len = keys_print(keys, text);
	ssize_t n = write(fd, text, len);
	int r = n < 0 ? -errno : (size_t)n != len ? -ENOSPC : fsync(fd) ? -errno : 0;

	explicit_bzero(text, sizeof text);
	return r;
}

/* The folder that path lies in. The descriptor, or -errno. */
static int folder_open(const char *path)
{
	_cleanup_free_ char *folder = strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;

	if (!folder)
		return -ENOMEM;
	if (slash)
		slash[slash == folder] = 0;
	int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A crash must not bring back the key before: the next new one would get an id that is in use out there. */
static int folder_sync(const char *path)
{
	_cleanup_close_ int fd = folder_open(path);

	if (fd < 0)
		return fd;
	return fsync(fd) && errno != EINVAL ? -errno : 0; /* EINVAL: not on this file system */
}

/*
 * Under another name first: a file of that name is whole, or is not there. replace false: of two who make one
 * the first wins, -EEXIST.
 */
static int file_write(const char *path, const struct redact_keys *keys, bool replace)
{
	char temporary[PATH_MAX];
	int n = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);

	if (n < 0 || (size_t)n >= sizeof temporary)
		return -ENAMETOOLONG;
	_cleanup_close_ int fd = mkostemp(temporary, O_CLOEXEC); /* makes it 0600 */
	if (fd < 0)
		return -errno;
	int r = text_write(fd, keys);
	if (!r && (replace ? rename(temporary, path) : link(temporary, path)))
		r = -errno;
	if (r || !replace)
		unlink(temporary);
	return r ? r : folder_sync(path);
}

int redact_keys_load(const char *path, struct redact_keys *ret, struct buffer *errors)
{
	struct redact_keys keys = {.count = 1};
	int r = redact_keys_read(path, ret, errors);

	if (r != -ENOENT)
		return r;
	r = key_new(ID_LEGACY, &keys.items[0]);
	if (!r)
		r = file_write(path, &keys, false);
	if (!r)
		*ret = keys;
	redact_keys_wipe(&keys);
	return r == -EEXIST ? redact_keys_read(path, ret, errors) : r;
}

/* --- changes --- */

/* Locks the folder, not the file, which is replaced. The descriptor, or -errno. */
static int folder_lock(const char *path)
{
	int fd = folder_open(path);

	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX)) {
		int r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* An id that none of the kept ones has, and never 00. */
static uint8_t id_after(const struct redact_keys *keys)
{
	uint8_t id = keys->items[0].id;

	for (bool taken = true; taken;) {
		id++;
		taken = id == REDACT_KEY_TEMPORARY;
		for (unsigned i = 0; i < keys->count; i++)
			taken = taken || keys->items[i].id == id;
	}
	return id;
}

static int keys_change(const char *path, bool add, unsigned previous, struct redact_keys *ret,
		       struct buffer *errors)
{
	struct redact_keys old = {.count = 0}, keys = {.count = 0};
	_cleanup_close_ int lock = folder_lock(path);

	if (lock < 0)
		return lock;
	int r = redact_keys_read(path, &old, errors);
	if (r)
		return r;
	if (add)
		r = key_new(id_after(&old), &keys.items[keys.count++]);
	else
		previous++; /* the one in use stays so */
	for (unsigned i = 0; i < old.count && previous && keys.count < REDACT_KEYS_MAX; i++, previous--)
		keys.items[keys.count++] = old.items[i];
	if (!r)
		r = file_write(path, &keys, true);
	if (!r)
		*ret = keys;
	redact_keys_wipe(&old);
	redact_keys_wipe(&keys);
	return r;
}

int redact_keys_rotate(const char *path, unsigned previous, struct redact_keys *ret, struct buffer *errors)
{
	return keys_change(path, true, previous, ret, errors);
}

int redact_keys_forget(const char *path, struct redact_keys *ret, struct buffer *errors)
{
	return keys_change(path, false, 0, ret, errors);
}
