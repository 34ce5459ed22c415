/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of dot1q's I/O share: dot1q_io.c (life, sending and receiving),
 * dot1q_mrp.c (telling switches which VLANs are needed).
 */
#ifndef TVD_DOT1Q_IO_H
#define TVD_DOT1Q_IO_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "encap/dot1q.h"
#include "encap/packet_io.h"
#include "encap/socket.h"

struct dot1q_mrp;

/* One uplink's socket, shared by all segments on it. */
struct dot1q_link {
	struct list link; /* in dot1q_shared.links */
	struct encap_host *host;
	const struct encap_uplink *uplink;
	unsigned refs;
	struct dot1q_table table;
	struct socket_own own;
	int fd; /* -1: the uplink is away */
	unsigned ifindex;
	ev_timer filter_soon; /* the table has changed: one new filter for all changes */
	enum dot1q_filter filter;
	bool unfiltered_reported;
	struct packet_rx *rx;
	struct dot1q_mrp *mrp; /* NULL until a VLAN has been declared */
};

/* A new filter at the end of this turn of the loop, whatever else still changes in it. */
void dot1q_filter_later(struct dot1q_link *link);

/*
 * Declares a backend's VLAN in the protocols that its configuration names, and in no
 * others. 0 or -ENOMEM, with nothing declared.
 */
int dot1q_mrp_declare(struct dot1q *dot1q, const struct dot1q_conf *conf);

/* Withdraws it. */
void dot1q_mrp_withdraw(struct dot1q *dot1q);

/* The uplink, or the socket, may have changed. */
void dot1q_mrp_uplink(struct dot1q_link *link);

/* Whether an untagged frame is a protocol's of ours; it is read then. */
bool dot1q_mrp_receive(struct dot1q_link *link, const struct frame *frame);

/* The link's last segment has gone: says now what is still to be said. */
void dot1q_mrp_close(struct dot1q_link *link);

#endif
