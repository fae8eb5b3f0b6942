// SPDX-License-Identifier: Apache-2.0
#include "analysis.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS   1024
#define NS_PER_S  1000000000ull
#define PATHS_MAX 32 /* bits of client.probed */

/* Paths that belong to no API, but to every scanner's list. A path matches if it begins with one of these. */
static const char *const listed_paths[] = {
	"/.env",       "/.git/",       "/.aws/",         "/wp-login.php", "/wp-admin", "/xmlrpc.php",
	"/phpmyadmin", "/phpinfo.php", "/server-status", "/actuator/",    "/cgi-bin/", "/admin.php",
	"/backup",     "/config.json", "/etc/passwd",    "/solr/",        "/console",  "/vendor/phpunit",
};
_Static_assert(sizeof listed_paths / sizeof listed_paths[0] <= PATHS_MAX, "one bit each");

static const char *const login_paths[] = {"/login", "/signin", "/auth", "/token", "/session"};

/* Events of one kind within a window that begins with the first of them. */
struct counter {
	unsigned count;
	uint64_t since_ns;
	char evidence[ANALYSIS_EVIDENCE_MAX][ANALYSIS_TEXT_MAX]; /* a ring; count says where it ends */
};

struct client {
	struct client *next;          /* in its bucket */
	struct client *newer, *older; /* by when they were last seen */
	char name[ANALYSIS_TEXT_MAX];
	struct counter logins, probes;
	uint32_t probed; /* bit n: listed_paths[n] was asked for within the window */
};

struct analysis {
	struct analysis_options options;
	struct client *buckets[BUCKETS];
	struct client *newest, *oldest;
	unsigned count;
};

static unsigned bucket_of(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h % BUCKETS;
}

/* --- clients, newest first --- */

static void age_unlink(struct analysis *a, struct client *c)
{
	*(c->newer ? &c->newer->older : &a->newest) = c->older;
	*(c->older ? &c->older->newer : &a->oldest) = c->newer;
}

static void age_link(struct analysis *a, struct client *c)
{
	c->newer = NULL;
	c->older = a->newest;
	*(a->newest ? &a->newest->newer : &a->oldest) = c;
	a->newest = c;
}

static void forget(struct analysis *a, struct client *c)
{
	struct client **at = &a->buckets[bucket_of(c->name)];

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	age_unlink(a, c);
	a->count--;
	free(c);
}

/* The client of that name, made if need be; NULL: out of memory. */
static struct client *client_get(struct analysis *a, const char *name)
{
	struct client **bucket = &a->buckets[bucket_of(name)], *c;

	for (c = *bucket; c; c = c->next) {
		if (strcmp(c->name, name) == 0) {
			age_unlink(a, c);
			age_link(a, c);
			return c;
		}
	}
	if (a->count >= a->options.clients)
		forget(a, a->oldest);
	c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	snprintf(c->name, sizeof c->name, "%s", name);
	c->next = *bucket;
	*bucket = c;
	age_link(a, c);
	a->count++;
	return c;
}

/* --- counting --- */

static void counter_add(struct counter *k, const char *event_id)
{
	snprintf(k->evidence[k->count % ANALYSIS_EVIDENCE_MAX], ANALYSIS_TEXT_MAX, "%s", event_id);
	k->count++;
}

/* Starts anew when the window is over (or the clock went back). Returns true if it did. */
static bool counter_window(struct counter *k, uint64_t now_ns, unsigned window_s)
{
	if (k->count && now_ns >= k->since_ns && now_ns - k->since_ns < window_s * NS_PER_S)
		return false;
	k->count = 0;
	k->since_ns = now_ns;
	return true;
}

static void counter_evidence(const struct counter *k, struct analysis_finding *ret)
{
	unsigned n = k->count < ANALYSIS_EVIDENCE_MAX ? k->count : ANALYSIS_EVIDENCE_MAX;

	for (unsigned i = 0; i < n; i++)
		ret->evidence[i] = k->evidence[(k->count - n + i) % ANALYSIS_EVIDENCE_MAX];
	ret->evidence_count = n;
}

static bool is_login(const struct analysis_request *q)
{
	const char *last = strrchr(q->path, '/');

	if (strcmp(q->method, "POST") != 0 || !last)
		return false;
	for (size_t i = 0; i < sizeof login_paths / sizeof login_paths[0]; i++) {
		if (strcmp(last, login_paths[i]) == 0)
			return true;
	}
	return false;
}

static int listed(const char *path)
{
	for (size_t i = 0; i < sizeof listed_paths / sizeof listed_paths[0]; i++) {
		if (strncmp(path, listed_paths[i], strlen(listed_paths[i])) == 0)
			return (int)i;
	}
	return -1;
}

static int note_login(struct analysis *a, struct client *c, const struct analysis_request *q,
		      struct analysis_finding *ret)
{
	counter_window(&c->logins, q->time_ns, a->options.window_s);
	counter_add(&c->logins, q->event_id);
	if (c->logins.count < a->options.logins)
		return 0;
	*ret = (struct analysis_finding){.client = c->name, .what = "login_guessing", .confidence = 0.95};
	snprintf(ret->reason, sizeof ret->reason, "%u login attempts within %u s", c->logins.count,
		 (unsigned)((q->time_ns - c->logins.since_ns) / NS_PER_S) + 1);
	counter_evidence(&c->logins, ret);
	c->logins.count = 0;
	return 1;
}

static int note_probe(struct analysis *a, struct client *c, const struct analysis_request *q, unsigned path,
		      struct analysis_finding *ret)
{
	if (counter_window(&c->probes, q->time_ns, a->options.window_s))
		c->probed = 0;
	if (c->probed >> path & 1)
		return 0; /* the same again tells nothing new */
	c->probed |= 1u << path;
	counter_add(&c->probes, q->event_id);
	if (c->probes.count < a->options.probes)
		return 0;
	*ret = (struct analysis_finding){.client = c->name, .what = "path_scanning", .confidence = 0.9};
	snprintf(ret->reason, sizeof ret->reason, "%u paths from scanners' lists, the last %s",
		 c->probes.count, listed_paths[path]);
	counter_evidence(&c->probes, ret);
	c->probes.count = 0;
	return 1;
}

/* --- the module --- */

struct analysis *analysis_new(const struct analysis_options *options)
{
	struct analysis *a = calloc(1, sizeof *a);

	if (a)
		a->options = *options;
	return a;
}

int analysis_request(struct analysis *a, const struct analysis_request *q, struct analysis_finding *ret)
{
	int path = listed(q->path);
	bool login = is_login(q);
	struct client *c;

	/* Most requests say nothing; they cost no entry. */
	if (path < 0 && !login)
		return 0;
	c = client_get(a, q->client);
	if (!c)
		return 0;
	if (login)
		return note_login(a, c, q, ret);
	return note_probe(a, c, q, (unsigned)path, ret);
}

unsigned analysis_clients(const struct analysis *a)
{
	return a->count;
}

void analysis_free(struct analysis *a)
{
	if (!a)
		return;
	while (a->oldest)
		forget(a, a->oldest);
	free(a);
}
