// SPDX-License-Identifier: Apache-2.0
#include "forwarder/long_poll.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/random.h>
#include "forwarder/backoff.h"
#include "forwarder/protocol.h"
#include "forwarder/signature.h"
#include "forwarder/wire.h"
#include "lib/util.h"

#define STRING_(x) #x
#define STRING(x)  STRING_(x)

struct long_poll {
	struct long_poll_options o;
	struct transport *transport;
	struct attempt attempt;
	char *path; /* of verdicts_url */
	struct backoff backoff;
	uint64_t asked_ns; /* boot clock */
	uint64_t due_ns;   /* likewise: the next is not sent before */

	pthread_mutex_t lock; /* guards what follows */
	struct long_poll_counts counts;
};

/* "@path" (RFC 9421 section 2.2.6): without the query, and never empty. */
static char *path_of(const char *url)
{
	const char *at = strstr(url, "://");

	at = at ? at + strlen("://") : url;
	at += strcspn(at, "/?#");
	return *at == '/' ? strndup(at, strcspn(at, "?#")) : strdup("/");
}

static int finished(void *owner, CURLcode result);

static void connected(void *owner, uint16_t local_port, uint16_t peer_port)
{
	const struct long_poll *p = owner;

	p->o.connected(p->o.owner, local_port, peer_port);
}

int long_poll_new(CURLM *multi, const struct long_poll_options *options, struct long_poll **ret)
{
	/* A GET has no content of a type. */
	static const struct protocol answers = {.content_type = "", .accept = "application/json"};
	struct long_poll *p = calloc(1, sizeof *p);
	struct wire wire;
	int r = -ENOMEM;

	if (!p)
		return -ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	p->o = *options;
	p->path = path_of(options->config->verdicts_url);
	wire_make(options->config, &answers, options->credentials, options->clock, &wire);
	wire.options.url = options->config->verdicts_url;
	wire.options.timeout_ms = LONG_POLL_WAIT_S * 1000 + options->config->timeout_ms;
	wire.options.owner = p;
	wire.options.finished = finished;
	wire.options.connected = connected;
	if (p->path)
		r = transport_new(multi, &wire.options, &p->transport);
	if (r) {
		long_poll_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

uint64_t long_poll_due_ns(const struct long_poll *p)
{
	return transport_busy(p->transport) ? UINT64_MAX : p->due_ns;
}

int long_poll_step(struct long_poll *p, uint64_t now_ns)
{
	const char *headers[] = {NULL, "Prefer: wait=" STRING(LONG_POLL_WAIT_S), NULL};
	const struct transport_request request = {.method = TRANSPORT_GET, .headers = headers};
	int r;

	if (long_poll_due_ns(p) > now_ns)
		return 0;
	r = attempt_new(&p->attempt, "", TRANSPORT_DIRECT);
	if (r)
		return r;
	headers[0] = p->attempt.lines[ATTEMPT_NONCE_LINE];
	r = transport_request(p->transport, &request);
	if (r)
		return r;
	p->asked_ns = now_ns;
	pthread_mutex_lock(&p->lock);
	p->counts.asked++;
	pthread_mutex_unlock(&p->lock);
	return 0;
}

/* --- answers --- */

struct acceptance {
	struct long_poll *p;
	uint64_t accepted;
};

static void on_verdict(void *arg, const struct verdict *v)
{
	struct acceptance *a = arg;

	a->accepted++;
	a->p->o.verdict(a->p->o.arg, v);
}

static int read_verdicts(struct long_poll *p, const struct transport_answer *t, uint64_t *ret_accepted,
			 uint64_t refused[static VERDICT_E_MAX], enum situation *ret)
{
	const struct signature_bound bound[] = {{"@path", span_from(p->path)},
						{"picket-nonce", span_from(p->attempt.nonce)}};
	struct acceptance acceptance = {.p = p};
	const struct protocol_answer answer = {
		.config = p->o.config,
		.attempt = &p->attempt,
		.answer = t,
		.verify = &p->o.credentials->verify,
		.now_s = (int64_t)(clock_wall_ns(p->o.clock) / NS_PER_S),
		.accept = on_verdict,
		.arg = &acceptance,
		.refused = refused,
	};
	int r = protocol_batch_read(&answer, bound, ARRAY_SIZE(bound), ret);

	*ret_accepted = acceptance.accepted;
	return r;
}

static void rest(struct long_poll *p, const struct transport_answer *a)
{
	uint64_t random = 0;

	/* Should it ever fail, the rest is short but there is one. */
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
		random = 0;
	p->due_ns = clock_boot_ns(p->o.clock) +
		    backoff_fail(&p->backoff, MAX(a->retry_after_ms, (uint64_t)LONG_POLL_PAUSE_MS), random) *
			    NS_PER_MS;
}

static void go_on(struct long_poll *p, unsigned ms)
{
	backoff_reset(&p->backoff);
	p->due_ns = p->asked_ns + ms * NS_PER_MS;
}

static void on_failure(struct long_poll *p, const struct transport_answer *a)
{
	rest(p, a);
	pthread_mutex_lock(&p->lock);
	situation_print(a, p->counts.last_error, sizeof p->counts.last_error);
	pthread_mutex_unlock(&p->lock);
}

static int on_document(struct long_poll *p, const struct transport_answer *a)
{
	uint64_t refused[VERDICT_E_MAX] = {0}, accepted = 0;
	enum situation situation = SITUATION_TOO_LONG;
	int r = VERDICT_E_TOO_LARGE;

	if (a->too_large)
		refused[VERDICT_E_TOO_LARGE]++;
	else
		r = read_verdicts(p, a, &accepted, refused, &situation);
	if (r < 0)
		return r;
	/* What cannot be read, or is not the gateway's, is no reason to ask again at once. */
	if (r)
		rest(p, a);
	else
		go_on(p, LONG_POLL_AGAIN_MS);
	pthread_mutex_lock(&p->lock);
	p->counts.answered++;
	p->counts.verdicts += accepted;
	for (unsigned e = 1; e < VERDICT_E_MAX; e++)
		p->counts.refused[e] += refused[e];
	p->counts.last_error[0] = 0;
	if (!situation_is_taken(situation))
		snprintf(p->counts.last_error, sizeof p->counts.last_error, "%s: %s",
			 situation_words(situation)->what, situation_words(situation)->mend);
	pthread_mutex_unlock(&p->lock);
	return 0;
}

static void on_nothing(struct long_poll *p)
{
	go_on(p, LONG_POLL_PAUSE_MS);
	pthread_mutex_lock(&p->lock);
	p->counts.last_error[0] = 0;
	pthread_mutex_unlock(&p->lock);
}

static int finished(void *owner, CURLcode result)
{
	struct long_poll *p = owner;
	struct transport_answer a;

	transport_finish(p->transport, result, &a);
	if (a.status / 100 == 2 && (a.too_large || (a.error == CURLE_OK && a.body.len)))
		return on_document(p, &a);
	if (a.status / 100 == 2 && a.error == CURLE_OK)
		on_nothing(p);
	else
		on_failure(p, &a);
	return 0;
}

/* --- counts --- */

void long_poll_counts(struct long_poll *p, struct long_poll_counts *ret)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	*ret = p->counts;
	pthread_mutex_unlock(&p->lock);
}

void long_poll_free(struct long_poll *p)
{
	if (!p)
		return;
	transport_free(p->transport);
	pthread_mutex_destroy(&p->lock);
	free(p->path);
	free(p);
}
