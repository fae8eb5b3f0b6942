// SPDX-License-Identifier: Apache-2.0
#include "lib/verdict.h"

const char *verdict_source_name(enum verdict_source source)
{
	switch (source) {
	case VERDICT_OPERATOR:
		return "operator";
	case VERDICT_LOCAL:
		return "local";
	case VERDICT_GATEWAY:
		return "gateway";
	}
	return "unknown";
}
