// SPDX-License-Identifier: Apache-2.0
#include "policies/ja4.h"
#include "lib/target.h"

static unsigned number_of(const char *two)
{
	return (unsigned)(two[0] - '0') * 10 + (unsigned)(two[1] - '0');
}

bool ja4_read(struct span text, struct ja4 *ret)
{
	struct prefix known;
	const char *t = text.ptr;

	if (text.len != JA4_TEXT_LEN || target_parse_ja4(text, &known))
		return false;
	bool tls = t[1] == '1'; /* "s2", "s3", "d1" to "d3" and "00" are others */
	*ret = (struct ja4){
		.transport = t[0],
		.version = tls ? number_of(t + 1) : 0,
		.sni = t[3] == 'd',
		.ciphers = number_of(t + 4),
		.extensions = number_of(t + 6),
		.alpn = {t[8], t[9]},
	};
	return true;
}
