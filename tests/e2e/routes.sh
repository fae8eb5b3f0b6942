#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "routes are learned, outlive a restart, and are held against an OpenAPI file; a scanner leaves none"
net_up
nginx_up 'location /scan { return 404; } location = /api/v1/login { return 401; }'
picket_up
events_start

URL=http://$S4:$PORT
get() { # GLOB [CURL-ARGUMENT...]
	local url=$1
	shift
	in_c curl -s -m 20 -A routes/1 "$@" "$URL$url" >/dev/null || fail "no answer to $url"
}
uuid=0f8fad5b-d9cb-469f-a165-70867728

# Of requests after the tenth: route of the event by url.path.
route_of() { # PATH
	events_of http.request | jq -r --arg p "$1" 'select(."url.path" == $p) | ."http.route" // "none"' | tail -n 1
}
seen() { # PATH
	events_of http.request | jq -e --arg p "$1" 'select(."url.path" == $p)' >/dev/null
}
listed() { pk routes --json | jq -r '.method + " " + .route' | sort; }

get '/api/v1/users/[1-40]'
get "/api/v1/users/[1-40]/orders/${uuid}[1000-1039]"
get '/api/v1/health?n=[1-20]'
get '/reports/2026-01-[01-31]'
get '/api/v1/users/[1-20]' -X DELETE
# As a scanner does: hundreds of paths, each once, and one of them again and again.
get '/scan[1000-1400]/admin.php'
get '/scan/wp-login.php?n=[1-30]'
# Something secret in a path, used often.
get '/hooks/T0KENabcdEFGH5678ijklMNOP?n=[1-30]'
get '/api/v1/users/90001'
wait_until 10 "the last of it is seen" seen /api/v1/users/90001
# Whatever its answer, an event waits for it no longer than two seconds.
wait_until 10 "routes are known" bash -c "'$PICKET_BIN' routes --json | grep -q '\"/hooks/{token}\"'"
listed >"$DIR/listed"
cat >"$DIR/expected" <<-LIST
	DELETE /api/v1/users/{id}
	GET /api/v1/health
	GET /api/v1/users/{id}
	GET /api/v1/users/{id}/orders/{id}
	GET /hooks/{token}
	GET /reports/{date}
LIST
same_file "templates" "$DIR/expected" "$DIR/listed"
tell "values by their looks, words when proved, and nothing of 431 requests of a scanner"
equal "route of a user's event" "/api/v1/users/{id}" "$(route_of /api/v1/users/90001)"
equal "route of an order's event" "/api/v1/users/{id}/orders/{id}" "$(route_of "/api/v1/users/40/orders/${uuid}1039")"
equal "route of a scanner's event" none "$(route_of /scan1400/admin.php)"
at_least "requests counted" 31 "$(pk routes --json | jq -r 'select(.method == "GET" and .route == "/api/v1/users/{id}").requests')"
if [ "$(events_of http.request | jq -r 'select(."http.response.status_code" != null) | 1' | head -n 1)" = 1 ]; then
	at_least "answers counted" 20 "$(pk routes --json | jq -r 'select(.method == "GET" and .route == "/api/v1/users/{id}").statuses."2xx"')"
	tell "answers are counted by their class"
fi
pk routes >"$DIR/table"
grep -q '^GET  *  /api/v1/users/{id}  *10.77.0.1' "$DIR/table" || fail "the table lacks a line: $(cat "$DIR/table")"
grep -q T0KEN "$DIR/table" && fail "a secret stands in the table"

# A restart: known with the first request.
before=$(pk routes --json | jq -r 'select(.method == "GET" and .route == "/api/v1/users/{id}").requests')
picket_down
[ -s "$DIR/state/routes.0" ] || [ -s "$DIR/state/routes.1" ] || fail "nothing was kept"
equal "mode of the file" 600 "$(stat -c %a "$DIR/state/routes.0")"
grep -q T0KEN "$DIR/state/routes.0" "$DIR/state/routes.1" && fail "a secret was kept"
picket_up
listed >"$DIR/listed"
same_file "templates after a restart" "$DIR/expected" "$DIR/listed"
equal "requests after a restart" "$before" "$(pk routes --json | jq -r 'select(.method == "GET" and .route == "/api/v1/users/{id}").requests')"
events_start
get /api/v1/users/777
wait_until 10 "the first request after the restart" seen /api/v1/users/777
equal "route of the first request" "/api/v1/users/{id}" "$(route_of /api/v1/users/777)"
tell "both outlive a restart"

# The sensor dies, another takes its place: what was saved by then is there. A file that was damaged is told.
picket_down
printf 'x' | dd of="$DIR/state/routes.0" bs=1 seek=120 conv=notrunc 2>/dev/null
printf 'x' | dd of="$DIR/state/routes.1" bs=1 seek=120 conv=notrunc 2>/dev/null
picket_up
grep -q 'what was kept of routes is damaged' "$DIR/picket.log" || fail "a damaged file was not told"
equal "routes after that" 0 "$(pk routes --json | wc -l)"
tell "damaged files are told, and learning begins anew"
picket_down

# With a description of the API.
cat >"$DIR/api.yaml" <<-API
	openapi: 3.1.0
	info: {title: story, version: "1"}
	servers: [{url: "https://api.example.com/api/v1"}]
	paths:
	  /users/{userId}:
	    get: {}
	  /users/me:
	    get: {}
	  /health:
	    get: {}
	    bad
API
picket_config "api: {openapi: $DIR/api.yaml}"
exits 2 "$PICKET_BIN" config check "$DIR/picket.yaml"
grep -q "$DIR/api.yaml:1[0-9]: " "$DIR/err" || fail "the fault has no line: $(cat "$DIR/err")"
sed -i '/bad/d' "$DIR/api.yaml"
exits 0 "$PICKET_BIN" config check "$DIR/picket.yaml"
picket_up "api: {openapi: $DIR/api.yaml}"
events_start
get /api/v1/users/7
get /api/v1/users/me
get /api/v1/users/7 -X DELETE
get '/internal/debug/[1-12]'
wait_until 10 "all of these" seen /internal/debug/12
documented() { # PATH METHOD
	events_of http.request | jq -r --arg p "$1" --arg m "$2" \
		'select(."url.path" == $p and ."http.request.method" == $m) | "\(."http.route" // "none") \(."picket.route.documented")"' | tail -n 1
}
equal "a described request" "/api/v1/users/{userId} true" "$(documented /api/v1/users/7 GET)"
equal "literal text before a parameter" "/api/v1/users/me true" "$(documented /api/v1/users/me GET)"
equal "a method that is not described" "/api/v1/users/{userId} false" "$(documented /api/v1/users/7 DELETE)"
equal "a route that is not described" "none false" "$(documented /internal/debug/1 GET)"
undocumented() { pk routes --undocumented --json | jq -r '.method + " " + .route' | sort | tr '\n' ','; }
wait_until 10 "both are listed" bash -c "[ \"\$('$PICKET_BIN' routes --undocumented --json | wc -l)\" -ge 2 ]"
equal "undocumented" "DELETE /api/v1/users/{userId},GET /internal/debug/{id}," "$(undocumented)"
equal "described, never asked for" 0 "$(pk routes --json | jq -r 'select(.route == "/api/v1/health").requests')"
tell "one route and one method that the OpenAPI file does not have"
picket_down
