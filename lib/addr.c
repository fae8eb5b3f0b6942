// SPDX-License-Identifier: Apache-2.0
#include "lib/addr.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include "lib/target.h"

static const uint8_t mapped_head[12] = {[10] = 0xff, [11] = 0xff};

struct addr addr_from_bytes(int family, const uint8_t *bytes)
{
	struct addr a = {0};

	if (family == AF_INET) {
		a.family = ADDR_IPV4;
		memcpy(a.bytes, bytes, 4);
	} else if (family == AF_INET6) {
		if (memcmp(bytes, mapped_head, sizeof mapped_head) == 0) {
			a.family = ADDR_IPV4;
			memcpy(a.bytes, bytes + 12, 4);
		} else {
			a.family = ADDR_IPV6;
			memcpy(a.bytes, bytes, 16);
		}
	}
	return a;
}

int addr_parse(struct span text, struct addr *ret)
{
	char z[ADDR_TEXT_MAX];
	uint8_t raw[16];

	if (text.len == 0 || text.len >= sizeof z || memchr(text.ptr, 0, text.len))
		return ADDR_E_SYNTAX;
	memcpy(z, text.ptr, text.len);
	z[text.len] = 0;
	if (inet_pton(AF_INET, z, raw) == 1)
		*ret = addr_from_bytes(AF_INET, raw);
	else if (inet_pton(AF_INET6, z, raw) == 1)
		*ret = addr_from_bytes(AF_INET6, raw);
	else
		return ADDR_E_SYNTAX;
	return 0;
}

const char *addr_format(const struct addr *a, char buf[static ADDR_TEXT_MAX])
{
	buf[0] = 0;
	if (a->family == ADDR_IPV4)
		inet_ntop(AF_INET, a->bytes, buf, ADDR_TEXT_MAX);
	else if (a->family == ADDR_IPV6)
		inet_ntop(AF_INET6, a->bytes, buf, ADDR_TEXT_MAX);
	return buf;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* FNV-1a, 64 bits. Tables keyed by outsiders' addresses bound their chains themselves. */
uint64_t addr_hash(const struct addr *a)
{
	uint64_t h = 0xcbf29ce484222325ull ^ a->family;

	for (size_t i = 0; i < sizeof a->bytes; i++)
		h = (h ^ a->bytes[i]) * 0x100000001b3ull;
	return h;
}

bool addr_is_loopback(const struct addr *a)
{
	static const uint8_t one[16] = {[15] = 1};

	if (a->family == ADDR_IPV4)
		return a->bytes[0] == 127;
	return a->family == ADDR_IPV6 && memcmp(a->bytes, one, 16) == 0;
}

bool addr_is_unspecified(const struct addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->bytes, zero, 16) == 0;
}

struct prefix prefix_of(const struct addr *a, uint8_t bits)
{
	struct prefix p = {.addr = *a, .bits = bits};

	for (unsigned i = 0; i < 16; i++) {
		unsigned first = i * 8;
		if (first >= bits)
			p.addr.bytes[i] = 0;
		else if (bits - first < 8)
			p.addr.bytes[i] &= (uint8_t)(0xff << (8 - (bits - first)));
	}
	return p;
}

int prefix_parse(struct span text, struct prefix *ret)
{
	const char *slash = text.len ? memchr(text.ptr, '/', text.len) : NULL;
	struct span head = text;
	struct addr a;
	unsigned bits = 0;

	if (slash)
		head.len = (size_t)(slash - text.ptr);
	if (addr_parse(head, &a))
		return ADDR_E_SYNTAX;
	if (!slash) {
		*ret = prefix_of(&a, addr_bits(&a));
		return 0;
	}
	struct span tail = {slash + 1, text.len - head.len - 1};
	if (tail.len == 0 || tail.len > 3 || (tail.len > 1 && tail.ptr[0] == '0'))
		return ADDR_E_SYNTAX;
	for (size_t i = 0; i < tail.len; i++) {
		if (tail.ptr[i] < '0' || tail.ptr[i] > '9')
			return ADDR_E_SYNTAX;
		bits = bits * 10 + (unsigned)(tail.ptr[i] - '0');
	}
	/* A mapped prefix such as ::ffff:0:0/96 has become an IPv4 address above; its length would mean
	 * something else. */
	if (bits > addr_bits(&a) || (a.family == ADDR_IPV4 && memchr(head.ptr, ':', head.len)))
		return ADDR_E_SYNTAX;
	struct prefix p = prefix_of(&a, (uint8_t)bits);
	if (!addr_equal(&p.addr, &a))
		return ADDR_E_HOST_BITS;
	*ret = p;
	return 0;
}

const char *prefix_format(const struct prefix *p, char buf[static PREFIX_TEXT_MAX])
{
	if (p->addr.family > ADDR_IPV6) {
		target_format(p, buf);
		return buf;
	}
	addr_format(&p->addr, buf);
	if (buf[0] && !prefix_is_exact(p)) {
		size_t n = strlen(buf);
		snprintf(buf + n, PREFIX_TEXT_MAX - n, "/%u", p->bits);
	}
	return buf;
}

bool prefix_contains(const struct prefix *p, const struct addr *a)
{
	if (p->addr.family != a->family)
		return false;
	struct prefix q = prefix_of(a, p->bits);
	return addr_equal(&q.addr, &p->addr);
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return a->route == b->route &&
	       (a->bits <= b->bits ? prefix_contains(a, &b->addr) : prefix_contains(b, &a->addr));
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->bits == b->bits && a->route == b->route && addr_equal(&a->addr, &b->addr);
}
