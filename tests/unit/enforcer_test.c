// SPDX-License-Identifier: Apache-2.0
/* The enforcer's stories: real guard, list and proxies; the warden is played here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "lib/util.h"
#include "sensor/enforcer.h"
#include "tests/unit/audit_rig.h"

/* --- the played warden: a small deny map, and what it is told to answer --- */

static struct {
	struct warden_block blocks[64];
	unsigned count;
	int answer; /* to the next BLOCK */
	unsigned asked_block, asked_unblock;
	unsigned batches, put, removed;
	struct prefix protect; /* batches are refused it */
	bool kill;
	uint32_t mode;
} warden;

static uint64_t now = 1000 * NS_PER_S;

static uint64_t fake_now(void *arg)
{
	(void)arg;
	return now;
}

static const struct clock clock_fake = {fake_now, fake_now, NULL};

int warden_call(struct warden_client *c, const struct warden_request *q, struct warden_reply *ret)
{
	(void)c;
	memset(ret, 0, sizeof *ret);
	ret->installed_ns = now;
	switch (q->op) {
	case WARDEN_BLOCK:
		warden.asked_block++;
		ret->result = warden.answer;
		for (unsigned i = 0; ret->result == 0 && i < warden.count; i++)
			if (prefix_equal(&warden.blocks[i].target, &q->target))
				warden.blocks[i] = warden.blocks[--warden.count];
		if (ret->result == 0)
			warden.blocks[warden.count++] = (struct warden_block){
				.target = q->target,
				.value = {.deadline_s = (uint32_t)((now + q->ttl_ms * NS_PER_MS) / NS_PER_S),
					  .action = q->action,
					  .scope = q->scope,
					  .source = q->source},
			};
		if (ret->result == LIMITS_PROTECTED) {
			strcpy(ret->which, "login session");
			ret->which_net = q->target;
		}
		break;
	case WARDEN_UNBLOCK:
		warden.asked_unblock++;
		for (unsigned i = 0; i < warden.count; i++)
			if (prefix_equal(&warden.blocks[i].target, &q->target))
				warden.blocks[i] = warden.blocks[--warden.count];
		break;
	case WARDEN_LIST:
		for (uint64_t i = q->index; i < warden.count; i++)
			ret->blocks[ret->count++] = warden.blocks[i];
		break;
	case WARDEN_REMEMBER_MODE:
		warden.mode = q->flag;
		break;
	case WARDEN_STATUS:
		ret->status.mode = warden.mode;
		ret->status.blocks = warden.count;
		ret->status.kill = warden.kill;
		break;
	}
	return 0;
}

static void warden_take(const struct prefix *target)
{
	for (unsigned i = 0; i < warden.count; i++)
		if (prefix_equal(&warden.blocks[i].target, target))
			warden.blocks[i--] = warden.blocks[--warden.count];
}

int warden_batch(struct warden_client *c, const struct warden_batch_head *head,
		 const struct warden_wish *wishes, struct warden_reply *ret)
{
	(void)c;
	memset(ret, 0, sizeof *ret);
	if (warden.kill) {
		ret->result = WARDEN_E_KILL_SWITCH;
		return 0;
	}
	warden.batches++;
	for (uint32_t i = 0; i < head->count; i++) {
		const struct warden_wish *w = &wishes[i];
		if (!w->remove && warden.protect.bits && prefix_overlaps(&warden.protect, &w->target)) {
			ret->answers[i] = LIMITS_PROTECTED;
			continue;
		}
		warden_take(&w->target);
		warden.removed += w->remove;
		warden.put += !w->remove;
		if (!w->remove)
			warden.blocks[warden.count++] = (struct warden_block){
				.target = w->target,
				.value = {.deadline_s =
						  (uint32_t)((w->deadline_ns + NS_PER_S - 1) / NS_PER_S),
					  .action = w->action,
					  .scope = w->scope,
					  .source = w->source},
			};
	}
	return 0;
}

static struct warden_reply batch_reply;

int warden_batch_send(struct warden_client *c, const struct warden_batch_head *head,
		      const struct warden_wish *wishes)
{
	return warden_batch(c, head, wishes, &batch_reply);
}

int warden_batch_receive(struct warden_client *c, struct warden_reply *ret)
{
	(void)c;
	*ret = batch_reply;
	return 0;
}

/* What it holds of a target; NULL: nothing. */
static const struct pk_deny *warden_holds(const char *text)
{
	struct prefix target;

	assert_int_equal(prefix_parse(span_from(text), &target), 0);
	for (unsigned i = 0; i < warden.count; i++)
		if (prefix_equal(&warden.blocks[i].target, &target))
			return &warden.blocks[i].value;
	return NULL;
}

/* --- the stage --- */

struct stage {
	struct config config;
	struct config_list lists[2];
	struct config_gateway gateway;
	struct regulars *regulars;
	struct witness *witness;
	struct proxies *proxies;
	struct clients *clients, *behind;
	struct enforcer *enforcer;
	bool http_asked;
	unsigned changed;   /* what is to be done at HTTP */
	struct event *last; /* the last decision told */
	unsigned told;
};

static void keep_event(void *arg, struct event *e)
{
	struct stage *s = arg;

	if (s->last)
		event_unref(s->last);
	s->last = e;
	s->told++;
}

static bool is_asked(void *arg, enum verdict_action action, const struct prefix *target)
{
	(void)action;
	struct stage *s = arg;

	(void)target;
	return s->http_asked;
}

static void on_changed(void *arg, const struct prefix *target)
{
	struct stage *s = arg;

	(void)target;
	s->changed++;
}

static int stage_up_with(void **state, unsigned lists)
{
	struct stage *s = calloc(1, sizeof *s);

	memset(&warden, 0, sizeof warden);
	now = 10000 * NS_PER_S;
	s->config.mode = MODE_ENFORCE;
	s->config.limits.ttl_max_ms = 86400000;
	s->config.limits.prefix_min_v4 = 24;
	s->config.limits.prefix_min_v6 = 48;
	s->config.limits.insert_rate = 1000;
	s->config.limits.blocks_max = 64;
	s->config.guard.per_minute = 1000;
	s->config.guard.per_hour = 1000;
	s->config.guard.total = 1000;
	s->config.guard.confidence_min = 0.8;
	s->config.guard.ttl_default_ms = 900000;
	s->lists[0] = (struct config_list){.name = (char *)"bad",
					   .path = (char *)"/lists/bad",
					   .action = VERDICT_BLOCK,
					   .scope = VERDICT_SCOPE_PORTS,
					   .ttl_ms = 3600000};
	s->lists[1] = (struct config_list){.name = (char *)"odd",
					   .path = (char *)"/lists/odd",
					   .action = VERDICT_SHADOW,
					   .scope = VERDICT_SCOPE_HOST,
					   .ttl_ms = 3600000};
	s->gateway = (struct config_gateway){
		.name = (char *)"test", .protocol = GATEWAY_BATCH, .mode = MODE_ENFORCE};
	s->config.gateways = &s->gateway;
	s->config.gateway_count = 1;
	s->config.guard.blast_radius = 0.5;
	s->config.guard.shared_from = 3;
	s->config.guard.group_offenders = 3;
	s->config.guard.group_within_ms = 600000;
	s->config.lists = s->lists;
	s->config.list_count = lists;
	assert_int_equal(proxies_new(&s->config, &s->proxies), 0);
	assert_int_equal(clients_new(1024, &s->clients), 0);
	assert_int_equal(clients_new(1024, &s->behind), 0);
	const struct regulars_limits good = {2, NS_PER_S, 3600 * NS_PER_S};
	assert_int_equal(regulars_new(100, &good, &s->regulars), 0);
	assert_int_equal(witness_new(100, 600 * NS_PER_S, &s->witness), 0);
	struct enforcer_parts parts = {
		.config = &s->config,
		.clock = &clock_fake,
		.proxies = s->proxies,
		.clients = s->clients,
		.behind = s->behind,
		.regulars = s->regulars,
		.witness = s->witness,
		.http = is_asked,
		.http_changed = on_changed,
		.event = keep_event,
		.arg = s,
	};
	assert_int_equal(enforcer_new(&parts, &s->enforcer), 0);
	*state = s;
	return 0;
}

static int stage_up(void **state)
{
	return stage_up_with(state, 0);
}

static int stage_up_with_lists(void **state)
{
	return stage_up_with(state, 2);
}

static int stage_down(void **state)
{
	struct stage *s = *state;

	enforcer_free(s->enforcer);
	if (s->last)
		event_unref(s->last);
	clients_free(s->clients);
	clients_free(s->behind);
	regulars_free(s->regulars);
	witness_free(s->witness);
	proxies_free(s->proxies);
	free(s);
	return 0;
}

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(span_from(text), &a), 0);
	return a;
}

static struct verdict verdict(enum verdict_source source, const char *target)
{
	struct verdict v = {
		.id = "v1",
		.source = source,
		.origin = "test",
		.action = VERDICT_BLOCK,
		.scope = VERDICT_SCOPE_PORTS,
		.ttl_ms = 60000,
		.confidence = 1,
		.reason = "because",
		.received_ns = now,
	};

	assert_int_equal(prefix_parse(span_from(target), &v.target), 0);
	return v;
}

/* A client that completed a handshake, so that automatic verdicts may name it. */
static void client(struct stage *s, const char *text)
{
	struct addr a = address(text);

	clients_note(s->clients, &a, now);
}

static struct decision give(struct stage *s, struct verdict v)
{
	struct decision d;

	enforcer_verdict(s->enforcer, &v, 0, &d);
	return d;
}

/* --- stories --- */

static void operators_block_is_installed_also_in_mode_observe(void **state)
{
	struct stage *s = *state;

	enforcer_set_mode(s->enforcer, MODE_OBSERVE);
	struct decision d = give(s, verdict(VERDICT_OPERATOR, "203.0.113.7"));
	assert_int_equal(d.outcome, DECISION_BLOCKED);
	assert_int_equal(warden.count, 1);
	assert_int_equal(s->last->decision.outcome, DECISION_BLOCKED);
	assert_true(span_equal(s->last->decision.point, SPAN("kernel")));
}

static void local_verdict_in_mode_observe_only_tells(void **state)
{
	struct stage *s = *state;

	client(s, "203.0.113.7");
	enforcer_set_mode(s->enforcer, MODE_OBSERVE);
	struct decision d = give(s, verdict(VERDICT_LOCAL, "203.0.113.7"));
	assert_int_equal(d.outcome, DECISION_WOULD_BLOCK);
	assert_int_equal(warden.asked_block, 0);
	assert_int_equal(s->told, 1);
}

static void forged_source_is_refused(void **state)
{
	struct stage *s = *state;

	struct decision d = give(s, verdict(VERDICT_LOCAL, "203.0.113.7"));
	assert_int_equal(d.outcome, DECISION_REFUSED);
	assert_string_equal(d.why, "no_handshake");
	assert_int_equal(warden.asked_block, 0);
}

static void a_client_known_through_a_proxy_alone_is_refused_by_that_name(void **state)
{
	struct stage *s = *state;
	struct addr a = address("203.0.113.7");
	struct prefix p = prefix_of(&a, 32);
	struct why why;
	size_t none = 0;

	clients_note(s->behind, &a, now);
	struct decision d = give(s, verdict(VERDICT_GATEWAY, "203.0.113.7"));
	assert_int_equal(d.outcome, DECISION_REFUSED);
	assert_string_equal(d.why, "behind_proxy");
	assert_int_equal(warden.asked_block, 0);
	assert_int_equal(enforcer_why(s->enforcer, &p, &why, NULL, &none), 0);
	assert_true(why.behind);
	/* An hour later nobody knows. */
	now += 3601 * NS_PER_S;
	d = give(s, verdict(VERDICT_GATEWAY, "203.0.113.7"));
	assert_string_equal(d.why, "no_handshake");
	/* It came by itself: its own packets are dropped. */
	clients_note(s->behind, &a, now);
	client(s, "203.0.113.7");
	d = give(s, verdict(VERDICT_GATEWAY, "203.0.113.7"));
	assert_int_equal(d.outcome, DECISION_BLOCKED);
}

static enum decide_answer ask_http(struct stage *s, const char *client)
{
	struct addr a = address(client);
	uint64_t retry_s;

	return decide_ask(enforcer_decide(s->enforcer), &a, now, &retry_s);
}

static void a_client_behind_a_proxy_that_asks_is_denied_there_and_never_in_the_kernel(void **state)
{
	struct stage *s = *state;
	struct addr a = address("203.0.113.7");
	struct prefix p = prefix_of(&a, 32);
	struct verdict v = verdict(VERDICT_GATEWAY, "203.0.113.7");
	struct block_told *blocks;
	struct why why;
	size_t count, none = 0;

	s->http_asked = true;
	clients_note(s->behind, &a, now);
	struct decision d = give(s, v);
	assert_int_equal(d.outcome, DECISION_BLOCKED);
	assert_true(d.http);
	assert_true(span_equal(s->last->decision.point, SPAN("http")));
	assert_int_equal(warden.asked_block, 0);
	assert_int_equal(ask_http(s, "203.0.113.7"), DECIDE_DENY);
	assert_int_equal(ask_http(s, "203.0.113.8"), DECIDE_PASS);
	assert_int_equal(enforcer_counts(s->enforcer).http, 1);
	assert_int_equal(enforcer_counts(s->enforcer).desired, 0);
	assert_int_equal(enforcer_blocks(s->enforcer, &blocks, &count), 0);
	assert_int_equal(count, 1);
	assert_true(blocks[0].http);
	assert_int_equal(blocks[0].requests, 1);
	free(blocks);
	assert_int_equal(enforcer_why(s->enforcer, &p, &why, NULL, &none), 0);
	assert_true(why.blocked && why.block.http);
	/* Another gateway cannot take it back, this one can. */
	struct verdict back = v;
	back.action = VERDICT_UNBLOCK;
	strcpy(back.origin, "another");
	assert_string_equal(give(s, back).why, "not_own");
	assert_int_equal(ask_http(s, "203.0.113.7"), DECIDE_DENY);
	strcpy(back.origin, v.origin);
	d = give(s, back);
	assert_int_equal(d.outcome, DECISION_UNBLOCKED);
	assert_true(d.http);
	assert_int_equal(ask_http(s, "203.0.113.7"), DECIDE_PASS);
	/* It ends in time, and says so. */
	give(s, v);
	now += v.ttl_ms * NS_PER_MS;
	assert_int_equal(ask_http(s, "203.0.113.7"), DECIDE_PASS);
	enforcer_tick(s->enforcer);
	assert_int_equal(s->last->decision.outcome, DECISION_EXPIRED);
	assert_true(span_equal(s->last->decision.point, SPAN("http")));
	assert_int_equal(enforcer_counts(s->enforcer).http, 0);
	assert_int_equal(warden.asked_unblock, 0);
}

/* With enforcement.publish what nobody here can stop is kept for others, and is nobody else's when one can.
 */
static void what_nobody_here_can_stop_is_published_if_that_is_wanted(void **state)
{
	struct stage *s = *state;
	struct addr a = address("203.0.113.7");
	struct prefix p = prefix_of(&a, 32);
	struct block_told *blocks;
	struct why why;
	size_t count, none = 0;

	clients_note(s->behind, &a, now);
	assert_string_equal(give(s, verdict(VERDICT_GATEWAY, "203.0.113.7")).why, "behind_proxy");
	s->config.enforcement.publish = true;
	struct decision d = give(s, verdict(VERDICT_GATEWAY, "203.0.113.7"));
	assert_int_equal(d.outcome, DECISION_BLOCKED);
	assert_true(d.http && d.published);
	assert_true(span_equal(s->last->decision.point, SPAN("published")));
	assert_int_equal(warden.asked_block, 0);
	assert_int_equal(enforcer_blocks(s->enforcer, &blocks, &count), 0);
	assert_int_equal(count, 1);
	assert_true(blocks[0].http && blocks[0].published);
	free(blocks);
	assert_int_equal(enforcer_counts(s->enforcer).published, 1);
	assert_int_equal(enforcer_why(s->enforcer, &p, &why, NULL, &none), 0);
	assert_true(why.block.published);
	/* A proxy begins to ask: it is stopped there. */
	s->http_asked = true;
	assert_int_equal(ask_http(s, "203.0.113.7"), DECIDE_DENY);
	assert_int_equal(enforcer_counts(s->enforcer).published, 0);
	assert_int_equal(enforcer_counts(s->enforcer).http, 1);
	assert_int_equal(enforcer_blocks(s->enforcer, &blocks, &count), 0);
	assert_true(blocks[0].http && !blocks[0].published);
	free(blocks);
	/* Who comes by itself is dropped here, not published. */
	s->http_asked = false;
	client(s, "203.0.113.8");
	d = give(s, verdict(VERDICT_GATEWAY, "203.0.113.8"));
	assert_true(!d.http && !d.published);
	assert_int_equal(warden.count, 1);
}

/* What a map of a proxy held before this sensor is in force again, within the hard limits. */
static void what_a_proxys_map_holds_is_adopted(void **state)
{
	struct stage *s = *state;
	struct addr a = address("203.0.113.7");
	struct prefix p = prefix_of(&a, 32), wide = prefix_of(&a, 8);
	struct why why;
	size_t none = 0;

	assert_true(enforcer_adopt_http(s->enforcer, &p, now + 60 * NS_PER_S));
	assert_int_equal(s->changed, 1);
	assert_int_equal(ask_http(s, "203.0.113.7"), DECIDE_DENY);
	assert_int_equal(warden.asked_block, 0);
	assert_int_equal(enforcer_why(s->enforcer, &p, &why, NULL, &none), 0);
	assert_true(why.blocked && why.block.http);
	assert_string_equal(why.block.verdict.origin, BLOCKS_ADOPTED);
	assert_false(enforcer_adopt_http(s->enforcer, &wide, now + 60 * NS_PER_S));
	assert_false(enforcer_adopt_http(s->enforcer, &p, now + 25 * 3600 * NS_PER_S));
	assert_false(enforcer_adopt_http(s->enforcer, &p, now));
	now += 60 * NS_PER_S;
	enforcer_tick(s->enforcer);
	assert_int_equal(ask_http(s, "203.0.113.7"), DECIDE_PASS);
	assert_int_equal(s->changed, 2);
}

/* The kernel never hears of it; all else is as for an address. */
static void a_consumer_is_denied_at_http_alone(void **state)
{
	struct stage *s = *state;
	struct verdict v = verdict(VERDICT_OPERATOR, "203.0.113.7");
	struct decide_question q = {.client = address("203.0.113.7"), .key_count = 1};
	struct why why;
	uint64_t retry_s;
	size_t none = 0;

	assert_int_equal(target_parse(SPAN("consumer:c_01f3a9c2d4b5e60718"), &v.target), 0);
	q.keys[0] = v.target;
	assert_string_equal(give(s, v).why, "no_point");
	s->http_asked = true;
	struct decision d = give(s, v);
	assert_int_equal(d.outcome, DECISION_BLOCKED);
	assert_true(d.http && !d.published);
	assert_int_equal(warden.asked_block, 0);
	assert_int_equal(decide_ask_of(enforcer_decide(s->enforcer), &q, now, &retry_s), DECIDE_DENY);
	assert_int_equal(ask_http(s, "203.0.113.7"), DECIDE_PASS);
	assert_int_equal(enforcer_why(s->enforcer, &v.target, &why, NULL, &none), 0);
	assert_true(why.blocked && why.block.http);
	assert_int_equal(why.block.requests, 1);
	v.action = VERDICT_UNBLOCK;
	assert_int_equal(give(s, v).outcome, DECISION_UNBLOCKED);
	assert_int_equal(decide_ask_of(enforcer_decide(s->enforcer), &q, now, &retry_s), DECIDE_PASS);
	/* On trial it ends unless confirmed. */
	v.action = VERDICT_BLOCK;
	v.ttl_ms = 900000;
	enforcer_verdict(s->enforcer, &v, 60000, &d);
	assert_int_equal(enforcer_confirm(s->enforcer, &v.target), 0);
	now += 61 * NS_PER_S;
	enforcer_tick(s->enforcer);
	assert_int_equal(decide_ask_of(enforcer_decide(s->enforcer), &q, now, &retry_s), DECIDE_DENY);
	v.action = VERDICT_UNBLOCK;
	give(s, v);
	v.action = VERDICT_BLOCK;
	enforcer_verdict(s->enforcer, &v, 60000, &d);
	now += 61 * NS_PER_S;
	enforcer_tick(s->enforcer);
	assert_int_equal(decide_ask_of(enforcer_decide(s->enforcer), &q, now, &retry_s), DECIDE_PASS);
	assert_int_equal(warden.asked_block, 0);
}

/* The kernel never hears of it; who asks for anything else passes. */
static void a_client_is_denied_on_a_route_at_http_alone(void **state)
{
	struct stage *s = *state;
	struct verdict v = verdict(VERDICT_OPERATOR, "203.0.113.7");
	struct decide_question q = {.client = address("203.0.113.7")};
	struct request_path login, other;
	struct prefix who = v.target;
	struct why why;
	uint64_t retry_s;
	size_t none = 0;

	request_path_read(SPAN("/login"), &login);
	request_path_read(SPAN("/other"), &other);
	assert_int_equal(target_parse(SPAN("203.0.113.7@/login"), &v.target), 0);
	assert_string_equal(give(s, v).why, "no_point");
	s->http_asked = true;
	struct decision d = give(s, v);
	assert_int_equal(d.outcome, DECISION_BLOCKED);
	assert_true(d.http && !d.published);
	assert_int_equal(warden.asked_block, 0);
	q.path = &login;
	assert_int_equal(decide_ask_of(enforcer_decide(s->enforcer), &q, now, &retry_s), DECIDE_DENY);
	q.path = &other;
	assert_int_equal(decide_ask_of(enforcer_decide(s->enforcer), &q, now, &retry_s), DECIDE_PASS);
	assert_int_equal(ask_http(s, "203.0.113.7"), DECIDE_PASS);
	assert_int_equal(s->changed, 0); /* no map has it */
	assert_int_equal(enforcer_why(s->enforcer, &v.target, &why, NULL, &none), 0);
	assert_true(why.blocked && why.block.http);
	assert_int_equal(why.block.requests, 1);
	/* Of who is meant it is told. */
	assert_int_equal(enforcer_why(s->enforcer, &who, &why, NULL, &none), 0);
	assert_false(why.blocked);
	assert_int_equal(why.route_count, 1);
	assert_true(prefix_equal(&why.routes[0], &v.target));
	/* What holds everywhere holds on a route. */
	struct verdict all = verdict(VERDICT_OPERATOR, "203.0.113.7"), elsewhere = v;
	assert_int_equal(give(s, all).outcome, DECISION_BLOCKED);
	assert_int_equal(target_parse(SPAN("203.0.113.7@/other"), &elsewhere.target), 0);
	assert_int_equal(enforcer_why(s->enforcer, &elsewhere.target, &why, NULL, &none), 0);
	assert_true(why.blocked && prefix_equal(&why.block.verdict.target, &who));
	/* One is lifted, the other stays. */
	all.action = v.action = VERDICT_UNBLOCK;
	assert_int_equal(give(s, all).outcome, DECISION_UNBLOCKED);
	q.path = &login;
	assert_int_equal(decide_ask_of(enforcer_decide(s->enforcer), &q, now, &retry_s), DECIDE_DENY);
	assert_string_equal(give(s, all).why, "not_blocked");
	assert_int_equal(give(s, v).outcome, DECISION_UNBLOCKED);
	assert_int_equal(decide_ask_of(enforcer_decide(s->enforcer), &q, now, &retry_s), DECIDE_PASS);
	v.action = VERDICT_BLOCK;
	give(s, v);
	now += 901 * NS_PER_S;
	enforcer_tick(s->enforcer);
	assert_int_equal(decide_ask_of(enforcer_decide(s->enforcer), &q, now, &retry_s), DECIDE_PASS);
}

static void why_says_that_a_consumer_is_protected(void **state)
{
	struct stage *s = *state;
	char *ids[] = {(char *)"c_01f3a9c2d4b5e60718"};
	struct prefix p;
	struct why why;
	size_t none = 0;

	s->config.limits.protect_consumers.items = ids;
	s->config.limits.protect_consumers.count = 1;
	assert_int_equal(target_parse(SPAN("consumer:c_01f3a9c2d4b5e60718@/login"), &p), 0);
	assert_int_equal(enforcer_why(s->enforcer, &p, &why, NULL, &none), 0);
	assert_true(why.is_protected);
	assert_string_equal(why.protect.why, "limits.protect_consumers");
	assert_int_equal(target_parse(SPAN("consumer:c_01f3a9c2d4b5e60719"), &p), 0);
	assert_int_equal(enforcer_why(s->enforcer, &p, &why, NULL, &none), 0);
	assert_false(why.is_protected);
	s->config.limits.protect_consumers.count = 0;
}

/* Whoever is denied in the kernel may come through a proxy as well. */
static void the_point_at_http_follows_the_kernels_list_too(void **state)
{
	struct stage *s = *state;
	struct verdict v = verdict(VERDICT_OPERATOR, "203.0.113.7");

	give(s, v);
	assert_int_equal(warden.count, 1);
	assert_int_equal(ask_http(s, "203.0.113.7"), DECIDE_DENY);
	warden.kill = true;
	enforcer_tick(s->enforcer);
	assert_int_equal(ask_http(s, "203.0.113.7"), DECIDE_PASS);
	warden.kill = false;
	enforcer_tick(s->enforcer);
	assert_int_equal(ask_http(s, "203.0.113.7"), DECIDE_DENY);
	/* An operator's block of a client that is denied at HTTP alone; taking the whole back ends both. */
	struct addr a = address("203.0.113.8");
	s->http_asked = true;
	clients_note(s->behind, &a, now);
	give(s, verdict(VERDICT_GATEWAY, "203.0.113.8"));
	give(s, verdict(VERDICT_OPERATOR, "203.0.113.8"));
	assert_int_equal(warden.count, 2);
	struct verdict back = verdict(VERDICT_OPERATOR, "203.0.113.8");
	back.action = VERDICT_UNBLOCK;
	assert_int_equal(give(s, back).outcome, DECISION_UNBLOCKED);
	assert_int_equal(ask_http(s, "203.0.113.8"), DECIDE_PASS);
	assert_int_equal(enforcer_counts(s->enforcer).http, 0);
	assert_int_equal(warden.count, 1);
	/* What the kernel held when the sensor started is denied at HTTP as well. */
	enforcer_adopt(s->enforcer, true);
	assert_int_equal(ask_http(s, "203.0.113.7"), DECIDE_DENY);
	back.target = v.target;
	give(s, back);
	assert_int_equal(ask_http(s, "203.0.113.7"), DECIDE_PASS);
}

static void wardens_refusal_is_told_with_its_reason(void **state)
{
	struct stage *s = *state;

	client(s, "203.0.113.7");
	warden.answer = LIMITS_PROTECTED;
	struct decision d = give(s, verdict(VERDICT_LOCAL, "203.0.113.7"));
	assert_int_equal(d.outcome, DECISION_REFUSED);
	assert_string_equal(d.why, "protected_network");
	assert_non_null(strstr(d.detail, "login session"));
	assert_int_equal(enforcer_counts(s->enforcer).desired, 0);
}

static void unclassified_proxy_becomes_one_pending_item_and_a_person_decides(void **state)
{
	struct stage *s = *state;
	struct addr a = address("203.0.113.7");
	struct pending *list;
	size_t count;
	struct decision d, e;

	client(s, "203.0.113.7");
	proxies_note(s->proxies, &a, true, now);
	d = give(s, verdict(VERDICT_LOCAL, "203.0.113.7"));
	assert_int_equal(d.outcome, DECISION_PENDING);
	assert_non_null(strstr(d.detail, "picket proxies"));
	e = give(s, verdict(VERDICT_LOCAL, "203.0.113.7"));
	assert_int_equal(e.pending_id, d.pending_id);
	assert_int_equal(s->told, 1); /* the repetition is no news */
	assert_int_equal(enforcer_pending(s->enforcer, &list, &count), 0);
	assert_int_equal(count, 1);
	free(list);
	assert_int_equal(enforcer_answer(s->enforcer, d.pending_id, true, "uid:0", &e), 0);
	assert_int_equal(e.outcome, DECISION_BLOCKED);
	assert_int_equal(enforcer_counts(s->enforcer).pending, 0);
	assert_int_equal(enforcer_answer(s->enforcer, d.pending_id, true, "uid:0", &e), 1);
}

static void rejected_item_blocks_nothing(void **state)
{
	struct stage *s = *state;
	struct decision d, e;

	client(s, "203.0.113.7");
	enforcer_set_mode(s->enforcer, MODE_APPROVE);
	d = give(s, verdict(VERDICT_GATEWAY, "203.0.113.7"));
	assert_int_equal(d.outcome, DECISION_PENDING);
	assert_int_equal(enforcer_answer(s->enforcer, d.pending_id, false, "uid:0", &e), 0);
	assert_string_equal(e.why, "rejected");
	assert_int_equal(warden.asked_block, 0);
}

static void pending_list_full_gives_up_the_oldest(void **state)
{
	struct stage *s = *state;
	char text[32];
	struct decision first = {0}, d;

	enforcer_set_mode(s->enforcer, MODE_APPROVE);
	for (unsigned i = 0; i <= PENDING_MAX; i++) {
		snprintf(text, sizeof text, "203.0.%u.%u", i / 200, i % 200 + 1);
		client(s, text);
		d = give(s, verdict(VERDICT_GATEWAY, text));
		assert_int_equal(d.outcome, DECISION_PENDING);
		if (i == 0)
			first = d;
	}
	assert_int_equal(enforcer_counts(s->enforcer).pending, PENDING_MAX);
	assert_int_equal(enforcer_counts(s->enforcer).outcomes[DECISION_REFUSED], 1);
	assert_int_equal(enforcer_answer(s->enforcer, first.pending_id, true, "uid:0", &d), 1);
}

static void block_ends_at_its_deadline_and_gives_its_place_back(void **state)
{
	struct stage *s = *state;

	give(s, verdict(VERDICT_OPERATOR, "203.0.113.7"));
	now += 59 * NS_PER_S;
	enforcer_tick(s->enforcer);
	assert_int_equal(warden.count, 1);
	now += 2 * NS_PER_S;
	enforcer_tick(s->enforcer);
	assert_int_equal(warden.count, 0);
	assert_int_equal(s->last->decision.outcome, DECISION_EXPIRED);
	assert_int_equal(enforcer_counts(s->enforcer).desired, 0);
}

static void unconfirmed_block_reverts_by_itself(void **state)
{
	struct stage *s = *state;
	struct verdict v = verdict(VERDICT_OPERATOR, "203.0.113.7"),
		       w = verdict(VERDICT_OPERATOR, "203.0.113.8");
	struct decision d;

	enforcer_verdict(s->enforcer, &v, 10000, &d);
	enforcer_verdict(s->enforcer, &w, 10000, &d);
	assert_int_equal(enforcer_confirm(s->enforcer, &w.target), 0);
	now += 11 * NS_PER_S;
	enforcer_tick(s->enforcer);
	assert_int_equal(s->last->decision.outcome, DECISION_UNBLOCKED);
	assert_true(span_equal(s->last->decision.why, SPAN("not_confirmed")));
	assert_int_equal(warden.count, 1);
	assert_true(prefix_equal(&warden.blocks[0].target, &w.target));
}

static void gateway_lifts_only_its_own_blocks(void **state)
{
	struct stage *s = *state;
	struct verdict v = verdict(VERDICT_GATEWAY, "203.0.113.7");

	give(s, verdict(VERDICT_OPERATOR, "203.0.113.7"));
	v.action = VERDICT_UNBLOCK;
	struct decision d = give(s, v);
	assert_string_equal(d.why, "not_own");
	assert_int_equal(warden.count, 1);

	client(s, "203.0.113.8");
	struct verdict own = verdict(VERDICT_GATEWAY, "203.0.113.8");
	give(s, own);
	own.action = VERDICT_UNBLOCK;
	d = give(s, own);
	assert_int_equal(d.outcome, DECISION_UNBLOCKED);
	assert_int_equal(warden.count, 1);
}

static void kill_switch_refuses(void **state)
{
	struct stage *s = *state;

	client(s, "203.0.113.7");
	warden.answer = WARDEN_E_KILL_SWITCH;
	struct decision d = give(s, verdict(VERDICT_OPERATOR, "203.0.113.7"));
	assert_int_equal(d.outcome, DECISION_REFUSED);
	assert_string_equal(d.why, "kill_switch");
}

static void restarted_sensor_adopts_what_the_kernel_holds(void **state)
{
	struct stage *s = *state;
	struct verdict v = verdict(VERDICT_OPERATOR, "203.0.113.7");

	warden.blocks[warden.count++] = (struct warden_block){
		.target = v.target,
		.value = {.deadline_s = (uint32_t)(now / NS_PER_S) + 30,
			  .action = PK_ACT_DROP,
			  .scope = PK_SCOPE_PORTS,
			  .source = VERDICT_OPERATOR},
	};
	assert_int_equal(enforcer_adopt(s->enforcer, true), 0);
	assert_int_equal(enforcer_counts(s->enforcer).desired, 1);
	assert_int_equal(warden.asked_unblock, 0);
	now += 31 * NS_PER_S;
	enforcer_tick(s->enforcer);
	assert_int_equal(warden.count, 0);
}

static void why_names_the_prefix_that_covers_an_address_and_what_was_decided(void **state)
{
	struct stage *s = *state;
	struct verdict one = verdict(VERDICT_OPERATOR, "203.0.113.9");
	struct event *history[8];
	size_t count = ARRAY_SIZE(history);
	struct why why;

	give(s, verdict(VERDICT_OPERATOR, "203.0.113.0/24"));
	assert_int_equal(enforcer_why(s->enforcer, &one.target, &why, history, &count), 0);
	assert_true(why.blocked);
	assert_int_equal(why.block.verdict.target.bits, 24);
	assert_int_equal(count, 1);
	event_unref(history[0]);
}

/* What the kernel holds is what the list says, whatever order decisions come in. */
static void kernel_equals_the_list_when_scopes_and_times_cross(void **state)
{
	struct stage *s = *state;
	struct verdict ports = verdict(VERDICT_OPERATOR, "203.0.113.7"), host = ports;

	ports.ttl_ms = 600000;
	host.scope = VERDICT_SCOPE_HOST;
	assert_int_equal(give(s, ports).outcome, DECISION_BLOCKED);
	struct decision d = give(s, host); /* wider, but shorter: the longer one stays as it is */
	assert_int_equal(d.outcome, DECISION_BLOCKED);
	assert_non_null(strstr(d.detail, "unblock it first"));
	assert_int_equal(warden.count, 1);
	assert_int_equal(warden.blocks[0].value.scope, PK_SCOPE_PORTS);
	assert_int_equal(warden.blocks[0].value.deadline_s, now / NS_PER_S + 600);

	host.ttl_ms = 700000;
	give(s, host);
	ports.ttl_ms = 800000; /* longer, but narrower: the scope is not narrowed */
	give(s, ports);
	assert_int_equal(warden.count, 1);
	assert_int_equal(warden.blocks[0].value.scope, PK_SCOPE_HOST);
	assert_int_equal(warden.blocks[0].value.deadline_s, now / NS_PER_S + 800);
}

static void refused_extension_leaves_the_block_that_was(void **state)
{
	struct stage *s = *state;
	struct verdict v = verdict(VERDICT_OPERATOR, "203.0.113.7");

	give(s, v);
	warden.answer = LIMITS_RATE;
	v.ttl_ms = 600000;
	assert_int_equal(give(s, v).outcome, DECISION_REFUSED);
	assert_int_equal(enforcer_counts(s->enforcer).desired, 1);
	now += 61 * NS_PER_S;
	enforcer_tick(s->enforcer);
	assert_int_equal(enforcer_counts(s->enforcer).desired, 0);
	assert_int_equal(warden.count, 0);
}

static void what_a_gateway_takes_back_leaves_the_operators_block(void **state)
{
	struct stage *s = *state;
	struct verdict longer = verdict(VERDICT_GATEWAY, "203.0.113.7");

	client(s, "203.0.113.7");
	give(s, verdict(VERDICT_OPERATOR, "203.0.113.7"));
	longer.ttl_ms = 600000;
	assert_int_equal(give(s, longer).outcome, DECISION_BLOCKED);
	assert_int_equal(warden.blocks[0].value.deadline_s, now / NS_PER_S + 600);
	longer.action = VERDICT_UNBLOCK;
	struct decision d = give(s, longer);
	assert_int_equal(d.outcome, DECISION_UNBLOCKED);
	assert_non_null(strstr(d.detail, "still blocked by operator"));
	assert_int_equal(warden.count, 1);
	assert_int_equal(warden.blocks[0].value.deadline_s, now / NS_PER_S + 60);
	assert_string_equal(give(s, longer).why, "not_own");
	/* And the other way round: when the operator's is over, the gateway's goes on. */
	longer.action = VERDICT_BLOCK;
	give(s, longer);
	now += 61 * NS_PER_S;
	enforcer_tick(s->enforcer);
	assert_int_equal(enforcer_counts(s->enforcer).desired, 1);
	assert_int_equal(warden.count, 1);
	assert_int_equal(warden.blocks[0].value.deadline_s, now / NS_PER_S + 539);
}

static void gateways_unblock_faces_the_mode(void **state)
{
	struct stage *s = *state;
	struct verdict v = verdict(VERDICT_GATEWAY, "203.0.113.7");
	struct decision d;

	client(s, "203.0.113.7");
	give(s, v);
	v.action = VERDICT_UNBLOCK;
	enforcer_set_mode(s->enforcer, MODE_OBSERVE);
	assert_int_equal(give(s, v).outcome, DECISION_REFUSED);
	assert_int_equal(warden.count, 1);
	enforcer_set_mode(s->enforcer, MODE_APPROVE);
	d = give(s, v);
	assert_int_equal(d.outcome, DECISION_PENDING);
	assert_int_equal(enforcer_answer(s->enforcer, d.pending_id, true, "uid:0", &d), 0);
	assert_int_equal(d.outcome, DECISION_UNBLOCKED);
	assert_int_equal(warden.count, 0);
}

static void block_on_trial_ends_in_the_kernel_by_itself(void **state)
{
	struct stage *s = *state;
	struct verdict v = verdict(VERDICT_OPERATOR, "203.0.113.7");
	struct decision d;

	enforcer_verdict(s->enforcer, &v, 10000, &d);
	assert_int_equal(warden.blocks[0].value.deadline_s, now / NS_PER_S + 10);
	assert_int_equal(enforcer_confirm(s->enforcer, &v.target), 0);
	assert_int_equal(warden.blocks[0].value.deadline_s, now / NS_PER_S + 60);
}

static void another_time_is_another_question(void **state)
{
	struct stage *s = *state;
	struct verdict v = verdict(VERDICT_GATEWAY, "203.0.113.7");
	struct decision d;

	client(s, "203.0.113.7");
	enforcer_set_mode(s->enforcer, MODE_APPROVE);
	uint64_t shown = give(s, v).pending_id;
	v.ttl_ms = 3600000;
	assert_int_not_equal(give(s, v).pending_id, shown);
	assert_int_equal(enforcer_answer(s->enforcer, shown, true, "uid:0", &d), 1);
	assert_int_equal(enforcer_counts(s->enforcer).pending, 1);
}

static void what_others_change_in_the_kernel_is_mended(void **state)
{
	struct stage *s = *state;
	struct verdict mine = verdict(VERDICT_OPERATOR, "203.0.113.7"),
		       foreign = verdict(VERDICT_OPERATOR, "203.0.113.99");

	mine.ttl_ms = foreign.ttl_ms = 600000;
	give(s, mine);
	warden.blocks[0].target = foreign.target; /* one taken out, one put in: the counts are equal */
	now += 6 * NS_PER_S;
	enforcer_tick(s->enforcer);
	assert_int_equal(warden.count, 1);
	assert_true(prefix_equal(&warden.blocks[0].target, &mine.target));
	struct enforcer_counts c = enforcer_counts(s->enforcer);
	assert_int_equal(c.mended, 2);
	assert_int_equal(c.missing, 0);
	assert_int_equal(c.extra, 0);
	now += 6 * NS_PER_S;
	enforcer_tick(s->enforcer);
	assert_int_equal(enforcer_counts(s->enforcer).mended, 2);
}

static void a_block_that_would_last_longer_or_do_more_is_mended(void **state)
{
	struct stage *s = *state;
	struct verdict mine = verdict(VERDICT_OPERATOR, "203.0.113.7");
	uint32_t deadline_s;

	mine.action = VERDICT_RATE_LIMIT;
	mine.ttl_ms = 600000;
	give(s, mine);
	deadline_s = warden.blocks[0].value.deadline_s;
	warden.blocks[0].value.deadline_s += 60;
	now += 6 * NS_PER_S;
	enforcer_tick(s->enforcer);
	assert_int_equal(warden.blocks[0].value.deadline_s, deadline_s);
	warden.blocks[0].value.action = PK_ACT_DROP;
	now += 6 * NS_PER_S;
	enforcer_tick(s->enforcer);
	assert_int_equal(warden.blocks[0].value.action, PK_ACT_RATE);
	assert_int_equal(enforcer_counts(s->enforcer).mended, 2);
}

static void mode_outlives_a_sensor_that_dies(void **state)
{
	struct stage *s = *state;

	warden.mode = MODE_OBSERVE;
	assert_int_equal(enforcer_adopt(s->enforcer, true), 0);
	assert_int_equal(enforcer_mode(s->enforcer), MODE_OBSERVE);
}

static struct audit *audit_up(struct stage *s)
{
	void *none = NULL;
	struct enforcer_parts parts = {
		.config = &s->config,
		.clock = &clock_fake,
		.proxies = s->proxies,
		.clients = s->clients,
		.behind = s->behind,
		.event = keep_event,
		.arg = s,
	};

	assert_int_equal(rig_begin(&none), 0);
	s->config.state_dir = rig_state;
	s->config.audit.enabled = true;
	s->config.audit.size_max = 1u << 20;
	s->config.audit.files_max = 2;
	assert_int_equal(audit_new(&s->config, &clock_system, &parts.audit), 0);
	assert_int_equal(audit_start(parts.audit), 0);
	enforcer_free(s->enforcer);
	assert_int_equal(enforcer_new(&parts, &s->enforcer), 0);
	return parts.audit;
}

/* One of parts in each record, and no more records. */
static void expect_records(const char *const *parts, size_t count)
{
	char *text = rig_text(), *line = text;

	for (size_t i = 0; i < count; i++) {
		char *end = strchr(line, '\n');
		if (!end)
			fail_msg("no record with %s", parts[i]);
		*end = 0;
		if (!strstr(line, parts[i]))
			fail_msg("no %s in record %zu: %s", parts[i], i + 1, line);
		line = end + 1;
	}
	assert_string_equal(line, "");
	free(text);
}

static void each_decision_is_written_down_with_who_made_it(void **state)
{
	static const char *const records[] = {
		"\"kind\":\"decision\",\"by\":\"test\",\"event\":", /* the operator of these tests */
		"\"by\":\"gateway:test\",\"pending_id\":1,",
		"\"by\":\"uid:7\",\"answer\":\"approved\",\"pending_id\":1,",
		"\"by\":\"gateway:test\",\"pending_id\":2,",
		"\"by\":\"uid:8\",\"answer\":\"rejected\",\"pending_id\":2,",
		"\"kind\":\"mended\",\"by\":\"picket\",\"target\":\"198.51.100.1\",\"what\":\"taken_out\"",
		"\"kind\":\"mended\",\"by\":\"picket\",\"target\":\"203.0.113.5\",\"what\":\"put_back\"",
		"\"by\":\"kernel\",\"name\":\"kill_switch\",\"before\":\"off\",\"value\":\"on\"",
		"\"by\":\"gateway:test\",\"event\":", /* refused: the kill switch */
		"\"name\":\"kill_switch\",\"before\":\"on\",\"value\":\"off\"",
		"\"by\":\"picket\",\"event\":", /* the time of two blocks is over */
		"\"by\":\"picket\",\"event\":",
		"\"kind\":\"end\"",
	};
	struct stage *s = *state;
	struct audit *audit = audit_up(s);
	void *none = NULL;
	struct decision d;

	client(s, "203.0.113.6");
	give(s, verdict(VERDICT_OPERATOR, "203.0.113.5"));
	enforcer_set_mode(s->enforcer, MODE_APPROVE);
	d = give(s, verdict(VERDICT_GATEWAY, "203.0.113.6"));
	assert_int_equal(enforcer_answer(s->enforcer, d.pending_id, true, "uid:7", &d), 0);
	client(s, "203.0.113.8");
	d = give(s, verdict(VERDICT_GATEWAY, "203.0.113.8"));
	assert_int_equal(enforcer_answer(s->enforcer, d.pending_id, false, "uid:8", &d), 0);
	/* Somebody took one entry out, and put another in. */
	now += 6 * NS_PER_S;
	assert_int_equal(prefix_parse(SPAN("198.51.100.1"), &warden.blocks[0].target), 0);
	warden.blocks[0].value.deadline_s = (uint32_t)(now / NS_PER_S + 600);
	enforcer_tick(s->enforcer);
	warden.kill = true;
	enforcer_tick(s->enforcer);
	give(s, verdict(VERDICT_GATEWAY, "203.0.113.6"));
	warden.kill = false;
	enforcer_tick(s->enforcer);
	now += 61 * NS_PER_S;
	enforcer_tick(s->enforcer);
	audit_free(audit);
	expect_records(records, ARRAY_SIZE(records));
	rig_end(&none);
}

/* --- restarts --- */

/* Both processes end and start again; what the kernel holds by then is in warden.blocks. */
static void restart(struct stage *s, struct journal **journal)
{
	struct enforcer_parts parts = {
		.config = &s->config,
		.clock = &clock_fake,
		.clients = s->clients,
		.behind = s->behind,
		.http = is_asked,
		.event = keep_event,
		.arg = s,
	};

	journal_free(*journal);
	enforcer_free(s->enforcer);
	proxies_free(s->proxies);
	assert_int_equal(proxies_new(&s->config, &s->proxies), 0);
	assert_int_equal(journal_new(&s->config, &clock_fake, journal), 0);
	parts.proxies = s->proxies;
	parts.journal = *journal;
	assert_int_equal(enforcer_new(&parts, &s->enforcer), 0);
	assert_int_equal(enforcer_adopt(s->enforcer, true), 0);
	const struct journal_source source = enforcer_source(s->enforcer);
	assert_int_equal(journal_start(*journal, &source), 0);
}

static int stage_up_with_a_state(void **state)
{
	void *none = NULL;
	int r = stage_up(state);
	struct stage *s = *state;

	if (!r)
		r = rig_begin(&none);
	s->config.state_dir = rig_state;
	return r;
}

static int stage_down_with_a_state(void **state)
{
	void *none = NULL;
	int r = stage_down(state);

	return r ? r : rig_end(&none);
}

static struct why why_of(struct stage *s, const char *text)
{
	struct prefix target;
	struct why why;
	size_t none = 0;

	assert_int_equal(prefix_parse(span_from(text), &target), 0);
	assert_int_equal(enforcer_why(s->enforcer, &target, &why, NULL, &none), 0);
	return why;
}

static void what_was_decided_is_in_force_after_a_restart_with_its_words(void **state)
{
	struct stage *s = *state;
	struct journal *j = NULL;
	struct addr behind = address("203.0.113.20");
	struct prefix proxy;
	struct decision d;

	restart(s, &j);
	struct verdict longer = verdict(VERDICT_OPERATOR, "203.0.113.7");
	longer.ttl_ms = 600000;
	strcpy(longer.reason, "the operator's words");
	give(s, longer);
	client(s, "203.0.113.7");
	give(s, verdict(VERDICT_GATEWAY, "203.0.113.7"));
	give(s, verdict(VERDICT_OPERATOR, "203.0.113.8")); /* a minute */
	struct verdict rate = verdict(VERDICT_OPERATOR, "198.51.100.0/24");
	rate.action = VERDICT_RATE_LIMIT;
	rate.scope = VERDICT_SCOPE_HOST;
	rate.ttl_ms = 600000;
	give(s, rate);
	struct verdict trial = verdict(VERDICT_OPERATOR, "203.0.113.9");
	trial.ttl_ms = 600000;
	enforcer_verdict(s->enforcer, &trial, 120000, &d);
	s->http_asked = true;
	clients_note(s->behind, &behind, now);
	struct verdict http = verdict(VERDICT_GATEWAY, "203.0.113.20");
	http.ttl_ms = 600000;
	give(s, http);
	enforcer_set_mode(s->enforcer, MODE_APPROVE);
	assert_int_equal(prefix_parse(SPAN("192.0.2.9"), &proxy), 0);
	journal_set_proxy(j, &proxy, PROXY_CLASS_TRUSTED);

	warden.count = 0;
	warden.mode = 0;
	now += 61 * NS_PER_S;
	restart(s, &j);
	assert_int_equal(warden.count, 3);
	const struct pk_deny *k = warden_holds("203.0.113.7");
	assert_non_null(k);
	assert_int_equal(k->source, VERDICT_OPERATOR);
	assert_in_range(k->deadline_s, now / NS_PER_S + 538, now / NS_PER_S + 540);
	struct why why = why_of(s, "203.0.113.7");
	assert_true(why.blocked);
	assert_string_equal(why.block.verdict.reason, "the operator's words");
	assert_int_equal(why.claim_count, 1); /* the gateway's minute is over */
	assert_null(warden_holds("203.0.113.8"));
	assert_false(why_of(s, "203.0.113.8").blocked);
	k = warden_holds("198.51.100.0/24");
	assert_int_equal(k->action, PK_ACT_RATE);
	assert_int_equal(k->scope, PK_SCOPE_HOST);
	assert_int_equal(ask_http(s, "203.0.113.20"), DECIDE_DENY);
	assert_null(warden_holds("203.0.113.20"));
	assert_true(why_of(s, "203.0.113.20").block.http);
	assert_int_equal(enforcer_counts(s->enforcer).http, 1);
	assert_int_equal(ask_http(s, "203.0.113.7"), DECIDE_DENY);
	assert_int_equal(enforcer_mode(s->enforcer), MODE_APPROVE);
	assert_int_equal(warden.mode, MODE_APPROVE); /* so that it outlives the sensor as well */
	assert_int_equal(proxies_class(s->proxies, &proxy.addr), PROXY_CLASS_TRUSTED);
	/* Nobody confirmed it: it ends as it was said. */
	assert_in_range(warden_holds("203.0.113.9")->deadline_s, now / NS_PER_S + 58, now / NS_PER_S + 60);
	now += 60 * NS_PER_S;
	enforcer_tick(s->enforcer);
	assert_null(warden_holds("203.0.113.9"));
	/* What ended, and what was taken back, does not come again. */
	struct verdict back = verdict(VERDICT_OPERATOR, "203.0.113.7");
	back.action = VERDICT_UNBLOCK;
	give(s, back);
	restart(s, &j);
	assert_int_equal(warden.count, 1);
	assert_non_null(warden_holds("198.51.100.0/24"));
	assert_int_equal(journal_counts(j).restored.targets, 1); /* at HTTP: the kernel had the other */
	journal_free(j);
}

static void what_is_denied_on_a_route_is_so_after_a_restart(void **state)
{
	struct stage *s = *state;
	struct journal *j = NULL;
	struct decide_question q = {.client = address("203.0.113.7")};
	struct verdict v = verdict(VERDICT_OPERATOR, "203.0.113.7"), wide = v;
	struct request_path path;
	uint64_t retry_s;

	assert_int_equal(target_parse(SPAN("203.0.113.7@/users/{id}"), &v.target), 0);
	assert_int_equal(target_parse(SPAN("198.51.100.0/24@/login"), &wide.target), 0);
	s->http_asked = true;
	restart(s, &j);
	assert_int_equal(give(s, v).outcome, DECISION_BLOCKED);
	assert_int_equal(give(s, wide).outcome, DECISION_BLOCKED);
	s->config.limits.prefix_min_v4 = 25;
	restart(s, &j);
	assert_int_equal(warden.count, 0);
	assert_int_equal(enforcer_counts(s->enforcer).http, 1); /* the other is too wide by now */
	request_path_read(SPAN("/users/8"), &path);
	q.path = &path;
	assert_int_equal(decide_ask_of(enforcer_decide(s->enforcer), &q, now, &retry_s), DECIDE_DENY);
	assert_int_equal(ask_http(s, "203.0.113.7"), DECIDE_PASS);
	journal_free(j);
}

static void the_hard_limits_of_now_hold_for_what_was_before(void **state)
{
	struct stage *s = *state;
	struct journal *j = NULL;

	restart(s, &j);
	give(s, verdict(VERDICT_OPERATOR, "203.0.113.7"));
	give(s, verdict(VERDICT_OPERATOR, "198.51.100.7"));
	warden.count = 0;
	assert_int_equal(prefix_parse(SPAN("198.51.100.0/24"), &warden.protect), 0);
	s->told = 0;
	restart(s, &j);
	assert_non_null(warden_holds("203.0.113.7"));
	assert_null(warden_holds("198.51.100.7"));
	assert_false(why_of(s, "198.51.100.7").blocked);
	assert_int_equal(s->told, 1);
	assert_int_equal(s->last->decision.outcome, DECISION_REFUSED);
	assert_true(span_equal(s->last->decision.why, SPAN("protected_network")));
	assert_int_equal(journal_counts(j).restored.refused, 1);
	/* It is not tried each time. */
	memset(&warden.protect, 0, sizeof warden.protect);
	restart(s, &j);
	assert_null(warden_holds("198.51.100.7"));
	/* Longer than may be now: as long as may be. */
	warden.count = 0;
	s->config.limits.ttl_max_ms = 10000;
	restart(s, &j);
	assert_in_range(warden_holds("203.0.113.7")->deadline_s, now / NS_PER_S + 9, now / NS_PER_S + 11);
	journal_free(j);
}

static void what_the_kernel_holds_and_the_journal_lacks_is_adopted(void **state)
{
	struct stage *s = *state;
	struct journal *j = NULL;
	struct verdict v = verdict(VERDICT_OPERATOR, "203.0.113.9");

	restart(s, &j);
	strcpy(v.reason, "the first words");
	give(s, v);
	warden.blocks[0].value.deadline_s += 300; /* extended at the last moment, and not written any more */
	v = verdict(VERDICT_LOCAL, "198.51.100.7");
	warden.blocks[warden.count++] = (struct warden_block){
		.target = v.target,
		.value = {.deadline_s = (uint32_t)(now / NS_PER_S) + 300,
			  .action = PK_ACT_DROP,
			  .scope = PK_SCOPE_HOST,
			  .source = VERDICT_LOCAL},
	};
	for (int i = 0; i < 2; i++) { /* the second time the journal knows */
		restart(s, &j);
		assert_int_equal(journal_counts(j).restored.adopted, i ? 0 : 2);
		struct why why = why_of(s, "203.0.113.9");
		assert_string_equal(why.block.verdict.reason, "the first words");
		assert_in_range(why.block.deadline_ns / NS_PER_S, now / NS_PER_S + 359, now / NS_PER_S + 361);
		why = why_of(s, "198.51.100.7");
		assert_true(why.blocked);
		assert_string_equal(why.block.verdict.origin, BLOCKS_ADOPTED);
		assert_int_equal(why.block.verdict.source, VERDICT_LOCAL);
		assert_int_equal(warden.count, 2);
		assert_int_equal(warden.batches, 0);
	}
	/* The other way round: the kernel ends it too early. */
	warden.blocks[0].value.deadline_s -= 300;
	warden.blocks[1].value.deadline_s -= 300;
	restart(s, &j);
	assert_in_range(warden_holds("203.0.113.9")->deadline_s, now / NS_PER_S + 359, now / NS_PER_S + 361);
	journal_free(j);
}

static void what_the_kernel_holds_lasts_no_longer_than_may_be_now(void **state)
{
	struct stage *s = *state;
	struct journal *j = NULL;

	restart(s, &j);
	give(s, verdict(VERDICT_OPERATOR, "203.0.113.9"));
	const struct verdict v =
		verdict(VERDICT_LOCAL, "198.51.100.7"); /* of which the journal knows nothing */
	warden.blocks[warden.count++] = (struct warden_block){
		.target = v.target,
		.value = {.deadline_s = (uint32_t)(now / NS_PER_S) + 300,
			  .action = PK_ACT_DROP,
			  .scope = PK_SCOPE_HOST,
			  .source = VERDICT_LOCAL},
	};
	s->config.limits.ttl_max_ms = 10000;
	restart(s, &j);
	assert_in_range(warden_holds("203.0.113.9")->deadline_s, now / NS_PER_S + 9, now / NS_PER_S + 11);
	assert_in_range(warden_holds("198.51.100.7")->deadline_s, now / NS_PER_S + 9, now / NS_PER_S + 11);
	assert_in_range(why_of(s, "198.51.100.7").block.deadline_ns / NS_PER_S, now / NS_PER_S + 9,
			now / NS_PER_S + 11);
	journal_free(j);
}

static void while_the_kill_switch_is_on_nothing_comes_back_and_nothing_is_lost(void **state)
{
	struct stage *s = *state;
	struct journal *j = NULL;

	restart(s, &j);
	give(s, verdict(VERDICT_OPERATOR, "203.0.113.7"));
	warden.count = 0;
	warden.kill = true;
	restart(s, &j);
	assert_int_equal(warden.count, 0);
	assert_true(why_of(s, "203.0.113.7").blocked);
	assert_int_equal(journal_counts(j).restored.refused, 0);
	enforcer_tick(s->enforcer);
	warden.kill = false;
	enforcer_tick(s->enforcer);
	now += 6 * NS_PER_S;
	enforcer_tick(s->enforcer);
	assert_non_null(warden_holds("203.0.113.7"));
	journal_free(j);
}

/* --- block lists --- */

/* The file of the list says that from now on. */
static void list_says(struct stage *s, unsigned list, const char *text)
{
	const struct list_times times = {.now_s = now / NS_PER_S, .written_s = now / NS_PER_S};
	struct list_report report;
	struct list *l;

	assert_int_equal(list_parse(span_from(text), CONFIG_LIST_AUTO, &times, &l, &report), 0);
	enforcer_list_put(s->enforcer, list, l, &report, now);
}

static struct lists_account account(struct stage *s, unsigned list)
{
	struct lists_account all[CONFIG_LISTS_MAX];

	assert_int_equal(enforcer_lists(s->enforcer, all), 2);
	return all[list];
}

static void a_list_is_put_into_force_and_then_changed_by_its_difference(void **state)
{
	struct stage *s = *state;

	list_says(s, 0, "203.0.113.1\n203.0.113.2\n198.51.100.0/24\n2001:db8::1\n");
	assert_int_equal(warden.count, 4);
	assert_int_equal(warden.put, 4);
	assert_int_equal(warden.batches, 1);
	const struct pk_deny *k = warden_holds("203.0.113.1");
	assert_non_null(k);
	assert_int_equal(k->action, PK_ACT_DROP);
	assert_int_equal(k->source, VERDICT_IMPORT);
	assert_int_equal(k->deadline_s, now / NS_PER_S + 3600);
	list_says(s, 0, "203.0.113.1\n203.0.113.3\n198.51.100.0/24\n2001:db8::1\n");
	assert_int_equal(warden.put, 5);
	assert_int_equal(warden.removed, 1);
	assert_null(warden_holds("203.0.113.2"));
	assert_non_null(warden_holds("203.0.113.3"));
	assert_int_equal(account(s, 0).in_force, 4);
	assert_int_equal(s->told, 0); /* no event for each of a million */
}

static void an_unblock_leaves_what_a_list_names_and_says_so(void **state)
{
	struct stage *s = *state;
	struct verdict v = verdict(VERDICT_OPERATOR, "203.0.113.1");

	list_says(s, 0, "203.0.113.1\n");
	v.ttl_ms = 7200000;
	assert_int_equal(give(s, v).outcome, DECISION_BLOCKED);
	assert_int_equal(warden_holds("203.0.113.1")->source, VERDICT_OPERATOR);
	v.action = VERDICT_UNBLOCK;
	struct decision d = give(s, v);
	assert_int_equal(d.outcome, DECISION_UNBLOCKED);
	assert_non_null(strstr(d.detail, "the block list bad names it"));
	assert_int_equal(warden_holds("203.0.113.1")->source, VERDICT_IMPORT);
	d = give(s, v);
	assert_int_equal(d.outcome, DECISION_REFUSED);
	assert_string_equal(d.why, "in_list");
	assert_non_null(strstr(d.detail, "take it out of /lists/bad, or put it into limits.protect"));
	assert_non_null(warden_holds("203.0.113.1"));
}

static void the_stronger_of_block_and_lists_is_in_force(void **state)
{
	struct stage *s = *state;
	struct verdict v = verdict(VERDICT_OPERATOR, "203.0.113.1");

	list_says(s, 1, "203.0.113.1\n");
	assert_int_equal(warden_holds("203.0.113.1")->action, PK_ACT_SHADOW);
	assert_int_equal(warden_holds("203.0.113.1")->scope, PK_SCOPE_HOST);
	assert_string_equal(give(s, v).detail, "");
	assert_int_equal(warden_holds("203.0.113.1")->action, PK_ACT_DROP);
	assert_int_equal(warden_holds("203.0.113.1")->scope, PK_SCOPE_PORTS);
	now += 61 * NS_PER_S; /* the operator's ends */
	enforcer_tick(s->enforcer);
	assert_int_equal(warden_holds("203.0.113.1")->action, PK_ACT_SHADOW);
	list_says(s, 0, "203.0.113.1\n");
	assert_int_equal(warden_holds("203.0.113.1")->action, PK_ACT_DROP);
	v.action = VERDICT_SHADOW;
	assert_non_null(strstr(give(s, v).detail, "a block list asks for more"));
	assert_int_equal(warden_holds("203.0.113.1")->action, PK_ACT_DROP);
	list_says(s, 0, "# none\n");
	assert_int_equal(warden_holds("203.0.113.1")->action, PK_ACT_SHADOW);
	list_says(s, 1, "# none\n");
	assert_int_equal(warden_holds("203.0.113.1")->source, VERDICT_OPERATOR);
}

static void a_reset_is_a_block_that_tells_and_a_silent_one_is_stronger(void **state)
{
	struct stage *s = *state;
	struct verdict v = verdict(VERDICT_OPERATOR, "203.0.113.1"), by_gateway;

	client(s, "203.0.113.1");
	v.action = VERDICT_RESET;
	v.scope = VERDICT_SCOPE_HOST;
	v.ttl_ms = 60000;
	assert_non_null(strstr(give(s, v).detail, "and told so"));
	assert_int_equal(warden_holds("203.0.113.1")->action, PK_ACT_RESET);
	assert_int_equal(ask_http(s, "203.0.113.1"), DECIDE_DENY);
	by_gateway = verdict(VERDICT_GATEWAY, "203.0.113.1");
	by_gateway.scope = VERDICT_SCOPE_PORTS;
	give(s, by_gateway);
	assert_int_equal(warden_holds("203.0.113.1")->action, PK_ACT_DROP);
	assert_int_equal(warden_holds("203.0.113.1")->scope, PK_SCOPE_HOST); /* neither lets less pass */
	by_gateway.action = VERDICT_UNBLOCK;
	give(s, by_gateway);
	assert_int_equal(warden_holds("203.0.113.1")->action, PK_ACT_RESET);
	/* The next sensor finds it again. */
	enforcer_adopt(s->enforcer, true);
	v.action = VERDICT_UNBLOCK;
	assert_int_equal(give(s, v).outcome, DECISION_UNBLOCKED);
	assert_null(warden_holds("203.0.113.1"));
	/* Of a list and a claim, too. */
	list_says(s, 0, "203.0.113.1\n"); /* block, ports */
	v.action = VERDICT_RESET;
	give(s, v);
	assert_int_equal(warden_holds("203.0.113.1")->action, PK_ACT_DROP);
	assert_int_equal(warden_holds("203.0.113.1")->scope, PK_SCOPE_HOST);
}

static void what_is_refused_is_counted_and_the_rest_goes_on(void **state)
{
	struct stage *s = *state;

	assert_int_equal(prefix_parse(SPAN("203.0.113.2"), &warden.protect), 0);
	list_says(s, 0, "203.0.113.1\n203.0.113.2\n203.0.113.3\n");
	assert_int_equal(warden.count, 2);
	assert_int_equal(account(s, 0).in_force, 2);
	assert_int_equal(account(s, 0).refused[LIMITS_PROTECTED], 1);
	warden.put = 0;
	now += 10 * NS_PER_S;
	enforcer_lists_tick(s->enforcer);
	assert_int_equal(warden.put, 0); /* it is not asked for again and again */
	assert_int_equal(enforcer_counts(s->enforcer).missing, 0);
	assert_int_equal(enforcer_counts(s->enforcer).desired, 2);
	/* With the next change it is. */
	memset(&warden.protect, 0, sizeof warden.protect);
	list_says(s, 0, "203.0.113.1\n203.0.113.2\n");
	assert_non_null(warden_holds("203.0.113.2"));
	assert_null(warden_holds("203.0.113.3"));
}

static void a_list_is_renewed_while_its_file_is_there_and_ends_when_it_is_not(void **state)
{
	struct stage *s = *state;

	list_says(s, 0, "203.0.113.1\n");
	for (int i = 0; i < 10; i++) {
		now += 1000 * NS_PER_S;
		enforcer_list_there(s->enforcer, 0, true, "");
		enforcer_lists_tick(s->enforcer);
		assert_in_range(warden_holds("203.0.113.1")->deadline_s, now / NS_PER_S + 3150,
				now / NS_PER_S + 3600);
	}
	enforcer_list_there(s->enforcer, 0, false, "is not there");
	assert_string_equal(account(s, 0).error, "is not there");
	now += 3000 * NS_PER_S;
	enforcer_lists_tick(s->enforcer);
	assert_int_equal(account(s, 0).in_force, 1);
	now += 601 * NS_PER_S;
	enforcer_lists_tick(s->enforcer);
	assert_int_equal(account(s, 0).in_force, 0);
	assert_null(warden_holds("203.0.113.1"));
	enforcer_list_there(s->enforcer, 0, true, "");
	enforcer_lists_tick(s->enforcer);
	assert_non_null(warden_holds("203.0.113.1"));
}

static void an_entry_with_an_end_of_its_own_gives_its_place_back(void **state)
{
	struct stage *s = *state;

	list_says(s, 0,
		  "[{\"value\":\"203.0.113.1\",\"scope\":\"Ip\",\"type\":\"ban\",\"duration\":\"30s\"},"
		  "{\"value\":\"203.0.113.2\",\"scope\":\"Ip\",\"type\":\"ban\",\"duration\":\"720h\"}]");
	assert_in_range(warden_holds("203.0.113.1")->deadline_s, now / NS_PER_S + 29, now / NS_PER_S + 31);
	/* No further than limits.ttl_max. */
	assert_int_equal(warden_holds("203.0.113.2")->deadline_s, now / NS_PER_S + 86400);
	now += 32 * NS_PER_S;
	enforcer_lists_tick(s->enforcer);
	assert_null(warden_holds("203.0.113.1"));
	assert_int_equal(account(s, 0).in_force, 1);
}

static void what_others_change_of_a_list_is_mended(void **state)
{
	struct stage *s = *state;
	struct prefix gone;

	list_says(s, 0, "203.0.113.1\n203.0.113.2\n");
	list_says(s, 1, "# none\n");
	assert_int_equal(prefix_parse(SPAN("203.0.113.1"), &gone), 0);
	warden_take(&gone);
	warden.blocks[warden.count++] = (struct warden_block){
		.target = gone,
		.value = {.deadline_s = (uint32_t)(now / NS_PER_S) + 100,
			  .action = PK_ACT_DROP,
			  .scope = PK_SCOPE_PORTS,
			  .source = VERDICT_IMPORT},
	};
	warden.blocks[warden.count - 1].target.addr.bytes[3] = 99;
	enforcer_lists_tick(s->enforcer);
	assert_non_null(warden_holds("203.0.113.1"));
	assert_null(warden_holds("203.0.113.99"));
	assert_int_equal(enforcer_counts(s->enforcer).mended, 2);
	assert_int_equal(enforcer_counts(s->enforcer).missing, 0);
	assert_int_equal(enforcer_counts(s->enforcer).extra, 0);
}

static void a_restarted_sensor_leaves_what_lists_had_put_to_the_lists(void **state)
{
	struct stage *s = *state;

	warden.blocks[warden.count++] = (struct warden_block){
		.value = {.deadline_s = (uint32_t)(now / NS_PER_S) + 100,
			  .action = PK_ACT_DROP,
			  .scope = PK_SCOPE_PORTS,
			  .source = VERDICT_IMPORT},
	};
	assert_int_equal(prefix_parse(SPAN("203.0.113.1"), &warden.blocks[0].target), 0);
	assert_int_equal(enforcer_adopt(s->enforcer, true), 0);
	assert_int_equal(enforcer_counts(s->enforcer).desired, 0);
	/* Of a file that cannot be read nobody knows what is in it. */
	enforcer_list_there(s->enforcer, 0, false, "is not there");
	list_says(s, 1, "# none\n");
	enforcer_lists_tick(s->enforcer);
	assert_non_null(warden_holds("203.0.113.1"));
	list_says(s, 0, "203.0.113.2\n");
	now += 6 * NS_PER_S;
	enforcer_lists_tick(s->enforcer);
	assert_null(warden_holds("203.0.113.1"));
	assert_non_null(warden_holds("203.0.113.2"));
}

static void a_list_that_loses_most_of_its_entries_is_taken_and_told(void **state)
{
	struct stage *s = *state;
	struct list_report report = {.format = CONFIG_LIST_PLAIN};
	const struct list_times times = {.now_s = now / NS_PER_S};
	struct buffer text = BUFFER_INIT(65536);
	struct list *l;

	/* More than the played warden holds: it is full, and that counts as well. */
	for (int i = 0; i < 101; i++)
		buffer_printf(&text, "203.0.%d.7\n", i);
	assert_int_equal(list_parse(buffer_span(&text), CONFIG_LIST_AUTO, &times, &l, &report), 0);
	assert_int_equal(prefix_parse(SPAN("203.0.0.0/16"), &warden.protect), 0);
	enforcer_list_put(s->enforcer, 0, l, &report, now);
	assert_int_equal(account(s, 0).dropped, 0);
	list_says(s, 0, "203.0.0.7\n");
	assert_int_equal(account(s, 0).dropped, 100);
	assert_int_equal(account(s, 0).former, 101);
	list_says(s, 0, "203.0.1.7\n");
	assert_int_equal(account(s, 0).dropped, 0);
	buffer_free(&text);
}

/* --- whom else it would hit --- */

/* Somebody with that credential is served again and again at that address. */
static void regular(struct stage *s, const char *client, const char *consumer)
{
	struct event e = {.kind = EVENT_HTTP_REQUEST, .id = 1, .time_ns = now};

	e.request.client.addr = address(client);
	e.request.route_id = 1;
	e.request.method = SPAN("GET");
	e.request.consumer = span_from(consumer);
	e.request.answered = EVENT_ANSWER_SEEN;
	e.request.status = 200;
	regulars_note(s->regulars, &e);
	e.time_ns += NS_PER_S;
	regulars_note(s->regulars, &e);
}

static void regulars_elsewhere(struct stage *s, unsigned count)
{
	char text[32];

	for (unsigned i = 0; i < count; i++) {
		snprintf(text, sizeof text, "198.51.100.%u", i);
		regular(s, text, "c_elsewhere");
	}
}

static void a_shared_address_is_slowed_and_why_says_so(void **state)
{
	struct stage *s = *state;
	struct prefix p;
	struct why why;
	size_t none = 0;

	client(s, "203.0.113.7");
	regulars_elsewhere(s, 20);
	regular(s, "203.0.113.7", "c_1");
	regular(s, "203.0.113.7", "c_2");
	regular(s, "203.0.113.7", "c_3");
	struct decision d = give(s, verdict(VERDICT_LOCAL, "203.0.113.7"));
	assert_int_equal(d.outcome, DECISION_BLOCKED);
	assert_string_equal(d.why, "shared_address");
	assert_int_equal(warden_holds("203.0.113.7")->action, PK_ACT_RATE);
	assert_int_equal(s->last->decision.verdict.action, VERDICT_RATE_LIMIT);
	assert_int_equal(prefix_parse(SPAN("203.0.113.7"), &p), 0);
	assert_int_equal(enforcer_why(s->enforcer, &p, &why, NULL, &none), 0);
	assert_int_equal(why.regulars.here, 3);
	assert_int_equal(why.regulars.all, 23);
	/* A person may still block it. */
	assert_int_equal(give(s, verdict(VERDICT_OPERATOR, "203.0.113.7")).outcome, DECISION_BLOCKED);
	assert_int_equal(warden_holds("203.0.113.7")->action, PK_ACT_DROP);
}

/* Behind a proxy that asks it is slowed there. */
static void a_shared_address_behind_a_proxy_is_slowed_at_http(void **state)
{
	struct stage *s = *state;
	struct addr a = address("203.0.113.7");

	s->http_asked = true;
	s->config.enforcement.rate_limit = 1;
	clients_note(s->behind, &a, now);
	regulars_elsewhere(s, 20);
	regular(s, "203.0.113.7", "c_1");
	regular(s, "203.0.113.7", "c_2");
	regular(s, "203.0.113.7", "c_3");
	struct decision d = give(s, verdict(VERDICT_LOCAL, "203.0.113.7"));
	assert_true(d.http);
	assert_string_equal(d.why, "shared_address");
	assert_int_equal(
		decide_in_force(enforcer_decide(s->enforcer), &(struct decide_question){.client = a}, now),
		VERDICT_RATE_LIMIT);
	assert_int_equal(warden.asked_block, 0);
}

static void what_would_hit_most_regulars_waits_for_a_person(void **state)
{
	struct stage *s = *state;

	client(s, "203.0.113.7");
	regulars_elsewhere(s, 1);
	regular(s, "203.0.113.7", "c_1");
	regular(s, "203.0.113.7", "c_2");
	struct decision d = give(s, verdict(VERDICT_LOCAL, "203.0.113.7"));
	assert_int_equal(d.outcome, DECISION_PENDING);
	assert_string_equal(d.why, "blast_radius");
	assert_int_equal(enforcer_answer(s->enforcer, d.pending_id, true, "uid:0", &d), 0);
	assert_int_equal(d.outcome, DECISION_BLOCKED);
	assert_int_equal(warden_holds("203.0.113.7")->action, PK_ACT_DROP);
}

static void a_gateway_is_believed_where_a_detection_fired_on_what_it_cites(void **state)
{
	struct stage *s = *state;
	struct verdict v = verdict(VERDICT_GATEWAY, "203.0.113.7");
	struct event e = {.id = 77};

	enforcer_free(s->enforcer);
	s->gateway.corroborate = true;
	struct enforcer_parts parts = {
		.config = &s->config,
		.clock = &clock_fake,
		.proxies = s->proxies,
		.clients = s->clients,
		.witness = s->witness,
		.event = keep_event,
		.arg = s,
	};
	assert_int_equal(enforcer_new(&parts, &s->enforcer), 0);
	client(s, "203.0.113.7");
	event_id_format(&e, v.evidence[0]);
	v.evidence_count = 1;
	struct decision d = give(s, v);
	assert_int_equal(d.outcome, DECISION_PENDING);
	assert_string_equal(d.why, "uncorroborated");
	witness_note(s->witness, 77, &v.target, false, now);
	assert_int_equal(give(s, v).outcome, DECISION_BLOCKED);
	assert_int_equal(warden.count, 1);
}

static void offenders_of_one_network_have_it_blocked(void **state)
{
	static const char *const hops[] = {"2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:2::3"};
	struct stage *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(hops); i++) {
		client(s, hops[i]);
		assert_int_equal(give(s, verdict(VERDICT_GATEWAY, hops[i])).outcome, DECISION_BLOCKED);
		assert_int_equal(warden.count, i < 2 ? i + 1 : 4);
	}
	const struct pk_deny *net = warden_holds("2001:db8:1:2::/64");
	assert_non_null(net);
	assert_int_equal(net->source, VERDICT_LOCAL);
	assert_true(span_equal(s->last->decision.why, SPAN("ok")));
	assert_string_equal(s->last->decision.verdict.origin, "neighbours");
	/* An operator's blocks propose nothing. */
	give(s, verdict(VERDICT_OPERATOR, "2001:db8:1:3::1"));
	give(s, verdict(VERDICT_OPERATOR, "2001:db8:1:3::2"));
	give(s, verdict(VERDICT_OPERATOR, "2001:db8:1:3::3"));
	assert_null(warden_holds("2001:db8:1:3::/64"));
}

/* First a web page could have caused it, then it is certain: nobody has to answer any more. */
static void a_question_is_settled_by_what_is_done(void **state)
{
	struct stage *s = *state;
	struct verdict v = verdict(VERDICT_LOCAL, "203.0.113.7");

	client(s, "203.0.113.7");
	regular(s, "203.0.113.7", "c_1");
	v.framed = true;
	assert_string_equal(give(s, v).why, "cross_site");
	assert_int_equal(enforcer_counts(s->enforcer).pending, 1);
	unsigned told = s->told;
	v.framed = false;
	assert_int_equal(give(s, v).outcome, DECISION_BLOCKED);
	assert_int_equal(enforcer_counts(s->enforcer).pending, 0);
	assert_int_equal(s->told, told + 2);
	assert_int_equal(s->last->decision.outcome, DECISION_BLOCKED);
	/* An operator's block does the same; a lesser action leaves the question. */
	client(s, "203.0.113.8");
	proxies_note(s->proxies, &(struct addr){ADDR_IPV4, {203, 0, 113, 8}}, true, now);
	give(s, verdict(VERDICT_LOCAL, "203.0.113.8"));
	struct verdict slow = verdict(VERDICT_OPERATOR, "203.0.113.8");
	slow.action = VERDICT_RATE_LIMIT;
	give(s, slow);
	assert_int_equal(enforcer_counts(s->enforcer).pending, 1);
	give(s, verdict(VERDICT_OPERATOR, "203.0.113.8"));
	assert_int_equal(enforcer_counts(s->enforcer).pending, 0);
}

/* In mode observe it is said, and the limits on prefixes hold for it. */
static void a_network_is_proposed_through_the_whole_guard(void **state)
{
	struct stage *s = *state;
	char text[64];

	enforcer_set_mode(s->enforcer, MODE_OBSERVE);
	for (unsigned i = 1; i <= 3; i++) {
		snprintf(text, sizeof text, "2001:db8:1:2::%u", i);
		client(s, text);
		give(s, verdict(VERDICT_LOCAL, text));
	}
	assert_int_equal(warden.asked_block, 0);
	assert_int_equal(s->last->decision.outcome, DECISION_WOULD_BLOCK);
	assert_int_equal(s->last->decision.verdict.target.bits, 64);
	enforcer_set_mode(s->enforcer, MODE_ENFORCE);
	s->config.limits.prefix_min_v6 = 128;
	for (unsigned i = 4; i <= 6; i++) {
		snprintf(text, sizeof text, "2001:db8:1:2::%u", i);
		client(s, text);
		give(s, verdict(VERDICT_LOCAL, text));
	}
	assert_int_equal(s->last->decision.outcome, DECISION_REFUSED);
	assert_true(span_equal(s->last->decision.why, SPAN("prefix_too_short")));
	assert_int_equal(warden.count, 3);
}

static void why_names_the_list_that_covers_an_address(void **state)
{
	struct stage *s = *state;
	struct prefix target;
	struct why why;
	size_t none = 0;

	list_says(s, 0, "203.0.113.0/24\n198.51.100.7\n");
	assert_int_equal(prefix_parse(SPAN("203.0.113.77"), &target), 0);
	assert_int_equal(enforcer_why(s->enforcer, &target, &why, NULL, &none), 0);
	assert_true(why.blocked);
	assert_int_equal(why.block.verdict.source, VERDICT_IMPORT);
	assert_string_equal(why.block.verdict.origin, "bad");
	assert_int_equal(why.block.verdict.target.bits, 24);
	assert_int_equal(why.list_count, 1);
	assert_ptr_equal(why.lists[0].config, &s->lists[0]);
	assert_int_equal(prefix_parse(SPAN("192.0.2.1"), &target), 0);
	assert_int_equal(enforcer_why(s->enforcer, &target, &why, NULL, &none), 0);
	assert_false(why.blocked);
	assert_int_equal(why.list_count, 0);
}

int main(void)
{
#define STORY(f)      cmocka_unit_test_setup_teardown(f, stage_up, stage_down)
#define KEPT_STORY(f) cmocka_unit_test_setup_teardown(f, stage_up_with_a_state, stage_down_with_a_state)
#define LIST_STORY(f) cmocka_unit_test_setup_teardown(f, stage_up_with_lists, stage_down)
	const struct CMUnitTest tests[] = {
		STORY(operators_block_is_installed_also_in_mode_observe),
		STORY(a_consumer_is_denied_at_http_alone),
		STORY(a_client_is_denied_on_a_route_at_http_alone),
		STORY(why_says_that_a_consumer_is_protected),
		STORY(local_verdict_in_mode_observe_only_tells),
		STORY(forged_source_is_refused),
		STORY(a_client_known_through_a_proxy_alone_is_refused_by_that_name),
		STORY(a_client_behind_a_proxy_that_asks_is_denied_there_and_never_in_the_kernel),
		STORY(what_nobody_here_can_stop_is_published_if_that_is_wanted),
		STORY(what_a_proxys_map_holds_is_adopted),
		STORY(the_point_at_http_follows_the_kernels_list_too),
		STORY(wardens_refusal_is_told_with_its_reason),
		STORY(unclassified_proxy_becomes_one_pending_item_and_a_person_decides),
		STORY(rejected_item_blocks_nothing),
		STORY(pending_list_full_gives_up_the_oldest),
		STORY(block_ends_at_its_deadline_and_gives_its_place_back),
		STORY(unconfirmed_block_reverts_by_itself),
		STORY(gateway_lifts_only_its_own_blocks),
		STORY(kill_switch_refuses),
		STORY(what_a_gateway_takes_back_leaves_the_operators_block),
		STORY(gateways_unblock_faces_the_mode),
		STORY(block_on_trial_ends_in_the_kernel_by_itself),
		STORY(another_time_is_another_question),
		STORY(what_others_change_in_the_kernel_is_mended),
		STORY(a_block_that_would_last_longer_or_do_more_is_mended),
		STORY(mode_outlives_a_sensor_that_dies),
		STORY(kernel_equals_the_list_when_scopes_and_times_cross),
		STORY(refused_extension_leaves_the_block_that_was),
		STORY(restarted_sensor_adopts_what_the_kernel_holds),
		STORY(each_decision_is_written_down_with_who_made_it),
		KEPT_STORY(what_was_decided_is_in_force_after_a_restart_with_its_words),
		KEPT_STORY(what_is_denied_on_a_route_is_so_after_a_restart),
		KEPT_STORY(the_hard_limits_of_now_hold_for_what_was_before),
		KEPT_STORY(what_the_kernel_holds_and_the_journal_lacks_is_adopted),
		KEPT_STORY(what_the_kernel_holds_lasts_no_longer_than_may_be_now),
		KEPT_STORY(while_the_kill_switch_is_on_nothing_comes_back_and_nothing_is_lost),
		STORY(why_names_the_prefix_that_covers_an_address_and_what_was_decided),
		STORY(a_shared_address_is_slowed_and_why_says_so),
		STORY(a_shared_address_behind_a_proxy_is_slowed_at_http),
		STORY(what_would_hit_most_regulars_waits_for_a_person),
		STORY(a_gateway_is_believed_where_a_detection_fired_on_what_it_cites),
		STORY(offenders_of_one_network_have_it_blocked),
		STORY(a_network_is_proposed_through_the_whole_guard),
		STORY(a_question_is_settled_by_what_is_done),
		LIST_STORY(a_list_is_put_into_force_and_then_changed_by_its_difference),
		LIST_STORY(an_unblock_leaves_what_a_list_names_and_says_so),
		LIST_STORY(the_stronger_of_block_and_lists_is_in_force),
		LIST_STORY(a_reset_is_a_block_that_tells_and_a_silent_one_is_stronger),
		LIST_STORY(what_is_refused_is_counted_and_the_rest_goes_on),
		LIST_STORY(a_list_is_renewed_while_its_file_is_there_and_ends_when_it_is_not),
		LIST_STORY(an_entry_with_an_end_of_its_own_gives_its_place_back),
		LIST_STORY(what_others_change_of_a_list_is_mended),
		LIST_STORY(a_restarted_sensor_leaves_what_lists_had_put_to_the_lists),
		LIST_STORY(a_list_that_loses_most_of_its_entries_is_taken_and_told),
		LIST_STORY(why_names_the_list_that_covers_an_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
