/* SPDX-License-Identifier: Apache-2.0 */
/* notify.h: tells the service manager how we are (sd_notify(3)'s protocol: datagrams to $NOTIFY_SOCKET). */
#ifndef PICKET_NOTIFY_H
#define PICKET_NOTIFY_H

#include <stdint.h>

/* state: "READY=1", "STOPPING=1", ... Does nothing where no manager listens. 0 or -errno. */
int notify_send(const char *state);
/* Interval in which WATCHDOG=1 is wanted, half of what the manager allows; 0: none. */
uint64_t notify_watchdog_ns(void);

#endif
