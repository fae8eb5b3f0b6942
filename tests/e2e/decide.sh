#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# Clients behind a balancer, stopped at HTTP: HAProxy on another host, nginx (or Caddy) on this one, which asks picket by the
# recipe of docs/decide.md, word for word. Only the path of the socket is the story's own.
. "$(dirname "$0")/lib.sh"
story "a client behind a balancer is denied at HTTP, its neighbour is not, and without picket everybody passes"
need haproxy
need_python
net_up
NS_K=pe2e-k-$$
ns_add "$NS_K"
link_up "$NS_C" front "$NS_K" eth0
ip -n "$NS_C" addr add 10.78.0.1/24 dev front
ip -n "$NS_K" addr add 10.78.0.2/24 dev eth0
ip -n "$NS_K" addr add 10.78.0.3/24 dev eth0
ip -n "$NS_K" addr add 10.78.0.4/24 dev eth0
BALANCER=10.78.0.1
ATTACKER=10.78.0.2
NEIGHBOUR=10.78.0.3
SLOWED=10.78.0.4
nginx_up

ROOT=$(cd "$E2E/../.." && pwd)
recipe() { # LANGUAGE: the block of that language in docs/decide.md, with the story's socket
	sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" "$ROOT/docs/decide.md" | sed '1d;$d' |
		sed "s,/run/picket/default/decide.sock,$DIR/decide.sock,; s,127.0.0.1:8080,127.0.0.1:$PORT,"
}

# The nginx that asks.
mkdir -p "$DIR/front"
recipe nginx >"$DIR/recipe"
[ -s "$DIR/recipe" ] || fail "no recipe for nginx in docs/decide.md"
# And what it needs to ask about consumers.
recipe 'nginx consumers' >"$DIR/consumers"
[ -s "$DIR/consumers" ] || fail "no lines for consumers in docs/decide.md"
sed -i "/proxy_set_header X-Forwarded-For/r $DIR/consumers" "$DIR/recipe"
# And to ask about routes.
recipe 'nginx routes' >"$DIR/routes"
[ -s "$DIR/routes" ] || fail "no line for routes in docs/decide.md"
sed -i "/proxy_set_header X-Forwarded-For/r $DIR/routes" "$DIR/recipe"
{
	cat <<-CONF
		daemon off;
		worker_processes 1;
		pid $DIR/front/pid;
		error_log $DIR/front.error;
		events { }
		http {
			access_log off;
			client_body_temp_path $DIR/front/b;
			proxy_temp_path $DIR/front/p;
			fastcgi_temp_path $DIR/front/f;
			uwsgi_temp_path $DIR/front/u;
			scgi_temp_path $DIR/front/s;
	CONF
	sed '/^# In server/,$d' "$DIR/recipe"
	echo "server { listen 8081; location / { proxy_pass http://127.0.0.1:$PORT; proxy_set_header Connection \"\"; }"
	sed '1,/^# In server/d' "$DIR/recipe"
	echo "} }"
} >"$DIR/front.conf"
start_s nginx -e "$DIR/front.error" -p "$DIR/front" -c "$DIR/front.conf" 2>"$DIR/front.stderr"
cat >"$DIR/haproxy.cfg" <<-CFG
	defaults
		mode http
		timeout connect 5s
		timeout client 20s
		timeout server 20s
		option forwardfor
	listen balancer
		bind $BALANCER:8001
		server one $S4:8081
	listen caddy
		bind $BALANCER:8002
		server one $S4:8082
CFG
start_c haproxy -f "$DIR/haproxy.cfg" -db >"$DIR/haproxy.log" 2>&1
in_k() { nsenter --net="/run/netns/$NS_K" "$@"; }
wait_until 10 "the balancer listens" in_k bash -c "exec 3<>/dev/tcp/$BALANCER/8001"
wait_until 10 "nginx listens" in_s bash -c "exec 3<>/dev/tcp/$S4/8081"

# shellcheck source=tests/e2e/through.sh
. "$E2E/through.sh"

# Before picket runs everybody passes.
client_up $NEIGHBOUR 8001 neighbour
wait_until 10 "without picket the neighbour is served" has_status neighbour 200
printf '# nobody\n' >"$DIR/listed"
picket_up "mode: enforce
lists:
  - {name: bad, path: $DIR/listed}
proxies:
  trusted: [$C4, 127.0.0.1]
enforcement:
  ja4_header: X-JA4
  target_header: X-Original-URI
  rate_limit: 5
  rate_burst: 5"
events_start
asked() { [ "$(status_of .http.asked)" -ge "$1" ]; }
wait_until 10 "nginx asks" asked 10

# The attacker is judged by its own address, denied within 100 ms, and nobody else is.
client_up $ATTACKER 8001 attacker post
ATTACKING=$CLIENT
wait_until 20 "the attacker is denied" has_status attacker 403
sleep 0.5
kill "$ATTACKING"
verdict() {
	events_of picket.decision | jq -r "select(.\"picket.decision.target\" == \"$ATTACKER\" and .\"picket.decision.outcome\" == \"blocked\") | $1" |
		head -n 1
}
equal "point of the decision" http "$(verdict '."picket.decision.point"')"
decided=$(verdict .time_unix_nano)
late=$(awk -v at="$decided" '$3 == 200 && $1 > at + 100000000' "$DIR/attacker" | wc -l)
equal "requests of the attacker that began 100 ms after the verdict and passed" 0 "$late"
first=$(awk -v at="$decided" '$3 == 403 { printf "%.1f", ($2 - at) / 1e6; exit }' "$DIR/attacker")
tell "the attacker met 403 $first ms after the verdict; before: $(statuses attacker)"
equal "packets that the kernel dropped" 0 "$(status_of .kernel.packets_dropped)"
equal "entries of the kernel" 0 "$(status_of .blocks.desired)"
# It goes on against its 403, which are picket's own words: no detection may count them.
decisions() { events_count picket.decision ".\"picket.decision.target\" == \"$ATTACKER\""; }
at_least "403 that the attacker met" 20 "$(awk '$3 == 403' "$DIR/attacker" | wc -l)"
denials() { [ "$(status_of .detection.own_denials)" -ge 20 ]; }
wait_until 10 "its requests are known as denied already" denials
equal "decisions about the attacker" 1 "$(decisions)"
tell "$(awk '$3 == 403' "$DIR/attacker" | wc -l) requests met picket's own 403, and none of them made another verdict"
pk why $ATTACKER >"$DIR/why" || fail "picket why does not know it: $(cat "$DIR/why")"
grep -q "at HTTP" "$DIR/why" || fail "picket why does not say where: $(cat "$DIR/why")"
pk blocks | grep -q "$ATTACKER .*http" || fail "picket blocks: $(pk blocks)"
unharmed neighbour

# What stands left of it in X-Forwarded-For is the client's own.
equal "status of who names another" 200 "$(in_k curl -s -o /dev/null -w '%{http_code}' --interface $NEIGHBOUR -H "X-Forwarded-For: $ATTACKER" http://$BALANCER:8001/)"
equal "status of the attacker in disguise" 403 "$(in_k curl -s -o /dev/null -w '%{http_code}' --interface $ATTACKER -H "X-Forwarded-For: $NEIGHBOUR" -H "X-Real-IP: $NEIGHBOUR" http://$BALANCER:8001/)"
equal "status of its upload" 403 "$(head -c 200000 /dev/zero | in_k curl -s -o /dev/null -w '%{http_code}' --interface $ATTACKER --data-binary @- http://$BALANCER:8001/)"
tell "no header of a client's hides it or frames another"

# Slowed, not denied.
exits 0 pk block $SLOWED --ttl 5m --action rate_limit
client_up $SLOWED 8001 slowed
wait_until 10 "the slowed client meets 429" has_status slowed 429
sleep 2
kill "$CLIENT"
has_status slowed 200 || fail "the slowed client met only: $(statuses slowed)"
# One of the few that are due may pass: of more than the burst at once, one does not.
in_k curl -s -o /dev/null -D - --interface $SLOWED "http://$BALANCER:8001/[1-12]" | tr -d '\r' >"$DIR/slowed.heads"
grep -q '^HTTP/1.1 429' "$DIR/slowed.heads" || fail "none of twelve requests at once was slowed"
equal "Retry-After of each" 1 "$(awk 'tolower($1) == "retry-after:" { print $2 }' "$DIR/slowed.heads" | sort -u)"
passed=$(awk '$3 == 200' "$DIR/slowed" | wc -l)
at_most "requests of it that passed in some 3 s at 5 a second, 5 at once" 40 "$passed"
tell "rate_limit: $(statuses slowed)"

# The kill switch lets everybody through, resume ends that; unblock, too.
exits 0 pk panic
wait_until 5 "with the kill switch the attacker passes" bash -c "[ \"\$(nsenter --net=/run/netns/$NS_K curl -s -o /dev/null -w '%{http_code}' --interface $ATTACKER http://$BALANCER:8001/)\" = 200 ]"
exits 0 pk resume
status_at() { # SOURCE PORT STATUS
	[ "$(in_k curl -s -o /dev/null -m 5 -w '%{http_code}' --interface "$1" "http://$BALANCER:$2/")" = "$3" ]
}
wait_until 5 "resumed, it does not" status_at $ATTACKER 8001 403
exits 0 pk unblock $ATTACKER
wait_until 5 "unblocked, it passes" status_at $ATTACKER 8001 200
exits 0 pk block $ATTACKER --ttl 5m
wait_until 5 "what an operator blocks is denied at HTTP, too" status_at $ATTACKER 8001 403
tell "panic, resume, unblock, block"

# What a block list names is denied there, too, with nothing of it in the list of decisions.
LISTED=10.78.0.5
ip -n "$NS_K" addr add $LISTED/24 dev eth0
of_list() { pk lists --json | jq -r "$1"; }
list_has() { [ "$(of_list .in_force)" = "$1" ]; }
wait_until 5 "who is in no list passes" status_at $LISTED 8001 200
printf '10.78.0.5\n203.0.113.0/24\n' >"$DIR/listed.new" && mv "$DIR/listed.new" "$DIR/listed"
wait_until 10 "the list is in force" list_has 2
wait_until 5 "who is in a block list is denied at HTTP" status_at $LISTED 8001 403
status_at $NEIGHBOUR 8001 200 || fail "the neighbour of who is in a list is denied"
at_least "requests that the list refused" 1 "$(of_list .http_requests)"
equal "of all denied, by lists" "$(of_list .http_requests)" "$(status_of .http.by_list)"
exits 0 pk panic
wait_until 5 "with the kill switch it passes" status_at $LISTED 8001 200
exits 0 pk resume
wait_until 5 "resumed, it does not" status_at $LISTED 8001 403
printf '203.0.113.0/24\n' >"$DIR/listed.new" && mv "$DIR/listed.new" "$DIR/listed"
wait_until 10 "out of the list it passes" status_at $LISTED 8001 200
tell "a block list is in force at HTTP, and follows its file"

# A stolen token: its consumer is denied from wherever it comes, and nobody else at these addresses is.
exits 0 pk unblock $ATTACKER
kernel=$(status_of .blocks.desired)
as() { # SOURCE STATUS HEADER...
	local source=$1 wanted=$2 headers=()
	shift 2
	for header; do headers+=(-H "$header"); done
	[ "$(in_k curl -s -o /dev/null -m 5 -w '%{http_code}' --interface "$source" "${headers[@]}" "http://$BALANCER:8001/stolen")" = "$wanted" ]
}
STOLEN="Authorization: Bearer stolen-c0ffee-0123456789"
OWN="Authorization: Bearer own-5ca1ab1e-9876543210"
JA4=t13d1516h2_8daaf6152771_b186095e22b6
wait_until 5 "with the token it is served at first" as $ATTACKER 200 "$STOLEN"
consumer_of() { events_of http.request | jq -r 'select(."url.path" == "/stolen" and ."picket.consumer") | ."picket.consumer"' | tail -n 1; }
consumer_known() { [[ "$(consumer_of)" = c_* ]]; }
wait_until 10 "the consumer is told in an event" consumer_known
CONSUMER=consumer:$(consumer_of)
refused() { # TARGET: by name, as no question carries such a thing
	pk block "$1" --ttl 5m >"$DIR/refused" 2>&1
	[ $? = 4 ] && grep -q no_point "$DIR/refused"
}
refused ja4:$JA4 || fail "a JA4 that no question tells is not refused: $(cat "$DIR/refused")"
exits 0 pk block "$CONSUMER" --ttl 5m --reason "stolen token"
wait_until 5 "the consumer is denied" as $ATTACKER 403 "$STOLEN"
as $NEIGHBOUR 403 "$STOLEN" || fail "the stolen token passes from another address"
as $ATTACKER 200 "$OWN" || fail "another consumer of that address is denied"
as $ATTACKER 200 || fail "who shows no credential at that address is denied"
pk blocks | grep -q "$CONSUMER .*http" || fail "picket blocks: $(pk blocks)"
pk why "$CONSUMER" | grep -q "at HTTP" || fail "picket why: $(pk why "$CONSUMER")"
equal "exported of it" 0 "$(pk export 2>"$DIR/export" | grep -c consumer)"
grep -q "are not in it" "$DIR/export" || fail "picket export does not say what it leaves out"
as $NEIGHBOUR 200 "X-JA4: $JA4" || fail "a JA4 is denied by nobody's wish"
exits 0 pk block ja4:$JA4 --ttl 5m
wait_until 5 "the JA4 is denied" as $NEIGHBOUR 403 "X-JA4: $JA4"
as $NEIGHBOUR 200 "X-JA4: t13d1516h1_8daaf6152771_b186095e22b6" || fail "another JA4 is denied"
exits 0 pk unblock ja4:$JA4
wait_until 5 "unblocked, the JA4 passes" as $NEIGHBOUR 200 "X-JA4: $JA4"
equal "entries of the kernel, as before" "$kernel" "$(status_of .blocks.desired)"
grep -rq 'stolen-c0ffee' "$DIR/picket.log" "$DIR/events.jsonl" && fail "the token stands in picket's log or events"
unharmed neighbour
tell "a stolen token is denied from two addresses, their other clients are not; a JA4 as well; refused where no proxy tells it"

# On one route alone: denied there, however it is written, and nowhere else.
asks() { # SOURCE STATUS PATH
	[ "$(in_k curl -s -o /dev/null -m 5 -w '%{http_code}' --path-as-is --interface "$1" "http://$BALANCER:8001$3")" = "$2" ]
}
exits 0 pk block "$ATTACKER@/login" --ttl 5m
wait_until 5 "on the route it is denied" asks $ATTACKER 403 /login
for path in '/login?x=1' //login /%6cogin /x/../login '/x/%2e%2e/login' '/x%2f..%2flogin' /login/ '/login;a=b' /LOGIN '/x/..;/login'; do
	asks $ATTACKER 403 "$path" || fail "$path gets around the block of /login"
done
for path in / /login2 /users/7 '/other?next=/login' '/a%20b'; do
	asks $ATTACKER 200 "$path" || fail "$path is denied to who is denied /login"
done
asks $NEIGHBOUR 200 /login || fail "the neighbour is denied /login"
exits 0 pk block "10.78.0.0/24@/users/{id}/cards" --ttl 5m
wait_until 5 "a network is denied a route" asks $NEIGHBOUR 403 /users/7/cards
asks $NEIGHBOUR 200 /users/7 || fail "the network is denied more than that"
asks $ATTACKER 403 /users/9/cards || fail "who has a route of its own is not denied that of its network"
exits 0 pk block "$CONSUMER@/orders" --ttl 5m
exits 0 pk unblock "$CONSUMER"
stolen_at() { # STATUS PATH
	[ "$(in_k curl -s -o /dev/null -m 5 -w '%{http_code}' --interface $NEIGHBOUR -H "$STOLEN" "http://$BALANCER:8001$2")" = "$1" ]
}
wait_until 5 "the consumer is denied a route" stolen_at 403 /orders
stolen_at 200 /stolen || fail "the consumer is denied more than its route"
exits 0 pk block "$CONSUMER" --ttl 5m --reason "stolen token"
pk blocks | grep -q "$ATTACKER@/login .*http" || fail "picket blocks: $(pk blocks)"
pk why "$ATTACKER@/login" | grep -q "at HTTP" || fail "picket why: $(pk why "$ATTACKER@/login")"
pk why "$ATTACKER" >"$DIR/why" && fail "picket why calls it blocked: $(cat "$DIR/why")"
grep -q "picket unblock $ATTACKER@/login" "$DIR/why" || fail "picket why does not tell of the route: $(cat "$DIR/why")"
equal "status of unblock without the route" 1 "$(pk unblock $ATTACKER >"$DIR/unblock" 2>&1; echo $?)"
grep -q "$ATTACKER@/login" "$DIR/unblock" || fail "unblock does not name the route: $(cat "$DIR/unblock")"
equal "exported of it" 0 "$(pk export 2>"$DIR/export" | grep -c "$ATTACKER")"
equal "status of a block in the kernel on a route" 4 "$(pk block "$ATTACKER@/x" --scope host >/dev/null 2>&1; echo $?)"
equal "status of a block of no route" 2 "$(pk block "$ATTACKER@login" >/dev/null 2>&1; echo $?)"
exits 0 pk block "$NEIGHBOUR@/brief" --ttl 3s
wait_until 5 "for a while it is denied" asks $NEIGHBOUR 403 /brief
wait_until 10 "and then not any more" asks $NEIGHBOUR 200 /brief
at_least "questions that told what is asked for" 20 "$(status_of .http.with_target)"
equal "of these, unreadable" 0 "$(status_of .http.bad_target)"
equal "entries of the kernel, as before" "$kernel" "$(status_of .blocks.desired)"
unharmed neighbour
tell "denied on one route, however it is written, and nowhere else; a network and a consumer likewise; it ends in time"
exits 0 pk block $ATTACKER --ttl 5m
# The whole daemon, too.
picket_end TERM
picket_again
wait_until 5 "after a restart it is denied on the route" asks $NEIGHBOUR 403 /users/7/cards
asks $NEIGHBOUR 200 /users/7 || fail "after a restart the network is denied more than its route"

# The other forms in which proxies ask.
by_hand() { curl -s -o /dev/null -w '%{http_code}' --unix-socket "$DIR/decide.sock" "$@"; }
equal "answer in Envoy's form" 403 "$(by_hand -X POST -H 'Content-Length: 0' -H "x-forwarded-for: $ATTACKER" http://envoy/api/login)"
equal "answer in the form of forward-auth" 403 "$(by_hand -H "X-Forwarded-For: $ATTACKER, $C4" -H 'X-Forwarded-Method: GET' -H 'X-Forwarded-Uri: /x' http://picket/)"
equal "answer to a question about nobody" 204 "$(by_hand http://picket/)"
if command -v caddy >/dev/null; then
	recipe caddy >"$DIR/Caddyfile"
	start_s env HOME="$DIR" caddy run --config "$DIR/Caddyfile" --adapter caddyfile >"$DIR/caddy.log" 2>&1
	wait_until 20 "Caddy denies the attacker" status_at $ATTACKER 8002 403
	status_at $NEIGHBOUR 8002 200 || fail "Caddy does not let the neighbour pass: $(tail -n 3 "$DIR/caddy.log")"
	tell "Caddy, too"
else
	tell "Caddy is not installed: its recipe is not tried"
fi

# Stopped or dead, nobody notices but by a delay.
unharmed neighbour
usual=$(median_ms neighbour 0)
sensor=$(sensor_pid)
kill -STOP "$sensor"
stopped=$(date +%s%N)
sleep 2
command -v caddy >/dev/null && ! status_at $NEIGHBOUR 8002 200 && fail "Caddy does not let pass while the sensor stands still"
kill -CONT "$sensor"
unharmed neighbour
at_most "the slowest request while the sensor stood still, ms" 500 "$(slowest_ms neighbour "$stopped" | cut -d. -f1)"
tell "sensor stopped: no error, $(median_ms neighbour "$stopped") ms instead of $usual (median), at most $(slowest_ms neighbour "$stopped")"
restarts() { [ "$(status_of .sensor.restarts 2>/dev/null || echo 0)" -ge 1 ]; }
kill -KILL "$sensor"
killed=$(date +%s%N)
wait_until 15 "the sensor is back" restarts
wait_until 5 "what the kernel holds is denied at HTTP again" status_at $ATTACKER 8001 403
wait_until 5 "so is the consumer, which the journal has" as $NEIGHBOUR 403 "$STOLEN"
asks $NEIGHBOUR 403 /users/7/cards || fail "after the sensor's death the network is served on its route"
unharmed neighbour
tell "sensor killed: no error, at most $(slowest_ms neighbour "$killed") ms"
picket_down
kill_from=$(date +%s%N)
sleep 1
unharmed neighbour
status_at $ATTACKER 8001 200 || fail "without picket the attacker is still denied"
as $NEIGHBOUR 200 "$STOLEN" || fail "without picket the consumer is still denied"
tell "picket gone: no error, $(median_ms neighbour "$kill_from") ms"
