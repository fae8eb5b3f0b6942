/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_file.h: STATE_DIR/memory.db, a store (store.h) with what the guard remembers of clients: regulars
 * and where they do not count, witnesses, repeaters, the forecast, what a person rejected, what is known of
 * clients and consumers (policies/behaviour.h), what is normal, and what slow detections have counted. A row
 * is one place of a list of fixed length, so the file cannot grow beyond these. Of credentials, routes'
 * methods and tokens only keyed hashes stand there; addresses, and words of verdicts, as in the journal.
 * Times: boot clock, negative before its start (store_rows.h). Who keeps what in it and when is memory.c's.
 *
 * Not thread safe; may be handed from one thread to another.
 */
#ifndef PICKET_MEMORY_FILE_H
#define PICKET_MEMORY_FILE_H

#include "policies/baseline.h"
#include "policies/behaviour.h"
#include "policies/forecast.h"
#include "policies/kept_counts.h"
#include "policies/offenders.h"
#include "policies/regulars.h"
#include "policies/witness.h"
#include "sensor/rejected.h"
#include "sensor/store.h"

#define MEMORY_NAME  "memory.db"
#define MEMORY_SPARE "memory.damaged"

struct memory_file;

enum memory_kind {
	MEMORY_REGULARS,
	MEMORY_PLACES,
	MEMORY_WITNESSES,
	MEMORY_OFFENDERS,
	MEMORY_FORECAST,
	MEMORY_REJECTED,
	MEMORY_BEHAVIOUR,
	MEMORY_BASELINES,
	MEMORY_COUNTS,
	MEMORY_KINDS,
};
const char *memory_kind_name(enum memory_kind kind); /* "regulars", "places", ... */

union memory_record {
	struct regulars_record regular;
	struct regulars_place place;
	struct witness_record witness;
	struct offenders_record offender;
	struct forecast_entry forecast;
	struct rejected rejected;
	struct behaviour_record behaviour;
	struct baseline_record baseline;
	struct kept_count count;
};

/* Once: by which key the hashes were made, and since when the forecast is kept. */
struct memory_basis {
	uint64_t key[2];
	int64_t since_ns;
};

/* ttl_max_ms: no block ends later from now on. As store_open. */
int memory_file_open(const struct store_options *o, uint64_t ttl_max_ms, struct memory_file **ret,
		     struct store_found *ret_found);
void memory_file_free(struct memory_file *f);
enum { MEMORY_E_NONE = 2 };
/* 0; MEMORY_E_NONE: there is none yet; STORE_E_DAMAGED; -errno. */
int memory_file_basis(struct memory_file *f, struct memory_basis *ret);
/*
 * Calls each for every row of a kind that can be read, the oldest first; times are those of this boot. 0,
 * STORE_E_DAMAGED (each was called for what could be read) or -errno.
 */
int memory_file_load(struct memory_file *f, enum memory_kind kind,
		     void (*each)(void *arg, const union memory_record *r), void *arg,
		     uint64_t *ret_unreadable);

/* A change, as journal_file.h has them. */
int memory_file_begin(struct memory_file *f);
int memory_file_clear(struct memory_file *f);
int memory_file_put(struct memory_file *f, enum memory_kind kind, uint32_t slot,
		    const union memory_record *r); /* NULL: that place is free */
int memory_file_commit(struct memory_file *f, const struct memory_basis *basis);
void memory_file_rollback(struct memory_file *f);
int memory_file_aside(struct memory_file *f);
int memory_file_reset(struct memory_file *f);

#endif
