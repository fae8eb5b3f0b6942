#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# boot.sh KERNEL_DIR ROOT.cpio LOG SECONDS [KEY=VALUE...]: boots the kernel in qemu and runs /test/run in it. The console
# goes to LOG. Exit: 0 when /test/run ended with 0; 77 when it ended with 77; 1 otherwise, which is also what a panic, a
# hang and a machine that never came up give.
#
# Plain emulation (TCG) on purpose: a nested or paravirtual /dev/kvm opens and then fails in ways of its own, and the
# stories are short. What the guest does against faults of processors, and its clearing of memory, are an eighth of its time.
set -eu

kernel=$1
root=$2
log=$3
seconds=$4
shift 4

initrd=$(mktemp "${TMPDIR:-/tmp}/picket-initrd.XXXXXX")
trap 'rm -f "$initrd"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
cat "$root" "$kernel/modules.cpio" >"$initrd"

status=0
timeout -k 5 "$seconds" qemu-system-x86_64 \
	-M "${PICKET_VM_MACHINE:-microvm,acpi=off,rtc=on,pic=on,pit=on,isa-serial=on}" -accel tcg,thread=multi -cpu max -smp 1 \
	-m "${PICKET_VM_MEMORY:-512}" -nodefaults -no-user-config -display none -no-reboot -serial stdio \
	-kernel "$kernel/vmlinuz" -initrd "$initrd" \
	-append "console=ttyS0 quiet mitigations=off init_on_alloc=0 panic=-1 reboot=t $*" </dev/null >"$log" 2>&1 || status=$?

result=$(tr -d '\r' <"$log" | sed -n 's/^## run rc=\([0-9]*\)$/\1/p' | tail -n 1)
if [ "$status" = 124 ] || [ "$status" = 137 ]; then
	echo "the virtual machine did not end within $seconds s"
	exit 1
fi
if [ -z "$result" ]; then
	echo "the virtual machine ended (qemu: $status) before its test did"
	exit 1
fi
case $result in
0 | 77) exit "$result" ;;
*) exit 1 ;;
esac
