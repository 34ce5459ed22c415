/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A farm on a wire in memory: two hosts with the real engine, one without this software,
 * and guests in two subnets that ask, answer, talk, and move, as the bytes of an input say.
 * Whatever happens: on the wire are no guests' MACs outside, guests see none of switches'
 * hosts, and nothing gets into another subnet. At the end everybody of a subnet reaches
 * everybody else. For a unit test and for a fuzz target.
 */
#ifndef TVD_TEST_FARM_MODEL_H
#define TVD_TEST_FARM_MODEL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encap/gso.h"
#include "encap/macrewrite.h"

#define FM_HOSTS   3u /* the last runs none of this */
#define FM_PLAIN   2u
#define FM_SUBNETS 2u
#define FM_GUESTS  6u
#define FM_ADDRS   (FM_GUESTS + 1u) /* the plain host's comes last */
#define FM_WIRE	   256u

#define FM_CHECK(x)                                                                                \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			(void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);              \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct fm_guest {
	unsigned host, subnet;
	struct mac mac;
	struct mac knows[2][FM_ADDRS]; /* by IP version */
	unsigned got[FM_ADDRS];	       /* packets, by who sent them */
};

struct fm_host {
	struct mac mac;
	struct encap_host host;
	struct stats stray[ENCAP_KINDS];
	struct encap_uplink uplink;
	struct macrewrite_link link;
	struct macrewrite_conf conf[FM_SUBNETS];
	struct ipprefix prefixes[FM_SUBNETS][2];
	struct encap encap[FM_SUBNETS];
	struct macrewrite m[FM_SUBNETS];
	unsigned at[FM_SUBNETS][FM_ADDRS]; /* who is behind which host; FM_HOSTS: unknown */
};

static struct {
	struct frame_pool *pool;
	uint64_t now;
	struct fm_host host[FM_HOSTS];
	struct fm_guest guest[FM_GUESTS];
	struct mac plain_knows[2][FM_GUESTS];
	unsigned plain_got;
	struct frame *wire[FM_WIRE];
	unsigned wire_from[FM_WIRE], head, tail;
	bool forged; /* somebody has lied: nothing is sure any more but what never may be */
} fm;

static struct ipaddr fm_addr(unsigned who, bool v6)
{
	unsigned subnet = who == FM_GUESTS ? 0 : fm.guest[who].subnet;
	struct ipaddr addr = {.family = v6 ? AF_INET6 : AF_INET};

	if (v6) {
		addr.bytes[0] = 0xfd;
		addr.bytes[1] = (uint8_t)(subnet + 2);
		addr.bytes[15] = (uint8_t)(who + 1);
	} else {
		addr.bytes[0] = 10;
		addr.bytes[1] = 1;
		addr.bytes[2] = (uint8_t)(subnet + 2);
		addr.bytes[3] = (uint8_t)(who + 1);
	}
	return addr;
}

static unsigned fm_who(const struct ipaddr *addr)
{
	for (unsigned i = 0; i < FM_ADDRS; i++) {
		struct ipaddr v4 = fm_addr(i, false), v6 = fm_addr(i, true);

		if (ipaddr_equal(addr, &v4) || ipaddr_equal(addr, &v6))
			return i;
	}
	return FM_ADDRS;
}

static unsigned fm_guest_of_mac(const struct mac *mac)
{
	unsigned i = 0;

	while (i < FM_GUESTS && !mac_equal(&fm.guest[i].mac, mac))
		i++;
	return i;
}

static unsigned fm_host_of_mac(const struct mac *mac)
{
	unsigned i = 0;

	while (i < FM_HOSTS && !mac_equal(&fm.host[i].mac, mac))
		i++;
	return i;
}

/* ---- the wire ---- */

static void fm_put(unsigned from, struct frame *frame)
{
	struct eth_header eth;

	FM_CHECK(frame_peek(frame, 0, sizeof(eth), &eth));
	FM_CHECK(mac_equal(&eth.src, &fm.host[from].mac));
	FM_CHECK(fm_guest_of_mac(&eth.dst) == FM_GUESTS || (from == FM_PLAIN && fm.forged));
	if (fm.tail - fm.head == FM_WIRE) {
		frame_free(frame);
		return;
	}
	fm.wire[fm.tail % FM_WIRE] = frame;
	fm.wire_from[fm.tail++ % FM_WIRE] = from;
}

static void fm_plain_receives(struct frame *frame);

static void fm_run_wire(void)
{
	for (unsigned steps = 0; fm.head != fm.tail && steps < 2000; steps++) {
		struct frame *frame = fm.wire[fm.head % FM_WIRE];
		unsigned from = fm.wire_from[fm.head++ % FM_WIRE];

		for (unsigned to = 0; to < FM_HOSTS; to++) {
			struct frame *copy = to == from ? NULL : frame_copy(frame);

			if (copy && to == FM_PLAIN)
				fm_plain_receives(copy);
			else if (copy)
				macrewrite_take(&fm.host[to].link, copy);
		}
		frame_free(frame);
	}
	while (fm.head != fm.tail)
		frame_free(fm.wire[fm.head++ % FM_WIRE]);
}

static void fm_send(struct macrewrite *m, struct frame *frame)
{
	struct fm_host *host = container_of(m->link, struct fm_host, link);

	fm_put((unsigned)(host - fm.host), frame);
}

/* ---- a switch ---- */

static void fm_guest_receives(unsigned who, struct frame *frame);

static void fm_learn(struct encap *encap, const struct mac *mac, const struct ipaddr *peer)
{
	struct macrewrite *m = encap->state;
	struct fm_host *host = container_of(m->link, struct fm_host, link);
	unsigned subnet = (unsigned)(m - host->m), guest = fm_guest_of_mac(mac);
	struct mac at;

	FM_CHECK(ipaddr_to_mac(peer, &at));
	if (guest == FM_GUESTS && mac_equal(mac, &fm.host[FM_PLAIN].mac))
		host->at[subnet][FM_GUESTS] = FM_PLAIN;
	else if (guest < FM_GUESTS)
		host->at[subnet][guest] = fm_host_of_mac(&at);
}

/* To guests of a subnet on a host, but for one. */
static void fm_flood(unsigned host, unsigned subnet, const struct frame *frame, unsigned but)
{
	struct mac dst;

	FM_CHECK(frame_peek(frame, 0, sizeof(dst), &dst));
	for (unsigned i = 0; i < FM_GUESTS; i++) {
		struct frame *copy;

		if (i == but || fm.guest[i].host != host || fm.guest[i].subnet != subnet ||
		    (!mac_is_group(&dst) && !mac_equal(&dst, &fm.guest[i].mac)))
			continue;
		copy = frame_copy(frame);
		if (copy)
			fm_guest_receives(i, copy);
	}
}

static void fm_deliver(struct macrewrite *m, struct frame *frame)
{
	struct fm_host *host = container_of(m->link, struct fm_host, link);
	unsigned subnet = (unsigned)(m - host->m);
	struct eth_header eth;

	FM_CHECK(frame_peek(frame, 0, sizeof(eth), &eth));
	FM_CHECK(fm_host_of_mac(&eth.src) >= FM_PLAIN || fm.forged);
	FM_CHECK(!macrewrite_is_group(&eth.dst));
	fm_learn(m->encap, &eth.src, &frame->peer);
	fm_flood((unsigned)(host - fm.host), subnet, frame, FM_GUESTS);
	frame_free(frame);
}

static void fm_push(unsigned at, unsigned subnet, struct frame *frame, const struct ipaddr *peer)
{
	struct macrewrite *m = &fm.host[at].m[subnet];
	struct eth_header eth;

	frame->peer = *peer;
	if (macrewrite_push(m->encap, frame) != REASON_NONE) {
		frame_free(frame);
		return;
	}
	eth = macrewrite_header(m, frame);
	FM_CHECK(fm_guest_of_mac(&eth.src) == FM_GUESTS);
	if (mac_equal(&eth.dst, &fm.host[at].mac)) {
		frame_free(frame);
		return;
	}
	if (mac_is_group(&eth.dst)) {
		macrewrite_note_question(m, frame);
		macrewrite_to_plain(m, frame);
	}
	FM_CHECK(frame_writable(frame));
	memcpy(frame->data, &eth, sizeof(eth));
	fm_put(at, frame);
}

/* The pipeline, in small. Takes the frame. */
static void fm_from_guest(unsigned who, struct frame *frame)
{
	static const struct ipaddr everybody;
	struct fm_guest *guest = &fm.guest[who];
	struct fm_host *host = &fm.host[guest->host];
	struct ipaddr peer = everybody;
	unsigned other, behind;
	struct mac dst;

	if (!frame_peek(frame, 0, sizeof(dst), &dst) || frame->len < ETH_HEADER_LEN ||
	    macrewrite_hear(&host->encap[guest->subnet], frame, who, false) != REASON_NONE) {
		frame_free(frame);
		return;
	}
	fm_flood(guest->host, guest->subnet, frame, who);
	other = mac_equal(&dst, &fm.host[FM_PLAIN].mac) ? FM_GUESTS : fm_guest_of_mac(&dst);
	if (other < FM_GUESTS && fm.guest[other].host == guest->host) {
		frame_free(frame);
		return;
	}
	behind =
	    mac_is_group(&dst) || (other == FM_GUESTS && !mac_equal(&dst, &fm.host[FM_PLAIN].mac))
		? FM_HOSTS
		: host->at[guest->subnet][other];
	if (macrewrite_is_stand_in(&dst))
		peer = ipaddr_of_mac(&host->mac);
	else if (behind < FM_HOSTS && behind != guest->host)
		peer = ipaddr_of_mac(&fm.host[behind].mac);
	fm_push(guest->host, guest->subnet, frame, &peer);
}

/* ---- stations ---- */

static struct frame *fm_packet(const struct mac *dst, const struct mac *src, unsigned from,
			       unsigned to, bool v6)
{
	struct frame *frame = frame_alloc(fm.pool, 128);
	struct eth_header eth = {*dst, *src, v6 ? htons(ETHERTYPE_IPV6) : htons(ETHERTYPE_IPV4)};
	struct ipaddr a = fm_addr(from, v6), b = fm_addr(to, v6);
	struct ipv4_header ip4 = {
	    .version_ihl = 0x45, .total_len = htons(40), .ttl = 64, .protocol = 253};
	struct ipv6_header ip6 = {.version_class_label = htonl(6u << 28),
				  .payload_len = htons(20),
				  .next_header = 253,
				  .hop_limit = 64};

	if (!frame)
		return NULL;
	memset(frame->data, 0, 128);
	memcpy(ip4.src, a.bytes, 4);
	memcpy(ip4.dst, b.bytes, 4);
	memcpy(ip6.src, a.bytes, 16);
	memcpy(ip6.dst, b.bytes, 16);
	memcpy(frame->data, &eth, sizeof(eth));
	if (v6)
		memcpy(frame->data + sizeof(eth), &ip6, sizeof(ip6));
	else
		memcpy(frame->data + sizeof(eth), &ip4, sizeof(ip4));
	frame->len = 14 + (v6 ? 60 : 40);
	return frame;
}

/* What a station does with a message; the answer, or NULL. */
static struct frame *fm_answer(const struct macrewrite_view *view, unsigned self,
			       const struct mac *mac, struct mac *knows_v4, struct mac *knows_v6)
{
	unsigned owner = fm_who(&view->msg.owner), asked = fm_who(&view->msg.asked);
	struct arp_nd answer;

	if (arp_nd_binds(&view->msg) && owner < FM_ADDRS && owner != self)
		(view->msg.owner.family == AF_INET6 ? knows_v6 : knows_v4)[owner] = view->msg.mac;
	if (view->msg.kind != ARP_ND_ASK || asked != self || owner == self)
		return NULL;
	arp_nd_answer(&answer, &view->msg, mac);
	return arp_nd_build(fm.pool, &answer);
}

static void fm_guest_receives(unsigned who, struct frame *frame)
{
	struct fm_guest *guest = &fm.guest[who];
	struct macrewrite_view view;
	struct frame *answer = NULL;

	if (macrewrite_look(frame, &view) == REASON_NONE) {
		unsigned from = fm_who(&view.src), to = fm_who(&view.dst);

		if (view.msg.kind != ARP_ND_NONE)
			answer =
			    fm_answer(&view, who, &guest->mac, guest->knows[0], guest->knows[1]);
		else if (from < FM_ADDRS && to == who) {
			FM_CHECK(from == FM_GUESTS
				     ? guest->subnet == 0 || fm.forged
				     : fm.guest[from].subnet == guest->subnet || fm.forged);
			guest->got[from]++;
		}
	}
	frame_free(frame);
	if (answer)
		fm_from_guest(who, answer);
}

/* An interface that filters nothing, as those of bridges. */
static void fm_plain_receives(struct frame *frame)
{
	const struct mac *mac = &fm.host[FM_PLAIN].mac;
	static struct mac none[2][FM_ADDRS];
	struct macrewrite_view view;
	struct frame *answer = NULL;
	uint16_t hardware = 0;
	uint8_t hops = 0;

	if (macrewrite_look(frame, &view) == REASON_NONE &&
	    (mac_is_group(&view.packet.eth.dst) || mac_equal(&view.packet.eth.dst, mac))) {
		(void)frame_peek(frame, 14, 2, &hardware);
		(void)frame_peek(frame, 14 + 7, 1, &hops);
		if (view.msg.kind != ARP_ND_NONE &&
		    (view.packet.ethertype == ETHERTYPE_ARP ? hardware == htons(1) : hops == 255)) {
			memcpy(none[0], fm.plain_knows[0], sizeof(fm.plain_knows[0]));
			memcpy(none[1], fm.plain_knows[1], sizeof(fm.plain_knows[1]));
			answer = fm_answer(&view, FM_GUESTS, mac, none[0], none[1]);
			memcpy(fm.plain_knows[0], none[0], sizeof(fm.plain_knows[0]));
			memcpy(fm.plain_knows[1], none[1], sizeof(fm.plain_knows[1]));
			for (unsigned i = 0; i < FM_GUESTS; i++)
				FM_CHECK(fm.forged ||
					 (fm_guest_of_mac(&fm.plain_knows[0][i]) == FM_GUESTS &&
					  fm_guest_of_mac(&fm.plain_knows[1][i]) == FM_GUESTS));
		} else if (fm_who(&view.dst) == FM_GUESTS) {
			fm.plain_got++;
		}
	}
	frame_free(frame);
	if (answer)
		fm_put(FM_PLAIN, answer);
}

/* Asks first where it does not know. */
static void fm_talk(unsigned from, unsigned to, bool v6)
{
	struct mac *knows =
	    from == FM_GUESTS ? &fm.plain_knows[v6][to] : &fm.guest[from].knows[v6][to];
	const struct mac *own = from == FM_GUESTS ? &fm.host[FM_PLAIN].mac : &fm.guest[from].mac;
	struct ipaddr source = fm_addr(from, v6), asked = fm_addr(to, v6);
	struct arp_nd question;
	struct frame *frame;

	if (mac_is_zero(knows)) {
		arp_nd_ask(&question, own, &source, &asked, NULL);
		frame = arp_nd_build(fm.pool, &question);
		if (frame && from == FM_GUESTS)
			fm_put(FM_PLAIN, frame);
		else if (frame)
			fm_from_guest(from, frame);
		fm_run_wire();
	}
	if (mac_is_zero(knows))
		return;
	frame = fm_packet(knows, own, from, to, v6);
	if (frame && from == FM_GUESTS)
		fm_put(FM_PLAIN, frame);
	else if (frame)
		fm_from_guest(from, frame);
	fm_run_wire();
}

static void fm_move(unsigned who, bool rarp)
{
	struct arp_nd msg;
	struct frame *frame;

	fm.guest[who].host = 1 - fm.guest[who].host;
	arp_nd_rarp(&msg, &fm.guest[who].mac);
	frame = rarp ? arp_nd_build(fm.pool, &msg) : NULL;
	if (frame)
		fm_from_guest(who, frame);
	fm_run_wire();
}

static void fm_pass_time(unsigned ms)
{
	for (unsigned i = 0; i < ms; i += 250) {
		fm.now += 250;
		for (unsigned h = 0; h < FM_PLAIN; h++)
			macrewrite_tick(&fm.host[h].link);
		fm_run_wire();
	}
}

/* ---- life ---- */

static void fm_host_begin(struct fm_host *host)
{
	static const struct neighbour_limits limits = {.max = 64};
	const struct hash_key key = {{1, 2}};

	host->host = (struct encap_host){
	    .pool = fm.pool, .now = &fm.now, .learn = fm_learn, .stray = host->stray};
	host->uplink =
	    (struct encap_uplink){.name = "lan", .mac = host->mac, .mtu = 1500, .up = true};
	host->link = (struct macrewrite_link){
	    .host = &host->host, .uplink = &host->uplink, .send = fm_send, .deliver = fm_deliver};
	host->link.bindings = neighbours_create(&key, 64, 32);
	FM_CHECK(host->link.bindings);
	list_init(&host->link.encaps);
	for (unsigned i = 0; i < FM_SUBNETS; i++) {
		struct macrewrite *m = &host->m[i];

		for (unsigned v6 = 0; v6 < 2; v6++) {
			struct ipprefix *prefix = &host->prefixes[i][v6];

			prefix->addr = (struct ipaddr){.family = v6 ? AF_INET6 : AF_INET};
			prefix->len = v6 ? 64 : 24;
			prefix->addr.bytes[0] = v6 ? 0xfd : 10;
			prefix->addr.bytes[1] = (uint8_t)(v6 ? i + 2 : 1);
			prefix->addr.bytes[2] = (uint8_t)(v6 ? 0 : i + 2);
		}
		host->conf[i] = (struct macrewrite_conf){.farm = 1, .subnet = i + 2};
		host->conf[i].prefixes.items = host->prefixes[i];
		host->conf[i].prefixes.count = 2;
		host->encap[i] = (struct encap){.ops = &macrewrite_ops,
						.host = &host->host,
						.uplink = &host->uplink,
						.state = m,
						.conf = &host->conf[i].common,
						.segment_name = "net"};
		*m = (struct macrewrite){.encap = &host->encap[i],
					 .conf = &host->conf[i],
					 .link = &host->link,
					 .number = (uint16_t)(i + 1)};
		macrewrite_configure(m);
		FM_CHECK(neighbours_segment_set(host->link.bindings, m->number, &limits) == 0);
		list_add_tail(&host->link.encaps, &m->by_link);
		for (unsigned a = 0; a < FM_ADDRS; a++)
			host->at[i][a] = FM_HOSTS;
	}
	FM_CHECK(macrewrite_table_update(&host->link.table, &host->link.encaps) == 0);
}

static void fm_begin(void)
{
	memset(&fm, 0, sizeof(fm));
	fm.now = 1000000;
	fm.pool = frame_pool_create(512, 2);
	FM_CHECK(fm.pool);
	for (unsigned i = 0; i < FM_HOSTS; i++) {
		fm.host[i].mac = (struct mac){{0x02, 0xaa, 0, 0, 0, (uint8_t)(i + 1)}};
		if (i != FM_PLAIN)
			fm_host_begin(&fm.host[i]);
	}
	for (unsigned i = 0; i < FM_GUESTS; i++) {
		fm.guest[i].host = i % 2;
		fm.guest[i].subnet = i / 4;
		fm.guest[i].mac = (struct mac){{0x52, 0x54, 0, 0, 0, (uint8_t)(i + 1)}};
	}
}

static void fm_end(void)
{
	while (fm.head != fm.tail)
		frame_free(fm.wire[fm.head++ % FM_WIRE]);
	for (unsigned i = 0; i < FM_PLAIN; i++) {
		neighbours_destroy(fm.host[i].link.bindings);
		macrewrite_table_clear(&fm.host[i].link.table);
	}
	frame_pool_destroy(fm.pool);
}

/* Everybody finds everybody, at the latest by asking anew a few times. */
static void fm_check_all_reach(void)
{
	fm_pass_time(5000);
	for (unsigned from = 0; from < FM_ADDRS; from++) {
		for (unsigned to = 0; to < FM_GUESTS; to++) {
			unsigned subnet = from == FM_GUESTS ? 0 : fm.guest[from].subnet, before;

			if (from == to || subnet != fm.guest[to].subnet)
				continue;
			for (unsigned v6 = 0; v6 < 2; v6++) {
				before = fm.guest[to].got[from];
				for (int i = 0; i < 5 && fm.guest[to].got[from] == before; i++) {
					if (i > 0 && from < FM_GUESTS)
						fm.guest[from].knows[v6][to] = (struct mac){{0}};
					else if (i > 0)
						fm.plain_knows[v6][to] = (struct mac){{0}};
					fm_talk(from, to, v6);
					fm_pass_time(1000);
				}
				FM_CHECK(fm.guest[to].got[from] > before);
			}
		}
	}
}

/* A frame whose addresses are of this farm, and whose rest is the input's. */
static void fm_forge(const uint8_t *data, size_t size, unsigned who)
{
	struct frame *frame = frame_alloc(fm.pool, size + ETH_HEADER_LEN);
	struct mac dst = data[0] & 1 ? fm.host[data[0] >> 1 & 1].mac
				     : macrewrite_group_mac(1, 2u + (data[0] >> 2 & 1));

	if (!frame)
		return;
	memcpy(frame->data + 2 * MAC_LEN, data, size);
	frame->len = (uint32_t)(size + 2 * MAC_LEN);
	if (who < FM_GUESTS) {
		memcpy(frame->data, data[0] & 2 ? &fm.guest[data[0] % FM_GUESTS].mac : &dst,
		       MAC_LEN);
		memcpy(frame->data + MAC_LEN, &fm.guest[who].mac, MAC_LEN);
		fm_from_guest(who, frame);
		fm_run_wire();
		return;
	}
	fm.forged = true;
	memcpy(frame->data, &dst, MAC_LEN);
	memcpy(frame->data + MAC_LEN, &fm.host[FM_PLAIN].mac, MAC_LEN);
	fm_put(FM_PLAIN, frame);
	fm_run_wire();
}

static void fm_run(const uint8_t *data, size_t size)
{
	fm_begin();
	while (size >= 3) {
		unsigned op = data[0] % 16, a = data[1] % FM_ADDRS, b = data[2] % FM_GUESTS;
		size_t n;

		data += 3;
		size -= 3;
		if (op < 8) {
			if (a != b)
				fm_talk(a, b, op & 1);
		} else if (op < 10) {
			fm_move(b, op & 1);
		} else if (op < 12) {
			fm_pass_time(op == 10 ? 1000 : 40000);
		} else if (op < 14 && a < FM_GUESTS) {
			fm_talk(b, FM_GUESTS, op & 1);
		} else if (op >= 14 && size > 0) {
			n = data[0] < size ? data[0] : size - 1;
			if (n > 1)
				fm_forge(data + 1, n, op == 14 ? b : FM_GUESTS);
			data += n + 1;
			size -= n + 1;
		}
	}
	if (!fm.forged)
		fm_check_all_reach();
	fm_end();
}

#endif
