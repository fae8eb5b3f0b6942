// SPDX-License-Identifier: Apache-2.0
#include "sensor/anomalies.h"
#include <errno.h>
#include <stdlib.h>

struct anomalies {
	struct anomalies_options options;
	struct tcp_track *track;
	struct frames *frames;
};

static void on_finding(void *arg, const struct tcp_finding *finding)
{
	struct anomalies *a = arg;
	struct flow flow = {.peer = finding->client, .local = finding->server};

	a->options.found(a->options.arg, &flow, tcp_anomaly_name(finding->anomaly));
}

static void on_frame(void *arg, enum frame_anomaly anomaly, const struct frame_ends *ends)
{
	struct anomalies *a = arg;
	struct flow flow = {.peer = ends->source, .local = ends->destination};

	a->options.found(a->options.arg, &flow, frame_anomaly_name(anomaly));
}

int anomalies_new(const struct anomalies_options *options, struct anomalies **ret)
{
	struct tcp_track_options track = {
		.connections_max = options->connections_max,
		.history_max = options->history_max,
		.ports = options->ports,
		.port_count = options->port_count,
		.ordinary = options->ordinary,
		.headers_elsewhere = options->headers_elsewhere,
		.report = on_finding,
	};
	struct anomalies *a = calloc(1, sizeof *a);
	int r;

	if (!a)
		return -ENOMEM;
	a->options = *options;
	track.arg = a;
	r = tcp_track_new(&track, &a->track);
	if (!r)
		r = frames_new(ANOMALIES_DATAGRAMS, &a->frames);
	if (r) {
		anomalies_free(a);
		return r;
	}
	frames_tunnels(a->frames, &options->tunnels);
	*ret = a;
	return 0;
}

void anomalies_free(struct anomalies *a)
{
	if (!a)
		return;
	tcp_track_free(a->track);
	frames_free(a->frames);
	free(a);
}

bool anomalies_segment(struct anomalies *a, const struct pk_segment *rec)
{
	struct segment_view view;

	segment_view_of(rec, &view);
	return tcp_track_segment(a->track, &view);
}

void anomalies_frame(struct anomalies *a, const struct pk_frame *rec)
{
	struct frame_view view = {
		.link = rec->l3_only ? FRAME_IP : FRAME_ETHERNET,
		.bytes = {(const char *)(rec + 1), rec->captured},
		.len = rec->len,
		.segment = true,
	};

	frames_read(a->frames, &view, rec->rec.time_ns, on_frame, a);
}

void anomalies_tick(struct anomalies *a, uint64_t now_ns)
{
	tcp_track_tick(a->track, now_ns);
}

struct tcp_track_counts anomalies_tcp_counts(const struct anomalies *a)
{
	return tcp_track_counts(a->track);
}

struct fragments_counts anomalies_fragments_counts(const struct anomalies *a)
{
	return frames_counts(a->frames);
}
