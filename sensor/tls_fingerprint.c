// SPDX-License-Identifier: Apache-2.0
#include "sensor/tls_fingerprint.h"
#include <errno.h>
#include <stdlib.h>
#include <openssl/evp.h>
#include "lib/util.h"

/* The longest text that is hashed: numbers of up to five digits, and what stands between them. */
#define TEXT_MAX \
	(6 *     \
	 (1 + TLS_CIPHERS_MAX + TLS_EXTENSIONS_MAX + TLS_GROUPS_MAX + TLS_SIGNATURES_MAX + TLS_FORMATS_MAX))

enum { EXTENSION_SERVER_NAME = 0, EXTENSION_ALPN = 16 };

struct tls_prints {
	EVP_MD *md5, *sha256; /* md5: NULL, there is none */
	EVP_MD_CTX *context;
};

/* A text that is put together; every part of it is bounded by what a hello holds. */
struct text {
	char bytes[TEXT_MAX];
	size_t len;
};

int tls_prints_new(struct tls_prints **ret)
{
	struct tls_prints *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	p->md5 = EVP_MD_fetch(NULL, "MD5", NULL);
	p->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	p->context = EVP_MD_CTX_new();
	if (!p->sha256 || !p->context) {
		int r = p->context ? -EIO : -ENOMEM;
		tls_prints_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

void tls_prints_free(struct tls_prints *p)
{
	if (!p)
		return;
	EVP_MD_free(p->md5);
	EVP_MD_free(p->sha256);
	EVP_MD_CTX_free(p->context);
	free(p);
}

static char hex(unsigned v)
{
	return "0123456789abcdef"[v & 15];
}

/* The first `bytes` bytes of the text's hash, as hex digits. */
static bool hash_put(struct tls_prints *p, const EVP_MD *md, const struct text *t, size_t bytes, char *to)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (!md || EVP_DigestInit_ex2(p->context, md, NULL) != 1 ||
	    EVP_DigestUpdate(p->context, t->bytes, t->len) != 1 ||
	    EVP_DigestFinal_ex(p->context, digest, &len) != 1 || len < bytes)
		return false;
	for (size_t i = 0; i < bytes; i++) {
		*to++ = hex(digest[i] >> 4);
		*to++ = hex(digest[i]);
	}
	return true;
}

static void put_char(struct text *t, char c)
{
	t->bytes[t->len++] = c;
}

/* --- JA3 --- */

static void put_decimal(struct text *t, unsigned v)
{
	char digits[5];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	while (n)
		put_char(t, digits[--n]);
}

/* "," and the numbers, "-" between them. */
static void put_decimals(struct text *t, const uint16_t *items, size_t count)
{
	bool first = true;

	put_char(t, ',');
	for (size_t i = 0; i < count; i++) {
		if (tls_is_grease(items[i]))
			continue;
		if (!first)
			put_char(t, '-');
		put_decimal(t, items[i]);
		first = false;
	}
}

bool tls_ja3(struct tls_prints *p, const struct tls_hello *h, char ret[static TLS_JA3_TEXT_MAX])
{
	struct text t;

	t.len = 0;
	put_decimal(&t, h->version);
	put_decimals(&t, h->ciphers, h->cipher_count);
	put_decimals(&t, h->extensions, h->extension_count);
	put_decimals(&t, h->groups, h->group_count);
	put_char(&t, ',');
	for (size_t i = 0; i < h->format_count; i++) {
		if (i)
			put_char(&t, '-');
		put_decimal(&t, h->formats[i]);
	}
	ret[0] = ret[TLS_JA3_TEXT_MAX - 1] = 0;
	return hash_put(p, p->md5, &t, 16, ret);
}

/* --- JA4 --- */

static const char *version_word(uint16_t version)
{
	switch (version) {
	case 0x0304:
		return "13";
	case 0x0303:
		return "12";
	case 0x0302:
		return "11";
	case 0x0301:
		return "10";
	case 0x0300:
		return "s3";
	case 0x0002:
		return "s2";
	default:
		return "00";
	}
}

static bool is_alnum(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* The first and the last character of the first protocol, of its hex digits where one is no letter or digit.
 */
static void put_protocol(const struct tls_hello *h, char to[static 2])
{
	struct span list = {(const char *)h->alpn, h->alpn_len}, name;

	to[0] = to[1] = '0';
	if (!tls_alpn_next(&list, &name) || !name.len)
		return;
	uint8_t first = (uint8_t)name.ptr[0], last = (uint8_t)name.ptr[name.len - 1];
	bool plain = is_alnum(first) && is_alnum(last);
	to[0] = plain ? (char)first : hex(first >> 4);
	to[1] = plain ? (char)last : hex(last);
}

static void put_count(size_t count, char to[static 2])
{
	count = MIN(count, (size_t)99);
	to[0] = (char)('0' + count / 10);
	to[1] = (char)('0' + count % 10);
}

/* Without GREASE, and without the two that `but_names` leaves out; returns how many. */
static size_t pick(const uint16_t *items, size_t count, bool but_names, uint16_t *to)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if (tls_is_grease(items[i]) ||
		    (but_names && (items[i] == EXTENSION_SERVER_NAME || items[i] == EXTENSION_ALPN)))
			continue;
		to[n++] = items[i];
	}
	return n;
}

static int by_number(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* Four hex digits each, "," between them. */
static void put_hexes(struct text *t, const uint16_t *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (i)
			put_char(t, ',');
		for (int shift = 12; shift >= 0; shift -= 4)
			put_char(t, hex(items[i] >> shift));
	}
}

/* 12 hex digits of the hash; of nothing they are zeros. */
static bool put_part(struct tls_prints *p, const struct text *t, bool empty, char *to)
{
	if (!empty)
		return hash_put(p, p->sha256, t, 6, to);
	memset(to, '0', 12);
	return true;
}

static bool put_ciphers(struct tls_prints *p, const struct tls_hello *h, char *to)
{
	uint16_t items[TLS_CIPHERS_MAX];
	size_t n = pick(h->ciphers, h->cipher_count, false, items);
	struct text t;

	t.len = 0;
	qsort(items, n, sizeof *items, by_number);
	put_hexes(&t, items, n);
	return put_part(p, &t, !n, to);
}

/* Extensions sorted, the schemes for signatures in their order. */
static bool put_extensions(struct tls_prints *p, const struct tls_hello *h, char *to)
{
	uint16_t items[TLS_EXTENSIONS_MAX], schemes[TLS_SIGNATURES_MAX];
	size_t n = pick(h->extensions, h->extension_count, true, items);
	size_t m = pick(h->signatures, h->signature_count, false, schemes);
	struct text t;

	t.len = 0;
	qsort(items, n, sizeof *items, by_number);
	put_hexes(&t, items, n);
	if (m)
		put_char(&t, '_');
	put_hexes(&t, schemes, m);
	return put_part(p, &t, !n, to);
}

bool tls_ja4(struct tls_prints *p, const struct tls_hello *h, char ret[static TLS_JA4_TEXT_MAX])
{
	uint16_t any[TLS_CIPHERS_MAX];

	_Static_assert(TLS_CIPHERS_MAX >= TLS_EXTENSIONS_MAX, "any has room for either");
	ret[0] = 't';
	memcpy(ret + 1, version_word(tls_hello_offered(h)), 2);
	ret[3] = h->has_server_name ? 'd' : 'i';
	put_count(pick(h->ciphers, h->cipher_count, false, any), ret + 4);
	put_count(pick(h->extensions, h->extension_count, false, any), ret + 6);
	put_protocol(h, ret + 8);
	ret[10] = ret[23] = '_';
	ret[36] = 0;
	if (put_ciphers(p, h, ret + 11) && put_extensions(p, h, ret + 24))
		return true;
	ret[0] = 0;
	return false;
}
