// SPDX-License-Identifier: Apache-2.0
#include "policies/origin.h"
#include "tests/unit/policies_config.h"

/* Trusted: 10.0.0.0/8 and fd00::/8. The peer is 10.0.0.1, port 5000. */
static bool trusts(void *arg, const struct addr *a)
{
	(void)arg;
	return (a->family == ADDR_IPV4 && a->bytes[0] == 10) ||
	       (a->family == ADDR_IPV6 && a->bytes[0] == 0xfd);
}

static struct origin *fresh(const char *const *headers, unsigned count)
{
	struct config c = test_config();
	struct origin *o = NULL;

	c.proxies.headers = (struct config_strings){(char **)(uintptr_t)headers, count};
	assert_int_equal(origin_new(&c, &o), 0);
	return o;
}

static struct origin *usual(void)
{
	static const char *const headers[] = {"x-forwarded-for", "forwarded", "x-real-ip"};

	return fresh(headers, ARRAY_SIZE(headers));
}

/* "Name: value" lines, ended by LF. */
static void fill(struct http_request *r, const char *head)
{
	*r = (struct http_request){0};
	while (*head && r->header_count < HTTP_HEADERS_MAX) {
		const char *colon = strchr(head, ':'), *lf = strchr(head, '\n');
		assert_true(colon && lf);
		r->headers[r->header_count++] =
			(struct http_header){{head, (size_t)(colon - head)},
					     span_trim((struct span){colon + 1, (size_t)(lf - colon) - 1})};
		head = lf + 1;
	}
}

/* "ADDRESS[ PORT] SOURCE[ FLAG]..." */
static const char *found(const struct origin *o, const struct http_request *r,
			 const struct proxy_header *proxy, char buf[static 256])
{
	struct endpoint peer = {test_addr("10.0.0.1"), 5000};
	struct origin_client c;
	char text[ADDR_TEXT_MAX], port[8] = "";

	origin_find(o, r, &peer, proxy, r->deviations & HTTP_DEV_IN_BODY, trusts, NULL, &c);
	if (c.endpoint.port)
		snprintf(port, sizeof port, " %u", c.endpoint.port);
	int n = snprintf(buf, 256, "%s%s %s", addr_format(&c.endpoint.addr, text), port,
			 client_source_name(c.source));
	for (unsigned i = 0; i < CLIENT_FLAG_BITS; i++)
		if (c.flags >> i & 1)
			n += snprintf(buf + n, 256 - (size_t)n, " %s",
				      client_flag_name((enum client_flag)(1u << i)));
	return buf;
}

struct head {
	const char *head, *client;
};

static void expect_all(struct origin *o, const struct head *cases, size_t count)
{
	struct http_request r;
	char buf[256];

	for (size_t i = 0; i < count; i++) {
		fill(&r, cases[i].head);
		const char *got = found(o, &r, NULL, buf);
		if (strcmp(got, cases[i].client))
			fail_msg("%s: expected %s, got %s", cases[i].head, cases[i].client, got);
	}
	origin_free(o);
}

static void the_rightmost_hop_that_is_no_trusted_proxy(void **state)
{
	static const struct head cases[] = {
		{"", "10.0.0.1 5000 peer"},
		{"Host: h\nVia: 1.1 x\n", "10.0.0.1 5000 peer"},
		{"X-Forwarded-For: 203.0.113.7\n", "203.0.113.7 x_forwarded_for"},
		{"x-forwarded-for:203.0.113.7:4711\n", "203.0.113.7 4711 x_forwarded_for"},
		{"X-Forwarded-For: 203.0.113.7, 10.0.0.9, 10.1.1.1\n", "203.0.113.7 x_forwarded_for"},
		{"X-Forwarded-For: 203.0.113.7,10.0.0.9\n", "203.0.113.7 x_forwarded_for"},
		{"X-Forwarded-For: 2001:db8::1\n", "2001:db8::1 x_forwarded_for"},
		{"X-Forwarded-For: [2001:db8::1]\n", "2001:db8::1 x_forwarded_for"},
		{"X-Forwarded-For: [2001:db8::1]:80, fd00::1\n", "2001:db8::1 80 x_forwarded_for"},
		{"X-Forwarded-For: \"[2001:db8::1]:80\"\n", "2001:db8::1 80 x_forwarded_for"},
		{"X-Forwarded-For: ::ffff:203.0.113.7\n", "203.0.113.7 x_forwarded_for"},
		/* several lines are one list, in their order */
		{"X-Forwarded-For: 198.51.100.1\nHost: h\nX-Forwarded-For: 203.0.113.7\n",
		 "203.0.113.7 x_forwarded_for"},
		{"X-Forwarded-For: 203.0.113.7\nX-Forwarded-For: 10.0.0.9\n", "203.0.113.7 x_forwarded_for"},
		{"X-Forwarded-For: 203.0.113.7\nX-Forwarded-For:\n", "203.0.113.7 x_forwarded_for"},
		{"X-Forwarded-For: , ,203.0.113.7, ,\n", "203.0.113.7 x_forwarded_for"},
		/* all are trusted: the one that is farthest */
		{"X-Forwarded-For: 10.0.0.8, 10.0.0.9\n", "10.0.0.8 x_forwarded_for"},
	};

	(void)state;
	expect_all(usual(), cases, ARRAY_SIZE(cases));
}

static void what_a_client_writes_before_its_proxy_does_is_not_believed(void **state)
{
	static const struct head cases[] = {
		{"X-Forwarded-For: 192.0.2.66, 203.0.113.7\n", "203.0.113.7 x_forwarded_for"},
		{"X-Forwarded-For: 192.0.2.66\nX-Forwarded-For: 203.0.113.7\n",
		 "203.0.113.7 x_forwarded_for"},
		/* it claims to be a trusted proxy */
		{"X-Forwarded-For: 192.0.2.66, 10.0.0.2, 203.0.113.7, 10.0.0.3\n",
		 "203.0.113.7 x_forwarded_for"},
		/* open quotes, backslashes and commas swallow nothing */
		{"X-Forwarded-For: \"192.0.2.66, 203.0.113.7\n", "203.0.113.7 x_forwarded_for"},
		{"Forwarded: for=\"192.0.2.66, for=203.0.113.7\n", "203.0.113.7 forwarded"},
		{"Forwarded: for=\"192.0.2.66\\, for=203.0.113.7\n", "203.0.113.7 forwarded"},
		{"Forwarded: for=192.0.2.66;x=\"a\\\", for=\"203.0.113.7\"\n", "203.0.113.7 forwarded"},
		{"Forwarded: \"\nForwarded: for=203.0.113.7\n", "203.0.113.7 forwarded"},
		{"Forwarded: for=\"[2001:db8::66]\n"
		 "Forwarded: for=\"[2001:db8::1]:80\"\n",
		 "2001:db8::1 80 forwarded"},
		/* another header than the proxy's own */
		{"Forwarded: for=192.0.2.66\nX-Forwarded-For: 203.0.113.7\n",
		 "203.0.113.7 x_forwarded_for conflict"},
		{"X-Real-IP: 192.0.2.66\nX-Forwarded-For: 203.0.113.7\n",
		 "203.0.113.7 x_forwarded_for conflict"},
		{"X-Real-IP: 203.0.113.7\nX-Forwarded-For: 203.0.113.7\n", "203.0.113.7 x_forwarded_for"},
		/* X-Real-IP of the last proxy names the one before it: no contradiction */
		{"X-Real-IP: 10.0.0.9\nX-Forwarded-For: 203.0.113.7, 10.0.0.9\n",
		 "203.0.113.7 x_forwarded_for"},
		{"X-Real-IP: 192.0.2.66\nX-Real-IP: 203.0.113.7\n", "203.0.113.7 x_real_ip"},
		{"X-Real-IP: 192.0.2.66, 203.0.113.7\n", "10.0.0.1 5000 peer unreadable_hop"},
		/* almost the header's name */
		{"X-Forwarded-For2: 192.0.2.66\nX_Forwarded_For: 192.0.2.66\n", "10.0.0.1 5000 peer"},
	};

	(void)state;
	expect_all(usual(), cases, ARRAY_SIZE(cases));
}

static void what_cannot_be_read_ends_the_walk_at_the_last_believed_hop(void **state)
{
	static const struct head cases[] = {
		{"X-Forwarded-For: garbage\n", "10.0.0.1 5000 peer unreadable_hop"},
		{"X-Forwarded-For: garbage, 10.0.0.9\n", "10.0.0.9 x_forwarded_for unreadable_hop"},
		{"X-Forwarded-For: 203.0.113.7, unknown\n", "10.0.0.1 5000 peer hidden_hop"},
		{"X-Forwarded-For: unknown, 10.0.0.9\n", "10.0.0.9 x_forwarded_for hidden_hop"},
		{"X-Forwarded-For: 203.0.113.7, _gazonk\n", "10.0.0.1 5000 peer hidden_hop"},
		{"X-Forwarded-For: 203.0.113.007\n", "10.0.0.1 5000 peer unreadable_hop"},
		{"X-Forwarded-For: 203.0.113\n", "10.0.0.1 5000 peer unreadable_hop"},
		{"X-Forwarded-For: 203.0.113.7:\n", "10.0.0.1 5000 peer unreadable_hop"},
		{"X-Forwarded-For: 203.0.113.7:99999\n", "10.0.0.1 5000 peer unreadable_hop"},
		{"X-Forwarded-For: [2001:db8::1]80\n", "10.0.0.1 5000 peer unreadable_hop"},
		{"X-Forwarded-For: [2001:db8::1\n", "10.0.0.1 5000 peer unreadable_hop"},
		{"X-Forwarded-For: [203.0.113.7]:80\n", "10.0.0.1 5000 peer unreadable_hop"},
		{"X-Forwarded-For: fe80::1%eth0\n", "10.0.0.1 5000 peer unreadable_hop"},
		{"X-Forwarded-For: 0.0.0.0\n", "10.0.0.1 5000 peer unreadable_hop"},
		{"X-Forwarded-For: ::\n", "10.0.0.1 5000 peer unreadable_hop"},
		{"X-Forwarded-For: 203.0.113.7;x\n", "10.0.0.1 5000 peer unreadable_hop"},
		{"X-Forwarded-For: \"\n", "10.0.0.1 5000 peer unreadable_hop"},
		{"Forwarded: for=\n", "10.0.0.1 5000 peer unreadable_hop"},
		{"Forwarded: 203.0.113.7\n", "10.0.0.1 5000 peer unreadable_hop"},
		{"Forwarded: for=192.0.2.66;for=203.0.113.7\n", "10.0.0.1 5000 peer unreadable_hop"},
		{"Forwarded: proto=https;by=203.0.113.43\n", "10.0.0.1 5000 peer hidden_hop"},
		/* a header behind it is no way out, but shows the difference */
		{"X-Forwarded-For: garbage\nX-Real-IP: 203.0.113.7\n",
		 "10.0.0.1 5000 peer unreadable_hop conflict"},
	};

	(void)state;
	expect_all(usual(), cases, ARRAY_SIZE(cases));
}

/* RFC 7239, sections 4, 6 and 7, and what else its grammar allows. */
static void forwarded_as_rfc_7239_has_it(void **state)
{
	static const struct head cases[] = {
		{"Forwarded: for=\"_gazonk\"\n", "10.0.0.1 5000 peer hidden_hop"},
		{"Forwarded: For=\"[2001:db8:cafe::17]:4711\"\n", "2001:db8:cafe::17 4711 forwarded"},
		{"Forwarded: for=192.0.2.60;proto=http;by=203.0.113.43\n", "192.0.2.60 forwarded"},
		{"Forwarded: for=192.0.2.43, for=198.51.100.17\n", "198.51.100.17 forwarded"},
		{"Forwarded: for=192.0.2.43\nForwarded: for=10.0.0.17\n", "192.0.2.43 forwarded"},
		{"Forwarded: for=192.0.2.43, for=\"[fd00:cafe::17]\"\n", "192.0.2.43 forwarded"},
		{"Forwarded: for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown\n",
		 "10.0.0.1 5000 peer hidden_hop"},
		{"Forwarded: for=_hidden, for=_SEVKISEK\n", "10.0.0.1 5000 peer hidden_hop"},
		{"Forwarded: for=\"192.0.2.43:47011\"\n", "192.0.2.43 47011 forwarded"},
		{"Forwarded: for=\"[2001:db8:cafe::17]:47011\"\n", "2001:db8:cafe::17 47011 forwarded"},
		{"Forwarded: for=\"192.0.2.43:_port\"\n", "192.0.2.43 forwarded"},
		{"Forwarded: for=\"unknown:47011\"\n", "10.0.0.1 5000 peer hidden_hop"},
		{"Forwarded: FOR=\"19\\2.0.2.43\"\n", "192.0.2.43 forwarded"},
		{"Forwarded: host=\"a,b;c\\\"\";for=192.0.2.43; proto=https\n", "192.0.2.43 forwarded"},
		{"Forwarded: for=192.0.2.43;secret=egah2CGj55fSJFs, for=10.1.2.3\n", "192.0.2.43 forwarded"},
		{"Forwarded: for=192.0.2.43;host=\"x, for=192.0.2.66\", for=10.1.2.3\n",
		 "192.0.2.43 forwarded"},
	};

	(void)state;
	expect_all(usual(), cases, ARRAY_SIZE(cases));
}

static void a_hundred_hops(void **state)
{
	struct origin *o = usual();
	struct http_request r;
	char head[4096], buf[256];
	int n = snprintf(head, sizeof head, "X-Forwarded-For: ");

	(void)state;
	/* As many forged ones as one likes on the left change nothing. */
	for (unsigned i = 0; i < 99; i++)
		n += snprintf(head + n, sizeof head - (size_t)n, "192.0.2.%u, ", i);
	snprintf(head + n, sizeof head - (size_t)n, "203.0.113.7\n");
	fill(&r, head);
	assert_string_equal(found(o, &r, NULL, buf), "203.0.113.7 x_forwarded_for");
	/* 100 that are all trusted: the ceiling. */
	n = snprintf(head, sizeof head, "X-Forwarded-For: 203.0.113.7");
	for (unsigned i = 0; i < 100; i++)
		n += snprintf(head + n, sizeof head - (size_t)n, ", 10.0.1.%u", i);
	snprintf(head + n, sizeof head - (size_t)n, "\n");
	fill(&r, head);
	assert_string_equal(found(o, &r, NULL, buf), "10.0.1.68 x_forwarded_for too_many_hops");
	/* As many as the ceiling allows. */
	n = snprintf(head, sizeof head, "X-Forwarded-For: 203.0.113.7");
	for (unsigned i = 0; i + 1 < ORIGIN_HOPS_MAX; i++)
		n += snprintf(head + n, sizeof head - (size_t)n, ", 10.0.1.%u", i);
	snprintf(head + n, sizeof head - (size_t)n, "\n");
	fill(&r, head);
	assert_string_equal(found(o, &r, NULL, buf), "203.0.113.7 x_forwarded_for");
	origin_free(o);
}

static void heads_that_are_not_whole_or_may_be_a_body(void **state)
{
	struct origin *o = usual();
	struct http_request r;
	char buf[256];

	(void)state;
	/* The proxy appended its line behind 128 of the client's. */
	fill(&r, "X-Forwarded-For: 192.0.2.66\n");
	r.deviations = HTTP_DEV_TOO_MANY_HEADERS;
	assert_string_equal(found(o, &r, NULL, buf), "10.0.0.1 5000 peer headers_cut");
	r.deviations = HTTP_DEV_HEAD_TOO_LARGE;
	assert_string_equal(found(o, &r, NULL, buf), "10.0.0.1 5000 peer headers_cut");
	r.deviations = HTTP_DEV_IN_BODY;
	assert_string_equal(found(o, &r, NULL, buf), "10.0.0.1 5000 peer uncertain");
	/* What the PROXY header said holds. */
	struct proxy_header p = {.source = {test_addr("203.0.113.7"), 1}};
	assert_string_equal(found(o, &r, &p, buf), "203.0.113.7 1 proxy_protocol");
	origin_free(o);
}

static void the_proxy_header_comes_first(void **state)
{
	struct origin *o = usual();
	struct http_request r;
	char buf[256];
	struct proxy_header client = {.version = 2, .source = {test_addr("203.0.113.7"), 1}};
	struct proxy_header cdn = {.version = 2, .source = {test_addr("10.9.9.9"), 2}};
	struct proxy_header unknown = {.version = 1};
	struct proxy_header local = {.version = 2, .local = true};
	struct proxy_header bad = {.version = 2, .malformed = true};
	struct proxy_header zero = {.version = 1, .source = {test_addr("0.0.0.0"), 2}};

	(void)state;
	/* The client's own headers are its own words. */
	fill(&r, "X-Forwarded-For: 192.0.2.66\n");
	assert_string_equal(found(o, &r, &client, buf), "203.0.113.7 1 proxy_protocol");
	/* Behind the balancer that wrote it stands another trusted proxy. */
	assert_string_equal(found(o, &r, &cdn, buf), "192.0.2.66 x_forwarded_for");
	assert_string_equal(found(o, &r, &local, buf), "192.0.2.66 x_forwarded_for");
	assert_string_equal(found(o, &r, &unknown, buf), "10.0.0.1 5000 peer hidden_hop");
	assert_string_equal(found(o, &r, &bad, buf), "10.0.0.1 5000 peer bad_proxy_header");
	assert_string_equal(found(o, &r, &zero, buf), "10.0.0.1 5000 peer hidden_hop");
	fill(&r, "");
	assert_string_equal(found(o, &r, &cdn, buf), "10.9.9.9 2 proxy_protocol");
	assert_string_equal(found(o, &r, &local, buf), "10.0.0.1 5000 peer");
	fill(&r, "X-Forwarded-For: garbage\n");
	assert_string_equal(found(o, &r, &cdn, buf), "10.9.9.9 2 proxy_protocol unreadable_hop");
	origin_free(o);
}

static void the_configured_headers_in_their_order(void **state)
{
	static const char *const reversed[] = {"x-real-ip", "x-forwarded-for"};
	static const char *const one[] = {"x-forwarded-for"};
	static const char *const other[] = {"cf-connecting-ip", "x-forwarded-for"};
	static const struct head by_real_ip[] = {
		{"X-Forwarded-For: 192.0.2.66\nX-Real-IP: 203.0.113.7\n", "203.0.113.7 x_real_ip conflict"},
		{"X-Forwarded-For: 203.0.113.7\n", "203.0.113.7 x_forwarded_for"},
		{"X-Real-IP: 203.0.113.7:81\n", "203.0.113.7 81 x_real_ip"},
	};
	static const struct head by_one[] = {
		{"Forwarded: for=192.0.2.66\nX-Forwarded-For: 203.0.113.7\nX-Real-IP: 192.0.2.66\n",
		 "203.0.113.7 x_forwarded_for"},
		{"Forwarded: for=192.0.2.66\n", "10.0.0.1 5000 peer"},
	};
	static const struct head by_other[] = {
		{"CF-Connecting-IP: 203.0.113.7\n", "203.0.113.7 header"},
		{"CF-Connecting-IP: 203.0.113.7, 192.0.2.1\n", "10.0.0.1 5000 peer unreadable_hop"},
	};
	static const struct head by_none[] = {{"X-Forwarded-For: 192.0.2.66\n", "10.0.0.1 5000 peer"}};

	(void)state;
	expect_all(fresh(reversed, 2), by_real_ip, ARRAY_SIZE(by_real_ip));
	expect_all(fresh(one, 1), by_one, ARRAY_SIZE(by_one));
	expect_all(fresh(other, 2), by_other, ARRAY_SIZE(by_other));
	expect_all(fresh(NULL, 0), by_none, ARRAY_SIZE(by_none));
}

static void who_claims_to_forward(void **state)
{
	static const struct {
		const char *head;
		bool claimed;
	} cases[] = {
		{"Via: 1.1 x\n", true},
		{"x-real-ip: 1\n", true},
		{"FORWARDED: \n", true},
		{"X-Forwarded-For: 1\n", true},
		{"X-Forwarded-Host: 1\n", false},
		{"X-Forwarded: 1\n", false},
		{"Host: h\nVia : 1.1 x\n", false},
	};
	struct http_request r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fill(&r, cases[i].head);
		assert_int_equal(origin_claimed(&r), cases[i].claimed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rightmost_hop_that_is_no_trusted_proxy),
		cmocka_unit_test(what_a_client_writes_before_its_proxy_does_is_not_believed),
		cmocka_unit_test(what_cannot_be_read_ends_the_walk_at_the_last_believed_hop),
		cmocka_unit_test(forwarded_as_rfc_7239_has_it),
		cmocka_unit_test(a_hundred_hops),
		cmocka_unit_test(heads_that_are_not_whole_or_may_be_a_body),
		cmocka_unit_test(the_proxy_header_comes_first),
		cmocka_unit_test(the_configured_headers_in_their_order),
		cmocka_unit_test(who_claims_to_forward),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
