// SPDX-License-Identifier: Apache-2.0
/*
 * Attacks on the guard itself: somebody wants an innocent client blocked, a guilty one spared, or the
 * protection switched off. Each is played as requests with their answers, through everything that judges a
 * request in the sensor, as it is shipped: who the client is, redaction, routes, detections, regulars, guard,
 * desired lists. Only sockets and the warden are played. It prints what happened.
 *
 *     attacks_test            all of them; attacks_test FILTER: those whose name matches (cmocka)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "lib/util.h"
#include "policies/detect.h"
#include "policies/origin.h"
#include "policies/redact.h"
#include "policies/routes.h"
#include "sensor/enforcer.h"

/* --- the played warden: what it was told, by target --- */

static struct {
	struct prefix targets[4096];
	uint8_t actions[4096];
	unsigned count;
} kernel;

static uint64_t now;

static uint64_t fake_now(void *arg)
{
	(void)arg;
	return now;
}

static const struct clock clock_fake = {fake_now, fake_now, NULL};

static void kernel_take(const struct prefix *target)
{
	for (unsigned i = 0; i < kernel.count; i++)
		if (prefix_equal(&kernel.targets[i], target)) {
			kernel.targets[i] = kernel.targets[--kernel.count];
			kernel.actions[i] = kernel.actions[kernel.count];
			return;
		}
}

int warden_call(struct warden_client *c, const struct warden_request *q, struct warden_reply *ret)
{
	(void)c;
	memset(ret, 0, sizeof *ret);
	ret->installed_ns = now;
	if (q->op == WARDEN_BLOCK || q->op == WARDEN_UNBLOCK)
		kernel_take(&q->target);
	if (q->op == WARDEN_BLOCK && kernel.count < ARRAY_SIZE(kernel.targets)) {
		kernel.targets[kernel.count] = q->target;
		kernel.actions[kernel.count++] = q->action;
	}
	return 0;
}

int warden_batch(struct warden_client *c, const struct warden_batch_head *head,
		 const struct warden_wish *wishes, struct warden_reply *ret)
{
	(void)c;
	(void)head;
	(void)wishes;
	memset(ret, 0, sizeof *ret);
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

/* --- the stage --- */

struct stage {
	struct config *config;
	struct proxies *proxies;
	struct origin *origin;
	struct clients *clients, *behind;
	struct regulars *regulars;
	struct witness *witness;
	struct redact *redact;
	struct routes *routes;
	struct detect *detect;
	struct enforcer *enforcer;
	bool http_asked;
	uint64_t last_event;
	unsigned told[8];                        /* decisions by outcome, since the last look */
	char why[64], origin_of[VERDICT_ID_MAX]; /* of the last one */
};

static void on_decision(void *arg, struct event *e)
{
	struct stage *s = arg;

	s->told[e->decision.outcome]++;
	snprintf(s->why, sizeof s->why, "%.*s", (int)e->decision.why.len, e->decision.why.ptr);
	snprintf(s->origin_of, sizeof s->origin_of, "%s", e->decision.verdict.origin);
	event_unref(e);
}

static bool is_asked(void *arg, enum verdict_action action, const struct prefix *target)
{
	(void)action;
	(void)target;
	return ((struct stage *)arg)->http_asked;
}

static void open_judgment(struct stage *s)
{
	static const uint8_t key[REDACT_KEY_LEN] = {1, 2, 3};
	const struct config *c = s->config;
	struct buffer errors = BUFFER_INIT(65536);
	const struct regulars_limits good = regulars_limits_of(c);

	assert_int_equal(proxies_new(c, &s->proxies), 0);
	assert_int_equal(origin_new(c, &s->origin), 0);
	assert_int_equal(clients_new(65536, &s->clients), 0);
	assert_int_equal(clients_new(65536, &s->behind), 0);
	assert_int_equal(regulars_new(REGULARS_MAX, &good, &s->regulars), 0);
	assert_int_equal(witness_new(WITNESS_MAX, 600 * NS_PER_S, &s->witness), 0);
	assert_int_equal(redact_new(c, key, &s->redact), 0);
	assert_int_equal(routes_new(NULL, &s->routes), 0);
	assert_int_equal(detect_new(c, s->redact, &s->detect, &errors), 0);
	buffer_free(&errors);
}

static int stage_up(void **state)
{
	struct stage *s = calloc(1, sizeof *s);
	struct buffer errors = BUFFER_INIT(65536);
	static const struct config_flag flags[] = {
		{"mode", "enforce", "mode"},
		{"proxies.trusted", "[192.0.2.80]", "trusted"},
	};

	memset(&kernel, 0, sizeof kernel);
	now = 1000000 * NS_PER_S;
	assert_int_equal(config_load("", flags, ARRAY_SIZE(flags), NULL, &s->config, &errors), 0);
	buffer_free(&errors);
	open_judgment(s);
	struct enforcer_parts parts = {
		.config = s->config,
		.clock = &clock_fake,
		.proxies = s->proxies,
		.clients = s->clients,
		.behind = s->behind,
		.regulars = s->regulars,
		.witness = s->witness,
		.http = is_asked,
		.event = on_decision,
		.arg = s,
	};
	assert_int_equal(enforcer_new(&parts, &s->enforcer), 0);
	detect_link(s->detect,
		    &(struct detect_links){.decide = enforcer_decide(s->enforcer), .witness = s->witness});
	*state = s;
	return 0;
}

static int stage_down(void **state)
{
	struct stage *s = *state;

	enforcer_free(s->enforcer);
	detect_free(s->detect);
	routes_free(s->routes);
	redact_free(s->redact);
	witness_free(s->witness);
	regulars_free(s->regulars);
	clients_free(s->behind);
	clients_free(s->clients);
	origin_free(s->origin);
	proxies_free(s->proxies);
	config_free(s->config);
	free(s);
	return 0;
}

/* --- a request, as the sensor takes it --- */

struct ask {
	const char *peer, *method, *path, *token, *agent, *origin, *type, *forwarded_for;
	uint16_t status;
};

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(span_from(text), &a), 0);
	return a;
}

static void header(struct http_request *r, const char *name, const char *value)
{
	if (value)
		r->headers[r->header_count++] = (struct http_header){span_from(name), span_from(value)};
}

static bool trusts(void *arg, const struct addr *a)
{
	return proxies_class(arg, a) == PROXY_CLASS_TRUSTED;
}

static void on_verdict(void *arg, const struct verdict *v)
{
	struct decision d;

	enforcer_verdict(((struct stage *)arg)->enforcer, v, 0, &d);
}

/* Is the client's packet dropped before anybody reads it? */
static bool is_dropped(const char *client)
{
	struct addr a = address(client);

	for (unsigned i = 0; i < kernel.count; i++)
		if (kernel.actions[i] == PK_ACT_DROP && prefix_contains(&kernel.targets[i], &a))
			return true;
	return false;
}

static void judge(struct stage *s, const struct http_request *r, struct event *e, uint16_t status)
{
	routes_find(s->routes, r->path, e);
	detect_request(s->detect, r, e, &e->request.pending, on_verdict, s);
	e->request.answered = EVENT_ANSWER_SEEN;
	e->request.status = status;
	detect_answer(s->detect, e, on_verdict, s);
	routes_note(s->routes, e);
	regulars_note(s->regulars, e);
}

/* False: it is dropped in the kernel, or a proxy that asks refuses it, and nobody is troubled with it. */
static bool request(struct stage *s, const struct ask *a)
{
	struct http_request r = {.method = span_from(a->method ? a->method : "GET"),
				 .target = span_from(a->path),
				 .path = span_from(a->path),
				 .version_major = 1,
				 .version_minor = 1};
	struct redact_context context = {.time_ns = now, .wall_ns = now};
	struct origin_client client = {0};
	char bearer[96];

	if (is_dropped(a->peer))
		return false;
	snprintf(bearer, sizeof bearer, "Bearer %s", a->token ? a->token : "");
	header(&r, "Host", "api.example");
	header(&r, "User-Agent", a->agent ? a->agent : "curl/8.0");
	header(&r, "Authorization", a->token ? bearer : NULL);
	header(&r, "Origin", a->origin);
	header(&r, "Content-Type", a->type);
	header(&r, "X-Forwarded-For", a->forwarded_for);
	context.flow.peer = (struct endpoint){.addr = address(a->peer), .port = 40000};
	context.client = context.flow.peer;
	context.forwarded = a->forwarded_for != NULL;
	clients_note(s->clients, &context.flow.peer.addr, now);
	if (proxies_note(s->proxies, &context.flow.peer.addr, context.forwarded, now) ==
	    PROXY_CLASS_TRUSTED) {
		origin_find(s->origin, &r, &context.flow.peer, NULL, false, trusts, s->proxies, &client);
		context.client = client.endpoint;
	}
	bool behind = client.source != CLIENT_BY_PEER;
	if (behind)
		clients_note(s->behind, &context.client.addr, now);
	bool denied = behind && s->http_asked &&
		      decide_in_force(enforcer_decide(s->enforcer),
				      &(struct decide_question){.client = context.client.addr},
				      now) == VERDICT_BLOCK;
	struct event *e = redact_request(s->redact, &r, &context);
	assert_non_null(e);
	e->request.client_behind = behind;
	s->last_event = e->id;
	judge(s, &r, e, denied ? 403 : a->status);
	event_unref(e);
	return !denied;
}

static void pass(uint64_t seconds)
{
	for (uint64_t i = 0; i < seconds; i++)
		now += NS_PER_S;
}

/* What became of a client, in a word. */
static const char *state_of(struct stage *s, const char *client)
{
	struct addr a = address(client);
	struct prefix p = prefix_of(&a, addr_bits(&a));
	struct pending *pending = NULL;
	size_t count = 0;
	const char *word = "served";

	if (enforcer_pending(s->enforcer, &pending, &count))
		fail();
	for (size_t i = 0; i < count; i++)
		if (prefix_overlaps(&pending[i].verdict.target, &p))
			word = "served, a person is asked";
	free(pending);
	switch (decide_in_force(enforcer_decide(s->enforcer), &(struct decide_question){.client = a}, now)) {
	case VERDICT_BLOCK:
		return "blocked";
	case VERDICT_RATE_LIMIT:
		return "slowed";
	default:
		return word;
	}
}

static void expect(struct stage *s, const char *who, const char *client, const char *state)
{
	const char *is = state_of(s, client);

	printf("      %-44s %-22s %s\n", who, client, is);
	if (strcmp(is, state) != 0)
		fail_msg("%s (%s) is %s, not %s; the last decision: %s", who, client, is, state, s->why);
}

static size_t regulars_at(struct stage *s, const char *client)
{
	struct addr a = address(client);
	struct prefix p = prefix_of(&a, addr_bits(&a));

	return regulars_share(s->regulars, &p, now).here;
}

/* An ordinary day: consumers, each at its own address, and an office with ten behind one. */
#define OFFICE "198.51.100.1"
#define VICTIM "198.51.100.2"
static void ordinary_day(struct stage *s)
{
	char peer[32], token[32];

	for (unsigned round = 0; round < 8; round++) {
		for (unsigned i = 0; i < 240; i++) {
			snprintf(peer, sizeof peer, "198.51.100.%u", i < 10 ? 1 : i - 8);
			snprintf(token, sizeof token, "good-%u", i);
			request(s,
				&(struct ask){
					.peer = peer, .path = "/v1/orders", .token = token, .status = 200});
		}
		/* /v1/news is for everybody. */
		request(s, &(struct ask){.peer = VICTIM, .path = "/v1/news", .status = 200});
		request(s, &(struct ask){.peer = VICTIM, .path = "/v1/news", .status = 200});
		pass(120);
	}
	assert_int_equal(regulars_at(s, OFFICE), 10);
	assert_int_equal(regulars_at(s, VICTIM), 1);
}

static void guess(struct stage *s, const char *peer, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		request(s, &(struct ask){.peer = peer,
					 .method = "POST",
					 .path = "/login",
					 .type = "application/json",
					 .status = 401});
		now += NS_PER_S / 5;
	}
}

/* --- the attacks --- */

static void token_rotation(void **state)
{
	struct stage *s = *state;
	char token[48], agent[48];

	ordinary_day(s);
	printf("\n  token rotation: 40 made-up tokens and User-Agents over 87 minutes, to look like an "
	       "office, then password guessing\n");
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < 40; i++) {
			snprintf(token, sizeof token, "made-up-%u", i);
			snprintf(agent, sizeof agent, "Agent/%u", i);
			const bool open =
				i % 4 != 0; /* where everybody is served, the token is not even looked at */
			request(s, &(struct ask){.peer = "203.0.113.66",
						 .path = open ? "/v1/news" : "/v1/orders",
						 .token = token,
						 .agent = agent,
						 .status = open ? 200 : 401});
			now += 10 *
			       NS_PER_S; /* slow enough, and refused seldom enough, for those of rotation */
		}
		pass(120);
	}
	printf("      %-44s %-22s %zu\n", "regulars it made up", "203.0.113.66",
	       regulars_at(s, "203.0.113.66"));
	assert_int_equal(regulars_at(s, "203.0.113.66"), 0);
	guess(s, "203.0.113.66", 12);
	expect(s, "the attacker", "203.0.113.66", "blocked");
	/* In a hurry, the rotation itself is told of. */
	for (unsigned i = 0; i < 12; i++) {
		snprintf(token, sizeof token, "made-up-%u", i);
		request(s,
			&(struct ask){
				.peer = "203.0.113.67", .path = "/v1/orders", .token = token, .status = 401});
	}
	assert_string_equal(s->origin_of, "token-rotation");
	expect(s, "one in a hurry, by its rotation", "203.0.113.67", "blocked");
	/* Without any hurry, but refused each time: by that. */
	for (unsigned i = 0; i < 15; i++) {
		snprintf(token, sizeof token, "slow-%u", i);
		request(s,
			&(struct ask){
				.peer = "203.0.113.68", .path = "/v1/orders", .token = token, .status = 401});
		pass(60);
	}
	assert_string_equal(s->origin_of, "token-stuffing");
	expect(s, "one without any hurry, by what it gets", "203.0.113.68", "blocked");
	/* The office has the same guesser in it: it is slowed, its people are not cut off. */
	guess(s, OFFICE, 12);
	assert_string_equal(s->why, "shared_address");
	expect(s, "an office of ten that holds a guesser", OFFICE, "slowed");
}

static void cross_site_framing(void **state)
{
	struct stage *s = *state;
	const struct ask framed = {.peer = VICTIM,
				   .method = "POST",
				   .path = "/login",
				   .agent = "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0",
				   .origin = "https://evil.example",
				   .type = "text/plain;charset=UTF-8",
				   .status = 401};

	ordinary_day(s);
	printf("\n  cross-site framing: a web page has the browser of a regular consumer POST 30 logins\n");
	for (unsigned i = 0; i < 30; i++) {
		request(s, &framed);
		now += NS_PER_S / 5;
	}
	assert_string_equal(s->why, "cross_site");
	expect(s, "the victim", VICTIM, "served, a person is asked");
	assert_true(request(
		s, &(struct ask){.peer = VICTIM, .path = "/v1/orders", .token = "good-10", .status = 200}));
	/* Of somebody who is nobody here nothing speaks for its innocence. */
	struct ask unknown = framed;
	unknown.peer = "203.0.113.70";
	for (unsigned i = 0; i < 30; i++)
		request(s, &unknown);
	expect(s, "the same at an address without regulars", "203.0.113.70", "blocked");
	/* And who does it by hand cannot hide among them. */
	guess(s, VICTIM, 12);
	expect(s, "a regular that guesses by hand", VICTIM, "blocked");
}

static void limit_tripping(void **state)
{
	struct stage *s = *state;
	char peer[32];

	printf("\n  limit tripping: 500 bots offend at once, so that the guard gives up\n");
	for (unsigned i = 0; i < 500; i++) {
		snprintf(peer, sizeof peer, "203.0.%u.%u", 100 + i / 250, i % 250 + 1);
		for (unsigned g = 0; g < 20; g++)
			request(s, &(struct ask){
					   .peer = peer, .method = "POST", .path = "/login", .status = 200});
		now += 20 * NS_PER_MS;
	}
	struct enforcer_counts c = enforcer_counts(s->enforcer);
	printf("      blocked %zu, refused %u (%s), source told of: %s\n", c.desired,
	       s->told[DECISION_REFUSED], s->why, c.trip_count ? c.trips[0].source : "none");
	assert_int_equal(c.desired, s->config->guard.per_minute);
	assert_int_equal(s->told[DECISION_REFUSED], 500 - s->config->guard.per_minute);
	assert_int_equal(c.trip_count, 1);
	assert_string_equal(c.trips[0].source, "local");
	expect(s, "who was blocked before the trip", "203.0.100.1", "blocked");
	assert_int_equal(enforcer_mode(s->enforcer), MODE_ENFORCE);
	/* An operator is not held up, and after the cool-down it goes on. */
	struct verdict v = {.source = VERDICT_OPERATOR,
			    .action = VERDICT_BLOCK,
			    .scope = VERDICT_SCOPE_PORTS,
			    .ttl_ms = 600000};
	struct decision d;
	v.target = prefix_of(&(struct addr){ADDR_IPV4, {203, 0, 101, 250}}, 32);
	enforcer_verdict(s->enforcer, &v, 0, &d);
	expect(s, "whom an operator blocks meanwhile", "203.0.101.250", "blocked");
	pass(s->config->guard.cool_down_ms / 1000 + 1);
	guess(s, "203.0.113.77", 12);
	expect(s, "the first one after the cool-down", "203.0.113.77", "blocked");
}

static void network_hopping(void **state)
{
	struct stage *s = *state;
	char peer[64];

	printf("\n  /64 hopping: each request from another address of one IPv6 network\n");
	for (unsigned i = 0; i < 40; i++) {
		snprintf(peer, sizeof peer, "2001:db8:66:1::%x", 0x1000 + i * 7);
		request(s, &(struct ask){.peer = peer, .method = "POST", .path = "/login", .status = 401});
	}
	expect(s, "the next address of it", "2001:db8:66:1:ffff::1", "blocked");
	expect(s, "the network beside it", "2001:db8:66:2::1", "served");
	printf("      entries in the kernel: %u\n", kernel.count);
	assert_in_range(kernel.count, 1, 2); /* not one for each address */
	/* One that asks too little of each address for any detection but those of single ones: the verdicts
	 * add up. */
	for (unsigned i = 0; i < 4; i++) {
		snprintf(peer, sizeof peer, "2001:db8:77:1::%x", i + 1);
		struct verdict v = {.source = VERDICT_LOCAL,
				    .action = VERDICT_BLOCK,
				    .scope = VERDICT_SCOPE_PORTS,
				    .ttl_ms = 900000,
				    .confidence = 1};
		struct addr a = address(peer);
		clients_note(s->clients, &a, now);
		v.target = prefix_of(&a, 128);
		snprintf(v.id, sizeof v.id, "v-%u", i);
		on_verdict(s, &v);
	}
	assert_string_equal(s->origin_of, "neighbours");
	expect(s, "the next one, after four offenders of a network", "2001:db8:77:1::99", "blocked");
}

static void proxy_framing(void **state)
{
	struct stage *s = *state;

	ordinary_day(s);
	printf("\n  proxy framing: forwarding headers that name a victim\n");
	/* Nobody's proxy: what it says is not believed, and it is asked about. */
	for (unsigned i = 0; i < 20; i++)
		request(s, &(struct ask){.peer = "203.0.113.80",
					 .method = "POST",
					 .path = "/login",
					 .forwarded_for = VICTIM,
					 .status = 401});
	assert_string_equal(s->why, "unclassified_proxy");
	expect(s, "the victim that it names", VICTIM, "served");
	expect(s, "the attacker, who looks like a proxy", "203.0.113.80", "served, a person is asked");
	/* Behind a trusted proxy, which appends whom it saw: what stands left of that is the client's own. */
	for (unsigned i = 0; i < 20; i++)
		request(s, &(struct ask){.peer = "192.0.2.80",
					 .method = "POST",
					 .path = "/login",
					 .forwarded_for = VICTIM ", 203.0.113.81",
					 .status = 401});
	assert_string_equal(s->why, "behind_proxy");
	expect(s, "the victim", VICTIM, "served");
	expect(s, "the trusted proxy", "192.0.2.80", "served");
	/* With a proxy that asks, who really sent it is stopped there, and what it goes on to send is no
	 * news. */
	s->http_asked = true;
	s->told[DECISION_BLOCKED] = 0;
	for (unsigned i = 0; i < 200; i++) {
		request(s, &(struct ask){.peer = "192.0.2.80",
					 .method = "POST",
					 .path = "/login",
					 .forwarded_for = VICTIM ", 203.0.113.82",
					 .status = 401});
		now += NS_PER_S;
	}
	assert_int_equal(s->told[DECISION_BLOCKED], 1);
	expect(s, "the attacker behind it, at HTTP", "203.0.113.82", "blocked");
	expect(s, "the victim", VICTIM, "served");
	expect(s, "the trusted proxy", "192.0.2.80", "served");
	assert_false(is_dropped("192.0.2.80") || is_dropped("203.0.113.82"));
	uint64_t own = detect_counts(s->detect).own_denials;
	printf("      of its requests %llu met our own 403, and raised nothing\n", (unsigned long long)own);
	assert_true(own > 150);
}

/* A gateway that lies, or that was talked into it by what it read. */
static void gateway_framing(void **state)
{
	struct stage *s = *state;
	struct verdict v = {.source = VERDICT_GATEWAY,
			    .action = VERDICT_BLOCK,
			    .scope = VERDICT_SCOPE_PORTS,
			    .ttl_ms = 900000,
			    .confidence = 1,
			    .evidence_count = 1};
	struct addr victim = address(VICTIM);
	struct event cited = {0};
	struct decision d;

	ordinary_day(s);
	printf("\n  a gateway's word: it wants a victim blocked, and cites the victim's own request, then an "
	       "attacker's\n");
	v.target = prefix_of(&victim, 32);
	snprintf(v.origin, sizeof v.origin, "model");
	request(s, &(struct ask){.peer = VICTIM, .path = "/v1/orders", .token = "good-10", .status = 200});
	cited.id = s->last_event;
	event_id_format(&cited, v.evidence[0]);
	enforcer_verdict(s->enforcer, &v, 0, &d);
	assert_string_equal(d.why, "uncorroborated");
	expect(s, "the victim", VICTIM, "served, a person is asked");
	guess(s, "203.0.113.90", 6);
	cited.id = s->last_event;
	event_id_format(&cited, v.evidence[0]);
	enforcer_verdict(s->enforcer, &v, 0, &d);
	assert_string_equal(d.why, "uncorroborated");
	expect(s, "the victim, by an attacker's request", VICTIM, "served, a person is asked");
}

#define ATTACK(f) cmocka_unit_test_setup_teardown(f, stage_up, stage_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		ATTACK(token_rotation),  ATTACK(cross_site_framing), ATTACK(limit_tripping),
		ATTACK(network_hopping), ATTACK(proxy_framing),      ATTACK(gateway_framing),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
