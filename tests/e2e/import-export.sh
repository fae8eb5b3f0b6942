#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "what is blocked goes out as a list and comes in again the same; what nobody here can stop is published"
need haproxy
need_python
net_up
NS_K=pe2e-k-$$
ns_add "$NS_K"
link_up "$NS_C" front "$NS_K" eth0
ip -n "$NS_C" addr add 10.78.0.1/24 dev front
ip -n "$NS_K" addr add 10.78.0.2/24 dev eth0
BALANCER=10.78.0.1
ATTACKER=10.78.0.2
nginx_up
# A balancer that neither asks nor has a map.
cat >"$DIR/haproxy.cfg" <<-CFG
	defaults
		mode http
		timeout connect 5s
		timeout client 20s
		timeout server 20s
		option forwardfor
	listen balancer
		bind $BALANCER:8001
		server one $S4:$PORT
CFG
in_k() { nsenter --net="/run/netns/$NS_K" "$@"; }
start_c haproxy -f "$DIR/haproxy.cfg" -db >"$DIR/haproxy.log" 2>&1
wait_until 10 "the balancer listens" in_k bash -c "exec 3<>/dev/tcp/$BALANCER/8001"
# shellcheck source=tests/e2e/through.sh
. "$E2E/through.sh"
picket_up "mode: enforce
proxies:
  trusted: [$C4]
enforcement:
  publish: true
limits:
  protect: [203.0.113.0/24]"
events_start

client_up $ATTACKER 8001 attacker post
published() { [ "$(pk export --published | grep -c "^$ATTACKER #")" = 1 ]; }
wait_until 20 "the attacker is published" published
kill "$CLIENT"
decision() { events_of picket.decision | jq -r "select(.\"picket.decision.target\" == \"$ATTACKER\") | .\"picket.decision.$1\"" | head -n 1; }
equal "outcome of the decision" blocked "$(decision outcome)"
equal "point of the decision" published "$(decision point)"
equal "entries of the kernel" 0 "$(status_of .blocks.desired)"
equal "what others may enforce, by status" 1 "$(status_of .http.published)"
pk why $ATTACKER | grep -q "for others to enforce" || fail "picket why: $(pk why $ATTACKER)"
exits 0 pk unblock $ATTACKER
equal "what is published after unblock" 0 "$(pk export --published | grep -vc '^#')"
tell "a client that nobody here can stop is exported for others"

targets="192.0.2.7 192.0.2.200 198.51.100.0/24 2001:db8::7 2001:db8:1::/48"
n=0
for t in $targets; do
	n=$((n + 1))
	exits 0 pk block "$t" --ttl $((n * 10))m --reason "reason \"$n\" # of, many"
done
held() { pk blocks --json | jq -r '.target' | sort; }
held >"$DIR/wanted"
ends() { pk blocks --json | jq -r '[.target, .ttl_s] | @tsv' | sort; }
for format in plain crowdsec stix misp; do
	pk export --format $format >"$DIR/list.$format" || fail "export --format $format ended with status $?"
	ends >"$DIR/ends.before"
	began=$SECONDS
	for t in $targets; do
		exits 0 pk unblock "$t"
	done
	equal "blocks left" 0 "$(blocked_count)"
	exits 0 pk import "$DIR/list.$format" --ttl 30m
	held >"$DIR/got"
	cmp -s "$DIR/wanted" "$DIR/got" || fail "$format brought back: $(tr '\n' ' ' <"$DIR/got")"
	equal "entries of the kernel after the import of $format" 5 "$(status_of .blocks.installed)"
	if [ $format = crowdsec ] || [ $format = stix ]; then
		ends >"$DIR/ends.after"
		differ=$(join "$DIR/ends.before" "$DIR/ends.after" | awk '{ d = $2 - $3; if (d < 0) d = -d; if (d > most) most = d } END { print most + 0 }')
		# What is left grows less by the time that lies between the two looks, and by nothing else.
		at_most "seconds between the ends before and after, $format" $((SECONDS - began + 3)) "$differ"
	fi
done
tell "five targets, out and in again in four formats: the same set"

printf '203.0.113.7\nnonsense\n192.0.2.7\n' >"$DIR/some"
exits 4 pk import "$DIR/some"
printf 'nonsense\n192.0.2.7\n' >"$DIR/some"
exits 1 pk import "$DIR/some"
exits 2 pk import "$DIR/nowhere"
tell "what is protected or cannot be read is told"

# More than limits.inserts_per_second at once are waited for.
for i in $(seq 0 11); do
	for k in $(seq 1 100); do echo "198.18.$i.$k"; done
done >"$DIR/many"
exits 0 pk import "$DIR/many"
equal "blocks of them" 1200 "$(pk blocks --json | grep -c '"target":"198\.18\.')"
tell "1,200 at once, more than the 1,000 that may come in a second"

# What one host exports is another's list.
for t in $targets; do pk unblock "$t" >"$DIR/out" || true; done
exits 0 pk block 192.0.2.7 --ttl 10m
exits 0 pk block 203.0.114.0/24 --ttl 10m
pk export --format stix >"$DIR/web-2.json" || fail "export ended with status $?"
picket_down
rm -rf "$DIR/state"
picket_up "lists:
  - name: web-2
    path: $DIR/web-2.json
limits:
  protect: [203.0.114.0/24]"
in_force() { [ "$(pk lists --json | jq '.in_force')" = "$1" ]; }
wait_until 10 "the other host's list is in force" in_force 1201
pk why 192.0.2.7 | grep -q web-2 || fail "picket why: $(pk why 192.0.2.7)"
equal "entries refused, as they are protected here" 1 "$(pk lists --json | jq '[.refused[]] | add')"
equal "what is exported of another's decisions" 0 "$(pk export | grep -vc '^#')"
exits 0 pk block 192.0.2.7 --ttl 10m
exits 0 pk unblock 192.0.2.7
pk why 192.0.2.7 | grep -q web-2 || fail "unblock lifted what another host asks for: $(pk why 192.0.2.7)"
echo '[]' >"$DIR/none" && mv "$DIR/none" "$DIR/web-2.json"
wait_until 10 "what the other host takes back ends" in_force 0
tell "another host's export is a list here: its decisions end with it, and are not handed on"
picket_down
