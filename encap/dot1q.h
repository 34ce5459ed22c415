/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VLAN tagging (IEEE 802.1Q): section 3.2 of the comparative study (HPL-2008-57).
 * Frames are tagged and untagged here, on the raw socket of the physical interface;
 * no VLAN device is involved.
 *
 * This header is for the backend's own files and for tests: what is pure (dot1q.c,
 * dot1q_filter.c) and what does I/O (dot1q_io.c, dot1q_mrp.c).
 */
#ifndef TVD_DOT1Q_H
#define TVD_DOT1Q_H

#include <stdbool.h>
#include <stdint.h>

#include "encap/encap.h"
#include "encap/mrp_pdu.h"

struct sock_filter;

#define VID_MASK	0xfffu
#define VIDS		4096u
#define DOT1Q_TAGS_LEN	8u  /* of both tags */
#define DOT1Q_FRAME_MIN 60u /* of Ethernet, without FCS */

#define ETHERTYPE_OLD_QINQ 0x9100 /* of stacked tags before 802.1ad */

struct dot1q_conf {
	struct encap_conf common;
	int64_t vid, priority;
	int64_t outer_vid, outer_tpid; /* outer_vid 0: there is one tag only */
	bool mvrp, gvrp;
};

/* What an open backend keeps; `encap->state`. */
struct dot1q {
	struct encap *encap;
	const struct dot1q_conf *conf;
	struct dot1q_link *link;
	bool listed;		 /* in the table */
	struct dot1q *next_same; /* of the same VLAN, while a reload exchanges them */
	unsigned declares;	 /* bits of enum mrp_protocol: where its VLAN is declared */
};

/* Types of the outer of two tags, to index tables. */
enum dot1q_outer_type { OUTER_CTAG, OUTER_STAG, OUTER_OLD, OUTER_TYPES };

/* The segments inside one outer VLAN, sorted by VID. */
struct dot1q_outer {
	unsigned count;
	struct dot1q_inner {
		uint16_t vid;
		struct dot1q *dot1q;
	} inner[];
};

/* Who receives what on one uplink. VIDs 0 and 4095 are never anybody's. */
struct dot1q_table {
	struct dot1q *plain[VIDS]; /* those with one tag */
	struct dot1q_outer *outer[OUTER_TYPES][VIDS];
	unsigned count;
	unsigned mrp; /* bits of enum mrp_protocol: what is listened to, untagged */
};

/* Adds and removes a backend. 0 or -ENOMEM. */
int dot1q_table_add(struct dot1q_table *table, struct dot1q *dot1q);
void dot1q_table_del(struct dot1q_table *table, struct dot1q *dot1q);

/*
 * Whose a frame is that begins with an Ethernet header, the outermost tag beside
 * the bytes or among them. NULL: nobody's here, as on any wire that carries more
 * VLANs than ours.
 */
struct dot1q *dot1q_demux(const struct dot1q_table *table, const struct frame *frame);

/*
 * The tags that go between a pushed frame's MAC addresses and its type, in memory
 * order; returns how many bytes, 4 or 8.
 */
unsigned dot1q_tags(const struct dot1q_conf *conf, const struct frame *frame,
		    uint8_t out[DOT1Q_TAGS_LEN]);

/*
 * In which protocols a segment's VLAN is declared to switches, as bits of enum
 * mrp_protocol. dot1q_declared_vid() says which VLAN that is: of two tags the outer
 * one, since it is all that a switch on the way looks at.
 */
unsigned dot1q_declares(const struct dot1q_conf *conf);
unsigned dot1q_declared_vid(const struct dot1q_conf *conf);

/* ---- dot1q_filter.c: the kernel's filter ---- */

/* How much of the table a filter knows; what it lets through is judged again here. */
enum dot1q_filter {
	DOT1Q_FILTER_EXACT,
	DOT1Q_FILTER_OUTER, /* the outer of two tags only */
	DOT1Q_FILTER_TAGS,  /* any tagged frame */
};

/*
 * Writes the program that takes the table's VLANs, what switches say of VLANs where
 * that is listened to, and nothing else, up to `max` instructions; returns how many,
 * or 0 if it would be longer. Untagged frames cost two instructions, and two more to
 * listen, where no segment has outer tags of type 0x9100, which the kernel leaves in
 * the bytes.
 */
unsigned dot1q_build_filter(const struct dot1q_table *table, enum dot1q_filter kind,
			    struct sock_filter *out, unsigned max);

/* ---- dot1q_io.c: sockets ---- */

int dot1q_open(struct encap *encap, struct err *err);
int dot1q_reconf(struct encap *encap, const struct encap_conf *conf);
void dot1q_close(struct encap *encap);
void dot1q_uplink_changed(struct encap *encap);
void dot1q_send(struct encap *encap, struct frame_batch *batch);
bool dot1q_ready(const struct encap *encap);

/* What the socket is like. */
void dot1q_show_io(const struct encap *encap, struct json_t *object);

/* ---- dot1q_mrp.c: telling switches ---- */

void dot1q_show_mrp(const struct encap *encap, struct json_t *object);
void dot1q_pdus(const struct encap_host *host, encap_pdus_fn *fn, void *arg);

extern const struct encap_ops dot1q_ops;

#endif
