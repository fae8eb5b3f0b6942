// SPDX-License-Identifier: Apache-2.0
#include "policies/routes_state.h"
#include <errno.h>
#include <pthread.h>
#include <time.h>
#include "lib/state_file.h"
#include "lib/util.h"

#define INTERVAL_S 30

_Static_assert(ROUTES_STATE_E_NONE == (int)STATE_FILE_E_NONE &&
		       ROUTES_STATE_E_DAMAGED == (int)STATE_FILE_E_DAMAGED,
	       "what became of a load");

struct routes_state {
	struct state_file *file;
	pthread_mutex_t lock;
	pthread_cond_t end;
	pthread_t thread;
	bool runs, ending;
	struct routes *routes;
	uint64_t saved; /* requests noted by then */
	void (*failed)(int error);
};

int routes_state_open(const char *directory, struct routes_state **ret)
{
	struct routes_state *s = calloc(1, sizeof *s);
	pthread_condattr_t attributes;

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&s->end, &attributes);
	pthread_condattr_destroy(&attributes);
	int r = state_file_open(directory, "routes", ROUTES_STATE_MAX, &s->file);
	if (r) {
		routes_state_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

/* --- load and save --- */

struct loading {
	struct routes *routes;
	uint64_t now_ns;
};

static int take(void *arg, struct span text)
{
	const struct loading *l = arg;
	unsigned line;

	return routes_load(l->routes, text, l->now_ns, &line);
}

int routes_state_load(struct routes_state *s, struct routes *r, uint64_t now_ns)
{
	struct loading l = {r, now_ns};

	return state_file_load(s->file, take, &l);
}

int routes_state_save(struct routes_state *s, struct routes *r)
{
	_cleanup_(buffer_free) struct buffer out = BUFFER_INIT(ROUTES_STATE_MAX);

	int e = state_file_begin(&out) ? -ENOMEM : routes_save(r, &out);
	return e ? e : state_file_save(s->file, &out);
}

/* --- by itself --- */

static void save_if_changed(struct routes_state *s)
{
	uint64_t requests = routes_counts(s->routes).requests;

	if (requests == s->saved)
		return;
	int e = routes_state_save(s, s->routes);
	if (!e)
		s->saved = requests;
	if (e && s->failed)
		s->failed(e);
	if (e)
		s->failed = NULL;
}

static void *saver_main(void *arg)
{
	struct routes_state *s = arg;
	struct timespec until;

	pthread_mutex_lock(&s->lock);
	while (!s->ending) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += INTERVAL_S;
		if (pthread_cond_timedwait(&s->end, &s->lock, &until) != ETIMEDOUT)
			continue;
		pthread_mutex_unlock(&s->lock);
		save_if_changed(s);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int routes_state_start(struct routes_state *s, struct routes *r, void (*failed)(int error))
{
	s->routes = r;
	s->failed = failed;
	int e = pthread_create(&s->thread, NULL, saver_main, s);
	s->runs = e == 0;
	return -e;
}

void routes_state_free(struct routes_state *s)
{
	if (!s)
		return;
	if (s->runs) {
		pthread_mutex_lock(&s->lock);
		s->ending = true;
		pthread_cond_signal(&s->end);
		pthread_mutex_unlock(&s->lock);
		pthread_join(s->thread, NULL);
		save_if_changed(s);
	}
	state_file_free(s->file);
	pthread_cond_destroy(&s->end);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
