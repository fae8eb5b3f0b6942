/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dossiers.h: the dossiers of the clients of one gateway, DOSSIERS_MAX of them and DOSSIERS_BYTES of samples.
 * Full, the one that is worth least goes (dossier_score; of equals the one that was quiet longest), if who
 * comes is worth as much: so the worst stay, however many addresses an attacker has. Who finds no room is
 * counted, and so is who goes. Samples beyond their bytes are not kept: counts are.
 *
 * A window is over DOSSIER_WINDOW_NS after it began; the next event begins another. No lock.
 */
#ifndef PICKET_DOSSIERS_H
#define PICKET_DOSSIERS_H

#include "forwarder/dossier.h"

#define DOSSIERS_MAX   1024
#define DOSSIERS_BYTES (16u << 20)

struct dossier_slot {
	struct dossier dossier;
	bool used;
	bool asking;            /* a question about it is under way: it stays */
	uint32_t fresh;         /* events since it was last asked about */
	uint32_t held;          /* of those, the ones that wait to be asked about */
	unsigned score;         /* of the dossier as it is now */
	unsigned asked_score;   /* as it was when it was last asked about */
	uint64_t not_before_ns; /* when it may be asked about again; boot clock */
	uint64_t index_next;    /* 1 + the next slot of the same hash; 0: none */
};

struct dossiers_counts {
	uint64_t clients;   /* now */
	uint64_t evicted;   /* went for one that is worth more */
	uint64_t refused;   /* events of clients that found no room */
	uint64_t unsampled; /* dossiers whose samples were let go of, for want of bytes */
};

struct dossiers {
	uint64_t seed;
	struct dossiers_counts counts;
	size_t sample_bytes;
	uint64_t lost_held; /* events that were held by who went; who takes them sets it to 0 */
	uint32_t heads[DOSSIERS_MAX * 2];
	struct dossier_slot slots[DOSSIERS_MAX];
};

/* seed: random, so that nobody can choose addresses of one hash. 0 or -ENOMEM. */
int dossiers_new(uint64_t seed, struct dossiers **ret);
void dossiers_free(struct dossiers *t); /* NULL: nothing */
/* Whose place it is, made if there is room. NULL: there is none. */
struct dossier_slot *dossiers_get(struct dossiers *t, const struct addr *client, uint64_t now_ns);
struct dossier_slot *dossiers_find(struct dossiers *t, const struct addr *client);
/* The event is of the slot's client. */
void dossiers_note(struct dossiers *t, struct dossier_slot *s, struct event *e);
void dossiers_note_detection(struct dossiers *t, struct dossier_slot *s, const char *name, uint64_t event_id,
			     uint64_t now_ns);
/* Its window is over: with the next event it begins anew. */
bool dossiers_is_over(const struct dossier_slot *s, uint64_t now_ns);
void dossiers_remove(struct dossiers *t, struct dossier_slot *s);

#endif
