// SPDX-License-Identifier: Apache-2.0
/*
 * picket audit: is the audit log whole (verify), and up to where (head). Asks no daemon, so that a log can be
 * checked where it was copied to. What a log says is cli_audit_export.c's.
 */
#include "sensor/cli_audit.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "lib/audit_verify.h"
#include "lib/config.h"
#include "lib/json_write.h"
#include "lib/util.h"
#include "sensor/cli_print.h"

#define ERRORS_MAX (256 * 1024)
#define OUTPUT_MAX 65536

/* --- the files --- */

static int open_failed(const char *command, const char *path, int r)
{
	if (r == -EACCES || r == -EPERM)
		return cli_fail(EXIT_NOT_PERMITTED, command,
				"%s may be read by root only: sudo picket %s, or name a copy", path, command);
	if (r == -ENOENT)
		return cli_fail(
			EXIT_NO, command,
			"there is no audit log at %s: name its folder or file, or the configuration with -c",
			path);
	return cli_fail(EXIT_NO, command, "%s cannot be read: %s", path, strerror(-r));
}

static int path_of_config(const struct cli *cli, const char *command, const char *file,
			  char path[static PATH_MAX])
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(ERRORS_MAX);
	struct config_flag flags[1];
	struct config *config = NULL;
	unsigned count = 0;

	if (cli->instance_given)
		flags[count++] = (struct config_flag){"instance", cli->instance, "--instance"};
	int r = config_load(file, flags, count, environ, &config, &errors);
	if (r < 0)
		return cli_fail(EXIT_USAGE, command, "%s", strerror(-r));
	if (r)
		return cli_fail(EXIT_USAGE, command, "configuration refused\n%.*s", (int)errors.len,
				errors.data);
	r = snprintf(path, PATH_MAX, "%s/" AUDIT_FOLDER, config->state_dir) >= PATH_MAX;
	config_free(config);
	return r ? cli_fail(EXIT_USAGE, command, "the path of state_dir is too long") : EXIT_DONE;
}

/* A regular file, never one that reading would wait for. Files that wait for their turn are empty, and left
 * out. 0 or -errno. */
static int file_add(struct audit_log *log, int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	bool regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	FILE *f = regular && st.st_size ? fdopen(fd, "r") : NULL;
	if (!f) {
		close(fd);
		return !regular ? -EINVAL : st.st_size ? -ENOMEM : 0;
	}
	const char *slash = strrchr(name, '/');
	snprintf(log->names[log->count], sizeof log->names[0], "%s", slash ? slash + 1 : name);
	log->files[log->count++] = f;
	return 0;
}

/* Insertion sort: there are 64 files at most, which mostly are in order. A file without any record is last:
 * it is empty, or torn. */
static int files_sort(struct audit_log *log)
{
	uint64_t first[AUDIT_FILES_MAX];
	char name[sizeof log->names[0]];

	for (unsigned i = 0; i < log->count; i++) {
		FILE *f = log->files[i];
		uint64_t seq;
		unsigned at = i;
		int r = audit_first_seq(f, &seq);

		if (r)
			return r;
		memcpy(name, log->names[i], sizeof name);
		for (; at > 0 && first[at - 1] > seq; at--) {
			first[at] = first[at - 1];
			log->files[at] = log->files[at - 1];
			memcpy(log->names[at], log->names[at - 1], sizeof name);
		}
		first[at] = seq;
		log->files[at] = f;
		memcpy(log->names[at], name, sizeof name);
	}
	return 0;
}

static int folder_read(struct audit_log *log)
{
	_cleanup_close_ int folder = open(log->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[32];

	if (folder < 0)
		return -errno;
	for (unsigned i = 0; i < AUDIT_FILES_MAX; i++) {
		snprintf(name, sizeof name, "audit.%u", i);
		int r = file_add(log, folder, name);
		if (r && r != -ENOENT)
			return r;
	}
	return files_sort(log);
}

int audit_log_open(const struct cli *cli, const char *command, const char *config, const char *path,
		   struct audit_log *ret)
{
	struct stat st;
	int r = EXIT_DONE;

	*ret = (struct audit_log){0};
	if (!path)
		r = path_of_config(cli, command, config, ret->path);
	else if ((size_t)snprintf(ret->path, sizeof ret->path, "%s", path) >= sizeof ret->path)
		r = cli_fail(EXIT_USAGE, command, "the path is too long");
	if (r)
		return r;
	if (stat(ret->path, &st))
		return open_failed(command, ret->path, -errno);
	ret->folder = S_ISDIR(st.st_mode);
	r = ret->folder ? folder_read(ret) : file_add(ret, AT_FDCWD, ret->path);
	if (!r)
		return EXIT_DONE;
	audit_log_close(ret);
	return open_failed(command, ret->path, r);
}

void audit_log_close(struct audit_log *log)
{
	for (unsigned i = 0; i < log->count; i++)
		fclose(log->files[i]);
	log->count = 0;
}

const char *audit_log_name(const struct audit_log *log, unsigned file)
{
	return file < log->count ? log->names[file] : "the log";
}

/* --- options --- */

struct audit_options {
	const char *config, *path;
	struct audit_head anchor;
	bool anchored;
};

/* "123:HASH" or "123 HASH", as `head` prints it. */
static int anchor_parse(const char *text, struct audit_head *ret)
{
	char *end;

	errno = 0;
	unsigned long long seq = strtoull(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || !seq || (*end != ':' && *end != ' ') ||
	    strlen(end + 1) != AUDIT_HASH_MAX - 1 ||
	    strspn(end + 1, "0123456789abcdef") != AUDIT_HASH_MAX - 1)
		return 1;
	ret->seq = seq;
	memcpy(ret->hash, end + 1, AUDIT_HASH_MAX);
	return 0;
}

static int options_read(const char *command, bool may_anchor, int argc, char **argv, struct audit_options *o)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"head", required_argument, NULL, 'a'},
		{NULL, 0, NULL, 0},
	};
	int c;

	optind = 0; /* cli_main has scanned before */
	while ((c = getopt_long(argc, argv, ":c:", longs, NULL)) != -1) {
		if (c == 'c')
			o->config = optarg;
		else if (c == 'a' && may_anchor && !anchor_parse(optarg, &o->anchor))
			o->anchored = true;
		else if (c == 'a' && may_anchor)
			return cli_fail(EXIT_USAGE, command,
					"--head takes SEQUENCE:HASH, as `picket audit head` prints it");
		else
			return cli_fail(EXIT_USAGE, command,
					"%s: unknown option, or its value is missing; see picket help audit",
					argv[optind - 1]);
	}
	if (optind < argc)
		o->path = argv[optind++];
	if (optind < argc)
		return cli_fail(EXIT_USAGE, command, "unexpected argument \"%s\"; see picket help audit",
				argv[optind]);
	return EXIT_DONE;
}

/* --- verify --- */

/* EXIT_DONE: *ret says what was found. A daemon may write meanwhile: what looks wrong is looked at twice. */
static int verify_log(const struct cli *cli, const char *command, const struct audit_options *o,
		      struct audit_log *log, struct audit_report *ret)
{
	static const struct timespec pause = {.tv_nsec = 200000000};

	for (unsigned attempt = 0;; attempt++) {
		int r = audit_log_open(cli, command, o->config, o->path, log);

		if (r)
			return r;
		const struct audit_verify v = {
			.files = log->files,
			.count = log->count,
			.all = log->folder,
			.anchor = o->anchored ? &o->anchor : NULL,
		};
		r = audit_verify(&v, ret);
		if (r) {
			audit_log_close(log);
			return open_failed(command, log->path, r);
		}
		if (!ret->fault || attempt)
			return EXIT_DONE;
		audit_log_close(log);
		nanosleep(&pause, NULL);
	}
}

static void print_report(const struct audit_log *log, const struct audit_report *r)
{
	if (r->fault)
		printf("broken: %s, line %" PRIu64 ": %s: %s\n", audit_log_name(log, r->file), r->line,
		       audit_fault_name(r->fault), r->what);
	if (!r->records) {
		puts(r->fault ? "no record is right" : "there is no record");
		return;
	}
	printf("%s: %" PRIu64 " records, %" PRIu64 " to %" PRIu64 ", in %u file%s of %s\n",
	       r->fault ? "whole up to there" : "whole", r->records, r->first, r->head.seq, log->count,
	       log->count == 1 ? "" : "s", log->path);
	printf("head: %" PRIu64 ":%s %s\n", r->head.seq, r->head.hash, r->head_time);
	if (r->first > 1)
		printf("begins behind record %" PRIu64 " (%s)%s\n", r->first - 1, r->first_prev,
		       r->retired + 1 == r->first ? ", up to which picket removed the oldest files" : "");
	if (r->torn)
		printf("mended: %" PRIu64
		       " times a crash cut the last line; what was cut is kept as torn.N\n",
		       r->torn);
	if (r->missing)
		printf("missing: %" PRIu64 " records could not be written, as it says at their places\n",
		       r->missing);
	if (r->anew)
		puts("begun anew: the log before could not be read, and was put aside as audit.damaged-N");
}

static void json_line_print(const struct buffer *b)
{
	printf("%.*s\n", (int)b->len, b->len ? b->data : "");
}

static void put_head(struct json_writer *w, const struct audit_report *r)
{
	json_key(w, "seq");
	json_uint(w, r->head.seq);
	json_key(w, "hash");
	json_text(w, r->head.hash);
	json_key(w, "time");
	json_text(w, r->records ? r->head_time : NULL);
}

static void put_fault(struct json_writer *w, const struct audit_log *log, const struct audit_report *r)
{
	json_key(w, "fault");
	if (!r->fault) {
		json_null(w);
		return;
	}
	json_object_begin(w);
	json_key(w, "kind");
	json_text(w, audit_fault_name(r->fault));
	json_key(w, "file");
	json_text(w, audit_log_name(log, r->file));
	json_key(w, "line");
	json_uint(w, r->line);
	json_key(w, "what");
	json_text(w, r->what);
	json_object_end(w);
}

static void print_report_json(const struct audit_log *log, const struct audit_report *r)
{
	_cleanup_(buffer_free) struct buffer b = BUFFER_INIT(OUTPUT_MAX);
	struct json_writer w = JSON_WRITER(&b);
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"records", r->records}, {"first", r->first}, {"removed_through", r->retired},
		{"missing", r->missing}, {"torn", r->torn},
	};

	json_object_begin(&w);
	json_key(&w, "whole");
	json_bool(&w, !r->fault && r->records);
	put_fault(&w, log, r);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		json_key(&w, numbers[i].key);
		json_uint(&w, numbers[i].value);
	}
	json_key(&w, "begun_anew");
	json_bool(&w, r->anew);
	json_key(&w, "head");
	json_object_begin(&w);
	put_head(&w, r);
	json_object_end(&w);
	json_object_end(&w);
	json_line_print(&b);
}

static int verify(const struct cli *cli, int argc, char **argv)
{
	struct audit_options o = {0};
	struct audit_report report;
	struct audit_log log;
	int r = options_read("audit verify", true, argc, argv, &o);

	if (!r)
		r = verify_log(cli, "audit verify", &o, &log, &report);
	if (r)
		return r;
	if (cli->json)
		print_report_json(&log, &report);
	else
		print_report(&log, &report);
	audit_log_close(&log);
	/* A log that was emptied is as wrong as one that was changed. */
	return report.fault || !report.records ? EXIT_NO : EXIT_DONE;
}

/* --- head --- */

static int head(const struct cli *cli, int argc, char **argv)
{
	_cleanup_(buffer_free) struct buffer b = BUFFER_INIT(OUTPUT_MAX);
	struct json_writer w = JSON_WRITER(&b);
	struct audit_options o = {0};
	struct audit_report report;
	struct audit_log log;
	int r = options_read("audit head", false, argc, argv, &o);

	if (!r)
		r = verify_log(cli, "audit head", &o, &log, &report);
	if (r)
		return r;
	audit_log_close(&log);
	/* What is noted elsewhere should be worth it. */
	if (report.fault || !report.records)
		return cli_fail(EXIT_NO, "audit head",
				"the log is not whole: `picket audit verify` says what is wrong with it");
	if (!cli->json) {
		printf("%" PRIu64 ":%s\n", report.head.seq, report.head.hash);
		return EXIT_DONE;
	}
	json_object_begin(&w);
	put_head(&w, &report);
	json_object_end(&w);
	json_line_print(&b);
	return EXIT_DONE;
}

int cli_audit(const struct cli *cli, int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct cli *cli, int argc, char **argv);
	} commands[] = {{"verify", verify}, {"head", head}, {"export", cli_audit_export}};

	if (argc < 2)
		return cli_fail(EXIT_USAGE, argv[0],
				"say what: verify, head or export; see picket help audit");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(cli, argc - 1, argv + 1);
	return cli_fail(EXIT_USAGE, argv[0], "unknown word \"%s\": verify, head or export", argv[1]);
}
