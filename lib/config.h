/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h: picket's configuration. Sources, later ones win: built-in defaults < picket.yaml <
 * conf.d/(any).yaml in name order < PICKET_* environment < flags. Lists are replaced, not joined. One table
 * (config_keys in config_keys.c) is the source of the check, the loader, the environment names, `config show
 * --origin`, the JSON schema and the manual.
 *
 * An unknown key, a wrong type or a value out of range is an error that names file, line, and the nearest
 * known key.
 */
#ifndef PICKET_CONFIG_H
#define PICKET_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/addr.h"
#include "lib/buffer.h"
#include "lib/log.h"
#include "lib/verdict.h"

enum config_mode { MODE_OBSERVE = 1, MODE_APPROVE = 2, MODE_ENFORCE = 3 };
enum config_packet_mode { PACKET_AUTO = 0, PACKET_XDP_NATIVE, PACKET_XDP_GENERIC, PACKET_TC, PACKET_OFF };
enum config_capture_packets { CAPTURE_PACKETS_OFF = 0, CAPTURE_PACKETS_FORWARDED };
/* Bits of capture.decapsulate. */
enum config_capture_tunnel { CAPTURE_IPIP = 1, CAPTURE_GRE = 2, CAPTURE_VXLAN = 4 };
enum config_capture_source { CAPTURE_AUTO = 0, CAPTURE_RING, CAPTURE_PERF };
enum config_receive { RECEIVE_AUTO = 0, RECEIVE_OFF, RECEIVE_KPROBE };
enum config_redact_query { REDACT_QUERY_HASH, REDACT_QUERY_DROP, REDACT_QUERY_KEEP };
enum config_proxy_default { PROXY_UNCLASSIFIED = 0, PROXY_DIRECT = 1 };
enum config_audit_fsync { AUDIT_FSYNC_SECOND = 0, AUDIT_FSYNC_ALWAYS, AUDIT_FSYNC_NEVER };
#define CONFIG_ALERT_ARGS_MAX 32
/* Bits of alerts.about: 1 << enum alert_kind of policies/alerts.h. */
enum config_alert {
	CONFIG_ALERT_BLOCK = 1,
	CONFIG_ALERT_QUESTION = 2,
	CONFIG_ALERT_LIMIT = 4,
	CONFIG_ALERT_ANOMALY = 8,
	CONFIG_ALERT_LOSS = 16,
	CONFIG_ALERT_MENDED = 32,
};
enum config_gateway_protocol {
	GATEWAY_LOCAL = 1,
	GATEWAY_BATCH = 2,
	GATEWAY_CROWDSEC = 3,
	GATEWAY_OPENAI = 4
};
enum config_transport { TRANSPORT_DIRECT = 0, TRANSPORT_LUNAR };
enum config_profile {
	PROFILE_NONE = 0,
	PROFILE_LUNAR,
	PROFILE_APIPARK,
	PROFILE_OPENAI,
	PROFILE_PORTKEY,
	PROFILE_LITELLM,
	PROFILE_CROWDSEC,
};
enum config_role { ROLE_DECIDE = 0, ROLE_OBSERVE };
enum config_clients { CLIENTS_ALL = 0, CLIENTS_SUSPICIOUS };
enum config_max_tokens_key { MAX_TOKENS = 0, MAX_COMPLETION_TOKENS };
/* RESPONSE_AUTO: from the first to the last, each when the one before was refused. */
enum config_response_format {
	RESPONSE_AUTO = 0,
	RESPONSE_JSON_SCHEMA,
	RESPONSE_JSON_OBJECT,
	RESPONSE_TOOL,
	RESPONSE_PLAIN,
};
enum config_compression { COMPRESSION_NONE = 0, COMPRESSION_GZIP, COMPRESSION_ZSTD };
enum config_spool_full { SPOOL_FULL_DROP_OLDEST = 0, SPOOL_FULL_DROP_NEWEST };
enum config_auth_scheme { AUTH_BEARER = 0, AUTH_RAW };
enum config_list_format {
	CONFIG_LIST_AUTO = 0, /* by looking at the content */
	CONFIG_LIST_PLAIN,
	CONFIG_LIST_CROWDSEC,
	CONFIG_LIST_STIX,
	CONFIG_LIST_MISP,
};
#define CONFIG_LISTS_MAX   16
#define CONFIG_HAPROXY_MAX 8

struct config_strings {
	char **items;
	unsigned count;
};
struct config_prefixes {
	struct prefix *items;
	unsigned count;
};
struct config_ports {
	uint16_t *items;
	unsigned count;
};

struct config_gateway {
	char *name;                            /* unique; letters, digits, - and _ */
	enum config_profile profile;           /* sets defaults of the keys below; none */
	enum config_gateway_protocol protocol; /* gateways[].protocol: local | batch */
	char *url;                             /* batch: http:// or https:// */
	enum config_transport transport;       /* direct */
	char *lunar_url;                       /* transport lunar: that of the proxy */
	char *lunar_tag;                       /* x-lunar-consumer-tag */
	char *lunar_key_file;                  /* x-lunar-api-key; NULL: none */
	unsigned events;                       /* bits 1 << enum event_kind; 0: all */
	double sample;                         /* share of the clients, 1: all */
	enum config_clients clients;           /* all */
	enum config_role role;                 /* decide; observe: its verdicts are read and counted */
	/* openai */
	char *model;
	uint32_t max_tokens;
	enum config_max_tokens_key max_tokens_key;
	bool send_temperature;
	enum config_response_format response_format;
	uint32_t attempts_max;                /* posts of one batch; 0: any */
	uint32_t deadline_ms;                 /* from its first post on: then nothing of it counts; 0: none */
	uint32_t requests_per_minute;         /* 0: any */
	uint32_t tokens_per_day;              /* 0: any */
	uint32_t tokens_per_hour;             /* 0: any */
	double money_per_hour, money_per_day; /* 0: any */
	double price_in, price_out;           /* of a million tokens */
	uint32_t ask_score;                   /* what a client must be worth to be asked about (dossier.h) */
	uint32_t clients_per_question;        /* 8 */
	uint64_t opinion_ttl_ms;              /* how long what was said holds for whom looks alike; 0: not */
	char *prompt_file;                    /* NULL: the one that is compiled in */
	struct config_strings headers;        /* "Name: value" */
	struct config_strings header_files;   /* "Name: PATH" */
	char *token_file;                     /* batch: "Authorization: Bearer <content>"; read at start */
	char *auth_header;                    /* NULL: Authorization */
	enum config_auth_scheme auth_scheme;  /* bearer */
	char *ca_file;
	char *cert_file, *key_file;          /* what we show the gateway; both or none */
	char *pin;                           /* "sha256//BASE64", several by ; */
	char *proxy;                         /* http://HOST:PORT; NULL: none */
	enum config_compression compression; /* batch: none */
	bool http2;                          /* default true: over https, where the gateway can */
	uint32_t batch_events;               /* default 500 */
	uint32_t batch_bytes;                /* default 512 KiB */
	uint32_t linger_ms;                  /* default 100: a batch leaves on size or at this age */
	uint32_t timeout_ms;                 /* default 10000 */
	uint32_t queue_events;               /* default 65536 */
	uint64_t spool;                      /* default 512 MiB: bytes on the disk; 0: none */
	enum config_spool_full spool_full;   /* drop_oldest */
	bool verdicts;                       /* default true: act on verdicts in its answers */
	enum config_mode mode; /* default enforce: how far its verdicts go, never further than config.mode */
	bool corroborate; /* default true: its blocks need a detection of our own on the events that it cites
			   */
	char *verify_key_file;        /* batch: forwarder/signature_key.h */
	uint64_t signature_window_ms; /* default 5 min */
	char *verdicts_url;           /* batch: long poll; NULL: verdicts come in answers only */
	bool unsigned_verdicts;       /* default false: act on answers that nobody signed; loopback only */
	/* crowdsec: the LAPI at url; docs/crowdsec.md */
	uint64_t interval_ms;        /* 10 s: how often its decisions are asked for */
	uint64_t resync_ms;          /* 10 min: ... all of them */
	uint64_t usage_interval_ms;  /* 15 min: how often it is told what became of them */
	struct config_strings types; /* of decisions that are put into force; empty: ban */
	struct config_strings origins, scenarios_containing, scenarios_not_containing; /* empty: all */
	enum verdict_action action;                                                    /* block */
	enum verdict_scope scope;                                                      /* ports */
	char *machine_id; /* whom we log in as, to tell of our own blocks; NULL: they are not told */
	char *password_file;
};

/* Does it want addresses blocked by itself, whatever happens here? */
static inline bool config_gateway_has_list(const struct config_gateway *g)
{
	return g->protocol == GATEWAY_CROWDSEC && g->verdicts && (g->token_file || g->cert_file);
}

/* A block list in a file, or of a gateway that has one (crowdsec). */
struct config_list {
	char *name;                     /* unique; lower case letters, digits and - */
	char *path;                     /* opened by the warden; NULL: of a gateway, with its name */
	enum config_list_format format; /* auto */
	enum verdict_action action;     /* block */
	enum verdict_scope scope;       /* ports */
	uint64_t ttl_ms; /* 24 h: how long an entry without an end of its own outlives its file */
};

/* A map of an HAProxy that is kept equal to what is denied at HTTP. */
struct config_haproxy {
	char *name;           /* unique; lower case letters, digits and - */
	char *socket;         /* its runtime socket */
	char *map;            /* as haproxy.cfg names it */
	uint32_t entries_max; /* 65536: beyond, block lists are cut */
};

enum config_learning { LEARNING_ON, LEARNING_FROZEN };

struct config {
	char *instance;        /* default "default"; letters, digits, - and _ */
	enum config_mode mode; /* observe */
	char *control;         /* control socket path; default /run/picket/INSTANCE/control.sock */
	uint32_t metrics_port; /* metrics.port: on 127.0.0.1; 0: none */
	char *decide;          /* decision socket path; default decide.sock beside the control socket */
	char *state_dir;       /* default /var/lib/picket/INSTANCE */
	char *user;            /* sensor's user; default picket, else nobody */
	struct {
		enum log_level level;   /* info */
		enum log_format format; /* logfmt */
	} log;
	struct {
		struct config_strings interfaces;    /* empty: every non-loopback interface that is up */
		enum config_packet_mode packet_mode; /* auto */
		enum config_capture_packets packets; /* off */
		unsigned decapsulate;                /* bits: enum config_capture_tunnel; none */
		uint32_t vxlan_port;                 /* 4789 */
		struct config_prefixes tunnel_peers; /* whose tunnels are opened */
		struct config_ports ports;           /* empty: follow listeners */
		struct config_ports loopback_ports;  /* also watched although only on loopback */
		struct config_ports never_ports;     /* beside sshd's */
		char *cgroup;                        /* path below /sys/fs/cgroup; empty = any */
		enum config_capture_source source;   /* auto */
		enum config_receive receive;         /* auto */
		uint64_t ring_bytes;                 /* 16 MiB, power of two */
		uint64_t header_ring_bytes;          /* 4 MiB */
		uint32_t read_max;                   /* 65536 */
		uint32_t header_sample;              /* one in N ordinary segments, 0 = none */
		uint32_t header_rate;                /* header events per second and CPU, 2000 */
		uint32_t header_burst;               /* 2000 */
		uint32_t connections_max;            /* streams held, 65536 */
		uint64_t stream_bytes;               /* ceiling of all streams' buffers together, 64 MiB */
	} capture;
	struct {
		bool disabled; /* redact.disabled, false; true: texts leave as they were sent */
		enum config_redact_query query; /* redact.query: hash (default) | drop | keep */
						/* openai */
		char *model;
		uint32_t max_tokens;
		enum config_max_tokens_key max_tokens_key;
		bool send_temperature;
		enum config_response_format response_format;
		uint32_t attempts_max;        /* posts of one batch; 0: any */
		uint32_t deadline_ms;         /* from its first post on: then nothing of it counts; 0: none */
		uint32_t requests_per_minute; /* 0: any */
		uint32_t tokens_per_day;      /* 0: any */
		struct config_strings headers; /* allow list, lower case; empty: as the rules say */
		struct config_strings
			policies; /* redact.policies: at most one file; empty: the shipped one */
		char *key_file;   /* default STATE_DIR/redact.key, made 0600 at first start */
	} redact;
	struct config_gateway *gateways; /* default: one, "local" */
	unsigned gateway_count;
	struct config_list *lists; /* none; behind those of the files, those of gateways */
	unsigned list_count;
	struct config_haproxy *haproxy; /* none */
	unsigned haproxy_count;
	struct {
		enum config_proxy_default peers; /* proxies.default: unclassified | direct */
		struct config_prefixes trusted;
		struct config_prefixes direct;
		struct config_strings
			headers; /* how trusted proxies name clients, lower case; the first counts */
	} proxies;
	struct {
		/* limits.protect: never blocked, beside those found by itself */
		struct config_prefixes protect;
		struct config_strings protect_consumers; /* never blocked: their ids, as events show them */
		uint64_t ttl_max_ms;                     /* limits.ttl_max, 24 h */
		uint32_t prefix_min_v4;                  /* limits.shortest_prefix_v4, 24 */
		uint32_t prefix_min_v6;                  /* limits.shortest_prefix_v6, 48 */
		uint32_t insert_rate;                    /* limits.inserts_per_second, 1000 */
		uint32_t blocks_max;                     /* limits.blocks_max, 65536 per deny map */
	} limits;
	struct {
		uint32_t per_minute;   /* guard.automatic_per_minute, 60: of each source, as the next two */
		uint32_t per_hour;     /* guard.automatic_per_hour, 600 */
		uint32_t total;        /* guard.automatic_total, 5000 in force */
		uint64_t cool_down_ms; /* guard.cool_down, 5 min: what a source over a limit waits */
		uint32_t escalation;   /* guard.escalation, 4 */
		uint64_t repeat_within_ms; /* guard.repeat_within, 24 h */
		double confidence_min;     /* guard.confidence_min, 0.8 */
		uint32_t good_requests;    /* guard.good_requests, 5: makes a consumer a regular, */
		uint64_t good_span_ms;     /* guard.good_span, 10 min: ... over so long */
		uint64_t good_within_ms;   /* guard.good_within, 24 h: ... the last no older */
		double blast_radius;       /* guard.blast_radius, 0.05 of all regulars */
		uint32_t shared_from;      /* guard.shared_from, 3 regulars at one address; 0: never */
		uint32_t group_offenders;  /* guard.group_offenders, 4 of one IPv6 /64; 0: never */
		uint64_t group_within_ms;  /* guard.group_within, 10 min */
		uint64_t ttl_default_ms;   /* guard.ttl_default, 15 min */
	} guard;
	struct {
		bool close_connections; /* enforcement.close_connections, true */
		uint32_t rate_limit;    /* enforcement.rate_limit, 20 packets a second */
		uint32_t rate_burst;    /* enforcement.rate_burst, 100 packets */
		bool publish;           /* enforcement.publish, false */
		bool pin;               /* enforcement.pin, false: blocks hold while no daemon runs */
		char *ja4_header;       /* enforcement.ja4_header; empty: questions tell no JA4 */
		char *target_header;    /* enforcement.target_header; empty: they tell no target */
	} enforcement;
	struct {
		struct config_strings policies; /* detect.policies: files; empty: the shipped ones */
		struct config_strings packets;  /* detect.packets: files; empty: the shipped one */
		enum config_learning learning;  /* detect.learning, on */
		uint64_t learning_after_ms;     /* detect.learning_after, 24h */
		uint32_t learning_clients;      /* detect.learning_clients, 5 */
	} detect;
	struct {
		uint32_t paranoia;                /* signatures.paranoia: 0 off, 1 (default) to 4 */
		struct config_strings files;      /* signatures.files: besides the shipped ones */
		struct config_strings disabled;   /* signatures.disabled: ids */
		struct config_strings exceptions; /* signatures.exceptions: "ROUTE NAME..." */
	} signatures;
	struct {
		bool enabled;      /* second_opinion.enabled, false */
		uint32_t paranoia; /* second_opinion.paranoia, 1 to 4; 1 */
		uint32_t sample; /* second_opinion.sample: one in N requests that are not suspicious; 0: none
				  */
		uint32_t cpu_percent; /* second_opinion.cpu_percent, of one processor; 5 */
		char *setup;          /* second_opinion.setup, the rule set's configuration */
		char *rules;          /* second_opinion.rules, its folder */
	} second_opinion;
	struct {
		char *openapi; /* api.openapi: description of the API; empty: none */
	} api;
	struct {
		bool enabled;                  /* audit.enabled, true */
		uint64_t size_max;             /* audit.size_max, 16 MiB a file */
		uint32_t files_max;            /* audit.files_max, 8 */
		enum config_audit_fsync fsync; /* audit.fsync, second */
	} audit;
	struct {
		unsigned about;                /* alerts.about: bits, enum config_alert; all but anomaly */
		uint32_t per_hour;             /* alerts.per_hour, 12 */
		uint64_t pause_ms;             /* alerts.pause, 5 min */
		char *webhook;                 /* alerts.webhook: URL; empty: none */
		char *webhook_token_file;      /* alerts.webhook_token_file; empty: none */
		bool syslog;                   /* alerts.syslog, false */
		struct config_strings command; /* alerts.command: argv; empty: none */
	} alerts;
	struct config_origins *origins; /* for config_show */
};

enum { CONFIG_E_INVALID = 1 };

struct config_flag {
	const char *key;   /* dotted: "capture.interfaces" */
	const char *value; /* as it is; a list: "eth0,eth1" or "[eth0, eth1]"; gateways: YAML */
	const char *flag;  /* for messages: "-i" */
};

/*
 * A relative path is relative to the directory of the file that holds it, elsewhere to the current one. In
 * the environment a name that is no key is an error only where it looks like a slip; an empty value counts as
 * unset.
 *
 * file: NULL = /etc/picket/picket.yaml if there (conf.d beside it), a path = that file and conf.d beside it,
 * "" = none. CONFIG_E_INVALID: *errors holds one message a line; what is wrong, where, and what to do.
 */
int config_load(const char *file, const struct config_flag *flags, unsigned flag_count,
		char *const *environ_list, struct config **ret, struct buffer *errors);
void config_free(struct config *c);

/* Effective configuration as YAML; origins: "# from FILE:LINE" behind each key. Secrets are file names only.
 */
int config_show(const struct config *c, bool origins, struct buffer *out);
/* JSON Schema 2020-12 of picket.yaml. */
int config_schema(struct buffer *out);
/* The sections of picket.yaml(5) that tell of its keys, in roff. */
int config_manual(struct buffer *out);

const char *config_mode_name(enum config_mode m);
/* "local", "batch", ... */
const char *config_protocol_name(enum config_gateway_protocol p);
int config_mode_parse(struct span text, enum config_mode *ret); /* 0 or 1 */
/* "auto", "xdp-native", "xdp-generic", "tc", "off" */
const char *config_packet_mode_name(enum config_packet_mode m);

/* "15m", "90s", "1h30m", "250ms", "2d"; a bare number is an error. 0 or 1. Used for flags and files alike. */
int config_duration_parse(struct span text, uint64_t *ret_ms);
const char *config_duration_format(uint64_t ms, char buf[static 32]);

#endif
