// SPDX-License-Identifier: Apache-2.0
#include "sensor/refused.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"

/* Sequence numbers wrap: a is behind b (RFC 9293 3.4). */
static bool behind(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static bool has_socket(const struct pk_refused *r)
{
	return r->cookie || r->rcv_nxt;
}

static bool all_old(const struct pk_refused *r)
{
	return has_socket(r) && !behind(r->rcv_nxt, r->header.sequence + r->header.payload_len);
}

/* A keep-alive probe may carry one byte, of any value, in the place of the last one (RFC 9293 3.8.4). */
static bool is_probe(const struct pk_refused *r)
{
	return has_socket(r) && r->header.payload_len == 1 && r->header.sequence + 1 == r->rcv_nxt;
}

bool refused_bytes_tell(const struct pk_refused *r)
{
	if (!r->captured || is_probe(r))
		return false;
	return r->refusal == PK_REFUSED_DUPLICATE || (r->refusal == PK_REFUSED_SEQUENCE && all_old(r));
}

const char *refused_name(const struct pk_refused *r)
{
	switch ((enum pk_refusal)r->refusal) {
	case PK_REFUSED_CHECKSUM:
		return "tcp_invalid_checksum";
	case PK_REFUSED_SEQUENCE:
		/* Keep-alive probes and the acknowledgment of a lost one lie outside, too, without a byte. */
		return r->header.payload_len && !all_old(r) ? "tcp_established_packet_out_of_window" : NULL;
	case PK_REFUSED_ACK:
		return r->header.payload_len ? "tcp_established_invalid_ack" : NULL;
	case PK_REFUSED_FLAGS:
		return "tcp_ack_flag_missing";
	case PK_REFUSED_RESET:
		return has_socket(r) && r->header.sequence != r->rcv_nxt ? "tcp_suspected_rst_injection"
									 : NULL;
	case PK_REFUSED_SYN:
		return "tcp_established_syn_resend";
	case PK_REFUSED_TIMESTAMP:
		return r->header.payload_len ? "tcp_invalid_timestamp" : NULL;
	case PK_REFUSED_DUPLICATE:
	case PK_REFUSED_NOT:
		break;
	}
	return NULL;
}

/* --- kept bytes --- */

struct kept {
	uint64_t number; /* in the order they came */
	uint32_t seq;
	uint32_t len;
	char bytes[PK_REFUSED_MAX];
};

struct refused_kept {
	unsigned count;
	uint64_t numbers, evicted;
	uint64_t cookies[REFUSED_KEPT_MAX]; /* of items, 0: free. Apart, as each read of bytes looks at all of
					       them */
	struct kept items[REFUSED_KEPT_MAX];
};

int refused_kept_new(struct refused_kept **ret)
{
	*ret = calloc(1, sizeof **ret);
	return *ret ? 0 : -ENOMEM;
}

void refused_kept_free(struct refused_kept *k)
{
	free(k);
}

static void item_drop(struct refused_kept *k, unsigned i)
{
	k->cookies[i] = 0;
	k->count--;
}

/* A free place; where there is none, that of the oldest. */
static unsigned place_make(struct refused_kept *k)
{
	unsigned oldest = 0;

	for (unsigned i = 0; i < REFUSED_KEPT_MAX; i++) {
		if (!k->cookies[i])
			return i;
		if (k->items[i].number < k->items[oldest].number)
			oldest = i;
	}
	item_drop(k, oldest);
	k->evicted++;
	return oldest;
}

void refused_keep(struct refused_kept *k, uint64_t cookie, uint32_t seq, struct span bytes)
{
	if (!cookie || !bytes.len || bytes.len > PK_REFUSED_MAX)
		return;
	unsigned i = place_make(k);
	struct kept *item = &k->items[i];
	k->cookies[i] = cookie;
	k->count++;
	item->number = ++k->numbers;
	item->seq = seq;
	item->len = (uint32_t)bytes.len;
	memcpy(item->bytes, bytes.ptr, bytes.len);
}

/* Compares the range that both have. */
static bool item_differs(const struct kept *item, uint32_t seq, struct span bytes)
{
	int32_t ahead = (int32_t)(item->seq - seq); /* of item's first byte before ours */
	size_t in_item = ahead < 0 ? (size_t) - (int64_t)ahead : 0, in_bytes = ahead > 0 ? (size_t)ahead : 0;

	if (in_item >= item->len || in_bytes >= bytes.len)
		return false;
	return memcmp(item->bytes + in_item, bytes.ptr + in_bytes,
		      MIN(item->len - in_item, bytes.len - in_bytes)) != 0;
}

bool refused_differs(struct refused_kept *k, uint64_t cookie, uint32_t seq, struct span bytes)
{
	bool differs = false;

	if (!k->count || !cookie)
		return false;
	for (unsigned i = 0; i < REFUSED_KEPT_MAX; i++) {
		const struct kept *item = &k->items[i];
		if (k->cookies[i] != cookie)
			continue;
		differs = differs || item_differs(item, seq, bytes);
		if (!behind(seq + (uint32_t)bytes.len, item->seq + item->len))
			item_drop(k, i);
	}
	return differs;
}

void refused_forget(struct refused_kept *k, uint64_t cookie)
{
	if (!k->count || !cookie)
		return;
	for (unsigned i = 0; i < REFUSED_KEPT_MAX; i++)
		if (k->cookies[i] == cookie)
			item_drop(k, i);
}

uint64_t refused_kept_evicted(const struct refused_kept *k)
{
	return k->evicted;
}
