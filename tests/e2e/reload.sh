#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "SIGHUP takes a new configuration over without losing a block or a client; a wrong one changes nothing"
net_up
nginx_up
picket_up "mode: observe"
good_up $D4 $S4 $PORT
exits 0 pk block $C4 --ttl 10m
mode_is() { [ "$(pk mode --json 2>/dev/null | jq -r .mode)" = "$1" ]; }

sed -i 's/^mode: observe/mode: enforce/' "$DIR/picket.yaml"
printf 'limits:\n  protect: [192.0.2.0/24]\n' >>"$DIR/picket.yaml"
kill -HUP "$PICKET_PID"
wait_until 20 "the new mode is in force" mode_is enforce
exits 4 pk block 192.0.2.7 --ttl 1m
is_blocked $C4 || fail "the block is no longer listed after the reload"
in_c curl -s -o /dev/null -m 0.5 --interface $C4 "http://$S4:$PORT/" && fail "the block is no longer in force after the reload"
tell "mode and protected networks are new, the block is still in force"

printf 'no_such_key: 1\n' >>"$DIR/picket.yaml"
kill -HUP "$PICKET_PID"
refused() { grep -q -i 'no_such_key' "$DIR/picket.log"; }
wait_until 20 "the log says what is wrong" refused
mode_is enforce || fail "a refused configuration changed the mode"
good_unharmed
tell "a wrong file is refused in the log and changes nothing; the good client: $(good_count) requests, 0 errors"
picket_down
