// SPDX-License-Identifier: Apache-2.0
#include "lib/verdict.h"
#include <string.h>
#include "lib/util.h"

const char *verdict_source_name(enum verdict_source source)
{
	switch (source) {
	case VERDICT_OPERATOR:
		return "operator";
	case VERDICT_LOCAL:
		return "local";
	case VERDICT_GATEWAY:
		return "gateway";
	case VERDICT_IMPORT:
		return "import";
	case VERDICT_CROWDSEC:
		return "crowdsec";
	}
	return "unknown";
}

static const char *const action_names[] = {
	[VERDICT_BLOCK] = "block",           [VERDICT_UNBLOCK] = "unblock", [VERDICT_ALLOW] = "allow",
	[VERDICT_RATE_LIMIT] = "rate_limit", [VERDICT_SHADOW] = "shadow",   [VERDICT_RESET] = "reset",
};

const char *verdict_action_name(enum verdict_action action)
{
	return action && action < ARRAY_SIZE(action_names) ? action_names[action] : "unknown";
}

enum verdict_action verdict_action_of(const char *name)
{
	for (size_t i = 1; i < ARRAY_SIZE(action_names); i++)
		if (!strcmp(name, action_names[i]))
			return (enum verdict_action)i;
	return (enum verdict_action)0;
}
