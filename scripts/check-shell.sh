#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every shell script of ours, through shellcheck.
set -eu
cd "$(dirname "$0")/.."
command -v shellcheck >/dev/null 2>&1 || {
	echo "skipped: shellcheck is not installed"
	exit 77
}
find . -name .git -prune -o -path ./build -prune -o -name node_modules -prune -o \
	\( -name '*.sh' -o -name '*.bash' -o -path ./.ci/run \) -type f -print0 | xargs -0 -r shellcheck -x -S style
