// SPDX-License-Identifier: Apache-2.0
#include "policies/redact_consumer.h"
#include "lib/util.h"
#include "policies/redact_text.h"

/* Text up to the first of stops, and what is behind it. */
__attribute__((always_inline)) static inline size_t upto(struct span s, const char *stops)
{
	size_t i = 0;

	for (; i < s.len; i++)
		for (const char *stop = stops; *stop; stop++)
			if (s.ptr[i] == *stop)
				return i;
	return i;
}

static struct span from_at(struct span s, size_t from)
{
	return s.ptr ? (struct span){s.ptr + from, s.len - from} : s;
}

/* The value of "key=value" or key="value" in a list such as Digest's. SPAN_NULL if it is not there. */
static struct span parameter_find(struct span list, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i + len < list.len; i++) {
		if (i && list.ptr[i - 1] != ' ' && list.ptr[i - 1] != ',' && list.ptr[i - 1] != '\t')
			continue;
		if (strncasecmp(list.ptr + i, key, len) != 0 || list.ptr[i + len] != '=')
			continue;
		struct span value = from_at(list, i + len + 1);
		bool quoted = value.len && value.ptr[0] == '"';
		value = from_at(value, quoted);
		value.len = quoted ? upto(value, "\"") : upto(value, ", \t");
		return value;
	}
	return SPAN_NULL;
}

struct span redact_consumer_of_scheme(struct span value)
{
	/* These sign each request anew: only the name in them stays the same. */
	static const struct {
		const char *scheme, *name;
		bool slash; /* "KEY/20261124/region/service/aws4_request" */
	} signing[] = {
		{"digest", "username", false},
		{"hawk", "id", false},
		{"aws4-hmac-sha256", "credential", true},
		{"oauth", "oauth_token", false},
	};
	static const char *const alone[] = {"bearer", "basic",  "token", "negotiate",
					    "ntlm",   "apikey", "digest"};
	struct span scheme = {value.ptr, upto(value, " \t")};
	struct span rest = span_trim(from_at(value, scheme.len));

	for (size_t i = 0; i < ARRAY_SIZE(alone) && !rest.len; i++)
		if (span_equal_nocase(value, span_from(alone[i])))
			return SPAN_NULL;
	if (!rest.len)
		return value;
	for (size_t i = 0; i < ARRAY_SIZE(signing); i++) {
		if (!span_equal_nocase(scheme, span_from(signing[i].scheme)))
			continue;
		struct span name = parameter_find(rest, signing[i].name);
		if (signing[i].slash)
			name.len = upto(name, "/");
		return name.len ? name : rest;
	}
	return rest;
}

static struct span session_cookie(const struct redact_rules *rules, struct span list)
{
	struct span name, value;

	while (redact_cookie_next(&list, &name, &value))
		if (value.len && redact_rules_session(rules, name))
			return value;
	return SPAN_NULL;
}

void redact_consumer_header(const struct redact_rules *rules, const struct redact_name *known,
			    struct span value, struct redact_consumer *c)
{
	unsigned rank = known->rank;
	struct span found = span_trim(value);

	if (known->treatment == HEADER_COOKIE)
		rank = REDACT_RANK_COOKIE;
	if (rank >= c->rank)
		return;
	if (known->treatment == HEADER_COOKIE)
		found = session_cookie(rules, value);
	else if (known->treatment == HEADER_SCHEME)
		found = redact_consumer_of_scheme(found);
	if (!found.len)
		return;
	c->rank = rank;
	c->credential = found;
}
