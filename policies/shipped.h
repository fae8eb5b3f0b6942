/* SPDX-License-Identifier: Apache-2.0 */
/* shipped.h: the data of policies/ that is compiled in (embed.cmake makes the definitions). */
#ifndef PICKET_SHIPPED_H
#define PICKET_SHIPPED_H

#include <stddef.h>

struct shipped_file {
	const char *name; /* NULL ends the list */
	const unsigned char *bytes;
	size_t len;
};
extern const struct shipped_file shipped_files[];     /* policies/detections/ */
extern const struct shipped_file shipped_redaction[]; /* policies/redact.yaml */
extern const struct shipped_file shipped_packets[];   /* policies/packets.yaml */

#endif
