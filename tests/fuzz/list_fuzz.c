// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a block list; the first chooses the format. What is taken is sorted, without doubles, well
 * formed and not ended, each entry is found again, and the same bytes make no difference to themselves.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include "policies/list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1800000000ull

static void check_entry(const struct list *l, uint32_t at)
{
	struct prefix p = list_target(l, at), clean = prefix_of(&p.addr, p.bits);

	assert(p.addr.family == ADDR_IPV4 || p.addr.family == ADDR_IPV6);
	assert(p.bits <= addr_bits(&p.addr) && prefix_equal(&p, &clean));
	assert(list_end_s(l, at) == 0 || list_end_s(l, at) > NOW);
	assert(list_find(l, &p) == at);
	uint32_t closest = list_match(l, &p.addr);
	assert(closest == at || (closest < list_count(l) && list_target(l, closest).bits > p.bits));
}

static int same(void *arg, enum list_difference difference, uint32_t before_at, uint32_t after_at)
{
	assert(difference == LIST_SAME && before_at == after_at);
	++*(uint32_t *)arg;
	return 0;
}

static int added(void *arg, enum list_difference difference, uint32_t before_at, uint32_t after_at)
{
	assert(difference == LIST_ADDED && before_at == LIST_NONE && after_at == *(uint32_t *)arg);
	++*(uint32_t *)arg;
	return 0;
}

static void check_text(const char *text, size_t size)
{
	assert(memchr(text, 0, size));
	for (; *text; text++)
		assert(*text >= ' ' && *text <= '~');
}

static void check_list(struct list *l)
{
	uint32_t walked = 0, of_nothing = 0;

	for (uint32_t at = 0; at < list_count(l); at++)
		check_entry(l, at);
	list_diff(l, l, same, &walked);
	list_diff(NULL, l, added, &of_nothing);
	assert(walked == list_count(l) && of_nothing == walked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct list_times times = {.now_s = NOW, .written_s = NOW - 3600};
	enum config_list_format format = size ? data[0] % (CONFIG_LIST_MISP + 1) : CONFIG_LIST_AUTO;
	/* In memory of its own size, so that a read beyond it is seen. */
	char *copy = malloc(size ? size : 1);
	struct list *l = NULL;
	struct list_report report;

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data + 1, size - 1);
	int r = list_parse((struct span){copy, size ? size - 1 : 0}, format, &times, &l, &report);
	free(copy);
	assert(r <= LIST_E_REFUSED && (r == 0) == (l != NULL));
	assert((report.error[0] != 0) == (r == LIST_E_REFUSED));
	assert(report.fault_count <= LIST_FAULTS_MAX && report.fault_count <= report.unreadable);
	for (unsigned i = 0; i < report.fault_count; i++)
		check_text(report.faults[i].quote, sizeof report.faults[i].quote);
	if (l)
		check_list(l);
	list_free(l);
	return 0;
}
