// SPDX-License-Identifier: Apache-2.0
/*
 * crowdsec.c: a hash table of decisions by target. Ids tell several on one target apart; they grow, so that a
 * delete of an id that is not known can only mean those before it.
 */
#include "policies/crowdsec.h"
#include <errno.h>
#include <stdlib.h>
#include "lib/util.h"
#include "policies/list_internal.h"
#include "policies/table.h"

#define SLOTS       131072u /* of a hash table: a chain of eight where it is full */
#define OWN_MAX     65536u
#define OWN_SLACK_S 5
#define WORD_SLOTS  (2 * CROWDSEC_WORDS_MAX)
#define WORD_NONE   0u
#define WORD_OTHERS 1u

struct record {
	struct table_node node;
	struct prefix target;
	uint32_t end_s;
	uint64_t id;
	uint64_t packets, bytes;   /* dropped, as last heard */
	uint16_t origin, scenario; /* words */
	uint8_t type;              /* of the configured ones */
	uint8_t absent;            /* whole lists in a row that lacked it */
	bool own;
	uint32_t document; /* the last that told it */
};

/* What we had banned there. */
struct own {
	struct table_node node;
	struct prefix target;
	uint64_t end_s;
};

struct words {
	char *items[CROWDSEC_WORDS_MAX];
	uint16_t slots[WORD_SLOTS]; /* number of a word; 0: free */
	unsigned count;
	/* Of origins, and not told yet: by word and family. */
	uint64_t packets[CROWDSEC_WORDS_MAX][2], bytes[CROWDSEC_WORDS_MAX][2];
};

struct crowdsec {
	const struct config_gateway *config;
	struct table records, owns;
	struct words words;
	uint32_t document;
	uint32_t first_document; /* the first whole one that ended; 0: none did */
	bool whole, unsure, changed;
	struct crowdsec_counts counts;
};

int crowdsec_new(const struct config_gateway *config, struct crowdsec **ret)
{
	struct crowdsec *c = calloc(1, sizeof *c);

	if (!c)
		return -ENOMEM;
	c->config = config;
	int r = table_init(&c->records, SLOTS);
	if (!r)
		r = table_init(&c->owns, SLOTS / 8);
	c->words.items[WORD_NONE] = strdup("");
	c->words.items[WORD_OTHERS] = strdup("(more)");
	c->words.count = 2;
	if (!r && (!c->words.items[WORD_NONE] || !c->words.items[WORD_OTHERS]))
		r = -ENOMEM;
	if (r) {
		crowdsec_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

/* Calls each for every node, which it may take out. */
static void nodes_each(struct table *t, void (*each)(struct crowdsec *c, struct table_node *n, void *arg),
		       struct crowdsec *c, void *arg)
{
	for (size_t i = 0; t->slots && i <= t->mask; i++) {
		struct table_node *next;
		for (struct table_node *n = t->slots[i]; n; n = next) {
			next = n->next;
			each(c, n, arg);
		}
	}
}

static void record_free(struct crowdsec *c, struct record *r)
{
	table_remove(&c->records, &r->node);
	free(r);
	c->changed = true;
}

static void node_drop(struct crowdsec *c, struct table_node *n, void *arg)
{
	(void)arg;
	record_free(c, table_owner(n, struct record, node));
}

static void own_drop(struct crowdsec *c, struct table_node *n, void *arg)
{
	(void)arg;
	table_remove(&c->owns, n);
	free(table_owner(n, struct own, node));
}

void crowdsec_free(struct crowdsec *c)
{
	if (!c)
		return;
	nodes_each(&c->records, node_drop, c, NULL);
	nodes_each(&c->owns, own_drop, c, NULL);
	table_deinit(&c->records);
	table_deinit(&c->owns);
	for (unsigned i = 0; i < c->words.count; i++)
		free(c->words.items[i]);
	free(c);
}

/* --- words --- */

/* Its number; WORD_OTHERS where there is no room for another. */
static uint16_t word_of(struct crowdsec *c, struct span text)
{
	struct words *w = &c->words;

	if (!text.len)
		return WORD_NONE;
	size_t at = (size_t)table_hash(&c->records, text.ptr, text.len) % WORD_SLOTS;
	for (; w->slots[at]; at = (at + 1) % WORD_SLOTS)
		if (span_equal(span_from(w->items[w->slots[at]]), text))
			return w->slots[at];
	if (w->count == CROWDSEC_WORDS_MAX)
		return WORD_OTHERS;
	char *copy = strndup(text.ptr, text.len);
	if (!copy)
		return WORD_OTHERS;
	w->items[w->count] = copy;
	w->slots[at] = (uint16_t)w->count;
	return (uint16_t)w->count++;
}

/* --- what counts --- */

/* Its place among the configured types; -1: not among them. */
static int type_of(const struct crowdsec *c, struct span type)
{
	const struct config_strings *types = &c->config->types;

	if (!types->count)
		return span_equal_nocase(type, SPAN("ban")) ? 0 : -1;
	for (unsigned i = 0; i < types->count; i++)
		if (span_equal_nocase(type, span_from(types->items[i])))
			return (int)i;
	return -1;
}

static const char *type_name(const struct crowdsec *c, unsigned type)
{
	return type < c->config->types.count ? c->config->types.items[type] : "ban";
}

static bool among(const struct config_strings *all, struct span text)
{
	for (unsigned i = 0; i < all->count; i++)
		if (span_equal_nocase(text, span_from(all->items[i])))
			return true;
	return false;
}

static bool holds_any(struct span text, const struct config_strings *parts)
{
	for (unsigned i = 0; i < parts->count; i++)
		if (text.len && memmem(text.ptr, text.len, parts->items[i], strlen(parts->items[i])))
			return true;
	return false;
}

/* The LAPI is asked for the same; an older one may not know all filters. */
static bool is_filtered(const struct crowdsec *c, const struct crowdsec_decision *d)
{
	const struct config_gateway *g = c->config;

	return d->simulated || (g->origins.count && !among(&g->origins, d->origin)) ||
	       (g->scenarios_containing.count && !holds_any(d->scenario, &g->scenarios_containing)) ||
	       holds_any(d->scenario, &g->scenarios_not_containing);
}

/* Bits beyond a range's length mean the whole range, as LAPI takes them. False: no address or range. */
static bool target_of(struct span value, struct prefix *ret)
{
	const char *slash = value.len ? memchr(value.ptr, '/', value.len) : NULL;
	struct addr addr;
	int r = prefix_parse(value, ret);

	if (r != ADDR_E_HOST_BITS || !slash)
		return r == 0;
	struct span head = {value.ptr, (size_t)(slash - value.ptr)};
	struct span tail = {slash + 1, value.len - head.len - 1};
	unsigned bits = 0;
	for (size_t i = 0; i < tail.len; i++)
		bits = bits * 10 +
		       (unsigned)(tail.ptr[i] - '0'); /* it is a length: prefix_parse has read it */
	if (addr_parse(head, &addr) || bits > addr_bits(&addr))
		return false;
	*ret = prefix_of(&addr, (uint8_t)bits);
	return true;
}

/* --- one target's --- */

static struct record *record_behind(const struct crowdsec *c, struct table_node *n, const struct prefix *p)
{
	(void)c;
	for (; n; n = table_next(n)) {
		struct record *r = table_owner(n, struct record, node);
		if (prefix_equal(&r->target, p))
			return r;
	}
	return NULL;
}

static struct record *record_first(const struct crowdsec *c, const struct prefix *p)
{
	return record_behind(c, table_first(&c->records, table_hash(&c->records, p, sizeof *p)), p);
}

static struct record *record_next(const struct crowdsec *c, const struct record *r)
{
	return record_behind(c, table_next(&r->node), &r->target);
}

static struct record *record_find(const struct crowdsec *c, const struct prefix *p, uint8_t type, uint64_t id)
{
	struct record *r = record_first(c, p);

	while (r && (r->type != type || r->id != id))
		r = record_next(c, r);
	return r;
}

static struct own *own_find(const struct crowdsec *c, const struct prefix *p)
{
	struct table_node *n = table_first(&c->owns, table_hash(&c->owns, p, sizeof *p));

	for (; n; n = table_next(n)) {
		struct own *o = table_owner(n, struct own, node);
		if (prefix_equal(&o->target, p))
			return o;
	}
	return NULL;
}

/* Ours, and no longer than we asked for: somebody else's of the same name counts. */
static bool is_own(const struct crowdsec *c, const struct crowdsec_decision *d, const struct prefix *p,
		   uint64_t end_s)
{
	const struct own *o = span_equal(d->origin, SPAN(CROWDSEC_ORIGIN)) ? own_find(c, p) : NULL;

	return o && end_s <= o->end_s + OWN_SLACK_S;
}

/* --- new --- */

static void extend(struct crowdsec *c, struct record *r, uint32_t end_s)
{
	uint32_t apart = r->end_s > end_s ? r->end_s - end_s : end_s - r->end_s;

	r->absent = 0;
	r->document = c->document;
	if (apart <= LIST_END_SLACK_S)
		return;
	r->end_s = end_s;
	c->counts.extended++;
	c->changed = true;
}

static int record_add(struct crowdsec *c, const struct crowdsec_decision *d, const struct prefix *p,
		      uint8_t type, uint32_t end_s)
{
	if (c->records.count >= CROWDSEC_DECISIONS_MAX) {
		c->counts.full++;
		return 0;
	}
	struct record *r = calloc(1, sizeof *r);
	if (!r)
		return -ENOMEM;
	*r = (struct record){
		.target = *p,
		.end_s = end_s,
		.id = d->id,
		.origin = word_of(c, d->origin),
		.scenario = word_of(c, d->scenario),
		.type = type,
		.own = is_own(c, d, p, end_s),
		.document = c->document,
	};
	table_add(&c->records, &r->node, table_hash(&c->records, p, sizeof *p));
	c->counts.added++;
	c->counts.own += r->own;
	c->counts.missed += c->whole && c->first_document;
	c->changed = true;
	return 0;
}

int crowdsec_adopt(struct crowdsec *c, const struct prefix *target, uint64_t end_s)
{
	const struct crowdsec_decision d = {.origin = SPAN("adopted")};

	for (const struct record *r = record_first(c, target); r; r = record_next(c, r))
		if (r->end_s + LIST_END_SLACK_S >= end_s)
			return 0;
	return record_add(c, &d, target, 0, (uint32_t)MIN(end_s, (uint64_t)UINT32_MAX));
}

static int take_new(struct crowdsec *c, const struct crowdsec_decision *d, const struct prefix *p,
		    uint8_t type, uint64_t now_s)
{
	int64_t left;

	if (list_duration_parse(d->duration, &left)) {
		c->counts.unreadable++;
		return 0;
	}
	struct record *r = record_find(c, p, type, d->id);
	if (left <= 0) {
		c->counts.ended++;
		if (r)
			record_free(c, r);
		return 0;
	}
	uint32_t end_s = (uint32_t)MIN(now_s + (uint64_t)left, (uint64_t)UINT32_MAX);
	if (!r)
		return record_add(c, d, p, type, end_s);
	extend(c, r, end_s);
	return 0;
}

/* --- deleted --- */

/*
 * The id is not known: it was one that we were not told of, since a longer one stood in its way, or it is
 * told once more. What is newer, or came with this very document, is not meant.
 */
static bool is_meant(const struct crowdsec *c, const struct record *r, uint64_t id)
{
	return r->document != c->document && (!r->id || !id || r->id < id);
}

static void take_deleted(struct crowdsec *c, const struct crowdsec_decision *d, const struct prefix *p,
			 uint8_t type)
{
	struct record *named = d->id ? record_find(c, p, type, d->id) : NULL, *next;
	bool any = named;

	if (named) {
		record_free(c, named);
		c->counts.deleted++;
	}
	for (struct record *r = record_first(c, p); r; r = next) {
		next = record_next(c, r);
		if (r->type != type)
			continue;
		if (named) {
			c->unsure = true; /* it may have outlived the other, or have gone with it */
		} else if (is_meant(c, r, d->id)) {
			record_free(c, r);
			c->counts.deleted++;
			any = true;
			c->unsure = c->unsure || d->id;
		}
	}
	c->counts.repeated += !any;
}

/* --- documents --- */

int crowdsec_take(struct crowdsec *c, enum crowdsec_section section, const struct crowdsec_decision *d,
		  uint64_t now_s)
{
	struct prefix target;
	int type = type_of(c, d->type);

	if (!span_equal_nocase(d->scope, SPAN("ip")) && !span_equal_nocase(d->scope, SPAN("range"))) {
		c->counts.foreign_scope += section == CROWDSEC_NEW;
		return 0;
	}
	if (type < 0) {
		c->counts.foreign_type += section == CROWDSEC_NEW;
		return 0;
	}
	if (!target_of(d->value, &target)) {
		c->counts.unreadable++;
		return 0;
	}
	if (section == CROWDSEC_DELETED) {
		take_deleted(c, d, &target, (uint8_t)type);
		return 0;
	}
	if (is_filtered(c, d)) {
		c->counts.filtered++;
		return 0;
	}
	return take_new(c, d, &target, (uint8_t)type, now_s);
}

void crowdsec_begin(struct crowdsec *c, bool whole)
{
	c->document++;
	c->whole = whole;
}

struct sweep {
	uint64_t absent;
	unsigned often; /* so often: given up */
	bool left;      /* something is lacking, and not often enough */
};

static void absent_count(struct crowdsec *c, struct table_node *n, void *arg)
{
	struct sweep *s = arg;

	s->absent += table_owner(n, struct record, node)->document != c->document;
}

static void absent_take(struct crowdsec *c, struct table_node *n, void *arg)
{
	struct record *r = table_owner(n, struct record, node);
	struct sweep *s = arg;

	if (r->document == c->document)
		return;
	if (++r->absent < s->often) {
		s->left = true;
		return;
	}
	c->counts.absent++;
	record_free(c, r);
}

bool crowdsec_end(struct crowdsec *c)
{
	struct sweep s = {.often = CROWDSEC_ABSENT};
	size_t held = c->records.count;

	if (!c->whole)
		return false;
	nodes_each(&c->records, absent_count, c, &s);
	if (held > CROWDSEC_MANY_MIN && s.absent > held / 2)
		s.often = CROWDSEC_ABSENT_MANY;
	if (s.absent)
		nodes_each(&c->records, absent_take, c, &s);
	if (!c->first_document)
		c->first_document = c->document;
	c->unsure = false;
	return s.left;
}

bool crowdsec_unsure(const struct crowdsec *c)
{
	return c->unsure;
}

void crowdsec_own(struct crowdsec *c, const struct prefix *target, uint64_t end_s)
{
	struct own *o = own_find(c, target);

	if (o) {
		o->end_s = MAX(o->end_s, end_s);
		return;
	}
	/* Without it the decision is taken for somebody else's: the same block, until the same time. */
	if (c->owns.count >= OWN_MAX)
		return;
	o = calloc(1, sizeof *o);
	if (!o)
		return;
	o->target = *target;
	o->end_s = end_s;
	table_add(&c->owns, &o->node, table_hash(&c->owns, target, sizeof *target));
}

/* --- the list --- */

struct making {
	struct list_builder builder;
	uint64_t now_s;
	int result;
};

static void list_each(struct crowdsec *c, struct table_node *n, void *arg)
{
	struct record *r = table_owner(n, struct record, node);
	struct making *m = arg;

	if (r->end_s <= m->now_s) {
		c->counts.ended++;
		record_free(c, r);
	} else if (!r->own && !m->result) {
		m->result = list_put(&m->builder, &r->target, r->end_s);
	}
}

static void own_end(struct crowdsec *c, struct table_node *n, void *arg)
{
	const struct making *m = arg;

	if (table_owner(n, struct own, node)->end_s + OWN_SLACK_S <= m->now_s)
		own_drop(c, n, NULL);
}

bool crowdsec_changed(const struct crowdsec *c)
{
	return c->changed;
}

int crowdsec_list(struct crowdsec *c, uint64_t now_s, struct list **ret, struct list_report *report)
{
	struct making m = {
		.builder = {.list = calloc(1, sizeof *m.builder.list),
			    .report = report,
			    .times.now_s = now_s},
		.now_s = now_s,
	};

	if (!m.builder.list)
		return -ENOMEM;
	*report = (struct list_report){
		.format = CONFIG_LIST_CROWDSEC,
		.unreadable = c->counts.unreadable,
		.ignored = c->counts.foreign_scope + c->counts.foreign_type + c->counts.filtered,
	};
	nodes_each(&c->records, list_each, c, &m);
	nodes_each(&c->owns, own_end, c, &m);
	int r = m.result ? m.result : list_finish(&m.builder);
	if (r) {
		list_free(m.builder.list);
		return r < 0 ? r : -E2BIG;
	}
	c->changed = false;
	*ret = m.builder.list;
	return 0;
}

int crowdsec_time_parse(struct span text, uint64_t *ret_s)
{
	return list_time_parse(text, ret_s);
}

/* --- questions --- */

uint64_t crowdsec_count(const struct crowdsec *c)
{
	return c->records.count;
}

struct crowdsec_counts crowdsec_counts(const struct crowdsec *c)
{
	return c->counts;
}

/* --- what they dropped --- */

static unsigned family_of(const struct prefix *p)
{
	return p->addr.family == ADDR_IPV6;
}

/* What the kernel counts begins anew when its entry does. */
static uint64_t since(uint64_t now, uint64_t before)
{
	return now >= before ? now - before : now;
}

void crowdsec_hit(struct crowdsec *c, const struct prefix *target, uint64_t packets, uint64_t bytes)
{
	struct record *longest = NULL;

	for (struct record *r = record_first(c, target); r; r = record_next(c, r))
		if (!r->own && (!longest || r->end_s > longest->end_s))
			longest = r;
	if (!longest)
		return;
	unsigned family = family_of(target);
	c->words.packets[longest->origin][family] += since(packets, longest->packets);
	c->words.bytes[longest->origin][family] += since(bytes, longest->bytes);
	longest->packets = packets;
	longest->bytes = bytes;
}

static void active_count(const struct crowdsec *c, uint32_t active[][2])
{
	for (size_t i = 0; i <= c->records.mask; i++) {
		for (const struct table_node *n = c->records.slots[i]; n; n = n->next) {
			const struct record *r =
				table_owner((struct table_node *)(uintptr_t)n, struct record, node);
			active[r->origin][family_of(&r->target)]++;
		}
	}
}

unsigned crowdsec_usage(const struct crowdsec *c, struct crowdsec_origin *ret, unsigned max)
{
	uint32_t(*active)[2] = calloc(CROWDSEC_WORDS_MAX, sizeof *active);
	unsigned n = 0;

	if (!active)
		return 0;
	active_count(c, active);
	for (unsigned i = 0; i < c->words.count && n < max; i++) {
		const uint64_t *packets = c->words.packets[i], *bytes = c->words.bytes[i];
		if (!active[i][0] && !active[i][1] && !packets[0] && !packets[1])
			continue;
		ret[n++] = (struct crowdsec_origin){
			.name = c->words.items[i],
			.active = {active[i][0], active[i][1]},
			.packets = {packets[0], packets[1]},
			.bytes = {bytes[0], bytes[1]},
		};
	}
	free(active);
	return n;
}

void crowdsec_usage_told(struct crowdsec *c, const struct crowdsec_origin *told, unsigned count)
{
	for (unsigned i = 0; i < c->words.count; i++)
		for (unsigned k = 0; k < count; k++)
			for (unsigned family = 0; family < 2 && told[k].name == c->words.items[i]; family++) {
				c->words.packets[i][family] -= told[k].packets[family];
				c->words.bytes[i][family] -= told[k].bytes[family];
			}
}

void crowdsec_count_rows(const struct crowdsec_counts *c,
			 struct crowdsec_count_row ret[static CROWDSEC_COUNT_ROWS])
{
	const struct crowdsec_count_row rows[CROWDSEC_COUNT_ROWS] = {
		{"added", c->added},
		{"extended", c->extended},
		{"deleted", c->deleted},
		{"ended", c->ended},
		{"repeated", c->repeated},
		{"absent", c->absent},
		{"missed", c->missed},
		{"foreign_type", c->foreign_type},
		{"foreign_scope", c->foreign_scope},
		{"filtered", c->filtered},
		{"unreadable", c->unreadable},
		{"full", c->full},
		{"own", c->own},
	};

	memcpy(ret, rows, sizeof rows);
}

static void tell(const struct crowdsec *c, const struct record *r, struct crowdsec_told *ret)
{
	*ret = (struct crowdsec_told){.id = r->id, .target = r->target, .end_s = r->end_s, .own = r->own};
	snprintf(ret->origin, sizeof ret->origin, "%s", c->words.items[r->origin]);
	snprintf(ret->scenario, sizeof ret->scenario, "%s", c->words.items[r->scenario]);
	snprintf(ret->type, sizeof ret->type, "%s", type_name(c, r->type));
}

static int later_first(const void *a, const void *b)
{
	const struct crowdsec_told *x = a, *y = b;

	return x->end_s != y->end_s ? (x->end_s > y->end_s ? -1 : 1) : x->id < y->id ? -1 : x->id > y->id;
}

unsigned crowdsec_find(const struct crowdsec *c, const struct prefix *target, struct crowdsec_told *ret,
		       unsigned max)
{
	unsigned n = 0;

	for (const struct record *r = record_first(c, target); r && n < max; r = record_next(c, r))
		tell(c, r, &ret[n++]);
	qsort(ret, n, sizeof *ret, later_first);
	return n;
}

void crowdsec_each(const struct crowdsec *c, void (*each)(void *arg, const struct crowdsec_told *d),
		   void *arg)
{
	for (size_t i = 0; i <= c->records.mask; i++) {
		for (const struct table_node *n = c->records.slots[i]; n; n = n->next) {
			struct crowdsec_told told;
			tell(c, table_owner((struct table_node *)(uintptr_t)n, struct record, node), &told);
			each(arg, &told);
		}
	}
}
