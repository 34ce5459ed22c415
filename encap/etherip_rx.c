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

#include "encap/etherip_io.h"
#include "lib/log.h"

LOG_MODULE("etherip");

#define RX_MESSAGES 32u
#define RX_ROUNDS   4u
#define RX_BUFFER   (8 << 20)
#define FILTER_IDS  1024u /* more than this, and user space filters */

/* Not in every libc's headers. */
#ifndef IP_RECVFRAGSIZE
#define IP_RECVFRAGSIZE 25
#endif
#ifndef IPV6_RECVFRAGSIZE
#define IPV6_RECVFRAGSIZE 77
#endif

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

		if (receiver->fd < 0)
			continue;
		if (code) {
			program.len =
			    (unsigned short)build_filter(&shared->table, receiver->family, code);
			if (setsockopt(receiver->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
				       sizeof(program)) == 0)
				continue;
		}
		filtered = false;
		(void)etherip_set_int(receiver->fd, SOL_SOCKET, SO_DETACH_FILTER, 0);
	}
	free(code);
	if (shared->host->ids_shared && shared->kernel_filter && !filtered)
		log_info("%u identifiers are too many for a kernel filter: filtering here", ids);
	shared->kernel_filter = filtered;
}

/* ---- receiving ---- */

/* One datagram at a time may lie here; what is not taken waits for the next. */
struct rx_message {
	struct frame *frame; /* NULL: the pool was exhausted */
	struct iovec iov[2];
	struct sockaddr_storage from;
	union {
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
};

struct etherip_rx {
	struct rx_message message[RX_MESSAGES];
	struct mmsghdr hdr[RX_MESSAGES];
	uint8_t scratch; /* where a datagram goes for which there is no buffer */
	/* Where datagrams longer than a small buffer end; else never touched. */
	uint8_t overflow[RX_MESSAGES][FRAME_LARGE];
};

/* The source of raw IPv4 stands in the header; IPv6 has it in the socket address. */
static void read_control(const struct msghdr *msg, struct etherip_outer *outer)
{
	memset(outer, 0, sizeof(*outer));
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR((struct msghdr *)msg, c)) {
		if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			outer->ifindex = (unsigned)info.ipi_ifindex;
		} else if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			outer->ifindex = info.ipi6_ifindex;
			outer->dst = ipaddr_v6(&info.ipi6_addr);
		} else if ((c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVFRAGSIZE) ||
			   (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVFRAGSIZE)) {
			outer->fragmented = true;
		}
	}
	if (msg->msg_namelen >= sizeof(struct sockaddr_in6) &&
	    ((const struct sockaddr_storage *)msg->msg_name)->ss_family == AF_INET6)
		outer->src = ipaddr_v6(&((const struct sockaddr_in6 *)msg->msg_name)->sin6_addr);
}

/* A datagram that went past the small buffer is put together in a large one. */
static struct frame *join_overflow(struct etherip_shared *shared, struct frame *frame, size_t len,
				   const uint8_t *overflow)
{
	size_t head = FRAME_SMALL;
	struct frame *whole = frame_alloc(shared->host->pool, len);

	if (whole) {
		memcpy(whole->data, frame->data, head);
		memcpy(whole->data + head, overflow, len - head);
		whole->len = (uint32_t)len;
	}
	frame_free(frame);
	return whole;
}

static void count_stray(struct etherip_shared *shared, struct etherip *blame, enum reason reason)
{
	struct stats *stats = blame ? &blame->encap->stats : &shared->host->stray[ENCAP_ETHERIP];

	/* A peer's other segments are no business of ours, and no drop. */
	stats->rx_drops[reason]++;
}

/* Finds whose frame it is and takes the headers off; NULL when it was dropped. */
static struct etherip *classify(struct etherip_shared *shared, uint16_t family, struct frame *frame,
				struct etherip_outer *outer)
{
	enum reason reason = REASON_NONE;
	struct etherip *etherip = NULL, *blame = NULL;

	if (family == AF_INET)
		reason = etherip_pull_ipv4(frame, outer);
	if (reason == REASON_NONE)
		etherip = etherip_demux(&shared->table, frame, outer, &reason, &blame);
	if (etherip) {
		blame = etherip;
		reason = etherip->encap->ops->pop(etherip->encap, frame);
	}
	if (!etherip || reason != REASON_NONE) {
		count_stray(shared, blame, reason);
		frame_free(frame);
		return NULL;
	}
	if (outer->fragmented)
		etherip->reassembled++;
	frame->peer = outer->src;
	frame->origin = &etherip->encap->stats;
	return etherip;
}

/* Frames for one encap in a row travel together. */
static void deliver(struct etherip_shared *shared, struct etherip *to, struct frame_batch *batch)
{
	if (batch->count)
		shared->host->deliver(to->encap, batch);
}

static void process(struct etherip_receiver *receiver, unsigned count)
{
	struct etherip_shared *shared = receiver->shared;
	struct rx_message *rx = receiver->rx->message;
	struct mmsghdr *msgs = receiver->rx->hdr;
	struct frame_batch batch = {.count = 0};
	struct etherip *current = NULL;

	for (unsigned i = 0; i < count; i++) {
		struct frame *frame = rx[i].frame;
		size_t len = msgs[i].msg_len;
		struct etherip_outer outer;
		struct etherip *etherip;

		rx[i].frame = NULL;
		if (!frame || msgs[i].msg_hdr.msg_flags & MSG_TRUNC) {
			count_stray(shared, NULL, frame ? REASON_TOO_LONG : REASON_NO_BUFFER);
			frame_free(frame);
			continue;
		}
		read_control(&msgs[i].msg_hdr, &outer);
		if (len > FRAME_SMALL)
			frame = join_overflow(shared, frame, len, rx[i].iov[1].iov_base);
		else
			frame->len = (uint32_t)len;
		if (!frame) {
			count_stray(shared, NULL, REASON_NO_BUFFER);
			continue;
		}
		etherip = classify(shared, receiver->family, frame, &outer);
		if (!etherip)
			continue;
		if (etherip != current || frame_batch_full(&batch)) {
			deliver(shared, current, &batch);
			current = etherip;
		}
		frame_batch_add(&batch, frame);
	}
	deliver(shared, current, &batch);
}

/* Gives every message a buffer again, and the room that the kernel has used. */
static void prepare(struct etherip_receiver *receiver)
{
	struct etherip_rx *rx = receiver->rx;

	for (unsigned i = 0; i < RX_MESSAGES; i++) {
		struct rx_message *message = &rx->message[i];
		struct msghdr *hdr = &rx->hdr[i].msg_hdr;

		if (!message->frame) {
			message->frame = frame_alloc(receiver->shared->host->pool, FRAME_SMALL);
			message->iov[0].iov_base =
			    message->frame ? message->frame->data : &rx->scratch;
			message->iov[0].iov_len = message->frame ? FRAME_SMALL : 1;
			message->iov[1].iov_base = rx->overflow[i];
			message->iov[1].iov_len = FRAME_LARGE;
		}
		hdr->msg_name = &message->from;
		hdr->msg_namelen = sizeof(message->from);
		hdr->msg_iov = message->iov;
		hdr->msg_iovlen = 2;
		hdr->msg_control = &message->control;
		hdr->msg_controllen = sizeof(message->control);
		hdr->msg_flags = 0;
		rx->hdr[i].msg_len = 0;
	}
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct etherip_receiver *receiver = io->data;

	(void)loop;
	(void)events;
	for (unsigned round = 0; round < RX_ROUNDS; round++) {
		int n;

		prepare(receiver);
		n = recvmmsg(receiver->fd, receiver->rx->hdr, RX_MESSAGES, 0,
			     NULL); /* @syscall recvmmsg */
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			log_limited(LOG_LEVEL_WARN, "receiving: %s", strerror(errno));
		if (n > 0)
			process(receiver, (unsigned)n);
		if (n < (int)RX_MESSAGES)
			return;
	}
}

void etherip_receiver_close(struct etherip_receiver *receiver)
{
	if (receiver->fd >= 0) {
		ev_io_stop(receiver->shared->host->loop, &receiver->io);
		close(receiver->fd);
	}
	if (receiver->guard_fd >= 0)
		close(receiver->guard_fd);
	receiver->fd = receiver->guard_fd = -1;
	if (receiver->rx) {
		for (unsigned i = 0; i < RX_MESSAGES; i++)
			frame_free(receiver->rx->message[i].frame);
	}
	free(receiver->rx);
	receiver->rx = NULL;
}

int etherip_receiver_open(struct etherip_shared *shared, uint16_t family)
{
	struct etherip_receiver *receiver = &shared->receiver[family_index(family)];
	int fd, ret;

	if (receiver->fd >= 0)
		return 0;
	receiver->rx = calloc(1, sizeof(*receiver->rx));
	if (!receiver->rx)
		return -ENOMEM;
	receiver->guard_fd = etherip_raw_socket(family);
	ret = receiver->guard_fd;
	if (ret < 0)
		goto fail;
	ret = etherip_drop_everything(receiver->guard_fd);
	if (ret < 0)
		goto fail;
	fd = etherip_raw_socket(family);
	ret = fd;
	if (fd < 0)
		goto fail;
	receiver->fd = fd;
	etherip_set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, RX_BUFFER);
	if (family == AF_INET) {
		ret = etherip_set_int(fd, SOL_IP, IP_PKTINFO, 1);
		(void)etherip_set_int(fd, SOL_IP, IP_RECVFRAGSIZE, 1);
	} else {
		ret = etherip_set_int(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1);
		(void)etherip_set_int(fd, SOL_IPV6, IPV6_RECVFRAGSIZE, 1);
	}
	ev_io_init(&receiver->io, on_readable, fd, EV_READ);
	receiver->io.data = receiver;
	ev_io_start(shared->host->loop, &receiver->io);
	if (ret == 0)
		return 0;
fail:
	etherip_receiver_close(receiver);
	return ret;
}
