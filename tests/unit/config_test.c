// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "lib/config.h"
#include "lib/event.h"
#include "lib/json_read.h"
#include "lib/util.h"

static char directory[64], file[96];
static struct config *config;
static struct buffer errors;

static void write_at(const char *name, const char *text)
{
	char path[192];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
	char path[192];

	(void)state;
	snprintf(directory, sizeof directory, "/tmp/picket-config-test-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(file, sizeof file, "%s/picket.yaml", directory);
	snprintf(path, sizeof path, "%s/conf.d", directory);
	if (mkdir(path, 0700))
		return -1;
	errors = BUFFER_INIT(256 * 1024);
	config = NULL;
	return 0;
}

static void remove_files(const char *where)
{
	char path[512];
	DIR *d = opendir(where);

	for (struct dirent *e; d && (e = readdir(d));) {
		snprintf(path, sizeof path, "%s/%s", where, e->d_name);
		if (e->d_name[0] != '.' || e->d_type == DT_REG)
			unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(where);
}

static int tear_down(void **state)
{
	char path[192];

	(void)state;
	snprintf(path, sizeof path, "%s/conf.d", directory);
	remove_files(path);
	remove_files(directory);
	config_free(config);
	buffer_free(&errors);
	return 0;
}

static int load_with(const struct config_flag *flags, unsigned count, char *const *environment)
{
	config_free(config);
	config = NULL;
	buffer_reset(&errors);
	return config_load(file, flags, count, environment, &config, &errors);
}

static void load(const char *text)
{
	write_at("picket.yaml", text);
	if (load_with(NULL, 0, NULL))
		fail_msg("%.*s", (int)errors.len, errors.data);
	assert_int_equal(errors.len, 0);
}

static bool told(const char *text)
{
	return errors.len && memmem(errors.data, errors.len, text, strlen(text));
}

/* Refused, with exactly this message behind "FILE". */
static void refuse(const char *text, const char *message)
{
	char expected[2048];

	write_at("picket.yaml", text);
	assert_int_equal(load_with(NULL, 0, NULL), CONFIG_E_INVALID);
	assert_null(config);
	snprintf(expected, sizeof expected, "%s%s\n", file, message);
	if (!span_equal(buffer_span(&errors), span_from(expected)))
		fail_msg("told: %.*sexpected: %s", (int)errors.len, errors.len ? errors.data : "", expected);
}

/* --- defaults --- */

static void nothing_configured_gives_the_defaults(void **state)
{
	(void)state;
	assert_int_equal(config_load("", NULL, 0, NULL, &config, &errors), 0);
	assert_string_equal(config->instance, "default");
	assert_int_equal(config->mode, MODE_OBSERVE);
	assert_string_equal(config->control, "/run/picket/default/control.sock");
	assert_string_equal(config->state_dir, "/var/lib/picket/default");
	assert_true(strcmp(config->user, "picket") == 0 || strcmp(config->user, "nobody") == 0);
	assert_int_equal(config->log.level, LOG_INFO);
	assert_int_equal(config->capture.interfaces.count, 0);
	assert_int_equal(config->capture.packet_mode, PACKET_AUTO);
	assert_int_equal(config->capture.ring_bytes, 16 << 20);
	assert_int_equal(config->capture.header_ring_bytes, 4 << 20);
	assert_int_equal(config->capture.read_max, 65536);
	assert_int_equal(config->capture.header_sample, 0);
	assert_int_equal(config->capture.stream_bytes, 64 << 20);
	assert_int_equal(config->capture.decapsulate, 0);
	assert_int_equal(config->capture.vxlan_port, 4789);
	assert_int_equal(config->capture.tunnel_peers.count, 0);
	assert_string_equal(config->capture.cgroup, "");
	assert_false(config->redact.disabled);
	assert_int_equal(config->redact.query, REDACT_QUERY_HASH);
	assert_int_equal(config->redact.headers.count, 0); /* the rules say which */
	assert_int_equal(config->redact.policies.count, 0);
	assert_string_equal(config->redact.key_file, "/var/lib/picket/default/redact.key");
	assert_int_equal(config->limits.ttl_max_ms, 86400000);
	assert_int_equal(config->limits.prefix_min_v4, 24);
	assert_int_equal(config->limits.prefix_min_v6, 48);
	assert_int_equal(config->limits.insert_rate, 1000);
	assert_int_equal(config->limits.blocks_max, 65536);
	assert_int_equal(config->guard.per_minute, 60);
	assert_int_equal(config->guard.per_hour, 600);
	assert_int_equal(config->guard.cool_down_ms, 300000);
	assert_int_equal(config->guard.good_requests, 5);
	assert_int_equal(config->guard.good_span_ms, 600000);
	assert_int_equal(config->guard.good_within_ms, 86400000);
	assert_true(config->guard.blast_radius == 0.05);
	assert_int_equal(config->guard.shared_from, 3);
	assert_int_equal(config->guard.group_offenders, 4);
	assert_int_equal(config->guard.group_within_ms, 600000);
	assert_true(config->gateways[0].corroborate);
	assert_int_equal(config->gateways[0].mode, MODE_ENFORCE);
	assert_true(config->guard.confidence_min == 0.8);
	assert_int_equal(config->guard.ttl_default_ms, 900000);
	assert_int_equal(config->gateway_count, 1);
	assert_string_equal(config->gateways[0].name, "local");
	assert_int_equal(config->gateways[0].protocol, GATEWAY_LOCAL);
	assert_true(config->gateways[0].verdicts);
}

static void instance_names_the_paths_that_are_not_given(void **state)
{
	(void)state;
	load("instance: blue\n");
	assert_string_equal(config->control, "/run/picket/blue/control.sock");
	assert_string_equal(config->redact.key_file, "/var/lib/picket/blue/redact.key");
	load("instance: blue\nstate_dir: /srv/blue\n");
	assert_string_equal(config->redact.key_file, "/srv/blue/redact.key");
}

static void example_loads_clean_and_changes_nothing(void **state)
{
	struct buffer by_example = BUFFER_INIT(65536), by_default = BUFFER_INIT(65536);
	struct config *example;

	(void)state;
	if (config_load(PICKET_EXAMPLE, NULL, 0, NULL, &example, &errors))
		fail_msg("%.*s", (int)errors.len, errors.data);
	assert_int_equal(config_load("", NULL, 0, NULL, &config, &errors), 0);
	assert_int_equal(config_show(example, false, &by_example), 0);
	assert_int_equal(config_show(config, false, &by_default), 0);
	assert_true(span_equal(buffer_span(&by_example), buffer_span(&by_default)));
	config_free(example);
	buffer_free(&by_example);
	buffer_free(&by_default);
}

/* --- values --- */

static void every_kind_of_value_is_read(void **state)
{
	static const char text[] = "mode: enforce\n"
				   "log: {level: debug, format: json}\n"
				   "capture:\n"
				   "  interfaces: [eth0, \"br-lan\"]\n"
				   "  packet_mode: xdp-generic\n"
				   "  ports:\n"
				   "    - 80\n"
				   "    - 443\n"
				   "  cgroup: system.slice/nginx.service\n"
				   "  ring_bytes: 32 MiB\n"
				   "  header_ring_bytes: 1048576\n"
				   "  decapsulate: [vxlan, ipip]\n"
				   "  tunnel_peers: [10.0.0.8/30]\n"
				   "redact: {query: keep, headers: [Host, X-Trace]}\n"
				   "proxies: {default: direct, trusted: [10.0.0.5, \"2001:db8::/48\"]}\n"
				   "limits: {ttl_max: 1h30m}\n"
				   "guard: {confidence_min: 1e-1}\n";

	(void)state;
	load(text);
	assert_int_equal(config->mode, MODE_ENFORCE);
	assert_int_equal(config->log.level, LOG_DEBUG);
	assert_int_equal(config->log.format, LOG_JSON);
	assert_int_equal(config->capture.interfaces.count, 2);
	assert_string_equal(config->capture.interfaces.items[1], "br-lan");
	assert_int_equal(config->capture.packet_mode, PACKET_XDP_GENERIC);
	assert_int_equal(config->capture.ports.count, 2);
	assert_int_equal(config->capture.ports.items[1], 443);
	assert_string_equal(config->capture.cgroup, "system.slice/nginx.service");
	assert_int_equal(config->capture.ring_bytes, 32 << 20);
	assert_int_equal(config->capture.header_ring_bytes, 1 << 20);
	assert_int_equal(config->capture.decapsulate, CAPTURE_IPIP | CAPTURE_VXLAN);
	assert_int_equal(config->capture.tunnel_peers.count, 1);
	assert_int_equal(config->redact.query, REDACT_QUERY_KEEP);
	assert_int_equal(config->redact.headers.count, 2);
	assert_string_equal(config->redact.headers.items[1], "x-trace");
	assert_int_equal(config->proxies.peers, PROXY_DIRECT);
	assert_int_equal(config->proxies.trusted.count, 2);
	assert_int_equal(config->proxies.trusted.items[1].bits, 48);
	assert_int_equal(config->limits.ttl_max_ms, 5400000);
	assert_true(config->guard.confidence_min == 0.1);
}

#define PIN_A "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define PIN_B "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static void gateway_says_how_it_is_reached(void **state)
{
	(void)state;
	load("gateways:\n  - name: far\n    protocol: batch\n    url: https://gw.example/\n    token_file: "
	     "/t\n"
	     "    auth_header: X-Key\n    auth_scheme: raw\n    ca_file: /ca\n    cert_file: /c\n    "
	     "key_file: /k\n"
	     "    pin: " PIN_A ";" PIN_B "\n    proxy: http://proxy.example:3128\n    http2: false\n    "
	     "verify_key_file: /v\n    signature_window: 30s\n");
	const struct config_gateway *g = &config->gateways[0];
	assert_string_equal(g->auth_header, "X-Key");
	assert_int_equal(g->auth_scheme, AUTH_RAW);
	assert_string_equal(g->cert_file, "/c");
	assert_string_equal(g->key_file, "/k");
	assert_string_equal(g->pin, PIN_A ";" PIN_B);
	assert_string_equal(g->proxy, "http://proxy.example:3128");
	assert_false(g->http2);
	assert_string_equal(g->verify_key_file, "/v");
	assert_int_equal(g->signature_window_ms, 30000);
	assert_false(g->unsigned_verdicts);
}

#define BATCH  "gateways: [{name: a, protocol: batch, url: 'http://a/', "
#define HTTPS  "gateways: [{name: a, protocol: batch, url: 'https://a/', "
#define NO_PIN "is no pin; write sha256// and the SHA-256 of the public key in base64, several by ;"

static void profile_sets_what_has_a_default(void **state)
{
	(void)state;
	load("gateways:\n  - name: far\n    profile: lunar\n    url: https://gw.example/v1\n"
	     "    lunar_url: http://lunar:8000\n    timeout_ms: 55000\n    verify_key_file: /v\n");
	const struct config_gateway *g = &config->gateways[0];
	assert_int_equal(g->protocol, GATEWAY_BATCH);
	assert_int_equal(g->transport, TRANSPORT_LUNAR);
	assert_int_equal(g->batch_bytes, 24 * 1024);
	assert_int_equal(g->timeout_ms, 55000); /* written out */
	assert_string_equal(g->lunar_tag, "picket");
	/* By the transport alone, wherever its key stands. */
	load("gateways: [{name: a, url: 'http://a/', lunar_url: 'http://l', transport: lunar, protocol: "
	     "batch, verdicts: false}]\n");
	assert_int_equal(config->gateways[0].timeout_ms, 60000);
	assert_int_equal(config->gateways[0].profile, PROFILE_NONE);
}

static void model_is_asked_within_bounds(void **state)
{
	(void)state;
	load("gateways:\n  - name: m\n    profile: apipark\n    url: http://gw:8099/ai/chat/completions\n"
	     "    model: moonshot/moonshot-v1-8k\n    linger_ms: 5000\n    headers: {x-a: b}\n");
	const struct config_gateway *g = &config->gateways[0];
	assert_int_equal(g->protocol, GATEWAY_OPENAI);
	assert_int_equal(g->auth_scheme, AUTH_RAW);
	assert_int_equal(g->linger_ms, 5000);
	assert_int_equal(g->batch_bytes, 24 * 1024);
	assert_int_equal(g->attempts_max, 3);
	assert_int_equal(g->deadline_ms, 30000);
	assert_int_equal(g->requests_per_minute, 6);
	assert_int_equal(g->tokens_per_day, 1000000);
	assert_int_equal(g->spool, 0);
	assert_int_equal(g->clients, CLIENTS_SUSPICIOUS);
	assert_false(g->events & 1u << EVENT_LOSS);
	assert_int_equal(g->headers.count, 1);
	/* What a profile sends stands beside what is written, unless that is the same. */
	load("gateways: [{name: p, profile: portkey, url: 'http://gw/', model: m, headers: "
	     "{x-portkey-provider: openai}}]\n");
	assert_int_equal(config->gateways[0].headers.count, 2);
	assert_string_equal(config->gateways[0].headers.items[1],
			    "x-portkey-forward-headers: idempotency-key, picket-nonce");
	load("gateways: [{name: p, profile: portkey, url: 'http://gw/', model: m, headers: "
	     "{X-Portkey-Forward-Headers: "
	     "x}}]\n");
	assert_int_equal(config->gateways[0].headers.count, 1);
	/* Through Lunar, with its own longer time. */
	load("gateways: [{name: p, profile: openai, transport: lunar, lunar_url: 'http://l', url: "
	     "'http://gw/', model: m}]\n");
	assert_int_equal(config->gateways[0].timeout_ms, 60000);
}

#define MODEL "gateways: [{name: a, protocol: openai, url: 'http://a/', "

static void model_settings_that_contradict(void **state)
{
	(void)state;
	refuse(MODEL "max_tokens: 100}]\n", ":1: gateways: \"a\" has protocol openai and needs a model");
	refuse(BATCH "model: m}]\n", ":1: gateways: \"a\" has a model, but not protocol: openai");
	refuse(MODEL "model: m, events: [http.request, picket.loss]}]\n",
	       ":1: gateways: \"a\" has protocol openai: events may only have names of events that name a "
	       "client");
	refuse(MODEL "model: m, events: []}]\n", ":1: gateways: \"a\" has protocol openai: events may only "
						 "have names of events that name a client");
	refuse(MODEL "model: m, batch_events: 1001}]\n",
	       ":1: gateways: \"a\" has protocol openai: batch_events is at most 1000 there");
	refuse(MODEL "model: m, batch_bytes: 2MiB}]\n",
	       ":1: gateways: \"a\" has protocol openai: batch_bytes is at most 1MiB there");
	refuse(MODEL "model: m, spool: 8MiB}]\n",
	       ":1: gateways: \"a\" has protocol openai, which has no spool: nobody asks about the past");
	refuse(MODEL "model: m, clients: some}]\n",
	       ":1: gateways.clients: \"some\" is none of all, suspicious");
	refuse(MODEL "model: m, sample: 2}]\n", ":1: gateways.sample: \"2\" is no number from 0 to 1");
}

static void headers_in_three_ways(void **state)
{
	static const char *const ways[] = {
		"[\"X-One: 1\", 'x-two:  a, b']",
		"{X-One: 1, x-two: 'a, b'}",
		"[X-One: 1, x-two: 'a, b']",
	};
	char text[256], expected[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		snprintf(text, sizeof text,
			 BATCH "verdicts: false, headers: %s, header_files: {x-key: key}}]\n", ways[i]);
		load(text);
		const struct config_gateway *g = &config->gateways[0];
		assert_int_equal(g->headers.count, 2);
		assert_string_equal(g->headers.items[0], "X-One: 1");
		assert_string_equal(g->headers.items[1], "x-two: a, b");
		snprintf(expected, sizeof expected, "x-key: %s/key", directory);
		assert_string_equal(g->header_files.items[0], expected);
	}
	refuse("gateways: [{name: a, profile: portkey, url: 'http://a/', model: m, headers: ['a: 1', 'b: 1', "
	       "'c: 1', 'd: 1', "
	       "'e: 1', 'f: 1', 'g: 1', 'h: 1', 'i: 1', 'j: 1', 'k: 1', 'l: 1', 'm: 1', 'n: 1', 'o: 1', 'p: "
	       "1']}]\n",
	       ":1: gateways: \"a\" has more than 16 headers, those of its profile counted");
	refuse(BATCH "headers: [a]}]\n", ":1: gateways.headers: \"a\" is no header; write \"Name: value\"");
	refuse(BATCH "headers: {x: [1]}}]\n", ":1: gateways.headers: may hold plain values only");
	refuse(BATCH "headers: {x-lunar-host: a}}]\n",
	       ":1: gateways.headers: \"x-lunar-host\" is a header that only transport: lunar may send");
	refuse(BATCH "headers: {X-Api-Key: a}}]\n", ":1: gateways.headers: \"X-Api-Key\" holds a secret: put "
						    "it into a file and name that in header_files, "
						    "or in token_file");
	refuse(BATCH "headers: {content-length: 1}}]\n",
	       ":1: gateways.headers: \"content-length\" is a header that picket sends itself");
	refuse(BATCH "headers: {x y: 1}}]\n", ":1: gateways.headers: \"x y\" is no header field name");
	refuse(BATCH "headers: {x: \"\\xe4\"}}]\n",
	       ":1: gateways.headers: \"x\" has a value with other characters than printable ASCII");
}

static void lunar_settings_that_contradict(void **state)
{
	(void)state;
	refuse(BATCH "transport: lunar}]\n",
	       ":1: gateways: \"a\" has transport lunar and needs a lunar_url: where that proxy listens");
	refuse(BATCH "lunar_url: 'http://l'}]\n",
	       ":1: gateways: \"a\" has a lunar_url, but not transport: lunar");
	refuse(BATCH "transport: lunar, lunar_url: 'http://l/x'}]\n",
	       ":1: gateways: \"a\" has a lunar_url that goes on behind the host; write http://HOST:PORT, "
	       "the path is "
	       "url's");
	refuse(HTTPS "transport: lunar, lunar_url: 'http://l', pin: '" PIN_A "'}]\n",
	       ":1: gateways: \"a\" has a pin, but its lunar_url does not begin with https://");
	refuse("gateways: [{name: a, protocol: local, transport: lunar}]\n",
	       ":1: gateways: \"a\" has protocol local, which knows no transport");
}

static void gateway_settings_that_contradict(void **state)
{
	(void)state;
	refuse("gateways: [{name: a, protocol: local, proxy: 'http://p'}]\n",
	       ":1: gateways: \"a\" has protocol local, which knows no proxy");
	refuse(BATCH "cert_file: /c, key_file: /k}]\n",
	       ":1: gateways: \"a\" has a cert_file, but its url does not begin with https://");
	refuse(BATCH "pin: '" PIN_A "'}]\n",
	       ":1: gateways: \"a\" has a pin, but its url does not begin with https://");
	refuse(HTTPS "cert_file: /c}]\n", ":1: gateways: \"a\" has a cert_file and needs its key_file");
	refuse(HTTPS "key_file: /c}]\n", ":1: gateways: \"a\" has a key_file and needs its cert_file");
	refuse(BATCH "auth_header: X-Key}]\n",
	       ":1: gateways: \"a\" has an auth_header, but no token_file to send");
	refuse(BATCH "auth_scheme: raw}]\n",
	       ":1: gateways: \"a\" has an auth_scheme, but no token_file to send");
	refuse(BATCH "token_file: /t, auth_scheme: basic}]\n",
	       ":1: gateways.auth_scheme: \"basic\" is none of bearer, raw");
	refuse(BATCH "token_file: /t, auth_header: Content-Type}]\n",
	       ":1: gateways.auth_header: \"Content-Type\" is a header that picket sends itself");
	refuse(BATCH "token_file: /t, auth_header: 'X-Key:'}]\n",
	       ":1: gateways.auth_header: \"X-Key:\" is no header field name");
	refuse(HTTPS "pin: 'sha256//AAAA='}]\n", ":1: gateways.pin: \"sha256//AAAA=\" " NO_PIN);
	refuse(HTTPS "pin: '" PIN_A ";'}]\n", ":1: gateways.pin: \"" PIN_A ";\" " NO_PIN);
	refuse(BATCH "proxy: 'https://p:1'}]\n",
	       ":1: gateways.proxy: \"https://p:1\" must begin with http://; write http://HOST:PORT");
	refuse(BATCH "proxy: 'http://u:s3cret@p:1'}]\n",
	       ":1: gateways.proxy: holds a user or password, which picket does not send to proxies");
	refuse(BATCH "proxy: 'http://p:1/x'}]\n",
	       ":1: gateways.proxy: \"http://p:1/x\" goes on behind the host; write http://HOST:PORT");
}

#define WHO "gateways: [{name: a, protocol: batch, url: '"
#define NOT_SHOWN                                                                                \
	"may have clients blocked by its answers, and nothing shows that they are its own: set " \
	"verify_key_file, or "                                                                   \
	"verdicts: false if they are not to be acted on"
#define NOT_HERE                                                                                            \
	"has unsigned_verdicts: true, which is for gateways on this host (http://127.0.0.1, http://[::1], " \
	"http://localhost, no proxy): set verify_key_file"

static void verdicts_are_signed_or_come_from_this_host(void **state)
{
	static const char *const here[] = {"http://127.0.0.1/",     "http://127.255.0.1:9900/events?x=@",
					   "http://[::1]/",         "https://[::1]:1",
					   "http://LocalHost:9900", "http://localhost"};
	static const char *const elsewhere[] = {"http://a/",
						"http://128.0.0.1/",
						"http://127.0.0.1.evil/",
						"http://localhost.evil/",
						"http://[::2]/",
						"http://[::ffff:127.0.0.1]/",
						"http://evil/127.0.0.1",
						"http://127.1/",
						"http://evil#127.0.0.1"};
	char yaml[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(here); i++) {
		snprintf(yaml, sizeof yaml, WHO "%s', unsigned_verdicts: true}]\n", here[i]);
		load(yaml);
		assert_true(config->gateways[0].unsigned_verdicts);
		assert_int_equal(config->gateways[0].signature_window_ms, 300000);
		snprintf(yaml, sizeof yaml, WHO "%s'}]\n", here[i]);
		refuse(yaml, ":1: gateways: \"a\" " NOT_SHOWN
			     ", or unsigned_verdicts: true since it is on this host");
	}
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++) {
		snprintf(yaml, sizeof yaml, WHO "%s', unsigned_verdicts: true}]\n", elsewhere[i]);
		refuse(yaml, ":1: gateways: \"a\" " NOT_HERE);
		snprintf(yaml, sizeof yaml, WHO "%s'}]\n", elsewhere[i]);
		refuse(yaml, ":1: gateways: \"a\" " NOT_SHOWN);
		snprintf(yaml, sizeof yaml, WHO "%s', verdicts: false}]\n", elsewhere[i]);
		load(yaml);
	}
	refuse(WHO "http://127.0.0.1', proxy: 'http://p:1', unsigned_verdicts: true}]\n",
	       ":1: gateways: \"a\" " NOT_HERE);
	refuse(WHO "http://127.0.0.1', transport: lunar, lunar_url: 'http://l', unsigned_verdicts: true}]\n",
	       ":1: gateways: \"a\" " NOT_HERE);
	refuse(WHO "http://127.0.0.1', verdicts_url: 'http://a/', unsigned_verdicts: true}]\n",
	       ":1: gateways: \"a\" " NOT_HERE);
	refuse(WHO "http://a/', verdicts_url: 'https://a/', verify_key_file: /v}]\n",
	       ":1: gateways: \"a\" has a url and a verdicts_url of which only one begins with https://");
	refuse(WHO "http://a/', verdicts_url: 'http://a/', verdicts: false}]\n",
	       ":1: gateways: \"a\" has a verdicts_url, and verdicts: false");
	refuse(WHO "http://a/', verdicts_url: 'http://a/', transport: lunar, lunar_url: 'http://l', "
		   "verify_key_file: /v}]\n",
	       ":1: gateways: \"a\" has a verdicts_url, which only transport: direct can ask");
	load(WHO "http://a/', verdicts_url: 'http://b/verdicts', verify_key_file: /v}]\n");
	assert_string_equal(config->gateways[0].verdicts_url, "http://b/verdicts");
	refuse(WHO "http://127.0.0.1', verify_key_file: /v, unsigned_verdicts: true}]\n",
	       ":1: gateways: \"a\" has a verify_key_file, and unsigned_verdicts: true, which would make "
	       "nothing of it: "
	       "leave out one of them");
	refuse("gateways: [{name: a, protocol: openai, url: 'http://127.0.0.1', model: m, verdicts_url: "
	       "'http://127.0.0.1'}]\n",
	       ":1: gateways: \"a\" has protocol openai, which knows no verdicts_url");
	refuse("gateways: [{name: a, protocol: local, verify_key_file: /v}]\n",
	       ":1: gateways: \"a\" has protocol local, which knows no verify_key_file");
}

static void gateway_is_read_with_its_own_defaults(void **state)
{
	(void)state;
	load("gateways:\n  - name: local\n    protocol: local\n"
	     "  - name: far\n    protocol: batch\n    url: https://gw.example/v1?x=1\n    token_file: token\n"
	     "    linger_ms: 1000\n    batch_bytes: 64KiB\n    verdicts: false\n");
	assert_int_equal(config->gateway_count, 2);
	const struct config_gateway *g = &config->gateways[1];
	char expected[128];
	snprintf(expected, sizeof expected, "%s/token", directory);
	assert_string_equal(g->name, "far");
	assert_int_equal(g->protocol, GATEWAY_BATCH);
	assert_string_equal(g->url, "https://gw.example/v1?x=1");
	assert_string_equal(g->token_file, expected);
	assert_null(g->ca_file);
	assert_int_equal(g->batch_events, 500);
	assert_int_equal(g->batch_bytes, 65536);
	assert_int_equal(g->linger_ms, 1000);
	assert_int_equal(g->timeout_ms, 10000);
	assert_int_equal(g->queue_events, 65536);
	assert_false(g->verdicts);
	assert_null(g->auth_header);
	assert_int_equal(g->auth_scheme, AUTH_BEARER);
	assert_true(g->http2);
	load("gateways: []\n");
	assert_int_equal(config->gateway_count, 0);
}

static void section_whose_keys_are_comments_is_empty(void **state)
{
	(void)state;
	load("log:\n  # level: debug\ncapture: {}\n");
	assert_int_equal(config->log.level, LOG_INFO);
	load("# nothing at all\n");
	load("---\n...\n");
}

/* --- what is refused, and the words for it --- */

static void unknown_key_is_told_with_line_and_nearest_name(void **state)
{
	(void)state;
	refuse("mode: observe\ncapture:\n  prots: [80]\n",
	       ":3: unknown key capture.prots; did you mean capture.ports?");
	refuse("captrue:\n  ports: [80]\n", ":1: unknown key captrue; did you mean capture?");
	refuse("ports: [80]\n", ":1: unknown key ports; did you mean capture.ports?");
	refuse("\n\nlimits:\n  ttl: 1h\n",
	       ":4: unknown key limits.ttl; `picket config schema` lists all keys");
	refuse("zzzzzz: 1\n", ":1: unknown key zzzzzz; `picket config schema` lists all keys");
	refuse("gateways:\n  - name: a\n    protocol: batch\n    ulr: http://a/\n    url: http://a/\n",
	       ":4: gateways: \"ulr\" is no key of a gateway; did you mean url?");
	refuse("\"a\\e[2J\": 1\n", ":1: unknown key \"a\\x1b[2J\"; `picket config schema` lists all keys");
}

static void wrong_value_is_told_with_the_mend(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"mode: enforse\n",
		 ":1: mode: \"enforse\" is none of observe, approve, enforce; did you mean enforce?"},
		{"mode: [enforce]\n", ":1: mode: must be a single value"},
		{"mode:\n", ":1: mode: has no value; leave the key out for the default"},
		{"log: debug\n", ":1: log: is a section; its keys stand indented below it"},
		{"capture.ports: [80]\n",
		 ":1: capture.ports: write it as a section, the last word indented below the first"},
		{"capture:\n  ports: 80\n",
		 ":2: capture.ports: \"80\" must be a list; write [one, two] or a line \"- one\" for each"},
		{"capture:\n  ports:\n    - 80\n    - 65536\n",
		 ":4: capture.ports: \"65536\" is no port: a number from 1 to 65535"},
		{"capture: {ports: [\"80\"]}\n",
		 ":1: capture.ports: \"80\" is no port: a number from 1 to 65535"},
		{"capture: {ports: [80, ]}\n", NULL},
		{"capture: {ports: [80, ~]}\n", ":1: capture.ports: holds an empty item"},
		{"capture: {decapsulate: [ipip, vxland]}\n",
		 ":1: capture.decapsulate: \"vxland\" is none of ipip, gre, vxlan; did you mean vxlan?"},
		{"capture: {decapsulate: gre}\n",
		 ":1: capture.decapsulate: \"gre\" must be a list; write [one, "
		 "two] or a line \"- one\" for each"},
		{"capture: {vxlan_port: 0}\n",
		 ":1: capture.vxlan_port: \"0\" is out of range: from 1 to 65535"},
		{"capture: {ports: [[80]]}\n", ":1: capture.ports: may hold plain values only"},
		{"capture: {ring_bytes: 3MiB}\n",
		 ":1: capture.ring_bytes: \"3MiB\" must be a power of two and whole "
		 "memory pages, such as 4MiB or 16MiB"},
		{"capture: {ring_bytes: 16M}\n",
		 ":1: capture.ring_bytes: \"16M\" is no size; write bytes, or such as 512KiB, 16MiB, 1GiB"},
		{"capture: {ring_bytes: 4KiB}\n",
		 ":1: capture.ring_bytes: \"4KiB\" is out of range: from 64KiB to 1GiB"},
		{"capture: {header_rate: \"5\"}\n",
		 ":1: capture.header_rate: \"5\" is text; write the number without quotes"},
		{"capture: {header_rate: -1}\n", ":1: capture.header_rate: \"-1\" is no whole number"},
		{"capture: {header_rate: 1e3}\n", ":1: capture.header_rate: \"1e3\" is no whole number"},
		{"capture: {header_rate: 010}\n", ":1: capture.header_rate: \"010\" is no whole number"},
		{"capture: {cgroup: ../up}\n", ":1: capture.cgroup: \"../up\" must not hold \"..\""},
		{"capture: {interfaces: [abcdefghijklmnop]}\n",
		 ":1: capture.interfaces: \"abcdefghijklmnop\" is no name of a network interface"},
		{"limits: {ttl_max: 3600}\n",
		 ":1: limits.ttl_max: \"3600\" has no unit; write such as 250ms, 90s, 15m, 1h30m, 2d"},
		{"limits: {ttl_max: 1 hour}\n",
		 ":1: limits.ttl_max: \"1 hour\" is no duration; write such as 250ms, 90s, 15m, 1h30m, 2d"},
		{"limits: {ttl_max: 10ms}\n",
		 ":1: limits.ttl_max: \"10ms\" is out of range: from 1s to 3650d"},
		{"limits: {protect: [10.1.2.3/8]}\n", ":1: limits.protect: \"10.1.2.3/8\" has bits set "
						      "beyond its length; did you mean 10.0.0.0/8?"},
		{"limits: {protect: [\"2001:db8::1/32\"]}\n",
		 ":1: limits.protect: \"2001:db8::1/32\" has bits set beyond "
		 "its length; did you mean 2001:db8::/32?"},
		{"limits: {protect: [localhost]}\n",
		 ":1: limits.protect: \"localhost\" is no address or network; write "
		 "such as 192.0.2.7, 192.0.2.0/24, 2001:db8::/48"},
		{"limits: {shortest_prefix_v4: 33}\n",
		 ":1: limits.shortest_prefix_v4: \"33\" is out of range: from 8 to 32"},
		{"guard: {confidence_min: 1.5}\n",
		 ":1: guard.confidence_min: \"1.5\" is no number from 0 to 1"},
		{"guard: {confidence_min: nan}\n",
		 ":1: guard.confidence_min: \"nan\" is no number from 0 to 1"},
		{"guard: {confidence_min: 0x1}\n",
		 ":1: guard.confidence_min: \"0x1\" is no number from 0 to 1"},
		{"instance: a/b\n", ":1: instance: \"a/b\" may hold letters, digits, - and _ only"},
		{"instance: \"\"\n", ":1: instance: must not be empty; leave the key out for the default"},
		{"instance: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
		 ":1: instance: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" is longer than 32 bytes"},
		{"state_dir: \"/a\\nb\"\n", ":1: state_dir: \"/a\\nb\" holds a control character"},
		{"redact: {headers: [\"a b\"]}\n", ":1: redact.headers: \"a b\" is no header field name"},
		{"- mode\n", ":1: keys are expected, such as \"mode: observe\""},
		{"just words\n", ":1: keys are expected, such as \"mode: observe\""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (cases[i].message)
			refuse(cases[i].text, cases[i].message);
		else
			load(cases[i].text);
	}
}

static void list_is_read_with_its_own_defaults(void **state)
{
	char expected[128];

	(void)state;
	load("mode: observe\n");
	assert_int_equal(config->list_count, 0);
	load("lists:\n  - {name: drop, path: lists/drop.txt}\n"
	     "  - {name: cs-1, path: /var/lib/cs.json, format: crowdsec, action: rate_limit, scope: host, "
	     "ttl: 1h}\n");
	assert_int_equal(config->list_count, 2);
	snprintf(expected, sizeof expected, "%s/lists/drop.txt", directory);
	assert_string_equal(config->lists[0].path, expected);
	assert_int_equal(config->lists[0].format, CONFIG_LIST_AUTO);
	assert_int_equal(config->lists[0].action, VERDICT_BLOCK);
	assert_int_equal(config->lists[0].scope, VERDICT_SCOPE_PORTS);
	assert_int_equal(config->lists[0].ttl_ms, 86400000);
	assert_string_equal(config->lists[1].path, "/var/lib/cs.json");
	assert_int_equal(config->lists[1].format, CONFIG_LIST_CROWDSEC);
	assert_int_equal(config->lists[1].action, VERDICT_RATE_LIMIT);
	assert_int_equal(config->lists[1].scope, VERDICT_SCOPE_HOST);
	assert_int_equal(config->lists[1].ttl_ms, 3600000);
}

static void haproxy_is_a_socket_and_a_map(void **state)
{
	(void)state;
	load("mode: observe\n");
	assert_int_equal(config->haproxy_count, 0);
	load("haproxy:\n  - {name: edge, socket: /run/haproxy/picket.sock, map: /etc/haproxy/picket.map}\n");
	assert_int_equal(config->haproxy_count, 1);
	assert_string_equal(config->haproxy[0].name, "edge");
	assert_string_equal(config->haproxy[0].socket, "/run/haproxy/picket.sock");
	assert_string_equal(config->haproxy[0].map, "/etc/haproxy/picket.map");
	refuse("haproxy: [{name: a, map: /m}]\n",
	       ":1: haproxy: \"a\" needs a socket: the path of its stats socket");
	refuse("haproxy: [{name: a, socket: /s}]\n",
	       ":1: haproxy: \"a\" needs a map: its path, as haproxy.cfg names it");
	refuse("haproxy: [{name: a, socket: /s, map: '/m;show info'}]\n",
	       ":1: haproxy: \"/m;show info\" cannot be named in a command to HAProxy: let its path have no "
	       "blanks, quotes, and none of ; \\ < >");
	refuse("haproxy: [{name: a, socket: /s, map: /m}, {name: a, socket: /t, map: /m}]\n",
	       ":1: haproxy: \"a\" is the name of two haproxy");
	refuse("haproxy: [{name: a, sokcet: /s, map: /m}]\n",
	       ":1: haproxy: \"sokcet\" is no key of a haproxy; did you mean socket?");
}

static void list_must_be_whole(void **state)
{
	(void)state;
	refuse("lists: [{name: a}]\n", ":1: lists: \"a\" needs a path: the file that holds it");
	refuse("lists: [{path: /a}]\n", ":1: lists: a list needs a name");
	refuse("lists: [{name: A, path: /a}]\n",
	       ":1: lists.name: \"A\" may hold lower case letters, digits and - only");
	refuse("lists: [{name: a, path: /a, tll: 1h}]\n",
	       ":1: lists: \"tll\" is no key of a list; did you mean ttl?");
	refuse("lists:\n- {name: a, path: /a}\n- {name: a, path: /b}\n",
	       ":3: lists: \"a\" is the name of two lists");
	refuse("lists: [/a]\n", ":1: lists: each list is a section with name, path, ...");
	refuse("lists: [{name: a, path: /a, action: allow}]\n",
	       ":1: lists.action: \"allow\" is none of block, rate_limit, shadow, reset");
	refuse("lists: [{name: a, path: /a, ttl: 1s}]\n",
	       ":1: lists.ttl: \"1s\" is out of range: from 1m to 3650d");
	refuse("limits: {ttl_max: 1h}\nlists: [{name: a, path: /a}]\n",
	       ":2: lists: the ttl of a (24h, if none is given) is longer than limits.ttl_max");
}

static void gateway_must_be_whole(void **state)
{
	(void)state;
	refuse("gateways: [{name: a, protocol: batch}]\n",
	       ":1: gateways: \"a\" has protocol batch and needs a url");
	refuse("gateways: [{name: a, protocol: local, url: 'http://a/'}]\n",
	       ":1: gateways: \"a\" has protocol local, which knows no url");
	refuse("gateways: [{name: a, protocol: batch, url: 'http://a/', ca_file: /ca}]\n",
	       ":1: gateways: \"a\" has a ca_file, but its url does not begin with https://");
	refuse("gateways:\n- {name: a, protocol: local}\n- {name: a, protocol: local}\n",
	       ":3: gateways: \"a\" is the name of two gateways");
	refuse("gateways: [{protocol: local}]\n", ":1: gateways: a gateway needs a name");
	refuse("gateways: [{name: a}]\n",
	       ":1: gateways: \"a\" needs a protocol (local, batch, openai, crowdsec) or a profile");
	refuse("gateways: [local]\n", ":1: gateways: each gateway is a section with name, protocol, ...");
	refuse("gateways: local\n", ":1: gateways: must be a list; write a line \"- name: ...\" for each");
	refuse("gateways: [{name: a, protocol: batch, url: 'ftp://a/'}]\n",
	       ":1: gateways.url: \"ftp://a/\" must begin with http:// or https://");
	refuse("gateways: [{name: a, protocol: batch, url: 'http:///x'}]\n",
	       ":1: gateways.url: \"http:///x\" names no host");
}

static void password_in_a_url_is_refused_and_not_repeated(void **state)
{
	(void)state;
	refuse("gateways: [{name: a, protocol: batch, url: 'http://u:s3cret@gw/'}]\n",
	       ":1: gateways.url: holds a user or password; put the secret into token_file");
}

static void rules_across_keys_hold(void **state)
{
	(void)state;
	refuse("guard: {ttl_default: 2h}\nlimits: {ttl_max: 1h}\n",
	       ":1: guard.ttl_default: longer than limits.ttl_max");
	refuse("capture:\n  ports: [80, 22]\n  never_ports: [22]\n",
	       ":2: capture.ports: 22 stands in capture.never_ports too");
	refuse("proxies:\n  trusted: [10.0.0.5]\n  direct: [10.0.0.5/32]\n",
	       ":3: proxies.direct: 10.0.0.5 stands in proxies.trusted too; it is one or the other");
	load("proxies:\n  trusted: [10.0.0.0/8]\n  direct: [10.0.0.5]\n");
	refuse("capture:\n  decapsulate: [gre]\n",
	       ":2: capture.decapsulate: needs capture.tunnel_peers: the outer addresses whose tunnels are "
	       "opened");
	load("capture:\n  decapsulate: [gre]\n  tunnel_peers: [192.0.2.1]\n");
	load("capture:\n  tunnel_peers: [192.0.2.1]\n");
}

static void everything_wrong_is_told_at_once(void **state)
{
	(void)state;
	write_at("picket.yaml", "mode: x\nfoo: 1\nlimits:\n  ttl_max: 5\n");
	write_at("conf.d/10.yaml", "instance: a.b\n");
	assert_int_equal(load_with((struct config_flag[]){{"log.level", "loud", "--log-level"}}, 1,
				   (char *[]){"PICKET_USER=a b", NULL}),
			 CONFIG_E_INVALID);
	assert_true(told("picket.yaml:1: mode: \"x\""));
	assert_true(told("picket.yaml:2: unknown key foo"));
	assert_true(told("picket.yaml:4: limits.ttl_max:"));
	assert_true(told("conf.d/10.yaml:1: instance:"));
	assert_true(told("PICKET_USER: user: \"a b\" is no user name"));
	assert_true(told("--log-level: log.level: \"loud\""));
}

/* --- what YAML can do to a reader --- */

static void duplicate_key_is_refused_with_both_lines(void **state)
{
	(void)state;
	refuse("mode: observe\nlog: {level: info}\nmode: enforce\n",
	       ":3: key mode stands here a second time; it was set in line 1");
	refuse("log:\n  level: info\n  \"level\": debug\n",
	       ":3: key level stands here a second time; it was set in line 2");
}

static void aliases_anchors_and_tags_are_refused(void **state)
{
	(void)state;
	refuse("a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n",
	       ":1: anchors (&) and tags (!) are not supported");
	refuse("mode: &m observe\n", ":1: anchors (&) are not supported; repeat the value");
	refuse("mode: *m\n", ":1: aliases (*) are not supported; repeat the value");
	refuse("*m : observe\n", ":1: aliases (*) are not supported; repeat the value");
	refuse("mode: !!str observe\n", ":1: tags (!) are not supported");
	refuse("!!map {mode: observe}\n", ":1: anchors (&) and tags (!) are not supported");
}

static void files_have_bounds(void **state)
{
	char *big = malloc(300 * 1024);

	(void)state;
	memset(big, '#', 300 * 1024);
	big[300 * 1024 - 1] = 0;
	refuse(big, ": larger than 256 KiB: is this the right file?");
	big[256 * 1024 - 1] = 0;
	load(big);
	memset(big, '[', 1000);
	memcpy(big, "mode: ", 6);
	big[1000] = 0;
	refuse(big, ":1: nested too deep");
	strcpy(big, "capture: {ports: [");
	for (int i = 0; i < 30000; i++)
		strcpy(big + 18 + (size_t)i * 2, "1,");
	refuse(big, ":1: too many values");
	big[18 + 2050] = 0;
	strcat(big, "]}");
	refuse(big, ":1: capture.ports: has more than 1024 items");
	free(big);
}

static void broken_yaml_is_told_with_its_line(void **state)
{
	(void)state;
	write_at("picket.yaml", "mode: observe\nlog: {level: info\n");
	assert_int_equal(load_with(NULL, 0, NULL), CONFIG_E_INVALID);
	assert_true(told("picket.yaml:3: not YAML: "));
	write_at("picket.yaml", "mode: \xff\n");
	assert_int_equal(load_with(NULL, 0, NULL), CONFIG_E_INVALID);
	assert_true(told("picket.yaml: not text, at byte 6"));
	refuse("mode: observe\n---\nmode: enforce\n", ":2: a second document begins; only one is read");
	refuse("state_dir: \"/a\\0b\"\n", ":1: a zero byte in a value");
	refuse("[a]: b\n", ":1: a key must be a plain word");
}

/* --- sources and their order --- */

static void file_that_was_named_must_exist(void **state)
{
	(void)state;
	assert_int_equal(load_with(NULL, 0, NULL), CONFIG_E_INVALID);
	assert_true(told("picket.yaml: no such file; create it, or run without -c for the defaults\n"));
	buffer_reset(&errors);
	assert_int_equal(config_load(directory, NULL, 0, NULL, &config, &errors), CONFIG_E_INVALID);
	assert_true(told(": Is a directory\n"));
}

static void later_sources_win(void **state)
{
	static const struct config_flag flag = {"mode", "enforce", "--mode"};
	char *const environment[] = {"HOME=/", "PICKET_MODE=approve", "PICKET_CAPTURE_PORTS=1,2", NULL};

	(void)state;
	write_at("conf.d/20-b.yaml", "instance: b\ncapture: {never_ports: [7]}\n");
	write_at("conf.d/10-a.yaml", "instance: a\nuser: alice\n");
	write_at("conf.d/30-c.yml", "instance: not-read\n");
	write_at("conf.d/.40-d.yaml", "instance: not-read\n");
	load("instance: file\nuser: file\nmode: observe\ncapture: {ports: [80, 443], never_ports: [5, 6]}\n");
	assert_string_equal(config->instance, "b");
	assert_string_equal(config->user, "alice");
	assert_int_equal(config->mode, MODE_OBSERVE);
	/* Lists are replaced, not joined; the other keys of a section stay. */
	assert_int_equal(config->capture.never_ports.count, 1);
	assert_int_equal(config->capture.ports.count, 2);
	assert_int_equal(load_with(NULL, 0, environment), 0);
	assert_int_equal(config->mode, MODE_APPROVE);
	assert_int_equal(config->capture.ports.items[1], 2);
	assert_int_equal(load_with(&flag, 1, environment), 0);
	assert_int_equal(config->mode, MODE_ENFORCE);
}

static void environment_and_flags_take_lists_as_words(void **state)
{
	static const struct config_flag flags[] = {
		{"capture.interfaces", "[eth0, eth1]", "-i"},
		{"limits.protect", "10.0.0.0/8, 2001:db8::/32", "--protect"},
		{"capture.ports", "", "--port"},
		{"capture.decapsulate", "gre,ipip", "--decapsulate"},
		{"capture.tunnel_peers", "192.0.2.1", "--peers"},
		{"gateways",
		 "[{name: g, protocol: batch, url: 'http://127.0.0.1:1/', unsigned_verdicts: true}]",
		 "--gateway"},
	};
	char *const environment[] = {"PICKET_CONTROL=/tmp/c.sock", "PICKET_CAPTURE_LOOPBACK_PORTS=3000",
				     "PICKET_GUARD_TTL_DEFAULT=5m", "PICKET_LOG_LEVEL=", NULL};

	(void)state;
	write_at("picket.yaml", "capture: {ports: [80]}\nlog: {level: debug}\n");
	assert_int_equal(load_with(flags, ARRAY_SIZE(flags), environment), 0);
	assert_string_equal(config->control, "/tmp/c.sock");
	assert_int_equal(config->capture.loopback_ports.items[0], 3000);
	assert_int_equal(config->guard.ttl_default_ms, 300000);
	assert_int_equal(config->log.level, LOG_DEBUG);
	assert_string_equal(config->capture.interfaces.items[1], "eth1");
	assert_int_equal(config->limits.protect.count, 2);
	assert_int_equal(config->capture.ports.count, 0);
	assert_int_equal(config->capture.decapsulate, CAPTURE_GRE | CAPTURE_IPIP);
	assert_string_equal(config->gateways[0].url, "http://127.0.0.1:1/");
}

static void variable_that_looks_like_a_slip_is_told(void **state)
{
	(void)state;
	write_at("picket.yaml", "");
	assert_int_equal(load_with(NULL, 0, (char *[]){"PICKET_MODEE=enforce", NULL}), CONFIG_E_INVALID);
	assert_true(told("PICKET_MODEE: unknown variable; did you mean PICKET_MODE?\n"));
	/* A container manager's, for a service that happens to be named picket. */
	assert_int_equal(load_with(NULL, 0,
				   (char *[]){"PICKET_PORT=tcp://10.0.0.1:80", "PICKET_SERVICE_HOST=10.0.0.1",
					      "PICKET_", "PICKET_X", NULL}),
			 0);
}

static void relative_paths_start_where_they_are_written(void **state)
{
	char expected[256], here[128];
	static const struct config_flag flag = {"redact.key_file", "k", "--key"};

	(void)state;
	write_at("conf.d/10.yaml", "detect: {policies: [my.yaml]}\n");
	write_at("picket.yaml", "state_dir: state\napi: {openapi: openapi.json}\n");
	assert_int_equal(load_with(&flag, 1, NULL), 0);
	snprintf(expected, sizeof expected, "%s/openapi.json", directory);
	assert_string_equal(config->api.openapi, expected);
	snprintf(expected, sizeof expected, "%s/state", directory);
	assert_string_equal(config->state_dir, expected);
	snprintf(expected, sizeof expected, "%s/conf.d/my.yaml", directory);
	assert_string_equal(config->detect.policies.items[0], expected);
	assert_non_null(getcwd(here, sizeof here));
	snprintf(expected, sizeof expected, "%s/k", here);
	assert_string_equal(config->redact.key_file, expected);
}

/* --- show --- */

static void show_names_where_each_value_came_from(void **state)
{
	struct buffer b = BUFFER_INIT(65536);
	char expected[256];
	static const struct config_flag flag = {"log.level", "debug", "--log-level"};

	(void)state;
	write_at("picket.yaml", "\nmode: enforce\n");
	write_at("conf.d/10.yaml", "# one\ncapture:\n  ports: [80, 443]\n");
	assert_int_equal(load_with(&flag, 1, (char *[]){"PICKET_INSTANCE=blue", NULL}), 0);
	assert_int_equal(config_show(config, true, &b), 0);
	buffer_append_char(&b, 0);
	snprintf(expected, sizeof expected, "\nmode: enforce # from %s:2\n", file);
	assert_non_null(strstr(b.data, expected));
	snprintf(expected, sizeof expected, "\n  ports: [80, 443] # from %s/conf.d/10.yaml:3\n", directory);
	assert_non_null(strstr(b.data, expected));
	assert_non_null(strstr(b.data, "instance: blue # from PICKET_INSTANCE\n"));
	assert_non_null(strstr(b.data, "\n  level: debug # from --log-level\n"));
	assert_non_null(strstr(b.data, "\n  ttl_max: 1d # from default\n"));
	buffer_free(&b);
}

static void what_is_shown_loads_to_the_same(void **state)
{
	struct buffer first = BUFFER_INIT(65536), second = BUFFER_INIT(65536);

	(void)state;
	load("instance: 'true'\ncontrol: \"/tmp/a \\\"b\\\" \\\\ #c: d\"\nuser: '1'\n"
	     "capture: {interfaces: [\"null\", '5', e-1], ports: [1], cgroup: \"a b\", ring_bytes: 64KiB, "
	     "decapsulate: [vxlan, ipip], tunnel_peers: [192.0.2.1]}\n"
	     "redact: {headers: [\"!#$%&'*+-.^_`|~\"]}\n"
	     "limits: {protect: [\"::/0\", 10.0.0.0/8], ttl_max: 1d1h1m1s1ms}\nguard: {confidence_min: "
	     "0.30000001}\n"
	     "gateways: [{name: '1', protocol: batch, url: 'http://[::1]:80/#', unsigned_verdicts: true}]\n");
	assert_int_equal(config_show(config, false, &first), 0);
	buffer_append_char(&first, 0);
	load(first.data);
	assert_int_equal(config_show(config, false, &second), 0);
	assert_int_equal(first.len, second.len + 1);
	assert_memory_equal(first.data, second.data, second.len);
	assert_string_equal(config->instance, "true");
	assert_string_equal(config->control, "/tmp/a \"b\" \\ #c: d");
	assert_string_equal(config->capture.interfaces.items[0], "null");
	assert_int_equal(config->capture.decapsulate, CAPTURE_IPIP | CAPTURE_VXLAN);
	buffer_free(&first);
	buffer_free(&second);
}

static bool shown(const struct buffer *b, const char *line)
{
	return memmem(b->data, b->len, line, strlen(line)) != NULL;
}

/* Of each gateway what it knows, with what follows from its profile; and that loads to the same. */
static void gateways_are_shown_with_what_they_know(void **state)
{
	struct buffer first = BUFFER_INIT(65536), second = BUFFER_INIT(65536);

	(void)state;
	load("gateways: [{name: local, protocol: local}]\n");
	assert_int_equal(config_show(config, false, &first), 0);
	assert_true(
		shown(&first, "gateways:\n  - name: local\n    protocol: local\n    mode: enforce\nlists"));
	buffer_reset(&first);
	load("gateways: [{name: p, profile: portkey, url: 'http://gw/', model: m, transport: lunar, "
	     "lunar_url: 'http://l', "
	     "headers: {x-a: 'b: c'}}]\n");
	assert_int_equal(config_show(config, false, &first), 0);
	assert_true(shown(&first,
			  "    headers: [\"x-a: b: c\", \"x-portkey-forward-headers: idempotency-key, "
			  "picket-nonce\"]\n"));
	assert_true(shown(&first, "    model: m\n"));
	assert_true(shown(&first, "    timeout_ms: 60000\n"));
	assert_true(shown(&first, "    lunar_tag: picket\n"));
	assert_false(shown(&first, "signature_window"));
	buffer_append_char(&first, 0);
	load(first.data);
	assert_int_equal(config_show(config, false, &second), 0);
	assert_int_equal(first.len, second.len + 1);
	assert_memory_equal(first.data, second.data, second.len);
	buffer_free(&first);
	buffer_free(&second);
}

/* --- schema: a small validator of the keywords that it uses, and no others --- */

static bool type_fits(const char *type, const cJSON *v)
{
	if (strcmp(type, "object") == 0)
		return cJSON_IsObject(v);
	if (strcmp(type, "array") == 0)
		return cJSON_IsArray(v);
	if (strcmp(type, "string") == 0)
		return cJSON_IsString(v);
	if (strcmp(type, "boolean") == 0)
		return cJSON_IsBool(v);
	if (strcmp(type, "null") == 0)
		return cJSON_IsNull(v);
	if (strcmp(type, "number") == 0)
		return cJSON_IsNumber(v);
	if (strcmp(type, "integer") == 0)
		return cJSON_IsNumber(v) && v->valuedouble == (double)(int64_t)v->valuedouble;
	fail_msg("no type of JSON Schema: %s", type);
	return false;
}

static bool any_type_fits(const cJSON *types, const cJSON *v)
{
	const cJSON *t;

	if (cJSON_IsString(types))
		return type_fits(types->valuestring, v);
	cJSON_ArrayForEach(t, types) if (type_fits(t->valuestring, v)) return true;
	return false;
}

static bool pattern_fits(const char *pattern, const char *text)
{
	regex_t re;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	bool fits = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return fits;
}

static const cJSON *at(const cJSON *o, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(o, key);
}

static bool validates(const cJSON *schema, const cJSON *v);

static bool members_fit(const cJSON *schema, const cJSON *v)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, v)
	{
		const cJSON *sub = at(at(schema, "properties"), item->string);
		if (sub ? !validates(sub, item) : cJSON_IsFalse(at(schema, "additionalProperties")))
			return false;
	}
	cJSON_ArrayForEach(item, at(schema, "required")) if (!at(v, item->valuestring)) return false;
	return true;
}

static bool items_fit(const cJSON *schema, const cJSON *v)
{
	const cJSON *item, *max = at(schema, "maxItems");

	if (max && cJSON_GetArraySize(v) > max->valuedouble)
		return false;
	cJSON_ArrayForEach(item,
			   v) if (at(schema, "items") && !validates(at(schema, "items"), item)) return false;
	return true;
}

static bool scalar_fits(const cJSON *schema, const cJSON *v)
{
	const cJSON *minimum = at(schema, "minimum"), *maximum = at(schema, "maximum");
	const cJSON *shortest = at(schema, "minLength"), *longest = at(schema, "maxLength");
	const cJSON *pattern = at(schema, "pattern");

	if (cJSON_IsNumber(v))
		return !(minimum && v->valuedouble < minimum->valuedouble) &&
		       !(maximum && v->valuedouble > maximum->valuedouble);
	if (!cJSON_IsString(v))
		return true;
	size_t len = strlen(v->valuestring);
	return !(shortest && len < shortest->valuedouble) && !(longest && len > longest->valuedouble) &&
	       !(pattern && !pattern_fits(pattern->valuestring, v->valuestring));
}

static bool one_of_equals(const cJSON *list, const cJSON *v)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, list) if (cJSON_Compare(item, v, 1)) return true;
	return false;
}

static bool validates(const cJSON *schema, const cJSON *v)
{
	const cJSON *item, *branch;
	bool fits = false;

	if (cJSON_IsBool(schema))
		return cJSON_IsTrue(schema);
	if (at(schema, "type") && !any_type_fits(at(schema, "type"), v))
		return false;
	if (at(schema, "enum") && !one_of_equals(at(schema, "enum"), v))
		return false;
	if (at(schema, "const") && !cJSON_Compare(at(schema, "const"), v, 1))
		return false;
	if (at(schema, "anyOf")) {
		cJSON_ArrayForEach(item, at(schema, "anyOf")) fits = fits || validates(item, v);
		if (!fits)
			return false;
	}
	if (at(schema, "if")) {
		branch = at(schema, validates(at(schema, "if"), v) ? "then" : "else");
		if (branch && !validates(branch, v))
			return false;
	}
	if (cJSON_IsObject(v))
		return members_fit(schema, v);
	return cJSON_IsArray(v) ? items_fit(schema, v) : scalar_fits(schema, v);
}

static const char *const keywords[] = {"$schema",    "title",       "type",      "additionalProperties",
				       "properties", "description", "default",   "enum",
				       "const",      "anyOf",       "if",        "then",
				       "else",       "required",    "items",     "maxItems",
				       "minimum",    "maximum",     "minLength", "maxLength",
				       "pattern"};

/* Structure of every schema below s: known keywords of the right type, and each default fits its own schema.
 */
static unsigned check_schema(const cJSON *s)
{
	static const char *const sub[] = {"items", "if", "then", "else"};
	const cJSON *item;
	unsigned defaults = 0;

	if (cJSON_IsBool(s))
		return 0;
	assert_true(cJSON_IsObject(s));
	cJSON_ArrayForEach(item, s)
	{
		bool known = false;
		for (size_t i = 0; i < ARRAY_SIZE(keywords); i++)
			known = known || strcmp(item->string, keywords[i]) == 0;
		if (!known)
			fail_msg("keyword %s", item->string);
	}
	if (at(s, "default")) {
		defaults++;
		if (!validates(s, at(s, "default")))
			fail_msg("default does not fit: %s", cJSON_PrintUnformatted(s));
	}
	cJSON_ArrayForEach(item, at(s, "properties")) defaults += check_schema(item);
	cJSON_ArrayForEach(item, at(s, "anyOf")) defaults += check_schema(item);
	for (size_t i = 0; i < ARRAY_SIZE(sub); i++)
		if (at(s, sub[i]))
			defaults += check_schema(at(s, sub[i]));
	return defaults;
}

static cJSON *schema_get(void)
{
	static const struct json_limits limits = {1 << 20, 16, 10000};
	struct buffer b = BUFFER_INIT(1 << 20);
	cJSON *schema;

	assert_int_equal(config_schema(&b), 0);
	assert_int_equal(json_parse(buffer_span(&b), &limits, &schema, NULL), 0);
	buffer_free(&b);
	return schema;
}

static void schema_is_sound_and_its_defaults_fit(void **state)
{
	cJSON *schema = schema_get();

	(void)state;
	assert_string_equal(json_get_text(schema, "$schema"), "https://json-schema.org/draft/2020-12/schema");
	/* Every key but those whose default follows from others (5) or that have none (16 of a gateway, 2 of
	 * a list, 3 of an haproxy).
	 */
	assert_int_equal(check_schema(schema), 146);
	cJSON_Delete(schema);
}

static void schema_judges_as_the_check_does(void **state)
{
	/* JSON is YAML: the same text goes to both. */
	static const struct {
		const char *text;
		bool sound;
	} cases[] = {
		{"{}", true},
		{"{\"mode\":\"enforce\",\"log\":{\"level\":\"debug\"},\"capture\":null}", true},
		{"{\"mode\":\"loud\"}", false},
		{"{\"modes\":\"observe\"}", false},
		{"{\"capture\":{\"ports\":[80,443],\"interfaces\":[\"eth0\"],\"ring_bytes\":\"16MiB\"}}",
		 true},
		{"{\"capture\":{\"ring_bytes\":1048576}}", true},
		{"{\"capture\":{\"decapsulate\":[\"gre\",\"ipip\"],\"tunnel_peers\":[\"::/0\"]}}", true},
		{"{\"capture\":{\"decapsulate\":[\"gre\",\"tunnel\"]}}", false},
		{"{\"capture\":{\"decapsulate\":\"gre\"}}", false},
		{"{\"capture\":{\"ring_bytes\":1}}", false},
		{"{\"capture\":{\"ring_bytes\":\"16M\"}}", false},
		{"{\"capture\":{\"ports\":[0]}}", false},
		{"{\"capture\":{\"ports\":80}}", false},
		{"{\"capture\":{\"header_rate\":\"5\"}}", false},
		{"{\"capture\":{\"interfaces\":[\"abcdefghijklmnop\"]}}", false},
		{"{\"limits\":{\"ttl_max\":\"1h30m\",\"protect\":[\"10.0.0.0/8\",\"::1\"]}}", true},
		{"{\"limits\":{\"ttl_max\":\"30\"}}", false},
		{"{\"limits\":{\"ttl_max\":\"1m1h\"}}", false},
		{"{\"limits\":{\"protect\":[\"localhost\"]}}", false},
		{"{\"limits\":{\"shortest_prefix_v4\":33}}", false},
		{"{\"guard\":{\"confidence_min\":0.5}}", true},
		{"{\"guard\":{\"confidence_min\":1.5}}", false},
		{"{\"redact\":{\"query\":\"keep\",\"headers\":[\"Host\"]}}", true},
		{"{\"redact\":{\"headers\":[\"a b\"]}}", false},
		{"{\"instance\":\"a/b\"}", false},
		{"{\"gateways\":[{\"name\":\"a\",\"protocol\":\"local\"}]}", true},
		{"{\"gateways\":[{\"name\":\"a\",\"protocol\":\"batch\",\"url\":\"https://gw/"
		 "v1\",\"verdicts\":false}]}",
		 true},
		{"{\"gateways\":[{\"name\":\"a\",\"protocol\":\"batch\"}]}", false},
		{"{\"gateways\":[{\"name\":\"a\",\"protocol\":\"local\",\"url\":\"http://gw/\"}]}", false},
		{"{\"gateways\":[{\"name\":\"a\",\"protocol\":\"batch\",\"url\":\"http://u:p@gw/\"}]}",
		 false},
		{"{\"gateways\":[{\"name\":\"a\",\"protocol\":\"batch\",\"url\":\"ftp://gw/\"}]}", false},
		{"{\"gateways\":[{\"name\":\"a\",\"protocol\":\"batch\",\"url\":\"http://gw/"
		 "\",\"linger_ms\":\"5s\"}]}",
		 false},
		{"{\"gateways\":[{\"protocol\":\"local\"}]}", false},
		{"{\"gateways\":[{\"name\":\"a\",\"profile\":\"lunar\",\"url\":\"http://gw/"
		 "\",\"lunar_url\":\"http://l\",\"verdicts\":false,"
		 "\"headers\":{\"x\":\"1\"}}]}",
		 true},
		{"{\"gateways\":[{\"name\":\"a\",\"url\":\"http://gw/\"}]}", false},
		{"{\"gateways\":[{\"name\":\"a\",\"protocol\":\"batch\",\"url\":\"http://gw/"
		 "\",\"headers\":[\"x\"]}]}",
		 false},
		{"{\"gateways\":[{\"name\":\"a\",\"protocol\":\"batch\",\"url\":\"http://127.0.0.1/\"}]}",
		 false},
		{"{\"gateways\":[{\"name\":\"a\",\"protocol\":\"batch\",\"url\":\"http://127.0.0.1/\","
		 "\"unsigned_verdicts\":true}]}",
		 true},
		{"{\"gateways\":[{\"name\":\"a\",\"protocol\":\"local\",\"verify_key_file\":\"/v\"}]}",
		 false},
		{"{\"gateways\":[{\"name\":\"a\",\"protocol\":\"local\",\"pin\":\"" PIN_A "\"}]}", false},
		{"{\"gateways\":[{\"name\":\"a\",\"protocol\":\"batch\",\"url\":\"https://gw/"
		 "\",\"pin\":\"" PIN_A ";" PIN_B
		 "\",\"proxy\":\"http://p:1\",\"http2\":false,\"verify_key_file\":\"/v\"}]}",
		 true},
		{"{\"gateways\":[{\"name\":\"a\",\"protocol\":\"batch\",\"url\":\"https://gw/"
		 "\",\"pin\":\"" PIN_A ";\"}]}",
		 false},
		{"{\"gateways\":[{\"name\":\"a\",\"protocol\":\"batch\",\"url\":\"https://gw/"
		 "\",\"proxy\":\"http://p:1/x\"}]}",
		 false},
		{"{\"lists\":[{\"name\":\"drop-1\",\"path\":\"/d\",\"format\":\"stix\",\"action\":\"shadow\","
		 "\"scope\":\"host\",\"ttl\":\"2h\"}]}",
		 true},
		{"{\"lists\":[{\"name\":\"drop\"}]}", false},
		{"{\"lists\":[{\"name\":\"Drop\",\"path\":\"/d\"}]}", false},
		{"{\"lists\":[{\"name\":\"drop\",\"path\":\"/d\",\"action\":\"allow\"}]}", false},
		{"{\"lists\":[{\"name\":\"drop\",\"path\":\"/d\",\"format\":\"csv\"}]}", false},
		{"[]", false},
		{"null", true},
	};
	static const struct json_limits limits = {4096, 16, 100};
	cJSON *schema = schema_get();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cJSON *value;
		assert_int_equal(json_parse(span_from(cases[i].text), &limits, &value, NULL), 0);
		if (validates(schema, value) != cases[i].sound)
			fail_msg("schema, %s", cases[i].text);
		write_at("picket.yaml", cases[i].text);
		if ((load_with(NULL, 0, NULL) == 0) != cases[i].sound)
			fail_msg("check, %s", cases[i].text);
		cJSON_Delete(value);
	}
	cJSON_Delete(schema);
}

/* --- words and numbers --- */

static void durations_read_and_print(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = {{"250ms", 250},
		    {"90s", 90000},
		    {"15m", 900000},
		    {"1h30m", 5400000},
		    {"2d", 172800000},
		    {"0s", 0},
		    {"1m500ms", 60500},
		    {"1d1h1m1s1ms", 90061001},
		    {"18446744073709551615ms", UINT64_MAX}};
	static const char *const bad[] = {"",
					  "15",
					  "m",
					  "15M",
					  "1.5h",
					  "-1s",
					  "1h 30m",
					  "30m1h",
					  "1s1s",
					  "1hh",
					  " 1s",
					  "1s ",
					  "1ms1s",
					  "1y",
					  "s1",
					  "1s\n",
					  "18446744073709551616ms",
					  "99999999999999999999d"};
	char buf[32];
	uint64_t ms = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(config_duration_parse(span_from(bad[i]), &ms), 1);
	assert_int_equal(ms, 7);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(config_duration_parse(span_from(good[i].text), &ms), 0);
		assert_true(ms == good[i].ms);
		assert_int_equal(config_duration_parse(span_from(config_duration_format(ms, buf)), &ms), 0);
		assert_true(ms == good[i].ms);
	}
	assert_string_equal(config_duration_format(90061001, buf), "1d1h1m1s1ms");
	assert_string_equal(config_duration_format(0, buf), "0s");
	assert_string_equal(config_duration_format(900000, buf), "15m");
	assert_string_equal(config_duration_format(UINT64_MAX, buf), "213503982334d14h25m51s615ms");
}

static void modes_have_names(void **state)
{
	enum config_mode mode;

	(void)state;
	assert_int_equal(config_mode_parse(SPAN("approve"), &mode), 0);
	assert_int_equal(mode, MODE_APPROVE);
	assert_string_equal(config_mode_name(mode), "approve");
	assert_int_equal(config_mode_parse(SPAN("Enforce"), &mode), 1);
	assert_int_equal(config_mode_parse(SPAN("unknown"), &mode), 1);
	assert_string_equal(config_packet_mode_name(PACKET_XDP_NATIVE), "xdp-native");
	assert_string_equal(config_packet_mode_name(PACKET_OFF), "off");
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(nothing_configured_gives_the_defaults),
		STORY(instance_names_the_paths_that_are_not_given),
		STORY(example_loads_clean_and_changes_nothing),
		STORY(every_kind_of_value_is_read),
		STORY(verdicts_are_signed_or_come_from_this_host),
		STORY(gateway_is_read_with_its_own_defaults),
		STORY(gateway_says_how_it_is_reached),
		STORY(profile_sets_what_has_a_default),
		STORY(model_is_asked_within_bounds),
		STORY(model_settings_that_contradict),
		STORY(headers_in_three_ways),
		STORY(lunar_settings_that_contradict),
		STORY(gateway_settings_that_contradict),
		STORY(list_is_read_with_its_own_defaults),
		STORY(section_whose_keys_are_comments_is_empty),
		STORY(unknown_key_is_told_with_line_and_nearest_name),
		STORY(wrong_value_is_told_with_the_mend),
		STORY(gateway_must_be_whole),
		STORY(list_must_be_whole),
		STORY(haproxy_is_a_socket_and_a_map),
		STORY(password_in_a_url_is_refused_and_not_repeated),
		STORY(rules_across_keys_hold),
		STORY(everything_wrong_is_told_at_once),
		STORY(duplicate_key_is_refused_with_both_lines),
		STORY(aliases_anchors_and_tags_are_refused),
		STORY(files_have_bounds),
		STORY(broken_yaml_is_told_with_its_line),
		STORY(file_that_was_named_must_exist),
		STORY(later_sources_win),
		STORY(environment_and_flags_take_lists_as_words),
		STORY(variable_that_looks_like_a_slip_is_told),
		STORY(relative_paths_start_where_they_are_written),
		STORY(show_names_where_each_value_came_from),
		STORY(what_is_shown_loads_to_the_same),
		STORY(gateways_are_shown_with_what_they_know),
		STORY(schema_is_sound_and_its_defaults_fit),
		STORY(schema_judges_as_the_check_does),
		cmocka_unit_test(durations_read_and_print),
		cmocka_unit_test(modes_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
