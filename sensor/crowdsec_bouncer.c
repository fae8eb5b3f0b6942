// SPDX-License-Identifier: Apache-2.0
/*
 * The server keeps the cursor of what it told, by key and address: an answer that is lost on the way, or that
 * another bouncer with the same key has taken, is never told again. So everything is asked for at the start,
 * after each failure, every so often, and soon where a delta left something open.
 */
#include "sensor/crowdsec_bouncer.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/random.h>
#include "forwarder/backoff.h"
#include "forwarder/crowdsec_stream.h"
#include "forwarder/crowdsec_usage.h"
#include "lib/log.h"
#include "lib/util.h"
#include "sensor/crowdsec_state.h"

#define PATH_MAX_LEN  8192
#define REST_TIMES    10 /* everything is asked for no sooner than after so many times its cost */
#define DRIFT_SHORTER 8  /* ... and so much more often where deltas did not tell it all */
#define TIDY_NS       (60 * NS_PER_S) /* what ended is forgotten */

struct crowdsec_bouncer {
	struct crowdsec_bouncer_parts parts;
	pthread_t thread;
	bool runs;
	struct backoff backoff;
	struct buffer path;
	/* Of its thread alone. */
	bool failed;       /* the last answer, or there was none yet */
	bool soon;         /* everything, as soon as it may be asked for */
	uint64_t whole_ns; /* everything is due */
	uint64_t rest_ns;  /* ... and not before this */
	uint64_t tidied_ns;
	bool put;          /* the enforcer has a list */
	uint64_t kept_ns;  /* what is known was written */
	bool unkept;       /* ... and has changed since */
	bool keep_failed;  /* that was told */
	uint64_t usage_ns; /* it was told, or the start */
	uint64_t usage_tried_ns;
	uint64_t processed; /* ... packets by then */
	uint64_t started_s;
	pthread_mutex_t lock; /* guards what follows */
	struct crowdsec *decisions;
	struct crowdsec_bouncer_counts counts;
};

int crowdsec_bouncer_new(const struct crowdsec_bouncer_parts *parts, struct crowdsec_bouncer **ret)
{
	struct crowdsec_bouncer *b = calloc(1, sizeof *b);

	if (!b)
		return -ENOMEM;
	b->parts = *parts;
	b->path = BUFFER_INIT(PATH_MAX_LEN);
	b->failed = true;
	pthread_mutex_init(&b->lock, NULL);
	int r = crowdsec_new(parts->config, &b->decisions);
	if (r) {
		crowdsec_bouncer_free(b);
		return r;
	}
	*ret = b;
	return 0;
}

static uint64_t now_ns(const struct crowdsec_bouncer *b)
{
	return clock_boot_ns(b->parts.clock);
}

static uint64_t wall_s(const struct crowdsec_bouncer *b)
{
	return clock_wall_ns(b->parts.clock) / NS_PER_S;
}

/* --- putting into force --- */

static void apply(struct crowdsec_bouncer *b, uint64_t since_ns)
{
	struct list_report report;
	struct list *list = NULL;

	pthread_mutex_lock(&b->lock);
	int r = crowdsec_list(b->decisions, wall_s(b), &list, &report);
	pthread_mutex_unlock(&b->lock);
	if (r) {
		log_error("decisions cannot be put into force", LOG_S("gateway", b->parts.config->name),
			  LOG_ERRNO(r));
		return;
	}
	enforcer_list_put(b->parts.enforcer, b->parts.list, list, &report, since_ns);
	b->put = b->unkept = true;
	pthread_mutex_lock(&b->lock);
	b->counts.took_ns = now_ns(b) - since_ns;
	pthread_mutex_unlock(&b->lock);
}

/* Of an answer that broke off, what came counts. */
static void apply_if_changed(struct crowdsec_bouncer *b, bool good, uint64_t since_ns)
{
	uint64_t now = now_ns(b);

	pthread_mutex_lock(&b->lock);
	bool changed = crowdsec_changed(b->decisions);
	pthread_mutex_unlock(&b->lock);
	if (!changed && (!good || (b->put && now - b->tidied_ns < TIDY_NS)))
		return;
	b->tidied_ns = now;
	apply(b, since_ns);
}

/* --- asking --- */

struct pull {
	struct crowdsec_bouncer *b;
	struct crowdsec_stream stream;
	uint64_t wall_s;
};

static int on_decision(void *arg, enum crowdsec_section section, const struct crowdsec_decision *d)
{
	struct pull *p = arg;

	return crowdsec_take(p->b->decisions, section, d, p->wall_s);
}

/* The lock is free between two parts: who asks why waits for no network. */
static int on_part(void *arg, struct span bytes)
{
	struct pull *p = arg;

	pthread_mutex_lock(&p->b->lock);
	int r = crowdsec_stream_feed(&p->stream, bytes);
	p->b->counts.bytes += bytes.len;
	pthread_mutex_unlock(&p->b->lock);
	return r;
}

/* 0: it is whole and sound; else why says what is not, for people. */
static int judge(struct pull *p, const struct transport_answer *a, char why[static LAPI_ERROR_MAX])
{
	if (p->stream.error > 0) {
		snprintf(why, LAPI_ERROR_MAX, "its answer %s", crowdsec_error_text(p->stream.error));
		return 1;
	}
	if (p->stream.error < 0 || a->error != CURLE_OK || a->status / 100 != 2) {
		lapi_explain(a, false, why);
		return 1;
	}
	int r = crowdsec_stream_end(&p->stream);
	if (r)
		snprintf(why, LAPI_ERROR_MAX, "its answer %s", crowdsec_error_text(r));
	return r;
}

/* Of a whole list that came in its time: what it held, and deltas should have told before. */
static void drift_note(struct crowdsec_bouncer *b, uint64_t missed)
{
	if (!missed || b->failed)
		return;
	if (!b->counts.untold)
		log_warning(
			"decisions were not told as they were made; all are asked for more often",
			LOG_S("gateway", b->parts.config->name), LOG_U("decisions", missed),
			LOG_S("hint", "if another bouncer uses the same key, give picket one of its own"));
	b->counts.untold += missed;
}

/* With the lock held. */
static void good(struct crowdsec_bouncer *b, bool whole, uint64_t missed_before, uint64_t since_ns)
{
	uint64_t now = now_ns(b), resync_ns = b->parts.config->resync_ms * NS_PER_MS;
	uint64_t missed = crowdsec_counts(b->decisions).missed - missed_before;
	bool lacking = crowdsec_end(b->decisions);

	b->counts.pulls++;
	b->counts.answered_ns = now;
	b->counts.error[0] = 0;
	if (whole) {
		b->counts.wholes++;
		drift_note(b, missed);
		b->soon = lacking;
		b->whole_ns = now + (missed && !b->failed ? resync_ns / DRIFT_SHORTER : resync_ns);
		b->rest_ns = now + REST_TIMES * (now - since_ns);
	} else {
		b->soon = b->soon || crowdsec_unsure(b->decisions);
	}
	b->failed = false;
}

static void tell_failure(const struct crowdsec_bouncer *b, const char *why)
{
	enforcer_list_there(b->parts.enforcer, b->parts.list, false, why);
}

/* Milliseconds until the next one. */
static uint64_t pull(struct crowdsec_bouncer *b, bool whole)
{
	struct pull p = {.b = b, .wall_s = wall_s(b)};
	struct lapi_request q = {.method = TRANSPORT_GET, .body_part = on_part, .arg = &p};
	struct transport_answer a = {0};
	uint64_t since_ns = now_ns(b), random = 0;
	char why[LAPI_ERROR_MAX] = "no memory";

	buffer_reset(&b->path);
	int r = lapi_stream_path(b->parts.config, whole, &b->path);
	q.path = b->path.data;
	crowdsec_stream_init(&p.stream, on_decision, &p);
	pthread_mutex_lock(&b->lock);
	crowdsec_begin(b->decisions, whole);
	uint64_t missed_before = crowdsec_counts(b->decisions).missed;
	pthread_mutex_unlock(&b->lock);
	if (!r)
		r = lapi_call(b->parts.lapi, &q, &a);
	if (r == LAPI_E_STOPPED)
		return 0;
	pthread_mutex_lock(&b->lock);
	b->counts.status = r ? 0 : a.status;
	b->counts.connections += r ? 0 : a.connections;
	if (!r)
		r = judge(&p, &a, why);
	if (!r) {
		good(b, whole, missed_before, since_ns);
	} else {
		b->failed = true;
		b->counts.failures++;
		snprintf(b->counts.error, sizeof b->counts.error, "%s", why);
	}
	pthread_mutex_unlock(&b->lock);
	apply_if_changed(b, !r, since_ns);
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
		random = 0;
	if (r) {
		tell_failure(b, why);
		return backoff_fail(&b->backoff, a.retry_after_ms, random);
	}
	enforcer_list_there(b->parts.enforcer, b->parts.list, true, "");
	backoff_reset(&b->backoff);
	/* A tenth less up to a tenth more: many sensors that begin together do not stay together. */
	uint64_t interval = b->parts.config->interval_ms;
	return interval - interval / 10 + random % (interval / 5 + 1);
}

/* --- telling what they did --- */

#define USAGE_MAX (256u << 10)

static uint64_t packets_processed(struct crowdsec_bouncer *b)
{
	_cleanup_free_ struct warden_reply *reply = malloc(sizeof *reply);
	struct warden_request q = {.op = WARDEN_STATUS};
	bool known = reply && warden_call(b->parts.warden, &q, reply) == 0 && !reply->result;

	return known ? reply->status.stats[PK_C_PACKETS] : b->processed;
}

static void usage_fill(const struct crowdsec_bouncer *b, const struct crowdsec_origin *origins,
		       unsigned count, struct crowdsec_usage *ret)
{
	*ret = (struct crowdsec_usage){
		.version = lapi_version,
		.os_name = b->parts.os_name,
		.os_version = b->parts.os_version,
		.started_s = b->started_s,
		.now_s = wall_s(b),
		.window_s = (now_ns(b) - b->usage_ns) / NS_PER_S,
		.count = count,
	};
	for (unsigned i = 0; i < count; i++) {
		ret->origins[i].name = origins[i].name;
		memcpy(ret->origins[i].active, origins[i].active, sizeof origins[i].active);
		memcpy(ret->origins[i].packets, origins[i].packets, sizeof origins[i].packets);
		memcpy(ret->origins[i].bytes, origins[i].bytes, sizeof origins[i].bytes);
	}
}

/* A LAPI that does not know it is an old one: it is not asked again, and nothing is wrong. */
static void usage_send(struct crowdsec_bouncer *b)
{
	_cleanup_(buffer_free) struct buffer json = BUFFER_INIT(USAGE_MAX);
	struct lapi_request q = {.method = TRANSPORT_POST, .path = "/v1/usage-metrics"};
	struct crowdsec_origin origins[CROWDSEC_USAGE_ORIGINS];
	struct json_writer w = JSON_WRITER(&json);
	struct transport_answer a;
	struct crowdsec_usage usage;
	uint64_t processed = packets_processed(b);

	pthread_mutex_lock(&b->lock);
	unsigned count = crowdsec_usage(b->decisions, origins, CROWDSEC_USAGE_ORIGINS);
	pthread_mutex_unlock(&b->lock);
	usage_fill(b, origins, count, &usage);
	usage.processed = processed >= b->processed ? processed - b->processed : processed;
	crowdsec_usage_write(&w, &usage);
	q.json = buffer_span(&json);
	if (json.truncated || lapi_call(b->parts.lapi, &q, &a) || a.error != CURLE_OK)
		return;
	pthread_mutex_lock(&b->lock);
	b->counts.usage_unknown = a.status == 404 || a.status == 405;
	if (a.status / 100 == 2) {
		crowdsec_usage_told(b->decisions, origins, count);
		b->counts.usage_told++;
		b->processed = processed;
		b->usage_ns = now_ns(b);
	}
	pthread_mutex_unlock(&b->lock);
}

static void usage_if_due(struct crowdsec_bouncer *b)
{
	uint64_t now = now_ns(b), interval_ns = b->parts.config->usage_interval_ms * NS_PER_MS;

	if (b->failed || b->counts.usage_unknown || now - MAX(b->usage_ns, b->usage_tried_ns) < interval_ns)
		return;
	b->usage_tried_ns = now;
	usage_send(b);
}

static bool whole_is_due(const struct crowdsec_bouncer *b)
{
	uint64_t now = now_ns(b);

	return b->failed || ((b->soon || now >= b->whole_ns) && now >= b->rest_ns);
}

/* --- what outlives the process --- */

#define KEEP_NS         (10 * NS_PER_S)
#define KEEP_PER_SECOND 1000 /* ... and a second more for each so many decisions */

static void keep(struct crowdsec_bouncer *b)
{
	_cleanup_(buffer_free) struct buffer out = BUFFER_INIT(CROWDSEC_STATE_MAX);
	int r = state_file_begin(&out);

	b->kept_ns = now_ns(b);
	b->unkept = false;
	pthread_mutex_lock(&b->lock);
	if (!r)
		r = crowdsec_state_write(b->decisions, &out);
	pthread_mutex_unlock(&b->lock);
	if (!r)
		r = state_file_save(b->parts.state, &out);
	if (r && !b->keep_failed)
		log_warning("decisions are not kept over a restart", LOG_S("gateway", b->parts.config->name),
			    LOG_ERRNO(r > 0 ? -EFBIG : r));
	b->keep_failed = r != 0;
}

static void keep_if_due(struct crowdsec_bouncer *b)
{
	uint64_t pause_ns = KEEP_NS + crowdsec_count(b->decisions) / KEEP_PER_SECOND * NS_PER_S;

	if (b->parts.state && b->unkept && (!b->kept_ns || now_ns(b) - b->kept_ns >= pause_ns))
		keep(b);
}

static int on_kept(void *arg, struct span text)
{
	struct crowdsec_bouncer *b = arg;

	return crowdsec_state_read(b->decisions, text);
}

static void recall(struct crowdsec_bouncer *b)
{
	uint64_t since_ns = now_ns(b);

	if (!b->parts.state)
		return;
	pthread_mutex_lock(&b->lock);
	int r = state_file_load(b->parts.state, on_kept, b);
	uint64_t count = crowdsec_count(b->decisions);
	pthread_mutex_unlock(&b->lock);
	if (r && r != STATE_FILE_E_NONE)
		log_warning("what was kept of decisions is damaged", LOG_S("gateway", b->parts.config->name),
			    LOG_U("decisions", count));
	if (count)
		apply(b, since_ns);
}

/* --- what was in force before --- */

/* The kernel may hold decisions of before this process: a list that was cut short must not take them out. */
static void adopt_page(struct crowdsec_bouncer *b, const struct warden_reply *a)
{
	uint64_t boot_s = now_ns(b) / NS_PER_S, now_s = wall_s(b);

	pthread_mutex_lock(&b->lock);
	for (uint32_t i = 0; i < a->count; i++) {
		const struct warden_block *k = &a->blocks[i];
		if (k->value.source == VERDICT_CROWDSEC && k->value.deadline_s > boot_s)
			crowdsec_adopt(b->decisions, &k->target, now_s + (k->value.deadline_s - boot_s));
	}
	pthread_mutex_unlock(&b->lock);
}

static void adopt(struct crowdsec_bouncer *b)
{
	_cleanup_free_ struct warden_reply *reply = malloc(sizeof *reply);
	struct warden_request q = {.op = WARDEN_LIST};

	while (reply && warden_call(b->parts.warden, &q, reply) == 0 && !reply->result && reply->count) {
		adopt_page(b, reply);
		q.index += reply->count;
	}
}

static void *bouncer_main(void *arg)
{
	struct crowdsec_bouncer *b = arg;
	struct pollfd stop = {.fd = b->parts.stop_fd, .events = POLLIN};
	uint64_t wait_ms;

	b->usage_ns = now_ns(b);
	b->started_s = wall_s(b);
	b->processed = packets_processed(b);
	recall(b);
	adopt(b);
	do {
		wait_ms = pull(b, whole_is_due(b));
		usage_if_due(b);
		keep_if_due(b);
	} while (poll(&stop, 1, (int)wait_ms) <= 0);
	if (b->parts.state && b->unkept)
		keep(b);
	return NULL;
}

/* --- start, end, questions --- */

int crowdsec_bouncer_start(struct crowdsec_bouncer *b)
{
	int r = -pthread_create(&b->thread, NULL, bouncer_main, b);

	b->runs = r == 0;
	return r;
}

void crowdsec_bouncer_join(struct crowdsec_bouncer *b)
{
	if (b && b->runs)
		pthread_join(b->thread, NULL);
	if (b)
		b->runs = false;
}

void crowdsec_bouncer_free(struct crowdsec_bouncer *b)
{
	if (!b)
		return;
	crowdsec_bouncer_join(b);
	crowdsec_free(b->decisions);
	buffer_free(&b->path);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

struct crowdsec_bouncer_counts crowdsec_bouncer_counts(struct crowdsec_bouncer *b)
{
	pthread_mutex_lock(&b->lock);
	struct crowdsec_bouncer_counts c = b->counts;
	c.decisions = crowdsec_counts(b->decisions);
	c.held = crowdsec_count(b->decisions);
	pthread_mutex_unlock(&b->lock);
	return c;
}

void crowdsec_bouncer_hit(struct crowdsec_bouncer *b, const struct prefix *target, uint64_t packets,
			  uint64_t bytes)
{
	if (pthread_mutex_trylock(&b->lock))
		return; /* what is counted is what there is in all: the next time has it */
	crowdsec_hit(b->decisions, target, packets, bytes);
	pthread_mutex_unlock(&b->lock);
}

void crowdsec_bouncer_own(struct crowdsec_bouncer *b, const struct prefix *target, uint64_t end_s)
{
	pthread_mutex_lock(&b->lock);
	crowdsec_own(b->decisions, target, end_s);
	pthread_mutex_unlock(&b->lock);
}

unsigned crowdsec_bouncer_find(struct crowdsec_bouncer *b, const struct prefix *target,
			       struct crowdsec_told *ret, unsigned max)
{
	pthread_mutex_lock(&b->lock);
	unsigned n = crowdsec_find(b->decisions, target, ret, max);
	pthread_mutex_unlock(&b->lock);
	return n;
}

void crowdsec_bouncer_each(struct crowdsec_bouncer *b, void (*each)(void *arg, const struct crowdsec_told *d),
			   void *arg)
{
	pthread_mutex_lock(&b->lock);
	crowdsec_each(b->decisions, each, arg);
	pthread_mutex_unlock(&b->lock);
}
