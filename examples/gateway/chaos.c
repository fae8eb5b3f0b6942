// SPDX-License-Identifier: Apache-2.0
/*
 * chaos.c: a thread for each connection, a function for each way to misbehave. Who speaks TLS gets it, with a
 * certificate that has expired, whatever the mode.
 */
#include "chaos.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include "peer.h"
#include "service.h"

#define PEERS_MAX  64
#define MODES_MAX  32
#define HUGE_BYTES (1ull << 30)

struct chaos;

/* One way to answer the request whose head was read. false: the connection ends. */
typedef bool (*answer_fn)(struct chaos *c, struct peer *p);

struct mode {
	const char *name;
	answer_fn answer;
	const char *what;
};

struct chaos {
	const struct signer *signer;
	SSL_CTX *tls;
	const struct mode *modes[MODES_MAX];
	unsigned mode_count;
	atomic_uint requests, peers;
	pthread_mutex_t lock; /* guards what follows: the answer that is replayed */
	char *recorded;
};

/* --- answers as they should be, and how they are then spoilt --- */

static void verdict_on(const struct peer *p, char *ret, size_t size)
{
	static const char key[] = "\"client.address\":\"";
	const char *at = p->body ? strstr(p->body, key) : NULL;
	const char *client = at ? at + strlen(key) : "192.0.2.1";

	snprintf(ret, size,
		 "{\"verdicts\":[{\"id\":\"chaos\",\"action\":\"block\",\"target\":{\"scope\":\"ip\","
		 "\"value\":"
		 "\"%.*s\"},\"ttl_s\":600,\"confidence\":1}]}",
		 (int)strcspn(client, "\""), client);
}

struct spoil {
	const char *body;      /* that is signed; NULL: a verdict on who sent the first request */
	const char *sent_body; /* NULL: the same */
	const char *key_end;   /* behind the batch's key */
	int age_s;
	bool break_signature;
};

/* Field lines that say the answer is ours, each with its line end; "" where nobody signs. */
static void sign(const struct chaos *c, const struct peer *p, const char *body, const struct spoil *how,
		 char ret[static SIGN_FIELDS_MAX + 64])
{
	char key[2 * PEER_FIELD_MAX], nonce[PEER_FIELD_MAX], fields[SIGN_FIELDS_MAX], *rest = NULL;
	struct sign_answer a = {
		.status = 200,
		.body = body,
		.body_len = strlen(body),
		.key = key,
		.nonce = nonce,
		.created = time(NULL) - how->age_s,
	};

	ret[0] = 0;
	peer_field(p, "Idempotency-Key", key);
	peer_field(p, "Picket-Nonce", nonce);
	if (how->key_end)
		strncat(key, how->key_end, sizeof key - strlen(key) - 1);
	if (!c->signer || signer_fields(c->signer, &a, fields))
		return;
	if (how->break_signature) {
		char *value = strstr(fields, "\nSignature: ") + 22;
		*value = *value == 'A' ? 'B' : 'A';
	}
	for (char *line = strtok_r(fields, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		strcat(ret, line);
		strcat(ret, "\r\n");
	}
}

/* The whole answer, malloc'd. */
static char *write_answer(const struct chaos *c, const struct peer *p, const struct spoil *how)
{
	char fields[SIGN_FIELDS_MAX + 64], verdict[512], *text = NULL;
	const char *body = how->body ? how->body : verdict;

	verdict_on(p, verdict, sizeof verdict);
	sign(c, p, body, how, fields);
	if (how->sent_body)
		body = how->sent_body;
	if (asprintf(&text,
		     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n%s",
		     strlen(body), fields, body) < 0)
		return NULL;
	return text;
}

static bool send_text(struct peer *p, const char *text)
{
	return peer_write(p, text, strlen(text));
}

static bool answer_with(const struct chaos *c, struct peer *p, const struct spoil *how)
{
	char *text = peer_read_body(p) ? write_answer(c, p, how) : NULL;
	bool sent = text && send_text(p, text);

	free(text);
	return sent;
}

/* Reads the request, and answers by that text alone. */
static bool answer_text(struct peer *p, const char *text)
{
	return peer_read_body(p) && send_text(p, text);
}

/* --- the modes --- */

static bool good(struct chaos *c, struct peer *p)
{
	return answer_with(c, p, &(struct spoil){0});
}

static bool drip(struct chaos *c, struct peer *p)
{
	char *text = peer_read_body(p) ? write_answer(c, p, &(struct spoil){0}) : NULL;

	for (const char *at = text; at && *at; at++)
		if (!peer_wait(p, 1000) || !peer_write(p, at, 1))
			break;
	free(text);
	return false;
}

static bool latency(struct chaos *c, struct peer *p)
{
	char *text = peer_read_body(p) ? write_answer(c, p, &(struct spoil){0}) : NULL;
	bool sent = text && peer_wait(p, 30000) && send_text(p, text);

	free(text);
	return sent;
}

static bool too_many(struct chaos *c, struct peer *p)
{
	(void)c;
	return answer_text(p, "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n");
}

static bool too_many_later(struct chaos *c, struct peer *p)
{
	(void)c;
	return answer_text(p,
			   "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n");
}

static bool unavailable(struct chaos *c, struct peer *p)
{
	(void)c;
	return answer_text(p, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
}

static bool unavailable_later(struct chaos *c, struct peer *p)
{
	(void)c;
	return answer_text(p,
			   "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n");
}

/* The body is read all the same: the connection can be used on. */
static bool early(struct chaos *c, struct peer *p)
{
	char *text = write_answer(c, p, &(struct spoil){.body = "{\"verdicts\":[]}"});
	bool sent = text && send_text(p, text);

	free(text);
	return sent && peer_wait(p, 50) && peer_read_body(p);
}

/* Nothing more comes from us, and we go on listening for a while. */
static bool half_closed(struct chaos *c, struct peer *p)
{
	(void)c;
	if (peer_read_body(p)) {
		shutdown(p->fd, SHUT_WR);
		peer_wait(p, 30000);
	}
	return false;
}

static bool reset(struct chaos *c, struct peer *p)
{
	char *text = peer_read_body(p) ? write_answer(c, p, &(struct spoil){0}) : NULL;

	/* Half of it is seen before the rest is lost. */
	if (text && peer_write(p, text, strlen(text) / 2))
		peer_wait(p, 100);
	peer_reset(p);
	free(text);
	return false;
}

/* What it says matters to who accepts the certificate. */
static bool expired(struct chaos *c, struct peer *p)
{
	return good(c, p);
}

static bool html(struct chaos *c, struct peer *p)
{
	(void)c;
	return answer_text(p, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 36\r\n\r\n"
			      "<html><body>It works!</body></html>\n");
}

static bool huge(struct chaos *c, struct peer *p)
{
	char blanks[64 * 1024];
	unsigned long long left;

	(void)c;
	memset(blanks, ' ', sizeof blanks);
	if (!answer_text(p, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
			    "1073741824\r\n\r\n"))
		return false;
	for (left = HUGE_BYTES; left && peer_write(p, blanks, sizeof blanks); left -= sizeof blanks)
		;
	return left == 0;
}

#define STREAM "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"

static bool sse(struct chaos *c, struct peer *p)
{
	char verdict[512];

	(void)c;
	if (!answer_text(p, STREAM "data: "))
		return false;
	verdict_on(p, verdict, sizeof verdict);
	if (send_text(p, verdict))
		send_text(p, "\n\ndata: [DONE]\n\n");
	return false;
}

static bool sse_endless(struct chaos *c, struct peer *p)
{
	(void)c;
	if (answer_text(p, STREAM))
		while (send_text(p, "data: {}\n\n") && peer_wait(p, 100))
			;
	return false;
}

static bool not_signed(struct chaos *c, struct peer *p)
{
	struct chaos without = {.signer = NULL};

	(void)c;
	return answer_with(&without, p, &(struct spoil){0});
}

static bool bad_signature(struct chaos *c, struct peer *p)
{
	return answer_with(c, p, &(struct spoil){.break_signature = true});
}

static bool changed_body(struct chaos *c, struct peer *p)
{
	char verdict[512];

	if (!peer_read_body(p))
		return false;
	verdict_on(p, verdict, sizeof verdict);
	char *text = write_answer(c, p, &(struct spoil){.body = "{\"verdicts\":[]}", .sent_body = verdict});
	bool sent = text && send_text(p, text);
	free(text);
	return sent;
}

static bool stale(struct chaos *c, struct peer *p)
{
	return answer_with(c, p, &(struct spoil){.age_s = 3600});
}

static bool other_batch(struct chaos *c, struct peer *p)
{
	return answer_with(c, p, &(struct spoil){.key_end = "0"});
}

/* The first request fails; to its repetition, and all others, what was meant for it is said. */
static bool replayed(struct chaos *c, struct peer *p)
{
	char *text = NULL;
	bool sent;

	if (!peer_read_body(p))
		return false;
	pthread_mutex_lock(&c->lock);
	if (c->recorded)
		text = strdup(c->recorded);
	else
		c->recorded = write_answer(c, p, &(struct spoil){0});
	pthread_mutex_unlock(&c->lock);
	sent = send_text(p, text ? text : "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
	free(text);
	return sent;
}

static bool duplicate_key(struct chaos *c, struct peer *p)
{
	return answer_with(c, p, &(struct spoil){.body = "{\"verdicts\":[],\"verdicts\":[]}"});
}

static const struct mode modes[] = {
	{"good", good, "a verdict as it should be: the control"},
	{"drip", drip, "one byte a second"},
	{"latency", latency, "the answer comes after 30 s"},
	{"429", too_many, "429 without Retry-After"},
	{"429-later", too_many_later, "429, Retry-After: 3"},
	{"503", unavailable, "503 without Retry-After"},
	{"503-later", unavailable_later, "503, Retry-After: 3"},
	{"early", early, "the answer comes before the body is read"},
	{"half-closed", half_closed, "the request is read, then only our side is closed"},
	{"reset", reset, "half an answer, then a reset"},
	{"expired", expired, "over TLS: a certificate that has expired"},
	{"html", html, "a web page with status 200"},
	{"huge", huge, "an answer of 1 GiB"},
	{"sse", sse, "the verdict as a stream of events, which ends"},
	{"sse-endless", sse_endless, "a stream of events that does not end"},
	{"unsigned", not_signed, "a verdict that is not signed"},
	{"bad-signature", bad_signature, "a signature with one character changed"},
	{"changed-body", changed_body, "another body than the one that was signed"},
	{"stale", stale, "a signature that is an hour old"},
	{"other-batch", other_batch, "a good signature, for another batch"},
	{"replayed", replayed, "a good signature, for an earlier attempt at the batch"},
	{"duplicate-key", duplicate_key, "signed JSON in which a key comes twice"},
};
#define MODE_COUNT (sizeof modes / sizeof modes[0])

static bool add_mode(struct chaos *c, const char *name, size_t len)
{
	for (size_t i = 0; i < MODE_COUNT; i++) {
		if (strlen(modes[i].name) != len || strncmp(modes[i].name, name, len) != 0)
			continue;
		if (c->mode_count < MODES_MAX)
			c->modes[c->mode_count++] = &modes[i];
		return true;
	}
	return false;
}

static int read_modes(struct chaos *c, const char *names)
{
	if (strcmp(names, "all") == 0) {
		for (size_t i = 0; i < MODE_COUNT; i++)
			c->modes[c->mode_count++] = &modes[i];
		return 0;
	}
	for (const char *at = names;; at++) {
		size_t len = strcspn(at, ",");
		if (!add_mode(c, at, len)) {
			fprintf(stderr, "\"%.*s\" is no way to misbehave; these are:\n", (int)len, at);
			for (size_t i = 0; i < MODE_COUNT; i++)
				fprintf(stderr, "  %-14s %s\n", modes[i].name, modes[i].what);
			return 2;
		}
		at += len;
		if (!*at)
			return 0;
	}
}

/* --- connections --- */

/* A certificate for nobody, which was valid until an hour ago. */
static SSL_CTX *expired_tls(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *c = X509_new();
	bool good = false;

	if (context && key && c) {
		X509_set_version(c, 2);
		ASN1_INTEGER_set(X509_get_serialNumber(c), 1);
		X509_gmtime_adj(X509_getm_notBefore(c), -7200);
		X509_gmtime_adj(X509_getm_notAfter(c), -3600);
		X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC,
					   (const unsigned char *)"expired", -1, -1, 0);
		X509_set_issuer_name(c, X509_get_subject_name(c));
		X509_set_pubkey(c, key);
		good = X509_sign(c, key, EVP_sha256()) && SSL_CTX_use_certificate(context, c) == 1 &&
		       SSL_CTX_use_PrivateKey(context, key) == 1;
	}
	X509_free(c);
	EVP_PKEY_free(key);
	if (good)
		return context;
	SSL_CTX_free(context);
	return NULL;
}

struct visit {
	struct chaos *chaos;
	struct peer *peer;
};

static bool shake_hands(struct chaos *c, struct peer *p)
{
	unsigned char first;

	if (recv(p->fd, &first, 1, MSG_PEEK) != 1 || first != 0x16) /* a TLS handshake */
		return true;
	p->tls = SSL_new(c->tls);
	return p->tls && SSL_set_fd(p->tls, p->fd) == 1 && SSL_accept(p->tls) == 1;
}

static void *serve(void *arg)
{
	struct visit *v = arg;
	struct chaos *c = v->chaos;

	if (shake_hands(c, v->peer))
		while (peer_read_head(v->peer))
			if (!c->modes[atomic_fetch_add(&c->requests, 1) % c->mode_count]->answer(c, v->peer))
				break;
	peer_close(v->peer);
	free(v);
	atomic_fetch_sub(&c->peers, 1);
	return NULL;
}

static void welcome(struct chaos *c, int fd)
{
	const struct timeval limit = {.tv_sec = 60};
	struct visit *v = malloc(sizeof *v);
	struct peer *p = calloc(1, sizeof *p);
	pthread_t thread;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	if (v && p && atomic_fetch_add(&c->peers, 1) < PEERS_MAX) {
		p->fd = fd;
		*v = (struct visit){c, p};
		if (pthread_create(&thread, NULL, serve, v) == 0) {
			pthread_detach(thread);
			return;
		}
	}
	if (v && p)
		atomic_fetch_sub(&c->peers, 1);
	free(v);
	free(p);
	close(fd);
}

int chaos_run(const char *listen, const char *names, const struct signer *signer)
{
	/* Threads that are not waited for use it until the program ends. */
	static struct chaos c = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct pollfd waiting = {.events = POLLIN};
	int r = read_modes(&c, names);

	if (r)
		return r;
	c.signer = signer;
	c.tls = expired_tls();
	r = c.tls ? service_listen(listen, &waiting.fd) : 1;
	if (r)
		return r;
	service_announce(waiting.fd);
	while (poll(&waiting, 1, -1) > 0 || errno == EINTR) {
		int fd = accept4(waiting.fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			welcome(&c, fd);
	}
	return 1;
}
