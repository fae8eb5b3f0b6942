// SPDX-License-Identifier: Apache-2.0
#include "forwarder/opinions.h"
#include <errno.h>
#include <stdlib.h>

int opinions_new(uint64_t ttl_ns, struct opinions **ret)
{
	struct opinions *o = calloc(1, sizeof *o);

	if (!o)
		return -ENOMEM;
	o->ttl_ns = ttl_ns;
	*ret = o;
	return 0;
}

void opinions_free(struct opinions *o)
{
	free(o);
}

static bool is_fresh(const struct opinions *o, const struct opinion *p, uint64_t now_ns)
{
	return p->since_ns && now_ns - p->since_ns < o->ttl_ns;
}

void opinions_put(struct opinions *o, uint64_t shape, const struct verdict *v, uint64_t now_ns)
{
	struct opinion *row = o->rows[shape % OPINIONS_ROWS], *place = row;

	if (!o->ttl_ns)
		return;
	for (unsigned i = 0; i < OPINIONS_IN_ROW; i++) {
		if (row[i].since_ns && row[i].shape == shape) {
			place = &row[i];
			break;
		}
		if (row[i].since_ns < place->since_ns)
			place = &row[i];
	}
	*place = (struct opinion){.shape = shape, .since_ns = now_ns, .silent = !v};
	if (v)
		place->verdict = *v;
}

const struct opinion *opinions_get(const struct opinions *o, uint64_t shape, uint64_t now_ns)
{
	const struct opinion *row = o->rows[shape % OPINIONS_ROWS];

	for (unsigned i = 0; i < OPINIONS_IN_ROW; i++)
		if (row[i].shape == shape && is_fresh(o, &row[i], now_ns))
			return &row[i];
	return NULL;
}
