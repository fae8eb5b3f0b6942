#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "who decided and set what stands in a log that outlives kill -9, and in which each change is found"
need pgrep sha256sum
net_up
nginx_up
gateway_up
picket_up "$(gateway_yaml)
mode: enforce
audit:
  fsync: always"
LOG=$DIR/state/audit

records() { cat "$LOG"/audit.[0-9]*; }
record() { # JQ-CONDITION: the last such record
	records | jq -c "select($1)" | tail -n 1
}
has() { [ -n "$(record "$1")" ]; }
claim() { has "$2" || fail "no record of $1: $(records | cut -c 150-400)"; }
verdict() { # NAME ACTION TARGET
	printf '200\napplication/json\n{"verdicts":[{"id":"%s","action":"%s","target":{"scope":"ip","value":"%s"},"ttl_s":60,"confidence":1,"reason":"%s","evidence":[]}]}' \
		"$1" "$2" "$3" "$1" >"$DIR/answers/$1.tmp"
	mv "$DIR/answers/$1.tmp" "$DIR/answers/$1.answer"
}
asked() { # NAME: an event brings the gateway to answer
	in_c curl -s -o /dev/null -m 5 --interface $D4 "http://$S4:$PORT/more"
	[ -e "$DIR/answers/$1.done" ]
}

# What is done, and by whom. An answer of the API comes when the record is on the disk: nothing waits here.
exits 0 pk block 203.0.113.7 --ttl 5m --reason "said by hand" --confirm-within 60s
exits 0 pk block --confirm 203.0.113.7
exits 4 pk block 127.0.0.1
exits 0 pk unblock 203.0.113.7
exits 0 pk mode approve
exits 0 pk mode enforce
exits 0 pk proxies trust 203.0.113.9
by='.by == "uid:0"'
claim "a block" "$by and .kind == \"decision\" and .event.\"picket.decision.outcome\" == \"blocked\" and .event.\"picket.decision.reason\" == \"said by hand\""
claim "its confirmation" "$by and .name == \"confirm\" and .subject == \"203.0.113.7\""
claim "a refusal" "$by and .event.\"picket.decision.why\" == \"protected_network\""
claim "an unblock" "$by and .event.\"picket.decision.outcome\" == \"unblocked\""
claim "the mode" "$by and .name == \"mode\" and .before == \"enforce\" and .value == \"approve\""
claim "a proxy" "$by and .name == \"proxies\" and .subject == \"203.0.113.9\" and .value == \"trusted\""
claim "the start" '.kind == "start" and .why == "start"'

# A gateway's verdicts: done, refused for its reason, and one that a person answers.
in_c curl -s -o /dev/null --interface $C4 "http://$S4:$PORT/hello"
verdict g1 block $C4
wait_until 20 "the gateway answers" asked g1
wait_until 10 "its block is written down" has '.by == "gateway:test" and .event."picket.decision.outcome" == "blocked"'
exits 0 pk unblock $C4
exits 0 pk mode approve
verdict g2 block $C4
wait_until 20 "the gateway answers" asked g2
wait_until 10 "a pending item" has '.by == "gateway:test" and .event."picket.decision.outcome" == "pending"'
exits 0 pk reject "$(pk pending --json | jq -r .pending_id)"
claim "the answer" "$by and .answer == \"rejected\" and .pending_id and .event.\"picket.decision.origin\" == \"test\""
verdict g3 block 203.0.113.77
wait_until 20 "the gateway answers" asked g3
wait_until 10 "its refusal is written down" has '.by == "gateway:test" and .event."picket.decision.why" == "no_handshake"'
# What nobody asks picket for: the kill switch.
exits 0 pk panic
wait_until 10 "the panic is written down" has '.name == "kill_switch" and .value == "on" and .by == "kernel"'
exits 0 pk resume
wait_until 10 "its end is written down" has '.name == "kill_switch" and .value == "off"'
kill -HUP "$PICKET_PID"
wait_until 20 "the reload is written down" has '.kind == "start" and .why == "reload" and .by == "uid:0"'
wait_until 20 "picket answers again" picket_ready
exits 0 pk audit verify "$LOG"
tell "$(records | wc -l) records: blocks, refusals, answers, settings, a panic, a reload, each with who did it"

# A line, as docs/audit.md says a shell can check it.
line=$(records | sed -n 3p)
equal "hash of a line" "$(jq -r .hash <<<"$line")" "$(printf '%s' "${line%,\"hash\":*}" | sha256sum | cut -d ' ' -f 1)"
noted=$(pk audit head "$LOG")
equal "head in status" "${noted%%:*}" "$(status_of .audit.head.seq)"

# kill -9 in the middle of a flood: what was answered is there.
: >"$DIR/acknowledged"
flood() { # FROM
	local i
	for i in $(seq "$1" $(($1 + 59))); do
		if pk block "198.51.$((i / 200)).$((i % 200 + 1))" --ttl 5m >/dev/null 2>&1; then
			echo "198.51.$((i / 200)).$((i % 200 + 1))" >>"$DIR/acknowledged"
		fi
	done
}
for kill in 1 2 3; do
	before=$(wc -l <"$DIR/acknowledged")
	flood $((kill * 400)) &
	flooder=$!
	own $flooder
	more() { [ "$(wc -l <"$DIR/acknowledged")" -ge $((before + 20)) ]; }
	wait_until 30 "the flood" more
	sensor=$(sensor_pid)
	kill -KILL "$sensor"
	wait $flooder
	wait_until 30 "the sensor is there again" picket_ready
	wait_until 10 "the restart is written down" has '.kind == "start" and .why == "restart"'
	exits 0 pk audit verify "$LOG"
done
records | jq -r 'select(.kind == "decision" and .event."picket.decision.outcome" == "blocked").event."picket.decision.target"' |
	sort -u >"$DIR/written"
sort -u "$DIR/acknowledged" | comm -23 - "$DIR/written" >"$DIR/left"
at_least "blocks that were answered" 60 "$(wc -l <"$DIR/acknowledged")"
[ ! -s "$DIR/left" ] || fail "$(wc -l <"$DIR/left") blocks were answered and not written down"
exits 0 pk audit verify --head "$noted" "$LOG"
tell "3 times killed in a flood of blocks: whole, and none of $(wc -l <"$DIR/acknowledged") that were answered is missing"

# As a loss of power leaves it: the last line is cut.
picket_down
exits 0 pk audit verify "$LOG"
newest=$(for f in "$LOG"/audit.[0-9]*; do printf '%s %s\n' "$(head -n 1 "$f" | jq -r '.seq // 0')" "$f"; done | sort -n | tail -n 1 | cut -d ' ' -f 2)
truncate -s -20 "$newest"
exits 1 pk audit verify "$LOG"
grep -q ': torn: ' "$DIR/out" || fail "torn is not told: $(cat "$DIR/out")"
picket_start
wait_until 30 "picket is ready" picket_ready
claim "the torn line" '.kind == "torn" and .bytes > 20'
exits 0 pk audit verify "$LOG"
[ -s "$DIR/state/$(record '.kind == "torn"' | jq -r .kept)" ] || fail "what was cut was not kept"
tell "a line that a crash cut is told, kept, and the chain goes on"

picket_down
exits 0 pk audit export --format csv --since 1h "$LOG"
cp "$DIR/out" "$DIR/csv"
grep -q '^"[0-9]*","[^"]*","setting","uid:0",.*"mode"' "$DIR/csv" || fail "the table lacks a setting: $(head -n 5 "$DIR/csv")"
exits 0 pk audit export --until 2020-01-01 "$LOG"
[ ! -s "$DIR/out" ] || fail "records of a time when there were none"
exits 0 pk audit export "$LOG"
records >"$DIR/expected"
same_file "what is exported" "$DIR/expected" "$DIR/out"

# One byte.
mkdir "$DIR/copy"
cp "$LOG"/audit.[0-9]* "$DIR/copy/"
exits 0 pk audit verify "$DIR/copy"
sed -i '5s/uid:0/uid:1/' "$DIR/copy/$(basename "$newest")"
exits 1 pk audit verify "$DIR/copy"
grep -q "^broken: $(basename "$newest"), line 5: changed" "$DIR/out" || fail "the change is not told: $(cat "$DIR/out")"
cp "$newest" "$DIR/copy/"
sed -i 7d "$DIR/copy/$(basename "$newest")"
exits 1 pk audit verify --json "$DIR/copy"
equal "what is wrong" '["removed",7]' "$(jq -c '[.fault.kind, .fault.line]' "$DIR/out")"
exits 1 pk audit verify "$DIR/nowhere"
exits 2 pk audit verify --head 7:x "$LOG"
exits 2 pk audit
tell "one byte, one line: found, with file and line"
