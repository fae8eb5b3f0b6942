/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openai_request.h: a chat completion that asks about the events of one batch: one system message with what
 * is to be done, one user message with one JSON document between two lines that nobody outside can know
 * before. How the model is made to answer in JSON is a matter of what its provider can do: openai_form.
 */
#ifndef PICKET_OPENAI_REQUEST_H
#define PICKET_OPENAI_REQUEST_H

#include "forwarder/openai_events.h"
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

/* mark: letters and digits. Errors stick in out. -ENOMEM, or BUFFER_E_FULL. */
int openai_request_write(const struct config_gateway *config, const struct openai_events *events,
			 const char *batch_id, enum openai_form form, const char *mark, struct buffer *out);

#endif
