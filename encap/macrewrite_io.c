/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of subnets on an uplink: one packet socket for all of them, which shares
 * the interface with the host's own stack. That is kept from hearing of farms.
 */
#include <errno.h>
#include <jansson.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "encap/gso.h"
#include "encap/macrewrite.h"
#include "encap/packet_io.h"
#include "lib/log.h"

LOG_MODULE("macrewrite");

#define TICK	  0.25
#define SHOWN_MAX 1000u /* bindings that `encap show` lists */

static struct list *links_of(const struct encap_host *host)
{
	return host->shared[ENCAP_MACREWRITE];
}

/* ---- filters ---- */

/* @syscall setsockopt */
static int set_filter(void *arg, int fd)
{
	struct macrewrite_link *link = arg;
	struct sock_filter code[MACREWRITE_PROGRAM];
	struct sock_fprog program = {.filter = code};

	program.len =
	    (unsigned short)macrewrite_build_filter(&link->table, false, code, MACREWRITE_PROGRAM);
	if (program.len == 0)
		return -E2BIG;
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno
											   : 0;
}

/* Without it the host would route farms' packets and answer for them. */
static int hide(struct macrewrite_link *link, struct err *err)
{
	struct sock_filter code[MACREWRITE_PROGRAM];
	unsigned count;

	if (!link->host->hide)
		return 0;
	count = macrewrite_build_filter(&link->table, true, code, MACREWRITE_PROGRAM);
	if (count == 0)
		return err_set(err, E2BIG, "too many prefixes for a kernel filter");
	return link->host->hide(link->host, link->uplink, code, count, err);
}

static void show_again(struct macrewrite_link *link)
{
	struct err err;

	if (link->host->hide && link->ifindex && !link->host->handed_over)
		(void)link->host->hide(link->host, link->uplink, NULL, 0, &err);
}

static int update_filters(struct macrewrite_link *link)
{
	struct err err = {""};
	int ret = hide(link, &err);

	if (ret == 0)
		ret = set_filter(link, link->fd);
	if (ret < 0)
		log_limited(LOG_LEVEL_WARN, "uplink %s: cannot filter what is a farm's: %s",
			    link->uplink->name, err.text[0] ? err.text : strerror(-ret));
	return ret;
}

static void on_filter_soon(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct macrewrite_link *link = timer->data;

	(void)loop;
	(void)events;
	if (link->fd >= 0)
		(void)update_filters(link);
}

static void filter_later(struct macrewrite_link *link)
{
	if (!ev_is_active(&link->filter_soon)) {
		ev_timer_set(&link->filter_soon, 0., 0.);
		ev_timer_start(link->host->loop, &link->filter_soon);
	}
}

/* ---- time ---- */

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct macrewrite_link *link = timer->data;

	(void)events;
	macrewrite_tick(link);
	if (!neighbours_are_asked(link->bindings))
		ev_timer_stop(loop, timer);
}

void macrewrite_tick_soon(struct macrewrite_link *link)
{
	if (link->host->loop && !ev_is_active(&link->tick)) {
		ev_timer_set(&link->tick, TICK, TICK);
		ev_timer_start(link->host->loop, &link->tick);
	}
}

/* ---- frames ---- */

static void keep_for_later(struct macrewrite *m, struct frame *frame, bool farm)
{
	struct macrewrite_link *link = m->link;

	if (link->laters == MACREWRITE_LATER) {
		m->encap->stats.rx_drops[REASON_QUEUE_FULL]++;
		frame_free(frame);
		return;
	}
	link->later[link->laters].m = m;
	link->later[link->laters].frame = frame;
	link->later[link->laters++].farm = farm;
	if (!ev_is_active(&link->later_soon)) {
		ev_timer_set(&link->later_soon, 0., 0.);
		ev_timer_start(link->host->loop, &link->later_soon);
	}
}

static void deliver(struct macrewrite *m, struct frame *frame)
{
	if (!m->link->rx)
		frame_drop(frame, REASON_LINK_DOWN);
	else if (m->link->reading)
		packet_rx_add(m->link->rx, m->encap, frame);
	else
		keep_for_later(m, frame, false);
}

/* Hands over what is to be handed over outside of reading. */
static void on_later(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct macrewrite_link *link = timer->data;

	(void)loop;
	(void)events;
	link->reading = true;
	for (unsigned i = 0; i < link->laters; i++) {
		struct macrewrite *m = link->later[i].m;
		struct frame *frame = link->later[i].frame;

		if (link->later[i].farm) {
			macrewrite_to_farm(link, m, frame);
			frame_free(frame);
		} else {
			deliver(m, frame);
		}
	}
	link->laters = 0;
	link->reading = false;
	packet_rx_flush(link->rx);
}

/* A subnet goes. */
static void forget_later(const struct macrewrite *m)
{
	struct macrewrite_link *link = m->link;
	unsigned kept = 0;

	for (unsigned i = 0; i < link->laters; i++) {
		if (link->later[i].m == m)
			frame_free(link->later[i].frame);
		else
			link->later[kept++] = link->later[i];
	}
	link->laters = kept;
}

static void take(void *arg, struct frame *frame)
{
	struct macrewrite_link *link = arg;

	link->reading = true;
	macrewrite_take(link, frame);
	link->reading = false;
}

/* The Ethernet header: from us, to where push() has said. */
static unsigned write_head(const struct encap *encap, const struct frame *frame,
			   uint8_t head[ETH_HEADER_LEN + PACKET_TAIL_MAX])
{
	struct eth_header eth = macrewrite_header(encap->state, frame);

	memcpy(head, &eth, sizeof(eth));
	return sizeof(eth);
}

static void send_as_it_is(struct macrewrite *m, struct frame *frame)
{
	struct frame_batch batch = {.count = 1, .frame = {frame}};

	frame->peer = (struct ipaddr){.family = 0};
	packet_send(m->encap, m->link->fd, &batch, ETH_HEADER_LEN, write_head);
}

/* Whether it may be a question: little of what guests send is. */
static bool may_ask(const struct frame *frame)
{
	uint8_t type[2], next = 0;

	if (!frame_peek(frame, 2 * MAC_LEN, sizeof(type), type))
		return false;
	if (type[0] == ETHERTYPE_ARP >> 8 && type[1] == (ETHERTYPE_ARP & 0xff))
		return true;
	return type[0] == ETHERTYPE_IPV6 >> 8 && type[1] == (ETHERTYPE_IPV6 & 0xff) &&
	       frame_peek(frame, ETH_HEADER_LEN + 6, 1, &next) && next == IPPROTO_ICMPV6;
}

/* Other subnets of the farm may be here, too. */
static void tell_farm(struct macrewrite *m, const struct frame *frame)
{
	struct frame *clone;

	list_for_each (&m->link->encaps, it) {
		const struct macrewrite *other = container_of(it, struct macrewrite, by_link);

		if (other == m || !other->encap->routed ||
		    !mac_equal(&other->farm_group, &m->farm_group))
			continue;
		clone = frame_clone(frame);
		if (clone)
			keep_for_later(m, clone, true);
		return;
	}
}

/* What guests say to who asks them for the switch has been heard, and goes nowhere. */
void macrewrite_send(struct encap *encap, struct frame_batch *batch)
{
	const struct mac *own = &encap->uplink->mac;
	struct macrewrite *m = encap->state;
	unsigned kept = 0;

	for (unsigned i = 0; i < batch->count; i++) {
		struct frame *frame = batch->frame[i];
		struct mac to = {{0}};

		(void)ipaddr_to_mac(&frame->peer, &to);
		if (mac_equal(&to, own)) {
			frame_free(frame);
			continue;
		}
		if (mac_is_group(&to) && may_ask(frame))
			macrewrite_note_question(m, frame);
		if (mac_equal(&to, &m->farm_group))
			tell_farm(m, frame);
		if (mac_is_group(&to))
			macrewrite_to_plain(m, frame);
		batch->frame[kept++] = frame;
	}
	batch->count = kept;
	if (kept)
		packet_send(encap, m->link->fd, batch, ETH_HEADER_LEN, write_head);
}

bool macrewrite_ready(const struct encap *encap)
{
	const struct macrewrite *m = encap->state;

	return encap->uplink->up && m->link->fd >= 0 && !mac_is_zero(&encap->uplink->mac);
}

/* ---- the socket ---- */

/* @syscall close */
static void socket_close(struct macrewrite_link *link)
{
	show_again(link);
	packet_rx_stop(link->rx);
	link->rx = NULL;
	socket_disown(&link->own);
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
	link->ifindex = 0;
}

/*
 * Groups of the subnets, and those by which hosts without this software are asked for
 * IPv6 addresses: all of them, since guests' are many and come and go.
 */
static int socket_open(struct macrewrite_link *link, unsigned ifindex, struct err *err)
{
	const struct packet_mreq every_group = {.mr_ifindex = (int)ifindex,
						.mr_type = PACKET_MR_ALLMULTI};
	const struct packet_socket want = {
	    .ifindex = ifindex,
	    .set_filter = set_filter,
	    .arg = link,
	    .members = &every_group,
	    .member_count = 1,
	};
	const struct packet_receiver receiver = {
	    .host = link->host,
	    .kind = ENCAP_MACREWRITE,
	    .uplink = link->uplink->name,
	    .take = take,
	    .arg = link,
	};
	int ret = hide(link, err);
	int fd = ret < 0 ? ret : packet_socket_open(&want);

	link->ifindex = ifindex;
	if (fd < 0) {
		if (ret == 0)
			show_again(link);
		link->ifindex = 0;
		return fd;
	}
	link->fd = fd;
	socket_own(link->host, &link->own, fd);
	ret = packet_rx_start(&link->rx, &receiver, fd);
	if (ret < 0)
		socket_close(link);
	return ret;
}

/* Follows the uplink to another interface of its name. */
static int link_follow(struct macrewrite_link *link, struct err *err)
{
	const struct encap_uplink *uplink = link->uplink;

	if (link->fd >= 0 && link->ifindex == uplink->ifindex)
		return 0;
	socket_close(link);
	return uplink->ifindex ? socket_open(link, uplink->ifindex, err) : 0;
}

/* A host that has an address in a subnet would not hear its own packets any more. */
static int check_host(const struct macrewrite *m, struct err *err)
{
	const struct encap_uplink *uplink = m->encap->uplink;
	char text[ADDR_STRLEN];

	for (unsigned i = 0; i < uplink->prefixes; i++) {
		const struct ipaddr *addr = &uplink->prefix[i].addr;

		if (!macrewrite_is_link_local(addr) && macrewrite_has(m, addr))
			return err_set(err, EADDRINUSE,
				       "the host's own address %s is in the subnet's prefix",
				       ipaddr_format(addr, text));
	}
	return 0;
}

void macrewrite_uplink_changed(struct encap *encap)
{
	struct macrewrite *m = encap->state;
	struct err err = {""};
	int ret = link_follow(m->link, &err);

	if (ret == 0)
		ret = check_host(m, &err);
	if (ret == -EADDRINUSE) {
		log_limited(LOG_LEVEL_WARN, "segment %s: %s: it hears nothing that is for it",
			    encap->segment_name, err.text);
		ret = 0;
	}
	if (m->link->encaps.next == &m->by_link) /* once for all of them */
		macrewrite_tick(m->link);
	if (ret == 0 || ret == -ENODEV || ret == -ENXIO) /* gone again; another change follows */
		return;
	log_limited(LOG_LEVEL_WARN, "uplink %s: no packet socket on %s: %s; waiting",
		    encap->uplink->name, encap->uplink->interface,
		    err.text[0] ? err.text : strerror(-ret));
}

/* ---- life ---- */

static struct list *links_get(struct encap_host *host)
{
	struct list *links = links_of(host);

	if (!links) {
		links = calloc(1, sizeof(*links));
		if (!links)
			return NULL;
		list_init(links);
		host->shared[ENCAP_MACREWRITE] = links;
	}
	return links;
}

static struct macrewrite_link *link_create(struct encap_host *host, struct list *links,
					   const struct encap_uplink *uplink)
{
	struct macrewrite_link *link = calloc(1, sizeof(*link));
	struct hash_key key;

	if (!link)
		return NULL;
	hash_key_random(&key);
	link->bindings = neighbours_create(&key, MACREWRITE_BINDINGS, MACREWRITE_HELD);
	if (!link->bindings) {
		free(link);
		return NULL;
	}
	link->host = host;
	link->uplink = uplink;
	link->fd = -1;
	link->send = send_as_it_is;
	link->deliver = deliver;
	list_init(&link->encaps);
	ev_timer_init(&link->filter_soon, on_filter_soon, 0., 0.);
	ev_timer_init(&link->later_soon, on_later, 0., 0.);
	ev_timer_init(&link->tick, on_tick, TICK, TICK);
	link->filter_soon.data = link->tick.data = link->later_soon.data = link;
	list_add_tail(links, &link->link);
	return link;
}

static struct macrewrite_link *link_get(struct encap_host *host, const struct encap_uplink *uplink)
{
	struct list *links = links_get(host);
	struct macrewrite_link *link;

	if (!links)
		return NULL;
	list_for_each (links, it) {
		link = container_of(it, struct macrewrite_link, link);
		if (link->uplink == uplink) {
			link->refs++;
			return link;
		}
	}
	link = link_create(host, links, uplink);
	if (link)
		link->refs = 1;
	return link;
}

static void link_put(struct macrewrite_link *link)
{
	struct encap_host *host = link->host;
	struct list *links = links_of(host);

	if (--link->refs > 0)
		return;
	socket_close(link);
	ev_timer_stop(host->loop, &link->filter_soon);
	ev_timer_stop(host->loop, &link->tick);
	ev_timer_stop(host->loop, &link->later_soon);
	macrewrite_table_clear(&link->table);
	neighbours_destroy(link->bindings);
	list_del(&link->link);
	free(link);
	if (list_empty(links)) {
		host->shared[ENCAP_MACREWRITE] = NULL;
		free(links);
	}
}

static bool number_taken(const struct macrewrite_link *link, uint16_t number)
{
	list_for_each (&link->encaps, it) {
		if (container_of(it, struct macrewrite, by_link)->number == number)
			return true;
	}
	return false;
}

static int check_room(const struct macrewrite_link *link, struct err *err)
{
	struct sock_filter code[MACREWRITE_PROGRAM];

	if (macrewrite_build_filter(&link->table, true, code, MACREWRITE_PROGRAM) > 0 &&
	    macrewrite_build_filter(&link->table, false, code, MACREWRITE_PROGRAM) > 0)
		return 0;
	return err_set(err, E2BIG, "the uplink's prefixes are too many for a kernel filter");
}

/* Adds a subnet to its link. 0 or negative errno. */
static int join_link(struct macrewrite *m)
{
	static const struct neighbour_limits limits = {.max = MACREWRITE_SUBNET};
	struct macrewrite_link *link = m->link;
	int ret;

	m->number = 1;
	while (number_taken(link, m->number))
		m->number++;
	ret = neighbours_segment_set(link->bindings, m->number, &limits);
	if (ret < 0)
		return ret;
	list_add_tail(&link->encaps, &m->by_link);
	ret = macrewrite_table_update(&link->table, &link->encaps);
	if (ret < 0) {
		list_del(&m->by_link);
		neighbours_segment_del(link->bindings, m->number);
	}
	return ret;
}

static void leave_link(struct macrewrite *m)
{
	struct macrewrite_link *link = m->link;

	forget_later(m);
	list_del(&m->by_link);
	neighbours_segment_del(link->bindings, m->number);
	/* Without memory nobody may be found in the former one. */
	if (macrewrite_table_update(&link->table, &link->encaps) < 0)
		macrewrite_table_clear(&link->table);
	filter_later(link);
}

int macrewrite_open(struct encap *encap, struct err *err)
{
	struct macrewrite *m = calloc(1, sizeof(*m));
	struct err said = {""};
	int ret = -ENOMEM;

	if (!m)
		goto fail;
	m->encap = encap;
	m->conf = (const struct macrewrite_conf *)encap->conf;
	macrewrite_configure(m);
	m->link = link_get(encap->host, encap->uplink);
	if (!m->link)
		goto fail_alloc;
	ret = check_host(m, &said);
	if (ret == 0)
		ret = join_link(m);
	if (ret < 0)
		goto fail_link;
	ret = check_room(m->link, &said);
	if (ret == 0)
		ret = link_follow(m->link, &said);
	if (ret < 0 && ret != -ENODEV && ret != -ENXIO)
		goto fail_joined;
	filter_later(m->link);
	encap->state = m;
	encap->clamp_mss = false;
	encap->oversize = OVERSIZE_CLIP;
	encap->lacks = packet_has_uso() ? 0 : OFFLOAD_USO;
	return 0;

fail_joined:
	leave_link(m);
fail_link:
	link_put(m->link);
fail_alloc:
	free(m);
fail:
	if (said.text[0])
		return err_set(err, -ret, "macrewrite: %s", said.text);
	return err_set(err, -ret, "macrewrite needs a packet socket: %s%s", strerror(-ret),
		       ret == -EPERM ? " (CAP_NET_RAW is missing)" : "");
}

/* Another farm or subnet is another network, in which others are. */
int macrewrite_reconf(struct encap *encap, const struct encap_conf *common)
{
	const struct macrewrite_conf *conf = (const struct macrewrite_conf *)common;
	struct macrewrite *m = encap->state;
	struct macrewrite now = {.conf = conf};

	macrewrite_configure(&now);
	if (conf->farm != m->conf->farm || conf->subnet != m->conf->subnet ||
	    now.prefixes != m->prefixes || memcmp(now.prefix, m->prefix, sizeof(now.prefix)) != 0)
		return ENCAP_RESTART;
	m->conf = conf;
	return 0;
}

void macrewrite_close(struct encap *encap)
{
	struct macrewrite *m = encap->state;

	packet_rx_flush(m->link->rx);
	leave_link(m);
	link_put(m->link);
	free(m);
	encap->state = NULL;
}

/* ---- showing ---- */

static json_t *binding_json(const struct neighbour_info *info)
{
	char addr[ADDR_STRLEN], mac[MAC_STRLEN], host[MAC_STRLEN];
	bool known = info->state != NEIGHBOUR_INCOMPLETE;
	bool local = mac_is_zero(&info->where.host);

	return json_pack("{s:s, s:s?, s:s?, s:s, s:I}", "address", ipaddr_format(&info->addr, addr),
			 "mac", known ? mac_format(&info->where.mac, mac) : NULL, "host",
			 known && !local ? mac_format(&info->where.host, host) : NULL, "state",
			 neighbour_state_name(info->state), "age", (json_int_t)info->age_ms / 1000);
}

void macrewrite_show(const struct encap *encap, json_t *object)
{
	const struct macrewrite_conf *conf = (const struct macrewrite_conf *)encap->conf;
	const struct macrewrite *m = encap->state;
	const struct neighbours *table = m->link->bindings;
	struct neighbour_counters counters = neighbours_segment_counters(table, m->number);
	json_t *prefixes = json_array(), *bindings = json_array();
	struct neighbour_info list[32];
	char text[ADDR_STRLEN];
	uint32_t cursor = 0;
	size_t n;

	for (unsigned i = 0; i < m->prefixes; i++)
		json_array_append_new(prefixes, json_string(ipprefix_format(&m->prefix[i], text)));
	while ((n = neighbours_list(table, m->number, *encap->host->now, &cursor, list, 32)) > 0) {
		for (size_t i = 0; i < n && json_array_size(bindings) < SHOWN_MAX; i++)
			json_array_append_new(bindings, binding_json(&list[i]));
	}
	json_object_set_new(object, "farm", json_integer(conf->farm));
	json_object_set_new(object, "subnet", json_integer(conf->subnet));
	json_object_set_new(object, "prefix", prefixes);
	json_object_set_new(object, "group", json_string(mac_format(&m->group, text)));
	json_object_set_new(object, "bindings", bindings);
	json_object_set_new(object, "resolved", json_integer((json_int_t)counters.resolved));
	json_object_set_new(object, "moved", json_integer((json_int_t)counters.moved));
	json_object_set_new(object, "failed", json_integer((json_int_t)counters.failed));
}

size_t macrewrite_bindings(const struct encap *encap, uint32_t *cursor, struct neighbour_info *out,
			   size_t max)
{
	const struct macrewrite *m = encap->state;

	return neighbours_list(m->link->bindings, m->number, *encap->host->now, cursor, out, max);
}

size_t macrewrite_binding_count(const struct encap *encap, struct neighbour_counters *counters)
{
	const struct macrewrite *m = encap->state;

	*counters = neighbours_segment_counters(m->link->bindings, m->number);
	return neighbours_segment_count(m->link->bindings, m->number);
}
