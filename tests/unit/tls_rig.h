/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_rig.h: hellos of TLS clients and servers, put together field by field as RFC 8446 has them. Lengths are
 * filled in when what they count is closed.
 */
#ifndef PICKET_TESTS_TLS_RIG_H
#define PICKET_TESTS_TLS_RIG_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "lib/span.h"
#include "lib/util.h"

#define TLS_RIG_MAX 131072

struct tls_rig {
	uint8_t bytes[TLS_RIG_MAX];
	size_t len;
};

static inline void tls_put(struct tls_rig *t, unsigned width, uint32_t v)
{
	while (width--)
		t->bytes[t->len++] = (uint8_t)(v >> 8 * width);
}

static inline void tls_put_bytes(struct tls_rig *t, const void *bytes, size_t n)
{
	memcpy(t->bytes + t->len, bytes, n);
	t->len += n;
}

/* A length of `width` bytes, to be filled in by tls_close with the same width. */
static inline size_t tls_open(struct tls_rig *t, unsigned width)
{
	tls_put(t, width, 0);
	return t->len;
}

static inline void tls_close(struct tls_rig *t, size_t opened, unsigned width)
{
	size_t n = t->len - opened;

	for (unsigned i = 0; i < width; i++)
		t->bytes[opened - width + i] = (uint8_t)(n >> 8 * (width - 1 - i));
}

/* An extension with a list of numbers behind a length of `width` bytes. */
static inline void tls_put_list(struct tls_rig *t, uint16_t type, unsigned width, const uint16_t *items,
				size_t count)
{
	tls_put(t, 2, type);
	size_t body = tls_open(t, 2), list = tls_open(t, width);
	for (size_t i = 0; i < count; i++)
		tls_put(t, 2, items[i]);
	tls_close(t, list, width);
	tls_close(t, body, 2);
}

static inline void tls_put_name(struct tls_rig *t, const void *name, size_t n)
{
	tls_put(t, 2, 0);
	size_t body = tls_open(t, 2), list = tls_open(t, 2);
	tls_put(t, 1, 0);
	size_t host = tls_open(t, 2);
	tls_put_bytes(t, name, n);
	tls_close(t, host, 2);
	tls_close(t, list, 2);
	tls_close(t, body, 2);
}

/* An extension with `n` bytes of nothing. */
static inline void tls_put_filled(struct tls_rig *t, uint16_t type, size_t n)
{
	tls_put(t, 2, type);
	tls_put(t, 2, (uint32_t)n);
	memset(t->bytes + t->len, 0, n);
	t->len += n;
}

/* Type, length (to be closed with width 3), version, random, session of 32 bytes. Returns what is open. */
static inline size_t tls_begin(struct tls_rig *t, uint8_t type, uint16_t version)
{
	t->len = 0;
	tls_put(t, 1, type);
	size_t message = tls_open(t, 3);
	tls_put(t, 2, version);
	for (unsigned i = 0; i < 32; i++)
		tls_put(t, 1, 0xa0 + i);
	tls_put(t, 1, 32);
	for (unsigned i = 0; i < 32; i++)
		tls_put(t, 1, i);
	return message;
}

static inline void tls_put_ciphers(struct tls_rig *t, const uint16_t *items, size_t count)
{
	tls_put(t, 2, (uint32_t)(2 * count));
	for (size_t i = 0; i < count; i++)
		tls_put(t, 2, items[i]);
	tls_put(t, 2, 0x0100); /* one compression: none */
}

/*
 * A browser's hello as the JA4 specification describes one in its example: with GREASE in each list, the name
 * given (NULL: none), h2 before http/1.1, and `fill` bytes of a key share.
 */
static inline void tls_browser(struct tls_rig *t, const char *name, size_t fill)
{
	static const uint16_t ciphers[] = {0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030,
					   0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035};
	static const uint16_t groups[] = {0x2a2a, 0x001d, 0x0017, 0x0018};
	static const uint16_t schemes[] = {0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601};
	static const uint16_t versions[] = {0x3a3a, 0x0304, 0x0303};
	size_t message = tls_begin(t, 1, 0x0303), extensions, body;

	tls_put_ciphers(t, ciphers, ARRAY_SIZE(ciphers));
	extensions = tls_open(t, 2);
	tls_put_filled(t, 0x4a4a, 0);
	if (name)
		tls_put_name(t, name, strlen(name));
	tls_put_filled(t, 0x0017, 0);
	tls_put_filled(t, 0xff01, 1);
	tls_put_list(t, 0x000a, 2, groups, ARRAY_SIZE(groups));
	tls_put(t, 2, 0x000b);
	tls_put(t, 4, 0x00020100);
	tls_put_filled(t, 0x0023, 0);
	tls_put(t, 2, 0x0010);
	body = tls_open(t, 2);
	tls_put(t, 2, 12);
	tls_put_bytes(t, "\x02h2\x08http/1.1", 12);
	tls_close(t, body, 2);
	tls_put_filled(t, 0x0005, 5);
	tls_put_list(t, 0x000d, 2, schemes, ARRAY_SIZE(schemes));
	tls_put_filled(t, 0x0012, 0);
	tls_put_filled(t, 0x0033, fill);
	tls_put_filled(t, 0x002d, 2);
	tls_put_list(t, 0x002b, 1, versions, ARRAY_SIZE(versions));
	tls_put_filled(t, 0x001b, 3);
	tls_put_filled(t, 0x4469, 5);
	tls_put_filled(t, 0x5a5a, 1);
	tls_put_filled(t, 0x0015, 32);
	tls_close(t, extensions, 2);
	tls_close(t, message, 3);
}
#define TLS_BROWSER_JA4         "t13d1516h2_8daaf6152771_e5627efa2ab1"
#define TLS_BROWSER_NO_NAME_JA4 "t13i1515h2_8daaf6152771_e5627efa2ab1"

/* A server's hello; chosen: of the extension supported_versions, 0: without it. */
static inline void tls_server(struct tls_rig *t, uint16_t version, uint16_t chosen)
{
	size_t message = tls_begin(t, 2, version), extensions;

	tls_put(t, 3, 0x130100); /* cipher suite and compression */
	extensions = tls_open(t, 2);
	tls_put_filled(t, 0xff01, 1);
	if (chosen) {
		tls_put(t, 2, 0x002b);
		tls_put(t, 2, 2);
		tls_put(t, 2, chosen);
	}
	tls_close(t, extensions, 2);
	tls_close(t, message, 3);
}

/* The message in records of at most `most` bytes each; returns their length. */
static inline size_t tls_records(const struct tls_rig *t, size_t most, uint8_t *to)
{
	size_t at = 0, len = 0;

	while (at < t->len) {
		size_t n = MIN(most, t->len - at);
		to[len++] = 0x16;
		to[len++] = 0x03;
		to[len++] = 0x01;
		to[len++] = (uint8_t)(n >> 8);
		to[len++] = (uint8_t)n;
		memcpy(to + len, t->bytes + at, n);
		len += n;
		at += n;
	}
	return len;
}

#endif
