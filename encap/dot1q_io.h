/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of dot1q's I/O share: dot1q_io.c (life and sending), dot1q_rx.c
 * (receiving).
 */
#ifndef TVD_DOT1Q_IO_H
#define TVD_DOT1Q_IO_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "encap/dot1q.h"
#include "lib/list.h"

struct dot1q_rx;

/* One uplink's socket, shared by all segments on it. */
struct dot1q_link {
	struct list link; /* in dot1q_shared.links */
	struct encap_host *host;
	const struct encap_uplink *uplink;
	unsigned refs;
	struct dot1q_table table;
	int fd; /* -1: the uplink is away */
	unsigned ifindex;
	ev_io io;
	ev_timer filter_soon; /* the table has changed: one new filter for all changes */
	enum dot1q_filter filter;
	bool unfiltered_reported;
	struct dot1q_rx *rx;
};

/* Begins to receive from link->fd, which is bound already. 0 or -ENOMEM. */
int dot1q_rx_start(struct dot1q_link *link);
void dot1q_rx_stop(struct dot1q_link *link);

#endif
