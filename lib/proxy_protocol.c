// SPDX-License-Identifier: Apache-2.0
#include "lib/proxy_protocol.h"
#include <sys/socket.h>
#include "lib/util.h"

/* --- version 1: "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n" --- */

#define V1_MAX PROXY_HEADER_HELD_MAX /* with its line's end */

static const struct span v1_start = SPAN("PROXY ");

static bool common_start(struct span a, struct span b)
{
	return memcmp(a.ptr, b.ptr, MIN(a.len, b.len)) == 0;
}

static bool starts_with(struct span s, struct span start)
{
	return s.len >= start.len && common_start(s, start);
}

/* Takes the word up to the next single space, or to the end, off *rest. */
static struct span word_next(struct span *rest)
{
	const char *space = rest->len ? memchr(rest->ptr, ' ', rest->len) : NULL;
	struct span word = {rest->ptr, space ? (size_t)(space - rest->ptr) : rest->len};
	size_t used = word.len + (space != NULL);

	*rest = (struct span){rest->ptr + used, rest->len - used};
	return word;
}

/* Decimal without leading zeros. */
static bool port_parse(struct span text, uint16_t *ret)
{
	uint32_t value = 0;

	if (!text.len || text.len > 5 || (text.len > 1 && text.ptr[0] == '0'))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		value = value * 10 + (uint32_t)(text.ptr[i] - '0');
	}
	if (value > UINT16_MAX)
		return false;
	*ret = (uint16_t)value;
	return true;
}

/* TCP6 may carry a mapped address, which addr_parse makes IPv4. */
static bool v1_addresses(struct span rest, bool ipv6, struct endpoint *source, struct endpoint *destination)
{
	struct span from = word_next(&rest), to = word_next(&rest), from_port = word_next(&rest);
	bool colon = from.len && to.len && memchr(from.ptr, ':', from.len) && memchr(to.ptr, ':', to.len);

	return colon == ipv6 && !addr_parse(from, &source->addr) && !addr_parse(to, &destination->addr) &&
	       port_parse(from_port, &source->port) && port_parse(rest, &destination->port);
}

/* line: without its end. False: not as it should be. */
static bool v1_line(struct span line, struct proxy_header *h)
{
	struct span rest = {line.ptr + v1_start.len, line.len - v1_start.len};
	struct span protocol = word_next(&rest);
	struct endpoint source = {0}, destination = {0};

	if (span_equal(protocol, SPAN("UNKNOWN")))
		return true; /* whatever follows is to be ignored */
	if (!span_equal(protocol, SPAN("TCP4")) && !span_equal(protocol, SPAN("TCP6")))
		return false;
	if (!v1_addresses(rest, protocol.ptr[3] == '6', &source, &destination))
		return false;
	h->source = source;
	h->destination = destination;
	return true;
}

static bool v1_protocol_possible(struct span after)
{
	static const struct span protocols[] = {SPAN("TCP4 "), SPAN("TCP6 "), SPAN("UNKNOWN")};

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (common_start(after, protocols[i]))
			return true;
	return false;
}

static int v1_parse(struct span bytes, struct proxy_header *ret)
{
	struct proxy_header h = {.version = 1};

	if (bytes.len > v1_start.len &&
	    !v1_protocol_possible((struct span){bytes.ptr + v1_start.len, bytes.len - v1_start.len}))
		return PROXY_E_NONE;
	const char *lf = memchr(bytes.ptr, '\n', MIN(bytes.len, (size_t)V1_MAX));
	if (!lf)
		return bytes.len < V1_MAX ? PROXY_E_MORE : PROXY_E_NONE;
	struct span line = {bytes.ptr, (size_t)(lf - bytes.ptr)};
	h.len = line.len + 1;
	bool crlf = line.len && line.ptr[line.len - 1] == '\r';
	line.len -= crlf;
	/* "PROXY \n": no word behind it. */
	h.malformed = line.len <= v1_start.len || !crlf || !v1_line(line, &h);
	if (h.malformed)
		h.source = h.destination = (struct endpoint){0};
	*ret = h;
	return 0;
}

/* --- version 2 --- */

#define V2_HEAD   16 /* signature, version and command, family, length */
#define V2_INET   12
#define V2_INET6  36
#define V2_NEEDED MAX(V2_INET, V2_INET6)

static const struct span v2_signature = SPAN("\r\n\r\n\0\r\nQUIT\n");

static uint16_t be16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* body: what stands behind the first 16 bytes, as far as it is needed. */
static bool v2_addresses(unsigned char family, const unsigned char *body, size_t body_len,
			 struct proxy_header *h)
{
	switch (family >> 4) {
	case 1: /* AF_INET */
		if (body_len < V2_INET)
			return false;
		h->source = (struct endpoint){addr_from_bytes(AF_INET, body), be16(body + 8)};
		h->destination = (struct endpoint){addr_from_bytes(AF_INET, body + 4), be16(body + 10)};
		return true;
	case 2: /* AF_INET6 */
		if (body_len < V2_INET6)
			return false;
		h->source = (struct endpoint){addr_from_bytes(AF_INET6, body), be16(body + 32)};
		h->destination = (struct endpoint){addr_from_bytes(AF_INET6, body + 16), be16(body + 34)};
		return true;
	default: /* UNSPEC, AF_UNIX, and what is not assigned: to be accepted, and ignored */
		return true;
	}
}

static int v2_parse(struct span bytes, struct proxy_header *ret)
{
	const unsigned char *p = (const unsigned char *)bytes.ptr;
	struct proxy_header h = {.version = 2};

	if (bytes.len < V2_HEAD)
		return PROXY_E_MORE;
	if ((p[12] & 0xf0) != 0x20)
		return PROXY_E_NONE;
	size_t body_len = be16(p + 14);
	if (bytes.len < V2_HEAD + MIN(body_len, (size_t)V2_NEEDED))
		return PROXY_E_MORE;
	h.len = V2_HEAD + body_len;
	h.local = (p[12] & 0x0f) == 0;
	if ((p[12] & 0x0f) > 1)
		h.malformed = true;
	else if (!h.local) /* of LOCAL the addresses are to be ignored */
		h.malformed = !v2_addresses(p[13], p + V2_HEAD, body_len, &h);
	*ret = h;
	return 0;
}

int proxy_header_parse(struct span bytes, struct proxy_header *ret)
{
	if (!bytes.len)
		return PROXY_E_MORE;
	if (common_start(bytes, v2_signature))
		return v2_parse(bytes, ret);
	if (!common_start(bytes, v1_start))
		return PROXY_E_NONE;
	return starts_with(bytes, v1_start) ? v1_parse(bytes, ret) : PROXY_E_MORE;
}
