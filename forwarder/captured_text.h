/* SPDX-License-Identifier: Apache-2.0 */
/*
 * captured_text.h: how a text that a client sent stands in front of a model: as a JSON string of letters,
 * digits and a few signs alone, at most CAPTURED_TEXT_MAX bytes of what it was. Everything else becomes
 * \uXXXX: what no reader sees (controls, directions), letters that look like others, quotes and backslashes,
 * and the brackets, bars and number signs of which chat templates make their marks ("<|im_start|>", "[INST]",
 * "### System"), so that no tokenizer takes a client's bytes for one.
 *
 * What reads as an address becomes "(address)": a model is to know clients by the names that it was given.
 */
#ifndef PICKET_CAPTURED_TEXT_H
#define PICKET_CAPTURED_TEXT_H

#include "lib/json_write.h"

#define CAPTURED_TEXT_MAX 256

/* text: valid UTF-8, NUL-terminated, as json_parse gives it. Errors stick in w->out. */
void captured_text_write(struct json_writer *w, const char *text);
/* The same as a key. */
void captured_text_write_key(struct json_writer *w, const char *text);

#endif
