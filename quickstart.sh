#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a fresh Debian 12 to a blocked attacker: installs what is missing from Debian's packages, builds, runs the demo.
#
#     sudo ./quickstart.sh [what `picket demo` takes: --keep, --gateway batch, --behind-proxy]
set -eu
cd "$(dirname "$0")"

if [ "$(id -u)" != 0 ]; then
	echo "The demo makes network namespaces and loads BPF programs: run it as root (sudo ./quickstart.sh)." >&2
	exit 3
fi

# shellcheck source=scripts/mounts.sh
. scripts/mounts.sh
trap mounts_undo EXIT
mounts_ensure

scripts/install-dependencies.sh build demo

log=$(mktemp)
step() { # WHAT COMMAND...
	echo "$1"
	shift
	if ! "$@" >"$log" 2>&1; then
		tail -n 40 "$log" >&2
		rm -f "$log"
		exit 1
	fi
}
if [ -f build/release/CMakeCache.txt ] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" build/release/CMakeCache.txt; then
	rm -rf build/release # another place's build tree came along with a copy
fi
step "Configuring" cmake --preset release
step "Building" cmake --build --preset release
rm -f "$log"

for argument in "$@"; do
	if [ "$argument" = --keep ]; then
		trap - EXIT # what keeps running needs the mounts
	fi
done
build/release/picket demo "$@"
