#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a request that rides on the third segment of the handshake is seen"
need_python socket
net_up
nginx_up
picket_up
events_start

for leg in "four $S4" "six $S6"; do
	name=${leg% *} address=${leg#* }
	read -r rode answered < <(in_c "$PYTHON" "$E2E/raw.py" third-ack "$address" $PORT 50 "/third/$name")
	equal "requests answered over $name" 50 "$answered"
	at_least "requests that rode on the third segment, by the wire ($name)" 45 "$rode"
	wait_until 10 "all of them seen ($name)" events_reach http.request 50 ".\"url.path\" | startswith(\"/third/$name/\")"
	equal "requests seen over $name" 50 "$(events_count http.request ".\"url.path\" | startswith(\"/third/$name/\")")"
	tell "IPv$name: $rode of 50 rode there, 50 of 50 seen"
done
picket_down
