/* SPDX-License-Identifier: Apache-2.0 */
/* collect.h: keeps every record a reader hands on, for tests to look at. */
#ifndef PICKET_TESTS_COLLECT_H
#define PICKET_TESTS_COLLECT_H

#include <stddef.h>
#include "bpf/abi.h"

struct collect {
	struct pk_record **list;
	size_t count, size;
};

void collect_record(void *arg, const struct pk_record *rec); /* a reader_fn; arg: struct collect */
void collect_clear(struct collect *c);
size_t collect_count(const struct collect *c, enum pk_kind kind);
/* The n-th record of a kind, or NULL. */
const void *collect_get(const struct collect *c, enum pk_kind kind, size_t n);
/*
 * The bytes of one connection in order, each once; malloc. *ret_gaps: bytes that were announced or passed
 * over, but are not there. first: sequence number of the first byte.
 */
char *collect_stream(const struct collect *c, __u64 cookie, __u32 first, size_t *ret_len, size_t *ret_gaps);

#endif
