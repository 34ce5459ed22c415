/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whole frames of MVRP (IEEE 802.1Q, clauses 10.8 and 11) and of GVRP, which came
 * before it (IEEE 802.1D-2004, clause 12.10, and 802.1Q-1998). Pure: no I/O.
 */
#ifndef TVD_MRP_PDU_H
#define TVD_MRP_PDU_H

#include <stddef.h>
#include <stdint.h>

#include "encap/mrp.h"
#include "lib/addr.h"

#define MRP_FRAME_MAX  1514u
#define ETHERTYPE_MVRP 0x88f5
#define GVRP_LLC       0x424203u /* as the spanning tree's; the group address differs */

/* The protocols, to index tables. MVRP has another group address on the VLANs of a
 * provider (S-tags), so that it is not the customers' switches that listen. */
enum mrp_protocol { MRP_MVRP, MRP_MVRP_PROVIDER, MRP_GVRP, MRP_PROTOCOLS };

/* "mvrp", "mvrp-provider", "gvrp". */
const char *mrp_protocol_name(enum mrp_protocol protocol);

extern const struct mac mrp_group[MRP_PROTOCOLS];

/*
 * Writes a frame of at most `size` bytes (at most MRP_FRAME_MAX are used, and 60 must
 * be there) with what VIDs *vid and following have to say, as many as fit, and moves
 * *vid to the first one not looked at. Returns its length, or 0: none has anything to
 * say.
 */
size_t mrp_frame_write(enum mrp_protocol protocol, const struct mac *src, const struct mrp *mrp,
		       unsigned *vid, uint8_t *out, size_t size);

/* What a frame says to its receiver: for each VID, and with VID 0 that all are to be
 * declared again. */
typedef void mrp_heard_fn(void *arg, enum mrp_event event, unsigned vid);

/*
 * The protocol of an untagged frame; MRP_PROTOCOLS: none of them. Looks at no more
 * than the kernel's filter of dot1q_filter.c.
 */
enum mrp_protocol mrp_frame_protocol(const uint8_t *data, size_t len);

/*
 * Reads a frame of that protocol. LeaveAll comes first, and once. 0; or -EINVAL when
 * it is malformed anywhere: then nothing of it counts, and `fn` was not called.
 */
int mrp_frame_read(enum mrp_protocol protocol, const uint8_t *data, size_t len, mrp_heard_fn *fn,
		   void *arg);

#endif
