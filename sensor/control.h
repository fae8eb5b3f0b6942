/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.h: the sensor's resources of the control API (docs/openapi.yaml): status, events, blocks, lists,
 * why, mode, pending, kill switch, proxies, gateways, config. One file per resource group, control_*.c; each
 * registers its routes. What blocks, why and pending share beyond this header is in control_decision.h. They
 * read other modules' counts and lists and put questions to the enforcer and the warden; they decide nothing
 * themselves.
 */
#ifndef PICKET_CONTROL_H
#define PICKET_CONTROL_H

#include "forwarder/forwarder.h"
#include "lib/api.h"
#include "lib/json_read.h"
#include "lib/json_write.h"
#include "lib/queue.h"
#include "policies/baseline.h"
#include "policies/behaviour.h"
#include "policies/detect.h"
#include "policies/fingerprints.h"
#include "policies/forecast.h"
#include "policies/packet_watch.h"
#include "policies/routes.h"
#include "sensor/alert_send.h"
#include "sensor/audit.h"
#include "sensor/capture.h"
#include "sensor/enforcer.h"
#include "sensor/haproxy_point.h"
#include "sensor/http_point.h"
#include "sensor/journal.h"
#include "sensor/memory.h"
#include "sensor/reader.h"
#include "sensor/tail.h"

/* Everything the resources ask; all members outlive the api. */
struct control_parts {
	const struct config *config;
	const struct clock *clock;
	struct tail *tail;
	struct enforcer *enforcer;
	struct http_point *http_point; /* NULL: none */
	struct haproxy_point *const *haproxy;
	unsigned haproxy_count;
	struct audit *audit;       /* NULL: none */
	struct alert_send *alerts; /* NULL: nobody is told */
	struct journal *journal;   /* NULL: none */
	struct memory *memory;     /* NULL: none */
	struct warden_client *warden;
	struct proxies *proxies;
	struct forwarder *forwarder;
	struct crowdsec_links *crowdsec; /* NULL: none */
	struct detect *detect;
	struct regulars *regulars;         /* NULL: none */
	struct witness *witness;           /* NULL: none */
	struct packet_watch *packet_watch; /* NULL: none */
	struct routes *routes;
	struct behaviour *behaviour;
	struct fingerprints *fingerprints; /* NULL: none */
	struct baseline *baseline;
	struct forecast *forecast;
	const struct capture *capture;
	const struct opinion *opinion; /* NULL: not wanted */
	const struct reader *reader;
	struct queue_counts (*event_queue)(void *arg); /* capture → judge */
	enum processes_sight (*sight)(void);
	void *arg;
	uint64_t started_ns;
	const char *run_id;
};

int control_register(struct api *api, const struct control_parts *parts);
/* control_metrics.c */ int control_register_metrics(struct api *api, const struct control_parts *parts);
/* The same at /metrics, and nothing else: for an api that anybody on this host may ask. */
int control_register_metrics_point(struct api *api, const struct control_parts *parts);
/* control_status.c */ int control_register_status(struct api *api, const struct control_parts *parts);
/* control_events.c */ int control_register_events(struct api *api, const struct control_parts *parts);
/* control_blocks.c */ int control_register_blocks(struct api *api, const struct control_parts *parts);
/* control_forecast.c */ int control_register_forecast(struct api *api, const struct control_parts *parts);
/* control_lists.c */ int control_register_lists(struct api *api, const struct control_parts *parts);
/* control_routes.c */ int control_register_routes(struct api *api, const struct control_parts *parts);
/* control_baseline.c */ int control_register_baseline(struct api *api, const struct control_parts *parts);
/* control_clients.c */ int control_register_clients(struct api *api, const struct control_parts *parts);
/* control_why.c */ int control_register_why(struct api *api, const struct control_parts *parts);
/* control_pending.c */ int control_register_pending(struct api *api, const struct control_parts *parts);
/* control_settings.c: mode, kill switch, proxies, config, gateways */
int control_register_settings(struct api *api, const struct control_parts *parts);
int control_register_gateways(struct api *api, const struct control_parts *parts);

/* --- shared by the resources --- */

#define CONTROL_ANSWER_MAX                                                               \
	(32u << 20) /* bytes of one answer; lists that may be longer are streamed or cut \
		     */

/* Answers with what is in b and frees it; a buffer that hit its ceiling becomes problem 500
 * "answer_too_large". */
void control_reply(struct api_call *call, unsigned status, struct buffer *b);
/* Problem 500 "no_memory". */
void control_no_memory(struct api_call *call);
/* api_problem with a formatted detail. */
void control_problem(struct api_call *call, unsigned status, const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/*
 * The body as a JSON object that has no keys but those of known (NULL ends it). 0, or 1: the problem was
 * answered. *ret: cJSON_Delete it.
 */
int control_body(struct api_call *call, const char *const *known, cJSON **ret);
/* Who asks: "uid:N". Returns buf. */
#define CONTROL_UID_MAX 24
const char *control_uid(const struct api_call *call, char buf[static CONTROL_UID_MAX]);
/* What was decided until now is in the audit log and in the journal when it returns, as audit_settle and
 * journal_settle say it. */
void control_settle(const struct control_parts *parts);
/* "kept_over_restart": is the journal written? */
void control_write_kept(struct json_writer *w, const struct control_parts *parts);
/* A setting was changed by who asks; before and subject may be NULL. Waits as control_settle does. */
void control_audit(struct api_call *call, const struct control_parts *parts, const char *name,
		   const char *subject, const char *before, const char *value);
/* Address or prefix. 0, or 1: the problem was answered. what names it in the message: "target". */
int control_target(struct api_call *call, const char *what, const char *text, struct prefix *ret);
/* The same of an address or prefix alone. */
int control_network(struct api_call *call, const char *what, const char *text, struct prefix *ret);
/* A whole number from the query, 0 to max; *ret is untouched where it is absent. 0, or 1: the problem was
 * answered. */
int control_query(struct api_call *call, const char *name, uint64_t max, uint64_t *ret);

/* "key": RFC 3339 of a boot-clock stamp; 0 becomes null. */
void control_write_time(struct json_writer *w, const char *key, const struct clock *clock, uint64_t boot_ns);
void control_write_prefix(struct json_writer *w, const char *key, const struct prefix *p);
/* The object by which blocks, why and pending name a verdict: its members, without braces. */
void control_write_verdict(struct json_writer *w, const struct verdict *v);
struct gateway_counts;
/* As forwarder_counts, with those that are reached in other ways. */
unsigned control_gateway_counts(const struct control_parts *parts, struct gateway_counts *ret,
				unsigned count);
/* "crowdsec": {...} of the gateway; nothing, if it gets no decisions of a LAPI. */
void control_write_crowdsec(struct json_writer *w, const struct control_parts *parts, const char *gateway);
/* The array of gateways, as status and gateways show it. */
void control_write_gateways(struct json_writer *w, const struct control_parts *parts);
/* The array of block lists, as status and lists show it. */
void control_write_lists(struct json_writer *w, const struct control_parts *parts);

#endif
