// SPDX-License-Identifier: Apache-2.0
#include "forwarder/transport_lunar.h"
#include <stdio.h>
#include <string.h>
#include "lib/span.h"

/* What stands before "://", behind it up to the path, and from there on without a fragment. */
static void split(const char *url, struct span *ret_scheme, struct span *ret_authority, struct span *ret_rest)
{
	const char *authority = strstr(url, "://") + 3;
	size_t n = strcspn(authority, "/?#");

	*ret_scheme = (struct span){url, (size_t)(authority - 3 - url)};
	*ret_authority = (struct span){authority, n};
	*ret_rest = (struct span){authority + n, strcspn(authority + n, "#")};
}

#define PRINT(s) (int)(s).len, (s).ptr

void lunar_make(const struct config_gateway *config, struct lunar *ret)
{
	struct span scheme, authority, rest, proxy_scheme, proxy, ignored;
	bool https;

	split(config->url, &scheme, &authority, &rest);
	split(config->lunar_url, &proxy_scheme, &proxy, &ignored);
	https = span_equal_nocase(scheme, SPAN("https"));
	snprintf(ret->url, sizeof ret->url, "%.*s://%.*s%s%.*s", PRINT(proxy_scheme), PRINT(proxy),
		 rest.len && *rest.ptr == '/' ? "" : "/", PRINT(rest));
	snprintf(ret->lines[0], LUNAR_LINE_MAX, "x-lunar-host: %.*s", PRINT(authority));
	/* Absent, or anything but https, it would be plain HTTP. */
	snprintf(ret->lines[1], LUNAR_LINE_MAX, "x-lunar-scheme: %s", https ? "https" : "http");
	snprintf(ret->lines[2], LUNAR_LINE_MAX, "x-lunar-consumer-tag: %s", config->lunar_tag);
	snprintf(ret->lines[3], LUNAR_LINE_MAX, "x-lunar-interceptor: picket/1");
}
