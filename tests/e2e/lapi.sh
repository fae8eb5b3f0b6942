# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# lapi.sh: a real CrowdSec LAPI for a story, private and offline: no agent, no central API, its files in $DIR/lapi, on
# loopback of the server's namespace. Sourced behind lib.sh.
#
# Its program is that of this host, or what scripts/install-dependencies.sh laid into $PICKET_PEERS (Debian's package,
# unpacked and not installed: its maintainer scripts would register at a service and start one). Without it a story is skipped.

: "${PICKET_PEERS:=/var/cache/picket-peers}"
LAPI_PORT=18080
LAPI_URL=http://127.0.0.1:$LAPI_PORT

lapi_find() {
	local root
	for root in "$PICKET_PEERS/crowdsec" ""; do
		if [ -x "$root/usr/bin/crowdsec" ] && [ -x "$root/usr/bin/cscli" ]; then
			LAPI_ROOT=$root
			return
		fi
	done
	skip "no crowdsec: scripts/install-dependencies.sh test unpacks it into $PICKET_PEERS"
}

# As cscli of that LAPI.
cs() { in_s "$LAPI_ROOT/usr/bin/cscli" -c "$DIR/lapi/config.yaml" "$@" 2>>"$DIR/lapi/cscli.log"; }

lapi_answers() { in_s curl -s -o /dev/null -m 2 "$LAPI_URL/v1/decisions"; }

lapi_make() {
	local at=$DIR/lapi
	lapi_find
	mkdir -p "$at/data" "$at/hub" "$at/notifications" "$at/plugins"
	cp "$LAPI_ROOT/etc/crowdsec/profiles.yaml" "$LAPI_ROOT/etc/crowdsec/simulation.yaml" "$at/"
	echo '{}' >"$at/hub/.index.json"
	: >"$at/creds.yaml"
	cat >"$at/config.yaml" <<-CONF
		common: {daemonize: false, log_media: stdout, log_level: info, working_dir: .}
		config_paths:
		  config_dir: $at/
		  data_dir: $at/data/
		  simulation_path: $at/simulation.yaml
		  hub_dir: $at/hub/
		  index_path: $at/hub/.index.json
		  notification_dir: $at/notifications/
		  plugin_dir: $at/plugins/
		crowdsec_service: {enable: false}
		cscli: {output: human, color: "no"}
		db_config: {log_level: info, type: sqlite, db_path: $at/data/crowdsec.db, use_wal: true}
		api:
		  client: {insecure_skip_verify: false, credentials_path: $at/creds.yaml}
		  server:
		    enable: true
		    log_level: info
		    listen_uri: 127.0.0.1:$LAPI_PORT
		    profiles_path: $at/profiles.yaml
		    console_path: $at/console.yaml
		    trusted_ips: [127.0.0.1]
		prometheus: {enabled: false}
	CONF
	cs machines add story --password story-password-1 --force -f "$at/creds.yaml" -u "$LAPI_URL" >/dev/null ||
		fail "cscli cannot add a machine: $(cat "$at/cscli.log")"
	cs machines add picket --password picket-password-1 -f "$at/other.yaml" -u "$LAPI_URL" >/dev/null
	(umask 077 && printf picket-password-1 >"$at/password")
}

lapi_start() {
	start_s "$LAPI_ROOT/usr/bin/crowdsec" -c "$DIR/lapi/config.yaml" -no-cs >>"$DIR/lapi/lapi.log" 2>&1
	LAPI_PID=$!
	wait_until 30 "the LAPI answers" lapi_answers
}

lapi_stop() {
	kill -TERM "$LAPI_PID" 2>/dev/null || true
	wait_until 15 "the LAPI ends" gone "$LAPI_PID"
}

# The LAPI, and the key of a bouncer in $DIR/lapi/key.
lapi_up() {
	lapi_make
	lapi_start
	(umask 077 && cs bouncers add picket -o raw | tail -n 1 >"$DIR/lapi/key")
	[ -s "$DIR/lapi/key" ] || fail "cscli made no key: $(cat "$DIR/lapi/cscli.log")"
}

# As a gateway of picket's configuration; more keys in braces' style: "interval: 1s, scope: host".
lapi_gateway() { # [KEYS]
	printf 'gateways:\n  - {name: local, protocol: local}\n  - {name: crowdsec, protocol: crowdsec, url: "%s", token_file: %s%s}\n' \
		"$LAPI_URL" "$DIR/lapi/key" "${1:+, $1}"
}
