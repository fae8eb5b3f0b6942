// SPDX-License-Identifier: Apache-2.0
#include "policies/guard.h"
#include <math.h>
#include "lib/target.h"
#include "tests/unit/policies_config.h"

#define NOW    SECONDS(1000)
#define CLIENT "198.51.100.7"

struct fixture {
	struct config config;
	struct protected_set protect;
	struct proxies *proxies;
	struct guard *guard;
	struct config_gateway gateways[2];
	bool handshake, behind, http, has, fired, framed;
	bool map_only; /* the proxy has a map: it denies, and slows nobody */
	struct regulars_share regulars;
	size_t in_force;
	unsigned asked;
	struct guard_answer answer;
};

static bool handshake_seen(void *arg, const struct prefix *target)
{
	struct fixture *f = arg;

	(void)target;
	f->asked++;
	return f->handshake;
}

static bool behind_seen(void *arg, const struct prefix *target)
{
	struct fixture *f = arg;

	(void)target;
	return f->behind;
}

static bool http_asked(void *arg, enum verdict_action action, const struct prefix *target)
{
	struct fixture *f = arg;

	(void)target;
	return f->http && (!f->map_only || action == VERDICT_BLOCK);
}

static size_t in_force(void *arg, const struct verdict *v, bool *ret_this)
{
	struct fixture *f = arg;

	(void)v;
	*ret_this = f->has;
	return f->in_force;
}

static bool fired(void *arg, const struct verdict *v, bool *ret_framed)
{
	struct fixture *f = arg;

	(void)v;
	if (f->fired)
		*ret_framed = f->framed;
	return f->fired;
}

static struct regulars_share regulars(void *arg, const struct prefix *target)
{
	struct fixture *f = arg;

	(void)target;
	return f->regulars;
}

static void make_guard(struct fixture *f)
{
	struct guard_facts facts = {
		.handshake = handshake_seen,
		.behind = behind_seen,
		.http = http_asked,
		.in_force = in_force,
		.fired = fired,
		.regulars = regulars,
		.arg = f,
	};

	guard_free(f->guard);
	f->guard = NULL;
	assert_int_equal(guard_new(&f->config, f->proxies, &facts, &f->guard), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	if (!f)
		return -1;
	f->config = test_config();
	f->handshake = f->fired = true;
	struct prefix loopback = test_prefix("127.0.0.0/8"), own = test_prefix("192.0.2.10");
	protected_set_add(&f->protect, &loopback, "loopback");
	protected_set_add(&f->protect, &own, "own address");
	assert_int_equal(proxies_new(&f->config, &f->proxies), 0);
	make_guard(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	guard_free(f->guard);
	proxies_free(f->proxies);
	protected_set_free(&f->protect);
	free(f);
	return 0;
}

static void decide(struct fixture *f, const struct verdict *v, bool approved)
{
	memset(&f->answer, 0xee, sizeof f->answer);
	guard_decide(f->guard, v, &f->protect, approved, NOW, &f->answer);
}

static void expect(struct fixture *f, const struct verdict *v, enum decision_outcome outcome, const char *why)
{
	decide(f, v, false);
	assert_string_equal(f->answer.why, why);
	assert_int_equal(f->answer.outcome, outcome);
	if (outcome == DECISION_REFUSED) /* nobody is left without an explanation */
		assert_true(strlen(f->answer.detail) > 10);
}

static void expect_for_all(struct fixture *f, const char *target, uint64_t ttl_ms, const char *why)
{
	static const enum verdict_source sources[] = {VERDICT_OPERATOR, VERDICT_LOCAL, VERDICT_GATEWAY};

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		struct verdict v = test_verdict(sources[i], target, ttl_ms);
		expect(f, &v, DECISION_REFUSED, why);
	}
}

static void a_sound_verdict_blocks(void **state)
{
	struct fixture *f = *state;
	struct verdict v = test_verdict(VERDICT_GATEWAY, CLIENT, TTL(15));

	v.confidence = 0.8; /* as much as is asked for is enough */
	expect(f, &v, DECISION_BLOCKED, "ok");
	assert_string_equal(f->answer.detail, "");
	v = test_verdict(VERDICT_LOCAL, "2001:db8:1:2::/64", TTL(15));
	expect(f, &v, DECISION_BLOCKED, "ok");
}

static void hard_limits_hold_for_everybody(void **state)
{
	struct fixture *f = *state;

	expect_for_all(f, "0.0.0.0/0", TTL(15), "protected_network");
	expect_for_all(f, "64.0.0.0/3", TTL(15), "prefix_too_short");
	assert_non_null(strstr(f->answer.detail, "limits.shortest_prefix_v4"));
	expect_for_all(f, "::/0", TTL(15), "prefix_too_short");
	assert_non_null(strstr(f->answer.detail, "limits.shortest_prefix_v6"));
	expect_for_all(f, "192.0.2.10", TTL(15), "protected_network");
	assert_non_null(strstr(f->answer.detail, "own address"));
	expect_for_all(f, "::ffff:192.0.2.10", TTL(15), "protected_network");
	expect_for_all(f, CLIENT, 0, "ttl_invalid");
	expect_for_all(f, CLIENT, TTL(24 * 60) + 1, "ttl_too_long");
	assert_non_null(strstr(f->answer.detail, "limits.ttl_max"));
	struct verdict v = test_verdict(VERDICT_OPERATOR, CLIENT, TTL(15));
	v.target.addr = (struct addr){.family = ADDR_IPV6, .bytes = {[10] = 0xff, 0xff, 192, 0, 2, 10}};
	v.target.bits = 128;
	expect(f, &v, DECISION_REFUSED, "bad_target");
	v.target = (struct prefix){0};
	expect(f, &v, DECISION_REFUSED, "bad_target");
}

static void the_operator_faces_the_hard_limits_only(void **state)
{
	struct fixture *f = *state;
	struct verdict v = test_verdict(VERDICT_OPERATOR, CLIENT, TTL(15));
	struct addr client = test_addr(CLIENT);

	f->handshake = false;
	v.confidence = 0;
	proxies_note(f->proxies, &client, true, NOW);
	guard_set_mode(f->guard, MODE_OBSERVE);
	assert_int_equal(guard_mode(f->guard), MODE_OBSERVE);
	f->config.guard.per_minute = 0;
	expect(f, &v, DECISION_BLOCKED, "ok");
}

static void a_doubtful_verdict_is_refused(void **state)
{
	struct fixture *f = *state;
	struct verdict v = test_verdict(VERDICT_GATEWAY, CLIENT, TTL(15));
	const double bad[] = {0.79, 0, -1, 1.01, INFINITY, NAN};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		v.confidence = bad[i];
		expect(f, &v, DECISION_REFUSED, "confidence_low");
	}
}

/* Or one forged SYN would make picket block whomever the attacker likes. */
static void an_address_without_a_handshake_may_be_forged(void **state)
{
	struct fixture *f = *state;
	struct verdict v = test_verdict(VERDICT_LOCAL, CLIENT, TTL(15));

	f->handshake = false;
	expect(f, &v, DECISION_REFUSED, "no_handshake");
	assert_int_equal(f->asked, 1);
	decide(f, &v, true);
	assert_string_equal(f->answer.why, "no_handshake"); /* approval is not evidence */
	guard_free(f->guard);
	assert_int_equal(guard_new(&f->config, f->proxies, NULL, &f->guard), 0);
	expect(f, &v, DECISION_REFUSED, "no_handshake"); /* nobody to ask: no */
}

/* The kernel sees the proxy's packets only. */
static void a_client_behind_a_proxy_is_refused_by_name(void **state)
{
	struct fixture *f = *state;
	struct verdict v = test_verdict(VERDICT_LOCAL, CLIENT, TTL(15));

	/* The analysis knows through whom, whatever handshake there once was. */
	v.via = test_addr("10.0.0.5");
	expect(f, &v, DECISION_REFUSED, "behind_proxy");
	assert_non_null(strstr(f->answer.detail, CLIENT " comes through 10.0.0.5"));
	assert_non_null(strstr(f->answer.detail, "decision socket"));
	decide(f, &v, true);
	assert_string_equal(f->answer.why, "behind_proxy");
	/* A gateway does not say: it was seen behind one, and never by itself. */
	v = test_verdict(VERDICT_GATEWAY, CLIENT, TTL(15));
	f->behind = true;
	f->handshake = false;
	expect(f, &v, DECISION_REFUSED, "behind_proxy");
	f->handshake = true;
	expect(f, &v, DECISION_BLOCKED, "ok");
	/* The operator knows what he does. */
	v = test_verdict(VERDICT_OPERATOR, CLIENT, TTL(15));
	v.via = test_addr("10.0.0.5");
	expect(f, &v, DECISION_BLOCKED, "ok");
}

/* ... unless it asks. */
static void a_client_behind_a_proxy_that_asks_is_stopped_at_http(void **state)
{
	struct fixture *f = *state;
	struct verdict v = test_verdict(VERDICT_LOCAL, CLIENT, TTL(15));

	f->http = true;
	v.via = test_addr("10.0.0.5");
	expect(f, &v, DECISION_BLOCKED, "ok");
	assert_true(f->answer.http);
	v = test_verdict(VERDICT_GATEWAY, CLIENT, TTL(15));
	f->behind = true;
	f->handshake = false;
	expect(f, &v, DECISION_BLOCKED, "ok");
	assert_true(f->answer.http);
	/* Its own packets come here, too: the kernel can. */
	f->handshake = true;
	expect(f, &v, DECISION_BLOCKED, "ok");
	assert_false(f->answer.http);
	/* Who is behind nobody and was never seen may be forged, whoever asks. */
	f->behind = f->handshake = false;
	expect(f, &v, DECISION_REFUSED, "no_handshake");
	/* Everything else holds there as well. */
	v.via = test_addr("10.0.0.5");
	v.confidence = 0.1;
	expect(f, &v, DECISION_REFUSED, "confidence_low");
	v.confidence = 1;
	v.target = test_prefix("192.0.2.10");
	expect(f, &v, DECISION_REFUSED, "protected_network");
	v.target = test_prefix(CLIENT);
	guard_set_mode(f->guard, MODE_OBSERVE);
	expect(f, &v, DECISION_WOULD_BLOCK, "observe");
}

static void a_trusted_proxy_is_never_blocked_automatically(void **state)
{
	struct fixture *f = *state;
	struct verdict v = test_verdict(VERDICT_GATEWAY, CLIENT, TTL(15));
	struct prefix proxy = test_prefix(CLIENT);

	assert_int_equal(proxies_set(f->proxies, &proxy, PROXY_CLASS_TRUSTED), 0);
	expect(f, &v, DECISION_REFUSED, "trusted_proxy");
	decide(f, &v, true);
	assert_string_equal(f->answer.why, "trusted_proxy");
	v.target = test_prefix("198.51.100.0/24");
	expect(f, &v, DECISION_REFUSED, "trusted_proxy");
}

static void an_unclassified_proxy_waits_for_a_person_who_is_told_the_command(void **state)
{
	struct fixture *f = *state;
	struct verdict v = test_verdict(VERDICT_LOCAL, "198.51.100.0/24", TTL(15));
	struct addr peer = test_addr(CLIENT);
	struct prefix exact = test_prefix(CLIENT);

	proxies_note(f->proxies, &peer, true, NOW);
	expect(f, &v, DECISION_PENDING, "unclassified_proxy");
	assert_non_null(strstr(f->answer.detail, "picket proxies direct " CLIENT " "));
	assert_non_null(strstr(f->answer.detail, "picket proxies trust " CLIENT " "));
	guard_set_mode(f->guard, MODE_OBSERVE); /* in every mode: it is a question, not a block */
	expect(f, &v, DECISION_PENDING, "unclassified_proxy");
	decide(f, &v, true);
	assert_int_equal(f->answer.outcome, DECISION_BLOCKED);
	guard_set_mode(f->guard, MODE_ENFORCE);
	assert_int_equal(proxies_set(f->proxies, &exact, PROXY_CLASS_DIRECT), 0);
	expect(f, &v, DECISION_BLOCKED, "ok");
}

static void observe_tells_and_approve_asks(void **state)
{
	struct fixture *f = *state;
	struct verdict v = test_verdict(VERDICT_LOCAL, CLIENT, TTL(15));

	guard_set_mode(f->guard, MODE_OBSERVE);
	expect(f, &v, DECISION_WOULD_BLOCK, "observe");
	guard_set_mode(f->guard, MODE_APPROVE);
	expect(f, &v, DECISION_PENDING, "approve");
	decide(f, &v, true);
	assert_int_equal(f->answer.outcome, DECISION_BLOCKED);
	v.ttl_ms = 0;
	decide(f, &v, true); /* approval does not lift the limits */
	assert_string_equal(f->answer.why, "ttl_invalid");
	guard_set_mode(f->guard, (enum config_mode)9);
	v.ttl_ms = TTL(1);
	decide(f, &v, false);
	assert_int_equal(f->answer.outcome, DECISION_REFUSED);
}

static enum decision_outcome at(struct fixture *f, unsigned host, uint64_t now_ns)
{
	struct verdict v = test_verdict(VERDICT_GATEWAY, CLIENT, TTL(15));

	v.target.addr.bytes[3] = (uint8_t)host;
	guard_decide(f->guard, &v, &f->protect, false, now_ns, &f->answer);
	return f->answer.outcome;
}

static void a_gateway_gone_mad_blocks_only_so_many_a_minute(void **state)
{
	struct fixture *f = *state;

	f->config.guard.per_minute = 5;
	make_guard(f);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(at(f, i, NOW + SECONDS(i)), DECISION_BLOCKED);
	assert_int_equal(at(f, 5, NOW + SECONDS(5)), DECISION_REFUSED);
	assert_string_equal(f->answer.why, "minute_limit");
	/* It counts targets: who repeats himself uses up nothing. */
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(at(f, 4, NOW + SECONDS(6)), DECISION_BLOCKED);
	assert_int_equal(at(f, 6, NOW + SECONDS(59)), DECISION_REFUSED);
	/* A minute after the first there is room for one, not for five. */
	assert_int_equal(at(f, 6, NOW + SECONDS(60)), DECISION_BLOCKED);
	assert_int_equal(at(f, 7, NOW + SECONDS(60)), DECISION_REFUSED);
	assert_int_equal(at(f, 7, NOW + SECONDS(61)), DECISION_BLOCKED);
}

static void no_sixty_seconds_see_more_than_the_limit(void **state)
{
	struct fixture *f = *state;
	uint64_t when[600], now_ns = NOW;
	unsigned seed = 7, count = 0;

	f->config.guard.per_minute = 10;
	make_guard(f);
	for (unsigned i = 0; i < 4000 && count < ARRAY_SIZE(when); i++) {
		now_ns += (uint64_t)(rand_r(&seed) % 3000) * NS_PER_MS;
		if (at(f, i & 0xff, now_ns) == DECISION_BLOCKED)
			when[count++] = now_ns;
	}
	assert_true(count > 100);
	for (unsigned i = 10; i < count; i++)
		assert_true(when[i] - when[i - 10] >= SECONDS(60));
}

static struct verdict from_gateway(const char *gateway, unsigned host)
{
	struct verdict v = test_verdict(VERDICT_GATEWAY, CLIENT, TTL(15));

	snprintf(v.origin, sizeof v.origin, "%s", gateway);
	v.target.addr.bytes[3] = (uint8_t)host;
	return v;
}

static void two_gateways(struct fixture *f)
{
	f->gateways[0] = (struct config_gateway){
		.name = (char *)"careful", .protocol = GATEWAY_BATCH, .mode = MODE_APPROVE};
	f->gateways[1] = (struct config_gateway){
		.name = (char *)"local", .protocol = GATEWAY_LOCAL, .mode = MODE_ENFORCE};
	f->config.gateways = f->gateways;
	f->config.gateway_count = 2;
	make_guard(f);
}

static void each_source_has_limits_of_its_own(void **state)
{
	struct fixture *f = *state;
	struct verdict v;
	struct guard_trip trips[4];

	f->config.guard.per_minute = 3;
	f->config.guard.cool_down_ms = TTL(5);
	two_gateways(f);
	f->gateways[0].mode = MODE_ENFORCE;
	make_guard(f);
	for (unsigned i = 0; i < 3; i++) {
		v = from_gateway("careful", i);
		expect(f, &v, DECISION_BLOCKED, "ok");
	}
	assert_int_equal(guard_trips(f->guard, NOW, trips, 4), 0);
	v = from_gateway("careful", 3);
	expect(f, &v, DECISION_REFUSED, "minute_limit");
	assert_non_null(strstr(f->answer.detail, "careful"));
	/* It may extend what it has; others are not stopped by it. */
	f->has = true;
	expect(f, &v, DECISION_BLOCKED, "ok");
	f->has = false;
	v = from_gateway("another", 3);
	expect(f, &v, DECISION_BLOCKED, "ok");
	v = test_verdict(VERDICT_LOCAL, CLIENT, TTL(15));
	expect(f, &v, DECISION_BLOCKED, "ok");
	assert_int_equal(guard_trips(f->guard, NOW, trips, 4), 1);
	assert_string_equal(trips[0].source, "careful");
	assert_int_equal(trips[0].until_ns, NOW + SECONDS(300));
	assert_int_equal(guard_trips(f->guard, NOW + SECONDS(300), trips, 4), 1);
	assert_int_equal(trips[0].until_ns, 0);
	f->in_force = f->config.guard.total;
	v = test_verdict(VERDICT_LOCAL, "198.51.100.200", TTL(15));
	expect(f, &v, DECISION_REFUSED, "total_limit");
}

/* A gateway on trial is asked about, while the built-in analysis blocks. */
static void the_more_careful_of_two_modes_holds(void **state)
{
	struct fixture *f = *state;
	struct verdict v = from_gateway("careful", 7), local = test_verdict(VERDICT_LOCAL, CLIENT, TTL(15));

	two_gateways(f);
	expect(f, &v, DECISION_PENDING, "approve");
	assert_non_null(strstr(f->answer.detail, "careful"));
	decide(f, &v, true);
	assert_int_equal(f->answer.outcome, DECISION_BLOCKED);
	expect(f, &local, DECISION_BLOCKED, "ok");
	guard_set_mode(f->guard, MODE_OBSERVE);
	expect(f, &v, DECISION_WOULD_BLOCK, "observe");
	expect(f, &local, DECISION_WOULD_BLOCK, "observe");
	guard_set_mode(f->guard, MODE_ENFORCE);
	f->gateways[1].mode = MODE_OBSERVE;
	make_guard(f);
	expect(f, &local, DECISION_WOULD_BLOCK, "observe");
	assert_non_null(strstr(f->answer.detail, "mode observe of local"));
	v.action = VERDICT_UNBLOCK;
	expect(f, &v, DECISION_PENDING, "approve");
}

static uint64_t again(struct fixture *f, uint64_t now_ns)
{
	struct verdict v = test_verdict(VERDICT_LOCAL, CLIENT, TTL(15));

	guard_decide(f->guard, &v, &f->protect, false, now_ns, &f->answer);
	assert_int_equal(f->answer.outcome, DECISION_BLOCKED);
	v.ttl_ms = f->answer.ttl_ms;
	guard_blocked(f->guard, &v, now_ns);
	return f->answer.ttl_ms;
}

static void who_comes_back_is_blocked_for_longer(void **state)
{
	struct fixture *f = *state;
	struct prefix target = test_prefix(CLIENT);
	uint64_t now_ns = NOW;

	f->config.guard.escalation = 4;
	f->config.guard.repeat_within_ms = TTL(24 * 60);
	make_guard(f);
	assert_int_equal(again(f, now_ns), TTL(15));
	assert_int_equal(again(f, now_ns + SECONDS(60)), TTL(15)); /* still the first */
	now_ns += SECONDS(20 * 60);
	assert_int_equal(again(f, now_ns), TTL(60));
	assert_non_null(strstr(f->answer.detail, "1h"));
	now_ns += SECONDS(61 * 60);
	assert_int_equal(again(f, now_ns), TTL(240));
	now_ns += SECONDS(241 * 60);
	assert_int_equal(again(f, now_ns), TTL(960));
	now_ns += SECONDS(961 * 60);
	assert_int_equal(again(f, now_ns), TTL(24 * 60)); /* limits.ttl_max */
	/* An operator lifted it. */
	guard_forgive(f->guard, &target);
	assert_int_equal(again(f, now_ns + 1), TTL(15));
	/* Long ago. */
	now_ns += SECONDS(49 * 3600);
	assert_int_equal(again(f, now_ns), TTL(15));
}

static void a_limit_of_none_lets_none_through(void **state)
{
	struct fixture *f = *state;

	f->config.guard.per_minute = 0;
	make_guard(f);
	assert_int_equal(at(f, 1, NOW), DECISION_REFUSED);
	assert_string_equal(f->answer.why, "minute_limit");
}

static void observe_forecasts_the_minute_limit(void **state)
{
	struct fixture *f = *state;

	f->config.guard.per_minute = 2;
	make_guard(f);
	guard_set_mode(f->guard, MODE_OBSERVE);
	assert_int_equal(at(f, 1, NOW), DECISION_WOULD_BLOCK);
	assert_int_equal(at(f, 2, NOW), DECISION_WOULD_BLOCK);
	assert_int_equal(at(f, 3, NOW), DECISION_REFUSED);
	/* What only waits for a person uses up nothing. */
	guard_set_mode(f->guard, MODE_APPROVE);
	for (unsigned i = 10; i < 20; i++)
		assert_int_equal(at(f, i, NOW + SECONDS(100)), DECISION_PENDING);
}

static void a_verdict_that_asks_for_nothing_gets_nothing(void **state)
{
	struct fixture *f = *state;
	struct verdict v = test_verdict(VERDICT_GATEWAY, "127.0.0.1", 0);

	v.action = VERDICT_ALLOW;
	expect(f, &v, DECISION_REFUSED, "action_allow");
	v.action = (enum verdict_action)42;
	expect(f, &v, DECISION_REFUSED, "bad_action");
}

static void an_unblock_needs_no_limits_but_the_mode(void **state)
{
	struct fixture *f = *state;
	struct verdict v = test_verdict(VERDICT_OPERATOR, "192.0.2.10", 0);

	v.action = VERDICT_UNBLOCK;
	guard_set_mode(f->guard, MODE_OBSERVE);
	expect(f, &v, DECISION_UNBLOCKED, "ok");
	v.source = VERDICT_GATEWAY;
	expect(f, &v, DECISION_REFUSED, "observe");
	guard_set_mode(f->guard, MODE_APPROVE);
	expect(f, &v, DECISION_PENDING, "approve");
	guard_set_mode(f->guard, MODE_ENFORCE);
	expect(f, &v, DECISION_UNBLOCKED, "ok");
	v.target = (struct prefix){0};
	expect(f, &v, DECISION_REFUSED, "bad_target");
}

/* --- whom else it would hit --- */

static void a_gateways_word_alone_is_a_question(void **state)
{
	struct fixture *f = *state;
	struct verdict v = from_gateway("careful", 7);

	f->fired = false;
	v.evidence_count = 1;
	two_gateways(f);
	f->gateways[0].mode = MODE_ENFORCE;
	f->gateways[0].corroborate = true;
	make_guard(f);
	expect(f, &v, DECISION_PENDING, "uncorroborated");
	assert_non_null(strstr(f->answer.detail, "careful"));
	decide(f, &v, true);
	assert_string_equal(f->answer.why, "ok"); /* a person is one */
	/* In mode observe nobody is asked. */
	guard_set_mode(f->guard, MODE_OBSERVE);
	expect(f, &v, DECISION_WOULD_BLOCK, "uncorroborated");
	guard_set_mode(f->guard, MODE_ENFORCE);
	/* Who is not configured any more is believed no more than that. */
	v = from_gateway("gone", 7);
	expect(f, &v, DECISION_PENDING, "uncorroborated");
	v = from_gateway("careful", 7);
	/* What hits nobody needs no witness. */
	v.action = VERDICT_SHADOW;
	expect(f, &v, DECISION_BLOCKED, "ok");
	v.action = VERDICT_RATE_LIMIT;
	expect(f, &v, DECISION_PENDING, "uncorroborated");
	v.action = VERDICT_BLOCK;
	f->fired = true;
	expect(f, &v, DECISION_BLOCKED, "ok");
	f->fired = false;
	f->gateways[0].corroborate = false;
	make_guard(f);
	expect(f, &v, DECISION_BLOCKED, "ok");
	/* The built-in analysis is its own witness. */
	v = test_verdict(VERDICT_LOCAL, CLIENT, TTL(15));
	expect(f, &v, DECISION_BLOCKED, "ok");
	/* It comes before the limits: a question uses up nothing. */
	f->gateways[0].corroborate = true;
	f->config.guard.per_minute = 1;
	make_guard(f);
	for (unsigned i = 0; i < 10; i++) {
		v = from_gateway("careful", i);
		expect(f, &v, DECISION_PENDING, "uncorroborated");
	}
}

static void what_a_web_page_could_have_done_blocks_no_regular(void **state)
{
	struct fixture *f = *state;
	struct verdict v = test_verdict(VERDICT_LOCAL, CLIENT, TTL(15));

	f->regulars = (struct regulars_share){1, 100};
	v.framed = true;
	expect(f, &v, DECISION_PENDING, "cross_site");
	decide(f, &v, true);
	assert_string_equal(f->answer.why, "ok");
	guard_set_mode(f->guard, MODE_OBSERVE);
	expect(f, &v, DECISION_WOULD_BLOCK, "cross_site");
	guard_set_mode(f->guard, MODE_ENFORCE);
	v.framed = false; /* enough of it is certain */
	expect(f, &v, DECISION_BLOCKED, "ok");
	v.framed = true;
	f->regulars.here = 0;
	expect(f, &v, DECISION_BLOCKED, "ok");
	/* A gateway that cites the same is worth no more than the detection. */
	v = test_verdict(VERDICT_GATEWAY, CLIENT, TTL(15));
	f->regulars.here = 1;
	f->framed = true;
	expect(f, &v, DECISION_PENDING, "cross_site");
	v = test_verdict(VERDICT_OPERATOR, CLIENT, TTL(15));
	expect(f, &v, DECISION_BLOCKED, "ok");
}

static void a_block_that_would_hit_many_regulars_is_a_question(void **state)
{
	struct fixture *f = *state;
	struct verdict v = test_verdict(VERDICT_LOCAL, CLIENT, TTL(15));

	f->config.guard.blast_radius = 0.05;
	f->config.guard.shared_from = 0;
	f->regulars = (struct regulars_share){6, 100};
	expect(f, &v, DECISION_PENDING, "blast_radius");
	assert_non_null(strstr(f->answer.detail, "6 of 100"));
	decide(f, &v, true);
	assert_string_equal(f->answer.why, "ok");
	v.action = VERDICT_RATE_LIMIT;
	expect(f, &v, DECISION_PENDING, "blast_radius");
	v.action = VERDICT_SHADOW;
	expect(f, &v, DECISION_BLOCKED, "ok");
	v.action = VERDICT_BLOCK;
	f->regulars.here = 5;
	expect(f, &v, DECISION_BLOCKED, "ok");
	/* One is whoever offends, however few there are. */
	f->regulars = (struct regulars_share){1, 1};
	expect(f, &v, DECISION_BLOCKED, "ok");
	f->regulars = (struct regulars_share){2, 3};
	expect(f, &v, DECISION_PENDING, "blast_radius");
	v = test_verdict(VERDICT_OPERATOR, CLIENT, TTL(15));
	expect(f, &v, DECISION_BLOCKED, "ok");
	assert_int_equal(f->answer.action, VERDICT_BLOCK);
}

static void an_address_that_many_share_is_slowed(void **state)
{
	struct fixture *f = *state;
	struct verdict v = test_verdict(VERDICT_LOCAL, CLIENT, TTL(15));

	f->config.guard.blast_radius = 0.05;
	f->config.guard.shared_from = 3;
	f->regulars = (struct regulars_share){3, 1000};
	expect(f, &v, DECISION_BLOCKED, "shared_address");
	assert_int_equal(f->answer.action, VERDICT_RATE_LIMIT);
	assert_non_null(strstr(f->answer.detail, "3 regular consumers"));
	/* What is shown to a person is what will be done. */
	guard_set_mode(f->guard, MODE_APPROVE);
	expect(f, &v, DECISION_PENDING, "approve");
	assert_int_equal(f->answer.action, VERDICT_RATE_LIMIT);
	v.action = VERDICT_RATE_LIMIT;
	decide(f, &v, true);
	assert_int_equal(f->answer.action, VERDICT_RATE_LIMIT);
	assert_string_equal(f->answer.why, "ok");
	guard_set_mode(f->guard, MODE_ENFORCE);
	v.action = VERDICT_SHADOW;
	expect(f, &v, DECISION_BLOCKED, "ok");
	assert_int_equal(f->answer.action, VERDICT_SHADOW);
	v.action = VERDICT_BLOCK;
	f->regulars.here = 2;
	expect(f, &v, DECISION_BLOCKED, "ok");
	assert_int_equal(f->answer.action, VERDICT_BLOCK);
	/* Behind a proxy it is slowed there, if that can. */
	f->regulars.here = 3;
	f->http = true;
	v.via = test_addr("10.0.0.5");
	expect(f, &v, DECISION_BLOCKED, "shared_address");
	assert_true(f->answer.http);
	assert_int_equal(f->answer.action, VERDICT_RATE_LIMIT);
	f->map_only = true;
	expect(f, &v, DECISION_PENDING, "shared_address");
	assert_int_equal(f->answer.action, VERDICT_BLOCK); /* which is what a person is asked about */
	decide(f, &v, true);
	assert_int_equal(f->answer.outcome, DECISION_BLOCKED);
	v.via.family = ADDR_NONE;
	/* Everything else holds for it as well. */
	f->config.guard.per_minute = 0;
	make_guard(f);
	expect(f, &v, DECISION_REFUSED, "minute_limit");
}

static void the_trip_of_a_limit_is_told_once(void **state)
{
	struct fixture *f = *state;

	f->config.guard.per_minute = 2;
	f->config.guard.cool_down_ms = TTL(5);
	make_guard(f);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(at(f, i, NOW + SECONDS(i)), i < 2 ? DECISION_BLOCKED : DECISION_REFUSED);
		assert_int_equal(f->answer.tripped, i == 2);
	}
	/* It has cooled down, and does it again. */
	for (unsigned i = 0; i < 3; i++)
		at(f, 100 + i, NOW + SECONDS(400 + i));
	assert_true(f->answer.tripped);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#define CONSUMER "consumer:c_01f3a9c2d4b5e60718"
#define JA4      "ja4:t13d1516h2_8daaf6152771_b186095e22b6"

static struct verdict about(enum verdict_source source, const char *target)
{
	struct verdict v = test_verdict(source, CLIENT, TTL(15));

	assert_int_equal(target_parse(span_from(target), &v.target), 0);
	return v;
}

/* What stops nobody is no block, whoever asks. */
static void a_consumer_that_no_proxy_tells_is_refused_by_name(void **state)
{
	struct fixture *f = *state;
	struct verdict v = about(VERDICT_OPERATOR, CONSUMER);

	expect(f, &v, DECISION_REFUSED, "no_point");
	assert_non_null(strstr(f->answer.detail, "docs/decide.md"));
	v = about(VERDICT_GATEWAY, CONSUMER);
	expect(f, &v, DECISION_REFUSED, "no_point");
	f->http = true;
	v = about(VERDICT_OPERATOR, CONSUMER);
	expect(f, &v, DECISION_BLOCKED, "ok");
	assert_true(f->answer.http);
	v.scope = VERDICT_SCOPE_HOST;
	expect(f, &v, DECISION_REFUSED, "no_point");
	v = about(VERDICT_OPERATOR, CONSUMER);
	v.ttl_ms = TTL(24 * 60) + 1;
	expect(f, &v, DECISION_REFUSED, "ttl_too_long");
}

static void a_protected_consumer_is_never_blocked(void **state)
{
	struct fixture *f = *state;
	char *ids[] = {(char *)"c_01f3a9c2d4b5e60718"};
	struct verdict v = about(VERDICT_OPERATOR, CONSUMER);

	f->http = true;
	f->config.limits.protect_consumers.items = ids;
	f->config.limits.protect_consumers.count = 1;
	expect(f, &v, DECISION_REFUSED, "protected_network");
	assert_non_null(strstr(f->answer.detail, "limits.protect_consumers"));
	v = about(VERDICT_OPERATOR, "consumer:c_01f3a9c2d4b5e60719");
	expect(f, &v, DECISION_BLOCKED, "ok");
	f->config.limits.protect_consumers.count = 0;
}

/* Neither handshake nor proxies say anything of it; all else holds. */
static void an_automatic_verdict_on_a_consumer_faces_what_holds_for_it(void **state)
{
	struct fixture *f = *state;
	struct verdict v = about(VERDICT_LOCAL, CONSUMER);

	f->http = true;
	f->handshake = false;
	expect(f, &v, DECISION_BLOCKED, "ok");
	assert_true(f->answer.http);
	v.confidence = 0.5;
	expect(f, &v, DECISION_REFUSED, "confidence_low");
	v = about(VERDICT_LOCAL, CONSUMER);
	v.framed = true;
	expect(f, &v, DECISION_PENDING, "cross_site");
	v = about(VERDICT_GATEWAY, CONSUMER);
	f->fired = false;
	expect(f, &v, DECISION_PENDING, "uncorroborated");
	f->fired = true;
	guard_set_mode(f->guard, MODE_OBSERVE);
	expect(f, &v, DECISION_WOULD_BLOCK, "observe");
}

/* Everybody who uses that program has it. */
static void an_automatic_verdict_on_a_ja4_asks_a_person(void **state)
{
	struct fixture *f = *state;
	struct verdict v = about(VERDICT_LOCAL, JA4);

	f->http = true;
	expect(f, &v, DECISION_PENDING, "shared_fingerprint");
	decide(f, &v, true);
	assert_int_equal(f->answer.outcome, DECISION_BLOCKED);
	v = about(VERDICT_OPERATOR, JA4);
	expect(f, &v, DECISION_BLOCKED, "ok");
}

/* --- routes --- */

static void a_target_on_a_route_that_no_proxy_tells_is_refused_by_name(void **state)
{
	struct fixture *f = *state;
	struct verdict v = about(VERDICT_OPERATOR, CLIENT "@/login");

	expect(f, &v, DECISION_REFUSED, "no_point");
	assert_non_null(strstr(f->answer.detail, "enforcement.target_header"));
	assert_non_null(strstr(f->answer.detail, "\"Routes\""));
	v = about(VERDICT_LOCAL, CLIENT "@/login");
	expect(f, &v, DECISION_REFUSED, "no_point");
	f->http = true;
	v = about(VERDICT_OPERATOR, CLIENT "@/login");
	expect(f, &v, DECISION_BLOCKED, "ok");
	assert_true(f->answer.http);
	v.scope = VERDICT_SCOPE_HOST;
	expect(f, &v, DECISION_REFUSED, "no_point");
	/* Nobody else can do it either: lists have no routes. */
	f->http = false;
	f->config.enforcement.publish = true;
	v = about(VERDICT_LOCAL, CLIENT "@/login");
	expect(f, &v, DECISION_REFUSED, "no_point");
	f->config.enforcement.publish = false;
}

static void who_is_protected_is_so_on_every_route(void **state)
{
	struct fixture *f = *state;
	char *ids[] = {(char *)"c_01f3a9c2d4b5e60718"};
	struct verdict v = about(VERDICT_OPERATOR, "192.0.2.10@/login");

	f->http = true;
	expect(f, &v, DECISION_REFUSED, "protected_network");
	v = about(VERDICT_OPERATOR, "192.0.2.0/24@/login");
	expect(f, &v, DECISION_REFUSED, "protected_network");
	v = about(VERDICT_OPERATOR, "198.51.0.0/16@/login");
	expect(f, &v, DECISION_REFUSED, "prefix_too_short");
	assert_non_null(strstr(f->answer.detail, "198.51.0.0/16 is wider than /24"));
	v = about(VERDICT_OPERATOR, CLIENT "@/login");
	v.ttl_ms = TTL(24 * 60) + 1;
	expect(f, &v, DECISION_REFUSED, "ttl_too_long");
	f->config.limits.protect_consumers.items = ids;
	f->config.limits.protect_consumers.count = 1;
	v = about(VERDICT_OPERATOR, CONSUMER "@/login");
	expect(f, &v, DECISION_REFUSED, "protected_network");
	f->config.limits.protect_consumers.count = 0;
	v.target.route = 0; /* as no text makes one */
	expect(f, &v, DECISION_REFUSED, "bad_target");
	v = about(VERDICT_OPERATOR, CLIENT "@/login");
	v.target.addr.family = ADDR_IPV4;
	expect(f, &v, DECISION_REFUSED, "bad_target");
}

/* As if it were denied everywhere. */
static void an_automatic_verdict_on_a_route_faces_what_holds_for_who_is_meant(void **state)
{
	struct fixture *f = *state;
	struct prefix proxy = test_prefix(CLIENT);
	struct verdict v = about(VERDICT_LOCAL, CLIENT "@/login");

	f->http = true;
	expect(f, &v, DECISION_BLOCKED, "ok");
	f->handshake = false;
	expect(f, &v, DECISION_REFUSED, "no_handshake");
	f->behind = true;
	expect(f, &v, DECISION_BLOCKED, "ok");
	f->behind = false;
	v.via = test_addr("192.0.2.20");
	expect(f, &v, DECISION_BLOCKED, "ok");
	f->handshake = true;
	v = about(VERDICT_LOCAL, CLIENT "@/login");
	v.confidence = 0.5;
	expect(f, &v, DECISION_REFUSED, "confidence_low");
	v.confidence = 1;
	v.framed = true;
	f->regulars = (struct regulars_share){.here = 1, .all = 10};
	expect(f, &v, DECISION_PENDING, "cross_site");
	v.framed = false;
	f->regulars = (struct regulars_share){0};
	assert_int_equal(proxies_set(f->proxies, &proxy, PROXY_CLASS_TRUSTED), 0);
	expect(f, &v, DECISION_REFUSED, "trusted_proxy");
	v = about(VERDICT_LOCAL, CONSUMER "@/login");
	expect(f, &v, DECISION_BLOCKED, "ok");
	v = about(VERDICT_LOCAL, JA4 "@/login");
	expect(f, &v, DECISION_PENDING, "shared_fingerprint");
}

/* Who is let alone on one route after the other has been denied before all the same. */
static void who_comes_back_on_another_route_comes_back(void **state)
{
	struct fixture *f = *state;
	struct verdict v = about(VERDICT_LOCAL, CLIENT "@/login");

	f->config.guard.repeat_within_ms = TTL(24 * 60);
	f->config.guard.escalation = 4;
	make_guard(f);
	f->http = true;
	expect(f, &v, DECISION_BLOCKED, "ok");
	assert_int_equal(f->answer.ttl_ms, TTL(15));
	guard_blocked(f->guard, &v, NOW);
	v = about(VERDICT_LOCAL, CLIENT "@/search");
	guard_decide(f->guard, &v, &f->protect, false, NOW + SECONDS(20 * 60), &f->answer);
	assert_int_equal(f->answer.outcome, DECISION_BLOCKED);
	assert_int_equal(f->answer.ttl_ms, TTL(60));
	v = about(VERDICT_LOCAL, CLIENT "@/login");
	guard_forgive(f->guard, &v.target);
	guard_decide(f->guard, &v, &f->protect, false, NOW + SECONDS(20 * 60), &f->answer);
	assert_int_equal(f->answer.ttl_ms, TTL(15));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_sound_verdict_blocks),
		TEST(a_consumer_that_no_proxy_tells_is_refused_by_name),
		TEST(a_protected_consumer_is_never_blocked),
		TEST(an_automatic_verdict_on_a_consumer_faces_what_holds_for_it),
		TEST(an_automatic_verdict_on_a_ja4_asks_a_person),
		TEST(a_target_on_a_route_that_no_proxy_tells_is_refused_by_name),
		TEST(who_is_protected_is_so_on_every_route),
		TEST(an_automatic_verdict_on_a_route_faces_what_holds_for_who_is_meant),
		TEST(who_comes_back_on_another_route_comes_back),
		TEST(hard_limits_hold_for_everybody),
		TEST(the_operator_faces_the_hard_limits_only),
		TEST(a_doubtful_verdict_is_refused),
		TEST(an_address_without_a_handshake_may_be_forged),
		TEST(a_client_behind_a_proxy_is_refused_by_name),
		TEST(a_client_behind_a_proxy_that_asks_is_stopped_at_http),
		TEST(a_trusted_proxy_is_never_blocked_automatically),
		TEST(an_unclassified_proxy_waits_for_a_person_who_is_told_the_command),
		TEST(observe_tells_and_approve_asks),
		TEST(a_gateway_gone_mad_blocks_only_so_many_a_minute),
		TEST(no_sixty_seconds_see_more_than_the_limit),
		TEST(each_source_has_limits_of_its_own),
		TEST(the_more_careful_of_two_modes_holds),
		TEST(who_comes_back_is_blocked_for_longer),
		TEST(a_limit_of_none_lets_none_through),
		TEST(observe_forecasts_the_minute_limit),
		TEST(a_verdict_that_asks_for_nothing_gets_nothing),
		TEST(an_unblock_needs_no_limits_but_the_mode),
		TEST(a_gateways_word_alone_is_a_question),
		TEST(what_a_web_page_could_have_done_blocks_no_regular),
		TEST(a_block_that_would_hit_many_regulars_is_a_question),
		TEST(an_address_that_many_share_is_slowed),
		TEST(the_trip_of_a_limit_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
