#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "what somebody takes out of the deny map comes back, and status says that it was missing"
need bpftool
net_up
nginx_up
picket_up
served() { in_c curl -s -o /dev/null -m "${1:-0.5}" --interface $C4 "http://$S4:$PORT/"; }
deny=$(map_of pk_deny4)
# shellcheck disable=SC2086
held() { bpftool map lookup id "$deny" key ${C4//./ }; }

# The warden counts its entries anew in its first second, and then each minute: what follows is between two such counts.
settled_in() { [ "$(status_of .warden.uptime_s)" -ge 2 ]; }
wait_until 10 "the first seconds are over" settled_in
exits 0 pk block $C4 --ttl 10m
held >"$DIR/before" || fail "the block is not in the map: this story looks at the wrong place"
if served; then fail "$C4 is served although it is blocked"; fi
# It may come back in the very moment: then once more.
gone=
for _ in 1 2 3; do
	# shellcheck disable=SC2086
	bpftool map delete id "$deny" key ${C4//./ } 2>/dev/null || true
	if served 5; then
		gone=yes
		break
	fi
done
[ -n "$gone" ] || fail "$C4 is not served with the entry gone: the entry was not what held it"
tell "the entry was deleted behind picket's back, $C4 is served"

missed() { [ "$(status_of '.blocks.missing + (.blocks.mended // 0)')" -ge 1 ]; }
: >"$DIR/missed"
watch() {
	until missed || [ -e "$DIR/enough" ]; do sleep 0.05; done
	missed && echo yes >"$DIR/missed"
}
watch &
own $!
wait_until 10 "the entry is back" held
: >"$DIR/enough"
wait_until 5 "status says that one was missing" test -s "$DIR/missed"
if served; then fail "$C4 is served although the entry is back"; fi
held >"$DIR/after"
differs=$(jq -s '(.[0].value.deadline_s - .[1].value.deadline_s) | fabs' "$DIR/before" "$DIR/after")
at_most "seconds between the ends of the entry before and after" 1 "$differs"
equal "scope of the entry" "$(jq .value.scope "$DIR/before")" "$(jq .value.scope "$DIR/after")"
even() { status_of .blocks | jq -e '.desired == 1 and .installed == 1 and .missing == 0 and .extra == 0'; }
wait_until 10 "status: one desired, one installed" even
tell "it came back with the same end, and status said so"
exits 0 pk unblock $C4
served 10 || fail "$C4 is not served after unblock"
picket_down
