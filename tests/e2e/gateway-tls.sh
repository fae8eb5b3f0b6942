#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "gateways over TLS: one handshake for many batches, ours and their certificates, pins; what fails is explained"
need openssl
KEY=s3cret-of-the-gateway

certificate() { # NAME DAYS SUBJECT-ALT-NAME
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$DIR/$1.key" -out "$DIR/$1.csr" \
		2>>"$DIR/openssl"
	openssl x509 -req -in "$DIR/$1.csr" -CA "$DIR/ca.pem" -CAkey "$DIR/ca.key" -CAcreateserial -days "$2" \
		-extfile <(printf 'subjectAltName=%s\n' "$3") -out "$DIR/$1.pem" 2>>"$DIR/openssl"
}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=authority -days 2 -keyout "$DIR/ca.key" \
	-out "$DIR/ca.pem" 2>>"$DIR/openssl"
certificate server 2 IP:127.0.0.1
certificate expired -1 IP:127.0.0.1
certificate elsewhere 2 DNS:elsewhere.example
certificate client 2 DNS:picket
pin=sha256//$(openssl x509 -in "$DIR/server.pem" -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64)
printf '%s\n' $KEY >"$DIR/token"
chmod 600 "$DIR/token" "$DIR/client.key"

# The gateways: nginx takes every batch. 9448 is another 9443: two gateways at one place, that differ in http2 alone, would use each
# other's connections. Behind 9446 is somebody who takes connections and never answers.
net_up
start_s "$PYTHON" -c 'import socket, time
s = socket.create_server(("127.0.0.1", 9911), backlog=64)
time.sleep(3600)'
tls_server() { # PORT CERTIFICATE LINES
	printf 'server { listen 127.0.0.1:%s ssl http2; ssl_certificate %s.pem; ssl_certificate_key %s.key; %s }\n' "$1" "$DIR/$2" "$DIR/$2" "$3"
}
# shellcheck disable=SC2016
NGINX_FULL='$server_port $connection $server_protocol $ssl_client_verify $status key=$http_x_key'
nginx_up "}
	$(tls_server 9443 server "ssl_client_certificate $DIR/ca.pem; ssl_verify_client on; location / { return 204; }")
	$(tls_server 9448 server "ssl_client_certificate $DIR/ca.pem; ssl_verify_client on; location / { return 204; }")
	$(tls_server 9444 expired "location / { return 204; }")
	$(tls_server 9445 elsewhere "location / { return 204; }")
	$(tls_server 9446 server "location / { proxy_pass http://127.0.0.1:9911; }")
	server { listen 127.0.0.1:9447; location / { return 204; }"

gateway() { # NAME URL [MORE LINES]
	printf '  - name: %s\n    protocol: batch\n    url: %s\n    ca_file: %s\n    verdicts: false\n    linger_ms: 1\n' "$1" "$2" "$DIR/ca.pem"
	shift 2
	[ $# = 0 ] || printf '    %s\n' "$@"
}
ours=("cert_file: $DIR/client.pem" "key_file: $DIR/client.key" "token_file: $DIR/token" "auth_header: X-Key" "auth_scheme: raw")
picket_up "gateways:
$(gateway two https://127.0.0.1:9443/ "${ours[@]}" "pin: $pin")
$(gateway one https://127.0.0.1:9448/ "${ours[@]}" "pin: $pin" "http2: false")
$(gateway bare https://127.0.0.1:9443/)
$(gateway mispinned https://127.0.0.1:9443/ "${ours[@]}" "pin: sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
$(gateway expired https://127.0.0.1:9444/)
$(gateway elsewhere https://127.0.0.1:9445/)
$(gateway silent https://127.0.0.1:9446/ "timeout_ms: 500")
$(gateway plain https://127.0.0.1:9447/)"

of() { pk gateway list --json | jq -r --arg n "$1" "select(.name == \$n) | $2"; }
delivered() { [ "$(of "$1" .batches)" -ge "$2" ]; }
for i in $(seq 40); do
	in_c curl -s -o /dev/null "http://$S4:$PORT/hello/$i"
	wait_until 10 "batch $i over HTTP/2" delivered two "$i"
	wait_until 10 "batch $i over HTTP/1.1" delivered one "$i"
done
lines() { grep "^944[38] .*$1" "$DIR/access.full"; }
equal "batches sent twice" "0 0" "$(of two .retries) $(of one .retries)"
for protocol in HTTP/2.0 HTTP/1.1; do
	at_least "batches over $protocol" 40 "$(lines "$protocol SUCCESS 204 key=$KEY" | wc -l)"
	equal "connections over $protocol" 1 "$(lines "$protocol SUCCESS" | cut -d' ' -f2 | sort -u | wc -l)"
done
equal "connections, as picket counts them" "1 1" "$(of two .connections) $(of one .connections)"
tell "$(of two .batches) batches by HTTP/2 and $(of one .batches) by HTTP/1.1 with our certificate and a raw key, one handshake each"

explained() { # GATEWAY WORDS
	[[ $(of "$1" .last_error) == *"$2"* ]] && pk status | tr -s ' \n' ' ' | grep -q "gateway $1 [^;]*; [^;]*$2"
}
is_explained() { wait_until 20 "\"$2\" of gateway $1" explained "$1" "$2"; }
is_explained bare "it wants a client certificate"
is_explained mispinned "its public key is not the pinned one"
is_explained expired "its certificate has expired"
is_explained elsewhere "its certificate is for another name"
is_explained silent "it did not answer in time"
is_explained plain "it does not speak TLS at that port"
equal "batches that came past a wrong pin or certificate" "0 0 0" "$(of mispinned .batches) $(of expired .batches) $(of elsewhere .batches)"
tell "no certificate of ours, another key, an expired certificate, another name, silence, no TLS: each refused, and told with its mend"

# Who did not answer at all is not waited for a second time on the same connection.
silent_connections() { grep '^9446 ' "$DIR/access.full" | cut -d' ' -f2 | sort -u | wc -l; }
silent_attempts() { [ "$(grep -c '^9446 ' "$DIR/access.full")" -ge 3 ]; }
wait_until 30 "three attempts to reach the silent one" silent_attempts
at_least "connections to the silent one" 3 "$(silent_connections)"

{
	pk status
	pk config show "$DIR/picket.yaml"
	tr '\0' ' ' <"/proc/$PICKET_PID/cmdline"
	cat "$DIR/picket.log"
} >"$DIR/said" 2>&1
grep -q "$KEY" "$DIR/said" && fail "the key stands in the log, the status, the configuration shown or the command line"
grep -qF "$(sed -n 2p "$DIR/client.key")" "$DIR/said" && fail "our private key is shown"
tell "no secret in log, status, config show, command line"
kill -TERM "$PICKET_PID"
wait_until 30 "picket ends" gone "$PICKET_PID"

chmod 640 "$DIR/client.key"
exits 2 pk config check "$DIR/picket.yaml"
grep -q 'key_file: .*chmod 600' "$DIR/err" || fail "a key that others may read is not refused: $(cat "$DIR/err")"
