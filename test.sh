#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every check and every test, through ctest: installs what is missing from Debian's packages, builds with gcc under the
# address and undefined-behaviour sanitizers and once with clang (warnings are errors in both), runs all.
#
#     sudo ./test.sh [--again] [what ctest takes, e.g. -L unit, -R e2e/block]
#
# --again   also tells the stories that do not depend on the packet mode in the other two, boots more kernels, and lets
#           clang-tidy's analyzer follow all modules
set -eu
cd "$(dirname "$0")"

left_out=(-LE '^again$')
if [ "${1:-}" = --again ]; then
	left_out=()
	shift
fi

if [ "$(id -u)" != 0 ]; then
	echo "The tests make network namespaces and load BPF programs: run them as root (sudo ./test.sh)." >&2
	exit 3
fi

# shellcheck source=scripts/mounts.sh
. scripts/mounts.sh
trap mounts_undo EXIT
mounts_ensure

scripts/install-dependencies.sh build test

for preset in asan clang; do
	cache=build/$preset/CMakeCache.txt
	if [ -f "$cache" ] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$cache"; then
		rm -rf "build/$preset" # another place's build tree came along with a copy
	fi
	echo "== build: $preset"
	cmake --preset "$preset" >"build-$preset.log" 2>&1 || {
		cat "build-$preset.log" >&2
		exit 1
	}
	rm -f "build-$preset.log"
	cmake --build --preset "$preset"
done

echo "== tests$([ ${#left_out[@]} = 0 ] || echo ' (--again: more of them, see there)')"
# Two more than there are processors: most of a story is waiting for something to come. The programs without sanitizers are for
# virtual machines, which emulate every instruction, and for stories that were told with sanitizers in another packet mode.
export PICKET_PLAIN_BUILD=$PWD/build/clang
ctest --preset asan --no-tests=error --parallel "$(($(nproc) + 2))" "${left_out[@]}" "$@"
