/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_fixture.h: the control API as the sensor serves it, over a unix socket in a folder of its own, with
 * the modules behind it played by the test: what they answer is set in `fake`, what they were asked is read
 * there.
 */
#ifndef PICKET_TESTS_CONTROL_FIXTURE_H
#define PICKET_TESTS_CONTROL_FIXTURE_H

#include "sensor/control.h"
#include "sensor/opinion.h"

struct fake {
	struct memory_counts memory;
	enum processes_sight sight;
	unsigned rearmed; /* calls of detect_rearm */
	/* enforcer */
	struct verdict asked; /* the last verdict */
	unsigned asked_count;
	uint64_t confirm_within_ms;
	struct decision decision; /* the answer to it */
	const struct block_told *blocks;
	size_t block_count;
	struct pending pending[4];
	unsigned pending_count;
	bool answered, answered_yes;
	char answered_by[VERDICT_ID_MAX];
	struct prefix confirmed;
	int confirm_result;
	struct why why;
	struct event *history[4];
	size_t history_count;
	enum config_mode mode;
	struct enforcer_counts counts;
	struct lists_account lists[2];
	unsigned list_count;
	/* the point at HTTP; parts.http_point is NULL unless a test sets it to anything */
	struct decide_counts decide;
	enum verdict_action in_force; /* for everybody */
	struct alert_outlet_counts outlets[ALERT_OUTLETS];
	struct http_point_counts http;
	bool http_asked;
	/* that of one HAProxy; parts.haproxy_count is 0 unless a test says otherwise */
	struct haproxy_counts haproxy;
	/* warden */
	struct warden_reply warden;
	int warden_result;
	unsigned kills;
	/* counts */
	struct capture_counts capture;
	struct answers_counts answers;
	struct reader_counts reader;
	struct detect_counts detect;
	struct opinion_counts opinion;
	struct regulars_counts regulars;
	struct witness_counts witness;
	struct queue_counts queue;
	struct gateway_counts gateways[2];
	unsigned gateway_count;
};
extern struct fake fake;

struct fixture {
	char folder[64];
	char socket[96];
	struct config *config;
	struct proxies *proxies;
	struct operations *operations; /* GET /v1/items/{itemId} */
	struct routes *routes;
	struct behaviour *behaviour;
	struct baseline *baseline;
	struct forecast *forecast;
	struct tail *tail;
	struct api *api;
	struct control_parts parts;
};
#define FIXTURE_TAIL 64 /* events the tail holds */

/* 0, or the test cannot run. The fakes are set to a daemon at rest. */
int fixture_start(struct fixture *f);
void fixture_stop(struct fixture *f);

struct prefix fixture_prefix(const char *text);
struct block_told fixture_block(const char *target);
/* Events into the tail; the last one's id is told. */
void fixture_put_request(struct fixture *f, const char *path);
void fixture_put_header(struct fixture *f, const char *from, const char *to, uint16_t flags);
/* One block list, with something of everything that can be told of one. */
void fixture_list(void);
struct event *fixture_decision(const char *target, enum decision_outcome outcome, const char *why,
			       const char *detail);

#endif
