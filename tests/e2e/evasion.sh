#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# Eleven tricks that show observers of packets other bytes than the server takes. For each: what picket saw is what nginx
# logged, and the trick has its name.
. "$(dirname "$0")/lib.sh"
story "what the client's tricks hide from others is seen as the server saw it, and named"
need_python socket
need h2load
net_up
nginx_up
picket_up
events_start
mac=$(mac_of "$NS_C" eth0)
ip -n "$NS_S" neigh replace 10.77.0.9 lladdr "$mac" dev eth0 nud permanent

anomaly_of() { # PEER-PORT NAME
	events_reach tcp.anomaly 1 ".\"network.peer.port\" == $1 and .\"tcp.anomaly.name\" == \"$2\""
}

played() { # TRICK NAME|-
	read -r port status < <(in_c "$PYTHON" "$E2E/evader.py" 10.77.0.9 $S4 $PORT "$1")
	[ "$status" = 200 ] && { [ "$2" = - ] || within 30 anomaly_of "$port" "$2"; }
}
trick() { # TRICK NAME|-
	local port='' status=''
	unless_dropped played "$1" "$2" || fail "$1: nginx answered ${status:-nothing}, and it is not named $2"
	tell "$1: answered 200, ${2/#-/nothing to name}"
}

trick bad-checksum tcp_invalid_checksum
trick out-of-order -
trick two-versions tcp_overlap_different_data
trick old-overlapped tcp_overlap_different_data
trick old-rewritten tcp_overlap_different_data
trick out-of-window tcp_established_packet_out_of_window
trick bad-ack tcp_established_invalid_ack
trick no-ack-flag tcp_ack_flag_missing
trick fake-rst tcp_suspected_rst_injection
trick urgent urgent
scans() { events_of tcp.anomaly | jq -r '."tcp.anomaly.name" | select(IN("null_scan", "xmas_scan", "syn_fin", "syn_rst"))' | sort -u | xargs; }
all_scans() { [ "$(scans)" = "null_scan syn_fin syn_rst xmas_scan" ]; }
scanned() { played odd-flags - && within 30 all_scans; }
unless_dropped scanned || fail "of the scans only these are named: $(scans)"
tell "null, xmas, SYN+FIN and SYN+RST beside a request are named"
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
in_c h2load --h1 -n 20000 -c 16 -t 1 --rps=250 "http://$S4:$PORT/honest" >"$DIR/load" 2>&1
grep -q ' 20000 succeeded, 0 failed, 0 errored' "$DIR/load" || fail "the load did not succeed: $(grep '^requests' "$DIR/load")"
in_c curl -s -o /dev/null "http://$S4:$PORT/last"
wait_until 60 "what came after it" events_reach http.request 1 '."url.path" == "/last"'
equal "anomalies of clean traffic" "$before" "$(events_count tcp.anomaly)"
tell "20,000 requests and 20 MB of clean traffic: no anomaly"
picket_down
