// SPDX-License-Identifier: Apache-2.0
#include "sensor/alert_send.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>
#include "sensor/alert_command.h"
#include "sensor/alert_syslog.h"
#include "tests/unit/policies_config.h"

static char folder[] = "/tmp/picket-alerts-XXXXXX";

static int begin(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	return rmdir(folder);
}

static void a_line_reaches_the_logger_or_says_that_there_is_none(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char got[256] = "";

	(void)state;
	snprintf(at.sun_path, sizeof at.sun_path, "%s/log", folder);
	assert_int_equal(alert_syslog(at.sun_path, LOG_WARNING, SPAN("hello")), -ENOENT);
	_cleanup_close_ int logger = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(logger, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(alert_syslog(at.sun_path, LOG_WARNING, SPAN("hello")), 0);
	assert_true(recv(logger, got, sizeof got - 1, MSG_DONTWAIT) > 0);
	assert_int_equal(memcmp(got, "<28>", 4), 0); /* daemon.warning */
	assert_non_null(strstr(got, " picket["));
	assert_string_equal(strstr(got, "]: "), "]: hello");
	close(logger);
	logger = -1;
	assert_int_equal(alert_syslog(at.sun_path, LOG_WARNING, SPAN("hello")), -ECONNREFUSED);
	assert_int_equal(unlink(at.sun_path), 0);
}

static int run(const char *script, const char *json)
{
	char file[64];
	char *argv[] = {"sh", "-c", (char *)script, "sh", file};
	const struct config_strings command = {argv, ARRAY_SIZE(argv)};
	struct alert_command *c;

	snprintf(file, sizeof file, "%s/out", folder);
	assert_int_equal(alert_command_new(&command, getuid(), getgid(), &c), 0);
	int r = alert_command_run(c, span_from(json));
	alert_command_free(c);
	return r;
}

static void a_program_gets_the_alert_as_its_input(void **state)
{
	char file[64], got[64] = "";

	(void)state;
	assert_int_equal(run("cat >\"$1\"", "{\"text\":\"hello\"}"), 0);
	snprintf(file, sizeof file, "%s/out", folder);
	FILE *f = fopen(file, "r");
	assert_non_null(f);
	assert_non_null(fgets(got, sizeof got, f));
	fclose(f);
	unlink(file);
	assert_string_equal(got, "{\"text\":\"hello\"}");
	assert_int_equal(run("exit 3", "{}"), 3);
	assert_int_equal(run("kill -TERM $$", "{}"), 128 + 15);
}

static void a_program_that_is_not_there_is_an_error(void **state)
{
	char *argv[] = {"/nonexistent/program"};
	const struct config_strings command = {argv, 1};
	struct alert_command *c;

	(void)state;
	assert_int_equal(alert_command_new(&command, getuid(), getgid(), &c), 0);
	assert_int_equal(alert_command_run(c, SPAN("{}")), -ENOENT);
	assert_int_equal(alert_command_run(c, SPAN("{}")), -ENOENT); /* and can be tried again */
	alert_command_free(c);
}

static void a_program_has_no_descriptor_but_its_three(void **state)
{
	(void)state;
	/* The shell's own: the folder that ls reads. */
	assert_int_equal(run("set -- /proc/self/fd/*; for f; do case ${f##*/} in [012]) ;; *) "
			     "[ ! -e \"/proc/$$/fd/${f##*/}\" ] || exit 1;; esac; done",
			     "{}"),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_reaches_the_logger_or_says_that_there_is_none),
		cmocka_unit_test(a_program_gets_the_alert_as_its_input),
		cmocka_unit_test(a_program_that_is_not_there_is_an_error),
		cmocka_unit_test(a_program_has_no_descriptor_but_its_three),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
