/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compress.h: bodies of requests in a content coding (RFC 9110, 8.4.1): gzip (RFC 1952), zstd (RFC 8878).
 * Level 1 of both: of events zstd's is smaller than gzip's, at a fifth of its time.
 */
#ifndef PICKET_COMPRESS_H
#define PICKET_COMPRESS_H

#include "lib/buffer.h"
#include "lib/config.h"

/* "gzip", "zstd"; NULL: as it is. */
const char *compress_name(enum config_compression how);
/* Appends the body in that coding. 0 or -ENOMEM. how is not COMPRESSION_NONE. */
int compress_body(enum config_compression how, struct span body, struct buffer *ret);

#endif
