// SPDX-License-Identifier: Apache-2.0
#include "forwarder/base64.h"
#include <stdint.h>
#include "lib/util.h"

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters into three bytes; fewer where padding stands. Returns how many, or -1. */
static int decode_group(const char *in, char *out)
{
	int padding = in[3] != '=' ? 0 : in[2] != '=' ? 1 : 2;
	uint32_t bits = 0;

	for (int i = 0; i < 4; i++) {
		int value = i < 4 - padding ? value_of(in[i]) : 0;
		if (value < 0)
			return -1;
		bits = bits << 6 | (uint32_t)value;
	}
	if (bits & ((1u << 8 * padding) - 1))
		return -1; /* another spelling of the same bytes */
	for (int i = 0; i < 3 - padding; i++)
		out[i] = (char)(bits >> (16 - 8 * i));
	return 3 - padding;
}

int base64_decode(struct span text, char *out, size_t *ret_len)
{
	size_t used = 0;

	if (text.len % 4)
		return BASE64_E_SYNTAX;
	for (size_t i = 0; i < text.len; i += 4) {
		int n = decode_group(text.ptr + i, out + used);
		if (n < 0 || (n < 3 && i + 4 < text.len))
			return BASE64_E_SYNTAX;
		used += (size_t)n;
	}
	*ret_len = used;
	return 0;
}

void base64_append(struct buffer *out, struct span bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t n = MIN(bytes.len - i, (size_t)3);
		uint32_t bits = 0;
		for (size_t j = 0; j < 3; j++)
			bits = bits << 8 | (j < n ? (unsigned char)bytes.ptr[i + j] : 0);
		for (size_t j = 0; j < 4; j++)
			buffer_append_char(out, j <= n ? digits[bits >> (18 - 6 * j) & 63] : '=');
	}
}
