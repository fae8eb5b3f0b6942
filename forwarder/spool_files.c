// SPDX-License-Identifier: Apache-2.0
#include "forwarder/spool_files.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/file_io.h"

static int open_folder(int parent, const char *name)
{
	if (mkdirat(parent, name, 0700) && errno != EEXIST)
		return -errno;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_file(int folder, const char *name)
{
	struct stat st;
	int fd = openat(folder, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

void spool_files_close(const int fds[static SPOOL_SEGMENTS], int mark_fd)
{
	for (unsigned i = 0; i < SPOOL_SEGMENTS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (mark_fd >= 0)
		close(mark_fd);
}

static int open_all(int folder, int fds[static SPOOL_SEGMENTS], int *ret_mark_fd)
{
	char name[8];

	*ret_mark_fd = open_file(folder, "mark");
	if (*ret_mark_fd < 0)
		return *ret_mark_fd;
	int r = file_lock(*ret_mark_fd);
	if (r)
		return r;
	for (unsigned i = 0; i < SPOOL_SEGMENTS; i++) {
		snprintf(name, sizeof name, "%02u", i);
		fds[i] = open_file(folder, name);
		if (fds[i] < 0)
			return fds[i];
	}
	/* The names as well outlive a power cut. */
	return fsync(folder) ? -errno : 0;
}

int spool_files_open(const char *state_dir, const char *name, int fds[static SPOOL_SEGMENTS],
		     int *ret_mark_fd)
{
	int state = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), spool = -1, folder = -1, r = 0;

	for (unsigned i = 0; i < SPOOL_SEGMENTS; i++)
		fds[i] = -1;
	*ret_mark_fd = -1;
	if (state < 0)
		return -errno;
	spool = open_folder(state, "spool");
	if (spool >= 0)
		folder = open_folder(spool, name);
	r = spool < 0 ? spool : folder < 0 ? folder : open_all(folder, fds, ret_mark_fd);
	if (r)
		spool_files_close(fds, *ret_mark_fd);
	if (folder >= 0)
		close(folder);
	if (spool >= 0)
		close(spool);
	close(state);
	return r;
}

/* Of the segments alone: a mark is always there. */
static uint64_t bytes_in(int spool, const char *name)
{
	int folder = openat(spool, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	uint64_t bytes = 0;
	char file[8];
	struct stat st;

	if (folder < 0)
		return 0;
	for (unsigned i = 0; i < SPOOL_SEGMENTS; i++) {
		snprintf(file, sizeof file, "%02u", i);
		if (!fstatat(folder, file, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode))
			bytes += (uint64_t)st.st_size;
	}
	close(folder);
	return bytes;
}

int spool_files_strays(const char *state_dir, bool (*wanted)(void *arg, const char *name),
		       void (*found)(void *arg, const char *name, uint64_t bytes), void *arg)
{
	char path[PATH_MAX];
	const struct dirent *entry;

	if ((size_t)snprintf(path, sizeof path, "%s/spool", state_dir) >= sizeof path)
		return -ENAMETOOLONG;
	DIR *spool = opendir(path);
	if (!spool)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(spool))) {
		if (entry->d_name[0] == '.' || wanted(arg, entry->d_name))
			continue;
		uint64_t bytes = bytes_in(dirfd(spool), entry->d_name);
		if (bytes)
			found(arg, entry->d_name, bytes);
	}
	closedir(spool);
	return 0;
}
