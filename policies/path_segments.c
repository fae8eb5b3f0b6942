// SPDX-License-Identifier: Apache-2.0
#include "policies/path_segments.h"
#include <stdint.h>
#include <string.h>
#include "lib/util.h"

#define PIECE_MAX     24 /* letters of one word; "internationalization" has 20 */
#define LONG_PIECE    12 /* letters; of a longer one three in ten must be vowels */
#define DIGITS_MAX    4  /* of all of a word: "sha256", "top-10"; a value has more */
#define CONSONANTS    5  /* in a row: "lengths", "postscript" */
#define TOKEN_LEN_MIN 20 /* a piece of this length that is no word is a token rather than an id */

enum { UPPER = 1, LOWER = 2, DIGIT = 4, HEX = 8, JOIN = 16, VOWEL = 32 };

static const uint8_t classes[256] = {
	['A'] = UPPER | HEX | VOWEL,
	['B'] = UPPER | HEX,
	['C'] = UPPER | HEX,
	['D'] = UPPER | HEX,
	['E'] = UPPER | HEX | VOWEL,
	['F'] = UPPER | HEX,
	['G' ... 'H'] = UPPER,
	['I'] = UPPER | VOWEL,
	['J' ... 'N'] = UPPER,
	['O'] = UPPER | VOWEL,
	['P' ... 'T'] = UPPER,
	['U'] = UPPER | VOWEL,
	['V' ... 'X'] = UPPER,
	['Y'] = UPPER | VOWEL,
	['Z'] = UPPER,
	['a'] = LOWER | HEX | VOWEL,
	['b'] = LOWER | HEX,
	['c'] = LOWER | HEX,
	['d'] = LOWER | HEX,
	['e'] = LOWER | HEX | VOWEL,
	['f'] = LOWER | HEX,
	['g' ... 'h'] = LOWER,
	['i'] = LOWER | VOWEL,
	['j' ... 'n'] = LOWER,
	['o'] = LOWER | VOWEL,
	['p' ... 't'] = LOWER,
	['u'] = LOWER | VOWEL,
	['v' ... 'x'] = LOWER,
	['y'] = LOWER | VOWEL,
	['z'] = LOWER,
	['0' ... '9'] = DIGIT | HEX,
	['-'] = JOIN,
	['_'] = JOIN,
	['.'] = JOIN,
	['~'] = JOIN,
	[':'] = JOIN, /* "books:batchGet" */
};

static struct span after(struct span s, size_t skip)
{
	return (struct span){s.ptr + skip, s.len - skip};
}

static inline uint8_t class_of(char c)
{
	return classes[(unsigned char)c];
}

static inline bool is_letter(char c)
{
	return class_of(c) & (UPPER | LOWER);
}

static inline char fold(char c)
{
	return class_of(c) & UPPER ? (char)(c + 32) : c;
}

/* --- words --- */

/* For each letter those that words do not have behind it. Abbreviations have some of them, random letters
 * many.
 */
static const char *const never_behind[26] = {
	['b' - 'a'] = "x",          ['c' - 'a'] = "jvx", ['d' - 'a'] = "x",
	['f' - 'a'] = "qx",         ['g' - 'a'] = "qx",  ['h' - 'a'] = "x",
	['j' - 'a'] = "cfgqvwxz",   ['k' - 'a'] = "qx",  ['m' - 'a'] = "x",
	['p' - 'a'] = "xz",         ['s' - 'a'] = "x",   ['q' - 'a'] = "bcdfghjkmnpstvwxyz",
	['v' - 'a'] = "bfhjmpqtwx", ['w' - 'a'] = "x",   ['x' - 'a'] = "jx",
	['z' - 'a'] = "jqx",
};

static bool pair_is_rare(char a, char b)
{
	const char *never = never_behind[fold(a) - 'a'];

	return never && strchr(never, fold(b)) != NULL;
}

static bool letters_read_like_words(struct span s)
{
	unsigned run = 0, longest = 0, vowels = 0, upper = 0, humps = 1, rare = 0;

	if (s.len <= 3)
		return true;
	if (s.len > PIECE_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		uint8_t class = class_of(s.ptr[i]);
		run = class & VOWEL ? 0 : run + 1;
		longest = MAX(longest, run);
		vowels += (class & VOWEL) != 0;
		upper += (class & UPPER) != 0;
		if (!i)
			continue;
		humps += class_of(s.ptr[i - 1]) & LOWER && class & UPPER;
		rare += pair_is_rare(s.ptr[i - 1], s.ptr[i]);
	}
	if (upper < s.len && (upper > (s.len + 2) / 3 || humps > (s.len + 2) / 3))
		return false;
	if (s.len > LONG_PIECE && vowels * 10 < s.len * 3)
		return false;
	return (longest <= CONSONANTS || s.len <= CONSONANTS) && rare <= s.len / 8;
}

/* "v1", "v2beta1" */
static bool is_version(struct span s)
{
	static const char *const stages[] = {"alpha", "beta", "rc", "p"};
	size_t i = 1;

	if (s.len < 2 || fold(s.ptr[0]) != 'v')
		return false;
	while (i < s.len && class_of(s.ptr[i]) & DIGIT)
		i++;
	if (i == 1 || i == s.len)
		return i > 1;
	for (size_t k = 0; k < ARRAY_SIZE(stages); k++) {
		struct span rest = after(s, i), stage = span_from(stages[k]);
		if (rest.len < stage.len || memcmp(rest.ptr, stage.ptr, stage.len) != 0)
			continue;
		rest = after(rest, stage.len);
		while (rest.len && class_of(rest.ptr[0]) & DIGIT)
			rest = after(rest, 1);
		return !rest.len;
	}
	return false;
}

/* Letters and digits only. */
static bool piece_is_word(struct span s)
{
	size_t first = 0, last = s.len, digits = 0;

	for (size_t i = 0; i < s.len; i++)
		digits += (class_of(s.ptr[i]) & DIGIT) != 0;
	if (!digits)
		return letters_read_like_words(s);
	if (digits == s.len)
		return s.len <= 2;
	if (s.len <= 3 || is_version(s))
		return true;
	while (last && class_of(s.ptr[last - 1]) & DIGIT)
		last--;
	if (last == s.len && class_of(s.ptr[0]) & DIGIT) /* "3dsecure" */
		first = 1;
	if (digits != (s.len - last) + first || digits > 3)
		return false;
	return letters_read_like_words((struct span){s.ptr + first, last - first});
}

static bool is_word(struct span s)
{
	size_t from = 0, digits = 0;
	bool letters = false;

	for (size_t i = 0; i <= s.len; i++) {
		if (i < s.len && !(class_of(s.ptr[i]) & JOIN)) {
			digits += (class_of(s.ptr[i]) & DIGIT) != 0;
			letters = letters || is_letter(s.ptr[i]);
			continue;
		}
		if (i > from && !piece_is_word((struct span){s.ptr + from, i - from}))
			return false;
		from = i + 1;
	}
	return letters && digits <= DIGITS_MAX;
}

/* --- values --- */

static bool all_of(struct span s, uint8_t class)
{
	for (size_t i = 0; i < s.len; i++)
		if (!(class_of(s.ptr[i]) & class))
			return false;
	return s.len > 0;
}

/* pattern: "9" a digit, "h" a hexadecimal one, anything else itself. */
static bool looks_like(struct span s, const char *pattern)
{
	size_t len = strlen(pattern);

	if (s.len < len)
		return false;
	for (size_t i = 0; i < len; i++) {
		uint8_t class = class_of(s.ptr[i]);
		if (pattern[i] == '9'   ? !(class & DIGIT)
		    : pattern[i] == 'h' ? !(class & HEX)
					: s.ptr[i] != pattern[i])
			return false;
	}
	return true;
}

static bool is_uuid(struct span s)
{
	return s.len == 36 && looks_like(s, "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh");
}

static bool is_date(struct span s)
{
	if (looks_like(s, "9999-99-99"))
		return s.len == 10 || s.ptr[10] == 'T' || s.ptr[10] == 't';
	return s.len == 7 && looks_like(s, "9999-99");
}

static bool is_email(struct span s)
{
	const char *at = s.len ? memchr(s.ptr, '@', s.len) : NULL;
	size_t skip = 1;

	if (!at && s.len) {
		at = memmem(s.ptr, s.len, "%40", 3);
		skip = 3;
	}
	if (!at || at == s.ptr)
		return false;
	struct span host = after(s, (size_t)(at - s.ptr) + skip);
	return host.len > 2 && memchr(host.ptr, '.', host.len);
}

static size_t longest_piece(struct span s)
{
	size_t longest = 0, run = 0;

	for (size_t i = 0; i < s.len; i++) {
		run = class_of(s.ptr[i]) & (UPPER | LOWER | DIGIT) ? run + 1 : 0;
		longest = MAX(longest, run);
	}
	return longest;
}

/* "{jwt:h_...}", "{card}": what redaction put in the place of a secret (docs/redaction.md). */
static bool redacted_kind(struct span s, enum segment_kind *ret)
{
	static const struct {
		struct span name;
		enum segment_kind kind;
	} known[] = {
		{SPAN("{jwt"), SEGMENT_TOKEN},   {SPAN("{token"), SEGMENT_TOKEN},
		{SPAN("{email"), SEGMENT_EMAIL}, {SPAN("{card"), SEGMENT_ID},
		{SPAN("{uuid"), SEGMENT_ID},
	};

	if (s.len < 2 || s.ptr[0] != '{' || s.ptr[s.len - 1] != '}')
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		struct span name = known[i].name;
		if (s.len <= name.len || memcmp(s.ptr, name.ptr, name.len) != 0 ||
		    (s.ptr[name.len] != ':' && s.ptr[name.len] != '}'))
			continue;
		*ret = known[i].kind;
		return true;
	}
	return false;
}

static enum segment_kind value_kind(struct span s)
{
	enum segment_kind redacted;

	if (redacted_kind(s, &redacted))
		return redacted;
	if (is_date(s))
		return SEGMENT_DATE;
	if (is_uuid(s))
		return SEGMENT_ID;
	if (is_email(s))
		return SEGMENT_EMAIL;
	if (s.len > SEGMENT_MAX || (s.len >= TOKEN_LEN_MIN && looks_like(s, "eyJ")))
		return SEGMENT_TOKEN;
	if (!all_of(s, UPPER | LOWER | DIGIT | JOIN))
		return SEGMENT_NAME;
	if (!all_of(s, HEX) && longest_piece(s) >= TOKEN_LEN_MIN)
		return SEGMENT_TOKEN;
	return SEGMENT_ID;
}

enum segment_kind segment_kind(struct span s)
{
	uint8_t any = 0, all = 0xff;

	if (!s.len || (s.ptr[0] == '.' && (s.len == 1 || (s.len == 2 && s.ptr[1] == '.'))))
		return SEGMENT_BAD;
	if (s.len > SEGMENT_MAX)
		return value_kind(s);
	/* "$metadata", "@me": one such sign in front is a way of naming. */
	struct span body = s.len > 1 && (s.ptr[0] == '$' || s.ptr[0] == '@') ? after(s, 1) : s;
	for (size_t i = 0; i < body.len; i++) {
		uint8_t class = class_of(body.ptr[i]);
		if (!class)
			return value_kind(s);
		any |= class;
		all &= class;
	}
	if (all & DIGIT)
		return SEGMENT_ID;
	if (body.len >= 16 && all & HEX)
		return SEGMENT_ID;
	if (!(any & (UPPER | LOWER)))
		return any & DIGIT ? value_kind(s) : SEGMENT_NAME;
	return is_word(body) ? SEGMENT_WORD : value_kind(body);
}

/* --- placeholders and paths --- */

static const char *const placeholders[SEGMENT_KINDS] = {
	[SEGMENT_ID] = "{id}",       [SEGMENT_DATE] = "{date}", [SEGMENT_EMAIL] = "{email}",
	[SEGMENT_TOKEN] = "{token}", [SEGMENT_NAME] = "{name}",
};

const char *segment_placeholder(enum segment_kind kind)
{
	return (unsigned)kind < SEGMENT_KINDS ? placeholders[kind] : NULL;
}

enum segment_kind segment_of_placeholder(struct span text)
{
	for (unsigned k = 0; k < SEGMENT_KINDS; k++)
		if (placeholders[k] && span_equal(text, span_from(placeholders[k])))
			return (enum segment_kind)k;
	return SEGMENT_WORD;
}

bool segment_next(struct span *path, struct span *ret)
{
	if (!path->len || path->ptr[0] != '/' || path->len == 1)
		return false;
	struct span rest = after(*path, 1);
	const char *slash = memchr(rest.ptr, '/', rest.len);
	struct span segment = {rest.ptr, slash ? (size_t)(slash - rest.ptr) : rest.len};
	const char *parameters = segment.len ? memchr(segment.ptr, ';', segment.len) : NULL;

	*path = after(rest, segment.len);
	if (parameters)
		segment.len = (size_t)(parameters - segment.ptr);
	*ret = segment;
	return true;
}
