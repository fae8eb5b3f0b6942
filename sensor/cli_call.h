/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_call.h: how commands ask the daemon. What goes wrong is told here, once, with what to do next, and
 * becomes an exit status; a command sees either an answer or the status to return.
 */
#ifndef PICKET_CLI_CALL_H
#define PICKET_CLI_CALL_H

#include <stdint.h>
#include "lib/api_client.h"
#include "lib/config.h"
#include "lib/json_read.h"
#include "lib/json_write.h"
#include "sensor/cli.h"

/* 0 and the answer of a 2xx (api_answer_free it), or an EXIT_*. body: SPAN_NULL for none. */
int cli_ask(const struct cli *cli, const char *command, const char *method, const char *path,
	    struct span body, struct api_answer *ret);
/* The same, parsed (cJSON_Delete it). With --json: prints the answer as one line and gives NULL. */
int cli_ask_json(const struct cli *cli, const char *command, const char *method, const char *path,
		 struct span body, cJSON **ret);
/* The answer of any status, parsed; what a status means is the caller's to tell. 0 or an EXIT_*. */
int cli_try(const struct cli *cli, const char *command, const char *method, const char *path,
	    struct span body, unsigned *ret_status, cJSON **ret);
/* GET, parsed, without a word about what goes wrong. 0 or EXIT_UNREACHABLE. */
int cli_ask_quietly(const struct cli *cli, const char *path, cJSON **ret);
/* "/v1/why/" + the escaped text; free it. NULL: memory is out. */
char *cli_path(const char *before, const char *text);
/* Each line of a stream of JSON lines goes to line, which returns 0 to go on, 1 to stop. 0 or an EXIT_*. */
int cli_stream(const struct cli *cli, const char *command, const char *path,
	       int (*line)(void *arg, struct span line), void *arg);
/* One line of a stream as an object; NULL: it is none. */
cJSON *cli_parse_line(struct span line);
/* Each item of the array `list` in its own line. */
void cli_print_items(const cJSON *list);
/* cli_export.c: "auto", "plain", "crowdsec", ... 0 or 1. */
int cli_list_format(const char *text, enum config_list_format *ret);
/* cli_events.c: an event (a line of JSON) as one line for people, appended without a line feed. */
void cli_event_line(const struct cli *cli, struct span line, struct buffer *out);
/* Memory is out. */
int cli_no_memory(const char *command);

/* Members by path: "blocks.desired". NULL, "", 0, false where there is none of that type. */
const cJSON *cli_at(const cJSON *object, const char *path);
const char *cli_text(const cJSON *object, const char *path);
uint64_t cli_uint(const cJSON *object, const char *path);
bool cli_true(const cJSON *object, const char *path);
/* A member of a flat object, whose name may hold dots: "event.name". */
const char *cli_key_text(const cJSON *object, const char *key);
uint64_t cli_key_uint(const cJSON *object, const char *key); /* also of text that is digits */

#endif
