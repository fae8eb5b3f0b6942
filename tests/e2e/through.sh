# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Clients behind a balancer (through.py), for the stories that source lib.sh and then this. In: BALANCER, and NS_K, the
# namespace of the clients.
client_up() { # SOURCE PORT FILE [post]
	: >"$DIR/$3"
	# Not by a function: $! would be a shell, and who ends that leaves the client behind.
	nsenter --net="/run/netns/$NS_K" "$PYTHON" "$E2E/through.py" "$BALANCER" "$2" "$1" "$DIR/$3" "${@:4}" &
	CLIENT=$!
	own $CLIENT
}
statuses() { awk '{ print $3 }' "$DIR/$1" | sort | uniq -c | awk '{ print $2 "x" $1 }' | tr '\n' ' '; }
has_status() { awk '{ print $3 }' "$DIR/$1" | grep -qx "$2"; }
unharmed() { # FILE: nothing but 200
	! awk '{ print $3 }' "$DIR/$1" | grep -qvx 200 || fail "the client of $1 met: $(statuses "$1")"
}
slowest_ms() { awk -v from="$2" '$1 >= from { t = ($2 - $1) / 1e6; if (t > most) most = t } END { printf "%.1f", most }' "$DIR/$1"; }
median_ms() {
	awk -v from="$2" '$1 >= from { print ($2 - $1) / 1e6 }' "$DIR/$1" | sort -n | awk '{ a[NR] = $1 } END { printf "%.2f", a[int((NR + 1) / 2)] }'
}

