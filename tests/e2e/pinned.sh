#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# pinned.sh [RESTARTS]     default 10
#
# A blocked client floods all the while. What of it is accepted is counted by the server's own TCP: segments that came in, in a
# namespace where nobody else speaks TCP.
. "$(dirname "$0")/lib.sh"
restarts=${1:-10}
story "with enforcement.pin $restarts restarts, every second by kill -9, and an upgrade let no packet of a blocked client through"
need pgrep hping3 bpftool
[ "$(stat -f -c %T /sys/fs/bpf)" = bpf_fs ] || skip "no bpffs at /sys/fs/bpf"
net_up
nginx_up
PINS=/sys/fs/bpf/picket/e2e-$$
picket_up "mode: enforce
enforcement:
  pin: true"
# shellcheck disable=SC2016 # awk's
segments() { in_s awk '/^Tcp:/ { if (n++) print $11 }' /proc/net/snmp; }
served() { in_c curl -s -o /dev/null -m "${2:-0.5}" --interface "$1" "http://$S4:$PORT/"; }
dropped() { status_of .kernel.packets_dropped; }

exits 0 pk block $C4 --ttl 2h --reason "held over restarts"
exits 0 pk block $C6 --ttl 2h
if served $C4; then fail "$C4 is served although it is blocked"; fi
before=$(segments)
sent() { ip -n "$NS_C" -j -s link show eth0 | jq '.[0].stats64.tx.packets'; }
sent_before=$(sent)
start_c hping3 -q -i u100 -S -p $PORT -a $C4 $S4 >/dev/null 2>&1
FLOOD=$!
start_c hping3 -q -i u1000 --udp -p $PORT -a $C4 $S4 >/dev/null 2>&1
flooded() { [ "$(dropped)" -ge 1000 ]; }
wait_until 20 "the flood is dropped" flooded

restart() { # SIGNAL
	picket_end "$1"
	picket_again
}
for i in $(seq "$restarts"); do
	if [ $((i % 2)) = 0 ]; then restart KILL; else restart TERM; fi
	equal "segments of the blocked client that were accepted (restart $i)" "$before" "$(segments)"
done
is_blocked $C4 || fail "the block is in force, but not in the list"
equal "its reason" "held over restarts" "$(pk why --json $C4 | jq -r .block.reason)"
equal "interfaces that would be bare without the daemon" 0 "$(status_of '[.capture.interfaces[] | select(.ends_with_daemon)] | length')"
grep -q 'taken over without a gap' "$DIR/picket.log" || fail "the log does not say what was taken over"
flood=$(($(sent) - sent_before))
at_least "packets that the blocked client sent meanwhile" $((restarts * 200)) "$flood"
tell "$restarts restarts: 0 of $flood packets accepted"

# An upgrade: what is pinned was made by another version of the kernel half's shapes.
picket_end TERM
OWN=$(basename "$PINS"/v*)
mv "$PINS/$OWN" "$PINS/v999"
picket_start
wait_until 30 "picket is ready after the upgrade" picket_ready
equal "segments of the blocked client that were accepted (upgrade)" "$before" "$(segments)"
[ -d "$PINS/$OWN" ] || fail "nothing of this version is pinned"
[ ! -e "$PINS/v999" ] || fail "what the former version pinned is still there"
wait_until 20 "the flood is dropped by the new version" flooded
tell "an upgrade: the entries were copied, then the program replaced; 0 packets accepted"

# A reload keeps everything; other sizes, which need other maps, come with a restart.
sed -i "s/^mode: enforce/mode: enforce\nlimits: {blocks_max: 1000}/" "$DIR/picket.yaml"
restart KILL
equal "segments of the blocked client that were accepted (other sizes)" "$before" "$(segments)"
wait_until 20 "the flood is dropped from maps of another size" flooded
tell "limits.blocks_max changed: 0 packets accepted"

# The journal is lost, the kernel knows.
picket_end KILL
rm -f "$DIR"/state/journal.db*
picket_start
wait_until 30 "picket is ready again" picket_ready
is_blocked $C4 || fail "an entry of the kernel that the journal lacks was not adopted"
equal "its origin" adopted "$(pk why --json $C4 | jq -r .block.origin)"
equal "segments of the blocked client that were accepted (no journal)" "$before" "$(segments)"
tell "without the journal the kernel's entries are adopted"

# Nobody runs: a panic still works, and detach takes everything away.
picket_end TERM
exits 0 pk panic --instance e2e-$$
more() { [ "$(segments)" -gt "$before" ]; }
wait_until 5 "the flood comes through in a panic" more
exits 0 pk resume --instance e2e-$$
exits 0 pk detach --instance e2e-$$ --keep-pinned
grep -q "kept $PINS/$OWN" "$DIR/out" || fail "detach --keep-pinned says: $(cat "$DIR/out")"
before=$(segments)
sleep 0.3
equal "segments accepted after resume, with no daemon" "$before" "$(segments)"
exits 0 pk detach --instance e2e-$$
[ ! -e "$PINS" ] || fail "detach left $PINS"
wait_until 5 "the flood comes through after detach" more
kill $FLOOD
served $C4 10 || fail "$C4 is not served after detach"
equal "programs left on the interface" "" "$(in_s bpftool net show dev eth0 2>/dev/null | grep -o 'pk_[a-z0-9_]*' || true)"
tell "with no daemon: panic, resume, detach; then nothing is left"
PICKET_PID=
