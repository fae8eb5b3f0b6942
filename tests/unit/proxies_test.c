// SPDX-License-Identifier: Apache-2.0
#include "policies/proxies.h"
#include <errno.h>
#include <pthread.h>
#include "tests/unit/policies_config.h"

#define NOW SECONDS(1000)

static struct prefix trusted[] = {
	{.addr = {.family = ADDR_IPV4, .bytes = {10, 0, 0, 0}}, .bits = 8},
	{.addr = {.family = ADDR_IPV6, .bytes = {0xfd}}, .bits = 8},
};
static struct prefix direct[] = {{.addr = {.family = ADDR_IPV4, .bytes = {10, 9, 0, 0}}, .bits = 16}};

static struct proxies *fresh(enum config_proxy_default fallback)
{
	struct config c = test_config();
	struct proxies *p = NULL;

	c.proxies.peers = fallback;
	c.proxies.trusted = (struct config_prefixes){trusted, ARRAY_SIZE(trusted)};
	c.proxies.direct = (struct config_prefixes){direct, ARRAY_SIZE(direct)};
	assert_int_equal(proxies_new(&c, &p), 0);
	return p;
}

static void note(struct proxies *p, const char *peer, bool forwarded, uint64_t now_ns)
{
	struct addr a = test_addr(peer);

	proxies_note(p, &a, forwarded, now_ns);
}

static enum proxy_class class_of(struct proxies *p, const char *peer)
{
	struct addr a = test_addr(peer);

	return proxies_class(p, &a);
}

static enum proxy_class class_of_net(struct proxies *p, const char *net)
{
	struct prefix n = test_prefix(net);

	return proxies_class_prefix(p, &n);
}

static int say(struct proxies *p, const char *who, enum proxy_class class)
{
	struct prefix n = test_prefix(who);

	return proxies_set(p, &n, class);
}

static void a_plain_client_is_a_client(void **state)
{
	struct proxies *p = fresh(PROXY_UNCLASSIFIED);

	(void)state;
	assert_int_equal(class_of(p, "198.51.100.7"), PROXY_CLASS_CLIENT); /* never seen */
	note(p, "198.51.100.7", false, NOW);
	assert_int_equal(class_of(p, "198.51.100.7"), PROXY_CLASS_CLIENT);
	proxies_free(p);
}

static void one_forwarding_header_makes_an_unclassified_proxy(void **state)
{
	struct proxies *p = fresh(PROXY_UNCLASSIFIED);

	(void)state;
	note(p, "198.51.100.7", false, NOW);
	note(p, "198.51.100.7", true, NOW);
	note(p, "198.51.100.7", false, NOW);
	assert_int_equal(class_of(p, "198.51.100.7"), PROXY_CLASS_UNCLASSIFIED);
	assert_int_equal(class_of(p, "::ffff:198.51.100.7"), PROXY_CLASS_UNCLASSIFIED);
	assert_int_equal(class_of(p, "198.51.100.8"), PROXY_CLASS_CLIENT);
	/* What a person says settles it, both ways, and can be taken back. */
	assert_int_equal(say(p, "198.51.100.7", PROXY_CLASS_DIRECT), 0);
	assert_int_equal(class_of(p, "198.51.100.7"), PROXY_CLASS_DIRECT);
	assert_int_equal(say(p, "198.51.100.7", PROXY_CLASS_TRUSTED), 0);
	assert_int_equal(class_of(p, "198.51.100.7"), PROXY_CLASS_TRUSTED);
	assert_int_equal(say(p, "198.51.100.7", PROXY_CLASS_CLIENT), 0);
	assert_int_equal(class_of(p, "198.51.100.7"), PROXY_CLASS_UNCLASSIFIED);
	proxies_free(p);
}

static void a_server_that_faces_clients_directly_is_not_fooled_by_a_forged_header(void **state)
{
	struct proxies *p = fresh(PROXY_DIRECT);

	(void)state;
	note(p, "198.51.100.7", true, NOW);
	assert_int_equal(class_of(p, "198.51.100.7"), PROXY_CLASS_DIRECT);
	assert_int_equal(class_of(p, "10.1.1.1"), PROXY_CLASS_TRUSTED);
	proxies_free(p);
}

static void the_most_specific_rule_decides(void **state)
{
	struct proxies *p = fresh(PROXY_UNCLASSIFIED);

	(void)state;
	assert_int_equal(class_of(p, "10.1.1.1"), PROXY_CLASS_TRUSTED);
	assert_int_equal(class_of(p, "10.9.1.1"), PROXY_CLASS_DIRECT);
	assert_int_equal(class_of(p, "fd00::1"), PROXY_CLASS_TRUSTED);
	assert_int_equal(say(p, "10.9.1.1", PROXY_CLASS_TRUSTED), 0);
	assert_int_equal(class_of(p, "10.9.1.1"), PROXY_CLASS_TRUSTED);
	assert_int_equal(class_of(p, "10.9.1.2"), PROXY_CLASS_DIRECT);
	proxies_free(p);
}

static void a_range_is_as_bad_as_the_worst_in_it(void **state)
{
	struct proxies *p = fresh(PROXY_UNCLASSIFIED);
	struct prefix net = test_prefix("198.51.100.0/24"), who;

	(void)state;
	assert_int_equal(class_of_net(p, "198.51.100.0/24"), PROXY_CLASS_CLIENT);
	note(p, "198.51.100.7", true, NOW);
	assert_int_equal(proxies_worst(p, &net, &who), PROXY_CLASS_UNCLASSIFIED);
	assert_int_equal(who.addr.bytes[3], 7); /* named, so that a person knows whom to ask about */
	assert_int_equal(who.bits, 32);
	assert_int_equal(class_of_net(p, "198.51.101.0/24"), PROXY_CLASS_CLIENT);
	assert_int_equal(say(p, "198.51.100.7", PROXY_CLASS_DIRECT), 0);
	assert_int_equal(class_of_net(p, "198.51.100.0/24"), PROXY_CLASS_DIRECT);
	assert_int_equal(say(p, "198.51.100.200", PROXY_CLASS_TRUSTED), 0); /* never seen, still inside */
	assert_int_equal(proxies_worst(p, &net, &who), PROXY_CLASS_TRUSTED);
	assert_int_equal(who.addr.bytes[3], 200);
	assert_int_equal(class_of_net(p, "10.9.0.0/24"), PROXY_CLASS_DIRECT);
	assert_int_equal(class_of_net(p, "10.0.0.0/8"), PROXY_CLASS_TRUSTED);
	assert_int_equal(class_of_net(p, "0.0.0.0/0"), PROXY_CLASS_TRUSTED);
	assert_int_equal(class_of_net(p, "::/0"), PROXY_CLASS_TRUSTED);
	proxies_free(p);
}

static void a_person_may_not_say_it_of_half_the_world(void **state)
{
	struct proxies *p = fresh(PROXY_UNCLASSIFIED);
	struct prefix nothing = {0};

	(void)state;
	note(p, "198.51.100.7", true, NOW);
	assert_int_equal(say(p, "0.0.0.0/0", PROXY_CLASS_DIRECT), PROXIES_E_TOO_WIDE);
	assert_int_equal(say(p, "128.0.0.0/1", PROXY_CLASS_DIRECT), PROXIES_E_TOO_WIDE);
	assert_int_equal(say(p, "::/0", PROXY_CLASS_TRUSTED), PROXIES_E_TOO_WIDE);
	assert_int_equal(class_of(p, "198.51.100.7"), PROXY_CLASS_UNCLASSIFIED);
	assert_int_equal(say(p, "198.51.100.0/24", PROXY_CLASS_DIRECT), 0);
	assert_int_equal(class_of(p, "198.51.100.7"), PROXY_CLASS_DIRECT);
	assert_int_equal(say(p, "198.51.100.7", PROXY_CLASS_UNCLASSIFIED), -EINVAL);
	assert_int_equal(proxies_set(p, &nothing, PROXY_CLASS_DIRECT), -EINVAL);
	proxies_free(p);
}

static void rules_said_at_run_time_are_bounded(void **state)
{
	struct proxies *p = fresh(PROXY_UNCLASSIFIED);
	struct prefix one = test_prefix("198.51.100.1");

	(void)state;
	for (unsigned i = 0; i < PROXIES_RULES_MAX; i++) {
		one.addr.bytes[2] = (uint8_t)(i >> 8);
		one.addr.bytes[3] = (uint8_t)i;
		assert_int_equal(proxies_set(p, &one, PROXY_CLASS_DIRECT), 0);
	}
	assert_int_equal(say(p, "203.0.113.1", PROXY_CLASS_DIRECT), PROXIES_E_FULL);
	assert_int_equal(proxies_set(p, &one, PROXY_CLASS_TRUSTED), 0); /* a change needs no room */
	assert_int_equal(proxies_set(p, &one, PROXY_CLASS_CLIENT), 0);
	assert_int_equal(say(p, "203.0.113.1", PROXY_CLASS_DIRECT), 0);
	proxies_free(p);
}

static void the_list_names_proxies_with_their_share(void **state)
{
	struct proxies *p = fresh(PROXY_UNCLASSIFIED);
	struct proxy_peer *list = NULL;
	size_t count = 0;
	uint64_t total = 0;

	(void)state;
	for (int i = 0; i < 30; i++)
		note(p, "198.51.100.7", i % 2, NOW + (uint64_t)i);
	for (int i = 0; i < 50; i++)
		note(p, "10.0.0.1", false, NOW);
	for (int i = 0; i < 20; i++)
		note(p, "203.0.113.9", false, NOW);
	assert_int_equal(proxies_list(p, &list, &count, &total), 0);
	assert_int_equal(total, 100);
	assert_int_equal(count, 2); /* the ordinary client is none of their business */
	assert_int_equal(list[0].addr.bytes[0], 10);
	assert_int_equal(list[0].class, PROXY_CLASS_TRUSTED);
	assert_int_equal(list[0].requests, 50);
	assert_int_equal(list[1].class, PROXY_CLASS_UNCLASSIFIED);
	assert_int_equal(list[1].requests, 30);
	assert_int_equal(list[1].forwarded, 15);
	assert_int_equal(list[1].last_ns, NOW + 29);
	free(list);
	proxies_free(p);
}

static void note_many(struct proxies *p, uint8_t net, unsigned count, bool forwarded)
{
	struct addr a = {.family = ADDR_IPV6, .bytes = {0x20, 1, net}};

	for (unsigned i = 0; i < count; i++) {
		memcpy(&a.bytes[12], &i, sizeof i);
		proxies_note(p, &a, forwarded, NOW);
	}
}

/* A botnet of plain clients must not make picket forget that the balancer is one. */
static void a_flood_of_clients_does_not_push_out_a_proxy(void **state)
{
	struct proxies *p = fresh(PROXY_UNCLASSIFIED);

	(void)state;
	note(p, "198.51.100.7", true, NOW);
	note(p, "198.51.100.8", false, NOW);
	note_many(p, 1, PROXIES_PEERS_MAX + 1000, false);
	assert_int_equal(class_of(p, "198.51.100.7"), PROXY_CLASS_UNCLASSIFIED);
	assert_int_equal(proxies_forgotten(p), 1002);
	/* Only others that forward push it out, and only while it is idle. */
	for (unsigned i = 0; i < 3; i++) {
		note(p, "198.51.100.7", true, NOW);
		note_many(p, (uint8_t)(2 + i), PROXIES_PEERS_MAX / 2, true);
	}
	assert_int_equal(class_of(p, "198.51.100.7"), PROXY_CLASS_UNCLASSIFIED);
	/* Now all that are held forward: a plain newcomer finds no room, and is a client all the same. */
	uint64_t before = proxies_forgotten(p);
	note(p, "203.0.113.1", false, NOW);
	assert_int_equal(proxies_forgotten(p), before + 1);
	assert_int_equal(class_of(p, "203.0.113.1"), PROXY_CLASS_CLIENT);
	struct proxy_peer *list = NULL;
	size_t count = 0;
	uint64_t total = 0;
	assert_int_equal(proxies_list(p, &list, &count, &total), 0);
	assert_int_equal(count, PROXIES_PEERS_MAX); /* none of them made room for it */
	free(list);
	note_many(p, 9, PROXIES_PEERS_MAX, true);
	assert_int_equal(class_of(p, "198.51.100.7"), PROXY_CLASS_CLIENT);
	proxies_free(p);
}

static void *note_in_a_thread(void *arg)
{
	note_many(arg, 1, 20000, true);
	return NULL;
}

static void capture_notes_while_control_asks(void **state)
{
	struct proxies *p = fresh(PROXY_UNCLASSIFIED);
	pthread_t thread;
	uint64_t total = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, note_in_a_thread, p), 0);
	for (int i = 0; i < 20; i++) {
		struct proxy_peer *list = NULL;
		size_t count = 0;
		assert_int_equal(proxies_list(p, &list, &count, &total), 0);
		/* Each note was a new peer that forwards; behind them what was said just before. */
		assert_int_equal(count, total + (i > 0 && !(i % 2)));
		free(list);
		say(p, "198.51.100.7", i % 2 ? PROXY_CLASS_DIRECT : PROXY_CLASS_CLIENT);
	}
	pthread_join(thread, NULL);
	assert_int_equal(class_of(p, "2001:100::"), PROXY_CLASS_UNCLASSIFIED);
	proxies_free(p);
}

static void classes_have_names(void **state)
{
	(void)state;
	assert_string_equal(proxy_class_name(PROXY_CLASS_CLIENT), "client");
	assert_string_equal(proxy_class_name(PROXY_CLASS_TRUSTED), "trusted");
	assert_string_equal(proxy_class_name(PROXY_CLASS_DIRECT), "direct");
	assert_string_equal(proxy_class_name(PROXY_CLASS_UNCLASSIFIED), "unclassified");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_client_is_a_client),
		cmocka_unit_test(one_forwarding_header_makes_an_unclassified_proxy),
		cmocka_unit_test(a_server_that_faces_clients_directly_is_not_fooled_by_a_forged_header),
		cmocka_unit_test(the_most_specific_rule_decides),
		cmocka_unit_test(a_range_is_as_bad_as_the_worst_in_it),
		cmocka_unit_test(a_person_may_not_say_it_of_half_the_world),
		cmocka_unit_test(rules_said_at_run_time_are_bounded),
		cmocka_unit_test(the_list_names_proxies_with_their_share),
		cmocka_unit_test(a_flood_of_clients_does_not_push_out_a_proxy),
		cmocka_unit_test(capture_notes_while_control_asks),
		cmocka_unit_test(classes_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
