// SPDX-License-Identifier: Apache-2.0
/*
 * picket.yaml as anybody might write it. A file that is taken must be shown as one that loads to the same
 * again; one that is refused must be refused with words. The first byte chooses between the file, the
 * environment and a flag.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "lib/config.h"
#include "lib/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
	if (!truth)
		abort();
}

/* A file in memory; *ret_path names it. */
static int file_of(struct span text, char ret_path[static 32])
{
	int fd = memfd_create("picket.yaml", MFD_CLOEXEC);

	require(fd >= 0);
	require(write(fd, text.ptr, text.len) == (ssize_t)text.len);
	snprintf(ret_path, 32, "/proc/self/fd/%d", fd);
	return fd;
}

static void check_loaded(const struct config *c)
{
	struct buffer shown = BUFFER_INIT(1 << 24), again = BUFFER_INIT(1 << 24),
		      errors = BUFFER_INIT(1 << 16);
	struct config *second = NULL;
	char path[32];

	require(c->instance[0] && c->state_dir[0] == '/' && c->control[0] == '/');
	require(config_show(c, false, &shown) == 0);
	int fd = file_of(buffer_span(&shown), path);
	require(config_load(path, NULL, 0, NULL, &second, &errors) == 0);
	require(config_show(second, false, &again) == 0);
	require(span_equal(buffer_span(&shown), buffer_span(&again)));
	config_free(second);
	close(fd);
	buffer_free(&shown);
	buffer_free(&again);
	buffer_free(&errors);
}

static int load(uint8_t how, struct span text, struct config **ret, struct buffer *errors)
{
	static const char *const names[] = {"gateways",       "capture.ports",       "redact.headers",
					    "limits.ttl_max", "capture.interfaces",  "proxies.trusted",
					    "state_dir",      "guard.confidence_min"};
	_cleanup_free_ char *z = strndup(text.len ? text.ptr : "", text.len);
	char path[32];

	if (how & 0x80) {
		struct config_flag flag = {names[how % ARRAY_SIZE(names)], z, "--flag"};
		return config_load("", &flag, 1, NULL, ret, errors);
	}
	if (how & 0x40) {
		_cleanup_free_ char *variable = NULL;
		require(asprintf(&variable, "PICKET_%s", z) > 0);
		char *list[] = {variable, NULL};
		return config_load("", NULL, 0, list, ret, errors);
	}
	int fd = file_of(text, path);
	int r = config_load(path, NULL, 0, NULL, ret, errors);
	close(fd);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer errors = BUFFER_INIT(1 << 20);
	struct config *c = NULL;

	if (size == 0 || size > 1 << 16)
		return 0;
	int r = load(data[0], (struct span){(const char *)data + 1, size - 1}, &c, &errors);
	require(r == 0 || r == CONFIG_E_INVALID);
	if (r == 0) {
		require(errors.len == 0);
		check_loaded(c);
		config_free(c);
	} else {
		require(errors.len > 0 && errors.data[errors.len - 1] == '\n');
	}
	buffer_free(&errors);
	return 0;
}
