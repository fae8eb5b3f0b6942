// SPDX-License-Identifier: Apache-2.0
#include "forwarder/signature.h"
#include "forwarder/content_digest.h"
#include "forwarder/http_field.h"
#include "forwarder/signature_base.h"
#include "forwarder/verdict_parse.h"
#include "lib/util.h"

/* --- components --- */

struct components {
	const struct signed_answer *answer;
	bool as_told; /* what is bound is taken from the answer's own fields */
};

/* All fields of that name as one (RFC 9421 section 2.1). Whether there is one. */
static bool join_fields(struct span head, const char *name, struct buffer *out)
{
	struct span value;
	unsigned n;

	for (n = 0; http_field(head, name, n, &value); n++) {
		if (n)
			buffer_append_text(out, ", ");
		buffer_append(out, value.ptr, value.len);
	}
	return n > 0;
}

static int write_bound(const struct components *c, struct span name, struct buffer *out)
{
	for (unsigned i = 0; i < c->answer->bound_count; i++) {
		const struct signature_bound *b = &c->answer->bound[i];
		struct span value = b->value;

		if (!span_equal(span_from(b->name), name))
			continue;
		if (c->as_told)
			http_field(c->answer->head, b->name, 0, &value);
		buffer_append(out, value.ptr, value.len);
		return 0;
	}
	return SIGNATURE_BASE_E_COMPONENT;
}

static bool is_req(struct field_parameters p)
{
	const struct field_value *req = field_parameter(p, "req");

	return p.count == 1 && req && req->type == FIELD_BOOLEAN && req->integer;
}

static int write_component(void *arg, const struct field_item *component, struct buffer *out)
{
	const struct components *c = arg;
	struct span name = component->value.bytes;
	char text[64];

	if (is_req(component->parameters))
		return write_bound(c, name, out);
	if (component->parameters.count || name.len >= sizeof text)
		return SIGNATURE_BASE_E_COMPONENT;
	memcpy(text, name.ptr, name.len);
	text[name.len] = 0;
	if (strcmp(text, "@status") == 0) {
		buffer_printf(out, "%u", c->answer->status);
		return 0;
	}
	return join_fields(c->answer->head, text, out) ? 0 : SIGNATURE_BASE_E_COMPONENT;
}

/* --- one signature --- */

static bool covers(const struct field_member *input, const char *name, bool req)
{
	for (unsigned i = 0; i < input->item_count; i++) {
		const struct field_item *item = &input->items[i];

		if (span_equal(item->value.bytes, span_from(name)) &&
		    (req ? is_req(item->parameters) : item->parameters.count == 0))
			return true;
	}
	return false;
}

static bool covers_enough(const struct field_member *input, const struct signed_answer *a)
{
	for (unsigned i = 0; i < a->bound_count; i++)
		if (!covers(input, a->bound[i].name, true))
			return false;
	return covers(input, "@status", false) && covers(input, "content-digest", false);
}

static bool is_string(const struct field_value *v, const char *text)
{
	return v && v->type == FIELD_STRING && span_equal(v->bytes, span_from(text));
}

/* The key that it names, if it names it and its algorithm rightly. */
static const struct signature_key *key_of(const struct signature_keys *keys, struct field_parameters p)
{
	const struct field_value *id = field_parameter(p, "keyid"), *alg = field_parameter(p, "alg");
	const struct signature_key *key =
		id && id->type == FIELD_STRING ? signature_key_find(keys, id->bytes) : NULL;

	return key && is_string(alg, signature_algorithm_name(key->algorithm)) ? key : NULL;
}

static int check_times(struct field_parameters p, int64_t now_s, int64_t window_s)
{
	const struct field_value *created = field_parameter(p, "created"),
				 *expires = field_parameter(p, "expires");

	if (!created || created->type != FIELD_INTEGER || (expires && expires->type != FIELD_INTEGER))
		return VERDICT_E_SIGNATURE;
	/* Of 15 digits at most: no difference overflows. */
	if (created->integer < now_s - window_s || created->integer > now_s + window_s)
		return VERDICT_E_STALE;
	return expires && expires->integer < now_s ? VERDICT_E_STALE : 0;
}

static bool verifies(const struct signature_key *key, const struct field_member *input,
		     const struct components *c, struct span signature)
{
	_cleanup_(buffer_free) struct buffer base = BUFFER_INIT(SIGNATURE_BASE_MAX);

	return signature_base_write(input, write_component, (void *)(uintptr_t)c, &base) == 0 &&
	       signature_key_verifies(key, buffer_span(&base), signature);
}

static int check_one(const struct signature_keys *keys, const struct signed_answer *a,
		     const struct field_member *input, const struct field_member *signature, int64_t now_s,
		     int64_t window_s)
{
	struct components c = {.answer = a};
	const struct signature_key *key = key_of(keys, input->parameters);

	if (!key || !input->is_list || !covers_enough(input, a) || !signature || signature->is_list ||
	    signature->items[0].value.type != FIELD_BYTES)
		return VERDICT_E_SIGNATURE;
	if (!verifies(key, input, &c, signature->items[0].value.bytes)) {
		c.as_told = true;
		return verifies(key, input, &c, signature->items[0].value.bytes) ? VERDICT_E_OTHER_BATCH
										 : VERDICT_E_SIGNATURE;
	}
	return check_times(input->parameters, now_s, window_s);
}

/* --- all of them --- */

/* The field of that name as a dictionary; text holds what it points to. */
static int read_dictionary(struct span head, const char *name, struct buffer *text,
			   struct field_dictionary *ret)
{
	if (!join_fields(head, name, text))
		return VERDICT_E_UNSIGNED;
	return text->truncated || field_dictionary_parse(buffer_span(text), ret) ? VERDICT_E_SIGNATURE : 0;
}

static int check_digest(const struct signed_answer *a)
{
	_cleanup_(buffer_free) struct buffer text = BUFFER_INIT(FIELD_BYTES_MAX);

	if (!join_fields(a->head, "content-digest", &text) || text.truncated)
		return VERDICT_E_DIGEST;
	return content_digest_check(buffer_span(&text), a->body) ? VERDICT_E_DIGEST : 0;
}

int signature_verify(const struct signature_keys *keys, const struct signed_answer *a, int64_t now_s,
		     int64_t window_s)
{
	_cleanup_(buffer_free) struct buffer input_text = BUFFER_INIT(FIELD_BYTES_MAX);
	_cleanup_(buffer_free) struct buffer signature_text = BUFFER_INIT(FIELD_BYTES_MAX);
	struct field_dictionary inputs, signatures;
	int fault = VERDICT_E_UNSIGNED, r;

	r = read_dictionary(a->head, "signature-input", &input_text, &inputs);
	if (!r)
		r = read_dictionary(a->head, "signature", &signature_text, &signatures);
	if (r)
		return r;
	for (unsigned i = 0; i < inputs.member_count; i++) {
		const struct field_member *input = &inputs.members[i];

		if (!is_string(field_parameter(input->parameters, "tag"), SIGNATURE_TAG))
			continue;
		r = check_one(keys, a, input, field_member(&signatures, input->key), now_s, window_s);
		if (!r)
			return check_digest(a);
		fault = r;
	}
	return fault;
}
