// SPDX-License-Identifier: Apache-2.0
/* Says of each line of standard input, a gateway's answer, whether the parser takes all of it: "valid" or
 * "invalid". */
#include <stdio.h>
#include <stdlib.h>
#include "forwarder/verdict_parse.h"

static void accept(void *arg, const struct verdict *v)
{
	(void)arg;
	(void)v;
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, stdin)) > 0) {
		uint64_t refused[VERDICT_E_MAX] = {0}, sum = 0;

		if (verdict_parse((struct span){line, (size_t)len}, "test", 1, accept, NULL, refused) < 0)
			return 1;
		for (unsigned e = 0; e < VERDICT_E_MAX; e++)
			sum += refused[e];
		puts(sum ? "invalid" : "valid");
	}
	free(line);
	return 0;
}
