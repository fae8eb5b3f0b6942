// SPDX-License-Identifier: Apache-2.0
/* ports.c: see ports.h. Listeners come from sock_diag, their processes from /proc, where the socket's inode
 * leads to them. */
#include "sensor/ports.h"

#include <bpf/bpf.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "lib/sock_diag.h"
#include "lib/util.h"

#define LISTENERS_MAX 65536
#define SSH_PORT      22

/* --- listeners --- */

struct found {
	struct listener *items;
	uint32_t *inodes; /* one beside each item */
	size_t count, size;
};

static int found_grow(struct found *f)
{
	size_t size = f->size ? 2 * f->size : 64;

	if (size > LISTENERS_MAX)
		return -ENOBUFS;
	void *items = realloc(f->items, size * sizeof(*f->items));
	if (!items)
		return -ENOMEM;
	f->items = items;
	void *inodes = realloc(f->inodes, size * sizeof(*f->inodes));
	if (!inodes)
		return -ENOMEM;
	f->inodes = inodes;
	f->size = size;
	return 0;
}

static int found_add(void *arg, const struct inet_diag_msg *m)
{
	struct found *f = arg;
	struct listener l = {
		.local.addr = addr_from_bytes(m->idiag_family, (const uint8_t *)m->id.idiag_src),
		.local.port = ntohs(m->id.idiag_sport),
	};
	int r = f->count == f->size ? found_grow(f) : 0;

	if (r)
		return r;
	l.loopback = addr_is_loopback(&l.local.addr);
	f->inodes[f->count] = m->idiag_inode;
	f->items[f->count++] = l;
	return 0;
}

/* --- processes --- */

static void read_comm(const char *pid, char *ret, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	if (!f || !fgets(ret, (int)size, f))
		*ret = 0;
	ret[strcspn(ret, "\n")] = 0;
}

/* Several processes may share a listener; the first found, which is the oldest as a rule, stands for them. */
static void claim(struct found *f, uint32_t inode, const char *pid)
{
	for (size_t i = 0; i < f->count; i++) {
		struct listener *l = &f->items[i];

		if (f->inodes[i] != inode || l->pid)
			continue;
		l->pid = (pid_t)strtol(pid, NULL, 10);
		read_comm(pid, l->comm, sizeof(l->comm));
	}
}

static void look_into(struct found *f, const char *pid)
{
	char path[64], link[64];
	struct dirent *e;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	DIR *d = opendir(path);
	if (!d)
		return; /* gone, or not ours to see */
	while ((e = readdir(d))) {
		unsigned inode;
		ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = 0;
		if (sscanf(link, "socket:[%u]", &inode) == 1)
			claim(f, inode, pid);
	}
	closedir(d);
}

static void find_processes(struct found *f)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d)))
		if (isdigit((unsigned char)e->d_name[0]))
			look_into(f, e->d_name);
	closedir(d);
}

/* sshd itself, or systemd holding its port for it; a process that is not known is taken for sshd on port 22.
 */
static bool is_sshd(const struct listener *l)
{
	if (!strcmp(l->comm, "sshd"))
		return true;
	return l->local.port == SSH_PORT && (!l->comm[0] || !strcmp(l->comm, "systemd"));
}

int listeners_read(bool resolve, struct listener **ret, size_t *ret_count)
{
	struct sock_diag_filter listening = {.states = 1u << TCP_LISTEN};
	struct found f = {.count = 0};
	int r = found_grow(&f);

	if (!r)
		r = sock_diag_each(&listening, found_add, &f);
	if (r) {
		free(f.items);
		free(f.inodes);
		return r;
	}
	if (resolve)
		find_processes(&f);
	for (size_t i = 0; i < f.count; i++)
		f.items[i].sshd = is_sshd(&f.items[i]);
	free(f.inodes);
	*ret = f.items;
	*ret_count = f.count;
	return 0;
}

/* --- port sets --- */

static void set_bit(__u64 *words, uint16_t port)
{
	words[port >> 6] |= 1ull << (port & 63);
}

static void set_bits(__u64 *words, const struct config_ports *ports)
{
	for (unsigned i = 0; i < ports->count; i++)
		set_bit(words, ports->items[i]);
}

static void sshd_add(uint16_t port, struct pk_ports *p, uint16_t *sshd_ports, unsigned max, unsigned *count)
{
	set_bit(p->never, port);
	for (unsigned i = 0; i < *count; i++)
		if (sshd_ports[i] == port)
			return;
	if (*count < max)
		sshd_ports[(*count)++] = port;
}

void ports_compute(const struct config *config, const struct listener *listeners, size_t count,
		   struct pk_ports *ret, uint16_t *sshd_ports, unsigned max, unsigned *ret_sshd_count)
{
	bool follow = config->capture.ports.count == 0, other_on_22 = false;
	unsigned sshd_count = 0;

	memset(ret, 0, sizeof(*ret));
	set_bits(ret->never, &config->capture.never_ports);
	for (size_t i = 0; i < count; i++) {
		const struct listener *l = &listeners[i];

		if (l->sshd)
			sshd_add(l->local.port, ret, sshd_ports, max, &sshd_count);
		else if (follow && !l->loopback)
			set_bit(ret->watched, l->local.port);
		if (!l->sshd && l->local.port == SSH_PORT)
			other_on_22 = true;
	}
	if (!sshd_count && !other_on_22)
		sshd_add(SSH_PORT, ret, sshd_ports, max, &sshd_count);
	set_bits(ret->watched, &config->capture.ports);
	set_bits(ret->watched, &config->capture.loopback_ports);
	for (unsigned i = 0; i < PK_PORT_WORDS; i++)
		ret->watched[i] &= ~ret->never[i];
	*ret_sshd_count = sshd_count;
}

int ports_write(int map_fd, const struct pk_ports *ports)
{
	__u32 zero = 0;

	return bpf_map_update_elem(map_fd, &zero, ports, BPF_ANY) ? -errno : 0;
}
