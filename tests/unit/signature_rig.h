/* SPDX-License-Identifier: Apache-2.0 */
/* signature_rig.h: keys of tests, and who signs with them: written apart from the code that verifies. */
#ifndef PICKET_SIGNATURE_RIG_H
#define PICKET_SIGNATURE_RIG_H

#include "lib/buffer.h"

/* RFC 9421, B.1.4 and B.1.5. */
#define RFC_ED25519_PUBLIC                                               \
	"-----BEGIN PUBLIC KEY-----\n"                                   \
	"MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n" \
	"-----END PUBLIC KEY-----\n"
#define RFC_ED25519_PRIVATE                                                  \
	"-----BEGIN PRIVATE KEY-----\n"                                      \
	"MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n" \
	"-----END PRIVATE KEY-----\n"
#define RFC_SECRET "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="

/* Appends the signature of base in base64: by the secret, or by the private key where secret is NULL. */
void rig_sign(const char *secret, const char *private_pem, const char *base, struct buffer *out);
/* Appends what stands between the colons of Content-Digest. algorithm: "sha256", "sha512" */
void rig_digest(const char *algorithm, struct span body, struct buffer *out);

#endif
