/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_loop.h: proves by doing. Loads the kernel half with the given configuration, and on a scratch stage
 * (scratch.h) goes the whole loop in each packet mode: attach, a request arrives, its bytes come out of the
 * ring, its sender is denied, the next packet is dropped, undo. All of it in a process of its own, so that
 * nothing is left behind however it ends; the pinned kill switch of a running daemon is not touched.
 */
#ifndef PICKET_DOCTOR_LOOP_H
#define PICKET_DOCTOR_LOOP_H

#include "lib/config.h"
#include "sensor/doctor.h"

/*
 * Adds load, attach.tcp, loop.loopback, loop.tc, loop.xdp-generic, loop.xdp-native; verbose: load.program.
 * Where no scratch namespace may be made: loop.loopback in this one, and loop.tc and loop.xdp by test runs in
 * the kernel, which says so.
 */
void doctor_loop(struct doctor *d, const struct config *config);

#endif
