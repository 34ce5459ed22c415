/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Beacons, by which the relays of a segment know of each other. One is an Ethernet
 * frame that goes the way of the segment's own frames, inside its encapsulation:
 *
 *	 0  6  destination, RELAY_GROUP
 *	 6  6  source, locally administered, made of the instance
 *	12  2  type 0x88b6 (IEEE 802 local experimental 2)
 *	14  4  "TVDR"
 *	18  1  version, 1
 *	19  1  state: 1 listening, 2 claiming, 3 active, 4 standby
 *	20  1  what this side is to the sender: 1 its LAN, 2 a WAN
 *	21  1  zero when sent, ignored when received
 *	22  4  number of the relay, not 0
 *	26  8  instance, not 0: drawn at each start
 *	34     zeros up to 60 bytes
 *
 * Integers are in network byte order. switchd-forwarding(7) has the rules.
 */
#ifndef TVD_RELAY_BEACON_H
#define TVD_RELAY_BEACON_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/frame.h"

#define ETHERTYPE_RELAY	   0x88b6
#define RELAY_BEACON_LEN   34u
#define RELAY_BEACON_FRAME 60u /* the shortest frame of a wire, without FCS */

enum relay_state {
	RELAY_LISTENING = 1, /* hears who is there */
	RELAY_CLAIMING,	     /* says that it is about to become active */
	RELAY_ACTIVE,
	RELAY_STANDBY,
};

/* A relay, one of a process for one segment. */
struct relay_id {
	uint32_t number;
	uint64_t instance;
};

struct relay_beacon {
	struct relay_id from;
	enum relay_state state;
	bool lan; /* it was sent to what is the sender's LAN */
};

/* The group to which beacons go: locally administered, so that switches pass it. */
extern const struct mac relay_group;

/* Whether a frame is for that group, whatever else it is. */
bool relay_beacon_is_for(const struct frame *frame);

/* Reads one; false if the frame is none, or one of another version. */
bool relay_beacon_read(const struct frame *frame, struct relay_beacon *beacon);

/* Writes one into an empty frame with room for RELAY_BEACON_FRAME bytes. */
void relay_beacon_write(const struct relay_beacon *beacon, struct frame *frame);

/* "listening", and so on. */
const char *relay_state_name(enum relay_state state);

#endif
