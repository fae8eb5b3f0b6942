/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport_direct.h: one request at a time, a POST to one URL unless another is asked for, over a connection
 * that is kept (libcurl). It knows bytes, statuses and times; what they mean is its protocol's business
 * (protocol.h).
 *
 * HTTP/1.1, or over TLS HTTP/2 where both want it; never HTTP/2 without TLS, of which libcurl 7.88 loses
 * every second request of a kept connection. A connection over which an answer did not even begin is not used
 * again, whatever its protocol: over HTTP/2 libcurl would keep it and wait on it for ever.
 *
 * No redirects, no proxy but the one that is named, no other protocol than http and https, no decompression,
 * no body beyond a ceiling: an answer is outside bytes.
 */
#ifndef PICKET_TRANSPORT_DIRECT_H
#define PICKET_TRANSPORT_DIRECT_H

#include <stdbool.h>
#include <curl/curl.h>
#include "lib/buffer.h"
#include "lib/clock.h"

struct transport;

struct transport_options {
	const char *url;
	const char *proxy;            /* "http://HOST:PORT"; NULL = none */
	bool http2;                   /* over https, if the server can */
	struct span ca;               /* PEM; empty = the system's */
	struct span certificate, key; /* PEM; empty = none. The key stays where it is, until transport_free */
	const char *pin;            /* of the server's public key, as CURLOPT_PINNEDPUBLICKEY; NULL = none */
	uint32_t timeout_ms;        /* for the whole exchange */
	size_t answer_max;          /* bytes of an answer's body */
	const char *const *headers; /* "Name: value", NULL ends; sent with every POST */
	/* Heads as they go over the wire, with those of a proxy's tunnel, are appended there. NULL: nobody
	 * looks. */
	struct buffer *request_head, *answer_head;
	const struct clock *clock;
	void *owner; /* transport_owner gives it back; connected and finished get it */
	/* What transport_finished calls, where several owners have one multi handle. 0 or -errno. */
	int (*finished)(void *owner, CURLcode result);
	/* A new connection is made; its first request follows. NULL: nobody asks. */
	void (*connected)(void *owner, uint16_t local_port, uint16_t peer_port);
};

struct transport_answer {
	CURLcode error;          /* CURLE_OK: the exchange is whole */
	const char *error_text;  /* "" or for people; valid until the next send */
	unsigned status;         /* 0: no answer came */
	struct span head;        /* its field lines (http_field.h), at most 16 KiB; valid likewise */
	struct span body;        /* valid likewise */
	bool too_large;          /* the body passed answer_max and was cut */
	uint64_t retry_after_ms; /* asked for by the gateway, 0 = nothing */
	uint64_t received_ns;    /* boot clock: when the last byte came */
	unsigned connections;    /* new TCP connections made for it, 0 = a kept one */
};

int transport_new(CURLM *multi, const struct transport_options *options, struct transport **ret);
/* headers: beside those of every POST; copied, NULL ends. body must stay as it is until transport_finish. 0
 * or -errno. */
int transport_send(struct transport *t, const char *const *headers, struct span body);
enum transport_method { TRANSPORT_POST = 0, TRANSPORT_GET, TRANSPORT_DELETE };
struct transport_request {
	enum transport_method method;
	const char *url;            /* NULL: that of the options. Copied */
	const char *const *headers; /* as transport_send */
	struct span body;           /* of a POST */
	/* Takes the body of a 2xx while it comes, instead of it being kept; answer_max holds all the same.
	 * Not 0: the exchange ends. NULL: it is kept. */
	int (*body_part)(void *arg, struct span bytes);
	void *arg;
};
int transport_request(struct transport *t, const struct transport_request *request);
bool transport_busy(const struct transport *t);
/* libcurl says this handle is done. */
void transport_finish(struct transport *t, CURLcode result, struct transport_answer *ret);
void *transport_owner(CURL *handle);
/* The same: its owner is told, who calls transport_finish. What the owner says. */
int transport_finished(CURL *handle, CURLcode result);
/* Aborts what is under way. */
void transport_free(struct transport *t);

#endif
