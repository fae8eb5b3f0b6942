// SPDX-License-Identifier: Apache-2.0
#include "policies/redact_hash.h"
#include <errno.h>
#include <stdlib.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include "lib/util.h"

struct redact_hash {
	EVP_MAC *mac;
	unsigned count;
	uint8_t ids[REDACT_KEYS_MAX];
	EVP_MAC_CTX *contexts[REDACT_KEYS_MAX];
};

static int context_new(struct redact_hash *h, const struct redact_key *key)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC_CTX *c = EVP_MAC_CTX_new(h->mac);

	if (!c)
		return -ENOMEM;
	h->ids[h->count] = key->id;
	h->contexts[h->count++] = c;
	return EVP_MAC_init(c, key->bytes, REDACT_KEY_LEN, params) == 1 ? 0 : -EIO;
}

int redact_hash_new(const struct redact_keys *keys, struct redact_hash **ret)
{
	struct redact_hash *h = calloc(1, sizeof *h);

	if (!h)
		return -ENOMEM;
	h->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	int r = h->mac ? 0 : -ENOMEM;
	for (unsigned i = 0; i < keys->count && !r; i++)
		r = context_new(h, &keys->items[i]);
	if (!r && !h->count)
		r = -EINVAL;
	if (r) {
		redact_hash_free(h);
		return r;
	}
	*ret = h;
	return 0;
}

void redact_hash_free(struct redact_hash *h)
{
	if (!h)
		return;
	for (unsigned i = 0; i < h->count; i++)
		EVP_MAC_CTX_free(h->contexts[i]);
	EVP_MAC_free(h->mac);
	free(h);
}

unsigned redact_hash_keys(const struct redact_hash *h)
{
	return h->count;
}

/* snprintf here was a sixth of a request's whole cost. */
static char *put_hex(char *at, unsigned char byte)
{
	static const char hex[] = "0123456789abcdef";

	*at++ = hex[byte >> 4];
	*at++ = hex[byte & 15];
	return at;
}

static int hash_put(struct redact_hash *h, unsigned key, struct span label, struct span value, char prefix,
		    char *ret)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	EVP_MAC_CTX *c = h->contexts[key];
	size_t len = 0;

	*ret++ = prefix;
	*ret++ = '_';
	*ret = 0;
	/* No key here: the context goes on with the one it has. */
	if (EVP_MAC_init(c, NULL, 0, NULL) != 1)
		return -EIO;
	if (label.len && (EVP_MAC_update(c, (const unsigned char *)label.ptr, label.len) != 1 ||
			  EVP_MAC_update(c, (const unsigned char *)"", 1) != 1))
		return -EIO;
	if ((value.len && EVP_MAC_update(c, (const unsigned char *)value.ptr, value.len) != 1) ||
	    EVP_MAC_final(c, mac, &len, sizeof mac) != 1 || len < 8)
		return -EIO;
	ret = put_hex(ret, h->ids[key]);
	for (unsigned i = 0; i < 8; i++)
		ret = put_hex(ret, mac[i]);
	*ret = 0;
	return 0;
}

int redact_hash_value(struct redact_hash *h, struct span label, struct span value,
		      char ret[static REDACT_HASH_MAX])
{
	return hash_put(h, 0, label, value, 'h', ret);
}

int redact_hash_consumer(struct redact_hash *h, unsigned key, struct span credential,
			 char ret[static REDACT_HASH_MAX])
{
	return hash_put(h, key, SPAN_NULL, credential, 'c', ret);
}
