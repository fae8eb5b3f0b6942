/* SPDX-License-Identifier: Apache-2.0 */
/*
 * injections.h: texts by which a client tries to talk a model into something, as data: in which captured
 * field each stands, of which kind it is, and what it is after. Written for these tests. Used by
 * injection_test.c against what is sent; e2e/injection.sh sends those that HTTP can carry (injections.tsv is
 * made of this table).
 *
 * wants: 'a' that its sender is let alone, 'b' that others are blocked, 'x' that the form breaks.
 */
#ifndef PICKET_TEST_INJECTIONS_H
#define PICKET_TEST_INJECTIONS_H

enum injection_field {
	IN_USER_AGENT,
	IN_PATH,
	IN_QUERY,
	IN_HEADER_NAME,
	IN_HOST,
	IN_SNI, /* of the hello of its TLS, and of requests that came through it */
	IN_FORWARDED_FOR,
	IN_REFERER,
	IN_METHOD,
};

struct injection {
	const char *kind;
	enum injection_field field;
	char wants;
	const char *text;
};

extern const struct injection injections[];
extern const unsigned injection_count;

#endif
