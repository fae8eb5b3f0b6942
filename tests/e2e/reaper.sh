#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Ends what a story left: reaper.sh PID|now FOLDER. With a PID it waits until that process is gone, so that a story that was
# killed is cleaned up as well. It ends only processes and namespaces that the story wrote down in FOLDER.
set -u
story=$1 folder=$2

if [ "$story" != now ]; then
	while [ -d "/proc/$story" ]; do
		[ -d "$folder" ] || exit 0 # the story cleaned up itself
		sleep 0.5
	done
	[ -d "$folder" ] && [ ! -e "$folder/kept" ] || exit 0
fi

read_pids() { sort -u "$folder/pids" 2>/dev/null; }

for pid in $(read_pids); do
	kill -TERM "$pid" 2>/dev/null
done
for _ in $(seq 60); do
	left=
	for pid in $(read_pids); do
		if [ -d "/proc/$pid" ] && ! grep -q '^State:[[:space:]]*Z' "/proc/$pid/status" 2>/dev/null; then
			left="$left $pid"
		fi
	done
	[ -z "$left" ] && break
	sleep 0.05
done
for pid in $left; do
	kill -KILL "$pid" 2>/dev/null
done
while read -r namespace; do
	# Whoever is still in it entered through the story.
	for pid in $(ip netns pids "$namespace" 2>/dev/null); do
		kill -KILL "$pid" 2>/dev/null
	done
	ip netns del "$namespace" 2>/dev/null
done <"$folder/namespaces"
# A daemon that was killed leaves its kill switch pinned, as it should; the story's instances are over.
while read -r instance; do
	case $instance in
	e2e-*) rm -rf "/sys/fs/bpf/picket/${instance:?}" ;;
	esac
done < <(sed -n 's/^instance: //p' "$folder/picket.yaml" 2>/dev/null)
if [ "$story" != now ]; then
	rm -rf "${folder:?}"
fi
exit 0
