#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "each command ends with the status that the documentation gives"
need setpriv
net_up
nginx_up
exits 2 pk no-such-command
exits 2 pk status --no-such-option
exits 2 pk block
exits 2 pk config redact --test - -H 'Host: a' <<<'GET / HTTP/1.1'
exits 2 pk config redact rotate-key --keep 4294967297
exits 5 pk status
exits 5 pk blocks
exits 5 pk block 198.51.100.1 --ttl 1m
tell "2 for usage, 5 without a daemon"
cp "$PICKET_BIN" "$DIR/picket" 2>/dev/null && chmod 755 "$DIR/picket"
exits 3 setpriv --reuid 65534 --clear-groups --inh-caps=-all --bounding-set=-all "$DIR/picket" run -c ""
tell "3 without the rights that run needs"

picket_up
exits 0 pk status
exits 0 pk status --json
exits 0 pk blocks
exits 1 pk why 198.51.100.1
exits 0 pk block 198.51.100.1 --ttl 1m
exits 0 pk why 198.51.100.1
exits 0 pk unblock 198.51.100.1
exits 1 pk unblock 198.51.100.1
exits 4 pk block 127.0.0.1 --ttl 1m
exits 2 pk mode no-such-mode
exits 0 pk --control "$PICKET_CONTROL" status
exits 5 pk --control "$DIR/no.sock" status
exits 0 pk gateway list
exits 0 pk proxies
exits 0 pk pending
tell "0 done, 1 the answer is no, 4 refused by the guard"
exits 3 setpriv --reuid 12345 --regid 12345 --clear-groups --inh-caps=-all "$DIR/picket" --control "$PICKET_CONTROL" status
tell "3 for a user who may not use the control socket"
picket_down
exits 5 pk status
