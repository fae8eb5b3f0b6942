// SPDX-License-Identifier: Apache-2.0
/*
 * stream.c: pieces of one connection → bytes in order → heads and bodies. Positions are 64-bit offsets; TCP
 * sequence numbers are only compared with the next one expected, within 2^31, so wrapping does not matter.
 * Pieces of one connection come in the order in which the application received them: one that starts beyond
 * the next byte expected means that bytes in between were skipped on our word, or lost.
 */
#include "sensor/stream.h"
#include <errno.h>
#include "lib/util.h"

enum {
	START,      /* nothing decided: a PROXY header may come */
	HEAD,       /* a request head, or what is between two */
	LENGTH,     /* a body of body_left bytes */
	CHUNKED,    /* a chunked body */
	REST_START, /* rest of a head beyond the ceiling: at a line start */
	REST_CR,    /* ... behind a CR at a line start */
	REST_LINE,  /* ... inside a line */
	RESYNC,     /* looking for a start line */
	TLS_ASKED,  /* a client asked whether it may speak TLS */
	TLS,        /* the beginning of TLS */
	NOT_HTTP,
};

/* RESYNC: where the bytes stand in their line. */
enum {
	INSIDE_LINE,
	LINE_START,       /* behind a line feed */
	MAYBE_LINE_START, /* behind a gap: only a method that cannot be a cut one is believed */
};

#define REST_LINE_MAX 512 /* a longer line of a head's rest is not read; it is in doubt anyway */

#define SKIP_STEP (1u << 30) /* the kernel compares sequence numbers within 2^31 */
#define SKIP_MIN  4096       /* a shorter rest is not worth a store */

void stream_init(struct stream *s, bool isn_known, uint32_t first_seq)
{
	*s = (struct stream){.next_seq = first_seq,
			     .started = isn_known,
			     .complete = isn_known,
			     .state = isn_known ? START : RESYNC,
			     .after_gap = !isn_known,
			     .line_start = MAYBE_LINE_START,
			     .head = BUFFER_INIT(HTTP1_HEAD_MAX)};
}

/* --- the buffer of an unfinished head --- */

static void head_free(struct stream *s, const struct stream_hooks *hooks)
{
	s->fork = 0;
	if (!s->head.size)
		return;
	if (hooks->budget)
		*hooks->budget += s->head.size;
	buffer_free(&s->head);
}

/* 0, BUFFER_E_FULL (ceiling or budget), -ENOMEM: nothing was appended. */
static int head_append(struct stream *s, struct span bytes, const struct stream_hooks *hooks)
{
	size_t had = s->head.size;

	if (hooks->budget && s->head.len + bytes.len > had) {
		/* The buffer at most doubles what it must hold. */
		size_t most = MIN(2 * (s->head.len + bytes.len) + 256, (size_t)HTTP1_HEAD_MAX);
		uint64_t left = hooks->share ? MIN(*hooks->budget, *hooks->share) : *hooks->budget;
		if (most > had && most - had > left)
			return BUFFER_E_FULL;
	}
	int r = buffer_append(&s->head, bytes.ptr, bytes.len);
	if (hooks->budget)
		*hooks->budget -= s->head.size - had;
	return r;
}

/* --- states --- */

static void enter_head(struct stream *s)
{
	s->state = HEAD;
	s->scan = (struct http1_scan){0};
}

/* n bytes in which no request was made out. Inside of a body, even a doubtful one, that is no loss. */
static void pass_over(struct stream *s, size_t n)
{
	if (!s->outer)
		s->passed_bytes += n;
}

static void enter_resync(struct stream *s, uint8_t line_start, const struct stream_hooks *hooks)
{
	/* A line that was held because it might have become a start line. */
	if (s->state == RESYNC)
		pass_over(s, s->head.len);
	head_free(s, hooks);
	s->state = RESYNC;
	s->line_start = line_start;
	s->leading = 0;
}

static void enter_not_http(struct stream *s, const struct stream_hooks *hooks)
{
	head_free(s, hooks);
	s->state = NOT_HTTP;
	s->not_http = 1;
}

/*
 * A body whose end is in doubt: requests are looked for in it from its first byte on, while its presumed end
 * is kept in mind. Of the requests found inside of it, only the latest one's length is kept in mind as well.
 */
static void enter_doubtful_body(struct stream *s, enum http_body body, const struct stream_hooks *hooks)
{
	if (!s->outer) {
		s->outer = (uint8_t)body;
		s->outer_left = body == HTTP_BODY_LENGTH ? s->body_left : 0;
		s->outer_requests = s->requests;
		s->chunked = (struct http1_chunked){0};
	} else if (body == HTTP_BODY_LENGTH) {
		s->inner_left = s->body_left;
	}
	enter_resync(s, LINE_START, hooks);
	s->in_body = 1;
}

static void enter_body(struct stream *s, enum http_body body, const struct stream_hooks *hooks)
{
	enter_head(s);
	if (s->doubt && ((body == HTTP_BODY_LENGTH && s->body_left) || body == HTTP_BODY_CHUNKED)) {
		enter_doubtful_body(s, body, hooks);
		return;
	}
	switch (body) {
	case HTTP_BODY_LENGTH:
		if (s->body_left)
			s->state = LENGTH;
		break;
	case HTTP_BODY_CHUNKED:
		s->chunked = (struct http1_chunked){0};
		s->state = CHUNKED;
		break;
	case HTTP_BODY_UNTIL_CLOSE:
		/* HTTP/0.9: most servers read no further. For the others: */
		enter_resync(s, LINE_START, hooks);
		break;
	case HTTP_BODY_NONE:
		break;
	}
}

#define TLS_HANDSHAKE 0x16 /* a record's first byte; no method begins with it */

/* A PostgreSQL client asks whether it may speak TLS, and waits for the answer. */
static const struct span tls_asked = SPAN("\x00\x00\x00\x08\x04\xd2\x16\x2f");

/* Does TLS begin here, where a head may begin that is the first, or behind one that asked for something else?
 */
static bool tls_begins(const struct stream *s, struct span in, const struct stream_hooks *hooks)
{
	if (in.ptr[0] != TLS_HANDSHAKE || !hooks->tls || s->outer || s->leading)
		return false;
	return s->upgraded || (s->requests == 0 && !s->after_gap);
}

static size_t eat_tls(struct stream *s, struct span in, const struct stream_hooks *hooks)
{
	s->state = TLS;
	if (!hooks->tls(hooks->arg, s, in))
		enter_not_http(s, hooks);
	return in.len;
}

/* Where in its line the head stopped that did not fit. */
static uint8_t rest_state(struct span head)
{
	size_t n = 0;

	while (n < head.len && head.ptr[head.len - 1 - n] != '\n')
		n++;
	if (n == 0)
		return REST_START;
	return n == 1 && head.ptr[head.len - 1] == '\r' ? REST_CR : REST_LINE;
}

static void hand_over(struct stream *s, struct http_request *r, const struct stream_hooks *hooks)
{
	if (s->leading)
		r->deviations |= HTTP_DEV_LEADING_EMPTY_LINE;
	if (s->after_gap)
		r->deviations |= HTTP_DEV_AFTER_GAP;
	if (s->in_body || s->outer)
		r->deviations |= HTTP_DEV_IN_BODY;
	else if (s->junk && !s->after_gap)
		r->deviations |= HTTP_DEV_JUNK_BEFORE;
	hooks->request(hooks->arg, s, r);
	s->requests++;
	s->leading = 0;
	s->after_gap = 0;
	s->in_body = 0;
	s->junk = 0;
	/* Where the framing is doubtful, what follows may be a body to the server: that is no reason to look
	 * away. */
	s->doubt |= (r->deviations & HTTP1_DEV_FRAMING) != 0;
	s->upgraded = r->upgrade && !s->doubt;
}

/* junk is no request. */
static void leave_head(struct stream *s, struct span junk, const struct stream_hooks *hooks)
{
	if (s->upgraded || (s->requests == 0 && !s->after_gap)) {
		enter_not_http(s, hooks);
		return;
	}
	s->junk = !s->outer;
	pass_over(s, junk.len);
	enter_resync(s, junk.ptr[junk.len - 1] == '\n' ? LINE_START : INSIDE_LINE, hooks);
}

/* Does a head begin here: a start line and what came behind it, or a line that is a request by itself? */
static bool is_head(struct span bytes, struct http_request *ret)
{
	if (!http1_start_line(bytes, false))
		return !http1_parse_head(bytes, ret);
	return !http1_parse(bytes, ret) && ret->deviations & HTTP_DEV_NO_VERSION;
}

/* A head begun before the presumed end of a body goes on behind it: is there one that begins at that end? */
static bool hand_over_fork(struct stream *s, struct span head, size_t fork, struct http_request *r,
			   const struct stream_hooks *hooks)
{
	struct span behind = {head.ptr + fork, head.len - fork};
	bool leading = false;

	/* The end may lie before the end of a line that the body began. */
	for (; behind.len && (behind.ptr[0] == '\r' || behind.ptr[0] == '\n'); leading = true)
		behind = (struct span){behind.ptr + 1, behind.len - 1};
	if (!fork || !is_head(behind, r))
		return false;
	s->leading = leading;
	hand_over(s, r, hooks);
	return true;
}

/* The ceiling cut the head: what it has of its last line is the beginning of the rest. */
static void enter_rest(struct stream *s, struct span head, enum http_body body,
		       const struct stream_hooks *hooks)
{
	size_t n = 0;

	while (n < head.len && n < REST_LINE_MAX && head.ptr[head.len - 1 - n] != '\n')
		n++;
	s->state = rest_state(head);
	s->rest = (uint8_t)body;
	if (n && head_append(s, (struct span){head.ptr + head.len - n, n}, hooks))
		s->refused += s->refused < UINT8_MAX;
}

/* head is whole, or as much as the ceiling lets through. */
static void finish_head(struct stream *s, struct span head, size_t fork, const struct stream_hooks *hooks)
{
	struct http_request r;

	if (http1_parse_head(head, &r)) {
		/* Only one that the ceiling cut inside its request line. */
		leave_head(s, head, hooks);
		return;
	}
	hand_over(s, &r, hooks);
	bool too_large = r.deviations & HTTP_DEV_HEAD_TOO_LARGE;
	enum http_body body = r.body;
	s->body_left = r.content_length;
	if (hand_over_fork(s, head, fork, &r, hooks)) {
		body = r.body;
		s->body_left = r.content_length;
	}
	if (too_large)
		enter_rest(s, head, body, hooks);
	else
		enter_body(s, body, hooks);
}

/* --- consuming bytes: each returns how many it used --- */

/* A head that will never be whole, but whose request line is: the server may well answer it. */
static void hand_over_part(struct stream *s, struct span head, const struct stream_hooks *hooks)
{
	struct http_request r;

	if (!http1_parse_head(head, &r))
		hand_over(s, &r, hooks);
	hand_over_fork(s, head, s->fork, &r, hooks);
}

/* The head could not be kept: what came of it is handed over, the rest is lost to us; where the next one
 * starts is unknown. */
static void give_up_head(struct stream *s, struct span part, const struct stream_hooks *hooks)
{
	s->refused += s->refused < UINT8_MAX;
	s->gaps++;
	s->gap_bytes += part.len;
	s->after_gap = 1;
	if (s->state == HEAD)
		hand_over_part(s, part, hooks);
	s->after_gap = 1;
	enter_resync(s, INSIDE_LINE, hooks);
}

static void consume(struct stream *s, struct span in, const struct stream_hooks *hooks);

/* The first len held bytes are no request, but a body was presumed to end inside of them: what stands behind
 * that end is read as the next head. These bytes were counted when they came. */
static void consume_fork(struct stream *s, size_t len, const struct stream_hooks *hooks)
{
	struct buffer held = s->head;
	size_t fork = s->fork;
	uint8_t outer = s->outer;

	s->head = BUFFER_INIT(HTTP1_HEAD_MAX);
	s->fork = 0;
	s->outer = HTTP_BODY_NONE;
	s->leading = 0;
	s->after_gap = 0;
	s->in_body = outer != HTTP_BODY_NONE; /* the end was that of a body inside of another */
	enter_head(s);
	consume(s, (struct span){held.data + fork, len - fork}, hooks);
	s->outer = outer;
	if (hooks->budget)
		*hooks->budget += held.size;
	buffer_free(&held);
}

static size_t eat_head(struct stream *s, struct span in, const struct stream_hooks *hooks)
{
	size_t held = s->head.len, leading = 0;
	struct span head = in;

	if (!held) {
		if (tls_begins(s, in, hooks))
			return eat_tls(s, in, hooks);
		/* Empty lines may come without end: never held. */
		while (leading < in.len && (in.ptr[leading] == '\r' || in.ptr[leading] == '\n'))
			leading++;
		if (leading) {
			s->leading = 1;
			return leading;
		}
	} else {
		struct span more = {in.ptr, MIN(in.len, HTTP1_HEAD_MAX - held)};
		if (head_append(s, more, hooks)) {
			give_up_head(s, buffer_span(&s->head), hooks);
			return 0;
		}
		head = buffer_span(&s->head);
	}

	int r = http1_scan(&s->scan, head);
	if (r == HTTP1_E_MORE) {
		if (!held && head_append(s, in, hooks))
			give_up_head(s, in, hooks);
		return in.len;
	}
	size_t end = s->scan.at;
	if (r == HTTP1_E_NOT_HTTP) {
		if (s->fork)
			consume_fork(s, end, hooks);
		else
			leave_head(s, (struct span){head.ptr, end}, hooks);
		return end - held;
	}
	/* The buffer leaves the stream before the hook sees it, so that the next state starts clean. */
	struct buffer buffer = s->head;
	size_t fork = s->fork;
	s->head = BUFFER_INIT(HTTP1_HEAD_MAX);
	s->fork = 0;
	finish_head(s, (struct span){head.ptr, end}, fork, hooks);
	if (hooks->budget)
		*hooks->budget += buffer.size;
	buffer_free(&buffer);
	return end - held;
}

static size_t eat_length(struct stream *s, struct span in)
{
	size_t n = MIN((uint64_t)in.len, s->body_left);

	s->body_left -= n;
	if (!s->body_left)
		enter_head(s);
	return n;
}

static void end_chunked(struct stream *s, const struct stream_hooks *hooks)
{
	if (s->chunked.deviations && hooks->late)
		hooks->late(hooks->arg, s, s->chunked.deviations);
	s->chunked.deviations = 0;
}

static size_t eat_chunked(struct stream *s, struct span in, const struct stream_hooks *hooks)
{
	size_t n = http1_chunked_eat(&s->chunked, in);

	if (s->chunked.done) {
		end_chunked(s, hooks);
		if (s->chunked.broken)
			enter_resync(s, s->chunked.line_len ? INSIDE_LINE : LINE_START, hooks);
		else
			enter_head(s);
	}
	return n;
}

/* A whole line of the rest of a head, its end included: what it says about the body. */
static void read_rest_line(struct stream *s)
{
	struct span line = buffer_span(&s->head);
	enum http_body body = (enum http_body)s->rest;

	while (line.len && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
		line.len--;
	http1_rest_header(line, &body, &s->body_left);
	s->rest = (uint8_t)body;
}

/* The rest of a head beyond the ceiling: to its empty line. */
static size_t eat_rest(struct stream *s, struct span in, const struct stream_hooks *hooks)
{
	const char *lf = memchr(in.ptr, '\n', in.len);
	size_t content = lf ? (size_t)(lf - in.ptr) : in.len, n = content + (lf != NULL);
	struct span more = {in.ptr, MIN(n, REST_LINE_MAX - s->head.len)};

	if (more.len && head_append(s, more, hooks))
		s->refused += s->refused < UINT8_MAX;
	if (content)
		s->state = s->state == REST_START && content == 1 && in.ptr[0] == '\r' ? REST_CR : REST_LINE;
	if (!lf)
		return n;
	if (s->state != REST_LINE) {
		head_free(s, hooks);
		enter_body(s, (enum http_body)s->rest, hooks);
		return n;
	}
	if (s->head.len < REST_LINE_MAX)
		read_rest_line(s);
	buffer_reset(&s->head);
	s->state = REST_START;
	return n;
}

/* Would the method reach over a body's presumed end? A body often ends without a line's end. */
static bool fork_in_method(const struct stream *s)
{
	return s->fork && !memchr(s->head.data, ' ', s->fork) && !memchr(s->head.data, '\t', s->fork);
}

/* A line that began in an earlier piece and may become a start line is held in the head buffer. */
static size_t resync_held(struct stream *s, struct span in, const struct stream_hooks *hooks)
{
	const char *lf = memchr(in.ptr, '\n', in.len);
	struct span more = {in.ptr, lf ? (size_t)(lf + 1 - in.ptr) : in.len};
	bool known = s->line_start == MAYBE_LINE_START;

	if (head_append(s, more, hooks)) {
		s->refused += s->refused < UINT8_MAX;
		pass_over(s, more.len);
		enter_resync(s, lf ? LINE_START : INSIDE_LINE, hooks);
		return more.len;
	}
	/* Once the method is believed the rest is judged at the line's end, not again at each byte. */
	if (!lf && s->head.len > 64)
		return more.len;
	int r = http1_start_line(buffer_span(&s->head), known || fork_in_method(s));
	if (r == 0)
		enter_head(s);
	else if (r == HTTP1_E_NOT_HTTP && s->fork)
		consume_fork(s, s->head.len, hooks);
	else if (r == HTTP1_E_NOT_HTTP)
		enter_resync(s, lf ? LINE_START : INSIDE_LINE, hooks);
	return more.len;
}

/* A connection joined midway, or cut by a gap, whose reads begin with a TLS record header. */
static bool looks_like_tls(struct span in)
{
	return in.len >= 3 && in.ptr[0] >= 0x14 && in.ptr[0] <= 0x17 && in.ptr[1] == 3 &&
	       (unsigned char)in.ptr[2] <= 4;
}

static size_t eat_resync(struct stream *s, struct span in, const struct stream_hooks *hooks)
{
	if (s->head.len)
		return resync_held(s, in, hooks);
	const char *lf = memchr(in.ptr, '\n', in.len);
	size_t line = lf ? (size_t)(lf + 1 - in.ptr) : in.len;

	if (s->line_start == MAYBE_LINE_START && !s->requests && looks_like_tls(in)) {
		if (!s->complete && s->next == in.len && in.ptr[0] == TLS_HANDSHAKE && hooks->tls)
			return eat_tls(s, in, hooks);
		enter_not_http(s, hooks);
		return in.len;
	}
	if (s->line_start != INSIDE_LINE) {
		struct span candidate = {in.ptr, line};
		int r = http1_start_line(candidate, s->line_start == MAYBE_LINE_START);
		if (r == 0) {
			enter_head(s);
			return 0;
		}
		if (r == HTTP1_E_MORE && head_append(s, candidate, hooks) == 0)
			return line;
	}
	pass_over(s, line);
	s->line_start = lf ? LINE_START : INSIDE_LINE;
	return line;
}

/* --- the PROXY protocol --- */

/* A PROXY header, held until all of it came that is read; anything else is a head, held bytes included. */
static size_t eat_start(struct stream *s, struct span in, const struct stream_hooks *hooks)
{
	size_t held = s->head.len;
	struct span more = {in.ptr, MIN(in.len, PROXY_HEADER_HELD_MAX - held)};
	struct proxy_header h;
	int r;

	if (!held && hooks->tls && span_equal(in, tls_asked)) {
		s->state = TLS_ASKED;
		return in.len;
	}
	if (!held) {
		r = proxy_header_parse(in, &h);
	} else {
		if (head_append(s, more, hooks)) {
			give_up_head(s, buffer_span(&s->head), hooks);
			return 0;
		}
		r = proxy_header_parse(buffer_span(&s->head), &h);
	}
	if (r == PROXY_E_MORE) {
		if (!held && head_append(s, in, hooks))
			give_up_head(s, in, hooks);
		return held ? more.len : in.len;
	}
	if (r == PROXY_E_NONE) {
		struct buffer first = s->head;
		s->head = BUFFER_INIT(HTTP1_HEAD_MAX);
		enter_head(s);
		/* What was held before this piece is read first, as the piece it came in; then this one
		 * again. */
		consume(s, (struct span){first.data, held}, hooks);
		s->request_at = 0;
		if (hooks->budget)
			*hooks->budget += first.size;
		buffer_free(&first);
		return 0;
	}
	head_free(s, hooks);
	s->proxy_header = 1;
	if (hooks->proxy)
		hooks->proxy(hooks->arg, s, &h);
	enter_head(s);
	if (h.len - held > in.len) {
		s->body_left = h.len - held;
		s->state = LENGTH;
		return 0;
	}
	return h.len - held;
}

static size_t eat(struct stream *s, struct span in, const struct stream_hooks *hooks)
{
	switch (s->state) {
	case START:
		return eat_start(s, in, hooks);
	case HEAD:
		return eat_head(s, in, hooks);
	case LENGTH:
		return eat_length(s, in);
	case CHUNKED:
		return eat_chunked(s, in, hooks);
	case REST_START:
	case REST_CR:
	case REST_LINE:
		return eat_rest(s, in, hooks);
	case RESYNC:
		return eat_resync(s, in, hooks);
	case TLS_ASKED:
		if (in.ptr[0] == TLS_HANDSHAKE)
			return eat_tls(s, in, hooks);
		enter_not_http(s, hooks);
		return in.len;
	case TLS:
		return eat_tls(s, in, hooks);
	default:
		return in.len;
	}
}

/* --- bodies whose end is in doubt --- */

static void leave_outer(struct stream *s, const struct stream_hooks *hooks)
{
	/* Once a request was found inside, the latest request is not the one whose body this is. */
	if (s->outer == HTTP_BODY_CHUNKED && s->requests == s->outer_requests)
		end_chunked(s, hooks);
	s->outer = HTTP_BODY_NONE;
	s->outer_left = 0;
}

/*
 * The presumed end of a body: a head begins here. If one was begun before, server and client may see that one
 * instead: it goes on, and this place in it is kept in mind.
 */
static void presumed_end(struct stream *s, const struct stream_hooks *hooks)
{
	struct span held = buffer_span(&s->head);
	bool begun = s->state == HEAD;

	if (begun && !held.len)
		return;
	if (s->state == RESYNC && held.len)
		begun = http1_start_line(held, s->line_start == MAYBE_LINE_START) != HTTP1_E_NOT_HTTP;
	if (begun) {
		s->fork = s->fork ? s->fork : (uint32_t)held.len;
		s->in_body = 1;
		return;
	}
	head_free(s, hooks);
	s->leading = 0;
	s->after_gap = 0;
	s->in_body = 0;
	enter_head(s);
}

/* A chunked body's end is known only by reading it: as far as `in` shows it. */
static void read_outer_chunks(struct stream *s, struct span in, const struct stream_hooks *hooks)
{
	s->outer_left = http1_chunked_eat(&s->chunked, in);
	if (!s->outer_left)
		leave_outer(s, hooks);
}

/* n bytes of the outer body were used: was that its end? */
static bool pass_outer(struct stream *s, size_t n, const struct stream_hooks *hooks)
{
	s->outer_left -= n;
	if (s->outer_left || (s->outer == HTTP_BODY_CHUNKED && !s->chunked.done))
		return false;
	bool ended = s->outer == HTTP_BODY_LENGTH || !s->chunked.broken;
	leave_outer(s, hooks);
	return ended;
}

static void consume(struct stream *s, struct span in, const struct stream_hooks *hooks)
{
	while (in.len) {
		struct span part = in;
		uint64_t inner = s->inner_left;
		bool ended = false;

		if (s->state == HEAD && !s->head.len)
			s->request_at = s->next - in.len;

		if (s->outer == HTTP_BODY_CHUNKED && !s->outer_left)
			read_outer_chunks(s, in, hooks);
		bool outer = s->outer;
		if (outer)
			part.len = MIN((uint64_t)part.len, s->outer_left);
		if (inner)
			part.len = MIN((uint64_t)part.len, inner);
		s->inner_left = 0;
		size_t n = eat(s, part, hooks);
		in.ptr += n;
		in.len -= n;
		if (outer)
			ended = pass_outer(s, n, hooks);
		/* A newer one takes its place. */
		if (inner && !s->inner_left) {
			s->inner_left = inner - n;
			ended |= !s->inner_left;
		}
		if (ended)
			presumed_end(s, hooks);
	}
}

/* --- sequence numbers --- */

static void hand_over_unfinished(struct stream *s, bool gap, const struct stream_hooks *hooks)
{
	if (s->state != HEAD || !s->head.len)
		return;
	if (gap)
		s->after_gap = 1;
	hand_over_part(s, buffer_span(&s->head), hooks);
}

static void gap(struct stream *s, uint64_t n, const struct stream_hooks *hooks)
{
	hand_over_unfinished(s, true, hooks);
	if (s->state == CHUNKED)
		end_chunked(s, hooks);
	s->gaps++;
	s->gap_bytes += n;
	s->after_gap = 1;
	enter_resync(s, MAYBE_LINE_START, hooks);
}

/* The presumed ends of doubtful bodies come nearer; a chunked one's is lost. */
static void miss_in_doubt(struct stream *s, uint64_t n, const struct stream_hooks *hooks)
{
	if (s->outer == HTTP_BODY_CHUNKED || s->outer_left <= n)
		leave_outer(s, hooks);
	else
		s->outer_left -= n;
	s->inner_left = s->inner_left > n ? s->inner_left - n : 0;
}

void stream_miss(struct stream *s, uint64_t n, const struct stream_hooks *hooks)
{
	uint64_t left = n;

	s->next += n;
	s->next_seq += (uint32_t)n;
	if (s->state == TLS)
		hooks->tls(hooks->arg, s, SPAN_NULL);
	if (s->state == TLS || s->state == TLS_ASKED)
		enter_not_http(s, hooks);
	if (s->state == NOT_HTTP)
		return;
	miss_in_doubt(s, n, hooks);
	if (s->state == LENGTH) {
		uint64_t k = MIN(left, s->body_left);
		s->body_left -= k;
		left -= k;
		if (!s->body_left)
			enter_head(s);
	} else if (s->state == CHUNKED && s->chunked.in_data) {
		/* As far as the last byte of this chunk's data, which the reader must see to go on. */
		uint64_t k = MIN(left, s->chunked.left - 1);
		s->chunked.left -= k;
		left -= k;
		if (left) {
			char any = 0;
			http1_chunked_eat(&s->chunked, (struct span){&any, 1});
			left--;
		}
	}
	if (left)
		gap(s, left, hooks);
}

/*
 * Before it stops skipping, the kernel says how far it came. Should that record be lost, this many bytes are
 * more than urgent data that came one by one.
 */
#define URGENT_RUN_MAX 256

void stream_urgent(struct stream *s, uint32_t seq, bool last, const struct stream_hooks *hooks)
{
	int32_t missing = (int32_t)(seq - s->next_seq);

	s->urgent = 1;
	if (!s->started || missing <= 0)
		return;
	if (!last && missing != 1)
		return;
	uint32_t removed = (uint32_t)missing;
	if (missing > URGENT_RUN_MAX && s->skip_to > s->next) {
		removed = 1;
		stream_miss(s, (uint32_t)missing - 1, hooks);
		s->doubt = 1;
		if (s->state == LENGTH)
			enter_doubtful_body(s, HTTP_BODY_LENGTH, hooks);
	}
	s->next += removed;
	s->next_seq += removed;
	s->removed_bytes += removed;
}

uint64_t stream_boundary(const struct stream *s)
{
	switch (s->state) {
	case LENGTH:
		return s->next + s->body_left;
	case CHUNKED:
		return s->next + (s->chunked.in_data ? s->chunked.left : 0);
	default:
		return s->next - s->head.len;
	}
}

/* The bytes from here on that are not needed. */
static bool skip_hint(struct stream *s, uint32_t *ret_skip_to)
{
	if (s->urgent) {
		bool told = s->skip_to > s->next;
		s->skip_to = 0;
		*ret_skip_to = s->next_seq;
		return told;
	}
	uint64_t left = s->state == LENGTH     ? s->body_left
			: s->state == CHUNKED  ? (s->chunked.in_data ? s->chunked.left : 0)
			: s->state == NOT_HTTP ? SKIP_STEP
					       : 0;
	if (left < SKIP_MIN)
		return false;
	uint64_t to = s->next + MIN(left, (uint64_t)SKIP_STEP);
	/* Told before; a far end is told again each half step (PK_SKIP_TELL). */
	if (s->skip_to > s->next && (s->skip_to >= to || s->skip_to - s->next > SKIP_STEP / 2))
		return false;
	s->skip_to = to;
	*ret_skip_to = s->next_seq + (uint32_t)(to - s->next);
	return true;
}

bool stream_feed(struct stream *s, uint32_t seq, struct span bytes, uint32_t len,
		 const struct stream_hooks *hooks, uint32_t *ret_skip_to)
{
	if (!s->started) {
		s->started = 1;
		s->next_seq = seq;
	}
	if (bytes.len > len)
		bytes.len = len;
	int32_t ahead = (int32_t)(seq - s->next_seq);
	if (ahead < 0) {
		uint32_t old = MIN((uint32_t) - (int64_t)ahead, len);
		s->duplicates += old;
		len -= old;
		bytes = old < bytes.len ? (struct span){bytes.ptr + old, bytes.len - old} : SPAN_NULL;
	} else if (ahead > 0) {
		stream_miss(s, (uint32_t)ahead, hooks);
	}
	if (bytes.len) {
		s->next += bytes.len;
		s->next_seq += (uint32_t)bytes.len;
		consume(s, bytes, hooks);
	}
	if (len > bytes.len)
		stream_miss(s, len - bytes.len, hooks);
	return skip_hint(s, ret_skip_to);
}

void stream_end(struct stream *s, const struct stream_hooks *hooks)
{
	hand_over_unfinished(s, false, hooks);
	if (s->state == CHUNKED)
		end_chunked(s, hooks);
	if (s->state == RESYNC)
		pass_over(s, s->head.len);
	leave_outer(s, hooks);
	s->inner_left = 0;
	head_free(s, hooks);
	enter_head(s);
}

bool stream_waits(const struct stream *s)
{
	return s->state == HEAD && s->head.len;
}

bool stream_in_body(const struct stream *s)
{
	return s->state == LENGTH || s->state == CHUNKED;
}

bool stream_differs(const struct stream *s, uint32_t seq, struct span bytes)
{
	int64_t from =
		(int32_t)(seq - s->next_seq) + (int64_t)s->head.len; /* place of bytes[0] in the head */
	size_t skip = from < 0 ? (size_t)-from : 0, at = from > 0 ? (size_t)from : 0;

	if (s->state != HEAD || skip >= bytes.len || at >= s->head.len)
		return false;
	return memcmp(s->head.data + at, bytes.ptr + skip, MIN(bytes.len - skip, s->head.len - at)) != 0;
}
