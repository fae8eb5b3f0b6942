// SPDX-License-Identifier: Apache-2.0
#include "forwarder/budget_state.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/state_file.h"
#include "lib/util.h"

#define TEXT_MAX 256
#define HEAD     "picket-budget 1 "

struct budget_state {
	struct state_file *file;
	pthread_t thread;
	bool runs;

	pthread_mutex_t lock; /* of what follows; not held while a file is touched */
	pthread_cond_t changed;
	struct budget_span hour, day;
	bool dirty, ending;
	int error;
};

int budget_state_open(const char *directory, const char *name, struct budget_state **ret)
{
	struct budget_state *s = calloc(1, sizeof *s);
	char file[64];

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	snprintf(file, sizeof file, "budget-%.40s", name);
	int r = state_file_open(directory, file, TEXT_MAX * 2, &s->file);
	if (r) {
		budget_state_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

int budget_state_parse(struct span text, struct budget_span *ret_hour, struct budget_span *ret_day)
{
	struct budget_span hour, day;
	char line[TEXT_MAX];
	int end = 0;

	/* Digits, single blanks and the line's end alone: sscanf would take more for a number. */
	if (text.len >= sizeof line || text.len <= sizeof HEAD || text.ptr[text.len - 1] != '\n' ||
	    memcmp(text.ptr, HEAD, sizeof HEAD - 1) != 0)
		return 1;
	for (size_t i = sizeof HEAD - 1; i < text.len; i++)
		if (!(text.ptr[i] >= '0' && text.ptr[i] <= '9') && text.ptr[i] != ' ' &&
		    !(text.ptr[i] == '\n' && i == text.len - 1))
			return 1;
	memcpy(line, text.ptr, text.len);
	line[text.len] = 0;
	if (sscanf(line,
		   HEAD "%19" SCNu64 " %19" SCNu64 " %19" SCNu64 " %19" SCNu64 " %19" SCNu64 " %19" SCNu64
			"\n%n",
		   &hour.number, &hour.tokens, &hour.money, &day.number, &day.tokens, &day.money,
		   &end) != 6 ||
	    end != (int)text.len)
		return 1;
	*ret_hour = hour;
	*ret_day = day;
	return 0;
}

static int take(void *arg, struct span text)
{
	struct budget *b = arg;

	return budget_state_parse(text, &b->hour, &b->day);
}

int budget_state_load(struct budget_state *s, struct budget *b)
{
	return state_file_load(s->file, take, b);
}

static int save(struct budget_state *s, struct budget_span hour, struct budget_span day)
{
	_cleanup_(buffer_free) struct buffer out = BUFFER_INIT(TEXT_MAX * 2);

	int r = state_file_begin(&out) ? -ENOMEM : 0;
	buffer_printf(&out,
		      "picket-budget 1 %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
		      "\n",
		      hour.number, hour.tokens, hour.money, day.number, day.tokens, day.money);
	return r ? r : out.truncated ? -ENOMEM : state_file_save(s->file, &out);
}

static void *saver_main(void *arg)
{
	struct budget_state *s = arg;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		while (!s->dirty && !s->ending)
			pthread_cond_wait(&s->changed, &s->lock);
		if (!s->dirty)
			break;
		struct budget_span hour = s->hour, day = s->day;
		s->dirty = false;
		pthread_mutex_unlock(&s->lock);
		int r = save(s, hour, day);
		pthread_mutex_lock(&s->lock);
		s->error = r;
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int budget_state_put(struct budget_state *s, const struct budget *b)
{
	int r = 0;

	pthread_mutex_lock(&s->lock);
	s->hour = b->hour;
	s->day = b->day;
	s->dirty = true;
	if (!s->runs) {
		r = -pthread_create(&s->thread, NULL, saver_main, s);
		s->runs = r == 0;
	}
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return r;
}

int budget_state_error(struct budget_state *s)
{
	pthread_mutex_lock(&s->lock);
	int r = s->error;
	pthread_mutex_unlock(&s->lock);
	return r;
}

void budget_state_free(struct budget_state *s)
{
	if (!s)
		return;
	if (s->runs) {
		pthread_mutex_lock(&s->lock);
		s->ending = true;
		pthread_cond_signal(&s->changed);
		pthread_mutex_unlock(&s->lock);
		pthread_join(s->thread, NULL);
	}
	state_file_free(s->file);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
