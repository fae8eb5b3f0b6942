#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a wrong configuration is refused with file, line and the nearest name, by config check and by run alike"
net_up

wrong() { # NAME YAML WANTED...
	local name=$1 w
	printf '%s\n' "$2" >"$DIR/wrong.yaml"
	shift 2
	exits 2 pk config check -c "$DIR/wrong.yaml"
	cat "$DIR/out" "$DIR/err" >"$DIR/message"
	for w in "wrong.yaml" "$@"; do
		grep -q -F -e "$w" "$DIR/message" || fail "$name: the message does not hold \"$w\": $(cat "$DIR/message")"
	done
	exits 2 in_s "$PICKET_BIN" run -c "$DIR/wrong.yaml"
	tell "$name: $(head -n 1 "$DIR/message")"
}
wrong "an unknown key" $'mode: enforce\nlimits:\n  protekt: [10.0.0.0/8]' ":3" protect
wrong "an unknown section" $'captrue:\n  ports: [80]' ":1" capture
wrong "a value that is none of the choices" $'mode: enforced' ":1" enforce
wrong "a number out of range" $'limits:\n  shortest_prefix_v4: 99' ":2"
wrong "a time without unit" $'limits:\n  ttl_max: 15' ":2"
wrong "an address that is none" $'limits:\n  protect: [10.0.0.300]' ":2"
wrong "a network with host bits" $'limits:\n  protect: [10.0.0.1/8]' ":2"
wrong "not YAML" $'mode: [enforce' ""
exits 2 pk config check -c "$DIR/absent.yaml"
tell "a file that is not there"

printf 'mode: enforce\nlimits:\n  ttl_max: 2h\n' >"$DIR/right.yaml"
exits 0 pk config check -c "$DIR/right.yaml"
pk config show -c "$DIR/right.yaml" >"$DIR/show"
grep -q '^mode: enforce' "$DIR/show" || fail "config show does not show the mode"
grep -q 'right.yaml:3' "$DIR/show" || pk config show -c "$DIR/right.yaml" --origin | grep -q 'right.yaml:3' || fail "config show --origin does not name where ttl_max comes from"
PICKET_MODE=observe pk config show -c "$DIR/right.yaml" | grep -q '^mode: observe' || fail "the environment does not win over the file"
pk config schema | jq -e '."$schema" | test("2020-12")' >/dev/null || fail "config schema prints no JSON Schema 2020-12"
tell "check, show with origins, environment over file, schema"
