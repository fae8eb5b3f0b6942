// SPDX-License-Identifier: Apache-2.0
/*
 * The sensor process: wires the halves together in the order of the path and runs their threads. It decides
 * nothing.
 *
 *     capture thread   reader → capture (stream, request, detect) ─┬→ tail
 *                                                                   ├→ events queue ─┐
 *                                                                   └→ verdicts queue┤
 *     judge (main) thread                          forwarder ←──────────────────────┘→ enforcer → warden
 *     control threads  api → control_*.c → enforcer, tail, ...
 *     decide thread    http_point → decide, which the enforcer keeps
 *     haproxy threads  decide → haproxy_point → the map of each HAProxy that is configured
 *     lists thread     list_watch → enforcer → warden, where block lists are configured
 *     crowdsec threads LAPI → crowdsec_bouncer → enforcer → warden, one for each LAPI
 *     alerts thread    alerts, which events and the judge fill → alert_send, where people are to be told
 *     store thread     enforcer → journal, what outlives a restart
 *     memory thread    what is known of clients → memory.db
 */
#include "sensor/sensor.h"
#include <curl/curl.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include "lib/api.h"
#include "lib/clock.h"
#include "lib/queue.h"
#include "lib/target.h"
#include "lib/util.h"
#include "forwarder/forwarder.h"
#include "forwarder/protocol.h"
#include "policies/baseline.h"
#include "policies/behaviour.h"
#include "policies/fingerprints.h"
#include "policies/detect.h"
#include "policies/forecast.h"
#include "policies/openapi.h"
#include "policies/proxies.h"
#include "policies/redact.h"
#include "policies/regulars.h"
#include "policies/routes_state.h"
#include "policies/witness.h"
#include "sensor/alert_send.h"
#include "sensor/capture.h"
#include "sensor/cli.h"
#include "sensor/clients.h"
#include "sensor/control.h"
#include "sensor/crowdsec_link.h"
#include "sensor/enforcer.h"
#include "sensor/haproxy_point.h"
#include "sensor/http_point.h"
#include "sensor/list_watch.h"
#include "sensor/memory.h"
#include "sensor/metrics_point.h"
#include "sensor/opinion.h"
#include "sensor/reader.h"
#include "sensor/sandbox.h"
#include "sensor/tail.h"
#include "sensor/warden.h"

#define EVENT_QUEUE_MAX     65536
#define EVENT_QUEUE_BYTES   (64u << 20) /* clients choose how large an event is */
#define VERDICT_QUEUE_MAX   4096
#define TAIL_MAX            32768
#define TAIL_BYTES          (32u << 20)
#define CLIENTS_MAX         65536
#define BEHIND_MAX          65536 /* clients behind trusted proxies that are remembered */
#define API_CONNECTIONS     64
#define READER_POLL_MS      20
#define READER_WAIT_MS      10 /* while requests wait for their answers */
#define JUDGE_POLL_MS       500
#define EVENTS_PER_TURN     4096 /* a verdict waits for no more than this many pushes */
#define RESOLVE_INTERVAL_MS 60000
#define FLUSH_MS            1000
/* Behind the oldest event that capture may still hold: it waits for its answer, and for the reader. */
#define HELD_NS    (ANSWERS_WAIT_NS + 100 * NS_PER_MS)
#define WITNESS_NS (600 * NS_PER_S) /* how late a gateway may cite what a detection fired on */

struct sensor {
	const struct config *config;
	char source[320];

	struct redact *redact, *http_redact; /* of capture; of the point at HTTP */
	struct detect *detect;
	struct packet_watch *packet_watch;
	struct proxies *proxies;
	struct clients *clients, *behind;
	struct regulars *regulars;
	struct behaviour *behaviour;
	struct fingerprints *fingerprints;
	struct baseline *baseline;
	struct witness *witness; /* NULL: no detection runs */
	struct opinion *opinion; /* NULL: not wanted */
	struct capture *capture;
	struct reader *reader;
	struct forwarder *forwarder;
	struct enforcer *enforcer;
	struct audit *audit;
	struct journal *journal;
	struct memory *memory;
	struct warden_client *warden;
	struct list_watch *list_watch; /* NULL: no block lists */
	struct crowdsec_links *crowdsec;
	struct operations *operations; /* of api.openapi; NULL: none */
	struct processes *processes;
	struct routes *routes;
	struct routes_state *routes_state;
	struct forecast *forecast;
	struct alert_send *alert_send; /* NULL: nobody is told */
	struct tail *tail;
	struct api *api, *metrics_api; /* the second or NULL */
	struct queue *events, *verdicts;
	bool wire;  /* a gateway other than the built-in one wants the events */
	bool local; /* the built-in analysis is a gateway: it gives verdicts, and is no mere witness */

	int epoll, signals, stop_fd;
	bool told_to_end; /* by the warden; else it is gone, and nobody knows what was lost with it */
	atomic_bool stop;
	pthread_t capture_thread, resolver_thread;
	bool capture_runs, resolver_runs;
	uint64_t haproxy_mended_told[CONFIG_HAPROXY_MAX];
	uint64_t mended_told, queue_refused_told, verdicts_refused_told;
	uint64_t stats[PK_C_MAX];
	struct http_point *http_point;
	struct haproxy_point *haproxy[CONFIG_HAPROXY_MAX];
	atomic_uint haproxy_count; /* counted up while those that are there run */
	struct control_parts control;
};

/* --- capture thread --- */

/* Of our own post to a gateway on this host? Both ends of such a connection have one address. */
static bool is_own(const struct sensor *s, const struct event *e)
{
	return (s->wire || crowdsec_links_count(s->crowdsec)) &&
	       (e->kind == EVENT_HTTP_REQUEST || e->kind == EVENT_CONNECTION || e->kind == EVENT_TLS_HELLO) &&
	       addr_equal(&e->flow.peer.addr, &e->flow.local.addr) &&
	       (forwarder_is_own(s->forwarder, e->flow.peer.port, e->flow.local.port) ||
		crowdsec_links_is_own(s->crowdsec, e->flow.peer.port, e->flow.local.port));
}

/* Takes the reference. Any thread. */
static void on_event(void *arg, struct event *e)
{
	struct sensor *s = arg;

	if (is_own(s, e)) {
		event_unref(e);
		return;
	}
	if (e->kind == EVENT_HTTP_REQUEST) {
		routes_note(s->routes, e);
		regulars_note(s->regulars, e);
		behaviour_note(s->behaviour, e);
	}
	fingerprints_note(s->fingerprints, e);
	forecast_note(s->forecast, e);
	crowdsec_links_note(s->crowdsec, e);
	alerts_note(alert_send_alerts(s->alert_send), e);
	tail_put(s->tail, e);
	if (!s->wire || queue_push_sized(s->events, e, e->size))
		event_unref(e);
}

static void on_local_verdict(void *arg, const struct verdict *v)
{
	struct sensor *s = arg;
	struct verdict *copy = s->local ? malloc(sizeof *copy) : NULL;

	behaviour_fired(s->behaviour, v);
	/* Before its event is handed on: that is the first that a gateway for suspicious clients gets. */
	if (target_is_net(&v->target) && v->target.bits == addr_bits(&v->target.addr))
		forwarder_suspect(s->forwarder, &v->target.addr, v->origin,
				  v->evidence_count ? v->evidence[v->evidence_count - 1] : NULL);
	if (!copy)
		return;
	*copy = *v;
	if (queue_push(s->verdicts, copy))
		free(copy);
}

static void on_record(void *arg, const struct pk_record *rec)
{
	struct sensor *s = arg;

	capture_record(s->capture, rec);
}

static void *capture_main(void *arg)
{
	struct sensor *s = arg;
	int timeout_ms = READER_POLL_MS;
	uint64_t tick = 0;

	while (!atomic_load_explicit(&s->stop, memory_order_relaxed)) {
		int n = reader_poll(s->reader, s->stop_fd, timeout_ms);
		if (n < 0 && n != -EINTR) {
			log_error("the rings cannot be read", LOG_ERRNO(n));
			break;
		}
		uint64_t now = clock_boot_ns(&clock_system);
		timeout_ms = capture_poll(s->capture, now) ? READER_WAIT_MS : READER_POLL_MS;
		opinion_poll(s->opinion);
		if (now - tick >= NS_PER_S) {
			capture_tick(s->capture, now);
			tick = now;
		}
	}
	reader_drain(s->reader);
	capture_tick(s->capture, clock_boot_ns(&clock_system));
	capture_flush(s->capture);
	return NULL;
}

/* --- resolver thread --- */

/* The warden may not parse DNS answers, so the addresses of gateways and of the webhook are found here and
 * told to it. */
static void resolve_peer(struct sensor *s, const char *url)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	CURLU *parsed = curl_url();
	char *host = NULL, *name;

	if (!parsed || curl_url_set(parsed, CURLUPART_URL, url, 0) ||
	    curl_url_get(parsed, CURLUPART_HOST, &host, 0)) {
		curl_url_cleanup(parsed);
		return;
	}
	name = host;
	if (name[0] == '[') /* an IPv6 address stands in brackets */
		*strchrnul(++name, ']') = 0;
	if (getaddrinfo(name, NULL, &hints, &list))
		list = NULL;
	curl_free(host);
	curl_url_cleanup(parsed);
	for (struct addrinfo *a = list; a; a = a->ai_next) {
		const uint8_t *bytes =
			a->ai_family == AF_INET
				? (const uint8_t *)&((struct sockaddr_in *)a->ai_addr)->sin_addr
				: (const uint8_t *)&((struct sockaddr_in6 *)a->ai_addr)->sin6_addr;
		struct addr addr = addr_from_bytes(a->ai_family, bytes);
		struct warden_request q = {.op = WARDEN_PEER, .target = prefix_of(&addr, addr_bits(&addr))};
		struct warden_reply *reply = malloc(sizeof *reply);
		if (reply && addr.family != ADDR_NONE)
			warden_call(s->warden, &q, reply);
		free(reply);
	}
	if (list)
		freeaddrinfo(list);
}

/* Where there is a proxy on the way, its address is the one that picket talks to. */
static void resolve_gateway(struct sensor *s, const struct config_gateway *g)
{
	if (g->url)
		resolve_peer(s, g->url);
	if (g->verdicts_url)
		resolve_peer(s, g->verdicts_url);
	if (g->proxy)
		resolve_peer(s, g->proxy);
	if (g->lunar_url)
		resolve_peer(s, g->lunar_url);
}

static void *resolver_main(void *arg)
{
	struct sensor *s = arg;
	struct pollfd stop = {.fd = s->stop_fd, .events = POLLIN};

	do {
		for (unsigned i = 0; i < s->config->gateway_count; i++)
			resolve_gateway(s, &s->config->gateways[i]);
		if (s->config->alerts.webhook[0])
			resolve_peer(s, s->config->alerts.webhook);
	} while (poll(&stop, 1, RESOLVE_INTERVAL_MS) <= 0);
	return NULL;
}

/* --- judge thread --- */

static void on_gateway_verdict(void *arg, const struct verdict *v)
{
	struct sensor *s = arg;
	struct decision d;

	enforcer_verdict(s->enforcer, v, 0, &d);
}

static void judge_verdicts(struct sensor *s)
{
	void *item;

	while (queue_pop(s->verdicts, &item) == 0) {
		struct decision d;
		enforcer_verdict(s->enforcer, item, 0, &d);
		free(item);
	}
}

static bool judge_events(struct sensor *s)
{
	void *item;

	for (unsigned i = 0; i < EVENTS_PER_TURN; i++) {
		if (queue_pop(s->events, &item))
			return false;
		forwarder_push(s->forwarder, item);
		event_unref(item);
	}
	return true;
}

static void tell_loss(struct sensor *s, const char *stage, const char *kind, uint64_t now, uint64_t *told)
{
	if (now <= *told)
		return;
	struct event *e = event_new_loss(stage, kind, now - *told, "", clock_boot_ns(&clock_system),
					 clock_wall_ns(&clock_system));
	*told = now;
	if (e)
		on_event(s, e);
}

/*
 * Losses that only the kernel half or the queues know, told once a second. tell false: only remember them,
 * since an earlier sensor process has told them.
 */
static void judge_losses(struct sensor *s, bool tell)
{
	static const struct {
		enum pk_counter counter;
		const char *stage, *kind;
	} kernel[] = {
		{PK_C_REQ_LOST, "ring", "data"},    {PK_C_REQ_SHARE, "share", "data"},
		{PK_C_HDR_LOST, "ring", "header"},  {PK_C_HDR_SHARE, "share", "header"},
		{PK_C_READ_ERROR, "ring", "bytes"},
	};
	struct warden_request q = {.op = WARDEN_STATUS};
	struct warden_reply *reply = malloc(sizeof *reply);

	bool known = reply && warden_call(s->warden, &q, reply) == 0 && reply->result == 0;
	bool first = known && reply->status.sensor_starts <= 1;
	for (size_t i = 0; known && i < ARRAY_SIZE(kernel); i++) {
		uint64_t now = reply->status.stats[kernel[i].counter], *told = &s->stats[kernel[i].counter];
		if (tell || first)
			tell_loss(s, kernel[i].stage, kernel[i].kind, now, told);
		else
			*told = now;
	}
	free(reply);
	if (s->wire)
		tell_loss(s, "queue", "event", queue_counts(s->events).refused, &s->queue_refused_told);
	tell_loss(s, "queue", "verdict", queue_counts(s->verdicts).refused, &s->verdicts_refused_told);
}

static void tell_mended(struct sensor *s, const char *point, uint64_t mended, uint64_t *told)
{
	alerts_note_mended(alert_send_alerts(s->alert_send), point, mended - *told,
			   clock_boot_ns(&clock_system));
	*told = mended;
}

static void judge_mended(struct sensor *s)
{
	tell_mended(s, "deny_maps", enforcer_counts(s->enforcer).mended, &s->mended_told);
	for (unsigned i = 0; i < s->haproxy_count; i++)
		tell_mended(s, haproxy_point_config(s->haproxy[i])->name,
			    haproxy_point_counts(s->haproxy[i]).mended, &s->haproxy_mended_told[i]);
}

static void judge_opinion(struct sensor *s)
{
	struct warden_reply *reply = opinion_wants_process(s->opinion) ? malloc(sizeof *reply) : NULL;
	int socket;

	if (reply && warden_open_opinion(s->warden, reply, &socket) == 0 && reply->result == 0)
		opinion_give(s->opinion, socket);
	free(reply);
}

/* 1: time to end. */
static int judge_wake(struct sensor *s)
{
	struct epoll_event ev[8];
	struct signalfd_siginfo info;
	int end = 0;

	int n = epoll_wait(s->epoll, ev, ARRAY_SIZE(ev), 0);
	for (int i = 0; i < n; i++) {
		if (ev[i].data.fd == s->signals) {
			if (read(s->signals, &info, sizeof info) == sizeof info && info.ssi_signo == SIGTERM)
				end = s->told_to_end = 1;
		} else if (ev[i].data.fd != queue_fd(s->events) && ev[i].data.fd != queue_fd(s->verdicts)) {
			end = 1; /* the warden hung up */
		}
	}
	return end;
}

static void judge_main(struct sensor *s)
{
	uint64_t tick = 0;

	judge_losses(s, false);
	while (!judge_wake(s)) {
		judge_verdicts(s);
		uint64_t begun = clock_wall_ns(&clock_system);
		bool more = judge_events(s);
		if (!more)
			forwarder_seen(s->forwarder, begun);
		uint64_t now = clock_boot_ns(&clock_system);
		if (now - tick >= NS_PER_S) {
			enforcer_tick(s->enforcer);
			judge_losses(s, true);
			judge_mended(s);
			judge_opinion(s);
			tick = now;
		}
		int r = forwarder_run(s->forwarder, s->epoll, more ? 0 : JUDGE_POLL_MS);
		if (r)
			log_warning("gateways could not be served", LOG_ERRNO(r));
	}
}

/* --- start and end --- */

static struct queue_counts event_queue_counts(void *arg)
{
	return queue_counts(((struct sensor *)arg)->events);
}

static bool has_local_analysis(const struct config *c)
{
	for (unsigned i = 0; i < c->gateway_count; i++)
		if (c->gateways[i].protocol == GATEWAY_LOCAL)
			return true;
	return false;
}

/* Detections run where they give verdicts, where those of a gateway need them as witness, and where one is to
 * hear of suspicious clients only. */
static bool needs_detection(const struct config *c)
{
	for (unsigned i = 0; i < c->gateway_count; i++)
		if (protocol_of(c->gateways[i].protocol) && c->gateways[i].verdicts &&
		    c->gateways[i].corroborate)
			return true;
	return has_local_analysis(c);
}

/* The rules, and the keys if there are some that we may read: who only checks may be anybody. */
static int redact_check(const struct config *config, struct buffer *errors, struct redact **ret)
{
	struct redact_keys keys;
	int r = redact_keys_read(config->redact.key_file, &keys, errors);

	if (r < 0)
		r = redact_keys_temporary(&keys);
	if (!r)
		r = redact_new_keys(config, &keys, ret, errors);
	redact_keys_wipe(&keys);
	return r;
}

int sensor_check(const struct config *config, struct buffer *errors)
{
	struct forwarder_hooks hooks = {0};
	struct forwarder *forwarder = NULL;
	struct redact *redact = NULL;
	struct detect *detect = NULL;
	struct operations *operations = NULL;

	int r = redact_check(config, errors, &redact);
	if (!r && needs_detection(config))
		r = detect_new(config, redact, &detect, errors);
	/* All faults are told at once, not one a try. */
	int o = config->api.openapi[0] ? openapi_load(config->api.openapi, &operations, errors) : 0;
	operations_free(operations);
	struct packet_rules *packets = NULL;
	int p = packet_rules_load(config, &packets, errors);
	packet_rules_free(packets);
	int a = alert_send_check(config, errors);
	int q = opinion_check(config, errors);
	int f = forwarder_new(config, &clock_system, "", &hooks, &forwarder, errors);
	forwarder_free(forwarder);
	struct crowdsec_links *crowdsec = NULL;
	int w = crowdsec_links_new(config, &clock_system, &crowdsec, errors);
	crowdsec_links_free(crowdsec);
	detect_free(detect);
	redact_free(redact);
	return r ? r : f ? f : w ? w : o ? o : p ? p : q ? q : a;
}

static int open_redact(struct sensor *s, const struct config *c, struct buffer *errors)
{
	struct redact_keys keys;

	int r = redact_keys_load(c->redact.key_file, &keys, errors);
	if (r < 0)
		log_error("the key for hashing secrets cannot be had", LOG_S("file", c->redact.key_file),
			  LOG_ERRNO(r),
			  LOG_S("hint", "redact.key_file must be readable by root, mode 0600, in a folder "
					"root may write"));
	if (r)
		return r;
	r = redact_new_keys(c, &keys, &s->redact, errors);
	/* The point at HTTP hashes in a thread of its own. */
	if (!r)
		r = redact_new_keys(c, &keys, &s->http_redact, errors);
	log_debug("secrets are hashed", LOG_I("key", keys.items[0].id), LOG_I("keys", keys.count));
	redact_keys_wipe(&keys);
	return r;
}

/* What the API has by its description, and what was known of it before this start. */
static int open_routes(struct sensor *s, const struct config *c, struct buffer *errors)
{
	int r = c->api.openapi[0] ? openapi_load(c->api.openapi, &s->operations, errors) : 0;

	if (!r)
		r = routes_new(s->operations, &s->routes);
	if (r)
		return r;
	int e = routes_state_open(c->state_dir, &s->routes_state);
	if (!e)
		e = routes_state_load(s->routes_state, s->routes, clock_wall_ns(&clock_system));
	if (e == ROUTES_STATE_E_DAMAGED)
		log_warning("what was kept of routes is damaged: they are learned anew",
			    LOG_S("folder", c->state_dir));
	else if (e < 0)
		log_warning("routes are not kept over a restart", LOG_S("folder", c->state_dir),
			    LOG_ERRNO(e));
	return 0;
}

static void on_routes_unsaved(int error)
{
	log_warning("routes could not be kept", LOG_ERRNO(error));
}

/* Without one the gateway is served from memory. */
static void open_spools(struct sensor *s, const struct config *c)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(65536);

	forwarder_open_spools(s->forwarder, c->state_dir, &errors);
	if (errors.len)
		log_warning("not all spools of gateways are in use",
			    LOG_SPAN("detail", buffer_span(&errors)));
}

/* Everything that needs rights or secrets; before they are given up. */
static int open_privileged(struct sensor *s, const struct sensor_start *start)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(65536);
	const struct config *c = start->config;
	const struct alert_send_parts alerts = {c, &clock_system, start->host, start->uid, start->gid};

	/* First, before there is anything that its child must not know. */
	int r = alert_send_new(&alerts, &errors, &s->alert_send);
	if (!r)
		r = open_redact(s, c, &errors);
	if (!r)
		r = proxies_new(c, &s->proxies);
	if (!r)
		r = clients_new(CLIENTS_MAX, &s->clients);
	if (!r)
		r = clients_new(BEHIND_MAX, &s->behind);
	if (!r)
		r = tail_new(TAIL_MAX, TAIL_BYTES, &s->tail);
	if (!r)
		r = queue_new(EVENT_QUEUE_MAX, &s->events);
	if (!r)
		queue_limit_bytes(s->events, EVENT_QUEUE_BYTES);
	if (!r)
		r = queue_new(VERDICT_QUEUE_MAX, &s->verdicts);
	if (!r)
		r = warden_client_new(start->warden_socket, &s->warden);
	for (unsigned i = 0; i < c->gateway_count; i++)
		s->wire = s->wire || protocol_of(c->gateways[i].protocol);
	s->local = has_local_analysis(c);
	if (!r && needs_detection(c))
		r = detect_new(c, s->redact, &s->detect, &errors);
	if (!r && s->detect)
		r = witness_new(WITNESS_MAX, WITNESS_NS, &s->witness);
	const struct regulars_limits good = regulars_limits_of(c);
	if (!r)
		r = regulars_new(REGULARS_MAX, &good, &s->regulars);
	if (!r)
		r = behaviour_new(0, 0, &s->behaviour);
	if (!r)
		r = fingerprints_new(0, &s->fingerprints);
	const struct baseline_limits learning = {c->detect.learning_after_ms * NS_PER_MS,
						 c->detect.learning_clients};
	if (!r)
		r = baseline_new(BASELINE_MAX, &learning, &s->baseline);
	if (!r)
		baseline_freeze(s->baseline, c->detect.learning == LEARNING_FROZEN);
	if (!r)
		r = packet_watch_new(c, &s->packet_watch, &errors);
	if (!r)
		r = processes_new(&s->processes);
	if (!r)
		r = open_routes(s, c, &errors);
	if (!r)
		r = forecast_new(&s->forecast);
	if (!r)
		r = audit_new(c, &clock_system, &s->audit);
	if (!r)
		r = journal_new(c, &clock_system, &s->journal);
	if (!r)
		r = memory_new(c, &clock_system, &s->memory);
	struct forwarder_hooks hooks = {
		.verdict = on_gateway_verdict, .event = on_event, .arg = s, .held_ns = HELD_NS};
	if (!r)
		r = forwarder_new(c, &clock_system, s->source, &hooks, &s->forwarder, &errors);
	if (!r)
		r = crowdsec_links_new(c, &clock_system, &s->crowdsec, &errors);
	if (!r)
		crowdsec_links_open(s->crowdsec, c->state_dir);
	if (!r)
		open_spools(s, c);
	if (!r)
		r = reader_new(start->kernel, on_record, s, &s->reader);
	if (r)
		log_error("the sensor cannot start", LOG_I("result", r),
			  LOG_SPAN("detail", buffer_span(&errors)));
	return r;
}

static int open_loop(struct sensor *s, int warden_socket)
{
	sigset_t set;

	/* Ctrl-C reaches the whole terminal group; the warden ends us in order. */
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_SETMASK, &set, NULL);
	signal(SIGHUP, SIG_IGN);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->epoll < 0 || s->signals < 0 || s->stop_fd < 0)
		return -errno;
	const struct {
		int fd;
		uint32_t events;
	} watch[] = {
		{s->signals, EPOLLIN},
		{queue_fd(s->events), EPOLLIN},
		{queue_fd(s->verdicts), EPOLLIN},
		{warden_socket, EPOLLRDHUP}, /* its answers are read by warden_call */
	};
	for (size_t i = 0; i < ARRAY_SIZE(watch); i++) {
		struct epoll_event ev = {.events = watch[i].events, .data.fd = watch[i].fd};
		if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, watch[i].fd, &ev))
			return -errno;
	}
	return 0;
}

/*
 * First of all: no descriptor but the rings and our sockets. An inherited map descriptor would let us write
 * the deny map, and an inherited link would keep programs attached after the warden's death.
 */
static int close_inherited(const struct sensor_start *start)
{
	int keep[SANDBOX_KEEP_MAX];

	unsigned n = kernel_reader_fds(start->kernel, keep, SANDBOX_KEEP_MAX - 3);
	keep[n++] = start->warden_socket;
	keep[n++] = start->listen_socket;
	keep[n++] = start->decide_socket;
	return sandbox_close_except(keep, n);
}

static int give_up_rights(const struct sensor_start *start)
{
	bool kept;

	int r = sandbox_sensor(start->uid, start->gid, start->parent, &kept);
	if (r) {
		log_error("the sensor cannot give up its rights", LOG_ERRNO(r));
		return r;
	}
	if (kept)
		log_warning("the sensor keeps its user: changing it is not permitted here");
	r = sandbox_seccomp();
	if (r)
		log_error("no seccomp filter", LOG_ERRNO(r));
	return r;
}

/* Any thread. A map can only deny. */
static bool http_is_asked(void *arg, enum verdict_action action, const struct prefix *target)
{
	struct sensor *s = arg;

	for (unsigned i = 0; i < s->haproxy_count && verdict_drops(action) && target_is_net(target); i++)
		if (haproxy_point_is_up(s->haproxy[i]))
			return true;
	return s->http_point && http_point_is_asked(s->http_point, target->addr.family);
}

static bool consumers_are_denied(void *arg)
{
	struct sensor *s = arg;

	return s->http_point && http_point_is_asked(s->http_point, TARGET_CONSUMER);
}

static void on_http_changed(void *arg, const struct prefix *target)
{
	struct sensor *s = arg;

	for (unsigned i = 0; i < s->haproxy_count; i++)
		haproxy_point_note(s->haproxy[i], target);
}

static void on_list_hit(void *arg, const struct prefix *target, uint64_t packets, uint64_t bytes)
{
	crowdsec_links_hit(((struct sensor *)arg)->crowdsec, target, packets, bytes);
}

static bool on_haproxy_found(void *arg, const struct prefix *target, uint64_t end_ns)
{
	return enforcer_adopt_http(((struct sensor *)arg)->enforcer, target, end_ns);
}

static int haproxy_start(struct sensor *s)
{
	for (unsigned i = 0; i < s->config->haproxy_count; i++) {
		struct haproxy_point_parts parts = {
			.config = &s->config->haproxy[i],
			.clock = &clock_system,
			.decide = enforcer_decide(s->enforcer),
			.stop_fd = s->stop_fd,
			.adopt = on_haproxy_found,
			.arg = s,
		};
		int r = haproxy_point_new(&parts, &s->haproxy[i]);
		if (r)
			return r;
		atomic_store(&s->haproxy_count, i + 1);
	}
	return 0;
}

/* Each may tell the others of a change until its thread has ended. */
static void haproxy_stop(struct sensor *s)
{
	unsigned count = s->haproxy_count;

	for (unsigned i = 0; i < count; i++)
		haproxy_point_stop(s->haproxy[i]);
	s->haproxy_count = 0;
	for (unsigned i = 0; i < count; i++)
		haproxy_point_free(s->haproxy[i]);
}

static int http_point_start(struct sensor *s, int decide_socket)
{
	struct http_point_parts parts = {
		.config = s->config,
		.clock = &clock_system,
		.decide = enforcer_decide(s->enforcer),
		.proxies = s->proxies,
		.redact = s->http_redact,
	};

	return http_point_new(&parts, decide_socket, &s->http_point);
}

static int start_audit(struct sensor *s, const struct sensor_start *start)
{
	char by[32] = "picket";

	if (start->reload_by != (uid_t)-1)
		snprintf(by, sizeof by, "uid:%u", (unsigned)start->reload_by);
	audit_note_start(s->audit, start->why, by);
	return audit_start(s->audit);
}

/* What was in force before this process, and from now on what changes of it. */
static int restore(struct sensor *s, const struct sensor_start *start)
{
	/* A configuration that was read again alone says what is set (docs/decisions/0003). */
	bool reload = strcmp(start->why, "reload") == 0;
	const struct memory_parts memory = {
		.regulars = s->regulars,
		.witness = s->witness,
		.forecast = s->forecast,
		.enforcer = s->enforcer,
		.behaviour = s->behaviour,
		.baseline = s->baseline,
		.detect = s->detect,
	};
	int r = memory_load(s->memory, &memory);
	if (!r)
		r = enforcer_adopt(s->enforcer, !reload);
	struct journal_source source = enforcer_source(s->enforcer);
	if (!r)
		r = journal_start(s->journal, &source);
	return r ? r : memory_start(s->memory);
}

static int opinion_start(struct sensor *s)
{
	const struct opinion_parts parts = {
		.config = s->config,
		.clock = &clock_system,
		.detect = s->detect,
		.witness = s->witness,
		.event = on_event,
		.verdict = on_local_verdict,
		.arg = s,
	};

	return opinion_new(&parts, &s->opinion);
}

static int start_parts(struct sensor *s, const struct sensor_start *start)
{
	struct enforcer_parts enforcer = {
		.config = s->config,
		.clock = &clock_system,
		.proxies = s->proxies,
		.clients = s->clients,
		.behind = s->behind,
		.regulars = s->regulars,
		.witness = s->witness,
		.warden = s->warden,
		.http = http_is_asked,
		.http_changed = on_http_changed,
		.list_hit = on_list_hit,
		.audit = s->audit,
		.journal = s->journal,
		.event = on_event,
		.arg = s,
	};
	struct capture_packets packets = {
		.ports = s->config->capture.ports.items,
		.port_count = s->config->capture.ports.count,
		.answer_wait_ns = ANSWERS_WAIT_NS,
		.headers = true,
		.fragments = true,
	};
	struct capture_parts capture = {
		.config = s->config,
		.clock = &clock_system,
		.redact = s->redact,
		.detect = s->detect,
		.packet_watch = s->packet_watch,
		.processes = s->processes,
		.routes = s->routes,
		.proxies = s->proxies,
		.clients = s->clients,
		.behind = s->behind,
		.skip = kernel_skip(start->kernel),
		.skipped = kernel_skipped(start->kernel),
		.seen = kernel_seen(start->kernel),
		.answers = kernel_answers(start->kernel),
		.event = on_event,
		.verdict = on_local_verdict,
		.packets = s->config->capture.packets ? &packets : NULL,
		.arg = s,
	};

	int r = start_audit(s, start);
	if (!r)
		r = enforcer_new(&enforcer, &s->enforcer);
	if (!r)
		r = restore(s, start);
	struct detect_links links = {
		.decide = r ? NULL : enforcer_decide(s->enforcer),
		.witness = s->witness,
		.behaviour = s->behaviour,
		.baseline = s->baseline,
		.consumers = consumers_are_denied,
		.arg = s,
	};
	if (!r && s->detect)
		detect_link(s->detect, &links);
	if (!r && s->config->second_opinion.enabled)
		r = opinion_start(s);
	capture.opinion = s->opinion;
	if (!r)
		r = capture_new(&capture, &s->capture);
	if (!r)
		r = http_point_start(s, start->decide_socket);
	if (!r)
		r = haproxy_start(s);
	if (!r)
		r = api_new(&s->api);
	if (r)
		return r;
	s->control = (struct control_parts){
		.config = s->config,
		.clock = &clock_system,
		.tail = s->tail,
		.enforcer = s->enforcer,
		.http_point = s->http_point,
		.haproxy = s->haproxy,
		.haproxy_count = s->haproxy_count,
		.audit = s->audit,
		.alerts = s->alert_send,
		.journal = s->journal,
		.memory = s->memory,
		.warden = s->warden,
		.proxies = s->proxies,
		.forwarder = s->forwarder,
		.crowdsec = s->crowdsec,
		.detect = s->detect,
		.regulars = s->regulars,
		.witness = s->witness,
		.packet_watch = s->packet_watch,
		.routes = s->routes,
		.behaviour = s->behaviour,
		.fingerprints = s->fingerprints,
		.baseline = s->baseline,
		.forecast = s->forecast,
		.capture = s->capture,
		.opinion = s->opinion,
		.reader = s->reader,
		.event_queue = event_queue_counts,
		.sight = processes_sight,
		.arg = s,
		.started_ns = clock_boot_ns(&clock_system),
		.run_id = event_run_id(),
	};
	r = control_register(s->api, &s->control);
	if (!r)
		r = api_start(s->api, start->listen_socket, API_CONNECTIONS);
	if (!r)
		r = metrics_point_start(&s->control, &s->metrics_api);
	if (!r)
		r = -pthread_create(&s->capture_thread, NULL, capture_main, s);
	s->capture_runs = r == 0;
	if (!r && s->routes_state)
		r = routes_state_start(s->routes_state, s->routes, on_routes_unsaved);
	bool resolves = s->wire || crowdsec_links_count(s->crowdsec) || s->config->alerts.webhook[0];
	if (!r && resolves)
		r = -pthread_create(&s->resolver_thread, NULL, resolver_main, s);
	s->resolver_runs = r == 0 && resolves;
	struct list_watch_parts lists = {
		.config = s->config,
		.clock = &clock_system,
		.enforcer = s->enforcer,
		.warden = s->warden,
		.stop_fd = s->stop_fd,
	};
	if (!r && s->config->list_count)
		r = list_watch_start(&lists, &s->list_watch);
	const struct crowdsec_links_parts crowdsec = {s->enforcer, s->warden, s->stop_fd};
	if (!r)
		r = crowdsec_links_start(s->crowdsec, &crowdsec);
	if (!r)
		r = alert_send_start(s->alert_send);
	return r;
}

static void stop_parts(struct sensor *s)
{
	atomic_store(&s->stop, true);
	eventfd_write(s->stop_fd, 1);
	if (s->capture_runs)
		pthread_join(s->capture_thread, NULL);
	if (s->resolver_runs)
		pthread_join(s->resolver_thread, NULL);
	list_watch_free(s->list_watch);
	crowdsec_links_stop(s->crowdsec);
	/* What capture read last still goes out. */
	if (s->capture_runs) {
		judge_verdicts(s);
		while (judge_events(s))
			forwarder_run(s->forwarder, -1, 0);
		forwarder_flush(s->forwarder, FLUSH_MS);
		if (s->told_to_end)
			forwarder_end_in_order(s->forwarder);
	}
	api_free(s->metrics_api);
	api_free(s->api);
	haproxy_stop(s);
	http_point_free(s->http_point);
	alert_send_free(s->alert_send);
	s->alert_send = NULL; /* events may still come */
	routes_state_free(s->routes_state);
	capture_free(s->capture);
	opinion_free(s->opinion);
	reader_free(s->reader);
	forwarder_free(s->forwarder);
	crowdsec_links_free(s->crowdsec);
	s->crowdsec = NULL;       /* events may still come */
	journal_free(s->journal); /* asks the enforcer for the last of it */
	memory_free(s->memory);   /* ... and whoever remembers */
	enforcer_free(s->enforcer);
	audit_free(s->audit);
	detect_free(s->detect);
	packet_watch_free(s->packet_watch);
	queue_free(s->events, (void (*)(void *))event_unref);
	queue_free(s->verdicts, free);
	tail_free(s->tail);
	clients_free(s->clients);
	clients_free(s->behind);
	regulars_free(s->regulars);
	behaviour_free(s->behaviour); /* shows texts of routes */
	fingerprints_free(s->fingerprints);
	baseline_free(s->baseline);
	witness_free(s->witness);
	proxies_free(s->proxies);
	redact_free(s->redact);
	redact_free(s->http_redact);
	warden_client_free(s->warden);
	/* Events show its texts: all of them are gone by now. */
	processes_free(s->processes);
	forecast_free(s->forecast);
	routes_free(s->routes);
	operations_free(s->operations);
}

int sensor_main(const struct sensor_start *start)
{
	static struct sensor s; /* one a process; its threads outlive no return of this function */

	log_setup("sensor", start->config->log.level, start->config->log.format);
	s.config = start->config;
	snprintf(s.source, sizeof s.source, "picket://%s/%s", start->host, start->config->instance);
	int r = close_inherited(start);
	if (!r)
		r = open_privileged(&s, start);
	if (!r)
		r = open_loop(&s, start->warden_socket);
	if (!r)
		r = give_up_rights(start);
	if (r)
		return EXIT_NO; /* the process ends: nothing to free */
	r = start_parts(&s, start);
	if (r)
		log_error("the sensor cannot start", LOG_ERRNO(r < 0 ? r : -EINVAL));
	else
		judge_main(&s);
	stop_parts(&s);
	return r ? EXIT_NO : EXIT_DONE;
}
