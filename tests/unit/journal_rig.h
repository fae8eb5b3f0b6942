/* SPDX-License-Identifier: Apache-2.0 */
/* journal_rig.h: a state folder and clocks for tests of the journal, and claims to put into it. */
#ifndef PICKET_TESTS_JOURNAL_RIG_H
#define PICKET_TESTS_JOURNAL_RIG_H

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "lib/target.h"
#include "lib/util.h"
#include "sensor/journal_file.h"

#define HOUR (3600 * NS_PER_S)

static char rig_state[64];
static uint64_t rig_boot_ns, rig_wall_ns;

static uint64_t rig_boot(void *arg)
{
	(void)arg;
	return rig_boot_ns;
}

static uint64_t rig_wall(void *arg)
{
	(void)arg;
	return rig_wall_ns;
}

static const struct clock rig_clock = {rig_boot, rig_wall, NULL};

static int rig_begin(void **state)
{
	(void)state;
	snprintf(rig_state, sizeof rig_state, "%s", "/tmp/picket-journal-test-XXXXXX");
	rig_boot_ns = 1000 * NS_PER_S;
	rig_wall_ns = 1700000000 * NS_PER_S;
	return mkdtemp(rig_state) ? 0 : -1;
}

static int rig_end(void **state)
{
	DIR *d = opendir(rig_state);
	char path[512];

	(void)state;
	for (struct dirent *e; d && (e = readdir(d));) {
		snprintf(path, sizeof path, "%s/%s", rig_state, e->d_name);
		if (e->d_name[0] != '.')
			unlink(path);
	}
	if (d)
		closedir(d);
	return rmdir(rig_state);
}

static void rig_path(const char *name, char path[static 512])
{
	snprintf(path, 512, "%s/%s", rig_state, name);
}

/* Time passes, on both clocks. */
static __attribute__((unused)) void rig_pass(uint64_t ns)
{
	rig_boot_ns += ns;
	rig_wall_ns += ns;
}

static struct prefix rig_target(const char *text)
{
	struct prefix p;

	assert_int_equal(target_parse(span_from(text), &p), 0);
	return p;
}

/* Given now, for that long. */
static __attribute__((unused)) struct block_claim rig_claim(const char *target, enum verdict_source source,
							    const char *origin, uint64_t ns)
{
	struct block_claim c = {
		.verdict = {.source = source,
			    .action = VERDICT_BLOCK,
			    .scope = VERDICT_SCOPE_PORTS,
			    .target = rig_target(target),
			    .ttl_ms = ns / NS_PER_MS,
			    .confidence = 0.9,
			    .reason = "guessed passwords, \xc3\xa4nderte nichts",
			    .evidence = {"e-1", "e-2"},
			    .evidence_count = 2},
		.since_ns = rig_boot_ns,
		.deadline_ns = rig_boot_ns + ns,
	};

	snprintf(c.verdict.id, sizeof c.verdict.id, "id of %.40s", target);
	snprintf(c.verdict.origin, sizeof c.verdict.origin, "%s", origin);
	return c;
}

#endif
