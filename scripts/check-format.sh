#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang-format over all our C. `scripts/check-format.sh --fix` rewrites instead.
set -eu
cd "$(dirname "$0")/.."
command -v clang-format >/dev/null 2>&1 || {
	echo "skipped: clang-format is not installed"
	exit 77
}
files() {
	find lib bpf forwarder policies sensor portal examples tests -name '*.[ch]' -print0 2>/dev/null | sort -z
}
if [ "${1:-}" = --fix ]; then
	files | xargs -0 clang-format -i
	exit
fi
# One line a place; the whole message would repeat the source.
if ! found=$(files | xargs -0 clang-format --dry-run -Werror 2>&1 >/dev/null); then
	printf '%s\n' "$found" | grep -E '^[^ ]+:[0-9]+:[0-9]+: error' | cut -d: -f1 | uniq -c
	echo "not formatted; scripts/check-format.sh --fix does it"
	exit 1
fi
