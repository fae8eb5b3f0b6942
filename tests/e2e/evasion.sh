#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# Eleven tricks that show observers of packets other bytes than the server takes. For each: what picket saw is what nginx
# logged, and the trick has its name.
. "$(dirname "$0")/lib.sh"
story "what the client's tricks hide from others is seen as the server saw it, and named"
need_python socket
net_up
nginx_up
picket_up
events_start
mac=$(in_c cat /sys/class/net/eth0/address)
ip -n "$NS_S" neigh replace 10.77.0.9 lladdr "$mac" dev eth0 nud permanent

anomaly_of() { # PEER-PORT NAME
	events_reach tcp.anomaly 1 ".\"network.peer.port\" == $1 and .\"tcp.anomaly.name\" == \"$2\""
}

trick() { # TRICK NAME|- STATUS
	local port status
	read -r port status < <(in_c "$PYTHON" "$E2E/evader.py" 10.77.0.9 $S4 $PORT "$1")
	equal "nginx's answer to $1" "$3" "$status"
	[ "$2" = - ] || wait_until 10 "$1 is named $2" anomaly_of "$port" "$2"
	tell "$1: answered $3, ${2/#-/nothing to name}"
}

trick bad-checksum tcp_invalid_checksum 200
trick out-of-order - 200
trick two-versions tcp_overlap_different_data 200
trick old-overlapped tcp_overlap_different_data 200
trick old-rewritten tcp_overlap_different_data 200
trick out-of-window tcp_established_packet_out_of_window 200
trick bad-ack tcp_established_invalid_ack 200
trick no-ack-flag tcp_ack_flag_missing 200
trick fake-rst tcp_suspected_rst_injection 200
trick urgent urgent 200
trick odd-flags - 200
for name in null_scan xmas_scan syn_fin syn_rst; do
	wait_until 10 "$name is named" events_reach tcp.anomaly 1 ".\"tcp.anomaly.name\" == \"$name\""
done
wait_until 10 "every request" events_reach http.request "$(logged)"
events_of http.request | jq -r '[."http.request.method", ."url.path"] | join(" ")' | sort >"$DIR/seen"
sort "$DIR/access.log" >"$DIR/logged"
same_file "requests, nginx's log against picket's events" "$DIR/logged" "$DIR/seen"
equal "requests with a decoy's target" 0 "$(grep -c "/fake\$" "$DIR/seen")"
tell "$(logged) requests as nginx logged them, none of a decoy"

# And an honest client raises none of it, also where packets are large.
before=$(events_count tcp.anomaly)
head -c 20000000 /dev/zero >"$DIR/body"
in_c curl -s -o /dev/null --data-binary "@$DIR/body" "http://$S4:$PORT/honest"
in_c h2load --h1 -n 20000 -c 16 -t 1 "http://$S4:$PORT/honest" >/dev/null 2>&1 || true
equal "anomalies of clean traffic" "$before" "$(events_count tcp.anomaly)"
tell "20,000 requests and 20 MB of clean traffic: no anomaly"
picket_down
