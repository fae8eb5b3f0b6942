/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_kill.h: the pinned kill switch, for the commands that need no daemon. `panic` and `resume` write it,
 * `detach` removes its pin.
 */
#ifndef PICKET_CLI_KILL_H
#define PICKET_CLI_KILL_H

#include <stdint.h>

#define KILL_PINS "/sys/fs/bpf/picket" /* INSTANCE/kill below it */

enum { KILL_E_OTHER = 1 /* what is pinned there is no kill switch of picket's */ };

/* The descriptor of the switch pinned at path, for the caller to close. 0, KILL_E_OTHER or -errno. */
int kill_open(const char *path, int *ret_fd);
/* 0 or -errno; value: not 0 while it is on. */
int kill_read(int fd, uint32_t *ret_value);

#endif
