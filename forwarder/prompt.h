/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prompt.h: what a model is told to do, as data (policies/prompts/, docs/gateway-openai.md): the file's text
 * without the lines that begin with '#', {{mark}} and {{categories}} filled in. The first line is
 * "# picket-prompt NAME VERSION".
 */
#ifndef PICKET_PROMPT_H
#define PICKET_PROMPT_H

#include "lib/buffer.h"
#include "lib/verdict.h"

#define PROMPT_MAX (32 * 1024)

struct prompt {
	char *text;                       /* without comments; NULL: none was read */
	char version[VERDICT_PROMPT_MAX]; /* "judge/2 sha256:0123456789ab", the hash of the whole file */
};

enum {
	PROMPT_E_UNREADABLE = 1, /* errno says why */
	PROMPT_E_TOO_LARGE,
	PROMPT_E_HEAD,    /* the first line */
	PROMPT_E_FIELD,   /* another {{...}} than those two */
	PROMPT_E_MISSING, /* one of the two is not there */
	PROMPT_E_TEXT,    /* no UTF-8, or a control character */
};
const char *prompt_error_text(int error); /* "cannot be read", ... */

/* path NULL: the one that is compiled in. 0, PROMPT_E_* or -errno; prompt_free it. */
int prompt_read(const char *path, struct prompt *ret);
int prompt_parse(struct span file, struct prompt *ret);
void prompt_free(struct prompt *p);
/* Appends it with its fields filled in. Errors stick in out. */
void prompt_write(const struct prompt *p, const char *mark, const char *categories, struct buffer *out);

#endif
