#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every name of an anomaly that the code can say stands in docs/anomalies.md, and every name there is one that it can say.
set -eu
cd "$(dirname "$0")/.."

sources="sensor/frames.c sensor/tcp_track.c sensor/refused.c sensor/headers.c sensor/http1_response.c sensor/exchange.h sensor/http1_host.h lib/http_request.c"
# shellcheck disable=SC2086
said=$(
	grep -ohE '"(tcp|http|ipv4|ipv6|ipraw|ethernet|sll|vlan)_[a-z0-9_]+"|"(null_scan|xmas_scan|syn_fin|syn_rst|urgent|reserved_flags|bad_header_length|too_many_layers)"' $sources |
		tr -d '"' | sort -u
)
told=$(grep '^| `' docs/anomalies.md | cut -d'|' -f2 | grep -oE '[a-z][a-z0-9_]+' | sort -u)
missing=$(comm -23 <(echo "$said") <(echo "$told"))
unknown=$(comm -13 <(echo "$said") <(echo "$told"))
[ -z "$missing" ] || echo "not in docs/anomalies.md:" "${missing//$'\n'/ }"
[ -z "$unknown" ] || echo "in docs/anomalies.md, and nobody says it:" "${unknown//$'\n'/ }"
[ -z "$missing$unknown" ] || exit 1
echo "$(echo "$said" | wc -l) names are explained"
