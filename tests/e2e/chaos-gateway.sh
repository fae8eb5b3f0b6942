#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "gateways that misbehave in every way there is: what becomes of events and verdicts, and another gateway beside them unharmed"
gateway=${PICKET_EXAMPLE_GATEWAY:?the example gateway}
need openssl

# MODE (examples/gateway/chaos.c) | what becomes of its events | of its verdicts | what is said of it
table() {
	cat <<-TABLE
		drip          | retried   |               | it did not answer in time
		latency       | retried   |               | it did not answer in time
		429           | retried   |               | HTTP 429: it asks us to slow down
		429-later     | retried   |               | HTTP 429: it asks us to slow down
		503           | retried   |               | HTTP 503: the gateway failed
		503-later     | retried   |               | HTTP 503: the gateway failed
		early         | delivered |               |
		half-closed   | retried   |               | the connection ended before the answer was whole
		reset         | retried   |               | the connection ended before the answer was whole
		expired       | retried   |               | its certificate has expired
		html          | delivered | unsigned      | a web page answers, and no gateway
		huge          | delivered | too_large     | its answer is too long
		sse           | delivered | unsigned      | its answer is not signed
		sse-endless   | retried   |               | it did not answer in time
		unsigned      | delivered | unsigned      | its answer is not signed
		bad-signature | delivered | signature     | the signature of its answer is not good
		changed-body  | delivered | digest        | its answer is not the one that it signed
		stale         | delivered | stale         | its answer was signed too long ago, or ahead of time
		other-batch   | delivered | other_batch   | its answer belongs to another batch
		replayed      | delivered | other_batch   | its answer belongs to another batch
		duplicate-key | delivered | duplicate_key | its answer is no list of verdicts
	TABLE
}

# --- the gateways -------------------------------------------------------------------------------------------------------
openssl genpkey -algorithm ed25519 -out "$DIR/gateway.key" 2>"$DIR/openssl"
openssl pkey -in "$DIR/gateway.key" -pubout -out "$DIR/gateway.pub"
net_up
nginx_up
listens() { in_s bash -c "exec 3<>/dev/tcp/127.0.0.1/$1"; }
start_s "$gateway" --listen 127.0.0.1:$GATEWAY_PORT --sign-key "$DIR/gateway.key" >"$DIR/gateway.out" 2>"$DIR/gateway.err"
wait_until 10 "the healthy gateway listens" listens $GATEWAY_PORT
port=9920
declare -A port_of
while IFS='| ' read -r mode _; do
	port_of[$mode]=$((++port))
	start_s "$gateway" --listen 127.0.0.1:$port --chaos "$mode" --sign-key "$DIR/gateway.key" >>"$DIR/gateway.out" 2>>"$DIR/gateway.err"
done < <(table)
while IFS='| ' read -r mode _; do
	wait_until 10 "the gateway of mode $mode listens" listens "${port_of[$mode]}"
done < <(table)
# Who vouches for the expired certificate is known: that it has expired is all that is wrong.
in_s openssl s_client -connect "127.0.0.1:${port_of[expired]}" </dev/null 2>>"$DIR/openssl" | openssl x509 >"$DIR/expired.pem"

chaos_yaml() { # MODE
	local scheme=http
	[ "$1" != expired ] || scheme=https
	printf '  - name: %s\n    protocol: batch\n    url: %s://127.0.0.1:%s/events\n    verify_key_file: %s\n' "$1" $scheme \
		"${port_of[$1]}" "$DIR/gateway.pub"
	printf '    corroborate: false\n    timeout_ms: 2000\n    linger_ms: 20\n'
	[ "$1" != expired ] || printf '    ca_file: %s\n' "$DIR/expired.pem"
}
with() { # MODES: picket with the healthy gateway and these
	local mode
	picket_up "mode: enforce
gateways:
  - name: healthy
    protocol: batch
    url: http://127.0.0.1:$GATEWAY_PORT/events
    verify_key_file: $DIR/gateway.pub
    corroborate: false
    linger_ms: 20
$(for mode in "$@"; do chaos_yaml "$mode"; done)"
}
of() { pk gateway list --json | jq -r --arg n "$1" "select(.name == \$n) | $2"; }

# --- attackers: each from an address of its own, blocked by the healthy gateway's verdict ---------------------------------
attackers=0
attackers() { # COUNT: sets times to the median and the longest of their times from the deciding request to the block, in µs
	local i address
	for i in $(seq "$1"); do
		attackers=$((attackers + 1))
		address=10.77.0.$((10 + attackers))
		ip -n "$NS_C" addr add $address/24 dev eth0
		for _ in 1 2 3 4 5; do
			in_c curl -s -o /dev/null -m 5 --interface $address -X POST -d x "http://$S4:$PORT/api/login" || true
		done
		wait_until 10 "attacker $address is blocked" is_blocked $address
		echo $address >>"$DIR/attackers"
	done
	wait_until 10 "the decisions on $1 attackers" events_reach picket.decision "$1" '."picket.decision.outcome" == "blocked"'
	times=$(jq -s -r '(map({key: ."picket.event.id", value: (.time_unix_nano | tonumber)}) | from_entries) as $at |
		map(select(."picket.decision.outcome" == "blocked") |
			((.time_unix_nano | tonumber) - $at[."picket.decision.evidence"[-1]]) / 1000 | floor) |
		sort | "\(.[length / 2 | floor]) \(.[-1])"' "$DIR/events.jsonl")
}

# --- alone: what is to be compared with -----------------------------------------------------------------------------------
with
events_start
attackers 10
read -r alone alone_longest <<<"$times"
good_up $D4 $S4 $PORT
picket_down
tell "alone, from the deciding request to the block: median $alone µs, longest $alone_longest µs"

# --- in every way ---------------------------------------------------------------------------------------------------------
row() { # MODE: does picket's account say what the table does?
	local fate reason said
	IFS='|' read -r _ fate reason said < <(table | grep "^$1 ")
	pk gateway list --json | jq -se --arg n "$1" --arg fate "$(xargs <<<"$fate")" --arg reason "$(xargs <<<"$reason")" --arg said "$(xargs <<<"$said")" '
		any(.[] | select(.name == $n); .verdicts == 0 and .events_dropped == 0 and (if $said == "" then .last_error == null else .last_error // "" | contains($said) end) and
		(if $fate == "retried" then .batches == 0 and .retries >= 2 and .events_held > 0
		 else .batches >= 3 and .retries <= (if $n == "replayed" then 1 else 0 end) end) and
		(if $reason == "" then .verdicts_refused == {} else (.verdicts_refused | keys) == [$reason] and .verdicts_refused[$reason] >= 3 end))' >/dev/null
}
more_requests() { in_c curl -s -o /dev/null "http://$S4:$PORT/more" && row "$1"; }
threads() { find "/proc/$PICKET_PID/task" "/proc/$(sensor_pid)/task" -mindepth 1 -maxdepth 1 | wc -l; }
misbehave() { # MODES
	local mode before begun
	with "$@"
	events_start
	before=$(threads)
	attackers 10
	for mode in "$@"; do
		wait_until 30 "what the table says of $mode" more_requests "$mode"
		pk gateway list --json | jq -r --arg n "$mode" 'select(.name == $n) |
			"\(.name)|\(if .batches > 0 then "delivered" else "held, tried again" end)|\(.retries)|\(.verdicts_refused | to_entries |
			map("`\(.key)`") | join(" "))|\(.state)|\(.last_error)"' >>"$DIR/observed"
	done
	# Retry-After is kept to.
	for mode in 429-later 503-later; do
		[[ " $* " != *" $mode "* ]] || at_most "attempts of $mode" $((2 + ($(date +%s) - started) / 3)) "$(of $mode .attempts)"
	done
	begun=${EPOCHREALTIME/[.,]/}
	pk status --json >"$DIR/status"
	at_most "milliseconds until status answers" 3000 $(((${EPOCHREALTIME/[.,]/} - begun) / 1000))
	equal "threads" "$before" "$(threads)"
	equal "of the healthy gateway: dropped, retries, refused" "0 0 {}" \
		"$(of healthy '"\(.events_dropped) \(.retries) \(.verdicts_refused | tojson)"')"
	equal "blocked beside the attackers" "" "$(pk blocks --json | jq -r .target | grep -vxFf "$DIR/attackers" || true)"
	good_unharmed
	begun=$(date +%s)
	picket_down
	at_most "seconds until it has ended" 10 $(($(date +%s) - begun))
	read -r median longest <<<"$times"
	at_most "median time to a block beside them, µs (alone: $alone)" $((3 * alone + 200000)) "$median"
	tell "beside $#: median $median µs, longest $longest µs; ended within $(($(date +%s) - begun)) s"
}
mapfile -t all < <(table | cut -d' ' -f1)
started=$(date +%s)
misbehave "${all[@]:0:11}"
started=$(date +%s)
misbehave "${all[@]:11}"
column -t -s '|' "$DIR/observed" | cut -c1-180
tell "${#all[@]} ways to misbehave: no block, events delivered or kept, each explained"

# The control: the same verdict, as it should be, blocks the good client.
port_of[good]=9919
start_s "$gateway" --listen 127.0.0.1:9919 --chaos good --sign-key "$DIR/gateway.key" >>"$DIR/gateway.out" 2>>"$DIR/gateway.err"
wait_until 10 "the gateway of mode good listens" listens 9919
with good
in_c curl -s -o /dev/null -m 2 --interface $C4 "http://$S4:$PORT/hello" || true
someone() { [ "$(blocked_count)" -ge 1 ]; }
wait_until 10 "a verdict that is signed as it should be" someone
picket_down
tell "the control: unspoilt, the same verdict blocks"
