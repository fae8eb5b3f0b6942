// SPDX-License-Identifier: Apache-2.0
/* The map of an HAProxy as it is kept: a real socket; HAProxy is played, as 2.6 was seen to answer. */
#include "sensor/haproxy_point.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "tests/unit/policies_config.h"

#define WALL SECONDS(1800000000)

static atomic_uint_fast64_t now = SECONDS(1000), jump;

static uint64_t fake_boot(void *arg)
{
	(void)arg;
	return atomic_load(&now);
}

static uint64_t fake_wall(void *arg)
{
	(void)arg;
	return WALL + atomic_load(&now) + atomic_load(&jump);
}

static const struct clock clock_fake = {fake_boot, fake_wall, NULL};

/* --- the played HAProxy --- */

#define ENTRIES_MAX 4096

static struct {
	pthread_mutex_t lock;
	pthread_t thread;
	int fd;
	atomic_bool end, hang, hang_up; /* hang_up: on the next who calls */
	char keys[ENTRIES_MAX][64], values[ENTRIES_MAX][32];
	unsigned count;
	const char *refuse; /* the answer to every command */
	unsigned lines, commands;
	unsigned longest; /* line of commands, bytes */
} ha = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void ha_put(const char *key, const char *value)
{
	assert_true(ha.count < ENTRIES_MAX);
	snprintf(ha.keys[ha.count], sizeof ha.keys[0], "%s", key);
	snprintf(ha.values[ha.count++], sizeof ha.values[0], "%s", value);
}

static unsigned ha_each(const char *key, const char *value, bool take_out)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ha.count; i++) {
		if (strcmp(ha.keys[i], key) != 0)
			continue;
		n++;
		if (!take_out) {
			snprintf(ha.values[i], sizeof ha.values[0], "%s", value);
			continue;
		}
		ha.count--;
		memcpy(ha.keys[i], ha.keys[ha.count], sizeof ha.keys[0]);
		memcpy(ha.values[i], ha.values[ha.count], sizeof ha.values[0]);
		i--;
	}
	return n;
}

static void ha_do(char *command, FILE *out)
{
	char verb[8] = "", map[32] = "", key[64] = "", value[32] = "";
	int words = sscanf(command, "%7s map %31s %63s %31s", verb, map, key, value);

	ha.commands++;
	if (ha.refuse)
		fprintf(out, "%s\n", ha.refuse);
	else if (words < 2 || strcmp(map, "/map") != 0)
		fputs("Unknown map identifier. Please use #<id> or <file>.\n", out);
	else if (!strcmp(verb, "show"))
		for (unsigned i = 0; i < ha.count; i++)
			fprintf(out, "0x560e5e21%04x %s %s\n", i, ha.keys[i], ha.values[i]);
	else if (!strcmp(verb, "add"))
		ha_put(key, value);
	else if (!strcmp(verb, "set") && !ha_each(key, value, false))
		fputs("entry not found.\n", out);
	else if (!strcmp(verb, "del") && !ha_each(key, value, true))
		fputs("Key not found.\n", out);
	fputc('\n', out);
}

static void ha_serve(int fd)
{
	char line[8192];
	size_t len = 0;

	while (len < sizeof line - 1 && !(len && line[len - 1] == '\n')) {
		ssize_t n = recv(fd, line + len, sizeof line - 1 - len, 0);
		if (n <= 0)
			return;
		len += (size_t)n;
	}
	line[len - 1] = 0;
	char *answer = NULL, *rest = line;
	size_t size = 0;
	FILE *out = open_memstream(&answer, &size);
	pthread_mutex_lock(&ha.lock);
	ha.lines++;
	ha.longest = MAX(ha.longest, (unsigned)len);
	for (char *c; (c = strsep(&rest, ";"));)
		ha_do(c, out);
	pthread_mutex_unlock(&ha.lock);
	fclose(out);
	for (size_t at = 0; at < size;) {
		ssize_t n = send(fd, answer + at, size - at, MSG_NOSIGNAL);
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	free(answer);
}

static void *ha_main(void *arg)
{
	(void)arg;
	while (!atomic_load(&ha.end)) {
		struct pollfd p = {.fd = ha.fd, .events = POLLIN};
		if (poll(&p, 1, 20) <= 0 || atomic_load(&ha.hang))
			continue;
		int fd = accept(ha.fd, NULL, NULL);
		if (!atomic_exchange(&ha.hang_up, false))
			ha_serve(fd);
		close(fd);
	}
	return NULL;
}

static void ha_start(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	unlink(path);
	ha.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(ha.fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(ha.fd, 8), 0);
	atomic_store(&ha.end, false);
	atomic_store(&ha.hang, false);
	assert_int_equal(pthread_create(&ha.thread, NULL, ha_main, NULL), 0);
}

static void ha_stop(void)
{
	atomic_store(&ha.end, true);
	pthread_join(ha.thread, NULL);
	close(ha.fd);
}

/* What the map holds, in the order of keys: "KEY=SECONDS ", the seconds from now on. */
static const char *ha_map(void)
{
	static char text[8192];
	unsigned order[ENTRIES_MAX];

	pthread_mutex_lock(&ha.lock);
	for (unsigned i = 0; i < ha.count; i++) {
		unsigned k = i;
		for (; k && strcmp(ha.keys[order[k - 1]], ha.keys[i]) > 0; k--)
			order[k] = order[k - 1];
		order[k] = i;
	}
	text[0] = 0;
	for (unsigned i = 0; i < ha.count; i++) {
		size_t n = strlen(text);
		long long s = atoll(ha.values[order[i]]) - (long long)(fake_wall(NULL) / NS_PER_S);
		snprintf(text + n, sizeof text - n, "%s=%lld ", ha.keys[order[i]], s);
	}
	pthread_mutex_unlock(&ha.lock);
	return text;
}

/* --- the stage --- */

struct stage {
	char folder[64], path[96];
	struct config_haproxy config;
	struct decide *decide;
	struct haproxy_point *point;
	int stop_fd;
	struct prefix adopts; /* this alone is taken over */
	atomic_uint asked_to_adopt;
};

static bool adopt(void *arg, const struct prefix *target, uint64_t end_ns)
{
	struct stage *s = arg;

	atomic_fetch_add(&s->asked_to_adopt, 1);
	if (!prefix_equal(target, &s->adopts))
		return false;
	return decide_put(s->decide, target, VERDICT_BLOCK, end_ns) == 0;
}

static void point_start(struct stage *s)
{
	struct haproxy_point_parts parts = {.config = &s->config,
					    .clock = &clock_fake,
					    .decide = s->decide,
					    .stop_fd = s->stop_fd,
					    .adopt = adopt,
					    .arg = s};

	assert_int_equal(haproxy_point_new(&parts, &s->point), 0);
}

static int stage_up(void **state)
{
	struct stage *s = calloc(1, sizeof *s);

	ha.count = ha.lines = ha.commands = ha.longest = 0;
	ha.refuse = NULL;
	atomic_store(&jump, 0);
	snprintf(s->folder, sizeof s->folder, "/tmp/picket-haproxy.XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	snprintf(s->path, sizeof s->path, "%s/socket", s->folder);
	s->config = (struct config_haproxy){(char *)"edge", s->path, (char *)"/map", ENTRIES_MAX};
	assert_int_equal(decide_new(ENTRIES_MAX, 10, 10, &s->decide), 0);
	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	ha_start(s->path);
	*state = s;
	return 0;
}

static int stage_down(void **state)
{
	struct stage *s = *state;

	eventfd_write(s->stop_fd, 1);
	if (s->point)
		haproxy_point_stop(s->point);
	haproxy_point_free(s->point);
	if (!atomic_load(&ha.end))
		ha_stop();
	decide_free(s->decide);
	close(s->stop_fd);
	unlink(s->path);
	rmdir(s->folder);
	free(s);
	return 0;
}

static void put(struct stage *s, const char *target, enum verdict_action action, unsigned seconds)
{
	struct prefix p = test_prefix(target);

	assert_int_equal(decide_put(s->decide, &p, action, fake_boot(NULL) + SECONDS(seconds)), 0);
	if (s->point)
		haproxy_point_note(s->point, &p);
}

static void take_out(struct stage *s, const char *target)
{
	struct prefix p = test_prefix(target);

	decide_remove(s->decide, &p);
	haproxy_point_note(s->point, &p);
}

/* Time passes, and the thread is woken. */
static void later(struct stage *s, unsigned seconds)
{
	struct prefix nobody = test_prefix("203.0.113.254");

	atomic_fetch_add(&now, SECONDS(seconds));
	haproxy_point_note(s->point, &nobody);
}

static void wait_for_map(const char *wanted)
{
	for (unsigned i = 0; i < 1000; i++) {
		if (!strcmp(ha_map(), wanted))
			return;
		usleep(10000);
	}
	fail_msg("the map holds \"%s\", wanted \"%s\"", ha_map(), wanted);
}

static void wait_for_state(struct stage *s, enum haproxy_state wanted)
{
	for (unsigned i = 0; i < 1000; i++) {
		if (haproxy_point_counts(s->point).state == wanted)
			return;
		usleep(10000);
	}
	fail_msg("the state is %s", haproxy_state_name(haproxy_point_counts(s->point).state));
}

/* Another look is over, counted from now. */
static void wait_for_look(struct stage *s)
{
	pthread_mutex_lock(&ha.lock);
	unsigned lines = ha.lines;
	pthread_mutex_unlock(&ha.lock);
	uint64_t since = fake_boot(NULL);
	later(s, 3);
	for (unsigned i = 0; i < 1000; i++) {
		pthread_mutex_lock(&ha.lock);
		bool more = ha.lines > lines;
		pthread_mutex_unlock(&ha.lock);
		if (more && haproxy_point_counts(s->point).last_ns > since)
			return;
		usleep(10000);
	}
	fail_msg("nobody looked");
}

static void counts_are(struct stage *s, size_t desired, size_t missing, size_t extra)
{
	struct haproxy_counts c = haproxy_point_counts(s->point);

	for (unsigned i = 0; i < 300; i++) {
		c = haproxy_point_counts(s->point);
		if (c.desired == desired && c.missing == missing && c.extra == extra)
			break;
		usleep(10000);
	}
	assert_int_equal(c.desired, desired);
	assert_int_equal(c.missing, missing);
	assert_int_equal(c.extra, extra);
	assert_int_equal(c.installed, desired - missing);
}

/* --- stories --- */

static void what_is_denied_stands_in_the_map_until_it_is_not(void **state)
{
	struct stage *s = *state;

	put(s, "198.51.100.7", VERDICT_BLOCK, 60);
	point_start(s);
	wait_for_map("198.51.100.7=60 ");
	wait_for_state(s, HAPROXY_UP);
	assert_true(haproxy_point_is_up(s->point));
	put(s, "2001:db8::7", VERDICT_BLOCK, 90);
	wait_for_map("198.51.100.7=60 2001:db8::7=90 ");
	put(s, "198.51.100.7", VERDICT_BLOCK, 600); /* extended */
	wait_for_map("198.51.100.7=600 2001:db8::7=90 ");
	counts_are(s, 2, 0, 0);
	take_out(s, "198.51.100.7");
	wait_for_map("2001:db8::7=90 ");
	counts_are(s, 1, 0, 0);
	/* It takes but a no from the list, so that nothing is counted as somebody else's doing. */
	take_out(s, "203.0.113.1");
	wait_for_look(s);
	assert_int_equal(haproxy_point_counts(s->point).mended, 0);
}

static void a_map_can_only_deny(void **state)
{
	struct stage *s = *state;

	put(s, "198.51.100.7", VERDICT_RATE_LIMIT, 60);
	put(s, "198.51.100.8", VERDICT_SHADOW, 60);
	put(s, "198.51.100.9", VERDICT_BLOCK, 60);
	point_start(s);
	wait_for_map("198.51.100.9=60 ");
	put(s, "198.51.100.9", VERDICT_SHADOW, 60);
	wait_for_map("");
}

/* HAProxy takes the most specific key alone. */
static void an_address_is_denied_as_long_as_a_network_around_it(void **state)
{
	struct stage *s = *state;

	put(s, "198.51.100.7", VERDICT_BLOCK, 60);
	put(s, "198.51.100.0/24", VERDICT_BLOCK, 600);
	point_start(s);
	wait_for_map("198.51.100.0/24=600 198.51.100.7=600 ");
	put(s, "198.51.100.0/25", VERDICT_BLOCK, 6000);
	wait_for_map("198.51.100.0/24=600 198.51.100.0/25=6000 198.51.100.7=6000 ");
	take_out(s, "198.51.100.0/25");
	take_out(s, "198.51.100.0/24");
	wait_for_map("198.51.100.7=60 ");
}

static void a_restarted_haproxy_is_filled_again_and_it_is_told(void **state)
{
	struct stage *s = *state;

	put(s, "198.51.100.7", VERDICT_BLOCK, 600);
	put(s, "198.51.100.8", VERDICT_BLOCK, 600);
	point_start(s);
	counts_are(s, 2, 0, 0);
	ha_stop();
	later(s, 3);
	wait_for_state(s, HAPROXY_DOWN);
	struct haproxy_counts c = haproxy_point_counts(s->point);
	assert_int_equal(c.installed, 0);
	assert_int_equal(c.missing, 2);
	assert_non_null(strstr(c.error, "HAProxy does not run"));
	put(s, "198.51.100.9", VERDICT_BLOCK, 600); /* meanwhile */
	ha.count = 0;
	ha_start(s->path);
	later(s, 3);
	wait_for_map("198.51.100.7=594 198.51.100.8=594 198.51.100.9=597 ");
	counts_are(s, 3, 0, 0);
	assert_in_range(haproxy_point_counts(s->point).mended, 2, 3);
}

/* It goes while it is told of one change, and is back, empty, before it is looked at. */
static void a_haproxy_that_restarts_in_between_is_mended(void **state)
{
	struct stage *s = *state;

	put(s, "198.51.100.7", VERDICT_BLOCK, 600);
	put(s, "198.51.100.8", VERDICT_BLOCK, 600);
	point_start(s);
	counts_are(s, 2, 0, 0);
	pthread_mutex_lock(&ha.lock);
	ha.count = 0;
	pthread_mutex_unlock(&ha.lock);
	atomic_store(&ha.hang_up, true);
	later(s, 3);
	wait_for_map("198.51.100.7=597 198.51.100.8=597 ");
	counts_are(s, 2, 0, 0);
	assert_int_equal(haproxy_point_counts(s->point).mended, 2);
}

static void what_others_change_in_the_map_is_mended(void **state)
{
	struct stage *s = *state;

	put(s, "198.51.100.7", VERDICT_BLOCK, 600);
	put(s, "198.51.100.8", VERDICT_BLOCK, 600);
	put(s, "198.51.100.9", VERDICT_BLOCK, 600);
	point_start(s);
	counts_are(s, 3, 0, 0);
	pthread_mutex_lock(&ha.lock);
	ha_each("198.51.100.7", "", true);
	ha_each("198.51.100.8", "1", false);
	ha_put("198.51.100.9", "1");
	ha_put("192.0.2.1", "9800000000");
	ha_put("192.0.2.2/32", "9800000000");
	pthread_mutex_unlock(&ha.lock);
	wait_for_look(s);
	wait_for_look(s);
	struct haproxy_counts c = haproxy_point_counts(s->point);
	/* One of them may be taken for ours: `later` tells of a change, and a look that comes with it cannot
	 * tell which. */
	assert_in_range(c.mended, 3, 4);
	assert_int_equal(c.foreign, 1);
	counts_are(s, 3, 0, 0);
	pthread_mutex_lock(&ha.lock);
	assert_int_equal(ha_each("192.0.2.2/32", "0", true), 1);
	pthread_mutex_unlock(&ha.lock);
	wait_for_map("198.51.100.7=594 198.51.100.8=594 198.51.100.9=594 ");
}

static void what_an_earlier_sensor_had_put_there_is_asked_about_once(void **state)
{
	struct stage *s = *state;

	s->adopts = test_prefix("198.51.100.7");
	char until[32];
	snprintf(until, sizeof until, "%llu", (unsigned long long)(fake_wall(NULL) / NS_PER_S + 300));
	ha_put("198.51.100.7", until);
	ha_put("198.51.100.8", until);
	ha_put("198.51.100.9", "1"); /* long over */
	point_start(s);
	wait_for_map("198.51.100.7=300 ");
	assert_int_equal(atomic_load(&s->asked_to_adopt), 2);
	pthread_mutex_lock(&ha.lock);
	ha_put("198.51.100.7", until); /* twice now */
	ha_put("198.51.100.8", until);
	pthread_mutex_unlock(&ha.lock);
	wait_for_look(s);
	wait_for_map("198.51.100.7=297 ");
	assert_int_equal(atomic_load(&s->asked_to_adopt), 2);
}

/* Three days are not cut: a shorter end would let the client pass early. */
static void what_is_adopted_lasts_as_long_as_it_did(void **state)
{
	struct stage *s = *state;
	char until[32];

	s->adopts = test_prefix("198.51.100.7");
	snprintf(until, sizeof until, "%llu", (unsigned long long)(fake_wall(NULL) / NS_PER_S + 259200));
	ha_put("198.51.100.7", until);
	point_start(s);
	wait_for_look(s);
	wait_for_map("198.51.100.7=259197 ");
}

static void the_kill_switch_empties_the_map_and_fills_it_again(void **state)
{
	struct stage *s = *state;

	put(s, "198.51.100.7", VERDICT_BLOCK, 600);
	point_start(s);
	wait_for_map("198.51.100.7=600 ");
	decide_off(s->decide, true);
	wait_for_map("");
	decide_off(s->decide, false);
	wait_for_map("198.51.100.7=600 ");
	wait_for_state(s, HAPROXY_UP);
	assert_int_equal(haproxy_point_counts(s->point).mended, 0);
}

static void an_end_follows_the_wall_clock_that_haproxy_reads(void **state)
{
	struct stage *s = *state;

	put(s, "198.51.100.7", VERDICT_BLOCK, 600);
	point_start(s);
	wait_for_map("198.51.100.7=600 ");
	atomic_store(&jump, SECONDS(3600));
	wait_for_look(s);
	wait_for_map("198.51.100.7=597 ");
}

static void an_haproxy_that_hangs_costs_nobody_anything(void **state)
{
	struct stage *s = *state;
	struct timespec a, b;

	put(s, "198.51.100.7", VERDICT_BLOCK, 600);
	point_start(s);
	wait_for_map("198.51.100.7=600 ");
	atomic_store(&ha.hang, true);
	later(s, 3);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (unsigned i = 0; i < 2000; i++) {
		struct prefix p = test_prefix("198.51.100.8");
		p.addr.bytes[3] = (uint8_t)i;
		haproxy_point_note(s->point, &p);
		haproxy_point_is_up(s->point);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_in_range((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000, 0, 500);
	wait_for_state(s, HAPROXY_DOWN);
	assert_string_equal(haproxy_point_counts(s->point).error, "it does not answer");
	atomic_store(&ha.hang, false);
	later(s, 3);
	wait_for_state(s, HAPROXY_UP);
	wait_for_map("198.51.100.7=594 ");
}

static void what_haproxy_refuses_is_told_in_its_words(void **state)
{
	struct stage *s = *state;

	ha.refuse = "Permission \x1b[2Jdenied";
	put(s, "198.51.100.7", VERDICT_BLOCK, 600);
	point_start(s);
	wait_for_state(s, HAPROXY_DOWN);
	assert_string_equal(haproxy_point_counts(s->point).error, "Permission ?[2Jdenied");
	assert_int_equal(haproxy_point_counts(s->point).missing, 1);
	pthread_mutex_lock(&ha.lock);
	ha.refuse = NULL;
	pthread_mutex_unlock(&ha.lock);
	later(s, 3);
	wait_for_map("198.51.100.7=597 ");
	wait_for_state(s,
		       HAPROXY_UP); /* a moment behind its map; before, it is still down for the old reason */
	/* The name that is configured is not that of haproxy.cfg. */
	pthread_mutex_lock(&ha.lock);
	ha.refuse = "Unknown map identifier. Please use #<id> or <file>.";
	pthread_mutex_unlock(&ha.lock);
	later(s, 3);
	wait_for_state(s, HAPROXY_DOWN);
	assert_non_null(strstr(haproxy_point_counts(s->point).error, "Unknown map"));
}

static void thousands_go_in_lines_that_haproxy_takes(void **state)
{
	struct stage *s = *state;

	for (unsigned i = 0; i < 3000; i++) {
		struct prefix p = test_prefix("198.51.0.0");
		p.addr.bytes[2] = (uint8_t)(i >> 8);
		p.addr.bytes[3] = (uint8_t)i;
		assert_int_equal(decide_put(s->decide, &p, VERDICT_BLOCK, fake_boot(NULL) + SECONDS(60)), 0);
	}
	point_start(s);
	wait_for_state(s, HAPROXY_UP);
	counts_are(s, 3000, 0, 0);
	pthread_mutex_lock(&ha.lock);
	assert_int_equal(ha.count, 3000);
	assert_in_range(ha.longest, 1000, 4096);
	assert_in_range(ha.lines, 20, 100);
	pthread_mutex_unlock(&ha.lock);
	/* More changes at once than are listed: everything is looked at. */
	for (unsigned i = 0; i < 1000; i++) {
		struct prefix p = test_prefix("198.51.0.0");
		p.addr.bytes[2] = (uint8_t)(i >> 8);
		p.addr.bytes[3] = (uint8_t)i;
		decide_remove(s->decide, &p);
		haproxy_point_note(s->point, &p);
	}
	counts_are(s, 2000, 0, 0);
	assert_int_equal(haproxy_point_counts(s->point).mended, 0);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, stage_up, stage_down)

static struct list *list_up(struct stage *s, const char *text, unsigned seconds)
{
	const struct list_times times = {.now_s = fake_wall(NULL) / NS_PER_S};
	struct list_report report;
	struct list *l = NULL;

	assert_int_equal(list_parse(span_from(text), CONFIG_LIST_PLAIN, &times, &l, &report), 0);
	const struct listed_view view = {
		.list = l,
		.action = VERDICT_BLOCK,
		.in_force = list_count(l),
		.end_ns = fake_boot(NULL) + SECONDS(seconds),
		.latest_ns = UINT64_MAX,
	};
	assert_true(decide_list(s->decide, 0, &view));
	if (s->point)
		haproxy_point_note(s->point, NULL);
	return l;
}

static void list_down(struct stage *s, struct list *l)
{
	const struct listed_view none = {.list = NULL};

	decide_list(s->decide, 0, &none);
	list_free(l);
}

static void block_lists_stand_in_the_map_as_far_as_it_has_room(void **state)
{
	struct stage *s = *state;

	s->config.entries_max = 3;
	put(s, "198.51.100.7", VERDICT_BLOCK, 60);
	point_start(s);
	wait_for_map("198.51.100.7=60 ");
	struct list *l = list_up(s, "203.0.113.1\n203.0.113.2\n203.0.113.3\n203.0.113.4\n", 600);
	wait_for_map("198.51.100.7=60 203.0.113.1=600 203.0.113.2=600 ");
	counts_are(s, 5, 2, 0);
	assert_int_equal(haproxy_point_counts(s->point).beyond, 2);
	assert_int_equal(haproxy_point_counts(s->point).state, HAPROXY_UP);
	/* A decision on what a list names is taken back: the list is left. */
	put(s, "203.0.113.1", VERDICT_BLOCK, 6000);
	wait_for_map("198.51.100.7=60 203.0.113.1=6000 203.0.113.2=600 ");
	take_out(s, "203.0.113.1");
	wait_for_map("198.51.100.7=60 203.0.113.1=600 203.0.113.2=600 ");
	assert_int_equal(haproxy_point_counts(s->point).mended, 0);
	list_down(s, l);
	haproxy_point_note(s->point, NULL);
	wait_for_map("198.51.100.7=60 ");
	counts_are(s, 1, 0, 0);
	assert_int_equal(haproxy_point_counts(s->point).mended, 0);
}

/* Nobody takes it over: its file says what it asks for. Until that was read, it stays. */
static void what_a_list_had_put_there_waits_for_the_list(void **state)
{
	struct stage *s = *state;
	char until[32];

	s->adopts = test_prefix("198.51.100.7");
	decide_expect_lists(s->decide, 1);
	snprintf(until, sizeof until, "0%llu", (unsigned long long)(fake_wall(NULL) / NS_PER_S + 300));
	ha_put("198.51.100.7", until);
	ha_put("198.51.100.8", until);
	point_start(s);
	wait_for_state(s, HAPROXY_UP);
	wait_for_look(s);
	wait_for_map("198.51.100.7=297 198.51.100.8=297 ");
	counts_are(s, 0, 0, 0);
	struct list *l = list_up(s, "198.51.100.8\n", 500);
	wait_for_map("198.51.100.8=500 ");
	assert_int_equal(atomic_load(&s->asked_to_adopt), 0);
	list_down(s, l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(what_is_denied_stands_in_the_map_until_it_is_not),
		STORY(a_map_can_only_deny),
		STORY(an_address_is_denied_as_long_as_a_network_around_it),
		STORY(a_restarted_haproxy_is_filled_again_and_it_is_told),
		STORY(a_haproxy_that_restarts_in_between_is_mended),
		STORY(what_others_change_in_the_map_is_mended),
		STORY(what_an_earlier_sensor_had_put_there_is_asked_about_once),
		STORY(what_is_adopted_lasts_as_long_as_it_did),
		STORY(the_kill_switch_empties_the_map_and_fills_it_again),
		STORY(an_end_follows_the_wall_clock_that_haproxy_reads),
		STORY(an_haproxy_that_hangs_costs_nobody_anything),
		STORY(what_haproxy_refuses_is_told_in_its_words),
		STORY(thousands_go_in_lines_that_haproxy_takes),
		STORY(block_lists_stand_in_the_map_as_far_as_it_has_room),
		STORY(what_a_list_had_put_there_waits_for_the_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
