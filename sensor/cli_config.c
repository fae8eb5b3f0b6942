// SPDX-License-Identifier: Apache-2.0
/* picket config: check a configuration, show what is in effect, print the schema. Asks no daemon. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "lib/config.h"
#include "lib/json_write.h"
#include "lib/util.h"
#include "sensor/cli.h"
#include "sensor/sensor.h"

#define ERRORS_MAX (256 * 1024)
#define OUTPUT_MAX (4 * 1024 * 1024)

struct config_options {
	const char *file; /* NULL: the default one, if it is there */
	bool origin;
	struct config_flag flags[2];
	unsigned flag_count;
};

/* 0 or EXIT_USAGE (told). argv[0] is the word behind `config`. */
static int options_read(const struct cli *cli, int argc, char **argv, struct config_options *o)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"origin", no_argument, NULL, 'o'},
		{NULL, 0, NULL, 0},
	};
	int c;

	optind = 0; /* cli_main has scanned before */
	while ((c = getopt_long(argc, argv, ":c:", longs, NULL)) != -1) {
		if (c == 'c')
			o->file = optarg;
		else if (c == 'o')
			o->origin = true;
		else
			return cli_fail(EXIT_USAGE, "config", "%s: unknown option, or its value is missing",
					argv[optind - 1]);
	}
	if (optind < argc && !o->file)
		o->file = argv[optind++];
	if (optind < argc)
		return cli_fail(EXIT_USAGE, "config", "unexpected argument \"%s\"", argv[optind]);
	if (cli->instance_given)
		o->flags[o->flag_count++] = (struct config_flag){"instance", cli->instance, "--instance"};
	if (cli->control_given)
		o->flags[o->flag_count++] = (struct config_flag){"control", cli->control, "--control"};
	return 0;
}

static void print(FILE *to, const struct buffer *b)
{
	if (b->len)
		fwrite(b->data, 1, b->len, to);
}

/* {"valid":false,"errors":["FILE:LINE: ...", ...]} */
static void print_check_json(bool valid, struct span errors)
{
	_cleanup_(buffer_free) struct buffer out = BUFFER_INIT(OUTPUT_MAX);
	struct json_writer w = JSON_WRITER(&out);

	json_object_begin(&w);
	json_key(&w, "valid");
	json_bool(&w, valid);
	json_key(&w, "errors");
	json_array_begin(&w);
	while (errors.len) {
		const char *end = memchr(errors.ptr, '\n', errors.len);
		size_t n = end ? (size_t)(end - errors.ptr) : errors.len;
		json_string(&w, (struct span){errors.ptr, n});
		n += end != NULL;
		errors.ptr += n;
		errors.len -= n;
	}
	json_array_end(&w);
	json_object_end(&w);
	print(stdout, &out);
	putchar('\n');
}

/* EXIT_DONE with *ret, or the exit status; what is wrong was told, but for a check with --json. */
static int load(const struct config_options *o, bool quiet, struct buffer *errors, struct config **ret)
{
	int r = config_load(o->file, o->flags, o->flag_count, environ, ret, errors);

	if (r < 0)
		return cli_fail(EXIT_USAGE, "config", "%s", strerror(-r));
	if (r && !quiet) {
		print(stderr, errors);
		cli_fail(EXIT_USAGE, "config", "configuration refused");
	}
	return r ? EXIT_USAGE : EXIT_DONE;
}

static int check(const struct cli *cli, const struct config_options *o)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(ERRORS_MAX);
	struct config *config = NULL;
	int r = load(o, cli->json, &errors, &config);

	/* What the file names must be sound as well: rules, secrets, URLs. */
	if (r == EXIT_DONE && sensor_check(config, &errors))
		r = EXIT_USAGE;
	if (!cli->json && errors.len && config)
		print(stderr, &errors);
	if (cli->json)
		print_check_json(r == EXIT_DONE, buffer_span(&errors));
	else if (r == EXIT_DONE)
		puts("configuration is sound");
	config_free(config);
	return r;
}

static int show(const struct config_options *o)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(ERRORS_MAX);
	_cleanup_(buffer_free) struct buffer out = BUFFER_INIT(OUTPUT_MAX);
	struct config *config = NULL;
	int r = load(o, false, &errors, &config);

	if (r != EXIT_DONE)
		return r;
	r = config_show(config, o->origin, &out);
	config_free(config);
	if (r)
		return cli_fail(EXIT_NO, "config", "%s", strerror(-r));
	print(stdout, &out);
	return EXIT_DONE;
}

static int schema(void)
{
	_cleanup_(buffer_free) struct buffer out = BUFFER_INIT(OUTPUT_MAX);
	int r = config_schema(&out);

	if (r)
		return cli_fail(EXIT_NO, "config", "%s", strerror(-r));
	print(stdout, &out);
	return EXIT_DONE;
}

int cli_config(const struct cli *cli, int argc, char **argv)
{
	struct config_options o = {.file = NULL};

	if (argc < 2)
		return cli_fail(EXIT_USAGE, "config", "say what: check, show, schema or redact");
	if (strcmp(argv[1], "redact") == 0)
		return cli_config_redact(cli, argc - 1, argv + 1);
	int r = options_read(cli, argc - 1, argv + 1, &o);
	if (r)
		return r;
	if (strcmp(argv[1], "check") == 0)
		return check(cli, &o);
	if (strcmp(argv[1], "show") == 0)
		return show(&o);
	if (strcmp(argv[1], "schema") == 0)
		return schema();
	return cli_fail(EXIT_USAGE, "config", "no such part: \"%s\"; check, show, schema or redact", argv[1]);
}
