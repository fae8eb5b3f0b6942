/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event_json.h: the JSON form of events. Data: one flat object, keys by OpenTelemetry's semantic conventions,
 * picket.* for ours (docs/schema/event.schema.json). Envelope: CloudEvents 1.0, type
 * "dev.picket.<event.name>.v1".
 */
#ifndef PICKET_EVENT_JSON_H
#define PICKET_EVENT_JSON_H

#include "lib/event.h"
#include "lib/json_write.h"

/* source: CloudEvents source, e.g. "picket://HOST/INSTANCE" */
void event_json_data(struct json_writer *w, const struct event *e);
void event_json_cloudevent(struct json_writer *w, const struct event *e, const char *source);

#endif
