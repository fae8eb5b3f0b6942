// SPDX-License-Identifier: Apache-2.0
/*
 * Why an address is blocked, or is not: its block, what stands in the way of one, the last decisions about
 * it, and for each reason the command that changes it. It tells what enforcer and proxies know; it decides
 * nothing.
 */
#include <stdarg.h>
#include <stdio.h>
#include "lib/event_json.h"
#include "lib/target.h"
#include "lib/util.h"
#include "sensor/control_decision.h"
#include "sensor/crowdsec_link.h"

#define HISTORY_MAX 20
#define COMMAND_MAX (PREFIX_TEXT_MAX + 32) /* "picket block --confirm TARGET" */

/* One sentence of the answer, with the command that changes it. */
static void because(struct json_writer *w, const char *code, const char *command, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void because(struct json_writer *w, const char *code, const char *command, const char *format, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	json_object_begin(w);
	json_key(w, "code");
	json_text(w, code);
	json_key(w, "text");
	json_text(w, text);
	json_key(w, "command");
	json_text(w, command);
	json_object_end(w);
}

static uint64_t pending_of(const struct control_parts *parts, const struct prefix *target)
{
	_cleanup_free_ struct pending *list = NULL;
	size_t count = 0;

	if (enforcer_pending(parts->enforcer, &list, &count))
		return 0;
	const struct prefix who = target_who(target);
	for (size_t i = 0; i < count; i++) {
		const struct prefix other = target_who(&list[i].verdict.target);
		if (prefix_overlaps(&other, &who))
			return list[i].id;
	}
	return 0;
}

static void because_of_last_decision(struct json_writer *w, const struct control_parts *parts,
				     const struct event *e)
{
	const struct event_decision *d = &e->decision;
	const char *origin = d->verdict.origin;
	char when[CLOCK_TEXT_MAX];

	clock_format(e->wall_ns, when);
	when[19] = 0; /* whole seconds are enough here */
	switch (d->outcome) {
	case DECISION_WOULD_BLOCK:
		if (!span_equal(d->why, SPAN("observe"))) {
			because(w, "mode_observe", NULL,
				"at %sZ %s asked for a block; had the mode not been observe, a person would "
				"have been "
				"asked: %.*s",
				when, origin, (int)d->detail.len, d->detail.ptr);
			break;
		}
		because(w, "mode_observe", "picket mode enforce",
			"at %sZ %s asked for a block; the mode was observe, so it was only written down",
			when, origin);
		break;
	case DECISION_REFUSED:
		because(w, "refused", NULL, "at %sZ the block that %s asked for was refused: %.*s%s%.*s",
			when, origin, (int)d->why.len, d->why.ptr, d->detail.len ? ": " : "",
			(int)d->detail.len, d->detail.ptr);
		break;
	case DECISION_EXPIRED:
		because(w, "expired", NULL, "its last block, asked for by %s, ran out at %sZ", origin, when);
		break;
	case DECISION_UNBLOCKED:
		because(w, "unblocked", NULL, "at %sZ it was unblocked by %s", when, origin);
		break;
	case DECISION_BLOCKED:
	case DECISION_PENDING:
		break;
	}
	if (d->outcome == DECISION_WOULD_BLOCK && enforcer_mode(parts->enforcer) != MODE_OBSERVE)
		because(w, "mode_changed", NULL, "the mode is now %s: the next such verdict is handled by it",
			config_mode_name(enforcer_mode(parts->enforcer)));
}

static void write_claims(struct json_writer *w, const struct control_parts *parts, const struct why *y)
{
	json_key(w, "claims");
	json_array_begin(w);
	for (unsigned i = 0; i < y->claim_count; i++) {
		const struct block_claim *c = &y->claims[i];

		json_object_begin(w);
		control_write_verdict(w, &c->verdict);
		control_write_time(w, "since", parts->clock, c->since_ns);
		control_write_time(w, "until", parts->clock, c->deadline_ns);
		control_write_time(w, "confirm_by", parts->clock, c->revert_ns);
		json_object_end(w);
	}
	json_array_end(w);
}

#define TOLD_MAX 8

/* What a LAPI has decided on the entry's target; none of a list in a file. */
static unsigned decisions_find(const struct control_parts *parts, const struct why_list *l,
			       struct crowdsec_told *ret)
{
	struct crowdsec_link *link =
		l->config->path ? NULL : crowdsec_links_find(parts->crowdsec, l->config->name);
	struct crowdsec_bouncer *bouncer = link ? crowdsec_link_bouncer(link) : NULL;

	return bouncer ? crowdsec_bouncer_find(bouncer, &l->target, ret, TOLD_MAX) : 0;
}

static void write_decisions(struct json_writer *w, const struct control_parts *parts,
			    const struct why_list *l)
{
	struct crowdsec_told told[TOLD_MAX];
	unsigned count = decisions_find(parts, l, told);
	char until[CLOCK_TEXT_MAX];

	json_key(w, "decisions");
	json_array_begin(w);
	for (unsigned i = 0; i < count; i++) {
		json_object_begin(w);
		json_key(w, "id");
		json_uint(w, told[i].id);
		json_key(w, "origin");
		json_text(w, told[i].origin);
		json_key(w, "scenario");
		json_text(w, told[i].scenario);
		json_key(w, "type");
		json_text(w, told[i].type);
		json_key(w, "until");
		clock_format(told[i].end_s * NS_PER_S, until);
		json_text(w, until);
		json_object_end(w);
	}
	json_array_end(w);
}

static void write_lists(struct json_writer *w, const struct control_parts *parts, const struct why *y)
{
	json_key(w, "lists");
	json_array_begin(w);
	for (unsigned i = 0; i < y->list_count; i++) {
		const struct why_list *l = &y->lists[i];

		json_object_begin(w);
		json_key(w, "name");
		json_text(w, l->config->name);
		json_key(w, "path");
		json_text(w, l->config->path);
		json_key(w, "gateway");
		json_text(w, l->config->path ? NULL : l->config->name);
		control_write_prefix(w, "target", &l->target);
		json_key(w, "action");
		json_text(w, verdict_action_name(l->config->action));
		json_key(w, "in_force");
		json_bool(w, l->state == LISTS_IN_FORCE);
		control_write_time(w, "until", parts->clock, l->end_ns);
		write_decisions(w, parts, l);
		json_object_end(w);
	}
	json_array_end(w);
}

/* The longest of a LAPI's decisions on it, and the command that takes it back there. */
static bool because_of_decision(struct json_writer *w, const struct control_parts *parts,
				const struct why_list *l)
{
	struct crowdsec_told told[TOLD_MAX];
	unsigned count = decisions_find(parts, l, told);
	char text[PREFIX_TEXT_MAX], command[64];

	if (!count)
		return false;
	prefix_format(&l->target, text);
	snprintf(command, sizeof command, "cscli decisions delete --id %llu", (unsigned long long)told[0].id);
	because(w, "crowdsec", told[0].id ? command : NULL,
		"the LAPI of %s decided on %s: decision %llu of type %s, origin %s, scenario %s%s",
		l->config->name, text, (unsigned long long)told[0].id, told[0].type, told[0].origin,
		told[0].scenario, count > 1 ? ", and others that end sooner" : "");
	return true;
}

/* What each list that names it says, and the file that would have to change. */
static void because_of_list(struct json_writer *w, const struct control_parts *parts,
			    const struct why_list *l)
{
	char text[PREFIX_TEXT_MAX];

	prefix_format(&l->target, text);
	if (l->state == LISTS_IN_FORCE && because_of_decision(w, parts, l))
		return;
	if (l->state == LISTS_IN_FORCE)
		because(w, "in_list", NULL,
			"the block list %s names %s: take it out of %s, or put it into limits.protect",
			l->config->name, text, l->config->path ? l->config->path : "there");
	else if (l->state >= LISTS_REFUSED)
		because(w, "list_refused", NULL, "the block list %s names %s, but it is not in force: %s",
			l->config->name, text,
			limits_answer_name((enum limits_answer)(l->state - LISTS_REFUSED)));
	else
		because(w, "list_ended", NULL, "the block list %s names %s, which %s", l->config->name, text,
			l->state == LISTS_ENDED ? "ended" : "is about to be put into force");
}

/* It is denied where it asks for these alone. */
static void because_of_routes(struct json_writer *w, const struct why *y)
{
	size_t told = MIN(y->route_count, (size_t)WHY_ROUTES_MAX);
	char command[COMMAND_MAX], text[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < told; i++) {
		const struct prefix *p = &y->routes[i], who = target_who(p);
		const char *route = target_route_text(p->route);

		snprintf(command, sizeof command, "picket unblock %s", prefix_format(p, text));
		because(w, "on_route", command,
			"requests of %s for %s are decided on by themselves (at HTTP)",
			prefix_format(&who, text), route);
	}
	if (told < y->route_count)
		because(w, "on_route", NULL, "and on %zu further routes: `picket blocks` lists them",
			y->route_count - told);
}

static void write_reasons(struct json_writer *w, const struct control_parts *parts,
			  const struct prefix *target, const struct why *y, struct event *const *history,
			  size_t count)
{
	char command[COMMAND_MAX], text[PREFIX_TEXT_MAX], net[PREFIX_TEXT_MAX], wait[32];
	const struct prefix who = target_who(target);
	uint64_t pending = pending_of(parts, target);

	prefix_format(&who, text);
	if (y->kill)
		because(w, "kill_switch", "picket resume",
			"the kill switch is on: picket drops nothing, not even what is blocked");
	if (y->is_protected)
		because(w, "protected_network", NULL,
			"it is protected by %s (%s) and is never blocked, whoever asks",
			prefix_format(&y->protect.net, net), y->protect.why);
	for (unsigned i = 0; i < y->list_count; i++)
		because_of_list(w, parts, &y->lists[i]);
	because_of_routes(w, y);
	for (unsigned i = 0; i < y->claim_count; i++) {
		uint64_t now = clock_boot_ns(parts->clock), end = y->claims[i].revert_ns;
		uint64_t left = end > now ? end - now : 0;

		if (!end)
			continue;
		snprintf(command, sizeof command, "picket block --confirm %s",
			 prefix_format(&y->block.verdict.target, net));
		because(w, "unconfirmed", command, "%s reverts by itself in %s unless it is confirmed",
			y->claim_count > 1 ? "the operator's part of the block" : "the block",
			config_duration_format((left / NS_PER_S + 1) * 1000, wait));
	}
	if (pending) {
		snprintf(command, sizeof command, "picket approve %llu", (unsigned long long)pending);
		because(w, "pending", command, "a block of it waits for a person's answer");
	}
	if (y->class == PROXY_CLASS_UNCLASSIFIED) {
		snprintf(command, sizeof command, "picket proxies trust %s", text);
		because(w, "unclassified_proxy", command,
			"its requests carry forwarding headers, as a proxy's do: it is never blocked "
			"automatically until "
			"you say what it is (trust: a proxy of yours; direct: a client)");
	}
	if (y->regulars.here)
		because(w, "regulars", NULL,
			"%zu of %zu regular consumers come from there: blocks that would hit them unasked "
			"are limited "
			"(docs/guard.md)",
			y->regulars.here, y->regulars.all);
	if (y->class == PROXY_CLASS_TRUSTED)
		because(w, "trusted_proxy", NULL,
			"it is a trusted proxy: its own address is never blocked in the kernel");
	if (y->blocked || y->is_protected)
		return;
	if (count)
		because_of_last_decision(w, parts, history[0]);
	else if (!pending)
		because(w, "no_verdict", NULL,
			"nothing has asked for a block of it (as far as is remembered)");
	if (!target_is_net(&who))
		return;
	if (!y->handshake && y->behind)
		because(w, "behind_proxy", NULL,
			"it comes through a trusted proxy: the kernel sees only that proxy's packets; a "
			"block "
			"holds at HTTP, if that proxy asks the decision socket (docs/decide.md) or has a map "
			"(docs/haproxy.md), and is refused if none does, or kept for others "
			"(enforcement.publish)");
	else if (!y->handshake)
		because(w, "no_handshake", NULL,
			"it completed no TCP handshake with this host in the last hour: its address may be "
			"forged, so an "
			"automatic block would be refused");
}

static void write_why(struct json_writer *w, const struct control_parts *parts, const struct prefix *target,
		      const struct why *y, struct event *const *history, size_t count)
{
	char command[COMMAND_MAX], text[PREFIX_TEXT_MAX];

	json_object_begin(w);
	control_write_prefix(w, "target", target);
	json_key(w, "blocked");
	json_bool(w, y->blocked);
	json_key(w, "block");
	if (y->blocked)
		control_write_block(w, &y->block, parts->clock);
	else
		json_null(w);
	write_claims(w, parts, y);
	write_lists(w, parts, y);
	json_key(w, "undo");
	snprintf(command, sizeof command, "picket unblock %s", prefix_format(&y->block.verdict.target, text));
	json_text(w, y->blocked && !verdict_is_of_list(y->block.verdict.source) ? command : NULL);
	json_key(w, "protected");
	if (y->is_protected) {
		json_object_begin(w);
		control_write_prefix(w, "network", &y->protect.net);
		json_key(w, "why");
		json_text(w, y->protect.why);
		json_object_end(w);
	} else {
		json_null(w);
	}
	json_key(w, "kill_switch");
	json_bool(w, y->kill);
	json_key(w, "mode");
	json_text(w, config_mode_name(enforcer_mode(parts->enforcer)));
	json_key(w, "proxy_class");
	json_text(w, proxy_class_name(y->class));
	json_key(w, "handshake");
	json_bool(w, y->handshake);
	json_key(w, "behind_proxy");
	json_bool(w, y->behind);
	json_key(w, "regulars");
	json_object_begin(w);
	json_key(w, "here");
	json_uint(w, y->regulars.here);
	json_key(w, "all");
	json_uint(w, y->regulars.all);
	json_object_end(w);
	json_key(w, "reasons");
	json_array_begin(w);
	write_reasons(w, parts, target, y, history, count);
	json_array_end(w);
	json_key(w, "decisions");
	json_array_begin(w);
	for (size_t i = 0; i < count; i++)
		event_json_data(w, history[i]);
	json_array_end(w);
	json_object_end(w);
}

static void get_why(struct api_call *call, void *arg)
{
	const struct control_parts *parts = arg;
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);
	struct event *history[HISTORY_MAX];
	size_t count = HISTORY_MAX;
	struct prefix target;
	struct why why = {0};

	if (control_target(call, "target", api_call_param(call), &target))
		return;
	if (enforcer_why(parts->enforcer, &target, &why, history, &count)) {
		control_no_memory(call);
		return;
	}
	write_why(&w, parts, &target, &why, history, count);
	for (size_t i = 0; i < count; i++)
		event_unref(history[i]);
	control_reply(call, 200, &b);
}

int control_register_why(struct api *api, const struct control_parts *parts)
{
	void *arg = (void *)parts;
	const struct api_route routes[] = {
		{"GET", "/v1/why/{target}", get_why, arg},
	};

	return api_add(api, routes, ARRAY_SIZE(routes));
}
