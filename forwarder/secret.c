// SPDX-License-Identifier: Apache-2.0
#include "forwarder/secret.h"
#include <errno.h>
#include <fcntl.h>
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
	return ret->len ? 0 : SECRET_E_EMPTY;
}

static int read_path(const char *path, struct buffer *ret, struct stat *ret_stat)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0 || fstat(fd, ret_stat) < 0)
		return SECRET_E_UNREADABLE;
	return read_all(fd, ret);
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
	*ret_shared = (st.st_mode & (S_IRWXG | S_IRWXO)) != 0;
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
	default:
		return "failed";
	}
}
