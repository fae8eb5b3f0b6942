// SPDX-License-Identifier: Apache-2.0
/*
 * llhttp_corpus_test.c: llhttp's own test cases (corpus/llhttp below the folder that PICKET_SHARED names;
 * skipped without it). For each case our result is the same at every cut. Each strict request case that ends
 * without an error gives the same messages, and the next request is found behind its body's last byte. In
 * each that llhttp refuses, what it delivered before the error we deliver too, and whatever we see beyond is
 * flagged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include <dirent.h>
#include <openssl/evp.h>
#include "lib/util.h"
#include "seen.h"

static char folder[4096];

static char *read_file(const char *path)
{
	_cleanup_fclose_ FILE *f = fopen(path, "rb");
	const size_t max = 8 << 20;
	char *text = f ? malloc(max) : NULL;

	if (text)
		text[fread(text, 1, max - 1, f)] = 0;
	return text;
}

/* Text in the files is bytes read as Latin-1, in JSON as UTF-8: back to bytes. */
static void latin1(char *s)
{
	char *out = s;

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c >= 0xc0 && s[1])
			c = (unsigned char)((c & 3) << 6 | (*++s & 0x3f));
		*out++ = (char)c;
	}
	*out = 0;
}

static struct span text_of(cJSON *item)
{
	if (!cJSON_IsString(item))
		return SPAN("");
	latin1(item->valuestring);
	return span_from(item->valuestring);
}

/* Those whose headers were complete. */
static void messages_expected(struct seen *wanted, cJSON *expect)
{
	cJSON *message, *header;

	cJSON_ArrayForEach(message, cJSON_GetObjectItem(expect, "messages"))
	{
		if (!cJSON_IsTrue(cJSON_GetObjectItem(message, "headers_complete")))
			continue;
		seen_line(wanted, text_of(cJSON_GetObjectItem(message, "method")),
			  text_of(cJSON_GetObjectItem(message, "url")));
		cJSON_ArrayForEach(header, cJSON_GetObjectItem(message, "headers"))
			seen_header(wanted, text_of(cJSON_GetArrayItem(header, 0)),
				    text_of(cJSON_GetArrayItem(header, 1)));
		seen_end(wanted);
	}
}

static unsigned char *decode(const char *base64, size_t *ret_len)
{
	size_t n = strlen(base64);
	unsigned char *bytes = malloc(n + 4);

	assert_non_null(bytes);
	int len = EVP_DecodeBlock(bytes, (const unsigned char *)base64, (int)n);
	assert_true(len >= 0);
	while (n && base64[--n] == '=')
		len--;
	*ret_len = (size_t)len;
	return bytes;
}

static unsigned compared, explained, lenient;

static bool span_same(struct span a, struct span b)
{
	return a.len == b.len && (!a.len || !memcmp(a.ptr, b.ptr, a.len));
}

static bool request_same(const struct seen *a, unsigned i, const struct seen *b, unsigned k)
{
	return span_same(seen_line_of(a, i), seen_line_of(b, k)) &&
	       span_same(seen_headers_of(a, i), seen_headers_of(b, k));
}

static bool seen_same(const struct seen *a, const struct seen *b)
{
	bool same = a->count == b->count && a->not_http == b->not_http;

	for (unsigned i = 0; same && i < a->count; i++)
		same = request_same(a, i, b, i) && a->list[i].deviations == b->list[i].deviations &&
		       a->list[i].unfinished == b->list[i].unfinished;
	return same;
}

/*
 * Whole messages that llhttp wants and we give, in order; the body's length is compared by what follows it: a
 * request that we append where llhttp's message is complete.
 */
static bool as_wanted(const struct seen *ours, const struct seen *wanted, bool followed)
{
	unsigned whole = 0;

	for (unsigned i = 0; i < ours->count; i++) {
		bool last = whole == wanted->count;
		if (ours->list[i].unfinished)
			continue;
		if (last && followed)
			return i + 1 == ours->count &&
			       span_same(seen_line_of(ours, i), SPAN("GET /behind")) &&
			       seen_is_plain(&ours->list[i]);
		if (last || !request_same(ours, i, wanted, whole))
			return false;
		whole++;
	}
	return whole == wanted->count && !followed;
}

static uint32_t all_deviations(const struct seen *s)
{
	uint32_t all = 0;

	for (unsigned i = 0; i < s->count; i++)
		all |= s->list[i].deviations;
	return all;
}

/* Do our first requests say what llhttp delivered before its error? */
static bool begins_with(const struct seen *ours, const struct seen *wanted)
{
	for (unsigned i = 0; i < wanted->count; i++)
		if (i >= ours->count || !request_same(ours, i, wanted, i))
			return false;
	return true;
}

static void show(const char *name, const char *what, struct seen *ours, struct seen *wanted)
{
	seen_print("ours", ours);
	seen_print("llhttp", wanted);
	fail_msg("%s: %s", name, what);
}

/* Where llhttp refuses what we see and do not flag, and why that is right. */
static const struct {
	const char *name, *why;
} argued[] = {
	{"invalid/4 HTTP protocol and ANNOUNCE method",
	 "llhttp keeps RTSP's methods for RTSP; RFC 9110 section 9.1 lets any token be a method"},
};

static bool is_argued(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(argued); i++)
		if (strcmp(argued[i].name, name) == 0) {
			print_message("%s: %s\n", name, argued[i].why);
			return true;
		}
	return false;
}

static void cuts_change_nothing(const char *name, struct span bytes, struct seen *whole)
{
	static struct seen pieces;

	for (size_t cut = 0; cut <= bytes.len; cut++) {
		seen_init(&pieces);
		seen_read_cut(&pieces, bytes, cut);
		if (!seen_same(whole, &pieces)) {
			print_message("cut at %zu:\n", cut);
			show(name, "differs when it is cut", &pieces, whole);
		}
		seen_free(&pieces);
	}
	seen_init(&pieces);
	seen_read(&pieces, bytes, 1);
	if (!seen_same(whole, &pieces))
		show(name, "differs in one-byte pieces", &pieces, whole);
	seen_free(&pieces);
}

enum { CLOSES_OR_UPGRADES = 1, SKIPS_BODY = 2, UNFINISHED = 4 };

/* What of a case keeps us from knowing what comes behind it. */
static unsigned kind_of(cJSON *expect, cJSON *meta, const struct seen *ours)
{
	unsigned kind = cJSON_GetObjectItem(meta, "skipBody") ? SKIPS_BODY : 0;
	cJSON *messages = cJSON_GetObjectItem(expect, "messages");
	cJSON *last = cJSON_GetArrayItem(messages, cJSON_GetArraySize(messages) - 1);

	if (!last || !cJSON_IsTrue(cJSON_GetObjectItem(last, "complete")))
		kind |= UNFINISHED;
	if (ours->not_http)
		kind |= CLOSES_OR_UPGRADES;
	return kind;
}

static void strict_case(const char *name, cJSON *c, struct span bytes)
{
	static const char behind[] = "GET /behind HTTP/1.1\r\nHost: behind\r\n\r\n";
	cJSON *expect = cJSON_GetObjectItem(c, "expect"), *meta = cJSON_GetObjectItem(c, "meta");
	static struct seen ours, wanted;
	struct buffer more = BUFFER_INIT(1 << 20);

	seen_init(&ours);
	seen_init(&wanted);
	seen_read(&ours, bytes, 0);
	messages_expected(&wanted, expect);
	cuts_change_nothing(name, bytes, &ours);
	unsigned kind = kind_of(expect, meta, &ours);
	if (!cJSON_IsNull(cJSON_GetObjectItem(expect, "error")) || kind & SKIPS_BODY) {
		/* What it delivered before, and then either the same end or a flag. */
		uint32_t flags = all_deviations(&ours);
		if (!flags && ours.count > wanted.count && !(kind & SKIPS_BODY) && !is_argued(name))
			show(name, "a difference without a flag", &ours, &wanted);
		if (!begins_with(&ours, &wanted) && !flags)
			show(name, "what was delivered before the error differs without a flag", &ours,
			     &wanted);
		explained++;
	} else {
		bool followed = kind == 0;
		buffer_append(&more, bytes.ptr, bytes.len);
		if (followed)
			buffer_append_text(&more, behind);
		seen_free(&ours);
		seen_init(&ours);
		seen_read(&ours, buffer_span(&more), 0);
		if (!as_wanted(&ours, &wanted, followed))
			show(name, "messages differ", &ours, &wanted);
		compared++;
	}
	buffer_free(&more);
	seen_free(&ours);
	seen_free(&wanted);
}

static void one_case(cJSON *c)
{
	const char *type = cJSON_GetObjectItem(c, "type")->valuestring;
	const char *name = cJSON_GetObjectItem(c, "name")->valuestring;
	size_t len;
	unsigned char *bytes = decode(cJSON_GetObjectItem(c, "bytes_base64")->valuestring, &len);
	struct span all = {(char *)bytes, len};

	if (strcmp(type, "request") == 0 || strcmp(type, "request-finish") == 0) {
		strict_case(name, c, all);
	} else {
		/* llhttp with its strictness switched off. */
		static struct seen ours;
		seen_init(&ours);
		seen_read(&ours, all, 0);
		cuts_change_nothing(name, all, &ours);
		seen_free(&ours);
		lenient++;
	}
	free(bytes);
}

static void every_strict_case_gives_the_same_messages_at_every_cut(void **state)
{
	struct dirent **names;
	int n = scandir(folder, &names, NULL, alphasort);

	(void)state;
	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		char path[8192];
		size_t len = strlen(names[i]->d_name);
		if (len > 5 && strcmp(names[i]->d_name + len - 5, ".json") == 0) {
			snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
			_cleanup_free_ char *text = read_file(path);
			cJSON *file = cJSON_Parse(text ? text : ""), *c;
			assert_non_null(file);
			cJSON_ArrayForEach(c, cJSON_GetObjectItem(file, "cases")) one_case(c);
			cJSON_Delete(file);
		}
		free(names[i]);
	}
	free(names);
	print_message("%u compared exactly, %u that llhttp refuses or reads by its caller's word, %u lenient "
		      "ones\n",
		      compared, explained, lenient);
	assert_true(compared > 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_strict_case_gives_the_same_messages_at_every_cut),
	};
	const char *shared = getenv("PICKET_SHARED");
	DIR *d = NULL;

	if (shared) {
		snprintf(folder, sizeof folder, "%s/corpus/llhttp", shared);
		d = opendir(folder);
	}
	if (!d) {
		fprintf(stderr, "skipped: PICKET_SHARED does not name a folder with corpus/llhttp in it\n");
		return 77;
	}
	closedir(d);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
