// SPDX-License-Identifier: Apache-2.0
/*
 * answer_test.c: what servers answer, with real sockets: which writes begin an answer, what of it is told, by
 * which record, and what stands in the array that user space maps.
 *
 *     answer_test ring|perf
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "collect.h"
#include "half.h"
#include "sensor/kernel_internal.h"
#include "world.h"

#define REQUEST  "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define NO       "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"
#define OK       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"
#define SWITCH   "HTTP/1.1 101 Switching Protocols\r\n\r\n"

static enum config_capture_source source;
static struct world world;

struct talk {
	struct half half;
	int listener, client, server;
};

static void talk_open(struct talk *t)
{
	half_open(&t->half, &world, source, 4 << 20);
	t->listener = world_listen("10.77.0.1", HALF_PORT);
	t->client = world_connect(&world, NULL, "10.77.0.1", HALF_PORT);
	t->server = accept(t->listener, NULL, NULL);
	assert_true(t->server >= 0);
}

static void talk_close(struct talk *t)
{
	half_assert_balance(&t->half);
	close(t->client);
	close(t->server);
	close(t->listener);
	half_close(&t->half);
}

/* The client asks, the server reads it. */
static void ask(struct talk *t)
{
	char buf[256];
	size_t left = strlen(REQUEST);

	assert_int_equal(send(t->client, REQUEST, left, 0), left);
	while (left) {
		ssize_t n = recv(t->server, buf, left, 0);

		assert_true(n > 0);
		left -= (size_t)n;
	}
}

static void say(struct talk *t, const char *text)
{
	assert_int_equal(send(t->server, text, strlen(text), 0), strlen(text));
}

static void hang_up(struct talk *t)
{
	char buf[65536];

	shutdown(t->server, SHUT_WR);
	while (recv(t->client, buf, sizeof(buf), 0) > 0)
		;
	close(t->client);
	assert_int_equal(recv(t->server, buf, sizeof(buf), 0), 0);
	close(t->server);
	t->client = t->server = -1;
	assert_true(reader_drain(t->half.reader) > 0);
}

static const struct pk_answer *carried(struct talk *t, size_t n)
{
	const struct pk_data *d = collect_get(&t->half.got, PK_DATA, n);

	assert_non_null(d);
	return &d->answer;
}

static const struct pk_answer *last(struct talk *t)
{
	const struct pk_close *c = collect_get(&t->half.got, PK_CLOSE, 0);

	assert_non_null(c);
	return &c->answer;
}

static void assert_answer(const struct pk_answer *a, unsigned number, unsigned status, size_t size)
{
	assert_true(a->time_ns > 0);
	assert_int_equal(a->number, number);
	assert_int_equal(a->status, status);
	assert_int_equal(a->end - a->seq, size);
}

static void an_answer_travels_with_the_next_request(void **state)
{
	struct talk t;

	(void)state;
	talk_open(&t);
	ask(&t);
	say(&t, NO);
	ask(&t);
	say(&t, OK);
	hang_up(&t);
	const struct pk_data *first = collect_get(&t.half.got, PK_DATA, 0);
	const struct pk_answer *a = carried(&t, 1);
	assert_int_equal(carried(&t, 0)->time_ns, 0);
	assert_answer(a, 1, 404, strlen(NO));
	assert_int_equal(a->read, first->seq + first->len);
	assert_true(a->time_ns >= first->rec.time_ns);
	assert_answer(last(&t), 2, 200, strlen(OK));
	assert_int_equal(collect_count(&t.half.got, PK_ANSWER), 0);
	assert_int_equal(half_stat(&t.half, PK_C_ANSWERS), 2);
	talk_close(&t);
}

static void an_answer_that_no_record_took_along_stands_in_the_array(void **state)
{
	struct talk t;

	(void)state;
	talk_open(&t);
	ask(&t);
	say(&t, NO);
	assert_true(reader_drain(t.half.reader) > 0);
	const struct pk_data *d = collect_get(&t.half.got, PK_DATA, 0);
	const struct pk_answer_slot *slot = &kernel_answers(t.half.kernel)[pk_answer_slot(d->flow.cookie)];
	assert_true(slot->cookie == d->flow.cookie);
	assert_int_equal(slot->version % 2, 0);
	assert_int_equal(slot->carried, 0);
	assert_answer(&slot->answer, 1, 404, strlen(NO));
	hang_up(&t);
	assert_true(slot->cookie == 0);
	talk_close(&t);
}

static void pipelined_answers_have_records_of_their_own(void **state)
{
	struct talk t;

	(void)state;
	talk_open(&t);
	ask(&t);
	say(&t, NO);
	say(&t, OK);
	say(&t, NO);
	hang_up(&t);
	assert_int_equal(collect_count(&t.half.got, PK_ANSWER), 2);
	for (unsigned i = 0; i < 2; i++) {
		const struct pk_answered *r = collect_get(&t.half.got, PK_ANSWER, i);

		assert_answer(&r->answer, i + 1, i ? 200 : 404, strlen(i ? OK : NO));
	}
	assert_answer(last(&t), 3, 404, strlen(NO));
	talk_close(&t);
}

static void interim_answers_are_passed_over(void **state)
{
	struct talk t;

	(void)state;
	talk_open(&t);
	ask(&t);
	say(&t, CONTINUE);
	say(&t, OK);
	ask(&t);
	say(&t, SWITCH);
	say(&t, "\x81\x02hi");
	hang_up(&t);
	assert_answer(carried(&t, 1), 1, 200, strlen(OK));
	assert_answer(last(&t), 2, 101, strlen(SWITCH) + 4);
	talk_close(&t);
}

/* One write that goes through in many pieces, others behind it, and a file. */
static void an_answer_is_as_long_as_all_its_writes(void **state)
{
	static char body[3 << 20];
	struct talk t;
	FILE *file = tmpfile();
	pid_t reader;

	(void)state;
	assert_non_null(file);
	/* A body that looks like answers, as far as one write is one. */
	for (size_t i = 0; i + sizeof(OK) < sizeof(body); i += sizeof(OK) - 1)
		memcpy(body + i, OK, sizeof(OK) - 1);
	assert_int_equal(fwrite(body, 1, 200000, file), 200000);
	assert_int_equal(fflush(file), 0);
	talk_open(&t);
	ask(&t);
	reader = fork();
	if (reader == 0) {
		while (recv(t.client, body, sizeof(body), 0) > 0)
			;
		_exit(0);
	}
	struct iovec parts[] = {{(char *)OK, strlen(OK)}, {body, sizeof(body)}};
	assert_int_equal(writev(t.server, parts, 2), strlen(OK) + sizeof(body));
	say(&t, "and so on");
	off_t from = 0;
	for (size_t left = 200000; left;) {
		ssize_t n = sendfile(t.server, fileno(file), &from, left);

		assert_true(n > 0);
		left -= (size_t)n;
	}
	hang_up(&t);
	assert_answer(last(&t), 1, 200, strlen(OK) + sizeof(body) + 9 + 200000);
	assert_int_equal(half_stat(&t.half, PK_C_ANSWERS), 1);
	fclose(file);
	talk_close(&t);
}

static void other_writes_are_no_answers(void **state)
{
	static const char *const writes[] = {
		"hello",          "HTTP/1.1", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 20", "HTTP/1.1 2x0 ",
		"\x16\x03\x01 a", " ",
	};
	struct talk t;

	(void)state;
	talk_open(&t);
	ask(&t);
	for (size_t i = 0; i < sizeof(writes) / sizeof(*writes); i++)
		say(&t, writes[i]);
	hang_up(&t);
	assert_int_equal(last(&t)->time_ns, 0);
	assert_int_equal(half_stat(&t.half, PK_C_ANSWERS), 0);
	talk_close(&t);
}

static void who_finds_its_slot_taken_has_records(void **state)
{
	struct talk t;

	(void)state;
	talk_open(&t);
	ask(&t);
	assert_true(reader_drain(t.half.reader) > 0);
	const struct pk_data *d = collect_get(&t.half.got, PK_DATA, 0);
	/* As if a newer connection had it. */
	uint32_t index = pk_answer_slot(d->flow.cookie);
	struct pk_answer_slot newer = {.cookie = d->flow.cookie + PK_ANSWER_SLOTS};
	const struct pk_answer_slot *slot = &kernel_answers(t.half.kernel)[index];
	int map = kernel_map_fd(t.half.kernel, "pk_answers");
	assert_int_equal(bpf_map_update_elem(map, &index, &newer, BPF_ANY), 0);
	say(&t, NO);
	ask(&t);
	say(&t, OK);
	hang_up(&t);
	assert_int_equal(collect_count(&t.half.got, PK_ANSWER), 2);
	const struct pk_answered *r = collect_get(&t.half.got, PK_ANSWER, 0);
	assert_answer(&r->answer, 0, 404, strlen(NO));
	assert_int_equal(carried(&t, 1)->time_ns, 0);
	assert_int_equal(last(&t)->time_ns, 0);
	assert_true(slot->cookie == newer.cookie); /* not theirs to give back */
	talk_close(&t);
}

/* It counts anew, and says so: else its first answers would look like old ones told again. */
static void who_is_given_a_slot_back_counts_from_there(void **state)
{
	static const char *const said[] = {NO, NO, OK, NO};
	struct talk t;

	(void)state;
	talk_open(&t);
	ask(&t);
	say(&t, said[0]);
	ask(&t);
	assert_true(reader_drain(t.half.reader) > 0);
	const struct pk_data *d = collect_get(&t.half.got, PK_DATA, 0);
	uint32_t index = pk_answer_slot(d->flow.cookie);
	struct pk_answer_slot other = {.cookie = d->flow.cookie + PK_ANSWER_SLOTS};
	int map = kernel_map_fd(t.half.kernel, "pk_answers");
	assert_int_equal(bpf_map_update_elem(map, &index, &other, BPF_ANY), 0);
	say(&t, said[1]);
	assert_int_equal(bpf_map_update_elem(map, &index, &(struct pk_answer_slot){0}, BPF_ANY), 0);
	ask(&t);
	say(&t, said[2]);
	ask(&t);
	say(&t, said[3]);
	hang_up(&t);
	assert_answer(carried(&t, 1), 1, 404, strlen(said[0]));
	assert_int_equal(carried(&t, 1)->since, 0);
	const struct pk_answered *r = collect_get(&t.half.got, PK_ANSWER, 0);
	assert_answer(&r->answer, 0, 404, strlen(said[1]));
	assert_answer(carried(&t, 3), 1, 200, strlen(said[2]));
	assert_int_equal(carried(&t, 3)->since, carried(&t, 3)->seq);
	assert_answer(last(&t), 2, 404, strlen(said[3]));
	assert_int_equal(last(&t)->since, carried(&t, 3)->seq);
	talk_close(&t);
}

static bool answers_are_seen(void)
{
	struct half h;
	bool seen;

	half_open(&h, &world, source, 1 << 20);
	seen = kernel_answers(h.kernel) != NULL;
	half_close(&h);
	return seen;
}

static int check_source(void **state)
{
	(void)state;
	return answers_are_seen() ? 0 : -1;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_travels_with_the_next_request),
		cmocka_unit_test(an_answer_that_no_record_took_along_stands_in_the_array),
		cmocka_unit_test(pipelined_answers_have_records_of_their_own),
		cmocka_unit_test(interim_answers_are_passed_over),
		cmocka_unit_test(an_answer_is_as_long_as_all_its_writes),
		cmocka_unit_test(other_writes_are_no_answers),
		cmocka_unit_test(who_finds_its_slot_taken_has_records),
		cmocka_unit_test(who_is_given_a_slot_back_counts_from_there),
	};

	if (argc < 2 || (strcmp(argv[1], "ring") && strcmp(argv[1], "perf"))) {
		fprintf(stderr, "usage: %s ring|perf\n", argv[0]);
		return 2;
	}
	source = strcmp(argv[1], "perf") ? CAPTURE_RING : CAPTURE_PERF;
	if (geteuid() || world_new(&world)) {
		fprintf(stderr, "skipped: needs root and network namespaces\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, check_source, NULL);
}
