/* SPDX-License-Identifier: Apache-2.0 */
/*
 * haproxy_call.h: one question to HAProxy's runtime socket: connect, say a line, read lines until it hangs
 * up. Bounded in time and bytes: whatever HAProxy does, the caller goes on.
 */
#ifndef PICKET_HAPROXY_CALL_H
#define PICKET_HAPROXY_CALL_H

#include <stdint.h>
#include "policies/haproxy.h"

#define HAPROXY_SILENT_MS  2000          /* that it may say, or take, nothing */
#define HAPROXY_CALL_MS    30000         /* of one question, from connecting to its last byte */
#define HAPROXY_ANSWER_MAX (1024u << 20) /* bytes: a map of eight million entries */

/*
 * Calls see for each line. stop_fd: given up with -ECANCELED when it becomes readable; -1: none.
 *
 * 0, or -errno: of connect and send; -ETIMEDOUT; -EPROTO, it hung up within a line or said nothing;
 * -EMSGSIZE.
 */
int haproxy_call(const char *path, struct span line, int stop_fd,
		 void (*see)(void *arg, struct span line, bool cut), void *arg);

#endif
