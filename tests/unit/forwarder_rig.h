/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forwarder_rig.h: a forwarder with one or two gateways, what came out of its hooks, and ways to run it until
 * something is so. Every look at its counts asserts that offered + recovered = delivered +
 * dropped + held.
 */
#ifndef PICKET_TEST_FORWARDER_RIG_H
#define PICKET_TEST_FORWARDER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "forwarder/forwarder.h"

struct rig {
	struct config config;
	struct config_gateway gateways[2];
	char url[64];
	struct forwarder *f;
	unsigned verdicts;
	struct verdict verdict;
	uint64_t losses, loss_events;
	bool push_on_verdict;
	const char *state_dir; /* NULL: no spool */
	unsigned gaps;         /* events that tell of an earlier process's crash */
	uint64_t gap_since_ns;
};

/* One gateway "main", protocol batch, at http://127.0.0.1:PORT/events; change what you like before rig_start.
 */
void rig_init(struct rig *rig, uint16_t port);
void rig_start(struct rig *rig);
void push(struct rig *rig, unsigned count);
struct gateway_counts counts(struct rig *rig); /* of the first gateway */
uint64_t now_ms(void);

bool batches_delivered(struct rig *rig, uint64_t n);
bool attempts_made(struct rig *rig, uint64_t n);
bool events_dropped(struct rig *rig, uint64_t n);
bool backing_off(struct rig *rig, uint64_t n);
/* Runs until it is so; fails the test after ten seconds. */
void run_until(struct rig *rig, bool (*is_so)(struct rig *rig, uint64_t n), uint64_t n);
void run_for(struct rig *rig, uint64_t ms);

#endif
