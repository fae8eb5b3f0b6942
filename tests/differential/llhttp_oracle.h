/* SPDX-License-Identifier: Apache-2.0 */
/* llhttp_oracle.h: what llhttp, the parser of Node.js, in its strict form, makes of the bytes of one
 * connection. */
#ifndef PICKET_TESTS_LLHTTP_ORACLE_H
#define PICKET_TESTS_LLHTTP_ORACLE_H

#include "seen.h"

/*
 * Its error, HPE_OK: none. *s: the messages whose headers were complete; their deviations are 0. *ret_closed:
 * the last whole message closes the connection, so that what follows is not looked at.
 */
int llhttp_read(struct seen *s, struct span bytes, bool *ret_closed);
const char *llhttp_error_name(int error);

#endif
