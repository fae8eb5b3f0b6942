// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as the answer of a gateway. Beyond "no crash": what is accepted keeps every promise of verdict.h,
 * so that the guard need not ask again.
 */
#include <stdint.h>
#include <stdlib.h>
#include "forwarder/situation.h"
#include "forwarder/verdict_parse.h"
#include "lib/target.h"

static void check_text(const char *text, size_t size)
{
	if (memchr(text, 0, size) == NULL)
		abort();
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			abort();
	}
}

static void check_verdict(void *arg, const struct verdict *v)
{
	const struct prefix who = target_who(&v->target);
	struct prefix cleared = prefix_of(&who.addr, who.bits);

	*(unsigned *)arg += 1;
	if (v->source != VERDICT_GATEWAY || v->scope != VERDICT_SCOPE_PORTS)
		abort();
	if (v->action != VERDICT_UNBLOCK && v->action != VERDICT_ALLOW && !verdict_denies(v->action))
		abort();
	if (verdict_denies(v->action) && v->ttl_ms < 1000)
		abort();
	if (!(v->confidence >= 0 && v->confidence <= 1))
		abort();
	if (!target_is_net(&v->target) && !target_is_key(&v->target))
		abort();
	if (who.bits > addr_bits(&who.addr) || !prefix_equal(&cleared, &who))
		abort();
	if (v->evidence_count > VERDICT_EVIDENCE_MAX || !v->id[0])
		abort();
	check_text(v->id, sizeof v->id);
	check_text(v->reason, sizeof v->reason);
	for (unsigned i = 0; i < v->evidence_count; i++)
		check_text(v->evidence[i], sizeof v->evidence[i]);
}

static bool all_used(const uint64_t refused[static VERDICT_E_MAX])
{
	for (unsigned e = 1; e < VERDICT_E_MAX; e++)
		if (refused[e])
			return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t refused[VERDICT_E_MAX] = {0};
	unsigned accepted = 0;
	int r = verdict_parse((struct span){(const char *)data, size}, "fuzz", 1, check_verdict, &accepted,
			      refused);

	if (r < 0 || r >= VERDICT_E_MAX)
		abort();
	/* A faulty document gives nothing and is counted once. */
	if (r > 0 && (accepted || refused[r] != 1))
		abort();
	if ((situation_of_body((struct span){(const char *)data, size}, r, refused) == SITUATION_TAKEN) !=
	    all_used(refused))
		abort();
	return 0;
}
