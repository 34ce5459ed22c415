/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/port/netdev.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <jansson.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "encap/gso.h"
#include "lib/revive.h"
#include "lib/vnet.h"
#include "switchd/port/rx.h"
#include "switchd/rtnl.h"
#include "switchd/shield.h"

#define HEADER_LEN sizeof(struct vnet_header)
#define MACS_LEN   12u

static_assert(HEADER_LEN <= FRAME_HEADROOM, "the virtio-net header is read into the headroom");

/* A burst of superframes has to fit until its turn comes. */
#define SOCKET_BUFFER (4 << 20)

struct netdev {
	struct port *port;
	ev_io io;
	int fd;
	struct port_rx_pace pace;
	unsigned mtu; /* the interface's, for `port show` */
	bool doubt;   /* the socket has said that the interface went down */
};

/* clang-format off */
static const struct conf_key netdev_keys[] = {
	PORT_COMMON_KEYS(struct netdev_conf),
	{.name = "interface", .type = CONF_STRING, .offset = offsetof(struct netdev_conf, interface), .required = true},
	{.name = "ifindex", .type = CONF_INT, .offset = offsetof(struct netdev_conf, ifindex), .min = 0, .max = INT32_MAX},
	{.name = "take", .type = CONF_BOOL, .offset = offsetof(struct netdev_conf, take)},
	{.name = NULL},
};
/* clang-format on */

static const struct conf_schema netdev_schema = {
    .kind = "netdev",
    .size = sizeof(struct netdev_conf),
    .keys = netdev_keys,
};

static const struct netdev_conf *conf_of(const struct port_conf *conf)
{
	return (const struct netdev_conf *)conf;
}

static int netdev_check(const struct port_conf *common, struct err *err)
{
	const struct netdev_conf *conf = conf_of(common);
	const char *star = strchr(conf->interface, '*');

	if (star && conf->ifindex) {
		conf_fail(conf, err,
			  "port \"%s\": key \"ifindex\" is for one interface, not for a wildcard",
			  common->name);
		return -EINVAL;
	}
	if (port_ifname_ok(conf->interface) &&
	    (!star || (star != conf->interface && star[1] == '\0')))
		return 0;
	conf_fail(conf, err,
		  "port \"%s\": key \"interface\": \"%s\" is neither the name of an interface nor "
		  "the beginning of one with a '*' behind it",
		  common->name, conf->interface);
	return -EINVAL;
}

/* The same interface, or two wildcards of which one covers the other. An interface
 * that has a port of its own is not a wildcard's: that is no conflict. Nor is one that
 * was made anew in another's name, where both ports say which of the two they mean. */
static bool netdev_conflict(const struct port_conf *a, const struct port_conf *b)
{
	const char *one = conf_of(a)->interface, *two = conf_of(b)->interface;
	size_t one_len = strcspn(one, "*"), two_len = strcspn(two, "*");

	if (one[one_len] && two[two_len])
		return strncmp(one, two, one_len < two_len ? one_len : two_len) == 0;
	if (conf_of(a)->ifindex && conf_of(b)->ifindex &&
	    conf_of(a)->ifindex != conf_of(b)->ifindex)
		return false;
	return strcmp(one, two) == 0;
}

/* Names of interfaces are given again, numbers are not. */
static bool netdev_wants(const struct port_conf *conf, const struct rtnl_link *link)
{
	return !conf_of(conf)->ifindex || conf_of(conf)->ifindex == link->ifindex;
}

static const char *netdev_interface(const struct port_conf *conf)
{
	return conf_of(conf)->interface;
}

static int netdev_set_interface(struct port_conf *common, const char *ifname)
{
	struct netdev_conf *conf = (struct netdev_conf *)common;
	char *copy = strdup(ifname);

	if (!copy)
		return -ENOMEM;
	free(conf->interface);
	conf->interface = copy;
	return 0;
}

/* ---- receiving ---- */

/* The tag that the kernel took out of the bytes. */
static void read_tag(struct msghdr *msg, struct frame *frame)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA ||
		    c->cmsg_len < CMSG_LEN(sizeof(aux)))
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
			continue;
		frame->tag.tci = aux.tp_vlan_tci;
		frame->tag.tpid =
		    (aux.tp_status & TP_STATUS_VLAN_TPID_VALID) ? aux.tp_vlan_tpid : ETH_P_8021Q;
	}
}

/* Puts what came into the batch. */
static void take(struct port *port, struct port_rx *rx, unsigned i, struct frame_batch *batch)
{
	struct frame *frame = port_rx_take(rx, i);
	enum reason reason = REASON_NONE;

	frame->origin = &port->stats;
	if (rx->hdr[i].msg_hdr.msg_flags & MSG_TRUNC)
		reason = REASON_TOO_LONG;
	else if (rx->hdr[i].msg_len < HEADER_LEN)
		reason = REASON_TOO_SHORT;
	else if (!vnet_read(frame->data - HEADER_LEN, frame))
		reason = REASON_BAD_OFFLOAD;
	if (reason != REASON_NONE) {
		port->stats.rx_frames++;
		frame_drop(frame, reason);
		return;
	}
	read_tag(&rx->hdr[i].msg_hdr, frame);
	frame_batch_add(batch, frame);
}

/* What the kernel could not keep for us, because we were too slow. */
static void count_missed(struct netdev *netdev)
{
	struct tpacket_stats stats;
	socklen_t len = sizeof(stats);

	/* @syscall getsockopt */
	if (getsockopt(netdev->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) == 0)
		netdev->port->stats.rx_drops[REASON_QUEUE_FULL] += stats.tp_drops;
}

/* Reads once; whether there may be more. */
static bool receive(struct netdev *netdev, struct frame_batch *batch)
{
	struct port *port = netdev->port;
	struct port_rx rx;
	int n = port_rx_read(&rx, netdev->fd, port->host->pool, &netdev->pace, HEADER_LEN,
			     FRAME_BATCH_MAX - batch->count);

	/* The kernel gives up on a frame whose offloads no header can express. */
	if (n == -ENETDOWN)
		netdev->doubt = true;
	if (n == -EINVAL) {
		port->stats.rx_frames++;
		port->stats.rx_drops[REASON_BAD_OFFLOAD]++;
		return true;
	}
	for (int i = 0; i < n; i++)
		take(port, &rx, (unsigned)i, batch);
	return netdev->pace.more;
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct netdev *netdev = io->data;
	struct port *port = netdev->port;
	struct frame_batch batch = {.count = 0};
	unsigned segments = 0;
	size_t bytes = 0;
	bool more = true;

	revive(loop, io, events);
	/* ENETDOWN is read once; netlink tells the rest, and later. */
	for (unsigned tries = 0; more && tries < FRAME_BATCH_MAX && !frame_batch_full(&batch) &&
				 segments < PORT_READ_SEGMENTS && bytes < FRAME_TURN_BYTES;
	     tries++) {
		unsigned before = batch.count;

		more = receive(netdev, &batch);
		for (unsigned i = before; i < batch.count; i++) {
			segments += offload_segments(batch.frame[i]);
			bytes += batch.frame[i]->len;
		}
	}
	if (more)
		count_missed(netdev);
	if (batch.count)
		port->host->receive(port, &batch);
}

/* ---- sending ---- */

struct tx {
	struct vnet_header header[FRAME_BATCH_MAX];
	uint16_t tag[FRAME_BATCH_MAX][2];
	struct iovec iov[FRAME_BATCH_MAX][4];
	struct mmsghdr msg[FRAME_BATCH_MAX];
};

/* A tag beside the bytes is put among them on the way out. */
static void put(struct tx *tx, unsigned i, const struct frame *frame)
{
	bool tagged = frame->tag.tpid && frame->len >= MACS_LEN;
	struct iovec *iov = tx->iov[i];
	size_t n = 0, at = 0;

	vnet_write(frame, tagged ? VLAN_TAG_LEN : 0, &tx->header[i]);
	iov[n++] = (struct iovec){&tx->header[i], HEADER_LEN};
	if (tagged) {
		tx->tag[i][0] = htons(frame->tag.tpid);
		tx->tag[i][1] = htons(frame->tag.tci);
		iov[n++] = (struct iovec){frame->data, MACS_LEN};
		iov[n++] = (struct iovec){tx->tag[i], VLAN_TAG_LEN};
		at = MACS_LEN;
	}
	iov[n++] = (struct iovec){frame->data + at, frame->len - at};
	tx->msg[i].msg_hdr = (struct msghdr){.msg_iov = iov, .msg_iovlen = n};
}

/* Why the kernel did not take this frame. */
static enum reason refused(struct port *port, const struct frame *frame, int error)
{
	if (error != EINVAL)
		return reason_of_errno(error);
	/* Before Linux 6.2 it knows no UDP superframes: have them cut from now on. */
	if (frame->offload.gso == FRAME_GSO_UDP)
		port->offloads &= ~OFFLOAD_USO;
	return REASON_BAD_OFFLOAD;
}

static void netdev_send(struct port *port, struct frame_batch *batch)
{
	struct netdev *netdev = port->state;
	unsigned done = 0;
	struct tx tx;

	if (!port->up) { /* the kernel would say that the queue is full */
		port->stats.tx_drops[REASON_LINK_DOWN] += batch->count;
		frame_batch_free(batch);
		return;
	}
	for (unsigned i = 0; i < batch->count; i++)
		put(&tx, i, batch->frame[i]);
	while (done < batch->count) {
		int n = sendmmsg(netdev->fd, tx.msg + done, batch->count - done,
				 MSG_DONTWAIT); /* @syscall sendmmsg */

		for (int i = 0; i < n; i++, done++) {
			port->stats.tx_frames++;
			port->stats.tx_bytes += batch->frame[done]->len;
			port->stats.tx_segments += offload_segments(batch->frame[done]);
		}
		if (n > 0 || errno == EINTR)
			continue;
		port->stats.tx_drops[refused(port, batch->frame[done], errno)]++;
		done++;
	}
	frame_batch_free(batch);
}

/* ---- taking an interface ---- */

struct addresses {
	unsigned ifindex, count;
};

static void on_addr(void *arg, unsigned ifindex, const struct ipaddr *addr, uint8_t len)
{
	struct addresses *addresses = arg;

	(void)len;
	/* Every interface that was ever up has a link-local address, if only for itself. */
	if (ifindex == addresses->ifindex &&
	    !(addr->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&addr->v6)))
		addresses->count++;
}

/* Whether the operator would be sorry. */
static int may_take(struct port *port, const struct rtnl_link *link)
{
	struct addresses addresses = {.ifindex = link->ifindex};
	const char *what = NULL;
	char owner[PORT_OWNER_STRLEN];

	port->refused = false;
	if (!netdev_wants(port->conf, link)) {
		(void)snprintf(port->why, sizeof(port->why),
			       "waiting for interface %s with number %lld: this one has %u",
			       link->name, (long long)conf_of(port->conf)->ifindex, link->ifindex);
		return -ENODEV;
	}
	if (port->host->interface_taken(port, link->name, owner, sizeof(owner))) {
		(void)snprintf(port->why, sizeof(port->why), "interface %s is that of %s",
			       link->name, owner);
		return -EBUSY;
	}
	if (conf_of(port->conf)->take)
		return 0;
	(void)rtnl_each_addr(port->host->rtnl, on_addr, &addresses);
	if (addresses.count)
		what = "the host has addresses on it";
	else if (link->master)
		what = "it is a port of a bridge or bond";
	if (!what)
		return 0;
	port->refused = addresses.count > 0;
	(void)snprintf(port->why, sizeof(port->why),
		       "interface %s is in use: %s (`take = true` takes it away from the host)",
		       link->name, what);
	return -EPERM;
}

static int set_int(int fd, int level, int option, int value)
{
	/* @syscall setsockopt */
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* A buffer beyond the system's limit needs a privilege that a user namespace lacks. */
static void set_buffer(int fd, int force, int plain)
{
	if (set_int(fd, SOL_SOCKET, force, SOCKET_BUFFER) < 0)
		(void)set_int(fd, SOL_SOCKET, plain, SOCKET_BUFFER);
}

/* Hears nothing before it is bound. @syscall socket close */
static int open_socket(unsigned ifindex, const char **what)
{
	const struct packet_mreq promiscuous = {.mr_ifindex = (int)ifindex,
						.mr_type = PACKET_MR_PROMISC};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int ret;

	*what = "packet socket";
	if (fd < 0)
		return -errno;
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	*what = "virtio-net headers";
	ret = set_int(fd, SOL_PACKET, PACKET_VNET_HDR, 1);
	if (ret == 0) {
		*what = "tags beside frames";
		ret = set_int(fd, SOL_PACKET, PACKET_AUXDATA, 1);
	}
	if (ret == 0) {
		*what = "ignoring what is sent";
		ret = set_int(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	}
	if (ret == 0) {
		*what = "sending past the queues";
		ret = set_int(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
	}
	if (ret == 0) {
		*what = "promiscuous mode";
		if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous,
			       sizeof(promiscuous)) < 0)
			ret = -errno;
	}
	if (ret < 0)
		close(fd);
	return ret < 0 ? ret : fd;
}

/* @syscall bind */
static int bind_socket(int fd, unsigned ifindex)
{
	const struct sockaddr_ll addr = {
	    .sll_family = AF_PACKET,
	    .sll_protocol = htons(ETH_P_ALL),
	    .sll_ifindex = (int)ifindex,
	};

	return bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
}

/* ---- life ---- */

static void follow(struct port *port, const struct rtnl_link *link)
{
	struct netdev *netdev = port->state;

	netdev->mtu = link->mtu;
	port->up = link->up && link->carrier;
	port->why[0] = '\0';
	if (!port->up)
		(void)snprintf(port->why, sizeof(port->why), "interface %s %s", link->name,
			       link->up ? "has no carrier: no guest holds its other end"
					: "is down");
}

/* Socket first, shield second, ears last: the host hears nothing that we hear. */
static int attach(struct port *port, struct netdev *netdev, const struct rtnl_link *link)
{
	const char *what = "";
	struct err err = {""};
	int ret = open_socket(link->ifindex, &what);

	if (ret < 0) {
		(void)snprintf(port->why, sizeof(port->why), "interface %s: %s: %s", link->name,
			       what, strerror(-ret));
		return ret;
	}
	netdev->fd = ret;
	ret = shield_raise(port->host->rtnl, link, port->host->instance, &err);
	if (ret < 0) {
		(void)snprintf(port->why, sizeof(port->why),
			       "interface %s cannot be kept from the host: %.90s", link->name,
			       err.text);
		goto fail;
	}
	ret = bind_socket(netdev->fd, link->ifindex);
	if (ret == 0)
		return 0;
	(void)snprintf(port->why, sizeof(port->why), "interface %s: %s", link->name,
		       strerror(-ret));
	shield_lower(port->host->rtnl, link->ifindex, port->host->instance);
fail:
	close(netdev->fd);
	return ret;
}

/* The interface that the configuration names, if it may be taken. */
static int find(struct port *port, struct rtnl_link *link)
{
	const struct netdev_conf *conf = conf_of(port->conf);
	int ret = rtnl_get_link(port->host->rtnl, conf->interface, link);

	if (ret == 0)
		return may_take(port, link);
	(void)snprintf(port->why, sizeof(port->why), "waiting for interface %s: %s",
		       conf->interface, strerror(-ret));
	return ret;
}

/* With a socket that hears: what is left to do. */
static void start(struct port *port, struct netdev *netdev, const struct rtnl_link *found)
{
	struct rtnl_link link = *found;

	netdev->port = port;
	ev_io_init(&netdev->io, on_readable, netdev->fd, EV_READ);
	netdev->io.data = netdev;
	ev_io_start(port->host->loop, &netdev->io);
	port->state = netdev;
	port->ifindex = link.ifindex;
	port->offloads = OFFLOAD_ALL;
	/* It may have been raised just now. */
	(void)rtnl_get_link(port->host->rtnl, conf_of(port->conf)->interface, &link);
	follow(port, &link);
}

static int netdev_open(struct port *port)
{
	struct netdev *netdev;
	struct rtnl_link link;
	int ret = find(port, &link);

	if (ret < 0)
		return ret;
	netdev = calloc(1, sizeof(*netdev));
	if (!netdev)
		return -ENOMEM;
	ret = attach(port, netdev, &link);
	if (ret < 0) {
		free(netdev);
		return ret;
	}
	start(port, netdev, &link);
	return 0;
}

/* What must hold of a socket that somebody hands us: it hears this interface, with our
 * header. @syscall getsockopt */
static int examine(int fd, unsigned ifindex)
{
	struct sockaddr_ll addr = {.sll_family = AF_UNSPEC};
	socklen_t len = sizeof(addr), int_len = sizeof(int);
	int header = 0;

	if (!port_is_socket(fd, AF_PACKET, SOCK_RAW))
		return -ENOTSOCK;
	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0 ||
	    addr.sll_ifindex != (int)ifindex || addr.sll_protocol != htons(ETH_P_ALL))
		return -ENODEV;
	if (getsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &header, &int_len) < 0 || !header)
		return -EINVAL;
	return 0;
}

/* The socket goes on hearing, and what it holds already is not lost. */
static int netdev_adopt(struct port *port, struct port_heritage *heritage)
{
	struct netdev *netdev;
	struct rtnl_link link;
	struct err err;
	int ret = find(port, &link);

	if (ret == 0)
		ret = examine(heritage->fd[0], link.ifindex);
	if (ret < 0)
		return ret;
	netdev = calloc(1, sizeof(*netdev));
	if (!netdev)
		return -ENOMEM;
	/* It is up, and changes only if somebody has pulled it down. */
	ret = shield_raise(port->host->rtnl, &link, port->host->instance, &err);
	if (ret < 0) {
		free(netdev);
		return ret;
	}
	netdev->fd = port_heritage_take(heritage, 0);
	start(port, netdev, &link);
	return 0;
}

static void netdev_handover(const struct port *port, struct port_heritage *heritage)
{
	const struct netdev *netdev = port->state;

	heritage->fd[heritage->count++] = netdev->fd;
}

static void netdev_link(struct port *port, const struct rtnl_link *link)
{
	struct netdev *netdev = port->state;
	bool was_up = port->up;

	if (!link || link->ifindex != port->ifindex) {
		port->host->lost(port, link ? "it was made anew" : "it is gone");
		return;
	}
	/*
	 * It went down. Perhaps it was in another namespace meanwhile, and has come back
	 * without what we had on it, our socket's ears included.
	 */
	if (netdev->doubt &&
	    !shield_stands(port->host->rtnl, port->ifindex, port->host->instance)) {
		port->host->lost(port, "it was away");
		return;
	}
	netdev->doubt = false;
	follow(port, link);
	if (port->up != was_up)
		port->host->changed(port);
}

static void netdev_close(struct port *port)
{
	struct netdev *netdev = port->state;

	ev_io_stop(port->host->loop, &netdev->io);
	port_close_fd(port->host, netdev->fd);
	if (!port->shared && !port->host->succeeded)
		shield_lower(port->host->rtnl, port->ifindex, port->host->instance);
	free(netdev);
	port->ifindex = 0;
	port->state = NULL;
}

static const char *const netdev_identity[] = {"interface", NULL};

static int netdev_reconf(struct port *port, const struct port_conf *common)
{
	const struct netdev_conf *conf = conf_of(common);

	if (strcmp(conf_of(port->conf)->interface, conf->interface) != 0 ||
	    (conf->ifindex && conf->ifindex != port->ifindex))
		return PORT_RESTART;
	return 0;
}

static void netdev_recover(struct port_host *host, bool (*used)(void *arg, unsigned ifindex),
			   void *arg)
{
	shield_recover(host->rtnl, host->instance, used, arg);
}

static unsigned netdev_mtu(const struct port *port)
{
	const struct netdev *netdev = port->state;

	return netdev ? netdev->mtu : 0;
}

static void netdev_show(const struct port *port, json_t *object)
{
	const struct netdev_conf *conf = conf_of(port->conf);
	const struct netdev *netdev = port->state;

	json_object_set_new(object, "ifname", json_string(conf->interface));
	if (netdev)
		json_object_set_new(object, "mtu", json_integer(netdev->mtu));
	if (conf->take)
		json_object_set_new(object, "take", json_true());
}

const struct port_ops netdev_ops = {
    .type = "netdev",
    .schema = &netdev_schema,
    .check = netdev_check,
    .conflict = netdev_conflict,
    .open = netdev_open,
    .adopt = netdev_adopt,
    .handover = netdev_handover,
    .identity = netdev_identity,
    .storable = false, /* the shield has to go when it ends */
    .reconf = netdev_reconf,
    .interface = netdev_interface,
    .wants = netdev_wants,
    .set_interface = netdev_set_interface,
    .link = netdev_link,
    .recover = netdev_recover,
    .mtu = netdev_mtu,
    .close = netdev_close,
    .send = netdev_send,
    .show = netdev_show,
};
