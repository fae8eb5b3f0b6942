// SPDX-License-Identifier: Apache-2.0
/* half.c: see half.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "half.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/util.h"

void half_open(struct half *h, const struct world *w, enum config_capture_source source, uint64_t ring_bytes)
{
	struct kernel_options options = {.netns = world_netns(w->server_ns), .verbose = getenv("V") != NULL};
	struct pk_ports ports = {.watched[HALF_PORT / 64] = 1ull << (HALF_PORT % 64)};
	struct buffer errors = BUFFER_INIT(4096);

	memset(h, 0, sizeof(*h));
	h->config.capture.source = source;
	h->config.capture.ring_bytes = ring_bytes;
	h->config.capture.header_ring_bytes = 1 << 18;
	h->config.limits.blocks_max = 1024;
	h->pk = (struct pk_config){
		.netns = options.netns,
		.follow_listen = 1,
		.header_rate = 100000,
		.header_burst = 100000,
		.read_max = PK_READ_MAX,
		.share_divisor = 8,
		.boot_ahead_ns = clock_boot_ahead_ns(),
	};
	int r = kernel_load(&h->config, &options, &h->kernel, &errors);
	if (!r)
		r = reader_new(h->kernel, collect_record, &h->got, &h->reader);
	if (!r)
		r = kernel_attach_tcp(h->kernel, &errors);
	if (r)
		fail_msg("kernel half: %d\n%.*s", r, (int)errors.len, errors.data);
	assert_true(source == CAPTURE_AUTO || kernel_uses_perf(h->kernel) == (source == CAPTURE_PERF));
	assert_int_equal(kernel_config_set(h->kernel, &h->pk), 0);
	assert_int_equal(ports_write(kernel_ports_fd(h->kernel), &ports), 0);
	buffer_free(&errors);
}

void half_close(struct half *h)
{
	reader_free(h->reader);
	kernel_free(h->kernel);
	collect_clear(&h->got);
}

uint64_t half_stat(struct half *h, enum pk_counter which)
{
	uint64_t all[PK_C_MAX];

	assert_int_equal(kernel_stats(h->kernel, all), 0);
	return all[which];
}

void half_assert_balance(struct half *h)
{
	assert_true(reader_drain(h->reader) >= 0);
	struct reader_counts c = reader_counts(h->reader);
	assert_int_equal(half_stat(h, PK_C_REQ_PRODUCED),
			 c.requests + half_stat(h, PK_C_REQ_LOST) + half_stat(h, PK_C_REQ_SHARE));
	assert_int_equal(half_stat(h, PK_C_HDR_PRODUCED),
			 c.headers + half_stat(h, PK_C_HDR_LOST) + half_stat(h, PK_C_HDR_SHARE));
	assert_int_equal(c.malformed, 0);
}

static struct prefix net(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(span_from(text), &p), 0);
	return p;
}

void half_deny(struct half *h, const char *who, enum pk_scope scope)
{
	struct prefix p = net(who);
	uint64_t deadline = clock_boot_ns(&clock_system) + 60 * NS_PER_S;

	assert_int_equal(deny_put(kernel_deny(h->kernel), &p, deadline, PK_ACT_DROP, scope, 1), 0);
}

void half_undeny(struct half *h, const char *who)
{
	struct prefix p = net(who);

	assert_int_equal(deny_remove(kernel_deny(h->kernel), &p), 0);
}

bool half_ring_expected(void)
{
	struct utsname kernel;
	unsigned major, minor;

	if (uname(&kernel) || sscanf(kernel.release, "%u.%u", &major, &minor) != 2)
		return false;
	return major > 6 || (major == 6 && minor >= 12);
}
