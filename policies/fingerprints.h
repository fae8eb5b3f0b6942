/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fingerprints.h: which TLS fingerprints (JA4) each client showed of late. A client is the address that a
 * hello came from, in IPv6 its /64 (bucket_group). It decides nothing; people see it (`picket clients`).
 *
 * Bounded: FINGERPRINTS_CLIENTS, of each the latest FINGERPRINTS_EACH. Full, who said hello longest ago makes
 * room; counted. Nothing is kept over a restart. Thread safe.
 */
#ifndef PICKET_FINGERPRINTS_H
#define PICKET_FINGERPRINTS_H

#include "lib/event.h"

#define FINGERPRINTS_CLIENTS 8192
#define FINGERPRINTS_EACH    4
#define FINGERPRINT_JA4_MAX  37 /* bytes of one, with its zero */

struct fingerprint {
	char ja4[FINGERPRINT_JA4_MAX];
	uint64_t hellos;  /* since it is among the latest */
	uint64_t last_ns; /* boot clock */
};

struct fingerprints;

/* clients: 0: as above. 0 or -errno. */
int fingerprints_new(size_t clients, struct fingerprints **ret);
void fingerprints_free(struct fingerprints *f);
/* tls.client_hello events; others are ignored. */
void fingerprints_note(struct fingerprints *f, const struct event *e);
/* Of a client, or of one of its addresses: the latest first. Returns how many; of any other target 0. */
unsigned fingerprints_of(struct fingerprints *f, const struct prefix *client,
			 struct fingerprint ret[static FINGERPRINTS_EACH]);
/* Clients that are held, and those that made room. f may be NULL, here and above. */
size_t fingerprints_count(struct fingerprints *f, uint64_t *ret_forgotten);

#endif
