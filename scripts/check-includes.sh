#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Keeps the order of the house (docs/architecture.md): who may include whom. The table is the rule; a line is
#
#     FILES (a shell pattern, first match counts)      what their #include "..." may begin with
#
# Generated headers: bpf/*.skel.h are the BPF skeletons.
set -eu
cd "$(dirname "$0")/.."

rules() {
	cat <<'RULES'
lib/*                     lib/
bpf/*                     bpf/
forwarder/*               lib/ forwarder/
policies/deny*.[ch]       lib/ policies/ bpf/abi.h
policies/*                lib/ policies/
portal/*                  lib/ portal/
sensor/main.c             lib/ sensor/ bpf/ policies/ forwarder/
sensor/sensor.[ch]        lib/ sensor/ bpf/ policies/ forwarder/
sensor/warden*.[ch]       lib/ sensor/ bpf/ policies/
sensor/capture.[ch]       lib/ sensor/ bpf/abi.h policies/
sensor/headers.[ch]       lib/ sensor/ bpf/abi.h policies/packet_watch.h
sensor/fragments.c        lib/ sensor/ policies/table.h
sensor/tcp_track*        lib/ sensor/ bpf/ policies/table.h
sensor/proxied.[ch]      lib/ sensor/ bpf/abi.h policies/
sensor/enforcer.[ch]      lib/ sensor/ bpf/abi.h policies/
sensor/alert_send.[ch]    lib/ sensor/ policies/alerts.h forwarder/secret.h
sensor/alert_text.[ch]    lib/ sensor/ policies/alerts.h
sensor/alert_webhook.c    lib/ sensor/ forwarder/transport_direct.h
sensor/desired.[ch]       lib/ sensor/ policies/
sensor/facts.[ch]         lib/ sensor/ policies/
sensor/adopt*.[ch]        lib/ sensor/ bpf/abi.h policies/
sensor/installer.[ch]     lib/ sensor/ policies/
sensor/why.[ch]           lib/ sensor/lists.h sensor/why.h policies/
sensor/store*.[ch]        lib/ sensor/store
sensor/memory.[ch]        lib/ sensor/ policies/
sensor/memory_file.[ch]   lib/ sensor/memory_file.h sensor/rejected.h sensor/store policies/
sensor/journal*.[ch]      lib/ sensor/journal sensor/store policies/
sensor/http_point.[ch]    lib/ sensor/ policies/
sensor/haproxy_*.[ch]     lib/ sensor/haproxy_ policies/
sensor/reconcile.[ch]     lib/ sensor/ policies/
sensor/lists.[ch]         lib/ sensor/lists.h policies/
sensor/list_watch.[ch]    lib/ sensor/ policies/list.h
sensor/crowdsec_*.[ch]    lib/ sensor/ policies/ forwarder/
sensor/opinion.[ch]       lib/ sensor/opinion policies/
sensor/opinion_*.[ch]     lib/ sensor/opinion
sensor/replay_run.[ch]   lib/ sensor/ policies/
sensor/judge.[ch]         lib/ sensor/ policies/ forwarder/
sensor/control*.[ch]      lib/ sensor/ bpf/abi.h policies/ forwarder/
sensor/cli_*.[ch]         lib/ sensor/ bpf/ policies/ forwarder/
sensor/kernel*.[ch]       lib/ sensor/ bpf/ policies/deny.h
sensor/*                  lib/ sensor/ bpf/
examples/*                examples/ lib/
RULES
}

patterns=() alloweds=()
while read -r pattern allowed; do
	patterns+=("$pattern")
	alloweds+=("$allowed")
done < <(rules)

allowed_for() { # FILE: sets $allowed
	local i
	allowed=
	for i in "${!patterns[@]}"; do
		# shellcheck disable=SC2053
		if [[ $1 == ${patterns[i]} ]]; then
			allowed=${alloweds[i]}
			return
		fi
	done
}

bad=0
mapfile -t files < <(find lib bpf forwarder policies sensor portal examples -name '*.[ch]' 2>/dev/null | sort)
if [ ${#files[@]} = 0 ]; then
	echo "no source file found" >&2
	exit 1
fi
while IFS=: read -r file line include; do
	include=${include#*\"}
	include=${include%%\"*}
	allowed_for "$file"
	# A bare name is a file beside the including one, or generated for it.
	case $include in
	*/*) path=$include ;;
	*) path=${file%/*}/$include ;;
	esac
	ok=
	for prefix in $allowed; do
		case $path in "$prefix"*) ok=1 ;; esac
	done
	if [ -z "$ok" ]; then
		echo "$file:$line: may not include \"$include\" (allowed: $allowed)"
		bad=1
	fi
done < <(grep -Hn '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "${files[@]}")

[ "$bad" = 0 ] && echo "${#files[@]} files keep the order"
exit "$bad"
