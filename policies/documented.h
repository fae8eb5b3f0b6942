/* SPDX-License-Identifier: Apache-2.0 */
/* documented.h: whether the OpenAPI file has the path and method of a request (event_request.documented). */
#ifndef PICKET_DOCUMENTED_H
#define PICKET_DOCUMENTED_H

enum documented {
	DOCUMENTED_UNKNOWN, /* there is no such file */
	DOCUMENTED_YES,
	DOCUMENTED_NO,
};

#endif
