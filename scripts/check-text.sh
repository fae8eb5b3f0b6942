#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What no file of the repository may hold, and what each source file must: a licence line at its top; no unfinished
# marks; no path of somebody's machine; no host of a package registry (people use their own mirrors).
set -eu
cd "$(dirname "$0")/.."
bad=0

files() {
	if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git ls-files
	else
		find . -name .git -prune -o -path ./build -prune -o -name node_modules -prune -o -type f -print | sed 's|^\./||'
	fi
}

never() { # PATTERN WHAT
	local hits
	hits=$(files | grep -v -E '^(LICENSE|LICENSES/)' | tr '\n' '\0' | xargs -0 -r grep -I -n -E "$1" -- 2>/dev/null || true)
	if [ -n "$hits" ]; then
		printf '%s:\n%s\n' "$2" "$hits"
		bad=1
	fi
}
# Each pattern is written so that it does not match itself.
never '/wor[k]/(main|shared|\.library)' 'a path of one machine'
never '/tmp/bash_job[s]' 'a path of one machine'
never '(\.|//)(debian|ubuntu)\.or[g]/(debian|ubuntu)|npmj[s]\.|pypi\.or[g]|crates\.i[o]|proxy\.golan[g]' 'the host of a package registry'
never '\b(TOD[O]|FIXM[E])\b' 'an unfinished mark'
never '^(<<<<<<<|>>>>>>>) ' 'a merge conflict'

# The licence line stands in the first five lines. One awk for all files: a process for each would cost minutes on a busy machine.
# shellcheck disable=SC2016 # awk expands them
faults=$(files | grep -E '\.(c|h|sh|bash|zsh|fish|py|cmake|bats)$|CMakeLists\.txt$|^\.ci/run$' | grep -v '^tests/.*foreign.*\.bpf\.c$' |
	while read -r file; do [ ! -f "$file" ] || printf '%s\0' "$file"; done |
	xargs -0 -r awk '
		function tell() {
			if (name == "")
				return
			if (line == "")
				print name ": no SPDX-License-Identifier in its first lines"
			else if (index(line, "SPDX-License-Identifier: " want) == 0)
				print name ": its licence line must say " want
		}
		FNR == 1 {
			tell()
			name = FILENAME
			seen[name]
			line = ""
			want = name ~ /^bpf\/[^\/]*\.[ch]$/ ? "BSD-2-Clause OR GPL-2.0-only" : "Apache-2.0"
		}
		FNR <= 5 && line == "" && /SPDX-License-Identifier: / { line = $0 }
		END {
			tell()
			for (i = 1; i < ARGC; i++)
				if (!(ARGV[i] in seen))
					print ARGV[i] ": empty"
		}
	')
if [ -n "$faults" ]; then
	printf '%s\n' "$faults"
	bad=1
fi

exit "$bad"
