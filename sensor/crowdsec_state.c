// SPDX-License-Identifier: Apache-2.0
#include "sensor/crowdsec_state.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include "forwarder/crowdsec_stream.h"
#include "lib/json_write.h"
#include "lib/util.h"

static void put_text(struct json_writer *w, const char *key, const char *text)
{
	json_key(w, key);
	json_text(w, text);
}

static void write_one(void *arg, const struct crowdsec_told *d)
{
	struct json_writer *w = arg;
	char text[PREFIX_TEXT_MAX];

	if (d->own)
		return;
	json_object_begin(w);
	json_key(w, "id");
	json_uint(w, d->id);
	put_text(w, "scope", prefix_is_exact(&d->target) ? "Ip" : "Range");
	put_text(w, "value", prefix_format(&d->target, text));
	put_text(w, "type", d->type);
	put_text(w, "origin", d->origin);
	put_text(w, "scenario", d->scenario);
	snprintf(text, sizeof text, "%" PRIu64 "s", d->end_s);
	put_text(w, "duration", text);
	json_object_end(w);
}

int crowdsec_state_write(const struct crowdsec *c, struct buffer *out)
{
	struct json_writer w = JSON_WRITER(out);

	json_object_begin(&w);
	json_key(&w, "new");
	json_array_begin(&w);
	crowdsec_each(c, write_one, &w);
	json_array_end(&w);
	json_object_end(&w);
	return out->truncated ? BUFFER_E_FULL : 0;
}

static int read_one(void *arg, enum crowdsec_section section, const struct crowdsec_decision *d)
{
	return crowdsec_take(arg, section, d, 0);
}

int crowdsec_state_read(struct crowdsec *c, struct span text)
{
	struct crowdsec_stream s;

	crowdsec_stream_init(&s, read_one, c);
	crowdsec_stream_feed(&s, text);
	int r = crowdsec_stream_end(&s);
	return r < 0 ? r : r > 0;
}
