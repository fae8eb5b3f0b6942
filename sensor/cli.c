// SPDX-License-Identifier: Apache-2.0
/*
 * The command line: the table of commands, the options that all of them share, and help. What a command does
 * is in its own cli_*.c.
 */
#include "sensor/cli.h"
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "lib/util.h"
#include "sensor/cli_print.h"

#ifndef PICKET_VERSION
#define PICKET_VERSION "unknown"
#endif

#define INSTANCE_MAX 64
#define MESSAGE_MAX  4096

struct entry {
	struct cli_command command;
	const char *help; /* options and what is good to know, behind usage and summary */
};

static const struct entry entries[] = {
	{{"run", "[-c FILE] [-i IFACE]... [--mode MODE]", "the daemon, in the foreground", cli_run},
	 "  -c, --config FILE      configuration; default /etc/picket/picket.yaml if it is there\n"
	 "  -i, --interface IFACE  attach to this interface only; may be repeated\n"
	 "  -m, --mode MODE        observe (default), approve or enforce\n"},
	{{"doctor", "[-c FILE] [--verbose] [--no-probe]",
	  "prove what works on this host, and name what would mend the rest", cli_doctor},
	 "  -c FILE      judge by this configuration\n"
	 "  --verbose    each program's verified instructions as well\n"
	 "  --no-probe   do not ask own listeners whether they speak TLS\n"},
	{{"demo", "[--keep] [--gateway local|batch] [--behind-proxy]",
	  "a server, a client, an attacker, in a sandbox", cli_demo},
	 "  --keep                 leave it running\n"
	 "  --gateway NAME         local (default) or batch, the example gateway\n"
	 "  --behind-proxy         the clients come through HAProxy\n"},
	{{"status", "", "what is attached, seen, lost and blocked, and what needs attention", cli_status},
	 NULL},
	{{"events", "[-f] [--name NAME] [-n N] [--back N]", "what picket saw, one event a line", cli_events},
	 "  -f, --follow           go on with events as they come\n"
	 "  --name NAME            only these: http.request, net.connection, tcp.header, tcp.anomaly, "
	 "http.anomaly,\n"
	 "                         picket.loss, picket.decision; several by comma or by repeating\n"
	 "  -n, --limit N          the newest N; with -f: end after N\n"
	 "  --back N               begin with the last N; with -f the default is 0\n"},
	{{"requests", "[-f] [-n N] [--back N]", "HTTP requests, one a line", cli_requests},
	 "  -f, -n and --back as in picket events\n"},
	{{"packets", "[-f] [-n N] [--back N]", "TCP headers, as tcpdump prints them", cli_packets},
	 "  -f, -n and --back as in picket events\n"
	 "  SYN, FIN, RST and odd segments; one in N of the rest by capture.header_sample\n"},
	{{"replay", "FILE... [--port N]... [--decapsulate KINDS] [--no-redact] [--policy FILE]",
	  "capture files (pcap, pcapng) through the same programs and code as live traffic", cli_replay},
	 "  FILE         - is stdin\n"
	 "  --port N     a server's port; may be repeated. Default: any port, the client is who begins\n"
	 "  --decapsulate KINDS  look into tunnels: ipip, gre, vxlan, or several, with commas\n"
	 "  --no-redact  events hold what was sent, secrets included\n"
	 "  --policy FILE\n"
	 "               a configuration or a file of detections: show what it would decide otherwise than "
	 "the\n"
	 "               built-in detections and the default configuration; nothing is blocked. Exit status "
	 "1:\n"
	 "               it would.\n"
	 "  Needs root (CAP_BPF, CAP_NET_ADMIN) and no daemon; attaches nothing.\n"},
	{{"routes", "[--host HOST] [--undocumented]",
	  "where in the API requests go: templates, learned or of the OpenAPI file", cli_routes},
	 "  --host HOST            those of one host only\n"
	 "  --undocumented         those only that the OpenAPI file (api.openapi) does not have\n"},
	{{"blocks", "", "what is blocked, newest first", cli_blocks}, NULL},
	{{"block",
	  "TARGET [--ttl 15m] [--reason R] [--scope ports|host] [--action ACTION] [--confirm-within 60s]",
	  "block an address or prefix", cli_block},
	 "  --ttl TIME             how long; default guard.ttl_default (15m)\n"
	 "  --reason TEXT          kept with the block and shown by picket why\n"
	 "  --scope ports|host     ports (default): the watched ports; host: every packet\n"
	 "  --action ACTION        block (default); rate_limit: drop what is over enforcement.rate_limit; "
	 "shadow: only count\n"
	 "  --confirm-within TIME  undo it by itself unless `picket block --confirm TARGET` follows in time\n"
	 "  --confirm              confirm the block of TARGET\n"},
	{{"unblock", "TARGET", "end a block", cli_unblock},
	 "  Exit status 1: exactly this target was not blocked.\n"},
	{{"why", "TARGET", "whether an address is blocked, why or why not, and what undoes it", cli_why},
	 "  Exit status 0: it is blocked; 1: it is not.\n"},
	{{"pending", "", "decisions that wait for a person", cli_pending}, NULL},
	{{"approve", "ID", "let a pending block happen", cli_approve}, NULL},
	{{"reject", "ID", "drop a pending block", cli_reject}, NULL},
	{{"mode", "[observe|approve|enforce]", "show or set what becomes of automatic verdicts", cli_mode},
	 "  observe: written down only; approve: a person is asked; enforce: blocked as far as the guard "
	 "allows.\n"
	 "  Not kept over a restart: set mode: in the configuration for that.\n"},
	{{"panic", "", "drop nothing any more, at once; works when every process hangs", cli_panic},
	 "  Writes picket's kill switch in the kernel itself; needs root, and no daemon. picket resume "
	 "undoes it.\n"},
	{{"resume", "", "end a panic", cli_resume}, "  Needs root.\n"},
	{{"detach", "", "take away what a daemon that was killed has left in the kernel", cli_detach},
	 "  Filters of this network namespace, and the pinned kill switch of the instance; a switch that is\n"
	 "  on stays. Needs root, and no daemon: exit status 1 while one of the instance runs.\n"},
	{{"proxies", "[trust|direct|forget ADDR]", "peers that look like proxies, and what you say they are",
	  cli_proxies},
	 "  trust ADDR             a proxy of yours: its forwarding headers are believed, it is never "
	 "blocked\n"
	 "  direct ADDR            a client, whatever headers it sends\n"
	 "  forget ADDR            take back what was said\n"
	 "  Not kept over a restart: use proxies.trusted and proxies.direct in the configuration for "
	 "that.\n"},
	{{"gateway", "list", "gateways, their state and last error", cli_gateway}, NULL},
	{{"config", "check|show|schema [FILE] | redact ...",
	  "check or show the configuration, print its schema", cli_config},
	 "  check, show, schema    what is wrong; what is in effect (--origin: and why); JSON Schema for "
	 "editors\n"
	 "  redact --test REQUEST  what of a request would leave the process: 'GET /a?b=c HTTP/1.1', -H "
	 "'Name: value'\n"
	 "                         adds headers, - reads a whole head from stdin\n"
	 "  redact keys            the keys of its hashes: ids and ages\n"
	 "  redact rotate-key      a new key; --keep N of the old ones stay (1)\n"
	 "  redact forget-keys     only the one in use stays\n"
	 "  -c FILE                the configuration\n"},
};

/* --- messages --- */

int cli_fail(int code, const char *command, const char *format, ...)
{
	_cleanup_(buffer_free) struct buffer out = BUFFER_INIT(8 * MESSAGE_MAX);
	char text[MESSAGE_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	for (char *line = text, *end; line; line = end) {
		end = strchr(line, '\n');
		print_escaped(&out, (struct span){line, end ? (size_t)(end - line) : strlen(line)}, 0);
		if (end && *++end)
			buffer_append_char(&out, '\n');
	}
	fflush(stdout);
	fprintf(stderr, "picket%s%s: %.*s\n", *command ? " " : "", command, (int)out.len,
		out.len ? out.data : "");
	return code;
}

int cli_bad_option(char **argv, int c)
{
	const char *option = argv[optind - 1];

	if (c == ':')
		return cli_fail(EXIT_USAGE, argv[0], "%s needs a value; see picket help %s", option, argv[0]);
	if (optopt && option[0] == '-' && option[1] != '-')
		return cli_fail(EXIT_USAGE, argv[0], "unknown option \"-%c\"; see picket help %s", optopt,
				argv[0]);
	return cli_fail(EXIT_USAGE, argv[0], "unknown option \"%s\"; see picket help %s", option, argv[0]);
}

int cli_unexpected(char **argv, const char *argument)
{
	return cli_fail(EXIT_USAGE, argv[0], "unexpected argument \"%s\"; see picket help %s", argument,
			argv[0]);
}

static const struct entry *entry_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
		if (!strcmp(entries[i].command.name, name))
			return &entries[i];
	return NULL;
}

int cli_arguments(int argc, char **argv, int min, int max)
{
	const struct entry *e = entry_find(argv[0]);

	for (int i = 1; i < argc; i++)
		if (argv[i][0] == '-' && argv[i][1])
			return cli_fail(EXIT_USAGE, argv[0], "unknown option \"%s\"; see picket help %s",
					argv[i], argv[0]);
	if (argc - 1 > max)
		return cli_unexpected(argv, argv[max + 1]);
	if (argc - 1 < min)
		return cli_fail(EXIT_USAGE, argv[0], "usage: picket %s %s", argv[0],
				e ? e->command.arguments : "");
	return EXIT_DONE;
}

/* --- help --- */

static void print_usage(FILE *f)
{
	fputs("picket: a sentry in front of an API server. It sees requests, has them judged, and stops "
	      "attackers.\n\n"
	      "usage: picket [OPTIONS] COMMAND [ARGUMENTS]\n\n",
	      f);
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
		fprintf(f, "  %-9s %s\n", entries[i].command.name, entries[i].command.summary);
	fputs("  help      [COMMAND] this, or how to use one command\n\n"
	      "Options, before or after the command:\n"
	      "  --json           one JSON object a line\n"
	      "  --control PATH   control socket of the daemon (PICKET_CONTROL)\n"
	      "  --instance NAME  one of several daemons (PICKET_INSTANCE)\n"
	      "  --version        print the version\n\n"
	      "Exit status: 0 done, 1 the answer is no or a check failed, 2 usage or configuration, 3 not "
	      "permitted,\n"
	      "4 refused by the guard, 5 daemon or gateway not reachable, 6 the kernel lacks what is "
	      "needed.\n",
	      f);
}

static int print_help(const struct entry *e)
{
	const struct cli_command *c = &e->command;

	printf("usage: picket %s%s%s\n\n%s\n", c->name, *c->arguments ? " " : "", c->arguments, c->summary);
	if (e->help)
		printf("\n%s", e->help);
	return EXIT_DONE;
}

/* Changes that make b of a: letters put in, left out, swapped for another, or two neighbours exchanged. */
static unsigned distance(const char *a, const char *b)
{
	enum { MAX_LEN = 31 };
	unsigned d[MAX_LEN + 1][MAX_LEN + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > MAX_LEN || m > MAX_LEN)
		return MAX_LEN;
	for (size_t i = 0; i <= n; i++)
		d[i][0] = (unsigned)i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++)
		for (size_t j = 1; j <= m; j++) {
			unsigned best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			best = MIN(best, d[i - 1][j] + 1);
			best = MIN(best, d[i][j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = MIN(best, d[i - 2][j - 2] + 1);
			d[i][j] = best;
		}
	return d[n][m];
}

static int unknown_command(const char *name)
{
	unsigned best = 1 + (unsigned)MIN(strlen(name), (size_t)8) / 3;
	const char *nearest = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		unsigned d = distance(name, entries[i].command.name);

		if (d <= best && (!nearest || d < best)) {
			best = d;
			nearest = entries[i].command.name;
		}
	}
	if (nearest)
		return cli_fail(EXIT_USAGE, "", "unknown command \"%s\": did you mean `picket %s`?", name,
				nearest);
	return cli_fail(EXIT_USAGE, "", "unknown command \"%s\": `picket help` lists them", name);
}

static int help(int argc, char **argv)
{
	const struct entry *e = argc > 1 ? entry_find(argv[1]) : NULL;

	if (argc < 2) {
		print_usage(stdout);
		return EXIT_DONE;
	}
	return e ? print_help(e) : unknown_command(argv[1]);
}

/* --- options that all commands share --- */

struct globals {
	struct cli cli;
	const char *control, *instance; /* by flag */
	bool help, version;
	char control_path[sizeof "/run/picket//control.sock" + INSTANCE_MAX];
};

/* --NAME VALUE or --NAME=VALUE. 1: it is this option, and *ret is set; 0: another; -1: its value is missing.
 */
static int take_value(int argc, char **argv, int *at, const char *name, const char **ret)
{
	size_t len = strlen(name);

	if (strncmp(argv[*at], name, len))
		return 0;
	if (argv[*at][len] == '=') {
		*ret = argv[*at] + len + 1;
		return 1;
	}
	if (argv[*at][len])
		return 0;
	if (*at + 1 >= argc)
		return -1;
	*ret = argv[++*at];
	return 1;
}

/* Takes them out of argv; what is behind "--" is left alone. 0 or EXIT_USAGE. */
static int globals_take(int *argc, char **argv, struct globals *g)
{
	int kept = 1, r;
	bool command_seen = false;

	for (int i = 1; i < *argc; i++) {
		const char *arg = argv[i];

		if (!strcmp(arg, "--")) {
			while (i < *argc)
				argv[kept++] = argv[i++];
			break;
		}
		if (!strcmp(arg, "--json")) {
			g->cli.json = true;
		} else if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
			g->help = true;
		} else if (!command_seen && (!strcmp(arg, "--version") || !strcmp(arg, "-V"))) {
			g->version = true;
		} else if ((r = take_value(*argc, argv, &i, "--control", &g->control)) ||
			   (r = take_value(*argc, argv, &i, "--instance", &g->instance))) {
			if (r < 0)
				return cli_fail(EXIT_USAGE, "", "%s needs a value", arg);
		} else if (!command_seen && arg[0] == '-') {
			return cli_fail(EXIT_USAGE, "", "unknown option \"%s\"; see picket help", arg);
		} else {
			command_seen = true;
			argv[kept++] = argv[i];
		}
	}
	argv[kept] = NULL;
	*argc = kept;
	return EXIT_DONE;
}

static bool instance_valid(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

	return len && len <= INSTANCE_MAX && !name[len];
}

static const char *from_environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static int globals_settle(struct globals *g)
{
	const char *instance = g->instance ? g->instance : from_environment("PICKET_INSTANCE");
	const char *control = g->control ? g->control : from_environment("PICKET_CONTROL");

	g->cli.instance_named = instance;
	g->cli.control_named = control;
	if (!instance)
		instance = "default";
	if (!instance_valid(instance))
		return cli_fail(EXIT_USAGE, "", "instance \"%s\": letters, digits, - and _ only, at most %d",
				instance, INSTANCE_MAX);
	if (!control) {
		snprintf(g->control_path, sizeof g->control_path, "/run/picket/%s/control.sock", instance);
		control = g->control_path;
	}
	g->cli.control = control;
	g->cli.instance = instance;
	g->cli.control_given = g->control;
	g->cli.instance_given = g->instance;
	g->cli.color = isatty(STDOUT_FILENO) && !from_environment("NO_COLOR");
	return EXIT_DONE;
}

int cli_main(int argc, char **argv)
{
	struct globals g = {0};
	int r = globals_take(&argc, argv, &g);

	if (!r)
		r = globals_settle(&g);
	if (r)
		return r;
	if (g.version) {
		puts("picket " PICKET_VERSION);
		return EXIT_DONE;
	}
	if (argc > 1 && !strcmp(argv[1], "--"))
		return cli_fail(EXIT_USAGE, "", "the command comes before --");
	if (argc < 2) {
		print_usage(g.help ? stdout : stderr);
		return g.help ? EXIT_DONE : EXIT_USAGE;
	}
	if (!strcmp(argv[1], "help"))
		return help(argc - 1, argv + 1);
	const struct entry *e = entry_find(argv[1]);

	if (!e)
		return unknown_command(argv[1]);
	if (g.help)
		return print_help(e);
	r = e->command.run(&g.cli, argc - 1, argv + 1);
	if (fflush(stdout) && !r)
		r = cli_fail(EXIT_NO, argv[1], "stdout cannot be written");
	return r;
}
