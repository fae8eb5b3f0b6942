/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_rows.h: what the rows of a store (store.h) are made of: prefixes, text that is shown to people, whole
 * numbers within bounds, evidence; and times. Reading believes nothing: each says whether the column holds
 * what its writer here would have written.
 *
 * Times are kept on the boot clock, and once beside them, in the table clock (one, boot, boot_ns, wall_ns,
 * ...), how boot clock and wall clock stood to each other when something was last written. Within the same
 * boot of the machine the wall clock is not asked.
 */
#ifndef PICKET_STORE_ROWS_H
#define PICKET_STORE_ROWS_H

#include "lib/target.h"
#include "lib/verdict.h"
#include "sensor/store.h"

/* Family, bits, and the bytes of the address; of a target on a route also that one's text, without a zero. */
#define STORE_KEY_MAX (18 + TARGET_ROUTE_MAX)

/* Returns how many bytes. */
int store_key_write(const struct prefix *p, uint8_t key[static STORE_KEY_MAX]);
/* Only what store_key_write would have written; as the others that read. */
bool store_key(sqlite3_stmt *s, int column, struct prefix *ret);
bool store_text(sqlite3_stmt *s, int column, char *ret, size_t size);
bool store_number(sqlite3_stmt *s, int column, int64_t least, int64_t most, int64_t *ret);
/* Each id with a zero behind it. Returns how many bytes; binds NULL for none. */
#define STORE_EVIDENCE_MAX (VERDICT_EVIDENCE_MAX * VERDICT_ID_MAX)
size_t store_evidence_write(const struct verdict *v, char evidence[static STORE_EVIDENCE_MAX]);
bool store_evidence(sqlite3_stmt *s, int column, struct verdict *v);
/* An address, or NULL: none. The buffer is to stand until the statement has run. */
void store_bind_addr(sqlite3_stmt *s, int parameter, const struct addr *a, uint8_t key[static STORE_KEY_MAX]);
bool store_addr(sqlite3_stmt *s, int column, struct addr *ret);

int64_t store_time(uint64_t ns); /* as it is kept */
/* boot, boot_ns and wall_ns, from that parameter on. */
void store_bind_clock(struct store *s, sqlite3_stmt *statement, int parameter);

/* How this boot's clock stands to that of the rows. */
struct store_times {
	bool same;
	int64_t ahead_ns; /* what is added to a time of theirs; same: nothing */
	uint64_t now_ns;
};
int store_times(struct store *s, struct store_times *ret);
/* Before this boot: as early as can be told. */
uint64_t store_moved(const struct store_times *t, int64_t at);
/* As store_moved; no later than now. For what has been. */
uint64_t store_been(const struct store_times *t, int64_t at);
/* The same for who counts from before this boot (policies/ages.h): negative then. */
int64_t store_ago(const struct store_times *t, int64_t at);
/* The same of an end: no later than longest_ns from now on. */
int64_t store_until(const struct store_times *t, int64_t end, uint64_t longest_ns);
/* The end of what began then: no later than it was meant to be from now on, whatever the clocks say, and no
 * later than may be. */
uint64_t store_end(const struct store_times *t, int64_t since, int64_t end, uint64_t longest_ns);

#endif
