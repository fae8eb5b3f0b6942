// SPDX-License-Identifier: Apache-2.0
#include "sensor/cli_call.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"
#include "sensor/cli_print.h"

static const struct json_limits answer_limits = {.bytes = 64u << 20, .depth = 16, .values = 4000000};
static const struct json_limits line_limits = {.bytes = 1u << 20, .depth = 8, .values = 4096};

int cli_no_memory(const char *command)
{
	return cli_fail(EXIT_NO, command, "memory is out");
}

/* --- what goes wrong --- */

static int explain_transport(const struct cli *cli, const char *command, int r)
{
	switch (r) {
	case API_CLIENT_E_UNREACHABLE:
		return cli_fail(EXIT_UNREACHABLE, command,
				"the daemon does not answer at %s: start it with `picket run`, or name its "
				"socket with --control",
				cli->control);
	case API_CLIENT_E_PERMISSION:
		return cli_fail(EXIT_NOT_PERMITTED, command,
				"%s may not be opened: run as root, or join the group picket", cli->control);
	case -ENOMEM:
		return cli_no_memory(command);
	default:
		return cli_fail(EXIT_UNREACHABLE, command, "the daemon at %s broke off: %s", cli->control,
				strerror(r < 0 ? -r : EIO));
	}
}

static int status_of_problem(unsigned status, const char *code)
{
	if (status == 400 || status == 422)
		return EXIT_USAGE;
	if (status == 401 || status == 403)
		return EXIT_NOT_PERMITTED;
	if (status == 409 && !strcmp(code, "refused_by_guard"))
		return EXIT_REFUSED;
	if (status == 503)
		return EXIT_UNREACHABLE;
	return EXIT_NO;
}

/* A problem document (RFC 9457), told to a person. */
static int explain_problem(const char *command, unsigned status, struct span body)
{
	cJSON *problem = NULL;

	if (json_parse(body, &answer_limits, &problem, NULL))
		problem = NULL;
	int exit_status = status_of_problem(status, cli_text(problem, "code"));
	const char *detail = cli_text(problem, "detail");

	if (*detail)
		cli_fail(exit_status, command, "%s%s",
			 exit_status == EXIT_REFUSED ? "refused by the guard: " : "", detail);
	else
		cli_fail(exit_status, command,
			 "the daemon answered with status %u and no reason; see its log", status);
	cJSON_Delete(problem);
	return exit_status;
}

/* --- calls --- */

int cli_ask(const struct cli *cli, const char *command, const char *method, const char *path,
	    struct span body, struct api_answer *ret)
{
	struct api_answer answer = {0};
	int r = api_client_call(cli->control, method, path, body, &answer);

	if (r)
		return explain_transport(cli, command, r);
	if (answer.status / 100 != 2) {
		r = explain_problem(command, answer.status, buffer_span(&answer.body));
		api_answer_free(&answer);
		return r;
	}
	*ret = answer;
	return EXIT_DONE;
}

int cli_ask_json(const struct cli *cli, const char *command, const char *method, const char *path,
		 struct span body, cJSON **ret)
{
	struct api_answer answer = {0};
	cJSON *root = NULL;
	size_t at = 0;
	int r = cli_ask(cli, command, method, path, body, &answer);

	if (r)
		return r;
	if (cli->json) {
		struct span text = buffer_span(&answer.body);

		while (text.len && text.ptr[text.len - 1] == '\n')
			text.len--;
		fwrite(text.ptr, 1, text.len, stdout);
		putchar('\n');
	} else {
		r = json_parse(buffer_span(&answer.body), &answer_limits, &root, &at);
	}
	api_answer_free(&answer);
	if (r < 0)
		return cli_no_memory(command);
	if (r)
		return cli_fail(EXIT_UNREACHABLE, command, "what answers at %s is no picket (%s at byte %zu)",
				cli->control, json_error_name(r), at);
	*ret = root;
	return EXIT_DONE;
}

int cli_try(const struct cli *cli, const char *command, const char *method, const char *path,
	    struct span body, unsigned *ret_status, cJSON **ret)
{
	struct api_answer answer = {0};
	cJSON *root = NULL;
	int r = api_client_call(cli->control, method, path, body, &answer);

	if (r)
		return explain_transport(cli, command, r);
	r = json_parse(buffer_span(&answer.body), &answer_limits, &root, NULL);
	*ret_status = answer.status;
	api_answer_free(&answer);
	if (r < 0)
		return cli_no_memory(command);
	if (r)
		return cli_fail(EXIT_UNREACHABLE, command, "what answers at %s is no picket", cli->control);
	*ret = root;
	return EXIT_DONE;
}

int cli_ask_quietly(const struct cli *cli, const char *path, cJSON **ret)
{
	struct api_answer answer = {0};
	cJSON *root = NULL;
	int r = api_client_call(cli->control, "GET", path, SPAN_NULL, &answer);

	if (!r && answer.status == 200)
		r = json_parse(buffer_span(&answer.body), &answer_limits, &root, NULL);
	api_answer_free(&answer);
	if (r || !root)
		return EXIT_UNREACHABLE;
	*ret = root;
	return EXIT_DONE;
}

char *cli_path(const char *before, const char *text)
{
	_cleanup_free_ char *escaped = api_client_escape(text);
	char *path = NULL;

	if (!escaped || asprintf(&path, "%s%s", before, escaped) < 0)
		return NULL;
	return path;
}

/* --- streams --- */

#define PROBLEM_BEGINS "{\"type\":\"urn:picket:problem:"
#define PROBLEM_MAX    (64u * 1024)

struct stream {
	int (*line)(void *arg, struct span line);
	void *arg;
	bool begun;
	struct buffer problem; /* what came instead of the stream */
};

/* The status is known when the stream has ended; a problem shows by how its only line begins. */
static int stream_line(void *arg, struct span line)
{
	struct stream *s = arg;
	bool first = !s->begun;

	s->begun = true;
	if (first && line.len > strlen(PROBLEM_BEGINS) &&
	    !memcmp(line.ptr, PROBLEM_BEGINS, strlen(PROBLEM_BEGINS))) {
		buffer_append(&s->problem, line.ptr, line.len);
		return 0;
	}
	return s->line(s->arg, line);
}

int cli_stream(const struct cli *cli, const char *command, const char *path,
	       int (*line)(void *arg, struct span line), void *arg)
{
	struct stream s = {.line = line, .arg = arg, .problem = BUFFER_INIT(PROBLEM_MAX)};
	unsigned status = 200;
	int r = api_client_stream(cli->control, path, stream_line, &s, &status);

	if (r > 0 && s.begun)
		r = cli_fail(EXIT_UNREACHABLE, command, "the daemon at %s ended", cli->control);
	else if (r)
		r = explain_transport(cli, command, r);
	else if (status != 200)
		r = explain_problem(command, status, buffer_span(&s.problem));
	buffer_free(&s.problem);
	return r;
}

cJSON *cli_parse_line(struct span line)
{
	cJSON *root = NULL;

	return json_parse(line, &line_limits, &root, NULL) ? NULL : root;
}

void cli_print_items(const cJSON *list)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, list)
	{
		char *text = cJSON_PrintUnformatted(item);

		if (text)
			puts(text);
		cJSON_free(text);
	}
}

/* --- members --- */

const cJSON *cli_at(const cJSON *object, const char *path)
{
	while (object && *path) {
		char name[64];
		size_t len = strcspn(path, ".");

		if (len >= sizeof name)
			return NULL;
		memcpy(name, path, len);
		name[len] = 0;
		object = cJSON_GetObjectItemCaseSensitive(object, name);
		path += len + (path[len] == '.');
	}
	return object;
}

static const char *as_text(const cJSON *item)
{
	return cJSON_IsString(item) ? item->valuestring : "";
}

static uint64_t as_uint(const cJSON *item)
{
	if (cJSON_IsString(item))
		return strtoull(item->valuestring, NULL, 10);
	if (!cJSON_IsNumber(item) || item->valuedouble < 0 || item->valuedouble > 9e18)
		return 0;
	return (uint64_t)item->valuedouble;
}

const char *cli_text(const cJSON *object, const char *path)
{
	return as_text(cli_at(object, path));
}

uint64_t cli_uint(const cJSON *object, const char *path)
{
	return as_uint(cli_at(object, path));
}

bool cli_true(const cJSON *object, const char *path)
{
	return cJSON_IsTrue(cli_at(object, path));
}

const char *cli_key_text(const cJSON *object, const char *key)
{
	return as_text(cJSON_GetObjectItemCaseSensitive(object, key));
}

uint64_t cli_key_uint(const cJSON *object, const char *key)
{
	return as_uint(cJSON_GetObjectItemCaseSensitive(object, key));
}
