/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openapi.h: reads which paths and methods an API has from its description, OpenAPI 3.0 or 3.1, as YAML or
 * JSON. Of the document it reads what says where an operation is: servers (of the document, a path or an
 * operation), paths, path items and their methods; everything else is passed over. A server's URL counts with
 * its path only, for inside a network an API is seldom called by its public name; a variable in it
 * ("/{version}") is a parameter, unless it begins the URL ("{endpoint}/v1") and by its default stands for
 * scheme and host.
 *
 * A path item that refers ("$ref") to another place of the same document is followed; one that refers to
 * another file is an error, for its methods would be missing.
 */
#ifndef PICKET_OPENAPI_H
#define PICKET_OPENAPI_H

#include "lib/buffer.h"
#include "policies/operations.h"

#define OPENAPI_FILE_MAX    (32u << 20) /* bytes */
#define OPENAPI_SERVERS_MAX 32          /* of one list */

/*
 * name: for messages. 0, CONFIG_E_INVALID (errors has one message a line: "NAME:LINE: what is wrong"),
 * -ENOMEM. Bytes are changed: escapes that the YAML library does not know, though JSON has them.
 */
int openapi_parse(char *bytes, size_t len, const char *name, struct operations **ret, struct buffer *errors);
/* The same from a path; a file that cannot be read is CONFIG_E_INVALID too. */
int openapi_load(const char *path, struct operations **ret, struct buffer *errors);

#endif
