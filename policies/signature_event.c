// SPDX-License-Identifier: Apache-2.0
#include "policies/signature_event.h"
#include <ctype.h>
#include <string.h>
#include "lib/util.h"

#define NAMES_ROOM (SIGNATURE_ID_MAX + 3 * 16) /* id, category, severity, where */

size_t signature_event_room(const struct signature_hits *hits)
{
	return hits->count
		       ? 8 + hits->count * (sizeof(struct event_signature) + NAMES_ROOM + SIGNATURE_MATCH_MAX)
		       : 0;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Is word one of the words of text, a regular expression (an escape is none: "\bunion" has "union")? */
static bool text_has_word(const char *text, struct span word)
{
	for (const char *at = text; *at;) {
		size_t len = 0;
		if (*at == '\\') {
			at += at[1] ? 2 : 1;
			continue;
		}
		while (is_word(at[len]))
			len++;
		if (len == word.len && strncasecmp(at, word.ptr, len) == 0)
			return true;
		at += len ? len : 1;
	}
	return false;
}

bool signature_knows(const struct signature *s, struct span word)
{
	const struct signature_texts *const all[] = {&s->words, &s->regexes};

	for (size_t k = 0; k < ARRAY_SIZE(all); k++)
		for (unsigned i = 0; i < all[k]->count; i++)
			if (text_has_word(all[k]->items[i], word))
				return true;
	return false;
}

static bool knows(void *arg, struct span word)
{
	return signature_knows(arg, word);
}

static struct span copy_text(struct event *e, const char *text)
{
	return event_tail_copy(e, span_from(text));
}

static void note_one(struct event *e, const struct signature_hit *h, const struct redact *r,
		     struct event_signature *to)
{
	char match[SIGNATURE_MATCH_MAX];
	const struct signature *s = h->signature;
	size_t len = redact_match(r, (struct span){h->text, h->len}, knows, (void *)s, match, sizeof match);

	to->id = copy_text(e, s->id);
	to->category = copy_text(e, signature_category_name(s->category));
	to->severity = copy_text(e, signature_severity_name((enum signature_severity)s->severity));
	to->where = copy_text(e, signature_where_name(h->where));
	to->match = event_tail_copy(e, (struct span){match, len});
}

void signature_event_note(struct event *e, const struct signature_hits *hits, const struct redact *r)
{
	unsigned n = 0;

	e->request.signatures_unfinished = hits->unfinished;
	if (!hits->count)
		return;
	e->request.signatures = event_tail_alloc(e, hits->count * sizeof *e->request.signatures);
	for (int severity = SIGNATURE_CRITICAL; severity >= SIGNATURE_LOW; severity--)
		for (unsigned i = 0; i < hits->count; i++)
			if (hits->items[i].signature->severity == severity)
				note_one(e, &hits->items[i], r, &e->request.signatures[n++]);
	e->request.signature_count = (uint8_t)n;
	e->request.marks = hits->marks;
}
