// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "lib/event_json.h"
#include "lib/utf8.h"
#include "lib/util.h"
#include "sensor/cli.h"
#include "sensor/cli_print.h"
#include "sensor/cli_table.h"
#include "sensor/kernel.h"
#include "tests/unit/audit_rig.h"
#include "tests/unit/control_fixture.h"
#include "tests/unit/routes_rig.h"

static struct fixture f;

/* --- commands of others, played --- */

static struct cli seen;
static int seen_argc;
static char seen_args[256], seen_control[128], seen_instance[64];

static int see(const struct cli *cli, int argc, char **argv)
{
	seen = *cli;
	snprintf(seen_control, sizeof seen_control, "%s", cli->control);
	snprintf(seen_instance, sizeof seen_instance, "%s", cli->instance);
	seen_argc = argc;
	seen_args[0] = 0;
	for (int i = 0; i < argc; i++)
		snprintf(seen_args + strlen(seen_args), sizeof seen_args - strlen(seen_args), "%s%s",
			 i ? " " : "", argv[i]);
	return EXIT_DONE;
}

int cli_run(const struct cli *cli, int argc, char **argv)
{
	return see(cli, argc, argv);
}

int cli_doctor(const struct cli *cli, int argc, char **argv)
{
	return see(cli, argc, argv);
}

int cli_replay(const struct cli *cli, int argc, char **argv)
{
	return see(cli, argc, argv);
}

int cli_demo(const struct cli *cli, int argc, char **argv)
{
	return see(cli, argc, argv);
}

int cli_config(const struct cli *cli, int argc, char **argv)
{
	return see(cli, argc, argv);
}

int cli_top(const struct cli *cli, int argc, char **argv)
{
	return see(cli, argc, argv);
}

int cli_completion(const struct cli *cli, int argc, char **argv)
{
	return see(cli, argc, argv);
}

int cli_manual(const struct cli *cli, int argc, char **argv)
{
	return see(cli, argc, argv);
}

static int swept; /* what kernel_sweep is to find */
static unsigned sweeps;

int kernel_sweep(void)
{
	sweeps++;
	return swept;
}

/* --- running picket --- */

static char out[65536], err[8192];

static void read_back(int fd, char *text, size_t size)
{
	ssize_t n = pread(fd, text, size - 1, 0);

	text[n > 0 ? n : 0] = 0;
}

/* The words of a command line, "" kept together by ' '. */
static int split(char *line, char **argv, int max)
{
	int argc = 0;

	argv[argc++] = (char *)"picket";
	for (char *p = line; *p && argc < max - 1;) {
		char end = *p == '\'' ? '\'' : ' ';

		p += end == '\'';
		argv[argc++] = p;
		p = strchrnul(p, end);
		if (*p)
			*p++ = 0;
		p += *p == ' ' && end == '\'';
	}
	argv[argc] = NULL;
	return argc;
}

/* Runs picket with stdout and stderr in out and err; returns the exit status. */
static int picket(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int picket(const char *format, ...)
{
	char line[2048], *argv[32];
	int saved[2] = {dup(1), dup(2)}, files[2];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof line, format, ap);
	va_end(ap);
	int argc = split(line, argv, 32);

	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		FILE *t = tmpfile();

		assert_non_null(t);
		files[i] = dup(fileno(t));
		fclose(t);
		dup2(files[i], i + 1);
	}
	int r = cli_main(argc, argv);

	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		dup2(saved[i], i + 1);
		close(saved[i]);
	}
	read_back(files[0], out, sizeof out);
	read_back(files[1], err, sizeof err);
	close(files[0]);
	close(files[1]);
	return r;
}

static void says(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" does not say \"%s\"", text, part);
}

static unsigned line_count(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static int start(void **state)
{
	(void)state;
	int r = fixture_start(&f);

	swept = 0;
	sweeps = 0;
	unsetenv("PICKET_INSTANCE");
	unsetenv("NO_COLOR");
	setenv("PICKET_CONTROL", f.socket, 1);
	setenv("TZ", "UTC", 1);
	tzset();
	return r;
}

static int stop(void **state)
{
	(void)state;
	fixture_stop(&f);
	return 0;
}

/* --- shared options --- */

static void shared_options_stand_before_or_after_the_command(void **state)
{
	(void)state;
	unsetenv("PICKET_CONTROL");
	assert_int_equal(picket("doctor"), EXIT_DONE);
	assert_string_equal(seen_control, "/run/picket/default/control.sock");
	assert_string_equal(seen_instance, "default");
	assert_false(seen.json || seen.control_given || seen.instance_given || seen.color);
	assert_int_equal(picket("--json --instance edge-1 run -i eth0 --control=/tmp/x.sock -c f"),
			 EXIT_DONE);
	assert_string_equal(seen_args, "run -i eth0 -c f");
	assert_string_equal(seen_control, "/tmp/x.sock");
	assert_string_equal(seen_instance, "edge-1");
	assert_true(seen.json && seen.control_given && seen.instance_given);
	assert_int_equal(picket("run -- --json"), EXIT_DONE);
	assert_string_equal(seen_args, "run -- --json");
	assert_false(seen.json);
}

static void the_environment_names_socket_and_instance_and_flags_win(void **state)
{
	(void)state;
	assert_int_equal(picket("doctor"), EXIT_DONE);
	assert_string_equal(seen_control, f.socket);
	assert_false(seen.control_given);
	assert_int_equal(picket("doctor --control /tmp/other"), EXIT_DONE);
	assert_string_equal(seen_control, "/tmp/other");
	unsetenv("PICKET_CONTROL");
	setenv("PICKET_INSTANCE", "two", 1);
	assert_int_equal(picket("doctor"), EXIT_DONE);
	assert_string_equal(seen_control, "/run/picket/two/control.sock");
	assert_int_equal(picket("doctor --instance three"), EXIT_DONE);
	assert_string_equal(seen_control, "/run/picket/three/control.sock");
}

static void an_instance_name_cannot_lead_out_of_its_folder(void **state)
{
	(void)state;
	assert_int_equal(picket("status --instance ../x"), EXIT_USAGE);
	assert_int_equal(picket("status --instance ''"), EXIT_USAGE);
	setenv("PICKET_INSTANCE", "a/b", 1);
	assert_int_equal(picket("status"), EXIT_USAGE);
	says(err, "letters, digits");
}

static void an_unknown_command_is_answered_with_the_nearest(void **state)
{
	(void)state;
	assert_int_equal(picket("staus"), EXIT_USAGE);
	says(err, "did you mean `picket status`");
	assert_int_equal(picket("unblcok 192.0.2.7"), EXIT_USAGE);
	says(err, "`picket unblock`");
	assert_int_equal(picket("frobnicate"), EXIT_USAGE);
	says(err, "`picket help` lists them");
	assert_int_equal(picket("help evnts"), EXIT_USAGE);
	says(err, "`picket events`");
	assert_string_equal(out, "");
}

static void help_and_version_need_no_daemon(void **state)
{
	(void)state;
	static const char *const commands[] = {
		"run",    "doctor",  "demo",    "status",  "events",  "requests", "packets", "blocks",
		"block",  "unblock", "why",     "pending", "approve", "reject",   "mode",    "panic",
		"resume", "detach",  "proxies", "gateway", "config",  "lists",    "import",  "export",
	};

	assert_int_equal(picket("--version"), EXIT_DONE);
	assert_memory_equal(out, "picket ", 7);
	assert_int_equal(picket("help"), EXIT_DONE);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		says(out, commands[i]);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		char usage[64];

		snprintf(usage, sizeof usage, "usage: picket %s", commands[i]);
		assert_int_equal(picket("help %s", commands[i]), EXIT_DONE);
		says(out, usage);
		assert_int_equal(picket("%s --help", commands[i]), EXIT_DONE);
		says(out, usage);
	}
	assert_int_equal(picket("%s", ""), EXIT_USAGE);
	says(err, "usage: picket");
}

static void help_of_parts_shows_their_options(void **state)
{
	(void)state;
	assert_int_equal(picket("help config"), EXIT_DONE);
	says(out, "usage: picket config check [FILE] [-c FILE]\n       picket config show ");
	says(out, "--keep N");
	assert_int_equal(picket("help config redact"), EXIT_DONE);
	says(out, "usage: picket config redact [-c FILE] --test REQUEST [-H HEADER]...\n");
	assert_null(strstr(out, "--origin"));
	assert_int_equal(picket("config redact rotate-key --help"), EXIT_DONE);
	says(out, "usage: picket config redact rotate-key [-c FILE] [--keep N]\n");
	assert_int_equal(picket("proxies"), EXIT_DONE);
	assert_int_equal(picket("gateway"), EXIT_USAGE);
	says(err, "picket gateway: usage: picket gateway list");
	assert_int_equal(picket("help gateway test"), EXIT_DONE);
	says(out, "usage: picket gateway test [NAME] [-c FILE] [--dossier CLIENT]\n");
}

static void help_fits_80_columns(void **state)
{
	(void)state;
	for (const struct cli_command *c = cli_commands; c->name; c++) {
		assert_int_equal(picket("help %s", c->name), EXIT_DONE);
		char *text = strstr(out, "\n\n"); /* usage may be longer */

		for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
			if (strlen(line) > 80)
				fail_msg("help of %s: \"%s\"", c->name, line);
	}
}

static void help_in_json_has_an_object_for_each_command(void **state)
{
	(void)state;
	assert_int_equal(picket("help --json"), EXIT_DONE);
	says(out, "{\"command\":\"\",\"usage\":\"picket [OPTIONS] COMMAND [ARGUMENTS]\",");
	says(out, "\n{\"command\":\"config redact keys\",");
	says(out, "{\"name\":\"scope\",\"value\":\"ports|host\",\"choices\":[\"ports\",\"host\"],");
	says(out, "{\"letter\":\"f\",\"name\":\"follow\",\"help\":");
	assert_null(strstr(out, "\"command\":\"config\"")); /* it needs one of its parts */
	assert_int_equal(picket("help config redact keys --json"), EXIT_DONE);
	assert_memory_equal(out, "{\"command\":\"config redact keys\",", 32);
	assert_int_equal(line_count(out), 1);
}

static void the_names_of_events_are_those_of_events(void **state)
{
	(void)state;
	const struct cli_option *o = cli_command_find(cli_commands, "events")->options;
	struct buffer names = BUFFER_INIT(1024);

	while (!o->choices)
		o++;
	for (int kind = 1; kind < EVENT_KIND_MAX; kind++)
		buffer_printf(&names, "%s%s", kind > 1 ? "|" : "", event_kind_name(kind));
	buffer_append_char(&names, 0);
	assert_string_equal(o->choices, names.data);
	buffer_free(&names);
}

static void wrong_usage_is_exit_2_and_names_the_help(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"status now",
		"status --all",
		"events -n",
		"events -n ten",
		"events --nmae http.request",
		"events -x",
		"requests --name tcp.header",
		"blocks all",
		"block",
		"block 192.0.2.7 192.0.2.8",
		"block 192.0.2.7 --tll 15m",
		"block 192.0.2.7 --confirm-within soon",
		"block --confirm 192.0.2.7 --ttl 15m",
		"unblock",
		"why",
		"approve",
		"approve x",
		"mode loud",
		"panic now",
		"detach now",
		"proxies trust",
		"proxies like 192.0.2.7",
		"gateway",
		"gateway frob",
		"gateway test one two",
		"gateway test --frob",
		"--frob status",
		"status --control",
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		if (picket("%s", wrong[i]) != EXIT_USAGE)
			fail_msg("picket %s is no usage error", wrong[i]);
		says(err, "picket");
		assert_string_equal(out, "");
	}
	assert_int_equal(fake.asked_count, 0);
}

static void what_the_daemon_calls_wrong_is_exit_2(void **state)
{
	(void)state;
	assert_int_equal(picket("block 192.0.2.7/24"), EXIT_USAGE);
	says(err, "the network is 192.0.2.0/24");
	assert_int_equal(picket("block 192.0.2.7 --ttl 15"), EXIT_USAGE);
	says(err, "15m");
	assert_int_equal(picket("why example.org"), EXIT_USAGE);
	assert_int_equal(picket("events --name http.requests"), EXIT_USAGE);
	says(err, "http.request, net.connection");
	assert_string_equal(out, "");
}

/* --- no daemon --- */

static void without_a_daemon_every_command_is_exit_5_and_says_what_to_do(void **state)
{
	(void)state;
	static const char *const commands[] = {
		"status",
		"events",
		"events -f --json",
		"requests",
		"packets",
		"blocks",
		"block 192.0.2.7",
		"unblock 192.0.2.7",
		"why 192.0.2.7",
		"pending",
		"approve 1",
		"mode",
		"proxies",
		"gateway list",
		"lists",
		"export",
	};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		pid_t pid = fork(); /* -f sets handlers: not in this process */

		assert_true(pid >= 0);
		if (!pid) {
			int r = picket("--control /nonexistent/control.sock %s", commands[i]);
			bool told =
				strstr(err, "/nonexistent/control.sock: start it with `picket run`") && !*out;

			_exit(r == EXIT_UNREACHABLE && told ? 0 : 1);
		}
		int status;

		waitpid(pid, &status, 0);
		if (status)
			fail_msg("picket %s without a daemon", commands[i]);
	}
}

static void a_socket_that_may_not_be_opened_is_exit_3(void **state)
{
	(void)state;
	int status;

	if (geteuid())
		skip();
	chmod(f.folder, 0755);
	chmod(f.socket, 0600);
	pid_t pid = fork();

	if (!pid) {
		if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
			_exit(100);
		_exit(picket("status") == EXIT_NOT_PERMITTED && strstr(err, "group picket") ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

/* --- status --- */

static void status_fits_80_columns_and_shows_what_needs_attention(void **state)
{
	(void)state;
	struct addr proxy = fixture_prefix("2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff").addr;

	proxies_note(f.proxies, &proxy, true, 1);
	fake.warden.status.kill = 1;
	strcpy(fake.warden.status.attachments[0].note,
	       "native XDP is held by program 7 \"other\": tc is used instead");
	assert_int_equal(picket("status"), EXIT_DONE);
	says(out, "KILL SWITCH ON");
	says(out, "picket proxies trust 2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff");
	says(out, "not kept over a restart");
	for (char *line = strtok(out, "\n"); line; line = strtok(NULL, "\n"))
		if (strlen(line) > 80)
			fail_msg("%zu columns: %s", strlen(line), line);
}

static void status_shows_what_passes_where_packets_are_read(void **state)
{
	(void)state;
	assert_int_equal(picket("status"), EXIT_DONE);
	assert_null(strstr(out, "passing"));
	f.config->capture.packets = CAPTURE_PACKETS_FORWARDED;
	fake.capture.packets.tracked.held_max = 65536;
	fake.capture.packets.tracked.evicted = 3;
	fake.capture.packets.datagrams.held_max = 1024;
	assert_int_equal(picket("status"), EXIT_DONE);
	says(out, "0 of at most 65536 connections followed (3 given up)");
}

static void json_of_a_resource_is_one_line(void **state)
{
	(void)state;
	static const char *const commands[] = {"status", "why 192.0.2.7", "mode", "block 192.0.2.7"};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		picket("%s --json", commands[i]);
		assert_int_equal(line_count(out), 1);
		assert_true(out[0] == '{' && out[strlen(out) - 2] == '}');
	}
}

/* --- events --- */

static void events_in_json_pass_through_line_by_line(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT(65536);
	struct json_writer w = JSON_WRITER(&b);
	struct event *e = fixture_decision("192.0.2.7", DECISION_REFUSED, "no_handshake", "");

	tail_put(f.tail, e);
	event_json_data(&w, e);
	buffer_append(&b, "\n", 2);
	assert_int_equal(picket("events --json"), EXIT_DONE);
	assert_string_equal(out, b.data);
	buffer_free(&b);
	event_unref(e);
}

static void events_take_names_numbers_and_the_newest(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		fixture_put_request(&f, i == 4 ? "/last" : "/x");
		fixture_put_header(&f, "192.0.2.7", "198.51.100.1", 2);
	}
	assert_int_equal(picket("events"), EXIT_DONE);
	assert_int_equal(line_count(out), 10);
	assert_int_equal(picket("events --name http.request --name net.connection -n 2"), EXIT_DONE);
	assert_int_equal(line_count(out), 2);
	says(out, "/last");
	assert_int_equal(picket("requests -n 1"), EXIT_DONE);
	says(out, "192.0.2.7:50122");
	says(out, "GET /last");
	assert_int_equal(picket("packets --json --back 3"), EXIT_DONE);
	assert_int_equal(line_count(out), 3);
	assert_int_equal(picket("requests --back 5 -n 2"), EXIT_DONE);
	assert_int_equal(line_count(out), 2);
	assert_null(strstr(out, "/last"));
}

static void packets_are_printed_as_tcpdump_does(void **state)
{
	(void)state;
	fixture_put_header(&f, "192.0.2.7", "198.51.100.1", 0x012);
	assert_int_equal(picket("packets"), EXIT_DONE);
	assert_string_equal(
		out,
		"22:13:20.123456 IP 192.0.2.7.50122 > 198.51.100.1.80: Flags [S.], seq 4294967295, ack 7, "
		"win 64240, hlen 40, length 12\n");
	fixture_put_header(&f, "2001:db8::7", "2001:db8::1", 0x1ff);
	assert_int_equal(picket("packets -n 1"), EXIT_DONE);
	says(out, "IP6 2001:db8::7.50122 > 2001:db8::1.80: Flags [FSRP.UEWe], ");
	fixture_put_header(&f, "192.0.2.7", "198.51.100.1", 0);
	assert_int_equal(picket("packets -n 1"), EXIT_DONE);
	says(out, "Flags [none], ");
}

static void no_outside_byte_reaches_the_terminal_as_a_control(void **state)
{
	(void)state;
	fixture_put_request(&f, "/\x1b[2J\r\n\x9b\xff\x07/forged \xe2\x80\xae");
	assert_int_equal(picket("requests"), EXIT_DONE);
	says(out, "/\\x1b[2J\\x0d\\n");
	says(out, "\\u{202e}");
	assert_int_equal(line_count(out), 1);
	for (const unsigned char *p = (const unsigned char *)out; *p; p++)
		assert_true(*p >= 0x20 || *p == '\n');
}

/* picket in a child of its own, its stdout a pipe. */
static pid_t picket_in_child(const char *line, int *ret_fd)
{
	int pipe_fds[2];
	char copy[256], *argv[16];

	assert_int_equal(pipe(pipe_fds), 0);
	fflush(stdout);
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		dup2(pipe_fds[1], 1);
		close(pipe_fds[0]);
		close(pipe_fds[1]);
		snprintf(copy, sizeof copy, "%s", line);
		int argc = split(copy, argv, 16);

		_exit(cli_main(argc, argv));
	}
	close(pipe_fds[1]);
	*ret_fd = pipe_fds[0];
	return pid;
}

static void following_prints_at_once_and_ctrl_c_ends_it_cleanly(void **state)
{
	(void)state;
	char text[512] = "";
	int fd, status;

	fixture_put_request(&f, "/before");
	pid_t pid = picket_in_child("events -f --back 1 --json", &fd);

	assert_true(read(fd, text, sizeof text - 1) > 0);
	says(text, "/before");
	fixture_put_request(&f, "/after");
	memset(text, 0, sizeof text);
	assert_true(read(fd, text, sizeof text - 1) > 0); /* a pipe, and not held back until it is full */
	says(text, "/after");
	kill(pid, SIGINT);
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EXIT_DONE);
	close(fd);
}

static void following_ends_after_the_number_asked_for(void **state)
{
	(void)state;
	char text[4096];
	int fd, status;
	size_t len = 0;
	ssize_t n;

	for (int i = 0; i < 5; i++)
		fixture_put_request(&f, "/x");
	pid_t pid = picket_in_child("requests -f --back 5 -n 3", &fd);

	while ((n = read(fd, text + len, sizeof text - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = 0;
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(line_count(text), 3);
	close(fd);
}

static void a_reader_that_leaves_ends_it_without_a_word(void **state)
{
	(void)state;
	char text[64];
	int fd, status;

	fixture_put_request(&f, "/x");
	pid_t pid = picket_in_child("events -f --back 1 --json", &fd);

	assert_true(read(fd, text, sizeof text) > 0);
	close(fd);
	for (int i = 0; i < 3; i++)
		fixture_put_request(&f, "/y");
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

static void a_daemon_that_ends_is_exit_5_for_its_followers(void **state)
{
	(void)state;
	int fd, status;
	char text[512];

	fixture_put_request(&f, "/x");
	pid_t pid = picket_in_child("events -f --back 1 --json", &fd);

	assert_true(read(fd, text, sizeof text) > 0);
	api_free(f.api);
	f.api = NULL;
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EXIT_UNREACHABLE);
	close(fd);
}

/* --- blocks --- */

static void block_says_for_how_long_and_what_undoes_it(void **state)
{
	(void)state;
	assert_int_equal(picket("block 192.0.2.7 --ttl 1h --reason 'guesses passwords' --scope host"),
			 EXIT_DONE);
	assert_string_equal(fake.asked.reason, "guesses passwords");
	assert_int_equal(fake.asked.ttl_ms, 3600000);
	assert_int_equal(fake.asked.scope, VERDICT_SCOPE_HOST);
	says(out, "192.0.2.7 is blocked for 1h (every packet)");
	says(out, "undo: picket unblock 192.0.2.7");
}

static void a_block_that_needs_confirmation_names_the_command(void **state)
{
	(void)state;
	assert_int_equal(picket("block --confirm-within 90s 2001:db8::/48"), EXIT_DONE);
	assert_int_equal(fake.confirm_within_ms, 90000);
	says(out, "picket block --confirm 2001:db8::/48");
	assert_int_equal(picket("block --confirm 2001:db8::/48"), EXIT_DONE);
	assert_int_equal(fake.confirmed.bits, 48);
	fake.confirm_result = BLOCKS_E_NONE;
	assert_int_equal(picket("block --confirm 2001:db8::/48"), EXIT_NO);
}

static void a_block_that_is_not_done_is_exit_1(void **state)
{
	(void)state;
	fake.decision = (struct decision){.outcome = DECISION_WOULD_BLOCK, .why = "observe"};
	assert_int_equal(picket("block 192.0.2.7"), EXIT_NO);
	says(err, "192.0.2.7 is not blocked: would_block");
}

static void a_refusal_of_the_guard_is_exit_4_with_its_reason(void **state)
{
	(void)state;
	fake.decision =
		(struct decision){.outcome = DECISION_REFUSED,
				  .why = "protected_network",
				  .detail = "overlaps 192.0.2.0/28 (login session), which is never blocked"};
	assert_int_equal(picket("block 192.0.2.7"), EXIT_REFUSED);
	says(err, "refused by the guard: protected_network: overlaps 192.0.2.0/28 (login session)");
	assert_string_equal(out, "");
}

static void a_kernel_that_cannot_be_written_is_exit_5(void **state)
{
	(void)state;
	fake.decision = (struct decision){
		.outcome = DECISION_REFUSED, .why = "install_failed", .detail = "Broken pipe"};
	assert_int_equal(picket("block 192.0.2.7"), EXIT_UNREACHABLE);
	assert_int_equal(picket("unblock 192.0.2.7"), EXIT_UNREACHABLE);
}

static void unblock_of_nothing_is_exit_1(void **state)
{
	(void)state;
	fake.decision.outcome = DECISION_UNBLOCKED;
	assert_int_equal(picket("unblock 192.0.2.0/24"), EXIT_DONE);
	assert_int_equal(fake.asked.target.bits, 24);
	fake.decision = (struct decision){.outcome = DECISION_REFUSED, .why = "not_blocked"};
	assert_int_equal(picket("unblock 192.0.2.7"), EXIT_NO);
	says(err, "picket blocks");
}

static void blocks_are_a_table_or_lines_of_json(void **state)
{
	(void)state;
	struct block_told blocks[2] = {fixture_block("192.0.2.7"), fixture_block("2001:db8::/48")};

	assert_int_equal(picket("blocks"), EXIT_DONE);
	assert_string_equal(out, "nothing is blocked\n");
	assert_int_equal(picket("blocks --json"), EXIT_DONE);
	assert_string_equal(out, "");
	blocks[1].since_ns -= NS_PER_S;
	strcpy(blocks[1].verdict.reason, "moves the cursor\033[H");
	fake.blocks = blocks;
	fake.block_count = 2;
	assert_int_equal(picket("blocks"), EXIT_DONE);
	assert_int_equal(line_count(out), 3);
	says(out, "192.0.2.7      block   ports");
	says(out, "local/login_guessing");
	says(out, "1204");
	says(out, "cursor\\x1b[H");
	assert_int_equal(picket("blocks --json"), EXIT_DONE);
	assert_int_equal(line_count(out), 2);
	says(out, "{\"target\":\"192.0.2.7\"");
	says(out, "\"packets\":1204");
}

static void why_tells_the_story_and_answers_by_its_status(void **state)
{
	(void)state;
	fake.why = (struct why){.blocked = true, .block = fixture_block("192.0.2.0/24"), .handshake = true};
	fake.history[0] = fixture_decision("192.0.2.0/24", DECISION_BLOCKED, "ok", "");
	fake.history_count = 1;
	assert_int_equal(picket("why 192.0.2.7"), EXIT_DONE);
	says(out, "192.0.2.7 is blocked in the kernel (watched ports) for another 1");
	says(out, "by the block of 192.0.2.0/24");
	says(out, "local: login_guessing");
	says(out, "20 POSTs to /login in 60s");
	says(out, "run-7");
	says(out, "1204 packets, 72.0 kB");
	says(out, "picket unblock 192.0.2.0/24");
	says(out, "Decisions, newest first:");
	assert_int_equal(picket("why 192.0.2.7 --json"), EXIT_DONE);
	fake.why = (struct why){.class = PROXY_CLASS_UNCLASSIFIED};
	assert_int_equal(picket("why 2001:db8::7"), EXIT_NO);
	says(out, "2001:db8::7 is not blocked\n");
	says(out, "picket proxies trust 2001:db8::7");
	assert_int_equal(picket("why 2001:db8::7 --json"), EXIT_NO);
}

static void export_writes_what_is_blocked_as_a_list(void **state)
{
	(void)state;
	struct block_told blocks[4] = {fixture_block("192.0.2.7"), fixture_block("2001:db8::/48"),
				       fixture_block("198.51.100.9"), fixture_block("203.0.113.7")};

	assert_int_equal(picket("export"), EXIT_DONE);
	assert_int_equal(line_count(out), 1);
	assert_memory_equal(out, "# ", 2);
	blocks[1].verdict.source = VERDICT_OPERATOR;
	strcpy(blocks[1].verdict.origin, "uid:1000");
	blocks[2].verdict.action = VERDICT_SHADOW;
	blocks[3].http = blocks[3].published = true;
	fake.blocks = blocks;
	fake.block_count = 4;
	assert_int_equal(picket("export"), EXIT_DONE);
	says(out, "\n192.0.2.7 # until 20");
	says(out, ", login_guessing: 20 POSTs to /login in 60s\n");
	says(out, "\n2001:db8::/48 # until 20");
	says(out, ", operator: ");
	assert_null(strstr(out, "uid:1000"));
	assert_null(strstr(out, "198.51.100.9"));
	says(err, "1 with action rate_limit or shadow are not in it");
	assert_int_equal(picket("export --format crowdsec"), EXIT_DONE);
	assert_memory_equal(out, "[{\"duration\":\"8", 15);
	assert_int_equal(line_count(out), 1);
	assert_int_equal(picket("export --format stix --published"), EXIT_DONE);
	says(out, "[ipv4-addr:value = '203.0.113.7']");
	assert_null(strstr(out, "192.0.2.7"));
	assert_int_equal(picket("export --published --json"), EXIT_DONE);
	assert_int_equal(line_count(out), 1);
	says(out, "\"point\":\"published\"");
	assert_int_equal(picket("blocks"), EXIT_DONE);
	says(out, "  published  ");
	assert_int_equal(picket("export --format xml"), EXIT_USAGE);
	says(err, "--format is plain, crowdsec, stix or misp");
	assert_int_equal(picket("export --format auto"), EXIT_USAGE);
	assert_int_equal(picket("export now"), EXIT_USAGE);
}

static const char *file_with(const char *text)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/list", f.folder);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	return path;
}

static void import_blocks_each_entry_of_a_file(void **state)
{
	(void)state;
	const char *path = file_with("192.0.2.7\n198.51.100.0/24 # bad\n2001:db8::7\n");

	assert_int_equal(picket("import %s --ttl 2h --action rate_limit --scope host", path), EXIT_DONE);
	assert_int_equal(fake.asked_count, 3);
	assert_int_equal(fake.asked.ttl_ms, 7200000);
	assert_int_equal(fake.asked.action, VERDICT_RATE_LIMIT);
	assert_int_equal(fake.asked.scope, VERDICT_SCOPE_HOST);
	assert_string_equal(fake.asked.reason, "imported");
	struct prefix last = fixture_prefix("2001:db8::7");
	assert_true(prefix_equal(&fake.asked.target, &last));
	says(out, "3 blocked, 0 refused");
	/* An end of its own goes before --ttl. */
	path = file_with("[{\"value\":\"192.0.2.9\",\"duration\":\"1h\",\"reason\":\"x\"},"
			 "{\"value\":\"192.0.2.10\",\"scope\":\"Country\"}]");
	assert_int_equal(picket("import %s --ttl 2h --reason feed", path), EXIT_DONE);
	assert_in_range(fake.asked.ttl_ms, 3590000, 3600000);
	assert_string_equal(fake.asked.reason, "feed");
	says(out, "1 blocked, 0 refused");
	says(out, "1 ask for no block of an address");
	assert_int_equal(picket("import --json %s", path), EXIT_DONE);
	assert_int_equal(line_count(out), 1);
	says(out, "\"outcome\":\"blocked\"");
	unlink(path);
}

static void import_says_what_it_could_not_block(void **state)
{
	(void)state;
	const char *path = file_with("192.0.2.7\nhost.example\x1b[2J\n192.0.2.8\n");

	assert_int_equal(picket("import %s", path), EXIT_NO);
	assert_int_equal(fake.asked_count, 2);
	says(err, "record 2 of ");
	says(err, "is no address or prefix");
	assert_null(strchr(err, '\x1b'));
	says(out, "2 blocked, 0 refused; in the file 1 records could not be read");
	fake.decision = (struct decision){.outcome = DECISION_REFUSED,
					  .why = "protected_network",
					  .detail = "overlaps 192.0.2.0/24 (configured)"};
	assert_int_equal(picket("import %s", path), EXIT_REFUSED);
	says(err, "192.0.2.7 is refused: protected_network: overlaps 192.0.2.0/24 (configured)");
	says(out, "0 blocked, 2 refused");
	/* What would be said of every entry is said once. */
	unsigned before = fake.asked_count;
	assert_int_equal(picket("import %s --ttl soon", path), EXIT_USAGE);
	says(err, "ttl must be a time with its unit");
	assert_int_equal(fake.asked_count, before);
	unlink(path);
	assert_int_equal(picket("import %s", path), EXIT_USAGE);
	says(err, "cannot be read: No such file");
	assert_int_equal(picket("import"), EXIT_USAGE);
	says(err, "usage: picket import FILE");
	path = file_with("");
	assert_int_equal(picket("import %s", path), EXIT_USAGE);
	says(err, "is empty");
	assert_int_equal(picket("import %s --format xml", path), EXIT_USAGE);
	unlink(path);
}

static void block_lists_are_a_table_with_what_is_wrong_below(void **state)
{
	(void)state;
	assert_int_equal(picket("lists"), EXIT_DONE);
	says(out, "no block list is configured");
	assert_int_equal(picket("lists --json"), EXIT_DONE);
	assert_string_equal(out, "");
	fixture_list();
	assert_int_equal(picket("lists"), EXIT_DONE);
	says(out, "LIST  FORMAT  ACTION  SCOPE  ENTRIES  IN FORCE  REFUSED  UNREADABLE");
	says(out, "drop  plain   block   ports      120       117        3           1");
	says(out, "drop: the file /lists/drop.txt is empty");
	says(out, "130 of 250 entries went at once");
	says(out, "drop: 2 refused: protected_network");
	says(out, "record 7 cannot be read: \"host.example\" is no address or prefix");
	assert_int_equal(picket("lists --json"), EXIT_DONE);
	assert_int_equal(line_count(out), 1);
	says(out, "{\"name\":\"drop\"");
	assert_int_equal(picket("blocks"), EXIT_DONE);
	says(out, "drop: 117 addresses and prefixes of /lists/drop.txt, blocked");
	assert_int_equal(picket("status"), EXIT_DONE);
	says(out, "drop: 117 of 120 entries in force; its file is empty");
}

static void unblock_says_what_is_left(void **state)
{
	(void)state;
	fake.decision = (struct decision){.outcome = DECISION_UNBLOCKED,
					  .why = "ok",
					  .detail = "the block list drop names it: take it out"};
	assert_int_equal(picket("unblock 192.0.2.7"), EXIT_DONE);
	says(out, "the block of 192.0.2.7 is taken back, but the block list drop names it: take it out");
	fake.decision.outcome = DECISION_REFUSED;
	strcpy(fake.decision.why, "in_list");
	assert_int_equal(picket("unblock 192.0.2.7"), EXIT_REFUSED);
	says(err, "the block list drop names it");
}

static void pending_blocks_are_listed_and_answered(void **state)
{
	(void)state;
	assert_int_equal(picket("pending"), EXIT_DONE);
	says(out, "nothing waits");
	fake.pending[0] = (struct pending){.id = 41,
					   .verdict = fixture_block("192.0.2.7").verdict,
					   .why = "approve",
					   .expires_ns = clock_boot_ns(&clock_system) + 3000 * NS_PER_S};
	fake.pending_count = 1;
	assert_int_equal(picket("pending"), EXIT_DONE);
	says(out, "ID  TARGET     SCOPE  TTL  BY");
	says(out, "41  192.0.2.7  ports  15m  local/login_guessing");
	fake.pending[0].verdict.scope = VERDICT_SCOPE_HOST;
	fake.pending[0].verdict.ttl_ms = 5400000;
	assert_int_equal(picket("pending"), EXIT_DONE);
	says(out, "41  192.0.2.7  host   1h30m  local/login_guessing");
	assert_int_equal(picket("pending --json"), EXIT_DONE);
	says(out, "{\"pending_id\":41,");
	assert_int_equal(picket("approve 41"), EXIT_DONE);
	assert_true(fake.answered_yes);
	says(out, "192.0.2.7: blocked");
	assert_int_equal(picket("reject 41"), EXIT_DONE);
	assert_false(fake.answered_yes);
	assert_int_equal(picket("approve 7"), EXIT_NO);
}

/* --- settings --- */

static void mode_shows_and_sets(void **state)
{
	(void)state;
	assert_int_equal(picket("mode"), EXIT_DONE);
	assert_string_equal(out, "enforce\nafter a restart: observe, as configured\n");
	assert_int_equal(picket("mode observe"), EXIT_DONE);
	assert_string_equal(out, "observe\n");
	assert_int_equal(fake.mode, MODE_OBSERVE);
}

static void proxies_are_listed_and_classified(void **state)
{
	(void)state;
	struct addr proxy = fixture_prefix("192.0.2.9").addr;

	assert_int_equal(picket("proxies"), EXIT_DONE);
	says(out, "no peer looks like a proxy");
	proxies_note(f.proxies, &proxy, true, 1);
	assert_int_equal(picket("proxies"), EXIT_DONE);
	says(out, "192.0.2.9  unclassified         1          1  100.0 %");
	assert_int_equal(picket("proxies --json"), EXIT_DONE);
	assert_int_equal(line_count(out), 1);
	says(out, "{\"address\":\"192.0.2.9\",\"class\":\"unclassified\"");
	assert_int_equal(picket("proxies trust 192.0.2.9"), EXIT_DONE);
	assert_int_equal(proxies_class(f.proxies, &proxy), PROXY_CLASS_TRUSTED);
	assert_int_equal(picket("proxies trust 10.7.0.9"), EXIT_DONE);
	proxies_note_source(f.proxies, &proxy, CLIENT_BY_X_REAL_IP);
	assert_int_equal(picket("proxies"), EXIT_DONE);
	says(out, "192.0.2.9  trusted         1          1  100.0 %  x_real_ip");
	says(out, "10.7.0.9   trusted         0          0    0.0 %  -           never");
	assert_int_equal(picket("proxies direct 192.0.2.9"), EXIT_DONE);
	assert_int_equal(proxies_class(f.proxies, &proxy), PROXY_CLASS_DIRECT);
	assert_int_equal(picket("proxies trust 0.0.0.0/0"), EXIT_USAGE);
}

static void gateways_are_listed(void **state)
{
	(void)state;
	strcpy(fake.gateways[0].last_error, "connection refused");
	assert_int_equal(picket("gateway list"), EXIT_DONE);
	says(out, "GATEWAY  PROTOCOL  URL  ROLE");
	says(out, "\n  local: connection refused\n");
	assert_int_equal(picket("gateway list --json"), EXIT_DONE);
	assert_int_equal(line_count(out), 1);
	says(out, "{\"name\":\"local\"");
}

static void clients_are_listed(void **state)
{
	struct event e = {.kind = EVENT_HTTP_REQUEST, .time_ns = clock_boot_ns(&clock_system)};

	(void)state;
	assert_int_equal(picket("clients"), EXIT_DONE);
	says(out, "nobody is known");
	e.request.client.addr = fixture_prefix("192.0.2.1").addr;
	e.request.method = SPAN("GET");
	e.request.user_agent = SPAN("evil\x1b[2Jagent");
	e.request.consumer = SPAN("c_0100000000000000aa");
	e.request.answered = EVENT_ANSWER_SEEN;
	e.request.status = 401;
	for (unsigned i = 0; i < 3; i++) {
		behaviour_note(f.behaviour, &e);
		e.time_ns += NS_PER_S;
	}
	assert_int_equal(picket("clients"), EXIT_DONE);
	says(out, "192.0.2.1 ");
	says(out, "consumer:c_0100000000000000aa");
	assert_int_equal(picket("clients --kind consumer --json"), EXIT_DONE);
	says(out, "\"unauthorized\":3");
	assert_null(strstr(out, "\"target\":\"192.0.2.1\""));
	assert_int_equal(picket("clients -n 1"), EXIT_DONE);
	says(out, "more than these 1");
	assert_int_equal(picket("clients 192.0.2.1"), EXIT_DONE);
	says(out, "3 requests");
	says(out, "one each 1000 ms");
	assert_null(strstr(out, "\x1b[2J"));
	says(out, "passes");
	assert_int_equal(picket("clients 192.0.2.9"), EXIT_NO);
	assert_int_equal(picket("clients nonsense"), EXIT_USAGE);
	assert_int_equal(picket("clients --kind friend"), EXIT_USAGE);
	assert_int_equal(picket("clients -n 0"), EXIT_USAGE);
	assert_int_equal(picket("clients 192.0.2.1 192.0.2.2"), EXIT_USAGE);
}

static void what_is_normal_is_listed_and_reset(void **state)
{
	struct addr who = {.family = ADDR_IPV4, .bytes = {10, 0, 0, 1}};

	(void)state;
	assert_int_equal(picket("baseline"), EXIT_DONE);
	says(out, "nothing is known");
	baseline_note(f.baseline, "object-enumeration", SPAN("/orders/{id}"), &who, 1,
		      clock_boot_ns(&clock_system));
	assert_int_equal(picket("baseline"), EXIT_DONE);
	says(out, "/orders/{id}");
	says(out, "object-enumeration");
	assert_int_equal(picket("baseline /other"), EXIT_DONE);
	says(out, "nothing is known");
	assert_int_equal(picket("baseline /orders/{id} --json"), EXIT_DONE);
	says(out, "\"normal\":");
	assert_int_equal(picket("baseline learning frozen"), EXIT_DONE);
	assert_true(baseline_is_frozen(f.baseline));
	assert_int_equal(picket("baseline"), EXIT_DONE);
	says(out, "learning is frozen");
	assert_int_equal(picket("baseline learning on"), EXIT_DONE);
	assert_int_equal(picket("baseline learning"), EXIT_USAGE);
	assert_int_equal(picket("baseline learning off"), EXIT_USAGE);
	assert_int_equal(picket("baseline orders"), EXIT_USAGE);
	assert_int_equal(picket("baseline reset /other"), EXIT_NO);
	assert_int_equal(picket("baseline reset /orders/{id}"), EXIT_DONE);
	says(out, "forgotten: 1");
	assert_int_equal(picket("baseline reset"), EXIT_DONE);
}

static void routes_are_listed(void **state)
{
	(void)state;
	char route[ROUTES_TEXT_MAX + 8];

	for (unsigned i = 0; i < 20; i++)
		ask(f.routes,
		    &(struct ask){.host = "api.example", .path = "/shadow/7", .client = i, .status = 200},
		    route);
	assert_int_equal(picket("routes"), EXIT_DONE);
	says(out, "GET     /shadow/{id}        api.example        11");
	says(out, "/v1/items/{itemId}");
	assert_int_equal(picket("routes --undocumented --json"), EXIT_DONE);
	assert_int_equal(line_count(out), 1);
	says(out,
	     "{\"host\":\"api.example\",\"method\":\"GET\",\"route\":\"/shadow/{id}\",\"documented\":false");
	assert_int_equal(picket("routes --host www.example --json"), EXIT_DONE);
	assert_int_equal(line_count(out), 0);
	assert_int_equal(picket("routes --hosts"), EXIT_USAGE);
	assert_int_equal(picket("routes users"), EXIT_USAGE);
}

/* --- panic --- */

static int kill_map_new(const char *name)
{
	return bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(uint32_t), sizeof(uint32_t), 1, NULL);
}

static uint32_t kill_map_get(int fd)
{
	uint32_t key = 0, value = 99;

	assert_int_equal(bpf_map_lookup_elem(fd, &key, &value), 0);
	return value;
}

static void write_kill_id(int map)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof info;
	char path[128];

	assert_int_equal(bpf_obj_get_info_by_fd(map, &info, &len), 0);
	snprintf(path, sizeof path, "%s/kill.id", f.folder);
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fprintf(file, "%u\n", info.id);
	fclose(file);
}

static void panic_by_map_id_needs_no_daemon(void **state)
{
	(void)state;
	int map = kill_map_new("pk_kill");
	char path[128];

	if (map < 0)
		skip(); /* no right to make BPF maps here */
	api_free(f.api);
	f.api = NULL;
	write_kill_id(map);
	assert_int_equal(picket("panic"), EXIT_DONE);
	assert_int_equal(kill_map_get(map), 1);
	says(out, "picket resume");
	assert_int_equal(picket("resume --json"), EXIT_DONE);
	assert_int_equal(kill_map_get(map), 0);
	says(out, "{\"kill_switch\":false,");
	snprintf(path, sizeof path, "%s/kill.id", f.folder);
	unlink(path);
	close(map);
}

static void panic_never_writes_a_map_that_is_not_the_kill_switch(void **state)
{
	(void)state;
	int map = kill_map_new("other");
	char path[128];

	if (map < 0)
		skip();
	write_kill_id(map); /* the id was given away since */
	assert_int_equal(picket("panic --instance picket-unit-none"), EXIT_UNREACHABLE);
	assert_int_equal(kill_map_get(map), 0);
	says(err, "--instance or --control");
	snprintf(path, sizeof path, "%s/kill.id", f.folder);
	unlink(path);
	close(map);
}

#define BPFFS        "/sys/fs/bpf"
#define PINS         BPFFS "/picket"
#define PIN_PATH_MAX 96

/* A bpffs that nobody else sees: daemons of this machine have pins of the same names. */
static bool bpffs_own(void)
{
	return !unshare(CLONE_NEWNS) && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	       !mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

static bool has_own_bpffs;

/* A kill switch pinned as the instance's would be; false: that cannot be done here. */
struct pinned {
	int map;
	char folder[PIN_PATH_MAX], pin[PIN_PATH_MAX + 8];
};

static bool pin_new(const char *instance, const char *map_name, struct pinned *p)
{
	if (!has_own_bpffs)
		return false;
	p->map = kill_map_new(map_name);
	snprintf(p->folder, sizeof p->folder, PINS "/%s", instance);
	snprintf(p->pin, sizeof p->pin, "%s/kill", p->folder);
	mkdir(PINS, 0700);
	assert_int_equal(mkdir(p->folder, 0700), 0);
	assert_int_equal(bpf_obj_pin(p->map, p->pin), 0);
	return true;
}

static void pin_end(struct pinned *p)
{
	unlink(p->pin);
	rmdir(p->folder);
	rmdir(PINS);
	close(p->map);
}

static void panic_by_pin_finds_the_instance(void **state)
{
	(void)state;
	struct pinned p;

	if (!pin_new("two", "pk_kill", &p))
		skip();
	int on = picket("panic --instance two");
	uint32_t panicked = kill_map_get(p.map);
	int off = picket("resume --instance two");
	uint32_t resumed = kill_map_get(p.map);

	pin_end(&p);
	assert_int_equal(on, EXIT_DONE);
	assert_int_equal(panicked, 1);
	assert_int_equal(off, EXIT_DONE);
	assert_int_equal(resumed, 0);
}

static void panic_by_a_named_socket_never_switches_the_default_instance(void **state)
{
	(void)state;
	struct pinned p;

	if (!pin_new("default", "pk_kill", &p))
		skip();
	int by_environment = picket("panic");
	char said[sizeof err];

	snprintf(said, sizeof said, "%s", err);
	unsetenv("PICKET_CONTROL");
	int by_flag = picket("panic --control %s", f.socket);
	uint32_t named = kill_map_get(p.map);
	int unnamed = picket("panic");
	uint32_t by_default = kill_map_get(p.map);

	pin_end(&p);
	assert_int_equal(by_environment, EXIT_UNREACHABLE);
	says(said, f.socket);
	says(said, "picket panic --instance NAME");
	assert_int_equal(by_flag, EXIT_UNREACHABLE);
	assert_int_equal(named, 0);
	assert_int_equal(unnamed, EXIT_DONE);
	assert_int_equal(by_default, 1);
}

static void panic_without_rights_is_exit_3(void **state)
{
	(void)state;
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (!geteuid() && (setgroups(0, NULL) || setgid(65534) || setuid(65534)))
			_exit(100);
		_exit(picket("panic") == EXIT_NOT_PERMITTED && strstr(err, "sudo picket panic") ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

/* --- detach --- */

static bool there(const char *path)
{
	return access(path, F_OK) == 0;
}

static void detach_removes_the_pin_the_folder_and_filters(void **state)
{
	(void)state;
	struct pinned p;

	if (!pin_new("two", "pk_kill", &p))
		skip();
	swept = 2;
	assert_int_equal(picket("detach --instance two"), EXIT_DONE);
	assert_string_equal(out, "removed 2 filters of a picket that is gone\n"
				 "removed " PINS "/two/kill\n"
				 "removed " PINS "/two\n"
				 "removed " PINS "\n");
	assert_false(there(PINS));
	swept = 0;
	assert_int_equal(picket("detach --instance two"), EXIT_DONE);
	assert_string_equal(out, "nothing of instance two was left\n");
	assert_int_equal(picket("detach --instance two --json"), EXIT_DONE);
	assert_string_equal(out, "{\"instance\":\"two\",\"filters\":0,\"removed\":[],\"kept\":[]}\n");
	pin_end(&p);
}

static void pin_map(const struct pinned *p, const char *version, const char *name)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", p->folder, version);
	mkdir(path, 0700);
	snprintf(path, sizeof path, "%s/%s/%s", p->folder, version, name);
	assert_int_equal(bpf_obj_pin(p->map, path), 0);
}

static void detach_removes_what_is_pinned_unless_it_is_to_stay(void **state)
{
	(void)state;
	struct pinned p;

	if (!pin_new("two", "pk_kill", &p))
		skip();
	pin_map(&p, "v1", "pk_deny4");
	pin_map(&p, "v1", "link-tc-1-2");
	pin_map(&p, "v2", "pk_deny4");
	sweeps = 0;
	assert_int_equal(picket("detach --instance two --keep-pinned"), EXIT_DONE);
	assert_string_equal(out, "kept " PINS "/two/v2: blocks hold there (enforcement.pin)\n"
				 "kept " PINS "/two/v1: blocks hold there (enforcement.pin)\n");
	assert_int_equal(sweeps, 0); /* filters without a link are part of it */
	assert_true(there(p.pin));
	assert_true(there(PINS "/two/v1/link-tc-1-2"));
	assert_int_equal(picket("detach --instance two --json"), EXIT_DONE);
	assert_string_equal(out,
			    "{\"instance\":\"two\",\"filters\":0,\"removed\":[\"" PINS "/two/v2\",\"" PINS
			    "/two/v1\",\"" PINS "/two/kill\",\"" PINS "/two\",\"" PINS "\"],\"kept\":[]}\n");
	assert_false(there(PINS));
	assert_int_equal(picket("detach --instance two --keep-pinned"), EXIT_DONE);
	assert_string_equal(out, "nothing of instance two was left\n");
	assert_int_equal(picket("detach --kept"), EXIT_USAGE);
	pin_end(&p);
}

static void detach_leaves_other_instances_alone(void **state)
{
	(void)state;
	struct pinned mine, other;

	if (!pin_new("two", "pk_kill", &mine) || !pin_new("three", "pk_kill", &other))
		skip();
	setenv("PICKET_INSTANCE", "two", 1);
	assert_int_equal(picket("detach --json"), EXIT_DONE);
	assert_string_equal(out, "{\"instance\":\"two\",\"filters\":0,\"removed\":[\"" PINS
				 "/two/kill\",\"" PINS "/two\"],\"kept\":[]}\n");
	assert_false(there(mine.folder));
	assert_true(there(other.pin));
	pin_end(&mine);
	pin_end(&other);
}

static void detach_removes_nothing_while_a_daemon_runs(void **state)
{
	(void)state;
	struct pinned p;
	char path[128];

	if (!pin_new("two", "pk_kill", &p))
		skip();
	snprintf(path, sizeof path, "%s/lock", f.folder);
	int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(lock >= 0);
	assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(picket("detach --instance two"), EXIT_NO);
	says(err, "instance two still runs");
	says(err, "stop it first");
	assert_string_equal(out, "");
	assert_int_equal(sweeps, 0);
	assert_true(there(p.pin));
	close(lock); /* it has ended; its lock file stays */
	assert_int_equal(picket("detach --instance two"), EXIT_DONE);
	assert_int_equal(sweeps, 1);
	assert_false(there(p.folder));
	unlink(path);
	pin_end(&p);
}

static void detach_keeps_a_kill_switch_that_is_on(void **state)
{
	(void)state;
	struct pinned p;

	if (!pin_new("two", "pk_kill", &p))
		skip();
	assert_int_equal(picket("panic --instance two"), EXIT_DONE);
	swept = 1;
	assert_int_equal(picket("detach --instance two"), EXIT_DONE);
	says(out, "removed 1 filter of");
	says(out, "kept " PINS "/two/kill");
	says(out, "picket resume --instance two");
	assert_int_equal(kill_map_get(p.map), 1);
	assert_int_equal(picket("detach --instance two --json"), EXIT_DONE);
	says(out, "\"removed\":[],\"kept\":[\"" PINS "/two/kill\"]");
	assert_int_equal(picket("resume --instance two"), EXIT_DONE);
	assert_int_equal(picket("detach --instance two"), EXIT_DONE);
	assert_false(there(p.folder));
	pin_end(&p);
}

static void detach_never_unpins_a_map_that_is_not_the_kill_switch(void **state)
{
	(void)state;
	struct pinned p;

	if (!pin_new("two", "other", &p))
		skip();
	assert_int_equal(picket("detach --instance two"), EXIT_NO);
	says(err, "not picket's kill switch");
	assert_true(there(p.pin));
	pin_end(&p);
}

static void detach_with_a_socket_needs_the_instance_named(void **state)
{
	(void)state;
	struct pinned p;

	if (!pin_new("default", "pk_kill", &p))
		skip();
	assert_int_equal(picket("detach"), EXIT_USAGE);
	says(err, "--instance");
	assert_int_equal(sweeps, 0);
	assert_true(there(p.pin));
	pin_end(&p);
}

static void detach_that_cannot_sweep_fails(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	swept = -EPERM;
	assert_int_equal(picket("detach --instance two"), EXIT_NOT_PERMITTED);
	swept = -ENOMEM;
	assert_int_equal(picket("detach --instance two"), EXIT_NO);
	says(err, "Cannot allocate memory");
	assert_string_equal(out, "");
}

static void detach_without_rights_is_exit_3(void **state)
{
	(void)state;
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (!geteuid() && (setgroups(0, NULL) || setgid(65534) || setuid(65534)))
			_exit(100);
		_exit(picket("detach --instance two") == EXIT_NOT_PERMITTED &&
				      strstr(err, "sudo picket detach") && !sweeps
			      ? 0
			      : 1);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

/* --- printing --- */

static void text_is_cut_by_columns_and_never_inside_a_character(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		unsigned max;
		const char *shown;
		unsigned columns;
	} cases[] = {
		{"plain", 0, "plain", 5},
		{"plain", 5, "plain", 5},
		{"plainer", 6, "pla...", 6},
		{"\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0\xe5\xa5\xbd", 6, "\xe4\xbd\xa0...", 5},
		{"k\xc3\xa4se", 0, "k\xc3\xa4se", 4},
		{"back\\slash", 0, "back\\\\slash", 11},
		{"\xc3", 0, "\\xc3", 4},
		{"\xc2\x85", 0, "\\u{85}", 6},
		{"\xf3\xa0\x81\x81", 0, "\\u{e0041}", 9},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buffer b = BUFFER_INIT(256);

		assert_int_equal(print_escaped(&b, span_from(cases[i].text), cases[i].max), cases[i].columns);
		buffer_append_char(&b, 0);
		assert_string_equal(b.data, cases[i].shown);
		buffer_free(&b);
	}
}

static void whatever_bytes_come_what_is_printed_is_plain_text_of_the_told_width(void **state)
{
	(void)state;
	unsigned seed = 1;

	for (int round = 0; round < 20000; round++) {
		struct buffer b = BUFFER_INIT(1024);
		char bytes[40];
		size_t len = (size_t)rand_r(&seed) % sizeof bytes;
		unsigned max = (unsigned)rand_r(&seed) % 24;

		for (size_t i = 0; i < len; i++)
			bytes[i] = (char)(rand_r(&seed) >>
					  4); /* a third of them leads or continues a sequence */
		unsigned columns = print_escaped(&b, (struct span){bytes, len}, max);

		assert_true(utf8_valid(buffer_span(&b)));
		assert_true(!max || columns <= max);
		for (size_t i = 0; i < b.len; i++)
			assert_true((unsigned char)b.data[i] >= 0x20 && b.data[i] != 0x7f);
		buffer_free(&b);
	}
}

static void numbers_and_spans_are_short(void **state)
{
	(void)state;
	char text[32];

	assert_string_equal(print_bytes(999, text), "999 B");
	assert_string_equal(print_bytes(1234, text), "1.2 kB");
	assert_string_equal(print_bytes(123456789, text), "123 MB");
	assert_string_equal(print_span(59, text), "59s");
	assert_string_equal(print_span(899, text), "14m59s");
	assert_string_equal(print_span(900, text), "15m");
	assert_string_equal(print_span(11100, text), "3h05m");
	assert_string_equal(print_span(187200, text), "2d04h");
}

static void forecast_says_who_would_have_been_dropped(void **state)
{
	struct event *d = fixture_decision("192.0.2.7", DECISION_WOULD_BLOCK, "observe", "mode observe");
	struct event *e = event_new(EVENT_HTTP_REQUEST, 0);

	(void)state;
	assert_int_equal(picket("forecast"), EXIT_DONE);
	says(out, "nothing would have been blocked since ");
	d->time_ns = e->time_ns = clock_boot_ns(&clock_system);
	e->flow.peer.addr = fixture_prefix("192.0.2.7").addr;
	e->request.answered = EVENT_ANSWER_SEEN;
	e->request.status = 200;
	e->request.route = SPAN("/users/{id}");
	forecast_note(f.forecast, d);
	forecast_note(f.forecast, e);
	event_unref(d);
	event_unref(e);
	assert_int_equal(picket("forecast --since 2h"), EXIT_DONE);
	says(out, " UTC: 1 block, 1 requests dropped, 1 of which the server answered with 2xx\n");
	says(out, "192.0.2.7  local/login_guessing  block ");
	says(out, "/users/{id} 1");
	assert_int_equal(picket("forecast --json"), EXIT_DONE);
	assert_int_equal(line_count(out), 1);
	assert_int_equal(picket("forecast --since soon"), EXIT_USAGE);
	assert_int_equal(picket("forecast --since 2200-01-01"), EXIT_USAGE);
	assert_int_equal(picket("forecast now"), EXIT_USAGE);
}

/* --- metrics --- */

/* The name of a sample of that family: of a histogram it has an end of its own. */
static void check_sample_name(const char *name, size_t len, const char *family, bool histogram)
{
	static const char *const ends[] = {"_bucket", "_sum", "_count"};
	size_t head = strlen(family);

	assert_true(len >= head);
	assert_memory_equal(name, family, head);
	if (!histogram) {
		assert_int_equal(len, head);
		return;
	}
	for (size_t i = 0; i < 3; i++)
		if (len - head == strlen(ends[i]) && memcmp(name + head, ends[i], len - head) == 0)
			return;
	fail_msg("no sample of a histogram: %.*s", (int)len, name);
}

/* One line of the text format: a sample follows the two comments of its family, and no family comes twice. */
static void check_metrics_line(const char *line, char family[static 128], char known[static 16384])
{
	static bool histogram;
	char name[128], type[16], value[32];
	int end = 0;

	if (sscanf(line, "# HELP %127s %n", name, &end) == 1 && end) {
		char key[132];
		snprintf(key, sizeof key, " %s ", name);
		if (strstr(known, key))
			fail_msg("family %s comes twice", name);
		strncat(known, key, 16383 - strlen(known));
		snprintf(family, 128, "%s", name);
	} else if (sscanf(line, "# TYPE %127s %15s", name, type) == 2) {
		assert_string_equal(name, family);
		histogram = !strcmp(type, "histogram");
		assert_true(!strcmp(type, "gauge") || !strcmp(type, "counter") || histogram);
		size_t len = strlen(name);
		assert_int_equal(!strcmp(type, "counter"), len > 6 && !strcmp(name + len - 6, "_total"));
	} else {
		size_t len = strcspn(line, "{ ");
		check_sample_name(line, len, family, histogram);
		const char *rest = line[len] == '{' ? strchr(line, '}') : line + len - 1;
		assert_non_null(rest);
		if (sscanf(rest + 1, " %31[0-9.e+-]%n", value, &end) != 1 || rest[1 + end])
			fail_msg("no sample: %s", line);
	}
}

static void metrics_are_in_the_text_format(void **state)
{
	static struct haproxy_point *const one[] = {(struct haproxy_point *)&fake}; /* never looked into */
	char family[128] = "", known[16384] = "", *rest = NULL;

	(void)state;
	fake.haproxy =
		(struct haproxy_counts){.state = HAPROXY_UP, .desired = 3, .installed = 2, .missing = 1};
	f.parts.haproxy = one;
	f.parts.haproxy_count = 1;
	assert_int_equal(picket("metrics now"), EXIT_USAGE);
	assert_int_equal(picket("metrics"), EXIT_DONE);
	says(out, "\npicket_blocks{point=\"kernel\",state=\"desired\"} ");
	says(out, "\npicket_decisions_total{outcome=\"blocked\"} ");
	says(out, "\npicket_stage_lost_total{stage=\"queue\",kind=\"events\"} ");
	says(out, "\npicket_blocks{point=\"haproxy/edge\",state=\"missing\"} 1\n");
	says(out, "\npicket_haproxy_up{haproxy=\"edge\"} 1\n");
	says(out, "\npicket_gateway_answers_total{gateway=\"local\",class=\"2xx\"} ");
	says(out, "\npicket_gateway_verdict_seconds_bucket{gateway=\"local\",le=\"0.15\"} ");
	says(out, "\npicket_gateway_verdict_seconds_bucket{gateway=\"local\",le=\"+Inf\"} ");
	says(out, "\npicket_behaviour_tracked{kind=\"client\"} 0\n");
	says(out, "\npicket_behaviour_tracked_max{kind=\"consumer\"} 16384\n");
	says(out, "\npicket_behaviour_forgotten_total{who=\"known\"} 0\n");
	says(out, "\npicket_baseline_held_max 16\n");
	says(out, "\npicket_baseline_learning 1\n");
	says(out, "\npicket_detection_withheld_total ");
	f.parts.haproxy_count = 0;
	for (char *line = strtok_r(out, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		check_metrics_line(line, family, known);
}

/* --- audit --- */

/* Five records, a minute apart, from 2026-11-25T09:46:40Z on; so that the file can be found, its folder is
 * rig_state. */
static struct audit_head log_make(void **state)
{
	const struct audit_files_options o = {
		.state_dir = rig_state, .size_max = 4096, .files_max = 2, .clock = &clock_system};
	struct audit_mended mended;
	struct audit_files *files;
	char body[256];

	assert_int_equal(rig_begin(state), 0);
	assert_int_equal(audit_files_open(&o, &files, &mended), 0);
	for (unsigned i = 0; i < 5; i++) {
		snprintf(
			body, sizeof body,
			"\"kind\":\"decision\",\"by\":\"gateway:test\",\"event\":{\"picket.decision.target\":"
			"\"192.0.2.%u\",\"picket.decision.ttl_s\":60,\"picket.decision.reason\":\"=cmd "
			"\\\"x\\\"\"}",
			i);
		assert_int_equal(
			audit_files_append(files, (1795600000ull + 60 * i) * NS_PER_S, span_from(body)), 0);
	}
	struct audit_head head = audit_files_head(files);
	audit_files_free(files);
	return head;
}

static void audit_says_whether_a_log_is_whole_and_where_it_is_not(void **state)
{
	struct audit_head head = log_make(state);
	char path[512], text[512];

	rig_path("", path);
	assert_int_equal(picket("audit verify %s", path), EXIT_DONE);
	says(out, "whole: 5 records, 1 to 5, in 1 file of ");
	snprintf(text, sizeof text, "head: 5:%s 2026-11-25T09:50:40.000000000Z\n", head.hash);
	says(out, text);
	assert_int_equal(picket("audit verify --json %s/audit.0", path), EXIT_DONE);
	says(out, "{\"whole\":true,\"fault\":null,\"records\":5,\"first\":1,");
	snprintf(text, sizeof text, "5:%s\n", head.hash);
	assert_int_equal(picket("audit head %s", path), EXIT_DONE);
	assert_string_equal(out, text);
	assert_int_equal(picket("audit verify --head 5:%s %s", head.hash, path), EXIT_DONE);
	head.hash[3] = head.hash[3] == '0' ? '1' : '0';
	assert_int_equal(picket("audit verify --head 5:%s %s", head.hash, path), EXIT_NO);
	says(out, "the log was written anew");
	assert_int_equal(picket("audit verify --head 5:xyz %s", path), EXIT_USAGE);
	says(err, "--head takes SEQUENCE:HASH");
	rig_end(state);
	assert_int_equal(picket("audit verify %s", path), EXIT_NO);
	says(err, "there is no audit log at ");
}

static void audit_names_the_line_that_was_changed(void **state)
{
	char path[512];

	log_make(state);
	rig_path("audit.0", path);
	FILE *log = fopen(path, "r+");
	assert_non_null(log);
	fseek(log, 500, SEEK_SET);
	putc('!', log);
	fclose(log);
	assert_int_equal(picket("audit verify %s", path), EXIT_NO);
	says(out, "broken: audit.0, line 2: changed: ");
	says(out, "whole up to there: 1 records, 1 to 1,");
	assert_int_equal(picket("audit verify --json %s", path), EXIT_NO);
	says(out, "{\"whole\":false,\"fault\":{\"kind\":\"changed\",\"file\":\"audit.0\",\"line\":2,");
	assert_int_equal(picket("audit head %s", path), EXIT_NO);
	says(err, "the log is not whole");
	assert_string_equal(out, "");
	rig_end(state);
}

static void audit_exports_the_records_of_a_time(void **state)
{
	char path[512];

	log_make(state);
	char *all = rig_text();
	rig_path("", path);
	assert_int_equal(picket("audit export %s", path), EXIT_DONE);
	assert_string_equal(out, all);
	free(all);
	assert_int_equal(
		picket("audit export --since 2026-11-25T09:47:40Z --until 2026-11-25T09:49:40 %s", path),
		EXIT_DONE);
	assert_int_equal(line_count(out), 2);
	says(out, "192.0.2.1\"");
	says(out, "192.0.2.2\"");
	assert_int_equal(picket("audit export --until 2026-11-25 %s", path), EXIT_DONE);
	assert_string_equal(out, "");
	assert_int_equal(picket("audit export --format csv --since 2026-11-25T09:50 %s", path), EXIT_DONE);
	says(out, "seq,time,kind,by,outcome,answer,target,action,ttl_s,source,origin,reason,");
	says(out, "\r\n\"5\",\"2026-11-25T09:50:40.000000000Z\",\"decision\",\"gateway:test\",\"\",\"\","
		  "\"192.0.2.4\",\"\","
		  "\"60\",\"\",\"\",\"'=cmd \"\"x\"\"\",");
	assert_int_equal(picket("audit export --since yesterday %s", path), EXIT_USAGE);
	says(err, "is no time: give one like");
	assert_int_equal(picket("audit export --format xml %s", path), EXIT_USAGE);
	rig_path("audit.0", path);
	FILE *log = fopen(path, "a");
	assert_non_null(log);
	fputs("{\"seq\":6}\n", log);
	fclose(log);
	assert_int_equal(picket("audit export %s", path), EXIT_NO);
	assert_int_equal(line_count(out), 5);
	says(err, "1 lines are no records");
	rig_end(state);
}

static void audit_wants_to_know_what(void **state)
{
	(void)state;
	assert_int_equal(picket("audit"), EXIT_USAGE);
	says(err, "verify, head or export");
	assert_int_equal(picket("audit burn"), EXIT_USAGE);
	assert_int_equal(picket("audit verify a b"), EXIT_USAGE);
	assert_int_equal(picket("audit head --head 1:2"), EXIT_USAGE);
	assert_int_equal(picket("audit verify /dev/null/none"), EXIT_NO);
	assert_int_equal(picket("audit verify /dev/zero"), EXIT_NO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(shared_options_stand_before_or_after_the_command),
		TEST(the_environment_names_socket_and_instance_and_flags_win),
		TEST(an_instance_name_cannot_lead_out_of_its_folder),
		TEST(an_unknown_command_is_answered_with_the_nearest),
		TEST(help_and_version_need_no_daemon),
		TEST(help_of_parts_shows_their_options),
		TEST(help_fits_80_columns),
		TEST(help_in_json_has_an_object_for_each_command),
		TEST(the_names_of_events_are_those_of_events),
		TEST(wrong_usage_is_exit_2_and_names_the_help),
		TEST(what_the_daemon_calls_wrong_is_exit_2),
		TEST(without_a_daemon_every_command_is_exit_5_and_says_what_to_do),
		TEST(a_socket_that_may_not_be_opened_is_exit_3),
		TEST(status_fits_80_columns_and_shows_what_needs_attention),
		TEST(status_shows_what_passes_where_packets_are_read),
		TEST(json_of_a_resource_is_one_line),
		TEST(events_in_json_pass_through_line_by_line),
		TEST(events_take_names_numbers_and_the_newest),
		TEST(packets_are_printed_as_tcpdump_does),
		TEST(no_outside_byte_reaches_the_terminal_as_a_control),
		TEST(following_prints_at_once_and_ctrl_c_ends_it_cleanly),
		TEST(following_ends_after_the_number_asked_for),
		TEST(a_reader_that_leaves_ends_it_without_a_word),
		TEST(a_daemon_that_ends_is_exit_5_for_its_followers),
		TEST(block_says_for_how_long_and_what_undoes_it),
		TEST(a_block_that_needs_confirmation_names_the_command),
		TEST(a_block_that_is_not_done_is_exit_1),
		TEST(a_refusal_of_the_guard_is_exit_4_with_its_reason),
		TEST(a_kernel_that_cannot_be_written_is_exit_5),
		TEST(unblock_of_nothing_is_exit_1),
		TEST(blocks_are_a_table_or_lines_of_json),
		TEST(why_tells_the_story_and_answers_by_its_status),
		TEST(export_writes_what_is_blocked_as_a_list),
		TEST(import_blocks_each_entry_of_a_file),
		TEST(import_says_what_it_could_not_block),
		TEST(block_lists_are_a_table_with_what_is_wrong_below),
		TEST(unblock_says_what_is_left),
		TEST(pending_blocks_are_listed_and_answered),
		TEST(mode_shows_and_sets),
		TEST(proxies_are_listed_and_classified),
		TEST(gateways_are_listed),
		TEST(clients_are_listed),
		TEST(what_is_normal_is_listed_and_reset),
		TEST(routes_are_listed),
		TEST(panic_by_map_id_needs_no_daemon),
		TEST(panic_never_writes_a_map_that_is_not_the_kill_switch),
		TEST(panic_by_pin_finds_the_instance),
		TEST(panic_by_a_named_socket_never_switches_the_default_instance),
		TEST(panic_without_rights_is_exit_3),
		TEST(detach_removes_the_pin_the_folder_and_filters),
		TEST(detach_removes_what_is_pinned_unless_it_is_to_stay),
		TEST(detach_leaves_other_instances_alone),
		TEST(detach_removes_nothing_while_a_daemon_runs),
		TEST(detach_keeps_a_kill_switch_that_is_on),
		TEST(detach_never_unpins_a_map_that_is_not_the_kill_switch),
		TEST(detach_with_a_socket_needs_the_instance_named),
		TEST(detach_that_cannot_sweep_fails),
		TEST(detach_without_rights_is_exit_3),
		TEST(text_is_cut_by_columns_and_never_inside_a_character),
		TEST(whatever_bytes_come_what_is_printed_is_plain_text_of_the_told_width),
		TEST(numbers_and_spans_are_short),
		TEST(forecast_says_who_would_have_been_dropped),
		TEST(metrics_are_in_the_text_format),
		TEST(audit_says_whether_a_log_is_whole_and_where_it_is_not),
		TEST(audit_names_the_line_that_was_changed),
		TEST(audit_exports_the_records_of_a_time),
		TEST(audit_wants_to_know_what),
	};

	has_own_bpffs = geteuid() == 0 && bpffs_own();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
