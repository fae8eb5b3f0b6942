// SPDX-License-Identifier: Apache-2.0
/*
 * The forwarder against peers that break off, babble, drip, or are not who they should be: raw sockets and
 * TLS. Whatever they do, no event is lost or counted twice, and a batch is sent again under its key until it
 * was taken.
 */
#include "lib/util.h"
#include "certificate_rig.h"
#include "forwarder_rig.h"
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* --- a peer of raw bytes: each connection gets the next of its answers, the last for all that follow --- */

struct answer {
	const char *bytes; /* what to send once the request was read */
	size_t repeat;     /* ... so often (0: once) */
	unsigned drip_us;  /* one byte at a time, with this pause */
	bool reset;        /* end with RST */
	bool unread;       /* do not read the body first */
};

struct peer {
	int fd;
	uint16_t port;
	pthread_t thread;
	const struct answer *answers;
	size_t count, next;
	char keys[16][128];
	char head[1024]; /* of the last request */
	unsigned requests;
};

#define OK "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"

static void read_request(struct peer *p, int c, bool unread)
{
	static char text[1 << 20];
	size_t len = 0, want = SIZE_MAX;
	ssize_t n;

	while (len < want && len < sizeof text - 1 && (n = read(c, text + len, sizeof text - 1 - len)) > 0) {
		len += (size_t)n;
		text[len] = 0;
		const char *end = strstr(text, "\r\n\r\n"), *at = strstr(text, "Content-Length: ");
		if (end && at && want == SIZE_MAX)
			want = (size_t)(end + 4 - text) + strtoul(at + 16, NULL, 10);
		if (end && (unread || !at))
			break;
	}
	snprintf(p->head, sizeof p->head, "%.*s", (int)len, text);
	const char *key = strstr(text, "Idempotency-Key: ");
	if (key && p->requests < ARRAY_SIZE(p->keys))
		snprintf(p->keys[p->requests], sizeof p->keys[0], "%.*s", (int)strcspn(key + 17, "\r"),
			 key + 17);
	p->requests++;
}

static void send_answer(int c, const struct answer *a)
{
	size_t len = strlen(a->bytes);

	for (size_t i = 0; i < MAX(a->repeat, 1u); i++) {
		if (!a->drip_us) {
			if (send(c, a->bytes, len, MSG_NOSIGNAL) < 0)
				return;
			continue;
		}
		for (size_t k = 0; k < len; k++) {
			if (send(c, a->bytes + k, 1, MSG_NOSIGNAL) < 0)
				return;
			usleep(a->drip_us);
		}
	}
}

static void *peer_main(void *arg)
{
	struct peer *p = arg;
	int c;

	while ((c = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		const struct answer *a = &p->answers[MIN(p->next, p->count - 1)];
		p->next++;
		read_request(p, c, a->unread);
		send_answer(c, a);
		if (a->reset) {
			struct linger hard = {.l_onoff = 1};
			setsockopt(c, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
		}
		close(c);
	}
	return NULL;
}

static void peer_start(struct peer *p, const struct answer *answers, size_t count)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof address;

	*p = (struct peer){.answers = answers, .count = count};
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(p->fd >= 0);
	assert_int_equal(bind(p->fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(p->fd, 16), 0);
	assert_int_equal(getsockname(p->fd, (struct sockaddr *)&address, &len), 0);
	p->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&p->thread, NULL, peer_main, p), 0);
}

static void peer_stop(struct peer *p)
{
	shutdown(p->fd, SHUT_RDWR);
	pthread_join(p->thread, NULL);
	close(p->fd);
}

/* The first answer fails somehow; the second is good. Every attempt carries the same key. */
static void assert_sent_again(const struct answer *bad)
{
	const struct answer answers[] = {*bad, {.bytes = OK}};
	struct peer peer;
	struct rig rig;

	peer_start(&peer, answers, ARRAY_SIZE(answers));
	rig_init(&rig, peer.port);
	rig.gateways[0].timeout_ms = 300;
	rig_start(&rig);
	push(&rig, 3);
	run_until(&rig, batches_delivered, 1);
	assert_int_equal(counts(&rig).events, 3);
	assert_int_equal(counts(&rig).events_dropped, 0);
	assert_int_equal(counts(&rig).retries, 1);
	assert_int_equal(rig.verdicts, 0);
	forwarder_free(rig.f);
	peer_stop(&peer);
	assert_int_equal(peer.requests, 2);
	assert_true(peer.keys[0][0] != 0);
	assert_string_equal(peer.keys[0], peer.keys[1]);
}

static void test_connection_closed_without_an_answer(void **state)
{
	(void)state;
	assert_sent_again(&(struct answer){.bytes = ""});
}

static void test_connection_reset_while_sending(void **state)
{
	(void)state;
	assert_sent_again(&(struct answer){.bytes = "", .unread = true, .reset = true});
}

/* The verdict in it is whole, the answer is not. */
static void test_answer_cut_short(void **state)
{
	(void)state;
	assert_sent_again(&(struct answer){
		.bytes = "HTTP/1.1 200 OK\r\nContent-Length: "
			 "400\r\n\r\n{\"verdicts\":[{\"action\":\"block\",\"target\":"
			 "{\"scope\":\"ip\",\"value\":\"192.0.2.7\"},\"ttl_s\":900,\"confidence\":1}]}"});
}

static void test_answer_that_is_no_http(void **state)
{
	(void)state;
	assert_sent_again(&(struct answer){.bytes = "SSH-2.0-OpenSSH_9.2\r\n"});
	assert_sent_again(&(struct answer){.bytes = "HTTP/9.9 999 What\r\n\r\n"});
}

static void test_answer_that_drips(void **state)
{
	(void)state;
	assert_sent_again(&(struct answer){.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
					   .drip_us = 20000});
}

static void test_answer_with_endless_headers(void **state)
{
	(void)state;
	assert_sent_again(&(struct answer){.bytes = "HTTP/1.1 200 OK\r\n"});
	assert_sent_again(&(struct answer){.bytes = "HTTP/1.1 200 OK\r\nX-Header: 1\r\n", .repeat = 20000});
}

#define SAYS                                                                                          \
	"{\"verdicts\":[{\"action\":\"block\",\"target\":{\"scope\":\"ip\",\"value\":\"192.0.2.7\"}," \
	"\"ttl_s\":900,\"confidence\":1}]}"

/* What is unusual but whole: an informational answer first, a chunked body with trailers, one that ends by
 * closing. */
static void test_answers_that_are_unusual_but_whole(void **state)
{
	static const struct answer answers[] = {
		{.bytes = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" OK},
		{.bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			  "68\r\n" SAYS "\r\n0\r\nX-Trailer: 1\r\n\r\n"},
		{.bytes = "HTTP/1.1 200 OK\r\n\r\n" SAYS},
	};
	struct peer peer;
	struct rig rig;

	(void)state;
	assert_int_equal(strlen(SAYS), 0x68);
	peer_start(&peer, answers, ARRAY_SIZE(answers));
	rig_init(&rig, peer.port);
	rig_start(&rig);
	for (unsigned i = 1; i <= ARRAY_SIZE(answers); i++) {
		push(&rig, 1);
		run_until(&rig, batches_delivered, i);
	}
	assert_int_equal(counts(&rig).retries, 0);
	assert_int_equal(rig.verdicts, 2);
	forwarder_free(rig.f);
	peer_stop(&peer);
}

/* --- through a proxy --- */

/* The host of the url is the proxy's to find. */
static void test_a_proxy_gets_the_whole_url(void **state)
{
	static const struct answer answers[] = {{.bytes = OK}};
	static char url[] = "http://gateway.invalid/events";
	char proxy[64];
	struct peer peer;
	struct rig rig;

	(void)state;
	peer_start(&peer, answers, ARRAY_SIZE(answers));
	snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", peer.port);
	assert_int_equal(setenv("no_proxy", "gateway.invalid", 1), 0);
	rig_init(&rig, 0);
	rig.gateways[0].url = url;
	rig.gateways[0].proxy = proxy;
	rig_start(&rig);
	push(&rig, 3);
	run_until(&rig, batches_delivered, 1);
	forwarder_free(rig.f);
	peer_stop(&peer);
	unsetenv("no_proxy");
	assert_memory_equal(peer.head, "POST http://gateway.invalid/events HTTP/1.1\r\n", 45);
}

/* The proxy of an https gateway sees a name and a port, not the token; its refusal is told as its own. */
static void test_a_proxy_that_refuses_the_tunnel(void **state)
{
	static const struct answer answers[] = {
		{.bytes = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nRetry-After: 9\r\n\r\n"}};
	static char url[] = "https://gateway.invalid/events";
	char proxy[64], dir[] = "/tmp/picket-test-XXXXXX", token[64];
	struct peer peer;
	struct rig rig;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(token, sizeof token, "%s/token", dir);
	write_private(token, "s3cret");
	peer_start(&peer, answers, ARRAY_SIZE(answers));
	snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", peer.port);
	rig_init(&rig, 0);
	rig.gateways[0].url = url;
	rig.gateways[0].proxy = proxy;
	rig.gateways[0].token_file = token;
	rig_start(&rig);
	push(&rig, 3);
	run_until(&rig, backing_off, 0);
	assert_int_equal(counts(&rig).events_held, 3);
	if (!strstr(counts(&rig).last_error, "the proxy does not connect us"))
		fail_msg("\"%s\" does not blame the proxy", counts(&rig).last_error);
	forwarder_free(rig.f);
	peer_stop(&peer);
	assert_memory_equal(peer.head, "CONNECT gateway.invalid:443 ", 28);
	assert_null(strstr(peer.head, "s3cret"));
	unlink(token);
	rmdir(dir);
}

/* --- TLS --- */

struct tls {
	struct MHD_Daemon *daemon;
	char dir[32], ca[64];
	char *key, *certificate;
	uint16_t port;
};

static enum MHD_Result serve(void *cls, struct MHD_Connection *c, const char *path, const char *method,
			     const char *version, const char *upload, size_t *upload_len, void **state)
{
	static int seen;

	(void)cls;
	(void)path;
	(void)method;
	(void)version;
	(void)upload;
	if (!*state || *upload_len) {
		*state = &seen;
		*upload_len = 0;
		return MHD_YES;
	}
	struct MHD_Response *r = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result = MHD_queue_response(c, 204, r);
	MHD_destroy_response(r);
	return result;
}

static void tls_start(struct tls *t)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	*t = (struct tls){.dir = "/tmp/picket-test-XXXXXX"};
	certificate_make(-3600, 3600, &t->certificate, &t->key);
	assert_non_null(mkdtemp(t->dir));
	snprintf(t->ca, sizeof t->ca, "%s/ca.pem", t->dir);
	write_private(t->ca, t->certificate);
	t->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TLS, 0, NULL, NULL, serve, NULL,
				     MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_HTTPS_MEM_KEY, t->key,
				     MHD_OPTION_HTTPS_MEM_CERT, t->certificate, MHD_OPTION_END);
	assert_non_null(t->daemon);
	t->port = MHD_get_daemon_info(t->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

static void tls_stop(struct tls *t)
{
	MHD_stop_daemon(t->daemon);
	unlink(t->ca);
	rmdir(t->dir);
	free(t->key);
	free(t->certificate);
}

static void test_https_with_our_own_authority(void **state)
{
	struct tls t;
	struct rig rig;

	(void)state;
	tls_start(&t);
	rig_init(&rig, 0);
	snprintf(rig.url, sizeof rig.url, "https://127.0.0.1:%u/events", t.port);
	rig.gateways[0].ca_file = t.ca;
	rig_start(&rig);
	for (unsigned i = 1; i <= 20; i++) {
		push(&rig, 2);
		run_until(&rig, batches_delivered, i);
	}
	assert_int_equal(counts(&rig).events, 40);
	assert_int_equal(counts(&rig).connections, 1); /* one handshake */
	forwarder_free(rig.f);
	tls_stop(&t);
}

/* Nothing was sent: the certificate comes before the first byte of ours. */
static void test_https_with_a_certificate_nobody_vouches_for(void **state)
{
	struct tls t;
	struct rig rig;

	(void)state;
	tls_start(&t);
	rig_init(&rig, 0);
	snprintf(rig.url, sizeof rig.url, "https://127.0.0.1:%u/events", t.port);
	rig_start(&rig);
	push(&rig, 2);
	run_until(&rig, backing_off, 0);
	assert_int_equal(counts(&rig).events_held, 2);
	assert_int_equal(counts(&rig).last_status, 0);
	if (!strstr(counts(&rig).last_error, "certificate"))
		fail_msg("\"%s\" does not name the certificate", counts(&rig).last_error);
	forwarder_free(rig.f);
	tls_stop(&t);
}

static void test_https_with_a_certificate_for_another_name(void **state)
{
	struct tls t;
	struct rig rig;

	(void)state;
	tls_start(&t);
	rig_init(&rig, 0);
	snprintf(rig.url, sizeof rig.url, "https://localhost:%u/events", t.port);
	rig.gateways[0].ca_file = t.ca;
	rig_start(&rig);
	push(&rig, 2);
	run_until(&rig, backing_off, 0);
	assert_int_equal(counts(&rig).events_held, 2);
	forwarder_free(rig.f);
	tls_stop(&t);
}

/* The pin is a second lock: it opens to one key alone, and only where the certificate is good as well. */
static void test_https_with_a_pinned_key(void **state)
{
	char pin[CERTIFICATE_PIN_MAX];
	static char other[] = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
	struct tls t, stranger;
	struct rig rig;

	(void)state;
	tls_start(&t);
	tls_start(&stranger);
	certificate_pin(t.certificate, pin);
	rig_init(&rig, 0);
	snprintf(rig.url, sizeof rig.url, "https://127.0.0.1:%u/events", t.port);
	rig.gateways[0].ca_file = t.ca;
	rig.gateways[0].pin = pin;
	rig_start(&rig);
	push(&rig, 2);
	run_until(&rig, batches_delivered, 1);
	forwarder_free(rig.f);
	rig.gateways[0].pin = other;
	rig_start(&rig);
	push(&rig, 2);
	run_until(&rig, backing_off, 0);
	if (!strstr(counts(&rig).last_error, "not the pinned one"))
		fail_msg("\"%s\" does not name the pin", counts(&rig).last_error);
	forwarder_free(rig.f);
	rig.gateways[0].pin = pin;
	rig.gateways[0].ca_file = stranger.ca;
	rig_start(&rig);
	push(&rig, 2);
	run_until(&rig, backing_off, 0);
	if (!strstr(counts(&rig).last_error, "vouches"))
		fail_msg("\"%s\" does not name the certificate", counts(&rig).last_error);
	forwarder_free(rig.f);
	tls_stop(&t);
	tls_stop(&stranger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connection_closed_without_an_answer),
		cmocka_unit_test(test_connection_reset_while_sending),
		cmocka_unit_test(test_answer_cut_short),
		cmocka_unit_test(test_answer_that_is_no_http),
		cmocka_unit_test(test_answer_that_drips),
		cmocka_unit_test(test_answer_with_endless_headers),
		cmocka_unit_test(test_answers_that_are_unusual_but_whole),
		cmocka_unit_test(test_a_proxy_gets_the_whole_url),
		cmocka_unit_test(test_a_proxy_that_refuses_the_tunnel),
		cmocka_unit_test(test_https_with_our_own_authority),
		cmocka_unit_test(test_https_with_a_certificate_nobody_vouches_for),
		cmocka_unit_test(test_https_with_a_certificate_for_another_name),
		cmocka_unit_test(test_https_with_a_pinned_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
