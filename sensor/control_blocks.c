// SPDX-License-Identifier: Apache-2.0
/*
 * Blocks, why, and pending: what is denied, for how long, who wanted it, and what an operator may do about
 * it. An operator's wish is a verdict like any other; the enforcer asks guard and warden, and this file tells
 * its answer.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "lib/event_json.h"
#include "lib/util.h"
#include "sensor/control.h"

#define LIST_DEFAULT    1000
#define LIST_MAX        10000
#define HISTORY_MAX     20
#define TTL_S_MAX       (100ll * 366 * 24 * 3600) /* beyond any ceiling; the guard's own comes first */
#define CONFIRM_S_MAX   (24ll * 3600)
#define STREAM_LINE_MAX (64u * 1024)

static void no_memory(struct api_call *call)
{
	api_problem(call, 500, "no_memory", "memory is out: try again");
}

/* --- one block as JSON --- */

static void write_block(struct json_writer *w, const struct block *b, const struct clock *clock)
{
	uint64_t now = clock_boot_ns(clock);

	json_object_begin(w);
	control_write_verdict(w, &b->verdict);
	control_write_time(w, "since", clock, b->since_ns);
	control_write_time(w, "until", clock, b->deadline_ns);
	json_key(w, "ttl_s");
	json_uint(w, b->deadline_ns > now ? (b->deadline_ns - now + NS_PER_S - 1) / NS_PER_S : 0);
	json_key(w, "point");
	json_text(w, "kernel");
	json_key(w, "installed");
	json_bool(w, b->installed_ns != 0);
	control_write_time(w, "confirm_by", clock, b->revert_ns);
	json_key(w, "packets"); /* dropped, as are bytes and last_drop */
	json_uint(w, b->packets);
	json_key(w, "bytes");
	json_uint(w, b->bytes);
	control_write_time(w, "last_drop", clock, b->last_ns);
	json_object_end(w);
}

/* --- GET /v1/blocks --- */

static int newest_first(const void *a, const void *b)
{
	const struct block *x = a, *y = b;

	return x->since_ns < y->since_ns ? 1 : x->since_ns > y->since_ns ? -1 : 0;
}

struct block_stream {
	struct block *blocks;
	size_t count, at;
	const struct clock *clock;
	struct buffer line;
};

static int produce_blocks(void *state, struct buffer *out)
{
	struct block_stream *s = state;

	for (; s->at < s->count; s->at++) {
		struct json_writer w = JSON_WRITER(&s->line);

		buffer_reset(&s->line);
		write_block(&w, &s->blocks[s->at], s->clock);
		buffer_append_char(&s->line, '\n');
		if (s->line.truncated || s->line.len > out->max)
			continue;
		if (s->line.len > out->max - out->len)
			return 0;
		buffer_append(out, s->line.data, s->line.len);
	}
	return 1;
}

static void drop_blocks(void *state)
{
	struct block_stream *s = state;

	free(s->blocks);
	buffer_free(&s->line);
	free(s);
}

static void stream_blocks(struct api_call *call, const struct clock *clock, struct block *blocks,
			  size_t count)
{
	struct block_stream *s = calloc(1, sizeof *s);

	if (!s) {
		free(blocks);
		no_memory(call);
		return;
	}
	s->blocks = blocks;
	s->count = count;
	s->clock = clock;
	s->line = BUFFER_INIT(STREAM_LINE_MAX);
	api_stream(call, produce_blocks, drop_blocks, s);
}

static void get_blocks(struct api_call *call, void *arg)
{
	const struct control_parts *parts = arg;
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);
	uint64_t stream = 0, limit = LIST_DEFAULT;
	struct block *blocks = NULL;
	size_t count = 0;

	if (control_query(call, "stream", 1, &stream) || control_query(call, "limit", LIST_MAX, &limit))
		return;
	if (enforcer_blocks(parts->enforcer, &blocks, &count)) {
		no_memory(call);
		return;
	}
	if (count)
		qsort(blocks, count, sizeof *blocks, newest_first);
	if (stream) {
		stream_blocks(call, parts->clock, blocks, count);
		return;
	}
	json_object_begin(&w);
	json_key(&w, "count");
	json_uint(&w, count);
	json_key(&w, "truncated");
	json_bool(&w, count > limit);
	json_key(&w, "kept_over_restart");
	json_bool(&w, false);
	json_key(&w, "blocks");
	json_array_begin(&w);
	for (size_t i = 0; i < count && i < limit; i++)
		write_block(&w, &blocks[i], parts->clock);
	json_array_end(&w);
	json_object_end(&w);
	free(blocks);
	control_reply(call, 200, &b);
}

/* --- decisions --- */

static void operator_verdict(struct api_call *call, const struct control_parts *parts,
			     enum verdict_action action, const struct prefix *target, struct verdict *ret)
{
	static atomic_uint number;
	uid_t uid = api_call_uid(call);

	*ret = (struct verdict){
		.source = VERDICT_OPERATOR,
		.action = action,
		.scope = VERDICT_SCOPE_PORTS,
		.target = *target,
		.ttl_ms = parts->config->guard.ttl_default_ms,
		.confidence = 1,
		.received_ns = clock_boot_ns(parts->clock),
	};
	snprintf(ret->id, sizeof ret->id, "op-%.20s-%u", parts->run_id, atomic_fetch_add(&number, 1) + 1);
	if (uid == (uid_t)-1)
		snprintf(ret->origin, sizeof ret->origin, "uid:unknown");
	else
		snprintf(ret->origin, sizeof ret->origin, "uid:%u", (unsigned)uid);
}

/* The guard or a hard limit said no; or the kernel could not be written, which is no judgment. */
static void refuse(struct api_call *call, const struct decision *d)
{
	bool failed = !strcmp(d->why, "install_failed");

	control_problem(call, failed ? 503 : 409, failed ? d->why : "refused_by_guard", "%s%s%s", d->why,
			d->detail[0] ? ": " : "", d->detail);
}

/* What became of a verdict, as an answer. */
static void reply_decision(struct api_call *call, const struct control_parts *parts, const struct verdict *v,
			   const struct decision *d, unsigned status)
{
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);

	json_object_begin(&w);
	json_key(&w, "outcome");
	json_text(&w, decision_outcome_name(d->outcome));
	json_key(&w, "why");
	json_text(&w, d->why);
	json_key(&w, "detail");
	json_text(&w, d->detail);
	control_write_verdict(&w, v);
	json_key(&w, "ttl_s");
	json_uint(&w, v->ttl_ms / 1000);
	json_key(&w, "pending_id");
	if (d->outcome == DECISION_PENDING)
		json_uint(&w, d->pending_id);
	else
		json_null(&w);
	control_write_time(&w, "installed", parts->clock, d->installed_ns);
	json_key(&w, "received_ns");
	json_uint_string(&w, v->received_ns);
	json_key(&w, "installed_ns");
	json_uint_string(&w, d->installed_ns);
	json_object_end(&w);
	control_reply(call, status, &b);
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
	static const char *const known[] = {"target",           "ttl", "ttl_s", "scope", "reason",
					    "confirm_within_s", NULL};
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
	operator_verdict(call, parts, VERDICT_BLOCK, &target, &v);
	if (read_ttl(call, body, &v.ttl_ms) || read_scope(call, body, &v.scope) ||
	    read_reason(call, body, v.reason) || read_confirm(call, body, &confirm_ms))
		goto out;
	enforcer_verdict(parts->enforcer, &v, confirm_ms, &d);
	if (d.outcome == DECISION_REFUSED)
		refuse(call, &d);
	else
		reply_decision(call, parts, &v, &d, d.outcome == DECISION_BLOCKED ? 201 : 202);
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
	if (!enforcer_why(parts->enforcer, target, &why, NULL, &none) && why.blocked &&
	    !prefix_equal(&why.block.verdict.target, target))
		control_problem(call, 404, "not_blocked",
				"%s itself is not blocked; it is covered by the block of %s: name that one",
				asked, prefix_format(&why.block.verdict.target, there));
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
	operator_verdict(call, parts, VERDICT_UNBLOCK, &target, &v);
	enforcer_verdict(parts->enforcer, &v, 0, &d);
	if (d.outcome == DECISION_UNBLOCKED)
		reply_decision(call, parts, &v, &d, 200);
	else if (!strcmp(d.why, "install_failed"))
		refuse(call, &d);
	else
		reply_not_blocked(call, parts, &target);
}

static void post_confirm(struct api_call *call, void *arg)
{
	static const char *const known[] = {"target", NULL};
	const struct control_parts *parts = arg;
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);
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
	json_object_begin(&w);
	control_write_prefix(&w, "target", &target);
	json_key(&w, "confirmed");
	json_bool(&w, true);
	json_object_end(&w);
	control_reply(call, 200, &b);
out:
	cJSON_Delete(body);
}

/* --- GET /v1/why/{target} --- */

/* One sentence of the answer, with the command that changes it. */
static void because(struct json_writer *w, const char *code, const char *command, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void because(struct json_writer *w, const char *code, const char *command, const char *format, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	json_object_begin(w);
	json_key(w, "code");
	json_text(w, code);
	json_key(w, "text");
	json_text(w, text);
	json_key(w, "command");
	json_text(w, command);
	json_object_end(w);
}

static uint64_t pending_of(const struct control_parts *parts, const struct prefix *target)
{
	_cleanup_free_ struct pending *list = NULL;
	size_t count = 0;

	if (enforcer_pending(parts->enforcer, &list, &count))
		return 0;
	for (size_t i = 0; i < count; i++)
		if (prefix_overlaps(&list[i].verdict.target, target))
			return list[i].id;
	return 0;
}

static void because_of_last_decision(struct json_writer *w, const struct control_parts *parts,
				     const struct event *e)
{
	const struct event_decision *d = &e->decision;
	const char *origin = d->verdict.origin;
	char when[CLOCK_TEXT_MAX];

	clock_format(e->wall_ns, when);
	when[19] = 0; /* whole seconds are enough here */
	switch (d->outcome) {
	case DECISION_WOULD_BLOCK:
		because(w, "mode_observe", "picket mode enforce",
			"at %sZ %s asked for a block; the mode was observe, so it was only written down",
			when, origin);
		break;
	case DECISION_REFUSED:
		because(w, "refused", NULL, "at %sZ the block that %s asked for was refused: %.*s%s%.*s",
			when, origin, (int)d->why.len, d->why.ptr, d->detail.len ? ": " : "",
			(int)d->detail.len, d->detail.ptr);
		break;
	case DECISION_EXPIRED:
		because(w, "expired", NULL, "its last block, asked for by %s, ran out at %sZ", origin, when);
		break;
	case DECISION_UNBLOCKED:
		because(w, "unblocked", NULL, "at %sZ it was unblocked by %s", when, origin);
		break;
	case DECISION_BLOCKED:
	case DECISION_PENDING:
		break;
	}
	if (d->outcome == DECISION_WOULD_BLOCK && enforcer_mode(parts->enforcer) != MODE_OBSERVE)
		because(w, "mode_changed", NULL, "the mode is now %s: the next such verdict is handled by it",
			config_mode_name(enforcer_mode(parts->enforcer)));
}

static void write_reasons(struct json_writer *w, const struct control_parts *parts,
			  const struct prefix *target, const struct why *y, struct event *const *history,
			  size_t count)
{
	char command[96], text[PREFIX_TEXT_MAX], net[PREFIX_TEXT_MAX], wait[32];
	uint64_t pending = pending_of(parts, target);

	prefix_format(target, text);
	if (y->kill)
		because(w, "kill_switch", "picket resume",
			"the kill switch is on: picket drops nothing, not even what is blocked");
	if (y->is_protected)
		because(w, "protected_network", NULL,
			"it is protected by %s (%s) and is never blocked, whoever asks",
			prefix_format(&y->protect.net, net), y->protect.why);
	if (y->blocked && y->block.revert_ns) {
		uint64_t now = clock_boot_ns(parts->clock);
		uint64_t left = y->block.revert_ns > now ? y->block.revert_ns - now : 0;

		snprintf(command, sizeof command, "picket block --confirm %s",
			 prefix_format(&y->block.verdict.target, net));
		because(w, "unconfirmed", command, "the block reverts by itself in %s unless it is confirmed",
			config_duration_format((left / NS_PER_S + 1) * 1000, wait));
	}
	if (pending) {
		snprintf(command, sizeof command, "picket approve %llu", (unsigned long long)pending);
		because(w, "pending", command, "a block of it waits for a person's answer");
	}
	if (y->class == PROXY_CLASS_UNCLASSIFIED) {
		snprintf(command, sizeof command, "picket proxies trust %s", text);
		because(w, "unclassified_proxy", command,
			"its requests carry forwarding headers, as a proxy's do: it is never blocked "
			"automatically until "
			"you say what it is (trust: a proxy of yours; direct: a client)");
	}
	if (y->class == PROXY_CLASS_TRUSTED)
		because(w, "trusted_proxy", NULL,
			"it is a trusted proxy: its own address is never blocked in the kernel");
	if (y->blocked || y->is_protected)
		return;
	if (count)
		because_of_last_decision(w, parts, history[0]);
	else if (!pending)
		because(w, "no_verdict", NULL,
			"nothing has asked for a block of it (as far as is remembered)");
	if (!y->handshake)
		because(w, "no_handshake", NULL,
			"it completed no TCP handshake with this host in the last hour: its address may be "
			"forged, so an "
			"automatic block would be refused");
}

static void write_why(struct json_writer *w, const struct control_parts *parts, const struct prefix *target,
		      const struct why *y, struct event *const *history, size_t count)
{
	char command[80], text[PREFIX_TEXT_MAX];

	json_object_begin(w);
	control_write_prefix(w, "target", target);
	json_key(w, "blocked");
	json_bool(w, y->blocked);
	json_key(w, "block");
	if (y->blocked)
		write_block(w, &y->block, parts->clock);
	else
		json_null(w);
	json_key(w, "undo");
	snprintf(command, sizeof command, "picket unblock %s", prefix_format(&y->block.verdict.target, text));
	json_text(w, y->blocked ? command : NULL);
	json_key(w, "protected");
	if (y->is_protected) {
		json_object_begin(w);
		control_write_prefix(w, "network", &y->protect.net);
		json_key(w, "why");
		json_text(w, y->protect.why);
		json_object_end(w);
	} else {
		json_null(w);
	}
	json_key(w, "kill_switch");
	json_bool(w, y->kill);
	json_key(w, "mode");
	json_text(w, config_mode_name(enforcer_mode(parts->enforcer)));
	json_key(w, "proxy_class");
	json_text(w, proxy_class_name(y->class));
	json_key(w, "handshake");
	json_bool(w, y->handshake);
	json_key(w, "reasons");
	json_array_begin(w);
	write_reasons(w, parts, target, y, history, count);
	json_array_end(w);
	json_key(w, "decisions");
	json_array_begin(w);
	for (size_t i = 0; i < count; i++)
		event_json_data(w, history[i]);
	json_array_end(w);
	json_object_end(w);
}

static void get_why(struct api_call *call, void *arg)
{
	const struct control_parts *parts = arg;
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);
	struct event *history[HISTORY_MAX];
	size_t count = HISTORY_MAX;
	struct prefix target;
	struct why why = {0};

	if (control_target(call, "target", api_call_param(call), &target))
		return;
	if (enforcer_why(parts->enforcer, &target, &why, history, &count)) {
		no_memory(call);
		return;
	}
	write_why(&w, parts, &target, &why, history, count);
	for (size_t i = 0; i < count; i++)
		event_unref(history[i]);
	control_reply(call, 200, &b);
}

/* --- pending --- */

static void get_pending(struct api_call *call, void *arg)
{
	const struct control_parts *parts = arg;
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);
	struct pending *list = NULL;
	size_t count = 0;

	if (enforcer_pending(parts->enforcer, &list, &count)) {
		no_memory(call);
		return;
	}
	json_object_begin(&w);
	json_key(&w, "pending");
	json_array_begin(&w);
	for (size_t i = 0; i < count; i++) {
		json_object_begin(&w);
		json_key(&w, "pending_id");
		json_uint(&w, list[i].id);
		control_write_verdict(&w, &list[i].verdict);
		json_key(&w, "ttl_s");
		json_uint(&w, list[i].verdict.ttl_ms / 1000);
		json_key(&w, "why");
		json_text(&w, list[i].why);
		json_key(&w, "detail");
		json_text(&w, list[i].detail);
		control_write_time(&w, "since", parts->clock, list[i].since_ns);
		control_write_time(&w, "expires", parts->clock, list[i].expires_ns);
		json_object_end(&w);
	}
	json_array_end(&w);
	json_object_end(&w);
	free(list);
	control_reply(call, 200, &b);
}

/* The path parameter as a number: 0 is none. */
static uint64_t pending_id(const struct api_call *call)
{
	const char *text = api_call_param(call);
	char *end = NULL;

	if (!text || *text < '0' || *text > '9')
		return 0;
	errno = 0;
	uint64_t id = strtoull(text, &end, 10);

	return errno || *end ? 0 : id;
}

static bool find_pending(const struct control_parts *parts, uint64_t id, struct verdict *ret)
{
	_cleanup_free_ struct pending *list = NULL;
	size_t count = 0;

	if (enforcer_pending(parts->enforcer, &list, &count))
		return false;
	for (size_t i = 0; i < count; i++)
		if (list[i].id == id) {
			*ret = list[i].verdict;
			return true;
		}
	return false;
}

static void reply_rejected(struct api_call *call, uint64_t id, const struct verdict *v)
{
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);

	json_object_begin(&w);
	json_key(&w, "outcome");
	json_text(&w, "rejected");
	json_key(&w, "pending_id");
	json_uint(&w, id);
	control_write_verdict(&w, v);
	json_object_end(&w);
	control_reply(call, 200, &b);
}

static void post_pending(struct api_call *call, void *arg)
{
	static const char *const known[] = {"approve", NULL};
	const struct control_parts *parts = arg;
	uint64_t id = pending_id(call);
	struct decision d = {0};
	struct verdict v, by;
	struct prefix none = {0};
	cJSON *body = NULL;

	if (control_body(call, known, &body))
		return;
	bool approve = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(body, "approve"));
	bool given = cJSON_IsBool(cJSON_GetObjectItemCaseSensitive(body, "approve"));

	cJSON_Delete(body);
	if (!given) {
		api_problem(call, 422, "bad_shape", "approve must be true or false");
		return;
	}
	operator_verdict(call, parts, VERDICT_BLOCK, &none, &by);
	if (!id || !find_pending(parts, id, &v) ||
	    enforcer_answer(parts->enforcer, id, approve, by.origin, &d)) {
		control_problem(call, 404, "not_pending",
				"no decision waits under the number %.32s: `picket pending` lists them",
				api_call_param(call) ? api_call_param(call) : "");
		return;
	}
	if (!approve)
		reply_rejected(call, id, &v);
	else if (d.outcome == DECISION_REFUSED)
		refuse(call, &d);
	else
		reply_decision(call, parts, &v, &d, 200);
}

int control_register_blocks(struct api *api, const struct control_parts *parts)
{
	void *arg = (void *)parts;
	const struct api_route routes[] = {
		{"GET", "/v1/blocks", get_blocks, arg},
		{"POST", "/v1/blocks", post_block, arg},
		{"DELETE", "/v1/blocks/{target}", delete_block, arg},
		{"POST", "/v1/blocks-confirm", post_confirm, arg},
		{"GET", "/v1/why/{target}", get_why, arg},
		{"GET", "/v1/pending", get_pending, arg},
		{"POST", "/v1/pending/{id}", post_pending, arg},
	};

	return api_add(api, routes, ARRAY_SIZE(routes));
}
