// SPDX-License-Identifier: Apache-2.0
#include "sensor/audit.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include "lib/event_json.h"
#include "lib/json_write.h"
#include "lib/log.h"
#include "lib/util.h"
#include "sensor/audit_files.h"

#define RETRY_S     1
#define SYNC_NS     NS_PER_S /* audit.fsync: second */
#define BATCH_MAX   256      /* records that one sync of audit.fsync: always is for, at most */
#define CONFIG_TEXT (1u << 20)

struct note {
	struct note *next;
	uint64_t wall_ns;
	uint64_t missing; /* so many did not fit right before it */
	size_t len;
	char body[];
};

struct audit {
	const struct config *config;
	const struct clock *clock;
	struct audit_files *files; /* the writer's, once it runs; NULL: off, or they could not be opened */
	pthread_t thread;
	bool runs;

	pthread_mutex_t lock; /* of all below; never held while a file is touched */
	pthread_cond_t noted, settled;
	struct note *first, **end;
	size_t held, bytes;
	uint64_t accepted, done; /* notes, ever; done: their records are as safe as audit.fsync asks for */
	uint64_t untold;         /* did not fit, and no record says so yet */
	bool ending;
	struct audit_counts counts;
};

const char *audit_state_name(enum audit_state state)
{
	static const char *const names[] = {
		[AUDIT_OFF] = "off",
		[AUDIT_ON] = "on",
		[AUDIT_UNOPENED] = "unopened",
		[AUDIT_UNWRITTEN] = "unwritten",
	};

	return (size_t)state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

/* --- open --- */

static void mended_log(const struct config *c, const struct audit_mended *m)
{
	if (m->anew)
		log_warning("the audit log could not be read: it was put aside, and a new one begun",
			    LOG_S("folder", c->state_dir), LOG_S("kept", m->kept),
			    LOG_S("hint", "picket audit verify FOLDER says what is wrong with it"));
	else if (m->torn)
		log_warning("a crash cut the end of the audit log: what is no whole record was put aside",
			    LOG_S("folder", c->state_dir), LOG_S("kept", m->kept), LOG_U("bytes", m->torn));
}

static void files_open(struct audit *a)
{
	const struct config *c = a->config;
	const struct audit_files_options options = {
		.state_dir = c->state_dir,
		.size_max = c->audit.size_max,
		.files_max = c->audit.files_max,
		.clock = a->clock,
	};
	struct audit_mended mended;

	int r = audit_files_open(&options, &a->files, &mended);
	a->counts.state = r ? AUDIT_UNOPENED : AUDIT_ON;
	a->counts.error = r;
	if (!r) {
		a->counts.head = audit_files_head(a->files);
		mended_log(c, &mended);
	} else if (r == -EBUSY)
		log_warning("no audit log: another picket writes one there", LOG_S("folder", c->state_dir),
			    LOG_S("hint", "give each instance a state_dir of its own"));
	else
		log_warning("no audit log: its files cannot be opened", LOG_S("folder", c->state_dir),
			    LOG_ERRNO(r),
			    LOG_S("hint", "state_dir must be a folder that root may write, or say "
					  "audit: {enabled: false}"));
}

int audit_new(const struct config *config, const struct clock *clock, struct audit **ret)
{
	struct audit *a = calloc(1, sizeof *a);
	pthread_condattr_t monotonic;

	if (!a)
		return -ENOMEM;
	a->config = config;
	a->clock = clock;
	a->end = &a->first;
	a->counts.head = AUDIT_HEAD_NONE;
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&a->noted, &monotonic);
	pthread_cond_init(&a->settled, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (config->audit.enabled)
		files_open(a);
	*ret = a;
	return 0;
}

/* --- notes --- */

/* Lock held. */
static bool note_fits(const struct audit *a, size_t len)
{
	return a->files && !a->ending && a->held < AUDIT_NOTES_MAX && a->bytes + len <= AUDIT_NOTES_BYTES;
}

/* Takes the note; NULL: memory was out. */
static void note_put(struct audit *a, struct note *n)
{
	pthread_mutex_lock(&a->lock);
	if (n && note_fits(a, n->len)) {
		n->missing = a->untold;
		a->untold = 0;
		*a->end = n;
		a->end = &n->next;
		a->held++;
		a->bytes += n->len;
		a->accepted++;
		n = NULL;
		pthread_cond_signal(&a->noted);
	} else {
		a->untold++;
		a->counts.missing++;
	}
	pthread_mutex_unlock(&a->lock);
	free(n);
}

/* Takes the object that was written to b: its members are the body. */
static void note_object(struct audit *a, struct buffer *b)
{
	struct note *n = NULL;

	if (!b->truncated && b->len > 2) {
		n = calloc(1, sizeof *n + b->len - 2);
		if (n) {
			n->wall_ns = clock_wall_ns(a->clock);
			n->len = b->len - 2;
			memcpy(n->body, b->data + 1, n->len);
		}
	}
	note_put(a, n);
	buffer_free(b);
}

static bool is_off(const struct audit *a)
{
	return !a || !a->config->audit.enabled;
}

static void put_text(struct json_writer *w, const char *key, const char *text)
{
	if (!text)
		return;
	json_key(w, key);
	json_text(w, text);
}

static void object_begin(struct json_writer *w, const char *kind, const char *by)
{
	json_object_begin(w);
	put_text(w, "kind", kind);
	put_text(w, "by", by);
}

void audit_note_start(struct audit *a, const char *why, const char *by)
{
	struct buffer b = BUFFER_INIT(AUDIT_BODY_MAX);
	_cleanup_(buffer_free) struct buffer config = BUFFER_INIT(CONFIG_TEXT);
	struct json_writer w = JSON_WRITER(&b);
	char hash[AUDIT_HASH_MAX];

	if (is_off(a))
		return;
	object_begin(&w, "start", by);
	put_text(&w, "why", why);
	put_text(&w, "run", event_run_id());
	put_text(&w, "mode", config_mode_name(a->config->mode));
	/* Which configuration it was can be told by whoever has it. */
	if (config_show(a->config, false, &config) == 0 && audit_hash(buffer_span(&config), hash) == 0)
		put_text(&w, "config_sha256", hash);
	json_object_end(&w);
	note_object(a, &b);
}

/* Who asked for it: an operator by the user id, else source and name. */
static const char *asker(const struct verdict *v, char buf[static 2 * VERDICT_ID_MAX])
{
	if (v->source == VERDICT_OPERATOR && v->origin[0])
		return v->origin;
	snprintf(buf, 2 * VERDICT_ID_MAX, "%s:%s", verdict_source_name(v->source), v->origin);
	return buf;
}

void audit_note_decision(struct audit *a, const struct event *e, const struct audit_who *who)
{
	struct buffer b = BUFFER_INIT(AUDIT_BODY_MAX);
	struct json_writer w = JSON_WRITER(&b);
	char text[2 * VERDICT_ID_MAX];

	if (is_off(a))
		return;
	if (!e) {
		note_put(a, NULL);
		return;
	}
	object_begin(&w, "decision", who->by ? who->by : asker(&e->decision.verdict, text));
	put_text(&w, "answer", who->answer);
	if (who->pending_id) {
		json_key(&w, "pending_id");
		json_uint(&w, who->pending_id);
	}
	json_key(&w, "event");
	event_json_data(&w, e);
	json_object_end(&w);
	note_object(a, &b);
}

void audit_note_mended(struct audit *a, const struct prefix *target, const char *what)
{
	struct buffer b = BUFFER_INIT(AUDIT_BODY_MAX);
	struct json_writer w = JSON_WRITER(&b);
	char text[PREFIX_TEXT_MAX];

	if (is_off(a))
		return;
	object_begin(&w, "mended", "picket");
	put_text(&w, "target", prefix_format(target, text));
	put_text(&w, "what", what);
	json_object_end(&w);
	note_object(a, &b);
}

void audit_note_setting(struct audit *a, const char *name, const char *subject, const char *before,
			const char *value, const char *by)
{
	struct buffer b = BUFFER_INIT(AUDIT_BODY_MAX);
	struct json_writer w = JSON_WRITER(&b);

	if (is_off(a))
		return;
	object_begin(&w, "setting", by);
	put_text(&w, "name", name);
	put_text(&w, "subject", subject);
	put_text(&w, "before", before);
	put_text(&w, "value", value);
	json_object_end(&w);
	note_object(a, &b);
}

/* --- the writer --- */

static struct timespec in_ms(unsigned ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

static int write_missing(struct audit *a, uint64_t count)
{
	char body[128];
	int n = snprintf(body, sizeof body, "\"kind\":\"missing\",\"by\":\"picket\",\"count\":%" PRIu64,
			 count);

	return audit_files_append(a->files, clock_wall_ns(a->clock), (struct span){body, (size_t)n});
}

/* 0, or -errno: the note stays. */
static int write_note(struct audit *a, struct note *n)
{
	int r = n->missing ? write_missing(a, n->missing) : 0;

	if (r)
		return r;
	n->missing = 0;
	return audit_files_append(a->files, n->wall_ns, (struct span){n->body, n->len});
}

/* Lock held. What came of writing; the first failure is told, and the end of it. */
static void written(struct audit *a, int r)
{
	enum audit_state was = a->counts.state;

	a->counts.state = r ? AUDIT_UNWRITTEN : AUDIT_ON;
	a->counts.error = r;
	a->counts.head = audit_files_head(a->files);
	if (r && was == AUDIT_ON)
		log_error("the audit log cannot be written; enforcement goes on, records wait",
			  LOG_S("folder", a->config->state_dir), LOG_ERRNO(r));
	else if (!r && was == AUDIT_UNWRITTEN)
		log_info("the audit log can be written again", LOG_U("missing", a->counts.missing));
}

static void pop(struct audit *a)
{
	struct note *n = a->first;

	a->first = n->next;
	if (!a->first)
		a->end = &a->first;
	a->held--;
	a->bytes -= n->len;
	a->counts.records++;
	free(n);
}

/* Lock held, given away while it writes. Returns how many records there are more. */
static unsigned write_held(struct audit *a)
{
	unsigned count = 0;
	int r = 0;

	while (!r && a->first && count < BATCH_MAX) {
		struct note *n = a->first;

		pthread_mutex_unlock(&a->lock);
		r = write_note(a, n);
		pthread_mutex_lock(&a->lock);
		written(a, r);
		if (r)
			break;
		pop(a);
		count++;
	}
	/* Nothing came behind those that did not fit. */
	if (!r && !a->first && a->untold) {
		uint64_t untold = a->untold;

		a->untold = 0;
		pthread_mutex_unlock(&a->lock);
		r = write_missing(a, untold);
		pthread_mutex_lock(&a->lock);
		a->untold += r ? untold : 0;
		count += !r;
		written(a, r);
	}
	return count;
}

/* Lock held, given away while it syncs. */
static void sync_files(struct audit *a)
{
	pthread_mutex_unlock(&a->lock);
	int r = audit_files_sync(a->files);
	pthread_mutex_lock(&a->lock);
	if (!r)
		return;
	a->counts.sync_failures++;
	a->counts.error = r;
}

static bool has_work(const struct audit *a)
{
	return a->first || a->untold;
}

/* Lock held. Until there is something to write; no longer than ms, 0: as long as it takes. */
static void wait_for_notes(struct audit *a, unsigned ms, bool even_if_held)
{
	struct timespec until = in_ms(ms);

	while (!a->ending && (even_if_held || !has_work(a)))
		if (!ms)
			pthread_cond_wait(&a->noted, &a->lock);
		else if (pthread_cond_timedwait(&a->noted, &a->lock, &until) == ETIMEDOUT)
			return;
}

/* The last of all: no note could come behind it. */
static void write_end(struct audit *a)
{
	static const struct span body = SPAN("\"kind\":\"end\",\"by\":\"picket\"");

	if (!audit_files_append(a->files, clock_wall_ns(a->clock), body) &&
	    a->config->audit.fsync != AUDIT_FSYNC_NEVER)
		audit_files_sync(a->files);
}

static void *writer_main(void *arg)
{
	struct audit *a = arg;
	enum config_audit_fsync when = a->config->audit.fsync;
	uint64_t unsynced = 0, synced_ns = 0;

	pthread_mutex_lock(&a->lock);
	for (;;) {
		unsynced += write_held(a);
		uint64_t now = clock_boot_ns(a->clock);
		if (unsynced && (when == AUDIT_FSYNC_ALWAYS ||
				 (when == AUDIT_FSYNC_SECOND && (now - synced_ns >= SYNC_NS || a->ending)))) {
			sync_files(a);
			synced_ns = now;
			unsynced = 0;
		}
		a->done = a->accepted - a->held;
		pthread_cond_broadcast(&a->settled);
		bool failing = a->counts.state == AUDIT_UNWRITTEN;
		if (a->ending && (failing || !has_work(a)))
			break;
		if (failing)
			wait_for_notes(a, RETRY_S * 1000, true);
		else
			wait_for_notes(a, when == AUDIT_FSYNC_SECOND && unsynced ? 1000 : 0, false);
	}
	bool orderly = a->counts.state == AUDIT_ON;
	pthread_mutex_unlock(&a->lock);
	if (orderly)
		write_end(a);
	return NULL;
}

int audit_start(struct audit *a)
{
	if (!a || !a->files)
		return 0;
	int r = -pthread_create(&a->thread, NULL, writer_main, a);
	a->runs = r == 0;
	return r;
}

void audit_settle(struct audit *a)
{
	if (!a || !a->runs || a->config->audit.fsync != AUDIT_FSYNC_ALWAYS)
		return;
	pthread_mutex_lock(&a->lock);
	struct timespec until = in_ms(AUDIT_SETTLE_MS);
	uint64_t mine = a->accepted;
	while (a->done < mine && a->counts.state == AUDIT_ON)
		if (pthread_cond_timedwait(&a->settled, &a->lock, &until) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&a->lock);
}

struct audit_counts audit_counts(struct audit *a)
{
	if (!a)
		return (struct audit_counts){.head = AUDIT_HEAD_NONE};
	pthread_mutex_lock(&a->lock);
	struct audit_counts c = a->counts;
	c.held = a->held;
	pthread_mutex_unlock(&a->lock);
	return c;
}

static void stop(struct audit *a)
{
	pthread_mutex_lock(&a->lock);
	a->ending = true;
	pthread_cond_signal(&a->noted);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	if (a->held || a->untold)
		log_error("records of the audit log are lost: they could not be written",
			  LOG_U("records", a->held + a->untold), LOG_S("folder", a->config->state_dir));
}

void audit_free(struct audit *a)
{
	if (!a)
		return;
	if (a->runs)
		stop(a);
	while (a->first) {
		struct note *n = a->first;

		a->first = n->next;
		free(n);
	}
	audit_files_free(a->files);
	pthread_cond_destroy(&a->noted);
	pthread_cond_destroy(&a->settled);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
