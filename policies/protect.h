/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protect.h: finds the networks that must never be blocked, afresh at each call: loopback, unspecified and
 * multicast, own addresses, default gateways (IPv4 and IPv6), resolvers, configured ranges and trusted
 * proxies, gateway endpoints, peers of login sessions (the system's session list, and established connections
 * to sshd by sock_diag), and picket's own outbound peers.
 *
 * Reads only the kernel's and the system's own files; needs no capability. What could not be read is told.
 * Everything is asked in the caller's network namespace. Not thread safe (the system's session list is read
 * by getutxent).
 *
 * An IPv4 default route over several next hops protects the first of them (/proc/net/route shows no other),
 * and only sessions whose list entry holds an address count, not those that hold a name: nobody is asked over
 * the network.
 */
#ifndef PICKET_PROTECT_H
#define PICKET_PROTECT_H

#include "lib/config.h"
#include "policies/limits.h"

/*
 * The reason of an entry known only by an established connection to sshd. It may not be logged in, so it
 * counts when a block is decided, and is no reason to lift one that is there.
 */
#define PROTECT_BY_SSHD "login session, by sshd"

struct protect_sources {
	bool sessions_seen; /* a session list exists (utmp or logind) */
	bool sshd_seen;     /* sock_diag answered and an sshd port is known */
	unsigned sessions, resolvers, own, gateways;
	unsigned left_out; /* login peers beyond PROTECT_SESSIONS_MAX */
};

/* The most that are counted as sessions: outsiders can open connections to sshd. */
#define PROTECT_SESSIONS_MAX 1024

struct protect_input {
	const struct config *config;
	const uint16_t *sshd_ports; /* ports that sshd listens on; 22 if none are known */
	unsigned sshd_port_count;
	const struct addr *extra; /* gateway endpoints resolved at start, peers of picket's own connections */
	unsigned extra_count;
	const char *root; /* NULL or "": the system's own /etc and /run; tests bring others */
};

/* *ret must be zeroed or hold an earlier result, which is replaced. 0 or -errno (then *ret is unchanged). */
int protect_collect(const struct protect_input *in, struct protected_set *ret,
		    struct protect_sources *ret_sources);

#endif
