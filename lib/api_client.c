// SPDX-License-Identifier: Apache-2.0
#include "lib/api_client.h"
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"

#define ANSWER_BYTES_MAX (64 * 1024 * 1024)
#define LINE_BYTES_MAX   (1024 * 1024)
#define CONNECT_MS       5000L
#define CALL_MS          60000L
#define SILENCE_S        8L /* of a GET: who does not begin to answer for so long stands still */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_begin(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* What both forms of call share. NULL: no memory. */
static CURL *request_new(const char *socket_path, const char *path)
{
	_cleanup_free_ char *url = NULL;
	CURL *curl;

	pthread_once(&curl_once, curl_begin);
	if (asprintf(&url, "http://localhost%s", path) < 0)
		return NULL;
	curl = curl_easy_init();
	if (!curl)
		return NULL;
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path);
	curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever the environment says */
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	return curl;
}

/* What a failed transfer means for the caller. */
static int outcome_of(CURL *curl, CURLcode code)
{
	long os_errno = 0;

	if (code == CURLE_OK)
		return 0;
	if (code == CURLE_OUT_OF_MEMORY)
		return -ENOMEM;
	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_errno);
	if (code == CURLE_COULDNT_CONNECT && (os_errno == EACCES || os_errno == EPERM))
		return API_CLIENT_E_PERMISSION;
	return API_CLIENT_E_UNREACHABLE;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct buffer *body = arg;

	return buffer_append(body, bytes, size * count) ? 0 : size * count;
}

int api_client_call(const char *socket_path, const char *method, const char *path, struct span body,
		    struct api_answer *ret)
{
	struct api_answer answer = {.body = BUFFER_INIT(ANSWER_BYTES_MAX)};
	CURL *curl = request_new(socket_path, path);
	struct curl_slist *headers = NULL;
	long status = 0;

	if (!curl)
		return -ENOMEM;
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, CALL_MS);
	if (strcmp(method, "GET") == 0) {
		curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, SILENCE_S);
	}
	if (body.ptr) {
		headers = curl_slist_append(NULL, "Content-Type: application/json");
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.ptr);
	} else if (strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 0L);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
	}
	if (strcmp(method, "HEAD") == 0)
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L); /* or it would wait for a body */
	else
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
	int r = outcome_of(curl, curl_easy_perform(curl));
	if (r > 0 && answer.body.truncated)
		r = -EMSGSIZE;
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	if (r) {
		buffer_free(&answer.body);
		return r;
	}
	answer.status = (unsigned)status;
	*ret = answer;
	return 0;
}

struct lines {
	int (*line)(void *arg, struct span line);
	void *arg;
	struct buffer rest; /* a line whose end has not come yet */
	bool stopped;
};

/* 0, or the callback wants no more. */
static int give_line(struct lines *l, struct span bytes)
{
	struct span line = bytes;

	if (l->rest.len) {
		buffer_append(&l->rest, bytes.ptr, bytes.len);
		line = buffer_span(&l->rest);
	}
	l->stopped = l->line(l->arg, line) != 0;
	buffer_reset(&l->rest);
	return l->stopped;
}

static size_t on_lines(char *bytes, size_t size, size_t count, void *arg)
{
	struct lines *l = arg;
	struct span text = {bytes, size * count};

	while (text.len) {
		const char *end = memchr(text.ptr, '\n', text.len);
		size_t n = end ? (size_t)(end - text.ptr) : text.len;
		if (!end)
			return buffer_append(&l->rest, text.ptr, n) ? 0 : size * count;
		if (give_line(l, (struct span){text.ptr, n}))
			return 0;
		text.ptr += n + 1;
		text.len -= n + 1;
	}
	return size * count;
}

int api_client_stream(const char *socket_path, const char *path, int (*line)(void *arg, struct span line),
		      void *arg, unsigned *ret_status)
{
	struct lines l = {.line = line, .arg = arg, .rest = BUFFER_INIT(LINE_BYTES_MAX)};
	CURL *curl = request_new(socket_path, path);
	long status = 0;

	if (!curl)
		return -ENOMEM;
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_lines);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &l);
	int r = outcome_of(curl, curl_easy_perform(curl));
	if (l.stopped)
		r = 0;
	else if (l.rest.truncated)
		r = -EMSGSIZE;
	else if (r == 0 && l.rest.len)
		give_line(&l, SPAN("")); /* an answer that is no stream need not end with a line's end */
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	buffer_free(&l.rest);
	if (r == 0)
		*ret_status = (unsigned)status;
	return r;
}

void api_answer_free(struct api_answer *a)
{
	buffer_free(&a->body);
	a->status = 0;
}

char *api_client_escape(const char *text)
{
	char *escaped, *copy;

	pthread_once(&curl_once, curl_begin);
	escaped = curl_easy_escape(NULL, text, 0);
	copy = escaped ? strdup(escaped) : NULL;
	curl_free(escaped);
	return copy;
}
