/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy_protocol.h: the header that a proxy writes in front of a connection's first byte to say whose
 * connection it is: the PROXY protocol, versions 1 (a line of text) and 2 (binary), as HAProxy's
 * doc/proxy-protocol.txt describes them. Only read here; whether it is believed is policies/origin.h's.
 *
 * A header that is recognised but says nothing usable (an unknown command, addresses that do not parse, too
 * few bytes for its family) is still a header: its bytes are no request. It is marked malformed.
 */
#ifndef PICKET_PROXY_PROTOCOL_H
#define PICKET_PROXY_PROTOCOL_H

#include <stdbool.h>
#include "lib/addr.h"

/* Bytes that are enough to tell whether it is a header, how long it is, and what it says. */
#define PROXY_HEADER_HELD_MAX 107

struct proxy_header {
	size_t len; /* of the whole header, with what version 2 carries behind the addresses (TLVs) */
	/* ADDR_NONE: not said (LOCAL, UNKNOWN, UNSPEC, a unix socket, malformed). */
	struct endpoint source, destination;
	uint8_t version; /* 1 or 2 */
	bool local;      /* version 2, LOCAL: the proxy's own connection, such as a health check */
	bool malformed;
};

enum { PROXY_E_MORE = 1, PROXY_E_NONE = 2 };

/*
 * bytes: from the first byte of the connection on. 0: *ret is filled; ret->len may be beyond bytes.len, the
 * rest is to come and says nothing that is needed. PROXY_E_MORE: too few bytes to tell, fewer than
 * PROXY_HEADER_HELD_MAX. PROXY_E_NONE: they begin with no such header.
 */
int proxy_header_parse(struct span bytes, struct proxy_header *ret);

#endif
