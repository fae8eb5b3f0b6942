/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer.h: one connection of a client, by hand: what an HTTP library would not do, such as to answer before
 * the request is read, half an answer, or a reset. Blocking, for a thread of its own.
 */
#ifndef EXAMPLES_GATEWAY_PEER_H
#define EXAMPLES_GATEWAY_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <openssl/types.h>

#define PEER_HEAD_MAX  (16 * 1024)
#define PEER_BODY_MAX  (8 * 1024 * 1024)
#define PEER_FIELD_MAX 128

struct peer {
	int fd;
	SSL *tls;                 /* NULL: plain */
	char head[PEER_HEAD_MAX]; /* of the request, with a zero behind it */
	size_t body_len;
	char *body;               /* NULL: not read yet; with a zero behind it */
	char more[PEER_HEAD_MAX]; /* what came behind the head */
	size_t more_len;
};

/* The head of the next request. false: there is none. */
bool peer_read_head(struct peer *p);
/* The body that belongs to it. false: it did not come whole, or is larger than PEER_BODY_MAX. */
bool peer_read_body(struct peer *p);
/* The value of a field of the request, cut to size; "" if it has none. */
void peer_field(const struct peer *p, const char *name, char ret[static PEER_FIELD_MAX]);
bool peer_write(struct peer *p, const char *bytes, size_t len);
/* false: the peer went away meanwhile. */
bool peer_wait(struct peer *p, int ms);
/* The connection ends by RST: what was not sent yet is lost. */
void peer_reset(struct peer *p);
void peer_close(struct peer *p);

#endif
