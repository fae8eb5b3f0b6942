/* SPDX-License-Identifier: Apache-2.0 */
/* secret.h: small files that hold a token, a key or certificates, read once at start. */
#ifndef PICKET_SECRET_H
#define PICKET_SECRET_H

#include <stdbool.h>
#include "lib/buffer.h"

enum {
	SECRET_E_UNREADABLE = 1,
	SECRET_E_EMPTY = 2,
	SECRET_E_NOT_TEXT = 3,
	SECRET_E_TOO_LARGE = 4,
	SECRET_E_SHARED = 5
};

/*
 * One token: the file's text without the line end. Printable ASCII without spaces, so that it can stand in a
 * header. ret: a buffer with its ceiling set. *ret_shared: others than the owner may read the file. On
 * SECRET_E_UNREADABLE, errno says why.
 */
int secret_read_token(const char *path, struct buffer *ret, bool *ret_shared);
/* Any bytes that nobody but the file's owner may read, or SECRET_E_SHARED. */
int secret_read_private(const char *path, struct buffer *ret);
/* Any bytes. */
int secret_read_file(const char *path, struct buffer *ret);
const char *secret_error_text(int error); /* "cannot be read", ... */

#endif
