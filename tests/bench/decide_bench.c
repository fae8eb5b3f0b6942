// SPDX-License-Identifier: Apache-2.0
/*
 * What a question at HTTP costs beside block lists: the memory that a list takes for it, and the time of an
 * answer about clients who are in it and who are not, as the thread that answers proxies asks. And beside
 * targets on so many routes, of who is denied on none: with a plain path, and one that is written oddly.
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

/* --- routes --- */

static double asked_for_ns(struct decide *d, struct span target)
{
	static struct request_path path;
	uint64_t retry_s, begin = clock_ns();

	for (uint32_t i = 0; i < QUESTIONS / 10; i++) {
		struct decide_question q = {.client = address_of(i, true)};
		if (decide_has(d, TARGET_ROUTED)) {
			request_path_read(target, &path);
			q.path = &path;
		}
		if (decide_ask_of(d, &q, NOW, &retry_s) != DECIDE_PASS)
			abort();
	}
	return (double)(clock_ns() - begin) / (QUESTIONS / 10);
}

static void measure_routes(unsigned routes)
{
	struct decide *d = NULL;
	char text[PREFIX_TEXT_MAX];
	struct prefix p;

	if (decide_new(65536, 20, 100, &d))
		abort();
	for (unsigned i = 0; i < routes; i++) {
		snprintf(text, sizeof text, "127.0.0.1@/api/v1/resources%u/{id}/items", i);
		if (target_parse(span_from(text), &p) || decide_put(d, &p, VERDICT_BLOCK, UINT64_MAX))
			abort();
	}
	printf("%8u routes: ns a question: %.0f with a plain path, %.0f with an odd one\n", routes,
	       asked_for_ns(d, SPAN("/api/v1/resources7/4711/items?x=1")),
	       asked_for_ns(d, SPAN("/api/v1/..//resources7/47%2f11/items?x=1")));
	decide_free(d);
}

int main(int argc, char **argv)
{
	static const unsigned routes[] = {0, 1, 32, TARGET_ROUTES_MAX};
	static const uint32_t usual[] = {1, 10000, 100000, 1000000};

	if (argc == 1)
		for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
			measure(usual[i]);
	for (size_t i = 0; argc == 1 && i < ARRAY_SIZE(routes); i++)
		measure_routes(routes[i]);
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
