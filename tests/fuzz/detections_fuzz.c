// SPDX-License-Identifier: Apache-2.0
/*
 * A rule file is written by people, and a wrong one must be refused, never crash or hang. What is accepted
 * must compile or be refused with a reason, and then judge requests.
 */
#include <stdint.h>
#include <stdlib.h>
#include "lib/config.h"
#include "policies/ja4.h"
#include "policies/matcher.h"
#include "policies/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(struct matcher *m, struct span text)
{
	struct http_request request = {
		.method = SPAN("GET"),
		.target = text,
		.path = text,
		.headers = {{SPAN("User-Agent"), text}},
		.header_count = 1,
		.deviations = HTTP_DEV_BARE_LF,
	};
	struct ja4 ja4 = {
		.transport = 't', .version = 12, .ciphers = 13, .extensions = 9, .alpn = {'h', '1'}};
	struct matched matched;

	if (matcher_run(m, &request, DOCUMENTED_NO, &(struct event_marks){0}, &ja4, &matched))
		abort();
	if (matched.count > RULES_MAX || (matched.count && matched.path.ptr[0] != '/'))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rules rules = {0};
	struct matcher *m = NULL;
	struct buffer errors = BUFFER_INIT(65536);
	struct span text = {(const char *)data, size};
	int r = rules_load(text, "fuzz", NULL, &rules, &errors);

	if (r == 0 && rules.count == 0)
		abort();
	if (r == 0)
		r = matcher_new(&rules, &m, &errors);
	if (r == CONFIG_E_INVALID && errors.len == 0)
		abort(); /* refused without a reason */
	if (r == 0) {
		judge(m, SPAN("/a/%2e%2e/.env?id=1%27"));
		judge(m, text); /* the file's own bytes hold what its patterns look for */
		judge(m, SPAN_NULL);
	}
	matcher_free(m);
	rules_free(&rules);
	buffer_free(&errors);
	return 0;
}
