// SPDX-License-Identifier: Apache-2.0
/* The JSON form of events: every key, what is absent, and that outside bytes cannot break it. */
#include "lib/util.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "../schema/event_samples.h"
#include "bpf/abi.h"
#include "lib/event_json.h"
#include "lib/json_read.h"

static cJSON *parse(struct span json)
{
	const struct json_limits limits = {1 << 20, 16, 10000};
	cJSON *tree = NULL;
	size_t offset = 0;
	int r = json_parse(json, &limits, &tree, &offset);

	if (r)
		fail_msg("%s at %zu of %.*s", json_error_name(r), offset, (int)json.len, json.ptr);
	return tree;
}

/* The data of an event, which is given back. */
static cJSON *data_of(struct event *e)
{
	struct buffer out = BUFFER_INIT(1 << 20);
	struct json_writer w = JSON_WRITER(&out);

	assert_non_null(e);
	event_json_data(&w, e);
	event_unref(e);
	assert_false(out.truncated);
	cJSON *tree = parse(buffer_span(&out));
	buffer_free(&out);
	return tree;
}

static const cJSON *at(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	if (!item)
		fail_msg("no key %s", key);
	return item;
}

static void assert_text(const cJSON *object, const char *key, const char *text)
{
	const cJSON *item = at(object, key);

	if (!cJSON_IsString(item))
		fail_msg("%s is no string", key);
	assert_string_equal(item->valuestring, text);
}

static void assert_number(const cJSON *object, const char *key, double value)
{
	const cJSON *item = at(object, key);

	if (!cJSON_IsNumber(item) || item->valuedouble != value)
		fail_msg("%s is %g, not %g", key, item->valuedouble, value);
}

static void assert_list(const cJSON *object, const char *key, const char *const *texts, int count)
{
	const cJSON *item = at(object, key);

	assert_true(cJSON_IsArray(item));
	assert_int_equal(cJSON_GetArraySize(item), count);
	for (int i = 0; i < count; i++)
		assert_string_equal(cJSON_GetArrayItem(item, i)->valuestring, texts[i]);
}

static void assert_absent(const cJSON *object, const char *key)
{
	if (cJSON_GetObjectItemCaseSensitive(object, key))
		fail_msg("%s should be absent", key);
}

static void test_http_request_with_everything(void **state)
{
	static const char *const forwarded[] = {"2001:db8::7", "192.0.2.1"};
	static const char *const host[] = {"api.example:8080"};
	cJSON *d = data_of(event_sample_full(EVENT_HTTP_REQUEST));

	(void)state;
	assert_text(d, "event.name", "http.request");
	assert_text(d, "time_unix_nano", "1795557610123456789");
	assert_text(d, "network.peer.address", "198.51.100.200");
	assert_number(d, "network.peer.port", 51234);
	assert_text(d, "network.local.address", "203.0.113.10");
	assert_number(d, "network.local.port", 8080);
	assert_text(d, "client.address", "2001:db8::7");
	assert_number(d, "client.port", 40000);
	assert_number(d, "server.port", 8080);
	assert_text(d, "server.address", "api.example");
	assert_text(d, "http.request.method", "_OTHER");
	assert_text(d, "http.request.method_original", "BREW");
	assert_text(d, "url.original", "/api/v1/users/7?q=&\"\\\x01\xef\xbf\xbd");
	assert_text(d, "url.path", "/api/v1/users/7");
	assert_text(d, "http.route", "/api/v1/users/{id}");
	assert_true(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(d, "picket.route.documented")));
	assert_text(d, "network.protocol.name", "http");
	assert_text(d, "network.protocol.version", "1.1");
	assert_list(d, "http.request.header.host", host, 1);
	assert_list(d, "http.request.header.x-forwarded-for", forwarded, 2);
	assert_text(d, "user_agent.original", "curl/8.0");
	assert_text(d, "picket.connection.id", "18446744073709551615");
	assert_text(d, "picket.consumer", "c_0011223344556677");
	assert_number(d, "picket.request.index", 3);
	assert_number(d, "picket.process.pid", 4711);
	assert_true(cJSON_IsTrue(at(d, "picket.request.forwarded")));
	assert_true(cJSON_IsTrue(at(d, "picket.request.truncated")));
	assert_true(cJSON_IsTrue(at(d, "picket.test")));
	assert_number(d, "http.response.status_code", 418);
	assert_number(d, "http.response.body.size", 12);
	assert_text(d, "picket.http.latency_ns", "18446744073709551615");
	assert_int_equal(cJSON_GetArraySize(at(d, "picket.deviations")), HTTP_DEV_BITS);
	cJSON_Delete(d);
}

/* cJSON reads numbers as doubles, so this one is looked for in the text. */
static void test_a_64_bit_length_is_exact(void **state)
{
	struct buffer out = BUFFER_INIT(1 << 20);
	struct json_writer w = JSON_WRITER(&out);
	struct event *e = event_sample_full(EVENT_HTTP_REQUEST);

	(void)state;
	event_json_data(&w, e);
	buffer_append_char(&out, 0);
	assert_non_null(strstr(out.data, "\"http.request.body.size\":9223372036854775807,"));
	assert_non_null(strstr(out.data, "\"http.response.size\":9223372036854775807,"));
	buffer_free(&out);
	event_unref(e);
}

static void test_http_request_with_nothing(void **state)
{
	static const char *const absent[] = {
		"server.address",      "http.request.method_original", "http.request.body.size",
		"user_agent.original", "picket.connection.id",         "picket.consumer",
		"picket.deviations",   "picket.signature.id",          "picket.signature.score",
		"picket.process.pid",  "picket.request.forwarded",     "picket.request.truncated",
		"picket.test",         "http.response.status_code",    "http.response.body.size",
		"http.response.size",  "picket.http.latency_ns",
	};
	cJSON *d = data_of(event_sample_minimal(EVENT_HTTP_REQUEST));

	(void)state;
	assert_text(d, "http.request.method", "GET");
	assert_text(d, "network.protocol.version", "0.9");
	assert_text(d, "client.address", "2001:db8::1"); /* the peer, as nobody said otherwise */
	assert_number(d, "client.port", 1);
	assert_number(d, "picket.request.index", 0);
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
		assert_absent(d, absent[i]);
	cJSON_Delete(d);
}

static void test_methods_are_known_by_case(void **state)
{
	static const struct {
		const char *sent;
		bool known;
	} methods[] = {{"GET", true},   {"POST", true},      {"PATCH", true}, {"TRACE", true}, {"get", false},
		       {"GETX", false}, {"PROPFIND", false}, {"GE", false},   {"", false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		struct event *e = event_sample_minimal(EVENT_HTTP_REQUEST);
		e->request.method = span_from(methods[i].sent);
		cJSON *d = data_of(e);
		assert_text(d, "http.request.method", methods[i].known ? methods[i].sent : "_OTHER");
		if (methods[i].known)
			assert_absent(d, "http.request.method_original");
		else
			assert_text(d, "http.request.method_original", methods[i].sent);
		cJSON_Delete(d);
	}
}

static void test_every_ipv4_octet(void **state)
{
	char text[ADDR_TEXT_MAX];

	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		struct event *e = event_sample_minimal(EVENT_CONNECTION);
		e->flow.peer.addr = (struct addr){
			ADDR_IPV4, {(uint8_t)i, (uint8_t)(255 - i), (uint8_t)(i * 7), (uint8_t)i}};
		addr_format(&e->flow.peer.addr, text);
		cJSON *d = data_of(e);
		assert_text(d, "network.peer.address", text);
		cJSON_Delete(d);
	}
}

static void test_header_names_of_outsiders_cannot_break_the_json(void **state)
{
	struct event *e = event_sample_full(EVENT_HTTP_REQUEST);

	(void)state;
	e->request.headers[0].name = SPAN("a\":{\"\x01\xff");
	cJSON *d = data_of(e);
	assert_true(cJSON_IsObject(d));
	assert_text(d, "url.path", "/api/v1/users/7");
	cJSON_Delete(d);
}

static void test_net_connection(void **state)
{
	cJSON *d = data_of(event_sample_full(EVENT_CONNECTION));

	(void)state;
	assert_text(d, "event.name", "net.connection");
	assert_text(d, "client.address", "198.51.100.200");
	assert_text(d, "picket.connection.duration_ns", "9876543210");
	assert_number(d, "picket.connection.bytes_received", 5000000000.0);
	assert_number(d, "picket.connection.bytes_sent", 7);
	assert_number(d, "picket.connection.rtt_us", 250);
	assert_number(d, "picket.connection.retransmits", 1);
	assert_number(d, "picket.connection.requests", 12);
	assert_number(d, "picket.connection.gaps", 2);
	assert_true(cJSON_IsTrue(at(d, "picket.connection.complete")));
	cJSON_Delete(d);
	d = data_of(event_sample_minimal(EVENT_CONNECTION));
	assert_true(cJSON_IsFalse(at(d, "picket.connection.complete")));
	cJSON_Delete(d);
}

static void test_tcp_header(void **state)
{
	static const char *const flags[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "NS"};
	static const char *const why[] = {"syn", "fin", "rst", "malformed", "odd", "sample", "denied"};
	cJSON *d = data_of(event_sample_full(EVENT_TCP_HEADER));

	(void)state;
	assert_number(d, "tcp.header.source_port", 51234);
	assert_number(d, "tcp.header.destination_port", 8080);
	assert_number(d, "tcp.header.sequence", 4294967295.0);
	assert_number(d, "tcp.header.acknowledgment", 1);
	assert_number(d, "tcp.header.header_length", 60);
	assert_number(d, "tcp.header.flags", 0x1ff);
	assert_number(d, "tcp.header.window", 65535);
	assert_list(d, "tcp.header.flag_names", flags, 9);
	assert_list(d, "picket.why", why, 7);
	assert_text(d, "picket.hook", "xdp");
	assert_number(d, "picket.packet.ttl", 64);
	assert_number(d, "picket.packet.payload_length", 1460);
	assert_number(d, "picket.packet.interface", 2);
	cJSON_Delete(d);
	d = data_of(event_sample_minimal(EVENT_TCP_HEADER));
	assert_list(d, "tcp.header.flag_names", NULL, 0);
	assert_absent(d, "picket.packet.interface");
	cJSON_Delete(d);
}

static cJSON *tcp_header_with(uint16_t flags, uint8_t why, uint8_t hook)
{
	struct event *e = event_sample_minimal(EVENT_TCP_HEADER);

	e->tcp_header.flags = flags;
	e->tcp_header.why = why;
	e->tcp_header.hook = hook;
	return data_of(e);
}

/* lib may not include the kernel's contract; this test may, and holds the names against it. */
static void test_names_of_bits_are_those_of_the_kernel_half(void **state)
{
	static const struct {
		uint16_t bit;
		const char *name;
	} flags[] =
		{
			{PK_TCP_FIN, "FIN"}, {PK_TCP_SYN, "SYN"}, {PK_TCP_RST, "RST"},
			{PK_TCP_PSH, "PSH"}, {PK_TCP_ACK, "ACK"}, {PK_TCP_URG, "URG"},
			{PK_TCP_ECE, "ECE"}, {PK_TCP_CWR, "CWR"}, {PK_TCP_NS, "NS"},
		},
	  whys[] =
		  {
			  {PK_WHY_SYN, "syn"},       {PK_WHY_FIN, "fin"},
			  {PK_WHY_RST, "rst"},       {PK_WHY_MALFORMED, "malformed"},
			  {PK_WHY_ODD, "odd"},       {PK_WHY_SAMPLE, "sample"},
			  {PK_WHY_DENIED, "denied"},
		  },
	  hooks[] = {{PK_HOOK_XDP, "xdp"}, {PK_HOOK_TC, "tc"}, {PK_HOOK_KPROBE, "kprobe"}};
	cJSON *d;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		d = tcp_header_with(flags[i].bit, 0, 0);
		assert_list(d, "tcp.header.flag_names", &flags[i].name, 1);
		assert_absent(d, "picket.hook");
		cJSON_Delete(d);
	}
	for (size_t i = 0; i < ARRAY_SIZE(whys); i++) {
		d = tcp_header_with(0, (uint8_t)whys[i].bit, 0);
		assert_list(d, "picket.why", &whys[i].name, 1);
		cJSON_Delete(d);
	}
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		d = tcp_header_with(0, 0, (uint8_t)hooks[i].bit);
		assert_text(d, "picket.hook", hooks[i].name);
		cJSON_Delete(d);
	}
}

static void test_anomalies(void **state)
{
	cJSON *d = data_of(event_sample_full(EVENT_TCP_ANOMALY));

	(void)state;
	assert_text(d, "event.name", "tcp.anomaly");
	assert_text(d, "tcp.anomaly.name", "null_flags");
	cJSON_Delete(d);
	d = data_of(event_sample_full(EVENT_HTTP_ANOMALY));
	assert_text(d, "http.anomaly.name", "bare_lf");
	assert_text(d, "picket.request.id", "0011223344556677-1");
	cJSON_Delete(d);
	d = data_of(event_sample_minimal(EVENT_HTTP_ANOMALY));
	assert_absent(d, "picket.request.id");
	cJSON_Delete(d);
}

static void test_hellos(void **state)
{
	static const char *const protocols[] = {"h2", "http/1.1"};
	cJSON *d = data_of(event_sample_full(EVENT_TLS_HELLO));

	(void)state;
	assert_text(d, "event.name", "tls.client_hello");
	assert_text(d, "tls.client.server_name", "api.example");
	assert_text(d, "tls.client.ja3", "0123456789abcdef0123456789abcdef");
	assert_text(d, "tls.client.ja4", "t13d1516h2_8daaf6152771_e5627efa2ab1");
	assert_text(d, "tls.protocol.name", "tls");
	assert_text(d, "tls.protocol.version", "1.3");
	assert_text(d, "picket.tls.version_offered", "1.3"); /* a draft of it */
	assert_list(d, "picket.tls.alpn", protocols, 2);
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(d, "picket.tls.deviations")), TLS_DEV_BITS);
	cJSON_Delete(d);
	d = data_of(event_sample_minimal(EVENT_TLS_HELLO));
	assert_text(d, "tls.protocol.name", "ssl");
	assert_text(d, "tls.protocol.version", "3");
	assert_absent(d, "tls.client.server_name");
	assert_absent(d, "picket.tls.alpn");
	assert_absent(d, "picket.tls.deviations");
	cJSON_Delete(d);
}

/* What is known of a client's TLS goes with requests and connections; what is not is absent. */
static void test_tls_of_others(void **state)
{
	static const enum event_kind kinds[] = {EVENT_HTTP_REQUEST, EVENT_CONNECTION};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		cJSON *d = data_of(event_sample_full(kinds[i]));
		assert_text(d, "tls.client.ja4", "t13d1516h2_8daaf6152771_e5627efa2ab1");
		assert_text(d, "tls.client.server_name", "api.example");
		assert_text(d, "tls.protocol.version", "1.3");
		cJSON_Delete(d);
		d = data_of(event_sample_minimal(kinds[i]));
		assert_absent(d, "tls.client.ja4");
		assert_absent(d, "tls.client.server_name");
		assert_absent(d, "tls.protocol.version");
		cJSON_Delete(d);
	}
}

static void test_loss(void **state)
{
	cJSON *d = data_of(event_sample_full(EVENT_LOSS));

	(void)state;
	assert_text(d, "picket.loss.stage", "share");
	assert_text(d, "picket.loss.kind", "data");
	assert_number(d, "picket.loss.count", 17);
	assert_text(d, "picket.loss.source", "198.51.100.200");
	cJSON_Delete(d);
	d = data_of(event_sample_minimal(EVENT_LOSS));
	assert_absent(d, "picket.loss.source");
	assert_absent(d, "network.peer.address");
	assert_absent(d, "network.peer.port");
	cJSON_Delete(d);
}

static void test_decision(void **state)
{
	static const char *const evidence[] = {"0011223344556677-1", "0011223344556677-2"};
	cJSON *d = data_of(event_sample_full(EVENT_DECISION));

	(void)state;
	assert_text(d, "picket.decision.id", "v-1");
	assert_text(d, "picket.decision.action", "block");
	assert_text(d, "picket.decision.outcome", "blocked");
	assert_text(d, "picket.decision.target", "192.0.2.0/24");
	assert_text(d, "picket.decision.scope", "ports");
	assert_number(d, "picket.decision.ttl_s", 900);
	assert_text(d, "picket.decision.source", "gateway");
	assert_text(d, "picket.decision.origin", "main");
	assert_number(d, "picket.decision.confidence", 0.97);
	assert_text(d, "picket.decision.why", "ok");
	assert_text(d, "picket.decision.detail", "blocked in the kernel");
	assert_text(d, "picket.decision.reason", "12 logins in 9 s");
	assert_list(d, "picket.decision.evidence", evidence, 2);
	assert_text(d, "picket.decision.point", "kernel");
	assert_text(d, "picket.decision.cause_boot_ns", "1000000000");
	assert_text(d, "picket.decision.received_boot_ns", "2000000000");
	assert_text(d, "picket.decision.installed_boot_ns", "2000123000");
	assert_number(d, "picket.decision.verdict_to_installed_us", 123);
	assert_number(d, "picket.decision.request_to_installed_us", 1000123);
	cJSON_Delete(d);
}

static void test_decision_that_installed_nothing(void **state)
{
	static const char *const absent[] = {
		"picket.decision.id",
		"picket.decision.scope",
		"picket.decision.ttl_s",
		"picket.decision.point",
		"picket.decision.installed_boot_ns",
		"picket.decision.verdict_to_installed_us",
		"picket.decision.request_to_installed_us",
		"picket.decision.evidence",
		"client.address",
	};
	cJSON *d = data_of(event_sample_minimal(EVENT_DECISION));

	(void)state;
	assert_text(d, "picket.decision.action", "unblock");
	assert_text(d, "picket.decision.outcome", "refused");
	assert_text(d, "picket.decision.target", "192.0.2.7");
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
		assert_absent(d, absent[i]);
	cJSON_Delete(d);
}

static void test_cloudevent(void **state)
{
	struct buffer out = BUFFER_INIT(1 << 20);
	struct json_writer w = JSON_WRITER(&out);
	struct event *e = event_sample_full(EVENT_HTTP_REQUEST);
	char id[EVENT_ID_TEXT_MAX];
	cJSON *c;

	(void)state;
	event_json_cloudevent(&w, e, "picket://api-1/default");
	c = parse(buffer_span(&out));
	event_id_format(e, id);
	assert_text(c, "specversion", "1.0");
	assert_text(c, "id", id);
	assert_text(c, "source", "picket://api-1/default");
	assert_text(c, "type", "dev.picket.http.request.v1");
	assert_text(c, "time", "2026-11-24T22:00:10.123456789Z");
	assert_text(c, "datacontenttype", "application/json");
	assert_text(at(c, "data"), "event.name", "http.request");
	assert_text(at(c, "data"), "picket.event.id", id);
	cJSON_Delete(c);
	buffer_free(&out);
	event_unref(e);
}

static void test_the_type_names_the_event(void **state)
{
	char type[64];

	(void)state;
	for (unsigned k = 1; k < EVENT_KIND_MAX; k++) {
		struct buffer out = BUFFER_INIT(1 << 20);
		struct json_writer w = JSON_WRITER(&out);
		struct event *e = event_sample_minimal((enum event_kind)k);
		event_json_cloudevent(&w, e, "picket://api-1/default");
		cJSON *c = parse(buffer_span(&out));
		snprintf(type, sizeof type, "dev.picket.%s.v1", event_kind_name((enum event_kind)k));
		assert_text(c, "type", type);
		cJSON_Delete(c);
		buffer_free(&out);
		event_unref(e);
	}
}

/* An event that does not fit leaves the buffer marked, so that the sender knows to drop it. */
static void test_a_ceiling_too_low_is_told(void **state)
{
	struct event *e = event_sample_full(EVENT_HTTP_REQUEST);

	(void)state;
	for (size_t ceiling = 0; ceiling < 600; ceiling += 7) {
		struct buffer out = BUFFER_INIT(ceiling);
		struct json_writer w = JSON_WRITER(&out);
		event_json_cloudevent(&w, e, "picket://api-1/default");
		assert_true(out.truncated);
		assert_true(out.len <= ceiling);
		buffer_free(&out);
	}
	event_unref(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http_request_with_everything),
		cmocka_unit_test(test_a_64_bit_length_is_exact),
		cmocka_unit_test(test_http_request_with_nothing),
		cmocka_unit_test(test_methods_are_known_by_case),
		cmocka_unit_test(test_every_ipv4_octet),
		cmocka_unit_test(test_header_names_of_outsiders_cannot_break_the_json),
		cmocka_unit_test(test_net_connection),
		cmocka_unit_test(test_tcp_header),
		cmocka_unit_test(test_names_of_bits_are_those_of_the_kernel_half),
		cmocka_unit_test(test_anomalies),
		cmocka_unit_test(test_hellos),
		cmocka_unit_test(test_tls_of_others),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_decision),
		cmocka_unit_test(test_decision_that_installed_nothing),
		cmocka_unit_test(test_cloudevent),
		cmocka_unit_test(test_the_type_names_the_event),
		cmocka_unit_test(test_a_ceiling_too_low_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
