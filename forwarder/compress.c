// SPDX-License-Identifier: Apache-2.0
#include "forwarder/compress.h"
#include <errno.h>
#include <zlib.h>
#include <zstd.h>

#define LEVEL          1
#define GZIP_FRAME     (15 + 16) /* the largest window; 16: a gzip head and end, not zlib's */
#define GZIP_MEM_LEVEL 8         /* zlib's default */

const char *compress_name(enum config_compression how)
{
	return how == COMPRESSION_GZIP ? "gzip" : how == COMPRESSION_ZSTD ? "zstd" : NULL;
}

static int compress_gzip(struct span body, struct buffer *ret)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)body.ptr, .avail_in = (uInt)body.len};
	char *at;

	if (deflateInit2(&z, LEVEL, Z_DEFLATED, GZIP_FRAME, GZIP_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	size_t room = deflateBound(&z, body.len);
	int r = buffer_reserve(ret, room, &at) ? -ENOMEM : 0;
	if (!r) {
		z.next_out = (Bytef *)at;
		z.avail_out = (uInt)room;
		/* It has all the room that it may need: once is enough. */
		if (deflate(&z, Z_FINISH) != Z_STREAM_END)
			r = -ENOMEM;
		else
			buffer_commit(ret, z.total_out);
	}
	deflateEnd(&z);
	return r;
}

static int compress_zstd(struct span body, struct buffer *ret)
{
	size_t room = ZSTD_compressBound(body.len);
	char *at;

	if (buffer_reserve(ret, room, &at))
		return -ENOMEM;
	size_t n = ZSTD_compress(at, room, body.ptr, body.len, LEVEL);
	if (ZSTD_isError(n))
		return -ENOMEM;
	buffer_commit(ret, n);
	return 0;
}

int compress_body(enum config_compression how, struct span body, struct buffer *ret)
{
	return how == COMPRESSION_GZIP ? compress_gzip(body, ret) : compress_zstd(body, ret);
}
