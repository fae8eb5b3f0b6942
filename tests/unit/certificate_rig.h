/* SPDX-License-Identifier: Apache-2.0 */
/* certificate_rig.h: a certificate for 127.0.0.1 that is its own authority, its key, and files of both. */
#ifndef PICKET_TEST_CERTIFICATE_RIG_H
#define PICKET_TEST_CERTIFICATE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Valid from and to so many seconds from now. PEM; free both. */
void certificate_make(long from_s, long to_s, char **ret_certificate, char **ret_key);
/* The key of a certificate (PEM) as pin. */
#define CERTIFICATE_PIN_MAX 64
void certificate_pin(const char *certificate, char ret[static CERTIFICATE_PIN_MAX]);
/* The same key, locked by a password; free it. */
char *key_lock(const char *key);
/* With mode 0600. */
void write_private(const char *path, const char *text);

#endif
