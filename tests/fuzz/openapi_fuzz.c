// SPDX-License-Identifier: Apache-2.0
/*
 * An OpenAPI file is written by people or their tools; a wrong one must be refused with a reason, never crash
 * or hang. What is accepted must find each of its own templates again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "lib/config.h"
#include "policies/openapi.h"
#include "policies/path_segments.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A template is a path that fits it, for braces may stand in a path. It finds itself, or one that comes
 * before it. */
static void ask_itself(const struct operations *o, unsigned index)
{
	struct span path = operations_path(o, index), rest = path, segment;
	unsigned found;

	if (path.len > OPERATIONS_PATH_MAX || path.ptr[0] != '/')
		abort();
	while (segment_next(&rest, &segment))
		if (!segment.len)
			return; /* an empty segment stands for nothing */
	if (!operations_match(o, path, &found) || found >= operations_count(o))
		abort();
	for (unsigned m = 0; m < METHODS; m++)
		if (operations_methods(o, found) & 1u << m && !operations_allow(o, found, (enum method)m))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer errors = BUFFER_INIT(65536);
	struct operations *o = NULL;
	char *copy = malloc(size + 1);
	unsigned found;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	copy[size] = 0;
	int r = openapi_parse(copy, size, "fuzz", &o, &errors);
	if (r == CONFIG_E_INVALID && errors.len == 0)
		abort(); /* refused without a reason */
	if (r != 0 && o)
		abort();
	for (unsigned i = 0; r == 0 && i < operations_count(o) && i < 64; i++)
		ask_itself(o, i);
	if (r == 0)
		operations_match(o, (struct span){(const char *)data, size}, &found);
	operations_free(o);
	buffer_free(&errors);
	free(copy);
	return 0;
}
