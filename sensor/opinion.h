/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opinion.h: the sensor's side of the second opinion (second_opinion.enabled): which requests another process
 * is asked about (opinion_main.c: libmodsecurity with a Core Rule Set, a thousand times as slow as the
 * built-in analysis), within a budget of processor time, and what follows from its alarms.
 *
 * Asked about are requests with bytes that attacks are made of, those of a client of which an alarm came
 * lately, and one in second_opinion.sample of the others. An alarm is an http.anomaly event `second_opinion`
 * with the numbers of the rules, counts as a detection that fired where a gateway's verdict needs one
 * (witness.h), and OPINION_ALARMS of them from one client within OPINION_WINDOW_NS give a verdict.
 *
 * Capture never waits for it: a request goes without where OPINION_HELD_MAX wait already, where the budget is
 * spent, where it is larger than OPINION_QUESTION_MAX, or while there is no process; each is counted.
 * asked = answered + unanswered + held.
 *
 * One thread, capture's, but for opinion_wants_process, opinion_give and opinion_counts.
 */
#ifndef PICKET_OPINION_H
#define PICKET_OPINION_H

#include "lib/buffer.h"
#include "lib/clock.h"
#include "lib/config.h"
#include "lib/event.h"
#include "lib/util.h"
#include "lib/verdict.h"

struct detect;
struct opinion;
struct witness;

#define OPINION_HELD_MAX    64
#define OPINION_CLIENTS_MAX 4096 /* with alarms; full, the one idle longest is forgotten */
#define OPINION_ALARMS      3
#define OPINION_WINDOW_NS   (60 * NS_PER_S)
/* Below the default of guard.confidence_min: a rule set that knows a thousand things is wrong about some, and
 * a wrong block is worse than a late one (docs/second-opinion.md). */
#define OPINION_CONFIDENCE 0.75
#define OPINION_WAIT_NS    (15 * NS_PER_S) /* for an answer; then its process is given up */

enum opinion_state {
	OPINION_OFF,      /* not wanted */
	OPINION_ABSENT,   /* its process is to be started, again perhaps */
	OPINION_STARTING, /* it reads its rules */
	OPINION_READY,
};
const char *opinion_state_name(enum opinion_state state); /* "off", "absent", "starting", "ready" */

struct opinion_counts {
	enum opinion_state state;
	uint32_t rules; /* that it loaded */
	uint64_t asked, answered, unanswered, held;
	uint64_t alarms, verdicts;
	uint64_t queue_full, over_budget, too_large, not_ready, no_memory; /* went without */
	uint64_t processes;                                                /* started so far */
	uint64_t cpu_us;                                                   /* of processor time, as told */
	uint64_t forgotten;                                                /* clients, for room */
};

struct opinion_parts {
	const struct config *config;
	const struct clock *clock;
	struct detect *detect;                     /* who is denied raises nothing; NULL: nobody is */
	struct witness *witness;                   /* or NULL */
	void (*event)(void *arg, struct event *e); /* takes the reference */
	void (*verdict)(void *arg, const struct verdict *v);
	void *arg;
};

/* Could it run? 0, or CONFIG_E_INVALID with what is missing, and what to install, in errors. */
int opinion_check(const struct config *config, struct buffer *errors);
/* Path of the program beside this one: 0, -ENOENT, or -errno. */
int opinion_program(char *ret, size_t size);

int opinion_new(const struct opinion_parts *parts, struct opinion **ret);
void opinion_free(struct opinion *o);

/* A request that was seen. o may be NULL; a reference of the event is kept until the answer came. */
void opinion_request(struct opinion *o, const struct http_request *r, struct event *e);
/* After each turn of the reader: what was answered meanwhile. */
void opinion_poll(struct opinion *o);

/* Any thread. Takes the socket. */
bool opinion_wants_process(struct opinion *o);
void opinion_give(struct opinion *o, int socket);
struct opinion_counts opinion_counts(const struct opinion *o); /* NULL: off */

#endif
