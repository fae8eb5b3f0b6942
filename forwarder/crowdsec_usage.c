// SPDX-License-Identifier: Apache-2.0
#include "forwarder/crowdsec_usage.h"

static void put_text(struct json_writer *w, const char *key, const char *text)
{
	json_key(w, key);
	json_text(w, text);
}

static void put_uint(struct json_writer *w, const char *key, uint64_t v)
{
	json_key(w, key);
	json_uint(w, v);
}

static void put_item(struct json_writer *w, const char *name, uint64_t value, const char *unit,
		     const char *origin, unsigned family)
{
	json_object_begin(w);
	put_text(w, "name", name);
	put_uint(w, "value", value);
	put_text(w, "unit", unit);
	if (origin) {
		json_key(w, "labels");
		json_object_begin(w);
		put_text(w, "origin", origin);
		put_text(w, "ip_type", family ? "ipv6" : "ipv4");
		json_object_end(w);
	}
	json_object_end(w);
}

static void put_origin(struct json_writer *w, const struct crowdsec_usage_origin *o)
{
	for (unsigned family = 0; family < 2; family++) {
		if (o->active[family])
			put_item(w, "active_decisions", o->active[family], "ip", o->name, family);
		if (!o->packets[family])
			continue;
		put_item(w, "dropped", o->packets[family], "packet", o->name, family);
		put_item(w, "dropped", o->bytes[family], "byte", o->name, family);
	}
}

static void put_metrics(struct json_writer *w, const struct crowdsec_usage *u)
{
	json_key(w, "metrics");
	json_array_begin(w);
	json_object_begin(w);
	json_key(w, "meta");
	json_object_begin(w);
	put_uint(w, "window_size_seconds", u->window_s);
	put_uint(w, "utc_now_timestamp", u->now_s);
	json_object_end(w);
	json_key(w, "items");
	json_array_begin(w);
	for (unsigned i = 0; i < u->count; i++)
		put_origin(w, &u->origins[i]);
	put_item(w, "processed", u->processed, "packet", NULL, 0);
	json_array_end(w);
	json_object_end(w);
	json_array_end(w);
}

void crowdsec_usage_write(struct json_writer *w, const struct crowdsec_usage *u)
{
	json_object_begin(w);
	json_key(w, "remediation_components");
	json_array_begin(w);
	json_object_begin(w);
	put_text(w, "type", "picket");
	put_text(w, "version", u->version);
	json_key(w, "os");
	json_object_begin(w);
	put_text(w, "name", u->os_name);
	put_text(w, "family", "linux");
	put_text(w, "version", u->os_version);
	json_object_end(w);
	json_key(w, "feature_flags");
	json_raw(w, SPAN("[]"));
	put_uint(w, "utc_startup_timestamp", u->started_s);
	put_metrics(w, u);
	json_object_end(w);
	json_array_end(w);
	json_object_end(w);
}
