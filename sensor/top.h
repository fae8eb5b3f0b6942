/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top.h: what `picket top` shows, made of what the control API answers (top.c) and, for whoever may ask the
 * kernel, of what its programs cost (top_programs.c); drawn as lines of ASCII (top_view.c). Knows no
 * terminal.
 *
 * Rates of routes, packets and blocks come from counters that are read twice. Who asks most is told by the
 * last requests that the daemon holds, at most TOP_EVENTS of them and TOP_WINDOW_S old: a look costs the same
 * however many requests come.
 */
#ifndef PICKET_TOP_H
#define PICKET_TOP_H

#include <stdint.h>
#include <stdio.h>
#include "lib/addr.h"
#include "lib/buffer.h"
#include "sensor/cli_call.h"

#define TOP_EVENTS       1000
#define TOP_WINDOW_S     5
#define TOP_PROGRAMS_MAX 16

enum top_order { TOP_BY_RATE, TOP_BY_REFUSED, TOP_BY_NAME };

/* Texts lie in the answers; they came from outside. */
struct top_route {
	const char *method, *route, *host;
	uint64_t requests, refused; /* refused: answered 4xx or 5xx */
	double rate;                /* requests a second; below 0: not known yet */
};

struct top_source {
	char address[ADDR_TEXT_MAX];
	unsigned requests, refused; /* in the window */
	double rate;
	char last[128]; /* its last request */
};

struct top_block {
	const char *target, *action, *source, *origin;
	uint64_t packets, ttl_s;
	double rate; /* packets dropped a second; below 0: not known yet */
};

struct top_program {
	char name[16];
	uint64_t runs, ns;
	double run_rate, ns_each; /* since the look before */
};

enum top_programs_state {
	TOP_PROGRAMS_KNOWN,
	TOP_PROGRAMS_DENIED,
	TOP_PROGRAMS_NONE,
	TOP_PROGRAMS_UNCOUNTED
};

struct top_programs {
	enum top_programs_state
		state; /* UNCOUNTED: the kernel does not measure them (kernel.bpf_stats_enabled) */
	struct top_program items[TOP_PROGRAMS_MAX];
	unsigned count;
};

struct top_sample {
	uint64_t at_ns; /* monotonic; 0: there is none */
	cJSON *status, *routes, *blocks, *pending, *proxies;
};

struct top {
	struct top_sample now, before;
	struct top_route *routes;
	struct top_source *sources;
	struct top_block *blocks;
	unsigned route_count, source_count, block_count;
	struct top_programs programs;
};

/* Looks. 0, TOP_E_UNANSWERED (what was seen before stays), or -ENOMEM. */
enum { TOP_E_UNANSWERED = 1 };
int top_look(struct top *t, const struct cli *cli);
/* "blocked", "pending", "trusted proxy", ...; "" for an ordinary client. */
const char *top_source_status(const struct top *t, const struct top_source *s);
void top_sort(struct top *t, enum top_order order);
void top_free(struct top *t);
/* A number of the status and what it grows by in a second (below 0: not known yet). path: "kernel.packets".
 */
double top_rate(const struct top *t, const char *path);

/* top_programs.c: from what was seen ns ago to now; ns 0: for the first time. */
void top_programs_look(struct top_programs *p, uint64_t ns);

/* --- top_view.c --- */

enum top_look { TOP_PLAIN, TOP_HEAD, TOP_SELECTED, TOP_ALERT };

struct top_view {
	enum top_order order;
	bool paused;
	char selected[ADDR_TEXT_MAX]; /* of a source; "": none is */
	unsigned rows, columns;       /* 0: as many as it takes */
};

/* Each line from the top on; it has at most view->columns columns, all of them printable ASCII. */
void top_draw(const struct top *t, const struct top_view *view,
	      void (*put)(void *arg, enum top_look look, struct span line), void *arg);
/* top_json.c: one object on one line. */
void top_print_json(const struct top *t, FILE *f);
/* Selects the source that stands `by` lines below the selected one. */
void top_select(const struct top *t, struct top_view *view, int by);

#endif
