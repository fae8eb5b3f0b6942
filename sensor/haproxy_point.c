// SPDX-License-Identifier: Apache-2.0
/*
 * haproxy_point.c: changes are noted by whoever makes them, in a short list; a list that is full, and a
 * change that reaches into other entries (a prefix), mean "look at everything". So the map is never behind by
 * more than one look, whatever is missed in between.
 */
#include "sensor/haproxy_point.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include "lib/log.h"
#include "lib/util.h"
#include "sensor/haproxy_call.h"

#define WAKE_MS     1000 /* the kill switch tells nobody */
#define LOOK_NS     (2 * NS_PER_S)
#define LARGE       4096 /* what is longer is looked at */
#define LARGE_NS    (8 * NS_PER_S)
#define HUGE        262144 /* and for each so many entries eight seconds later */
#define CHANGED_MAX 256
#define SLACK_S     2 /* ends that differ by no more are the same: clocks are read at different times */
#define UNTIL_MAX_S 100000000000000ull

struct haproxy_point {
	struct haproxy_point_parts parts;
	pthread_t thread;
	int wake_fd;
	pthread_mutex_t lock; /* around what follows; nothing is waited for with it held */
	struct prefix changed[CHANGED_MAX];
	unsigned changed_count;
	bool look; /* at everything: more changed than is listed */
	struct haproxy_counts counts;
	/* the thread's own */
	uint64_t looked_ns;
	bool looked; /* ever */
	bool off;    /* the kill switch, at the last look */
};

/* --- changes --- */

struct change {
	struct prefix target;
	uint64_t until_s;
	enum haproxy_verb verb;
	bool listed;
	bool done;
	bool absent; /* its key was not there: what was to be set is to be added */
};

struct changes {
	struct change *items;
	size_t count, size;
	bool no_memory;
};

static void change_add(struct changes *c, enum haproxy_verb verb, const struct prefix *target,
		       uint64_t until_s, bool listed)
{
	if (c->count == c->size) {
		size_t size = c->size ? 2 * c->size : 64;
		struct change *items = realloc(c->items, size * sizeof *items);
		if (!items) {
			c->no_memory = true;
			return;
		}
		c->items = items;
		c->size = size;
	}
	c->items[c->count++] =
		(struct change){.target = *target, .until_s = until_s, .verb = verb, .listed = listed};
}

/* --- what went wrong --- */

static void text_copy(char ret[static HAPROXY_ERROR_MAX], struct span text)
{
	size_t n = MIN(text.len, (size_t)HAPROXY_ERROR_MAX - 1);

	for (size_t i = 0; i < n; i++)
		ret[i] = text.ptr[i] < ' ' || text.ptr[i] > '~' ? '?' : text.ptr[i];
	ret[n] = 0;
}

static const char *mend_of(int error)
{
	switch (-error) {
	case ENOENT:
		return "there is no such socket: does HAProxy run, with that stats socket?";
	case EACCES:
	case EPERM:
		return "may not be opened: let the group of picket's user write to it (stats socket ... "
		       "group "
		       "picket mode 660)";
	case ECONNREFUSED:
		return "nobody listens there: HAProxy does not run";
	case EAGAIN:
	case ETIMEDOUT:
		return "it does not answer";
	case EPROTO:
		return "what answers is no HAProxy, or it hung up early";
	case ENOMEM:
		return "memory is out";
	}
	return strerror(-error);
}

/* text: of HAProxy's own, or "" where it said nothing. */
static void went_down(struct haproxy_point *p, int error, const char *text)
{
	struct haproxy_counts *c = &p->counts;
	char why[HAPROXY_ERROR_MAX];

	if (error == -ECANCELED)
		return;
	snprintf(why, sizeof why, "%s", text[0] ? text : mend_of(error));
	pthread_mutex_lock(&p->lock);
	bool news = c->state != HAPROXY_DOWN || strcmp(c->error, why) != 0;
	c->state = HAPROXY_DOWN;
	snprintf(c->error, sizeof c->error, "%s", why);
	c->failures++;
	p->look = true;
	pthread_mutex_unlock(&p->lock);
	if (news)
		log_warning("the map of HAProxy cannot be kept: what stands in it holds until its end",
			    LOG_S("haproxy", p->parts.config->name), LOG_S("socket", p->parts.config->socket),
			    LOG_S("detail", why));
}

static void went_well(struct haproxy_point *p)
{
	struct haproxy_counts *c = &p->counts;

	pthread_mutex_lock(&p->lock);
	bool news = c->state != HAPROXY_UP;
	c->state = HAPROXY_UP;
	c->error[0] = 0;
	c->last_ns = clock_boot_ns(p->parts.clock);
	pthread_mutex_unlock(&p->lock);
	if (news)
		log_info("the map of HAProxy is kept", LOG_S("haproxy", p->parts.config->name),
			 LOG_S("map", p->parts.config->map));
}

/* --- saying --- */

/* Answers to one line of commands. */
struct answers {
	struct change *said;
	size_t count, at;
	bool within; /* lines of the one at hand came */
	char refused[HAPROXY_ERROR_MAX];
};

static void on_answer(void *arg, struct span line, bool cut)
{
	struct answers *a = arg;

	(void)cut;
	if (a->at >= a->count)
		return;
	struct change *c = &a->said[a->at];
	if (!line.len) { /* the end of one */
		c->done = c->done || !a->within;
		a->within = false;
		a->at++;
		return;
	}
	if (a->within)
		return;
	a->within = true;
	c->absent = haproxy_answer_of(line) == HAPROXY_ABSENT && c->verb != HAPROXY_ADD;
	c->done = c->absent && c->verb == HAPROXY_DEL; /* as it should be */
	if (!c->absent)
		text_copy(a->refused, line);
}

/* One line of as many as fit, from `from` on; *ret_next is behind them. */
static int say_some(struct haproxy_point *p, struct changes *c, size_t from, size_t *ret_next,
		    char refused[static HAPROXY_ERROR_MAX])
{
	_cleanup_(buffer_free) struct buffer line = BUFFER_INIT(HAPROXY_SAY_MAX);
	struct answers a = {.said = c->items + from};
	size_t at = from;
	int r = 0;

	for (; at < c->count; at++) {
		const struct change *h = &c->items[at];
		r = haproxy_say(&line, h->verb, p->parts.config->map, &h->target, h->until_s, h->listed);
		if (r)
			break;
	}
	if (r < 0 || at == from)
		return r < 0 ? r : -E2BIG;
	haproxy_say_end(&line);
	a.count = at - from;
	r = haproxy_call(p->parts.config->socket, buffer_span(&line), p->parts.stop_fd, on_answer, &a);
	if (a.refused[0])
		memcpy(refused, a.refused, sizeof a.refused);
	*ret_next = at;
	return r ? r : a.at < a.count ? -EPROTO : 0;
}

static int say_all(struct haproxy_point *p, struct changes *c, char refused[static HAPROXY_ERROR_MAX])
{
	int r = 0;

	for (size_t at = 0; at < c->count && !r;)
		r = say_some(p, c, at, &at, refused);
	return r;
}

/* Does them all; a key that was to be set and is not there is added. 0, or -errno; refused: in its words. */
static int changes_do(struct haproxy_point *p, struct changes *c, char refused[static HAPROXY_ERROR_MAX])
{
	struct changes again = {0};
	int r = say_all(p, c, refused);

	for (size_t i = 0; i < c->count && !r; i++)
		if (c->items[i].absent && !c->items[i].done)
			change_add(&again, HAPROXY_ADD, &c->items[i].target, c->items[i].until_s,
				   c->items[i].listed);
	if (c->no_memory || again.no_memory)
		r = -ENOMEM;
	if (!r)
		r = say_all(p, &again, refused);
	for (size_t i = 0, k = 0; i < c->count && k < again.count; i++)
		if (c->items[i].absent && !c->items[i].done)
			c->items[i].done = again.items[k++].done;
	free(again.items);
	return r;
}

static size_t done_count(const struct changes *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->count; i++)
		n += c->items[i].done;
	return n;
}

/* --- times --- */

static uint64_t until_of(const struct haproxy_point *p, uint64_t end_ns)
{
	uint64_t now = clock_boot_ns(p->parts.clock), wall = clock_wall_ns(p->parts.clock);
	uint64_t left_ns = end_ns > now ? MIN(end_ns - now, UINT64_MAX / 2) : 0;

	return MIN(wall / NS_PER_S + (wall % NS_PER_S + left_ns + NS_PER_S - 1) / NS_PER_S, UNTIL_MAX_S);
}

static uint64_t end_of(const struct haproxy_point *p, uint64_t until_s)
{
	uint64_t now_s = clock_wall_ns(p->parts.clock) / NS_PER_S;

	return clock_boot_ns(p->parts.clock) +
	       (until_s > now_s ? MIN(until_s - now_s, UINT64_MAX / 2 / NS_PER_S) : 0) * NS_PER_S;
}

static bool is_near(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) <= SLACK_S;
}

/* --- looking at everything --- */

struct wanted {
	struct prefix target;
	uint64_t until_s;
	bool listed;
	unsigned seen; /* how often it stands in the map */
	bool as_wanted;
};

struct comparison {
	struct haproxy_point *p;
	struct wanted *wanted;
	size_t count;
	uint64_t now_s;
	struct changes put, out;
	size_t extra, foreign, entries;
	size_t beyond; /* wanted, and the map is to hold no more */
	bool lists_known;
	bool whole; /* the empty line came */
	char error[HAPROXY_ERROR_MAX];
};

static int compare_targets(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;

	if (x->target.addr.family != y->target.addr.family)
		return (int)x->target.addr.family - (int)y->target.addr.family;
	int r = memcmp(x->target.addr.bytes, y->target.addr.bytes, sizeof x->target.addr.bytes);
	return r ? r : (int)x->target.bits - (int)y->target.bits;
}

static int wanted_read(struct comparison *c)
{
	struct haproxy_point *p = c->p;
	struct decide_denials all;

	/* Before: what is read now is in it. */
	c->lists_known = decide_lists_known(p->parts.decide);
	int r = decide_denials(p->parts.decide, clock_boot_ns(p->parts.clock), p->parts.config->entries_max,
			       &all);
	if (r)
		return r;
	c->wanted = calloc(all.count + 1, sizeof *c->wanted);
	for (size_t i = 0; c->wanted && i < all.count; i++) {
		c->wanted[i].target = all.items[i].target;
		c->wanted[i].until_s = until_of(p, all.items[i].end_ns);
		c->wanted[i].listed = all.items[i].listed;
	}
	free(all.items);
	if (!c->wanted)
		return -ENOMEM;
	c->count = all.count;
	c->beyond = all.beyond;
	qsort(c->wanted, c->count, sizeof *c->wanted, compare_targets);
	return 0;
}

static void on_entry(struct comparison *c, const struct haproxy_entry *e)
{
	const struct wanted key = {.target = e->target};

	c->entries++;
	if (e->target.addr.family == ADDR_NONE) {
		c->foreign++;
		return;
	}
	struct wanted *w = bsearch(&key, c->wanted, c->count, sizeof key, compare_targets);
	/* As the kernel's: it stays until its end, or until its list was read. The kill switch does not wait.
	 */
	if (!w && e->listed && !c->lists_known && !decide_is_off(c->p->parts.decide))
		return;
	if (!w) {
		c->extra += e->until_s > c->now_s + SLACK_S;
		change_add(&c->out, HAPROXY_DEL, &e->target, e->until_s, e->listed);
		return;
	}
	w->as_wanted = is_near(e->until_s, w->until_s) && e->listed == w->listed;
	w->seen++;
}

static void on_map_line(void *arg, struct span line, bool cut)
{
	struct comparison *c = arg;
	struct haproxy_entry e;

	if (!line.len)
		c->whole = true;
	else if (!cut && haproxy_entry_parse(line, &e) == 0)
		on_entry(c, &e);
	else if (!c->error[0])
		text_copy(c->error, line);
}

/* What was there before us is taken over, by whoever owns the decisions; then it is wanted after all. What a
 * list had asked for is not: its file says what it asks for now. */
static void adopt(struct comparison *c)
{
	struct haproxy_point *p = c->p;
	size_t kept = 0;

	for (size_t i = 0; i < c->out.count; i++) {
		struct change *h = &c->out.items[i];
		if (!h->listed && h->until_s > c->now_s + SLACK_S && p->parts.adopt &&
		    p->parts.adopt(p->parts.arg, &h->target, end_of(p, h->until_s)))
			c->extra--;
		else
			c->out.items[kept++] = *h;
	}
	if (c->out.count > kept)
		log_info("what an earlier sensor had put into the map of HAProxy stays in force",
			 LOG_S("haproxy", p->parts.config->name), LOG_U("entries", c->out.count - kept));
	c->out.count = kept;
}

static size_t puts_find(struct comparison *c)
{
	size_t missing = 0;

	for (size_t i = 0; i < c->count; i++) {
		const struct wanted *w = &c->wanted[i];
		if (w->seen == 1 && w->as_wanted)
			continue;
		missing++;
		if (w->seen > 1)
			change_add(&c->out, HAPROXY_DEL, &w->target, 0, false);
		change_add(&c->put, w->seen == 1 ? HAPROXY_SET : HAPROXY_ADD, &w->target, w->until_s,
			   w->listed);
	}
	return missing;
}

/* own: what differs is our own doing. */
static void counts_take(struct haproxy_point *p, const struct comparison *c, size_t missing, bool own)
{
	size_t back = MIN(done_count(&c->put), missing), out = MIN(done_count(&c->out), c->extra);

	pthread_mutex_lock(&p->lock);
	p->counts.desired = c->count + c->beyond;
	p->counts.beyond = c->beyond;
	p->counts.missing = missing - back + c->beyond;
	p->counts.installed = c->count - (missing - back);
	p->counts.extra = c->extra - out;
	p->counts.foreign = c->foreign;
	p->counts.written += done_count(&c->put) + done_count(&c->out);
	/* What changed while we looked is no more somebody else's doing. */
	size_t mended = back + out, ours = own || p->look ? mended : MIN(mended, (size_t)p->changed_count);
	p->counts.mended += mended - ours;
	pthread_mutex_unlock(&p->lock);
	if (mended > ours)
		log_warning("the map of HAProxy differed from the list and was mended",
			    LOG_S("haproxy", p->parts.config->name), LOG_U("put_back", back),
			    LOG_U("taken_out", out),
			    LOG_S("hint", c->entries ? "" : "it was empty: HAProxy was restarted"));
}

static int map_read(struct comparison *c)
{
	struct haproxy_point *p = c->p;
	char line[HAPROXY_SAY_MAX];

	int n = snprintf(line, sizeof line, "show map %s\n", p->parts.config->map);
	int r = haproxy_call(p->parts.config->socket, (struct span){line, (size_t)n}, p->parts.stop_fd,
			     on_map_line, c);
	if (!r && !c->error[0] && (!c->whole || c->put.no_memory || c->out.no_memory))
		r = c->whole ? -ENOMEM : -EPROTO;
	return r ? r : c->error[0] ? -EINVAL : 0;
}

static int compare(struct comparison *c, bool own)
{
	struct haproxy_point *p = c->p;
	int r = wanted_read(c);

	if (!r)
		r = map_read(c);
	if (r)
		return r;
	if (!p->looked)
		adopt(c);
	size_t missing = puts_find(c);
	/* Out first: a key that stands there twice is put anew. */
	r = changes_do(p, &c->out, c->error);
	if (!r)
		r = changes_do(p, &c->put, c->error);
	counts_take(p, c, missing, own);
	return r ? r : c->error[0] ? -EINVAL : 0;
}

/* own: what differs is our own doing, not somebody else's. */
static void look(struct haproxy_point *p, bool own)
{
	struct comparison c = {.p = p, .now_s = clock_wall_ns(p->parts.clock) / NS_PER_S};

	p->looked_ns = clock_boot_ns(p->parts.clock);
	int r = compare(&c, own);
	if (r) {
		went_down(p, r, c.error);
	} else {
		p->looked = true;
		went_well(p);
	}
	free(c.wanted);
	free(c.put.items);
	free(c.out.items);
}

/* --- one change after the other --- */

/* False: HAProxy did not take it. */
static bool update(struct haproxy_point *p, const struct prefix *targets, unsigned count)
{
	struct changes c = {0};
	char refused[HAPROXY_ERROR_MAX] = "";
	uint64_t now = clock_boot_ns(p->parts.clock);

	bool listed = false;

	for (unsigned i = 0; i < count; i++) {
		struct decide_denial now_denied;
		bool any = decide_denied(p->parts.decide, &targets[i], now, &now_denied);
		/* Whether there is room for what a list alone asks for is known by a look. */
		if (any && now_denied.listed)
			listed = true;
		else
			change_add(&c, any ? HAPROXY_SET : HAPROXY_DEL, &targets[i],
				   any ? until_of(p, now_denied.end_ns) : 0, false);
	}
	int r = changes_do(p, &c, refused);
	size_t added = 0, removed = 0;
	for (size_t i = 0; i < c.count; i++) {
		added += c.items[i].done && c.items[i].absent && c.items[i].verb == HAPROXY_SET;
		removed += c.items[i].done && !c.items[i].absent && c.items[i].verb == HAPROXY_DEL;
	}
	pthread_mutex_lock(&p->lock);
	p->look = p->look || listed;
	p->counts.desired += added;
	p->counts.installed += added;
	p->counts.desired -= MIN(removed, p->counts.desired);
	p->counts.installed -= MIN(removed, p->counts.installed);
	p->counts.written += done_count(&c);
	pthread_mutex_unlock(&p->lock);
	bool well = !r && !refused[0];
	if (well)
		went_well(p);
	else
		went_down(p, r ? r : -EINVAL, refused);
	free(c.items);
	return well;
}

/* --- the thread --- */

static uint64_t pause_ns(const struct haproxy_point *p)
{
	size_t entries = p->counts.desired - MIN(p->counts.beyond, p->counts.desired);

	if (p->counts.state != HAPROXY_UP || entries <= LARGE)
		return LOOK_NS;
	return LARGE_NS * (1 + entries / HUGE);
}

static void turn(struct haproxy_point *p)
{
	struct prefix changed[CHANGED_MAX];
	bool off = decide_is_off(p->parts.decide), switched = off != p->off;
	uint64_t now = clock_boot_ns(p->parts.clock);

	pthread_mutex_lock(&p->lock);
	bool up = p->counts.state == HAPROXY_UP, wish = p->look && up;
	bool due = now - p->looked_ns >= pause_ns(p);
	unsigned count = p->changed_count;
	memcpy(changed, p->changed, count * sizeof changed[0]);
	p->changed_count = 0;
	if (wish || due || switched)
		p->look = false;
	else if (!up && count)
		p->look = true;
	pthread_mutex_unlock(&p->lock);
	/*
	 * What is known to have changed first, so that what differs then is somebody else's doing. Where that
	 * fails the look is the next turn's: should HAProxy be back by then, empty, it does not pass for
	 * ours.
	 */
	if (up && count && !wish && !switched && !update(p, changed, count))
		return;
	if (wish || due || switched) {
		p->off = off;
		look(p, wish || switched || !p->looked);
	}
}

static void *point_main(void *arg)
{
	struct haproxy_point *p = arg;
	struct pollfd fds[2] = {{.fd = p->wake_fd, .events = POLLIN},
				{.fd = p->parts.stop_fd, .events = POLLIN}};
	eventfd_t any;

	do {
		turn(p);
		poll(fds, 2, WAKE_MS);
		if (fds[0].revents)
			eventfd_read(p->wake_fd, &any);
	} while (!fds[1].revents);
	return NULL;
}

/* --- life --- */

const char *haproxy_state_name(enum haproxy_state state)
{
	static const char *const names[] = {
		[HAPROXY_STARTING] = "starting", [HAPROXY_UP] = "up", [HAPROXY_DOWN] = "down"};

	return (unsigned)state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

int haproxy_point_new(const struct haproxy_point_parts *parts, struct haproxy_point **ret)
{
	struct haproxy_point *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	p->parts = *parts;
	pthread_mutex_init(&p->lock, NULL);
	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r = p->wake_fd < 0 ? -errno : -pthread_create(&p->thread, NULL, point_main, p);
	if (r) {
		if (p->wake_fd >= 0)
			close(p->wake_fd);
		pthread_mutex_destroy(&p->lock);
		free(p);
		return r;
	}
	*ret = p;
	return 0;
}

void haproxy_point_stop(struct haproxy_point *p)
{
	pthread_join(p->thread, NULL);
}

void haproxy_point_free(struct haproxy_point *p)
{
	if (!p)
		return;
	close(p->wake_fd);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void haproxy_point_note(struct haproxy_point *p, const struct prefix *target)
{
	pthread_mutex_lock(&p->lock);
	/* The end of a prefix is that of what lies in it as well. */
	if (!target || !prefix_is_exact(target) || p->changed_count == CHANGED_MAX)
		p->look = true;
	else
		p->changed[p->changed_count++] = *target;
	pthread_mutex_unlock(&p->lock);
	eventfd_write(p->wake_fd, 1);
}

bool haproxy_point_is_up(struct haproxy_point *p)
{
	pthread_mutex_lock(&p->lock);
	bool up = p->counts.state == HAPROXY_UP;
	pthread_mutex_unlock(&p->lock);
	return up;
}

struct haproxy_counts haproxy_point_counts(struct haproxy_point *p)
{
	pthread_mutex_lock(&p->lock);
	struct haproxy_counts c = p->counts;
	pthread_mutex_unlock(&p->lock);
	if (c.state == HAPROXY_UP)
		return c;
	/* Nothing of it is known now. */
	struct decide_denials all;
	if (decide_denials(p->parts.decide, clock_boot_ns(p->parts.clock), p->parts.config->entries_max,
			   &all) == 0) {
		c.desired = all.count + all.beyond;
		c.beyond = all.beyond;
		free(all.items);
	}
	c.missing = c.desired;
	c.installed = c.extra = 0;
	return c;
}

const struct config_haproxy *haproxy_point_config(const struct haproxy_point *p)
{
	return p->parts.config;
}
