/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credentials.h: what one gateway's files hold: the token, as the header that carries it, the authorities
 * that may vouch for the gateway, our certificate and its key, the keys that verify its answers. Read once,
 * while privileges last; wiped when freed.
 */
#ifndef PICKET_CREDENTIALS_H
#define PICKET_CREDENTIALS_H

#include "forwarder/signature_key.h"
#include "lib/buffer.h"
#include "lib/config.h"

#define CREDENTIALS_HEADERS 9 /* header_files, and Lunar's key */

struct credentials {
	struct buffer authorization; /* "Authorization: Bearer ...", of crowdsec "X-Api-Key: ...", with its
					NUL; empty: none */
	struct buffer
		headers[CREDENTIALS_HEADERS]; /* "Name: SECRET", each with its NUL; empty ones end them */
	struct buffer ca;                     /* PEM; empty: the system's */
	struct buffer certificate, key;       /* PEM; empty: none */
	struct signature_keys verify;         /* none: answers are not verified */
};

/*
 * CONFIG_E_INVALID: see errors, one message a line; with result 0 the lines are warnings. Whatever the
 * result, credentials_free.
 */
int credentials_read(const struct config_gateway *config, struct credentials *ret, struct buffer *errors);
void credentials_free(struct credentials *c);

#endif
