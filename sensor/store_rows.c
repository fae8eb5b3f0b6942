// SPDX-License-Identifier: Apache-2.0
#include "sensor/store_rows.h"
#include <string.h>
#include "lib/target.h"
#include "lib/utf8.h"
#include "lib/util.h"

int store_key_write(const struct prefix *p, uint8_t key[static STORE_KEY_MAX])
{
	const char *route = target_route_text(p->route);
	const struct prefix who = target_who(p);
	size_t bytes = who.addr.family == ADDR_IPV4 ? 4 : 16;

	key[0] = p->addr.family;
	key[1] = p->bits;
	memcpy(key + 2, p->addr.bytes, bytes);
	memcpy(key + 2 + bytes, route, strlen(route));
	return (int)(2 + bytes + strlen(route));
}

static bool key_read(const uint8_t *key, int len, struct prefix *ret)
{
	struct prefix p = {.bits = 0};

	if (!key || len < 2)
		return false;
	p.addr.family = key[0];
	p.bits = key[1];
	const bool routed = target_is_routed(&p);
	struct prefix who = target_who(&p);
	const int bytes = who.addr.family == ADDR_IPV4 ? 4 : 16;
	if (routed ? len <= 2 + bytes : len != 2 + bytes)
		return false;
	memcpy(who.addr.bytes, key + 2, (size_t)bytes);
	struct prefix clean = prefix_of(&who.addr, who.bits);
	if (who.bits > addr_bits(&who.addr) || !(target_is_net(&who) || target_is_key(&who)) ||
	    !prefix_equal(&clean, &who))
		return false;
	const struct span route = {(const char *)key + 2 + bytes, (size_t)(len - 2 - bytes)};
	if (routed)
		return target_limit(&who, route, TARGET_ROUTES_MAX, ret) == 0;
	*ret = who;
	return true;
}

bool store_key(sqlite3_stmt *s, int column, struct prefix *ret)
{
	return key_read(sqlite3_column_blob(s, column), sqlite3_column_bytes(s, column), ret);
}

/* Text as verdicts have it: it is shown to people later. */
bool store_text(sqlite3_stmt *s, int column, char *ret, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(s, column);
	size_t len = (size_t)sqlite3_column_bytes(s, column);
	unsigned char seen = 0;

	if (!text || len >= size)
		return false;
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
		seen |= (unsigned char)text[i];
	}
	if (seen >= 0x80 && !utf8_valid((struct span){text, len}))
		return false;
	memcpy(ret, text, len);
	ret[len] = 0;
	return true;
}

/* A whole number within bounds. */
bool store_number(sqlite3_stmt *s, int column, int64_t least, int64_t most, int64_t *ret)
{
	*ret = sqlite3_column_int64(s, column); /* 0: it is none */
	return *ret >= least && *ret <= most;
}

size_t store_evidence_write(const struct verdict *v, char evidence[static STORE_EVIDENCE_MAX])
{
	size_t used = 0;

	for (unsigned i = 0; i < MIN(v->evidence_count, VERDICT_EVIDENCE_MAX); i++) {
		size_t len = strlen(v->evidence[i]) + 1;
		memcpy(evidence + used, v->evidence[i], len);
		used += len;
	}
	return used;
}

bool store_evidence(sqlite3_stmt *s, int column, struct verdict *v)
{
	const char *at = sqlite3_column_blob(s, column);
	size_t left = (size_t)sqlite3_column_bytes(s, column);

	while (left) {
		const char *end = memchr(at, 0, left);
		if (!end || (size_t)(end - at) >= VERDICT_ID_MAX || v->evidence_count == VERDICT_EVIDENCE_MAX)
			return false;
		size_t len = (size_t)(end - at) + 1;
		if (!utf8_valid((struct span){at, len - 1}))
			return false;
		memcpy(v->evidence[v->evidence_count++], at, len);
		at += len;
		left -= len;
	}
	return true;
}

void store_bind_addr(sqlite3_stmt *s, int parameter, const struct addr *a, uint8_t key[static STORE_KEY_MAX])
{
	if (a->family == ADDR_NONE) {
		sqlite3_bind_null(s, parameter);
		return;
	}
	const struct prefix exact = {.addr = *a, .bits = addr_bits(a)};
	sqlite3_bind_blob(s, parameter, key, store_key_write(&exact, key), SQLITE_STATIC);
}

bool store_addr(sqlite3_stmt *s, int column, struct addr *ret)
{
	struct prefix p;

	if (sqlite3_column_type(s, column) == SQLITE_NULL)
		return true;
	if (!store_key(s, column, &p) || !target_is_net(&p) || !prefix_is_exact(&p))
		return false;
	*ret = p.addr;
	return true;
}

/* --- times --- */

int64_t store_time(uint64_t ns)
{
	return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

void store_bind_clock(struct store *s, sqlite3_stmt *statement, int parameter)
{
	const struct store_options *o = store_options(s);

	sqlite3_bind_text(statement, parameter, o->boot, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, parameter + 1, store_time(clock_boot_ns(o->clock)));
	sqlite3_bind_int64(statement, parameter + 2, store_time(clock_wall_ns(o->clock)));
}

int store_times(struct store *s, struct store_times *ret)
{
	const struct store_options *o = store_options(s);
	struct store_times t = {.now_ns = clock_boot_ns(o->clock), .same = true};
	char boot[STORE_BOOT_MAX];
	sqlite3_stmt *q;

	int r = sqlite3_prepare_v2(store_db(s), "SELECT boot, boot_ns, wall_ns FROM clock", -1, &q, NULL);
	if (r)
		return store_error(s, r);
	r = sqlite3_step(q);
	if (r == SQLITE_ROW && !store_text(q, 0, boot, sizeof boot)) {
		sqlite3_finalize(q);
		return STORE_E_DAMAGED;
	}
	if (r == SQLITE_ROW && strcmp(boot, o->boot) != 0) {
		/* Any bytes may stand there: it wraps, as unsigned numbers do. */
		t.same = false;
		t.ahead_ns = (int64_t)((uint64_t)sqlite3_column_int64(q, 2) -
				       (uint64_t)sqlite3_column_int64(q, 1) -
				       (clock_wall_ns(o->clock) - t.now_ns));
	}
	sqlite3_finalize(q);
	*ret = t;
	return store_error(s, r);
}

uint64_t store_moved(const struct store_times *t, int64_t at)
{
	int64_t there;

	if (__builtin_add_overflow(at, t->ahead_ns, &there))
		return at > 0 ? INT64_MAX : 1;
	return there > 0 ? (uint64_t)there : 1;
}

uint64_t store_been(const struct store_times *t, int64_t at)
{
	return MIN(store_moved(t, at), t->now_ns);
}

static int64_t signed_moved(const struct store_times *t, int64_t at)
{
	int64_t there;

	if (__builtin_add_overflow(at, t->ahead_ns, &there))
		return at > 0 ? INT64_MAX : INT64_MIN;
	return there;
}

int64_t store_ago(const struct store_times *t, int64_t at)
{
	return MIN(signed_moved(t, at), (int64_t)t->now_ns);
}

int64_t store_until(const struct store_times *t, int64_t end, uint64_t longest_ns)
{
	return MIN(signed_moved(t, end), (int64_t)(t->now_ns + longest_ns));
}

uint64_t store_end(const struct store_times *t, int64_t since, int64_t end, uint64_t longest_ns)
{
	uint64_t length = end > since ? (uint64_t)end - (uint64_t)since : 0;
	uint64_t most = t->same ? longest_ns : MIN(length, longest_ns);

	return MIN(store_moved(t, end), t->now_ns + most);
}
