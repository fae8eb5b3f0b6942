// SPDX-License-Identifier: Apache-2.0
#include "tests/quality/signatures_corpus.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cjson/cJSON.h>
#include "lib/util.h"

/* FNV-1a: the halves are the same everywhere. */
static bool second_half(const char *test)
{
	uint32_t h = 2166136261u;

	for (; *test; test++)
		h = (h ^ (unsigned char)*test) * 16777619u;
	return (h >> 16) & 1;
}

/* Copies to *at, which moves on. */
static struct span put(char **at, const char *text)
{
	size_t len = strlen(text);
	struct span s = {*at, len};

	memcpy(*at, text, len + 1);
	*at += len + 1;
	return s;
}

static const char *text_of(const cJSON *object, const char *name, const char *otherwise)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsString(item) ? item->valuestring : otherwise;
}

/* As the sensor's parser leaves a target: without scheme, authority and fragment. */
static void split_target(struct http_request *r)
{
	struct span t = r->target;
	const char *scheme = t.len && t.ptr[0] != '/' ? memmem(t.ptr, t.len, "://", 3) : NULL;
	size_t from = 0, end = 0;

	if (scheme && !memchr(t.ptr, '?', (size_t)(scheme - t.ptr))) {
		from = (size_t)(scheme - t.ptr) + 3;
		while (from < t.len && t.ptr[from] != '/' && t.ptr[from] != '?')
			from++;
	}
	for (end = from; end < t.len && t.ptr[end] != '?' && t.ptr[end] != '#';)
		end++;
	r->path = (struct span){t.ptr + from, end - from};
	if (end < t.len && t.ptr[end] == '?')
		r->query = (struct span){t.ptr + end + 1, t.len - end - 1};
}

static void add_headers(struct stage *s, const cJSON *headers, char **at)
{
	const cJSON *pair;

	cJSON_ArrayForEach(pair, headers)
	{
		const cJSON *name = cJSON_GetArrayItem(pair, 0), *value = cJSON_GetArrayItem(pair, 1);
		if (!cJSON_IsString(name) || !cJSON_IsString(value) ||
		    s->request.header_count == HTTP_HEADERS_MAX)
			continue;
		struct http_header *h = &s->request.headers[s->request.header_count++];
		h->name = put(at, name->valuestring);
		h->value = span_trim(put(at, value->valuestring));
	}
}

static int stage_read(const char *line, struct stage *s)
{
	cJSON *root = cJSON_Parse(line);
	const cJSON *id = cJSON_GetObjectItemCaseSensitive(root, "rule_id");
	const cJSON *match = cJSON_GetObjectItemCaseSensitive(root, "should_match");

	if (!cJSON_IsNumber(id) || !cJSON_IsBool(match)) {
		cJSON_Delete(root);
		return -EINVAL;
	}
	s->text = malloc(2 * strlen(line) + 64);
	if (!s->text) {
		cJSON_Delete(root);
		return -ENOMEM;
	}
	char *at = s->text;
	s->rule_id = (unsigned)id->valuedouble;
	s->attack = cJSON_IsTrue(match);
	s->request.method = put(&at, text_of(root, "method", "GET"));
	s->request.target = put(&at, text_of(root, "uri", "/"));
	s->method = (char *)s->request.method.ptr;
	s->uri = (char *)s->request.target.ptr;
	s->version = (char *)put(&at, text_of(root, "version", "HTTP/1.1")).ptr;
	s->test = (char *)put(&at, text_of(root, "test", "")).ptr;
	s->second = second_half(s->test);
	s->request.version_major = s->request.version_minor = 1;
	split_target(&s->request);
	add_headers(s, cJSON_GetObjectItemCaseSensitive(root, "headers"), &at);
	cJSON_Delete(root);
	return 0;
}

/* Where the lines of text are: what was said of them. */
struct section {
	unsigned family, number;
	bool attack;
};

static void usual_headers(struct stage *s)
{
	static const struct http_header usual[] = {
		{SPAN("Host"), SPAN("api.example.test")},
		{SPAN("Accept"), SPAN("application/json, */*;q=0.5")},
		{SPAN("Accept-Language"), SPAN("en-US,en;q=0.9")},
		{SPAN("User-Agent"),
		 SPAN("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
		      "Chrome/120.0.0.0 Safari/537.36")},
	};
	bool own_agent = s->request.header_count && s->request.headers[0].name.ptr[0] == 'U';

	for (size_t i = 0; i < ARRAY_SIZE(usual) - own_agent; i++)
		s->request.headers[s->request.header_count++] = usual[i];
}

static int text_read(char *line, struct section *in, struct stage *s)
{
	size_t len = strcspn(line, "\r\n"), used = 0;
	char kind[16];

	line[len] = 0;
	if (sscanf(line, "= %u %15s", &in->family, kind) == 2) {
		in->attack = strcmp(kind, "attack") == 0;
		return 1; /* no request */
	}
	s->text = malloc(4 * len + 128);
	if (!s->text)
		return -ENOMEM;
	char *at = s->text, name[32];
	s->rule_id = in->family * 1000 + ++in->number;
	s->attack = in->attack;
	snprintf(name, sizeof name, "%s-%u", in->attack ? "attack" : "benign", in->number);
	s->test = (char *)put(&at, name).ptr;
	s->method = (char *)put(&at, "GET").ptr;
	s->version = (char *)put(&at, "HTTP/1.1").ptr;
	s->second = second_half(s->test);
	char *colon = line[0] == '/' ? NULL : strchr(line, ':');
	if (line[0] != '/' && !colon)
		return -EINVAL;
	if (colon) {
		*colon = 0;
		s->request.headers[0].name = put(&at, line);
		s->request.headers[0].value = span_trim(put(&at, colon + 1));
		s->request.header_count = 1;
		line = "/api/v1/orders";
		len = strlen(line);
	}
	s->uri = at;
	for (size_t i = 0; i < len; i++) {
		if (line[i] == ' ')
			used += (size_t)sprintf(at + used, "%%20");
		else
			at[used++] = line[i];
	}
	at[used] = 0;
	s->request.method = span_from(s->method);
	s->request.target = (struct span){at, used};
	s->request.version_major = s->request.version_minor = 1;
	split_target(&s->request);
	usual_headers(s);
	return 0;
}

int corpus_load(const char *path, struct corpus *ret)
{
	struct corpus c = {0};
	struct section in = {0};
	_cleanup_free_ char *line = NULL;
	size_t size = 0, room = 0, number = 0;
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	int r = file ? 0 : -errno;

	while (!r && getline(&line, &size, file) >= 0) {
		number++;
		if (line[0] == '\n' || line[0] == '#')
			continue;
		if (c.count == room) {
			room = room ? room * 2 : 256;
			struct stage *more = realloc(c.stages, room * sizeof *more);
			if (!more) {
				r = -ENOMEM;
				break;
			}
			c.stages = more;
		}
		memset(&c.stages[c.count], 0, sizeof *c.stages);
		r = line[0] == '{' ? stage_read(line, &c.stages[c.count])
				   : text_read(line, &in, &c.stages[c.count]);
		if (r > 0)
			r = 0;
		else if (r)
			fprintf(stderr, "%s:%zu: cannot be read\n", path, number);
		else
			c.count++;
	}
	if (r) {
		corpus_free(&c);
		return r;
	}
	*ret = c;
	return 0;
}

void corpus_free(struct corpus *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->stages[i].text);
	free(c->stages);
	*c = (struct corpus){0};
}
