/* SPDX-License-Identifier: Apache-2.0 */
/* cli_gateway.h: what `picket gateway test` does for protocols that are no exchange of batches. */
#ifndef PICKET_CLI_GATEWAY_H
#define PICKET_CLI_GATEWAY_H

#include "lib/config.h"
#include "sensor/cli.h"

/* Asks the LAPI for what it would tell us, changes nothing there but when the machine was last seen. An
 * EXIT_*. */
int cli_crowdsec_test(const struct cli *cli, const struct config_gateway *g);

#endif
