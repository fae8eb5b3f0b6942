// SPDX-License-Identifier: Apache-2.0
#include "sensor/memory.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include "lib/log.h"
#include "lib/util.h"
#include "policies/detect.h"

#define PAGE_MAX 64 /* records that are copied at once, while who remembers waits */

/* What changed of one kind. */
struct page {
	uint32_t slots[PAGE_MAX];
	bool gone[PAGE_MAX];
	union {
		struct regulars_record regulars[PAGE_MAX];
		struct regulars_place places[PAGE_MAX];
		struct witness_record witnesses[PAGE_MAX];
		struct offenders_record offenders[PAGE_MAX];
		struct forecast_entry forecast[PAGE_MAX];
		struct rejected rejected[PAGE_MAX];
		struct behaviour_record behaviour[PAGE_MAX];
		struct baseline_record baselines[PAGE_MAX];
		struct kept_count counts[PAGE_MAX];
	};
};

struct memory {
	const struct config *config;
	const struct clock *clock;
	struct memory_file *file; /* the writer's, once it runs; NULL: it could not be opened */
	struct memory_parts parts;
	struct memory_basis basis;
	pthread_t thread;
	bool runs, writable;
	/* The writer's. */
	struct page *page;
	bool all;     /* is written, in place of what is there */
	bool begun;   /* a change of the file */
	bool damaged; /* ... and not made anew yet */
	uint64_t rows;

	pthread_mutex_t lock; /* of all below; never held while a file is touched */
	pthread_cond_t wake;
	bool ending;
	struct memory_counts counts;
};

/* --- open --- */

static void found_tell(struct memory *m, const struct store_found *found)
{
	const char *folder = m->config->state_dir;

	if (found->aside[0])
		log_warning("the memory of clients was put aside, and a new one begun",
			    LOG_S("folder", folder), LOG_S("kept", found->aside), LOG_S("why", found->why));
	if (found->read_only)
		log_warning("the memory of clients can be read, but not be written: a restart loses what is "
			    "learned from now on",
			    LOG_S("folder", folder));
	snprintf(m->counts.aside, sizeof m->counts.aside, "%s", found->aside);
	m->counts.state = found->read_only ? JOURNAL_READ_ONLY : JOURNAL_ON;
	m->counts.error = found->read_only ? -EROFS : 0;
	m->writable = !found->read_only;
}

static void file_open(struct memory *m)
{
	char boot[STORE_BOOT_MAX];
	const struct store_options options = {
		.state_dir = m->config->state_dir, .boot = boot, .clock = m->clock};
	struct store_found found;

	store_boot_read(boot);
	int r = memory_file_open(&options, m->config->limits.ttl_max_ms, &m->file, &found);
	if (!r) {
		found_tell(m, &found);
		return;
	}
	m->counts.state = JOURNAL_UNOPENED;
	m->counts.error = r;
	log_warning("what is known of clients will not outlive a restart: its file cannot be opened",
		    LOG_S("folder", m->config->state_dir), LOG_S("file", MEMORY_NAME), LOG_ERRNO(r),
		    LOG_S("hint", "state_dir must be a folder that root may write, and each instance's own"));
}

int memory_new(const struct config *config, const struct clock *clock, struct memory **ret)
{
	struct memory *m = calloc(1, sizeof *m);
	pthread_condattr_t monotonic;

	if (!m)
		return -ENOMEM;
	m->config = config;
	m->clock = clock;
	pthread_mutex_init(&m->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&m->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	m->page = malloc(sizeof *m->page);
	if (!m->page) {
		memory_free(m);
		return -ENOMEM;
	}
	file_open(m);
	*ret = m;
	return 0;
}

/* --- what outlived the restart --- */

struct loading {
	struct memory *m;
	enum memory_kind kind;
	uint64_t now_ns;
};

static bool give_back(const struct memory_parts *p, enum memory_kind kind, const union memory_record *r,
		      uint64_t now_ns)
{
	switch (kind) {
	case MEMORY_REGULARS:
		return p->regulars && regulars_restore(p->regulars, &r->regular, now_ns);
	case MEMORY_PLACES:
		return p->regulars && regulars_place_restore(p->regulars, &r->place, now_ns);
	case MEMORY_WITNESSES:
		return p->witness && witness_restore(p->witness, &r->witness, now_ns);
	case MEMORY_OFFENDERS:
		return p->enforcer && enforcer_offender_restore(p->enforcer, &r->offender);
	case MEMORY_FORECAST:
		return p->forecast && forecast_restore(p->forecast, &r->forecast);
	case MEMORY_REJECTED:
		return p->enforcer && enforcer_rejected_restore(p->enforcer, &r->rejected);
	case MEMORY_BEHAVIOUR:
		return p->behaviour && behaviour_restore(p->behaviour, &r->behaviour);
	case MEMORY_BASELINES:
		return p->baseline && baseline_restore(p->baseline, &r->baseline);
	case MEMORY_COUNTS:
		return p->detect && detect_restore(p->detect, &r->count, now_ns);
	case MEMORY_KINDS:
		break;
	}
	return false;
}

static void on_record(void *arg, const union memory_record *r)
{
	const struct loading *l = arg;
	struct memory_counts *c = &l->m->counts;

	if (give_back(&l->m->parts, l->kind, r, l->now_ns))
		c->restored[l->kind]++;
	else
		c->ended[l->kind]++;
}

/* As the journal's: it stays where it stands, too, until what could be read of it is written anew. */
static void put_aside(struct memory *m)
{
	int r = memory_file_aside(m->file);

	pthread_mutex_lock(&m->lock);
	bool news = strcmp(m->counts.aside, MEMORY_SPARE) != 0;
	m->damaged = m->all = true;
	m->counts.error = r;
	if (!r)
		snprintf(m->counts.aside, sizeof m->counts.aside, MEMORY_SPARE);
	pthread_mutex_unlock(&m->lock);
	if (r)
		log_error("the memory of clients is damaged, and cannot be put aside", LOG_ERRNO(r),
			  LOG_S("folder", m->config->state_dir));
	else if (news)
		log_warning(
			"the memory of clients is damaged: it was put aside, and what could be read of it "
			"is in the new one",
			LOG_S("folder", m->config->state_dir), LOG_S("kept", MEMORY_SPARE));
}

/* The key, before anything that was hashed by it. 0; MEMORY_E_NONE; STORE_E_DAMAGED or -errno. */
static int basis_load(struct memory *m)
{
	int r = memory_file_basis(m->file, &m->basis);

	if (r)
		return r;
	if (m->parts.regulars)
		regulars_set_key(m->parts.regulars, m->basis.key);
	if (m->parts.behaviour)
		behaviour_set_key(m->parts.behaviour, m->basis.key);
	if (m->parts.baseline)
		baseline_set_key(m->parts.baseline, m->basis.key);
	if (m->parts.detect)
		detect_set_key(m->parts.detect, m->basis.key);
	return 0;
}

static int rows_load(struct memory *m)
{
	int r = 0;

	for (unsigned kind = 0; kind < MEMORY_KINDS; kind++) {
		struct loading l = {m, (enum memory_kind)kind, clock_boot_ns(m->clock)};
		int one = memory_file_load(m->file, l.kind, on_record, &l, &m->counts.unreadable);
		if (one && r <= 0) /* damage goes before another error, and the other kinds may be whole */
			r = one;
	}
	return r;
}

static void restored_log(const struct memory_counts *c)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < MEMORY_KINDS; i++)
		all += c->restored[i];
	if (all)
		log_info("what was known of clients before is known again",
			 LOG_U("regulars", c->restored[MEMORY_REGULARS]),
			 LOG_U("witnesses", c->restored[MEMORY_WITNESSES]),
			 LOG_U("offenders", c->restored[MEMORY_OFFENDERS]),
			 LOG_U("forecast", c->restored[MEMORY_FORECAST]),
			 LOG_U("rejected", c->restored[MEMORY_REJECTED]),
			 LOG_U("clients", c->restored[MEMORY_BEHAVIOUR]),
			 LOG_U("baselines", c->restored[MEMORY_BASELINES]),
			 LOG_U("counts", c->restored[MEMORY_COUNTS]), LOG_U("unreadable", c->unreadable));
}

static void basis_begin(struct memory *m)
{
	m->basis.since_ns = (int64_t)clock_boot_ns(m->clock);
	if (m->parts.regulars)
		regulars_key(m->parts.regulars, m->basis.key);
	if (m->parts.behaviour)
		behaviour_set_key(m->parts.behaviour, m->basis.key);
	if (m->parts.baseline)
		baseline_set_key(m->parts.baseline, m->basis.key);
	if (m->parts.detect)
		detect_set_key(m->parts.detect, m->basis.key);
}

int memory_load(struct memory *m, const struct memory_parts *parts)
{
	if (!m)
		return 0;
	m->parts = *parts;
	m->all = true; /* places have new numbers, and perhaps it is another boot */
	int r = m->file ? basis_load(m) : MEMORY_E_NONE;
	bool known = r == 0;
	if (known)
		r = rows_load(m);
	else
		basis_begin(m);
	if (parts->forecast)
		forecast_set_since(parts->forecast, m->basis.since_ns);
	if (r < 0)
		log_error("the memory of clients cannot be read to its end", LOG_ERRNO(r),
			  LOG_S("folder", m->config->state_dir));
	/* Nothing may be written over what was not understood. */
	if (m->writable && (r < 0 || r == STORE_E_DAMAGED || m->counts.unreadable))
		put_aside(m);
	if (m->damaged && m->counts.error)
		m->counts.state = JOURNAL_UNWRITTEN;
	restored_log(&m->counts);
	return r == -ENOMEM ? r : 0;
}

/* --- writing --- */

static void change_all(struct memory *m)
{
	if (m->parts.regulars)
		regulars_change_all(m->parts.regulars);
	if (m->parts.witness)
		witness_change_all(m->parts.witness);
	if (m->parts.forecast)
		forecast_change_all(m->parts.forecast);
	if (m->parts.enforcer)
		enforcer_memory_change_all(m->parts.enforcer);
	if (m->parts.behaviour)
		behaviour_change_all(m->parts.behaviour);
	if (m->parts.baseline)
		baseline_change_all(m->parts.baseline);
	if (m->parts.detect)
		kept_counts_change_all(detect_kept(m->parts.detect));
}

static size_t page_take(struct memory *m, enum memory_kind kind)
{
	const struct memory_parts *p = &m->parts;
	struct page *to = m->page;

	memset(to->gone, 0, sizeof to->gone);
	switch (kind) {
	case MEMORY_REGULARS:
		return p->regulars
			       ? regulars_changes(p->regulars, to->regulars, to->slots, to->gone, PAGE_MAX)
			       : 0;
	case MEMORY_PLACES:
		return p->regulars ? regulars_place_changes(p->regulars, to->places, to->slots, PAGE_MAX) : 0;
	case MEMORY_WITNESSES:
		return p->witness ? witness_changes(p->witness, to->witnesses, to->slots, PAGE_MAX) : 0;
	case MEMORY_OFFENDERS:
		return p->enforcer
			       ? enforcer_offenders(p->enforcer, to->offenders, to->slots, to->gone, PAGE_MAX)
			       : 0;
	case MEMORY_FORECAST:
		return p->forecast ? forecast_changes(p->forecast, to->forecast, to->slots, PAGE_MAX) : 0;
	case MEMORY_REJECTED:
		return p->enforcer
			       ? enforcer_rejected(p->enforcer, to->rejected, to->slots, to->gone, PAGE_MAX)
			       : 0;
	case MEMORY_BEHAVIOUR:
		return p->behaviour
			       ? behaviour_changes(p->behaviour, to->behaviour, to->slots, to->gone, PAGE_MAX)
			       : 0;
	case MEMORY_BASELINES:
		return p->baseline
			       ? baseline_changes(p->baseline, to->baselines, to->slots, to->gone, PAGE_MAX)
			       : 0;
	case MEMORY_COUNTS:
		return p->detect ? kept_counts_changes(detect_kept(p->detect), to->counts, to->slots,
						       to->gone, PAGE_MAX)
				 : 0;
	case MEMORY_KINDS:
		break;
	}
	return 0;
}

static union memory_record record_of(const struct page *p, enum memory_kind kind, size_t i)
{
	switch (kind) {
	case MEMORY_REGULARS:
		return (union memory_record){.regular = p->regulars[i]};
	case MEMORY_PLACES:
		return (union memory_record){.place = p->places[i]};
	case MEMORY_WITNESSES:
		return (union memory_record){.witness = p->witnesses[i]};
	case MEMORY_OFFENDERS:
		return (union memory_record){.offender = p->offenders[i]};
	case MEMORY_FORECAST:
		return (union memory_record){.forecast = p->forecast[i]};
	case MEMORY_BEHAVIOUR:
		return (union memory_record){.behaviour = p->behaviour[i]};
	case MEMORY_BASELINES:
		return (union memory_record){.baseline = p->baselines[i]};
	case MEMORY_COUNTS:
		return (union memory_record){.count = p->counts[i]};
	case MEMORY_REJECTED:
	case MEMORY_KINDS:
		break;
	}
	return (union memory_record){.rejected = p->rejected[i]};
}

static int begin(struct memory *m)
{
	int r = m->begun ? 0 : memory_file_begin(m->file);

	m->begun = true;
	return r;
}

static int page_put(struct memory *m, enum memory_kind kind, size_t count)
{
	int r = count ? begin(m) : 0;

	for (size_t i = 0; !r && i < count; i++) {
		const union memory_record record = record_of(m->page, kind, i);
		r = memory_file_put(m->file, kind, m->page->slots[i], m->page->gone[i] ? NULL : &record);
		m->rows++;
	}
	return r;
}

static int changes_put(struct memory *m)
{
	int r = 0;

	for (unsigned kind = 0; !r && kind < MEMORY_KINDS; kind++) {
		size_t count = PAGE_MAX;
		/* What changes meanwhile comes the next time: a flood does not hold it here. */
		for (unsigned pages = 0; !r && count == PAGE_MAX && pages < 2048; pages++) {
			count = page_take(m, (enum memory_kind)kind);
			r = page_put(m, (enum memory_kind)kind, count);
		}
	}
	return r;
}

static int change_write(struct memory *m)
{
	int r = 0;

	m->rows = 0;
	m->begun = false;
	if (m->all) {
		r = begin(m);
		if (!r)
			r = memory_file_clear(m->file);
		change_all(m);
	}
	if (!r)
		r = changes_put(m);
	if (!r && m->begun)
		r = memory_file_commit(m->file, &m->basis);
	if (r)
		memory_file_rollback(m->file);
	return r;
}

/* Lock held. */
static void unwritten(struct memory *m, int error)
{
	if (m->counts.state != JOURNAL_UNWRITTEN)
		log_error("what is known of clients cannot be written: it is tried again",
			  LOG_S("folder", m->config->state_dir), LOG_S("file", MEMORY_NAME),
			  LOG_ERRNO(error));
	m->counts.state = JOURNAL_UNWRITTEN;
	m->counts.error = error;
}

/* Lock held. */
static void written(struct memory *m, uint64_t as_of_ns)
{
	if (m->counts.state == JOURNAL_UNWRITTEN)
		log_info("what is known of clients is written again", LOG_S("folder", m->config->state_dir),
			 LOG_S("file", MEMORY_NAME));
	m->counts.state = JOURNAL_ON;
	m->counts.error = 0;
	m->counts.written += m->begun;
	m->counts.rows += m->rows;
	m->counts.as_of_ns = as_of_ns;
}

static void write_once(struct memory *m)
{
	uint64_t as_of_ns = clock_boot_ns(m->clock);
	int r = m->damaged ? STORE_E_DAMAGED : change_write(m);

	if (r == STORE_E_DAMAGED) {
		put_aside(m);
		r = memory_file_reset(m->file);
		if (!r)
			r = change_write(m);
		m->damaged = r != 0;
	}
	pthread_mutex_lock(&m->lock);
	if (r)
		unwritten(m, r < 0 ? r : -EIO);
	else
		written(m, as_of_ns);
	m->all = r != 0; /* whatever was lost of the change comes with all of it */
	pthread_mutex_unlock(&m->lock);
}

static void *writer_main(void *arg)
{
	struct memory *m = arg;
	bool ending = false;

	while (!ending) {
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += MEMORY_WRITE_MS / 1000;
		pthread_mutex_lock(&m->lock);
		while (!m->ending && pthread_cond_timedwait(&m->wake, &m->lock, &until) != ETIMEDOUT)
			;
		ending = m->ending;
		pthread_mutex_unlock(&m->lock);
		write_once(m);
	}
	return NULL;
}

int memory_start(struct memory *m)
{
	if (!m || !m->writable)
		return 0;
	int r = -pthread_create(&m->thread, NULL, writer_main, m);
	m->runs = r == 0;
	return r;
}

static void stop(struct memory *m)
{
	pthread_mutex_lock(&m->lock);
	m->ending = true;
	pthread_cond_signal(&m->wake);
	pthread_mutex_unlock(&m->lock);
	pthread_join(m->thread, NULL);
}

void memory_free(struct memory *m)
{
	if (!m)
		return;
	if (m->runs)
		stop(m);
	memory_file_free(m->file);
	pthread_cond_destroy(&m->wake);
	pthread_mutex_destroy(&m->lock);
	free(m->page);
	free(m);
}

struct memory_counts memory_counts(struct memory *m)
{
	if (!m)
		return (struct memory_counts){.state = JOURNAL_NONE};
	pthread_mutex_lock(&m->lock);
	struct memory_counts c = m->counts;
	pthread_mutex_unlock(&m->lock);
	return c;
}
