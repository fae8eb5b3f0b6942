// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "lib/json_read.h"
#include "lib/utf8.h"
#include "lib/util.h"
#include "sensor/cli.h"
#include "sensor/doctor.h"
#include "sensor/doctor_ports.h"
#include "sensor/scratch.h"

/* What the doctor prints for these checks. Free it. */
static char *printed(bool json, const struct check *checks, size_t count)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	struct doctor d = {.out = f, .json = json};

	assert_non_null(f);
	for (size_t i = 0; i < count; i++)
		doctor_add(&d, &checks[i]);
	doctor_end(&d);
	fclose(f);
	return text;
}

static struct check failed(const char *id, enum check_cause cause)
{
	struct check c = check_of(id, "eth0");

	check_say(&c, CHECK_FAIL, "it does not work");
	check_cost(&c, "nothing is seen");
	check_mend(&c, "modprobe veth");
	c.cause = cause;
	return c;
}

static void a_check_is_one_json_object_a_line(void **state)
{
	(void)state;
	static const struct json_limits limits = {.bytes = 8192, .depth = 4, .values = 64};
	struct check c = failed("loop.tc", CAUSE_PLAIN);
	cJSON *o = NULL;

	check_fact_uint(&c, "pid", 12);
	check_fact_bool(&c, "watched", true);
	check_fact_text(&c, "process", "a\"b\n");
	_cleanup_free_ char *text = printed(true, &c, 1);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	assert_int_equal(json_parse((struct span){text, strlen(text) - 1}, &limits, &o, NULL), 0);
	assert_string_equal(json_get_text(o, "check"), "loop.tc");
	assert_string_equal(json_get_text(o, "subject"), "eth0");
	assert_string_equal(json_get_text(o, "state"), "fail");
	assert_string_equal(json_get_text(o, "text"), "it does not work");
	assert_string_equal(json_get_text(o, "cost"), "nothing is seen");
	assert_string_equal(json_get_text(o, "mend"), "modprobe veth");
	assert_string_equal(json_get_text(o, "process"), "a\"b\n");
	assert_true(json_get_bool(o, "watched", false));
	cJSON_Delete(o);
}

static void people_read_state_sentence_cost_and_mend(void **state)
{
	(void)state;
	const struct check c = failed("loop.tc", CAUSE_PLAIN);
	_cleanup_free_ char *text = printed(false, &c, 1);

	assert_memory_equal(text, "fail  loop.tc", 13);
	assert_non_null(strstr(text, "eth0: it does not work\n"));
	assert_non_null(strstr(text, "costs: nothing is seen\n"));
	assert_non_null(strstr(text, "mend:  modprobe veth\n"));
	assert_non_null(strstr(text, "0 ok, 0 warnings, 1 failed, 0 skipped"));
}

static void a_name_with_escapes_does_not_reach_the_terminal(void **state)
{
	(void)state;
	struct check c = check_of("port", "0.0.0.0:80");

	check_say(&c, CHECK_OK, "\033[2Jevil (pid 1), watched");
	for (int json = 0; json < 2; json++) {
		_cleanup_free_ char *text = printed(json, &c, 1);
		assert_null(strchr(text, '\033'));
		assert_non_null(strstr(text, "evil"));
	}
}

static void text_that_does_not_fit_is_cut_between_characters(void **state)
{
	(void)state;
	char text[700] = "";
	struct check c = check_of("port", NULL);

	for (size_t shift = 0; shift < 4; shift++) {
		memset(text, 'a', shift);
		for (size_t i = shift; i + 4 < sizeof text; i += 3)
			memcpy(text + i, "\xe2\x82\xac", 4); /* three bytes and an end */
		check_say(&c, CHECK_OK, "%s", text);
		size_t n = strlen(c.text);
		assert_true(n >= sizeof c.text - 4 && n < sizeof c.text);
		assert_int_equal((n - shift) % 3, 0);
	}
}

static void facts_that_do_not_fit_are_left_out_whole(void **state)
{
	(void)state;
	static const struct json_limits limits = {.bytes = 8192, .depth = 4, .values = 200};
	struct check c = check_of("port", NULL);
	cJSON *o = NULL;

	check_say(&c, CHECK_OK, "x");
	for (char key[8] = "k00"; key[1] < '9'; key[1]++)
		check_fact_text(&c, key, "a value of some length that fills the room before long");
	_cleanup_free_ char *text = printed(true, &c, 1);
	assert_int_equal(json_parse((struct span){text, strlen(text) - 1}, &limits, &o, NULL), 0);
	assert_non_null(json_get_text(o, "k00"));
	assert_null(json_get_text(o, "k80"));
	cJSON_Delete(o);
}

static void the_exit_status_is_that_of_the_worst_failure(void **state)
{
	(void)state;
	static const struct {
		int want;
		unsigned fails;
		enum check_cause causes[3];
	} cases[] = {
		{EXIT_DONE, 0, {0}},
		{EXIT_NO, 1, {CAUSE_PLAIN}},
		{EXIT_KERNEL, 2, {CAUSE_KERNEL, CAUSE_PLAIN}},
		{EXIT_NOT_PERMITTED, 3, {CAUSE_PLAIN, CAUSE_PERMISSION, CAUSE_KERNEL}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct doctor d = {.out = fopen("/dev/null", "w")};
		struct check warn = check_of("clock", NULL);

		assert_non_null(d.out);
		check_say(&warn, CHECK_WARN, "it drifts");
		warn.cause = CAUSE_KERNEL; /* of a failure only */
		doctor_add(&d, &warn);
		for (unsigned k = 0; k < cases[i].fails; k++) {
			struct check c = failed("x", cases[i].causes[k]);
			doctor_add(&d, &c);
		}
		assert_int_equal(doctor_exit(&d), cases[i].want);
		fclose(d.out);
	}
}

/* --- TLS
 * ------------------------------------------------------------------------------------------------------------------
 */

static size_t get16(const uint8_t *at)
{
	return (size_t)at[0] << 8 | at[1];
}

static void the_hello_is_one_whole_record_whose_lengths_agree(void **state)
{
	(void)state;
	uint8_t hello[DOCTOR_HELLO_MAX];
	size_t n = doctor_hello(hello), at = 43;

	assert_int_equal(hello[0], 0x16);
	assert_int_equal(get16(hello + 3), n - 5);
	assert_int_equal(hello[5], 1);
	assert_int_equal(get16(hello + 7), n - 9);
	assert_int_equal(hello[at], 0); /* session */
	at += 1;
	at += 2 + get16(hello + at); /* cipher suites */
	at += 1 + hello[at];         /* compressions */
	size_t end = at + 2 + get16(hello + at);
	assert_int_equal(end, n);
	for (at += 2; at < end;)
		at += 4 + get16(hello + at + 2);
	assert_int_equal(at, end);
}

static void a_tls_answer_is_told_from_a_plain_one(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t len;
		enum port_speaks want;
	} cases[] = {
		{"", 0, SPEAKS_UNKNOWN},
		{"\x16\x03\x03\x00\x7a", 5, SPEAKS_TLS},
		{"\x15\x03\x01\x00\x02\x02\x28", 7, SPEAKS_TLS},
		{"\x16", 1, SPEAKS_TLS},
		{"\x16X", 2, SPEAKS_PLAIN},
		{"HTTP/1.1 400 Bad Request\r\n", 26, SPEAKS_PLAIN},
		{"SSH-2.0-", 8, SPEAKS_PLAIN},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(doctor_answer((const uint8_t *)cases[i].bytes, cases[i].len), cases[i].want);
}

/* --- the stage
 * -------------------------------------------------------------------------------------------------------------
 */

/* In a process of its own, as doctor does it. Exit status: 0 held, 77 no namespace may be made here, else
 * what broke. */
static int stage_play(int tell)
{
	struct scratch s;

	int r = scratch_enter(&s);
	if (r == SCRATCH_E_NAMESPACE || r == SCRATCH_E_VETH)
		return 77;
	if (r)
		return 1;
	if (send(tell, &s.client, sizeof s.client, 0) < 0)
		return 2;
	if (scratch_request_veth(&s, "/over-veth", 5000))
		return 3;
	if (scratch_request_loopback(&s, "/over-loopback", 5000))
		return 4;
	/* Nobody serves: the client is told so in time. */
	close(s.listener);
	s.listener = -1;
	if (scratch_request_loopback(&s, "/nobody", 200) != -ECONNREFUSED)
		return 5;
	if (tell >= 0 && recv(tell, &r, sizeof r, 0) < 0) /* until we are killed, or let go */
		return 6;
	scratch_leave(&s);
	return 0;
}

static pid_t stage_start(int *ret_tell)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(pair[0]);
		_exit(stage_play(pair[1]));
	}
	close(pair[1]);
	*ret_tell = pair[0];
	return pid;
}

static void a_request_passes_the_scratch_stage(void **state)
{
	(void)state;
	pid_t client;
	int tell, status;
	pid_t pid = stage_start(&tell);

	if (recv(tell, &client, sizeof client, 0) > 0)
		send(tell, "go", 2, MSG_NOSIGNAL);
	close(tell);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_killed_stage_takes_its_client_along(void **state)
{
	(void)state;
	pid_t client = 0;
	int tell, status;
	pid_t pid = stage_start(&tell);

	if (recv(tell, &client, sizeof client, 0) != (ssize_t)sizeof client) {
		waitpid(pid, &status, 0);
		close(tell);
		assert_int_equal(WEXITSTATUS(status), 77);
		skip();
	}
	assert_int_equal(kill(client, 0), 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(tell);
	for (int i = 0; i < 200 && kill(client, 0) == 0; i++)
		poll(NULL, 0, 10);
	assert_int_equal(kill(client, 0), -1);
	assert_int_equal(errno, ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_check_is_one_json_object_a_line),
		cmocka_unit_test(people_read_state_sentence_cost_and_mend),
		cmocka_unit_test(a_name_with_escapes_does_not_reach_the_terminal),
		cmocka_unit_test(text_that_does_not_fit_is_cut_between_characters),
		cmocka_unit_test(facts_that_do_not_fit_are_left_out_whole),
		cmocka_unit_test(the_exit_status_is_that_of_the_worst_failure),
		cmocka_unit_test(the_hello_is_one_whole_record_whose_lengths_agree),
		cmocka_unit_test(a_tls_answer_is_told_from_a_plain_one),
		cmocka_unit_test(a_request_passes_the_scratch_stage),
		cmocka_unit_test(a_killed_stage_takes_its_client_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
