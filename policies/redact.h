/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact.h: makes the event of a request. What leaves here may leave the process. docs/redaction.md says what
 * stays and what stands for the rest; redact_text.h writes the texts, by the rules of redact_rules.h.
 *
 *     long texts     the method, the host and each header's value are kept up to REDACT_TEXT_MAX bytes, cut
 *                    after redaction, and the event says so (truncated). The target and the path are whole:
 *                    the parser's ceiling for a head bounds them, and an access log has them whole as well.
 *     the consumer   is told under the key in use, and under the one before it while the key file has that.
 *
 * redact.query: keep leaves method and target as they were sent, but for user information. redact.disabled
 * leaves every text as it was sent; headers with credentials do not pass even then.
 *
 * Not thread safe: one thread uses a struct redact at a time (scratch memory and hash contexts are reused).
 */
#ifndef PICKET_REDACT_H
#define PICKET_REDACT_H

#include "lib/config.h"
#include "lib/event.h"
#include "policies/redact_key.h"

/* What an event keeps of one text; the redacted one is cut at its end. */
#define REDACT_TEXT_MAX 8192

struct redact;

/* 0, CONFIG_E_INVALID (the rules are not sound; one message a line in errors), -errno. Nothing is kept of
 * keys. */
int redact_new_keys(const struct config *config, const struct redact_keys *keys, struct redact **ret,
		    struct buffer *errors);
/* The same with one key that no file holds. */
int redact_new(const struct config *config, const uint8_t key[static REDACT_KEY_LEN], struct redact **ret);
void redact_free(struct redact *r);

/* What is known of a request beside its bytes. Whatever is left out is 0 in the event. */
struct redact_context {
	struct flow flow;
	struct endpoint client;
	bool forwarded;        /* it claims to come for somebody else */
	uint16_t stream_index; /* which one of its connection */
	uint64_t time_ns, wall_ns;
	size_t room; /* bytes of text that the caller will add by event_tail_copy */
};

/* NULL: out of memory. request's spans are not kept. */
struct event *redact_request(const struct redact *r, const struct http_request *request,
			     const struct redact_context *context);
/* What a signature matched, as an event may show it: words that are not among `known` (words: runs of
 * letters, digits and "_" of two bytes and more) are hidden as {text}, unless targets are shown as they were
 * sent; what is left is written as a header's value is. Returns how many bytes of out it took, at most max.
 */
size_t redact_match(const struct redact *r, struct span match, bool (*known)(void *arg, struct span word),
		    void *arg, char *out, size_t max);
/* The name of a server that a client asked for, as an event may show it: as the host of a request. Returns
 * how many bytes of out it took, at most max: it is cut at its end. 0 where memory is out, too. */
size_t redact_server_name(const struct redact *r, struct span name, char *out, size_t max);
/* "c_", the key's id, 16 hex digits of the keyed hash, as event_request.consumer. credential: without its
 * scheme. */
#define REDACT_CONSUMER_MAX 24
void redact_consumer(const struct redact *r, struct span credential, char ret[static REDACT_CONSUMER_MAX]);
/* Does a header carry a credential that makes an event's consumer? */
bool redact_has_credential(const struct redact *r, const struct http_request *request);
/* The consumer of a request that has nothing but headers, as its event would have it: under the key in use,
 * and the one before while there is one. Returns how many (0: no credential). */
unsigned redact_consumers(const struct redact *r, const struct http_request *request,
			  char ret[static 2][REDACT_CONSUMER_MAX]);
/* Secrets that were dropped without a hash, because a request had more than redact_text.h allows. Any thread.
 */
uint64_t redact_refused(const struct redact *r);

#endif
