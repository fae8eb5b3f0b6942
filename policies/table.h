/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.h: a hash table of nodes that live inside their owners' structs. The hash is keyed (SipHash-1-3,
 * random key per table), so that outsiders who choose the keys, as clients choose their addresses, cannot
 * build long chains.
 *
 * The table never grows, frees or compares: its owner bounds the number of nodes, owns them, and knows what
 * equal means.
 */
#ifndef PICKET_TABLE_H
#define PICKET_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table_node {
	struct table_node *next;
	uint64_t hash;
};

struct table {
	struct table_node **slots;
	size_t mask;
	size_t count;
	uint64_t key[2];
};

/* capacity: the most nodes its owner will put in; sets the number of slots, not a limit. 0 or -errno. */
int table_init(struct table *t, size_t capacity);
void table_deinit(struct table *t); /* nodes are the owner's to free */
uint64_t table_hash(const struct table *t, const void *bytes, size_t len);
/* The same by another key: for what outlives the table. On machines of one byte order it is the same. */
uint64_t table_hash_keyed(const uint64_t key[static 2], const void *bytes, size_t len);
void table_add(struct table *t, struct table_node *n, uint64_t hash);
void table_remove(struct table *t, struct table_node *n);
/* The nodes of this hash: table_first, then table_next until NULL. */
struct table_node *table_first(const struct table *t, uint64_t hash);
struct table_node *table_next(const struct table_node *n);

#define table_owner(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

#endif
