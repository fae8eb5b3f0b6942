// SPDX-License-Identifier: Apache-2.0
/*
 * audit_verify.c: one walk over all lines. Where a line is wrong, the rest is walked once more: whether the
 * record that belongs there comes later tells an inserted or moved line from a changed or removed one.
 */
#include "lib/audit_verify.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include "lib/json_read.h"
#include "lib/util.h"

const char *audit_fault_name(enum audit_fault fault)
{
	static const char *const names[] = {
		[AUDIT_WHOLE] = "whole",       [AUDIT_CHANGED] = "changed",     [AUDIT_REMOVED] = "removed",
		[AUDIT_INSERTED] = "inserted", [AUDIT_REORDERED] = "reordered", [AUDIT_TORN] = "torn",
	};

	return (size_t)fault < ARRAY_SIZE(names) ? names[fault] : "unknown";
}

/* --- lines --- */

int audit_line_next(FILE *f, char line[static AUDIT_LINE_MAX], size_t *ret_len, bool *ret_newline)
{
	size_t len = 0;
	int c;

	while ((c = getc_unlocked(f)) != EOF && c != '\n')
		if (len < AUDIT_LINE_MAX)
			line[len++] = (char)c;
	if (c == EOF && ferror(f))
		return errno ? -errno : -EIO;
	if (c == EOF && !len)
		return AUDIT_E_END;
	*ret_len = len;
	*ret_newline = c == '\n';
	return 0;
}

int audit_first_seq(FILE *f, uint64_t *ret)
{
	_cleanup_free_ char *line = malloc(AUDIT_LINE_MAX);
	struct audit_line a = {.seq = UINT64_MAX};
	size_t len;
	bool newline;
	int r;

	if (!line)
		return -ENOMEM;
	rewind(f);
	while ((r = audit_line_next(f, line, &len, &newline)) == 0) {
		r = audit_line_read((struct span){line, len}, &a);
		if (r <= 0)
			break;
		a.seq = UINT64_MAX;
	}
	rewind(f);
	if (r < 0)
		return r;
	*ret = a.seq;
	return 0;
}

/* --- the walk --- */

struct walk {
	const struct audit_verify *v;
	struct audit_report *report;
	unsigned file;
	uint64_t line;
	char *text; /* AUDIT_LINE_MAX bytes */
	size_t len;
	bool newline;
};

/* The next line of all files. 0, AUDIT_E_END, -errno. */
static int next(struct walk *w)
{
	for (; w->file < w->v->count; w->file++, w->line = 0) {
		int r = audit_line_next(w->v->files[w->file], w->text, &w->len, &w->newline);

		if (r == AUDIT_E_END)
			continue;
		w->line += r == 0;
		return r;
	}
	return AUDIT_E_END;
}

static void fault(struct walk *w, enum audit_fault fault, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void fault(struct walk *w, enum audit_fault fault, const char *format, ...)
{
	struct audit_report *r = w->report;
	va_list ap;

	r->fault = fault;
	r->file = w->file;
	r->line = w->line;
	va_start(ap, format);
	vsnprintf(r->what, sizeof r->what, format, ap);
	va_end(ap);
}

/* Is the record that belongs behind the head further on, or any line at all? Uses up what is left. 0 or
 * -errno. */
static int look_ahead(struct walk *w, bool *ret_found, bool *ret_last)
{
	const struct audit_head *head = &w->report->head;
	struct walk rest = *w;
	struct audit_line a;
	bool found = false, last = true;
	int r;

	while (!found && (r = next(&rest)) == 0) {
		last = false;
		r = audit_line_read((struct span){rest.text, rest.len}, &a);
		if (r < 0)
			return r;
		found = r == 0 && a.seq == head->seq + 1 && !strcmp(a.prev, head->hash);
	}
	if (!found && r < 0)
		return r;
	*ret_found = found;
	*ret_last = last;
	return 0;
}

/* A line that is no record of picket's, or not the one that was written. */
static int judge_unreadable(struct walk *w, int error)
{
	uint64_t wanted = w->report->head.seq + 1;
	bool newline = w->newline, found, last;
	int r = look_ahead(w, &found, &last);

	if (r)
		return r;
	if (last && !newline)
		fault(w, AUDIT_TORN,
		      "the last line is not complete; picket puts it aside when it starts next");
	else if (found)
		fault(w, AUDIT_INSERTED,
		      "record %" PRIu64 " belongs here and comes later: this line was inserted", wanted);
	else if (error == AUDIT_E_HASH)
		fault(w, AUDIT_CHANGED, "the line is not what was written: its hash is another");
	else
		fault(w, AUDIT_CHANGED, "this is not a record as picket writes it");
	return 0;
}

/* A record that is right in itself and does not follow the one before it. */
static int judge_unlinked(struct walk *w, const struct audit_line *a)
{
	uint64_t wanted = w->report->head.seq + 1;
	bool found, last;

	if (a->seq < w->report->first) {
		fault(w, AUDIT_REORDERED, "record %" PRIu64 " stands behind record %" PRIu64, a->seq,
		      wanted - 1);
		return 0;
	}
	if (a->seq < wanted) {
		fault(w, AUDIT_INSERTED,
		      "record %" PRIu64 " stands here behind record %" PRIu64 ": one of them was inserted",
		      a->seq, wanted - 1);
		return 0;
	}
	int r = look_ahead(w, &found, &last);
	if (r)
		return r;
	if (found)
		fault(w, AUDIT_REORDERED,
		      "record %" PRIu64 " stands where %" PRIu64 " belongs, which comes later", a->seq,
		      wanted);
	else if (a->seq > wanted)
		fault(w, AUDIT_REMOVED, "records %" PRIu64 " to %" PRIu64 " are gone", wanted, a->seq - 1);
	else
		fault(w, AUDIT_CHANGED,
		      "record %" PRIu64 " was chained to another record %" PRIu64 " than the one before it",
		      a->seq, wanted - 1);
	return 0;
}

/* What records say of the log itself. */
static void note_kind(struct audit_report *r, const struct audit_line *a, struct span line)
{
	static const struct json_limits limits = {.bytes = AUDIT_LINE_MAX, .depth = 8, .values = 512};
	int64_t number = 0;
	cJSON *root = NULL;

	r->torn += span_equal(a->kind, SPAN("torn"));
	r->anew = r->anew || span_equal(a->kind, SPAN("anew"));
	bool missing = span_equal(a->kind, SPAN("missing")), retired = span_equal(a->kind, SPAN("retired"));
	if ((!missing && !retired) || json_parse(line, &limits, &root, NULL))
		return;
	if (json_get_int(root, missing ? "count" : "through", 1, INT64_MAX, &number) == 0) {
		r->missing += missing ? (uint64_t)number : 0;
		r->retired = retired ? (uint64_t)number : r->retired;
	}
	cJSON_Delete(root);
}

static void accept(struct walk *w, const struct audit_line *a)
{
	const struct audit_head *anchor = w->v->anchor;
	struct audit_report *r = w->report;

	if (!r->records++) {
		r->first = a->seq;
		memcpy(r->first_prev, a->prev, sizeof r->first_prev);
	}
	r->head.seq = a->seq;
	memcpy(r->head.hash, a->hash, sizeof r->head.hash);
	snprintf(r->head_time, sizeof r->head_time, "%.*s", (int)a->time.len, a->time.ptr);
	r->anchored = r->anchored || (anchor && a->seq == anchor->seq && !strcmp(a->hash, anchor->hash));
	note_kind(r, a, (struct span){w->text, w->len});
}

/* The first record may be any: what was in front of it has been retired, or is in another file. */
static bool follows(const struct audit_report *r, const struct audit_line *a)
{
	if (!r->records)
		return a->seq > 1 || !strcmp(a->prev, AUDIT_HEAD_NONE.hash);
	return a->seq == r->head.seq + 1 && !strcmp(a->prev, r->head.hash);
}

static int walk(struct walk *w)
{
	struct audit_line a;
	int r;

	while ((r = next(w)) == 0) {
		r = audit_line_read((struct span){w->text, w->len}, &a);
		if (r < 0)
			return r;
		/* A line without its newline is not complete, even if only that is missing: picket, which
		 * goes by newlines, will put it aside. */
		if (r > 0 || !w->newline)
			return judge_unreadable(w, r);
		if (!follows(w->report, &a))
			return judge_unlinked(w, &a);
		accept(w, &a);
	}
	return r == AUDIT_E_END ? 0 : r;
}

/* What is not in any line: a beginning that nobody retired, and an anchor that is not there. */
static void judge_ends(struct walk *w)
{
	const struct audit_head *anchor = w->v->anchor;
	struct audit_report *r = w->report;

	w->file = 0;
	w->line = r->records ? 1 : 0;
	if (w->v->all && r->records && r->first > 1 && r->retired + 1 < r->first) {
		fault(w, AUDIT_REMOVED,
		      "the log begins with record %" PRIu64
		      ", and no record says that picket removed those before",
		      r->first);
		return;
	}
	if (!anchor || r->anchored)
		return;
	if (anchor->seq > r->head.seq)
		fault(w, AUDIT_REMOVED,
		      "the log ends with record %" PRIu64 ", but record %" PRIu64
		      " was noted: the end is gone",
		      r->head.seq, anchor->seq);
	else if (r->records && anchor->seq < r->first)
		fault(w, AUDIT_REMOVED, "record %" PRIu64 ", which was noted, is not here any more",
		      anchor->seq);
	else
		fault(w, AUDIT_CHANGED,
		      "record %" PRIu64 " is not the one that was noted: the log was written anew",
		      anchor->seq);
}

int audit_verify(const struct audit_verify *v, struct audit_report *ret)
{
	struct audit_report report = {.head = AUDIT_HEAD_NONE};
	_cleanup_free_ char *text = malloc(AUDIT_LINE_MAX);
	struct walk w = {.v = v, .report = &report, .text = text};

	if (!text)
		return -ENOMEM;
	for (unsigned i = 0; i < v->count; i++)
		rewind(v->files[i]);
	int r = walk(&w);
	if (r)
		return r;
	if (!report.fault)
		judge_ends(&w);
	*ret = report;
	return 0;
}
