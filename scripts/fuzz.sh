#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fuzz with libFuzzer under the sanitizers: scripts/fuzz.sh [--build DIRECTORY] NAME|all SECONDS|RUNSx
#
# RUNSx: so many executions, as in 10000000x, however long they take.
#
# Seeds are tests/fuzz/corpus/NAME; what is new goes to DIRECTORY/tests/fuzz/found/NAME and is used again by the next run.
# A crash leaves its input there, is printed, and ends with status 1. Without --build, the preset `fuzz` is built first.
set -eu
cd "$(dirname "$0")/.."
build=
if [ "${1:-}" = --build ]; then
	build=$2
	shift 2
fi
name=${1:?usage: fuzz.sh [--build DIRECTORY] NAME|all SECONDS}
seconds=${2:?usage: fuzz.sh [--build DIRECTORY] NAME|all SECONDS}

if [ -z "$build" ]; then
	build=build/fuzz
	cmake --preset fuzz >/dev/null
	cmake --build --preset fuzz
fi

if [ "$name" = all ]; then
	names=
	for source in tests/fuzz/*_fuzz.c; do
		base=$(basename "$source" _fuzz.c)
		names="$names $base"
	done
else
	names=$name
fi

result=0
for one in $names; do
	program=$build/tests/fuzz/${one}_fuzz
	found=$build/tests/fuzz/found/$one
	[ -x "$program" ] || {
		echo "there is no fuzzer \"$one\" in $build" >&2
		exit 2
	}
	mkdir -p "$found"
	words=
	[ -f "tests/fuzz/$one.dict" ] && words=-dict=tests/fuzz/$one.dict
	limit=-max_total_time=$seconds
	if [ "${seconds%x}" != "$seconds" ]; then limit=-runs=${seconds%x}; fi
	echo "== $one, $limit"
	# shellcheck disable=SC2086
	"$program" "$limit" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
		-artifact_prefix="$found/" $words "$found" "tests/fuzz/corpus/$one" || {
		echo "$one: failed; the input lies in $found" >&2
		result=1
	}
done
exit "$result"
