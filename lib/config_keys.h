/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_keys.h: the one table of configuration keys, internal to lib/config*.c. Each row says where a key
 * stands, what it may hold and what it is for; the check, the loader, the environment names, `config show`
 * and the JSON Schema all walk this table, so that none of them can know a key that the others do not.
 */
#ifndef PICKET_CONFIG_KEYS_H
#define PICKET_CONFIG_KEYS_H

#include "lib/config.h"
#include "lib/config_yaml.h"

enum config_type {
	CONFIG_TEXT,     /* char *, limited by `form` */
	CONFIG_CHOICE,   /* an enum of int's size, by `choices` */
	CONFIG_BOOL,     /* bool */
	CONFIG_UINT32,   /* uint32_t */
	CONFIG_SIZE32,   /* uint32_t, bytes */
	CONFIG_SIZE64,   /* uint64_t, bytes */
	CONFIG_TIME64,   /* uint64_t, milliseconds; written with units */
	CONFIG_FRACTION, /* double in [0, max]; max 0: 1 */
	CONFIG_TEXTS,    /* struct config_strings, each limited by `form` */
	CONFIG_PREFIXES, /* struct config_prefixes */
	CONFIG_PORTS,    /* struct config_ports */
	CONFIG_CHOICES,  /* unsigned: the bits of those of `choices` that are named */
	CONFIG_ITEMS,    /* an array of structs and its count, by `items` */
};

enum config_form {
	FORM_ANY,
	FORM_NAME,          /* letters, digits, - and _ */
	FORM_LOWER,         /* lower case letters, digits and - */
	FORM_PATH,          /* a file; a relative one is made absolute */
	FORM_FILE,          /* the same, and may be empty: none */
	FORM_CGROUP,        /* below /sys/fs/cgroup, may be empty */
	FORM_URL,           /* http:// or https:// */
	FORM_URL_NONE,      /* the same, and may be empty: none */
	FORM_INTERFACE,     /* name of a network interface */
	FORM_CONSUMER,      /* as lib/target.h reads it */
	FORM_HEADER,        /* header field name, folded to lower case */
	FORM_HEADER_NONE,   /* the same, or empty */
	FORM_HEADER_PATH,   /* the same, or ":path": no header, the path of the request line */
	FORM_HEADER_SENT,   /* one that picket does not send already, as it is written */
	FORM_HEADER_LINE,   /* "Name: value", one that picket does not send already and that is no secret */
	FORM_HEADER_SECRET, /* "Name: PATH" of a file that holds the value */
	FORM_PIN,           /* hashes of public keys, as libcurl reads them */
	FORM_PROXY,         /* http://HOST:PORT */
	FORM_USER,
};

struct config_choice {
	const char *name;
	int value;
};

struct config_items;

struct config_key {
	const char *path; /* dotted; in an item of CONFIG_ITEMS one word */
	enum config_type type;
	size_t offset;        /* in struct config, or in the item's struct */
	const char *fallback; /* the default, as one would write it; {instance} and {state_dir} are filled in;
				 NULL: none */
	const char *help;     /* one sentence or two: schema and example */
	uint64_t min, max;    /* numbers, sizes (bytes), durations (ms); max of a list: its items */
	enum config_form form;
	const struct config_choice *choices; /* ends with a NULL name */
	bool ring;                           /* a power of two and whole pages */
	const struct config_items *items;    /* what a CONFIG_ITEMS consists of */
};

/* Sections of one kind in a list: gateways, block lists. */
struct config_items {
	const char *section; /* of the key: "gateways" */
	const char *noun;    /* of one: "gateway" */
	const char *example; /* of its keys, for messages: "name, protocol" */
	const struct config_key *keys;
	unsigned key_count;
	size_t size;     /* of one's struct, which begins with `char *name` */
	size_t count_at; /* in struct config, where their number stands */
};

static inline bool config_form_may_be_empty(enum config_form form)
{
	return form == FORM_CGROUP || form == FORM_FILE || form == FORM_URL_NONE ||
	       form == FORM_HEADER_NONE || form == FORM_HEADER_PATH;
}

#define CONFIG_LIST_MAX 1024

extern const struct config_key config_keys[];
extern const unsigned config_key_count;
extern const struct config_items config_gateways, config_lists, config_haproxies;

/* Where the value of each key in config_keys came from; shown by `config show --origin`. */
struct config_origins {
	char **items; /* "default", "FILE:LINE", "PICKET_MODE", "--mode" */
};

const struct config_key *config_key_find(const char *path); /* NULL: none */
/* Is path a section, that is, the beginning of a key's path? */
bool config_key_is_section(const char *path);
/* The known key or section that path most likely means, or NULL. */
const char *config_key_nearest(const char *path);
const char *config_item_key_nearest(const struct config_items *items, const char *name);
/* "PICKET_CAPTURE_RING_BYTES". Returns buf. */
#define CONFIG_ENV_MAX 64
const char *config_key_env(const struct config_key *key, char buf[static CONFIG_ENV_MAX]);
/* The key whose environment name that is, or NULL; *ret_nearest: a known name so close that it must be a
 * slip, or NULL. */
const struct config_key *config_key_of_env(struct span name, const struct config_key **ret_nearest);
/* Edits (insert, delete, replace, swap neighbours) from a to b; texts beyond 63 bytes count as far apart. */
unsigned config_distance(const char *a, const char *b);

/* --- config_value.c: one value in and out --- */

struct config_place {
	const char *source;    /* file, variable or flag */
	const char *directory; /* what a relative path is relative to */
	bool from_file;        /* else lists may be written "a,b" */
};
/* Parse node into base + key->offset, replacing what is there only on success. 0, CONFIG_E_INVALID (told),
 * -ENOMEM. */
int config_value_set(const struct config_key *key, void *base, const struct yaml_node *node,
		     const struct config_place *place, struct buffer *errors);
void config_value_free(const struct config_key *key, void *base);
/* As YAML on one line; for CONFIG_ITEMS nothing is written. */
void config_value_print(const struct config_key *key, const void *base, struct buffer *out);
/* "FILE:LINE: key NAME: ", or "SOURCE: " where there is no line. */
void config_complain(const struct config_place *place, unsigned line, const char *key, struct buffer *errors);

/* --- config_duration.c --- */

/* Decimal digits without leading zeros. 0 or 1. */
int config_uint_parse(struct span text, uint64_t *ret);
/* "65536", "512KiB", "16 MiB". 0 or 1. */
int config_size_parse(struct span text, uint64_t *ret);
const char *config_size_format(uint64_t bytes, char buf[static 32]);

#endif
