// SPDX-License-Identifier: Apache-2.0
/*
 * forwarder.c: hands each event to each gateway, and waits for all of them at once. What a gateway does with
 * its events is its own file's business; `local` needs none, because its analysis sits in the capture thread
 * and has seen the request already.
 */
#include "forwarder/forwarder.h"
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <sys/random.h>
#include "forwarder/filter.h"
#include "forwarder/gateway.h"
#include "forwarder/protocol.h"
#include "forwarder/spool_files.h"
#include "forwarder/transport_direct.h"
#include "lib/event_json.h"
#include "lib/util.h"

/* A head of 64 KiB in which every byte becomes an escape of six, twice (url.original, url.path). */
#define EVENT_BYTES_MAX      (1024 * 1024)
#define LOSS_REPORT_EVERY_NS NS_PER_S

struct forwarder {
	const struct clock *clock;
	struct forwarder_hooks hooks;
	char *source;
	const struct config_gateway *configs;
	struct gateway **gateways; /* NULL: local, crowdsec */
	unsigned count;
	struct buffer json; /* the event being handed out */
	CURLM *multi;       /* NULL until started */
	bool in_order;      /* forwarder_end_in_order */
	uint64_t untold;    /* dropped, not yet reported */
	uint64_t loss_told_ns;
	struct suspects *suspects;
	uint64_t seed;        /* of samples, and of the table of suspects */
	pthread_mutex_t lock; /* guards local_events */
	uint64_t local_events;
};

/* --- life --- */

static int add_gateway(struct forwarder *f, const struct config_gateway *config, struct buffer *errors)
{
	int r = 0;

	if (protocol_of(config->protocol))
		r = gateway_new(config, f->clock, &f->hooks, &f->gateways[f->count], errors);
	if (!r)
		f->count++;
	return r;
}

int forwarder_new(const struct config *config, const struct clock *clock, const char *source,
		  const struct forwarder_hooks *hooks, struct forwarder **ret, struct buffer *errors)
{
	struct forwarder *f;
	int r = 0, all = 0;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	f = calloc(1, sizeof *f);
	if (!f) {
		curl_global_cleanup();
		return -ENOMEM;
	}
	pthread_mutex_init(&f->lock, NULL);
	f->clock = clock;
	f->hooks = *hooks;
	f->json = BUFFER_INIT(EVENT_BYTES_MAX);
	f->source = strdup(source);
	f->configs = config->gateways;
	f->gateways = calloc(config->gateway_count + 1, sizeof *f->gateways);
	if (!f->source || !f->gateways)
		r = -ENOMEM;
	/* Without randomness an attacker may know who is sampled: no reason not to start. */
	if (getrandom(&f->seed, sizeof f->seed, GRND_NONBLOCK) < 0)
		f->seed = clock_boot_ns(clock);
	if (!r)
		r = suspects_new(f->seed, &f->suspects);
	/* Every gateway's faults are told at once, not one a start. */
	for (unsigned i = 0; i < config->gateway_count && r >= 0; i++) {
		r = add_gateway(f, &config->gateways[i], errors);
		all = r ? r : all;
	}
	if (r < 0 || all) {
		forwarder_free(f);
		return r < 0 ? r : all;
	}
	*ret = f;
	return 0;
}

/*
 * What opens descriptors waits for the first run, in the process and thread that will use them: forwarder_new
 * is called while privileges last, maybe before a fork whose child closes what it does not know.
 */
static int start(struct forwarder *f)
{
	int r;

	if (f->multi)
		return 0;
	f->multi = curl_multi_init();
	if (!f->multi)
		return -ENOMEM;
	/* No two requests over one HTTP/2 connection at once: that nobody answers there would be seen of one
	 * only after the other was given to it as well. */
	curl_multi_setopt(f->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	for (unsigned i = 0; i < f->count; i++) {
		if (!f->gateways[i])
			continue;
		r = gateway_start(f->gateways[i], f->multi);
		if (r)
			return r;
	}
	return 0;
}

void forwarder_free(struct forwarder *f)
{
	if (!f)
		return;
	for (unsigned i = 0; f->gateways && i < f->count; i++)
		gateway_free(f->gateways[i], f->in_order);
	free(f->gateways);
	if (f->multi)
		curl_multi_cleanup(f->multi);
	buffer_free(&f->json);
	suspects_free(f->suspects);
	pthread_mutex_destroy(&f->lock);
	free(f->source);
	free(f);
	curl_global_cleanup();
}

struct strays {
	const struct forwarder *f;
	const char *state_dir;
	struct buffer *errors;
};

static bool has_spool(void *arg, const char *name)
{
	const struct forwarder *f = ((const struct strays *)arg)->f;

	for (unsigned i = 0; i < f->count; i++)
		if (f->gateways[i] && f->configs[i].spool && strcmp(f->configs[i].name, name) == 0)
			return true;
	return false;
}

static void tell_stray(void *arg, const char *name, uint64_t bytes)
{
	const struct strays *s = arg;

	buffer_printf(s->errors,
		      "%s/spool/%s holds %" PRIu64
		      " bytes for a gateway that has no spool any more: configure it again "
		      "to have them sent, or remove the folder\n",
		      s->state_dir, name, bytes);
}

void forwarder_open_spools(struct forwarder *f, const char *state_dir, struct buffer *errors)
{
	for (unsigned i = 0; i < f->count; i++) {
		int r = f->gateways[i] ? gateway_open_spool(f->gateways[i], state_dir) : 0;

		if (r)
			buffer_printf(errors, "the spool of gateway %s in %s/spool cannot be used: %s\n",
				      f->configs[i].name, state_dir,
				      r == -EBUSY ? "another process has it" : strerror(-r));
		r = f->gateways[i] ? gateway_open_budget(f->gateways[i], state_dir) : 0;
		if (r)
			buffer_printf(errors,
				      "what gateway %s has spent and found out is not kept in %s: %s\n",
				      f->configs[i].name, state_dir,
				      r > 0 ? "what was kept is damaged, and begins anew" : strerror(-r));
	}
	/* Nothing is lost for it: it only lies there. */
	struct strays strays = {f, state_dir, errors};
	spool_files_strays(state_dir, has_spool, tell_stray, &strays);
}

void forwarder_seen(struct forwarder *f, uint64_t wall_ns)
{
	for (unsigned i = 0; i < f->count; i++) {
		if (f->gateways[i])
			gateway_seen(f->gateways[i], wall_ns);
	}
}

/* --- in --- */

/* Its JSON, in f->json; SPAN_NULL if it is larger than any gateway takes, or memory is out. */
static struct span encode(struct forwarder *f, const struct event *e)
{
	struct json_writer w = JSON_WRITER(&f->json);

	buffer_reset(&f->json);
	event_json_cloudevent(&w, e, f->source);
	return f->json.truncated ? SPAN_NULL : buffer_span(&f->json);
}

static bool is_gap_of(const struct event *e, const char *gateway)
{
	return e->kind == EVENT_LOSS && e->loss.since_ns && span_equal(e->loss.gateway, span_from(gateway));
}

/* The number in "RUN-NUMBER" of this run; 0: it is none. */
static uint64_t number_of(const char *event_id)
{
	size_t n = strlen(event_run_id());

	return event_id && !strncmp(event_id, event_run_id(), n) && event_id[n] == '-'
		       ? strtoull(event_id + n + 1, NULL, 10)
		       : 0;
}

void forwarder_suspect(struct forwarder *f, const struct addr *client, const char *name, const char *event_id)
{
	uint64_t now_ns = clock_boot_ns(f->clock);

	suspects_add(f->suspects, client, now_ns);
	for (unsigned i = 0; i < f->count; i++)
		if (f->gateways[i])
			gateway_detection(f->gateways[i], client, name, number_of(event_id), now_ns);
}

int forwarder_dossier(struct forwarder *f, const char *name, const struct addr *client, const char **ret_name,
		      struct buffer *out)
{
	for (unsigned i = 0; i < f->count; i++) {
		if (!f->gateways[i] || !gateway_asks(f->gateways[i]) ||
		    (name && strcmp(name, f->configs[i].name) != 0))
			continue;
		*ret_name = f->configs[i].name;
		return gateway_show(f->gateways[i], client, out);
	}
	return 2;
}

void forwarder_push(struct forwarder *f, struct event *e)
{
	uint64_t now_ns = clock_boot_ns(f->clock);
	struct span json = SPAN_NULL;
	bool encoded = false;

	for (unsigned i = 0; i < f->count; i++) {
		struct gateway *g = f->gateways[i];

		if (!g && f->configs[i].protocol != GATEWAY_LOCAL)
			continue; /* crowdsec: not events, but decisions go there (sensor/crowdsec.h) */
		if (!g) {
			pthread_mutex_lock(&f->lock);
			f->local_events++;
			pthread_mutex_unlock(&f->lock);
			continue;
		}
		if (!filter_passes(&f->configs[i], f->suspects, f->seed, e, now_ns)) {
			gateway_filtered(g);
			continue;
		}
		if (gateway_asks(g)) {
			if (event_client(e))
				gateway_note(g, e, now_ns);
			else
				gateway_filtered(g);
			continue;
		}
		/* Written once for all, and not at all when nobody has room: a flood should cost little. */
		if (!encoded && gateway_has_room(g)) {
			json = encode(f, e);
			encoded = true;
		}
		gateway_offer(g, gateway_has_room(g) ? json : SPAN_NULL, e->time_ns, now_ns);
		if (is_gap_of(e, f->configs[i].name))
			gateway_offered_gap(g, now_ns);
	}
}

/* --- out --- */

static void report_losses(struct forwarder *f, uint64_t now_ns, bool at_once)
{
	struct event *e;

	for (unsigned i = 0; i < f->count; i++) {
		if (f->gateways[i])
			f->untold += gateway_dropped(f->gateways[i]);
	}
	if (!f->untold || !f->hooks.event || (!at_once && now_ns - f->loss_told_ns < LOSS_REPORT_EVERY_NS))
		return;
	e = event_new_loss("gateway", "event", f->untold, "", now_ns, clock_wall_ns(f->clock));
	if (!e)
		return; /* stays untold until the next time */
	f->untold = 0;
	f->loss_told_ns = now_ns;
	f->hooks.event(f->hooks.arg, e);
}

static int step_all(struct forwarder *f, bool flush)
{
	uint64_t now_ns = clock_boot_ns(f->clock);

	for (unsigned i = 0; i < f->count; i++) {
		if (!f->gateways[i])
			continue;
		int r = gateway_step(f->gateways[i], now_ns, flush);
		if (r)
			return r;
	}
	return 0;
}

/* How many exchanges ended, or -errno. */
static int finish_all(struct forwarder *f)
{
	CURLMsg *message;
	int left, finished = 0;

	while ((message = curl_multi_info_read(f->multi, &left))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		/* The message is gone once the handle is removed. */
		int r = transport_finished(message->easy_handle, message->data.result);
		if (r)
			return r;
		finished++;
	}
	return finished;
}

/* All that can be done without waiting. How many exchanges ended, or -errno. */
static int work(struct forwarder *f, bool flush)
{
	int running, r, finished = 0;

	do {
		r = step_all(f, flush);
		if (r)
			return r;
		if (curl_multi_perform(f->multi, &running) != CURLM_OK)
			return -EIO;
		r = finish_all(f);
		if (r < 0)
			return r;
		finished += r;
	} while (r > 0);
	report_losses(f, clock_boot_ns(f->clock), false);
	return finished;
}

/* Milliseconds to wait at most: until something is due, rounded up so that it really is. */
static int wait_ms(struct forwarder *f, int timeout_ms, bool flush)
{
	uint64_t now_ns = clock_boot_ns(f->clock), due = UINT64_MAX;

	for (unsigned i = 0; i < f->count; i++) {
		if (f->gateways[i])
			due = MIN(due, gateway_due_ns(f->gateways[i], flush));
	}
	if (f->untold && f->hooks.event)
		due = MIN(due, f->loss_told_ns + LOSS_REPORT_EVERY_NS);
	if (due == UINT64_MAX)
		return timeout_ms;
	if (due <= now_ns)
		return 0;
	uint64_t ms = (due - now_ns + NS_PER_MS - 1) / NS_PER_MS;
	return timeout_ms < 0 || ms < (uint64_t)timeout_ms ? (int)MIN(ms, INT_MAX) : timeout_ms;
}

static int run(struct forwarder *f, int wake_fd, int timeout_ms, bool flush)
{
	struct curl_waitfd wake = {.fd = wake_fd, .events = CURL_WAIT_POLLIN};
	int r = start(f);

	if (!r)
		r = work(f, flush);
	if (r < 0)
		return r;
	/* Something happened already: the caller may want to look before we sleep. */
	int wait = r > 0 ? 0 : wait_ms(f, timeout_ms, flush);
	if (curl_multi_poll(f->multi, &wake, wake_fd >= 0 ? 1 : 0, wait, NULL) != CURLM_OK)
		return -EIO;
	r = work(f, flush);
	return r < 0 ? r : 0;
}

int forwarder_run(struct forwarder *f, int wake_fd, int timeout_ms)
{
	return run(f, wake_fd, timeout_ms, false);
}

static size_t unsent(const struct forwarder *f)
{
	size_t sum = 0;

	for (unsigned i = 0; i < f->count; i++) {
		if (f->gateways[i])
			sum += gateway_unsent(f->gateways[i]);
	}
	return sum;
}

void forwarder_flush(struct forwarder *f, int timeout_ms)
{
	uint64_t end_ns = clock_boot_ns(f->clock) + (uint64_t)MAX(timeout_ms, 0) * NS_PER_MS, now_ns;

	report_losses(f, clock_boot_ns(f->clock), true);
	while (unsent(f) && (now_ns = clock_boot_ns(f->clock)) < end_ns) {
		if (run(f, -1, (int)((end_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS), true))
			return;
	}
}

void forwarder_end_in_order(struct forwarder *f)
{
	f->in_order = true;
}

/* --- counts --- */

bool forwarder_is_own(const struct forwarder *f, uint16_t local_port, uint16_t peer_port)
{
	for (unsigned i = 0; i < f->count; i++)
		if (f->gateways[i] && gateway_is_own(f->gateways[i], local_port, peer_port))
			return true;
	return false;
}

unsigned forwarder_counts(struct forwarder *f, struct gateway_counts *ret, unsigned count)
{
	for (unsigned i = 0; i < f->count && i < count; i++) {
		if (f->gateways[i]) {
			gateway_counts(f->gateways[i], &ret[i]);
			continue;
		}
		pthread_mutex_lock(&f->lock);
		ret[i] = (struct gateway_counts){
			.name = f->configs[i].name,
			.protocol = f->configs[i].protocol,
			.state = "idle",
			.events = f->configs[i].protocol == GATEWAY_LOCAL ? f->local_events : 0,
			.events_offered = f->configs[i].protocol == GATEWAY_LOCAL ? f->local_events : 0,
		};
		pthread_mutex_unlock(&f->lock);
	}
	return f->count;
}
