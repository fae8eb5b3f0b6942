// SPDX-License-Identifier: Apache-2.0
#include "sensor/doctor.h"
#include <stdarg.h>
#include <string.h>
#include "lib/buffer.h"
#include "lib/util.h"
#include "sensor/cli.h"
#include "sensor/cli_print.h"

#define INDENT 24 /* where the sentence begins */

const char *check_state_name(enum check_state state)
{
	static const char *const names[] = {
		[CHECK_OK] = "ok",
		[CHECK_WARN] = "warn",
		[CHECK_FAIL] = "fail",
		[CHECK_SKIP] = "skip",
	};

	return names[state];
}

struct check check_of(const char *id, const char *subject)
{
	struct check c;

	memset(&c, 0, sizeof c); /* padding too: it may be sent to another process */
	snprintf(c.id, sizeof c.id, "%s", id);
	snprintf(c.subject, sizeof c.subject, "%s", subject ? subject : "");
	return c;
}

/* Cut text must stay text: no half of a UTF-8 character at its end. */
static void cut_clean(char *text, size_t size, int wanted)
{
	size_t n = strlen(text), back = 0;

	if (wanted < 0 || (size_t)wanted < size)
		return;
	while (back < n && back < 4 && ((unsigned char)text[n - 1 - back] & 0xc0) == 0x80)
		back++;
	if (back < n && (unsigned char)text[n - 1 - back] >= 0xc0)
		text[n - 1 - back] = 0;
}

#define FORMAT_INTO(field, format)                                     \
	do {                                                           \
		va_list ap_;                                           \
		va_start(ap_, format);                                 \
		int n_ = vsnprintf(field, sizeof(field), format, ap_); \
		va_end(ap_);                                           \
		cut_clean(field, sizeof(field), n_);                   \
	} while (0)

void check_say(struct check *c, enum check_state state, const char *format, ...)
{
	c->state = state;
	FORMAT_INTO(c->text, format);
}

void check_cost(struct check *c, const char *format, ...)
{
	FORMAT_INTO(c->cost, format);
}

void check_mend(struct check *c, const char *format, ...)
{
	FORMAT_INTO(c->mend, format);
}

/* One member more, whole or not at all. */
static void fact_add(struct check *c, struct buffer *member)
{
	size_t have = strlen(c->facts);

	if (!member->truncated && have + member->len < sizeof c->facts) {
		memcpy(c->facts + have, member->data, member->len);
		c->facts[have + member->len] = 0;
	}
	buffer_free(member);
}

void check_fact_text(struct check *c, const char *key, const char *value)
{
	struct buffer b = BUFFER_INIT(sizeof c->facts);
	struct json_writer w = {.out = &b, .comma = true};

	json_key(&w, key);
	json_text(&w, value);
	fact_add(c, &b);
}

void check_fact_uint(struct check *c, const char *key, uint64_t value)
{
	struct buffer b = BUFFER_INIT(sizeof c->facts);
	struct json_writer w = {.out = &b, .comma = true};

	json_key(&w, key);
	json_uint(&w, value);
	fact_add(c, &b);
}

void check_fact_bool(struct check *c, const char *key, bool value)
{
	struct buffer b = BUFFER_INIT(sizeof c->facts);
	struct json_writer w = {.out = &b, .comma = true};

	json_key(&w, key);
	json_bool(&w, value);
	fact_add(c, &b);
}

static void print_json(FILE *out, const struct check *c)
{
	_cleanup_(buffer_free) struct buffer b = BUFFER_INIT(16384);
	struct json_writer w = JSON_WRITER(&b);
	const struct {
		const char *key, *value;
	} members[] = {
		{"subject", c->subject}, {"state", check_state_name(c->state)},
		{"text", c->text},       {"cost", c->cost},
		{"mend", c->mend},
	};

	json_object_begin(&w);
	json_key(&w, "check");
	json_text(&w, c->id);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		json_key(&w, members[i].key);
		json_text(&w, members[i].value[0] ? members[i].value : NULL);
	}
	buffer_append_text(&b, c->facts);
	json_object_end(&w);
	buffer_append_char(&b, '\n');
	fwrite(b.data, 1, b.len, out);
}

static void print_more(FILE *out, const char *label, const char *text)
{
	if (!text[0])
		return;
	fprintf(out, "%*s%s", INDENT, "", label);
	print_wrapped(out, INDENT + (unsigned)strlen(label), text);
}

static void print_people(const struct doctor *d, const struct check *c)
{
	static const enum print_color colors[] = {
		[CHECK_OK] = COLOR_GREEN,
		[CHECK_WARN] = COLOR_YELLOW,
		[CHECK_FAIL] = COLOR_RED,
		[CHECK_SKIP] = COLOR_DIM,
	};
	char text[sizeof c->subject + sizeof c->text + 2];

	fprintf(d->out, "%s%-4s%s  %-*s ", print_color(d->color, colors[c->state]),
		check_state_name(c->state), print_color(d->color, COLOR_NONE), INDENT - 7, c->id);
	snprintf(text, sizeof text, "%s%s%s", c->subject, c->subject[0] ? ": " : "", c->text);
	print_wrapped(d->out, INDENT, text);
	print_more(d->out, "costs: ", c->cost);
	print_more(d->out, "mend:  ", c->mend);
}

void doctor_add(struct doctor *d, const struct check *c)
{
	d->counts[c->state]++;
	if (c->state == CHECK_FAIL)
		d->worst = MAX(d->worst, c->cause);
	if (d->json)
		print_json(d->out, c);
	else
		print_people(d, c);
	fflush(d->out);
}

void doctor_end(struct doctor *d)
{
	if (!d->json)
		fprintf(d->out, "\n%u ok, %u warnings, %u failed, %u skipped\n", d->counts[CHECK_OK],
			d->counts[CHECK_WARN], d->counts[CHECK_FAIL], d->counts[CHECK_SKIP]);
	fflush(d->out);
}

int doctor_exit(const struct doctor *d)
{
	if (!d->counts[CHECK_FAIL])
		return EXIT_DONE;
	switch (d->worst) {
	case CAUSE_PERMISSION:
		return EXIT_NOT_PERMITTED;
	case CAUSE_KERNEL:
		return EXIT_KERNEL;
	case CAUSE_PLAIN:
		break;
	}
	return EXIT_NO;
}
