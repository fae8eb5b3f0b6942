// SPDX-License-Identifier: Apache-2.0
#include "sensor/http1_host.h"
#include <string.h>

struct authority {
	struct span host; /* brackets included */
	int port;         /* -1: none */
};

static bool is_host_byte(char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
		return true;
	return c && strchr("-._~%!$&'()*+,;=", c) != NULL; /* unreserved, percent-encoded, sub-delims */
}

static bool is_literal_byte(char c)
{
	return is_host_byte(c) || c == ':';
}

/* Nothing is no port, and allowed: "host:". */
static bool parse_port(struct span text, int *ret)
{
	int port = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		port = port * 10 + (text.ptr[i] - '0');
		if (port > UINT16_MAX)
			return false;
	}
	if (text.len)
		*ret = port;
	return true;
}

static bool parse_authority(struct span text, struct authority *ret)
{
	bool literal = text.len && text.ptr[0] == '[';
	size_t end = literal ? 1 : 0;

	*ret = (struct authority){.port = -1};
	while (end < text.len && (literal ? is_literal_byte(text.ptr[end]) : is_host_byte(text.ptr[end])))
		end++;
	if (literal) {
		if (end == text.len || text.ptr[end] != ']' || end == 1)
			return false;
		end++;
	}
	ret->host = (struct span){text.ptr, end};
	if (end == text.len)
		return true;
	if (text.ptr[end] != ':')
		return false;
	return parse_port((struct span){text.ptr + end + 1, text.len - end - 1}, &ret->port);
}

/* Of "http://user@host:port/path": "host:port". Empty: the target is of another form. */
static struct span target_authority(struct span target)
{
	static const struct span schemes[] = {SPAN("http://"), SPAN("https://")};

	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
		size_t from = schemes[i].len, end = from;
		if (target.len <= from || strncasecmp(target.ptr, schemes[i].ptr, from) != 0)
			continue;
		while (end < target.len && !memchr("/?#", target.ptr[end], 3))
			end++;
		for (size_t k = end; k > from; k--)
			if (target.ptr[k - 1] == '@') {
				from = k;
				break;
			}
		return (struct span){target.ptr + from, end - from};
	}
	return SPAN_NULL;
}

uint32_t http1_host_deviations(const struct http_request *r)
{
	struct span host = http_request_header(r, "host"), target = target_authority(r->target);
	struct authority of_host, of_target;
	uint32_t deviations = 0;

	if (host.len && !parse_authority(host, &of_host))
		deviations |= HTTP_DEV_BAD_HOST;
	if (target.len && !parse_authority(target, &of_target))
		deviations |= HTTP_DEV_BAD_HOST;
	if (!deviations && host.len && target.len && !span_equal_nocase(of_host.host, of_target.host))
		deviations |= HTTP_DEV_HOST_MISMATCH;
	return deviations;
}

int http1_host_port(const struct http_request *r)
{
	struct span host = http_request_header(r, "host");
	struct authority a;

	return host.len && parse_authority(host, &a) ? a.port : -1;
}
