// SPDX-License-Identifier: Apache-2.0
#include "policies/list_write.h"
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include "lib/util.h"

/* --- times and names --- */

#define TIME_TEXT_MAX 32

/* RFC 3339, UTC. */
static const char *time_text(uint64_t s, const char *format, char buf[static TIME_TEXT_MAX])
{
	time_t t = (time_t)MIN(s, (uint64_t)253402300799); /* the last second of the year 9999 */
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(buf, TIME_TEXT_MAX, format, &tm))
		buf[0] = 0;
	return buf;
}

#define TIME_FORMAT   "%Y-%m-%dT%H:%M:%SZ"
#define UUID_TEXT_MAX 37

static const char *uuid_text(uint8_t bytes[static 16], unsigned version, char buf[static UUID_TEXT_MAX])
{
	char *at = buf;

	bytes[6] = (uint8_t)((bytes[6] & 0x0f) | version << 4);
	bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
	for (unsigned i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		at += snprintf(at, 3, "%02x", bytes[i]);
	}
	return buf;
}

/* Of a target always the same (RFC 9562, version 5), so that who reads the next list knows it again. */
static const char *uuid_of(const char *target, char buf[static UUID_TEXT_MAX])
{
	static const uint8_t space[16] = {0x5f, 0x1c, 0x8e, 0x0a, 0x97, 0x3d, 0x4b, 0x62,
					  0xa1, 0x54, 0x0e, 0x9b, 0xc7, 0x38, 0xd2, 0x46};
	uint8_t text[sizeof space + PREFIX_TEXT_MAX], hash[EVP_MAX_MD_SIZE] = {0};
	size_t len = strlen(target);

	memcpy(text, space, sizeof space);
	memcpy(text + sizeof space, target, len);
	EVP_Digest(text, sizeof space + len, hash, NULL, EVP_sha1(), NULL);
	return uuid_text(hash, 5, buf);
}

static const char *uuid_new(char buf[static UUID_TEXT_MAX])
{
	uint8_t bytes[16] = {0};

	if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
		memset(bytes, 0, sizeof bytes);
	return uuid_text(bytes, 4, buf);
}

static void put(struct list_writer *w, const char *key, const char *text)
{
	json_key(&w->json, key);
	json_text(&w->json, text);
}

/* --- plain --- */

/* One line of ASCII, so that no reason can begin an entry of its own. */
static void comment(struct buffer *out, const char *text)
{
	for (; *text; text++)
		buffer_append_char(out, *text < ' ' || *text > '~' ? '?' : *text);
}

static void plain_write(struct list_writer *w, const struct list_record *r, const char *target)
{
	char until[TIME_TEXT_MAX];

	buffer_printf(w->out, "%s # until %s, ", target, time_text(w->now_s + r->left_s, TIME_FORMAT, until));
	comment(w->out, r->origin);
	buffer_append_text(w->out, r->reason[0] ? ": " : "");
	comment(w->out, r->reason);
	buffer_append_char(w->out, '\n');
}

/* --- CrowdSec --- */

/* As `cscli decisions import` reads them ("reason") and the local API has them ("scenario"). */
static void crowdsec_write(struct list_writer *w, const struct list_record *r, const char *target)
{
	char duration[24];

	snprintf(duration, sizeof duration, "%" PRIu64 "s", r->left_s);
	json_object_begin(&w->json);
	put(w, "duration", duration);
	put(w, "origin", "picket");
	put(w, "reason", r->reason[0] ? r->reason : r->origin);
	put(w, "scenario", r->origin);
	put(w, "scope", prefix_is_exact(&r->target) ? "Ip" : "Range");
	put(w, "type", "ban");
	put(w, "value", target);
	json_object_end(&w->json);
}

/* --- STIX --- */

static void stix_begin(struct list_writer *w)
{
	char uuid[UUID_TEXT_MAX], id[UUID_TEXT_MAX + 16];

	snprintf(id, sizeof id, "bundle--%s", uuid_new(uuid));
	json_object_begin(&w->json);
	put(w, "type", "bundle");
	put(w, "id", id);
}

static void stix_write(struct list_writer *w, const struct list_record *r, const char *target)
{
	const char *kind = r->target.addr.family == ADDR_IPV4 ? "ipv4-addr" : "ipv6-addr";
	const char *compare = prefix_is_exact(&r->target) ? "=" : "ISSUBSET";
	char now[TIME_TEXT_MAX], until[TIME_TEXT_MAX], uuid[UUID_TEXT_MAX];
	char id[UUID_TEXT_MAX + 16], pattern[PREFIX_TEXT_MAX + 48];

	time_text(w->now_s, TIME_FORMAT, now);
	snprintf(id, sizeof id, "indicator--%s", uuid_of(target, uuid));
	snprintf(pattern, sizeof pattern, "[%s:value %s '%s']", kind, compare, target);
	if (!w->count) { /* a bundle of nothing has no objects at all */
		json_key(&w->json, "objects");
		json_array_begin(&w->json);
	}
	json_object_begin(&w->json);
	put(w, "type", "indicator");
	put(w, "spec_version", "2.1");
	put(w, "id", id);
	put(w, "created", now);
	put(w, "modified", now);
	put(w, "name", r->origin[0] ? r->origin : "picket");
	put(w, "description", r->reason);
	put(w, "pattern_type", "stix");
	put(w, "pattern", pattern);
	put(w, "valid_from", now);
	put(w, "valid_until", time_text(w->now_s + r->left_s, TIME_FORMAT, until));
	json_object_end(&w->json);
}

/* --- MISP --- */

static void misp_begin(struct list_writer *w)
{
	char date[TIME_TEXT_MAX];

	json_object_begin(&w->json);
	json_key(&w->json, "Event");
	json_object_begin(&w->json);
	put(w, "info", "clients that picket denies");
	put(w, "date", time_text(w->now_s, "%Y-%m-%d", date));
	put(w, "threat_level_id", "3");
	put(w, "analysis", "2");
	put(w, "distribution", "0");
	json_key(&w->json, "Attribute");
	json_array_begin(&w->json);
}

static void misp_write(struct list_writer *w, const struct list_record *r, const char *target)
{
	char uuid[UUID_TEXT_MAX];

	json_object_begin(&w->json);
	put(w, "uuid", uuid_of(target, uuid));
	put(w, "type", "ip-src");
	put(w, "category", "Network activity");
	json_key(&w->json, "to_ids");
	json_bool(&w->json, true);
	put(w, "value", target);
	put(w, "comment", r->reason[0] ? r->reason : r->origin);
	json_object_end(&w->json);
}

/* --- any --- */

void list_write_begin(struct list_writer *w, enum config_list_format format, uint64_t now_ns,
		      struct buffer *out)
{
	char now[TIME_TEXT_MAX];

	*w = (struct list_writer){
		.format = format, .now_s = now_ns / NS_PER_S, .out = out, .json = JSON_WRITER(out)};
	switch (format) {
	case CONFIG_LIST_AUTO:
	case CONFIG_LIST_PLAIN:
		buffer_printf(out, "# what picket denies, %s\n", time_text(w->now_s, TIME_FORMAT, now));
		break;
	case CONFIG_LIST_CROWDSEC:
		json_array_begin(&w->json);
		break;
	case CONFIG_LIST_STIX:
		stix_begin(w);
		break;
	case CONFIG_LIST_MISP:
		misp_begin(w);
		break;
	}
}

void list_write(struct list_writer *w, const struct list_record *r)
{
	char target[PREFIX_TEXT_MAX];

	prefix_format(&r->target, target);
	switch (w->format) {
	case CONFIG_LIST_AUTO:
	case CONFIG_LIST_PLAIN:
		plain_write(w, r, target);
		break;
	case CONFIG_LIST_CROWDSEC:
		crowdsec_write(w, r, target);
		break;
	case CONFIG_LIST_STIX:
		stix_write(w, r, target);
		break;
	case CONFIG_LIST_MISP:
		misp_write(w, r, target);
		break;
	}
	w->count++;
}

void list_write_end(struct list_writer *w)
{
	if (w->format == CONFIG_LIST_AUTO || w->format == CONFIG_LIST_PLAIN)
		return;
	if (w->format != CONFIG_LIST_STIX || w->count)
		json_array_end(&w->json);
	if (w->format != CONFIG_LIST_CROWDSEC)
		json_object_end(&w->json);
	if (w->format == CONFIG_LIST_MISP)
		json_object_end(&w->json);
	buffer_append_char(w->out, '\n');
}
