#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "each file of examples/gateways is a configuration that loads, and reaches a gateway that behaves as the one it is for"
need openssl
EXAMPLES=$E2E/../../examples/gateways
net_up
export GATEWAY_HEADS=$DIR/heads.jsonl
: >"$GATEWAY_HEADS"
gateway_up
echo ok >"$DIR/mode"
: >"$DIR/model.jsonl"
model() { start_s "$PYTHON" "$E2E/model.py" "$1" "$DIR/model.jsonl" "$DIR/mode" "${@:2}" 2>>"$DIR/model.err"; }
model 9951 "auth=Bearer key-of-the-model"
model 9952 auth=key-of-the-model apipark=1
# What a Lunar proxy does to a request, by this host's own words: the header's host is asked, and hears nothing of x-lunar-*.
cat >"$DIR/lunar.cfg" <<-CFG
	defaults
		mode http
		timeout connect 5s
		timeout client 60s
		timeout server 60s
	frontend lunar
		bind 127.0.0.1:8000
		http-request deny deny_status 401 unless { req.hdr(x-lunar-host) -m found }
		http-request set-dst str(127.0.0.1)
		http-request set-dst-port int(9952) if { req.hdr(x-lunar-host) -m beg apipark }
		http-request set-dst-port int($GATEWAY_PORT) if { req.hdr(x-lunar-host) -m beg analysis } { req.hdr(x-lunar-scheme) https }
		http-request set-header host %[req.hdr(x-lunar-host)]
		http-request del-header x-lunar -m beg
		default_backend upstream
	backend upstream
		server any 0.0.0.0:0
CFG
if command -v haproxy >/dev/null; then start_s haproxy -f "$DIR/lunar.cfg" -db >>"$DIR/lunar.log" 2>&1; fi
mkdir -p "$DIR/etc"
printf 'key-of-the-model\n' | tee "$DIR/etc/openai.key" "$DIR/etc/litellm.key" "$DIR/etc/one-api.key" "$DIR/etc/apipark.key" \
	>"$DIR/etc/analysis.token"
openssl genpkey -algorithm ed25519 -out "$DIR/etc/analysis.key" 2>"$DIR/openssl"
openssl pkey -in "$DIR/etc/analysis.key" -pubout -out "$DIR/etc/analysis.pub" 2>>"$DIR/openssl"
chmod 600 "$DIR/etc/"*.key "$DIR/etc/"*.token

# What is written for a reader's own hosts, for the hosts of this story; nothing else of a file changes. Behind Lunar the url stays.
adapted() { # FILE
	local hosts="s,http://lunar-proxy.example.com:8000,http://127.0.0.1:8000,"
	grep -q 'lunar_url:' "$1" || hosts="s,https*://api.openai.com,http://127.0.0.1:9951,; s,http://[a-z-]*.example.com:\(4000\|3000\|8787\),http://127.0.0.1:9951,
		s,http://apipark.example.com:8099,http://127.0.0.1:9952,"
	sed "s,/etc/picket,$DIR/etc,; $hosts" "$1"
}
asked() { tail -n 1 "$DIR/model.jsonl" | jq -r "$1"; }
form() { asked 'if .body.tools then "tool" else .body.response_format.type // "plain" end'; }

check() { # FILE-NAME MODE PATH [JQ-EXPRESSION EXPECTED]...
	local file=$1 path=$3
	echo "$2" >"$DIR/mode"
	adapted "$EXAMPLES/$file" >"$DIR/picket.yaml"
	grep -v '^ *#' "$DIR/picket.yaml" | grep -q 'example.com\|openai.com' && ! grep -q lunar_url "$DIR/picket.yaml" && fail "$file: a host that is not this story's is left"
	exits 0 pk config check "$DIR/picket.yaml"
	exits 0 in_s "$PICKET_BIN" gateway test -c "$DIR/picket.yaml" --json
	equal "$file: result" "understood taken" "$(jq -r '.result + " " + .situation' "$DIR/out")"
	echo "$file" >>"$DIR/checked-files"
	if [ "$path" = - ]; then return; fi
	equal "$file: path" "$path" "$(asked .path)"
	equal "$file: stream, n, messages" "false 1 2" "$(asked '"\(.body.stream) \(.body.n) \(.body.messages | length)"')"
	shift 3
	while [ $# -gt 0 ]; do
		equal "$file: $1" "$2" "$(asked "$1")"
		shift 2
	done
}
: >"$DIR/checked-files"
check openai.yaml ok /v1/chat/completions .body.model gpt-4o-mini .head.authorization "Bearer key-of-the-model" .body.temperature 0 \
	.body.max_tokens 1024
check litellm.yaml ok /v1/chat/completions .body.model claude-for-picket .head.authorization "Bearer key-of-the-model"
check one-api.yaml ignores /v1/chat/completions .body.tool_choice.function.name verdict
check portkey.yaml ok /v1/chat/completions '.head."x-portkey-provider"' openai '.head."x-portkey-forward-headers"' "idempotency-key, picket-nonce"
for family in openai anthropic mistral llama gemini moonshot; do
	case $family in
	anthropic) mode=ignores model=anthropic/claude-3-5-sonnet-20241022 form=tool ;;
	mistral) mode=form=json_object model=mistralai/mistral-large-latest form=json_object ;;
	moonshot) mode=form=json_object model=moonshot/moonshot-v1-8k form=json_object ;;
	llama) mode=ok model=ollama/llama3.1:8b form=json_schema ;;
	gemini) mode=ok model=google/gemini-1.5-flash form=json_schema ;;
	*) mode=form=json_schema model=openai/gpt-4o-mini form=json_schema ;;
	esac
	check apipark-$family.yaml $mode /ai-picket/chat/completions .body.model $model .head.authorization key-of-the-model
	equal "apipark-$family.yaml: form" $form "$(form)"
	equal "apipark-$family.yaml: who answered" $model "$(jq -r .model "$DIR/out")"
done
tell "every provider: found, understood, with the key, model and form of JSON that it takes"

if command -v haproxy >/dev/null; then
	check apipark-through-lunar.yaml ok /ai-picket/chat/completions .head.host apipark.example.com:8099 .head.authorization key-of-the-model \
		'.head | keys | map(select(startswith("x-lunar"))) | length' 0
	check lunar.yaml ok -
	equal "lunar.yaml: at the gateway" "POST /v1/events HTTP/1.1 analysis.example.com Bearer key-of-the-model" \
		"$(tail -n 1 "$GATEWAY_HEADS" | jq -r '.[""] + " " + .host + " " + .authorization')"
	tell "through Lunar: the gateway is found by x-lunar-host, and hears nothing of that"
else
	printf 'apipark-through-lunar.yaml\nlunar.yaml\n' >>"$DIR/checked-files"
	say "  not tried, haproxy is not installed: lunar.yaml, apipark-through-lunar.yaml"
fi

# A key that is sent as others want it is refused, and said so.
adapted "$EXAMPLES/apipark-openai.yaml" | sed 's/profile: apipark /profile: openai /' >"$DIR/picket.yaml"
exits 1 in_s "$PICKET_BIN" gateway test -c "$DIR/picket.yaml" --json
equal "APIPark with a Bearer key" apipark_key "$(jq -r .situation "$DIR/out")"

# No file without a place in this story; crowdsec.yaml has its own.
find "$EXAMPLES" -name '*.yaml' ! -name 'crowdsec*' -printf '%f\n' | sort >"$DIR/files"
sort "$DIR/checked-files" | same_file "files of examples/gateways" "$DIR/files" /dev/stdin
tell "no example is left out"
