// SPDX-License-Identifier: Apache-2.0
#include "sensor/cli_table.h"
#include <stdio.h>
#include <string.h>

const char cli_purpose[] =
	"a sentry in front of an API server. It sees requests, has them judged, and stops attackers.";

const char *const cli_statuses[CLI_STATUSES] = {
	[EXIT_DONE] = "done",
	[EXIT_NO] = "the answer is no or a check failed",
	[EXIT_USAGE] = "usage or configuration",
	[EXIT_NOT_PERMITTED] = "not permitted",
	[EXIT_REFUSED] = "refused by the guard",
	[EXIT_UNREACHABLE] = "daemon or gateway not reachable",
	[EXIT_KERNEL] = "the kernel lacks what is needed",
};

#define MODES     "observe|approve|enforce"
#define OF_EVENTS "as in `picket events`"

/* clang-format off */
#define OPTIONS(...) (const struct cli_option[]){__VA_ARGS__, {.name = NULL}}
#define PARTS(...)   (const struct cli_command[]){__VA_ARGS__, {.name = NULL}}
#define OPTION_CONFIG(text) \
	{.letter = 'c', .name = "config", .value = "FILE", .offer = OFFER_FILES, .help = (text)}

const struct cli_option cli_globals[] = {
	{.name = "json", .help = "one JSON object a line"},
	{.name = "control", .value = "PATH", .offer = OFFER_FILES, .help = "control socket of the daemon (PICKET_CONTROL)"},
	{.name = "instance", .value = "NAME", .help = "one of several daemons (PICKET_INSTANCE)"},
	{.letter = 'h', .name = "help", .help = "how to use the command"},
	{.letter = 'V', .name = "version", .help = "print the version; before the command only"},
	{.name = NULL},
};

const struct cli_command cli_commands[] = {
	{.name = "run", .summary = "the daemon, in the foreground", .run = cli_run,
	 .options = OPTIONS(
		OPTION_CONFIG("configuration; default /etc/picket/picket.yaml if it is there"),
		{.letter = 'i', .name = "interface", .value = "IFACE", .repeated = true, .offer = OFFER_INTERFACES,
		 .help = "attach to this interface only; may be repeated"},
		{.letter = 'm', .name = "mode", .value = MODES, .help = "instead of the configured mode"})},
	{.name = "doctor", .summary = "prove what works on this host, and name what would mend the rest", .run = cli_doctor,
	 .options = OPTIONS(
		OPTION_CONFIG("judge by this configuration"),
		{.letter = 'v', .name = "verbose", .help = "each program's verified instructions as well"},
		{.letter = 'n', .name = "no-probe", .help = "do not ask own listeners whether they speak TLS"})},
	{.name = "demo", .summary = "a server, a client, an attacker, in a sandbox", .run = cli_demo,
	 .options = OPTIONS(
		{.name = "keep", .help = "leave it running"},
		{.name = "gateway", .value = "local|batch", .help = "who judges: local (default), or batch, the example gateway"},
		{.name = "behind-proxy", .help = "the clients come through HAProxy"})},
	{.name = "status", .summary = "what is attached, seen, lost and blocked, and what needs attention", .run = cli_status},
	{.name = "metrics", .summary = "the counters of status for collectors, in Prometheus' text format", .run = cli_metrics},
	{.name = "top", .summary = "the busiest sources, routes and blocks, again each second", .run = cli_top,
	 .options = OPTIONS({.letter = '1', .name = "once", .help = "one look, as plain text"}),
	 .notes = "Keys: q quit; p pause; r, e, n sort by rate, by share of refused requests, by name; up and down select a source; b "
	 "blocks it, once that is confirmed; w tells why it is blocked or not. Without a terminal: as with -1."},
	{.name = "events", .summary = "what picket saw, one event a line", .run = cli_events,
	 .options = OPTIONS(
		{.letter = 'f', .name = "follow", .help = "go on with events as they come"},
		{.name = "name", .value = "NAME",
		 .choices = "http.request|net.connection|tcp.header|tcp.anomaly|http.anomaly|picket.loss|picket.decision|tls.client_hello",
		 .help = "only these, several by comma or by repeating the option"},
		{.letter = 'n', .name = "limit", .value = "N", .help = "the newest N; with -f: end after N"},
		{.name = "back", .value = "N", .help = "begin with the last N; with -f the default is 0"})},
	{.name = "requests", .summary = "HTTP requests, one a line", .run = cli_requests,
	 .options = OPTIONS(
		{.letter = 'f', .name = "follow", .help = OF_EVENTS},
		{.letter = 'n', .name = "limit", .value = "N", .help = OF_EVENTS},
		{.name = "back", .value = "N", .help = OF_EVENTS})},
	{.name = "packets", .summary = "TCP headers, as tcpdump prints them", .run = cli_packets,
	 .options = OPTIONS(
		{.letter = 'f', .name = "follow", .help = OF_EVENTS},
		{.letter = 'n', .name = "limit", .value = "N", .help = OF_EVENTS},
		{.name = "back", .value = "N", .help = OF_EVENTS}),
	 .notes = "SYN, FIN, RST and odd segments; one in N of the rest by capture.header_sample."},
	{.name = "replay", .arguments = "FILE...", .offer = OFFER_FILES, .run = cli_replay,
	 .summary = "capture files (pcap, pcapng) through the same programs and code as live traffic",
	 .options = OPTIONS(
		{.name = "port", .value = "N", .repeated = true,
		 .help = "a server's port; may be repeated. Default: any port, the client is who begins"},
		{.name = "decapsulate", .value = "KINDS", .choices = "ipip|gre|vxlan",
		 .help = "look into tunnels of these kinds, several by comma"},
		{.name = "no-redact", .help = "events hold what was sent, secrets included"},
		{.name = "policy", .value = "FILE", .offer = OFFER_FILES,
		 .help = "a configuration or a file of detections: show what it would decide otherwise than the built-in "
		 "detections and the default configuration; nothing is blocked. Exit status 1: it would."}),
	 .notes = "FILE may be -, which is stdin. Needs root (CAP_BPF, CAP_NET_ADMIN) and no daemon; attaches nothing."},
	{.name = "clients", .arguments = "[TARGET]", .offer = OFFER_BLOCKED, .run = cli_clients,
	 .summary = "who asks here, by address and by credential, and what is known of each",
	 .options = OPTIONS(
		{.name = "kind", .value = "client|consumer", .help = "addresses only, or credentials only"},
		{.letter = 'n', .name = "limit", .value = "N", .help = "the first N; default 50, with --json all"}),
	 .notes = "TARGET is an address or consumer:ID: that one only, and all that is known of it."},
	{.name = "baseline", .arguments = "[ROUTE]", .alone = true, .run = cli_baseline,
	 .summary = "what is normal on each route, as far as it is learned, and whether it counts",
	 .parts = PARTS(
		{.name = "reset", .arguments = "[ROUTE]", .summary = "forget what was learned, of one route or of all, and learn it anew"},
		{.name = "learning", .arguments = "on|frozen", .summary = "go on learning, or leave what is known as it is; until a restart"})},
	{.name = "routes", .summary = "where in the API requests go: templates, learned or of the OpenAPI file", .run = cli_routes,
	 .options = OPTIONS(
		{.name = "host", .value = "HOST", .help = "those of one host only"},
		{.name = "undocumented", .help = "those only that the OpenAPI file (api.openapi) does not have"})},
	{.name = "blocks", .summary = "what is blocked, newest first", .run = cli_blocks},
	{.name = "block", .arguments = "TARGET", .offer = OFFER_BLOCKED, .summary = "block an address or prefix", .run = cli_block,
	 .options = OPTIONS(
		{.name = "ttl", .value = "TIME", .help = "how long, such as 15m or 1h30m; default guard.ttl_default (15m)"},
		{.name = "reason", .value = "TEXT", .help = "kept with the block and shown by `picket why`"},
		{.name = "scope", .value = "ports|host", .help = "ports (default): the watched ports; host: every packet"},
		{.name = "action", .value = "block|rate_limit|shadow|reset",
		 .help = "block (default); rate_limit: drop what is over enforcement.rate_limit; shadow: only count; reset: drop, and "
		 "answer with a RST"},
		{.name = "confirm-within", .value = "TIME",
		 .help = "undo it by itself unless `picket block --confirm TARGET` follows in time"},
		{.name = "confirm", .help = "confirm the block of TARGET"}),
	 .notes = "At HTTP (docs/decide.md) TARGET may be consumer:ID, ja4:FINGERPRINT, or any target on a route: 192.0.2.7@/users/{id}."},
	{.name = "unblock", .arguments = "TARGET", .offer = OFFER_BLOCKED, .summary = "end a block", .run = cli_unblock,
	 .notes = "Exit status 1: exactly this target was not blocked; 4: a block list names it."},
	{.name = "import", .arguments = "FILE", .offer = OFFER_FILES, .run = cli_import,
	 .summary = "block the addresses of a file, once, each as a block of your own",
	 .options = OPTIONS(
		{.name = "format", .value = "FORMAT", .choices = "auto|plain|crowdsec|stix|misp",
		 .help = "what the file is; default auto, by its content"},
		{.name = "ttl", .value = "TIME", .help = "of entries without an end of their own; default guard.ttl_default (15m)"},
		{.name = "action", .value = "block|rate_limit|shadow|reset", .help = "as in `picket block`"},
		{.name = "scope", .value = "ports|host", .help = "as in `picket block`"},
		{.name = "reason", .value = "TEXT", .help = "kept with each block; default \"imported\""}),
	 .notes = "FILE may be -, which is stdin. At most 65,536 entries; longer ones, and those that change, are for lists: in the "
	 "configuration. Exit status 4: some were refused, the others are blocked; 1: some records cannot be read, likewise."},
	{.name = "export", .summary = "what is blocked, as a list that others can read", .run = cli_export,
	 .options = OPTIONS(
		{.name = "format", .value = "plain|crowdsec|stix|misp", .help = "plain (default): an address or prefix a line"},
		{.name = "published", .help = "only what nobody here can enforce, for others to do (enforcement.publish)"}),
	 .notes = "Blocks with action block or reset, by whoever asked for them; what stands in block lists is not among them."},
	{.name = "lists", .summary = "block lists in files: what stands in them and what is in force", .run = cli_lists},
	{.name = "why", .arguments = "TARGET", .offer = OFFER_BLOCKED, .run = cli_why,
	 .summary = "whether an address is blocked, why or why not, and what undoes it",
	 .notes = "Exit status 0: it is blocked; 1: it is not."},
	{.name = "pending", .summary = "decisions that wait for a person", .run = cli_pending},
	{.name = "approve", .arguments = "ID", .offer = OFFER_PENDING, .summary = "let a pending block happen", .run = cli_approve},
	{.name = "reject", .arguments = "ID", .offer = OFFER_PENDING, .summary = "drop a pending block", .run = cli_reject},
	{.name = "mode", .arguments = "[" MODES "]", .summary = "show or set what becomes of automatic verdicts", .run = cli_mode,
	 .notes = "observe: written down only; approve: a person is asked; enforce: blocked as far as the guard allows. Kept over a "
	 "restart, until the configuration's own mode changes or is read again."},
	{.name = "forecast", .summary = "what would have been dropped, had you enforced", .run = cli_forecast,
	 .options = OPTIONS(
		{.name = "since", .value = "TIME",
		 .help = "only blocks that would have begun since: 2h (ago), 2026-11-24T22:00:00Z or 2026-11-24 (UTC); default: all "
		 "that is known"}),
	 .notes = "2xx: requests among them that the server answered so; who sent these may have done no harm."},
	{.name = "panic", .summary = "drop nothing any more, at once; works when every process hangs", .run = cli_panic,
	 .notes = "Writes picket's kill switch in the kernel itself; needs root, and no daemon. `picket resume` undoes it."},
	{.name = "resume", .summary = "end a panic", .run = cli_resume, .notes = "Needs root."},
	{.name = "detach", .summary = "take away what a daemon has left in the kernel", .run = cli_detach,
	 .options = OPTIONS({.name = "keep-pinned", .help = "not what enforcement.pin keeps in force while no daemon runs"}),
	 .notes = "What enforcement.pin keeps, filters of this network namespace, and the pinned kill switch of the instance; a "
	 "switch that is on stays. Needs root, and no daemon: exit status 1 while one of the instance runs."},
	{.name = "proxies", .summary = "peers that look like proxies, and what you say they are", .run = cli_proxies, .alone = true,
	 .parts = PARTS(
		{.name = "trust", .arguments = "ADDR", .offer = OFFER_PEERS,
		 .summary = "a proxy of yours: its forwarding headers are believed, it is never blocked"},
		{.name = "direct", .arguments = "ADDR", .offer = OFFER_PEERS, .summary = "a client, whatever headers it sends"},
		{.name = "forget", .arguments = "ADDR", .offer = OFFER_PEERS, .summary = "take back what was said"}),
	 .notes = "Kept over a restart, until the configuration says something else of the same address or is read again."},
	{.name = "gateway", .summary = "who judges", .run = cli_gateway,
	 .parts = PARTS(
		{.name = "list", .summary = "gateways: where, how far their verdicts go, what was delivered and waits, the last error"},
		{.name = "test", .arguments = "[NAME]",
		 .summary = "send one made-up event to each gateway, or to NAME, and say what came of it and what mends it",
		 .options = OPTIONS(OPTION_CONFIG("the configuration that has it"),
			{.name = "dossier", .value = "CLIENT", .help = "what a model is asked about that client: shown, not sent; with NAME sent to it"}),
		 .notes = "By the configuration, as the daemon would; asks no daemon, but for a --dossier. The event is marked picket.test; no verdict that comes "
		 "back is acted on. Exit status 0: understood; 1: not understood; 5: not reached."})},
	{.name = "audit", .summary = "who decided and set what: is the log of it whole, and what does it say", .run = cli_audit,
	 .parts = PARTS(
		{.name = "verify", .arguments = "[PATH]", .offer = OFFER_FILES,
		 .summary = "whether the log is whole, and if not, which line was changed, removed, inserted or moved",
		 .options = OPTIONS(
			OPTION_CONFIG("the configuration whose log it is, where no PATH is given"),
			{.name = "head", .value = "HEAD",
			 .help = "as `picket audit head` has printed it: that record must still be there, the same"}),
		 .notes = "Exit status 0: whole; 1: it is not."},
		{.name = "head", .arguments = "[PATH]", .offer = OFFER_FILES,
		 .summary = "sequence number and hash of the last record, to note elsewhere",
		 .options = OPTIONS(OPTION_CONFIG("the configuration whose log it is, where no PATH is given"))},
		{.name = "export", .arguments = "[PATH]", .offer = OFFER_FILES, .summary = "the records of a time",
		 .options = OPTIONS(
			OPTION_CONFIG("the configuration whose log it is, where no PATH is given"),
			{.name = "since", .value = "TIME", .help = "2026-11-24T22:00:00Z (UTC), 2026-11-24, or 2h for two hours ago"},
			{.name = "until", .value = "TIME", .help = "likewise; that moment is not among them"},
			{.name = "format", .value = "json|csv", .help = "json (default): as they stand in the log; csv: a table"})}),
	 .notes = "PATH is the folder of a log, or one of its files. Asks no daemon."},
	{.name = "config", .summary = "check or show the configuration, print its schema", .run = cli_config,
	 .parts = PARTS(
		{.name = "check", .arguments = "[FILE]", .offer = OFFER_FILES, .summary = "what is wrong",
		 .options = OPTIONS(OPTION_CONFIG("the same as FILE"))},
		{.name = "show", .arguments = "[FILE]", .offer = OFFER_FILES, .summary = "what is in effect",
		 .options = OPTIONS(
			OPTION_CONFIG("the same as FILE"),
			{.name = "origin", .help = "and why: where each value comes from"})},
		{.name = "schema", .summary = "JSON Schema for editors"},
		{.name = "redact", .summary = "what of a request would leave the process, and the keys of its hashes", .alone = true,
		 .options = OPTIONS(
			OPTION_CONFIG("the configuration"),
			{.name = "test", .value = "REQUEST", .required = true,
			 .help = "a request line, 'GET /a?b=c HTTP/1.1'; - reads a whole head from stdin"},
			{.letter = 'H', .name = "header", .value = "HEADER", .repeated = true, .help = "adds one, 'Name: value'"}),
		 .parts = PARTS(
			{.name = "keys", .summary = "the keys of its hashes: ids and ages",
			 .options = OPTIONS(OPTION_CONFIG("the configuration"))},
			{.name = "rotate-key", .summary = "a new key",
			 .options = OPTIONS(
				OPTION_CONFIG("the configuration"),
				{.name = "keep", .value = "N", .help = "old ones that stay; default 1"})},
			{.name = "forget-keys", .summary = "only the one in use stays",
			 .options = OPTIONS(OPTION_CONFIG("the configuration"))})})},
	{.name = "completion", .summary = "what completes these commands and options in a shell", .run = cli_completion,
	 .parts = PARTS(
		{.name = "bash", .summary = "for bash, which reads it by `source`"},
		{.name = "zsh", .summary = "for zsh, a file _picket in a folder of its fpath"},
		{.name = "fish", .summary = "for fish, which reads it by `source`"},
		{.name = "live", .arguments = "blocked|pending|peers",
		 .summary = "what the daemon knows of them now, one a line; without a daemon nothing, and exit status 5"})},
	{.name = "manual", .arguments = "picket|picket.yaml", .run = cli_manual,
	 .summary = "a page of the manual, of the commands or of the configuration, for `man -l -`"},
	{.name = "help", .arguments = "[COMMAND]...", .offer = OFFER_COMMANDS, .summary = "this, or how to use one command",
	 .run = cli_help},
	{.name = NULL},
};
/* clang-format on */

bool cli_option_ends(const struct cli_option *o)
{
	return !o || (!o->letter && !o->name);
}

const struct cli_command *cli_command_find(const struct cli_command *list, const char *name)
{
	for (const struct cli_command *c = list; c && c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

const char *cli_choices(const char *value, const char *choices)
{
	if (choices)
		return choices;
	return value && strchr(value, '|') ? value : "";
}

bool cli_choice_next(const char **choices, struct span *ret)
{
	const char *at = *choices + strspn(*choices, "[|]");
	size_t len = strcspn(at, "[|]");

	if (!len)
		return false;
	*ret = (struct span){at, len};
	*choices = at + len;
	return true;
}

void cli_option_label(struct buffer *out, const struct cli_option *o)
{
	if (o->letter)
		buffer_printf(out, "-%c%s", o->letter, o->name ? ", " : "");
	if (o->name)
		buffer_printf(out, "--%s", o->name);
	if (o->value)
		buffer_printf(out, " %s", o->value);
}

void cli_option_text(struct buffer *out, const struct cli_option *o)
{
	const char *choices = o->choices ? o->choices : "";
	const char *between = ": ";
	struct span word;

	buffer_append_text(out, o->help);
	while (cli_choice_next(&choices, &word)) {
		buffer_append_text(out, between);
		buffer_append(out, word.ptr, word.len);
		between = ", ";
	}
}

static void option_usage(struct buffer *out, const struct cli_option *o)
{
	buffer_append_text(out, o->required ? " " : " [");
	if (o->letter)
		buffer_printf(out, "-%c", o->letter);
	else
		buffer_printf(out, "--%s", o->name);
	if (o->value)
		buffer_printf(out, " %s", o->value);
	buffer_append_text(out, o->required ? "" : "]");
	buffer_append_text(out, o->repeated ? "..." : "");
}

void cli_usage(struct buffer *out, const char *path, const struct cli_command *c)
{
	if (c->parts && !c->alone)
		return;
	buffer_printf(out, "picket %s", path);
	if (c->arguments)
		buffer_printf(out, " %s", c->arguments);
	for (const struct cli_option *o = c->options; !cli_option_ends(o); o++)
		option_usage(out, o);
}

static void usage_line(void *arg, const char *path, const struct cli_command *c)
{
	struct buffer *out = arg;
	size_t before = out->len;

	cli_usage(out, path, c);
	if (out->len > before)
		buffer_append_char(out, '\n');
}

void cli_usages(struct buffer *out, const char *before, const struct cli_command *c)
{
	cli_walk(c, before, usage_line, out);
}

void cli_walk(const struct cli_command *c, const char *before,
	      void (*see)(void *arg, const char *path, const struct cli_command *c), void *arg)
{
	char path[CLI_PATH_MAX];

	if ((size_t)snprintf(path, sizeof path, "%s%s%s", before, *before ? " " : "", c->name) >= sizeof path)
		return; /* none of the table is so long */
	see(arg, path, c);
	for (const struct cli_command *part = c->parts; part && part->name; part++)
		cli_walk(part, path, see, arg);
}
