#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# Signatures from the configuration to `picket why`: what is shown of an attack, exceptions by route, what is switched off, levels, a file of one's own.
. "$(dirname "$0")/lib.sh"
story "an attack is shown by its form and never by its secrets; exceptions hold on their route alone, and a level finds what it says"
net_up
nginx_up
cat >"$DIR/own.yaml" <<-'YAML'
	signatures:
	  - id: debug-switch
	    name: the debug switch that only we know
	    category: command
	    severity: critical
	    where: [query]
	    words: [__debug]
	    regex: ['(?:^|=)__debug\b']
	    matches: ["__debug=1"]
	    passes: ["debug=1"]
YAML
settings() { # PARANOIA
	cat <<-YAML
		mode: enforce
		signatures:
		  paranoia: $1
		  files: [$DIR/own.yaml]
		  disabled: [orm-filter]
		  exceptions:
		    - /search/{id} sqli xss-handler
		    - /admin/query all
	YAML
}
# As shipped, and not as stories have it, which keep queries: what is kept of a match is redaction's.
picket_config "$(settings 1)"
sed -i '/^redact:/,/^  query: keep/d' "$DIR/picket.yaml"
picket_again
events_start
ask() { in_c curl -g -s -o /dev/null -m 5 --interface "$1" -A curl/8 "http://$S4:$PORT$2"; } # SOURCE TARGET
found() { # TARGET: ids that were found in the request for it
	events_of http.request '."user_agent.original" == "curl/8"' | jq -r --arg n "$1" \
		'select(."url.path" | startswith($n)) | ."picket.signature.id" // [] | join(" ")' | tail -n 1
}

# What is excepted, on its route and not on another; what nothing is found in.
ask $C4 "/search/7?q=1%27%20union%20select%20name%20from%20users--"
ask $C4 "/admin/query?q=%3Cscript%3Ealert(1)%3C/script%3E%27%20or%201=1--"
ask $C4 "/plain?a=1!=11"
ask $C4 "/login?JSESSIONID=1a2b3c"
wait_until 10 "requests are seen" events_reach http.request 4
equal "found where SQL is excepted" "" "$(found /search/7)"
equal "found where all is" "" "$(found /admin/query)"
equal "found at level 1 where level 2 is asked for" "" "$(found /plain)"
equal "blocks by what is excepted" 0 "$(blocked_count)"
at_least "hits that an exception took out" 2 "$(status_of .detection.signatures.excepted)"
tell "exceptions by category and by route, counted"

# What counts on any other route is in the event, in the reason, and nowhere in the clear.
ask $C4 "/find/7?q=hunter2secret%27%20union%20select%20hunter2secret,2%20from%20hunter2users--" || true
wait_until 10 "it is blocked" is_blocked $C4
equal "ids" true "$(events_of http.request '."picket.signature.id"' | jq -s 'any(."picket.signature.id" | index("sql-union"))')"
pk why $C4 >"$DIR/why" || true
grep -q 'sql-[a-z-]* in query: .*select {text}' "$DIR/why" || fail "why does not show the form: $(cat "$DIR/why")"
for kept in "$DIR/why" "$DIR/picket.log" "$DIR/picket.out"; do
	if grep -q hunter2 "$kept"; then fail "a word that was sent stands in ${kept##*/}"; fi
done
events_of http.request '."picket.signature.id"' >"$DIR/told"
grep -q hunter2 "$DIR/told" && fail "a word that was sent stands in the event: $(cat "$DIR/told")"
tell "picket why: $(grep -o 'sql-[a-z-]* in query.*' "$DIR/why" | head -n 1)"
ask $D4 "/x?__debug=1" || true
wait_until 10 "what a file of one's own has a signature for" is_blocked $D4
pk why $D4 | grep -q 'debug-switch in query' || fail "why does not name the own signature"
tell "a signature of one's own, from a file"
for target in $C4 $D4; do pk unblock "$target" >/dev/null; done

picket_down
sed -i 's/^  paranoia: 1/  paranoia: 2/' "$DIR/picket.yaml"
picket_again
events_start
ask $C4 "/plain?a=1!=11" || true
level_2() { [ "$(found /plain)" = sql-unequal-values ]; }
wait_until 10 "found at level 2" level_2
tell "level 2 finds 1!=11, level 1 did not"
