/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pcap_file.h: captures (pcap and pcapng, by libpcap) as Ethernet frames with their time. Packets without an
 * Ethernet header get one made up: raw IP, BSD loopback (null, loop), Linux "any" captures (SLL, SLL2). A
 * packet that cannot be shown as a frame is refused and counted by reason; the rest of the file is read on.
 */
#ifndef PICKET_PCAP_FILE_H
#define PICKET_PCAP_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/buffer.h"

#define PCAP_FILE_FRAME_MAX (262144 + 64) /* libpcap's ceiling of a snapshot, and our header */

struct pcap_file;

enum {
	PCAP_FILE_E_END = 1, /* no more frames */
	PCAP_FILE_E_CUT = 2, /* the file ends inside a packet, or is damaged from here on: errors says how */
	PCAP_FILE_E_INVALID = 3, /* no capture, or of a link type that is not known here: errors says which */
};

enum pcap_refusal {
	PCAP_REFUSED_SHORT,  /* shorter than its link header */
	PCAP_REFUSED_NOT_IP, /* of a link type without Ethernet types, and no IP packet */
	PCAP_REFUSED_MAX,
};
const char *pcap_refusal_name(enum pcap_refusal r); /* "short", "not_ip" */

struct pcap_frame {
	const uint8_t *bytes; /* Ethernet header first; valid until the next call */
	size_t len;           /* captured */
	size_t original_len;  /* on the wire, made-up header included */
	uint64_t time_ns;     /* since 1970 */
};

/* path "-": stdin. 0, PCAP_FILE_E_INVALID, -errno. */
int pcap_file_open(const char *path, struct pcap_file **ret, struct buffer *errors);
/* 0, PCAP_FILE_E_END, PCAP_FILE_E_CUT. */
int pcap_file_next(struct pcap_file *f, struct pcap_frame *ret, struct buffer *errors);
uint64_t pcap_file_refused(const struct pcap_file *f, enum pcap_refusal r);
/* Of the short ones, those that already were on the wire, on an Ethernet. */
uint64_t pcap_file_runts(const struct pcap_file *f);
void pcap_file_close(struct pcap_file *f);

#endif
