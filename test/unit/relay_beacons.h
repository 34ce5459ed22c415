/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A beacon as another relay would have sent it.
 */
#ifndef TVD_TEST_RELAY_BEACONS_H
#define TVD_TEST_RELAY_BEACONS_H

#include "lib/frame.h"
#include "switchd/relay_beacon.h"

static inline struct frame *beacon_frame(struct frame_pool *from, uint32_t number,
					 uint64_t instance, enum relay_state relay_state, bool lan)
{
	struct relay_beacon beacon = {{number, instance}, relay_state, lan};
	struct frame *frame = frame_alloc(from, RELAY_BEACON_FRAME);

	assert_non_null(frame);
	relay_beacon_write(&beacon, frame);
	return frame;
}

#endif
