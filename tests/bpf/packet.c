// SPDX-License-Identifier: Apache-2.0
/* packet.c: see packet.h. */
#include "packet.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *more(struct frame_buf *f, size_t len)
{
	if (f->len + len > sizeof(f->bytes))
		abort();
	uint8_t *at = f->bytes + f->len;
	memset(at, 0, len);
	f->len += len;
	return at;
}

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void put32(uint8_t *at, uint32_t v)
{
	put16(at, (uint16_t)(v >> 16));
	put16(at + 2, (uint16_t)v);
}

static void put_addr(uint8_t *at, int family, const char *text)
{
	if (inet_pton(family, text, at) != 1)
		abort();
}

/* A length to be written at `at` by packet_end: of what begins at `from`. */
static void length_later(struct frame_buf *f, size_t at, size_t from)
{
	if (f->length_count == PACKET_LENGTHS_MAX)
		abort();
	f->lengths[f->length_count++] = (struct frame_length){at, from};
}

void packet_begin(struct frame_buf *f)
{
	f->len = f->length_count = 0;
}

void packet_eth(struct frame_buf *f, uint16_t type)
{
	uint8_t *at = more(f, 14);

	at[5] = 1;
	at[11] = 2;
	put16(at + 12, type);
}

void packet_vlan(struct frame_buf *f, uint16_t type)
{
	uint8_t *at = more(f, 4);

	put16(at, 100);
	put16(at + 2, type);
}

void packet_ipv4(struct frame_buf *f, const char *source, const char *destination, uint8_t protocol,
		 size_t options, uint16_t fragment)
{
	length_later(f, f->len + 2, f->len);
	uint8_t *at = more(f, 20 + options);
	at[0] = (uint8_t)(0x45 + options / 4);
	put16(at + 6, fragment);
	at[8] = 64;
	at[9] = protocol;
	put_addr(at + 12, AF_INET, source);
	put_addr(at + 16, AF_INET, destination);
	memset(at + 20, 1, options); /* no-operation options */
}

void packet_ipv6(struct frame_buf *f, const char *source, const char *destination, uint8_t next)
{
	length_later(f, f->len + 4, f->len + 40);
	uint8_t *at = more(f, 40);
	at[0] = 0x60;
	at[6] = next;
	at[7] = 63;
	put_addr(at + 8, AF_INET6, source);
	put_addr(at + 24, AF_INET6, destination);
}

void packet_ext(struct frame_buf *f, uint8_t kind, uint8_t next, uint8_t units)
{
	uint8_t *at = more(f, kind == 51 ? (units + 2) * 4u : (units + 1) * 8u);

	at[0] = next;
	at[1] = units;
}

void packet_fragment(struct frame_buf *f, uint8_t next, uint16_t offset, int more_follow)
{
	uint8_t *at = more(f, 8);

	at[0] = next;
	put16(at + 2, (uint16_t)(offset << 3 | (more_follow ? 1 : 0)));
}

void packet_tcp(struct frame_buf *f, const struct tcp_fields *t)
{
	uint8_t *at = more(f, 20 + t->options);
	unsigned words = t->header_words ? t->header_words : 5 + (unsigned)t->options / 4;

	put16(at, t->source);
	put16(at + 2, t->destination);
	put32(at + 4, t->sequence);
	put32(at + 8, t->acknowledgment);
	at[12] = (uint8_t)(words << 4 | t->reserved << 1 | (t->flags >> 8 & 1));
	at[13] = (uint8_t)t->flags;
	put16(at + 14, t->window);
}

void packet_udp(struct frame_buf *f, uint16_t source, uint16_t destination)
{
	uint8_t *at = more(f, 8);

	put16(at, source);
	put16(at + 2, destination);
	put16(at + 4, 8);
}

void packet_gre(struct frame_buf *f, uint16_t flags, uint16_t type)
{
	uint8_t *at =
		more(f, 4 + (flags & 0x8000 ? 4 : 0) + (flags & 0x2000 ? 4 : 0) + (flags & 0x1000 ? 4 : 0));

	put16(at, flags);
	put16(at + 2, type);
	if (flags & 0x2000)
		put32(at + (flags & 0x8000 ? 8 : 4), 0x00abcdef);
}

void packet_vxlan(struct frame_buf *f, uint16_t port, uint32_t network)
{
	length_later(f, f->len + 4, f->len);
	uint8_t *at = more(f, 16);
	put16(at, 50000);
	put16(at + 2, port);
	at[8] = 0x08;
	put32(at + 12, network << 8);
}

void packet_bytes(struct frame_buf *f, size_t len)
{
	memset(more(f, len), 'x', len);
}

void packet_end(struct frame_buf *f)
{
	for (size_t i = 0; i < f->length_count; i++)
		put16(f->bytes + f->lengths[i].at, (uint16_t)(f->len - f->lengths[i].from));
}
