// SPDX-License-Identifier: Apache-2.0
/*
 * A consumer: the key's id, the hash's 8 bytes, the rest zero. A JA4: what it says in words as one number of
 * mixed radix (all of them are fewer than 2^32), then its two hashes of 6 bytes.
 */
#include "lib/target.h"
#include <stdio.h>
#include <string.h>
#include "lib/util.h"

#define CONSUMER_LEN 20 /* "c_", the key's id, the hash: 2 and 16 digits */
#define JA4_LEN      36
#define JA4_WORDS    10 /* before the first "_" */
#define JA4_HASH     6

static const struct span consumer_word = SPAN("consumer:"), ja4_word = SPAN("ja4:");

/* --- digits --- */

static int digit_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_read(const char *text, size_t bytes, uint8_t *ret)
{
	for (size_t i = 0; i < bytes; i++) {
		int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static char *hex_write(const uint8_t *bytes, size_t count, char *to)
{
	for (size_t i = 0; i < count; i++)
		to += sprintf(to, "%02x", bytes[i]);
	return to;
}

/* --- a consumer --- */

int target_parse_consumer(struct span text, struct prefix *ret)
{
	struct prefix p = {.addr.family = TARGET_CONSUMER, .bits = 128};

	if (text.len != CONSUMER_LEN || memcmp(text.ptr, "c_", 2) != 0 ||
	    !hex_read(text.ptr + 2, 9, p.addr.bytes))
		return ADDR_E_SYNTAX;
	*ret = p;
	return 0;
}

/* --- JA4 --- */

static const char ja4_protocols[] = "tqd", ja4_names[] = "di";
static const char ja4_versions[][3] = {"00", "s2", "s3", "10", "11", "12", "13", "d1", "d2", "d3"};
static const char ja4_alnum[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#define ALNUM (sizeof ja4_alnum - 1)

static bool letter_take(const char *letters, char c, uint32_t *number)
{
	const char *at = c ? strchr(letters, c) : NULL;

	if (!at)
		return false;
	*number = *number * (uint32_t)strlen(letters) + (uint32_t)(at - letters);
	return true;
}

static char letter_give(const char *letters, uint32_t *number)
{
	uint32_t count = (uint32_t)strlen(letters), at = *number % count;

	*number /= count;
	return letters[at];
}

static bool version_take(const char *text, uint32_t *number)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(ja4_versions); i++)
		if (memcmp(text, ja4_versions[i], 2) == 0) {
			*number = *number * ARRAY_SIZE(ja4_versions) + i;
			return true;
		}
	return false;
}

/* Protocol, version, whether a name was sent, how many ciphers and extensions, ends of the first ALPN. */
static bool words_read(const char *text, uint32_t *ret)
{
	uint32_t n = 0;
	bool good = letter_take(ja4_protocols, text[0], &n) && version_take(text + 1, &n) &&
		    letter_take(ja4_names, text[3], &n);

	for (unsigned i = 4; i < 8; i++)
		good = good && letter_take("0123456789", text[i], &n);
	good = good && letter_take(ja4_alnum, text[8], &n) && letter_take(ja4_alnum, text[9], &n);
	*ret = n;
	return good;
}

static void words_write(uint32_t n, char *to)
{
	to[9] = letter_give(ja4_alnum, &n);
	to[8] = letter_give(ja4_alnum, &n);
	for (unsigned i = 8; i-- > 4;)
		to[i] = letter_give("0123456789", &n);
	to[3] = letter_give(ja4_names, &n);
	memcpy(to + 1, ja4_versions[n % ARRAY_SIZE(ja4_versions)], 2);
	n /= ARRAY_SIZE(ja4_versions);
	to[0] = letter_give(ja4_protocols, &n);
}

int target_parse_ja4(struct span text, struct prefix *ret)
{
	struct prefix p = {.addr.family = TARGET_JA4, .bits = 128};
	uint32_t words;

	if (text.len != JA4_LEN || !words_read(text.ptr, &words) || text.ptr[JA4_WORDS] != '_' ||
	    text.ptr[JA4_WORDS + 13] != '_' ||
	    !hex_read(text.ptr + JA4_WORDS + 1, JA4_HASH, p.addr.bytes + 4) ||
	    !hex_read(text.ptr + JA4_WORDS + 14, JA4_HASH, p.addr.bytes + 10))
		return ADDR_E_SYNTAX;
	for (unsigned i = 0; i < 4; i++)
		p.addr.bytes[i] = (uint8_t)(words >> (24 - 8 * i));
	*ret = p;
	return 0;
}

static uint32_t words_of(const struct prefix *p)
{
	const uint8_t *b = p->addr.bytes;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* --- all of them --- */

static bool word_skip(struct span *text, struct span word)
{
	if (text->len < word.len || memcmp(text->ptr, word.ptr, word.len) != 0)
		return false;
	text->ptr += word.len;
	text->len -= word.len;
	return true;
}

static int who_parse(struct span text, struct prefix *ret)
{
	if (word_skip(&text, consumer_word))
		return target_parse_consumer(text, ret);
	if (word_skip(&text, ja4_word))
		return target_parse_ja4(text, ret);
	return prefix_parse(text, ret);
}

int target_limit(const struct prefix *who, struct span route, unsigned most, struct prefix *ret)
{
	uint16_t number;
	int r = target_route_number(route, most, &number);

	if (!r)
		*ret = target_on(who, number);
	return r;
}

/* Who is meant holds no "@", a route may. */
int target_parse(struct span text, struct prefix *ret)
{
	const char *at = text.len ? memchr(text.ptr, '@', text.len) : NULL;
	struct prefix who;

	if (!at)
		return who_parse(text, ret);
	size_t len = (size_t)(at - text.ptr);
	int r = who_parse((struct span){text.ptr, len}, &who);

	return r ? r : target_limit(&who, (struct span){at + 1, text.len - len - 1}, TARGET_ROUTES_MAX, ret);
}

_Static_assert(PREFIX_TEXT_MAX >= 50 + TARGET_ROUTE_MAX, "who is meant, and a route, have room");

static void routed_format(const struct prefix *p, char buf[static PREFIX_TEXT_MAX])
{
	const struct prefix who = target_who(p);

	prefix_format(&who, buf);
	size_t len = strlen(buf);
	snprintf(buf + len, PREFIX_TEXT_MAX - len, "@%s", target_route_text(p->route));
}

void target_format(const struct prefix *p, char buf[static PREFIX_TEXT_MAX])
{
	char *to = buf;

	*to = 0;
	if (target_is_routed(p)) {
		routed_format(p, buf);
	} else if (p->addr.family == TARGET_CONSUMER) {
		to = stpcpy(to, "consumer:c_");
		hex_write(p->addr.bytes, 9, to);
	} else if (p->addr.family == TARGET_JA4) {
		to = stpcpy(to, "ja4:");
		words_write(words_of(p), to);
		to += JA4_WORDS;
		*to++ = '_';
		to = hex_write(p->addr.bytes + 4, JA4_HASH, to);
		*to++ = '_';
		hex_write(p->addr.bytes + 10, JA4_HASH, to);
	}
}

bool target_is_key(const struct prefix *p)
{
	char text[PREFIX_TEXT_MAX] = "";
	struct prefix again;

	if (target_is_net(p))
		return false;
	target_format(p, text);
	return target_parse((struct span){text, strlen(text)}, &again) == 0 && prefix_equal(&again, p);
}
