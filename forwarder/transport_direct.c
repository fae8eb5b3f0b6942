// SPDX-License-Identifier: Apache-2.0
#include "forwarder/transport_direct.h"
#include <errno.h>
#include <stdlib.h>
#include "forwarder/backoff.h"
#include "lib/util.h"

#define CONNECT_TIMEOUT_MS 5000
#define ANSWER_HEADERS_MAX 256 /* lines */
#define ANSWER_HEAD_MAX    (16 * 1024)

struct transport {
	CURLM *multi;
	CURL *handle;
	const struct clock *clock;
	void *owner;
	int (*finished)(void *owner, CURLcode result);
	void (*connected)(void *owner, uint16_t local_port, uint16_t peer_port);
	struct buffer *request_head, *answer_head; /* or NULL */
	struct curl_slist *headers;                /* of every POST */
	struct curl_slist *sent;                   /* of the one under way */
	struct buffer head, body;                  /* of the answer */
	char *url;                                 /* of the options */
	int (*body_part)(void *arg, struct span bytes);
	void *body_arg;
	size_t body_parts_len;
	char error_text[CURL_ERROR_SIZE];
	uint64_t retry_after_ms;
	uint64_t received_ns;
	unsigned header_lines;
	bool head_ended; /* the empty line behind the answer's headers came */
	bool too_large;
	bool busy;
};

static bool is_success(const struct transport *t)
{
	long status = 0;

	curl_easy_getinfo(t->handle, CURLINFO_RESPONSE_CODE, &status);
	return status / 100 == 2;
}

static size_t hand_out(struct transport *t, const char *bytes, size_t len)
{
	t->body_parts_len += len;
	if (t->body_parts_len > t->body.max) {
		t->too_large = true;
		return 0;
	}
	return t->body_part(t->body_arg, (struct span){bytes, len}) ? 0 : len;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct transport *t = arg;
	size_t len = size * count;

	t->received_ns = clock_boot_ns(t->clock);
	if (t->body_part && is_success(t))
		return hand_out(t, bytes, len);
	int r = buffer_append(&t->body, bytes, len);
	if (r == BUFFER_E_FULL)
		t->too_large = true;
	return r ? 0 : len; /* not len: libcurl ends the exchange and closes the connection */
}

/* Only now it is known that there is somebody at the other end of the connection: it may be kept. */
static void head_end(struct transport *t)
{
	t->head_ended = true;
	curl_easy_setopt(t->handle, CURLOPT_FORBID_REUSE, 0L);
}

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
	struct transport *t = arg;
	struct span line = {bytes, size * count};
	const char *colon = line.len ? memchr(line.ptr, ':', line.len) : NULL;

	t->received_ns = clock_boot_ns(t->clock);
	if (++t->header_lines > ANSWER_HEADERS_MAX)
		return 0;
	/* An informational answer (1xx) has a head of its own. What is beyond the ceiling is not there. */
	if (line.len >= 5 && memcmp(line.ptr, "HTTP/", 5) == 0)
		buffer_reset(&t->head);
	buffer_append(&t->head, line.ptr, line.len);
	while (line.len && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
		line.len--;
	/* Another status line follows an informational answer (1xx); trailers of a chunked body change
	 * nothing. */
	if (line.len == 0)
		head_end(t);
	else if (line.len >= 5 && memcmp(line.ptr, "HTTP/", 5) == 0)
		t->head_ended = false;
	if (colon && colon < line.ptr + line.len) {
		struct span name = {line.ptr, (size_t)(colon - line.ptr)};
		struct span value = {colon + 1, line.len - name.len - 1};
		uint64_t ms = retry_after_parse(name, value, clock_wall_ns(t->clock));
		t->retry_after_ms = MAX(t->retry_after_ms, ms);
	}
	return size * count;
}

/* Before each request; also when it goes over a kept connection, whose ports are told again. */
static int on_request(void *arg, char *peer_address, char *local_address, int peer_port, int local_port)
{
	struct transport *t = arg;

	(void)peer_address;
	(void)local_address;
	if (t->connected)
		t->connected(t->owner, (uint16_t)local_port, (uint16_t)peer_port);
	return CURL_PREREQFUNC_OK;
}

/* A head that is too large for its buffer is cut: it is for people. */
static int on_heads(CURL *handle, curl_infotype type, char *bytes, size_t len, void *arg)
{
	struct transport *t = arg;

	(void)handle;
	if (type == CURLINFO_HEADER_OUT)
		buffer_append(t->request_head, bytes, len);
	else if (type == CURLINFO_HEADER_IN)
		buffer_append(t->answer_head, bytes, len);
	return 0;
}

/* The first fault of several setopt calls is the one that is told. */
#define SET(option, value)                                                  \
	do {                                                                \
		CURLcode set_ = curl_easy_setopt(t->handle, option, value); \
		if (set_ != CURLE_OK && code == CURLE_OK)                   \
			code = set_;                                        \
	} while (0)

/* flags: CURL_BLOB_COPY or _NOCOPY */
static struct curl_blob blob_of(struct span bytes, unsigned flags)
{
	return (struct curl_blob){(void *)(uintptr_t)bytes.ptr, bytes.len, flags};
}

static CURLcode tls_setup(struct transport *t, const struct transport_options *o)
{
	struct curl_blob ca = blob_of(o->ca, CURL_BLOB_COPY);
	struct curl_blob certificate = blob_of(o->certificate, CURL_BLOB_COPY);
	struct curl_blob key = blob_of(o->key, CURL_BLOB_NOCOPY);
	CURLcode code = CURLE_OK;

	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (ca.len)
		SET(CURLOPT_CAINFO_BLOB, &ca);
	if (certificate.len) {
		SET(CURLOPT_SSLCERT_BLOB, &certificate);
		SET(CURLOPT_SSLKEY_BLOB, &key);
	}
	if (o->pin)
		SET(CURLOPT_PINNEDPUBLICKEY, o->pin);
	return code;
}

static int handle_setup(struct transport *t, const struct transport_options *o)
{
	CURLcode code = CURLE_OK;

	SET(CURLOPT_PRIVATE, t);
	SET(CURLOPT_ERRORBUFFER, t->error_text);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, o->proxy ? o->proxy : "");
	SET(CURLOPT_NOPROXY, ""); /* else the environment names exceptions */
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE); /* the token is not the proxy's */
	SET(CURLOPT_HTTP_VERSION, (long)(o->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
	SET(CURLOPT_TCP_NODELAY, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
	SET(CURLOPT_TIMEOUT_MS, (long)o->timeout_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)MIN(o->timeout_ms, CONNECT_TIMEOUT_MS));
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_PREREQFUNCTION, on_request);
	SET(CURLOPT_PREREQDATA, t);
	if (o->request_head) {
		SET(CURLOPT_VERBOSE, 1L);
		SET(CURLOPT_DEBUGFUNCTION, on_heads);
		SET(CURLOPT_DEBUGDATA, t);
	}
	if (code == CURLE_OK)
		code = tls_setup(t, o);
	return code == CURLE_OK ? 0 : code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

static int slist_add(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (!longer)
		return -ENOMEM;
	*list = longer;
	return 0;
}

int transport_new(CURLM *multi, const struct transport_options *o, struct transport **ret)
{
	struct transport *t = calloc(1, sizeof *t);
	int r;

	if (!t)
		return -ENOMEM;
	t->multi = multi;
	t->clock = o->clock;
	t->owner = o->owner;
	t->finished = o->finished;
	t->connected = o->connected;
	t->request_head = o->request_head;
	t->answer_head = o->answer_head;
	t->head = BUFFER_INIT(ANSWER_HEAD_MAX);
	t->body = BUFFER_INIT(o->answer_max);
	t->handle = curl_easy_init();
	t->url = strdup(o->url);
	r = t->handle && t->url ? handle_setup(t, o) : -ENOMEM;
	for (const char *const *line = o->headers; !r && *line; line++)
		r = slist_add(&t->headers, *line);
	/* Not waiting for "100 Continue" saves a round trip, and a second where a server does not know it. */
	if (!r)
		r = slist_add(&t->headers, "Expect:");
	if (r) {
		transport_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

/* The lines of every POST and its own. */
static int headers_with(struct transport *t, const char *const *own)
{
	int r = 0;

	for (; *own && !r; own++)
		r = slist_add(&t->sent, *own);
	for (const struct curl_slist *h = t->headers; h && !r; h = h->next)
		r = slist_add(&t->sent, h->data);
	return r;
}

static CURLcode method_set(struct transport *t, const struct transport_request *q)
{
	CURLcode code = CURLE_OK;

	SET(CURLOPT_URL, q->url ? q->url : t->url);
	SET(CURLOPT_CUSTOMREQUEST, q->method == TRANSPORT_DELETE ? "DELETE" : NULL);
	if (q->method != TRANSPORT_POST) {
		SET(CURLOPT_HTTPGET, 1L);
		return code;
	}
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.len);
	SET(CURLOPT_POSTFIELDS, q->body.ptr); /* not copied */
	return code;
}

int transport_request(struct transport *t, const struct transport_request *q)
{
	CURLcode code = CURLE_OK;

	curl_slist_free_all(t->sent);
	t->sent = NULL;
	int r = headers_with(t, q->headers);
	if (r)
		return r;
	SET(CURLOPT_FORBID_REUSE, 1L); /* until its answer begins */
	SET(CURLOPT_HTTPHEADER, t->sent);
	if (code == CURLE_OK)
		code = method_set(t, q);
	if (code != CURLE_OK)
		return -ENOMEM;
	t->body_part = q->body_part;
	t->body_arg = q->arg;
	t->body_parts_len = 0;
	buffer_reset(&t->head);
	buffer_reset(&t->body);
	t->error_text[0] = 0;
	t->retry_after_ms = 0;
	t->received_ns = 0;
	t->header_lines = 0;
	t->head_ended = false;
	t->too_large = false;
	if (curl_multi_add_handle(t->multi, t->handle) != CURLM_OK)
		return -ENOMEM;
	t->busy = true;
	return 0;
}

int transport_send(struct transport *t, const char *const *headers, struct span body)
{
	const struct transport_request request = {.headers = headers, .body = body};

	return transport_request(t, &request);
}

bool transport_busy(const struct transport *t)
{
	return t->busy;
}

/*
 * A server may answer before it has read all, and end the HTTP/2 stream; libcurl then fails over what it
 * could not send any more (7.88). The answer counts where no body of it can be missing that anybody reads.
 */
static bool answered_early(const struct transport *t, CURLcode result, long status)
{
	return result == CURLE_HTTP2_STREAM && t->head_ended && (status == 204 || status >= 300);
}

void transport_finish(struct transport *t, CURLcode result, struct transport_answer *ret)
{
	long status = 0, connections = 0;

	curl_easy_getinfo(t->handle, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->handle, CURLINFO_NUM_CONNECTS, &connections);
	if (answered_early(t, result, status))
		result = CURLE_OK;
	if (result != CURLE_OK && !t->error_text[0])
		snprintf(t->error_text, sizeof t->error_text, "%s", curl_easy_strerror(result));
	curl_multi_remove_handle(t->multi, t->handle);
	t->busy = false;
	/* libcurl is content with a status line and a closed connection; we want to be told that nothing is
	 * missing. */
	if (result == CURLE_OK && !t->head_ended) {
		result = CURLE_RECV_ERROR;
		snprintf(t->error_text, sizeof t->error_text, "the answer ended inside its headers");
	}
	*ret = (struct transport_answer){
		.error = result,
		.error_text = result == CURLE_OK ? "" : t->error_text,
		.status = (unsigned)status,
		.head = buffer_span(&t->head),
		.body = buffer_span(&t->body),
		.too_large = t->too_large,
		.retry_after_ms = t->retry_after_ms,
		.received_ns = t->received_ns,
		.connections = (unsigned)connections,
	};
}

static struct transport *transport_of(CURL *handle)
{
	char *private = NULL;

	curl_easy_getinfo(handle, CURLINFO_PRIVATE, &private);
	return (struct transport *)(void *)private;
}

void *transport_owner(CURL *handle)
{
	const struct transport *t = transport_of(handle);

	return t ? t->owner : NULL;
}

int transport_finished(CURL *handle, CURLcode result)
{
	const struct transport *t = transport_of(handle);

	return t->finished(t->owner, result);
}

void transport_free(struct transport *t)
{
	if (!t)
		return;
	if (t->busy)
		curl_multi_remove_handle(t->multi, t->handle);
	curl_easy_cleanup(t->handle);
	curl_slist_free_all(t->sent);
	curl_slist_free_all(t->headers);
	buffer_free(&t->head);
	buffer_free(&t->body);
	free(t->url);
	free(t);
}
