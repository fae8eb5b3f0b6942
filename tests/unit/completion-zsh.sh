#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# completion-zsh.sh PICKET: what zsh offers behind a line that is being typed. The function is run as zsh's line editor
# would, with its parameters set and its builtins played.
set -eu
picket=$(realpath "${1:?usage: completion-zsh.sh PICKET}")
here=$(cd "$(dirname "$0")" && pwd)
command -v zsh >/dev/null 2>&1 || {
	echo "skipped: zsh is not installed"
	exit 77
}
export PICKET_CONTROL=/nonexistent/control.sock
tables=$(mktemp "${TMPDIR:-/tmp}/picket-zsh.XXXXXX")
"$picket" completion zsh >"$tables"
zsh -n "$tables"

offered() { # LINE
	zsh -f -c '
		compdef() { }
		# What matches, with what compset has taken off the front of the word.
		compadd() { local w; shift; for w; do [[ $w != $PREFIX* ]] || print -r -- $IPREFIX$w; done }
		_describe() { local -a l; l=("${(@P)argv[-1]}"); compadd -- "${(@)l%%:*}" }
		_files() { compadd -- *(N) }
		compset() {
			[[ $PREFIX == ${~2}* ]] || return 1
			local front=${(M)PREFIX##${~2}}
			IPREFIX+=$front PREFIX=${PREFIX#$front}
		}
		source $1
		words=("${(@s: :)2}") CURRENT=$#words PREFIX=$words[-1] IPREFIX=
		_picket
	' zsh "$tables" "$1" | sed 's/^--[a-z]*=//' | LC_ALL=C sort | tr '\n' ' '
}
# shellcheck source=tests/unit/completion.sh
. "$here/completion.sh"
rm -f "$tables"
