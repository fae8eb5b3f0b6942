/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_version.h: which version of TLS two ends agreed on, from the bytes behind the client's first hello.
 *
 *     tls_answer   the server's bytes: its hello says so (RFC 8446 section 4.1.3).
 *     tls_flight   the client's bytes, where the server's are not seen: in TLS 1.3 whatever follows a hello
 *                  is in records that say "application data" (section 5.2), in earlier versions it begins
 *                  with a handshake message that is not encrypted, or with a change of the cipher, in records
 *                  that have the version agreed on.
 *
 * Both are plain memory, zeroed to begin with, and look at no more than the first records. What does not tell
 * for certain gives 0: unknown.
 */
#ifndef PICKET_TLS_VERSION_H
#define PICKET_TLS_VERSION_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/span.h"

enum { TLS_VERSION_KNOWN = 0, TLS_VERSION_MORE = 1 };

struct tls_record_header {
	uint8_t bytes[5], len;
};

struct tls_answer {
	struct tls_record_header header; /* internal, as is the rest */
	uint16_t record_left, version, extension;
	uint8_t state, records;
	uint32_t left, need, number;
};

struct tls_flight {
	uint16_t offered; /* set by the caller: the highest version that the client offers, */
	bool early_data;  /* and whether it may send data before it has an answer */
	/* Set by the caller: bytes of the hello's last record that follow the hello. */
	uint32_t record_left;
	struct tls_record_header header; /* internal, as is the rest */
	uint8_t message[4], message_len, records;
	bool looking;
};

/*
 * The next bytes. TLS_VERSION_MORE, or TLS_VERSION_KNOWN: *ret_version is as on the wire, or 0 where it
 * cannot be known; no more bytes are wanted.
 */
int tls_answer_feed(struct tls_answer *a, struct span bytes, uint16_t *ret_version);
int tls_flight_feed(struct tls_flight *f, struct span bytes, uint16_t *ret_version);

#endif
