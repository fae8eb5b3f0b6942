/* SPDX-License-Identifier: Apache-2.0 */
/*
 * util.h: cleanup attributes and small helpers used everywhere.
 *
 * Errors, in all of picket: functions that can fail return int. 0 is success; a negative errno is fatal and
 * travels up unchanged; a positive code (NOUN_E_WHAT, listed in the header) is an expected outcome that the
 * direct caller handles. Outputs are named ret_x and stay untouched on failure. Frees accept NULL.
 */
#ifndef PICKET_UTIL_H
#define PICKET_UTIL_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/*
 * Each argument is evaluated once, and converted to the type that both have in common. The numbers in the
 * names let one stand inside another without shadowing it.
 */
#define MIN(a, b)                MIN_MAX_(a, <, b, __COUNTER__)
#define MAX(a, b)                MIN_MAX_(a, >, b, __COUNTER__)
#define MIN_MAX_(a, less, b, id) MIN_MAX_NAMED_(a, less, b, id)
#define MIN_MAX_NAMED_(a, less, b, id)                                                \
	(__extension__({                                                              \
		__typeof__(1 ? (a) : (b)) min_max_a_##id = (a), min_max_b_##id = (b); \
		min_max_a_##id less min_max_b_##id ? min_max_a_##id : min_max_b_##id; \
	}))

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_(fn)    __attribute__((cleanup(fn)))
#define _cleanup_free_   _cleanup_(cleanup_free)
#define _cleanup_close_  _cleanup_(cleanup_close)
#define _cleanup_fclose_ _cleanup_(cleanup_fclose)

#define NS_PER_S  1000000000ull
#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull

#endif
