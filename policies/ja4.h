/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ja4.h: what a JA4 says in words of the TLS ClientHello that it is of (FoxIO, "JA4: TLS Client
 * Fingerprinting", technical_details/JA4.md of github.com/FoxIO-LLC/ja4). Its hashes say nothing to who does
 * not know them, and are left to others (lib/target.h). A JA4 is no secret and no credential.
 */
#ifndef PICKET_JA4_H
#define PICKET_JA4_H

#include <stdbool.h>
#include "lib/span.h"

#define JA4_TEXT_LEN 36

struct ja4 {
	char transport;               /* 't' TCP, 'q' QUIC, 'd' DTLS */
	unsigned version;             /* the highest offered: 10 to 13 for TLS 1.0 to 1.3; else 0 */
	bool sni;                     /* a name was sent */
	unsigned ciphers, extensions; /* how many, without GREASE; 99: that many or more */
	char alpn[2];                 /* first and last character of the first protocol; "00": none */
};

/* False: it is none. *ret is untouched then. */
bool ja4_read(struct span text, struct ja4 *ret);

#endif
