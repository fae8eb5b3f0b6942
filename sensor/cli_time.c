// SPDX-License-Identifier: Apache-2.0
#include "sensor/cli_time.h"
#include <time.h>
#include "lib/clock.h"
#include "lib/config.h"
#include "lib/util.h"
#include "sensor/cli.h"

static int date_parse(const char *text, uint64_t *ret_ns)
{
	static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct tm tm = {0};
		const char *end = strptime(text, forms[i], &tm);
		time_t s = end ? timegm(&tm) : -1;

		if (end && *end == 'Z' && i > 0)
			end++;
		if (end && !*end && s >= 0) {
			*ret_ns = (uint64_t)s * NS_PER_S;
			return 0;
		}
	}
	return 1;
}

int cli_time(const char *command, const char *option, const char *text, uint64_t *ret_ns)
{
	uint64_t now = clock_wall_ns(&clock_system), ms = 0;

	if (config_duration_parse(span_from(text), &ms) == 0) {
		*ret_ns = now - MIN(now, ms * NS_PER_MS);
		return EXIT_DONE;
	}
	if (date_parse(text, ret_ns) == 0)
		return EXIT_DONE;
	return cli_fail(
		EXIT_USAGE, command,
		"%s \"%s\" is no time: give one like 2026-11-24T22:00:00Z (UTC), 2026-11-24, or 2h for two "
		"hours ago",
		option, text);
}
