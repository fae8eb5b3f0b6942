// SPDX-License-Identifier: Apache-2.0
#include "sensor/installer.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "lib/util.h"
#include "sensor/reconcile.h"

static uint64_t now_ns(const struct installer *i)
{
	return clock_boot_ns(i->clock);
}

static int ask(struct installer *i, const struct warden_request *q)
{
	return warden_call(i->warden, q, &i->reply);
}

static const char *installed_detail(const struct wanted *w)
{
	if (verdict_is_of_list(w->source))
		return "a block list asks for more: picket why names it";
	if (w->action == VERDICT_SHADOW)
		return "nothing is dropped, only counted";
	if (w->action == VERDICT_RESET)
		return "and told so, as often as enforcement.rate_limit allows";
	return w->action == VERDICT_RATE_LIMIT ? "what is over enforcement.rate_limit is dropped" : "";
}

void installer_put(struct installer *i, const struct block *b, struct decision *d)
{
	struct wanted w = {.action = VERDICT_BLOCK};

	lists_wanted_with(i->lists, b, &b->verdict.target, now_ns(i), &w);
	struct warden_request q = {
		.op = WARDEN_BLOCK,
		.target = b->verdict.target,
		.scope = (uint8_t)w.scope,
		.action = (uint8_t)reconcile_action(w.action),
		.source = (uint8_t)w.source,
		.ttl_ms = (w.end_ns - MIN(now_ns(i), w.end_ns) + NS_PER_MS - 1) / NS_PER_MS,
	};
	char text[VERDICT_TEXT_MAX], net[PREFIX_TEXT_MAX];

	int r = ask(i, &q);
	if (r || i->reply.result < 0) {
		snprintf(text, sizeof text, "the warden could not install it: %s",
			 strerror(r ? -r : -i->reply.result));
		decision_set(d, DECISION_REFUSED, "install_failed", text);
		return;
	}
	d->installed_ns = i->reply.installed_ns;
	switch (i->reply.result) {
	case 0:
		decision_set(d, DECISION_BLOCKED, "ok", installed_detail(&w));
		return;
	case WARDEN_E_KILL_SWITCH:
		decision_set(d, DECISION_REFUSED, "kill_switch",
			     "the kill switch is on; `picket resume` ends it");
		return;
	case LIMITS_PROTECTED:
		snprintf(text, sizeof text, "overlaps %s (%s), which is never blocked",
			 prefix_format(&i->reply.which_net, net), i->reply.which);
		decision_set(d, DECISION_REFUSED, limits_answer_name(LIMITS_PROTECTED), text);
		return;
	case LIMITS_FULL:
		snprintf(text, sizeof text, "the deny map holds limits.blocks_max = %u entries",
			 i->config->limits.blocks_max);
		decision_set(d, DECISION_REFUSED, limits_answer_name(LIMITS_FULL), text);
		return;
	case LIMITS_RATE:
		snprintf(text, sizeof text, "more than limits.inserts_per_second = %u",
			 i->config->limits.insert_rate);
		decision_set(d, DECISION_REFUSED, limits_answer_name(LIMITS_RATE), text);
		return;
	default:
		decision_set(d, DECISION_REFUSED, limits_answer_name((enum limits_answer)i->reply.result),
			     "a hard limit of the configuration file");
	}
}

int installer_close(struct installer *i, const struct prefix *target, uint32_t *ret_closed)
{
	const struct warden_request q = {.op = WARDEN_CLOSE, .target = *target};
	int r = ask(i, &q);

	*ret_closed = r ? 0 : i->reply.count;
	return r ? r : i->reply.result;
}

/* What block lists ask for of the target is left: by a batch, which no insert rate holds back. */
static int lists_leave(struct installer *i, const struct prefix *target, const struct wanted *w)
{
	const struct warden_batch_head head = {.count = 1};
	const struct warden_wish wish = reconcile_wish(target, w);

	int r = warden_batch(i->warden, &head, &wish, &i->reply);
	if (!r && i->reply.result == 0 && i->reply.answers[0])
		return -EPERM;
	return r;
}

int installer_take_out(struct installer *i, const struct prefix *target, uint64_t *ret_done_ns)
{
	struct warden_request q = {.op = WARDEN_UNBLOCK, .target = *target};
	struct wanted w;

	int r = lists_wanted(i->lists, target, now_ns(i), &w) ? lists_leave(i, target, &w) : ask(i, &q);
	if (r)
		return r;
	*ret_done_ns = i->reply.installed_ns;
	return i->reply.result < 0 ? i->reply.result : 0;
}

void installer_left(struct installer *i, const struct block *left, struct decision *d)
{
	struct decision installed = {0};
	struct block_told told;

	installer_put(i, left, &installed);
	blocks_tell(left, &told);
	if (installed.outcome == DECISION_BLOCKED)
		snprintf(d->detail, sizeof d->detail, "still blocked by %s: %s",
			 verdict_source_name(told.verdict.source), told.verdict.origin);
	else /* the next reconciliation tries again */
		snprintf(d->detail, sizeof d->detail, "what %s asked for is not in the kernel: %s",
			 verdict_source_name(told.verdict.source), installed.why);
}
