// SPDX-License-Identifier: Apache-2.0
/*
 * picket panic and resume: write the kill switch, a map of the kernel, directly. No process of picket's is
 * asked, so this works when all of them hang. The map is found where it is pinned, or by the id recorded
 * beside the control socket.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <mntent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/buffer.h"
#include "lib/json_write.h"
#include "lib/util.h"
#include "sensor/cli.h"
#include "sensor/cli_kill.h"

#define MAP_NAME "pk_kill"
#define BPFFS    "/sys/fs/bpf"

struct search {
	const struct cli *cli;
	int fd;
	char where[PATH_MAX + 32]; /* where it was found */
	bool denied;               /* something was there, or may be, that we may not open */
};

/* An id may have been given to another map since it was recorded. */
static bool is_kill_map(int fd)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof info;

	return !bpf_obj_get_info_by_fd(fd, &info, &len) && !strcmp(info.name, MAP_NAME) &&
	       info.type == BPF_MAP_TYPE_ARRAY && info.key_size == sizeof(uint32_t) &&
	       info.value_size == sizeof(uint32_t);
}

int kill_open(const char *path, int *ret_fd)
{
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return fd;
	if (!is_kill_map(fd)) {
		close(fd);
		return KILL_E_OTHER;
	}
	*ret_fd = fd;
	return 0;
}

int kill_read(int fd, uint32_t *ret_value)
{
	uint32_t key = 0;

	return bpf_map_lookup_elem(fd, &key, ret_value);
}

/* Takes fd, or the error it stands for. */
static bool accept_fd(struct search *s, int fd, const char *where)
{
	if (fd < 0) {
		s->denied = s->denied || fd == -EPERM || fd == -EACCES;
		return false;
	}
	if (!is_kill_map(fd)) {
		close(fd);
		return false;
	}
	s->fd = fd;
	snprintf(s->where, sizeof s->where, "%s", where);
	return true;
}

static bool try_pin(struct search *s, const char *bpffs, const char *instance)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof path, "%s/picket/%s/kill", bpffs, instance) >= sizeof path)
		return false;
	return accept_fd(s, bpf_obj_get(path), path);
}

/* The usual bpffs, then any other that is mounted. */
static bool try_pins(struct search *s, const char *instance)
{
	struct mntent *m;
	bool found = try_pin(s, BPFFS, instance);
	FILE *mounts = found ? NULL : setmntent("/proc/self/mounts", "re");

	while (mounts && !found && (m = getmntent(mounts)))
		if (!strcmp(m->mnt_type, "bpf") && strcmp(m->mnt_dir, BPFFS) != 0)
			found = try_pin(s, m->mnt_dir, instance);
	if (mounts)
		endmntent(mounts);
	return found;
}

static bool try_id(struct search *s)
{
	char control[PATH_MAX], path[PATH_MAX + 16];
	unsigned id;

	if ((size_t)snprintf(control, sizeof control, "%s", s->cli->control) >= sizeof control)
		return false;
	snprintf(path, sizeof path, "%s/kill.id", dirname(control));
	_cleanup_fclose_ FILE *f = fopen(path, "re");

	if (!f) {
		s->denied = s->denied || errno == EACCES;
		return false;
	}
	if (fscanf(f, "%9u", &id) != 1)
		return false;
	char where[PATH_MAX + 32];

	snprintf(where, sizeof where, "map id %u of %s", id, path);
	return accept_fd(s, bpf_map_get_fd_by_id(id), where);
}

/*
 * A socket that was named without an instance may belong to any, so only the id beside it counts: the pin of
 * the instance "default" would be that of another daemon.
 */
static bool id_alone(const struct cli *cli)
{
	return cli->control_named && !cli->instance_named;
}

static bool find(struct search *s)
{
	if (id_alone(s->cli))
		return try_id(s);
	return try_pins(s, s->cli->instance) || try_id(s);
}

static int report(const struct cli *cli, const struct search *s, uint32_t value)
{
	_cleanup_(buffer_free) struct buffer b = BUFFER_INIT(PATH_MAX * 2);
	struct json_writer w = JSON_WRITER(&b);

	if (!cli->json) {
		if (value)
			printf("picket drops nothing now (%s). `picket resume` ends this.\n", s->where);
		else
			printf("picket drops what is blocked again (%s).\n", s->where);
		return EXIT_DONE;
	}
	json_object_begin(&w);
	json_key(&w, "kill_switch");
	json_bool(&w, value);
	json_key(&w, "by");
	json_text(&w, s->where);
	json_object_end(&w);
	printf("%.*s\n", (int)b.len, b.len ? b.data : "");
	return EXIT_DONE;
}

static int not_found(const struct search *s, const char *command)
{
	const struct cli *cli = s->cli;

	if (s->denied || geteuid() != 0)
		return cli_fail(EXIT_NOT_PERMITTED, command,
				"only root may write the kill switch: sudo picket %s", command);
	if (id_alone(cli))
		return cli_fail(
			EXIT_UNREACHABLE, command,
			"no kill switch is recorded beside %s (kill.id). If the daemon of that socket "
			"runs, or ended in a panic, name its instance too: picket %s --instance NAME",
			cli->control, command);
	return cli_fail(EXIT_UNREACHABLE, command,
			"no kill switch of instance %s: neither " BPFFS
			"/picket/%s/kill nor kill.id beside %s is there. "
			"If picket runs, name it with --instance or --control; if it does not, it "
			"drops nothing",
			cli->instance, cli->instance, cli->control);
}

static int write_switch(const struct cli *cli, const char *command, uint32_t value)
{
	struct search s = {.cli = cli, .fd = -1};
	uint32_t key = 0, back = !value;

	if (!find(&s))
		return not_found(&s, command);
	int r = bpf_map_update_elem(s.fd, &key, &value, BPF_ANY);

	if (!r)
		r = kill_read(s.fd, &back);
	close(s.fd);
	if (r)
		return cli_fail(r == -EPERM || r == -EACCES ? EXIT_NOT_PERMITTED : EXIT_NO, command,
				"the kill switch at %s could not be written: %s", s.where, strerror(-r));
	if (back != value)
		return cli_fail(EXIT_NO, command,
				"the kill switch at %s was changed by someone else just now", s.where);
	return report(cli, &s, value);
}

int cli_panic(const struct cli *cli, int argc, char **argv)
{
	int r = cli_arguments(argc, argv, 0, 0);

	return r ? r : write_switch(cli, argv[0], 1);
}

int cli_resume(const struct cli *cli, int argc, char **argv)
{
	int r = cli_arguments(argc, argv, 0, 0);

	return r ? r : write_switch(cli, argv[0], 0);
}
