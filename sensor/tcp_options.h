/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp_options.h: the options of a TCP header: what they say, and what is wrong with them (RFC 9293
 * section 3.2, RFC 7323, RFC 2018, RFC 2385, RFC 5925, RFC 7413).
 */
#ifndef PICKET_TCP_OPTIONS_H
#define PICKET_TCP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/span.h"

#define TCP_HEADER_MIN  20
#define TCP_HEADER_MAX  60
#define TCP_OPTIONS_MAX (TCP_HEADER_MAX - TCP_HEADER_MIN)

/* Faults of options, as bits. */
#define TCP_OPTIONS_INVALID_LENGTH 0x1 /* below 2, beyond the header, or not the kind's own */
#define TCP_OPTIONS_DUPLICATE      0x2 /* a kind that may stand once stands twice */

struct tcp_options {
	bool has_mss, has_scale, has_timestamps, has_sack_permitted, has_fast_open, has_signature;
	uint16_t mss;
	uint8_t scale; /* at most 14 (RFC 7323 section 2.3) */
	uint32_t ts_value, ts_echo;
	unsigned faults; /* TCP_OPTIONS_* */
};

/*
 * Reads the option bytes behind the fixed header. Reading ends at the end of the list, at the end of the
 * bytes, or at the first option whose length cannot be followed. complete: these are all of them, so that an
 * option that runs beyond is a fault.
 */
void tcp_options_read(struct span bytes, bool complete, struct tcp_options *ret);

#endif
