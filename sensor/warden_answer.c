// SPDX-License-Identifier: Apache-2.0
/*
 * The warden's answers. Nothing in a question is trusted: every field is checked, every change faces the hard
 * limits.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "policies/proxies.h"
#include "sensor/passage.h"
#include "sensor/warden_internal.h"

bool warden_target_valid(const struct prefix *p)
{
	if ((p->addr.family != ADDR_IPV4 && p->addr.family != ADDR_IPV6) || p->bits > addr_bits(&p->addr))
		return false;
	struct prefix canonical = prefix_of(&p->addr, p->bits);
	if (p->addr.family == ADDR_IPV4)
		memset(canonical.addr.bytes + 4, 0, 12);
	return prefix_equal(&canonical, p);
}

static int answer_block(struct warden *w, const struct warden_request *q, struct warden_reply *a)
{
	const struct protected_net *which = NULL;

	if (!warden_target_valid(&q->target) || (q->scope != PK_SCOPE_PORTS && q->scope != PK_SCOPE_HOST) ||
	    (q->action != PK_ACT_DROP && q->action != PK_ACT_SHADOW && q->action != PK_ACT_RATE &&
	     q->action != PK_ACT_RESET))
		return LIMITS_BAD_TARGET;
	if (kernel_kill_get(w->kernel))
		return WARDEN_E_KILL_SWITCH;
	/* Login sessions come and go: who is protected is asked now, not remembered. */
	int r = warden_protect_fresh(w);
	if (r)
		return r;
	uint64_t now = warden_now();
	enum limits_answer limit = limits_check(&w->limits, &w->protect, &q->target, q->ttl_ms, now, &which);
	if (which) {
		snprintf(a->which, sizeof a->which, "%s", which->why);
		a->which_net = which->net;
	}
	if (limit != LIMITS_OK)
		return (int)limit;
	uint64_t deadline_ns = now + q->ttl_ms * NS_PER_MS;
	r = deny_put(kernel_deny(w->kernel), &q->target, deadline_ns, (enum pk_action)q->action,
		     (enum pk_scope)q->scope, q->source);
	a->installed_ns = warden_now();
	return r == DENY_E_FULL ? LIMITS_FULL : r;
}

static int list_add(void *arg, const struct prefix *target, const struct pk_deny *value)
{
	struct warden *w = arg;

	if (w->list_count == w->list_size) {
		size_t size = w->list_size ? w->list_size * 2 : 256;
		struct warden_block *list = realloc(w->list, size * sizeof *list);
		if (!list)
			return -ENOMEM;
		w->list = list;
		w->list_size = size;
	}
	w->list[w->list_count++] = (struct warden_block){.target = *target, .value = *value};
	return 0;
}

static int answer_list(struct warden *w, const struct warden_request *q, struct warden_reply *a)
{
	if (q->index == 0) { /* a snapshot; the following pages come from it */
		w->list_count = 0;
		int r = deny_each(kernel_deny(w->kernel), list_add, w);
		if (r)
			return r;
	}
	for (size_t i = q->index; i < w->list_count && a->count < WARDEN_LIST_MAX; i++)
		a->blocks[a->count++] = w->list[i];
	if (a->count == 0) { /* a long one is not kept until somebody asks again */
		free(w->list);
		w->list = NULL;
		w->list_count = w->list_size = 0;
	}
	return 0;
}

static int answer_protected(struct warden *w, const struct warden_request *q, struct warden_reply *a)
{
	int r = q->index == 0 ? warden_protect_fresh(w) : 0;

	if (r)
		return r;
	for (size_t i = q->index; i < w->protect.count && a->count < WARDEN_LIST_MAX; i++)
		a->protected[a->count++] = w->protect.items[i];
	return 0;
}

static int answer_status(struct warden *w, struct warden_reply *a)
{
	uint32_t zero = 0;

	a->status.attachment_count = kernel_attachments(w->kernel, a->status.attachments, WARDEN_ATTACH_MAX);
	a->status.uses_perf = kernel_uses_perf(w->kernel);
	a->status.receive = kernel_receive_attached(w->kernel);
	a->status.kill = kernel_kill_get(w->kernel);
	a->status.mode = w->mode;
	a->status.sensor_restarts = w->restarts;
	a->status.sensor_starts = w->starts;
	a->status.started_ns = w->started_ns;
	a->status.sources = w->sources;
	if (bpf_map_lookup_elem(kernel_ports_fd(w->kernel), &zero, &a->status.ports))
		a->status.ports = w->ports;
	a->status.blocks = deny_count(kernel_deny(w->kernel));
	return kernel_stats(w->kernel, a->status.stats);
}

static int answer_peer(struct warden *w, const struct warden_request *q)
{
	if (!warden_target_valid(&q->target) || !prefix_is_exact(&q->target))
		return LIMITS_BAD_TARGET;
	for (unsigned i = 0; i < w->extra_count; i++)
		if (addr_equal(&w->extra[i], &q->target.addr))
			return 0;
	if (w->extra_count == WARDEN_EXTRA_MAX)
		return LIMITS_FULL;
	w->extra[w->extra_count++] = q->target.addr;
	w->protect_ns = 0;
	return 0;
}

/* One rule a target; the class `client` takes it back. */
static int answer_remember_proxy(struct warden *w, const struct warden_request *q)
{
	uint32_t at = 0;

	if (!warden_target_valid(&q->target) || q->flag > PROXY_CLASS_DIRECT)
		return LIMITS_BAD_TARGET;
	while (at < w->proxy_count && !prefix_equal(&w->proxies[at].who, &q->target))
		at++;
	if (q->flag == PROXY_CLASS_CLIENT) {
		if (at < w->proxy_count)
			w->proxies[at] = w->proxies[--w->proxy_count];
		return 0;
	}
	if (at == WARDEN_PROXIES_MAX)
		return LIMITS_FULL;
	if (at == w->proxy_count)
		w->proxy_count++;
	w->proxies[at] = (struct warden_proxy){.who = q->target, .class = q->flag};
	return 0;
}

/* fd: what came with the question, or -1. *ret_fd: what goes with the answer. */
static int answer(struct warden *w, const struct warden_request *q, int fd, struct warden_reply *a,
		  int *ret_fd)
{
	switch (q->op) {
	case WARDEN_BLOCK:
		return answer_block(w, q, a);
	case WARDEN_UNBLOCK: {
		if (!warden_target_valid(&q->target))
			return LIMITS_BAD_TARGET;
		int r = deny_remove(kernel_deny(w->kernel), &q->target);
		a->installed_ns = warden_now();
		return r == DENY_E_NONE ? 0 : r;
	}
	case WARDEN_CLOSE:
		return warden_target_valid(&q->target) ? warden_sockets_close(w, &q->target, &a->count)
						       : LIMITS_BAD_TARGET;
	case WARDEN_CLOSE_ALL:
		return warden_sockets_close_all(w, &a->count);
	case WARDEN_LIST:
		return answer_list(w, q, a);
	case WARDEN_STATUS:
		return answer_status(w, a);
	case WARDEN_HITS: {
		if (!warden_target_valid(&q->target))
			return LIMITS_BAD_TARGET;
		int r = deny_hits(kernel_deny(w->kernel), &q->target, &a->hit);
		return r == DENY_E_NONE ? 0 : r;
	}
	case WARDEN_HITS_PAGE: {
		int n = deny_hits_page(kernel_deny(w->kernel), &w->hits_cursor, a->hits, WARDEN_LIST_MAX);
		a->count = n < 0 ? 0 : (uint32_t)n;
		return n < 0 ? n : 0;
	}
	case WARDEN_PROTECTED:
		return answer_protected(w, q, a);
	case WARDEN_KILL: /* on only: what a person stopped, the sensor must not start again (picket resume)
			   */
		return q->flag ? kernel_kill_set(w->kernel, true) : -EPERM;
	case WARDEN_RESCAN:
		w->scan_ns = 0;
		return 0;
	case WARDEN_REMEMBER_MODE:
		if (q->flag < MODE_OBSERVE || q->flag > MODE_ENFORCE)
			return -EINVAL;
		w->mode = q->flag;
		return 0;
	case WARDEN_REMEMBER_PROXY:
		return answer_remember_proxy(w, q);
	case WARDEN_PROXIES:
		a->count = w->proxy_count;
		memcpy(a->proxies, w->proxies, w->proxy_count * sizeof w->proxies[0]);
		return 0;
	case WARDEN_PEER:
		return answer_peer(w, q);
	case WARDEN_LIST_LOOK:
		return warden_list_look(w, q->index, a);
	case WARDEN_LIST_OPEN:
		return warden_list_open(w, q->index, a, ret_fd);
	case WARDEN_OPINION:
		return warden_opinion_start(w, ret_fd);
	case WARDEN_BATCH:
		return warden_batch_answer(w, fd, a);
	}
	return -EINVAL;
}

int warden_answer(struct warden *w)
{
	static struct warden_reply a; /* 20 kB; one at a time */
	struct warden_request q;
	_cleanup_close_ int came = -1;
	_cleanup_close_ int goes = -1;

	ssize_t n = passage_receive(w->socket, &q, sizeof q, &came, MSG_DONTWAIT | MSG_TRUNC);
	if (n == -EAGAIN)
		return WARDEN_E_NO_QUESTION;
	if (n <= 0)
		return -EPIPE;
	if (n != (ssize_t)sizeof q)
		q.op = 0; /* no question that there is */
	memset(&a, 0, warden_reply_size(q.op));
	a.result = answer(w, &q, came, &a, &goes);
	int r = passage_send(w->socket, &a, warden_reply_size(q.op), goes, MSG_DONTWAIT);
	return r == -EAGAIN ? 0 : r;
}
