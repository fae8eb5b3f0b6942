// SPDX-License-Identifier: Apache-2.0
/*
 * kernel_attach.c: the packet program on interfaces. Which way is decided by the interface and by trying:
 * native XDP on NIC drivers, tc on virtual interfaces (native XDP switches off segmentation there) and
 * wherever XDP is taken or refused.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "sensor/interface.h"
#include "sensor/kernel_internal.h"
#include "sensor/tcfilter.h"

#define TCX_INGRESS 46        /* enum bpf_attach_type, 6.6 and later */
#define LINK_BEFORE (1u << 3) /* BPF_F_BEFORE: before all others */

/* --- the ways --- */

static enum config_packet_mode xdp_mode(__u32 flags)
{
	return flags == XDP_FLAGS_DRV_MODE ? PACKET_XDP_NATIVE : PACKET_XDP_GENERIC;
}

static int xdp_link(struct kernel *k, enum kernel_object object, unsigned ifindex, __u32 flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	int program = kernel_program_fd(k, object, "pk_xdp");

	if (program < 0)
		return program;
	int taken = kernel_pins_link_take(k, ifindex, xdp_mode(flags), program);
	if (taken != -ENOENT)
		return taken;
	int fd = bpf_link_create(program, (int)ifindex, BPF_XDP, &opts);
	return fd < 0 ? -errno : fd;
}

/* Plain first; a driver that refuses it for the size of its packets may take a program that handles pieces.
 */
static int try_xdp(struct kernel *k, struct kernel_interface *i, __u32 flags)
{
	int fd = xdp_link(k, OBJECT_XDP, i->a.ifindex, flags);

	if (fd == -ERANGE || fd == -EINVAL || fd == -EOPNOTSUPP) {
		int second = xdp_link(k, OBJECT_XDP_FRAGS, i->a.ifindex, flags);

		if (second >= 0)
			fd = second;
	}
	if (fd < 0)
		return fd;
	i->link_fd = fd;
	i->a.by_link = true;
	i->a.mode = xdp_mode(flags);
	return 0;
}

static int try_tc(struct kernel *k, struct kernel_interface *i, bool link_header)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = LINK_BEFORE);
	int program = link_header ? kernel_program_fd(k, OBJECT_TC, "pk_tc")
				  : kernel_program_fd(k, OBJECT_TC_L3, "pk_tc_l3");

	if (program < 0)
		return program;
	int fd = kernel_pins_link_take(k, i->a.ifindex, PACKET_TC, program);
	if (fd < 0)
		fd = bpf_link_create(program, (int)i->a.ifindex, (enum bpf_attach_type)TCX_INGRESS, &opts);
	if (fd < 0) {
		int r = tcfilter_attach(i->a.ifindex, program, &i->made_clsact);

		if (r)
			return r;
	}
	i->link_fd = fd;
	i->a.by_link = fd >= 0;
	i->a.mode = PACKET_TC;
	return 0;
}

/* --- choosing --- */

static void note(struct kernel_interface *i, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds to the note, "; " between. */
static void note(struct kernel_interface *i, const char *format, ...)
{
	size_t at = strlen(i->a.note);
	va_list args;

	if (at && at + 3 < sizeof(i->a.note)) {
		memcpy(i->a.note + at, "; ", 3);
		at += 2;
	}
	va_start(args, format);
	vsnprintf(i->a.note + at, sizeof(i->a.note) - at, format, args);
	va_end(args);
}

static void note_refusal(struct kernel_interface *i, const char *what, int error)
{
	char holder[INTERFACE_HOLDER_MAX];

	if ((error == -EBUSY || error == -EEXIST) && interface_xdp_holder(i->a.ifindex, holder))
		note(i, "XDP is held by %s", holder);
	else
		note(i, "%s: %s", what, strerror(-error));
}

static void attach_xdp(struct kernel *k, struct kernel_interface *i, bool native)
{
	__u32 flags = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
	int r = try_xdp(k, i, flags);

	/* It may be an earlier daemon of ours that holds it, in the other mode: the two exclude each other.
	 */
	if ((r == -EBUSY || r == -EEXIST) && kernel_pins_link_drop(k, i, PACKET_TC))
		r = try_xdp(k, i, flags);
	if (r)
		note_refusal(i, native ? "native XDP refused" : "generic XDP refused", r);
}

/* Whatever was wanted: something that works, and the note says why it is not that. */
static void attach_any(struct kernel *k, struct kernel_interface *i, enum config_packet_mode want,
		       struct interface_facts f)
{
	bool native = want == PACKET_XDP_NATIVE ||
		      (want == PACKET_AUTO && interface_auto_mode(&f) == PACKET_XDP_NATIVE);
	bool generic = want == PACKET_XDP_GENERIC;
	char holder[INTERFACE_HOLDER_MAX];
	int r;

	if ((native || generic) && !f.link_header)
		note(i, "no XDP on an interface without link header");
	else if (native || generic)
		attach_xdp(k, i, native);
	else if (interface_xdp_holder(i->a.ifindex, holder))
		note(i, "XDP is held by %s", holder);
	if (i->a.mode != PACKET_OFF)
		return;
	r = try_tc(k, i, f.link_header);
	if (!r)
		return;
	note_refusal(i, "tc refused", r);
	if (!native && !generic && f.link_header)
		attach_xdp(k, i, false);
}

static struct kernel_interface *interface_find(struct kernel *k, unsigned ifindex)
{
	for (unsigned n = 0; n < k->interface_count; n++)
		if (k->interfaces[n].a.ifindex == ifindex)
			return &k->interfaces[n];
	return NULL;
}

static void interface_undo(struct kernel_interface *i)
{
	if (i->link_fd >= 0)
		close(i->link_fd);
	else if (i->a.mode == PACKET_TC)
		tcfilter_detach(i->a.ifindex, i->made_clsact);
}

static void interface_drop(struct kernel *k, struct kernel_interface *i)
{
	(void)kernel_pins_link_drop(k, i, PACKET_OFF);
	interface_undo(i);
	*i = k->interfaces[--k->interface_count];
}

/* What it says of itself is what is pinned; where that fails, it ends with us. */
static void interface_keep(struct kernel *k, struct kernel_interface *i)
{
	int r = k->pin && i->link_fd >= 0 ? kernel_pins_link_keep(k, i) : 0;

	if (r)
		note(i, "not pinned: %s", strerror(-r));
	i->pinned = k->pin && !r;
	if (i->pinned)
		i->a.by_link = false;
	(void)kernel_pins_link_drop(k, i, i->pinned ? i->a.mode : PACKET_OFF);
}

/* Interfaces that are gone, whose links the kernel has already cut. */
static void interfaces_prune(struct kernel *k)
{
	char name[IF_NAMESIZE];

	for (unsigned n = k->interface_count; n-- > 0;)
		if (!if_indextoname(k->interfaces[n].a.ifindex, name) && errno == ENXIO)
			interface_drop(k, &k->interfaces[n]);
}

int kernel_attach_interface(struct kernel *k, const char *name, enum config_packet_mode want,
			    struct kernel_attachment *ret, struct buffer *errors)
{
	unsigned ifindex = if_nametoindex(name);

	if (!ifindex) {
		buffer_printf(errors, "no interface %s\n", name);
		return -ENODEV;
	}
	interfaces_prune(k);
	struct kernel_interface *i = interface_find(k, ifindex);
	if (i && i->a.mode != PACKET_OFF) {
		*ret = i->a;
		return 0;
	}
	if (!i) {
		if (k->interface_count == KERNEL_INTERFACES_MAX) {
			buffer_printf(errors, "%s: more than %d interfaces\n", name, KERNEL_INTERFACES_MAX);
			return -ENOSPC;
		}
		i = &k->interfaces[k->interface_count++];
	}
	*i = (struct kernel_interface){.a = {.ifindex = ifindex, .mode = PACKET_OFF}, .link_fd = -1};
	snprintf(i->a.name, sizeof(i->a.name), "%s", name);
	struct interface_facts f = interface_facts(name);
	snprintf(i->a.driver, sizeof(i->a.driver), "%s", f.driver);
	if (want != PACKET_OFF)
		attach_any(k, i, want, f);
	if (i->a.mode != PACKET_OFF)
		interface_keep(k, i);
	*ret = i->a;
	if (i->a.mode != PACKET_OFF || want == PACKET_OFF)
		return 0;
	buffer_printf(errors, "%s: %s\n", name, i->a.note);
	return KERNEL_E_UNSUPPORTED;
}

void kernel_detach_interface(struct kernel *k, unsigned ifindex)
{
	struct kernel_interface *i = interface_find(k, ifindex);

	if (i)
		interface_drop(k, i);
}

void kernel_detach_all(struct kernel *k)
{
	while (k->interface_count) {
		struct kernel_interface *i = &k->interfaces[--k->interface_count];

		if (!i->pinned)
			interface_undo(i);
		else if (i->link_fd >= 0)
			close(i->link_fd);
	}
}

unsigned kernel_attachments(const struct kernel *k, struct kernel_attachment *ret, unsigned max)
{
	unsigned n = 0;

	for (; n < k->interface_count && n < max; n++)
		ret[n] = k->interfaces[n].a;
	return n;
}

int kernel_sweep(void)
{
	return tcfilter_sweep(false);
}

/* --- which interfaces --- */

static bool name_known(char (*names)[IF_NAMESIZE], unsigned count, const char *name)
{
	for (unsigned n = 0; n < count; n++)
		if (!strcmp(names[n], name))
			return true;
	return false;
}

int kernel_interfaces(const struct config *config, char (*ret)[IF_NAMESIZE], unsigned max)
{
	const struct config_strings *given = &config->capture.interfaces;
	unsigned count = 0;
	struct ifaddrs *all;

	for (unsigned n = 0; n < given->count && count < max; n++)
		if (strlen(given->items[n]) < IF_NAMESIZE && !name_known(ret, count, given->items[n]))
			strcpy(ret[count++], given->items[n]);
	if (given->count)
		return (int)count;
	if (getifaddrs(&all))
		return -errno;
	for (struct ifaddrs *a = all; a && count < max; a = a->ifa_next)
		if ((a->ifa_flags & IFF_UP) && !(a->ifa_flags & IFF_LOOPBACK) &&
		    strlen(a->ifa_name) < IF_NAMESIZE && !name_known(ret, count, a->ifa_name))
			strcpy(ret[count++], a->ifa_name);
	freeifaddrs(all);
	return (int)count;
}
