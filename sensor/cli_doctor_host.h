/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_doctor_host.h: what the host offers picket: rights, kernel, bpffs, the sensor's user, the clock, what
 * keeps an administrator from locking himself out, interfaces; and, where a daemon answers, the proxies it
 * met. Everything here is read; nothing is changed.
 */
#ifndef PICKET_CLI_DOCTOR_HOST_H
#define PICKET_CLI_DOCTOR_HOST_H

#include "lib/config.h"
#include "sensor/doctor.h"

bool host_rights(struct doctor *d); /* false: without these nothing can be loaded */
bool host_kernel(struct doctor *d); /* release, BTF, lockdown; false: nothing can be loaded */
void host_bpffs(struct doctor *d);
void host_user(struct doctor *d, const struct config *config);
/* As the sensor's user, with the rights it has: in a child. */
void host_processes(struct doctor *d, const struct config *config);
void host_clock(struct doctor *d);
void host_protection(struct doctor *d, const struct config *config);
void host_interfaces(struct doctor *d, const struct config *config);
void host_proxies(struct doctor *d, const char *control_socket);

#endif
