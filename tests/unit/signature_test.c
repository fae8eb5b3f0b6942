// SPDX-License-Identifier: Apache-2.0
/*
 * Signatures of answers: the examples of RFC 9421 and RFC 9530, then answers of our own with one thing wrong
 * each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "forwarder/content_digest.h"
#include "forwarder/signature.h"
#include "forwarder/signature_base.h"
#include "forwarder/verdict_parse.h"
#include "lib/util.h"
#include "signature_rig.h"

static struct signature_keys keys;

static void read_keys(const char *text)
{
	unsigned line;

	assert_int_equal(signature_keys_parse(span_from(text), &keys, &line), 0);
}

/* --- RFC 9421, appendix B: a request --- */

static const char *const request[][2] = {
	{"@method", "POST"},
	{"@path", "/foo"},
	{"@authority", "example.com"},
	{"date", "Tue, 20 Apr 2021 02:07:55 GMT"},
	{"content-type", "application/json"},
	{"content-length", "18"},
};

/* arg: the value that content-type has instead, or NULL */
static int request_component(void *arg, const struct field_item *component, struct buffer *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(request); i++) {
		if (!span_equal(component->value.bytes, span_from(request[i][0])))
			continue;
		bool other = arg && strcmp(request[i][0], "content-type") == 0;
		return buffer_append_text(out, other ? arg : request[i][1]);
	}
	return SIGNATURE_BASE_E_COMPONENT;
}

static bool example_verifies(const char *input, const char *signature, const char *content_type)
{
	struct field_dictionary inputs, signatures;
	struct buffer base = BUFFER_INIT(SIGNATURE_BASE_MAX);

	assert_int_equal(field_dictionary_parse(span_from(input), &inputs), 0);
	assert_int_equal(field_dictionary_parse(span_from(signature), &signatures), 0);
	assert_int_equal(signature_base_write(&inputs.members[0], request_component,
					      (void *)(uintptr_t)content_type, &base),
			 0);
	bool good = signature_key_verifies(&keys.keys[0], buffer_span(&base),
					   signatures.members[0].items[0].value.bytes);
	buffer_free(&base);
	return good;
}

#define B25_INPUT \
	"sig-b25=(\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\""
#define B25_SIGNATURE "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:"
#define B26_INPUT                                                                                      \
	"sig-b26=(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\");" \
	"created=1618884473;keyid=\"test-key-ed25519\""
#define B26_SIGNATURE \
	"sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"

static void rfc_9421_b_2_5_hmac(void **state)
{
	(void)state;
	read_keys("hmac: " RFC_SECRET "\n");
	assert_true(example_verifies(B25_INPUT, B25_SIGNATURE, NULL));
	assert_false(example_verifies(B25_INPUT, B25_SIGNATURE, "text/plain"));
	assert_false(
		example_verifies(B25_INPUT, "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE4=:", NULL));
	assert_false(example_verifies(B25_INPUT, "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIG:", NULL));
	assert_false(example_verifies("s=(\"date\" \"@authority\" \"content-type\");created=1618884474;"
				      "keyid=\"test-shared-secret\"",
				      B25_SIGNATURE, NULL));
	signature_keys_free(&keys);
}

static void rfc_9421_b_2_6_ed25519(void **state)
{
	(void)state;
	read_keys(RFC_ED25519_PUBLIC);
	assert_true(example_verifies(B26_INPUT, B26_SIGNATURE, NULL));
	assert_false(example_verifies(B26_INPUT, B26_SIGNATURE, "application/jsom"));
	assert_false(example_verifies(
		B26_INPUT,
		"s=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRDA=="
		":",
		NULL));
	assert_false(example_verifies(B26_INPUT, "s=::", NULL));
	assert_false(example_verifies("s=(\"@method\" \"date\" \"@path\" \"@authority\" \"content-type\" "
				      "\"content-length\");created=1618884473;keyid=\"test-key-ed25519\"",
				      B26_SIGNATURE, NULL));
	signature_keys_free(&keys);
}

/* RFC 9530, appendix B, and RFC 9421, B.2. */
static void rfc_9530_digests(void **state)
{
	const struct span line = SPAN("{\"hello\": \"world\"}\n"), bare = SPAN("{\"hello\": \"world\"}");
	const struct span sha256 = SPAN("sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:");
	const struct span sha512 =
		SPAN("sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNye"
		     "aldVLvRwEmTHWXvJwew==:");

	(void)state;
	assert_int_equal(content_digest_check(sha256, line), 0);
	assert_int_equal(content_digest_check(sha512, bare), 0);
	assert_int_equal(content_digest_check(sha256, bare), CONTENT_DIGEST_E_OTHER);
	assert_int_equal(content_digest_check(sha512, line), CONTENT_DIGEST_E_OTHER);
	/* Both must fit where both stand; what we do not know is passed over, but is not enough. */
	assert_int_equal(content_digest_check(SPAN("unixsum=:AQID:, sha-256=:RK/"
						   "0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"),
					      line),
			 0);
	assert_int_equal(content_digest_check(SPAN("sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:, "
						   "sha-512=:AQID:"),
					      line),
			 CONTENT_DIGEST_E_OTHER);
	assert_int_equal(content_digest_check(SPAN("unixsum=:AQID:"), line), CONTENT_DIGEST_E_UNKNOWN);
	assert_int_equal(content_digest_check(SPAN(""), line), CONTENT_DIGEST_E_UNKNOWN);
	assert_int_equal(content_digest_check(SPAN("sha-256=abc"), line), CONTENT_DIGEST_E_SYNTAX);
	assert_int_equal(content_digest_check(SPAN("sha-256=(:AQID:)"), line), CONTENT_DIGEST_E_SYNTAX);
	assert_int_equal(content_digest_check(SPAN("sha-256=:RK/"), line), CONTENT_DIGEST_E_SYNTAX);
}

/* --- answers of our own --- */

#define NOW   1796000000
#define BATCH "run-main-17"
#define NONCE "AAAAAAAAAAAAAAAAAAAAAA"

/* What a gateway signs. NULL: as it should be. */
struct signer {
	const char *secret; /* NULL: Ed25519 */
	const char *components, *parameters, *status, *batch, *nonce, *digest;
};

static const struct signer good_ed25519 = {
	.components = "\"@status\" \"content-digest\" \"idempotency-key\";req \"picket-nonce\";req",
	.parameters = ";created=1796000000;keyid=\"k\";alg=\"ed25519\";tag=\"picket-verdicts\"",
	.status = "200",
	.batch = BATCH,
	.nonce = NONCE,
};

static const char body[] = "{\"verdicts\":[]}";

static const char *value_of(const struct signer *s, const char *name, const char *digest)
{
	if (strncmp(name, "\"@status", 8) == 0)
		return s->status;
	if (strncmp(name, "\"content-d", 10) == 0)
		return digest;
	return strncmp(name, "\"idem", 5) == 0     ? s->batch
	       : strncmp(name, "\"picket", 7) == 0 ? s->nonce
						   : "x, y";
}

static void write_base(const struct signer *s, const char *digest, struct buffer *out)
{
	char names[512], *save = NULL;

	snprintf(names, sizeof names, "%s", s->components);
	for (char *name = strtok_r(names, " ", &save); name; name = strtok_r(NULL, " ", &save))
		buffer_printf(out, "%s: %s\n", name, value_of(s, name, digest));
	buffer_printf(out, "\"@signature-params\": (%s)%s", s->components, s->parameters);
	buffer_append_char(out, 0);
}

/* The fields of an answer that is signed so. */
static void sign(const struct signer *s, struct buffer *head)
{
	struct buffer base = BUFFER_INIT(8192), digest = BUFFER_INIT(512);

	if (s->digest) {
		buffer_append_text(&digest, s->digest);
	} else {
		buffer_append_text(&digest, "sha-256=:");
		rig_digest("sha256", SPAN(body), &digest);
		buffer_append_char(&digest, ':');
	}
	buffer_append_char(&digest, 0);
	write_base(s, digest.data, &base);
	buffer_printf(head, "HTTP/1.1 200 OK\r\nX-Two:  x \r\nx-two: y\r\nContent-Digest: %s\r\n",
		      digest.data);
	buffer_printf(head, "Signature-Input: a=(%s)%s\r\nSignature: a=:", s->components, s->parameters);
	rig_sign(s->secret, RFC_ED25519_PRIVATE, base.data, head);
	buffer_append_text(head, ":\r\n");
	buffer_free(&base);
	buffer_free(&digest);
}

static int verify_head(struct span head, struct span answer_body, int64_t now_s)
{
	const struct signature_bound bound[] = {{"idempotency-key", SPAN(BATCH)},
						{"picket-nonce", SPAN(NONCE)}};
	const struct signed_answer a = {
		.status = 200,
		.head = head,
		.body = answer_body,
		.bound = bound,
		.bound_count = ARRAY_SIZE(bound),
	};

	return signature_verify(&keys, &a, now_s, 300);
}

static int verify(const struct signer *s, const char *more)
{
	struct buffer head = BUFFER_INIT(8192);

	sign(s, &head);
	buffer_append_text(&head, more);
	int r = verify_head(buffer_span(&head), SPAN(body), NOW);
	buffer_free(&head);
	return r;
}

#define KEYS "keyid: k\n" RFC_ED25519_PUBLIC "keyid: shared\nhmac: " RFC_SECRET "\n"

static int setup(void **state)
{
	(void)state;
	read_keys(KEYS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	signature_keys_free(&keys);
	return 0;
}

static void answers_that_are_signed_as_asked(void **state)
{
	struct signer s = good_ed25519;

	(void)state;
	assert_int_equal(verify(&s, ""), 0);
	s.parameters =
		";alg=\"ed25519\";created=1795999701;expires=1796000000;keyid=\"k\";nonce=\"n\";tag=\"picket-"
		"verdicts\"";
	assert_int_equal(verify(&s, ""), 0);
	s.components =
		"\"picket-nonce\";req \"x-two\" \"idempotency-key\";req \"content-digest\" \"@status\"";
	s.parameters = ";created=1796000000;keyid=\"k\";alg=\"ed25519\";tag=\"picket-verdicts\"";
	assert_int_equal(verify(&s, ""), 0); /* x-two comes twice and is one value */
	s = good_ed25519;
	s.secret = RFC_SECRET;
	s.parameters = ";created=1796000000;keyid=\"shared\";alg=\"hmac-sha256\";tag=\"picket-verdicts\"";
	assert_int_equal(verify(&s, ""), 0);
}

/* Another signature beside it, a proxy's, says nothing; of two of ours one is enough. */
static void several_signatures(void **state)
{
	(void)state;
	assert_int_equal(verify(&good_ed25519, "Signature-Input: p=(\"date\");keyid=\"proxy\"\r\n"
					       "Signature: p=:AQID:\r\n"),
			 0);
	assert_int_equal(verify(&good_ed25519,
				"Signature-Input: b=(\"date\");keyid=\"new\";tag=\"picket-verdicts\"\r\n"
				"Signature: b=:AQID:\r\n"),
			 0);
	/* The same label twice is one too many. */
	assert_int_equal(verify(&good_ed25519, "Signature: a=:AQID:\r\n"), VERDICT_E_SIGNATURE);
}

static void with(struct signer *s, const char *components, const char *parameters, int expected)
{
	*s = good_ed25519;
	s->components = components ? components : s->components;
	s->parameters = parameters ? parameters : s->parameters;
	int r = verify(s, "");
	if (r != expected)
		fail_msg("(%s)%s: %s, expected %s", s->components, s->parameters,
			 r ? verdict_error_name((enum verdict_error)r) : "good",
			 verdict_error_name((enum verdict_error)expected));
}

static void what_covers_too_little_is_refused(void **state)
{
	struct signer s;

	(void)state;
	with(&s, "\"content-digest\" \"idempotency-key\";req \"picket-nonce\";req", NULL,
	     VERDICT_E_SIGNATURE);
	with(&s, "\"@status\" \"idempotency-key\";req \"picket-nonce\";req", NULL, VERDICT_E_SIGNATURE);
	with(&s, "\"@status\" \"content-digest\" \"picket-nonce\";req", NULL, VERDICT_E_SIGNATURE);
	with(&s, "\"@status\" \"content-digest\" \"idempotency-key\";req", NULL, VERDICT_E_SIGNATURE);
	with(&s, "\"@status\" \"content-digest\" \"idempotency-key\" \"picket-nonce\"", NULL,
	     VERDICT_E_SIGNATURE);
	with(&s, "\"@status\" \"content-digest\" \"idempotency-key\";req \"picket-nonce\";req;bs", NULL,
	     VERDICT_E_SIGNATURE);
	with(&s, "", NULL, VERDICT_E_SIGNATURE);
	/* What we cannot rebuild, or what stands there twice. */
	with(&s, "\"@status\" \"content-digest\" \"idempotency-key\";req \"picket-nonce\";req \"absent\"",
	     NULL, VERDICT_E_SIGNATURE);
	with(&s,
	     "\"@status\" \"content-digest\" \"idempotency-key\";req \"picket-nonce\";req \"@method\";req",
	     NULL, VERDICT_E_SIGNATURE);
	with(&s, "\"@status\" \"@status\" \"content-digest\" \"idempotency-key\";req \"picket-nonce\";req",
	     NULL, VERDICT_E_SIGNATURE);
}

static void parameters_that_are_missing_or_wrong(void **state)
{
	struct signer s;

	(void)state;
	with(&s, NULL, ";keyid=\"k\";alg=\"ed25519\";tag=\"picket-verdicts\"", VERDICT_E_SIGNATURE);
	with(&s, NULL, ";created=\"1796000000\";keyid=\"k\";alg=\"ed25519\";tag=\"picket-verdicts\"",
	     VERDICT_E_SIGNATURE);
	with(&s, NULL, ";created=1796000000;alg=\"ed25519\";tag=\"picket-verdicts\"", VERDICT_E_SIGNATURE);
	with(&s, NULL, ";created=1796000000;keyid=\"other\";alg=\"ed25519\";tag=\"picket-verdicts\"",
	     VERDICT_E_SIGNATURE);
	with(&s, NULL, ";created=1796000000;keyid=\"k\";tag=\"picket-verdicts\"", VERDICT_E_SIGNATURE);
	/* The algorithm is the key's, not the answer's to choose. */
	with(&s, NULL, ";created=1796000000;keyid=\"k\";alg=\"hmac-sha256\";tag=\"picket-verdicts\"",
	     VERDICT_E_SIGNATURE);
	with(&s, NULL, ";created=1796000000;keyid=\"shared\";alg=\"ed25519\";tag=\"picket-verdicts\"",
	     VERDICT_E_SIGNATURE);
	with(&s, NULL, ";created=1796000000;keyid=\"k\";alg=\"ed25519\";tag=\"another\"", VERDICT_E_UNSIGNED);
	with(&s, NULL, ";created=1796000000;keyid=\"k\";alg=\"ed25519\"", VERDICT_E_UNSIGNED);
	with(&s, NULL, ";created=1796000000;keyid=\"k\";alg=\"ed25519\";tag=\"picket-verdicts\";expires=?1",
	     VERDICT_E_SIGNATURE);
}

static void too_old_too_new_expired(void **state)
{
	struct signer s;

	(void)state;
	with(&s, NULL, ";created=1795999699;keyid=\"k\";alg=\"ed25519\";tag=\"picket-verdicts\"",
	     VERDICT_E_STALE);
	with(&s, NULL, ";created=1796000301;keyid=\"k\";alg=\"ed25519\";tag=\"picket-verdicts\"",
	     VERDICT_E_STALE);
	with(&s, NULL, ";created=-999999999999999;keyid=\"k\";alg=\"ed25519\";tag=\"picket-verdicts\"",
	     VERDICT_E_STALE);
	with(&s, NULL,
	     ";created=1796000000;expires=1795999999;keyid=\"k\";alg=\"ed25519\";tag=\"picket-verdicts\"",
	     VERDICT_E_STALE);
}

static void answers_to_something_else(void **state)
{
	struct signer s = good_ed25519;

	(void)state;
	s.nonce = "BBBBBBBBBBBBBBBBBBBBBB";
	/* It does not say to what: then it is only wrong. */
	assert_int_equal(verify(&s, ""), VERDICT_E_SIGNATURE);
	assert_int_equal(verify(&s, "Picket-Nonce: BBBBBBBBBBBBBBBBBBBBBB\r\n"), VERDICT_E_OTHER_BATCH);
	s.batch = "run-main-16";
	assert_int_equal(
		verify(&s, "Picket-Nonce: BBBBBBBBBBBBBBBBBBBBBB\r\nIdempotency-Key: run-main-16\r\n"),
		VERDICT_E_OTHER_BATCH);
	/* Saying the right thing does not make it right. */
	assert_int_equal(verify(&s, "Picket-Nonce: " NONCE "\r\nIdempotency-Key: " BATCH "\r\n"),
			 VERDICT_E_SIGNATURE);
	s = good_ed25519;
	s.status = "202";
	assert_int_equal(verify(&s, ""), VERDICT_E_SIGNATURE);
}

static void bodies_that_are_not_what_was_signed(void **state)
{
	struct buffer head = BUFFER_INIT(8192);
	struct signer s = good_ed25519;

	(void)state;
	sign(&s, &head);
	assert_int_equal(verify_head(buffer_span(&head), SPAN("{\"verdicts\":[] }"), NOW), VERDICT_E_DIGEST);
	assert_int_equal(verify_head(buffer_span(&head), SPAN(""), NOW), VERDICT_E_DIGEST);
	buffer_free(&head);
	s.digest = "md5=:AQID:";
	assert_int_equal(verify(&s, ""), VERDICT_E_DIGEST);
	s.digest = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
	assert_int_equal(verify(&s, ""), VERDICT_E_DIGEST);
	/* A second digest joins the first, which is then not what was signed. */
	assert_int_equal(verify(&good_ed25519, "Content-Digest: sha-512=:AQID:\r\n"), VERDICT_E_SIGNATURE);
}

static void no_signature_at_all(void **state)
{
	(void)state;
	assert_int_equal(verify_head(SPAN("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n"), SPAN(body), NOW),
			 VERDICT_E_UNSIGNED);
	assert_int_equal(verify_head(SPAN_NULL, SPAN(body), NOW), VERDICT_E_UNSIGNED);
	assert_int_equal(verify_head(SPAN("Signature-Input: a=()\r\n"), SPAN(body), NOW), VERDICT_E_UNSIGNED);
	assert_int_equal(
		verify_head(SPAN("Signature-Input: a=(;\r\nSignature: a=:AQID:\r\n"), SPAN(body), NOW),
		VERDICT_E_SIGNATURE);
	assert_int_equal(
		verify_head(SPAN("Signature-Input: a=();tag=\"picket-verdicts\"\r\nSignature: a=1\r\n"),
			    SPAN(body), NOW),
		VERDICT_E_SIGNATURE);
}

/* Every byte of the fields that are signed, changed: none of them still verifies. */
static void every_byte_counts(void **state)
{
	struct buffer head = BUFFER_INIT(8192);
	unsigned changed = 0;

	(void)state;
	sign(&good_ed25519, &head);
	char *from = memmem(head.data, head.len, "Content-Digest", 14);
	for (char *p = from; p < head.data + head.len; p++) {
		char was = *p;
		/* Case and blanks around it are the field's, not its value's. */
		*p = (char)(was ^ 1);
		if (verify_head(buffer_span(&head), SPAN(body), NOW) == 0)
			fail_msg("byte %zu, '%c' as '%c', still verifies", (size_t)(p - from), was, *p);
		*p = was;
		changed++;
	}
	assert_true(changed > 300);
	assert_int_equal(verify_head(buffer_span(&head), SPAN(body), NOW), 0);
	buffer_free(&head);
}

/* The example of docs/gateway-batch.md, as it stands there. */
static void the_documented_answer_verifies(void **state)
{
	const struct signature_bound bound[] = {{"idempotency-key", SPAN("0f3c9a5be8d14c77-main-17")},
						{"picket-nonce", SPAN("q83vEjRWeJCrze8SNFZ4kA")}};
	struct signed_answer a = {.status = 200, .bound = bound, .bound_count = ARRAY_SIZE(bound)};
	char text[64 * 1024] = "";
	FILE *f = fopen(GATEWAY_BATCH_MD, "r");

	(void)state;
	assert_non_null(f);
	assert_true(fread(text, 1, sizeof text - 1, f) > 0);
	fclose(f);
	char *head = strstr(text, "```\nHTTP/1.1 200 OK\n"), *blank = head ? strstr(head, "\n\n") : NULL;

	assert_non_null(blank);
	a.head = (struct span){head + 4, (size_t)(blank + 1 - head - 4)};
	a.body = (struct span){blank + 2, strcspn(blank + 2, "\n")};
	assert_int_equal(signature_verify(&keys, &a, NOW, 300), 0);
	a.body.len++;
	assert_int_equal(signature_verify(&keys, &a, NOW, 300), VERDICT_E_DIGEST);
}

static int setup_documented(void **state)
{
	(void)state;
	read_keys("keyid: 2026\n" RFC_ED25519_PUBLIC);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_9421_b_2_5_hmac),
		cmocka_unit_test(rfc_9421_b_2_6_ed25519),
		cmocka_unit_test(rfc_9530_digests),
		cmocka_unit_test_setup_teardown(answers_that_are_signed_as_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(several_signatures, setup, teardown),
		cmocka_unit_test_setup_teardown(what_covers_too_little_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(parameters_that_are_missing_or_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(too_old_too_new_expired, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_to_something_else, setup, teardown),
		cmocka_unit_test_setup_teardown(bodies_that_are_not_what_was_signed, setup, teardown),
		cmocka_unit_test_setup_teardown(no_signature_at_all, setup, teardown),
		cmocka_unit_test_setup_teardown(every_byte_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(the_documented_answer_verifies, setup_documented, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
