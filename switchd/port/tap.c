/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/port/tap.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "encap/gso.h"
#include "lib/log.h"
#include "switchd/port/tap_impl.h"
#include "switchd/rtnl.h"

LOG_MODULE("tap");

#define TUN_DEVICE "/dev/net/tun"
#define NETNS_DIR  "/run/netns"

/* Since Linux 6.2; older headers lack them, older kernels refuse them. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

/* Smallest and largest MTU of an Ethernet TAP: tun_net_init() in the kernel. */
#define TAP_MTU_MIN 68
#define TAP_MTU_MAX 65521

/* clang-format off */
static const struct conf_key tap_keys[] = {
	PORT_COMMON_KEYS(struct tap_conf),
	{.name = "ifname", .type = CONF_STRING, .offset = offsetof(struct tap_conf, ifname)},
	{.name = "netns", .type = CONF_STRING, .offset = offsetof(struct tap_conf, netns)},
	{.name = "mac", .type = CONF_MAC, .offset = offsetof(struct tap_conf, mac)},
	{.name = "mtu", .type = CONF_INT, .offset = offsetof(struct tap_conf, mtu), .min = TAP_MTU_MIN, .max = TAP_MTU_MAX},
	{.name = NULL},
};
/* clang-format on */

static const struct conf_schema tap_schema = {
    .kind = "tap",
    .size = sizeof(struct tap_conf),
    .keys = tap_keys,
};

static const struct tap_conf *conf_of(const struct port_conf *conf)
{
	return (const struct tap_conf *)conf;
}

static const char *ifname_of(const struct tap_conf *conf)
{
	return conf->ifname ? conf->ifname : conf->common.name;
}

static int tap_check(const struct port_conf *common, struct err *err)
{
	const struct tap_conf *conf = conf_of(common);

	if (!port_ifname_ok(ifname_of(conf))) {
		conf_fail(conf, err,
			  "port \"%s\": \"%s\" cannot name an interface (1 to %d characters, no "
			  "space, '/', ':' or '%%'); set `ifname`",
			  common->name, ifname_of(conf), IFNAMSIZ - 1);
		return -EINVAL;
	}
	if (conf->netns && (conf->netns[0] == '\0' || strcmp(conf->netns, ".") == 0 ||
			    strcmp(conf->netns, "..") == 0 ||
			    (conf->netns[0] != '/' && strchr(conf->netns, '/')))) {
		conf_fail(conf, err,
			  "port \"%s\": `netns` is the name of a network namespace or an absolute "
			  "path, not \"%s\"",
			  common->name, conf->netns);
		return -EINVAL;
	}
	if (conf_given(&tap_schema, conf, "mac") &&
	    (mac_is_group(&conf->mac) || mac_is_zero(&conf->mac))) {
		conf_fail(conf, err, "port \"%s\": `mac` must be the address of one station",
			  common->name);
		return -EINVAL;
	}
	return 0;
}

static bool tap_conflict(const struct port_conf *a, const struct port_conf *b)
{
	const struct tap_conf *ca = conf_of(a), *cb = conf_of(b);

	return strcmp(ifname_of(ca), ifname_of(cb)) == 0 &&
	       strcmp(ca->netns ? ca->netns : "", cb->netns ? cb->netns : "") == 0;
}

/* In a guest's namespace it is nobody's business here. */
static const char *tap_interface(const struct port_conf *conf)
{
	return conf_of(conf)->netns ? NULL : ifname_of(conf_of(conf));
}

/* Who is in a namespace has all its interfaces. */
static const char *tap_guest(const struct port_conf *conf)
{
	const char *netns = conf_of(conf)->netns;

	if (netns && strncmp(netns, NETNS_DIR "/", sizeof(NETNS_DIR)) == 0)
		netns += sizeof(NETNS_DIR);
	return netns;
}

/* ---- life ---- */

/* Asks for what we can take from the guest; kernels before 6.2 know no USO. */
static int set_offloads(struct port *port, int fd)
{
	unsigned tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

	port->offloads = OFFLOAD_ALL;
	if (ioctl(fd, TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6) == 0) /* @syscall ioctl */
		return 0;
	port->offloads = OFFLOAD_ALL & ~OFFLOAD_USO;
	return ioctl(fd, TUNSETOFFLOAD, tcp) < 0 ? -errno : 0;
}

static int create(struct port *port, const char *name, struct ifreq *ifr)
{
	int fd = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC); /* @syscall openat */
	int ret;

	if (fd < 0) {
		ret = -errno;
		(void)snprintf(port->why, sizeof(port->why), "%s: %s%s", TUN_DEVICE, strerror(-ret),
			       ret == -EACCES ? " (it needs mode 0666, as Debian has by default)"
					      : "");
		return ret;
	}
	memset(ifr, 0, sizeof(*ifr));
	ifr->ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	(void)snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, ifr) < 0) {
		ret = -errno;
		(void)snprintf(port->why, sizeof(port->why), "cannot create interface %s: %s%s",
			       name, strerror(-ret),
			       ret == -EBUSY   ? " (there is one of that name)"
			       : ret == -EPERM ? " (CAP_NET_ADMIN is missing)"
					       : "");
		close(fd);
		return ret;
	}
	ret = set_offloads(port, fd);
	if (ret < 0) {
		(void)snprintf(port->why, sizeof(port->why), "%s: offloads: %s", name,
			       strerror(-ret));
		close(fd);
		return ret;
	}
	return fd;
}

static int open_netns(struct port *port, const char *netns)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s%s%s", netns[0] == '/' ? "" : NETNS_DIR,
		       netns[0] == '/' ? "" : "/", netns);
	/* Whatever the path leads to: a pipe would make us wait for its other end. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		fd = -errno;
		(void)snprintf(port->why, sizeof(port->why), "waiting for namespace %.90s: %.40s",
			       path, strerror(-fd));
	}
	return fd;
}

/* Names, addresses and raises the interface in its place, in one message. */
static int place(struct port *port, struct tap *tap, const char *created, int netns_fd)
{
	const struct tap_conf *conf = conf_of(port->conf);
	struct rtnl_change change = {
	    .name = netns_fd >= 0 ? ifname_of(conf) : NULL,
	    .mac = conf_given(&tap_schema, conf, "mac") ? &conf->mac : NULL,
	    .mtu = conf->mtu ? (unsigned)conf->mtu : port->mtu,
	    .netns_fd = netns_fd,
	    .up = true,
	};
	struct rtnl_link link;
	struct err err;
	int ret = rtnl_get_link(port->host->rtnl, created, &link);

	if (ret == 0) {
		tap->ifindex = link.ifindex;
		ret = rtnl_set_link(port->host->rtnl, link.ifindex, &change, &err);
	} else {
		(void)err_set(&err, 0, "%s", strerror(-ret));
	}
	if (ret < 0)
		(void)snprintf(port->why, sizeof(port->why), "cannot set up %s%s%s: %.100s",
			       ifname_of(conf), netns_fd >= 0 ? " in namespace " : "",
			       netns_fd >= 0 ? conf->netns : "", err.text);
	return ret;
}

static void start_reading(struct port *port, struct tap *tap)
{
	struct ifreq ifr;

	tap->port = port;
	ev_io_init(&tap->io, tap_readable, tap->fd, EV_READ);
	tap->io.data = tap;
	ev_io_start(port->host->loop, &tap->io);
	port->state = tap;
	port->mac = conf_of(port->conf)->mac;
	if (mac_is_zero(&port->mac) && ioctl(tap->fd, SIOCGIFHWADDR, &ifr) == 0)
		memcpy(&port->mac, ifr.ifr_hwaddr.sa_data, sizeof(port->mac));
	port->up = true;
	port->why[0] = '\0';
}

static int tap_open(struct port *port)
{
	const struct tap_conf *conf = conf_of(port->conf);
	struct tap *tap = calloc(1, sizeof(*tap));
	int netns_fd = -1;
	struct ifreq ifr;
	int ret;

	if (!tap)
		return -ENOMEM;
	tap->fd = -1;
	tap->host_port = !conf->netns;
	if (conf->netns) {
		netns_fd = open_netns(port, conf->netns);
		ret = netns_fd;
		if (netns_fd < 0)
			goto fail;
	}
	/* On its way to a namespace it has a name that nobody else wants. */
	ret = create(port, conf->netns ? "tvdtap%d" : ifname_of(conf), &ifr);
	if (ret < 0)
		goto fail;
	tap->fd = ret;
	ret = place(port, tap, ifr.ifr_name, netns_fd);
	if (ret < 0)
		goto fail;
	if (netns_fd >= 0)
		close(netns_fd);
	start_reading(port, tap);
	return 0;

fail:
	if (tap->fd >= 0)
		close(tap->fd);
	if (netns_fd >= 0)
		close(netns_fd);
	free(tap);
	return ret;
}

static void tap_mtu_changed(struct port *port)
{
	const struct tap_conf *conf = conf_of(port->conf);
	struct rtnl_change change = {.mtu = port->mtu, .netns_fd = -1};
	struct tap *tap = port->state;
	struct err err;

	if (conf->mtu || port->mtu == 0)
		return;
	if (!tap->host_port) {
		log_warn(
		    "port %s: guests' frames now fit at an MTU of %u, and the interface is out "
		    "of reach in its namespace: set it there",
		    conf->common.name, port->mtu);
		return;
	}
	if (rtnl_set_link(port->host->rtnl, tap->ifindex, &change, &err) < 0)
		log_warn("port %s: cannot set MTU %u: %s", conf->common.name, port->mtu, err.text);
}

/* What must hold of a descriptor that somebody hands us: a TAP that still has its
 * interface, with our header. Its name and address are the guest's by now. */
static int examine(int fd)
{
	const unsigned want = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	int header = (int)TAP_HEADER_LEN, flags = fcntl(fd, F_GETFL); /* @syscall fcntl */
	struct ifreq ifr;
	struct stat st;

	if (flags < 0 || (flags & O_ACCMODE) != O_RDWR)
		return -EBADF;
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode))
		return -ENOTTY;
	memset(&ifr, 0, sizeof(ifr));
	if (ioctl(fd, TUNGETIFF, &ifr) < 0)
		return -errno;
	if (((unsigned)(unsigned short)ifr.ifr_flags & (want | IFF_TUN)) != want)
		return -EINVAL;
	if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0)
		return -errno;
	return fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

static int tap_adopt(struct port *port, struct port_heritage *heritage)
{
	const struct tap_conf *conf = conf_of(port->conf);
	struct rtnl_link link = {.ifindex = 0};
	int fd = heritage->fd[0];
	struct tap *tap;
	int ret = examine(fd);

	if (ret == 0)
		ret = set_offloads(port, fd);
	if (ret == 0 && !conf->netns)
		ret = rtnl_get_link(port->host->rtnl, ifname_of(conf), &link);
	if (ret < 0)
		return ret;
	tap = calloc(1, sizeof(*tap));
	if (!tap)
		return -ENOMEM;
	tap->fd = port_heritage_take(heritage, 0);
	tap->host_port = !conf->netns;
	tap->ifindex = link.ifindex;
	start_reading(port, tap);
	if (tap->host_port && port->mtu && link.mtu != port->mtu)
		tap_mtu_changed(port);
	return 0;
}

static void tap_handover(const struct port *port, struct port_heritage *heritage)
{
	const struct tap *tap = port->state;

	heritage->fd[heritage->count++] = tap->fd;
}

static void tap_close(struct port *port)
{
	struct tap *tap = port->state;

	ev_io_stop(port->host->loop, &tap->io);
	port_close_fd(port->host, tap->fd);
	free(tap);
	port->state = NULL;
}

/* What the guest's namespace holds is out of reach: only what the switch itself
 * enforces can change on an open port. */
static int tap_reconf(struct port *port, const struct port_conf *common)
{
	const struct tap_conf *was = conf_of(port->conf), *now = conf_of(common);

	if (strcmp(ifname_of(was), ifname_of(now)) != 0 ||
	    !conf_key_equal(&tap_schema, was, now, "netns") ||
	    !conf_key_equal(&tap_schema, was, now, "mac") ||
	    !conf_key_equal(&tap_schema, was, now, "mtu"))
		return PORT_RESTART;
	return 0;
}

static unsigned tap_mtu(const struct port *port)
{
	const struct tap_conf *conf = conf_of(port->conf);

	return conf->mtu ? (unsigned)conf->mtu : port->mtu;
}

static void tap_show(const struct port *port, json_t *object)
{
	const struct tap_conf *conf = conf_of(port->conf);
	unsigned mtu = tap_mtu(port);
	char text[MAC_STRLEN];

	json_object_set_new(object, "ifname", json_string(ifname_of(conf)));
	if (conf->netns)
		json_object_set_new(object, "netns", json_string(conf->netns));
	if (!mac_is_zero(&port->mac))
		json_object_set_new(object, "mac", json_string(mac_format(&port->mac, text)));
	if (mtu)
		json_object_set_new(object, "mtu", json_integer(mtu));
}

static const char *const tap_identity[] = {"ifname", "netns", "mac", "mtu", NULL};

const struct port_ops tap_ops = {
    .type = "tap",
    .schema = &tap_schema,
    .check = tap_check,
    .conflict = tap_conflict,
    .open = tap_open,
    .adopt = tap_adopt,
    .handover = tap_handover,
    .identity = tap_identity,
    .storable = true,
    .reconf = tap_reconf,
    .interface = tap_interface,
    .guest = tap_guest,
    .mtu = tap_mtu,
    .mtu_changed = tap_mtu_changed,
    .close = tap_close,
    .send = tap_send,
    .show = tap_show,
};
