# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# lib.sh: the stage of the end-to-end stories. Two network namespaces joined by a veth pair (IPv4 and IPv6), a real nginx
# on the server's side with an access log to compare with, the real daemon in the server's namespace, and helpers that
# wait for a condition instead of sleeping. A story is a script that sources this file:
#
#     . "$(dirname "$0")/lib.sh"
#     story "what it tells"; need h2load; net_up; nginx_up; picket_up; ... ; tell "what is now known"
#
# Everything lies in one temporary folder, $DIR. It is cleaned up at the end, and also when the story is killed: a reaper
# outside the process group watches it. PICKET_E2E_KEEP=1 keeps the folder.
#
# In:  PICKET_BIN   the daemon;  PICKET_BUILD  build tree;  STORY_MODE  tc | xdp-generic | xdp-native (default tc)
#      PICKET_PLAIN_BUILD  a build tree without sanitizers: its daemon is used in the modes but tc, which differ from it only in the
#      packet program, where sanitizers see nothing; and its commands, which start many times as fast, but where a story claims
#      something of the command itself (exits)
# Exit: 0 held; 1 did not; 77 could not be tried here, and why.

set -eu

E2E=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${PICKET_BIN:?names the picket binary}"
: "${PICKET_BUILD:=$(dirname "$PICKET_BIN")}"
# Not exported: PICKET_MODE in the environment is a setting of the daemon.
PICKET_MODE=${STORY_MODE:-tc}
export -n PICKET_MODE
if [ "$PICKET_MODE" != tc ] && [ -x "${PICKET_PLAIN_BUILD:-}/picket" ]; then
	PICKET_BIN=$PICKET_PLAIN_BUILD/picket
fi
PICKET_ASK=$PICKET_BIN
if [ -x "${PICKET_PLAIN_BUILD:-}/picket" ]; then PICKET_ASK=$PICKET_PLAIN_BUILD/picket; fi
PYTHON=${PYTHON:-/usr/bin/python3}

S4=10.77.0.1 S6=fd77::1    # server
C4=10.77.0.2 C6=fd77::2    # client
D4=10.77.0.3 D6=fd77::3    # a second client on the same link
PORT=8080

say() { printf '%s\n' "$*"; }
tell() { printf '  held: %s\n' "$*"; }

skip() {
	say "skipped: $*"
	exit 77
}

fail() {
	say "FAILED: $*"
	local log
	for log in picket.log nginx.error gateway.err left; do
		if [ -s "$DIR/$log" ]; then
			say "--- last lines of $log"
			tail -n 25 "$DIR/$log"
		fi
	done
	if [ -n "${PICKET_PID:-}" ] && alive "$PICKET_PID"; then
		say "--- picket status"
		timeout 5 "$PICKET_ASK" status --json 2>/dev/null |
			jq -c '.accounting, .kernel, .capture, .blocks, .decisions, (.gateways[]?), (.hints // empty)' || true
	fi
	exit 1
}

need() { # COMMAND...
	local c
	for c in "$@"; do
		command -v "$c" >/dev/null 2>&1 || skip "$c is not installed"
	done
}

need_python() { # MODULE...
	local m
	for m in "$@"; do
		"$PYTHON" -c "import $m" 2>/dev/null || skip "$PYTHON has no module $m"
	done
}

# --- start and end ------------------------------------------------------------------------------------------------

story() { # WHAT IT TELLS
	say "story: $* [$PICKET_MODE]"
	[ "$(id -u)" = 0 ] || skip "needs root"
	need ip nsenter curl jq nginx
	DIR=$(mktemp -d "${TMPDIR:-/tmp}/picket-e2e.XXXXXX")
	chmod 755 "$DIR"
	: >"$DIR/pids"
	: >"$DIR/namespaces"
	NS_S=pe2e-s-$$ NS_C=pe2e-c-$$
	export PICKET_CONTROL=$DIR/control.sock
	trap 'story_end $?' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	setsid -f bash "$E2E/reaper.sh" $$ "$DIR" </dev/null >/dev/null 2>&1
}

story_end() { # STATUS
	trap - EXIT
	set +e
	if [ -n "${PICKET_PID:-}" ]; then
		kill -TERM "$PICKET_PID" 2>/dev/null
	fi
	bash "$E2E/reaper.sh" now "$DIR"
	if [ "${PICKET_E2E_KEEP:-0}" = 1 ]; then
		: >"$DIR/kept"
		say "kept: $DIR"
	else
		rm -rf "${DIR:?}"
	fi
	exit "$1"
}

# The story owns this process and ends it with itself.
own() { # PID
	echo "$1" >>"$DIR/pids"
}

alive() { # PID
	[ -d "/proc/$1" ] && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null
}

gone() { ! alive "$1"; }

# --- waiting ------------------------------------------------------------------------------------------------------

# Tries until it is true; each try is cheap. Nothing here sleeps for a time that was guessed. Status 1: not within SECONDS.
within() { # SECONDS COMMAND...
	local limit=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/[.,]/}" -le "$limit" ] || return 1
		sleep 0.1
	done
}

# The same, and a claim. Never less than half a minute: what is true costs no time, and a machine may be slow.
wait_until() { # SECONDS WHAT COMMAND...
	local seconds=$1 what=$2
	shift 2
	within $((seconds > 30 ? seconds : 30)) "$@" || fail "waited in vain for: $what"
}

# Until a number stops growing for half a second: the end of a stream of unknown length. Prints it.
settled() { # SECONDS COMMAND...  (COMMAND prints a number)
	local limit=$(($(date +%s) + $1)) last=-1 now same=0
	shift
	while [ "$(date +%s)" -lt "$limit" ] && [ "$same" -lt 5 ]; do
		now=$("$@")
		if [ "$now" = "$last" ]; then same=$((same + 1)); else same=0; fi
		last=$now
		sleep 0.1
	done
	printf '%s\n' "$last"
}

# Packets that queues of this machine dropped: a busy neighbour fills the backlog of a processor for all. A TCP sends
# again what is lost so; who sends packets by hand has to ask.
dropped_here() {
	local total=0 dropped namespace
	while read -r _ dropped _; do
		total=$((total + 16#$dropped))
	done </proc/net/softnet_stat
	while read -r namespace; do
		# shellcheck disable=SC2016
		dropped=$(nsenter --net="/run/netns/$namespace" awk 'NR > 2 { n += $5 + $13 } END { print n + 0 }' /proc/net/dev)
		total=$((total + dropped))
	done <"$DIR/namespaces"
	echo $total
}

# Runs COMMAND, which sends packets by hand and is true once they had their effect; again, up to three times, if packets were
# dropped meanwhile by others than the one that is tested. Status 1: no effect, and nothing was dropped.
unless_dropped() { # COMMAND...
	local before
	for _ in 1 2 3; do
		before=$(dropped_here)
		if "$@"; then return 0; fi
		[ "$(dropped_here)" != "$before" ] || return 1
		say "  once more, a queue of this machine was full: $*"
	done
	return 1
}

# --- claims -------------------------------------------------------------------------------------------------------

equal() { # WHAT EXPECTED GOT
	[ "$2" = "$3" ] || fail "$1: expected $2, got $3"
}

at_least() { # WHAT LEAST GOT
	[ "${3:-0}" -ge "$2" ] 2>/dev/null || fail "$1: expected at least $2, got ${3:-nothing}"
}

at_most() { # WHAT MOST GOT
	[ "${3:-x}" -le "$2" ] 2>/dev/null || fail "$1: expected at most $2, got ${3:-nothing}"
}

same_file() { # WHAT EXPECTED-FILE GOT-FILE
	if ! diff -u "$2" "$3" >"$DIR/difference"; then
		head -n 30 "$DIR/difference"
		fail "$1: $(grep -c '^[-+][^-+]' "$DIR/difference") lines differ"
	fi
}

# Runs a command and claims its exit status: picket's own with sanitizers.
exits() { # STATUS COMMAND...
	local want=$1 got=0
	shift
	PK=$PICKET_BIN "$@" >"$DIR/out" 2>"$DIR/err" || got=$?
	if [ "$got" != "$want" ]; then
		cat "$DIR/out" "$DIR/err"
		fail "exit status of \"$*\": expected $want, got $got"
	fi
}

# --- namespaces ---------------------------------------------------------------------------------------------------

# `ip -n NAME` makes a mount namespace, for which / must be a mount point: in a chroot it is none. nsenter needs no such thing.
ip() {
	if [ "$1" = -n ]; then
		local namespace=$2
		shift 2
		nsenter --net="/run/netns/$namespace" ip "$@"
	else
		command ip "$@"
	fi
}

ns_add() { # NAME
	ip netns add "$1" 2>"$DIR/ns.err" || skip "cannot make a network namespace: $(cat "$DIR/ns.err")"
	echo "$1" >>"$DIR/namespaces"
	ip -n "$1" link set lo up
}

in_s() { nsenter --net="/run/netns/$NS_S" "$@"; }
in_c() { nsenter --net="/run/netns/$NS_C" "$@"; }

# In the background: $! is the program itself, which the story owns, and not a shell around it, whose end would leave the program.
start_s() { start_in "$NS_S" "$@"; }
start_c() { start_in "$NS_C" "$@"; }
start_in() { # NAMESPACE COMMAND...
	nsenter --net="/run/netns/$1" "${@:2}" &
	own $!
}

# By netlink: /sys shows the devices of the namespace it was mounted in. Not every story asks.
# shellcheck disable=SC2317
mac_of() { # NS DEV
	ip -n "$1" -j link show "$2" | jq -r '.[0].address'
}

link_up() { # NS-A DEV-A NS-B DEV-B
	ip link add "$2" netns "$1" type veth peer name "$4" netns "$3"
	ip -n "$1" link set "$2" up
	ip -n "$3" link set "$4" up
}

# /sys shows the devices of the namespace in which it was mounted, whoever looks.
mac_of() { # NAMESPACE DEVICE
	ip -n "$1" -j link show "$2" | jq -r '.[0].address'
}

link_is_up() { ip -n "$NS_C" link show eth0 | grep -q LOWER_UP && ip -n "$NS_S" link show eth0 | grep -q LOWER_UP; }

net_up() {
	ns_add "$NS_S"
	ns_add "$NS_C"
	link_up "$NS_S" eth0 "$NS_C" eth0
	ip -n "$NS_S" addr add $S4/24 dev eth0
	ip -n "$NS_S" addr add $S6/64 dev eth0 nodad
	ip -n "$NS_C" addr add $C4/24 dev eth0
	ip -n "$NS_C" addr add $C6/64 dev eth0 nodad
	ip -n "$NS_C" addr add $D4/24 dev eth0
	# Deprecated: only chosen by those who ask for it.
	ip -n "$NS_C" addr add $D6/64 dev eth0 nodad preferred_lft 0
	wait_until 5 "the link is up" link_is_up
}

# --- nginx --------------------------------------------------------------------------------------------------------

# access.log has method and target, access.full what NGINX_FULL says. Neither has the requests by which events_start looks
# whether events come: nginx writes its lines later than the client has its answer.
nginx_up() { # [EXTRA-LOCATION-LINES]
	mkdir -p "$DIR/nginx"
	: >"$DIR/access.log"
	: >"$DIR/nginx.error"
	chmod 666 "$DIR/access.log" "$DIR/nginx.error"
	cat >"$DIR/nginx.conf" <<-CONF
		daemon off;
		worker_processes 1;
		pid $DIR/nginx/pid;
		error_log $DIR/nginx.error;
		events { worker_connections 4096; }
		http {
			map \$request_uri \$told { ~^/e2e-are-you-there 0; default 1; }
			log_format line '\$request_method \$request_uri';
			log_format full '${NGINX_FULL:-\$remote_addr \$status \$request}';
			access_log $DIR/access.log line if=\$told;
			access_log $DIR/access.full full if=\$told;
			keepalive_requests 100000000;
			client_max_body_size 0;
			large_client_header_buffers 8 64k;
			client_body_temp_path $DIR/nginx/b;
			proxy_temp_path $DIR/nginx/p;
			fastcgi_temp_path $DIR/nginx/f;
			uwsgi_temp_path $DIR/nginx/u;
			scgi_temp_path $DIR/nginx/s;
			server {
				listen $PORT backlog=4096;
				listen [::]:$PORT backlog=4096;
				location / { return 200 "ok\n"; }
				${1:-}
			}
		}
	CONF
	nsenter --net="/run/netns/$NS_S" nginx -e "$DIR/nginx.error" -p "$DIR/nginx" -c "$DIR/nginx.conf" 2>"$DIR/nginx.stderr" &
	NGINX_PID=$!
	own $NGINX_PID
	wait_until 10 "nginx listens" in_s bash -c "exec 3<>/dev/tcp/127.0.0.1/$PORT"
}

# nginx's own count of requests it logged.
logged() { wc -l <"$DIR/access.log"; }

# --- picket -------------------------------------------------------------------------------------------------------

# Writes $DIR/picket.yaml: what every story needs, then what this one adds (YAML, one level deep keys are merged by
# being given whole here).
picket_config() { # [YAML]
	cat >"$DIR/picket.yaml" <<-CONF
		instance: e2e-$$
		control: $PICKET_CONTROL
		state_dir: $DIR/state
		redact:
		  query: keep
		${1:-}
	CONF
	grep -q '^capture:' "$DIR/picket.yaml" || printf 'capture:\n' >>"$DIR/picket.yaml"
	grep -q '^  packet_mode:' "$DIR/picket.yaml" || sed -i "s/^capture:\$/capture:\n  packet_mode: $PICKET_MODE/" "$DIR/picket.yaml"
}

picket_start() { # in the server's namespace (and what nsenter's option $PICKET_ENTER names), with $DIR/picket.yaml
	nsenter --net="/run/netns/${PICKET_NS:-$NS_S}" ${PICKET_ENTER:+"$PICKET_ENTER"} "$PICKET_BIN" run -c "$DIR/picket.yaml" \
		>>"$DIR/picket.out" 2>>"$DIR/picket.log" &
	PICKET_PID=$!
	own $PICKET_PID
}

picket_ready() { alive "$PICKET_PID" && pk status >/dev/null 2>&1; }

picket_up() { # [YAML]
	picket_config "$@"
	picket_start
	local limit=$(($(date +%s) + 60))
	until picket_ready; do
		if gone "$PICKET_PID"; then
			wait "$PICKET_PID" && status=0 || status=$?
			[ "$status" = 6 ] && skip "this kernel lacks what picket needs: $(tail -n 1 "$DIR/picket.log")"
			fail "picket ended with status $status before it was ready"
		fi
		[ "$(date +%s)" -lt "$limit" ] || fail "picket was not ready within 60 s"
		sleep 0.05
	done
}

# What was seen of the daemon's events and batches is valid by docs/schema/. All of it, but in the count stories, which have thousands
# that are alike: of those 200, of the first 3000 lines.
events_valid() {
	local file status
	for file in "$DIR/events.jsonl" "$DIR/gateway.jsonl"; do
		[ -s "$file" ] || continue
		# The last line may be half written.
		head -n 3000 "$file" | grep '}$' >"$DIR/checked" || continue
		status=0
		"$PYTHON" "$E2E/../schema/check-events" --alike 200 "$DIR/checked" >"$DIR/schema" 2>&1 || status=$?
		case $status in
		0 | 77) ;;
		*)
			head -n 12 "$DIR/schema"
			fail "events in $(basename "$file") are not what docs/schema/ says"
			;;
		esac
	done
}

picket_down() {
	events_valid
	kill -TERM "$PICKET_PID" 2>/dev/null || true
	wait_until 15 "picket ends after SIGTERM" gone "$PICKET_PID"
	wait "$PICKET_PID" && status=0 || status=$?
	equal "exit status of picket after SIGTERM" 0 "$status"
	PICKET_PID=
}

# However it ends; and the same again, with what outlived it.
picket_end() { # SIGNAL, to the warden
	local sensor
	sensor=$(sensor_pid)
	kill "-$1" "$PICKET_PID"
	wait_until 15 "the warden is gone" gone "$PICKET_PID"
	wait_until 15 "the sensor is gone" gone "$sensor"
}
picket_again() {
	picket_start
	wait_until 30 "picket is ready again" picket_ready
}

pk() { "${PK:-$PICKET_ASK}" "$@"; }

# One value of `picket status --json`, by jq path.
status_of() { pk status --json | jq -r "$1"; }

# All events from now on, as JSON lines, in $DIR/events.jsonl.
events_start() {
	: >"$DIR/events.jsonl"
	"$PICKET_BIN" events -f --json >>"$DIR/events.jsonl" 2>>"$DIR/picket.log" &
	EVENTS_PID=$!
	own $EVENTS_PID
	: >"$DIR/access.log"
	# It follows once a request of our own shows in it.
	wait_until 10 "events follow" events_follow
	EVENTS_SKIP=/e2e-are-you-there
}

events_follow() {
	in_c curl -s -o /dev/null -m 2 -A e2e "http://$S4:$PORT/e2e-are-you-there"
	sleep 0.1
	grep -q e2e-are-you-there "$DIR/events.jsonl"
}

# Events of one name that came so far, without those of events_start: JSON lines.
events_of() { # NAME [JQ-CONDITION]
	jq -c --arg n "$1" --arg s "${EVENTS_SKIP:-}" \
		'select(."event.name" == $n and (."url.original" // "" | startswith($s) | not or $s == "")) | select('"${2:-true}"')' \
		"$DIR/events.jsonl" 2>/dev/null || true
}

events_count() { # NAME [JQ-CONDITION]
	events_of "$@" | wc -l
}

events_reach() { # NAME COUNT [JQ-CONDITION]
	[ "$(events_count "$1" "${3:-true}")" -ge "$2" ]
}

# --- a gateway that writes down what it gets ----------------------------------------------------------------------------

GATEWAY_PORT=9900

# Started in the server's namespace on loopback. Answers come from $DIR/answers/*.answer (see gateway.py), else 204.
gateway_up() {
	mkdir -p "$DIR/answers"
	: >"$DIR/gateway.jsonl"
	nsenter --net="/run/netns/$NS_S" "$PYTHON" "$E2E/gateway.py" $GATEWAY_PORT "$DIR/gateway.jsonl" "$DIR/answers" \
		2>>"$DIR/gateway.err" &
	GATEWAY_PID=$!
	own $GATEWAY_PID
	wait_until 10 "the gateway listens" in_s bash -c "exec 3<>/dev/tcp/127.0.0.1/$GATEWAY_PORT"
}

# For stories with many verdicts: the guard and the warden let all of them through.
many_blocks_yaml() {
	cat <<-YAML
		mode: enforce
		guard:
		  automatic_per_minute: 5000
		  automatic_per_hour: 20000
		  automatic_total: 20000
		limits:
		  inserts_per_second: 100000
		  blocks_max: 4096
	YAML
}

# Its verdicts need no witness: what it says here is the story's. CORROBORATE=true: as shipped.
gateway_yaml() { # [MORE LINES OF THE GATEWAY]  VERIFY: the line that says why its verdicts are believed
	cat <<-YAML
		gateways:
		  - name: test
		    protocol: batch
		    url: http://127.0.0.1:$GATEWAY_PORT/events
		    queue_events: 1000000
		    corroborate: ${CORROBORATE:-false}
		    ${VERIFY:-unsigned_verdicts: true}
		${1:-}
	YAML
}

# http.request events the gateway got, each id once: "METHOD TARGET" lines, as nginx logs them.
gateway_requests() {
	jq -r 'select(.data."event.name" == "http.request") |
		[.id, (.data."http.request.method_original" // .data."http.request.method") + " " + .data."url.original"] | @tsv' \
		"$DIR/gateway.jsonl" | sort -u | cut -f2-
}

# h2load, in parts: the gateway of the stories is slower than the load, and no more than 64 MiB of events wait for it.
load_in_parts() { # in_s|in_c REQUESTS H2LOAD-ARGUMENT...
	local where=$1 left=$2 part
	shift 2
	while [ "$left" -gt 0 ]; do
		part=$((left < 20000 ? left : 20000))
		left=$((left - part))
		"$where" h2load --h1 -n $part -c 32 -t 1 "$@" >"$DIR/load" 2>&1
		grep -q " $part done, .* 0 errored, 0 timeout" "$DIR/load" || fail "the load did not succeed: $(grep '^requests' "$DIR/load")"
		cat "$DIR/load" >>"$DIR/loads"
		wait_until 120 "every request reaches the gateway" gateway_has_all
	done
}
gateway_has_all() { [ "$(gateway_count)" -ge "$(logged)" ]; }

gateway_count() { grep -c '"event.name":"http.request"' "$DIR/gateway.jsonl" || true; }

# --- what picket says of itself ---------------------------------------------------------------------------------------

# Nothing is on its way any more: each stage's account is even, and none holds anything.
at_rest() {
	pk status --json |
		jq -e '.accounting.balanced and .accounting.held == 0 and (.capture.answers.held // 0) == 0' >/dev/null
}

account_is_even() { [ "$(status_of .accounting.balanced)" = true ]; }

# Every counter that stands for something not seen is 0, and each stage's account is even.
nothing_lost() {
	local s
	wait_until 30 "an even account" account_is_even
	s=$(pk status --json)
	jq -e '.accounting.lost == 0 and .kernel.requests_lost == 0 and .kernel.requests_over_share == 0
		and .kernel.read_errors == 0 and .capture.gaps == 0 and .capture.records_malformed == 0
		and .capture.connections_refused == 0 and .capture.heads_refused == 0' >/dev/null <<<"$s" ||
		fail "something was lost: $(jq -c '{accounting, kernel, capture}' <<<"$s")"
}

blocked_count() { pk blocks --json | jq -s length; }
is_blocked() { pk blocks --json | jq -se --arg t "$1" 'any(.target == $t)' >/dev/null; }

# Other daemons on this machine have such maps as well.
map_of() { # NAME: id of the newest map of that name that the daemon holds
	local id found=
	while read -r id; do
		if bpftool map show id "$id" | grep -q " name $1 "; then found=$id; fi
	done < <(sed -n 's/^map_id:[[:space:]]*//p' "/proc/$PICKET_PID/fdinfo/"* | sort -un)
	[ -n "$found" ] || fail "the daemon holds no map named $1"
	printf '%s\n' "$found"
}

# The sensor is the warden's child that runs the same program.
sensor_pid() { pgrep -P "$PICKET_PID" | head -n 1; }

# Login guessing as the built-in analysis knows it: until the source is cut off, at most $3 tries. Cut off is who gets no
# answer twice: one SYN that a full queue lost, or a busy machine, is no block.
guess() { # SECONDS [CURL-ARGUMENT...], of attack
	local seconds=$1
	shift
	in_c curl -s -o /dev/null -m "$seconds" --interface "$source" -A attacker/1 -X POST \
		-H 'Content-Type: application/json' -d "{\"user\":\"admin\",\"password\":\"guess-$i\"}" "$@" \
		"http://$where/api/login"
}
attack() { # SOURCE HOST:PORT TRIES [CURL-ARGUMENT...]
	local source=$1 where=$2 tries=$3 i
	shift 3
	for i in $(seq "$tries"); do
		guess 1 "$@" || guess 5 "$@" || return 1
	done
	return 0
}

# A client that makes one request after the other until the story ends; good_errors tells what went wrong.
good_up() { # SOURCE HOST PORT
	: >"$DIR/good"
	nsenter --net="/run/netns/${GOOD_NS:-$NS_C}" "$PYTHON" "$E2E/raw.py" steady "$2" "$3" "$1" "$DIR/good" &
	GOOD_PID=$!
	own $GOOD_PID
	wait_until 10 "the good client is served" grep -q ok "$DIR/good"
}
good_count() { wc -l <"$DIR/good"; }
good_errors() { grep -v -c '^ok$' "$DIR/good" || true; }
good_reaches() { [ "$(good_count)" -ge "$1" ]; }
good_unharmed() {
	local now
	now=$(good_count)
	wait_until 20 "the good client goes on" good_reaches $((now + 20))
	[ "$(good_errors)" = 0 ] || fail "the good client met $(good_errors) errors, the first: $(grep -v '^ok$' "$DIR/good" | head -n 1)"
}
