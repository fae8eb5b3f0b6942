// SPDX-License-Identifier: Apache-2.0
#include "sensor/doctor_ports.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include "lib/clock.h"
#include "lib/util.h"

#define LOOPBACK_MAX    64     /* loopback ports remembered as possible plaintext hops */
#define HOPS_MAX        8      /* ... and named */
#define CONNECTIONS_MAX 200000 /* lines of /proc/net/tcp read */
#define INODES_MAX      4096   /* sockets of one program remembered */

/* One port of one process; the addresses it listens on are told together. */
struct port {
	const struct listener *listener;
	bool watched, never;
	enum port_speaks speaks;
};

/* --- asking a listener --- */

static size_t put16(uint8_t *at, size_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
	return 2;
}

/* RFC 8446 section 4.1.2; what a TLS server of the last fifteen years answers, if only with an alert. */
size_t doctor_hello(uint8_t ret[static DOCTOR_HELLO_MAX])
{
	static const uint16_t ciphers[] = {0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f,
					   0xc02c, 0xc030, 0x009c, 0x002f};
	static const uint8_t extensions[] = {
		0x00, 0x2b, 0, 5,  4, 3, 4, 3,    3,                   /* supported_versions: 1.3, 1.2 */
		0x00, 0x0a, 0, 6,  0, 4, 0, 0x1d, 0, 0x17,             /* groups: x25519, secp256r1 */
		0x00, 0x0b, 0, 2,  1, 0,                               /* ec_point_formats */
		0x00, 0x0d, 0, 10, 0, 8, 4, 3,    8, 4,    4, 1, 8, 7, /* signature_algorithms */
		0x00, 0x33, 0, 2,  0, 0, /* key_share: none; the server asks again */
	};
	size_t n = 0;

	ret[n++] = 0x16; /* record: handshake */
	n += put16(ret + n, 0x0301);
	n += 2;       /* record length */
	ret[n++] = 1; /* client_hello */
	n += 3;       /* its length */
	n += put16(ret + n, 0x0303);
	if (getrandom(ret + n, 32, GRND_NONBLOCK) != 32)
		memset(ret + n, 0x5a, 32); /* nothing is kept secret by it */
	n += 32;
	ret[n++] = 0; /* no session */
	n += put16(ret + n, sizeof ciphers);
	for (size_t i = 0; i < ARRAY_SIZE(ciphers); i++)
		n += put16(ret + n, ciphers[i]);
	ret[n++] = 1; /* compression: none */
	ret[n++] = 0;
	n += put16(ret + n, sizeof extensions);
	memcpy(ret + n, extensions, sizeof extensions);
	n += sizeof extensions;
	put16(ret + 3, n - 5);
	ret[6] = 0;
	put16(ret + 7, n - 9);
	return n;
}

enum port_speaks doctor_answer(const uint8_t *bytes, size_t len)
{
	if (len == 0)
		return SPEAKS_UNKNOWN;
	/* A record of handshake or alert, version 3.x. */
	if ((bytes[0] == 0x16 || bytes[0] == 0x15) && (len < 2 || bytes[1] == 3))
		return SPEAKS_TLS;
	return SPEAKS_PLAIN;
}

/* A wildcard is reached over loopback, so that the probe never leaves this host. */
static socklen_t address_of(const struct listener *l, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof *ret);
	if (l->local.addr.family == ADDR_IPV6) {
		struct sockaddr_in6 *a = (struct sockaddr_in6 *)ret;

		a->sin6_family = AF_INET6;
		a->sin6_port = htons(l->local.port);
		a->sin6_addr = in6addr_loopback;
		if (!addr_is_unspecified(&l->local.addr))
			memcpy(&a->sin6_addr, l->local.addr.bytes, 16);
		return sizeof *a;
	}
	struct sockaddr_in *a = (struct sockaddr_in *)ret;
	a->sin_family = AF_INET;
	a->sin_port = htons(l->local.port);
	a->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (!addr_is_unspecified(&l->local.addr))
		memcpy(&a->sin_addr, l->local.addr.bytes, 4);
	return sizeof *a;
}

static int probe_start(const struct listener *l)
{
	struct sockaddr_storage to;
	socklen_t len = address_of(l, &to);
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, len) && errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}

/* One step of one probe. True: it is over. */
static bool probe_step(struct pollfd *p, struct port *port)
{
	uint8_t bytes[DOCTOR_HELLO_MAX];

	if (p->events == POLLOUT) {
		size_t n = doctor_hello(bytes);
		if (send(p->fd, bytes, n, MSG_NOSIGNAL) != (ssize_t)n)
			return true;
		p->events = POLLIN;
		return false;
	}
	ssize_t n = recv(p->fd, bytes, sizeof bytes, 0);
	/* Closing or resetting without a word is no TLS server's way: it would send an alert. */
	port->speaks = n > 0 ? doctor_answer(bytes, (size_t)n) : SPEAKS_PLAIN;
	return true;
}

static void probe_all(struct port *ports, size_t count)
{
	struct pollfd polls[DOCTOR_PORTS_MAX];
	uint64_t until = clock_boot_ns(&clock_system) + DOCTOR_PORTS_PROBE_MS * NS_PER_MS;
	unsigned open = 0;

	for (size_t i = 0; i < count; i++) {
		polls[i] = (struct pollfd){.fd = -1, .events = POLLOUT};
		if (!ports[i].watched)
			continue;
		polls[i].fd = probe_start(ports[i].listener);
		if (polls[i].fd >= 0) {
			ports[i].speaks = SPEAKS_NOTHING;
			open++;
		}
	}
	while (open) {
		uint64_t now = clock_boot_ns(&clock_system);
		int n = now < until ? poll(polls, count, (int)((until - now) / NS_PER_MS) + 1) : 0;

		if (n <= 0 && !(n < 0 && errno == EINTR))
			break;
		for (size_t i = 0; i < count; i++) {
			if (polls[i].fd < 0 || !polls[i].revents || !probe_step(&polls[i], &ports[i]))
				continue;
			close(polls[i].fd);
			polls[i].fd = -1;
			open--;
		}
	}
	for (size_t i = 0; i < count; i++)
		if (polls[i].fd >= 0)
			close(polls[i].fd);
}

/* --- where a TLS server's plaintext goes --- */

struct hops {
	struct endpoint at[HOPS_MAX];
	unsigned count;
	bool seen; /* connections of the server itself, not mere listeners */
};

static void hops_add(struct hops *h, const struct endpoint *e)
{
	for (unsigned i = 0; i < h->count; i++)
		if (h->at[i].port == e->port)
			return;
	if (h->count < HOPS_MAX)
		h->at[h->count++] = *e;
}

struct inodes {
	unsigned long at[INODES_MAX];
	unsigned count;
};

static int compare_inode(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

	return (x > y) - (x < y);
}

static bool comm_is(const char *pid, const char *comm)
{
	char path[300], text[32] = "";

	snprintf(path, sizeof path, "/proc/%s/comm", pid);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	if (!f || !fgets(text, sizeof text, f))
		return false;
	text[strcspn(text, "\n")] = 0;
	return strcmp(text, comm) == 0;
}

static void inodes_of_process(struct inodes *in, const char *pid)
{
	char path[320], target[64];
	struct dirent *e;

	snprintf(path, sizeof path, "/proc/%s/fd", pid);
	DIR *dir = opendir(path);
	while (dir && in->count < INODES_MAX && (e = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof target - 1);

		if (n <= 0)
			continue;
		target[n] = 0;
		if (sscanf(target, "socket:[%lu]", &in->at[in->count]) == 1)
			in->count++;
	}
	if (dir)
		closedir(dir);
}

/* Sockets of all processes of that name: the one that listens is often not the one that serves. */
static void inodes_read(struct inodes *in, const char *comm)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;

	in->count = 0;
	while (dir && (e = readdir(dir)))
		if (isdigit((unsigned char)e->d_name[0]) && comm_is(e->d_name, comm))
			inodes_of_process(in, e->d_name);
	if (dir)
		closedir(dir);
	qsort(in->at, in->count, sizeof in->at[0], compare_inode);
}

/* An address as /proc/net/tcp writes it: 32-bit words in host order. */
static bool hex_address(const char *hex, struct addr *ret)
{
	uint8_t bytes[16];
	size_t words = strlen(hex) / 8;

	if (words != 1 && words != 4)
		return false;
	for (size_t i = 0; i < words; i++) {
		char word[9];
		uint32_t v;

		memcpy(word, hex + 8 * i, 8);
		word[8] = 0;
		v = (uint32_t)strtoul(word, NULL, 16);
		memcpy(bytes + 4 * i, &v, 4);
	}
	*ret = addr_from_bytes(words == 1 ? AF_INET : AF_INET6, bytes);
	return true;
}

/* Established connections of these sockets to a loopback address where somebody listens. */
static void hops_from_connections(struct hops *h, const char *file, const struct inodes *in,
				  const uint16_t *loopback, unsigned loopback_count)
{
	char line[512], remote[33];
	unsigned port, state;
	unsigned long inode;
	_cleanup_fclose_ FILE *f = fopen(file, "re");

	for (unsigned n = 0; f && n < CONNECTIONS_MAX && fgets(line, sizeof line, f); n++) {
		struct endpoint e;

		if (sscanf(line, "%*u: %*32[0-9A-F]:%*x %32[0-9A-F]:%x %x %*s %*s %*s %*u %*u %lu", remote,
			   &port, &state, &inode) != 4 ||
		    state != 1 || !hex_address(remote, &e.addr) || !addr_is_loopback(&e.addr))
			continue;
		e.port = (uint16_t)port;
		bool listens = false;
		for (unsigned i = 0; i < loopback_count && !listens; i++)
			listens = loopback[i] == e.port;
		if (listens && bsearch(&inode, in->at, in->count, sizeof in->at[0], compare_inode)) {
			hops_add(h, &e);
			h->seen = true;
		}
	}
}

static void hops_find(struct hops *h, const struct port *tls, const struct port *ports, size_t count)
{
	static struct inodes in; /* 32 kB; one at a time */
	uint16_t loopback[LOOPBACK_MAX];
	unsigned n = 0;

	memset(h, 0, sizeof *h);
	for (size_t i = 0; i < count && n < LOOPBACK_MAX; i++)
		if (!ports[i].listener->sshd && ports[i].listener->local.port != tls->listener->local.port)
			loopback[n++] = ports[i].listener->local.port;
	if (n && tls->listener->comm[0]) {
		inodes_read(&in, tls->listener->comm);
		hops_from_connections(h, "/proc/net/tcp", &in, loopback, n);
		hops_from_connections(h, "/proc/net/tcp6", &in, loopback, n);
	}
	/* No connection now: it may be made only when a request comes. */
	for (size_t i = 0; i < count && !h->seen; i++)
		if (ports[i].listener->loopback && !ports[i].listener->sshd)
			hops_add(h, &ports[i].listener->local);
}

/* --- telling --- */

static const char *endpoint_text(const struct endpoint *e, char ret[static ADDR_TEXT_MAX + 10])
{
	char text[ADDR_TEXT_MAX];

	addr_format(&e->addr, text);
	snprintf(ret, ADDR_TEXT_MAX + 10, e->addr.family == ADDR_IPV6 ? "[%s]:%u" : "%s:%u", text, e->port);
	return ret;
}

static void hops_text(const struct hops *h, char *ret, size_t size)
{
	size_t n = 0;

	ret[0] = 0;
	for (unsigned i = 0; i < h->count && n < size; i++) {
		char text[ADDR_TEXT_MAX + 10];
		n += (size_t)snprintf(ret + n, size - n, "%s%s", i ? ", " : "",
				      endpoint_text(&h->at[i], text));
	}
}

/* "capture.loopback_ports: [3000, 3001]": what is set already, and these. */
static void setting_text(const struct config *config, const struct hops *h, char *ret, size_t size)
{
	size_t n = (size_t)snprintf(ret, size, "capture.loopback_ports: [");
	unsigned have = 0;

	for (unsigned i = 0; i < config->capture.loopback_ports.count && n < size; i++)
		n += (size_t)snprintf(ret + n, size - n, "%s%u", have++ ? ", " : "",
				      config->capture.loopback_ports.items[i]);
	for (unsigned i = 0; i < h->count && n < size; i++)
		n += (size_t)snprintf(ret + n, size - n, "%s%u", have++ ? ", " : "", h->at[i].port);
	if (n < size)
		snprintf(ret + n, size - n, "]");
}

static void tell_tls(struct check *c, const struct config *config, const struct port *p,
		     const struct port *ports, size_t count)
{
	char text[400], setting[192];
	const uint16_t port = p->listener->local.port;
	struct hops hops;

	hops_find(&hops, p, ports, count);
	/* Hops that are watched already need no mending. */
	unsigned unwatched = 0;
	for (unsigned i = 0; i < hops.count; i++) {
		bool watched = false;
		for (size_t k = 0; k < count && !watched; k++)
			watched = ports[k].listener->local.port == hops.at[i].port && ports[k].watched;
		if (!watched)
			unwatched++;
	}
	hops_text(&hops, text, sizeof text);
	if (!hops.count) {
		check_say(c, CHECK_WARN, "%u is TLS; no loopback port is seen that its plaintext could pass",
			  port);
		check_cost(c, "its requests are not visible; connections and packets are");
		check_mend(c, "end TLS in a proxy on this host, and name the port behind it in "
			      "capture.loopback_ports");
		return;
	}
	if (!unwatched) {
		check_say(c, CHECK_OK, "%u is TLS; its plaintext %s %s, which is watched", port,
			  hops.seen ? "passes" : "may pass", text);
		return;
	}
	check_say(c, CHECK_WARN, "%u is TLS; its plaintext %s %s", port,
		  hops.seen ? "passes" : "may pass one of", text);
	check_cost(c, "its requests are not visible; connections and packets are");
	setting_text(config, &hops, setting, sizeof setting);
	check_mend(c, "%s", setting);
}

static void tell_loopback(struct check *c, const struct config *config, const struct port *p)
{
	struct hops own = {.count = 1, .at = {p->listener->local}};
	char setting[192];

	check_say(c, CHECK_SKIP, "on loopback only: not watched by default");
	check_cost(c, "if this is the plain hop behind a proxy, its requests are not seen");
	setting_text(config, &own, setting, sizeof setting);
	check_mend(c, "%s", setting);
}

static const char *visible(const struct port *p)
{
	if (!p->watched)
		return "no";
	return p->speaks == SPEAKS_TLS ? "no" : p->speaks == SPEAKS_UNKNOWN ? "unknown" : "yes";
}

static void comm_text(const struct listener *l, char ret[static 64])
{
	char comm[sizeof l->comm + 1] = "";

	memcpy(comm, l->comm, sizeof l->comm);
	if (l->pid)
		snprintf(ret, 64, "%s (pid %d)", comm, (int)l->pid);
	else
		snprintf(ret, 64, "a process that is not visible from here");
}

static void port_tell(struct doctor *d, const struct config *config, const struct port *p,
		      const struct port *ports, size_t count)
{
	const struct listener *l = p->listener;
	char at[ADDR_TEXT_MAX + 10], who[64], text[512];
	struct check c = check_of("port", endpoint_text(&l->local, at));

	if (l->sshd)
		check_say(&c, CHECK_OK, "sshd: never watched, its peers are never blocked");
	else if (p->never)
		check_say(&c, CHECK_SKIP, "excluded by capture.never_ports");
	else if (!p->watched && l->loopback)
		tell_loopback(&c, config, p);
	else if (!p->watched)
		check_say(&c, CHECK_SKIP, "not among capture.ports: not watched");
	else if (p->speaks == SPEAKS_TLS)
		tell_tls(&c, config, p, ports, count);
	else if (p->speaks == SPEAKS_PLAIN)
		check_say(&c, CHECK_OK, "watched; it does not speak TLS, so requests are visible");
	else if (p->speaks == SPEAKS_NOTHING)
		check_say(&c, CHECK_OK,
			  "watched; it did not answer a TLS hello within %d ms, so it is taken for plain",
			  DOCTOR_PORTS_PROBE_MS);
	else
		check_say(&c, CHECK_OK, "watched; whether it speaks TLS was not asked");

	comm_text(l, who);
	snprintf(text, sizeof text, "%s", c.text);
	check_say(&c, c.state, "%s, %s", who, text);
	check_fact_uint(&c, "port", l->local.port);
	check_fact_text(&c, "process", l->pid ? l->comm : NULL);
	check_fact_uint(&c, "pid", (uint64_t)l->pid);
	check_fact_bool(&c, "watched", p->watched);
	check_fact_text(&c, "requests_visible", visible(p));
	doctor_add(d, &c);
}

static bool never_watched(const struct pk_ports *p, uint16_t port)
{
	return p->never[port >> 6] >> (port & 63) & 1;
}

/* Several sockets of one process on one address and port (SO_REUSEPORT) are one. */
static size_t ports_fill(struct port *ret, const struct listener *listeners, size_t count,
			 const struct pk_ports *sets)
{
	size_t n = 0;

	for (size_t i = 0; i < count && n < DOCTOR_PORTS_MAX; i++) {
		const struct listener *l = &listeners[i];
		bool known = false;

		for (size_t k = 0; k < n && !known; k++)
			known = ret[k].listener->local.port == l->local.port &&
				addr_equal(&ret[k].listener->local.addr, &l->local.addr);
		if (!known)
			ret[n++] = (struct port){
				.listener = l,
				.watched = ports_watched(sets, l->local.port) && !l->sshd,
				.never = never_watched(sets, l->local.port),
			};
	}
	return n;
}

/* --- what is not TCP --- */

/* Ports of UDP sockets that are bound and also watched; each once. */
static void udp_read(const char *file, const struct pk_ports *sets, struct hops *ret)
{
	_cleanup_fclose_ FILE *f = fopen(file, "re");
	char line[512], local[33];

	for (unsigned n = 0; f && n < CONNECTIONS_MAX && fgets(line, sizeof line, f); n++) {
		struct endpoint e;
		unsigned port;

		if (sscanf(line, "%*u: %32[0-9A-F]:%x", local, &port) != 2 || !hex_address(local, &e.addr))
			continue;
		e.port = (uint16_t)port;
		if (ports_watched(sets, e.port))
			hops_add(ret, &e);
	}
}

/* HTTP/3 runs over QUIC, over UDP: nothing here reads it. */
static void udp_tell(struct doctor *d, const struct pk_ports *sets)
{
	struct check c = check_of("quic", NULL);
	struct hops udp = {0};
	char text[400];

	udp_read("/proc/net/udp", sets, &udp);
	udp_read("/proc/net/udp6", sets, &udp);
	if (!udp.count) {
		check_say(&c, CHECK_OK, "no UDP socket is bound to a watched port");
	} else {
		hops_text(&udp, text, sizeof text);
		check_say(&c, CHECK_WARN, "UDP is served on a watched port: %s", text);
		check_cost(&c, "if it is QUIC (HTTP/3), its requests are not seen; its packets are counted "
			       "and can be dropped");
		check_mend(&c, "switch HTTP/3 off in the server, or end it in a proxy on this host");
	}
	doctor_add(d, &c);
}

static int compare_port(const void *a, const void *b)
{
	const struct port *x = a, *y = b;

	return (int)x->listener->local.port - (int)y->listener->local.port;
}

void doctor_ports(struct doctor *d, const struct config *config, bool probe)
{
	_cleanup_free_ struct listener *listeners = NULL;
	_cleanup_free_ struct port *ports = calloc(DOCTOR_PORTS_MAX, sizeof *ports);
	struct check c = check_of("ports", NULL);
	struct pk_ports sets = {0};
	uint16_t sshd[16];
	unsigned sshd_count;
	size_t count = 0;

	int r = ports ? listeners_read(true, &listeners, &count) : -ENOMEM;
	if (r) {
		check_say(&c, CHECK_FAIL, "listening sockets could not be read: %s", strerror(-r));
		check_cost(&c, "picket does not know which ports to watch; name them in capture.ports");
		check_mend(&c, "modprobe inet_diag tcp_diag");
		doctor_add(d, &c);
		return;
	}
	ports_compute(config, listeners, count, &sets, sshd, ARRAY_SIZE(sshd), &sshd_count);
	size_t n = ports_fill(ports, listeners, count, &sets);
	unsigned watched = 0;
	for (size_t i = 0; i < n; i++)
		watched += ports[i].watched;
	if (probe)
		probe_all(ports, n);
	check_say(&c, watched ? CHECK_OK : CHECK_WARN,
		  "%zu listening addresses in this network namespace, %u watched%s", n, watched,
		  n == DOCTOR_PORTS_MAX ? " (more were found than are shown)" : "");
	if (!watched) {
		check_cost(
			&c,
			"there is no request to see yet; a server that starts later is followed by itself");
		check_mend(&c, "start the server, or run picket in its network namespace");
	}
	doctor_add(d, &c);
	qsort(ports, n, sizeof *ports, compare_port);
	for (size_t i = 0; i < n; i++)
		port_tell(d, config, &ports[i], ports, n);
	udp_tell(d, &sets);
}
