// SPDX-License-Identifier: Apache-2.0
#include "sensor/tcp_checksum.h"
#include <arpa/inet.h>
#include "sensor/tcp_options.h"

/* Ones' complement sums, 16 bit words in network order, carried over in 64 bits. */
static uint64_t sum_bytes(const char *p, size_t len)
{
	uint64_t sum = 0;

	for (; len >= 4; p += 4, len -= 4) {
		uint32_t word;
		memcpy(&word, p, 4);
		sum += word;
	}
	if (len) {
		uint32_t word = 0;
		memcpy(&word, p, len);
		sum += word;
	}
	return sum;
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint64_t sum_addresses(const struct segment_view *s)
{
	size_t len = s->source.addr.family == ADDR_IPV4 ? 4 : 16;

	return sum_bytes((const char *)s->source.addr.bytes, len) +
	       sum_bytes((const char *)s->destination.addr.bytes, len) + htons(6 /* protocol */);
}

/* The fixed header, its checksum zero. */
static uint64_t sum_header(const struct segment_view *s)
{
	const uint16_t words[] = {
		htons(s->source.port),
		htons(s->destination.port),
		htons(s->sequence >> 16),
		htons(s->sequence & 0xffff),
		htons(s->acknowledgment >> 16),
		htons(s->acknowledgment & 0xffff),
		htons((uint16_t)((s->header_length / 4) << 12 | (s->flags & 0x1ff))),
		htons(s->window),
		0,
		htons(s->urgent),
	};

	return sum_bytes((const char *)words, sizeof words);
}

enum tcp_checksum tcp_checksum(const struct segment_view *s)
{
	uint64_t pseudo, all;
	uint16_t right;

	if (s->reserved || s->header_length < TCP_HEADER_MIN || s->payload.len != s->payload_len ||
	    s->options.len != (size_t)s->header_length - TCP_HEADER_MIN)
		return TCP_CHECKSUM_UNKNOWN;
	/* IPv6 sums the length as 32 bits; for a segment of an IPv4 packet the upper half is zero. */
	pseudo = sum_addresses(s) + htonl(s->l4_len);
	/* Options are a multiple of four bytes long: both parts begin at an even place. */
	all = pseudo + sum_header(s) + sum_bytes(s->options.ptr, s->options.len) +
	      sum_bytes(s->payload.ptr, s->payload.len);
	right = (uint16_t)~fold(all);
	if (s->checksum == right)
		return TCP_CHECKSUM_RIGHT;
	if (s->checksum == 0 || s->checksum == fold(pseudo) || s->checksum == fold(sum_addresses(s)))
		return TCP_CHECKSUM_UNFILLED;
	return TCP_CHECKSUM_WRONG;
}
