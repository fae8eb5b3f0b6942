/* SPDX-License-Identifier: Apache-2.0 */
/* api_client.h: the command line's side of the control API (libcurl over the unix socket). */
#ifndef PICKET_API_CLIENT_H
#define PICKET_API_CLIENT_H

#include "lib/buffer.h"
#include "lib/span.h"

enum { API_CLIENT_E_UNREACHABLE = 1, API_CLIENT_E_PERMISSION = 2 };

struct api_answer {
	unsigned status;
	struct buffer body;
};

/* body may be SPAN_NULL. 0 (whatever the status), API_CLIENT_E_*, or -errno. Free with api_answer_free. */
int api_client_call(const char *socket_path, const char *method, const char *path, struct span body,
		    struct api_answer *ret);
/*
 * Stream lines: line is called for each whole line (without its end). It returns 0 to go on, 1 to stop
 * (result 0). *ret_status: HTTP status; on other than 200 the body is passed to line as well.
 */
int api_client_stream(const char *socket_path, const char *path, int (*line)(void *arg, struct span line),
		      void *arg, unsigned *ret_status);
void api_answer_free(struct api_answer *a);
/* URL-encode into a fresh string. */
char *api_client_escape(const char *text);

#endif
