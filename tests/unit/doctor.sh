#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# doctor.sh PICKET: the command itself, in a network namespace with a real nginx (TLS, plain, and plain on loopback).
#
# In: DOCTOR_SECONDS  that it may take with a stage (default 3)
set -eu

picket=${1:?usage: doctor.sh PICKET}
seconds=${DOCTOR_SECONDS:-3}

skip() {
	echo "skipped: $*"
	exit 77
}
fail() {
	echo "FAILED: $*"
	cat "$dir"/out "$dir"/err 2>/dev/null || true
	exit 1
}
held() { echo "held: $*"; }

[ "$(id -u)" = 0 ] || skip "needs root"
for tool in ip nsenter nginx openssl curl jq setpriv; do
	command -v "$tool" >/dev/null 2>&1 || skip "$tool is not installed"
done

dir=$(mktemp -d "${TMPDIR:-/tmp}/picket-doctor.XXXXXX")
ns=pkdoc-$$
nginx=
finish() {
	[ -z "$nginx" ] || kill "$nginx" 2>/dev/null || true
	ip netns del $ns 2>/dev/null || true
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
ip netns add $ns 2>/dev/null || skip "cannot make a network namespace"
nsenter --net="/run/netns/$ns" ip link set lo up
in_ns() { nsenter --net=/run/netns/$ns "$@"; }

printf '{}\n' >"$dir/empty.yaml"
# Runs doctor with these arguments; its lines are in $dir/out. Prints the exit status.
doctor() {
	local status=0
	in_ns "$@" >"$dir/out" 2>"$dir/err" || status=$?
	echo $status
}
state_of() { # CHECK [SUBJECT]
	jq -r --arg c "$1" --arg s "${2:-}" 'select(.check == $c and (.subject // "") == $s) | .state' "$dir/out"
}
member_of() { # MEMBER CHECK SUBJECT
	jq -r --arg c "$2" --arg s "$3" --arg m "$1" 'select(.check == $c and .subject == $s) | .[$m]' "$dir/out"
}
equal() { # WHAT EXPECTED GOT
	[ "$2" = "$3" ] || fail "$1: expected \"$2\", got \"$3\""
}

# --- nginx ----------------------------------------------------------------------------------------------------------------

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/key" -out "$dir/cert" -days 1 -subj /CN=test 2>/dev/null
cat >"$dir/nginx.conf" <<CONF
daemon off;
worker_processes 1;
pid $dir/pid;
error_log $dir/error.log;
events { }
http {
	access_log $dir/access.log;
	client_body_temp_path $dir/b; proxy_temp_path $dir/p; fastcgi_temp_path $dir/f; uwsgi_temp_path $dir/u; scgi_temp_path $dir/s;
	upstream api { server 127.0.0.1:3000; keepalive 2; }
	server {
		listen 443 ssl;
		ssl_certificate $dir/cert;
		ssl_certificate_key $dir/key;
		location / { proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection ""; }
	}
	server { listen 8080; location / { return 200 "plain\n"; } }
	server { listen 127.0.0.1:3000; location / { return 200 "api\n"; } }
	server { listen 127.0.0.1:3001; location / { return 200 "other\n"; } }
}
CONF
# Not by in_ns: $! would be a subshell, and nginx would stay when that is ended.
nsenter --net=/run/netns/$ns nginx -p "$dir" -c "$dir/nginx.conf" 2>>"$dir/error.log" &
nginx=$!
for _ in $(seq 600); do
	in_ns curl -s -o /dev/null http://127.0.0.1:8080/ && break
	sleep 0.05
done
in_ns curl -s -o /dev/null http://127.0.0.1:8080/ || fail "nginx does not answer: $(cat "$dir/error.log")"
in_ns curl -sk -o /dev/null https://127.0.0.1/ || skip "nginx does not serve TLS here"

# --- what it proves -------------------------------------------------------------------------------------------------------

start=$(date +%s%N)
status=$(doctor "$picket" doctor --json -c "$dir/empty.yaml")
took_ms=$((($(date +%s%N) - start) / 1000000))
[ "$status" != 6 ] || skip "this kernel lacks what picket needs: $(jq -r 'select(.check == "load") | .text' "$dir/out")"
equal "exit status" 0 "$status"
if grep -q 'no network namespace may be made here' "$dir/out"; then
	skip "doctor may not make a network namespace here"
fi
for check in loop.loopback loop.tc loop.xdp-generic loop.xdp-native load attach.tcp rights kernel; do
	equal "state of $check" ok "$(state_of $check)"
done
[ "$took_ms" -le $((seconds * 1000)) ] || fail "it took $took_ms ms, more than $seconds s"
held "every program loads, the loop closes in each mode, all in $took_ms ms"

equal "443" warn "$(state_of port 0.0.0.0:443)"
member_of text port 0.0.0.0:443 | grep -q '443 is TLS; its plaintext passes 127.0.0.1:3000$' ||
	fail "443: $(member_of text port 0.0.0.0:443)"
equal "what mends 443" "capture.loopback_ports: [3000]" "$(member_of mend port 0.0.0.0:443)"
equal "requests visible on 443" no "$(member_of requests_visible port 0.0.0.0:443)"
equal "requests visible on 8080" yes "$(member_of requests_visible port 0.0.0.0:8080)"
equal "the process of 8080" nginx "$(member_of process port 0.0.0.0:8080)"
equal "127.0.0.1:3001 watched" false "$(member_of watched port 127.0.0.1:3001)"
equal "what would watch 127.0.0.1:3001" "capture.loopback_ports: [3001]" "$(member_of mend port 127.0.0.1:3001)"
held "TLS is found, the hop of its plaintext named, and the setting that watches it"

printf 'capture:\n  loopback_ports: [3000]\n' >"$dir/hop.yaml"
equal "exit status with the hop watched" 0 "$(doctor "$picket" doctor --json -c "$dir/hop.yaml")"
equal "443 with its hop watched" ok "$(state_of port 0.0.0.0:443)"
equal "requests visible on the hop" yes "$(member_of requests_visible port 127.0.0.1:3000)"
held "with the setting, 443 is no warning any more"

lines=$(wc -l <"$dir/access.log")
doctor "$picket" doctor --json --no-probe -c "$dir/empty.yaml" >/dev/null
equal "lines nginx logged under --no-probe" "$lines" "$(wc -l <"$dir/access.log")"
equal "requests visible on 8080, not asked" unknown "$(member_of requests_visible port 0.0.0.0:8080)"
held "--no-probe asks nobody"

# A bridge has a driver that names a bus, and no device behind it: the daemon takes tc.
in_ns ip link add br0 type bridge
in_ns ip link set br0 up
doctor "$picket" doctor --json --no-probe -c "$dir/empty.yaml" >/dev/null
equal "the mode of a bridge" tc "$(member_of mode interface br0)"
held "auto is foretold by the rule that attaches"

# --- with less ------------------------------------------------------------------------------------------------------------

status=$(doctor setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$picket" doctor --json -c "$dir/empty.yaml")
equal "exit status where no namespace may be made" 0 "$status"
equal "loop.tc there" warn "$(state_of loop.tc)"
equal "loop.loopback there" ok "$(state_of loop.loopback)"
jq -r 'select(.check == "loop.tc") | .text' "$dir/out" | grep -q 'only by a test run in the kernel' || fail "it does not say so"
held "where no namespace may be made it proves by test runs, and says so"

status=$(doctor setpriv --bounding-set=-bpf --inh-caps=-bpf "$picket" doctor --json -c "$dir/empty.yaml")
equal "exit status without CAP_BPF" 3 "$status"
jq -r 'select(.check == "rights") | .text' "$dir/out" | grep -q '^CAP_BPF missing' || fail "it does not name CAP_BPF"
held "without CAP_BPF it exits 3 and names it"

equal "exit status of an unknown option" 2 "$(doctor "$picket" doctor --nonsense)"
equal "exit status of a broken configuration" 2 "$(doctor "$picket" doctor -c /nonexistent.yaml)"

# --- killed ---------------------------------------------------------------------------------------------------------------

for after in 0.05 0.15 0.3 0.5; do
	setsid nsenter --net=/run/netns/$ns "$picket" doctor --no-probe >/dev/null 2>&1 &
	pid=$!
	sleep $after
	kill -KILL $pid 2>/dev/null || true
	wait $pid 2>/dev/null || true
	for _ in $(seq 400); do
		left=$(ps -o pid= --sid $pid || true)
		[ -n "$left" ] || break
		sleep 0.05
	done
	[ -z "$left" ] || fail "killed after $after s, these stay: $left"
done
held "killed at any moment, no process stays that could hold a program or a namespace"
