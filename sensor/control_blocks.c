// SPDX-License-Identifier: Apache-2.0
/*
 * Blocks: what is denied and for how long, and what an operator may do about it: block, confirm, unblock. An
 * operator's wish is a verdict like any other; the enforcer asks guard and warden, and this file tells its
 * answer.
 */
#include <stdlib.h>
#include "lib/util.h"
#include "sensor/control_decision.h"
#include "sensor/control_lines.h"

#define LIST_DEFAULT  1000
#define LIST_MAX      10000
#define TTL_S_MAX     (100ll * 366 * 24 * 3600) /* beyond any ceiling; the guard's own comes first */
#define CONFIRM_S_MAX (24ll * 3600)

/* --- GET /v1/blocks --- */

static int newest_first(const void *a, const void *b)
{
	const struct block_told *x = a, *y = b;

	return x->since_ns < y->since_ns ? 1 : x->since_ns > y->since_ns ? -1 : 0;
}

static void write_line(struct json_writer *w, const void *block, const void *clock)
{
	control_write_block(w, block, clock);
}

static void get_blocks(struct api_call *call, void *arg)
{
	const struct control_parts *parts = arg;
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);
	uint64_t stream = 0, limit = LIST_DEFAULT;
	struct block_told *blocks = NULL;
	size_t count = 0;

	if (control_query(call, "stream", 1, &stream) || control_query(call, "limit", LIST_MAX, &limit))
		return;
	if (enforcer_blocks(parts->enforcer, &blocks, &count)) {
		control_no_memory(call);
		return;
	}
	if (count)
		qsort(blocks, count, sizeof *blocks, newest_first);
	if (stream) {
		control_stream_lines(call, blocks, count, sizeof *blocks, write_line, parts->clock);
		return;
	}
	json_object_begin(&w);
	json_key(&w, "count");
	json_uint(&w, count);
	json_key(&w, "truncated");
	json_bool(&w, count > limit);
	control_write_kept(&w, parts);
	json_key(&w, "blocks");
	json_array_begin(&w);
	for (size_t i = 0; i < count && i < limit; i++)
		control_write_block(&w, &blocks[i], parts->clock);
	json_array_end(&w);
	json_object_end(&w);
	free(blocks);
	control_reply(call, 200, &b);
}

/* --- POST /v1/blocks --- */

/* ttl_s or ttl, at most one of them. */
static int read_ttl(struct api_call *call, const cJSON *body, uint64_t *ret_ms)
{
	const cJSON *text = cJSON_GetObjectItemCaseSensitive(body, "ttl");
	int64_t ttl_s = 0;
	int r = json_get_int(body, "ttl_s", 1, TTL_S_MAX, &ttl_s);

	if (r == 2) {
		control_problem(call, 422, "bad_ttl", "ttl_s must be a whole number of seconds, 1 or more");
		return 1;
	}
	if (r == 0 && text) {
		control_problem(call, 422, "bad_ttl", "ttl_s and ttl say the same thing: give one of them");
		return 1;
	}
	if (r == 0)
		*ret_ms = (uint64_t)ttl_s * 1000;
	if (text && (!cJSON_IsString(text) || config_duration_parse(span_from(text->valuestring), ret_ms) ||
		     !*ret_ms)) {
		control_problem(call, 422, "bad_ttl",
				"ttl must be a time with its unit, like \"15m\", \"90s\" or \"1h30m\"");
		return 1;
	}
	return 0;
}

static int read_scope(struct api_call *call, const cJSON *body, enum verdict_scope *ret)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(body, "scope");
	const char *text = json_get_text(body, "scope");

	if (!item)
		return 0;
	if (text && !strcmp(text, "ports"))
		*ret = VERDICT_SCOPE_PORTS;
	else if (text && !strcmp(text, "host"))
		*ret = VERDICT_SCOPE_HOST;
	else {
		control_problem(call, 422, "bad_scope",
				"scope must be \"ports\" (the watched ports) or \"host\" (every packet)");
		return 1;
	}
	return 0;
}

static int read_action(struct api_call *call, const cJSON *body, enum verdict_action *ret)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(body, "action");
	const char *text = json_get_text(body, "action");

	if (!item)
		return 0;
	*ret = text ? verdict_action_of(text) : (enum verdict_action)0;
	if (verdict_denies(*ret))
		return 0;
	control_problem(
		call, 422, "bad_action",
		"action must be \"block\", \"rate_limit\" (drop what is over enforcement.rate_limit), "
		"\"shadow\" (only count) or \"reset\" (drop, and answer with a RST)");
	return 1;
}

static int read_reason(struct api_call *call, const cJSON *body, char ret[static VERDICT_TEXT_MAX])
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(body, "reason");
	const char *text = json_get_text(body, "reason");

	if (!item)
		return 0;
	if (!text || strlen(text) >= VERDICT_TEXT_MAX) {
		control_problem(call, 422, "bad_reason", "reason must be text of at most %d bytes",
				VERDICT_TEXT_MAX - 1);
		return 1;
	}
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f) {
			control_problem(call, 422, "bad_reason",
					"reason must be one line, without control characters");
			return 1;
		}
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

static int read_confirm(struct api_call *call, const cJSON *body, uint64_t *ret_ms)
{
	int64_t confirm_s = 0;
	int r = json_get_int(body, "confirm_within_s", 1, CONFIRM_S_MAX, &confirm_s);

	if (r == 2) {
		control_problem(call, 422, "bad_confirm",
				"confirm_within_s must be a whole number of seconds, 1 to %lld",
				CONFIRM_S_MAX);
		return 1;
	}
	*ret_ms = r == 0 ? (uint64_t)confirm_s * 1000 : 0;
	return 0;
}

static void post_block(struct api_call *call, void *arg)
{
	static const char *const known[] = {"target",           "ttl",    "ttl_s", "scope", "reason",
					    "confirm_within_s", "action", NULL};
	const struct control_parts *parts = arg;
	struct prefix target;
	struct verdict v;
	struct decision d = {0};
	uint64_t confirm_ms = 0;
	cJSON *body = NULL;

	if (control_body(call, known, &body))
		return;
	if (control_target(call, "target", json_get_text(body, "target"), &target))
		goto out;
	control_operator_verdict(call, parts, VERDICT_BLOCK, &target, &v);
	if (read_action(call, body, &v.action) || read_ttl(call, body, &v.ttl_ms) ||
	    read_scope(call, body, &v.scope) || read_reason(call, body, v.reason) ||
	    read_confirm(call, body, &confirm_ms))
		goto out;
	enforcer_verdict(parts->enforcer, &v, confirm_ms, &d);
	control_settle(parts);
	if (d.outcome == DECISION_REFUSED)
		control_refuse(call, &d);
	else
		control_reply_decision(call, parts, &v, &d, d.outcome == DECISION_BLOCKED ? 201 : 202);
out:
	cJSON_Delete(body);
}

/* --- DELETE /v1/blocks/{target}, POST /v1/blocks-confirm --- */

/* Nothing to unblock or confirm under exactly this target: say what is there instead. */
static void reply_not_blocked(struct api_call *call, const struct control_parts *parts,
			      const struct prefix *target)
{
	char asked[PREFIX_TEXT_MAX], there[PREFIX_TEXT_MAX];
	struct why why = {0};
	size_t none = 0;

	prefix_format(target, asked);
	bool known = !enforcer_why(parts->enforcer, target, &why, NULL, &none);
	bool covered = known && why.blocked && !prefix_equal(&why.block.verdict.target, target);

	if (covered && verdict_is_of_list(why.block.verdict.source))
		control_problem(
			call, 404, "not_blocked",
			"%s itself is not blocked; it is covered by %s of the block list %s: take that "
			"out of %s, or put %s into limits.protect",
			asked, prefix_format(&why.block.verdict.target, there), why.block.verdict.origin,
			why.block.verdict.source == VERDICT_IMPORT ? "its file"
								   : "there (cscli decisions delete)",
			asked);
	else if (covered)
		control_problem(call, 404, "not_blocked",
				"%s itself is not blocked; it is covered by the block of %s: name that one",
				asked, prefix_format(&why.block.verdict.target, there));
	else if (known && why.route_count)
		control_problem(
			call, 404, "not_blocked",
			"%s itself is not blocked; %s is, and %zu of its routes in all: name that one", asked,
			prefix_format(&why.routes[0], there), why.route_count);
	else
		control_problem(call, 404, "not_blocked", "%s is not blocked: `picket blocks` lists what is",
				asked);
}

static void delete_block(struct api_call *call, void *arg)
{
	const struct control_parts *parts = arg;
	struct prefix target;
	struct verdict v;
	struct decision d = {0};

	if (control_target(call, "target", api_call_param(call), &target))
		return;
	control_operator_verdict(call, parts, VERDICT_UNBLOCK, &target, &v);
	enforcer_verdict(parts->enforcer, &v, 0, &d);
	control_settle(parts);
	if (d.outcome == DECISION_UNBLOCKED)
		control_reply_decision(call, parts, &v, &d, 200);
	else if (!strcmp(d.why, "install_failed") || !strcmp(d.why, "in_list"))
		control_refuse(call, &d);
	else
		reply_not_blocked(call, parts, &target);
}

static void post_confirm(struct api_call *call, void *arg)
{
	static const char *const known[] = {"target", NULL};
	const struct control_parts *parts = arg;
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);
	char text[PREFIX_TEXT_MAX];
	struct prefix target;
	cJSON *body = NULL;

	if (control_body(call, known, &body))
		return;
	if (control_target(call, "target", json_get_text(body, "target"), &target))
		goto out;
	if (enforcer_confirm(parts->enforcer, &target)) {
		reply_not_blocked(call, parts, &target);
		goto out;
	}
	control_audit(call, parts, "confirm", prefix_format(&target, text), "on trial", "confirmed");
	json_object_begin(&w);
	control_write_prefix(&w, "target", &target);
	json_key(&w, "confirmed");
	json_bool(&w, true);
	json_object_end(&w);
	control_reply(call, 200, &b);
out:
	cJSON_Delete(body);
}

int control_register_blocks(struct api *api, const struct control_parts *parts)
{
	void *arg = (void *)parts;
	const struct api_route routes[] = {
		{"GET", "/v1/blocks", get_blocks, arg},
		{"POST", "/v1/blocks", post_block, arg},
		{"DELETE", "/v1/blocks/{target}", delete_block, arg},
		{"POST", "/v1/blocks-confirm", post_confirm, arg},
	};

	return api_add(api, routes, ARRAY_SIZE(routes));
}
