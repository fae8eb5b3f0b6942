/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* tcp_head.h: the TCP header as it stands in a packet (RFC 9293 section 3.1), options not included. */
#ifndef PICKET_BPF_TCP_HEAD_H
#define PICKET_BPF_TCP_HEAD_H

#include <linux/types.h>

#define TCP_HEADER 20

struct tcp_head {
	__be16 source;
	__be16 destination;
	__be32 sequence;
	__be32 acknowledgment;
	__u8 offset_reserved; /* 4 bits data offset, 3 reserved, NS */
	__u8 flags;
	__be16 window;
	__be16 check;
	__be16 urgent;
};

#endif
