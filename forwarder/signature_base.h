/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature_base.h: the text that a signature of an HTTP message is made over (RFC 9421 section 2.5): one
 * line for each component that Signature-Input names, and a last one for Signature-Input itself.
 */
#ifndef PICKET_SIGNATURE_BASE_H
#define PICKET_SIGNATURE_BASE_H

#include "forwarder/structured_field.h"

#define SIGNATURE_BASE_MAX (16 * 1024)

enum {
	SIGNATURE_BASE_E_FORM = 1,  /* no list of names, or one comes twice */
	SIGNATURE_BASE_E_COMPONENT, /* the message has no such component, or it is none that we know */
	SIGNATURE_BASE_E_TOO_LARGE, /* for out, or for memory */
};

/* Appends the value of that component to out, or returns one of the above. name: component->value.bytes. */
typedef int (*signature_component)(void *arg, const struct field_item *component, struct buffer *out);

/* input: a member of Signature-Input. out: empty, with its ceiling. 0 or one of the above. */
int signature_base_write(const struct field_member *input, signature_component component, void *arg,
			 struct buffer *out);

#endif
