// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "policies/openapi.h"
#include "policies/path_segments.h"
#include "policies/routes_internal.h"
#include "tests/unit/routes_rig.h"

static struct routes *routes;
static char route[ROUTES_TEXT_MAX + 8];

static int begin(void **state)
{
	(void)state;
	return routes_new(NULL, &routes);
}

static int end(void **state)
{
	(void)state;
	routes_free(routes);
	routes = NULL;
	return 0;
}

/* %u in the path is the number of the request. */
static void send_many(const char *path, unsigned count, unsigned status)
{
	char text[512];

	for (unsigned i = 0; i < count; i++) {
		snprintf(text, sizeof text, path, i);
		ask(routes, &(struct ask){.host = "api.example", .path = text, .client = i, .status = status},
		    route);
	}
}

/* status 404: only asks, for that teaches nothing. */
static void expect_route(const char *path, const char *expected)
{
	ask(routes, &(struct ask){.host = "api.example", .path = path, .status = 404}, route);
	if (strcmp(route, expected) != 0)
		fail_msg("%s: expected \"%s\", got \"%s\"", path, expected, route);
}

static void expect_list(const char *expected)
{
	struct buffer list = BUFFER_INIT(1 << 20);

	rig_list(routes, &list);
	assert_string_equal(list.data, expected);
	buffer_free(&list);
}

static const char *const names[] = {"alice", "bob",   "carol",   "dave",   "erin",  "frank",   "grace",
				    "heidi", "ivan",  "judy",    "kevin",  "laura", "mallory", "nina",
				    "oscar", "peggy", "quentin", "rupert", "sybil", "trent"};

/* One of 160,000 words. */
static void word_path(const char *place, unsigned i, char path[static 128])
{
	snprintf(path, 128, "%s/%s-%s-%s-%s", place, names[i % 20], names[i / 20 % 20], names[i / 400 % 20],
		 names[i / 8000 % 20]);
}

/* --- what is learned --- */

static void templates_are_learned_with_the_tenth_request(void **state)
{
	(void)state;
	send_many("/api/v1/users/%u", ROUTES_PROOF - 1, 200);
	expect_route("/api/v1/users/7", "");
	send_many("/api/v1/users/%u", 1, 200);
	expect_route("/api/v1/users/7", "/api/v1/users/{id}");
	expect_route("/api/v1/users/12345678901234567890", "/api/v1/users/{id}");
	expect_route("/api/v1/users/12/", "/api/v1/users/{id}");
	expect_route("/api/v1/users/12;a=b", "/api/v1/users/{id}");
	expect_route("/api/v1/users", "");
	expect_route("/api/v1/users/7/orders", "");
	expect_route("/api/v1//users/7", "");
	expect_route("/api/v1/../v1/users/7", "");
	expect_list("GET api.example /api/v1/users/{id}\n");
}

static void the_request_that_proves_a_route_shows_it(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= ROUTES_PROOF; i++) {
		struct event *e =
			ask_event(&(struct ask){.host = "api.example", .path = "/items/7", .status = 200});
		routes_find(routes, e->request.path, e);
		assert_int_equal(e->request.route.len, 0);
		routes_note(routes, e);
		assert_true(span_equal(e->request.route, i < ROUTES_PROOF ? SPAN_NULL : SPAN("/items/{id}")));
		event_unref(e);
	}
}

static void each_value_has_its_place(void **state)
{
	(void)state;
	send_many("/reports/2024-01-%02u", 10, 200);
	send_many("/users/3fa85f64-5717-4562-b3fc-2c963f66af%02u/orders/%u", 10, 200);
	send_many("/mail/user%u@b.example", 10, 200);
	send_many("/reset/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx%u.c2ln", 10, 200);
	send_many("/tags/caf%%C3%%A9-%u", 10, 200);
	send_many("/", 10, 200);
	expect_list("GET api.example /\n"
		    "GET api.example /mail/{email}\n"
		    "GET api.example /reports/{date}\n"
		    "GET api.example /reset/{token}\n"
		    "GET api.example /tags/{name}\n"
		    "GET api.example /users/{id}/orders/{id}\n");
}

static void what_the_server_does_not_know_is_no_route(void **state)
{
	static const unsigned statuses[] = {404, 405, 410, 501, 401, 403, 400, 301, 502};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
		send_many("/wp-login.php", 50, statuses[i]);
	expect_route("/wp-login.php", "");
	expect_list("");
	/* 401 is no proof alone; with one request that was let in it is. */
	send_many("/admin", 9, 401);
	send_many("/admin", 1, 200);
	expect_route("/admin", "/admin");
}

/* A scanner in the midst of traffic. */
static void scanners_leave_no_routes(void **state)
{
	char path[64];

	(void)state;
	srandom(3);
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(path, sizeof path, "/%c%c%c%c%ld/admin.php", 'a' + (char)(random() % 26),
			 'a' + (char)(random() % 26), 'a' + (char)(random() % 26),
			 'a' + (char)(random() % 26), random() % 10);
		ask(routes, &(struct ask){.host = "api.example", .path = path, .client = 666, .status = 404},
		    route);
		if (i % 100 == 0)
			send_many("/items/%u", 1, 200);
	}
	expect_list("GET api.example /items/{id}\n");
	assert_true(routes_counts(routes).unknown >= 20000);
}

/* Who asks for what is there without a right to, gets 401 for all, also for what is not there. */
static void refused_words_make_no_names(void **state)
{
	char path[128];

	(void)state;
	send_many("/users/me", 20, 200);
	for (unsigned i = 0; i < 2000; i++) {
		word_path("/users", i, path);
		ask(routes,
		    &(struct ask){
			    .host = "api.example", .path = path, .client = i, .status = i % 2 ? 401 : 403},
		    route);
		if (i % 100 == 0)
			send_many("/users/us", 1, 401);
	}
	send_many("/users/us", 1, 200);
	expect_route("/users/me", "/users/me");
	expect_route("/users/us", "/users/us");
	expect_route("/users/anybody", "");
}

/* Words of which one is new each time push out no word that the server took. */
static void refused_words_push_nothing_out(void **state)
{
	char path[128];

	(void)state;
	send_many("/%u", 20, 200);
	for (unsigned i = 0; i < 9 * 20000; i++) {
		word_path("", i, path);
		ask(routes, &(struct ask){.host = "api.example", .path = path, .client = i, .status = 401},
		    route);
		if (i % 20000 == 0)
			send_many("/login", 1, 200);
	}
	send_many("/login", 1, 200);
	expect_route("/login", "/login");
}

/* A client that hangs up before the answer, or pipelines so that none can be told, is believed nothing. */
static void requests_without_an_answer_prove_nothing_where_others_have_one(void **state)
{
	(void)state;
	send_many("/health", 1, 200);
	send_many("/wp-login.php", 50, 0);
	expect_route("/wp-login.php", "");
	send_many("/wp-login.php", 1, 200);
	expect_route("/wp-login.php", "/wp-login.php");
	/* Of another server no answer is ever seen. */
	for (unsigned i = 0; i < 10; i++)
		ask(routes, &(struct ask){.host = "api.example", .path = "/v2", .client = i, .port = 81},
		    route);
	expect_route("/v2", "/v2");
}

/* "/users/NAME-NAME": 400 different ones. */
static const char *user(unsigned i, const char *behind)
{
	static char path[128];

	snprintf(path, sizeof path, "/users/%s-%s%s", names[i % 20], names[i / 20 % 20], behind);
	return path;
}

static void without_answers_one_scanner_makes_no_names(void **state)
{
	(void)state;
	send_many("/users/me", 20, 0);
	for (unsigned i = 0; i < 400; i++) /* of this server expect_route sees no answer */
		ask(routes,
		    &(struct ask){.host = "api.example", .path = user(i, ""), .client = 666, .port = 81},
		    route);
	expect_route("/users/anybody", "");
	expect_list("GET api.example /users/me\n");
	for (unsigned i = 0; i < 2000; i++)
		ask(routes,
		    &(struct ask){.host = "api.example", .path = user(i % 400, "s"), .client = i, .port = 81},
		    route);
	expect_route("/users/anybody", "/users/{name}");
}

static void words_that_keep_being_new_are_names(void **state)
{
	(void)state;
	send_many("/users/me", 40, 200);
	for (unsigned i = 0; i < 49; i++)
		send_many(user(i * 7, ""), 1, 200);
	expect_route("/users/zoe", "");
	for (unsigned i = 49; i < 62; i++)
		send_many(user(i * 7, ""), 1, 200);
	expect_route("/users/zoe", "/users/{name}");
	expect_route("/users/me", "/users/me");
	expect_route("/users/7", "");
	for (unsigned i = 0; i < 400; i++)
		send_many(user(i, "/orders"), 1, 200);
	expect_route("/users/zoe/orders", "/users/{name}/orders");
	expect_list("GET api.example /users/me\n"
		    "GET api.example /users/{name}\n"
		    "GET api.example /users/{name}/orders\n");
}

static void words_beside_many_ids_are_ids(void **state)
{
	(void)state;
	send_many("/videos/%u", 200, 200);
	for (unsigned i = 0; i < 60; i++) {
		char path[160];
		snprintf(path, sizeof path, "/videos/%s", user(i, "") + 7);
		send_many(path, 1, 200);
	}
	expect_route("/videos/anything", "/videos/{id}");
	expect_list("GET api.example /videos/{id}\n");
}

/* A service with many words at one place, each asked for again and again, keeps them. */
static void a_wide_service_keeps_its_words(void **state)
{
	struct buffer list = BUFFER_INIT(1 << 20);
	unsigned lines = 0;

	(void)state;
	srandom(5);
	for (unsigned i = 0; i < 20000; i++)
		send_many(user((unsigned)random() % 100 * 3, ""), 1, 200);
	rig_list(routes, &list);
	for (const char *p = list.data; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 100);
	assert_null(strchr(list.data, '{'));
	buffer_free(&list);
}

/* What stood under a word that turns out to be a name goes along, its counts as well. */
static void merging_takes_along_what_is_below(void **state)
{
	struct route_info page[8];
	uint32_t cursor = 0;

	(void)state;
	send_many("/users/me/settings", 200, 200);
	send_many("/users/alice/orders", 12, 200);
	send_many("/users/alice/orders/%u", 12, 200);
	send_many("/users/bob/orders/%u", 12, 200);
	expect_route("/users/alice/orders/7", "/users/alice/orders/{id}");
	for (unsigned i = 0; i < 80; i++)
		send_many(user(i * 5, "/orders/7"), 1, 200);
	expect_route("/users/alice/orders/7", "/users/{name}/orders/{id}");
	expect_route("/users/me/settings", "/users/me/settings");
	expect_list("GET api.example /users/me/settings\n"
		    "GET api.example /users/{name}/orders\n"
		    "GET api.example /users/{name}/orders/{id}\n");
	assert_int_equal(routes_counts(routes).merged, 1);
	size_t n = routes_list(routes, &cursor, page, ARRAY_SIZE(page));
	for (size_t i = 0; i < n; i++)
		if (strcmp(page[i].route, "/users/{name}/orders") == 0)
			assert_int_equal(page[i].requests, 3); /* of 12: the first nine proved it */
}

static void methods_and_hosts_are_apart(void **state)
{
	(void)state;
	send_many("/items/%u", 20, 200);
	ask(routes,
	    &(struct ask){.host = "api.example", .method = "DELETE", .path = "/items/9", .status = 405},
	    route);
	assert_string_equal(route, "/items/{id}");
	expect_list("GET api.example /items/{id}\n");
	ask(routes,
	    &(struct ask){.host = "api.example", .method = "DELETE", .path = "/items/9", .status = 204},
	    route);
	ask(routes, &(struct ask){.host = "API.example", .method = "BREW", .path = "/items/9", .status = 200},
	    route);
	ask(routes, &(struct ask){.host = "www.example", .path = "/items/9", .status = 200}, route);
	assert_string_equal(route, "");
	expect_list("DELETE api.example /items/{id}\n"
		    "GET api.example /items/{id}\n"
		    "_OTHER api.example /items/{id}\n");
}

static void a_route_is_counted(void **state)
{
	struct route_info info;
	uint32_t cursor = 0;

	(void)state;
	send_many("/items/%u", 9, 200);
	for (unsigned i = 0; i < 100; i++)
		ask(routes,
		    &(struct ask){.host = "api.example",
				  .path = "/items/7",
				  .client = i % 20,
				  .status = i % 10 == 0   ? 404
					    : i % 10 == 1 ? 503
					    : i % 10 == 2 ? 0
							  : 201,
				  .wall_ns = RIG_WALL_NS + i * NS_PER_S},
		    route);
	assert_int_equal(routes_list(routes, &cursor, &info, 1), 1);
	assert_string_equal(info.host, "api.example");
	assert_string_equal(info.route, "/items/{id}");
	assert_int_equal(info.documented, DOCUMENTED_UNKNOWN);
	/* The tenth that counts proved it; the first of the hundred was a 404. */
	assert_int_equal(info.requests, 99);
	assert_int_equal(info.statuses[0], 10);
	assert_int_equal(info.statuses[2], 70);
	assert_int_equal(info.statuses[4], 9);
	assert_int_equal(info.statuses[5], 10);
	assert_in_range(info.clients, 12, 28); /* four standard errors */
	assert_true(info.first_ns == RIG_WALL_NS + 1 * NS_PER_S &&
		    info.last_ns == RIG_WALL_NS + 99 * NS_PER_S);
	assert_int_equal(routes_list(routes, &cursor, &info, 1), 0);
}

static void clients_are_estimated(void **state)
{
	static const unsigned counts[] = {1, 5, 50, 1000, 50000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		struct route_info info;
		uint32_t cursor = 0;
		end(NULL);
		assert_int_equal(begin(NULL), 0);
		send_many("/items/7", 10, 200);
		for (unsigned c = 0; c < counts[i]; c++)
			ask(routes,
			    &(struct ask){
				    .host = "api.example", .path = "/items/7", .client = c, .status = 200},
			    route);
		assert_int_equal(routes_list(routes, &cursor, &info, 1), 1);
		print_message("%u clients: estimated %lu\n", counts[i], (unsigned long)info.clients);
		/* The client of the tenth request is among them, or one more. Four standard errors. */
		assert_in_range(info.clients, counts[i] / 2, counts[i] + counts[i] / 2 + 2);
	}
}

static void damaged_requests_teach_nothing(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		struct event *e =
			ask_event(&(struct ask){.host = "api.example", .path = "/items/7", .status = 200});
		e->request.deviations = i % 2 ? HTTP_DEV_AFTER_GAP : HTTP_DEV_BAD_TARGET;
		routes_find(routes, e->request.path, e);
		routes_note(routes, e);
		event_unref(e);
	}
	send_many("*", 20, 200);
	send_many("api.example:443", 20, 200);
	send_many("/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r", 20, 200);
	expect_list("");
	assert_int_equal(routes_counts(routes).unfit, 50 + 60);
}

/* --- what must not happen --- */

/* Things that must never stand in a template, used as often as a route and by many. */
static void secrets_are_in_no_template(void **state)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	static const char *const fixed[] = {
		"4111111111111111",
		"4111-1111-1111-1111",
		"AKIAIOSFODNN7EXAMPLE",
		"ghp_16C7e42F292c6912E7710c838347Ae178B4a",
		"xoxb-2147483647-abcdefXYZ123",
		"sk_live_4eC39HqLyjWDarjtT1zdp7dc",
		"hunter2017!",
		"jane.doe@b.example",
		"eyJhbGciOiJIUzI1NiJ9.e30.Et9HFtf9R3GEMA0IICOfFMVXY7kkTX1wr4qCyIf58U",
		"5f4dcc3b5aa765d61d8327deb882cf99",
		"078-05-1120",
		"GB29NWBK60161331926819",
		"+4915112345678",
	};
	struct buffer list = BUFFER_INIT(1 << 20), saved = BUFFER_INIT(1 << 20);
	char path[256], secrets[200][32];

	(void)state;
	srandom(11);
	for (unsigned i = 0; i < 200; i++) {
		for (unsigned k = 0; k < 24; k++)
			secrets[i][k] = alphabet[(size_t)random() % (sizeof alphabet - 1)];
		secrets[i][24] = 0;
	}
	for (unsigned i = 0; i < 200 + ARRAY_SIZE(fixed); i++) {
		const char *secret = i < 200 ? secrets[i] : fixed[i - 200];
		snprintf(path, sizeof path, "/hook%s/%.200s/run", i % 2 ? "" : "s", secret);
		for (unsigned n = 0; n < 30; n++)
			ask(routes,
			    &(struct ask){.host = "api.example", .path = path, .client = n, .status = 200},
			    route);
	}
	rig_list(routes, &list);
	assert_int_equal(routes_save(routes, &saved), 0);
	buffer_append_char(&saved, 0);
	for (unsigned i = 0; i < 200 + ARRAY_SIZE(fixed); i++) {
		const char *secret = i < 200 ? secrets[i] : fixed[i - 200];
		assert_null(strstr(list.data, secret));
		assert_null(strstr(saved.data, secret));
	}
	assert_non_null(strstr(list.data, "/hook/{token}/run"));
	assert_non_null(strstr(list.data, "/hooks/{id}/run"));
	buffer_free(&list);
	buffer_free(&saved);
}

/* As an attacker would fill everything there is, with a server that answers 200 to all. */
static void floods_leave_what_is_established(void **state)
{
	static const char *const own[] = {"/api/v1/users/7", "/api/v1/orders/7/items", "/health", "/login"};
	static const char *const templates[] = {"/api/v1/users/{id}", "/api/v1/orders/{id}/items", "/health",
						"/login"};
	char path[256], host[64];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(own); i++)
		for (unsigned n = 0; n < 100; n++)
			ask(routes,
			    &(struct ask){.host = "api.example", .path = own[i], .client = n, .status = 200},
			    route);
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(host, sizeof host, "h%u.example", i);
		for (unsigned n = 0; n < 12; n++)
			ask(routes, &(struct ask){.host = host, .path = "/x", .client = 666, .status = 200},
			    route);
	}
	srandom(9);
	for (unsigned i = 0; i < 30000; i++) {
		snprintf(path, sizeof path, "/%s/%s/%s/%s", i % 3 ? names[random() % 20] : "api",
			 names[random() % 20], names[random() % 20], names[random() % 20]);
		for (unsigned n = 0; n < 12; n++)
			ask(routes,
			    &(struct ask){.host = i % 2 ? "api.example" : "h3.example",
					  .path = path,
					  .client = n,
					  .status = 200},
			    route);
	}
	struct routes_counts counts = routes_counts(routes);
	print_message("hosts %u nodes %u routes %u refused %lu merged %lu\n", counts.hosts, counts.nodes,
		      counts.routes, (unsigned long)counts.refused, (unsigned long)counts.merged);
	assert_int_equal(counts.hosts, ROUTES_HOSTS_MAX);
	assert_true(counts.nodes <= ROUTES_NODES_MAX && counts.routes <= ROUTES_MAX);
	for (unsigned i = 0; i < ARRAY_SIZE(own); i++)
		expect_route(own[i], templates[i]);
	/* Hosts that found no place share one tree. */
	ask(routes, &(struct ask){.host = "h1999.example", .path = "/x", .status = 404}, route);
	assert_string_equal(route, "/x");
}

/* One client leaves room for the routes of others, however many addresses of its network it takes. */
static void flood_by_one_client(void)
{
	char path[256], host[64];

	for (unsigned i = 0; i < 2000; i++) {
		snprintf(host, sizeof host, "h%u.example", i);
		for (unsigned n = 0; n < 12; n++)
			ask(routes, &(struct ask){.host = host, .path = "/x", .client = 666, .status = 200},
			    route);
	}
	for (unsigned i = 0; i < 12000; i++) {
		snprintf(path, sizeof path, "/%s/%s/%s/%s", names[i % 20], names[i / 20 % 20],
			 names[i / 400 % 20], names[i / 8000]);
		for (unsigned n = 0; n < 12; n++)
			ask(routes,
			    &(struct ask){.host = "h1.example",
					  .path = path,
					  .client = 666,
					  .ipv6 = true,
					  .status = 200},
			    route);
	}
}

static void one_client_does_not_fill_everything(void **state)
{
	(void)state;
	flood_by_one_client();
	struct routes_counts counts = routes_counts(routes);
	print_message("hosts %u nodes %u routes %u refused %lu\n", counts.hosts, counts.nodes, counts.routes,
		      (unsigned long)counts.refused);
	assert_true(counts.refused > 1000);
	send_many("/api/v1/orders/%u", 12, 200);
	expect_route("/api/v1/orders/7", "/api/v1/orders/{id}");
}

/* A word below parent whose candidate lies in that set. */
static uint64_t word_in_set(uint64_t parent, uint64_t set, char ret[static 128])
{
	for (unsigned i = 0; i < 160000; i++) {
		word_path("", i, ret);
		uint64_t chain = chain_of(routes, parent, SEGMENT_WORD, span_from(ret + 1));
		if ((chain & (ROUTES_SETS - 1)) == set)
			return chain;
	}
	fail_msg("no word of 160,000 is in set %u of %d", (unsigned)set, ROUTES_SETS);
	return 0;
}

/* The key decides which places share a set: one path in 400 has two of its five in one. In a full set they
 * pushed out each other with each request, and the route was never learned. */
static void places_of_one_path_that_share_a_set_are_learned(void **state)
{
	char first[128], second[128], third[128], path[400], expected[400];

	(void)state;
	flood_by_one_client();
	const struct node *host = host_find(routes, SPAN("api.example"));
	assert_non_null(host);
	const uint64_t set = 77;
	uint64_t chain = word_in_set(host->chain, set, first);
	chain = word_in_set(chain, set, second);
	word_in_set(chain, set, third);
	snprintf(path, sizeof path, "%s%s%s/%%u", first, second, third);
	snprintf(expected, sizeof expected, "%s%s%s/{id}", first, second, third);
	send_many(path, 12, 200);
	snprintf(path, sizeof path, "%s%s%s/7", first, second, third);
	expect_route(path, expected);
}

/* Words that are met evenly, each often enough, and never enough new ones for names: the ceiling of routes.
 */
static void ceilings_hold(void **state)
{
	char path[256];

	(void)state;
	for (unsigned round = 0; round < 12; round++)
		for (unsigned i = 0; i < 12000; i++) {
			snprintf(path, sizeof path, "/%s/%s/%s/%s", names[i % 20], names[i / 20 % 20],
				 names[i / 400 % 20], names[i / 8000]);
			send_many(path, 1, 200);
		}
	struct routes_counts counts = routes_counts(routes);
	print_message("nodes %u routes %u refused %lu\n", counts.nodes, counts.routes,
		      (unsigned long)counts.refused);
	assert_true(counts.nodes <= ROUTES_NODES_MAX && counts.routes <= ROUTES_MAX);
}

/* --- stability --- */

static bool covers(const char *general, const char *special)
{
	struct span a = span_from(general), b = span_from(special), x, y;

	for (;;) {
		bool more = segment_next(&a, &x);
		if (more != segment_next(&b, &y))
			return false;
		if (!more)
			return true;
		if (x.ptr[0] != '{' && !span_equal(x, y))
			return false;
	}
}

/* A stream like a real one: ids, words, names, some of them often. */
static void stream_path(unsigned i, char path[static 128])
{
	unsigned a = (unsigned)random(), b = (unsigned)random();

	switch (i % 10) {
	case 0:
	case 1:
	case 2:
		snprintf(path, 128, "/api/v1/users/%u", a % 10000);
		break;
	case 3:
	case 4:
		snprintf(path, 128, "/api/v1/users/%u/orders/%08x-0000-4000-8000-0123456789ab", a % 10000, b);
		break;
	case 5:
		snprintf(path, 128, "/api/v1/%s",
			 (const char *[]){"health", "search", "login", "cart"}[a % 4]);
		break;
	case 6:
		snprintf(path, 128, "/people/me/settings");
		break;
	case 7:
		snprintf(path, 128, "/people/%s-%s%s", names[a % 20], names[b % 20], a % 3 ? "" : "/posts");
		break;
	case 8:
		snprintf(path, 128, "/blog/2024-%02u-%02u/%s-%s-%s", 1 + a % 12, 1 + b % 28,
			 names[a / 16 % 20], names[b / 32 % 20], names[a / 512 % 20]);
		break;
	default:
		snprintf(path, 128, "/");
	}
}

static void a_path_never_gets_a_less_general_template(void **state)
{
	enum { PATHS = 3000 };
	static char paths[PATHS][128], last[PATHS][ROUTES_TEXT_MAX + 8];
	unsigned changes = 0, given = 0;

	(void)state;
	srandom(17);
	memset(last, 0, sizeof last);
	for (unsigned i = 0; i < PATHS; i++)
		stream_path((unsigned)random(), paths[i]);
	for (unsigned i = 0; i < 100000; i++) {
		/* Some are asked for far more often. */
		unsigned at = (unsigned)random() % (i % 2 ? PATHS : 50);
		ask(routes,
		    &(struct ask){.host = "api.example", .path = paths[at], .client = i % 500, .status = 200},
		    route);
		given += route[0] != 0;
		if (strcmp(route, last[at]) == 0)
			continue;
		if (last[at][0] && !covers(route, last[at]))
			fail_msg("%s: first \"%s\", then \"%s\"", paths[at], last[at], route);
		changes += last[at][0] != 0;
		strcpy(last[at], route);
	}
	print_message("%u of 100000 had a route; %u times one changed\n", given, changes);
	assert_true(given > 90000);
	assert_true(changes < 200); /* two in a thousand */
}

static unsigned templates_of_order(unsigned seed, char (*paths)[128], unsigned count, struct buffer *list)
{
	end(NULL);
	assert_int_equal(begin(NULL), 0);
	srandom(seed);
	for (unsigned i = count - 1; i > 0; i--) {
		unsigned k = (unsigned)random() % (i + 1);
		char swap[128];
		memcpy(swap, paths[i], 128);
		memcpy(paths[i], paths[k], 128);
		memcpy(paths[k], swap, 128);
	}
	for (unsigned i = 0; i < count; i++)
		ask(routes,
		    &(struct ask){.host = "api.example", .path = paths[i], .client = i % 500, .status = 200},
		    route);
	rig_list(routes, list);
	return 0;
}

/*
 * The same requests in another order give the same templates. It is certain for values and for words that are
 * met often; a place with names goes over to them at another moment, which decides about words that are
 * nearly as common as a quarter there. None of these is in this stream.
 */
static void the_order_of_requests_makes_no_difference(void **state)
{
	enum { COUNT = 5000, ORDERS = 200 };
	static char paths[COUNT][128];
	struct buffer first = BUFFER_INIT(1 << 20), other = BUFFER_INIT(1 << 20);
	unsigned differ = 0;

	(void)state;
	srandom(23);
	for (unsigned i = 0; i < COUNT; i++)
		stream_path(i, paths[i]);
	templates_of_order(1, paths, COUNT, &first);
	for (unsigned seed = 2; seed < 2 + ORDERS; seed++) {
		buffer_reset(&other);
		templates_of_order(seed, paths, COUNT, &other);
		if (strcmp(first.data, other.data) != 0) {
			if (!differ)
				print_message("%s--- but then\n%s", first.data, other.data);
			differ++;
		}
	}
	print_message("%u of %u orders gave other templates than\n%s", differ, ORDERS, first.data);
	assert_int_equal(differ, 0);
	buffer_free(&first);
	buffer_free(&other);
}

/* --- over a restart --- */

static void what_was_learned_is_there_again(void **state)
{
	struct buffer saved = BUFFER_INIT(1 << 20), again = BUFFER_INIT(1 << 20),
		      before = BUFFER_INIT(1 << 20), after = BUFFER_INIT(1 << 20);
	char path[128];
	unsigned line;

	(void)state;
	srandom(29);
	for (unsigned i = 0; i < 5000; i++) {
		stream_path(i, path);
		ask(routes,
		    &(struct ask){.host = "api.example", .path = path, .client = i % 500, .status = 200},
		    route);
	}
	rig_list(routes, &before);
	assert_int_equal(routes_save(routes, &saved), 0);
	end(NULL);
	assert_int_equal(begin(NULL), 0);
	assert_int_equal(routes_load(routes, buffer_span(&saved), RIG_WALL_NS, &line), 0);
	rig_list(routes, &after);
	assert_string_equal(before.data, after.data);
	/* With the first request, and names are still names. */
	expect_route("/api/v1/users/7", "/api/v1/users/{id}");
	expect_route("/people/somebody", "/people/{name}");
	expect_route("/people/me/settings", "/people/me/settings");
	assert_int_equal(routes_save(routes, &again), 0);
	assert_int_equal(saved.len, again.len);
	/* The answers 404 above were counted: all else is as it was. */
	end(NULL);
	assert_int_equal(begin(NULL), 0);
	/* Long not asked for: forgotten. */
	assert_int_equal(routes_load(routes, buffer_span(&saved),
				     RIG_WALL_NS + (ROUTES_FORGET_S + 1) * NS_PER_S, &line),
			 0);
	expect_list("");
	buffer_free(&saved);
	buffer_free(&again);
	buffer_free(&before);
	buffer_free(&after);
}

#define SKETCH64                                                                                             \
	"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000" \
	"000000000000000000000000000000"
#define HEADER  "picket-routes 1\nsecret\t0123456789abcdef\n"
#define NUMBERS "\t7\t0\t0\t7\t0\t0\t0\t1700000000000000000\t1700000000000000000\t" SKETCH64

/* What a flood has left goes at the next start, a day later; what is used stays. */
static void a_crowd_is_thinned_out(void **state)
{
	struct buffer saved = BUFFER_INIT(16 << 20);
	char path[256];
	unsigned line;

	(void)state;
	send_many("/api/v1/users/%u", 100, 200);
	for (unsigned i = 0; i < 7000; i++) {
		snprintf(path, sizeof path, "/%s/%s/%s", names[i % 20], names[i / 20 % 20],
			 names[i / 400 % 20]);
		for (unsigned n = 0; n < 12; n++)
			ask(routes,
			    &(struct ask){.host = "api.example", .path = path, .client = n, .status = 200},
			    route);
	}
	assert_true(routes_counts(routes).routes > ROUTES_MAX / 4 * 3);
	assert_int_equal(routes_save(routes, &saved), 0);
	end(NULL);
	assert_int_equal(begin(NULL), 0);
	assert_int_equal(routes_load(routes, buffer_span(&saved), RIG_WALL_NS + 3600 * NS_PER_S, &line), 0);
	assert_true(routes_counts(routes).routes > ROUTES_MAX / 4 * 3);
	end(NULL);
	assert_int_equal(begin(NULL), 0);
	assert_int_equal(routes_load(routes, buffer_span(&saved), RIG_WALL_NS + 90000 * NS_PER_S, &line), 0);
	expect_list("GET api.example /api/v1/users/{id}\n");
	buffer_free(&saved);
}

/* Also with the hosts of one start and those of the next together. */
static void hosts_are_bounded_over_restarts(void **state)
{
	struct buffer saved = BUFFER_INIT(1 << 20);
	char host[64];
	unsigned line;

	(void)state;
	for (unsigned i = 0; i < 2 * ROUTES_HOSTS_MAX; i++) {
		if (i == ROUTES_HOSTS_MAX - 1) { /* all but the one for further hosts */
			assert_int_equal(routes_save(routes, &saved), 0);
			end(NULL);
			assert_int_equal(begin(NULL), 0);
			assert_int_equal(routes_load(routes, buffer_span(&saved), RIG_WALL_NS, &line), 0);
			buffer_reset(&saved);
		}
		snprintf(host, sizeof host, "h%u.example", i);
		for (unsigned n = 0; n < 12; n++)
			ask(routes, &(struct ask){.host = host, .path = "/x", .client = n, .status = 200},
			    route);
	}
	assert_int_equal(routes_counts(routes).hosts, ROUTES_HOSTS_MAX);
	ask(routes, &(struct ask){.host = "unheard.example", .path = "/x", .status = 404}, route);
	assert_string_equal(route, "/x");
	assert_int_equal(routes_save(routes, &saved), 0);
	end(NULL);
	assert_int_equal(begin(NULL), 0);
	assert_int_equal(routes_load(routes, buffer_span(&saved), RIG_WALL_NS, &line), 0);
	assert_int_equal(routes_counts(routes).hosts, ROUTES_HOSTS_MAX);
	buffer_free(&saved);
}

/* What finds no room is left out, and nothing else. */
static void a_full_state_is_loaded_as_far_as_there_is_room(void **state)
{
	struct buffer text = BUFFER_INIT(4 << 20);
	char path[128];
	unsigned line;

	(void)state;
	buffer_append_text(&text, HEADER "names\ta\t\t{name}\n");
	for (unsigned i = 0; i < ROUTES_NODES_MAX / 2; i++) {
		word_path("", i, path);
		buffer_printf(&text, "route\ta\tGET\t%s/%s" NUMBERS "\n", path, path + 1);
	}
	buffer_printf(&text, "end\t%u\n", 3 + ROUTES_NODES_MAX / 2);
	assert_int_equal(routes_load(routes, buffer_span(&text), RIG_WALL_NS, &line), 0);
	struct routes_counts counts = routes_counts(routes);
	assert_int_equal(counts.nodes, ROUTES_NODES_MAX);
	assert_int_equal(counts.routes,
			 ROUTES_NODES_MAX / 2 - 1); /* two nodes each, and the host and its names */
	assert_int_equal(counts.refused, 1);
	buffer_free(&text);
}

/* Its host and its place for names as well: they take up room that others may need. */
static void of_what_is_forgotten_nothing_stays(void **state)
{
	struct buffer saved = BUFFER_INIT(1 << 20);
	unsigned line;

	(void)state;
	buffer_append_text(&saved, HEADER
			   "names\tgone.example\t/users\t{name}\n"
			   "names\tgone.example\t/users/{name}/posts\t{id}\n"
			   "names\tkept.example\t/users\t{name}\n"
			   "names\tkept.example\t/groups\t{name}\n"
			   "route\tgone.example\tGET\t/users/{name}\t7\t0\t0\t7\t0\t0\t0\t1\t1\t" SKETCH64
			   "\nroute\tkept.example\tGET\t/users" NUMBERS "\nend\t8\n");
	assert_int_equal(routes_load(routes, buffer_span(&saved), RIG_WALL_NS, &line), 0);
	assert_int_equal(routes_counts(routes).hosts, 1);
	assert_int_equal(routes_counts(routes).nodes, 3); /* kept.example, /users, and its names */
	expect_list("GET kept.example /users\n");
	for (unsigned i = 0; i < 12; i++)
		ask(routes, &(struct ask){.host = "kept.example", .path = user(i, ""), .status = 200}, route);
	assert_string_equal(route, "/users/{name}");
	buffer_free(&saved);
}

static void what_could_not_have_been_learned_is_not_loaded(void **state)
{
	static const struct {
		const char *text;
		unsigned line; /* of the fault; 0: none */
	} cases[] = {
		{HEADER "end\t2\n", 0},
		{HEADER "route\tapi.example\tGET\t/users/{id}" NUMBERS "\nend\t3\n", 0},
		{HEADER "names\tapi.example\t/users\t{name}\nroute\tapi.example\tGET\t/users/{name}" NUMBERS
			"\nend\t4\n",
		 0},
		{HEADER "route\t\tGET\t/" NUMBERS "\nend\t3\n", 0},
		{"", 0 + 1000},
		{"picket-routes 2\n", 1},
		{"picket-routes 1\nsecret\txyz\n", 2},
		{HEADER, 2 + 1000},
		{HEADER "end\t3\n", 3},
		{HEADER "end\t2\nmore\n", 3 + 1000},
		{HEADER "route\tapi.example\tGET\t/users/{userId}" NUMBERS "\nend\t3\n", 3},
		{HEADER "route\tapi.example\tGET\t/reset/aGVsbG8xMjM0NTY3ODkw" NUMBERS "\nend\t3\n", 3},
		{HEADER "route\tapi.example\tGET\tusers" NUMBERS "\nend\t3\n", 3},
		{HEADER "route\tapi.example\tget\t/users" NUMBERS "\nend\t3\n", 3},
		{HEADER "route\tAPI example\tGET\t/users" NUMBERS "\nend\t3\n", 3},
		{HEADER "route\ta\tGET\t/users" NUMBERS "\nroute\ta\tGET\t/users" NUMBERS "\nend\t4\n", 4},
		{HEADER "route\ta\tGET\t/users\t7\nend\t3\n", 3},
		{HEADER "names\ta\t/users\t{date}\nend\t3\n", 3},
		{HEADER "surprise\nend\t3\n", 3},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned line = 0;
		end(NULL);
		assert_int_equal(begin(NULL), 0);
		int r = routes_load(routes, span_from(cases[i].text), RIG_WALL_NS, &line);
		if (r != (cases[i].line ? ROUTES_E_FORMAT : 0) ||
		    (cases[i].line && cases[i].line < 1000 && line != cases[i].line))
			fail_msg("case %zu: %d in line %u", i, r, line);
		if (cases[i].line)
			expect_list("");
	}
	/* And the rest works as if nothing had been. */
	send_many("/items/%u", 10, 200);
	expect_list("GET api.example /items/{id}\n");
}

/* --- with an OpenAPI file --- */

static void what_is_not_described_is_marked(void **state)
{
	char text[] = "openapi: 3.1.0\npaths:\n  /items/{itemId}: {get: {}, put: {}}\n  /never: {get: {}}\n";
	struct buffer errors = BUFFER_INIT(4096), saved = BUFFER_INIT(65536);
	struct operations *o = NULL;
	struct route_info page[8];
	uint32_t cursor = 0;
	unsigned line;

	(void)state;
	end(NULL);
	assert_int_equal(openapi_parse(text, sizeof text - 1, "a", &o, &errors), 0);
	assert_int_equal(routes_new(o, &routes), 0);
	send_many("/items/%u", 3, 200);
	assert_string_equal(route, "/items/{itemId}");
	ask(routes,
	    &(struct ask){.host = "api.example", .method = "DELETE", .path = "/items/9", .status = 405},
	    route);
	assert_string_equal(route, "!/items/{itemId}");
	ask(routes,
	    &(struct ask){.host = "api.example", .method = "PATCH", .path = "/items/9", .status = 200},
	    route);
	assert_string_equal(route, "!/items/{itemId}");
	expect_route("/shadow/7", "!");
	send_many("/shadow/%u", 12, 200);
	expect_route("/shadow/7", "!/shadow/{id}");
	expect_list("GET  /items/{itemId}\nGET api.example /shadow/{id}\nPATCH  /items/{itemId}\n");
	size_t n = routes_list(routes, &cursor, page, ARRAY_SIZE(page));
	assert_int_equal(n, 5); /* with PUT, and that which nobody asked for */
	for (size_t i = 0; i < n; i++) {
		bool described =
			strcmp(page[i].route, "/never") == 0 || page[i].method == METHOD_PUT ||
			(strcmp(page[i].route, "/items/{itemId}") == 0 && page[i].method == METHOD_GET);
		assert_int_equal(page[i].documented, described ? DOCUMENTED_YES : DOCUMENTED_NO);
	}
	assert_int_equal(routes_save(routes, &saved), 0);
	routes_free(routes);
	assert_int_equal(routes_new(o, &routes), 0);
	assert_int_equal(routes_load(routes, buffer_span(&saved), RIG_WALL_NS, &line), 0);
	expect_list("GET  /items/{itemId}\nGET api.example /shadow/{id}\nPATCH  /items/{itemId}\n");
	routes_free(routes);
	routes = NULL;
	operations_free(o);
	buffer_free(&errors);
	buffer_free(&saved);
}

/* A raw letter in the query is no way around a detection that asks for what is not described. */
static void damage_hides_nothing_from_the_description(void **state)
{
	static const struct {
		const char *path;
		uint32_t deviations;
		enum documented expected;
	} cases[] = {
		{"/debug/vars", HTTP_DEV_BAD_TARGET, DOCUMENTED_NO},
		{"/debug/vars", HTTP_DEV_NO_VERSION, DOCUMENTED_NO},
		{"/items/7", HTTP_DEV_BAD_TARGET, DOCUMENTED_YES},
		{"/items/7", HTTP_DEV_BAD_TARGET | HTTP_DEV_AFTER_GAP, DOCUMENTED_UNKNOWN},
		{"/debug/vars", HTTP_DEV_IN_BODY, DOCUMENTED_UNKNOWN},
	};
	char text[] = "openapi: 3.1.0\npaths:\n  /items/{itemId}: {get: {}}\n";
	struct buffer errors = BUFFER_INIT(4096);
	struct operations *o = NULL;

	(void)state;
	end(NULL);
	assert_int_equal(openapi_parse(text, sizeof text - 1, "a", &o, &errors), 0);
	assert_int_equal(routes_new(o, &routes), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct event *e =
			ask_event(&(struct ask){.host = "api.example", .path = cases[i].path, .status = 200});
		e->request.deviations = cases[i].deviations;
		routes_find(routes, e->request.path, e);
		assert_int_equal(e->request.documented, cases[i].expected);
		routes_note(routes, e);
		event_unref(e);
	}
	expect_list("GET  /items/{itemId}\n");
	assert_int_equal(routes_counts(routes).unfit, 4);
	end(NULL);
	operations_free(o);
	buffer_free(&errors);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(templates_are_learned_with_the_tenth_request),
		STORY(the_request_that_proves_a_route_shows_it),
		STORY(each_value_has_its_place),
		STORY(what_the_server_does_not_know_is_no_route),
		STORY(scanners_leave_no_routes),
		STORY(refused_words_make_no_names),
		STORY(refused_words_push_nothing_out),
		STORY(requests_without_an_answer_prove_nothing_where_others_have_one),
		STORY(without_answers_one_scanner_makes_no_names),
		STORY(words_that_keep_being_new_are_names),
		STORY(words_beside_many_ids_are_ids),
		STORY(a_wide_service_keeps_its_words),
		STORY(merging_takes_along_what_is_below),
		STORY(methods_and_hosts_are_apart),
		STORY(a_route_is_counted),
		STORY(clients_are_estimated),
		STORY(damaged_requests_teach_nothing),
		STORY(secrets_are_in_no_template),
		STORY(floods_leave_what_is_established),
		STORY(one_client_does_not_fill_everything),
		STORY(places_of_one_path_that_share_a_set_are_learned),
		STORY(ceilings_hold),
		STORY(a_path_never_gets_a_less_general_template),
		STORY(the_order_of_requests_makes_no_difference),
		STORY(what_was_learned_is_there_again),
		STORY(a_crowd_is_thinned_out),
		STORY(hosts_are_bounded_over_restarts),
		STORY(of_what_is_forgotten_nothing_stays),
		STORY(a_full_state_is_loaded_as_far_as_there_is_room),
		STORY(what_could_not_have_been_learned_is_not_loaded),
		STORY(what_is_not_described_is_marked),
		STORY(damage_hides_nothing_from_the_description),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
