// SPDX-License-Identifier: Apache-2.0
/*
 * picket doctor: proves by doing what works on this host, and names what is missing, what that costs and what
 * mends it. Needs no daemon. Nothing is left behind. Described in docs/doctor.md.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include "lib/util.h"
#include "sensor/cli.h"
#include "sensor/cli_doctor_host.h"
#include "sensor/doctor.h"
#include "sensor/doctor_loop.h"
#include "sensor/doctor_ports.h"

struct options {
	const char *file;
	bool verbose, no_probe;
};

static int options_read(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"verbose", no_argument, NULL, 'v'},
		{"no-probe", no_argument, NULL, 'n'},
		{NULL, 0, NULL, 0},
	};
	int opt;

	optind = 0; /* cli_main may have scanned before */
	while ((opt = getopt_long(argc, argv, "+c:vn", longs, NULL)) != -1) {
		switch (opt) {
		case 'c':
			o->file = optarg;
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'n':
			o->no_probe = true;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	if (optind < argc)
		return cli_fail(EXIT_USAGE, "doctor", "unexpected argument '%s'", argv[optind]);
	return 0;
}

static void skip(struct doctor *d, const char *id, const char *why)
{
	struct check c = check_of(id, NULL);

	check_say(&c, CHECK_SKIP, "%s", why);
	doctor_add(d, &c);
}

static void examine(struct doctor *d, const struct cli *cli, const struct config *config, bool probe)
{
	bool rights = host_rights(d);
	bool kernel = host_kernel(d);

	host_bpffs(d);
	host_user(d, config);
	host_processes(d, config);
	host_clock(d);
	if (rights && kernel) {
		doctor_loop(d, config);
		host_interfaces(d, config);
	} else {
		const char *why =
			rights ? "nothing can be loaded on this kernel" : "not tried without the rights";
		skip(d, "load", why);
		skip(d, "loop", why);
	}
	doctor_ports(d, config, probe);
	host_protection(d, config);
	host_proxies(d, cli->control_given || !config->control ? cli->control : config->control);
}

int cli_doctor(const struct cli *cli, int argc, char **argv)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(65536);
	struct doctor d = {.out = stdout, .json = cli->json, .color = cli->color};
	struct options o = {0};
	struct config *config = NULL;
	struct config_flag flags[2];
	unsigned flag_count = 0;

	int r = options_read(argc, argv, &o);
	if (r)
		return r;
	if (cli->instance_given)
		flags[flag_count++] = (struct config_flag){"instance", cli->instance, "--instance"};
	if (cli->control_given)
		flags[flag_count++] = (struct config_flag){"control", cli->control, "--control"};
	r = config_load(o.file, flags, flag_count, environ, &config, &errors);
	if (r) {
		fprintf(stderr, "%.*s", (int)errors.len, errors.len ? errors.data : "");
		return cli_fail(EXIT_USAGE, "doctor", "configuration refused%s%s", r < 0 ? ": " : "",
				r < 0 ? strerror(-r) : "");
	}
	d.verbose = o.verbose;
	examine(&d, cli, config, !o.no_probe);
	doctor_end(&d);
	config_free(config);
	return doctor_exit(&d);
}
