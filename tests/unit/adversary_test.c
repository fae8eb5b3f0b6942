// SPDX-License-Identifier: Apache-2.0
/*
 * A hostile gateway: answers full of protected addresses in every disguise, through the parser, the guard and
 * the warden's own limits. Nothing that is blocked may overlap a protected network, as a comparison of bits
 * that knows nothing of lib/addr.h sees it.
 *
 *     adversary_test [VERDICTS [SEED]]      (default 30000 1; long: scripts/long-proofs.sh)
 */
#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include "forwarder/verdict_parse.h"
#include "policies/guard.h"
#include "tests/unit/policies_config.h"

static unsigned long wanted = 30000;
static unsigned seed = 1;

static const char *const protected_nets[] = {
	"127.0.0.0/8", "::1",
	"192.0.2.10",  "2001:db8::10",
	"10.0.0.1",    "203.0.113.0/24",
	"fe80::/10",   "169.254.0.0/16",
	"fd00::53",    "0.0.0.0/8",
	"198.18.0.77", "2001:db8:5::/64",
};

static struct {
	struct config config;
	struct protected_set protect;
	struct proxies *proxies;
	struct guard *guard;
	uint64_t now_ns;
	unsigned long parsed, blocked;
} world;

static unsigned below(unsigned n)
{
	return (unsigned)rand_r(&seed) % n;
}

/* --- addresses as text, well and badly --- */

static struct in6_addr bits_of(const char *net, unsigned *ret_bits)
{
	char text[64];
	struct in6_addr a = {0};
	struct in_addr v4;

	snprintf(text, sizeof text, "%s", net);
	char *slash = strchr(text, '/');
	if (slash)
		*slash = 0;
	if (inet_pton(AF_INET, text, &v4) == 1) {
		a.s6_addr[10] = a.s6_addr[11] = 0xff;
		memcpy(a.s6_addr + 12, &v4, 4);
		*ret_bits = 96 + (slash ? (unsigned)atoi(slash + 1) : 32);
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &a), 1);
		*ret_bits = slash ? (unsigned)atoi(slash + 1) : 128;
	}
	return a;
}

static bool is_v4(const struct in6_addr *a)
{
	return IN6_IS_ADDR_V4MAPPED(a);
}

/* In the net, beside it, or anywhere. */
static struct in6_addr pick(void)
{
	unsigned bits, how = below(10);
	struct in6_addr a = bits_of(protected_nets[below(ARRAY_SIZE(protected_nets))], &bits);

	if (how < 6) {
		for (unsigned i = bits; i < 128; i++)
			if (below(2))
				a.s6_addr[i / 8] ^= (uint8_t)(0x80 >> i % 8);
	} else if (how < 8) {
		unsigned i = is_v4(&a) ? 96 + below(bits - 96) : below(bits);
		a.s6_addr[i / 8] ^= (uint8_t)(0x80 >> i % 8);
	} else {
		for (unsigned i = is_v4(&a) ? 12 : 0; i < 16; i++)
			a.s6_addr[i] = (uint8_t)below(256);
	}
	return a;
}

static void plain(const struct in6_addr *a, char *ret, size_t size)
{
	if (is_v4(a))
		inet_ntop(AF_INET, a->s6_addr + 12, ret, (socklen_t)size);
	else
		inet_ntop(AF_INET6, a, ret, (socklen_t)size);
}

static void disguise(const struct in6_addr *a, char *ret, size_t size)
{
	const uint8_t *b = a->s6_addr + 12;
	char text[64];

	plain(a, text, sizeof text);
	switch (below(24)) {
	case 0:
		snprintf(ret, size, "::ffff:%s", text);
		return;
	case 1:
		snprintf(ret, size, "::ffff:%02x%02x:%02x%02x", b[0], b[1], b[2], b[3]);
		return;
	case 2:
		snprintf(ret, size, "::%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
		return;
	case 3:
		snprintf(ret, size, "%u", (unsigned)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3]);
		return;
	case 4:
		snprintf(ret, size, "0x%02x.0x%02x.0x%02x.0x%02x", b[0], b[1], b[2], b[3]);
		return;
	case 5:
		snprintf(ret, size, "0%o.0%o.0%o.0%o", b[0], b[1], b[2], b[3]);
		return;
	case 6:
		snprintf(ret, size, "%u.%u", b[0], (unsigned)b[1] << 16 | b[2] << 8 | b[3]);
		return;
	case 7:
		snprintf(ret, size, " %s", text);
		return;
	case 8:
		snprintf(ret, size, "%s\\u0000", text);
		return;
	case 9:
		snprintf(ret, size, "%s%%eth0", text);
		return;
	case 10:
		snprintf(ret, size, "[%s]", text);
		return;
	case 11:
		snprintf(ret, size, "%s:80", text);
		return;
	case 12:
		snprintf(ret, size, "0:0:0:0:0:FFFF:%s", text);
		return;
	case 13:
		snprintf(ret, size, "%s.", text);
		return;
	case 14:
		snprintf(ret, size, "::ffff:0:%s", text);
		return;
	default:
		snprintf(ret, size, "%s", text);
	}
}

/* --- verdicts as text --- */

/* Mostly the first, which is right, so that enough pass the parser. */
static const char *one_of(const char *const *texts, size_t count)
{
	return texts[below(4) ? 0 : below((unsigned)count)];
}

static void verdict_write(char *ret, size_t size)
{
	static const char *const actions[] = {"block",  "block", "block", "rate_limit",
					      "shadow", "BLOCK", "allow"};
	static const char *const confidences[] = {"1",  "1",     "1",     "0.97",   "0.9", "0.1",
						  "-1", "1e999", "\"1\"", "1.0001", "NaN", "null"};
	static const char *const ttls[] = {"900",
					   "900",
					   "60",
					   "86400",
					   "86401",
					   "0",
					   "-1",
					   "1.5",
					   "1e3",
					   "\"900\"",
					   "18446744073709551617"};
	static const char *const extras[] = {"", "", "", ",\"ports\":[22]", ",\"value\":\"192.0.2.99\""};
	struct in6_addr a = pick();
	char value[128];

	disguise(&a, value, sizeof value);
	bool prefix = below(3) == 0;
	if (prefix)
		snprintf(value + strlen(value), sizeof value - strlen(value), "/%u",
			 below(4) ? (is_v4(&a) ? 24 + below(10) : 48 + below(82)) : below(140));
	snprintf(ret, size,
		 "{\"verdicts\":[{\"id\":\"v\",\"action\":\"%s\",\"target\":{\"scope\":\"%s\",\"value\":\"%"
		 "s\"%s},"
		 "\"ttl_s\":%s,\"confidence\":%s,\"reason\":\"r\"}]}",
		 one_of(actions, ARRAY_SIZE(actions)),
		 below(20) ? (prefix ? "prefix" : "ip") : (prefix ? "ip" : "prefix"), value,
		 one_of(extras, ARRAY_SIZE(extras)), one_of(ttls, ARRAY_SIZE(ttls)),
		 one_of(confidences, ARRAY_SIZE(confidences)));
}

/* --- the other view --- */

static bool same_bits(const struct in6_addr *a, const struct in6_addr *b, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if ((a->s6_addr[i / 8] ^ b->s6_addr[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

static void on_verdict(void *arg, const struct verdict *v)
{
	const char *text = arg;
	struct guard_answer answer;
	const struct protected_net *which = NULL;

	world.parsed++;
	guard_decide(world.guard, v, &world.protect, below(2), world.now_ns, &answer);
	bool warden = limits_check_target(&world.config, &world.protect, &v->target, v->ttl_ms, &which) ==
		      LIMITS_OK;
	if (answer.outcome != DECISION_BLOCKED && !warden)
		return;
	world.blocked += answer.outcome == DECISION_BLOCKED;
	struct in6_addr target = {0};
	unsigned bits = v->target.bits, family = v->target.addr.family;
	if (family == ADDR_IPV4) {
		target.s6_addr[10] = target.s6_addr[11] = 0xff;
		memcpy(target.s6_addr + 12, v->target.addr.bytes, 4);
		bits += 96;
	} else {
		memcpy(target.s6_addr, v->target.addr.bytes, 16);
	}
	if (bits > 128 || bits < (family == ADDR_IPV4 ? 96 + 24 : 48))
		fail_msg("a target of %u bits is blocked: %s", bits, text);
	for (size_t i = 0; i < ARRAY_SIZE(protected_nets); i++) {
		unsigned net_bits;
		struct in6_addr net = bits_of(protected_nets[i], &net_bits);
		if (same_bits(&target, &net, bits < net_bits ? bits : net_bits))
			fail_msg("%s is protected, and blocked by the %s: %s", protected_nets[i],
				 warden ? "warden" : "guard", text);
	}
	if (v->ttl_ms == 0 || v->ttl_ms > world.config.limits.ttl_max_ms)
		fail_msg("a block of %llu ms: %s", (unsigned long long)v->ttl_ms, text);
	if (answer.outcome == DECISION_BLOCKED && !(v->confidence >= 0.8 && v->confidence <= 1))
		fail_msg("confidence %f: %s", v->confidence, text);
}

static bool anybody(void *arg, const struct prefix *target)
{
	(void)arg;
	(void)target;
	return true;
}

/* Whatever it cites. */
static bool fired(void *arg, const struct verdict *v, bool *ret_framed)
{
	(void)arg;
	(void)v;
	*ret_framed = false;
	return true;
}

static void nothing_protected_is_ever_blocked(void **state)
{
	static const struct guard_facts facts = {.handshake = anybody, .fired = fired};
	uint64_t refused[VERDICT_E_MAX] = {0};
	char text[1024];

	(void)state;
	world.config = test_config();
	world.config.guard.per_minute = world.config.guard.per_hour = 100000;
	world.config.guard.total = 100000;
	for (size_t i = 0; i < ARRAY_SIZE(protected_nets); i++) {
		struct prefix p = test_prefix(protected_nets[i]);
		assert_int_equal(protected_set_add(&world.protect, &p, "test"), 0);
	}
	assert_int_equal(proxies_new(&world.config, &world.proxies), 0);
	assert_int_equal(guard_new(&world.config, world.proxies, &facts, &world.guard), 0);
	world.now_ns = SECONDS(1000);
	for (unsigned long i = 0; i < wanted; i++) {
		verdict_write(text, sizeof text);
		world.now_ns += SECONDS(1);
		verdict_parse(span_from(text), "hostile", world.now_ns, on_verdict, text, refused);
	}
	printf("%lu answers, %lu verdicts read, %lu blocked, none of them protected\n", wanted, world.parsed,
	       world.blocked);
	/* Else it proved nothing. */
	assert_true(world.parsed > wanted / 20);
	assert_true(world.blocked > wanted / 200);
	guard_free(world.guard);
	proxies_free(world.proxies);
	protected_set_free(&world.protect);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_protected_is_ever_blocked)};

	if (argc > 1)
		wanted = strtoul(argv[1], NULL, 10);
	if (argc > 2)
		seed = (unsigned)strtoul(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
