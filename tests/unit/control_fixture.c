// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/control_fixture.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "lib/util.h"
#include "sensor/crowdsec_link.h"

struct fake fake;

/* --- the modules behind the API, played --- */

void enforcer_verdict(struct enforcer *e, const struct verdict *v, uint64_t confirm_within_ms,
		      struct decision *ret)
{
	(void)e;
	fake.asked = *v;
	fake.asked_count++;
	fake.confirm_within_ms = confirm_within_ms;
	*ret = fake.decision;
}

int enforcer_confirm(struct enforcer *e, const struct prefix *target)
{
	(void)e;
	fake.confirmed = *target;
	return fake.confirm_result;
}

int enforcer_answer(struct enforcer *e, uint64_t pending_id, bool yes, const char *by, struct decision *ret)
{
	(void)e;
	for (unsigned i = 0; i < fake.pending_count; i++)
		if (fake.pending[i].id == pending_id) {
			fake.answered = true;
			fake.answered_yes = yes;
			snprintf(fake.answered_by, sizeof fake.answered_by, "%s", by);
			*ret = fake.decision;
			return 0;
		}
	return 1;
}

struct memory_counts memory_counts(struct memory *m)
{
	(void)m;
	return fake.memory;
}

void enforcer_set_mode(struct enforcer *e, enum config_mode mode)
{
	(void)e;
	fake.mode = mode;
}

enum config_mode enforcer_mode(struct enforcer *e)
{
	(void)e;
	return fake.mode;
}

struct enforcer_counts enforcer_counts(struct enforcer *e)
{
	(void)e;
	return fake.counts;
}

struct decide *enforcer_decide(struct enforcer *e)
{
	(void)e;
	return NULL;
}

enum verdict_action decide_in_force(struct decide *d, const struct decide_question *q, uint64_t now_ns)
{
	(void)d;
	(void)q;
	(void)now_ns;
	return fake.in_force;
}

struct decide_counts decide_counts(struct decide *d)
{
	(void)d;
	return fake.decide;
}

struct alerts *alert_send_alerts(struct alert_send *s)
{
	(void)s;
	return NULL;
}

void alert_send_counts(struct alert_send *s, struct alert_outlet_counts ret[static ALERT_OUTLETS])
{
	(void)s;
	memcpy(ret, fake.outlets, sizeof fake.outlets);
}

const char *alert_outlet_name(enum alert_outlet outlet)
{
	static const char *const names[ALERT_OUTLETS] = {"webhook", "syslog", "command"};

	return names[outlet];
}

struct http_point_counts http_point_counts(struct http_point *p)
{
	(void)p;
	return fake.http;
}

struct haproxy_counts haproxy_point_counts(struct haproxy_point *p)
{
	(void)p;
	return fake.haproxy;
}

bool haproxy_point_is_up(struct haproxy_point *p)
{
	(void)p;
	return fake.haproxy.state == HAPROXY_UP;
}

const struct config_haproxy *haproxy_point_config(const struct haproxy_point *p)
{
	static const struct config_haproxy config = {.name = (char *)"edge",
						     .socket = (char *)"/run/haproxy/picket.sock",
						     .map = (char *)"/etc/haproxy/picket.map"};

	(void)p;
	return &config;
}

const char *haproxy_state_name(enum haproxy_state state)
{
	return state == HAPROXY_UP ? "up" : state == HAPROXY_DOWN ? "down" : "starting";
}

bool http_point_is_asked(struct http_point *p, uint8_t family)
{
	(void)family;
	(void)p;
	return fake.http_asked;
}

unsigned enforcer_lists(struct enforcer *e, struct lists_account ret[static CONFIG_LISTS_MAX])
{
	(void)e;
	memcpy(ret, fake.lists, sizeof fake.lists);
	return fake.list_count;
}

int enforcer_blocks(struct enforcer *e, struct block_told **ret, size_t *ret_count)
{
	struct block_told *copy = calloc(fake.block_count + 1, sizeof *copy);

	(void)e;
	if (!copy)
		return -ENOMEM;
	if (fake.block_count)
		memcpy(copy, fake.blocks, fake.block_count * sizeof *copy);
	*ret = copy;
	*ret_count = fake.block_count;
	return 0;
}

int enforcer_pending(struct enforcer *e, struct pending **ret, size_t *ret_count)
{
	struct pending *copy = malloc(sizeof fake.pending);

	(void)e;
	if (!copy)
		return -ENOMEM;
	memcpy(copy, fake.pending, sizeof fake.pending);
	*ret = copy;
	*ret_count = fake.pending_count;
	return 0;
}

int enforcer_why(struct enforcer *e, const struct prefix *target, struct why *ret, struct event **history,
		 size_t *count)
{
	size_t n = MIN(*count, fake.history_count);

	(void)e;
	(void)target;
	*ret = fake.why;
	for (size_t i = 0; i < n; i++)
		history[i] = event_ref(fake.history[i]);
	*count = n;
	return 0;
}

int warden_call(struct warden_client *c, const struct warden_request *q, struct warden_reply *ret)
{
	(void)c;
	if (fake.warden_result)
		return fake.warden_result;
	fake.kills += q->op == WARDEN_KILL && q->flag;
	*ret = fake.warden;
	return 0;
}

struct capture_counts capture_counts(const struct capture *c)
{
	(void)c;
	return fake.capture;
}

struct answers_counts capture_answers(const struct capture *c)
{
	(void)c;
	return fake.answers;
}

bool capture_sees_answers(const struct capture *c)
{
	(void)c;
	return true;
}

static enum processes_sight sight(void)
{
	return fake.sight;
}

struct reader_counts reader_counts(const struct reader *r)
{
	(void)r;
	return fake.reader;
}

void detect_rearm(struct detect *d)
{
	(void)d;
	fake.rearmed++;
}

struct opinion_counts opinion_counts(const struct opinion *o)
{
	(void)o;
	return fake.opinion;
}

const char *opinion_state_name(enum opinion_state state)
{
	return state == OPINION_READY ? "ready" : "off";
}

struct detect_counts detect_counts(const struct detect *d)
{
	(void)d;
	return fake.detect;
}

struct regulars_counts regulars_counts(struct regulars *r)
{
	(void)r;
	return fake.regulars;
}

struct witness_counts witness_counts(struct witness *w)
{
	(void)w;
	return fake.witness;
}

struct packet_counts packet_watch_counts(const struct packet_watch *w)
{
	(void)w;
	return (struct packet_counts){0};
}

/* Of one client something is known. */
int forwarder_dossier(struct forwarder *f, const char *name, const struct addr *client, const char **ret_name,
		      struct buffer *out)
{
	struct addr known;

	(void)f;
	addr_parse(SPAN("192.0.2.7"), &known);
	if (name && strcmp(name, "model") != 0)
		return 2;
	*ret_name = "model";
	if (!addr_equal(client, &known))
		return 1;
	return buffer_append_text(out, "{\"client\":\"192.0.2.7\",\"events\":[],\"dossier\":{}}");
}

unsigned forwarder_counts(struct forwarder *f, struct gateway_counts *ret, unsigned count)
{
	(void)f;
	memcpy(ret, fake.gateways, MIN(count, fake.gateway_count) * sizeof *ret);
	return fake.gateway_count;
}

static struct queue_counts event_queue(void *arg)
{
	(void)arg;
	return fake.queue;
}

/* --- values --- */

struct prefix fixture_prefix(const char *text)
{
	struct prefix p = {0};

	if (prefix_parse(span_from(text), &p))
		abort();
	return p;
}

struct block_told fixture_block(const char *target)
{
	uint64_t now = clock_boot_ns(&clock_system);

	return (struct block_told){
		.verdict = {.id = "v-1",
			    .source = VERDICT_LOCAL,
			    .origin = "login_guessing",
			    .action = VERDICT_BLOCK,
			    .scope = VERDICT_SCOPE_PORTS,
			    .target = fixture_prefix(target),
			    .ttl_ms = 900000,
			    .confidence = 1,
			    .reason = "20 POSTs to /login in 60s",
			    .evidence = {"run-7"},
			    .evidence_count = 1},
		.since_ns = now - 60 * NS_PER_S,
		.deadline_ns = now + 840 * NS_PER_S,
		.installed_ns = now - 60 * NS_PER_S,
		.packets = 1204,
		.bytes = 72000,
		.last_ns = now - 3 * NS_PER_S,
	};
}

void fixture_put_request(struct fixture *f, const char *path)
{
	struct event *e = event_new(EVENT_HTTP_REQUEST, strlen(path) + 64);

	if (!e)
		abort();
	e->time_ns = clock_boot_ns(&clock_system);
	e->wall_ns = clock_wall_ns(&clock_system);
	e->flow.peer = (struct endpoint){fixture_prefix("192.0.2.7").addr, 50122};
	e->flow.local = (struct endpoint){fixture_prefix("198.51.100.1").addr, 80};
	e->request.method = event_tail_copy(e, SPAN("GET"));
	e->request.path = e->request.target = event_tail_copy(e, span_from(path));
	e->request.version_major = e->request.version_minor = 1;
	tail_put(f->tail, e);
	event_unref(e);
}

void fixture_put_header(struct fixture *f, const char *from, const char *to, uint16_t flags)
{
	struct event *e = event_new(EVENT_TCP_HEADER, 0);

	if (!e)
		abort();
	e->wall_ns = 1700000000123456789;
	e->flow.peer = (struct endpoint){fixture_prefix(from).addr, 50122};
	e->flow.local = (struct endpoint){fixture_prefix(to).addr, 80};
	e->tcp_header = (struct event_tcp_header){
		.source_port = 50122,
		.destination_port = 80,
		.sequence = 4294967295u,
		.acknowledgment = 7,
		.window = 64240,
		.flags = flags,
		.header_length = 40,
		.payload_len = 12,
	};
	tail_put(f->tail, e);
	event_unref(e);
}

void fixture_list(void)
{
	static const struct config_list drop = {.name = (char *)"drop",
						.path = (char *)"/lists/drop.txt",
						.action = VERDICT_BLOCK,
						.scope = VERDICT_SCOPE_PORTS,
						.ttl_ms = 86400000};
	uint64_t now = clock_boot_ns(&clock_system);

	fake.list_count = 1;
	fake.lists[0] = (struct lists_account){
		.config = &drop,
		.format = CONFIG_LIST_PLAIN,
		.entries = 120,
		.in_force = 117,
		.refused = {[LIMITS_PROTECTED] = 2, [LIMITS_FULL] = 1},
		.unreadable = 1,
		.faults = {{.at = 7, .why = "is no address or prefix", .quote = "host.example"}},
		.fault_count = 1,
		.read_ns = now - 60 * NS_PER_S,
		.took_ns = 12 * NS_PER_MS,
		.until_ns = now + 3600 * NS_PER_S,
		.error = "is empty",
		.former = 250,
		.dropped = 130,
	};
}

struct event *fixture_decision(const char *target, enum decision_outcome outcome, const char *why,
			       const char *detail)
{
	struct event *e = event_new(EVENT_DECISION, strlen(why) + strlen(detail));
	struct block_told b = fixture_block(target);

	if (!e)
		abort();
	e->wall_ns = clock_wall_ns(&clock_system);
	e->decision.verdict = b.verdict;
	e->decision.outcome = outcome;
	e->decision.why = event_tail_copy(e, span_from(why));
	e->decision.detail = event_tail_copy(e, span_from(detail));
	return e;
}

/* --- the server --- */

static void fake_at_rest(void)
{
	fake = (struct fake){
		.mode = MODE_ENFORCE,
		.decision = {.outcome = DECISION_BLOCKED,
			     .why = "ok",
			     .installed_ns = clock_boot_ns(&clock_system)},
		.queue = {.pushed = 12, .popped = 12},
		.reader = {.requests = 20, .headers = 5},
		.gateways = {{.name = "local",
			      .protocol = GATEWAY_LOCAL,
			      .state = "idle",
			      .events = 12,
			      .events_offered = 12}},
		.gateway_count = 1,
	};
	fake.warden.status.stats[PK_C_REQ_PRODUCED] = 20;
	fake.warden.status.stats[PK_C_HDR_PRODUCED] = 5;
	fake.warden.status.started_ns = clock_boot_ns(&clock_system);
	fake.warden.status.attachment_count = 1;
	fake.warden.status.attachments[0] =
		(struct kernel_attachment){.ifindex = 2, .name = "eth0", .driver = "veth", .mode = PACKET_TC};
	fake.warden.status.ports.watched[80 >> 6] |= 1ull << (80 & 63);
	fake.warden.status.sources.sessions_seen = true;
}

static int listen_at(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof at.sun_path)
		return -1;
	memcpy(at.sun_path, path, strlen(path) + 1);
	if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 16)) {
		close(fd);
		return -1;
	}
	return fd;
}

int fixture_start(struct fixture *f)
{
	struct buffer errors = BUFFER_INIT(4096);
	char *const no_environment[] = {NULL};

	*f = (struct fixture){.folder = "/tmp/picket-control.XXXXXX"};
	fake_at_rest();
	if (!mkdtemp(f->folder))
		return -errno;
	snprintf(f->socket, sizeof f->socket, "%s/control.sock", f->folder);
	int r = config_load("", NULL, 0, no_environment, &f->config, &errors);

	buffer_free(&errors);
	if (!r)
		r = proxies_new(f->config, &f->proxies);
	if (!r)
		r = tail_new(FIXTURE_TAIL, 16u << 20, &f->tail);
	if (!r)
		r = operations_new(&f->operations);
	if (!r)
		r = operations_add(f->operations, SPAN("/v1/items/{itemId}"), 1u << METHOD_GET);
	if (!r)
		r = routes_new(f->operations, &f->routes);
	if (!r)
		r = behaviour_new(0, 0, &f->behaviour);
	if (!r)
		r = baseline_new(16, &(struct baseline_limits){0, 1}, &f->baseline);
	if (!r)
		r = forecast_new(&f->forecast);
	if (!r)
		r = api_new(&f->api);
	if (r)
		return r;
	f->parts = (struct control_parts){
		.config = f->config,
		.clock = &clock_system,
		.tail = f->tail,
		.proxies = f->proxies,
		.routes = f->routes,
		.behaviour = f->behaviour,
		.baseline = f->baseline,
		.forecast = f->forecast,
		.event_queue = event_queue,
		.sight = sight,
		.detect = (struct detect *)&fake, /* only handed back to the fakes above */
		.started_ns = clock_boot_ns(&clock_system),
		.run_id = event_run_id(),
	};
	r = control_register(f->api, &f->parts);
	int fd = r ? -1 : listen_at(f->socket);

	if (fd < 0)
		return r ? r : -EIO;
	return api_start(f->api, fd, 16);
}

void fixture_stop(struct fixture *f)
{
	api_free(f->api);
	tail_free(f->tail);
	forecast_free(f->forecast);
	behaviour_free(f->behaviour);
	baseline_free(f->baseline);
	routes_free(f->routes);
	operations_free(f->operations);
	proxies_free(f->proxies);
	config_free(f->config);
	for (size_t i = 0; i < fake.history_count; i++)
		event_unref(fake.history[i]);
	fake.history_count = 0;
	unlink(f->socket);
	rmdir(f->folder);
}

/* --- no LAPI --- */

struct crowdsec_link *crowdsec_links_find(const struct crowdsec_links *l, const char *name)
{
	(void)l;
	(void)name;
	return NULL;
}

void crowdsec_link_counts(struct crowdsec_link *k, struct gateway_counts *ret)
{
	(void)k;
	(void)ret;
}

struct crowdsec_bouncer *crowdsec_link_bouncer(struct crowdsec_link *k)
{
	(void)k;
	return NULL;
}

unsigned crowdsec_bouncer_find(struct crowdsec_bouncer *b, const struct prefix *target,
			       struct crowdsec_told *ret, unsigned max)
{
	(void)b;
	(void)target;
	(void)ret;
	(void)max;
	return 0;
}

struct crowdsec_bouncer_counts crowdsec_bouncer_counts(struct crowdsec_bouncer *b)
{
	(void)b;
	return (struct crowdsec_bouncer_counts){0};
}

struct crowdsec_machine *crowdsec_link_machine(struct crowdsec_link *k)
{
	(void)k;
	return NULL;
}

struct crowdsec_machine_counts crowdsec_machine_counts(struct crowdsec_machine *m)
{
	(void)m;
	return (struct crowdsec_machine_counts){0};
}
