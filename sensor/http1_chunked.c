// SPDX-License-Identifier: Apache-2.0
/*
 * http1_chunked.c: where a chunked body ends. Only its framing is read: extensions and trailers are checked
 * and passed over, data is counted. What cannot be a chunk breaks the body off before that byte, so that the
 * caller can look at it.
 */
#include "sensor/http1.h"
#include "lib/util.h"

enum {
	CHUNK_SIZE,      /* hexadecimal digits */
	CHUNK_EXTENSION, /* until the line ends */
	CHUNK_DATA,
	CHUNK_DATA_END, /* CR LF behind the data */
	CHUNK_TRAILER,  /* lines until an empty one */
};

#define CHUNK_LINE_MAX 4096 /* a longer size line or trailer is flagged, and read all the same */

/*
 * The rest of a line whose content does not matter: line_len is 0 at its start, 1 after a CR at its start,
 * else more; bit 31 remembers that the last byte was a CR.
 */
#define LINE_LAST_CR (1u << 31)

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/*
 * Extensions: *( ";" name [ "=" value ] ), where white space is allowed but sent by nobody who is honest; and
 * trailers: name ":" value. What deviates is flagged and read all the same.
 */
enum {
	GRAMMAR_NONE, /* nothing is expected: the line may end */
	EXT_NAME_START,
	EXT_NAME,
	EXT_VALUE_START,
	EXT_VALUE,
	EXT_QUOTED,
	EXT_ESCAPED,
	EXT_QUOTED_END,
	TRAILER_NAME,
	TRAILER_VALUE,
	GRAMMAR_BAD,
};

static bool is_text(char c)
{
	return (unsigned char)c >= 0x20 ? c != 0x7f : c == '\t';
}

static uint8_t extension_next(uint8_t at, char c)
{
	bool name = http1_is_token(c);

	switch (at) {
	case EXT_NAME_START:
		return name ? EXT_NAME : GRAMMAR_BAD;
	case EXT_NAME:
		if (c == '=')
			return EXT_VALUE_START;
		return name ? EXT_NAME : c == ';' ? EXT_NAME_START : GRAMMAR_BAD;
	case EXT_VALUE_START:
		return name ? EXT_VALUE : c == '"' ? EXT_QUOTED : GRAMMAR_BAD;
	case EXT_VALUE:
		return name ? EXT_VALUE : c == ';' ? EXT_NAME_START : GRAMMAR_BAD;
	case EXT_QUOTED:
		if (!is_text(c))
			return GRAMMAR_BAD;
		return c == '"' ? EXT_QUOTED_END : c == '\\' ? EXT_ESCAPED : EXT_QUOTED;
	case EXT_ESCAPED:
		return is_text(c) ? EXT_QUOTED : GRAMMAR_BAD;
	case EXT_QUOTED_END:
		return c == ';' ? EXT_NAME_START : GRAMMAR_BAD;
	default:
		return GRAMMAR_BAD;
	}
}

static uint8_t trailer_next(uint8_t at, char c)
{
	switch (at) {
	case GRAMMAR_NONE:
		return http1_is_token(c) ? TRAILER_NAME : GRAMMAR_BAD;
	case TRAILER_NAME:
		return http1_is_token(c) ? TRAILER_NAME : c == ':' ? TRAILER_VALUE : GRAMMAR_BAD;
	case TRAILER_VALUE:
		return is_text(c) ? TRAILER_VALUE : GRAMMAR_BAD;
	default:
		return GRAMMAR_BAD;
	}
}

/* byte: NULL = the line ends. */
static void chunk_grammar(struct http1_chunked *c, const char *byte)
{
	uint8_t at = c->grammar;

	if (byte)
		at = c->state == CHUNK_TRAILER ? trailer_next(at, *byte) : extension_next(at, *byte);
	else if (at == EXT_NAME || at == EXT_VALUE || at == EXT_QUOTED_END || at == TRAILER_VALUE)
		at = GRAMMAR_NONE;
	if (at == GRAMMAR_BAD || (!byte && at != GRAMMAR_NONE))
		c->deviations |= HTTP_DEV_BAD_CHUNK;
	c->grammar = byte ? at : GRAMMAR_NONE;
}

static void chunk_break(struct http1_chunked *c)
{
	c->deviations |= HTTP_DEV_BAD_CHUNK;
	c->done = c->broken = true;
}

static void chunk_line_end(struct http1_chunked *c, bool after_cr)
{
	if (!after_cr)
		c->deviations |= HTTP_DEV_BARE_LF;
	if (c->line_len > CHUNK_LINE_MAX)
		c->deviations |= HTTP_DEV_BAD_CHUNK;
	c->line_len = 0;
	c->state = c->left ? CHUNK_DATA : CHUNK_TRAILER;
	c->in_data = c->left > 0;
}

/* line_len counts the digits; a line may not begin with anything else. */
static void chunk_size_byte(struct http1_chunked *c, char byte)
{
	int v = hex_value(byte);

	if (v >= 0) {
		if (c->left > (uint64_t)INT64_MAX >> 4) {
			chunk_break(c);
			return;
		}
		c->left = c->left << 4 | (unsigned)v;
		c->line_len++;
		return;
	}
	if (c->line_len == 0) {
		chunk_break(c);
		return;
	}
	if (byte == '\n') {
		chunk_line_end(c, false);
	} else if (byte == '\r' || byte == ';' || byte == ' ' || byte == '\t') {
		if (byte == ' ' || byte == '\t')
			c->deviations |= HTTP_DEV_BAD_CHUNK;
		c->state = CHUNK_EXTENSION;
		c->grammar = byte == ';' ? EXT_NAME_START : byte == '\r' ? GRAMMAR_NONE : GRAMMAR_BAD;
		c->line_len = byte == '\r' ? 1 | LINE_LAST_CR : 2;
	} else {
		chunk_break(c);
	}
}

static void chunk_rest_byte(struct http1_chunked *c, char byte)
{
	bool last_cr = c->line_len & LINE_LAST_CR;
	uint32_t len = c->line_len & ~LINE_LAST_CR;

	if (byte != '\n') {
		/* Some servers take a CR alone for the line's end: what follows must be looked at. */
		if (last_cr && c->state == CHUNK_EXTENSION) {
			chunk_break(c);
			return;
		}
		/* A CR counts only if another byte than LF follows. */
		if (last_cr)
			chunk_grammar(c, "\r");
		if (byte != '\r')
			chunk_grammar(c, &byte);
		len += len <= CHUNK_LINE_MAX;
		c->line_len = len | (byte == '\r' ? LINE_LAST_CR : 0);
		return;
	}
	chunk_grammar(c, NULL);
	bool empty = c->state == CHUNK_TRAILER && (len == 0 || (len == 1 && last_cr));
	c->line_len = len;
	chunk_line_end(c, last_cr);
	c->done = empty;
}

static void chunk_data_end_byte(struct http1_chunked *c, char byte)
{
	if (byte == '\r' && !c->line_len) {
		c->line_len = 1;
	} else if (byte == '\n') {
		if (!c->line_len)
			c->deviations |= HTTP_DEV_BARE_LF;
		c->line_len = 0;
		c->state = CHUNK_SIZE;
	} else {
		c->line_len = 1; /* not at a line start */
		chunk_break(c);
	}
}

static size_t chunk_data(struct http1_chunked *c, size_t available)
{
	size_t n = MIN((uint64_t)available, c->left);

	c->left -= n;
	if (c->left == 0) {
		c->in_data = false;
		c->state = CHUNK_DATA_END;
	}
	return n;
}

size_t http1_chunked_eat(struct http1_chunked *c, struct span bytes)
{
	size_t i = 0;

	while (i < bytes.len && !c->done) {
		if (c->state == CHUNK_DATA) {
			i += chunk_data(c, bytes.len - i);
			continue;
		}
		if (c->state == CHUNK_SIZE)
			chunk_size_byte(c, bytes.ptr[i]);
		else if (c->state == CHUNK_DATA_END)
			chunk_data_end_byte(c, bytes.ptr[i]);
		else
			chunk_rest_byte(c, bytes.ptr[i]);
		/* The byte that breaks it is not part of it. */
		i += !c->broken;
	}
	return i;
}
