// SPDX-License-Identifier: Apache-2.0
/*
 * oracle_test.c: random and mutated frames through the packet program in the running kernel and through the
 * oracle. Compared for each frame: dropped or passed, and the header event, field by field; and all counters.
 *
 * With -tunnels, frames carry others, and the program opens them (capture.decapsulate); with -peers, those
 * from some outer sources only.
 *
 *     oracle_test xdp|tc[-tunnels|-peers] [COUNT [FIRST-NUMBER]]
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collect.h"
#include "lib/util.h"
#include "oracle.h"
#include "policies/deny.h"
#include "sensor/kernel_internal.h"
#include "sensor/ports.h"
#include "sensor/reader.h"

#define WATCHED   8080
#define VXLAN     4789
#define FRAME_MAX 3000
#define BATCH     128

static bool use_tc, tunnels, peers;

/* --- frames ----------------------------------------------------------------------------------- */

static uint64_t state;

static uint32_t rnd(uint32_t n)
{
	uint64_t z = state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)((z ^ z >> 31) >> 32) % n;
}

struct frame {
	uint8_t bytes[FRAME_MAX];
	size_t len;
};

static uint8_t *put(struct frame *f, size_t n)
{
	uint8_t *at = f->bytes + f->len;

	if (f->len + n > FRAME_MAX)
		abort();
	memset(at, 0, n);
	f->len += n;
	return at;
}

static void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void put_random(struct frame *f, size_t n)
{
	uint8_t *at = put(f, n);

	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)rnd(256);
}

/* Where packets come from; what is denied is said in open_all. */
static const char *const sources4[] = {"198.51.100.7", "198.51.100.8", "203.0.113.5", "203.0.113.9",
				       "203.0.113.77", "192.0.2.99",   "198.51.100.6"};
static const char *const sources6[] = {"2001:db8::7",      "2001:db8:8::1",       "2001:db8:9::1",
				       "2001:db8:8:0:9::", "::ffff:198.51.100.7", "::ffff:192.0.2.99",
				       "2001:db8:8::aa"};

static void put_address(uint8_t *at, int family)
{
	if (family == AF_INET)
		inet_pton(family, sources4[rnd(ARRAY_SIZE(sources4))], at);
	else
		inet_pton(family, sources6[rnd(ARRAY_SIZE(sources6))], at);
}

static unsigned a_port(void)
{
	static const unsigned ports[] = {WATCHED, WATCHED, WATCHED, 9090, 22, 80, 0, 65535};

	return rnd(12) ? ports[rnd(ARRAY_SIZE(ports))] : rnd(65536);
}

static void put_ipv4(struct frame *f, unsigned depth);
static void put_ipv6(struct frame *f, unsigned depth);

static void put_inner_ethernet(struct frame *f, unsigned depth)
{
	uint8_t *type;
	bool v6 = rnd(2);

	put_random(f, 12);
	type = put(f, 2);
	for (uint32_t n = rnd(4) ? 0 : rnd(4); n > 0; n--) {
		put16(type, rnd(2) ? 0x8100 : 0x88a8);
		put_random(f, 2);
		type = put(f, 2);
	}
	put16(type, rnd(20) ? (v6 ? 0x86dd : 0x0800) : rnd(65536));
	if (v6)
		put_ipv6(f, depth);
	else
		put_ipv4(f, depth);
}

static void put_gre(struct frame *f, unsigned depth)
{
	static const uint16_t types[] = {0x0800, 0x86dd, 0x6558};
	size_t begin = f->len;
	uint8_t flags = (uint8_t)(rnd(8) ? (rnd(16) << 4 & 0xb0) : rnd(256)), *at;
	uint16_t type = rnd(16) ? types[rnd(3)] : (uint16_t)rnd(65536);

	put(f, 4);
	put_random(f, 4u * ((flags >> 7 & 1u) + (flags >> 5 & 1u) + (flags >> 4 & 1u)));
	at = f->bytes + begin;
	at[0] = flags;
	at[1] = (uint8_t)(rnd(8) ? 0 : rnd(256));
	put16(at + 2, type);
	if (type == 0x0800)
		put_ipv4(f, depth);
	else if (type == 0x86dd)
		put_ipv6(f, depth);
	else
		put_inner_ethernet(f, depth);
}

static void put_vxlan(struct frame *f, unsigned depth)
{
	size_t begin = f->len;

	put_random(f, 16);
	f->bytes[begin + 8] |= rnd(16) ? 8 : 0;
	put16(f->bytes + begin + 2, VXLAN);
	put_inner_ethernet(f, depth);
	put16(f->bytes + begin + 4, rnd(6)   ? (unsigned)(f->len - begin)
				    : rnd(2) ? rnd((uint32_t)(f->len - begin) + 8)
					     : 0);
}

#define DEPTH_MAX 2 /* of tunnels inside of each other: one is opened */

/* False: no tunnel of that protocol, or not here. */
static bool put_tunnel(struct frame *f, uint8_t protocol, unsigned depth)
{
	if (!tunnels || depth == DEPTH_MAX || !rnd(16))
		return false;
	if (protocol == 4)
		put_ipv4(f, depth + 1);
	else if (protocol == 41)
		put_ipv6(f, depth + 1);
	else if (protocol == 47)
		put_gre(f, depth + 1);
	else if (protocol == 17 && rnd(2))
		put_vxlan(f, depth + 1);
	else
		return false;
	return true;
}

static void put_l4(struct frame *f, uint8_t protocol, unsigned depth)
{
	uint8_t *at;

	if (put_tunnel(f, protocol, depth))
		return;
	if (protocol == 6) {
		at = put(f, 20);
		for (unsigned i = 4; i < 20; i++)
			at[i] = (uint8_t)rnd(256);
		/* The usual ones most of the time. */
		at[12] = (uint8_t)(rnd(8) ? 5 << 4 : rnd(256));
		at[13] = (uint8_t)(rnd(3) ? (rnd(2) ? 0x10 : 0x18) : rnd(256));
		put16(at, 40000 + rnd(1000));
		put16(at + 2, a_port());
		put_random(f, (at[12] >> 4) > 5 && rnd(4) ? ((size_t)(at[12] >> 4) - 5) * 4 : 0);
	} else if (protocol == 17) {
		at = put(f, 8);
		put16(at, 40000);
		put16(at + 2, a_port());
		put16(at + 4, 8);
	}
	put_random(f, rnd(4) ? rnd(40) : rnd(400));
}

static uint8_t a_protocol(void)
{
	static const uint8_t protocols[] = {6, 6, 6, 6, 17, 17, 1, 58, 50, 47};
	static const uint8_t carriers[] = {4, 41, 47, 17};

	if (tunnels && rnd(3) == 0)
		return carriers[rnd(ARRAY_SIZE(carriers))];
	return rnd(16) ? protocols[rnd(ARRAY_SIZE(protocols))] : (uint8_t)rnd(256);
}

static void put_ipv4(struct frame *f, unsigned depth)
{
	size_t begin = f->len, words = rnd(8) ? 5 : rnd(16);
	uint8_t *ip = put(f, 20), protocol = a_protocol();

	ip[0] = (uint8_t)((rnd(40) ? 4 : rnd(16)) << 4 | words);
	ip[8] = (uint8_t)rnd(256);
	ip[9] = protocol;
	if (!rnd(8))
		put16(ip + 6, rnd(2) ? rnd(65536) : 0x2000);
	put_address(ip + 12, AF_INET);
	put_address(ip + 16, AF_INET);
	if (words > 5)
		put_random(f, (words - 5) * 4);
	put_l4(f, protocol, depth);
	put16(ip + 2, rnd(8)   ? (unsigned)(f->len - begin)
		      : rnd(2) ? rnd((uint32_t)(f->len - begin) + 8)
			       : rnd(65536));
}

static const uint8_t extensions[] = {0, 43, 44, 51, 60, 135, 139, 140, 59, 253, 254};

static void put_extensions(struct frame *f, uint8_t *next, uint8_t protocol)
{
	for (uint32_t n = rnd(3) ? rnd(3) : rnd(11); n > 0; n--) {
		/* The last three end the walk: rarely. */
		uint8_t kind = extensions[rnd(24) ? rnd(8) : rnd(ARRAY_SIZE(extensions))];
		size_t units = rnd(4) ? 0 : rnd(4);
		size_t begin = f->len;
		*next = kind;
		put_random(f, kind == 51 ? (units + 2) * 4 : kind == 44 ? 8 : (units + 1) * 8);
		uint8_t *at = f->bytes + begin;
		next = at;
		at[1] = (uint8_t)(rnd(16) ? units : rnd(256));
		if (kind == 44)
			put16(at + 2, rnd(2) ? 1 : rnd(65536));
		if (kind == 51 && f->len - begin < 8)
			put(f, 8 - (f->len - begin));
	}
	*next = protocol;
}

static void put_ipv6(struct frame *f, unsigned depth)
{
	uint8_t *ip = put(f, 40), protocol = a_protocol();
	size_t begin = f->len;

	ip[0] = (uint8_t)(rnd(40) ? 0x60 : rnd(256));
	ip[7] = (uint8_t)rnd(256);
	put_address(ip + 8, AF_INET6);
	put_address(ip + 24, AF_INET6);
	put_extensions(f, ip + 6, protocol);
	put_l4(f, protocol, depth);
	put16(ip + 4, rnd(8)   ? (unsigned)(f->len - begin)
		      : rnd(2) ? rnd((uint32_t)(f->len - begin) + 8)
			       : rnd(65536));
}

static void make(struct frame *f, uint64_t number)
{
	static const uint16_t types[] = {0x8100, 0x88a8};
	uint8_t *type;

	state = number * 0xd1342543de82ef95ull + 3;
	f->len = 0;
	put_random(f, 12);
	type = put(f, 2);
	for (uint32_t n = rnd(4) ? 0 : rnd(4); n > 0; n--) {
		put16(type, types[rnd(2)]);
		put_random(f, 2);
		type = put(f, 2);
	}
	bool v6 = rnd(2);
	put16(type, rnd(50) ? (v6 ? 0x86dd : 0x0800) : rnd(65536));
	if (v6)
		put_ipv6(f, 0);
	else
		put_ipv4(f, 0);
	if (!rnd(6))
		put_random(f, rnd(40)); /* padding */
	for (uint32_t n = rnd(4) ? 0 : 1 + rnd(3); n > 0; n--)
		f->bytes[12 + rnd((uint32_t)MIN(f->len, (size_t)120) - 12)] = (uint8_t)rnd(256);
	if (!rnd(6))
		f->len = 14 + rnd((uint32_t)f->len - 13);
}

/* --- what has to come of it ------------------------------------------------------------------- */

enum { SCOPE_NONE, SCOPE_PORTS, SCOPE_HOST };

static const struct rule {
	const char *prefix;
	int scope;
} rules[] = {{"198.51.100.7", SCOPE_PORTS},
	     {"198.51.100.8", SCOPE_HOST},
	     {"203.0.113.0/24", SCOPE_PORTS},
	     {"2001:db8::7", SCOPE_PORTS},
	     {"2001:db8:8::/48", SCOPE_HOST}};
static const char *const allowed[] = {"203.0.113.9", "2001:db8:8::aa"};

static bool lies_in(const char *text, const uint8_t *addr, int family)
{
	char name[64];
	uint8_t net[16];
	unsigned bits = family == AF_INET ? 32 : 128;
	const char *slash = strchr(text, '/');

	snprintf(name, sizeof name, "%.*s", slash ? (int)(slash - text) : 63, text);
	if (slash)
		bits = (unsigned)atoi(slash + 1);
	if (inet_pton(family, name, net) != 1)
		return false;
	return !memcmp(net, addr, bits / 8);
}

/* One packet, the outer or the inner one. */
struct judged {
	bool drop, allowed_hit, event;
	uint8_t why;
	struct oracle_packet p;
};

enum tunnel { TUNNEL_NONE, TUNNEL_FOREIGN, TUNNEL_SHUT, TUNNEL_OPEN };

struct expected {
	struct judged outer, inner;
	enum tunnel tunnel;
	bool nested;
	bool drop;
	const struct judged *event; /* NULL: none */
};

static const char *const peer_nets[] = {"203.0.113.0/24", "198.51.100.8", "2001:db8:8::/48",
					"2001:db8:9::/48"};

static bool is_mapped(const uint8_t *a)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(a, prefix, 12);
}

/* Is this packet among those that a block of that scope stops? */
static bool covered(int scope, const struct oracle_packet *p)
{
	if (scope == SCOPE_HOST)
		return true;
	if (p->reach != ORACLE_L4)
		return true;
	return (p->protocol == 6 || p->protocol == 17) && p->destination_port == WATCHED;
}

static bool is_peer(const struct oracle_packet *p)
{
	bool mapped = p->version == 6 && is_mapped(p->source), is = false;
	int family = p->version == 4 || mapped ? AF_INET : AF_INET6;

	for (size_t i = 0; peers && p->version && i < ARRAY_SIZE(peer_nets); i++)
		is |= lies_in(peer_nets[i], p->source + (mapped ? 12 : 0), family);
	return is;
}

static void decide(struct judged *e, bool outer)
{
	const struct oracle_packet *p = &e->p;
	bool mapped = p->version == 6 && is_mapped(p->source);
	int family = p->version == 4 || mapped ? AF_INET : AF_INET6;
	const uint8_t *source = p->source + (mapped ? 12 : 0);
	bool hit = false;

	if (!p->version)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		hit |= lies_in(rules[i].prefix, source, family) && covered(rules[i].scope, p);
	for (size_t i = 0; hit && i < ARRAY_SIZE(allowed); i++)
		e->allowed_hit |= lies_in(allowed[i], source, family);
	if (hit && outer)
		e->allowed_hit |= is_peer(p);
	e->drop = hit && !e->allowed_hit;
}

static void judge_header(struct judged *e)
{
	const struct oracle_packet *p = &e->p;
	uint16_t six = p->flags & 0x3f;

	if (!p->tcp_bytes || p->destination_port != WATCHED)
		return;
	if (p->tcp_bytes < 20) {
		e->why = PK_WHY_MALFORMED;
	} else {
		if (p->header_bytes < 20 || p->header_bytes > p->l4_bytes)
			e->why |= PK_WHY_MALFORMED;
		e->why |= six & 2 ? PK_WHY_SYN : 0;
		e->why |= six & 1 ? PK_WHY_FIN : 0;
		e->why |= six & 4 ? PK_WHY_RST : 0;
		if (!six || p->reserved || six & 0x20 || ((six & 2) && (six & 5)))
			e->why |= PK_WHY_ODD;
	}
	e->why |= e->drop ? PK_WHY_DENIED : 0;
	e->event = e->why != 0;
}

static void judge(struct expected *e, const uint8_t *frame, size_t len)
{
	memset(e, 0, sizeof(*e));
	oracle_read(&e->outer.p, frame, len);
	decide(&e->outer, true);
	judge_header(&e->outer);
	e->drop = e->outer.drop;
	e->event = e->outer.event ? &e->outer : NULL;
	if (e->drop || !tunnels || !oracle_is_tunnel(&e->outer.p, VXLAN))
		return;
	if (peers && !is_peer(&e->outer.p)) {
		e->tunnel = TUNNEL_FOREIGN;
		return;
	}
	if (oracle_open(&e->inner.p, &e->outer.p) == ORACLE_TUNNEL_SHUT) {
		e->tunnel = TUNNEL_SHUT;
		return;
	}
	e->tunnel = TUNNEL_OPEN;
	decide(&e->inner, false);
	judge_header(&e->inner);
	e->drop = e->inner.drop;
	e->event = e->inner.event ? &e->inner : NULL;
	e->nested = !e->drop && oracle_is_tunnel(&e->inner.p, VXLAN);
}

/* --- the program ------------------------------------------------------------------------------ */

static struct kernel *kernel;
static struct reader *reader;
static struct collect got;
static struct config config;
static int program;

static uint64_t boot_in(int seconds)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)(t.tv_sec + seconds) * NS_PER_S;
}

static int open_all(void)
{
	static struct prefix peer_list[ARRAY_SIZE(peer_nets)];
	struct kernel_options options = {.verbose = getenv("V") != NULL};
	struct pk_ports ports = {.watched[WATCHED / 64] = 1ull << (WATCHED % 64)};
	struct pk_config calm = {.header_rate = 1000000000, .header_burst = 1000000000, .read_max = 65536};
	struct buffer errors = BUFFER_INIT(4096);
	struct prefix prefix;

	config.capture.ring_bytes = 1 << 16;
	config.capture.header_ring_bytes = 1 << 16;
	config.limits.blocks_max = 256;
	config.capture.decapsulate = tunnels ? CAPTURE_IPIP | CAPTURE_GRE | CAPTURE_VXLAN : 0;
	config.capture.vxlan_port = VXLAN;
	config.capture.tunnel_peers = (struct config_prefixes){peer_list, peers ? ARRAY_SIZE(peer_nets) : 0};
	for (size_t i = 0; i < ARRAY_SIZE(peer_nets); i++)
		if (prefix_parse(span_from(peer_nets[i]), &peer_list[i]))
			return -1;
	int r = kernel_load(&config, &options, &kernel, &errors);
	if (r)
		fprintf(stderr, "kernel_load: %d\n%.*s", r, (int)errors.len, errors.data);
	buffer_free(&errors);
	if (r)
		return r;
	program = use_tc ? kernel_program_fd(kernel, OBJECT_TC, "pk_tc")
			 : kernel_program_fd(kernel, OBJECT_XDP, "pk_xdp");
	kernel_config_set(kernel, &calm);
	ports_write(kernel_ports_fd(kernel), &ports);
	for (size_t i = 0; !r && i < ARRAY_SIZE(rules); i++) {
		r = prefix_parse(span_from(rules[i].prefix), &prefix);
		if (!r)
			r = deny_put(kernel_deny(kernel), &prefix, boot_in(100000), PK_ACT_DROP,
				     rules[i].scope == SCOPE_HOST ? PK_SCOPE_HOST : PK_SCOPE_PORTS, 1);
	}
	for (size_t i = 0; !r && i < ARRAY_SIZE(allowed); i++) {
		r = prefix_parse(span_from(allowed[i]), &prefix);
		if (!r)
			r = allow_put(kernel_deny(kernel), &prefix);
	}
	return r || program < 0 ? -1 : reader_new(kernel, collect_record, &got, &reader);
}

static int run(const struct frame *f, bool *ret_drop)
{
	uint8_t copy[FRAME_MAX], out[FRAME_MAX + 64];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = copy, .data_size_in = (__u32)f->len, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = 1);

	memcpy(copy, f->bytes, f->len);
	int r = bpf_prog_test_run_opts(program, &opts);
	*ret_drop = use_tc ? opts.retval == 2 : opts.retval == XDP_DROP;
	return r;
}

/* --- comparing -------------------------------------------------------------------------------- */

static uint64_t expected_stats[PK_C_MAX];

static void count(const struct expected *e, size_t len)
{
	static const enum pk_counter of_reach[] = {[ORACLE_LATER_PIECE] = PK_C_ODD_FRAGMENT,
						   [ORACLE_SHORT] = PK_C_ODD_TRUNCATED,
						   [ORACLE_EXTENSIONS] = PK_C_ODD_EXTENSION,
						   [ORACLE_NO_IP] = PK_C_ODD_NOT_IP,
						   [ORACLE_TAGS] = PK_C_ODD_VLAN,
						   [ORACLE_NO_ADDRESSES] = PK_C_ODD_TRUNCATED};

	expected_stats[PK_C_PACKETS]++;
	expected_stats[PK_C_DROPPED] += e->drop;
	expected_stats[PK_C_DROPPED_BYTES] += e->drop ? len : 0;
	expected_stats[PK_C_HDR_PRODUCED] += e->event != NULL;
	expected_stats[PK_C_INNER] += e->tunnel == TUNNEL_OPEN;
	expected_stats[PK_C_INNER_UNREAD] += e->tunnel == TUNNEL_SHUT;
	expected_stats[PK_C_INNER_PEER] += e->tunnel == TUNNEL_FOREIGN;
	expected_stats[PK_C_INNER_NESTED] += e->nested;
	for (unsigned i = 0; i < 1 + (e->tunnel == TUNNEL_OPEN); i++) {
		const struct judged *j = i ? &e->inner : &e->outer;
		expected_stats[PK_C_ALLOWED] += j->allowed_hit;
		expected_stats[PK_C_UDP] +=
			j->p.protocol == 17 && j->p.ports && j->p.destination_port == WATCHED;
		if (!e->drop && j->p.reach != ORACLE_L4)
			expected_stats[of_reach[j->p.reach]]++;
	}
}

static bool stats_same(void)
{
	uint64_t is[PK_C_MAX];
	bool same = true;

	if (kernel_stats(kernel, is))
		return false;
	for (unsigned i = 0; i < PK_C_MAX; i++)
		if (is[i] != expected_stats[i]) {
			printf("counter %u: %" PRIu64 ", the oracle has %" PRIu64 "\n", i, is[i],
			       expected_stats[i]);
			same = false;
		}
	return same;
}

#define FIELD(NAME, WANTED)                                                                               \
	do {                                                                                              \
		if ((uint64_t)h->NAME != (uint64_t)(WANTED)) {                                            \
			printf("%s: %" PRIu64 ", the oracle has %" PRIu64 "\n", #NAME, (uint64_t)h->NAME, \
			       (uint64_t)(WANTED));                                                       \
			same = false;                                                                     \
		}                                                                                         \
	} while (0)

static bool event_same(const struct pk_header *h, const struct judged *e)
{
	const struct oracle_packet *p = &e->p;
	bool mapped = p->version == 6 && is_mapped(p->source) && is_mapped(p->destination), same = true;
	uint8_t source[16] = {0}, destination[16] = {0};
	uint32_t payload = p->l4_bytes > p->header_bytes ? p->l4_bytes - p->header_bytes : 0;
	size_t n = p->version == 4 || mapped ? 4 : 16;

	memcpy(source, p->source + (mapped ? 12 : 0), n);
	memcpy(destination, p->destination + (mapped ? 12 : 0), n);
	FIELD(family, n == 4 ? PK_AF_INET : PK_AF_INET6);
	FIELD(ttl, p->hops);
	FIELD(hook, use_tc ? PK_HOOK_TC : PK_HOOK_XDP);
	FIELD(source_port, p->source_port);
	FIELD(destination_port, p->destination_port);
	FIELD(sequence, p->sequence);
	FIELD(acknowledgment, p->acknowledgment);
	FIELD(window, p->window);
	FIELD(flags, p->flags);
	FIELD(header_length, p->header_bytes);
	FIELD(why, e->why);
	FIELD(payload_len, payload);
	if (memcmp(h->source_addr, source, 16) || memcmp(h->destination_addr, destination, 16)) {
		printf("addresses differ\n");
		same = false;
	}
	return same;
}

static void show(uint64_t number, const struct frame *f, const struct expected *e)
{
	printf("frame number %" PRIu64 ", %zu bytes; the oracle: %s, tunnel %d\n", number, f->len,
	       e->drop ? "drop" : "pass", e->tunnel);
	for (unsigned i = 0; i < 1 + (e->tunnel == TUNNEL_OPEN); i++) {
		const struct judged *j = i ? &e->inner : &e->outer;
		printf("  reach %d, protocol %u, port %u, event %d why %#x\n", j->p.reach, j->p.protocol,
		       j->p.destination_port, j->event, j->why);
	}
	for (size_t i = 0; i < f->len && i < 160; i++)
		printf("%02x%s", f->bytes[i], i % 32 == 31 ? "\n" : " ");
	printf("\n");
}

struct sums {
	uint64_t drops, events, reach[ORACLE_NO_ADDRESSES + 1];
	uint64_t tunnel[TUNNEL_OPEN + 1], inner_reach[ORACLE_NO_ADDRESSES + 1], inner_drops, nested;
};

/* The number of differences in one batch. */
static unsigned run_batch(uint64_t first, unsigned n, struct sums *sums)
{
	static struct frame frames[BATCH];
	static struct expected expected[BATCH];
	unsigned bad = 0;
	size_t events = 0;

	for (unsigned i = 0; i < n; i++) {
		struct expected *e = &expected[i];
		bool drop = false;
		make(&frames[i], first + i);
		judge(e, frames[i].bytes, frames[i].len);
		int r = run(&frames[i], &drop);
		/* The kernel's test run takes no skb whose type says IP and whose bytes cannot hold its
		 * header. */
		if (use_tc && r == -EINVAL && frames[i].len < 14 + 40) {
			e->event = NULL;
			continue;
		}
		count(e, frames[i].len);
		sums->drops += e->drop;
		sums->events += e->event != NULL;
		sums->reach[e->outer.p.reach]++;
		sums->tunnel[e->tunnel]++;
		sums->nested += e->nested;
		if (e->tunnel == TUNNEL_OPEN) {
			sums->inner_reach[e->inner.p.reach]++;
			sums->inner_drops += e->drop;
		}
		if (!r && drop == e->drop)
			continue;
		printf("test run: %d, the program %s it\n", r, drop ? "drops" : "passes");
		show(first + i, &frames[i], e);
		bad++;
	}
	if (reader_drain(reader) < 0)
		return bad + 1;
	for (unsigned i = 0; i < n; i++) {
		if (!expected[i].event)
			continue;
		const struct pk_header *h = collect_get(&got, PK_HEADER, events++);
		if (h && event_same(h, expected[i].event))
			continue;
		printf("%s\n", h ? "another event" : "no event");
		show(first + i, &frames[i], &expected[i]);
		bad++;
	}
	if (collect_count(&got, PK_HEADER) != events) {
		printf("%zu events, the oracle has %zu, in frames %" PRIu64 " to %" PRIu64 "\n",
		       collect_count(&got, PK_HEADER), events, first, first + n - 1);
		bad++;
	}
	collect_clear(&got);
	return bad;
}

/* A comparison says nothing about what it never met. 0, or the number of kinds that were too few. */
static unsigned too_few(const struct sums *s, uint64_t total)
{
	unsigned bad = 0;

	if (total < 10000)
		return 0;
	for (unsigned i = 0; i <= ORACLE_NO_ADDRESSES; i++) {
		if (s->reach[i] < total / 2000) {
			printf("too few frames of kind %u: %" PRIu64 "\n", i, s->reach[i]);
			bad++;
		}
		if (tunnels && s->inner_reach[i] < total / 4000) {
			printf("too few inner packets of kind %u: %" PRIu64 "\n", i, s->inner_reach[i]);
			bad++;
		}
	}
	for (unsigned i = 0; tunnels && i <= TUNNEL_OPEN; i++)
		if (s->tunnel[i] < total / 400 && (i != TUNNEL_FOREIGN || peers)) {
			printf("too few tunnels of kind %u: %" PRIu64 "\n", i, s->tunnel[i]);
			bad++;
		}
	if (tunnels && (s->inner_drops < total / 400 || s->nested < total / 400)) {
		printf("too few inner packets dropped, or with others inside\n");
		bad++;
	}
	return bad;
}

int main(int argc, char **argv)
{
	uint64_t total = argc > 2 ? strtoull(argv[2], NULL, 0) : 100000;
	uint64_t first = argc > 3 ? strtoull(argv[3], NULL, 0) : 0;
	struct sums sums = {0};
	unsigned bad = 0;
	cpu_set_t one;

	char way[16] = "";

	if (argc > 1)
		snprintf(way, sizeof way, "%s", argv[1]);
	peers = strstr(way, "-peers");
	tunnels = peers || strstr(way, "-tunnels");
	way[strcspn(way, "-")] = 0;
	use_tc = !strcmp(way, "tc");
	if (!use_tc && strcmp(way, "xdp")) {
		fprintf(stderr, "usage: %s xdp|tc[-tunnels|-peers] [COUNT [FIRST-NUMBER]]\n", argv[0]);
		return 2;
	}
	if (geteuid()) {
		fprintf(stderr, "skipped: needs root\n");
		return 77;
	}
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	if (open_all())
		return 1;
	for (uint64_t n = first; n < first + total && bad < 5; n += BATCH) {
		bad += run_batch(n, (unsigned)MIN((uint64_t)BATCH, first + total - n), &sums);
		/* Now and then, so that a difference is found near. */
		if ((n - first) / BATCH % 64 == 0 && !stats_same())
			bad += 5;
	}
	bad += !stats_same();
	printf("%" PRIu64 " frames, %" PRIu64 " dropped, %" PRIu64 " header events, %u differences\n", total,
	       sums.drops, sums.events, bad);
	if (tunnels)
		printf("%" PRIu64 " opened, %" PRIu64 " of these dropped, %" PRIu64 " shut, %" PRIu64
		       " nested\n",
		       sums.tunnel[TUNNEL_OPEN], sums.inner_drops, sums.tunnel[TUNNEL_SHUT], sums.nested);
	bad += too_few(&sums, total);
	reader_free(reader);
	kernel_free(kernel);
	return bad ? 1 : 0;
}
