// SPDX-License-Identifier: Apache-2.0
#include "forwarder/openai_answer.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "lib/util.h"

#define DEPTH_MAX  16 /* of the completion: vendors add what they like */
#define ITEM_DEPTH 8
#define VALUES_MAX (VERDICT_COUNT_MAX * 32)
#define TTL_MAX_S  (10LL * 366 * 86400) /* beyond this it is a mistake; what is allowed is the guard's */

static const cJSON *member(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static void cleanup_json(cJSON **json)
{
	cJSON_Delete(*json);
}

static struct span trimmed(struct span s)
{
	while (s.len && strchr(" \t\r\n", s.ptr[0]) && s.ptr[0])
		s = (struct span){s.ptr + 1, s.len - 1};
	while (s.len && strchr(" \t\r\n", s.ptr[s.len - 1]) && s.ptr[s.len - 1])
		s.len--;
	return s;
}

static bool begins(struct span s, const char *with)
{
	size_t n = strlen(with);

	return s.len >= n && memcmp(s.ptr, with, n) == 0;
}

void openai_model_set(char model[static PROTOCOL_MODEL_MAX], struct span text)
{
	size_t n = MIN(text.len, (size_t)PROTOCOL_MODEL_MAX - 1);

	for (size_t i = 0; i < n; i++)
		model[i] = text.ptr[i] > ' ' && text.ptr[i] <= '~' ? text.ptr[i] : '?';
	model[n] = 0;
}

/* --- the completion --- */

/* Errors that come with status 200: of providers, of APIPark's prompt plugin, of Portkey. */
static bool is_error(const cJSON *document)
{
	const cJSON *error = member(document, "error"), *code = member(document, "code");

	return (error && !cJSON_IsNull(error)) || member(document, "html-message") ||
	       (cJSON_IsNumber(code) && code->valuedouble < 0 && !member(document, "choices"));
}

/* 0 and the only message, or what is wrong. */
static int find_message(const cJSON *document, const cJSON **ret, const char **ret_finish)
{
	const cJSON *choices = member(document, "choices"), *choice;

	if (!cJSON_IsObject(document))
		return VERDICT_E_SHAPE;
	if (is_error(document))
		return VERDICT_E_ERROR_INSIDE;
	if (!cJSON_IsArray(choices) || cJSON_GetArraySize(choices) != 1)
		return VERDICT_E_NO_CHOICE;
	choice = cJSON_GetArrayItem(choices, 0);
	*ret = member(choice, "message");
	*ret_finish = json_get_text(choice, "finish_reason");
	return cJSON_IsObject(*ret) ? 0 : VERDICT_E_NO_CHOICE;
}

static int check_finish(const cJSON *message, const char *finish, enum openai_form form)
{
	const cJSON *refusal = member(message, "refusal");

	if (refusal && !cJSON_IsNull(refusal))
		return VERDICT_E_REFUSAL;
	if (!finish)
		return VERDICT_E_FINISH;
	if (!strcmp(finish, "length"))
		return VERDICT_E_CUT;
	if (!strcmp(finish, "content_filter"))
		return VERDICT_E_FILTERED;
	if (!strcmp(finish, "stop") || (form == OPENAI_FORM_TOOL && !strcmp(finish, "tool_calls")))
		return 0;
	return VERDICT_E_FINISH;
}

/* The arguments of the one call that was asked for. */
static int find_arguments(const cJSON *message, const char **ret)
{
	const cJSON *calls = member(message, "tool_calls"), *function;
	const char *name;

	if (!cJSON_IsArray(calls) || cJSON_GetArraySize(calls) != 1)
		return VERDICT_E_NO_CONTENT;
	function = member(cJSON_GetArrayItem(calls, 0), "function");
	name = json_get_text(function, "name");
	*ret = json_get_text(function, "arguments");
	return name && !strcmp(name, OPENAI_TOOL) && *ret ? 0 : VERDICT_E_NO_CONTENT;
}

static int find_text(const cJSON *message, enum openai_form form, const char **ret)
{
	const cJSON *calls = member(message, "tool_calls");

	if (form == OPENAI_FORM_TOOL)
		return find_arguments(message, ret);
	if (calls && !cJSON_IsNull(calls) && cJSON_GetArraySize(calls))
		return VERDICT_E_FINISH;
	*ret = json_get_text(message, "content"); /* null, and an array of parts, are none */
	return *ret && **ret ? 0 : VERDICT_E_NO_CONTENT;
}

/* One fence around all of it is passed over; what else stands beside the object is not. */
static int bare_object(struct span text, struct span *ret)
{
	text = trimmed(text);
	if (begins(text, "```")) {
		const char *line = memchr(text.ptr, '\n', text.len);

		if (!line || text.len < 6 || memcmp(text.ptr + text.len - 3, "```", 3) != 0 ||
		    line > text.ptr + text.len - 3)
			return VERDICT_E_PROSE;
		text = trimmed((struct span){line + 1, (size_t)(text.ptr + text.len - 3 - line - 1)});
	}
	if (!begins(text, "{"))
		return VERDICT_E_PROSE;
	*ret = text;
	return 0;
}

/* --- its verdicts --- */

static bool is_word(const char *text, const char *const *words)
{
	for (; text && *words; words++)
		if (!strcmp(text, *words))
			return true;
	return false;
}

static int parse_source(const cJSON *item, const struct question *q, uint8_t *seen,
			const struct question_source **ret_source, struct verdict *v)
{
	const char *name = json_get_text(item, "src");
	int source = name ? question_source_of(q, name) : -1;

	/* Two opinions of one client are none. */
	if (source < 0 || seen[source]++)
		return VERDICT_E_TARGET;
	*ret_source = &q->sources[source];
	v->target = prefix_of(&(*ret_source)->client, addr_bits(&(*ret_source)->client));
	return 0;
}

/* "observe" and "allow" both leave the client alone. */
static int parse_action(const cJSON *item, struct verdict *v)
{
	const char *action = json_get_text(item, "action");

	if (!is_word(action, openai_actions))
		return VERDICT_E_ACTION;
	v->action = strcmp(action, "block") ? VERDICT_ALLOW : VERDICT_BLOCK;
	return 0;
}

static int parse_ttl(const cJSON *item, struct verdict *v)
{
	int64_t ttl_s;

	if (json_get_int(item, "ttl_s", v->action == VERDICT_BLOCK, TTL_MAX_S, &ttl_s))
		return VERDICT_E_TTL;
	v->ttl_ms = (uint64_t)ttl_s * 1000;
	return 0;
}

/* Its own events, and those of no other client: else what one sends would speak against another. */
static int parse_evidence(const cJSON *item, const struct question_source *source, struct verdict *v)
{
	const cJSON *evidence = member(item, "evidence"), *id;

	if (!cJSON_IsArray(evidence) || cJSON_GetArraySize(evidence) > VERDICT_EVIDENCE_MAX)
		return VERDICT_E_EVIDENCE;
	cJSON_ArrayForEach(id, evidence)
	{
		int at = cJSON_IsString(id) ? question_event_of(source, id->valuestring) : -1;

		if (at < 0)
			return VERDICT_E_EVIDENCE;
		snprintf(v->evidence[v->evidence_count++], VERDICT_ID_MAX, "%s", source->events[at]);
	}
	return 0;
}

/* Where a text of at most max bytes ends between two characters. */
static size_t cut_at(const char *text, size_t max)
{
	size_t n = strnlen(text, max + 1);

	if (n <= max)
		return n;
	for (n = max; n && ((unsigned char)text[n] & 0xc0) == 0x80;)
		n--;
	return n;
}

/* "scan: asked for .env and .git (moonshot/moonshot-v1-8k)": who reads why sees which model it was. */
static int parse_reason(const cJSON *item, const struct openai_answer *a, struct verdict *v)
{
	const char *category = json_get_text(item, "category"), *reason = json_get_text(item, "reason");

	_Static_assert(20 + OPENAI_REASON_MAX + 60 + 8 < VERDICT_TEXT_MAX, "reasons are not cut once more");
	if (!is_word(category, openai_categories))
		return VERDICT_E_CATEGORY;
	if (!reason || !verdict_text_is_clean(reason))
		return VERDICT_E_TEXT;
	snprintf(v->reason, sizeof v->reason, "%s: %.*s (%.60s)", category,
		 (int)cut_at(reason, OPENAI_REASON_MAX), reason, a->model[0] ? a->model : "model not named");
	return 0;
}

/* seen: which sources there was an item of already. */
static int parse_item(const cJSON *item, const struct openai_answer *a, uint8_t *seen, struct verdict *v)
{
	const struct question_source *source;
	int r;

	if (!cJSON_IsObject(item))
		return VERDICT_E_SHAPE;
	if ((r = parse_source(item, a->question, seen, &source, v)) || (r = parse_action(item, v)) ||
	    (r = parse_ttl(item, v)) || (r = verdict_parse_confidence(item, v)) ||
	    (r = parse_evidence(item, source, v)) || (r = parse_reason(item, a, v)))
		return r;
	return 0;
}

static int read_items(const cJSON *list, const struct openai_answer *a,
		      void (*accept)(void *arg, const struct verdict *v), void *arg,
		      uint64_t refused[static VERDICT_E_MAX])
{
	_cleanup_free_ uint8_t *seen = calloc(a->question->source_count + 1, 1);
	const cJSON *item;
	unsigned index = 0;

	if (!seen)
		return -ENOMEM;
	cJSON_ArrayForEach(item, list)
	{
		struct verdict v = {
			.source = VERDICT_GATEWAY,
			.scope = VERDICT_SCOPE_PORTS,
			.received_ns = a->received_ns,
		};

		snprintf(v.id, sizeof v.id, "v-%llu-%u", (unsigned long long)a->received_ns, index++);
		snprintf(v.origin, sizeof v.origin, "%s", a->gateway);
		snprintf(v.model.name, sizeof v.model.name, "%s", a->model);
		snprintf(v.model.prompt, sizeof v.model.prompt, "%s", a->prompt ? a->prompt : "");
		v.model.tokens = (uint32_t)MIN(a->tokens, (uint64_t)UINT32_MAX);
		v.model.latency_ms = a->latency_ms;
		int r = parse_item(item, a, seen, &v);
		if (r)
			refused[r]++;
		else
			accept(arg, &v);
	}
	return 0;
}

/* --- the whole --- */

/* What is no JSON at all, by how it begins; else what json_parse said. */
static int body_error(int json_error, struct span body, size_t offset)
{
	struct span text = trimmed(body);

	if (begins(text, "data:") || begins(text, "event:"))
		return VERDICT_E_STREAM;
	return (int)verdict_json_error(json_error, body, offset);
}

static int parse_strictly(struct span text, unsigned depth, cJSON **ret)
{
	const struct json_limits limits = {VERDICT_BODY_MAX, depth, VALUES_MAX};
	size_t offset = text.len;
	int r = json_parse(text, &limits, ret, &offset);

	return r > 0 ? body_error(r, text, offset) : r;
}

static uint64_t tokens_of(const cJSON *document, const char *key)
{
	int64_t n = 0;

	return json_get_int(member(document, "usage"), key, 0, INT64_C(1) << 40, &n) ? 0 : (uint64_t)n;
}

/* The list of items of the completion. */
static int find_items(struct openai_answer *a, const cJSON *completion, cJSON **ret_content,
		      const cJSON **ret)
{
	const cJSON *message;
	const char *finish, *text, *batch_id, *model = json_get_text(completion, "model");
	struct span object;
	int r;

	if (!a->model[0] && model)
		openai_model_set(a->model, span_from(model));
	a->tokens_in = tokens_of(completion, "prompt_tokens");
	a->tokens_out = tokens_of(completion, "completion_tokens");
	a->tokens = MAX(tokens_of(completion, "total_tokens"), a->tokens_in + a->tokens_out);
	if ((r = find_message(completion, &message, &finish)) ||
	    (r = check_finish(message, finish, a->form)) || (r = find_text(message, a->form, &text)) ||
	    (r = bare_object(span_from(text), &object)) ||
	    (r = parse_strictly(object, ITEM_DEPTH, ret_content)))
		return r;
	batch_id = json_get_text(*ret_content, "batch_id");
	*ret = member(*ret_content, "verdicts");
	if (!batch_id || strcmp(batch_id, a->batch_id) != 0)
		return VERDICT_E_OTHER_BATCH;
	if (!cJSON_IsArray(*ret))
		return VERDICT_E_SHAPE;
	return cJSON_GetArraySize(*ret) > VERDICT_COUNT_MAX ? VERDICT_E_TOO_MANY : 0;
}

int openai_answer_read(struct openai_answer *a, void (*accept)(void *arg, const struct verdict *v), void *arg,
		       uint64_t refused[static VERDICT_E_MAX])
{
	_cleanup_(cleanup_json) cJSON *completion = NULL, *content = NULL;
	const cJSON *items = NULL;
	int r = parse_strictly(a->body, DEPTH_MAX, &completion);

	if (!r)
		r = find_items(a, completion, &content, &items);
	if (r > 0)
		refused[r]++;
	return r ? r : read_items(items, a, accept, arg, refused);
}
