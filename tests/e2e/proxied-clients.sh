#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "behind HAProxy and nginx each request names its own client, however the proxy says so and whatever the client claims"
need haproxy
net_up
# Clients reach the proxies at 10.78.0.1; these reach the server from 10.77.0.2, which is trusted.
NS_P=$NS_C
E4=10.77.0.4
NS_K=pe2e-k-$$
ns_add "$NS_K"
link_up "$NS_P" front "$NS_K" eth0
ip -n "$NS_P" addr add 10.78.0.1/24 dev front
ip -n "$NS_P" addr add fd78::1/64 dev front nodad
ip -n "$NS_K" addr add 10.78.0.2/24 dev eth0
ip -n "$NS_K" addr add 10.78.0.3/24 dev eth0
ip -n "$NS_K" addr add fd78::2/64 dev eth0 nodad
ip -n "$NS_P" addr add $E4/24 dev eth0
in_p() { nsenter --net="/run/netns/$NS_P" "$@"; }
in_k() { nsenter --net="/run/netns/$NS_K" "$@"; }

nginx_up "listen 8081 proxy_protocol; listen 127.0.0.1:8082 proxy_protocol;"
cat >"$DIR/haproxy.cfg" <<-CFG
	global
		maxconn 500
	defaults
		mode http
		timeout connect 5s
		timeout client 20s
		timeout server 20s
	listen v2
		bind 10.78.0.1:8001
		bind [fd78::1]:8001
		server one $S4:8081 send-proxy-v2
	listen v1
		bind 10.78.0.1:8002
		server one $S4:8081 send-proxy
	listen xff
		bind 10.78.0.1:8003
		bind [fd78::1]:8003
		option forwardfor
		server one $S4:$PORT
	listen forwarded
		bind 10.78.0.1:8004
		http-request del-header X-Forwarded-For
		http-request add-header Forwarded "for=\"%[src]:%[src_port]\";proto=http"
		server one $S4:$PORT
CFG
in_p haproxy -f "$DIR/haproxy.cfg" -db >"$DIR/haproxy.log" 2>&1 &
own $!
mkdir -p "$DIR/front"
cat >"$DIR/front.conf" <<-CONF
	daemon off;
	worker_processes 1;
	pid $DIR/front/pid;
	error_log $DIR/front.error;
	events { }
	http {
		access_log off;
		client_body_temp_path $DIR/front/b;
		proxy_temp_path $DIR/front/p;
		fastcgi_temp_path $DIR/front/f;
		uwsgi_temp_path $DIR/front/u;
		scgi_temp_path $DIR/front/s;
		server {
			listen 10.78.0.1:8005;
			location / {
				proxy_pass http://$S4:$PORT;
				proxy_set_header X-Real-IP \$remote_addr;
				proxy_set_header X-Forwarded-For "";
				proxy_set_header Forwarded "";
			}
		}
	}
CONF
in_p nginx -e "$DIR/front.error" -p "$DIR/front" -c "$DIR/front.conf" 2>"$DIR/front.stderr" &
own $!
# And one on the server's own host.
cat >"$DIR/local.cfg" <<-CFG
	defaults
		mode http
		timeout connect 5s
		timeout client 20s
		timeout server 20s
	listen local
		bind $S4:8090
		server one 127.0.0.1:8082 send-proxy-v2
CFG
start_s haproxy -f "$DIR/local.cfg" -db >"$DIR/haproxy-local.log" 2>&1
for port in 8001 8002 8003 8004 8005; do
	wait_until 10 "a proxy listens at $port" in_k bash -c "exec 3<>/dev/tcp/10.78.0.1/$port"
done
wait_until 10 "the local proxy listens" in_p bash -c "exec 3<>/dev/tcp/$S4/8090"

picket_up "mode: enforce
proxies:
  trusted: [$C4, 127.0.0.1]
capture:
  loopback_ports: [8082]"
events_start

# What the client forges comes first on the line, or in a header of its own.
ask() { # SOURCE HOST:PORT PATH
	in_k curl -g -s -o /dev/null -m 10 --interface "$1" -H 'X-Forwarded-For: 192.0.2.66, 10.77.0.2' \
		-H 'Forwarded: for="192.0.2.66' -H 'Forwarded: for=192.0.2.66' "http://$2$3" || fail "no answer from $2"
}
named() { # PATH ADDRESS SOURCE
	events_reach http.request 1 ".\"url.path\" == \"$1\"" || return 1
	events_count http.request ".\"url.path\" == \"$1\" and .\"client.address\" == \"$2\" and .\"picket.client.source\" == \"$3\" and
		.\"network.peer.address\" == \"$C4\"" | grep -q '^1$'
}
check() { # PORT SOURCE-NAME
	ask 10.78.0.2 10.78.0.1:"$1" "/one-$1"
	ask 10.78.0.3 10.78.0.1:"$1" "/two-$1"
	wait_until 10 "the first client of port $1 is named" named "/one-$1" 10.78.0.2 "$2"
	wait_until 10 "the second client of port $1 is named" named "/two-$1" 10.78.0.3 "$2"
}
check 8001 proxy_protocol
check 8002 proxy_protocol
check 8003 x_forwarded_for
check 8004 forwarded
check 8005 x_real_ip
ask fd78::2 "[fd78::1]:8001" /six-8001
ask fd78::2 "[fd78::1]:8003" /six-8003
wait_until 10 "an IPv6 client is named by PROXY" named /six-8001 fd78::2 proxy_protocol
wait_until 10 "an IPv6 client is named by X-Forwarded-For" named /six-8003 fd78::2 x_forwarded_for
equal "events whose client is the forged address" 0 "$(events_count http.request '."client.address" == "192.0.2.66"')"
equal "port that PROXY named" 0 "$(events_count http.request '."url.path" == "/one-8001" and (."client.port" // 0) == 0')"
equal "requests flagged because another header contradicts the proxy's" 2 \
	"$(events_count http.request '."server.port" == 8080 and (."url.path" | endswith("-8003")) and ."picket.client.flags" == ["conflict"]
		and (."client.address" | startswith("10.78.0."))')"
tell "PROXY v1 and v2, X-Forwarded-For, Forwarded, X-Real-IP: each client by its own address, never the forged one"

# Who is not trusted is not believed, and counted.
in_p curl -s -o /dev/null -m 10 --interface $E4 --haproxy-protocol "http://$S4:8081/untrusted"
in_p curl -s -o /dev/null -m 10 --interface $E4 -H 'X-Forwarded-For: 192.0.2.66' "http://$S4:$PORT/untrusted-xff"
wait_until 10 "the untrusted PROXY header is flagged" events_reach http.request 1 \
	".\"url.path\" == \"/untrusted\" and .\"client.address\" == \"$E4\" and .\"picket.client.flags\" == [\"proxy_header_refused\"]"
wait_until 10 "the untrusted X-Forwarded-For is not believed" events_reach http.request 1 \
	".\"url.path\" == \"/untrusted-xff\" and .\"client.address\" == \"$E4\" and .\"picket.client.source\" == \"peer\""
equal "PROXY headers refused" 1 "$(status_of .capture.proxy_headers_refused)"
tell "a PROXY header and X-Forwarded-For of somebody else are not believed"

# The attacker is counted by its own address; the kernel point refuses, by name.
GOOD_NS=$NS_K good_up 10.78.0.3 10.78.0.1 8003
NS_C=$NS_K
attack 10.78.0.2 10.78.0.1:8003 40 || fail "the attacker was cut off by dropping the proxy"
refused() { events_reach picket.decision 1 '."picket.decision.target" == "10.78.0.2" and ."picket.decision.why" == "behind_proxy"'; }
wait_until 10 "the verdict on the attacker is refused for its proxy" refused
events_of picket.decision | grep -q "decision socket" || fail "the refusal does not say what could stop it"
equal "decisions about anybody else" 0 "$(events_count picket.decision '."picket.decision.target" != "10.78.0.2"')"
equal "blocks" 0 "$(blocked_count)"
pk why 10.78.0.2 --json | jq -e '.behind_proxy and (.reasons | any(.code == "refused"))' >/dev/null || fail "picket why does not know it: $(pk why 10.78.0.2)"
good_unharmed
NS_C=$NS_P
tell "the attacker behind the proxy is told from the other client; its block is refused with the reason"

# The proxy on this host: the client's own connection is named, and the kernel can block it.
in_p curl -s -o /dev/null -m 10 --interface $D4 "http://$S4:8090/local"
joined() {
	events_of http.request | jq -se --arg a "$D4" 'map(select(."url.path" == "/local")) |
		(map(select(."server.port" == 8090))[0]) as $front | (map(select(."server.port" == 8082))[0]) as $behind |
		$behind."client.address" == $a and $behind."network.peer.address" == "127.0.0.1" and
		$behind."client.port" == $front."network.peer.port" and
		$behind."picket.client.connection.id" == $front."picket.connection.id"'
}
wait_until 10 "the local proxy's request names its client's own connection" joined
NS_C=$NS_P attack $D4 "$S4:8090" 80 && fail "the attacker through the proxy on this host was not stopped"
wait_until 10 "it is blocked" is_blocked $D4
equal "blocks" 1 "$(blocked_count)"
tell "through a proxy on this host the client's own connection is named, and it is dropped itself"

pk proxies >"$DIR/proxies"
grep -q "$C4 *trusted" "$DIR/proxies" || fail "picket proxies does not list the proxy"
exits 0 pk proxies trust 10.99.0.1
pk proxies --json | jq -se 'any(.address == "10.99.0.1" and .class == "trusted" and .requests == 0)' >/dev/null ||
	fail "what was said at run time is not listed"
pk proxies --json | jq -se --arg a $C4 'any(.address == $a and .clients_by != null and .last != null)' >/dev/null ||
	fail "how clients are found is not listed"
tell "picket proxies: how clients are found, when last, and what was said at run time"
picket_down
