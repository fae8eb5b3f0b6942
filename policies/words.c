// SPDX-License-Identifier: Apache-2.0
#include "policies/words.h"
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include "lib/util.h"

/*
 * A trie of the words, and before it a filter: a bit for each three bytes with which a word begins. Most
 * places of most texts end there, each without waiting for the one before, and the filter stays in the cache
 * where a table of all states (an automaton of Aho and Corasick, which this was) has to be fetched again
 * after whatever else the thread did. Bytes are grouped into classes first: all that no word holds are one
 * class.
 */
#define KEY_SHIFT 5 /* a class in the key of three; those that are larger mingle, which only costs a look */
#define KEY_MASK  0x7fffu

struct output {
	uint16_t id;
	uint8_t where;
	uint32_t next; /* 1 + index of the next output of the same state, 0 = none */
};

/* A state, which is a beginning of words: the root has number 0, and children of one follow each other. */
struct node {
	uint32_t output; /* 1 + index of the first, 0 = none */
	uint16_t child;  /* the first */
	uint8_t children;
};

struct words {
	uint8_t class_of[256]; /* 0: in no word */
	unsigned classes;
	/* the trie while it grows */
	struct branch {
		uint32_t child, sibling; /* 0 = none: state 0 is the root, never a child */
		uint8_t byte;
	} * branches;
	uint32_t *first_output; /* per state: 1 + index, 0 = none */
	size_t states, states_size;
	struct output *outputs;
	size_t output_count, output_size;
	/* made of it by words_build */
	struct node *nodes;
	uint8_t *leads;      /* to each: the class of the byte. Apart, as of many only this is looked at */
	uint16_t first[256]; /* by class: the child of the root, 0 = none */
	uint8_t alone[256];  /* by byte: a place that the filter cannot rule out, as a short word begins so */
	uint8_t filter[(KEY_MASK + 1) / 8];
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
	free(w->outputs);
	free(w->nodes);
	free(w->leads);
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
		.next = w->first_output[state],
	};
	w->first_output[state] = (uint32_t)++w->output_count;
	return 0;
}

static void filter_add(struct words *w, unsigned first, unsigned second, unsigned third)
{
	unsigned key = (first << 2 * KEY_SHIFT ^ second << KEY_SHIFT ^ third) & KEY_MASK;

	w->filter[key / 8] |= (uint8_t)(1u << key % 8);
}

/* Of one child of the root, whose byte is first: the beginnings that are long enough, and what is shorter. */
static void filter_fill(struct words *w, unsigned number, uint8_t first)
{
	const struct node *node = &w->nodes[number];
	const uint8_t class = w->leads[number];

	if (node->output)
		w->alone[first] = 1;
	for (unsigned i = 0; i < node->children; i++) {
		const struct node *second = &w->nodes[node->child + i];
		const uint8_t then = w->leads[node->child + i];
		if (second->output && !isalnum(first))
			w->alone[first] = 1; /* rare enough in texts */
		for (unsigned c = 0; second->output && isalnum(first) && c < w->classes; c++)
			filter_add(w, class, then, c);
		for (unsigned k = 0; k < second->children; k++)
			filter_add(w, class, then, w->leads[second->child + k]);
	}
}

int words_build(struct words *w)
{
	_cleanup_free_ uint32_t *queue = calloc(w->states + 1, sizeof *queue);
	size_t queued = 1; /* the root is in it */

	w->nodes = calloc(w->states, sizeof *w->nodes);
	w->leads = calloc(w->states, 1);
	if (!queue || !w->nodes || !w->leads)
		return -ENOMEM;
	for (size_t i = 0; i < queued; i++) { /* breadth first: what is looked at most is together */
		struct node *node = &w->nodes[i];
		node->output = w->first_output[queue[i]];
		node->child = (uint16_t)queued;
		for (uint32_t at = w->branches[queue[i]].child; at; at = w->branches[at].sibling) {
			node->children++;
			w->leads[queued] = w->class_of[w->branches[at].byte];
			queue[queued++] = at;
		}
	}
	for (unsigned i = w->nodes[0].child; i < w->nodes[0].child + w->nodes[0].children; i++) {
		w->first[w->leads[i]] = (uint16_t)i;
		filter_fill(w, i, w->branches[queue[i]].byte);
	}
	for (int c = 'A'; c <= 'Z'; c++) {
		w->class_of[c] = w->class_of[c + 32];
		w->alone[c] = w->alone[c + 32];
	}
	free(w->branches);
	w->branches = NULL;
	return 0;
}

static unsigned node_child(const struct words *w, const struct node *node, uint8_t class)
{
	for (unsigned i = 0; i < node->children; i++)
		if (w->leads[node->child + i] == class)
			return node->child + i;
	return 0;
}

/* All words that begin at one place. */
static void words_at(const struct words *w, struct span text, size_t begin, words_found *found, void *arg)
{
	unsigned at = w->first[w->class_of[(unsigned char)text.ptr[begin]]];

	for (size_t end = begin + 1; at; end++) {
		const struct node *node = &w->nodes[at];
		for (uint32_t o = node->output; o; o = w->outputs[o - 1].next) {
			const struct output *output = &w->outputs[o - 1];
			if ((!(output->where & WORDS_AT_START) || !begin) &&
			    (!(output->where & WORDS_AT_END) || end == text.len))
				found(arg, output->id, (struct span){text.ptr + begin, end - begin});
		}
		at = end < text.len ? node_child(w, node, w->class_of[(unsigned char)text.ptr[end]]) : 0;
	}
}

void words_search(const struct words *w, struct span text, words_found *found, void *arg)
{
	const unsigned char *bytes = (const unsigned char *)text.ptr;
	size_t i = 0;
	unsigned key;

	if (text.len > 2) {
		key = (unsigned)w->class_of[bytes[0]] << KEY_SHIFT ^ w->class_of[bytes[1]];
		for (; i + 2 < text.len; i++) {
			key = (key << KEY_SHIFT ^ w->class_of[bytes[i + 2]]) & KEY_MASK;
			if ((w->filter[key / 8] >> key % 8 & 1) | w->alone[bytes[i]])
				words_at(w, text, i, found, arg);
		}
	}
	for (; i < text.len; i++)
		words_at(w, text, i, found, arg);
}
