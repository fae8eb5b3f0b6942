/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact_token.h: what a secret looks like. Says of a text whether there is one in it: a JSON Web Token
 * (RFC 7519), an e-mail address, a payment card's number (ISO/IEC 7812, Luhn), a UUID (RFC 9562), or letters
 * and digits without a pattern. Text in base64 that reads as text once decoded counts as the latter.
 *
 * It errs towards finding one: what it hides is still told apart by its hash.
 */
#ifndef PICKET_REDACT_TOKEN_H
#define PICKET_REDACT_TOKEN_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/config.h"
#include "lib/span.h"

enum token_kind {
	TOKEN_NONE,
	TOKEN_JWT,
	TOKEN_EMAIL,
	TOKEN_CARD,
	TOKEN_UUID,
	TOKEN_RANDOM, /* "token" */
	TOKEN_TEXT,   /* "text": something else that may not stay as it is */
	TOKEN_KINDS,
};
const char *token_kind_name(enum token_kind kind);

#define TOKEN_PREFIXES_MAX 64

struct token_rules {
	unsigned find; /* 1 << kind for each that is looked for */
	unsigned random_min;
	struct config_strings prefixes;
	uint8_t prefix_len[TOKEN_PREFIXES_MAX];
	bool prefix_first[256]; /* of a prefix, for a quick no */
};

#define TOKEN_RANDOM_MIN_LEAST 12 /* shorter ones are words */

/* What one quick pass over a text tells. Without any of these no detector finds anything. */
enum {
	TOKEN_SIGN_RUN = 1,     /* 12 or more letters and digits in a row, or 13 of digits and separators */
	TOKEN_SIGN_SPECIAL = 2, /* "@", "%", "{", or a byte beyond ASCII */
	TOKEN_SIGN_PAIR = 4,    /* "=" or ";" */
};
unsigned token_signs(struct span text);

/* The first kind that is found in text as it is. */
enum token_kind token_find(const struct token_rules *rules, struct span text);
/*
 * The same, and in what text means once percent-encoding is undone, also when that was done several times.
 * work: text->len bytes. *text becomes the reading in which it was found, which may lie in work.
 */
enum token_kind token_find_decoded(const struct token_rules *rules, struct span *text, char *work);
/* Undoes percent-encoding once. Returns the length in out, which may be text.ptr itself. */
size_t token_percent_decode(struct span text, char *out);

#endif
