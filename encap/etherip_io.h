/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of EtherIP's I/O share: etherip_io.c (life and sending),
 * etherip_rx.c (receiving).
 */
#ifndef TVD_ETHERIP_IO_H
#define TVD_ETHERIP_IO_H

#include <stdbool.h>
#include <stdint.h>

#include "encap/etherip.h"
#include "encap/etherip_ring.h"
#include "encap/group.h"
#include "encap/receiver.h"
#include "encap/sender.h"

struct etherip_shared;

/* Receiving, one for each family; etherip_rx.c. */
struct etherip_receiver {
	struct receiver rx;
	int guard_fd; /* -1: closed */
	struct etherip_shared *shared;
};

/* What all EtherIP backends of a host share; made with the first, gone with the last. */
struct etherip_shared {
	struct encap_host *host;
	struct etherip_table table;
	struct etherip_receiver receiver[2]; /* IPv4, IPv6 */
	struct senders senders, udp_senders;
	struct udp_receivers udp_receivers;
	struct groups groups;
	struct list rings; /* of struct etherip_ring */
	unsigned users;
	bool kernel_filter; /* identifiers are filtered in the kernel */
};

/* Makes the receivers of a new `shared`, closed. */
void etherip_receivers_init(struct etherip_shared *shared);

/* Opens a family's receiver if it is not open. 0 or negative errno. */
int etherip_receiver_open(struct etherip_shared *shared, uint16_t family);
void etherip_receiver_close(struct etherip_receiver *receiver);

/* Brings the kernel's filters in line with the table. */
void etherip_update_filter(struct etherip_shared *shared);

/* The filter of a family's raw socket alone: the rings that are open have changed. 0; or
 * negative errno, and it is what it was. */
int etherip_update_raw(struct etherip_shared *shared, uint16_t family);

/*
 * Finds whose a datagram is that came to a UDP port, or by protocol 97 (port 0), and takes
 * the EtherIP header off. NULL, with the reason and with *blame as of struct receiver.
 */
struct encap *etherip_classify(const struct etherip_shared *shared, struct frame *frame,
			       uint16_t port, const struct outer *outer, enum reason *reason,
			       struct encap **blame);

#endif
