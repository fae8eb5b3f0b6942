// SPDX-License-Identifier: Apache-2.0
/*
 * llhttp's own test cases (corpus/llhttp below the folder that PICKET_SHARED names; skipped without it): for
 * each strict request case that ends without an error, we see the same messages, whatever the cut. All other
 * cases: no crash, and what was delivered before the error we deliver too, unless we flag why not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include <dirent.h>
#include <openssl/evp.h>
#include "tests/unit/messages.h"

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
static void messages_expected(struct messages *m, cJSON *expect)
{
	cJSON *message, *header;

	cJSON_ArrayForEach(message, cJSON_GetObjectItem(expect, "messages"))
	{
		if (!cJSON_IsTrue(cJSON_GetObjectItem(message, "headers_complete")))
			continue;
		messages_line(m, text_of(cJSON_GetObjectItem(message, "method")),
			      text_of(cJSON_GetObjectItem(message, "url")));
		cJSON_ArrayForEach(header, cJSON_GetObjectItem(message, "headers")) messages_header(
			m, text_of(cJSON_GetArrayItem(header, 0)), text_of(cJSON_GetArrayItem(header, 1)));
		messages_end(m);
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

static unsigned compared, looked_at;

static void one_case(cJSON *c)
{
	cJSON *expect = cJSON_GetObjectItem(c, "expect"), *meta = cJSON_GetObjectItem(c, "meta");
	const char *type = cJSON_GetObjectItem(c, "type")->valuestring;
	/* The others: llhttp with its strictness switched off. */
	bool strict = strcmp(type, "request") == 0 || strcmp(type, "request-finish") == 0;
	/* skipBody: the test's caller tells llhttp to leave the body out, against what the headers say. */
	bool exact = strict && cJSON_IsNull(cJSON_GetObjectItem(expect, "error")) &&
		     !cJSON_GetObjectItem(meta, "skipBody");
	struct messages wanted = MESSAGES;
	size_t len;
	unsigned char *bytes = decode(cJSON_GetObjectItem(c, "bytes_base64")->valuestring, &len);

	messages_expected(&wanted, expect);
	for (size_t cut = 0; cut <= len; cut++) {
		struct messages ours = MESSAGES;
		messages_ours(&ours, (struct span){(char *)bytes, len}, cut);
		bool same = messages_same(&ours, &wanted, wanted.count);
		if (exact ? !same || ours.count != wanted.count : strict && !same && !ours.deviations)
			fail_msg("%s, cut at %zu:\n--- ours\n%.*s--- wanted\n%.*s",
				 cJSON_GetObjectItem(c, "name")->valuestring, cut, (int)ours.text.len,
				 ours.text.data, (int)wanted.text.len, wanted.text.data);
		buffer_free(&ours.text);
	}
	compared += exact;
	looked_at++;
	buffer_free(&wanted.text);
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
	print_message("%u cases, %u compared exactly\n", looked_at, compared);
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
