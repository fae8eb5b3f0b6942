// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "lib/buffer.h"
#include "lib/util.h"
#include "policies/list_internal.h"

#define NOW 1800000000ull /* 2027-01-15T08:00:00Z */

static const struct list_times times = {.now_s = NOW, .written_s = NOW - 100};
static struct list *list;
static struct list_report report;

static int clean(void **state)
{
	(void)state;
	list_free(list);
	list = NULL;
	return 0;
}

static int parse(enum config_list_format format, const char *text)
{
	clean(NULL);
	return list_parse(span_from(text), format, &times, &list, &report);
}

static struct prefix prefix(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(span_from(text), &p), 0);
	return p;
}

/* All of it, in its order: "TARGET[@SECONDS FROM NOW] ". */
static const char *all(void)
{
	static char text[4096];
	char one[PREFIX_TEXT_MAX];
	size_t n = 0;

	text[0] = 0;
	for (uint32_t at = 0; at < list_count(list); at++) {
		struct prefix p = list_target(list, at);
		n += (size_t)snprintf(text + n, sizeof text - n, "%s", prefix_format(&p, one));
		if (list_end_s(list, at))
			n += (size_t)snprintf(text + n, sizeof text - n, "@%lld",
					      (long long)list_end_s(list, at) - (long long)NOW);
		n += (size_t)snprintf(text + n, sizeof text - n, " ");
	}
	return text;
}

/* --- plain --- */

static void plain_list_with_comments_blanks_and_doubles(void **state)
{
	(void)state;
	assert_int_equal(parse(CONFIG_LIST_AUTO, "\xef\xbb\xbf# a list\r\n"
						 "  203.0.113.9 \r\n"
						 "\n"
						 "198.51.100.0/24 ; SBL1\n"
						 "2001:db8::1\t# six\n"
						 "; nothing\n"
						 "198.51.100.0/25\n"
						 "::ffff:192.0.2.1\n"
						 "203.0.113.9"),
			 0);
	assert_string_equal(all(), "192.0.2.1 198.51.100.0/24 198.51.100.0/25 203.0.113.9 2001:db8::1 ");
	assert_int_equal(report.format, CONFIG_LIST_PLAIN);
	assert_int_equal(report.doubles, 1);
	assert_int_equal(report.unreadable, 0);
}

static void what_cannot_be_read_is_counted_and_the_first_are_told(void **state)
{
	(void)state;
	assert_int_equal(parse(CONFIG_LIST_AUTO, "203.0.113.1\n"
						 "203.0.113.7/24\n"
						 "203.0.113.01\n"
						 "host.example\n"
						 "203.0.113.2 203.0.113.3\n"
						 "1.2.3.4/33\n"
						 "\x1b[31m\n"
						 "203.0.113.4\n"),
			 0);
	assert_string_equal(all(), "203.0.113.1 203.0.113.4 ");
	assert_int_equal(report.unreadable, 6);
	assert_int_equal(report.fault_count, LIST_FAULTS_MAX);
	assert_int_equal(report.faults[0].at, 2);
	assert_string_equal(report.faults[0].quote, "203.0.113.7/24");
	assert_string_equal(report.faults[0].why, "bits are set beyond the prefix's length");
	assert_int_equal(report.faults[4].at, 6);
	assert_string_equal(report.faults[2].quote, "host.example");
}

static void nothing_is_taken_of_what_is_no_list(void **state)
{
	(void)state;
	assert_int_equal(parse(CONFIG_LIST_AUTO, "<html>\n<body>503 try again</body>\n</html>\n"),
			 LIST_E_REFUSED);
	assert_string_equal(report.error, "is not of the format plain: not one of 3 records can be read");
	assert_int_equal(parse(CONFIG_LIST_AUTO, ""), LIST_E_REFUSED);
	assert_string_equal(report.error, "is empty");
	assert_int_equal(parse(CONFIG_LIST_AUTO, "{\"type\":\"bundle\",\"objects\":["), LIST_E_REFUSED);
	assert_non_null(strstr(report.error, "is no JSON: syntax at byte"));
	assert_int_equal(parse(CONFIG_LIST_AUTO, "{\"message\":\"access forbidden\"}"), LIST_E_REFUSED);
	assert_string_equal(report.error, "is not of the format crowdsec");
	assert_int_equal(parse(CONFIG_LIST_STIX, "203.0.113.1\n"), LIST_E_REFUSED);
	assert_int_equal(parse(CONFIG_LIST_CROWDSEC, "203.0.113.1\n"), LIST_E_REFUSED);
	assert_null(list);
}

static void a_list_of_comments_is_an_empty_list(void **state)
{
	(void)state;
	assert_int_equal(parse(CONFIG_LIST_AUTO, "# nobody today\n"), 0);
	assert_int_equal(list_count(list), 0);
	assert_int_equal(parse(CONFIG_LIST_AUTO, "[]"), 0);
	assert_int_equal(list_count(list), 0);
}

static void too_many_entries_are_refused_as_a_whole(void **state)
{
	struct buffer b = BUFFER_INIT(128u << 20);

	(void)state;
	for (uint32_t i = 0; i <= LIST_ENTRIES_MAX; i++) {
		char line[32];
		int n = snprintf(line, sizeof line, "%u.%u.%u.%u\n", 1 + (i >> 24), i >> 16 & 255,
				 i >> 8 & 255, i & 255);
		buffer_append(&b, line, (size_t)n);
	}
	assert_int_equal(list_parse(buffer_span(&b), CONFIG_LIST_PLAIN, &times, &list, &report),
			 LIST_E_REFUSED);
	assert_string_equal(report.error, "holds more than 4000000 entries");
	buffer_free(&b);
}

/* --- CrowdSec --- */

static void crowdsec_decisions_as_the_local_api_answers(void **state)
{
	(void)state;
	assert_int_equal(
		parse(CONFIG_LIST_AUTO,
		      "[{\"duration\":\"59m59.381836769s\",\"id\":2,\"origin\":\"cscli\",\"scope\":\"Range\","
		      "\"type\":\"ban\","
		      "\"value\":\"198.51.100.0/24\"},"
		      "{\"duration\":\"4m59s\",\"scope\":\"Ip\",\"type\":\"ban\",\"value\":\"2001:db8::1\"},"
		      "{\"duration\":\"-107ms\",\"scope\":\"Ip\",\"type\":\"ban\",\"value\":\"192.0.2.1\"},"
		      "{\"duration\":\"4h\",\"scope\":\"AS\",\"type\":\"ban\",\"value\":\"64500\"},"
		      "{\"duration\":\"4h\",\"scope\":\"ip\",\"type\":\"captcha\",\"value\":\"192.0.2.3\"},"
		      "{\"duration\":\"4h\",\"scope\":\"ip\",\"type\":\"ban\",\"value\":\"192.0.2.4\","
		      "\"simulated\":true},"
		      "{\"until\":\"2027-01-15T09:00:00+01:00\",\"scope\":\"Ip\",\"type\":\"ban\",\"value\":"
		      "\"192.0.2.5\"},"
		      "{\"until\":\"2027-01-15T08:00:30.5Z\",\"scope\":\"Ip\",\"type\":\"ban\",\"value\":"
		      "\"192.0.2.6\"},"
		      "{\"duration\":\"4x\",\"scope\":\"Ip\",\"type\":\"ban\",\"value\":\"192.0.2.7\"},"
		      "{\"scope\":\"Ip\"}]"),
		0);
	/* What remains is counted from when the file was written. */
	assert_string_equal(all(), "192.0.2.6@30 198.51.100.0/24@3500 2001:db8::1@199 ");
	assert_int_equal(report.format, CONFIG_LIST_CROWDSEC);
	assert_int_equal(report.ended, 2);
	assert_int_equal(report.ignored, 3);
	assert_int_equal(report.unreadable, 2);
	assert_int_equal(report.faults[0].at, 9);
}

static void crowdsec_stream_and_alerts(void **state)
{
	(void)state;
	assert_int_equal(parse(CONFIG_LIST_AUTO,
			       "{\"deleted\":[{\"value\":\"192.0.2.9\",\"scope\":\"Ip\",\"type\":\"ban\"}],"
			       "\"new\":[{\"value\":\"192.0.2.1\",\"scope\":\"Ip\",\"type\":\"ban\"}]}"),
			 0);
	assert_string_equal(all(), "192.0.2.1 ");
	assert_int_equal(parse(CONFIG_LIST_AUTO, "{\"deleted\":null,\"new\":null}"), 0);
	assert_int_equal(list_count(list), 0);
	assert_int_equal(parse(CONFIG_LIST_AUTO, "null"), 0);
	assert_int_equal(
		parse(CONFIG_LIST_AUTO,
		      "[{\"id\":1,\"decisions\":[{\"value\":\"192.0.2.1\",\"scope\":\"Ip\",\"type\":\"ban\","
		      "\"duration\":\"10m\"}]},{\"id\":2,\"decisions\":[]},{\"id\":3,\"decisions\":null}]"),
		0);
	assert_string_equal(all(), "192.0.2.1@500 ");
}

static void crowdsec_csv_of_both_commands(void **state)
{
	(void)state;
	assert_int_equal(
		parse(CONFIG_LIST_AUTO,
		      "id,source,ip,reason,action,country,as,events_count,expiration,simulated,alert_id\n"
		      "1,cscli,Ip:192.0.2.1,\"manual 'ban', \"\"twice\"\"\",ban,,,1,3h59m,false,1\r\n"
		      "2,cscli,Range:198.51.100.0/24,x,ban,,,1,10m,false,2\n"
		      "3,cscli,Ip:2001:db8::1,x,ban,,,1,10m,true,3\n"
		      "4,cscli,As:64500,x,ban,,,1,10m,false,4\n"
		      "\n"
		      "5,cscli,Ip:192.0.2.300,x,ban,,,1,10m,false,5\n"),
		0);
	assert_string_equal(all(), "192.0.2.1@14240 198.51.100.0/24@500 ");
	assert_int_equal(report.ignored, 2);
	assert_int_equal(report.unreadable, 1);
	assert_int_equal(report.faults[0].at, 7);
	assert_int_equal(parse(CONFIG_LIST_AUTO, "duration,scope,value\n24h,Ip,192.0.2.1\n,Ip,192.0.2.2\n"),
			 0);
	assert_string_equal(all(), "192.0.2.1@86300 192.0.2.2 ");
}

/* --- STIX, MISP --- */

#define INDICATOR(pattern, more) \
	"{\"type\":\"indicator\",\"pattern_type\":\"stix\",\"pattern\":\"" pattern "\"" more "}"

static void stix_indicators_of_addresses(void **state)
{
	(void)state;
	assert_int_equal(
		parse(CONFIG_LIST_AUTO,
		      "{\"type\":\"bundle\",\"id\":\"bundle--1\",\"objects\":[{\"type\":\"identity\"}"
		      "," INDICATOR(
			      "[ipv4-addr:value = '192.0.2.1']",
			      ",\"valid_until\":\"2027-01-15T08:"
			      "01:00Z\"") "," INDICATOR("[ipv4-addr:value='192.0.2.2' OR ipv6-addr:value = "
							"'2001:db8::2'] OR "
							"[ipv4-addr:value ISSUBSET '198.51.100.0/24']",
							"") "," INDICATOR("[ipv4-addr:value = '192.0.2.3' "
									  "AND "
									  "network-traffic:dst_port = 22]",
									  "") "," INDICATOR("[ipv4-addr:"
											    "value = "
											    "'192.0.2.4' OR "
											    "domain-name:"
											    "value = "
											    "'a\\\\'b."
											    "example']",
											    "") "," INDICATOR("[domain-name:value = "
													      "'c.example']",
													      "") "," INDICATOR("[ipv"
																"4-"
																"addr"
																":val"
																"ue "
																"= "
																"'192"
																".0."
																"2.5'"
																"]",
																",\"r"
																"evok"
																"ed\""
																":tru"
																"e") "," INDICATOR("[ipv4-addr:value = '192.0.2.6'",
																		   "") "," INDICATOR("[ipv4-addr:value = '192.0.2.7']",
																				     ",\"valid_until\":\"2026-01-15T08:01:00Z\"") "," INDICATOR("[ipv4-addr:value = '192.0.2.256']",
																												"") "]}"),
		0);
	assert_string_equal(all(), "192.0.2.1@60 192.0.2.2 192.0.2.4 198.51.100.0/24 2001:db8::2 ");
	assert_int_equal(report.format, CONFIG_LIST_STIX);
	assert_int_equal(report.ended, 1);
	assert_int_equal(report.ignored, 5);
	assert_int_equal(report.unreadable, 1);
}

static void misp_attributes_of_events(void **state)
{
	static const char event[] =
		"{\"Event\":{\"info\":\"x\",\"Attribute\":["
		"{\"type\":\"ip-src\",\"value\":\"192.0.2.1\",\"to_ids\":true},"
		"{\"type\":\"ip-dst\",\"value\":\"192.0.2.2\",\"to_ids\":true},"
		"{\"type\":\"ip-src|port\",\"value\":\"192.0.2.3|443\",\"to_ids\":true},"
		"{\"type\":\"ip-src\",\"value\":\"192.0.2.4\",\"to_ids\":false},"
		"{\"type\":\"ip-src\",\"value\":\"192.0.2.5\",\"to_ids\":true,\"deleted\":true},"
		"{\"type\":\"ip-src\",\"value\":\"nonsense\"}],"
		"\"Object\":[{\"Attribute\":[{\"type\":\"ip-src\",\"value\":\"198.51.100.0/24\"}]}]}}";
	struct buffer b = BUFFER_INIT(8192);

	(void)state;
	assert_int_equal(parse(CONFIG_LIST_AUTO, event), 0);
	assert_string_equal(all(), "192.0.2.1 192.0.2.3 198.51.100.0/24 ");
	assert_int_equal(report.format, CONFIG_LIST_MISP);
	assert_int_equal(report.ignored, 3);
	assert_int_equal(report.unreadable, 1);
	assert_int_equal(report.faults[0].at, 6);
	buffer_printf(&b, "{\"response\":[%s,%s]}", event, event);
	buffer_append_char(&b, 0);
	assert_int_equal(parse(CONFIG_LIST_AUTO, b.data), 0);
	assert_int_equal(list_count(list), 3);
	assert_int_equal(
		parse(CONFIG_LIST_AUTO,
		      "{\"response\":{\"Attribute\":[{\"type\":\"ip-src\",\"value\":\"192.0.2.1\"}]}}"),
		0);
	assert_string_equal(all(), "192.0.2.1 ");
	buffer_free(&b);
}

/* --- times --- */

static void times_are_read_strictly(void **state)
{
	static const struct {
		const char *text;
		int64_t s; /* -1: refused */
	} cases[] = {
		{"2027-01-15T08:00:00Z", (int64_t)NOW},
		{"2027-01-15T09:30:00+01:30", (int64_t)NOW},
		{"2027-01-15t07:00:00.999-01:00", (int64_t)NOW},
		{"1969-12-31T23:59:59Z", 0},
		{"2027-01-15T08:00:00", -1},
		{"2027-13-15T08:00:00Z", -1},
		{"2027-01-15T08:00:00Zx", -1},
		{"2027-01-15T08:00:00+0130", -1},
		{"15.01.2027", -1},
		{"", -1},
	};
	uint64_t s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = list_time_parse(span_from(cases[i].text), &s);
		assert_int_equal(r, cases[i].s < 0);
		if (!r)
			assert_int_equal(s, cases[i].s);
	}
}

static void durations_are_gos(void **state)
{
	static const struct {
		const char *text;
		int64_t s;
		int result;
	} cases[] = {
		{"59m59.381836769s", 3600, 0},
		{"-107.704659ms", -1, 0},
		{"1h", 3600, 0},
		{"0", 0, 0},
		{"0s", 0, 0},
		{"1.5h", 5400, 0},
		{"+2m", 120, 0},
		{"100\xc2\xb5s", 1, 0},
		{"5", 0, 1},
		{"", 0, 1},
		{"-", 0, 1},
		{"1d", 0, 1},
		{"h", 0, 1},
		{"1h ", 0, 1},
		{"1h30", 0, 1},
	};
	int64_t s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(list_duration_parse(span_from(cases[i].text), &s), cases[i].result);
		if (!cases[i].result)
			assert_int_equal(s, cases[i].s);
	}
}

/* --- finding and comparing --- */

static void an_address_is_found_by_the_longest_prefix_that_covers_it(void **state)
{
	struct prefix p = prefix("198.51.100.0/24");

	(void)state;
	assert_int_equal(
		parse(CONFIG_LIST_AUTO, "198.51.0.0/16\n198.51.100.0/24\n198.51.100.7\n2001:db8::/32\n"), 0);
	uint32_t at = list_find(list, &p);
	assert_int_equal(at, 1);
	p.bits = 23;
	assert_int_equal(list_find(list, &p), LIST_NONE);
	p = prefix("198.51.100.7");
	assert_int_equal(list_match(list, &p.addr), 2);
	p = prefix("198.51.100.8");
	assert_int_equal(list_match(list, &p.addr), 1);
	p = prefix("198.51.7.8");
	assert_int_equal(list_match(list, &p.addr), 0);
	p = prefix("2001:db8:7::1");
	assert_int_equal(list_match(list, &p.addr), 3);
	p = prefix("192.0.2.1");
	assert_int_equal(list_match(list, &p.addr), LIST_NONE);
	assert_int_equal(list_match(NULL, &p.addr), LIST_NONE);
}

struct told {
	const struct list *before, *after;
	char text[1024];
	int left; /* until it stops */
};

static int tell(void *arg, enum list_difference difference, uint32_t before_at, uint32_t after_at)
{
	static const char sign[] = {'=', '+', '-', '~'};
	struct told *t = arg;
	char one[PREFIX_TEXT_MAX];
	struct prefix p =
		before_at != LIST_NONE ? list_target(t->before, before_at) : list_target(t->after, after_at);
	size_t n = strlen(t->text);

	snprintf(t->text + n, sizeof t->text - n, "%c%s ", sign[difference], prefix_format(&p, one));
	return --t->left == 0 ? 7 : 0;
}

static void the_difference_of_two_lists(void **state)
{
	struct list *before;
	struct told t = {.left = -1};

	(void)state;
	assert_int_equal(parse(CONFIG_LIST_AUTO, "duration,value\n10m,192.0.2.1\n10m,192.0.2.2\n,192.0.2.3\n"
						 "10m,192.0.2.4\n,2001:db8::1\n,198.51.100.0/24\n"),
			 0);
	before = list;
	list = NULL;
	assert_int_equal(parse(CONFIG_LIST_AUTO,
			       "duration,value\n602s,192.0.2.1\n11m,192.0.2.2\n10m,192.0.2.3\n"
			       ",192.0.2.5\n,2001:db8::1\n,198.51.100.0/25\n"),
			 0);
	t.before = before;
	t.after = list;
	assert_int_equal(list_diff(before, list, tell, &t), 0);
	assert_string_equal(t.text, "=192.0.2.1 ~192.0.2.2 ~192.0.2.3 -192.0.2.4 +192.0.2.5 -198.51.100.0/24 "
				    "+198.51.100.0/25 =2001:db8::1 ");
	t = (struct told){.after = list, .left = 2};
	assert_int_equal(list_diff(NULL, list, tell, &t), 7);
	assert_string_equal(t.text, "+192.0.2.1 +192.0.2.2 ");
	list_free(before);
}

int main(void)
{
#define STORY(f) cmocka_unit_test_teardown(f, clean)
	const struct CMUnitTest tests[] = {
		STORY(plain_list_with_comments_blanks_and_doubles),
		STORY(what_cannot_be_read_is_counted_and_the_first_are_told),
		STORY(nothing_is_taken_of_what_is_no_list),
		STORY(a_list_of_comments_is_an_empty_list),
		STORY(too_many_entries_are_refused_as_a_whole),
		STORY(crowdsec_decisions_as_the_local_api_answers),
		STORY(crowdsec_stream_and_alerts),
		STORY(crowdsec_csv_of_both_commands),
		STORY(stix_indicators_of_addresses),
		STORY(misp_attributes_of_events),
		STORY(times_are_read_strictly),
		STORY(durations_are_gos),
		STORY(an_address_is_found_by_the_longest_prefix_that_covers_it),
		STORY(the_difference_of_two_lists),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
