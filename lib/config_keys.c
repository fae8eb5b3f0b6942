// SPDX-License-Identifier: Apache-2.0
#include "lib/config_keys.h"
#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "lib/event.h"
#include "lib/util.h"

static const struct config_choice modes[] = {
	{"observe", MODE_OBSERVE}, {"approve", MODE_APPROVE}, {"enforce", MODE_ENFORCE}, {NULL, 0}};
static const struct config_choice levels[] = {
	{"error", LOG_ERROR}, {"warning", LOG_WARNING}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}, {NULL, 0}};
static const struct config_choice formats[] = {{"logfmt", LOG_LOGFMT}, {"json", LOG_JSON}, {NULL, 0}};
static const struct config_choice packet_modes[] = {{"auto", PACKET_AUTO},
						    {"xdp-native", PACKET_XDP_NATIVE},
						    {"xdp-generic", PACKET_XDP_GENERIC},
						    {"tc", PACKET_TC},
						    {"off", PACKET_OFF},
						    {NULL, 0}};
static const struct config_choice receives[] = {
	{"auto", RECEIVE_AUTO}, {"off", RECEIVE_OFF}, {"kprobe", RECEIVE_KPROBE}, {NULL, 0}};
static const struct config_choice packets[] = {
	{"off", CAPTURE_PACKETS_OFF}, {"forwarded", CAPTURE_PACKETS_FORWARDED}, {NULL, 0}};
static const struct config_choice encapsulations[] = {
	{"ipip", CAPTURE_IPIP}, {"gre", CAPTURE_GRE}, {"vxlan", CAPTURE_VXLAN}, {NULL, 0}};
static const struct config_choice sources[] = {
	{"auto", CAPTURE_AUTO}, {"ring", CAPTURE_RING}, {"perf", CAPTURE_PERF}, {NULL, 0}};
static const struct config_choice compressions[] = {
	{"none", COMPRESSION_NONE}, {"gzip", COMPRESSION_GZIP}, {"zstd", COMPRESSION_ZSTD}, {NULL, 0}};
static const struct config_choice spool_fulls[] = {
	{"drop_oldest", SPOOL_FULL_DROP_OLDEST}, {"drop_newest", SPOOL_FULL_DROP_NEWEST}, {NULL, 0}};
static const struct config_choice query[] = {
	{"hash", REDACT_QUERY_HASH}, {"drop", REDACT_QUERY_DROP}, {"keep", REDACT_QUERY_KEEP}, {NULL, 0}};
static const struct config_choice peers[] = {
	{"unclassified", PROXY_UNCLASSIFIED}, {"direct", PROXY_DIRECT}, {NULL, 0}};
static const struct config_choice fsyncs[] = {{"always", AUDIT_FSYNC_ALWAYS},
					      {"second", AUDIT_FSYNC_SECOND},
					      {"never", AUDIT_FSYNC_NEVER},
					      {NULL, 0}};
static const struct config_choice abouts[] = {{"block", CONFIG_ALERT_BLOCK},
					      {"question", CONFIG_ALERT_QUESTION},
					      {"limit", CONFIG_ALERT_LIMIT},
					      {"anomaly", CONFIG_ALERT_ANOMALY},
					      {"loss", CONFIG_ALERT_LOSS},
					      {"mended", CONFIG_ALERT_MENDED},
					      {NULL, 0}};
static const struct config_choice protocols[] = {{"local", GATEWAY_LOCAL},
						 {"batch", GATEWAY_BATCH},
						 {"openai", GATEWAY_OPENAI},
						 {"crowdsec", GATEWAY_CROWDSEC},
						 {NULL, 0}};
static const struct config_choice profiles[] = {{"none", PROFILE_NONE},         {"lunar", PROFILE_LUNAR},
						{"apipark", PROFILE_APIPARK},   {"openai", PROFILE_OPENAI},
						{"portkey", PROFILE_PORTKEY},   {"litellm", PROFILE_LITELLM},
						{"crowdsec", PROFILE_CROWDSEC}, {NULL, 0}};
static const struct config_choice event_kinds[] = {{"http.request", 1 << EVENT_HTTP_REQUEST},
						   {"net.connection", 1 << EVENT_CONNECTION},
						   {"tcp.header", 1 << EVENT_TCP_HEADER},
						   {"tcp.anomaly", 1 << EVENT_TCP_ANOMALY},
						   {"http.anomaly", 1 << EVENT_HTTP_ANOMALY},
						   {"picket.loss", 1 << EVENT_LOSS},
						   {"picket.decision", 1 << EVENT_DECISION},
						   {"tls.client_hello", 1 << EVENT_TLS_HELLO},
						   {NULL, 0}};
static const struct config_choice clients[] = {
	{"all", CLIENTS_ALL}, {"suspicious", CLIENTS_SUSPICIOUS}, {NULL, 0}};
static const struct config_choice roles[] = {{"decide", ROLE_DECIDE}, {"observe", ROLE_OBSERVE}, {NULL, 0}};
static const struct config_choice max_tokens_keys[] = {
	{"max_tokens", MAX_TOKENS}, {"max_completion_tokens", MAX_COMPLETION_TOKENS}, {NULL, 0}};
static const struct config_choice response_formats[] = {{"auto", RESPONSE_AUTO},
							{"json_schema", RESPONSE_JSON_SCHEMA},
							{"json_object", RESPONSE_JSON_OBJECT},
							{"tool", RESPONSE_TOOL},
							{"plain", RESPONSE_PLAIN},
							{NULL, 0}};
static const struct config_choice transports[] = {
	{"direct", TRANSPORT_DIRECT}, {"lunar", TRANSPORT_LUNAR}, {NULL, 0}};
static const struct config_choice auth_schemes[] = {{"bearer", AUTH_BEARER}, {"raw", AUTH_RAW}, {NULL, 0}};

static const struct config_choice list_formats[] = {
	{"auto", CONFIG_LIST_AUTO}, {"plain", CONFIG_LIST_PLAIN}, {"crowdsec", CONFIG_LIST_CROWDSEC},
	{"stix", CONFIG_LIST_STIX}, {"misp", CONFIG_LIST_MISP},   {NULL, 0}};
static const struct config_choice list_actions[] = {{"block", VERDICT_BLOCK},
						    {"rate_limit", VERDICT_RATE_LIMIT},
						    {"shadow", VERDICT_SHADOW},
						    {"reset", VERDICT_RESET},
						    {NULL, 0}};
static const struct config_choice learnings[] = {{"on", LEARNING_ON}, {"frozen", LEARNING_FROZEN}, {NULL, 0}};
static const struct config_choice scopes[] = {
	{"ports", VERDICT_SCOPE_PORTS}, {"host", VERDICT_SCOPE_HOST}, {NULL, 0}};

#define AT(member)         offsetof(struct config, member)
#define AT_GATEWAY(member) offsetof(struct config_gateway, member)
#define AT_LIST(member)    offsetof(struct config_list, member)
#define AT_HAPROXY(member) offsetof(struct config_haproxy, member)
#define KIB                1024ull
#define MIB                (1024 * KIB)
#define GIB                (1024 * MIB)
#define DAY                86400000ull

/* clang-format off */
const struct config_key config_keys[] = {
	{.path = "instance", .type = CONFIG_TEXT, .offset = AT(instance), .form = FORM_NAME, .max = 32, .fallback = "default",
	 .help = "Name of this daemon; separates the sockets, pins and files of several on one host."},
	{.path = "mode", .type = CONFIG_CHOICE, .offset = AT(mode), .choices = modes, .fallback = "observe",
	 .help = "observe: only say what would be blocked. approve: automatic blocks wait for a person. enforce: block."},
	{.path = "control", .type = CONFIG_TEXT, .offset = AT(control), .form = FORM_PATH, .max = 107,
	 .fallback = "/run/picket/{instance}/control.sock", .help = "Path of the control socket."},
	{.path = "decide", .type = CONFIG_TEXT, .offset = AT(decide), .form = FORM_PATH, .max = 107,
	 .fallback = "{control_dir}/decide.sock",
	 .help = "Path of the socket on which proxies ask whether a client may pass (docs/decide.md)."},
	{.path = "state_dir", .type = CONFIG_TEXT, .offset = AT(state_dir), .form = FORM_PATH, .max = 1024,
	 .fallback = "/var/lib/picket/{instance}", .help = "Directory of what outlives the daemon."},
	{.path = "user", .type = CONFIG_TEXT, .offset = AT(user), .form = FORM_USER, .max = 32, .fallback = "{user}",
	 .help = "User that the sensor process runs as. Default: picket if there is such a user, else nobody."},

	{.path = "metrics.port", .type = CONFIG_UINT32, .offset = AT(metrics_port), .max = 65535, .fallback = "0",
	 .help = "Port on 127.0.0.1 where metrics are served as http://127.0.0.1:PORT/metrics; 0: only on the control socket."},
	{.path = "log.level", .type = CONFIG_CHOICE, .offset = AT(log.level), .choices = levels, .fallback = "info",
	 .help = "Least severe level that is logged."},
	{.path = "log.format", .type = CONFIG_CHOICE, .offset = AT(log.format), .choices = formats, .fallback = "logfmt",
	 .help = "logfmt for people, json for collectors."},

	{.path = "capture.interfaces", .type = CONFIG_TEXTS, .offset = AT(capture.interfaces), .form = FORM_INTERFACE,
	 .max = 64, .fallback = "[]", .help = "Interfaces to guard. Empty: every one that is up, but loopback."},
	{.path = "capture.packet_mode", .type = CONFIG_CHOICE, .offset = AT(capture.packet_mode), .choices = packet_modes,
	 .fallback = "auto", .help = "Where packets are met. auto: native XDP on network cards, tc elsewhere."},
	{.path = "capture.packets", .type = CONFIG_CHOICE, .offset = AT(capture.packets), .choices = packets, .fallback = "off",
	 .help = "forwarded: also read connections to watched ports that end on another host, from their packets (gateways, bridges)."},
	{.path = "capture.decapsulate", .type = CONFIG_CHOICES, .offset = AT(capture.decapsulate), .choices = encapsulations,
	 .max = CONFIG_LIST_MAX, .fallback = "[]", .help = "Tunnels whose inner packets are looked at, one level deep: ipip (IP in IP "
	 "of both families), gre, vxlan. Empty: none."},
	{.path = "capture.vxlan_port", .type = CONFIG_UINT32, .offset = AT(capture.vxlan_port), .min = 1, .max = 65535,
	 .fallback = "4789", .help = "UDP port to which VXLAN packets are sent."},
	{.path = "capture.tunnel_peers", .type = CONFIG_PREFIXES, .offset = AT(capture.tunnel_peers), .max = CONFIG_LIST_MAX,
	 .fallback = "[]", .help = "Outer source addresses of tunnels: only their packets are opened, and no block stops what they send. "
	 "capture.decapsulate needs at least one."},
	{.path = "capture.ports", .type = CONFIG_PORTS, .offset = AT(capture.ports), .max = CONFIG_LIST_MAX, .fallback = "[]",
	 .help = "Ports to watch. Empty: every port that a server listens on at a non-loopback address."},
	{.path = "capture.loopback_ports", .type = CONFIG_PORTS, .offset = AT(capture.loopback_ports), .max = CONFIG_LIST_MAX,
	 .fallback = "[]", .help = "Ports to watch as well although they listen on loopback only, such as the plaintext hop "
	 "behind a TLS proxy."},
	{.path = "capture.never_ports", .type = CONFIG_PORTS, .offset = AT(capture.never_ports), .max = CONFIG_LIST_MAX,
	 .fallback = "[]", .help = "Ports never to watch, beside those of sshd."},
	{.path = "capture.cgroup", .type = CONFIG_TEXT, .offset = AT(capture.cgroup), .form = FORM_CGROUP, .max = 1024,
	 .fallback = "", .help = "Watch only processes in this cgroup: a path below /sys/fs/cgroup. Empty: any."},
	{.path = "capture.source", .type = CONFIG_CHOICE, .offset = AT(capture.source), .choices = sources, .fallback = "auto",
	 .help = "How request bytes leave the kernel: ring buffer, or perf buffer (older kernels)."},
	{.path = "capture.receive", .type = CONFIG_CHOICE, .offset = AT(capture.receive), .choices = receives,
	 .fallback = "auto", .help = "TCP headers from the kernel's receive path, where it has kprobes. auto: of interfaces "
	 "without a packet program. kprobe: of all, also those that a packet program reports. off: none."},
	{.path = "capture.ring_bytes", .type = CONFIG_SIZE64, .offset = AT(capture.ring_bytes), .min = 64 * KIB, .max = GIB,
	 .ring = true, .fallback = "16MiB", .help = "Size of the ring of request bytes; a power of two."},
	{.path = "capture.header_ring_bytes", .type = CONFIG_SIZE64, .offset = AT(capture.header_ring_bytes), .min = 64 * KIB,
	 .max = GIB, .ring = true, .fallback = "4MiB", .help = "Size of the ring of header events; a power of two."},
	{.path = "capture.read_max", .type = CONFIG_SIZE32, .offset = AT(capture.read_max), .min = 1 * KIB, .max = 64 * KIB,
	 .fallback = "64KiB", .help = "Bytes captured of one read of the server; the rest is counted, not copied."},
	{.path = "capture.header_sample", .type = CONFIG_UINT32, .offset = AT(capture.header_sample), .max = UINT32_MAX,
	 .fallback = "0", .help = "Report one in N ordinary TCP segments. 0: none."},
	{.path = "capture.header_rate", .type = CONFIG_UINT32, .offset = AT(capture.header_rate), .max = 10000000,
	 .fallback = "2000",
	 .help = "Header events a second and CPU, likewise segments that TCP refused; what is beyond is counted."},
	{.path = "capture.header_burst", .type = CONFIG_UINT32, .offset = AT(capture.header_burst), .max = 10000000,
	 .fallback = "2000", .help = "Header events that may come at once, per CPU."},
	{.path = "capture.connections_max", .type = CONFIG_UINT32, .offset = AT(capture.connections_max), .min = 64,
	 .max = 16777216, .fallback = "65536", .help = "Connections followed at a time."},
	{.path = "capture.stream_bytes", .type = CONFIG_SIZE64, .offset = AT(capture.stream_bytes), .min = MIB, .max = 64 * GIB,
	 .fallback = "64MiB", .help = "Ceiling of what all connections together may hold in memory."},

	{.path = "redact.disabled", .type = CONFIG_BOOL, .offset = AT(redact.disabled), .fallback = "false",
	 .help = "true: texts leave as they were sent, but for headers that carry credentials; for those who own their data."},
	{.path = "redact.query", .type = CONFIG_CHOICE, .offset = AT(redact.query), .choices = query, .fallback = "hash",
	 .help = "What stands for values in a target. hash: a keyed hash. drop: nothing. keep: the target as sent."},
	{.path = "redact.headers", .type = CONFIG_TEXTS, .offset = AT(redact.headers), .form = FORM_HEADER, .max = 128,
	 .fallback = "[]", .help = "Request headers that may be shown and sent, after redaction. Empty: those of the rules."},
	{.path = "redact.policies", .type = CONFIG_TEXTS, .offset = AT(redact.policies), .form = FORM_PATH, .max = 1,
	 .fallback = "[]", .help = "File with the rules of redaction. Empty: those that picket ships."},
	{.path = "redact.key_file", .type = CONFIG_TEXT, .offset = AT(redact.key_file), .form = FORM_PATH, .max = 1024,
	 .fallback = "{state_dir}/redact.key", .help = "Keys of the hashes that stand for secrets, mode 0600; made at the first start."},

	{.path = "gateways", .type = CONFIG_ITEMS, .offset = AT(gateways), .max = 16, .items = &config_gateways,
	 .fallback = "[{name: local, protocol: local}]",
	 .help = "Who judges. Without any, events are shown and nothing is decided."},

	{.path = "lists", .type = CONFIG_ITEMS, .offset = AT(lists), .max = CONFIG_LISTS_MAX, .items = &config_lists,
	 .fallback = "[]", .help = "Block lists in files: read when they change, in every mode; docs/lists.md."},

	{.path = "haproxy", .type = CONFIG_ITEMS, .offset = AT(haproxy), .max = CONFIG_HAPROXY_MAX, .items = &config_haproxies,
	 .fallback = "[]", .help = "HAProxies that deny by a map, which picket keeps through their runtime sockets; docs/haproxy.md."},

	{.path = "proxies.default", .type = CONFIG_CHOICE, .offset = AT(proxies.peers), .choices = peers,
	 .fallback = "unclassified", .help = "What a peer is that forwards for others and stands in neither list. direct: for "
	 "servers that face their clients without a proxy; one forged header would else shield an attacker."},
	{.path = "proxies.trusted", .type = CONFIG_PREFIXES, .offset = AT(proxies.trusted), .max = CONFIG_LIST_MAX,
	 .fallback = "[]", .help = "Proxies and balancers in front of this server: never blocked, their headers are believed."},
	{.path = "proxies.direct", .type = CONFIG_PREFIXES, .offset = AT(proxies.direct), .max = CONFIG_LIST_MAX,
	 .fallback = "[]", .help = "Clients, whatever forwarding headers they send."},
	{.path = "proxies.headers", .type = CONFIG_TEXTS, .offset = AT(proxies.headers), .form = FORM_HEADER, .max = 8,
	 .fallback = "[x-forwarded-for, forwarded, x-real-ip]", .help = "Headers in which trusted proxies name the client; the "
	 "first of them that a request carries counts. Others than these three hold one address. []: none is believed."},

	{.path = "limits.protect", .type = CONFIG_PREFIXES, .offset = AT(limits.protect), .max = CONFIG_LIST_MAX,
	 .fallback = "[]", .help = "Networks that are never blocked, beside those that picket finds by itself."},
	{.path = "limits.protect_consumers", .type = CONFIG_TEXTS, .offset = AT(limits.protect_consumers), .form = FORM_CONSUMER,
	 .max = 256, .fallback = "[]", .help = "Consumers that are never blocked, by the ids that events show (c_...); a change of keys changes these."},
	{.path = "limits.ttl_max", .type = CONFIG_TIME64, .offset = AT(limits.ttl_max_ms), .min = 1000, .max = 3650 * DAY,
	 .fallback = "24h", .help = "Longest block."},
	{.path = "limits.shortest_prefix_v4", .type = CONFIG_UINT32, .offset = AT(limits.prefix_min_v4), .min = 8, .max = 32,
	 .fallback = "24", .help = "Largest IPv4 network that may be blocked, as prefix length."},
	{.path = "limits.shortest_prefix_v6", .type = CONFIG_UINT32, .offset = AT(limits.prefix_min_v6), .min = 16, .max = 128,
	 .fallback = "48", .help = "Largest IPv6 network that may be blocked, as prefix length."},
	{.path = "limits.inserts_per_second", .type = CONFIG_UINT32, .offset = AT(limits.insert_rate), .min = 1, .max = 1000000,
	 .fallback = "1000", .help = "New blocks a second."},
	{.path = "limits.blocks_max", .type = CONFIG_UINT32, .offset = AT(limits.blocks_max), .min = 1, .max = 4194304,
	 .fallback = "65536", .help = "Blocks that each deny map holds."},

	{.path = "guard.automatic_per_minute", .type = CONFIG_UINT32, .offset = AT(guard.per_minute), .max = 100000,
	 .fallback = "60", .help = "Targets that each gateway, and the built-in analysis, may have blocked within a minute. 0: none."},
	{.path = "guard.automatic_per_hour", .type = CONFIG_UINT32, .offset = AT(guard.per_hour), .max = 100000,
	 .fallback = "600", .help = "Likewise within an hour."},
	{.path = "guard.automatic_total", .type = CONFIG_UINT32, .offset = AT(guard.total), .max = 4194304,
	 .fallback = "5000", .help = "Likewise in force at once."},
	{.path = "guard.cool_down", .type = CONFIG_TIME64, .offset = AT(guard.cool_down_ms), .max = DAY,
	 .fallback = "5m", .help = "How long a source that went over one of these limits gets nothing new."},
	{.path = "guard.escalation", .type = CONFIG_UINT32, .offset = AT(guard.escalation), .min = 1, .max = 100,
	 .fallback = "4", .help = "How many times as long a client is blocked that comes back. 1: the same."},
	{.path = "guard.repeat_within", .type = CONFIG_TIME64, .offset = AT(guard.repeat_within_ms), .max = 3650 * DAY,
	 .fallback = "24h", .help = "How long after its end a block counts for that."},
	{.path = "guard.confidence_min", .type = CONFIG_FRACTION, .offset = AT(guard.confidence_min), .fallback = "0.8",
	 .help = "Confidence that a gateway's verdict needs, from 0 to 1."},
	{.path = "guard.good_requests", .type = CONFIG_UINT32, .offset = AT(guard.good_requests), .min = 1, .max = 1000000,
	 .fallback = "5", .help = "Requests with one credential that are answered with 2xx and make it a regular at its address."},
	{.path = "guard.good_span", .type = CONFIG_TIME64, .offset = AT(guard.good_span_ms), .max = 30 * DAY,
	 .fallback = "10m", .help = "Time from the first to the latest of them, at least."},
	{.path = "guard.good_within", .type = CONFIG_TIME64, .offset = AT(guard.good_within_ms), .min = 1000, .max = 30 * DAY,
	 .fallback = "24h", .help = "How long a regular is one after the latest."},
	{.path = "guard.blast_radius", .type = CONFIG_FRACTION, .offset = AT(guard.blast_radius), .fallback = "0.05",
	 .help = "Share of all regulars that an automatic block may hit; one that would hit more, and several, waits for a person."},
	{.path = "guard.shared_from", .type = CONFIG_UINT32, .offset = AT(guard.shared_from), .max = 1000000,
	 .fallback = "3", .help = "Regulars at an address from which on it is shared: slowed (enforcement.rate_limit), not blocked. 0: none is."},
	{.path = "guard.group_offenders", .type = CONFIG_UINT32, .offset = AT(guard.group_offenders), .max = 64,
	 .fallback = "4", .help = "Addresses of one IPv6 /64 that offend, and have the /64 itself proposed. 0: never."},
	{.path = "guard.group_within", .type = CONFIG_TIME64, .offset = AT(guard.group_within_ms), .min = 1000, .max = DAY,
	 .fallback = "10m", .help = "Time within which they do."},
	{.path = "guard.ttl_default", .type = CONFIG_TIME64, .offset = AT(guard.ttl_default_ms), .min = 1000, .max = 3650 * DAY,
	 .fallback = "15m", .help = "Length of a block whose verdict names none."},

	{.path = "enforcement.close_connections", .type = CONFIG_BOOL, .offset = AT(enforcement.close_connections),
	 .fallback = "true", .help = "Whether a block also ends the connections that its client has open."},
	{.path = "enforcement.rate_limit", .type = CONFIG_UINT32, .offset = AT(enforcement.rate_limit), .min = 1, .max = 1000000,
	 .fallback = "20", .help = "Packets a second that a rate limited client keeps, and answers a second that one with action reset gets."},
	{.path = "enforcement.rate_burst", .type = CONFIG_UINT32, .offset = AT(enforcement.rate_burst), .min = 1, .max = 1000000,
	 .fallback = "100", .help = "Packets that a rate limited client may send at once."},
	{.path = "enforcement.publish", .type = CONFIG_BOOL, .offset = AT(enforcement.publish), .fallback = "false",
	 .help = "Whether automatic blocks that nobody here can enforce, of clients behind a proxy that neither asks nor has a map, "
	 "are kept for others to enforce (picket export) instead of refused."},
	{.path = "enforcement.pin", .type = CONFIG_BOOL, .offset = AT(enforcement.pin), .fallback = "false",
	 .help = "Whether what enforces blocks stays in the kernel when picket ends, until their time is over or picket detach; the next "
	 "start takes it over without a gap (docs/restart.md)."},
	{.path = "enforcement.ja4_header", .type = CONFIG_TEXT, .offset = AT(enforcement.ja4_header), .form = FORM_HEADER_NONE,
	 .fallback = "", .help = "The header in which proxies that ask the decision socket tell a client's JA4. Set it only where the proxy sets that "
	 "header itself, whatever the client sent. In requests that carry it, it is compared with the User-Agent (docs/behaviour.md). By "
	 "default none is looked at."},
	{.path = "enforcement.target_header", .type = CONFIG_TEXT, .offset = AT(enforcement.target_header), .form = FORM_HEADER_PATH,
	 .fallback = "", .help = "The header in which proxies that ask the decision socket tell what a client asks for (the request's target), so that "
	 "it can be denied single routes; \":path\": they ask with the client's own path, as Envoy does. Set it only where the proxy sets that "
	 "header itself, whatever the client sent. By default none is looked at."},

	{.path = "second_opinion.enabled", .type = CONFIG_BOOL, .offset = AT(second_opinion.enabled), .fallback = "false",
	 .help = "Ask libmodsecurity with a Core Rule Set about suspicious and sampled requests, in a process of its own."},
	{.path = "second_opinion.paranoia", .type = CONFIG_UINT32, .offset = AT(second_opinion.paranoia), .min = 1, .max = 4,
	 .fallback = "1", .help = "Paranoia level of the rule set: higher finds more, also where nothing is."},
	{.path = "second_opinion.sample", .type = CONFIG_UINT32, .offset = AT(second_opinion.sample), .max = 1000000,
	 .fallback = "100", .help = "One in so many requests that are not suspicious is asked about as well; 0: none."},
	{.path = "second_opinion.cpu_percent", .type = CONFIG_UINT32, .offset = AT(second_opinion.cpu_percent), .min = 1,
	 .max = 100, .fallback = "5", .help = "Processor time it may take, in percent of one processor; what is over goes without."},
	{.path = "second_opinion.setup", .type = CONFIG_TEXT, .offset = AT(second_opinion.setup), .form = FORM_PATH, .max = 1024,
	 .fallback = "/etc/modsecurity/crs/crs-setup.conf", .help = "Setup file of the rule set, read before its rules."},
	{.path = "second_opinion.rules", .type = CONFIG_TEXT, .offset = AT(second_opinion.rules), .form = FORM_PATH, .max = 1024,
	 .fallback = "/usr/share/modsecurity-crs/rules", .help = "Folder of the rule set; its REQUEST-*.conf are loaded."},
	{.path = "api.openapi", .type = CONFIG_TEXT, .offset = AT(api.openapi), .form = FORM_FILE, .max = 1024, .fallback = "",
	 .help = "OpenAPI 3 file, YAML or JSON: its paths are the routes, and what it does not have is marked. Empty: none."},

	{.path = "detect.policies", .type = CONFIG_TEXTS, .offset = AT(detect.policies), .form = FORM_PATH, .max = 64,
	 .fallback = "[]", .help = "Files with detections. Empty: those that picket ships."},
	{.path = "detect.packets", .type = CONFIG_TEXTS, .offset = AT(detect.packets), .form = FORM_PATH, .max = 64,
	 .fallback = "[]", .help = "Files with criteria for TCP headers. Empty: those that picket ships."},
	{.path = "detect.learning", .type = CONFIG_CHOICE, .offset = AT(detect.learning), .choices = learnings, .fallback = "on",
	 .help = "on: what is normal on each route is learned. frozen: what is known of it stays as it is."},
	{.path = "detect.learning_after", .type = CONFIG_TIME64, .offset = AT(detect.learning_after_ms), .min = 1000, .max = 90 * DAY,
	 .fallback = "24h", .help = "Nothing is judged by what is normal on a route before it was seen for so long."},
	{.path = "detect.learning_clients", .type = CONFIG_UINT32, .offset = AT(detect.learning_clients), .min = 1, .max = 1000000,
	 .fallback = "5", .help = "... nor before so many different clients or consumers were seen there."},

	{.path = "signatures.paranoia", .type = CONFIG_UINT32, .offset = AT(signatures.paranoia), .max = 4, .fallback = "1",
	 .help = "How much looks like an attack: 1, what nothing else looks like, to 4. 0: no signature is looked for."},
	{.path = "signatures.files", .type = CONFIG_TEXTS, .offset = AT(signatures.files), .form = FORM_PATH, .max = 64,
	 .fallback = "[]", .help = "Files with signatures, besides those that picket ships; docs/signatures.md."},
	{.path = "signatures.disabled", .type = CONFIG_TEXTS, .offset = AT(signatures.disabled), .form = FORM_ANY, .max = 256,
	 .fallback = "[]", .help = "Ids of signatures that are not looked for."},
	{.path = "signatures.exceptions", .type = CONFIG_TEXTS, .offset = AT(signatures.exceptions), .form = FORM_ANY, .max = 256,
	 .fallback = "[]", .help = "Routes on which some do not count: \"/search/{id} sqli xss-handler\" is a route, then ids or "
	 "categories, or all."},

	{.path = "audit.enabled", .type = CONFIG_BOOL, .offset = AT(audit.enabled), .fallback = "true",
	 .help = "Whether decisions and changes of settings are written to the audit log, in the folder audit of state_dir."},
	{.path = "audit.size_max", .type = CONFIG_SIZE64, .offset = AT(audit.size_max), .min = 64 * KIB, .max = GIB,
	 .fallback = "16MiB", .help = "Size of a file of the audit log; then the next is begun."},
	{.path = "audit.files_max", .type = CONFIG_UINT32, .offset = AT(audit.files_max), .min = 2, .max = 64, .fallback = "8",
	 .help = "Files of the audit log; the oldest is emptied for the next, and a record says so."},
	{.path = "audit.fsync", .type = CONFIG_CHOICE, .offset = AT(audit.fsync), .choices = fsyncs, .fallback = "second",
	 .help = "When records are safe from a loss of power. always: before the API answers. second: within about a second. "
	 "never: when the kernel sees fit."},

	{.path = "alerts.about", .type = CONFIG_CHOICES, .offset = AT(alerts.about), .choices = abouts, .max = CONFIG_LIST_MAX,
	 .fallback = "[block, question, limit, loss, mended]", .help = "What people are told of. block: automatic blocks, also those "
	 "that mode observe only wrote down. question: decisions that wait for a person. limit: sources over a limit of the guard. "
	 "anomaly: of TCP and HTTP. loss: what was not seen or not delivered. mended: deny maps that differed from the list."},
	{.path = "alerts.per_hour", .type = CONFIG_UINT32, .offset = AT(alerts.per_hour), .min = 1, .max = 3600, .fallback = "12",
	 .help = "Alerts within an hour; what is beyond is told in one summary when there is room again."},
	{.path = "alerts.pause", .type = CONFIG_TIME64, .offset = AT(alerts.pause_ms), .min = 1000, .max = DAY, .fallback = "5m",
	 .help = "How long after an alert the next of the same group may follow; twice as long each time, up to eight times."},
	{.path = "alerts.webhook", .type = CONFIG_TEXT, .offset = AT(alerts.webhook), .form = FORM_URL_NONE, .max = 2048,
	 .fallback = "", .help = "Where alerts are sent by HTTP POST as JSON (docs/alerts.md). Empty: nowhere."},
	{.path = "alerts.webhook_token_file", .type = CONFIG_TEXT, .offset = AT(alerts.webhook_token_file), .form = FORM_FILE,
	 .max = 1024, .fallback = "", .help = "File whose content is sent as bearer token; read at start. Empty: none."},
	{.path = "alerts.syslog", .type = CONFIG_BOOL, .offset = AT(alerts.syslog), .fallback = "false",
	 .help = "Whether alerts go to this host's syslog, as facility daemon."},
	{.path = "alerts.command", .type = CONFIG_TEXTS, .offset = AT(alerts.command), .form = FORM_ANY,
	 .max = CONFIG_ALERT_ARGS_MAX, .fallback = "[]",
	 .help = "Program and arguments that are run for each alert, as the sensor's user, with the JSON as its input. Empty: none."},
};
const unsigned config_key_count = ARRAY_SIZE(config_keys);

static const struct config_key gateway_keys[] = {
	{.path = "name", .type = CONFIG_TEXT, .offset = AT_GATEWAY(name), .form = FORM_NAME, .max = 32,
	 .help = "Unique name."},
	{.path = "profile", .type = CONFIG_CHOICE, .offset = AT_GATEWAY(profile), .choices = profiles, .fallback = "none",
	 .help = "Sets what else has a default right for one kind of gateway; what is written out wins. docs/gateways.md has the list."},
	{.path = "protocol", .type = CONFIG_CHOICE, .offset = AT_GATEWAY(protocol), .choices = protocols,
	 .help = "local: the built-in analysis. batch: events by HTTP POST, verdicts in the answer. openai: chat completions of a model. crowdsec: decisions of a CrowdSec "
	 "LAPI, and our own told to it (docs/crowdsec.md)."},
	{.path = "url", .type = CONFIG_TEXT, .offset = AT_GATEWAY(url), .form = FORM_URL, .max = 2048,
	 .help = "batch: where to POST, http:// or https://. openai: the same, it ends in /chat/completions. crowdsec: the LAPI, such as http://127.0.0.1:8080."},
	{.path = "transport", .type = CONFIG_CHOICE, .offset = AT_GATEWAY(transport), .choices = transports, .fallback = "direct",
	 .help = "direct: straight to url. lunar: through the proxy at lunar_url, which finds url's host by headers."},
	{.path = "lunar_url", .type = CONFIG_TEXT, .offset = AT_GATEWAY(lunar_url), .form = FORM_URL, .max = 2048,
	 .help = "lunar: http://HOST:PORT of the Lunar proxy; TLS, certificates and pin are then those of the way to it."},
	{.path = "lunar_tag", .type = CONFIG_TEXT, .offset = AT_GATEWAY(lunar_tag), .form = FORM_NAME, .max = 64, .fallback = "picket",
	 .help = "lunar: x-lunar-consumer-tag, by which its flows group quotas and its log names us."},
	{.path = "lunar_key_file", .type = CONFIG_TEXT, .offset = AT_GATEWAY(lunar_key_file), .form = FORM_PATH, .max = 1024,
	 .help = "lunar: file whose content is sent as x-lunar-api-key, which hosted proxies ask for; read at start."},
	{.path = "role", .type = CONFIG_CHOICE, .offset = AT_GATEWAY(role), .choices = roles, .fallback = "decide",
	 .help = "decide: its verdicts go to the guard. observe: they are read, counted and shown, and decide nothing."},
	{.path = "events", .type = CONFIG_CHOICES, .offset = AT_GATEWAY(events), .choices = event_kinds, .max = CONFIG_LIST_MAX,
	 .fallback = "[]", .help = "Names of the events that it gets; []: all. openai: those that name a client."},
	{.path = "sample", .type = CONFIG_FRACTION, .offset = AT_GATEWAY(sample), .fallback = "1",
	 .help = "Share of the clients whose events it gets; a client is in it wholly or not at all, as long as picket runs."},
	{.path = "clients", .type = CONFIG_CHOICE, .offset = AT_GATEWAY(clients), .choices = clients, .fallback = "all",
	 .help = "suspicious: only events of clients of which a detection fired within ten minutes. openai: suspicious."},
	{.path = "model", .type = CONFIG_TEXT, .offset = AT_GATEWAY(model), .form = FORM_ANY, .max = 128,
	 .help = "openai: the model that is asked, as the gateway names it; APIPark: PROVIDER/MODEL."},
	{.path = "response_format", .type = CONFIG_CHOICE, .offset = AT_GATEWAY(response_format), .choices = response_formats,
	 .fallback = "auto", .help = "openai: how the model is held to JSON: json_schema, json_object, tool (a forced call of a function), "
	 "plain (by words alone). auto: each, when the one before was refused."},
	{.path = "max_tokens", .type = CONFIG_UINT32, .offset = AT_GATEWAY(max_tokens), .min = 64, .max = 65536, .fallback = "1024",
	 .help = "openai: length of an answer at most; one that is cut counts for nothing."},
	{.path = "max_tokens_key", .type = CONFIG_CHOICE, .offset = AT_GATEWAY(max_tokens_key), .choices = max_tokens_keys,
	 .fallback = "max_tokens", .help = "openai: under which name that is sent; newer models want max_completion_tokens."},
	{.path = "send_temperature", .type = CONFIG_BOOL, .offset = AT_GATEWAY(send_temperature), .fallback = "true",
	 .help = "openai: whether temperature 0 is asked for; false for models that allow none."},
	{.path = "attempts_max", .type = CONFIG_UINT32, .offset = AT_GATEWAY(attempts_max), .max = 1000, .fallback = "0",
	 .help = "How often a batch is sent at most before it is dropped; each time may cost. 0: until it is taken. openai: 3."},
	{.path = "deadline_ms", .type = CONFIG_UINT32, .offset = AT_GATEWAY(deadline_ms), .max = 3600000, .fallback = "0",
	 .help = "How long after a batch was first sent an answer counts; then it is dropped. 0: for ever. openai: 30000."},
	{.path = "requests_per_minute", .type = CONFIG_UINT32, .offset = AT_GATEWAY(requests_per_minute), .max = 600, .fallback = "0",
	 .help = "Requests within a minute at most; what comes meanwhile waits. 0: any. openai: 6."},
	{.path = "tokens_per_day", .type = CONFIG_UINT32, .offset = AT_GATEWAY(tokens_per_day), .max = UINT32_MAX, .fallback = "0",
	 .help = "Tokens of the model a day (UTC) at most, by what its answers say, else bytes / 4; then nothing is sent until the next. "
	 "0: any. openai: 1000000."},
	{.path = "tokens_per_hour", .type = CONFIG_UINT32, .offset = AT_GATEWAY(tokens_per_hour), .max = UINT32_MAX, .fallback = "0",
	 .help = "The same an hour. 0: any. openai: 200000."},
	{.path = "money_per_hour", .type = CONFIG_FRACTION, .offset = AT_GATEWAY(money_per_hour), .max = 1000000, .fallback = "0",
	 .help = "openai: what an hour may cost at most, in the unit of price_in and price_out. 0: any."},
	{.path = "money_per_day", .type = CONFIG_FRACTION, .offset = AT_GATEWAY(money_per_day), .max = 1000000, .fallback = "0",
	 .help = "openai: the same a day (UTC). 0: any."},
	{.path = "price_in", .type = CONFIG_FRACTION, .offset = AT_GATEWAY(price_in), .max = 1000000, .fallback = "0",
	 .help = "openai: price of a million tokens of questions."},
	{.path = "price_out", .type = CONFIG_FRACTION, .offset = AT_GATEWAY(price_out), .max = 1000000, .fallback = "0",
	 .help = "openai: price of a million tokens of answers."},
	{.path = "ask_score", .type = CONFIG_UINT32, .offset = AT_GATEWAY(ask_score), .max = 10000, .fallback = "30",
	 .help = "openai: what a client must be worth to be asked about: 110 for a detection, less for refused requests, many paths, "
	 "deviations; docs/gateway-openai.md has the sum. 0: everybody."},
	{.path = "clients_per_question", .type = CONFIG_UINT32, .offset = AT_GATEWAY(clients_per_question), .min = 1, .max = 32,
	 .fallback = "8", .help = "openai: clients in one question at most. 1: no text of one can sway what is said of another, at a higher price."},
	{.path = "opinion_ttl", .type = CONFIG_TIME64, .offset = AT_GATEWAY(opinion_ttl_ms), .max = 24ull * 3600 * 1000, .fallback = "10m",
	 .help = "openai: how long what was said of a client is not asked again of one that did and sent the same. 0s: it is."},
	{.path = "prompt_file", .type = CONFIG_TEXT, .offset = AT_GATEWAY(prompt_file), .form = FORM_PATH, .max = 1024,
	 .help = "openai: what the model is told to do, instead of the shipped policies/prompts/judge.txt; read at start."},
	{.path = "headers", .type = CONFIG_TEXTS, .offset = AT_GATEWAY(headers), .form = FORM_HEADER_LINE, .max = 16, .fallback = "[]",
	 .help = "More headers of every request, \"Name: value\", or as a section. Secrets belong into header_files."},
	{.path = "header_files", .type = CONFIG_TEXTS, .offset = AT_GATEWAY(header_files), .form = FORM_HEADER_SECRET, .max = 8,
	 .fallback = "[]", .help = "The same with secrets: \"Name: FILE\", whose content is the value; read at start."},
	{.path = "token_file", .type = CONFIG_TEXT, .offset = AT_GATEWAY(token_file), .form = FORM_PATH, .max = 1024,
	 .help = "File whose content is sent as token; read at start. crowdsec: the key of a bouncer (cscli bouncers add picket)."},
	{.path = "auth_header", .type = CONFIG_TEXT, .offset = AT_GATEWAY(auth_header), .form = FORM_HEADER_SENT, .max = 64,
	 .help = "The header that carries the token, if not Authorization."},
	{.path = "auth_scheme", .type = CONFIG_CHOICE, .offset = AT_GATEWAY(auth_scheme), .choices = auth_schemes, .fallback = "bearer",
	 .help = "bearer: \"Bearer \" stands before the token. raw: nothing does."},
	{.path = "ca_file", .type = CONFIG_TEXT, .offset = AT_GATEWAY(ca_file), .form = FORM_PATH, .max = 1024,
	 .help = "Certificate authorities for https, instead of the system's."},
	{.path = "cert_file", .type = CONFIG_TEXT, .offset = AT_GATEWAY(cert_file), .form = FORM_PATH, .max = 1024,
	 .help = "Certificate that picket shows the gateway, with those between it and its authority; PEM, read at start."},
	{.path = "key_file", .type = CONFIG_TEXT, .offset = AT_GATEWAY(key_file), .form = FORM_PATH, .max = 1024,
	 .help = "The key of cert_file, without a password; nobody but its owner may read it."},
	{.path = "pin", .type = CONFIG_TEXT, .offset = AT_GATEWAY(pin), .form = FORM_PIN, .max = 512,
	 .help = "The only public keys that the gateway may have, beside that its certificate must be valid: sha256//HASH, "
	 "several by ;."},
	{.path = "proxy", .type = CONFIG_TEXT, .offset = AT_GATEWAY(proxy), .form = FORM_PROXY, .max = 512,
	 .help = "HTTP proxy on the way to the gateway. None is taken from the environment."},
	{.path = "http2", .type = CONFIG_BOOL, .offset = AT_GATEWAY(http2), .fallback = "true",
	 .help = "HTTP/2 over https, where the gateway offers it."},
	{.path = "compression", .type = CONFIG_CHOICE, .offset = AT_GATEWAY(compression), .choices = compressions, .fallback = "none",
	 .help = "batch: content coding of what is sent. Not every gateway takes one: gateway test says so."},
	{.path = "batch_events", .type = CONFIG_UINT32, .offset = AT_GATEWAY(batch_events), .min = 1, .max = 100000,
	 .fallback = "500", .help = "Events in a batch at most."},
	{.path = "batch_bytes", .type = CONFIG_SIZE32, .offset = AT_GATEWAY(batch_bytes), .min = 4 * KIB, .max = 64 * MIB,
	 .fallback = "512KiB", .help = "Bytes of a batch at most."},
	{.path = "linger_ms", .type = CONFIG_UINT32, .offset = AT_GATEWAY(linger_ms), .max = 600000, .fallback = "100",
	 .help = "A batch that is not full leaves at this age; milliseconds."},
	{.path = "timeout_ms", .type = CONFIG_UINT32, .offset = AT_GATEWAY(timeout_ms), .min = 100, .max = 600000,
	 .fallback = "10000", .help = "How long an answer may take; milliseconds."},
	{.path = "queue_events", .type = CONFIG_UINT32, .offset = AT_GATEWAY(queue_events), .min = 1, .max = 16777216,
	 .fallback = "65536", .help = "Events that wait at most; what is beyond is counted and reported as loss."},
	{.path = "spool", .type = CONFIG_SIZE64, .offset = AT_GATEWAY(spool), .max = 1024 * GIB, .fallback = "512MiB",
	 .help = "batch: what waits is kept in so many bytes in the folder spool of state_dir, at least 8MiB. 0: only in memory."},
	{.path = "spool_full", .type = CONFIG_CHOICE, .offset = AT_GATEWAY(spool_full), .choices = spool_fulls, .fallback = "drop_oldest",
	 .help = "batch: drop_oldest: a full spool gives up its oldest sixteenth. drop_newest: it takes no more."},
	{.path = "verdicts", .type = CONFIG_BOOL, .offset = AT_GATEWAY(verdicts), .fallback = "true",
	 .help = "Act on verdicts in its answers."},
	{.path = "mode", .type = CONFIG_CHOICE, .offset = AT_GATEWAY(mode), .choices = modes, .fallback = "enforce",
	 .help = "How far its verdicts go: observe, approve, enforce. Never further than mode."},
	{.path = "corroborate", .type = CONFIG_BOOL, .offset = AT_GATEWAY(corroborate), .fallback = "true",
	 .help = "Whether its blocks need a detection of the built-in analysis on the events that they cite; else a person is asked."},
	{.path = "verify_key_file", .type = CONFIG_TEXT, .offset = AT_GATEWAY(verify_key_file), .form = FORM_PATH, .max = 1024,
	 .help = "batch: keys by which answers with verdicts must be signed: Ed25519 public keys in PEM, lines \"hmac: BASE64\", a line "
	 "\"keyid: NAME\" before each if there are several; read at start."},
	{.path = "verdicts_url", .type = CONFIG_TEXT, .offset = AT_GATEWAY(verdicts_url), .form = FORM_URL, .max = 2048,
	 .help = "batch: where to ask for verdicts that come with no answer to a batch: one GET at a time, which the gateway answers when it "
	 "has one."},
	{.path = "signature_window", .type = CONFIG_TIME64, .offset = AT_GATEWAY(signature_window_ms), .min = 1000, .max = DAY,
	 .fallback = "5m", .help = "batch: how long before or after now a signature may be made, by this host's clock."},
	{.path = "unsigned_verdicts", .type = CONFIG_BOOL, .offset = AT_GATEWAY(unsigned_verdicts), .fallback = "false",
	 .help = "batch: act on verdicts that nobody signed. Only of a gateway on this host: url begins with http://127.0.0.1, "
	 "http://[::1] or http://localhost, and no proxy is set."},
	{.path = "interval", .type = CONFIG_TIME64, .offset = AT_GATEWAY(interval_ms), .min = 1000, .max = 3600000, .fallback = "10s",
	 .help = "crowdsec: how often its decisions are asked for."},
	{.path = "resync", .type = CONFIG_TIME64, .offset = AT_GATEWAY(resync_ms), .min = 1000, .max = DAY, .fallback = "10m",
	 .help = "crowdsec: how often all of its decisions are asked for, and not only those since the last time."},
	{.path = "usage_interval", .type = CONFIG_TIME64, .offset = AT_GATEWAY(usage_interval_ms), .min = 1000, .max = DAY,
	 .fallback = "15m", .help = "crowdsec: how often it is told what became of its decisions."},
	{.path = "types", .type = CONFIG_TEXTS, .offset = AT_GATEWAY(types), .form = FORM_ANY, .max = 16, .fallback = "[ban]",
	 .help = "crowdsec: types of decisions that are put into force, whatever they mean to others."},
	{.path = "origins", .type = CONFIG_TEXTS, .offset = AT_GATEWAY(origins), .form = FORM_ANY, .max = 64, .fallback = "[]",
	 .help = "crowdsec: origins of decisions that count, such as cscli, crowdsec, CAPI. Empty: all."},
	{.path = "scenarios_containing", .type = CONFIG_TEXTS, .offset = AT_GATEWAY(scenarios_containing), .form = FORM_ANY, .max = 64, .fallback = "[]",
	 .help = "crowdsec: decisions count whose scenario holds one of these. Empty: all."},
	{.path = "scenarios_not_containing", .type = CONFIG_TEXTS, .offset = AT_GATEWAY(scenarios_not_containing), .form = FORM_ANY,
	 .max = 64, .fallback = "[]", .help = "crowdsec: ... and none of these."},
	{.path = "action", .type = CONFIG_CHOICE, .offset = AT_GATEWAY(action), .choices = list_actions, .fallback = "block",
	 .help = "crowdsec: what its decisions do: block, rate_limit, shadow (only count) or reset, as those of a list."},
	{.path = "scope", .type = CONFIG_CHOICE, .offset = AT_GATEWAY(scope), .choices = scopes, .fallback = "ports",
	 .help = "crowdsec: ports: its decisions hold for the watched ports. host: for every packet."},
	{.path = "machine_id", .type = CONFIG_TEXT, .offset = AT_GATEWAY(machine_id), .form = FORM_ANY, .max = 128,
	 .help = "crowdsec: the machine as which picket logs in, to tell of its own blocks (cscli machines add). Without one they are not told."},
	{.path = "password_file", .type = CONFIG_TEXT, .offset = AT_GATEWAY(password_file), .form = FORM_PATH, .max = 1024,
	 .help = "crowdsec: file with the password of machine_id; read at start."},
};

static const struct config_key list_keys[] = {
	{.path = "name", .type = CONFIG_TEXT, .offset = AT_LIST(name), .form = FORM_LOWER, .max = 32,
	 .help = "Unique name."},
	{.path = "path", .type = CONFIG_TEXT, .offset = AT_LIST(path), .form = FORM_PATH, .max = 1024,
	 .help = "The file: a regular one that root may read by its owner or mode."},
	{.path = "format", .type = CONFIG_CHOICE, .offset = AT_LIST(format), .choices = list_formats, .fallback = "auto",
	 .help = "plain: an address or prefix a line. crowdsec: decisions as CSV or JSON. stix: a bundle. misp: events as "
	 "JSON. auto: by the content."},
	{.path = "action", .type = CONFIG_CHOICE, .offset = AT_LIST(action), .choices = list_actions, .fallback = "block",
	 .help = "block, rate_limit (drop what is over enforcement.rate_limit), shadow (only count) or reset (block, and answer "
	 "with a RST as often as that rate allows)."},
	{.path = "scope", .type = CONFIG_CHOICE, .offset = AT_LIST(scope), .choices = scopes, .fallback = "ports",
	 .help = "ports: the watched ports. host: every packet."},
	{.path = "ttl", .type = CONFIG_TIME64, .offset = AT_LIST(ttl_ms), .min = 60000, .max = 3650 * DAY, .fallback = "24h",
	 .help = "How long an entry without an end of its own is in force after the file was last there; at most limits.ttl_max."},
};

static const struct config_key haproxy_keys[] = {
	{.path = "name", .type = CONFIG_TEXT, .offset = AT_HAPROXY(name), .form = FORM_LOWER, .max = 32,
	 .help = "Unique name."},
	{.path = "socket", .type = CONFIG_TEXT, .offset = AT_HAPROXY(socket), .form = FORM_PATH, .max = 107,
	 .help = "Its runtime socket (stats socket), which the sensor's user must be able to write to."},
	{.path = "map", .type = CONFIG_TEXT, .offset = AT_HAPROXY(map), .form = FORM_PATH, .max = 1024,
	 .help = "The map, by the path under which its configuration names it; picket's alone."},
	{.path = "entries_max", .type = CONFIG_UINT32, .offset = AT_HAPROXY(entries_max), .min = 1, .max = 1000000, .fallback = "65536",
	 .help = "Block lists are put into it up to so many entries, those of decisions counted; what is beyond is missing there."},
};
/* clang-format on */

const struct config_items config_gateways = {
	.section = "gateways",
	.noun = "gateway",
	.example = "name, protocol",
	.keys = gateway_keys,
	.key_count = ARRAY_SIZE(gateway_keys),
	.size = sizeof(struct config_gateway),
	.count_at = AT(gateway_count),
};
const struct config_items config_lists = {
	.section = "lists",
	.noun = "list",
	.example = "name, path",
	.keys = list_keys,
	.key_count = ARRAY_SIZE(list_keys),
	.size = sizeof(struct config_list),
	.count_at = AT(list_count),
};
const struct config_items config_haproxies = {
	.section = "haproxy",
	.noun = "haproxy",
	.example = "name, socket, map",
	.keys = haproxy_keys,
	.key_count = ARRAY_SIZE(haproxy_keys),
	.size = sizeof(struct config_haproxy),
	.count_at = AT(haproxy_count),
};

const struct config_key *config_key_find(const char *path)
{
	for (unsigned i = 0; i < config_key_count; i++)
		if (strcmp(config_keys[i].path, path) == 0)
			return &config_keys[i];
	return NULL;
}

bool config_key_is_section(const char *path)
{
	size_t len = strlen(path);

	for (unsigned i = 0; i < config_key_count; i++)
		if (strncmp(config_keys[i].path, path, len) == 0 && config_keys[i].path[len] == '.')
			return true;
	return false;
}

#define DISTANCE_MAX 63
#define FAR          1000

unsigned config_distance(const char *a, const char *b)
{
	/* Three rows of the usual table: swapping neighbours looks two rows back. */
	unsigned rows[3][DISTANCE_MAX + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > DISTANCE_MAX || m > DISTANCE_MAX)
		return FAR;
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *row = rows[i % 3], *above = rows[(i - 1) % 3], *above2 = rows[(i + 1) % 3];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned d = above[j - 1] + (a[i - 1] != b[j - 1]);
			d = MIN(d, above[j] + 1);
			d = MIN(d, row[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d = MIN(d, above2[j - 2] + 1);
			row[j] = d;
		}
	}
	return rows[n % 3][m];
}

static const char *last_word(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot ? dot + 1 : path;
}

/* A guess must share most of its letters with what was written. */
static unsigned tolerance(const char *text)
{
	size_t len = strlen(text);

	return len < 4 ? 1 : len < 9 ? 2 : 3;
}

static void consider(const char *candidate, unsigned distance, const char **best, unsigned *best_distance)
{
	if (distance < *best_distance) {
		*best = candidate;
		*best_distance = distance;
	}
}

const char *config_key_nearest(const char *path)
{
	static _Thread_local char section[CONFIG_ENV_MAX];
	const char *best = NULL;
	unsigned best_distance = tolerance(last_word(path)) * 2 + 1;

	for (unsigned i = 0; i < config_key_count; i++) {
		const char *known = config_keys[i].path;
		/* Twice, so that the right word in another section (one more) still loses to a slip in this
		 * one. */
		consider(known, 2 * config_distance(path, known), &best, &best_distance);
		consider(known, 2 * config_distance(last_word(path), last_word(known)) + 1, &best,
			 &best_distance);
	}
	for (unsigned i = 0; i < config_key_count; i++) {
		const char *known = config_keys[i].path, *dot = strchr(known, '.');
		char name[CONFIG_ENV_MAX];
		if (!dot)
			continue;
		snprintf(name, sizeof name, "%.*s", (int)(dot - known), known);
		unsigned d = 2 * config_distance(path, name);
		if (d < best_distance) {
			snprintf(section, sizeof section, "%s", name);
			best = section;
			best_distance = d;
		}
	}
	return best;
}

const char *config_item_key_nearest(const struct config_items *items, const char *name)
{
	const char *best = NULL;
	unsigned best_distance = tolerance(name) + 1;

	for (unsigned i = 0; i < items->key_count; i++) {
		const char *known = items->keys[i].path;
		consider(known, config_distance(name, known), &best, &best_distance);
	}
	return best;
}

const char *config_key_env(const struct config_key *key, char buf[static CONFIG_ENV_MAX])
{
	size_t n = (size_t)snprintf(buf, CONFIG_ENV_MAX, "PICKET_%s", key->path);

	for (size_t i = 0; i < n; i++)
		buf[i] = buf[i] == '.' ? '_' : (char)toupper((unsigned char)buf[i]);
	return buf;
}

const struct config_key *config_key_of_env(struct span name, const struct config_key **ret_nearest)
{
	char known[CONFIG_ENV_MAX], z[CONFIG_ENV_MAX];
	unsigned best = 3;

	*ret_nearest = NULL;
	if (name.len >= sizeof z)
		return NULL;
	memcpy(z, name.ptr, name.len);
	z[name.len] = 0;
	for (unsigned i = 0; i < config_key_count; i++) {
		unsigned d = config_distance(z, config_key_env(&config_keys[i], known));
		if (d == 0)
			return &config_keys[i];
		if (d < best) {
			best = d;
			*ret_nearest = &config_keys[i];
		}
	}
	return NULL;
}
