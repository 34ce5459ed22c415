/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receiving EtherIP: per family one raw socket, read in batches. It is not bound
 * to an address, which would lose multicast; etherip_demux() decides whose a
 * datagram is. A second raw socket takes and drops everything, for the kernel's
 * bookkeeping: a datagram that no raw socket takes, because the queue of the only
 * one is full, is answered by "protocol unreachable".
 */
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "encap/accel.h"
#include "encap/etherip_io.h"
#include "encap/socket.h"
#include "lib/log.h"

LOG_MODULE("etherip");

#define FILTER_IDS 1024u /* more than this, and user space filters */

/* ---- filter of identifiers ---- */

/*
 * Accepts the identifiers of the table and nothing else: one comparison and one
 * return for each. A raw IPv4 socket shows the filter the IP header first, a raw
 * IPv6 socket does not.
 */
static unsigned build_filter(const struct etherip_table *table, uint16_t family,
			     struct sock_filter *out)
{
	unsigned n = 0;

	if (family == AF_INET) {
		out[n++] = (struct sock_filter)BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0);
		out[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_IND, 0);
	} else {
		out[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0);
	}
	for (int nibbles = NIBBLES_RFC; nibbles <= NIBBLES_SWAPPED; nibbles++) {
		for (unsigned id = 0; id <= ETHERIP_ID_MAX; id++) {
			uint8_t h[ETHERIP_HEADER_LEN];

			if (id ? !table->by_id[nibbles][id] : !table->plain_count)
				continue;
			etherip_header((uint16_t)id, (enum etherip_nibbles)nibbles, h);
			out[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
								(uint32_t)h[0] << 8 | h[1], 0, 1);
			out[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
		}
	}
	out[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	return n;
}

void etherip_update_filter(struct etherip_shared *shared)
{
	unsigned ids = shared->table.count[0] + shared->table.count[1];
	struct sock_filter *code;
	bool filtered = shared->host->ids_shared && ids <= FILTER_IDS;

	code = filtered ? calloc(2 * (size_t)ids + 8, sizeof(*code)) : NULL;
	for (unsigned i = 0; i < 2; i++) {
		struct etherip_receiver *receiver = &shared->receiver[i];
		struct sock_fprog program = {.filter = code};

		if (receiver->rx.fd < 0)
			continue;
		if (code) {
			program.len =
			    (unsigned short)build_filter(&shared->table, receiver->rx.family, code);
			if (setsockopt(receiver->rx.fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
				       sizeof(program)) == 0)
				continue;
		}
		filtered = false;
		(void)socket_set_int(receiver->rx.fd, SOL_SOCKET, SO_DETACH_FILTER, 0);
	}
	free(code);
	if (shared->host->ids_shared && shared->kernel_filter && !filtered)
		log_info("%u identifiers are too many for a kernel filter: filtering here", ids);
	shared->kernel_filter = filtered;
}

/* ---- receiving ---- */

struct encap *etherip_classify(const struct etherip_shared *shared, struct frame *frame,
			       uint16_t port, const struct outer *outer, enum reason *reason,
			       struct encap **blame)
{
	uint8_t header[ETHERIP_HEADER_LEN] = {0};
	struct etherip *whose = NULL;
	struct etherip *etherip = etherip_demux(&shared->table, frame, port, outer, reason, &whose);

	if (!etherip) {
		*blame = whose ? whose->encap : NULL;
		return NULL;
	}
	(void)frame_peek(frame, 0, sizeof(header), header);
	*reason = etherip->encap->ops->pop(etherip->encap, frame);
	if (*reason != REASON_NONE) {
		*blame = etherip->encap;
		return NULL;
	}
	if (etherip->encap->uplink->accel && port == 0)
		accel_accept(etherip->encap->uplink->accel, &outer->src, header);
	if (outer->fragmented)
		etherip->reassembled++;
	return etherip->encap;
}

/* A raw IPv4 socket hands over the IP header, in which source and destination stand. */
static struct encap *classify(struct receiver *rx, struct frame *frame, struct outer *outer,
			      enum reason *reason, struct encap **blame)
{
	const struct etherip_receiver *receiver = rx->owner;

	if (rx->family == AF_INET) {
		*reason = etherip_pull_ipv4(frame, outer);
		if (*reason != REASON_NONE)
			return NULL;
	}
	return etherip_classify(receiver->shared, frame, 0, outer, reason, blame);
}

static struct encap *classify_udp(struct receiver *rx, struct frame *frame, struct outer *outer,
				  enum reason *reason, struct encap **blame)
{
	const struct udp_receiver *receiver = rx->owner;

	return etherip_classify(rx->host->shared[ENCAP_ETHERIP], frame, receiver->port, outer,
				reason, blame);
}

void etherip_receivers_init(struct etherip_shared *shared)
{
	udp_receivers_init(&shared->udp_receivers, shared->host, ENCAP_ETHERIP, classify_udp);
	for (unsigned i = 0; i < 2; i++) {
		struct etherip_receiver *receiver = &shared->receiver[i];

		receiver->shared = shared;
		receiver->guard_fd = -1;
		receiver->rx = (struct receiver){
		    .host = shared->host,
		    .family = family_at(i),
		    .kind = ENCAP_ETHERIP,
		    .owner = receiver,
		    .classify = classify,
		    .fd = -1,
		};
	}
}

void etherip_receiver_close(struct etherip_receiver *receiver)
{
	receiver_stop(&receiver->rx);
	if (receiver->guard_fd >= 0)
		close(receiver->guard_fd);
	receiver->guard_fd = -1;
}

static int raw_socket(uint16_t family)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, ETHERIP_PROTOCOL);

	if (fd < 0)
		return -errno;
	return fd;
}

int etherip_receiver_open(struct etherip_shared *shared, uint16_t family)
{
	struct etherip_receiver *receiver = &shared->receiver[family_index(family)];
	int ret;

	if (receiver->rx.fd >= 0)
		return 0;
	receiver->guard_fd = raw_socket(family);
	ret = receiver->guard_fd;
	if (ret >= 0)
		ret = socket_drop_everything(receiver->guard_fd);
	if (ret >= 0)
		ret = raw_socket(family);
	if (ret >= 0)
		ret = receiver_start(&receiver->rx, ret);
	if (ret < 0)
		etherip_receiver_close(receiver);
	return ret;
}
