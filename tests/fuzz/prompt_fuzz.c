// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a prompt. What is taken is text without comments, has its version as a record may hold it, and
 * filled in no field is left; what is not taken has a reason, and leaves nothing behind.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "forwarder/prompt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MARK  "M4RKM4RK"
#define WORDS "scan, other"

static void check_text(const char *text)
{
	assert(strlen(text) <= PROMPT_MAX);
	assert(text[0] != '#' && !strstr(text, "\n#"));
	for (const char *p = text; *p; p++)
		assert((unsigned char)*p >= ' ' || *p == '\n' || *p == '\t');
}

static void check_version(const struct prompt *p)
{
	const char *hash = strstr(p->version, " sha256:");

	assert(memchr(p->version, 0, sizeof p->version));
	assert(strchr(p->version, '/') && hash && strlen(hash) == 8 + 12);
	for (const char *c = p->version; *c; c++)
		assert(*c >= ' ' && *c <= '~');
}

/* As often as the fields stand there, and nothing else of it is changed. */
static void check_written(const struct prompt *p)
{
	struct buffer out = BUFFER_INIT(PROMPT_MAX * 16);
	size_t marks = 0, words = 0, want = strlen(p->text);

	for (const char *at = p->text; (at = strstr(at, "{{mark}}")); at += 8)
		marks++;
	for (const char *at = p->text; (at = strstr(at, "{{categories}}")); at += 14)
		words++;
	assert(marks && words);
	want -= marks * 8 + words * 14;
	prompt_write(p, MARK, WORDS, &out);
	assert(!out.truncated && out.len == want + marks * strlen(MARK) + words * strlen(WORDS));
	assert(!memmem(out.data, out.len, "{{", 2));
	buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct prompt p = {.text = NULL, .version = "untouched"};
	/* In memory of its own size, so that a read beyond it is seen. */
	char *copy = malloc(size ? size : 1);

	assert(copy);
	memcpy(copy, data, size);
	int r = prompt_parse((struct span){copy, size}, &p);
	free(copy);
	assert(r >= 0 && r <= PROMPT_E_TEXT);
	if (r) {
		assert(!p.text && !strcmp(p.version, "untouched") && *prompt_error_text(r));
		return 0;
	}
	check_text(p.text);
	check_version(&p);
	check_written(&p);
	prompt_free(&p);
	assert(!p.text);
	return 0;
}
