#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "hellos of TLS clients: the server name that was asked for, fingerprints and version, the same live and from a capture"
need openssl tcpdump haproxy
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server -days 2 -keyout "$DIR/key.pem" \
	-out "$DIR/cert.pem" 2>"$DIR/openssl"
cat "$DIR/cert.pem" "$DIR/key.pem" >"$DIR/both.pem"
net_up
# A hello needs several segments on the way there.
ip -n "$NS_C" route add $S4/32 dev eth0 advmss 300 mtu lock 360
# 8443 ends TLS; at 8444 the server asks for a second hello (its group is one that clients bring no share for); HAProxy
# at 8445 ends it, and names the client to nginx.
nginx_up "listen 8443 ssl; listen 127.0.0.1:8082 proxy_protocol; ssl_certificate $DIR/cert.pem; ssl_certificate_key $DIR/key.pem;
		ssl_protocols TLSv1.2 TLSv1.3;
	}
	server { listen 8444 ssl; ssl_certificate $DIR/cert.pem; ssl_certificate_key $DIR/key.pem;
		ssl_protocols TLSv1.2 TLSv1.3; ssl_ecdh_curve secp521r1;
		location / { return 200 \"again\\n\"; }"
cat >"$DIR/haproxy.cfg" <<-CFG
	global
		maxconn 100
	defaults
		mode http
		timeout connect 5s
		timeout client 20s
		timeout server 20s
	listen tls
		bind $S4:8445 ssl crt $DIR/both.pem
		server one 127.0.0.1:8082 send-proxy-v2
CFG
start_s haproxy -f "$DIR/haproxy.cfg" -db >"$DIR/haproxy.log" 2>&1
wait_until 10 "haproxy listens" in_s bash -c "exec 3<>/dev/tcp/$S4/8445"

picket_up "proxies:
  trusted: [127.0.0.1]
capture:
  loopback_ports: [8082]"
events_start
nsenter --net="/run/netns/$NS_S" tcpdump -Z root --immediate-mode -i eth0 -U -w "$DIR/tls.pcap" -s 0 "tcp portrange 8443-8444" \
	2>"$DIR/tcpdump.log" &
TCPDUMP_PID=$!
own $TCPDUMP_PID
wait_until 5 "tcpdump listens" grep -q listening "$DIR/tcpdump.log"

ask() { # PORT NAME [CURL-OPTION...]
	in_c curl -sk -o /dev/null --connect-to "::$S4:$1" "${@:3}" "https://$2/" || fail "no answer: $*"
}
say_hello() { # PORT OPTION...
	in_c openssl s_client -connect "$S4:$1" "${@:2}" </dev/null >>"$DIR/openssl" 2>&1 || true
}
ask 8443 Modern.example --tls-max 1.3
ask 8443 older.example --tls-max 1.2
ask 8443 web.example --http1.1
ask 8444 again.example
say_hello 8443 -noservername
say_hello 8443 -servername 192.0.2.7
# More than fits into one of its records.
# shellcheck disable=SC2046
say_hello 8443 -servername tiny.example -split_send_frag 512 -max_send_frag 512 -alpn "$(printf 'protocol-%02d,' $(seq 40))http/1.1"
in_c curl -s -o /dev/null "http://$S4:$PORT/plain"
wait_until 10 "seven hellos are told" events_reach tls.client_hello 7 '."server.port" != 8445'

hello() { # NAME: that hello's event in $E
	E=$(events_of tls.client_hello | jq -c --arg n "$1" 'select((."tls.client.server_name" // "none") == $n)')
	equal "hellos for $1" 1 "$(printf '%s' "$E" | grep -c .)"
}
field() { # KEY EXPECTED
	equal "$1 of $(jq -r '."tls.client.server_name"' <<<"$E")" "$2" \
		"$(jq -r --arg k "$1" '.[$k] | if type == "array" then join(",") else . end' <<<"$E")"
}
hello modern.example
field tls.protocol.version 1.3
field picket.tls.version_offered 1.3
field network.peer.address $C4
field server.port 8443
field picket.tls.alpn h2,http/1.1
jq -e '(."tls.client.ja4" | test("^t13d[0-9]{4}h2_[0-9a-f]{12}_[0-9a-f]{12}$")) and ((."tls.client.ja3" // "0") | test("^[0-9a-f]+$"))' \
	>/dev/null <<<"$E" || fail "no fingerprint of a client of TLS 1.3 with a name and h2: $E"
hello older.example
field tls.protocol.version 1.2
hello web.example
field picket.tls.alpn http/1.1
hello again.example
field tls.protocol.version 1.3
hello none
jq -e '."tls.client.ja4" | test("^t13i")' >/dev/null <<<"$E" || fail "a client without a name: $E"
hello 192.0.2.7
field picket.tls.deviations sni_address
hello tiny.example
field tls.protocol.version 1.3
field picket.tls.hello_records 2
field picket.tls.deviations records
tell "names, fingerprints and versions of seven clients, each hello in several segments"

# Each connection's end says them again, and no hello took another one's place.
ends() { events_of net.connection '."tls.client.ja4" != null and ."server.port" != 8445'; }
ended() { [ "$(ends | wc -l)" -ge 7 ]; }
wait_until 10 "seven connections ended" ended
facts() {
	jq -r '[."network.peer.port", ."tls.client.server_name", ."tls.client.ja3", ."tls.client.ja4", ."tls.protocol.version"] | join(" ")' |
		sort
}
events_of tls.client_hello '."server.port" != 8445' | facts >"$DIR/live"
ends | facts >"$DIR/ends"
same_file "what the ends of connections say of TLS" "$DIR/live" "$DIR/ends"
equal "plain requests" 1 "$(events_count http.request '."url.path" == "/plain"')"
equal "hellos that were not read" 0 "$(status_of '.capture.tls | .broken + .too_long + .cut + .refused')"
tell "the ends of their connections"

kill -TERM "$TCPDUMP_PID"
wait_until 5 "tcpdump ends" gone "$TCPDUMP_PID"
"$PICKET_BIN" replay "$DIR/tls.pcap" --json >"$DIR/replayed.jsonl" 2>"$DIR/replay.err" || fail "picket replay: $(cat "$DIR/replay.err")"
jq -c 'select(."event.name" == "tls.client_hello")' "$DIR/replayed.jsonl" | facts >"$DIR/replayed"
same_file "hellos from the capture" "$DIR/live" "$DIR/replayed"
tell "the same from a capture of them, whose servers say the version"

# Behind a proxy that ends TLS the request is seen, with the fingerprint of its client's own connection.
ask 8445 ended.example -A story/1
wait_until 10 "the request behind HAProxy" events_reach http.request 1 '."user_agent.original" == "story/1"'
wait_until 10 "its hello" events_reach tls.client_hello 1 '."tls.client.server_name" == "ended.example"'
equal "what the request says of its client's TLS" \
	"$(events_of tls.client_hello '."tls.client.server_name" == "ended.example"' | jq -r '[."picket.connection.id", ."tls.client.ja4", ."tls.protocol.version"] | join(" ")')" \
	"$(events_of http.request '."user_agent.original" == "story/1"' | jq -r '[."picket.client.connection.id", ."tls.client.ja4", ."tls.protocol.version"] | join(" ")')"
tell "a request behind a proxy that ends TLS has its client's fingerprint"
# Of a client that is known by a request picket shows which fingerprints came from its address, the latest first.
equal "the latest fingerprint of the client" "$(events_of http.request '."user_agent.original" == "story/1"' | jq -r '."tls.client.ja4"')" \
	"$(pk clients "$C4" --json | jq -r '.ja4s[0].ja4')"
tell "picket clients shows it"
picket_down
