// SPDX-License-Identifier: Apache-2.0
/*
 * Pending: the verdicts that wait for a person, and the person's answer. Approved ones go through guard and
 * warden like any other; when they expire is the enforcer's business.
 */
#include <errno.h>
#include <stdlib.h>
#include "lib/util.h"
#include "sensor/control_decision.h"

static void get_pending(struct api_call *call, void *arg)
{
	const struct control_parts *parts = arg;
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);
	struct pending *list = NULL;
	size_t count = 0;

	if (enforcer_pending(parts->enforcer, &list, &count)) {
		control_no_memory(call);
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
	control_operator_verdict(call, parts, VERDICT_BLOCK, &none, &by);
	if (!id || !find_pending(parts, id, &v) ||
	    enforcer_answer(parts->enforcer, id, approve, by.origin, &d)) {
		control_problem(call, 404, "not_pending",
				"no decision waits under the number %.32s: `picket pending` lists them",
				api_call_param(call) ? api_call_param(call) : "");
		return;
	}
	control_settle(parts);
	if (!approve)
		reply_rejected(call, id, &v);
	else if (d.outcome == DECISION_REFUSED)
		control_refuse(call, &d);
	else
		control_reply_decision(call, parts, &v, &d, 200);
}

int control_register_pending(struct api *api, const struct control_parts *parts)
{
	void *arg = (void *)parts;
	const struct api_route routes[] = {
		{"GET", "/v1/pending", get_pending, arg},
		{"POST", "/v1/pending/{id}", post_pending, arg},
	};

	return api_add(api, routes, ARRAY_SIZE(routes));
}
