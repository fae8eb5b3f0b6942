// SPDX-License-Identifier: Apache-2.0
#include "forwarder/fate.h"

enum fate fate_of(const struct transport_answer *a)
{
	bool success = a->status >= 200 && a->status <= 299;

	if (a->too_large && success)
		return FATE_DELIVERED; /* only what it said back is refused */
	if (a->error != CURLE_OK)
		return FATE_RETRY;
	if (success)
		return FATE_DELIVERED;
	return a->status == 408 || a->status == 429 || a->status >= 500 ? FATE_RETRY : FATE_REFUSED;
}
