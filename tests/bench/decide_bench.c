// SPDX-License-Identifier: Apache-2.0
/*
 * What a question at HTTP costs beside block lists: the memory that a list takes for it, and the time of an
 * answer about clients who are in it and who are not, as the thread that answers proxies asks.
 *
 *     decide_bench [ENTRIES...]      (default 1 10000 100000 1000000)
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/buffer.h"
#include "lib/util.h"
#include "policies/decide.h"

#define QUESTIONS 1000000
#define NOW       (1000 * NS_PER_S)

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* Each once, over half the address space; the other half is for those who are not in the list. */
static struct addr address_of(uint32_t which, bool clean)
{
	uint32_t word = which * 2654435761u;
	struct addr a = {.family = ADDR_IPV4};

	a.bytes[0] = (uint8_t)((word >> 24 & 0x7f) | (clean ? 0x80 : 0));
	a.bytes[1] = (uint8_t)(word >> 16);
	a.bytes[2] = (uint8_t)(word >> 8);
	a.bytes[3] = (uint8_t)word;
	return a;
}

static struct list *list_make(uint32_t entries)
{
	struct buffer text = BUFFER_INIT(LIST_TEXT_BYTES_MAX);
	const struct list_times times = {.now_s = 1};
	struct list_report report;
	struct list *l = NULL;
	char one[ADDR_TEXT_MAX];

	for (uint32_t i = 0; i < entries; i++) {
		const struct addr a = address_of(i, false);
		buffer_printf(&text, "%s\n", addr_format(&a, one));
	}
	/* Of each length that lists usually have. */
	for (unsigned bits = 16; bits < 32; bits += 4)
		buffer_printf(&text, "127.%u.0.0/%u\n", bits, bits);
	if (list_parse(buffer_span(&text), CONFIG_LIST_PLAIN, &times, &l, &report))
		abort();
	buffer_free(&text);
	for (uint32_t i = 0; i < list_count(l); i++)
		list_mark_set(l, i, 1);
	return l;
}

static double question_ns(struct decide *d, uint32_t entries, bool clean, enum decide_answer wanted)
{
	uint64_t retry_s, begin = clock_ns();

	for (uint32_t i = 0; i < QUESTIONS; i++) {
		const struct addr a = address_of(clean ? i : i * 7919u % entries, clean);
		if (decide_ask(d, &a, NOW, &retry_s) != wanted)
			abort();
	}
	return (double)(clock_ns() - begin) / QUESTIONS;
}

static void measure(uint32_t entries)
{
	struct decide *d = NULL;

	if (decide_new(65536, 20, 100, &d))
		abort();
	double none_ns = question_ns(d, entries, true, DECIDE_PASS);
	struct list *l = list_make(entries);
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
	const struct listed_view view = {
		.list = l,
		.action = VERDICT_BLOCK,
		.mark = 1,
		.mask = 0x7f,
		.in_force = list_count(l),
		.end_ns = UINT64_MAX,
		.latest_ns = UINT64_MAX,
	};
	decide_list(d, 0, &view);
	size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
	printf("%8u entries: %zu bytes more; ns a question: %.0f without a list, %.0f of who is not in it, "
	       "%.0f of who is\n",
	       entries, after - before, none_ns, question_ns(d, entries, true, DECIDE_PASS),
	       question_ns(d, entries, false, DECIDE_DENY));
	decide_free(d);
	list_free(l);
}

int main(int argc, char **argv)
{
	static const uint32_t usual[] = {1, 10000, 100000, 1000000};

	if (argc == 1)
		for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
			measure(usual[i]);
	for (int i = 1; i < argc; i++) {
		unsigned long n = strtoul(argv[i], NULL, 10);
		if (n < 1 || n > LIST_ENTRIES_MAX - 16) {
			fprintf(stderr, "decide_bench: entries are 1 to %u\n", LIST_ENTRIES_MAX - 16);
			return 2;
		}
		measure((uint32_t)n);
	}
	return 0;
}
