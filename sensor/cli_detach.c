// SPDX-License-Identifier: Apache-2.0
/*
 * picket detach: takes away what a daemon has left in the kernel: what enforcement.pin keeps there, filters
 * that no link holds, and the pinned kill switch. A daemon that is stopped leaves nothing but what is pinned.
 * A switch that is on stays: a panic outlives the daemon. The service manager calls this between two starts,
 * with
 * --keep-pinned.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
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
#include "sensor/cli_call.h"
#include "sensor/cli_kill.h"
#include "sensor/kernel.h"
#include "sensor/pins.h"

enum { DETACH_E_RUNS = 1 /* a daemon holds the lock */ };

/* What was pinned by version, the switch, its folder, the folder of all instances. */
#define REMOVED_MAX (PINS_VERSIONS_MAX + 3)

struct detach {
	const struct cli *cli;
	const char *command;
	char folder[PATH_MAX], pin[PATH_MAX + 8];
	char versions[PINS_VERSIONS_MAX][PATH_MAX]; /* folders of what is pinned */
	int filters;
	const char *removed[REMOVED_MAX], *kept[PINS_VERSIONS_MAX + 1];
	unsigned removed_count, kept_count;
	bool keep_pinned, panic; /* --keep-pinned; the switch is on */
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
	d->panic = !r && value;
	if (!r && !value && unlink(d->pin))
		r = -errno;
	if (r)
		return removal_failed(d, d->pin, r);
	if (d->panic)
		d->kept[d->kept_count++] = d->pin;
	else
		d->removed[d->removed_count++] = d->pin;
	return EXIT_DONE;
}

/* What enforcement.pin keeps: nothing but its name holds it, so that it is gone from the kernel with that. */
static int remove_pinned(struct detach *d)
{
	unsigned versions[PINS_VERSIONS_MAX], files;
	unsigned count = pins_versions(d->folder, versions);

	for (unsigned i = 0; i < count; i++) {
		int r = pins_folder(d->folder, versions[i], d->versions[i]);

		if (d->keep_pinned) {
			d->kept[d->kept_count++] = d->versions[i];
			continue;
		}
		if (!r)
			r = pins_remove(d->folder, versions[i], &files);
		if (r)
			return removal_failed(d, d->versions[i], r);
		d->removed[d->removed_count++] = d->versions[i];
	}
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
	int r = remove_pinned(d), swept;

	/* What goes on has to hear of a panic, and filters without a link are part of it. */
	if (r || d->kept_count)
		return r;
	swept = kernel_sweep();
	if (swept < 0)
		return removal_failed(d, "what is attached to the interfaces", swept);
	d->filters = swept;
	r = remove_pin(d);
	return r || d->panic ? r : remove_folders(d);
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
	for (unsigned i = 0; i < d->kept_count; i++)
		json_text(&w, d->kept[i]);
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
	if (d->panic)
		printf("kept %s: the kill switch is on, and a panic outlives the daemon.\n"
		       "`picket resume --instance %s` ends it; then detach again\n",
		       d->pin, d->cli->instance);
	for (unsigned i = 0; i < d->kept_count && !d->panic; i++)
		printf("kept %s: blocks hold there (enforcement.pin)\n", d->kept[i]);
	if (!d->filters && !d->removed_count && !d->kept_count)
		printf("nothing of instance %s was left\n", d->cli->instance);
}

static int options_read(struct detach *d, int argc, char **argv)
{
	static const struct option longs[] = {
		{"keep-pinned", no_argument, NULL, 'k'},
		{NULL, 0, NULL, 0},
	};
	int c, r = EXIT_DONE;

	optind = 0; /* cli_main has scanned before */
	opterr = 0;
	while (!r && (c = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		d->keep_pinned = c == 'k';
		r = d->keep_pinned ? EXIT_DONE : cli_bad_option(argv, c);
	}
	return !r && optind < argc ? cli_unexpected(argv, argv[optind]) : r;
}

int cli_detach(const struct cli *cli, int argc, char **argv)
{
	static struct detach d; /* 50 kB */
	_cleanup_close_ int usual_lock = -1, control_lock = -1;
	char usual[PATH_MAX], control[PATH_MAX];

	d = (struct detach){.cli = cli, .command = argv[0]};
	int r = options_read(&d, argc, argv);
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
