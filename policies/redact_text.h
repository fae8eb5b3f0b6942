/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact_text.h: writes texts of a request in the form in which they may leave: targets, queries, cookies,
 * values of headers.
 *
 * What stands for a secret:
 *     {jwt:h_...}    a whole segment of a path, word of a header, or name: kind and hash (token_kind_name).
 *                    RFC 3986 allows no brace in a URL, and a text that has this form already is hidden as
 *                    {text:h_...}: whoever finds one in an event knows that we wrote it.
 *     name=h_...     the value of a parameter or cookie
 * A request gets at most REDACT_HASHES_MAX of them, so that nobody buys our time with cheap bytes; after that
 * values are dropped ("name=") and the kind alone is left ("{jwt}").
 *
 * Everything is written behind one another into memory of the caller's, without allocation. Nothing grows to
 * more than REDACT_TEXT_ROOM.
 */
#ifndef PICKET_REDACT_TEXT_H
#define PICKET_REDACT_TEXT_H

#include "policies/redact_hash.h"
#include "policies/redact_rules.h"

#define REDACT_HASHES_MAX 64
/* Bytes for one text of that length, without its hashes; and for all hashes of a request. */
#define REDACT_TEXT_ROOM(len)   (2 * (len) + 16)
#define REDACT_TEXT_HASHES_ROOM (REDACT_HASHES_MAX * (REDACT_HASH_LEN + 12))

struct redact_writer {
	const struct redact_rules *rules;
	struct redact_hash *hash;
	enum config_redact_query query;
	bool off; /* texts as they were sent */

	char *at;   /* where the next byte goes */
	char *work; /* as long as the longest text of the request */
	unsigned hashes_left;
	unsigned hashes_refused;
	struct span credential; /* the first parameter of the query that is one; points into the request */
};

/* Each returns what it wrote. */
struct span redact_put(struct redact_writer *w, struct span text); /* as it is */
struct span redact_put_hash(struct redact_writer *w, struct span label, struct span value);
/* A target (RFC 9112 section 3.2) or a URL: no user information, no fragment, values hashed, segments looked
 * at. */
struct span redact_put_target(struct redact_writer *w, struct span target);
/* "name=value; ..." */
struct span redact_put_cookies(struct redact_writer *w, struct span list);
/* A header's value, word by word. */
struct span redact_put_words(struct redact_writer *w, struct span value);
/* A host with or without user information and port. */
struct span redact_put_authority(struct redact_writer *w, struct span authority);
struct span redact_put_method(struct redact_writer *w, struct span method);

/* Where the authority of an absolute ("http://a/b") or authority form ("a:443") lies. Empty for "/path", "*".
 */
struct span redact_target_authority(struct span target);
struct span redact_without_userinfo(struct span authority);
/* Takes the first cookie off *list. False: there is none left. One without "=" has no name. */
bool redact_cookie_next(struct span *list, struct span *ret_name, struct span *ret_value);

#endif
