#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "capture.cgroup names a folder, not a number: a service that is stopped and started again is seen again"
# Where cgroup2 is mounted: /sys/fs/cgroup itself, or below it beside the old hierarchies.
top=$(awk '$3 == "cgroup2" && $2 ~ "^/sys/fs/cgroup(/|$)" { print $2; exit }' /proc/self/mounts)
[ -n "$top" ] || skip "no cgroup2 is mounted below /sys/fs/cgroup"
group=$top/picket-e2e-$$
home=$top$(sed -n 's/^0:://p' /proc/self/cgroup)
mkdir "$group" 2>"$DIR/left" || skip "no cgroup may be made in $top: $(cat "$DIR/left")"
# The folder goes when its processes are gone, however this story ends.
# shellcheck disable=SC2016
setsid -f bash -c 'while [ -d "/proc/$1" ]; do sleep 0.2; done
	for _ in $(seq 100); do rmdir "$2" 2>/dev/null; [ -d "$2" ] || break; sleep 0.1; done' \
	_ $$ "$group" </dev/null >/dev/null 2>&1
echo $$ 2>"$DIR/left" >"$home/cgroup.procs" || skip "no process may be moved in $home: $(cat "$DIR/left")"
net_up

server_up() { # nginx, in the cgroup
	echo $$ >"$group/cgroup.procs"
	nginx_up
	echo $$ >"$home/cgroup.procs"
}
server_down() {
	kill -TERM "$NGINX_PID"
	wait "$NGINX_PID" || true
	wait_until 10 "nginx has left the cgroup" empty
}
empty() { ! grep -q . "$group/cgroup.procs"; }
get() { in_c curl -s -o /dev/null -m 5 "http://$S4:$1$2"; }
seen() { # PATH
	get $PORT "$1"
	events_reach http.request 1 ".\"url.path\" == \"$1\""
}

# Another server of the same namespace, outside.
mkdir "$DIR/www"
nsenter --net="/run/netns/$NS_S" "$PYTHON" -m http.server -d "$DIR/www" 8081 >/dev/null 2>&1 &
own $!
wait_until 10 "the server outside listens" get 8081 /
server_up
picket_up "capture:
  cgroup: ${group#/sys/fs/cgroup/}"
events_start
get 8081 /outside
wait_until 5 "a request to the server in the cgroup" seen /inside
equal "requests seen of the server outside" 0 "$(events_count http.request '."url.path" == "/outside"')"
tell "in the cgroup: seen; outside: not"

server_down
old=$(stat -c %i "$group")
rmdir "$group"
mkdir "$group"
[ "$(stat -c %i "$group")" != "$old" ] || fail "the new folder has the old one's number: this story shows nothing"
server_up
wait_until 5 "a request to the server in the cgroup that was made again" seen /again
get 8081 /outside
wait_until 5 "a request after it" seen /after
equal "requests seen of the server outside" 0 "$(events_count http.request '."url.path" == "/outside"')"
tell "the folder was removed and made again, the server restarted in it: seen again"
picket_down
server_down
