/* SPDX-License-Identifier: Apache-2.0 */
/* prompt_shipped.h: policies/prompts/judge.txt, compiled in (embed.cmake makes the definition). */
#ifndef PICKET_PROMPT_SHIPPED_H
#define PICKET_PROMPT_SHIPPED_H

#include <stddef.h>

extern const unsigned char prompt_shipped[];
extern const size_t prompt_shipped_len;

#endif
