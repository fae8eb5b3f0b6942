// SPDX-License-Identifier: Apache-2.0
#include "lib/util.h"
#include "policies/routes_internal.h"

#define CANDIDATE_OLD (1u << 17) /* requests after which one that was not met again counts for nothing */
#define CLIENTS_MIN   4 /* for names, as long as no answer is seen: else one scanner would make them */
#define KEPT_NS       (3600 * NS_PER_S)
#define END           SEGMENT_BAD /* of a path, as a kind of candidate */

/* Folded multiplication: every bit of both reaches every bit of the result. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t m = (__uint128_t)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t addr_mix(const struct routes *r, uint64_t high, uint64_t low)
{
	uint64_t h = mix(high ^ r->secret, low ^ 0x9e3779b97f4a7c15ull);

	return mix(h ^ 0xd6e8feb86659fd93ull, r->secret | 1);
}

uint64_t client_hash(const struct routes *r, const struct addr *client)
{
	uint64_t w[2];

	memcpy(w, client->bytes, sizeof w);
	return addr_mix(r, w[0], w[1] + client->family);
}

uint64_t network_hash(const struct routes *r, const struct addr *client)
{
	uint64_t high;

	memcpy(&high, client->bytes, sizeof high);
	return addr_mix(r, high, client->family);
}

/* --- answers --- */

static enum evidence evidence_of_status(unsigned status)
{
	switch (status) {
	case 404:
	case 405:
	case 410:
	case 414:
	case 421:
	case 431:
	case 501:
		return EVIDENCE_ABSENT;
	case 101:
	case 302:
	case 303:
	case 304:
	case 307:
	case 500:
		return EVIDENCE_TAKEN;
	default:
		return status >= 200 && status <= 299 ? EVIDENCE_TAKEN : EVIDENCE_NONE;
	}
}

/*
 * A client can see to it that an answer is not told from others, or not given at all: it pipelines, or hangs
 * up. So where answers are seen, a request without one proves nothing.
 */
enum evidence evidence_of(struct routes *r, const struct event *e)
{
	const uint8_t *addr = e->flow.local.addr.bytes;
	uint16_t ipv4, ipv6; /* the ends of both, which differ most */

	memcpy(&ipv4, addr + 2, sizeof ipv4);
	memcpy(&ipv6, addr + 14, sizeof ipv6);
	unsigned at = e->flow.local.port ^ ipv4 ^ ipv6;
	uint64_t *word = &r->answering[at / 64], bit = 1ull << at % 64;

	if (!(e->request.answered & EVENT_ANSWER_SEEN))
		return *word & bit ? EVIDENCE_NONE : EVIDENCE_UNSEEN;
	*word |= bit;
	return evidence_of_status(e->request.status);
}

/* --- candidates --- */

/*
 * The one of that hash, or one to be: a free one, one that is old, or the one met least, which is forgotten;
 * of those that the server took none, as long as there are others. Places of one path that share a set do
 * not push out each other, for then none of them would ever be proved.
 */
static struct candidate *candidate_of(struct routes *r, uint64_t hash)
{
	struct candidate *set = r->candidates[hash & (ROUTES_SETS - 1)], *least = NULL;
	uint32_t least_count = UINT32_MAX;

	if (!hash)
		hash = 1;
	for (unsigned i = 0; i < ROUTES_WAYS; i++) {
		struct candidate *c = &set[i];
		bool old = r->clock - c->last > CANDIDATE_OLD;
		if (c->hash == hash)
			return c;
		/* Of two met as often the one longer ago. */
		uint32_t count = !c->hash || old ? 0 : c->count + (c->taken ? UINT16_MAX : 0u);
		if (c->hash && c->last == r->clock)
			count = UINT32_MAX; /* by this very request */
		if (!least || count < least_count || (count == least_count && c->last < least->last)) {
			least = c;
			least_count = count;
		}
	}
	*least = (struct candidate){.hash = hash};
	return least;
}

/* What a request says of each place on its way. */
struct meeting {
	const struct event *e;
	enum evidence evidence;
	uint64_t client;
};

static struct candidate *candidate_met(struct routes *r, uint64_t hash, const struct meeting *m)
{
	struct candidate *c = candidate_of(r, hash);

	c->last = r->clock;
	if (c->count < UINT16_MAX)
		c->count++;
	if (m->evidence != EVIDENCE_NONE && c->taken < UINT8_MAX)
		c->taken++;
	c->clients |= (uint8_t)(1u << (m->client & 7));
	return c;
}

static bool is_proved(const struct candidate *c)
{
	return c->count >= ROUTES_PROOF && c->taken;
}

/* The last quarter of each table is for what more than one client asks for. */
static bool room_is_scarce(const struct routes *r)
{
	return r->node_count >= ROUTES_NODES_MAX / 4 * 3 || r->learned >= ROUTES_MAX / 4 * 3 ||
	       r->item_count >= r->counts.documented * METHODS + ROUTES_IDS_MAX / 4 * 3;
}

/* Proved, and there is room. *refused: but there is none. */
static bool is_admitted(const struct routes *r, const struct candidate *c, bool *refused)
{
	bool one_client = !(c->clients & (c->clients - 1));

	if (!is_proved(c))
		return false;
	*refused = *refused || (one_client && room_is_scarce(r));
	return !one_client || !room_is_scarce(r);
}

/* --- names --- */

/* An old word, a busy one, and one that most ask for are no names. */
static bool keeps_its_word(const struct node *c, const struct node *place, uint64_t now_ns)
{
	return c->requests >= ROUTES_KEPT || c->requests * 4 >= place->requests ||
	       (now_ns > c->first_ns && now_ns - c->first_ns >= KEPT_NS);
}

void node_take_names(struct routes *r, struct node *n, enum segment_kind kind, uint64_t now_ns)
{
	struct node *next, *names = n->values[kind];

	n->names = (uint8_t)kind;
	if (!names)
		names = node_new(r, n, kind, SPAN_NULL, chain_of(r, n->chain, kind, SPAN_NULL), now_ns);
	if (!names)
		return;
	for (struct node *c = n->first; c; c = next) {
		next = c->sibling;
		if (c->kind == SEGMENT_WORD && !keeps_its_word(c, n, now_ns))
			node_merge(r, c, names);
	}
}

/* Good and Turing: of n requests, s for a word met once, the next one's is new with probability s / n. */
static bool words_keep_being_new(struct node *n)
{
	static const struct {
		uint32_t requests, percent;
	} demands[] = {{50, 80}, {100, 60}, {200, 45}, {400, 35}, {800, 25}};
	const unsigned last = ARRAY_SIZE(demands) - 1;
	unsigned i = 0;

	if (n->fresh < demands[0].requests || n->fresh < n->ask_at)
		return false;
	while (i < last && n->fresh >= demands[i + 1].requests)
		i++;
	n->ask_at = i < last ? demands[i + 1].requests : n->fresh * 2;
	if ((uint64_t)n->singles * 100 < (uint64_t)n->fresh * demands[i].percent)
		return false;
	return n->fresh_taken || __builtin_popcountll(n->fresh_clients) >= CLIENTS_MIN;
}

/*
 * A request for a word that is not proved, of a place that is. True: the place goes over to names. What the
 * server refused (401, 403) may not be there: who tries one word after the other makes no names.
 */
static bool place_met(struct node *n, const struct candidate *c, const struct meeting *m)
{
	if (m->evidence == EVIDENCE_NONE)
		return false;
	n->fresh++;
	if (c->taken == 1)
		n->singles++;
	else if (c->taken == 2 && n->singles)
		n->singles--;
	n->fresh_clients |= 1ull << (m->client & 63);
	n->fresh_taken = n->fresh_taken || m->evidence == EVIDENCE_TAKEN;
	return words_keep_being_new(n);
}

static void place_take_names(struct routes *r, struct node *n, uint64_t now_ns)
{
	const struct node *ids = n->values[SEGMENT_ID];

	node_take_names(r, n, ids && ids->requests >= n->fresh ? SEGMENT_ID : SEGMENT_NAME, now_ns);
}

/* --- a request --- */

/* The way of a request down the tree, and beyond it. */
struct way {
	struct node *at; /* as far as it is proved; NULL: not even the host */
	uint64_t chain;  /* of at, or of the candidate it went on to */
	bool beyond;     /* at is behind */
	bool refused;
};

static struct node *child_proved(struct routes *r, struct way *w, enum segment_kind kind, struct span text,
				 uint64_t now_ns)
{
	struct node *n = node_new(r, w->at, kind, text, w->chain, now_ns);

	w->refused = w->refused || !n;
	return n;
}

static void step(struct routes *r, struct way *w, struct span text, const struct meeting *m)
{
	enum segment_kind kind = segment_kind(text);
	struct node *n = w->beyond ? NULL : w->at, *child = NULL;

	if (n && kind == SEGMENT_WORD) {
		child = node_literal(r, n, text);
		if (!child && n->names)
			kind = (enum segment_kind)n->names;
	}
	if (n && kind != SEGMENT_WORD)
		child = n->values[kind];
	if (child) {
		w->at = child;
		w->chain = child->chain;
		return;
	}
	w->chain = chain_of(r, w->chain, kind, text);
	struct candidate *c = candidate_met(r, w->chain, m);
	w->beyond = true;
	if (!n)
		return;
	if (is_admitted(r, c, &w->refused)) {
		child = child_proved(r, w, kind, text, m->e->wall_ns);
		if (child && kind == SEGMENT_WORD) {
			n->fresh -= MIN(n->fresh, (uint32_t)c->taken - 1);
			if (n->words > ROUTES_WORDS_MAX)
				place_take_names(r, n, m->e->wall_ns);
		}
	} else if (kind == SEGMENT_WORD && place_met(n, c, m)) {
		place_take_names(r, n, m->e->wall_ns);
	}
	/* What was just proved, or went over to names, may be gone on from. */
	child = kind == SEGMENT_WORD ? node_literal(r, n, text) : n->values[kind];
	if (!child && kind == SEGMENT_WORD && n->names)
		child = n->values[n->names];
	if (!child)
		return;
	w->at = child;
	w->chain = child->chain;
	w->beyond = false;
}

bool hosts_are_full(const struct routes *r)
{
	return r->host_count + !r->other >= ROUTES_HOSTS_MAX;
}

struct node *host_find(const struct routes *r, struct span host)
{
	struct node *n = node_literal(r, NULL, host);

	return n ? n : hosts_are_full(r) ? r->other : NULL;
}

static struct node *host_new(struct routes *r, struct span host, uint64_t now_ns)
{
	return node_new(r, NULL, SEGMENT_WORD, host, chain_of(r, 0, SEGMENT_WORD, host), now_ns);
}

/* Begins at the host. Where that is not proved, nothing is learned but that. */
static void way_begin(struct routes *r, struct way *w, struct span host, const struct meeting *m)
{
	*w = (struct way){.at = host_find(r, host)};
	if (w->at) {
		w->chain = w->at->chain;
		return;
	}
	w->chain = chain_of(r, 0, SEGMENT_WORD, host);
	w->beyond = true;
	if (!is_proved(candidate_met(r, w->chain, m)))
		return;
	if (!hosts_are_full(r))
		w->at = host_new(r, host, m->e->wall_ns);
	if (hosts_are_full(r) && !r->other)
		r->other = host_new(r, SPAN("*"), m->e->wall_ns);
	if (!w->at)
		w->at = r->other;
	w->refused = !w->at;
	w->beyond = !w->at;
	if (w->at)
		w->chain = w->at->chain;
}

uint32_t routes_learn(struct routes *r, const struct event *e, enum evidence evidence)
{
	struct span path = e->request.path, text;
	const struct meeting m = {e, evidence, network_hash(r, &e->request.client.addr)};
	struct way w;

	r->clock++;
	way_begin(r, &w, e->request.host, &m);
	while (segment_next(&path, &text))
		step(r, &w, text, &m);
	bool proved = false;
	if (w.beyond || !w.at->routes)
		proved = is_admitted(r, candidate_met(r, chain_of(r, w.chain, END, SPAN_NULL), &m),
				     &w.refused);
	if (w.refused)
		r->counts.refused++;
	if (w.beyond || (!w.at->routes && !proved))
		return 0;
	/* Another method of a place that is known: listed once the server takes it. */
	if (!proved && evidence == EVIDENCE_NONE)
		return 0;
	uint32_t id = route_at(r, w.at, method_of(e->request.method));
	if (!id && !w.refused)
		r->counts.refused++;
	return id;
}
