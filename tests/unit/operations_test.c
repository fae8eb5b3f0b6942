// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "lib/config.h"
#include "lib/util.h"
#include "policies/openapi.h"

static struct operations *operations;
static struct buffer errors;

static int load(const char *text)
{
	char *copy = strdup(text);

	operations_free(operations);
	operations = NULL;
	buffer_free(&errors);
	errors = BUFFER_INIT(65536);
	assert_non_null(copy);
	int r = openapi_parse(copy, strlen(copy), "api.yaml", &operations, &errors);
	free(copy);
	buffer_append_char(&errors, 0);
	return r;
}

static void load_good(const char *text)
{
	int r = load(text);

	if (r)
		fail_msg("%d: %s", r, errors.data);
}

static void refuse(const char *text, const char *part)
{
	assert_int_equal(load(text), CONFIG_E_INVALID);
	if (!strstr(errors.data, part))
		fail_msg("expected \"%s\" in: %s", part, errors.data);
}

/* What the template is, "" if none fits; "!" in front: the method is not described. */
static void expect(const char *method, const char *path, const char *expected)
{
	char got[2048] = "";
	unsigned index;

	if (operations_match(operations, span_from(path), &index))
		snprintf(got, sizeof got, "%s%.*s",
			 operations_allow(operations, index, method_of(span_from(method))) ? "" : "!",
			 (int)operations_path(operations, index).len, operations_path(operations, index).ptr);
	if (strcmp(got, expected) != 0)
		fail_msg("%s %s: expected \"%s\", got \"%s\"", method, path, expected, got);
}

static const char pets[] = "openapi: 3.1.0\n"
			   "info: {title: pets, version: '1'}\n"
			   "servers:\n"
			   "  - url: https://api.example.com/v1/\n"
			   "  - url: /v1\n"
			   "paths:\n"
			   "  /:\n"
			   "    get: {}\n"
			   "  /pets:\n"
			   "    get: {}\n"
			   "    post: {}\n"
			   "  /pets/{petId}:\n"
			   "    parameters: []\n"
			   "    get: {}\n"
			   "    delete: {}\n"
			   "  /pets/mine:\n"
			   "    get: {}\n"
			   "  /pets/{petId}/photos/{name}.{ext}:\n"
			   "    put: {}\n"
			   "  /pets/mine/toys:\n"
			   "    get: {}\n"
			   "  /pets/{id}:feed:\n"
			   "    post: {}\n"
			   "  x-internal: {}\n";

static void yaml_gives_templates_and_methods(void **state)
{
	(void)state;
	load_good(pets);
	assert_int_equal(operations_count(operations), 7);
	expect("GET", "/v1", "/v1/");
	expect("GET", "/v1/pets", "/v1/pets");
	expect("GET", "/v1/pets/", "/v1/pets");
	expect("PUT", "/v1/pets", "!/v1/pets");
	expect("GET", "/v1/pets/7", "/v1/pets/{petId}");
	expect("DELETE", "/v1/pets/7;v=1", "/v1/pets/{petId}");
	expect("PATCH", "/v1/pets/7", "!/v1/pets/{petId}");
	expect("get", "/v1/pets/7", "!/v1/pets/{petId}");
	expect("GET", "/pets/7", "");
	expect("GET", "/v1/pets/7/8", "");
	expect("GET", "/v1/cats", "");
	expect("GET", "/v1/pets//photos/a.b", "");
	expect("GET", "/", "");
	expect("GET", "", "");
	expect("GET", "*", "");
}

static void literal_text_comes_before_parameters(void **state)
{
	(void)state;
	load_good(pets);
	expect("GET", "/v1/pets/mine", "/v1/pets/mine");
	expect("DELETE", "/v1/pets/mine", "!/v1/pets/mine");
	/* ... but a dead end is left again. */
	expect("PUT", "/v1/pets/mine/photos/a.jpg", "/v1/pets/{petId}/photos/{name}.{ext}");
	expect("POST", "/v1/pets/7:feed", "/v1/pets/{id}:feed");
	expect("GET", "/v1/pets/:feed", "/v1/pets/{petId}");
	expect("PUT", "/v1/pets/7/photos/a.b.c", "/v1/pets/{petId}/photos/{name}.{ext}");
	expect("PUT", "/v1/pets/7/photos/abc", "");
	expect("PUT", "/v1/pets/7/photos/a.", "");
	expect("PUT", "/v1/pets/7/photos/.a", "");
}

static void head_and_options_follow(void **state)
{
	(void)state;
	load_good(pets);
	expect("HEAD", "/v1/pets/7", "/v1/pets/{petId}");
	expect("HEAD", "/v1/pets/7:feed", "!/v1/pets/{id}:feed");
	expect("OPTIONS", "/v1/pets/7:feed", "/v1/pets/{id}:feed");
}

static void json_is_read_too(void **state)
{
	(void)state;
	load_good("{\"openapi\":\"3.0.3\",\"info\":{\"description\":\"\\ud83d\\ude00 \\\\ud83d a\\/b\"},\n"
		  "\t\"paths\":{\"/a/{b}\":{\"get\":{\"responses\":{}},\"trace\":{}}}}");
	assert_int_equal(operations_count(operations), 1);
	expect("GET", "/a/x", "/a/{b}");
	expect("TRACE", "/a/x", "/a/{b}");
	expect("POST", "/a/x", "!/a/{b}");
}

static void servers_may_stand_at_three_places(void **state)
{
	(void)state;
	load_good("openapi: 3.0.0\n"
		  "servers: [{url: '{scheme}://{host}/api/{version}'}, {url: 'http://x.example'}, {url: "
		  "'./rel/'}]\n"
		  "paths:\n"
		  "  /a: {get: {}}\n"
		  "  /b: {servers: [{url: //cdn.example/files?x#y}], get: {}}\n"
		  "  /c:\n"
		  "    get: {servers: [{url: /own}]}\n"
		  "    put: {}\n"
		  "  /d:\n"
		  "    get: {servers: [{url: /own}]}\n");
	expect("GET", "/api/2/a", "/api/{version}/a");
	expect("GET", "/a", "/a");
	expect("GET", "/rel/a", "/rel/a");
	expect("GET", "/files/b", "/files/b");
	expect("GET", "/b", "");
	expect("GET", "/own/c", "/own/c");
	expect("PUT", "/own/c", "!/own/c");
	expect("PUT", "/c", "/c");
	expect("GET", "/c", "!/c");
	expect("GET", "/d", "");
	load_good("openapi: 3.0.0\nservers: []\npaths: {/a: {get: {}}}\n");
	expect("GET", "/a", "/a");
}

/* As descriptions of many-tenant services begin: the variable is no segment. */
static void a_variable_for_scheme_and_host_is_no_segment(void **state)
{
	(void)state;
	load_good("openapi: 3.0.0\n"
		  "servers:\n"
		  "  - {url: '{endpoint}', variables: {endpoint: {default: ''}}}\n"
		  "  - {url: '{endpoint}/v1/', variables: {endpoint: {default: 'https://a.example'}}}\n"
		  "  - {url: '{base}/v2', variables: {base: {default: 'https://a.example/api/'}}}\n"
		  "  - {url: '{host}:{port}/v3', variables: {host: {default: 'http://a'}, port: {default: "
		  "'80'}}}\n"
		  "  - {url: '{version}/in', variables: {version: {default: v4}}}\n"
		  "  - {url: '{version}/out'}\n"
		  "  - {url: 'https://b.example/api/v2'}\n"
		  "  - {url: v1}\n"
		  "paths: {/a: {get: {}}}\n");
	expect("GET", "/a", "/a");
	expect("GET", "/v1/a", "/v1/a");
	expect("GET", "/api/v2/a", "/api/v2/a");
	expect("GET", "/v3/a", "/v3/a");
	expect("GET", "/v4/in/a", "/{version}/in/a");
	expect("GET", "/v4/out/a", "/{version}/out/a");
	expect("GET", "/x/v1/a", "");
}

static void references_inside_are_followed(void **state)
{
	(void)state;
	load_good("openapi: 3.1.0\n"
		  "paths:\n"
		  "  /a: {$ref: '#/components/pathItems/A~1x'}\n"
		  "  /b: {$ref: '#/paths/~1a'}\n"
		  "components: {pathItems: {A/x: {get: {}}}}\n");
	expect("GET", "/a", "/a");
	expect("GET", "/b", "/b");
	expect("PUT", "/b", "!/b");
}

static void faults_have_their_line(void **state)
{
	static const struct {
		const char *text, *part;
	} cases[] = {
		{"", "api.yaml: is no OpenAPI document"},
		{"- a\n", "api.yaml:1: is no OpenAPI document"},
		{"a: b\n", "api.yaml:1: is no OpenAPI document: \"openapi: 3...\" is missing"},
		{"swagger: '2.0'\npaths: {}\n", "api.yaml:1: Swagger 2.0 is not read"},
		{"openapi: 4.0.0\npaths: {}\n", "api.yaml:1: \"openapi: 4.0.0\" is not known"},
		{"openapi: 3.1.0\n", "api.yaml:1: \"paths:\" is missing"},
		{"openapi: 3.1.0\npaths: []\n", "api.yaml:2: paths must be a mapping"},
		{"openapi: 3.1.0\npaths:\n  /a: 7\n", "api.yaml:3: \"/a\" must be a mapping of methods"},
		{"openapi: 3.1.0\npaths:\n  a: {get: {}}\n", "api.yaml:3: \"a\" is no path"},
		{"openapi: 3.1.0\npaths:\n  /{a: {get: {}}\n", "api.yaml:3: \"/{a\" is no path"},
		{"openapi: 3.1.0\npaths:\n  '/{a}{b}': {get: {}}\n", "api.yaml:3: \"/{a}{b}\" is no path"},
		{"openapi: 3.1.0\npaths:\n  '/{}': {get: {}}\n", "api.yaml:3: \"/{}\" is no path"},
		{"openapi: 3.1.0\npaths:\n  '/a}': {get: {}}\n", "api.yaml:3: \"/a}\" is no path"},
		{"openapi: 3.1.0\npaths:\n  \"/a\\0b\": {get: {}}\n", "api.yaml:3: \"/a\" is no path"},
		{"openapi: 3.1.0\npaths:\n  '/a/{b}': {get: {}}\n  '/a/{c}': {get: {}}\n",
		 "api.yaml:4: \"/a/{c}\" is there twice"},
		{"openapi: 3.1.0\npaths:\n  /a: {$ref: other.yaml}\n",
		 "api.yaml:3: \"$ref: other.yaml\" leads to another file"},
		{"openapi: 3.1.0\npaths:\n  /a: {$ref: '#/nowhere'}\n",
		 "api.yaml:3: \"$ref: #/nowhere\" leads nowhere"},
		{"openapi: 3.1.0\npaths:\n  /a: {$ref: '#/paths/~1b'}\n  /b: {$ref: '#/paths/~1a'}\n",
		 "references that lead to each other"},
		{"openapi: 3.1.0\nservers: x\npaths: {}\n", "api.yaml:2: servers must be a list"},
		{"openapi: 3.1.0\nservers: [{}]\npaths: {}\n", "api.yaml:2: a server needs \"url\""},
		{"openapi: 3.1.0\npaths: {\n", "api.yaml:3: "},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		refuse(cases[i].text, cases[i].part);
	assert_int_equal(openapi_load("/nowhere/api.yaml", &operations, &errors), CONFIG_E_INVALID);
	assert_int_equal(openapi_load("/", &operations, &errors), CONFIG_E_INVALID);
}

/* All faults at once, yet not without end. */
static void all_faults_are_told(void **state)
{
	struct buffer text = BUFFER_INIT(65536);
	unsigned lines = 0;

	(void)state;
	buffer_append_text(&text, "openapi: 3.1.0\npaths:\n");
	for (unsigned i = 0; i < 100; i++)
		buffer_printf(&text, "  bad%u: {get: {}}\n", i);
	buffer_append_char(&text, 0);
	assert_int_equal(load(text.data), CONFIG_E_INVALID);
	for (const char *p = errors.data; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 20);
	buffer_free(&text);
}

static void ceilings_hold(void **state)
{
	struct operations *o;
	char path[OPERATIONS_PATH_MAX + 8];

	(void)state;
	assert_int_equal(operations_new(&o), 0);
	for (unsigned i = 0; i < OPERATIONS_TEMPLATES_MAX; i++) {
		int n = snprintf(path, sizeof path, "/a%u/{id}", i);
		assert_int_equal(operations_add(o, (struct span){path, (size_t)n}, 1), 0);
	}
	assert_int_equal(operations_add(o, SPAN("/one/more"), 1), OPERATIONS_E_FULL);
	assert_int_equal(operations_add(o, SPAN("/a7/{other}"), 2), 0);
	assert_int_equal(operations_add(o, SPAN("/a7/{other}"), 2), OPERATIONS_E_SAME);
	memset(path, 'a', sizeof path);
	path[0] = '/';
	assert_int_equal(operations_add(o, (struct span){path, sizeof path}, 1), OPERATIONS_E_PATH);
	for (unsigned i = 0; i < 2 * OPERATIONS_SEGMENTS_MAX + 2; i += 2)
		path[i] = '/';
	assert_int_equal(operations_add(o, (struct span){path, 2 * OPERATIONS_SEGMENTS_MAX + 2}, 1),
			 OPERATIONS_E_PATH);
	operations_free(o);
}

static int end(void **state)
{
	(void)state;
	operations_free(operations);
	buffer_free(&errors);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(yaml_gives_templates_and_methods),
		cmocka_unit_test(literal_text_comes_before_parameters),
		cmocka_unit_test(head_and_options_follow),
		cmocka_unit_test(json_is_read_too),
		cmocka_unit_test(servers_may_stand_at_three_places),
		cmocka_unit_test(a_variable_for_scheme_and_host_is_no_segment),
		cmocka_unit_test(references_inside_are_followed),
		cmocka_unit_test(faults_have_their_line),
		cmocka_unit_test(all_faults_are_told),
		cmocka_unit_test(ceilings_hold),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
