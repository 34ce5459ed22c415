/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of dot1q backends, and sending: per uplink one packet socket, bound to
 * its interface, which shares it with the host's own stack. Frames are sent by
 * reference: their bytes are shared with other receivers and stay as they are.
 */
#include <errno.h>
#include <ev.h>
#include <jansson.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "encap/dot1q_io.h"
#include "encap/gso.h"
#include "lib/log.h"

LOG_MODULE("dot1q");

#define MACS_LEN (2u * MAC_LEN)

static struct list *links_of(const struct encap_host *host)
{
	return host->shared[ENCAP_DOT1Q];
}

/* ---- the kernel's filter ---- */

static bool attach(int fd, struct sock_filter *code, unsigned count)
{
	struct sock_fprog program = {.len = (unsigned short)count, .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0;
}

/* The most exact filter that the kernel takes: it has limits of length and memory. */
static int set_filter(void *arg, int fd)
{
	struct dot1q_link *link = arg;
	struct sock_filter *code = calloc(BPF_MAXINSNS, sizeof(*code));
	int kind = DOT1Q_FILTER_EXACT;

	if (!code)
		return -ENOMEM;
	for (; kind <= DOT1Q_FILTER_TAGS; kind++) {
		unsigned count =
		    dot1q_build_filter(&link->table, (enum dot1q_filter)kind, code, BPF_MAXINSNS);

		if (count && attach(fd, code, count))
			break;
	}
	free(code);
	if (kind > DOT1Q_FILTER_TAGS)
		return errno ? -errno : -EINVAL;
	link->filter = (enum dot1q_filter)kind;
	if (kind != DOT1Q_FILTER_EXACT && !link->unfiltered_reported)
		log_info("uplink %s: %u VLANs are too many for a kernel filter: filtering here",
			 link->uplink->name, link->table.count);
	link->unfiltered_reported = kind != DOT1Q_FILTER_EXACT;
	return 0;
}

static void on_filter_soon(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct dot1q_link *link = timer->data;
	int ret;

	(void)loop;
	(void)events;
	if (link->fd < 0)
		return;
	ret = set_filter(link, link->fd);
	if (ret < 0)
		log_limited(LOG_LEVEL_WARN, "uplink %s: cannot set the filter of VLANs: %s",
			    link->uplink->name, strerror(-ret));
}

void dot1q_filter_later(struct dot1q_link *link)
{
	if (!ev_is_active(&link->filter_soon)) {
		ev_timer_set(&link->filter_soon, 0., 0.);
		ev_timer_start(link->host->loop, &link->filter_soon);
	}
}

/* ---- the socket ---- */

/* Finds whose frame it is and takes the tags off. */
static void take(void *arg, struct frame *frame)
{
	struct dot1q_link *link = arg;
	struct dot1q *dot1q = dot1q_demux(&link->table, frame);
	enum reason reason;

	if (!dot1q) { /* another VLAN of the wire: no business of ours, and no drop */
		if (link->mrp && !frame->tag.tpid)
			(void)dot1q_mrp_receive(link, frame);
		frame_free(frame);
		return;
	}
	reason = dot1q->encap->ops->pop(dot1q->encap, frame);
	if (reason != REASON_NONE) {
		dot1q->encap->stats.rx_drops[reason]++;
		frame_free(frame);
		return;
	}
	frame->origin = &dot1q->encap->stats;
	packet_rx_add(link->rx, dot1q->encap, frame);
}

/* @syscall close */
static void socket_close(struct dot1q_link *link)
{
	packet_rx_stop(link->rx);
	link->rx = NULL;
	socket_disown(&link->own);
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
	link->ifindex = 0;
}

/*
 * Frames to guests have addresses that are not the interface's: promiscuous, which
 * most drivers take to turn off their own filter of VLANs as well.
 */
static int socket_open(struct dot1q_link *link, unsigned ifindex)
{
	const struct packet_mreq promiscuous = {.mr_ifindex = (int)ifindex,
						.mr_type = PACKET_MR_PROMISC};
	const struct packet_socket want = {
	    .ifindex = ifindex,
	    .set_filter = set_filter,
	    .arg = link,
	    .members = &promiscuous,
	    .member_count = 1,
	};
	const struct packet_receiver receiver = {
	    .host = link->host,
	    .kind = ENCAP_DOT1Q,
	    .uplink = link->uplink->name,
	    .take = take,
	    .arg = link,
	};
	int fd = packet_socket_open(&want);
	int ret;

	if (fd < 0)
		return fd;
	link->fd = fd;
	socket_own(link->host, &link->own, fd);
	ret = packet_rx_start(&link->rx, &receiver, fd);
	if (ret < 0)
		socket_close(link);
	else
		link->ifindex = ifindex;
	return ret;
}

/* Follows the uplink to another interface of its name. One that goes down and comes
 * up again keeps its sockets. */
static int link_update(struct dot1q_link *link)
{
	const struct encap_uplink *uplink = link->uplink;

	if (link->fd >= 0 && link->ifindex == uplink->ifindex)
		return 0;
	socket_close(link);
	return uplink->ifindex ? socket_open(link, uplink->ifindex) : 0;
}

static int link_follow(struct dot1q_link *link)
{
	int ret = link_update(link);

	dot1q_mrp_uplink(link);
	return ret;
}

void dot1q_uplink_changed(struct encap *encap)
{
	struct dot1q *dot1q = encap->state;
	int ret = link_follow(dot1q->link);

	if (ret == -ENODEV || ret == -ENXIO) /* gone again; another change will follow */
		return;
	if (ret < 0)
		log_limited(LOG_LEVEL_WARN, "uplink %s: no packet socket on %s: %s; waiting",
			    encap->uplink->name, encap->uplink->interface, strerror(-ret));
}

bool dot1q_ready(const struct encap *encap)
{
	const struct dot1q *dot1q = encap->state;

	return encap->uplink->up && dot1q->link->fd >= 0;
}

/* ---- sending ---- */

/* The MAC addresses, and the tags behind them. */
static unsigned write_head(const struct encap *encap, const struct frame *frame,
			   uint8_t head[ETH_HEADER_LEN + PACKET_TAIL_MAX])
{
	const struct dot1q *dot1q = encap->state;

	memcpy(head, frame->data, MACS_LEN);
	return MACS_LEN + dot1q_tags(dot1q->conf, frame, head + MACS_LEN);
}

void dot1q_send(struct encap *encap, struct frame_batch *batch)
{
	const struct dot1q *dot1q = encap->state;

	packet_send(encap, dot1q->link->fd, batch, MACS_LEN, write_head);
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
		host->shared[ENCAP_DOT1Q] = links;
	}
	return links;
}

static struct dot1q_link *link_get(struct encap_host *host, const struct encap_uplink *uplink)
{
	struct list *links = links_get(host);
	struct dot1q_link *link;

	if (!links)
		return NULL;
	list_for_each (links, it) {
		link = container_of(it, struct dot1q_link, link);
		if (link->uplink == uplink) {
			link->refs++;
			return link;
		}
	}
	link = calloc(1, sizeof(*link));
	if (!link)
		return NULL;
	link->host = host;
	link->uplink = uplink;
	link->fd = -1;
	link->refs = 1;
	ev_timer_init(&link->filter_soon, on_filter_soon, 0., 0.);
	link->filter_soon.data = link;
	list_add_tail(links, &link->link);
	return link;
}

static void link_put(struct dot1q_link *link)
{
	struct encap_host *host = link->host;
	struct list *links = links_of(host);

	if (--link->refs > 0)
		return;
	dot1q_mrp_close(link);
	socket_close(link);
	ev_timer_stop(host->loop, &link->filter_soon);
	list_del(&link->link);
	free(link);
	if (list_empty(links)) {
		host->shared[ENCAP_DOT1Q] = NULL;
		free(links);
	}
}

int dot1q_open(struct encap *encap, struct err *err)
{
	struct dot1q *dot1q = calloc(1, sizeof(*dot1q));
	int ret = -ENOMEM;

	if (!dot1q)
		goto fail;
	dot1q->encap = encap;
	dot1q->conf = (const struct dot1q_conf *)encap->conf;
	dot1q->link = link_get(encap->host, encap->uplink);
	if (!dot1q->link)
		goto fail_alloc;
	ret = dot1q_table_add(&dot1q->link->table, dot1q);
	if (ret < 0)
		goto fail_link;
	ret = dot1q_mrp_declare(dot1q, dot1q->conf);
	if (ret < 0)
		goto fail_table;
	ret = link_follow(dot1q->link);
	if (ret < 0 && ret != -ENODEV && ret != -ENXIO)
		goto fail_declared;
	dot1q_filter_later(dot1q->link);
	encap->state = dot1q;
	encap->clamp_mss = true;
	encap->oversize = OVERSIZE_CLIP;
	encap->lacks = packet_has_uso() ? 0 : OFFLOAD_USO;
	return 0;

fail_declared:
	dot1q_mrp_withdraw(dot1q);
fail_table:
	dot1q_table_del(&dot1q->link->table, dot1q);
fail_link:
	link_put(dot1q->link);
fail_alloc:
	free(dot1q);
fail:
	return err_set(err, -ret, "dot1q needs a packet socket: %s%s", strerror(-ret),
		       ret == -EPERM ? " (CAP_NET_RAW is missing)" : "");
}

/* Another VLAN is another network, in which others are. */
int dot1q_reconf(struct encap *encap, const struct encap_conf *common)
{
	const struct dot1q_conf *conf = (const struct dot1q_conf *)common;
	struct dot1q *dot1q = encap->state;

	if (conf->vid != dot1q->conf->vid || conf->outer_vid != dot1q->conf->outer_vid ||
	    conf->outer_tpid != dot1q->conf->outer_tpid)
		return ENCAP_RESTART;
	if (dot1q_declares(conf) != dot1q->declares && dot1q_mrp_declare(dot1q, conf) < 0)
		return ENCAP_RESTART;
	dot1q->conf = conf;
	return 0;
}

void dot1q_close(struct encap *encap)
{
	struct dot1q *dot1q = encap->state;

	dot1q_mrp_withdraw(dot1q);
	dot1q_table_del(&dot1q->link->table, dot1q);
	dot1q_filter_later(dot1q->link);
	link_put(dot1q->link);
	free(dot1q);
	encap->state = NULL;
}

void dot1q_show_io(const struct encap *encap, json_t *object)
{
	const struct dot1q *dot1q = encap->state;

	json_object_set_new(object, "kernel_filter",
			    json_boolean(dot1q->link->filter == DOT1Q_FILTER_EXACT));
}
