// SPDX-License-Identifier: Apache-2.0
/*
 * What picket's programs cost, as the kernel measures it (kernel.bpf_stats_enabled). Those of all daemons on
 * this host are taken together: a program does not say whose it is.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "lib/util.h"
#include "sensor/top.h"

#define NAMES_BEGIN "pk_"
#define SWITCH      "/proc/sys/kernel/bpf_stats_enabled"

static bool measured(void)
{
	_cleanup_fclose_ FILE *f = fopen(SWITCH, "re");
	int on = 0;

	return f && fscanf(f, "%9d", &on) == 1 && on;
}

static struct top_program *program_of(struct top_programs *p, const char *name)
{
	for (unsigned i = 0; i < p->count; i++)
		if (!strcmp(p->items[i].name, name))
			return &p->items[i];
	if (p->count == TOP_PROGRAMS_MAX)
		return NULL;
	struct top_program *program = &p->items[p->count++];

	snprintf(program->name, sizeof program->name, "%s", name);
	return program;
}

/* 0, or what it may not be known for. A program that ends meanwhile is left out. */
static int program_add(struct top_programs *p, uint32_t id)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof info;
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(id);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) ||
	    strncmp(info.name, NAMES_BEGIN, strlen(NAMES_BEGIN)) != 0)
		return 0;
	struct top_program *program = program_of(p, info.name);

	if (program) {
		program->runs += info.run_cnt;
		program->ns += info.run_time_ns;
	}
	return 0;
}

static int read_all(struct top_programs *p)
{
	uint32_t id = 0;
	int r = 0;

	while (!r && !(r = bpf_prog_get_next_id(id, &id)))
		r = program_add(p, id);
	return r == -ENOENT ? 0 : r;
}

static void compare(struct top_program *now, const struct top_programs *before, uint64_t ns)
{
	for (unsigned i = 0; i < before->count; i++) {
		const struct top_program *b = &before->items[i];

		if (strcmp(b->name, now->name) != 0 || now->runs <= b->runs || !ns)
			continue;
		now->run_rate = (double)(now->runs - b->runs) * (double)NS_PER_S / (double)ns;
		now->ns_each = (double)(now->ns - b->ns) / (double)(now->runs - b->runs);
	}
}

void top_programs_look(struct top_programs *p, uint64_t ns)
{
	struct top_programs now = {0};

	if (read_all(&now))
		now.state = TOP_PROGRAMS_DENIED;
	else if (!now.count)
		now.state = TOP_PROGRAMS_NONE;
	else if (!measured())
		now.state = TOP_PROGRAMS_UNCOUNTED;
	for (unsigned i = 0; i < now.count; i++)
		compare(&now.items[i], p, ns);
	*p = now;
}
