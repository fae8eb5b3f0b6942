// SPDX-License-Identifier: Apache-2.0
#include "usual_event.h"
#include "lib/util.h"

static struct event_header headers[] = {
	{SPAN("host"), SPAN("api.example.com")},
	{SPAN("user-agent"), SPAN("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36")},
	{SPAN("accept"), SPAN("application/json, text/plain, */*")},
	{SPAN("content-type"), SPAN("application/json")},
};

struct event *usual_event(void)
{
	struct event *e = event_new(EVENT_HTTP_REQUEST, 0);

	if (!e)
		return NULL;
	e->wall_ns = 1795557610123456789;
	e->flow.connection_id = 8589934597;
	e->flow.peer.port = 51234;
	e->flow.local.port = 8080;
	e->flow.pid = 4711;
	addr_parse(SPAN("198.51.100.200"), &e->flow.peer.addr);
	addr_parse(SPAN("203.0.113.10"), &e->flow.local.addr);
	e->request.client = e->flow.peer;
	e->request.method = SPAN("GET");
	e->request.target =
		SPAN("/api/v1/users/42/orders?page=h_01a1b2c3d4e5f60718&limit=h_11a1b2c3d4e5f60718");
	e->request.path = SPAN("/api/v1/users/42/orders");
	e->request.route = SPAN("/api/v1/users/{id}/orders");
	e->request.host = headers[0].value;
	e->request.user_agent = headers[1].value;
	e->request.headers = headers;
	e->request.header_count = ARRAY_SIZE(headers);
	e->request.consumer = SPAN("c_010011223344556677");
	e->request.version_major = e->request.version_minor = 1;
	e->request.stream_index = 3;
	e->request.answered = EVENT_ANSWER_SEEN | EVENT_ANSWER_SIZE;
	e->request.status = 200;
	e->request.latency_ns = 412000;
	e->request.response_size = 1312;
	return e;
}
