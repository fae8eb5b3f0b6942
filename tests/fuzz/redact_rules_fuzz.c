// SPDX-License-Identifier: Apache-2.0
/* Files that people write: the rules of redaction and its keys. A wrong one is refused with a reason. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include "lib/config.h"
#include "policies/redact_key.h"
#include "policies/redact_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = {(const char *)data, size};
	struct buffer errors = BUFFER_INIT(65536);
	struct redact_rules *rules = NULL;
	struct redact_keys keys;
	int r = redact_rules_parse(text, "fuzz", &rules, &errors);

	assert(r == 0 || (r == CONFIG_E_INVALID && errors.len));
	if (rules) {
		redact_name_find(&rules->headers, text);
		redact_rules_session(rules, text);
		char *work = malloc(size + 1);
		assert(work);
		struct span reading = text;
		token_find_decoded(&rules->tokens, &reading, work);
		free(work);
	}
	redact_rules_free(rules);
	buffer_reset(&errors);
	r = redact_keys_parse(text, "fuzz", &keys, &errors);
	assert(r == 0 ? keys.count >= 1 && keys.count <= REDACT_KEYS_MAX
		      : r == REDACT_KEY_E_FILE && errors.len);
	buffer_free(&errors);
	return 0;
}
