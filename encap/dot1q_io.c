/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of dot1q backends, and sending: per uplink one packet socket, bound to
 * its interface, which shares it with the host's own stack. Frames are sent by
 * reference: their bytes are shared with other receivers and stay as they are.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <jansson.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "encap/dot1q_io.h"
#include "encap/gso.h"
#include "lib/log.h"
#include "lib/packet.h"
#include "lib/vnet.h"

LOG_MODULE("dot1q");

#define RX_BUFFER   (8 << 20)
#define TX_BUFFER   (16 << 20) /* a batch of superframes, as the kernel counts them */
#define TX_MESSAGES 64u
#define MACS_LEN    (2u * MAC_LEN)

/* Not in every libc's headers. */
#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

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
static int set_filter(struct dot1q_link *link, int fd)
{
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

/* @syscall setsockopt */
static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* A buffer beyond the system's limit needs a privilege that a user namespace lacks. */
static void set_buffer(int fd, int force, int plain, int bytes)
{
	if (set_int(fd, SOL_SOCKET, force, bytes) < 0)
		(void)set_int(fd, SOL_SOCKET, plain, bytes);
}

/*
 * Frames to guests have addresses that are not the interface's: promiscuous, which
 * most drivers take to turn off their own filter of VLANs as well. It ends with the
 * socket.
 */
static int set_promiscuous(int fd, unsigned ifindex)
{
	struct packet_mreq mreq = {.mr_ifindex = (int)ifindex, .mr_type = PACKET_MR_PROMISC};

	return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq, sizeof(mreq)) < 0 ? -errno
											  : 0;
}

/* @syscall bind */
static int socket_setup(struct dot1q_link *link, int fd, unsigned ifindex)
{
	struct sockaddr_ll ll = {
	    .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)ifindex};
	int ret = set_int(fd, SOL_PACKET, PACKET_VNET_HDR, 1);

	ret = ret ? ret : set_int(fd, SOL_PACKET, PACKET_AUXDATA, 1);
	ret = ret ? ret : set_int(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	ret = ret ? ret : set_filter(link, fd);
	ret = ret ? ret : set_promiscuous(fd, ifindex);
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, RX_BUFFER);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, TX_BUFFER);
	/* Not before here does it receive anything: it was made without a protocol. */
	if (ret == 0 && bind(fd, (struct sockaddr *)&ll, sizeof(ll)) < 0)
		ret = -errno;
	return ret;
}

/* @syscall socket close */
static void socket_close(struct dot1q_link *link)
{
	dot1q_rx_stop(link);
	socket_disown(&link->own);
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
	link->ifindex = 0;
}

static int socket_open(struct dot1q_link *link, unsigned ifindex)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int ret;

	if (fd < 0)
		return -errno;
	ret = socket_setup(link, fd, ifindex);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	link->fd = fd;
	socket_own(link->host, &link->own, fd);
	ret = dot1q_rx_start(link);
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

/* A frame on its way: header, addresses, tags, the rest, and padding. */
struct tx_message {
	struct vnet_header vnet;
	uint8_t tags[DOT1Q_TAGS_LEN];
	struct iovec iov[5];
};

struct tx_queue {
	struct mmsghdr msgs[TX_MESSAGES];
	struct tx_message message[TX_MESSAGES];
};

static void prepare(const struct dot1q_conf *conf, const struct frame *frame,
		    struct tx_message *message, struct msghdr *hdr)
{
	static uint8_t zeros[DOT1Q_FRAME_MIN];
	unsigned tags = dot1q_tags(conf, frame, message->tags);
	size_t len = frame->len + tags;
	unsigned n = 0;

	vnet_write(frame, tags, &message->vnet);
	message->iov[n++] = (struct iovec){&message->vnet, sizeof(message->vnet)};
	message->iov[n++] = (struct iovec){frame->data, MACS_LEN};
	message->iov[n++] = (struct iovec){message->tags, tags};
	message->iov[n++] = (struct iovec){frame->data + MACS_LEN, frame->len - MACS_LEN};
	if (len < DOT1Q_FRAME_MIN)
		message->iov[n++] = (struct iovec){zeros, DOT1Q_FRAME_MIN - len};
	memset(hdr, 0, sizeof(*hdr));
	hdr->msg_iov = message->iov;
	hdr->msg_iovlen = n;
}

/* @syscall sendmmsg */
static void flush(struct encap *encap, int fd, struct tx_queue *queue,
		  const struct frame_batch *batch)
{
	struct stats *stats = &encap->stats;
	unsigned done = 0;

	while (done < batch->count) {
		int n = sendmmsg(fd, queue->msgs + done, batch->count - done, 0);
		enum reason reason;

		for (int i = 0; i < n; i++)
			stats->tx_segments += offload_segments(batch->frame[done++]);
		if (n > 0 || errno == EINTR)
			continue;
		reason = errno == EINVAL ? REASON_BAD_OFFLOAD : reason_of_errno(errno);
		if (reason == REASON_LINK_DOWN)
			log_limited(LOG_LEVEL_INFO, "segment %s: sending: %s", encap->segment_name,
				    strerror(errno));
		if (reason == REASON_QUEUE_FULL) { /* no use in trying the rest */
			stats->tx_drops[reason] += batch->count - done;
			break;
		}
		stats->tx_drops[reason]++;
		done++;
	}
}

void dot1q_send(struct encap *encap, struct frame_batch *batch)
{
	static_assert(TX_MESSAGES == FRAME_BATCH_MAX, "a batch is sent at once");
	const struct dot1q *dot1q = encap->state;
	struct tx_queue queue;

	if (dot1q->link->fd < 0) {
		encap->stats.tx_drops[REASON_LINK_DOWN] += batch->count;
		frame_batch_free(batch);
		return;
	}
	for (unsigned i = 0; i < batch->count; i++)
		prepare(dot1q->conf, batch->frame[i], &queue.message[i], &queue.msgs[i].msg_hdr);
	flush(encap, dot1q->link->fd, &queue, batch);
	frame_batch_free(batch);
}

/* ---- life ---- */

/* Packet sockets take UDP superframes since Linux 6.2.
 * @syscall uname */
static bool kernel_has_uso(void)
{
	unsigned long major, minor = 0;
	struct utsname name;
	char *rest;

	if (uname(&name) < 0)
		return false;
	major = strtoul(name.release, &rest, 10);
	if (*rest == '.')
		minor = strtoul(rest + 1, NULL, 10);
	return major > 6 || (major == 6 && minor >= 2);
}

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
	encap->lacks = kernel_has_uso() ? 0 : OFFLOAD_USO;
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
