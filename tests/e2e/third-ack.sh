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
	read -r rode made answered < <(in_c "$PYTHON" "$E2E/raw.py" third-ack "$address" $PORT 50 "/third/$name")
	equal "requests answered over $name" "$made" "$answered"
	equal "requests that rode on the third segment, by the wire ($name)" 50 "$rode"
	wait_until 10 "all of them seen ($name)" events_reach http.request "$made" ".\"url.path\" | startswith(\"/third/$name/\")"
	equal "requests seen over $name" "$made" "$(events_count http.request ".\"url.path\" | startswith(\"/third/$name/\")")"
	tell "IPv$name: $rode of $made rode there, all $made seen"
done
picket_down
