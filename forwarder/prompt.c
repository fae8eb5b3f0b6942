// SPDX-License-Identifier: Apache-2.0
#include "forwarder/prompt.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>
#include "forwarder/prompt_shipped.h"
#include "forwarder/secret.h"
#include "lib/utf8.h"
#include "lib/util.h"

#define HEAD       "# picket-prompt "
#define MARK       "{{mark}}"
#define CATEGORIES "{{categories}}"

const char *prompt_error_text(int error)
{
	switch (error) {
	case PROMPT_E_UNREADABLE:
		return "cannot be read";
	case PROMPT_E_TOO_LARGE:
		return "is larger than 32KiB";
	case PROMPT_E_HEAD:
		return "must begin with a line \"# picket-prompt NAME VERSION\"";
	case PROMPT_E_FIELD:
		return "has a {{...}} that is neither {{mark}} nor {{categories}}";
	case PROMPT_E_MISSING:
		return "must have {{mark}} and {{categories}}";
	case PROMPT_E_TEXT:
		return "holds what is no text";
	default:
		return strerror(-error);
	}
}

static bool is_word(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.", s.ptr[i]) || !s.ptr[i])
			return false;
	return s.len > 0 && s.len <= 20;
}

/* "judge/2 sha256:0123456789ab" */
static int version_of(struct span file, char ret[static VERDICT_PROMPT_MAX])
{
	const char *end = memchr(file.ptr, '\n', file.len);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (!end || file.len < sizeof HEAD || memcmp(file.ptr, HEAD, sizeof HEAD - 1) != 0)
		return PROMPT_E_HEAD;
	struct span words = {file.ptr + sizeof HEAD - 1, (size_t)(end - file.ptr) - (sizeof HEAD - 1)};
	const char *blank = memchr(words.ptr, ' ', words.len);
	if (!blank)
		return PROMPT_E_HEAD;
	struct span name = {words.ptr, (size_t)(blank - words.ptr)};
	struct span version = {blank + 1, words.len - name.len - 1};
	if (!is_word(name) || !is_word(version))
		return PROMPT_E_HEAD;
	if (!EVP_Digest(file.ptr, file.len, digest, &len, EVP_sha256(), NULL) || len < 6)
		return -EIO;
	snprintf(ret, VERDICT_PROMPT_MAX, "%.*s/%.*s sha256:%02x%02x%02x%02x%02x%02x", (int)name.len,
		 name.ptr, (int)version.len, version.ptr, digest[0], digest[1], digest[2], digest[3],
		 digest[4], digest[5]);
	return 0;
}

static bool is_text(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < ' ' && s.ptr[i] != '\n' && s.ptr[i] != '\t')
			return false;
	return utf8_valid(s);
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static int check_fields(const char *text)
{
	for (const char *at = strstr(text, "{{"); at; at = strstr(at + 2, "{{"))
		if (!begins(at, MARK) && !begins(at, CATEGORIES))
			return PROMPT_E_FIELD;
	return strstr(text, MARK) && strstr(text, CATEGORIES) ? 0 : PROMPT_E_MISSING;
}

int prompt_parse(struct span file, struct prompt *ret)
{
	struct prompt p = {0};
	struct buffer out = BUFFER_INIT(PROMPT_MAX + 1);
	int r = file.len > PROMPT_MAX ? PROMPT_E_TOO_LARGE : 0;

	if (!r && !is_text(file))
		r = PROMPT_E_TEXT;
	if (!r)
		r = version_of(file, p.version);
	while (!r && file.len) {
		const char *end = memchr(file.ptr, '\n', file.len);
		size_t n = end ? (size_t)(end - file.ptr) + 1 : file.len;

		if (file.ptr[0] != '#')
			buffer_append(&out, file.ptr, n);
		file = (struct span){file.ptr + n, file.len - n};
	}
	buffer_append_char(&out, 0);
	if (!r)
		r = out.truncated ? -ENOMEM : check_fields(out.data);
	if (r) {
		buffer_free(&out);
		return r;
	}
	p.text = out.data;
	*ret = p;
	return 0;
}

int prompt_read(const char *path, struct prompt *ret)
{
	_cleanup_(buffer_free) struct buffer file = BUFFER_INIT(PROMPT_MAX);

	if (!path)
		return prompt_parse((struct span){(const char *)prompt_shipped, prompt_shipped_len}, ret);
	int r = secret_read_file(path, &file);
	if (r)
		return r < 0                     ? r
		       : r == SECRET_E_TOO_LARGE ? PROMPT_E_TOO_LARGE
		       : r == SECRET_E_EMPTY     ? PROMPT_E_HEAD
						 : PROMPT_E_UNREADABLE;
	return prompt_parse(buffer_span(&file), ret);
}

void prompt_free(struct prompt *p)
{
	free(p->text);
	*p = (struct prompt){0};
}

void prompt_write(const struct prompt *p, const char *mark, const char *categories, struct buffer *out)
{
	const char *at = p->text;

	while (*at) {
		size_t n = strcspn(at, "{");

		buffer_append(out, at, n);
		at += n;
		if (begins(at, MARK)) {
			buffer_append_text(out, mark);
			at += strlen(MARK);
		} else if (begins(at, CATEGORIES)) {
			buffer_append_text(out, categories);
			at += strlen(CATEGORIES);
		} else if (*at) {
			buffer_append_char(out, *at++);
		}
	}
}
