/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which conversation a frame belongs to, and what of it tracking needs: addresses,
 * protocol, ports (or what stands for them), TCP's numbers, and of an ICMP error the
 * packet that it complains about. Pure; looks only at what is whole.
 *
 * What is behind IPv6 extension headers counts as if they were not there. A fragment
 * is never more than that: its ports may be in another one, and what two fragments
 * say together only their receiver knows.
 */
#ifndef TVD_FLOW_H
#define TVD_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/packet.h"

enum flow_kind {
	FLOW_KIND_OTHER,    /* nothing that has answers: not IP, router advertisements, ... */
	FLOW_KIND_BROKEN,   /* IP or ARP whose headers are cut or contradict the length */
	FLOW_KIND_FRAGMENT, /* of IPv4 or IPv6, the first ones included */
	FLOW_KIND_TCP,
	FLOW_KIND_UDP,	 /* and what has its ports in the same place: UDP-Lite, DCCP, SCTP */
	FLOW_KIND_ECHO,	 /* ICMP and ICMPv6 echo; both ports are the identifier */
	FLOW_KIND_IP,	 /* any other protocol, without ports */
	FLOW_KIND_ARP,	 /* a request or a reply: who asks, and for which address */
	FLOW_KIND_ND,	 /* a neighbour solicitation or advertisement: the same */
	FLOW_KIND_ERROR, /* ICMP error; the addresses are those of the packet inside, reversed */
	FLOW_KINDS
};

struct flow_end {
	uint8_t addr[16]; /* network byte order; of IPv4 the first four, the rest 0 */
	uint16_t port;	  /* host byte order */
};

/*
 * `src` is the end at which the frame was sent. Of an ICMP error it is the end to which
 * the packet inside was sent: the error travels as an answer to it would.
 */
struct flow_info {
	uint8_t kind;	  /* enum flow_kind */
	uint8_t family;	  /* AF_INET, AF_INET6; 0: not IP */
	uint8_t protocol; /* of IP; of an error that of the packet inside */
	uint8_t inside;	  /* of an error, the kind of the packet inside */
	bool answer;	  /* an echo reply, an ARP reply, an advertisement: opens nothing; an error
			   * about an echo request */
	bool moved;	  /* IPv6 extension headers are in front of the transport header */
	uint8_t tcp_flags;
	uint8_t scale;	 /* window scale option of a SYN, or FLOW_NO_SCALE */
	uint16_t window; /* as in the header */
	uint32_t seq, ack;
	uint32_t payload; /* bytes of TCP data, of a superframe all of it */
	struct flow_end src, dst;
};

#define FLOW_NO_SCALE 0xffu

#define TCP_RST 0x04
#define TCP_ACK 0x10

/* Looks at a frame of which packet_parse() has found `packet`. */
void flow_parse(const struct frame *frame, const struct packet *packet, struct flow_info *flow);

#endif
