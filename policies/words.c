// SPDX-License-Identifier: Apache-2.0
#include "policies/words.h"
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include "lib/util.h"

/*
 * A trie of the words, whose missing branches words_build fills with where the longest other beginning would
 * have led. Bytes are grouped into classes first: all that no word holds are one class, which keeps the table
 * small enough for the cache.
 */
struct output {
	uint16_t id;
	uint8_t where;
	uint16_t len;
	uint32_t next; /* 1 + index of the next output of the same state, 0 = none */
};

struct words {
	uint8_t class_of[256]; /* 0: in no word */
	unsigned classes;
	/* the trie while it grows: one line of 256 per state would be large, so branches are kept as sibling
	 * lists */
	struct branch {
		uint32_t child, sibling; /* 0 = none: state 0 is the root, never a child */
		uint8_t byte;
	} * branches;
	uint32_t *first_output;  /* per state: 1 + index, 0 = none */
	uint32_t *suffix_output; /* per state: the nearest shorter state that has outputs, 0 = none */
	size_t states, states_size;
	struct output *outputs;
	size_t output_count, output_size;
	uint16_t *next_state; /* states * classes, made by words_build */
};

static unsigned char fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : (unsigned char)c;
}

static int state_new(struct words *w, uint32_t *ret)
{
	if (w->states >= WORDS_STATES_MAX)
		return WORDS_E_TOO_MANY;
	if (w->states == w->states_size) {
		size_t size = w->states_size ? w->states_size * 2 : 256;
		struct branch *branches = realloc(w->branches, size * sizeof *branches);
		if (!branches)
			return -ENOMEM;
		w->branches = branches;
		uint32_t *first = realloc(w->first_output, size * sizeof *first);
		if (!first)
			return -ENOMEM;
		w->first_output = first;
		w->states_size = size;
	}
	w->branches[w->states] = (struct branch){0};
	w->first_output[w->states] = 0;
	*ret = (uint32_t)w->states++;
	return 0;
}

int words_new(struct words **ret)
{
	struct words *w = calloc(1, sizeof *w);
	uint32_t root;

	if (!w)
		return -ENOMEM;
	w->classes = 1;
	int r = state_new(w, &root);
	if (r) {
		words_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

void words_free(struct words *w)
{
	if (!w)
		return;
	free(w->branches);
	free(w->first_output);
	free(w->suffix_output);
	free(w->outputs);
	free(w->next_state);
	free(w);
}

static uint32_t child_find(const struct words *w, uint32_t state, uint8_t byte)
{
	uint32_t at = w->branches[state].child;

	while (at && w->branches[at].byte != byte)
		at = w->branches[at].sibling;
	return at;
}

static int child_get(struct words *w, uint32_t state, uint8_t byte, uint32_t *ret)
{
	uint32_t at = child_find(w, state, byte);

	if (!at) {
		int r = state_new(w, &at);
		if (r)
			return r;
		w->branches[at].byte = byte;
		w->branches[at].sibling = w->branches[state].child;
		w->branches[state].child = at;
		if (!w->class_of[byte])
			w->class_of[byte] =
				(uint8_t)w->classes++; /* at most 230: folded letters have no own */
	}
	*ret = at;
	return 0;
}

int words_add(struct words *w, struct span word, unsigned where, uint16_t id)
{
	uint32_t state = 0;

	if (!word.len || word.len > UINT16_MAX)
		return -EINVAL;
	for (size_t i = 0; i < word.len; i++) {
		int r = child_get(w, state, fold(word.ptr[i]), &state);
		if (r)
			return r;
	}
	if (w->output_count == w->output_size) {
		size_t size = w->output_size ? w->output_size * 2 : 64;
		struct output *outputs = realloc(w->outputs, size * sizeof *outputs);
		if (!outputs)
			return -ENOMEM;
		w->outputs = outputs;
		w->output_size = size;
	}
	w->outputs[w->output_count] = (struct output){
		.id = id,
		.where = (uint8_t)where,
		.len = (uint16_t)word.len,
		.next = w->first_output[state],
	};
	w->first_output[state] = (uint32_t)++w->output_count;
	return 0;
}

/* Fills the line of one state, whose own fallback line is filled already, and queues its children. */
static void state_fill(struct words *w, uint32_t state, const uint32_t *fallback, uint32_t *child_fallback,
		       uint32_t *queue, size_t *queued)
{
	uint16_t *line = w->next_state + state * w->classes;
	const uint16_t *other = w->next_state + fallback[state] * w->classes;

	if (state)
		memcpy(line, other, w->classes * sizeof *line);
	for (uint32_t at = w->branches[state].child; at; at = w->branches[at].sibling) {
		unsigned class = w->class_of[w->branches[at].byte];
		child_fallback[at] = state ? other[class] : 0;
		line[class] = (uint16_t)at;
		queue[(*queued)++] = at;
	}
	uint32_t shorter = fallback[state];
	w->suffix_output[state] = w->first_output[shorter] ? shorter : w->suffix_output[shorter];
}

int words_build(struct words *w)
{
	_cleanup_free_ uint32_t *fallback = calloc(w->states, sizeof *fallback);
	_cleanup_free_ uint32_t *queue = calloc(w->states + 1, sizeof *queue);
	size_t queued = 1; /* the root is in it */

	w->next_state = calloc(w->states * w->classes, sizeof *w->next_state);
	w->suffix_output = calloc(w->states, sizeof *w->suffix_output);
	if (!fallback || !queue || !w->next_state || !w->suffix_output)
		return -ENOMEM;
	for (int c = 'A'; c <= 'Z'; c++)
		w->class_of[c] = w->class_of[c + 32];
	for (size_t i = 0; i < queued; i++) /* breadth first: a fallback is always shorter */
		state_fill(w, queue[i], fallback, fallback, queue, &queued);
	free(w->branches);
	w->branches = NULL;
	return 0;
}

static void state_tell(const struct words *w, uint32_t state, struct span text, size_t end,
		       void (*found)(void *arg, uint16_t id), void *arg)
{
	for (uint32_t at = w->first_output[state] ? state : w->suffix_output[state]; at;
	     at = w->suffix_output[at]) {
		for (uint32_t o = w->first_output[at]; o; o = w->outputs[o - 1].next) {
			const struct output *output = &w->outputs[o - 1];
			if ((output->where & WORDS_AT_START) && end != output->len)
				continue;
			if ((output->where & WORDS_AT_END) && end != text.len)
				continue;
			found(arg, output->id);
		}
	}
}

void words_search(const struct words *w, struct span text, void (*found)(void *arg, uint16_t id), void *arg)
{
	uint32_t state = 0;

	for (size_t i = 0; i < text.len; i++) {
		state = w->next_state[state * w->classes + w->class_of[(unsigned char)text.ptr[i]]];
		if (w->first_output[state] || w->suffix_output[state])
			state_tell(w, state, text, i + 1, found, arg);
	}
}
