/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * head_scan.h: does a request's head, by itself, tell how long its body is? Stricter than the sensor, which
 * would skip whatever is taken for a body here: a request line that ends in HTTP/1.1, lines that end in CR
 * LF, exactly one Content-Length of digits, no Transfer-Encoding (RFC 9112 sections 2.3, 5, 6). Pure: byte by
 * byte, as bpf_loop wants it; tests/fuzz holds it against sensor/http1.h.
 */
#ifndef PICKET_BPF_HEAD_SCAN_H
#define PICKET_BPF_HEAD_SCAN_H

#include "abi.h"

#define BODY_LENGTH_MAX   (1u << 30) /* sequence numbers come round; the sensor is not that far behind */
#define LENGTH_DIGITS_MAX 18

enum head_state {
	HEAD_LINE, /* the request line */
	HEAD_NAME,
	HEAD_VALUE,
	HEAD_LENGTH, /* the value of Content-Length */
	HEAD_LF,
	HEAD_LAST_LF,
	HEAD_DONE,
	HEAD_DOUBT,
};

struct head_scan {
	__u64 last; /* eight bytes, the latest in the lowest */
	__u32 state;
	__u32 at; /* in the word, the name, or the digits of the length */
	__u32 spaces;
	__u64 length; /* at most BODY_LENGTH_MAX */
	__u32 end;    /* of the head, from its first byte on */
	bool is_length, is_coding, has_length;
};

/* Padded, so that an index needs no more than a mask. */
const char name_length[32] = "content-length";
const char name_coding[32] = "transfer-encoding";

/* "method SP target SP HTTP/1.1" */
static inline void head_line(struct head_scan *s, char c)
{
	if (c == '\r') {
		s->state =
			s->spaces == 2 && s->at == 8 && s->last == 0x485454502f312e31 ? HEAD_LF : HEAD_DOUBT;
	} else if (c == ' ') {
		s->spaces++;
		s->at = 0;
	} else if (c < ' ' || c > '~') {
		s->state = HEAD_DOUBT;
	} else {
		s->at++;
	}
	s->last = s->last << 8 | (__u8)c;
}

static inline void head_name(struct head_scan *s, char c)
{
	__u32 at = s->at & 31;

	if (c == '\r' && !s->at) {
		s->state = HEAD_LAST_LF;
	} else if (c == ':' && s->is_coding && !name_coding[at]) {
		s->state = HEAD_DOUBT;
	} else if (c == ':' && s->is_length && !name_length[at]) {
		s->state = s->has_length ? HEAD_DOUBT : HEAD_LENGTH;
		s->has_length = true;
		s->at = 0;
	} else if (c == ':') {
		s->state = s->at ? HEAD_VALUE : HEAD_DOUBT;
	} else if (c <= ' ' || c > '~') { /* a space before the colon, a folded line */
		s->state = HEAD_DOUBT;
	} else {
		s->is_length = s->is_length && (c | 0x20) == name_length[at];
		s->is_coding = s->is_coding && (c | 0x20) == name_coding[at];
		if (s->at < 31)
			s->at++;
	}
}

static inline void head_length(struct head_scan *s, char c)
{
	if (c >= '0' && c <= '9') {
		if (s->length < BODY_LENGTH_MAX)
			s->length = s->length * 10 + (c - '0');
		if (s->length > BODY_LENGTH_MAX)
			s->length = BODY_LENGTH_MAX;
		if (++s->at > LENGTH_DIGITS_MAX)
			s->state = HEAD_DOUBT;
	} else if (c == '\r' && s->at) {
		s->state = HEAD_LF;
	} else if (c != ' ' || s->at) {
		s->state = HEAD_DOUBT;
	}
}

/*
 * One byte more, the i-th; returns 1 when no more are wanted. A global function: the verifier looks at it
 * once, and not at each state together with each other one.
 */
__noinline int head_step(struct head_scan *s, __u32 i, __u32 byte)
{
	char c = byte;

	if (!s)
		return 1;
	switch (s->state) {
	case HEAD_LINE:
		head_line(s, c);
		break;
	case HEAD_NAME:
		head_name(s, c);
		break;
	case HEAD_LENGTH:
		head_length(s, c);
		break;
	case HEAD_VALUE:
		if (c == '\r')
			s->state = HEAD_LF;
		else if (((__u8)c < ' ' && c != '\t') || c == 0x7f)
			s->state = HEAD_DOUBT;
		break;
	case HEAD_LF:
		s->state = c == '\n' ? HEAD_NAME : HEAD_DOUBT;
		s->at = 0;
		s->is_length = s->is_coding = true;
		break;
	default: /* HEAD_LAST_LF */
		s->state = c == '\n' ? HEAD_DONE : HEAD_DOUBT;
		s->end = i + 1;
		return 1;
	}
	return s->state == HEAD_DOUBT;
}

/* 0: it has none, or that is in doubt. Else it begins at s->end. */
static inline __u32 head_body_length(const struct head_scan *s)
{
	return s->state == HEAD_DONE && s->has_length ? s->length : 0;
}

#endif
