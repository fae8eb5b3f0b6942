/* SPDX-License-Identifier: Apache-2.0 */
/*
 * routes_internal.h: the tree of routes, and what its files ask of each other. The lock is held by whoever
 * calls.
 *
 *     routes.c         asking, noting, listing
 *     routes_learn.c   what is not proved yet, and how places go over to names
 *     routes_tree.c    nodes and routes: made, found, merged
 *     routes_save.c    the text that outlives the process
 */
#ifndef PICKET_ROUTES_INTERNAL_H
#define PICKET_ROUTES_INTERNAL_H

#include <pthread.h>
#include "policies/routes.h"
#include "policies/path_segments.h"
#include "policies/sketch.h"
#include "policies/table.h"

#define ROUTE_SKETCH     SKETCH_SIZE
#define ROUTES_IDS_MAX   (2 * ROUTES_MAX)
#define ROUTES_SETS      4096 /* of candidates; a power of two */
#define ROUTES_WAYS      4
#define ROUTES_SERVERS   65536       /* told apart */
#define ROUTE_DOCUMENTED 0x80000000u /* route_id: the rest is the template's index */

/* A segment of a template, or (without parent) a host. */
struct node {
	struct table_node literal; /* words and hosts: by parent and text */
	struct node *parent, *first, *sibling;
	struct node *values[SEGMENT_KINDS]; /* children that are placeholders */
	uint64_t chain;                     /* hash of the way here: what candidates below hang on */
	uint64_t requests;
	uint64_t first_ns; /* wall clock */
	uint32_t id;       /* never used again */
	uint32_t routes;   /* id of the first route that ends here; 0: none does */
	uint32_t words;    /* children that are words */
	/* Requests for words that are not proved: all of them, those for a word that was new, ... */
	uint32_t fresh, singles, ask_at;
	uint64_t fresh_clients; /* ... from how many clients, as a set of bits */
	bool fresh_taken;       /* ... and the server took one */
	uint8_t kind;           /* enum segment_kind */
	uint8_t names;          /* kind that further words go to; 0: they may become literals */
	uint8_t depth;          /* of a host 0 */
	uint8_t len;
	char text[]; /* not terminated */
};

struct route {
	struct node *node; /* NULL: documented */
	char *text;        /* documented: the template's own */
	uint32_t moved_to; /* id of the route it went up in; 0: it is there */
	uint32_t next;     /* id of the next that ends at this node */
	uint32_t template; /* documented: its index */
	uint8_t method;    /* enum method */
	uint64_t requests, statuses[6], first_ns, last_ns;
	uint8_t sketch[ROUTE_SKETCH]; /* of clients */
};

/* A word, value or end of a path that is not proved: only a hash of it. */
struct candidate {
	uint64_t hash;   /* 0: free */
	uint32_t last;   /* number of the request that met it */
	uint16_t count;  /* requests, */
	uint8_t taken;   /* ... of which these say that it is there; both saturating */
	uint8_t clients; /* ... and from how many clients, as a set of bits */
};

struct routes {
	pthread_mutex_t lock;
	struct table literals;
	uint64_t secret;      /* of sketches; kept over a restart */
	struct node *hosts;   /* by sibling */
	struct node *other;   /* "*": for hosts that found no place */
	struct route **items; /* id - 1 */
	uint32_t item_count, item_size;
	uint32_t learned; /* live ones of them */
	uint32_t next_id, node_count, host_count;
	struct candidate (*candidates)[ROUTES_WAYS];
	uint32_t clock; /* requests learned from */
	/* Servers of which answers are seen, a bit for each: by port and address. */
	uint64_t answering[ROUTES_SERVERS / 64];
	char **retired; /* texts that events may still show */
	uint32_t retired_count, retired_size;
	const struct operations *documented;
	uint32_t *documented_ids; /* [template * METHODS + method] */
	struct routes_counts counts;
};

/* --- routes_tree.c --- */
struct node *node_literal(const struct routes *r, const struct node *parent, struct span text);
/* parent NULL: a host. NULL: no room (counted by the caller), or memory is out. */
struct node *node_new(struct routes *r, struct node *parent, enum segment_kind kind, struct span text,
		      uint64_t chain, uint64_t now_ns);
/* Takes from, its children and its routes up into to. */
void node_merge(struct routes *r, struct node *from, struct node *to);
/* The chain of a child. */
uint64_t chain_of(const struct routes *r, uint64_t parent, enum segment_kind kind, struct span text);
/* The route of that method at a node, made if it is not there. 0: no room, or the text is too long. */
uint32_t route_at(struct routes *r, struct node *n, enum method m);
uint32_t route_find_at(const struct routes *r, const struct node *n, enum method m);
uint32_t route_documented(struct routes *r, uint32_t template, enum method m);
struct route *route_of(const struct routes *r, uint32_t id); /* follows moved_to */
struct node *node_host(const struct node *n);
/* Frees the nodes at and below which no route ends. */
void routes_prune(struct routes *r);
/* Frees all nodes and routes. */
void routes_clear(struct routes *r);
/* As after routes_new: only what the OpenAPI file describes. 0 or -errno. */
int routes_reset(struct routes *r);

/* --- routes_learn.c --- */
/* What the answer says of the path. UNSEEN: of this server no answer was ever seen. */
enum evidence { EVIDENCE_ABSENT, EVIDENCE_NONE, EVIDENCE_UNSEEN, EVIDENCE_TAKEN };
enum evidence evidence_of(struct routes *r, const struct event *e);
/* One place is kept for "*", which hosts beyond the others share. */
bool hosts_are_full(const struct routes *r);
/* The host's tree, or that of the others once there is no room; NULL: not proved yet. */
struct node *host_find(const struct routes *r, struct span host);
/* A request whose path has no route at its end, or not for its method. Returns the route's id, 0 if there is
 * none yet. */
uint32_t routes_learn(struct routes *r, const struct event *e, enum evidence evidence);
/* The place takes names from now on. */
void node_take_names(struct routes *r, struct node *n, enum segment_kind kind, uint64_t now_ns);
uint64_t client_hash(const struct routes *r, const struct addr *client);
/* The same for all addresses of an IPv6 /64, which one client has for itself. */
uint64_t network_hash(const struct routes *r, const struct addr *client);

#endif
