/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_response.h: the server's direction of an HTTP/1 connection, from bytes in order to answers: status,
 * size of the body, time of the first byte (RFC 9112, read leniently as clients do). Heads are not kept: a
 * line needs HTTP1_RESPONSE_LINE_MAX bytes of state, what is longer is cut, and no memory is allocated. The
 * result does not depend on how the bytes were cut.
 *
 * Which request an answer belongs to is the caller's business: it says what was asked (a HEAD has no body),
 * and gets the answers in the order of the requests. 1xx answers but 101 are passed over.
 */
#ifndef PICKET_HTTP1_RESPONSE_H
#define PICKET_HTTP1_RESPONSE_H

#include "sensor/http1.h"

/*
 * The status at the start of bytes: "HTTP/1.1 200", in any case of letters, of any version, also "ICY 200";
 * spaces, tabs, VT and FF may stand in place of one space. Leading empty lines are the caller's to remove. 0:
 * *ret_status is 100 to 999; the rest of the line need not be there. HTTP1_E_MORE: it may become one (the
 * byte behind the three digits must be seen). HTTP1_E_NOT_HTTP.
 */
int http1_status(struct span bytes, unsigned *ret_status);

#endif
