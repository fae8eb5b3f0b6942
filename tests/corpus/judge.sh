#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every capture of one family of the corpus through `picket replay`; the judge says which are right.
#
#     judge.sh FAMILY        PICKET_BIN: the program; PICKET_SHARED: the folder with corpus/ in it
set -eu
family=$1
here=$(dirname "$0")
corpus=${PICKET_SHARED:-}/corpus

if [ -z "${PICKET_SHARED:-}" ] || [ ! -f "$corpus/judge.py" ] || [ ! -d "$corpus/$family" ]; then
	echo "skipped: PICKET_SHARED does not name a folder with corpus/$family in it"
	exit 77
fi
if [ "$(id -u)" != 0 ]; then
	echo "skipped: needs root"
	exit 77
fi
work=$(mktemp -d)
trap 'rm -f "$work/verdict.json"; rmdir "$work"' EXIT
python3 "$corpus/judge.py" "$corpus" --family "$family" --json -- "$PICKET_BIN" replay {} --json \
	>"$work/verdict.json" || true
python3 - "$work/verdict.json" "$here/waiting/$family.txt" <<'PYTHON'
import json
import os
import sys

cases = json.load(open(sys.argv[1], encoding="utf-8"))["cases"]
waiting = set()
if os.path.exists(sys.argv[2]):
    with open(sys.argv[2], encoding="utf-8") as file:
        waiting = {line.split("#")[0].strip() for line in file} - {""}
bad = 0
for case in cases:
    if case["disputed"] or case["ok"] != (case["name"] in waiting):
        continue
    bad += 1
    if case["ok"]:
        print("%s: passes, but is on the list of those that wait" % case["name"])
    for fault in case["faults"]:
        print("%s: %s" % (case["name"], fault))
counted = [case for case in cases if not case["disputed"]]
print("%d of %d right, %d wait, %d disputed" % (
    sum(case["ok"] for case in counted), len(counted), len(waiting & {case["name"] for case in counted}),
    len(cases) - len(counted)))
sys.exit(1 if bad or not counted else 0)
PYTHON
