/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opinion_wire.h: what the sensor (opinion.h) and the process of the second opinion (opinion_main.c) say to
 * each other over a SOCK_SEQPACKET pair: one request head to a message, unredacted, and one answer of fixed
 * size. Both are of one build and one host: integers in its own order.
 */
#ifndef PICKET_OPINION_WIRE_H
#define PICKET_OPINION_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "lib/http_request.h"

#define OPINION_QUESTION_MAX 32768 /* bytes of a question; a larger head is not asked about */
#define OPINION_RULES_MAX    8

struct opinion_question {
	uint64_t id; /* chosen by the sensor; from 1 on */
	uint32_t method_len, target_len;
	uint32_t header_count;
	uint32_t version; /* 0: 1.0; 1: 1.1 */
	/* method, target, and of each header two lengths (uint32_t), its name and its value */
};

struct opinion_answer {
	uint64_t id;     /* of the question; 0: the rules are loaded, questions may come */
	uint32_t cpu_us; /* what it took of a processor */
	uint32_t rule_count;
	uint32_t rules[OPINION_RULES_MAX]; /* ids of those that alarmed; id 0: the first is how many were
					      loaded */
};
_Static_assert(sizeof(struct opinion_question) == 24 && sizeof(struct opinion_answer) == 48, "no holes");

/* Bytes written to buf, 0: it does not fit. */
static inline size_t opinion_question_write(const struct http_request *r, uint64_t id,
					    char buf[static OPINION_QUESTION_MAX])
{
	const struct opinion_question q = {
		.id = id,
		.method_len = (uint32_t)r->method.len,
		.target_len = (uint32_t)r->target.len,
		.header_count = r->header_count,
		.version = r->version_major == 1 && r->version_minor == 0 ? 0 : 1,
	};
	size_t at = sizeof q;

	if (r->method.len > OPINION_QUESTION_MAX || r->target.len > OPINION_QUESTION_MAX ||
	    at + r->method.len + r->target.len > OPINION_QUESTION_MAX)
		return 0;
	memcpy(buf, &q, sizeof q);
	memcpy(buf + at, r->method.ptr, r->method.len);
	at += r->method.len;
	memcpy(buf + at, r->target.ptr, r->target.len);
	at += r->target.len;
	for (unsigned i = 0; i < r->header_count; i++) {
		const struct http_header *h = &r->headers[i];
		uint32_t lens[2] = {(uint32_t)h->name.len, (uint32_t)h->value.len};
		if (h->name.len > OPINION_QUESTION_MAX || h->value.len > OPINION_QUESTION_MAX ||
		    at + sizeof lens + h->name.len + h->value.len > OPINION_QUESTION_MAX)
			return 0;
		memcpy(buf + at, lens, sizeof lens);
		at += sizeof lens;
		memcpy(buf + at, h->name.ptr, h->name.len);
		at += h->name.len;
		memcpy(buf + at, h->value.ptr, h->value.len);
		at += h->value.len;
	}
	return at;
}

/* The spans point into buf. False: it is no question. */
static inline bool opinion_question_read(const char *buf, size_t len, struct opinion_question *q,
					 struct http_request *ret)
{
	size_t at = sizeof *q;

	if (len < sizeof *q)
		return false;
	memcpy(q, buf, sizeof *q);
	if (q->header_count > HTTP_HEADERS_MAX || q->method_len > len - at ||
	    q->target_len > len - at - q->method_len)
		return false;
	ret->method = (struct span){buf + at, q->method_len};
	at += q->method_len;
	ret->target = (struct span){buf + at, q->target_len};
	at += q->target_len;
	for (unsigned i = 0; i < q->header_count; i++) {
		uint32_t lens[2];
		if (len - at < sizeof lens)
			return false;
		memcpy(lens, buf + at, sizeof lens);
		at += sizeof lens;
		if (lens[0] > len - at || lens[1] > len - at - lens[0])
			return false;
		ret->headers[i].name = (struct span){buf + at, lens[0]};
		at += lens[0];
		ret->headers[i].value = (struct span){buf + at, lens[1]};
		at += lens[1];
	}
	ret->header_count = q->header_count;
	return at == len;
}

#endif
