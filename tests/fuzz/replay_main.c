// SPDX-License-Identifier: Apache-2.0
/*
 * replay_main.c: a fuzzer without libFuzzer. Gives the fuzzer's function each seed of a corpus folder, each
 * seed cut at every length, and a fixed number of mutations from a fixed random sequence: any compiler, any
 * sanitizer, the same inputs in each run. Each input lies in memory of exactly its size, so that a read
 * beyond it is seen.
 *
 *     NAME_fuzz FOLDER        all of it
 *     NAME_fuzz FILE          this input alone, e.g. what libFuzzer found
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include "lib/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	SEEDS_MAX = 4096,
	SEED_BYTES_MAX = 1 << 20,
	CUTS_MAX = 300,      /* of one seed; a longer seed is cut at evenly spread lengths */
	MUTATIONS = 100,     /* of one seed */
	BYTES_MAX = 1 << 26, /* given to the function in all, by cuts and mutations: keeps large seeds from
				taking minutes */
};

struct seed {
	uint8_t *data;
	size_t size;
};

static struct seed seeds[SEEDS_MAX];
static size_t seed_count;
static uint64_t runs, bytes;

static uint64_t random_next(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static size_t random_below(size_t n)
{
	return n ? (size_t)(random_next() % n) : 0;
}

static void run(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);

	if (!exact) {
		fprintf(stderr, "out of memory\n");
		exit(1);
	}
	if (size)
		memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	runs++;
	bytes += size;
}

static int seed_read(const char *path, struct seed *ret)
{
	_cleanup_fclose_ FILE *f = fopen(path, "rb");
	uint8_t *data;
	size_t size;

	if (!f)
		return -errno;
	data = malloc(SEED_BYTES_MAX);
	if (!data)
		return -ENOMEM;
	size = fread(data, 1, SEED_BYTES_MAX, f);
	*ret = (struct seed){data, size};
	return 0;
}

static void run_cuts(const struct seed *s)
{
	size_t step = s->size / CUTS_MAX + 1;

	for (size_t n = 0; n < s->size && bytes < BYTES_MAX; n += step)
		run(s->data, n);
}

static const char *const words[] = {"\r\n", "\n", "\r",  "\r\n\r\n", " ",   "\t",  ":", ",",
				    "{",    "}",  "[",   "]",        "\"",  "\\u", "0", "-1",
				    "/",    "?",  "%00", "HTTP",     "1e9", "\xff"};

/* One change at a random place; out holds room for it. Returns the new size. */
static size_t mutate(uint8_t *out, size_t size, size_t room)
{
	size_t at = random_below(size + 1), n;
	const struct seed *other;
	const char *word;

	switch (random_below(6)) {
	case 0: /* another byte */
		if (at < size)
			out[at] = (uint8_t)random_next();
		return size;
	case 1: /* another bit */
		if (at < size)
			out[at] ^= (uint8_t)(1u << random_below(8));
		return size;
	case 2: /* a word that parsers know */
		word = words[random_below(ARRAY_SIZE(words))];
		n = strlen(word);
		if (size + n > room)
			return size;
		memmove(out + at + n, out + at, size - at);
		memcpy(out + at, word, n);
		return size + n;
	case 3: /* some bytes less */
		n = MIN(random_below(16) + 1, size - at);
		memmove(out + at, out + at + n, size - at - n);
		return size - n;
	case 4: /* some bytes twice */
		n = MIN(random_below(64) + 1, size - at);
		if (size + n > room)
			return size;
		memmove(out + at + n, out + at, size - at);
		return size + n;
	default: /* the rest of another seed */
		other = &seeds[random_below(seed_count)];
		n = random_below(other->size + 1);
		if (at + other->size - n > room)
			return size;
		memcpy(out + at, other->data + n, other->size - n);
		return at + other->size - n;
	}
}

static void run_mutations(const struct seed *s)
{
	size_t room = s->size + SEED_BYTES_MAX;
	uint8_t *work = malloc(room);

	if (!work) {
		fprintf(stderr, "out of memory\n");
		exit(1);
	}
	for (unsigned i = 0; i < MUTATIONS && bytes < BYTES_MAX; i++) {
		size_t size = s->size;
		size_t changes = random_below(4) + 1;

		if (size)
			memcpy(work, s->data, size);
		for (size_t c = 0; c < changes; c++)
			size = mutate(work, size, room);
		run(work, size);
	}
	free(work);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int folder_read(const char *folder)
{
	struct dirent **names;
	int n = scandir(folder, &names, NULL, by_name);
	int result = 0;

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
		if (names[i]->d_name[0] != '.' && seed_count < SEEDS_MAX && !result) {
			result = seed_read(path, &seeds[seed_count]);
			if (!result)
				seed_count++;
		}
		free(names[i]);
	}
	free(names);
	return result;
}

int main(int argc, char **argv)
{
	struct stat st;
	int r;

	if (argc != 2 || stat(argv[1], &st) != 0) {
		fprintf(stderr, "usage: %s CORPUS-FOLDER | FILE\n", argv[0]);
		return 2;
	}
	if (S_ISDIR(st.st_mode)) {
		r = folder_read(argv[1]);
	} else {
		r = seed_read(argv[1], &seeds[0]);
		seed_count = 1;
	}
	if (r < 0 || seed_count == 0) {
		fprintf(stderr, "%s: %s\n", argv[1], r < 0 ? strerror(-r) : "no seed");
		return 1;
	}
	for (size_t i = 0; i < seed_count; i++)
		run(seeds[i].data, seeds[i].size);
	if (S_ISDIR(st.st_mode)) {
		run(NULL, 0);
		for (size_t i = 0; i < seed_count; i++)
			run_cuts(&seeds[i]);
		for (size_t i = 0; i < seed_count; i++)
			run_mutations(&seeds[i]);
	}
	printf("%zu seeds, %llu inputs, %llu bytes\n", seed_count, (unsigned long long)runs,
	       (unsigned long long)bytes);
	for (size_t i = 0; i < seed_count; i++)
		free(seeds[i].data);
	return 0;
}
