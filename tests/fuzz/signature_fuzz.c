// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as the head of an answer whose signature is verified, and as a file of keys. Nobody here has a
 * key to sign with: whatever the head says, it must not verify. (The seeds are signed for another batch.)
 */
#include <assert.h>
#include <stdint.h>
#include "forwarder/signature.h"
#include "forwarder/verdict_parse.h"
#include "lib/util.h"

static const char key_text[] =
	"keyid: k\n"
	"-----BEGIN PUBLIC KEY-----\n"
	"MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n"
	"-----END PUBLIC KEY-----\n"
	"hmac: uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==\n";

static void verify(const struct signature_keys *keys, struct span head)
{
	const struct signature_bound bound[] = {{"idempotency-key", SPAN("run-main-1")},
						{"picket-nonce", SPAN("CCCCCCCCCCCCCCCCCCCCCC")}};
	const struct signed_answer a = {
		.status = 200,
		.head = head,
		.body = SPAN("{\"verdicts\":[]}"),
		.bound = bound,
		.bound_count = ARRAY_SIZE(bound),
	};
	int r = signature_verify(keys, &a, 1796000000, 300);

	assert(r == VERDICT_E_UNSIGNED || r == VERDICT_E_SIGNATURE || r == VERDICT_E_OTHER_BATCH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct signature_keys keys;
	struct signature_keys read;
	unsigned line;

	if (!keys.count)
		assert(signature_keys_parse(SPAN(key_text), &keys, &line) == 0);
	verify(&keys, (struct span){(const char *)data, size});
	if (signature_keys_parse((struct span){(const char *)data, size}, &read, &line) == 0)
		assert(read.count && read.count <= SIGNATURE_KEYS_MAX);
	signature_keys_free(&read);
	return 0;
}
