/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_ports.h: what picket would see of each listening port of this network namespace: the process,
 * whether the port is watched, whether its requests are visible, and if not why and what would help. TLS is
 * found by asking: a ClientHello to the own listener, from this host, all of them at once within 300 ms.
 */
#ifndef PICKET_DOCTOR_PORTS_H
#define PICKET_DOCTOR_PORTS_H

#include "lib/config.h"
#include "sensor/doctor.h"
#include "sensor/ports.h"

#define DOCTOR_PORTS_PROBE_MS 300
#define DOCTOR_PORTS_MAX      256 /* listeners told and probed; more are counted */

enum port_speaks { SPEAKS_UNKNOWN = 0, SPEAKS_PLAIN, SPEAKS_TLS, SPEAKS_NOTHING };

/* A ClientHello (TLS 1.2 and 1.3) without a name in it. */
#define DOCTOR_HELLO_MAX 256
size_t doctor_hello(uint8_t ret[static DOCTOR_HELLO_MAX]);
/* What the first bytes of an answer to it say. */
enum port_speaks doctor_answer(const uint8_t *bytes, size_t len);

/* Adds one check "port" for each listener, or one that says there is none. probe: find TLS by asking. */
void doctor_ports(struct doctor *d, const struct config *config, bool probe);

#endif
