/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/admission.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "lib/arp_nd.h"

#define IGMP_QUERY	  0x11
#define ICMP6_MLD_QUERY	  130
#define ICMP6_MLD_REPORT  131
#define ICMP6_MLD_DONE	  132
#define ICMP6_RS	  133
#define ICMP6_RA	  134
#define ICMP6_NS	  135
#define ICMP6_NA	  136
#define ICMP6_REDIRECT	  137
#define ICMP6_MLD2_REPORT 143
#define ND_TARGET	  8 /* where the target address of NS and NA is */
#define ND_OPTION_SOURCE  1 /* link-layer address of who asks */
#define ND_OPTION_TARGET  2 /* link-layer address of what is asked for */
#define DHCP_SERVER	  67
#define DHCP_CLIENT	  68
#define DHCP6_CLIENT	  546
#define DHCP6_SERVER	  547
#define ETHERTYPE_MIN	  0x600	 /* below: an 802.3 length, and LLC behind it */
#define ETHERTYPE_LLC	  0x8870 /* LLC where a length has no room (jumbo frames) */

/* The guards that look inside, in the order of their reasons. */
#define GUARD_IP   0x1u
#define GUARD_ARP  0x2u
#define GUARD_DHCP 0x4u
#define GUARD_RA   0x8u
#define GUARD_ALL  0xfu

/* All that the checks look at. */
struct claim {
	const struct port_conf *conf;
	const struct mac *own;
	const struct frame *frame;
	const struct packet *packet;
	unsigned guards; /* GUARD_ bits that are on */
};

/* What of the transport layer the IP header says is there: never Ethernet padding. */
static const void *peek_l4(const struct claim *c, size_t off, size_t n, void *storage)
{
	const struct packet *packet = c->packet;
	size_t left;

	if (packet->ip_version == 0 || packet->l4_off == FRAME_OFF_UNSET)
		return NULL;
	left = packet->l3_len - ((size_t)packet->l4_off - packet->l3_off);
	if (off > left || n > left - off)
		return NULL;
	return frame_peek(c->frame, packet->l4_off + off, n, storage);
}

/* The type of an ICMPv6 message, or -1. */
static int icmp6_type(const struct claim *c)
{
	uint8_t type;

	if (c->packet->ip_version != 6 || c->packet->protocol != IPPROTO_ICMPV6 ||
	    !peek_l4(c, 0, sizeof(type), &type))
		return -1;
	return type;
}

static struct ipaddr source_address(const struct claim *c)
{
	struct ipaddr addr = {.family = 0};
	struct ipv4_header ip4;
	struct ipv6_header ip6;

	if (c->packet->ip_version == 4 &&
	    frame_peek(c->frame, c->packet->l3_off, sizeof(ip4), &ip4)) {
		addr.family = AF_INET;
		memcpy(addr.bytes, ip4.src, sizeof(ip4.src));
	} else if (c->packet->ip_version == 6 &&
		   frame_peek(c->frame, c->packet->l3_off, sizeof(ip6), &ip6)) {
		addr.family = AF_INET6;
		memcpy(addr.bytes, ip6.src, sizeof(ip6.src));
	}
	return addr;
}

static bool is_link_local(const struct ipaddr *addr)
{
	return addr->family == AF_INET6 && addr->bytes[0] == 0xfe &&
	       (addr->bytes[1] & 0xc0) == 0x80;
}

/* Whether a link-local address is made of a MAC address, and of another than the frame's. */
static bool is_anothers(const struct claim *c, const struct ipaddr *addr)
{
	const struct ipaddr own = nd_link_local(&c->packet->eth.src);

	return addr->bytes[11] == 0xff && addr->bytes[12] == 0xfe &&
	       memcmp(addr->bytes + 8, own.bytes + 8, 8) != 0;
}

/* Whether the guest may call itself by this address. */
static bool may_use(const struct claim *c, const struct ipaddr *addr)
{
	const struct ipprefix *prefix = c->conf->addresses.items;
	bool names_link_local = false;

	if (!(c->guards & GUARD_IP))
		return true;
	for (size_t i = 0; i < c->conf->addresses.count; i++) {
		if (ipprefix_contains(&prefix[i], addr))
			return true;
		names_link_local |= is_link_local(&prefix[i].addr);
	}
	return is_link_local(addr) && !names_link_local && !is_anothers(c, addr);
}

static enum reason check_mac(const struct claim *c)
{
	const struct mac *mac = c->conf->macs.items;

	if (c->conf->macs.count == 0) {
		if (!c->conf->guard.mac)
			return REASON_NONE;
		return c->own && mac_equal(c->own, &c->packet->eth.src) ? REASON_NONE
									: REASON_GUARD_MAC;
	}
	for (size_t i = 0; i < c->conf->macs.count; i++) {
		if (mac_equal(&mac[i], &c->packet->eth.src))
			return REASON_NONE;
	}
	return REASON_GUARD_MAC;
}

/* The guards that have to see what is behind an ethertype. */
static unsigned guards_of_type(uint16_t type)
{
	switch (type) {
	case ETHERTYPE_IPV4:
		return GUARD_IP | GUARD_DHCP | GUARD_RA;
	case ETHERTYPE_IPV6:
		return GUARD_ALL;
	case ETHERTYPE_ARP:
	case ETHERTYPE_RARP:
		return GUARD_ARP;
	default:
		/* Tags and lengths can hide anything. */
		return type < ETHERTYPE_MIN || type == ETHERTYPE_CTAG || type == ETHERTYPE_STAG ||
			       type == ETHERTYPE_LLC
			   ? GUARD_ALL
			   : 0;
	}
}

/* The guards that LLC/SNAP (RFC 1042, 802.1H) blinds: some hosts unpack it and go on. */
static unsigned blinded_by_snap(const struct claim *c)
{
	uint8_t llc[8]; /* DSAP, SSAP, control, organisation (3), ethertype (2) */

	if (!frame_peek(c->frame, c->packet->l3_off, sizeof(llc), llc))
		return 0;
	if ((llc[0] & 0xfe) != 0xaa || (llc[1] & 0xfe) != 0xaa)
		return 0;
	if (llc[3] != 0 || llc[4] != 0 || (llc[5] != 0 && llc[5] != 0xf8))
		return 0;
	return guards_of_type((uint16_t)(llc[6] << 8 | llc[7]));
}

/* The guards that cannot see what they have to see. */
static unsigned blinded(const struct claim *c)
{
	const struct packet *packet = c->packet;
	struct udp_header udp;

	if (packet->ethertype < ETHERTYPE_MIN || packet->ethertype == ETHERTYPE_LLC)
		return blinded_by_snap(c);
	if (packet->ip_version == 0)
		return packet->ethertype == ETHERTYPE_ARP || packet->ethertype == ETHERTYPE_RARP
			   ? 0
			   : guards_of_type(packet->ethertype);
	if (packet->chain_cut)
		return GUARD_ARP | GUARD_DHCP | GUARD_RA;
	/* A first fragment must show what it is the first of. */
	if (packet->fragment && packet->l4_off != FRAME_OFF_UNSET) {
		if (packet->protocol == IPPROTO_UDP && !peek_l4(c, 0, sizeof(udp), &udp))
			return GUARD_DHCP;
		if (packet->protocol == IPPROTO_ICMPV6 && icmp6_type(c) < 0)
			return GUARD_ARP | GUARD_RA;
	}
	return 0;
}

static enum reason check_visible(const struct claim *c)
{
	unsigned blind = c->guards ? blinded(c) & c->guards : 0;

	if (blind & GUARD_IP)
		return REASON_GUARD_IP;
	if (blind & GUARD_ARP)
		return REASON_GUARD_ARP;
	if (blind & GUARD_DHCP)
		return REASON_GUARD_DHCP;
	return blind ? REASON_GUARD_RA : REASON_NONE;
}

/* What a host may send before it has an address. */
static bool needs_no_address(const struct claim *c)
{
	struct ipv6_header ip;
	struct udp_header udp;

	if (c->packet->fragment)
		return false;
	if (c->packet->ip_version == 4)
		return c->packet->protocol == IPPROTO_UDP && peek_l4(c, 0, sizeof(udp), &udp) &&
		       udp.sport == htons(DHCP_CLIENT) && udp.dport == htons(DHCP_SERVER);
	if (!frame_peek(c->frame, c->packet->l3_off, sizeof(ip), &ip) || ip.dst[0] != 0xff)
		return false;
	switch (icmp6_type(c)) {
	case ICMP6_NS:
	case ICMP6_RS:
	case ICMP6_MLD_REPORT:
	case ICMP6_MLD_DONE:
	case ICMP6_MLD2_REPORT:
		return true;
	default:
		return false;
	}
}

static enum reason check_ip(const struct claim *c)
{
	struct ipaddr source;

	if (!(c->guards & GUARD_IP) || c->packet->ip_version == 0)
		return REASON_NONE;
	source = source_address(c);
	if (ipaddr_is_unspecified(&source) ? needs_no_address(c) : may_use(c, &source))
		return REASON_NONE;
	return REASON_GUARD_IP;
}

static enum reason check_arp(const struct claim *c)
{
	uint16_t type = c->packet->ethertype;
	struct ipaddr sender = {.family = AF_INET};
	struct arp_header arp;

	if (!(c->guards & GUARD_ARP) || (type != ETHERTYPE_ARP && type != ETHERTYPE_RARP))
		return REASON_NONE;
	if (!frame_peek(c->frame, c->packet->l3_off, sizeof(arp), &arp) ||
	    arp.hardware != htons(1) || arp.protocol != htons(ETHERTYPE_IPV4) ||
	    arp.hardware_len != MAC_LEN || arp.protocol_len != sizeof(arp.sender_ip) ||
	    !mac_equal(&arp.sender_mac, &c->packet->eth.src))
		return REASON_GUARD_ARP;
	memcpy(sender.bytes, arp.sender_ip, sizeof(arp.sender_ip));
	/* RFC 5227 probes with 0.0.0.0; who sends RARP does not know its address. */
	if (type == ETHERTYPE_RARP || ipaddr_is_unspecified(&sender) || may_use(c, &sender))
		return REASON_NONE;
	return REASON_GUARD_ARP;
}

/* Whether every link-layer address among the options at `off` is the frame's own source. */
static bool nd_options_honest(const struct claim *c, size_t off)
{
	uint8_t option[2 + MAC_LEN];

	while (peek_l4(c, off, 1, option)) {
		if (!peek_l4(c, off, sizeof(option), option) || option[1] == 0)
			return false;
		if ((option[0] == ND_OPTION_SOURCE || option[0] == ND_OPTION_TARGET) &&
		    memcmp(option + 2, c->packet->eth.src.octet, MAC_LEN) != 0)
			return false;
		off += option[1] * 8u;
	}
	return true;
}

static enum reason check_nd(const struct claim *c)
{
	/* Where the options of each message begin (RFC 4861 section 4). */
	static const uint8_t options_at[] = {
	    [ICMP6_RS - ICMP6_RS] = 8,	      [ICMP6_RA - ICMP6_RS] = 16,
	    [ICMP6_NS - ICMP6_RS] = 24,	      [ICMP6_NA - ICMP6_RS] = 24,
	    [ICMP6_REDIRECT - ICMP6_RS] = 40,
	};
	struct ipaddr source, target = {.family = AF_INET6};
	int type = c->guards & GUARD_ARP ? icmp6_type(c) : -1;

	if (type < ICMP6_RS || type > ICMP6_REDIRECT)
		return REASON_NONE;
	/* RFC 6980: neighbour discovery is never fragmented. */
	if (c->packet->fragment || !nd_options_honest(c, options_at[type - ICMP6_RS]))
		return REASON_GUARD_ARP;
	source = source_address(c);
	if (!ipaddr_is_unspecified(&source) && !may_use(c, &source))
		return REASON_GUARD_ARP;
	/* An answer speaks for its target; so does a question from nowhere (RFC 4862). */
	if (type != ICMP6_NA && (type != ICMP6_NS || !ipaddr_is_unspecified(&source)))
		return REASON_NONE;
	if (!peek_l4(c, ND_TARGET, sizeof(target.bytes), target.bytes) || !may_use(c, &target))
		return REASON_GUARD_ARP;
	return REASON_NONE;
}

/*
 * A server is known by either port: nothing makes it send from the port that it
 * listens on, and no client sends to the port that clients listen on.
 */
static enum reason check_dhcp(const struct claim *c)
{
	bool four = c->packet->ip_version == 4;
	struct udp_header udp;

	if (!(c->guards & GUARD_DHCP) || c->packet->protocol != IPPROTO_UDP ||
	    !peek_l4(c, 0, sizeof(udp), &udp))
		return REASON_NONE;
	if (udp.sport == htons(four ? DHCP_SERVER : DHCP6_SERVER) ||
	    udp.dport == htons(four ? DHCP_CLIENT : DHCP6_CLIENT))
		return REASON_GUARD_DHCP;
	return REASON_NONE;
}

/* What only routers say: who says it may draw traffic to itself. */
static enum reason check_ra(const struct claim *c)
{
	int type = c->guards & GUARD_RA ? icmp6_type(c) : -1;
	uint8_t igmp;

	if (type == ICMP6_RA || type == ICMP6_REDIRECT || type == ICMP6_MLD_QUERY)
		return REASON_GUARD_RA;
	if (!(c->guards & GUARD_RA) || c->packet->ip_version != 4 ||
	    c->packet->protocol != IPPROTO_IGMP)
		return REASON_NONE;
	/* Whether fragments are a query nobody can tell, and nobody needs them. */
	return c->packet->fragment || (peek_l4(c, 0, sizeof(igmp), &igmp) && igmp == IGMP_QUERY)
		   ? REASON_GUARD_RA
		   : REASON_NONE;
}

static unsigned guards_on(const struct port_conf *conf)
{
	return (conf->guard.ip || conf->addresses.count ? GUARD_IP : 0) |
	       (conf->guard.arp ? GUARD_ARP : 0) | (conf->guard.dhcp ? GUARD_DHCP : 0) |
	       (conf->guard.ra ? GUARD_RA : 0);
}

bool admission_applies(const struct port_conf *conf)
{
	return conf->state == PORT_LOCKED || conf->macs.count != 0 || conf->guard.mac ||
	       guards_on(conf) != 0;
}

enum reason admission_check(const struct port_conf *conf, const struct mac *own,
			    const struct frame *frame, const struct packet *packet)
{
	static enum reason (*const checks[])(const struct claim *) = {
	    check_mac, check_visible, check_ip, check_arp, check_nd, check_dhcp, check_ra,
	};
	const struct claim claim = {conf, own, frame, packet, guards_on(conf)};

	if (conf->state == PORT_LOCKED)
		return REASON_LOCKED;
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		enum reason reason = checks[i](&claim);

		if (reason != REASON_NONE)
			return reason;
	}
	return REASON_NONE;
}
