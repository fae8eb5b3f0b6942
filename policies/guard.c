// SPDX-License-Identifier: Apache-2.0
#include "policies/guard.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include "lib/util.h"

#define MINUTE_NS (60 * NS_PER_S)

/* One automatic block that was allowed. */
struct spent {
	uint64_t when_ns; /* 0: free */
	struct prefix target;
};

struct guard {
	const struct config *config;
	struct proxies *proxies;
	struct guard_facts facts;
	enum config_mode mode;
	/* The last per_minute allowed targets, in a ring: exact, where a token bucket would let twice as many
	 * through. */
	struct spent *minute;
	size_t minute_size, minute_next;
};

int guard_new(const struct config *config, struct proxies *proxies, const struct guard_facts *facts,
	      struct guard **ret)
{
	_cleanup_free_ struct guard *g = calloc(1, sizeof *g);

	if (!g)
		return -ENOMEM;
	*g = (struct guard){
		.config = config,
		.proxies = proxies,
		.mode = config->mode,
		.minute_size = config->guard.per_minute,
	};
	if (facts)
		g->facts = *facts;
	if (g->minute_size) {
		g->minute = calloc(g->minute_size, sizeof *g->minute);
		if (!g->minute)
			return -ENOMEM;
	}
	*ret = g;
	g = NULL;
	return 0;
}

void guard_free(struct guard *g)
{
	if (!g)
		return;
	free(g->minute);
	free(g);
}

void guard_set_mode(struct guard *g, enum config_mode mode)
{
	g->mode = mode;
}

enum config_mode guard_mode(const struct guard *g)
{
	return g->mode;
}

/* true, so that a rule that speaks can be returned as it answers. */
__attribute__((format(printf, 4, 5))) static bool
answer(struct guard_answer *ret, enum decision_outcome outcome, const char *why, const char *format, ...)
{
	va_list args;

	ret->outcome = outcome;
	ret->why = why;
	va_start(args, format);
	vsnprintf(ret->detail, sizeof ret->detail, format, args);
	va_end(args);
	return true;
}

/* --- the hard limits: for everybody --- */
static const char *shortest_prefix_key(const struct prefix *target)
{
	return target->addr.family == ADDR_IPV4 ? "limits.shortest_prefix_v4" : "limits.shortest_prefix_v6";
}

static bool refuse_by_limits(const struct guard *g, const struct verdict *v,
			     const struct protected_set *protect, struct guard_answer *ret)
{
	const struct protected_net *net = NULL;
	enum limits_answer limit = limits_check_target(g->config, protect, &v->target, v->ttl_ms, &net);
	const char *why = limits_answer_name(limit);
	char target[PREFIX_TEXT_MAX], text[PREFIX_TEXT_MAX], asked[32], allowed[32];

	prefix_format(&v->target, target);
	switch (limit) {
	case LIMITS_OK:
		return false;
	case LIMITS_PROTECTED:
		return answer(ret, DECISION_REFUSED, why, "%s overlaps %s, which is never blocked: %s",
			      target, prefix_format(&net->net, text), net->why);
	case LIMITS_PREFIX_TOO_SHORT:
		return answer(ret, DECISION_REFUSED, why,
			      "%s/%u is wider than /%u, the widest that %s allows",
			      addr_format(&v->target.addr, text), v->target.bits,
			      v->target.addr.family == ADDR_IPV4 ? g->config->limits.prefix_min_v4
								 : g->config->limits.prefix_min_v6,
			      shortest_prefix_key(&v->target));
	case LIMITS_TTL_TOO_LONG:
		return answer(ret, DECISION_REFUSED, why, "a block of %s is longer than limits.ttl_max, %s",
			      config_duration_format(v->ttl_ms, asked),
			      config_duration_format(g->config->limits.ttl_max_ms, allowed));
	case LIMITS_TTL_INVALID:
		return answer(ret, DECISION_REFUSED, why, "a block needs a time to live; this one has none");
	case LIMITS_BAD_TARGET:
		return answer(
			ret, DECISION_REFUSED, why,
			"the target is not a well-formed address or prefix (a mapped IPv4 address must be "
			"written as IPv4, bits beyond the prefix must be zero)");
	case LIMITS_RATE:
	case LIMITS_FULL:
		break; /* the warden's own answers */
	}
	return answer(ret, DECISION_REFUSED, why, "refused by the limits: %s", why);
}

/* --- for automatic verdicts --- */

static bool refuse_behind_proxy(const struct verdict *v, struct guard_answer *ret)
{
	char target[PREFIX_TEXT_MAX], proxy[ADDR_TEXT_MAX] = "a trusted proxy";

	if (v->via.family != ADDR_NONE)
		addr_format(&v->via, proxy);
	return answer(ret, DECISION_REFUSED, "behind_proxy",
		      "%s comes through %s: the kernel sees only that proxy's packets, which are everybody's "
		      "behind it. An HTTP decision point could stop it; this version has none",
		      prefix_format(&v->target, target), proxy);
}

static bool refuse_by_evidence(const struct guard *g, const struct verdict *v, struct guard_answer *ret)
{
	char target[PREFIX_TEXT_MAX];

	/* Asked this way round, a NaN is refused too. */
	if (!(v->confidence >= g->config->guard.confidence_min && v->confidence <= 1))
		return answer(ret, DECISION_REFUSED, "confidence_low",
			      "confidence %.2f, guard.confidence_min is %.2f", v->confidence,
			      g->config->guard.confidence_min);
	if (v->via.family != ADDR_NONE)
		return refuse_behind_proxy(v, ret);
	bool handshake = g->facts.handshake && g->facts.handshake(g->facts.arg, &v->target);
	if (!handshake && g->facts.behind && g->facts.behind(g->facts.arg, &v->target))
		return refuse_behind_proxy(v, ret);
	if (!handshake)
		return answer(
			ret, DECISION_REFUSED, "no_handshake",
			"no address in %s completed a TCP handshake here in the last hour: it may be forged",
			prefix_format(&v->target, target));
	return false;
}

static bool stop_at_proxies(const struct guard *g, const struct verdict *v, bool approved,
			    struct guard_answer *ret)
{
	struct prefix who;
	char proxy[PREFIX_TEXT_MAX], target[PREFIX_TEXT_MAX];
	enum proxy_class class = proxies_worst(g->proxies, &v->target, &who);

	prefix_format(&who, proxy);
	prefix_format(&v->target, target);
	if (class == PROXY_CLASS_TRUSTED)
		return answer(ret, DECISION_REFUSED, "trusted_proxy",
			      "%s is a trusted proxy: blocking %s would hit everybody behind it", proxy,
			      target);
	if (class == PROXY_CLASS_UNCLASSIFIED && !approved)
		return answer(ret, DECISION_PENDING, "unclassified_proxy",
			      "%s sends requests with forwarding headers; say what it is: picket proxies "
			      "direct %s (a "
			      "client, may be blocked) or picket proxies trust %s (a proxy, never is)",
			      proxy, proxy, proxy);
	return false;
}

static bool minute_has_room(const struct guard *g, const struct prefix *target, uint64_t now_ns)
{
	if (!g->minute_size)
		return false;
	const struct spent *oldest = &g->minute[g->minute_next];
	if (!oldest->when_ns || now_ns - oldest->when_ns >= MINUTE_NS)
		return true;
	for (size_t i = 0; i < g->minute_size; i++) /* all of them lie within the minute now */
		if (prefix_equal(&g->minute[i].target, target))
			return true;
	return false;
}

static void minute_spend(struct guard *g, const struct prefix *target, uint64_t now_ns)
{
	if (!g->minute_size)
		return;
	for (size_t i = 0; i < g->minute_size; i++) {
		const struct spent *s = &g->minute[i];
		if (s->when_ns && now_ns - s->when_ns < MINUTE_NS && prefix_equal(&s->target, target))
			return;
	}
	g->minute[g->minute_next] = (struct spent){.when_ns = now_ns ? now_ns : 1, .target = *target};
	g->minute_next = (g->minute_next + 1) % g->minute_size;
}

static bool stop_at_mode(const struct guard *g, bool approved, struct guard_answer *ret)
{
	if (approved)
		return false;
	switch (g->mode) {
	case MODE_OBSERVE:
		return answer(
			ret, DECISION_WOULD_BLOCK, "observe",
			"mode observe: nothing is blocked automatically; picket mode enforce changes that");
	case MODE_APPROVE:
		return answer(ret, DECISION_PENDING, "approve", "mode approve: a person decides");
	case MODE_ENFORCE:
		return false;
	}
	return answer(ret, DECISION_REFUSED, "observe", "unknown mode %d", (int)g->mode);
}

static void decide_automatic(struct guard *g, const struct verdict *v, bool approved, uint64_t now_ns,
			     struct guard_answer *ret)
{
	if (refuse_by_evidence(g, v, ret) || stop_at_proxies(g, v, approved, ret))
		return;
	if (!minute_has_room(g, &v->target, now_ns)) {
		answer(ret, DECISION_REFUSED, "minute_limit",
		       "%u addresses were blocked automatically within 60 s, as many as "
		       "guard.automatic_per_minute "
		       "allows",
		       g->config->guard.per_minute);
		return;
	}
	if (stop_at_mode(g, approved, ret)) {
		if (ret->outcome == DECISION_WOULD_BLOCK)
			minute_spend(g, &v->target, now_ns);
		return;
	}
	minute_spend(g, &v->target, now_ns);
	answer(ret, DECISION_BLOCKED, "ok", "%s", "");
}

static void decide_unblock(const struct guard *g, const struct verdict *v, bool approved,
			   struct guard_answer *ret)
{
	/* The limits protect from blocking; of them only the shape of the target matters here. */
	if (limits_check_target(g->config, NULL, &v->target, 1, NULL) == LIMITS_BAD_TARGET)
		refuse_by_limits(g, v, NULL, ret);
	else if (v->source == VERDICT_OPERATOR || !stop_at_mode(g, approved, ret))
		answer(ret, DECISION_UNBLOCKED, "ok", "%s", "");
	else if (ret->outcome == DECISION_WOULD_BLOCK)
		answer(ret, DECISION_REFUSED, "observe", "mode observe: gateways change nothing");
}

void guard_decide(struct guard *g, const struct verdict *v, const struct protected_set *protect,
		  bool approved, uint64_t now_ns, struct guard_answer *ret)
{
	switch (v->action) {
	case VERDICT_ALLOW:
		answer(ret, DECISION_REFUSED, "action_allow", "the verdict asks for nothing to be done");
		return;
	case VERDICT_UNBLOCK:
		decide_unblock(g, v, approved, ret);
		return;
	case VERDICT_BLOCK:
	case VERDICT_RATE_LIMIT:
	case VERDICT_SHADOW:
		break;
	default:
		answer(ret, DECISION_REFUSED, "bad_action", "unknown action %d", (int)v->action);
		return;
	}
	if (refuse_by_limits(g, v, protect, ret))
		return;
	if (v->source == VERDICT_OPERATOR)
		answer(ret, DECISION_BLOCKED, "ok", "%s", "");
	else
		decide_automatic(g, v, approved, now_ns, ret);
}
