// SPDX-License-Identifier: Apache-2.0
#include "lib/state_file.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>
#include <openssl/evp.h>
#include "lib/file_io.h"
#include "lib/util.h"

#define SIGNED_LEN (sizeof "picket-state 1 " - 1 + 16 + 1 + 16 + 1) /* what the digest covers of the head */
#define HEAD_LEN   (SIGNED_LEN + 64 + 1)

struct state_file {
	int files[2];
	unsigned next; /* the older one */
	uint64_t generation;
	size_t max;
};

static int open_one(const char *directory, const char *name, unsigned number, int *ret)
{
	char path[PATH_MAX];
	struct stat st;
	int n = snprintf(path, sizeof path, "%s/%s.%u", directory, name, number);

	if ((size_t)n >= sizeof path)
		return -ENAMETOOLONG;
	*ret = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (*ret < 0 || fstat(*ret, &st))
		return -errno;
	return S_ISREG(st.st_mode) ? 0 : -EINVAL;
}

int state_file_open(const char *directory, const char *name, size_t max, struct state_file **ret)
{
	struct state_file *s = calloc(1, sizeof *s);
	int r = 0;

	if (!s)
		return -ENOMEM;
	s->max = max;
	s->files[0] = s->files[1] = -1;
	for (unsigned i = 0; i < 2 && !r; i++)
		r = open_one(directory, name, i, &s->files[i]);
	if (r) {
		state_file_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void state_file_free(struct state_file *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < 2; i++)
		if (s->files[i] >= 0)
			close(s->files[i]);
	free(s);
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

static int find(const struct state_file *s, unsigned i, struct found *f)
{
	struct stat st;

	if (fstat(s->files[i], &st))
		return -errno;
	size_t max = (size_t)MIN((uint64_t)MAX(st.st_size, (off_t)0), (uint64_t)s->max);
	f->bytes = malloc(max + 1);
	if (!f->bytes)
		return -ENOMEM;
	int r = file_read_at(s->files[i], 0, f->bytes, max, &f->len);
	if (!r)
		f->text = content_of(f->bytes, f->len, &f->generation);
	return r;
}

int state_file_load(struct state_file *s, int (*take)(void *arg, struct span text), void *arg)
{
	struct found found[2] = {0};

	int e = find(s, 0, &found[0]);
	if (!e)
		e = find(s, 1, &found[1]);
	unsigned newer =
		found[1].text.ptr && (!found[0].text.ptr || found[1].generation > found[0].generation);
	bool empty = !found[0].len && !found[1].len;
	if (!e) {
		s->generation = MAX(found[0].generation, found[1].generation);
		s->next = !newer;
		e = empty ? STATE_FILE_E_NONE : STATE_FILE_E_DAMAGED;
	}
	/* The newer one, and if it cannot be used after all, the other. */
	for (unsigned k = 0; e == STATE_FILE_E_DAMAGED && k < 2; k++) {
		unsigned i = k ? !newer : newer;
		int l = found[i].text.ptr ? take(arg, found[i].text) : 1;
		if (l <= 0)
			e = l;
		if (!l)
			s->next = !i; /* what was of use is there until another is whole */
	}
	free(found[0].bytes);
	free(found[1].bytes);
	return e;
}

int state_file_begin(struct buffer *out)
{
	int r = 0;

	buffer_reset(out);
	for (size_t i = 0; i < HEAD_LEN && !r; i++)
		r = buffer_append_char(out, ' ');
	return r;
}

int state_file_save(struct state_file *s, struct buffer *out)
{
	struct span text = {out->data + HEAD_LEN, out->len - HEAD_LEN};
	char head[HEAD_LEN + 1], digest[65];

	snprintf(head, sizeof head, "picket-state 1 %016" PRIx64 " %016zx ", s->generation + 1, text.len);
	int e = digest_of((struct span){head, SIGNED_LEN}, text, digest);
	if (e)
		return e;
	snprintf(head + SIGNED_LEN, sizeof head - SIGNED_LEN, "%s\n", digest);
	memcpy(out->data, head, HEAD_LEN);
	int fd = s->files[s->next];
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	e = file_write(fd, buffer_span(out));
	if (!e && fdatasync(fd))
		e = -errno;
	if (e)
		return e;
	s->generation++;
	s->next = !s->next;
	return 0;
}
