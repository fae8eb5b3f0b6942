// SPDX-License-Identifier: Apache-2.0
#include "policies/fingerprints.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include "lib/target.h"
#include "lib/util.h"
#include "policies/buckets.h"
#include "policies/table.h"

struct client {
	struct table_node node;
	TAILQ_ENTRY(client) age;
	struct prefix who;
	struct fingerprint items[FINGERPRINTS_EACH]; /* the latest first */
	unsigned count;
};

struct fingerprints {
	pthread_mutex_t lock;
	struct table table;
	TAILQ_HEAD(, client) by_age; /* who said hello longest ago first */
	size_t max;
	uint64_t forgotten;
};

int fingerprints_new(size_t clients, struct fingerprints **ret)
{
	struct fingerprints *f = calloc(1, sizeof *f);

	if (!f)
		return -ENOMEM;
	f->max = clients ? clients : FINGERPRINTS_CLIENTS;
	int r = table_init(&f->table, f->max);
	if (r) {
		free(f);
		return r;
	}
	TAILQ_INIT(&f->by_age);
	pthread_mutex_init(&f->lock, NULL);
	*ret = f;
	return 0;
}

static void leave(struct fingerprints *f, struct client *c)
{
	table_remove(&f->table, &c->node);
	TAILQ_REMOVE(&f->by_age, c, age);
	free(c);
}

void fingerprints_free(struct fingerprints *f)
{
	if (!f)
		return;
	while (!TAILQ_EMPTY(&f->by_age))
		leave(f, TAILQ_FIRST(&f->by_age));
	table_deinit(&f->table);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static uint64_t hash_of(const struct fingerprints *f, const struct prefix *who)
{
	return table_hash(&f->table, who->addr.bytes, sizeof who->addr.bytes);
}

static struct client *find(const struct fingerprints *f, const struct prefix *who)
{
	for (struct table_node *n = table_first(&f->table, hash_of(f, who)); n; n = table_next(n)) {
		struct client *c = table_owner(n, struct client, node);
		if (prefix_equal(&c->who, who))
			return c;
	}
	return NULL;
}

/* NULL: no memory. */
static struct client *get(struct fingerprints *f, const struct prefix *who)
{
	struct client *c = find(f, who);

	if (c) {
		TAILQ_REMOVE(&f->by_age, c, age);
		TAILQ_INSERT_TAIL(&f->by_age, c, age);
		return c;
	}
	c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	if (f->table.count == f->max) {
		leave(f, TAILQ_FIRST(&f->by_age));
		f->forgotten++;
	}
	c->who = *who;
	table_add(&f->table, &c->node, hash_of(f, who));
	TAILQ_INSERT_TAIL(&f->by_age, c, age);
	return c;
}

static void client_note(struct client *c, struct span ja4, uint64_t time_ns)
{
	struct fingerprint latest = {.hellos = 0};
	unsigned at = 0;

	while (at < c->count && !span_equal(span_from(c->items[at].ja4), ja4))
		at++;
	if (at < c->count) {
		latest = c->items[at];
	} else {
		memcpy(latest.ja4, ja4.ptr, ja4.len);
		c->count += c->count < FINGERPRINTS_EACH;
		at = c->count - 1;
	}
	latest.hellos++;
	latest.last_ns = time_ns;
	memmove(c->items + 1, c->items, at * sizeof latest);
	c->items[0] = latest;
}

void fingerprints_note(struct fingerprints *f, const struct event *e)
{
	struct prefix who;

	if (!f || e->kind != EVENT_TLS_HELLO || e->flow.peer.addr.family == ADDR_NONE)
		return;
	struct span ja4 = e->hello.tls.ja4;
	if (!ja4.len || ja4.len >= FINGERPRINT_JA4_MAX)
		return;
	who = bucket_group(&e->flow.peer.addr);
	pthread_mutex_lock(&f->lock);
	struct client *c = get(f, &who);
	if (c)
		client_note(c, ja4, e->time_ns);
	pthread_mutex_unlock(&f->lock);
}

unsigned fingerprints_of(struct fingerprints *f, const struct prefix *client,
			 struct fingerprint ret[static FINGERPRINTS_EACH])
{
	unsigned count = 0;

	if (!f || !target_is_net(client))
		return 0;
	const struct prefix who = prefix_is_exact(client) ? bucket_group(&client->addr) : *client;
	pthread_mutex_lock(&f->lock);
	const struct client *c = find(f, &who);
	if (c) {
		count = c->count;
		memcpy(ret, c->items, count * sizeof *ret);
	}
	pthread_mutex_unlock(&f->lock);
	return count;
}

size_t fingerprints_count(struct fingerprints *f, uint64_t *ret_forgotten)
{
	*ret_forgotten = 0;
	if (!f)
		return 0;
	pthread_mutex_lock(&f->lock);
	size_t count = f->table.count;
	*ret_forgotten = f->forgotten;
	pthread_mutex_unlock(&f->lock);
	return count;
}
