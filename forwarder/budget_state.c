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
	struct budget_kept kept;
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

/* Takes a number of at most 19 digits and the sign behind it; 1: there is none. */
static int take_number(struct span *text, char behind, uint64_t *ret)
{
	uint64_t n = 0;
	size_t i = 0;

	for (; i < text->len && i < 20 && text->ptr[i] >= '0' && text->ptr[i] <= '9'; i++)
		n = n * 10 + (uint64_t)(text->ptr[i] - '0');
	if (i < 1 || i > 19 || i == text->len || text->ptr[i] != behind)
		return 1;
	*text = (struct span){text->ptr + i + 1, text->len - i - 1};
	*ret = n;
	return 0;
}

static int take_word(struct span *text, const char *word)
{
	size_t n = strlen(word);

	if (text->len < n || memcmp(text->ptr, word, n) != 0)
		return 1;
	*text = (struct span){text->ptr + n, text->len - n};
	return 0;
}

/* Sixteen digits and the end of the line. */
static int take_endpoint(struct span *text, uint64_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t n = 0;

	if (text->len < 17 || text->ptr[16] != '\n')
		return 1;
	for (unsigned i = 0; i < 16; i++) {
		const char *digit = memchr(digits, text->ptr[i], 16);

		if (!digit)
			return 1;
		n = n << 4 | (uint64_t)(digit - digits);
	}
	*text = (struct span){text->ptr + 17, text->len - 17};
	*ret = n;
	return 0;
}

static int take_form(struct span *text, struct budget_form *ret)
{
	uint64_t form;

	if (take_word(text, "form ") || take_number(text, ' ', &form) || form < 1 || form > BUDGET_FORM_MAX ||
	    take_number(text, ' ', &ret->day) || take_endpoint(text, &ret->endpoint))
		return 1;
	ret->form = (unsigned)form;
	return 0;
}

int budget_state_parse(struct span text, struct budget_kept *ret)
{
	struct budget_kept k = {0};

	if (take_word(&text, HEAD) || take_number(&text, ' ', &k.hour.number) ||
	    take_number(&text, ' ', &k.hour.tokens) || take_number(&text, ' ', &k.hour.money) ||
	    take_number(&text, ' ', &k.day.number) || take_number(&text, ' ', &k.day.tokens) ||
	    take_number(&text, '\n', &k.day.money) || (text.len && take_form(&text, &k.form)) || text.len)
		return 1;
	*ret = k;
	return 0;
}

void budget_state_write(const struct budget_kept *k, struct buffer *out)
{
	buffer_printf(out, HEAD "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
		      k->hour.number, k->hour.tokens, k->hour.money, k->day.number, k->day.tokens,
		      k->day.money);
	if (k->form.form)
		buffer_printf(out, "form %u %" PRIu64 " %016" PRIx64 "\n", k->form.form, k->form.day,
			      k->form.endpoint);
}

static int take(void *arg, struct span text)
{
	return budget_state_parse(text, arg);
}

int budget_state_load(struct budget_state *s, struct budget_kept *ret)
{
	return state_file_load(s->file, take, ret);
}

static int save(struct budget_state *s, const struct budget_kept *kept)
{
	_cleanup_(buffer_free) struct buffer out = BUFFER_INIT(TEXT_MAX * 2);

	int r = state_file_begin(&out) ? -ENOMEM : 0;
	budget_state_write(kept, &out);
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
		struct budget_kept kept = s->kept;
		s->dirty = false;
		pthread_mutex_unlock(&s->lock);
		int r = save(s, &kept);
		pthread_mutex_lock(&s->lock);
		s->error = r;
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int budget_state_put(struct budget_state *s, const struct budget_kept *kept)
{
	int r = 0;

	pthread_mutex_lock(&s->lock);
	s->kept = *kept;
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
