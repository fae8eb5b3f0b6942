// SPDX-License-Identifier: Apache-2.0
#include "sensor/doctor_loop.h"
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "lib/clock.h"
#include "lib/util.h"
#include "sensor/kernel.h"
#include "sensor/kernel_trial.h"
#include "sensor/ports.h"
#include "sensor/reader.h"
#include "sensor/sandbox.h"
#include "sensor/scratch.h"

#define ALL_MS    60000 /* an emulated machine is slow; a real one needs about a second */
#define ANSWER_MS 5000  /* a request that should pass */
#define DENIED_MS 200   /* one that should not: the first SYN is enough */
#define EVENT_MS  2000  /* until its bytes came out of the ring */
#define DENY_S    60
#define PROGRAMS  32
#define MODES     3

static const enum config_packet_mode modes[MODES] = {PACKET_TC, PACKET_XDP_GENERIC, PACKET_XDP_NATIVE};

struct loop {
	const struct config *config;
	bool verbose;
	int out; /* checks go there */
	struct scratch scratch;
	int stage; /* what scratch_enter said */
	struct kernel *kernel;
	struct reader *reader;
	struct kernel_program programs[PROGRAMS];
	unsigned program_count;
	/* What the reader is asked to look for, and whether it came. */
	char target[64];
	unsigned asked;
	size_t seen_bytes;
	bool header_seen;
	/* The receive path program: attached as the daemon does it, while the first rights last. */
	int receive_result;
	char receive_why[400];
	bool receive_seen;
};

static uint64_t now_ns(void)
{
	return clock_boot_ns(&clock_system);
}

static void tell(struct loop *l, const struct check *c)
{
	/* The receiver is our parent; where it is gone, so are we. */
	if (send(l->out, c, sizeof *c, MSG_NOSIGNAL) < 0)
		_exit(1);
}

/* The kernel half's messages, on one line. */
static const char *detail_of(const struct buffer *errors, char ret[static 400])
{
	size_t n = MIN(errors->len, 399);

	if (n)
		memcpy(ret, errors->data, n);
	while (n > 0 && (ret[n - 1] == '\n' || ret[n - 1] == ' '))
		n--;
	ret[n] = 0;
	for (size_t i = 0; i < n; i++)
		if (ret[i] == '\n')
			ret[i] = ',';
	return n ? ret : "no reason was given";
}

/* --- load --- */

static int kernel_start(struct loop *l, struct buffer *errors)
{
	const struct kernel_options options = {.netns = l->scratch.netns, .verbose = l->verbose};
	struct pk_config config = {
		.netns = l->scratch.netns,
		.sample_n = 1, /* the header of every segment, whatever the configuration thins out */
		.header_rate = 100000,
		.header_burst = 100000,
		.read_max = l->config->capture.read_max,
		.share_divisor = 8,
		.boot_ahead_ns = clock_boot_ahead_ns(),
	};
	struct pk_ports ports = {0};

	int r = kernel_load(l->config, &options, &l->kernel, errors);
	if (r)
		return r;
	kernel_load_packets(l->kernel);
	ports.watched[l->scratch.port >> 6] = 1ull << (l->scratch.port & 63);
	r = kernel_config_set(l->kernel, &config);
	return r ? r : ports_write(kernel_ports_fd(l->kernel), &ports);
}

/* By asking the kernel, not by its version. "": what we know of is all there. */
static void kernel_lacks(char *ret, size_t size)
{
	const struct {
		int there; /* 1 yes, 0 no, negative: could not be asked */
		const char *what;
	} needs[] = {
		{libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, NULL), "the BPF ring buffer (Linux 5.8)"},
		{libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_ktime_get_boot_ns, NULL),
		 "the boot clock in BPF programs (5.8)"},
		{libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_loop, NULL),
		 "loops by bpf_loop (5.17)"},
	};
	size_t n = 0;

	ret[0] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(needs); i++)
		if (needs[i].there == 0 && n < size)
			n += (size_t)snprintf(ret + n, size - n, "%s%s", n ? ", " : "", needs[i].what);
}

/*
 * Debian's kernels know a level 3 of kernel.perf_event_paranoid, at which perf buffers take CAP_SYS_ADMIN
 * whatever CAP_PERFMON says. Found by opening one.
 */
static bool perf_is_refused(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.size = sizeof attr,
		.sample_type = PERF_SAMPLE_RAW,
	};
	_cleanup_close_ int fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 && errno == EACCES;
}

static void say_perf_refused(struct check *c)
{
	check_say(c, CHECK_FAIL,
		  "perf buffers, which this kernel's requests come through, take CAP_SYS_ADMIN while "
		  "kernel.perf_event_paranoid is over 2");
	check_mend(c, "sysctl kernel.perf_event_paranoid=2");
	c->cause = CAUSE_PERMISSION;
}

static void load_failed(struct loop *l, int r, const struct buffer *errors)
{
	struct check c = check_of("load", NULL);
	char detail[400], lacks[160];

	detail_of(errors, detail);
	if (r == KERNEL_E_PERMISSION || r == -EPERM) {
		check_say(&c, CHECK_FAIL,
			  "the kernel refused to load the programs although the capabilities are there: %s",
			  detail);
		check_mend(&c, "sudo picket doctor, outside of the container or with a seccomp profile that "
			       "allows bpf()");
		c.cause = CAUSE_PERMISSION;
	} else if (r == KERNEL_E_UNSUPPORTED && perf_is_refused()) {
		say_perf_refused(&c);
	} else if (r == KERNEL_E_UNSUPPORTED) {
		kernel_lacks(lacks, sizeof lacks);
		check_say(&c, CHECK_FAIL, "this kernel lacks what picket needs%s%s (%s)",
			  lacks[0] ? ": " : "", lacks, detail);
		check_mend(&c, "a kernel of 5.17 or later with BTF; Debian 12's (6.1) is enough");
		c.cause = CAUSE_KERNEL;
	} else {
		check_say(&c, CHECK_FAIL, "the programs could not be loaded: %s (%s)", detail, strerror(-r));
		c.cause = CAUSE_KERNEL;
	}
	check_cost(&c, "picket run cannot start: nothing is seen and nothing is stopped");
	tell(l, &c);
}

/* Programs come and go with the interfaces they are attached to: remember each once. */
static void programs_note(struct loop *l)
{
	struct kernel_program now[PROGRAMS];
	unsigned n = kernel_programs(l->kernel, now, PROGRAMS);

	for (unsigned i = 0; i < MIN(n, PROGRAMS); i++) {
		bool known = false;

		for (unsigned k = 0; k < l->program_count && !known; k++)
			known = strcmp(l->programs[k].name, now[i].name) == 0;
		if (!known && l->program_count < PROGRAMS)
			l->programs[l->program_count++] = now[i];
	}
}

/* Why the perf buffer, where it is the perf buffer. */
static const char *perf_reason(const struct config *config)
{
	return config->capture.source == CAPTURE_PERF
		       ? "because capture.source asks for it"
		       : "because tracing programs of this kernel may not read packets for the ring (about "
			 "6.12 and later may)";
}

static bool program_known(const struct loop *l, const char *name)
{
	for (unsigned i = 0; i < l->program_count; i++)
		if (strcmp(l->programs[i].name, name) == 0)
			return true;
	return false;
}

static void load_worked(struct loop *l, uint64_t took_ns)
{
	struct check c = check_of("load", NULL);
	bool perf = kernel_uses_perf(l->kernel);
	bool tc = program_known(l, "pk_tc"), xdp = program_known(l, "pk_xdp");

	check_say(&c, tc && xdp ? CHECK_OK : CHECK_WARN,
		  "%u programs pass the verifier in %llu ms; requests come through the %s%s%s%s",
		  l->program_count, (unsigned long long)(took_ns / NS_PER_MS),
		  perf ? "perf buffer " : "ring buffer", perf ? perf_reason(l->config) : "",
		  tc ? "" : "; the packet program does not load as tc",
		  xdp ? "" : "; the packet program does not load as XDP");
	if (!tc || !xdp)
		check_cost(&c, "packets are seen and dropped by the other of the two alone");
	check_fact_text(&c, "path", perf ? "perf" : "ring");
	tell(l, &c);
}

static void programs_tell(struct loop *l)
{
	for (unsigned i = 0; i < l->program_count; i++) {
		const struct kernel_program *p = &l->programs[i];
		struct check c = check_of("load.program", p->name);

		if (p->insns)
			check_say(&c, CHECK_OK, "%u instructions verified", p->insns);
		else
			check_say(&c, CHECK_OK, "verified; this kernel does not tell how many instructions");
		check_fact_uint(&c, "verified_instructions", p->insns);
		tell(l, &c);
	}
}

/* --- one request, seen or not --- */

static void on_record(void *arg, const struct pk_record *rec)
{
	struct loop *l = arg;

	if (rec->kind == PK_DATA) {
		const struct pk_data *d = (const struct pk_data *)rec;
		const char *bytes = (const char *)(d + 1) + d->lead;

		if (memmem(bytes, d->captured, l->target, strlen(l->target)))
			l->seen_bytes = d->captured;
	} else if (rec->kind == PK_HEADER) {
		const struct pk_header *h = (const struct pk_header *)rec;

		if (h->destination_port != l->scratch.port || !(h->flags & PK_TCP_SYN))
			return;
		if (h->hook == PK_HOOK_KPROBE)
			l->receive_seen = true;
		else
			l->header_seen = true;
	}
}

static void target_next(struct loop *l)
{
	snprintf(l->target, sizeof l->target, "/picket-doctor-%d-%u", getpid(), ++l->asked);
	l->seen_bytes = 0;
	l->header_seen = false;
	l->receive_seen = false;
}

/* Until the request's own bytes came out of the ring, and the SYN's header where one is expected. */
static bool event_came(struct loop *l, bool with_header)
{
	uint64_t until = now_ns() + EVENT_MS * NS_PER_MS;

	while (now_ns() < until) {
		if (reader_poll(l->reader, -1, 20) < 0)
			return false;
		if (l->seen_bytes && (l->header_seen || !with_header))
			return true;
	}
	return false;
}

/* --- the loop on one interface --- */

static int deny_client(struct loop *l, bool on)
{
	struct prefix client;

	if (prefix_parse(span_from(SCRATCH_CLIENT), &client))
		return -EINVAL;
	struct deny *deny = kernel_deny(l->kernel);
	return on ? deny_put(deny, &client, now_ns() + DENY_S * NS_PER_S, PK_ACT_DROP, PK_SCOPE_PORTS, 1)
		  : deny_remove(deny, &client);
}

static uint64_t client_hits(struct loop *l)
{
	struct prefix client;
	struct pk_hit hit = {0};

	if (prefix_parse(span_from(SCRATCH_CLIENT), &client) ||
	    deny_hits(kernel_deny(l->kernel), &client, &hit))
		return 0;
	return hit.packets;
}

static void broke(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void broke(struct check *c, const char *format, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	check_say(c, CHECK_FAIL, "%s", text);
	check_cost(c, "on an interface in this mode picket would not do what it says");
	check_mend(c, "report it, with the output of: picket doctor --verbose --json");
}

/* See, deny, drop, undo. False: *c says what went wrong. */
static bool loop_prove(struct loop *l, struct check *c)
{
	uint64_t started = now_ns();

	target_next(l);
	int r = scratch_request_veth(&l->scratch, l->target, ANSWER_MS);
	if (r)
		return broke(c, "attached, but a request over the veth got no answer: %s", strerror(-r)),
		       false;
	if (!event_came(l, true))
		return broke(c, "attached and the request was answered, but %s did not come out of the ring",
			     l->seen_bytes ? "the header of its SYN" : "its bytes"),
		       false;
	size_t bytes = l->seen_bytes;

	r = deny_client(l, true);
	if (r)
		return broke(c, "the client could not be denied: %s",
			     r < 0 ? strerror(-r) : "the map is full"),
		       false;
	target_next(l);
	r = scratch_request_veth(&l->scratch, l->target, DENIED_MS);
	uint64_t dropped = client_hits(l);
	int undo = deny_client(l, false);
	if (r == 0)
		return broke(c, "a denied client was answered all the same"), false;
	if (r != -ETIMEDOUT || !dropped)
		return broke(c, "a denied client's attempt ended with \"%s\" and %llu dropped packets",
			     strerror(-r), (unsigned long long)dropped),
		       false;
	target_next(l);
	r = undo ? -EIO : scratch_request_veth(&l->scratch, l->target, ANSWER_MS);
	if (r)
		return broke(c, "the client stayed cut off after the deny was undone"), false;
	check_say(c, CHECK_OK,
		  "attached; a request's %zu bytes read from the ring; its sender denied, next packet "
		  "dropped; undone, answered again (%llu ms)",
		  bytes, (unsigned long long)((now_ns() - started) / NS_PER_MS));
	check_fact_uint(c, "packets_dropped", dropped);
	return true;
}

/* True: attached, whatever came of it. False: the kernel refused the mode; *c warns. */
static bool loop_mode(struct loop *l, enum config_packet_mode mode, struct check *c)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(16384);
	struct kernel_attachment a = {.mode = PACKET_OFF};
	char detail[400], id[32];

	snprintf(id, sizeof id, "loop.%s", config_packet_mode_name(mode));
	*c = check_of(id, NULL);
	int r = kernel_attach_interface(l->kernel, SCRATCH_INTERFACE, mode, &a, &errors);
	if (r || a.mode != mode) {
		check_say(c, CHECK_WARN, "the kernel refused it on a veth: %s",
			  a.note[0] ? a.note : detail_of(&errors, detail));
		check_cost(c, "picket uses another mode here");
		if (!r)
			kernel_detach_interface(l->kernel, a.ifindex);
		return false;
	}
	programs_note(l);
	loop_prove(l, c);
	kernel_detach_interface(l->kernel, a.ifindex);
	return true;
}

static void loop_veth(struct loop *l)
{
	struct check checks[MODES];
	bool attached[MODES], any = false;

	for (unsigned i = 0; i < MODES; i++) {
		attached[i] = loop_mode(l, modes[i], &checks[i]);
		any = any || attached[i];
	}
	for (unsigned i = 0; i < MODES; i++) {
		bool wanted = l->config->capture.packet_mode == modes[i];

		if (!attached[i] && (wanted || !any)) {
			checks[i].state = CHECK_FAIL;
			checks[i].cause = CAUSE_KERNEL;
			check_cost(&checks[i],
				   wanted ? "capture.packet_mode asks for it: packets are neither counted "
					    "nor dropped"
					  : "packets are neither counted nor dropped: nobody can be stopped");
			check_mend(&checks[i],
				   wanted ? "capture.packet_mode: auto" : "modprobe sch_ingress cls_bpf");
		}
		tell(l, &checks[i]);
	}
}

static void loop_loopback(struct loop *l)
{
	struct check c = check_of("loop.loopback", NULL);

	target_next(l);
	int r = scratch_request_loopback(&l->scratch, l->target, ANSWER_MS);
	if (r)
		broke(&c, "a request over loopback got no answer: %s", strerror(-r));
	else if (!event_came(l, false))
		broke(&c, "a request over loopback was answered, but its bytes did not come out of the ring");
	else
		check_say(&c, CHECK_OK,
			  "a request over loopback was answered and its %zu bytes read from the ring",
			  l->seen_bytes);
	tell(l, &c);
}

/* --- the receive path --- */

static void receive_attach(struct loop *l)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(4096);

	if (l->config->capture.receive == RECEIVE_OFF)
		return;
	l->receive_result = kernel_attach_receive(l->kernel, true, &errors);
	if (l->receive_result)
		detail_of(&errors, l->receive_why);
}

static void receive_refused(struct loop *l, struct check *c)
{
	bool asked = l->config->capture.receive == RECEIVE_KPROBE;

	check_say(c, asked ? CHECK_FAIL : CHECK_SKIP, "%s", l->receive_why);
	check_cost(c, asked ? "capture.receive asks for it: it is without effect"
			    : "an interface without a packet program reports no TCP headers; nothing else "
			      "depends on it");
	if (l->receive_result == KERNEL_E_PERMISSION)
		check_mend(c, "sysctl kernel.perf_event_paranoid=2");
	else if (asked)
		check_mend(c, "capture.receive: auto");
	c->cause = l->receive_result == KERNEL_E_PERMISSION ? CAUSE_PERMISSION : CAUSE_KERNEL;
}

/* A SYN over loopback, where no packet program is; then off, so that it does not answer for the modes. */
static void loop_receive(struct loop *l)
{
	struct check c = check_of("loop.receive", NULL);

	target_next(l);
	if (l->config->capture.receive == RECEIVE_OFF) {
		check_say(&c, CHECK_SKIP, "capture.receive is off");
	} else if (l->receive_result) {
		receive_refused(l, &c);
	} else {
		int r = scratch_request_loopback(&l->scratch, l->target, ANSWER_MS);

		programs_note(l);
		if (!r && event_came(l, false) && l->receive_seen)
			check_say(&c, CHECK_OK,
				  "kprobes on the TCP receive path attach, and the header of a SYN over "
				  "loopback came out of the ring");
		else
			broke(&c, "attached to the TCP receive path, but the header of a SYN over loopback "
				  "did not come out of the ring");
		check_fact_text(&c, "hook", "kprobe");
	}
	kernel_detach_receive(l->kernel);
	tell(l, &c);
}

/* --- where there is no stage: the packet program on one frame, inside the kernel --- */

static bool trial_prove(struct loop *l, enum config_packet_mode mode, struct check *c)
{
	struct addr client;
	bool before = false, denied = false, after = false;

	int r = addr_parse(span_from(SCRATCH_CLIENT), &client) ? -EINVAL : 0;
	if (!r)
		r = kernel_trial_syn(l->kernel, mode, &client, l->scratch.port, &before);
	if (!r)
		r = deny_client(l, true);
	if (!r)
		r = kernel_trial_syn(l->kernel, mode, &client, l->scratch.port, &denied);
	uint64_t dropped = client_hits(l);
	int undo = deny_client(l, false);
	if (!r)
		r = undo ? -EIO : kernel_trial_syn(l->kernel, mode, &client, l->scratch.port, &after);
	if (r)
		return broke(c, "a test run in the kernel failed: %s",
			     r < 0 ? strerror(-r) : "the map is full"),
		       false;
	if (before || !denied || !dropped || after)
		return broke(c, "in a test run a SYN was %s before the deny, %s under it, %s after it",
			     before ? "dropped" : "passed", denied ? "dropped" : "passed",
			     after ? "dropped" : "passed"),
		       false;
	return true;
}

/* Only what can be run without an interface; what that leaves unproved is said. */
static void loop_trials(struct loop *l)
{
	static const enum config_packet_mode trials[] = {PACKET_TC, PACKET_XDP_GENERIC};
	bool veth = l->stage == SCRATCH_E_VETH;

	for (size_t i = 0; i < ARRAY_SIZE(trials); i++) {
		struct check c = check_of(trials[i] == PACKET_TC ? "loop.tc" : "loop.xdp", NULL);

		if (trial_prove(l, trials[i], &c)) {
			check_say(&c, CHECK_WARN,
				  "%s, so only by a test run in the kernel: a SYN passes, is dropped when "
				  "its sender is denied, and passes again",
				  veth ? "this kernel has no veth" : "no network namespace may be made here");
			check_cost(&c, "attaching to an interface is not proved");
			check_mend(&c, veth ? "modprobe veth"
					    : "run it with CAP_SYS_ADMIN: sudo picket doctor, outside of the "
					      "container");
		}
		tell(l, &c);
	}
}

/* --- the process --- */

static void answers_told(struct loop *l)
{
	struct check c = check_of("attach.answers", NULL);

	if (kernel_answers(l->kernel)) {
		check_say(&c, CHECK_OK, "what servers answer is seen");
	} else {
		check_say(&c, CHECK_SKIP,
			  "this kernel offers no place to look at what servers answer: neither "
			  "the tracepoint tcp_sendmsg_locked nor tracing of functions");
		check_cost(&c, "requests have no status, latency and size; rules with a status never count");
	}
	tell(l, &c);
}

static int tracepoints_attach(struct loop *l)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(16384);
	struct check c = check_of("attach.tcp", NULL);
	char detail[400];

	int r = kernel_attach_tcp(l->kernel, &errors);
	int opened = r ? 0 : reader_new(l->kernel, on_record, l, &l->reader);
	if (opened && kernel_uses_perf(l->kernel) && perf_is_refused()) {
		say_perf_refused(&c);
		check_cost(&c, "no request is seen");
	} else if (opened) {
		check_say(&c, CHECK_FAIL, "the rings could not be opened for reading: %s", strerror(-opened));
		check_cost(&c, "no request is seen");
		c.cause = CAUSE_KERNEL;
	} else if (r) {
		check_say(&c, CHECK_FAIL, "the TCP tracepoints could not be attached: %s",
			  detail_of(&errors, detail));
		check_cost(&c, "no request is seen");
		c.cause = r == KERNEL_E_PERMISSION || r == -EPERM ? CAUSE_PERMISSION : CAUSE_KERNEL;
	} else {
		check_say(&c, CHECK_OK, "the TCP tracepoints are attached and the rings are read");
	}
	tell(l, &c);
	if (!r && !opened)
		answers_told(l);
	return r ? r : opened;
}

static int loop_main(struct loop *l)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(65536);

	l->stage = scratch_enter(&l->scratch);
	if (l->stage < 0) {
		struct check c = check_of("loop.stage", NULL);
		check_say(&c, CHECK_FAIL, "the scratch stage could not be built: %s", strerror(-l->stage));
		check_cost(&c, "neither loading nor the loop is proved");
		tell(l, &c);
		return 1;
	}
	uint64_t started = now_ns();
	int r = kernel_start(l, &errors);
	if (r) {
		load_failed(l, r, &errors);
		return 1;
	}
	uint64_t took = now_ns() - started;
	receive_attach(l);
	/* From here on with no more than the daemon has when it does the same: what needs more must fail here
	 * too. */
	r = sandbox_warden();
	if (r) {
		buffer_printf(&errors, "the rights that picket run gives up could not be given up\n");
		load_failed(l, r, &errors);
		return 1;
	}
	programs_note(l);
	load_worked(l, took);
	if (tracepoints_attach(l))
		return 1;
	loop_loopback(l);
	loop_receive(l);
	if (l->stage == 0)
		loop_veth(l);
	else
		loop_trials(l);
	if (l->verbose)
		programs_tell(l);
	return 0;
}

static int process_main(const struct config *config, bool verbose, int out, pid_t parent)
{
	struct loop l = {
		.config = config,
		.verbose = verbose,
		.out = out,
		.scratch = {.socket = -1, .listener = -1},
	};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		return 1;
	int r = loop_main(&l);
	reader_free(l.reader);
	kernel_free(l.kernel);
	scratch_leave(&l.scratch);
	return r;
}

static void process_broke(struct doctor *d, const char *text)
{
	struct check c = check_of("loop.process", NULL);

	check_say(&c, CHECK_FAIL, "%s", text);
	check_cost(&c, "what comes after the last check above is not proved");
	check_mend(&c, "report it, with the output of: picket doctor --verbose --json");
	doctor_add(d, &c);
}

/* Checks as they come, until the process closes its end. */
static bool checks_receive(struct doctor *d, int in)
{
	uint64_t until = now_ns() + ALL_MS * NS_PER_MS;
	struct check c;

	for (;;) {
		struct pollfd p = {.fd = in, .events = POLLIN};
		uint64_t now = now_ns();
		int n = poll(&p, 1, now < until ? (int)((until - now) / NS_PER_MS) : 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		ssize_t got = recv(in, &c, sizeof c, 0);
		if (got <= 0)
			return true;
		if (got == (ssize_t)sizeof c)
			doctor_add(d, &c);
	}
}

void doctor_loop(struct doctor *d, const struct config *config)
{
	pid_t parent = getpid();
	int pair[2], status = 0;

	fflush(d->out);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		process_broke(d, "no socket pair could be made");
		return;
	}
	pid_t pid = fork();
	if (pid == 0) {
		close(pair[0]);
		_exit(process_main(config, d->verbose, pair[1], parent));
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		process_broke(d, "no process could be made");
		return;
	}
	bool ended = checks_receive(d, pair[0]);
	close(pair[0]);
	if (!ended)
		kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	if (!ended)
		process_broke(d, "the proving process did not end in time");
	else if (WIFSIGNALED(status))
		process_broke(d, "the proving process was ended by a signal");
}
