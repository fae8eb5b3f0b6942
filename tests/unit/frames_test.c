// SPDX-License-Identifier: Apache-2.0
/*
 * frames_test.c: each name that sensor/frames.h can give, by a frame that must get it, and beside it frames
 * that are as they should be and must get none. Frames are written in hexadecimal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include "lib/util.h"
#include "sensor/frames.h"

#define ETH(type) "020000000001020000000002" type
#define TAG(type) "0005" type
#define V4_ENDS   "c0000201c6336402"
#define V6_ENDS                            \
	"20010db8000000000000000000000001" \
	"20010db8000000000000000000000002"
/* Version and length, total length, id, fragment field, protocol. */
#define V4(vl, total, id, frag, protocol) vl "00" total id frag "40" protocol "0000" V4_ENDS
#define V6(payload, next)                 "60000000" payload next "40" V6_ENDS
#define TCP_HEAD(offset_flags)         \
	"c0000050"                     \
	"00000001"                     \
	"00000000" offset_flags "2000" \
	"0000"                         \
	"0000"
#define EIGHT "0102030405060708"

struct frame_case {
	const char *story;
	enum frame_link link;
	const char *hex;
	const char *names; /* in the order of enum frame_anomaly, separated by spaces */
	unsigned wire;     /* bytes on the wire; 0: as many as there are */
};

static const struct frame_case cases[] = {
	/* link layer */
	{"ethernet header cut", FRAME_ETHERNET, "020000000001020000", "ethernet_packet_too_small", 0},
	{"nothing at all", FRAME_ETHERNET, "", "ethernet_packet_too_small", 0},
	{"a type that nobody has", FRAME_ETHERNET, ETH("fbb7") EIGHT, "ethernet_unknown_ethertype", 0},
	{"ARP is known", FRAME_ETHERNET, ETH("0806") EIGHT, "", 0},
	{"a length is no type", FRAME_ETHERNET, ETH("0026") EIGHT, "", 0},
	{"cooked header cut", FRAME_SLL, "0000000100060200", "sll_packet_too_small", 0},
	{"cooked header before IPv4", FRAME_SLL,
	 "00000001000602000000000100000800" V4("46", "0018", "0001", "0000", "11"), "", 60},
	{"neither version 4 nor 6", FRAME_IP, "70000000", "ipraw_invalid_ip_version", 0},
	{"tag cut", FRAME_ETHERNET, ETH("8100") "0005", "vlan_header_too_small", 0},
	{"tag before a type that nobody has", FRAME_ETHERNET, ETH("8100") TAG("fbb7") EIGHT,
	 "vlan_unknown_type", 0},
	{"three tags", FRAME_ETHERNET, ETH("88a8") TAG("8100") TAG("8100") TAG("0806") EIGHT, "", 0},
	{"four tags", FRAME_ETHERNET, ETH("88a8") TAG("8100") TAG("8100") TAG("8100") TAG("0806"),
	 "vlan_too_many_layers", 0},
	/* IPv4 */
	{"IPv4 header cut", FRAME_ETHERNET, ETH("0800") "45000014", "ipv4_packet_too_small", 0},
	{"version 7 behind type 0800", FRAME_IP, "40000000", "ipv4_packet_too_small", 0},
	{"wrong version", FRAME_ETHERNET, ETH("0800") V4("75", "0014", "0001", "0000", "11"),
	 "ipv4_wrong_ip_version", 0},
	{"header of 16 bytes", FRAME_ETHERNET, ETH("0800") V4("44", "0014", "0001", "0000", "11"),
	 "ipv4_header_length_too_small", 0},
	{"total below header", FRAME_ETHERNET, ETH("0800") V4("45", "0010", "0001", "0000", "11"),
	 "ipv4_total_length_smaller_than_header_length", 0},
	{"total beyond the frame", FRAME_ETHERNET, ETH("0800") V4("45", "0100", "0001", "0000", "11"),
	 "ipv4_truncated_packet", 0},
	{"total beyond what was captured, not beyond the frame", FRAME_ETHERNET,
	 ETH("0800") V4("45", "0100", "0001", "0000", "11"), "", 14 + 256},
	{"padding of the link is no data", FRAME_ETHERNET,
	 ETH("0800") V4("45", "0014", "0001", "0000", "32") EIGHT, "", 0},
	{"ICMPv6", FRAME_ETHERNET, ETH("0800") V4("45", "0014", "0001", "0000", "3a"), "ipv4_icmpv6", 0},
	{"protocol 253", FRAME_ETHERNET, ETH("0800") V4("45", "0014", "0001", "0000", "fd"),
	 "ipv4_unknown_protocol", 0},
	{"OSPF is known", FRAME_ETHERNET, ETH("0800") V4("45", "0014", "0001", "0000", "59"), "", 0},
	/* IPv4 options */
	{"router alert, as IGMP has it", FRAME_ETHERNET,
	 ETH("0800") V4("46", "0018", "0001", "0000", "02") "94040000", "", 0},
	{"end of list and zeros", FRAME_ETHERNET,
	 ETH("0800") V4("46", "0018", "0001", "0000", "02") "01000000", "", 0},
	{"something behind the end of list", FRAME_ETHERNET,
	 ETH("0800") V4("46", "0018", "0001", "0000", "02") "01000041", "ipv4_option_padding_required", 0},
	{"record route with its pointer in the type", FRAME_ETHERNET,
	 ETH("0800") V4("47", "001c", "0001", "0000", "02") "0707030000000000", "ipv4_option_invalid", 0},
	{"record route", FRAME_ETHERNET,
	 ETH("0800") V4("47", "001c", "0001", "0000", "02") "0707040000000000", "", 0},
	{"router alert of 2 bytes", FRAME_ETHERNET,
	 ETH("0800") V4("46", "0018", "0001", "0000", "02") "94020000", "ipv4_option_invalid_length", 0},
	{"option beyond the header", FRAME_ETHERNET,
	 ETH("0800") V4("46", "0018", "0001", "0000", "02") "07090400",
	 "ipv4_option_invalid_length ipv4_option_padding_required", 0},
	{"length 1", FRAME_ETHERNET, ETH("0800") V4("46", "0018", "0001", "0000", "02") "07010400",
	 "ipv4_option_malformed", 0},
	{"no room for a length", FRAME_ETHERNET,
	 ETH("0800") V4("46", "0018", "0001", "0000", "02") "01010107", "ipv4_option_end_of_list_required",
	 0},
	{"router alert twice", FRAME_ETHERNET,
	 ETH("0800") V4("47", "001c", "0001", "0000", "02") "9404000094040000", "ipv4_option_duplicate", 0},
	{"option 200", FRAME_ETHERNET, ETH("0800") V4("46", "0018", "0001", "0000", "02") "c8040000",
	 "ipv4_option_unknown", 0},
	{"timestamp with flag 9", FRAME_ETHERNET,
	 ETH("0800") V4("47", "001c", "0001", "0000", "02") "4408050900000000", "ipv4_option_invalid", 0},
	{"CIPSO whose tag runs out of it", FRAME_ETHERNET,
	 ETH("0800") V4("48", "0020", "0001", "0000", "02") "860a000000010108000000000",
	 "ipv4_option_invalid", 0},
	/* IPv4 fragments */
	{"a fragment ends beyond 65535", FRAME_ETHERNET,
	 ETH("0800") V4("45", "001c", "0002", "1fff", "11") EIGHT, "ipv4_fragment_packet_too_large", 0},
	{"a first fragment", FRAME_ETHERNET, ETH("0800") V4("45", "001c", "0003", "2000", "11") EIGHT, "", 0},
	{"its last one", FRAME_ETHERNET, ETH("0800") V4("45", "001c", "0003", "0001", "11") EIGHT, "", 0},
	{"a copy of it", FRAME_ETHERNET, ETH("0800") V4("45", "001c", "0003", "0001", "11") EIGHT, "", 0},
	{"other bytes in its place", FRAME_ETHERNET,
	 ETH("0800") V4("45", "001c", "0003", "0001", "11") "4142434445464748", "ipv4_fragment_overlap", 0},
	{"the same place of another datagram", FRAME_ETHERNET,
	 ETH("0800") V4("45", "001c", "0004", "0001", "11") "4142434445464748", "", 0},
	{"a first fragment too small for TCP", FRAME_ETHERNET,
	 ETH("0800") V4("45", "001c", "0005", "2000", "06") EIGHT, "tcp_packet_too_small", 0},
	/* IP in IP */
	{"IPv4 in IPv4", FRAME_ETHERNET,
	 ETH("0800") V4("45", "0028", "0001", "0000", "04") V4("45", "0014", "0001", "0000", "3a"),
	 "ipv4_icmpv6", 0},
	{"IPv4 in IPv6", FRAME_ETHERNET, ETH("86dd") V6("0014", "04") V4("45", "0014", "0001", "0000", "fd"),
	 "ipv4_unknown_protocol", 0},
	{"IPv4 in IPv6, cut", FRAME_ETHERNET, ETH("86dd") V6("0008", "04") EIGHT,
	 "ipv6_ipv4_in_ipv6_too_small", 0},
	{"version 5 in IPv6", FRAME_ETHERNET,
	 ETH("86dd") V6("0014", "04") V4("55", "0014", "0001", "0000", "fd"),
	 "ipv6_ipv4_in_ipv6_wrong_version", 0},
	{"IPv6 in IPv6, cut", FRAME_ETHERNET, ETH("86dd") V6("0008", "29") EIGHT,
	 "ipv6_ipv6_in_ipv6_too_small", 0},
	{"IPv4 where IPv6 was announced", FRAME_ETHERNET,
	 ETH("86dd") V6("0028", "29") "40000000"
				      "0000"
				      "3b40" V6_ENDS,
	 "ipv6_ipv6_in_ipv6_wrong_version", 0},
	{"IPv6 in IPv6", FRAME_ETHERNET, ETH("86dd") V6("0028", "29") V6("0000", "3b"), "", 0},
	/* IPv6 */
	{"IPv6 header cut", FRAME_ETHERNET, ETH("86dd") "600000000000", "ipv6_packet_too_small", 0},
	{"version 4 behind type 86dd", FRAME_ETHERNET,
	 ETH("86dd") "40000000"
		     "0000"
		     "3b40" V6_ENDS,
	 "ipv6_wrong_ip_version", 0},
	{"payload beyond the frame", FRAME_ETHERNET, ETH("86dd") V6("0100", "11") EIGHT,
	 "ipv6_truncated_packet", 0},
	{"ICMP for IPv4", FRAME_ETHERNET, ETH("86dd") V6("0008", "01") EIGHT, "ipv6_icmpv4", 0},
	{"next header 253", FRAME_ETHERNET, ETH("86dd") V6("0008", "fd") EIGHT, "ipv6_unknown_next_header",
	 0},
	{"no next header", FRAME_ETHERNET, ETH("86dd") V6("0000", "3b"), "", 0},
	{"data behind no next header", FRAME_ETHERNET, ETH("86dd") V6("0008", "3b") EIGHT,
	 "ipv6_data_after_none_header", 0},
	/* IPv6 extension headers */
	{"hop-by-hop as MLD has it", FRAME_ETHERNET, ETH("86dd") V6("0010", "00") "3a00050200000100" EIGHT,
	 "", 0},
	{"extension header beyond the packet", FRAME_ETHERNET,
	 ETH("86dd") V6("0008", "00") "3a01050200000100", "ipv6_truncated_extension_header", 0},
	{"a chain that ends with nothing", FRAME_ETHERNET, ETH("86dd") V6("0008", "00") "3a00050200000100",
	 "ipv6_truncated_extension_header", 0},
	{"hop-by-hop twice", FRAME_ETHERNET,
	 ETH("86dd") V6("0018", "00") "0000050200000100"
				      "3a00050200000100" EIGHT,
	 "ipv6_extension_header_duplicate_hop_header", 0},
	{"routing twice", FRAME_ETHERNET,
	 ETH("86dd") V6("0018", "2b") "2b00020000000000"
				      "3a00020000000000" EIGHT,
	 "ipv6_extension_header_duplicate_routing_header", 0},
	{"routing of type 0", FRAME_ETHERNET, ETH("86dd") V6("0010", "2b") "3a00000000000000" EIGHT,
	 "ipv6_routing_header_type_0", 0},
	{"destination options twice", FRAME_ETHERNET,
	 ETH("86dd") V6("0018", "3c") "3c00040101010100"
				      "3a00040101010100" EIGHT,
	 "ipv6_extension_header_duplicate_destination_header", 0},
	{"destination options before and behind routing", FRAME_ETHERNET,
	 ETH("86dd") V6("0020", "3c") "2b00040101010100"
				      "3c00020000000000"
				      "3a00040101010100" EIGHT,
	 "", 0},
	{"authentication twice", FRAME_ETHERNET,
	 ETH("86dd") V6("0020", "33") "3301000000000001"
				      "00000001"
				      "3a01000000000001"
				      "00000001" EIGHT,
	 "ipv6_extension_header_duplicate_auth_header", 0},
	{"reserved field of authentication", FRAME_ETHERNET,
	 ETH("86dd") V6("0014", "33") "3a01000700000001"
				      "00000001" EIGHT,
	 "ipv6_extension_header_auth_header_reserved_not_null", 0},
	/* IPv6 options */
	{"hop-by-hop of padding", FRAME_ETHERNET, ETH("86dd") V6("0010", "00") "3a00010400000000" EIGHT,
	 "ipv6_hop_options_only_padding", 0},
	{"destination options of padding", FRAME_ETHERNET,
	 ETH("86dd") V6("0010", "3c") "3a00010400000000" EIGHT, "ipv6_destination_options_only_padding", 0},
	{"hop-by-hop with option 3e", FRAME_ETHERNET, ETH("86dd") V6("0010", "00") "3a003e0400000000" EIGHT,
	 "ipv6_hop_options_unknown_option", 0},
	{"destination options with option 3e", FRAME_ETHERNET,
	 ETH("86dd") V6("0010", "3c") "3a003e0400000000" EIGHT, "ipv6_destination_options_unknown_option", 0},
	{"option beyond its header", FRAME_ETHERNET, ETH("86dd") V6("0010", "3c") "3a000f0900000000" EIGHT,
	 "ipv6_extension_header_invalid_option_length", 0},
	{"router alert of 3 bytes", FRAME_ETHERNET, ETH("86dd") V6("0010", "00") "3a00050300000000" EIGHT,
	 "ipv6_extension_header_invalid_option_length", 0},
	{"empty PadN where none is needed", FRAME_ETHERNET,
	 ETH("86dd") V6("0010", "00") "3a00010005020000" EIGHT, "ipv6_zero_length_pad_n", 0},
	/* IPv6 fragments */
	{"fragment header of a whole packet", FRAME_ETHERNET,
	 ETH("86dd") V6("0010", "2c") "3a00000000000001" EIGHT,
	 "ipv6_extension_header_useless_fragment_header", 0},
	{"reserved bits of the fragment header", FRAME_ETHERNET,
	 ETH("86dd") V6("0010", "2c") "3a00000300000002" EIGHT,
	 "ipv6_fragment_header_non_zero_reserved_field", 0},
	{"fragment header twice", FRAME_ETHERNET,
	 ETH("86dd") V6("0018", "2c") "2c00000100000003"
				      "3a00000100000004" EIGHT,
	 "ipv6_extension_header_duplicate_fragment_header", 0},
	{"a fragment that is not the last, of 9 bytes", FRAME_ETHERNET,
	 ETH("86dd") V6("0011", "2c") "1100000100000005" EIGHT "09", "ipv6_fragment_invalid_length", 0},
	{"a fragment ends beyond 65535", FRAME_ETHERNET,
	 ETH("86dd") V6("0010", "2c") "1100fff800000006" EIGHT, "ipv6_fragment_packet_too_large", 0},
	{"a first fragment", FRAME_ETHERNET, ETH("86dd") V6("0018", "2c") "1100000100000007" EIGHT EIGHT, "",
	 0},
	{"one that begins inside it", FRAME_ETHERNET, ETH("86dd") V6("0010", "2c") "1100000800000007" EIGHT,
	 "ipv6_fragment_overlap", 0},
	{"a later fragment's content is not looked at", FRAME_ETHERNET,
	 ETH("86dd") V6("000a", "2c") "0600004000000008"
				      "0102",
	 "", 0},
	/* TCP */
	{"TCP of 8 bytes", FRAME_ETHERNET, ETH("0800") V4("45", "001c", "0001", "0000", "06") EIGHT,
	 "tcp_packet_too_small", 0},
	{"data offset 4", FRAME_ETHERNET, ETH("0800") V4("45", "0028", "0001", "0000", "06") TCP_HEAD("4002"),
	 "tcp_header_length_too_small tcp_invalid_option_length", 0},
	{"data offset beyond the segment", FRAME_ETHERNET,
	 ETH("0800") V4("45", "0028", "0001", "0000", "06") TCP_HEAD("6002"),
	 "tcp_header_length_too_small tcp_invalid_option_length", 0},
	{"MSS of 3 bytes", FRAME_ETHERNET,
	 ETH("0800") V4("45", "002c", "0001", "0000", "06") TCP_HEAD("6002") "02030501",
	 "tcp_option_invalid_length", 0},
	{"MSS twice", FRAME_ETHERNET,
	 ETH("0800") V4("45", "0030", "0001", "0000", "06") TCP_HEAD("7002") "020405b4020405b4",
	 "tcp_option_duplicate", 0},
	{"TCP as it should be", FRAME_ETHERNET,
	 ETH("0800") V4("45", "002c", "0001", "0000", "06") TCP_HEAD("6002") "020405b4", "", 0},
};

static size_t unhex(const char *hex, char *to)
{
	size_t n = 0;

	for (; hex[0] && hex[1]; hex += 2) {
		unsigned byte;
		assert_true(isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1]));
		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		to[n++] = (char)byte;
	}
	return n;
}

struct heard {
	uint64_t bits;
	unsigned calls;
	struct frame_ends ends;
};

static void hear(void *arg, enum frame_anomaly anomaly, const struct frame_ends *ends)
{
	struct heard *h = arg;

	h->bits |= 1ull << anomaly;
	h->calls++;
	h->ends = *ends;
}

static const char *text_of(uint64_t bits, char *to, size_t size)
{
	size_t n = 0;

	to[0] = 0;
	for (unsigned i = 0; i < FRAME_ANOMALY_MAX; i++)
		if (bits >> i & 1)
			n += (size_t)snprintf(to + n, size - n, "%s%s", n ? " " : "", frame_anomaly_name(i));
	return to;
}

static void frame_gets_its_names(void **state)
{
	struct frames *f;
	uint64_t all = 0;
	(void)state;

	assert_int_equal(frames_new(64, &f), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *bytes = malloc(2048), text[512];
		struct heard h = {0};
		/* A block of its own size, so that a sanitizer sees a byte read too far. */
		size_t len = unhex(cases[i].hex, bytes);
		bytes = realloc(bytes, len ? len : 1);
		struct frame_view view = {cases[i].link, {bytes, len}, cases[i].wire, false};
		unsigned n = frames_read(f, &view, 1000, hear, &h);

		if (strcmp(text_of(h.bits, text, sizeof text), cases[i].names) != 0)
			fail_msg("%s: \"%s\", wanted \"%s\"", cases[i].story, text, cases[i].names);
		assert_int_equal(n, h.calls);
		all |= h.bits;
		free(bytes);
	}
	frames_free(f);
	/* Every name there is was given at least once; too many layers has a test of its own. */
	for (unsigned i = 0; i < FRAME_ANOMALY_MAX; i++)
		if (!(all >> i & 1) && i != FRAME_TOO_MANY_LAYERS)
			fail_msg("no frame gets %s", frame_anomaly_name(i));
}

static uint64_t read_hex(struct frames *f, const char *hex, bool segment, uint64_t now_ns, struct heard *h)
{
	char bytes[4096];
	size_t len = unhex(hex, bytes);
	struct frame_view view = {FRAME_ETHERNET, {bytes, len}, (uint32_t)len, segment};

	*h = (struct heard){0};
	frames_read(f, &view, now_ns, hear, h);
	return h->bits;
}

static void too_many_layers(void **state)
{
	char hex[4096] = ETH("86dd");
	struct frames *f;
	struct heard h;
	(void)state;

	assert_int_equal(frames_new(1, &f), 0);
	for (unsigned i = 0; i < FRAMES_LAYERS_MAX; i++) {
		char header[128];
		snprintf(header, sizeof header, V6("%04x", "29"), 40 * (FRAMES_LAYERS_MAX - 1 - i));
		strcat(hex, header);
	}
	assert_int_equal(read_hex(f, hex, false, 0, &h), 1ull << FRAME_TOO_MANY_LAYERS);
	frames_free(f);
}

static void header_of_a_segment_is_left_to_the_segment(void **state)
{
	static const char bad_mss[] =
		ETH("0800") V4("45", "002c", "0001", "0000", "06") TCP_HEAD("6002") "02030501";
	static const char in_tunnel[] = ETH("0800") V4("45", "0040", "0001", "0000", "04")
		V4("45", "002c", "0001", "0000", "06") TCP_HEAD("6002") "02030501";
	struct frames *f;
	struct heard h;
	(void)state;

	assert_int_equal(frames_new(1, &f), 0);
	assert_int_equal(read_hex(f, bad_mss, true, 0, &h), 0);
	assert_int_equal(read_hex(f, bad_mss, false, 0, &h), 1ull << FRAME_TCP_OPTION_INVALID_LENGTH);
	assert_int_equal(h.ends.source.port, 0xc000);
	assert_int_equal(h.ends.destination.port, 80);
	assert_int_equal(read_hex(f, in_tunnel, true, 0, &h), 1ull << FRAME_TCP_OPTION_INVALID_LENGTH);
	frames_free(f);
}

/* An MSS option of a length that it cannot have, behind TCP; 44 bytes with its IPv4 header, 64 with IPv6. */
#define BAD_MSS4 V4("45", "002c", "0001", "0000", "06") TCP_HEAD("6002") "02030501"
#define BAD_MSS6 V6("0018", "06") TCP_HEAD("6002") "02030501"
#define BAD_MSS  (1ull << FRAME_TCP_OPTION_INVALID_LENGTH)

static void tunnels_are_opened_if_asked_for(void **state)
{
	static const struct {
		const char *story, *hex;
		uint64_t names; /* when opened */
	} tunnels[] = {
		{"GRE", ETH("0800") V4("45", "0044", "0001", "0000", "2f") "00000800" BAD_MSS4, BAD_MSS},
		{"GRE, all fields, in IPv6",
		 ETH("86dd") V6("0050", "2f") "b00086dd" EIGHT "00000001" BAD_MSS6, BAD_MSS},
		{"Ethernet in GRE",
		 ETH("0800") V4("45", "0052", "0001", "0000", "2f") "00006558" ETH("0800") BAD_MSS4, BAD_MSS},
		{"GRE version 1", ETH("0800") V4("45", "0044", "0001", "0000", "2f") "00010800" BAD_MSS4, 0},
		{"GRE with routing", ETH("0800") V4("45", "0044", "0001", "0000", "2f") "40000800" BAD_MSS4,
		 0},
		{"GRE cut in its key", ETH("0800") V4("45", "001a", "0001", "0000", "2f") "200008000000", 0},
		{"less than an IPv4 header in GRE",
		 ETH("0800") V4("45", "0020", "0001", "0000", "2f") "00000800" EIGHT,
		 1ull << FRAME_IPV4_PACKET_TOO_SMALL},
		{"VXLAN",
		 ETH("0800") V4("45", "005e", "0001", "0000", "11") "c00012b5004a0000"
								    "0800000000000500" ETH("0800") BAD_MSS4,
		 BAD_MSS},
		{"VXLAN in IPv6, a tag inside",
		 ETH("86dd") V6("0062", "11") "c00012b500620000"
					      "0800000000000500" ETH("8100") TAG("86dd") BAD_MSS6,
		 BAD_MSS},
		{"VXLAN at another port",
		 ETH("0800") V4("45", "005e", "0001", "0000", "11") "c00012b6004a0000"
								    "0800000000000500" ETH("0800") BAD_MSS4,
		 0},
		{"VXLAN without identifier",
		 ETH("0800") V4("45", "005e", "0001", "0000", "11") "c00012b5004a0000"
								    "0000000000000500" ETH("0800") BAD_MSS4,
		 0},
		{"VXLAN, nothing in the datagram",
		 ETH("0800") V4("45", "005e", "0001", "0000", "11") "c00012b500100000"
								    "0800000000000500" ETH("0800") BAD_MSS4,
		 1ull << FRAME_ETHERNET_PACKET_TOO_SMALL},
	};
	const struct frame_tunnels all = {.ipip = true, .gre = true, .vxlan_port = 4789};
	struct frames *f;
	struct heard h;
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(tunnels); i++) {
		assert_int_equal(frames_new(1, &f), 0);
		if (read_hex(f, tunnels[i].hex, false, 0, &h))
			fail_msg("%s: opened unasked", tunnels[i].story);
		frames_tunnels(f, &all);
		if (read_hex(f, tunnels[i].hex, false, 0, &h) != tunnels[i].names)
			fail_msg("%s: %#llx", tunnels[i].story, (unsigned long long)h.bits);
		/* The packet program opened it as well: the segment that it made tells of the options. */
		if (read_hex(f, tunnels[i].hex, true, 0, &h) != (tunnels[i].names & ~BAD_MSS))
			fail_msg("%s: named beside the segment", tunnels[i].story);
		frames_free(f);
	}
}

static void of_tunnels_inside_of_each_other_one_makes_a_segment(void **state)
{
	static const char one[] = ETH("0800") V4("45", "0040", "0001", "0000", "04") BAD_MSS4;
	static const char two[] = ETH("0800") V4("45", "0054", "0001", "0000", "04")
		V4("45", "0040", "0001", "0000", "04") BAD_MSS4;
	const struct frame_tunnels ipip = {.ipip = true};
	struct frames *f;
	struct heard h;
	(void)state;

	assert_int_equal(frames_new(1, &f), 0);
	frames_tunnels(f, &ipip);
	assert_int_equal(read_hex(f, one, true, 0, &h), 0);
	assert_int_equal(read_hex(f, one, false, 0, &h), BAD_MSS);
	assert_int_equal(read_hex(f, two, true, 0, &h), BAD_MSS);
	frames_free(f);
}

static void fragments_are_forgotten_and_bounded(void **state)
{
	static const char first[] = ETH("0800") V4("45", "001c", "0001", "0001", "11") EIGHT;
	static const char other[] = ETH("0800") V4("45", "001c", "0001", "0001", "11") "4142434445464748";
	static const char second[] = ETH("0800") V4("45", "001c", "0002", "0001", "11") EIGHT;
	static const char third[] = ETH("0800") V4("45", "001c", "0003", "0001", "11") EIGHT;
	struct frames *f;
	struct heard h;
	(void)state;

	assert_int_equal(frames_new(2, &f), 0);
	assert_int_equal(read_hex(f, first, false, 0, &h), 0);
	assert_int_equal(read_hex(f, other, false, FRAGMENTS_HELD_NS - 1, &h),
			 1ull << FRAME_IPV4_FRAGMENT_OVERLAP);
	/* A minute later its id may be another datagram's. */
	assert_int_equal(read_hex(f, other, false, FRAGMENTS_HELD_NS, &h), 0);
	assert_int_equal(frames_counts(f).held, 1);
	assert_int_equal(read_hex(f, second, false, FRAGMENTS_HELD_NS, &h), 0);
	assert_int_equal(frames_counts(f).evicted, 0);
	assert_int_equal(read_hex(f, third, false, FRAGMENTS_HELD_NS, &h), 0);
	assert_int_equal(frames_counts(f).evicted, 1);
	assert_int_equal(frames_counts(f).held, 2);
	assert_int_equal(frames_counts(f).held_max, 2);
	frames_free(f);
}

static void fragments_of_one_datagram_are_bounded(void **state)
{
	struct frames *f;
	struct heard h;
	(void)state;

	assert_int_equal(frames_new(2, &f), 0);
	for (unsigned i = 0; i < FRAGMENTS_EACH_MAX + 3; i++) {
		char hex[256];
		snprintf(hex, sizeof hex, ETH("0800") V4("45", "001c", "0001", "%04x", "11") EIGHT,
			 0x2000 | i);
		assert_int_equal(read_hex(f, hex, false, 0, &h), 0);
	}
	assert_int_equal(frames_counts(f).uncompared, 3);
	frames_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_gets_its_names),
		cmocka_unit_test(too_many_layers),
		cmocka_unit_test(header_of_a_segment_is_left_to_the_segment),
		cmocka_unit_test(tunnels_are_opened_if_asked_for),
		cmocka_unit_test(of_tunnels_inside_of_each_other_one_makes_a_segment),
		cmocka_unit_test(fragments_are_forgotten_and_bounded),
		cmocka_unit_test(fragments_of_one_datagram_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
