// SPDX-License-Identifier: Apache-2.0
/* The shipped detections of who does little at a time, on a test clock: attackers at the pace of a person,
 * and beside each of them honest clients that look alike. */
#include "lib/target.h"
#include "policies/baseline.h"
#include "policies/behaviour.h"
#include "policies/detect.h"
#include "tests/unit/policies_config.h"

#define START   SECONDS(1000000)
#define BLOCKED 0.8 /* guard.confidence_min by default */

struct request {
	const char *client, *method, *path, *route, *consumer, *agent;
	uint64_t length;
	unsigned status;
};

struct fixture {
	struct config config;
	struct detect *detect;
	struct behaviour *behaviour;
	struct baseline *baseline;
	struct buffer errors;
	uint64_t now_ns, next_id;
	unsigned seed;
	unsigned verdicts, blocks; /* blocks: of these with confidence enough */
	struct verdict last;
	struct prefix targets[128]; /* of the blocks */
	unsigned named;             /* different ones */
	bool proxy;                 /* one asks, and tells consumers */
	const char *ja4;            /* of the connection of each request; NULL: not known */
};

static bool consumers_are_served(void *arg)
{
	return ((struct fixture *)arg)->proxy;
}

static void begin(struct fixture *f)
{
	detect_free(f->detect);
	behaviour_free(f->behaviour);
	baseline_free(f->baseline);
	f->detect = NULL;
	f->behaviour = NULL;
	f->baseline = NULL;
	assert_int_equal(baseline_new(100, &(struct baseline_limits){SECONDS(86400), 5}, &f->baseline), 0);
	/* What is estimated, and what a consumer used before, hangs on a key: with a random one, one run in
	 * 256 has a "used" for what was not (behaviour.h). */
	const uint64_t key[2] = {5, 6};
	baseline_set_key(f->baseline, key);
	assert_int_equal(behaviour_new(0, 0, &f->behaviour), 0);
	behaviour_set_key(f->behaviour, key);
	if (detect_new(&f->config, NULL, &f->detect, &f->errors))
		fail_msg("%.*s", (int)f->errors.len, f->errors.data);
	const struct detect_links links = {.behaviour = f->behaviour,
					   .baseline = f->baseline,
					   .consumers = consumers_are_served,
					   .arg = f};
	detect_link(f->detect, &links);
	f->verdicts = f->blocks = f->named = 0;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	if (!f)
		return -1;
	f->config = test_config();
	f->errors = BUFFER_INIT(16384);
	f->now_ns = START;
	f->proxy = true;
	f->seed = 7;
	*state = f;
	begin(f);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	detect_free(f->detect);
	behaviour_free(f->behaviour);
	baseline_free(f->baseline);
	buffer_free(&f->errors);
	free(f);
	return 0;
}

static void take(void *arg, const struct verdict *v)
{
	struct fixture *f = arg;

	f->last = *v;
	f->verdicts++;
	behaviour_fired(f->behaviour, v);
	if (v->confidence < BLOCKED)
		return;
	f->blocks++;
	for (unsigned i = 0; i < f->named; i++)
		if (prefix_equal(&f->targets[i], &v->target))
			return;
	assert_true(f->named < ARRAY_SIZE(f->targets));
	f->targets[f->named++] = v->target;
}

/* As the capture thread does it: the request, its answer, then whoever remembers. */
static void ask(struct fixture *f, const struct request *r)
{
	struct http_request request = {
		.method = span_from(r->method ? r->method : "GET"),
		.target = span_from(r->path),
		.path = {r->path, strcspn(r->path, "?#")},
		.headers = {{SPAN("User-Agent"), span_from(r->agent ? r->agent : "app/1")},
			    {SPAN("Content-Type"), SPAN("application/json")}},
		.header_count = 2,
	};
	struct event event = {.kind = EVENT_HTTP_REQUEST, .id = ++f->next_id, .time_ns = f->now_ns};

	event.request.method = request.method;
	event.request.path = request.path;
	event.request.route = span_from(r->route ? r->route : "");
	event.request.route_id = r->route ? (uint32_t)r->route[1] * 256 + (uint32_t)strlen(r->route) : 0;
	event.request.user_agent = request.headers[0].value;
	event.request.consumer = span_from(r->consumer ? r->consumer : "");
	event.request.content_length = r->length;
	const struct event_tls tls = {.ja4 = span_from(f->ja4 ? f->ja4 : "")};
	event.request.tls = f->ja4 ? &tls : NULL;
	event.flow.peer.addr = event.request.client.addr = test_addr(r->client);
	detect_request(f->detect, &request, &event, &event.request.pending, take, f);
	if (r->status) {
		event.request.status = (uint16_t)r->status;
		event.request.answered = EVENT_ANSWER_SEEN;
		detect_answer(f->detect, &event, take, f);
	}
	behaviour_note(f->behaviour, &event);
}

static unsigned random_below(struct fixture *f, unsigned n)
{
	return (unsigned)rand_r(&f->seed) % n;
}

static void login(struct fixture *f, const char *client, const char *agent, uint64_t length, unsigned status)
{
	ask(f,
	    &(struct request){client, "POST", "/api/v1/login", "/api/v1/login", NULL, agent, length, status});
}

/* --- credential stuffing --- */

static void a_stuffer_with_the_pace_of_a_person_is_found_in_few_tries(void **state)
{
	struct fixture *f = *state;

	for (unsigned pace_s = 10; pace_s <= 60; pace_s += 10) {
		unsigned tries = 0;
		begin(f);
		while (!f->blocks && tries < 100) {
			/* user and password of a list; one in thirty of the pairs works */
			login(f, "198.51.100.7", "Mozilla/5.0", 40 + random_below(f, 16),
			      random_below(f, 30) ? 401 : 200);
			f->now_ns += SECONDS(pace_s * 3 / 4 + random_below(f, pace_s / 2));
			tries++;
		}
		assert_in_range(tries, 4, 12);
		assert_string_equal(f->last.origin,
				    tries < 7 && pace_s < 12 ? f->last.origin : "login-stuffing");
	}
}

static void lengths_that_tell_nothing_take_longer(void **state)
{
	struct fixture *f = *state;
	unsigned tries = 0;

	for (; !f->blocks && tries < 100; tries++) {
		login(f, "198.51.100.7", "Mozilla/5.0", 48, 403);
		f->now_ns += SECONDS(30);
	}
	assert_in_range(tries, 20, 31);
	assert_string_equal(f->last.origin, "login-failures-slow");
}

static void an_office_behind_one_address_logs_in_in_peace(void **state)
{
	struct fixture *f = *state;

	/* A hundred people within an hour; one in four gets it wrong once or twice first. */
	for (unsigned i = 0; i < 100; i++) {
		for (unsigned wrong = random_below(f, 4) ? 0 : 1 + random_below(f, 2); wrong; wrong--) {
			login(f, "203.0.113.9", "Mozilla/5.0", 40 + random_below(f, 16), 401);
			f->now_ns += SECONDS(9);
		}
		login(f, "203.0.113.9", "Mozilla/5.0", 40 + random_below(f, 16), 200);
		f->now_ns += SECONDS(15 + random_below(f, 40));
	}
	assert_int_equal(f->verdicts, 0);
}

static void one_wrong_password_again_and_again_is_a_broken_client(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 18; i++) {
		login(f, "198.51.100.8", "sync/2", 44, 401);
		f->now_ns += SECONDS(60);
	}
	assert_int_equal(f->verdicts, 0);
}

/* --- sign-ins, whatever the answer --- */

static void sign_in(struct fixture *f, const char *client, unsigned length)
{
	login(f, client, "Mozilla/5.0", length, 200);
}

static void page(struct fixture *f, const char *client, const char *path, const char *consumer)
{
	ask(f, &(struct request){
		       .client = client, .path = path, .route = path, .consumer = consumer, .status = 200});
}

/* The form says no with 200, and is fetched before each try, as hydra does. */
static void a_guesser_whose_refusals_look_like_successes_is_found(void **state)
{
	struct fixture *f = *state;
	unsigned tries = 0;

	for (; !f->blocks && tries < 100; tries++) {
		page(f, "198.51.100.7", "/login", NULL);
		sign_in(f, "198.51.100.7", 40 + random_below(f, 16));
		f->now_ns += SECONDS(1) / 4;
	}
	assert_in_range(tries, 20, 22);
	assert_string_equal(f->last.origin, "login-guessing");
}

/* ... and who hides each try among ten other requests, by the sheer number. */
static void a_guesser_among_other_requests_is_found_at_the_pace_of_a_tool(void **state)
{
	struct fixture *f = *state;
	unsigned tries = 0;

	for (; !f->blocks && tries < 1000; tries++) {
		for (unsigned i = 0; i < 10; i++)
			page(f, "198.51.100.7", "/shop", NULL);
		sign_in(f, "198.51.100.7", 40 + random_below(f, 16));
		f->now_ns += SECONDS(1) / 4;
	}
	assert_in_range(tries, 100, 180);
	assert_string_equal(f->last.origin, "login-flood");
}

/* A hundred people behind one address: forty sign in each minute, all others work. */
static void people_behind_one_address_sign_in_as_they_like(void **state)
{
	struct fixture *f = *state;
	char consumer[32];

	for (unsigned second = 0; second < 600; second++) {
		if (second % 3 < 2)
			sign_in(f, "203.0.113.9", 40 + random_below(f, 16));
		for (unsigned i = 0; i < 1 + second / 20; i++) {
			snprintf(consumer, sizeof consumer, "c_01%016x", random_below(f, 100));
			page(f, "203.0.113.9", "/orders", consumer);
		}
		f->now_ns += SECONDS(1);
	}
	assert_int_equal(f->verdicts, 0);
}

/* Tests of an API: in each round it signs in wrongly, then rightly, and goes on with fifty odd requests. Its
 * pace is that of a machine: sixty sign-ins a minute. */
static void a_job_that_tests_an_api_is_no_guesser(void **state)
{
	struct fixture *f = *state;
	char consumer[32];

	for (unsigned round = 0; round < 100; round++) {
		sign_in(f, "203.0.113.9", 44);
		sign_in(f, "203.0.113.9", 45);
		snprintf(consumer, sizeof consumer, "c_01%016x", round);
		for (unsigned i = 0; i < 50; i++)
			page(f, "203.0.113.9", "/api/search", consumer);
		f->now_ns += SECONDS(2);
	}
	assert_int_equal(f->verdicts, 0);
}

/* --- refused sign-ins from many addresses --- */

/* agents: from so many addresses, two tries each, a try in a minute somewhere. */
static void distributed(struct fixture *f, unsigned addresses, unsigned status)
{
	char client[24];

	for (unsigned i = 0; i < 2 * addresses; i++) {
		snprintf(client, sizeof client, "198.18.%u.%u", i % addresses / 200, 1 + i % addresses % 200);
		login(f, client, "evil/1", 40 + random_below(f, 16), status);
		f->now_ns += SECONDS(20);
	}
}

static void honest_logins(struct fixture *f, unsigned count, unsigned wrong_in_ten, unsigned status)
{
	char client[24];

	for (unsigned i = 0; i < count; i++) {
		snprintf(client, sizeof client, "203.0.113.%u", 1 + i % 250);
		if (random_below(f, 10) < wrong_in_ten)
			login(f, client, "Mozilla/5.0", 40 + random_below(f, 16), 401);
		login(f, client, "Mozilla/5.0", 40 + random_below(f, 16), status);
		f->now_ns += SECONDS(5);
	}
}

static void one_program_at_many_addresses_is_found_beside_honest_ones(void **state)
{
	struct fixture *f = *state;

	honest_logins(f, 60, 2, 200);
	assert_int_equal(f->verdicts, 0);
	distributed(f, 30, 401);
	assert_true(f->named >= 28); /* each at its second try */
	for (unsigned i = 0; i < f->named; i++)
		assert_int_equal(f->targets[i].addr.bytes[0], 198);
	assert_string_equal(f->last.origin, "login-stuffing-distributed");
	unsigned before = f->named;
	honest_logins(f, 60, 2, 200);
	assert_int_equal(f->named, before);
}

static void a_directory_that_is_down_makes_nobody_an_attacker(void **state)
{
	struct fixture *f = *state;
	char client[24];

	for (unsigned i = 0; i < 120; i++) { /* apps and browsers, all refused, each trying twice */
		snprintf(client, sizeof client, "203.0.113.%u", 1 + i / 2);
		login(f, client, i / 2 % 2 ? "app/1" : "Mozilla/5.0", 40 + i / 2 % 16, 401);
		f->now_ns += SECONDS(3);
	}
	assert_int_equal(f->blocks, 0);
}

static void with_nobody_to_compare_with_it_is_only_told(void **state)
{
	struct fixture *f = *state;

	distributed(f, 30, 401);
	assert_int_equal(f->blocks, 0);
	assert_true(f->verdicts > 0);
	assert_true(f->last.confidence < 0.5);
}

static void tokens_that_never_worked_are_guesses_and_expired_ones_are_not(void **state)
{
	struct fixture *f = *state;
	char consumer[32], path[32];

	/* Twenty users behind one address, served for a while; then all of their tokens expire, and each
	 * client tries thrice before it gets a new one. */
	for (unsigned i = 0; i < 20 * 8; i++) {
		snprintf(consumer, sizeof consumer, "c_01%016x", i % 20);
		snprintf(path, sizeof path, "/feed/%u", i / 20);
		ask(f, &(struct request){"203.0.113.9", "GET", path, "/feed/{id}", consumer, NULL, 0,
					 i >= 20 * 5 ? 401 : 200});
		f->now_ns += SECONDS(2);
	}
	assert_int_equal(f->blocks, 0);
	unsigned tries = 0;
	for (; !f->blocks && tries < 100; tries++) {
		snprintf(consumer, sizeof consumer, "c_02%016x", tries);
		ask(f, &(struct request){"198.51.100.7", "GET", "/feed/1", "/feed/{id}", consumer, NULL, 0,
					 401});
		f->now_ns += SECONDS(20 + random_below(f, 10));
	}
	assert_int_equal(tries, 15);
	assert_string_equal(f->last.origin, "token-stuffing");
}

/* --- objects --- */

#define ALICE "c_0100000000000a11ce"
#define BOB   "c_01000000000000b0b0"

static void order(struct fixture *f, const char *client, const char *consumer, unsigned id, unsigned status)
{
	char path[32];

	snprintf(path, sizeof path, "/orders/%u", id);
	ask(f, &(struct request){client, "GET", path, "/orders/{id}", consumer, NULL, 0, status});
}

static void who_walks_through_other_peoples_objects_is_named_as_consumer(void **state)
{
	struct fixture *f = *state;
	unsigned asked = 0;

	/* Behind one NAT with others; three in five of the ids are somebody's who is not him. */
	for (unsigned id = 5000; !f->blocks && asked < 100; id++, asked++) {
		order(f, "203.0.113.9", BOB, 40 + id % 5, 200);
		order(f, "203.0.113.9", ALICE, id, id % 5 < 3 ? 403 : 404);
		f->now_ns += SECONDS(10 + random_below(f, 20));
	}
	assert_in_range(asked, 8, 16);
	assert_string_equal(f->last.origin, "objects-forbidden");
	assert_int_equal(f->last.target.addr.family, TARGET_CONSUMER);
	struct prefix alice;
	assert_int_equal(target_parse_consumer(SPAN(ALICE), &alice), 0);
	assert_true(prefix_equal(&f->last.target, &alice));
	assert_int_equal(f->named, 1);
	/* No proxy could deny it: but others are there, so the address is not named either. */
	f->proxy = false;
	for (unsigned id = 9000; id < 9100; id++) {
		order(f, "203.0.113.9", BOB, 40 + id % 5, 200);
		order(f, "203.0.113.9", ALICE, id, 403);
		f->now_ns += SECONDS(20);
	}
	assert_int_equal(f->named, 1);
}

static void an_address_of_its_own_is_named_where_no_proxy_denies_consumers(void **state)
{
	struct fixture *f = *state;

	f->proxy = false;
	login(f, "198.51.100.7", NULL, 44, 200);
	for (unsigned id = 1; id < 12; id++) {
		order(f, "198.51.100.7", ALICE, id, id % 2 ? 200 : 200);
		order(f, "198.51.100.7", ALICE, 100 + id, 403);
		f->now_ns += SECONDS(20);
	}
	assert_int_equal(f->named, 2);
	assert_int_equal(f->targets[0].addr.family, TARGET_CONSUMER);
	assert_int_equal(f->targets[1].addr.family, ADDR_IPV4);
	assert_int_equal(f->targets[1].bits, 32);
}

static void a_client_without_a_credential_is_named_by_its_address(void **state)
{
	struct fixture *f = *state;

	for (unsigned id = 1; id < 20; id++)
		order(f, "198.51.100.7", NULL, id, 403);
	assert_int_equal(f->named, 1);
	assert_int_equal(f->targets[0].addr.family, ADDR_IPV4);
}

/* Twelve consumers each look at some of their orders each hour; one reads all of its thousand at night, and
 * the warehouse three hundred in every hour. */
static void ordinary_hours(struct fixture *f, unsigned hours)
{
	char consumer[32];

	for (unsigned hour = 0; hour < hours; hour++) {
		for (unsigned c = 0; c < 12; c++) {
			snprintf(consumer, sizeof consumer, "c_03%016x", c);
			for (unsigned i = 0; i < 2 + c % 5; i++)
				order(f, "203.0.113.9", consumer, 100 * c + random_below(f, 50), 200);
		}
		for (unsigned i = 0; i < 300; i++)
			order(f, "203.0.113.10", "c_04000000000000aaaa", hour * 300 + i, 200);
		f->now_ns += SECONDS(3600);
	}
}

static void who_reads_far_more_objects_than_is_normal_is_found_though_all_are_given(void **state)
{
	struct fixture *f = *state;
	unsigned asked = 0;

	ordinary_hours(f, 23);
	assert_int_equal(f->verdicts, 0);
	f->now_ns += SECONDS(2 * 3600);
	for (; !f->blocks && asked < 200; asked++) {
		order(f, "203.0.113.9", ALICE, 70000 + asked, 200);
		f->now_ns += SECONDS(10 + random_below(f, 20));
	}
	assert_in_range(asked, 28, 45); /* within a quarter of an hour */
	assert_string_equal(f->last.origin, "object-enumeration");
	assert_int_equal(f->last.target.addr.family, TARGET_CONSUMER);
}

static void a_sync_that_was_always_there_is_normal(void **state)
{
	struct fixture *f = *state;

	ordinary_hours(f, 60);
	assert_int_equal(f->verdicts, 0);
	/* A list that each consumer reads to its end from the beginning. */
	begin(f);
	char consumer[32];
	for (unsigned hour = 0; hour < 40; hour++) {
		for (unsigned c = 0; c < 8; c++) {
			snprintf(consumer, sizeof consumer, "c_05%016x", c);
			for (unsigned i = 0; i < 500; i++) {
				order(f, "203.0.113.9", consumer, i, 200);
				f->now_ns += SECONDS(1) / 20;
			}
		}
		f->now_ns += SECONDS(3600);
	}
	assert_int_equal(f->verdicts, 0);
}

static void what_was_detected_does_not_teach(void **state)
{
	struct fixture *f = *state;
	char consumer[32];

	ordinary_hours(f, 23);
	f->now_ns += SECONDS(2 * 3600);
	/* Ten accounts of one attacker, each hour, for three days. */
	for (unsigned hour = 0; hour < 72; hour++) {
		for (unsigned c = 0; c < 10; c++) {
			snprintf(consumer, sizeof consumer, "c_06%016x", c);
			for (unsigned i = 0; i < 400; i++) {
				order(f, "198.51.100.7", consumer, hour * 400 + i, 200);
				f->now_ns += SECONDS(1) / 20;
			}
		}
		f->now_ns += SECONDS(3600);
	}
	uint64_t normal;
	baseline_exceeded(f->baseline, "object-enumeration", SPAN("/orders/{id}"), NULL, 1, 4, f->now_ns,
			  &normal);
	assert_in_range(normal, 7, 127); /* three days and some hours: four steps at most */
	assert_true(f->named >= 10);
}

static void a_flood_of_one_route_is_known_by_what_is_normal_there(void **state)
{
	struct fixture *f = *state;
	char consumer[32];

	for (unsigned minute = 0; minute < 60 * 25; minute++) {
		for (unsigned c = 0; c < 6; c++) {
			snprintf(consumer, sizeof consumer, "c_07%016x", c);
			for (unsigned i = 0; i < 10; i++)
				ask(f, &(struct request){"203.0.113.9", "GET", "/report", "/report", consumer,
							 NULL, 0, 200});
		}
		f->now_ns += SECONDS(60);
	}
	assert_int_equal(f->verdicts, 0);
	unsigned asked = 0;
	for (; !f->blocks && asked < 2000; asked++) {
		ask(f, &(struct request){"203.0.113.9", "GET", "/report", "/report", ALICE, NULL, 0, 200});
		f->now_ns += SECONDS(1) / 20; /* 20 in a second: far from a flood of all */
	}
	assert_in_range(asked, 390, 420); /* one in four leaks */
	assert_string_equal(f->last.origin, "route-flood");
}

static void links_that_somebody_passed_on_and_what_is_gone_are_no_walk(void **state)
{
	struct fixture *f = *state;

	/* A support desk: many orders, now and then one of another region. */
	for (unsigned id = 1; id < 300; id++) {
		order(f, "203.0.113.9", ALICE, id, id % 12 ? 200 : 403);
		f->now_ns += SECONDS(15);
	}
	/* A sync that reads a list of which much was deleted meanwhile. */
	for (unsigned id = 1; id < 300; id++) {
		order(f, "203.0.113.10", BOB, id, id % 3 ? 404 : 200);
		f->now_ns += SECONDS(1);
	}
	/* The same forbidden object over and over: a tab that was left open. */
	for (unsigned i = 0; i < 300; i++) {
		order(f, "203.0.113.11", BOB, 7, 403);
		f->now_ns += SECONDS(5);
	}
	assert_int_equal(f->verdicts, 0);
}

/* --- what is not there --- */

static void a_scanner_that_takes_its_time_is_found_by_what_it_gets(void **state)
{
	struct fixture *f = *state;
	char path[32];
	unsigned tries = 0;

	for (; !f->blocks && tries < 100; tries++) {
		snprintf(path, sizeof path, "/guess-%u", tries);
		ask(f, &(struct request){
			       .client = "198.51.100.7", .path = path, .status = tries % 9 ? 404 : 200});
		f->now_ns += SECONDS(45);
	}
	assert_in_range(tries, 15, 20);
	assert_string_equal(f->last.origin, "missing-paths-slow");
}

static void who_asks_whether_a_name_is_free_or_follows_dead_links_is_no_scanner(void **state)
{
	struct fixture *f = *state;
	char path[32];

	for (unsigned i = 0; i < 200; i++) {
		snprintf(path, sizeof path, "/users/name-%u", i);
		ask(f,
		    &(struct request){
			    .client = "203.0.113.9", .path = path, .route = "/users/{name}", .status = 404});
		f->now_ns += SECONDS(10);
		snprintf(path, sizeof path, "/page-%u", i); /* a crawler: one link in four is dead */
		ask(f,
		    &(struct request){.client = "203.0.113.10", .path = path, .status = i % 4 ? 200 : 404});
		/* a health check of what is not there yet */
		ask(f, &(struct request){.client = "203.0.113.11", .path = "/healthz", .status = 404});
	}
	assert_int_equal(f->verdicts, 0);
}

/* --- slow requests --- */

static void slow(struct fixture *f, const char *client, const char *name)
{
	struct event e = {.kind = EVENT_HTTP_ANOMALY, .id = ++f->next_id, .time_ns = f->now_ns};

	e.flow.peer.addr = test_addr(client);
	e.anomaly.name = span_from(name);
	detect_anomaly(f->detect, &e, take, f);
}

static void who_holds_many_connections_open_is_found(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 200; i++) { /* a bad network: one now and then */
		slow(f, "203.0.113.9", i % 2 ? "slow_head" : "slow_body");
		slow(f, "203.0.113.9", "bare_lf"); /* is another thing */
		f->now_ns += SECONDS(8);
	}
	assert_int_equal(f->verdicts, 0);
	for (unsigned i = 0; i < 12; i++) {
		assert_int_equal(f->verdicts, 0);
		slow(f, "198.51.100.7", i % 3 ? "slow_head" : "slow_body");
	}
	assert_int_equal(f->blocks, 1);
	assert_string_equal(f->last.origin, "slow-requests");
	assert_int_equal(f->last.target.addr.bytes[3], 7);
	assert_int_equal(f->last.evidence_count, 8);
}

/* --- privileges --- */

static void what_a_consumer_never_did_is_told_and_does_not_block(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 20; i++) {
		order(f, "203.0.113.9", ALICE, 7, 200);
		f->now_ns += SECONDS(60);
	}
	ask(f, &(struct request){"203.0.113.9", "DELETE", "/orders/7", "/orders/{id}", ALICE, NULL, 0, 403});
	assert_int_equal(f->verdicts, 1);
	assert_string_equal(f->last.origin, "first-method");
	assert_int_equal(f->last.target.addr.family, TARGET_CONSUMER);
	ask(f, &(struct request){"203.0.113.9", "GET", "/api/v1/admin/users", "/api/v1/admin/users", ALICE,
				 NULL, 0, 403});
	assert_int_equal(f->verdicts, 2);
	assert_string_equal(f->last.origin, "first-admin-route");
	assert_int_equal(f->blocks, 0);
	/* An administrator does so daily; whoever is not known cannot do anything for the first time. */
	begin(f);
	for (unsigned i = 0; i < 40; i++)
		ask(f, &(struct request){"203.0.113.9", i % 2 ? "GET" : "DELETE", "/admin/users/7",
					 "/admin/users/{id}", BOB, NULL, 0, 200});
	assert_int_equal(f->verdicts, 0);
}

/* A job that fetches a token for each run, ten an hour. */
static void a_new_token_for_each_run_is_told_once_an_hour(void **state)
{
	struct fixture *f = *state;
	char consumer[32], client[24];

	for (unsigned run = 0; run < 30; run++) {
		snprintf(consumer, sizeof consumer, "c_01%016x", run);
		for (unsigned i = 0; i < 12; i++)
			order(f, "203.0.113.9", consumer, 7, 200);
		ask(f, &(struct request){"203.0.113.9", "PATCH", "/orders/7", "/orders/{id}", consumer, NULL,
					 0, 200});
		ask(f, &(struct request){"203.0.113.9", "DELETE", "/orders/7", "/orders/{id}", consumer, NULL,
					 0, 200});
		f->now_ns += SECONDS(360);
	}
	assert_in_range(f->verdicts, 3, 4); /* in three hours */
	assert_true(detect_counts(f->detect).withheld >= 26);
	/* Another client is another matter, until all together are many. */
	unsigned before = f->verdicts;
	for (unsigned run = 0; run < 40; run++) {
		snprintf(consumer, sizeof consumer, "c_02%016x", run);
		snprintf(client, sizeof client, "198.51.100.%u", run);
		for (unsigned i = 0; i < 12; i++)
			order(f, client, consumer, 7, 200);
		ask(f,
		    &(struct request){client, "DELETE", "/orders/7", "/orders/{id}", consumer, NULL, 0, 200});
	}
	assert_in_range(f->verdicts - before, 17, 20);
	assert_int_equal(f->blocks, 0);
}

/* --- what a User-Agent says, and what TLS says --- */

#define CHROME                                                                                               \
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 " \
	"Safari/537.36"
#define FIREFOX "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0"
#define SAFARI                                                                                      \
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) " \
	"Version/18.5 Safari/605.1.15"
#define GOOGLEBOT                                                                        \
	"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Googlebot/2.1; " \
	"+http://www.google.com/bot.html) Chrome/140.0.0.0 Safari/537.36"

static void with_handshake(struct fixture *f, const char *agent, const char *ja4)
{
	f->ja4 = ja4;
	for (unsigned i = 0; i < 4; i++) {
		ask(f,
		    &(struct request){.client = "203.0.113.9", .path = "/", .agent = agent, .status = 200});
		f->now_ns += SECONDS(1);
	}
}

/* Chrome's and malware's are published (FoxIO's README.md and ja4plus-mapping.csv); curl 7.88, wget 1.21,
 * python-requests and node were measured (Debian 12, Python 3.11, Node 20); Firefox's, Safari's and Go's are
 * as they are commonly reported, and nobody looked here. */
static void browsers_are_what_they_say(void **state)
{
	static const struct {
		const char *agent, *ja4;
	} honest[] = {
		{CHROME, "t13d1516h2_8daaf6152771_02713d6af862"},
		{CHROME, "t13d1517h2_8daaf6152771_b0da82dd1658"},
		{CHROME, "t13d1516h1_8daaf6152771_02713d6af862"}, /* a WebSocket's */
		{CHROME, "t13i1516h2_8daaf6152771_02713d6af862"}, /* by address: no name is sent */
		{CHROME, "q13d0312h3_55b375c5d22e_06cda9e17597"}, /* QUIC */
		{FIREFOX, "t13d1715h2_5b57614c22b0_5c2c66f702b0"},
		{FIREFOX, "t13d1717h2_5b57614c22b0_3cbfd9057e0d"},
		{SAFARI, "t13d2014h2_a09f3c656075_14788d8d241b"},
		{SAFARI, "t13d2613h2_2802a3db6c62_845d286b0d67"},
		/* Who claims nothing may be anything; nor is anything held against who is not known. */
		{"curl/8.5.0", "t13d3112h2_e8f1e7e78f70_b26ce05bbdd6"},
		{"python-requests/2.32.4", "t13d1812h1_85036bcba153_b26ce05bbdd6"},
		{"Go-http-client/2.0", "t13d1312h2_f57a46bbacb6_ef7df7f74e48"},
		{GOOGLEBOT, "t13d1312h2_f57a46bbacb6_ef7df7f74e48"},
		{CHROME, NULL},
		{CHROME, "nonsense"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(honest); i++) {
		with_handshake(f, honest[i].agent, honest[i].ja4);
		if (f->verdicts)
			fail_msg("%s with %s is told of", honest[i].agent, honest[i].ja4);
	}
}

static void programs_that_claim_to_be_browsers_are_told_of_and_not_blocked(void **state)
{
	static const struct {
		const char *agent, *ja4;
	} claims[] = {
		{CHROME, "t13d3112h2_e8f1e7e78f70_b26ce05bbdd6"},  /* curl, OpenSSL's ciphers */
		{FIREFOX, "t13d1812h1_85036bcba153_b26ce05bbdd6"}, /* python-requests */
		{SAFARI, "t13d4312h1_c7886603b240_b26ce05bbdd6"},  /* ... of before */
		{CHROME, "t13d1312h2_f57a46bbacb6_ef7df7f74e48"},  /* Go's net/http */
		{CHROME, "t13d291300_723694b0fccc_899037bd0b8c"},  /* wget */
		{CHROME, "t13d5911h1_a33745022dd6_1f22a2ca17c4"},  /* node's fetch */
		{CHROME, "t13d190900_9dc949149365_97f8aa674fd9"},  /* Sliver */
		{FIREFOX, "t12d190700_d83cc789557e_16bbda4055b2"}, /* Cobalt Strike */
		{SAFARI, "t13d201100_2b729b4bf6f3_9e7b989ebec8"},  /* IcedID: offers no protocol */
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(claims); i++) {
		begin(f);
		with_handshake(f, claims[i].agent, claims[i].ja4);
		if (f->verdicts != 1)
			fail_msg("%s with %s: %u verdicts", claims[i].agent, claims[i].ja4, f->verdicts);
		assert_string_equal(f->last.origin, "user-agent-mismatch");
		assert_int_equal(f->blocks, 0);
	}
	/* Once an hour, however many of them there are behind one address. */
	for (unsigned i = 0; i < 50; i++)
		with_handshake(f, claims[i % 2].agent, claims[i % 2].ja4);
	assert_int_equal(f->verdicts, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_stuffer_with_the_pace_of_a_person_is_found_in_few_tries),
		TEST(lengths_that_tell_nothing_take_longer),
		TEST(an_office_behind_one_address_logs_in_in_peace),
		TEST(one_wrong_password_again_and_again_is_a_broken_client),
		TEST(a_guesser_whose_refusals_look_like_successes_is_found),
		TEST(a_guesser_among_other_requests_is_found_at_the_pace_of_a_tool),
		TEST(people_behind_one_address_sign_in_as_they_like),
		TEST(a_job_that_tests_an_api_is_no_guesser),
		TEST(one_program_at_many_addresses_is_found_beside_honest_ones),
		TEST(a_directory_that_is_down_makes_nobody_an_attacker),
		TEST(with_nobody_to_compare_with_it_is_only_told),
		TEST(tokens_that_never_worked_are_guesses_and_expired_ones_are_not),
		TEST(who_walks_through_other_peoples_objects_is_named_as_consumer),
		TEST(an_address_of_its_own_is_named_where_no_proxy_denies_consumers),
		TEST(a_client_without_a_credential_is_named_by_its_address),
		TEST(who_reads_far_more_objects_than_is_normal_is_found_though_all_are_given),
		TEST(a_sync_that_was_always_there_is_normal),
		TEST(what_was_detected_does_not_teach),
		TEST(a_flood_of_one_route_is_known_by_what_is_normal_there),
		TEST(links_that_somebody_passed_on_and_what_is_gone_are_no_walk),
		TEST(a_scanner_that_takes_its_time_is_found_by_what_it_gets),
		TEST(who_asks_whether_a_name_is_free_or_follows_dead_links_is_no_scanner),
		TEST(who_holds_many_connections_open_is_found),
		TEST(what_a_consumer_never_did_is_told_and_does_not_block),
		TEST(a_new_token_for_each_run_is_told_once_an_hour),
		TEST(browsers_are_what_they_say),
		TEST(programs_that_claim_to_be_browsers_are_told_of_and_not_blocked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
