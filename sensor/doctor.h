/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor.h: the report of `picket doctor`: checks, each with a stable id, a state, one sentence, what it
 * costs when it is not ok, and the command that mends it. Printed as they come, as a table for people or as
 * one JSON object a line. What is checked lies in doctor_loop.h, doctor_ports.h and cli_doctor_host.h.
 */
#ifndef PICKET_DOCTOR_H
#define PICKET_DOCTOR_H

#include <stdbool.h>
#include <stdio.h>
#include "lib/json_write.h"

enum check_state { CHECK_OK, CHECK_WARN, CHECK_FAIL, CHECK_SKIP };

/* What a failed check means for the exit status; the strongest counts. */
enum check_cause {
	CAUSE_PLAIN = 0,      /* exit 1 */
	CAUSE_KERNEL = 1,     /* exit 6: the kernel lacks what is needed */
	CAUSE_PERMISSION = 2, /* exit 3 */
};

/* Plain memory of one size, so that a process can send it to another. */
struct check {
	char id[32];      /* stable: "loop.tc"; the same for every subject */
	char subject[64]; /* which one, where there are several: "0.0.0.0:443", "eth0"; else "" */
	enum check_state state;
	enum check_cause cause; /* of a failure */
	char text[512];         /* a sentence */
	char cost[256];         /* what is missing by it; "" when ok */
	char mend[192];         /* a command, or a setting */
	char facts[512];        /* more members of the JSON object, as JSON: ,"pid":12 */
};

struct doctor {
	FILE *out;
	bool json, color, verbose;
	unsigned counts[4]; /* by state */
	enum check_cause worst;
};

/* An empty check of this id. */
struct check check_of(const char *id, const char *subject);
/* Sets state and text. What does not fit is cut at a character. */
void check_say(struct check *c, enum check_state state, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void check_cost(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void check_mend(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

void check_fact_text(struct check *c, const char *key, const char *value);
void check_fact_uint(struct check *c, const char *key, uint64_t value);
void check_fact_bool(struct check *c, const char *key, bool value);

const char *check_state_name(enum check_state state); /* "ok", "warn", "fail", "skip" */

void doctor_add(struct doctor *d, const struct check *c);
/* For people: the last line. Nothing in JSON. */
void doctor_end(struct doctor *d);
/* 0, 1, 3 or 6 (cli.h). */
int doctor_exit(const struct doctor *d);

#endif
