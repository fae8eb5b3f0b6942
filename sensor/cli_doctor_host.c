// SPDX-License-Identifier: Apache-2.0
#include "sensor/cli_doctor_host.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include "lib/api_client.h"
#include "lib/json_read.h"
#include "lib/util.h"
#include "policies/limits.h"
#include "policies/protect.h"
#include "sensor/cli_call.h"
#include "sensor/interface.h"
#include "sensor/kernel.h"
#include "sensor/ports.h"
#include "sensor/processes.h"
#include "sensor/sandbox.h"

#define BPFFS       "/sys/fs/bpf"
#define BPFFS_MAGIC 0xcafe4a11
#define BTF         "/sys/kernel/btf/vmlinux"
#define LOCKDOWN    "/sys/kernel/security/lockdown"
#define INTERFACES  64
#define PROXIES_MAX 32
#define WALL_MIN_S  1704067200 /* 2024-01-01: no clock that is right is before it */

/* --- rights and kernel --- */

bool host_rights(struct doctor *d)
{
	struct check c = check_of("rights", NULL);
	const char *missing = NULL;
	bool may = sandbox_may_run(&missing);

	if (may) {
		check_say(&c, CHECK_OK, "CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON are there");
	} else {
		check_say(&c, CHECK_FAIL, "%s missing", missing);
		check_cost(&c, "no program can be loaded or attached");
		check_mend(&c, "sudo picket doctor");
		c.cause = CAUSE_PERMISSION;
	}
	doctor_add(d, &c);
	return may;
}

/* "none [integrity] confidentiality" → integrity; false: this kernel, or this container, does not say. */
static bool lockdown_read(char ret[static 32])
{
	char line[128] = "", *from, *to;
	_cleanup_fclose_ FILE *f = fopen(LOCKDOWN, "re");

	ret[0] = 0;
	if (!f || !fgets(line, sizeof line, f) || !(from = strchr(line, '[')) || !(to = strchr(from, ']')))
		return false;
	*to = 0;
	snprintf(ret, 32, "%s", from + 1);
	return true;
}

bool host_kernel(struct doctor *d)
{
	struct check c = check_of("kernel", NULL);
	struct utsname u = {0};
	char lockdown[32];
	bool btf = access(BTF, R_OK) == 0;

	uname(&u);
	bool told = lockdown_read(lockdown);
	if (!btf) {
		check_say(&c, CHECK_FAIL, "Linux %s does not describe its own types (no " BTF ")", u.release);
		check_cost(&c, "no program can be fitted to this kernel, so none can be loaded");
		check_mend(&c, "a kernel with CONFIG_DEBUG_INFO_BTF=y, as Debian's are since 5.10");
	} else if (strcmp(lockdown, "confidentiality") == 0) {
		check_say(&c, CHECK_FAIL,
			  "Linux %s is locked down for confidentiality: BPF may not read kernel memory",
			  u.release);
		check_cost(&c, "no request can be read");
		check_mend(&c, "boot with lockdown=integrity, or without lockdown");
	} else {
		check_say(&c, CHECK_OK, "Linux %s, with BTF%s%s", u.release, told ? ", lockdown " : "",
			  lockdown);
	}
	c.cause = CAUSE_KERNEL;
	check_fact_text(&c, "release", u.release);
	check_fact_bool(&c, "btf", btf);
	doctor_add(d, &c);
	return c.state == CHECK_OK;
}

void host_bpffs(struct doctor *d)
{
	struct check c = check_of("bpffs", NULL);
	struct statfs fs;

	if (statfs(BPFFS, &fs) == 0 && (unsigned long)fs.f_type == BPFFS_MAGIC) {
		check_say(&c, CHECK_OK, "mounted at " BPFFS "; picket panic finds its switch there");
	} else {
		check_say(&c, CHECK_WARN, "no bpf file system at " BPFFS);
		check_cost(&c, "picket panic finds its switch by the map id beside the control socket, for "
			       "which it needs CAP_SYS_ADMIN");
		check_mend(&c, "mount -t bpf bpf " BPFFS);
	}
	doctor_add(d, &c);
}

/* --- user and clock --- */

void host_user(struct doctor *d, const struct config *config)
{
	struct check c = check_of("user", NULL);
	const char *name = config->user && *config->user ? config->user : "nobody";
	uid_t uid = 0;
	gid_t gid;
	int r = sandbox_user(name, &uid, &gid);

	if (r) {
		check_say(&c, CHECK_FAIL, "there is no user %s", name);
		check_cost(&c, "picket run cannot start");
	} else if (strcmp(name, "nobody") == 0) {
		check_say(&c, CHECK_WARN, "there is no user of picket's own; the sensor runs as nobody");
		check_cost(&c, "it shares its user with whatever else runs as nobody; it has no capability "
			       "either way");
	} else {
		check_say(&c, CHECK_OK, "the sensor runs as %s (uid %u)", name, (unsigned)uid);
	}
	if (c.state != CHECK_OK)
		check_mend(&c, "useradd --system --user-group --no-create-home --shell /usr/sbin/nologin %s",
			   r ? name : "picket");
	doctor_add(d, &c);
}

/* Negative: it could not be tried. */
static int sight_of_sensor(uid_t uid, gid_t gid)
{
	int status = 0;
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		bool kept;
		_exit(sandbox_sensor(uid, gid, parent, &kept) ? PROCESSES_SIGHT_MAX : (int)processes_sight());
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) < PROCESSES_SIGHT_MAX ? WEXITSTATUS(status) : -EPERM;
}

void host_processes(struct doctor *d, const struct config *config)
{
	struct check c = check_of("processes", NULL);
	uid_t uid;
	gid_t gid;
	int sight = sandbox_user(config->user, &uid, &gid) ? -ENOENT : sight_of_sensor(uid, gid);

	if (sight < 0) {
		check_say(&c, CHECK_SKIP, "what the sensor's user may see could not be tried");
	} else if (sight == PROCESSES_SEEN) {
		check_say(&c, CHECK_OK, "the process and the container that read a request can be named");
	} else {
		check_say(&c, CHECK_WARN, "%s", processes_sight_why((enum processes_sight)sight));
		check_cost(
			&c,
			"events of requests have no process.executable.name and container.id, or not both");
		check_mend(&c, "%s", processes_sight_mend((enum processes_sight)sight));
	}
	doctor_add(d, &c);
}

void host_clock(struct doctor *d)
{
	struct check c = check_of("clock", NULL);
	struct timex t = {0};
	struct timespec boot, wall;
	int state = adjtimex(&t);

	if (clock_gettime(CLOCK_BOOTTIME, &boot) || clock_gettime(CLOCK_REALTIME, &wall)) {
		check_say(&c, CHECK_FAIL, "the clocks cannot be read: %s", strerror(errno));
		check_cost(&c, "blocks cannot expire and events have no time");
	} else if (wall.tv_sec < WALL_MIN_S) {
		check_say(&c, CHECK_WARN, "the wall clock is years behind");
		check_cost(&c, "events carry wrong times and gateways may refuse them; blocks are not "
			       "touched: they use the boot clock");
		check_mend(&c, "timedatectl set-ntp true");
	} else if (state == TIME_ERROR) {
		check_say(&c, CHECK_WARN, "the wall clock is not kept by a time service");
		check_cost(&c, "times of events may drift from those of other hosts; blocks are not touched: "
			       "they use the boot clock");
		check_mend(&c, "timedatectl set-ntp true");
	} else {
		check_say(&c, CHECK_OK,
			  "the wall clock is kept by a time service; deadlines use the boot clock");
	}
	doctor_add(d, &c);
}

/* --- protection --- */

/* Only those that are really there: the daemon assumes port 22 where it sees none, which proves nothing. */
static unsigned sshd_find(uint16_t *ret, unsigned max)
{
	_cleanup_free_ struct listener *listeners = NULL;
	size_t count = 0;
	unsigned n = 0;

	if (listeners_read(true, &listeners, &count))
		return 0;
	for (size_t i = 0; i < count && n < max; i++)
		if (listeners[i].sshd)
			ret[n++] = listeners[i].local.port;
	return n;
}

void host_protection(struct doctor *d, const struct config *config)
{
	struct check c = check_of("protection", NULL);
	struct protected_set set = {0};
	struct protect_sources s = {0};
	uint16_t sshd[16];
	const struct protect_input in = {
		.config = config,
		.sshd_ports = sshd,
		.sshd_port_count = sshd_find(sshd, ARRAY_SIZE(sshd)),
	};
	int r = protect_collect(&in, &set, &s);

	if (r) {
		check_say(&c, CHECK_FAIL, "who must never be blocked could not be found out: %s",
			  strerror(-r));
		check_cost(&c, "picket refuses every block");
	} else if (!s.sessions_seen && !s.sshd_seen && !config->limits.protect.count) {
		check_say(&c, CHECK_WARN,
			  "neither a session list (utmp, logind) nor an sshd is seen here: nothing tells "
			  "from where this host is administered");
		check_cost(&c, "a block could cut off the administrator");
		check_mend(&c, "limits.protect: [THE NETWORK YOU ADMINISTER FROM]");
	} else {
		check_say(&c, CHECK_OK,
			  "%zu networks are never blocked: session list %s (%u peers), sshd %s, %u own "
			  "addresses, %u gateways, %u resolvers, %u configured",
			  set.count, s.sessions_seen ? "seen" : "not seen", s.sessions,
			  s.sshd_seen ? "seen" : "not seen", s.own, s.gateways, s.resolvers,
			  config->limits.protect.count);
	}
	check_fact_bool(&c, "session_list_seen", s.sessions_seen);
	check_fact_bool(&c, "sshd_seen", s.sshd_seen);
	protected_set_free(&set);
	doctor_add(d, &c);
}

/* --- interfaces --- */

static void interface_tell(struct doctor *d, const struct config *config, const char *name)
{
	struct check c = check_of("interface", name);
	unsigned ifindex = if_nametoindex(name);
	struct interface_facts i = interface_facts(name);
	enum config_packet_mode want = config->capture.packet_mode, mode = want;
	const char *driver = i.driver[0] ? i.driver : "unknown";
	char holder[INTERFACE_HOLDER_MAX] = "";

	if (ifindex)
		interface_xdp_holder(ifindex, holder);
	bool ours = strstr(holder, "(pk_") != NULL;
	if (want == PACKET_AUTO)
		mode = holder[0] && !ours ? PACKET_TC : interface_auto_mode(&i);
	bool taken = holder[0] && !ours && (want == PACKET_XDP_NATIVE || want == PACKET_XDP_GENERIC);

	if (!ifindex) {
		check_say(&c, CHECK_WARN, "capture.interfaces names it, and it is not there");
		check_cost(&c, "nothing is attached to it until it comes");
		check_mend(&c, "ip -br link");
	} else if (want == PACKET_OFF) {
		check_say(&c, CHECK_SKIP, "capture.packet_mode is off: nothing is attached");
	} else if (taken) {
		check_say(&c, CHECK_WARN, "driver %s; %s is asked for, but XDP is held by %s: tc is used",
			  driver, config_packet_mode_name(want), holder);
		check_cost(&c, "packets are dropped a little later in the kernel");
		check_mend(&c, "capture.packet_mode: auto, or: ip link set dev %s xdp off", name);
	} else if (want != PACKET_AUTO) {
		check_say(&c, CHECK_OK, "driver %s; %s, because capture.packet_mode asks for it", driver,
			  config_packet_mode_name(want));
	} else {
		check_say(
			&c, CHECK_OK, "driver %s; auto takes %s: %s%s", driver, config_packet_mode_name(mode),
			ours         ? "picket itself holds XDP here: "
			: holder[0]  ? "XDP is held by "
			: i.physical ? "a network card, where it is the cheapest (tc, if the driver refuses)"
				     : "a virtual interface, where native XDP would switch off "
				       "segmentation offload",
			holder);
	}
	check_fact_text(&c, "driver", i.driver);
	check_fact_text(&c, "mode", config_packet_mode_name(taken ? PACKET_TC : mode));
	check_fact_text(&c, "xdp_holder", holder[0] ? holder : NULL);
	doctor_add(d, &c);
}

void host_interfaces(struct doctor *d, const struct config *config)
{
	static char names[INTERFACES][IF_NAMESIZE];
	int n = kernel_interfaces(config, names, INTERFACES);

	for (int i = 0; i < n; i++)
		interface_tell(d, config, names[i]);
	if (n > 0)
		return;
	struct check c = check_of("interface", NULL);
	check_say(&c, CHECK_WARN,
		  n < 0 ? "interfaces could not be listed: %s" : "no interface but loopback is up%s",
		  n < 0 ? strerror(-n) : "");
	check_cost(&c, "nobody from outside is seen or stopped in the kernel; requests over loopback are "
		       "seen if watched");
	check_mend(&c, "ip -br link");
	doctor_add(d, &c);
}

/* --- proxies --- */

static void proxy_tell(struct doctor *d, const cJSON *peer)
{
	struct addr a;
	char text[ADDR_TEXT_MAX];
	const cJSON *share = cJSON_GetObjectItemCaseSensitive(peer, "share");
	const char *address = json_get_text(peer, "address");

	if (!address || addr_parse(span_from(address), &a))
		return;
	addr_format(&a, text);
	struct check c = check_of("proxies", text);
	check_say(&c, CHECK_WARN,
		  "sends forwarding headers and is no configured proxy; %.1f %% of all requests come from it",
		  cJSON_IsNumber(share) ? share->valuedouble * 100 : 0.0);
	check_cost(&c, "it is never dropped automatically, and its clients cannot be told apart");
	check_mend(&c, "picket proxies trust %s    (a proxy of yours), or: picket proxies direct %s", text,
		   text);
	doctor_add(d, &c);
}

static void proxies_tell(struct doctor *d, const cJSON *status)
{
	const cJSON *list = cli_at(status, "proxies.unclassified"), *peer;
	unsigned n = 0;

	cJSON_ArrayForEach(peer, list)
	{
		if (n++ < PROXIES_MAX)
			proxy_tell(d, peer);
	}
	if (n == 0) {
		struct check c = check_of("proxies", NULL);
		check_say(&c, CHECK_OK, "no peer looks like a proxy that is not configured");
		doctor_add(d, &c);
	}
}

void host_proxies(struct doctor *d, const char *control_socket)
{
	static const struct json_limits limits = {.bytes = 1 << 20, .depth = 32, .values = 50000};
	struct check c = check_of("proxies", NULL);
	struct api_answer answer = {0};
	cJSON *status = NULL;
	int r = api_client_call(control_socket, "GET", "/v1/status", SPAN_NULL, &answer);

	if (r == API_CLIENT_E_UNREACHABLE) {
		check_say(&c, CHECK_SKIP, "no daemon answers at %s, so nobody was met yet", control_socket);
		doctor_add(d, &c);
	} else if (r || answer.status != 200 ||
		   json_parse(buffer_span(&answer.body), &limits, &status, NULL)) {
		check_say(&c, CHECK_WARN, "the daemon at %s did not give its status", control_socket);
		check_mend(&c, "picket status");
		doctor_add(d, &c);
	} else {
		proxies_tell(d, status);
	}
	cJSON_Delete(status);
	if (!r)
		api_answer_free(&answer);
}
