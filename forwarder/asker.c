// SPDX-License-Identifier: Apache-2.0
#include "forwarder/asker.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "forwarder/opinions.h"
#include "lib/util.h"

#define NEVER      UINT64_MAX
#define SCORE_STEP 30 /* less than that is a few more of the same */

struct told {
	struct addr client;
	char name[VERDICT_ID_MAX];
	uint64_t event_id, when_ns;
};

struct asked {
	struct dossier_slot *slot;
	uint64_t shape;
	bool judged;
};

struct asker {
	const struct config_gateway *config;
	uint64_t seed;
	uint64_t due_ns, held_since_ns;
	struct opinions *opinions;
	struct asked asked[ASKER_CLIENTS_MAX]; /* of the question under way */
	unsigned asked_count;

	pthread_mutex_t lock; /* of dossiers and counts: who shows them is another thread */
	struct dossiers *dossiers;
	struct asker_counts counts;

	pthread_mutex_t told_lock; /* of these: whoever detects does not wait for who asks */
	struct told told[ASKER_TOLD_MAX];
	unsigned told_count;
	uint64_t untold;
};

int asker_new(const struct config_gateway *config, uint64_t seed, struct asker **ret)
{
	struct asker *a = calloc(1, sizeof *a);

	if (!a)
		return -ENOMEM;
	pthread_mutex_init(&a->lock, NULL);
	pthread_mutex_init(&a->told_lock, NULL);
	a->config = config;
	a->seed = seed;
	a->due_ns = NEVER;
	if (dossiers_new(seed, &a->dossiers) ||
	    opinions_new(config->opinion_ttl_ms * NS_PER_MS, &a->opinions)) {
		asker_free(a);
		return -ENOMEM;
	}
	*ret = a;
	return 0;
}

void asker_free(struct asker *a)
{
	if (!a)
		return;
	dossiers_free(a->dossiers);
	opinions_free(a->opinions);
	pthread_mutex_destroy(&a->lock);
	pthread_mutex_destroy(&a->told_lock);
	free(a);
}

/* --- taking in --- */

void asker_detection(struct asker *a, const struct addr *client, const char *name, uint64_t event_id,
		     uint64_t now_ns)
{
	pthread_mutex_lock(&a->told_lock);
	if (a->told_count == ASKER_TOLD_MAX) {
		a->untold++;
	} else {
		struct told *t = &a->told[a->told_count++];

		*t = (struct told){.client = *client, .event_id = event_id, .when_ns = now_ns};
		snprintf(t->name, sizeof t->name, "%s", name);
	}
	pthread_mutex_unlock(&a->told_lock);
}

/* Lock held. What was detected since. */
static void take_told(struct asker *a)
{
	struct told told[16];
	unsigned n;

	do {
		pthread_mutex_lock(&a->told_lock);
		n = MIN(a->told_count, (unsigned)ARRAY_SIZE(told));
		memcpy(told, a->told, n * sizeof *told);
		memmove(a->told, a->told + n, (a->told_count - n) * sizeof *told);
		a->told_count -= n;
		a->counts.untold = a->untold;
		pthread_mutex_unlock(&a->told_lock);
		for (unsigned i = 0; i < n; i++) {
			struct dossier_slot *s = dossiers_get(a->dossiers, &told[i].client, told[i].when_ns);

			if (s)
				dossiers_note_detection(a->dossiers, s, told[i].name, told[i].event_id,
							told[i].when_ns);
		}
	} while (n == ARRAY_SIZE(told));
}

/* So much worse than when it was last asked about that it is asked again at once. */
static bool is_much_worse(const struct dossier_slot *s)
{
	return s->score > s->asked_score + s->asked_score / 2 + SCORE_STEP;
}

static bool is_worth_it(const struct asker *a, const struct dossier_slot *s)
{
	return s->score >= a->config->ask_score;
}

static uint64_t ready_ns(const struct dossier_slot *s)
{
	return is_much_worse(s) ? 0 : s->not_before_ns;
}

enum asker_took asker_note(struct asker *a, struct event *e, uint64_t now_ns, uint64_t *ret_lost)
{
	enum asker_took took = ASKER_DROPPED;

	pthread_mutex_lock(&a->lock);
	take_told(a);
	struct dossier_slot *s = dossiers_get(a->dossiers, &event_client(e)->addr, now_ns);
	if (s) {
		dossiers_note(a->dossiers, s, e);
		took = is_worth_it(a, s) && ready_ns(s) <= now_ns ? ASKER_HELD : ASKER_FILTERED;
		s->held += took == ASKER_HELD;
		if (is_worth_it(a, s))
			a->due_ns =
				MIN(a->due_ns, MAX(now_ns + a->config->linger_ms * NS_PER_MS, ready_ns(s)));
	}
	if (took == ASKER_HELD && !a->held_since_ns)
		a->held_since_ns = now_ns;
	*ret_lost = a->dossiers->lost_held;
	a->dossiers->lost_held = 0;
	pthread_mutex_unlock(&a->lock);
	return took;
}

/* --- asking --- */

uint64_t asker_due_ns(const struct asker *a)
{
	return a->asked_count ? NEVER : a->due_ns;
}

uint64_t asker_held_since_ns(const struct asker *a)
{
	return a->held_since_ns;
}

/* The worst that may be asked about now and is in no question yet; when others may be, in *ret_due_ns. */
static struct dossier_slot *next(struct asker *a, uint64_t now_ns, uint64_t *ret_due_ns)
{
	struct dossier_slot *worst = NULL;

	*ret_due_ns = NEVER;
	for (size_t i = 0; i < DOSSIERS_MAX; i++) {
		struct dossier_slot *s = &a->dossiers->slots[i];

		if (!s->used || s->asking || !s->fresh || !is_worth_it(a, s))
			continue;
		if (ready_ns(s) > now_ns) {
			*ret_due_ns = MIN(*ret_due_ns, ready_ns(s));
			continue;
		}
		*ret_due_ns = MIN(*ret_due_ns, now_ns);
		if (!worst || s->score > worst->score)
			worst = s;
	}
	return worst;
}

static void settle(struct dossier_slot *s, uint64_t now_ns)
{
	s->fresh = 0;
	s->asked_score = s->score;
	s->not_before_ns = now_ns + ASKER_AGAIN_NS;
}

/* The same of a client that looks alike: its own events are what it stands on. */
static void apply(const struct opinion *o, const struct dossier_slot *s, uint64_t now_ns,
		  void (*known)(void *arg, const struct verdict *v), void *arg)
{
	struct verdict v = o->verdict;
	char text[EVENT_ID_TEXT_MAX], reason[VERDICT_TEXT_MAX];

	if (o->silent)
		return;
	v.target = prefix_of(&s->dossier.client, addr_bits(&s->dossier.client));
	v.received_ns = now_ns;
	v.evidence_count = 0;
	for (unsigned i = 0; i < DOSSIER_SAMPLES && s->dossier.samples[i]; i++)
		snprintf(v.evidence[v.evidence_count++], VERDICT_ID_MAX, "%s",
			 event_id_format(s->dossier.samples[i], text));
	snprintf(v.id, sizeof v.id, "k-%" PRIu64, now_ns);
	snprintf(reason, sizeof reason, "said of a client that looks alike: %.200s", o->verdict.reason);
	memcpy(v.reason, reason, sizeof v.reason);
	v.model.tokens = 0;
	v.model.latency_ms = 0;
	known(arg, &v);
}

/* 0: it is in; 1: the batch has no room for it; -ENOMEM. */
static int put(struct asker *a, struct dossier_slot *s, uint64_t shape, struct batch *b, uint64_t *events)
{
	_cleanup_(buffer_free) struct buffer out = BUFFER_INIT(ASKER_DOSSIER_BYTES);
	struct json_writer w = JSON_WRITER(&out);
	int r;

	dossier_write(&s->dossier, &w);
	if (out.truncated)
		return 1;
	r = batch_add(b, buffer_span(&out));
	if (r)
		return r < 0 ? r : 1;
	*events += s->held;
	s->held = 0;
	s->fresh = 0;
	s->asking = true;
	s->asked_score = s->score;
	a->asked[a->asked_count++] = (struct asked){.slot = s, .shape = shape};
	a->counts.asked++;
	return 0;
}

/* Lock held. */
static int fill(struct asker *a, struct batch *b, uint64_t now_ns,
		void (*known)(void *arg, const struct verdict *v), void *arg, uint64_t *ret_known,
		uint64_t *ret_events)
{
	unsigned most = MIN(MAX(a->config->clients_per_question, 1u), (unsigned)ASKER_CLIENTS_MAX);
	struct dossier_slot *s;

	while (a->asked_count < most && (s = next(a, now_ns, &a->due_ns))) {
		uint64_t shape = dossier_shape(&s->dossier, a->seed);
		const struct opinion *o = opinions_get(a->opinions, shape, now_ns);

		if (o) {
			*ret_known += s->held;
			s->held = 0;
			settle(s, now_ns);
			a->counts.known++;
			apply(o, s, now_ns, known, arg);
			continue;
		}
		int r = put(a, s, shape, b, ret_events);
		if (r < 0)
			return r;
		if (r && b->events)
			break; /* the next question begins with it */
		if (r) {
			/* Alone too large for what batch_bytes allows: not asked about. */
			a->counts.oversized++;
			*ret_known += s->held;
			s->held = 0;
			settle(s, now_ns);
		}
	}
	next(a, now_ns, &a->due_ns);
	return 0;
}

int asker_question(struct asker *a, const char *id, uint64_t now_ns,
		   void (*known)(void *arg, const struct verdict *v), void *arg, uint64_t *ret_known,
		   struct batch **ret)
{
	struct batch *b = NULL;
	uint64_t events = 0;
	int r = batch_new(id, a->config->batch_bytes, now_ns, &b);

	*ret_known = 0;
	*ret = NULL;
	if (r)
		return r;
	pthread_mutex_lock(&a->lock);
	take_told(a);
	r = fill(a, b, now_ns, known, arg, ret_known, &events);
	a->counts.questions += a->asked_count > 0;
	a->held_since_ns = a->due_ns == NEVER ? 0 : a->held_since_ns;
	pthread_mutex_unlock(&a->lock);
	if (r || !b->events) {
		batch_free(b);
		return r;
	}
	batch_seal(b);
	b->events = (unsigned)MIN(events, (uint64_t)UINT32_MAX);
	*ret = b;
	return 0;
}

void asker_opinion(struct asker *a, const struct verdict *v, uint64_t now_ns)
{
	for (unsigned i = 0; i < a->asked_count; i++) {
		struct asked *q = &a->asked[i];

		if (!addr_equal(&q->slot->dossier.client, &v->target.addr))
			continue;
		q->judged = true;
		opinions_put(a->opinions, q->shape, v, now_ns);
	}
}

uint64_t asker_done(struct asker *a, enum asker_end end, uint64_t now_ns)
{
	uint64_t released = 0;

	pthread_mutex_lock(&a->lock);
	for (unsigned i = 0; i < a->asked_count; i++) {
		struct asked *q = &a->asked[i];
		bool settled = q->judged || end == ASKER_ANSWERED;

		q->slot->asking = false;
		if (settled) {
			q->slot->not_before_ns = now_ns + ASKER_AGAIN_NS;
			released += q->slot->held;
			q->slot->held = 0;
		}
		if (settled && !q->judged)
			opinions_put(a->opinions, q->shape, NULL, now_ns);
		if (end == ASKER_UNSENT)
			q->slot->fresh = MAX(q->slot->fresh, 1u);
	}
	a->asked_count = 0;
	if (end == ASKER_UNSENT)
		a->due_ns = MIN(a->due_ns, now_ns + a->config->linger_ms * NS_PER_MS);
	if (a->due_ns == NEVER)
		a->held_since_ns = 0;
	pthread_mutex_unlock(&a->lock);
	return released;
}

uint64_t asker_give_up_held(struct asker *a)
{
	uint64_t sum = 0;

	pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < DOSSIERS_MAX; i++) {
		sum += a->dossiers->slots[i].held;
		a->dossiers->slots[i].held = 0;
	}
	a->held_since_ns = 0;
	pthread_mutex_unlock(&a->lock);
	return sum;
}

/* --- showing --- */

int asker_show(struct asker *a, const struct addr *client, struct buffer *out)
{
	struct json_writer w = JSON_WRITER(out);
	int r = 1;

	pthread_mutex_lock(&a->lock);
	take_told(a);
	const struct dossier_slot *s = dossiers_find(a->dossiers, client);
	if (s) {
		dossier_write(&s->dossier, &w);
		r = out->truncated ? -ENOMEM : 0;
	}
	pthread_mutex_unlock(&a->lock);
	return r;
}

void asker_counts(struct asker *a, struct asker_counts *ret)
{
	pthread_mutex_lock(&a->lock);
	a->counts.dossiers = a->dossiers->counts;
	*ret = a->counts;
	pthread_mutex_unlock(&a->lock);
}
