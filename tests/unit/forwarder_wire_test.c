// SPDX-License-Identifier: Apache-2.0
/*
 * The forwarder against peers that break off, babble, drip, or are not who they should be: raw sockets and
 * TLS. Whatever they do, no event is lost or counted twice, and a batch is sent again under its key until it
 * was taken.
 */
#include "lib/util.h"
#include "forwarder_rig.h"
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
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
		if (end && unread)
			break;
	}
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

/* --- TLS --- */

struct tls {
	struct MHD_Daemon *daemon;
	char dir[32], ca[64];
	char *key, *certificate;
	uint16_t port;
};

static char *pem(int (*write)(BIO *out, void *what), void *what)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *text, *copy;
	long len;

	assert_int_equal(write(out, what), 1);
	len = BIO_get_mem_data(out, &text);
	copy = strndup(text, (size_t)len);
	BIO_free(out);
	return copy;
}

static int write_key(BIO *out, void *key)
{
	return PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
}

static int write_certificate(BIO *out, void *certificate)
{
	return PEM_write_bio_X509(out, certificate);
}

/* Its own authority, for 127.0.0.1. */
static void make_certificate(struct tls *t)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *c = X509_new();
	X509_EXTENSION *name = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
	X509_EXTENSION *authority =
		X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");

	X509_set_version(c, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c), 1);
	X509_gmtime_adj(X509_getm_notBefore(c), -3600);
	X509_gmtime_adj(X509_getm_notAfter(c), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC,
				   (const unsigned char *)"picket test", -1, -1, 0);
	X509_set_issuer_name(c, X509_get_subject_name(c));
	X509_set_pubkey(c, key);
	X509_add_ext(c, authority, -1);
	X509_add_ext(c, name, -1);
	assert_true(X509_sign(c, key, EVP_sha256()) > 0);
	t->key = pem(write_key, key);
	t->certificate = pem(write_certificate, c);
	X509_EXTENSION_free(name);
	X509_EXTENSION_free(authority);
	X509_free(c);
	EVP_PKEY_free(key);
}

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
	make_certificate(t);
	assert_non_null(mkdtemp(t->dir));
	snprintf(t->ca, sizeof t->ca, "%s/ca.pem", t->dir);
	FILE *f = fopen(t->ca, "w");
	assert_non_null(f);
	assert_true(fputs(t->certificate, f) >= 0);
	fclose(f);
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
		cmocka_unit_test(test_https_with_our_own_authority),
		cmocka_unit_test(test_https_with_a_certificate_nobody_vouches_for),
		cmocka_unit_test(test_https_with_a_certificate_for_another_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
