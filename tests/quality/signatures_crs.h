/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signatures_crs.h: what libmodsecurity with Debian's modsecurity-crs says of a request that has only a head:
 * the peer that our signatures are measured beside. Only in this tool; nothing of picket links it.
 *
 * An alarm is what would be blocked: an inbound anomaly score of 5 or more, the rule set's own default.
 */
#ifndef PICKET_SIGNATURES_CRS_H
#define PICKET_SIGNATURES_CRS_H

#include <stdbool.h>
#include "tests/quality/signatures_corpus.h"

struct crs;

enum { CRS_E_ABSENT = 1 };

/* 0; CRS_E_ABSENT: built without the library, or its rules are not installed (*ret_why says which). */
int crs_new(unsigned paranoia, struct crs **ret, const char **ret_why);
void crs_free(struct crs *c);
bool crs_alarm(struct crs *c, const struct stage *s);

#endif
