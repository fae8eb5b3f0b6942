// SPDX-License-Identifier: Apache-2.0
/*
 * picket-second-opinion: libmodsecurity with a Core Rule Set, in a process of its own. The warden starts it
 * as it starts the sensor: another user, no capability, dead when the warden is. It reads the rules, locks
 * itself up (no file, no socket, no thread any more), and answers which rules alarmed on a request head until
 * the sensor hangs up.
 *
 *     picket-second-opinion SOCKET PARANOIA SETUP RULES-FOLDER
 *
 * What it reads is unredacted: no byte of it is logged, kept, or sent on. Of what libmodsecurity would log,
 * which quotes requests, the number of the rule is taken and nothing else. (Who writes `[id "942100"]` into a
 * request that alarms may have that number told instead of another.) A question that takes longer than
 * QUESTION_S ends the process; the warden starts another.
 */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <modsecurity/modsecurity.h>
#include <modsecurity/rules_set.h>
#include <modsecurity/transaction.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "lib/util.h"
#include "sensor/opinion_wire.h"

#define QUESTION_S   5
#define MEMORY_BYTES (1ull << 30) /* address space: the libraries have most of it */

/* What alarms of itself: attacks. Not that a request has no Accept, or a number for a Host: APIs' clients. */
#define ATTACK_FIRST 921000u
#define ATTACK_LAST  944999u
#define SCORE_RULE   949110u /* the scores of all rules together reach the set's threshold */

struct alarms {
	struct opinion_answer *answer;
	bool reached;
};

static int complain(const char *what, const char *detail)
{
	fprintf(stderr, "picket-second-opinion: %s%s%s\n", what, detail ? ": " : "", detail ? detail : "");
	return 2;
}

/* --- what it gives up --- */

static int lock_up(void)
{
	static const int allowed[] = {
		SCMP_SYS(read),         SCMP_SYS(write),          SCMP_SYS(recvfrom),
		SCMP_SYS(sendto),       SCMP_SYS(recvmsg),        SCMP_SYS(sendmsg),
		SCMP_SYS(brk),          SCMP_SYS(munmap),         SCMP_SYS(mremap),
		SCMP_SYS(madvise),      SCMP_SYS(futex),          SCMP_SYS(clock_gettime),
		SCMP_SYS(gettimeofday), SCMP_SYS(time),           SCMP_SYS(getpid),
		SCMP_SYS(getrandom),    SCMP_SYS(alarm),          SCMP_SYS(setitimer),
		SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(restart_syscall),
		SCMP_SYS(exit),         SCMP_SYS(exit_group),     SCMP_SYS(close),
	};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = filter ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < ARRAY_SIZE(allowed); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	/* Memory, but no code: what expressions compile to is there by now. */
	if (!r)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!r)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!r)
		r = seccomp_load(filter);
	if (filter)
		seccomp_release(filter);
	return r;
}

static int be_modest(void)
{
#ifdef __SANITIZE_ADDRESS__ /* its shadow alone is 16 TiB */
	const struct rlimit memory = {RLIM_INFINITY, RLIM_INFINITY}, none = {0, 0};
#else
	const struct rlimit memory = {MEMORY_BYTES, MEMORY_BYTES}, none = {0, 0};
#endif

	/* exec made it dumpable again. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    setrlimit(RLIMIT_AS, &memory) || setrlimit(RLIMIT_CORE, &none))
		return -errno;
	errno = 0;
	return nice(10) == -1 && errno ? -errno : 0;
}

/* Under systemd's MemoryDenyWriteExecute= PCRE2 interprets what it would have compiled. Nothing else changes.
 */
static void tell_if_interpreted(void)
{
	void *code = mmap(NULL, 1, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (code == MAP_FAILED)
		complain("memory may not hold code here (MemoryDenyWriteExecute= of the unit): the rules' "
			 "expressions are interpreted, and an answer takes longer",
			 NULL);
	else
		munmap(code, 1);
}

/* --- the rules --- */

/* Address reputation and counting by address are not asked for: no address comes here. */
static bool is_wanted(const char *path)
{
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	return strncmp(name, "REQUEST-", 8) == 0 && strncmp(name, "REQUEST-910", 11) != 0 &&
	       strncmp(name, "REQUEST-912", 11) != 0;
}

static int load(RulesSet *rules, const char *paranoia, const char *setup, const char *folder)
{
	char text[512], pattern[PATH_MAX];
	const char *error = NULL;
	glob_t found;
	int loaded = 0;

	if (msc_rules_add(rules,
			  "SecRuleEngine DetectionOnly\nSecRequestBodyAccess On\nSecResponseBodyAccess Off\n"
			  "SecAuditEngine Off\nSecPcreMatchLimit 100000\nSecPcreMatchLimitRecursion 100000\n",
			  &error) < 0 ||
	    msc_rules_add_file(rules, setup, &error) < 0)
		return -complain("the setup of the rules cannot be read", error);
	snprintf(text, sizeof text,
		 "SecAction \"id:1,phase:1,nolog,pass,t:none,setvar:tx.paranoia_level=%s,"
		 "setvar:tx.executing_paranoia_level=%s\"\n",
		 paranoia, paranoia);
	if (msc_rules_add(rules, text, &error) < 0)
		return -complain("the level of the rules cannot be set", error);
	snprintf(pattern, sizeof pattern, "%s/*.conf", folder);
	if (glob(pattern, 0, NULL, &found))
		return -complain("no rules", pattern);
	for (size_t i = 0; i < found.gl_pathc && loaded >= 0; i++) {
		if (!is_wanted(found.gl_pathv[i]))
			continue;
		int n = msc_rules_add_file(rules, found.gl_pathv[i], &error);
		loaded = n < 0 ? -complain("rules cannot be read", error) : loaded + n;
	}
	globfree(&found);
	return loaded;
}

/* --- questions --- */

static void on_log(void *data, const void *message)
{
	const char *at = message ? strstr(message, "[id \"") : NULL;
	struct alarms *alarms = data;

	if (!at || !alarms)
		return;
	unsigned long id = strtoul(at + 5, NULL, 10);
	if (id == SCORE_RULE)
		alarms->reached = true;
	struct opinion_answer *a = alarms->answer;
	if (id < ATTACK_FIRST || id > ATTACK_LAST || a->rule_count == OPINION_RULES_MAX)
		return;
	for (unsigned i = 0; i < a->rule_count; i++)
		if (a->rules[i] == id)
			return;
	a->rules[a->rule_count++] = (uint32_t)id;
}

/* A text for C; a NUL in it as it would be written in a target. NULL: memory is out. */
static char *text_of(struct span s)
{
	char *text = malloc(3 * s.len + 1), *to = text;

	for (size_t i = 0; text && i < s.len; i++) {
		if (s.ptr[i])
			*to++ = s.ptr[i];
		else
			to = stpcpy(to, "%00");
	}
	if (text)
		*to = 0;
	return text;
}

static uint64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void judge(ModSecurity *engine, RulesSet *rules, const struct http_request *r, uint32_t version,
		  struct opinion_answer *answer)
{
	struct alarms alarms = {.answer = answer};
	char *method = text_of(r->method), *target = text_of(r->target);
	Transaction *t = method && target ? msc_new_transaction(engine, rules, &alarms) : NULL;

	if (t) {
		msc_process_connection(t, "127.0.0.1", 1, "127.0.0.1", 80);
		msc_process_uri(t, target, method, version ? "1.1" : "1.0");
		for (unsigned i = 0; i < r->header_count; i++)
			msc_add_n_request_header(
				t, (const unsigned char *)r->headers[i].name.ptr, r->headers[i].name.len,
				(const unsigned char *)r->headers[i].value.ptr, r->headers[i].value.len);
		msc_process_request_headers(t);
		msc_process_request_body(t); /* there is none: the second phase, in which most rules are */
		msc_transaction_cleanup(t);
	}
	free(method);
	free(target);
	if (!alarms.reached)
		answer->rule_count = 0;
}

static int serve(int socket, ModSecurity *engine, RulesSet *rules)
{
	static char bytes[OPINION_QUESTION_MAX];
	static struct http_request r;
	struct opinion_question q;

	for (;;) {
		ssize_t n = recv(socket, bytes, sizeof bytes, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0; /* the sensor ended, or has had enough of us */
		if (!opinion_question_read(bytes, (size_t)n, &q, &r))
			return complain("no question", NULL);
		struct opinion_answer answer = {.id = q.id};
		uint64_t begin = cpu_us();
		alarm(QUESTION_S);
		judge(engine, rules, &r, q.version, &answer);
		alarm(0);
		answer.cpu_us = (uint32_t)MIN(cpu_us() - begin, (uint64_t)UINT32_MAX);
		explicit_bzero(bytes, (size_t)n);
		if (send(socket, &answer, sizeof answer, MSG_NOSIGNAL) != (ssize_t)sizeof answer)
			return 0;
	}
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return complain("it is started by picket (second_opinion.enabled)", NULL);
	int socket = atoi(argv[1]), r = be_modest();
	if (r)
		return complain("its rights cannot be given up", strerror(-r));
	tell_if_interpreted();
	tzset(); /* what libmodsecurity writes times with is read now */
	ModSecurity *engine = msc_init();
	RulesSet *rules = msc_create_rules_set();
	if (!engine || !rules)
		return complain("no memory", NULL);
	msc_set_log_cb(engine, on_log); /* else it writes to stderr, requests and all */
	int loaded = load(rules, argv[2], argv[3], argv[4]);
	if (loaded < 0)
		return 2;
	/* Once, so that what is made at first use is there before nothing can be opened any more. */
	struct http_request first = {.method = span_from("GET"), .target = span_from("/?first=1")};
	struct opinion_answer ready = {0};
	judge(engine, rules, &first, 1, &ready);
	ready = (struct opinion_answer){.rule_count = 1, .rules = {(uint32_t)loaded}};
	r = lock_up();
	if (r)
		return complain("no seccomp filter", strerror(-r));
	if (send(socket, &ready, sizeof ready, MSG_NOSIGNAL) != (ssize_t)sizeof ready)
		return 0;
	return serve(socket, engine, rules);
}
