// SPDX-License-Identifier: Apache-2.0
/* Every kind of tampering is found in a small log of two files, and called by its name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "lib/audit_verify.h"
#include "lib/util.h"

#define LINES_MAX 16

/* A log as lines, each with its newline. */
struct log {
	char *lines[LINES_MAX];
	unsigned count;
	unsigned files[LINES_MAX]; /* which file each is in */
	struct audit_head heads[LINES_MAX];
};

static void log_add(struct log *l, unsigned file, const char *body)
{
	struct audit_head last = l->count ? l->heads[l->count - 1] : AUDIT_HEAD_NONE;
	struct buffer b = BUFFER_INIT(AUDIT_LINE_MAX);

	assert_true(l->count < LINES_MAX);
	assert_int_equal(audit_line_write(&last, 1700000000123456789ull + l->count, span_from(body), &b,
					  &l->heads[l->count]),
			 0);
	buffer_append_char(&b, 0);
	l->files[l->count] = file;
	l->lines[l->count++] = b.data;
}

static void log_make(struct log *l)
{
	*l = (struct log){0};
	log_add(l, 0, "\"kind\":\"start\",\"by\":\"picket\"");
	log_add(l, 0, "\"kind\":\"decision\",\"by\":\"uid:0\",\"event\":{\"a\":\"\\u00e4\"}");
	log_add(l, 0, "\"kind\":\"setting\",\"by\":\"uid:1000\",\"name\":\"mode\"");
	log_add(l, 1, "\"kind\":\"decision\",\"by\":\"gateway:test\"");
	log_add(l, 1, "\"kind\":\"missing\",\"by\":\"picket\",\"count\":3");
	log_add(l, 1, "\"kind\":\"end\",\"by\":\"picket\"");
}

static void log_free(struct log *l)
{
	for (unsigned i = 0; i < l->count; i++)
		free(l->lines[i]);
}

/* texts: of both files; NULL: there is no second one. */
static struct audit_report verify_texts(const char *const texts[2], const size_t lens[2], bool all,
					const struct audit_head *anchor)
{
	struct audit_report report;
	FILE *files[2];
	unsigned count = texts[1] ? 2 : 1;

	for (unsigned i = 0; i < count; i++) {
		/* fmemopen takes no empty buffer */
		files[i] = lens[i] ? fmemopen((void *)texts[i], lens[i], "r") : fopen("/dev/null", "r");
		assert_non_null(files[i]);
	}
	const struct audit_verify v = {.files = files, .count = count, .all = all, .anchor = anchor};
	assert_int_equal(audit_verify(&v, &report), 0);
	for (unsigned i = 0; i < count; i++)
		fclose(files[i]);
	return report;
}

static struct audit_report verify_anchored(const struct log *l, const struct audit_head *anchor)
{
	struct buffer texts[2] = {BUFFER_INIT(1u << 20), BUFFER_INIT(1u << 20)};

	for (unsigned i = 0; i < l->count; i++)
		buffer_append_text(&texts[l->files[i]], l->lines[i]);
	const char *const data[2] = {texts[0].data, texts[1].data};
	const size_t lens[2] = {texts[0].len, texts[1].len};
	struct audit_report r = verify_texts(data, lens, true, anchor);
	buffer_free(&texts[0]);
	buffer_free(&texts[1]);
	return r;
}

static struct audit_report verify(const struct log *l)
{
	return verify_anchored(l, NULL);
}

static void expect_fault(const struct audit_report *r, enum audit_fault fault, unsigned file, uint64_t line)
{
	if (r->fault != fault)
		fail_msg("expected %s, got %s: %s", audit_fault_name(fault), audit_fault_name(r->fault),
			 r->what);
	assert_int_equal(r->file, file);
	assert_int_equal(r->line, line);
}

/* --- stories --- */

static void a_log_is_whole_over_the_border_of_its_files(void **state)
{
	struct log l;

	(void)state;
	log_make(&l);
	struct audit_report r = verify(&l);
	expect_fault(&r, AUDIT_WHOLE, 0, 0);
	assert_int_equal(r.records, 6);
	assert_int_equal(r.first, 1);
	assert_int_equal(r.head.seq, 6);
	assert_string_equal(r.head.hash, l.heads[5].hash);
	assert_int_equal(r.missing, 3);
	assert_string_equal(r.head_time, "2023-11-14T22:13:20.123456794Z");
	log_free(&l);
}

static void a_line_is_what_a_shell_would_check(void **state)
{
	struct log l;
	char hash[AUDIT_HASH_MAX];

	(void)state;
	log_make(&l);
	char *at = strstr(l.lines[1], ",\"hash\":\"");
	assert_non_null(at);
	assert_int_equal(audit_hash((struct span){l.lines[1], (size_t)(at - l.lines[1])}, hash), 0);
	assert_memory_equal(at + 9, hash, 64);
	assert_string_equal(at + 9 + 64, "\"}\n");
	assert_non_null(strstr(l.lines[1], l.heads[0].hash));
	log_free(&l);
}

static void each_byte_that_is_changed_is_found(void **state)
{
	struct log l;
	size_t tried = 0;

	(void)state;
	log_make(&l);
	for (unsigned i = 0; i < l.count; i++)
		for (char *p = l.lines[i]; *p; p++)
			for (unsigned bit = 0; bit < 8; bit++) {
				char was = *p;
				*p = (char)(*p ^ (1 << bit));
				if (*p) { /* the texts of this test end at a zero */
					struct audit_report r = verify(&l);
					if (!r.fault)
						fail_msg("bit %u of byte %zu of line %u", bit,
							 (size_t)(p - l.lines[i]), i + 1);
					assert_true(r.records <= i);
					tried++;
				}
				*p = was;
			}
	assert_true(tried > 8000);
	struct audit_report r = verify(&l);
	expect_fault(&r, AUDIT_WHOLE, 0, 0);
	log_free(&l);
}

static void lines_take(struct log *l, unsigned at)
{
	free(l->lines[at]);
	for (unsigned i = at; i + 1 < l->count; i++) {
		l->lines[i] = l->lines[i + 1];
		l->files[i] = l->files[i + 1];
	}
	l->count--;
}

static void each_line_that_is_removed_is_found(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct log l;
		log_make(&l);
		lines_take(&l, i);
		struct audit_report r = verify(&l);
		if (i == 0) /* nothing says that picket removed what was before the first */
			expect_fault(&r, AUDIT_REMOVED, 0, 1);
		else
			expect_fault(&r, AUDIT_REMOVED, i < 3 ? (i == 2 ? 1 : 0) : 1,
				     i < 2   ? i + 1
				     : i < 3 ? 1
					     : i - 2);
		log_free(&l);
	}
}

static void the_end_that_is_removed_is_found_by_a_head_that_was_noted(void **state)
{
	struct log l;

	(void)state;
	log_make(&l);
	struct audit_head noted = l.heads[5], other = l.heads[3];
	struct audit_report r = verify_anchored(&l, &noted);
	expect_fault(&r, AUDIT_WHOLE, 0, 0);
	assert_true(r.anchored);
	/* The last line alone: nothing in the log tells. */
	lines_take(&l, 5);
	r = verify(&l);
	expect_fault(&r, AUDIT_WHOLE, 0, 0);
	r = verify_anchored(&l, &noted);
	expect_fault(&r, AUDIT_REMOVED, 0, 1);
	/* A log that was written anew has other hashes. */
	other.hash[0] = other.hash[0] == '0' ? '1' : '0';
	r = verify_anchored(&l, &other);
	expect_fault(&r, AUDIT_CHANGED, 0, 1);
	log_free(&l);
}

static void lines_that_are_swapped_are_found(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++)
		for (unsigned k = i + 1; k < 6; k++) {
			struct log l;
			log_make(&l);
			char *line = l.lines[i];
			l.lines[i] = l.lines[k];
			l.lines[k] = line;
			struct audit_report r = verify(&l);
			if (i > 0)
				expect_fault(&r, AUDIT_REORDERED, i < 3 ? 0 : 1, i < 3 ? i + 1 : i - 2);
			else /* the first that is there may be any */
				assert_true(r.fault == AUDIT_REORDERED || r.fault == AUDIT_REMOVED);
			log_free(&l);
		}
}

static void a_line_that_stands_there_twice_is_found(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct log l;
		log_make(&l);
		size_t len = strlen(l.lines[i]);
		char *twice = malloc(2 * len + 1);
		memcpy(twice, l.lines[i], len);
		memcpy(twice + len, l.lines[i], len + 1);
		free(l.lines[i]);
		l.lines[i] = twice;
		struct audit_report r = verify(&l);
		expect_fault(&r, AUDIT_INSERTED, i < 3 ? 0 : 1, i < 3 ? i + 2 : i - 1);
		log_free(&l);
	}
}

static void line_replace(struct log *l, unsigned at, const char *text)
{
	free(l->lines[at]);
	l->lines[at] = strdup(text);
	assert_non_null(l->lines[at]);
}

static void a_line_of_somebody_elses_is_found(void **state)
{
	struct log l;
	char text[4096];

	(void)state;
	log_make(&l);
	snprintf(text, sizeof text, "{\"hello\":1}\n%s", l.lines[2]);
	line_replace(&l, 2, text);
	struct audit_report r = verify(&l);
	expect_fault(&r, AUDIT_INSERTED, 0, 3);
	log_free(&l);
	/* In the place of one: that one is gone, and what is there was not written so. */
	log_make(&l);
	line_replace(&l, 2, "{\"hello\":1}\n");
	r = verify(&l);
	expect_fault(&r, AUDIT_CHANGED, 0, 3);
	log_free(&l);
}

/* Who forges a line with the right hash breaks the next one's chain. */
static void a_forged_record_is_found_by_the_next(void **state)
{
	struct buffer b = BUFFER_INIT(AUDIT_LINE_MAX);
	struct audit_head head;
	struct log l;

	(void)state;
	log_make(&l);
	assert_int_equal(
		audit_line_write(&l.heads[0], 1, SPAN("\"kind\":\"decision\",\"by\":\"nobody\""), &b, &head),
		0);
	buffer_append_char(&b, 0);
	line_replace(&l, 1, b.data);
	buffer_free(&b);
	struct audit_report r = verify(&l);
	expect_fault(&r, AUDIT_CHANGED, 0, 3);
	log_free(&l);
}

/* Wherever the end is cut off: between lines nothing tells, everywhere else it is torn. */
static void a_cut_at_each_byte_is_found(void **state)
{
	struct buffer text = BUFFER_INIT(1u << 20);
	struct log l;

	(void)state;
	log_make(&l);
	for (unsigned i = 0; i < l.count; i++)
		buffer_append_text(&text, l.lines[i]);
	for (size_t cut = 1; cut < text.len; cut++) {
		const char *const texts[2] = {text.data, ""}; /* the second file waits for its turn */
		const size_t lens[2] = {cut, 0};
		struct audit_report r = verify_texts(texts, lens, true, NULL);
		if (text.data[cut - 1] == '\n') {
			expect_fault(&r, AUDIT_WHOLE, 0, 0);
		} else {
			expect_fault(&r, AUDIT_TORN, 0, r.records + 1);
			assert_true(r.head.seq == r.records);
		}
	}
	buffer_free(&text);
	log_free(&l);
}

/* A file that is not the last is never torn by a crash. */
static void a_cut_in_the_middle_is_no_crash(void **state)
{
	struct log l;

	(void)state;
	log_make(&l);
	l.lines[2][strlen(l.lines[2]) - 10] = 0;
	struct audit_report r = verify(&l);
	expect_fault(&r, AUDIT_CHANGED, 0, 3);
	log_free(&l);
}

static void what_rotation_removed_is_said_and_nothing_else_may_be_gone(void **state)
{
	struct log l;

	(void)state;
	log_make(&l);
	log_add(&l, 1,
		"\"kind\":\"retired\",\"by\":\"picket\",\"file\":\"audit.0\",\"first\":1,\"through\":3");
	struct audit_report r = verify(&l);
	expect_fault(&r, AUDIT_WHOLE, 0, 0); /* said, and not done yet: a crash came between */
	for (unsigned i = 0; i < 3; i++)
		lines_take(&l, 0);
	for (unsigned i = 0; i < l.count; i++)
		l.files[i] = 0;
	r = verify(&l);
	expect_fault(&r, AUDIT_WHOLE, 0, 0);
	assert_int_equal(r.first, 4);
	assert_int_equal(r.retired, 3);
	lines_take(&l, 0);
	r = verify(&l);
	expect_fault(&r, AUDIT_REMOVED, 0, 1);
	log_free(&l);
}

/* One file of many, as it was copied somewhere: it begins where it begins. */
static void one_file_alone_is_whole_in_itself(void **state)
{
	struct buffer text = BUFFER_INIT(1u << 20);
	struct log l;

	(void)state;
	log_make(&l);
	for (unsigned i = 3; i < l.count; i++)
		buffer_append_text(&text, l.lines[i]);
	const char *const texts[2] = {text.data, NULL};
	const size_t lens[2] = {text.len, 0};
	struct audit_report r = verify_texts(texts, lens, false, NULL);
	expect_fault(&r, AUDIT_WHOLE, 0, 0);
	assert_int_equal(r.first, 4);
	assert_string_equal(r.first_prev, l.heads[2].hash);
	buffer_free(&text);
	log_free(&l);
}

static void lines_without_an_end_are_no_records(void **state)
{
	char *text = malloc(3 * AUDIT_LINE_MAX);
	const char *const texts[2] = {text, NULL};
	const size_t lens[2] = {3 * AUDIT_LINE_MAX, 0};

	(void)state;
	memset(text, '{', 3 * AUDIT_LINE_MAX);
	text[3 * AUDIT_LINE_MAX - 1] = '\n';
	struct audit_report r = verify_texts(texts, lens, true, NULL);
	expect_fault(&r, AUDIT_CHANGED, 0, 1);
	free(text);
}

static void a_body_that_is_too_long_is_refused(void **state)
{
	struct buffer b = BUFFER_INIT(2 * AUDIT_LINE_MAX);
	struct audit_head none = AUDIT_HEAD_NONE, head;
	char *body = calloc(1, AUDIT_BODY_MAX + 2);
	struct audit_line a;

	(void)state;
	memset(body, ' ', AUDIT_BODY_MAX + 1);
	memcpy(body, "\"kind\":\"x\"", 10);
	assert_int_equal(audit_line_write(&none, 1, (struct span){body, AUDIT_BODY_MAX + 1}, &b, &head),
			 AUDIT_E_LONG);
	assert_int_equal(audit_line_write(&none, 1, (struct span){body, AUDIT_BODY_MAX}, &b, &head), 0);
	assert_true(b.len < AUDIT_LINE_MAX);
	assert_int_equal(audit_line_read((struct span){b.data, b.len - 1}, &a), 0);
	assert_int_equal(a.seq, 1);
	assert_true(span_equal(a.kind, SPAN("x")));
	buffer_free(&b);
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_log_is_whole_over_the_border_of_its_files),
		cmocka_unit_test(a_line_is_what_a_shell_would_check),
		cmocka_unit_test(each_byte_that_is_changed_is_found),
		cmocka_unit_test(each_line_that_is_removed_is_found),
		cmocka_unit_test(the_end_that_is_removed_is_found_by_a_head_that_was_noted),
		cmocka_unit_test(lines_that_are_swapped_are_found),
		cmocka_unit_test(a_line_that_stands_there_twice_is_found),
		cmocka_unit_test(a_line_of_somebody_elses_is_found),
		cmocka_unit_test(a_forged_record_is_found_by_the_next),
		cmocka_unit_test(a_cut_at_each_byte_is_found),
		cmocka_unit_test(a_cut_in_the_middle_is_no_crash),
		cmocka_unit_test(what_rotation_removed_is_said_and_nothing_else_may_be_gone),
		cmocka_unit_test(one_file_alone_is_whole_in_itself),
		cmocka_unit_test(lines_without_an_end_are_no_records),
		cmocka_unit_test(a_body_that_is_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
