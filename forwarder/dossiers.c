// SPDX-License-Identifier: Apache-2.0
#include "forwarder/dossiers.h"
#include <errno.h>
#include <stdlib.h>
#include "lib/util.h"

int dossiers_new(uint64_t seed, struct dossiers **ret)
{
	struct dossiers *t = calloc(1, sizeof *t);

	if (!t)
		return -ENOMEM;
	t->seed = seed;
	*ret = t;
	return 0;
}

void dossiers_free(struct dossiers *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < DOSSIERS_MAX; i++)
		dossier_end(&t->slots[i].dossier);
	free(t);
}

static uint32_t *head_of(struct dossiers *t, const struct addr *client)
{
	uint64_t x = addr_hash(client) ^ t->seed;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return &t->heads[(x ^ x >> 31) % ARRAY_SIZE(t->heads)];
}

struct dossier_slot *dossiers_find(struct dossiers *t, const struct addr *client)
{
	for (uint64_t at = *head_of(t, client); at; at = t->slots[at - 1].index_next)
		if (addr_equal(&t->slots[at - 1].dossier.client, client))
			return &t->slots[at - 1];
	return NULL;
}

void dossiers_remove(struct dossiers *t, struct dossier_slot *s)
{
	uint32_t *head = head_of(t, &s->dossier.client);
	uint64_t number = (uint64_t)(s - t->slots) + 1;

	if (*head == number) {
		*head = (uint32_t)s->index_next;
	} else {
		uint64_t at = *head;

		while (t->slots[at - 1].index_next != number)
			at = t->slots[at - 1].index_next;
		t->slots[at - 1].index_next = s->index_next;
	}
	t->sample_bytes -= dossier_sample_bytes(&s->dossier);
	t->lost_held += s->held;
	dossier_end(&s->dossier);
	s->used = false;
	s->held = s->fresh = 0;
	t->counts.clients--;
}

bool dossiers_is_over(const struct dossier_slot *s, uint64_t now_ns)
{
	return now_ns > s->dossier.begun_ns && now_ns - s->dossier.begun_ns > DOSSIER_WINDOW_NS;
}

/* Who was asked about and did nothing since is worth half, whose window is over nothing. */
static unsigned worth_of(const struct dossier_slot *s, uint64_t now_ns)
{
	if (dossiers_is_over(s, now_ns))
		return 0;
	return s->fresh ? s->score : s->score / 2;
}

/* A free place, else that of who is worth least. NULL: all are being asked about. */
static struct dossier_slot *place(struct dossiers *t, uint64_t now_ns, unsigned *ret_worth)
{
	struct dossier_slot *least = NULL;
	unsigned worth;

	for (size_t i = 0; i < DOSSIERS_MAX; i++) {
		struct dossier_slot *s = &t->slots[i];

		if (!s->used) {
			*ret_worth = 0;
			return s;
		}
		worth = worth_of(s, now_ns);
		if (!s->asking && (!least || worth < *ret_worth ||
				   (worth == *ret_worth && s->dossier.last_ns < least->dossier.last_ns))) {
			least = s;
			*ret_worth = worth;
		}
	}
	return least;
}

/*
 * Who comes has done nothing yet that counts. It has the place of one that is no better known: else a flood
 * of addresses would wash out who has been watched for minutes, each by one request.
 */
#define NEWCOMER_SCORE 150

static void begin(struct dossiers *t, struct dossier_slot *s, const struct addr *client, uint64_t now_ns)
{
	t->sample_bytes -= dossier_sample_bytes(&s->dossier);
	t->lost_held += s->held;
	dossier_begin(&s->dossier, client, now_ns);
	s->held = s->fresh = 0;
	s->score = s->asked_score = 0;
}

struct dossier_slot *dossiers_get(struct dossiers *t, const struct addr *client, uint64_t now_ns)
{
	struct dossier_slot *s = dossiers_find(t, client);
	unsigned worth = 0;

	if (s) {
		if (!s->asking && dossiers_is_over(s, now_ns))
			begin(t, s, client, now_ns);
		return s;
	}
	s = place(t, now_ns, &worth);
	if (!s || worth > NEWCOMER_SCORE) {
		t->counts.refused++;
		return NULL;
	}
	if (s->used) {
		t->counts.evicted++;
		dossiers_remove(t, s);
	}
	*s = (struct dossier_slot){.used = true, .index_next = *head_of(t, client)};
	dossier_begin(&s->dossier, client, now_ns);
	*head_of(t, client) = (uint32_t)(s - t->slots) + 1;
	t->counts.clients++;
	return s;
}

static void weigh(struct dossiers *t, struct dossier_slot *s, size_t bytes_before)
{
	t->sample_bytes += dossier_sample_bytes(&s->dossier) - bytes_before;
	if (t->sample_bytes > DOSSIERS_BYTES) {
		t->sample_bytes -= dossier_sample_bytes(&s->dossier);
		dossier_drop_samples(&s->dossier);
		t->counts.unsampled++;
	}
	s->score = dossier_score(&s->dossier);
}

void dossiers_note(struct dossiers *t, struct dossier_slot *s, struct event *e)
{
	size_t bytes = dossier_sample_bytes(&s->dossier);

	dossier_note(&s->dossier, e, t->seed);
	s->fresh++;
	weigh(t, s, bytes);
}

void dossiers_note_detection(struct dossiers *t, struct dossier_slot *s, const char *name, uint64_t event_id,
			     uint64_t now_ns)
{
	size_t bytes = dossier_sample_bytes(&s->dossier);

	dossier_note_detection(&s->dossier, name, event_id, now_ns);
	s->fresh++;
	weigh(t, s, bytes);
}
