// SPDX-License-Identifier: Apache-2.0
#include "answers.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *answers_find(const struct answers *a, const char *key)
{
	for (unsigned i = 0; i < ANSWERS_KEPT; i++) {
		if (a->kept[i].json && strcmp(a->kept[i].key, key) == 0)
			return a->kept[i].json;
	}
	return NULL;
}

void answers_consume(struct answers *a, const char *key, char *json)
{
	unsigned i = a->next;

	free(a->kept[i].json);
	snprintf(a->kept[i].key, sizeof a->kept[i].key, "%s", key);
	a->kept[i].json = json;
	a->next = (i + 1) % ANSWERS_KEPT;
}

void answers_free(struct answers *a)
{
	for (unsigned i = 0; i < ANSWERS_KEPT; i++)
		free(a->kept[i].json);
}
