// SPDX-License-Identifier: Apache-2.0
#include "sensor/processes.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/util.h"

/* Inode number of the first PID namespace: PROC_PID_INIT_INO of include/linux/proc_ns.h, the same on every
 * kernel. */
#define FIRST_PID_NAMESPACE "pid:[4026531836]"
#define CONTAINER_ID_LEN    (PROCESS_CONTAINER_MAX - 1)

struct entry {
	uint32_t pid; /* 0: free */
	bool known;
	uint64_t read_ns;
	struct process process; /* if known */
};

struct processes {
	bool available;
	struct entry entries[PROCESSES_MAX];
};

static bool in_first_namespace(void)
{
	char text[64];
	ssize_t n = readlink("/proc/self/ns/pid", text, sizeof text - 1);

	if (n < 0)
		return false;
	text[n] = 0;
	return strcmp(text, FIRST_PID_NAMESPACE) == 0;
}

int processes_new(struct processes **ret)
{
	struct processes *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	p->available = in_first_namespace();
	*ret = p;
	return 0;
}

void processes_free(struct processes *p)
{
	free(p);
}

bool processes_available(const struct processes *p)
{
	return p->available;
}

bool process_container(struct span cgroup, char ret[static PROCESS_CONTAINER_MAX])
{
	size_t run = 0, end = 0; /* end: behind the last run of the right length */

	for (size_t i = 0; i <= cgroup.len; i++) {
		unsigned char c = i < cgroup.len ? (unsigned char)cgroup.ptr[i] : 0;
		if (isdigit(c) || (c >= 'a' && c <= 'f')) {
			run++;
			continue;
		}
		if (run == CONTAINER_ID_LEN)
			end = i;
		run = 0;
	}
	if (!end)
		return false;
	memcpy(ret, cgroup.ptr + end - CONTAINER_ID_LEN, CONTAINER_ID_LEN);
	ret[CONTAINER_ID_LEN] = 0;
	return true;
}

/* Bytes read, or -errno. */
static ssize_t proc_read(uint32_t pid, const char *file, char *to, size_t room)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%u/%s", pid, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, to, room);
	if (n < 0)
		n = -errno;
	close(fd);
	return n;
}

static bool process_read(uint32_t pid, struct process *ret)
{
	char text[4096] = "";
	ssize_t n = proc_read(pid, "comm", text, sizeof text);

	memset(ret, 0, sizeof *ret);
	if (n <= 0)
		return false;
	size_t len = MIN((size_t)n, sizeof ret->name - 1);
	while (len && text[len - 1] == '\n')
		len--;
	memcpy(ret->name, text, len);
	n = proc_read(pid, "cgroup", text, sizeof text);
	if (n > 0)
		(void)process_container((struct span){text, (size_t)n}, ret->container);
	return true;
}

const struct process *processes_find(struct processes *p, uint32_t pid, uint64_t now_ns)
{
	struct entry *e = &p->entries[pid % PROCESSES_MAX];

	if (!p->available || !pid)
		return NULL;
	if (e->pid != pid || now_ns >= e->read_ns + PROCESSES_FRESH_NS) {
		e->pid = pid;
		e->read_ns = now_ns;
		e->known = process_read(pid, &e->process);
	}
	return e->known ? &e->process : NULL;
}

enum processes_sight processes_sight(void)
{
	char text[64];

	if (!in_first_namespace())
		return PROCESSES_OTHER_NAMESPACE;
	if (proc_read(1, "comm", text, sizeof text) < 0)
		return PROCESSES_HIDDEN;
	return proc_read(1, "cgroup", text, sizeof text) < 0 ? PROCESSES_NO_CGROUPS : PROCESSES_SEEN;
}

static const struct {
	const char *why, *mend;
} sights[PROCESSES_SIGHT_MAX] = {
	[PROCESSES_SEEN] = {"processes and containers are named", ""},
	[PROCESSES_OTHER_NAMESPACE] =
		{"picket runs in a PID namespace of its own, where process ids of the host "
		 "mean nothing: processes and containers are not named",
		 "run picket in the host's PID namespace (docker run --pid=host; hostPID: "
		 "true)"},
	[PROCESSES_HIDDEN] =
		{"/proc hides processes from the sensor's user (hidepid): processes and containers are "
		 "not named",
		 "mount -o remount,hidepid=2,gid=$(id -g picket) /proc, or ProtectProc=default in the "
		 "unit"},
	[PROCESSES_NO_CGROUPS] =
		{"/proc/PID/cgroup cannot be read: containers are not named",
		 "a kernel with CONFIG_CGROUPS, and no security policy that forbids the sensor to "
		 "read it"},
};

const char *processes_sight_why(enum processes_sight sight)
{
	return sights[sight].why;
}

const char *processes_sight_mend(enum processes_sight sight)
{
	return sights[sight].mend;
}
