/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/sender_impl.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "encap/socket.h"
#include "lib/log.h"
#include "lib/packet.h"

LOG_MODULE("sender");

#define TX_BUFFER	(4 << 20)
#define PORT_TRIES	64u /* ports that others may have taken */
#define BYPASS_RETRY_MS 900u
#define BUSY_TIMES	4u

/* Not in every libc's headers. */
#ifndef IP_PMTUDISC_OMIT
#define IP_PMTUDISC_OMIT 5
#endif
#ifndef IPV6_PMTUDISC_OMIT
#define IPV6_PMTUDISC_OMIT 5
#endif

/* ---- sockets ---- */

/* @syscall close */
static void sender_close(struct sender *sender)
{
	for (unsigned i = 0; i < sender->kind->sockets; i++) {
		if (sender->fd[i] >= 0)
			close(sender->fd[i]);
		sender->fd[i] = -1;
	}
	sender->open = false;
}

/* The way past the kernel's stack, or why there is none. It is tried again whatever the
 * reason was: another process may end, an interface be raised or get another MTU. */
static void update_bypass(struct senders *senders, struct sender *sender,
			  const struct encap_host *host)
{
	const struct encap_uplink *uplink = sender->uplink;
	bool wanted = senders->kind->type == SOCK_RAW && uplink->bypass && uplink->up;
	int ret;

	if (sender->bypass && wanted && bypass_fits(sender->bypass, uplink)) {
		bypass_resume(sender->bypass);
		return;
	}
	if (sender->bypass || !wanted)
		sender->bypass_tried = 0;
	bypass_put(sender->bypass);
	sender->bypass = NULL;
	if (!wanted ||
	    (sender->bypass_tried && *host->now - sender->bypass_tried < BYPASS_RETRY_MS))
		return;
	ret = bypass_get(&senders->bypasses, uplink, &sender->bypass);
	if (ret == 0 || ret != sender->bypass_error)
		sender->bypass_failures = 0;
	sender->bypass_error = ret;
	sender->bypass_tried = *host->now;
	/* The kernel takes its time to free the queue of a process that has ended. */
	if (ret < 0 && sender->bypass_failures < BUSY_TIMES &&
	    ++sender->bypass_failures == (ret == -EBUSY ? BUSY_TIMES : 1))
		log_info("uplink %s: packets go through the kernel's network stack: no AF_XDP "
			 "socket: %s",
			 uplink->name, strerror(-ret));
}

static int configure_ipv4(const struct sender *sender, int fd)
{
	struct ip_mreqn mreq = {.imr_ifindex = (int)sender->ifindex};
	bool fragment = sender->kind->fragment;
	int ret = 0;

	if (setsockopt(fd, SOL_IP, IP_MULTICAST_IF, &mreq, sizeof(mreq)) < 0)
		ret = -errno;
	ret = ret ? ret : socket_set_int(fd, SOL_IP, IP_MULTICAST_LOOP, 0);
	ret = ret ? ret : socket_set_int(fd, SOL_IP, IP_MULTICAST_TTL, 1);
	ret = ret ? ret : socket_set_int(fd, SOL_IP, IP_TTL, SENDER_TTL);
	/* PROBE sets DF, and both ignore what ICMP says of the path: anybody can
	 * say that. */
	ret = ret ? ret
		  : socket_set_int(fd, SOL_IP, IP_MTU_DISCOVER,
				   fragment ? IP_PMTUDISC_OMIT : IP_PMTUDISC_PROBE);
	/* RFC 7348 wants no checksum in UDP over IPv4: the frame inside has its own. */
	if (ret == 0 && sender->kind->type == SOCK_DGRAM)
		ret = socket_set_int(fd, SOL_SOCKET, SO_NO_CHECK, 1);
	return ret;
}

static int configure_ipv6(const struct sender *sender, int fd)
{
	bool fragment = sender->kind->fragment;
	int ret = socket_set_int(fd, SOL_IPV6, IPV6_MULTICAST_IF, (int)sender->ifindex);

	ret = ret ? ret : socket_set_int(fd, SOL_IPV6, IPV6_MULTICAST_LOOP, 0);
	ret = ret ? ret : socket_set_int(fd, SOL_IPV6, IPV6_MULTICAST_HOPS, 1);
	ret = ret ? ret : socket_set_int(fd, SOL_IPV6, IPV6_UNICAST_HOPS, SENDER_TTL);
	ret = ret ? ret
		  : socket_set_int(fd, SOL_IPV6, IPV6_MTU_DISCOVER,
				   fragment ? IPV6_PMTUDISC_OMIT : IPV6_PMTUDISC_PROBE);
	return ret;
}

/*
 * forwarding.md section 2: the source is pinned to the uplink's address. Ports of
 * UDP count up; one that somebody has taken is passed over in steps of all sockets,
 * so that each keeps its lowest bits, which is what networks spread flows by.
 *
 * @syscall bind
 */
static int sender_bind(const struct sender *sender, int fd, unsigned number)
{
	unsigned tries = sender->kind->first_port ? PORT_TRIES : 1;
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_to_sockaddr(&sender->addr, &ss);

	if (sender->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&sender->addr.v6))
		((struct sockaddr_in6 *)&ss)->sin6_scope_id = sender->ifindex;
	for (unsigned i = 0; i < tries; i++) {
		unsigned port = sender->kind->first_port;

		if (port)
			port += number + i * sender->kind->sockets;
		if (sender->family == AF_INET6)
			((struct sockaddr_in6 *)&ss)->sin6_port = htons((uint16_t)port);
		else
			((struct sockaddr_in *)&ss)->sin_port = htons((uint16_t)port);
		if (bind(fd, (struct sockaddr *)&ss, len) == 0)
			return 0;
		if (errno != EADDRINUSE)
			return -errno;
	}
	return -EADDRINUSE;
}

/* @syscall socket */
static int sender_open(struct sender *sender, unsigned number)
{
	const struct sender_kind *kind = sender->kind;
	const char *interface = sender->uplink->interface;
	int fd = socket(sender->family, kind->type | SOCK_CLOEXEC | SOCK_NONBLOCK, kind->protocol);
	int ret;

	if (fd < 0)
		return -errno;
	sender->fd[number] = fd;
	ret = socket_drop_everything(fd);
	socket_set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, TX_BUFFER);
	if (ret == 0 && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface,
				   (socklen_t)strlen(interface)) < 0)
		ret = -errno;
	if (ret == 0)
		ret = sender->family == AF_INET6 ? configure_ipv6(sender, fd)
						 : configure_ipv4(sender, fd);
	return ret ? ret : sender_bind(sender, fd, number);
}

/* New sockets for a new address or interface. */
static void sender_update(struct sender *sender)
{
	const struct encap_uplink *uplink = sender->uplink;
	const struct ipaddr *addr = &uplink->addr[family_index(sender->family)];
	unsigned header = (sender->family == AF_INET6 ? IPV6_OVERHEAD : IPV4_OVERHEAD) +
			  (unsigned)sizeof(struct udp_header);
	char text[ADDR_STRLEN];
	int ret = 0;

	sender->room = uplink->mtu > header ? uplink->mtu - header : 0;
	if (sender->open && sender->ifindex == uplink->ifindex && ipaddr_equal(&sender->addr, addr))
		return;
	sender_close(sender);
	sender->addr = *addr;
	sender->ifindex = uplink->ifindex;
	if (uplink->ifindex == 0 || !ipaddr_is_set(addr))
		return;
	for (unsigned i = 0; ret == 0 && i < sender->kind->sockets; i++)
		ret = sender_open(sender, i);
	if (ret < 0) {
		sender_close(sender);
		log_limited(LOG_LEVEL_WARN, "uplink %s: cannot send from %s: %s; waiting",
			    uplink->name, ipaddr_format(addr, text), strerror(-ret));
		return;
	}
	memset(sender->checksums, 0, sizeof(sender->checksums));
	sender->trains = sender->kind->type == SOCK_DGRAM &&
			 socket_set_int(sender->fd[0], IPPROTO_UDP, UDP_SEGMENT, 0) == 0;
	sender->open = true;
}

/* ---- who uses them ---- */

struct sender *sender_find(const struct senders *senders, const struct encap_uplink *uplink,
			   uint16_t family)
{
	list_for_each (&((struct senders *)(uintptr_t)senders)->list, it) {
		struct sender *sender = container_of(it, struct sender, link);

		if (sender->uplink == uplink && sender->family == family)
			return sender;
	}
	return NULL;
}

int senders_get(struct senders *senders, const struct encap_uplink *uplink, unsigned families)
{
	for (unsigned i = 0; i < 2; i++) {
		struct sender *sender;

		if (!(families & 1u << i))
			continue;
		sender = sender_find(senders, uplink, family_at(i));
		if (!sender) {
			sender = calloc(1, sizeof(*sender));
			if (!sender) {
				senders_put(senders, uplink, families & ((1u << i) - 1));
				return -ENOMEM;
			}
			sender->kind = senders->kind;
			sender->uplink = uplink;
			sender->family = family_at(i);
			for (unsigned k = 0; k < SENDER_SOCKETS; k++)
				sender->fd[k] = -1;
			list_add_tail(&senders->list, &sender->link);
		}
		sender->refs++;
	}
	return 0;
}

void senders_put(struct senders *senders, const struct encap_uplink *uplink, unsigned families)
{
	for (unsigned i = 0; i < 2; i++) {
		struct sender *sender = sender_find(senders, uplink, family_at(i));

		if (!(families & 1u << i) || !sender || --sender->refs > 0)
			continue;
		sender_close(sender);
		bypass_put(sender->bypass);
		list_del(&sender->link);
		free(sender);
	}
}

void senders_follow(struct senders *senders, const struct encap_host *host,
		    const struct encap_uplink *uplink)
{
	for (unsigned i = 0; i < 2; i++) {
		struct sender *sender = sender_find(senders, uplink, family_at(i));

		if (!sender)
			continue;
		sender_update(sender);
		update_bypass(senders, sender, host);
	}
}

void senders_yield(struct senders *senders, const struct encap_host *host,
		   const struct encap_uplink *uplink)
{
	for (unsigned i = 0; i < 2; i++) {
		struct sender *sender = sender_find(senders, uplink, family_at(i));

		if (!sender || !sender->bypass)
			continue;
		bypass_put(sender->bypass);
		sender->bypass = NULL;
		sender->bypass_tried = *host->now;
	}
}
