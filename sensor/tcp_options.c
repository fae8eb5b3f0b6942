// SPDX-License-Identifier: Apache-2.0
#include "sensor/tcp_options.h"

enum kind {
	KIND_END = 0,
	KIND_NOP = 1,
	KIND_MSS = 2,
	KIND_SCALE = 3,
	KIND_SACK_PERMITTED = 4,
	KIND_SACK = 5,
	KIND_TIMESTAMPS = 8,
	KIND_MD5 = 19,
	KIND_AUTHENTICATION = 29,
	KIND_FAST_OPEN = 34,
};

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Is len, kind and length octets included, one that the kind may have? */
static bool length_fits(uint8_t kind, uint8_t len)
{
	switch (kind) {
	case KIND_MSS:
		return len == 4;
	case KIND_SCALE:
		return len == 3;
	case KIND_SACK_PERMITTED:
		return len == 2;
	case KIND_SACK: /* one to four blocks of two sequence numbers */
		return len >= 10 && (len - 2) % 8 == 0;
	case KIND_TIMESTAMPS:
		return len == 10;
	case KIND_MD5:
		return len == 18;
	case KIND_AUTHENTICATION:
		return len >= 4;
	case KIND_FAST_OPEN: /* a request for a cookie, or one of 4 to 16 bytes, an even number */
		return len == 2 || (len >= 6 && len <= 18 && len % 2 == 0);
	default:
		return true;
	}
}

static void option_take(struct tcp_options *o, const uint8_t *p)
{
	switch (p[0]) {
	case KIND_MSS:
		o->has_mss = true;
		o->mss = (uint16_t)(p[2] << 8 | p[3]);
		break;
	case KIND_SCALE:
		o->has_scale = true;
		o->scale = p[2] > 14 ? 14 : p[2];
		break;
	case KIND_SACK_PERMITTED:
		o->has_sack_permitted = true;
		break;
	case KIND_TIMESTAMPS:
		o->has_timestamps = true;
		o->ts_value = be32(p + 2);
		o->ts_echo = be32(p + 6);
		break;
	case KIND_MD5:
	case KIND_AUTHENTICATION:
		o->has_signature = true;
		break;
	case KIND_FAST_OPEN:
		o->has_fast_open = true;
		break;
	default:
		break;
	}
}

/* Kinds that a segment may carry once. */
static bool kind_is_single(uint8_t kind)
{
	return kind == KIND_MSS || kind == KIND_SCALE || kind == KIND_SACK_PERMITTED || kind == KIND_SACK ||
	       kind == KIND_TIMESTAMPS || kind == KIND_MD5 || kind == KIND_FAST_OPEN;
}

void tcp_options_read(struct span bytes, bool complete, struct tcp_options *ret)
{
	const uint8_t *p = (const uint8_t *)bytes.ptr;
	uint64_t seen = 0; /* by kind; all single ones are below 64 */
	struct tcp_options o = {0};

	for (size_t at = 0, len; at < bytes.len; at += len) {
		uint8_t kind = p[at];
		len = 1;
		if (kind == KIND_END)
			break;
		if (kind == KIND_NOP)
			continue;
		if (at + 1 >= bytes.len || at + p[at + 1] > bytes.len) {
			if (complete)
				o.faults |= TCP_OPTIONS_INVALID_LENGTH;
			break;
		}
		len = p[at + 1];
		if (len < 2) {
			o.faults |= TCP_OPTIONS_INVALID_LENGTH;
			break;
		}
		if (!length_fits(kind, (uint8_t)len)) {
			o.faults |= TCP_OPTIONS_INVALID_LENGTH;
			continue;
		}
		if (kind_is_single(kind)) {
			if (seen >> kind & 1) {
				o.faults |= TCP_OPTIONS_DUPLICATE;
				continue; /* the first one counts */
			}
			seen |= 1ull << kind;
		}
		option_take(&o, p + at);
	}
	*ret = o;
}
