// SPDX-License-Identifier: Apache-2.0
/* picket metrics: the daemon's counters for collectors. */
#include <stdio.h>
#include "sensor/cli_call.h"

int cli_metrics(const struct cli *cli, int argc, char **argv)
{
	struct api_answer answer = {0};
	int r = cli_arguments(argc, argv, 0, 0);

	if (!r)
		r = cli_ask(cli, argv[0], "GET", "/v1/metrics", SPAN_NULL, &answer);
	if (!r)
		fwrite(answer.body.data, 1, answer.body.len, stdout);
	api_answer_free(&answer);
	return r;
}
