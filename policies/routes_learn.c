// SPDX-License-Identifier: Apache-2.0
#include "lib/util.h"
#include "policies/routes_internal.h"

#define CANDIDATE_OLD (1u << 17) /* requests after which one that was not met again counts for nothing */
#define CLIENTS_MIN   4 /* for names, as long as no answer is seen: else one scanner would make them */
#define KEPT_NS       (3600 * NS_PER_S)
#define END           SEGMENT_BAD /* of a path, as a kind of candidate */

enum evidence evidence_of(const struct event_request *request)
{
	if (!(request->answered & EVENT_ANSWER_SEEN))
		return EVIDENCE_UNSEEN;
	switch (request->status) {
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
		return request->status >= 200 && request->status <= 299 ? EVIDENCE_TAKEN : EVIDENCE_NONE;
	}
}

/* Folded multiplication: every bit of both reaches every bit of the result. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t m = (__uint128_t)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint64_t client_hash(const struct routes *r, const struct addr *client)
{
	uint64_t w[2];

	memcpy(w, client->bytes, sizeof w);
	uint64_t h = mix(w[0] ^ r->secret, (w[1] + client->family) ^ 0x9e3779b97f4a7c15ull);
	return mix(h ^ 0xd6e8feb86659fd93ull, r->secret | 1);
}

/* --- candidates --- */

/* The one of that hash, or one to be: a free one, one that is old, or the one met least, which is forgotten.
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
		uint32_t count = !c->hash || old ? 0 : c->count;
		if (!least || count < least_count || (count == least_count && c->last < least->last)) {
			least = c;
			least_count = count;
		}
	}
	*least = (struct candidate){.hash = hash};
	return least;
}

static struct candidate *candidate_met(struct routes *r, uint64_t hash, enum evidence evidence)
{
	struct candidate *c = candidate_of(r, hash);

	c->last = r->clock;
	if (c->count < UINT16_MAX)
		c->count++;
	if (evidence != EVIDENCE_NONE)
		c->taken = true;
	return c;
}

static bool is_proved(const struct candidate *c)
{
	return c->count >= ROUTES_PROOF && c->taken;
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

/* A request for a word that is not proved, of a place that is. True: the place goes over to names. */
static bool place_met(const struct routes *r, struct node *n, const struct candidate *c,
		      const struct event *e, enum evidence evidence)
{
	n->fresh++;
	if (c->count == 1)
		n->singles++;
	else if (c->count == 2 && n->singles)
		n->singles--;
	n->fresh_clients |= 1ull << (client_hash(r, &e->request.client.addr) & 63);
	n->fresh_taken = n->fresh_taken || evidence == EVIDENCE_TAKEN;
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

static void step(struct routes *r, struct way *w, struct span text, const struct event *e,
		 enum evidence evidence)
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
	struct candidate *c = candidate_met(r, w->chain, evidence);
	w->beyond = true;
	if (!n)
		return;
	if (is_proved(c)) {
		if (kind == SEGMENT_WORD)
			n->fresh -= MIN(n->fresh, (uint32_t)c->count - 1);
		child = child_proved(r, w, kind, text, e->wall_ns);
		if (child && kind == SEGMENT_WORD && n->words > ROUTES_WORDS_MAX)
			place_take_names(r, n, e->wall_ns);
	} else if (kind == SEGMENT_WORD && place_met(r, n, c, e, evidence)) {
		place_take_names(r, n, e->wall_ns);
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

struct node *host_find(const struct routes *r, struct span host)
{
	struct node *n = node_literal(r, NULL, host);

	return n ? n : r->host_count >= ROUTES_HOSTS_MAX ? r->other : NULL;
}

/* Begins at the host. False: nothing can be learned. */
static void way_begin(struct routes *r, struct way *w, struct span host, const struct event *e,
		      enum evidence evidence)
{
	*w = (struct way){.at = host_find(r, host)};
	if (w->at) {
		w->chain = w->at->chain;
		return;
	}
	w->chain = chain_of(r, 0, SEGMENT_WORD, host);
	w->beyond = true;
	if (!is_proved(candidate_met(r, w->chain, evidence)))
		return;
	w->at = node_new(r, NULL, SEGMENT_WORD, host, w->chain, e->wall_ns);
	w->refused = !w->at;
	w->beyond = !w->at;
	if (r->host_count == ROUTES_HOSTS_MAX - 1)
		r->other = node_new(r, NULL, SEGMENT_WORD, SPAN("*"), chain_of(r, 0, SEGMENT_WORD, SPAN("*")),
				    e->wall_ns);
}

uint32_t routes_learn(struct routes *r, const struct event *e, enum evidence evidence)
{
	struct span path = e->request.path, text;
	struct way w;

	r->clock++;
	way_begin(r, &w, e->request.host, e, evidence);
	while (segment_next(&path, &text))
		step(r, &w, text, e, evidence);
	bool proved = false;
	if (w.beyond || !w.at->routes)
		proved = is_proved(candidate_met(r, chain_of(r, w.chain, END, SPAN_NULL), evidence));
	if (w.refused)
		r->counts.refused++;
	if (w.beyond || (!w.at->routes && !proved))
		return 0;
	/* Another method of a place that is known: listed once the server takes it. */
	if (!proved && evidence == EVIDENCE_NONE)
		return 0;
	uint32_t id = route_at(r, w.at, method_of(e->request.method));
	if (!id)
		r->counts.refused++;
	return id;
}
