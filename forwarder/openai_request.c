// SPDX-License-Identifier: Apache-2.0
#include "forwarder/openai_request.h"
#include <errno.h>
#include <string.h>
#include "lib/json_write.h"
#include "lib/util.h"

const char *const openai_actions[] = {"allow", "observe", "block", NULL};
const char *const openai_categories[] = {"none",      "credential_attack", "injection", "scan",  "scraping",
					 "api_abuse", "evasion",           "flood",     "other", NULL};

static void put_words(struct json_writer *w, const char *const *words)
{
	json_array_begin(w);
	for (; *words; words++)
		json_text(w, *words);
	json_array_end(w);
}

static void put_typed(struct json_writer *w, const char *key, const char *type)
{
	json_key(w, key);
	json_object_begin(w);
	json_key(w, "type");
	json_text(w, type);
}

static void put_enum(struct json_writer *w, const char *key, const char *const *words)
{
	put_typed(w, key, "string");
	json_key(w, "enum");
	put_words(w, words);
	json_object_end(w);
}

/* All keys required and no others: what strict schemas ask for. */
static void end_object(struct json_writer *w, const char *const *required)
{
	json_object_end(w);
	json_key(w, "required");
	put_words(w, required);
	json_key(w, "additionalProperties");
	json_bool(w, false);
}

static void put_item_schema(struct json_writer *w)
{
	static const char *const required[] = {"src",   "action",   "confidence", "category",
					       "ttl_s", "evidence", "reason",     NULL};

	json_object_begin(w);
	json_key(w, "type");
	json_text(w, "object");
	json_key(w, "properties");
	json_object_begin(w);
	put_typed(w, "src", "string");
	json_object_end(w);
	put_enum(w, "action", openai_actions);
	put_typed(w, "confidence", "number");
	json_object_end(w);
	put_enum(w, "category", openai_categories);
	put_typed(w, "ttl_s", "integer");
	json_object_end(w);
	put_typed(w, "evidence", "array");
	put_typed(w, "items", "string");
	json_object_end(w);
	json_object_end(w);
	put_typed(w, "reason", "string");
	json_object_end(w);
	end_object(w, required);
	json_object_end(w);
}

/* Flat, without references, formats and bounds: the least that all providers with schemas know. */
static void put_schema(struct json_writer *w)
{
	static const char *const required[] = {"batch_id", "verdicts", NULL};

	json_object_begin(w);
	json_key(w, "type");
	json_text(w, "object");
	json_key(w, "properties");
	json_object_begin(w);
	put_typed(w, "batch_id", "string");
	json_object_end(w);
	put_typed(w, "verdicts", "array");
	json_key(w, "items");
	put_item_schema(w);
	json_object_end(w);
	end_object(w, required);
	json_object_end(w);
}

static void put_schema_format(struct json_writer *w)
{
	json_key(w, "response_format");
	json_object_begin(w);
	json_key(w, "type");
	json_text(w, "json_schema");
	json_key(w, "json_schema");
	json_object_begin(w);
	json_key(w, "name");
	json_text(w, OPENAI_TOOL);
	json_key(w, "strict");
	json_bool(w, true);
	json_key(w, "schema");
	put_schema(w);
	json_object_end(w);
	json_object_end(w);
}

static void put_tool(struct json_writer *w)
{
	json_key(w, "tools");
	json_array_begin(w);
	json_object_begin(w);
	json_key(w, "type");
	json_text(w, "function");
	json_key(w, "function");
	json_object_begin(w);
	json_key(w, "name");
	json_text(w, OPENAI_TOOL);
	json_key(w, "parameters");
	put_schema(w);
	json_object_end(w);
	json_object_end(w);
	json_array_end(w);
	json_key(w, "tool_choice");
	json_raw(w, SPAN("{\"type\":\"function\",\"function\":{\"name\":\"" OPENAI_TOOL "\"}}"));
}

static void put_form(struct json_writer *w, enum openai_form form)
{
	switch (form) {
	case OPENAI_FORM_SCHEMA:
		put_schema_format(w);
		break;
	case OPENAI_FORM_OBJECT:
		json_key(w, "response_format");
		json_raw(w, SPAN("{\"type\":\"json_object\"}"));
		break;
	case OPENAI_FORM_TOOL:
		put_tool(w);
		break;
	case OPENAI_FORM_PLAIN:
	case OPENAI_FORM_MAX:
		break;
	}
}

static void put_message(struct json_writer *w, const char *role, struct buffer *content)
{
	json_object_begin(w);
	json_key(w, "role");
	json_text(w, role);
	json_key(w, "content");
	json_string(w, buffer_span(content));
	json_object_end(w);
	if (content->truncated)
		w->out->truncated = true;
}

static int put_messages(struct json_writer *w, const struct openai_asked *asked)
{
	_cleanup_(buffer_free) struct buffer words = BUFFER_INIT(512), document = BUFFER_INIT(w->out->max);
	_cleanup_(buffer_free) struct buffer system = BUFFER_INIT(PROMPT_MAX * 2),
					     user = BUFFER_INIT(w->out->max);

	for (const char *const *c = openai_categories; *c; c++)
		buffer_printf(&words, "%s%s", c == openai_categories ? "" : ", ", *c);
	buffer_append_char(&words, 0);
	prompt_write(asked->prompt, asked->mark, words.data ? words.data : "", &system);
	question_write(asked->question, asked->batch_id, &document);
	if (document.len && memmem(document.data, document.len, asked->mark, strlen(asked->mark)))
		return OPENAI_REQUEST_E_MARK;
	buffer_printf(&user, "BEGIN %s\n", asked->mark);
	buffer_append(&user, document.data, document.len);
	buffer_printf(&user, "\nEND %s\n", asked->mark);
	user.truncated |= document.truncated;
	json_key(w, "messages");
	json_array_begin(w);
	put_message(w, "system", &system);
	put_message(w, "user", &user);
	json_array_end(w);
	return 0;
}

int openai_request_write(const struct config_gateway *config, const struct openai_asked *asked,
			 struct buffer *out)
{
	struct json_writer w = JSON_WRITER(out);

	json_object_begin(&w);
	json_key(&w, "model");
	json_text(&w, config->model);
	/* Said outright: what is left out, a gateway fills in by its route's defaults. */
	json_key(&w, "stream");
	json_bool(&w, false);
	json_key(&w, "n");
	json_uint(&w, 1);
	if (config->send_temperature) {
		json_key(&w, "temperature");
		json_uint(&w, 0);
	}
	json_key(&w,
		 config->max_tokens_key == MAX_COMPLETION_TOKENS ? "max_completion_tokens" : "max_tokens");
	json_uint(&w, config->max_tokens);
	put_form(&w, asked->form);
	int r = put_messages(&w, asked);
	json_object_end(&w);
	return r ? r : out->truncated ? BUFFER_E_FULL : 0;
}
