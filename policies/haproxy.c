// SPDX-License-Identifier: Apache-2.0
#include "policies/haproxy.h"
#include <errno.h>
#include <inttypes.h>
#include "lib/util.h"

/* --- lines --- */

static void line_add(struct haproxy_lines *l, struct span bytes)
{
	size_t n = MIN(bytes.len, sizeof l->bytes - l->len);

	if (n)
		memcpy(l->bytes + l->len, bytes.ptr, n);
	l->len += n;
	l->cut = l->cut || n < bytes.len;
}

void haproxy_lines_feed(struct haproxy_lines *l, struct span bytes,
			void (*see)(void *arg, struct span line, bool cut), void *arg)
{
	while (bytes.len) {
		const char *end = memchr(bytes.ptr, '\n', bytes.len);
		size_t n = end ? (size_t)(end - bytes.ptr) : bytes.len;

		line_add(l, (struct span){bytes.ptr, n});
		if (!end)
			return;
		see(arg, (struct span){l->bytes, l->len}, l->cut);
		l->len = 0;
		l->cut = false;
		bytes.ptr += n + 1;
		bytes.len -= n + 1;
	}
}

/* --- entries --- */

/* The word up to the next blank; the rest of *text is behind that. */
static struct span word_take(struct span *text)
{
	const char *blank = text->len ? memchr(text->ptr, ' ', text->len) : NULL;
	size_t n = blank ? (size_t)(blank - text->ptr) : text->len;
	struct span word = {text->ptr, n};

	text->ptr += n + (blank != NULL);
	text->len -= n + (blank != NULL);
	return word;
}

/* HAProxy tells entries apart by where they lie: "0x", hexadecimal digits. */
static bool is_id(struct span word)
{
	if (word.len < 3 || memcmp(word.ptr, "0x", 2) != 0)
		return false;
	for (size_t i = 2; i < word.len; i++)
		if (!word.ptr[i] || !strchr("0123456789abcdef", word.ptr[i]))
			return false;
	return true;
}

/* Digits alone, not 0 in front (a second one, of a list's), and no more than a number of 63 bits, which is
 * what HAProxy reads it as. */
static uint64_t until_parse(struct span text)
{
	uint64_t v = 0;

	if (!text.len || text.len > 18 || text.ptr[0] == '0')
		return 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return 0;
		v = v * 10 + (uint64_t)(text.ptr[i] - '0');
	}
	return v;
}

int haproxy_entry_parse(struct span line, struct haproxy_entry *ret)
{
	char own[PREFIX_TEXT_MAX];
	struct haproxy_entry e = {0};

	if (!is_id(word_take(&line)))
		return HAPROXY_E_NO_ENTRY;
	e.key = word_take(&line);
	if (!e.key.len)
		return HAPROXY_E_NO_ENTRY;
	/* Commands name a key by its text: one that we would write otherwise is another key. */
	if (prefix_parse(e.key, &e.target) || !span_equal(e.key, span_from(prefix_format(&e.target, own))))
		e.target = (struct prefix){.addr.family = ADDR_NONE};
	e.listed = line.len > 1 && line.ptr[0] == '0';
	e.until_s = until_parse(e.listed ? (struct span){line.ptr + 1, line.len - 1} : line);
	*ret = e;
	return 0;
}

enum haproxy_answer haproxy_answer_of(struct span line)
{
	static const struct span absent[] = {{"Key not found.", 14}, {"entry not found.", 16}};

	if (!line.len)
		return HAPROXY_DONE;
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
		if (span_equal_nocase(line, absent[i]))
			return HAPROXY_ABSENT;
	return HAPROXY_REFUSED;
}

/* --- commands --- */

int haproxy_say(struct buffer *line, enum haproxy_verb verb, const char *map, const struct prefix *target,
		uint64_t until_s, bool listed)
{
	static const char *const verbs[] = {
		[HAPROXY_ADD] = "add", [HAPROXY_SET] = "set", [HAPROXY_DEL] = "del"};
	char command[HAPROXY_SAY_MAX], text[PREFIX_TEXT_MAX], value[24] = "";

	prefix_format(target, text);
	if (verb != HAPROXY_DEL)
		snprintf(value, sizeof value, " %s%" PRIu64, listed ? "0" : "", until_s);
	int n = snprintf(command, sizeof command, "%s%s map %s %s%s", line->len ? ";" : "", verbs[verb], map,
			 text, value);
	/* One byte is kept for the line's end. */
	if (n < 0 || (size_t)n >= sizeof command || line->len + (size_t)n + 1 > HAPROXY_SAY_MAX)
		return BUFFER_E_FULL;
	return buffer_append(line, command, (size_t)n);
}

void haproxy_say_end(struct buffer *line)
{
	buffer_append_char(line, '\n');
}
