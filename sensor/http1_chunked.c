// SPDX-License-Identifier: Apache-2.0
/*
 * http1_chunked.c: where a chunked body ends. Only its framing is read: extensions and trailers are passed
 * over, data is counted. What cannot be a chunk breaks the body off before that byte, so that the caller can
 * look at it.
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
		len += len <= CHUNK_LINE_MAX;
		c->line_len = len | (byte == '\r' ? LINE_LAST_CR : 0);
		return;
	}
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
