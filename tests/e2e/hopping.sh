#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# Who has an IPv6 /64 takes another address for each request.
. "$(dirname "$0")/lib.sh"
story "an attacker that takes another address of its IPv6 network for each request has the network blocked, the one beside it is served"
net_up
# Two networks behind the client, so that the server's own addresses, which are never blocked, are in neither.
for net in fd66 fd67; do
	ip -n "$NS_S" -6 route add $net::/64 via $C6
done
for i in $(seq 12); do
	ip -n "$NS_C" addr add "fd66::$i/128" dev eth0 nodad preferred_lft 0
done
ip -n "$NS_C" addr add fd67::1/128 dev eth0 nodad preferred_lft 0
nginx_up 'location = /api/login { return 401; }'
picket_up "mode: enforce"
events_start
hop() { # ADDRESS
	in_c curl -g -s -o /dev/null -m 2 --interface "$1" -X POST -H 'Content-Type: application/json' -d '{"user":"admin"}' "http://[$S6]:$PORT/api/login"
}
served() { in_c curl -g -s -o /dev/null -m 2 --interface "$1" "http://[$S6]:$PORT/"; }
hop fd67::1 || fail "the neighbour gets no answer before anything"
for i in $(seq 10); do
	hop "fd66::$i" || break
done
wait_until 10 "the network is blocked" is_blocked fd66::/64
equal "entries" 1 "$(blocked_count)"
equal "who asked for it" local "$(pk blocks --json | jq -r .source)"
served fd66::12 && fail "an address of it that was never used before is served"
served fd67::1 || fail "the network beside it is not served"
tell "after $i addresses the /64 is blocked, by one entry; the /64 beside it is served"
picket_down
