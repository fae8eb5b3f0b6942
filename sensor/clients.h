/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clients.h: which peers completed a TCP handshake with us, and when last: a forged source address never did,
 * so an automatic verdict on one is refused. Thread safe: capture notes, the guard asks. Bounded; when full,
 * the entry idle longest in the same bucket makes room (an address forgotten so is merely not blocked
 * automatically).
 */
#ifndef PICKET_CLIENTS_H
#define PICKET_CLIENTS_H

#include <stdbool.h>
#include "lib/addr.h"

struct clients;

int clients_new(unsigned max, struct clients **ret);
void clients_free(struct clients *c);
void clients_note(struct clients *c, const struct addr *peer, uint64_t now_ns);
/* Has an address inside target completed a handshake since since_ns? */
bool clients_seen(struct clients *c, const struct prefix *target, uint64_t since_ns);
size_t clients_count(struct clients *c);

#endif
