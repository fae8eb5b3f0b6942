/* SPDX-License-Identifier: Apache-2.0 */
/* shipped.h: files that are compiled in (embed.cmake makes the definitions). */
#ifndef PICKET_SHIPPED_H
#define PICKET_SHIPPED_H

#include <stddef.h>

struct shipped_file {
	const char *name; /* NULL ends the list */
	const unsigned char *bytes;
	size_t len;
};
extern const struct shipped_file shipped_files[];      /* policies/detections/ */
extern const struct shipped_file shipped_redaction[];  /* policies/redact.yaml */
extern const struct shipped_file shipped_packets[];    /* policies/packets.yaml */
extern const struct shipped_file shipped_signatures[]; /* policies/signatures/ */
extern const struct shipped_file shipped_completion[]; /* sensor/completion/ */

#endif
