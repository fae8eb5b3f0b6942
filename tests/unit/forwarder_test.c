// SPDX-License-Identifier: Apache-2.0
/* The forwarder against a real HTTP server on loopback: delivery, failures, answers, configuration. */
#include "lib/util.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <cmocka.h>
#include <zstd.h>
#include "forwarder/forwarder.h"
#include "forwarder_rig.h"
#include "gateway_stub.h"
#include "lib/json_read.h"

#define VERDICT                                                                                             \
	"{\"verdicts\":[{\"id\":\"v-1\",\"action\":\"block\",\"target\":{\"scope\":\"ip\",\"value\":\"192." \
	"0.2.7\"},"                                                                                         \
	"\"ttl_s\":900,\"confidence\":0.9}]}"

static const struct stub_reply accepted = {.status = 204};

static char dead_name[] = "dead", dead_url[] = "http://127.0.0.1:1/";

/* --- delivery --- */

static void test_delivery_by_size(void **state)
{
	struct stub *s = stub_start(0, &accepted, 1);
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig.gateways[0].batch_events = 10;
	rig.gateways[0].linger_ms = 3600 * 1000;
	rig_start(&rig);
	push(&rig, 9);
	run_for(&rig, 100);
	assert_int_equal(stub_count(s), 0);
	push(&rig, 1);
	run_until(&rig, batches_delivered, 1);
	assert_int_equal(stub_request(s, 0)->events, 10);
	assert_int_equal(counts(&rig).events, 10);
	assert_int_equal(counts(&rig).events_held, 0);
	assert_int_equal(counts(&rig).bytes, stub_request(s, 0)->len);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_delivery_by_bytes(void **state)
{
	struct stub *s = stub_start(0, &accepted, 1);
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig.gateways[0].batch_bytes = 2000;
	rig_start(&rig);
	push(&rig, 50);
	run_until(&rig, batches_delivered, 2);
	forwarder_flush(rig.f, 5000);
	assert_int_equal(counts(&rig).events, 50);
	for (unsigned i = 0; i < stub_count(s); i++)
		assert_in_range(stub_request(s, i)->len, 1, 2000);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_delivery_by_age(void **state)
{
	struct stub *s = stub_start(0, &accepted, 1);
	struct rig rig;
	uint64_t start = now_ms();

	(void)state;
	rig_init(&rig, stub_port(s));
	rig.gateways[0].linger_ms = 150;
	rig_start(&rig);
	push(&rig, 3);
	run_until(&rig, batches_delivered, 1);
	assert_in_range(now_ms() - start, 150, 2000);
	assert_int_equal(stub_request(s, 0)->events, 3);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_a_compressed_batch(void **state)
{
	struct stub *s = stub_start(0, &accepted, 1);
	struct rig rig;
	char text[32], json[65536];

	(void)state;
	rig_init(&rig, stub_port(s));
	rig.gateways[0].compression = COMPRESSION_ZSTD;
	rig_start(&rig);
	push(&rig, 20);
	run_until(&rig, batches_delivered, 1);
	const struct stub_request *q = stub_request(s, 0);
	assert_string_equal(q->content_encoding, "zstd");
	snprintf(text, sizeof text, "%zu", q->len);
	assert_string_equal(q->content_length, text);
	size_t n = ZSTD_decompress(json, sizeof json, q->body, q->len);
	assert_false(ZSTD_isError(n));
	assert_true(q->len < n / 4);
	assert_int_equal(json[0], '[');
	assert_int_equal(json[n - 1], ']');
	assert_int_equal(counts(&rig).events, 20);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_what_a_request_looks_like(void **state)
{
	const struct json_limits limits = {1 << 20, 16, 10000};
	struct stub *s = stub_start(0, &accepted, 1);
	const struct stub_request *q;
	struct rig rig;
	char text[32];
	cJSON *json;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig_start(&rig);
	push(&rig, 2);
	run_until(&rig, batches_delivered, 1);
	q = stub_request(s, 0);
	assert_string_equal(q->content_type, "application/cloudevents-batch+json");
	snprintf(text, sizeof text, "%zu", q->len);
	assert_string_equal(q->content_length, text);
	assert_false(q->expect);
	assert_false(q->transfer_encoding);
	assert_string_equal(q->authorization, "");
	assert_string_equal(q->path, "/events");
	snprintf(text, sizeof text, "%s-main-1", event_run_id());
	assert_string_equal(q->key, text);
	assert_int_equal(json_parse((struct span){q->body, q->len}, &limits, &json, NULL), 0);
	assert_true(cJSON_IsArray(json));
	assert_int_equal(cJSON_GetArraySize(json), 2);
	assert_string_equal(json_get_text(cJSON_GetArrayItem(json, 0), "source"), "picket://test/default");
	cJSON_Delete(json);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_a_hundred_batches_over_one_connection(void **state)
{
	struct stub *s = stub_start(0, &accepted, 1);
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig.gateways[0].batch_events = 5;
	rig_start(&rig);
	for (unsigned i = 1; i <= 100; i++) {
		push(&rig, 5);
		run_until(&rig, batches_delivered, i);
	}
	assert_int_equal(counts(&rig).connections, 1);
	assert_int_equal(stub_connections(s), 1);
	assert_int_equal(stub_count(s), 100);
	for (unsigned i = 1; i < 100; i++) {
		assert_int_equal(stub_request(s, i)->client_port, stub_request(s, 0)->client_port);
		assert_string_not_equal(stub_request(s, i)->key, stub_request(s, i - 1)->key);
	}
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_one_request_in_flight(void **state)
{
	static const struct stub_reply slow = {.status = 204, .delay_ms = 100};
	struct stub *s = stub_start(0, &slow, 1);
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig.gateways[0].batch_events = 5;
	rig_start(&rig);
	push(&rig, 20);
	run_until(&rig, attempts_made, 1);
	run_for(&rig, 50);
	assert_int_equal(counts(&rig).attempts, 1);
	assert_string_equal(counts(&rig).state, "sending");
	run_until(&rig, batches_delivered, 4);
	assert_int_equal(stub_connections(s), 1);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_flush_sends_what_is_not_yet_due(void **state)
{
	struct stub *s = stub_start(0, &accepted, 1);
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig.gateways[0].linger_ms = 3600 * 1000;
	rig_start(&rig);
	push(&rig, 3);
	forwarder_flush(rig.f, 5000);
	assert_int_equal(counts(&rig).events, 3);
	assert_int_equal(counts(&rig).events_held, 0);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_flush_gives_up_in_time(void **state)
{
	struct rig rig;
	uint64_t start;

	(void)state;
	rig_init(&rig, 1); /* nobody listens there */
	rig_start(&rig);
	push(&rig, 3);
	start = now_ms();
	forwarder_flush(rig.f, 300);
	assert_in_range(now_ms() - start, 300, 2000);
	assert_int_equal(counts(&rig).events_held, 3);
	forwarder_free(rig.f);
}

static void test_the_environment_names_no_proxy(void **state)
{
	struct stub *s = stub_start(0, &accepted, 1);
	struct rig rig;

	(void)state;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	rig_init(&rig, stub_port(s));
	rig_start(&rig);
	push(&rig, 1);
	run_until(&rig, batches_delivered, 1);
	assert_int_equal(counts(&rig).retries, 0);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_wake_fd_ends_the_wait(void **state)
{
	int fd = eventfd(1, EFD_CLOEXEC);
	uint64_t start = now_ms();
	struct rig rig;

	(void)state;
	rig_init(&rig, 1);
	rig_start(&rig);
	assert_int_equal(forwarder_run(rig.f, fd, 5000), 0);
	assert_in_range(now_ms() - start, 0, 1000);
	forwarder_free(rig.f);
	close(fd);
}

static unsigned open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* A daemon makes it, forks, and its child closes every descriptor that it does not know. */
static void test_no_descriptor_is_opened_before_the_first_run(void **state)
{
	struct rig rig;
	unsigned before;

	(void)state;
	rig_init(&rig, 1);
	before = open_descriptors();
	rig_start(&rig);
	push(&rig, 1);
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(forwarder_run(rig.f, -1, 0), 0);
	assert_true(open_descriptors() > before);
	forwarder_free(rig.f);
	assert_int_equal(open_descriptors(), before);
}

static void test_local_has_no_wire(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, 1);
	rig.gateways[0].protocol = GATEWAY_LOCAL;
	rig.gateways[0].url = NULL;
	rig_start(&rig);
	push(&rig, 7);
	run_for(&rig, 30);
	assert_int_equal(counts(&rig).events_offered, 7);
	assert_int_equal(counts(&rig).events, 7);
	assert_int_equal(counts(&rig).attempts, 0);
	forwarder_free(rig.f);
}

static void test_a_dead_gateway_does_not_hold_up_another(void **state)
{
	struct stub *s = stub_start(0, &accepted, 1);
	struct gateway_counts c[2];
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig.gateways[1] = rig.gateways[0];
	rig.gateways[1].name = dead_name;
	rig.gateways[1].url = dead_url;
	rig.config.gateway_count = 2;
	rig_start(&rig);
	for (unsigned i = 1; i <= 5; i++) {
		push(&rig, 3);
		run_until(&rig, batches_delivered, i);
	}
	forwarder_counts(rig.f, c, 2);
	assert_int_equal(c[0].events, 15);
	assert_int_equal(c[1].events, 0);
	assert_int_equal(c[1].events_held, 15);
	forwarder_free(rig.f);
	stub_stop(s);
}

/* --- failures --- */

static void test_503_is_sent_again_under_the_same_key(void **state)
{
	static const struct stub_reply replies[] = {{.status = 503}, {.status = 500}, {.status = 204}};
	struct stub *s = stub_start(0, replies, ARRAY_SIZE(replies));
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig_start(&rig);
	push(&rig, 4);
	run_until(&rig, batches_delivered, 1);
	assert_int_equal(stub_count(s), 3);
	for (unsigned i = 1; i < 3; i++) {
		assert_string_equal(stub_request(s, i)->key, stub_request(s, 0)->key);
		assert_int_equal(stub_request(s, i)->len, stub_request(s, 0)->len);
		assert_memory_equal(stub_request(s, i)->body, stub_request(s, 0)->body,
				    stub_request(s, 0)->len);
	}
	assert_int_equal(counts(&rig).events, 4);
	assert_int_equal(counts(&rig).attempts, 3);
	assert_int_equal(counts(&rig).retries, 2);
	assert_string_equal(counts(&rig).last_error, "");
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_events_that_come_meanwhile_wait_for_their_own_batch(void **state)
{
	static const struct stub_reply replies[] = {{.status = 503}, {.status = 204}};
	struct stub *s = stub_start(0, replies, ARRAY_SIZE(replies));
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig_start(&rig);
	push(&rig, 4);
	run_until(&rig, backing_off, 0);
	push(&rig, 2);
	run_until(&rig, batches_delivered, 2);
	assert_int_equal(stub_request(s, 1)->events, 4);
	assert_string_equal(stub_request(s, 1)->key, stub_request(s, 0)->key);
	assert_int_equal(stub_request(s, 2)->events, 2);
	assert_string_not_equal(stub_request(s, 2)->key, stub_request(s, 0)->key);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_retry_after_is_honoured(void **state)
{
	static const struct stub_reply replies[] = {{.status = 429, .header = "Retry-After: 1"},
						    {.status = 204}};
	struct stub *s = stub_start(0, replies, ARRAY_SIZE(replies));
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig_start(&rig);
	push(&rig, 1);
	run_until(&rig, backing_off, 0);
	assert_int_equal(counts(&rig).last_status, 429);
	run_until(&rig, batches_delivered, 1);
	assert_in_range(stub_request(s, 1)->at_ns - stub_request(s, 0)->at_ns, NS_PER_S, 3 * NS_PER_S);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_redirect_is_not_followed(void **state)
{
	static const struct stub_reply replies[] = {{.status = 307, .header = "Location: /elsewhere"}};
	struct stub *s = stub_start(0, replies, ARRAY_SIZE(replies));
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig_start(&rig);
	push(&rig, 3);
	run_until(&rig, events_dropped, 3);
	run_for(&rig, 300);
	assert_int_equal(stub_count(s), 1);
	assert_string_equal(counts(&rig).state, "failed");
	assert_non_null(strstr(counts(&rig).last_error, "redirects are not followed"));
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_401_is_final_and_names_the_token(void **state)
{
	static const struct stub_reply replies[] = {{.status = 401}, {.status = 204}};
	struct stub *s = stub_start(0, replies, ARRAY_SIZE(replies));
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig_start(&rig);
	push(&rig, 3);
	run_until(&rig, events_dropped, 3);
	assert_string_equal(counts(&rig).state, "failed");
	assert_int_equal(counts(&rig).last_status, 401);
	assert_non_null(strstr(counts(&rig).last_error, "token_file"));
	/* The next batch is tried, under its own key. */
	push(&rig, 2);
	run_until(&rig, batches_delivered, 1);
	assert_int_equal(counts(&rig).events, 2);
	assert_int_equal(counts(&rig).events_dropped, 3);
	assert_int_equal(counts(&rig).retries, 0);
	assert_string_not_equal(stub_request(s, 1)->key, stub_request(s, 0)->key);
	run_for(&rig, 1100);
	assert_int_equal(rig.losses, 3);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_a_gateway_that_does_not_answer(void **state)
{
	static const struct stub_reply replies[] = {{.status = 204, .delay_ms = 600}, {.status = 204}};
	struct stub *s = stub_start(0, replies, ARRAY_SIZE(replies));
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig.gateways[0].timeout_ms = 200;
	rig_start(&rig);
	push(&rig, 1);
	run_until(&rig, backing_off, 0);
	assert_int_equal(counts(&rig).last_status, 0);
	assert_non_null(strstr(counts(&rig).last_error, "timed out"));
	run_until(&rig, batches_delivered, 1);
	assert_string_equal(stub_request(s, stub_count(s) - 1)->key, stub_request(s, 0)->key);
	forwarder_free(rig.f);
	stub_stop(s);
}

/* What a gateway gets can be captured before it answers; then it must be known already whose request that
 * was. */
static void test_an_own_request_is_known_before_its_answer(void **state)
{
	static const struct stub_reply slow = {.status = 204, .delay_ms = 300};
	struct stub *s = stub_start(0, &slow, 1);
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig_start(&rig);
	push(&rig, 1);
	while (stub_count(s) == 0)
		run_for(&rig, 5);
	assert_int_equal(counts(&rig).batches, 0);
	assert_true(forwarder_is_own(rig.f, stub_request(s, 0)->client_port, stub_port(s)));
	run_until(&rig, batches_delivered, 1);
	assert_true(forwarder_is_own(rig.f, stub_request(s, 0)->client_port, stub_port(s)));
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_gateway_down_then_up(void **state)
{
	struct stub *s = stub_start(0, &accepted, 1);
	uint16_t port = stub_port(s);
	struct rig rig;

	(void)state;
	stub_stop(s);
	rig_init(&rig, port);
	rig_start(&rig);
	push(&rig, 5);
	run_until(&rig, attempts_made, 2);
	run_until(&rig, backing_off, 0);
	assert_int_equal(counts(&rig).last_status, 0);
	assert_int_equal(counts(&rig).connections, 0);
	assert_true(strlen(counts(&rig).last_error) > 0);
	s = stub_start(port, &accepted, 1);
	assert_non_null(s);
	run_until(&rig, batches_delivered, 1);
	assert_int_equal(stub_request(s, 0)->events, 5);
	assert_int_equal(counts(&rig).events_dropped, 0);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_gateway_restarts_between_two_batches(void **state)
{
	struct stub *s = stub_start(0, &accepted, 1);
	uint16_t port = stub_port(s);
	struct rig rig;

	(void)state;
	rig_init(&rig, port);
	rig_start(&rig);
	push(&rig, 1);
	run_until(&rig, batches_delivered, 1);
	stub_stop(s);
	s = stub_start(port, &accepted, 1);
	assert_non_null(s);
	push(&rig, 1);
	run_until(&rig, batches_delivered, 2);
	assert_int_equal(counts(&rig).connections, 2);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_overflow_is_counted_exactly(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, 1);
	rig.gateways[0].queue_events = 100;
	rig.gateways[0].batch_events = 30;
	rig_start(&rig);
	push(&rig, 250);
	assert_int_equal(counts(&rig).events_offered, 250);
	assert_int_equal(counts(&rig).events_held, 100);
	assert_int_equal(counts(&rig).events_dropped, 150);
	run_for(&rig, 100);
	assert_int_equal(rig.losses, 150);
	assert_int_equal(rig.loss_events, 1);
	/* At most one loss event a second, and it tells of all. */
	for (int i = 0; i < 5; i++) {
		push(&rig, 10);
		run_for(&rig, 20);
	}
	assert_int_equal(rig.loss_events, 1);
	run_for(&rig, 1100);
	assert_int_equal(rig.loss_events, 2);
	assert_int_equal(rig.losses, 200);
	assert_int_equal(counts(&rig).events_held, 100);
	forwarder_free(rig.f);
}

static void test_an_event_larger_than_a_batch_is_dropped_and_counted(void **state)
{
	struct stub *s = stub_start(0, &accepted, 1);
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig.gateways[0].batch_bytes = 100;
	rig_start(&rig);
	push(&rig, 2);
	run_for(&rig, 100);
	assert_int_equal(counts(&rig).events_dropped, 2);
	assert_int_equal(rig.losses, 2);
	assert_int_equal(stub_count(s), 0);
	forwarder_free(rig.f);
	stub_stop(s);
}

/* --- answers --- */

static void test_verdict_in_the_answer(void **state)
{
	static const struct stub_reply replies[] = {{.status = 200, .body = VERDICT}};
	struct stub *s = stub_start(0, replies, ARRAY_SIZE(replies));
	struct rig rig;
	uint64_t before = clock_boot_ns(&clock_system);
	char text[PREFIX_TEXT_MAX];

	(void)state;
	rig_init(&rig, stub_port(s));
	rig_start(&rig);
	push(&rig, 1);
	run_until(&rig, batches_delivered, 1);
	assert_int_equal(rig.verdicts, 1);
	assert_string_equal(rig.verdict.id, "v-1");
	assert_string_equal(rig.verdict.origin, "main");
	assert_string_equal(prefix_format(&rig.verdict.target, text), "192.0.2.7");
	assert_in_range(rig.verdict.received_ns, before, clock_boot_ns(&clock_system));
	assert_true(rig.verdict.received_ns >= stub_request(s, 0)->at_ns);
	assert_int_equal(counts(&rig).verdicts, 1);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_who_takes_a_verdict_may_push_events(void **state)
{
	static const struct stub_reply replies[] = {{.status = 200, .body = VERDICT}, {.status = 204}};
	struct stub *s = stub_start(0, replies, ARRAY_SIZE(replies));
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig_start(&rig);
	rig.push_on_verdict = true;
	push(&rig, 1);
	run_until(&rig, batches_delivered, 2);
	assert_int_equal(counts(&rig).events, 2);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_verdicts_switched_off(void **state)
{
	static const struct stub_reply replies[] = {{.status = 200, .body = VERDICT}};
	struct stub *s = stub_start(0, replies, ARRAY_SIZE(replies));
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig.gateways[0].verdicts = false;
	rig_start(&rig);
	push(&rig, 1);
	run_until(&rig, batches_delivered, 1);
	assert_int_equal(rig.verdicts, 0);
	assert_int_equal(counts(&rig).verdicts, 0);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_verdict_with_an_error_status_counts_for_nothing(void **state)
{
	static const struct stub_reply replies[] = {{.status = 503, .body = VERDICT},
						    {.status = 400, .body = VERDICT}};
	struct stub *s = stub_start(0, replies, ARRAY_SIZE(replies));
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig_start(&rig);
	push(&rig, 1);
	run_until(&rig, events_dropped, 1);
	assert_int_equal(rig.verdicts, 0);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_html_with_200(void **state)
{
	static const struct stub_reply replies[] = {
		{.status = 200, .body = "<!DOCTYPE html><html>Hello</html>"}};
	struct stub *s = stub_start(0, replies, ARRAY_SIZE(replies));
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig_start(&rig);
	push(&rig, 1);
	run_until(&rig, batches_delivered, 1);
	assert_int_equal(counts(&rig).refused[VERDICT_E_SYNTAX], 1);
	assert_int_equal(counts(&rig).events, 1);
	assert_non_null(strstr(counts(&rig).last_error, "syntax"));
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_answer_of_ten_megabytes(void **state)
{
	static const struct stub_reply replies[] = {{.status = 200, .body = VERDICT, .fill = 10u << 20},
						    {.status = 204}};
	struct stub *s = stub_start(0, replies, ARRAY_SIZE(replies));
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig_start(&rig);
	push(&rig, 1);
	run_until(&rig, batches_delivered, 1);
	assert_int_equal(rig.verdicts, 0);
	assert_int_equal(counts(&rig).refused[VERDICT_E_TOO_LARGE], 1);
	/* Not sent again: the gateway has the events. The next goes over a new connection. */
	push(&rig, 1);
	run_until(&rig, batches_delivered, 2);
	assert_int_equal(stub_count(s), 2);
	assert_string_not_equal(stub_request(s, 1)->key, stub_request(s, 0)->key);
	assert_int_equal(counts(&rig).connections, 2);
	forwarder_free(rig.f);
	stub_stop(s);
}

/* Whatever the connection makes of it, no event is lost or counted twice, and the next batches get through.
 */
static void test_answer_before_the_body_was_read(void **state)
{
	static const struct stub_reply replies[] = {{.status = 200, .early = true}, {.status = 204}};
	struct stub *s = stub_start(0, replies, ARRAY_SIZE(replies));
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig.gateways[0].batch_events = 1000;
	rig_start(&rig);
	push(&rig, 1000);
	run_until(&rig, batches_delivered, 1);
	push(&rig, 10);
	run_until(&rig, batches_delivered, 2);
	assert_int_equal(counts(&rig).events, 1010);
	assert_int_equal(counts(&rig).events_dropped, 0);
	forwarder_free(rig.f);
	stub_stop(s);
}

/* --- configuration --- */

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* Expects that the configuration is refused, or accepted with a warning; the message must name what. */
static void assert_says(struct rig *rig, int result, const char *what)
{
	const struct forwarder_hooks hooks = {.arg = rig};
	struct buffer errors = BUFFER_INIT(4096);
	struct forwarder *f = NULL;

	assert_int_equal(forwarder_new(&rig->config, &clock_system, "picket://test", &hooks, &f, &errors),
			 result);
	buffer_append_char(&errors, 0);
	if (!strstr(errors.data, what))
		fail_msg("\"%s\" does not say \"%s\"", errors.data, what);
	forwarder_free(f);
	buffer_free(&errors);
}

static void test_token_goes_into_the_request(void **state)
{
	char dir[] = "/tmp/picket-test-XXXXXX", path[64];
	struct stub *s = stub_start(0, &accepted, 1);
	struct rig rig;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/token", dir);
	write_file(path, "s3cret\n", 0600);
	rig_init(&rig, stub_port(s));
	rig.gateways[0].token_file = path;
	rig_start(&rig);
	/* It was read at the start; afterwards nobody needs the file. */
	unlink(path);
	rmdir(dir);
	push(&rig, 1);
	run_until(&rig, batches_delivered, 1);
	assert_string_equal(stub_request(s, 0)->authorization, "Bearer s3cret");
	forwarder_free(rig.f);
	stub_stop(s);
}

static void test_faults_of_the_token_file(void **state)
{
	char dir[] = "/tmp/picket-test-XXXXXX", path[64];
	struct rig rig;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/token", dir);
	rig_init(&rig, 1);
	rig.gateways[0].token_file = path;
	assert_says(&rig, CONFIG_E_INVALID, "No such file");
	write_file(path, "\n", 0600);
	assert_says(&rig, CONFIG_E_INVALID, "is empty");
	write_file(path, "a\r\nX-Evil: 1\n", 0600);
	assert_says(&rig, CONFIG_E_INVALID, "one line");
	write_file(path, "s3cret\n", 0644);
	assert_says(&rig, 0, "chmod 600");
	unlink(path);
	rmdir(dir);
}

static void test_faults_of_the_url(void **state)
{
	static char *const urls[] = {"", "gateway", "ftp://127.0.0.1/", "file:///etc/passwd", "http://"};
	struct rig rig;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		rig_init(&rig, 1);
		rig.gateways[0].url = urls[i];
		assert_says(&rig, CONFIG_E_INVALID, "main: url:");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delivery_by_size),
		cmocka_unit_test(test_delivery_by_bytes),
		cmocka_unit_test(test_delivery_by_age),
		cmocka_unit_test(test_what_a_request_looks_like),
		cmocka_unit_test(test_a_compressed_batch),
		cmocka_unit_test(test_a_hundred_batches_over_one_connection),
		cmocka_unit_test(test_one_request_in_flight),
		cmocka_unit_test(test_flush_sends_what_is_not_yet_due),
		cmocka_unit_test(test_flush_gives_up_in_time),
		cmocka_unit_test(test_the_environment_names_no_proxy),
		cmocka_unit_test(test_wake_fd_ends_the_wait),
		cmocka_unit_test(test_no_descriptor_is_opened_before_the_first_run),
		cmocka_unit_test(test_local_has_no_wire),
		cmocka_unit_test(test_a_dead_gateway_does_not_hold_up_another),
		cmocka_unit_test(test_503_is_sent_again_under_the_same_key),
		cmocka_unit_test(test_events_that_come_meanwhile_wait_for_their_own_batch),
		cmocka_unit_test(test_retry_after_is_honoured),
		cmocka_unit_test(test_redirect_is_not_followed),
		cmocka_unit_test(test_401_is_final_and_names_the_token),
		cmocka_unit_test(test_a_gateway_that_does_not_answer),
		cmocka_unit_test(test_an_own_request_is_known_before_its_answer),
		cmocka_unit_test(test_gateway_down_then_up),
		cmocka_unit_test(test_gateway_restarts_between_two_batches),
		cmocka_unit_test(test_overflow_is_counted_exactly),
		cmocka_unit_test(test_an_event_larger_than_a_batch_is_dropped_and_counted),
		cmocka_unit_test(test_verdict_in_the_answer),
		cmocka_unit_test(test_who_takes_a_verdict_may_push_events),
		cmocka_unit_test(test_verdicts_switched_off),
		cmocka_unit_test(test_verdict_with_an_error_status_counts_for_nothing),
		cmocka_unit_test(test_html_with_200),
		cmocka_unit_test(test_answer_of_ten_megabytes),
		cmocka_unit_test(test_answer_before_the_body_was_read),
		cmocka_unit_test(test_token_goes_into_the_request),
		cmocka_unit_test(test_faults_of_the_token_file),
		cmocka_unit_test(test_faults_of_the_url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
