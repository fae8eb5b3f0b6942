// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "lib/api_client.h"
#include "lib/util.h"
#include "tests/unit/audit_rig.h"
#include "tests/unit/control_fixture.h"
#include "tests/unit/routes_rig.h"

static struct fixture f;

/* Every route that is registered, by its line in the description. */
static char routes[64][96];
static unsigned route_count;

int __real_api_add(struct api *api, const struct api_route *list, size_t count);
int __wrap_api_add(struct api *api, const struct api_route *list, size_t count);

int __wrap_api_add(struct api *api, const struct api_route *list, size_t count)
{
	for (size_t i = 0; i < count && route_count < ARRAY_SIZE(routes); i++)
		snprintf(routes[route_count++], sizeof routes[0], "%s %s", list[i].method, list[i].path);
	return __real_api_add(api, list, count);
}

static int start(void **state)
{
	(void)state;
	route_count = 0;
	return fixture_start(&f);
}

static int stop(void **state)
{
	(void)state;
	fixture_stop(&f);
	return 0;
}

/* --- asking --- */

/* For check-openapi: every answer, if somebody wants them. */
static void keep(const char *method, const char *path, const struct api_answer *a)
{
	const char *name = getenv("PICKET_TEST_ANSWERS");
	_cleanup_fclose_ FILE *file = name ? fopen(name, "ae") : NULL;

	if (file)
		fprintf(file, "%s %s %u %.*s\n", method, path, a->status, (int)a->body.len, a->body.data);
}

static cJSON *call(const char *method, const char *path, const char *body, unsigned status)
{
	static const struct json_limits limits = {.bytes = 1 << 20, .depth = 16, .values = 100000};
	struct api_answer a;
	cJSON *root = NULL;

	assert_int_equal(api_client_call(f.socket, method, path, span_from(body), &a), 0);
	if (a.status != status)
		print_error("%s %s: %.*s\n", method, path, (int)a.body.len, a.body.data);
	assert_int_equal(a.status, status);
	assert_int_equal(json_parse(buffer_span(&a.body), &limits, &root, NULL), 0);
	keep(method, path, &a);
	api_answer_free(&a);
	return root;
}

static const cJSON *at(const cJSON *o, const char *path)
{
	char name[64];

	while (o && *path) {
		size_t len = strcspn(path, ".");

		snprintf(name, sizeof name, "%.*s", (int)len, path);
		o = cJSON_IsArray(o) ? cJSON_GetArrayItem(o, atoi(name))
				     : cJSON_GetObjectItemCaseSensitive(o, name);
		path += len + (path[len] == '.');
	}
	return o;
}

static const char *text_at(const cJSON *o, const char *path)
{
	const cJSON *item = at(o, path);

	assert_true(cJSON_IsString(item));
	return item->valuestring;
}

static double number_at(const cJSON *o, const char *path)
{
	const cJSON *item = at(o, path);

	assert_true(cJSON_IsNumber(item));
	return item->valuedouble;
}

/* The problem that is answered has this code and says this. */
static void problem(const char *method, const char *path, const char *body, unsigned status, const char *code,
		    const char *says)
{
	cJSON *a = call(method, path, body, status);

	assert_string_equal(text_at(a, "code"), code);
	if (!strstr(text_at(a, "detail"), says))
		fail_msg("\"%s\" does not say \"%s\"", text_at(a, "detail"), says);
	cJSON_Delete(a);
}

/* The hint that says this; NULL: there is none. */
static const cJSON *hint(const cJSON *status, const char *says)
{
	const cJSON *h;

	cJSON_ArrayForEach(h, at(status, "hints")) if (strstr(text_at(h, "text"), says)) return h;
	return NULL;
}

/* --- status --- */

static void status_of_a_daemon_at_rest_balances_and_asks_for_nothing(void **state)
{
	(void)state;
	cJSON *a = call("GET", "/v1/status", NULL, 200);

	assert_true(cJSON_IsTrue(at(a, "accounting.balanced")));
	assert_int_equal(number_at(a, "accounting.lost"), 0);
	assert_int_equal(number_at(a, "accounting.held"), 0);
	assert_string_equal(text_at(a, "accounting.stages.0.kind"), "requests");
	assert_int_equal(number_at(a, "accounting.stages.0.delivered"), 20);
	assert_int_equal(cJSON_GetArraySize(at(a, "accounting.stages")), 5);
	assert_int_equal(cJSON_GetArraySize(at(a, "hints")), 0);
	assert_string_equal(text_at(a, "mode"), "enforce");
	assert_true(cJSON_IsFalse(at(a, "kill_switch")));
	assert_string_equal(text_at(a, "capture.path"), "ring");
	assert_string_equal(text_at(a, "capture.interfaces.0.mode"), "tc");
	assert_int_equal(number_at(a, "capture.watched_ports.0"), 80);
	cJSON_Delete(a);
}

static void status_shows_the_tables_of_what_passes_and_their_ceilings(void **state)
{
	(void)state;
	cJSON *a = call("GET", "/v1/status", NULL, 200);

	assert_true(cJSON_IsNull(at(a, "capture.packets")));
	cJSON_Delete(a);
	f.config->capture.packets = CAPTURE_PACKETS_FORWARDED;
	fake.capture.segments = 9000;
	fake.capture.packets = (struct capture_packet_counts){
		.streams = {.connections = 500, .evicted = 3, .crowded = 2, .held = 4096, .held_max = 65536},
		.tracked = {.held = 64,
			    .held_max = 64,
			    .evicted = 436,
			    .refused = 1,
			    .lossy = 12,
			    .history_bytes = 100},
		.together = {.segments = 9, .defrag = {.given_up = 4}},
		.datagrams = {.held = 1024, .held_max = 1024, .evicted = 77, .uncompared = 5},
	};
	a = call("GET", "/v1/status", NULL, 200);
	assert_int_equal(number_at(a, "capture.packets.segments"), 9000);
	assert_int_equal(number_at(a, "capture.packets.streams.crowded"), 2);
	assert_int_equal(number_at(a, "capture.packets.streams.bytes_max"), 65536);
	assert_int_equal(number_at(a, "capture.packets.tracked.held"), 64);
	assert_int_equal(number_at(a, "capture.packets.tracked.max"), 64);
	assert_int_equal(number_at(a, "capture.packets.tracked.bytes_held"), 100);
	assert_int_equal(number_at(a, "capture.packets.tracked.lossy"), 12);
	assert_int_equal(number_at(a, "capture.packets.datagrams.max"), 1024);
	assert_int_equal(number_at(a, "capture.packets.datagrams.uncompared"), 5);
	assert_int_equal(number_at(a, "capture.packets.put_together.segments"), 9);
	assert_int_equal(number_at(a, "capture.packets.put_together.given_up"), 4);
	assert_non_null(hint(a, "436 connections that pass here were forgotten"));
	assert_non_null(hint(a, "1 segments were not judged"));
	assert_non_null(hint(a, "12 connections that pass here are judged in part"));
	assert_non_null(hint(a, "77 fragmented datagrams were forgotten"));
	cJSON_Delete(a);
}

static void status_says_why_processes_cannot_be_named_and_what_mends_it(void **state)
{
	(void)state;
	static const struct {
		enum processes_sight sight;
		bool processes;
		const char *says, *mend;
	} table[] = {
		{PROCESSES_OTHER_NAMESPACE, false, "PID namespace of its own", "--pid=host"},
		{PROCESSES_HIDDEN, false, "hidepid", "mount -o remount"},
		{PROCESSES_NO_CGROUPS, true, "containers are not named", "CONFIG_CGROUPS"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		fake.sight = table[i].sight;
		cJSON *a = call("GET", "/v1/status", NULL, 200);
		assert_int_equal(cJSON_IsTrue(at(a, "capture.processes_named")), table[i].processes);
		assert_true(cJSON_IsFalse(at(a, "capture.containers_named")));
		assert_int_equal(cJSON_GetArraySize(at(a, "hints")), 1);
		assert_non_null(hint(a, table[i].says));
		assert_non_null(strstr(text_at(hint(a, table[i].says), "command"), table[i].mend));
		cJSON_Delete(a);
	}
}

static void status_says_what_is_wrong_with_the_audit_log(void **state)
{
	struct config *c = f.config;

	(void)state;
	cJSON *a = call("GET", "/v1/status", NULL, 200);
	assert_string_equal(text_at(a, "audit.state"), "off");
	cJSON_Delete(a);
	/* The configured folder cannot be had. */
	free(c->state_dir);
	c->state_dir = strdup("/nowhere");
	assert_int_equal(audit_new(c, &clock_system, &f.parts.audit), 0);
	audit_note_setting(f.parts.audit, "mode", NULL, NULL, "observe", "uid:0");
	a = call("GET", "/v1/status", NULL, 200);
	assert_string_equal(text_at(a, "audit.state"), "unopened");
	assert_int_equal(at(a, "audit.missing")->valueint, 1);
	assert_non_null(hint(a, "there is no audit log (No such file or directory)"));
	cJSON_Delete(a);
	audit_free(f.parts.audit);
	f.parts.audit = NULL;
}

static void what_an_operator_changes_is_written_down_with_who(void **state)
{
	static const char *const parts[] = {
		"\"name\":\"mode\",\"before\":\"enforce\",\"value\":\"observe\"",
		"\"name\":\"proxies\",\"subject\":\"192.0.2.9\",\"before\":\"client\",\"value\":\"trusted\"",
		"\"name\":\"kill_switch\",\"value\":\"on\"",
		"\"name\":\"confirm\",\"subject\":\"192.0.2.7\",\"before\":\"on trial\"",
	};
	char by[64], *text;
	struct config *c = f.config;

	assert_int_equal(rig_begin(state), 0);
	free(c->state_dir);
	c->state_dir = strdup(rig_state);
	c->audit.fsync = AUDIT_FSYNC_ALWAYS;
	assert_int_equal(audit_new(c, &clock_system, &f.parts.audit), 0);
	assert_int_equal(audit_start(f.parts.audit), 0);
	cJSON_Delete(call("PUT", "/v1/mode", "{\"mode\":\"observe\"}", 200));
	cJSON_Delete(call("PUT", "/v1/proxies", "{\"address\":\"192.0.2.9\",\"class\":\"trust\"}", 200));
	cJSON_Delete(call("POST", "/v1/kill-switch", "{\"on\":true}", 200));
	cJSON_Delete(call("POST", "/v1/blocks-confirm", "{\"target\":\"192.0.2.7\"}", 200));
	snprintf(by, sizeof by, "\"kind\":\"setting\",\"by\":\"uid:%u\"", (unsigned)getuid());
	/* They were answered: they are there. */
	text = rig_text();
	char *found = text;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		found = strstr(found, by);
		if (!found || strncmp(found + strlen(by) + 1, parts[i], strlen(parts[i])))
			fail_msg("no %s in\n%s", parts[i], text);
		found++;
	}
	free(text);
	cJSON *a = call("GET", "/v1/status", NULL, 200);
	assert_string_equal(text_at(a, "audit.state"), "on");
	assert_int_equal(at(a, "audit.records")->valueint, 4);
	assert_int_equal(at(a, "audit.head.seq")->valueint, 4);
	cJSON_Delete(a);
	audit_free(f.parts.audit);
	f.parts.audit = NULL;
	rig_end(state);
}

static void status_says_whether_what_is_decided_is_kept_over_a_restart(void **state)
{
	static char folder[64];
	char *kept = f.config->state_dir;
	struct journal *j = NULL;

	(void)state;
	snprintf(folder, sizeof folder, "%s", "/tmp/picket-control-test-XXXXXX");
	assert_non_null(mkdtemp(folder));
	f.config->state_dir = folder;
	f.config->limits.ttl_max_ms = 1000;
	assert_int_equal(journal_new(f.config, &clock_system, &j), 0);
	f.parts.journal = j;
	cJSON *a = call("GET", "/v1/status", NULL, 200);
	assert_true(cJSON_IsTrue(at(a, "kept_over_restart.blocks")));
	assert_string_equal(text_at(a, "journal.state"), "on");
	assert_int_equal(number_at(a, "journal.held"), 0);
	assert_null(hint(a, "journal"));
	cJSON_Delete(a);
	a = call("PUT", "/v1/mode", "{\"mode\":\"approve\"}", 200);
	assert_true(cJSON_IsTrue(at(a, "kept_over_restart")));
	cJSON_Delete(a);
	journal_free(j);
	char path[128];
	static const char *const names[] = {"journal.db", "journal.db-wal", "journal.damaged",
					    "journal.damaged-wal"};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		assert_int_equal(unlink(path), 0);
	}
	rmdir(folder);
	/* The folder is gone: nothing is kept, and it says so. */
	assert_int_equal(journal_new(f.config, &clock_system, &j), 0);
	f.parts.journal = j;
	a = call("GET", "/v1/status", NULL, 200);
	assert_true(cJSON_IsFalse(at(a, "kept_over_restart.blocks")));
	assert_string_equal(text_at(a, "journal.state"), "unopened");
	assert_non_null(hint(a, "will not outlive a restart"));
	cJSON_Delete(a);
	f.parts.journal = NULL;
	f.config->state_dir = kept;
	journal_free(j);
}

static void status_says_what_is_not_kept_over_a_restart(void **state)
{
	(void)state;
	cJSON *a = call("GET", "/v1/status", NULL, 200);

	assert_string_equal(text_at(a, "journal.state"), "none");

	assert_true(cJSON_IsFalse(at(a, "kept_over_restart.blocks")));
	assert_true(cJSON_IsFalse(at(a, "kept_over_restart.mode")));
	assert_true(cJSON_IsFalse(at(a, "kept_over_restart.proxies")));
	cJSON_Delete(a);
}

static void status_names_an_unclassified_proxy_its_share_and_the_command(void **state)
{
	(void)state;
	struct addr proxy = fixture_prefix("192.0.2.9").addr, client = fixture_prefix("192.0.2.10").addr;

	for (int i = 0; i < 30; i++)
		proxies_note(f.proxies, &proxy, true, 1);
	for (int i = 0; i < 10; i++)
		proxies_note(f.proxies, &client, false, 1);
	cJSON *a = call("GET", "/v1/status", NULL, 200);
	const cJSON *h = hint(a, "30 of its 30 requests; it makes 75 % of all");

	assert_int_equal(number_at(a, "proxies.unclassified_count"), 1);
	assert_string_equal(text_at(a, "proxies.unclassified.0.address"), "192.0.2.9");
	assert_true(number_at(a, "proxies.unclassified.0.share") == 0.75);
	assert_non_null(h);
	assert_string_equal(text_at(h, "command"), "picket proxies trust 192.0.2.9");
	cJSON_Delete(a);
}

static void status_says_which_trusted_proxy_names_nobody(void **state)
{
	(void)state;
	struct prefix proxy = fixture_prefix("192.0.2.9");

	assert_int_equal(proxies_set(f.proxies, &proxy, PROXY_CLASS_TRUSTED), 0);
	for (int i = 0; i < 99; i++)
		proxies_note(f.proxies, &proxy.addr, false, 1);
	cJSON *a = call("GET", "/v1/status", NULL, 200);
	assert_null(hint(a, "names a client"));
	cJSON_Delete(a);
	proxies_note(f.proxies, &proxy.addr, false, 1);
	a = call("GET", "/v1/status", NULL, 200);
	assert_non_null(hint(a, "192.0.2.9 is a trusted proxy, but none of its 100 requests names a client"));
	cJSON_Delete(a);
	proxies_note_source(f.proxies, &proxy.addr, CLIENT_BY_FORWARDED);
	a = call("GET", "/v1/status", NULL, 200);
	assert_null(hint(a, "names a client"));
	cJSON_Delete(a);
}

static void status_reports_lost_records_at_the_stage_that_lost_them(void **state)
{
	(void)state;
	fake.warden.status.stats[PK_C_REQ_PRODUCED] = 100;
	fake.warden.status.stats[PK_C_REQ_LOST] = 70;
	fake.warden.status.stats[PK_C_REQ_SHARE] = 7;
	fake.warden.status.stats[PK_C_REFUSED_THROTTLED] = 9; /* never produced: of no weight in the sums */
	fake.warden.status.stats[PK_C_HDR_THROTTLED] = 11;
	fake.queue.refused = 5;
	fake.queue.pushed = 20;
	fake.queue.held = 8;
	cJSON *a = call("GET", "/v1/status", NULL, 200);

	assert_int_equal(number_at(a, "accounting.stages.0.lost"), 77);
	assert_int_equal(number_at(a, "accounting.stages.0.held"), 3);
	assert_int_equal(number_at(a, "accounting.stages.0.throttled"), 9);
	assert_int_equal(number_at(a, "accounting.stages.1.throttled"), 11);
	assert_int_equal(number_at(a, "kernel.refused_throttled"), 9);
	assert_int_equal(number_at(a, "accounting.stages.3.produced"), 25);
	assert_int_equal(number_at(a, "accounting.lost"), 82);
	assert_int_equal(number_at(a, "accounting.held"), 11);
	assert_true(cJSON_IsTrue(at(a, "accounting.balanced")));
	assert_non_null(hint(a, "stage ring (requests) lost 77 of 100"));
	assert_non_null(hint(a, "stage queue (events) lost 5 of 25"));
	assert_non_null(hint(a, "9 segments that TCP refused"));
	cJSON_Delete(a);
}

static void status_shows_an_account_that_does_not_balance(void **state)
{
	(void)state;
	fake.queue.popped = 11;  /* of 12 pushed, none held */
	fake.reader.headers = 6; /* of 5 produced */
	cJSON *a = call("GET", "/v1/status", NULL, 200);

	assert_true(cJSON_IsFalse(at(a, "accounting.balanced")));
	assert_true(cJSON_IsTrue(at(a, "accounting.stages.0.balanced")));
	assert_true(cJSON_IsFalse(at(a, "accounting.stages.1.balanced")));
	assert_true(cJSON_IsFalse(at(a, "accounting.stages.3.balanced")));
	assert_string_equal(text_at(hint(a, "does not balance"), "severity"), "error");
	cJSON_Delete(a);
}

static void status_after_a_sensor_restart_accounts_for_what_the_earlier_one_took(void **state)
{
	(void)state;
	struct api *second = NULL;

	fake.warden.status.sensor_restarts = 1;
	fake.warden.status.sensor_starts = 2;
	fake.reader = (struct reader_counts){0}; /* a new reader begins at 0, the kernel half counts on */
	assert_int_equal(api_new(&second), 0);
	assert_int_equal(control_register(second, &f.parts),
			 0); /* as the new sensor does: 20 were produced */
	fake.reader.requests = 10;
	fake.warden.status.stats[PK_C_REQ_PRODUCED] = 32;
	cJSON *a = call("GET", "/v1/status", NULL, 200);

	assert_int_equal(number_at(a, "accounting.stages.0.delivered"), 10);
	assert_int_equal(number_at(a, "accounting.stages.0.delivered_earlier"), 20);
	assert_int_equal(number_at(a, "accounting.stages.0.held"), 2);
	assert_non_null(hint(a, "restarted (1 times)"));
	cJSON_Delete(a);
	api_free(second);
}

static void status_after_a_reload_accounts_for_what_the_earlier_sensor_took(void **state)
{
	(void)state;
	struct api *second = NULL;

	fake.warden.status.sensor_starts = 2;
	fake.reader = (struct reader_counts){0};
	assert_int_equal(api_new(&second), 0);
	assert_int_equal(control_register(second, &f.parts), 0);
	cJSON *a = call("GET", "/v1/status", NULL, 200);

	assert_int_equal(number_at(a, "accounting.held"), 0);
	assert_int_equal(number_at(a, "accounting.stages.0.delivered_earlier"), 20);
	cJSON_Delete(a);
	api_free(second);
}

static void the_first_sensor_calls_nothing_delivered_that_it_did_not_get(void **state)
{
	(void)state;
	fake.reader.requests = 15;
	cJSON *a = call("GET", "/v1/status", NULL, 200);

	assert_int_equal(number_at(a, "accounting.stages.0.delivered_earlier"), 0);
	assert_int_equal(number_at(a, "accounting.stages.0.held"), 5);
	cJSON_Delete(a);
}

static void status_without_a_warden_still_answers_and_says_so(void **state)
{
	(void)state;
	fake.warden_result = -EPIPE;
	cJSON *a = call("GET", "/v1/status", NULL, 200);

	assert_true(cJSON_IsFalse(at(a, "warden.answers")));
	assert_true(cJSON_IsNull(at(a, "kill_switch")));
	assert_true(cJSON_IsNull(at(a, "capture.path")));
	assert_string_equal(text_at(hint(a, "does not answer"), "severity"), "error");
	assert_null(hint(a, "no interface is attached"));
	cJSON_Delete(a);
}

static void a_block_that_is_just_being_set_is_not_called_missing_or_extra(void **state)
{
	(void)state;
	fake.counts = (struct enforcer_counts){.desired = 3, .installed = 2, .missing = 1}; /* a second ago */
	fake.warden.status.blocks = 3;
	cJSON *a = call("GET", "/v1/status", NULL, 200);

	assert_int_equal(number_at(a, "blocks.installed"), 3);
	assert_int_equal(number_at(a, "blocks.missing"), 0);
	cJSON_Delete(a);
	fake.counts = (struct enforcer_counts){.desired = 3, .installed = 3};
	fake.warden.status.blocks = 4;
	a = call("GET", "/v1/status", NULL, 200);
	assert_int_equal(number_at(a, "blocks.extra"), 0);
	assert_int_equal(cJSON_GetArraySize(at(a, "hints")), 0);
	cJSON_Delete(a);
}

static void status_tells_what_the_guard_goes_by(void **state)
{
	(void)state;
	f.parts.regulars = (struct regulars *)&fake; /* these two are never looked into */
	f.parts.witness = (struct witness *)&fake;
	fake.regulars = (struct regulars_counts){.regulars = 7, .newcomers = 3, .open = 9, .refused = 1};
	fake.witness = (struct witness_counts){.noted = 5, .forgotten = 2};
	fake.counts.neighbours_forgotten = 4;
	fake.detect.own_denials = 6;
	fake.opinion = (struct opinion_counts){.state = OPINION_READY, .rules = 687, .asked = 9, .alarms = 2};
	cJSON *a = call("GET", "/v1/status", NULL, 200);

	assert_int_equal(number_at(a, "guard.regulars"), 7);
	assert_int_equal(number_at(a, "guard.newcomers"), 3);
	assert_int_equal(number_at(a, "guard.open_places"), 9);
	assert_int_equal(number_at(a, "guard.consumers_refused"), 1);
	assert_int_equal(number_at(a, "guard.witnessed"), 5);
	assert_int_equal(number_at(a, "guard.witnessed_forgotten"), 2);
	assert_int_equal(number_at(a, "guard.networks_forgotten"), 4);
	assert_int_equal(number_at(a, "detection.own_denials"), 6);
	assert_int_equal(number_at(a, "second_opinion.rules"), 687);
	assert_int_equal(number_at(a, "second_opinion.asked"), 9);
	assert_int_equal(number_at(a, "second_opinion.alarms"), 2);
	cJSON_Delete(a);
}

static void status_tells_how_full_the_tables_of_clients_and_baselines_are(void **state)
{
	struct event e = {.kind = EVENT_HTTP_REQUEST};
	struct addr who = {.family = ADDR_IPV4, .bytes = {192, 0, 2, 1}};

	(void)state;
	e.request.client.addr = who;
	e.request.method = SPAN("GET");
	e.request.consumer = SPAN("c_0100000000000000aa");
	e.request.answered = EVENT_ANSWER_SEEN;
	e.request.status = 200;
	for (unsigned i = 0; i < BEHAVIOUR_KNOWN; i++)
		behaviour_note(f.behaviour, &e);
	e.request.consumer = SPAN_NULL;
	e.request.client.addr.bytes[3] = 2;
	behaviour_note(f.behaviour, &e);
	baseline_note(f.baseline, "rule", SPAN("/orders/{id}"), &who, 3, 1);
	fake.detect.withheld = 8;
	cJSON *a = call("GET", "/v1/status", NULL, 200);

	assert_int_equal(number_at(a, "behaviour.clients"), 2);
	assert_int_equal(number_at(a, "behaviour.clients_max"), BEHAVIOUR_CLIENTS);
	assert_int_equal(number_at(a, "behaviour.consumers"), 1);
	assert_int_equal(number_at(a, "behaviour.consumers_max"), BEHAVIOUR_CONSUMERS);
	assert_int_equal(number_at(a, "behaviour.known"), 2); /* the first client and its consumer */
	assert_int_equal(number_at(a, "behaviour.kept"), 2);
	assert_int_equal(number_at(a, "behaviour.requests"), BEHAVIOUR_KNOWN + 1);
	assert_int_equal(number_at(a, "behaviour.forgotten_new"), 0);
	assert_int_equal(number_at(a, "baseline.held"), 1);
	assert_int_equal(number_at(a, "baseline.max"), 16);
	assert_int_equal(number_at(a, "baseline.taught"), 1);
	assert_string_equal(cJSON_GetStringValue(at(a, "baseline.learning")), "on");
	assert_int_equal(number_at(a, "detection.withheld"), 8);
	cJSON_Delete(a);
	baseline_freeze(f.baseline, true);
	a = call("GET", "/v1/status", NULL, 200);
	assert_string_equal(cJSON_GetStringValue(at(a, "baseline.learning")), "frozen");
	cJSON_Delete(a);
}

static void status_hints_at_whatever_stops_picket_from_working(void **state)
{
	(void)state;
	fake.warden.status.kill = 1;
	fake.warden.status.ports = (struct pk_ports){0};
	fake.warden.status.attachments[0].mode = PACKET_OFF;
	strcpy(fake.warden.status.attachments[0].note, "held by other (id 7)");
	fake.warden.status.sources.sessions_seen = false;
	fake.counts = (struct enforcer_counts){
		.desired = 3,
		.installed = 1,
		.missing = 2,
		.pending = 4,
		.http = 5,
		.trips = {{"mad", 2, UINT64_MAX}, {"calm", 1, 0}},
		.trip_count = 2,
	};
	fake.http = (struct http_point_counts){.asked = 9, .unnamed = 7};
	f.parts.http_point = (struct http_point *)&fake; /* never looked into */
	fake.warden.status.blocks = 1;
	fake.mode = MODE_OBSERVE;
	strcpy(fake.gateways[0].last_error, "connection refused");
	fake.gateways[0].state = "backing off";
	cJSON *a = call("GET", "/v1/status", NULL, 200);

	assert_string_equal(text_at(hint(a, "kill switch is on"), "command"), "picket resume");
	assert_non_null(hint(a, "held by other (id 7)"));
	assert_non_null(hint(a, "no interface is attached"));
	assert_non_null(hint(a, "no server listens"));
	assert_non_null(hint(a, "limits.protect"));
	assert_non_null(hint(a, "2 blocks are wanted"));
	assert_string_equal(text_at(hint(a, "4 decisions wait"), "command"), "picket pending");
	assert_non_null(hint(a, "mode observe"));
	assert_non_null(hint(a, "5 clients are denied at HTTP"));
	assert_non_null(hint(a, "7 questions of a proxy named no client"));
	assert_non_null(hint(a, "mad asked for more automatic blocks"));
	assert_null(hint(a, "calm asked"));
	assert_non_null(hint(a, "gateway local is backing off: connection refused"));
	cJSON_Delete(a);
}

static void status_tells_of_each_haproxy_what_its_map_holds(void **state)
{
	(void)state;
	static struct haproxy_point *const one[] = {(struct haproxy_point *)&fake}; /* never looked into */

	f.parts.haproxy = one;
	f.parts.haproxy_count = 1;
	fake.counts.http = 3;
	f.parts.http_point = (struct http_point *)&fake;
	fake.haproxy =
		(struct haproxy_counts){.state = HAPROXY_UP, .desired = 3, .installed = 3, .mended = 2};
	cJSON *a = call("GET", "/v1/status", NULL, 200);
	const cJSON *h = cJSON_GetArrayItem(at(a, "haproxy"), 0);
	assert_string_equal(text_at(h, "name"), "edge");
	assert_string_equal(text_at(h, "state"), "up");
	assert_int_equal(number_at(h, "installed"), 3);
	assert_int_equal(number_at(h, "mended"), 2);
	assert_null(hint(a, "HAProxy"));
	assert_null(hint(a, "no proxy asked"));
	cJSON_Delete(a);
	fake.haproxy = (struct haproxy_counts){.state = HAPROXY_DOWN,
					       .error = "it does not answer",
					       .desired = 3,
					       .missing = 3,
					       .foreign = 1};
	a = call("GET", "/v1/status", NULL, 200);
	assert_non_null(hint(a, "the map of HAProxy edge cannot be kept: it does not answer"));
	assert_non_null(hint(a, "holds 1 keys that picket did not write"));
	cJSON_Delete(a);
	fake.haproxy =
		(struct haproxy_counts){.state = HAPROXY_UP, .desired = 3, .installed = 2, .missing = 1};
	a = call("GET", "/v1/status", NULL, 200);
	assert_non_null(hint(a, "1 blocks are wanted but not in the map of HAProxy edge"));
	cJSON_Delete(a);
	f.parts.haproxy_count = 0;
	f.parts.http_point = NULL;
}

/* --- blocks --- */

static void a_block_is_an_operators_verdict_under_the_callers_uid(void **state)
{
	(void)state;
	char by[32];

	snprintf(by, sizeof by, "uid:%u", (unsigned)getuid());
	cJSON *a = call(
		"POST", "/v1/blocks",
		"{\"target\":\"192.0.2.0/24\",\"ttl\":\"1h30m\",\"scope\":\"host\",\"reason\":\"a test\"}",
		201);

	assert_int_equal(fake.asked_count, 1);
	assert_int_equal(fake.asked.source, VERDICT_OPERATOR);
	assert_int_equal(fake.asked.action, VERDICT_BLOCK);
	assert_int_equal(fake.asked.scope, VERDICT_SCOPE_HOST);
	assert_int_equal(fake.asked.ttl_ms, 5400000);
	assert_string_equal(fake.asked.origin, by);
	assert_string_equal(fake.asked.reason, "a test");
	assert_int_not_equal(fake.asked.received_ns, 0);
	assert_int_equal(fake.confirm_within_ms, 0);
	assert_string_equal(text_at(a, "outcome"), "blocked");
	assert_string_equal(text_at(a, "target"), "192.0.2.0/24");
	assert_int_equal(number_at(a, "ttl_s"), 5400);
	cJSON_Delete(a);
}

static void a_block_without_options_takes_the_defaults(void **state)
{
	(void)state;
	cJSON_Delete(call("POST", "/v1/blocks", "{\"target\":\"2001:db8::7\"}", 201));
	assert_int_equal(fake.asked.ttl_ms, f.config->guard.ttl_default_ms);
	assert_int_equal(fake.asked.scope, VERDICT_SCOPE_PORTS);
	cJSON_Delete(call("POST", "/v1/blocks",
			  "{\"target\":\"192.0.2.7\",\"ttl_s\":60,\"confirm_within_s\":30}", 201));
	assert_int_equal(fake.asked.ttl_ms, 60000);
	assert_int_equal(fake.confirm_within_ms, 30000);
}

static void a_refusal_of_the_guard_is_409_with_its_reason(void **state)
{
	(void)state;
	fake.decision =
		(struct decision){.outcome = DECISION_REFUSED,
				  .why = "protected_network",
				  .detail = "overlaps 127.0.0.0/8 (loopback), which is never blocked"};
	problem("POST", "/v1/blocks", "{\"target\":\"127.0.0.1\"}", 409, "refused_by_guard",
		"protected_network: overlaps 127.0.0.0/8");
}

static void a_block_that_is_taken_but_not_done_is_202_and_says_what_became_of_it(void **state)
{
	(void)state;
	fake.decision = (struct decision){.outcome = DECISION_PENDING, .why = "approve", .pending_id = 9};
	cJSON *a = call("POST", "/v1/blocks", "{\"target\":\"192.0.2.7\"}", 202);

	assert_string_equal(text_at(a, "outcome"), "pending");
	assert_int_equal(number_at(a, "pending_id"), 9);
	assert_true(cJSON_IsNull(at(a, "installed")));
	cJSON_Delete(a);
}

static void a_bad_block_is_refused_with_the_way_to_mend_it_and_never_reaches_the_guard(void **state)
{
	(void)state;
	static const struct {
		const char *body, *code, *says;
		unsigned status;
	} bad[] = {
		{"", "bad_json", "target", 400},
		{"{\"target\":\"192.0.2.7\"", "bad_json", "syntax", 400},
		{"{\"target\":\"192.0.2.7\"} x", "bad_json", "trailing", 400},
		{"{\"target\":\"192.0.2.7\",\"target\":\"192.0.2.8\"}", "bad_json", "duplicate", 400},
		{"[]", "bad_shape", "object", 422},
		{"{}", "bad_target", "missing", 422},
		{"{\"target\":7}", "bad_target", "missing", 422},
		{"{\"target\":\"example.org\"}", "bad_target", "give one like", 422},
		{"{\"target\":\"192.0.2.7/24\"}", "bad_target", "the network is 192.0.2.0/24", 422},
		{"{\"target\":\"2001:db8::1/48\"}", "bad_target", "2001:db8::/48", 422},
		{"{\"target\":\"192.0.2.7@login\"}", "bad_target", "192.0.2.7@/login", 422},
		{"{\"target\":\"192.0.2.7@/login/\"}", "bad_target", "docs/decide.md", 422},
		{"{\"target\":\"192.0.2.7@/$(reboot)\"}", "bad_target", "no target on a route", 422},
		{"{\"target\":\"192.0.2.7\",\"tll\":\"15m\"}", "unknown_key",
		 "\"tll\": known are target, ttl", 422},
		{"{\"target\":\"192.0.2.7\",\"ttl\":\"15\"}", "bad_ttl", "unit", 422},
		{"{\"target\":\"192.0.2.7\",\"ttl\":\"0s\"}", "bad_ttl", "unit", 422},
		{"{\"target\":\"192.0.2.7\",\"ttl\":900}", "bad_ttl", "unit", 422},
		{"{\"target\":\"192.0.2.7\",\"ttl_s\":0}", "bad_ttl", "whole number", 422},
		{"{\"target\":\"192.0.2.7\",\"ttl_s\":1.5}", "bad_ttl", "whole number", 422},
		{"{\"target\":\"192.0.2.7\",\"ttl_s\":-1}", "bad_ttl", "whole number", 422},
		{"{\"target\":\"192.0.2.7\",\"ttl_s\":60,\"ttl\":\"1m\"}", "bad_ttl", "one of them", 422},
		{"{\"target\":\"192.0.2.7\",\"scope\":\"all\"}", "bad_scope", "host", 422},
		{"{\"target\":\"192.0.2.7\",\"action\":\"unblock\"}", "bad_action", "rate_limit", 422},
		{"{\"target\":\"192.0.2.7\",\"action\":7}", "bad_action", "shadow", 422},
		{"{\"target\":\"192.0.2.7\",\"reason\":\"a\\nb\"}", "bad_reason", "one line", 422},
		{"{\"target\":\"192.0.2.7\",\"reason\":\"a\\u001b[2J\"}", "bad_reason", "control", 422},
		{"{\"target\":\"192.0.2.7\",\"confirm_within_s\":\"60\"}", "bad_confirm", "whole number",
		 422},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		problem("POST", "/v1/blocks", bad[i].body, bad[i].status, bad[i].code, bad[i].says);
	assert_int_equal(fake.asked_count, 0);
}

static void unblock_takes_addresses_and_prefixes_from_the_path(void **state)
{
	(void)state;
	fake.decision.outcome = DECISION_UNBLOCKED;
	cJSON_Delete(call("DELETE", "/v1/blocks/192.0.2.7", NULL, 200));
	assert_int_equal(fake.asked.action, VERDICT_UNBLOCK);
	assert_true(prefix_is_exact(&fake.asked.target));
	cJSON_Delete(call("DELETE", "/v1/blocks/192.0.2.0%2F24", NULL, 200));
	assert_int_equal(fake.asked.target.bits, 24);
	cJSON_Delete(call("DELETE", "/v1/blocks/2001:db8::/48", NULL, 200));
	assert_int_equal(fake.asked.target.bits, 48);
	cJSON *a = call("DELETE", "/v1/blocks/192.0.2.7%40%2Fusers%2F%7Bid%7D", NULL, 200);
	assert_string_equal(text_at(a, "target"), "192.0.2.7@/users/{id}");
	assert_string_equal(target_route_text(fake.asked.target.route), "/users/{id}");
	cJSON_Delete(a);
}

static void unblock_of_nothing_is_404_and_names_the_wider_block_that_covers_it(void **state)
{
	(void)state;
	fake.decision = (struct decision){.outcome = DECISION_REFUSED, .why = "not_blocked"};
	problem("DELETE", "/v1/blocks/192.0.2.7", NULL, 404, "not_blocked", "192.0.2.7 is not blocked");
	fake.why = (struct why){.blocked = true, .block = fixture_block("192.0.2.0/24")};
	problem("DELETE", "/v1/blocks/192.0.2.7", NULL, 404, "not_blocked", "by the block of 192.0.2.0/24");
	fake.why = (struct why){.route_count = 3};
	assert_int_equal(target_parse(SPAN("192.0.2.7@/login"), &fake.why.routes[0]), 0);
	problem("DELETE", "/v1/blocks/192.0.2.7", NULL, 404, "not_blocked", "192.0.2.7@/login is");
}

static void unblock_that_the_kernel_refuses_is_no_404(void **state)
{
	(void)state;
	fake.decision = (struct decision){
		.outcome = DECISION_REFUSED, .why = "install_failed", .detail = "Broken pipe"};
	problem("DELETE", "/v1/blocks/192.0.2.7", NULL, 503, "install_failed", "Broken pipe");
}

static void unblock_of_what_a_list_names_is_refused_with_what_to_do(void **state)
{
	(void)state;
	fake.decision = (struct decision){.outcome = DECISION_REFUSED,
					  .why = "in_list",
					  .detail = "the block list drop names it: take it out of /drop"};
	problem("DELETE", "/v1/blocks/192.0.2.7", NULL, 409, "refused_by_guard", "take it out of /drop");
	fake.decision = (struct decision){.outcome = DECISION_REFUSED, .why = "not_blocked"};
	fake.why = (struct why){.blocked = true, .block = fixture_block("192.0.2.0/24")};
	fake.why.block.verdict.source = VERDICT_IMPORT;
	problem("DELETE", "/v1/blocks/192.0.2.7", NULL, 404, "not_blocked",
		"covered by 192.0.2.0/24 of the block list");
}

static void a_block_is_confirmed_by_its_target(void **state)
{
	(void)state;
	cJSON_Delete(call("POST", "/v1/blocks-confirm", "{\"target\":\"192.0.2.7\"}", 200));
	assert_true(fake.confirmed.addr.bytes[3] == 7);
	fake.confirm_result = BLOCKS_E_NONE;
	problem("POST", "/v1/blocks-confirm", "{\"target\":\"192.0.2.7\"}", 404, "not_blocked",
		"is not blocked");
}

static int count_line(void *arg, struct span line)
{
	unsigned *count = arg;

	assert_true(line.len > 2 && line.ptr[0] == '{' && line.ptr[line.len - 1] == '}');
	(*count)++;
	return 0;
}

static void blocks_are_listed_newest_first_and_a_cut_list_says_so(void **state)
{
	(void)state;
	struct block_told blocks[3] = {fixture_block("192.0.2.1"), fixture_block("192.0.2.2"),
				       fixture_block("192.0.2.3")};
	unsigned lines = 0, status = 0;

	blocks[1].since_ns += NS_PER_S;
	fake.blocks = blocks;
	fake.block_count = 3;
	cJSON *a = call("GET", "/v1/blocks?limit=2", NULL, 200);

	assert_int_equal(number_at(a, "count"), 3);
	assert_true(cJSON_IsTrue(at(a, "truncated")));
	assert_true(cJSON_IsFalse(at(a, "kept_over_restart")));
	assert_int_equal(cJSON_GetArraySize(at(a, "blocks")), 2);
	assert_string_equal(text_at(a, "blocks.0.target"), "192.0.2.2");
	assert_int_equal(number_at(a, "blocks.0.packets"), 1204);
	assert_in_range((uint64_t)number_at(a, "blocks.0.ttl_s"), 835, 840);
	cJSON_Delete(a);
	assert_int_equal(api_client_stream(f.socket, "/v1/blocks?stream=1", count_line, &lines, &status), 0);
	assert_int_equal(status, 200);
	assert_int_equal(lines, 3);
}

static void a_long_list_of_blocks_streams_whole(void **state)
{
	(void)state;
	enum { MANY = 20000 };
	struct block_told *blocks = calloc(MANY, sizeof *blocks);
	unsigned lines = 0, status = 0;

	assert_non_null(blocks);
	for (int i = 0; i < MANY; i++)
		blocks[i] = fixture_block("192.0.2.1");
	fake.blocks = blocks;
	fake.block_count = MANY;
	assert_int_equal(api_client_stream(f.socket, "/v1/blocks?stream=1", count_line, &lines, &status), 0);
	assert_int_equal(lines, MANY);
	fake.block_count = 0;
	free(blocks);
}

/* --- why --- */

static bool has_reason(const cJSON *why, const char *code, const char *command)
{
	const cJSON *r;

	cJSON_ArrayForEach(r, at(why, "reasons")) if (!strcmp(text_at(r, "code"), code))
	{
		assert_true(cJSON_IsNull(at(r, "command")) == !command);
		if (command)
			assert_string_equal(text_at(r, "command"), command);
		return true;
	}
	return false;
}

static void why_of_a_blocked_address_names_the_block_and_what_undoes_it(void **state)
{
	(void)state;
	fake.why = (struct why){.blocked = true, .block = fixture_block("192.0.2.0/24"), .handshake = true};
	fake.history[0] = fixture_decision("192.0.2.0/24", DECISION_BLOCKED, "ok", "");
	fake.history_count = 1;
	cJSON *a = call("GET", "/v1/why/192.0.2.7", NULL, 200);

	assert_true(cJSON_IsTrue(at(a, "blocked")));
	assert_string_equal(text_at(a, "undo"), "picket unblock 192.0.2.0/24");
	assert_string_equal(text_at(a, "block.origin"), "login_guessing");
	assert_string_equal(text_at(a, "block.evidence.0"), "run-7");
	assert_int_equal(cJSON_GetArraySize(at(a, "reasons")), 0);
	assert_int_equal(cJSON_GetArraySize(at(a, "decisions")), 1);
	cJSON_Delete(a);
}

static void why_of_an_unconfirmed_block_names_the_command_that_keeps_it(void **state)
{
	(void)state;
	fake.why = (struct why){.blocked = true, .block = fixture_block("192.0.2.7")};
	fake.why.claim_count = 2;
	fake.why.claims[0] = (struct block_claim){.verdict = fake.why.block.verdict,
						  .revert_ns = clock_boot_ns(&clock_system) + 30 * NS_PER_S};
	fake.why.claims[0].verdict.source = VERDICT_OPERATOR;
	fake.why.claims[1] = (struct block_claim){.verdict = fake.why.block.verdict};
	fake.why.kill = true;
	cJSON *a = call("GET", "/v1/why/192.0.2.7", NULL, 200);

	assert_string_equal(text_at(a, "claims.0.source"), "operator");
	assert_non_null(at(a, "claims.0.confirm_by"));
	assert_int_equal(cJSON_GetArraySize(at(a, "claims")), 2);
	assert_true(has_reason(a, "unconfirmed", "picket block --confirm 192.0.2.7"));
	assert_true(has_reason(a, "kill_switch", "picket resume"));
	cJSON_Delete(a);
}

static void why_names_the_routes_that_are_decided_on_by_themselves(void **state)
{
	(void)state;
	fake.why = (struct why){.handshake = true, .route_count = WHY_ROUTES_MAX + 2};
	for (unsigned i = 0; i < WHY_ROUTES_MAX; i++) {
		char text[64];
		snprintf(text, sizeof text, "192.0.2.0/24@/%u/{id}", i);
		assert_int_equal(target_parse(span_from(text), &fake.why.routes[i]), 0);
	}
	cJSON *a = call("GET", "/v1/why/192.0.2.7", NULL, 200), *r;
	unsigned told = 0;

	assert_false(cJSON_IsTrue(at(a, "blocked")));
	assert_true(has_reason(a, "on_route", "picket unblock 192.0.2.0/24@/0/{id}"));
	cJSON_ArrayForEach(r, at(a, "reasons")) told += !strcmp(text_at(r, "code"), "on_route");
	assert_int_equal(told, WHY_ROUTES_MAX + 1);
	cJSON_Delete(a);
}

static void block_lists_are_shown_with_what_is_in_force_and_what_is_not(void **state)
{
	(void)state;
	fixture_list();
	cJSON *a = call("GET", "/v1/lists", NULL, 200);

	assert_int_equal(cJSON_GetArraySize(at(a, "lists")), 1);
	assert_string_equal(text_at(a, "lists.0.name"), "drop");
	assert_string_equal(text_at(a, "lists.0.format"), "plain");
	assert_int_equal(at(a, "lists.0.in_force")->valueint, 117);
	assert_int_equal(at(a, "lists.0.refused.protected_network")->valueint, 2);
	assert_int_equal(at(a, "lists.0.unreadable_first.0.at")->valueint, 7);
	assert_string_equal(text_at(a, "lists.0.unreadable_first.0.text"), "host.example");
	assert_string_equal(text_at(a, "lists.0.error"), "is empty");
	cJSON_Delete(a);
	a = call("GET", "/v1/status", NULL, 200);
	assert_string_equal(text_at(a, "lists.0.name"), "drop");
	bool empty = false, cut = false, full = false;
	const cJSON *h;
	cJSON_ArrayForEach(h, at(a, "hints"))
	{
		empty = empty || strstr(text_at(h, "text"), "block list drop cannot be taken, it is empty");
		cut = cut || strstr(text_at(h, "text"), "lost 130 of its 250 entries at once");
		full = full || strstr(text_at(h, "text"), "1 entries of block list drop found no room");
	}
	assert_true(empty && cut && full);
	cJSON_Delete(a);
}

static void why_names_the_block_lists_that_cover_an_address(void **state)
{
	(void)state;
	fixture_list();
	fake.why = (struct why){.blocked = true, .block = fixture_block("192.0.2.0/24"), .list_count = 2};
	fake.why.block.verdict.source = VERDICT_IMPORT;
	for (unsigned i = 0; i < 2; i++)
		fake.why.lists[i] =
			(struct why_list){.config = fake.lists[0].config,
					  .target = fixture_prefix("192.0.2.0/24"),
					  .state = i ? LISTS_REFUSED + LIMITS_FULL : LISTS_IN_FORCE};
	cJSON *a = call("GET", "/v1/why/192.0.2.7", NULL, 200);

	assert_string_equal(text_at(a, "block.source"), "import");
	assert_true(cJSON_IsNull(at(a, "undo")));
	assert_string_equal(text_at(a, "lists.0.name"), "drop");
	assert_true(cJSON_IsTrue(at(a, "lists.0.in_force")));
	assert_true(has_reason(a, "in_list", NULL));
	assert_true(has_reason(a, "list_refused", NULL));
	cJSON_Delete(a);
}

static void why_not_blocked_is_told_from_the_last_decision(void **state)
{
	(void)state;
	static const struct {
		enum decision_outcome outcome;
		const char *why, *code, *command;
	} cases[] = {
		{DECISION_WOULD_BLOCK, "observe", "mode_observe", "picket mode enforce"},
		{DECISION_WOULD_BLOCK, "cross_site", "mode_observe",
		 NULL}, /* enforced, it would be a question */
		{DECISION_REFUSED, "no_handshake", "refused", NULL},
		{DECISION_EXPIRED, "deadline", "expired", NULL},
		{DECISION_UNBLOCKED, "ok", "unblocked", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fake.history[0] = fixture_decision("192.0.2.7", cases[i].outcome, cases[i].why, "said no");
		fake.history_count = 1;
		fake.why = (struct why){.handshake = true, .class = PROXY_CLASS_CLIENT};
		cJSON *a = call("GET", "/v1/why/192.0.2.7", NULL, 200);

		assert_true(cJSON_IsFalse(at(a, "blocked")));
		assert_true(cJSON_IsNull(at(a, "block")));
		assert_true(cJSON_IsNull(at(a, "undo")));
		assert_true(has_reason(a, cases[i].code, cases[i].command));
		assert_false(has_reason(a, "no_handshake", NULL));
		cJSON_Delete(a);
		event_unref(fake.history[0]);
	}
	fake.history_count = 0;
}

static void why_tells_whom_else_a_block_would_hit(void **state)
{
	(void)state;
	fake.why = (struct why){.handshake = true, .regulars = {3, 90}};
	cJSON *a = call("GET", "/v1/why/192.0.2.7", NULL, 200);

	assert_int_equal(number_at(a, "regulars.here"), 3);
	assert_int_equal(number_at(a, "regulars.all"), 90);
	assert_true(has_reason(a, "regulars", NULL));
	cJSON_Delete(a);
	fake.why.regulars.here = 0;
	a = call("GET", "/v1/why/192.0.2.7", NULL, 200);
	assert_false(has_reason(a, "regulars", NULL));
	cJSON_Delete(a);
}

static void why_tells_protection_proxy_and_pending(void **state)
{
	(void)state;
	fake.why = (struct why){.is_protected = true,
				.protect = {.net = fixture_prefix("192.0.2.0/28"), .why = "login session"},
				.class = PROXY_CLASS_UNCLASSIFIED};
	fake.pending[0] = (struct pending){.id = 41, .verdict = fixture_block("192.0.2.7").verdict};
	fake.pending_count = 1;
	cJSON *a = call("GET", "/v1/why/192.0.2.7", NULL, 200);

	assert_string_equal(text_at(a, "protected.network"), "192.0.2.0/28");
	assert_string_equal(text_at(a, "protected.why"), "login session");
	assert_true(has_reason(a, "protected_network", NULL));
	assert_true(has_reason(a, "unclassified_proxy", "picket proxies trust 192.0.2.7"));
	assert_true(has_reason(a, "pending", "picket approve 41"));
	assert_false(has_reason(a, "no_handshake", NULL)); /* protected: that is reason enough */
	assert_false(has_reason(a, "no_verdict", NULL));
	cJSON_Delete(a);
}

static void why_of_a_stranger_says_that_nothing_asked_for_a_block(void **state)
{
	(void)state;
	cJSON *a = call("GET", "/v1/why/2001:db8::7", NULL, 200);

	assert_true(has_reason(a, "no_verdict", NULL));
	assert_true(has_reason(a, "no_handshake", NULL));
	cJSON_Delete(a);
	problem("GET", "/v1/why/nobody", NULL, 422, "bad_target", "nobody");
}

/* --- pending --- */

static void a_pending_block_is_listed_approved_or_rejected_by_its_number(void **state)
{
	(void)state;
	fake.pending[0] = (struct pending){
		.id = 41, .verdict = fixture_block("192.0.2.7").verdict, .why = "approve", .expires_ns = 1};
	fake.pending_count = 1;
	cJSON *a = call("GET", "/v1/pending", NULL, 200);

	assert_int_equal(number_at(a, "pending.0.pending_id"), 41);
	assert_string_equal(text_at(a, "pending.0.why"), "approve");
	cJSON_Delete(a);
	a = call("POST", "/v1/pending/41", "{\"approve\":true}", 200);
	assert_string_equal(text_at(a, "outcome"), "blocked");
	assert_true(fake.answered_yes);
	assert_memory_equal(fake.answered_by, "uid:", 4);
	cJSON_Delete(a);
	fake.decision = (struct decision){.outcome = DECISION_REFUSED, .why = "rejected"};
	a = call("POST", "/v1/pending/41", "{\"approve\":false}", 200);
	assert_string_equal(text_at(a, "outcome"), "rejected");
	assert_false(fake.answered_yes);
	cJSON_Delete(a);
	fake.decision = (struct decision){.outcome = DECISION_REFUSED, .why = "protected_network"};
	problem("POST", "/v1/pending/41", "{\"approve\":true}", 409, "refused_by_guard", "protected_network");
}

static void an_answer_to_nothing_pending_is_refused(void **state)
{
	(void)state;
	problem("POST", "/v1/pending/7", "{\"approve\":true}", 404, "not_pending", "picket pending");
	problem("POST", "/v1/pending/x", "{\"approve\":true}", 404, "not_pending", "picket pending");
	problem("POST", "/v1/pending/99999999999999999999999", "{\"approve\":true}", 404, "not_pending",
		"picket pending");
	problem("POST", "/v1/pending/7", "{\"approve\":1}", 422, "bad_shape", "true or false");
	assert_false(fake.answered);
}

/* --- settings --- */

static void the_mode_is_set_and_told_beside_the_configured_one(void **state)
{
	(void)state;
	cJSON_Delete(call("PUT", "/v1/mode", "{\"mode\":\"approve\"}", 200));
	assert_int_equal(fake.mode, MODE_APPROVE);
	cJSON *a = call("GET", "/v1/mode", NULL, 200);

	assert_string_equal(text_at(a, "mode"), "approve");
	assert_int_equal(fake.rearmed, 1);
	assert_string_equal(text_at(a, "configured"), "observe");
	assert_true(cJSON_IsFalse(at(a, "kept_over_restart")));
	cJSON_Delete(a);
	problem("PUT", "/v1/mode", "{\"mode\":\"enforced\"}", 422, "bad_mode", "observe");
	assert_int_equal(fake.mode, MODE_APPROVE);
}

static void the_kill_switch_goes_on_over_the_api_but_never_off(void **state)
{
	(void)state;
	cJSON_Delete(call("POST", "/v1/kill-switch", "{\"on\":true}", 200));
	assert_int_equal(fake.kills, 1);
	problem("POST", "/v1/kill-switch", "{\"on\":false}", 403, "resume_is_local", "picket resume");
	problem("POST", "/v1/kill-switch", "{}", 422, "bad_shape", "true");
	fake.warden_result = -EPIPE;
	problem("POST", "/v1/kill-switch", "{\"on\":true}", 503, "warden_gone", "picket panic");
	assert_int_equal(fake.kills, 1);
}

static void what_is_said_of_a_proxy_changes_its_class(void **state)
{
	(void)state;
	struct addr proxy = fixture_prefix("192.0.2.9").addr;

	proxies_note(f.proxies, &proxy, true, 1);
	cJSON *a = call("GET", "/v1/proxies", NULL, 200);

	assert_string_equal(text_at(a, "peers.0.class"), "unclassified");
	assert_int_equal(number_at(a, "peers.0.forwarded"), 1);
	cJSON_Delete(a);
	fake.why = (struct why){.blocked = true, .block = fixture_block("192.0.2.9")};
	a = call("PUT", "/v1/proxies", "{\"address\":\"192.0.2.9\",\"class\":\"trust\"}", 200);
	assert_string_equal(text_at(a, "class"), "trusted");
	assert_non_null(strstr(text_at(a, "note"), "blocked"));
	cJSON_Delete(a);
	assert_int_equal(proxies_class(f.proxies, &proxy), PROXY_CLASS_TRUSTED);
	/* What was said is listed before anything came from there, and how clients are found. */
	proxies_note_source(f.proxies, &proxy, CLIENT_BY_FORWARDED);
	proxies_note_header(f.proxies, &proxy, 2);
	fake.capture.proxy_headers_refused = 7;
	cJSON_Delete(call("PUT", "/v1/proxies", "{\"address\":\"10.7.0.0/24\",\"class\":\"trust\"}", 200));
	a = call("GET", "/v1/proxies", NULL, 200);
	assert_string_equal(text_at(a, "peers.0.clients_by"), "forwarded");
	assert_int_equal(number_at(a, "peers.0.proxy_headers"), 1);
	assert_string_equal(text_at(a, "peers.1.address"), "10.7.0.0/24");
	assert_string_equal(text_at(a, "peers.1.class"), "trusted");
	assert_int_equal(number_at(a, "peers.1.requests"), 0);
	assert_true(cJSON_IsNull(at(a, "peers.1.last")));
	assert_true(cJSON_IsNull(at(a, "peers.1.clients_by")));
	assert_int_equal(number_at(a, "proxy_headers_refused"), 7);
	cJSON_Delete(a);
	cJSON_Delete(call("PUT", "/v1/proxies", "{\"address\":\"192.0.2.9\",\"class\":\"direct\"}", 200));
	assert_int_equal(proxies_class(f.proxies, &proxy), PROXY_CLASS_DIRECT);
	cJSON_Delete(call("PUT", "/v1/proxies", "{\"address\":\"192.0.2.9\",\"class\":\"forget\"}", 200));
	assert_int_equal(proxies_class(f.proxies, &proxy), PROXY_CLASS_UNCLASSIFIED);
	problem("PUT", "/v1/proxies", "{\"address\":\"0.0.0.0/0\",\"class\":\"direct\"}", 422,
		"prefix_too_short", "proxies.trusted");
	problem("PUT", "/v1/proxies", "{\"address\":\"192.0.2.9\",\"class\":\"friend\"}", 422, "bad_class",
		"direct");
}

static void routes_are_listed_busiest_first(void **state)
{
	(void)state;
	char route[ROUTES_TEXT_MAX + 8];
	unsigned lines = 0, status = 0;

	for (unsigned i = 0; i < 15; i++)
		ask(f.routes,
		    &(struct ask){.host = "api.example", .path = "/shadow/7", .client = i, .status = 200},
		    route);
	for (unsigned i = 0; i < 20; i++)
		ask(f.routes,
		    &(struct ask){.host = "api.example", .path = "/v1/items/7", .client = 1, .status = 503},
		    route);
	cJSON *a = call("GET", "/v1/routes", NULL, 200);
	assert_string_equal(text_at(a, "routes.0.route"), "/v1/items/{itemId}");
	assert_true(cJSON_IsNull(at(a, "routes.0.host")));
	assert_true(cJSON_IsTrue(at(a, "routes.0.documented")));
	assert_int_equal(number_at(a, "routes.0.requests"), 20);
	assert_int_equal(number_at(a, "routes.0.statuses.5xx"), 20);
	assert_int_equal(number_at(a, "routes.0.clients") <= 2, 1);
	assert_string_equal(text_at(a, "routes.1.route"), "/shadow/{id}");
	assert_string_equal(text_at(a, "routes.1.host"), "api.example");
	assert_true(cJSON_IsFalse(at(a, "routes.1.documented")));
	assert_int_equal(number_at(a, "count"), 2);
	assert_int_equal(number_at(a, "learning.learned"), 1);
	cJSON_Delete(a);
	a = call("GET", "/v1/routes?limit=1", NULL, 200);
	assert_true(cJSON_IsTrue(at(a, "truncated")));
	assert_int_equal(cJSON_GetArraySize(at(a, "routes")), 1);
	cJSON_Delete(a);
	a = call("GET", "/v1/routes?undocumented=1&host=API.example", NULL, 200);
	assert_string_equal(text_at(a, "routes.0.route"), "/shadow/{id}");
	assert_int_equal(cJSON_GetArraySize(at(a, "routes")), 1);
	cJSON_Delete(a);
	cJSON_Delete(call("GET", "/v1/routes?undocumented=2", NULL, 422));
	assert_int_equal(api_client_stream(f.socket, "/v1/routes?stream=1", count_line, &lines, &status), 0);
	assert_int_equal(lines, 2);
}

static void note_client(const char *client, const char *consumer, unsigned status, unsigned times)
{
	struct event e = {.kind = EVENT_HTTP_REQUEST, .time_ns = clock_boot_ns(&clock_system)};

	e.flow.peer.addr = fixture_prefix(client).addr;
	e.request.client.addr = e.flow.peer.addr;
	e.request.method = SPAN("GET");
	e.request.route = SPAN("/v1/items/{itemId}");
	e.request.route_id = 1;
	e.request.user_agent = SPAN("a \"client\"/1");
	e.request.consumer = span_from(consumer);
	e.request.answered = EVENT_ANSWER_SEEN;
	e.request.status = (uint16_t)status;
	for (unsigned i = 0; i < times; i++)
		behaviour_note(f.behaviour, &e);
}

static void clients_and_consumers_are_listed_with_what_is_known(void **state)
{
	(void)state;
	unsigned lines = 0, status = 0;
	struct verdict v = {.origin = "object-enumeration", .received_ns = clock_boot_ns(&clock_system)};

	assert_int_equal(target_parse(SPAN("consumer:c_0100000000000000aa"), &v.target), 0);
	note_client("192.0.2.1", "c_0100000000000000aa", 200, 12);
	note_client("192.0.2.2", "", 401, 3);
	behaviour_fired(f.behaviour, &v);
	cJSON *a = call("GET", "/v1/clients", NULL, 200);
	assert_int_equal(number_at(a, "count"), 3);
	assert_int_equal(number_at(a, "memory.consumers"), 1);
	assert_int_equal(number_at(a, "clients.2.requests"), 3);
	assert_string_equal(text_at(a, "clients.2.target"), "192.0.2.2");
	assert_int_equal(number_at(a, "clients.2.window.unauthorized"), 3);
	cJSON_Delete(a);
	a = call("GET", "/v1/clients?kind=consumer", NULL, 200);
	assert_int_equal(number_at(a, "count"), 1);
	assert_string_equal(text_at(a, "clients.0.target"), "consumer:c_0100000000000000aa");
	assert_string_equal(text_at(a, "clients.0.detections.0.name"), "object-enumeration");
	assert_string_equal(text_at(a, "clients.0.latest_with"), "192.0.2.1");
	assert_string_equal(text_at(a, "clients.0.user_agents.0"), "a \"client\"/1");
	assert_int_equal(cJSON_GetArraySize(at(a, "clients.0.ja4s")), 0);
	assert_string_equal(text_at(a, "clients.0.routes.0.route"), "/v1/items/{itemId}");
	assert_true(cJSON_IsNull(at(a, "clients.0.action")));
	cJSON_Delete(a);
	fake.in_force = VERDICT_BLOCK;
	a = call("GET", "/v1/clients/192.0.2.1", NULL, 200);
	assert_string_equal(text_at(a, "kind"), "client");
	assert_string_equal(text_at(a, "action"), "block");
	assert_int_equal(number_at(a, "consumers_seen"), 1);
	assert_true(cJSON_IsTrue(at(a, "known")));
	cJSON_Delete(a);
	fake.in_force = (enum verdict_action)0;
	problem("GET", "/v1/clients/192.0.2.77", NULL, 404, "not_found", "nothing is known");
	problem("GET", "/v1/clients?kind=friends", NULL, 422, "bad_query", "consumer");
	assert_int_equal(api_client_stream(f.socket, "/v1/clients?stream=1", count_line, &lines, &status), 0);
	assert_int_equal(lines, 3);
}

static void what_is_normal_is_shown_reset_and_frozen(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 8; i *= 2)
		for (uint8_t g = 1; g < 6; g++) {
			struct addr who = {.family = ADDR_IPV4, .bytes = {10, 0, 0, g}};
			baseline_note(f.baseline, "object-enumeration", SPAN("/v1/items/{itemId}"), &who, i,
				      clock_boot_ns(&clock_system));
			baseline_note(f.baseline, "route-flood", SPAN("/v1/b"), &who, i,
				      clock_boot_ns(&clock_system));
		}
	cJSON *a = call("GET", "/v1/baseline", NULL, 200);
	assert_int_equal(number_at(a, "count"), 2);
	assert_string_equal(text_at(a, "learning"), "on");
	assert_string_equal(text_at(a, "baseline.0.route"), "/v1/b");
	assert_int_equal(number_at(a, "baseline.0.reached.3.value"), 8);
	assert_int_equal(number_at(a, "baseline.0.reached.3.times"), 5);
	assert_true(cJSON_IsTrue(at(a, "baseline.0.counts")));
	cJSON_Delete(a);
	a = call("GET", "/v1/baseline?route=%2Fv1%2Fitems%2F%7BitemId%7D", NULL, 200);
	assert_int_equal(number_at(a, "count"), 1);
	assert_string_equal(text_at(a, "baseline.0.detection"), "object-enumeration");
	cJSON_Delete(a);
	a = call("PUT", "/v1/baseline", "{\"learning\":\"frozen\"}", 200);
	assert_string_equal(text_at(a, "learning"), "frozen");
	assert_true(baseline_is_frozen(f.baseline));
	cJSON_Delete(a);
	cJSON_Delete(call("PUT", "/v1/baseline", "{\"learning\":\"on\"}", 200));
	problem("PUT", "/v1/baseline", "{\"learning\":\"off\"}", 422, "bad_shape", "frozen");
	problem("PUT", "/v1/baseline", "[", 400, "bad_json", "learning");
	problem("DELETE", "/v1/baseline?route=%2Fnowhere", NULL, 404, "not_found", "/nowhere");
	a = call("DELETE", "/v1/baseline?route=%2Fv1%2Fb", NULL, 200);
	assert_int_equal(number_at(a, "reset"), 1);
	cJSON_Delete(a);
	a = call("DELETE", "/v1/baseline", NULL, 200);
	assert_int_equal(number_at(a, "reset"), 1);
	cJSON_Delete(a);
}

/* A decision that was not done, and so many requests of its target that the server answered with 200. */
static void forecast_put(const char *target, unsigned requests)
{
	struct event *d = fixture_decision(target, DECISION_WOULD_BLOCK, "observe", "mode observe");

	d->time_ns = clock_boot_ns(&clock_system);
	forecast_note(f.forecast, d);
	event_unref(d);
	for (unsigned i = 0; i < requests; i++) {
		struct event *e = event_new(EVENT_HTTP_REQUEST, 0);
		e->time_ns = clock_boot_ns(&clock_system);
		e->flow.peer.addr = fixture_prefix(target).addr;
		e->request.route = SPAN("/v1/items/{itemId}");
		e->request.answered = EVENT_ANSWER_SEEN;
		e->request.status = i ? 200 : 404;
		forecast_note(f.forecast, e);
		event_unref(e);
	}
}

static void a_forecast_shows_first_whom_it_would_harm_most(void **state)
{
	(void)state;
	cJSON *a = call("GET", "/v1/forecast", NULL, 200);
	assert_int_equal(at(a, "count")->valueint, 0);
	cJSON_Delete(a);
	forecast_put("192.0.2.7", 3);
	forecast_put("192.0.2.8", 9);
	a = call("GET", "/v1/forecast?last_s=3600&limit=1", NULL, 200);
	assert_int_equal(at(a, "count")->valueint, 2);
	assert_int_equal(at(a, "requests")->valueint, 12);
	assert_int_equal(at(a, "served")->valueint, 10);
	assert_true(cJSON_IsTrue(at(a, "truncated")));
	const cJSON *first = cJSON_GetArrayItem(at(a, "forecast"), 0);
	assert_int_equal(cJSON_GetArraySize(at(a, "forecast")), 1);
	assert_string_equal(text_at(first, "target"), "192.0.2.8");
	assert_int_equal(at(first, "served")->valueint, 8);
	const cJSON *route = cJSON_GetArrayItem(at(first, "routes"), 0);
	assert_string_equal(text_at(route, "route"), "/v1/items/{itemId}");
	assert_int_equal(at(route, "requests")->valueint, 9);
	cJSON_Delete(a);
	problem("GET", "/v1/forecast?last_s=x", NULL, 422, "bad_query", "give a whole number");
}

static void gateways_and_configuration_are_shown(void **state)
{
	(void)state;
	fake.gateways[0].refused[VERDICT_E_TTL] = 3;
	fake.gateways[0].held_since_ns = clock_boot_ns(&clock_system) - 2 * NS_PER_S;
	cJSON *a = call("GET", "/v1/gateways", NULL, 200);
	char key[64];

	assert_string_equal(text_at(a, "gateways.0.name"), "local");
	assert_true(cJSON_IsNull(at(a, "gateways.0.last_error")));
	assert_true(cJSON_IsNull(at(a, "gateways.0.url")));
	assert_string_equal(text_at(a, "gateways.0.role"), "enforce");
	assert_true(number_at(a, "gateways.0.lag_ms") >= 2000);
	snprintf(key, sizeof key, "gateways.0.verdicts_refused.%s", verdict_error_name(VERDICT_E_TTL));
	assert_int_equal(number_at(a, key), 3);
	cJSON_Delete(a);
	a = call("GET", "/v1/dossier?client=192.0.2.7", NULL, 200);
	assert_string_equal(text_at(a, "gateway"), "model");
	assert_string_equal(text_at(a, "item.client"), "192.0.2.7");
	cJSON_Delete(a);
	cJSON_Delete(call("GET", "/v1/dossier?client=192.0.2.8", NULL, 404));
	cJSON_Delete(call("GET", "/v1/dossier?client=192.0.2.7&gateway=other", NULL, 404));
	cJSON_Delete(call("GET", "/v1/dossier?client=nobody", NULL, 400));
	a = call("GET", "/v1/config", NULL, 200);
	assert_non_null(strstr(text_at(a, "yaml"), "ttl_max"));
	cJSON_Delete(a);
}

/* --- events --- */

struct lines {
	unsigned count, requests, losses;
	uint64_t missed;
	char last[1024]; /* the last line */
	unsigned stop_at;
	void (*on_first)(void);
};

static int on_line(void *arg, struct span line)
{
	struct lines *l = arg;
	static const struct json_limits limits = {.bytes = 65536, .depth = 4, .values = 200};
	cJSON *e = NULL;

	assert_int_equal(json_parse(line, &limits, &e, NULL), 0);
	const char *name = json_get_text(e, "event.name");
	int64_t n = 0;

	l->requests += !strcmp(name, "http.request");
	if (!strcmp(name, "picket.loss")) {
		assert_string_equal(json_get_text(e, "picket.loss.stage"), "tail");
		assert_int_equal(json_get_int(e, "picket.loss.count", 1, INT64_MAX, &n), 0);
		l->losses++;
		l->missed += (uint64_t)n;
	}
	snprintf(l->last, sizeof l->last, "%.*s", (int)line.len, line.ptr);
	cJSON_Delete(e);
	if (++l->count == 1 && l->on_first)
		l->on_first();
	return l->count == l->stop_at || strstr(l->last, "\"/last\"");
}

static struct lines events(const char *query)
{
	struct lines l = {0};
	char path[256];
	unsigned status = 0;

	snprintf(path, sizeof path, "/v1/events%s", query);
	assert_int_equal(api_client_stream(f.socket, path, on_line, &l, &status), 0);
	assert_int_equal(status, 200);
	return l;
}

static void put_some(void)
{
	char path[32];

	for (int i = 0; i < 10; i++) {
		snprintf(path, sizeof path, "/%d", i);
		fixture_put_request(&f, path);
		fixture_put_header(&f, "192.0.2.7", "198.51.100.1", PK_TCP_SYN);
	}
}

static void events_are_those_held_and_the_newest_of_a_name_on_demand(void **state)
{
	(void)state;
	assert_int_equal(events("").count, 0);
	put_some();
	assert_int_equal(events("").count, 20);
	assert_int_equal(events("?name=http.request").count, 10);
	assert_int_equal(events("?name=http.request,tcp.header").count, 20);
	struct lines l = events("?name=http.request&back=3");

	assert_int_equal(l.count, 3);
	assert_non_null(strstr(l.last, "\"/9\""));
	l = events("?name=http.request&back=5&limit=2");
	assert_int_equal(l.count, 2);
	assert_non_null(strstr(l.last, "\"/6\""));
	assert_int_equal(events("?name=net.connection&back=5").count, 0);
	assert_int_equal(events("?back=0").count, 0);
}

static void followed_events_come_after_those_asked_for_back(void **state)
{
	(void)state;
	put_some();
	struct lines l = {.stop_at = 12, .on_first = put_some};
	unsigned status;

	assert_int_equal(api_client_stream(f.socket, "/v1/events?follow=1&back=2&name=http.request", on_line,
					   &l, &status),
			 0);
	assert_int_equal(l.count, 12);
	assert_non_null(strstr(l.last, "\"/9\""));
}

#define STORM 30000

static void *storm_main(void *arg)
{
	(void)arg;
	for (int i = 0; i < STORM; i++)
		fixture_put_request(&f, "/storm");
	fixture_put_request(&f, "/last");
	return NULL;
}

static pthread_t storm_thread;

static void storm(void)
{
	assert_int_equal(pthread_create(&storm_thread, NULL, storm_main, NULL), 0);
}

static void what_a_slow_reader_missed_is_told_exactly(void **state)
{
	(void)state;
	struct lines l = {.on_first = storm};
	unsigned status;

	fixture_put_request(&f, "/first");
	assert_int_equal(api_client_stream(f.socket, "/v1/events?follow=1&back=1", on_line, &l, &status), 0);
	pthread_join(storm_thread, NULL);
	assert_true(l.losses > 0); /* the tail holds 64, the storm is faster than JSON */
	assert_int_equal(l.requests + l.missed, STORM + 2);
}

static void bad_questions_for_events_are_refused(void **state)
{
	(void)state;
	problem("GET", "/v1/events?name=http.request,nothing", NULL, 422, "unknown_event", "net.connection");
	problem("GET", "/v1/events?back=-1", NULL, 422, "bad_query", "whole number");
	problem("GET", "/v1/events?back=99999999999999999999", NULL, 422, "bad_query", "65536");
	problem("GET", "/v1/events?limit=", NULL, 422, "bad_query", "whole number");
	problem("GET", "/v1/events?follow=yes", NULL, 422, "bad_query", "0 to 1");
}

/* --- the description --- */

/* "METHOD path" of each operation in docs/openapi.yaml, by its indentation. */
static unsigned described(char ret[64][96])
{
	FILE *yaml = fopen(OPENAPI, "re");
	char line[512], path[64] = "", method[16];
	bool in_paths = false;
	unsigned n = 0;

	assert_non_null(yaml);
	while (fgets(line, sizeof line, yaml)) {
		if (line[0] != ' ' && line[0] != '\n' && line[0] != '#')
			in_paths = !strncmp(line, "paths:", 6);
		if (in_paths && sscanf(line, "  /%63[^:]:", path) == 1 && line[2] == '/')
			continue;
		if (in_paths && line[4] != ' ' && line[3] == ' ' &&
		    sscanf(line, "    %15[a-z]:", method) == 1 && strcmp(method, "parameters") && n < 64) {
			for (char *c = method; *c; c++)
				*c = (char)(*c - 'a' + 'A');
			snprintf(ret[n++], 96, "%s /%s", method, path);
		}
	}
	fclose(yaml);
	return n;
}

static bool listed(char list[64][96], unsigned count, const char *what)
{
	for (unsigned i = 0; i < count; i++)
		if (!strcmp(list[i], what))
			return true;
	return false;
}

static void the_description_lists_every_resource_and_no_other(void **state)
{
	(void)state;
	static char operations[64][96];
	unsigned n = described(operations);

	for (unsigned i = 0; i < route_count; i++)
		if (!listed(operations, n, routes[i]))
			fail_msg("not in docs/openapi.yaml: %s", routes[i]);
	for (unsigned i = 0; i < n; i++)
		if (!listed(routes, route_count, operations[i]))
			fail_msg("in docs/openapi.yaml, but not served: %s", operations[i]);
	assert_true(n > 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(status_of_a_daemon_at_rest_balances_and_asks_for_nothing),
		TEST(status_shows_the_tables_of_what_passes_and_their_ceilings),
		TEST(status_says_why_processes_cannot_be_named_and_what_mends_it),
		TEST(status_says_what_is_wrong_with_the_audit_log),
		TEST(what_an_operator_changes_is_written_down_with_who),
		TEST(status_says_whether_what_is_decided_is_kept_over_a_restart),
		TEST(status_says_what_is_not_kept_over_a_restart),
		TEST(status_names_an_unclassified_proxy_its_share_and_the_command),
		TEST(status_says_which_trusted_proxy_names_nobody),
		TEST(status_reports_lost_records_at_the_stage_that_lost_them),
		TEST(status_shows_an_account_that_does_not_balance),
		TEST(status_after_a_sensor_restart_accounts_for_what_the_earlier_one_took),
		TEST(status_after_a_reload_accounts_for_what_the_earlier_sensor_took),
		TEST(the_first_sensor_calls_nothing_delivered_that_it_did_not_get),
		TEST(status_without_a_warden_still_answers_and_says_so),
		TEST(a_block_that_is_just_being_set_is_not_called_missing_or_extra),
		TEST(status_tells_what_the_guard_goes_by),
		TEST(status_tells_how_full_the_tables_of_clients_and_baselines_are),
		TEST(status_hints_at_whatever_stops_picket_from_working),
		TEST(status_tells_of_each_haproxy_what_its_map_holds),
		TEST(a_block_is_an_operators_verdict_under_the_callers_uid),
		TEST(a_block_without_options_takes_the_defaults),
		TEST(a_refusal_of_the_guard_is_409_with_its_reason),
		TEST(a_block_that_is_taken_but_not_done_is_202_and_says_what_became_of_it),
		TEST(a_bad_block_is_refused_with_the_way_to_mend_it_and_never_reaches_the_guard),
		TEST(unblock_takes_addresses_and_prefixes_from_the_path),
		TEST(unblock_of_nothing_is_404_and_names_the_wider_block_that_covers_it),
		TEST(unblock_that_the_kernel_refuses_is_no_404),
		TEST(unblock_of_what_a_list_names_is_refused_with_what_to_do),
		TEST(why_names_the_routes_that_are_decided_on_by_themselves),
		TEST(block_lists_are_shown_with_what_is_in_force_and_what_is_not),
		TEST(why_names_the_block_lists_that_cover_an_address),
		TEST(a_block_is_confirmed_by_its_target),
		TEST(blocks_are_listed_newest_first_and_a_cut_list_says_so),
		TEST(a_long_list_of_blocks_streams_whole),
		TEST(why_of_a_blocked_address_names_the_block_and_what_undoes_it),
		TEST(why_of_an_unconfirmed_block_names_the_command_that_keeps_it),
		TEST(why_not_blocked_is_told_from_the_last_decision),
		TEST(why_tells_whom_else_a_block_would_hit),
		TEST(why_tells_protection_proxy_and_pending),
		TEST(why_of_a_stranger_says_that_nothing_asked_for_a_block),
		TEST(a_pending_block_is_listed_approved_or_rejected_by_its_number),
		TEST(an_answer_to_nothing_pending_is_refused),
		TEST(the_mode_is_set_and_told_beside_the_configured_one),
		TEST(the_kill_switch_goes_on_over_the_api_but_never_off),
		TEST(what_is_said_of_a_proxy_changes_its_class),
		TEST(routes_are_listed_busiest_first),
		TEST(clients_and_consumers_are_listed_with_what_is_known),
		TEST(what_is_normal_is_shown_reset_and_frozen),
		TEST(a_forecast_shows_first_whom_it_would_harm_most),
		TEST(gateways_and_configuration_are_shown),
		TEST(events_are_those_held_and_the_newest_of_a_name_on_demand),
		TEST(followed_events_come_after_those_asked_for_back),
		TEST(what_a_slow_reader_missed_is_told_exactly),
		TEST(bad_questions_for_events_are_refused),
		TEST(the_description_lists_every_resource_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
