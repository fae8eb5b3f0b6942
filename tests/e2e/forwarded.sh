#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a gateway sees the requests of servers behind it, with their answers, and its own only once"
NS_G=pe2e-g-$$
PICKET_NS=$NS_G
in_g() { nsenter --net="/run/netns/$NS_G" "$@"; }
BEHIND4=10.78.0.2 # the client, beyond the gateway

# client - gateway - server
ns_add "$NS_S"
ns_add "$NS_C"
ns_add "$NS_G"
link_up "$NS_C" eth0 "$NS_G" client0
link_up "$NS_S" eth0 "$NS_G" server0
ip -n "$NS_C" addr add $BEHIND4/24 dev eth0
ip -n "$NS_G" addr add 10.78.0.1/24 dev client0
ip -n "$NS_G" addr add 10.77.0.254/24 dev server0
ip -n "$NS_S" addr add $S4/24 dev eth0
ip -n "$NS_C" route add default via 10.78.0.1
ip -n "$NS_S" route add default via 10.77.0.254
in_g sysctl -qw net.ipv4.ip_forward=1

head -c 300000 /dev/zero >"$DIR/large"
nginx_up "location /large { alias $DIR/large; } location /gone { return 404; } location /slow { return 503; }"
wait_until 5 "the server is reached through the gateway" in_c bash -c "exec 3<>/dev/tcp/$S4/$PORT"
picket_up "capture:
  packets: forwarded
  ports: [$PORT]"
events_start

in_c curl -s "http://$S4:$PORT/one" "http://$S4:$PORT/gone" "http://$S4:$PORT/large" >/dev/null
in_c curl -s -I "http://$S4:$PORT/head" >/dev/null
in_c curl -s -o /dev/null -X POST --data-binary "@$DIR/large" "http://$S4:$PORT/upload"
# Without those by which the story itself looked whether events come.
log_has() { [ "$(grep -v -c ' /e2e-' "$DIR/access.full")" -ge "$1" ]; }
wait_until 10 "nginx logged five requests" log_has 5
grep -v ' /e2e-' "$DIR/access.full" | sort >"$DIR/logged"
wait_until 10 "the requests are seen" events_reach http.request 5
equal "requests seen" 5 "$(settled 5 events_count http.request)"
events_of http.request | jq -r '[."client.address", ."http.response.status_code", ."http.request.method", ."url.original", ."network.protocol.name" + "/1.1"] | join(" ")' |
	sed 's,http/1.1,HTTP/1.1,' | sort >"$DIR/seen"
same_file "requests with their clients and answers" "$DIR/logged" "$DIR/seen"
tell "every request that nginx logged, with its client and its status"

body() { events_of http.request | jq -r --arg p "$1" 'select(."url.path" == $p) | ."http.response.body.size"'; }
equal "size of the large answer" "$(wc -c <"$DIR/large")" "$(body /large)"
equal "size of the answer to HEAD" 0 "$(body /head)"
[ -n "$(events_of http.request | jq -r 'select(."url.path" == "/one") | ."picket.http.latency_ns"')" ] ||
	fail "no latency in the event of /one"
tell "the sizes of the answers, whatever the segments were"

# The gateway's own server: its socket tells, and its packets are not read as well.
nsenter --net="/run/netns/$NS_G" nginx -e "$DIR/nginx.error" -p "$DIR/nginx" -c "$DIR/nginx.conf" 2>>"$DIR/nginx.stderr" &
own $!
wait_until 10 "the gateway's own nginx listens" in_g bash -c "exec 3<>/dev/tcp/127.0.0.1/$PORT"
in_c curl -s -o /dev/null "http://10.78.0.1:$PORT/own"
wait_until 10 "the gateway's own request is seen" events_reach http.request 1 '."url.path" == "/own"'
equal "events of the gateway's own request" 1 "$(settled 5 events_count http.request '."url.path" == "/own"')"
# ... and a listener on every address hides nothing that is only passed on.
in_c curl -s -o /dev/null "http://$S4:$PORT/behind"
wait_until 10 "what is passed on is still seen" events_reach http.request 1 '."url.path" == "/behind"'
tell "own requests once, others all the same"
picket_down
