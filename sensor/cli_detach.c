// SPDX-License-Identifier: Apache-2.0
/*
 * picket detach: takes away what a daemon that was killed has left in the kernel, that is, filters that no
 * link holds and the pinned kill switch. A daemon that is stopped leaves nothing. A switch that is on stays:
 * a panic outlives the daemon, and the service manager calls this between two starts.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "lib/buffer.h"
#include "lib/json_write.h"
#include "lib/util.h"
#include "sensor/cli.h"
#include "sensor/cli_kill.h"
#include "sensor/kernel.h"

enum { DETACH_E_RUNS = 1 /* a daemon holds the lock */ };

#define REMOVED_MAX 3 /* the pin, its folder, the folder of all instances */

struct detach {
	const struct cli *cli;
	const char *command;
	char folder[PATH_MAX], pin[PATH_MAX + 8];
	int filters;
	const char *removed[REMOVED_MAX];
	unsigned removed_count;
	bool kept; /* the switch is on */
};

/* --- is there a daemon --- */

/*
 * The lock of a daemon, shared: two paths may lead to the same one. It is held until all is removed, so that
 * none starts meanwhile. No such file: no daemon, *ret_fd is -1.
 */
static int lock_take(const char *path, int *ret_fd)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	*ret_fd = -1;
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	if (flock(fd, LOCK_SH | LOCK_NB)) {
		int r = errno == EWOULDBLOCK ? DETACH_E_RUNS : -errno;

		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static int lock_or_tell(const struct detach *d, const char *folder, int *ret_fd)
{
	char path[PATH_MAX + 8];

	snprintf(path, sizeof path, "%s/lock", folder);
	int r = lock_take(path, ret_fd);

	if (r == DETACH_E_RUNS)
		return cli_fail(EXIT_NO, d->command,
				"a daemon of instance %s still runs (it holds %s): stop it first",
				d->cli->instance, path);
	if (r)
		return cli_fail(r == -EACCES || r == -EPERM ? EXIT_NOT_PERMITTED : EXIT_NO, d->command,
				"whether a daemon runs is not known: %s: %s", path, strerror(-r));
	return EXIT_DONE;
}

/* --- removing --- */

static int removal_failed(const struct detach *d, const char *what, int r)
{
	return cli_fail(r == -EPERM || r == -EACCES ? EXIT_NOT_PERMITTED : EXIT_NO, d->command,
			"%s could not be removed: %s", what, strerror(-r));
}

static int remove_pin(struct detach *d)
{
	uint32_t value = 0;
	int fd = -1, r = kill_open(d->pin, &fd);

	if (r == -ENOENT)
		return EXIT_DONE;
	if (r == KILL_E_OTHER)
		return cli_fail(EXIT_NO, d->command, "%s is not picket's kill switch: it was left alone",
				d->pin);
	if (!r) {
		r = kill_read(fd, &value);
		close(fd);
	}
	d->kept = !r && value;
	if (!r && !value && unlink(d->pin))
		r = -errno;
	if (r)
		return removal_failed(d, d->pin, r);
	if (!d->kept)
		d->removed[d->removed_count++] = d->pin;
	return EXIT_DONE;
}

static int remove_folders(struct detach *d)
{
	if (rmdir(d->folder) == 0)
		d->removed[d->removed_count++] = d->folder;
	else if (errno != ENOENT)
		return removal_failed(d, d->folder, -errno);
	if (rmdir(KILL_PINS) == 0) /* else another instance has its own in it */
		d->removed[d->removed_count++] = KILL_PINS;
	return EXIT_DONE;
}

static int remove_all(struct detach *d)
{
	int r, swept = kernel_sweep();

	if (swept < 0)
		return removal_failed(d, "what is attached to the interfaces", swept);
	d->filters = swept;
	r = remove_pin(d);
	return r || d->kept ? r : remove_folders(d);
}

/* --- what was done --- */

static void print_json(const struct detach *d)
{
	_cleanup_(buffer_free) struct buffer b = BUFFER_INIT(PATH_MAX * 8);
	struct json_writer w = JSON_WRITER(&b);

	json_object_begin(&w);
	json_key(&w, "instance");
	json_text(&w, d->cli->instance);
	json_key(&w, "filters");
	json_uint(&w, (uint64_t)d->filters);
	json_key(&w, "removed");
	json_array_begin(&w);
	for (unsigned i = 0; i < d->removed_count; i++)
		json_text(&w, d->removed[i]);
	json_array_end(&w);
	json_key(&w, "kept");
	json_array_begin(&w);
	if (d->kept)
		json_text(&w, d->pin);
	json_array_end(&w);
	json_object_end(&w);
	printf("%.*s\n", (int)b.len, b.len ? b.data : "");
}

static void print_report(const struct detach *d)
{
	if (d->cli->json) {
		print_json(d);
		return;
	}
	if (d->filters)
		printf("removed %d filter%s of a picket that is gone\n", d->filters,
		       d->filters == 1 ? "" : "s");
	for (unsigned i = 0; i < d->removed_count; i++)
		printf("removed %s\n", d->removed[i]);
	if (d->kept)
		printf("kept %s: the kill switch is on, and a panic outlives the daemon.\n"
		       "`picket resume --instance %s` ends it; then detach again\n",
		       d->pin, d->cli->instance);
	if (!d->filters && !d->removed_count && !d->kept)
		printf("nothing of instance %s was left\n", d->cli->instance);
}

int cli_detach(const struct cli *cli, int argc, char **argv)
{
	struct detach d = {.cli = cli, .command = argv[0]};
	_cleanup_close_ int usual_lock = -1, control_lock = -1;
	char usual[PATH_MAX], control[PATH_MAX];
	int r = cli_arguments(argc, argv, 0, 0);

	if (r)
		return r;
	if (geteuid() != 0)
		return cli_fail(EXIT_NOT_PERMITTED, argv[0],
				"only root may take picket out of the kernel: sudo picket detach");
	if (cli->control_named && !cli->instance_named)
		return cli_fail(EXIT_USAGE, argv[0],
				"the control socket does not tell whose kill switch is to go: add --instance "
				"NAME (\"default\" unless the daemon was given another)");
	if (strlen(cli->control) >= sizeof control)
		return cli_fail(EXIT_USAGE, argv[0], "the path of the control socket is too long");
	strcpy(control, cli->control);
	snprintf(usual, sizeof usual, "/run/picket/%s", cli->instance);
	snprintf(d.folder, sizeof d.folder, KILL_PINS "/%s", cli->instance);
	snprintf(d.pin, sizeof d.pin, "%s/kill", d.folder);
	r = lock_or_tell(&d, usual, &usual_lock);
	if (!r)
		r = lock_or_tell(&d, dirname(control), &control_lock);
	if (r)
		return r;
	r = remove_all(&d);
	if (!r || d.filters || d.removed_count)
		print_report(&d);
	return r;
}
