// SPDX-License-Identifier: Apache-2.0
#include "forwarder/http_field.h"
#include <string.h>
#include <strings.h>

static struct span trim(struct span s)
{
	while (s.len && (*s.ptr == ' ' || *s.ptr == '\t'))
		s = (struct span){s.ptr + 1, s.len - 1};
	while (s.len && strchr(" \t\r", s.ptr[s.len - 1]))
		s.len--;
	return s;
}

bool http_field(struct span head, const char *name, unsigned n, struct span *ret)
{
	size_t name_len = strlen(name);

	while (head.len) {
		const char *end = memchr(head.ptr, '\n', head.len);
		struct span line = {head.ptr, end ? (size_t)(end - head.ptr) : head.len};

		if (line.len > name_len && line.ptr[name_len] == ':' &&
		    strncasecmp(line.ptr, name, name_len) == 0 && n-- == 0) {
			*ret = trim((struct span){line.ptr + name_len + 1, line.len - name_len - 1});
			return true;
		}
		size_t step = end ? line.len + 1 : line.len;
		head = (struct span){head.ptr + step, head.len - step};
	}
	return false;
}
