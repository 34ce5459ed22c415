/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VXLAN (RFC 7348): for more segments than EtherIP has identifiers, and for peers
 * that speak nothing else.
 *
 * This header is for the backend's own files and for tests: what is pure (vxlan.c)
 * and what does I/O (vxlan_io.c).
 */
#ifndef TVD_VXLAN_H
#define TVD_VXLAN_H

#include "encap/group.h"
#include "encap/remotes.h"
#include "encap/udp.h"

#define VXLAN_HEADER_LEN 8u
#define VXLAN_PORT	 4789
#define VXLAN_VNI_MAX	 0xffffffu
#define VXLAN_FLAG_VNI	 0x08u /* the VNI is valid */

struct vxlan_conf {
	struct encap_conf common;
	struct remotes_conf remotes;
	int64_t vni, port;
	int64_t ttl; /* 0: the default */
	bool clamp_mss;
};

/* What an open backend keeps; `encap->state`. */
struct vxlan {
	struct encap *encap;
	const struct vxlan_conf *conf;
	struct remotes remotes;
	struct group_member member;
	uint64_t reassembled; /* datagrams that arrived in fragments */
	struct vxlan *next;   /* in its bucket */
};

/* Who receives what. Only the configuration fills it, not what is received. */
#define VXLAN_BUCKET_BITS 12
struct vxlan_table {
	struct vxlan *bucket[1u << VXLAN_BUCKET_BITS];
};

/* The header for a VNI, in memory order. */
void vxlan_header(uint32_t vni, uint8_t out[VXLAN_HEADER_LEN]);

/* Adds and removes a backend. */
void vxlan_table_add(struct vxlan_table *table, struct vxlan *vxlan);
void vxlan_table_del(struct vxlan_table *table, struct vxlan *vxlan);

/*
 * Finds whose a datagram to UDP port `port` is; `frame` begins with the VXLAN
 * header. NULL with the reason; *blame is then the encap that the drop counts at,
 * or NULL if it belongs to none.
 */
struct vxlan *vxlan_demux(const struct vxlan_table *table, const struct frame *frame, uint16_t port,
			  const struct outer *outer, enum reason *reason, struct vxlan **blame);

/*
 * A hash of the flow that a pushed frame is of: equal for all frames of a TCP or
 * UDP flow in one direction, and for all fragments between two addresses.
 */
unsigned vxlan_flow(const struct frame *frame);

/* ---- vxlan_io.c: sockets ---- */

int vxlan_open(struct encap *encap, struct err *err);
int vxlan_reconf(struct encap *encap, const struct encap_conf *conf);
void vxlan_close(struct encap *encap);
void vxlan_uplink_changed(struct encap *encap);
void vxlan_send(struct encap *encap, struct frame_batch *batch);

extern const struct encap_ops vxlan_ops;

#endif
