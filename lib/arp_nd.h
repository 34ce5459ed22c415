/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who has an IP address: ARP (RFC 826, 5227), RARP announcements, and neighbour
 * discovery (RFC 4861). Both families are one question and one answer here, so that
 * engines need no second version of themselves. Pure functions on frames.
 */
#ifndef TVD_ARP_ND_H
#define TVD_ARP_ND_H

#include <stdbool.h>

#include "lib/addr.h"
#include "lib/frame.h"
#include "lib/packet.h"

enum arp_nd_kind {
	ARP_ND_NONE,   /* something else */
	ARP_ND_BAD,    /* one of these by its type, but malformed: nobody may believe it */
	ARP_ND_ASK,    /* ARP request, neighbour solicitation */
	ARP_ND_ANSWER, /* ARP reply, neighbour advertisement */
	ARP_ND_RARP,   /* RARP of any operation: QEMU announces a migrated guest by one */
};

struct arp_nd {
	enum arp_nd_kind kind;
	struct mac eth_src, eth_dst;
	/* Who says something of itself: ARP's sender, a solicitation's source, an
	 * advertisement's target. Unspecified (0.0.0.0, ::) in a probe, unset in RARP. */
	struct ipaddr owner;
	struct mac mac; /* the owner's; zero where neighbour discovery does not say */
	/* ARP's and a solicitation's target; of an advertisement, where it is sent to. */
	struct ipaddr asked;
	struct mac asked_mac; /* ARP and RARP: the target's as far as it is said; else zero */
	/* Neighbour discovery only: the IPv6 header's, and an advertisement's flags. */
	struct ipaddr src, dst;
	bool router, solicited, override;
};

/*
 * Reads what a parsed frame says. An advertisement or solicitation counts only with
 * hop limit 255, its checksum right, whole options and nothing that RFC 4861 section
 * 7.1 forbids; ARP only for IPv4 over Ethernet. Whether eth_src and mac agree is
 * for the caller to judge. Fields that a message does not have are zero.
 */
enum arp_nd_kind arp_nd_parse(const struct frame *frame, const struct packet *packet,
			      struct arp_nd *msg);

/* Whether it asks without saying who asks, as duplicate address detection does. */
bool arp_nd_is_probe(const struct arp_nd *msg);

/* Whether the message itself binds an address to a MAC: owner and mac are both there. */
bool arp_nd_binds(const struct arp_nd *msg);

/*
 * A question from the station `from` for the address `asked`. `owner` is the asker's
 * address; NULL is for who has none: ARP then probes with 0.0.0.0, and a solicitation
 * comes from the MAC's own link-local address, so that answers find back to it. `to`
 * asks one station alone; NULL asks everybody (broadcast, the solicited-node group).
 */
void arp_nd_ask(struct arp_nd *msg, const struct mac *from, const struct ipaddr *owner,
		const struct ipaddr *asked, const struct mac *to);

/*
 * The answer "it is at `mac`" to a question, to who asked; to everybody where IPv6
 * duplicate address detection asked.
 */
void arp_nd_answer(struct arp_nd *msg, const struct arp_nd *question, const struct mac *mac);

/* "addr is at `mac`" to everybody: a gratuitous ARP request, an unsolicited advertisement. */
void arp_nd_announce(struct arp_nd *msg, const struct mac *mac, const struct ipaddr *addr);

/* "I am here" of a station whose addresses are not known. */
void arp_nd_rarp(struct arp_nd *msg, const struct mac *mac);

/*
 * The frame that says it, not shorter than an Ethernet frame must be; what is behind
 * the message is zero. Kinds ASK, ANSWER and RARP only. NULL when out of buffers.
 */
struct frame *arp_nd_build(struct frame_pool *pool, const struct arp_nd *msg);

/* The link-local address that a MAC has by itself: RFC 4291 appendix A. */
struct ipaddr nd_link_local(const struct mac *mac);

/* The group that is asked for an address: RFC 4291 section 2.7.1. */
struct ipaddr nd_solicited_node(const struct ipaddr *addr);

#endif
