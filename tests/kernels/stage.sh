#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# stage.sh: what the stories in virtual machines share; they read it in. A server's namespace with two clients on veth pairs, the
# daemon in it, and how one waits and fails.
#
# In: EXPECT_PATH  perf | ring | none (kernels.txt); mode: the packet mode, for messages and the daemon
# Programs of iproute2 are named by path: busybox prefers its own.
# shellcheck shell=dash disable=SC2317,SC2154 # functions are called by name, through wait_for; mode is the story's

S4=10.77.0.1 S6=fd77::1
OTHER=10.78.0.1
PORT=8080
export PICKET_INSTANCE=vm

say() { echo "$*"; }
held() { echo "held: [$mode] $*"; }
uptime_s() { cut -d' ' -f1 /proc/uptime; }

fail() {
	say "FAILED: [$mode] $*"
	for log in doctor.err daemon.log events; do
		[ -s /tmp/$log ] && echo "--- end of $log" && tail -n 12 /tmp/$log | cut -c1-400
	done
	exit 1
}

wait_for() { # WHAT COMMAND...
	what=$1
	shift
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ "$tries" -lt 300 ] || fail "waited in vain for: $what"
		sleep 0.1
	done
}

in_ns() { # NAME COMMAND...
	name=$1
	shift
	nsenter "--net=/run/netns/$name" "$@"
}

# --- the stage ------------------------------------------------------------------------------------------------------------

stage() {
	for name in s c d; do
		/sbin/ip netns add $name || fail "no namespace"
		in_ns $name /sbin/ip link set lo up
	done
	/sbin/ip link add eth0 netns s type veth peer name eth0 netns c
	/sbin/ip link add eth1 netns s type veth peer name eth0 netns d
	in_ns s /sbin/ip addr add $S4/24 dev eth0
	in_ns s /sbin/ip -6 addr add $S6/64 dev eth0 nodad
	in_ns s /sbin/ip addr add $OTHER/24 dev eth1
	in_ns c /sbin/ip addr add 10.77.0.2/24 dev eth0
	in_ns c /sbin/ip -6 addr add fd77::2/64 dev eth0 nodad
	in_ns d /sbin/ip addr add 10.78.0.2/24 dev eth0
	in_ns s /sbin/ip link set eth0 up
	in_ns s /sbin/ip link set eth1 up
	in_ns c /sbin/ip link set eth0 up
	in_ns d /sbin/ip link set eth0 up
	mkdir -p /tmp/www
	in_ns s httpd -p "[::]:$PORT" -h /tmp/www || fail "no server"
	echo ok >/tmp/www/up
	wait_for "the server, over IPv4" get c $S4 up
	wait_for "the server, over IPv6" get c "[$S6]" up
	wait_for "the server, for the other client" get d $OTHER up
}

get() { # NAMESPACE HOST FILE [SECONDS]
	in_ns "$1" /bin/curl -g -s -f -m "${4:-5}" -o /dev/null "http://$2:$PORT/$3"
}

# Nothing of ours is attached anywhere, and no program of ours is left in the kernel.
attached() {
	in_ns s /sbin/ip -d link | grep -E 'xdp|prog/'
	for dev in eth0 eth1; do
		in_ns s /sbin/tc filter show dev $dev ingress 2>/dev/null | grep bpf
	done
	true
}

clean() { # AFTER WHAT
	[ -e /run/netns/s ] || return 0
	wait_for "nothing attached after $1" test -z "$(attached)"
	left=$(attached)
	[ -z "$left" ] || fail "after $1 this stays attached: $left"
}

# --- the daemon -------------------------------------------------------------------------------------------------------------

daemon_up() {
	cat >/tmp/picket.yaml <<-CONF
		mode: enforce
		state_dir: /tmp/state
		capture:
		  packet_mode: $mode
	CONF
	: >/tmp/daemon.log
	nsenter --net=/run/netns/s picket run --instance vm -c /tmp/picket.yaml 2>/tmp/daemon.log &
	daemon=$!
	wait_for "the daemon" picket status --json
	picket status --json >/tmp/status
	grep -q "\"path\":\"$EXPECT_PATH\"" /tmp/status || fail "the daemon does not read by $EXPECT_PATH"
	for dev in eth0 eth1; do
		tr '{' '\n' </tmp/status | grep "\"name\":\"$dev\"" | grep -q "\"mode\":\"$mode\"" ||
			fail "$dev is not in mode $mode: $(cat /tmp/status)"
	done
	# A tcx link is not shown by these tools; everything else is, or "nothing attached" below would prove nothing.
	[ "$mode" = tc ] && [ "$EXPECT_PATH" = ring ] || [ -n "$(attached)" ] || fail "what is attached does not show"
}

daemon_down() {
	kill -TERM "$daemon"
	status=0
	wait "$daemon" || status=$?
	[ $status = 0 ] || fail "the daemon ended with $status after SIGTERM"
}
