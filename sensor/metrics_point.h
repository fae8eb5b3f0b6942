/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_point.h: metrics for a Prometheus on this host, which cannot ask a unix socket: GET /metrics at
 * 127.0.0.1, metrics.port, and nothing else. Whoever has a process on this host may read them: they hold
 * counts and names of the configuration, no address of a client.
 */
#ifndef PICKET_METRICS_POINT_H
#define PICKET_METRICS_POINT_H

#include "sensor/control.h"

#define METRICS_CONNECTIONS 8

/* parts is borrowed until api_free. 0 and what serves, -errno, or 0 and NULL: metrics.port is 0. */
int metrics_point_start(const struct control_parts *parts, struct api **ret);

#endif
