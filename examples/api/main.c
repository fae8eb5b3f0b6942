// SPDX-License-Identifier: Apache-2.0
/*
 * The API that the demo protects: users, a login, orders. Small, but it answers as an API does: JSON, 401 for
 * a wrong password, 404, 405, 413. It knows nothing of picket.
 *
 *     example-api --listen ADDR:PORT
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cjson/cJSON.h>
#include "service.h"

#define BODY_MAX   (64 * 1024)
#define USERS      1000
#define ORDERS_MAX 1000000

struct shop {
	unsigned orders;
};

static bool is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static enum MHD_Result health(struct shop *shop, const struct service_request *q)
{
	static const char ok[] = "{\"status\":\"ok\"}";

	(void)shop;
	return service_reply(q, MHD_HTTP_OK, NULL, ok, sizeof ok - 1);
}

static enum MHD_Result user(struct shop *shop, const struct service_request *q)
{
	const char *text = strrchr(q->path, '/') + 1;
	char json[128], *end;
	unsigned long id = strtoul(text, &end, 10);

	(void)shop;
	if (*text < '0' || *text > '9' || *end || id == 0 || id > USERS)
		return service_error(q, MHD_HTTP_NOT_FOUND, NULL, "no such user");
	int len = snprintf(json, sizeof json, "{\"id\":%lu,\"name\":\"user %lu\",\"active\":true}", id, id);
	return service_reply(q, MHD_HTTP_OK, NULL, json, (size_t)len);
}

/* One account, known to every reader of this file: it guards nothing. */
static bool is_alice(const char *name, const char *password)
{
	return is(name, "alice") && is(password, "wonderland");
}

/* The value of key in a form ("a=b&c=d"), as sent. */
static bool form_value(const char *form, const char *key, char *ret, size_t size)
{
	size_t len = strlen(key);

	for (const char *at = form; at; at = strchr(at, '&')) {
		at += *at == '&';
		if (strncmp(at, key, len) == 0 && at[len] == '=') {
			snprintf(ret, size, "%.*s", (int)strcspn(at + len + 1, "&"), at + len + 1);
			return true;
		}
	}
	return false;
}

/* Takes {"user": ..., "password": ...} or the same as a form. Returns the status. */
static unsigned login_check(const struct service_request *q)
{
	char form_name[64], form_password[64];
	cJSON *json = cJSON_ParseWithLength(q->body, q->body_len);
	const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "user"));
	const char *password = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "password"));
	unsigned status = MHD_HTTP_BAD_REQUEST;

	if (!json && form_value(q->body, "user", form_name, sizeof form_name) &&
	    form_value(q->body, "password", form_password, sizeof form_password)) {
		name = form_name;
		password = form_password;
	}
	if (name && password)
		status = is_alice(name, password) ? MHD_HTTP_OK : MHD_HTTP_UNAUTHORIZED;
	cJSON_Delete(json);
	return status;
}

static enum MHD_Result login(struct shop *shop, const struct service_request *q)
{
	static const char welcome[] = "{\"token\":\"example\",\"expires_in\":3600}";

	(void)shop;
	switch (login_check(q)) {
	case MHD_HTTP_OK:
		return service_reply(q, MHD_HTTP_OK, NULL, welcome, sizeof welcome - 1);
	case MHD_HTTP_UNAUTHORIZED:
		return service_error(q, MHD_HTTP_UNAUTHORIZED, "WWW-Authenticate: Bearer",
				     "no account with this user and password");
	default:
		return service_error(q, MHD_HTTP_BAD_REQUEST, NULL, "send user and password");
	}
}

static enum MHD_Result orders(struct shop *shop, const struct service_request *q)
{
	char json[128];
	int len;

	if (is(q->method, "POST")) {
		if (shop->orders < ORDERS_MAX)
			shop->orders++;
		len = snprintf(json, sizeof json, "{\"id\":%u,\"state\":\"accepted\"}", shop->orders);
		return service_reply(q, MHD_HTTP_CREATED, NULL, json, (size_t)len);
	}
	len = snprintf(json, sizeof json, "{\"orders\":[{\"id\":1,\"state\":\"shipped\"}],\"placed\":%u}",
		       shop->orders);
	return service_reply(q, MHD_HTTP_OK, NULL, json, (size_t)len);
}

static const struct route {
	const char *path;
	bool prefix; /* the path goes on with one more segment */
	const char *methods, *allow;
	enum MHD_Result (*handler)(struct shop *shop, const struct service_request *q);
} routes[] = {
	{"/healthz", false, " GET HEAD ", "Allow: GET, HEAD", health},
	{"/api/v1/users/", true, " GET HEAD ", "Allow: GET, HEAD", user},
	{"/api/v1/login", false, " POST ", "Allow: POST", login},
	{"/api/v1/orders", false, " GET HEAD POST ", "Allow: GET, HEAD, POST", orders},
};

static bool route_matches(const struct route *r, const char *path)
{
	size_t len = strlen(r->path);

	if (!r->prefix)
		return is(path, r->path);
	return strncmp(path, r->path, len) == 0 && path[len] && !strchr(path + len, '/');
}

static bool route_allows(const struct route *r, const char *method)
{
	char word[32];
	int len = snprintf(word, sizeof word, " %s ", method);

	return len > 0 && (size_t)len < sizeof word && strstr(r->methods, word);
}

static enum MHD_Result answer(void *arg, const struct service_request *q)
{
	for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
		if (!route_matches(&routes[i], q->path))
			continue;
		if (!route_allows(&routes[i], q->method))
			return service_error(q, MHD_HTTP_METHOD_NOT_ALLOWED, routes[i].allow,
					     "method not allowed");
		return routes[i].handler(arg, q);
	}
	return service_error(q, MHD_HTTP_NOT_FOUND, NULL, "not found");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"listen", required_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *listen = NULL;
	struct shop shop = {0};
	int c;

	while ((c = getopt_long(argc, argv, "l:h", options, NULL)) != -1) {
		if (c == 'l')
			listen = optarg;
		else if (c == 'h')
			return puts("usage: example-api --listen ADDR:PORT") < 0;
		else
			return 2;
	}
	if (!listen || optind < argc) {
		fprintf(stderr, "usage: example-api --listen ADDR:PORT\n");
		return 2;
	}
	return service_run(listen, BODY_MAX, answer, &shop);
}
