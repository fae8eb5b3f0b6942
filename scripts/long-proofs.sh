#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The long forms of tests whose short forms run with the others: mutated pipelines against llhttp and against a live nginx,
# random and mutated packets against an oracle, hostile verdicts against the guard, random sequences of what happens to blocks
# against a model (a hundredth of PIPELINES); a hundred restarts and an upgrade with pinned blocks under a flood; a thousand kills
# beside a spool, and gateways that are away for ten minutes. Ends with status 1 if one fails; one that cannot be tried says why.
#
#     sudo scripts/long-proofs.sh BUILD-DIRECTORY [PIPELINES [PACKETS [FIRST-NUMBER]]]     (default: 1000000 10000000 0)
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:?usage: long-proofs.sh BUILD-DIRECTORY [PIPELINES [PACKETS [FIRST-NUMBER]]]}
pipelines=${2:-1000000}
packets=${3:-10000000}
first=${4:-0}
result=0

prove() { # NAME PROGRAM ARGUMENT...
	local status=0
	echo "== $1"
	shift
	"$@" || status=$?
	case $status in
	0 | 77) ;;
	*) result=1 ;;
	esac
}

prove_story() { # NAME MODE STORY ARGUMENT...
	local name=$1 mode=$2 story=$3
	shift 3
	prove "$name" env PICKET_BIN="$build/picket" PICKET_BUILD="$build" STORY_MODE="$mode" "tests/e2e/$story.sh" "$@"
}

prove llhttp "$build/tests/differential/llhttp_mutated_test" "$pipelines" "$first"
prove nginx "$build/tests/differential/nginx_mutated_test" "$pipelines" "$first"
prove packets-xdp "$build/tests/bpf/oracle_test" xdp "$packets" "$first"
prove verdicts "$build/tests/unit/adversary_test" "$pipelines" "$((first + 1))"
prove sequences "$build/tests/bpf/sequences_test" "$((pipelines / 100))" "$first"
for mode in tc xdp-generic xdp-native; do
	prove_story "pinned-$mode" $mode pinned 100
done
prove_story spool-kill tc spool-kill 1000
prove_story outage tc outage 600 5000
prove_story outage-full tc outage 600 5000 full
prove packets-tc "$build/tests/bpf/oracle_test" tc "$packets" "$first"
exit $result
