/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event_log.h: appends the events of a batch to a file, one a line, byte for byte as they came: a JSON
 * library that reads numbers as doubles and prints them again would change them.
 */
#ifndef EXAMPLES_GATEWAY_EVENT_LOG_H
#define EXAMPLES_GATEWAY_EVENT_LOG_H

#include <stddef.h>
#include <stdio.h>

/* batch: a JSON array, already known to be well-formed. 0 or -1 and errno. */
int event_log_append(FILE *file, const char *batch, size_t len);

#endif
