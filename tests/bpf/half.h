/* SPDX-License-Identifier: Apache-2.0 */
/* half.h: a whole kernel half for tests: loaded, its TCP programs attached, its records collected, HALF_PORT
 * watched. */
#ifndef PICKET_TESTS_HALF_H
#define PICKET_TESTS_HALF_H

#include <stdbool.h>

#include "collect.h"
#include "sensor/kernel.h"
#include "sensor/ports.h"
#include "sensor/reader.h"
#include "world.h"

#define HALF_PORT 8077

struct half {
	struct config config;
	struct kernel *kernel;
	struct reader *reader;
	struct collect got;
	struct pk_config pk; /* as set; change and kernel_config_set */
};

/* Is this a kernel on which the ring path has to load: Linux 6.12 and later? */
bool half_ring_expected(void);
/* Fails the test when it cannot. Scope: the server's namespace. */
void half_open(struct half *h, const struct world *w, enum config_capture_source source, uint64_t ring_bytes);
void half_close(struct half *h);
uint64_t half_stat(struct half *h, enum pk_counter which);
/* Reads what there is; then all that was produced has been read or is counted as lost. */
void half_assert_balance(struct half *h);
void half_deny(struct half *h, const char *who, enum pk_scope scope); /* for a minute */
void half_undeny(struct half *h, const char *who);

#endif
