/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What hosts and routers say about IP multicast groups: IGMP (RFC 1112, 2236, 3376)
 * and MLD (RFC 2710, 3810), read in one form for both.
 */
#ifndef TVD_MCAST_H
#define TVD_MCAST_H

#include "lib/addr.h"
#include "lib/frame.h"
#include "lib/packet.h"

enum mcast_kind {
	MCAST_NONE, /* neither, or malformed: an ordinary frame */
	MCAST_QUERY,
	MCAST_REPORT, /* also of who leaves */
};

struct mcast_message {
	enum mcast_kind kind;
	uint8_t ip_version;   /* 4: IGMP, 6: MLD */
	struct ipaddr source; /* of the packet; IGMP's may be 0.0.0.0 */
	/* Of a query. */
	struct ipaddr group;  /* unspecified: a general one */
	uint32_t response_ms; /* hosts answer within */
	uint32_t interval_ms; /* between general ones; 0: it does not say */
	uint8_t robustness;   /* 0: it does not say */
	bool suppress;	      /* only hosts are meant, no table is to be touched */
	bool sources;	      /* it asks for sources, not for the group as such */
	/* Of a report: where mcast_next() is. */
	bool whole; /* one group, which stands in `group` */
	bool joins;
	uint16_t left;	  /* records, */
	uint32_t at, end; /* the next of which begins there; offsets in the frame */
};

/* A host's wish. Sources are not told apart: who wants any of a group wants the group. */
struct mcast_record {
	struct ipaddr group;
	bool joins; /* it wants it; else it has left, or may have */
};

/*
 * Reads a message from a frame that packet_parse() has seen. Checks what the RFCs
 * want to be checked: the checksum, TTL 1, that MLD comes from a link-local address
 * and with the router alert option; and of a query, whether those whom it asks get it.
 * Anything wrong is MCAST_NONE.
 */
void mcast_parse(const struct frame *frame, const struct packet *packet,
		 struct mcast_message *message);

/* The next group of a report. false: no more, or what follows is cut off. */
bool mcast_next(const struct frame *frame, struct mcast_message *report,
		struct mcast_record *record);

/* Bytes of a query with its Ethernet header, at most. */
#define MCAST_QUERY_MAX 96u

/*
 * Writes a query of version 3 (IGMP) or 2 (MLD) as a whole Ethernet frame, padded to a
 * wire's shortest: a general one to all hosts if the group is unspecified (its family
 * counts), else one for the group, to the group. `source` is of the group's family,
 * link-local for MLD. Returns the length.
 */
size_t mcast_query(uint8_t to[MCAST_QUERY_MAX], const struct mac *mac, const struct ipaddr *source,
		   const struct ipaddr *group, uint32_t response_ms, uint32_t interval_ms);

#endif
