// SPDX-License-Identifier: Apache-2.0
#include "sensor/pcap_file.h"
#include <arpa/inet.h>
#include <errno.h>
#include <pcap/pcap.h>
#include <pcap/sll.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"

#define ETHERNET_HEADER 14
#define ETHERTYPE_IPV4_ 0x0800
#define ETHERTYPE_IPV6_ 0x86dd
#define ETHERTYPE_MIN   0x0600 /* below: a length, or one of Linux's own numbers (linux/if_ether.h) */

/* What is left of the link header when all that is known of it is its length. */
enum link { LINK_ETHERNET, LINK_RAW, LINK_FAMILY, LINK_SLL, LINK_SLL2 };

static const struct link_type {
	int dlt;
	enum link link;
	size_t header; /* bytes before the network header */
} link_types[] = {
	{DLT_EN10MB, LINK_ETHERNET, 0}, {DLT_RAW, LINK_RAW, 0},          {DLT_IPV4, LINK_RAW, 0},
	{DLT_IPV6, LINK_RAW, 0},        {DLT_NULL, LINK_FAMILY, 4},      {DLT_LOOP, LINK_FAMILY, 4},
	{DLT_LINUX_SLL, LINK_SLL, 16},  {DLT_LINUX_SLL2, LINK_SLL2, 20},
};

struct pcap_file {
	pcap_t *pcap;
	const struct link_type *type;
	uint64_t refused[PCAP_REFUSED_MAX];
	uint64_t runts;
	size_t size; /* of frame */
	uint8_t *frame;
};

const char *pcap_refusal_name(enum pcap_refusal r)
{
	static const char *const names[PCAP_REFUSED_MAX] = {
		[PCAP_REFUSED_SHORT] = "short", [PCAP_REFUSED_NOT_IP] = "not_ip"};

	return names[r];
}

static const struct link_type *link_find(int dlt)
{
	for (size_t i = 0; i < ARRAY_SIZE(link_types); i++)
		if (link_types[i].dlt == dlt)
			return &link_types[i];
	return NULL;
}

int pcap_file_open(const char *path, struct pcap_file **ret, struct buffer *errors)
{
	char message[PCAP_ERRBUF_SIZE] = "";
	struct pcap_file *f = calloc(1, sizeof *f);

	if (!f)
		return -ENOMEM;
	f->pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, message);
	if (!f->pcap) {
		/* libpcap names the file only where it could not be opened. */
		bool named = strstr(message, path) != NULL;
		buffer_printf(errors, "%s%s%s\n", named ? "" : path,
			      named ? "" : ": not a pcap or pcapng file: ", message);
		pcap_file_close(f);
		return PCAP_FILE_E_INVALID;
	}
	int dlt = pcap_datalink(f->pcap);
	f->type = link_find(dlt);
	if (!f->type) {
		const char *name = pcap_datalink_val_to_name(dlt);
		buffer_printf(errors, "%s: link type %s (%d) is not among those that can be read\n", path,
			      name ? name : "?", dlt);
		pcap_file_close(f);
		return PCAP_FILE_E_INVALID;
	}
	*ret = f;
	return 0;
}

/* 0: not known. The address family that begins null and loop packets differs by system: IP tells itself. */
static uint16_t ethertype_of(const struct link_type *type, const uint8_t *bytes, size_t len)
{
	uint16_t be;

	switch (type->link) {
	case LINK_SLL:
		memcpy(&be, bytes + 14, 2);
		return ntohs(be) >= ETHERTYPE_MIN ? ntohs(be) : 0;
	case LINK_SLL2:
		memcpy(&be, bytes, 2);
		return ntohs(be) >= ETHERTYPE_MIN ? ntohs(be) : 0;
	default:
		if (len <= type->header)
			return 0;
		return bytes[type->header] >> 4 == 4   ? ETHERTYPE_IPV4_
		       : bytes[type->header] >> 4 == 6 ? ETHERTYPE_IPV6_
						       : 0;
	}
}

static int frame_room(struct pcap_file *f, size_t len)
{
	if (len <= f->size)
		return 0;
	uint8_t *frame = realloc(f->frame, len);
	if (!frame)
		return -ENOMEM;
	f->frame = frame;
	f->size = len;
	return 0;
}

/* With a made-up Ethernet header. False: refused. */
static bool frame_make(struct pcap_file *f, const uint8_t *bytes, struct pcap_frame *ret)
{
	size_t header = f->type->header;

	if (ret->len < header) {
		f->refused[PCAP_REFUSED_SHORT]++;
		return false;
	}
	uint16_t type = htons(ethertype_of(f->type, bytes, ret->len));
	if (!type || ret->original_len < header || frame_room(f, ETHERNET_HEADER + ret->len - header)) {
		f->refused[PCAP_REFUSED_NOT_IP]++;
		return false;
	}
	memset(f->frame, 0, 12);
	memcpy(f->frame + 12, &type, 2);
	memcpy(f->frame + ETHERNET_HEADER, bytes + header, ret->len - header);
	ret->bytes = f->frame;
	ret->len += ETHERNET_HEADER - header;
	ret->original_len += ETHERNET_HEADER - header;
	return true;
}

static bool frame_of(struct pcap_file *f, const struct pcap_pkthdr *h, const uint8_t *bytes,
		     struct pcap_frame *ret)
{
	/* Nanoseconds stand where microseconds did: see pcap_file_open. */
	*ret = (struct pcap_frame){.bytes = bytes,
				   .len = h->caplen,
				   .original_len = MAX(h->len, h->caplen),
				   .time_ns = (uint64_t)h->ts.tv_sec * NS_PER_S + (uint64_t)h->ts.tv_usec};
	if (f->type->link != LINK_ETHERNET)
		return frame_make(f, bytes, ret);
	if (ret->len >= ETHERNET_HEADER)
		return true;
	f->refused[PCAP_REFUSED_SHORT]++;
	f->runts += ret->original_len < ETHERNET_HEADER;
	return false;
}

int pcap_file_next(struct pcap_file *f, struct pcap_frame *ret, struct buffer *errors)
{
	struct pcap_pkthdr *h;
	const u_char *bytes;
	int r;

	while ((r = pcap_next_ex(f->pcap, &h, &bytes)) == 1)
		if (frame_of(f, h, bytes, ret))
			return 0;
	if (r == PCAP_ERROR_BREAK)
		return PCAP_FILE_E_END;
	buffer_printf(errors, "%s\n", pcap_geterr(f->pcap));
	return PCAP_FILE_E_CUT;
}

uint64_t pcap_file_runts(const struct pcap_file *f)
{
	return f->runts;
}

uint64_t pcap_file_refused(const struct pcap_file *f, enum pcap_refusal r)
{
	return f->refused[r];
}

void pcap_file_close(struct pcap_file *f)
{
	if (!f)
		return;
	if (f->pcap)
		pcap_close(f->pcap);
	free(f->frame);
	free(f);
}
