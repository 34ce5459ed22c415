/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The counters of one port or one encap. rx is what comes into the switch from
 * the guest or the wire, tx what leaves it. A superframe is one frame with all
 * its bytes; the frames that it stands for are counted in the segments.
 */
#ifndef TVD_STATS_H
#define TVD_STATS_H

#include <stdint.h>

#include "lib/reason.h"

struct stats {
	uint64_t rx_frames, rx_bytes, rx_segments;
	uint64_t tx_frames, tx_bytes, tx_segments;
	uint64_t rx_merged; /* segments that came one by one and went into a superframe */
	uint64_t tx_cut;    /* superframes cut here, since what is there does not cut */
	uint64_t tx_summed; /* other frames whose checksum was completed here, likewise */
	uint64_t rx_drops[REASON_COUNT]; /* frames that came in here */
	uint64_t tx_drops[REASON_COUNT]; /* frames that would have gone out here */
};

#endif
