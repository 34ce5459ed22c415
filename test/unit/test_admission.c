/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One line a case: what the port allows, how the frame is wrapped, what is in
 * it, and the verdict.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "switchd/admission.h"
#include "test/unit/craft.h"

/* Rows end where there is nothing more to say. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

static struct frame_pool *pool;
static struct craft c;

static int setup(void **state)
{
	(void)state;
	pool = frame_pool_create(2, 2);
	return pool ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	frame_pool_destroy(pool);
	return 0;
}

/* What a port asks for. */
#define LOCK  0x001u
#define MACS  0x002u /* 02:00:00:00:00:01, which craft_eth() sends from */
#define WRONG 0x004u /* with MACS: another one instead */
#define GMAC  0x008u
#define ADDRS 0x010u /* 10.0.0.1/32, 10.1.0.0/16, 2001:db8::1/128 */
#define LOCAL 0x020u /* with ADDRS: fe80::1 too */
#define GIP   0x040u
#define GARP  0x080u
#define GDHCP 0x100u
#define GRA   0x200u
#define EVERY (MACS | ADDRS | LOCAL | GMAC | GIP | GARP | GDHCP | GRA)

enum wrap {
	BARE,
	TAG,
	TAGS3,
	TAGS9,	    /* more than are walked */
	TAG_CUT,    /* the frame ends in a tag */
	SNAP,	    /* 802.3 length, LLC/SNAP, ethertype */
	SNAP_8021H, /* the other organisation code */
	SNAP_TAG,   /* SNAP, then a tag */
	TAG_SNAP,
	SNAP_SNAP,
	SNAP_JUMBO, /* behind the type that says so, in place of a length */
	SNAP_OTHER, /* SNAP of an organisation: no ethertype in it */
	LLC,	    /* spanning tree's service access point */
};

enum body { NOTHING, ARP, RARP, UDP, TCP, ICMP6, IGMP };

/* What lies between the IP header and the transport header. */
enum middle {
	DIRECT,
	OPTS,	/* destination options */
	ATOMIC, /* a fragment header on a whole packet */
	FIRST,
	LATER,
	TINY,	/* a first fragment that ends in the transport header */
	CUT,	/* a first fragment that ends in the extension headers */
	MANY,	/* more extension headers than are walked */
	BAD_IP, /* the IP header claims more than there is */
	PADDED, /* the transport header is in the Ethernet padding */
};

struct what {
	enum wrap wrap;
	enum body body;
	const char *src;
	unsigned a, b; /* ports, ICMPv6 type, ARP operation */
	enum middle middle;
	const char *target; /* of ND; sender address of ARP is src */
	uint8_t mac;	    /* last octet of the MAC in ARP and in an ND option; 0: no option */
	const char *dst;
};

static void craft_snap(unsigned organisation, unsigned type)
{
	craft_u16(&c, 0xaaaa);
	craft_u8(&c, 3);
	craft_u8(&c, 0);
	craft_u16(&c, organisation);
	craft_u16(&c, type);
}

static void craft_wrap(enum wrap wrap, unsigned type)
{
	unsigned tags = wrap == TAGS9 ? 9 : wrap == TAGS3 ? 3 : wrap == TAG ? 1 : 0;

	craft_eth(&c, tags || wrap == TAG_SNAP || wrap == TAG_CUT ? ETHERTYPE_CTAG
		      : wrap == BARE				  ? type
		      : wrap == SNAP_JUMBO			  ? 0x8870
								  : 100);
	for (unsigned i = 1; i <= tags; i++) {
		craft_u16(&c, 0);
		craft_u16(&c, i < tags ? ETHERTYPE_STAG : type);
	}
	switch (wrap) {
	case SNAP:
	case SNAP_JUMBO:
		craft_snap(0, type);
		break;
	case SNAP_8021H:
		craft_snap(0xf8, type);
		break;
	case SNAP_OTHER:
		craft_snap(0x0c, type);
		break;
	case SNAP_TAG:
		craft_snap(0, ETHERTYPE_CTAG);
		craft_u16(&c, 0);
		craft_u16(&c, type);
		break;
	case TAG_SNAP:
		craft_u16(&c, 0);
		craft_u16(&c, 1501); /* a length that no frame has: some do not care */
		craft_snap(0, type);
		break;
	case SNAP_SNAP:
		craft_snap(0, 100);
		craft_snap(0, type);
		break;
	case LLC:
		craft_u32(&c, 0x42420300);
		break;
	default:
		break;
	}
}

static void craft_mac(uint8_t last)
{
	craft_u32(&c, 0x02000000);
	craft_u8(&c, 0);
	craft_u8(&c, last);
}

static void craft_arp(const struct what *w)
{
	struct ipaddr sender;

	assert_int_equal(ipaddr_parse(w->src, &sender), 0);
	craft_u16(&c, 1);
	craft_u16(&c, ETHERTYPE_IPV4);
	craft_u16(&c, 0x0604);
	craft_u16(&c, w->a);
	craft_mac(w->mac ? w->mac : 1);
	craft_bytes(&c, sender.bytes, 4);
	craft_fill(&c, 0, 6);
	craft_u32(&c, 0x0a000002);
}

static void craft_icmp6(const struct what *w)
{
	static const uint8_t body_len[] = {4, 12, 20, 20, 36}; /* behind type, code, checksum */
	struct ipaddr target = {.family = 0};
	bool nd = w->a >= 133 && w->a <= 137;

	if (w->target)
		assert_int_equal(ipaddr_parse(w->target, &target), 0);
	craft_u16(&c, w->a << 8);
	craft_u16(&c, 0);
	if (!nd) {
		craft_fill(&c, 0, 20);
		return;
	}
	craft_u32(&c, 0);
	if (body_len[w->a - 133] > 4) {
		craft_bytes(&c, target.bytes, w->a == 134 ? 8 : 16);
		craft_fill(&c, 0, body_len[w->a - 133] > 20 ? 16u : 0u);
	}
	if (w->mac) {
		craft_u8(&c, 14); /* a nonce first: options are walked */
		craft_u8(&c, 1);
		craft_fill(&c, 0, 6);
		craft_u8(&c, w->a == 136 || w->a == 137 ? 2 : 1);
		craft_u8(&c, 1);
		craft_mac(w->mac);
	}
}

static void craft_igmp(const struct what *w)
{
	craft_u32(&c, w->a << 24);
	craft_u32(&c, 0);
}

static void craft_transport(const struct what *w)
{
	if (w->body == UDP)
		craft_udp(&c, w->a, w->b, 0);
	else if (w->body == TCP)
		craft_tcp(&c, 0x10, 0, 1);
	else if (w->body == IGMP)
		craft_igmp(w);
	else
		craft_icmp6(w);
}

static unsigned protocol_of(const struct what *w)
{
	static const uint8_t protocols[] = {
	    [UDP] = IPPROTO_UDP,
	    [TCP] = IPPROTO_TCP,
	    [ICMP6] = IPPROTO_ICMPV6,
	    [IGMP] = IPPROTO_IGMP,
	};

	return protocols[w->body];
}

static void craft_four(const struct what *w, const struct ipaddr *src)
{
	size_t ip = craft_ipv4(&c, protocol_of(w), 0, 0), end;

	memcpy(c.b + ip + 12, src->bytes, 4);
	craft_transport(w);
	if (w->middle == FIRST || w->middle == TINY)
		craft_put16(&c, ip + 6, 0x2000);
	if (w->middle == LATER)
		craft_put16(&c, ip + 6, 0x0001);
	if (w->middle == TINY)
		c.len -= 4;
	end = w->middle == PADDED ? ip + 20 : c.len;
	craft_put16(&c, ip + 2, (unsigned)(end - ip + (w->middle == BAD_IP)));
}

static void craft_six(const struct what *w, const struct ipaddr *src)
{
	unsigned fragment = w->middle >= ATOMIC && w->middle <= CUT;
	unsigned options = w->middle == MANY ? 9 : w->middle == OPTS || w->middle == CUT;
	size_t ip = craft_ipv6(&c,
			       fragment	 ? IPPROTO_FRAGMENT
			       : options ? IPPROTO_DSTOPTS
					 : protocol_of(w),
			       0);
	struct ipaddr dst;

	memcpy(c.b + ip + 8, src->bytes, 16);
	if (w->dst) {
		assert_int_equal(ipaddr_parse(w->dst, &dst), 0);
		memcpy(c.b + ip + 24, dst.bytes, 16);
	}
	if (fragment) {
		craft_u8(&c, options ? IPPROTO_DSTOPTS : protocol_of(w));
		craft_u8(&c, 0);
		craft_u16(&c, w->middle == ATOMIC ? 0 : w->middle == LATER ? 8 : 1);
		craft_u32(&c, 1);
	}
	for (; options > 0; options--) {
		craft_u8(&c, options > 1 ? IPPROTO_DSTOPTS : protocol_of(w));
		craft_u8(&c, w->middle == CUT ? 10 : 0);
		craft_fill(&c, 0, 6);
	}
	if (w->middle != CUT)
		craft_transport(w);
	if (w->middle == TINY)
		c.len = ip + 48 + (w->body == UDP ? 4 : 0);
	craft_put16(&c, ip + 4, (unsigned)(c.len - ip - 40 + (w->middle == BAD_IP)));
	if (w->middle == PADDED)
		craft_put16(&c, ip + 4, 0);
}

static void craft_what(const struct what *w)
{
	struct ipaddr src = {.family = 0};

	if (w->src)
		assert_int_equal(ipaddr_parse(w->src, &src), 0);
	craft_wrap(w->wrap, w->body == NOTHING	     ? 0x88b5
			    : w->body == ARP	     ? ETHERTYPE_ARP
			    : w->body == RARP	     ? ETHERTYPE_RARP
			    : src.family == AF_INET6 ? ETHERTYPE_IPV6
						     : ETHERTYPE_IPV4);
	if (w->wrap == TAG_CUT)
		return;
	if (w->body == ARP || w->body == RARP)
		craft_arp(w);
	else if (w->body == NOTHING)
		craft_fill(&c, 0, 46);
	else if (src.family == AF_INET6)
		craft_six(w, &src);
	else
		craft_four(w, &src);
}

static enum reason verdict(unsigned asks)
{
	static struct mac macs[2] = {{{2, 0, 0, 0, 0, 7}}, {{2, 0, 0, 0, 0, 1}}};
	static const struct mac own = {{2, 0, 0, 0, 0, 1}};
	static struct ipprefix prefixes[4];
	struct port_conf conf = {
	    .state = asks & LOCK ? PORT_LOCKED : PORT_OPEN,
	    .macs = {asks & MACS ? asks & WRONG ? 1 : 2 : 0, macs},
	    .addresses = {asks & ADDRS ? asks & LOCAL ? 4 : 3 : 0, prefixes},
	    .guard = {.arp = asks & GARP,
		      .dhcp = asks & GDHCP,
		      .ra = asks & GRA,
		      .mac = asks & GMAC,
		      .ip = asks & GIP},
	};
	struct frame *frame = craft_frame(pool, &c);
	struct packet packet;
	enum reason reason;

	(void)ipprefix_parse("10.0.0.1", &prefixes[0]);
	(void)ipprefix_parse("10.1.0.0/16", &prefixes[1]);
	(void)ipprefix_parse("2001:db8::1", &prefixes[2]);
	(void)ipprefix_parse("fe80::1", &prefixes[3]);
	assert_int_equal(admission_applies(&conf), asks != 0);
	assert_true(packet_parse(frame, &packet));
	reason = admission_check(&conf, asks & WRONG ? NULL : &own, frame, &packet);
	frame_free(frame);
	return reason;
}

struct row {
	unsigned asks;
	struct what what;
	enum reason reason;
};

static void judge(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		enum reason reason;

		craft_what(&rows[i].what);
		reason = verdict(rows[i].asks);
		if (reason != rows[i].reason)
			fail_msg("row %zu: %s, not %s", i, reason_name(reason),
				 reason_name(rows[i].reason));
	}
}

#define JUDGE(rows)                                                                                \
	do {                                                                                       \
		(void)state;                                                                       \
		judge(rows, sizeof(rows) / sizeof((rows)[0]));                                     \
	} while (0)

/* clang-format off */
static void test_state_and_mac(void **state)
{
	static const struct row rows[] = {
		{0,            {BARE, NOTHING}, REASON_NONE},
		{LOCK,         {BARE, NOTHING}, REASON_LOCKED},
		{LOCK | EVERY, {BARE, UDP, "192.0.2.1", 67, 68}, REASON_LOCKED},
		{MACS,         {BARE, NOTHING}, REASON_NONE},
		{MACS | WRONG, {BARE, NOTHING}, REASON_GUARD_MAC},
		{MACS | WRONG, {TAGS3, ARP, "10.0.0.1", 1}, REASON_GUARD_MAC},
		{GMAC,         {BARE, NOTHING}, REASON_NONE},
		{GMAC | WRONG, {BARE, NOTHING}, REASON_GUARD_MAC}, /* own address unknown */
		{GMAC | MACS,  {BARE, NOTHING}, REASON_NONE},
		{GMAC | MACS | WRONG, {BARE, NOTHING}, REASON_GUARD_MAC},
		{EVERY,        {BARE, NOTHING}, REASON_NONE},
		{EVERY,        {TAG, NOTHING}, REASON_NONE},
		{EVERY,        {LLC, NOTHING}, REASON_NONE},
		{EVERY,        {BARE, TCP, "10.0.0.1"}, REASON_NONE},
		{EVERY,        {BARE, TCP, "2001:db8::1"}, REASON_NONE},
	};

	JUDGE(rows);
}

static void test_ip(void **state)
{
	static const struct row rows[] = {
		{ADDRS, {BARE, TCP, "10.0.0.1"}, REASON_NONE},
		{ADDRS, {BARE, TCP, "10.0.0.2"}, REASON_GUARD_IP},
		{ADDRS, {BARE, TCP, "10.1.2.3"}, REASON_NONE},
		{ADDRS, {TAGS3, TCP, "10.1.2.3"}, REASON_NONE},
		{ADDRS, {TAGS3, TCP, "10.2.2.3"}, REASON_GUARD_IP},
		{ADDRS, {BARE, TCP, "255.255.255.255"}, REASON_GUARD_IP},
		{ADDRS, {BARE, UDP, "10.0.0.2", 1, 2, LATER}, REASON_GUARD_IP},
		{ADDRS, {BARE, UDP, "10.0.0.1", 1, 2, LATER}, REASON_NONE},
		{ADDRS, {BARE, TCP, "10.0.0.1", 0, 0, BAD_IP}, REASON_GUARD_IP},
		{ADDRS, {BARE, NOTHING}, REASON_NONE},
		{GIP,   {BARE, TCP, "10.0.0.1"}, REASON_GUARD_IP},
		{GIP,   {BARE, UDP, "0.0.0.0", 68, 67}, REASON_NONE},
		/* Only DHCP clients have no address. */
		{ADDRS, {BARE, UDP, "0.0.0.0", 68, 67}, REASON_NONE},
		{ADDRS, {TAG, UDP, "0.0.0.0", 68, 67}, REASON_NONE},
		{ADDRS, {BARE, UDP, "0.0.0.0", 68, 67, FIRST}, REASON_GUARD_IP},
		{ADDRS, {BARE, UDP, "0.0.0.0", 68, 67, LATER}, REASON_GUARD_IP},
		{ADDRS, {BARE, UDP, "0.0.0.0", 68, 67, PADDED}, REASON_GUARD_IP},
		{ADDRS, {BARE, UDP, "0.0.0.0", 68, 53}, REASON_GUARD_IP},
		{ADDRS, {BARE, UDP, "0.0.0.0", 53, 67}, REASON_GUARD_IP},
		{ADDRS, {BARE, TCP, "0.0.0.0"}, REASON_GUARD_IP},
		/* IPv6 */
		{ADDRS, {BARE, TCP, "2001:db8::1"}, REASON_NONE},
		{ADDRS, {BARE, TCP, "2001:db8::2"}, REASON_GUARD_IP},
		{ADDRS, {BARE, TCP, "2001:db8::1", 0, 0, BAD_IP}, REASON_GUARD_IP},
		{ADDRS, {BARE, TCP, "fe80::2"}, REASON_NONE},
		{GIP,   {BARE, TCP, "fe80::2"}, REASON_NONE},
		{ADDRS, {BARE, TCP, "fe80::ff:fe00:1"}, REASON_NONE}, /* of its own MAC address */
		{ADDRS, {BARE, TCP, "fe80::ff:fe00:9"}, REASON_GUARD_IP}, /* and of another's */
		{ADDRS | LOCAL, {BARE, TCP, "fe80::2"}, REASON_GUARD_IP},
		{ADDRS | LOCAL, {BARE, TCP, "fe80::1"}, REASON_NONE},
		{ADDRS, {BARE, TCP, "::ffff:10.0.0.1"}, REASON_GUARD_IP},
		{ADDRS, {BARE, ICMP6, "::", 135, 0, DIRECT, "2001:db8::1", 0, "ff02::1:ff00:1"},
		 REASON_NONE},
		{ADDRS, {BARE, ICMP6, "::", 143, 0, OPTS, NULL, 0, "ff02::16"}, REASON_NONE},
		{ADDRS, {BARE, ICMP6, "::", 133, 0, DIRECT, NULL, 0, "ff02::2"}, REASON_NONE},
		{ADDRS, {BARE, ICMP6, "::", 135, 0, DIRECT, "2001:db8::1", 0, "2001:db8::2"},
		 REASON_GUARD_IP},
		{ADDRS, {BARE, ICMP6, "::", 135, 0, ATOMIC, "2001:db8::1", 0, "ff02::1"},
		 REASON_GUARD_IP},
		{ADDRS, {BARE, ICMP6, "::", 136, 0, DIRECT, "2001:db8::1", 0, "ff02::1"},
		 REASON_GUARD_IP},
		{ADDRS, {BARE, ICMP6, "::", 128, 0, DIRECT, NULL, 0, "ff02::1"}, REASON_GUARD_IP},
		{ADDRS, {BARE, UDP, "::", 68, 67, DIRECT, NULL, 0, "ff02::1"}, REASON_GUARD_IP},
	};

	JUDGE(rows);
}

static void test_arp(void **state)
{
	static const struct row rows[] = {
		{GARP,         {BARE, ARP, "10.0.0.1", 1}, REASON_NONE},
		{GARP,         {BARE, ARP, "10.0.0.9", 2}, REASON_NONE}, /* any address is its own */
		{GARP,         {BARE, ARP, "10.0.0.1", 2, 0, 0, NULL, 9}, REASON_GUARD_ARP},
		{ADDRS,        {BARE, ARP, "10.0.0.9", 2, 0, 0, NULL, 9}, REASON_NONE},
		{GARP | ADDRS, {BARE, ARP, "10.0.0.1", 2}, REASON_NONE},
		{GARP | ADDRS, {BARE, ARP, "10.0.0.2", 2}, REASON_GUARD_ARP},
		{GARP | ADDRS, {BARE, ARP, "10.0.0.2", 1}, REASON_GUARD_ARP},
		{GARP | ADDRS, {BARE, ARP, "0.0.0.0", 1}, REASON_NONE},
		{GARP | ADDRS, {TAGS3, ARP, "10.0.0.2", 2}, REASON_GUARD_ARP},
		{GARP | GIP,   {BARE, ARP, "10.0.0.1", 2}, REASON_GUARD_ARP},
		{GARP,         {BARE, RARP, "0.0.0.0", 3}, REASON_NONE},
		{GARP | ADDRS, {BARE, RARP, "10.0.0.2", 3}, REASON_NONE},
		{GARP,         {BARE, RARP, "0.0.0.0", 3, 0, 0, NULL, 9}, REASON_GUARD_ARP},
		/* neighbour discovery */
		{GARP, {BARE, ICMP6, "fe80::1", 136, 0, 0, "2001:db8::1", 1}, REASON_NONE},
		{GARP, {BARE, ICMP6, "fe80::1", 136, 0, 0, "2001:db8::1", 9}, REASON_GUARD_ARP},
		{GARP, {BARE, ICMP6, "fe80::1", 136, 0, OPTS, "2001:db8::1", 9}, REASON_GUARD_ARP},
		{GARP, {TAGS3, ICMP6, "fe80::1", 136, 0, OPTS, "2001:db8::1", 9}, REASON_GUARD_ARP},
		{GARP, {BARE, ICMP6, "fe80::1", 135, 0, 0, "2001:db8::9", 9}, REASON_GUARD_ARP},
		{GARP, {BARE, ICMP6, "fe80::1", 135, 0, 0, "2001:db8::9", 1}, REASON_NONE},
		{GARP, {BARE, ICMP6, "fe80::1", 133, 0, 0, NULL, 9}, REASON_GUARD_ARP},
		{GARP, {BARE, ICMP6, "fe80::1", 134, 0, 0, NULL, 9}, REASON_GUARD_ARP},
		{GARP, {BARE, ICMP6, "fe80::1", 134, 0, 0, NULL, 1}, REASON_NONE},
		{GARP, {BARE, ICMP6, "fe80::1", 137, 0, 0, NULL, 9}, REASON_GUARD_ARP},
		{GARP, {BARE, ICMP6, "fe80::1", 128, 0, 0, NULL, 9}, REASON_NONE},
		{GARP, {BARE, ICMP6, "fe80::1", 136, 0, ATOMIC, "2001:db8::1", 1}, REASON_GUARD_ARP},
		{GARP, {BARE, ICMP6, "fe80::1", 136, 0, FIRST, "2001:db8::1", 1}, REASON_GUARD_ARP},
		{GARP, {BARE, ICMP6, "fe80::1", 136, 0, LATER, "2001:db8::1", 1}, REASON_NONE},
		{GARP, {BARE, ICMP6, "fe80::1", 136, 0, CUT, "2001:db8::1", 1}, REASON_GUARD_ARP},
		{GARP, {BARE, ICMP6, "fe80::1", 136, 0, TINY, "2001:db8::1", 1}, REASON_GUARD_ARP},
		{GARP, {BARE, ICMP6, "fe80::1", 136, 0, MANY, "2001:db8::1", 1}, REASON_GUARD_ARP},
		{GARP, {BARE, ICMP6, "fe80::1", 136, 0, BAD_IP, "2001:db8::1", 1}, REASON_GUARD_ARP},
		{GARP | ADDRS, {BARE, ICMP6, "2001:db8::1", 136, 0, 0, "2001:db8::1", 1}, REASON_NONE},
		{GARP | ADDRS, {BARE, ICMP6, "2001:db8::1", 136, 0, 0, "2001:db8::9", 1},
		 REASON_GUARD_ARP},
		{GARP | ADDRS, {BARE, ICMP6, "2001:db8::1", 136, 0, 0, "fe80::2"}, REASON_NONE},
		{GARP | ADDRS, {BARE, ICMP6, "2001:db8::1", 136, 0, 0, "fe80::ff:fe00:1", 1},
		 REASON_NONE},
		{GARP | ADDRS, {BARE, ICMP6, "2001:db8::1", 136, 0, 0, "fe80::ff:fe00:9", 1},
		 REASON_GUARD_ARP},
		{GARP | ADDRS, {BARE, ICMP6, "::", 135, 0, 0, "fe80::ff:fe00:9", 0, "ff02::1"},
		 REASON_GUARD_ARP},
		{GARP | ADDRS | LOCAL, {BARE, ICMP6, "2001:db8::1", 136, 0, 0, "fe80::2"},
		 REASON_GUARD_ARP},
		{GARP | ADDRS, {BARE, ICMP6, "2001:db8::1", 135, 0, 0, "2001:db8::9", 1}, REASON_NONE},
		{GARP | ADDRS, {BARE, ICMP6, "::", 135, 0, 0, "2001:db8::9", 0, "ff02::1"},
		 REASON_GUARD_ARP},
		{GARP | ADDRS, {BARE, ICMP6, "::", 135, 0, 0, "2001:db8::1", 0, "ff02::1"}, REASON_NONE},
	};

	JUDGE(rows);
}

static void test_dhcp(void **state)
{
	static const struct row rows[] = {
		{GDHCP, {BARE, UDP, "10.0.0.1", 68, 67}, REASON_NONE},
		{GDHCP, {BARE, UDP, "10.0.0.1", 67, 68}, REASON_GUARD_DHCP},
		{GDHCP, {BARE, UDP, "10.0.0.1", 67, 67}, REASON_GUARD_DHCP},
		{GDHCP, {BARE, UDP, "10.0.0.1", 4000, 68}, REASON_GUARD_DHCP},
		{GDHCP, {TAGS3, UDP, "10.0.0.1", 67, 68}, REASON_GUARD_DHCP},
		{GDHCP, {BARE, UDP, "10.0.0.1", 67, 68, FIRST}, REASON_GUARD_DHCP},
		{GDHCP, {BARE, UDP, "10.0.0.1", 53, 53, FIRST}, REASON_NONE},
		{GDHCP, {BARE, UDP, "10.0.0.1", 53, 53, TINY}, REASON_GUARD_DHCP},
		{GDHCP, {BARE, UDP, "10.0.0.1", 67, 68, LATER}, REASON_NONE}, /* has no first */
		{GDHCP, {BARE, UDP, "10.0.0.1", 67, 68, BAD_IP}, REASON_GUARD_DHCP},
		{GDHCP, {BARE, TCP, "10.0.0.1"}, REASON_NONE},
		{GDHCP, {BARE, UDP, "fe80::1", 546, 547}, REASON_NONE},
		{GDHCP, {BARE, UDP, "fe80::1", 547, 546}, REASON_GUARD_DHCP},
		{GDHCP, {BARE, UDP, "fe80::1", 4000, 546}, REASON_GUARD_DHCP},
		{GDHCP, {BARE, UDP, "fe80::1", 547, 546, OPTS}, REASON_GUARD_DHCP},
		{GDHCP, {BARE, UDP, "fe80::1", 547, 546, ATOMIC}, REASON_GUARD_DHCP},
		{GDHCP, {BARE, UDP, "fe80::1", 547, 546, FIRST}, REASON_GUARD_DHCP},
		{GDHCP, {BARE, UDP, "fe80::1", 547, 546, TINY}, REASON_GUARD_DHCP},
		{GDHCP, {BARE, UDP, "fe80::1", 547, 546, CUT}, REASON_GUARD_DHCP},
		{GDHCP, {BARE, UDP, "fe80::1", 547, 546, MANY}, REASON_GUARD_DHCP},
		{GRA,   {BARE, UDP, "fe80::1", 547, 546}, REASON_NONE},
	};

	JUDGE(rows);
}

static void test_ra(void **state)
{
	static const struct row rows[] = {
		{GRA,   {BARE, ICMP6, "fe80::1", 134}, REASON_GUARD_RA},
		{GRA,   {BARE, ICMP6, "fe80::1", 137}, REASON_GUARD_RA},
		{GRA,   {BARE, ICMP6, "fe80::1", 133}, REASON_NONE},
		{GRA,   {BARE, ICMP6, "fe80::1", 136}, REASON_NONE},
		{GRA,   {TAG, ICMP6, "fe80::1", 134}, REASON_GUARD_RA},
		{GRA,   {TAGS3, ICMP6, "fe80::1", 134, 0, OPTS}, REASON_GUARD_RA},
		{GRA,   {BARE, ICMP6, "fe80::1", 134, 0, OPTS}, REASON_GUARD_RA},
		{GRA,   {BARE, ICMP6, "fe80::1", 134, 0, ATOMIC}, REASON_GUARD_RA},
		{GRA,   {BARE, ICMP6, "fe80::1", 134, 0, FIRST}, REASON_GUARD_RA},
		{GRA,   {BARE, ICMP6, "fe80::1", 134, 0, TINY}, REASON_GUARD_RA},
		{GRA,   {BARE, ICMP6, "fe80::1", 134, 0, CUT}, REASON_GUARD_RA},
		{GRA,   {BARE, TCP, "fe80::1", 0, 0, CUT}, REASON_GUARD_RA},
		{GRA,   {BARE, ICMP6, "fe80::1", 134, 0, MANY}, REASON_GUARD_RA},
		{GRA,   {BARE, ICMP6, "fe80::1", 134, 0, BAD_IP}, REASON_GUARD_RA},
		{GRA,   {BARE, ICMP6, "fe80::1", 134, 0, PADDED}, REASON_NONE}, /* nobody reads it */
		{GRA,   {BARE, ICMP6, "fe80::1", 128, 0, LATER}, REASON_NONE},
		{GRA,   {BARE, TCP, "fe80::1", 0, 0, FIRST}, REASON_NONE},
		{GDHCP, {BARE, ICMP6, "fe80::1", 134}, REASON_NONE},
		{GRA,   {BARE, ICMP6, "fe80::1", 130}, REASON_GUARD_RA},
		{GRA,   {BARE, ICMP6, "fe80::1", 143}, REASON_NONE},
		{GRA,   {BARE, IGMP, "10.0.0.1", 0x11}, REASON_GUARD_RA},
		{GRA,   {TAG, IGMP, "10.0.0.1", 0x11}, REASON_GUARD_RA},
		{GRA,   {BARE, IGMP, "10.0.0.1", 0x16}, REASON_NONE},
		{GRA,   {BARE, IGMP, "10.0.0.1", 0x22}, REASON_NONE},
		{GRA,   {BARE, IGMP, "10.0.0.1", 0x22, 0, FIRST}, REASON_GUARD_RA},
		{GRA,   {BARE, IGMP, "10.0.0.1", 0x22, 0, LATER}, REASON_GUARD_RA},
		{GRA,   {SNAP, IGMP, "10.0.0.1", 0x11}, REASON_GUARD_RA},
		{GDHCP, {BARE, IGMP, "10.0.0.1", 0x11}, REASON_NONE},
	};

	JUDGE(rows);
}

static void test_hidden(void **state)
{
	static const enum wrap wraps[] = {SNAP, SNAP_8021H, SNAP_TAG, TAG_SNAP, SNAP_SNAP, SNAP_JUMBO, TAGS9};
	static const struct row rows[] = {
		{0,           {SNAP, TCP, "10.0.0.1"}, REASON_NONE},
		{MACS,        {SNAP, TCP, "10.0.0.1"}, REASON_NONE},
		{GARP,        {SNAP, TCP, "10.0.0.1"}, REASON_NONE},
		{GRA,         {SNAP, ARP, "10.0.0.1", 1}, REASON_NONE},
		{GRA | ADDRS, {SNAP, ARP, "10.0.0.1", 1}, REASON_NONE},
		{EVERY,       {SNAP, NOTHING}, REASON_NONE},
		{EVERY,       {SNAP_OTHER, TCP, "10.0.0.1"}, REASON_NONE},
		{EVERY,       {TAG_CUT, NOTHING}, REASON_GUARD_IP},
		{GRA,         {TAG_CUT, NOTHING}, REASON_GUARD_RA},
		{MACS,        {TAG_CUT, NOTHING}, REASON_NONE},
	};
	static const struct row guards[] = {
		{ADDRS, {BARE, TCP, "10.0.0.1"}, REASON_GUARD_IP},
		{ADDRS, {BARE, TCP, "2001:db8::1"}, REASON_GUARD_IP},
		{GARP,  {BARE, ARP, "10.0.0.1", 2}, REASON_GUARD_ARP},
		{GARP,  {BARE, ICMP6, "2001:db8::1", 136, 0, 0, "2001:db8::1", 1}, REASON_GUARD_ARP},
		{GDHCP, {BARE, UDP, "10.0.0.1", 67, 68}, REASON_GUARD_DHCP},
		{GDHCP, {BARE, UDP, "fe80::1", 547, 546}, REASON_GUARD_DHCP},
		{GRA,   {BARE, ICMP6, "fe80::1", 134}, REASON_GUARD_RA},
	};

	JUDGE(rows);
	for (size_t i = 0; i < sizeof(wraps) / sizeof(wraps[0]); i++) {
		for (size_t j = 0; j < sizeof(guards) / sizeof(guards[0]); j++) {
			struct row row = guards[j];

			row.what.wrap = wraps[i];
			craft_what(&row.what);
			if (verdict(row.asks) != row.reason)
				fail_msg("wrap %zu, guard %zu", i, j);
		}
	}
}
/* clang-format on */

/* Every length of every frame: no byte past the end is read, and nothing forbidden passes. */
static void test_truncation(void **state)
{
	static const struct what whats[] = {
	    {TAG, ARP, "10.0.0.9", 2, .mac = 9},
	    {BARE, ICMP6, "fe80::9", 136, 0, OPTS, "2001:db8::9", 9, NULL},
	    {BARE, UDP, "10.0.0.9", 67, 68},
	    {SNAP_TAG, UDP, "10.0.0.9", 67, 68},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(whats) / sizeof(whats[0]); i++) {
		craft_what(&whats[i]);
		for (; c.len >= ETH_HEADER_LEN; c.len--) {
			bool snap_cut = whats[i].wrap == SNAP_TAG && c.len < 22;

			assert_int_equal(verdict(EVERY) == REASON_NONE, snap_cut);
			(void)verdict(GRA);
			(void)verdict(GDHCP);
			(void)verdict(GARP);
		}
	}
}

/* Option lengths of neighbour discovery that lead nowhere. */
static void test_nd_options(void **state)
{
	static const struct what na = {BARE, ICMP6, "fe80::1", 136, 0, 0, "2001:db8::1", 1, NULL};
	size_t option = ETH_HEADER_LEN + 40 + 24;

	(void)state;
	craft_what(&na);
	c.b[option + 1] = 0;
	assert_int_equal(verdict(GARP), REASON_GUARD_ARP);
	/* The first option swallows the second, as receivers will see it too. */
	craft_what(&na);
	c.b[option + 1] = 2;
	c.b[c.len - 1] = 9;
	assert_int_equal(verdict(GARP), REASON_NONE);
	/* A piece of an option at the end. */
	craft_what(&na);
	craft_u8(&c, 2);
	c.b[ETH_HEADER_LEN + 5]++;
	assert_int_equal(verdict(GARP), REASON_GUARD_ARP);
	/* The same byte as Ethernet padding is nothing. */
	c.b[ETH_HEADER_LEN + 5]--;
	assert_int_equal(verdict(GARP), REASON_NONE);
}

/* ARP for other hardware or protocols is not what the guard can read. */
static void test_arp_fields(void **state)
{
	static const struct what arp = {.body = ARP, .src = "10.0.0.1", .a = 1};

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		craft_what(&arp);
		assert_int_equal(verdict(EVERY), REASON_NONE);
		c.b[ETH_HEADER_LEN + i] ^= 0x10;
		assert_int_equal(verdict(EVERY), REASON_GUARD_ARP);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_state_and_mac),
	    cmocka_unit_test(test_ip),
	    cmocka_unit_test(test_arp),
	    cmocka_unit_test(test_dhcp),
	    cmocka_unit_test(test_ra),
	    cmocka_unit_test(test_hidden),
	    cmocka_unit_test(test_truncation),
	    cmocka_unit_test(test_nd_options),
	    cmocka_unit_test(test_arp_fields),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
