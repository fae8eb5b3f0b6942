// SPDX-License-Identifier: Apache-2.0
/*
 * tls_hello.c: two layers. Records are opened as their bytes come; what is in them is read field by field,
 * each of which says how many bytes it needs before a byte of it is looked at. Extensions that are read are
 * first copied whole, so that their lists are plain bounded memory.
 */
#include "sensor/tls_hello.h"
#include <string.h>
#include "lib/addr.h"
#include "lib/event.h"
#include "lib/util.h"

enum { RECORD_HANDSHAKE = 22, CLIENT_HELLO = 1 };

enum {
	EXTENSION_SERVER_NAME = 0,
	EXTENSION_GROUPS = 10,
	EXTENSION_FORMATS = 11,
	EXTENSION_SIGNATURES = 13,
	EXTENSION_ALPN = 16,
	EXTENSION_EARLY_DATA = 42,
	EXTENSION_VERSIONS = 43,
};

/* The field at hand, in the order of the message. */
enum {
	FIELD_TYPE,
	FIELD_LENGTH,
	FIELD_VERSION,
	FIELD_RANDOM,
	FIELD_SESSION_LENGTH,
	FIELD_SESSION,
	FIELD_CIPHERS_LENGTH,
	FIELD_CIPHER,
	FIELD_COMPRESSION_LENGTH,
	FIELD_COMPRESSION,
	FIELD_EXTENSIONS_LENGTH,
	FIELD_EXTENSION_TYPE,
	FIELD_EXTENSION_LENGTH,
	FIELD_EXTENSION,
	FIELD_TRAILING,
};

/* --- lists in extensions --- */

/* What is left to read of something; a read beyond its end gives nothing and leaves a mark. */
struct cursor {
	const uint8_t *at;
	size_t left;
	bool broken;
};

static uint16_t cursor_number(struct cursor *c, size_t width)
{
	uint16_t v = 0;

	if (c->left < width) {
		c->broken = true;
		c->left = 0;
		return 0;
	}
	for (size_t i = 0; i < width; i++)
		v = (uint16_t)(v << 8 | c->at[i]);
	c->at += width;
	c->left -= width;
	return v;
}

/* The next n bytes. */
static struct cursor cursor_part(struct cursor *c, size_t n)
{
	struct cursor part = {c->at, n, false};

	if (c->left < n) {
		c->broken = true;
		c->left = 0;
		return (struct cursor){c->at, 0, true};
	}
	c->at += n;
	c->left -= n;
	return part;
}

/* A list behind its length in `width` bytes; an extension without a byte is an empty one. */
static struct cursor cursor_list(struct tls_hello *h, struct cursor *c, size_t width)
{
	if (!c->left)
		return *c;
	struct cursor list = cursor_part(c, cursor_number(c, width));
	if (c->left)
		h->deviations |= TLS_DEV_TRAILING;
	return list;
}

static enum tls_hello_result read_numbers(struct tls_hello *h, struct cursor c, size_t length_width,
					  uint16_t *to, uint16_t *count, size_t max)
{
	struct cursor list = cursor_list(h, &c, length_width);

	if (c.broken || list.left % 2)
		return TLS_HELLO_BROKEN;
	if (list.left / 2 > max)
		return TLS_HELLO_TOO_LONG;
	while (list.left)
		to[(*count)++] = cursor_number(&list, 2);
	return TLS_HELLO_MORE;
}

static enum tls_hello_result read_formats(struct tls_hello *h, struct cursor c)
{
	struct cursor list = cursor_list(h, &c, 1);

	if (c.broken)
		return TLS_HELLO_BROKEN;
	if (list.left > TLS_FORMATS_MAX)
		return TLS_HELLO_TOO_LONG;
	while (list.left)
		h->formats[h->format_count++] = (uint8_t)cursor_number(&list, 1);
	return TLS_HELLO_MORE;
}

static enum tls_hello_result read_versions(struct tls_hello *h, struct cursor c)
{
	uint16_t versions[127], count = 0; /* its length is one byte */
	enum tls_hello_result r = read_numbers(h, c, 1, versions, &count, ARRAY_SIZE(versions));

	for (uint16_t i = 0; i < count; i++) {
		if (!tls_is_grease(versions[i]) && versions[i] > h->highest)
			h->highest = versions[i];
	}
	return r;
}

/* Letters, digits, "-", "." and "_": what a host name is made of where people are not strict. */
static bool is_host_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'))
			return false;
	}
	return true;
}

static void set_name(struct tls_hello *h, const struct cursor *name)
{
	struct addr address;

	if (!name->left) {
		h->deviations |= TLS_DEV_SNI_EMPTY;
		return;
	}
	if (name->left > TLS_NAME_MAX) {
		h->deviations |= TLS_DEV_SNI_LONG;
		return;
	}
	for (size_t i = 0; i < name->left; i++) {
		char c = (char)name->at[i];
		h->name[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
	}
	h->name_len = (uint8_t)name->left;
	struct span text = {h->name, h->name_len};
	if (addr_parse(text, &address) == 0)
		h->deviations |= TLS_DEV_SNI_ADDRESS;
	else if (!is_host_name(text))
		h->deviations |= TLS_DEV_SNI_INVALID;
}

static enum tls_hello_result read_server_name(struct tls_hello *h, struct cursor c)
{
	struct cursor list = cursor_list(h, &c, 2);
	unsigned hosts = 0;

	while (list.left) {
		bool host = cursor_number(&list, 1) == 0;
		struct cursor name = cursor_part(&list, cursor_number(&list, 2));
		if (list.broken)
			return TLS_HELLO_BROKEN;
		if (host && !hosts++)
			set_name(h, &name);
	}
	if (!hosts)
		h->deviations |= TLS_DEV_SNI_EMPTY;
	if (hosts > 1)
		h->deviations |= TLS_DEV_SNI_SEVERAL;
	return c.broken ? TLS_HELLO_BROKEN : TLS_HELLO_MORE;
}

static enum tls_hello_result read_alpn(struct tls_hello *h, struct cursor c)
{
	struct cursor list = cursor_list(h, &c, 2);
	bool room = true;

	if (!list.left)
		h->deviations |= TLS_DEV_ALPN_INVALID;
	while (list.left) {
		struct cursor name = cursor_part(&list, cursor_number(&list, 1));
		if (list.broken)
			return TLS_HELLO_BROKEN;
		if (!name.left)
			h->deviations |= TLS_DEV_ALPN_INVALID;
		room = room && h->alpn_len + 1 + name.left <= TLS_ALPN_BYTES;
		if (!room)
			continue;
		h->alpn[h->alpn_len++] = (uint8_t)name.left;
		memcpy(h->alpn + h->alpn_len, name.at, name.left);
		h->alpn_len = (uint16_t)(h->alpn_len + name.left);
	}
	return c.broken ? TLS_HELLO_BROKEN : TLS_HELLO_MORE;
}

static uint16_t extension_type(const struct tls_hello *h)
{
	return h->extensions[h->extension_count - 1];
}

/* Its whole body is there. */
static enum tls_hello_result read_extension(struct tls_hello *h)
{
	struct cursor c = {h->body, h->body_len, false};

	switch (extension_type(h)) {
	case EXTENSION_SERVER_NAME:
		return read_server_name(h, c);
	case EXTENSION_GROUPS:
		return read_numbers(h, c, 2, h->groups, &h->group_count, TLS_GROUPS_MAX);
	case EXTENSION_FORMATS:
		return read_formats(h, c);
	case EXTENSION_SIGNATURES:
		return read_numbers(h, c, 2, h->signatures, &h->signature_count, TLS_SIGNATURES_MAX);
	case EXTENSION_ALPN:
		return read_alpn(h, c);
	case EXTENSION_VERSIONS:
		return read_versions(h, c);
	default:
		return TLS_HELLO_MORE;
	}
}

static bool is_read(uint16_t type)
{
	return type == EXTENSION_SERVER_NAME || type == EXTENSION_GROUPS || type == EXTENSION_FORMATS ||
	       type == EXTENSION_SIGNATURES || type == EXTENSION_ALPN || type == EXTENSION_VERSIONS;
}

/* --- fields of the message --- */

static enum tls_hello_result enter(struct tls_hello *h, uint8_t field, uint32_t bytes)
{
	if (bytes > h->left)
		return TLS_HELLO_BROKEN;
	h->left -= bytes;
	h->state = field;
	h->need = bytes;
	h->number = 0;
	return TLS_HELLO_MORE;
}

static enum tls_hello_result next_cipher(struct tls_hello *h)
{
	if (!h->list_left)
		return enter(h, FIELD_COMPRESSION_LENGTH, 1);
	h->list_left--;
	return enter(h, FIELD_CIPHER, 2);
}

static enum tls_hello_result begin_ciphers(struct tls_hello *h)
{
	if (h->number % 2 || h->number > h->left)
		return TLS_HELLO_BROKEN;
	if (h->number / 2 > TLS_CIPHERS_MAX)
		return TLS_HELLO_TOO_LONG;
	if (!h->number)
		h->deviations |= TLS_DEV_NO_CIPHERS;
	h->list_left = (uint16_t)(h->number / 2);
	return next_cipher(h);
}

static enum tls_hello_result next_extension(struct tls_hello *h)
{
	if (!h->extensions_left)
		return h->left ? enter(h, FIELD_TRAILING, h->left) : TLS_HELLO_WHOLE;
	if (h->extensions_left < 4)
		return TLS_HELLO_BROKEN;
	h->extensions_left = (uint16_t)(h->extensions_left - 4);
	return enter(h, FIELD_EXTENSION_TYPE, 2);
}

static enum tls_hello_result begin_extensions(struct tls_hello *h)
{
	if (h->number > h->left)
		return TLS_HELLO_BROKEN;
	if (h->number < h->left)
		h->deviations |= TLS_DEV_TRAILING;
	h->extensions_left = (uint16_t)h->number;
	return next_extension(h);
}

static enum tls_hello_result begin_extension(struct tls_hello *h)
{
	uint16_t type = (uint16_t)h->number;
	bool again = false;

	if (h->extension_count == TLS_EXTENSIONS_MAX)
		return TLS_HELLO_TOO_LONG;
	for (uint16_t i = 0; i < h->extension_count && !again; i++)
		again = h->extensions[i] == type;
	h->extensions[h->extension_count++] = type;
	if (again)
		h->deviations |= TLS_DEV_TWICE;
	h->reading = !again && is_read(type);
	h->early_data |= type == EXTENSION_EARLY_DATA;
	h->has_server_name |= type == EXTENSION_SERVER_NAME;
	return enter(h, FIELD_EXTENSION_LENGTH, 2);
}

static enum tls_hello_result begin_extension_body(struct tls_hello *h)
{
	if (h->number > h->extensions_left)
		return TLS_HELLO_BROKEN;
	h->extensions_left = (uint16_t)(h->extensions_left - h->number);
	h->body_len = 0;
	if (h->reading && h->number > TLS_BODY_MAX) {
		if (extension_type(h) != EXTENSION_SERVER_NAME)
			return TLS_HELLO_TOO_LONG;
		h->deviations |= TLS_DEV_SNI_LONG;
		h->reading = false;
	}
	return enter(h, FIELD_EXTENSION, h->number);
}

static enum tls_hello_result end_extension(struct tls_hello *h)
{
	enum tls_hello_result r = h->reading ? read_extension(h) : TLS_HELLO_MORE;

	return r == TLS_HELLO_MORE ? next_extension(h) : r;
}

/* All of the field at hand is there: what it means, and which one is next. */
static enum tls_hello_result end_field(struct tls_hello *h)
{
	switch (h->state) {
	case FIELD_TYPE:
		return h->number == CLIENT_HELLO ? enter(h, FIELD_LENGTH, 3) : TLS_HELLO_NOT_TLS;
	case FIELD_LENGTH:
		if (h->number > TLS_HELLO_MAX)
			return TLS_HELLO_TOO_LONG;
		h->size = h->number + 4;
		h->left = h->number;
		return enter(h, FIELD_VERSION, 2);
	case FIELD_VERSION:
		h->version = (uint16_t)h->number;
		return enter(h, FIELD_RANDOM, 32);
	case FIELD_RANDOM:
		return enter(h, FIELD_SESSION_LENGTH, 1);
	case FIELD_SESSION_LENGTH:
		return h->number > 32 ? TLS_HELLO_BROKEN : enter(h, FIELD_SESSION, h->number);
	case FIELD_SESSION:
		return enter(h, FIELD_CIPHERS_LENGTH, 2);
	case FIELD_CIPHERS_LENGTH:
		return begin_ciphers(h);
	case FIELD_CIPHER:
		h->ciphers[h->cipher_count++] = (uint16_t)h->number;
		return next_cipher(h);
	case FIELD_COMPRESSION_LENGTH:
		return enter(h, FIELD_COMPRESSION, h->number);
	case FIELD_COMPRESSION: /* before TLS 1.3 extensions may be missing as a whole */
		return h->left ? enter(h, FIELD_EXTENSIONS_LENGTH, 2) : TLS_HELLO_WHOLE;
	case FIELD_EXTENSIONS_LENGTH:
		return begin_extensions(h);
	case FIELD_EXTENSION_TYPE:
		return begin_extension(h);
	case FIELD_EXTENSION_LENGTH:
		return begin_extension_body(h);
	case FIELD_EXTENSION:
		return end_extension(h);
	default: /* FIELD_TRAILING */
		return TLS_HELLO_WHOLE;
	}
}

/* n bytes of the field at hand. */
static void take(struct tls_hello *h, const uint8_t *at, size_t n)
{
	switch (h->state) {
	case FIELD_RANDOM:
	case FIELD_SESSION:
	case FIELD_COMPRESSION:
	case FIELD_TRAILING:
		return;
	case FIELD_EXTENSION:
		if (!h->reading)
			return;
		memcpy(h->body + h->body_len, at, n);
		h->body_len = (uint16_t)(h->body_len + n);
		return;
	default:
		for (size_t i = 0; i < n; i++)
			h->number = h->number << 8 | at[i];
	}
}

/* Bytes of the message. */
static enum tls_hello_result message_feed(struct tls_hello *h, const uint8_t *bytes, size_t len,
					  size_t *ret_used)
{
	size_t at = 0;

	for (;;) {
		while (!h->need) {
			enum tls_hello_result r = end_field(h);
			*ret_used = at;
			if (r != TLS_HELLO_MORE)
				return r;
		}
		if (at == len)
			return TLS_HELLO_MORE;
		size_t n = MIN(len - at, (size_t)h->need);
		take(h, bytes + at, n);
		h->need -= (uint32_t)n;
		at += n;
		*ret_used = at;
	}
}

/* --- records --- */

/* One more byte of a record's header. */
static enum tls_hello_result header_byte(struct tls_hello *h, uint8_t byte)
{
	enum tls_hello_result wrong = h->records ? TLS_HELLO_BROKEN : TLS_HELLO_NOT_TLS;

	h->header[h->header_len++] = byte;
	if (h->header[0] != RECORD_HANDSHAKE || (h->header_len > 1 && h->header[1] != 3))
		return wrong;
	if (h->header_len < sizeof h->header)
		return TLS_HELLO_MORE;
	uint16_t len = (uint16_t)(h->header[3] << 8 | h->header[4]);
	if (!len || len > TLS_RECORD_MAX) /* an empty one is forbidden: RFC 8446 section 5.1 */
		return wrong;
	if (h->header[2] > 4)
		h->deviations |= TLS_DEV_RECORD_VERSION;
	h->record_left = len;
	if (h->records < UINT16_MAX)
		h->records++;
	h->header_len = 0;
	return TLS_HELLO_MORE;
}

static enum tls_hello_result feed(struct tls_hello *h, const uint8_t *bytes, size_t len, size_t *at)
{
	enum tls_hello_result r = TLS_HELLO_MORE;

	while (*at < len && r == TLS_HELLO_MORE) {
		size_t used = 0;
		if (!h->record_left) {
			r = header_byte(h, bytes[(*at)++]);
			continue;
		}
		r = message_feed(h, bytes + *at, MIN(len - *at, (size_t)h->record_left), &used);
		h->record_left = (uint16_t)(h->record_left - used);
		*at += used;
	}
	return r;
}

enum tls_hello_result tls_hello_feed(struct tls_hello *h, struct span bytes, size_t *ret_used)
{
	*ret_used = 0;
	if (!h->begun) {
		h->begun = true;
		h->left = 4; /* type and length */
		enter(h, FIELD_TYPE, 1);
	}
	enum tls_hello_result r = feed(h, (const uint8_t *)bytes.ptr, bytes.len, ret_used);
	if (r == TLS_HELLO_WHOLE && h->records > (h->size + TLS_RECORD_MAX - 1) / TLS_RECORD_MAX)
		h->deviations |= TLS_DEV_RECORDS;
	return r;
}

/* --- what it says --- */

uint16_t tls_hello_offered(const struct tls_hello *h)
{
	return h->highest ? h->highest : h->version;
}

bool tls_alpn_next(struct span *list, struct span *ret_name)
{
	size_t n = list->len ? (uint8_t)list->ptr[0] : 0;

	if (!list->len || n > list->len - 1)
		return false;
	*ret_name = (struct span){list->ptr + 1, n};
	*list = (struct span){list->ptr + 1 + n, list->len - 1 - n};
	return true;
}
