#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fetch.sh NAME: one kernel of kernels.txt, from Debian's packages, kept for the next time. Prints its folder, which
# holds vmlinuz, modules.cpio (an initrd with /mod/*.ko) and package (what it came from).
#
# The ordinary apt client with a state of its own: the machine's set-up is only read (its mirrors and keys), never
# changed. Nothing is asked when the kernel is there already.
#
# In:   PICKET_KERNEL_CACHE (default ~/.cache/picket-kernels)
# Exit: 77 when the kernel cannot be had, and why on stderr.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
name=${1:?usage: fetch.sh NAME}
cache=${PICKET_KERNEL_CACHE:-${HOME:-/root}/.cache/picket-kernels}
out=$cache/$name

# Loaded in this order; what a kernel has built in is missing and not missed.
modules="inet_diag tcp_diag veth sch_ingress cls_bpf"

no() {
	echo "kernel $name cannot be had: $*" >&2
	exit 77
}

if [ -s "$out/vmlinuz" ] && [ -s "$out/modules.cpio" ]; then
	echo "$out"
	exit 0
fi
read -r suites pattern < <(awk -v n="$name" '$1 == n { print $2, $3 }' "$here/kernels.txt") || true
[ -n "${pattern:-}" ] || no "kernels.txt does not name it"
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || no "Debian on amd64 is needed"
for tool in apt-get dpkg-deb cpio xz; do
	command -v "$tool" >/dev/null 2>&1 || no "$tool is not installed"
done

# Where this machine's own apt finds Debian: the same mirror serves the neighbouring releases, which it need not use.
mirrors_of() { # SUITE
	local kind=main
	case $1 in *-security) kind=security ;; esac
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 2>/dev/null |
		awk -v kind="$kind" '
			$2 != "main" || $1 !~ /^(bullseye|bookworm|trixie|forky|sid|stable|testing)(-[a-z]+)?$/ { next }
			(kind == "security") == ($1 ~ /-security$/) && !seen[$3]++ { print $3 }'
}

mkdir -p "$cache"
work=$(mktemp -d "$cache/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkdir -p "$work"/{lists/partial,archives/partial,deb,tree,root/mod}

# Prints the newest package of SUITE at MIRROR that fits; leaves apt's configuration for it in $work/conf.
package_of() { # SUITE MIRROR
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $2 $1 main" >"$work/list"
	cat >"$work/conf" <<-CONF
		Dir::State::lists "$work/lists";
		Dir::State::status "/var/lib/dpkg/status";
		Dir::Cache "$work";
		Dir::Etc::sourcelist "$work/list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Acquire::Languages "none";
		Acquire::Retries "2";
		Acquire::http::Timeout "30";
		APT::Sandbox::User "root";
	CONF
	APT_CONFIG=$work/conf apt-get -qq update >"$work/log" 2>&1 || return 0
	APT_CONFIG=$work/conf apt-cache search -n "^linux-image-$pattern-cloud-amd64\$" |
		cut -d' ' -f1 | sort -V | tail -n 1
}

package=
for suite in ${suites//,/ }; do
	for mirror in $(mirrors_of "$suite"); do
		package=$(package_of "$suite" "$mirror")
		[ -z "$package" ] || break 2
	done
done
[ -n "$package" ] || no "none of the suites $suites offers it here$(sed -n 's/^E: /; /p' "$work/log" 2>/dev/null | head -n 1)"

export APT_CONFIG=$work/conf

# Since 7.0 linux-image-* is a shell around two others.
wanted=$package
if apt-cache depends "$package" | grep -q 'linux-modules-'; then
	version=${package#linux-image-}
	wanted="linux-binary-$version linux-modules-$version"
fi
# shellcheck disable=SC2086
(cd "$work/deb" && apt-get -qq download $wanted >"$work/log" 2>&1) ||
	no "its download failed: $(tail -n 1 "$work/log")"

for deb in "$work"/deb/*.deb; do
	set --
	for module in $modules; do
		set -- "$@" "$module.ko*"
	done
	# tar ends with 2 where a pattern matched nothing: each package holds only a part.
	dpkg-deb --fsys-tarfile "$deb" |
		tar -x -C "$work/tree" --wildcards --no-anchored 'vmlinuz*' "$@" 2>/dev/null || true
done
kernel=$(find "$work/tree" -type f -name 'vmlinuz*' | head -n 1)
[ -n "$kernel" ] || no "$package holds no vmlinuz"
order=10
for module in $modules; do
	order=$((order + 1))
	file=$(find "$work/tree" -type f -path '*/kernel/*' -name "$module.ko*" | head -n 1)
	to=$work/root/mod/$order-$module.ko
	case $file in
	*.xz) xz -dc "$file" >"$to" ;;
	*.zst) zstd -qdc "$file" >"$to" ;;
	*.ko) cp "$file" "$to" ;;
	esac
done

mkdir -p "$work/done"
(cd "$work/root" && find mod | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >"$work/done/modules.cpio"
cp "$kernel" "$work/done/vmlinuz"
(cd "$work/deb" && echo "$package:" *.deb) >"$work/done/package"
rm -rf "$out"
mv -T "$work/done" "$out" 2>/dev/null || [ -s "$out/vmlinuz" ] # another run may have been quicker
echo "$out"
