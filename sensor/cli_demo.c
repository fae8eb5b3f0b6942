// SPDX-License-Identifier: Apache-2.0
/*
 * cli_demo.c: `picket demo` checks its options and hands over to demo.sh, which lies beside the build tree
 * (examples/demo) or among the installed files (share/picket/demo). The script gets this binary's path in
 * PICKET_BIN.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
#include "lib/util.h"
#include "sensor/cli.h"

/* Where the script may be, seen from the folder this binary is in. */
static const char *const places[] = {
	"../../examples/demo",  /* build/PRESET/picket */
	"../examples/demo",     /* a build tree right below the sources */
	"../share/picket/demo", /* PREFIX/bin/picket */
	"../lib/picket/demo",
};

static int own_path(char ret[static PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - 1);

	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return 0;
}

static int script_find(const char *binary, char ret[static PATH_MAX])
{
	const char *given = getenv("PICKET_DEMO_DIR");
	const char *slash = strrchr(binary, '/');

	if (given) {
		if (snprintf(ret, PATH_MAX, "%s/demo.sh", given) >= PATH_MAX)
			return -ENAMETOOLONG;
		return access(ret, R_OK) == 0 ? 0 : -errno;
	}
	if (!slash)
		return -ENOENT;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		int n = snprintf(ret, PATH_MAX, "%.*s/%s/demo.sh", (int)(slash - binary), binary, places[i]);

		if (n < PATH_MAX && access(ret, R_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

static int options_check(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--keep") == 0 || strcmp(argv[i], "--behind-proxy") == 0)
			continue;
		if (strcmp(argv[i], "--gateway") == 0 && i + 1 < argc) {
			i++;
			if (strcmp(argv[i], "local") == 0 || strcmp(argv[i], "batch") == 0)
				continue;
			return cli_fail(EXIT_USAGE, "demo", "--gateway takes local or batch, not \"%s\"",
					argv[i]);
		}
		return cli_fail(
			EXIT_USAGE, "demo",
			"unknown option \"%s\"; it takes --keep, --gateway local|batch, --behind-proxy",
			argv[i]);
	}
	return EXIT_DONE;
}

int cli_demo(const struct cli *cli, int argc, char **argv)
{
	char binary[PATH_MAX], script[PATH_MAX];
	_cleanup_free_ char **args = NULL;
	int r = options_check(argc, argv);

	if (r != EXIT_DONE)
		return r;
	if (geteuid() != 0)
		return cli_fail(EXIT_NOT_PERMITTED, "demo",
				"it makes network namespaces and loads BPF programs: run it as root (sudo "
				"picket demo)");
	r = own_path(binary);
	if (r < 0)
		return cli_fail(EXIT_NO, "demo", "cannot tell where this program lies (/proc/self/exe): %s",
				strerror(-r));
	r = script_find(binary, script);
	if (r < 0)
		return cli_fail(
			EXIT_NO, "demo",
			"demo.sh is neither in examples/demo of the source tree nor in share/picket/demo; "
			"PICKET_DEMO_DIR can name its folder");

	args = calloc((size_t)argc + 2, sizeof(*args));
	if (!args)
		return cli_fail(EXIT_NO, "demo", "out of memory");
	args[0] = (char *)"bash";
	args[1] = script;
	for (int i = 1; i < argc; i++)
		args[i + 1] = argv[i];
	if (setenv("PICKET_BIN", binary, 1) != 0 ||
	    setenv("PICKET_DEMO_COLOR", cli->color ? "1" : "0", 1) != 0)
		return cli_fail(EXIT_NO, "demo", "out of memory");
	/* The demo has a daemon of its own, whatever socket was named for this call. */
	unsetenv("PICKET_CONTROL");
	execvp("bash", args);
	return cli_fail(EXIT_NO, "demo", "cannot run bash: %s", strerror(errno));
}
