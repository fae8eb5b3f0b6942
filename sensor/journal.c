// SPDX-License-Identifier: Apache-2.0
#include "sensor/journal.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <time.h>
#include "lib/util.h"
#include "policies/proxies.h"

#define RETRY_MS  1000
#define CLOCK_MS  60000 /* how often is looked whether the wall clock was set */
#define BATCH_MAX 1024  /* notes of one change of the file */
#define COPY_MAX  64    /* entries that are copied at once, while who decides waits */
_Static_assert(COPY_MAX >= BLOCKS_PAGE_MIN, "a page of the list fits");

/* What one change of the file writes. */
struct change {
	struct prefix targets[BATCH_MAX];
	size_t count;
	bool all, settings;
	struct journal_settings now;
	uint64_t until; /* notes that are written with it */
};

struct journal {
	const struct config *config;
	const struct clock *clock;
	struct journal_file *file; /* the writer's, once it runs; NULL: it could not be opened */
	struct journal_source source;
	pthread_t thread;
	bool runs, writable;
	/* The writer's. */
	struct journal_entry *entries; /* COPY_MAX */
	struct change *change;
	bool damaged;          /* ... and could not be made anew yet: nothing is written over it */
	int64_t wall_ahead_ns; /* of the boot clock, as written last */

	pthread_mutex_t lock; /* of all below; never held while a file is touched, or the source asked */
	pthread_cond_t noted, settled;
	struct prefix *notes; /* a ring of JOURNAL_NOTES_MAX */
	size_t first, held;
	uint64_t oldest_ns;      /* when the oldest that is not written was noted; 0: there is none */
	bool rewrite;            /* all of both lists is to be written: notes need not be kept */
	bool settings_changed;   /* ... or the settings */
	uint64_t accepted, done; /* notes, ever; done: they are on the disk */
	bool ending;
	struct journal_settings settings;
	struct journal_counts counts;
};

const char *journal_state_name(enum journal_state state)
{
	static const char *const names[] = {
		[JOURNAL_NONE] = "none",           [JOURNAL_ON] = "on",
		[JOURNAL_READ_ONLY] = "read_only", [JOURNAL_UNOPENED] = "unopened",
		[JOURNAL_UNWRITTEN] = "unwritten",
	};

	return (size_t)state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

/* --- open --- */

static void found_tell(struct journal *j, const struct journal_found *found)
{
	const char *folder = j->config->state_dir;

	if (found->aside[0])
		log_warning("the journal of blocks was put aside, and a new one begun",
			    LOG_S("folder", folder), LOG_S("kept", found->aside), LOG_S("why", found->why));
	if (found->read_only)
		log_warning("the journal of blocks can be read, but not be written: what is decided from now "
			    "on is lost with a restart",
			    LOG_S("folder", folder));
	snprintf(j->counts.aside, sizeof j->counts.aside, "%s", found->aside);
	j->counts.state = found->read_only ? JOURNAL_READ_ONLY : JOURNAL_ON;
	j->counts.error = found->read_only ? -EROFS : 0;
	j->rewrite = found->other_boot && !found->read_only;
	j->writable = !found->read_only;
}

static void file_open(struct journal *j)
{
	char boot[JOURNAL_BOOT_MAX];
	const struct journal_file_options options = {
		.state_dir = j->config->state_dir,
		.boot = boot,
		.clock = j->clock,
		.ttl_max_ms = j->config->limits.ttl_max_ms,
	};
	struct journal_found found;

	store_boot_read(boot);
	int r = journal_file_open(&options, &j->file, &found);
	if (!r) {
		found_tell(j, &found);
		return;
	}
	j->counts.state = JOURNAL_UNOPENED;
	j->counts.error = r;
	if (r == -EBUSY)
		log_warning("blocks will not outlive a restart: another picket has the journal",
			    LOG_S("folder", j->config->state_dir),
			    LOG_S("hint", "give each instance a state_dir of its own"));
	else
		log_warning("blocks will not outlive a restart: the journal cannot be opened",
			    LOG_S("folder", j->config->state_dir), LOG_ERRNO(r),
			    LOG_S("hint", "state_dir must be a folder that root may write"));
}

int journal_new(const struct config *config, const struct clock *clock, struct journal **ret)
{
	struct journal *j = calloc(1, sizeof *j);
	pthread_condattr_t monotonic;

	if (!j)
		return -ENOMEM;
	j->config = config;
	j->clock = clock;
	pthread_mutex_init(&j->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&j->noted, &monotonic);
	pthread_cond_init(&j->settled, &monotonic);
	pthread_condattr_destroy(&monotonic);
	j->notes = malloc(JOURNAL_NOTES_MAX * sizeof *j->notes);
	j->entries = malloc(COPY_MAX * sizeof *j->entries);
	j->change = malloc(sizeof *j->change);
	if (!j->notes || !j->entries || !j->change) {
		journal_free(j);
		return -ENOMEM;
	}
	file_open(j);
	*ret = j;
	return 0;
}

/* --- what outlived the restart --- */

/* What was damaged is kept beside it. It stays where it stands, too, until what could be read of it is
 * written anew: a kill before loses nothing. */
static void put_aside(struct journal *j)
{
	int r = journal_file_aside(j->file);

	pthread_mutex_lock(&j->lock);
	bool news = strcmp(j->counts.aside, JOURNAL_SPARE) != 0;
	j->damaged = j->rewrite = true;
	j->counts.error = r;
	if (!r)
		snprintf(j->counts.aside, sizeof j->counts.aside, JOURNAL_SPARE);
	pthread_mutex_unlock(&j->lock);
	if (r)
		log_error("the journal of blocks is damaged, and cannot be put aside", LOG_ERRNO(r),
			  LOG_S("folder", j->config->state_dir));
	else if (news)
		log_warning("the journal of blocks is damaged: it was put aside, and what could be read of "
			    "it is in the new one",
			    LOG_S("folder", j->config->state_dir), LOG_S("kept", JOURNAL_SPARE),
			    LOG_S("hint", "sqlite3 " JOURNAL_SPARE " .recover shows what is in it"));
}

/* What the configuration says of exactly that prefix. */
static unsigned configured_class(const struct config *c, const struct prefix *who)
{
	for (unsigned i = 0; i < c->proxies.trusted.count; i++)
		if (prefix_equal(&c->proxies.trusted.items[i], who))
			return PROXY_CLASS_TRUSTED;
	for (unsigned i = 0; i < c->proxies.direct.count; i++)
		if (prefix_equal(&c->proxies.direct.items[i], who))
			return PROXY_CLASS_DIRECT;
	return PROXY_CLASS_CLIENT;
}

/* The file's word is newer than what was said at run time where it is another than then. */
static void settings_weigh(struct journal *j)
{
	struct journal_settings *s = &j->settings;
	char text[PREFIX_TEXT_MAX];
	unsigned kept = 0;

	if (s->mode && s->mode_configured != (uint32_t)j->config->mode) {
		log_info("the configuration has another mode than before: that counts",
			 LOG_S("mode", config_mode_name(j->config->mode)),
			 LOG_S("was_set", config_mode_name((enum config_mode)s->mode)));
		s->mode = 0;
		j->settings_changed = true;
	}
	for (unsigned i = 0; i < s->proxy_count; i++) {
		if (configured_class(j->config, &s->proxies[i].who) == s->proxies[i].configured) {
			s->proxies[kept++] = s->proxies[i];
			continue;
		}
		log_info("the configuration says something else of a proxy than before: that counts",
			 LOG_S("proxy", prefix_format(&s->proxies[i].who, text)));
		j->settings_changed = true;
	}
	s->proxy_count = kept;
}

int journal_load(struct journal *j, int (*each)(void *arg, const struct journal_entry *e), void *arg)
{
	struct journal_read read = {0};

	if (!j || !j->file)
		return 0;
	uint64_t began_ns = clock_boot_ns(j->clock);
	int r = journal_file_settings(j->file, &j->settings);
	bool damaged = r == JOURNAL_E_DAMAGED;
	if (!r || damaged)
		r = journal_file_load(j->file, each, arg, &read);
	j->counts.restored = (struct journal_restored){
		.claims = read.claims,
		.ended = read.ended,
		.unreadable = read.unreadable,
		.took_ns = clock_boot_ns(j->clock) - began_ns,
	};
	if (r > JOURNAL_E_DAMAGED)
		return r;
	if (r < 0)
		log_error("the journal of blocks cannot be read to its end", LOG_ERRNO(r),
			  LOG_S("folder", j->config->state_dir));
	/* Nothing may be written over what was not understood. */
	if (r || damaged || read.unreadable)
		put_aside(j);
	if (j->damaged && j->writable && j->counts.error)
		j->counts.state = JOURNAL_UNWRITTEN;
	settings_weigh(j);
	return 0;
}

struct journal_room journal_room(struct journal *j)
{
	struct journal_room room = {0, 0};

	if (j && j->file)
		(void)journal_file_room(j->file, &room); /* then it grows by steps */
	return room;
}

void journal_note_restored(struct journal *j, const struct journal_restored *restored)
{
	if (!j)
		return;
	pthread_mutex_lock(&j->lock);
	j->counts.restored.targets = restored->targets;
	j->counts.restored.refused = restored->refused;
	j->counts.restored.adopted = restored->adopted;
	j->counts.restored.took_ns = restored->took_ns;
	pthread_mutex_unlock(&j->lock);
}

enum config_mode journal_mode(const struct journal *j)
{
	return j ? (enum config_mode)j->settings.mode : (enum config_mode)0;
}

unsigned journal_proxies(const struct journal *j, const struct journal_proxy **ret_proxies)
{
	if (!j)
		return 0;
	*ret_proxies = j->settings.proxies;
	return j->settings.proxy_count;
}

/* --- notes --- */

/* Lock held. */
static void changed(struct journal *j)
{
	if (!j->oldest_ns)
		j->oldest_ns = clock_boot_ns(j->clock);
	j->accepted++;
	pthread_cond_signal(&j->noted);
}

static bool is_written(const struct journal *j)
{
	return j && j->writable;
}

void journal_note(struct journal *j, const struct prefix *target)
{
	if (!is_written(j))
		return;
	pthread_mutex_lock(&j->lock);
	if (!j->rewrite && j->held == JOURNAL_NOTES_MAX) {
		j->rewrite = true;
		j->held = 0;
		j->counts.overruns++;
	}
	if (!j->rewrite)
		j->notes[(j->first + j->held++) % JOURNAL_NOTES_MAX] = *target;
	changed(j);
	pthread_mutex_unlock(&j->lock);
}

static void settings_set_changed(struct journal *j)
{
	j->settings_changed = true;
	changed(j);
}

void journal_set_mode(struct journal *j, enum config_mode mode)
{
	if (!is_written(j))
		return;
	pthread_mutex_lock(&j->lock);
	j->settings.mode = (uint32_t)mode;
	j->settings.mode_configured = (uint32_t)j->config->mode;
	settings_set_changed(j);
	pthread_mutex_unlock(&j->lock);
}

void journal_set_proxy(struct journal *j, const struct prefix *who, unsigned class)
{
	struct journal_settings *s;
	unsigned at = 0;

	if (!is_written(j))
		return;
	pthread_mutex_lock(&j->lock);
	s = &j->settings;
	while (at < s->proxy_count && !prefix_equal(&s->proxies[at].who, who))
		at++;
	if (class == PROXY_CLASS_CLIENT) {
		if (at < s->proxy_count)
			s->proxies[at] = s->proxies[--s->proxy_count];
	} else if (at < JOURNAL_PROXY_MAX) { /* as many as proxies_set takes */
		s->proxy_count = MAX(s->proxy_count, at + 1);
		s->proxies[at] = (struct journal_proxy){
			.who = *who,
			.class = (uint8_t) class,
			.configured = (uint8_t)configured_class(j->config, who),
		};
	}
	settings_set_changed(j);
	pthread_mutex_unlock(&j->lock);
}

void journal_settings_forget(struct journal *j)
{
	if (!is_written(j))
		return;
	pthread_mutex_lock(&j->lock);
	j->settings = (struct journal_settings){.mode = 0};
	settings_set_changed(j);
	pthread_mutex_unlock(&j->lock);
}

/* --- writing --- */

/* Lock held. */
static void change_take(struct journal *j, struct change *c)
{
	*c = (struct change){.all = j->rewrite, .settings = j->rewrite || j->settings_changed};
	if (j->rewrite)
		j->held = 0;
	c->count = MIN(j->held, (size_t)BATCH_MAX);
	for (size_t i = 0; i < c->count; i++)
		c->targets[i] = j->notes[(j->first + i) % JOURNAL_NOTES_MAX];
	j->first = (j->first + c->count) % JOURNAL_NOTES_MAX;
	j->held -= c->count;
	c->until = j->accepted - j->held;
	if (c->settings)
		c->now = j->settings;
	j->rewrite = j->settings_changed = false;
}

static int targets_put(struct journal *j, const struct prefix *targets, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count; i++)
		j->entries[i] = (struct journal_entry){.target = targets[i]};
	j->source.copy(j->source.arg, j->entries, count);
	for (size_t i = 0; !r && i < count; i++)
		r = journal_file_put(j->file, &j->entries[i]);
	return r;
}

static int list_put(struct journal *j, enum journal_list list)
{
	struct prefix targets[COPY_MAX];
	size_t cursor = 0, count;
	int r = 0;

	while (!r && (count = j->source.page(j->source.arg, list, &cursor, targets, COPY_MAX)))
		r = targets_put(j, targets, count);
	return r;
}

static int lists_put(struct journal *j)
{
	int r = journal_file_clear(j->file);

	if (!r)
		r = list_put(j, JOURNAL_KERNEL);
	return r ? r : list_put(j, JOURNAL_HTTP);
}

static int change_put(struct journal *j, const struct change *c)
{
	int r = c->all ? lists_put(j) : 0;

	for (size_t at = 0; !r && at < c->count; at += COPY_MAX)
		r = targets_put(j, c->targets + at, MIN(c->count - at, (size_t)COPY_MAX));
	if (!r && c->settings)
		r = journal_file_settings_put(j->file, &c->now);
	return r;
}

static int change_write(struct journal *j, const struct change *c)
{
	int r = journal_file_begin(j->file);

	if (!r)
		r = change_put(j, c);
	const struct journal_room room = j->source.room(j->source.arg);
	if (!r)
		r = journal_file_commit(j->file, &room);
	if (r)
		journal_file_rollback(j->file);
	return r;
}

/* An empty database, and at once all that is in force: a crash between the two would lose it. */
static int write_anew(struct journal *j, struct change *c)
{
	int r = journal_file_reset(j->file);

	if (r)
		return r;
	pthread_mutex_lock(&j->lock);
	j->rewrite = true;
	change_take(j, c);
	pthread_mutex_unlock(&j->lock);
	r = change_write(j, c);
	if (r == JOURNAL_E_DAMAGED) /* again: then it is no use to hurry */
		return -EIO;
	j->damaged = false;
	return r;
}

static int change_or_all(struct journal *j, struct change *c)
{
	int r = j->damaged ? JOURNAL_E_DAMAGED : change_write(j, c);

	if (r != JOURNAL_E_DAMAGED)
		return r;
	put_aside(j);
	return write_anew(j, c);
}

static struct timespec in_ms(uint64_t ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	uint64_t ns = (uint64_t)t.tv_nsec + ms * NS_PER_MS;
	t.tv_sec += (time_t)(ns / NS_PER_S);
	t.tv_nsec = (long)(ns % NS_PER_S);
	return t;
}

static int64_t wall_ahead_ns(const struct journal *j)
{
	return (int64_t)(clock_wall_ns(j->clock) - clock_boot_ns(j->clock));
}

/* Lock held. */
static void written(struct journal *j, const struct change *c)
{
	if (j->counts.state == JOURNAL_UNWRITTEN)
		log_info("the journal of blocks is written again", LOG_S("folder", j->config->state_dir));
	j->counts.state = JOURNAL_ON;
	j->counts.error = 0;
	j->counts.written++;
	j->done = c->until;
	j->oldest_ns = j->accepted == c->until ? 0 : clock_boot_ns(j->clock);
	j->wall_ahead_ns = wall_ahead_ns(j);
	pthread_cond_broadcast(&j->settled);
}

/* Lock held. Whatever was lost of the change comes with the whole list. */
static void unwritten(struct journal *j, int error)
{
	if (j->counts.state != JOURNAL_UNWRITTEN)
		log_error("the journal of blocks cannot be written: it is tried again each second",
			  LOG_S("folder", j->config->state_dir), LOG_ERRNO(error));
	j->counts.state = JOURNAL_UNWRITTEN;
	j->counts.error = error;
	j->rewrite = j->settings_changed = true;
	pthread_cond_broadcast(&j->settled);
}

static bool something(const struct journal *j)
{
	return j->held || j->rewrite || j->settings_changed;
}

/* Somebody set the wall clock: deadlines of another boot go by how it stands to the boot clock. */
static bool wall_jumped(const struct journal *j)
{
	int64_t by = wall_ahead_ns(j) - j->wall_ahead_ns;

	return by > (int64_t)NS_PER_S || by < -(int64_t)NS_PER_S;
}

/* Lock held. */
static void wait_for_notes(struct journal *j)
{
	while (!something(j) && !j->ending) {
		struct timespec until = in_ms(CLOCK_MS);
		if (pthread_cond_timedwait(&j->noted, &j->lock, &until) == ETIMEDOUT && wall_jumped(j))
			break;
	}
}

static void wait_for_retry(struct journal *j)
{
	struct timespec until = in_ms(RETRY_MS);

	while (!j->ending)
		if (pthread_cond_timedwait(&j->noted, &j->lock, &until) == ETIMEDOUT)
			break;
}

static void *writer_main(void *arg)
{
	struct journal *j = arg;
	struct change *c = j->change;

	pthread_mutex_lock(&j->lock);
	j->wall_ahead_ns = wall_ahead_ns(j);
	for (;;) {
		wait_for_notes(j);
		if (j->ending && !something(j))
			break;
		change_take(j, c);
		pthread_mutex_unlock(&j->lock);
		int r = change_or_all(j, c);
		pthread_mutex_lock(&j->lock);
		if (!r)
			written(j, c);
		else
			unwritten(j, r);
		if (r && j->ending)
			break;
		if (r)
			wait_for_retry(j);
	}
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

int journal_start(struct journal *j, const struct journal_source *source)
{
	if (!is_written(j))
		return 0;
	j->source = *source;
	int r = -pthread_create(&j->thread, NULL, writer_main, j);
	j->runs = r == 0;
	return r;
}

bool journal_keeps(struct journal *j)
{
	return journal_counts(j).state == JOURNAL_ON;
}

void journal_settle(struct journal *j)
{
	if (!j || !j->runs)
		return;
	pthread_mutex_lock(&j->lock);
	struct timespec until = in_ms(JOURNAL_SETTLE_MS);
	uint64_t mine = j->accepted;
	while (j->done < mine && j->counts.state == JOURNAL_ON)
		if (pthread_cond_timedwait(&j->settled, &j->lock, &until) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&j->lock);
}

struct journal_counts journal_counts(struct journal *j)
{
	if (!j)
		return (struct journal_counts){.state = JOURNAL_NONE};
	pthread_mutex_lock(&j->lock);
	struct journal_counts c = j->counts;
	c.held = j->accepted - j->done;
	c.held_ns = j->oldest_ns ? clock_boot_ns(j->clock) - j->oldest_ns : 0;
	pthread_mutex_unlock(&j->lock);
	return c;
}

static void stop(struct journal *j)
{
	pthread_mutex_lock(&j->lock);
	j->ending = true;
	pthread_cond_signal(&j->noted);
	pthread_mutex_unlock(&j->lock);
	pthread_join(j->thread, NULL);
	if (something(j))
		log_error("the journal of blocks ends behind what was decided: it could not be written",
			  LOG_S("folder", j->config->state_dir), LOG_ERRNO(j->counts.error));
}

void journal_free(struct journal *j)
{
	if (!j)
		return;
	if (j->runs)
		stop(j);
	journal_file_free(j->file);
	pthread_cond_destroy(&j->noted);
	pthread_cond_destroy(&j->settled);
	pthread_mutex_destroy(&j->lock);
	free(j->notes);
	free(j->entries);
	free(j->change);
	free(j);
}
