/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs for the kernel that decide which socket gets an EtherIP packet: of each, the
 * receive ring of its uplink or the raw socket of its family, and never both. No I/O.
 */
#ifndef TVD_ETHERIP_FILTER_H
#define TVD_ETHERIP_FILTER_H

#include <linux/filter.h>

#include "encap/etherip.h"

#define FILTER_IDS    1024u /* more than this, and user space filters */
#define FILTER_RINGS  16u
#define FILTER_GROUPS 16u /* of one uplink: more, and user space filters */
/* Instructions of the longest program of a raw socket, and of a ring. */
#define FILTER_LEN	(2u * FILTER_IDS + 24u * FILTER_RINGS + 16u)
#define FILTER_RING_IDS 64u
#define FILTER_RING_LEN (2u * FILTER_RING_IDS + 9u * (FILTER_GROUPS + 1u) + 32u)
/* As many bytes of a fragment reach a ring: that there is one is all that counts. */
#define FILTER_FRAGMENT_LEN 64u

/*
 * What a ring takes: whole packets without options and of no more than `max` bytes, to
 * the uplink's address or to a group. Whatever else is for this host reaches the raw
 * socket, also what was fragmented; but that is longer than `max` then, or lost: see
 * outer_whole_len().
 */
struct etherip_take {
	unsigned ifindex, max;
	struct ipaddr addr;
	struct ipaddr group[FILTER_GROUPS];
	unsigned groups; /* more than FILTER_GROUPS: all there are */
};

/*
 * The programs of a raw socket beside so many rings, up to FILTER_RINGS; of a ring; and of
 * tc, which keep what the ring takes from the raw socket. `out` has room for FILTER_LEN or
 * FILTER_RING_LEN instructions. The table's identifiers pass and no others, up to
 * FILTER_IDS or FILTER_RING_IDS; with NULL all do. They return the program's length.
 */
unsigned etherip_filter_raw(const struct etherip_table *table, uint16_t family,
			    const struct etherip_take *const *take, unsigned takes,
			    struct sock_filter *out);
unsigned etherip_filter_ring(const struct etherip_table *table, const struct etherip_take *take,
			     struct sock_filter *out);
unsigned etherip_filter_sieve(const struct etherip_table *table, const struct etherip_take *take,
			      struct sock_filter *out);

#endif
