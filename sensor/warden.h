/* SPDX-License-Identifier: Apache-2.0 */
/*
 * warden.h: the privileged process, and the messages by which the sensor asks it. One SOCK_SEQPACKET pair;
 * fixed-size messages, one question and one answer at a time (warden_call holds a lock). The warden trusts
 * nothing in them: every field is checked, every change faces the hard limits, an empty wish never clears the
 * kernel.
 */
#ifndef PICKET_WARDEN_H
#define PICKET_WARDEN_H

#include <stddef.h>

#include "bpf/abi.h"
#include "lib/config.h"
#include "lib/verdict.h"
#include "policies/limits.h"
#include "policies/protect.h"
#include "sensor/kernel.h"

enum warden_op {
	WARDEN_BLOCK = 1,
	WARDEN_UNBLOCK = 2,
	WARDEN_LIST = 3, /* from `index` on */
	WARDEN_STATUS = 4,
	WARDEN_HITS = 5,
	WARDEN_PROTECTED = 6,  /* from `index` on */
	WARDEN_KILL = 7,       /* flag 1: on. Off is refused: `picket resume` writes the map itself */
	WARDEN_RESCAN = 8,     /* look at listeners again: a server began to listen */
	WARDEN_HITS_PAGE = 10, /* the next page of what denied sources lost; after the last it starts over */
	WARDEN_REMEMBER_MODE = 11,  /* flag: enum config_mode; told by STATUS to the next sensor */
	WARDEN_REMEMBER_PROXY = 12, /* target and flag (enum proxy_class); told by PROXIES */
	WARDEN_PROXIES = 13,
	WARDEN_CLOSE = 14, /* end the open connections of target, which is dropped; count: how many were */
	WARDEN_PEER = 9,   /* target is a gateway's address: protected from now on */
	WARDEN_LIST_LOOK = 15, /* which file stands at the path of the configuration's list `index` */
	WARDEN_LIST_OPEN = 16, /* the same, and a descriptor of it */
	WARDEN_CLOSE_ALL =
		18, /* end the open connections of all whom the deny maps drop; count: how many were */
	WARDEN_OPINION = 19, /* start the process of the second opinion, and a descriptor of its socket */
	WARDEN_BATCH = 17,   /* many wishes at once, in a sealed memfd that comes with the question */
};

/* Beside enum limits_answer: the kill switch is on, nothing is installed. */
#define WARDEN_E_KILL_SWITCH 100

#define WARDEN_LIST_MAX   128
#define WARDEN_ATTACH_MAX 16

struct warden_request {
	uint32_t op;
	uint32_t flag;
	uint64_t index;
	struct prefix target;
	uint8_t scope, action, source, pad;
	uint64_t ttl_ms;
};

/*
 * WARDEN_BATCH: the memfd holds a head and its wishes, nothing else, and is sealed (F_SEAL_SHRINK, GROW,
 * WRITE): what was checked does not change any more. Each wish faces the hard limits but the insert rate,
 * which is there for verdicts; one that is refused is told, and the rest goes on.
 */
#define WARDEN_BATCH_MAX 8192 /* about ten milliseconds, in which a verdict waits */
struct warden_batch_head {
	uint32_t count;
	uint32_t all4, all6; /* exact addresses that there will be in all: room is made for them at once */
	uint32_t pad;
};
struct warden_wish {
	struct prefix target;
	uint8_t remove; /* 1: take it out, and the rest does not count */
	uint8_t scope, action, source;
	uint64_t deadline_ns; /* boot clock */
};
_Static_assert(sizeof(struct warden_batch_head) == 16 && sizeof(struct warden_wish) == 32, "no holes");

/* Which file it is, and its state: another identity, another content. */
struct warden_file {
	uint64_t device, inode, size;
	int64_t modified_ns; /* wall clock */
};

#define WARDEN_PROXIES_MAX 128
struct warden_proxy {
	struct prefix who;
	uint32_t class; /* enum proxy_class */
};

struct warden_block {
	struct prefix target;
	struct pk_deny value;
};

struct warden_reply {
	int32_t result;        /* 0, a limits_answer, or -errno */
	uint32_t count;        /* items below; LIST, PROTECTED: 0 = end */
	uint64_t installed_ns; /* BLOCK, UNBLOCK: boot clock right after the map call */
	char which[32];        /* the protected network in the way, and why */
	struct prefix which_net;
	union {
		struct warden_block blocks[WARDEN_LIST_MAX];
		struct protected_net protected[WARDEN_LIST_MAX];
		struct pk_hit hit;
		struct deny_hit hits[WARDEN_LIST_MAX];
		struct warden_proxy proxies[WARDEN_PROXIES_MAX];
		struct warden_file file;           /* LIST_LOOK, LIST_OPEN */
		uint8_t answers[WARDEN_BATCH_MAX]; /* BATCH, for each wish: 0 or a limits_answer */
		struct {
			uint64_t stats[PK_C_MAX];
			struct kernel_attachment attachments[WARDEN_ATTACH_MAX];
			uint32_t attachment_count;
			uint32_t uses_perf;
			uint32_t receive; /* 1: the receive path program is attached */
			uint32_t kill;
			uint32_t blocks;          /* entries in the deny maps */
			uint32_t mode;            /* as remembered; 0: the file's */
			uint32_t sensor_restarts; /* not counting reloads */
			uint32_t sensor_starts;   /* all of them; the first is 1 */
			uint64_t started_ns;
			struct pk_ports ports;
			struct protect_sources sources;
		} status;
	};
};

/* Bytes of the answer to a question: what only a verdict waits for comes without 20 kB of nothing. */
static inline size_t warden_reply_size(uint32_t op)
{
	switch (op) {
	case WARDEN_LIST:
	case WARDEN_STATUS:
	case WARDEN_HITS:
	case WARDEN_PROTECTED:
	case WARDEN_HITS_PAGE:
	case WARDEN_PROXIES:
	case WARDEN_LIST_LOOK:
	case WARDEN_LIST_OPEN:
	case WARDEN_BATCH:
		return sizeof(struct warden_reply);
	}
	return offsetof(struct warden_reply, blocks);
}

/* --- the sensor's side --- */
struct warden_client;
int warden_client_new(int socket, struct warden_client **ret); /* takes the socket */
/* Thread safe. 0 (see reply->result), or -errno: the warden is gone. */
int warden_call(struct warden_client *c, const struct warden_request *q, struct warden_reply *ret);
/* WARDEN_LIST_OPEN: the same, and the descriptor, yours to close, if reply->result is 0. */
int warden_open_list(struct warden_client *c, uint32_t index, struct warden_reply *ret, int *ret_fd);
/* WARDEN_OPINION: likewise. */
int warden_open_opinion(struct warden_client *c, struct warden_reply *ret, int *ret_fd);
/* WARDEN_BATCH: head->count wishes, at most WARDEN_BATCH_MAX. */
int warden_batch(struct warden_client *c, const struct warden_batch_head *head,
		 const struct warden_wish *wishes, struct warden_reply *ret);
/* The same in two steps, so that the next one is made while the warden works: nobody else is answered in
 * between. */
int warden_batch_send(struct warden_client *c, const struct warden_batch_head *head,
		      const struct warden_wish *wishes);
int warden_batch_receive(struct warden_client *c, struct warden_reply *ret);
void warden_client_free(struct warden_client *c);

/* --- the process --- */
/* Runs until SIGTERM or SIGINT; returns the exit status. Called by `picket run` with full rights. */
int warden_run(const char *config_file, const struct config_flag *flags, unsigned flag_count,
	       struct config *config);

#endif
