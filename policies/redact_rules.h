/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact_rules.h: the rules of redaction as data. Reads policies/redact.yaml or a file in its place, and
 * answers by name what becomes of a header, a parameter, a cookie. What a secret looks like is
 * redact_token.h.
 */
#ifndef PICKET_REDACT_RULES_H
#define PICKET_REDACT_RULES_H

#include "lib/config.h"
#include "lib/span.h"
#include "policies/redact_token.h"

#define REDACT_NAMES_MAX    1024 /* of one kind, all lists together */
#define REDACT_PATTERNS_MAX 64

enum header_treatment {
	HEADER_DROP,
	HEADER_KEEP,
	HEADER_VERBATIM,
	HEADER_HASH,
	HEADER_TARGET,
	HEADER_COOKIE,
	HEADER_HOST,
	HEADER_SCHEME, /* a credential behind a scheme: never passes */
	HEADER_API_KEY /* a credential: never passes */
};

enum { PARAMETER_KEEP = 1, PARAMETER_CREDENTIAL = 2, PARAMETER_SECRET = 4 };

struct redact_name {
	struct span name;   /* lower case */
	const char *train;  /* Each-Word-With-A-Capital, as most clients send it; not terminated */
	unsigned treatment; /* enum header_treatment, or PARAMETER_* */
	unsigned rank;      /* of a credential: the lowest counts */
	bool allowed;       /* of a header: it may be shown */
	bool user_agent;
	struct redact_name *next;
};

/* Found by a slot of its length and ends; what is left is compared, ASCII case folded. */
struct redact_names {
	struct redact_name *slots[256];
	unsigned count;
};

struct redact_rules {
	struct redact_names headers, parameters, cookies;
	struct config_strings session, not_session; /* patterns of cookie names, lower case */
	struct token_rules tokens;
};

/* Credentials other than headers come last. */
#define REDACT_RANK_COOKIE    1000
#define REDACT_RANK_PARAMETER 1001
#define REDACT_RANK_NONE      1002

/*
 * By the configuration: the file of redact.policies or the shipped rules, then redact.headers over them. 0,
 * CONFIG_E_INVALID (errors has one message a line), -ENOMEM. Nothing of config is kept.
 */
int redact_rules_load(const struct config *config, struct redact_rules **ret, struct buffer *errors);
/* The text of a file; name: for messages. */
int redact_rules_parse(struct span yaml, const char *name, struct redact_rules **ret, struct buffer *errors);
void redact_rules_free(struct redact_rules *r);

const struct redact_name *redact_name_find(const struct redact_names *names, struct span name);
/* Does a cookie of that name say who the client is? */
bool redact_rules_session(const struct redact_rules *r, struct span cookie);

#endif
