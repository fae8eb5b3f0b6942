// SPDX-License-Identifier: Apache-2.0
#include "forwarder/secret.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "lib/util.h"

static int read_all(int fd, struct buffer *ret)
{
	char chunk[4096];
	ssize_t n;
	int r;

	while ((n = read(fd, chunk, sizeof chunk)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return SECRET_E_UNREADABLE;
		r = buffer_append(ret, chunk, (size_t)n);
		if (r)
			return r < 0 ? r : SECRET_E_TOO_LARGE;
	}
	explicit_bzero(chunk, sizeof chunk);
	return ret->len ? 0 : SECRET_E_EMPTY;
}

static int read_path(const char *path, struct buffer *ret, struct stat *ret_stat)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0 || fstat(fd, ret_stat) < 0)
		return SECRET_E_UNREADABLE;
	return read_all(fd, ret);
}

static bool is_shared(const struct stat *st)
{
	return (st->st_mode & (S_IRWXG | S_IRWXO)) != 0;
}

int secret_read_private(const char *path, struct buffer *ret)
{
	struct stat st = {0};
	int r = read_path(path, ret, &st);

	return r ? r : is_shared(&st) ? SECRET_E_SHARED : 0;
}

int secret_read_file(const char *path, struct buffer *ret)
{
	struct stat st;

	return read_path(path, ret, &st);
}

int secret_read_token(const char *path, struct buffer *ret, bool *ret_shared)
{
	struct stat st = {0};
	int r = read_path(path, ret, &st);

	if (r)
		return r;
	while (ret->len && (ret->data[ret->len - 1] == '\n' || ret->data[ret->len - 1] == '\r'))
		ret->len--;
	if (!ret->len)
		return SECRET_E_EMPTY;
	for (size_t i = 0; i < ret->len; i++) {
		if (ret->data[i] <= ' ' || ret->data[i] > '~')
			return SECRET_E_NOT_TEXT;
	}
	*ret_shared = is_shared(&st);
	return 0;
}

const char *secret_error_text(int error)
{
	switch (error) {
	case SECRET_E_UNREADABLE:
		return "cannot be read";
	case SECRET_E_EMPTY:
		return "is empty";
	case SECRET_E_NOT_TEXT:
		return "must hold one line of printable characters without spaces";
	case SECRET_E_TOO_LARGE:
		return "is too large";
	case SECRET_E_SHARED:
		return "may be read by others: chmod 600 it";
	default:
		return "failed";
	}
}
