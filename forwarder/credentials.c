// SPDX-License-Identifier: Apache-2.0
#include "forwarder/credentials.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include "forwarder/secret.h"
#include "lib/util.h"

#define TOKEN_MAX (8 * 1024)
#define PEM_MAX   (1024 * 1024)
#define KEYS_MAX  (64 * 1024)

static int invalid(struct buffer *errors, const struct config_gateway *c, const char *key, const char *why)
{
	buffer_printf(errors, "gateways: %s: %s: %s\n", c->name, key, why);
	return CONFIG_E_INVALID;
}

static int secret_invalid(struct buffer *errors, const struct config_gateway *c, const char *key,
			  const char *path, int error)
{
	if (error < 0)
		return error;
	buffer_printf(errors, "gateways: %s: %s: %s %s%s%s\n", c->name, key, path, secret_error_text(error),
		      error == SECRET_E_UNREADABLE ? ": " : "",
		      error == SECRET_E_UNREADABLE ? strerror(errno) : "");
	return CONFIG_E_INVALID;
}

static void wipe(struct buffer *b)
{
	if (b->data)
		explicit_bzero(b->data, b->size);
	buffer_free(b);
}

static const char *header_of(const struct config_gateway *c)
{
	return c->protocol == GATEWAY_CROWDSEC ? "X-Api-Key"
	       : c->auth_header                ? c->auth_header
					       : "Authorization";
}

static bool is_raw(const struct config_gateway *c)
{
	return c->auth_scheme == AUTH_RAW || c->protocol == GATEWAY_CROWDSEC;
}

/* One token as a header: "NAME: SCHEME" and what the file at path holds. key: who names that file. */
static int read_header(const struct config_gateway *c, const char *key, const char *path, const char *head,
		       struct buffer *ret, struct buffer *errors)
{
	struct buffer token = BUFFER_INIT(TOKEN_MAX);
	bool shared = false;
	int r = secret_read_token(path, &token, &shared);

	if (r)
		r = secret_invalid(errors, c, key, path, r);
	else if (buffer_append_text(ret, head) || buffer_append(ret, token.data, token.len) ||
		 buffer_append_char(ret, 0))
		r = -ENOMEM;
	if (!r && shared)
		buffer_printf(errors, "gateways: %s: %s: others may read %s: chmod 600 it\n", c->name, key,
			      path);
	/* Lunar's header rewriting keeps what stands before the first one. */
	if (!r && c->transport == TRANSPORT_LUNAR && memchr(token.data, ':', token.len))
		buffer_printf(errors,
			      "gateways: %s: %s: %s holds a ':', and Lunar may cut what comes behind it\n",
			      c->name, key, path);
	wipe(&token);
	return r;
}

static int read_token(const struct config_gateway *c, struct buffer *ret, struct buffer *errors)
{
	char head[96];

	if (!c->token_file || !c->token_file[0])
		return 0;
	snprintf(head, sizeof head, "%s: %s", header_of(c), is_raw(c) ? "" : "Bearer ");
	return read_header(c, "token_file", c->token_file, head, ret, errors);
}

/* Lines of header_files are "Name: /path". */
static int read_headers(const struct config_gateway *c, struct buffer *ret, struct buffer *errors)
{
	unsigned n = 0;
	int r = 0;

	for (unsigned i = 0; i < c->headers.count; i++) {
		const char *line = c->headers.items[i], *value = strchr(line, ':') + 1;

		if (c->transport == TRANSPORT_LUNAR && strchr(value, ':'))
			buffer_printf(errors,
				      "gateways: %s: headers: the value of %.*s holds a ':', and Lunar may "
				      "cut what "
				      "comes behind it\n",
				      c->name, (int)strcspn(line, ":"), line);
	}

	if (c->lunar_key_file)
		r = read_header(c, "lunar_key_file", c->lunar_key_file, "x-lunar-api-key: ", &ret[n++],
				errors);
	for (unsigned i = 0; i < c->header_files.count && n < CREDENTIALS_HEADERS && !r; i++) {
		const char *line = c->header_files.items[i], *path = strchr(line, '/');
		char head[96];

		snprintf(head, sizeof head, "%.*s: ", (int)strcspn(line, ":"), line);
		r = read_header(c, "header_files", path, head, &ret[n++], errors);
	}
	return r;
}

static int read_pem(const struct config_gateway *c, const char *key, const char *path, struct buffer *ret,
		    struct buffer *errors)
{
	int r = path && path[0] ? secret_read_file(path, ret) : 0;

	return r ? secret_invalid(errors, c, key, path, r) : 0;
}

static int read_key(const struct config_gateway *c, struct buffer *ret, struct buffer *errors)
{
	int r = c->key_file ? secret_read_private(c->key_file, ret) : 0;

	return r ? secret_invalid(errors, c, "key_file", c->key_file, r) : 0;
}

static int read_verify_keys(const struct config_gateway *c, struct signature_keys *ret, struct buffer *errors)
{
	struct buffer text = BUFFER_INIT(KEYS_MAX);
	bool shared;
	unsigned line;
	int r, e;

	if (!c->verify_key_file)
		return 0;
	r = secret_read_private(c->verify_key_file, &text);
	shared = r == SECRET_E_SHARED;
	e = !r || shared ? signature_keys_parse(buffer_span(&text), ret, &line) : 0;
	wipe(&text);
	if (e) {
		buffer_printf(errors, "gateways: %s: verify_key_file: %s:%u: %s\n", c->name,
			      c->verify_key_file, line, signature_keys_error_text(e));
		return CONFIG_E_INVALID;
	}
	/* Public keys may be read by anybody. */
	if (shared && !signature_keys_secret(ret))
		r = 0;
	return r ? secret_invalid(errors, c, "verify_key_file", c->verify_key_file, r) : 0;
}

/* --- certificate and key --- */

/* Asked for a key's password: there is nobody to ask, and OpenSSL would ask the terminal. */
static int no_password(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)arg = true;
	return -1;
}

static X509 *parse_certificate(const struct buffer *pem)
{
	BIO *in = BIO_new_mem_buf(pem->data, (int)pem->len);
	X509 *certificate = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;

	BIO_free(in);
	return certificate;
}

static EVP_PKEY *parse_key(const struct buffer *pem, bool *ret_locked)
{
	BIO *in = BIO_new_mem_buf(pem->data, (int)pem->len);
	EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, no_password, ret_locked) : NULL;

	BIO_free(in);
	return key;
}

/* Told now, to who starts picket, and not by each handshake that fails. */
static int check_pair(const struct config_gateway *c, const struct credentials *all, struct buffer *errors)
{
	bool locked = false;
	X509 *certificate = parse_certificate(&all->certificate);
	EVP_PKEY *key = parse_key(&all->key, &locked);
	int r = 0;

	if (!certificate)
		r = invalid(errors, c, "cert_file", "holds no certificate in PEM");
	else if (!key)
		r = invalid(
			errors, c, "key_file",
			locked ? "is locked by a password, and there is nobody to ask: openssl pkey -in OLD "
				 "-out NEW unlocks it"
			       : "holds no key in PEM");
	else if (X509_check_private_key(certificate, key) != 1)
		r = invalid(errors, c, "key_file", "is not the key of cert_file");
	else if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
		buffer_printf(errors,
			      "gateways: %s: cert_file: the certificate has expired: have it renewed\n",
			      c->name);
	EVP_PKEY_free(key);
	X509_free(certificate);
	ERR_clear_error();
	return r;
}

int credentials_read(const struct config_gateway *c, struct credentials *ret, struct buffer *errors)
{
	*ret = (struct credentials){
		.authorization = BUFFER_INIT(TOKEN_MAX + 128),
		.ca = BUFFER_INIT(PEM_MAX),
		.certificate = BUFFER_INIT(PEM_MAX),
		.key = BUFFER_INIT(PEM_MAX),
	};
	for (unsigned i = 0; i < CREDENTIALS_HEADERS; i++)
		ret->headers[i] = BUFFER_INIT(TOKEN_MAX + 128);
	int r = read_token(c, &ret->authorization, errors);

	if (!r)
		r = read_headers(c, ret->headers, errors);
	if (!r)
		r = read_pem(c, "ca_file", c->ca_file, &ret->ca, errors);
	if (!r)
		r = read_pem(c, "cert_file", c->cert_file, &ret->certificate, errors);
	if (!r)
		r = read_key(c, &ret->key, errors);
	if (!r && ret->certificate.len)
		r = check_pair(c, ret, errors);
	if (!r)
		r = read_verify_keys(c, &ret->verify, errors);
	return r;
}

void credentials_free(struct credentials *c)
{
	wipe(&c->authorization);
	for (unsigned i = 0; i < CREDENTIALS_HEADERS; i++)
		wipe(&c->headers[i]);
	wipe(&c->key);
	buffer_free(&c->certificate);
	buffer_free(&c->ca);
	signature_keys_free(&c->verify);
}
