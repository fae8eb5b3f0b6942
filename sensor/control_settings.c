// SPDX-License-Identifier: Apache-2.0
/*
 * Mode, kill switch, proxies, configuration: what an operator may look at, and the little of it
 * that may be changed while picket runs. Each answer says whether what is changed here is kept over a
 * restart.
 */
#include <errno.h>
#include <stdlib.h>
#include "lib/util.h"
#include "sensor/control.h"

/* --- mode --- */

static void reply_mode(struct api_call *call, const struct control_parts *parts)
{
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);

	json_object_begin(&w);
	json_key(&w, "mode");
	json_text(&w, config_mode_name(enforcer_mode(parts->enforcer)));
	json_key(&w, "configured");
	json_text(&w, config_mode_name(parts->config->mode));
	control_write_kept(&w, parts);
	json_object_end(&w);
	control_reply(call, 200, &b);
}

static void get_mode(struct api_call *call, void *arg)
{
	reply_mode(call, arg);
}

static void put_mode(struct api_call *call, void *arg)
{
	static const char *const known[] = {"mode", NULL};
	const struct control_parts *parts = arg;
	enum config_mode mode;
	cJSON *body = NULL;

	if (control_body(call, known, &body))
		return;
	const char *text = json_get_text(body, "mode");

	if (!text || config_mode_parse(span_from(text), &mode)) {
		api_problem(call, 422, "bad_mode",
			    "mode must be \"observe\" (blocks nothing by itself), \"approve\" (asks first) "
			    "or \"enforce\"");
	} else {
		enum config_mode before = enforcer_mode(parts->enforcer);

		enforcer_set_mode(parts->enforcer, mode);
		/* Whoever went on attacking while it only observed is judged anew. */
		if (parts->detect)
			detect_rearm(parts->detect);
		log_info("mode changed", LOG_S("mode", config_mode_name(mode)),
			 LOG_U("uid", api_call_uid(call)));
		control_audit(call, parts, "mode", NULL, config_mode_name(before), config_mode_name(mode));
		reply_mode(call, parts);
	}
	cJSON_Delete(body);
}

/* --- kill switch --- */

static void post_kill_switch(struct api_call *call, void *arg)
{
	static const char *const known[] = {"on", NULL};
	const struct warden_request ask = {.op = WARDEN_KILL, .flag = 1};
	const struct control_parts *parts = arg;
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);
	struct warden_reply *reply;
	cJSON *body = NULL;

	if (control_body(call, known, &body))
		return;
	const cJSON *on = cJSON_GetObjectItemCaseSensitive(body, "on");
	bool given = cJSON_IsBool(on), yes = cJSON_IsTrue(on);

	cJSON_Delete(body);
	if (!given) {
		api_problem(call, 422, "bad_shape", "on must be true");
		return;
	}
	if (!yes) {
		api_problem(call, 403, "resume_is_local",
			    "what a person stopped, no program starts again: run `picket resume` as root on "
			    "this host");
		return;
	}
	reply = calloc(1, sizeof *reply);
	int r = reply ? warden_call(parts->warden, &ask, reply) : -ENOMEM;

	if (!r)
		r = reply->result;
	free(reply);
	if (r) {
		control_problem(call, 503, "warden_gone",
				"the privileged process did not do it (%s): run `picket panic` as root, "
				"which needs none of "
				"picket's processes",
				strerror(r < 0 ? -r : EPROTO));
		return;
	}
	control_audit(call, parts, "kill_switch", NULL, NULL, "on");
	json_object_begin(&w);
	json_key(&w, "kill_switch");
	json_bool(&w, true);
	json_object_end(&w);
	control_reply(call, 200, &b);
}

/* --- proxies --- */

static void write_prefixes(struct json_writer *w, const char *key, const struct config_prefixes *list)
{
	char text[PREFIX_TEXT_MAX];

	json_key(w, key);
	json_array_begin(w);
	for (unsigned i = 0; i < list->count; i++)
		json_text(w, prefix_format(&list->items[i], text));
	json_array_end(w);
}

static void write_peer(struct json_writer *w, const struct proxy_peer *p, uint64_t total,
		       const struct clock *clock)
{
	const struct prefix who = {.addr = p->addr, .bits = p->bits};

	json_object_begin(w);
	control_write_prefix(w, "address", &who);
	json_key(w, "class");
	json_text(w, proxy_class_name(p->class));
	json_key(w, "requests");
	json_uint(w, p->requests);
	json_key(w, "forwarded");
	json_uint(w, p->forwarded);
	json_key(w, "share");
	json_double(w, total ? (double)p->requests / (double)total : 0);
	json_key(w, "clients_by");
	json_text(w, p->clients_by == CLIENT_BY_PEER ? NULL : client_source_name(p->clients_by));
	json_key(w, "proxy_headers");
	json_uint(w, p->proxy_headers);
	control_write_time(w, "last", clock, p->last_ns);
	json_object_end(w);
}

#define PEERS_SHOWN_MAX 10000

static void get_proxies(struct api_call *call, void *arg)
{
	const struct control_parts *parts = arg;
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);
	struct proxy_peer *peers = NULL;
	size_t count = 0;
	uint64_t total = 0;

	if (proxies_list(parts->proxies, &peers, &count, &total)) {
		control_no_memory(call);
		return;
	}
	json_object_begin(&w);
	json_key(&w, "default");
	json_text(&w, parts->config->proxies.peers == PROXY_DIRECT ? "direct" : "unclassified");
	control_write_kept(&w, parts);
	json_key(&w, "requests_total");
	json_uint(&w, total);
	json_key(&w, "configured");
	json_object_begin(&w);
	write_prefixes(&w, "trusted", &parts->config->proxies.trusted);
	write_prefixes(&w, "direct", &parts->config->proxies.direct);
	json_object_end(&w);
	json_key(&w, "headers");
	json_array_begin(&w);
	for (unsigned i = 0; i < parts->config->proxies.headers.count; i++)
		json_text(&w, parts->config->proxies.headers.items[i]);
	json_array_end(&w);
	json_key(&w, "proxy_headers_refused");
	json_uint(&w, capture_counts(parts->capture).proxy_headers_refused);
	json_key(&w, "count");
	json_uint(&w, count);
	json_key(&w, "peers");
	json_array_begin(&w);
	for (size_t i = 0; i < count && i < PEERS_SHOWN_MAX; i++)
		write_peer(&w, &peers[i], total, parts->clock);
	json_array_end(&w);
	json_object_end(&w);
	free(peers);
	control_reply(call, 200, &b);
}

static int parse_class(const char *text, enum proxy_class *ret)
{
	static const struct {
		const char *name;
		enum proxy_class class;
	} names[] = {
		{"trust", PROXY_CLASS_TRUSTED},
		{"direct", PROXY_CLASS_DIRECT},
		{"forget", PROXY_CLASS_CLIENT},
	};

	for (size_t i = 0; text && i < ARRAY_SIZE(names); i++)
		if (!strcmp(text, names[i].name)) {
			*ret = names[i].class;
			return 0;
		}
	return 1;
}

/* What the operator should know of the address now. */
static const char *note_on(const struct control_parts *parts, const struct prefix *target,
			   enum proxy_class class)
{
	struct why why = {0};
	size_t none = 0;

	if (class != PROXY_CLASS_TRUSTED || enforcer_why(parts->enforcer, target, &why, NULL, &none) ||
	    !why.blocked)
		return NULL;
	return "it is blocked in the kernel now, and stays so until you unblock it";
}

static void reply_class(struct api_call *call, const struct control_parts *parts, const struct prefix *target,
			enum proxy_class class)
{
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);

	json_object_begin(&w);
	control_write_prefix(&w, "address", target);
	json_key(&w, "class");
	json_text(&w, proxy_class_name(proxies_class_prefix(parts->proxies, target)));
	control_write_kept(&w, parts);
	json_key(&w, "note");
	json_text(&w, note_on(parts, target, class));
	json_object_end(&w);
	control_reply(call, 200, &b);
}

/* So that it outlives a sensor that dies, and a restart of picket. */
static void remember(const struct control_parts *parts, const struct prefix *target, enum proxy_class class)
{
	const struct warden_request ask = {.op = WARDEN_REMEMBER_PROXY, .target = *target, .flag = class};
	struct warden_reply *reply = calloc(1, sizeof *reply);

	if (!reply || warden_call(parts->warden, &ask, reply) || reply->result)
		log_warning("what was said of a proxy will not outlive this sensor process");
	free(reply);
	journal_set_proxy(parts->journal, target, class);
}

static void put_proxies(struct api_call *call, void *arg)
{
	static const char *const known[] = {"address", "class", NULL};
	const struct control_parts *parts = arg;
	char text[PREFIX_TEXT_MAX];
	enum proxy_class class;
	struct prefix target;
	cJSON *body = NULL;

	if (control_body(call, known, &body))
		return;
	if (control_network(call, "address", json_get_text(body, "address"), &target))
		goto out;
	if (parse_class(json_get_text(body, "class"), &class)) {
		api_problem(call, 422, "bad_class",
			    "class must be \"trust\" (a proxy of yours: believe its forwarding headers, "
			    "never block it), "
			    "\"direct\" (a client, whatever it sends) or \"forget\"");
		goto out;
	}
	enum proxy_class before = proxies_class_prefix(parts->proxies, &target);

	switch (proxies_set(parts->proxies, &target, class)) {
	case 0:
		remember(parts, &target, class);
		control_audit(call, parts, "proxies", prefix_format(&target, text), proxy_class_name(before),
			      proxy_class_name(proxies_class_prefix(parts->proxies, &target)));
		reply_class(call, parts, &target, class);
		break;
	case PROXIES_E_TOO_WIDE:
		api_problem(call, 422, "prefix_too_short",
			    "that range is wider than may be said while picket runs: put it into the "
			    "configuration file, "
			    "proxies.trusted or proxies.direct");
		break;
	case PROXIES_E_FULL:
		api_problem(call, 409, "full",
			    "too many proxies were named while picket runs: put them into the configuration "
			    "file");
		break;
	default:
		control_no_memory(call);
	}
out:
	cJSON_Delete(body);
}

/* --- configuration --- */

static void get_config(struct api_call *call, void *arg)
{
	const struct control_parts *parts = arg;
	_cleanup_(buffer_free) struct buffer yaml = BUFFER_INIT(1u << 20);
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);
	uint64_t origins = 1;

	if (control_query(call, "origins", 1, &origins))
		return;
	if (config_show(parts->config, origins, &yaml)) {
		control_no_memory(call);
		return;
	}
	json_object_begin(&w);
	json_key(&w, "yaml");
	json_string(&w, buffer_span(&yaml));
	json_object_end(&w);
	control_reply(call, 200, &b);
}

int control_register_settings(struct api *api, const struct control_parts *parts)
{
	void *arg = (void *)parts;
	const struct api_route routes[] = {
		{"GET", "/v1/mode", get_mode, arg},
		{"PUT", "/v1/mode", put_mode, arg},
		{"POST", "/v1/kill-switch", post_kill_switch, arg},
		{"GET", "/v1/proxies", get_proxies, arg},
		{"PUT", "/v1/proxies", put_proxies, arg},
		{"GET", "/v1/config", get_config, arg},
	};

	return api_add(api, routes, ARRAY_SIZE(routes));
}
