# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# clients.sh: who plays in tests/quality. For quality.sh, which gives bounded, SHOP, SECONDS_EACH, FORM and HERE.
#
# Classes of attackers: what they do. Class "benign" are all others. Attackers say nothing of themselves where a tool can be told
# so: their User-Agents are browsers', for who is found by a name is found by everybody.
# Phases come one after the other: floods take the processors from whoever plays beside them, and what is said of all sources
# together is said once for two floods.

# name number class phase programs
# shellcheck disable=SC2034
CLIENTS='
sqlmap          101 injection   1 sqlmap
sqlmap-path     102 injection   1 sqlmap
wapiti          103 injection   1 wapiti
injector        104 injection   1
nmap            105 scan        1 nmap
ffuf            106 scan        1 ffuf
gobuster        107 scan        1 gobuster
prober          108 scan        1
hydra           109 credentials 1 hydra
stuffer         110 credentials 1
bola            111 objects     1
slow-headers    112 slow        1 slowhttptest
slow-body       113 slow        1 slowhttptest
slow-read       114 slow        1 slowhttptest
syn-flood       121 flood       3 hping3
syn-flood-forged 122 flood      2 hping3
xmas-scan       123 flood       3 hping3
http-flood      124 flood       3 wrk
mobile           11 benign      1
ci               12 benign      1
nat              13 benign      1
monday           14 benign      1
words            15 benign      1
health           16 benign      1
catalogue        17 benign      1
crawler          18 benign      1 wget
browser          19 benign      1 chromium
h2load           20 benign      1 h2load
wrk              21 benign      1 wrk
'
# Patience: what is over before the short form has begun to show it.
# shellcheck disable=SC2034
LONG_ONLY='monday slow-body'

CHROME='Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36'
FIREFOX='Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0'

# Names of files and folders that others may have left: nmap's list, else sqlmap's.
word_list() {
	local list
	for list in /usr/share/nmap/nselib/data/http-folders.txt /usr/share/sqlmap/data/txt/common-files.txt; do
		if [ -s "$list" ]; then
			sed 's#^/##; /^#/d; /^$/d; s/ /%20/g' "$list" >words
			return
		fi
	done
	printf '%s\n' admin backup cgi-bin config old test private manager phpmyadmin .git .env wp-admin uploads logs dump >words
}

people() { # KIND [PACE]
	bounded $((SECONDS_EACH + 15)) "$PYTHON" "$HERE/people.py" "$1" "$SHOP" "$SECONDS_EACH" ${2:+"$2"}
}

client_command() { # NAME
	local pace=1 some=$SECONDS_EACH
	# People are as slow as they are; in half a minute one sees nothing of it.
	[ "$FORM" = long ] || pace=0.4
	case $1 in
	sqlmap)
		bounded "$some" sqlmap -u "http://$SHOP/api/search?q=lamp" --batch --random-agent --level 2 --timeout 5 --retries 0 \
			--threads 2 --disable-coloring --output-dir "$PWD"
		;;
	sqlmap-path)
		bounded "$some" sqlmap -u "http://$SHOP/api/products/7*" --batch --random-agent --level 1 --timeout 5 --retries 0 \
			--delay 0.1 --ignore-code 400 --disable-coloring --output-dir "$PWD"
		;;
	wapiti)
		# It attacks when it has looked around, which is over soon here, also on a slow machine.
		bounded "$some" wapiti -u "http://$SHOP/shop/1" -d 1 --scope domain --flush-session --no-bugreport -A "$FIREFOX" -m sql,xss,exec,file,crlf,backup \
			--max-scan-time "$some" --max-links-per-page 4 --verify-ssl 0 -t 5 -f txt -o "$PWD/report.txt"
		;;
	nmap)
		bounded "$some" nmap -n -Pn -p "$PORT" --max-retries 1 --script-args "http.useragent=$CHROME" --script \
			"http-enum,http-methods,http-headers,http-sql-injection,http-passwd,http-git,http-config-backup,http-shellshock,http-trace" "$S4"
		;;
	ffuf)
		word_list
		bounded "$some" ffuf -s -u "http://$SHOP/FUZZ" -w words -H "User-Agent: $CHROME" -t 4 -p 0.1
		;;
	gobuster)
		word_list
		bounded "$some" gobuster dir -q -z -u "http://$SHOP/api/" -w words -a "$FIREFOX" -t 4 --timeout 5s --exclude-length 1
		;;
	hydra)
		seq -f 'user%g' 1 40 >users
		printf '%s\n' 123456 password qwerty letmein admin summer2025 >passwords
		bounded "$some" hydra -I -t 4 -L users -P passwords -s "$PORT" "$S4" http-post-form \
			"/login:user=^USER^&password=^PASS^:H=User-Agent\: ${CHROME//:/\\:}:F=denied"
		;;
	slow-headers) bounded "$some" slowhttptest -H -c 60 -r 20 -i 3 -l "$some" -u "http://$SHOP/" ;;
	slow-body) bounded "$some" slowhttptest -B -c 60 -r 20 -i 3 -s 8192 -l "$some" -u "http://$SHOP/api/orders" ;;
	slow-read) bounded "$some" slowhttptest -X -c 60 -r 20 -w 1 -y 8 -z 8 -n 3 -k 3 -l "$some" -u "http://$SHOP/shop/1" ;;
	syn-flood) bounded 5 hping3 -q -S -p "$PORT" -i u500 -c 8000 "$S4" ;;
	syn-flood-forged) bounded 5 hping3 -q -S -p "$PORT" --rand-source -i u500 -c 8000 "$S4" ;;
	xmas-scan) bounded 8 hping3 -q -F -P -U -p "$PORT" -i u10000 -c 300 "$S4" ;;
	http-flood) bounded 8 wrk -t 1 -c 16 -d 4s "http://$SHOP/api/products" ;;
	stuffer | bola | prober | injector) people "$1" "$pace" ;;
	mobile | ci | nat | monday | words | health | catalogue) people "$1" ;;
	crawler)
		bounded "$some" wget -q -r -l 4 --wait 0.15 --random-wait -e robots=on -P "$PWD/site" "http://$SHOP/"
		;;
	browser)
		bounded "$some" chromium --headless --no-sandbox --disable-gpu --disable-background-networking --no-first-run --incognito \
			--user-data-dir="$PWD/profile" --remote-debugging-port=0 "http://$SHOP/app#user40,pw-40-x,700"
		;;
	h2load)
		# A burst as a developer makes to see how fast it is: 1,500 requests, as fast as they go; and once more.
		bounded 20 h2load --h1 -n 1500 -c 20 "http://$SHOP/api/products/7" && sleep $((SECONDS_EACH * 2 / 3)) &&
			bounded 20 h2load --h1 -n 1200 -c 10 "http://$SHOP/api/products/8"
		;;
	wrk) bounded 20 wrk -t 1 -c 4 -d 1s "http://$SHOP/api/products/9" ;;
	esac
}
