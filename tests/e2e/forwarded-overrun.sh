#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "when the header ring overruns, nothing is named of honest clients that pass, no request is invented, and tricks behind it are named"
need_python socket
need ab
need h2load
NS_G=pe2e-g-$$
PICKET_NS=$NS_G

# client - bridge - server
ns_add "$NS_S"
ns_add "$NS_C"
ns_add "$NS_G"
link_up "$NS_C" eth0 "$NS_G" client0
link_up "$NS_S" eth0 "$NS_G" server0
ip -n "$NS_G" link add br0 type bridge
ip -n "$NS_G" link set client0 master br0
ip -n "$NS_G" link set server0 master br0
ip -n "$NS_G" link set br0 up
ip -n "$NS_C" addr add $C4/24 dev eth0
ip -n "$NS_S" addr add $S4/24 dev eth0
nginx_up
wait_until 5 "the server is reached through the bridge" in_c bash -c "exec 3<>/dev/tcp/$S4/$PORT"
picket_up "capture:
  packets: forwarded
  header_ring_bytes: 64KiB
  header_rate: 100000
  ports: [$PORT]"
events_start
mac=$(mac_of "$NS_C" eth0)
ip -n "$NS_S" neigh replace 10.77.0.9 lladdr "$mac" dev eth0 nud permanent
lost() { status_of '.kernel.headers_lost + .kernel.headers_over_share'; }

# Connections that begin, are used and end while the reader comes and goes, so many that half open ones were a flood; kept
# ones, each request with a target of its own; large segments.
for i in $(seq 1000); do echo "http://$S4:$PORT/overrun/$i"; done >"$DIR/uris"
head -c 20000000 /dev/zero >"$DIR/body"
sensor=$(sensor_pid)
start_c h2load --h1 -n 6000 -c 16 -t 1 --rps 100 -i "$DIR/uris" >"$DIR/load" 2>&1
kept=$!
start_c ab -q -n 4000 -c 32 "http://$S4:$PORT/honest" >/dev/null 2>&1
new=$!
until gone $new; do
	kill -STOP "$sensor"
	sleep 0.02
	kill -CONT "$sensor"
	sleep 0.02
done
in_c curl -s -o /dev/null --data-binary "@$DIR/body" "http://$S4:$PORT/honest"
wait_until 60 "all requests are served" gone $kept
last_seen() {
	in_c curl -s -o /dev/null -m 2 "http://$S4:$PORT/last"
	events_reach http.request 1 '."url.path" == "/last"'
}
wait_until 60 "what came after them" last_seen
at_least "records that found no room (the overrun was real)" 1000 "$(lost)"
equal "anomalies of honest clients" "" \
	"$(jq -r 'select(."event.name" | endswith(".anomaly")) | ."tcp.anomaly.name" // ."http.anomaly.name"' "$DIR/events.jsonl" | sort | uniq -c)"
at_least "connections known to be seen in part" 16 "$(status_of .capture.packets.tracked.lossy)"
tell "$(lost) records lost, $(status_of .capture.packets.tracked.lossy) connections seen in part, no anomaly"

events_of http.request | jq -r '"\(."http.request.method") \(."url.original")"' | sort >"$DIR/seen"
sort "$DIR/access.log" >"$DIR/logged"
equal "requests that nginx never got" 0 "$(comm -13 "$DIR/logged" "$DIR/seen" | wc -l)"
at_least "requests missing" 100 "$(comm -23 "$DIR/logged" "$DIR/seen" | wc -l)"
tell "$(wc -l <"$DIR/seen") of $(wc -l <"$DIR/logged") requests seen, none invented"

# What begins now is seen from its beginning.
anomaly_of() { # CLIENT-PORT NAME
	events_reach tcp.anomaly 1 ".\"client.port\" == $1 and .\"tcp.anomaly.name\" == \"$2\""
}
played() { # TRICK NAME
	read -r port status < <(in_c "$PYTHON" "$E2E/evader.py" 10.77.0.9 $S4 $PORT "$1")
	[ "$status" = 200 ] && within 30 anomaly_of "$port" "$2"
}
trick() { # TRICK NAME
	local port='' status=''
	unless_dropped played "$1" "$2" || fail "$1: nginx answered ${status:-nothing}, and it is not named $2"
	tell "$1: $2"
}
trick out-of-window tcp_established_packet_out_of_window
trick two-versions tcp_overlap_different_data
trick fake-rst tcp_suspected_rst_injection
picket_down
