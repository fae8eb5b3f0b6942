#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "what a gateway answers, and how late its verdicts are, is counted; on loopback as well, and nowhere else"
net_up
nginx_up
gateway_up
METRICS_PORT=9464
picket_up "mode: enforce
metrics:
  port: $METRICS_PORT
$(gateway_yaml)"
metric() { in_s curl -s -m 5 "http://127.0.0.1:$METRICS_PORT/metrics" | sed -n "s/^$1 //p"; }

in_c curl -s -o /dev/null -m 5 "http://$S4:$PORT/one"
answered() { [ "$(metric 'picket_gateway_answers_total{gateway="test",class="2xx"}')" -ge 1 ]; }
wait_until 10 "an answer is counted" answered
equal "verdicts before there was one" 0 "$(metric 'picket_gateway_verdict_seconds_count{gateway="test"}')"

printf '503\n\n' >"$DIR/answers/1.answer"
printf '200\napplication/json\n{"verdicts":[{"action":"block","target":{"scope":"ip","value":"%s"},"ttl_s":60,"confidence":1}]}' $D4 >"$DIR/answers/2.answer"
in_c curl -s -o /dev/null -m 5 --interface $D4 "http://$S4:$PORT/two"
wait_until 10 "the verdict is in force" is_blocked $D4
equal "answers 503" 1 "$(metric 'picket_gateway_answers_total{gateway="test",class="5xx"}')"
equal "verdicts" 1 "$(metric 'picket_gateway_verdict_seconds_count{gateway="test"}')"
# It came with the second attempt, after a rest of up to 250 ms, and the batch waits 100.
equal "verdicts within ten seconds" 1 "$(metric 'picket_gateway_verdict_seconds_bucket{gateway="test",le="10"}')"
equal "verdicts within ten milliseconds" 0 "$(metric 'picket_gateway_verdict_seconds_bucket{gateway="test",le="0.01"}')"
equal "the same by the API" 1 "$(pk gateway list --json | jq .verdict_time.count)"
tell "answers by class, and the time from event to verdict: $(pk gateway list --json | jq .verdict_time.mean_us) us"

equal "the same families on both" "$(pk metrics | grep -c '^# TYPE')" "$(in_s curl -s -m 5 "http://127.0.0.1:$METRICS_PORT/metrics" | grep -c '^# TYPE')"
equal "another path" 404 "$(in_s curl -s -o /dev/null -w '%{http_code}' -m 5 "http://127.0.0.1:$METRICS_PORT/v1/status")"
in_c curl -s -o /dev/null -m 2 "http://$S4:$METRICS_PORT/metrics" && fail "metrics are served to the network"
tell "on 127.0.0.1 only, and nothing but metrics"
picket_down
