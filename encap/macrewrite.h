/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MAC rewriting: sections 3.3 and 5.2 of the comparative study (HPL-2008-57). Frames
 * of guests cross the wire as they are, but for their Ethernet addresses, which are
 * the hosts'; IP addresses, or the farm's and subnet's Ethernet group, say whose a
 * frame is. switchd-forwarding(7) has the rules in words.
 *
 * This header is for the backend's own files and for tests: what is pure
 * (macrewrite.c, macrewrite_map.c, macrewrite_table.c, macrewrite_filter.c), the
 * engine of ARP and neighbour discovery (macrewrite_arp.c), what is for plain hosts
 * (macrewrite_plain.c), and what does I/O (macrewrite_io.c).
 */
#ifndef TVD_MACREWRITE_H
#define TVD_MACREWRITE_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "encap/encap.h"
#include "encap/socket.h"
#include "learn/neighbour.h"
#include "lib/arp_nd.h"
#include "lib/packet.h"

struct macrewrite_link;
struct packet_rx;
struct sock_filter;

#define MACREWRITE_PREFIXES  16u
#define MACREWRITE_QUESTIONS 256u   /* a power of two */
#define MACREWRITE_PROGRAM   900u   /* instructions of a kernel filter */
#define MACREWRITE_BINDINGS  65536u /* of all subnets on an uplink */
#define MACREWRITE_SUBNET    8192u  /* of one */
#define MACREWRITE_PLAIN     16u    /* hosts of one that do not run this software */
#define MACREWRITE_HELD	     128u   /* frames that wait for a binding */

struct macrewrite_conf {
	struct encap_conf common;
	int64_t farm, subnet;
	struct conf_list prefixes; /* of struct ipprefix; empty: 10.FARM.SUBNET.0/24 */
	struct conf_list gateways; /* of struct ipaddr */
};

/* Who has asked for an address that is not known here. */
struct macrewrite_question {
	struct ipaddr addr, by; /* `by` unspecified: who has no address */
	struct mac mac;		/* of who asked */
	uint64_t when;
	unsigned times;
};

/* What an open backend keeps; `encap->state`. */
struct macrewrite {
	struct encap *encap;
	const struct macrewrite_conf *conf;
	struct macrewrite_link *link;
	struct list by_link;
	uint16_t number; /* of its bindings in link->bindings */
	struct ipprefix prefix[MACREWRITE_PREFIXES];
	unsigned prefixes;
	struct mac group, farm_group;
	struct macrewrite_question asked[MACREWRITE_QUESTIONS];
	struct macrewrite_plain {
		struct mac mac; /* zero: none */
		uint64_t heard;
	} plain[MACREWRITE_PLAIN];
	uint64_t said_in; /* the second in which `said` things were said */
	unsigned said;
};

/* Who receives what on one uplink, in the order of addresses and of groups. */
struct macrewrite_table {
	struct macrewrite_range {
		struct ipprefix prefix;
		struct macrewrite *owner;
	} * ranges;
	struct macrewrite_group {
		uint32_t key; /* farm and subnet */
		struct macrewrite *owner;
	} * groups;
	unsigned range_count, group_count;
};

#define MACREWRITE_LATER 128u

/* One uplink, shared by all subnets on it. */
struct macrewrite_link {
	struct list link;
	struct encap_host *host;
	const struct encap_uplink *uplink;
	unsigned refs;
	struct list encaps; /* of struct macrewrite */
	struct macrewrite_table table;
	struct neighbours *bindings;
	struct socket_own own;
	int fd; /* -1: the uplink is away */
	unsigned ifindex;
	struct packet_rx *rx;
	ev_timer tick;	      /* while something is being asked for */
	ev_timer filter_soon; /* subnets have changed: one new filter for all changes */
	/* What is for the host but came up while it was at work, not while we read: at the end
	 * of this turn of the loop. */
	bool reading;
	struct {
		struct macrewrite *m;
		struct frame *frame;
		bool farm; /* not for this subnet, but for others of the farm */
	} later[MACREWRITE_LATER];
	unsigned laters;
	ev_timer later_soon;
	/* Sends a complete frame as it is, and hands one to the host, at the latest when all
	 * has been read that there is. Both take it; replaced in tests. */
	void (*send)(struct macrewrite *m, struct frame *frame);
	void (*deliver)(struct macrewrite *m, struct frame *frame);
};

/* ---- macrewrite_table.c ---- */

/* Makes the table anew of the link's encaps. 0, or -ENOMEM with all as it was. */
int macrewrite_table_update(struct macrewrite_table *table, const struct list *encaps);
void macrewrite_table_clear(struct macrewrite_table *table);

/* Whose subnet an address is in, or whose a group is; NULL: nobody's here. */
struct macrewrite *macrewrite_of_addr(const struct macrewrite_table *table,
				      const struct ipaddr *addr);
struct macrewrite *macrewrite_of_group(const struct macrewrite_table *table,
				       const struct mac *group);

/* ---- macrewrite_filter.c ---- */

/*
 * Writes a program that says whether a frame is a farm's, up to `max` instructions, and
 * returns how many, 0 if it would be longer. `everybody`: for the host's own stack, which
 * is to hear of no farm's group; else only of those that are here.
 */
unsigned macrewrite_build_filter(const struct macrewrite_table *table, bool everybody,
				 struct sock_filter *out, unsigned max);

/* ---- macrewrite_map.c: one frame ---- */

/* What a frame says of where it comes from and goes to. */
struct macrewrite_view {
	struct packet packet;
	struct ipaddr src, dst;	     /* of IP; unset in ARP */
	struct arp_nd msg;	     /* kind ARP_ND_NONE: neither ARP nor neighbour discovery */
	bool from_client, to_client; /* DHCPv4, and which way */
	struct mac client;	     /* DHCPv4: the client's */
};

/* REASON_NONE; REASON_NOT_IP; or REASON_BAD_HEADER for what looks like IP or ARP and is not whole.
 */
enum reason macrewrite_look(struct frame *frame, struct macrewrite_view *view);

/* Whether an address is in the subnet's prefixes; or stands for all of its stations. */
bool macrewrite_in_subnet(const struct macrewrite *m, const struct ipaddr *addr);
bool macrewrite_is_broadcast(const struct macrewrite *m, const struct ipaddr *addr);

/* Whether a frame is a message of neighbour or router discovery, of IPv6. */
bool macrewrite_is_discovery(const struct frame *frame, const struct packet *packet);

/* Whether an address is of the subnet: in its prefixes, or valid in any (link-local). */
bool macrewrite_has(const struct macrewrite *m, const struct ipaddr *addr);
bool macrewrite_is_link_local(const struct ipaddr *addr);
bool macrewrite_is_gateway(const struct macrewrite *m, const struct ipaddr *addr);

/* The Ethernet group of a subnet; of subnet 0, of the whole farm. */
struct mac macrewrite_group_mac(unsigned farm, unsigned subnet);
bool macrewrite_is_group(const struct mac *mac);

/* What guests see of a host of which nothing else may be seen: when it asks them itself; and,
 * of the kind that gateways know, where it has routed. */
struct mac macrewrite_stand_in(const struct mac *host);
bool macrewrite_is_stand_in(const struct mac *mac);
struct mac macrewrite_router(const struct mac *host);

/*
 * ARP and neighbour discovery to a subnet's group carry guests' MACs, and there are hosts
 * without this software whose interfaces do not filter groups: they would take them up. So
 * hardware type and hop limit say something that they drop. Both leave other frames alone.
 * REASON_NONE or REASON_NO_BUFFER.
 */
enum reason macrewrite_veil(struct frame *frame);
enum reason macrewrite_unveil(struct frame *frame);

/* Whose a frame of the wire is; NULL: nobody's here. */
struct macrewrite *macrewrite_demux(const struct macrewrite_table *table,
				    const struct macrewrite_view *view);

/* Who has asked for an address, as far as it is remembered; else NULL. And where that is to
 * be remembered, whatever stands there. */
const struct macrewrite_question *macrewrite_question(const struct macrewrite *m,
						      const struct ipaddr *addr);
struct macrewrite_question *macrewrite_question_slot(struct macrewrite *m,
						     const struct ipaddr *addr);

/* The Ethernet addresses that a guest is to see; what is not known yet is to be asked for. */
struct macrewrite_ends {
	struct mac src, dst;
	bool ask_src, ask_dst;	   /* unknown: nothing more can be said */
	bool stale_src, stale_dst; /* known, but not confirmed for a while */
	bool moved;		   /* the source is known to be at another host */
	bool sent_away;		   /* the destination is known to be at the host that sent this */
};
enum reason macrewrite_ends(const struct macrewrite *m, const struct macrewrite_view *view,
			    struct macrewrite_ends *ends);

/* Writes them. REASON_NONE or REASON_NO_BUFFER. */
enum reason macrewrite_rewrite(const struct macrewrite *m, struct frame *frame,
			       const struct macrewrite_view *view,
			       const struct macrewrite_ends *ends);

enum reason macrewrite_push(const struct encap *encap, struct frame *frame);

/* The Ethernet header with which a pushed frame leaves, in place of its own. */
struct eth_header macrewrite_header(const struct macrewrite *m, const struct frame *frame);

enum reason macrewrite_pop(const struct encap *encap, struct frame *frame);

/* ---- macrewrite_arp.c: the engine ---- */

enum reason macrewrite_hear(struct encap *encap, struct frame *frame, uint32_t port, bool dry);

/* A question that is being sent to the whole subnet. */
void macrewrite_note_question(struct macrewrite *m, const struct frame *frame);

/* A frame from the wire, whoever's it is. Takes it. */
void macrewrite_take(struct macrewrite_link *link, struct frame *frame);

/* Hands a packet to the whole farm, from a guest of subnet `from`, to other subnets that are
 * here and have a gateway. The frame stays with the caller. */
void macrewrite_to_farm(struct macrewrite_link *link, const struct macrewrite *from,
			const struct frame *frame);

/* What is due: questions to repeat, frames that have waited in vain. */
void macrewrite_tick(struct macrewrite_link *link);

/* ---- macrewrite_plain.c: hosts without this software ---- */

/* One of the subnet's was heard; of too many the one goes that was not for longest. */
void macrewrite_note_plain(struct macrewrite *m, const struct mac *host);

/* Sends each of them a copy of what a guest here says to all or to a group. The frame, with
 * the guest's Ethernet header still, stays with the caller. */
void macrewrite_to_plain(struct macrewrite *m, struct frame *frame);

/* ---- macrewrite_io.c ---- */

int macrewrite_open(struct encap *encap, struct err *err);
int macrewrite_reconf(struct encap *encap, const struct encap_conf *conf);
void macrewrite_close(struct encap *encap);
void macrewrite_uplink_changed(struct encap *encap);
void macrewrite_send(struct encap *encap, struct frame_batch *batch);
bool macrewrite_ready(const struct encap *encap);
void macrewrite_show(const struct encap *encap, struct json_t *object);
size_t macrewrite_bindings(const struct encap *encap, uint32_t *cursor, struct neighbour_info *out,
			   size_t max);

size_t macrewrite_binding_count(const struct encap *encap, struct neighbour_counters *counters);

bool macrewrite_binding_restore(struct encap *encap, const struct neighbour_info *info);

/* Something is being asked for: macrewrite_tick() is due until it is not. */
void macrewrite_tick_soon(struct macrewrite_link *link);

/* Fills in prefixes and groups from m->conf. */
void macrewrite_configure(struct macrewrite *m);

extern const struct encap_ops macrewrite_ops;

#endif
