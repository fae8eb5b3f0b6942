#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The examples in the documents are what they say: each ```json block is an event, ```json batch and ```json verdicts are
# documents of those schemas. And every key of the event schema is explained in docs/events.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
docs=$here/../../docs
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Each block in one line.
blocks() { # INFO FILE...
	local info=$1
	shift
	awk -v open="\`\`\`$info" '
		$0 == open { inside = 1; text = ""; next }
		inside && /^```/ { inside = 0; print text; next }
		inside { text = text $0 }' "$@"
}

check() { # LEAST INFO CHECK-EVENTS-OPTIONS...
	local least=$1 info=$2
	shift 2
	blocks "$info" "$docs/events.md" "$docs/gateway-batch.md" >"$work/blocks.jsonl"
	[ "$(wc -l <"$work/blocks.jsonl")" -ge "$least" ] || {
		echo "too few blocks of \"$info\""
		exit 1
	}
	"$here/check-events" "$@" "$work/blocks.jsonl"
}
check 8 json
check 1 'json batch' --schema batch
check 1 'json verdicts' --schema verdicts

# Keys like tcp.header.window may stand as `tcp.header.source_port`, `.window`: their last part is enough on that line.
missing=0
for key in $(grep -o '"\(picket\|http\|tcp\|network\|client\|server\|url\|user_agent\|time_unix_nano\|event\)[a-z0-9_.]*":' \
	"$docs/schema/event.schema.json" | tr -d '":' | sort -u); do
	case $key in event_id | http.request | http.anomaly | tcp.anomaly | tcp.header | picket.loss | picket.decision) continue ;; esac
	last=.${key##*.}
	grep -F "\`${key%.*}" "$docs/events.md" | grep -q -F -e "\`$key\`" -e "\`$last\`" || {
		echo "docs/events.md does not explain $key"
		missing=1
	}
done
exit "$missing"
