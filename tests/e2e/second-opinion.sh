#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a second opinion finds what the built-in analysis has no rule for, within its budget, and may die at any time"
opinion=$(dirname "$PICKET_BIN")/picket-second-opinion
[ -x "$opinion" ] || skip "built without it: libmodsecurity-dev is not installed"
[ -r /usr/share/modsecurity-crs/rules ] || skip "modsecurity-crs is not installed"
need pgrep
net_up
nginx_up
detections() { # a rule set of its own, so that whatever is found is the second opinion's
	cat >"$DIR/detections.yaml" <<-YAML
		detections:
		  - name: nothing
		    description: a path that nobody asks for
		    match: {paths: {exact: [/nothing-at-all]}}
		    threshold: 100
		    window: 60s
		    action: {confidence: 0.9, scope: ports}
	YAML
}
detections
# It is believed here.
picket_up "$(many_blocks_yaml | sed 's/^guard:$/guard:\n  confidence_min: 0.75/')
detect:
  policies: [$DIR/detections.yaml]
second_opinion:
  enabled: true
  sample: 0
  cpu_percent: 5"
state_is() { [ "$(status_of .second_opinion.state)" = "$1" ]; }
wait_until 30 "the rules are loaded" state_is ready
at_least "rules that were loaded" 100 "$(status_of .second_opinion.rules)"
opinion_pid() { pgrep -P "$PICKET_PID" -f picket-second-opinion; }
events_start

# What it may do.
pid=$(opinion_pid)
P=/proc/$pid/status
for set in CapInh CapPrm CapEff CapAmb; do
	equal "$set of the second opinion" 0000000000000000 "$(sed -n "s/^$set:[[:space:]]*//p" "$P")"
done
equal "NoNewPrivs of it" 1 "$(sed -n 's/^NoNewPrivs:[[:space:]]*//p' "$P")"
equal "Seccomp of it (2: filter)" 2 "$(sed -n 's/^Seccomp:[[:space:]]*//p' "$P")"
equal "its user is the sensor's" "$(sed -n 's/^Uid:[[:space:]]*//p' "/proc/$(sensor_pid)/status")" "$(sed -n 's/^Uid:[[:space:]]*//p' "$P")"
equal "owner of its /proc/PID/mem" 0 "$(stat -c %u "/proc/$pid/mem")"
unknown=
for fd in "/proc/$pid/fd/"*; do
	target=$(readlink "$fd") || continue
	case $target in
	socket:* | /dev/null | pipe:* | "$DIR"/picket.log | "$DIR"/picket.out) ;;
	*) unknown="$unknown ${fd##*/}->$target" ;;
	esac
done
[ -z "$unknown" ] || fail "it holds descriptors it should not:$unknown"
equal "maps of the kernel half in its memory" 0 "$(grep -c bpf "/proc/$pid/maps" || true)"
tell "no capability, no_new_privs, seccomp, not dumpable, its socket and where it complains; nothing of the kernel half"

# Only the rule set has a word for this; the marker is in no log of it.
ask() { in_c curl -s -o /dev/null -m 5 --interface "$1" -A curl/8 "http://$S4:$PORT$2"; }
asked() { # COUNT
	[ "$(status_of .second_opinion.answered)" -ge "$1" ]
}
ask $C4 "/plain?page=2"
ask $C4 "/load?class=java.lang.Runtime%27marker-of-ours"
wait_until 10 "the alarm" events_reach http.anomaly 1 '."http.anomaly.name" == "second_opinion"'
alarm=$(events_of http.anomaly '."http.anomaly.name" == "second_opinion"' | head -n 1)
jq -e '."picket.second_opinion.rules" | index(944100)' <<<"$alarm" >/dev/null || fail "not by the rule for Java: $alarm"
equal "whose request" $C4 "$(jq -r '."client.address"' <<<"$alarm")"
id=$(jq -r '."picket.request.id"' <<<"$alarm")
wait_until 10 "the request itself" events_reach http.request 1 ".\"picket.event.id\" == \"$id\""
equal "requests that it was asked about" 1 "$(status_of .second_opinion.asked)"
equal "decisions by one alarm" 0 "$(events_count picket.decision)"
grep -q marker-of-ours "$DIR/picket.log" "$DIR/picket.out" && fail "what was sent stands in a log"
tell "a request is told of by rules $(jq -c '."picket.second_opinion.rules"' <<<"$alarm"); a plain one is not asked about"

# Killed: another comes, and what is asked meanwhile goes without. Nothing waits for it.
kill -KILL "$pid"
ask $C4 "/after" || fail "a request failed while there is no second opinion"
came_again() { [ "$(status_of .second_opinion.processes)" -ge 2 ] && state_is ready; }
wait_until 30 "another process" came_again
[ "$(opinion_pid)" != "$pid" ] || fail "it is the same process"
equal "processes of it" 1 "$(opinion_pid | wc -l)"

# Enough of them is a verdict, and that a block.
for i in 1 2 3; do
	ask $C4 "/load?class=java.lang.ProcessBuilder%27$i" || true
done
wait_until 10 "the block" events_reach picket.decision 1 '."picket.decision.origin" == "second-opinion" and ."picket.decision.outcome" == "blocked"'
ask $C4 / && fail "the attacker is still served"
pk why $C4 >"$DIR/why" || fail "picket why failed"
grep -q '94[0-9][0-9][0-9][0-9]' "$DIR/why" || fail "picket why names no rule: $(cat "$DIR/why")"
tell "after $(status_of .second_opinion.alarms) alarms, one process having been killed: blocked, and picket why names the rules"

# The budget: as many as can be asked for, for five seconds.
exits 0 pk unblock $C4
before=$(status_of .second_opinion.cpu_us)
begin=${EPOCHREALTIME/[.,]/}
ticks() { awk '{print $14 + $15}' "/proc/$(opinion_pid)/stat"; }
ticks_before=$(ticks)
in_c h2load --h1 -D 5 -c 4 -m 1 "http://$S4:$PORT/x?q=%27odd" >/dev/null 2>&1 || true
quiet() { [ "$(status_of .second_opinion.held)" = 0 ]; }
wait_until 10 "all answers" quiet
took=$((${EPOCHREALTIME/[.,]/} - begin))
used=$(($(status_of .second_opinion.cpu_us) - before))
ticked=$((($(ticks) - ticks_before) * 1000000 / $(getconf CLK_TCK)))
# Five percent, what was saved up in the second before, and one question.
allowed=$((took * 5 / 100 + 50000 + 20000))
at_most "µs of a processor by its own word" $allowed $used
at_most "µs of a processor by the kernel's" $((allowed * 3 / 2 + 20000)) $ticked
at_least "requests that went without" 100 "$(status_of .second_opinion.over_budget)"
equal "lost on the way" 0 "$(status_of .accounting.lost)"
tell "$used µs of a processor in $took µs ($ticked by the kernel's count); $(status_of .second_opinion.over_budget) requests went without, none was lost"
picket_down
gone "$pid" || fail "it outlived the daemon"

# As under the unit's MemoryDenyWriteExecute=: no expression becomes code, that is told, and the same is found.
if "$PYTHON" -c 'import ctypes, sys; sys.exit(ctypes.CDLL(None).prctl(66, 0, 0, 0, 0) != 0)'; then # PR_GET_MDWE
	cat >"$DIR/no-code" <<-'PY'
		#!/usr/bin/env python3
		import ctypes, os, sys
		assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0  # PR_SET_MDWE
		os.execv(os.environ["PICKET_REAL"], ["picket", *sys.argv[1:]])
	PY
	chmod +x "$DIR/no-code"
	export PICKET_REAL=$PICKET_BIN
	PICKET_BIN=$DIR/no-code picket_again
	wait_until 30 "the rules are loaded where memory may not hold code" state_is ready
	grep -q "expressions are interpreted" "$DIR/picket.log" "$DIR/picket.out" || fail "it does not say that it interprets"
	events_start
	ask $D4 "/load?class=java.lang.Runtime%27again"
	wait_until 10 "the alarm" events_reach http.anomaly 1 '."http.anomaly.name" == "second_opinion"'
	tell "the same under MemoryDenyWriteExecute, which it says"
	picket_down
fi
