/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_fingerprint.h: what tells one TLS client program from another.
 *
 *     JA3   MD5 over the hello's numbers in the order in which they were sent (Salesforce, BSD-3-Clause).
 *           Clients that shuffle their extensions have many.
 *     JA4   of a TLS client over TCP (FoxIO, BSD-3-Clause: "JA4: TLS Client Fingerprinting",
 *           technical_details/JA4.md of its repository). None of the other methods of that family is here:
 *           their licence does not allow it.
 *
 * Both leave out GREASE (RFC 8701). Not thread safe: a struct tls_prints has the context of its hashes.
 */
#ifndef PICKET_TLS_FINGERPRINT_H
#define PICKET_TLS_FINGERPRINT_H

#include "sensor/tls_hello.h"

#define TLS_JA3_TEXT_MAX 33
#define TLS_JA4_TEXT_MAX 37

struct tls_prints;

/* 0, -ENOMEM, -EIO: OpenSSL has no SHA-256. Where it has no MD5 (FIPS), there is no JA3. */
int tls_prints_new(struct tls_prints **ret);
void tls_prints_free(struct tls_prints *p);
/* Of a whole hello. False, and an empty text: it could not be made. */
bool tls_ja3(struct tls_prints *p, const struct tls_hello *h, char ret[static TLS_JA3_TEXT_MAX]);
bool tls_ja4(struct tls_prints *p, const struct tls_hello *h, char ret[static TLS_JA4_TEXT_MAX]);

#endif
