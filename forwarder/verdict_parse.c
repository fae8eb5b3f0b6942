// SPDX-License-Identifier: Apache-2.0
/*
 * verdict_parse.c: json_read.c has refused whatever is not strict JSON before this code sees a value; here
 * the shape and the meaning are checked. Nothing is rounded, cut or filled in: what is not exactly right
 * refuses its verdict. Whether a right verdict is also a wise one is the guard's question (policies/guard.h).
 */
#include "forwarder/verdict_parse.h"
#include <errno.h>
#include <stdio.h>
#include "lib/target.h"
#include "lib/util.h"

/* Depth: document, list, verdict, target or evidence; the rest is room for members we do not know. */
#define DEPTH_MAX  8
#define VALUES_MAX (VERDICT_COUNT_MAX * 32)
#define TTL_MAX_S \
	(10LL * 366 * 86400) /* beyond this it is a mistake; what the operator allows is the guard's */

const char *verdict_error_name(enum verdict_error e)
{
	static const char *const names[VERDICT_E_MAX] = {
		[VERDICT_E_SYNTAX] = "syntax",
		[VERDICT_E_TOO_LARGE] = "too_large",
		[VERDICT_E_TOO_DEEP] = "too_deep",
		[VERDICT_E_TOO_MANY] = "too_many",
		[VERDICT_E_DUPLICATE_KEY] = "duplicate_key",
		[VERDICT_E_TRAILING] = "trailing",
		[VERDICT_E_NUMBER] = "number",
		[VERDICT_E_SHAPE] = "shape",
		[VERDICT_E_ACTION] = "action",
		[VERDICT_E_TARGET] = "target",
		[VERDICT_E_ROUTES] = "routes_full",
		[VERDICT_E_TTL] = "ttl",
		[VERDICT_E_CONFIDENCE] = "confidence",
		[VERDICT_E_TEXT] = "text",
		[VERDICT_E_UNSIGNED] = "unsigned",
		[VERDICT_E_SIGNATURE] = "signature",
		[VERDICT_E_DIGEST] = "digest",
		[VERDICT_E_STALE] = "stale",
		[VERDICT_E_OTHER_BATCH] = "other_batch",
		[VERDICT_E_ERROR_INSIDE] = "error_inside",
		[VERDICT_E_STREAM] = "stream",
		[VERDICT_E_NO_CHOICE] = "no_choice",
		[VERDICT_E_NO_CONTENT] = "no_content",
		[VERDICT_E_REFUSAL] = "refusal",
		[VERDICT_E_CUT] = "cut",
		[VERDICT_E_FILTERED] = "filtered",
		[VERDICT_E_FINISH] = "finish",
		[VERDICT_E_PROSE] = "prose",
		[VERDICT_E_CATEGORY] = "category",
		[VERDICT_E_EVIDENCE] = "evidence",
		[VERDICT_E_LATE] = "late",
	};

	return (unsigned)e < ARRAY_SIZE(names) && names[e] ? names[e] : "unknown";
}

/* "NaN" and "Infinity" are no JSON; who wrote them should be told that it is the number. */
static bool is_no_number(struct span rest)
{
	static const struct span words[] = {SPAN("nan"), SPAN("-nan"), SPAN("inf"), SPAN("-inf"),
					    SPAN("+inf")};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (rest.len >= words[i].len && strncasecmp(rest.ptr, words[i].ptr, words[i].len) == 0)
			return true;
	}
	return false;
}

enum verdict_error verdict_json_error(int json_error, struct span body, size_t offset)
{
	switch (json_error) {
	case JSON_E_TOO_LARGE:
		return VERDICT_E_TOO_LARGE;
	case JSON_E_TOO_DEEP:
		return VERDICT_E_TOO_DEEP;
	case JSON_E_TOO_MANY:
		return VERDICT_E_TOO_MANY;
	case JSON_E_DUPLICATE_KEY:
		return VERDICT_E_DUPLICATE_KEY;
	case JSON_E_NUMBER:
		return VERDICT_E_NUMBER;
	case JSON_E_UTF8:
	case JSON_E_NUL:
		return VERDICT_E_TEXT;
	case JSON_E_TRAILING:
		return VERDICT_E_TRAILING;
	default:
		if (offset < body.len && is_no_number((struct span){body.ptr + offset, body.len - offset}))
			return VERDICT_E_NUMBER;
		return VERDICT_E_SYNTAX;
	}
}

/* Control characters of ASCII and of C1 (U+0080 to U+009F, in UTF-8 0xc2 and the code itself). */
bool verdict_text_is_clean(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p < 0x20 || *p == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0))
			return false;
	}
	return true;
}

/* Ids go into logs, headers and file names: printable ASCII without spaces. */
static bool is_id(const char *text)
{
	size_t n = strlen(text);

	if (n == 0 || n >= VERDICT_ID_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	}
	return true;
}

static const cJSON *member(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static int parse_id(const cJSON *item, unsigned index, struct verdict *v)
{
	const cJSON *id = member(item, "id");

	if (!id) {
		snprintf(v->id, sizeof v->id, "v-%llu-%u", (unsigned long long)v->received_ns, index);
		return 0;
	}
	if (!cJSON_IsString(id) || !is_id(id->valuestring))
		return VERDICT_E_TEXT;
	snprintf(v->id, sizeof v->id, "%s", id->valuestring);
	return 0;
}

static int parse_action(const cJSON *item, struct verdict *v)
{
	const char *name = json_get_text(item, "action");

	v->action = name ? verdict_action_of(name) : (enum verdict_action)0;
	return v->action ? 0 : VERDICT_E_ACTION;
}

static int parse_who(const char *scope, const char *value, struct prefix *ret)
{
	struct addr addr;

	if (strcmp(scope, "ip") == 0) {
		if (addr_parse(span_from(value), &addr))
			return VERDICT_E_TARGET;
		*ret = prefix_of(&addr, addr_bits(&addr));
		return 0;
	}
	if (strcmp(scope, "consumer") == 0)
		return target_parse_consumer(span_from(value), ret) ? VERDICT_E_TARGET : 0;
	if (strcmp(scope, "ja4") == 0)
		return target_parse_ja4(span_from(value), ret) ? VERDICT_E_TARGET : 0;
	if (strcmp(scope, "prefix") != 0 || !strchr(value, '/') || prefix_parse(span_from(value), ret))
		return VERDICT_E_TARGET;
	return 0;
}

static int parse_route(const cJSON *target, struct verdict *v)
{
	const char *route = json_get_text(target, "route");

	if (!member(target, "route"))
		return 0;
	const struct prefix who = v->target;
	switch (route ? target_limit(&who, span_from(route), TARGET_ROUTES_OF_GATEWAYS, &v->target)
		      : ADDR_E_SYNTAX) {
	case 0:
		return 0;
	case TARGET_E_ROUTES:
		return VERDICT_E_ROUTES;
	default:
		return VERDICT_E_TARGET;
	}
}

/*
 * A key we do not know could narrow the target ("ports"): to pass over it would block more than was meant.
 * How short a prefix may be is the guard's question; that no bit lies beyond its length is ours.
 */
static int parse_target(const cJSON *item, struct verdict *v)
{
	const cJSON *target = member(item, "target");
	const char *scope, *value;

	if (!cJSON_IsObject(target) || cJSON_GetArraySize(target) != (member(target, "route") ? 3 : 2))
		return VERDICT_E_TARGET;
	scope = json_get_text(target, "scope");
	value = json_get_text(target, "value");
	if (!scope || !value)
		return VERDICT_E_TARGET;
	int r = parse_who(scope, value, &v->target);
	return r ? r : parse_route(target, v);
}

/* Only what blocks lasts; elsewhere the key may be absent, but not wrong. */
static int parse_ttl(const cJSON *item, struct verdict *v)
{
	int64_t ttl_s;

	switch (json_get_int(item, "ttl_s", 1, TTL_MAX_S, &ttl_s)) {
	case 0:
		v->ttl_ms = (uint64_t)ttl_s * 1000;
		return 0;
	case 1:
		return verdict_denies(v->action) ? VERDICT_E_TTL : 0;
	default:
		return VERDICT_E_TTL;
	}
}

int verdict_parse_confidence(const cJSON *item, struct verdict *v)
{
	const cJSON *confidence = member(item, "confidence");

	if (!cJSON_IsNumber(confidence))
		return VERDICT_E_CONFIDENCE;
	/* Written so that NaN, which compares false, is refused too. */
	if (!(confidence->valuedouble >= 0 && confidence->valuedouble <= 1))
		return VERDICT_E_CONFIDENCE;
	v->confidence = confidence->valuedouble;
	return 0;
}

static int parse_reason(const cJSON *item, struct verdict *v)
{
	const cJSON *reason = member(item, "reason");

	if (!reason)
		return 0;
	if (!cJSON_IsString(reason) || strlen(reason->valuestring) >= VERDICT_TEXT_MAX ||
	    !verdict_text_is_clean(reason->valuestring))
		return VERDICT_E_TEXT;
	snprintf(v->reason, sizeof v->reason, "%s", reason->valuestring);
	return 0;
}

static int parse_evidence(const cJSON *item, struct verdict *v)
{
	const cJSON *evidence = member(item, "evidence"), *id;

	if (!evidence)
		return 0;
	if (!cJSON_IsArray(evidence) || cJSON_GetArraySize(evidence) > VERDICT_EVIDENCE_MAX)
		return VERDICT_E_TEXT;
	cJSON_ArrayForEach(id, evidence)
	{
		if (!cJSON_IsString(id) || !is_id(id->valuestring))
			return VERDICT_E_TEXT;
		snprintf(v->evidence[v->evidence_count++], VERDICT_ID_MAX, "%s", id->valuestring);
	}
	return 0;
}

static int parse_verdict(const cJSON *item, unsigned index, struct verdict *v)
{
	int r;

	if (!cJSON_IsObject(item))
		return VERDICT_E_SHAPE;
	if ((r = parse_id(item, index, v)) || (r = parse_action(item, v)) || (r = parse_target(item, v)) ||
	    (r = parse_ttl(item, v)) || (r = verdict_parse_confidence(item, v)) ||
	    (r = parse_reason(item, v)) || (r = parse_evidence(item, v)))
		return r;
	return 0;
}

static bool is_blank(struct span s)
{
	while (s.len && strchr(" \t\r\n", s.ptr[0]) && s.ptr[0]) {
		s.ptr++;
		s.len--;
	}
	return s.len == 0;
}

static int refuse(enum verdict_error e, uint64_t refused[static VERDICT_E_MAX])
{
	refused[e]++;
	return (int)e;
}

static void cleanup_json(cJSON **json)
{
	cJSON_Delete(*json);
}

int verdict_parse(struct span body, const char *gateway, uint64_t received_ns,
		  void (*accept)(void *arg, const struct verdict *v), void *arg,
		  uint64_t refused[static VERDICT_E_MAX])
{
	const struct json_limits limits = {VERDICT_BODY_MAX, DEPTH_MAX, VALUES_MAX};
	_cleanup_(cleanup_json) cJSON *document = NULL;
	const cJSON *list, *item;
	unsigned index = 0;
	size_t offset = body.len;
	int r;

	if (is_blank(body))
		return 0;
	r = json_parse(body, &limits, &document, &offset);
	if (r < 0)
		return r;
	if (r > 0)
		return refuse(verdict_json_error(r, body, offset), refused);
	list = member(document, "verdicts");
	if (!cJSON_IsObject(document) || !cJSON_IsArray(list))
		return refuse(VERDICT_E_SHAPE, refused);
	if (cJSON_GetArraySize(list) > VERDICT_COUNT_MAX)
		return refuse(VERDICT_E_TOO_MANY, refused);
	cJSON_ArrayForEach(item, list)
	{
		struct verdict v = {
			.source = VERDICT_GATEWAY,
			.scope = VERDICT_SCOPE_PORTS,
			.received_ns = received_ns,
		};

		snprintf(v.origin, sizeof v.origin, "%s", gateway);
		r = parse_verdict(item, index++, &v);
		if (r)
			refused[r]++;
		else
			accept(arg, &v);
	}
	return 0;
}
