#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Real attackers and honest users against a real API behind the real daemon: who is found, how soon, after how much, and who
# is taken for an attacker. Every client has a network namespace and an address of its own, on one bridge before the server.
#
#     tests/quality/quality.sh [--short] [--enforce] [--second-opinion] [--only NAME,...] [--json FILE] [--bar FILE]
#
# --short    half a minute, what CI runs; otherwise five minutes
# --enforce  clients that are decided on are stopped, and the table says what got through before. Otherwise picket observes, all
#            tools run to their end, and a request counts as found when it came behind a decision on its client
# --second-opinion  with second_opinion on (docs/second-opinion.md)
# --json     the table as JSON as well;  --bar  what must be reached (bar.json), else exit status 1
#
# Tools that are not installed are named and counted as absent (scripts/install-dependencies.sh quality). What each client
# does stands in clients.sh and people.py, who is what in the table there; score.py makes the table of what nginx logged and
# picket decided. In: PICKET_BIN, as for the stories of tests/e2e.
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Quality is the same with and without sanitizers, and the time to a decision is not.
if [ -x "${PICKET_PLAIN_BUILD:-}/picket" ]; then PICKET_BIN=$PICKET_PLAIN_BUILD/picket; fi
# shellcheck source=tests/e2e/lib.sh
. "$HERE/../e2e/lib.sh"

SECONDS_EACH=300 FORM=long MODE=observe ONLY='' MORE='' JSON='' BAR=''
while [ $# -gt 0 ]; do
	case $1 in
	--short) SECONDS_EACH=24 FORM=short ;;
	--enforce) MODE=enforce ;;
	--second-opinion) MORE='second_opinion: {enabled: true}' ;;
	--only) ONLY=,$2, && shift ;;
	--json) JSON=$2 && shift ;;
	--bar) BAR=$2 && shift ;;
	*)
		say "usage: $0 [--short] [--enforce] [--second-opinion] [--only NAME,...] [--json FILE] [--bar FILE]"
		exit 2
		;;
	esac
	shift
done
# shellcheck source=tests/quality/clients.sh
. "$HERE/clients.sh"

BACKEND_PORT=9000
SHOP=$S4:$PORT

story "quality of judgment: real attackers and honest users ($FORM, $MODE)"
need_python sqlite3 asyncio
net_up

# The first pair of the stage becomes a bridge with a port for each client.
ip -n "$NS_C" link add br0 type bridge
ip -n "$NS_C" link set br0 up
ip -n "$NS_C" addr flush dev eth0
ip -n "$NS_C" link set eth0 master br0
ip -n "$NS_C" addr add $C4/24 dev br0
# Answers to forged sources have a way to go, as on any server.
ip -n "$NS_S" route add default via $C4

client_ns() { printf 'pq-%s-%s' "$$" "$1"; }
client_up() { # NUMBER, the last part of its address
	local ns
	ns=$(client_ns "$1")
	ns_add "$ns"
	link_up "$ns" eth0 "$NS_C" "q$1"
	ip -n "$NS_C" link set "q$1" master br0
	ip -n "$ns" addr add "10.77.0.$1/24" dev eth0
	ip -n "$ns" route add default via $S4
}

shop_up() {
	"$PYTHON" -c '' || skip "no $PYTHON"
	start_s "$PYTHON" "$HERE/shop.py" $BACKEND_PORT "$DIR/shop.db" 60 $((SECONDS_EACH / 3)) 2>>"$DIR/shop.log"
	wait_until 20 "the shop opens" in_s bash -c "exec 3<>/dev/tcp/127.0.0.1/$BACKEND_PORT"
	# shellcheck disable=SC2016
	NGINX_FULL='$remote_addr $msec $request_time $status $request'
	nginx_up "keepalive_timeout 20s;
		location = /health { return 200 \"ok\\n\"; }
		location = /favicon.ico { return 204; }
		location ~ ^/(api|shop|app|login|\$) {
			proxy_pass http://127.0.0.1:$BACKEND_PORT;
			proxy_set_header Host \$host;
			proxy_http_version 1.1;
			proxy_set_header Connection \"\";
			keepalive_requests 1000000;
		}
		location ~ . { return 404; }"
}

# Its own folder, home and time; killed when its time is over. What it is about goes to clients.tsv.
client_start() { # NAME NUMBER CLASS
	local name=$1 number=$2 class=$3
	mkdir -p "$DIR/run/$name"
	(
		cd "$DIR/run/$name" || exit 1
		export HOME=$DIR/run/$name
		begin=$EPOCHREALTIME
		rc=0
		client_command "$name" >out 2>&1 || rc=$?
		printf '%s\t%s\t10.77.0.%s\t%s\t%s\t%s\n' "$name" "$class" "$number" "$begin" "$EPOCHREALTIME" "$rc" >>"$DIR/clients.tsv"
	) &
	own $!
	PIDS="$PIDS $!"
}
# By clients.sh: in the namespace of the client, at most $1 seconds.
bounded() { # SECONDS COMMAND...
	local seconds=$1
	shift
	nsenter --net="/run/netns/$(client_ns "$number")" timeout -k 2 "$seconds" "$@"
}

phase() { # NUMBER
	local name number class phase programs missing program
	PIDS=
	while read -r name number class phase programs; do
		[ "$phase" = "$1" ] || continue
		[ -z "$ONLY" ] || [[ $ONLY == *,$name,* ]] || continue
		[ "$FORM" = long ] || [[ " $LONG_ONLY " != *" $name "* ]] || continue
		missing=
		for program in $programs; do
			command -v "$program" >/dev/null 2>&1 || missing=$program
		done
		if [ -n "$missing" ]; then
			printf '%s\t%s\t%s\n' "$name" "$class" "$missing" >>"$DIR/absent.tsv"
			continue
		fi
		client_up "$number"
		client_start "$name" "$number" "$class"
	done <<<"$CLIENTS"
	[ -n "$PIDS" ] || return 0 # wait without a name waits for the daemon, too
	# shellcheck disable=SC2086
	wait $PIDS || true
}

: >"$DIR/clients.tsv"
: >"$DIR/absent.tsv"
shop_up
picket_up "$(many_blocks_yaml | sed "s/^mode: .*/mode: $MODE/")
$MORE"
if [ -n "$MORE" ]; then
	opinion_ready() { [ "$(status_of .second_opinion.state)" = ready ]; }
	wait_until 30 "the second opinion has its rules" opinion_ready
fi
"$PICKET_BIN" events -f --json --name http.request,picket.decision,tcp.anomaly,http.anomaly,picket.loss >"$DIR/judged.jsonl" 2>>"$DIR/picket.log" &
own $!
sleep 0.3

for n in 1 2 3; do phase $n; done
# An answer is waited for two seconds at most, and a decision follows it.
sleep 3

pk status --json >"$DIR/status.json"
status=0
"$PYTHON" "$HERE/score.py" "$DIR" --form "$FORM" --mode "$MODE" ${JSON:+--json "$JSON"} ${BAR:+--bar "$BAR"} || status=$?
[ "$status" = 0 ] || fail "see the lines above"
picket_down
