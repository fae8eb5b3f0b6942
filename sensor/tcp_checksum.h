/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp_checksum.h: is a segment's checksum right (RFC 9293 section 3.1)? Where the sender's network card is to
 * fill it in, a capture on the sender's own host has only the sum of the pseudo header in its place.
 */
#ifndef PICKET_TCP_CHECKSUM_H
#define PICKET_TCP_CHECKSUM_H

#include "sensor/tcp_track.h"

enum tcp_checksum {
	TCP_CHECKSUM_UNKNOWN, /* not all of it was captured */
	TCP_CHECKSUM_RIGHT,
	TCP_CHECKSUM_UNFILLED, /* the pseudo header's sum, or nothing: left to the network card */
	TCP_CHECKSUM_WRONG,
};

enum tcp_checksum tcp_checksum(const struct segment_view *s);

#endif
