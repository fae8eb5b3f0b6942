/* SPDX-License-Identifier: Apache-2.0 */
/*
 * processes.h: who read a request: name and container of a process of this host, from /proc/PID/comm and
 * /proc/PID/cgroup (proc(5), cgroups(7)), which everybody may read unless /proc is mounted with hidepid. The
 * kernel half tells process ids of the first PID namespace: a sensor in another one cannot look them up, and
 * says so.
 *
 * Remembered for PROCESSES_FRESH_NS, in a table of PROCESSES_MAX slots by process id; a newcomer takes the
 * slot, so that more processes than slots cost reads of /proc and no name. Reads two small files of it per
 * process then, no disk. Not thread safe.
 */
#ifndef PICKET_PROCESSES_H
#define PICKET_PROCESSES_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/span.h"

#define PROCESSES_MAX      256
#define PROCESSES_FRESH_NS (10 * 1000000000ull)

#define PROCESS_NAME_MAX      16 /* TASK_COMM_LEN */
#define PROCESS_CONTAINER_MAX 65

struct process {
	char name[PROCESS_NAME_MAX];           /* "" = not known */
	char container[PROCESS_CONTAINER_MAX]; /* 64 hex digits, "" = in none */
};

struct processes;

int processes_new(struct processes **ret);
void processes_free(struct processes *p);
/* NULL: gone, hidden, or of a PID namespace that is not ours. What it gives is valid until the next call. */
const struct process *processes_find(struct processes *p, uint32_t pid, uint64_t now_ns);
/* False: process ids mean nothing here. */
bool processes_available(const struct processes *p);
/* What can be looked up with the rights at hand; tried on process 1, which is another user's. */
enum processes_sight {
	PROCESSES_SEEN = 0,
	PROCESSES_OTHER_NAMESPACE, /* process ids mean nothing here */
	PROCESSES_HIDDEN,          /* /proc is mounted with hidepid, or not at all */
	PROCESSES_NO_CGROUPS,      /* names, but no containers */
	PROCESSES_SIGHT_MAX,
};
enum processes_sight processes_sight(void);
/* Static texts: why not, and what mends it. */
const char *processes_sight_why(enum processes_sight sight);
const char *processes_sight_mend(enum processes_sight sight);
/*
 * The container in the text of a /proc/PID/cgroup file: the last 64 hex digits of a path that stand alone
 * between other characters, as container runtimes name their cgroups. False: none.
 */
bool process_container(struct span cgroup, char ret[static PROCESS_CONTAINER_MAX]);

#endif
