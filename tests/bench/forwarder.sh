#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# What it takes to forward RATE events/s (default 10,000) over TLS to a server on this host: picket's forwarder with its defaults (batches
# of 500 or 100 ms, a spool that is synced), beside syslog-ng's HTTP destination with batches of 500 and a disk buffer (reliable, which
# writes each message and syncs none), on the same events, in turns. Bar: 5 % of a processor. syslog-ng reads its events from a unix
# socket; picket makes them from records in memory: the row "as text" is syslog-ng with no destination, what its reading takes.
#
#     forwarder.sh [RATE [SECONDS]]
. "$(dirname "$0")/../e2e/lib.sh"
rate=${1:-10000} seconds=${2:-10}
BENCH=${FORWARDER_BENCH:-$PICKET_BUILD/tests/bench/forwarder_bench}
HERE=$(dirname "$0")
story "forwarding $rate events/s over TLS"
need openssl taskset
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=sink -addext subjectAltName=IP:127.0.0.1 \
	-keyout "$DIR/key.pem" -out "$DIR/cert.pem" 2>/dev/null
SINK_PORT=9943
"$PYTHON" "$HERE/tls_sink.py" serve $SINK_PORT "$DIR/cert.pem" "$DIR/key.pem" "$DIR/counts" 2>"$DIR/sink.err" &
own $!
wait_until 10 "the server listens" bash -c "exec 3<>/dev/tcp/127.0.0.1/$SINK_PORT"
sink() { jq ".$1" "$DIR/counts"; }
"$BENCH" events 500 >"$DIR/events"

picket_turn() {
	mkdir -p "$DIR/state"
	read -r delivered cpu_ms connections kept sync_us < <("$BENCH" send "https://127.0.0.1:$SINK_PORT/events" "$DIR/cert.pem" "$DIR/state" "$rate" "$seconds")
	at_least "events that picket delivered" $((rate * seconds * 95 / 100)) "$delivered"
	equal "connections, each with one TLS handshake" 1 "$connections"
	at_least "batches that were safe on the disk" 1 "$kept"
	awk -v c="$cpu_ms" -v s="$seconds" 'BEGIN { printf "%.2f\n", c / s / 10 }' >>"$DIR/picket.turns"
	say "  picket: $delivered events, $cpu_ms ms of processor in $seconds s; a sync takes $sync_us us"
}

syslog_config() { # DESTINATION
	cat <<-CONF
		@version: 3.38
		options { stats-freq(0); keep-hostname(yes); };
		source s { unix-stream("$DIR/syslog.sock" flags(no-parse) max-connections(4) log-iw-size(20000) log-fetch-limit(1000)); };
		destination d { $1 };
		log { source(s); destination(d); flags(flow-control); };
	CONF
}
syslog_turn() { # NAME DESTINATION
	syslog_config "$2" >"$DIR/syslog.conf"
	rm -f "$DIR/syslog.sock" "$DIR"/syslog-ng.persist*  "$DIR"/*.rqf
	syslog-ng -F -f "$DIR/syslog.conf" -R "$DIR/syslog-ng.persist" -p "$DIR/syslog-ng.pid" -c "$DIR/syslog-ng.ctl" --no-caps 2>"$DIR/syslog.err" &
	local pid=$! before after took hz
	own $pid
	hz=$(getconf CLK_TCK)
	wait_until 10 "syslog-ng listens" test -S "$DIR/syslog.sock"
	"$PYTHON" "$HERE/tls_sink.py" feed "$DIR/syslog.sock" "$DIR/events" "$rate" 1 >/dev/null
	before=$(awk '{ print $14 + $15 }' "/proc/$pid/stat")
	got=$(sink events)
	"$PYTHON" "$HERE/tls_sink.py" feed "$DIR/syslog.sock" "$DIR/events" "$rate" "$seconds" >"$DIR/fed"
	sleep 0.5
	after=$(awk '{ print $14 + $15 }' "/proc/$pid/stat")
	took=$(((after - before) * 1000 / hz))
	got=$(($(sink events) - got))
	kill $pid
	wait_until 10 "syslog-ng ends" gone $pid
	if [ "$1" = syslog-ng ]; then
		at_least "events that syslog-ng delivered" $(($(cat "$DIR/fed") * 95 / 100)) "$got"
	fi
	awk -v c="$took" -v s="$seconds" 'BEGIN { printf "%.2f\n", c / s / 10 }' >>"$DIR/$1.turns"
	say "  $1: $got events of $(cat "$DIR/fed"), $took ms of processor in $seconds s"
}
http_destination() {
	cat <<-CONF
		http(url("https://127.0.0.1:$SINK_PORT/events") method("POST") headers("Content-Type: application/cloudevents-batch+json")
			body("\${MSG}") batch-lines(500) batch-timeout(100) body-prefix("[") delimiter(",") body-suffix("]") workers(1) timeout(10)
			tls(ca-file("$DIR/cert.pem"))
			disk-buffer(reliable(yes) disk-buf-size(536870912) mem-buf-size(67108864) dir("$DIR")));
	CONF
}
mean() { awk '{ n += $1 } END { printf "%.2f\n", n / NR }' "$1"; }

other=
if command -v syslog-ng >/dev/null && syslog-ng --module-registry 2>/dev/null | grep -q '^Module: mod-http\|http'; then other=1; fi
for turn in 1 2; do
	picket_turn
	if [ -n "$other" ]; then
		syslog_turn syslog-ng "$(http_destination)"
		syslog_turn as-text 'file("/dev/null");'
	fi
	[ $turn = 2 ] || picket_turn
done
[ -n "$other" ] || say "  skipped: syslog-ng with mod-http is not here (scripts/install-dependencies.sh bench)"
picket_cpu=$(mean "$DIR/picket.turns")
tell "picket: $picket_cpu % of a processor at $rate events/s (bar 5)${other:+; syslog-ng $(mean "$DIR/syslog-ng.turns") %, of which reading and parting lines $(mean "$DIR/as-text.turns") %}"
at_most "hundredths of a per cent" 500 "$(awk -v p="$picket_cpu" 'BEGIN { print int(p * 100) }')"
