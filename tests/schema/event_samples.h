/* SPDX-License-Identifier: Apache-2.0 */
/* event_samples.h: one event of each kind, with everything set and with as little as there can be. */
#ifndef PICKET_TEST_EVENT_SAMPLES_H
#define PICKET_TEST_EVENT_SAMPLES_H

#include "lib/event.h"

struct event *event_sample_full(enum event_kind kind);
struct event *event_sample_minimal(enum event_kind kind);

#endif
