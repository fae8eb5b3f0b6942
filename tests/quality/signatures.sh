#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# signatures.sh SIGNATURES_SCORE [OPTIONS]: the regression tests of a public rule set; PICKET_SHARED names the folder with corpus/.
set -eu
score=$1
shift
stages=${PICKET_SHARED:-}/corpus/crs/stages.jsonl
if [ ! -f "$stages" ]; then
	echo "skipped: PICKET_SHARED does not name a folder with corpus/crs/stages.jsonl in it"
	exit 77
fi
exec "$score" --bars "$(dirname "$0")/signatures.bars" "$@" "$stages"
