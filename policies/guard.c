// SPDX-License-Identifier: Apache-2.0
#include "policies/guard.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include "lib/target.h"
#include "lib/util.h"
#include "policies/offenders.h"
#include "policies/quota.h"

#define OFFENDERS_MAX 65536

/* Who proposes: the built-in analysis, a gateway, or (name NULL) a gateway that is not configured any more.
 */
struct source {
	const char *name;
	enum config_mode mode; /* how far its verdicts go at most */
	bool corroborate;      /* its verdicts need a detection of our own */
	struct quota quota;
};

struct guard {
	const struct config *config;
	struct proxies *proxies;
	struct guard_facts facts;
	enum config_mode mode;
	struct source *sources;
	size_t source_count;
	struct offenders *offenders;
};

/* The built-in analysis first, then the gateways, at last what is neither. */
static int sources_new(struct guard *g)
{
	const struct config *c = g->config;
	const struct quota_limits limits = {
		.minute = c->guard.per_minute,
		.hour = c->guard.per_hour,
		.total = c->guard.total,
		.cool_down_ns = c->guard.cool_down_ms * NS_PER_MS,
	};

	g->sources = calloc(c->gateway_count + 2, sizeof *g->sources);
	if (!g->sources)
		return -ENOMEM;
	g->source_count = c->gateway_count + 2;
	g->sources[0] = (struct source){.name = "local", .mode = MODE_ENFORCE};
	for (unsigned i = 0; i < c->gateway_count; i++) {
		const struct config_gateway *gateway = &c->gateways[i];
		g->sources[i + 1] = (struct source){
			.name = gateway->name,
			.mode = gateway->mode,
			.corroborate = gateway->corroborate,
		};
		if (gateway->protocol == GATEWAY_LOCAL)
			g->sources[0].mode = gateway->mode;
	}
	g->sources[g->source_count - 1] = (struct source){.mode = MODE_ENFORCE, .corroborate = true};
	for (size_t i = 0; i < g->source_count; i++) {
		int r = quota_init(&g->sources[i].quota, &limits);
		if (r)
			return r;
	}
	return 0;
}

static struct source *source_of(const struct guard *g, const struct verdict *v)
{
	struct source *last = &g->sources[g->source_count - 1];

	if (v->source == VERDICT_LOCAL)
		return &g->sources[0];
	for (struct source *s = g->sources + 1; s < last; s++)
		if (!strcmp(s->name, v->origin))
			return s;
	return last;
}

int guard_new(const struct config *config, struct proxies *proxies, const struct guard_facts *facts,
	      struct guard **ret)
{
	struct guard *g = calloc(1, sizeof *g);

	if (!g)
		return -ENOMEM;
	*g = (struct guard){.config = config, .proxies = proxies, .mode = config->mode};
	if (facts)
		g->facts = *facts;
	int r = sources_new(g);
	if (!r)
		r = offenders_new(OFFENDERS_MAX, config->guard.repeat_within_ms * NS_PER_MS, &g->offenders);
	if (r) {
		guard_free(g);
		return r;
	}
	*ret = g;
	return 0;
}

void guard_free(struct guard *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->source_count; i++)
		quota_deinit(&g->sources[i].quota);
	free(g->sources);
	offenders_free(g->offenders);
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
	const struct prefix who = target_who(&v->target);
	enum limits_answer limit = limits_check_target(g->config, protect, &v->target, v->ttl_ms, &net);
	const char *why = limits_answer_name(limit);
	char target[PREFIX_TEXT_MAX], text[PREFIX_TEXT_MAX], asked[32], allowed[32];

	prefix_format(&who, target);
	switch (limit) {
	case LIMITS_OK:
		return false;
	case LIMITS_PROTECTED:
		if (!net)
			return answer(ret, DECISION_REFUSED, why,
				      "%s is in limits.protect_consumers: never blocked", target);
		return answer(ret, DECISION_REFUSED, why, "%s overlaps %s, which is never blocked: %s",
			      target, prefix_format(&net->net, text), net->why);
	case LIMITS_PREFIX_TOO_SHORT:
		return answer(ret, DECISION_REFUSED, why,
			      "%s/%u is wider than /%u, the widest that %s allows",
			      addr_format(&who.addr, text), who.bits,
			      who.addr.family == ADDR_IPV4 ? g->config->limits.prefix_min_v4
							   : g->config->limits.prefix_min_v6,
			      shortest_prefix_key(&who));
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
		      "behind it. A proxy that asks the decision socket, or has a map, could stop it; none "
		      "does (docs/decide.md, docs/haproxy.md)",
		      prefix_format(&v->target, target), proxy);
}

/* Its own packets do not come here: then only a proxy can stop it, if one does, or others, if they are told.
 */
static bool stop_behind_proxy(const struct guard *g, const struct verdict *v, struct guard_answer *ret)
{
	ret->http = g->config->enforcement.publish ||
		    (g->facts.http && g->facts.http(g->facts.arg, v->action, &v->target));
	return !ret->http && refuse_behind_proxy(v, ret);
}

/* What proxies that ask do not tell; named as in docs/decide.md. */
static const char *untold_of(const struct prefix *target, const char **ret_chapter)
{
	const struct prefix who = target_who(target);

	*ret_chapter = "Consumers and JA4";
	if (!target_is_routed(target))
		return who.addr.family == TARGET_CONSUMER ? "a credential" : "a JA4";
	*ret_chapter = "Routes";
	return target_is_net(&who)                  ? "what is asked for (enforcement.target_header)"
	       : who.addr.family == TARGET_CONSUMER ? "a credential, and what is asked for"
						    : "a JA4, and what is asked for";
}

/* What no kernel knows: only a proxy tells it, and only at HTTP. For everybody: what stops nobody is no
 * block.
 */
static bool refuse_unserved(const struct guard *g, const struct verdict *v, struct guard_answer *ret)
{
	const char *chapter, *untold = untold_of(&v->target, &chapter);

	ret->http = true;
	if (v->scope == VERDICT_SCOPE_HOST)
		return answer(ret, DECISION_REFUSED, "no_point",
			      "scope host is for the kernel, which knows no %s: leave it out",
			      target_is_routed(&v->target)               ? "routes"
			      : v->target.addr.family == TARGET_CONSUMER ? "consumers"
									 : "JA4");
	if (g->facts.http && g->facts.http(g->facts.arg, v->action, &v->target))
		return false;
	return answer(ret, DECISION_REFUSED, "no_point",
		      "no proxy that asks the decision socket told %s within five minutes: see "
		      "docs/decide.md, \"%s\"",
		      untold, chapter);
}

/* On a route it is stopped where that is told, which refuse_unserved asked. */
static bool stop_unseen(const struct guard *g, const struct verdict *v, struct guard_answer *ret)
{
	return !target_is_routed(&v->target) && stop_behind_proxy(g, v, ret);
}

static bool refuse_by_evidence(const struct guard *g, const struct verdict *v, struct guard_answer *ret)
{
	const struct prefix who = target_who(&v->target);
	char target[PREFIX_TEXT_MAX];

	/* Asked this way round, a NaN is refused too. */
	if (!(v->confidence >= g->config->guard.confidence_min && v->confidence <= 1))
		return answer(ret, DECISION_REFUSED, "confidence_low",
			      "confidence %.2f, guard.confidence_min is %.2f", v->confidence,
			      g->config->guard.confidence_min);
	if (!target_is_net(&who))
		return false;
	if (v->via.family != ADDR_NONE)
		return stop_unseen(g, v, ret);
	bool handshake = g->facts.handshake && g->facts.handshake(g->facts.arg, &v->target);
	if (!handshake && g->facts.behind && g->facts.behind(g->facts.arg, &v->target))
		return stop_unseen(g, v, ret);
	if (!handshake)
		return answer(
			ret, DECISION_REFUSED, "no_handshake",
			"no address in %s completed a TCP handshake here in the last hour: it may be forged",
			prefix_format(&who, target));
	return false;
}

static bool stop_at_proxies(const struct guard *g, const struct verdict *v, bool approved,
			    struct guard_answer *ret)
{
	const struct prefix client = target_who(&v->target);
	struct prefix who;
	char proxy[PREFIX_TEXT_MAX], target[PREFIX_TEXT_MAX];
	enum proxy_class class = proxies_worst(g->proxies, &client, &who);

	prefix_format(&who, proxy);
	prefix_format(&client, target);
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

/* --- whom else it would hit --- */

/* The more careful of picket's mode and the source's own. */
static enum config_mode mode_of(const struct guard *g, const struct source *s)
{
	return g->mode <= MODE_ENFORCE && s->mode < g->mode ? s->mode : g->mode;
}

/* A person is asked; where nothing is blocked anyway, it is only said. */
__attribute__((format(printf, 5, 6))) static bool question(const struct guard *g, const struct source *s,
							   struct guard_answer *ret, const char *why,
							   const char *format, ...)
{
	va_list args;

	ret->outcome = mode_of(g, s) == MODE_OBSERVE ? DECISION_WOULD_BLOCK : DECISION_PENDING;
	ret->why = why;
	va_start(args, format);
	vsnprintf(ret->detail, sizeof ret->detail, format, args);
	va_end(args);
	return true;
}

/* A gateway's verdict needs a detection of our own on what it cites. A second gateway's is none. ret_framed:
 * as for local ones. */
static bool stop_uncorroborated(const struct guard *g, const struct source *s, const struct verdict *v,
				bool *ret_framed, struct guard_answer *ret)
{
	*ret_framed = v->framed;
	if (v->source != VERDICT_GATEWAY)
		return false;
	if (g->facts.fired && g->facts.fired(g->facts.arg, v, ret_framed))
		return false;
	return s->corroborate &&
	       question(g, s, ret, "uncorroborated", "%s cites %s: a person decides (gateways, corroborate)",
			s->name ? s->name : "a gateway that is not configured",
			v->evidence_count ? "no event on which a detection of the built-in analysis fired"
					  : "no event");
}

/* Somebody regular is there, and a web page that it looked at may have done all this. */
static bool stop_framed(const struct guard *g, const struct source *s, const struct regulars_share *share,
			bool framed, struct guard_answer *ret)
{
	return framed && share->here &&
	       question(g, s, ret, "cross_site",
			"a web page of somebody else could have caused it in a browser there, from where %zu "
			"regular consumer%s: a person decides",
			share->here, share->here == 1 ? " comes" : "s come");
}

/* One is whoever offends; several have nothing to do with it. */
static bool stop_blast(const struct guard *g, const struct source *s, const struct regulars_share *share,
		       struct guard_answer *ret)
{
	return share->here > 1 && (double)share->here > g->config->guard.blast_radius * (double)share->all &&
	       question(g, s, ret, "blast_radius",
			"it would hit %zu of %zu regular consumers, more than guard.blast_radius = %g: a "
			"person decides",
			share->here, share->all, g->config->guard.blast_radius);
}

/* Many share the address: it is slowed, where that can be done. A proxy may be able to deny alone. */
static bool stop_shared(const struct guard *g, const struct source *s, const struct verdict *v,
			const struct regulars_share *share, struct guard_answer *ret)
{
	if (!g->config->guard.shared_from || share->here < g->config->guard.shared_from)
		return false;
	if (ret->http && !(g->facts.http && g->facts.http(g->facts.arg, VERDICT_RATE_LIMIT, &v->target)))
		return question(g, s, ret, "shared_address",
				"%zu regular consumers come from there, and no proxy here can slow it: a "
				"person decides",
				share->here);
	ret->action = VERDICT_RATE_LIMIT;
	ret->regulars = share->here;
	return false;
}

/* True: stopped. Else it may have become a lesser action. */
static bool stop_for_others(const struct guard *g, const struct source *s, const struct verdict *v,
			    struct guard_answer *ret)
{
	const struct prefix who = target_who(&v->target);
	struct regulars_share share = {0};
	bool framed;

	if (v->action == VERDICT_SHADOW) /* hits nobody */
		return false;
	if (stop_uncorroborated(g, s, v, &framed, ret))
		return true;
	if (who.addr.family == TARGET_JA4)
		return question(
			g, s, ret, "shared_fingerprint",
			"a JA4 is that of a program, not of a client: nobody knows whom else it would "
			"hit; a person decides");
	/* A consumer is one client, who may be the victim of a page that it looked at. */
	if (who.addr.family == TARGET_CONSUMER)
		share.here = 1;
	else if (g->facts.regulars)
		share = g->facts.regulars(g->facts.arg, &v->target);
	return stop_framed(g, s, &share, framed, ret) || stop_blast(g, s, &share, ret) ||
	       stop_shared(g, s, v, &share, ret);
}

/* --- mode and limits --- */

static bool stop_at_mode(const struct guard *g, const struct source *s, bool approved,
			 struct guard_answer *ret)
{
	bool own = mode_of(g, s) != g->mode;

	if (approved)
		return false;
	switch (mode_of(g, s)) {
	case MODE_OBSERVE:
		if (own)
			return answer(
				ret, DECISION_WOULD_BLOCK, "observe",
				"mode observe of %s (gateways, mode): its verdicts are written down only",
				s->name);
		return answer(
			ret, DECISION_WOULD_BLOCK, "observe",
			"mode observe: nothing is blocked automatically; picket mode enforce changes that");
	case MODE_APPROVE:
		return answer(ret, DECISION_PENDING, "approve", "mode approve%s%s: a person decides",
			      own ? " of " : "", own ? s->name : "");
	case MODE_ENFORCE:
		return false;
	}
	return answer(ret, DECISION_REFUSED, "observe", "unknown mode %d", (int)g->mode);
}

static bool stop_at_quota(struct guard *g, struct source *s, const struct verdict *v, size_t in_force,
			  uint64_t now_ns, struct guard_answer *ret)
{
	const char *name = s->name ? s->name : "a gateway that is not configured";
	uint64_t trips = s->quota.trips;
	char pause[32];

	config_duration_format(g->config->guard.cool_down_ms, pause);
	enum quota_answer limit = quota_ask(&s->quota, &v->target, in_force, now_ns);
	ret->tripped = s->quota.trips != trips;
	switch (limit) {
	case QUOTA_OK:
		return false;
	case QUOTA_MINUTE:
		return answer(ret, DECISION_REFUSED, "minute_limit",
			      "%s asked for more than %u targets within 60 s (guard.automatic_per_minute): "
			      "nothing new of it for %s",
			      name, g->config->guard.per_minute, pause);
	case QUOTA_HOUR:
		return answer(ret, DECISION_REFUSED, "hour_limit",
			      "%s asked for more than %u targets within an hour (guard.automatic_per_hour): "
			      "nothing new of it for %s",
			      name, g->config->guard.per_hour, pause);
	case QUOTA_TOTAL:
		return answer(
			ret, DECISION_REFUSED, "total_limit",
			"%s has %zu targets blocked, as many as guard.automatic_total allows: nothing new "
			"of it for %s",
			name, in_force, pause);
	}
	return answer(ret, DECISION_REFUSED, "minute_limit", "unknown limit");
}

static uint64_t ttl_escalated(const struct guard *g, const struct verdict *v, unsigned before)
{
	uint64_t ttl_ms = v->ttl_ms, most = g->config->limits.ttl_max_ms,
		 factor = g->config->guard.escalation;

	for (; factor > 1 && before && ttl_ms < most; before--)
		ttl_ms = ttl_ms > most / factor ? most : ttl_ms * factor;
	return ttl_ms;
}

static void answer_block(const struct verdict *v, unsigned before, struct guard_answer *ret)
{
	char asked[32], given[32];

	if (ret->action != v->action)
		answer(ret, DECISION_BLOCKED, "shared_address",
		       "%zu regular consumers come from there: slowed, not blocked (guard.shared_from)",
		       ret->regulars);
	else if (ret->ttl_ms == v->ttl_ms)
		answer(ret, DECISION_BLOCKED, "ok", "%s", "");
	else
		answer(ret, DECISION_BLOCKED, "ok", "blocked %u times before: for %s instead of %s", before,
		       config_duration_format(ret->ttl_ms, given), config_duration_format(v->ttl_ms, asked));
}

static void decide_automatic(struct guard *g, const struct verdict *v, bool approved, uint64_t now_ns,
			     struct guard_answer *ret)
{
	const struct prefix who = target_who(&v->target);

	if (refuse_by_evidence(g, v, ret) || (target_is_net(&who) && stop_at_proxies(g, v, approved, ret)))
		return;
	struct source *s = source_of(g, v);
	if (!approved && stop_for_others(g, s, v, ret))
		return;
	unsigned before = offenders_before(g->offenders, &v->target, now_ns);
	/* Who approves, approves the time that was shown. */
	if (!approved)
		ret->ttl_ms = ttl_escalated(g, v, before);
	bool extends = false;
	size_t in_force = g->facts.in_force ? g->facts.in_force(g->facts.arg, v, &extends) : 0;
	if (!extends && stop_at_quota(g, s, v, in_force, now_ns, ret))
		return;
	bool stopped = stop_at_mode(g, s, approved, ret);
	if (!extends && (!stopped || ret->outcome == DECISION_WOULD_BLOCK))
		quota_spend(&s->quota, &v->target, now_ns);
	if (stopped)
		return;
	answer_block(v, before, ret);
}

static void decide_unblock(const struct guard *g, const struct verdict *v, bool approved,
			   struct guard_answer *ret)
{
	/* The limits protect from blocking; of them only the shape of the target matters here. */
	if (limits_check_target(g->config, NULL, &v->target, 1, NULL) == LIMITS_BAD_TARGET)
		refuse_by_limits(g, v, NULL, ret);
	else if (v->source == VERDICT_OPERATOR || !stop_at_mode(g, source_of(g, v), approved, ret))
		answer(ret, DECISION_UNBLOCKED, "ok", "%s", "");
	else if (ret->outcome == DECISION_WOULD_BLOCK)
		answer(ret, DECISION_REFUSED, "observe", "mode observe: gateways change nothing");
}

void guard_decide(struct guard *g, const struct verdict *v, const struct protected_set *protect,
		  bool approved, uint64_t now_ns, struct guard_answer *ret)
{
	ret->http = ret->tripped = false;
	ret->regulars = 0;
	ret->action = v->action;
	ret->ttl_ms = v->ttl_ms;
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
	case VERDICT_RESET:
		break;
	default:
		answer(ret, DECISION_REFUSED, "bad_action", "unknown action %d", (int)v->action);
		return;
	}
	if (refuse_by_limits(g, v, protect, ret) ||
	    (!target_is_net(&v->target) && refuse_unserved(g, v, ret)))
		return;
	if (v->source == VERDICT_OPERATOR)
		answer(ret, DECISION_BLOCKED, "ok", "%s", "");
	else
		decide_automatic(g, v, approved, now_ns, ret);
}

void guard_blocked(struct guard *g, const struct verdict *v, uint64_t now_ns)
{
	if (v->source != VERDICT_OPERATOR && v->action != VERDICT_SHADOW)
		offenders_note(g->offenders, &v->target, now_ns, now_ns + v->ttl_ms * NS_PER_MS);
}

void guard_forgive(struct guard *g, const struct prefix *target)
{
	offenders_forget(g->offenders, target);
}

size_t guard_trips(const struct guard *g, uint64_t now_ns, struct guard_trip *ret, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < g->source_count && n < max; i++) {
		const struct source *s = &g->sources[i];
		if (!s->quota.trips)
			continue;
		ret[n++] = (struct guard_trip){
			.source = s->name ? s->name : "",
			.trips = s->quota.trips,
			.until_ns = s->quota.tripped_until_ns > now_ns ? s->quota.tripped_until_ns : 0,
		};
	}
	return n;
}

struct offenders *guard_offenders(struct guard *g)
{
	return g->offenders;
}
