// SPDX-License-Identifier: Apache-2.0
#include "policies/proxies.h"
#include <errno.h>
#include <pthread.h>
#include <sys/queue.h>
#include "lib/util.h"
#include "policies/table.h"

struct peer {
	struct table_node node;
	TAILQ_ENTRY(peer) age;
	struct proxy_peer seen;
	uint64_t generation; /* of the rules when rule_class was looked up */
	enum proxy_class rule_class;
};
TAILQ_HEAD(peer_list, peer);

struct rule {
	struct prefix net;
	enum proxy_class class; /* TRUSTED or DIRECT */
	bool configured;
	uint64_t mask[2], bits[2]; /* net again, in the form that is compared for each new peer */
};

struct proxies {
	pthread_mutex_t lock;
	enum config_proxy_default fallback;
	uint8_t shortest_v4, shortest_v6;
	struct rule *rules; /* most specific first; of two alike the one said at run time */
	size_t rule_count, rule_size, spoken_count;
	uint64_t generation; /* raised by each change of the rules */
	struct table table;
	/* Oldest first. Those that never forwarded make room before those that did. */
	struct peer_list plain, forwarding;
	uint64_t requests, forgotten;
};

const char *proxy_class_name(enum proxy_class c)
{
	static const char *const names[] = {
		[PROXY_CLASS_CLIENT] = "client",
		[PROXY_CLASS_TRUSTED] = "trusted",
		[PROXY_CLASS_DIRECT] = "direct",
		[PROXY_CLASS_UNCLASSIFIED] = "unclassified",
	};

	return (size_t)c < ARRAY_SIZE(names) ? names[c] : "unknown";
}

/* --- rules --- */
static int rule_put(struct proxies *p, const struct prefix *net, enum proxy_class class, bool configured)
{
	size_t at = 0;

	while (at < p->rule_count && p->rules[at].net.bits > net->bits)
		at++;
	/* Among equal lengths the newest stands first: run time before file, and in the file the later line.
	 */
	if (p->rule_count == p->rule_size) {
		size_t size = p->rule_size ? p->rule_size * 2 : 16;
		struct rule *rules = realloc(p->rules, size * sizeof *rules);
		if (!rules)
			return -ENOMEM;
		p->rules = rules;
		p->rule_size = size;
	}
	memmove(&p->rules[at + 1], &p->rules[at], (p->rule_count - at) * sizeof *p->rules);
	struct rule *rule = &p->rules[at];
	*rule = (struct rule){.net = *net, .class = class, .configured = configured};
	memcpy(rule->bits, net->addr.bytes, sizeof rule->bits);
	struct addr ones = {.family = net->addr.family};
	memset(ones.bytes, 0xff, sizeof ones.bytes);
	struct prefix mask = prefix_of(&ones, net->bits);
	memcpy(rule->mask, mask.addr.bytes, sizeof rule->mask);
	p->rule_count++;
	p->generation++;
	return 0;
}

static void rule_drop(struct proxies *p, size_t at)
{
	p->rule_count--;
	p->generation++;
	memmove(&p->rules[at], &p->rules[at + 1], (p->rule_count - at) * sizeof *p->rules);
}

static struct rule *rule_spoken(struct proxies *p, const struct prefix *who)
{
	for (size_t i = 0; i < p->rule_count; i++)
		if (!p->rules[i].configured && prefix_equal(&p->rules[i].net, who))
			return &p->rules[i];
	return NULL;
}

/* The most specific rule that covers all of target, or NULL. */
static const struct rule *rule_covering(const struct proxies *p, const struct prefix *target)
{
	uint64_t bits[2];

	memcpy(bits, target->addr.bytes, sizeof bits);
	for (size_t i = 0; i < p->rule_count; i++) {
		const struct rule *rule = &p->rules[i];
		if (rule->net.addr.family == target->addr.family && rule->net.bits <= target->bits &&
		    (bits[0] & rule->mask[0]) == rule->bits[0] && (bits[1] & rule->mask[1]) == rule->bits[1])
			return rule;
	}
	return NULL;
}

static int rules_from_config(struct proxies *p, const struct config_prefixes *nets, enum proxy_class class)
{
	for (unsigned i = 0; i < nets->count; i++) {
		int r = rule_put(p, &nets->items[i], class, true);
		if (r)
			return r;
	}
	return 0;
}

/* --- the life of it --- */
int proxies_new(const struct config *config, struct proxies **ret)
{
	struct proxies *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	p->generation = 1; /* a new peer has 0: not looked up */
	TAILQ_INIT(&p->plain);
	TAILQ_INIT(&p->forwarding);
	p->fallback = config->proxies.peers;
	p->shortest_v4 = (uint8_t)config->limits.prefix_min_v4;
	p->shortest_v6 = (uint8_t)config->limits.prefix_min_v6;
	int r = table_init(&p->table, PROXIES_PEERS_MAX);
	if (!r)
		r = rules_from_config(p, &config->proxies.direct, PROXY_CLASS_DIRECT);
	if (!r) /* after direct: a range named in both lists is trusted, which never blocks too much */
		r = rules_from_config(p, &config->proxies.trusted, PROXY_CLASS_TRUSTED);
	if (r) {
		proxies_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

static void peers_free(struct peer_list *list)
{
	struct peer *peer;

	while ((peer = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, peer, age);
		free(peer);
	}
}

void proxies_free(struct proxies *p)
{
	if (!p)
		return;
	peers_free(&p->plain);
	peers_free(&p->forwarding);
	table_deinit(&p->table);
	free(p->rules);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* --- peers --- */
static uint64_t peer_hash(const struct proxies *p, const struct addr *a)
{
	return table_hash(&p->table, a, sizeof *a);
}

static struct peer *peer_find(const struct proxies *p, const struct addr *a, uint64_t hash)
{
	for (struct table_node *n = table_first(&p->table, hash); n; n = table_next(n)) {
		struct peer *peer = table_owner(n, struct peer, node);
		if (addr_equal(&peer->seen.addr, a))
			return peer;
	}
	return NULL;
}

static struct peer_list *peer_home(struct proxies *p, const struct peer *peer)
{
	return peer->seen.forwarded ? &p->forwarding : &p->plain;
}

/* A node for one more peer: a fresh one, or that of the peer which makes room. NULL: none may. */
static struct peer *peer_room(struct proxies *p, bool forwarded)
{
	if (p->table.count < PROXIES_PEERS_MAX)
		return calloc(1, sizeof(struct peer));
	struct peer *old = TAILQ_FIRST(&p->plain);
	if (!old && forwarded)
		old = TAILQ_FIRST(&p->forwarding);
	p->forgotten++;
	if (!old)
		return NULL;
	TAILQ_REMOVE(peer_home(p, old), old, age);
	table_remove(&p->table, &old->node);
	*old = (struct peer){0};
	return old;
}

/* The peer, taken out of its list: a new one if need be. NULL: there is no room. */
static struct peer *peer_take(struct proxies *p, const struct addr *addr, bool forwarded)
{
	uint64_t hash = peer_hash(p, addr);
	struct peer *peer = peer_find(p, addr, hash);

	if (peer) {
		TAILQ_REMOVE(peer_home(p, peer), peer, age);
		return peer;
	}
	peer = peer_room(p, forwarded);
	if (peer) {
		peer->seen.addr = *addr;
		peer->seen.bits = addr_bits(addr);
		table_add(&p->table, &peer->node, hash);
	}
	return peer;
}

static void peer_put(struct proxies *p, struct peer *peer, uint64_t now_ns)
{
	peer->seen.last_ns = now_ns;
	TAILQ_INSERT_TAIL(peer_home(p, peer), peer, age);
}

/* --- classes --- */
static enum proxy_class rules_class(const struct proxies *p, const struct addr *addr)
{
	struct prefix exact = {.addr = *addr, .bits = addr_bits(addr)};
	const struct rule *rule = rule_covering(p, &exact);

	return rule ? rule->class : PROXY_CLASS_CLIENT;
}

/* peer: what was seen of addr, NULL if nothing. It remembers the rules' answer. */
static enum proxy_class peer_class(const struct proxies *p, const struct addr *addr, struct peer *peer)
{
	enum proxy_class class = PROXY_CLASS_CLIENT;

	if (!peer) {
		class = rules_class(p, addr);
	} else {
		if (peer->generation != p->generation) {
			peer->rule_class = rules_class(p, addr);
			peer->generation = p->generation;
		}
		class = peer->rule_class;
	}
	if (class != PROXY_CLASS_CLIENT)
		return class;
	if (!peer || !peer->seen.forwarded)
		return PROXY_CLASS_CLIENT;
	return p->fallback == PROXY_DIRECT ? PROXY_CLASS_DIRECT : PROXY_CLASS_UNCLASSIFIED;
}

enum proxy_class proxies_note(struct proxies *p, const struct addr *addr, bool forwarded, uint64_t now_ns)
{
	pthread_mutex_lock(&p->lock);
	struct peer *peer = peer_take(p, addr, forwarded);

	p->requests++;
	if (peer) {
		peer->seen.requests++;
		peer->seen.forwarded += forwarded;
		peer_put(p, peer, now_ns);
	}
	enum proxy_class class = peer_class(p, addr, peer);
	pthread_mutex_unlock(&p->lock);
	return class;
}

enum proxy_class proxies_note_header(struct proxies *p, const struct addr *addr, uint64_t now_ns)
{
	pthread_mutex_lock(&p->lock);
	struct peer *peer = peer_take(p, addr, false);

	if (peer) {
		peer->seen.proxy_headers++;
		peer_put(p, peer, now_ns);
	}
	enum proxy_class class = peer_class(p, addr, peer);
	pthread_mutex_unlock(&p->lock);
	return class;
}

bool proxies_sends_headers(struct proxies *p, const struct addr *addr)
{
	pthread_mutex_lock(&p->lock);
	const struct peer *peer = peer_find(p, addr, peer_hash(p, addr));
	bool sends = peer && peer->seen.proxy_headers;

	pthread_mutex_unlock(&p->lock);
	return sends;
}

void proxies_note_source(struct proxies *p, const struct addr *addr, enum client_source source)
{
	pthread_mutex_lock(&p->lock);
	struct peer *peer = peer_find(p, addr, peer_hash(p, addr));

	if (peer)
		peer->seen.clients_by = source;
	pthread_mutex_unlock(&p->lock);
}

enum proxy_class proxies_class(struct proxies *p, const struct addr *addr)
{
	pthread_mutex_lock(&p->lock);
	enum proxy_class class = peer_class(p, addr, peer_find(p, addr, peer_hash(p, addr)));

	pthread_mutex_unlock(&p->lock);
	return class;
}

static int badness(enum proxy_class c)
{
	static const int order[] = {
		[PROXY_CLASS_CLIENT] = 0,
		[PROXY_CLASS_DIRECT] = 1,
		[PROXY_CLASS_UNCLASSIFIED] = 2,
		[PROXY_CLASS_TRUSTED] = 3,
	};

	return order[c];
}

struct worst {
	enum proxy_class class;
	struct prefix who;
};

static void worst_consider(struct worst *w, enum proxy_class class, const struct prefix *who)
{
	if (badness(class) > badness(w->class))
		*w = (struct worst){class, *who};
}

static struct worst worst_of(const struct proxies *p, const struct prefix *target)
{
	struct worst w = {PROXY_CLASS_CLIENT, *target};
	const struct rule *covering = rule_covering(p, target);

	if (covering)
		worst_consider(&w, covering->class, &covering->net);
	for (size_t i = 0; i < p->rule_count; i++) /* rules for a part of target */
		if (p->rules[i].net.bits > target->bits && prefix_contains(target, &p->rules[i].net.addr))
			worst_consider(&w, p->rules[i].class, &p->rules[i].net);
	if (w.class == PROXY_CLASS_TRUSTED)
		return w;
	struct peer *peer;
	TAILQ_FOREACH(peer, &p->forwarding, age)
	{
		if (!prefix_contains(target, &peer->seen.addr))
			continue;
		struct prefix exact = prefix_of(&peer->seen.addr, addr_bits(&peer->seen.addr));
		worst_consider(&w, peer_class(p, &peer->seen.addr, peer), &exact);
	}
	return w;
}

enum proxy_class proxies_worst(struct proxies *p, const struct prefix *target, struct prefix *ret_who)
{
	struct worst w;

	pthread_mutex_lock(&p->lock);
	if (prefix_is_exact(target)) { /* the usual case needs no walk, and capture waits for this lock */
		const struct addr *a = &target->addr;
		w = (struct worst){peer_class(p, a, peer_find(p, a, peer_hash(p, a))), *target};
	} else {
		w = worst_of(p, target);
	}
	pthread_mutex_unlock(&p->lock);
	*ret_who = w.who;
	return w.class;
}

enum proxy_class proxies_class_prefix(struct proxies *p, const struct prefix *target)
{
	struct prefix who;

	return proxies_worst(p, target, &who);
}

/* --- what people say and ask --- */
static int proxies_say(struct proxies *p, const struct prefix *who, enum proxy_class class)
{
	struct rule *rule = rule_spoken(p, who);

	if (class == PROXY_CLASS_CLIENT) {
		if (rule) {
			rule_drop(p, (size_t)(rule - p->rules));
			p->spoken_count--;
		}
		return 0;
	}
	if (rule) {
		rule->class = class;
		p->generation++;
		return 0;
	}
	if (p->spoken_count >= PROXIES_RULES_MAX)
		return PROXIES_E_FULL;
	int r = rule_put(p, who, class, false);
	if (!r)
		p->spoken_count++;
	return r;
}

int proxies_set(struct proxies *p, const struct prefix *who, enum proxy_class class)
{
	if (class == PROXY_CLASS_UNCLASSIFIED || who->addr.family == ADDR_NONE)
		return -EINVAL;
	if (who->bits < (who->addr.family == ADDR_IPV4 ? p->shortest_v4 : p->shortest_v6))
		return PROXIES_E_TOO_WIDE;
	pthread_mutex_lock(&p->lock);
	int r = proxies_say(p, who, class);

	pthread_mutex_unlock(&p->lock);
	return r;
}

static int by_requests(const void *a, const void *b)
{
	const struct proxy_peer *x = a, *y = b;

	return x->requests < y->requests ? 1 : x->requests > y->requests ? -1 : 0;
}

static size_t list_fill(const struct proxies *p, const struct peer_list *list, struct proxy_peer *out)
{
	struct peer *peer;
	size_t count = 0;

	TAILQ_FOREACH(peer, list, age)
	{
		enum proxy_class class = peer_class(p, &peer->seen.addr, peer);
		if (class == PROXY_CLASS_CLIENT && !peer->seen.forwarded)
			continue;
		out[count] = peer->seen;
		out[count].class = class;
		count++;
	}
	return count;
}

/* Was anything inside of it listed? */
static bool listed(const struct proxy_peer *peers, size_t count, const struct prefix *net)
{
	for (size_t i = 0; i < count; i++)
		if (prefix_contains(net, &peers[i].addr))
			return true;
	return false;
}

/* What was said at run time: somebody wants to see that it was heard. */
static size_t list_spoken(const struct rule *spoken, size_t spoken_count, struct proxy_peer *peers,
			  size_t count)
{
	size_t seen = count;

	for (size_t i = 0; i < spoken_count; i++) {
		const struct rule *rule = &spoken[i];
		if (listed(peers, seen, &rule->net))
			continue;
		peers[count++] = (struct proxy_peer){
			.addr = rule->net.addr, .bits = rule->net.bits, .class = rule->class};
	}
	return count;
}

static size_t spoken_copy(const struct proxies *p, struct rule *out)
{
	size_t count = 0;

	for (size_t i = 0; i < p->rule_count; i++)
		if (!p->rules[i].configured)
			out[count++] = p->rules[i];
	return count;
}

int proxies_list(struct proxies *p, struct proxy_peer **ret, size_t *ret_count, uint64_t *ret_requests_total)
{
	/* Room for all, taken before the lock: capture waits for it. */
	struct proxy_peer *out = malloc((PROXIES_PEERS_MAX + PROXIES_RULES_MAX) * sizeof *out);
	_cleanup_free_ struct rule *spoken = malloc(PROXIES_RULES_MAX * sizeof *spoken);
	if (!out || !spoken) {
		free(out);
		return -ENOMEM;
	}
	pthread_mutex_lock(&p->lock);
	size_t count = list_fill(p, &p->forwarding, out);
	count += list_fill(p, &p->plain, out + count);
	size_t spoken_count = spoken_copy(p, spoken);
	*ret_requests_total = p->requests;
	pthread_mutex_unlock(&p->lock);
	count = list_spoken(spoken, spoken_count, out, count);
	qsort(out, count, sizeof *out, by_requests);
	*ret = out;
	*ret_count = count;
	return 0;
}

uint64_t proxies_forgotten(struct proxies *p)
{
	pthread_mutex_lock(&p->lock);
	uint64_t forgotten = p->forgotten;

	pthread_mutex_unlock(&p->lock);
	return forgotten;
}
