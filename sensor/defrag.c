// SPDX-License-Identifier: Apache-2.0
#include "sensor/defrag.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"

#define ETHERNET_HEADER 14
#define TAGS_MAX        2
#define IPV4_HEADER     20
#define IPV6_HEADER     40
#define PAYLOAD_MAX     65535
#define UNIT            8   /* fragments begin at multiples of it */
#define HEAD_MAX        256 /* of link and IP headers, and of IPv6 headers before that of the fragment */

/* Where a fragment stands in its frame, and in its datagram. */
struct fragment {
	uint8_t version, protocol; /* protocol: IPv4, or IPv6's next header behind the fragment's */
	const uint8_t *addresses;
	uint32_t id;
	size_t l3, head_len; /* offset of the IP header; bytes before the payload's place */
	size_t next_at;      /* IPv6: where the kind of the fragment header stands */
	const uint8_t *payload;
	size_t start, len; /* of the payload in the datagram */
	bool more;
};

struct datagram {
	bool used;
	uint8_t version, protocol, addresses[32];
	uint32_t id;
	uint64_t first_ns;
	uint8_t head[HEAD_MAX];
	size_t l3, head_len, next_at; /* of the first fragment, if head_len */
	uint8_t next;
	bool l3_only;
	uint32_t mark;
	size_t total; /* of the payload, if the last one came; else 0 */
	size_t have;
	uint8_t units[(PAYLOAD_MAX / UNIT + 1 + 7) / 8]; /* which came */
	uint8_t payload[PAYLOAD_MAX + 1];
};

struct defrag {
	uint8_t protocol; /* the only one, or 0 */
	struct defrag_counts counts;
	struct datagram *list[DEFRAG_DATAGRAMS_MAX]; /* allocated when first used */
	uint8_t frame[HEAD_MAX + PAYLOAD_MAX + 1];
};

int defrag_new(uint8_t protocol, struct defrag **ret)
{
	struct defrag *d = calloc(1, sizeof *d);

	if (!d)
		return -ENOMEM;
	d->protocol = protocol;
	*ret = d;
	return 0;
}

void defrag_free(struct defrag *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < DEFRAG_DATAGRAMS_MAX; i++)
		free(d->list[i]);
	free(d);
}

struct defrag_counts defrag_counts(const struct defrag *d)
{
	return d->counts;
}

/* --- headers --- */

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static bool read_ipv4(const uint8_t *b, size_t len, size_t l3, struct fragment *ret)
{
	const uint8_t *ip = b + l3;

	if (len < l3 + IPV4_HEADER || ip[0] >> 4 != 4)
		return false;
	size_t head = (ip[0] & 15u) * 4u, total = get16(ip + 2);
	unsigned place = get16(ip + 6);
	if (!(place & 0x3fff) || head < IPV4_HEADER || total < head || l3 + total > len)
		return false;
	*ret = (struct fragment){.version = 4,
				 .protocol = ip[9],
				 .addresses = ip + 12,
				 .id = get16(ip + 4),
				 .l3 = l3,
				 .head_len = l3 + head,
				 .payload = ip + head,
				 .start = (place & 0x1fff) * (size_t)UNIT,
				 .len = total - head,
				 .more = place & 0x2000};
	return true;
}

/* Hop-by-hop, routing and destination options may stand before the fragment header. */
static bool read_ipv6(const uint8_t *b, size_t len, size_t l3, struct fragment *ret)
{
	const uint8_t *ip = b + l3;

	if (len < l3 + IPV6_HEADER || ip[0] >> 4 != 6)
		return false;
	size_t end = l3 + IPV6_HEADER + get16(ip + 4), at = l3 + IPV6_HEADER, next_at = l3 + 6;
	if (end > len)
		return false;
	while (b[next_at] == 0 || b[next_at] == 43 || b[next_at] == 60) {
		if (at + 8 > end)
			return false;
		next_at = at;
		at += (b[at + 1] + 1u) * 8u;
	}
	if (b[next_at] != 44 || at + 8 > end)
		return false;
	unsigned place = get16(b + at + 2);
	if (!(place & 0xfff9)) /* whole: it is looked at by itself (RFC 6946) */
		return false;
	uint32_t id = (uint32_t)get16(b + at + 4) << 16 | get16(b + at + 6);
	*ret = (struct fragment){.version = 6,
				 .protocol = b[at],
				 .addresses = ip + 8,
				 .id = id,
				 .l3 = l3,
				 .head_len = at,
				 .next_at = next_at,
				 .payload = b + at + 8,
				 .start = place & 0xfff8u,
				 .len = end - at - 8,
				 .more = place & 1};
	return true;
}

/* False: no fragment, or not all of it was captured. */
static bool read_fragment(const struct defrag_frame *f, struct fragment *ret)
{
	size_t l3 = f->l3_only ? 0 : ETHERNET_HEADER;
	unsigned type;
	bool is;

	if (f->len < l3 || !f->len)
		return false;
	if (f->l3_only)
		type = f->bytes[0] >> 4 == 6 ? 0x86dd : 0x0800;
	else
		type = get16(f->bytes + 12);
	for (int i = 0; i < TAGS_MAX && (type == 0x8100 || type == 0x88a8) && f->len >= l3 + 4; i++) {
		type = get16(f->bytes + l3 + 2);
		l3 += 4;
	}
	if (type == 0x0800)
		is = read_ipv4(f->bytes, f->len, l3, ret);
	else if (type == 0x86dd)
		is = read_ipv6(f->bytes, f->len, l3, ret);
	else
		return false;
	return is && ret->len && ret->head_len <= HEAD_MAX && ret->start + ret->len <= PAYLOAD_MAX &&
	       (!ret->more || ret->len % UNIT == 0);
}

/* --- datagrams --- */

static bool belongs(const struct datagram *g, const struct fragment *f)
{
	size_t n = f->version == 4 ? 8 : 32;

	return g->used && g->version == f->version && g->id == f->id &&
	       (f->version == 6 || g->protocol == f->protocol) && memcmp(g->addresses, f->addresses, n) == 0;
}

static void begin(struct datagram *g, const struct fragment *f, uint64_t now_ns)
{
	memset(g, 0, offsetof(struct datagram, payload));
	g->used = true;
	g->version = f->version;
	g->protocol = f->protocol;
	g->id = f->id;
	g->first_ns = now_ns;
	memcpy(g->addresses, f->addresses, f->version == 4 ? 8 : 32);
}

/* Its datagram, or a place for it. NULL: no memory. */
static struct datagram *datagram_of(struct defrag *d, const struct fragment *f, uint64_t now_ns)
{
	struct datagram **place = NULL, **oldest = NULL;

	for (size_t i = 0; i < DEFRAG_DATAGRAMS_MAX; i++) {
		struct datagram **at = &d->list[i], *g = *at;
		if (g && g->used && now_ns > g->first_ns + DEFRAG_HELD_NS) {
			g->used = false;
			d->counts.given_up++;
		}
		if (g && belongs(g, f))
			return g;
		if (!g || !g->used)
			place = !place || g ? at : place; /* rather one that has its memory */
		else if (!oldest || g->first_ns < (*oldest)->first_ns)
			oldest = at;
	}
	if (!place) {
		place = oldest;
		d->counts.given_up++;
	}
	if (!*place)
		*place = malloc(sizeof **place);
	if (*place)
		begin(*place, f, now_ns);
	return *place;
}

static bool unit_came(const struct datagram *g, size_t unit)
{
	return g->units[unit / 8] >> (unit % 8) & 1;
}

/* How many of its units came before. */
static size_t units_came(const struct datagram *g, const struct fragment *f)
{
	size_t n = 0;

	for (size_t u = f->start / UNIT; u * UNIT < f->start + f->len; u++)
		n += unit_came(g, u);
	return n;
}

/* 0: taken; 1: a copy; 2: it cannot belong there. */
static int take(struct datagram *g, const struct fragment *f)
{
	size_t units = (f->len + UNIT - 1) / UNIT, came = units_came(g, f);

	if (came == units && memcmp(g->payload + f->start, f->payload, f->len) == 0)
		return 1;
	if (came || (g->total && f->start + f->len > g->total) || (!f->more && g->total))
		return 2;
	memcpy(g->payload + f->start, f->payload, f->len);
	for (size_t u = f->start / UNIT; u * UNIT < f->start + f->len; u++)
		g->units[u / 8] |= (uint8_t)(1u << (u % 8));
	g->have += f->len;
	if (!f->more)
		g->total = f->start + f->len;
	return 0;
}

static void keep_head(struct datagram *g, const struct fragment *f, const struct defrag_frame *frame)
{
	memcpy(g->head, frame->bytes, f->head_len);
	g->l3_only = frame->l3_only;
	g->mark = frame->mark;
	g->l3 = f->l3;
	g->head_len = f->head_len;
	g->next_at = f->next_at;
	g->next = f->protocol;
}

/* The frame as it was before it was cut. False: too long for one. */
static bool put_together(struct defrag *d, const struct datagram *g, struct defrag_whole *ret)
{
	size_t len = g->head_len + g->total;
	uint8_t *ip = d->frame + g->l3;

	memcpy(d->frame, g->head, g->head_len);
	memcpy(d->frame + g->head_len, g->payload, g->total);
	if (g->version == 4) {
		if (len - g->l3 > PAYLOAD_MAX)
			return false;
		put16(ip + 2, len - g->l3);
		put16(ip + 6, 0);
	} else {
		if (len - g->l3 - IPV6_HEADER > PAYLOAD_MAX)
			return false;
		put16(ip + 4, len - g->l3 - IPV6_HEADER);
		d->frame[g->next_at] = g->next;
	}
	ret->frame.bytes = d->frame;
	ret->frame.len = len;
	ret->frame.l3_only = g->l3_only;
	ret->frame.mark = g->mark;
	ret->ip = g->l3;
	ret->payload = g->head_len;
	ret->version = g->version;
	ret->protocol = g->next;
	return true;
}

bool defrag_add(struct defrag *d, const struct defrag_frame *f, struct defrag_whole *ret)
{
	struct fragment fragment;

	if (!read_fragment(f, &fragment))
		return false;
	/* IPv6 tells it in the first fragment alone: those of others are nobody's, whatever they say. */
	if (d->protocol && fragment.version == 4 && fragment.protocol != d->protocol)
		return false;
	d->counts.fragments++;
	struct datagram *g = datagram_of(d, &fragment, f->time_ns);
	if (!g) {
		d->counts.given_up++;
		return false;
	}
	switch (take(g, &fragment)) {
	case 0:
		break;
	case 1:
		return false;
	default:
		g->used = false;
		d->counts.overlapping++;
		return false;
	}
	if (fragment.start == 0)
		keep_head(g, &fragment, f);
	if (!g->total || g->have != g->total || !g->head_len)
		return false;
	g->used = false;
	d->counts.whole++;
	ret->frame.time_ns = f->time_ns;
	return put_together(d, g, ret);
}
