// SPDX-License-Identifier: Apache-2.0
/* picket status: the whole path on one screen, in its order, and at the end what needs attention. */
#include <stdio.h>
#include <string.h>
#include "lib/util.h"
#include "sensor/cli_call.h"
#include "sensor/cli_print.h"

#define LABEL_WIDTH 11
#define TEXT_MAX    4096

/* "label      text", wrapped. */
static void field(const char *label, struct buffer *text)
{
	buffer_append_char(text, 0);
	if (text->truncated && text->len)
		text->data[text->len - 1] = 0;
	printf("%-*s", LABEL_WIDTH, label);
	print_wrapped(stdout, LABEL_WIDTH, text->data ? text->data : "");
	buffer_reset(text);
}

static unsigned long long count_of(const cJSON *a, const char *path)
{
	return cli_uint(a, path);
}

static void show_head(const struct cli *cli, const cJSON *a, struct buffer *b)
{
	char span[32];

	printf("%spicket %s%s, instance %s", print_color(cli->color, COLOR_BOLD), cli_text(a, "version"),
	       print_color(cli->color, COLOR_NONE), cli_text(a, "instance"));
	printf(", up %s\n",
	       print_span(cli_uint(a, cli_true(a, "warden.answers") ? "warden.uptime_s" : "sensor.uptime_s"),
			  span));
	buffer_printf(b, "%s%s", cli_text(a, "mode"),
		      cli_true(a, "kill_switch") ? ", KILL SWITCH ON: nothing is dropped" : "");
	if (count_of(a, "sensor.restarts"))
		buffer_printf(b, "; sensor restarted %llu times", count_of(a, "sensor.restarts"));
	field("mode", b);
}

static void show_interfaces(const cJSON *a, struct buffer *b)
{
	const cJSON *list = cli_at(a, "capture.interfaces"), *item;

	cJSON_ArrayForEach(item, list)
	{
		buffer_printf(b, "%s%s %s", b->len ? ", " : "", cli_text(item, "name"),
			      cli_text(item, "mode"));
		if (*cli_text(item, "driver"))
			buffer_printf(b, " (%s)", cli_text(item, "driver"));
		if (*cli_text(item, "note"))
			buffer_printf(b, " [%s]", cli_text(item, "note"));
	}
	if (!b->len)
		buffer_append_text(b, "none attached");
	field("interfaces", b);
}

static void show_ports(const cJSON *a, struct buffer *b)
{
	const cJSON *list = cli_at(a, "capture.watched_ports"), *item;
	int shown = 0;

	cJSON_ArrayForEach(item, list)
	{
		if (++shown <= 16)
			buffer_printf(b, "%s%.0f", b->len ? " " : "", item->valuedouble);
	}
	if (count_of(a, "capture.watched_port_count") > 16)
		buffer_printf(b, " and %llu more", count_of(a, "capture.watched_port_count") - 16);
	if (!b->len)
		buffer_append_text(b, "none: no server listens");
	field("ports", b);
}

static void show_passing(const cJSON *a, struct buffer *b)
{
	if (!cJSON_IsObject(cli_at(a, "capture.packets")))
		return;
	buffer_printf(b, "%llu segments, %llu of at most %llu connections followed",
		      count_of(a, "capture.packets.segments"), count_of(a, "capture.packets.tracked.held"),
		      count_of(a, "capture.packets.tracked.max"));
	if (count_of(a, "capture.packets.tracked.evicted"))
		buffer_printf(b, " (%llu given up)", count_of(a, "capture.packets.tracked.evicted"));
	buffer_printf(b, ", %llu of at most %llu fragmented datagrams",
		      count_of(a, "capture.packets.datagrams.held"),
		      count_of(a, "capture.packets.datagrams.max"));
	if (count_of(a, "capture.packets.datagrams.evicted"))
		buffer_printf(b, " (%llu given up)", count_of(a, "capture.packets.datagrams.evicted"));
	field("passing", b);
}

static void show_capture(const cJSON *a, struct buffer *b)
{
	char text[32];

	show_interfaces(a, b);
	show_ports(a, b);
	buffer_printf(b, "%llu seen, %llu dropped (%s)", count_of(a, "kernel.packets"),
		      count_of(a, "kernel.packets_dropped"),
		      print_bytes(cli_uint(a, "kernel.packets_dropped_bytes"), text));
	if (count_of(a, "kernel.udp_to_watched_ports"))
		buffer_printf(b, "; %llu UDP to watched ports", count_of(a, "kernel.udp_to_watched_ports"));
	if (*cli_text(a, "capture.receive"))
		buffer_printf(b, "; headers also by %s", cli_text(a, "capture.receive"));
	if (count_of(a, "packet_criteria.alerts"))
		buffer_printf(b, "; %llu alerts by criteria", count_of(a, "packet_criteria.alerts"));
	field("packets", b);
	show_passing(a, b);
	buffer_printf(b, "%llu on %llu connections (%llu open), through the %s buffer",
		      count_of(a, "capture.requests"), count_of(a, "capture.connections_opened"),
		      count_of(a, "capture.connections_held"), cli_text(a, "capture.path"));
	if (!cli_true(a, "capture.answers.seen"))
		buffer_append_text(b, "; this kernel shows no answers");
	if (count_of(a, "capture.anomalies"))
		buffer_printf(b, "; %llu anomalies", count_of(a, "capture.anomalies"));
	if (count_of(a, "capture.gaps"))
		buffer_printf(b, "; %llu gaps", count_of(a, "capture.gaps"));
	if (count_of(a, "capture.tls.hellos"))
		buffer_printf(b, "; %llu hellos of TLS clients", count_of(a, "capture.tls.hellos"));
	field("requests", b);
}

static void show_account(const struct cli *cli, const cJSON *a, struct buffer *b)
{
	static const char *const heads[] = {"  STAGE", "KIND", ">PRODUCED", ">DELIVERED", ">LOST", ">HELD"};
	static const char *const keys[] = {"produced", "delivered", "lost", "held"};
	const cJSON *stages = cli_at(a, "accounting.stages"), *s;
	struct table_view *t;

	buffer_printf(b, "%s; lost %llu, held %llu",
		      cli_true(a, "accounting.balanced") ? "balanced: produced = delivered + lost + held"
							 : "NOT BALANCED",
		      count_of(a, "accounting.lost"), count_of(a, "accounting.held"));
	field("account", b);
	if (table_view_new(heads, ARRAY_SIZE(heads), &t))
		return;
	cJSON_ArrayForEach(s, stages)
	{
		char text[32];

		snprintf(text, sizeof text, "  %s", cli_text(s, "stage"));
		table_view_cell(t, text);
		table_view_cell(t, cli_text(s, "kind"));
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
			unsigned long long n = count_of(s, keys[i]);

			if (i == 1)
				n += count_of(s, "delivered_earlier");
			snprintf(text, sizeof text, "%llu", n);
			table_view_cell(t, text);
		}
	}
	table_view_print(t, stdout, cli->color);
	table_view_free(t);
}

static void show_gateways(const cJSON *a, struct buffer *b)
{
	const cJSON *g;

	cJSON_ArrayForEach(g, cli_at(a, "gateways"))
	{
		buffer_printf(b, "%s %s: %llu events delivered, %llu verdicts", cli_text(g, "name"),
			      cli_text(g, "state"), count_of(g, "events_delivered"), count_of(g, "verdicts"));
		if (*cli_text(g, "last_error"))
			buffer_printf(b, "; %s", cli_text(g, "last_error"));
		field("gateway", b);
	}
}

/* What outlives a restart. */
static void show_kept(const cJSON *a, struct buffer *b)
{
	buffer_printf(b, "blocks, mode and what was said of proxies are %s over a restart",
		      cli_true(a, "kept_over_restart.blocks") ? "kept" : "not kept");
	if (count_of(a, "journal.held"))
		buffer_printf(b, "; %llu changes of the last %llu ms are not on the disk yet",
			      count_of(a, "journal.held"), count_of(a, "journal.held_ms"));
	if (*cli_text(a, "journal.error"))
		buffer_printf(b, ": %s", cli_text(a, "journal.error"));
	field("kept", b);
}

static void show_judgment(const cJSON *a, struct buffer *b)
{
	const cJSON *l;

	if (cli_true(a, "detection.on")) {
		buffer_printf(b, "%llu requests looked at, %llu matched, %llu verdicts",
			      count_of(a, "detection.requests"), count_of(a, "detection.matches"),
			      count_of(a, "detection.fired"));
		if (count_of(a, "detection.withheld"))
			buffer_printf(b, ", %llu withheld", count_of(a, "detection.withheld"));
		field("detection", b);
		buffer_printf(b,
			      "%llu of %llu clients, %llu of %llu consumers, %llu kept over a restart, %llu "
			      "forgotten",
			      count_of(a, "behaviour.clients"), count_of(a, "behaviour.clients_max"),
			      count_of(a, "behaviour.consumers"), count_of(a, "behaviour.consumers_max"),
			      count_of(a, "behaviour.kept"),
			      count_of(a, "behaviour.forgotten_new") +
				      count_of(a, "behaviour.forgotten_known"));
		field("known", b);
		buffer_printf(b, "%llu of %llu routes by detection, learning is %s, %llu forgotten",
			      count_of(a, "baseline.held"), count_of(a, "baseline.max"),
			      cli_text(a, "baseline.learning"), count_of(a, "baseline.forgotten"));
		field("normal", b);
	}
	show_gateways(a, b);
	buffer_printf(b, "%llu blocked, %llu would block, %llu pending, %llu refused",
		      count_of(a, "decisions.blocked"), count_of(a, "decisions.would_block"),
		      count_of(a, "decisions.pending"), count_of(a, "decisions.refused"));
	field("decisions", b);
	buffer_printf(b, "%llu wanted, %llu in the kernel, %llu missing, %llu extra",
		      count_of(a, "blocks.desired"), count_of(a, "blocks.installed"),
		      count_of(a, "blocks.missing"), count_of(a, "blocks.extra"));
	field("blocks", b);
	cJSON_ArrayForEach(l, cli_at(a, "haproxy"))
	{
		buffer_printf(b, "%s %s: %llu wanted, %llu in its map, %llu missing, %llu extra",
			      cli_text(l, "name"), cli_text(l, "state"), count_of(l, "desired"),
			      count_of(l, "installed"), count_of(l, "missing"), count_of(l, "extra"));
		if (*cli_text(l, "error"))
			buffer_printf(b, "; %s", cli_text(l, "error"));
		field("haproxy", b);
	}
	cJSON_ArrayForEach(l, cli_at(a, "lists"))
	{
		buffer_printf(b, "%s: %llu of %llu entries in force", cli_text(l, "name"),
			      count_of(l, "in_force"), count_of(l, "entries"));
		if (*cli_text(l, "error"))
			buffer_printf(b, "; its file %s", cli_text(l, "error"));
		field("list", b);
	}
	buffer_printf(b, "%llu unclassified, %llu trusted, %llu direct",
		      count_of(a, "proxies.unclassified_count"), count_of(a, "proxies.trusted_count"),
		      count_of(a, "proxies.direct_count"));
	field("proxies", b);
	if (cJSON_IsObject(cli_at(a, "protect"))) {
		buffer_printf(b,
			      "%llu login sessions, %llu resolvers, %llu default gateways, %llu own "
			      "addresses, %llu configured",
			      count_of(a, "protect.sessions"), count_of(a, "protect.resolvers"),
			      count_of(a, "protect.default_gateways"), count_of(a, "protect.own_addresses"),
			      count_of(a, "protect.configured"));
		field("protected", b);
	}
	if (strcmp(cli_text(a, "audit.state"), "off")) {
		buffer_printf(b, "%s, %llu records, %llu missing, the last is number %llu",
			      cli_text(a, "audit.state"), count_of(a, "audit.records"),
			      count_of(a, "audit.missing"), count_of(a, "audit.head.seq"));
		field("audit log", b);
	}
	if (cJSON_GetArraySize(cli_at(a, "alerts.outlets"))) {
		buffer_printf(b, "%llu told, %llu matters wait", count_of(a, "alerts.told"),
			      count_of(a, "alerts.waiting"));
		field("alerts", b);
	}
	show_kept(a, b);
}

static enum print_color severity_color(const char *severity)
{
	if (!strcmp(severity, "error"))
		return COLOR_RED;
	return strcmp(severity, "warning") ? COLOR_DIM : COLOR_YELLOW;
}

static void show_hints(const struct cli *cli, const cJSON *a)
{
	const cJSON *hints = cli_at(a, "hints"), *h;

	if (!cJSON_GetArraySize(hints))
		return;
	puts("\nneeds attention:");
	cJSON_ArrayForEach(h, hints)
	{
		const char *severity = cli_text(h, "severity");

		printf("  %s%-8s%s ", print_color(cli->color, severity_color(severity)), severity,
		       print_color(cli->color, COLOR_NONE));
		print_wrapped(stdout, LABEL_WIDTH, cli_text(h, "text"));
		if (*cli_text(h, "command")) {
			printf("%*s", LABEL_WIDTH, "");
			print_wrapped(stdout, LABEL_WIDTH, cli_text(h, "command"));
		}
	}
}

int cli_status(const struct cli *cli, int argc, char **argv)
{
	_cleanup_(buffer_free) struct buffer b = BUFFER_INIT(TEXT_MAX);
	cJSON *a = NULL;
	int r = cli_arguments(argc, argv, 0, 0);

	if (!r)
		r = cli_ask_json(cli, argv[0], "GET", "/v1/status", SPAN_NULL, &a);
	if (!r && a) {
		show_head(cli, a, &b);
		show_capture(a, &b);
		show_account(cli, a, &b);
		show_judgment(a, &b);
		show_hints(cli, a);
	}
	cJSON_Delete(a);
	return r;
}
