/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_hello.h: the first message of a TLS client, from the bytes of its connection in order: what it offers
 * (RFC 8446 sections 4.1.2 and 5.1; RFC 5246 section 7.4.1.2; server name: RFC 6066 section 3; ALPN: RFC
 * 7301; GREASE: RFC 8701). How the bytes were cut, in pieces or in records, never changes the result.
 *
 * A reader is plain memory of a fixed size, to begin with zeroed; nothing is allocated, and each byte costs
 * once. What contradicts itself, or is longer than a reader holds, has no result: a server would not take it
 * either, or nobody knows what it means. What servers pass over is noted as a deviation (lib/event.h).
 *
 * All numbers are in host order. What it makes of a hello: tls_fingerprint.h; which version the two agreed
 * on: tls_version.h.
 */
#ifndef PICKET_TLS_HELLO_H
#define PICKET_TLS_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/span.h"

/* What a reader holds; of browsers' hellos none has a third of any. */
#define TLS_HELLO_MAX      32768 /* bytes of the message behind its header */
#define TLS_RECORD_MAX     16384 /* bytes of one record that is not encrypted */
#define TLS_CIPHERS_MAX    256
#define TLS_EXTENSIONS_MAX 128
#define TLS_GROUPS_MAX     64
#define TLS_FORMATS_MAX    32
#define TLS_SIGNATURES_MAX 128
#define TLS_NAME_MAX       255  /* of a host: RFC 1035 section 2.3.4 */
#define TLS_ALPN_BYTES     256  /* of names, each behind its length */
#define TLS_BODY_MAX       1024 /* of an extension that is read */

enum tls_hello_result {
	TLS_HELLO_WHOLE = 0,
	TLS_HELLO_MORE = 1,     /* it is not whole */
	TLS_HELLO_NOT_TLS = 2,  /* it does not begin as a client's hello does */
	TLS_HELLO_BROKEN = 3,   /* a length reaches beyond what it is in, or a record is no part of it */
	TLS_HELLO_TOO_LONG = 4, /* more of something than a reader holds */
};

/* Lists are as they were sent, GREASE included. Of an extension that stands there twice the first counts. */
struct tls_hello {
	uint16_t version;    /* its field of that name, which TLS 1.3 does not go by */
	uint16_t highest;    /* of the extension supported_versions, without GREASE; 0: there is none */
	uint16_t deviations; /* enum tls_deviation of lib/event.h */
	uint16_t records;
	uint32_t size; /* of the message, its header of 4 bytes included */
	uint16_t cipher_count, extension_count, group_count, format_count, signature_count;
	uint16_t ciphers[TLS_CIPHERS_MAX];
	uint16_t extensions[TLS_EXTENSIONS_MAX];
	uint16_t groups[TLS_GROUPS_MAX];
	uint16_t signatures[TLS_SIGNATURES_MAX]; /* schemes for signatures */
	uint8_t formats[TLS_FORMATS_MAX];        /* of points */
	bool early_data;                         /* data may follow before the server answers */
	bool has_server_name;                    /* the extension is there, whatever it holds */
	uint8_t name_len;
	uint16_t alpn_len;
	char name[TLS_NAME_MAX];      /* of the server, as sent; any bytes but in lower case */
	uint8_t alpn[TLS_ALPN_BYTES]; /* names as sent, each behind its length; the first that fit */

	/* internal */
	uint8_t state, header_len, header[5];
	bool begun, reading;
	uint16_t record_left;     /* bytes of the record at hand; also once the hello is whole */
	uint16_t list_left;       /* cipher suites to come */
	uint16_t extensions_left; /* bytes */
	uint16_t body_len;
	uint32_t left;   /* bytes of the message behind the field at hand */
	uint32_t need;   /* bytes to come of the field at hand */
	uint32_t number; /* its value so far */
	uint8_t body[TLS_BODY_MAX];
};

/* The next bytes. *ret_used: how many of them belong to the hello (all, while it is not whole). */
enum tls_hello_result tls_hello_feed(struct tls_hello *h, struct span bytes, size_t *ret_used);
/* A value that clients put in to see whether servers pass over what they do not know. */
static inline bool tls_is_grease(uint16_t v)
{
	return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff);
}
/* The highest version that it offers, as on the wire. */
uint16_t tls_hello_offered(const struct tls_hello *h);
/* Takes the first name off *list (tls_hello.alpn, alpn_len). False: there is none left. */
bool tls_alpn_next(struct span *list, struct span *ret_name);

#endif
