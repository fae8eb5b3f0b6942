// SPDX-License-Identifier: Apache-2.0
#include "sensor/pins.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "v1", not "v01". 0: it is no version's folder. */
static unsigned version_of(const char *name)
{
	unsigned version = 0;
	char text[16];

	if (sscanf(name, "v%4u", &version) != 1)
		return 0;
	snprintf(text, sizeof text, "v%u", version);
	return strcmp(text, name) ? 0 : version;
}

static int descending(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return (x < y) - (x > y);
}

unsigned pins_versions(const char *base, unsigned ret[static PINS_VERSIONS_MAX])
{
	DIR *d = opendir(base);
	unsigned count = 0;

	for (struct dirent *e; d && count < PINS_VERSIONS_MAX && (e = readdir(d));)
		if (version_of(e->d_name))
			ret[count++] = version_of(e->d_name);
	if (d)
		closedir(d);
	qsort(ret, count, sizeof *ret, descending);
	return count;
}

int pins_folder(const char *base, unsigned version, char ret[static PATH_MAX])
{
	return snprintf(ret, PATH_MAX, "%s/v%u", base, version) >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int pins_each(const char *folder, int (*each)(void *arg, const char *folder, const char *name), void *arg)
{
	DIR *d = opendir(folder);
	int r = 0;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	for (struct dirent *e; !r && (e = readdir(d));)
		if (e->d_name[0] != '.')
			r = each(arg, folder, e->d_name);
	closedir(d);
	return r;
}

static int file_remove(void *arg, const char *folder, const char *name)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
		return -ENAMETOOLONG;
	if (unlink(path))
		return -errno;
	++*(unsigned *)arg;
	return 0;
}

int pins_remove(const char *base, unsigned version, unsigned *ret_count)
{
	char folder[PATH_MAX];
	unsigned count = 0, before;

	int r = pins_folder(base, version, folder);
	/* A folder from which is removed while it is read may hide something. */
	do {
		before = count;
		if (!r)
			r = pins_each(folder, file_remove, &count);
	} while (!r && count != before);
	if (!r && rmdir(folder) && errno != ENOENT)
		r = -errno;
	*ret_count = count;
	return r;
}
