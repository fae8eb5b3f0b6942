#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# picket demo: a real attack on a real server, stopped by the real daemon, in network namespaces of its own.
#
#     picket demo [--keep] [--gateway local|batch] [--behind-proxy]
#
# On the stage: nginx before a small JSON API; a good client; an attacker; picket in mode enforce with native XDP. Nothing
# of the host is touched: no service is started, no address or route of the host is used. At the end everything is taken
# away again, unless --keep was given.
#
# `picket demo` runs this with its own path in PICKET_BIN. Exit: 0 the demo showed what it promises, 1 it did not.
set -eu

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${PICKET_BIN:?run this through: picket demo}"
keep=0 gateway=local proxy=0
while [ $# -gt 0 ]; do
	case $1 in
	--keep) keep=1 ;;
	--gateway)
		gateway=${2:-}
		shift
		;;
	--behind-proxy) proxy=1 ;;
	*)
		echo "unknown option $1" >&2
		exit 2
		;;
	esac
	shift
done

GOOD=198.51.100.10 BAD=203.0.113.66
GOOD_URL=http://198.51.100.1:8080 BAD_URL=http://203.0.113.1:8080
PROXY=192.0.2.1

bold='' dim='' red='' green='' plain=''
if [ "${PICKET_DEMO_COLOR:-0}" = 1 ]; then
	bold=$'\033[1m' dim=$'\033[2m' red=$'\033[31m' green=$'\033[32m' plain=$'\033[0m'
fi
say() { printf '%s\n' "$*"; }
step() { printf '%s\n' "${bold}== $*${plain}"; }

for tool in ip nsenter nginx curl jq; do
	command -v "$tool" >/dev/null 2>&1 || {
		say "the demo needs $tool: apt-get install iproute2 util-linux nginx-light curl jq" >&2
		exit 1
	}
done
if [ $proxy = 1 ] && ! command -v haproxy >/dev/null 2>&1; then
	say "picket demo --behind-proxy needs haproxy: apt-get install haproxy" >&2
	exit 1
fi

# The example programs lie beside the binary: in the build tree, or where they were installed.
bin_dir=$(dirname "$PICKET_BIN")
example() { # NAME
	local place
	for place in "$bin_dir/examples/$1" "$bin_dir/$1" "$bin_dir/../lib/picket/$1" "$bin_dir/../libexec/picket/$1"; do
		if [ -x "$place" ]; then
			printf '%s' "$place"
			return
		fi
	done
	say "$1 is not built: it should lie in $bin_dir/examples" >&2
	exit 1
}
api_program=$(example example-api)
gateway_program=
[ "$gateway" = batch ] && gateway_program=$(example example-gateway)

# --- the stage: what is made here is written down, and taken away by what was written down ------------------------------

DIR=$(mktemp -d "${TMPDIR:-/tmp}/picket-demo.XXXXXX")
chmod 755 "$DIR"
mkdir -p "$DIR/tmp"
: >"$DIR/pids"
: >"$DIR/namespaces"
export PICKET_CONTROL=$DIR/control.sock
SRV=picket-demo-api-$$ NET_GOOD=picket-demo-good-$$ NET_BAD=picket-demo-bad-$$ EDGE=picket-demo-edge-$$

cat >"$DIR/stop" <<STOP
#!/bin/sh
# Ends the demo: its processes, newest first, and its namespaces.
for pid in \$(tac "$DIR/pids"); do kill -TERM "\$pid" 2>/dev/null; done
for try in \$(seq 60); do
	left=
	for pid in \$(cat "$DIR/pids"); do
		grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/\$pid/status" && left="\$left \$pid"
	done
	[ -z "\$left" ] && break
	sleep 0.05
done
for pid in \$left; do kill -KILL "\$pid" 2>/dev/null; done
while read -r namespace; do ip netns del "\$namespace" 2>/dev/null; done <"$DIR/namespaces"
rm -rf "$DIR"
STOP

finish() {
	local status=$?
	trap - EXIT INT TERM HUP
	if [ $keep = 1 ] && [ $status = 0 ]; then
		return
	fi
	sh "$DIR/stop" 2>/dev/null
	exit $status
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

own() { echo "$1" >>"$DIR/pids"; }
alive() { grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/$1/status"; }
in_ns() { # NAMESPACE COMMAND...
	local n=$1
	shift
	nsenter --net="/run/netns/$n" "$@"
}
spawn() { # NAMESPACE COMMAND...   in the background, owned; its id in $spawned
	local n=$1
	shift
	nsenter --net="/run/netns/$n" "$@" &
	spawned=$!
	own $spawned
}
broken() {
	say "${red}the demo could not go on: $*${plain}" >&2
	for log in picket.log nginx.error api.log gateway.log haproxy.log; do
		if [ -s "$DIR/$log" ]; then
			say "--- $log" >&2
			tail -n 15 "$DIR/$log" >&2
		fi
	done
	exit 1
}
wait_for() { # SECONDS WHAT COMMAND...
	local limit=$(($(date +%s%N) + $1 * 1000000000)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s%N)" -lt "$limit" ] || broken "waited in vain for $what"
		sleep 0.05
	done
}
# Not `ip -n`: it makes a mount namespace, which fails in a chroot.
space() { # NAME
	ip netns add "$1" || broken "a network namespace could not be made; in a container this needs CAP_SYS_ADMIN"
	echo "$1" >>"$DIR/namespaces"
	in_ns "$1" ip link set lo up
}
cable() { # NS-A DEV-A ADDRESS-A NS-B DEV-B ADDRESS-B
	ip link add "$2" netns "$1" type veth peer name "$5" netns "$4"
	in_ns "$1" ip addr add "$3" dev "$2"
	in_ns "$4" ip addr add "$6" dev "$5"
	in_ns "$1" ip link set "$2" up
	in_ns "$4" ip link set "$5" up
}
listens() { in_ns "$1" bash -c "exec 3<>/dev/tcp/$2/$3"; } # NAMESPACE ADDRESS PORT

started=$(date +%s%N)
step "The stage: a server, a good client and an attacker, each in a network namespace of its own"
for n in $SRV $NET_GOOD $NET_BAD; do space "$n"; done
door=$SRV
if [ $proxy = 1 ]; then
	space $EDGE
	cable $SRV eth0 192.0.2.10/24 $EDGE back $PROXY/24
	door=$EDGE
fi
cable "$door" good 198.51.100.1/24 $NET_GOOD eth0 $GOOD/24
cable "$door" bad 203.0.113.1/24 $NET_BAD eth0 $BAD/24

spawn $SRV "$api_program" --listen 127.0.0.1:9000 >"$DIR/api.log" 2>&1
: >"$DIR/nginx.error"
spawn $SRV nginx -e "$DIR/nginx.error" -p "$DIR" -c "$here/nginx.conf" 2>"$DIR/nginx.stderr"
wait_for 10 "the API" listens $SRV 127.0.0.1 9000
wait_for 10 "nginx" listens $SRV 127.0.0.1 8080
say "server    nginx on port 8080 before a small JSON API"
if [ $proxy = 1 ]; then
	spawn $EDGE haproxy -db -f "$here/haproxy.cfg" >"$DIR/haproxy.log" 2>&1
	wait_for 10 "HAProxy" listens $EDGE 198.51.100.1 8080
	say "proxy     HAProxy at $PROXY: the only address that the server's kernel sees"
fi
say "good      $GOOD"
say "attacker  $BAD"

# --- picket ------------------------------------------------------------------------------------------------------------

if [ "$gateway" = batch ]; then
	# What both know, so that picket can tell the gateway's verdicts from another's.
	(umask 077 && printf 'hmac: %s\n' "$(head -c 32 /dev/urandom | base64 -w 0)" >"$DIR/gateway.key")
	spawn $SRV "$gateway_program" --listen 127.0.0.1:9900 --sign-key "$DIR/gateway.key" >"$DIR/gateway.log" 2>&1
	wait_for 10 "the example gateway" listens $SRV 127.0.0.1 9900
	gateway_lines="  - name: example
    protocol: batch
    url: http://127.0.0.1:9900/events
    verify_key_file: $DIR/gateway.key
    linger_ms: 20"
else
	gateway_lines="  - name: local
    protocol: local"
fi
cat >"$DIR/picket.yaml" <<YAML
instance: demo-$$
control: $PICKET_CONTROL
state_dir: $DIR/state
mode: enforce
capture:
  packet_mode: xdp-native
gateways:
$gateway_lines
YAML
step "picket: mode enforce, gateway $gateway"
spawn $SRV "$PICKET_BIN" run -c "$DIR/picket.yaml" >"$DIR/picket.log" 2>&1
picket=$spawned
ready() { "$PICKET_BIN" status --json >"$DIR/status" 2>/dev/null; }
limit=$(($(date +%s) + 20))
until ready; do
	if ! alive $picket; then
		wait $picket && status=0 || status=$?
		say "${red}picket ended with status $status:${plain}" >&2
		tail -n 15 "$DIR/picket.log" >&2
		[ "$status" = 6 ] && say "this kernel lacks what picket needs; picket doctor says what" >&2
		exit "${status/#0/1}"
	fi
	[ "$(date +%s)" -lt $limit ] || broken "picket was not ready within 20 s"
	sleep 0.05
done
jq -r '.capture.interfaces[] | "packets   \(.mode) on \(.name)\(if .note then " (" + .note + ")" else "" end)"' "$DIR/status"
modes=$(jq -r '[.capture.interfaces[].mode] | unique | join(", ")' "$DIR/status")
say "requests  $(jq -r '.capture.path' "$DIR/status") buffer, port $(jq -r '.capture.watched_ports | map(tostring) | join(", ")' "$DIR/status")"

# Everything goes to a file for the reckoning, and for people to the screen.
"$PICKET_BIN" events -f --json >"$DIR/events.jsonl" 2>>"$DIR/picket.log" &
own $!
"$PICKET_BIN" events -f 2>>"$DIR/picket.log" | awk -v good=$GOOD -v dim="$dim" -v plain="$plain" '
	/ (connection|packet|anomaly) / { next }
	/\/are-you-there/ { next }
	index($0, " request ") && index($0, good) { if (n++ % 25) next }
	index($0, " request ") && !index($0, good) { if (m++ >= 12 && m % 10) next }
	/ decision /{ print "  " $0; fflush(); next }
	{ print dim "  " $0 plain; fflush() }' &
screen=$!
follows() {
	in_ns $NET_GOOD curl -s -o /dev/null -m 2 $GOOD_URL/are-you-there
	sleep 0.1
	grep -q are-you-there "$DIR/events.jsonl"
}
wait_for 10 "events to follow" follows
: >"$DIR/access.log"

# --- clients -------------------------------------------------------------------------------------------------------------

step "A good client works, an attacker comes"
good_client() {
	local n=0 path
	while :; do
		n=$((n + 1))
		case $((n % 4)) in
		0) path=/healthz ;;
		1) path=/api/v1/orders ;;
		*) path=/api/v1/users/$((n % 900 + 1)) ;;
		esac
		curl -s -o /dev/null -m 5 -A good-client/1.0 -w '%{http_code}\n' "$GOOD_URL$path" || true
		sleep 0.05
	done
}
export -f good_client
export GOOD_URL
: >"$DIR/good"
spawn $NET_GOOD bash -c good_client >>"$DIR/good" 2>/dev/null
good_client=$spawned
served() { [ "$(wc -l <"$DIR/good")" -ge "$1" ]; }
wait_for 10 "the good client to be served" served 10

attacker() { in_ns $NET_BAD "$@"; }
# A proxy is never blocked, it is asked about. What a gateway says before the built-in analysis agrees is a question as well.
[ $proxy = 1 ] && wanted=pending || wanted=blocked
decided() { grep -q "\"picket.decision.outcome\":\"$wanted\"" "$DIR/events.jsonl"; }
ask() { # a request of the attacker; false: no answer
	attacker curl -s -o /dev/null -m 1 -A "$agent" "$@"
}
agent='Mozilla/5.0 (X11; Linux x86_64)'
tools=''
try_tool() { # NAME COMMAND...
	command -v "$1" >/dev/null 2>&1 || return 0
	decided && return 0
	tools="$tools $1"
	say "${red}  attacker  \$ $*${plain}"
	attacker timeout 6 "$@" >>"$DIR/attacker.log" 2>&1 || true
}
printf '%s\n' admin root test guest >"$DIR/words"
seq -f 'password-%g' 60 >"$DIR/passwords"
try_tool nmap -n -Pn -sT -p 8080 --script http-enum --host-timeout 4s 203.0.113.1
try_tool gobuster dir -q -u $BAD_URL -w "$DIR/words"
try_tool hydra -I -l admin -P "$DIR/passwords" -s 8080 203.0.113.1 http-post-form \
	'/api/v1/login:user=^USER^&password=^PASS^:F=no'
if ! decided; then
	tools="$tools curl"
	say "${red}  attacker  \$ curl (looks for files that scanners look for)${plain}"
	for path in .env .git/config wp-login.php phpmyadmin/index.php admin.php backup.zip .aws/credentials server-status \
		actuator/env config.json phpinfo.php .svn/entries xmlrpc.php .DS_Store id_rsa web.config; do
		decided && break
		ask "$BAD_URL/$path" || true
	done
fi
if ! decided; then
	say "${red}  attacker  \$ curl (guesses passwords at /api/v1/login)${plain}"
	for i in $(seq 150); do
		decided && break
		ask -X POST -H 'Content-Type: application/json' -d "{\"user\":\"admin\",\"password\":\"guess-$i\"}" "$BAD_URL/api/v1/login" || true
	done
fi
wait_for 15 "picket's decision" decided

if [ $proxy = 0 ]; then
	say "${red}  attacker  tries again${plain}"
	for _ in 1 2 3; do
		if ask "$BAD_URL/api/v1/users/1"; then
			broken "the attacker is still served"
		fi
	done
	say "  attacker  no answer any more"
else
	# The attack goes on through the proxy; the proxy must not be dropped for it.
	for i in $(seq 40); do
		ask -X POST -H 'Content-Type: application/json' -d '{"user":"admin","password":"x"}' "$BAD_URL/api/v1/login" ||
			broken "the proxy was dropped"
	done
fi
now=$(wc -l <"$DIR/good")
wait_for 20 "the good client to go on" served $((now + 20))

# --- the reckoning -------------------------------------------------------------------------------------------------------

requests() {
	jq -c 'select(."event.name" == "http.request" and (."url.path" != "/are-you-there"))' "$DIR/events.jsonl" 2>/dev/null | wc -l
}
logged() { grep -c -v are-you-there "$DIR/access.log" || true; }
# The good client rests, so that both counts are of the same moment.
kill -STOP "$good_client"
for _ in $(seq 40); do
	in_log=$(logged)
	seen=$(requests)
	[ "$in_log" = "$seen" ] && break
	sleep 0.05
done
ready || true
kill -CONT "$good_client"
errors=$(grep -v -c '^2' "$DIR/good" || true)
total=$(wc -l <"$DIR/good")
kill -TERM $screen 2>/dev/null || true

# A question to a person may come before the block that answers it; where a proxy is between, it is all there is.
decided() { jq -c --arg o "$1" 'select(."picket.decision.outcome" == $o)' "$DIR/events.jsonl" | head -n 1; }
decision=$(decided blocked)
[ -n "$decision" ] || decision=$(decided pending)
value() { jq -r --arg k "$1" '.[$k] // "?"' <<<"$decision"; }
# Times of two events, without their first digits: they would not fit a floating point number.
first_drop=$(jq -rs --arg e "$(value picket.decision.evidence | jq -r 'if type == "array" then .[-1] else . end' 2>/dev/null || true)" --arg bad $BAD '
	(map(select(."picket.event.id" == $e)) | .[0].time_unix_nano) as $from
	| (map(select(."event.name" == "tcp.header" and ."network.peer.address" == $bad and (."picket.why" | index("denied")))) | .[0].time_unix_nano) as $to
	| if $from and $to then ((($to[5:] | tonumber) - ($from[5:] | tonumber)) / 1000 | round) else "?" end' "$DIR/events.jsonl")

step "Summary"
row() { printf '  %-44s %s\n' "$1" "$2"; }
row "packet program" "$modes"
row "attack tools" "${tools# }"
row "requests picket saw / nginx logged" "$seen / $in_log"
if [ $proxy = 0 ]; then
	row "decision" "$(value picket.decision.outcome) $(value picket.decision.target), $(value picket.decision.source)/$(value picket.decision.origin)"
	if [ "$(value picket.decision.request_to_installed_us)" = '?' ]; then
		row "gateway's answer to block in the kernel" "$(value picket.decision.verdict_to_installed_us) µs"
	else
		row "deciding request to block in the kernel" "$(value picket.decision.request_to_installed_us) µs"
	fi
	row "deciding request to first dropped packet" "$first_drop µs"
	row "packets of the attacker dropped" "$(jq -r .kernel.packets_dropped "$DIR/status")"
	row "start of the demo to the block" "$((($(value time_unix_nano) - started) / 1000000)) ms"
else
	row "decision" "$(value picket.decision.outcome) ($(value picket.decision.why)): the proxy is not dropped"
	row "unclassified proxy that picket status names" "$(jq -r '.proxies.unclassified[0].address // "none"' "$DIR/status")"
	row "what settles it" "picket proxies trust $PROXY"
	row "packets dropped" "$(jq -r .kernel.packets_dropped "$DIR/status")"
fi
row "good client: requests / errors" "$total / $errors"
row "run time" "$((($(date +%s%N) - started) / 1000000)) ms"

failed=
[ "$errors" = 0 ] || failed="$failed; the good client met $errors errors"
# More may be seen: nginx logs nothing of a tool that leaves in the middle of its question.
[ "$seen" -ge "$in_log" ] || failed="$failed; $((in_log - seen)) requests were not seen"
if [ $proxy = 0 ]; then
	[ "$(jq -r .kernel.packets_dropped "$DIR/status")" -gt 0 ] || failed="$failed; no packet was dropped"
else
	[ "$(jq -r .kernel.packets_dropped "$DIR/status")" = 0 ] || failed="$failed; packets of the proxy were dropped"
	[ "$(jq -r '.proxies.unclassified[0].address // ""' "$DIR/status")" = $PROXY ] || failed="$failed; status does not name the proxy"
fi
if [ -n "$failed" ]; then
	say "${red}not as promised: ${failed#; }${plain}"
	exit 1
fi
if [ $proxy = 0 ]; then
	say "${green}The attacker is blocked, the good client noticed nothing.${plain}"
else
	say "${green}The attack is noticed, the proxy was not dropped, the good client noticed nothing.${plain}"
fi
if [ $keep = 1 ]; then
	say
	say "It keeps running. Look at it:"
	say "  export PICKET_CONTROL=$PICKET_CONTROL"
	say "  $PICKET_BIN status | events -f | blocks | why $BAD | unblock $BAD"
	say "  nsenter --net=/run/netns/$NET_BAD curl $BAD_URL/api/v1/users/1"
	say "and end it:"
	say "  sh $DIR/stop"
fi
