// SPDX-License-Identifier: Apache-2.0
/* tcfilter.c: see tcfilter.h. Attaching is libbpf's work; listing it cannot do, so that is a small rtnetlink
 * dump. */
#include "sensor/tcfilter.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/util.h"

#define PK_TC_NAME     "pk_tc"
#define PK_TC_TAG      0x70000000u /* 'p' << 24; process ids are below 2^22 */
#define PK_TC_PID_MASK 0x003fffffu
#define PK_TC_PRIORITY 1 /* before others: what is denied should not be redirected first */

static __u32 own_handle(void)
{
	return PK_TC_TAG | ((__u32)getpid() & PK_TC_PID_MASK);
}

int tcfilter_attach(unsigned ifindex, int program_fd, bool *ret_made)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = program_fd, .handle = own_handle(),
		    .priority = PK_TC_PRIORITY, .flags = BPF_TC_F_REPLACE);
	int r = bpf_tc_hook_create(&hook);
	bool made = r == 0;

	if (r && r != -EEXIST)
		return r;
	r = bpf_tc_attach(&hook, &opts);
	if (r) {
		if (made)
			tcfilter_detach(ifindex, true);
		return r;
	}
	*ret_made = made;
	return 0;
}

/* --- listing --- */

struct filter {
	unsigned ifindex;
	__u32 handle, priority;
	char name[64]; /* of the program, "pk_tc:[12]"; "" for filters that are no BPF */
};

typedef void (*filter_fn)(void *arg, const struct filter *f);

static const struct rtattr *attribute(const struct rtattr *at, int len, unsigned short type)
{
	for (; RTA_OK(at, len); at = RTA_NEXT(at, len))
		if ((at->rta_type & NLA_TYPE_MASK) == type)
			return at;
	return NULL;
}

static void attribute_text(const struct rtattr *at, char *ret, size_t size)
{
	size_t len = at ? RTA_PAYLOAD(at) : 0;

	snprintf(ret, size, "%.*s", (int)len, at ? (const char *)RTA_DATA(at) : "");
}

static void filter_read(const struct nlmsghdr *h, filter_fn fn, void *arg)
{
	const struct tcmsg *tc = NLMSG_DATA(h);
	const struct rtattr *first = (const void *)((const char *)tc + NLMSG_ALIGN(sizeof(*tc)));
	int len = (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof(*tc)));
	struct filter f = {.ifindex = (unsigned)tc->tcm_ifindex,
			   .handle = tc->tcm_handle,
			   .priority = tc->tcm_info >> 16};
	char kind[16];

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*tc)) ||
	    !f.handle) /* handle 0: the filter's head, not a filter */
		return;
	attribute_text(attribute(first, len, TCA_KIND), kind, sizeof(kind));
	const struct rtattr *options = attribute(first, len, TCA_OPTIONS);
	if (!strcmp(kind, "bpf") && options)
		attribute_text(attribute(RTA_DATA(options), (int)RTA_PAYLOAD(options), TCA_BPF_NAME), f.name,
			       sizeof(f.name));
	fn(arg, &f);
}

/* One answer of the kernel. 1: that was the last, 0: go on, or -errno. */
static int dump_message(const char *buf, ssize_t len, filter_fn fn, void *arg)
{
	const struct nlmsghdr *h = (const void *)buf;
	unsigned left = (unsigned)len;

	for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
		if (h->nlmsg_type == NLMSG_DONE)
			return 1;
		if (h->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
		if (h->nlmsg_type == RTM_NEWTFILTER)
			filter_read(h, fn, arg);
	}
	return 0;
}

/* All filters of one clsact hook. No qdisc: none, which is no error. */
static int filters_each(unsigned ifindex, __u32 hook, filter_fn fn, void *arg)
{
	struct {
		struct nlmsghdr h;
		struct tcmsg tc;
	} q = {
		.h = {.nlmsg_len = sizeof(q),
		      .nlmsg_type = RTM_GETTFILTER,
		      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.tc = {.tcm_family = AF_UNSPEC,
		       .tcm_ifindex = (int)ifindex,
		       .tcm_parent = TC_H_MAKE(TC_H_CLSACT, hook)},
	};
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	_Alignas(struct nlmsghdr) char buf[16384];
	int r = 0;

	if (fd < 0 || send(fd, &q, sizeof(q), 0) < 0)
		return -errno;
	while (r == 0) {
		ssize_t len = recv(fd, buf, sizeof(buf), 0);

		if (len < 0)
			return -errno;
		r = dump_message(buf, len, fn, arg);
	}
	return r == 1 || r == -EINVAL || r == -ENOENT ? 0 : r;
}

static void filter_count(void *arg, const struct filter *f)
{
	(void)f;
	++*(unsigned *)arg;
}

static bool clsact_empty(unsigned ifindex)
{
	unsigned count = 0;

	return filters_each(ifindex, TC_H_MIN_INGRESS, filter_count, &count) == 0 &&
	       filters_each(ifindex, TC_H_MIN_EGRESS, filter_count, &count) == 0 && count == 0;
}

/* --- removing --- */

static int filter_remove(unsigned ifindex, __u32 handle, __u32 priority)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = priority);

	return bpf_tc_detach(&hook, &opts);
}

void tcfilter_detach(unsigned ifindex, bool remove_qdisc)
{
	LIBBPF_OPTS(bpf_tc_hook, both, .ifindex = (int)ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	(void)filter_remove(ifindex, own_handle(), PK_TC_PRIORITY);
	if (remove_qdisc && clsact_empty(ifindex))
		(void)bpf_tc_hook_destroy(&both);
}

/* Is it another picket's that still runs? Our own id may be that of a dead one: in a container it is always
 * the same. */
static bool owner_lives(__u32 pid)
{
	char path[64], theirs[32] = "", ours[32] = "";

	if (pid == (__u32)getpid())
		return false;
	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	_cleanup_fclose_ FILE *other = fopen(path, "re");
	_cleanup_fclose_ FILE *self = fopen("/proc/self/comm", "re");
	if (!other || !self || !fgets(theirs, sizeof(theirs), other) || !fgets(ours, sizeof(ours), self))
		return false;
	return !strcmp(theirs, ours);
}

#define SWEEP_MAX 16 /* filters of ours on one interface; more come with the next start */

struct leftovers {
	struct filter found[SWEEP_MAX];
	unsigned count;
	bool attached;
};

static void leftover_note(void *arg, const struct filter *f)
{
	struct leftovers *l = arg;

	if ((f->handle & ~PK_TC_PID_MASK) != PK_TC_TAG || strncmp(f->name, PK_TC_NAME, strlen(PK_TC_NAME)) ||
	    l->count == SWEEP_MAX || (l->attached && f->handle == own_handle()) ||
	    owner_lives(f->handle & PK_TC_PID_MASK))
		return;
	l->found[l->count++] = *f;
}

int tcfilter_sweep(bool attached)
{
	struct if_nameindex *all = if_nameindex();
	int removed = 0;

	if (!all)
		return -errno;
	for (struct if_nameindex *i = all; i->if_index; i++) {
		struct leftovers l = {.attached = attached};

		if (filters_each(i->if_index, TC_H_MIN_INGRESS, leftover_note, &l))
			continue;
		for (unsigned n = 0; n < l.count; n++)
			removed += filter_remove(i->if_index, l.found[n].handle, l.found[n].priority) == 0;
	}
	if_freenameindex(all);
	return removed;
}
