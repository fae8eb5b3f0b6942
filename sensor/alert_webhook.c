// SPDX-License-Identifier: Apache-2.0
#include "sensor/alert_webhook.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "forwarder/transport_direct.h"

#define ANSWER_MAX 4096 /* nobody reads it; more is an error */

struct alert_webhook {
	CURLM *multi;
	struct transport *transport;
	atomic_bool stop;
	char error[256];
};

int alert_webhook_new(const char *url, const char *authorization, const struct clock *clock,
		      struct alert_webhook **ret)
{
	const char *const headers[] = {"Content-Type: application/json", authorization, NULL};
	const struct transport_options options = {
		.url = url,
		.timeout_ms = ALERT_WEBHOOK_MS,
		.answer_max = ANSWER_MAX,
		.headers = headers,
		.clock = clock,
	};
	struct alert_webhook *w = calloc(1, sizeof *w);

	if (!w)
		return -ENOMEM;
	w->multi = curl_multi_init();
	int r = w->multi ? transport_new(w->multi, &options, &w->transport) : -ENOMEM;
	if (r) {
		alert_webhook_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

void alert_webhook_free(struct alert_webhook *w)
{
	if (!w)
		return;
	transport_free(w->transport);
	curl_multi_cleanup(w->multi);
	free(w);
}

void alert_webhook_stop(struct alert_webhook *w)
{
	atomic_store(&w->stop, true);
	curl_multi_wakeup(w->multi);
}

/* Until the exchange is over, or nobody waits for it any more. */
static bool exchange(struct alert_webhook *w, CURLcode *ret)
{
	int running, left;

	while (!atomic_load(&w->stop)) {
		if (curl_multi_perform(w->multi, &running) != CURLM_OK)
			return false;
		const CURLMsg *m = curl_multi_info_read(w->multi, &left);
		if (m && m->msg == CURLMSG_DONE) {
			*ret = m->data.result;
			return true;
		}
		curl_multi_poll(w->multi, NULL, 0, 1000, NULL);
	}
	return false;
}

static int judge(struct alert_webhook *w, const struct transport_answer *a)
{
	/* A long answer's status is as good as a short one's. */
	if (a->error != CURLE_OK && !(a->too_large && a->status)) {
		snprintf(w->error, sizeof w->error, "%s", a->error_text);
		return ALERT_WEBHOOK_E_AGAIN;
	}
	if (a->status / 100 == 2)
		return 0;
	snprintf(w->error, sizeof w->error, "it answered %u", a->status);
	return a->status == 408 || a->status == 429 || a->status / 100 == 5 ? ALERT_WEBHOOK_E_AGAIN
									    : ALERT_WEBHOOK_E_REFUSED;
}

int alert_webhook_post(struct alert_webhook *w, struct span json, const char *id, const char **ret_error)
{
	struct transport_answer answer;
	char key[128];
	CURLcode code;

	*ret_error = w->error;
	w->error[0] = 0;
	snprintf(key, sizeof key, "Idempotency-Key: %s", id);
	int r = transport_send(w->transport, (const char *[]){key, NULL}, json);
	if (r) {
		snprintf(w->error, sizeof w->error, "no memory");
		return r;
	}
	if (!exchange(w, &code)) {
		transport_finish(w->transport, CURLE_ABORTED_BY_CALLBACK, &answer);
		snprintf(w->error, sizeof w->error, "picket ended");
		return ALERT_WEBHOOK_E_STOPPED;
	}
	transport_finish(w->transport, code, &answer);
	return judge(w, &answer);
}
