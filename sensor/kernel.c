// SPDX-License-Identifier: Apache-2.0
/*
 * kernel.c: loads the objects of bpf/, shares their maps by name, and gives access to them. Interfaces are
 * kernel_attach.c's, reading the rings is reader.c's, what stands in the deny maps policies/deny.c's.
 */
#include "sensor/kernel_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "drops.skel.h"
#include "ingress_tc.skel.h"
#include "ingress_xdp.skel.h"
#include "lib/clock.h"
#include "lib/util.h"
#include "response_fentry_perf.skel.h"
#include "response_fentry_ring.skel.h"
#include "response_perf.skel.h"
#include "response_ring.skel.h"
#include "sensor/perfring.h"
#include "sensor/tunnels.h"
#include "sockets.skel.h"
#include "tcp_perf.skel.h"
#include "tcp_ring.skel.h"

#define ALLOW_MAX       4096
#define SHARE_DIVISOR   8
#define PERF_WAKE_BYTES (64u * 1024)
#define HIT_MAPS        4     /* one hit counter for each entry of each deny map */
#define HITS_MAX        65536 /* ... but no more than this */
#define DENY_FIRST      4096  /* room of a deny hash at first */

/* --- libbpf's messages --- */

static bool messages_shown;

static int message(enum libbpf_print_level level, const char *format, va_list args)
{
	if (!messages_shown || level == LIBBPF_DEBUG)
		return 0;
	return vfprintf(stderr, format, args);
}

/* --- maps --- */

int kernel_map_fd(const struct kernel *k, const char *name)
{
	for (unsigned i = 0; i < k->map_count; i++)
		if (!strcmp(k->maps[i].name, name))
			return k->maps[i].fd;
	return -1;
}

int kernel_map_add(struct kernel *k, const char *name, int fd, bool owned)
{
	if (k->map_count == KERNEL_MAPS_MAX)
		return -ENOSPC;
	struct kernel_map *m = &k->maps[k->map_count++];
	snprintf(m->name, sizeof(m->name), "%s", name);
	m->fd = fd;
	m->owned = owned;
	return 0;
}

uint64_t kernel_map_entries(const struct config *c, const char *name)
{
	if (!strcmp(name, "pk_requests"))
		return c->capture.ring_bytes;
	if (!strcmp(name, "pk_headers"))
		return c->capture.header_ring_bytes;
	if (!strcmp(name, "pk_allow4") || !strcmp(name, "pk_allow6"))
		return ALLOW_MAX;
	if (!strcmp(name, "pk_hits"))
		return MIN((uint64_t)c->limits.blocks_max * HIT_MAPS, (uint64_t)HITS_MAX);
	if (!strcmp(name, "pk_deny4") || !strcmp(name, "pk_deny6"))
		return MIN(c->limits.blocks_max, (uint32_t)DENY_FIRST); /* they grow */
	if (!strcmp(name, "pk_deny4p") || !strcmp(name, "pk_deny6p"))
		return c->limits.blocks_max;
	if (!strcmp(name, "pk_deny_bits"))
		return deny_filter_words(c->limits.blocks_max);
	return 0;
}

/* Our own maps are called pk_...; .rodata and the like stay with their object. */
static bool map_is_shared(const struct bpf_map *map)
{
	return !strncmp(bpf_map__name(map), "pk_", 3);
}

static int map_prepare(struct kernel *k, struct bpf_map *map)
{
	const char *name = bpf_map__name(map);
	int fd = kernel_map_fd(k, name);

	if (fd >= 0)
		return bpf_map__reuse_fd(map, fd);
	if (bpf_map__type(map) == BPF_MAP_TYPE_PERF_EVENT_ARRAY)
		return 0; /* one per CPU: libbpf knows */
	uint64_t entries = kernel_map_entries(k->config, name);
	if (!entries)
		return 0;
	return entries > UINT32_MAX ? -E2BIG : bpf_map__set_max_entries(map, (uint32_t)entries);
}

/* --- objects --- */

static struct bpf_object *object_open(const void *elf, size_t size, const char *name)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = name);

	return bpf_object__open_mem(elf, size, &opts);
}

static int object_prepare(struct kernel *k, struct bpf_object *o)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, o)
	{
		int r = map_is_shared(map) ? map_prepare(k, map) : 0;

		if (r)
			return r;
	}
	return 0;
}

static int walk_set(struct bpf_object *o, bool walk)
{
	struct bpf_map *map = bpf_object__find_map_by_name(o, ".rodata.walk");

	return map ? bpf_map__set_initial_value(map, &walk, sizeof walk) : 0;
}

/* Makes the maps that a loaded object created known to those after it. */
static int object_adopt(struct kernel *k, struct bpf_object *o)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, o)
	{
		if (!map_is_shared(map) || kernel_map_fd(k, bpf_map__name(map)) >= 0)
			continue;
		int r = kernel_map_add(k, bpf_map__name(map), bpf_map__fd(map), false);
		if (r)
			return r;
	}
	return 0;
}

int kernel_object_load(struct kernel *k, enum kernel_object which, const void *elf, size_t size,
		       const char *name)
{
	struct bpf_object *o = object_open(elf, size, name);
	struct bpf_program *program;
	int r;

	if (!o)
		return -errno;
	bpf_object__for_each_program(program, o)
	{
		if (which == OBJECT_XDP_FRAGS)
			bpf_program__set_flags(program, BPF_F_XDP_HAS_FRAGS);
		/* One file has both. */
		if (which == OBJECT_TC || which == OBJECT_TC_L3)
			bpf_program__set_autoload(program, !strcmp(bpf_program__name(program), "pk_tc_l3") ==
								   (which == OBJECT_TC_L3));
	}
	r = object_prepare(k, o);
	if (!r)
		r = tunnels_set(o, &k->tunnels);
	if (!r)
		r = walk_set(o, k->walk);
	if (!r)
		r = bpf_object__load(o);
	if (!r)
		r = object_adopt(k, o);
	if (r) {
		bpf_object__close(o);
		return r;
	}
	k->objects[which] = o;
	return 0;
}

static int load_packet(struct kernel *k, enum kernel_object which)
{
	bool tc = which == OBJECT_TC || which == OBJECT_TC_L3;
	size_t size;
	const void *elf = tc ? ingress_tc__elf_bytes(&size) : ingress_xdp__elf_bytes(&size);

	return kernel_object_load(k, which, elf, size, tc ? "ingress_tc" : "ingress_xdp");
}

int kernel_program_fd(struct kernel *k, enum kernel_object object, const char *name)
{
	if (!k->objects[object]) {
		int r = load_packet(k, object);

		if (r)
			return r;
	}
	struct bpf_program *p = bpf_object__find_program_by_name(k->objects[object], name);
	return p ? bpf_program__fd(p) : -ENOENT;
}

void kernel_load_packets(struct kernel *k)
{
	(void)kernel_program_fd(k, OBJECT_TC, "pk_tc");
	(void)kernel_program_fd(k, OBJECT_TC_L3, "pk_tc_l3");
	(void)kernel_program_fd(k, OBJECT_XDP, "pk_xdp");
}

/* While the first rights last: who maps the buffers later has fewer, and a sensor may be started again. */
static int perf_events_open(struct kernel *k)
{
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	int cpus = libbpf_num_possible_cpus();

	if (cpus < 0)
		return cpus;
	k->perf_events = malloc((size_t)cpus * sizeof(*k->perf_events));
	if (!k->perf_events)
		return -ENOMEM;
	for (; k->perf_cpus < cpus; k->perf_cpus++) {
		int fd = perfring_event(kernel_map_fd(k, "pk_requests"), k->perf_cpus, PERF_WAKE_BYTES);

		if (fd < 0 && fd != -ENODEV)
			return fd;
		k->perf_events[k->perf_cpus] = fd;
	}
	/* Inherited by the sensor. Refused without CAP_SYS_RESOURCE: then its buffers are smaller. */
	(void)setrlimit(RLIMIT_MEMLOCK, &unlimited);
	k->perf = true;
	return 0;
}

/* Finding sockets' cookies itself, where the kernel lets it; else without. */
static int load_tcp_object(struct kernel *k, const void *elf, size_t size, const char *name)
{
	k->walk = true;
	int r = kernel_object_load(k, OBJECT_TCP, elf, size, name);
	if (r != -EACCES)
		return r;
	k->walk = false;
	return kernel_object_load(k, OBJECT_TCP, elf, size, name);
}

/* The ring where the kernel lets tracing programs read a packet buffer, else perf buffers; found by trying.
 */
static int load_tcp(struct kernel *k, struct buffer *errors)
{
	enum config_capture_source source = k->config->capture.source;
	int ring = 0, perf = 0;
	const void *elf;
	size_t size;

	if (source != CAPTURE_PERF) {
		elf = tcp_ring__elf_bytes(&size);
		ring = load_tcp_object(k, elf, size, "tcp_ring");
		if (!ring)
			return 0;
	}
	if (source != CAPTURE_RING) {
		elf = tcp_perf__elf_bytes(&size);
		perf = load_tcp_object(k, elf, size, "tcp_perf");
		if (!perf)
			perf = perf_events_open(k);
		if (!perf)
			return 0;
	}
	if (ring)
		buffer_printf(errors, "requests through the ring buffer: %s\n", strerror(-ring));
	if (perf)
		buffer_printf(errors, "requests through perf buffers: %s\n", strerror(-perf));
	if (perf == -EACCES && k->objects[OBJECT_TCP])
		buffer_append_text(errors,
				   "opening them takes CAP_SYS_ADMIN while kernel.perf_event_paranoid is "
				   "over 2: sysctl kernel.perf_event_paranoid=2\n");
	return perf ? perf : ring;
}

/* The tracepoint, else the function; found by trying. Without either, requests have no answers. */
static void load_response(struct kernel *k)
{
	static const struct {
		const void *(*elf)(size_t *size);
		const char *name;
		bool perf;
	} ways[] = {
		{response_ring__elf_bytes, "response_ring", false},
		{response_fentry_ring__elf_bytes, "response_fentry", false},
		{response_perf__elf_bytes, "response_perf", true},
		{response_fentry_perf__elf_bytes, "response_fentry", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(ways) && !k->objects[OBJECT_RESPONSE]; i++) {
		size_t size;
		const void *elf = ways[i].elf(&size);

		if (ways[i].perf == k->perf)
			(void)kernel_object_load(k, OBJECT_RESPONSE, elf, size, ways[i].name);
	}
}

/* Without it, what a connection of before us receives first has no cookie, and its answer is not known. */
static void load_sockets(struct kernel *k)
{
	size_t size;
	const void *elf = sockets__elf_bytes(&size);

	if (!k->walk)
		(void)kernel_object_load(k, OBJECT_SOCKETS, elf, size, "sockets");
}

/* At least one of the packet programs must load; a kernel without the other is told by the attachments'
 * notes, when it is needed. */
static int load_packet_program(struct kernel *k, struct buffer *errors)
{
	enum config_packet_mode mode = k->config->capture.packet_mode;
	bool xdp = mode == PACKET_XDP_NATIVE || mode == PACKET_XDP_GENERIC;
	int first = load_packet(k, xdp ? OBJECT_XDP : OBJECT_TC);
	int second = first ? load_packet(k, xdp ? OBJECT_TC : OBJECT_XDP) : 0;

	if (!first || !second)
		return 0;
	buffer_printf(errors, "packet program for tc: %s\npacket program for XDP: %s\n",
		      strerror(xdp ? -second : -first), strerror(xdp ? -first : -second));
	return first;
}

/* A kernel without it refuses segments all the same, unnamed. It shares the TCP programs' ring. */
static void load_drops(struct kernel *k)
{
	size_t size;
	const void *elf = drops__elf_bytes(&size);

	(void)kernel_object_load(k, OBJECT_DROPS, elf, size, "drops");
}

/* --- kill switch --- */

static bool kill_fits(int fd)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &len) && info.type == BPF_MAP_TYPE_ARRAY &&
	       info.key_size == 4 && info.value_size == 4 && info.max_entries == 1;
}

/* Earlier versions made it without. */
static bool kill_is_mapped(int fd)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &len) && info.map_flags & BPF_F_MMAPABLE;
}

/* An earlier run's switch is taken over with the position it is in. */
static int kill_reuse(struct kernel *k, const char *pin, struct buffer *errors)
{
	int fd = bpf_obj_get(pin);

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0) {
		int r = -errno;

		buffer_printf(errors, "cannot open the kill switch at %s: %s\n", pin, strerror(-r));
		return r;
	}
	if (!kill_fits(fd)) {
		close(fd);
		buffer_printf(errors, "%s is pinned, but is not picket's kill switch: remove it\n", pin);
		return -EEXIST;
	}
	int r = kernel_map_add(k, "pk_kill", fd, true);
	if (r)
		close(fd);
	return r;
}

static int kill_pin(struct kernel *k, const char *pin, struct buffer *errors)
{
	if (bpf_obj_pin(kernel_kill_fd(k), pin) == 0)
		return 0;
	int r = -errno;
	buffer_printf(errors, "cannot pin the kill switch at %s: %s\n", pin, strerror(-r));
	return r;
}

int kernel_kill_fd(const struct kernel *k)
{
	return kernel_map_fd(k, "pk_kill");
}

int kernel_kill_set(struct kernel *k, bool on)
{
	__u32 zero = 0, value = on;

	return bpf_map_update_elem(kernel_kill_fd(k), &zero, &value, BPF_ANY) ? -errno : 0;
}

bool kernel_kill_get(const struct kernel *k)
{
	__u32 zero = 0, value = 0;

	if (k->kill)
		return __atomic_load_n(k->kill, __ATOMIC_RELAXED);
	return bpf_map_lookup_elem(kernel_kill_fd(k), &zero, &value) == 0 && value;
}

/* --- loading --- */

static int map_protected(struct kernel *k, const char *name, size_t size, int protection, void **ret)
{
	int fd = kernel_map_fd(k, name);

	if (fd < 0)
		return 0; /* not on this path */
	void *at = mmap(NULL, size, protection, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	*ret = at;
	return 0;
}

static int map_memory(struct kernel *k, const char *name, size_t size, void **ret)
{
	return map_protected(k, name, size, PROT_READ | PROT_WRITE, ret);
}

#define DENY_NETS_SIZE  (4 * PK_NET_WORDS * sizeof(uint64_t))
#define ALLOW_NONE_SIZE (2 * PK_NET_WORDS * sizeof(uint64_t))

/* A child does not get these: who reads outside bytes must not be able to lift a block, nor what protects
 * from one. */
static int map_unshared(struct kernel *k, const char *name, size_t size, void **ret)
{
	int r = map_memory(k, name, size, ret);

	return !r && madvise(*ret, size, MADV_DONTFORK) ? -errno : r;
}

static int map_deny(struct kernel *k)
{
	void *head = NULL, *bits = NULL, *nets = NULL, *none = NULL;

	k->deny_words = deny_filter_words(k->config->limits.blocks_max);
	int r = map_unshared(k, "pk_deny_head", sizeof(struct pk_deny_head), &head);
	if (!r)
		r = map_unshared(k, "pk_deny_bits", k->deny_words * sizeof(uint64_t), &bits);
	if (!r)
		r = map_unshared(k, "pk_deny_nets", DENY_NETS_SIZE, &nets);
	if (!r)
		r = map_unshared(k, "pk_allow_none", ALLOW_NONE_SIZE, &none);
	k->deny_head = head;
	k->deny_bits = bits;
	k->deny_nets = nets;
	k->allow_none = none;
	return r;
}

/* Asked before every block, where a system call is a good part of what a verdict takes. */
static int map_asked(struct kernel *k)
{
	void *kill = NULL, *logins = NULL;
	int r = map_protected(k, "pk_logins", sizeof *k->logins, PROT_READ, &logins);

	if (!r && kill_is_mapped(kernel_kill_fd(k)))
		r = map_protected(k, "pk_kill", sizeof *k->kill, PROT_READ, &kill);
	k->kill = kill;
	k->logins = logins;
	return r;
}

static int map_memories(struct kernel *k)
{
	void *skip = NULL, *skipped = NULL, *seen = NULL, *levels = NULL, *answers = NULL;
	int r = map_memory(k, "pk_skip", PK_SKIP_SLOTS * sizeof(uint64_t), &skip);

	if (!r)
		r = map_memory(k, "pk_skipped", PK_SKIP_SLOTS * sizeof(uint64_t), &skipped);
	if (!r)
		r = map_memory(k, "pk_seen", PK_SKIP_SLOTS * sizeof(uint64_t), &seen);
	if (!r)
		r = map_memory(k, "pk_perf_level", PK_PERF_CPUS * sizeof(struct pk_perf_level), &levels);
	if (!r)
		r = map_protected(k, "pk_answers", PK_ANSWER_SLOTS * sizeof(struct pk_answer_slot), PROT_READ,
				  &answers);
	k->skip = skip;
	k->skipped = skipped;
	k->seen = seen;
	k->answers = answers;
	k->perf_levels = levels;
	if (!r)
		r = map_asked(k);
	return r ? r : map_deny(k);
}

static int deny_make(struct kernel *k)
{
	const struct deny_maps maps = {
		.deny4_set = kernel_map_fd(k, "pk_deny4_set"),
		.deny6_set = kernel_map_fd(k, "pk_deny6_set"),
		.deny4 = kernel_map_fd(k, "pk_deny4"),
		.deny6 = kernel_map_fd(k, "pk_deny6"),
		.deny4p = kernel_map_fd(k, "pk_deny4p"),
		.deny6p = kernel_map_fd(k, "pk_deny6p"),
		.allow4 = kernel_map_fd(k, "pk_allow4"),
		.allow6 = kernel_map_fd(k, "pk_allow6"),
		.hits = kernel_map_fd(k, "pk_hits"),
		.head = k->deny_head,
		.bits = k->deny_bits,
		.bits_words = k->deny_words,
		.nets = k->deny_nets,
		.allow_none = k->allow_none,
		.replaced = kernel_pins_replaced,
		.arg = k,
	};

	return deny_new(&maps, k->config->limits.blocks_max, &k->deny);
}

/* What the configuration file says; the warden may set it anew with what it knows later (its child's process
 * id). */
static int config_first(struct kernel *k, const struct kernel_options *options)
{
	const struct config *c = k->config;
	struct pk_config first = {
		.netns = options->netns,
		.cgroup_id = options->cgroup_id,
		.follow_listen = c->capture.ports.count == 0,
		.sample_n = c->capture.header_sample,
		.header_rate = c->capture.header_rate,
		.header_burst = c->capture.header_burst,
		.read_max = c->capture.read_max,
		.packets = c->capture.packets == CAPTURE_PACKETS_FORWARDED ? PK_PACKETS_FORWARDED
									   : PK_PACKETS_OFF,
		.share_divisor = SHARE_DIVISOR,
		.boot_ahead_ns = clock_boot_ahead_ns(),
	};

	return kernel_config_set(k, &first);
}

static int load(struct kernel *k, const struct kernel_options *options, struct buffer *errors)
{
	int r = load_tcp(k, errors);

	if (!r)
		r = load_packet_program(k, errors);
	if (!r)
		load_drops(k);
	if (!r)
		load_sockets(k);
	if (!r)
		load_response(k);
	if (!r)
		r = map_memories(k);
	if (!r)
		r = config_first(k, options);
	if (!r)
		r = tunnels_peers_put(kernel_map_fd(k, "pk_peer4"), kernel_map_fd(k, "pk_peer6"),
				      &k->config->capture.tunnel_peers);
	if (!r)
		r = deny_make(k);
	if (!r)
		r = kernel_pins_copy(k);
	return r;
}

/* What the errno of a failed load means to whoever started picket. */
static int load_failure(int r, struct buffer *errors)
{
	if (r == -EPERM) {
		buffer_append_text(errors, "loading needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON: start as "
					   "root, or with these\n");
		return KERNEL_E_PERMISSION;
	}
	if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return r;
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		buffer_append_text(errors,
				   "/sys/kernel/btf/vmlinux is missing: this kernel was built without BTF "
				   "(CONFIG_DEBUG_INFO_BTF), which picket needs\n");
	return KERNEL_E_UNSUPPORTED;
}

/* Before loading, so that the programs are made with an earlier run's switch; and after it, when there was
 * none. */
static int load_with_kill_switch(struct kernel *k, const struct kernel_options *options,
				 struct buffer *errors)
{
	const char *pin = options->kill_pin;
	int r = pin ? kill_reuse(k, pin, errors) : 0;

	if (r)
		return r;
	bool fresh = kernel_kill_fd(k) < 0;
	r = kernel_pins_take(k);
	if (!r)
		r = load(k, options, errors);
	if (r)
		return load_failure(r, errors);
	r = pin && fresh ? kill_pin(k, pin, errors) : 0;
	if (!r)
		kernel_pins_keep_maps(k);
	return r;
}

int kernel_load(const struct config *config, const struct kernel_options *options, struct kernel **ret,
		struct buffer *errors)
{
	struct kernel *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	messages_shown = options->verbose;
	libbpf_set_print(message);
	k->config = config;
	k->tunnels = tunnels_of(config);
	k->netns = options->netns;
	k->pin = options->pin && options->pins;
	k->takeover.error = options->pin && !options->pins ? -ENOENT : 0;
	snprintf(k->pins, sizeof k->pins, "%s", options->pins ? options->pins : "");
	int r = load_with_kill_switch(k, options, errors);
	if (r) {
		kernel_free(k);
		return r;
	}
	*ret = k;
	return 0;
}

static int attach_all(struct kernel *k, struct bpf_object *o, struct buffer *errors)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, o)
	{
		if (k->tcp_link_count == ARRAY_SIZE(k->tcp_links))
			return -ENOSPC;
		struct bpf_link *link = bpf_program__attach(program);
		if (!link) {
			int r = -errno;

			buffer_printf(errors, "attaching %s: %s\n", bpf_program__name(program), strerror(-r));
			return r == -EPERM ? KERNEL_E_PERMISSION : KERNEL_E_UNSUPPORTED;
		}
		k->tcp_links[k->tcp_link_count++] = link;
	}
	return 0;
}

/* What loads is sometimes refused only here. Then requests have no answers. */
static void attach_response(struct kernel *k)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(4096);

	if (!attach_all(k, k->objects[OBJECT_RESPONSE], &errors))
		return;
	bpf_object__close(k->objects[OBJECT_RESPONSE]);
	k->objects[OBJECT_RESPONSE] = NULL;
}

void kernel_name_sockets(struct kernel *k)
{
	char none[256];

	if (!k->objects[OBJECT_SOCKETS])
		return;
	if (!k->sockets_link)
		k->sockets_link = bpf_program__attach_iter(
			bpf_object__find_program_by_name(k->objects[OBJECT_SOCKETS], "pk_sockets"), NULL);
	_cleanup_close_ int fd = k->sockets_link ? bpf_iter_create(bpf_link__fd(k->sockets_link)) : -1;
	while (fd >= 0 && read(fd, none, sizeof none) > 0)
		;
}

int kernel_attach_tcp(struct kernel *k, struct buffer *errors)
{
	int r = attach_all(k, k->objects[OBJECT_TCP], errors);

	if (!r && k->objects[OBJECT_DROPS])
		r = attach_all(k, k->objects[OBJECT_DROPS], errors);
	if (!r && k->objects[OBJECT_RESPONSE])
		attach_response(k);
	if (!r)
		kernel_name_sockets(k);
	return r;
}

void kernel_free(struct kernel *k)
{
	if (!k)
		return;
	kernel_detach_all(k);
	kernel_detach_receive(k);
	for (unsigned i = 0; i < k->tcp_link_count; i++)
		bpf_link__destroy(k->tcp_links[i]);
	bpf_link__destroy(k->sockets_link);
	if (k->skip)
		munmap(k->skip, PK_SKIP_SLOTS * sizeof(uint64_t));
	if (k->skipped)
		munmap(k->skipped, PK_SKIP_SLOTS * sizeof(uint64_t));
	if (k->seen)
		munmap(k->seen, PK_SKIP_SLOTS * sizeof(uint64_t));
	if (k->answers)
		munmap(k->answers, PK_ANSWER_SLOTS * sizeof(struct pk_answer_slot));
	deny_free(k->deny);
	if (k->deny_head)
		munmap(k->deny_head, sizeof(struct pk_deny_head));
	if (k->deny_bits)
		munmap(k->deny_bits, k->deny_words * sizeof(uint64_t));
	if (k->deny_nets)
		munmap(k->deny_nets, DENY_NETS_SIZE);
	if (k->kill)
		munmap((void *)k->kill, sizeof *k->kill);
	if (k->logins)
		munmap((void *)k->logins, sizeof *k->logins);
	if (k->allow_none)
		munmap(k->allow_none, ALLOW_NONE_SIZE);
	if (k->perf_levels)
		munmap(k->perf_levels, PK_PERF_CPUS * sizeof(struct pk_perf_level));
	for (int cpu = 0; cpu < k->perf_cpus; cpu++)
		if (k->perf_events[cpu] >= 0)
			close(k->perf_events[cpu]);
	free(k->perf_events);
	for (unsigned i = 0; i < k->map_count; i++)
		if (k->maps[i].owned)
			close(k->maps[i].fd);
	for (unsigned i = 0; i < OBJECT_COUNT; i++)
		bpf_object__close(k->objects[i]);
	free(k);
}

/* --- access --- */

bool kernel_uses_perf(const struct kernel *k)
{
	return k->perf;
}

struct deny *kernel_deny(const struct kernel *k)
{
	return k->deny;
}

int kernel_ports_fd(const struct kernel *k)
{
	return kernel_map_fd(k, "pk_ports");
}

int kernel_config_set(struct kernel *k, const struct pk_config *c)
{
	__u32 zero = 0;

	return bpf_map_update_elem(kernel_map_fd(k, "pk_config"), &zero, c, BPF_ANY) ? -errno : 0;
}

uint64_t kernel_logins(const struct kernel *k)
{
	return __atomic_load_n(k->logins, __ATOMIC_RELAXED);
}

uint64_t *kernel_skip(const struct kernel *k)
{
	return k->skip;
}

const uint64_t *kernel_skipped(const struct kernel *k)
{
	return k->skipped;
}

uint64_t *kernel_seen(const struct kernel *k)
{
	return k->seen;
}

const struct pk_answer_slot *kernel_answers(const struct kernel *k)
{
	return k->objects[OBJECT_RESPONSE] ? k->answers : NULL;
}

int kernel_stats(const struct kernel *k, uint64_t ret[static PK_C_MAX])
{
	int cpus = libbpf_num_possible_cpus();

	if (cpus < 0)
		return cpus;
	_cleanup_free_ struct pk_counters *all = calloc((size_t)cpus, sizeof(*all));
	if (!all)
		return -ENOMEM;
	__u32 zero = 0;
	if (bpf_map_lookup_elem(kernel_map_fd(k, "pk_stats"), &zero, all))
		return -errno;
	memset(ret, 0, PK_C_MAX * sizeof(*ret));
	for (int cpu = 0; cpu < cpus; cpu++)
		for (unsigned i = 0; i < PK_C_MAX; i++)
			ret[i] += all[cpu].v[i];
	return 0;
}

static bool program_describe(const struct bpf_program *p, struct kernel_program *ret)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);

	if (bpf_program__fd(p) < 0 || bpf_obj_get_info_by_fd(bpf_program__fd(p), &info, &len))
		return false;
	*ret = (struct kernel_program){.id = info.id, .insns = info.verified_insns};
	snprintf(ret->name, sizeof(ret->name), "%s", bpf_program__name(p));
	return true;
}

unsigned kernel_programs(const struct kernel *k, struct kernel_program *ret, unsigned max)
{
	unsigned n = 0;

	for (unsigned i = 0; i < OBJECT_COUNT; i++) {
		struct bpf_program *p;

		if (!k->objects[i])
			continue;
		bpf_object__for_each_program(p, k->objects[i]) if (n < max && program_describe(p, &ret[n]))
			n++;
	}
	return n;
}

unsigned kernel_reader_fds(const struct kernel *k, int *ret, unsigned max)
{
	static const char *const rings[] = {"pk_requests", "pk_headers"};
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rings) && n < max; i++)
		ret[n++] = kernel_map_fd(k, rings[i]);
	for (int cpu = 0; cpu < k->perf_cpus && n < max; cpu++)
		if (k->perf_events[cpu] >= 0)
			ret[n++] = k->perf_events[cpu];
	return n;
}

void kernel_configure(struct kernel *k, const struct config *config)
{
	k->config = config;
}
