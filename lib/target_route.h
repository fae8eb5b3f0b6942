/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target_route.h: the routes that targets name (target.h), such as "/login" or "/users/{id}/items". A target
 * holds a number; the texts stand in one table of the process and stay until its end, so that a number means
 * the same as long as it runs, and nothing to any other process. Full, no further route is taken; gateways
 * alone cannot fill it. Thread safe.
 *
 * A route begins with "/" and has segments of letters, digits and -._~:@+,= of which none is empty or ends
 * with a dot; "{name}" (letters, digits, - and _) stands for exactly one segment, whatever is in it. "/" is
 * one, too; no other ends with a slash. Nothing in it means anything to a shell, since it stands in commands
 * that people are shown.
 */
#ifndef PICKET_TARGET_ROUTE_H
#define PICKET_TARGET_ROUTE_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/span.h"

#define TARGET_ROUTES_MAX         1024
#define TARGET_ROUTES_OF_GATEWAYS 768 /* by then what gateways say is no new one any more */
#define TARGET_ROUTE_MAX          256 /* bytes of a text, with its zero */

enum { TARGET_ROUTE_E_SYNTAX = 1, TARGET_ROUTE_E_FULL = 3 };

bool target_route_valid(struct span text);
/* The route's number, 1 or more, which it has or is given while fewer than `most` are. 0 or TARGET_ROUTE_E_*.
 */
int target_route_number(struct span text, unsigned most, uint16_t *ret);
/* "": no such number was given. */
const char *target_route_text(uint16_t number);
unsigned target_route_count(void);

#endif
