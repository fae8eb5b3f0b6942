#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# times.sh: a block ends when its time is over, whatever becomes of the wall clock, and however long the machine sleeps: the clock of
# the virtual machine is set an hour and ten years forth and back, and the machine is suspended, while a client is blocked.
# shellcheck shell=dash disable=SC2317 # functions are called by name, through wait_for
# shellcheck source=tests/kernels/stage.sh
. /test/stage.sh

TTL=6

now_ms() { awk '{ print int($1 * 1000) }' /proc/uptime; } # goes on while the machine sleeps

# Asks until there is an answer; milliseconds since the block began stand in $ended.
until_answered() { # BEGAN
	until get c $S4 up 0.5; do
		[ $(($(now_ms) - $1)) -lt $((4 * TTL * 1000)) ] || fail "still blocked after four times its length"
	done
	ended=$(($(now_ms) - $1))
}

block() {
	began=$(now_ms)
	picket block 10.77.0.2 --ttl ${TTL}s >/tmp/block || fail "picket block"
	get c $S4 up 0.5 && fail "blocked, and was answered"
	true
}

# The kernel counts in whole seconds, up; a try takes half of one, and emulated programs their time.
in_time() { # WHAT
	[ $ended -ge $((TTL * 1000)) ] || fail "$1: unblocked after $ended ms of $TTL s"
	[ $ended -le $((TTL * 1000 + 2500)) ] || fail "$1: unblocked after $ended ms of $TTL s only"
	held "$1: answered again $((ended - TTL * 1000)) ms after its end"
}

jump() { # WHAT SECONDS
	block
	date -s "@$(($(date +%s) + $2))" >/dev/null || fail "the clock cannot be set"
	until_answered "$began"
	in_time "wall clock $1"
	date -s "@$(($(date +%s) - $2))" >/dev/null
}

asleep() { # HOW THE LENGTH OF A BLOCK AND OF THE SLEEP COMPARE, SECONDS OF SLEEP
	block
	echo 0 >/sys/class/rtc/rtc0/wakealarm
	echo "+$2" >/sys/class/rtc/rtc0/wakealarm || fail "no clock that wakes the machine"
	echo mem >/sys/power/state || fail "the machine does not sleep"
	slept=$(($(now_ms) - began))
	[ $slept -ge $((($2 - 1) * 1000)) ] || fail "asleep for $slept ms of $2 s only"
	until_answered "$began"
}

mode=tc
stage
daemon_up
jump "an hour forth" 3600
jump "an hour back" -3600
jump "ten years forth" 315360000
jump "ten years back" -315360000
asleep "less" 3
in_time "asleep for less than the block lasts"
asleep "more" $((TTL + 4))
[ $ended -le $(((TTL + 4) * 1000 + 2500)) ] || fail "still blocked $ended ms after it began, behind a sleep longer than the block"
held "asleep for longer than the block lasts: answered at once, $ended ms after it began"
daemon_down
exit 0
