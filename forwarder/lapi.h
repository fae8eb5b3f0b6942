/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lapi.h: requests to a CrowdSec LAPI (https://docs.crowdsec.net, its swagger file), one at a time, for a
 * thread that may wait. It knows paths, the two ways to say who asks, and what its answers mean for people;
 * what is asked when is the sensor's business (sensor/crowdsec_*.c).
 */
#ifndef PICKET_LAPI_H
#define PICKET_LAPI_H

#include "forwarder/credentials.h"
#include "forwarder/situation.h"
#include "forwarder/transport_direct.h"
#include "lib/config.h"

#define LAPI_STREAM_MAX (64u << 20) /* bytes of one: about 400,000 decisions */
#define LAPI_ANSWER_MAX (1u << 20)  /* of any other answer */
#define LAPI_ERROR_MAX  384

extern const char *const lapi_version; /* ours, as it is told */

struct lapi;

struct lapi_parts {
	const struct config_gateway *config;
	const struct credentials *credentials; /* outlives it */
	const struct clock *clock;
	void *owner; /* connected gets it */
	void (*connected)(void *owner, uint16_t local_port, uint16_t peer_port);
};

/* No descriptor is opened before the first call. 0 or -errno. */
int lapi_new(const struct lapi_parts *parts, struct lapi **ret);
void lapi_free(struct lapi *l);
/* From another thread: the call under way ends, and each later one at once. */
void lapi_stop(struct lapi *l);

struct lapi_request {
	enum transport_method method;
	const char *path;   /* "/v1/decisions/stream?startup=true" */
	const char *bearer; /* of a machine; NULL: the bouncer's key */
	bool anonymous;     /* neither */
	struct span json;   /* body of a POST */
	/* As transport_request; such an answer may have LAPI_STREAM_MAX bytes. */
	int (*body_part)(void *arg, struct span bytes);
	void *arg;
};

enum { LAPI_E_STOPPED = 1 };
/* 0: *ret is what came of it, also if nothing came; valid until the next call. LAPI_E_STOPPED, -errno. */
int lapi_call(struct lapi *l, const struct lapi_request *request, struct transport_answer *ret);
#define LAPI_TOKEN_MAX 4096
struct lapi_token {
	char text[LAPI_TOKEN_MAX]; /* empty: the answer holds none */
	char expire[64];           /* RFC 3339, as it is written there; empty: it is not told */
};
/* POST /v1/watchers/login as the machine of the configuration; as lapi_call. ret_token: wipe it. */
int lapi_login(struct lapi *l, struct span password, struct transport_answer *ret,
	       struct lapi_token *ret_token);
/* What is wrong with an answer that is no 2xx, and what mends it: "HTTP 403: ...". */
void lapi_explain(const struct transport_answer *answer, bool machine, char ret[static LAPI_ERROR_MAX]);

/* "&origins=a,b&scenarios_containing=...": what the configuration asks of a stream. 0 or -ENOMEM. */
int lapi_stream_path(const struct config_gateway *config, bool startup, struct buffer *ret);

#endif
