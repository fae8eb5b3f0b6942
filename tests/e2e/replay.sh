#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a capture of real traffic gives the requests that nginx logged, and the same ones in each format"
need tcpdump
net_up
head -c 300000 /dev/zero >"$DIR/large"
nginx_up "location /large { alias $DIR/large; } location /gone { return 404; }"
chmod 777 "$DIR"

capture_start() { # FILE INTERFACE
	nsenter --net="/run/netns/$NS_S" tcpdump -Z root -B 65536 --immediate-mode -i "$2" -U -w "$1" -s 0 "tcp port $PORT" 2>"$DIR/tcpdump.log" &
	TCPDUMP_PID=$!
	CAPTURE=$1
	own $TCPDUMP_PID
	wait_until 5 "tcpdump listens" grep -q listening "$DIR/tcpdump.log"
}
# The last connection is the pipelined one: both its ends are closed.
captured_all() { [ "$(tcpdump -n -r "$1" 'tcp[tcpflags] & tcp-fin != 0' 2>/dev/null | wc -l)" -ge 6 ]; }
capture_stop() {
	wait_until 10 "tcpdump has the last segment" captured_all "$CAPTURE"
	kill -TERM "$TCPDUMP_PID"
	wait_until 5 "tcpdump ends" gone "$TCPDUMP_PID"
}
traffic() {
	in_c curl -s "http://$S4:$PORT/one?a=b" "http://$S4:$PORT/gone" "http://$S4:$PORT/large" "http://[$S6]:$PORT/six" >/dev/null
	in_c curl -s -o /dev/null -X POST --data-binary "@$DIR/large" "http://$S4:$PORT/upload"
	in_c bash -c "exec 3<>/dev/tcp/$S4/$PORT
		printf 'GET /p1 HTTP/1.1\r\nHost: h\r\n\r\nGET /p2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n' >&3; cat <&3 >/dev/null"
}
check() { # FILE WHAT
	"$PICKET_BIN" replay "$1" --json --no-redact >"$DIR/events.jsonl" 2>"$DIR/replay.err" ||
		fail "picket replay: $(cat "$DIR/replay.err")"
	events_valid
	jq -r 'select(."event.name" == "http.request") | [."client.address", ."http.response.status_code", ."http.request.method", ."url.original", "HTTP/1.1"] | join(" ")' \
		"$DIR/events.jsonl" | sort >"$DIR/seen"
	sort "$DIR/access.full" >"$DIR/logged"
	same_file "requests of $2" "$DIR/logged" "$DIR/seen"
	equal "losses of $2" 0 "$(jq -r 'select(."event.name" == "picket.loss")' "$DIR/events.jsonl" | wc -l)"
	tell "$2"
}

capture_start "$DIR/eth.pcap" eth0
traffic
capture_stop
check "$DIR/eth.pcap" "Ethernet"
equal "size of the large answer" "$(wc -c <"$DIR/large")" \
	"$(jq -r 'select(."url.path" == "/large") | ."http.response.body.size"' "$DIR/events.jsonl")"

: >"$DIR/access.full"
capture_start "$DIR/any.pcap" any
traffic
capture_stop
check "$DIR/any.pcap" "the interface any"

if command -v editcap >/dev/null 2>&1; then
	editcap -F pcapng "$DIR/any.pcap" "$DIR/any.pcapng"
	check "$DIR/any.pcapng" "pcapng"
fi
check - "stdin" <"$DIR/any.pcap"

# A file that ends inside a packet: what it has, and a word about it.
head -c $(($(wc -c <"$DIR/any.pcap") - 7)) "$DIR/any.pcap" >"$DIR/cut.pcap"
"$PICKET_BIN" replay "$DIR/cut.pcap" >"$DIR/out" 2>"$DIR/replay.err" || fail "a cut file is an error"
grep -q "cut short" "$DIR/replay.err" || fail "nothing said of a cut file: $(cat "$DIR/replay.err")"
tell "a cut file, up to where it is cut"

exits 2 "$PICKET_BIN" replay "$DIR/nginx.conf"
exits 2 "$PICKET_BIN" replay "$DIR/none.pcap"
exits 2 "$PICKET_BIN" replay
exits 2 "$PICKET_BIN" replay --port 0 "$DIR/eth.pcap"
exits 3 setpriv --reuid=65534 --regid=65534 --clear-groups "$PICKET_BIN" replay "$DIR/eth.pcap"
tell "what is no capture, and who may not"

# What reads outside bytes may not do more than run tests: seen while it waits for the rest of a pipe.
mkfifo "$DIR/pipe"
"$PICKET_BIN" replay "$DIR/pipe" >/dev/null &
READER=$!
own $READER
exec 9>"$DIR/pipe"
head -c 1000 "$DIR/eth.pcap" >&9
has_caps() { [ "$(awk '$1 == "CapEff:" { print $2 }' "/proc/$READER/status")" = 0000008000000000 ]; }
wait_until 10 "only CAP_BPF is left" has_caps
equal "no_new_privs" 1 "$(awk '$1 == "NoNewPrivs:" { print $2 }' "/proc/$READER/status")"
exec 9>&-
wait_until 10 "the reader ends with its pipe" gone $READER
tell "reading takes CAP_BPF alone"

# Other detections decide otherwise.
cat >"$DIR/strict.yaml" <<'YAML'
detections:
  - name: any-upload
    description: one upload
    match:
      methods: [POST]
    threshold: 1
    window: 60s
    action: {confidence: 1.0, scope: ports}
YAML
status=0
"$PICKET_BIN" replay --policy "$DIR/strict.yaml" --json "$DIR/eth.pcap" >"$DIR/diff" || status=$?
equal "exit status where decisions differ" 1 "$status"
equal "decisions gained" "gained $C4 any-upload" \
	"$(jq -r '[."picket.replay.change", ."picket.decision.target", ."picket.decision.origin"] | join(" ")' "$DIR/diff")"
printf 'mode: observe\n' >"$DIR/same.yaml"
exits 0 "$PICKET_BIN" replay --policy "$DIR/same.yaml" "$DIR/eth.pcap"
tell "how another policy would decide"
