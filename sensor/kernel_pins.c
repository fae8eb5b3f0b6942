// SPDX-License-Identifier: Apache-2.0
/*
 * kernel_pins.c: enforcement.pin. The deny maps and the links of packet programs are pinned (pins.h), so that
 * they outlive the daemon. The next one makes its programs with the same maps and then has each link run its
 * own program instead: one step, in which no packet passes by. Maps of another version of bpf/abi.h, or of
 * other sizes, are copied into its own first.
 *
 * Not pinned: everything else. The programs that go on hold what they need of it, and the next daemon fills
 * its own before it takes their place: who is protected by then, which ports are watched.
 */
#include "sensor/kernel_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ingress_tc.skel.h"
#include "lib/util.h"
#include "sensor/pins.h"
#include "sensor/tcfilter.h"

#define LINK_NAME "link-"

/* Of each family the array of maps, and the hash that is in force in it. */
enum { SET4, SET6, HASH4, HASH6, TRIE4, TRIE6, MAPS = 10 };
static const char *const names[MAPS] = {
	[SET4] = "pk_deny4_set", [SET6] = "pk_deny6_set",
	[HASH4] = "pk_deny4",    [HASH6] = "pk_deny6",
	[TRIE4] = "pk_deny4p",   [TRIE6] = "pk_deny6p",
	"pk_deny_head",          "pk_deny_bits",
	"pk_deny_nets",          "pk_hits",
};

struct maps {
	int fds[MAPS];
};
#define MAPS_NONE ((struct maps){.fds = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1}})

static void maps_close(struct maps *m)
{
	for (unsigned i = 0; i < MAPS; i++)
		if (m->fds[i] >= 0)
			close(m->fds[i]);
	*m = MAPS_NONE;
}

static int path_of(const char *folder, const char *name, const char *suffix, char ret[static PATH_MAX])
{
	return snprintf(ret, PATH_MAX, "%s/%s%s", folder, name, suffix) >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int own_folder(const struct kernel *k, char ret[static PATH_MAX])
{
	return k->pins[0] ? pins_folder(k->pins, PK_ABI_VERSION, ret) : -ENOENT;
}

/* In one step, whatever stands there. bpffs has no names with dots. */
static int pin(int fd, const char *folder, const char *name)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	int r = path_of(folder, name, "", path);

	if (!r)
		r = path_of(folder, name, "-new", fresh);
	if (r)
		return r;
	unlink(fresh);
	r = bpf_obj_pin(fd, fresh);
	if (r)
		return -errno;
	return rename(fresh, path) ? -errno : 0;
}

/* --- maps of an earlier daemon --- */

static int map_open(const char *folder, const char *name, const char *suffix)
{
	char path[PATH_MAX];
	int r = path_of(folder, name, suffix, path);

	return r ? r : bpf_obj_get(path);
}

static __u32 map_id(int fd)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof info;

	return fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* A daemon that was killed just then had pinned the larger hash already, or had put it in force. */
static int hash_open(const char *folder, int set, const char *name)
{
	int now = map_open(folder, name, ""), next = map_open(folder, name, "-next");
	__u32 zero = 0, id = 0;

	if (set < 0 || bpf_map_lookup_elem(set, &zero, &id))
		id = map_id(now);
	bool later = next >= 0 && id && map_id(next) == id;
	int fd = later ? next : now;
	if (later && now >= 0)
		close(now);
	if (!later && next >= 0)
		close(next);
	return fd;
}

static void maps_open(const char *folder, struct maps *m)
{
	*m = MAPS_NONE;
	for (unsigned i = 0; i < MAPS; i++)
		if (i != HASH4 && i != HASH6)
			m->fds[i] = map_open(folder, names[i], "");
	m->fds[HASH4] = hash_open(folder, m->fds[SET4], names[HASH4]);
	m->fds[HASH6] = hash_open(folder, m->fds[SET6], names[HASH6]);
}

/* Is it the hash that the array of maps has in force? */
static bool is_in_force(int set, int hash)
{
	__u32 zero = 0, id = 0;

	return bpf_map_lookup_elem(set, &zero, &id) == 0 && id && map_id(hash) == id;
}

/* As this daemon would make it. Hashes grow: theirs may be of any size up to the limit. */
static bool map_fits(const struct kernel *k, const struct bpf_map *want, int fd, bool grows)
{
	uint64_t entries = kernel_map_entries(k->config, bpf_map__name(want));
	struct bpf_map_info info = {0};
	__u32 len = sizeof info;

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) || info.type != bpf_map__type(want) ||
	    info.key_size != bpf_map__key_size(want) || info.value_size != bpf_map__value_size(want) ||
	    info.map_flags != bpf_map__map_flags(want))
		return false;
	if (grows)
		return info.max_entries <= k->config->limits.blocks_max;
	return info.max_entries == (entries ? entries : bpf_map__max_entries(want));
}

static bool maps_fit(const struct kernel *k, const struct maps *m)
{
	size_t size;
	const void *elf = ingress_tc__elf_bytes(&size);
	struct bpf_object *o = bpf_object__open_mem(elf, size, NULL);
	bool fit = o && is_in_force(m->fds[SET4], m->fds[HASH4]) && is_in_force(m->fds[SET6], m->fds[HASH6]);

	for (unsigned i = 0; fit && i < MAPS; i++) {
		const struct bpf_map *want = bpf_object__find_map_by_name(o, names[i]);
		fit = want && map_fits(k, want, m->fds[i], i == HASH4 || i == HASH6);
	}
	bpf_object__close(o);
	return fit;
}

int kernel_pins_take(struct kernel *k)
{
	char folder[PATH_MAX];
	struct maps m;
	int r = own_folder(k, folder);

	if (r)
		return r == -ENOENT ? 0 : r;
	maps_open(folder, &m);
	if (!maps_fit(k, &m)) {
		maps_close(&m);
		return 0;
	}
	for (unsigned i = 0; !r && i < MAPS; i++) {
		r = kernel_map_add(k, names[i], m.fds[i], true);
		if (!r)
			m.fds[i] = -1;
	}
	maps_close(&m);
	k->takeover.maps = r == 0;
	return r;
}

/* Keys and values are of one shape since the first version; one that changes it says here how to read the
 * former. */
static bool readable(int fd, __u32 key_size)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof info;

	return fd < 0 || (!bpf_obj_get_info_by_fd(fd, &info, &len) && info.key_size == key_size &&
			  info.value_size == sizeof(struct pk_deny));
}

static int copy_of(struct kernel *k, const char *folder)
{
	struct maps m;

	maps_open(folder, &m);
	bool can = readable(m.fds[HASH4], sizeof(__u32)) && readable(m.fds[HASH6], sizeof(struct pk_addr6)) &&
		   readable(m.fds[TRIE4], sizeof(struct pk_lpm4)) &&
		   readable(m.fds[TRIE6], sizeof(struct pk_lpm6));
	int r = can ? deny_copy(k->deny, m.fds[HASH4], m.fds[HASH6], m.fds[TRIE4], m.fds[TRIE6]) : 0;
	maps_close(&m);
	k->takeover.unreadable += !can;
	if (r > 0)
		k->takeover.copied += (uint32_t)r;
	return r < 0 ? r : 0;
}

int kernel_pins_copy(struct kernel *k)
{
	unsigned versions[PINS_VERSIONS_MAX];
	char folder[PATH_MAX];
	int r = 0;

	if (!k->pins[0] || k->takeover.maps)
		return 0;
	unsigned count = pins_versions(k->pins, versions);
	for (unsigned i = count; !r && i-- > 0;) { /* the newest has the last word */
		r = pins_folder(k->pins, versions[i], folder);
		if (!r)
			r = copy_of(k, folder);
	}
	return r;
}

/* --- maps of this one --- */

static const char *hash_name(uint8_t family)
{
	return family == ADDR_IPV4 ? names[HASH4] : names[HASH6];
}

void kernel_pins_replaced(void *arg, uint8_t family, int fd, bool done)
{
	const struct kernel *k = arg;
	char folder[PATH_MAX], path[PATH_MAX], next[PATH_MAX];

	if (!k->pinned_maps || own_folder(k, folder) || path_of(folder, hash_name(family), "", path) ||
	    path_of(folder, hash_name(family), "-next", next))
		return;
	/* Should this fail, the next daemon finds a hash that is not in force, and reads what is in it. */
	if (!done) {
		unlink(next);
		(void)bpf_obj_pin(fd, next);
	} else {
		(void)rename(next, path);
	}
}

static int map_fd_of(const struct kernel *k, unsigned which)
{
	if (which == HASH4 || which == HASH6)
		return deny_exact_fd(k->deny, which == HASH4 ? ADDR_IPV4 : ADDR_IPV6);
	return kernel_map_fd(k, names[which]);
}

/* Those that were taken up stand there already, but for a hash of which the last one did not say so. */
static int maps_keep(struct kernel *k)
{
	char folder[PATH_MAX], next[PATH_MAX];
	int r = own_folder(k, folder);

	if (!r && mkdir(folder, 0700) && errno != EEXIST)
		r = -errno;
	for (unsigned i = 0; !r && i < MAPS; i++)
		r = pin(map_fd_of(k, i), folder, names[i]);
	for (unsigned i = HASH4; !r && i <= HASH6; i++)
		if (path_of(folder, names[i], "-next", next) == 0)
			unlink(next);
	return r;
}

void kernel_pins_keep_maps(struct kernel *k)
{
	if (!k->pin)
		return;
	k->takeover.error = maps_keep(k);
	k->pin = k->pinned_maps = k->takeover.error == 0;
}

/* --- links --- */

static int link_path(const struct kernel *k, unsigned version, unsigned ifindex, enum config_packet_mode mode,
		     char ret[static PATH_MAX])
{
	char folder[PATH_MAX], name[64];
	int r = pins_folder(k->pins, version, folder);

	snprintf(name, sizeof name, LINK_NAME "%s-%u-%u", config_packet_mode_name(mode), k->netns, ifindex);
	return r ? r : path_of(folder, name, "", ret);
}

/* The interface that it is on; 0: it is gone. XDP's and tcx' stand at the same place. */
static unsigned link_ifindex(int fd)
{
	struct bpf_link_info info;
	__u32 len = sizeof info;

	memset(&info, 0, sizeof info);
	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.xdp.ifindex;
}

static int link_take(const char *path, unsigned ifindex, int program)
{
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return fd;
	if (link_ifindex(fd) != ifindex) {
		close(fd);
		unlink(path);
		return -ENOENT;
	}
	int r = bpf_link_update(fd, program, NULL) ? -errno : 0;
	if (!r)
		return fd;
	close(fd);
	return r;
}

int kernel_pins_link_take(struct kernel *k, unsigned ifindex, enum config_packet_mode mode, int program)
{
	unsigned versions[PINS_VERSIONS_MAX];
	unsigned count = k->pins[0] ? pins_versions(k->pins, versions) : 0;
	int fd = -ENOENT;

	for (unsigned i = 0; fd == -ENOENT && i < count; i++) {
		char path[PATH_MAX];
		int r = link_path(k, versions[i], ifindex, mode, path);
		fd = r ? r : link_take(path, ifindex, program);
	}
	k->takeover.links += fd >= 0;
	return fd;
}

static __u32 link_id(int fd)
{
	struct bpf_link_info info;
	__u32 len = sizeof info;

	memset(&info, 0, sizeof info);
	return fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* Its name goes, and it ends here and now, unless it is the one that is ours. The kernel alone would take its
 * time, in which nobody else gets the place. */
static bool link_end(const char *path, __u32 ours)
{
	_cleanup_close_ int fd = bpf_obj_get(path);

	if (fd < 0)
		return false;
	if (!ours || link_id(fd) != ours)
		(void)bpf_link_detach(fd);
	return unlink(path) == 0;
}

bool kernel_pins_link_drop(struct kernel *k, const struct kernel_interface *i, enum config_packet_mode except)
{
	static const enum config_packet_mode modes[] = {PACKET_TC, PACKET_XDP_NATIVE, PACKET_XDP_GENERIC};
	unsigned versions[PINS_VERSIONS_MAX];
	unsigned count = k->pins[0] ? pins_versions(k->pins, versions) : 0;
	__u32 ours = link_id(i->link_fd);
	bool any = false;

	for (unsigned v = 0; v < count; v++)
		for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
			char path[PATH_MAX];
			bool keep = modes[m] == except && versions[v] == PK_ABI_VERSION;
			if (!keep && link_path(k, versions[v], i->a.ifindex, modes[m], path) == 0)
				any = link_end(path, ours) || any;
		}
	return any;
}

int kernel_pins_link_keep(struct kernel *k, const struct kernel_interface *i)
{
	char folder[PATH_MAX], name[64];
	int r = own_folder(k, folder);

	snprintf(name, sizeof name, LINK_NAME "%s-%u-%u", config_packet_mode_name(i->a.mode), k->netns,
		 i->a.ifindex);
	return r ? r : pin(i->link_fd, folder, name);
}

/* --- what is left of earlier daemons --- */

static bool is_attached(const struct kernel *k, unsigned ifindex)
{
	for (unsigned n = 0; n < k->interface_count; n++)
		if (k->interfaces[n].a.ifindex == ifindex)
			return true;
	return false;
}

/* A link of an interface that is gone, or not guarded any more. Those of other network namespaces are not
 * ours to judge while they last. */
static int link_settle(void *arg, const char *folder, const char *name)
{
	const struct kernel *k = arg;
	char path[PATH_MAX];
	unsigned netns, ifindex;
	const char *at = strlen(name) > strlen(LINK_NAME) ? strrchr(name, '-') : NULL;

	if (strncmp(name, LINK_NAME, strlen(LINK_NAME)) || !at || sscanf(at, "-%10u", &ifindex) != 1)
		return 0;
	while (at > name && at[-1] != '-')
		at--;
	if (sscanf(at, "%10u", &netns) != 1 || path_of(folder, name, "", path))
		return 0;
	_cleanup_close_ int fd = bpf_obj_get(path);
	bool gone = fd >= 0 && link_ifindex(fd) != ifindex;
	if (gone || (netns == k->netns && !is_attached(k, ifindex)))
		unlink(path);
	return 0;
}

struct kernel_takeover kernel_pins_settle(struct kernel *k)
{
	unsigned versions[PINS_VERSIONS_MAX], removed;
	unsigned count = k->pins[0] ? pins_versions(k->pins, versions) : 0;
	char folder[PATH_MAX];

	for (unsigned i = 0; i < count; i++)
		if (!k->pin || versions[i] != PK_ABI_VERSION)
			(void)pins_remove(k->pins, versions[i], &removed);
	if (k->pin && own_folder(k, folder) == 0)
		(void)pins_each(folder, link_settle, k);
	if (count)
		(void)tcfilter_sweep(true);
	return k->takeover;
}
