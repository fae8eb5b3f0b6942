// SPDX-License-Identifier: Apache-2.0
#include "forwarder/fate.h"
#include "forwarder/situation.h"
#include "lib/util.h"

/* People mend a configuration, or pay: asking again at once would only fill logs. */
#define MENDING_MS 30000
#define HOUR_MS    3600000

/*
 * What the status alone would get wrong. A proxy that does not know where to send a batch says 401 or 503;
 * what it answered in the gateway's place, even with 200, the gateway has not seen; a gateway that chokes on
 * what comes from behind it has handed the batch on, and a model would be paid twice.
 */
static const struct {
	enum situation situation;
	enum fate fate;
	uint32_t rest_ms;
} rows[] = {
	{SITUATION_LUNAR_NO_HOST, FATE_REFUSED, MENDING_MS},
	{SITUATION_LUNAR_NO_ENDPOINT, FATE_REFUSED, MENDING_MS},
	{SITUATION_LUNAR_NOT_ALLOWED, FATE_REFUSED, MENDING_MS},
	{SITUATION_HAPROXY_DENIED, FATE_REFUSED, MENDING_MS},
	{SITUATION_LUNAR_UNRESOLVED, FATE_RETRY, 10000},
	{SITUATION_PORTKEY_CONFIG, FATE_REFUSED, MENDING_MS},
	{SITUATION_PROVIDER_NO_JSON, FATE_REFUSED, 0},
	{SITUATION_QUOTA, FATE_REFUSED, HOUR_MS},
};

enum fate fate_of(const struct transport_answer *a, uint64_t *ret_rest_ms)
{
	bool success = a->status >= 200 && a->status <= 299;
	enum situation situation = situation_of(a);

	*ret_rest_ms = 0;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].situation != situation)
			continue;
		*ret_rest_ms = rows[i].rest_ms;
		return rows[i].fate;
	}
	if (a->too_large && success)
		return FATE_DELIVERED; /* only what it said back is refused */
	if (a->error != CURLE_OK)
		return FATE_RETRY;
	if (success)
		return situation == SITUATION_LUNAR_ANSWERED ? FATE_RETRY : FATE_DELIVERED;
	return a->status == 408 || a->status == 429 || a->status >= 500 ? FATE_RETRY : FATE_REFUSED;
}
