/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openai_request.h: a chat completion that asks about the clients of one batch: one system message with what
 * is to be done, one user message with one JSON document between two lines that nobody outside can know
 * before. How the model is made to answer in JSON is a matter of what its provider can do: openai_form.
 */
#ifndef PICKET_OPENAI_REQUEST_H
#define PICKET_OPENAI_REQUEST_H

#include "forwarder/prompt.h"
#include "forwarder/question.h"
#include "lib/config.h"

/* From the strictest to none: each is tried when the one before was refused. */
enum openai_form {
	OPENAI_FORM_SCHEMA = 0, /* response_format json_schema */
	OPENAI_FORM_OBJECT,     /* response_format json_object */
	OPENAI_FORM_TOOL,       /* a forced call of one function */
	OPENAI_FORM_PLAIN,      /* only asked for in words */
	OPENAI_FORM_MAX,
};

#define OPENAI_TOOL     "verdict" /* name of the function, and of the schema */
#define OPENAI_MARK_MAX 64

/* What an item may say; the answer's reader knows no others. */
extern const char *const openai_actions[], *const openai_categories[]; /* NULL ends */

/*
 * mark: letters and digits, drawn for this request. OPENAI_REQUEST_E_MARK: the document holds it, which
 * nobody could know before. Errors stick in out. -ENOMEM, or BUFFER_E_FULL.
 */
enum { OPENAI_REQUEST_E_MARK = 2 };
struct openai_asked {
	const struct question *question;
	const struct prompt *prompt;
	const char *batch_id, *mark;
	enum openai_form form;
};
int openai_request_write(const struct config_gateway *config, const struct openai_asked *asked,
			 struct buffer *out);

#endif
