#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# manual.sh PICKET: mandoc finds nothing to say about the pages of the manual.
set -eu
picket=${1:?usage: manual.sh PICKET}
command -v mandoc >/dev/null 2>&1 || {
	echo "skipped: mandoc is not installed"
	exit 77
}
for page in picket picket.yaml; do
	"$picket" manual $page | mandoc -T lint -W style
	echo "held: $page"
done
