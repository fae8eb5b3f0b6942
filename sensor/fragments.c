// SPDX-License-Identifier: Apache-2.0
#include "sensor/fragments.h"
#include <errno.h>
#include "lib/util.h"
#include "policies/table.h"

struct piece {
	uint32_t offset, len;
	uint64_t hash; /* of its bytes and of whether more follow */
};

struct datagram {
	struct table_node node;
	struct datagram *newer; /* by first fragment */
	struct fragment_key key;
	uint64_t first_ns;
	struct piece *pieces;
	unsigned count, room;
};

struct fragments {
	struct table table;
	unsigned max;
	struct datagram *oldest, *newest;
	struct fragments_counts counts;
};

int fragments_new(unsigned datagrams_max, struct fragments **ret)
{
	struct fragments *t = calloc(1, sizeof *t);
	int r;

	if (!t)
		return -ENOMEM;
	t->max = datagrams_max;
	r = table_init(&t->table, datagrams_max);
	if (r) {
		free(t);
		return r;
	}
	*ret = t;
	return 0;
}

static void oldest_remove(struct fragments *t)
{
	struct datagram *d = t->oldest;

	t->oldest = d->newer;
	if (!t->oldest)
		t->newest = NULL;
	table_remove(&t->table, &d->node);
	t->counts.held--;
	free(d->pieces);
	free(d);
}

void fragments_free(struct fragments *t)
{
	if (!t)
		return;
	while (t->oldest)
		oldest_remove(t);
	table_deinit(&t->table);
	free(t);
}

static bool same_key(const struct fragment_key *a, const struct fragment_key *b)
{
	return a->id == b->id && a->protocol == b->protocol && addr_equal(&a->source, &b->source) &&
	       addr_equal(&a->destination, &b->destination);
}

static uint64_t key_hash(const struct fragments *t, const struct fragment_key *key)
{
	uint8_t flat[2 * sizeof key->source.bytes + sizeof key->id + 1];

	memcpy(flat, key->source.bytes, sizeof key->source.bytes);
	memcpy(flat + 16, key->destination.bytes, sizeof key->destination.bytes);
	memcpy(flat + 32, &key->id, sizeof key->id);
	flat[36] = key->protocol;
	return table_hash(&t->table, flat, sizeof flat);
}

static struct datagram *datagram_find(const struct fragments *t, const struct fragment_key *key,
				      uint64_t hash)
{
	for (struct table_node *n = table_first(&t->table, hash); n; n = table_next(n)) {
		struct datagram *d = table_owner(n, struct datagram, node);
		if (same_key(&d->key, key))
			return d;
	}
	return NULL;
}

static struct datagram *datagram_add(struct fragments *t, const struct fragment_key *key, uint64_t hash,
				     uint64_t now_ns)
{
	struct datagram *d;

	if (t->counts.held >= t->max && t->oldest) {
		t->counts.evicted++;
		oldest_remove(t);
	}
	d = calloc(1, sizeof *d);
	if (!d)
		return NULL;
	d->key = *key;
	d->first_ns = now_ns;
	if (t->newest)
		t->newest->newer = d;
	else
		t->oldest = d;
	t->newest = d;
	table_add(&t->table, &d->node, hash);
	t->counts.held++;
	return d;
}

static bool piece_add(struct datagram *d, const struct piece *p)
{
	if (d->count == FRAGMENTS_EACH_MAX)
		return false;
	if (d->count == d->room) {
		unsigned room = d->room ? 2 * d->room : 8;
		struct piece *grown = realloc(d->pieces, room * sizeof *grown);
		if (!grown)
			return false;
		d->pieces = grown;
		d->room = room;
	}
	d->pieces[d->count++] = *p;
	return true;
}

/* Everything that is older than a minute; the clock of a capture file may jump back. */
static void forget_old(struct fragments *t, uint64_t now_ns)
{
	while (t->oldest && now_ns > t->oldest->first_ns && now_ns - t->oldest->first_ns >= FRAGMENTS_HELD_NS)
		oldest_remove(t);
}

bool fragments_add(struct fragments *t, const struct fragment_key *key, const struct fragment *f,
		   uint64_t now_ns)
{
	uint64_t hash = key_hash(t, key);
	struct piece p = {
		.offset = f->offset,
		.len = f->len,
		.hash = table_hash(&t->table, f->bytes.ptr, f->bytes.len) + f->more,
	};
	struct datagram *d;

	forget_old(t, now_ns);
	d = datagram_find(t, key, hash);
	if (!d)
		d = datagram_add(t, key, hash, now_ns);
	if (!d) {
		t->counts.uncompared++;
		return false;
	}
	bool overlaps = false;
	for (unsigned i = 0; i < d->count; i++) {
		const struct piece *o = &d->pieces[i];
		if (o->offset == p.offset && o->len == p.len && o->hash == p.hash)
			return false;
		if (p.offset < o->offset + o->len && o->offset < p.offset + p.len)
			overlaps = true;
	}
	if (!piece_add(d, &p))
		t->counts.uncompared++;
	return overlaps;
}

struct fragments_counts fragments_counts(const struct fragments *t)
{
	struct fragments_counts counts = t->counts;

	counts.held_max = t->max;
	return counts;
}
