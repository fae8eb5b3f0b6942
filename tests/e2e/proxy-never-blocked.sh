#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "HAProxy stands between two clients and the server, one attacks: the proxy is never dropped, the other meets no error"
need haproxy
net_up
# Clients reach the proxy; the proxy reaches the server. The server's only peer is the proxy, 10.77.0.2.
NS_P=$NS_C
NS_C=pe2e-k-$$
ns_add "$NS_C"
link_up "$NS_P" front "$NS_C" eth0
ip -n "$NS_P" addr add 10.78.0.1/24 dev front
ip -n "$NS_C" addr add 10.78.0.2/24 dev eth0
ip -n "$NS_C" addr add 10.78.0.3/24 dev eth0
nginx_up
cat >"$DIR/haproxy.cfg" <<-CFG
	global
		maxconn 500
	defaults
		mode http
		timeout connect 5s
		timeout client 20s
		timeout server 20s
		option forwardfor
		option http-server-close
	frontend clients
		bind 10.78.0.1:8000
		default_backend api
	backend api
		server one $S4:$PORT
CFG
nsenter --net="/run/netns/$NS_P" haproxy -f "$DIR/haproxy.cfg" -db >"$DIR/haproxy.log" 2>&1 &
own $!
wait_until 10 "HAProxy listens" in_c bash -c "exec 3<>/dev/tcp/10.78.0.1/8000"

picket_up "mode: enforce"
good_up 10.78.0.3 10.78.0.1 8000
# Its sign-ins are few among all that comes from the proxy: so many as make a flood of them (login-flood).
attack 10.78.0.2 10.78.0.1:8000 120 || fail "the attacker was cut off by dropping the proxy"
pending_is() { [ "$(pk pending --json | jq -s length)" -ge 1 ]; }
wait_until 10 "the verdict waits as a pending item" pending_is
equal "blocks" 0 "$(blocked_count)"
equal "packets dropped" 0 "$(status_of .kernel.packets_dropped)"
good_unharmed
tell "the attack is noticed, the proxy not dropped; the other client: $(good_count) requests, 0 errors"

equal "the unclassified proxy that status names" $C4 "$(status_of '.proxies.unclassified[0].address')"
pk status >"$DIR/status" || true
grep -q $C4 "$DIR/status" || fail "picket status does not name $C4 to people"
pk pending >"$DIR/pending"
grep -q "picket proxies" "$DIR/pending" || pk pending --json | grep -q "picket proxies" || fail "the pending item does not name the command that settles it"
exits 0 pk proxies trust $C4
equal "unclassified proxies after: picket proxies trust" 0 "$(status_of .proxies.unclassified_count)"
attack 10.78.0.2 10.78.0.1:8000 80 || fail "the trusted proxy was dropped"
equal "blocks" 0 "$(blocked_count)"
good_unharmed
tell "named with the command that settles it; trusted, it is not dropped either"
picket_down
