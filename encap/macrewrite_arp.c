/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine of ARP and neighbour discovery: which address is at which guest, behind
 * which host. It answers for local guests, asks hosts for guests whose packets come
 * from there, and local guests for themselves, keeps packets meanwhile, and tells
 * others when an address or a guest appears here.
 *
 * Between switches, messages carry guests' MACs inside, and hosts' outside. A host
 * without this software is known by saying the same inside and outside; it gets to see
 * hosts' MACs only. What a switch asks or says in that form is marked for others: in
 * ARP by the subnet's group as target, in neighbour discovery by a source that is the
 * link-local address of a stand-in.
 */
#include <arpa/inet.h>
#include <string.h>

#include "encap/macrewrite.h"

#define LOCAL_ACCOUNT	(1ull << 63) /* of what is asked for among guests here */
#define QUESTION_MS	5000u	     /* a question is remembered */
#define RETRY_MS	3000u	     /* what is asked again meanwhile has found nobody */
#define SAID_PER_SECOND 500u	     /* of each subnet: what others may cause */
#define LIST_CHUNK	32u

static uint64_t now_of(const struct macrewrite *m)
{
	return *m->encap->host->now;
}

static const struct mac *own_mac(const struct macrewrite *m)
{
	return &m->encap->uplink->mac;
}

/* Who answers for what a host has told. */
static uint64_t account_of(const struct mac *host)
{
	uint64_t account = 0;

	for (unsigned i = 0; i < MAC_LEN; i++)
		account = account << 8 | host->octet[i];
	return account;
}

static struct mac host_of(uint64_t account)
{
	struct mac host;

	for (unsigned i = MAC_LEN; i-- > 0; account >>= 8)
		host.octet[i] = (uint8_t)account;
	return host;
}

static bool may_say(struct macrewrite *m)
{
	uint64_t second = now_of(m) / 1000;

	if (m->said_in != second)
		m->said = 0;
	m->said_in = second;
	return m->said++ < SAID_PER_SECOND;
}

/* Builds a message and sends it as it is. */
static void say(struct macrewrite *m, const struct arp_nd *msg)
{
	struct frame *frame = arp_nd_build(m->encap->host->pool, msg);

	if (frame && macrewrite_is_group(&msg->eth_dst))
		(void)macrewrite_veil(frame); /* it is ours alone */
	if (frame)
		m->link->send(m, frame);
	else
		m->encap->stats.tx_drops[REASON_NO_BUFFER]++;
}

/* Hands a message of the switch itself to local guests. */
static void tell_guests(struct macrewrite *m, const struct arp_nd *msg, const struct mac *host)
{
	struct frame *frame = arp_nd_build(m->encap->host->pool, msg);

	if (!frame) {
		m->encap->stats.rx_drops[REASON_NO_BUFFER]++;
		return;
	}
	frame->peer = ipaddr_of_mac(host);
	frame->origin = &m->encap->stats;
	m->link->deliver(m, frame);
}

/* ---- asking ---- */

/* Puts a message into the form that hosts without this software understand. */
static void plain_form(const struct macrewrite *m, struct arp_nd *msg)
{
	const struct mac stand_in = macrewrite_stand_in(own_mac(m));

	msg->eth_src = msg->mac = *own_mac(m);
	if (msg->asked.family == AF_INET)
		msg->asked_mac = m->group;
	else
		msg->src = nd_link_local(&stand_in);
	if (msg->kind == ARP_ND_ASK && msg->asked.family == AF_INET6)
		msg->owner = msg->src;
}

static bool is_marked(const struct macrewrite *m, const struct arp_nd *msg)
{
	struct mac mac;

	if (msg->owner.family == AF_INET)
		return msg->kind == ARP_ND_ASK && mac_equal(&msg->asked_mac, &m->group);
	/* EUI-64 of a stand-in, RFC 4291 appendix A. */
	mac = (struct mac){{msg->src.bytes[8] ^ 2, msg->src.bytes[9], msg->src.bytes[10],
			    msg->src.bytes[13], msg->src.bytes[14], msg->src.bytes[15]}};
	return macrewrite_is_link_local(&msg->src) && macrewrite_is_stand_in(&mac);
}

/* The backwards request: who is it that sends packets with this source from there? */
static void ask_back(struct macrewrite *m, const struct ipaddr *addr, const struct mac *host)
{
	struct arp_nd msg;

	arp_nd_ask(&msg, own_mac(m), NULL, addr, host);
	plain_form(m, &msg);
	if (macrewrite_is_link_local(addr)) /* it does not say of which subnet it is */
		msg.eth_dst = m->group;
	say(m, &msg);
}

/* Asks guests here, or one alone. */
static void ask_guests(struct macrewrite *m, const struct ipaddr *addr, const struct mac *guest)
{
	const struct mac stand_in = macrewrite_stand_in(own_mac(m));
	struct arp_nd msg;

	arp_nd_ask(&msg, &stand_in, NULL, addr, guest);
	tell_guests(m, &msg, own_mac(m));
}

/* What a guest asks for again, nobody with this software has: asks all others. */
static void ask_plain_hosts(struct macrewrite *m, const struct macrewrite_question *question)
{
	bool nobody = ipaddr_is_unspecified(&question->by);
	struct arp_nd msg;

	arp_nd_ask(&msg, own_mac(m),
		   nobody || question->by.family == AF_INET6 ? NULL : &question->by,
		   &question->addr, NULL);
	plain_form(m, &msg);
	say(m, &msg);
}

static void note_question(struct macrewrite *m, const struct arp_nd *msg)
{
	struct macrewrite_question *question;
	struct neighbour_info info;

	if (msg->kind != ARP_ND_ASK || ipaddr_equal(&msg->asked, &msg->owner) ||
	    !macrewrite_has(m, &msg->asked))
		return;
	question = (struct macrewrite_question *)(uintptr_t)macrewrite_question(m, &msg->asked);
	if (!question || now_of(m) - question->when > RETRY_MS) {
		question = macrewrite_question_slot(m, &msg->asked);
		question->times = 0;
	}
	question->addr = msg->asked;
	question->by = msg->owner;
	question->mac = msg->eth_src;
	question->when = now_of(m);
	question->times++;
	if (question->times > 1 && !macrewrite_is_link_local(&msg->asked) &&
	    !(neighbours_info(m->link->bindings, m->number, &msg->asked, now_of(m), &info) &&
	      info.state != NEIGHBOUR_INCOMPLETE && mac_is_zero(&info.where.host)))
		ask_plain_hosts(m, question);
}

void macrewrite_note_question(struct macrewrite *m, const struct frame *frame)
{
	struct frame *copy = frame_copy(frame);
	struct macrewrite_view view;

	if (copy && macrewrite_unveil(copy) == REASON_NONE &&
	    macrewrite_look(copy, &view) == REASON_NONE)
		note_question(m, &view.msg);
	frame_free(copy);
}

/* ---- what is known ---- */

static void receive(struct macrewrite *m, struct frame *frame, const struct macrewrite_view *view);

/* Takes up again what has waited. */
static void go_on(struct macrewrite *m, struct frame_batch *released)
{
	for (unsigned i = 0; i < released->count; i++) {
		struct macrewrite_view view;

		(void)macrewrite_look(released->frame[i], &view); /* it was good before */
		receive(m, released->frame[i], &view);
	}
	released->count = 0;
}

/* Says to switches and to other hosts that an address is here. */
static void announce(struct macrewrite *m, const struct ipaddr *addr, const struct mac *mac)
{
	struct arp_nd msg;

	if (!may_say(m))
		return;
	arp_nd_announce(&msg, mac, addr);
	msg.eth_src = *own_mac(m);
	msg.eth_dst = m->group;
	say(m, &msg);
	if (macrewrite_is_link_local(addr))
		return;
	arp_nd_announce(&msg, own_mac(m), addr);
	plain_form(m, &msg);
	say(m, &msg);
}

/* A guest that has moved brings its addresses along. `host` zero: it is here now. */
static void move_station(struct macrewrite *m, const struct mac *mac, const struct mac *host,
			 uint32_t port)
{
	struct neighbour_info list[LIST_CHUNK];
	struct frame_batch released = {.count = 0};
	const struct neighbour_where where = {.mac = *mac, .host = *host, .port = port};
	bool here = mac_is_zero(host);
	uint32_t cursor = 0;
	size_t n;

	if (!may_say(m)) /* it takes a walk through all bindings */
		return;
	while ((n = neighbours_list(m->link->bindings, m->number, now_of(m), &cursor, list,
				    LIST_CHUNK)) > 0) {
		for (size_t i = 0; i < n; i++) {
			if (list[i].state == NEIGHBOUR_INCOMPLETE ||
			    !mac_equal(&list[i].where.mac, mac))
				continue;
			if (neighbours_heard(m->link->bindings, m->number, &list[i].addr, &where,
					     NEIGHBOUR_MAY_CREATE, here ? port : account_of(host),
					     now_of(m), &released) == NEIGHBOUR_MOVED &&
			    here)
				announce(m, &list[i].addr, mac);
		}
	}
	go_on(m, &released);
}

/* ---- what was known before ---- */

bool macrewrite_binding_restore(struct encap *encap, const struct neighbour_info *info)
{
	struct macrewrite *m = encap->state;
	struct neighbour_info known = *info;
	bool here = mac_is_zero(&info->where.host);

	if (!macrewrite_has(m, &info->addr) || macrewrite_is_gateway(m, &info->addr) ||
	    mac_equal(&info->where.host, own_mac(m)))
		return false;
	if (mac_equal(&info->where.mac, &info->where.host))
		macrewrite_note_plain(m, &info->where.host);
	known.holder = here ? info->where.port : account_of(&info->where.host);
	return neighbours_restore(m->link->bindings, m->number, &known, now_of(m));
}

/* ---- local guests ---- */

/* Whether what a guest says of itself is its own to say. */
static enum reason check_message(const struct macrewrite *m, const struct arp_nd *msg, bool arp)
{
	if (!mac_is_zero(&msg->mac) && !mac_equal(&msg->mac, &msg->eth_src))
		return REASON_GUARD_ARP;
	if (msg->kind == ARP_ND_RARP)
		return REASON_NONE;
	if (!ipaddr_is_unspecified(&msg->owner) &&
	    (!macrewrite_has(m, &msg->owner) || macrewrite_is_gateway(m, &msg->owner)))
		return REASON_GUARD_ARP;
	return arp && msg->kind == ARP_ND_ASK && !macrewrite_has(m, &msg->asked) ? REASON_GUARD_ARP
										 : REASON_NONE;
}

static enum reason check_source(const struct macrewrite *m, const struct macrewrite_view *view)
{
	if (ipaddr_is_unspecified(&view->src))
		return view->from_client ||
			       (view->src.family == AF_INET6 && ipaddr_is_multicast(&view->dst))
			   ? REASON_NONE
			   : REASON_GUARD_IP;
	return macrewrite_has(m, &view->src) && !macrewrite_is_gateway(m, &view->src)
		   ? REASON_NONE
		   : REASON_GUARD_IP;
}

enum reason macrewrite_hear(struct encap *encap, struct frame *frame, uint32_t port, bool dry)
{
	struct macrewrite *m = encap->state;
	struct frame_batch released = {.count = 0};
	struct macrewrite_view view;
	enum reason reason = macrewrite_look(frame, &view);
	const struct packet *packet = &view.packet;
	struct neighbour_where where = {.mac = packet->eth.src, .port = port};
	const struct ipaddr *addr = &view.src;
	enum neighbour_news news;

	if (reason == REASON_BAD_HEADER)
		return packet->ip_version || packet->ethertype == ETHERTYPE_ARP ? REASON_GUARD_ARP
										: REASON_NOT_IP;
	if (reason != REASON_NONE)
		return reason;
	if (macrewrite_is_stand_in(&packet->eth.src) || mac_equal(&packet->eth.src, own_mac(m)))
		return REASON_GUARD_MAC;
	if (view.msg.kind != ARP_ND_NONE)
		reason = check_message(m, &view.msg, packet->ethertype == ETHERTYPE_ARP);
	if (reason == REASON_NONE && view.src.family)
		reason = check_source(m, &view);
	if (reason != REASON_NONE || dry)
		return reason;
	if (view.msg.kind == ARP_ND_RARP) {
		move_station(m, &packet->eth.src, &where.host, port);
		return REASON_NONE;
	}
	if (arp_nd_binds(&view.msg))
		addr = &view.msg.owner;
	else if (view.msg.kind != ARP_ND_NONE && !view.src.family)
		return REASON_NONE;
	if (ipaddr_is_unspecified(addr))
		return REASON_NONE;
	news = neighbours_heard(m->link->bindings, m->number, addr, &where, NEIGHBOUR_MAY_CREATE,
				port, now_of(m), &released);
	if (news == NEIGHBOUR_NEW || news == NEIGHBOUR_MOVED)
		announce(m, addr, &where.mac);
	go_on(m, &released);
	return REASON_NONE;
}

/* ---- messages from the wire ---- */

/* Confirms what was not for a while. */
static void confirm(struct macrewrite *m, const struct ipaddr *addr, uint64_t account)
{
	struct neighbour_where where;

	if (neighbours_use(m->link->bindings, m->number, addr, account, NULL, &where, now_of(m)) !=
	    NEIGHBOUR_SEND_ASK)
		return;
	if (mac_is_zero(&where.host))
		ask_guests(m, addr, &where.mac);
	else
		ask_back(m, addr, &where.host);
	macrewrite_tick_soon(m->link);
}

static bool is_local(const struct macrewrite *m, const struct ipaddr *addr,
		     struct neighbour_info *info, bool *known)
{
	*known = neighbours_info(m->link->bindings, m->number, addr, now_of(m), info) &&
		 info->state != NEIGHBOUR_INCOMPLETE;
	return *known && mac_is_zero(&info->where.host);
}

/* For a guest that is here; each gets the form that it asked in. */
static void answer_for(struct macrewrite *m, const struct arp_nd *question, const struct mac *guest,
		       bool plain)
{
	struct arp_nd msg;

	arp_nd_answer(&msg, question, plain ? own_mac(m) : guest);
	msg.eth_src = *own_mac(m);
	if (!plain && (mac_is_group(&msg.eth_dst) || macrewrite_is_link_local(&question->asked)))
		msg.eth_dst = m->group;
	say(m, &msg);
}

/* Whether nothing of it is left for guests. */
static bool hear_question(struct macrewrite *m, const struct macrewrite_view *view, bool plain,
			  bool marked)
{
	const struct arp_nd *msg = &view->msg;
	struct neighbour_where where;
	struct neighbour_info info;
	bool known;

	if (marked && mac_is_group(&msg->eth_dst) && !macrewrite_is_group(&msg->eth_dst))
		return true; /* for plain hosts: we were told by the group */
	if (ipaddr_equal(&msg->asked, &msg->owner))
		return false; /* an announcement, which corrects what guests know */
	if (is_local(m, &msg->asked, &info, &known)) {
		answer_for(m, msg, &info.where.mac, plain);
		if (info.state == NEIGHBOUR_STALE)
			confirm(m, &msg->asked, LOCAL_ACCOUNT | account_of(&msg->eth_src));
		return true;
	}
	if (!marked)
		return false;
	if (known) {
		/* Who asks does not have it, whatever is known here. */
		if (mac_equal(&info.where.host, &msg->eth_src) && may_say(m))
			ask_guests(m, &msg->asked, NULL);
		return true;
	}
	if (neighbours_use(m->link->bindings, m->number, &msg->asked,
			   LOCAL_ACCOUNT | account_of(&msg->eth_src), NULL, &where,
			   now_of(m)) == NEIGHBOUR_WAIT_ASK) {
		ask_guests(m, &msg->asked, NULL);
		macrewrite_tick_soon(m->link);
	}
	return true;
}

static bool hear_answer(struct macrewrite *m, const struct macrewrite_view *view, bool plain)
{
	const struct mac stand_in = macrewrite_stand_in(own_mac(m));
	const struct ipaddr own = nd_link_local(&stand_in);
	const struct macrewrite_question *question;
	const struct arp_nd *msg = &view->msg;
	struct arp_nd asked, told;

	question = macrewrite_question(m, &msg->owner);
	if (question && now_of(m) - question->when > QUESTION_MS)
		question = NULL;
	if (plain && question) {
		/* It has answered our question: that was for a guest. */
		arp_nd_ask(&asked, &question->mac, &question->by, &question->addr, NULL);
		arp_nd_answer(&told, &asked, &msg->mac);
		tell_guests(m, &told, &msg->eth_src);
		return true;
	}
	return ipaddr_equal(&msg->asked, &own) ||
	       (ipaddr_is_unspecified(&msg->asked) && mac_equal(&msg->asked_mac, own_mac(m)));
}

/* What a message says of its sender. */
static void hear_owner(struct macrewrite *m, const struct arp_nd *msg)
{
	const struct neighbour_where where = {.mac = msg->mac, .host = msg->eth_src};
	const struct ipaddr peer = ipaddr_of_mac(&msg->eth_src);
	struct frame_batch released = {.count = 0};

	(void)neighbours_heard(m->link->bindings, m->number, &msg->owner, &where,
			       NEIGHBOUR_MAY_CREATE, account_of(&msg->eth_src), now_of(m),
			       &released);
	if (mac_equal(&msg->mac, &msg->eth_src))
		macrewrite_note_plain(m, &msg->eth_src);
	if (m->encap->host->learn)
		m->encap->host->learn(m->encap, &msg->mac, &peer);
	go_on(m, &released);
}

/* REASON_NONE with *done: nothing of it is left for guests. */
static enum reason hear_message(struct macrewrite *m, const struct macrewrite_view *view,
				bool *done)
{
	const struct arp_nd *msg = &view->msg;
	bool marked, plain = mac_equal(&msg->mac, &msg->eth_src);

	*done = false;
	if (mac_equal(&msg->mac, own_mac(m)))
		return REASON_BAD_HEADER;
	if (msg->kind == ARP_ND_RARP) {
		if (plain)
			return REASON_NOT_IP; /* nobody of ours */
		move_station(m, &msg->mac, &msg->eth_src, 0);
		return REASON_NONE;
	}
	marked = is_marked(m, msg);
	if (!ipaddr_is_unspecified(&msg->owner) && !macrewrite_has(m, &msg->owner))
		return REASON_FOREIGN_SOURCE;
	if (msg->kind == ARP_ND_ASK && !macrewrite_has(m, &msg->asked))
		return REASON_NOT_HERE;
	if (macrewrite_is_gateway(m, &msg->owner))
		return REASON_GUARD_ARP;
	if (!marked && arp_nd_binds(msg))
		hear_owner(m, msg);
	if (msg->kind == ARP_ND_ASK)
		*done = hear_question(m, view, plain && !marked, marked);
	else
		*done = marked || hear_answer(m, view, plain);
	return REASON_NONE;
}

/* ---- frames from the wire ---- */

static void drop(struct macrewrite *m, struct frame *frame, enum reason reason)
{
	frame->origin = &m->encap->stats;
	frame_drop(frame, reason);
}

/* Whether the frame waits now, or was dropped because it cannot. */
static bool wait_for(struct macrewrite *m, struct frame *frame, const struct ipaddr *addr,
		     const struct mac *host, bool local)
{
	uint64_t account = account_of(host) | (local ? LOCAL_ACCOUNT : 0);
	struct neighbour_where where;

	switch (
	    neighbours_use(m->link->bindings, m->number, addr, account, frame, &where, now_of(m))) {
	case NEIGHBOUR_WAIT_ASK:
		if (!may_say(m))
			; /* too many at once: the second question will be the first */
		else if (local)
			ask_guests(m, addr, NULL);
		else
			ask_back(m, addr, host);
		macrewrite_tick_soon(m->link);
		return true;
	case NEIGHBOUR_WAIT:
		return true;
	default:
		drop(m, frame, REASON_NO_BINDING);
		return true;
	}
}

/* Whether a host that need not be told anything believes an address to be here that is known to
 * be elsewhere. It may be right: a guest that has moved here and was not heard yet. */
static bool may_have_come(const struct macrewrite *m, const struct macrewrite_view *view)
{
	struct neighbour_info info;

	return view->msg.kind == ARP_ND_NONE && mac_equal(&view->packet.eth.dst, own_mac(m)) &&
	       neighbours_info(m->link->bindings, m->number, &view->dst, now_of(m), &info) &&
	       info.state != NEIGHBOUR_INCOMPLETE && !mac_is_zero(&info.where.host);
}

static void receive(struct macrewrite *m, struct frame *frame, const struct macrewrite_view *view)
{
	const struct mac *host = &view->packet.eth.src;
	enum reason reason = REASON_NONE;
	struct macrewrite_ends ends;
	bool done = false;

	frame->origin = &m->encap->stats;
	if (view->msg.kind != ARP_ND_NONE)
		reason = hear_message(m, view, &done);
	if (done) {
		frame_free(frame);
		return;
	}
	if (reason == REASON_NONE)
		reason = macrewrite_ends(m, view, &ends);
	if (reason == REASON_NOT_HERE && may_have_come(m, view) && may_say(m))
		ask_guests(m, &view->dst, NULL);
	if (reason != REASON_NONE) {
		drop(m, frame, reason);
		return;
	}
	if (ends.moved) {
		/* Nobody has said that it did: ask who sends, and believe the answer. */
		if (may_say(m))
			ask_back(m, &view->src, host);
		drop(m, frame, REASON_NO_BINDING);
		return;
	}
	if (ends.sent_away) { /* so it is not there: perhaps it is here */
		if (may_say(m))
			ask_guests(m, &view->dst, NULL);
		drop(m, frame, REASON_NO_BINDING);
		return;
	}
	if (ends.ask_src && wait_for(m, frame, &view->src, host, false))
		return;
	if (ends.ask_dst && wait_for(m, frame, &view->dst, host, true))
		return;
	if (ends.stale_src)
		confirm(m, &view->src, account_of(host));
	if (ends.stale_dst)
		confirm(m, &view->dst, LOCAL_ACCOUNT | account_of(host));
	reason = macrewrite_rewrite(m, frame, view, &ends);
	if (reason != REASON_NONE)
		drop(m, frame, reason);
	else
		m->link->deliver(m, frame);
}

void macrewrite_to_farm(struct macrewrite_link *link, const struct macrewrite *from,
			const struct frame *frame)
{
	list_for_each (&link->encaps, it) {
		struct macrewrite *m = container_of(it, struct macrewrite, by_link);
		struct macrewrite_view view;
		struct eth_header eth;
		struct frame *copy;

		if (m == from || !m->encap->routed || !mac_equal(&m->farm_group, &from->farm_group))
			continue;
		copy = frame_copy(frame);
		if (!copy) {
			m->encap->stats.rx_drops[REASON_NO_BUFFER]++;
			continue;
		}
		eth = macrewrite_header(from, copy);
		memcpy(copy->data, &eth, sizeof(eth));
		/* It passes a gateway, which judges it next. */
		if (macrewrite_look(copy, &view) == REASON_NONE &&
		    packet_hop(copy, &view.packet) == REASON_NONE)
			receive(m, copy, &view);
		else
			drop(m, copy, REASON_TTL);
	}
}

void macrewrite_take(struct macrewrite_link *link, struct frame *frame)
{
	enum reason reason = REASON_NONE;
	struct macrewrite_view view;
	struct macrewrite *m = NULL;
	struct mac dst;

	if (frame_peek(frame, 0, sizeof(dst), &dst) && macrewrite_is_group(&dst))
		reason = macrewrite_unveil(frame);
	if (reason == REASON_NONE)
		reason = macrewrite_look(frame, &view);
	if (reason != REASON_NONE)
		link->host->stray[ENCAP_MACREWRITE].rx_drops[reason]++;
	else if (!mac_equal(&view.packet.eth.src, &link->uplink->mac) &&
		 !mac_is_group(&view.packet.eth.src) &&
		 (mac_is_group(&dst) || mac_equal(&dst, &link->uplink->mac)))
		m = macrewrite_demux(&link->table, &view);
	if (m && mac_equal(&dst, &m->farm_group))
		macrewrite_to_farm(link, m, frame);
	if (m)
		receive(m, frame, &view);
	else
		frame_free(frame); /* nobody's here */
}

/* ---- time ---- */

static struct macrewrite *of_number(const struct macrewrite_link *link, uint16_t number)
{
	list_for_each (&link->encaps, it) {
		struct macrewrite *m = container_of(it, struct macrewrite, by_link);

		if (m->number == number)
			return m;
	}
	return NULL;
}

void macrewrite_tick(struct macrewrite_link *link)
{
	struct frame_batch released = {.count = 0};
	struct neighbour_due due;

	while (neighbours_tick(link->bindings, *link->host->now, &due, &released)) {
		struct macrewrite *m = of_number(link, due.segment);
		const struct mac host = host_of(due.holder);

		frame_batch_drop(&released, REASON_NO_BINDING);
		if (due.failed || !m)
			continue;
		if (due.alone && mac_is_zero(&due.where.host))
			ask_guests(m, &due.addr, &due.where.mac);
		else if (due.alone)
			ask_back(m, &due.addr, &due.where.host);
		else if (due.holder & LOCAL_ACCOUNT)
			ask_guests(m, &due.addr, NULL);
		else
			ask_back(m, &due.addr, &host);
	}
}
