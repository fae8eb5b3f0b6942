#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# events.sh PRINT_SAMPLES: every kind of event, full and minimal, is valid; with any one fault it is not.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
samples=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$samples" >"$work/good.jsonl"
"$samples" --batch >"$work/batch.jsonl"
"$here/check-events" "$work/good.jsonl" || exit $?
"$here/check-events" --schema batch "$work/batch.jsonl" || exit $?
[ "$(wc -l <"$work/good.jsonl")" -ge 32 ] || {
	echo "a kind of event is missing"
	exit 1
}

python3 "$here/break-events.py" <"$work/good.jsonl" >"$work/broken.jsonl"
"$here/check-events" --each "$work/broken.jsonl" >"$work/answers"
if grep -n -x valid "$work/answers" >"$work/wrong"; then
	echo "broken, but the schema takes it:"
	head -n 5 "$work/wrong" | while IFS=: read -r line _; do
		sed -n "${line}p" "$work/broken.jsonl" | cut -c 1-300
	done
	exit 1
fi
echo "$(wc -l <"$work/broken.jsonl") broken events refused"
