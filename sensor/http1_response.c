// SPDX-License-Identifier: Apache-2.0
/*
 * http1_response.c: status lines and the framing of answers. Clients differ in what they take for an answer;
 * the choices here follow RFC 9112 section 4 and 6.3, and curl where these say nothing.
 */
#include "sensor/http1_response.h"
#include "lib/util.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* --- the status line --- */

/* RFC 9112 section 4: a recipient may take these for a space. A CR is not among them: it ends the line. */
static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

#define VERSION_DIGITS_MAX 3

/* Passes digits; false: there is none, or too many. *at is bytes.len: more may come. */
static bool pass_digits(struct span bytes, size_t *at)
{
	size_t from = *at;

	while (*at < bytes.len && is_digit(bytes.ptr[*at]) && *at - from <= VERSION_DIGITS_MAX)
		++*at;
	return (*at > from || *at == bytes.len) && *at - from <= VERSION_DIGITS_MAX;
}

/* "HTTP/1.1" or "ICY": 0, and *ret_len bytes are it. */
static int pass_protocol(struct span bytes, size_t *ret_len)
{
	static const struct span http = SPAN("HTTP/"), icy = SPAN("ICY");
	size_t at = http.len;

	if (strncasecmp(bytes.ptr, icy.ptr, MIN(bytes.len, icy.len)) == 0) {
		*ret_len = icy.len;
		return bytes.len <= icy.len ? HTTP1_E_MORE : 0;
	}
	if (strncasecmp(bytes.ptr, http.ptr, MIN(bytes.len, http.len)) != 0)
		return HTTP1_E_NOT_HTTP;
	if (bytes.len <= at)
		return HTTP1_E_MORE;
	if (!pass_digits(bytes, &at))
		return HTTP1_E_NOT_HTTP;
	if (at < bytes.len && bytes.ptr[at] == '.') {
		at++;
		if (!pass_digits(bytes, &at))
			return HTTP1_E_NOT_HTTP;
	}
	if (at >= bytes.len)
		return HTTP1_E_MORE;
	*ret_len = at;
	return 0;
}

int http1_status(struct span bytes, unsigned *ret_status)
{
	size_t at = 0;
	unsigned status = 0;

	if (!bytes.len)
		return HTTP1_E_MORE;
	int r = pass_protocol(bytes, &at);
	if (r)
		return r;
	if (!is_space(bytes.ptr[at]))
		return HTTP1_E_NOT_HTTP;
	while (at < bytes.len && is_space(bytes.ptr[at]))
		at++;
	for (size_t i = 0; i < 3; i++, at++) {
		if (at >= bytes.len)
			return HTTP1_E_MORE;
		if (!is_digit(bytes.ptr[at]))
			return HTTP1_E_NOT_HTTP;
		status = status * 10 + (unsigned)(bytes.ptr[at] - '0');
	}
	if (status < 100)
		return HTTP1_E_NOT_HTTP;
	if (at >= bytes.len)
		return HTTP1_E_MORE;
	if (is_digit(bytes.ptr[at]))
		return HTTP1_E_NOT_HTTP;
	*ret_status = status;
	return 0;
}
