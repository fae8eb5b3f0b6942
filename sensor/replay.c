// SPDX-License-Identifier: Apache-2.0
#include "sensor/replay.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "ingress_tc.skel.h"
#include "ingress_xdp.skel.h"
#include "lib/util.h"
#include "sensor/defrag.h"
#include "sensor/tunnels.h"

#define RING_BYTES (1u << 20) /* emptied behind each frame, which makes two records at most */
#define RECORD_MAX (sizeof(struct pk_segment) + PK_SEGMENT_MAX)

struct replay {
	struct replay_hooks hooks;
	const struct config *config;
	struct replay_counts counts;
	struct bpf_object *object;
	struct ring_buffer *ring;
	struct defrag *defrag;
	int program;
	struct clock clock;
	uint64_t now_ns, tick_ns;
	uint32_t frame_len; /* on the wire, of the frame at hand */
	union {
		struct pk_record rec;
		struct pk_frame frame;
		char bytes[RECORD_MAX];
	} copy; /* the ring itself cannot be written */
};

/* --- clock --- */

static uint64_t now_ns(void *arg)
{
	return ((struct replay *)arg)->now_ns;
}

const struct clock *replay_clock(const struct replay *r)
{
	return &r->clock;
}

/* --- loading --- */

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static int object_load(struct replay *r, const void *elf, size_t size, bool frags)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "picket_replay");
	struct bpf_object *o = bpf_object__open_mem(elf, size, &opts);
	struct bpf_program *p;

	if (!o)
		return -errno;
	if (frags)
		bpf_object__for_each_program(p, o) bpf_program__set_flags(p, BPF_F_XDP_HAS_FRAGS);
	struct pk_tunnels tunnels = tunnels_of(r->config);
	int error = bpf_map__set_max_entries(bpf_object__find_map_by_name(o, "pk_headers"), RING_BYTES);
	if (!error)
		error = tunnels_set(o, &tunnels);
	if (!error)
		error = bpf_object__load(o);
	if (error) {
		bpf_object__close(o);
		return error;
	}
	r->object = o;
	p = bpf_object__find_program_by_name(o, frags ? "pk_xdp" : "pk_tc");
	r->program = p ? bpf_program__fd(p) : -ENOENT;
	return r->program < 0 ? r->program : 0;
}

static int program_load(struct replay *r)
{
	size_t size;
	const void *elf = ingress_xdp__elf_bytes(&size);
	int error = object_load(r, elf, size, true);

	if (!error || error == -EPERM)
		return error;
	elf = ingress_tc__elf_bytes(&size);
	return object_load(r, elf, size, false);
}

static int map_fd(const struct replay *r, const char *name)
{
	return bpf_object__find_map_fd_by_name(r->object, name);
}

static int on_record(void *arg, void *data, size_t size)
{
	struct replay *r = arg;
	const struct pk_record *rec = data;

	if (size < sizeof *rec || rec->size > size || rec->size > sizeof r->copy)
		return 0;
	memcpy(r->copy.bytes, data, rec->size);
	r->copy.rec.time_ns = r->now_ns;
	if (rec->kind == PK_FRAME) /* the kernel knows only what was captured of it */
		r->copy.frame.len = r->frame_len;
	r->counts.records++;
	r->hooks.record(r->hooks.arg, &r->copy.rec);
	return 0;
}

static int load(struct replay *r)
{
	struct pk_config config = {.packets = PK_PACKETS_ALL};
	__u32 zero = 0;
	int error = program_load(r);

	if (!error)
		error = tunnels_peers_put(map_fd(r, "pk_peer4"), map_fd(r, "pk_peer6"),
					  &r->config->capture.tunnel_peers);
	if (error)
		return error;
	if (bpf_map_update_elem(map_fd(r, "pk_config"), &zero, &config, BPF_ANY))
		return -errno;
	r->ring = ring_buffer__new(map_fd(r, "pk_headers"), on_record, r, NULL);
	return r->ring ? 0 : -errno;
}

static int load_failure(int error, struct buffer *errors)
{
	if (error == -EPERM || error == -EACCES) {
		buffer_append_text(errors, "loading the packet program needs CAP_BPF and CAP_NET_ADMIN: "
					   "start as root, or with these\n");
		return REPLAY_E_PERMISSION;
	}
	if (error == -ENOMEM || error == -EMFILE || error == -ENFILE)
		return error;
	buffer_printf(errors, "this kernel does not load the packet program: %s\n", strerror(-error));
	return REPLAY_E_UNSUPPORTED;
}

int replay_new(const struct config *config, const struct replay_hooks *hooks, struct replay **ret,
	       struct buffer *errors)
{
	struct replay *r = calloc(1, sizeof *r);

	if (!r)
		return -ENOMEM;
	r->hooks = *hooks;
	r->config = config;
	r->clock = (struct clock){.boot_ns = now_ns, .wall_ns = now_ns, .arg = r};
	libbpf_set_print(quiet);
	int error = defrag_new(0, &r->defrag);
	if (error) {
		replay_free(r);
		return error;
	}
	error = load(r);
	if (error) {
		replay_free(r);
		return load_failure(error, errors);
	}
	*ret = r;
	return 0;
}

/* --- frames --- */

static void set_time(struct replay *r, uint64_t time_ns)
{
	if (!r->counts.first_ns)
		r->counts.first_ns = r->tick_ns = time_ns;
	r->now_ns = MAX(r->now_ns, time_ns);
	r->counts.last_ns = r->now_ns;
	if (r->now_ns - r->tick_ns < NS_PER_S)
		return;
	r->tick_ns = r->now_ns;
	r->hooks.tick(r->hooks.arg, r->now_ns);
}

static int frame_run(struct replay *r, const struct pcap_frame *f)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = f->bytes, .data_size_in = (__u32)f->len, .repeat = 1);

	r->frame_len = (uint32_t)f->original_len;
	set_time(r, f->time_ns);
	if (bpf_prog_test_run_opts(r->program, &run)) {
		if (errno == EPERM || errno == ENOMEM)
			return -errno;
		if (errno == EINVAL && f->len > 1500)
			r->counts.refused_large++;
		else
			r->counts.refused_kernel++;
		return 0;
	}
	int n = ring_buffer__consume(r->ring);
	return n < 0 ? n : 0;
}

/* The kernel takes no frame without a whole Ethernet header: what is known of such is that it came. */
static void runts_tell(struct replay *r, const struct pcap_file *file, uint64_t *told)
{
	for (; *told < pcap_file_runts(file); ++*told) {
		r->copy.frame = (struct pk_frame){
			.rec = {.kind = PK_FRAME, .size = sizeof(struct pk_frame), .time_ns = r->now_ns},
			.hook = PK_HOOK_XDP,
		};
		r->counts.records++;
		r->hooks.record(r->hooks.arg, &r->copy.rec);
	}
}

/* A fragment is seen as it came; its datagram, too, once it is whole. */
static int frame_read(struct replay *r, const struct pcap_frame *f)
{
	const struct defrag_frame fragment = {.bytes = f->bytes, .len = f->len, .time_ns = f->time_ns};
	struct defrag_whole whole;
	int error = frame_run(r, f);

	r->counts.frames++;
	r->counts.bytes += f->len;
	if (!error && defrag_add(r->defrag, &fragment, &whole))
		error = frame_run(r, &(struct pcap_frame){.bytes = whole.frame.bytes,
							  .len = whole.frame.len,
							  .original_len = whole.frame.len,
							  .time_ns = whole.frame.time_ns});
	struct defrag_counts d = defrag_counts(r->defrag);
	r->counts.datagrams = d.whole;
	r->counts.datagrams_overlapping = d.overlapping;
	r->counts.datagrams_given_up = d.given_up;
	return error;
}

int replay_file(struct replay *r, struct pcap_file *file, struct buffer *errors)
{
	struct pcap_frame frame;
	uint64_t runts = 0;
	int next, error = 0;

	while ((next = pcap_file_next(file, &frame, errors)) == 0 && !error) {
		runts_tell(r, file, &runts);
		error = frame_read(r, &frame);
	}
	runts_tell(r, file, &runts);
	if (next == PCAP_FILE_E_CUT)
		r->counts.files_cut++;
	for (unsigned i = 0; i < PCAP_REFUSED_MAX; i++)
		r->counts.refused[i] += pcap_file_refused(file, (enum pcap_refusal)i);
	return error;
}

/* --- what was counted --- */

static uint64_t records_lost(const struct replay *r)
{
	int cpus = libbpf_num_possible_cpus();
	__u32 zero = 0;
	uint64_t lost = 0;

	if (cpus < 0)
		return 0;
	_cleanup_free_ struct pk_counters *all = calloc((size_t)cpus, sizeof *all);
	if (!all || bpf_map_lookup_elem(map_fd(r, "pk_stats"), &zero, all))
		return 0;
	for (int cpu = 0; cpu < cpus; cpu++)
		lost += all[cpu].v[PK_C_HDR_LOST];
	return lost;
}

struct replay_counts replay_counts(const struct replay *r)
{
	struct replay_counts counts = r->counts;

	counts.records_lost = records_lost(r);
	return counts;
}

void replay_free(struct replay *r)
{
	if (!r)
		return;
	ring_buffer__free(r->ring);
	defrag_free(r->defrag);
	bpf_object__close(r->object);
	free(r);
}
