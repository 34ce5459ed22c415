/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EtherIP (RFC 3378) with a network identifier in its reserved bits: section
 * 3.1.1 of the comparative study (HPL-2008-57) and section 6 of the TVD paper.
 *
 * This header is for the backend's own files and for tests: what is pure
 * (etherip.c) and what does I/O (etherip_io.c).
 */
#ifndef TVD_ETHERIP_H
#define TVD_ETHERIP_H

#include <stdbool.h>
#include <stdint.h>

#include "encap/group.h"
#include "encap/remotes.h"
#include "encap/udp.h"

#define ETHERIP_PROTOCOL   97
#define ETHERIP_HEADER_LEN 2u
#define ETHERIP_ID_MAX	   0xfffu
#define ETHERIP_PORT	   9797 /* where nothing else is said: ours, nobody has assigned one */

/* Where the version stands: RFC 3378 puts it into the high half of the first
 * byte; some deployed peers put it into the low half. */
enum etherip_nibbles { NIBBLES_RFC, NIBBLES_SWAPPED };
enum etherip_transport { TRANSPORT_IP, TRANSPORT_UDP };

struct etherip_conf {
	struct encap_conf common;
	struct remotes_conf remotes; /* no group and no peers: etherip_group */
	int nibbles, transport, oversize;
	int64_t ttl;  /* 0: the default */
	int64_t port; /* of UDP */
	bool clamp_mss;
};

struct etherip_ring_user;

/* What an open backend keeps; `encap->state`. */
struct etherip {
	struct encap *encap;
	const struct etherip_conf *conf;
	struct remotes remotes;
	struct group_member member;
	uint64_t reassembled; /* datagrams that arrived in fragments */
	bool listed;	      /* in the table */
	struct etherip *next_same_id;
	struct etherip_ring_user *user; /* of rings, IPv4 and IPv6; NULL: not by protocol 97 */
};

/* Who receives what: identifiers, and for identifier 0 the peer's address. */
struct etherip_table {
	struct etherip *by_id[2][ETHERIP_ID_MAX + 1]; /* by enum etherip_nibbles */
	struct etherip_peer *plain;		      /* sorted by address */
	unsigned plain_count;
	unsigned count[2];
};

struct etherip_peer {
	struct ipaddr addr;
	struct etherip *etherip;
};

/* The default group of an identifier: 239.192.HI.LO, or ff18::5456:ID. */
struct ipaddr etherip_group(uint16_t family, uint16_t id);

/* The header for an identifier, in memory order. */
void etherip_header(uint16_t id, enum etherip_nibbles nibbles, uint8_t out[ETHERIP_HEADER_LEN]);

/* Adds a backend, 0 or -ENOMEM; and removes it, if it is there. */
int etherip_table_add(struct etherip_table *table, struct etherip *etherip);
void etherip_table_del(struct etherip_table *table, struct etherip *etherip);

/*
 * Finds whose a datagram is that came to a UDP port, or by protocol 97 (port 0);
 * `frame` begins with the EtherIP header. NULL with
 * the reason; *blame is then the encap that the drop counts at, or NULL if it
 * belongs to none.
 */
struct etherip *etherip_demux(const struct etherip_table *table, const struct frame *frame,
			      uint16_t port, const struct outer *outer, enum reason *reason,
			      struct etherip **blame);

/*
 * Checks an outer IPv4 header in front of the EtherIP header and takes it off;
 * fills outer->src and outer->dst. REASON_NONE or REASON_BAD_HEADER.
 */
enum reason etherip_pull_ipv4(struct frame *frame, struct outer *outer);

/* As udp_flow(). */
unsigned etherip_flow(const struct frame *frame);

/* ---- etherip_io.c: sockets ---- */

int etherip_open(struct encap *encap, struct err *err);
int etherip_reconf(struct encap *encap, const struct encap_conf *conf);
void etherip_close(struct encap *encap);
bool etherip_yield(struct encap *encap);
void etherip_uplink_changed(struct encap *encap);
unsigned etherip_takes(const struct encap *encap, const struct frame *frame);
void etherip_send(struct encap *encap, struct frame_batch *batch);

/* encap_ops.count: receive rings. */
void etherip_rings_count(const struct encap_host *host, encap_count_fn *fn, void *arg);

/* Groups joined, holder sockets, and whether identifiers are filtered in the kernel. */
void etherip_show_io(const struct encap *encap, struct json_t *object);

extern const struct encap_ops etherip_ops;

#endif
