/* SPDX-License-Identifier: Apache-2.0 */
/* usual_event.h: an http.request as a browser's call of an API makes it, answered; for what writes and sends
 * many. */
#ifndef PICKET_BENCH_USUAL_EVENT_H
#define PICKET_BENCH_USUAL_EVENT_H

#include "lib/event.h"

struct event *usual_event(void); /* or NULL: out of memory */

#endif
