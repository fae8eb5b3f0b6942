// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <errno.h>
#include <sys/stat.h>
#include "sensor/warden_internal.h"

/*
 * Own addresses, routes and resolvers are collected by the tick, each COLLECT_NS (warden.c): a verdict need
 * not wait for them. It does when ticks failed for this long. Who is logged in is asked at each decision.
 */
#define COLLECT_MAX_AGE_NS (15 * NS_PER_S)

/* May it overrule a block that is in force? */
static bool allowable(const struct protected_net *p)
{
	return strcmp(p->why, PROTECT_BY_SSHD) != 0;
}

/* Keeps the allow map, which the packet program asks before the deny maps, equal to the protected set. */
static void allow_sync(struct warden *w)
{
	struct deny *deny = kernel_deny(w->kernel);

	for (size_t i = 0; i < w->allowed.count; i++) {
		bool still = false;
		for (size_t j = 0; j < w->protect.count && !still; j++)
			still = allowable(&w->protect.items[j]) &&
				prefix_equal(&w->allowed.items[i].net, &w->protect.items[j].net);
		if (!still)
			allow_remove(deny, &w->allowed.items[i].net);
	}
	protected_set_free(&w->allowed);
	for (size_t i = 0; i < w->protect.count; i++) {
		if (!allowable(&w->protect.items[i]))
			continue;
		int r = allow_put(deny, &w->protect.items[i].net);
		if (r)
			log_warning("allow map refused a protected network", LOG_ERRNO(r < 0 ? r : -ENOSPC));
		else
			protected_set_add(&w->allowed, &w->protect.items[i].net, w->protect.items[i].why);
	}
	int r = allow_settle(deny);
	if (r)
		log_warning("the allow map cannot be read; every packet of a blocked source asks it",
			    LOG_ERRNO(r));
}

/*
 * Who may have logged in since? The kernel half counts connections opened to sshd's ports, and a session list
 * changes its folder's or file's time. Asking these costs microseconds; collecting costs a millisecond, in
 * which a verdict waits.
 */
static void logins_look(struct warden *w, struct warden_logins *ret)
{
	struct stat st;

	memset(ret, 0, sizeof *ret);
	ret->opened = kernel_logins(w->kernel);
	if (stat("/run/utmp", &st) == 0)
		ret->utmp = st.st_mtim;
	if (stat("/run/systemd/sessions", &st) == 0)
		ret->sessions = st.st_mtim;
}

static int collect(struct warden *w)
{
	struct warden_logins logins;
	struct pk_ports ports;
	uint32_t zero = 0;

	logins_look(w, &logins); /* before: what changes while we collect is seen the next time */
	if (bpf_map_lookup_elem(kernel_ports_fd(w->kernel), &zero, &ports) == 0)
		warden_watch_sshd(w, &ports); /* one may have begun to listen since the last scan */
	struct protect_input in = {
		.config = w->config,
		.sshd_ports = w->sshd_ports,
		.sshd_port_count = w->sshd_count,
		.extra = w->extra,
		.extra_count = w->extra_count,
	};
	int r = protect_collect(&in, &w->protect, &w->sources);
	if (r)
		return r;
	w->logins = logins;
	w->protect_ns = warden_now();
	allow_sync(w);
	return 0;
}

int warden_protect_fresh(struct warden *w)
{
	struct warden_logins logins;

	logins_look(w, &logins);
	if (w->protect_ns && warden_now() - w->protect_ns < COLLECT_MAX_AGE_NS &&
	    memcmp(&logins, &w->logins, sizeof logins) == 0)
		return 0;
	return collect(w);
}

void warden_protect_collect(struct warden *w)
{
	int r = collect(w);

	if (r)
		log_error("protected networks could not be found; the last ones stay", LOG_ERRNO(r));
}
