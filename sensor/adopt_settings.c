// SPDX-License-Identifier: Apache-2.0
#include "sensor/adopt_settings.h"

static int adopt_mode(const struct adopt_settings *a, struct warden_reply *reply, bool *ret_first)
{
	struct warden_request q = {.op = WARDEN_STATUS};

	int r = warden_call(a->warden, &q, reply);
	if (r || reply->result)
		return r;
	*ret_first = reply->status.sensor_starts <= 1;
	enum config_mode mode = (enum config_mode)reply->status.mode;
	if (!mode && journal_mode(a->journal)) {
		mode = journal_mode(a->journal);
		q = (struct warden_request){.op = WARDEN_REMEMBER_MODE, .flag = mode};
		r = warden_call(a->warden, &q, reply);
	}
	if (mode)
		guard_set_mode(a->guard, mode);
	return r;
}

static int adopt_proxies(const struct adopt_settings *a, struct warden_reply *reply, bool first)
{
	const struct journal_proxy *kept = NULL;
	unsigned count = journal_proxies(a->journal, &kept);
	int r = 0;

	for (unsigned i = 0; !r && i < count; i++) {
		const struct warden_request q = {
			.op = WARDEN_REMEMBER_PROXY, .target = kept[i].who, .flag = kept[i].class};
		if (proxies_set(a->proxies, &kept[i].who, (enum proxy_class)kept[i].class) == 0 && first)
			r = warden_call(a->warden, &q, reply);
	}
	const struct warden_request q = {.op = WARDEN_PROXIES};
	if (!r)
		r = warden_call(a->warden, &q, reply);
	for (uint32_t i = 0; !r && reply->result == 0 && i < reply->count; i++)
		proxies_set(a->proxies, &reply->proxies[i].who, (enum proxy_class)reply->proxies[i].class);
	return r;
}

int adopt_settings(const struct adopt_settings *a, struct warden_reply *reply)
{
	bool first = false;
	int r = adopt_mode(a, reply, &first);

	return r ? r : adopt_proxies(a, reply, first);
}
