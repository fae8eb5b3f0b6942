// SPDX-License-Identifier: Apache-2.0
/*
 * store_fuzz.c: any bytes as journal.db or memory.db, and as the log of changes beside it (what a crash, a
 * disk or a hand may leave). Checked: opening and reading them ends, whatever comes out of it makes sense,
 * and then, be it put aside, made anew or read, the file takes a change and has it when it is opened again.
 *
 * Input: a byte whose bit 0 says which of the two; two bytes, the length of the log, which stands at the end.
 */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include "lib/log.h"
#include "lib/util.h"
#include "sensor/journal_file.h"
#include "sensor/memory_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_NS (1000 * NS_PER_S)

static char folder[64];

static uint64_t boot(void *arg)
{
	(void)arg;
	return NOW_NS;
}

static uint64_t wall(void *arg)
{
	(void)arg;
	return 1700000000 * NS_PER_S;
}

static const struct clock fixed = {boot, wall, NULL};

static void folder_empty(void)
{
	char path[512];
	DIR *d = opendir(folder);

	for (struct dirent *e; d && (e = readdir(d));) {
		snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
		if (e->d_name[0] != '.')
			unlink(path);
	}
	if (d)
		closedir(d);
}

static void folder_remove(void)
{
	folder_empty();
	rmdir(folder);
}

static void folder_make(void)
{
	snprintf(folder, sizeof folder, "%s/picket-store-fuzz-XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	if (!mkdtemp(folder))
		abort();
	atexit(folder_remove);
}

static void file_write(const char *name, const char *suffix, const uint8_t *bytes, size_t len)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
		abort();
	close(fd);
}

/* --- the journal --- */

static int on_entry(void *arg, const struct journal_entry *e)
{
	struct prefix clean = prefix_of(&e->target.addr, e->target.bits);
	size_t *entries = arg;

	assert(prefix_equal(&clean, &e->target));
	for (unsigned k = 0; k < JOURNAL_LISTS; k++) {
		assert(e->lists[k].count <= BLOCKS_CLAIMS_MAX);
		for (unsigned i = 0; i < e->lists[k].count; i++) {
			const struct block_claim *c = &e->lists[k].claims[i];
			assert(verdict_denies(c->verdict.action) && c->since_ns <= NOW_NS &&
			       c->deadline_ns > NOW_NS && c->deadline_ns <= NOW_NS + 3600 * NS_PER_S);
			assert(memchr(c->verdict.reason, 0, sizeof c->verdict.reason) &&
			       c->verdict.evidence_count <= VERDICT_EVIDENCE_MAX);
		}
	}
	++*entries;
	return 0;
}

static struct journal_file *journal_open(void)
{
	const struct journal_file_options o = {
		.state_dir = folder, .boot = "boot", .clock = &fixed, .ttl_max_ms = 3600000};
	struct journal_found found;
	struct journal_file *f = NULL;

	return journal_file_open(&o, &f, &found) ? NULL : f;
}

/* Read to its end, or as far as it goes; what could not be understood is made anew. */
static int journal_read(struct journal_file *f, size_t *entries)
{
	struct journal_read read = {0};
	static struct journal_settings settings;

	int damaged = journal_file_settings(f, &settings) == JOURNAL_E_DAMAGED;
	assert(settings.proxy_count <= JOURNAL_PROXY_MAX);
	int r = journal_file_load(f, on_entry, entries, &read);
	return r || damaged || read.unreadable ? journal_file_reset(f) : 0;
}

static int journal_change(struct journal_file *f)
{
	static struct journal_entry e;
	const struct journal_room room = {1, 0};

	e.target = (struct prefix){.addr = {.family = ADDR_IPV4, .bytes = {192, 0, 2, 1}}, .bits = 32};
	e.lists[0].count = 1;
	e.lists[0].claims[0] = (struct block_claim){
		.verdict = {.source = VERDICT_OPERATOR,
			    .action = VERDICT_BLOCK,
			    .scope = VERDICT_SCOPE_PORTS},
		.since_ns = NOW_NS,
		.deadline_ns = NOW_NS + 60 * NS_PER_S,
	};
	int r = journal_file_begin(f);
	if (!r)
		r = journal_file_put(f, &e);
	if (!r)
		r = journal_file_commit(f, &room);
	if (r)
		journal_file_rollback(f);
	return r;
}

static void fuzz_journal(void)
{
	struct journal_file *f = journal_open();
	size_t entries = 0;

	if (!f)
		return; /* said, and picket goes on without */
	int r = journal_read(f, &entries);
	if (!r)
		r = journal_change(f);
	if (r == JOURNAL_E_DAMAGED) /* damage that shows only when it is written */
		r = journal_file_reset(f) ? -1 : journal_change(f);
	journal_file_free(f);
	if (r)
		return;
	f = journal_open();
	assert(f);
	entries = 0;
	r = journal_read(f, &entries);
	assert(r || entries >= 1);
	journal_file_free(f);
}

/* --- the memory --- */

struct seen {
	enum memory_kind kind;
	size_t offenders;
};

static void on_record(void *arg, const union memory_record *r)
{
	struct seen *s = arg;

	switch (s->kind) {
	case MEMORY_REGULARS:
		assert(r->regular.first_ns <= r->regular.last_ns && r->regular.last_ns <= (int64_t)NOW_NS &&
		       r->regular.served);
		return;
	case MEMORY_WITNESSES:
		assert(strlen(r->witness.run) < sizeof r->witness.run &&
		       r->witness.when_ns <= (int64_t)NOW_NS);
		return;
	case MEMORY_OFFENDERS:
		assert(r->offender.blocks && r->offender.end_ns <= (int64_t)(NOW_NS + 3600 * NS_PER_S));
		s->offenders++;
		return;
	case MEMORY_FORECAST:
		assert(r->forecast.route_count <= FORECAST_ROUTES_MAX);
		for (unsigned i = 0; i < r->forecast.route_count; i++)
			assert(r->forecast.routes[i].route.len <= FORECAST_ROUTE_MAX);
		return;
	case MEMORY_REJECTED:
		assert(strlen(r->rejected.origin) < sizeof r->rejected.origin);
		return;
	case MEMORY_BEHAVIOUR:
		for (unsigned i = 0; i < SKETCH_SIZE; i++)
			assert(r->behaviour.sketches[1][i] <= SKETCH_RANK_MAX);
		return;
	case MEMORY_BASELINES:
		assert(r->baseline.level <= BASELINE_LEVELS &&
		       strlen(r->baseline.route) < BASELINE_ROUTE_MAX);
		return;
	case MEMORY_COUNTS:
		assert(r->count.value_count <= KEPT_VALUES && strlen(r->count.rule) < KEPT_RULE_MAX);
		for (unsigned i = 0; i < r->count.value_count; i++)
			assert(r->count.values[i].when_ns && r->count.values[i].when_ns <= NOW_NS);
		return;
	case MEMORY_PLACES:
	case MEMORY_KINDS:
		return;
	}
}

static struct memory_file *memory_open(void)
{
	const struct store_options o = {.state_dir = folder, .boot = "boot", .clock = &fixed};
	struct store_found found;
	struct memory_file *f = NULL;

	return memory_file_open(&o, 3600000, &f, &found) ? NULL : f;
}

static int memory_read(struct memory_file *f, struct seen *seen)
{
	struct memory_basis basis;
	uint64_t unreadable = 0;
	int r = memory_file_basis(f, &basis);

	r = r == MEMORY_E_NONE ? 0 : r;
	for (unsigned kind = 0; kind < MEMORY_KINDS; kind++) {
		seen->kind = (enum memory_kind)kind;
		int one = memory_file_load(f, seen->kind, on_record, seen, &unreadable);
		r = r ? r : one;
	}
	return r || unreadable ? memory_file_reset(f) : 0;
}

static int memory_change(struct memory_file *f)
{
	const struct memory_basis basis = {.since_ns = 1};
	const union memory_record record = {
		.offender = {.who = {.addr = {.family = ADDR_IPV4, .bytes = {192, 0, 2, 1}}, .bits = 32},
			     .blocks = 1,
			     .end_ns = (int64_t)NOW_NS}};
	int r = memory_file_begin(f);

	if (!r)
		r = memory_file_put(f, MEMORY_OFFENDERS, 0, &record);
	if (!r)
		r = memory_file_commit(f, &basis);
	if (r)
		memory_file_rollback(f);
	return r;
}

static void fuzz_memory(void)
{
	struct memory_file *f = memory_open();
	struct seen seen = {.offenders = 0};

	if (!f)
		return;
	int r = memory_read(f, &seen);
	if (!r)
		r = memory_change(f);
	if (r == STORE_E_DAMAGED)
		r = memory_file_reset(f) ? -1 : memory_change(f);
	memory_file_free(f);
	if (r)
		return;
	f = memory_open();
	assert(f);
	seen.offenders = 0;
	r = memory_read(f, &seen);
	assert(r || seen.offenders >= 1);
	memory_file_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 3)
		return 0;
	if (!folder[0])
		folder_make();
	const char *name = data[0] & 1 ? MEMORY_NAME : JOURNAL_NAME;
	size_t log = MIN((size_t)(data[1] << 8 | data[2]), size - 3);
	folder_empty();
	file_write(name, "", data + 3, size - 3 - log);
	if (log)
		file_write(name, "-wal", data + size - log, log);
	if (data[0] & 1)
		fuzz_memory();
	else
		fuzz_journal();
	return 0;
}
