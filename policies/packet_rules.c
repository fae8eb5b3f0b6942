// SPDX-License-Identifier: Apache-2.0
#include "policies/packet_rules.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/config_yaml.h"
#include "lib/util.h"
#include "policies/rule_file.h"
#include "policies/shipped.h"

#define FLAG_FIN  0x001
#define FLAG_SYN  0x002
#define FLAG_RST  0x004
#define FLAG_URG  0x020
#define FLAGS_SIX 0x03f /* without ECE, CWR and NS */
#define FLAGS_ALL 0x1ff

const char *packet_severity_name(enum packet_severity severity)
{
	static const char *const names[] = {"low", "medium", "high"};

	return names[severity];
}

/* --- scalars --- */

/* Decimal, or 0x and hexadecimal; *end: what stands behind. False: no number, or too large. */
static bool number_parse(const char *text, const char **end, uint32_t *ret)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = hex ? text + 2 : text;
	size_t n = strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789");

	if (!n || n > 8)
		return false;
	*ret = (uint32_t)strtoul(digits, NULL, hex ? 16 : 10);
	*end = digits + n;
	return true;
}

static void read_number(struct rule_file *f, const struct yaml_node *node, const char *what, uint32_t low,
			uint32_t high, uint32_t *ret)
{
	const char *end = "x";
	uint32_t value = 0;

	if (node->type != YAML_SCALAR || !number_parse(node->text, &end, &value) || *end || value < low ||
	    value > high)
		rule_fault(f, node->line, "%s must be a number from %u to %u", what, low, high);
	else
		*ret = value;
}

static void read_range(struct rule_file *f, const struct yaml_node *node, const char *what, uint32_t max,
		       struct packet_range *ret)
{
	struct packet_range r = {0, 0};
	const char *end = "x";
	bool good = node->type == YAML_SCALAR && number_parse(node->text, &end, &r.low);

	r.high = r.low;
	if (good && *end == '-')
		good = number_parse(end + 1, &end, &r.high);
	if (!good || *end || r.low > r.high || r.high > max)
		rule_fault(f, node->line, "%s must be a number or a range such as 0-15, at most %u", what,
			   max);
	else
		*ret = r;
}

static void read_time(struct rule_file *f, const struct yaml_node *node, const char *what, uint64_t *ret_ns)
{
	uint64_t ms = 0;

	if (node->type != YAML_SCALAR || config_duration_parse(span_from(node->text), &ms) || !ms ||
	    ms > UINT64_C(86400000))
		rule_fault(f, node->line, "%s must be a time from 1ms to 24h, such as 90s or 15m", what);
	else
		*ret_ns = ms * NS_PER_MS;
}

/* --- flags --- */

static bool flag_parse(const char *text, uint16_t *into)
{
	static const char *const names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "NS"};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], text) == 0) {
			*into |= (uint16_t)(1u << i);
			return true;
		}
	return false;
}

static void read_flag_set(struct rule_file *f, const struct yaml_node *node, uint16_t *ret)
{
	uint32_t value = 0;
	uint16_t flags = 0;

	if (node->type == YAML_SCALAR) {
		read_number(f, node, "mask and value", 0, FLAGS_ALL, &value);
		*ret = (uint16_t)value;
		return;
	}
	for (unsigned i = 0; node->type == YAML_LIST && i < node->count; i++)
		if (node->items[i].type != YAML_SCALAR || !flag_parse(node->items[i].text, &flags))
			rule_fault(f, node->items[i].line,
				   "a flag is one of FIN, SYN, RST, PSH, ACK, URG, ECE, CWR, NS");
	if (node->type != YAML_LIST)
		rule_fault(f, node->line, "mask and value are lists of flags, or numbers");
	*ret = flags;
}

static void flags_mask(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct packet_rule *rule = to;

	read_flag_set(f, n, &rule->flags_mask);
}

static void flags_value(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct packet_rule *rule = to;

	read_flag_set(f, n, &rule->flags_value);
}

static void read_flags(struct rule_file *f, const struct yaml_node *node, void *to)
{
	static const struct rule_key keys[] = {{"mask", flags_mask}, {"value", flags_value}};
	const struct packet_rule *rule = to;

	if (rule_mapping(f, node, "flags", keys, ARRAY_SIZE(keys), to) != 3)
		rule_fault(f, node->line, "flags need mask and value");
	else if (rule->flags_value & ~rule->flags_mask)
		rule_fault(f, node->line, "value has a flag that mask has not: it could never match");
}

/* --- rate --- */

static void rate_count(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct packet_rule *rule = to;
	uint32_t count = 1;

	read_number(f, n, "count", 2, PACKET_COUNT_MAX, &count);
	rule->threshold = count;
}

static void rate_window(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct packet_rule *rule = to;

	read_time(f, n, "window", &rule->window_ns);
}

static void rate_by(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct packet_rule *rule = to;

	rule->together = rule_is(n, "all");
	if (!rule->together && !rule_is(n, "source"))
		rule_fault(f, n->line, "by must be source or all");
}

static void rate_distinct(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct packet_rule *rule = to;

	rule->distinct_ports = rule_is(n, "port");
	if (!rule->distinct_ports)
		rule_fault(f, n->line, "distinct must be port");
}

static void rate_half_open(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct packet_rule *rule = to;

	rule->half_open = rule_is(n, "true");
	if (!rule->half_open && !rule_is(n, "false"))
		rule_fault(f, n->line, "half_open must be true or false");
}

static void read_rate(struct rule_file *f, const struct yaml_node *node, void *to)
{
	static const struct rule_key keys[] = {{"count", rate_count},
					       {"window", rate_window},
					       {"by", rate_by},
					       {"distinct", rate_distinct},
					       {"half_open", rate_half_open}};
	const struct packet_rule *rule = to;

	if ((rule_mapping(f, node, "rate", keys, ARRAY_SIZE(keys), to) & 3) != 3)
		rule_fault(f, node->line, "rate needs count and window");
	if (rule->distinct_ports && rule->half_open)
		rule_fault(f, node->line, "half_open has no meaning with distinct");
	if (rule->distinct_ports && rule->threshold > PACKET_DISTINCT_MAX)
		rule_fault(f, node->line, "count is at most %d with distinct", PACKET_DISTINCT_MAX);
}

/* --- a criterion --- */

static void read_name(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct packet_rule *rule = to;
	const struct packet_rules *rules = f->into;

	rule_text(f, n, "name", rule->name, PACKET_NAME_MAX);
	if (strspn(rule->name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(rule->name))
		rule_fault(f, n->line, "name may hold small letters, digits and \"_\"");
	for (unsigned i = 0; i + 1 < rules->count; i++)
		if (rule->name[0] && strcmp(rules->items[i].name, rule->name) == 0)
			rule_fault(f, n->line, "\"%s\" is there twice", rule->name);
}

static void read_description(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct packet_rule *rule = to;

	rule_text(f, n, "description", rule->description, PACKET_TEXT_MAX);
}

static void read_severity(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct packet_rule *rule = to;

	for (unsigned s = PACKET_LOW; s <= PACKET_HIGH; s++)
		if (rule_is(n, packet_severity_name((enum packet_severity)s))) {
			rule->severity = (enum packet_severity)s;
			return;
		}
	rule_fault(f, n->line, "severity must be low, medium or high");
}

static void read_ports(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct packet_rule *rule = to;

	if (rule_is(n, "all") || rule_is(n, "watched")) {
		rule->ports = rule_is(n, "all") ? PACKET_PORTS_ALL : PACKET_PORTS_WATCHED;
		return;
	}
	if (n->type != YAML_LIST || !n->count || n->count > PACKET_PORTS_MAX) {
		rule_fault(f, n->line, "ports must be watched, all, or a list of 1 to %d ports and ranges",
			   PACKET_PORTS_MAX);
		return;
	}
	rule->ports = PACKET_PORTS_LISTED;
	for (unsigned i = 0; i < n->count; i++)
		read_range(f, &n->items[i], "a port", UINT16_MAX, &rule->port[rule->port_count++]);
}

static void read_window(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct packet_rule *rule = to;

	read_range(f, n, "window", UINT16_MAX, &rule->window);
}

static void read_payload(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct packet_rule *rule = to;

	read_range(f, n, "payload", UINT16_MAX, &rule->payload);
}

static void read_ttl(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct packet_rule *rule = to;

	read_range(f, n, "ttl", UINT8_MAX, &rule->ttl);
}

static void read_header_length(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct packet_rule *rule = to;

	read_range(f, n, "header_length", 60, &rule->header_length);
}

static void read_cool_down(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct packet_rule *rule = to;

	read_time(f, n, "cool_down", &rule->cool_down_ns);
}

static const struct rule_key rule_keys[] = {
	{"name", read_name},
	{"description", read_description},
	{"severity", read_severity},
	{"flags", read_flags},
	{"ports", read_ports},
	{"window", read_window},
	{"payload", read_payload},
	{"ttl", read_ttl},
	{"header_length", read_header_length},
	{"rate", read_rate},
	{"cool_down", read_cool_down},
};
#define KEYS_NEEDED 7u /* name, description, severity */

static void read_rule(struct rule_file *f, const struct yaml_node *node)
{
	struct packet_rules *rules = f->into;

	if (rules->count == PACKET_RULES_MAX) {
		rule_fault(f, node->line, "more than %d criteria", PACKET_RULES_MAX);
		return;
	}
	struct packet_rule *rule = &rules->items[rules->count++];
	*rule = (struct packet_rule){
		.window = {0, UINT16_MAX},
		.payload = {0, UINT16_MAX},
		.ttl = {0, UINT8_MAX},
		.header_length = {0, 60},
		.threshold = 1,
	};
	uint32_t seen = rule_mapping(f, node, "a criterion", rule_keys, ARRAY_SIZE(rule_keys), rule);
	for (unsigned i = 0; node->type == YAML_MAP && i < 3; i++)
		if (!(seen & 1u << i))
			rule_fault(f, node->line, "a criterion needs \"%s\"", rule_keys[i].name);
	if (node->type == YAML_MAP && !(seen & ~KEYS_NEEDED))
		rule_fault(f, node->line, "the criterion has no condition");
	rule->leak_ns = MAX(rule->window_ns / MAX(rule->threshold, 1u), 1u);
	if (!rule->cool_down_ns)
		rule->cool_down_ns = rule->window_ns;
}

/* --- files --- */

static const struct rule_kind kind = {"packets", read_rule};

int packet_rules_parse(struct span yaml, const char *name, struct packet_rules *into, struct buffer *errors)
{
	return rule_file_parse(&kind, yaml, name, into, errors);
}

int packet_rules_load(const struct config *config, struct packet_rules **ret, struct buffer *errors)
{
	struct packet_rules *rules = calloc(1, sizeof *rules);
	int r = 0;

	if (!rules)
		return -ENOMEM;
	for (unsigned i = 0; i < config->detect.packets.count && r >= 0; i++) {
		int e = rule_file_load(&kind, config->detect.packets.items[i], rules, errors);
		if (e)
			r = e;
	}
	for (const struct shipped_file *f = shipped_packets; !config->detect.packets.count && f->name && !r;
	     f++)
		r = packet_rules_parse((struct span){(const char *)f->bytes, f->len}, f->name, rules, errors);
	if (r) {
		free(rules);
		return r;
	}
	*ret = rules;
	return 0;
}

void packet_rules_free(struct packet_rules *r)
{
	free(r);
}

/* --- what the kernel must report --- */

/* Can it match a segment that the kernel half does not report by itself? */
static bool is_ordinary(const struct packet_rule *r)
{
	bool none = (r->flags_mask & FLAGS_SIX) == FLAGS_SIX && !(r->flags_value & FLAGS_SIX);

	return !none && !(r->flags_value & (FLAG_SYN | FLAG_FIN | FLAG_RST | FLAG_URG));
}

static void need_join(struct packet_need *into, const struct packet_need *more)
{
	into->flags_mask &= (uint16_t)(more->flags_mask & ~(into->flags_value ^ more->flags_value));
	into->flags_value &= into->flags_mask;
	into->window_low = MIN(into->window_low, more->window_low);
	into->window_high = MAX(into->window_high, more->window_high);
}

void packet_rules_needs(const struct packet_rules *r, struct packet_needs *ret)
{
	memset(ret, 0, sizeof *ret);
	for (unsigned i = 0; i < r->count; i++) {
		const struct packet_rule *rule = &r->items[i];
		const struct packet_need need = {rule->flags_mask, rule->flags_value,
						 (uint16_t)rule->window.low, (uint16_t)rule->window.high};

		ret->unwatched |= rule->ports != PACKET_PORTS_WATCHED;
		if (!is_ordinary(rule) || (rule->window.low == 0 && rule->window.high == UINT16_MAX))
			continue;
		if (ret->count < PACKET_NEEDS_MAX)
			ret->items[ret->count++] = need;
		else
			need_join(&ret->items[PACKET_NEEDS_MAX - 1], &need);
	}
}
