// SPDX-License-Identifier: Apache-2.0
#include "policies/redact.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include "tests/unit/policies_config.h"

static char *allowed[] = {"host",   "user-agent",    "content-type", "Referer",
			  "cookie", "authorization", "x-api-key"};

struct fixture {
	struct config config;
	struct redact *redact;
	struct http_request request;
};

static const uint8_t key[32] = {1, 2, 3};

static void make(struct fixture *f)
{
	redact_free(f->redact);
	f->redact = NULL;
	assert_int_equal(redact_new(&f->config, key, &f->redact), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	if (!f)
		return -1;
	f->config = test_config();
	f->config.redact.headers = (struct config_strings){allowed, ARRAY_SIZE(allowed)};
	make(f);
	f->request.method = SPAN("GET");
	f->request.version_major = 1;
	f->request.version_minor = 1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	redact_free(f->redact);
	free(f);
	return 0;
}

/* path as the parser cuts it: scheme and authority of an absolute form removed. */
static void set_target(struct fixture *f, const char *target)
{
	struct span t = span_from(target);
	const char *from = target, *mark = strstr(target, "://");

	if (t.len && target[0] != '/' && mark) {
		from = mark + 3;
		from += strcspn(from, "/?#");
	}
	f->request.target = t;
	f->request.path = (struct span){from, strcspn(from, "?#")};
	f->request.query = SPAN_NULL;
}

static void add_header(struct fixture *f, const char *name, const char *value)
{
	f->request.headers[f->request.header_count++] =
		(struct http_header){span_from(name), span_from(value)};
}

static struct event *make_event(struct fixture *f)
{
	struct flow flow = {.connection_id = 7, .peer = {.addr = test_addr("198.51.100.7"), .port = 1234}};
	struct endpoint client = {.addr = test_addr("203.0.113.5"), .port = 99};
	struct event *e = redact_request(f->redact, &f->request, &flow, &client, true, 3, 1000, 2000);

	assert_non_null(e);
	return e;
}

static void assert_span(struct span got, const char *wanted)
{
	if (!span_equal(got, span_from(wanted)))
		fail_msg("got \"%.*s\", wanted \"%s\"", (int)got.len, got.ptr ? got.ptr : "", wanted);
}

static void assert_target(struct fixture *f, const char *target, const char *wanted, const char *wanted_path)
{
	set_target(f, target);
	struct event *e = make_event(f);
	assert_span(e->request.target, wanted);
	assert_span(e->request.path, wanted_path);
	event_unref(e);
}

static const struct event_header *header_of(const struct event *e, const char *name)
{
	for (unsigned i = 0; i < e->request.header_count; i++)
		if (span_equal(e->request.headers[i].name, span_from(name)))
			return &e->request.headers[i];
	return NULL;
}

static void assert_header(struct fixture *f, const char *name, const char *value, const char *wanted)
{
	char lower[64];

	for (size_t i = 0; i <= strlen(name); i++)
		lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
	f->request.header_count = 0;
	add_header(f, name, value);
	struct event *e = make_event(f);
	const struct event_header *h = header_of(e, lower);
	if (!wanted) {
		assert_null(h);
	} else {
		assert_non_null(h);
		assert_span(h->value, wanted);
	}
	event_unref(e);
}

static void query_values_are_dropped_and_names_kept(void **state)
{
	struct fixture *f = *state;

	assert_target(f, "/a/b?a=1&b=secret", "/a/b?a=&b=", "/a/b");
	assert_target(f, "/a", "/a", "/a");
	assert_target(f, "/a?", "/a?", "/a");
	assert_target(f, "/?n=1", "/?n=", "/");
	assert_target(f, "/a?x=1&&=2&y", "/a?x=&&=&y", "/a");
	assert_target(f, "/a?x=1=2=3", "/a?x=", "/a");
	assert_target(f, "/a?b=c?d=e", "/a?b=", "/a");
	assert_target(f, "/a?filter[name]=joe&X-Amz-Signature=abcdef",
		      "/a?filter[name]=&X-Amz-Signature=", "/a");
	assert_target(f, "*", "*", "*");
	assert_target(f, "", "", "");
}

static void a_token_without_a_name_does_not_pass_as_one(void **state)
{
	struct fixture *f = *state;

	assert_target(f, "/reset?3f9ac0ffee11", "/reset?", "/reset");
	assert_target(f, "/reset?a3f9ac0ffee11", "/reset?", "/reset");
	assert_target(f, "/reset?dG9rZW4xMjM0NTY=", "/reset?=", "/reset");
	assert_target(f, "/otp?123456", "/otp?", "/otp");
	assert_target(f, "/x?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=1",
		      "/x?=", "/x");
	assert_target(f, "/soap?wsdl", "/soap?wsdl", "/soap"); /* a flag is worth knowing */
	assert_target(f, "/a?v2", "/a?v2", "/a");
}

static void a_fragment_and_path_parameters_are_dropped(void **state)
{
	struct fixture *f = *state;

	assert_target(f, "/cb#access_token=secret", "/cb", "/cb");
	assert_target(f, "/cb?a=1#access_token=secret", "/cb?a=", "/cb");
	assert_target(f, "/app;jsessionid=SECRET/page?x=1",
		      "/app;jsessionid=/page?x=", "/app;jsessionid=/page");
	assert_target(f, "/app;a=1;b=2", "/app;a=;b=", "/app;a=;b=");
	assert_target(f, "/app;v1/x;", "/app;v1/x;", "/app;v1/x;");
}

static void user_information_is_removed(void **state)
{
	struct fixture *f = *state;

	assert_target(f, "http://joe:pw@api.test/x?a=1", "http://api.test/x?a=", "/x");
	assert_target(f, "HTTP://joe:p@w@api.test:8080/x", "HTTP://api.test:8080/x", "/x");
	assert_target(f, "http://joe@api.test", "http://api.test", "");
	assert_target(f, "http://api.test/a@b", "http://api.test/a@b", "/a@b");
	assert_target(f, "/go?u=http://joe:pw@x/", "/go?u=", "/go");
	f->request.method = SPAN("CONNECT");
	assert_target(f, "joe:pw@api.test:443", "api.test:443", "api.test:443");
}

static void keeping_queries_keeps_them_whole_but_never_the_user(void **state)
{
	struct fixture *f = *state;

	f->config.redact.query = REDACT_QUERY_KEEP;
	make(f);
	assert_target(f, "/a;s=1/b?a=1&b=%20x#f", "/a;s=1/b?a=1&b=%20x#f", "/a;s=1/b");
	assert_target(f, "http://joe:pw@api.test/x?a=1", "http://api.test/x?a=1", "/x");
}

static void only_listed_headers_pass_in_their_order(void **state)
{
	struct fixture *f = *state;

	set_target(f, "/");
	add_header(f, "X-Secret", "s3cret");
	add_header(f, "User-Agent", "curl/8");
	add_header(f, "HOST", "api.test:8443");
	add_header(f, "Content-Typo", "a");
	add_header(f, "User-agent", "second");
	add_header(f, "Referer", "https://joe:pw@shop.test/cart?token=abc");
	add_header(f, "", "nameless");
	struct event *e = make_event(f);
	assert_int_equal(e->request.header_count, 4);
	assert_span(e->request.headers[0].name, "user-agent");
	assert_span(e->request.headers[0].value, "curl/8");
	assert_span(e->request.headers[1].name, "host");
	assert_span(e->request.headers[1].value, "api.test:8443");
	assert_span(e->request.headers[2].value, "second");
	assert_span(e->request.headers[3].name, "referer");
	assert_span(e->request.headers[3].value, "https://shop.test/cart?token=");
	assert_span(e->request.user_agent, "curl/8");
	assert_span(e->request.host, "api.test");
	event_unref(e);
}

static void a_user_agent_that_is_not_listed_stays_here(void **state)
{
	struct fixture *f = *state;
	static char *none[] = {"accept"};

	f->config.redact.headers = (struct config_strings){none, 1};
	make(f);
	add_header(f, "User-Agent", "curl/8");
	struct event *e = make_event(f);
	assert_int_equal(e->request.user_agent.len, 0);
	assert_int_equal(e->request.header_count, 0);
	event_unref(e);
}

static void cookies_keep_their_names_only(void **state)
{
	struct fixture *f = *state;

	assert_header(f, "Cookie", "theme=dark; sid=abc123;x=1", "theme=; sid=; x=");
	assert_header(f, "Cookie", "nameless-secret; a=b", "a=");
	assert_header(f, "Cookie", "a=b=c==; =d;;", "a=; =");
	assert_header(f, "Cookie", "a=;b=;c=;d=;e=;f=", "a=; b=; c=; d=; e=; f="); /* grows by a space each */
	assert_header(f, "Cookie", "", "");
}

static void credentials_never_pass_even_where_they_are_listed(void **state)
{
	struct fixture *f = *state;

	assert_header(f, "Authorization", "Bearer abc", NULL);
	assert_header(f, "X-API-Key", "abc", NULL);
	assert_header(f, "Host", "joe:pw@api.test", "api.test");
}

static void consumer_of(struct fixture *f, const char *name, const char *value, char ret[REDACT_CONSUMER_MAX])
{
	f->request.header_count = 0;
	add_header(f, name, value);
	struct event *e = make_event(f);
	snprintf(ret, REDACT_CONSUMER_MAX, "%.*s", (int)e->request.consumer.len,
		 e->request.consumer.ptr ? e->request.consumer.ptr : "");
	event_unref(e);
}

static void assert_consumer(struct fixture *f, const char *name, const char *value, const char *credential)
{
	char got[REDACT_CONSUMER_MAX], wanted[REDACT_CONSUMER_MAX] = "";

	consumer_of(f, name, value, got);
	if (credential)
		redact_consumer(f->redact, span_from(credential), wanted);
	assert_string_equal(got, wanted);
}

static void one_credential_is_one_consumer_wherever_it_stands(void **state)
{
	struct fixture *f = *state;

	assert_consumer(f, "Authorization", "Bearer abc", "abc");
	assert_consumer(f, "authorization", "bearer  abc ", "abc");
	assert_consumer(f, "Authorization", "abc", "abc");
	assert_consumer(f, "Proxy-Authorization", "Basic abc", "abc");
	assert_consumer(f, "X-Api-Key", "abc", "abc");
	assert_consumer(f, "API-KEY", "abc", "abc");
	assert_consumer(f, "X-Auth-Token", "abc", "abc");
	assert_consumer(f, "Cookie", "theme=dark; connect.sid=abc", "abc");
	assert_consumer(f, "Cookie", "JSESSIONID=abc", "abc");
	assert_consumer(f, "Cookie", "csrftoken=xyz; theme=dark", NULL);
	assert_consumer(f, "Authorization", "Bearer", NULL);
	assert_consumer(f, "Authorization", "", NULL);
	assert_consumer(f, "X-Unrelated", "abc", NULL);
}

static void a_signature_made_anew_for_each_request_does_not_make_a_new_consumer(void **state)
{
	struct fixture *f = *state;

	assert_consumer(f, "Authorization", "Digest username=\"joe\", nonce=\"1\", response=\"2\"", "joe");
	assert_consumer(f, "Authorization", "Digest nonce=\"9\", username=\"joe\", response=\"7\"", "joe");
	assert_consumer(f, "Authorization",
			"AWS4-HMAC-SHA256 Credential=AKID/20261124/eu-1/s3/aws4_request, Signature=1234",
			"AKID");
	assert_consumer(f, "Authorization", "Hawk id=\"h1\", ts=\"1\"", "h1");
	assert_consumer(f, "Authorization", "Digest nonsense", "nonsense");
}

static void the_first_kind_of_credential_counts_whatever_the_order(void **state)
{
	struct fixture *f = *state;
	char wanted[REDACT_CONSUMER_MAX];

	add_header(f, "Cookie", "sid=c");
	add_header(f, "X-Api-Key", "k");
	add_header(f, "Authorization", "Bearer t");
	add_header(f, "Authorization", "Bearer second");
	struct event *e = make_event(f);
	redact_consumer(f->redact, SPAN("t"), wanted);
	assert_span(e->request.consumer, wanted);
	event_unref(e);
}

static void the_hash_depends_on_the_key_and_hides_the_credential(void **state)
{
	struct fixture *f = *state;
	uint8_t other_key[32] = {9};
	struct redact *other = NULL;
	char a[REDACT_CONSUMER_MAX], b[REDACT_CONSUMER_MAX], again[REDACT_CONSUMER_MAX];

	redact_consumer(f->redact, SPAN("abc"), a);
	redact_consumer(f->redact, SPAN("abd"), b);
	redact_consumer(f->redact, SPAN("abc"), again);
	assert_string_equal(a, again); /* the reused context starts afresh each time */
	assert_string_not_equal(a, b);
	assert_int_equal(redact_new(&f->config, other_key, &other), 0);
	redact_consumer(other, SPAN("abc"), b);
	assert_string_not_equal(a, b);
	redact_free(other);
	/* HMAC-SHA256 with the key {1, 2, 3, 0, ...} over "abc", by another implementation (python hmac) */
	assert_string_equal(a, "c_200fd2f9dada90b9");
}

static void what_needs_no_hiding_is_copied(void **state)
{
	struct fixture *f = *state;

	set_target(f, "/x");
	f->request.method = SPAN("POST");
	f->request.body = HTTP_BODY_LENGTH;
	f->request.content_length = 77;
	f->request.deviations = HTTP_DEV_BARE_LF;
	struct event *e = make_event(f);
	assert_int_equal(e->kind, EVENT_HTTP_REQUEST);
	assert_span(e->request.method, "POST");
	assert_int_equal(e->time_ns, 1000);
	assert_int_equal(e->wall_ns, 2000);
	assert_int_equal(e->flow.connection_id, 7);
	assert_int_equal(e->flow.peer.port, 1234);
	assert_int_equal(e->request.client.port, 99);
	assert_int_equal(e->request.forwarded, 1);
	assert_int_equal(e->request.stream_index, 3);
	assert_int_equal(e->request.content_length, 77);
	assert_int_equal(e->request.body, HTTP_BODY_LENGTH);
	assert_int_equal(e->request.deviations, HTTP_DEV_BARE_LF);
	assert_int_equal(e->request.version_minor, 1);
	assert_int_equal(e->request.host.len, 0);
	event_unref(e);
}

static void assert_host(struct fixture *f, const char *target, const char *host, const char *wanted)
{
	set_target(f, target);
	f->request.header_count = 0;
	add_header(f, "Host", host);
	struct event *e = make_event(f);
	assert_span(e->request.host, wanted);
	event_unref(e);
}

static void host_is_the_name_without_its_port(void **state)
{
	struct fixture *f = *state;

	assert_host(f, "/", "api.test", "api.test");
	assert_host(f, "/", "api.test:80", "api.test");
	assert_host(f, "/", "[2001:db8::1]:80", "2001:db8::1");
	assert_host(f, "/", "", "");
	assert_host(f, "http://real.test:81/x", "lie.test", "real.test");
	assert_host(f, "index.html", "api.test", "api.test");
}

/* The event must not point into the stream's buffer, which is reused at once. */
static void an_event_keeps_nothing_of_the_request(void **state)
{
	struct fixture *f = *state;
	char *target = strdup("/long/path?a=1"), *agent = strdup("agent");

	set_target(f, target);
	add_header(f, "User-Agent", agent);
	struct event *e = make_event(f), *other = NULL;
	memset(target, 'X', strlen(target));
	memset(agent, 'X', strlen(agent));
	free(target);
	free(agent);
	set_target(f, "/other");
	f->request.header_count = 0;
	other = make_event(f); /* nor into scratch memory that the next request overwrites */
	assert_span(e->request.target, "/long/path?a=");
	assert_span(e->request.user_agent, "agent");
	assert_true((char *)e->request.target.ptr > (char *)e);
	assert_true((char *)e->request.user_agent.ptr + 5 <= (char *)e + e->size);
	event_unref(e);
	event_unref(other);
}

/* No secret of the request may be found anywhere in the event, however the request is put together. */
static void random_requests_leak_no_secret(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = {"Host",    "User-Agent", "Cookie",  "Authorization",
					    "Referer", "X-Api-Key",  "X-Other", "Content-Type"};
	static const char *const pieces[] = {"/", "?", "&", "=",  ";",   "#", "@", "://",
					     ":", " ", "a", "id", "%20", ",", "\""};
	char texts[HTTP_HEADERS_MAX + 1][200];
	unsigned seed = 5;

	for (unsigned round = 0; round < 5000; round++) {
		unsigned count = (unsigned)rand_r(&seed) % 8;
		f->request.header_count = 0;
		for (unsigned i = 0; i <= count; i++) {
			texts[i][0] = 0;
			for (int j = rand_r(&seed) % 12; j > 0; j--)
				strcat(texts[i], pieces[(unsigned)rand_r(&seed) % ARRAY_SIZE(pieces)]);
			if (i < count) /* credentials and cookies hold a secret somewhere */
				add_header(f, names[(unsigned)rand_r(&seed) % ARRAY_SIZE(names)], texts[i]);
		}
		for (unsigned i = 0; i < count; i++) {
			struct http_header *h = &f->request.headers[i];
			bool secret = span_equal(h->name, SPAN("Authorization")) ||
				      span_equal(h->name, SPAN("X-Api-Key")) ||
				      span_equal(h->name, SPAN("X-Other"));
			if (secret || span_equal(h->name, SPAN("Cookie")))
				strcat(texts[i], secret ? "S3CRET" : "x=S3CRET");
			h->value = span_from(texts[i]);
		}
		strcat(texts[count], "?k=S3CRET");
		set_target(f, texts[count]);
		struct event *e = make_event(f);
		assert_null(memmem(e, e->size, "S3CRET", 6));
		event_unref(e);
	}
}

static void a_request_of_the_largest_head_fits(void **state)
{
	struct fixture *f = *state;
	size_t len = 60000;
	char *big = malloc(len + 1);

	assert_non_null(big);
	memset(big, 'a', len);
	big[0] = '/';
	big[len] = 0;
	set_target(f, big);
	for (unsigned i = 1; i < HTTP_HEADERS_MAX; i++)
		add_header(f, "User-Agent", "x");
	add_header(f, "Cookie", "a=b");
	struct event *e = make_event(f);
	assert_int_equal(e->request.header_count, HTTP_HEADERS_MAX);
	assert_int_equal(e->request.target.len, len);
	event_unref(e);
	memset(big, ';', len); /* the worst that a cookie list or a path can be */
	f->request.headers[0] = (struct http_header){SPAN("Cookie"), {big, len}};
	f->request.header_count = 1;
	event_unref(make_event(f));
	free(big);
}

static char *text_of(char c, size_t len)
{
	char *s = malloc(len + 1);

	assert_non_null(s);
	memset(s, c, len);
	s[len] = 0;
	return s;
}

static void a_long_header_is_cut_and_the_event_says_so(void **state)
{
	struct fixture *f = *state;
	char *long_text = text_of('u', 30000), *just = text_of('j', REDACT_TEXT_MAX);

	set_target(f, "/");
	add_header(f, "User-Agent", just);
	struct event *e = make_event(f);
	assert_span(e->request.user_agent, just);
	assert_int_equal(e->request.truncated, 0);
	event_unref(e);
	f->request.header_count = 0;
	add_header(f, "User-Agent", long_text);
	add_header(f, "Content-Type", "text/plain"); /* what follows the cut is as it was */
	add_header(f, "Referer", long_text);
	add_header(f, "Host", "api.test");
	e = make_event(f);
	assert_int_equal(e->request.truncated, 1);
	assert_int_equal(e->request.user_agent.len, REDACT_TEXT_MAX);
	assert_memory_equal(e->request.user_agent.ptr, long_text, REDACT_TEXT_MAX);
	assert_span(header_of(e, "content-type")->value, "text/plain");
	assert_int_equal(header_of(e, "referer")->value.len, REDACT_TEXT_MAX);
	assert_span(header_of(e, "host")->value, "api.test");
	assert_true(e->size < sizeof *e + 2 * REDACT_TEXT_MAX + 1024); /* and its memory is that much less */
	event_unref(e);
	f->request.header_count = 0;
	e = make_event(f); /* the next request's event does not say so */
	assert_int_equal(e->request.truncated, 0);
	event_unref(e);
	free(long_text);
	free(just);
}

static void a_long_host_and_method_are_cut_a_long_target_is_not(void **state)
{
	struct fixture *f = *state;
	char *host = text_of('h', 20000), *method = text_of('M', 20000), *target = text_of('t', 60000);

	target[0] = '/';
	set_target(f, target);
	struct event *e = make_event(f);
	assert_span(e->request.target, target);
	assert_span(e->request.path, target);
	assert_int_equal(e->request.truncated, 0);
	event_unref(e);
	add_header(f, "Host", host);
	e = make_event(f);
	assert_int_equal(e->request.host.len, REDACT_TEXT_MAX);
	assert_int_equal(e->request.truncated, 1);
	event_unref(e);
	f->request.header_count = 0;
	f->request.method = span_from(method);
	e = make_event(f);
	assert_int_equal(e->request.method.len, REDACT_TEXT_MAX);
	assert_span(e->request.path, target);
	assert_int_equal(e->request.truncated, 1);
	event_unref(e);
	free(host);
	free(method);
	free(target);
}

/* Were the cut made first, the "@" that makes "joe:pw" a password would be gone. */
static void a_cut_hides_no_secret_from_redaction(void **state)
{
	struct fixture *f = *state;
	char *referer = text_of('p', 20000), *cookies = text_of('v', 20000);

	memcpy(referer, "http://joe:", 11);
	memcpy(referer + 19980, "@shop.test/c?token=x", 20);
	assert_header(f, "Referer", referer, "http://shop.test/c?token=");
	memcpy(cookies, "a=", 2);
	memcpy(cookies + 19900, "; b=1", 5);
	assert_header(f, "Cookie", cookies, "a=; b=");
	free(referer);
	free(cookies);
}

static void what_lies_behind_the_cut_still_makes_the_consumer(void **state)
{
	struct fixture *f = *state;
	char *cookies = text_of('v', 20000);

	memcpy(cookies, "a=", 2);
	memcpy(cookies + 19990, "; sid=1234", 10);
	assert_consumer(f, "Cookie", cookies, "1234");
	free(cookies);
}

/* --- the key file --- */
static void the_key_is_made_once_and_read_ever_after(void **state)
{
	char dir[] = "/tmp/picket-redact-XXXXXX", path[64], odd[64];
	uint8_t a[32] = {0}, b[32] = {0}, zero[32] = {0};
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/redact.key", dir);
	assert_int_equal(redact_key_load(path, a), 0);
	assert_memory_not_equal(a, zero, sizeof a);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 32);
	assert_int_equal(st.st_nlink, 1); /* its temporary name is gone */
	assert_int_equal(redact_key_load(path, b), 0);
	assert_memory_equal(a, b, sizeof a);

	/* A key that others can read hides nothing. */
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(redact_key_load(path, b), -EPERM);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(truncate(path, 31), 0);
	assert_int_equal(redact_key_load(path, b), -EINVAL);
	assert_int_equal(truncate(path, 33), 0);
	assert_int_equal(redact_key_load(path, b), -EINVAL);
	assert_int_equal(redact_key_load(dir, b), -EINVAL);
	snprintf(odd, sizeof odd, "%s/none/redact.key", dir);
	assert_int_equal(redact_key_load(odd, b), -ENOENT);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0); /* must not wait for a writer */
	assert_int_equal(redact_key_load(path, b), -EINVAL);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(query_values_are_dropped_and_names_kept),
		TEST(a_token_without_a_name_does_not_pass_as_one),
		TEST(a_fragment_and_path_parameters_are_dropped),
		TEST(user_information_is_removed),
		TEST(keeping_queries_keeps_them_whole_but_never_the_user),
		TEST(only_listed_headers_pass_in_their_order),
		TEST(a_user_agent_that_is_not_listed_stays_here),
		TEST(cookies_keep_their_names_only),
		TEST(credentials_never_pass_even_where_they_are_listed),
		TEST(one_credential_is_one_consumer_wherever_it_stands),
		TEST(a_signature_made_anew_for_each_request_does_not_make_a_new_consumer),
		TEST(the_first_kind_of_credential_counts_whatever_the_order),
		TEST(the_hash_depends_on_the_key_and_hides_the_credential),
		TEST(what_needs_no_hiding_is_copied),
		TEST(host_is_the_name_without_its_port),
		TEST(an_event_keeps_nothing_of_the_request),
		TEST(random_requests_leak_no_secret),
		TEST(a_request_of_the_largest_head_fits),
		TEST(a_long_header_is_cut_and_the_event_says_so),
		TEST(a_long_host_and_method_are_cut_a_long_target_is_not),
		TEST(a_cut_hides_no_secret_from_redaction),
		TEST(what_lies_behind_the_cut_still_makes_the_consumer),
		cmocka_unit_test(the_key_is_made_once_and_read_ever_after),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
