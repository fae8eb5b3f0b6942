// SPDX-License-Identifier: Apache-2.0
/* journal_fill FOLDER COUNT: a journal with so many blocks of an hour, as a daemon would have left it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"
#include "sensor/journal_file.h"

#define BATCH 10000

static void entry_make(struct journal_entry *e, uint64_t now_ns, unsigned i)
{
	struct block_claim *c = &e->lists[JOURNAL_KERNEL].claims[0];
	struct addr addr = {
		.family = ADDR_IPV4,
		.bytes = {(uint8_t)(11 + (i >> 24)), (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};

	e->target = prefix_of(&addr, 32);
	e->lists[JOURNAL_KERNEL].count = 1;
	e->lists[JOURNAL_HTTP].count = 0;
	*c = (struct block_claim){
		.verdict = {.source = VERDICT_GATEWAY,
			    .origin = "analysis",
			    .action = VERDICT_BLOCK,
			    .scope = VERDICT_SCOPE_PORTS,
			    .target = e->target,
			    .ttl_ms = 3600000,
			    .confidence = 0.9,
			    .reason = "guessed passwords of seven accounts",
			    .evidence = {"1795518000-00000001", "1795518000-00000002"},
			    .evidence_count = 2},
		.since_ns = now_ns,
		.deadline_ns = now_ns + 3600 * NS_PER_S,
	};
	snprintf(c->verdict.id, sizeof c->verdict.id, "verdict-%u", i);
}

int main(int argc, char **argv)
{
	static struct journal_entry entry;
	char boot[JOURNAL_BOOT_MAX] = "";
	struct journal_file *file;
	struct journal_found found;
	const struct journal_file_options o = {.state_dir = argc > 1 ? argv[1] : "",
					       .boot = boot,
					       .clock = &clock_system,
					       .ttl_max_ms = 86400000};
	unsigned count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
	_cleanup_fclose_ FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!count || !f || fscanf(f, "%63s", boot) != 1) {
		fprintf(stderr, "usage: journal_fill FOLDER COUNT\n");
		return 2;
	}
	int r = journal_file_open(&o, &file, &found);
	for (unsigned i = 0; !r && i < count; i++) {
		if (i % BATCH == 0)
			r = journal_file_begin(file);
		entry_make(&entry, clock_boot_ns(&clock_system), i);
		if (!r)
			r = journal_file_put(file, &entry);
		if (!r && (i % BATCH == BATCH - 1 || i == count - 1))
			r = journal_file_commit(file, &(struct journal_room){count, 0});
	}
	if (r) {
		fprintf(stderr, "the journal cannot be filled: %d\n", r);
		return 1;
	}
	journal_file_free(file);
	return 0;
}
