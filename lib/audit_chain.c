// SPDX-License-Identifier: Apache-2.0
#include "lib/audit_chain.h"
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include "lib/clock.h"
#include "lib/util.h"

#define HASH_LEN (AUDIT_HASH_MAX - 1)
#define TAIL_LEN (sizeof ",\"hash\":\"" - 1 + HASH_LEN + sizeof "\"}" - 1)

int audit_hash(struct span bytes, char ret[static AUDIT_HASH_MAX])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (EVP_Digest(bytes.ptr, bytes.len, digest, &len, EVP_sha256(), NULL) != 1 || len != HASH_LEN / 2)
		return -ENOMEM;
	for (unsigned i = 0; i < len; i++) {
		ret[2 * i] = digits[digest[i] >> 4];
		ret[2 * i + 1] = digits[digest[i] & 15];
	}
	ret[HASH_LEN] = 0;
	return 0;
}

int audit_line_write(const struct audit_head *last, uint64_t wall_ns, struct span body, struct buffer *out,
		     struct audit_head *ret_head)
{
	struct audit_head next = {.seq = last->seq + 1};
	char time[CLOCK_TEXT_MAX];
	size_t from = out->len;

	if (body.len > AUDIT_BODY_MAX)
		return AUDIT_E_LONG;
	buffer_printf(out, "{\"seq\":%" PRIu64 ",\"prev\":\"%s\",\"time\":\"%s\",", next.seq, last->hash,
		      clock_format(wall_ns, time));
	buffer_append(out, body.ptr, body.len);
	if (out->truncated || audit_hash((struct span){out->data + from, out->len - from}, next.hash))
		return -ENOMEM;
	buffer_printf(out, ",\"hash\":\"%s\"}\n", next.hash);
	if (out->truncated)
		return -ENOMEM;
	*ret_head = next;
	return 0;
}

/* --- reading --- */

static bool take(struct span *s, const char *text)
{
	size_t len = strlen(text);

	if (s->len < len || memcmp(s->ptr, text, len) != 0)
		return false;
	*s = (struct span){s->ptr + len, s->len - len};
	return true;
}

/* Decimal, from 1 on, as it is written: no zeros in front. */
static bool take_seq(struct span *s, uint64_t *ret)
{
	uint64_t v = 0;
	size_t n = 0;

	for (; n < s->len && s->ptr[n] >= '0' && s->ptr[n] <= '9'; n++) {
		unsigned digit = (unsigned)(s->ptr[n] - '0');

		if ((!v && !digit) || v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*s = (struct span){s->ptr + n, s->len - n};
	*ret = v;
	return n > 0;
}

static bool take_hash(struct span *s, char ret[static AUDIT_HASH_MAX])
{
	if (s->len < HASH_LEN)
		return false;
	for (size_t i = 0; i < HASH_LEN; i++)
		if (!strchr("0123456789abcdef", s->ptr[i]) || !s->ptr[i])
			return false;
	memcpy(ret, s->ptr, HASH_LEN);
	ret[HASH_LEN] = 0;
	*s = (struct span){s->ptr + HASH_LEN, s->len - HASH_LEN};
	return true;
}

/* "2026-11-24T22:00:10.123456789Z" */
static bool take_time(struct span *s, struct span *ret)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddddddddZ";

	_Static_assert(sizeof form - 1 == AUDIT_TIME_LEN, "as clock_format writes it");
	if (s->len < AUDIT_TIME_LEN)
		return false;
	for (size_t i = 0; i < AUDIT_TIME_LEN; i++) {
		char c = s->ptr[i];

		if (form[i] == 'd' ? c < '0' || c > '9' : c != form[i])
			return false;
	}
	*ret = (struct span){s->ptr, AUDIT_TIME_LEN};
	*s = (struct span){s->ptr + AUDIT_TIME_LEN, s->len - AUDIT_TIME_LEN};
	return true;
}

static bool take_kind(struct span *s, struct span *ret)
{
	size_t n = 0;

	while (n < s->len && ((s->ptr[n] >= 'a' && s->ptr[n] <= 'z') || s->ptr[n] == '_'))
		n++;
	*ret = (struct span){s->ptr, n};
	*s = (struct span){s->ptr + n, s->len - n};
	return n > 0;
}

int audit_line_read(struct span line, struct audit_line *ret)
{
	struct audit_line a;
	char actual[AUDIT_HASH_MAX];
	struct span rest = line;

	if (line.len >= AUDIT_LINE_MAX || line.len < TAIL_LEN)
		return AUDIT_E_FORM;
	struct span tail = {line.ptr + line.len - TAIL_LEN, TAIL_LEN};
	if (!take(&rest, "{\"seq\":") || !take_seq(&rest, &a.seq) || !take(&rest, ",\"prev\":\"") ||
	    !take_hash(&rest, a.prev) || !take(&rest, "\",\"time\":\"") || !take_time(&rest, &a.time) ||
	    !take(&rest, "\",\"kind\":\"") || !take_kind(&rest, &a.kind) || !take(&rest, "\"") ||
	    rest.len < TAIL_LEN)
		return AUDIT_E_FORM;
	if (!take(&tail, ",\"hash\":\"") || !take_hash(&tail, a.hash) || !take(&tail, "\"}") || tail.len)
		return AUDIT_E_FORM;
	int r = audit_hash((struct span){line.ptr, line.len - TAIL_LEN}, actual);
	if (r)
		return r;
	*ret = a;
	return strcmp(actual, a.hash) == 0 ? 0 : AUDIT_E_HASH;
}
