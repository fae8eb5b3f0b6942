// SPDX-License-Identifier: Apache-2.0
/*
 * Open connections of a blocked client. Dropping its packets never tells the server, which would wait on a
 * connection that says nothing any more: so the kernel is asked to end them (SOCK_DESTROY).
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/tcp.h>
#include "lib/sock_diag.h"
#include "sensor/warden_internal.h"

#define SOCKETS_MAX 65536 /* ended at once; what is over stays open, and silent */

struct sockets {
	struct pk_ports ports;
	bool every_port;
	struct warden *warden; /* NULL: all that come are of who is dropped */
	struct socket_key {
		struct inet_diag_sockid id;
		uint8_t family;
	} * items;
	uint32_t count, size;
};

static int sockets_grow(struct sockets *s)
{
	uint32_t size = s->size ? 2 * s->size : 64;

	if (size > SOCKETS_MAX)
		return -ENOBUFS;
	struct socket_key *items = realloc(s->items, size * sizeof *items);
	if (!items)
		return -ENOMEM;
	s->items = items;
	s->size = size;
	return 0;
}

/* As the packet program decides: allow has the last word. */
static bool peer_dropped(struct warden *w, const struct inet_diag_msg *m, bool *ret_every_port)
{
	const struct addr peer = addr_from_bytes(m->idiag_family, (const uint8_t *)m->id.idiag_dst);
	const struct prefix exact = {.addr = peer, .bits = addr_bits(&peer)};
	struct pk_deny entry;

	if (deny_match(kernel_deny(w->kernel), &peer, &entry) ||
	    (entry.action != PK_ACT_DROP && entry.action != PK_ACT_RESET) ||
	    (uint64_t)entry.deadline_s * NS_PER_S <= warden_now() ||
	    protected_ranges_overlap(&w->ranges, &exact))
		return false;
	*ret_every_port = entry.scope == PK_SCOPE_HOST;
	return true;
}

static int socket_add(void *arg, const struct inet_diag_msg *m)
{
	struct sockets *s = arg;
	uint16_t port = (uint16_t)(m->id.idiag_sport << 8 | m->id.idiag_sport >> 8);

	if (s->warden && !peer_dropped(s->warden, m, &s->every_port))
		return 0;
	if (!s->every_port && !(s->ports.watched[port >> 6] >> (port & 63) & 1))
		return 0;
	int r = s->count == s->size ? sockets_grow(s) : 0;
	if (r)
		return r;
	s->items[s->count++] = (struct socket_key){.id = m->id, .family = m->idiag_family};
	return 0;
}

/* Only of what the kernel drops: whoever asks cannot end another's connections. */
static bool dropped(const struct warden *w, const struct prefix *target, struct pk_deny *ret)
{
	return deny_get(kernel_deny(w->kernel), target, ret) == 0 &&
	       (ret->action == PK_ACT_DROP || ret->action == PK_ACT_RESET) &&
	       (uint64_t)ret->deadline_s * NS_PER_S > warden_now() && !kernel_kill_get(w->kernel);
}

static int sockets_close(struct sockets *s, const struct sock_diag_filter *filter, uint32_t *ret)
{
	int r = sock_diag_each(filter, socket_add, s);

	for (uint32_t i = 0; i < s->count; i++) {
		int closed = sock_diag_close(&s->items[i].id, s->items[i].family);
		*ret += closed == 0;
		if (closed && closed != -ENOENT && !r)
			r = closed;
	}
	free(s->items);
	return r;
}

#define OPEN_STATES                                                                               \
	(1u << TCP_ESTABLISHED | 1u << TCP_SYN_RECV | 1u << TCP_FIN_WAIT1 | 1u << TCP_FIN_WAIT2 | \
	 1u << TCP_CLOSE_WAIT | 1u << TCP_LAST_ACK | 1u << TCP_CLOSING)

int warden_sockets_close(struct warden *w, const struct prefix *target, uint32_t *ret)
{
	const struct sock_diag_filter of_target = {.states = OPEN_STATES, .peer = target};
	struct sockets s = {.count = 0};
	struct pk_deny entry;
	uint32_t zero = 0;

	*ret = 0;
	if (!w->config->enforcement.close_connections || !dropped(w, target, &entry))
		return 0;
	if (bpf_map_lookup_elem(kernel_ports_fd(w->kernel), &zero, &s.ports))
		return -errno;
	s.every_port = entry.scope == PK_SCOPE_HOST;
	return sockets_close(&s, &of_target, ret);
}

int warden_sockets_close_all(struct warden *w, uint32_t *ret)
{
	const struct sock_diag_filter open = {.states = OPEN_STATES};
	struct sockets s = {.warden = w};
	uint32_t zero = 0;

	*ret = 0;
	if (!w->config->enforcement.close_connections || kernel_kill_get(w->kernel))
		return 0;
	int r = warden_ranges_fresh(w);
	if (r)
		return r;
	if (bpf_map_lookup_elem(kernel_ports_fd(w->kernel), &zero, &s.ports))
		return -errno;
	return sockets_close(&s, &open, ret);
}
