// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <errno.h>
#include "sensor/warden_internal.h"

#define RETRY_INTERFACE_NS (30 * NS_PER_S)

void warden_watch_sshd(struct warden *w, const struct pk_ports *now)
{
	for (unsigned port = 1; port <= UINT16_MAX; port++) {
		uint64_t fresh = now->never[port >> 6] & ~w->ports.never[port >> 6];
		if (!fresh)
			port |= 63; /* none in this word */
		else if (fresh >> (port & 63) & 1 && w->sshd_count < WARDEN_SSHD_MAX)
			w->sshd_ports[w->sshd_count++] = (uint16_t)port;
	}
	for (unsigned i = 0; i < PK_PORT_WORDS; i++)
		w->ports.never[i] |= now->never[i];
}

static void never_watch(struct pk_ports *ports, uint16_t port)
{
	ports->never[port >> 6] |= 1ull << (port & 63);
	ports->watched[port >> 6] &= ~(1ull << (port & 63));
}

/* At the start, and again with a new configuration: then which ports are sshd's is remembered, not asked. */
static void first_ports(struct warden *w, const struct listener *listeners, size_t count)
{
	struct pk_ports found, now;
	uint16_t sshd[WARDEN_SSHD_MAX];
	unsigned sshd_count;
	uint32_t zero = 0;
	bool seen = false;

	ports_compute(w->config, listeners, count, &found, sshd, WARDEN_SSHD_MAX, &sshd_count);
	for (size_t i = 0; i < count; i++)
		seen = seen || listeners[i].sshd;
	if (w->starts == 0) {
		/* The usual port is a guess where no sshd listens; protect_collect makes it, and says so. */
		w->sshd_count = seen ? sshd_count : 0;
		memcpy(w->sshd_ports, sshd, sizeof sshd);
	} else if (bpf_map_lookup_elem(kernel_ports_fd(w->kernel), &zero, &now) == 0) {
		warden_watch_sshd(w, &now); /* one may have begun to listen since the last scan */
	}
	for (unsigned i = 0; i < w->sshd_count; i++)
		never_watch(&found, w->sshd_ports[i]);
	w->ports = found;
	memset(w->absent, 0, sizeof w->absent);
}

void warden_watch_ports(struct warden *w, bool first)
{
	struct listener *listeners = NULL;
	struct pk_ports found, now;
	uint32_t zero = 0;
	size_t count;

	/* Only before the first sensor is started do we still have the rights to see whose socket it is. */
	int r = listeners_read(first && w->starts == 0, &listeners, &count);
	if (r) {
		log_warning("listening sockets could not be read", LOG_ERRNO(r));
		return;
	}
	if (first) {
		first_ports(w, listeners, count);
	} else if (bpf_map_lookup_elem(kernel_ports_fd(w->kernel), &zero, &now) == 0) {
		uint16_t sshd[WARDEN_SSHD_MAX];
		unsigned sshd_count;
		ports_compute(w->config, listeners, count, &found, sshd, WARDEN_SSHD_MAX, &sshd_count);
		warden_watch_sshd(w, &now);
		/* The kernel half adds ports as servers begin to listen; one is taken away only when two
		 * scans miss it. */
		for (unsigned i = 0; i < PK_PORT_WORDS; i++) {
			uint64_t never = now.never[i] | found.never[i] | w->ports.never[i];
			uint64_t missing = now.watched[i] & ~found.watched[i];
			w->ports.watched[i] =
				(now.watched[i] | found.watched[i]) & ~(missing & w->absent[i]) & ~never;
			w->ports.never[i] = never;
			w->absent[i] = missing;
		}
		if (memcmp(now.watched, w->ports.watched, sizeof now.watched))
			kernel_name_sockets(w->kernel);
	}
	free(listeners);
	r = ports_write(kernel_ports_fd(w->kernel), &w->ports);
	if (r)
		log_error("watched ports could not be written", LOG_ERRNO(r));
	w->scan_ns = warden_now();
}

static bool interface_may_retry(struct warden *w, unsigned ifindex, uint64_t now)
{
	for (size_t i = 0; i < ARRAY_SIZE(w->failed); i++)
		if (w->failed[i].ifindex == ifindex)
			return now >= w->failed[i].retry_ns;
	return true;
}

static void interface_failed(struct warden *w, unsigned ifindex, uint64_t now)
{
	size_t slot = 0;

	for (size_t i = 0; i < ARRAY_SIZE(w->failed); i++) {
		if (w->failed[i].ifindex == ifindex) {
			slot = i;
			break;
		}
		if (w->failed[i].retry_ns < w->failed[slot].retry_ns)
			slot = i;
	}
	w->failed[slot].ifindex = ifindex;
	w->failed[slot].retry_ns = now + RETRY_INTERFACE_NS;
}

static void interface_attach(struct warden *w, const char *name, uint64_t now)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(16384);
	struct kernel_attachment a = {0};
	unsigned ifindex = if_nametoindex(name);

	if (!ifindex || !interface_may_retry(w, ifindex, now))
		return;
	int r = kernel_attach_interface(w->kernel, name, w->config->capture.packet_mode, &a, &errors);
	if (r || a.mode == PACKET_OFF) {
		interface_failed(w, ifindex, now);
		log_warning("packet program not attached", LOG_S("interface", name), LOG_S("note", a.note),
			    LOG_SPAN("detail", buffer_span(&errors)));
		return;
	}
	log_info("packet program attached", LOG_S("interface", name),
		 LOG_S("mode", config_packet_mode_name(a.mode)), LOG_S("driver", a.driver),
		 LOG_S("note", a.note));
}

static void watch_packets(struct warden *w)
{
	char names[WARDEN_INTERFACES_MAX][IF_NAMESIZE];
	struct kernel_attachment have[WARDEN_ATTACH_MAX];
	uint64_t now = warden_now();

	if (w->config->capture.packet_mode == PACKET_OFF)
		return;
	int count = kernel_interfaces(w->config, names, WARDEN_INTERFACES_MAX);
	if (count < 0) {
		log_warning("interfaces could not be listed", LOG_ERRNO(count));
		return;
	}
	unsigned attached = kernel_attachments(w->kernel, have, WARDEN_ATTACH_MAX);
	for (unsigned i = 0; i < attached; i++) {
		bool wanted = false;
		for (int j = 0; j < count && !wanted; j++)
			wanted = if_nametoindex(names[j]) == have[i].ifindex;
		if (!wanted) {
			log_info("packet program detached", LOG_S("interface", have[i].name));
			kernel_detach_interface(w->kernel, have[i].ifindex);
		}
	}
	for (int j = 0; j < count; j++) {
		bool there = false;
		for (unsigned i = 0; i < attached && !there; i++)
			there = if_nametoindex(names[j]) == have[i].ifindex;
		if (!there)
			interface_attach(w, names[j], now);
	}
}

/* Is there an interface to guard on which no packet program is? */
static bool interface_is_bare(const struct warden *w)
{
	char names[WARDEN_INTERFACES_MAX][IF_NAMESIZE];
	struct kernel_attachment have[WARDEN_INTERFACES_MAX];
	int count = kernel_interfaces(w->config, names, WARDEN_INTERFACES_MAX);
	unsigned attached = kernel_attachments(w->kernel, have, WARDEN_INTERFACES_MAX);

	for (int j = 0; j < count; j++) {
		bool covered = false;

		for (unsigned i = 0; i < attached && !covered; i++)
			covered = have[i].mode != PACKET_OFF && strcmp(have[i].name, names[j]) == 0;
		if (!covered)
			return true;
	}
	return false;
}

/* The receive path program is on while it has something to report that no packet program does. */
static void watch_receive(struct warden *w)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(4096);
	bool asked = w->config->capture.receive == RECEIVE_KPROBE;

	if (!asked && (w->config->capture.receive == RECEIVE_OFF || !interface_is_bare(w))) {
		if (kernel_receive_attached(w->kernel))
			log_info("receive path program detached");
		kernel_detach_receive(w->kernel);
		return;
	}
	if (kernel_receive_attached(w->kernel)) {
		kernel_receive_cover(w->kernel, asked);
		return;
	}
	if (w->receive_failed)
		return;
	if (!kernel_attach_receive(w->kernel, asked, &errors)) {
		log_info("receive path program attached", LOG_S("hook", "kprobe"));
		return;
	}
	w->receive_failed = true; /* asked again after a reload */
	if (asked)
		log_warning("receive path program not attached: capture.receive is without effect",
			    LOG_SPAN("detail", buffer_span(&errors)));
	else
		log_info("receive path program not attached: interfaces without a packet program report no "
			 "headers",
			 LOG_SPAN("detail", buffer_span(&errors)));
}

void warden_watch_interfaces(struct warden *w)
{
	watch_packets(w);
	watch_receive(w);
}
