/* SPDX-License-Identifier: Apache-2.0 */
/* audit_rig.h: a state folder for tests of the audit log, and what is in it. */
#ifndef PICKET_TESTS_AUDIT_RIG_H
#define PICKET_TESTS_AUDIT_RIG_H

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "lib/audit_verify.h"
#include "lib/util.h"
#include "sensor/audit_files.h"

static char rig_state[64];

static int rig_begin(void **state)
{
	(void)state;
	snprintf(rig_state, sizeof rig_state, "%s", "/tmp/picket-audit-test-XXXXXX");
	return mkdtemp(rig_state) ? 0 : -1;
}

static void rig_path(const char *name, char path[static 512])
{
	snprintf(path, 512, "%s/" AUDIT_FOLDER "/%s", rig_state, name);
}

static void rig_remove(const char *folder)
{
	DIR *d = opendir(folder);
	char path[1024];

	for (struct dirent *e; d && (e = readdir(d));) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
		if (unlink(path))
			rig_remove(path);
	}
	if (d)
		closedir(d);
	rmdir(folder);
}

static int rig_end(void **state)
{
	(void)state;
	rig_remove(rig_state);
	return 0;
}

/* The files in the order of their records. */
static __attribute__((unused)) unsigned rig_files(FILE *files[static AUDIT_FILES_MAX])
{
	uint64_t first[AUDIT_FILES_MAX];
	char name[32], path[512];
	unsigned count = 0;

	for (unsigned i = 0; i < AUDIT_FILES_MAX; i++) {
		snprintf(name, sizeof name, "audit.%u", i);
		rig_path(name, path);
		FILE *f = fopen(path, "r");
		uint64_t seq;
		if (!f)
			continue;
		assert_int_equal(audit_first_seq(f, &seq), 0);
		unsigned at = count++;
		for (; at > 0 && first[at - 1] > seq; at--) {
			first[at] = first[at - 1];
			files[at] = files[at - 1];
		}
		first[at] = seq;
		files[at] = f;
	}
	return count;
}

static __attribute__((unused)) struct audit_report rig_verify(void)
{
	FILE *files[AUDIT_FILES_MAX];
	struct audit_report report;
	const struct audit_verify v = {.files = files, .count = rig_files(files), .all = true};

	assert_int_equal(audit_verify(&v, &report), 0);
	for (unsigned i = 0; i < v.count; i++)
		fclose(files[i]);
	return report;
}

/* All lines, in order; free it. */
static __attribute__((unused)) char *rig_text(void)
{
	struct buffer text = BUFFER_INIT(64u << 20);
	FILE *files[AUDIT_FILES_MAX];
	unsigned count = rig_files(files);

	for (unsigned i = 0; i < count; i++) {
		for (int c; (c = getc(files[i])) != EOF;)
			buffer_append_char(&text, (char)c);
		fclose(files[i]);
	}
	buffer_append_char(&text, 0);
	return text.data;
}

#endif
