#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# completion-fish.sh PICKET: what fish offers behind a line that is being typed.
set -eu
picket=$(realpath "${1:?usage: completion-fish.sh PICKET}")
here=$(cd "$(dirname "$0")" && pwd)
command -v fish >/dev/null 2>&1 || {
	echo "skipped: fish is not installed"
	exit 77
}
export PICKET_CONTROL=/nonexistent/control.sock
tables=$(mktemp "${TMPDIR:-/tmp}/picket-fish.XXXXXX")
export tables
"$picket" completion fish >"$tables"
fish -n "$tables"

offered() { # LINE
	fish --no-config -c "source $tables; complete -C \"$1\"" | cut -f1 | sed 's/^--[a-z]*=//' | LC_ALL=C sort | tr '\n' ' '
}
# shellcheck source=tests/unit/completion.sh
. "$here/completion.sh"
rm -f "$tables"
