/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answers.h: events of requests wait here until their answer came, their connection ended, or ANSWERS_WAIT_NS
 * passed; and which answer belongs to which request.
 *
 * A server answers in the order of the requests (RFC 9112 section 9.3.2), so the n-th answer belongs to the
 * n-th request. That is only as good as the eyes: an answer can be missed, and a body may look like one. A
 * request that was answered before the next one was read has the first answer behind it. Requests that waited
 * together (pipelined) are a group: its events go out when all have an answer and the server went on to
 * something else or fell silent; if their number and that of the answers differ, none of the group gets any.
 * An answer that came before its request was whole is taken for that only where it is the connection's first.
 * So an answer is never given to another request than its own, as far as the kernel half sees answers at all;
 * where that is in doubt, the event has none. What remains is a body that looks like answers, with a request
 * behind it that was sent before its end, and the real answer so late that the other one seemed to be it.
 *
 * Where requests were lost nobody knows how many answers are theirs: from then on the connection's events
 * have none and do not wait, until it was silent for ANSWERS_WAIT_NS. Where answers were not seen (several in
 * one write, or a status line in pieces), their requests and the later ones have none, until it was silent
 * for ANSWERS_FORGET_NS: to look at, the server may as well be slow, and owe them. It surely does where it
 * answered nothing at all; then the count goes on. Behind such a silence an exchange that comes out even is
 * needed before the count is believed again: an answer that was owed after all would be one too many.
 *
 * Full: an event goes out at once, without answer (counted). Not thread safe, but for answers_counts.
 */
#ifndef PICKET_ANSWERS_H
#define PICKET_ANSWERS_H

#include "lib/event.h"

#define ANSWERS_WAIT_NS   (2ull * 1000000000)  /* an event waits no longer */
#define ANSWERS_FORGET_NS (10ull * 1000000000) /* a server that was silent for so long owes no answer */
#define ANSWERS_MAX       65536                /* events that wait at once */
#define ANSWERS_BYTES     (32u << 20)          /* ... and what they hold: clients choose how large one is */

struct answers;
struct answers_held;

/* One answer of a server. */
struct answer {
	uint64_t time_ns; /* of its first byte, boot clock */
	uint64_t read;    /* offset up to which the server had read from the client then */
	uint64_t size;    /* bytes, head and body; as far as it has been written, unless `final` */
	uint32_t seq;     /* sequence number of its first byte */
	uint32_t number;  /* of this connection, from 1; 0: unknown */
	uint32_t since;   /* what the numbers count from: equal for all that were counted in one go */
	uint16_t status;
	uint8_t final;
	uint8_t open; /* the server had read some of a request that is not held yet */
};

/* The requests of one connection that wait, a member of whatever stands for the connection. Zero to begin. */
struct answers_line {
	struct answers_held *first, *last;           /* in order */
	struct answers_held *waiting;                /* the first of these that has no answer */
	struct answers_held *answered;               /* the latest of these that has one */
	struct answers_line *due_before, *due_after; /* those of the same tick, modulo */
	uint64_t due;         /* when answers_poll looks at it next, in its ticks; 0: nothing is held */
	uint8_t pause;        /* ... and how many it waits after that */
	struct answer early;  /* came while its request was not whole, if early.status */
	uint64_t looked_size; /* of the latest answer when answers_poll looked */
	uint32_t asked, got;  /* requests and answers since the two were equal */
	uint32_t gone;        /* requests before `waiting` that went without answer */
	uint32_t number, since, end; /* of the latest answer; end: as it was first told */
	uint8_t expired;             /* requests in a row that nobody answered in time, saturating */
	uint64_t last_ns;            /* of the latest request or answer */
	uint8_t lost;                /* requests nobody knows */
	uint8_t lost_now;            /* ... since the latest that is known */
	uint8_t joined;  /* set it where the connection's beginning was not seen; 0 once an answer came */
	uint8_t heard;   /* an answer came, or may have */
	uint8_t doubt;   /* answers or requests of the group were missed */
	uint8_t unclear; /* ... of the next one: it may have been answered */
	uint8_t looked;
};

struct answers_hooks {
	void (*emit)(void *arg, struct event *e); /* takes the reference */
	/*
	 * The latest answer that the kernel half knows of this line's connection. False: none, or not all
	 * that the server had read before it has been seen yet. NULL: there is nowhere to look.
	 */
	bool (*look)(void *arg, struct answers_line *l, struct answer *ret);
	void *arg;
};

/* All of uint64_t. Of `taken` what is not emitted yet is held; read in this order that is never negative. */
struct answers_counts {
	uint64_t emitted, taken;
	uint64_t answered; /* emitted with a status */
	uint64_t expired;  /* emitted after ANSWERS_WAIT_NS without one */
	uint64_t unsure;   /* emitted without one, as it was in doubt which */
	uint64_t full;     /* emitted at once */
	uint64_t late;     /* answers to requests that were emitted before */
	uint64_t surplus;  /* what began like an answer where no request waited */
	uint64_t missed;   /* answers told by nothing but the next one's number */
};

int answers_new(const struct answers_hooks *hooks, struct answers **ret);
/* What is still held is freed, not emitted: answers_flush is for that. */
void answers_free(struct answers *a);

/* Takes the reference. start: offset of the request's first byte in its stream. */
void answers_hold(struct answers *a, struct answers_line *l, struct event *e, uint64_t start,
		  uint64_t now_ns);
/* An answer came, or is told again with more known of it. */
void answers_seen(struct answers *a, struct answers_line *l, const struct answer *answer);
/* Bytes of the connection were lost: there may be requests nobody knows. */
void answers_lost(struct answers *a, struct answers_line *l);
/* The connection ended: all of it is emitted. */
void answers_end(struct answers *a, struct answers_line *l);
/*
 * Often (some 10 ms): looks for answers to what waits, and gives up what waited too long. Costs what is due:
 * a connection is looked at ever more rarely, at least once in 80 ms.
 */
void answers_poll(struct answers *a, uint64_t now_ns);
/* Everything is emitted as it is. */
void answers_flush(struct answers *a);
bool answers_waiting(const struct answers *a); /* is any event held? */
struct answers_counts answers_counts(const struct answers *a);

#endif
