// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "lib/event.h"
#include "lib/util.h"

static void spans_point_into_the_tail_and_stay(void **state)
{
	char outside[] = "GET /a HTTP/1.1";
	struct event *e = event_new(EVENT_HTTP_REQUEST, 16);

	(void)state;
	e->request.method = event_tail_copy(e, (struct span){outside, 3});
	e->request.target = event_tail_copy(e, (struct span){outside + 4, 2});
	e->request.host = event_tail_copy(e, SPAN_NULL);
	memset(outside, 'x', sizeof outside);
	assert_true(span_equal(e->request.method, SPAN("GET")));
	assert_true(span_equal(e->request.target, SPAN("/a")));
	assert_int_equal(e->request.host.len, 0);
	assert_true(e->request.method.ptr >= (char *)(&e->request + 1));
	assert_true(e->request.target.ptr + 2 <= (char *)e + e->size);
	event_unref(e);
}

static void tail_may_be_used_to_the_last_byte(void **state)
{
	struct event *e = event_new(EVENT_LOSS, 5);

	(void)state;
	event_tail_copy(e, SPAN("abc"));
	assert_true(span_equal(event_tail_copy(e, SPAN("de")), SPAN("de")));
	assert_int_equal(e->tail_used, 5);
	event_unref(e);
}

static void arrays_in_the_tail_are_aligned_and_zero(void **state)
{
	(void)state;
	for (size_t before = 0; before < 9; before++) {
		struct event *e =
			event_new(EVENT_HTTP_REQUEST, before + 8 + 3 * sizeof(struct event_header) + 1);
		event_tail_copy(e, (struct span){"ABCDEFGHI", before});
		e->request.headers = event_tail_alloc(e, 3 * sizeof(struct event_header));
		assert_int_equal((uintptr_t)e->request.headers % 8, 0);
		for (int i = 0; i < 3; i++) {
			assert_null(e->request.headers[i].name.ptr);
			assert_int_equal(e->request.headers[i].value.len, 0);
		}
		assert_true(span_equal(event_tail_copy(e, SPAN("z")), SPAN("z")));
		event_unref(e);
	}
}

/* The child's status, after it has run body. */
static int in_a_child(void (*body)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		signal(SIGABRT, SIG_DFL);
		fclose(stderr);
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void copy_too_much(void)
{
	struct event *e = event_new(EVENT_LOSS, 4);

	event_tail_copy(e, SPAN("abc"));
	event_tail_copy(e, SPAN("de"));
}

static void alloc_too_much(void)
{
	struct event *e = event_new(EVENT_LOSS, 16);

	event_tail_copy(e, SPAN("a"));
	event_tail_alloc(e, 16); /* would fit, were it not aligned */
}

static void tail_that_is_too_small_stops_the_process(void **state)
{
	int copy = in_a_child(copy_too_much), alloc = in_a_child(alloc_too_much);

	(void)state;
	assert_true(WIFSIGNALED(copy) && WTERMSIG(copy) == SIGABRT);
	assert_true(WIFSIGNALED(alloc) && WTERMSIG(alloc) == SIGABRT);
}

#define HOLDERS 4
#define TURNS   20000

static void *hold_and_release(void *arg)
{
	struct event *e = arg;

	for (int i = 0; i < TURNS; i++)
		event_unref(event_ref(e));
	event_unref(e);
	return NULL;
}

static void event_lives_until_the_last_holder_lets_go(void **state)
{
	struct event *e = event_new(EVENT_LOSS, 3);
	pthread_t threads[HOLDERS];

	(void)state;
	struct span kept = event_tail_copy(e, SPAN("abc"));
	for (int i = 0; i < HOLDERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hold_and_release, event_ref(e)), 0);
	for (int i = 0; i < HOLDERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(e->refs, 1);
	assert_memory_equal(kept.ptr, "abc", 3);
	event_unref(e);
	event_unref(NULL);
}

static void ids_rise_and_carry_the_run(void **state)
{
	struct event *a = event_new(EVENT_LOSS, 0), *b = event_new(EVENT_LOSS, 0);
	char text[EVENT_ID_TEXT_MAX], expected[EVENT_ID_TEXT_MAX];

	(void)state;
	assert_true(b->id > a->id);
	assert_int_equal(strlen(event_run_id()), 16);
	assert_int_equal(strspn(event_run_id(), "0123456789abcdef"), 16);
	assert_string_equal(event_run_id(), event_run_id());
	snprintf(expected, sizeof expected, "%s-%llu", event_run_id(), (unsigned long long)a->id);
	assert_string_equal(event_id_format(a, text), expected);
	a->id = UINT64_MAX;
	assert_int_equal(strlen(event_id_format(a, text)), 37);
	event_unref(a);
	event_unref(b);
}

static char parent_run[17];

static void compare_run(void)
{
	struct event *e = event_new(EVENT_LOSS, 0);

	_exit(strcmp(event_run_id(), parent_run) != 0 && e->id == 1 ? 0 : 1);
}

static void forked_child_is_another_run(void **state)
{
	(void)state;
	snprintf(parent_run, sizeof parent_run, "%s", event_run_id());
	int status = in_a_child(compare_run);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_string_equal(event_run_id(), parent_run);
}

static void kind_names_read_back(void **state)
{
	enum event_kind kind;

	(void)state;
	for (unsigned k = 1; k < EVENT_KIND_MAX; k++) {
		assert_int_equal(event_kind_parse(span_from(event_kind_name(k)), &kind), 0);
		assert_int_equal(kind, k);
	}
	assert_string_equal(event_kind_name(EVENT_HTTP_REQUEST), "http.request");
	assert_string_equal(event_kind_name(EVENT_DECISION), "picket.decision");
	assert_int_equal(event_kind_parse(SPAN("http"), &kind), 1);
	assert_int_equal(event_kind_parse(SPAN_NULL, &kind), 1);
	assert_string_equal(event_kind_name(0), "unknown");
	assert_string_equal(event_kind_name(EVENT_KIND_MAX), "unknown");
}

static void every_deviation_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HTTP_DEV_BITS; i++) {
		const char *name = http_deviation_name(1u << i);
		assert_string_not_equal(name, "unknown");
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(name, http_deviation_name(1u << k));
	}
	assert_string_equal(http_deviation_name(1u << HTTP_DEV_BITS), "unknown");
}

/* Several may share one, but then they stand side by side: whoever emits them tells each once. */
static void every_deviation_has_a_name_as_an_anomaly(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HTTP_DEV_BITS; i++) {
		const char *name = http_anomaly_name(1u << i);
		assert_string_not_equal(name, "unknown");
		for (unsigned k = 0; k + 1 < i; k++)
			assert_ptr_not_equal(name, http_anomaly_name(1u << k));
	}
	assert_string_equal(http_anomaly_name(HTTP_DEV_NO_HOST), "http_missing_host_header");
	assert_ptr_equal(http_anomaly_name(HTTP_DEV_SPACE_BEFORE_COLON),
			 http_anomaly_name(HTTP_DEV_BAD_HEADER_NAME));
	assert_string_equal(http_anomaly_name(HTTP_DEV_BARE_LF), "bare_lf");
}

static void outcomes_and_sources_have_names(void **state)
{
	(void)state;
	assert_string_equal(decision_outcome_name(DECISION_BLOCKED), "blocked");
	assert_string_equal(decision_outcome_name(DECISION_WOULD_BLOCK), "would_block");
	assert_string_equal(decision_outcome_name(DECISION_EXPIRED), "expired");
	assert_string_equal(verdict_source_name(VERDICT_OPERATOR), "operator");
	assert_string_equal(verdict_source_name(VERDICT_GATEWAY), "gateway");
}

static void header_is_found_whatever_its_case(void **state)
{
	struct http_request r = {
		.headers = {{SPAN("HOST"), SPAN("a")}, {SPAN("X-A"), SPAN("1")}, {SPAN("x-a"), SPAN("2")}},
		.header_count = 3,
	};

	(void)state;
	assert_true(span_equal(http_request_header(&r, "host"), SPAN("a")));
	assert_true(span_equal(http_request_header(&r, "x-a"), SPAN("1")));
	assert_null(http_request_header(&r, "x").ptr);
}

static void loss_event_keeps_its_own_text(void **state)
{
	char stage[] = "ring", kind[] = "data", source[] = "192.0.2.7";
	struct event *e = event_new_loss(stage, kind, 7, source, 11, 22);

	(void)state;
	memset(stage, 0, sizeof stage);
	memset(kind, 0, sizeof kind);
	memset(source, 0, sizeof source);
	assert_int_equal(e->kind, EVENT_LOSS);
	assert_true(span_equal(e->loss.stage, SPAN("ring")));
	assert_true(span_equal(e->loss.kind, SPAN("data")));
	assert_true(span_equal(e->loss.source, SPAN("192.0.2.7")));
	assert_int_equal(e->loss.count, 7);
	assert_int_equal(e->time_ns, 11);
	assert_int_equal(e->wall_ns, 22);
	event_unref(e);
	e = event_new_loss("share", "bytes", 1, NULL, 0, 0);
	assert_int_equal(e->loss.source.len, 0);
	event_unref(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_point_into_the_tail_and_stay),
		cmocka_unit_test(tail_may_be_used_to_the_last_byte),
		cmocka_unit_test(arrays_in_the_tail_are_aligned_and_zero),
		cmocka_unit_test(tail_that_is_too_small_stops_the_process),
		cmocka_unit_test(event_lives_until_the_last_holder_lets_go),
		cmocka_unit_test(ids_rise_and_carry_the_run),
		cmocka_unit_test(forked_child_is_another_run),
		cmocka_unit_test(kind_names_read_back),
		cmocka_unit_test(every_deviation_has_a_name_of_its_own),
		cmocka_unit_test(every_deviation_has_a_name_as_an_anomaly),
		cmocka_unit_test(outcomes_and_sources_have_names),
		cmocka_unit_test(header_is_found_whatever_its_case),
		cmocka_unit_test(loss_event_keeps_its_own_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
