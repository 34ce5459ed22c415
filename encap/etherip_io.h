/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of EtherIP's I/O share: etherip_io.c (life and sending),
 * etherip_rx.c (receiving).
 */
#ifndef TVD_ETHERIP_IO_H
#define TVD_ETHERIP_IO_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "encap/etherip.h"
#include "encap/group.h"
#include "lib/list.h"

struct etherip_rx;
struct etherip_shared;

/* Receiving, one for each family; etherip_rx.c. */
struct etherip_receiver {
	ev_io io;
	int fd, guard_fd; /* -1: closed */
	uint16_t family;
	struct etherip_shared *shared;
	struct etherip_rx *rx; /* buffers that wait for datagrams */
};

/* What all EtherIP backends of a host share; made with the first, gone with the last. */
struct etherip_shared {
	struct encap_host *host;
	struct etherip_table table;
	struct etherip_receiver receiver[2]; /* IPv4, IPv6 */
	struct list senders;
	struct groups groups;
	unsigned users;
	bool kernel_filter; /* identifiers are filtered in the kernel */
};

static inline unsigned family_index(uint16_t family)
{
	return family == AF_INET6;
}

/* Raw socket of protocol 97, or negative errno. */
int etherip_raw_socket(uint16_t family);

/* setsockopt() of an int: 0 or negative errno. */
int etherip_set_int(int fd, int level, int option, int value);

/* Asks for a buffer of so many bytes, beyond the system's limit where that is allowed. */
void etherip_set_buffer(int fd, int force, int plain, int bytes);

/* Attaches a filter that takes nothing. */
int etherip_drop_everything(int fd);

/* Opens a family's receiver if it is not open. 0 or negative errno. */
int etherip_receiver_open(struct etherip_shared *shared, uint16_t family);
void etherip_receiver_close(struct etherip_receiver *receiver);

/* Brings the kernel's filter in line with the table. */
void etherip_update_filter(struct etherip_shared *shared);

#endif
