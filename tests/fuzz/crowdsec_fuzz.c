// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a decision stream: it does not matter where they are cut; what is taken is JSON by the other
 * strict reader as well; and what follows of it is a sound list, whatever was new, deleted or lacking.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include "forwarder/crowdsec_stream.h"
#include "lib/json_read.h"
#include "lib/util.h"
#include "policies/crowdsec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1800000000ull

struct taken {
	struct crowdsec *crowdsec;
	uint64_t count, sum; /* of what came, in its order */
};

static void add(struct taken *t, struct span text)
{
	assert(text.len <= CROWDSEC_TEXT_MAX);
	for (size_t i = 0; i < text.len; i++)
		t->sum = (t->sum ^ (unsigned char)text.ptr[i]) * 1099511628211ull;
	t->sum = t->sum * 31 + text.len;
}

static int on_decision(void *arg, enum crowdsec_section section, const struct crowdsec_decision *d)
{
	struct taken *t = arg;

	assert(section == CROWDSEC_NEW || section == CROWDSEC_DELETED);
	t->count++;
	t->sum = t->sum * 31 + d->id + section;
	add(t, d->value);
	add(t, d->scope);
	add(t, d->type);
	add(t, d->duration);
	add(t, d->origin);
	add(t, d->scenario);
	return crowdsec_take(t->crowdsec, section, d, NOW);
}

static int read_all(struct span text, size_t part, struct taken *t)
{
	struct crowdsec_stream s;

	crowdsec_stream_init(&s, on_decision, t);
	for (size_t at = 0; at < text.len; at += part) {
		/* In memory of its own size, so that a read beyond it is seen. */
		struct span piece = {text.ptr + at, MIN(part, text.len - at)};
		char *copy = malloc(piece.len);
		if (!copy)
			return -12;
		memcpy(copy, piece.ptr, piece.len);
		int r = crowdsec_stream_feed(&s, (struct span){copy, piece.len});
		free(copy);
		assert(r == s.error);
	}
	return crowdsec_stream_end(&s);
}

static void check_list(struct crowdsec *c)
{
	struct list_report report;
	struct list *l = NULL;

	assert(crowdsec_list(c, NOW + 5, &l, &report) == 0);
	assert(list_count(l) <= crowdsec_count(c));
	for (uint32_t at = 0; at < list_count(l); at++) {
		struct prefix p = list_target(l, at), clean = prefix_of(&p.addr, p.bits);
		struct crowdsec_told told[4];
		assert(prefix_equal(&p, &clean) && list_end_s(l, at) > NOW + 5 && list_find(l, &p) == at);
		unsigned n = crowdsec_find(c, &p, told, 4);
		assert(n && (n == 4 || told[0].end_s == list_end_s(l, at)));
	}
	assert(!crowdsec_changed(c));
	list_free(l);
}

/* What one takes as a whole, and of a known shape, the other does not refuse as no JSON. */
static void check_json(struct span text, int result)
{
	const struct json_limits limits = {1u << 24, CROWDSEC_DEPTH_MAX, 1000000};
	cJSON *root = NULL;
	int r = json_parse(text, &limits, &root, NULL);

	cJSON_Delete(root);
	if (!result)
		assert(r == 0 || r == JSON_E_DUPLICATE_KEY || r == JSON_E_NUMBER);
	if (!r)
		assert(result == 0 || result == CROWDSEC_E_SHAPE || result == CROWDSEC_E_DUPLICATE_KEY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct config_gateway config = {.protocol = GATEWAY_CROWDSEC};
	struct taken one = {0}, other = {0};

	if (!size || crowdsec_new(&config, &one.crowdsec) || crowdsec_new(&config, &other.crowdsec))
		return 0;
	struct span text = {(const char *)data + 1, size - 1};
	crowdsec_begin(one.crowdsec, data[0] & 1);
	crowdsec_begin(other.crowdsec, data[0] & 1);
	int r = read_all(text, 1 + data[0] / 2, &one);
	assert(read_all(text, text.len + 1, &other) == r && one.count == other.count && one.sum == other.sum);
	assert(r >= 0 && r <= CROWDSEC_E_CUT);
	assert(crowdsec_count(one.crowdsec) == crowdsec_count(other.crowdsec));
	check_json(text, r);
	crowdsec_end(one.crowdsec);
	check_list(one.crowdsec);
	/* The same once more, then whole lists that lack all of it. */
	crowdsec_begin(one.crowdsec, false);
	read_all(text, 7, &one);
	check_list(one.crowdsec);
	for (unsigned i = 0; i < CROWDSEC_ABSENT_MANY; i++) {
		crowdsec_begin(one.crowdsec, true);
		crowdsec_end(one.crowdsec);
	}
	assert(crowdsec_count(one.crowdsec) == 0);
	crowdsec_free(one.crowdsec);
	crowdsec_free(other.crowdsec);
	return 0;
}
