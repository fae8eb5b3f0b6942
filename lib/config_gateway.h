/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_gateway.h: what one gateway's keys mean together, internal to lib/config*.c: defaults that follow
 * from another key (its profile, protocol, transport), and what must not stand without or beside another.
 */
#ifndef PICKET_CONFIG_GATEWAY_H
#define PICKET_CONFIG_GATEWAY_H

#include "lib/config_keys.h"

/*
 * Sets the defaults that follow from node, one gateway's section as it is written: before its own keys are.
 * 0, or a result of config_value_set.
 */
int config_gateway_defaults(struct config_gateway *g, const struct yaml_node *node, struct buffer *errors);
/* Adds the headers of its profile which the section does not have; after its own keys. 0 or -ENOMEM. */
int config_gateway_headers(struct config_gateway *g);

/* Does that key say anything for such a gateway? */
bool config_gateway_knows(const struct config_gateway *g, const struct config_key *key);

/* What is wrong with it, to stand behind its name, in text or elsewhere; NULL: nothing. */
#define CONFIG_GATEWAY_TEXT_MAX 160
const char *config_gateway_check(const struct config_gateway *g, char text[static CONFIG_GATEWAY_TEXT_MAX]);

#endif
