// SPDX-License-Identifier: Apache-2.0
/* picket run: the daemon, in the foreground (a service manager starts it as it is). */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/buffer.h"
#include "lib/config.h"
#include "lib/util.h"
#include "sensor/cli.h"
#include "sensor/sandbox.h"
#include "sensor/sensor.h"
#include "sensor/warden.h"

#define FLAGS_MAX 8

struct run_options {
	const char *file;
	struct buffer interfaces; /* "[eth0, eth1]" */
	struct config_flag flags[FLAGS_MAX];
	unsigned flag_count;
};

static void flag_add(struct run_options *o, const char *key, const char *value, const char *flag)
{
	o->flags[o->flag_count++] = (struct config_flag){.key = key, .value = value, .flag = flag};
}

static int options_read(const struct cli *cli, int argc, char **argv, struct run_options *o)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"interface", required_argument, NULL, 'i'},
		{"mode", required_argument, NULL, 'm'},
		{NULL, 0, NULL, 0},
	};
	const char *mode = NULL;
	int c;

	optind = 0; /* cli_main may have scanned before */
	while ((c = getopt_long(argc, argv, "+c:i:m:", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->file = optarg;
			break;
		case 'i':
			buffer_append_text(&o->interfaces, o->interfaces.len ? ", " : "[");
			buffer_append_text(&o->interfaces, optarg);
			break;
		case 'm':
			mode = optarg;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	if (optind < argc)
		return cli_fail(EXIT_USAGE, "run", "unexpected argument '%s'; interfaces are given by -i",
				argv[optind]);
	if (o->interfaces.len) {
		buffer_append(&o->interfaces, "]", 2); /* with its zero */
		flag_add(o, "capture.interfaces", o->interfaces.data, "-i");
	}
	if (mode)
		flag_add(o, "mode", mode, "--mode");
	if (cli->instance_given)
		flag_add(o, "instance", cli->instance, "--instance");
	if (cli->control_given)
		flag_add(o, "control", cli->control, "--control");
	return 0;
}

int cli_run(const struct cli *cli, int argc, char **argv)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(65536);
	struct run_options o = {.interfaces = BUFFER_INIT(4096)};
	struct config *config = NULL;
	const char *missing;

	int r = options_read(cli, argc, argv, &o);
	if (r) {
		buffer_free(&o.interfaces);
		return r;
	}
	r = config_load(o.file, o.flags, o.flag_count, environ, &config, &errors);
	if (!r) {
		r = sensor_check(config, &errors);
		if (r)
			config_free(config);
	}
	/* Warnings come with success, too. */
	fprintf(stderr, "%.*s", (int)errors.len, errors.len ? errors.data : "");
	if (r) {
		buffer_free(&o.interfaces);
		return cli_fail(EXIT_USAGE, "run", "configuration refused%s%s", r < 0 ? ": " : "",
				r < 0 ? strerror(-r) : "");
	}
	if (!sandbox_may_run(&missing)) {
		config_free(config);
		buffer_free(&o.interfaces);
		return cli_fail(EXIT_NOT_PERMITTED, "run", "%s missing; run it as root (sudo picket run)",
				missing);
	}
	r = warden_run(o.file, o.flags, o.flag_count, config); /* takes config */
	buffer_free(&o.interfaces);
	return r;
}
