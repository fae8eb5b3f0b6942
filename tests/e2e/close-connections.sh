#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a block ends what its client has open, tells the server, and nobody else"
net_up
picket_up "capture:
  ports: [$PORT]"
sources4='' sources6=''
for i in $(seq 10 59); do
	in_c ip address add "10.77.0.$i/24" dev eth0
	in_c ip -6 address add "fd77::$i/64" dev eth0 nodad
	sources4="$sources4 10.77.0.$i" sources6="$sources6 fd77::$i"
done
# Beside the hundred: a neighbour on the same port, and one of them on a port that is not watched.
nsenter --net="/run/netns/$NS_S" "$PYTHON" "$E2E/closing.py" serve :: $PORT "$PICKET_CONTROL" 100 >"$DIR/closed" 2>"$DIR/server.err" &
server=$!
own $server
nsenter --net="/run/netns/$NS_S" "$PYTHON" "$E2E/closing.py" sink $S4 9999 &
own $!
listens() { in_s ss -Hltn "sport = :$1" | grep -q .; }
wait_until 10 "the servers listen" listens $PORT
wait_until 10 "the other server listens" listens 9999
nsenter --net="/run/netns/$NS_C" "$PYTHON" "$E2E/closing.py" hold $S4 9999 10.77.0.10 >"$DIR/other" &
own $!
# shellcheck disable=SC2086
nsenter --net="/run/netns/$NS_C" "$PYTHON" "$E2E/closing.py" hold $S4 $PORT $sources4 >"$DIR/held4" &
own $!
# shellcheck disable=SC2086
nsenter --net="/run/netns/$NS_C" "$PYTHON" "$E2E/closing.py" hold $S6 $PORT $sources6 >"$DIR/held6" &
own $!
wait_until 60 "every connection was blocked" gone $server
equal "connections that the server saw end" 100 "$(grep -c '^closed ' "$DIR/closed")"
ends() { [ "$(cat "$DIR/held4" "$DIR/held6" | wc -l)" = 100 ]; }
wait_until 30 "the clients know" ends
equal "connections that the client saw reset" 100 "$(cat "$DIR/held4" "$DIR/held6" | grep -c '^reset$')"
equal "connections of a blocked client to a port that is not watched" 1 "$(in_s ss -Htn state established "sport = :9999" | wc -l)"
[ ! -s "$DIR/other" ] || fail "its connection to the other port ended: $(cat "$DIR/other")"
closed() { [ "$(status_of .blocks.connections_closed)" = 100 ]; }
wait_until 10 "status counts them" closed
equal "connections that picket blocks tells of" 100 "$(pk blocks --json | jq -s 'map(.connections_closed) | add')"
sort -n -k2 "$DIR/closed" | awk '{ v[NR] = $2 } END { printf "  held: server told, milliseconds after the wish was sent: p50 %.1f, p99 %.1f, most %.1f of %d\n", v[int(NR * .5)], v[int(NR * .99)], v[NR], NR }'
sort -n -k2 "$DIR/closed" | awk '{ v[NR] = $2 } END { exit !(v[int(NR * .99)] <= 100) }' || fail "p99 of the time until the server is told is over 100 ms"
picket_down
