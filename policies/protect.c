// SPDX-License-Identifier: Apache-2.0
#include "policies/protect.h"
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/route.h>
#include <netinet/tcp.h>
#include <paths.h>
#include <sys/socket.h>
#include <utmpx.h>
#include "lib/sock_diag.h"
#include "lib/util.h"

#define SSH_PORT       22
#define FILE_LINES_MAX 65536 /* of a routing table; beyond that the default route was seen long ago */

/* One collection in the making. r keeps the first fatal error, so that finders need not stop half way. */
struct finder {
	const struct protect_input *in;
	struct protected_set set;
	struct protect_sources sources;
	int r;
};

static void found_net(struct finder *f, const struct prefix *net, const char *why)
{
	int r = protected_set_add(&f->set, net, why);

	if (r && !f->r)
		f->r = r;
}

static void found(struct finder *f, const struct addr *a, const char *why)
{
	struct prefix exact = prefix_of(a, addr_bits(a));

	if (a->family != ADDR_NONE && !addr_is_unspecified(a))
		found_net(f, &exact, why);
}

static void found_session(struct finder *f, const struct addr *a, const char *why)
{
	if (a->family == ADDR_NONE || addr_is_unspecified(a))
		return;
	if (f->sources.sessions >= PROTECT_SESSIONS_MAX) {
		f->sources.left_out++;
		return;
	}
	f->sources.sessions++;
	found(f, a, why);
}

static FILE *open_below(const struct finder *f, const char *path)
{
	char full[PATH_MAX];

	if (snprintf(full, sizeof full, "%s%s", f->in->root ? f->in->root : "", path) >= (int)sizeof full)
		return NULL;
	return fopen(full, "re");
}

/* --- what is protected everywhere --- */
static void find_constant(struct finder *f)
{
	static const struct {
		const char *net, *why;
	} constant[] = {
		{"127.0.0.0/8", "loopback"},      {"::1", "loopback"},
		{"0.0.0.0/8", "unspecified"},     {"::", "unspecified"},
		{"224.0.0.0/4", "multicast"},     {"ff00::/8", "multicast"},
		{"255.255.255.255", "broadcast"},
	};
	struct prefix net;

	for (size_t i = 0; i < ARRAY_SIZE(constant); i++)
		if (!prefix_parse(span_from(constant[i].net), &net))
			found_net(f, &net, constant[i].why);
}

static void find_configured(struct finder *f)
{
	const struct config *c = f->in->config;

	for (unsigned i = 0; i < c->limits.protect.count; i++)
		found_net(f, &c->limits.protect.items[i], "configured");
	for (unsigned i = 0; i < c->proxies.trusted.count; i++)
		found_net(f, &c->proxies.trusted.items[i], "trusted proxy");
	for (unsigned i = 0; i < f->in->extra_count; i++)
		found(f, &f->in->extra[i], "peer of picket");
}

/* "http://user@[2001:db8::1]:8080/x" → "2001:db8::1" */
static struct span url_host(const char *url)
{
	const char *mark = strstr(url, "://");
	struct span host = span_from(mark ? mark + 3 : url);

	host.len = strcspn(host.ptr, "/?#");
	const char *at = memrchr(host.ptr, '@', host.len);
	if (at)
		host = (struct span){at + 1, host.len - (size_t)(at + 1 - host.ptr)};
	const char *end = NULL;
	if (host.len && host.ptr[0] == '[') {
		host = (struct span){host.ptr + 1, host.len - 1};
		end = memchr(host.ptr, ']', host.len);
	} else if (host.len) {
		end = memchr(host.ptr, ':', host.len);
	}
	if (end)
		host.len = (size_t)(end - host.ptr);
	return host;
}

/* Addresses only: names are resolved by who connects, and come as extra. */
static void find_gateway_endpoints(struct finder *f)
{
	struct addr a;

	for (unsigned i = 0; i < f->in->config->gateway_count; i++) {
		const struct config_gateway *g = &f->in->config->gateways[i];
		const char *const urls[] = {g->url, g->proxy, g->lunar_url, g->verdicts_url};

		for (size_t k = 0; k < ARRAY_SIZE(urls); k++)
			if (urls[k] && !addr_parse(url_host(urls[k]), &a))
				found(f, &a, "gateway endpoint");
	}
}

/* --- the network of this host --- */
static void find_own(struct finder *f)
{
	struct ifaddrs *list = NULL;

	if (getifaddrs(&list)) {
		if (!f->r)
			f->r = -errno;
		return;
	}
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		struct addr a = {0};
		if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET) {
			struct sockaddr_in in;
			memcpy(&in, i->ifa_addr, sizeof in);
			a = addr_from_bytes(AF_INET, (const uint8_t *)&in.sin_addr);
		} else if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET6) {
			struct sockaddr_in6 in6;
			memcpy(&in6, i->ifa_addr, sizeof in6);
			a = addr_from_bytes(AF_INET6, in6.sin6_addr.s6_addr);
		} else {
			continue;
		}
		f->sources.own++;
		found(f, &a, "own address");
	}
	freeifaddrs(list);
}

/* "eth0 00000000 010A0A0A 0003 0 0 100 00000000 ...": addresses are the kernel's 32 bits as they lie in
 * memory. */
static void route4_line(struct finder *f, const char *line)
{
	unsigned destination, gateway, flags, mask;

	if (sscanf(line, "%*s %x %x %x %*s %*s %*s %x", &destination, &gateway, &flags, &mask) != 4)
		return;
	if (destination || mask || !(flags & RTF_GATEWAY))
		return;
	struct addr a = addr_from_bytes(AF_INET, (const uint8_t *)&gateway);
	f->sources.gateways++;
	found(f, &a, "default gateway");
}

static bool hex_bytes(const char *hex, uint8_t ret[static 16])
{
	for (int i = 0; i < 16; i++) {
		unsigned byte;
		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return false;
		ret[i] = (uint8_t)byte;
	}
	return true;
}

/* destination length source length next-hop metric references uses flags device; numbers in hexadecimal */
static void route6_line(struct finder *f, const char *line)
{
	char destination[33], hop[33];
	unsigned bits, flags;
	uint8_t bytes[16];

	if (sscanf(line, "%32s %x %*s %*s %32s %*s %*s %*s %x", destination, &bits, hop, &flags) != 4)
		return;
	if (bits || !(flags & RTF_GATEWAY) || (flags & RTF_REJECT) || strlen(hop) != 32 ||
	    !hex_bytes(hop, bytes))
		return;
	struct addr a = addr_from_bytes(AF_INET6, bytes);
	f->sources.gateways++;
	found(f, &a, "default gateway");
}

static void each_line(struct finder *f, FILE *file, void (*each)(struct finder *f, const char *line))
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	for (unsigned i = 0; file && i < FILE_LINES_MAX && getline(&line, &size, file) >= 0; i++)
		each(f, line);
}

static void resolver_line(struct finder *f, const char *line)
{
	char text[ADDR_TEXT_MAX + 32];
	struct addr a;

	if (sscanf(line, " nameserver %77s", text) != 1)
		return;
	text[strcspn(text, "%")] = 0; /* the zone of a link-local address */
	if (addr_parse(span_from(text), &a))
		return;
	f->sources.resolvers++;
	found(f, &a, "resolver");
}

static void find_network(struct finder *f)
{
	/* thread-self: a thread may have entered another namespace than its process. */
	_cleanup_fclose_ FILE *route4 = fopen("/proc/thread-self/net/route", "re");
	_cleanup_fclose_ FILE *route6 = fopen("/proc/thread-self/net/ipv6_route", "re");
	_cleanup_fclose_ FILE *resolv = open_below(f, "/etc/resolv.conf");

	find_own(f);
	each_line(f, route4, route4_line);
	each_line(f, route6, route6_line);
	each_line(f, resolv, resolver_line);
}

/* --- who is logged in --- */
static void utmp_entry(struct finder *f, const struct utmpx *u)
{
	static const int32_t zero[4];
	struct addr a = {0};

	/* Whether its process lives is not asked: seen from a container it may not, and a stale entry only
	 * protects. */
	if (u->ut_type != USER_PROCESS)
		return;
	if (memcmp(&u->ut_addr_v6[1], zero, 3 * sizeof zero[0]) != 0) {
		a = addr_from_bytes(AF_INET6, (const uint8_t *)u->ut_addr_v6);
	} else if (u->ut_addr_v6[0]) {
		a = addr_from_bytes(AF_INET, (const uint8_t *)u->ut_addr_v6);
	} else {
		struct span host = {u->ut_host, strnlen(u->ut_host, sizeof u->ut_host)};
		if (addr_parse(host, &a))
			return;
	}
	found_session(f, &a, "login session");
}

static void find_utmp_sessions(struct finder *f)
{
	char path[PATH_MAX];
	struct utmpx *u;

	if (snprintf(path, sizeof path, "%s/run/utmp", f->in->root ? f->in->root : "") >= (int)sizeof path)
		return;
	if (access(path, R_OK))
		return;
	f->sources.sessions_seen = true;
	utmpxname(path);
	setutxent();
	while ((u = getutxent()))
		utmp_entry(f, u);
	endutxent();
	utmpxname(_PATH_UTMP);
}

/* logind's own file of a session: KEY=VALUE lines; REMOTE_HOST is there if it came over the network. */
static void logind_line(struct finder *f, const char *line)
{
	struct addr a;

	if (strncmp(line, "REMOTE_HOST=", 12) != 0)
		return;
	struct span host = {line + 12, strcspn(line + 12, "\r\n%")};
	if (host.len >= 2 && host.ptr[0] == '"' && host.ptr[host.len - 1] == '"')
		host = (struct span){host.ptr + 1, host.len - 2};
	if (!addr_parse(host, &a))
		found_session(f, &a, "login session");
}

static void find_logind_sessions(struct finder *f)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/run/systemd/sessions", f->in->root ? f->in->root : "") >=
	    (int)sizeof path)
		return;
	DIR *dir = opendir(path);
	if (!dir)
		return;
	f->sources.sessions_seen = true;
	for (const struct dirent *d = readdir(dir); d; d = readdir(dir)) {
		char name[PATH_MAX];
		if (d->d_name[0] == '.' || strchr(d->d_name, '.')) /* "3.ref" is a pipe */
			continue;
		if (snprintf(name, sizeof name, "/run/systemd/sessions/%s", d->d_name) >= (int)sizeof name)
			continue;
		_cleanup_fclose_ FILE *file = open_below(f, name);
		each_line(f, file, logind_line);
	}
	closedir(dir);
}

/* --- connections to sshd --- */
struct diag {
	struct finder *finder;
	unsigned count; /* sockets told of */
};

static int diag_socket(void *arg, const struct inet_diag_msg *m)
{
	struct diag *d = arg;

	d->count++;
	if (m->idiag_state != TCP_ESTABLISHED)
		return 0;
	struct addr a = addr_from_bytes(m->idiag_family, (const uint8_t *)m->id.idiag_dst);
	found_session(d->finder, &a, PROTECT_BY_SSHD);
	return 0;
}

static bool diag_dump(struct diag *d, uint32_t states, uint16_t port)
{
	struct sock_diag_filter filter = {.states = states, .local_port = port};

	return sock_diag_each(&filter, diag_socket, d) == 0;
}

static void find_sshd_peers(struct finder *f)
{
	static const uint16_t usual = SSH_PORT;
	const uint16_t *ports = f->in->sshd_port_count ? f->in->sshd_ports : &usual;
	unsigned count = f->in->sshd_port_count ? f->in->sshd_port_count : 1;
	bool answered = true;
	struct diag listeners = {.finder = f}, peers = {.finder = f};

	for (unsigned i = 0; i < count && answered; i++)
		answered = diag_dump(&peers, 1u << TCP_ESTABLISHED, ports[i]);
	/* Port 22 is a guess: sshd is seen there only if something listens. */
	if (answered && !f->in->sshd_port_count)
		answered = diag_dump(&listeners, 1u << TCP_LISTEN, usual);
	f->sources.sshd_seen = answered && (f->in->sshd_port_count || listeners.count || peers.count);
}

int protect_collect(const struct protect_input *in, struct protected_set *ret,
		    struct protect_sources *ret_sources)
{
	struct finder f = {.in = in};

	find_constant(&f);
	find_network(&f);
	find_configured(&f);
	find_gateway_endpoints(&f);
	find_utmp_sessions(&f);
	find_logind_sessions(&f);
	find_sshd_peers(&f);
	if (f.r) {
		protected_set_free(&f.set);
		return f.r;
	}
	protected_set_free(ret);
	*ret = f.set;
	if (ret_sources)
		*ret_sources = f.sources;
	return 0;
}
