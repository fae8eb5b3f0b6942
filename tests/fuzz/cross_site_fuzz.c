// SPDX-License-Identifier: Apache-2.0
/*
 * cross_site_fuzz.c: could a web page have made this request, whatever its headers hold? Checked: the answer
 * is the same when asked again, no method but the simple ones is ever possible, and neither is what a page
 * may not set, wherever it stands.
 *
 * Input: lines "Name: value", the headers.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include "policies/cross_site.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_headers(struct span text, struct http_request *r)
{
	while (text.len && r->header_count < HTTP_HEADERS_MAX - 1) {
		const char *end = memchr(text.ptr, '\n', text.len);
		struct span line = {text.ptr, end ? (size_t)(end - text.ptr) : text.len};
		const char *colon = line.len ? memchr(line.ptr, ':', line.len) : NULL;
		if (colon)
			r->headers[r->header_count++] = (struct http_header){
				.name = {line.ptr, (size_t)(colon - line.ptr)},
				.value = span_trim(
					(struct span){colon + 1, (size_t)(line.ptr + line.len - colon - 1)}),
			};
		text.ptr += line.len + (end != NULL);
		text.len -= line.len + (end != NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_request r = {.method = SPAN("POST")};

	read_headers((struct span){(const char *)data, size}, &r);
	bool possible = cross_site_possible(&r);
	assert(cross_site_possible(&r) == possible);
	r.method = SPAN("PATCH");
	assert(!cross_site_possible(&r));
	r.method = SPAN("POST");
	r.headers[r.header_count++] = (struct http_header){SPAN("AUTHORIZATION"), SPAN("x")};
	assert(!cross_site_possible(&r));
	/* What a browser says of it comes before what the Referer does. */
	bool referred = cross_site_referred(&r);
	assert(cross_site_referred(&r) == referred);
	memmove(r.headers + 1, r.headers, (r.header_count - 1) * sizeof r.headers[0]);
	r.headers[0] = (struct http_header){SPAN("Sec-Fetch-Site"), SPAN("same-site")};
	assert(!cross_site_referred(&r));
	return 0;
}
