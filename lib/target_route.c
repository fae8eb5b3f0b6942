// SPDX-License-Identifier: Apache-2.0
/* Numbers are read without a lock: a text is there before its number is known to anybody, and never changes.
 */
#include "lib/target_route.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SLOTS (2 * TARGET_ROUTES_MAX) /* a power of two */

static struct {
	pthread_mutex_t lock;                             /* of slots, and of who adds */
	const char *_Atomic texts[TARGET_ROUTES_MAX + 1]; /* by number */
	uint16_t slots[SLOTS];                            /* by hash, each full one before an empty one */
	atomic_uint count;
} routes = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- what a route is --- */

static bool all_of(struct span s, const char *others)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    (!c || !strchr(others, c)))
			return false;
	}
	return s.len > 0;
}

static bool segment_valid(struct span s)
{
	if (s.len > 2 && s.ptr[0] == '{' && s.ptr[s.len - 1] == '}')
		return all_of((struct span){s.ptr + 1, s.len - 2}, "-_");
	return all_of(s, "-._~:@+,=") && s.ptr[s.len - 1] != '.';
}

bool target_route_valid(struct span text)
{
	if (!text.len || text.len >= TARGET_ROUTE_MAX || text.ptr[0] != '/')
		return false;
	for (size_t from = 1, i = 1; i <= text.len && text.len > 1; i++) {
		if (i < text.len && text.ptr[i] != '/')
			continue;
		if (!segment_valid((struct span){text.ptr + from, i - from}))
			return false;
		from = i + 1;
	}
	return true;
}

/* --- the table --- */

/* Its slot, or the empty one where it would stand: FNV-1a. Lock held. */
static uint16_t *slot_of(struct span text)
{
	uint32_t at = 0x811c9dc5;

	for (size_t i = 0; i < text.len; i++)
		at = (at ^ (unsigned char)text.ptr[i]) * 0x01000193;
	while (routes.slots[at % SLOTS] &&
	       !span_equal(text, span_from(target_route_text(routes.slots[at % SLOTS]))))
		at++;
	return &routes.slots[at % SLOTS];
}

/* Lock held. */
static int add(struct span text, unsigned most, uint16_t *slot)
{
	unsigned count = atomic_load(&routes.count);
	char *copy = count < most && count < TARGET_ROUTES_MAX ? strndup(text.ptr, text.len) : NULL;

	if (!copy)
		return TARGET_ROUTE_E_FULL;
	atomic_store(&routes.texts[count + 1], copy);
	atomic_store(&routes.count, count + 1);
	*slot = (uint16_t)(count + 1);
	return 0;
}

int target_route_number(struct span text, unsigned most, uint16_t *ret)
{
	int r = 0;

	if (!target_route_valid(text))
		return TARGET_ROUTE_E_SYNTAX;
	pthread_mutex_lock(&routes.lock);
	uint16_t *slot = slot_of(text);
	if (!*slot)
		r = add(text, most, slot);
	if (!r)
		*ret = *slot;
	pthread_mutex_unlock(&routes.lock);
	return r;
}

const char *target_route_text(uint16_t number)
{
	const char *text = number <= TARGET_ROUTES_MAX ? atomic_load(&routes.texts[number]) : NULL;

	return text ? text : "";
}

unsigned target_route_count(void)
{
	return atomic_load(&routes.count);
}
