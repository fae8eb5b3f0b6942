/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_status.h: what the files of GET /v1/status share; nobody else includes it.
 *
 *     control_metrics.c         the counters alone, for collectors
 *     control_status.c          reads everything at once, and writes what was decided, by whom, for whom
 *     control_status_capture.c  what is seen: interfaces, ports, counters of both halves
 *     control_status_account.c  what was produced, delivered, lost and held at each stage
 *     control_status_hints.c    what needs attention, and the command that mends it
 */
#ifndef PICKET_CONTROL_STATUS_H
#define PICKET_CONTROL_STATUS_H

#include "lib/util.h"
#include "sensor/control.h"

#ifndef PICKET_VERSION
#define PICKET_VERSION "unknown"
#endif

#define GATEWAYS_MAX 64
#define STAGES_MAX   (4 + GATEWAYS_MAX)

struct status {
	const struct control_parts *parts;
	uint64_t now_ns;
	struct queue_counts queue;
	struct capture_counts capture;
	struct answers_counts answers;
	struct reader_counts reader;
	struct enforcer_counts enforcer;
	struct audit_counts audit;
	struct alerts_counts alerts;
	struct alert_outlet_counts outlets[ALERT_OUTLETS];
	struct journal_counts journal;
	struct memory_counts memory;
	struct detect_counts detect;
	struct regulars_counts regulars;
	struct witness_counts witness;
	struct behaviour_totals behaviour; /* of nobody, where there is none */
	struct baseline_counts baseline;
	enum config_mode mode;
	struct gateway_counts gateways[GATEWAYS_MAX];
	unsigned gateway_count;
	struct proxy_peer *peers;
	size_t peer_count;
	uint64_t requests_total;
	enum processes_sight sight;
	struct warden_reply warden;
	int warden_result; /* 0: warden holds its answer; else -errno */
};

/* One line of the account. */
struct stage {
	const char *stage, *kind;
	uint64_t produced, delivered, delivered_earlier, lost, held;
	uint64_t throttled; /* held back by a token bucket: not produced */
	bool balanced;
};

static inline uint64_t stat_of(const struct status *s, enum pk_counter c)
{
	return s->warden_result ? 0 : s->warden.status.stats[c];
}

static inline unsigned attachment_count(const struct status *s)
{
	return s->warden_result ? 0 : MIN(s->warden.status.attachment_count, WARDEN_ATTACH_MAX);
}

/* Of all requests, the peer's part. */
static inline double share_of(const struct status *s, const struct proxy_peer *p)
{
	return s->requests_total ? (double)p->requests / (double)s->requests_total : 0;
}

static inline void put_uint(struct json_writer *w, const char *key, uint64_t v)
{
	json_key(w, key);
	json_uint(w, v);
}

static inline void put_text(struct json_writer *w, const char *key, const char *text)
{
	json_key(w, key);
	json_text(w, text);
}

static inline void put_bool(struct json_writer *w, const char *key, bool v)
{
	json_key(w, key);
	json_bool(w, v);
}

/* 0 or -errno. */
int status_ask_warden(const struct control_parts *parts, struct warden_reply *ret);

/* control_status.c: one look at everything. NULL: no memory. */
struct status *status_read(const struct control_parts *parts);
void status_free(struct status *s);

/* control_status_capture.c */
unsigned status_ports_count(const struct status *s);
void status_write_capture(struct json_writer *w, const struct status *s);
void status_write_kernel(struct json_writer *w, const struct status *s);

/* control_status_account.c */

/* Once, before the API serves. */
void status_earlier_read(const struct control_parts *parts);
unsigned status_stages_read(const struct status *s, struct stage ret[static STAGES_MAX]);
void status_write_account(struct json_writer *w, const struct stage *stages, unsigned count);

/* control_status_hints.c */
void status_write_hints(struct json_writer *w, const struct status *s, const struct stage *stages,
			unsigned count);

#endif
