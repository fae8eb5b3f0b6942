#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "another's XDP program stays where it is: picket uses tc beside it, and names it"
need bpftool
object=${PICKET_FOREIGN_XDP:?the foreign program}
net_up
in_s ip link set dev eth0 xdp obj "$object" sec xdp 2>"$DIR/xdp.err" || skip "cannot attach an XDP program: $(cat "$DIR/xdp.err")"
id=$(in_s ip -j link show eth0 | jq -r '.[0].xdp.prog.id')
nginx_up
picket_up

equal "the foreign program's id" "$id" "$(in_s ip -j link show eth0 | jq -r '.[0].xdp.prog.id')"
pk status --json | jq -c '.capture.interfaces[] | select(.name == "eth0")' >"$DIR/attachment"
equal "picket's mode on eth0" tc "$(jq -r .mode "$DIR/attachment")"
if [ "$PICKET_MODE" != tc ]; then
	jq -r .note "$DIR/attachment" | grep -q -e foreign_pass -e "$id" || fail "the note does not name the holder: $(cat "$DIR/attachment")"
	tell "asked for $PICKET_MODE, got tc, named: $(jq -r .note "$DIR/attachment")"
fi
exits 0 pk block $C4 --ttl 1m
in_c curl -s -o /dev/null -m 1 --interface $C4 "http://$S4:$PORT/" && fail "served although blocked"
exits 0 pk unblock $C4
in_c curl -s -o /dev/null -m 10 --interface $C4 "http://$S4:$PORT/" || fail "not served after unblock"
picket_down
equal "the foreign program's id after picket is gone" "$id" "$(in_s ip -j link show eth0 | jq -r '.[0].xdp.prog.id')"
tell "blocking works beside it, and it is still there afterwards"
