// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"
#include "sensor/top.h"

#define SOURCES 30

/* Nothing here asks a daemon. */
int cli_fail(int code, const char *command, const char *format, ...)
{
	(void)command;
	(void)format;
	return code;
}

static struct top t;
static struct top_view view;

static int start(void **state)
{
	(void)state;
	t = (struct top){
		.now = {.at_ns = 3 * NS_PER_S,
			.status = cJSON_Parse("{\"version\":\"1\",\"instance\":\"a\",\"mode\":\"observe\","
					      "\"capture\":{\"requests\":130},"
					      "\"accounting\":{\"stages\":[{\"stage\":\"ring\",\"kind\":"
					      "\"requests\",\"held\":2,\"lost\":0}]},"
					      "\"gateways\":[{\"name\":\"x\",\"state\":\"idle\"}]}"),
			.blocks = cJSON_Parse(
				"{\"blocks\":[{\"target\":\"10.0.0.0/31\",\"action\":\"block\"}]}"),
			.pending = cJSON_Parse("{\"pending\":[{\"target\":\"10.0.0.3\"}]}"),
			.proxies = cJSON_Parse("{\"peers\":[{\"address\":\"10.0.0.4\",\"class\":\"trusted\"},"
					       "{\"address\":\"10.0.0.5\",\"class\":\"unclassified\"}]}")},
		.before = {.at_ns = NS_PER_S, .status = cJSON_Parse("{\"capture\":{\"requests\":100}}")},
		.routes = calloc(1, sizeof *t.routes),
		.sources = calloc(SOURCES, sizeof *t.sources),
		.route_count = 1,
		.source_count = SOURCES,
	};
	t.routes[0] = (struct top_route){"GET", "/users/{id}", "h", 1234, 12, 15};
	for (unsigned i = 0; i < SOURCES; i++) {
		struct top_source *s = &t.sources[i];

		snprintf(s->address, sizeof s->address, "10.0.0.%u", i);
		snprintf(s->last, sizeof s->last, "GET /%u", i);
		s->requests = 100 - i;
		s->refused = i == 7 ? s->requests : 0;
		s->rate = s->requests / (double)TOP_WINDOW_S;
	}
	view = (struct top_view){.rows = 23, .columns = 80};
	return 0;
}

static int stop(void **state)
{
	(void)state;
	top_free(&t);
	return 0;
}

/* --- a frame --- */

static char frame[65536];
static unsigned lines, alerts;
static char selected[256];

static void put(void *arg, enum top_look look, struct span line)
{
	const struct top_view *v = arg;

	assert_true(!v->columns || line.len <= v->columns);
	for (size_t i = 0; i < line.len; i++)
		assert_true(line.ptr[i] >= 0x20 && line.ptr[i] < 0x7f);
	snprintf(frame + strlen(frame), sizeof frame - strlen(frame), "%.*s\n", (int)line.len, line.ptr);
	if (look == TOP_SELECTED)
		snprintf(selected, sizeof selected, "%.*s", (int)line.len, line.ptr);
	alerts += look == TOP_ALERT;
	lines++;
}

static void draw(void)
{
	frame[0] = selected[0] = 0;
	lines = alerts = 0;
	top_draw(&t, &view, put, &view);
}

static void says(const char *part)
{
	if (!strstr(frame, part))
		fail_msg("no \"%s\" in:\n%s", part, frame);
}

static void says_not(const char *part)
{
	if (strstr(frame, part))
		fail_msg("\"%s\" in:\n%s", part, frame);
}

static void a_frame_fills_the_screen_and_no_more(void **state)
{
	(void)state;
	draw();
	assert_int_equal(lines, 23);
	says("picket 1, instance a, up 0s, mode observe\n");
	says("requests 15/s");
	says("requests 2 held 0 lost");
	says("gateways x idle");
	says("     15      1%       1234 GET     /users/{id} h\n");
	says("10.0.0.13 ");
	says_not("10.0.0.14 ");
	for (view.rows = 1; view.rows < 60; view.rows++)
		for (view.columns = 1; view.columns < 100; view.columns += 7) {
			draw();
			assert_true(lines <= MAX(view.rows, 8u));
		}
}

static void rows_that_a_list_does_not_need_go_to_the_others(void **state)
{
	(void)state;
	t.source_count = 3;
	draw();
	assert_int_equal(lines, 5 + 3 + 3 + 1);
	t.source_count = SOURCES;
	view.rows = 0;
	draw();
	says("10.0.0.29 ");
}

static void outside_bytes_are_shown_as_escapes(void **state)
{
	(void)state;
	t.routes[0].route = "/\x1b[2J\r\n\xff\xe2\x80\xae\\";
	snprintf(t.sources[0].last, sizeof t.sources[0].last, "GET /\x9b\x07");
	view.columns = 0;
	draw();
	says("/\\x1b[2J\\x0d\\x0a\\xff\\xe2\\x80\\xae\\x5c");
	says("GET /\\x9b\\x07");
}

static void a_source_has_the_status_that_covers_it(void **state)
{
	(void)state;
	draw();
	says("10.0.0.1        blocked");
	says("10.0.0.3        pending");
	says("10.0.0.4        trusted proxy");
	says("10.0.0.5        proxy?");
	says("10.0.0.6                      GET /6");
}

static void the_selection_stays_with_its_source(void **state)
{
	(void)state;
	top_sort(&t, TOP_BY_RATE);
	top_select(&t, &view, 0);
	assert_string_equal(view.selected, "10.0.0.0");
	top_select(&t, &view, -1);
	assert_string_equal(view.selected, "10.0.0.0");
	for (int i = 0; i < 20; i++)
		top_select(&t, &view, 1);
	assert_string_equal(view.selected, "10.0.0.20");
	draw(); /* it is scrolled to */
	assert_non_null(strstr(selected, "10.0.0.20"));
	top_sort(&t, TOP_BY_NAME);
	draw();
	assert_non_null(strstr(selected, "10.0.0.20"));
	for (int i = 0; i < 40; i++)
		top_select(&t, &view, 1);
	assert_string_equal(view.selected, "10.0.0.9");
	t.source_count = 0;
	top_select(&t, &view, 0);
	assert_string_equal(view.selected, "");
	draw();
	t.source_count = SOURCES;
}

static void the_refused_come_first_where_that_is_asked_for(void **state)
{
	(void)state;
	top_sort(&t, TOP_BY_REFUSED);
	assert_string_equal(t.sources[0].address, "10.0.0.7");
	top_sort(&t, TOP_BY_RATE);
	assert_string_equal(t.sources[0].address, "10.0.0.0");
}

static void what_needs_attention_is_an_alert(void **state)
{
	(void)state;
	draw();
	assert_int_equal(alerts, 0);
	cJSON_Delete(t.now.status);
	t.now.status = cJSON_Parse(
		"{\"kill_switch\":true,\"gateways\":[{\"name\":\"x\",\"state\":\"failed\"}],"
		"\"accounting\":{\"stages\":[{\"stage\":\"ring\",\"kind\":\"headers\",\"lost\":1}]}}");
	draw();
	assert_int_equal(alerts, 3);
	says("KILL SWITCH ON");
}

static void what_programs_cost_is_shown_or_why_not(void **state)
{
	(void)state;
	t.programs = (struct top_programs){.items = {{"pk_tc", 10, 100, 5, 212.4}, {"pk_data", 0, 0, 0, 0}},
					   .count = 2};
	draw();
	says("kernel   tc 212 ns  data -\n");
	t.programs.state = TOP_PROGRAMS_UNCOUNTED;
	draw();
	says("kernel.bpf_stats_enabled=1");
	t.programs.state = TOP_PROGRAMS_DENIED;
	draw();
	says("root only");
}

static void a_rate_is_unknown_at_the_first_look(void **state)
{
	(void)state;
	assert_true(top_rate(&t, "capture.requests") == 15);
	t.before.at_ns = 0;
	assert_true(top_rate(&t, "capture.requests") < 0);
	draw();
	says("requests -  ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_frame_fills_the_screen_and_no_more),
		TEST(rows_that_a_list_does_not_need_go_to_the_others),
		TEST(outside_bytes_are_shown_as_escapes),
		TEST(a_source_has_the_status_that_covers_it),
		TEST(the_selection_stays_with_its_source),
		TEST(the_refused_come_first_where_that_is_asked_for),
		TEST(what_needs_attention_is_an_alert),
		TEST(what_programs_cost_is_shown_or_why_not),
		TEST(a_rate_is_unknown_at_the_first_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
