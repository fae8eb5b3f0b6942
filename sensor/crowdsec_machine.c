// SPDX-License-Identifier: Apache-2.0
#include "sensor/crowdsec_machine.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/random.h>
#include "forwarder/backoff.h"
#include "forwarder/crowdsec_alert.h"
#include "lib/json_read.h"
#include "lib/log.h"
#include "lib/queue.h"
#include "lib/util.h"

#define BATCH_ALERTS   100 /* LAPI takes 500 in two seconds */
#define BATCH_BYTES    (2u << 20)
#define TOKEN_EARLY_S  300  /* a new one so long before it ends, */
#define TOKEN_OF_S     3600 /* ... or so long after the login where its end cannot be read */
#define HEARTBEAT_NS   (60 * NS_PER_S)
#define LINGER_NS      (250 * NS_PER_MS) /* what is decided at once goes in one post */
#define RECORD_AGAIN_S 600               /* a record of the same target and origin */
#define ID_MAX         24
#define JSON_VALUES    100000

/* A target that was told, in the slot of its hash; a later one takes its place. */
struct told {
	struct prefix target;
	uint64_t end_s;    /* of its ban; 0: none was told */
	uint64_t record_s; /* when a record was; 0: never */
	char alert[ID_MAX];
};

struct held {
	struct event *event;
	enum crowdsec_tell tell;
};

struct crowdsec_machine {
	struct crowdsec_machine_parts parts;
	struct queue *queue;
	pthread_t thread;
	bool runs;
	/* Of its thread alone. */
	struct backoff backoff;
	struct lapi_token token; /* empty: not logged in */
	uint64_t token_until_s;  /* wall clock */
	uint64_t rest_ns;        /* nothing is asked before */
	uint64_t heartbeat_ns;   /* when it is due */
	uint64_t held_since_ns;
	struct held held[BATCH_ALERTS]; /* oldest first */
	unsigned held_count;
	struct buffer json, path;
	struct told told[CROWDSEC_TOLD_MAX];
	pthread_mutex_t lock; /* guards counts */
	struct crowdsec_machine_counts counts;
};

int crowdsec_machine_new(const struct crowdsec_machine_parts *parts, struct crowdsec_machine **ret)
{
	struct crowdsec_machine *m = calloc(1, sizeof *m);

	if (!m)
		return -ENOMEM;
	m->parts = *parts;
	m->json = BUFFER_INIT(BATCH_BYTES);
	m->path = BUFFER_INIT(256);
	pthread_mutex_init(&m->lock, NULL);
	int r = queue_new(CROWDSEC_ALERTS_MAX, &m->queue);
	if (r) {
		crowdsec_machine_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

static uint64_t now_ns(const struct crowdsec_machine *m)
{
	return clock_boot_ns(m->parts.clock);
}

static uint64_t wall_s(const struct crowdsec_machine *m)
{
	return clock_wall_ns(m->parts.clock) / NS_PER_S;
}

static void count(struct crowdsec_machine *m, uint64_t *column, uint64_t n)
{
	pthread_mutex_lock(&m->lock);
	*column += n;
	pthread_mutex_unlock(&m->lock);
}

/* --- calls --- */

enum { CALL_OK = 0, CALL_AGAIN, CALL_REFUSED, CALL_STOPPED };

static void rest(struct crowdsec_machine *m, uint64_t retry_after_ms)
{
	uint64_t random = 0;

	if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
		random = 0;
	m->rest_ns = now_ns(m) + backoff_fail(&m->backoff, retry_after_ms, random) * NS_PER_MS;
}

static void tell_error(struct crowdsec_machine *m, const char *error)
{
	pthread_mutex_lock(&m->lock);
	bool news = strcmp(m->counts.error, error) != 0;
	m->counts.failures += error[0] != 0;
	snprintf(m->counts.error, sizeof m->counts.error, "%s", error);
	pthread_mutex_unlock(&m->lock);
	if (news && error[0])
		log_warning("a LAPI cannot be told of blocks", LOG_S("gateway", m->parts.config->name),
			    LOG_S("detail", error));
}

static bool is_lasting(const struct transport_answer *a)
{
	return a->error == CURLE_OK && a->status / 100 == 4 && a->status != 408 && a->status != 429;
}

/* What came of it for who asked; a token that is no longer known is forgotten. */
static int judge(struct crowdsec_machine *m, int result, bool by_token, const struct transport_answer *a)
{
	char error[LAPI_ERROR_MAX];

	if (result == LAPI_E_STOPPED)
		return CALL_STOPPED;
	if (result) {
		tell_error(m, "no memory");
		rest(m, 0);
		return CALL_AGAIN;
	}
	pthread_mutex_lock(&m->lock);
	m->counts.status = a->status;
	m->counts.connections += a->connections;
	pthread_mutex_unlock(&m->lock);
	if (a->error == CURLE_OK && a->status / 100 == 2) {
		backoff_reset(&m->backoff);
		tell_error(m, "");
		return CALL_OK;
	}
	bool unknown = a->status == 401 || a->status == 403;
	if (unknown && by_token)
		explicit_bzero(&m->token, sizeof m->token);
	lapi_explain(a, true, error);
	tell_error(m, error);
	if (!unknown || !by_token) /* a token that has ended is no reason to wait: the login will tell */
		rest(m, a->retry_after_ms);
	return is_lasting(a) && !unknown ? CALL_REFUSED : CALL_AGAIN;
}

static int call(struct crowdsec_machine *m, const struct lapi_request *q, struct transport_answer *a)
{
	int r = lapi_call(m->parts.lapi, q, a);

	return judge(m, r, true, a);
}

static cJSON *answer_parse(struct span body)
{
	const struct json_limits limits = {LAPI_ANSWER_MAX, 32, JSON_VALUES};
	cJSON *root = NULL;

	return json_parse(body, &limits, &root, NULL) ? NULL : root;
}

/* --- login --- */

static void login(struct crowdsec_machine *m)
{
	struct transport_answer a;
	uint64_t now_s = wall_s(m), end_s;
	int r = lapi_login(m->parts.lapi, m->parts.password, &a, &m->token);

	if (judge(m, r, false, &a) != CALL_OK)
		return;
	if (!m->token.text[0]) {
		tell_error(m, "its answer to the login holds no token: is url that of a LAPI?");
		rest(m, 0);
		return;
	}
	if (crowdsec_time_parse(span_from(m->token.expire), &end_s) || end_s <= now_s)
		end_s = now_s + TOKEN_OF_S;
	m->token_until_s = end_s;
	count(m, &m->counts.logins, 1);
}

static bool is_logged_in(const struct crowdsec_machine *m)
{
	uint64_t now_s = wall_s(m);

	return m->token.text[0] && now_s + TOKEN_EARLY_S < m->token_until_s;
}

static void heartbeat(struct crowdsec_machine *m)
{
	const struct lapi_request q = {
		.method = TRANSPORT_GET, .path = "/v1/heartbeat", .bearer = m->token.text};
	struct transport_answer a;

	m->heartbeat_ns = now_ns(m) + HEARTBEAT_NS;
	if (call(m, &q, &a) == CALL_OK)
		count(m, &m->counts.heartbeats, 1);
}

/* --- what was told --- */

static struct told *slot_of(struct crowdsec_machine *m, const struct prefix *target)
{
	return &m->told[(addr_hash(&target->addr) + target->bits) % CROWDSEC_TOLD_MAX];
}

static struct told *told_of(struct crowdsec_machine *m, const struct prefix *target)
{
	struct told *t = slot_of(m, target);

	return prefix_equal(&t->target, target) ? t : NULL;
}

/* It was told, and nothing of it is new. */
static bool is_told(struct crowdsec_machine *m, const struct held *h)
{
	const struct told *t = told_of(m, &h->event->decision.verdict.target);
	uint64_t at_s = h->event->wall_ns / NS_PER_S;

	if (!t)
		return false;
	if (h->tell == CROWDSEC_TELL_BAN)
		return crowdsec_alert_end_s(h->event) <= t->end_s + LIST_END_SLACK_S;
	return t->record_s && at_s < t->record_s + RECORD_AGAIN_S;
}

static void told_note(struct crowdsec_machine *m, const struct held *h, const char *alert)
{
	const struct prefix *target = &h->event->decision.verdict.target;
	struct told *t = slot_of(m, target);

	if (!prefix_equal(&t->target, target))
		*t = (struct told){.target = *target};
	if (h->tell == CROWDSEC_TELL_RECORD) {
		t->record_s = h->event->wall_ns / NS_PER_S;
		return;
	}
	t->end_s = crowdsec_alert_end_s(h->event);
	snprintf(t->alert, sizeof t->alert, "%s", alert);
}

/* --- what waits --- */

static void held_drop(struct crowdsec_machine *m, unsigned at)
{
	event_unref(m->held[at].event);
	memmove(&m->held[at], &m->held[at + 1], (--m->held_count - at) * sizeof m->held[0]);
}

/* Is there still any use in telling it? */
static bool held_keep(struct crowdsec_machine *m, const struct held *h)
{
	uint64_t *why = h->tell == CROWDSEC_TELL_UNBAN ? NULL
			: is_told(m, h)                ? &m->counts.repeated
			: h->tell == CROWDSEC_TELL_BAN && crowdsec_alert_end_s(h->event) <= wall_s(m)
				? &m->counts.late
				: NULL;

	if (why)
		count(m, why, 1);
	return !why;
}

static void take_in(struct crowdsec_machine *m)
{
	void *item;

	while (m->held_count < BATCH_ALERTS && queue_pop(m->queue, &item) == 0) {
		struct event *e = item;
		if (!m->held_count)
			m->held_since_ns = now_ns(m);
		m->held[m->held_count++] = (struct held){e, crowdsec_alert_tell(e)};
	}
}

static void held_sift(struct crowdsec_machine *m)
{
	for (unsigned i = 0; i < m->held_count;)
		if (held_keep(m, &m->held[i]))
			i++;
		else
			held_drop(m, i);
}

/* --- alerts --- */

/* Of the first so many. The bouncer is told before the LAPI is: its stream may be faster than its answer. */
static int batch_write(struct crowdsec_machine *m, unsigned n)
{
	struct json_writer w = JSON_WRITER(&m->json);

	buffer_reset(&m->json);
	json_array_begin(&w);
	for (unsigned i = 0; i < n; i++) {
		const struct held *h = &m->held[i];
		crowdsec_alert_write(&w, h->event, h->tell);
		if (h->tell == CROWDSEC_TELL_BAN && m->parts.bouncer)
			crowdsec_bouncer_own(m->parts.bouncer, &h->event->decision.verdict.target,
					     crowdsec_alert_end_s(h->event));
	}
	json_array_end(&w);
	return m->json.truncated ? -ENOBUFS : 0;
}

/* The answer: an id for each, in their order. */
static void batch_done(struct crowdsec_machine *m, unsigned n, struct span body)
{
	cJSON *ids = answer_parse(body);
	bool ids_all = cJSON_GetArraySize(ids) == (int)n;
	uint64_t bans = 0;

	for (unsigned i = 0; i < n; i++) {
		const cJSON *id = ids_all ? cJSON_GetArrayItem(ids, (int)i) : NULL;
		const char *text = id && cJSON_IsString(id) ? id->valuestring : "";
		bans += m->held[i].tell == CROWDSEC_TELL_BAN;
		told_note(m, &m->held[i], text[strspn(text, "0123456789")] ? "" : text);
	}
	cJSON_Delete(ids);
	pthread_mutex_lock(&m->lock);
	m->counts.bans += bans;
	m->counts.records += n - bans;
	pthread_mutex_unlock(&m->lock);
}

/* Those at the head that are alerts, in one post; of one target only the first, since the next one depends on
 * it. */
static unsigned batch_length(struct crowdsec_machine *m)
{
	unsigned n = 0;

	for (; n < m->held_count && m->held[n].tell != CROWDSEC_TELL_UNBAN; n++)
		for (unsigned i = 0; i < n; i++)
			if (prefix_equal(&m->held[i].event->decision.verdict.target,
					 &m->held[n].event->decision.verdict.target))
				return n;
	return n;
}

static void post(struct crowdsec_machine *m)
{
	struct lapi_request q = {.method = TRANSPORT_POST, .path = "/v1/alerts", .bearer = m->token.text};
	struct transport_answer a;
	unsigned n = batch_length(m);

	while (n && batch_write(m, n))
		n /= 2;
	q.json = buffer_span(&m->json);
	int r = n ? call(m, &q, &a) : CALL_REFUSED;
	if (r == CALL_AGAIN || r == CALL_STOPPED)
		return;
	if (r == CALL_OK)
		batch_done(m, n, a.body);
	else
		count(m, &m->counts.refused, MAX(n, 1u));
	for (unsigned i = MAX(n, 1u); i--;)
		held_drop(m, 0);
}

/* --- deletes --- */

static int decision_delete(struct crowdsec_machine *m, uint64_t id)
{
	struct lapi_request q = {.method = TRANSPORT_DELETE, .bearer = m->token.text};
	struct transport_answer a;

	buffer_reset(&m->path);
	buffer_printf(&m->path, "/v1/decisions/%llu", (unsigned long long)id);
	buffer_append_char(&m->path, 0);
	q.path = m->path.data;
	int r = call(m, &q, &a);
	if (r == CALL_OK)
		count(m, &m->counts.deleted, 1);
	return r == CALL_REFUSED && a.status == 404 ? CALL_OK : r; /* it is gone */
}

#define DECISIONS_MAX 8

/* The decisions of our alert, as the LAPI numbered them. */
static int alert_decisions(struct crowdsec_machine *m, const char *alert, uint64_t *ids, unsigned *ret)
{
	struct lapi_request q = {.method = TRANSPORT_GET, .bearer = m->token.text};
	struct transport_answer a;
	const cJSON *d;
	int64_t id;

	*ret = 0;
	if (!alert[0])
		return CALL_OK;
	buffer_reset(&m->path);
	buffer_printf(&m->path, "/v1/alerts/%s", alert);
	buffer_append_char(&m->path, 0);
	q.path = m->path.data;
	int r = call(m, &q, &a);
	cJSON *root = r == CALL_OK ? answer_parse(a.body) : NULL;
	cJSON_ArrayForEach(d, cJSON_GetObjectItemCaseSensitive(root, "decisions"))
	{
		if (*ret < DECISIONS_MAX && !json_get_int(d, "id", 1, INT64_MAX, &id))
			ids[(*ret)++] = (uint64_t)id;
	}
	cJSON_Delete(root);
	return r == CALL_REFUSED ? CALL_OK : r;
}

/* The unban at the head. What was never told, or is over, needs none. */
static void unban(struct crowdsec_machine *m)
{
	struct told *t = told_of(m, &m->held[0].event->decision.verdict.target);
	uint64_t ids[DECISIONS_MAX];
	unsigned count_of = 0;

	if (t && t->end_s > wall_s(m)) {
		int r = alert_decisions(m, t->alert, ids, &count_of);
		for (unsigned i = 0; i < count_of && !r; i++)
			r = decision_delete(m, ids[i]);
		if (r == CALL_AGAIN || r == CALL_STOPPED)
			return;
		count(m, &m->counts.undeleted, !count_of);
	}
	if (t)
		*t = (struct told){0};
	held_drop(m, 0);
}

/* --- the thread --- */

static void step(struct crowdsec_machine *m)
{
	uint64_t now = now_ns(m);

	take_in(m);
	held_sift(m);
	if (now < m->rest_ns)
		return;
	if (!is_logged_in(m))
		login(m);
	else if (now >= m->heartbeat_ns)
		heartbeat(m);
	else if (m->held_count && m->held[0].tell == CROWDSEC_TELL_UNBAN)
		unban(m);
	else if (m->held_count && now - m->held_since_ns >= LINGER_NS)
		post(m);
}

static uint64_t due_ns(const struct crowdsec_machine *m)
{
	uint64_t now = now_ns(m), due = m->heartbeat_ns;

	if (!is_logged_in(m))
		due = now;
	if (m->held_count)
		due = MIN(due, m->held[0].tell == CROWDSEC_TELL_UNBAN ? now : m->held_since_ns + LINGER_NS);
	return MAX(due, m->rest_ns);
}

static void *machine_main(void *arg)
{
	struct crowdsec_machine *m = arg;
	struct pollfd wake[] = {{.fd = m->parts.stop_fd, .events = POLLIN},
				{.fd = queue_fd(m->queue), .events = POLLIN}};

	for (;;) {
		uint64_t now = now_ns(m), due = due_ns(m);
		int wait_ms = due <= now ? 0 : (int)MIN((due - now) / NS_PER_MS + 1, 60000ull);
		/* With a full batch there is no room for more: the queue would only wake us. */
		poll(wake, m->held_count < BATCH_ALERTS ? 2 : 1, wait_ms);
		if (wake[0].revents)
			return NULL;
		step(m);
	}
}

/* --- start, end, questions --- */

int crowdsec_machine_start(struct crowdsec_machine *m)
{
	int r = -pthread_create(&m->thread, NULL, machine_main, m);

	m->runs = r == 0;
	return r;
}

void crowdsec_machine_join(struct crowdsec_machine *m)
{
	if (m && m->runs)
		pthread_join(m->thread, NULL);
	if (m)
		m->runs = false;
}

void crowdsec_machine_free(struct crowdsec_machine *m)
{
	if (!m)
		return;
	crowdsec_machine_join(m);
	while (m->held_count)
		held_drop(m, m->held_count - 1);
	queue_free(m->queue, (void (*)(void *))event_unref);
	buffer_free(&m->json);
	buffer_free(&m->path);
	explicit_bzero(&m->token, sizeof m->token);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

void crowdsec_machine_note(struct crowdsec_machine *m, struct event *e)
{
	enum crowdsec_tell tell = crowdsec_alert_tell(e);

	if (tell == CROWDSEC_TELL_CANNOT)
		count(m, &m->counts.cannot, 1);
	if (tell == CROWDSEC_TELL_CANNOT || tell == CROWDSEC_TELL_NOTHING)
		return;
	if (queue_push(m->queue, event_ref(e))) {
		event_unref(e);
		count(m, &m->counts.dropped, 1);
	}
}

struct crowdsec_machine_counts crowdsec_machine_counts(struct crowdsec_machine *m)
{
	pthread_mutex_lock(&m->lock);
	struct crowdsec_machine_counts c = m->counts;
	pthread_mutex_unlock(&m->lock);
	c.waiting = queue_counts(m->queue).held;
	return c;
}
