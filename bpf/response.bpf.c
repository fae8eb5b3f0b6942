// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * response.bpf.c: when a server answers, and with which status. Looks at what the server hands to TCP, write
 * by write: neither retransmissions, nor segmentation, nor another's packets come by there, and answers to
 * pipelined requests are still apart.
 *
 * A write that begins with a status line begins an answer; all others go on with the latest one. Interim
 * answers (1xx) but 101 are passed over. One program, by the BTF tracepoint tcp_sendmsg_locked (about 6.16
 * and later), or with PK_FENTRY by the function of that name, where the kernel lets functions be traced. With
 * PK_PERF for the perf path. What this cannot see has no answer in its event: a status line written in
 * pieces, or by another way than a write from user memory, or behind other bytes in one write.
 *
 * Usually no record is made: answer.h.
 */
#define PK_MAPS_TCP
#include "maps.h"
#include "ring.h"
#include "scope.h"
#include "offer.h"
#include "answer.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct iovec {
	void *iov_base;
	__u64 iov_len;
} __attribute__((preserve_access_index));

struct iov_iter {
	__u8 iter_type;
	__u64 iov_offset;
	__u64 count;
	const struct iovec *__iov;
	void *ubuf;
} __attribute__((preserve_access_index));

/* Before 6.4. */
struct iov_iter___old {
	const struct iovec *iov;
} __attribute__((preserve_access_index));

struct msghdr {
	struct iov_iter msg_iter;
} __attribute__((preserve_access_index));

/* The kernel's own numbers are put in when the object is loaded; ITER_UBUF is of 6.0 and later. */
enum iter_type {
	ITER_UBUF = 0,
	ITER_IOVEC = 1,
};

/* "HTTP/1.1 200" */
#define STATUS_LINE_MIN 12

struct write {
	const struct sock *sk;
	const struct tcp_sock___answer *tp; /* the same */
	__u64 cookie;
	__u32 begin, end; /* sequence numbers */
	__u16 status;     /* 0: it does not begin with a status line */
};

/*
 * What stands in the union of iov_iter: verifiers before about 6.16 differ in which member they take it for.
 * Where they can be asked a plain load is a tenth of a helper.
 */
#ifdef PK_FENTRY
#define LOAD(from, member) BPF_CORE_READ(from, member)
#else
#define LOAD(from, member) ((from)->member)
#endif

/* Where the bytes to be written stand in user memory; NULL: elsewhere (sendfile, the kernel's own). */
static __always_inline const void *write_bytes(const struct msghdr *msg)
{
	__u8 type = msg->msg_iter.iter_type;
	const struct iovec *iov;

	if (bpf_core_enum_value_exists(enum iter_type, ITER_UBUF) &&
	    type == bpf_core_enum_value(enum iter_type, ITER_UBUF))
		return (const char *)LOAD(msg, msg_iter.ubuf) + msg->msg_iter.iov_offset;
	if (type != bpf_core_enum_value(enum iter_type, ITER_IOVEC))
		return NULL;
	if (bpf_core_field_exists(msg->msg_iter.__iov))
		iov = LOAD(msg, msg_iter.__iov);
	else
		iov = BPF_CORE_READ((const struct iov_iter___old *)&msg->msg_iter, iov);
	return (const char *)LOAD(iov, iov_base) + msg->msg_iter.iov_offset;
}

static __always_inline bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* RFC 9112 section 4. 0: no status line. */
static __always_inline __u16 status_of(const char *b)
{
	if (b[0] != 'H' || b[1] != 'T' || b[2] != 'T' || b[3] != 'P' || b[4] != '/' || b[5] != '1' ||
	    b[6] != '.' || !digit(b[7]) || b[8] != ' ' || !digit(b[9]) || !digit(b[10]) || !digit(b[11]))
		return 0;
	return (b[9] - '0') * 100 + (b[10] - '0') * 10 + (b[11] - '0');
}

static __always_inline __u16 write_status(const struct msghdr *msg, struct pk_counters *c)
{
	char bytes[16] = {};
	const void *at = write_bytes(msg);
	__u16 status;

	if (!at)
		return 0;
	if (bpf_probe_read_user(bytes, STATUS_LINE_MIN, at)) {
		count(c, PK_C_ANSWER_UNREAD, 1);
		return 0;
	}
	status = status_of(bytes);
	return status >= 100 && status < 200 && status != 101 ? 0 : status;
}

/* An answer that found no place to wait in: a record of its own. */
static __always_inline void answer_tell(void *ctx, const struct write *w, const struct pk_answer *answer,
					struct pk_counters *c)
{
	struct pk_answered rec = {.answer = *answer};

	rec.rec.kind = PK_ANSWER;
	rec.rec.size = sizeof(rec);
	rec.rec.time_ns = bpf_ktime_get_boot_ns();
	flow_fill(&rec.flow, w->sk);
	rec.flow.local_port = local_port(w->sk);
	rec.flow.cookie = w->cookie;
	count(c, PK_C_ANSWER_RECORDS, 1);
	record_offer(ctx, &rec, sizeof(rec));
}

static __always_inline struct pk_answer answer_new(const struct write *w)
{
	return (struct pk_answer){
		.time_ns = bpf_ktime_get_boot_ns(),
		.seq = w->begin,
		.end = w->end,
		.read = w->tp->copied_seq,
		.status = w->status,
	};
}

/* A write of the connection that owns the slot. */
static __always_inline void write_own(void *ctx, struct write *w, struct pk_answer_slot *slot,
				      const struct msghdr *msg, struct pk_counters *c)
{
	struct pk_answer next;

	/* The rest of a write, or the same one again: it had to wait for room. */
	if (slot->answer.number && slot->answer.end == w->end)
		return;
	w->status = write_status(msg, c);
	if (!w->status || (slot->answer.number && slot->answer.seq == w->begin)) {
		slot->answer.end = w->end;
		return;
	}
	count(c, PK_C_ANSWERS, 1);
	if (slot->answer.number != slot->carried) {
		next = slot->answer;
		next.end = w->begin;
		answer_tell(ctx, w, &next, c);
		slot->carried = slot->answer.number;
	}
	next = answer_new(w);
	next.number = slot->answer.number + 1;
	next.since = slot->answer.since;
	answer_change(slot);
	slot->answer = next;
	answer_change(slot);
}

/* ... and of one that found its slot taken. */
static __always_inline void write_foreign(void *ctx, struct write *w, const struct msghdr *msg,
					  struct pk_counters *c)
{
	struct pk_answer answer;

	w->status = write_status(msg, c);
	if (!w->status)
		return;
	count(c, PK_C_ANSWERS, 1);
	answer = answer_new(w);
	answer_tell(ctx, w, &answer, c);
}

/* Cheapest question first: most writes are those of others. */
static __always_inline bool write_is_ours(const struct sock *sk)
{
	const struct pk_ports *ports = PK_ONLY(pk_ports);
	const struct pk_config *config;

	if (!ports || !scope_port(ports, sk->__sk_common.skc_num) || !scope_family(sk))
		return false;
	config = PK_ONLY(pk_config);
	return config && scope_socket(config, sk);
}

static __always_inline int on_write(void *ctx, const struct sock *sk, const struct msghdr *msg, __u64 size)
{
	struct pk_counters *c = PK_ONLY(pk_stats);
	struct write w = {.sk = sk};
	struct pk_answer_slot *slot;

	w.tp = (const struct tcp_sock___answer *)bpf_skc_to_tcp_sock((void *)sk);
	if (!c || !w.tp || !size)
		return 0;
	w.cookie = sk->__sk_common.skc_cookie.counter;
	if (!w.cookie)
		w.cookie = bpf_get_socket_cookie((void *)sk);
	w.begin = w.tp->write_seq;
	w.end = w.begin + (__u32)size;
	slot = answer_slot(w.cookie);
	if (!slot)
		return 0;
	if (!slot->cookie)
		answer_claim(slot, w.cookie, w.begin ? w.begin : 1);
	if (slot->cookie == w.cookie)
		write_own(ctx, &w, slot, msg, c);
	else
		write_foreign(ctx, &w, msg, c);
	return 0;
}

#ifdef PK_FENTRY

SEC("fentry/tcp_sendmsg_locked")
int BPF_PROG(pk_written, const struct sock *sk, const struct msghdr *msg, __u64 size)
{
	return write_is_ours(sk) ? on_write(ctx, sk, msg, size) : 0;
}

#else

/* Once for each piece of a write that goes into one packet buffer. */
SEC("tp_btf/tcp_sendmsg_locked")
int BPF_PROG(pk_written, const struct sock *sk, const struct msghdr *msg)
{
	return write_is_ours(sk) ? on_write(ctx, sk, msg, msg->msg_iter.count) : 0;
}

#endif
