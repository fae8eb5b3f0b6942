// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "lib/util.h"
#include "sensor/crowdsec_state.h"

#define NOW 1800000000ull

static const struct config_gateway config = {.name = (char *)"crowdsec", .protocol = GATEWAY_CROWDSEC};

static struct crowdsec *make(void)
{
	struct crowdsec *c;

	assert_int_equal(crowdsec_new(&config, &c), 0);
	return c;
}

static void add(struct crowdsec *c, uint64_t id, const char *value, const char *origin, const char *duration)
{
	const struct crowdsec_decision d = {
		.id = id,
		.scope = SPAN("Ip"),
		.value = span_from(value),
		.duration = span_from(duration),
		.type = SPAN("ban"),
		.origin = span_from(origin),
		.scenario = SPAN("a \"scenario\" \xc3\xa4"),
	};

	assert_int_equal(crowdsec_take(c, CROWDSEC_NEW, &d, NOW), 0);
}

static void what_is_written_is_read_again(void **state)
{
	struct crowdsec *before = make(), *after = make();
	struct buffer text = BUFFER_INIT(65536);
	struct crowdsec_told told[4];
	struct prefix p;

	(void)state;
	add(before, 1, "192.0.2.1", "cscli", "10m");
	add(before, 2, "192.0.2.1", "CAPI", "4h");
	add(before, 3, "2001:db8::/32", "lists", "1h");
	assert_int_equal(crowdsec_state_write(before, &text), 0);
	assert_int_equal(crowdsec_state_read(after, buffer_span(&text)), 0);
	assert_int_equal(crowdsec_count(after), 3);
	assert_int_equal(prefix_parse(SPAN("192.0.2.1"), &p), 0);
	assert_int_equal(crowdsec_find(after, &p, told, 4), 2);
	assert_int_equal(told[0].id, 2);
	assert_int_equal(told[0].end_s, NOW + 4 * 3600);
	assert_string_equal(told[0].origin, "CAPI");
	assert_string_equal(told[0].scenario, "a \"scenario\" \xc3\xa4");
	/* One list without them takes none of them: it may have been cut short. */
	crowdsec_begin(after, true);
	assert_true(crowdsec_end(after));
	assert_int_equal(crowdsec_count(after), 3);
	buffer_free(&text);
	crowdsec_free(before);
	crowdsec_free(after);
}

static void what_is_ours_is_not_kept(void **state)
{
	struct crowdsec *c = make();
	struct buffer text = BUFFER_INIT(65536);
	struct prefix p;

	(void)state;
	assert_int_equal(prefix_parse(SPAN("192.0.2.1"), &p), 0);
	crowdsec_own(c, &p, NOW + 600);
	add(c, 1, "192.0.2.1", CROWDSEC_ORIGIN, "10m");
	assert_int_equal(crowdsec_state_write(c, &text), 0);
	assert_true(span_equal(buffer_span(&text), SPAN("{\"new\":[]}")));
	buffer_free(&text);
	crowdsec_free(c);
}

static void a_text_of_another_kind_and_half_a_one(void **state)
{
	struct crowdsec *before = make(), *after = make();
	struct buffer text = BUFFER_INIT(65536);

	(void)state;
	assert_int_equal(crowdsec_state_read(after, SPAN("routes 1\n")), 1);
	assert_int_equal(crowdsec_count(after), 0);
	add(before, 1, "192.0.2.1", "cscli", "10m");
	add(before, 2, "192.0.2.2", "cscli", "10m");
	assert_int_equal(crowdsec_state_write(before, &text), 0);
	assert_int_equal(crowdsec_state_read(after, (struct span){text.data, text.len - 10}), 1);
	assert_int_equal(crowdsec_count(after), 1);
	buffer_free(&text);
	crowdsec_free(before);
	crowdsec_free(after);
}

static void more_than_is_kept(void **state)
{
	struct crowdsec *c = make();
	struct buffer text = BUFFER_INIT(64);

	(void)state;
	add(c, 1, "192.0.2.1", "cscli", "10m");
	assert_int_equal(crowdsec_state_write(c, &text), BUFFER_E_FULL);
	buffer_free(&text);
	crowdsec_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(what_is_ours_is_not_kept),
		cmocka_unit_test(a_text_of_another_kind_and_half_a_one),
		cmocka_unit_test(more_than_is_kept),
	};

	return cmocka_run_group_tests_name("crowdsec_state", tests, NULL, NULL);
}
