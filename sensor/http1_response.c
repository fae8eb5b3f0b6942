// SPDX-License-Identifier: Apache-2.0
/*
 * http1_response.c: status lines and the framing of answers. Clients differ in what they take for an answer;
 * the choices here follow RFC 9112 section 4 and 6.3, and curl where these say nothing.
 */
#include "sensor/http1_response.h"
#include "lib/util.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* --- the status line --- */

/* RFC 9112 section 4: a recipient may take these for a space. A CR is not among them: it ends the line. */
static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

#define VERSION_DIGITS_MAX 3

/* Passes digits; false: there is none, or too many. *at is bytes.len: more may come. */
static bool pass_digits(struct span bytes, size_t *at)
{
	size_t from = *at;

	while (*at < bytes.len && is_digit(bytes.ptr[*at]) && *at - from <= VERSION_DIGITS_MAX)
		++*at;
	return (*at > from || *at == bytes.len) && *at - from <= VERSION_DIGITS_MAX;
}

/* "HTTP/1.1" or "ICY": 0, and *ret_len bytes are it. */
static int pass_protocol(struct span bytes, size_t *ret_len)
{
	static const struct span http = SPAN("HTTP/"), icy = SPAN("ICY");
	size_t at = http.len;

	if (strncasecmp(bytes.ptr, icy.ptr, MIN(bytes.len, icy.len)) == 0) {
		*ret_len = icy.len;
		return bytes.len <= icy.len ? HTTP1_E_MORE : 0;
	}
	if (strncasecmp(bytes.ptr, http.ptr, MIN(bytes.len, http.len)) != 0)
		return HTTP1_E_NOT_HTTP;
	if (bytes.len <= at)
		return HTTP1_E_MORE;
	if (!pass_digits(bytes, &at))
		return HTTP1_E_NOT_HTTP;
	if (at < bytes.len && bytes.ptr[at] == '.') {
		at++;
		if (!pass_digits(bytes, &at))
			return HTTP1_E_NOT_HTTP;
	}
	if (at >= bytes.len)
		return HTTP1_E_MORE;
	*ret_len = at;
	return 0;
}

int http1_status(struct span bytes, unsigned *ret_status)
{
	size_t at = 0;
	unsigned status = 0;

	if (!bytes.len)
		return HTTP1_E_MORE;
	int r = pass_protocol(bytes, &at);
	if (r)
		return r;
	if (!is_space(bytes.ptr[at]))
		return HTTP1_E_NOT_HTTP;
	while (at < bytes.len && is_space(bytes.ptr[at]))
		at++;
	for (size_t i = 0; i < 3; i++, at++) {
		if (at >= bytes.len)
			return HTTP1_E_MORE;
		if (!is_digit(bytes.ptr[at]))
			return HTTP1_E_NOT_HTTP;
		status = status * 10 + (unsigned)(bytes.ptr[at] - '0');
	}
	if (status < 100)
		return HTTP1_E_NOT_HTTP;
	if (at >= bytes.len)
		return HTTP1_E_MORE;
	if (is_digit(bytes.ptr[at]))
		return HTTP1_E_NOT_HTTP;
	*ret_status = status;
	return 0;
}

/* --- faults --- */

const char *http1_response_fault_name(enum http1_response_fault fault)
{
	static const char *const names[HTTP1_RESPONSE_FAULT_MAX] = {
		[HTTP1_RESPONSE_INVALID_PROTOCOL] = "http_response_invalid_protocol",
		[HTTP1_RESPONSE_INVALID_STATUS] = "http_response_invalid_status",
		[HTTP1_RESPONSE_FIELD_MISSING_COLON] = "http_response_field_missing_colon",
		[HTTP1_RESPONSE_HEADER_INVALID] = "http_response_header_invalid",
		[HTTP1_RESPONSE_FOLDING] = "http_invalid_response_field_folding",
		[HTTP1_RESPONSE_TOO_MANY_HEADERS] = "http_response_too_many_headers",
		[HTTP1_RESPONSE_DUPLICATE_LENGTH] = "http_duplicate_content_length_field_in_response",
		[HTTP1_RESPONSE_INVALID_LENGTH] = "http_invalid_content_length_field_in_response",
		[HTTP1_RESPONSE_INVALID_CODING] = "http_invalid_transfer_encoding_value_in_response",
		[HTTP1_RESPONSE_ABNORMAL_CODING] = "http_response_abnormal_transfer_encoding",
		[HTTP1_RESPONSE_CHUNKED_OLD_PROTOCOL] = "http_response_chunked_old_protocol",
		[HTTP1_RESPONSE_INVALID_CHUNK] = "http_invalid_response_chunk_length",
		[HTTP1_RESPONSE_ABNORMAL_CONTENT_ENCODING] = "http_abnormal_content_encoding_header",
	};

	return names[fault];
}

static void tell(const struct http1_responses_hooks *hooks, enum http1_response_fault fault)
{
	if (hooks->fault)
		hooks->fault(hooks->arg, fault);
}

/* Each of a list of codings is one of these? An empty element is none. */
static bool codings_are_known(struct span list, const struct span *known, size_t count)
{
	while (list.len) {
		const char *comma = memchr(list.ptr, ',', list.len);
		size_t len = comma ? (size_t)(comma - list.ptr) : list.len;
		struct span one = span_trim((struct span){list.ptr, len});
		size_t i = 0;

		while (i < count && !span_equal_nocase(one, known[i]))
			i++;
		if (i == count)
			return false;
		list.ptr += len + (comma != NULL);
		list.len -= len + (comma != NULL);
	}
	return true;
}

/* --- the whole direction --- */

enum {
	STATUS, /* a status line, or what is between two answers */
	HEADER,
	LENGTH,
	CHUNKED,
	UNTIL_CLOSE,
	LEFT, /* not HTTP any more */
};

static void line_reset(struct http1_responses *s)
{
	s->line_len = 0;
	s->line_whole = s->line_cut = false;
}

static void answer_done(struct http1_responses *s, bool whole, const struct http1_responses_hooks *hooks)
{
	s->now.whole = whole;
	hooks->done(hooks->arg, &s->now);
	s->state = STATUS;
	line_reset(s);
}

/* RFC 9112 section 6.3, in its order. */
static void enter_body(struct http1_responses *s, const struct http1_responses_hooks *hooks)
{
	enum http1_asked asked = hooks->asked(hooks->arg);
	unsigned status = s->now.status;

	if (status == 101 || (asked == HTTP1_ASKED_CONNECT && status / 100 == 2)) {
		answer_done(s, true, hooks);
		s->state = LEFT;
	} else if (asked == HTTP1_ASKED_HEAD || status == 204 || status == 304) {
		answer_done(s, true, hooks);
	} else if (s->is_chunked) {
		if (s->old_protocol)
			tell(hooks, HTTP1_RESPONSE_CHUNKED_OLD_PROTOCOL);
		if (s->has_length_line)
			tell(hooks, HTTP1_RESPONSE_ABNORMAL_CODING);
		s->chunked = (struct http1_chunked){0};
		s->state = CHUNKED;
	} else if (s->has_coding || !s->has_length) {
		s->state = UNTIL_CLOSE;
	} else if (s->left) {
		s->state = LENGTH;
	} else {
		answer_done(s, true, hooks);
	}
}

#define STATUS_MAX 599 /* RFC 9110 section 15 */

/* A line that was meant as a status line, and is none. */
static void tell_no_status(struct span line, const struct http1_responses_hooks *hooks)
{
	size_t at;

	if (line.len < 5 || strncasecmp(line.ptr, "HTTP/", 5) != 0)
		return;
	tell(hooks,
	     pass_protocol(line, &at) ? HTTP1_RESPONSE_INVALID_PROTOCOL : HTTP1_RESPONSE_INVALID_STATUS);
}

static void protocol_check(struct http1_responses *s, struct span line,
			   const struct http1_responses_hooks *hooks)
{
	bool v1 = line.len > 8 && memcmp(line.ptr, "HTTP/1.", 7) == 0 && is_space(line.ptr[8]);

	s->old_protocol = v1 && line.ptr[7] == '0';
	if (!v1 || (line.ptr[7] != '0' && line.ptr[7] != '1'))
		tell(hooks, HTTP1_RESPONSE_INVALID_PROTOCOL);
}

/* A line without its end; behind it stands a line feed. Junk between two answers is passed over. */
static void read_status(struct http1_responses *s, struct span line,
			const struct http1_responses_hooks *hooks)
{
	unsigned status;

	/* The line feed is the byte behind the digits that http1_status wants to see. */
	line.len++;
	while (line.len && (is_space(line.ptr[0]) || line.ptr[0] == '\r')) {
		line.ptr++;
		line.len--;
	}
	if (http1_status(line, &status)) {
		tell_no_status(line, hooks);
		return;
	}
	s->now = (struct http1_answer){.status = status, .first_ns = s->line_ns};
	s->state = HEADER;
	s->interim = status < 200 && status != 101;
	s->has_length = s->has_coding = s->is_chunked = s->resync = false;
	s->chunked = (struct http1_chunked){0};
	s->left = 0;
	s->has_length_line = false;
	s->headers = 0;
	if (!s->interim)
		hooks->answer(hooks->arg, &s->now);
	protocol_check(s, line, hooks);
	if (status > STATUS_MAX)
		tell(hooks, HTTP1_RESPONSE_INVALID_STATUS);
}

/* --- header lines --- */

static void read_length(struct http1_responses *s, struct span value,
			const struct http1_responses_hooks *hooks)
{
	uint64_t n = 0;

	if (s->has_length_line)
		tell(hooks, HTTP1_RESPONSE_DUPLICATE_LENGTH);
	s->has_length_line = true;
	if (!value.len)
		tell(hooks, HTTP1_RESPONSE_INVALID_LENGTH);
	if (!value.len || s->has_length)
		return;
	for (size_t i = 0; i < value.len; i++) {
		if (!is_digit(value.ptr[i]) || n > (uint64_t)INT64_MAX / 10 - 1) {
			tell(hooks, HTTP1_RESPONSE_INVALID_LENGTH);
			return;
		}
		n = n * 10 + (unsigned)(value.ptr[i] - '0');
	}
	s->has_length = true;
	s->left = n;
}

/* chunked must be the last one: what follows it, if anything, hides the chunks. */
static void read_coding(struct http1_responses *s, struct span value,
			const struct http1_responses_hooks *hooks)
{
	static const struct span known[] = {SPAN("chunked"), SPAN("gzip"),     SPAN("x-gzip"),
					    SPAN("deflate"), SPAN("compress"), SPAN("x-compress"),
					    SPAN("identity")};
	size_t from = value.len;

	if (!codings_are_known(value, known, ARRAY_SIZE(known)))
		tell(hooks, HTTP1_RESPONSE_INVALID_CODING);
	if (s->has_coding || !span_equal_nocase(value, SPAN("chunked")))
		tell(hooks, HTTP1_RESPONSE_ABNORMAL_CODING);

	while (from && value.ptr[from - 1] != ',')
		from--;
	s->has_coding = true;
	s->is_chunked = span_equal_nocase(span_trim((struct span){value.ptr + from, value.len - from}),
					  SPAN("chunked"));
}

static bool name_is_token(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!http1_is_token(name.ptr[i]))
			return false;
	return name.len > 0;
}

static void content_encoding_check(struct span value, const struct http1_responses_hooks *hooks)
{
	static const struct span known[] = {SPAN("gzip"),        SPAN("x-gzip"),     SPAN("deflate"),
					    SPAN("compress"),    SPAN("x-compress"), SPAN("identity"),
					    SPAN("br"),          SPAN("zstd"),       SPAN("dcb"),
					    SPAN("dcz"),         SPAN("exi"),        SPAN("aes128gcm"),
					    SPAN("pack200-gzip")};

	if (!codings_are_known(value, known, ARRAY_SIZE(known)))
		tell(hooks, HTTP1_RESPONSE_ABNORMAL_CONTENT_ENCODING);
}

static void read_header(struct http1_responses *s, struct span line,
			const struct http1_responses_hooks *hooks)
{
	const char *colon = memchr(line.ptr, ':', line.len);

	if (s->headers < UINT8_MAX && ++s->headers == HTTP_HEADERS_MAX + 1)
		tell(hooks, HTTP1_RESPONSE_TOO_MANY_HEADERS);
	if (!colon && !s->line_cut)
		tell(hooks, HTTP1_RESPONSE_FIELD_MISSING_COLON);
	if (colon && !name_is_token((struct span){line.ptr, (size_t)(colon - line.ptr)}))
		tell(hooks, HTTP1_RESPONSE_HEADER_INVALID);
	if (!colon || s->line_cut)
		return;
	struct span name = span_trim((struct span){line.ptr, (size_t)(colon - line.ptr)});
	struct span value = span_trim((struct span){colon + 1, (size_t)(line.ptr + line.len - colon - 1)});
	if (span_equal_nocase(name, SPAN("content-length")))
		read_length(s, value, hooks);
	else if (span_equal_nocase(name, SPAN("transfer-encoding")))
		read_coding(s, value, hooks);
	else if (span_equal_nocase(name, SPAN("content-encoding")))
		content_encoding_check(value, hooks);
}

/* --- lines --- */

static void read_line(struct http1_responses *s, const struct http1_responses_hooks *hooks)
{
	struct span line = {s->line, s->line_len};

	while (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	s->line[line.len] = '\n';
	if (s->state == STATUS) {
		read_status(s, line, hooks);
	} else if (line.len) {
		read_header(s, line, hooks);
	} else if (s->interim) {
		s->state = STATUS;
	} else {
		enter_body(s, hooks);
	}
	line_reset(s);
}

/* Keeps what there is room for, but for a line feed's. */
static void line_keep(struct http1_responses *s, struct span part)
{
	size_t n = MIN(part.len, sizeof s->line - 1 - s->line_len);

	memcpy(s->line + s->line_len, part.ptr, n);
	s->line_len = (uint16_t)(s->line_len + n);
	s->line_cut |= n < part.len;
}

/* A header line is over once the next byte shows that it does not go on (RFC 9112 section 5.2). */
static bool line_goes_on(struct http1_responses *s, char next, const struct http1_responses_hooks *hooks)
{
	if (next != ' ' && next != '\t')
		return false;
	while (s->line_len && s->line[s->line_len - 1] == '\r')
		s->line_len--;
	s->line_whole = false;
	if (s->line_len)
		tell(hooks, HTTP1_RESPONSE_FOLDING);
	return s->line_len > 0;
}

static size_t eat_lines(struct http1_responses *s, struct span in, uint64_t time_ns,
			const struct http1_responses_hooks *hooks)
{
	if (s->line_whole && !line_goes_on(s, in.ptr[0], hooks)) {
		read_line(s, hooks);
		return 0;
	}
	if (!s->line_len)
		s->line_ns = time_ns;
	const char *lf = memchr(in.ptr, '\n', in.len);
	size_t n = lf ? (size_t)(lf - in.ptr) : in.len;

	line_keep(s, (struct span){in.ptr, n});
	if (!lf)
		return n;
	bool empty = s->line_len == 0 || (s->line_len == 1 && s->line[0] == '\r');
	if (s->state == HEADER && !empty)
		s->line_whole = true;
	else
		read_line(s, hooks);
	return n + 1;
}

/* --- bodies --- */

static size_t eat_length(struct http1_responses *s, struct span in, const struct http1_responses_hooks *hooks)
{
	size_t n = MIN((uint64_t)in.len, s->left);

	s->left -= n;
	s->now.body += n;
	if (!s->left)
		answer_done(s, true, hooks);
	return n;
}

/* Data at once, frames byte by byte, so that only data is counted. */
static size_t eat_chunked(struct http1_responses *s, struct span in,
			  const struct http1_responses_hooks *hooks)
{
	size_t most = s->chunked.in_data ? MIN((uint64_t)in.len, s->chunked.left) : 1;
	bool data = s->chunked.in_data;
	size_t n = http1_chunked_eat(&s->chunked, (struct span){in.ptr, most});

	if (data)
		s->now.body += n;
	if (s->chunked.broken || s->chunked.deviations & HTTP_DEV_BAD_CHUNK)
		tell(hooks, HTTP1_RESPONSE_INVALID_CHUNK);
	if (s->chunked.broken) /* clients go different ways: to the end, most of them */
		s->state = UNTIL_CLOSE;
	else if (s->chunked.done)
		answer_done(s, true, hooks);
	return n;
}

static void resync(struct http1_responses *s)
{
	s->state = STATUS;
	s->resync = true;
	line_reset(s);
}

/*
 * At the start of a piece, where no answer is under way that knows its end: does one begin? Behind a gap all
 * else is passed over. A body until the close is ended by an answer only where a request waits for one.
 */
static bool begins_answer(struct http1_responses *s, struct span in,
			  const struct http1_responses_hooks *hooks)
{
	unsigned status;

	if (s->state == UNTIL_CLOSE && hooks->waiting(hooks->arg) && http1_status(in, &status) == 0)
		answer_done(s, false, hooks);
	else if (s->state == STATUS && s->resync)
		return http1_status(in, &status) == 0;
	return true;
}

void http1_responses_feed(struct http1_responses *s, struct span bytes, uint64_t time_ns,
			  const struct http1_responses_hooks *hooks)
{
	if (!bytes.len || !begins_answer(s, bytes, hooks))
		return;
	s->resync = false;
	while (bytes.len) {
		size_t n = bytes.len;

		switch (s->state) {
		case STATUS:
		case HEADER:
			n = eat_lines(s, bytes, time_ns, hooks);
			break;
		case LENGTH:
			n = eat_length(s, bytes, hooks);
			break;
		case CHUNKED:
			n = eat_chunked(s, bytes, hooks);
			break;
		case UNTIL_CLOSE:
			s->now.body += n;
			break;
		default:
			break;
		}
		bytes.ptr += n;
		bytes.len -= n;
	}
}

void http1_responses_miss(struct http1_responses *s, uint64_t n, const struct http1_responses_hooks *hooks)
{
	uint64_t known = s->state == LENGTH ? s->left
			 : s->state == CHUNKED && s->chunked.in_data && s->chunked.left > 1
				 ? s->chunked.left - 1
				 : 0;

	if (s->state == LEFT)
		return;
	if (s->state == UNTIL_CLOSE || n <= known) {
		s->now.body += n;
		if (s->state == CHUNKED)
			s->chunked.left -= n;
		if (s->state != LENGTH)
			return;
		s->left -= n;
		if (!s->left)
			answer_done(s, true, hooks);
		return;
	}
	if (s->state != STATUS && !(s->state == HEADER && s->interim))
		answer_done(s, false, hooks);
	hooks->lost(hooks->arg);
	resync(s);
}

void http1_responses_end(struct http1_responses *s, const struct http1_responses_hooks *hooks)
{
	if (s->state == LEFT)
		return;
	if (s->line_whole || (s->state == STATUS && s->line_len && !s->resync))
		read_line(s, hooks);
	if (s->state == UNTIL_CLOSE)
		answer_done(s, !s->chunked.broken, hooks);
	else if (s->state != STATUS && s->state != LEFT && !(s->state == HEADER && s->interim))
		answer_done(s, false, hooks);
	s->state = STATUS;
	line_reset(s);
}

bool http1_responses_left(const struct http1_responses *s)
{
	return s->state == LEFT;
}
