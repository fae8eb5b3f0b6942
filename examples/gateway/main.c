// SPDX-License-Identifier: Apache-2.0
/*
 * An analysis service that speaks picket's gateway protocol `batch` (docs/gateway-batch.md): takes batches of
 * events by POST, answers with verdicts. README.md says how to run it and where to put your own analysis.
 *
 *     POST /events     a batch; answers {"verdicts": [...]}
 *     GET  /verdicts   answers when there are some (--poll)
 *     GET  /healthz    what it did so far
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cjson/cJSON.h>
#include "service.h"
#include "analysis.h"
#include "answers.h"
#include "chaos.h"
#include "event_log.h"
#include "sign.h"

#define BODY_MAX    (8 * 1024 * 1024)
#define CLIENTS_MAX 10000
#define TOKEN_MAX   1024
#define WAITING_MAX 1000 /* verdicts; what is beyond is not given */
#define WAIT_MAX_S  60

struct gateway {
	struct analysis_options limits;
	unsigned ttl_s;
	FILE *log;
	char token[TOKEN_MAX]; /* "": none is asked for */
	struct signer *signer; /* NULL: answers are not signed */
	const char *chaos;     /* NULL: it behaves */
	cJSON *waiting;        /* verdicts, for GET /verdicts; NULL: they go into answers */
	struct analysis *analysis;
	struct answers answers;
	unsigned long long batches, repeated, events, requests, verdicts;
};

/* --- one batch --- */

static const char *text_of(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

/* Times are strings in events, because a double cannot hold nanoseconds since 1970. */
static uint64_t time_of(const cJSON *data)
{
	const char *text = text_of(data, "time_unix_nano");

	return text ? strtoull(text, NULL, 10) : 0;
}

static void add_verdict(struct gateway *g, cJSON *verdicts, const struct analysis_finding *f)
{
	if (g->waiting)
		verdicts = g->waiting;
	if (cJSON_GetArraySize(verdicts) >= WAITING_MAX)
		return;
	cJSON *verdict = cJSON_CreateObject(), *target, *evidence;
	char id[48];

	snprintf(id, sizeof id, "example-%llu", ++g->verdicts);
	cJSON_AddStringToObject(verdict, "id", id);
	cJSON_AddStringToObject(verdict, "action", "block");
	target = cJSON_AddObjectToObject(verdict, "target");
	cJSON_AddStringToObject(target, "scope", "ip");
	cJSON_AddStringToObject(target, "value", f->client);
	cJSON_AddNumberToObject(verdict, "ttl_s", g->ttl_s);
	cJSON_AddNumberToObject(verdict, "confidence", f->confidence);
	cJSON_AddStringToObject(verdict, "reason", f->reason);
	evidence = cJSON_AddArrayToObject(verdict, "evidence");
	for (unsigned i = 0; i < f->evidence_count; i++)
		cJSON_AddItemToArray(evidence, cJSON_CreateString(f->evidence[i]));
	cJSON_AddItemToArray(verdicts, verdict);
	printf("verdict %s: block %s for %u s: %s, %s\n", id, f->client, g->ttl_s, f->what, f->reason);
}

static void look_at(struct gateway *g, const cJSON *event, cJSON *verdicts)
{
	const cJSON *data = cJSON_GetObjectItemCaseSensitive(event, "data");
	const char *name = text_of(data, "event.name");
	struct analysis_request q = {
		.event_id = text_of(event, "id"),
		.client = text_of(data, "client.address"),
		.method = text_of(data, "http.request.method"),
		.path = text_of(data, "url.path"),
		.time_ns = time_of(data),
	};
	struct analysis_finding finding;

	g->events++;
	if (!name || strcmp(name, "http.request") != 0 || !q.event_id || !q.client || !q.method || !q.path)
		return;
	g->requests++;
	if (analysis_request(g->analysis, &q, &finding))
		add_verdict(g, verdicts, &finding);
}

/* The answer to a batch, malloc'd; NULL: out of memory. */
static char *analyse(struct gateway *g, const cJSON *batch)
{
	cJSON *answer = cJSON_CreateObject(), *verdicts = cJSON_AddArrayToObject(answer, "verdicts");
	const cJSON *event;
	char *json;

	cJSON_ArrayForEach(event, batch)
	{
		look_at(g, event, verdicts);
	}
	fflush(stdout);
	json = cJSON_PrintUnformatted(answer);
	cJSON_Delete(answer);
	return json;
}

/* The same verdicts are signed anew for each request: the nonce is another each time. */
static enum MHD_Result reply(const struct gateway *g, const struct service_request *q, const char *json)
{
	struct sign_answer a = {
		.status = MHD_HTTP_OK,
		.body = json,
		.body_len = strlen(json),
		.key = service_header(q, "Idempotency-Key"),
		.path = q->path,
		.nonce = service_header(q, "Picket-Nonce"),
		.created = time(NULL),
	};
	char fields[SIGN_FIELDS_MAX];

	if (!g->signer || !a.nonce)
		return service_reply(q, MHD_HTTP_OK, NULL, json, a.body_len);
	if (signer_fields(g->signer, &a, fields))
		return service_error(q, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL, "cannot sign");
	return service_reply(q, MHD_HTTP_OK, fields, json, a.body_len);
}

static enum MHD_Result take_batch(struct gateway *g, const struct service_request *q, const char *key)
{
	cJSON *batch = cJSON_ParseWithLength(q->body, q->body_len);
	char *json;

	if (!cJSON_IsArray(batch)) {
		cJSON_Delete(batch);
		return service_error(q, MHD_HTTP_BAD_REQUEST, NULL, "the body is no JSON array of events");
	}
	/*
	 * First the log, then the answer: 2xx means that we have the events. With 503 picket keeps them and
	 * comes again.
	 */
	if (g->log && event_log_append(g->log, q->body, q->body_len)) {
		fprintf(stderr, "cannot write the log: %s\n", strerror(errno));
		clearerr(g->log);
		cJSON_Delete(batch);
		return service_error(q, MHD_HTTP_SERVICE_UNAVAILABLE, "Retry-After: 1",
				     "the log cannot be written");
	}
	json = analyse(g, batch);
	cJSON_Delete(batch);
	if (!json)
		return service_error(q, MHD_HTTP_SERVICE_UNAVAILABLE, "Retry-After: 1", "out of memory");
	g->batches++;
	enum MHD_Result r = reply(g, q, json);
	if (key)
		answers_consume(&g->answers, key, json);
	else
		free(json);
	return r;
}

/* --- HTTP --- */

/* Compared in a time that does not tell how much of it was right. */
static bool token_equal(const char *a, const char *b)
{
	size_t n = strlen(a);
	unsigned char difference = 0;

	if (n != strlen(b))
		return false;
	for (size_t i = 0; i < n; i++)
		difference |= (unsigned char)(a[i] ^ b[i]);
	return difference == 0;
}

static bool authorized(const struct gateway *g, const struct service_request *q)
{
	const char *header = service_header(q, "Authorization");

	if (!g->token[0])
		return true;
	return header && strncmp(header, "Bearer ", 7) == 0 && token_equal(header + 7, g->token);
}

static enum MHD_Result events(struct gateway *g, const struct service_request *q)
{
	const char *type = service_header(q, "Content-Type"), *key = service_header(q, "Idempotency-Key");
	const char *answer;

	if (strcmp(q->method, "POST") != 0)
		return service_error(q, MHD_HTTP_METHOD_NOT_ALLOWED, "Allow: POST", "send events by POST");
	if (!authorized(g, q))
		return service_error(q, MHD_HTTP_UNAUTHORIZED, "WWW-Authenticate: Bearer",
				     "wrong or no token");
	if (!type || strncmp(type, "application/cloudevents-batch+json", 34) != 0)
		return service_error(q, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, NULL,
				     "send application/cloudevents-batch+json");
	if (key && strlen(key) >= ANSWERS_KEY_MAX)
		return service_error(q, MHD_HTTP_BAD_REQUEST, NULL, "Idempotency-Key is too long");
	answer = key ? answers_find(&g->answers, key) : NULL;
	if (!answer)
		return take_batch(g, q, key);
	g->repeated++;
	return reply(g, q, answer);
}

/* "Prefer: wait=30" (RFC 7240), in milliseconds. */
static unsigned wait_ms(const struct service_request *q)
{
	const char *prefer = service_header(q, "Prefer"), *wait = prefer ? strstr(prefer, "wait=") : NULL;
	unsigned long s = wait ? strtoul(wait + 5, NULL, 10) : 0;

	return (unsigned)(s < WAIT_MAX_S ? s : WAIT_MAX_S) * 1000;
}

/* What is given is forgotten: whether it arrived, the event picket.decision tells. */
static enum MHD_Result verdicts(struct gateway *g, const struct service_request *q)
{
	cJSON *answer;
	char *json;

	if (!authorized(g, q))
		return service_error(q, MHD_HTTP_UNAUTHORIZED, "WWW-Authenticate: Bearer",
				     "wrong or no token");
	if (!g->waiting)
		return service_error(q, MHD_HTTP_NOT_FOUND, NULL,
				     "verdicts are in the answers; start with --poll");
	if (!cJSON_GetArraySize(g->waiting))
		return q->held_ms < wait_ms(q) ? service_hold(q)
					       : service_reply(q, MHD_HTTP_NO_CONTENT, NULL, "", 0);
	answer = cJSON_CreateObject();
	cJSON_AddItemToObject(answer, "verdicts", g->waiting);
	g->waiting = cJSON_CreateArray();
	json = cJSON_PrintUnformatted(answer);
	cJSON_Delete(answer);
	if (!json || !g->waiting)
		return MHD_NO;
	enum MHD_Result r = reply(g, q, json);
	free(json);
	return r;
}

static enum MHD_Result health(const struct gateway *g, const struct service_request *q)
{
	char json[256];
	int len = snprintf(
		json, sizeof json,
		"{\"status\":\"ok\",\"batches\":%llu,\"repeated\":%llu,\"events\":%llu,\"requests\":%llu,"
		"\"verdicts\":%llu,\"clients\":%u}",
		g->batches, g->repeated, g->events, g->requests, g->verdicts, analysis_clients(g->analysis));

	return service_reply(q, MHD_HTTP_OK, NULL, json, (size_t)len);
}

static enum MHD_Result answer(void *arg, const struct service_request *q)
{
	if (strcmp(q->path, "/events") == 0)
		return events(arg, q);
	if (strcmp(q->path, "/verdicts") == 0)
		return verdicts(arg, q);
	if (strcmp(q->path, "/healthz") == 0)
		return health(arg, q);
	return service_error(q, MHD_HTTP_NOT_FOUND, NULL, "events go to /events");
}

/* --- start --- */

static const char usage[] =
	"usage: example-gateway --listen ADDR:PORT [OPTION]...\n"
	"  --log FILE         append every event to FILE, one JSON object a line\n"
	"  --token-file FILE  ask for \"Authorization: Bearer\" with the token in FILE\n"
	"  --sign-key FILE    sign answers: a private Ed25519 key in PEM, or \"hmac: BASE64\"\n"
	"  --poll             give verdicts to GET /verdicts, and not in answers\n"
	"  --chaos MODE,...   misbehave, each request in the next of these ways; all: in all of them\n"
	"  --logins N         login attempts of one client that make an attack (5)\n"
	"  --probes N         different listed paths that make one (3)\n"
	"  --window SECONDS   within this time (60)\n"
	"  --ttl SECONDS      how long to block (300)\n";

static int read_token(struct gateway *g, const char *path)
{
	FILE *f = fopen(path, "r");
	bool ok = f && fgets(g->token, sizeof g->token, f);

	if (f)
		fclose(f);
	g->token[strcspn(g->token, "\r\n")] = 0;
	if (ok && g->token[0])
		return 0;
	fprintf(stderr, "cannot read a token from %s\n", path);
	return 2;
}

static int open_log(struct gateway *g, const char *path)
{
	g->log = fopen(path, "a");
	if (g->log)
		return 0;
	fprintf(stderr, "cannot open %s: %s\n", path, strerror(errno));
	return 2;
}

static int read_number(const char *text, unsigned *ret)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || v == 0 || v > 1000000) {
		fprintf(stderr, "\"%s\" is no number from 1 to 1000000\n", text);
		return 2;
	}
	*ret = (unsigned)v;
	return 0;
}

static int read_options(struct gateway *g, int argc, char **argv, const char **ret_listen)
{
	static const struct option options[] = {
		{"listen", required_argument, NULL, 'l'},
		{"log", required_argument, NULL, 'o'},
		{"token-file", required_argument, NULL, 't'},
		{"sign-key", required_argument, NULL, 's'},
		{"poll", no_argument, NULL, 'P'},
		{"chaos", required_argument, NULL, 'c'},
		{"logins", required_argument, NULL, 'n'},
		{"probes", required_argument, NULL, 'p'},
		{"window", required_argument, NULL, 'w'},
		{"ttl", required_argument, NULL, 'T'},
		{0},
	};
	int c, r = 0;

	while (!r && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'l':
			*ret_listen = optarg;
			break;
		case 'o':
			r = open_log(g, optarg);
			break;
		case 't':
			r = read_token(g, optarg);
			break;
		case 's':
			g->signer = signer_read(optarg);
			r = g->signer ? 0 : 2;
			break;
		case 'P':
			g->waiting = cJSON_CreateArray();
			break;
		case 'c':
			g->chaos = optarg;
			break;
		case 'n':
			r = read_number(optarg, &g->limits.logins);
			break;
		case 'p':
			r = read_number(optarg, &g->limits.probes);
			break;
		case 'w':
			r = read_number(optarg, &g->limits.window_s);
			break;
		case 'T':
			r = read_number(optarg, &g->ttl_s);
			break;
		default:
			r = 2;
		}
	}
	if (!r && (!*ret_listen || optind < argc))
		r = 2;
	if (r)
		fputs(usage, stderr);
	return r;
}

int main(int argc, char **argv)
{
	struct gateway g = {
		.limits = {.logins = 5, .probes = 3, .window_s = 60, .clients = CLIENTS_MAX},
		.ttl_s = 300,
	};
	const char *listen = NULL;
	int r = read_options(&g, argc, argv, &listen);

	if (r == 0 && g.chaos) {
		r = chaos_run(listen, g.chaos, g.signer);
	} else if (r == 0) {
		g.analysis = analysis_new(&g.limits);
		r = g.analysis ? service_run(listen, BODY_MAX, answer, &g) : 1;
	}
	analysis_free(g.analysis);
	answers_free(&g.answers);
	signer_free(g.signer);
	cJSON_Delete(g.waiting);
	if (g.log)
		fclose(g.log);
	return r;
}
