/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interface.h: what kind of interface it is, who holds its XDP hook, and where mode auto puts the packet
 * program. For the one who attaches (kernel_attach.c) and for the one who foretells it (doctor).
 */
#ifndef PICKET_INTERFACE_H
#define PICKET_INTERFACE_H

#include <stdbool.h>
#include <stddef.h>
#include "lib/config.h"

#define INTERFACE_DRIVER_MAX 32
#define INTERFACE_HOLDER_MAX 64

struct interface_facts {
	char driver[INTERFACE_DRIVER_MAX]; /* "": not known */
	bool physical;    /* a driver with a device behind it: native XDP is likely and pays */
	bool link_header; /* frames begin with an Ethernet header: XDP needs it */
};

struct interface_facts interface_facts(const char *name);
/* Native XDP or tc; what is tried first: a driver may refuse, another program may hold XDP. */
enum config_packet_mode interface_auto_mode(const struct interface_facts *facts);
/* "program 12 (xdp_dispatcher)"; the name takes CAP_SYS_ADMIN. False, and "": nobody. */
bool interface_xdp_holder(unsigned ifindex, char ret[static INTERFACE_HOLDER_MAX]);

#endif
