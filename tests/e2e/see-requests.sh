#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a request over IPv4, IPv6 and loopback becomes one event with the right fields"
net_up
nginx_up
picket_up
events_start

in_c curl -s -o /dev/null -A story/1 "http://$S4:$PORT/veth/four?page=2"
in_c curl -s -o /dev/null -A story/1 "http://[$S6]:$PORT/veth/six"
in_s curl -s -o /dev/null -A story/1 "http://127.0.0.1:$PORT/lo/four"
in_s curl -s -o /dev/null -A story/1 "http://[::1]:$PORT/lo/six"
in_c curl -s -o /dev/null -A story/1 -X POST -H 'Content-Type: application/json' -d '{"name":"x"}' "http://$S4:$PORT/veth/post"
wait_until 10 "five requests are seen" events_reach http.request 5
equal "requests seen" 5 "$(settled 5 events_count http.request)"

event() { # PATH: that request's event in $E
	E=$(events_of http.request | jq -c --arg p "$1" 'select(."url.path" == $p)')
	[ -n "$E" ] || fail "no event has url.path $1"
	equal "events with url.path $1" 1 "$(printf '%s\n' "$E" | wc -l)"
}
field() { # KEY EXPECTED
	equal "$1 of $(printf '%s' "$E" | jq -r '."url.path"')" "$2" "$(printf '%s' "$E" | jq -r --arg k "$1" '.[$k] | if type == "array" then join(",") else . end')"
}

event /veth/four
field event.name http.request
field http.request.method GET
field url.original "/veth/four?page=2"
field network.peer.address $C4
field client.address $C4
field network.local.address $S4
field network.local.port $PORT
field server.port $PORT
field http.request.header.host "$S4:$PORT"
field http.request.header.user-agent story/1
jq -e '(."network.peer.port" > 1023) and (."time_unix_nano" | test("^[0-9]{19}$")) and (."picket.connection.id" | test("^[0-9]+$"))' \
	>/dev/null <<<"$E" || fail "peer port, time or connection id is missing or malformed: $E"
now=$(date +%s)
at=$(jq -r '."time_unix_nano"[0:10]' <<<"$E")
at_most "seconds between the event's time and now" 30 $((now > at ? now - at : at - now))
tell "IPv4 over veth"
event /veth/six
field network.peer.address $C6
field network.local.address $S6
tell "IPv6 over veth"
event /lo/four
field network.peer.address 127.0.0.1
field network.local.address 127.0.0.1
event /lo/six
field network.peer.address ::1
tell "both over loopback"
event /veth/post
field http.request.method POST
field http.request.body.size 12
field http.request.header.content-type application/json
tell "POST with its body's size"

# The connection is told too, once it is over.
id=$(jq -r '."picket.connection.id"' <<<"$E")
wait_until 10 "the connection's event" events_reach net.connection 1 ".\"picket.connection.id\" == \"$id\""
equal "requests of that connection" 1 "$(events_of net.connection | jq -r --arg i "$id" 'select(."picket.connection.id" == $i) | ."picket.connection.requests"')"
tell "its connection's end"
# Who read it: nginx, by the name that the kernel has of it.
wait_until 5 "the process is named" events_reach http.request 1 '."process.executable.name" == "nginx"'
tell "the process that read it is named"
picket_down
