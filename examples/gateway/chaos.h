/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chaos.h: a gateway that misbehaves on purpose, in ways that are always the same, to see what its clients
 * make of it. tests/e2e/chaos-gateway.sh has picket meet all of them; docs/gateways.md says what it did.
 */
#ifndef EXAMPLES_GATEWAY_CHAOS_H
#define EXAMPLES_GATEWAY_CHAOS_H

#include "sign.h"

/*
 * modes: names divided by commas, or "all": each request gets the next one. Answers that carry a verdict ask
 * for a block of the first client that the batch names. signer: NULL, no answer is signed. Serves until it is
 * killed; returns the exit status: 2 for a mode that is none (told on stderr, with all of them), 1.
 */
int chaos_run(const char *listen, const char *modes, const struct signer *signer);

#endif
