/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asker.h: about whom a model is asked, and when. Events go into dossiers; a question is due linger_ms after
 * the first event of a client that is worth one (ask_score), and holds the worst clients_per_question of
 * those that did something since they were last asked about. One question is under way at a time, so no
 * client is in two. Who looks as somebody did of whom an opinion is known is not asked about: the opinion
 * holds for both. Of whom there is an opinion, it is asked again only ASKER_AGAIN_NS later, or when the score
 * has risen by half.
 *
 * The account: an event is held from when it comes until its client was asked about, if the client is worth a
 * question; else it counts as filtered, though its dossier knows it. What the table has no room for is
 * dropped.
 *
 * asker_detection may be called from any thread, asker_show as well; everything else is the judge thread's.
 */
#ifndef PICKET_ASKER_H
#define PICKET_ASKER_H

#include "forwarder/batch.h"
#include "forwarder/dossiers.h"
#include "lib/config.h"

#define ASKER_AGAIN_NS      (60 * 1000000000ull)
#define ASKER_CLIENTS_MAX   32  /* in a question */
#define ASKER_TOLD_MAX      256 /* detections that wait to be taken over */
#define ASKER_DOSSIER_BYTES (32 * 1024)

struct asker;

enum asker_took { ASKER_HELD = 1, ASKER_FILTERED, ASKER_DROPPED };

struct asker_counts {
	struct dossiers_counts dossiers;
	uint64_t questions, asked; /* asked: clients in them */
	uint64_t known;            /* clients whose question an opinion answered */
	uint64_t oversized;        /* dossiers larger than a question may be */
	uint64_t untold;           /* detections that came faster than they were taken over */
};

/* config is borrowed. seed: random. 0 or -ENOMEM. */
int asker_new(const struct config_gateway *config, uint64_t seed, struct asker **ret);
void asker_free(struct asker *a); /* NULL: nothing */

/* A detection of that name fired for the client, on the event of that number of this run. */
void asker_detection(struct asker *a, const struct addr *client, const char *name, uint64_t event_id,
		     uint64_t now_ns);
/* e names a client (event_client). *ret_lost: events held by clients that had to go for it. */
enum asker_took asker_note(struct asker *a, struct event *e, uint64_t now_ns, uint64_t *ret_lost);

/* When a question is due, boot clock; UINT64_MAX: there is none. */
uint64_t asker_due_ns(const struct asker *a);
/* When the oldest event that is held came; 0: none is. */
uint64_t asker_held_since_ns(const struct asker *a);
/*
 * The next question: a batch under that id whose items are dossiers (dossier_write) and whose events are
 * those that were held for it; the caller frees it. *ret NULL: there is nobody to ask about. known: gets the
 * verdicts that follow from opinions; *ret_known: events that were held by clients whose opinion is known.
 * 0 or -ENOMEM.
 */
int asker_question(struct asker *a, const char *id, uint64_t now_ns,
		   void (*known)(void *arg, const struct verdict *v), void *arg, uint64_t *ret_known,
		   struct batch **ret);
/* A verdict of the answer to the question that is under way. */
void asker_opinion(struct asker *a, const struct verdict *v, uint64_t now_ns);
/* How a question ended. */
enum asker_end {
	ASKER_ANSWERED = 1, /* of whom nothing was said, nothing is to be said */
	ASKER_FAULTY,  /* some of the answer could not be used: who was not judged may be asked about again */
	ASKER_IN_VAIN, /* there was no answer, but it may have been paid for: likewise, when they do more */
	ASKER_UNSENT,  /* it did not go out: it remains to be asked */
};
/* Returns how many events that came meanwhile are held no more, for their clients were judged. */
uint64_t asker_done(struct asker *a, enum asker_end end, uint64_t now_ns);
/* Nothing can be asked for now: returns how many events were held, which are not any more. */
uint64_t asker_give_up_held(struct asker *a);

/* What would be sent of that client now, as an item of a batch, appended to out. 0; 1: nothing is known of
 * it; -ENOMEM. */
int asker_show(struct asker *a, const struct addr *client, struct buffer *out);
void asker_counts(struct asker *a, struct asker_counts *ret);

#endif
