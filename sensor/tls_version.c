// SPDX-License-Identifier: Apache-2.0
#include "sensor/tls_version.h"
#include "lib/util.h"

enum { RECORD_CHANGE_CIPHER = 20, RECORD_ALERT = 21, RECORD_HANDSHAKE = 22, RECORD_DATA = 23 };
enum { CLIENT_HELLO = 1, SERVER_HELLO = 2 };
enum { EXTENSION_VERSIONS = 43 };

#define RECORD_ENCRYPTED_MAX (16384 + 2048) /* RFC 5246 section 6.2.3 */
#define ANSWER_RECORDS       4              /* of which a server's hello may consist */
#define FLIGHT_RECORDS       16

/* One more byte of a header. True: it is whole. */
static bool header_byte(struct tls_record_header *h, uint8_t byte)
{
	h->bytes[h->len++] = byte;
	if (h->len < sizeof h->bytes)
		return false;
	h->len = 0;
	return true;
}

static uint32_t header_length(const struct tls_record_header *h)
{
	return (uint32_t)h->bytes[3] << 8 | h->bytes[4];
}

static int known(uint16_t version, uint16_t *ret)
{
	*ret = version;
	return TLS_VERSION_KNOWN;
}

/* --- the server's hello --- */

/* Fields in their order; what is not named is passed over. */
enum {
	ANSWER_BEGIN,
	ANSWER_TYPE,
	ANSWER_LENGTH,
	ANSWER_VERSION,
	ANSWER_RANDOM,
	ANSWER_SESSION_LENGTH,
	ANSWER_SESSION,
	ANSWER_CHOICE, /* cipher suite and compression */
	ANSWER_EXTENSIONS_LENGTH,
	ANSWER_EXTENSION_TYPE,
	ANSWER_EXTENSION_LENGTH,
	ANSWER_EXTENSION,
};

/* False: it reaches beyond the message. */
static bool enter(struct tls_answer *a, uint8_t state, uint32_t bytes)
{
	if (bytes > a->left)
		return false;
	a->left -= bytes;
	a->state = state;
	a->need = bytes;
	a->number = 0;
	return true;
}

/* False: no server's hello. */
static bool end_field(struct tls_answer *a)
{
	switch (a->state) {
	case ANSWER_BEGIN:
		a->left = 4;
		return enter(a, ANSWER_TYPE, 1);
	case ANSWER_TYPE:
		return a->number == SERVER_HELLO && enter(a, ANSWER_LENGTH, 3);
	case ANSWER_LENGTH:
		a->left = a->number;
		return enter(a, ANSWER_VERSION, 2);
	case ANSWER_VERSION:
		return enter(a, ANSWER_RANDOM, 32);
	case ANSWER_RANDOM:
		return enter(a, ANSWER_SESSION_LENGTH, 1);
	case ANSWER_SESSION_LENGTH:
		return enter(a, ANSWER_SESSION, a->number);
	case ANSWER_SESSION:
		return enter(a, ANSWER_CHOICE, 3);
	case ANSWER_CHOICE:
		return enter(a, ANSWER_EXTENSIONS_LENGTH, 2);
	case ANSWER_EXTENSION_TYPE:
		a->extension = (uint16_t)a->number;
		return enter(a, ANSWER_EXTENSION_LENGTH, 2);
	case ANSWER_EXTENSION_LENGTH:
		return enter(a, ANSWER_EXTENSION, a->number);
	default: /* ANSWER_EXTENSIONS_LENGTH, ANSWER_EXTENSION */
		return enter(a, ANSWER_EXTENSION_TYPE, 2);
	}
}

/* Is the version known once the field at hand is over? */
static bool is_decided(const struct tls_answer *a)
{
	switch (a->state) {
	case ANSWER_VERSION: /* early drafts of TLS 1.3 had theirs in the place of the old one */
		return a->number >> 8 == 0x7f;
	case ANSWER_CHOICE:
	case ANSWER_EXTENSIONS_LENGTH:
		return !a->left;
	case ANSWER_EXTENSION:
		return a->extension == EXTENSION_VERSIONS || !a->left;
	default:
		return false;
	}
}

/* TLS_VERSION_MORE, or what the hello says. */
static int answer_byte(struct tls_answer *a, uint8_t byte, uint16_t *ret_version)
{
	a->number = a->number << 8 | byte;
	a->need--;
	while (!a->need) {
		bool decided = is_decided(a);
		if (a->state == ANSWER_VERSION ||
		    (a->state == ANSWER_EXTENSION && a->extension == EXTENSION_VERSIONS))
			a->version = (uint16_t)a->number;
		if (decided)
			return known(a->version, ret_version);
		if (!end_field(a))
			return known(0, ret_version);
	}
	return TLS_VERSION_MORE;
}

int tls_answer_feed(struct tls_answer *a, struct span bytes, uint16_t *ret_version)
{
	if (a->state == ANSWER_BEGIN)
		end_field(a);
	for (size_t i = 0; i < bytes.len; i++) {
		uint8_t byte = (uint8_t)bytes.ptr[i];
		if (a->record_left) {
			a->record_left--;
			if (answer_byte(a, byte, ret_version) == TLS_VERSION_KNOWN)
				return TLS_VERSION_KNOWN;
			continue;
		}
		if (!header_byte(&a->header, byte))
			continue;
		uint32_t len = header_length(&a->header);
		/* An alert is a refusal: nothing was agreed on. */
		if (a->header.bytes[0] != RECORD_HANDSHAKE || a->header.bytes[1] != 3 || !len ||
		    len > RECORD_ENCRYPTED_MAX || a->records++ == ANSWER_RECORDS)
			return known(0, ret_version);
		a->record_left = (uint16_t)len;
	}
	return TLS_VERSION_MORE;
}

/* --- the client's next records --- */

static uint16_t record_version(const struct tls_flight *f)
{
	uint16_t version = (uint16_t)(f->header.bytes[1] << 8 | f->header.bytes[2]);

	return version >= 0x0300 && version <= 0x0303 && version <= f->offered ? version : 0;
}

/*
 * The first bytes of a handshake record, whose header is still there: a hello says nothing yet (the server
 * asked for another one). Encrypted bytes look like one with a probability of 2^-32.
 */
static bool is_hello(const struct tls_flight *f)
{
	uint32_t len = (uint32_t)f->message[1] << 16 | (uint32_t)f->message[2] << 8 | f->message[3];

	return f->message[0] == CLIENT_HELLO && len + 4 == header_length(&f->header);
}

/* A whole header. */
static int flight_record(struct tls_flight *f, uint16_t *ret_version)
{
	uint32_t len = header_length(&f->header);

	if (!len || len > RECORD_ENCRYPTED_MAX || f->header.bytes[1] != 3 || f->records++ == FLIGHT_RECORDS)
		return known(0, ret_version);
	f->record_left = len;
	switch (f->header.bytes[0]) {
	case RECORD_CHANGE_CIPHER:
		return TLS_VERSION_MORE;
	case RECORD_HANDSHAKE:
		f->looking = true;
		f->message_len = 0;
		return TLS_VERSION_MORE;
	case RECORD_DATA:
		if (f->early_data || (f->offered < 0x0304))
			return known(0, ret_version);
		return known(0x0304, ret_version);
	default: /* an alert: the client gave up, and nobody knows at what */
		return known(0, ret_version);
	}
}

int tls_flight_feed(struct tls_flight *f, struct span bytes, uint16_t *ret_version)
{
	for (size_t i = 0; i < bytes.len;) {
		if (f->looking) {
			f->message[f->message_len++] = (uint8_t)bytes.ptr[i++];
			f->record_left--;
			if (f->message_len < sizeof f->message && f->record_left)
				continue;
			if (f->message_len < sizeof f->message || !is_hello(f))
				return known(record_version(f), ret_version);
			f->looking = false;
		} else if (f->record_left) {
			size_t n = MIN(bytes.len - i, (size_t)f->record_left);
			f->record_left -= (uint32_t)n;
			i += n;
		} else if (header_byte(&f->header, (uint8_t)bytes.ptr[i++])) {
			if (flight_record(f, ret_version) == TLS_VERSION_KNOWN)
				return TLS_VERSION_KNOWN;
		}
	}
	return TLS_VERSION_MORE;
}
