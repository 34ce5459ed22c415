/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/capture_format.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#define LINKTYPE_ETHERNET 1u

/* Where a tag belongs: behind both addresses. */
#define TAG_OFF 12u

/* ---- classic pcap ---- */

#define PCAP_MAGIC_NS 0xa1b23c4du

struct pcap_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy; /* 0 in all files there are */
	uint32_t snaplen, linktype;
};

struct pcap_record {
	uint32_t seconds, nanoseconds;
	uint32_t captured, length;
};

static_assert(sizeof(struct pcap_header) == 24, "on disk");
static_assert(sizeof(struct pcap_record) == 16, "on disk");

/* ---- pcapng ---- */

enum block { BLOCK_SECTION = 0x0a0d0d0a, BLOCK_INTERFACE = 1, BLOCK_PACKET = 6 };
enum option { OPT_END = 0, OPT_IF_NAME = 2, OPT_IF_TSRESOL = 9, OPT_EPB_FLAGS = 2 };

#define NG_BYTE_ORDER	 0x1a2b3c4du
#define NG_TSRESOL_NANO	 9u /* ten to the minus nine */
#define NG_FLAG_INBOUND	 1u
#define NG_FLAG_OUTBOUND 2u

struct ng_section {
	uint32_t type, total, byte_order;
	uint16_t major, minor;
	int32_t length_low, length_high; /* one 64-bit number; -1: not known yet */
	uint32_t total_again;
};

struct ng_interface {
	uint32_t type, total;
	uint16_t linktype, reserved;
	uint32_t snaplen;
};

struct ng_packet {
	uint32_t type, total, interface;
	uint32_t time_high, time_low;
	uint32_t captured, length;
};

struct ng_option {
	uint16_t code, length;
};

/* What follows a packet's bytes: its one option, their end, and the length again. */
struct ng_packet_end {
	struct ng_option flags_option;
	uint32_t flags;
	struct ng_option end;
	uint32_t total_again;
};

static_assert(sizeof(struct ng_section) == 28, "on disk");
static_assert(sizeof(struct ng_interface) == 16, "on disk");
static_assert(sizeof(struct ng_packet) == 28, "on disk");
static_assert(sizeof(struct ng_packet_end) == 16, "on disk");

static size_t padded(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

/* Copies and returns what lies behind the copy. */
static uint8_t *put(uint8_t *to, const void *from, size_t n)
{
	memcpy(to, from, n);
	return to + n;
}

static uint8_t *put_option(uint8_t *to, uint16_t code, const void *value, size_t n)
{
	struct ng_option option = {.code = code, .length = (uint16_t)n};

	to = put(to, &option, sizeof(option));
	memset(to, 0, padded(n));
	memcpy(to, value, n);
	return to + padded(n);
}

static size_t ng_header(const char *name, uint8_t *to)
{
	struct ng_section section = {
	    .type = BLOCK_SECTION,
	    .total = sizeof(section),
	    .byte_order = NG_BYTE_ORDER,
	    .major = 1,
	    .length_low = -1,
	    .length_high = -1,
	    .total_again = sizeof(section),
	};
	struct ng_interface interface = {
	    .type = BLOCK_INTERFACE,
	    .linktype = LINKTYPE_ETHERNET,
	    .snaplen = CAPTURE_SNAPLEN,
	};
	const uint8_t resolution = NG_TSRESOL_NANO;
	size_t name_len = strnlen(name, CAPTURE_NAME_MAX);
	uint8_t *p = put(to, &section, sizeof(section));

	interface.total =
	    (uint32_t)(sizeof(interface) + sizeof(struct ng_option) + padded(name_len) +
		       sizeof(struct ng_option) + padded(sizeof(resolution)) +
		       sizeof(struct ng_option) + sizeof(interface.total));
	p = put(p, &interface, sizeof(interface));
	p = put_option(p, OPT_IF_NAME, name, name_len);
	p = put_option(p, OPT_IF_TSRESOL, &resolution, sizeof(resolution));
	p = put_option(p, OPT_END, "", 0);
	p = put(p, &interface.total, sizeof(interface.total));
	return (size_t)(p - to);
}

static_assert(sizeof(struct ng_section) + sizeof(struct ng_interface) +
		      3 * sizeof(struct ng_option) + CAPTURE_NAME_MAX + 1 + 4 + 4 <=
		  CAPTURE_HEADER_MAX,
	      "the longest header");

/* ---- both ---- */

size_t capture_format_header(enum capture_format format, const char *name, uint8_t *to, size_t room)
{
	struct pcap_header header = {
	    .magic = PCAP_MAGIC_NS,
	    .major = 2,
	    .minor = 4,
	    .snaplen = CAPTURE_SNAPLEN,
	    .linktype = LINKTYPE_ETHERNET,
	};

	if (room < CAPTURE_HEADER_MAX)
		return 0;
	if (format == CAPTURE_PCAPNG)
		return ng_header(name, to);
	memcpy(to, &header, sizeof(header));
	return sizeof(header);
}

/* A frame too short for addresses has no place for a tag: it is shown as it is. */
static bool has_tag(const struct frame *frame)
{
	return frame->tag.tpid && frame->len >= TAG_OFF;
}

size_t capture_format_frame_len(const struct frame *frame)
{
	return frame->len + (has_tag(frame) ? VLAN_TAG_LEN : 0);
}

void capture_format_frame(const struct frame *frame, uint8_t *to)
{
	uint16_t tag[2] = {htons(frame->tag.tpid), htons(frame->tag.tci)};

	if (!has_tag(frame)) {
		memcpy(to, frame->data, frame->len);
		return;
	}
	to = put(to, frame->data, TAG_OFF);
	to = put(to, tag, sizeof(tag));
	memcpy(to, frame->data + TAG_OFF, frame->len - TAG_OFF);
}

size_t capture_format_record_len(enum capture_format format, const struct frame *frame)
{
	size_t len = capture_format_frame_len(frame);

	if (format == CAPTURE_PCAP)
		return sizeof(struct pcap_record) + len;
	return sizeof(struct ng_packet) + padded(len) + sizeof(struct ng_packet_end);
}

static void ng_record(const struct frame *frame, enum capture_direction dir, uint64_t time_ns,
		      uint32_t total, uint8_t *to)
{
	uint32_t len = (uint32_t)capture_format_frame_len(frame);
	struct ng_packet packet = {
	    .type = BLOCK_PACKET,
	    .total = total,
	    .time_high = (uint32_t)(time_ns >> 32),
	    .time_low = (uint32_t)time_ns,
	    .captured = len,
	    .length = len,
	};
	struct ng_packet_end end = {
	    .flags_option = {OPT_EPB_FLAGS, sizeof(end.flags)},
	    .flags = dir == CAPTURE_IN ? NG_FLAG_INBOUND : NG_FLAG_OUTBOUND,
	    .total_again = total,
	};

	to = put(to, &packet, sizeof(packet));
	capture_format_frame(frame, to);
	memset(to + len, 0, padded(len) - len);
	memcpy(to + padded(len), &end, sizeof(end));
}

size_t capture_format_record(enum capture_format format, const struct frame *frame,
			     enum capture_direction dir, uint64_t time_ns, uint8_t *to, size_t room)
{
	size_t total = capture_format_record_len(format, frame);
	uint32_t len = (uint32_t)capture_format_frame_len(frame);
	struct pcap_record record = {
	    .seconds = (uint32_t)(time_ns / 1000000000u),
	    .nanoseconds = (uint32_t)(time_ns % 1000000000u),
	    .captured = len,
	    .length = len,
	};

	if (total > room)
		return 0;
	if (format == CAPTURE_PCAPNG) {
		ng_record(frame, dir, time_ns, (uint32_t)total, to);
		return total;
	}
	capture_format_frame(frame, put(to, &record, sizeof(record)));
	return total;
}
