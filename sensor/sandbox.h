/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox.h: what the two processes give up. The warden keeps CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, and
 * holds CAP_SETUID and CAP_SETGID permitted, not effective, to restart the sensor. The sensor keeps nothing:
 * no capability, another user where that may be changed, no_new_privs, not dumpable, a seccomp allow list.
 */
#ifndef PICKET_SANDBOX_H
#define PICKET_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

/* The three capabilities are there? *ret_missing: static text naming those that are not ("CAP_BPF
 * CAP_NET_ADMIN"). */
bool sandbox_may_run(const char **ret_missing);
/* 0 or -errno. */
int sandbox_warden(void);
/* Raise or lower the restart capabilities of the warden. */
int sandbox_warden_raise(bool on);

/* uid and gid of the sensor's user; falls back to nobody. */
int sandbox_user(const char *name, uid_t *ret_uid, gid_t *ret_gid);
/*
 * In the forked sensor, after everything privileged is open: change the user (kept where that is refused,
 * *ret_kept), drop all capabilities, set no_new_privs, not dumpable, PDEATHSIG; check that parent still
 * lives.
 */
int sandbox_sensor(uid_t uid, gid_t gid, pid_t parent, bool *ret_kept);
/*
 * picket replay, once program and files are open: what reads captures keeps CAP_BPF alone (test runs take
 * it), as another user where that may be changed. 0 or -errno.
 */
int sandbox_replay(uid_t uid, gid_t gid);
/* The allow list; last, before threads start. What is not on it answers EPERM. */
int sandbox_seccomp(void);
/* Close every descriptor above 2 that is not in keep: SANDBOX_KEEP_MAX at most, perf events of many CPUs
 * among them. */
#define SANDBOX_KEEP_MAX 1100
int sandbox_close_except(const int *keep, unsigned count);

#endif
