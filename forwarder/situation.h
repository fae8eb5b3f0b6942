/* SPDX-License-Identifier: Apache-2.0 */
/*
 * situation.h: what an exchange with a gateway came to, in words for people, and what mends it. One table;
 * `picket status`, `picket gateway list` and `picket gateway test` say the same of the same thing.
 */
#ifndef PICKET_SITUATION_H
#define PICKET_SITUATION_H

#include "forwarder/transport_direct.h"
#include "forwarder/verdict_parse.h"

enum situation {
	/* No answer came. */
	SITUATION_NO_ADDRESS,
	SITUATION_PROXY_NO_ADDRESS,
	SITUATION_PROXY_REFUSED,
	SITUATION_NO_CONNECTION,
	SITUATION_SLOW,
	SITUATION_TLS_EXPIRED,
	SITUATION_TLS_NOT_YET,
	SITUATION_TLS_NAME,
	SITUATION_TLS_UNTRUSTED,
	SITUATION_TLS_PIN,
	SITUATION_TLS_NONE,
	SITUATION_TLS_NO_SYSTEM,
	SITUATION_TLS_CA,
	SITUATION_TLS,
	SITUATION_NO_HTTP,
	SITUATION_BROKEN,
	/* In a TLS alert, or in an answer. */
	SITUATION_CLIENT_WANTED,
	SITUATION_CLIENT_REFUSED,
	/* Of a Lunar proxy on the way, by its headers. */
	SITUATION_LUNAR_NO_HOST,
	SITUATION_LUNAR_UNREACHABLE,
	SITUATION_LUNAR_TIMEOUT,
	SITUATION_LUNAR_NO_ENDPOINT,
	SITUATION_LUNAR_UNRESOLVED,
	SITUATION_LUNAR_NOT_ALLOWED,
	SITUATION_HAPROXY_DENIED, /* not marked: Lunar's is one */
	SITUATION_LUNAR_ENDING,
	SITUATION_LUNAR_OTHER,
	SITUATION_LUNAR_QUOTA,
	SITUATION_LUNAR_ANSWERED,
	SITUATION_LUNAR_ENQUEUED,
	/* Of gateways to models. */
	SITUATION_GUARDRAIL,
	SITUATION_GUARDRAIL_PASSED,
	SITUATION_PORTKEY_CONFIG,
	SITUATION_PROVIDER_UNREACHABLE,
	SITUATION_PROVIDER_NO_JSON,
	SITUATION_APIPARK_KEY,
	SITUATION_APIPARK_ROUTE,
	SITUATION_APIPARK_PROVIDER,
	SITUATION_NO_UPSTREAM,
	SITUATION_QUOTA,
	SITUATION_CONTENT_FILTER,
	SITUATION_MODEL,
	SITUATION_RESPONSE_FORMAT,
	SITUATION_TEMPERATURE,
	SITUATION_MAX_TOKENS,
	/* An answer that is no 2xx. */
	SITUATION_TLS_EXPECTED,
	SITUATION_REDIRECT,
	SITUATION_TOKEN,
	SITUATION_FORBIDDEN,
	SITUATION_NOT_FOUND,
	SITUATION_GAVE_UP,
	SITUATION_TOO_MUCH,
	SITUATION_CONTENT_TYPE,
	SITUATION_SLOW_DOWN,
	SITUATION_FAILED,
	SITUATION_REFUSED,
	/* 2xx: the batch was taken. What came back, by its body: */
	SITUATION_TOO_LONG,
	SITUATION_WEB_PAGE,
	SITUATION_ERROR_INSIDE,
	SITUATION_UNSIGNED,
	SITUATION_SIGNATURE,
	SITUATION_DIGEST,
	SITUATION_STALE,
	SITUATION_OTHER_BATCH,
	SITUATION_NO_VERDICTS,
	SITUATION_SOME_REFUSED,
	SITUATION_LATE,
	SITUATION_NO_COMPLETION,
	SITUATION_TAKEN, /* all of it can be used */
	SITUATION_MAX,
};

struct situation_words {
	const char *name; /* one word, for programs */
	const char *what; /* "its certificate has expired": of the gateway, without a capital */
	const char *mend; /* what to do; "" if nothing is to be done */
};

enum situation situation_of(const struct transport_answer *answer);
/* Did the gateway take the batch, and is its answer one to read? */
bool situation_is_taken(enum situation s);
/* Is there nothing to mend? */
bool situation_is_good(enum situation s);
/* Of a 2xx that was read by its protocol, with the fault of the whole answer (VERDICT_E_*) and its counts. */
enum situation situation_of_body(struct span body, int fault, const uint64_t refused[static VERDICT_E_MAX]);
const struct situation_words *situation_words(enum situation s);
/* "HTTP 401: the gateway wants another token: see token_file, ...". Cut to size. */
void situation_print(const struct transport_answer *answer, char *ret, size_t size);

#endif
