// SPDX-License-Identifier: Apache-2.0
/*
 * sequences_test.c: random sequences of what can happen to blocks, and after each step the deny maps in the
 * kernel hold exactly what a model says that was written apart from the code: blocks by an operator, by the
 * analysis and by two gateways, longer, shorter, on trial, of each action and scope; unblocked; ended by
 * time; block lists that change; a list so long that hashes grow; a sensor that dies and adopts what it
 * finds; somebody else's hands in the maps. Enforcer, guard, lists, reconciliation, warden and maps are the
 * real ones. Time stands still but where a step lets it pass.
 *
 *     sequences_test [SEQUENCES [FIRST-NUMBER]]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "sensor/enforcer.h"
#include "sensor/kernel_internal.h"
#include "sensor/warden_internal.h"

#define STEPS   24
#define TARGETS 14
#define LISTS   2    /* the second is that which may be long */
#define LONGEST 3000 /* beyond the first size of a hash */
#define HOUR_MS 3600000ull

/* --- time --- */

int __real_clock_gettime(clockid_t id, struct timespec *ret);
int __wrap_clock_gettime(clockid_t id, struct timespec *ret);

static atomic_uint_fast64_t passed_ms; /* since the beginning of the test */
#define BOOT_S 1000000ull
#define WALL_S 1800000000ull

int __wrap_clock_gettime(clockid_t id, struct timespec *ret)
{
	uint64_t ms = atomic_load(&passed_ms);

	if (id != CLOCK_BOOTTIME && id != CLOCK_REALTIME)
		return __real_clock_gettime(id, ret);
	*ret = (struct timespec){.tv_sec = (time_t)((id == CLOCK_BOOTTIME ? BOOT_S : WALL_S) + ms / 1000),
				 .tv_nsec = (long)(ms % 1000 * NS_PER_MS)};
	return 0;
}

static uint64_t now_ms(void)
{
	return BOOT_S * 1000 + atomic_load(&passed_ms);
}

/* --- chance --- */

static uint64_t chance_state;

static uint32_t chance(uint32_t below)
{
	chance_state ^= chance_state << 13;
	chance_state ^= chance_state >> 7;
	chance_state ^= chance_state << 17;
	return (uint32_t)((chance_state * 0x2545f4914f6cdd1dull) >> 32) % below;
}

/* --- the model --- */

static const char *const targets[TARGETS] = {
	"192.0.2.1",       "192.0.2.2",       "192.0.2.77",        "192.0.2.0/24",    "192.0.2.0/28",
	"198.51.100.9",    "198.51.100.0/25", "198.51.100.128/25", "203.0.113.255",   "2001:db8::1",
	"2001:db8:1:2::3", "2001:db8::/48",   "2001:db8:1:2::/64", "2001:db8:1::/56",
};

enum origin { BY_OPERATOR, BY_LOCAL, BY_A, BY_B, ADOPTED_GATEWAY };

struct claim {
	enum origin by;
	enum verdict_action action;
	enum verdict_scope scope;
	uint64_t deadline_ms, trial_ms; /* trial: 0, or when it ends unless confirmed */
};

/* What the kernel is to hold of a target. */
struct entry {
	bool there;
	enum verdict_action action;
	enum verdict_scope scope;
	enum verdict_source source;
	uint64_t end_ms;
};

static struct {
	struct claim claims[TARGETS][8];
	unsigned count[TARGETS];
	uint64_t listed_s[LISTS][TARGETS]; /* end of the entry, wall clock; 0: it is not in the list */
	unsigned longer;                   /* further entries of the second list ... */
	uint64_t longer_s;                 /* ... and their end */
} model;

static const struct config_list lists[LISTS] = {
	{.name = (char *)"one",
	 .path = (char *)"/one",
	 .action = VERDICT_RATE_LIMIT,
	 .scope = VERDICT_SCOPE_HOST,
	 .ttl_ms = 24 * HOUR_MS},
	{.name = (char *)"two",
	 .path = (char *)"/two",
	 .action = VERDICT_BLOCK,
	 .scope = VERDICT_SCOPE_PORTS,
	 .ttl_ms = 24 * HOUR_MS},
};

static enum verdict_source source_of(enum origin by)
{
	return by == BY_OPERATOR ? VERDICT_OPERATOR : by == BY_LOCAL ? VERDICT_LOCAL : VERDICT_GATEWAY;
}

static int strength(enum verdict_action action)
{
	return action == VERDICT_BLOCK        ? 4
	       : action == VERDICT_RESET      ? 3
	       : action == VERDICT_RATE_LIMIT ? 2
					      : 1;
}

/* Of both nothing passes, or they are one: then the wider scope holds. */
static bool alike(enum verdict_action a, enum verdict_action b)
{
	return a == b || (strength(a) >= 3 && strength(b) >= 3);
}

static uint64_t claim_end_ms(const struct claim *c)
{
	return c->trial_ms && c->trial_ms < c->deadline_ms ? c->trial_ms : c->deadline_ms;
}

/* Of two claims the stronger, then the one that ends last, then the source that is named first. */
static bool claim_beats(const struct claim *a, const struct claim *b)
{
	if (strength(a->action) != strength(b->action))
		return strength(a->action) > strength(b->action);
	if (claim_end_ms(a) != claim_end_ms(b))
		return claim_end_ms(a) > claim_end_ms(b);
	return source_of(a->by) < source_of(b->by);
}

static struct entry model_entry(unsigned t)
{
	struct entry e = {.there = false};
	const struct claim *best = NULL;

	for (unsigned i = 0; i < model.count[t]; i++)
		if (!best || claim_beats(&model.claims[t][i], best))
			best = &model.claims[t][i];
	if (best)
		e = (struct entry){true, best->action, best->scope, source_of(best->by), claim_end_ms(best)};
	for (unsigned i = 0; i < model.count[t]; i++)
		if (alike(model.claims[t][i].action, e.action) && model.claims[t][i].scope > e.scope)
			e.scope = model.claims[t][i].scope;
	for (unsigned l = 0; l < LISTS; l++) {
		uint64_t end_ms = model.listed_s[l][t] * 1000 - WALL_S * 1000 + BOOT_S * 1000;
		if (!model.listed_s[l][t] || end_ms <= now_ms())
			continue;
		bool stronger = !e.there || strength(lists[l].action) > strength(e.action);
		bool equal = e.there && lists[l].action == e.action;
		bool both = e.there && alike(lists[l].action, e.action);
		enum verdict_scope scope = both && e.scope > lists[l].scope ? e.scope : lists[l].scope;
		if (stronger || (equal && end_ms > e.end_ms))
			e = (struct entry){true, lists[l].action, scope, VERDICT_IMPORT, end_ms};
		else if (both)
			e.scope = scope;
	}
	return e;
}

static struct claim *model_claim(unsigned t, enum origin by)
{
	for (unsigned i = 0; i < model.count[t]; i++) {
		struct claim *c = &model.claims[t][i];
		bool gateway = by == BY_A || by == BY_B;
		if (c->by == by || (gateway && c->by == ADOPTED_GATEWAY))
			return c;
	}
	return NULL;
}

static void model_put(unsigned t, const struct claim *new)
{
	struct claim *c = model_claim(t, new->by);

	if (!c) {
		model.claims[t][model.count[t]++] = *new;
	} else if (c->action != new->action) {
		*c = *new;
	} else if (new->deadline_ms > c->deadline_ms) {
		enum verdict_scope scope = c->scope;
		*c = *new;
		c->scope = scope > new->scope ? scope : new->scope;
	}
}

static void model_take(unsigned t, const struct claim *c)
{
	unsigned at = (unsigned)(c - model.claims[t]);

	memmove(&model.claims[t][at], &model.claims[t][at + 1],
		(--model.count[t] - at) * sizeof model.claims[t][0]);
}

static void model_expire(void)
{
	for (unsigned t = 0; t < TARGETS; t++)
		for (unsigned i = model.count[t]; i-- > 0;)
			if (claim_end_ms(&model.claims[t][i]) <= now_ms())
				model_take(t, &model.claims[t][i]);
}

/* Only what the kernel holds outlives a sensor, its end rounded up to the second. */
static void model_restart(void)
{
	for (unsigned t = 0; t < TARGETS; t++) {
		struct entry e = model_entry(t);
		model.count[t] = 0;
		if (!e.there || e.source == VERDICT_IMPORT)
			continue;
		model.claims[t][model.count[t]++] = (struct claim){
			.by = e.source == VERDICT_OPERATOR ? BY_OPERATOR
			      : e.source == VERDICT_LOCAL  ? BY_LOCAL
							   : ADOPTED_GATEWAY,
			.action = e.action,
			.scope = e.scope,
			.deadline_ms = (e.end_ms + 999) / 1000 * 1000,
		};
	}
}

/* --- the real thing --- */

static struct config config;
static struct config_gateway gateways[2] = {
	{.name = (char *)"a", .protocol = GATEWAY_BATCH, .mode = MODE_ENFORCE},
	{.name = (char *)"b", .protocol = GATEWAY_BATCH, .mode = MODE_ENFORCE}};
static struct warden warden;
static struct warden_client *client;
static int sensor_socket;
static pthread_t thread;
static struct proxies *proxies;
static struct clients *clients;
static struct enforcer *enforcer;
static char told[STEPS + 1][160]; /* the steps of this sequence, for who has to find out */
static unsigned told_count;

static struct prefix net(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(span_from(text), &p), 0);
	return p;
}

static void *serve(void *arg)
{
	struct pollfd socket = {.fd = warden.socket, .events = POLLIN};

	(void)arg;
	while (poll(&socket, 1, -1) > 0 && warden_answer(&warden) >= 0)
		;
	return NULL;
}

static void forget_event(void *arg, struct event *e)
{
	(void)arg;
	event_unref(e);
}

static void enforcer_begin(void)
{
	struct enforcer_parts parts = {
		.config = &config,
		.clock = &clock_system,
		.proxies = proxies,
		.clients = clients,
		.warden = client,
		.event = forget_event,
	};

	assert_int_equal(enforcer_new(&parts, &enforcer), 0);
	assert_int_equal(enforcer_adopt(enforcer, true), 0);
}

static int open_all(void **state)
{
	struct kernel_options options = {.netns = 0};
	struct buffer errors = BUFFER_INIT(4096);
	int pair[2];

	(void)state;
	config.mode = MODE_ENFORCE;
	config.capture.ring_bytes = config.capture.header_ring_bytes = 1 << 16;
	config.limits.blocks_max = 2 * LONGEST;
	config.limits.ttl_max_ms = 1000 * HOUR_MS;
	config.limits.prefix_min_v4 = 24;
	config.limits.prefix_min_v6 = 48;
	config.limits.insert_rate = 1000000;
	config.guard.per_minute = config.guard.per_hour = config.guard.total = 100000;
	config.guard.confidence_min = 0.8;
	config.guard.escalation = 1;
	config.lists = (struct config_list *)lists;
	config.list_count = LISTS;
	config.gateways = gateways;
	config.gateway_count = 2;
	warden = (struct warden){.config = &config, .lock_fd = -1, .listen_fd = -1};
	int r = kernel_load(&config, &options, &warden.kernel, &errors);
	if (r) {
		fprintf(stderr, "kernel_load: %d\n%.*s", r, (int)errors.len, errors.data);
		return -1;
	}
	buffer_free(&errors);
	limits_init(&warden.limits, &config);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -1;
	warden.socket = pair[0];
	sensor_socket = pair[1];
	return warden_client_new(pair[1], &client) || proxies_new(&config, &proxies) ||
			       clients_new(1024, &clients) || pthread_create(&thread, NULL, serve, NULL)
		       ? -1
		       : 0;
}

static int close_all(void **state)
{
	(void)state;
	enforcer_free(enforcer);
	warden_client_free(client);
	pthread_join(thread, NULL);
	close(warden.socket);
	kernel_free(warden.kernel);
	protected_set_free(&warden.protect);
	protected_set_free(&warden.allowed);
	protected_ranges_free(&warden.ranges);
	proxies_free(proxies);
	clients_free(clients);
	return 0;
}

/* --- comparing --- */

struct held {
	struct prefix target;
	struct pk_deny value;
};
static struct held held[2 * LONGEST + TARGETS];
static size_t held_count;

static int hold(void *arg, const struct prefix *target, const struct pk_deny *value)
{
	(void)arg;
	assert_true(held_count < ARRAY_SIZE(held));
	held[held_count++] = (struct held){*target, *value};
	return 0;
}

static void fail_sequence(uint64_t number, const char *what, const char *of)
{
	for (unsigned i = 0; i < told_count; i++)
		fprintf(stderr, "%2u. %s\n", i + 1, told[i]);
	fail_msg("sequence %llu: %s: %s", (unsigned long long)number, of, what);
}

static const struct pk_deny *held_find(const struct prefix *target)
{
	for (size_t i = 0; i < held_count; i++)
		if (prefix_equal(&held[i].target, target))
			return &held[i].value;
	return NULL;
}

static uint8_t kernel_action(enum verdict_action action)
{
	static const uint8_t actions[] = {[VERDICT_BLOCK] = PK_ACT_DROP,
					  [VERDICT_RATE_LIMIT] = PK_ACT_RATE,
					  [VERDICT_SHADOW] = PK_ACT_SHADOW,
					  [VERDICT_RESET] = PK_ACT_RESET};

	return actions[action];
}

static struct prefix longer_target(unsigned i)
{
	struct prefix p = net("198.18.0.0");

	p.addr.bytes[2] = (uint8_t)(i >> 8);
	p.addr.bytes[3] = (uint8_t)i;
	return p;
}

static bool longer_in_force(void)
{
	return model.longer && (model.longer_s - WALL_S + BOOT_S) * 1000 > now_ms();
}

static void compare(uint64_t number)
{
	size_t expected = 0;

	held_count = 0;
	assert_int_equal(deny_each(kernel_deny(warden.kernel), hold, NULL), 0);
	for (unsigned t = 0; t < TARGETS; t++) {
		struct entry e = model_entry(t);
		struct prefix p = net(targets[t]);
		const struct pk_deny *k = held_find(&p);
		expected += e.there;
		if (e.there != (k != NULL))
			fail_sequence(number,
				      k ? "the kernel holds it, the model does not"
					: "the model has it, the kernel does not",
				      targets[t]);
		if (!k)
			continue;
		if (k->action != kernel_action(e.action) || k->scope != (uint8_t)e.scope)
			fail_sequence(number, "another action or scope", targets[t]);
		if (k->deadline_s != (e.end_ms + 999) / 1000) {
			char text[96];
			snprintf(text, sizeof text, "ends at %u, the model says %llu", k->deadline_s,
				 (unsigned long long)(e.end_ms + 999) / 1000);
			fail_sequence(number, text, targets[t]);
		}
		if (k->source != (uint8_t)e.source)
			fail_sequence(number, "another source", targets[t]);
	}
	for (unsigned i = 0; longer_in_force() && i < model.longer; i++, expected++)
		if (i % 97 ==
		    0) { /* looking for all of them takes too long; their number is looked at below */
			struct prefix p = longer_target(i);
			const struct pk_deny *k = held_find(&p);
			if (!k || k->deadline_s != model.longer_s - WALL_S + BOOT_S)
				fail_sequence(number, "is not as it should be", "an entry of the long list");
		}
	if (held_count != expected)
		fail_sequence(number, "the kernel holds more or fewer entries", "all of them");
}

/* --- steps --- */

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void tell(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(told[told_count], sizeof told[0], format, ap);
	va_end(ap);
	told_count++;
}

static struct verdict verdict_by(enum origin by, unsigned t)
{
	static const char *const origins[] = {"uid:0", "login_guessing", "a", "b"};
	struct verdict v = {.id = "v",
			    .source = source_of(by),
			    .action = VERDICT_BLOCK,
			    .scope = VERDICT_SCOPE_PORTS,
			    .target = net(targets[t]),
			    .confidence = 1,
			    .reason = "because",
			    .received_ns = now_ms() * NS_PER_MS};

	snprintf(v.origin, sizeof v.origin, "%s", origins[by]);
	return v;
}

static void step_block(void)
{
	static const enum verdict_action actions[] = {VERDICT_BLOCK, VERDICT_RATE_LIMIT, VERDICT_SHADOW,
						      VERDICT_RESET};
	unsigned t = chance(TARGETS);
	enum origin by = (enum origin)chance(4);
	struct verdict v = verdict_by(by, t);
	uint64_t trial_ms = 0;
	struct decision d;

	v.action = actions[chance(ARRAY_SIZE(actions))];
	v.scope = chance(2) ? VERDICT_SCOPE_HOST : VERDICT_SCOPE_PORTS;
	v.ttl_ms = 1 + chance(600000);
	if (by == BY_OPERATOR && !chance(4))
		trial_ms = 1 + chance(60000);
	tell("%s blocks %s for %llu ms, action %s, scope %d, trial %llu", v.origin, targets[t],
	     (unsigned long long)v.ttl_ms, verdict_action_name(v.action), v.scope,
	     (unsigned long long)trial_ms);
	enforcer_verdict(enforcer, &v, trial_ms, &d);
	if (d.outcome != DECISION_BLOCKED)
		fail_msg("%s: %s %s", told[told_count - 1], d.why, d.detail);
	const struct claim c = {by, v.action, v.scope, now_ms() + v.ttl_ms,
				trial_ms ? now_ms() + trial_ms : 0};
	model_put(t, &c);
}

static void step_confirm(void)
{
	unsigned t = chance(TARGETS);
	struct prefix p = net(targets[t]);
	struct claim *c = model_claim(t, BY_OPERATOR);

	tell("the operator confirms %s", targets[t]);
	assert_int_equal(enforcer_confirm(enforcer, &p), c ? 0 : BLOCKS_E_NONE);
	if (c)
		c->trial_ms = 0;
}

static void step_unblock(void)
{
	unsigned t = chance(TARGETS);
	enum origin by = (enum origin)chance(4);
	struct decision d;

	if (by == BY_LOCAL)
		by = BY_OPERATOR;
	struct verdict v = verdict_by(by, t);
	v.action = VERDICT_UNBLOCK;
	tell("%s unblocks %s", v.origin, targets[t]);
	enforcer_verdict(enforcer, &v, 0, &d);
	if (by == BY_OPERATOR) {
		model.count[t] = 0;
		return;
	}
	struct claim *c = model_claim(t, by);
	if (c && c->by == by)
		model_take(t, c);
}

static void ticks(void)
{
	enforcer_tick(enforcer);
	enforcer_lists_tick(enforcer);
}

static void step_expire(void)
{
	uint64_t ms = 1 + chance(chance(2) ? 5000 : 300000);

	tell("%llu ms pass", (unsigned long long)ms);
	atomic_fetch_add(&passed_ms, ms);
	model_expire();
	ticks();
}

static void list_take(unsigned l)
{
	const struct list_times times = {.now_s = WALL_S + atomic_load(&passed_ms) / 1000,
					 .written_s = WALL_S + atomic_load(&passed_ms) / 1000};
	struct buffer b = BUFFER_INIT(1 << 20);
	struct list_report report;
	struct list *list = NULL;
	char until[CLOCK_TEXT_MAX], text[PREFIX_TEXT_MAX];

	buffer_append_text(&b, "value,scope,until\n");
	for (unsigned t = 0; t < TARGETS; t++)
		if (model.listed_s[l][t])
			buffer_printf(&b, "%s,ip,%s\n", targets[t],
				      clock_format(model.listed_s[l][t] * NS_PER_S, until));
	for (unsigned i = 0; l == 1 && i < model.longer; i++) {
		struct prefix p = longer_target(i);
		buffer_printf(&b, "%s,ip,%s\n", prefix_format(&p, text),
			      clock_format(model.longer_s * NS_PER_S, until));
	}
	buffer_append_text(&b, "192.0.2.254,ip,1999-01-01T00:00:00Z\n"); /* so that it is never empty */
	assert_false(b.truncated);
	if (list_parse(buffer_span(&b), CONFIG_LIST_CROWDSEC, &times, &list, &report))
		fail_msg("list %u: %s", l, report.error);
	buffer_free(&b);
	enforcer_list_put(enforcer, l, list, &report, now_ms() * NS_PER_MS);
}

/* Ends are ten seconds apart: those that differ less may be taken for the same. */
static uint64_t end_soon_s(void)
{
	return (WALL_S + atomic_load(&passed_ms) / 1000) / 10 * 10 + 10 * (1 + chance(60));
}

static void step_import(void)
{
	unsigned l = chance(LISTS);

	for (unsigned t = 0; t < TARGETS; t++) {
		unsigned what = chance(4);
		if (what == 0)
			model.listed_s[l][t] = 0;
		else if (what == 1)
			model.listed_s[l][t] = end_soon_s();
	}
	tell("list %u changes", l + 1);
	list_take(l);
}

static void step_resize(void)
{
	model.longer = chance(3) ? chance(LONGEST) : 0;
	model.longer_s = end_soon_s();
	tell("list 2 has %u further entries", model.longer);
	list_take(1);
}

static void step_restart(void)
{
	tell("the sensor dies, and another one starts");
	enforcer_free(enforcer);
	model_restart();
	enforcer_begin();
	for (unsigned l = 0; l < LISTS; l++)
		list_take(l);
}

/* Somebody else changes the maps: the next comparison, five seconds later, mends it. */
static void step_meddle(void)
{
	struct deny *deny = kernel_deny(warden.kernel);
	struct prefix stranger = net("203.0.113.77"), some = net(targets[chance(TARGETS)]);

	tell("somebody takes out one entry and puts another");
	deny_remove(deny, &some);
	assert_int_equal(deny_put(deny, &stranger, (now_ms() + HOUR_MS) * NS_PER_MS, PK_ACT_DROP,
				  PK_SCOPE_HOST, VERDICT_OPERATOR),
			 0);
	atomic_fetch_add(&passed_ms, 5000);
	model_expire();
	ticks();
}

static void step(void)
{
	uint32_t what = chance(100);

	if (what < 45)
		step_block();
	else if (what < 50)
		step_confirm();
	else if (what < 65)
		step_unblock();
	else if (what < 80)
		step_expire();
	else if (what < 90)
		step_import();
	else if (what < 93)
		step_resize();
	else if (what < 97)
		step_restart();
	else
		step_meddle();
}

/* --- sequences --- */

static uint64_t sequences = 100, first;

static void clients_come(void)
{
	for (unsigned t = 0; t < TARGETS; t++) {
		struct prefix p = net(targets[t]);
		clients_note(clients, &p.addr, now_ms() * NS_PER_MS);
	}
}

/* With nothing in the lists, an operator lifts what is left. */
static void begin_anew(void)
{
	struct prefix all[TARGETS + 1];

	if (enforcer)
		enforcer_free(enforcer);
	for (unsigned t = 0; t < TARGETS; t++)
		all[t] = net(targets[t]);
	for (unsigned t = 0; t < TARGETS; t++)
		deny_remove(kernel_deny(warden.kernel), &all[t]);
	memset(&model, 0, sizeof model);
	held_count = 0;
	deny_each(kernel_deny(warden.kernel), hold, NULL);
	for (size_t i = 0; i < held_count; i++)
		deny_remove(kernel_deny(warden.kernel), &held[i].target);
	enforcer_begin();
	for (unsigned l = 0; l < LISTS; l++)
		list_take(l);
	told_count = 0;
}

static void kernel_and_model_are_equal_after_each_step(void **state)
{
	(void)state;
	for (uint64_t n = first; n < first + sequences; n++) {
		chance_state = n * 0x9e3779b97f4a7c15ull + 1;
		begin_anew();
		compare(n);
		for (unsigned i = 0; i < STEPS; i++) {
			clients_come();
			step();
			compare(n);
		}
		struct enforcer_counts c = enforcer_counts(enforcer);
		if (c.missing || c.extra)
			fail_sequence(n, "missing or extra", "what the enforcer counts");
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(kernel_and_model_are_equal_after_each_step, open_all,
						close_all),
	};

	if (argc > 1)
		sequences = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		first = strtoull(argv[2], NULL, 10);
	if (geteuid()) {
		printf("skipped: needs root\n");
		return 77;
	}
	/* Where this host has no addresses, routes and sessions that would be protected. */
	if (unshare(CLONE_NEWNET)) {
		printf("skipped: no network namespace can be made\n");
		return 77;
	}
	log_setup("test", LOG_ERROR, LOG_LOGFMT);
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	printf("%llu sequences of %d steps\n", (unsigned long long)sequences, STEPS);
	return r;
}
