// SPDX-License-Identifier: Apache-2.0
#include "policies/slots.h"
#include <errno.h>
#include <stdlib.h>

static size_t words(const struct slots *s)
{
	return (s->max + 63) / 64;
}

int slots_init(struct slots *s, size_t max)
{
	*s = (struct slots){.max = max, .free_count = max};
	s->owners = calloc(max, sizeof *s->owners);
	s->free = calloc(max, sizeof *s->free);
	s->changed = calloc(words(s), sizeof *s->changed);
	if (!s->owners || !s->free || !s->changed) {
		slots_deinit(s);
		return -ENOMEM;
	}
	for (size_t i = 0; i < max; i++) /* the lowest is taken first */
		s->free[i] = (uint32_t)(max - 1 - i);
	return 0;
}

void slots_deinit(struct slots *s)
{
	free(s->owners);
	free(s->free);
	free(s->changed);
	*s = (struct slots){.max = 0};
}

void slots_touch(struct slots *s, uint32_t slot)
{
	s->changed[slot / 64] |= 1ull << slot % 64;
}

uint32_t slots_take(struct slots *s, void *owner)
{
	if (!s->free_count)
		return SLOTS_NONE;
	uint32_t slot = s->free[--s->free_count];
	s->owners[slot] = owner;
	slots_touch(s, slot);
	return slot;
}

void slots_leave(struct slots *s, uint32_t slot)
{
	s->owners[slot] = NULL;
	s->free[s->free_count++] = slot;
	slots_touch(s, slot);
}

void slots_touch_all(struct slots *s)
{
	for (size_t i = 0; i < s->max; i++)
		if (s->owners[i])
			slots_touch(s, (uint32_t)i);
}

bool slots_next(struct slots *s, uint32_t *ret_slot, void **ret_owner)
{
	for (size_t i = 0; i < words(s); i++) {
		if (!s->changed[i])
			continue;
		uint32_t slot = (uint32_t)(i * 64) + (uint32_t)__builtin_ctzll(s->changed[i]);
		s->changed[i] &= s->changed[i] - 1;
		*ret_slot = slot;
		*ret_owner = s->owners[slot];
		return true;
	}
	return false;
}
