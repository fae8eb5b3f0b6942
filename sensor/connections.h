/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connections.h: the connections that are being followed, found by socket cookie, or by addresses and ports
 * where the kernel gave none. Bounded: a full table gives up the connection idle longest if it is idle for
 * long enough, else it takes no new one. Three lists: live connections in order of use; closed ones, of which
 * a record may still be on its way, and closed ones of which the application has bytes still to read, both in
 * the order in which they ended.
 *
 * What happens on a connection is sensor/capture.h; the table only keeps it. Not thread safe.
 */
#ifndef PICKET_CONNECTIONS_H
#define PICKET_CONNECTIONS_H

#include "bpf/abi.h"
#include "lib/event.h"
#include "lib/http_request.h"
#include "sensor/exchange.h"
#include "sensor/answers.h"
#include "sensor/stream.h"

/* What the kernel said when the connection ended. */
struct connection_end {
	uint64_t time_ns; /* 0: it has not ended */
	uint64_t bytes_received, bytes_sent;
	uint32_t rtt_us, retransmits;
	uint32_t unread; /* received, but not read by the application; 1 may be the FIN */
	uint64_t seen;   /* stream.next when it ended */
};

struct connection {
	struct connection *chain;         /* of the same hash bucket */
	struct connection *pair_chain;    /* of the same addresses and ports */
	struct connection *older, *newer; /* by last use */
	struct pk_flow key;
	struct flow flow; /* the same, as events carry it */
	struct stream stream;
	struct exchange *exchange; /* seen as packets: the server's direction; NULL before its first use */
	uint32_t server_next;      /* ... the sequence number expected next in it */
	bool server_started;       /* ... it is known */
	bool packets;              /* seen as packets */
	struct answers_line answers;
	struct connection_end end;
	struct proxied *proxied; /* who stands behind it: sensor/proxied.h; NULL: nobody but its peer */
	bool midway;             /* begun without its first byte: a PROXY header would not have been seen */
	bool proxied_lost;       /* it began with a PROXY header that no memory was found for */
	uint64_t opened_ns;      /* of its first record */
	uint64_t last_ns;        /* of its latest record */
	uint64_t noted_ns;       /* when clients were told last */
	uint64_t request_id;     /* event of its latest request */
	struct tls_client *tls;  /* it begins with TLS, of which more is read: capture_tls.c's */
	struct event *hello;     /* its tls.client_hello, once that was told */
	/* What the server waits for (capture_waits.c): a head that is not whole, or the rest of a body. */
	struct connection_wait {
		struct connection *before, *after; /* those that wait for the same */
		uint64_t since_ns;                 /* 0: for nothing. A body: when it was last looked at */
		uint32_t request;                  /* stream.requests then */
		uint32_t seq;                      /* a body: how far it was then */
		bool body, told;
	} wait;
	uint32_t source; /* of its peer, for whoever counts by source */
};

struct connections;

int connections_new(unsigned max, struct connections **ret);
/* Streams are freed as they are. */
void connections_free(struct connections *t);
struct connection *connections_find(const struct connections *t, const struct pk_flow *key);
/* A new one, zeroed but for key, flow and times. NULL: the table is full, or memory is out. */
struct connection *connections_add(struct connections *t, const struct pk_flow *key, uint64_t now_ns);
/* The one live connection between these two in that network namespace. NULL: none, or more than one. */
struct connection *connections_find_pair(const struct connections *t, const struct endpoint *peer,
					 const struct endpoint *local, uint32_t netns);
void connections_touch(struct connections *t, struct connection *c, uint64_t now_ns);
/* c->end was set just now: it goes from the live to the list of the closed, or of the unread (unread > 1). */
void connections_close(struct connections *t, struct connection *c);
/* Frees c; its stream was ended by the caller. */
void connections_remove(struct connections *t, struct connection *c);
/* The live one used longest ago; the one closed first, without and with bytes to read. NULL: none. */
struct connection *connections_oldest(const struct connections *t);
struct connection *connections_oldest_closed(const struct connections *t);
struct connection *connections_oldest_unread(const struct connections *t);
size_t connections_count(const struct connections *t); /* all lists */
bool connections_full(const struct connections *t);

#endif
