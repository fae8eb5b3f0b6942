#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [--story NAME] KERNEL PICKET [FILE...]: one kernel of kernels.txt in a virtual machine, and in it NAME.sh. Without one that is
# story.sh: picket doctor, the loop story, and the tests among FILE: receive_test, which needs kprobes, report_test, reset_test,
# tunnel_test.
# Prints what held, verified instructions of each program against their budget, and seconds.
#
# In:   PICKET_KERNEL_CACHE (see fetch.sh); PICKET_VM_SECONDS (default 1200) until the machine is given up
#       PICKET_PLAIN_BUILD a build tree without sanitizers, which cost much where every instruction is emulated: its programs run
#       in place of those of PICKET's
# Exit: 0 held; 1 did not; 77 the kernel, or what boots it, cannot be had here
set -eu

here=$(cd "$(dirname "$0")" && pwd)
story=story
if [ "${1:-}" = --story ]; then
	story=${2:?usage: run.sh --story NAME KERNEL PICKET}
	shift 2
fi
kernel=${1:?usage: run.sh KERNEL PICKET}
picket=${2:?usage: run.sh KERNEL PICKET}

skip() {
	echo "skipped: kernel $kernel: $*"
	exit 77
}

for tool in qemu-system-x86_64 busybox cpio curl ip tc; do
	command -v "$tool" >/dev/null 2>&1 || [ -x "/sbin/$tool" ] ||
		skip "$tool is not installed (packages qemu-system-x86 busybox-static cpio xz-utils iproute2 curl)"
done
path=$(awk -v n="$kernel" '$1 == n { print $4 }' "$here/kernels.txt")
[ -n "$path" ] || {
	echo "kernels.txt does not name $kernel"
	exit 1
}

work=$(mktemp -d "${TMPDIR:-/tmp}/picket-kernel.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

start=$(date +%s.%N)
since() { awk -v a="$1" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f s", b - a }'; }

dir=$("$here/fetch.sh" "$kernel" 2>"$work/why") || skip "$(tail -n 1 "$work/why")"
fetched=$(since "$start")
shift 2
files=("$@")
if [ -n "${PICKET_PLAIN_BUILD:-}" ]; then
	files=("${files[@]/#"$(dirname "$picket")"/"$PICKET_PLAIN_BUILD"}")
	picket=$PICKET_PLAIN_BUILD/picket
fi
"$here/root.sh" "$work/root.cpio" "$picket" "$here/$story.sh" "$here/stage.sh" "${files[@]}"

# To be woken by its clock a machine needs ACPI.
if [ "$story" = times ]; then export PICKET_VM_MACHINE=pc; fi
booted=$(date +%s.%N)
status=0
"$here/boot.sh" "$dir" "$work/root.cpio" "$work/log" "${PICKET_VM_SECONDS:-1200}" "EXPECT_PATH=$path" || status=$?
tr -d '\r' <"$work/log" >"$work/text"

if [ "$status" != 0 ]; then
	tail -n 60 "$work/text"
	echo "kernel $kernel: the story did not hold; $(since "$booted") in the virtual machine"
	exit "$status"
fi
grep -E '^(held:|## [^v])' "$work/text"
if [ "$story" = story ] && [ "$path" != none ]; then
	"$here/../bpf/verifier-budget.sh" --kernel "$kernel" sed -n 's/^## \(verified .*\)/\1/p' "$work/text"
fi
echo "kernel $kernel ($(cut -d: -f1 "$dir/package")): held; fetch $fetched, virtual machine $(since "$booted")"
