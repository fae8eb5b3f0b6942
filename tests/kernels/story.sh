#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# story.sh: what the virtual machine runs. First picket doctor; then the loop story in each packet mode: the daemon in a
# namespace with two clients on veth pairs, requests over both and over loopback, one client blocked and unblocked, IPv4 and
# IPv6; and the end of the daemon, asked and forced, after which nothing may stay attached. Each start verifies all programs, which
# is most of the time here: as few as do.
#
# shellcheck shell=dash disable=SC2317 # functions are called by name, through wait_for
# shellcheck source=tests/kernels/stage.sh
. /test/stage.sh
ROUNDS=2

# --- doctor -------------------------------------------------------------------------------------------------------------

doctor() {
	status=0
	picket doctor --verbose --json >/tmp/doctor 2>/tmp/doctor.err || status=$?
	sed -n 's/.*"check":"load.program","subject":"\([^"]*\)".*"verified_instructions":\([0-9]*\).*/## verified \1 \2/p' \
		/tmp/doctor | sed "s,verified \(pk_data\|pk_state\|pk_written\) ,verified $EXPECT_PATH/\1 ,"
	if [ "$EXPECT_PATH" = none ]; then
		[ "$status" = 6 ] || fail "doctor ended with $status, not 6, on a kernel that lacks what picket needs"
		grep '"check":"load".*"state":"fail".*"this kernel lacks what picket needs: .*bpf_loop' /tmp/doctor ||
			fail "doctor does not say what this kernel lacks: $(cat /tmp/doctor)"
		held "doctor exits 6 and says what the kernel lacks"
		return
	fi
	if [ "$status" != 0 ]; then
		cat /tmp/doctor
		fail "doctor ended with $status"
	fi
	grep -q "\"path\":\"$EXPECT_PATH\"" /tmp/doctor || fail "requests do not come by $EXPECT_PATH: $(cat /tmp/doctor)"
	for check in loopback receive tc xdp-generic xdp-native; do
		grep -q "\"check\":\"loop.$check\",\"subject\":null,\"state\":\"ok\"" /tmp/doctor ||
			fail "doctor does not prove loop.$check: $(grep loop /tmp/doctor)"
	done
	held "doctor proves loopback, kprobes, tc, xdp-generic and xdp-native, by $EXPECT_PATH"
	clean "doctor"
}

# --- the loop ---------------------------------------------------------------------------------------------------------------

seen() { # FILE PEER
	picket events --json >/tmp/events
	grep '"event.name":"http.request"' /tmp/events | grep "\"url.path\":\"/$1\"" |
		grep "\"network.peer.address\":\"$2\"" | grep -q '"http.response.status_code":200'
}

ask_and_see() { # NAMESPACE HOST PEER LABEL
	n=0
	while [ $n -lt $ROUNDS ]; do
		n=$((n + 1))
		file=$4-$mode-$n
		echo ok >"/tmp/www/$file"
		get "$1" "$2" "$file" || fail "no answer for $file over $2"
	done
	n=0
	while [ $n -lt $ROUNDS ]; do
		n=$((n + 1))
		wait_for "the event of $4-$mode-$n" seen "$4-$mode-$n" "$3"
	done
}

dropped() { picket status --json | sed -n 's/.*"packets_dropped":\([0-9]*\).*/\1/p'; }

block_story() { # NAMESPACE HOST ADDRESS
	before=$(dropped)
	picket block "$3" --ttl 5m --reason "told by the story" >/tmp/block || fail "picket block $3"
	get "$1" "$2" up 1 && fail "$3 is blocked, and was answered"
	after=$(dropped)
	[ "$after" -gt "$before" ] || fail "$3 is blocked, and no packet was dropped ($before, $after)"
	picket why "$3" >/tmp/why || fail "picket why $3: $(cat /tmp/why)"
	get d $OTHER up || fail "with $3 blocked another client was cut off"
	picket unblock "$3" >/tmp/block || fail "picket unblock $3"
	get "$1" "$2" up || fail "$3 is unblocked, and gets no answer"
}

story() {
	began=$(uptime_s)
	daemon_up
	grep -q '"receive":null' /tmp/status || fail "beside a packet program the receive path is followed, unasked"
	picket status --json | grep -q '"answers":{"seen":true' || fail "this kernel shows no answers"
	ask_and_see c $S4 10.77.0.2 v4
	ask_and_see c "[$S6]" fd77::2 v6
	ask_and_see s 127.0.0.1 127.0.0.1 lo
	held "$ROUNDS requests each over veth IPv4, veth IPv6 and loopback are seen, and the status of each"
	block_story c $S4 10.77.0.2
	block_story c "[$S6]" fd77::2
	held "a blocked client's packets are dropped, another's are not, unblocked it is answered"
	daemon_down
	clean "the daemon's end"
	held "the daemon ends with 0 and leaves nothing attached"
	say "## story $mode $began to $(uptime_s) s"
}

# --- the receive path -------------------------------------------------------------------------------------------------

receive_up() { # PACKET_MODE RECEIVE SAMPLE
	cat >/tmp/picket.yaml <<-CONF
		state_dir: /tmp/state
		capture: {packet_mode: $1, receive: $2, header_sample: $3}
	CONF
	nsenter --net=/run/netns/s picket run --instance vm -c /tmp/picket.yaml 2>/tmp/daemon.log &
	daemon=$!
	wait_for "the daemon" picket status --json
	picket status --json >/tmp/status
}

# The seven fields of each TCP header that came by this hook.
seven() { # HOOK
	grep "\"picket.hook\":\"$1\"" /tmp/events | sed -n 's/.*"tcp.header.source_port":\([0-9]*\),"tcp.header.destination_port":\([0-9]*\),"tcp.header.sequence":\([0-9]*\),"tcp.header.acknowledgment":\([0-9]*\),"tcp.header.header_length":\([0-9]*\),"tcp.header.flags":\([0-9]*\),.*"tcp.header.window":\([0-9]*\).*/\1 \2 \3 \4 \5 \6 \7/p' | sort
}

# Of two whole connections. Not of each: where the server has closed and forgotten its end, what the client still sends meets
# no socket but a time-wait one (tcp_timewait_state_process), which the receive path's programs do not see.
both_say_the_same() {
	picket events --json --name tcp.header >/tmp/events
	seven kprobe >/tmp/by-kprobe
	seven tc >/tmp/by-tc
	grep -qvxFf /tmp/by-tc /tmp/by-kprobe && return 1 # the packet program's may still be on its way
	same=$(awk 'FILENAME == ARGV[1] { kprobe[$1] = kprobe[$1] $0 "|"; next }
		{ tc[$1] = tc[$1] $0 "|"; if ($6 % 2) over[$1] = 1 }
		END { for (port in over) n += kprobe[port] == tc[port]; print n + 0 }' /tmp/by-kprobe /tmp/by-tc)
	[ "$same" -ge 2 ] && return 0
	get c "$S4" up
	get c "[$S6]" up
	return 1
}

has_header() { # PATTERN
	grep '"picket.hook":"kprobe"' /tmp/events | grep -q "$1"
}

receive_story() {
	receive_up tc kprobe 1
	grep -q '"receive":"kprobe"' /tmp/status || fail "status does not say kprobe: $(cat /tmp/status)"
	get c $S4 up || fail "no answer over IPv4"
	get c "[$S6]" up || fail "no answer over IPv6"
	wait_for "the same headers by kprobe and by the packet program" both_say_the_same
	for flag in SYN FIN PSH; do
		has_header "\"tcp.header.flag_names\":\[[^]]*\"$flag\"" || fail "no header with $flag by kprobe"
	done
	has_header '"picket.why":\["sample"\]' || fail "no ordinary segment by kprobe"
	held "$(wc -l </tmp/by-kprobe) TCP headers by kprobe, SYN, FIN and data, all seven fields those of the packet program"
	killed
	receive_up off auto 0
	clean "kill -9 and a new start"
	held "after kill -9 and a new start nothing old stays attached"
	grep -q '"receive":"kprobe"' /tmp/status || fail "without a packet program the receive path is not followed"
	get c $S4 up || fail "no answer"
	wait_for "a header by kprobe" receive_alone
	daemon_down
	held "auto follows the receive path where no packet program is, and only there"
}

# The programs' owner dies without a word; what has no link stays until the next start sweeps it, which attaches nothing here.
killed() {
	sensor=$(ps -o pid,ppid | awk -v p=$daemon '$2 == p { print $1 }')
	kill -KILL $daemon
	wait $daemon
	wait_for "the sensor to follow its warden" test ! -d "/proc/$sensor"
	[ "$EXPECT_PATH" = ring ] || [ -n "$(attached)" ] || fail "kill -9 left nothing to sweep"
	get c $S4 up || fail "after kill -9 a client gets no answer"
}

receive_alone() {
	picket events --json --name tcp.header >/tmp/events
	has_header SYN && ! grep -v '"picket.hook":"kprobe"' /tmp/events
}

# Also resets; and every field, not only seven.
receive_test() {
	[ -x /test/receive_test ] || return 0
	/test/receive_test >/tmp/receive 2>&1 || {
		cat /tmp/receive
		fail "receive_test"
	}
	held "receive_test: $(grep -c '       OK' /tmp/receive) passed"
}

# Whole segments and odd frames, as XDP (77: before 5.18) and as tc.
report_test() {
	[ -x /test/report_test ] || return 0
	for way in tc xdp; do
		status=0
		/test/report_test $way >/tmp/report 2>&1 || status=$?
		[ $status = 0 ] || [ $way$status = xdp77 ] || {
			cat /tmp/report
			fail "report_test $way: $status"
		}
		held "report_test $way: $(grep -c '       OK' /tmp/report) passed"
	done
}

# Packets that carry others, opened: those of the tests that load the programs once.
tunnel_test() {
	[ -x /test/tunnel_test ] || return 0
	for way in tc xdp; do
		/test/tunnel_test $way 'a_*' >/tmp/tunnel 2>&1 || {
			cat /tmp/tunnel
			fail "tunnel_test $way"
		}
		held "tunnel_test $way: $(grep -c '       OK' /tmp/tunnel) passed"
	done
	sed -n 's/^verified \(.*\)/## verified \1/p' /tmp/tunnel
}

# A denied client's segment becomes its answer.
reset_test() {
	[ -x /test/reset_test ] || return 0
	for way in tc xdp; do
		/test/reset_test $way 'a_segment*' >/tmp/reset 2>&1 || {
			cat /tmp/reset
			fail "reset_test $way"
		}
		held "reset_test $way: $(grep -c '       OK' /tmp/reset) passed"
	done
}

mode=doctor
if [ "$EXPECT_PATH" = none ]; then
	doctor
	status=0
	picket run -c /dev/null 2>/tmp/daemon.log || status=$?
	[ $status = 6 ] || fail "picket run ended with $status, not 6"
	held "picket run exits 6: $(head -n 1 /tmp/daemon.log)"
	exit 0
fi
stage
doctor
for mode in tc xdp-generic xdp-native; do
	story
done
mode=receive
receive_story
receive_test
mode=report
report_test
mode=reset
reset_test
mode=tunnel
tunnel_test
exit 0
