// SPDX-License-Identifier: Apache-2.0
#include "sensor/crowdsec_link.h"
#include <errno.h>
#include "forwarder/secret.h"
#include "lib/log.h"
#include "lib/util.h"
#include "sensor/crowdsec_state.h"

#define PORTS_KEPT   8
#define PASSWORD_MAX 1024

struct crowdsec_link {
	const struct config_gateway *config;
	struct credentials credentials;
	struct buffer password;
	struct lapi *lapi, *machine_lapi; /* of the two threads */
	struct crowdsec_bouncer *bouncer;
	struct crowdsec_machine *machine;
	struct state_file *state; /* NULL: nothing is kept */
	unsigned list;
	/* Ports of its last connections, ours and the LAPI's; written by its threads, read by others. */
	uint32_t ports[PORTS_KEPT];
	unsigned ports_next;
};

struct crowdsec_links {
	const struct config *config;
	const struct clock *clock;
	struct crowdsec_link items[CONFIG_LISTS_MAX];
	unsigned count;
	char os_name[64], os_version[64];
};

static unsigned list_of(const struct config *c, const struct config_gateway *g)
{
	unsigned i = 0;

	while (i < c->list_count && (c->lists[i].path || strcmp(c->lists[i].name, g->name) != 0))
		i++;
	return i;
}

/* A line of os-release(5): NAME=value or NAME="value". */
static void os_take(const char *line, const char *name, char *ret, size_t size)
{
	size_t n = strlen(name);

	if (strncmp(line, name, n) != 0 || line[n] != '=')
		return;
	line += n + 1;
	line += *line == '"';
	snprintf(ret, size, "%.*s", (int)strcspn(line, "\"\n"), line);
}

static void os_read(struct crowdsec_links *l)
{
	_cleanup_fclose_ FILE *f = fopen("/etc/os-release", "re");
	char line[256];

	snprintf(l->os_name, sizeof l->os_name, "linux");
	while (f && fgets(line, sizeof line, f)) {
		os_take(line, "ID", l->os_name, sizeof l->os_name);
		os_take(line, "VERSION_ID", l->os_version, sizeof l->os_version);
	}
}

static int password_read(const struct config_gateway *g, struct buffer *ret, struct buffer *errors)
{
	bool shared = false;

	if (!g->password_file)
		return 0;
	int r = secret_read_token(g->password_file, ret, &shared);
	if (r > 0)
		buffer_printf(errors, "gateways: %s: password_file: %s %s\n", g->name, g->password_file,
			      secret_error_text(r));
	else if (shared)
		buffer_printf(errors, "gateways: %s: password_file: others may read %s: chmod 600 it\n",
			      g->name, g->password_file);
	return r > 0 ? CONFIG_E_INVALID : r;
}

int crowdsec_links_new(const struct config *config, const struct clock *clock, struct crowdsec_links **ret,
		       struct buffer *errors)
{
	struct crowdsec_links *l = calloc(1, sizeof *l);
	int r = 0, all = 0;

	if (!l)
		return -ENOMEM;
	l->config = config;
	l->clock = clock;
	os_read(l);
	/* Every gateway's faults are told at once. */
	for (unsigned i = 0; i < config->gateway_count && r >= 0; i++) {
		const struct config_gateway *g = &config->gateways[i];
		if (g->protocol != GATEWAY_CROWDSEC)
			continue;
		struct crowdsec_link *k = &l->items[l->count++];
		k->config = g;
		k->list = list_of(config, g);
		k->password = BUFFER_INIT(PASSWORD_MAX);
		r = credentials_read(g, &k->credentials, errors);
		all = r ? r : all;
		if (r >= 0)
			r = password_read(g, &k->password, errors);
		all = r ? r : all;
	}
	if (r < 0 || all) {
		crowdsec_links_free(l);
		return r < 0 ? r : all;
	}
	*ret = l;
	return 0;
}

void crowdsec_links_open(struct crowdsec_links *l, const char *state_dir)
{
	char name[64];

	for (unsigned i = 0; i < l->count; i++) {
		struct crowdsec_link *k = &l->items[i];
		if (!config_gateway_has_list(k->config))
			continue;
		snprintf(name, sizeof name, "crowdsec-%.40s", k->config->name);
		int r = state_file_open(state_dir, name, CROWDSEC_STATE_MAX + 4096, &k->state);
		if (r)
			log_warning("decisions are not kept over a restart",
				    LOG_S("gateway", k->config->name), LOG_S("folder", state_dir),
				    LOG_ERRNO(r));
	}
}

static uint32_t port_pair(uint16_t local_port, uint16_t peer_port)
{
	return (uint32_t)local_port << 16 | peer_port;
}

static bool link_is_own(const struct crowdsec_link *k, uint16_t local_port, uint16_t peer_port)
{
	for (unsigned i = 0; i < PORTS_KEPT; i++)
		if (__atomic_load_n(&k->ports[i], __ATOMIC_RELAXED) == port_pair(local_port, peer_port))
			return true;
	return false;
}

/* Known before its first request can be captured: picket does not report its own. */
static void on_connected(void *owner, uint16_t local_port, uint16_t peer_port)
{
	struct crowdsec_link *k = owner;

	if (!link_is_own(k, local_port, peer_port))
		__atomic_store_n(
			&k->ports[__atomic_fetch_add(&k->ports_next, 1, __ATOMIC_RELAXED) % PORTS_KEPT],
			port_pair(local_port, peer_port), __ATOMIC_RELAXED);
}

static int bouncer_start(struct crowdsec_links *l, struct crowdsec_link *k,
			 const struct crowdsec_links_parts *parts)
{
	const struct lapi_parts lapi = {k->config, &k->credentials, l->clock, k, on_connected};
	int r = lapi_new(&lapi, &k->lapi);

	if (r)
		return r;
	const struct crowdsec_bouncer_parts bouncer = {
		.config = k->config,
		.clock = l->clock,
		.lapi = k->lapi,
		.enforcer = parts->enforcer,
		.warden = parts->warden,
		.list = k->list,
		.state = k->state,
		.os_name = l->os_name,
		.os_version = l->os_version,
		.stop_fd = parts->stop_fd,
	};
	struct crowdsec_bouncer *b;
	r = crowdsec_bouncer_new(&bouncer, &b);
	if (r)
		return r;
	__atomic_store_n(&k->bouncer, b, __ATOMIC_RELEASE); /* questions may be there already */
	return crowdsec_bouncer_start(b);
}

static int machine_start(struct crowdsec_links *l, struct crowdsec_link *k,
			 const struct crowdsec_links_parts *parts)
{
	const struct lapi_parts lapi = {k->config, &k->credentials, l->clock, k, on_connected};
	int r = lapi_new(&lapi, &k->machine_lapi);

	if (r)
		return r;
	const struct crowdsec_machine_parts machine = {
		.config = k->config,
		.clock = l->clock,
		.lapi = k->machine_lapi,
		.bouncer = k->bouncer,
		.password = buffer_span(&k->password),
		.stop_fd = parts->stop_fd,
	};
	struct crowdsec_machine *m;
	r = crowdsec_machine_new(&machine, &m);
	if (r)
		return r;
	__atomic_store_n(&k->machine, m, __ATOMIC_RELEASE); /* events may be there already */
	return crowdsec_machine_start(m);
}

int crowdsec_links_start(struct crowdsec_links *l, const struct crowdsec_links_parts *parts)
{
	for (unsigned i = 0; i < l->count; i++) {
		struct crowdsec_link *k = &l->items[i];
		int r = config_gateway_has_list(k->config) ? bouncer_start(l, k, parts) : 0;
		if (!r && k->config->machine_id)
			r = machine_start(l, k, parts);
		if (r)
			return r;
	}
	return 0;
}

void crowdsec_links_stop(struct crowdsec_links *l)
{
	for (unsigned i = 0; l && i < l->count; i++) {
		if (l->items[i].lapi)
			lapi_stop(l->items[i].lapi);
		if (l->items[i].machine_lapi)
			lapi_stop(l->items[i].machine_lapi);
	}
	for (unsigned i = 0; l && i < l->count; i++) {
		crowdsec_machine_join(l->items[i].machine);
		crowdsec_bouncer_join(l->items[i].bouncer);
	}
}

void crowdsec_links_free(struct crowdsec_links *l)
{
	if (!l)
		return;
	crowdsec_links_stop(l);
	for (unsigned i = 0; i < l->count; i++) {
		struct crowdsec_link *k = &l->items[i];
		crowdsec_machine_free(k->machine);
		crowdsec_bouncer_free(k->bouncer);
		lapi_free(k->lapi);
		lapi_free(k->machine_lapi);
		state_file_free(k->state);
		credentials_free(&k->credentials);
		if (k->password.data)
			explicit_bzero(k->password.data, k->password.size);
		buffer_free(&k->password);
	}
	free(l);
}

unsigned crowdsec_links_count(const struct crowdsec_links *l)
{
	return l ? l->count : 0;
}

bool crowdsec_links_is_own(const struct crowdsec_links *l, uint16_t local_port, uint16_t peer_port)
{
	for (unsigned i = 0; l && i < l->count; i++)
		if (link_is_own(&l->items[i], local_port, peer_port))
			return true;
	return false;
}

struct crowdsec_link *crowdsec_links_find(const struct crowdsec_links *l, const char *name)
{
	for (unsigned i = 0; l && i < l->count; i++)
		if (!strcmp(l->items[i].config->name, name))
			return (struct crowdsec_link *)(uintptr_t)&l->items[i];
	return NULL;
}

struct crowdsec_bouncer *crowdsec_link_bouncer(struct crowdsec_link *k)
{
	return __atomic_load_n(&k->bouncer, __ATOMIC_ACQUIRE);
}

struct crowdsec_machine *crowdsec_link_machine(struct crowdsec_link *k)
{
	return __atomic_load_n(&k->machine, __ATOMIC_ACQUIRE);
}

void crowdsec_links_hit(struct crowdsec_links *l, const struct prefix *target, uint64_t packets,
			uint64_t bytes)
{
	for (unsigned i = 0; l && i < l->count; i++) {
		struct crowdsec_bouncer *b = crowdsec_link_bouncer(&l->items[i]);
		if (b)
			crowdsec_bouncer_hit(b, target, packets, bytes);
	}
}

void crowdsec_links_note(struct crowdsec_links *l, struct event *e)
{
	if (e->kind != EVENT_DECISION)
		return;
	for (unsigned i = 0; l && i < l->count; i++) {
		struct crowdsec_machine *m = crowdsec_link_machine(&l->items[i]);
		if (m)
			crowdsec_machine_note(m, e);
	}
}

static void machine_counts(struct crowdsec_link *k, struct gateway_counts *ret)
{
	const struct crowdsec_machine_counts c = crowdsec_machine_counts(k->machine);

	ret->attempts += c.bans + c.records + c.failures;
	ret->retries += c.failures;
	ret->connections += c.connections;
	if (!c.error[0])
		return;
	ret->state = "backing off";
	ret->last_status = c.status;
	snprintf(ret->last_error, sizeof ret->last_error, "%s", c.error);
}

void crowdsec_link_counts(struct crowdsec_link *k, struct gateway_counts *ret)
{
	*ret = (struct gateway_counts){
		.name = k->config->name, .protocol = k->config->protocol, .state = "idle"};
	if (crowdsec_link_machine(k))
		machine_counts(k, ret);
	if (!k->bouncer)
		return;
	struct crowdsec_bouncer_counts c = crowdsec_bouncer_counts(k->bouncer);
	ret->attempts += c.pulls + c.failures;
	ret->retries += c.failures;
	ret->connections += c.connections;
	ret->bytes = c.bytes;
	if (!ret->last_status || c.error[0])
		ret->last_status = c.status;
	if (!c.error[0])
		return;
	ret->state = "backing off";
	snprintf(ret->last_error, sizeof ret->last_error, "%s", c.error);
}
