// SPDX-License-Identifier: Apache-2.0
/*
 * tls_hello_fuzz.c: the hello of a TLS client and what follows it, the hello of a server; whole, and cut in
 * pieces. Checked: the cut changes nothing, what is kept lies in its bounds, and a fingerprint has its form.
 *
 * Input: {u8 step}, then the bytes; step: pieces of so many bytes, 0 is 1.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "lib/event.h"
#include "lib/target.h"
#include "lib/util.h"
#include "sensor/tls_fingerprint.h"
#include "sensor/tls_version.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	struct tls_hello hello;
	enum tls_hello_result result;
	size_t used;
	int follows;
	uint16_t version;
};

static void follow(struct tls_flight *f, struct seen *s, struct span bytes)
{
	if (bytes.len && s->follows == TLS_VERSION_MORE)
		s->follows = tls_flight_feed(f, bytes, &s->version);
}

static void run(struct span bytes, size_t step, struct seen *s)
{
	struct tls_flight flight = {0};

	memset(s, 0, sizeof *s);
	s->result = TLS_HELLO_MORE;
	s->follows = TLS_VERSION_MORE;
	for (size_t at = 0; at < bytes.len; at += step) {
		struct span piece = {bytes.ptr + at, MIN(step, bytes.len - at)};
		size_t used;
		if (s->result == TLS_HELLO_WHOLE)
			follow(&flight, s, piece);
		if (s->result != TLS_HELLO_MORE)
			continue;
		s->result = tls_hello_feed(&s->hello, piece, &used);
		assert(used <= piece.len && (s->result != TLS_HELLO_MORE || used == piece.len));
		s->used = at + used;
		if (s->result != TLS_HELLO_WHOLE)
			continue;
		flight = (struct tls_flight){.offered = tls_hello_offered(&s->hello),
					     .early_data = s->hello.early_data,
					     .record_left = s->hello.record_left};
		follow(&flight, s, (struct span){piece.ptr + used, piece.len - used});
	}
}

static void check_fingerprints(const struct tls_hello *h)
{
	static struct tls_prints *prints;
	char ja3[TLS_JA3_TEXT_MAX], ja4[TLS_JA4_TEXT_MAX];
	struct prefix target;

	if (!prints && tls_prints_new(&prints))
		abort();
	if (tls_ja3(prints, h, ja3))
		assert(strlen(ja3) == 32);
	assert(tls_ja4(prints, h, ja4) && strlen(ja4) == 36);
	/* It can be decided on. */
	assert(target_parse_ja4(span_from(ja4), &target) == 0);
}

static void check_whole(const struct tls_hello *h)
{
	struct span list = {(const char *)h->alpn, h->alpn_len}, name;

	assert(h->cipher_count <= TLS_CIPHERS_MAX && h->extension_count <= TLS_EXTENSIONS_MAX);
	assert(h->group_count <= TLS_GROUPS_MAX && h->signature_count <= TLS_SIGNATURES_MAX);
	assert(h->format_count <= TLS_FORMATS_MAX && h->alpn_len <= TLS_ALPN_BYTES);
	assert(h->deviations < 1u << TLS_DEV_BITS && h->records && h->size > 4);
	assert(!h->name_len || h->has_server_name);
	while (tls_alpn_next(&list, &name))
		assert(name.ptr + name.len <= (const char *)h->alpn + h->alpn_len);
	assert(!list.len);
	check_fingerprints(h);
}

static uint16_t server(struct span bytes, size_t step, int *ret)
{
	struct tls_answer a = {0};
	uint16_t version = 0;

	*ret = TLS_VERSION_MORE;
	for (size_t at = 0; at < bytes.len && *ret == TLS_VERSION_MORE; at += step)
		*ret = tls_answer_feed(&a, (struct span){bytes.ptr + at, MIN(step, bytes.len - at)},
				       &version);
	return version;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct seen whole, parts;
	int known, known_in_parts;

	if (size < 2)
		return 0;
	struct span bytes = {(const char *)data + 1, size - 1};
	size_t step = data[0] ? data[0] : 1;

	run(bytes, bytes.len, &whole);
	run(bytes, step, &parts);
	assert(whole.result == parts.result && whole.follows == parts.follows &&
	       whole.version == parts.version);
	if (whole.result != TLS_HELLO_MORE)
		assert(whole.used == parts.used);
	assert(memcmp(&whole.hello, &parts.hello, sizeof whole.hello) == 0);
	if (whole.result == TLS_HELLO_WHOLE)
		check_whole(&whole.hello);
	uint16_t version = server(bytes, bytes.len, &known);
	assert(version == server(bytes, step, &known_in_parts) && known == known_in_parts);
	return 0;
}
