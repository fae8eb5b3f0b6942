// SPDX-License-Identifier: Apache-2.0
#include "sensor/control_decision.h"
#include <stdatomic.h>
#include <stdio.h>
#include "lib/util.h"

void control_write_block(struct json_writer *w, const struct block_told *b, const struct clock *clock)
{
	uint64_t now = clock_boot_ns(clock);

	json_object_begin(w);
	control_write_verdict(w, &b->verdict);
	control_write_time(w, "since", clock, b->since_ns);
	control_write_time(w, "until", clock, b->deadline_ns);
	json_key(w, "ttl_s");
	json_uint(w, b->deadline_ns > now ? (b->deadline_ns - now + NS_PER_S - 1) / NS_PER_S : 0);
	json_key(w, "point");
	json_text(w, b->published ? "published" : b->http ? "http" : "kernel");
	json_key(w, "installed");
	json_bool(w, b->installed_ns != 0);
	control_write_time(w, "confirm_by", clock, b->revert_ns);
	json_key(w, "packets"); /* dropped, as are bytes and last_drop */
	json_uint(w, b->packets);
	json_key(w, "bytes");
	json_uint(w, b->bytes);
	json_key(w, "requests"); /* refused at HTTP */
	json_uint(w, b->requests);
	control_write_time(w, "last_drop", clock, b->last_ns);
	json_key(w, "connections_closed");
	json_uint(w, b->closed);
	json_object_end(w);
}

void control_operator_verdict(struct api_call *call, const struct control_parts *parts,
			      enum verdict_action action, const struct prefix *target, struct verdict *ret)
{
	static atomic_uint number;
	char by[CONTROL_UID_MAX];

	*ret = (struct verdict){
		.source = VERDICT_OPERATOR,
		.action = action,
		.scope = VERDICT_SCOPE_PORTS,
		.target = *target,
		.ttl_ms = parts->config->guard.ttl_default_ms,
		.confidence = 1,
		.received_ns = clock_boot_ns(parts->clock),
	};
	snprintf(ret->id, sizeof ret->id, "op-%.20s-%u", parts->run_id, atomic_fetch_add(&number, 1) + 1);
	snprintf(ret->origin, sizeof ret->origin, "%s", control_uid(call, by));
}

void control_refuse(struct api_call *call, const struct decision *d)
{
	bool failed = !strcmp(d->why, "install_failed");

	control_problem(call, failed ? 503 : 409, failed ? d->why : "refused_by_guard", "%s%s%s", d->why,
			d->detail[0] ? ": " : "", d->detail);
}

void control_reply_decision(struct api_call *call, const struct control_parts *parts, const struct verdict *v,
			    const struct decision *d, unsigned status)
{
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);

	json_object_begin(&w);
	json_key(&w, "outcome");
	json_text(&w, decision_outcome_name(d->outcome));
	json_key(&w, "why");
	json_text(&w, d->why);
	json_key(&w, "detail");
	json_text(&w, d->detail);
	json_key(&w, "point");
	json_text(&w, d->outcome != DECISION_BLOCKED ? NULL
		      : d->published                 ? "published"
		      : d->http                      ? "http"
						     : "kernel");
	control_write_verdict(&w, v);
	json_key(&w, "ttl_s");
	json_uint(&w, v->ttl_ms / 1000);
	json_key(&w, "pending_id");
	if (d->outcome == DECISION_PENDING)
		json_uint(&w, d->pending_id);
	else
		json_null(&w);
	control_write_time(&w, "installed", parts->clock, d->installed_ns);
	json_key(&w, "connections_closed");
	json_uint(&w, d->closed);
	json_key(&w, "received_ns");
	json_uint_string(&w, v->received_ns);
	json_key(&w, "installed_ns");
	json_uint_string(&w, d->installed_ns);
	json_object_end(&w);
	control_reply(call, status, &b);
}
