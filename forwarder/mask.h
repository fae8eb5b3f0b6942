/* SPDX-License-Identifier: Apache-2.0 */
/* mask.h: secrets taken out of what people are shown. */
#ifndef PICKET_MASK_H
#define PICKET_MASK_H

#include "lib/buffer.h"

#define MASK "***"

/* Each place where secret stands in b becomes shown. 0, BUFFER_E_FULL or -ENOMEM: then b is emptied. */
int mask_text(struct buffer *b, struct span secret, struct span shown);
/* "https://gw/events?key=***&x=***": the values of a query are often keys. Appended. */
int mask_url(struct buffer *out, struct span url);

#endif
