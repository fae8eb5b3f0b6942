// SPDX-License-Identifier: Apache-2.0
/* Secrets taken out of what people are shown. */
#include "forwarder/mask.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void assert_url(const char *url, const char *shown)
{
	struct buffer out = BUFFER_INIT(256);

	assert_int_equal(mask_url(&out, span_from(url)), 0);
	buffer_append_char(&out, 0);
	assert_string_equal(out.data, shown);
	buffer_free(&out);
}

static void values_of_a_query(void **state)
{
	(void)state;
	assert_url("https://gw/events", "https://gw/events");
	assert_url("https://gw/events?", "https://gw/events?");
	assert_url("https://gw/events?key=s3cret", "https://gw/events?key=***");
	assert_url("https://gw/events?key=s3=cret&x=1&y=", "https://gw/events?key=***&x=***&y=***");
	assert_url("https://gw/events?s3cret", "https://gw/events?***");
	assert_url("https://gw/events?a=1&&b=2&#frag", "https://gw/events?a=***&&b=***&");
	assert_url("?k=v", "?k=***");
}

static void assert_text(const char *text, const char *secret, const char *shown)
{
	struct buffer b = BUFFER_INIT(256);

	assert_int_equal(buffer_append_text(&b, text), 0);
	assert_int_equal(mask_text(&b, span_from(secret), SPAN(MASK)), 0);
	buffer_append_char(&b, 0);
	assert_string_equal(b.data, shown);
	buffer_free(&b);
}

static void a_secret_wherever_it_stands(void **state)
{
	(void)state;
	assert_text("", "s3cret", "");
	assert_text("nothing", "s3cret", "nothing");
	assert_text("s3cret", "s3cret", "***");
	assert_text("a s3cret b s3crets3cret", "s3cret", "a *** b ******");
	assert_text("s3cre", "s3cret", "s3cre");
	assert_text("as is", "", "as is");
}

/* What does not fit is not shown at all, rather than with the secret in it. */
static void what_does_not_fit_is_not_shown(void **state)
{
	struct buffer b = BUFFER_INIT(8);

	(void)state;
	assert_int_equal(buffer_append_text(&b, "x x x x"), 0);
	assert_int_equal(mask_text(&b, SPAN("x"), SPAN(MASK)), BUFFER_E_FULL);
	assert_int_equal(b.len, 0);
	buffer_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_a_query),
		cmocka_unit_test(a_secret_wherever_it_stands),
		cmocka_unit_test(what_does_not_fit_is_not_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
