// SPDX-License-Identifier: Apache-2.0
/* deny_test.c: policies/deny.c against real maps: what is put is found, listed, replaced, swept and taken out
 * again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "policies/deny.h"
#include "sensor/kernel_internal.h"

#define ROOM 64
#define S(n) ((uint64_t)(n)*NS_PER_S)

static struct kernel *kernel;
static struct deny *deny;

static int open_all(void **state)
{
	static struct config config;
	struct kernel_options options = {.netns = 0};
	struct buffer errors = BUFFER_INIT(4096);

	(void)state;
	config.capture.ring_bytes = config.capture.header_ring_bytes = 1 << 16;
	config.limits.blocks_max = ROOM;
	int r = kernel_load(&config, &options, &kernel, &errors);
	if (r) {
		fprintf(stderr, "kernel_load: %d\n%.*s", r, (int)errors.len, errors.data);
		return -1;
	}
	buffer_free(&errors);
	deny = kernel_deny(kernel);
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	kernel_free(kernel);
	kernel = NULL;
	return 0;
}

static struct prefix net(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(span_from(text), &p), 0);
	return p;
}

static int put(const char *who, uint64_t deadline_ns)
{
	struct prefix p = net(who);

	return deny_put(deny, &p, deadline_ns, PK_ACT_DROP, PK_SCOPE_PORTS, 3);
}

static int take(const char *who)
{
	struct prefix p = net(who);

	return deny_remove(deny, &p);
}

static int get(const char *who, struct pk_deny *ret)
{
	struct prefix p = net(who);

	return deny_get(deny, &p, ret);
}

static const char *const kinds[] = {"192.0.2.1",   "192.0.2.0/24",  "0.0.0.0/1",
				    "2001:db8::1", "2001:db8::/32", "2001:db8::/127"};

static void what_is_put_is_found_until_it_is_removed(void **state)
{
	struct pk_deny d;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		assert_int_equal(get(kinds[i], &d), DENY_E_NONE);
		assert_int_equal(put(kinds[i], S(1000)), 0);
		assert_int_equal(get(kinds[i], &d), 0);
		assert_int_equal(d.deadline_s, 1000);
		assert_int_equal(d.action, PK_ACT_DROP);
		assert_int_equal(d.scope, PK_SCOPE_PORTS);
		assert_int_equal(d.source, 3);
		assert_int_equal(d.bits, net(kinds[i]).bits);
	}
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		assert_int_equal(take(kinds[i]), 0);
		assert_int_equal(get(kinds[i], &d), DENY_E_NONE);
		assert_int_equal(take(kinds[i]), DENY_E_NONE);
	}
}

static void a_deadline_is_rounded_up_and_never_wraps(void **state)
{
	struct pk_deny d;

	(void)state;
	put("192.0.2.1", S(10) + 1);
	get("192.0.2.1", &d);
	assert_int_equal(d.deadline_s, 11);
	put("192.0.2.1", UINT64_MAX);
	get("192.0.2.1", &d);
	assert_int_equal(d.deadline_s, UINT32_MAX);
}

static void a_second_put_replaces_the_first(void **state)
{
	struct prefix p = net("2001:db8::/48");
	struct pk_deny d;

	(void)state;
	assert_int_equal(deny_put(deny, &p, S(10), PK_ACT_DROP, PK_SCOPE_HOST, 1), 0);
	assert_int_equal(deny_put(deny, &p, S(20), PK_ACT_SHADOW, PK_SCOPE_PORTS, 2), 0);
	assert_int_equal(deny_get(deny, &p, &d), 0);
	assert_int_equal(d.deadline_s, 20);
	assert_int_equal(d.action, PK_ACT_SHADOW);
	assert_int_equal(d.source, 2);
}

static void a_prefix_is_not_found_by_a_longer_or_shorter_one(void **state)
{
	struct pk_deny d;

	(void)state;
	put("192.0.2.0/24", S(10));
	assert_int_equal(get("192.0.2.0/25", &d), DENY_E_NONE);
	assert_int_equal(get("192.0.2.0/23", &d), DENY_E_NONE);
	assert_int_equal(get("192.0.2.0", &d), DENY_E_NONE);
	assert_int_equal(take("192.0.2.0/25"), DENY_E_NONE);
	assert_int_equal(get("192.0.2.0/24", &d), 0);
}

static void a_full_map_says_so_and_evicts_nothing(void **state)
{
	char who[64];
	struct pk_deny d;

	(void)state;
	for (int i = 0; i < ROOM; i++) {
		snprintf(who, sizeof(who), "10.0.0.%d", i);
		assert_int_equal(put(who, S(10)), 0);
		snprintf(who, sizeof(who), "10.%d.0.0/24", i);
		assert_int_equal(put(who, S(10)), 0);
		snprintf(who, sizeof(who), "2001:db8::%x", i);
		assert_int_equal(put(who, S(10)), 0);
		snprintf(who, sizeof(who), "2001:db8:%x::/48", i);
		assert_int_equal(put(who, S(10)), 0);
	}
	assert_int_equal(put("10.0.0.200", S(10)), DENY_E_FULL);
	assert_int_equal(put("10.200.0.0/24", S(10)), DENY_E_FULL);
	assert_int_equal(put("2001:db8::ff", S(10)), DENY_E_FULL);
	assert_int_equal(put("2001:db8:ff::/48", S(10)), DENY_E_FULL);
	assert_int_equal(get("10.0.0.0", &d), 0);
	assert_int_equal(put("10.0.0.0", S(20)), 0); /* replacing needs no room */
	assert_int_equal(take("10.0.0.5"), 0);
	assert_int_equal(put("10.0.0.200", S(10)), 0);
}

struct seen {
	unsigned count, stop_at;
	unsigned matched;
};

static int see(void *arg, const struct prefix *target, const struct pk_deny *value)
{
	struct seen *s = arg;

	s->count++;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct prefix p = net(kinds[i]);

		s->matched += prefix_equal(&p, target) && value->deadline_s == 100 + i;
	}
	return s->count == s->stop_at ? 42 : 0;
}

static void each_shows_every_entry_once_and_stops_when_told(void **state)
{
	struct seen s = {.stop_at = 0};

	(void)state;
	assert_int_equal(deny_each(deny, see, &s), 0);
	assert_int_equal(s.count, 0);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		put(kinds[i], S(100 + i));
	assert_int_equal(deny_each(deny, see, &s), 0);
	assert_int_equal(s.count, ARRAY_SIZE(kinds));
	assert_int_equal(s.matched, ARRAY_SIZE(kinds));
	s = (struct seen){.stop_at = 2};
	assert_int_equal(deny_each(deny, see, &s), 42);
	assert_int_equal(s.count, 2);
}

static void a_sweep_takes_only_what_has_passed(void **state)
{
	char who[64];
	struct pk_deny d;
	struct seen s = {.stop_at = 0};

	(void)state;
	for (int i = 0; i < ROOM; i++) {
		snprintf(who, sizeof(who), "10.0.0.%d", i);
		put(who, S(100 + i));
		snprintf(who, sizeof(who), "2001:db8:%x::/48", i);
		put(who, S(100 + i));
	}
	assert_int_equal(deny_sweep(deny, S(110)), 2 * 11);
	assert_int_equal(get("10.0.0.10", &d), DENY_E_NONE);
	assert_int_equal(get("10.0.0.11", &d), 0);
	assert_int_equal(get("2001:db8:a::/48", &d), DENY_E_NONE);
	assert_int_equal(get("2001:db8:b::/48", &d), 0);
	assert_int_equal(deny_sweep(deny, S(1000)), 2 * (ROOM - 11));
	deny_each(deny, see, &s);
	assert_int_equal(s.count, 0);
}

static void removing_an_entry_removes_its_hits(void **state)
{
	struct prefix p = net("192.0.2.0/24");
	struct pk_hit_key key = {.family = 4, .bits = 24, .addr = {192, 0, 2}};
	struct pk_hit hit = {.packets = 7, .bytes = 700}, got;

	(void)state;
	put("192.0.2.0/24", S(10));
	assert_int_equal(deny_hits(deny, &p, &got), DENY_E_NONE);
	assert_int_equal(bpf_map_update_elem(kernel_map_fd(kernel, "pk_hits"), &key, &hit, BPF_ANY), 0);
	assert_int_equal(deny_hits(deny, &p, &got), 0);
	assert_int_equal(got.packets, 7);
	take("192.0.2.0/24");
	assert_int_equal(deny_hits(deny, &p, &got), DENY_E_NONE);
}

static void hits_come_in_pages_each_once_and_start_over(void **state)
{
	struct pk_hit_key key = {.family = 4, .bits = 32, .addr = {203, 0, 113}}, cursor = {0};
	struct deny_hit page[4];
	unsigned seen[10] = {0};
	int n;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		struct pk_hit hit = {.packets = i + 1};
		key.addr[3] = (__u8)i;
		assert_int_equal(bpf_map_update_elem(kernel_map_fd(kernel, "pk_hits"), &key, &hit, BPF_ANY),
				 0);
	}
	for (unsigned rounds = 1; rounds <= 2; rounds++) {
		do {
			n = deny_hits_page(deny, &cursor, page, 4);
			assert_in_range(n, 0, 4);
			for (int i = 0; i < n; i++) {
				unsigned last = page[i].target.addr.bytes[3];
				assert_int_equal(page[i].target.bits, 32);
				assert_int_equal(page[i].hit.packets, last + 1);
				seen[last]++;
			}
		} while (cursor.family);
		for (unsigned i = 0; i < 10; i++)
			assert_int_equal(seen[i], rounds);
	}
	for (unsigned i = 0; i < 10; i++) {
		key.addr[3] = (__u8)i;
		assert_int_equal(bpf_map_delete_elem(kernel_map_fd(kernel, "pk_hits"), &key), 0);
	}
}

static void what_is_no_address_is_refused(void **state)
{
	struct prefix none = {.bits = 0}, too_long = {.addr.family = ADDR_IPV4, .bits = 33};
	struct pk_deny d;

	(void)state;
	assert_int_equal(deny_put(deny, &none, S(1), PK_ACT_DROP, PK_SCOPE_HOST, 1), -EINVAL);
	assert_int_equal(deny_put(deny, &too_long, S(1), PK_ACT_DROP, PK_SCOPE_HOST, 1), -EINVAL);
	assert_int_equal(deny_get(deny, &none, &d), -EINVAL);
	assert_int_equal(deny_remove(deny, &too_long), -EINVAL);
	assert_int_equal(allow_put(deny, &none), -EINVAL);
	assert_int_equal(allow_put(deny, &too_long), -EINVAL);
}

static void allowed_networks_come_and_go(void **state)
{
	struct prefix p = net("10.0.0.0/8"), one = net("2001:db8::1");

	(void)state;
	assert_int_equal(allow_put(deny, &p), 0);
	assert_int_equal(allow_put(deny, &p), 0);
	assert_int_equal(allow_put(deny, &one), 0);
	assert_int_equal(allow_remove(deny, &p), 0);
	assert_int_equal(allow_remove(deny, &p), DENY_E_NONE);
	assert_int_equal(allow_remove(deny, &one), 0);
}

#define CASE(NAME) cmocka_unit_test_setup_teardown(NAME, open_all, close_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_put_is_found_until_it_is_removed),
		CASE(a_deadline_is_rounded_up_and_never_wraps),
		CASE(a_second_put_replaces_the_first),
		CASE(a_prefix_is_not_found_by_a_longer_or_shorter_one),
		CASE(a_full_map_says_so_and_evicts_nothing),
		CASE(each_shows_every_entry_once_and_stops_when_told),
		CASE(a_sweep_takes_only_what_has_passed),
		CASE(removing_an_entry_removes_its_hits),
		CASE(hits_come_in_pages_each_once_and_start_over),
		CASE(what_is_no_address_is_refused),
		CASE(allowed_networks_come_and_go),
	};

	if (geteuid()) {
		fprintf(stderr, "skipped: needs root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
