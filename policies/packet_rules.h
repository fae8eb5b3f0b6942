/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet_rules.h: criteria for TCP headers as data. Reads the YAML form (policies/packets.yaml is the
 * reference by example) into plain structs, and says what the kernel half must report for them. What follows
 * from many headers is packet_watch.h.
 *
 *     packets:
 *       - name: port_scan                  small letters, digits, "_"; becomes tcp.anomaly.name
 *         description: connections to many ports
 *         severity: medium                 low, medium, high
 *         flags:                           of the nine flags, those of mask must be as in value
 *           mask: [SYN, ACK]               names of RFC 9293 and RFC 3168, or numbers: {mask: 0x12, value: 2}
 *           value: [SYN]
 *         ports: all                       or watched (default), or a list: [80, 8000-8999]
 *         window: 0-15                     as sent, unscaled; a number or a range, like all that follow
 *         payload: 1-1460                  bytes
 *         ttl: 0-5
 *         header_length: 20-60             bytes
 *         rate:                            so many in this time, by a leaky bucket; without it each counts
 *           count: 15
 *           window: 60s
 *           by: source                     (default; IPv6 by /64) or all
 *           distinct: port                 count each destination port once
 *           half_open: true                a handshake that the source completes takes one out again
 *         cool_down: 60s                   silence after an alert. Default: the window; without rate 0
 *
 * The kernel half reports SYN, FIN, RST and odd flags (RFC 9293: none, URG, SYN with FIN or RST) of watched
 * ports by itself. What else a criterion needs it is told: of other segments those within its flags and
 * window, of ports that are not watched SYNs and odd flags. A criterion for ordinary segments that names no
 * window sees those that capture.header_sample lets through.
 */
#ifndef PICKET_PACKET_RULES_H
#define PICKET_PACKET_RULES_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buffer.h"
#include "lib/config.h"

#define PACKET_RULES_MAX    64
#define PACKET_NAME_MAX     48
#define PACKET_TEXT_MAX     160
#define PACKET_PORTS_MAX    32 /* ranges of one rule */
#define PACKET_COUNT_MAX    1000000
#define PACKET_DISTINCT_MAX 64 /* count with distinct: each port is remembered */
#define PACKET_NEEDS_MAX    4  /* as many as PK_CRITERIA_MAX of bpf/abi.h */

enum packet_severity { PACKET_LOW, PACKET_MEDIUM, PACKET_HIGH };
const char *packet_severity_name(enum packet_severity severity);

enum packet_ports { PACKET_PORTS_WATCHED, PACKET_PORTS_ALL, PACKET_PORTS_LISTED };

/* Both ends belong to it. */
struct packet_range {
	uint32_t low, high;
};

struct packet_rule {
	char name[PACKET_NAME_MAX + 1];
	char description[PACKET_TEXT_MAX + 1];
	enum packet_severity severity;
	uint16_t flags_mask, flags_value; /* bits as in the header: FIN 1, SYN 2, ... NS 0x100 */
	enum packet_ports ports;
	struct packet_range port[PACKET_PORTS_MAX];
	unsigned port_count;
	struct packet_range window, payload, ttl, header_length;
	bool together; /* one count for all sources */
	bool distinct_ports, half_open;
	unsigned threshold; /* 1: each header */
	uint64_t window_ns, leak_ns, cool_down_ns;
};

struct packet_rules {
	struct packet_rule items[PACKET_RULES_MAX];
	unsigned count;
};

/* What the kernel half must report beside what it reports by itself. */
struct packet_need {
	uint16_t flags_mask, flags_value, window_low, window_high;
};
struct packet_needs {
	struct packet_need items[PACKET_NEEDS_MAX];
	unsigned count;
	bool unwatched; /* SYNs and odd flags of ports that are not watched */
};

/*
 * By the configuration: the files of detect.packets, or the shipped one. 0, CONFIG_E_INVALID (errors has one
 * message a line: "NAME:LINE: what is wrong"), -ENOMEM.
 */
int packet_rules_load(const struct config *config, struct packet_rules **ret, struct buffer *errors);
/* Adds those of one text; name: for messages. */
int packet_rules_parse(struct span yaml, const char *name, struct packet_rules *into, struct buffer *errors);
void packet_rules_free(struct packet_rules *r);
/* More than PACKET_NEEDS_MAX are joined to wider ones. */
void packet_rules_needs(const struct packet_rules *r, struct packet_needs *ret);

#endif
