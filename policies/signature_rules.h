/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature_rules.h: signatures as data: reads their YAML (policies/signatures/ is the reference by example)
 * into plain structs. What matches a request is signatures.h; how to write one: docs/signatures.md.
 *
 *     signatures:
 *       - id: sql-union                        small letters, digits, "-"
 *         name: UNION SELECT                   for people
 *         category: sqli                       signature_category_name
 *         severity: critical                   low, medium, high, critical
 *         paranoia: 1                          1 to 4: from this level on it is in force
 *         where: [path, query, headers]        or user_agent, referer, cookie, forwarded, other.
 *                                              Default: path, query
 *         referer: other                       only where Referer names another site (cross_site.h)
 *         words: [union]                       one of these stands in whatever matches (case folded)
 *         regex: ['\bunion\b.{0,40}\bselect']  any suffices; PCRE2, case folded
 *         matches: ["1 union select 2"]        texts that must match, and must not: the tests hold it to them
 *         passes: ["a union of workers"]
 */
#ifndef PICKET_SIGNATURE_RULES_H
#define PICKET_SIGNATURE_RULES_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buffer.h"
#include "lib/span.h"

enum signature_severity {
	SIGNATURE_LOW = 1,
	SIGNATURE_MEDIUM,
	SIGNATURE_HIGH,
	SIGNATURE_CRITICAL,
	SIGNATURE_SEVERITIES,
};
const char *signature_severity_name(enum signature_severity severity); /* "low", ... */
/* False: no such name. */
bool signature_severity_parse(const char *name, enum signature_severity *ret);

#define SIGNATURE_CATEGORIES 14
const char *signature_category_name(unsigned category); /* "sqli", ...; category < SIGNATURE_CATEGORIES */
bool signature_category_parse(const char *name, unsigned *ret);

/* Where in a request. */
enum signature_where {
	SIGNATURE_PATH,
	SIGNATURE_QUERY,
	SIGNATURE_USER_AGENT,
	SIGNATURE_REFERER,
	SIGNATURE_COOKIE,
	SIGNATURE_FORWARDED, /* X-Forwarded-*, Forwarded, X-Real-IP, True-Client-IP and their like */
	SIGNATURE_OTHER,     /* any other header */
	SIGNATURE_WHERES,
};
const char *signature_where_name(enum signature_where where); /* "path", ... */

#define SIGNATURES_MAX         512
#define SIGNATURE_ID_MAX       48
#define SIGNATURE_NAME_MAX     120
#define SIGNATURE_REGEX_MAX    2048 /* bytes of one expression */
#define SIGNATURE_PARANOIA_MAX 4
#define SIGNATURE_LIST_MAX     400 /* words, expressions or examples of one signature */

struct signature_texts {
	char **items;
	unsigned count;
};

struct signature {
	char id[SIGNATURE_ID_MAX + 1];
	char name[SIGNATURE_NAME_MAX + 1];
	uint8_t category;
	uint8_t severity; /* enum signature_severity */
	uint8_t paranoia;
	uint8_t where; /* 1 << enum signature_where */
	bool referred; /* only in a request to which another site's page led */
	unsigned line; /* of its file */
	struct signature_texts words, regexes, matches, passes;
};

struct signature_rules {
	struct signature *items;
	unsigned count;
};

/* Adds the signatures of one file. 0, CONFIG_E_INVALID (errors: "NAME:LINE: what is wrong"), -ENOMEM. On
 * failure into may hold some: free it. */
int signature_rules_parse(struct span yaml, const char *name, struct signature_rules *into,
			  struct buffer *errors);
int signature_rules_load_file(const char *path, struct signature_rules *into, struct buffer *errors);
int signature_rules_load_shipped(struct signature_rules *into, struct buffer *errors);
void signature_rules_free(struct signature_rules *r);

#endif
