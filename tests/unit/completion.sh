# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# completion.sh: what all shells have to offer. The including file has the function offered LINE, which prints the words
# that are offered at the end of it, sorted, a blank behind each; $picket is the program.
fail() {
	echo "FAILED: $*"
	exit 1
}
offers() { # LINE WORD...
	local line=$1 got
	shift
	got=$(offered "$line")
	[ "$got" = "${*:+$* }" ] || fail "\"$line\": expected \"$*\", got \"$got\""
}
offers_also() { # LINE WORD...
	local line=$1 got word
	shift
	got=$(offered "$line")
	for word; do
		case " $got" in *" $word "*) ;; *) fail "\"$line\": $word is not in \"$got\"" ;; esac
	done
}
offers_never() { # LINE WORD
	case " $(offered "$1")" in *" $2 "*) fail "\"$1\": $2 is offered" ;; esac
}

offers 'picket unb' unblock
offers 'picket st' status
offers 'picket --json unb' unblock
offers 'picket --control /x unb' unblock
offers_also 'picket ' run block config help
offers_also 'picket --' --json --control --version
offers 'picket block 192.0.2.7 --sc' --scope
offers_also 'picket block 192.0.2.7 --' --ttl --reason --scope --action --confirm --json
offers_never 'picket block 192.0.2.7 --' --follow
offers 'picket block 192.0.2.7 --scope ' host ports
offers 'picket block 192.0.2.7 --scope=ho' host
offers 'picket block --action s' shadow
offers 'picket block --reason mode --sc' --scope
offers 'picket mode ' approve enforce observe
offers 'picket --instance config mode a' approve
offers 'picket run -m e' enforce
offers 'picket run --mode e' enforce
offers_also 'picket run -i ' lo
offers 'picket config ' check redact schema show
offers 'picket config show --or' --origin
offers_also 'picket config redact ' forget-keys keys rotate-key
offers 'picket config redact rotate-key --ke' --keep
offers 'picket proxies t' trust
offers 'picket gateway ' list test
offers 'picket help unb' unblock
offers 'picket completion ' bash fish live zsh
offers 'picket status x'
echo "held: commands, their parts, options and their values"
offers_also 'picket events --name http.anomaly,tcp.h' http.anomaly,tcp.header
echo "held: several values by comma"

folder=$(mktemp -d "${TMPDIR:-/tmp}/picket-completion.XXXXXX")
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
PATH=$folder:$PATH
# shellcheck disable=SC2154 # of the including file
ln -s "$picket" picket
: >capture.pcap
offers_also 'picket replay cap' capture.pcap
offers_also 'picket run --config cap' capture.pcap
offers 'picket status cap'
echo "held: files where files are wanted"
offers 'picket unblock '
offers 'picket proxies trust 19'
rm picket
# A picket that plays an answer of the daemon's.
cat >picket <<'PLAYED'
#!/bin/sh
[ "$1 $2" = "completion live" ] || exit 9
case $3 in
blocked) printf '%s\n' 192.0.2.7 2001:db8::7 198.51.100.0/24 ;;
pending) echo 12 ;;
peers) [ "$4 $5" != "--instance two" ] || echo 203.0.113.2 ;;
esac
PLAYED
chmod +x picket
offers 'picket unblock 19' 192.0.2.7 198.51.100.0/24
offers 'picket why ' 192.0.2.7 198.51.100.0/24 2001:db8::7
offers 'picket approve ' 12
offers 'picket --instance two proxies trust 20' 203.0.113.2
offers 'picket proxies trust 20'
echo "held: what the daemon knows, of the instance that the line names; nothing without one"
