// SPDX-License-Identifier: Apache-2.0
/* What all resources of the control API need: answers, problems, bodies, and the JSON of values they share.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "lib/target.h"
#include "lib/util.h"
#include "sensor/control.h"

#define DETAIL_MAX 1024

int control_register(struct api *api, const struct control_parts *parts)
{
	static int (*const groups[])(struct api * api, const struct control_parts *parts) = {
		control_register_status,   control_register_events,   control_register_blocks,
		control_register_why,      control_register_pending,  control_register_settings,
		control_register_gateways, control_register_routes,   control_register_forecast,
		control_register_clients,  control_register_baseline, control_register_lists,
		control_register_metrics,
	};

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		int r = groups[i](api, parts);

		if (r)
			return r;
	}
	return 0;
}

void control_reply(struct api_call *call, unsigned status, struct buffer *b)
{
	if (b->truncated)
		api_problem(call, 500, "answer_too_large",
			    "the answer is larger than its ceiling: ask for less, with limit=");
	else
		api_reply(call, status, buffer_span(b));
	buffer_free(b);
}

void control_no_memory(struct api_call *call)
{
	api_problem(call, 500, "no_memory", "memory is out: try again");
}

void control_problem(struct api_call *call, unsigned status, const char *code, const char *format, ...)
{
	char detail[DETAIL_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(detail, sizeof detail, format, ap);
	va_end(ap);
	api_problem(call, status, code, detail);
}

const char *control_uid(const struct api_call *call, char buf[static CONTROL_UID_MAX])
{
	uid_t uid = api_call_uid(call);

	if (uid == (uid_t)-1)
		snprintf(buf, CONTROL_UID_MAX, "uid:unknown");
	else
		snprintf(buf, CONTROL_UID_MAX, "uid:%u", (unsigned)uid);
	return buf;
}

void control_settle(const struct control_parts *parts)
{
	audit_settle(parts->audit);
	journal_settle(parts->journal);
}

void control_write_kept(struct json_writer *w, const struct control_parts *parts)
{
	json_key(w, "kept_over_restart");
	json_bool(w, journal_keeps(parts->journal));
}

void control_audit(struct api_call *call, const struct control_parts *parts, const char *name,
		   const char *subject, const char *before, const char *value)
{
	char by[CONTROL_UID_MAX];

	audit_note_setting(parts->audit, name, subject, before, value, control_uid(call, by));
	control_settle(parts);
}

/* "target, ttl, ttl_s" */
static const char *names_of(const char *const *known, char *buf, size_t size)
{
	size_t at = 0;

	buf[0] = 0;
	for (size_t i = 0; known[i] && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s%s", i ? ", " : "", known[i]);
	return buf;
}

static bool is_known(const char *const *known, const char *key)
{
	for (size_t i = 0; known[i]; i++)
		if (!strcmp(known[i], key))
			return true;
	return false;
}

int control_body(struct api_call *call, const char *const *known, cJSON **ret)
{
	static const struct json_limits limits = {.bytes = API_BODY_MAX, .depth = 4, .values = 256};
	char names[256];
	size_t offset = 0;
	cJSON *root = NULL;
	int r = json_parse(api_call_body(call), &limits, &root, &offset);

	if (r < 0) {
		control_no_memory(call);
		return 1;
	}
	if (r > 0) {
		control_problem(call, 400, "bad_json",
				"the body is not JSON (%s at byte %zu): send an object with %s",
				json_error_name(r), offset, names_of(known, names, sizeof names));
		return 1;
	}
	if (!cJSON_IsObject(root)) {
		control_problem(call, 422, "bad_shape", "the body must be a JSON object with %s",
				names_of(known, names, sizeof names));
		goto refuse;
	}
	for (const cJSON *item = root->child; item; item = item->next)
		if (!is_known(known, item->string)) {
			control_problem(call, 422, "unknown_key", "unknown key \"%.64s\": known are %s",
					item->string, names_of(known, names, sizeof names));
			goto refuse;
		}
	*ret = root;
	return 0;
refuse:
	cJSON_Delete(root);
	return 1;
}

static void problem_of_target(struct api_call *call, const char *what, const char *text, bool host_bits)
{
	const char *slash = strchr(text, '/');
	char good[PREFIX_TEXT_MAX];
	struct addr addr;

	if (host_bits && slash && !addr_parse((struct span){text, (size_t)(slash - text)}, &addr)) {
		struct prefix p = prefix_of(&addr, (uint8_t)atoi(slash + 1));

		control_problem(call, 422, "bad_target",
				"%s \"%.64s\" sets bits beyond its length: the network is %s, or give the "
				"address alone",
				what, text, prefix_format(&p, good));
		return;
	}
	control_problem(call, 422, "bad_target",
			"%s \"%.64s\" is no IP address or prefix: give one like 192.0.2.7, 192.0.2.0/24 or "
			"2001:db8::/48",
			what, text);
}

static int read_target(struct api_call *call, const char *what, const char *text,
		       int (*parse)(struct span text, struct prefix *ret), struct prefix *ret)
{
	struct prefix p;
	int r;

	if (!text || !*text) {
		control_problem(call, 422, "bad_target",
				"%s is missing: give an IP address or prefix as text", what);
		return 1;
	}
	r = parse(span_from(text), &p);
	if (r == TARGET_E_ROUTES) {
		control_problem(
			call, 422, "routes_full",
			"%s \"%.64s\": as many routes as picket can tell apart (%u) were named since it "
			"started; it forgets them when it is started again",
			what, text, target_route_count());
		return 1;
	}
	if (r && parse == target_parse && strchr(text, '@')) {
		control_problem(call, 422, "bad_target",
				"%s \"%.64s\" is no target on a route: give one like 192.0.2.7@/login or "
				"192.0.2.0/24@/users/{id} (docs/decide.md, \"Routes\")",
				what, text);
		return 1;
	}
	if (r && parse == target_parse && strchr("cj", text[0])) {
		control_problem(call, 422, "bad_target",
				"%s \"%.64s\" is no consumer or JA4: give one like "
				"consumer:c_01f3a9c2d4b5e60718 (the consumer of events), or "
				"ja4:t13d1516h2_8daaf6152771_b186095e22b6",
				what, text);
		return 1;
	}
	if (r) {
		problem_of_target(call, what, text, r == ADDR_E_HOST_BITS);
		return 1;
	}
	*ret = p;
	return 0;
}

int control_target(struct api_call *call, const char *what, const char *text, struct prefix *ret)
{
	return read_target(call, what, text, target_parse, ret);
}

int control_network(struct api_call *call, const char *what, const char *text, struct prefix *ret)
{
	return read_target(call, what, text, prefix_parse, ret);
}

int control_query(struct api_call *call, const char *name, uint64_t max, uint64_t *ret)
{
	const char *text = api_call_query(call, name);
	uint64_t v = 0;

	if (!text)
		return 0;
	for (const char *p = text; *p || p == text; p++) {
		if (*p < '0' || *p > '9' || (v = v * 10 + (uint64_t)(*p - '0')) > max) {
			control_problem(call, 422, "bad_query",
					"%s=%.32s: give a whole number from 0 to %llu", name, text,
					(unsigned long long)max);
			return 1;
		}
	}
	*ret = v;
	return 0;
}

void control_write_time(struct json_writer *w, const char *key, const struct clock *clock, uint64_t boot_ns)
{
	char text[CLOCK_TEXT_MAX];

	json_key(w, key);
	json_text(w, boot_ns ? clock_format(clock_wall_of_boot(clock, boot_ns), text) : NULL);
}

void control_write_prefix(struct json_writer *w, const char *key, const struct prefix *p)
{
	char text[PREFIX_TEXT_MAX];

	json_key(w, key);
	json_text(w, prefix_format(p, text));
}

void control_write_verdict(struct json_writer *w, const struct verdict *v)
{
	control_write_prefix(w, "target", &v->target);
	json_key(w, "id");
	json_text(w, v->id);
	json_key(w, "action");
	json_text(w, verdict_action_name(v->action));
	json_key(w, "scope");
	json_text(w, v->scope == VERDICT_SCOPE_HOST ? "host" : "ports");
	json_key(w, "source");
	json_text(w, verdict_source_name(v->source));
	json_key(w, "origin");
	json_text(w, v->origin);
	json_key(w, "reason");
	json_text(w, v->reason);
	json_key(w, "confidence");
	json_double(w, v->confidence);
	json_key(w, "evidence");
	json_array_begin(w);
	for (unsigned i = 0; i < v->evidence_count && i < VERDICT_EVIDENCE_MAX; i++)
		json_text(w, v->evidence[i]);
	json_array_end(w);
}
