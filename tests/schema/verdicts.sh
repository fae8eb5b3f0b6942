#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# verdicts.sh PARSE_VERDICTS: the schema that gateway authors read and the parser that judges them agree, line by line.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
parser=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$here/check-events" --schema verdicts --each "$here/verdicts.jsonl" >"$work/schema" || exit $?
"$parser" <"$here/verdicts.jsonl" >"$work/parser"
if ! diff "$work/schema" "$work/parser" >"$work/difference"; then
	echo "schema (<) and parser (>) differ:"
	cat "$work/difference"
	exit 1
fi
for word in valid invalid; do
	n=$(grep -c -x "$word" "$work/parser")
	[ "$n" -ge 8 ] || {
		echo "too few $word lines: $n"
		exit 1
	}
	echo "$n $word"
done
