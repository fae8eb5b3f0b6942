// SPDX-License-Identifier: Apache-2.0
#include "forwarder/suspects.h"
#include <errno.h>
#include <stdlib.h>

int suspects_new(uint64_t seed, struct suspects **ret)
{
	struct suspects *s = calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->seed = seed;
	*ret = s;
	return 0;
}

void suspects_free(struct suspects *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static struct suspect *row_of(struct suspects *s, const struct addr *client)
{
	return s->rows[suspects_mix(addr_hash(client) ^ s->seed) % SUSPECTS_ROWS];
}

/* Its own place, a free or outlived one, else the one that is outlived first. */
static struct suspect *place_of(struct suspect *row, const struct addr *client)
{
	struct suspect *first = row;

	for (unsigned i = 0; i < SUSPECTS_IN_ROW; i++) {
		if (row[i].until_ns && addr_equal(&row[i].addr, client))
			return &row[i];
		if (row[i].until_ns < first->until_ns)
			first = &row[i];
	}
	return first;
}

void suspects_add(struct suspects *s, const struct addr *client, uint64_t now_ns)
{
	pthread_mutex_lock(&s->lock);
	struct suspect *place = place_of(row_of(s, client), client);
	s->forgotten += place->until_ns > now_ns && !addr_equal(&place->addr, client);
	*place = (struct suspect){*client, now_ns + SUSPECTS_MEMORY_NS};
	pthread_mutex_unlock(&s->lock);
}

bool suspects_has(struct suspects *s, const struct addr *client, uint64_t now_ns)
{
	pthread_mutex_lock(&s->lock);
	const struct suspect *place = place_of(row_of(s, client), client);
	bool has = place->until_ns > now_ns && addr_equal(&place->addr, client);
	pthread_mutex_unlock(&s->lock);
	return has;
}

uint64_t suspects_forgotten(struct suspects *s)
{
	pthread_mutex_lock(&s->lock);
	uint64_t n = s->forgotten;
	pthread_mutex_unlock(&s->lock);
	return n;
}
