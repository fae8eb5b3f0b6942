// SPDX-License-Identifier: Apache-2.0
/*
 * The warden: loads, attaches and owns every map, is the only writer of the allow and deny maps, and checks
 * each wish of the sensor against the hard limits. It reads no byte that came from outside. It starts the
 * sensor, restarts it when it dies or hangs, and takes everything down when it ends.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <malloc.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include "lib/clock.h"
#include "policies/packet_rules.h"
#include "sensor/cli.h"
#include "sensor/notify.h"
#include "sensor/pins.h"
#include "sensor/sandbox.h"
#include "sensor/sensor.h"
#include "sensor/tunnels.h"
#include "sensor/warden_internal.h"

#define BPFFS_MAGIC 0xcafe4a11
#define BPFFS       "/sys/fs/bpf"

#define RESCAN_NS      (2 * NS_PER_S)
#define COLLECT_NS     (5 * NS_PER_S)
#define CLOCK_SLACK_NS NS_PER_MS       /* the two clocks are not read at once */
#define SWEEP_NS       (60 * NS_PER_S) /* the sensor takes expired entries out; this is for what it missed */

/* --- start */

#define MALLOC_BYTES (1 << 20)

/*
 * What reading a long list takes, and one that is replaced, goes back to the kernel when it is freed. By
 * default malloc would from the first large block on that is freed keep what large blocks leave, in the heap,
 * and put the next ones there. The sensor inherits this, so it is settled before either has any.
 */
static void malloc_settle(void)
{
	mallopt(M_MMAP_THRESHOLD, MALLOC_BYTES);
	mallopt(M_TRIM_THRESHOLD, MALLOC_BYTES);
}

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
	if (mkdir(text, mode) == 0)
		return chmod(text, mode) ? -errno : 0; /* whatever the umask says */
	return errno == EEXIST ? 0 : -errno;
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
		snprintf(w->pins, sizeof w->pins, BPFFS "/picket/%s", w->config->instance);
		r = make_dirs(w->pins, 0700);
		if (r)
			w->pins[0] = 0;
		else
			snprintf(w->kill_pin, sizeof w->kill_pin, BPFFS "/picket/%s/kill",
				 w->config->instance);
	}
	if (!w->kill_pin[0])
		log_warning("no bpffs at " BPFFS ": the kill switch is found by its map id only",
			    LOG_S("hint", "mount -t bpf bpf " BPFFS));
	return 0;
}

/* A socket file of that mode, in place of one that an earlier daemon left: the lock is held. */
static int listen_at(const char *path, mode_t mode, int backlog, int *ret_fd)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof at.sun_path)
		return fail(EXIT_USAGE, "the path of a socket is too long: 107 bytes at most", path,
			    -ENAMETOOLONG);
	strcpy(at.sun_path, path);
	*ret_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*ret_fd < 0)
		return fail(EXIT_NO, "no socket", path, -errno);
	unlink(path);
	mode_t old = umask(0777 & ~mode);
	int r = bind(*ret_fd, (struct sockaddr *)&at, sizeof at) || listen(*ret_fd, backlog) ? -errno : 0;
	umask(old);
	return r ? fail(EXIT_NO, "a socket cannot be bound", path, r) : 0;
}

static int decide_dir_make(const struct warden *w)
{
	char text[PATH_MAX];

	snprintf(text, sizeof text, "%s", w->config->decide);
	int r = make_dirs(dirname(text), 0755);
	return r ? fail(EXIT_NOT_PERMITTED, "the decision socket's folder cannot be made",
			"set decide: in the configuration", r)
		 : 0;
}

static int listen_make(struct warden *w)
{
	int r = listen_at(w->config->control, 0660, 64, &w->listen_fd);
	if (!r)
		r = decide_dir_make(w);
	/* Whoever runs a proxy here may ask; nothing can be changed by asking. */
	if (!r)
		r = listen_at(w->config->decide, 0666, 1024, &w->decide_fd);
	if (r)
		return r;
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
	if (!f)
		return;
	fprintf(f, "%u\n", info.id);
	w->kill_id_written = true;
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

/* What the criteria for TCP headers need beside what the kernel half reports by itself. */
static void criteria_fill(struct warden *w)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(16384);
	struct packet_rules *rules = NULL;
	struct packet_needs needs;

	_Static_assert(PACKET_NEEDS_MAX == PK_CRITERIA_MAX, "as many as the kernel half takes");
	int r = packet_rules_load(w->config, &rules, &errors);
	if (r) /* the sensor will not start by them, either */
		return (void)log_error("criteria for TCP headers", LOG_SPAN("detail", buffer_span(&errors)));
	packet_rules_needs(rules, &needs);
	packet_rules_free(rules);
	w->kernel_config.probes = needs.unwatched;
	w->kernel_config.criterion_count = needs.count;
	for (unsigned i = 0; i < needs.count; i++)
		w->kernel_config.criteria[i] = (struct pk_criterion){
			needs.items[i].flags_mask,
			needs.items[i].flags_value,
			needs.items[i].window_low,
			needs.items[i].window_high,
		};
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
		.packets = c->capture.packets == CAPTURE_PACKETS_FORWARDED ? PK_PACKETS_FORWARDED
									   : PK_PACKETS_OFF,
		.share_divisor = 8,
		.boot_ahead_ns = clock_boot_ahead_ns(),
	};
	criteria_fill(w);
	if (w->kernel_config.cgroup_id == UINT64_MAX)
		log_error("no such cgroup: no request will be seen", LOG_S("cgroup", c->capture.cgroup));
}

static void blocks_sweep(struct warden *w, uint64_t now)
{
	w->sweep_ns = now;
	deny_sweep(kernel_deny(w->kernel), now);
}

/* What an earlier daemon pinned goes on until ours takes its place, filters that no link holds among it. */
static void leftovers_sweep(const struct warden *w)
{
	unsigned versions[PINS_VERSIONS_MAX];

	if (w->pins[0] && pins_versions(w->pins, versions))
		return;
	int swept = kernel_sweep();
	if (swept > 0)
		log_info("swept what an earlier picket left attached", LOG_I("programs", swept));
}

static void pins_settle(struct warden *w)
{
	const struct kernel_takeover t = kernel_pins_settle(w->kernel);

	if (t.maps || t.copied || t.links)
		log_info("what an earlier picket left in force was taken over without a gap",
			 LOG_S("maps", t.maps ? "as they are" : "copied"), LOG_U("entries_copied", t.copied),
			 LOG_U("interfaces", t.links));
	if (t.unreadable)
		log_error("deny maps that an earlier picket left cannot be read: their blocks come back from "
			  "the journal alone",
			  LOG_U("versions", t.unreadable));
	w->pin = w->pin && !t.error;
	if (t.error)
		log_error("enforcement.pin is without effect: nothing could be pinned",
			  LOG_S("folder", w->pins), LOG_ERRNO(t.error),
			  LOG_S("hint", "mount -t bpf bpf " BPFFS));
}

static int kernel_start(struct warden *w)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(65536);

	leftovers_sweep(w);
	w->pin = w->config->enforcement.pin;
	kernel_config_fill(w);
	struct kernel_options options = {
		.netns = w->kernel_config.netns,
		.cgroup_id = w->kernel_config.cgroup_id,
		.kill_pin = w->kill_pin[0] ? w->kill_pin : NULL,
		.pins = w->pins[0] ? w->pins : NULL,
		.pin = w->pin,
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
	deny_rate_set(kernel_deny(w->kernel), w->config->enforcement.rate_limit,
		      w->config->enforcement.rate_burst);
	blocks_sweep(w, warden_now());
	warden_watch_ports(w, true);
	warden_protect_collect(w);
	r = kernel_attach_tcp(w->kernel, &errors);
	if (r)
		return log_error("tracepoints could not be attached",
				 LOG_SPAN("detail", buffer_span(&errors)),
				 LOG_S("hint", "picket doctor says what and why")),
		       EXIT_KERNEL;
	warden_watch_interfaces(w);
	pins_settle(w);
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

/* --- running */

/* A service manager removes a service's cgroup when it stops and makes another when it starts. */
static void cgroup_follow(struct warden *w)
{
	uint64_t id = cgroup_id(w->config->capture.cgroup);

	if (id == w->kernel_config.cgroup_id)
		return;
	w->kernel_config.cgroup_id = id;
	kernel_config_set(w->kernel, &w->kernel_config);
	if (id == UINT64_MAX)
		log_error("the cgroup is gone: no request is seen until it is there again",
			  LOG_S("cgroup", w->config->capture.cgroup));
	else
		log_info("the cgroup was made anew", LOG_S("cgroup", w->config->capture.cgroup));
}

/* The machine slept: the records' times follow. */
static void clock_follow(struct warden *w)
{
	uint64_t ahead = clock_boot_ahead_ns(), known = w->kernel_config.boot_ahead_ns;

	if (ahead < known + CLOCK_SLACK_NS && known < ahead + CLOCK_SLACK_NS)
		return;
	w->kernel_config.boot_ahead_ns = ahead;
	kernel_config_set(w->kernel, &w->kernel_config);
}

static void tick(struct warden *w)
{
	uint64_t now = warden_now(), expirations;

	if (read(w->timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
		log_warning("timer", LOG_ERRNO(-errno));
	if (notify_watchdog_ns())
		notify_send("WATCHDOG=1");
	clock_follow(w);
	if (now - w->scan_ns >= RESCAN_NS) {
		cgroup_follow(w);
		warden_watch_ports(w, false);
		warden_watch_interfaces(w);
	}
	if (now - w->protect_ns >= COLLECT_NS)
		warden_protect_collect(w);
	if (now - w->sweep_ns >= SWEEP_NS)
		blocks_sweep(w, now);
}

static uint64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void reload_now(struct warden *w, uid_t by)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(65536);
	struct config *next = NULL;

	char reloading[64];
	snprintf(reloading, sizeof reloading, "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)(monotonic_ns() / 1000));
	notify_send(reloading);
	int r = config_load(w->config_file, w->flags, w->flag_count, environ, &next, &errors);
	if (!r) {
		r = sensor_check(next, &errors);
		if (r)
			config_free(next);
	}
	if (r) {
		log_error("reload refused, the running configuration stays",
			  LOG_SPAN("detail", buffer_span(&errors)));
		notify_send("READY=1");
		return;
	}
	if (strcmp(next->control, w->config->control) || strcmp(next->decide, w->config->decide) ||
	    strcmp(next->state_dir, w->config->state_dir) ||
	    next->capture.ring_bytes != w->config->capture.ring_bytes ||
	    next->capture.header_ring_bytes != w->config->capture.header_ring_bytes ||
	    next->capture.source != w->config->capture.source || tunnels_differ(next, w->config) ||
	    next->limits.blocks_max != w->config->limits.blocks_max ||
	    next->enforcement.pin != w->config->enforcement.pin)
		log_warning("some settings change at the next start only",
			    LOG_S("settings", "control decide state_dir capture.ring_bytes "
					      "capture.header_ring_bytes capture.source "
					      "capture.decapsulate capture.vxlan_port capture.tunnel_peers "
					      "limits.blocks_max enforcement.pin"));
	/* The sensor gets its settings by a new start; what is in the rings and the deny maps stays. */
	w->reload = true;
	warden_sensor_stop(w);
	config_free(w->config);
	w->config = next;
	kernel_configure(w->kernel, next);
	deny_rate_set(kernel_deny(w->kernel), next->enforcement.rate_limit, next->enforcement.rate_burst);
	limits_init(&w->limits, next);
	kernel_config_fill(w);
	kernel_config_set(w->kernel, &w->kernel_config);
	warden_watch_ports(w, true);
	warden_protect_collect(w);
	w->receive_failed = false;
	warden_watch_interfaces(w);
	w->reload = false;
	w->reloaded = true;
	w->reload_by = by;
	w->restart_at_ns = 0;
	w->sensor_ready = false; /* READY=1 is told when the new one is */
	w->mode = 0;             /* what was set at run time falls back to the file */
	w->proxy_count = 0;
	log_info("configuration reloaded", LOG_S("mode", config_mode_name(next->mode)));
}

static void signals_read(struct warden *w)
{
	struct signalfd_siginfo info;

	while (read(w->signals, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo == SIGCHLD)
			warden_sensor_reap(w);
		else if (info.ssi_signo == SIGHUP)
			reload_now(w, info.ssi_uid);
		else
			w->stop = true;
	}
}

static void loop(struct warden *w)
{
	while (!w->stop) {
		struct epoll_event ev[8];

		warden_sensor_check(w, warden_now());
		int n = epoll_wait(w->epoll, ev, ARRAY_SIZE(ev), w->sensor ? -1 : 100);
		for (int i = 0; i < n; i++) {
			if (ev[i].data.fd == w->signals)
				signals_read(w);
			else if (ev[i].data.fd == w->timer)
				tick(w);
			else if (ev[i].data.fd == w->socket && w->socket >= 0)
				warden_sensor_serve(w);
		}
	}
}

static void end(struct warden *w)
{
	char path[PATH_MAX + 8];

	if (w->sensor > 0)
		warden_sensor_stop(w);
	bool kill = w->kernel && kernel_kill_get(w->kernel);
	kernel_free(w->kernel);
	if (w->listen_fd >= 0) {
		close(w->listen_fd);
		unlink(w->config->control);
	}
	if (w->decide_fd >= 0) {
		close(w->decide_fd);
		unlink(w->config->decide);
	}
	/* A panic outlives us, and what is pinned has to hear of the next one; otherwise nothing is left
	 * behind.
	 */
	if (w->kill_pin[0] && !kill && w->kernel && !w->pin) {
		unlink(w->kill_pin);
		char text[PATH_MAX];
		snprintf(text, sizeof text, "%s", w->kill_pin);
		char *dir = dirname(text);
		rmdir(dir);
		rmdir(dirname(dir)); /* stays while another instance has its own in it */
	}
	snprintf(path, sizeof path, "%s/kill.id", w->run_dir);
	if (w->kill_id_written) /* else it is that of the daemon which runs */
		unlink(path);
	if (w->lock_fd >= 0)
		close(w->lock_fd);
	protected_set_free(&w->protect);
	protected_set_free(&w->allowed);
	protected_ranges_free(&w->ranges);
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
		.decide_fd = -1,
		.socket = -1,
		.started_ns = warden_now(),
	};

	malloc_settle();
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
		r = w.failed_start ? EXIT_NO : EXIT_DONE;
	}
	end(&w);
	return r;
}
