#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang-tidy (.clang-tidy) over the product's C: scripts/check-tidy.sh BUILD-DIRECTORY [FILE...]
#
# TIDY_JOBS files at a time, as many as there are processors if it is not set. TIDY_NODES: how far the analyzer follows each
# function, as far as it does by itself (225000) if it is not set. TIDY_ANALYZE=fuzzed: the analyzer, which is nine tenths of the
# time, only looks at modules that read outside bytes, those for which there is a fuzzer; none: at none; at all if it is not set.
# A file is looked at again only when it, a header of ours or the configuration changed since it last passed.
set -eu
cd "$(dirname "$0")/.."
build=${1:?usage: check-tidy.sh BUILD-DIRECTORY [FILE...]}
shift
command -v clang-tidy >/dev/null 2>&1 || {
	echo "skipped: clang-tidy is not installed"
	exit 77
}
[ -f "$build/compile_commands.json" ] || {
	echo "$build/compile_commands.json is missing: configure first" >&2
	exit 1
}

known=$(sed -n 's/^ *"file": "\(.*\)",\{0,1\}$/\1/p' "$build/compile_commands.json")
files=
for file in "${@:-}"; do
	[ -n "$file" ] && files="$files $PWD/$file"
done
if [ -z "$files" ]; then
	files=$(printf '%s\n' "$known" | grep -E "^$PWD/(lib|forwarder|policies|sensor|portal|examples)/" | sort -u)
fi
[ -n "$files" ] || {
	echo "the compile database names no file of ours" >&2
	exit 1
}

# NAME.c and NAME_*.c of each header that a fuzzer includes, as a pattern.
fuzzed() {
	sed -n 's/^#include "\(.*\)\.h"$/\1/p' tests/fuzz/*_fuzz.c tests/unit/routes_rig.h | grep -v -e '^lib/util$' -e '^lib/log$' | sort -u | paste -sd '|'
}
analyzed=.
case ${TIDY_ANALYZE:-all} in
fuzzed) analyzed="/($(fuzzed))(_[a-z0-9_]*)?\.c\$" ;;
none) analyzed='^$' ;;
esac

passed=$build/tidy-passed
mkdir -p "$passed"
common=$({
	echo "${TIDY_NODES:-}"
	cat .clang-tidy
	find lib bpf forwarder policies sensor portal examples -name '*.h' -print0 2>/dev/null | sort -z | xargs -0 cat
} | sha256sum | cut -c1-16)
analyzer=
[ -z "${TIDY_NODES:-}" ] || analyzer=$(printf -- ' --extra-arg=%s' -Xclang -analyzer-config -Xclang "max-nodes=$TIDY_NODES")
export build passed common analyzer analyzed
one() {
	local file=$1 mark checks=
	[[ $file =~ $analyzed ]] || checks="-clang-analyzer-*"
	mark=$passed/$({
		echo "$file $common $checks"
		cat "$file"
	} | sha256sum | cut -c1-32)
	[ -e "$mark" ] && return 0
	# GCC's warning names that clang does not know are no finding.
	# shellcheck disable=SC2086
	if clang-tidy --quiet -p "$build" --checks="$checks" --extra-arg=-Wno-unknown-warning-option $analyzer "$file" 2>"$mark.err" >"$mark.out"; then
		rm -f "$mark.err" "$mark.out"
		: >"$mark"
		return 0
	fi
	cat "$mark.out"
	grep -v -E 'warnings? (generated|treated)|^Suppressed|^Use -' "$mark.err" || true
	rm -f "$mark.err" "$mark.out"
	return 1
}
export -f one
# shellcheck disable=SC2016,SC2086
printf '%s\n' $files | xargs -P "${TIDY_JOBS:-$(nproc)}" -n 1 bash -c 'one "$1"' _
