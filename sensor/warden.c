// SPDX-License-Identifier: Apache-2.0
/*
 * The warden: loads, attaches and owns every map, is the only writer of the allow and deny maps, and checks
 * each wish of the sensor against the hard limits. It reads no byte that came from outside. It starts the
 * sensor, restarts it when it dies or hangs, and takes everything down when it ends.
 */
#include "sensor/warden.h"
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include "lib/clock.h"
#include "lib/util.h"
#include "policies/redact.h"
#include "sensor/cli.h"
#include "sensor/notify.h"
#include "sensor/ports.h"
#include "sensor/sandbox.h"
#include "sensor/sensor.h"

#define BPFFS_MAGIC 0xcafe4a11
#define BPFFS       "/sys/fs/bpf"

#define PROTECT_MAX_AGE_NS (100 * NS_PER_MS) /* at decision time the set is never older than this */
#define PROTECT_REFRESH_NS (5 * NS_PER_S)    /* and never than this for the allow map */
#define RESCAN_NS          (2 * NS_PER_S)
#define RETRY_INTERFACE_NS (30 * NS_PER_S)
#define SWEEP_NS           (10 * NS_PER_S)
#define SENSOR_HUNG_NS     (10 * NS_PER_S)
#define SENSOR_STOP_MS     3000
#define EXTRA_MAX          64
#define SSHD_MAX           16
#define INTERFACES_MAX     64

struct warden {
	const char *config_file;
	const struct config_flag *flags;
	unsigned flag_count;
	struct config *config;

	struct kernel *kernel;
	struct pk_config kernel_config;
	char run_dir[PATH_MAX];
	char kill_pin[PATH_MAX]; /* "" = no bpffs here */
	char host[HOST_NAME_MAX + 1];
	int lock_fd, listen_fd, epoll, signals, timer;

	int socket; /* to the sensor; -1 while there is none */
	pid_t sensor;
	bool sensor_ready;
	uint64_t sensor_heard_ns, sensor_start_ns, restart_at_ns;
	uint32_t restarts;
	uid_t uid;
	gid_t gid;

	struct limits limits;
	struct protected_set protect; /* as last collected */
	struct protect_sources sources;
	uint64_t protect_ns;
	struct protected_set allowed; /* what the allow map holds */
	struct addr extra[EXTRA_MAX]; /* gateway peers told by the sensor */
	unsigned extra_count;

	uint16_t sshd_ports[SSHD_MAX];
	unsigned sshd_count;
	struct pk_ports ports;
	uint64_t absent[PK_PORT_WORDS]; /* watched ports that the last scan did not find */
	uint64_t scan_ns, sweep_ns;
	struct {
		unsigned ifindex;
		uint64_t retry_ns;
	} failed[INTERFACES_MAX];

	struct warden_block *list; /* snapshot for WARDEN_LIST */
	size_t list_count, list_size;
	uint64_t started_ns;
	bool stop, reload;
};

static uint64_t now_ns(void)
{
	return clock_boot_ns(&clock_system);
}

/* --- protected networks
 * -------------------------------------------------------------------------------------------- */

/* Keeps the allow map, which the packet program asks before the deny maps, equal to the protected set. */
static void allow_sync(struct warden *w)
{
	const struct deny_maps *maps = kernel_deny_maps(w->kernel);

	for (size_t i = 0; i < w->allowed.count; i++) {
		bool still = false;
		for (size_t j = 0; j < w->protect.count && !still; j++)
			still = prefix_equal(&w->allowed.items[i].net, &w->protect.items[j].net);
		if (!still)
			allow_remove(maps, &w->allowed.items[i].net);
	}
	protected_set_free(&w->allowed);
	for (size_t i = 0; i < w->protect.count; i++) {
		int r = allow_put(maps, &w->protect.items[i].net);
		if (r)
			log_warning("allow map refused a protected network", LOG_ERRNO(r < 0 ? r : -ENOSPC));
		else
			protected_set_add(&w->allowed, &w->protect.items[i].net, w->protect.items[i].why);
	}
}

static int protect_refresh(struct warden *w, uint64_t max_age_ns)
{
	uint64_t now = now_ns();

	if (w->protect_ns && now - w->protect_ns < max_age_ns)
		return 0;
	struct protect_input in = {
		.config = w->config,
		.sshd_ports = w->sshd_ports,
		.sshd_port_count = w->sshd_count,
		.extra = w->extra,
		.extra_count = w->extra_count,
	};
	int r = protect_collect(&in, &w->protect, &w->sources);
	if (r == 0)
		w->protect_ns = now;
	return r;
}

/* --- ports and interfaces
 * ------------------------------------------------------------------------------------------ */

static void ports_scan(struct warden *w, bool first)
{
	struct listener *listeners = NULL;
	struct pk_ports found, now;
	uint32_t zero = 0;
	size_t count;

	int r = listeners_read(first, &listeners, &count);
	if (r) {
		log_warning("listening sockets could not be read", LOG_ERRNO(r));
		return;
	}
	if (first) {
		ports_compute(w->config, listeners, count, &found, w->sshd_ports, SSHD_MAX, &w->sshd_count);
		w->ports = found;
		memset(w->absent, 0, sizeof w->absent);
	} else if (bpf_map_lookup_elem(kernel_ports_fd(w->kernel), &zero, &now) == 0) {
		uint16_t sshd[SSHD_MAX];
		unsigned sshd_count;
		ports_compute(w->config, listeners, count, &found, sshd, SSHD_MAX, &sshd_count);
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
	}
	free(listeners);
	r = ports_write(kernel_ports_fd(w->kernel), &w->ports);
	if (r)
		log_error("watched ports could not be written", LOG_ERRNO(r));
	w->scan_ns = now_ns();
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

static void interfaces_scan(struct warden *w)
{
	char names[INTERFACES_MAX][IF_NAMESIZE];
	struct kernel_attachment have[WARDEN_ATTACH_MAX];
	uint64_t now = now_ns();

	if (w->config->capture.packet_mode == PACKET_OFF)
		return;
	int count = kernel_interfaces(w->config, names, INTERFACES_MAX);
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

/* --- answers to the sensor
 * ----------------------------------------------------------------------------------------- */

static bool target_valid(const struct prefix *p)
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
	struct pk_deny have;

	if (!target_valid(&q->target) || (q->scope != PK_SCOPE_PORTS && q->scope != PK_SCOPE_HOST) ||
	    (q->action != PK_ACT_DROP && q->action != PK_ACT_SHADOW))
		return LIMITS_BAD_TARGET;
	if (kernel_kill_get(w->kernel))
		return WARDEN_E_KILL_SWITCH;
	/* Login sessions come and go: who is protected is asked now, not remembered. */
	int r = protect_refresh(w, PROTECT_MAX_AGE_NS);
	if (r)
		return r;
	uint64_t now = now_ns();
	enum limits_answer limit = limits_check(&w->limits, &w->protect, &q->target, q->ttl_ms, now, &which);
	if (which) {
		snprintf(a->which, sizeof a->which, "%s", which->why);
		a->which_net = which->net;
	}
	if (limit != LIMITS_OK)
		return (int)limit;
	uint64_t deadline_ns = now + q->ttl_ms * NS_PER_MS;
	const struct deny_maps *maps = kernel_deny_maps(w->kernel);
	/* The longest decision wins, whatever order they come in. */
	if (deny_get(maps, &q->target, &have) == 0 && have.action == q->action && have.scope >= q->scope &&
	    have.deadline_s * NS_PER_S >= deadline_ns) {
		a->installed_ns = now_ns();
		return 0;
	}
	r = deny_put(maps, &q->target, deadline_ns, (enum pk_action)q->action, (enum pk_scope)q->scope,
		     q->source);
	a->installed_ns = now_ns();
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
		int r = deny_each(kernel_deny_maps(w->kernel), list_add, w);
		if (r)
			return r;
	}
	for (size_t i = q->index; i < w->list_count && a->count < WARDEN_LIST_MAX; i++)
		a->blocks[a->count++] = w->list[i];
	return 0;
}

static int answer_protected(struct warden *w, const struct warden_request *q, struct warden_reply *a)
{
	int r = q->index == 0 ? protect_refresh(w, PROTECT_MAX_AGE_NS) : 0;

	if (r)
		return r;
	for (size_t i = q->index; i < w->protect.count && a->count < WARDEN_LIST_MAX; i++)
		a->protected[a->count++] = w->protect.items[i];
	return 0;
}

static int count_one(void *arg, const struct prefix *target, const struct pk_deny *value)
{
	(void)target;
	(void)value;
	(*(uint32_t *)arg)++;
	return 0;
}

static int answer_status(struct warden *w, struct warden_reply *a)
{
	uint32_t zero = 0;

	a->status.attachment_count = kernel_attachments(w->kernel, a->status.attachments, WARDEN_ATTACH_MAX);
	a->status.uses_perf = kernel_uses_perf(w->kernel);
	a->status.kill = kernel_kill_get(w->kernel);
	a->status.sensor_restarts = w->restarts;
	a->status.started_ns = w->started_ns;
	a->status.sources = w->sources;
	if (bpf_map_lookup_elem(kernel_ports_fd(w->kernel), &zero, &a->status.ports))
		a->status.ports = w->ports;
	deny_each(kernel_deny_maps(w->kernel), count_one, &a->status.blocks);
	return kernel_stats(w->kernel, a->status.stats);
}

static int answer_peer(struct warden *w, const struct warden_request *q)
{
	if (!target_valid(&q->target) || !prefix_is_exact(&q->target))
		return LIMITS_BAD_TARGET;
	for (unsigned i = 0; i < w->extra_count; i++)
		if (addr_equal(&w->extra[i], &q->target.addr))
			return 0;
	if (w->extra_count == EXTRA_MAX)
		return LIMITS_FULL;
	w->extra[w->extra_count++] = q->target.addr;
	w->protect_ns = 0;
	return 0;
}

static int answer(struct warden *w, const struct warden_request *q, struct warden_reply *a)
{
	switch (q->op) {
	case WARDEN_BLOCK:
		return answer_block(w, q, a);
	case WARDEN_UNBLOCK: {
		if (!target_valid(&q->target))
			return LIMITS_BAD_TARGET;
		int r = deny_remove(kernel_deny_maps(w->kernel), &q->target);
		a->installed_ns = now_ns();
		return r == DENY_E_NONE ? 0 : r;
	}
	case WARDEN_LIST:
		return answer_list(w, q, a);
	case WARDEN_STATUS:
		return answer_status(w, a);
	case WARDEN_HITS: {
		if (!target_valid(&q->target))
			return LIMITS_BAD_TARGET;
		int r = deny_hits(kernel_deny_maps(w->kernel), &q->target, &a->hit);
		return r == DENY_E_NONE ? 0 : r;
	}
	case WARDEN_PROTECTED:
		return answer_protected(w, q, a);
	case WARDEN_KILL: /* on only: what a person stopped, the sensor must not start again (picket resume)
			   */
		return q->flag ? kernel_kill_set(w->kernel, true) : -EPERM;
	case WARDEN_RESCAN:
		w->scan_ns = 0;
		return 0;
	case WARDEN_PEER:
		return answer_peer(w, q);
	}
	return -EINVAL;
}

static void sensor_gone(struct warden *w);

static void serve(struct warden *w)
{
	static struct warden_reply a; /* 10 kB; one at a time */
	struct warden_request q;

	ssize_t n = recv(w->socket, &q, sizeof q, MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		sensor_gone(w);
		return;
	}
	memset(&a, 0, sizeof a);
	a.result = n == (ssize_t)sizeof q ? answer(w, &q, &a) : -EINVAL;
	w->sensor_heard_ns = now_ns();
	if (!w->sensor_ready) {
		w->sensor_ready = true;
		notify_send("READY=1");
		log_info("ready", LOG_S("control", w->config->control),
			 LOG_S("mode", config_mode_name(w->config->mode)),
			 LOG_S("capture", kernel_uses_perf(w->kernel) ? "perf" : "ring"));
	}
	if (send(w->socket, &a, sizeof a, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN)
		sensor_gone(w);
}

/* --- the sensor process
 * -------------------------------------------------------------------------------------------- */

static int sensor_spawn(struct warden *w)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid_t parent = getpid();
	int r = sandbox_warden_raise(true);
	if (r)
		log_warning("the sensor will keep this user", LOG_ERRNO(r));
	pid_t pid = fork();
	if (pid == 0) {
		struct sensor_start start = {
			.config = w->config,
			.kernel = w->kernel,
			.warden_socket = pair[1],
			.listen_socket = w->listen_fd,
			.parent = parent,
			.uid = w->uid,
			.gid = w->gid,
			.host = w->host,
		};
		close(pair[0]);
		_exit(sensor_main(&start));
	}
	sandbox_warden_raise(false);
	close(pair[1]);
	if (pid < 0) {
		r = -errno;
		close(pair[0]);
		return r;
	}
	w->sensor = pid;
	w->socket = pair[0];
	w->sensor_start_ns = w->sensor_heard_ns = now_ns();
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = w->socket};
	epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->socket, &ev);
	w->kernel_config.own_tgid = (uint32_t)pid;
	return kernel_config_set(w->kernel, &w->kernel_config);
}

static void sensor_gone(struct warden *w)
{
	if (w->socket < 0)
		return;
	close(w->socket);
	w->socket = -1;
}

/* The warden has no CAP_KILL; it may signal a process of the user it becomes for a moment. */
static void sensor_kill(struct warden *w)
{
	if (w->sensor <= 0)
		return;
	if (kill(w->sensor, SIGKILL) && errno == EPERM && sandbox_warden_raise(true) == 0) {
		if (seteuid(w->uid) == 0) {
			kill(w->sensor, SIGKILL);
			if (seteuid(0))
				log_error("cannot become root again", LOG_ERRNO(-errno));
		}
		sandbox_warden_raise(false);
	}
}

static void sensor_reap(struct warden *w)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != w->sensor)
			continue;
		w->sensor = 0;
		sensor_gone(w);
		if (w->stop)
			continue;
		uint64_t now = now_ns();
		if (!w->reload) {
			w->restarts++;
			log_error("the sensor ended; starting it again",
				  LOG_I("status", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
				  LOG_I("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
		}
		/* One that dies at once would otherwise spin. */
		w->restart_at_ns = now - w->sensor_start_ns > 2 * NS_PER_S ? now : now + NS_PER_S;
		if (w->reload)
			w->restart_at_ns = now;
		w->reload = false;
	}
}

static void sensor_restart_due(struct warden *w, uint64_t now)
{
	if (w->sensor == 0 && !w->stop && now >= w->restart_at_ns) {
		int r = sensor_spawn(w);
		if (r) {
			log_error("the sensor could not be started", LOG_ERRNO(r));
			w->restart_at_ns = now + NS_PER_S;
		}
	} else if (w->sensor > 0 && now - w->sensor_heard_ns > SENSOR_HUNG_NS) {
		log_error("the sensor does not answer; ending it", LOG_I("pid", w->sensor));
		sensor_kill(w);
		w->sensor_heard_ns = now;
	}
}

/* Ask the sensor to end by hanging up, wait, then insist. */
static void sensor_stop(struct warden *w)
{
	uint64_t until = now_ns() + SENSOR_STOP_MS * NS_PER_MS;

	if (w->socket >= 0)
		shutdown(w->socket, SHUT_WR);
	while (w->sensor > 0 && now_ns() < until) {
		struct epoll_event ev[8];
		int n = epoll_wait(w->epoll, ev, ARRAY_SIZE(ev), 50);
		/* It may still ask while it flushes. */
		for (int i = 0; i < n; i++)
			if (ev[i].data.fd == w->socket && w->socket >= 0)
				serve(w);
		sensor_reap(w);
	}
	if (w->sensor > 0) {
		sensor_kill(w);
		waitpid(w->sensor, NULL, 0);
		w->sensor = 0;
	}
	sensor_gone(w);
}

/* --- start
 * ----------------------------------------------------------------------------------------------------------
 */

static int make_dirs(const char *path, mode_t mode)
{
	char text[PATH_MAX];

	if ((size_t)snprintf(text, sizeof text, "%s", path) >= sizeof text)
		return -ENAMETOOLONG;
	for (char *p = text + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		if (mkdir(text, 0755) && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	if (mkdir(text, mode) && errno != EEXIST)
		return -errno;
	return 0;
}

static int fail(int status, const char *what, const char *hint, int r)
{
	log_error(what, LOG_ERRNO(r), LOG_S("hint", hint));
	return status;
}

static int directories_make(struct warden *w)
{
	char text[PATH_MAX], path[PATH_MAX + 8];

	snprintf(text, sizeof text, "%s", w->config->control);
	snprintf(w->run_dir, sizeof w->run_dir, "%s", dirname(text));
	int r = make_dirs(w->run_dir, 0755);
	if (r)
		return fail(EXIT_NOT_PERMITTED, "the control socket's folder cannot be made",
			    "set control: in the configuration", r);
	r = make_dirs(w->config->state_dir, 0700);
	if (r)
		return fail(EXIT_NOT_PERMITTED, "the state folder cannot be made",
			    "set state_dir: in the configuration", r);
	snprintf(path, sizeof path, "%s/lock", w->run_dir);
	w->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (w->lock_fd < 0)
		return fail(EXIT_NOT_PERMITTED, "the lock file cannot be opened", path, -errno);
	if (flock(w->lock_fd, LOCK_EX | LOCK_NB)) {
		log_error("another picket runs under this control socket",
			  LOG_S("control", w->config->control),
			  LOG_S("hint", "stop it, or choose another instance: or control:"));
		return EXIT_NO;
	}
	struct statfs fs;
	if (statfs(BPFFS, &fs) == 0 && (unsigned long)fs.f_type == BPFFS_MAGIC) {
		snprintf(w->kill_pin, sizeof w->kill_pin, BPFFS "/picket/%s", w->config->instance);
		r = make_dirs(w->kill_pin, 0700);
		if (r)
			w->kill_pin[0] = 0;
		else
			snprintf(w->kill_pin, sizeof w->kill_pin, BPFFS "/picket/%s/kill",
				 w->config->instance);
	}
	if (!w->kill_pin[0])
		log_warning("no bpffs at " BPFFS ": the kill switch is found by its map id only",
			    LOG_S("hint", "mount -t bpf bpf " BPFFS));
	return 0;
}

static int listen_make(struct warden *w)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	if (strlen(w->config->control) >= sizeof at.sun_path)
		return fail(EXIT_USAGE, "the control socket's path is too long", "107 bytes at most",
			    -ENAMETOOLONG);
	strcpy(at.sun_path, w->config->control);
	w->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (w->listen_fd < 0)
		return fail(EXIT_NO, "no control socket", "", -errno);
	unlink(w->config->control); /* ours: the lock is held */
	mode_t old = umask(0117);
	int r = bind(w->listen_fd, (struct sockaddr *)&at, sizeof at) || listen(w->listen_fd, 64) ? -errno
												  : 0;
	umask(old);
	if (r)
		return fail(EXIT_NO, "the control socket cannot be bound", w->config->control, r);
	struct group *g = getgrnam("picket");
	if (g && chown(w->config->control, 0, g->gr_gid))
		log_warning("the control socket stays root's alone", LOG_ERRNO(-errno));
	return 0;
}

static void kill_id_write(struct warden *w)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof info;
	char path[PATH_MAX + 8];

	snprintf(path, sizeof path, "%s/kill.id", w->run_dir);
	if (bpf_obj_get_info_by_fd(kernel_kill_fd(w->kernel), &info, &len))
		return;
	_cleanup_fclose_ FILE *f = fopen(path, "we");
	if (f)
		fprintf(f, "%u\n", info.id);
}

static uint64_t cgroup_id(const char *path)
{
	char text[PATH_MAX];
	struct stat st;

	if (!path || !*path)
		return 0;
	snprintf(text, sizeof text, "/sys/fs/cgroup/%s", path);
	return stat(text, &st) ? UINT64_MAX : st.st_ino; /* cgroup2: the inode number is the id */
}

static void kernel_config_fill(struct warden *w)
{
	struct stat st = {0};
	const struct config *c = w->config;

	if (stat("/proc/self/ns/net", &st))
		log_warning("own network namespace unknown", LOG_ERRNO(-errno));
	w->kernel_config = (struct pk_config){
		.netns = (uint32_t)st.st_ino,
		.own_tgid = w->kernel_config.own_tgid,
		.cgroup_id = cgroup_id(c->capture.cgroup),
		.follow_listen = c->capture.ports.count == 0,
		.sample_n = c->capture.header_sample,
		.header_rate = c->capture.header_rate,
		.header_burst = c->capture.header_burst,
		.read_max = c->capture.read_max,
		.share_divisor = 8,
	};
	if (w->kernel_config.cgroup_id == UINT64_MAX)
		log_error("no such cgroup: no request will be seen", LOG_S("cgroup", c->capture.cgroup));
}

static int kernel_start(struct warden *w)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(65536);

	int swept = kernel_sweep();
	if (swept > 0)
		log_info("swept what an earlier picket left attached", LOG_I("programs", swept));
	kernel_config_fill(w);
	struct kernel_options options = {
		.netns = w->kernel_config.netns,
		.cgroup_id = w->kernel_config.cgroup_id,
		.kill_pin = w->kill_pin[0] ? w->kill_pin : NULL,
		.verbose = w->config->log.level == LOG_DEBUG,
	};
	int r = kernel_load(w->config, &options, &w->kernel, &errors);
	if (r == KERNEL_E_PERMISSION || r == -EPERM)
		return log_error("the kernel refused to load", LOG_SPAN("detail", buffer_span(&errors)),
				 LOG_S("hint", "run as root; see picket doctor")),
		       EXIT_NOT_PERMITTED;
	if (r)
		return log_error("this kernel lacks what picket needs",
				 LOG_SPAN("detail", buffer_span(&errors)),
				 LOG_S("hint", "picket doctor says what and why")),
		       EXIT_KERNEL;
	kill_id_write(w);
	if (kernel_kill_get(w->kernel))
		log_warning("the kill switch is on: nothing is dropped", LOG_S("hint", "picket resume"));
	r = kernel_config_set(w->kernel, &w->kernel_config);
	if (r)
		return fail(EXIT_KERNEL, "the kernel half could not be configured", "", r);
	ports_scan(w, true);
	protect_refresh(w, 0);
	allow_sync(w);
	r = kernel_attach_tcp(w->kernel, &errors);
	if (r)
		return log_error("tracepoints could not be attached",
				 LOG_SPAN("detail", buffer_span(&errors)),
				 LOG_S("hint", "picket doctor says what and why")),
		       EXIT_KERNEL;
	interfaces_scan(w);
	return 0;
}

static int loop_make(struct warden *w)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	w->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (w->epoll < 0 || w->signals < 0 || w->timer < 0)
		return fail(EXIT_NO, "no event loop", "", -errno);
	struct itimerspec second = {{1, 0}, {1, 0}};
	timerfd_settime(w->timer, 0, &second, NULL);
	struct epoll_event s = {.events = EPOLLIN, .data.fd = w->signals},
			   t = {.events = EPOLLIN, .data.fd = w->timer};
	epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->signals, &s);
	epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->timer, &t);
	return 0;
}

/* --- running
 * -------------------------------------------------------------------------------------------------------- */

static void tick(struct warden *w)
{
	uint64_t now = now_ns(), expirations;

	if (read(w->timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
		log_warning("timer", LOG_ERRNO(-errno));
	if (notify_watchdog_ns())
		notify_send("WATCHDOG=1");
	if (now - w->scan_ns >= RESCAN_NS) {
		ports_scan(w, false);
		interfaces_scan(w);
	}
	if (now - w->protect_ns >= PROTECT_REFRESH_NS && protect_refresh(w, 0) == 0)
		allow_sync(w);
	if (now - w->sweep_ns >= SWEEP_NS) {
		deny_sweep(kernel_deny_maps(w->kernel), now);
		w->sweep_ns = now;
	}
}

static void reload_now(struct warden *w)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(65536);
	struct config *next = NULL;

	notify_send("RELOADING=1");
	int r = config_load(w->config_file, w->flags, w->flag_count, environ, &next, &errors);
	if (r) {
		log_error("reload refused, the running configuration stays",
			  LOG_SPAN("detail", buffer_span(&errors)));
		notify_send("READY=1");
		return;
	}
	if (strcmp(next->control, w->config->control) || strcmp(next->state_dir, w->config->state_dir) ||
	    next->capture.ring_bytes != w->config->capture.ring_bytes ||
	    next->capture.header_ring_bytes != w->config->capture.header_ring_bytes ||
	    next->capture.source != w->config->capture.source ||
	    next->limits.blocks_max != w->config->limits.blocks_max)
		log_warning(
			"some settings change at the next start only",
			LOG_S("settings",
			      "control state_dir capture.ring_bytes capture.header_ring_bytes capture.source "
			      "limits.blocks_max"));
	/* The sensor gets its settings by a new start; what is in the rings and the deny maps stays. */
	w->reload = true;
	sensor_stop(w);
	config_free(w->config);
	w->config = next;
	limits_init(&w->limits, next);
	kernel_config_fill(w);
	kernel_config_set(w->kernel, &w->kernel_config);
	ports_scan(w, true);
	protect_refresh(w, 0);
	allow_sync(w);
	interfaces_scan(w);
	w->sensor_ready = false;
	w->reload = false;
	w->restart_at_ns = 0;
	log_info("configuration reloaded", LOG_S("mode", config_mode_name(next->mode)));
}

static void signals_read(struct warden *w)
{
	struct signalfd_siginfo info;

	while (read(w->signals, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo == SIGCHLD)
			sensor_reap(w);
		else if (info.ssi_signo == SIGHUP)
			reload_now(w);
		else
			w->stop = true;
	}
}

static void loop(struct warden *w)
{
	while (!w->stop) {
		struct epoll_event ev[8];

		sensor_restart_due(w, now_ns());
		int n = epoll_wait(w->epoll, ev, ARRAY_SIZE(ev), w->sensor ? -1 : 100);
		for (int i = 0; i < n; i++) {
			if (ev[i].data.fd == w->signals)
				signals_read(w);
			else if (ev[i].data.fd == w->timer)
				tick(w);
			else if (ev[i].data.fd == w->socket && w->socket >= 0)
				serve(w);
		}
	}
}

static void end(struct warden *w)
{
	char path[PATH_MAX + 8];

	if (w->sensor > 0)
		sensor_stop(w);
	bool kill = w->kernel && kernel_kill_get(w->kernel);
	kernel_free(w->kernel);
	if (w->listen_fd >= 0) {
		close(w->listen_fd);
		unlink(w->config->control);
	}
	/* A panic outlives us; otherwise nothing is left behind. */
	if (w->kill_pin[0] && !kill && w->kernel) {
		unlink(w->kill_pin);
		char text[PATH_MAX];
		snprintf(text, sizeof text, "%s", w->kill_pin);
		char *dir = dirname(text);
		rmdir(dir);
		rmdir(dirname(dir)); /* stays while another instance has its own in it */
	}
	snprintf(path, sizeof path, "%s/kill.id", w->run_dir);
	unlink(path);
	if (w->lock_fd >= 0)
		close(w->lock_fd);
	protected_set_free(&w->protect);
	protected_set_free(&w->allowed);
	free(w->list);
	config_free(w->config);
}

int warden_run(const char *config_file, const struct config_flag *flags, unsigned flag_count,
	       struct config *config)
{
	struct warden w = {
		.config_file = config_file,
		.flags = flags,
		.flag_count = flag_count,
		.config = config,
		.lock_fd = -1,
		.listen_fd = -1,
		.socket = -1,
		.started_ns = now_ns(),
	};

	log_setup("warden", config->log.level, config->log.format);
	if (gethostname(w.host, sizeof w.host - 1))
		strcpy(w.host, "localhost");
	limits_init(&w.limits, config);
	int r = sandbox_user(config->user, &w.uid, &w.gid);
	if (r) {
		log_error("no such user for the sensor", LOG_S("user", config->user),
			  LOG_S("hint", "create it, or set user: to one that exists"));
		config_free(config);
		return EXIT_USAGE;
	}
	r = directories_make(&w);
	if (!r)
		r = listen_make(&w);
	if (!r)
		r = loop_make(&w);
	if (!r)
		r = kernel_start(&w);
	if (!r) {
		int e = sandbox_warden();
		if (e)
			r = fail(EXIT_NOT_PERMITTED, "capabilities could not be dropped", "", e);
	}
	if (!r) {
		loop(&w);
		notify_send("STOPPING=1");
		log_info("stopping");
	}
	end(&w);
	return r;
}
