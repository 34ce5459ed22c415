/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "encap/socket.h"
#include "lib/hash.h"
#include "lib/packet.h"

/* Not in every libc's headers. */
#ifndef UDP_NO_CHECK6_RX
#define UDP_NO_CHECK6_RX 102
#endif

void udp_receivers_init(struct udp_receivers *receivers, struct encap_host *host,
			enum encap_kind kind, __typeof__(((struct receiver *)0)->classify) classify)
{
	list_init(&receivers->list);
	receivers->host = host;
	receivers->kind = kind;
	receivers->classify = classify;
}

static int receiving_socket(uint16_t family, uint16_t port)
{
	struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	bool v6 = family == AF_INET6;
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (v6) {
		ret = socket_set_int(fd, SOL_IPV6, IPV6_V6ONLY, 1);
		/* RFC 7348: what comes without a checksum is to be accepted. */
		ret = ret ? ret : socket_set_int(fd, IPPROTO_UDP, UDP_NO_CHECK6_RX, 1);
	}
	if (ret == 0 && bind(fd, v6 ? (struct sockaddr *)&any6 : (struct sockaddr *)&any4,
			     v6 ? sizeof(any6) : sizeof(any4)) < 0)
		ret = -errno;
	if (ret < 0) {
		close(fd);
		return ret;
	}
	return fd;
}

static struct udp_receiver *receiver_find(struct udp_receivers *receivers, uint16_t family,
					  uint16_t port)
{
	list_for_each (&receivers->list, it) {
		struct udp_receiver *receiver = container_of(it, struct udp_receiver, link);

		/* The analyzer does not see that list_del() takes a freed one out. */
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		if (receiver->rx.family == family && receiver->port == port)
			return receiver;
	}
	return NULL;
}

static int receiver_get(struct udp_receivers *receivers, uint16_t family, uint16_t port)
{
	struct udp_receiver *receiver = receiver_find(receivers, family, port);
	int ret;

	if (receiver) {
		receiver->refs++;
		return 0;
	}
	receiver = calloc(1, sizeof(*receiver));
	if (!receiver)
		return -ENOMEM;
	receiver->port = port;
	receiver->refs = 1;
	receiver->rx = (struct receiver){
	    .host = receivers->host,
	    .family = family,
	    .kind = receivers->kind,
	    .udp = true,
	    .owner = receiver,
	    .classify = receivers->classify,
	    .fd = -1,
	};
	ret = receiving_socket(family, port);
	if (ret >= 0)
		ret = receiver_start(&receiver->rx, ret);
	if (ret < 0) {
		free(receiver);
		return ret;
	}
	list_add_tail(&receivers->list, &receiver->link);
	return 0;
}

void udp_receivers_put(struct udp_receivers *receivers, unsigned families, uint16_t port)
{
	for (unsigned i = 0; i < 2; i++) {
		struct udp_receiver *receiver = receiver_find(receivers, family_at(i), port);

		if (!(families & 1u << i) || !receiver || --receiver->refs > 0)
			continue;
		receiver_stop(&receiver->rx);
		list_del(&receiver->link);
		free(receiver);
	}
}

int udp_receivers_get(struct udp_receivers *receivers, unsigned families, uint16_t port)
{
	for (unsigned i = 0; i < 2; i++) {
		int ret = families & 1u << i ? receiver_get(receivers, family_at(i), port) : 0;

		if (ret < 0) {
			udp_receivers_put(receivers, families & ((1u << i) - 1), port);
			return ret;
		}
	}
	return 0;
}

/* ---- flows ---- */

/* What makes a flow. Without holes: it is hashed as memory. */
struct flow {
	struct mac dst, src;
	uint8_t addresses[32];
	uint8_t ports[4];
	uint8_t protocol;
};

unsigned udp_flow(const struct frame *frame, size_t header)
{
	static const struct hash_key key; /* it spreads load, and guards nothing */
	struct frame inner = *frame;
	struct packet packet;
	struct flow flow;

	if (inner.len < header)
		return 0;
	inner.data += header;
	inner.len -= (uint32_t)header;
	if (!packet_parse(&inner, &packet))
		return 0;
	memset(&flow, 0, sizeof(flow));
	flow.dst = packet.eth.dst;
	flow.src = packet.eth.src;
	if (packet.ip_version == 4)
		(void)frame_peek(&inner, packet.l3_off + offsetof(struct ipv4_header, src), 8,
				 flow.addresses);
	else if (packet.ip_version == 6)
		(void)frame_peek(&inner, packet.l3_off + offsetof(struct ipv6_header, src), 32,
				 flow.addresses);
	flow.protocol = packet.protocol;
	/* Only the first fragment has ports, and the others must not overtake it. */
	if (!packet.fragment && packet.l4_off != FRAME_OFF_UNSET &&
	    (packet.protocol == IPPROTO_TCP || packet.protocol == IPPROTO_UDP))
		(void)frame_peek(&inner, packet.l4_off, sizeof(flow.ports), flow.ports);
	return (unsigned)hash_bytes(&key, &flow, sizeof(flow));
}
