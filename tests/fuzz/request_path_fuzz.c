// SPDX-License-Identifier: Apache-2.0
/*
 * request_path_fuzz.c: any bytes as what a request asks for. Checked: reading ends; segments lie in the text,
 * none is empty; a path fits the route of its own segments; what it fits it still fits with "/x/..;" in
 * front.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "lib/target_route.h"
#include "policies/request_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct request_path path, odd;

static void segments_check(const struct request_path *p)
{
	for (unsigned i = 0; p->kind != REQUEST_PATH_UNREADABLE && i < p->count; i++) {
		struct span s = p->segments[i];
		assert(s.len && s.ptr >= p->text && s.ptr + s.len <= p->text + sizeof p->text);
	}
}

/* The route of its segments, if they make one. */
static bool route_of(const struct request_path *p, char route[static TARGET_ROUTE_MAX])
{
	size_t len = 0;

	for (unsigned i = 0; i < p->count; i++) {
		if (len + 1 + p->segments[i].len >= TARGET_ROUTE_MAX)
			return false;
		route[len++] = '/';
		memcpy(route + len, p->segments[i].ptr, p->segments[i].len);
		len += p->segments[i].len;
	}
	if (!len)
		route[len++] = '/';
	route[len] = 0;
	return target_route_valid((struct span){route, len});
}

/* The same, written oddly. */
static void oddly_check(struct span target, struct span route)
{
	static char text[2 * REQUEST_PATH_MAX];

	if (!target.len || target.ptr[0] != '/' || target.len > REQUEST_PATH_MAX)
		return;
	int len = snprintf(text, sizeof text, "/x/..;");
	memcpy(text + len, target.ptr, target.len);
	request_path_read((struct span){text, (size_t)len + target.len}, &odd);
	segments_check(&odd);
	assert(odd.kind != REQUEST_PATH_PLAIN && request_path_fits(&odd, route));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct span routes[] = {
		{"/login", 6}, {"/users/{id}", 11}, {"/{a}/items/{b}", 14}, {"/", 1}};
	char *copy = malloc(size + 1), own[TARGET_ROUTE_MAX];

	if (!copy)
		abort();
	memcpy(copy, data, size);
	const struct span target = {copy, size};
	request_path_read(target, &path);
	segments_check(&path);
	if (path.kind != REQUEST_PATH_UNREADABLE && route_of(&path, own)) {
		assert(request_path_fits(&path, span_from(own)));
		oddly_check(target, span_from(own));
	}
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
		if (request_path_fits(&path, routes[i]))
			oddly_check(target, routes[i]);
	free(copy);
	return 0;
}
