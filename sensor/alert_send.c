// SPDX-License-Identifier: Apache-2.0
#include "sensor/alert_send.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syslog.h>
#include <time.h>
#include "lib/log.h"
#include "lib/util.h"
#include "forwarder/secret.h"
#include "sensor/alert_command.h"
#include "sensor/alert_syslog.h"
#include "sensor/alert_text.h"
#include "sensor/alert_webhook.h"

#define TOKEN_MAX 8192

_Static_assert(CONFIG_ALERT_BLOCK == 1 << ALERT_BLOCK && CONFIG_ALERT_QUESTION == 1 << ALERT_QUESTION &&
		       CONFIG_ALERT_LIMIT == 1 << ALERT_LIMIT && CONFIG_ALERT_ANOMALY == 1 << ALERT_ANOMALY &&
		       CONFIG_ALERT_LOSS == 1 << ALERT_LOSS && CONFIG_ALERT_MENDED == 1 << ALERT_MENDED,
	       "alerts.about");

struct alert_send {
	struct alert_send_parts parts;
	struct alerts *alerts;
	struct alert_webhook *webhook; /* NULL: none, as the next */
	struct alert_command *command;
	struct buffer json, line;
	uint64_t number;
	pthread_mutex_t lock; /* counts */
	pthread_cond_t ending;
	struct alert_outlet_counts counts[ALERT_OUTLETS];
	atomic_bool stop;
	bool runs;
	pthread_t thread;
};

const char *alert_outlet_name(enum alert_outlet outlet)
{
	static const char *const names[ALERT_OUTLETS] = {"webhook", "syslog", "command"};

	return names[outlet];
}

/* --- one alert, one outlet --- */

/* 0; 1: to be tried again; 2: not. why: 128 bytes. */
enum { SEND_E_AGAIN = 1, SEND_E_NEVER = 2 };

static int to_webhook(struct alert_send *s, const char *id, char *why, size_t size)
{
	const char *error;
	int r = alert_webhook_post(s->webhook, buffer_span(&s->json), id, &error);

	snprintf(why, size, "%s", error);
	return r == 0 ? 0 : r == ALERT_WEBHOOK_E_AGAIN ? SEND_E_AGAIN : SEND_E_NEVER;
}

static int to_syslog(struct alert_send *s, char *why, size_t size)
{
	int r = alert_syslog(ALERT_SYSLOG_PATH, LOG_WARNING, buffer_span(&s->line));

	snprintf(why, size, "%s: %s", ALERT_SYSLOG_PATH, strerror(-r));
	return r ? SEND_E_AGAIN : 0;
}

/* A program that failed did something already: it is not run again. */
static int to_command(struct alert_send *s, char *why, size_t size)
{
	int r = alert_command_run(s->command, buffer_span(&s->json));

	if (r == -ETIMEDOUT)
		snprintf(why, size, "it did not end within %d s", ALERT_COMMAND_MS / 1000);
	else if (r < 0)
		snprintf(why, size, "it cannot be run: %s", strerror(-r));
	else
		snprintf(why, size, "it ended with status %d", r);
	return r ? SEND_E_NEVER : 0;
}

static int send_to(struct alert_send *s, enum alert_outlet outlet, const char *id, char *why, size_t size)
{
	switch (outlet) {
	case ALERT_WEBHOOK:
		return to_webhook(s, id, why, size);
	case ALERT_SYSLOG:
		return to_syslog(s, why, size);
	case ALERT_COMMAND:
		return to_command(s, why, size);
	case ALERT_OUTLETS:
		break;
	}
	return SEND_E_NEVER;
}

/* Until then, or until it ends. */
static void rest(struct alert_send *s, uint64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000 * NS_PER_MS);
	if (until.tv_nsec >= (long)NS_PER_S) {
		until.tv_sec++;
		until.tv_nsec -= (long)NS_PER_S;
	}
	pthread_mutex_lock(&s->lock);
	while (!atomic_load(&s->stop) && pthread_cond_timedwait(&s->ending, &s->lock, &until) == 0)
		;
	pthread_mutex_unlock(&s->lock);
}

static void deliver(struct alert_send *s, enum alert_outlet outlet, const char *id)
{
	struct alert_outlet_counts *n = &s->counts[outlet];
	char why[sizeof n->error];
	int r = SEND_E_AGAIN;

	for (unsigned i = 0; r == SEND_E_AGAIN && i < ALERT_TRIES && !atomic_load(&s->stop); i++) {
		if (i)
			rest(s, 1000ull << (2 * (i - 1))); /* 1 s, 4 s */
		r = send_to(s, outlet, id, why, sizeof why);
	}
	pthread_mutex_lock(&s->lock);
	if (r) {
		n->failed++;
		memcpy(n->error, why, sizeof why);
	} else {
		n->sent++;
		n->error[0] = 0;
	}
	pthread_mutex_unlock(&s->lock);
	if (r && !atomic_load(&s->stop))
		log_warning("an alert could not be told", LOG_S("outlet", alert_outlet_name(outlet)),
			    LOG_S("why", why), LOG_SPAN("alert", buffer_span(&s->line)));
}

static void tell(struct alert_send *s, const struct alert *a)
{
	const struct alert_origin origin = {s->parts.host, s->parts.config->instance};
	char id[EVENT_ID_TEXT_MAX];

	snprintf(id, sizeof id, "%s-a%llu", event_run_id(), (unsigned long long)++s->number);
	buffer_reset(&s->line);
	buffer_reset(&s->json);
	alert_line(a, &origin, &s->line);
	alert_json(a, &origin, s->parts.clock, id, &s->json);
	for (unsigned i = 0; i < ALERT_OUTLETS; i++)
		if (s->counts[i].used)
			deliver(s, (enum alert_outlet)i, id);
}

static void *send_main(void *arg)
{
	struct alert_send *s = arg;
	struct alert alert;

	while (!atomic_load(&s->stop))
		if (alerts_next(s->alerts, clock_boot_ns(s->parts.clock), &alert) == 0)
			tell(s, &alert);
		else
			rest(s, ALERT_POLL_MS);
	return NULL;
}

/* --- start and end --- */

/* *ret: a header line, or empty. */
static int authorization(const struct config *c, struct buffer *errors, struct buffer *ret)
{
	const char *path = c->alerts.webhook_token_file;
	struct buffer token = BUFFER_INIT(TOKEN_MAX);
	bool shared = false;

	if (!c->alerts.webhook[0] || !path[0])
		return 0;
	int r = secret_read_token(path, &token, &shared);
	if (r > 0)
		buffer_printf(errors, "alerts.webhook_token_file: %s %s\n", path, secret_error_text(r));
	else if (shared)
		buffer_printf(errors, "alerts.webhook_token_file: others may read %s: chmod 600 it\n", path);
	if (r == 0 && (buffer_printf(ret, "Authorization: Bearer %.*s", (int)token.len, token.data) ||
		       buffer_append_char(ret, 0)))
		r = -ENOMEM;
	if (token.data)
		explicit_bzero(token.data, token.size);
	buffer_free(&token);
	return r > 0 ? CONFIG_E_INVALID : r;
}

static void wipe(struct buffer *b)
{
	if (b->data)
		explicit_bzero(b->data, b->size);
	buffer_free(b);
}

int alert_send_check(const struct config *config, struct buffer *errors)
{
	struct buffer header = BUFFER_INIT(TOKEN_MAX + 64);
	int r = authorization(config, errors, &header);

	wipe(&header);
	return r;
}

static int open_webhook(struct alert_send *s, struct buffer *errors)
{
	const struct config *c = s->parts.config;
	struct buffer header = BUFFER_INIT(TOKEN_MAX + 64);

	if (!c->alerts.webhook[0])
		return 0;
	int r = authorization(c, errors, &header);
	if (!r)
		r = alert_webhook_new(c->alerts.webhook, header.len ? header.data : NULL, s->parts.clock,
				      &s->webhook);
	wipe(&header);
	return r;
}

int alert_send_new(const struct alert_send_parts *parts, struct buffer *errors, struct alert_send **ret)
{
	const struct config *c = parts->config;
	const struct alerts_options options = {c->alerts.about, c->alerts.per_hour,
					       c->alerts.pause_ms * NS_PER_MS};
	pthread_condattr_t monotonic;

	if (!c->alerts.webhook[0] && !c->alerts.syslog && !c->alerts.command.count)
		return 0;
	struct alert_send *s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->parts = *parts;
	s->json = BUFFER_INIT(ALERT_TEXT_MAX);
	s->line = BUFFER_INIT(ALERT_TEXT_MAX);
	s->counts[ALERT_WEBHOOK].used = c->alerts.webhook[0];
	s->counts[ALERT_SYSLOG].used = c->alerts.syslog;
	s->counts[ALERT_COMMAND].used = c->alerts.command.count;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->ending, &monotonic);
	pthread_condattr_destroy(&monotonic);
	int r = alerts_new(&options, &s->alerts);
	/* First of all: it must not know the token. */
	if (!r && c->alerts.command.count)
		r = alert_command_new(&c->alerts.command, parts->uid, parts->gid, &s->command);
	if (!r)
		r = open_webhook(s, errors);
	if (r) {
		alert_send_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

int alert_send_start(struct alert_send *s)
{
	if (!s)
		return 0;
	int r = -pthread_create(&s->thread, NULL, send_main, s);
	s->runs = r == 0;
	return r;
}

void alert_send_free(struct alert_send *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	atomic_store(&s->stop, true);
	pthread_cond_signal(&s->ending);
	pthread_mutex_unlock(&s->lock);
	if (s->webhook)
		alert_webhook_stop(s->webhook);
	alert_command_stop(s->command);
	if (s->runs)
		pthread_join(s->thread, NULL);
	alert_webhook_free(s->webhook);
	alert_command_free(s->command);
	alerts_free(s->alerts);
	buffer_free(&s->json);
	buffer_free(&s->line);
	pthread_cond_destroy(&s->ending);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct alerts *alert_send_alerts(struct alert_send *s)
{
	return s ? s->alerts : NULL;
}

void alert_send_counts(struct alert_send *s, struct alert_outlet_counts ret[static ALERT_OUTLETS])
{
	memset(ret, 0, ALERT_OUTLETS * sizeof *ret);
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	memcpy(ret, s->counts, sizeof s->counts);
	pthread_mutex_unlock(&s->lock);
}
