// SPDX-License-Identifier: Apache-2.0
#include "sensor/replay_run.h"
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include "lib/util.h"
#include "policies/behaviour.h"
#include "policies/guard.h"
#include "policies/openapi.h"
#include "policies/routes.h"

#define CLIENTS_MAX         65536
#define HANDSHAKE_WITHIN_NS (3600 * NS_PER_S)

struct replay_run {
	const struct replay_run_options *options;
	struct replay *replay;
	struct redact *redact;
	struct detect *detect;
	struct packet_watch *packet_watch;
	struct operations *operations; /* of api.openapi; NULL: none */
	struct routes *routes;         /* learned from the files alone */
	struct proxies *proxies;
	struct clients *clients;
	struct regulars *regulars; /* of the files alone; as what is known of clients */
	struct behaviour *behaviour;
	struct guard *guard;
	struct capture *capture;
	struct protected_set nobody;
	struct pcap_file **files;
	unsigned file_count; /* open */
};

static uint64_t run_now(const struct replay_run *r)
{
	return clock_boot_ns(replay_clock(r->replay));
}

static void on_event(void *arg, struct event *e)
{
	struct replay_run *r = arg;

	if (e->kind == EVENT_HTTP_REQUEST) {
		routes_note(r->routes, e);
		regulars_note(r->regulars, e);
		behaviour_note(r->behaviour, e);
	}
	r->options->event(r->options->arg, e);
	event_unref(e);
}

static bool handshake_seen(void *arg, const struct prefix *target)
{
	struct replay_run *r = arg;
	uint64_t now = run_now(r);

	return clients_seen(r->clients, target, now > HANDSHAKE_WITHIN_NS ? now - HANDSHAKE_WITHIN_NS : 0);
}

static struct regulars_share regulars_of(void *arg, const struct prefix *target)
{
	struct replay_run *r = arg;

	return regulars_share(r->regulars, target, run_now(r));
}

static void on_verdict(void *arg, const struct verdict *v)
{
	struct replay_run *r = arg;
	struct guard_answer answer;

	guard_decide(r->guard, v, &r->nobody, false, run_now(r), &answer);
	struct span why = span_from(answer.why), detail = span_from(answer.detail);
	struct event *e = event_new(EVENT_DECISION, why.len + detail.len);
	if (!e)
		return;
	e->time_ns = e->wall_ns = run_now(r);
	e->decision.verdict = *v;
	e->decision.verdict.action = answer.action;
	e->decision.outcome = answer.outcome;
	e->decision.why = event_tail_copy(e, why);
	e->decision.detail = event_tail_copy(e, detail);
	on_event(r, e);
}

static void on_record(void *arg, const struct pk_record *rec)
{
	capture_record(((struct replay_run *)arg)->capture, rec);
}

static void on_tick(void *arg, uint64_t now_ns)
{
	capture_tick(((struct replay_run *)arg)->capture, now_ns);
}

/* Hashes of one run can be compared with each other only: the daemon's key is not read. */
static int redact_start(struct replay_run *r)
{
	uint8_t key[32];

	if (getrandom(key, sizeof key, 0) != (ssize_t)sizeof key)
		return -EIO;
	return redact_new(r->options->config, key, &r->redact);
}

static int routes_start(struct replay_run *r, const struct config *config, struct buffer *errors)
{
	const char *file = config->api.openapi;
	int error = file && *file ? openapi_load(file, &r->operations, errors) : 0;

	return error ? error : routes_new(r->operations, &r->routes);
}

static int parts_start(struct replay_run *r, struct buffer *errors)
{
	const struct config *config = r->options->config;
	struct guard_facts facts = {.handshake = handshake_seen, .regulars = regulars_of, .arg = r};
	const struct regulars_limits good = regulars_limits_of(config);
	int error = redact_start(r);

	if (!error)
		error = detect_new(config, r->redact, &r->detect, errors);
	if (!error)
		error = packet_watch_new(config, &r->packet_watch, errors);
	if (!error)
		error = routes_start(r, config, errors);
	if (!error)
		error = proxies_new(config, &r->proxies);
	if (!error)
		error = clients_new(CLIENTS_MAX, &r->clients);
	if (!error)
		error = regulars_new(REGULARS_MAX, &good, &r->regulars);
	if (!error)
		error = behaviour_new(0, 0, &r->behaviour);
	if (!error) {
		const struct detect_links links = {.behaviour = r->behaviour};
		detect_link(r->detect, &links);
	}
	if (!error)
		error = guard_new(config, r->proxies, &facts, &r->guard);
	return error > 0 ? REPLAY_E_FILE : error;
}

static int capture_start(struct replay_run *r)
{
	struct capture_packets packets = {.ports = r->options->ports,
					  .port_count = r->options->port_count,
					  .header_events = true,
					  .headers = true,
					  .ordinary = true};
	struct capture_parts parts = {
		.config = r->options->config,
		.clock = replay_clock(r->replay),
		.redact = r->redact,
		.detect = r->detect,
		.packet_watch = r->packet_watch,
		.routes = r->routes,
		.proxies = r->proxies,
		.clients = r->clients,
		.event = on_event,
		.verdict = on_verdict,
		.arg = r,
		.packets = &packets,
	};

	return capture_new(&parts, &r->capture);
}

static int files_open(struct replay_run *r, struct buffer *errors)
{
	r->files = calloc(r->options->file_count, sizeof *r->files);
	if (!r->files)
		return -ENOMEM;
	for (; r->file_count < r->options->file_count; r->file_count++) {
		const char *path = r->options->files[r->file_count];
		int error = pcap_file_open(path, &r->files[r->file_count], errors);
		if (error)
			return error < 0 ? error : REPLAY_E_FILE;
	}
	return 0;
}

void replay_run_free(struct replay_run *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < r->file_count; i++)
		pcap_file_close(r->files[i]);
	free(r->files);
	capture_free(r->capture);
	guard_free(r->guard);
	regulars_free(r->regulars);
	behaviour_free(r->behaviour);
	clients_free(r->clients);
	proxies_free(r->proxies);
	detect_free(r->detect);
	packet_watch_free(r->packet_watch);
	redact_free(r->redact);
	replay_free(r->replay);
	routes_free(r->routes); /* events are gone by now */
	operations_free(r->operations);
	protected_set_free(&r->nobody);
	free(r);
}

int replay_run_new(const struct replay_run_options *options, struct replay_run **ret, struct buffer *errors)
{
	struct replay_run *r = calloc(1, sizeof *r);

	if (!r)
		return -ENOMEM;
	r->options = options;
	struct replay_hooks hooks = {.record = on_record, .tick = on_tick, .arg = r};
	int error = parts_start(r, errors);
	if (!error)
		error = files_open(r, errors);
	if (!error)
		error = replay_new(r->options->config, &hooks, &r->replay, errors);
	if (!error)
		error = capture_start(r);
	if (error) {
		replay_run_free(r);
		return error;
	}
	*ret = r;
	return 0;
}

int replay_run_go(struct replay_run *r, struct replay_result *ret, struct buffer *errors)
{
	int error = 0;

	for (unsigned i = 0; !error && i < r->file_count; i++)
		error = replay_file(r->replay, r->files[i], errors);
	capture_end(r->capture, run_now(r));
	*ret = (struct replay_result){.replay = replay_counts(r->replay),
				      .capture = capture_counts(r->capture)};
	return error;
}
