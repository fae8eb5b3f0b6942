// SPDX-License-Identifier: Apache-2.0
#include "policies/routes_state.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <openssl/evp.h>
#include "lib/file_io.h"
#include "lib/util.h"

#define SIGNED_LEN (sizeof "picket-state 1 " - 1 + 16 + 1 + 16 + 1) /* what the digest covers of the head */
#define HEAD_LEN   (SIGNED_LEN + 64 + 1)
#define INTERVAL_S 30

struct routes_state {
	int files[2];
	unsigned next; /* the older one */
	uint64_t generation;
	pthread_mutex_t lock;
	pthread_cond_t end;
	pthread_t thread;
	bool runs, ending;
	struct routes *routes;
	uint64_t saved; /* requests noted by then */
	void (*failed)(int error);
};

int routes_state_open(const char *directory, struct routes_state **ret)
{
	struct routes_state *s = calloc(1, sizeof *s);
	char path[PATH_MAX];
	pthread_condattr_t attributes;

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&s->end, &attributes);
	pthread_condattr_destroy(&attributes);
	s->files[0] = s->files[1] = -1;
	for (unsigned i = 0; i < 2; i++) {
		struct stat st;
		int n = snprintf(path, sizeof path, "%s/routes.%u", directory, i);
		int r = (size_t)n >= sizeof path ? -ENAMETOOLONG : 0;
		if (!r) {
			s->files[i] =
				open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
			r = s->files[i] < 0 || fstat(s->files[i], &st) ? -errno
			    : S_ISREG(st.st_mode)                      ? 0
								       : -EINVAL;
		}
		if (r) {
			routes_state_free(s);
			return r;
		}
	}
	*ret = s;
	return 0;
}

/* --- one file --- */

/* Of the head up to the digest, and the content. */
static int digest_of(struct span head, struct span text, char hex[static 65])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
		    EVP_DigestUpdate(context, head.ptr, head.len) == 1 &&
		    EVP_DigestUpdate(context, text.ptr, text.len) == 1 &&
		    EVP_DigestFinal_ex(context, digest, &len) == 1 && len == 32;

	EVP_MD_CTX_free(context);
	for (unsigned i = 0; good && i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	return good ? 0 : -ENOMEM;
}

/* 0, -errno. *ret_len: what there was, up to max. */
static int read_all(int fd, char *bytes, size_t max, size_t *ret_len)
{
	size_t len = 0;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	while (len < max) {
		ssize_t n = read(fd, bytes + len, max - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

/* The text of a file that is whole; SPAN_NULL if it is not. */
static struct span content_of(const char *bytes, size_t len, uint64_t *ret_generation)
{
	uint64_t generation, length;
	char digest[65], actual[65];
	int end = 0;

	if (len < HEAD_LEN || bytes[HEAD_LEN - 1] != '\n')
		return SPAN_NULL;
	char head[HEAD_LEN];
	memcpy(head, bytes, HEAD_LEN - 1);
	head[HEAD_LEN - 1] = 0;
	if (sscanf(head, "picket-state 1 %16" SCNx64 " %16" SCNx64 " %64[0-9a-f]%n", &generation, &length,
		   digest, &end) != 3 ||
	    (size_t)end != HEAD_LEN - 1 || length > len - HEAD_LEN)
		return SPAN_NULL;
	struct span text = {bytes + HEAD_LEN, (size_t)length};
	if (digest_of((struct span){bytes, SIGNED_LEN}, text, actual) || strcmp(digest, actual) != 0)
		return SPAN_NULL;
	*ret_generation = generation;
	return text;
}

/* --- load and save --- */

struct found {
	char *bytes;
	size_t len;
	struct span text;
	uint64_t generation;
};

static int find(struct routes_state *s, unsigned i, struct found *f)
{
	f->bytes = malloc(ROUTES_STATE_MAX);
	if (!f->bytes)
		return -ENOMEM;
	int r = read_all(s->files[i], f->bytes, ROUTES_STATE_MAX, &f->len);
	if (!r)
		f->text = content_of(f->bytes, f->len, &f->generation);
	return r;
}

int routes_state_load(struct routes_state *s, struct routes *r, uint64_t now_ns)
{
	struct found found[2] = {0};
	unsigned line, newer;

	int e = find(s, 0, &found[0]);
	if (!e)
		e = find(s, 1, &found[1]);
	newer = found[1].text.ptr && (!found[0].text.ptr || found[1].generation > found[0].generation);
	bool empty = !found[0].len && !found[1].len;
	if (!e) {
		s->generation = MAX(found[0].generation, found[1].generation);
		s->next = !newer;
		e = empty ? ROUTES_STATE_E_NONE : ROUTES_STATE_E_DAMAGED;
	}
	/* The newer one, and if it cannot be used after all, the other. */
	for (unsigned k = 0; e == ROUTES_STATE_E_DAMAGED && k < 2; k++) {
		unsigned i = k ? !newer : newer;
		struct span text = found[i].text;
		int l = text.ptr ? routes_load(r, text, now_ns, &line) : ROUTES_E_FORMAT;
		if (l <= 0)
			e = l;
		if (!l)
			s->next = !i; /* what was of use is there until another is whole */
	}
	free(found[0].bytes);
	free(found[1].bytes);
	return e;
}

int routes_state_save(struct routes_state *s, struct routes *r)
{
	_cleanup_(buffer_free) struct buffer out = BUFFER_INIT(ROUTES_STATE_MAX);
	char digest[65];

	/* The head's place, filled in when the rest is known. */
	for (size_t i = 0; i < HEAD_LEN; i++)
		buffer_append_char(&out, ' ');
	int e = routes_save(r, &out);
	if (e)
		return e;
	struct span text = {out.data + HEAD_LEN, out.len - HEAD_LEN};
	char head[HEAD_LEN + 1];
	snprintf(head, sizeof head, "picket-state 1 %016" PRIx64 " %016zx ", s->generation + 1, text.len);
	e = digest_of((struct span){head, SIGNED_LEN}, text, digest);
	if (e)
		return e;
	snprintf(head + SIGNED_LEN, sizeof head - SIGNED_LEN, "%s\n", digest);
	memcpy(out.data, head, HEAD_LEN);
	int fd = s->files[s->next];
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	e = file_write(fd, buffer_span(&out));
	if (!e && fdatasync(fd))
		e = -errno;
	if (e)
		return e;
	s->generation++;
	s->next = !s->next;
	return 0;
}

/* --- by itself --- */

static void save_if_changed(struct routes_state *s)
{
	uint64_t requests = routes_counts(s->routes).requests;

	if (requests == s->saved)
		return;
	int e = routes_state_save(s, s->routes);
	if (!e)
		s->saved = requests;
	if (e && s->failed)
		s->failed(e);
	if (e)
		s->failed = NULL;
}

static void *saver_main(void *arg)
{
	struct routes_state *s = arg;
	struct timespec until;

	pthread_mutex_lock(&s->lock);
	while (!s->ending) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += INTERVAL_S;
		if (pthread_cond_timedwait(&s->end, &s->lock, &until) != ETIMEDOUT)
			continue;
		pthread_mutex_unlock(&s->lock);
		save_if_changed(s);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int routes_state_start(struct routes_state *s, struct routes *r, void (*failed)(int error))
{
	s->routes = r;
	s->failed = failed;
	int e = pthread_create(&s->thread, NULL, saver_main, s);
	s->runs = e == 0;
	return -e;
}

void routes_state_free(struct routes_state *s)
{
	if (!s)
		return;
	if (s->runs) {
		pthread_mutex_lock(&s->lock);
		s->ending = true;
		pthread_cond_signal(&s->end);
		pthread_mutex_unlock(&s->lock);
		pthread_join(s->thread, NULL);
		save_if_changed(s);
	}
	for (unsigned i = 0; i < 2; i++)
		if (s->files[i] >= 0)
			close(s->files[i]);
	pthread_cond_destroy(&s->end);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
