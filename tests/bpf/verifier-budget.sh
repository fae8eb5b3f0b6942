#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# verifier-budget.sh [--kernel RELEASE] COMMAND...: what the kernel's verifier spent on each program, against verifier-budget.txt.
# COMMAND prints lines "verified PROGRAM INSTRUCTIONS". RELEASE (6.1): of the kernel where it was, if that is not this one.
#
# More than a tenth above the budget fails: a harmless change of source or compiler can cost the verifier ten times as much, and
# kernels have a limit (1,000,000).
#
# Exit: 0 within; 1 over, or a program without a budget; what COMMAND exits with, if not with 0
set -eu

here=$(cd "$(dirname "$0")" && pwd)
kernel=$(uname -r)
if [ "${1:-}" = --kernel ]; then
	kernel=$2
	shift 2
fi
spent=$("$@") || {
	status=$?
	printf '%s\n' "$spent"
	exit $status
}
awk -v kernel="$kernel" '
	function version(text, part) { split(text, part, /[^0-9]+/); return part[1] * 1000 + part[2] }
	function miss(what) { print "FAILED: " $2 " takes " $3 " verified instructions on Linux " kernel ", " what; failed = 1 }

	NR == FNR && $1 == "program" { # a kernel between two lines has the budget of the older
		for (i = 2; i <= NF; i++)
			if (i == 2 || version($i) <= version(kernel)) { column = i; line = $i }
	}
	NR == FNR && !/^#/ {
		for (i = 2; i <= column; i++)
			if ($i ~ /^[0-9]+$/) budget[$1] = $i
	}
	NR == FNR || $1 != "verified" { next }
	{ count++ }
	!($2 in budget) { miss("and has no budget there"); next }
	$3 > budget[$2] * 1.1 { miss("a tenth and more over its budget of " budget[$2]); next }
	{ printf "%-20s %7u of %7u%s\n", $2, $3, budget[$2], $3 < budget[$2] / 2 ? "   less than half: lower the budget" : "" }
	END {
		if (!count) { print "FAILED: no verified instructions were told"; exit 1 }
		if (failed)
			print "What does the verifier follow that it did not before: more paths (a branch, a loop, a range it cannot know), or" \
				" another clang? If the\nchange is worth it, write the number to column " line \
				" of tests/bpf/verifier-budget.txt, and why to the commit."
		exit failed
	}' "$here/verifier-budget.txt" - <<<"$spent"
