/* SPDX-License-Identifier: Apache-2.0 */
/* cli_time.h: times as people give them to commands. */
#ifndef PICKET_CLI_TIME_H
#define PICKET_CLI_TIME_H

#include <stdint.h>

/*
 * "2026-11-24T22:00:10Z", "2026-11-24T22:00", "2026-11-24" (UTC all), or "2h": that long ago. 0 and the wall
 * time, or EXIT_USAGE (told; option names it in the message).
 */
int cli_time(const char *command, const char *option, const char *text, uint64_t *ret_ns);

#endif
