// SPDX-License-Identifier: Apache-2.0
#include "policies/redact_token.h"
#include <limits.h>
#include <stdint.h>
#include "lib/util.h"

#define RUN_MIN           TOKEN_RANDOM_MIN_LEAST
#define CARD_MIN          13
#define CARD_MAX          19
#define DECODE_ROUNDS     4 /* servers undo one, frameworks and proxies another; who encodes more often hides */
#define WINDOW            16 /* bytes in which letters and digits are looked at together */
#define DISORDER          9  /* see disorder_at */
#define DISORDER_DOUBTFUL 5
#define PREFIX_TELLING    6 /* no word holds as long a prefix by chance */
#define PLACEHOLDER       ":h_"

const char *token_kind_name(enum token_kind kind)
{
	static const char *const names[TOKEN_KINDS] = {"", "jwt", "email", "card", "uuid", "token", "text"};

	return kind < TOKEN_KINDS ? names[kind] : "";
}

/* --- what a byte is --- */
enum { LOWER = 1, UPPER = 2, DIGIT = 4, JOIN = 8 /* - _ */, BASE64 = 16 /* + / */, GAP = 32 /* space */ };
#define ALNUM (LOWER | UPPER | DIGIT)
#define WORD  (ALNUM | JOIN)

static const uint8_t byte_class[256] = {
	['a' ... 'z'] = LOWER, ['A' ... 'Z'] = UPPER, ['0' ... '9'] = DIGIT, ['-'] = JOIN,
	['_'] = JOIN,          ['+'] = BASE64,        ['/'] = BASE64,        [' '] = GAP,
};

static inline unsigned class_of(char c)
{
	return byte_class[(unsigned char)c];
}

/* --- the quick pass --- */

/* Sixteen bytes at a time: this is most of what a request without secrets costs. */
typedef unsigned char block __attribute__((vector_size(16)));

static inline block block_at(const char *s)
{
	block b;

	memcpy(&b, s, sizeof b);
	return b;
}

static inline bool block_any(block b)
{
	uint64_t halves[2];

	memcpy(halves, &b, sizeof halves);
	return halves[0] | halves[1];
}

static inline block block_special(block b)
{
	return (block)(b == '@') | (block)(b == '%') | (block)(b == '{') | (block)(b >= 0x80);
}

static inline block block_pair(block b)
{
	return (block)(b == '=') | (block)(b == ';');
}

static unsigned signs_of_bytes(struct span text)
{
	char padded[sizeof(block)] = {0};
	block special = {0}, pair = {0}, last;
	size_t i = 0;

	for (; i + sizeof(block) <= text.len; i += sizeof(block)) {
		block b = block_at(text.ptr + i);
		special |= block_special(b);
		pair |= block_pair(b);
	}
	if (text.len >= sizeof(block)) { /* the last block once more, as far as it was not seen */
		last = block_at(text.ptr + text.len - sizeof(block));
	} else {
		memcpy(padded, text.ptr, text.len);
		last = block_at(padded);
	}
	special |= block_special(last);
	pair |= block_pair(last);
	return (block_any(special) ? TOKEN_SIGN_SPECIAL : 0) | (block_any(pair) ? TOKEN_SIGN_PAIR : 0);
}

/* Is there a run of at least `least` bytes of these classes? Looks backwards from where one would end: a byte
 * that is of none moves the next place to look at to behind it. */
static bool has_run(struct span text, unsigned classes, size_t least)
{
	for (size_t end = least; end <= text.len;) {
		size_t len = 0;
		while (len < least && class_of(text.ptr[end - 1 - len]) & classes)
			len++;
		if (len == least)
			return true;
		end += least - len;
	}
	return false;
}

unsigned token_signs(struct span text)
{
	unsigned signs;

	if (!text.ptr)
		return 0;
	signs = signs_of_bytes(text);
	if (text.len >= RUN_MIN &&
	    (has_run(text, WORD, RUN_MIN) || has_run(text, DIGIT | JOIN | GAP | BASE64, CARD_MIN)))
		signs |= TOKEN_SIGN_RUN;
	return signs;
}

/* --- letters and digits without a pattern --- */

/*
 * How little what stands around the byte at i looks like words and numbers: a change between letter and digit
 * counts 2, from lower to upper case 1, a lower case letter alone among others 2 (between capitals 1:
 * "ById").
 */
static unsigned disorder_at(struct span run, size_t i)
{
	unsigned a = class_of(run.ptr[i - 1]), b = class_of(run.ptr[i]), disorder;

	if (!(a & ALNUM) || !(b & ALNUM))
		return 0;
	disorder = (a == DIGIT) != (b == DIGIT) ? 2 : a == LOWER && b == UPPER;
	if (b == LOWER && a != LOWER && i + 1 < run.len && class_of(run.ptr[i + 1]) & (UPPER | DIGIT))
		disorder += a == UPPER && class_of(run.ptr[i + 1]) == UPPER ? 1 : 2;
	return disorder;
}

/* The most that WINDOW bytes of a run have of it. */
static unsigned disorder_of(struct span run)
{
	uint8_t last[WINDOW] = {0};
	unsigned sum = 0, most = 0;

	for (size_t i = 1; i < run.len; i++) {
		uint8_t *slot = &last[i % (WINDOW - 1)];
		sum -= *slot;
		*slot = (uint8_t)disorder_at(run, i);
		sum += *slot;
		most = MAX(most, sum);
	}
	return most;
}

static bool is_vowel(char c)
{
	switch (c | 0x20) {
	case 'a':
	case 'e':
	case 'i':
	case 'o':
	case 'u':
	case 'y':
		return true;
	default:
		return false;
	}
}

struct piece_count {
	unsigned letters, lower, digits, vowels, hex;
	unsigned numbers; /* digits in a row count once */
	uint32_t seen;    /* which letters */
};

static struct piece_count piece_count(struct span piece)
{
	struct piece_count c = {0};

	for (size_t i = 0; i < piece.len; i++) {
		unsigned k = class_of(piece.ptr[i]);
		c.letters += (k & (LOWER | UPPER)) != 0;
		c.lower += k == LOWER;
		c.digits += k == DIGIT;
		c.numbers += k == DIGIT && (!i || class_of(piece.ptr[i - 1]) != DIGIT);
		c.vowels += is_vowel(piece.ptr[i]);
		if (k & (LOWER | UPPER))
			c.seen |= 1u << (piece.ptr[i] & 31);
		c.hex += k == DIGIT || ((piece.ptr[i] | 0x20) >= 'a' && (piece.ptr[i] | 0x20) <= 'f');
	}
	return c;
}

/* Fewer than languages have; where there are digits as well, fewer than most words have
 * ("straightforwardness" has 26 %). */
static bool has_few_vowels(const struct piece_count *c)
{
	return c->vowels * 100 < c->letters * (c->digits >= 2 ? 31u : 20u);
}

/*
 * Words, camelCase and version numbers have less than DISORDER ("iPhone14ProMax25" has 8); 16 random hex
 * digits have about 18, random letters and digits 14. Some of these have little, but then few vowels, too.
 */
static bool run_is_disordered(struct span run)
{
	unsigned disorder = disorder_of(run);

	if (disorder < DISORDER_DOUBTFUL)
		return false;
	struct piece_count c = piece_count(run);
	return disorder >= DISORDER || (c.digits >= 2 && c.letters >= 8 && has_few_vowels(&c));
}

/* A piece has letters and digits only. */
static bool piece_is_random(struct span piece, unsigned least)
{
	if (piece.len < least)
		return false;
	struct piece_count c = piece_count(piece);
	if (c.digits == piece.len)
		return piece.len > CARD_MAX;
	if (c.hex == piece.len && c.digits >= 2 && c.letters >= 2)
		return true;
	if (c.numbers >= 4 && piece.len >= 24) /* no name has so many numbers in it */
		return true;
	/* One case only, and fewer vowels than any language has: base32, or random letters. "xxxx…" is none.
	 */
	bool one_case = !c.lower || c.lower == c.letters;
	bool varied = __builtin_popcount(c.seen) >= 6;
	return one_case && varied && c.letters >= 12 && has_few_vowels(&c);
}

static struct span piece_next(struct span run, size_t *at)
{
	while (*at < run.len && !(class_of(run.ptr[*at]) & ALNUM))
		++*at;
	size_t from = *at;
	while (*at < run.len && class_of(run.ptr[*at]) & ALNUM)
		++*at;
	return (struct span){run.ptr + from, *at - from};
}

static bool run_is_random(struct span run, unsigned least)
{
	if (run.len < least)
		return false;
	if (run_is_disordered(run))
		return true;
	for (size_t at = 0; at < run.len;)
		if (piece_is_random(piece_next(run, &at), least))
			return true;
	return false;
}

/* --- base64 --- */
static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/*
 * Does it decode to at least 8 bytes of text (RFC 4648 sections 4 and 5)? Hardly a word does: the first byte
 * of one whose first letter is g to z is beyond ASCII, and each third that follows has even chances.
 */
static bool run_is_base64_text(struct span run)
{
	unsigned bits = 0, have = 0, bytes = 0;

	for (size_t i = 0; i < run.len; i++) {
		int v = base64_value(run.ptr[i]);
		if (v < 0)
			return false;
		bits = (bits << 6 | (unsigned)v) & 0xffff;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		unsigned byte = bits >> have & 0xff;
		if ((byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte > 0x7e)
			return false;
		bytes++;
	}
	return bytes >= 8;
}

/* --- UUID --- */
static bool uuid_at(const char *s)
{
	for (unsigned i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		char low = (char)(s[i] | 0x20);
		bool hex = class_of(s[i]) == DIGIT || (low >= 'a' && low <= 'f');
		if (dash ? s[i] != '-' : !hex)
			return false;
	}
	return true;
}

/* Where the first one begins, or run.len: eight digits before a "-". */
static size_t uuid_find(struct span run)
{
	for (size_t i = 8; i + 28 <= run.len; i++) {
		const char *dash = memchr(run.ptr + i, '-', run.len - i);
		if (!dash)
			break;
		i = (size_t)(dash - run.ptr);
		if (i + 28 <= run.len && uuid_at(dash - 8))
			return i - 8;
	}
	return run.len;
}

/* --- cards --- */
#define ROW_MAX (2 * CARD_MAX)

/* Sums of the digits before each place: with those at even places doubled as Luhn does, and those at odd. */
struct luhn {
	unsigned sums[2][ROW_MAX + 1];
};

static void luhn_prepare(struct luhn *l, const char *digits, unsigned count)
{
	l->sums[0][0] = l->sums[1][0] = 0;
	for (unsigned i = 0; i < count; i++) {
		unsigned d = (unsigned)(digits[i] - '0'), twice = d > 4 ? 2 * d - 9 : 2 * d;
		l->sums[0][i + 1] = l->sums[0][i] + (i & 1 ? d : twice);
		l->sums[1][i + 1] = l->sums[1][i] + (i & 1 ? twice : d);
	}
}

/* From the right each second digit is doubled, the last is not. */
static bool luhn_holds(const struct luhn *l, unsigned from, unsigned count)
{
	const unsigned *sums = l->sums[(from + count) & 1];

	return (sums[from + count] - sums[from]) % 10 == 0;
}

/* By the first digits that issuers of cards have: 3 to 6, 2221 to 2720. */
static bool is_issued(const char *digits)
{
	unsigned head = 0;

	for (unsigned i = 0; i < 4; i++)
		head = head * 10 + (unsigned)(digits[i] - '0');
	return (head >= 3000 && head < 7000) || (head >= 2221 && head <= 2720);
}

/*
 * A row: digits with at most one separator between two of them, and where its groups begin. A number begins
 * and ends with a group: another one may stand beside it, but a part of a longer number is none.
 */
struct row {
	char digits[ROW_MAX];
	unsigned count;
	uint64_t starts; /* bit i: a group begins at digit i */
};

static bool row_holds_card(const struct row *r)
{
	uint64_t bounds = r->starts | UINT64_C(1) << r->count;
	struct luhn l;

	if (r->count < CARD_MIN)
		return false;
	luhn_prepare(&l, r->digits, r->count);
	for (unsigned at = 0; at + CARD_MIN <= r->count; at++) {
		if (!(bounds >> at & 1) || !is_issued(r->digits + at))
			continue;
		for (unsigned n = CARD_MIN; n <= CARD_MAX && at + n <= r->count; n++)
			if (bounds >> (at + n) & 1 && luhn_holds(&l, at, n))
				return true;
	}
	return false;
}

/* A row longer than two numbers is taken for numbers, so that the work for a row is bounded. */
static bool has_card(struct span text)
{
	struct row row = {.count = 0};
	bool begins = true;

	for (size_t i = 0; i <= text.len; i++) {
		unsigned k = i < text.len ? class_of(text.ptr[i]) : 0;
		if (k == DIGIT) {
			if (row.count == ROW_MAX)
				return true;
			row.starts |= (uint64_t)begins << row.count;
			row.digits[row.count++] = text.ptr[i];
			begins = false;
			continue;
		}
		begins = true;
		bool between =
			k & (JOIN | GAP | BASE64) && i + 1 < text.len && class_of(text.ptr[i + 1]) == DIGIT;
		if (between)
			continue;
		if (row_holds_card(&row))
			return true;
		row.count = 0;
		row.starts = 0;
	}
	return false;
}

/* --- e-mail, and what else stands before an "@" --- */
static bool has_email(struct span text)
{
	const char *end = text.ptr + text.len;

	for (const char *at = text.ptr; (at = memchr(at, '@', (size_t)(end - at))); at++) {
		if (at == text.ptr || at + 1 == end)
			continue;
		bool before = class_of(at[-1]) & WORD || strchr(".+%!#$&'()*,:;=?^`{|}~\"", at[-1]) ||
			      at[-1] & 0x80;
		bool behind = class_of(at[1]) & ALNUM || at[1] == '[' || at[1] & 0x80;
		if (before && behind)
			return true;
	}
	return false;
}

/* What stands for a secret in an event cannot be sent: it would be taken for one of ours. */
static bool has_placeholder(struct span text)
{
	return memchr(text.ptr, '{', text.len) &&
	       memmem(text.ptr, text.len, PLACEHOLDER, sizeof PLACEHOLDER - 1);
}

/* --- all of it --- */

/* rest: from where a prefix may stand to the end of the text, for a prefix may hold what ends a run
 * ("ya29."). */
static bool prefix_begins(const struct token_rules *rules, struct span rest, bool inside)
{
	for (unsigned i = 0; i < rules->prefixes.count; i++) {
		struct span p = {rules->prefixes.items[i], rules->prefix_len[i]};
		if (p.ptr[0] != rest.ptr[0] || (inside && p.len < PREFIX_TELLING))
			continue;
		if (rest.len >= MAX(p.len + 4, (size_t)RUN_MIN) && memcmp(rest.ptr, p.ptr, p.len) == 0)
			return true;
	}
	return false;
}

/* Short ones count where a word begins, long ones anywhere. */
static bool run_has_prefix(const struct token_rules *rules, struct span run, struct span text)
{
	const char *end = text.ptr + text.len;

	for (size_t i = 0; i < run.len; i++) {
		if (!rules->prefix_first[(unsigned char)run.ptr[i]])
			continue;
		bool inside = i && class_of(run.ptr[i - 1]) & ALNUM;
		if (prefix_begins(rules, (struct span){run.ptr + i, (size_t)(end - (run.ptr + i))}, inside))
			return true;
	}
	return false;
}

/* RFC 7515: the header of a token is an object, whose text begins with {" and whose base64 with eyJ. */
static bool run_is_jwt(struct span run)
{
	const char *at = memmem(run.ptr, run.len, "eyJ", 3);

	return at && run.ptr + run.len - at >= 10;
}

static enum token_kind run_kind(const struct token_rules *rules, struct span run, struct span text)
{
	const unsigned find = rules->find;

	if (run.len < RUN_MIN) /* a prefix may end the run */
		return find & 1u << TOKEN_RANDOM && run_has_prefix(rules, run, text) ? TOKEN_RANDOM
										     : TOKEN_NONE;
	if (find & 1u << TOKEN_JWT && run_is_jwt(run))
		return TOKEN_JWT;
	size_t uuid = uuid_find(run);
	if (uuid < run.len && find & 1u << TOKEN_UUID)
		return TOKEN_UUID;
	if (!(find & 1u << TOKEN_RANDOM))
		return TOKEN_NONE;
	if (run_has_prefix(rules, run, text) || run_is_base64_text(run))
		return TOKEN_RANDOM;
	if (uuid == run.len)
		return run_is_random(run, rules->random_min) ? TOKEN_RANDOM : TOKEN_NONE;
	/* UUIDs may stay: what is around them is judged by itself. */
	struct span before = {run.ptr, uuid}, behind = {run.ptr + uuid + 36, run.len - uuid - 36};
	enum token_kind k = before.len ? run_kind(rules, before, before) : TOKEN_NONE;
	return k != TOKEN_NONE || !behind.len ? k : run_kind(rules, behind, behind);
}

static enum token_kind runs_kind(const struct token_rules *rules, struct span text, unsigned classes)
{
	for (size_t i = 0; i < text.len;) {
		size_t from = i;
		while (i < text.len && class_of(text.ptr[i]) & classes)
			i++;
		if (i == from) {
			i++;
			continue;
		}
		enum token_kind k = run_kind(rules, (struct span){text.ptr + from, i - from}, text);
		if (k != TOKEN_NONE)
			return k;
	}
	return TOKEN_NONE;
}

enum token_kind token_find(const struct token_rules *rules, struct span text)
{
	if (!text.ptr || text.len < 4)
		return TOKEN_NONE;
	if (has_placeholder(text))
		return TOKEN_TEXT;
	enum token_kind k = runs_kind(rules, text, WORD);
	if (k != TOKEN_NONE)
		return k;
	if (rules->find & 1u << TOKEN_EMAIL && has_email(text))
		return TOKEN_EMAIL;
	if (rules->find & 1u << TOKEN_CARD && text.len >= CARD_MIN && has_card(text))
		return TOKEN_CARD;
	/* "+" and "/" are of base64, and between words as well. */
	if (!memchr(text.ptr, '+', text.len) && !memchr(text.ptr, '/', text.len))
		return TOKEN_NONE;
	return runs_kind(rules, text, WORD | BASE64);
}

/* --- percent-encoding --- */
static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t token_percent_decode(struct span text, char *out)
{
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '%' && i + 2 < text.len) {
			int high = hex_digit(text.ptr[i + 1]), low = hex_digit(text.ptr[i + 2]);
			if (high >= 0 && low >= 0) {
				out[len++] = (char)(high << 4 | low);
				i += 2;
				continue;
			}
		}
		out[len++] = text.ptr[i];
	}
	return len;
}

enum token_kind token_find_decoded(const struct token_rules *rules, struct span *text, char *work)
{
	enum token_kind k = token_find(rules, *text);

	for (unsigned round = 0; k == TOKEN_NONE && text->len && memchr(text->ptr, '%', text->len); round++) {
		size_t len = token_percent_decode(*text, work);
		if (len == text->len)
			break; /* not encoded: a percent sign of its own */
		if (round == DECODE_ROUNDS)
			return TOKEN_TEXT;
		*text = (struct span){work, len};
		k = token_find(rules, *text);
		/* A name with a value, hidden from who splits before decoding. */
		if (k == TOKEN_NONE && memchr(work, '=', len))
			return TOKEN_TEXT;
	}
	return k;
}
