// SPDX-License-Identifier: Apache-2.0
/* pcap_file.c: captures of every link type as Ethernet frames; what is cut or damaged is told. */
#include "sensor/pcap_file.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "lib/util.h"

/* LINKTYPE_ values of the file format (tcpdump.org/linktypes.html). */
enum {
	LINK_NULL = 0,
	LINK_ETHERNET = 1,
	LINK_RAW = 101,
	LINK_LOOP = 108,
	LINK_SLL = 113,
	LINK_IPV4 = 228,
	LINK_IPV6 = 229,
	LINK_SLL2 = 276,
	LINK_USB = 189,
};

struct capture_file {
	char path[32];
	FILE *f;
};

static void put32(FILE *f, uint32_t v)
{
	fwrite(&v, sizeof v, 1, f);
}

static void file_begin(struct capture_file *c, uint32_t magic, uint32_t link)
{
	strcpy(c->path, "/tmp/pcap_file_test.XXXXXX");
	int fd = mkstemp(c->path);
	assert_true(fd >= 0);
	c->f = fdopen(fd, "w");
	put32(c->f, magic);
	put32(c->f, 2 | 4 << 16);
	put32(c->f, 0);
	put32(c->f, 0);
	put32(c->f, 65535);
	put32(c->f, link);
}

static void file_packet(struct capture_file *c, uint32_t fraction, const void *bytes, uint32_t len,
			uint32_t original)
{
	put32(c->f, 1700000000);
	put32(c->f, fraction);
	put32(c->f, len);
	put32(c->f, original);
	fwrite(bytes, 1, len, c->f);
}

static struct pcap_file *file_open(struct capture_file *c, int expected)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(4096);
	struct pcap_file *f = NULL;

	fclose(c->f);
	assert_int_equal(pcap_file_open(c->path, &f, &errors), expected);
	assert_true((errors.len > 0) == (expected != 0));
	return f;
}

static void file_end(struct capture_file *c, struct pcap_file *f)
{
	pcap_file_close(f);
	unlink(c->path);
}

#define MICRO 0xa1b2c3d4u
#define NANO  0xa1b23c4du

static void times_are_nanoseconds_whatever_the_file_holds(void **state)
{
	static const struct {
		uint32_t magic, fraction;
		uint64_t ns;
	} cases[] = {{MICRO, 123456, 1700000000123456000}, {NANO, 123456789, 1700000000123456789}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct capture_file c;
		struct pcap_frame frame;
		struct buffer errors = BUFFER_INIT(4096);
		uint8_t bytes[60] = {0};

		file_begin(&c, cases[i].magic, LINK_ETHERNET);
		file_packet(&c, cases[i].fraction, bytes, sizeof bytes, 1500);
		struct pcap_file *f = file_open(&c, 0);
		assert_int_equal(pcap_file_next(f, &frame, &errors), 0);
		assert_int_equal(frame.time_ns, cases[i].ns);
		assert_int_equal(frame.len, sizeof bytes);
		assert_int_equal(frame.original_len, 1500);
		assert_int_equal(pcap_file_next(f, &frame, &errors), PCAP_FILE_E_END);
		file_end(&c, f);
	}
}

#define V4 "\x45the rest"
#define V6 "\x60the rest"

static const struct link_case {
	const char *name;
	uint32_t link;
	const char *bytes;
	size_t len;
	uint16_t type; /* of the Ethernet header; 0: refused */
	const char *rest;
	enum pcap_refusal refusal;
} links[] = {
	{"raw IPv4", LINK_RAW, V4, 9, 0x0800, V4, 0},
	{"raw IPv6", LINK_RAW, V6, 9, 0x86dd, V6, 0},
	{"raw, of no IP version", LINK_RAW, "\x15x", 2, 0, NULL, PCAP_REFUSED_NOT_IP},
	{"raw, empty", LINK_RAW, "", 0, 0, NULL, PCAP_REFUSED_NOT_IP},
	{"IPv4", LINK_IPV4, V4, 9, 0x0800, V4, 0},
	{"IPv6", LINK_IPV6, V6, 9, 0x86dd, V6, 0},
	{"null, IPv4", LINK_NULL, "\2\0\0\0" V4, 13, 0x0800, V4, 0},
	{"null, IPv6 of another system", LINK_NULL, "\0\0\0\x1e" V6, 13, 0x86dd, V6, 0},
	{"null, not IP", LINK_NULL, "\7\0\0\0\xf0\xf0\3", 7, 0, NULL, PCAP_REFUSED_NOT_IP},
	{"null, short", LINK_NULL, "\2\0", 2, 0, NULL, PCAP_REFUSED_SHORT},
	{"loop", LINK_LOOP, "\0\0\0\2" V4, 13, 0x0800, V4, 0},
	{"any", LINK_SLL, "\0\0\3\4\0\6\0\0\0\0\0\0\0\0\x08\0" V4, 25, 0x0800, V4, 0},
	{"any, ARP", LINK_SLL, "\0\0\0\1\0\6\0\0\0\0\0\0\0\0\x08\6arp", 19, 0x0806, "arp", 0},
	{"any, 802.2", LINK_SLL, "\0\0\0\1\0\6\0\0\0\0\0\0\0\0\0\4llc", 19, 0, NULL, PCAP_REFUSED_NOT_IP},
	{"any, short", LINK_SLL, "\0\0\0\1", 4, 0, NULL, PCAP_REFUSED_SHORT},
	{"any, second version", LINK_SLL2, "\x86\xdd\0\0\0\0\0\1\0\1\0\6\0\0\0\0\0\0\0\0" V6, 29, 0x86dd, V6,
	 0},
	{"Ethernet, short", LINK_ETHERNET, "\1\2\3", 3, 0, NULL, PCAP_REFUSED_SHORT},
};

static void every_link_type_becomes_ethernet_or_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		const struct link_case *l = &links[i];
		struct buffer errors = BUFFER_INIT(4096);
		struct capture_file c;
		struct pcap_frame frame;

		file_begin(&c, MICRO, l->link);
		file_packet(&c, 0, l->bytes, (uint32_t)l->len, (uint32_t)l->len);
		struct pcap_file *f = file_open(&c, 0);
		int r = pcap_file_next(f, &frame, &errors);
		if (!l->type) {
			if (r != PCAP_FILE_E_END || pcap_file_refused(f, l->refusal) != 1)
				fail_msg("%s: %d", l->name, r);
			assert_int_equal(pcap_file_runts(f), l->link == LINK_ETHERNET);
			file_end(&c, f);
			continue;
		}
		size_t rest = strlen(l->rest);
		if (r || frame.len != 14 + rest || frame.bytes[12] != l->type >> 8 ||
		    frame.bytes[13] != (l->type & 0xff) || memcmp(frame.bytes + 14, l->rest, rest) != 0)
			fail_msg("%s: %d, %zu bytes", l->name, r, frame.len);
		file_end(&c, f);
	}
}

static void what_is_no_capture_is_told(void **state)
{
	struct capture_file c;

	(void)state;
	file_begin(&c, 0x12345678, LINK_ETHERNET);
	file_end(&c, file_open(&c, PCAP_FILE_E_INVALID));
	file_begin(&c, MICRO, LINK_USB);
	file_end(&c, file_open(&c, PCAP_FILE_E_INVALID));
}

static void a_file_that_is_cut_gives_what_it_has(void **state)
{
	struct buffer errors = BUFFER_INIT(4096);
	struct capture_file c;
	struct pcap_frame frame;
	uint8_t bytes[60] = {0};

	(void)state;
	file_begin(&c, MICRO, LINK_ETHERNET);
	file_packet(&c, 0, bytes, sizeof bytes, sizeof bytes);
	file_packet(&c, 0, bytes, sizeof bytes, sizeof bytes);
	fflush(c.f);
	assert_int_equal(ftruncate(fileno(c.f), 24 + 16 + 60 + 16 + 10), 0);
	struct pcap_file *f = file_open(&c, 0);
	assert_int_equal(pcap_file_next(f, &frame, &errors), 0);
	assert_int_equal(pcap_file_next(f, &frame, &errors), PCAP_FILE_E_CUT);
	assert_true(errors.len > 0);
	buffer_free(&errors);
	file_end(&c, f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_nanoseconds_whatever_the_file_holds),
		cmocka_unit_test(every_link_type_becomes_ethernet_or_is_refused),
		cmocka_unit_test(what_is_no_capture_is_told),
		cmocka_unit_test(a_file_that_is_cut_gives_what_it_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
