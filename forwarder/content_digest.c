// SPDX-License-Identifier: Apache-2.0
#include "forwarder/content_digest.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include "forwarder/structured_field.h"
#include "lib/util.h"

static const struct algorithm {
	struct span name;
	const EVP_MD *(*digest)(void);
} algorithms[] = {
	{SPAN("sha-256"), EVP_sha256},
	{SPAN("sha-512"), EVP_sha512},
};

static bool equals(const struct algorithm *a, struct span value, struct span body)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	return EVP_Digest(body.ptr, body.len, digest, &len, a->digest(), NULL) == 1 && value.len == len &&
	       CRYPTO_memcmp(value.ptr, digest, len) == 0;
}

int content_digest_check(struct span field, struct span body)
{
	struct field_dictionary d;
	bool any = false;

	if (field_dictionary_parse(field, &d))
		return CONTENT_DIGEST_E_SYNTAX;
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		const struct field_member *m = field_member(&d, algorithms[i].name);

		if (!m)
			continue;
		if (m->is_list || m->items[0].value.type != FIELD_BYTES)
			return CONTENT_DIGEST_E_SYNTAX;
		if (!equals(&algorithms[i], m->items[0].value.bytes, body))
			return CONTENT_DIGEST_E_OTHER;
		any = true;
	}
	return any ? 0 : CONTENT_DIGEST_E_UNKNOWN;
}
