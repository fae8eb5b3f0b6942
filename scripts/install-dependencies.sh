#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that building, testing or the demo needs, and only those that are missing.
#
#     sudo scripts/install-dependencies.sh [build] [test] [demo] [bench] [quality] [browser] [opinion]      (default: build)
#
# No service is started and none stays enabled: nginx and haproxy are used as programs, in namespaces of our own.
# PICKET_NO_INSTALL=1 skips everything. Exit 3: root is needed.
set -eu

BUILD="cmake ninja-build gcc libc6-dev linux-libc-dev pkg-config clang llvm bpftool libbpf-dev libelf-dev zlib1g-dev libdeflate-dev libzstd-dev
	libcurl4-openssl-dev libcjson-dev libssl-dev libmicrohttpd-dev libyaml-dev libcap-ng-dev libseccomp-dev
	libpcre2-dev libsqlite3-dev libpcap0.8-dev libncurses-dev libcmocka-dev"
DEMO="iproute2 util-linux procps curl jq nginx-light haproxy"
TEST="$DEMO clang-format clang-tidy libclang-rt-14-dev shellcheck nghttp2-client apache2-utils hping3 tcpdump
	python3 python3-cryptography python3-scapy python3-yaml python3-jsonschema openssl qemu-system-x86 busybox-static cpio xz-utils
	node-llhttp mandoc zsh fish ca-certificates libmodsecurity-dev modsecurity-crs"
# A real Portkey and a real llama.cpp come by npm, each story's by its lockfile into the build tree; a node of another origin brings its
# own npm, and does not go together with Debian's. llama.cpp's package wants node 20, and is built for x86-64: with Debian's 18, or
# elsewhere, e2e/mad-model is skipped by name.
command -v npm >/dev/null || TEST="$TEST nodejs npm"
BENCH="$DEMO libhyperscan-dev wrk bpftool nftables ipset iptables xdp-tools syslog-ng-core syslog-ng-mod-http openssl"
# Attackers and users of tests/quality. A browser is a group of its own: half a gigabyte.
QUALITY="$DEMO sqlmap wapiti nmap ffuf gobuster hydra slowhttptest hping3 wrk nghttp2-client wget python3"
BROWSER="chromium"
# Optional when building: second_opinion.
OPINION="libmodsecurity-dev modsecurity-crs"

if [ "${PICKET_NO_INSTALL:-0}" = 1 ]; then
	exit 0
fi

# Peers of tests that are not installed: their maintainer scripts would register at a service, and start one. Debian's package is
# unpacked beside the system; where it cannot be had, the stories that need it are skipped by name.
PEERS=${PICKET_PEERS:-/var/cache/picket-peers}
fetch_peers() {
	local new=$PEERS/.new
	if [ -x "$PEERS/crowdsec/usr/bin/crowdsec" ] || [ "$(id -u)" != 0 ]; then return 0; fi
	rm -rf "$new"
	if mkdir -p "$new/root" && chmod 755 "$PEERS" && (cd "$new" && apt-get -qq download crowdsec >/dev/null 2>&1) &&
		dpkg-deb -x "$new"/crowdsec_*.deb "$new/root" 2>/dev/null; then
		rm -rf "$PEERS/crowdsec"
		mv "$new/root" "$PEERS/crowdsec"
	else
		echo "Debian's package crowdsec cannot be had: the stories with a real LAPI are skipped."
	fi
	rm -rf "$new"
}

wanted=
for part in "${@:-build}"; do
	case $part in
	build) wanted="$wanted $BUILD" ;;
	test) wanted="$wanted $BUILD $TEST" ;;
	demo) wanted="$wanted $DEMO" ;;
	bench) wanted="$wanted $BUILD $BENCH" ;;
	quality) wanted="$wanted $QUALITY" ;;
	opinion) wanted="$wanted $OPINION" ;;
	browser) wanted="$wanted $BROWSER" ;;
	*)
		echo "usage: $0 [build] [test] [demo] [bench]" >&2
		exit 2
		;;
	esac
done

installed() {
	# "Status: install ok installed", whatever the architecture suffix.
	dpkg-query -W -f '${Status}\n' "$1" 2>/dev/null | grep -q '^install ok installed'
}

missing=
for package in $wanted; do
	case " $missing " in *" $package "*) continue ;; esac
	installed "$package" || missing="$missing $package"
done
case " $* " in
*" test "*) peers=1 ;;
*) peers= ;;
esac
if [ -z "$missing" ]; then
	if [ -n "$peers" ]; then fetch_peers; fi
	exit 0
fi
if [ "$(id -u)" != 0 ]; then
	echo "These packages are missing:$missing" >&2
	echo "Run this as root (sudo $0 $*), or install them and set PICKET_NO_INSTALL=1." >&2
	exit 3
fi

# Maintainer scripts ask policy-rc.d before they start a service. Ours says no, while this script runs; if the host has
# one of its own, that one stays, and what came up all the same is stopped below.
policy=/usr/sbin/policy-rc.d
made_policy=
undo() {
	if [ -n "$made_policy" ]; then
		rm -f "$policy"
	fi
}
trap undo EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\n# Temporary, by picket: no service is started by a package it needs.\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	made_policy=1
fi

export DEBIAN_FRONTEND=noninteractive
apt="apt-get -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0"
echo "Installing:$missing"
log=$(mktemp)
# The lists of a fresh system are empty; those of an old one name packages that are gone.
if ! $apt update >"$log" 2>&1; then
	cat "$log" >&2
fi
# shellcheck disable=SC2086
if ! $apt install -y --no-install-recommends $missing >"$log" 2>&1; then
	tail -n 30 "$log" >&2
	rm -f "$log"
	echo "Debian's packages could not be installed; the lines above say why." >&2
	exit 1
fi
rm -f "$log"

# What we brought must not come up at the next boot either. What the host already had is left as it was.
for service in nginx haproxy; do
	case " $missing " in
	*" $service "* | *" $service-light "*) ;;
	*) continue ;;
	esac
	if command -v systemctl >/dev/null 2>&1; then
		systemctl -q disable "$service.service" >/dev/null 2>&1 || true
		if [ -d /run/systemd/system ] && [ -z "$made_policy" ]; then
			systemctl -q stop "$service.service" >/dev/null 2>&1 || true
		fi
	elif command -v deb-systemd-helper >/dev/null 2>&1; then
		deb-systemd-helper disable "$service.service" >/dev/null 2>&1 || true
	fi
	if command -v update-rc.d >/dev/null 2>&1; then
		update-rc.d "$service" disable >/dev/null 2>&1 || true
	fi
done

if [ -n "$peers" ]; then fetch_peers; fi
