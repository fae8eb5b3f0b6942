#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# completion-bash.sh PICKET: what bash offers behind a line that is being typed.
set -eu
picket=$(realpath "${1:?usage: completion-bash.sh PICKET}")
here=$(cd "$(dirname "$0")" && pwd)
export PICKET_CONTROL=/nonexistent/control.sock
# shellcheck source=/dev/null
source <("$picket" completion bash)

COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'

# Words as readline makes them, where it breaks at blanks, = and :.
offered() { # LINE
	COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=() COMP_CWORD=0
	local rest=$1
	while [[ $rest =~ ^[[:blank:]]*([:=]+|[^[:blank:]:=]+) ]]; do
		COMP_WORDS+=("${BASH_REMATCH[1]}")
		rest=${rest:${#BASH_REMATCH[0]}}
	done
	[[ $1 != *[[:blank:]:=] ]] || COMP_WORDS+=('')
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_picket
	[ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}" | LC_ALL=C sort | tr '\n' ' '
}
# shellcheck source=tests/unit/completion.sh
. "$here/completion.sh"
offers 'picket unblock 2001:d' db8::7
complete -p picket >/dev/null || fail "bash does not know that picket is completed"
