/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is inside a frame: Ethernet with VLAN tags, IP, and the start of the
 * transport header. Header structures are in network byte order and are read
 * only through frame_peek().
 */
#ifndef TVD_PACKET_H
#define TVD_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/frame.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_ARP  0x0806
#define ETHERTYPE_RARP 0x8035
#define ETHERTYPE_CTAG 0x8100 /* 802.1Q */
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_STAG 0x88a8 /* 802.1ad */

struct eth_header {
	struct mac dst, src;
	uint16_t type;
} __attribute__((packed));

struct vlan_header {
	uint16_t tci;
	uint16_t type;
} __attribute__((packed));

struct arp_header { /* RFC 826, for IPv4 over Ethernet */
	uint16_t hardware, protocol;
	uint8_t hardware_len, protocol_len;
	uint16_t operation;
	struct mac sender_mac;
	uint8_t sender_ip[4];
	struct mac target_mac;
	uint8_t target_ip[4];
} __attribute__((packed));

struct ipv4_header { /* RFC 791 */
	uint8_t version_ihl, tos;
	uint16_t total_len, id, fragment;
	uint8_t ttl, protocol;
	uint16_t checksum;
	uint8_t src[4], dst[4];
} __attribute__((packed));

struct ipv6_header { /* RFC 8200 */
	uint32_t version_class_label;
	uint16_t payload_len;
	uint8_t next_header, hop_limit;
	uint8_t src[16], dst[16];
} __attribute__((packed));

struct tcp_header { /* RFC 9293 */
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t data_offset, flags;
	uint16_t window, checksum, urgent;
} __attribute__((packed));

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_PSH 0x08
#define TCP_CWR 0x80

struct udp_header { /* RFC 768 */
	uint16_t sport, dport, len, checksum;
} __attribute__((packed));

/* The result of packet_parse(). Offsets are FRAME_OFF_UNSET where a layer is not there. */
struct packet {
	struct eth_header eth;
	uint16_t ethertype; /* behind all tags, host byte order; below 0x600 an 802.3 length */
	uint8_t tags;	    /* tags in the bytes, at most PACKET_TAGS_MAX are walked */
	uint16_t l3_off, l4_off;
	uint32_t l3_len;    /* bytes from l3_off that the IP header claims; never past the end */
	uint8_t ip_version; /* 4, 6, or 0 */
	uint8_t protocol;   /* behind IPv6 extension headers */
	bool fragment;	    /* any IP fragment; only the first has l4_off */
	bool chain_cut;	    /* IPv6 extension headers end early, or are too many to walk */
};

#define PACKET_TAGS_MAX 8u

/*
 * Walks the headers of a frame as far as they are whole. Returns false only
 * when there is no Ethernet header. Sets l3_off and l4_off of the frame too.
 */
bool packet_parse(struct frame *frame, struct packet *packet);

/*
 * The outermost tag: the one reported beside the bytes, else one in them. false
 * when the frame has none. `tpid` and `tci` are in host byte order. A tag type
 * at the very end of a frame, with no room for a tag, counts as a tag of tci 0xffff.
 */
bool packet_tag(const struct frame *frame, uint16_t *tpid, uint16_t *tci);

/* Whether a frame that has a tag has all of it, with the type behind it. */
bool packet_tag_whole(const struct frame *frame);

/*
 * Takes the outermost tag, which is whole, off the frame. false when out of
 * buffers for bytes that are shared.
 */
bool packet_tag_cut(struct frame *frame);

/*
 * Takes one hop off the time to live of a parsed IP packet; IPv4's header checksum
 * follows, and a wrong one stays wrong. REASON_TTL when none is left for another link (the
 * packet is as it was), REASON_NO_BUFFER for bytes that are shared.
 */
enum reason packet_hop(struct frame *frame, const struct packet *packet);

/* Puts the tag that stands beside the bytes among them. false when out of buffers. */
bool packet_tag_put(struct frame *frame);

#endif
