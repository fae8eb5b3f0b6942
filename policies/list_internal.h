/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list_internal.h: what the readers of list formats share. Each reads records and gives them to the builder;
 * list_parse.c chooses the reader, list.c sorts what came.
 */
#ifndef PICKET_LIST_INTERNAL_H
#define PICKET_LIST_INTERNAL_H

#include <cjson/cJSON.h>
#include "policies/list.h"

struct list_builder {
	struct list *list;
	uint32_t size4, size6;
	struct list_report *report;
	struct list_times times;
};

enum { LIST_E_TOO_MANY = 2 /* beside LIST_E_REFUSED, among these files */, LIST_E_FORMAT = 3 };

/* Text of one address or prefix. end_s: as in struct list4, of more bits. 0 (also when it was only counted),
 * LIST_E_TOO_MANY, -ENOMEM. */
int list_add(struct list_builder *b, uint64_t at, struct span text, uint64_t end_s);
/* The same of a target that was read before. */
int list_put(struct list_builder *b, const struct prefix *p, uint64_t end_s);
void list_unreadable(struct list_builder *b, uint64_t at, const char *why, struct span text);
/* Sorts, and leaves of equal targets the one that lasts longest. 0 or -ENOMEM. */
int list_finish(struct list_builder *b);

/* RFC 3339: 0 and seconds since 1970 (0 for what is before), or 1. */
int list_time_parse(struct span text, uint64_t *ret_s);
/* Go's duration, "3h59m59.5s" or "-1.5ms": 0 and whole seconds, rounded away from zero, or 1. */
int list_duration_parse(struct span text, int64_t *ret_s);

/* Each: 0, LIST_E_TOO_MANY, LIST_E_FORMAT (nothing of it looks like that), -ENOMEM. */
int list_read_plain(struct list_builder *b, struct span text);
int list_read_crowdsec_csv(struct list_builder *b, struct span text);
int list_read_crowdsec(struct list_builder *b, const cJSON *root);
int list_read_stix(struct list_builder *b, const cJSON *root);
int list_read_misp(struct list_builder *b, const cJSON *root);
/* Does the text begin as CrowdSec's CSV does, with a line of column names? */
bool list_is_crowdsec_csv(struct span text);

#endif
