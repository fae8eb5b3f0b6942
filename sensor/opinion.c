// SPDX-License-Identifier: Apache-2.0
#include "sensor/opinion.h"
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "policies/buckets.h"
#include "policies/cross_site.h"
#include "policies/detect.h"
#include "policies/witness.h"
#include "sensor/opinion_wire.h"

#define PROGRAM       "picket-second-opinion"
#define COST_FIRST_NS (500 * NS_PER_US) /* of a question, until some were answered */
#define BUDGET_NS     NS_PER_S          /* what it may save up: the budget of so long */
#define RETRY_NS      NS_PER_S
#define LOOK_NS       NS_PER_S /* whether an idle process is still there */

struct asked {
	uint64_t id; /* 0: free */
	uint64_t when_ns;
	struct event *event;
	bool framed;
};

/* Alarms of one client. */
struct alarmed {
	struct bucket bucket;
	uint64_t fired_ns;
	bool here; /* packets of its own come here */
	uint64_t events[VERDICT_EVIDENCE_MAX];
	unsigned event_count;
};

struct opinion {
	struct opinion_parts parts;
	int socket;
	atomic_int given; /* a socket that opinion_give brought, or -1 */
	uint64_t next_id, look_ns;
	struct asked asked[OPINION_HELD_MAX];
	uint32_t since_sample;
	int64_t budget_ns; /* left */
	uint64_t budget_at_ns, cost_ns;
	struct buckets clients;
	atomic_uint state;
	atomic_ullong absent_ns;      /* since when */
	struct opinion_counts counts; /* written by capture's thread only */
};

#define COUNT(o, field, n) __atomic_store_n(&(o)->counts.field, (o)->counts.field + (n), __ATOMIC_RELAXED)

static const struct bucket_limit limit = {
	.threshold = OPINION_ALARMS,
	.window_ns = OPINION_WINDOW_NS,
	.leak_ns = OPINION_WINDOW_NS / OPINION_ALARMS,
};

const char *opinion_state_name(enum opinion_state state)
{
	static const char *const names[] = {"off", "absent", "starting", "ready"};

	return state < ARRAY_SIZE(names) ? names[state] : "off";
}

/* --- can it run --- */

int opinion_program(char *ret, size_t size)
{
	static const char *const places[] = {"", "../lib/picket/"};
	char self[PATH_MAX];

	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n < 0)
		return -errno;
	self[n] = 0;
	*(strrchr(self, '/') + 1) = 0;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if ((size_t)snprintf(ret, size, "%s%s" PROGRAM, self, places[i]) >= size)
			return -ENAMETOOLONG;
		if (access(ret, X_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

int opinion_check(const struct config *c, struct buffer *errors)
{
	char program[PATH_MAX];

	if (!c->second_opinion.enabled)
		return 0;
	if (opinion_program(program, sizeof program)) {
		buffer_append_text(errors,
				   "second_opinion.enabled: this picket was built without it. Install "
				   "libmodsecurity-dev and modsecurity-crs and build it again, so that "
				   "there is a " PROGRAM " beside picket\n");
		return CONFIG_E_INVALID;
	}
	const char *const files[] = {c->second_opinion.setup, c->second_opinion.rules};
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (access(files[i], R_OK)) {
			buffer_printf(
				errors,
				"second_opinion.%s: %s cannot be read (%s). Install modsecurity-crs, or name "
				"the place of another rule set\n",
				i ? "rules" : "setup", files[i], strerror(errno));
			return CONFIG_E_INVALID;
		}
	return 0;
}

/* --- the life of it --- */

int opinion_new(const struct opinion_parts *parts, struct opinion **ret)
{
	struct opinion *o = calloc(1, sizeof *o);

	if (!o)
		return -ENOMEM;
	o->parts = *parts;
	o->socket = -1;
	o->cost_ns = COST_FIRST_NS;
	o->next_id = 1;
	o->budget_at_ns = clock_boot_ns(parts->clock);
	atomic_init(&o->given, -1);
	atomic_init(&o->state, OPINION_ABSENT);
	int r = buckets_init(&o->clients, sizeof(struct alarmed), OPINION_CLIENTS_MAX);
	if (r) {
		opinion_free(o);
		return r;
	}
	*ret = o;
	return 0;
}

static void release(struct opinion *o, struct asked *a)
{
	event_unref(a->event);
	*a = (struct asked){0};
	COUNT(o, held, (uint64_t)-1);
}

/* Whatever was asked goes without an answer. */
static void hang_up(struct opinion *o)
{
	for (unsigned i = 0; i < OPINION_HELD_MAX; i++) {
		if (!o->asked[i].id)
			continue;
		release(o, &o->asked[i]);
		COUNT(o, unanswered, 1);
	}
	if (o->socket >= 0)
		close(o->socket);
	o->socket = -1;
	atomic_store(&o->absent_ns, clock_boot_ns(o->parts.clock));
	atomic_store(&o->state, OPINION_ABSENT);
}

void opinion_free(struct opinion *o)
{
	if (!o)
		return;
	hang_up(o);
	int given = atomic_exchange(&o->given, -1);
	if (given >= 0)
		close(given);
	buckets_deinit(&o->clients);
	free(o);
}

bool opinion_wants_process(struct opinion *o)
{
	if (!o || atomic_load(&o->state) != OPINION_ABSENT || atomic_load(&o->given) >= 0)
		return false;
	uint64_t since = atomic_load(&o->absent_ns);
	return !since || clock_boot_ns(o->parts.clock) - since >= RETRY_NS;
}

void opinion_give(struct opinion *o, int socket)
{
	int old = atomic_exchange(&o->given, socket);

	if (old >= 0)
		close(old);
}

struct opinion_counts opinion_counts(const struct opinion *o)
{
	struct opinion_counts c = {.state = OPINION_OFF};

	if (!o)
		return c;
#define READ(field) c.field = __atomic_load_n(&o->counts.field, __ATOMIC_RELAXED)
	READ(rules);
	READ(asked);
	READ(answered);
	READ(unanswered);
	READ(held);
	READ(alarms);
	READ(verdicts);
	READ(queue_full);
	READ(over_budget);
	READ(too_large);
	READ(not_ready);
	READ(no_memory);
	READ(processes);
	READ(cpu_us);
#undef READ
	c.state = (enum opinion_state)atomic_load(&o->state);
	c.forgotten = __atomic_load_n(&o->clients.forgotten, __ATOMIC_RELAXED);
	c.no_memory += __atomic_load_n(&o->clients.no_memory, __ATOMIC_RELAXED);
	return c;
}

/* --- whom it is asked about --- */

/* What names, numbers and words in targets have no use for, and attacks do. */
static bool is_odd(unsigned char c)
{
	return c < 0x20 || c == 0x7f || strchr("'\"<>`;|{}$()\\*%", c) != NULL;
}

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

static bool target_is_odd(struct span s)
{
	char before = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c == '%' && i + 2 < s.len && hex(s.ptr[i + 1]) >= 0 && hex(s.ptr[i + 2]) >= 0) {
			c = (unsigned char)(hex(s.ptr[i + 1]) << 4 | hex(s.ptr[i + 2]));
			i += 2;
		}
		if (is_odd(c) || (before == '.' && c == '.') || (before == '-' && c == '-') ||
		    (before == ':' && c == '/'))
			return true;
		before = (char)c;
	}
	return false;
}

static bool value_is_odd(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (strchr("<>`$'", s.ptr[i]) ||
		    (s.ptr[i] == '.' && i + 2 < s.len && s.ptr[i + 1] == '.' && s.ptr[i + 2] == '/') ||
		    (s.ptr[i] == '(' && i + 1 < s.len && s.ptr[i + 1] == ')'))
			return true;
	return false;
}

static bool is_suspicious(const struct http_request *r)
{
	if (target_is_odd(r->target))
		return true;
	for (unsigned i = 0; i < r->header_count; i++)
		if (value_is_odd(r->headers[i].value))
			return true;
	return false;
}

static const struct addr *client_of(const struct event *e)
{
	return &event_client(e)->addr;
}

/* Did an alarm of it come lately? */
static bool is_known(const struct opinion *o, const struct event *e)
{
	struct prefix group = bucket_group(client_of(e));
	const struct bucket *b = buckets_find(&o->clients, 0, &group);

	return b && e->time_ns - b->all.level_ns < OPINION_WINDOW_NS;
}

static void budget_fill(struct opinion *o, uint64_t now_ns)
{
	uint32_t percent = o->parts.config->second_opinion.cpu_percent;
	uint64_t passed = MIN(now_ns - o->budget_at_ns, BUDGET_NS);

	o->budget_at_ns = now_ns;
	o->budget_ns =
		MIN(o->budget_ns + (int64_t)(passed * percent / 100), (int64_t)(BUDGET_NS * percent / 100));
}

/* Those that are out count as what they will cost. Who is only a sample leaves half of it to the others. */
static bool budget_has(const struct opinion *o, bool sample)
{
	uint64_t full = BUDGET_NS * o->parts.config->second_opinion.cpu_percent / 100;
	int64_t left = o->budget_ns - (int64_t)(o->counts.held * o->cost_ns);

	return left > (sample ? (int64_t)(full / 2) : 0);
}

static struct asked *slot_free(struct opinion *o)
{
	for (unsigned i = 0; i < OPINION_HELD_MAX; i++)
		if (!o->asked[i].id)
			return &o->asked[i];
	return NULL;
}

static void ask(struct opinion *o, const struct http_request *r, struct event *e, uint64_t now_ns)
{
	static char question[OPINION_QUESTION_MAX]; /* capture's thread alone */
	struct asked *slot = slot_free(o);

	if (!slot) {
		COUNT(o, queue_full, 1);
		return;
	}
	size_t len = opinion_question_write(r, o->next_id, question);
	if (!len) {
		COUNT(o, too_large, 1);
		return;
	}
	ssize_t n = send(o->socket, question, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	int error = errno;
	explicit_bzero(question, len);
	if (n < 0 && (error == EAGAIN || error == ENOBUFS)) {
		COUNT(o, queue_full, 1);
	} else if (n < 0) {
		COUNT(o, not_ready, 1);
		hang_up(o);
	} else {
		*slot = (struct asked){o->next_id++, now_ns, event_ref(e), cross_site_possible(r)};
		COUNT(o, asked, 1);
		COUNT(o, held, 1);
	}
}

void opinion_request(struct opinion *o, const struct http_request *r, struct event *e)
{
	/* What stands behind a gap may be the inside of a body. */
	if (!o || r->deviations & HTTP_DEV_AFTER_GAP)
		return;
	bool wanted = is_suspicious(r) || is_known(o, e);
	uint32_t sample = o->parts.config->second_opinion.sample;
	bool sampled = !wanted && sample && ++o->since_sample >= sample;
	if (!wanted && !sampled)
		return;
	if (sampled)
		o->since_sample = 0;
	if (atomic_load(&o->state) != OPINION_READY) {
		COUNT(o, not_ready, 1);
		return;
	}
	uint64_t now = clock_boot_ns(o->parts.clock);
	budget_fill(o, now);
	if (!budget_has(o, sampled))
		COUNT(o, over_budget, 1);
	else if (!o->parts.detect || !detect_is_denied(o->parts.detect, e))
		ask(o, r, e, now);
}

/* --- what it answers --- */

static void tell(struct opinion *o, const struct event *e, const struct opinion_answer *a)
{
	static const char name[] = "second_opinion";
	char id[EVENT_ID_TEXT_MAX];
	struct span request = span_from(event_id_format(e, id));
	struct event *t = event_new(EVENT_HTTP_ANOMALY, sizeof name + request.len);

	if (!t) {
		COUNT(o, no_memory, 1);
		return;
	}
	t->time_ns = e->time_ns;
	t->wall_ns = e->wall_ns;
	t->flow = e->flow;
	t->anomaly.name = event_tail_copy(t, span_from(name));
	t->anomaly.request_id = event_tail_copy(t, request);
	t->anomaly.client = e->request.client;
	t->anomaly.client_source = e->request.client_source;
	t->anomaly.rule_count = (uint8_t)a->rule_count;
	memcpy(t->anomaly.rules, a->rules, a->rule_count * sizeof a->rules[0]);
	o->parts.event(o->parts.arg, t);
}

static void fire(struct opinion *o, struct alarmed *c, const struct event *e, const struct opinion_answer *a,
		 bool sure)
{
	struct verdict v = {
		.source = VERDICT_LOCAL,
		.origin = "second-opinion",
		.action = VERDICT_BLOCK,
		.scope = VERDICT_SCOPE_PORTS,
		.target = prefix_of(client_of(e), addr_bits(client_of(e))),
		.ttl_ms = o->parts.config->guard.ttl_default_ms,
		.confidence = OPINION_CONFIDENCE,
		.route = e->request.route,
		.framed = !sure,
		.received_ns = clock_boot_ns(o->parts.clock),
		.cause_ns = e->time_ns,
	};
	char text[EVENT_ID_TEXT_MAX];
	unsigned kept = MIN(c->event_count, VERDICT_EVIDENCE_MAX);

	if (!c->here)
		v.via = e->flow.peer.addr;
	snprintf(v.id, sizeof v.id, "opinion-%s", event_id_format(e, text));
	int n = snprintf(v.reason, sizeof v.reason,
			 "%u requests within 1m on which the Core Rule Set alarms, the last by",
			 OPINION_ALARMS);
	for (unsigned i = 0; i < a->rule_count; i++)
		n += snprintf(v.reason + n, sizeof v.reason - (size_t)n, "%s %u", i ? "," : "", a->rules[i]);
	for (unsigned i = 0; i < kept; i++) { /* oldest first */
		struct event named = {.id = c->events[(c->event_count - kept + i) % VERDICT_EVIDENCE_MAX]};
		snprintf(v.evidence[i], sizeof v.evidence[i], "%s", event_id_format(&named, text));
	}
	v.evidence_count = kept;
	c->fired_ns = e->time_ns ? e->time_ns : 1;
	COUNT(o, verdicts, 1);
	o->parts.verdict(o->parts.arg, &v);
}

static void alarmed(struct opinion *o, const struct asked *asked, const struct opinion_answer *a)
{
	const struct event *e = asked->event;
	struct prefix exact = prefix_of(client_of(e), addr_bits(client_of(e))),
		      group = bucket_group(client_of(e));
	bool fresh, sure;

	COUNT(o, alarms, 1);
	tell(o, e, a);
	if (o->parts.witness)
		witness_note(o->parts.witness, e->id, &exact, asked->framed, e->time_ns);
	struct bucket *b = buckets_get(&o->clients, 0, &group, e->time_ns, &fresh);
	if (!b)
		return;
	struct alarmed *c = (struct alarmed *)b; /* its first member */
	c->here |= !e->request.client_behind;
	c->events[c->event_count++ % VERDICT_EVIDENCE_MAX] = e->id;
	bool over = bucket_pour_as(b, &limit, !asked->framed, e->time_ns, &sure);
	if (over && (!c->fired_ns || e->time_ns - c->fired_ns >= OPINION_WINDOW_NS))
		fire(o, c, e, a, sure);
}

/* Of a process that reads outside bytes: each field is checked. */
static struct asked *asked_by(struct opinion *o, const struct opinion_answer *a)
{
	if (!a->id || a->rule_count > OPINION_RULES_MAX)
		return NULL;
	for (unsigned i = 0; i < OPINION_HELD_MAX; i++)
		if (o->asked[i].id == a->id)
			return &o->asked[i];
	return NULL;
}

static void answered(struct opinion *o, const struct opinion_answer *a)
{
	if (atomic_load(&o->state) == OPINION_STARTING && !a->id && a->rule_count == 1) {
		o->counts.rules = a->rules[0];
		atomic_store(&o->state, OPINION_READY);
		return;
	}
	struct asked *asked = asked_by(o, a);
	if (!asked) {
		hang_up(o);
		return;
	}
	int64_t cost = (int64_t)a->cpu_us * (int64_t)NS_PER_US;
	o->budget_ns -= cost;
	o->cost_ns = (7 * o->cost_ns + (uint64_t)cost) / 8;
	COUNT(o, cpu_us, a->cpu_us);
	COUNT(o, answered, 1);
	if (a->rule_count)
		alarmed(o, asked, a);
	release(o, asked);
}

static void take_given(struct opinion *o)
{
	int given = atomic_exchange(&o->given, -1);

	if (given < 0)
		return;
	if (o->socket >= 0)
		hang_up(o);
	o->socket = given;
	COUNT(o, processes, 1);
	atomic_store(&o->state, OPINION_STARTING);
}

static bool waits_too_long(const struct opinion *o, uint64_t now_ns)
{
	for (unsigned i = 0; i < OPINION_HELD_MAX; i++)
		if (o->asked[i].id && now_ns - o->asked[i].when_ns > OPINION_WAIT_NS)
			return true;
	return false;
}

void opinion_poll(struct opinion *o)
{
	struct opinion_answer a;

	if (!o)
		return;
	take_given(o);
	uint64_t now = clock_boot_ns(o->parts.clock);
	bool due = now - o->look_ns >= LOOK_NS;
	if (o->socket < 0 || (!o->counts.held && atomic_load(&o->state) == OPINION_READY && !due))
		return;
	if (due)
		o->look_ns = now;
	while (o->socket >= 0) {
		ssize_t n = recv(o->socket, &a, sizeof a, MSG_DONTWAIT | MSG_TRUNC);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n == (ssize_t)sizeof a)
			answered(o, &a);
		else
			hang_up(o);
	}
	if (due && waits_too_long(o, now))
		hang_up(o);
}
