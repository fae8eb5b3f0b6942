// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * tcp.bpf.c: what the TCP stack does for watched ports. Two BTF tracepoints: skb_copy_datagram_iovec gives
 * the bytes that an application received, after the kernel's own reassembly; inet_sock_set_state gives
 * connections and listeners.
 *
 * One source, built twice: through the ring buffer, where tracing programs may read a packet buffer by dynptr
 * (about Linux 6.12 and later), and with PK_PERF through perf buffers, where only bpf_skb_output can. All
 * kinds of record go the same way, so that their order holds.
 */
#define PK_MAPS_TCP
#include "maps.h"
#include "ring.h"
#include "scope.h"
#include "offer.h"
#include "answer.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* --- request bytes --- */

/* May a record of request bytes go out? Counts it, and why it may not. */
static __always_inline bool data_admit(struct pk_counters *c, struct pk_ring_cpu *cpu,
				       const struct pk_config *config, const struct pk_data *head)
{
	struct fill f = fill_look(cpu, head->rec.size);
	struct pk_share_key source;

	count(c, PK_C_REQ_PRODUCED, 1);
	if (f.level == RING_CALM)
		return true;
	source = ring_source(head->flow.family, head->flow.peer_addr, PK_SHARE_REQUESTS);
	source.cpu = f.cpu;
	if (f.level == RING_KEPT)
		count(c, PK_C_REQ_LOST, 1);
	else if (ring_share(&source, f.size, f.taken, config, head->rec.size))
		return true;
	else
		count(c, PK_C_REQ_SHARE, 1);
	fill_undo(cpu, head->rec.size);
	return false;
}

/*
 * May a program ask for a socket's cookie by a pointer that it found by walking? Most kernels let it; the
 * loader finds out by trying, and where it may not, gives the sockets that are there their cookies
 * (sockets.bpf.c).
 */
const volatile bool pk_walk SEC(".rodata.walk") = false;

/*
 * The socket's cookie. skb->sk is a pointer that the cookie helper does not take; so the cookie is read, and
 * if nobody has asked for one yet, sk_socket->sk leads to the same socket by a pointer that the helper takes.
 * 0: orphaned, or without one: then addresses tell.
 */
static __always_inline __u64 cookie_of(struct sock *sk)
{
	__u64 cookie = sk->__sk_common.skc_cookie.counter;
	struct socket *socket;

	if (cookie || !pk_walk)
		return cookie;
	socket = sk->sk_socket;
	return socket && socket->sk ? bpf_get_socket_cookie(socket->sk) : 0;
}

/* One read of an application, as far as it is to be captured. */
struct reading {
	struct pk_data head; /* what all its records have in common; seq is where the next one starts */
	__u32 off;           /* the same as offset in the packet buffer */
	__u32 left;          /* bytes still to capture */
	__u32 cut;           /* bytes behind them, announced only */
	const struct sk_buff *skb;
};

/*
 * Urgent data: the kernel ends a read before that byte, and leaves it out of the next one. Says what it did;
 * a reading in which it matters is not skipped.
 */
static __always_inline void reading_urgent(struct reading *r, const struct sock *sk)
{
	__u32 at = SOCK_AS(tcp_sock, sk, urg_seq);
	bool waits = SOCK_AS(tcp_sock, sk, urg_data);

	if (!waits && at + 1 != r->head.seq)
		return;
	if (sk->__sk_common.skc_flags & SOCK_FLAG_URGINLINE)
		return;
	if (waits && at == r->head.seq) { /* MSG_PEEK: copied_seq has not moved over it */
		r->head.seq++;
		r->off++;
	}
	r->head.flags = PK_DATA_URGENT;
	if (at + 1 == r->head.seq)
		r->head.flags |= PK_DATA_URGENT_BEFORE;
}

/* Does the sensor know these bytes to be body? Moves the start of the reading behind them. */
static __always_inline void reading_skip(struct reading *r, __u32 *len, struct pk_counters *c)
{
	__u32 index = pk_skip_slot(r->head.flow.cookie);
	__u64 *slot = bpf_map_lookup_elem(&pk_skip, &index);
	__u64 *skipped = bpf_map_lookup_elem(&pk_skipped, &index);
	__u64 value = slot ? *slot : 0;
	__s32 ahead = (__u32)value - r->head.seq;
	__u32 skip;

	if (!value || !skipped || value >> 32 != pk_skip_tag(r->head.flow.cookie) || r->head.flags)
		return;
	if (ahead <= 0) { /* passed: out of the way before the sequence numbers come round again */
		/* The sensor may have stored the next body's end meanwhile: that one stays. */
		if (__sync_val_compare_and_swap(slot, value, 0) == value)
			*skipped = 0;
		return;
	}
	if ((__u32)ahead > PK_SKIP_TELL && (__u32)ahead <= PK_SKIP_TELL + (__u64)*len) {
		r->cut = *len; /* the sensor is to say how far to skip on */
		*len = 0;
		return;
	}
	skip = (__u32)ahead < *len ? (__u32)ahead : *len;
	count(c, PK_C_DATA_SKIPPED, skip);
	r->head.seq += skip;
	r->off += skip;
	*len -= skip;
	*skipped = value >> 32 << 32 | r->head.seq;
}

/*
 * Urgent data ends the skipping: a record without bytes says how far it came, so that what is missing from
 * there on is known to be urgent.
 */
static __always_inline void reading_end_skip(void *ctx, const struct reading *r)
{
	__u32 index = pk_skip_slot(r->head.flow.cookie);
	__u64 *skipped = bpf_map_lookup_elem(&pk_skipped, &index);
	struct pk_data end;
	__u64 value;

	if (!r->head.flags || !skipped)
		return;
	value = *skipped;
	if (!value || value >> 32 != pk_skip_tag(r->head.flow.cookie))
		return;
	*skipped = 0;
	end = r->head;
	end.rec.size = sizeof(end);
	end.seq = value;
	end.flags = PK_DATA_URGENT;
	record_offer(ctx, &end, sizeof(end));
}

/* Fills r from the socket and the packet buffer. */
static __always_inline void reading_begin(struct reading *r, struct sock *sk, const struct sk_buff *skb,
					  __u32 len, struct pk_counters *c, const struct pk_config *config)
{
	__u32 first = *(const __u32 *)skb->cb; /* tcp_skb_cb.seq */
	__s32 off;

	r->head.rec.kind = PK_DATA;
	r->head.rec.time_ns = sock_time(config, sk);
	flow_fill(&r->head.flow, sk);
	r->head.flow.local_port = local_port(sk);
	r->head.flow.cookie = cookie_of(sk);
	r->head.pid = bpf_get_current_pid_tgid() >> 32;
	r->skb = skb;
	off = SOCK_AS(tcp_sock, sk, copied_seq) - first;
	if (off < 0) /* MSG_PEEK went on into the next packet buffer */
		off = 0;
	r->off = off;
	r->head.seq = first + off;
	reading_urgent(r, sk);
	count(c, PK_C_DATA_SEEN, 1);
	r->left = len;
}

#ifdef PK_PERF

/* A perf record holds at most 64 KiB, header and packet buffer from its first byte on. */
#define PERF_READ_MAX 60000

/*
 * bpf_skb_output appends the packet buffer from its byte 0 on, so a read that starts inside it drags its
 * beginning along; short reads of a long buffer would be quadratic. So the first read of a buffer sends all
 * of it, and the later ones only what is not out yet (a buffer still in the queue can grow).
 */
static __always_inline bool reading_extend(struct reading *r)
{
	__u64 cookie = r->head.flow.cookie;
	__u32 *done = bpf_map_lookup_elem(&pk_done, &cookie);
	__u32 base = r->head.seq - r->off;
	__u32 whole = r->skb->len;
	__u32 end = r->off + r->left;
	bool partial = r->off || whole > end;
	__u32 to;

	/* What comes behind an urgent byte is not out before it is passed. */
	if (r->head.flags)
		whole = end;
	if (done && r->off) {
		if ((__s32)(base + end - *done) <= 0)
			return false;
		if ((__s32)(*done - r->head.seq) > 0) {
			r->off = *done - base;
			r->head.seq = *done;
		}
	}
	if (whole > end)
		end = whole;
	r->left = end - r->off;
	to = base + end;
	if (done) /* always the latest, so that it is never 2 GiB old and taken for the future */
		*done = to;
	else if (partial)
		bpf_map_update_elem(&pk_done, &cookie, &to, BPF_ANY);
	return true;
}

static __always_inline int on_read(void *ctx, const struct sk_buff *skb, struct sock *sk, __u32 len)
{
	const struct pk_config *config = PK_ONLY(pk_config);
	struct pk_counters *c = PK_ONLY(pk_stats);
	struct pk_ring_cpu *cpu = PK_ONLY(pk_tcp_cpu);
	struct reading r = {};
	__u32 left;
	__u64 total;

	if (!config || !c || !cpu)
		return 0;
	reading_begin(&r, sk, skb, len, c, config);
	reading_end_skip(ctx, &r);
	if (!reading_extend(&r))
		return 0;
	left = r.left;
	reading_skip(&r, &left, c);
	if (!left && !r.cut)
		return 0;
	answer_carry(&r.head.answer, r.head.flow.cookie, sk);
	r.head.len = left + r.cut;
	r.head.captured = left < config->read_max ? left : config->read_max;
	r.head.lead = r.off;
	if (r.off + r.head.captured > PERF_READ_MAX)
		r.head.captured = r.off < PERF_READ_MAX ? PERF_READ_MAX - r.off : 0;
	if (!r.head.captured)
		r.head.lead = 0;
	count(c, PK_C_DATA_CUT, r.head.len - r.head.captured);
	total = r.head.lead + r.head.captured;
	r.head.rec.size = sizeof(r.head) + total;
	if (!data_admit(c, cpu, config, &r.head))
		return 0;
	if (bpf_skb_output((void *)skb, &pk_requests, BPF_F_CURRENT_CPU | total << 32, &r.head,
			   sizeof(r.head)))
		count(c, PK_C_REQ_LOST, 1);
	else
		count(c, PK_C_DATA_BYTES, r.head.captured);
	return 0;
}

#else

#include "body.h"
#include "refused.h"

/*
 * A packet buffer that begins before the bytes already read, and is not the one that they were read from: TCP
 * kept the first copy of that range and passes over this one's, silently. Told, so that the two can be
 * compared.
 */
static __always_inline void overlap_tell(const struct reading *r, struct pk_counters *c,
					 struct pk_ring_cpu *cpu, const struct pk_config *config)
{
	struct pk_refused refused = {.refusal = PK_REFUSED_DUPLICATE};
	struct pk_header *h = &refused.header;

	if (!refused_paid(c, config, r->head.rec.time_ns))
		return;
	h->rec.time_ns = r->head.rec.time_ns;
	h->family = r->head.flow.family;
	h->hook = PK_HOOK_READ;
	h->source_port = r->head.flow.peer_port;
	h->destination_port = r->head.flow.local_port;
	__builtin_memcpy(h->source_addr, r->head.flow.peer_addr, 16);
	__builtin_memcpy(h->destination_addr, r->head.flow.local_addr, 16);
	h->sequence = r->head.seq - r->off;
	h->payload_len = r->off > 65535 ? 65535 : r->off;
	refused.cookie = r->head.flow.cookie;
	refused.netns = r->head.flow.netns;
	refused.rcv_nxt = r->head.seq;
	refused_offer(&refused, (struct sk_buff *)r->skb, 0, c, cpu, config);
}

/* Remembers which packet buffer is read in parts; finds the ones that begin too early. */
static __always_inline void overlap_look(const struct reading *r, struct pk_counters *c,
					 const struct pk_config *config)
{
	__u64 cookie = r->head.flow.cookie;
	__u32 first = r->head.seq - r->off;
	struct pk_ring_cpu *cpu = PK_ONLY(pk_tcp_cpu);
	const __u32 *partial;

	if (r->off && cpu) {
		partial = bpf_map_lookup_elem(&pk_partial, &cookie);
		if (!partial || *partial != first)
			overlap_tell(r, c, cpu, config);
	}
	if (r->off + r->left < r->skb->len)
		bpf_map_update_elem(&pk_partial, &cookie, &first, BPF_ANY);
}

/* A record of the smallest size class that holds n bytes: the verifier wants a constant where room is
 * reserved. */
#define SEND_CLASS(CLASS)                                                    \
	do {                                                                 \
		struct {                                                     \
			struct pk_data head;                                 \
			__u8 data[CLASS];                                    \
		} *rec = bpf_ringbuf_reserve(&pk_requests, sizeof(*rec), 0); \
		if (!rec)                                                    \
			return -1;                                           \
		rec->head = r->head;                                         \
		if (bpf_dynptr_read(rec->data, n, &bytes, r->off, 0)) {      \
			rec->head.captured = 0;                              \
			rec->head.rec.size = sizeof(rec->head);              \
			count(c, PK_C_READ_ERROR, 1);                        \
			n = 0;                                               \
		}                                                            \
		head = n >= PK_HEAD_MIN && pk_may_have_body(rec->data);      \
		bpf_ringbuf_submit(rec, ring_wake(cpu, sizeof(*rec)));       \
	} while (0)

static __always_inline int reading_send(struct reading *r, __u32 n, struct pk_counters *c,
					struct pk_ring_cpu *cpu)
{
	struct bpf_dynptr bytes;
	bool head;

	if (bpf_dynptr_from_skb((struct __sk_buff *)r->skb, 0, &bytes))
		return -1;
	asm volatile("" : "+r"(n)); /* have clang compare the register that it will pass */
	if (n <= 64)
		SEND_CLASS(64);
	else if (n <= 256)
		SEND_CLASS(256);
	else if (n <= 512)
		SEND_CLASS(512);
	else if (n <= 1024)
		SEND_CLASS(1024);
	else if (n <= 2048)
		SEND_CLASS(2048);
	else if (n <= PK_CHUNK)
		SEND_CLASS(PK_CHUNK);
	else
		return -1;
	count(c, PK_C_DATA_BYTES, n);
	if (head)
		head_keep(r->head.flow.cookie, r->head.seq, &bytes, r->off, n);
	return 0;
}

/* One record of a reading; returns 1 when it was the last. */
static long reading_chunk(__u32 index, void *arg)
{
	struct reading *r = arg;
	struct pk_counters *c = PK_ONLY(pk_stats);
	struct pk_ring_cpu *cpu = PK_ONLY(pk_tcp_cpu);
	const struct pk_config *config = PK_ONLY(pk_config);
	__u32 n = r->left;

	(void)index;
	if (!c || !cpu || !config)
		return 1;
	if (n > PK_CHUNK)
		n = PK_CHUNK;
	r->head.captured = n;
	r->head.len = n == r->left ? n + r->cut : n;
	r->head.rec.size = sizeof(r->head) + n;
	if (data_admit(c, cpu, config, &r->head) && reading_send(r, n, c, cpu))
		count(c, PK_C_REQ_LOST, 1);
	r->left -= n;
	r->off += n;
	r->head.seq += n;
	r->head.answer.time_ns = 0;
	return !r->left;
}

static __always_inline int on_read(void *ctx, const struct sk_buff *skb, struct sock *sk, __u32 len)
{
	const struct pk_config *config = PK_ONLY(pk_config);
	struct pk_counters *c = PK_ONLY(pk_stats);
	struct reading r = {};
	__u32 left, most;

	if (!config || !c)
		return 0;
	reading_begin(&r, sk, skb, len, c, config);
	reading_end_skip(ctx, &r);
	overlap_look(&r, c, config);
	left = r.left;
	reading_skip(&r, &left, c);
	if (!left && !r.cut)
		return 0;
	answer_carry(&r.head.answer, r.head.flow.cookie, sk);
	most = body_is_ahead(r.head.flow.cookie, r.head.seq, left) ? 0 : config->read_max;
	if (left > most) {
		r.cut = left - most;
		left = most;
		count(c, PK_C_DATA_CUT, r.cut);
	}
	r.left = left;
	/* Most reads are one record; a loop by the verifier's own means would cost it 365,000 instructions.
	 */
	if (!reading_chunk(0, &r))
		bpf_loop(PK_READ_MAX / PK_CHUNK, reading_chunk, &r, 0);
	return 0;
}

#endif

/* The reads of others, most of them, leave at the first questions. */
SEC("tp_btf/skb_copy_datagram_iovec")
int BPF_PROG(pk_data, const struct sk_buff *skb, int len)
{
	struct sock *sk = skb->sk;

	return len > 0 && sk && scope_reader(sk) ? on_read(ctx, skb, sk, len) : 0;
}

/* --- connections and listeners --- */

/* What is known of a connection at its end. Sequence numbers and bytes_received count the FIN as a byte. */
static __always_inline void close_sums(struct pk_close *rec, const struct sock *sk)
{
	__u32 fin = sk->__sk_common.skc_flags & SOCK_FLAG_DONE ? 1 : 0;
	__s32 unread = SOCK_AS(tcp_sock, sk, rcv_nxt) - fin - SOCK_AS(tcp_sock, sk, copied_seq);

	rec->bytes_received = SOCK_AS(tcp_sock, sk, bytes_received) - fin;
	rec->bytes_acked = SOCK_AS(tcp_sock, sk, bytes_acked);
	rec->srtt_us = SOCK_AS(tcp_sock, sk, srtt_us) >> 3;
	rec->retransmits = SOCK_AS(tcp_sock, sk, total_retrans);
	rec->unread = unread > 0 ? unread : 0;
}

static __always_inline void conn_flow(struct pk_flow *flow, const struct sock *sk, __u16 port)
{
	flow_fill(flow, sk);
	flow->local_port = port;
	flow->cookie = bpf_get_socket_cookie((void *)sk);
}

static __always_inline void open_event(void *ctx, const struct pk_config *config, const struct sock *sk,
				       __u16 port)
{
	struct pk_open rec = {.rec.kind = PK_OPEN, .rec.size = sizeof(rec)};

	rec.rec.time_ns = sock_time(config, sk);
	conn_flow(&rec.flow, sk, port);
	/* bytes may have come with the SYN (fast open) */
	rec.isn = SOCK_AS(tcp_sock, sk, rcv_nxt) - (__u32)SOCK_AS(tcp_sock, sk, bytes_received);
	answer_open(rec.flow.cookie);
	record_offer(ctx, &rec, sizeof(rec));
}

/* Does a packet from the peer end a connection in that state, and not a call or a timer of this side? */
static __always_inline bool close_by_packet(int old)
{
	return old == TCP_STATE_FIN_WAIT1 || old == TCP_STATE_FIN_WAIT2 || old == TCP_STATE_CLOSING ||
	       old == TCP_STATE_LAST_ACK;
}

static __always_inline void close_event(void *ctx, const struct pk_config *config, const struct sock *sk,
					__u16 port, int old)
{
	struct pk_close rec = {.rec.kind = PK_CLOSE, .rec.size = sizeof(rec)};

	rec.rec.time_ns = close_by_packet(old) ? sock_time(config, sk) : bpf_ktime_get_boot_ns();
	conn_flow(&rec.flow, sk, port);
	close_sums(&rec, sk);
	answer_close(&rec.answer, rec.flow.cookie, sk);
	record_offer(ctx, &rec, sizeof(rec));
#ifdef PK_PERF
	bpf_map_delete_elem(&pk_done, &rec.flow.cookie);
#endif
}

static __always_inline bool comm_is_sshd(const char *comm)
{
	return comm[0] == 's' && comm[1] == 's' && comm[2] == 'h' && comm[3] == 'd' && !comm[4];
}

/* A server begins to listen: its port is watched before the first client can come. sshd's never is. */
static __always_inline void listen_event(void *ctx, const struct pk_config *config, struct pk_ports *ports,
					 const struct sock *sk)
{
	struct pk_listen rec = {};
	__u16 port = sk->__sk_common.skc_num;
	__u32 word = port >> 6;
	__u64 bit = 1ull << (port & 63);

	asm volatile("" : "+r"(word)); /* see port_bit */
	word &= PK_PORT_WORDS - 1;
	rec.rec.kind = PK_LISTEN;
	rec.rec.size = sizeof(rec);
	rec.rec.time_ns = bpf_ktime_get_boot_ns();
	flow_fill(&rec.flow, sk);
	rec.flow.local_port = port;
	rec.flow.cookie = bpf_get_socket_cookie((void *)sk);
	rec.pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(rec.comm, sizeof(rec.comm));
	if (port && comm_is_sshd(rec.comm)) {
		__sync_fetch_and_or(&ports->never[word], bit);
	} else if (port && config->follow_listen && !flow_is_loopback(&rec.flow) &&
		   !(ports->never[word] & bit)) {
		__sync_fetch_and_or(&ports->watched[word], bit);
		rec.watched = 1;
	}
	record_offer(ctx, &rec, sizeof(rec));
}

static __always_inline void login_count(void)
{
	__u64 *logins = PK_ONLY(pk_logins);

	if (logins)
		__sync_fetch_and_add(logins, 1);
}

/* A client opened a connection to us. */
static __always_inline bool state_is_open(int old, int new)
{
	return new == TCP_STATE_ESTABLISHED &&old == TCP_STATE_SYN_RECV;
}

/* A connection that had been open ended. */
static __always_inline bool state_is_close(int old, int new)
{
	return new == TCP_STATE_CLOSE &&old != TCP_STATE_SYN_SENT &&old != TCP_STATE_SYN_RECV &&old !=
	       TCP_STATE_LISTEN;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(pk_state, const struct sock *sk, int old, int new)
{
	const struct pk_config *config;
	struct pk_ports *ports;
	__u16 port;

	if (new != TCP_STATE_LISTEN && !state_is_open(old, new) && !state_is_close(old, new))
		return 0;
	config = PK_ONLY(pk_config);
	ports = PK_ONLY(pk_ports);
	if (!config || !ports || !scope_family(sk))
		return 0;
	if (new == TCP_STATE_LISTEN) {
		if (scope_socket(config, sk))
			listen_event(ctx, config, ports, sk);
		return 0;
	}
	/* skc_num is 0 by the close, inet_sport is not */
	port = bpf_ntohs(SOCK_AS(inet_sock, sk, inet_sport));
	/* Logins count whatever the scope: one too many costs a look, one too few a lock-out. */
	if (state_is_open(old, new) && port_bit(ports->never, port))
		login_count();
	if (!scope_port(ports, port) || !scope_socket(config, sk))
		return 0;
	if (state_is_open(old, new))
		open_event(ctx, config, sk, port);
	else
		close_event(ctx, config, sk, port, old);
	return 0;
}
