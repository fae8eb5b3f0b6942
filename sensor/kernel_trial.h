/* SPDX-License-Identifier: Apache-2.0 */
/* kernel_trial.h: runs the packet program on one frame inside the kernel (BPF_PROG_TEST_RUN): no interface is
 * involved. */
#ifndef PICKET_KERNEL_TRIAL_H
#define PICKET_KERNEL_TRIAL_H

#include "lib/addr.h"
#include "sensor/kernel.h"

/*
 * An Ethernet frame with a TCP SYN from an IPv4 client to port, through the program of this mode (PACKET_TC,
 * or either XDP mode). *ret_dropped: its answer. 0 or -errno. Maps are the real ones: counters and header
 * events are made.
 */
int kernel_trial_syn(struct kernel *k, enum config_packet_mode mode, const struct addr *client, uint16_t port,
		     bool *ret_dropped);

#endif
