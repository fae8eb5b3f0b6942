// SPDX-License-Identifier: Apache-2.0
/*
 * kernel_receive.c: the receive path program (bpf/receive.bpf.c), where this kernel has kprobes. Whether it
 * has is found by attaching; nothing depends on it.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "lib/util.h"
#include "receive.skel.h"
#include "sensor/kernel_internal.h"

static int receive_load(struct kernel *k, struct buffer *errors)
{
	size_t size;

	if (k->objects[OBJECT_RECEIVE])
		return 0;
	const void *elf = receive__elf_bytes(&size);
	int r = kernel_object_load(k, OBJECT_RECEIVE, elf, size, "receive");
	if (r)
		buffer_printf(errors, "loading the receive path program: %s\n", strerror(-r));
	return r;
}

static const char *why_not(int r)
{
	if (r == -ENOENT || r == -EOPNOTSUPP || r == -ENOTSUP)
		return "this kernel has no kprobes (CONFIG_KPROBES, CONFIG_KPROBE_EVENTS)";
	if (r == -EACCES)
		return "refused: CAP_SYS_ADMIN is needed while kernel.perf_event_paranoid is over 2";
	return strerror(-r);
}

static bool is_covered(const struct kernel *k, unsigned ifindex)
{
	for (unsigned n = 0; n < k->interface_count; n++)
		if (k->interfaces[n].a.ifindex == ifindex && k->interfaces[n].a.mode != PACKET_OFF)
			return true;
	return false;
}

/* Takes out what is no longer covered. The map has more room than there can be interfaces here. */
static void covered_prune(const struct kernel *k, int fd, bool all)
{
	__u32 keys[KERNEL_COVERED_MAX], next;
	unsigned n = 0;

	for (__u32 *at = NULL; n < KERNEL_COVERED_MAX && !bpf_map_get_next_key(fd, at, &next);
	     at = &keys[n++])
		keys[n] = next;
	for (unsigned i = 0; i < n; i++)
		if (all || !is_covered(k, keys[i]))
			bpf_map_delete_elem(fd, &keys[i]);
}

int kernel_receive_cover(struct kernel *k, bool everything)
{
	int fd = kernel_map_fd(k, "pk_covered");

	if (fd < 0)
		return 0; /* never loaded */
	covered_prune(k, fd, everything);
	for (unsigned n = 0; n < k->interface_count && !everything; n++) {
		__u32 ifindex = k->interfaces[n].a.ifindex;
		__u8 yes = 1;

		if (k->interfaces[n].a.mode != PACKET_OFF && bpf_map_update_elem(fd, &ifindex, &yes, BPF_ANY))
			return -errno;
	}
	return 0;
}

int kernel_attach_receive(struct kernel *k, bool everything, struct buffer *errors)
{
	struct bpf_program *program;
	int r = 0;

	if (k->receive_link_count)
		return 0;
	r = receive_load(k, errors);
	if (!r)
		r = kernel_receive_cover(k, everything); /* before the first hit */
	if (r)
		return r == -EPERM ? KERNEL_E_PERMISSION : r == -ENOMEM ? r : KERNEL_E_UNSUPPORTED;
	bpf_object__for_each_program(program, k->objects[OBJECT_RECEIVE])
	{
		struct bpf_link *link = bpf_program__attach(program);

		if (!link) {
			r = -errno;
			break;
		}
		k->receive_links[k->receive_link_count++] = link;
		if (k->receive_link_count == ARRAY_SIZE(k->receive_links))
			break;
	}
	if (!r)
		return 0;
	kernel_detach_receive(k);
	buffer_printf(errors, "attaching to the receive path: %s\n", why_not(r));
	return r == -EPERM || r == -EACCES ? KERNEL_E_PERMISSION : KERNEL_E_UNSUPPORTED;
}

void kernel_detach_receive(struct kernel *k)
{
	while (k->receive_link_count)
		bpf_link__destroy(k->receive_links[--k->receive_link_count]);
}

bool kernel_receive_attached(const struct kernel *k)
{
	return k->receive_link_count > 0;
}
