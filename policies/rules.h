/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules.h: detections as data. Reads the YAML form (policies/detections/ is the reference by example) into
 * plain structs; what they mean for a request is matcher.h, what follows from many requests is detect.h.
 *
 *     detections:
 *       - name: path-scanning                    letters, digits, "-"
 *         description: probing for files         shown as the reason of a block
 *         match:                                 "all", one of these, or a list of them: any suffices
 *           methods: [GET, HEAD]                 each condition must hold; of its values any suffices
 *           paths: {exact: [/.env], prefix: [/wp-], suffix: [.bak], contains: [..],
 *                   glob: ['*.php'], regex: [..],
 *                   file: paths.txt}             one exact path a line; beside the rule file
 *           targets: {contains: [..], regex: [..]}         of the whole target with its query
 *           user_agents: {contains: [sqlmap]}
 *           deviations: [bare_lf]                names of http_deviation_name
 *           signatures: {category: [sqli],       docs/signatures.md: one of such a category (default: any)
 *                        severity: high,         and at least that severe (low) was found, and all that
 *                        score: 5}               were found count that much (1)
 *           handshake: {tls_below: 13,           of the TLS handshake in which the request came, by its JA4
 *                       alpn: [none, h1],        (ja4.h): each must hold; alpn: one of these was offered
 *                       sni: true,               first. Of handshakes over TCP; never where none is known
 *                       ciphers_below: 14, ciphers_above: 28, extensions_below: 12, extensions_above: 30}
 *           unless_user_agents: {contains: [..]} does not hold of these
 *           documented: false                    the OpenAPI file (api.openapi) does not have this path with
 *                                                this method; without such a file it never holds
 *         anomalies: [slow_head, slow_body]      instead of match: clients that keep the server waiting, once
 *                                                for each time that is told of (docs/anomalies.md)
 *         status: [401, 403, 5xx]                counts only requests whose answer had one of these; those
 *                                                of which no answer was seen do not count
 *         route: unknown                         or known: whether the request has a template (routes.h)
 *         first: method                          the consumer is known well and never used its method
 *                                                before; or route: its method on this route (behaviour.h)
 *         served: false                          only credentials that were never accepted here
 *         group_by: client                       whom a bucket counts: client, peer (IPv6 by /64), consumer
 *                                                (requests with a credential), principal (the consumer, or
 *                                                the client where there is none), user_agent; each also by
 *                                                route: "route+principal". Default client
 *         distinct: path                         count each path once; or each consumer (credential), each
 *                                                user_agent, of those requests that have one; each client
 *                                                (IPv6 by /64); each object (a path whose route has a place
 *                                                holder); each attempt (path, credential and length of the
 *                                                body: a retry is the same one); each signature (the
 *                                                strongest of a request). user_agent as events show it:
 *                                                nothing where redact.headers leaves it out
 *         share: 0.5                             with status: of the bucket's requests whose answer was
 *                                                seen, so many had one of these; older ones weigh less, by
 *                                                window
 *         of_all: 0.3                            by client: of all requests that it made since the first of
 *                                                these, so many were such, as behaviour.h knows; older ones
 *                                                weigh less, by window. Where that is not known it holds
 *         at_most: {client: 1, all: 20}          fires so often within an hour, for one client (whatever else
 *                                                it groups by), and for all; the rest is withheld, counted
 *         each: 2                                with distinct: client: names each client once it counted
 *                                                so often itself, or at once where more are at it than are
 *                                                remembered (RULES_CLIENTS_MAX). A bucket by user_agent
 *                                                names clients only so
 *         against: {others: 0.5}                 with share: that of all other buckets of the rule together
 *                                                is at most so much of this one's. Where the others are too
 *                                                few to say, the confidence is halved
 *                  {baseline: 4}                 by route: and it is more than so many times what is normal
 *                                                there within a window (baseline.h); never, until that is
 *                                                known
 *         threshold: 5                           matches ...
 *         window: 60s                            ... in this time. The bucket leaks threshold a window,
 *         leak: 12s                              or one in this time (not with distinct)
 *         cool_down: 60s                         silence for a client after it fired. Default: window
 *         action: {ttl: 15m, confidence: 0.9, scope: ports}
 */
#ifndef PICKET_RULES_H
#define PICKET_RULES_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buffer.h"
#include "lib/verdict.h"
#include "policies/documented.h"

enum pattern_kind {
	PATTERN_EXACT,
	PATTERN_PREFIX,
	PATTERN_SUFFIX,
	PATTERN_CONTAINS,
	PATTERN_GLOB,
	PATTERN_REGEX,
	PATTERN_KINDS,
};

struct pattern {
	enum pattern_kind kind;
	char *text;
	unsigned line; /* in its file, for messages */
};

struct patterns {
	struct pattern *items;
	unsigned count, size;
};

enum subject { SUBJECT_PATH, SUBJECT_TARGET, SUBJECT_USER_AGENT, SUBJECTS };

#define RULES_ALPN_MAX 4

/* What a TLS handshake must have been; 0: no condition. */
struct rule_handshake {
	bool set;
	uint8_t tls_below; /* 13: TLS 1.3 */
	uint8_t sni;       /* 1: a name was sent; 2: none */
	uint8_t ciphers_below, ciphers_above, extensions_below, extensions_above;
	char alpn[RULES_ALPN_MAX][2];
	unsigned alpn_count;
};

/* One way to match: every condition that is not empty must hold. */
struct rule_match {
	char **methods;
	unsigned method_count, method_size;
	struct patterns patterns[SUBJECTS];
	struct patterns unless; /* of the User-Agent */
	struct rule_handshake handshake;
	uint32_t deviations;
	uint8_t documented;            /* enum documented; DOCUMENTED_UNKNOWN: either */
	uint16_t signature_categories; /* 1 << category; 0: no condition */
	uint8_t signature_severity;    /* at least */
	uint16_t signature_score;      /* at least */
};

#define STATUS_MIN 100
#define STATUS_MAX 599

enum rule_group { GROUP_CLIENT, GROUP_PEER, GROUP_CONSUMER, GROUP_PRINCIPAL, GROUP_USER_AGENT };
enum rule_distinct {
	DISTINCT_NONE,
	DISTINCT_PATH,
	DISTINCT_CONSUMER,
	DISTINCT_USER_AGENT,
	DISTINCT_CLIENT,
	DISTINCT_OBJECT,
	DISTINCT_ATTEMPT,
	DISTINCT_SIGNATURE,
};
enum rule_route { ROUTE_ANY, ROUTE_KNOWN, ROUTE_UNKNOWN };
enum rule_first { FIRST_NONE, FIRST_METHOD, FIRST_ROUTE };

struct rule {
	char *name, *description, *file;
	struct rule_match *matches; /* any suffices */
	unsigned match_count, match_size;
	uint64_t statuses[(STATUS_MAX - STATUS_MIN) / 64 + 1]; /* bit s - STATUS_MIN */
	bool by_status;                                        /* any of them is set */
	bool by_signature;                                     /* a way to match asks for one */
	enum rule_group group;
	bool by_route; /* ... and by route */
	enum rule_distinct distinct;
	enum rule_route route;
	enum rule_first first;
	bool unserved;                              /* served: false */
	unsigned anomalies;                         /* bits of enum rule_anomaly; then there is no match */
	double share, of_all, others, baseline;     /* 0: none */
	unsigned each, hourly_client, hourly_total; /* 0: none */
	unsigned threshold;
	uint64_t window_ns, leak_ns, cool_down_ns;
	uint64_t ttl_ms; /* 0: guard.ttl_default */
	double confidence;
	enum verdict_scope scope;
};

struct rules {
	struct rule *items;
	unsigned count, size;
	unsigned pattern_count; /* of all rules */
};

/* The anomaly of that name, or 0. */
enum rule_anomaly { ANOMALY_SLOW_HEAD = 1, ANOMALY_SLOW_BODY = 2 };
unsigned rule_anomaly_of(struct span name);

/* Does the rule count requests that were answered so? */
bool rule_has_status(const struct rule *rule, unsigned status);

#define RULES_FILE_MAX        (1024 * 1024) /* bytes of one file */
#define RULES_MAX             128
#define RULES_MATCHES_MAX     64    /* alternatives of one rule */
#define RULES_PATTERNS_MAX    16384 /* of all rules */
#define RULES_PATTERN_LEN_MAX 256
#define RULES_NAME_MAX        48
#define RULES_THRESHOLD_MAX   1000000
#define RULES_EACH_MAX        1000
#define RULES_HOURLY_MAX      1000
#define RULES_CLIENTS_MAX     256 /* with each: clients of one bucket that are remembered */
#define RULES_DISTINCT_MAX    64  /* threshold with distinct: each value is remembered */

/*
 * Adds the rules of one file. name: for messages; dir: where `file:` looks, NULL forbids it. 0,
 * CONFIG_E_INVALID (errors has one message a line: "NAME:LINE: what is wrong"), -ENOMEM. On failure into may
 * hold some rules: free it.
 */
int rules_load(struct span yaml, const char *name, const char *dir, struct rules *into,
	       struct buffer *errors);
/* The same from a path. A file that cannot be read is CONFIG_E_INVALID too. */
int rules_load_file(const char *path, struct rules *into, struct buffer *errors);
/* Those compiled in. */
int rules_load_shipped(struct rules *into, struct buffer *errors);
void rules_free(struct rules *r);

#endif
