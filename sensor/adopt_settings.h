/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adopt_settings.h: mode and proxies as a person set them at run time: they outlive a sensor that dies, since
 * the warden remembers them, and a restart of both by the journal.
 */
#ifndef PICKET_ADOPT_SETTINGS_H
#define PICKET_ADOPT_SETTINGS_H

#include "policies/guard.h"
#include "policies/proxies.h"
#include "sensor/journal.h"
#include "sensor/warden.h"

struct adopt_settings {
	struct warden_client *warden;
	struct journal *journal; /* NULL: none */
	struct guard *guard;
	struct proxies *proxies;
};

/* reply: room for the warden's answers. 0 or -errno. */
int adopt_settings(const struct adopt_settings *a, struct warden_reply *reply);

#endif
