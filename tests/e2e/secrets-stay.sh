#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "no secret leaves: not to the gateway, the logs, the commands, the API or a file"
need_python json
net_up
nginx_up
gateway_up
picket_config "$(gateway_yaml)
  - {name: local, protocol: local}
log: {level: debug}"
# As it comes: what the other stories switch off to compare targets.
sed -i '/^redact:$/,/^  query:/d' "$DIR/picket.yaml"
picket_start
wait_until 30 "picket is ready" picket_ready
events_start

# What was on the wire, for `picket replay`.
if command -v tcpdump >/dev/null 2>&1; then
	nsenter --net="/run/netns/$NS_S" tcpdump -i eth0 -U -s 0 -w "$DIR/wire.pcap" tcp port $PORT 2>/dev/null &
	TCPDUMP_PID=$!
	own $TCPDUMP_PID
	wait_until 10 "tcpdump captures" test -s "$DIR/wire.pcap"
fi

plant() { # FILE SEED
	in_c timeout 100 "$PYTHON" "$E2E/secrets.py" plant "$S4" $PORT "$1" "$2"
}

# Everything that picket says anywhere, in $DIR/said.
listen_to_all() {
	local path
	mkdir -p "$DIR/said"
	pk events --json -n 100000 >"$DIR/said/events.json"
	pk events -n 100000 >"$DIR/said/events"
	pk requests --json -n 100000 >"$DIR/said/requests.json"
	pk requests -n 100000 >"$DIR/said/requests"
	pk status --json >"$DIR/said/status.json"
	pk status >"$DIR/said/status"
	pk why "$C4" --json >"$DIR/said/why.json" || true
	pk why "$C4" >"$DIR/said/why" || true
	pk proxies --json >"$DIR/said/proxies.json"
	pk pending --json >"$DIR/said/pending.json"
	pk blocks --json >"$DIR/said/blocks.json"
	pk gateway list --json >"$DIR/said/gateways.json"
	sed -n 's#^  \(/v1/[a-z/]*\):$#\1#p' "$E2E/../../docs/openapi.yaml" | while read -r path; do
		curl -s -m 10 --unix-socket "$PICKET_CONTROL" "http://x$path" >"$DIR/said/api${path//\//-}" || true
	done
}

places=$(plant "$DIR/planted" 1)
at_least "places with a secret" 500 "$places"
wait_until 60 "all of it is told" at_rest
at_least "requests that the gateway got" 400 "$(gateway_count)"
listen_to_all

hunt() { # WHAT PATH...
	local what=$1
	shift
	"$PYTHON" "$E2E/secrets.py" hunt "$DIR/planted" "$@" >"$DIR/leaks" || {
		head -n 20 "$DIR/leaks"
		fail "secrets in $what: $(wc -l <"$DIR/leaks")"
	}
	tell "none in $what"
}

# The hunt is worth something: it finds them where nobody hides them.
at_least "secrets that nginx wrote down" 250 "$("$PYTHON" "$E2E/secrets.py" found "$DIR/planted" "$DIR/access.log" "$DIR/access.full")"
tell "the hunt finds what nginx logged"

hunt "what the gateway got" "$DIR/gateway.jsonl"
hunt "the log at level debug" "$DIR/picket.log" "$DIR/picket.out"
hunt "the stream of events" "$DIR/events.jsonl"
hunt "what the commands and the control API say" "$DIR/said"
hunt "the files of the state folder" "$DIR/state"

# What is hidden was still seen by the built-in analysis, and can be told apart.
at_least "decisions" 1 "$(jq -s 'map(select(."event.name" == "picket.decision")) | length' "$DIR/said/events.json")"
at_least "consumers" 40 "$(jq -r '."picket.consumer" // empty' "$DIR/said/requests.json" | sort -u | wc -l)"
grep -q '{jwt:h_01' "$DIR/said/requests.json" || fail "no token was hidden as one"
tell "detections saw them; events tell them apart"

# A new key: hashes name it, and the consumer of before can be found.
consumer_of() { # TARGET KEY
	jq -r --arg t "$1" --arg k "$2" 'select(."url.original" == $t) | .[$k] // empty' "$DIR/events.jsonl" | tail -n 1
}
consumer_known() { [ -n "$(consumer_of "$1" picket.consumer)" ]; }
ask_as_joe() { # TARGET
	in_c curl -s -o /dev/null -m 10 -H 'Authorization: Bearer joe-1' "http://$S4:$PORT$1"
	wait_until 10 "the request $1 is seen" consumer_known "$1"
}
ask_as_joe /before
old=$(consumer_of /before picket.consumer)
exits 0 pk config redact rotate-key -c "$DIR/picket.yaml"
kill -HUP "$PICKET_PID"
wait_until 20 "the configuration is taken up" grep -q 'configuration reloaded' "$DIR/picket.log"
wait_until 20 "picket is ready again" picket_ready
kill "$EVENTS_PID" 2>/dev/null || true
cat "$DIR/events.jsonl" >>"$DIR/events.before"
events_start
ask_as_joe /after
new=$(consumer_of /after picket.consumer)
equal "key of the old consumer" c_01 "${old:0:4}"
equal "key of the new consumer" c_02 "${new:0:4}"
equal "the consumer under the key before" "$old" "$(consumer_of /after picket.consumer_previous)"
tell "a consumer is known under both keys after a change of keys"

# A crash of the sensor tells nothing either.
kill -SEGV "$(sensor_pid)"
wait_until 20 "the sensor is there again" picket_ready
plant "$DIR/planted.again" 2 >"$DIR/again"
wait_until 60 "all of it is told" at_rest
"$PYTHON" - "$DIR" <<-'PY'
	import json, sys
	folder = sys.argv[1]
	both = [json.load(open(folder + name)) for name in ("/planted", "/planted.again")]
	json.dump(both[0] + both[1], open(folder + "/planted", "w"))
PY
listen_to_all
hunt "anything after a crash" "$DIR/gateway.jsonl" "$DIR/picket.log" "$DIR/picket.out" "$DIR/events.jsonl" "$DIR/events.before" "$DIR/said" "$DIR/state"

if [ -n "${TCPDUMP_PID:-}" ] && pk help replay >/dev/null 2>&1; then
	kill -INT "$TCPDUMP_PID"
	wait_until 5 "tcpdump ends" gone "$TCPDUMP_PID"
	pk replay "$DIR/wire.pcap" --port $PORT --json >"$DIR/replayed" 2>"$DIR/replayed.err" || fail "replay: $(cat "$DIR/replayed.err")"
	at_least "requests in the replay" 300 "$(grep -c '"http.request"' "$DIR/replayed")"
	hunt "a replay" "$DIR/replayed" "$DIR/replayed.err"
	pk replay "$DIR/wire.pcap" --port $PORT --json --no-redact >"$DIR/replayed.whole" 2>/dev/null || true
	at_least "secrets in a replay with --no-redact" 300 "$("$PYTHON" "$E2E/secrets.py" found "$DIR/planted" "$DIR/replayed.whole")"
fi
picket_down
